//! What mutations of service accounts and their tokens take.

use async_graphql::{ID, MaybeUndefined};

use super::super::scalars::DateTime;
use super::groups::GroupRef;
use super::roles::RoleRef;

/// Names one service account. Give exactly one field, and not null.
#[derive(async_graphql::OneofObject)]
pub(in crate::api::graphql) enum ServiceAccountRef {
    /// Id.
    Id(ID),
    /// User name; without case.
    UserName(String),
}

/// A token to make along with something else.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct NewTokenInput {
    /// Name, 1 to 100 characters.
    pub(in crate::api::graphql) name: String,
    /// Permission keys, at least one, none the caller or the holder lacks.
    pub(in crate::api::graphql) scopes: Vec<String>,
    /// When it stops working, in the future; absent or null: never.
    pub(in crate::api::graphql) expires_at: Option<DateTime>,
}

/// What `createServiceAccount` takes.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct CreateServiceAccountInput {
    /// Unique name, 1 to 100 characters.
    pub(in crate::api::graphql) user_name: String,
    /// 1 to 150 characters; absent: the user name.
    pub(in crate::api::graphql) display_name: Option<String>,
    /// What it is for, at most 500 characters.
    pub(in crate::api::graphql) description: Option<String>,
    /// Roles, at most 50; not `owner`. Absent: none.
    pub(in crate::api::graphql) roles: Option<Vec<RoleRef>>,
    /// Groups kept here, at most 50.
    pub(in crate::api::graphql) groups: Option<Vec<GroupRef>>,
    /// A first token.
    pub(in crate::api::graphql) token: Option<NewTokenInput>,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(in crate::api::graphql) client_mutation_id: Option<String>,
}

/// What `updateServiceAccount` takes.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct UpdateServiceAccountInput {
    /// Which service account.
    pub(in crate::api::graphql) service_account: ServiceAccountRef,
    /// Unique name, 1 to 100 characters. Null: `VALIDATION_FAILED`.
    pub(in crate::api::graphql) user_name: MaybeUndefined<String>,
    /// 1 to 150 characters; null: the user name.
    pub(in crate::api::graphql) display_name: MaybeUndefined<String>,
    /// What it is for, at most 500 characters; null clears it.
    pub(in crate::api::graphql) description: MaybeUndefined<String>,
    /// Whether its tokens work. Null: `VALIDATION_FAILED`.
    pub(in crate::api::graphql) is_active: MaybeUndefined<bool>,
    /// All its direct roles from now on, at most 50; null or empty: none.
    pub(in crate::api::graphql) roles: MaybeUndefined<Vec<RoleRef>>,
    /// The `version` the caller has read. If it is no longer the current one: `VERSION_CONFLICT`, nothing changes.
    pub(in crate::api::graphql) if_version: Option<i32>,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(in crate::api::graphql) client_mutation_id: Option<String>,
}

/// What `deleteServiceAccount` takes.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct DeleteServiceAccountInput {
    /// Which service account.
    pub(in crate::api::graphql) service_account: ServiceAccountRef,
    /// The `version` the caller has read. If it is no longer the current one: `VERSION_CONFLICT`, nothing changes.
    pub(in crate::api::graphql) if_version: Option<i32>,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(in crate::api::graphql) client_mutation_id: Option<String>,
}

/// What `updateServiceAccountGroups` takes.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct UpdateServiceAccountGroupsInput {
    /// Which service account.
    pub(in crate::api::graphql) service_account: ServiceAccountRef,
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

/// What `createApiToken` takes.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct CreateApiTokenInput {
    /// Whose token.
    pub(in crate::api::graphql) service_account: ServiceAccountRef,
    /// Name, 1 to 100 characters.
    pub(in crate::api::graphql) name: String,
    /// Permission keys, at least one, none the caller or the service account lacks.
    pub(in crate::api::graphql) scopes: Vec<String>,
    /// When it stops working, in the future; absent or null: never.
    pub(in crate::api::graphql) expires_at: Option<DateTime>,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(in crate::api::graphql) client_mutation_id: Option<String>,
}
