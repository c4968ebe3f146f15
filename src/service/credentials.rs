//! Telling people that something which lets them in was made, changed or ended.
//!
//! The permission is in [`crate::domain::credentials`]. A notice goes to every address that was proven before the change:
//! whoever took over one of them, or made theirs the primary one, does not keep the others from hearing of it.

use super::Service;
use crate::domain::login::Origin;
use crate::domain::mail::{Letter, Notice, Occasion};
use crate::domain::{AccountId, EmailId, Error};
use crate::store::SealedMail;

impl Service {
    /// A notice to every verified address of a person, and to an unverified primary one, as they are before the change; not
    /// to `new`, the address that the change is about.
    pub(super) async fn tell_owner(
        &self,
        account: AccountId,
        notice: Notice,
        origin: &Origin,
        new: Option<EmailId>,
    ) -> Result<Vec<SealedMail>, Error> {
        let emails = self.store.identity().list_emails(account).await?;
        let told =
            emails.iter().filter(|email| Some(email.id) != new && (email.verified.is_some() || email.is_primary));
        told.map(|email| self.seal_notice(&email.address, notice.clone(), origin)).collect()
    }

    /// A notice to one address, with when and from where.
    pub(super) fn seal_notice(&self, to: &str, notice: Notice, origin: &Origin) -> Result<SealedMail, Error> {
        let occasion = Occasion { at: self.clock.now(), ip: origin.remote_ip(), user_agent: origin.user_agent.clone() };
        self.seal_mail_of(to, "", Letter::Notice { notice }, occasion)
    }
}
