//! What deeds of root answer.

use async_graphql::{Context, SimpleObject};

use super::super::failure::UserError;
use super::super::invitations::Invitation;
use super::super::organizations::Organization;
use super::super::query::Query;
use super::super::request::Asking as _;
use super::super::scalars::EmailAddress;
use super::super::users::User;
use super::{Answer, Error, user_errors};

payload! {
    /// What `createOrganization` answers.
    CreateOrganizationPayload {
        /// The new organization.
        organization: Option<Organization>,
        /// The address that its first owner signs in with.
        owner_email: Option<EmailAddress>,
        /// The owner's password, shown this once.
        owner_password: Option<String>,
    }
}

payload! {
    /// What `inviteOwner` answers.
    InviteOwnerPayload {
        /// The organization.
        organization: Option<Organization>,
        /// The invitation.
        invitation: Option<Invitation>,
    }
}

payload! {
    /// What `restoreOwner` answers.
    RestoreOwnerPayload {
        /// The organization.
        organization: Option<Organization>,
        /// Its owner, who can sign in again.
        owner: Option<User>,
    }
}
