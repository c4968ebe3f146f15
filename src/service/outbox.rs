//! Mails: sealed into the change they are about, sent later, at least once, with longer and longer waits (D-04).

use std::time::Duration;

use chrono::TimeDelta;

use super::Service;
use crate::domain::account::Account;
use crate::domain::login::{Login, Origin};
use crate::domain::mail::{Letter, Mail, Notice, Occasion};
use crate::domain::{AccountId, Error, MailId};
use crate::mail::{Mailer, SendError, Sent};
use crate::store::{SealedMail, WaitingMail};

/// How many mails one round sends.
const AT_ONCE: usize = 20;
/// How long a mail that is being sent is nobody else's.
const LEASE: TimeDelta = TimeDelta::minutes(2);
/// The wait after the first failure; it doubles each time, up to the longest.
const FIRST_WAIT: TimeDelta = TimeDelta::seconds(30);
const LONGEST_WAIT: TimeDelta = TimeDelta::hours(6);
/// When a mail is given up.
const GIVE_UP: TimeDelta = TimeDelta::hours(24);
/// How long to sleep when nothing is said to be due: another node may have written a mail.
const LOOK_AGAIN: Duration = Duration::from_secs(15);

impl Service {
    /// A mail as the store keeps it.
    pub(super) fn seal_mail(&self, to: &str, name: &str, letter: Letter) -> Result<SealedMail, Error> {
        let occasion = Occasion { at: self.clock.now(), ip: None, user_agent: None };
        self.seal_mail_of(to, name, letter, occasion)
    }

    /// Seals a mail that tells when and where the thing that it is about happened.
    pub(super) fn seal_mail_of(
        &self,
        to: &str,
        name: &str,
        letter: Letter,
        occasion: Occasion,
    ) -> Result<SealedMail, Error> {
        let mail = Mail { to: to.to_owned(), name: name.to_owned(), letter, occasion: Some(occasion) };
        let id = MailId::new(self.entropy.id(self.clock.now()));
        let text = serde_json::to_vec(&mail).map_err(|error| Error::Internal(error.into()))?;
        Ok(SealedMail { id, sealed: self.sealer.seal(&context(id), &text, self.entropy.bytes())? })
    }

    /// A notice to the verified addresses of a person, and to the primary one, where it is not known where from it happened.
    pub(super) async fn notices(&self, account: AccountId, notice: Notice) -> Result<Vec<SealedMail>, Error> {
        self.tell_owner(account, notice, &Origin::default(), None).await
    }

    /// Word of a sign-in from a device not seen before, if there were others and the person wants it.
    pub(super) async fn new_device_notice(&self, account: &Account, login: &Login) -> Result<Vec<SealedMail>, Error> {
        if account.settings.new_device == Some(false) {
            return Ok(Vec::new());
        }
        let known = self.store.identity().list_logins(&[account.id]).await?;
        if known.is_empty() || known.iter().any(|known| known.device_id == login.device_id) {
            return Ok(Vec::new());
        }
        let notice = Notice::NewDevice { user_agent: login.user_agent.clone(), ip: login.remote_ip.clone() };
        self.notices(account.id, notice).await
    }

    /// Wakes whoever sends mails.
    pub(super) fn mail_waits(&self) {
        self.mail_wakes.notify_one();
    }

    /// Sends mails as they come, until the task is dropped.
    pub async fn deliver_mails(&self, mailer: &Mailer) {
        loop {
            let sent = match self.send_due_mails(mailer).await {
                Ok(sent) => sent,
                Err(error) => {
                    tracing::error!(error = %error, "mails could not be read");
                    0
                }
            };
            if sent == 0 {
                let _ = tokio::time::timeout(LOOK_AGAIN, self.mail_wakes.notified()).await;
            }
        }
    }

    async fn send_due_mails(&self, mailer: &Mailer) -> Result<usize, Error> {
        let now = self.clock.now();
        let due = self.store.identity().take_due_mails(now, now + LEASE, AT_ONCE).await?;
        for waiting in &due {
            self.send_mail(mailer, waiting).await?;
        }
        Ok(due.len())
    }

    async fn send_mail(&self, mailer: &Mailer, waiting: &WaitingMail) -> Result<(), Error> {
        let identity = self.store.identity();
        let text = self.sealer.open(&context(waiting.id), &waiting.sealed)?;
        let mail: Mail = serde_json::from_slice(&text).map_err(|error| Error::Internal(error.into()))?;
        let template = mail.letter.template();
        match mailer.send(waiting.id, &mail).await {
            Ok(sent) => {
                // The transport has already logged a mail that it did not send.
                if sent == Sent::Delivered {
                    tracing::info!(mail = %waiting.id, template, attempt = waiting.attempts, "a mail was sent");
                }
                identity.remove_mail(waiting.id).await?;
            }
            Err(SendError::Hopeless(reason)) => {
                tracing::error!(mail = %waiting.id, template, reason, "a mail cannot be sent and is given up");
                identity.remove_mail(waiting.id).await?;
            }
            Err(SendError::TryAgain(reason)) if self.clock.now() - waiting.created >= GIVE_UP => {
                tracing::error!(mail = %waiting.id, template, reason, "a mail could not be sent for a day and is given up");
                identity.remove_mail(waiting.id).await?;
            }
            Err(SendError::TryAgain(reason)) => {
                let doublings = waiting.attempts.saturating_sub(1).min(16);
                let wait = (FIRST_WAIT * 2_i32.pow(doublings)).min(LONGEST_WAIT);
                tracing::warn!(mail = %waiting.id, template, reason, seconds = wait.num_seconds(), "a mail will be tried again");
                identity.postpone_mail(waiting.id, self.clock.now() + wait).await?;
            }
        }
        Ok(())
    }
}

fn context(id: MailId) -> String {
    format!("mail {id}")
}
