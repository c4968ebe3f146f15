//! An offer to join an organization.

use chrono::{DateTime, Utc};

use super::account::Edit;
use super::email::Email;
use super::login::names;
use super::{Author, GroupId, InvitationId, UserId};

names! {
    /// State of an invitation, as it is kept; expiry follows from the time.
    InvitationState {
        /// Not yet answered.
        Pending = "PENDING",
        /// The person joined.
        Accepted = "ACCEPTED",
        /// Withdrawn or declined.
        Cancelled = "CANCELLED",
    }
}

names! {
    /// How an invitation was accepted.
    Acceptance {
        /// Through the link.
        Link = "LINK",
        /// By signing in.
        Login = "LOGIN",
        /// A directory provisioned the person.
        Directory = "DIRECTORY",
    }
}

names! {
    /// Why an invitation was cancelled.
    InvitationEnd {
        /// An administrator withdrew it.
        Admin = "ADMIN",
        /// The invited person declined.
        Declined = "DECLINED",
        /// A later one took its place.
        Superseded = "SUPERSEDED",
        /// The person joined some other way.
        MemberExists = "MEMBER_EXISTS",
    }
}

/// An offer to join. Its secret exists only in the mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// Stays the same when it is sent again.
    pub id: InvitationId,
    /// Where it was sent.
    pub email: String,
    /// That address as it is compared.
    pub email_key: String,
    /// The person's name; becomes the display name.
    pub name: String,
    /// What they get, by key.
    pub roles: Vec<String>,
    /// Where they join.
    pub groups: Vec<GroupId>,
    /// How they are to sign in, by the name of the login provider; none: with a password.
    pub connection: Option<String>,
    /// Language of the mail.
    pub locale: Option<String>,
    /// The inviter's own words.
    pub message: Option<String>,
    /// The user it is for, where one was there before.
    pub user: Option<UserId>,
    /// Who invites; none: the operator.
    pub inviter: Option<Author>,
    /// Who changed it last.
    pub updated_by: Option<Author>,
    /// Its state.
    pub state: InvitationState,
    /// Until when it can be accepted.
    pub expires: DateTime<Utc>,
    /// When it was last sent.
    pub sent: DateTime<Utc>,
    /// How often.
    pub sent_count: u32,
    /// Who accepted, when and how.
    pub accepted: Option<(UserId, DateTime<Utc>, Acceptance)>,
    /// Why it was cancelled.
    pub end_reason: Option<InvitationEnd>,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// When it last changed.
    pub updated: DateTime<Utc>,
    /// Counts the changes.
    pub version: u64,
}

/// Who is to be invited.
#[derive(Clone, Debug)]
pub struct InvitationDraft {
    /// Where to.
    pub email: Email,
    /// The person's name, 1 to 150 characters.
    pub name: String,
    /// What they get, by key.
    pub roles: Vec<String>,
    /// Where they join.
    pub groups: Vec<GroupId>,
    /// How they are to sign in: left to the organization, with a password, or through a login provider.
    pub connection: Edit<String>,
    /// Days it can be accepted; none: as the organization says.
    pub days: Option<u32>,
    /// Language of the mail, BCP 47.
    pub locale: Option<String>,
    /// A few words of the inviter's own.
    pub message: Option<String>,
}

impl Invitation {
    /// Whether it waits, but its time is over.
    pub fn is_expired(&self, now: DateTime<Utc>) -> bool {
        self.state == InvitationState::Pending && now >= self.expires
    }

    /// Whether it can be accepted now. Time alone ends it; no job has to run (IN-04).
    pub fn is_open(&self, now: DateTime<Utc>) -> bool {
        self.state == InvitationState::Pending && now < self.expires
    }

    /// The invitation after somebody accepted.
    #[must_use]
    pub fn accepted(&self, user: UserId, how: Acceptance, now: DateTime<Utc>) -> Self {
        Self { accepted: Some((user, now, how)), ..self.answered(InvitationState::Accepted, now) }
    }

    /// The invitation after it was withdrawn or declined.
    #[must_use]
    pub fn cancelled(&self, why: InvitationEnd, now: DateTime<Utc>) -> Self {
        Self { end_reason: Some(why), ..self.answered(InvitationState::Cancelled, now) }
    }

    fn answered(&self, state: InvitationState, now: DateTime<Utc>) -> Self {
        Self { state, updated: now, version: self.version + 1, ..self.clone() }
    }
}
