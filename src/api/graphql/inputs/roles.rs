//! What mutations and lists of roles take.

use async_graphql::{ID, MaybeUndefined};

use super::users::OrderDirection;

/// Names one role. Give exactly one field, and not null.
#[derive(Debug, async_graphql::OneofObject)]
pub(in crate::api::graphql) enum RoleRef {
    /// Id.
    Id(ID),
    /// Key, such as `admin`, `developer` or `analyst`.
    Key(String),
}

/// What roles can be ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
pub(in crate::api::graphql) enum RoleOrderField {
    /// Name.
    Name,
    /// When the role last changed.
    UpdatedAt,
    /// How many users hold it.
    UserCount,
}

/// Order of a list of roles.
#[derive(Debug, async_graphql::InputObject)]
pub(in crate::api::graphql) struct RoleOrder {
    /// What to order by.
    pub(in crate::api::graphql) field: RoleOrderField,
    /// Which way.
    #[graphql(default_with = "OrderDirection::Asc")]
    pub(in crate::api::graphql) direction: OrderDirection,
}

/// What `createRole` takes.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct CreateRoleInput {
    /// Key, `^[a-z][a-z0-9_]{0,62}$`; cannot be changed later.
    pub(in crate::api::graphql) key: String,
    /// Name, 1 to 100 characters.
    pub(in crate::api::graphql) name: String,
    /// What it is for, at most 500 characters.
    pub(in crate::api::graphql) description: Option<String>,
    /// Permission keys, at most 100.
    pub(in crate::api::graphql) permissions: Vec<String>,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(in crate::api::graphql) client_mutation_id: Option<String>,
}

/// What `updateRole` takes.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct UpdateRoleInput {
    /// Which role.
    pub(in crate::api::graphql) role: RoleRef,
    /// Name, 1 to 100 characters. Null: `VALIDATION_FAILED`.
    pub(in crate::api::graphql) name: MaybeUndefined<String>,
    /// What it is for, at most 500 characters; null clears it.
    pub(in crate::api::graphql) description: MaybeUndefined<String>,
    /// All its permission keys from now on, at most 100. Null: `VALIDATION_FAILED`.
    pub(in crate::api::graphql) permissions: MaybeUndefined<Vec<String>>,
    /// The `version` the caller has read. If it is no longer the current one: `VERSION_CONFLICT`, nothing changes.
    pub(in crate::api::graphql) if_version: Option<i32>,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(in crate::api::graphql) client_mutation_id: Option<String>,
}

/// What `deleteRole` takes.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct DeleteRoleInput {
    /// Which role.
    pub(in crate::api::graphql) role: RoleRef,
    /// The role its holders, invitations, groups and mappings get instead; absent: none.
    pub(in crate::api::graphql) reassign_to: Option<RoleRef>,
    /// The `version` the caller has read. If it is no longer the current one: `VERSION_CONFLICT`, nothing changes.
    pub(in crate::api::graphql) if_version: Option<i32>,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(in crate::api::graphql) client_mutation_id: Option<String>,
}
