//! What deeds of root take.

use super::{OrganizationRef, UserRef};

/// What `createOrganization` takes.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct CreateOrganizationInput {
    /// Short name, 2 to 40 lower-case letters, digits and hyphens, no hyphen at the ends.
    pub(in crate::api::graphql) short_name: String,
    /// Name, 1 to 100 characters.
    pub(in crate::api::graphql) name: String,
    /// Address of the first owner, which nobody else has.
    pub(in crate::api::graphql) owner_email: String,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(in crate::api::graphql) client_mutation_id: Option<String>,
}

/// What `inviteOwner` takes.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct InviteOwnerInput {
    /// Which organization.
    pub(in crate::api::graphql) organization: OrganizationRef,
    /// Where to send the invitation.
    pub(in crate::api::graphql) email: String,
    /// The person's name; becomes the display name.
    pub(in crate::api::graphql) name: String,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(in crate::api::graphql) client_mutation_id: Option<String>,
}

/// What `restoreOwner` takes.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct RestoreOwnerInput {
    /// Which organization.
    pub(in crate::api::graphql) organization: OrganizationRef,
    /// Which user of it.
    pub(in crate::api::graphql) user: UserRef,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(in crate::api::graphql) client_mutation_id: Option<String>,
}
