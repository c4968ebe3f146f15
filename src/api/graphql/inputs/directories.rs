//! What mutations of directories and lists of what happened take.

use async_graphql::{ID, MaybeUndefined};

use super::super::enums::{AccountType, DirectoryDialect};
use super::super::scalars::DateTime;
use super::groups::GroupRef;
use super::roles::RoleRef;

/// Which attributes of a user a directory takes over, so that nobody else can change them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
pub(in crate::api::graphql) enum AttributeAuthority {
    /// Those it has sent.
    Requested,
    /// All that SCIM can carry.
    Full,
    /// None: it fills them at creation only.
    Initial,
}

/// What SCIM DELETE does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
pub(in crate::api::graphql) enum DeprovisionMode {
    /// Disables the user: gone from SCIM, with `userName` and `externalId` free again; without groups and roles; shown to
    /// administrators as `DISABLED` for 30 days, unless `enableUser` brings the user back; then the data is destroyed.
    Disable,
    /// Ends the membership.
    RemoveMember,
    /// Deletes the user; restorable for 30 days.
    Delete,
}

/// What happens when a directory deactivates the last owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
pub(in crate::api::graphql) enum LastOwnerPolicy {
    /// Access ends, the grant stays, the organization is marked ownerless.
    SuspendAndAlert,
    /// SCIM answers 403.
    Reject,
}

/// Which way a change came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
pub(in crate::api::graphql) enum AuditDoor {
    /// This API.
    Graphql,
    /// A directory.
    Scim,
    /// The operator's command line.
    Cli,
    /// The server itself: expiry, retention.
    System,
}

/// What came of a SCIM write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
pub(in crate::api::graphql) enum ProvisioningOutcome {
    /// Something changed.
    Applied,
    /// Everything was so already.
    Unchanged,
    /// Answered with an error.
    Refused,
}

/// How a directory is treated. Absent and null fields stay as they are; at creation they get their default.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct DirectorySettingsInput {
    /// Which attributes it takes over.
    pub(in crate::api::graphql) attribute_authority: MaybeUndefined<AttributeAuthority>,
    /// What SCIM DELETE does.
    pub(in crate::api::graphql) deprovision_mode: MaybeUndefined<DeprovisionMode>,
    /// What happens when it deactivates the last owner.
    pub(in crate::api::graphql) last_owner_policy: MaybeUndefined<LastOwnerPolicy>,
    /// Account type of users it creates.
    pub(in crate::api::graphql) default_account_type: MaybeUndefined<AccountType>,
    /// Whether creating a user whose name an inactive one of its own has, or one that it deleted in mode `DISABLE` had,
    /// brings that one back.
    pub(in crate::api::graphql) restore_on_create: MaybeUndefined<bool>,
    /// Whether two of its groups may not share a `displayName`.
    pub(in crate::api::graphql) unique_group_names: MaybeUndefined<bool>,
    /// Whether it may only use addresses in the organization's verified domains.
    pub(in crate::api::graphql) verified_domains_only: MaybeUndefined<bool>,
    /// Whether PATCH of a group answers 200 with the group instead of 204.
    pub(in crate::api::graphql) patch_group_with_body: MaybeUndefined<bool>,
}

/// What `createDirectory` takes.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct CreateDirectoryInput {
    /// Unique name, 1 to 100 characters.
    pub(in crate::api::graphql) display_name: String,
    /// Whose way of speaking SCIM to expect.
    #[graphql(default_with = "DirectoryDialect::Auto")]
    pub(in crate::api::graphql) dialect: DirectoryDialect,
    /// How it is treated; absent: all defaults.
    pub(in crate::api::graphql) settings: Option<DirectorySettingsInput>,
    /// When the token stops working, in the future; absent or null: never.
    pub(in crate::api::graphql) token_expires_at: Option<DateTime>,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(in crate::api::graphql) client_mutation_id: Option<String>,
}

/// What `updateDirectory` takes.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct UpdateDirectoryInput {
    /// Which directory.
    pub(in crate::api::graphql) directory_id: ID,
    /// Unique name, 1 to 100 characters. Null: `VALIDATION_FAILED`.
    pub(in crate::api::graphql) display_name: MaybeUndefined<String>,
    /// Whose way of speaking SCIM to expect. Null: `VALIDATION_FAILED`.
    pub(in crate::api::graphql) dialect: MaybeUndefined<DirectoryDialect>,
    /// Whether it may write. Null: `VALIDATION_FAILED`.
    pub(in crate::api::graphql) is_enabled: MaybeUndefined<bool>,
    /// How it is treated.
    pub(in crate::api::graphql) settings: MaybeUndefined<DirectorySettingsInput>,
    /// The `version` the caller has read. If it is no longer the current one: `VERSION_CONFLICT`, nothing changes.
    pub(in crate::api::graphql) if_version: Option<i32>,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(in crate::api::graphql) client_mutation_id: Option<String>,
}

/// What `rotateDirectoryToken` takes.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct RotateDirectoryTokenInput {
    /// Which directory.
    pub(in crate::api::graphql) directory_id: ID,
    /// How long the tokens before still work, 0 to 28800 (8 hours).
    #[graphql(default = 0)]
    pub(in crate::api::graphql) grace_seconds: i32,
    /// When the new token stops working, in the future; absent or null: never.
    pub(in crate::api::graphql) expires_at: Option<DateTime>,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(in crate::api::graphql) client_mutation_id: Option<String>,
}

/// What `revokeDirectoryToken` takes.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct RevokeDirectoryTokenInput {
    /// The token.
    pub(in crate::api::graphql) token_id: ID,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(in crate::api::graphql) client_mutation_id: Option<String>,
}

/// What `deleteDirectory` takes.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct DeleteDirectoryInput {
    /// Which directory.
    pub(in crate::api::graphql) directory_id: ID,
    /// The `version` the caller has read. If it is no longer the current one: `VERSION_CONFLICT`, nothing changes.
    pub(in crate::api::graphql) if_version: Option<i32>,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(in crate::api::graphql) client_mutation_id: Option<String>,
}

/// One mapping. At least one of `role` and `group`.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct GroupRoleMappingInput {
    /// Id, not name, of a group this directory provisions.
    pub(in crate::api::graphql) directory_group_id: ID,
    /// Role its members get; not `owner`, none above the caller.
    pub(in crate::api::graphql) role: Option<RoleRef>,
    /// Group, kept here, that its members join.
    pub(in crate::api::graphql) group: Option<GroupRef>,
}

/// What `setGroupRoleMappings` takes.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct SetGroupRoleMappingsInput {
    /// Which directory.
    pub(in crate::api::graphql) directory_id: ID,
    /// All mappings, at most 200. Empty: none.
    pub(in crate::api::graphql) mappings: Vec<GroupRoleMappingInput>,
    /// The `version` the caller has read. If it is no longer the current one: `VERSION_CONFLICT`, nothing changes.
    pub(in crate::api::graphql) if_version: Option<i32>,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(in crate::api::graphql) client_mutation_id: Option<String>,
}

/// Which audit events. All given fields must hold.
#[derive(Debug, async_graphql::InputObject)]
pub(in crate::api::graphql) struct AuditEventFilter {
    /// Any of these event types: `user.email_changed`; or a family: `user.`. At most 50.
    pub(in crate::api::graphql) types: Option<Vec<String>>,
    /// Done by this user, service account or directory.
    pub(in crate::api::graphql) actor_id: Option<ID>,
    /// Done to this object.
    pub(in crate::api::graphql) target_id: Option<ID>,
    /// Came in this way.
    pub(in crate::api::graphql) door: Option<AuditDoor>,
    /// Belongs to this request.
    pub(in crate::api::graphql) request_id: Option<String>,
    /// At this instant or later.
    pub(in crate::api::graphql) from: Option<DateTime>,
    /// Before this instant.
    pub(in crate::api::graphql) to: Option<DateTime>,
}

/// Which provisioning events. All given fields must hold.
#[derive(Debug, async_graphql::InputObject)]
pub(in crate::api::graphql) struct ProvisioningEventFilter {
    /// From this directory.
    pub(in crate::api::graphql) directory_id: Option<ID>,
    /// With this outcome.
    pub(in crate::api::graphql) outcome: Option<ProvisioningOutcome>,
    /// About this user or group.
    pub(in crate::api::graphql) resource_id: Option<ID>,
    /// Of this request: the id in the error body and in the header `x-request-id`. A bulk request has several events.
    pub(in crate::api::graphql) request_id: Option<String>,
    /// By this HTTP method: `PATCH`.
    pub(in crate::api::graphql) method: Option<String>,
    /// Answered with this HTTP status: 409.
    pub(in crate::api::graphql) status: Option<i32>,
    /// At this instant or later.
    pub(in crate::api::graphql) from: Option<DateTime>,
    /// Before this instant.
    pub(in crate::api::graphql) to: Option<DateTime>,
}
