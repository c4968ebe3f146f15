//! What ended long ago is forgotten, a little at a time.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use tokio::runtime::Handle;

use super::Service;
use crate::domain::Error;
use crate::store::{SEALED_AT_ONCE, StoreError};

/// How long ended logins can be listed.
const ENDED_ARE_KEPT: TimeDelta = TimeDelta::days(90);
/// How long using a code again ends what it was good for.
const USED_CODES_ARE_KEPT: TimeDelta = TimeDelta::hours(1);
/// How long a counter that nobody touches matters: longer than any window.
const COUNTERS_ARE_KEPT: TimeDelta = TimeDelta::days(2);
/// How often deleted users whose time is over are destroyed.
const PURGE_EVERY: u32 = 60;
/// How often: each time some hundred records go, so that nothing else waits.
const EVERY: Duration = Duration::from_mins(1);
/// How much longer than numbering the audit trail others have the store to themselves, while they write, and how many events
/// are numbered at once then: a request that comes meanwhile may wait as long as that takes.
const OTHERS_SHARE: u32 = 15;
const SEALED_WHILE_OTHERS_WRITE: usize = 200;

impl Service {
    /// Forgets, until the task is dropped.
    pub async fn keep_house(&self) {
        for round in 0_u32.. {
            if let Err(error) = self.forget_what_ended().await {
                tracing::warn!(error = %error, "what ended long ago could not be forgotten");
            }
            if round % PURGE_EVERY == 0
                && let Err(error) = self.purge_users().await
            {
                tracing::warn!(error = %error, "deleted users could not be destroyed");
            }
            if let Err(error) = self.rotate_signing_keys().await {
                tracing::warn!(error = %error, "the keys that sign access tokens could not be looked after");
            }
            self.mail_rates.forget_unused();
            tokio::time::sleep(EVERY).await;
        }
    }

    /// One round: the latest audit events get their numbers; some hundred logins and links that ended 90 days ago go, counters
    /// of failures nobody added to for days, and what the directories' logs keep no longer.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the store does not answer.
    pub async fn forget_what_ended(&self) -> Result<(), Error> {
        let now = self.clock.now();
        let log = self.limits.provisioning_log;
        let identity = self.store.identity();
        identity.sweep(now - ENDED_ARE_KEPT, now - USED_CODES_ARE_KEPT).await?;
        identity.sweep_attempts(now - COUNTERS_ARE_KEPT).await?;
        // What keeps one organization from it keeps no other.
        let mut outcome = Ok(());
        for store in self.store.open_organizations() {
            let kept = async {
                // What is left after that is for the next round: the other organizations have their turn.
                let round = Instant::now();
                let mut others_write = true;
                while round.elapsed() < EVERY {
                    // Half of the time is others', and more while they write.
                    let (at_most, share) =
                        if others_write { (SEALED_WHILE_OTHERS_WRITE, OTHERS_SHARE) } else { (SEALED_AT_ONCE, 1) };
                    let (began, written) = (Instant::now(), self.store.revision());
                    let sealing = store.clone();
                    if !aside(async move { sealing.seal_audit_events(at_most).await }).await? {
                        break;
                    }
                    tokio::time::sleep(began.elapsed() * share).await;
                    others_write = self.store.revision() != written;
                }
                let sweeping = store.clone();
                aside(async move { sweeping.sweep_provisioning_events(now - log.keep, log.keep_records).await }).await
            };
            if let Err(error) = kept.await {
                outcome = Err(error);
            }
        }
        outcome
    }
}

/// Carries out what goes on for a tenth of a second without a pause on a thread of its own: a worker would keep requests waiting
/// for it.
async fn aside<T: Send + 'static>(
    work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, Error> {
    let runtime = Handle::current();
    let done = tokio::task::spawn_blocking(move || runtime.block_on(work)).await;
    Ok(done.map_err(|error| Error::Internal(Box::new(error)))??)
}
