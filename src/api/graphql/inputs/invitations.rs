//! What inviting takes.

use async_graphql::{ID, MaybeUndefined};

use super::UserRef;
use super::groups::GroupRef;
use super::roles::RoleRef;

/// State of an invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
pub(in crate::api::graphql) enum InvitationState {
    /// Sent, not yet answered.
    Pending,
    /// The person joined.
    Accepted,
    /// Withdrawn or declined. For good.
    Cancelled,
    /// Not answered in time; `resendInvitation` makes it pending again.
    Expired,
}

/// Which invitations. All given fields must hold.
#[derive(Debug, async_graphql::InputObject)]
pub(in crate::api::graphql) struct InvitationFilter {
    /// Any of these.
    pub(in crate::api::graphql) state: Option<Vec<InvitationState>>,
    /// Sent to this address; whole address, without case.
    pub(in crate::api::graphql) email: Option<String>,
    /// Of this user: for an existing invited user, or sent to one of the user's addresses.
    pub(in crate::api::graphql) user_id: Option<ID>,
}

/// One person to invite.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct InvitationInput {
    /// Where to send the invitation, at most 254 characters.
    pub(in crate::api::graphql) email: String,
    /// The person's name, 1 to 150 characters; becomes the display name.
    pub(in crate::api::graphql) name: String,
    /// Roles the person gets on accepting, at most 50, none above the inviter. Empty: the default role.
    pub(in crate::api::graphql) roles: Vec<RoleRef>,
    /// How the person is to sign in: name of a login provider, such as `google-oauth2`. Absent: the organization's
    /// default (`accountPolicy.invitation.defaultConnection`, `google-oauth2` unless changed). Null: the person makes a
    /// user name and password. Empty or unknown: `VALIDATION_FAILED`.
    pub(in crate::api::graphql) connection: MaybeUndefined<String>,
    /// Groups to join on accepting, at most 50; not a directory's.
    pub(in crate::api::graphql) groups: Option<Vec<GroupRef>>,
    /// Days it can be accepted, 1 to 90; absent: as the organization says (7).
    pub(in crate::api::graphql) expires_in_days: Option<i32>,
    /// Language of the mail, BCP 47; absent: the organization's.
    pub(in crate::api::graphql) locale: Option<String>,
    /// A few words of the inviter's own, plain text, at most 1000 characters.
    pub(in crate::api::graphql) message: Option<String>,
}

/// What `invite` takes.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct InviteInput {
    /// 1 to 100 people. A single object is taken as a list of one.
    pub(in crate::api::graphql) invitations: Vec<InvitationInput>,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(in crate::api::graphql) client_mutation_id: Option<String>,
}

/// What `sendInvitations` takes.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct SendInvitationsInput {
    /// 1 to 100 user ids.
    pub(in crate::api::graphql) user_ids: Vec<ID>,
    /// Days they can be accepted, 1 to 90; absent: as the organization says (7).
    pub(in crate::api::graphql) expires_in_days: Option<i32>,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(in crate::api::graphql) client_mutation_id: Option<String>,
}

/// What `resendInvitation` takes.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct ResendInvitationInput {
    /// The invitation.
    pub(in crate::api::graphql) invitation_id: ID,
    /// Days it can be accepted, 1 to 90; absent: as the organization says (7).
    pub(in crate::api::graphql) expires_in_days: Option<i32>,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(in crate::api::graphql) client_mutation_id: Option<String>,
}

/// What `cancelInvitation` takes.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct CancelInvitationInput {
    /// The invitation.
    pub(in crate::api::graphql) invitation_id: ID,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(in crate::api::graphql) client_mutation_id: Option<String>,
}

/// What `cancelUserInvitations` takes.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct CancelUserInvitationsInput {
    /// Which user.
    pub(in crate::api::graphql) user: UserRef,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(in crate::api::graphql) client_mutation_id: Option<String>,
}
