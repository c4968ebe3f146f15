//! Whether an invitation may be accepted now, whichever way it is: by its link, through a login provider, or because a
//! directory provisions the address. Also which open invitations end when a user's addresses change.

use super::Service;
use super::passwords::bad_link;
use crate::domain::audit::{AuditEvent, EventKind};
use crate::domain::invitation::{Invitation, InvitationEnd};
use crate::domain::user::User;
use crate::domain::{Caller, Code, Error, Refusal};
use crate::store::OrganizationStore;

/// An invitation that may be accepted now.
pub(super) struct Acceptable {
    /// The invitation without groups that are gone.
    pub(super) invitation: Invitation,
    /// The user whom it was made for, if that user still waits for an account.
    pub(super) waiting: Option<User>,
}

/// Open invitations that end with a change of a user, each before and after, with the event that tells it.
pub(super) type GivenUp = Vec<(Invitation, Invitation, AuditEvent)>;

/// The refusal of an act in another organization than the one that gave the account its credentials (S-7).
pub(super) fn confined(field: &'static str) -> Error {
    let message = "an organization set how you sign in: ask for a link to a new password at your own address (requestPasswordReset) \
                   to act in others";
    Refusal::new(Code::EmailUnverified, message).at(field).into()
}

impl Service {
    /// Checks that an invitation may be accepted now: it is open, its inviter is admitted and may still give what it
    /// promises, and its address is still one of the user it was made for (IN-06, S-9, S-10).
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `TOKEN_EXPIRED`, `INSUFFICIENT_RANK`, `INVITATION_NOT_PENDING`.
    pub(super) async fn acceptable(
        &self,
        store: &OrganizationStore,
        invitation: Invitation,
    ) -> Result<Acceptable, Error> {
        if !invitation.is_open(self.clock.now()) {
            return Err(bad_link(Code::TokenExpired));
        }
        self.check_inviter(store, &invitation).await?;
        let waiting = match invitation.user {
            Some(user) => store.find_user(user).await?.filter(|user| user.account.is_none()),
            None => None,
        };
        if waiting.as_ref().is_some_and(|user| !user.invited_at().contains(&invitation.email_key)) {
            let message = "your address here was changed since this invitation was sent: ask for a new one";
            return Err(Refusal::new(Code::InvitationNotPending, message).at("token").into());
        }
        Ok(Acceptable { invitation: self.still_standing(store, invitation).await?, waiting })
    }

    /// The invitation to this address that is answered when a directory provisions a new user with it; none where nobody may
    /// accept it now, or where it was made for another user.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub(super) async fn acceptable_at(
        &self,
        store: &OrganizationStore,
        email_key: &str,
    ) -> Result<Option<Invitation>, Error> {
        let Some(found) = store.find_pending_invitation(email_key).await? else { return Ok(None) };
        match self.acceptable(store, found).await {
            Ok(acceptable) => Ok(acceptable.waiting.is_none().then_some(acceptable.invitation)),
            Err(Error::Refused(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The open invitations to addresses that a change takes from a user: their links must not lead to the user any more.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub(super) async fn invitations_given_up(
        &self,
        caller: &Caller,
        store: &OrganizationStore,
        before: &User,
        after: &User,
    ) -> Result<GivenUp, Error> {
        let kept = after.invited_at();
        let mut given_up = Vec::new();
        for key in before.invited_at().iter().filter(|key| !kept.contains(*key)) {
            let found = store.find_pending_invitation(key).await?;
            let is_theirs = |found: &Invitation| found.user == Some(before.id);
            let Some(open) = found.filter(is_theirs) else { continue };
            let ended = open.cancelled(InvitationEnd::Admin, self.clock.now());
            let ended = Invitation { updated_by: caller.author(), ..ended };
            let event = self.event(caller, EventKind::InvitationCancelled, ("invitation", open.id.to_string()));
            given_up.push((open, ended, event));
        }
        Ok(given_up)
    }
}
