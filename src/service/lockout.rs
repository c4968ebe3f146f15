//! Counting tries before they are made, so that neither parallel nor failing requests get more of them.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};

use super::Service;
use super::attempts::Attempts;
use crate::domain::lockout::{FailureCounter, Limit, Then};
use crate::domain::login::Origin;
use crate::domain::mail::Notice;
use crate::domain::trusted_device::TrustedDevice;
use crate::domain::{AccountId, Code, Error, Refusal};

/// When sign-in is refused for a while; set by the operator.
#[derive(Clone, Copy, Debug)]
pub struct LockoutLimits {
    /// Failures by account and address of origin.
    pub max_failures: u32,
    /// Within this time.
    pub window: Duration,
    /// Failures by account from anywhere in a day; then locked until a mail or an administrator frees it.
    pub max_failures_per_day: u32,
}

/// Codes of a second factor by account, over all challenges (MF-04).
const MFA_LIMIT: Limit = Limit { failures: 10, window: Duration::from_mins(15), then: Then::WaitForWindow };

/// The same in a day: who knows the password has no more guesses than that.
const MFA_DAY_LIMIT: Limit = Limit { failures: 100, window: Duration::from_hours(24), then: Then::WaitForWindow };

/// A try that was counted.
pub(super) struct Counted {
    doors: Vec<(String, Limit)>,
    /// Whether this was the last try of the account today.
    pub(super) locks_account: bool,
    /// Whether this was the last second factor of the account today.
    uses_up_codes: bool,
}

/// The subject under which tries of this account are counted.
pub(super) fn subject(account: AccountId) -> String {
    account.to_string()
}

/// Where it is counted that sign-in of this account is shut from everywhere.
pub(super) fn lock_key(account: AccountId) -> String {
    format!("{}/day", subject(account))
}

/// Tries of names that nobody has are counted too, so that they cost the same; under so few keys that junk cannot fill
/// the store (AU-03).
fn subject_of_nobody(identity: &str) -> String {
    let digest = Sha256::digest(identity.as_bytes());
    format!("nobody-{:02x}{:02x}", digest[0], digest[1])
}

impl Service {
    /// Counts a try of a password. From a device that the person trusts only its own failures count: nobody else can lock
    /// them out there (AU-07).
    ///
    /// # Errors
    ///
    /// Until when the door is shut.
    pub(super) async fn count_password_try(
        &self,
        account: Option<AccountId>,
        identity: &str,
        origin: &Origin,
        device: Option<&TrustedDevice>,
    ) -> Result<Result<Counted, DateTime<Utc>>, Error> {
        let subject = account.map_or_else(|| subject_of_nobody(identity), subject);
        let LockoutLimits { max_failures, window, max_failures_per_day } = self.settings.lockout;
        let near = Limit { failures: max_failures, window, then: Then::Wait };
        let day = Limit { failures: max_failures_per_day, window: Duration::from_hours(24), then: Then::Lock };
        let doors = match device {
            Some(device) => vec![(format!("{subject}/device/{}", device.id), near)],
            None => vec![(format!("{subject}/from/{}", origin.network()), near), (format!("{subject}/day"), day)],
        };
        self.count(doors).await
    }

    /// Counts a try of a second factor. The owner hears of the last one that a day has.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `RATE_LIMITED` and how long to wait.
    pub(super) async fn count_code_try(&self, account: AccountId, origin: &Origin) -> Result<Counted, Error> {
        let subject = subject(account);
        let doors = vec![(format!("{subject}/mfa"), MFA_LIMIT), (format!("{subject}/mfa-day"), MFA_DAY_LIMIT)];
        match self.count(doors).await? {
            Ok(counted) => {
                if counted.uses_up_codes {
                    self.tell_shut(account, Notice::CodesUsedUp, origin).await?;
                }
                Ok(counted)
            }
            Err(until) => {
                let wait = (until - self.clock.now()).num_seconds().max(1);
                let refusal = Refusal::new(Code::RateLimited, "too many codes were tried: wait and try again");
                Err(refusal.with("retryAfterSeconds", wait).into())
            }
        }
    }

    async fn count(&self, doors: Vec<(String, Limit)>) -> Result<Result<Counted, DateTime<Utc>>, Error> {
        let keys: Vec<String> = doors.iter().map(|(key, _)| key.clone()).collect();
        let _lane = self.lanes.enter(&keys).await;
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            let now = self.clock.now();
            let found = self.store.identity().find_attempts(&keys).await?;
            let mut changes = Vec::new();
            let (mut locks_account, mut uses_up_codes) = (false, false);
            for ((key, limit), before) in doors.iter().zip(found) {
                let after = match before.counter.count(limit, now) {
                    Ok(after) => after,
                    Err(until) => return Ok(Err(until)),
                };
                locks_account |= limit.then == Then::Lock && after.shut_until(now).is_some();
                uses_up_codes |= *limit == MFA_DAY_LIMIT && after.shut_until(now).is_some();
                changes.push((key.clone(), before, after));
            }
            match self.store.identity().save_attempts(&changes, now).await.map_err(Error::from) {
                Ok(()) => return Ok(Ok(Counted { doors, locks_account, uses_up_codes })),
                Err(Error::Busy) if attempts.again().await => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The try turned out right: it was no failure, and those from the same place are forgiven.
    pub(super) async fn take_back(&self, counted: Counted) -> Result<(), Error> {
        self.adjust(&counted, |limit, counter| match limit.then {
            Then::Wait => FailureCounter::default(),
            Then::WaitForWindow | Then::Lock => counter.taken_back(limit),
        })
        .await
    }

    /// The try was not made after all: it was neither right nor wrong.
    pub(super) async fn not_tried(&self, counted: Counted) -> Result<(), Error> {
        self.adjust(&counted, |limit, counter| counter.taken_back(limit)).await
    }

    async fn adjust(
        &self,
        counted: &Counted,
        adjusted: fn(&Limit, FailureCounter) -> FailureCounter,
    ) -> Result<(), Error> {
        let keys: Vec<String> = counted.doors.iter().map(|(key, _)| key.clone()).collect();
        let _lane = self.lanes.enter(&keys).await;
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            let now = self.clock.now();
            let found = self.store.identity().find_attempts(&keys).await?;
            let changes: Vec<_> = counted
                .doors
                .iter()
                .zip(found)
                .map(|((key, limit), before)| (key.clone(), before, adjusted(limit, before.counter)))
                .collect();
            match self.store.identity().save_attempts(&changes, now).await.map_err(Error::from) {
                Err(Error::Busy) if attempts.again().await => {}
                outcome => return outcome,
            }
        }
    }

    /// Opens the doors of an account again, after what opens them is done: others may be knocking meanwhile, and nothing
    /// that was done is undone or done twice for it.
    pub(super) async fn forget_failures(&self, account: AccountId) {
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            match self.store.identity().clear_attempts(&subject(account)).await.map_err(Error::from) {
                Err(Error::Busy) if attempts.again().await => {}
                Err(error) => return tracing::warn!(error = %error, "failures of an account could not be forgotten"),
                Ok(()) => return,
            }
        }
    }
}
