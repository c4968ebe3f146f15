//! Password hashing within a budget: so many at once, so many waiting, the rest is told to come back (AU-12).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::crypto::password::{self, Cost, Verdict};
use crate::domain::Error;
use crate::domain::password::Password;

/// What hashing may cost.
#[derive(Clone, Copy, Debug)]
pub struct HashingLimits {
    /// What one hash costs.
    pub cost: Cost,
    /// How many at once.
    pub at_once: usize,
    /// How many may wait.
    pub waiting: usize,
    /// For how long.
    pub wait: Duration,
}

/// The one place where passwords are hashed.
pub(super) struct Hashing {
    limits: HashingLimits,
    permits: Arc<Semaphore>,
    waiting: AtomicUsize,
    /// What a password is compared with when there is nothing to compare it with (AU-08).
    dummy: Arc<str>,
}

impl Hashing {
    /// Hashing within these limits; `salt` for the hash that belongs to nobody.
    pub(super) fn new(limits: HashingLimits, salt: [u8; 16]) -> Self {
        let nobody = Password::read("nobody has this password", "password");
        let dummy = nobody.and_then(|nobody| password::hash(&nobody, salt, limits.cost)).unwrap_or_default();
        let permits = Arc::new(Semaphore::new(limits.at_once));
        Self { limits, permits, waiting: AtomicUsize::new(0), dummy: dummy.into() }
    }

    /// Compares; without a hash it takes as long and is wrong.
    pub(super) async fn verify(&self, password: Password, hash: Option<&str>) -> Result<Verdict, Error> {
        let permit = self.permit().await?;
        let (known, cost) = (hash.is_some(), self.limits.cost);
        let hash: Arc<str> = hash.map_or_else(|| self.dummy.clone(), Arc::from);
        let verdict = run(permit, move || password::verify(&password, &hash, cost)).await?;
        Ok(if known { verdict } else { Verdict::Wrong })
    }

    /// Hashes.
    pub(super) async fn hash(&self, password: Password, salt: [u8; 16]) -> Result<String, Error> {
        let permit = self.permit().await?;
        let cost = self.limits.cost;
        run(permit, move || password::hash(&password, salt, cost)).await?
    }

    /// A turn, or word to come back: at once when too many wait, later when the turn does not come in time.
    async fn permit(&self) -> Result<OwnedSemaphorePermit, Error> {
        let busy = Error::Overloaded { retry_after: Duration::from_secs(2) };
        if let Ok(permit) = self.permits.clone().try_acquire_owned() {
            return Ok(permit);
        }
        let _waiting = Waiting::enter(&self.waiting, self.limits.waiting)
            .ok_or(Error::Overloaded { retry_after: Duration::from_secs(2) })?;
        match tokio::time::timeout(self.limits.wait, self.permits.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(busy),
        }
    }
}

/// A place in the queue, given back whatever happens.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(count: &'a AtomicUsize, most: usize) -> Option<Self> {
        let place = Self(count);
        (count.fetch_add(1, Ordering::SeqCst) < most).then_some(place)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// On a thread of its own; the permit is given back when the work is done, not when the client hangs up.
async fn run<T: Send + 'static>(
    permit: OwnedSemaphorePermit,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        work()
    });
    done.await.map_err(|error| Error::Internal(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: Cost = Cost { memory_kib: 64, passes: 1, lanes: 1 };

    fn password(text: &str) -> Password {
        Password::read(text, "password").expect("short enough")
    }

    #[tokio::test]
    async fn au08_nobody_has_a_password_but_it_is_compared() {
        let limits = HashingLimits { cost: CHEAP, at_once: 1, waiting: 1, wait: Duration::from_secs(5) };
        let hashing = Hashing::new(limits, [1; 16]);
        assert!(hashing.dummy.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "costs what the others cost");
        let verdict = hashing.verify(password("nobody has this password"), None).await.expect("served");
        assert_eq!(verdict, Verdict::Wrong);
        let hash = hashing.hash(password("x"), [2; 16]).await.expect("served");
        assert_eq!(hashing.verify(password("x"), Some(&hash)).await.expect("served"), Verdict::Right);
    }

    #[tokio::test]
    async fn au12_beyond_the_queue_is_refused_at_once() {
        let limits = HashingLimits { cost: CHEAP, at_once: 1, waiting: 1, wait: Duration::from_millis(20) };
        let hashing = Hashing::new(limits, [1; 16]);
        let held = hashing.permit().await.expect("free");
        let (first, second) = tokio::join!(hashing.permit(), async { hashing.permit().await });
        assert!(matches!(first, Err(Error::Overloaded { .. })), "waited in vain");
        assert!(matches!(second, Err(Error::Overloaded { .. })), "no place in the queue");
        drop(held);
        assert!(hashing.permit().await.is_ok());
        assert_eq!(hashing.waiting.load(Ordering::SeqCst), 0);
    }
}
