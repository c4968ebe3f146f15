//! What mutations and lists of groups take.

use async_graphql::{ID, MaybeUndefined};

use super::super::enums::{GroupKind, GroupRole};
use super::UserRef;
use super::roles::RoleRef;
use super::users::OrderDirection;

/// Names one group. Give exactly one field, and not null.
#[derive(Debug, async_graphql::OneofObject)]
pub(in crate::api::graphql) enum GroupRef {
    /// Id: the same as the SCIM id.
    Id(ID),
    /// Name; without case.
    Name(String),
}

/// What groups can be ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
pub(in crate::api::graphql) enum GroupOrderField {
    /// When the group was created.
    CreatedAt,
    /// When the group last changed.
    UpdatedAt,
    /// Name.
    Name,
}

/// Order of a list of groups.
#[derive(Debug, async_graphql::InputObject)]
pub(in crate::api::graphql) struct GroupOrder {
    /// What to order by.
    pub(in crate::api::graphql) field: GroupOrderField,
    /// Which way.
    #[graphql(default_with = "OrderDirection::Asc")]
    pub(in crate::api::graphql) direction: OrderDirection,
}

/// Which groups. All given fields must hold.
#[derive(Debug, async_graphql::InputObject)]
pub(in crate::api::graphql) struct GroupFilter {
    /// Part of the name or display name; without case. At most 200 characters; blank is ignored.
    pub(in crate::api::graphql) search: Option<String>,
    /// Kept here, or by a directory.
    pub(in crate::api::graphql) kind: Option<GroupKind>,
    /// Provisioned by this directory.
    pub(in crate::api::graphql) directory_id: Option<ID>,
}

/// What `createGroup` takes.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct CreateGroupInput {
    /// Unique name, 1 to 150 characters.
    pub(in crate::api::graphql) name: String,
    /// What to call it, 1 to 150 characters; absent: the name.
    pub(in crate::api::graphql) display_name: Option<String>,
    /// The role a new member gets inside the group; absent: none.
    pub(in crate::api::graphql) default_role: Option<RoleRef>,
    /// Roles every member holds in the whole organization, at most 50.
    pub(in crate::api::graphql) roles: Option<Vec<RoleRef>>,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(in crate::api::graphql) client_mutation_id: Option<String>,
}

/// What `updateGroup` takes.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct UpdateGroupInput {
    /// Which group.
    pub(in crate::api::graphql) group: GroupRef,
    /// Unique name, 1 to 150 characters. Null: `VALIDATION_FAILED`.
    pub(in crate::api::graphql) name: MaybeUndefined<String>,
    /// What to call it, 1 to 150 characters; null: the name.
    pub(in crate::api::graphql) display_name: MaybeUndefined<String>,
    /// The role a new member gets inside the group; null: none.
    pub(in crate::api::graphql) default_role: MaybeUndefined<RoleRef>,
    /// Roles every member holds from now on in the whole organization, at most 50; null or empty: none.
    pub(in crate::api::graphql) roles: MaybeUndefined<Vec<RoleRef>>,
    /// The `version` the caller has read. If it is no longer the current one: `VERSION_CONFLICT`, nothing changes.
    pub(in crate::api::graphql) if_version: Option<i32>,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(in crate::api::graphql) client_mutation_id: Option<String>,
}

/// What `deleteGroup` takes.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct DeleteGroupInput {
    /// Which group.
    pub(in crate::api::graphql) group: GroupRef,
    /// The `version` the caller has read. If it is no longer the current one: `VERSION_CONFLICT`, nothing changes.
    pub(in crate::api::graphql) if_version: Option<i32>,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(in crate::api::graphql) client_mutation_id: Option<String>,
}

/// What `setGroupMember` takes.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct SetGroupMemberInput {
    /// Which group.
    pub(in crate::api::graphql) group: GroupRef,
    /// Which user.
    pub(in crate::api::graphql) user: UserRef,
    /// What the user is in the group.
    #[graphql(default_with = "GroupRole::Member")]
    pub(in crate::api::graphql) role: GroupRole,
    /// A role that counts only inside the group; absent: the group's `defaultRole` for a new member, unchanged for one
    /// already there; null: none.
    pub(in crate::api::graphql) scoped_role: MaybeUndefined<RoleRef>,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(in crate::api::graphql) client_mutation_id: Option<String>,
}

/// What `removeGroupMember` takes.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct RemoveGroupMemberInput {
    /// Which group.
    pub(in crate::api::graphql) group: GroupRef,
    /// Which user.
    pub(in crate::api::graphql) user: UserRef,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(in crate::api::graphql) client_mutation_id: Option<String>,
}

/// What `updateUserGroups` takes.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct UpdateUserGroupsInput {
    /// Which user.
    pub(in crate::api::graphql) user: UserRef,
    /// Groups to join, at most 100.
    pub(in crate::api::graphql) add: Option<Vec<GroupRef>>,
    /// Groups to leave, at most 100.
    pub(in crate::api::graphql) remove: Option<Vec<GroupRef>>,
    /// The groups to belong to, at most 100, beside those of directories. Empty: none.
    pub(in crate::api::graphql) set: Option<Vec<GroupRef>>,
    /// The `version` the caller has read. If it is no longer the current one: `VERSION_CONFLICT`, nothing changes.
    pub(in crate::api::graphql) if_version: Option<i32>,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(in crate::api::graphql) client_mutation_id: Option<String>,
}
