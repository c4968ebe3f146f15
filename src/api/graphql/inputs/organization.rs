//! What changes of the organization take.

use async_graphql::MaybeUndefined;

use super::super::enums::{EmailChangeMode, JitMode};
use super::UserRef;

/// What `updateOrganization` takes.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct UpdateOrganizationInput {
    /// Name, 1 to 100 characters. Null: `VALIDATION_FAILED`.
    pub(in crate::api::graphql) name: MaybeUndefined<String>,
    /// Short name, 1 to 63 lower-case letters, digits and hyphens, letter or digit first; not a UUID. Null:
    /// `VALIDATION_FAILED`.
    pub(in crate::api::graphql) short_name: MaybeUndefined<String>,
    /// The `version` the caller has read. If it is no longer the current one: `VERSION_CONFLICT`, nothing changes.
    pub(in crate::api::graphql) if_version: Option<i32>,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(in crate::api::graphql) client_mutation_id: Option<String>,
}

/// What `transferOwnership` takes.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct TransferOwnershipInput {
    /// The new owner.
    pub(in crate::api::graphql) to: UserRef,
    /// Whether the caller stays an owner too.
    #[graphql(default = false)]
    pub(in crate::api::graphql) keep_own_role: bool,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(in crate::api::graphql) client_mutation_id: Option<String>,
}

/// What `updateAccountPolicy` takes.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct UpdateAccountPolicyInput {
    /// Passwords.
    pub(in crate::api::graphql) password: MaybeUndefined<PasswordPolicyInput>,
    /// What happens when a person changes their address.
    pub(in crate::api::graphql) email_change: MaybeUndefined<EmailChangeMode>,
    /// Whether every member needs a second factor.
    pub(in crate::api::graphql) is_mfa_required: MaybeUndefined<bool>,
    /// Trusted devices.
    pub(in crate::api::graphql) trusted_devices: MaybeUndefined<TrustedDevicePolicyInput>,
    /// Invitations.
    pub(in crate::api::graphql) invitation: MaybeUndefined<InvitationPolicyInput>,
    /// Whether signing in through a login provider creates users.
    pub(in crate::api::graphql) jit: MaybeUndefined<JitMode>,
    /// The `version` the caller has read. If it is no longer the current one: `VERSION_CONFLICT`, nothing changes.
    pub(in crate::api::graphql) if_version: Option<i32>,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(in crate::api::graphql) client_mutation_id: Option<String>,
}

/// Rules for new passwords. Absent and null fields stay as they are.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct PasswordPolicyInput {
    /// 15 to 128.
    pub(in crate::api::graphql) min_length: MaybeUndefined<i32>,
    /// 8 to 128.
    pub(in crate::api::graphql) min_length_with_mfa: MaybeUndefined<i32>,
}

/// Trusted devices. Absent and null fields stay as they are.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct TrustedDevicePolicyInput {
    /// Whether devices may skip the second factor. False revokes all trusted devices.
    pub(in crate::api::graphql) is_enabled: MaybeUndefined<bool>,
    /// Days, 1 to 365; for devices trusted from now on.
    pub(in crate::api::graphql) lifetime_days: MaybeUndefined<i32>,
}

/// Invitations. Absent fields stay as they are.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct InvitationPolicyInput {
    /// Days an invitation can be accepted, 1 to 90; null: 7.
    pub(in crate::api::graphql) lifetime_days: MaybeUndefined<i32>,
    /// Name of a login provider for invitations that name none; null: password.
    pub(in crate::api::graphql) default_connection: MaybeUndefined<String>,
}
