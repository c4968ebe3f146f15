//! Password hashing within a budget: so many at once, so many waiting, the rest is told to come back (AU-12).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::crypto::password::{self, Cost, Memory, Verdict};
use crate::domain::Error;
use crate::domain::password::Password;
use crate::threads;

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

/// The one place where passwords are hashed: threads of its own, each with its memory, that give way to all others.
pub(super) struct Hashing {
    limits: HashingLimits,
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
    work: mpsc::Sender<Work>,
    /// What a password is compared with when there is nothing to compare it with (AU-08).
    dummy: Arc<str>,
}

type Work = Box<dyn FnOnce(&mut Memory) + Send>;

impl Hashing {
    /// Hashing within these limits; `salt` for the hash that belongs to nobody.
    pub(super) fn new(limits: HashingLimits, salt: [u8; 16]) -> Self {
        let nobody = Password::read("nobody has this password", "password");
        let hash = |nobody| password::hash(&nobody, salt, limits.cost, &mut Memory::default());
        let dummy = nobody.and_then(hash).unwrap_or_default();
        let (work, waiting) = mpsc::channel();
        let waiting = Arc::new(Mutex::new(waiting));
        for number in 0..limits.at_once {
            let waiting = waiting.clone();
            let started = thread::Builder::new().name(format!("hashing-{number}")).spawn(move || work_off(&waiting));
            if let Err(error) = started {
                tracing::error!(error = %error, "a thread for hashing could not be started");
            }
        }
        let turns = Arc::new(Semaphore::new(limits.at_once));
        Self { limits, turns, waiting: AtomicUsize::new(0), work, dummy: dummy.into() }
    }

    /// Compares; without a hash it takes as long and is wrong. The turn is taken before: whoever is told to come back has
    /// not tried yet, and must not be counted as if they had.
    pub(super) async fn verify(&self, turn: Turn, password: Password, hash: Option<&str>) -> Result<Verdict, Error> {
        let (known, cost) = (hash.is_some(), self.limits.cost);
        let hash: Arc<str> = hash.map_or_else(|| self.dummy.clone(), Arc::from);
        let verdict = self.run(turn, move |memory| password::verify(&password, &hash, cost, memory)).await?;
        Ok(if known { verdict } else { Verdict::Wrong })
    }

    /// Hashes.
    pub(super) async fn hash(&self, password: Password, salt: [u8; 16]) -> Result<String, Error> {
        let turn = self.turn().await?;
        let cost = self.limits.cost;
        self.run(turn, move |memory| password::hash(&password, salt, cost, memory)).await?
    }

    /// A turn, or word to come back: at once when too many wait, later when the turn does not come in time.
    pub(super) async fn turn(&self) -> Result<Turn, Error> {
        if let Ok(permit) = self.turns.clone().try_acquire_owned() {
            return Ok(Turn(permit));
        }
        let busy = Error::Overloaded { retry_after: Duration::from_secs(2) };
        let Some(_waiting) = Waiting::enter(&self.waiting, self.limits.waiting) else { return Err(busy) };
        match tokio::time::timeout(self.limits.wait, self.turns.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Turn(permit)),
            _ => Err(busy),
        }
    }

    /// The turn is given back when the work is done, not when the client hangs up.
    async fn run<T: Send + 'static>(
        &self,
        turn: Turn,
        work: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (done, result) = oneshot::channel();
        let work = Box::new(move |memory: &mut Memory| {
            let result = work(memory);
            drop(turn);
            // Nobody may be waiting any more.
            drop(done.send(result));
        });
        self.work.send(work).map_err(|_| Error::Internal("no thread hashes".into()))?;
        result.await.map_err(|error| Error::Internal(error.into()))
    }
}

/// Room for one hash, given back whatever happens.
pub(super) struct Turn(#[expect(dead_code, reason = "held, not read")] OwnedSemaphorePermit);

/// Works until nobody can ask for anything any more.
fn work_off(waiting: &Mutex<mpsc::Receiver<Work>>) {
    // A hash is long, an answer is short.
    threads::give_way();
    let mut memory = Memory::default();
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(work) = next else { return };
        if catch_unwind(AssertUnwindSafe(|| work(&mut memory))).is_err() {
            memory = Memory::default();
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

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: Cost = Cost { memory_kib: 64, passes: 1, lanes: 1 };

    fn password(text: &str) -> Password {
        Password::read(text, "password").expect("short enough")
    }

    async fn turn(hashing: &Hashing) -> Turn {
        hashing.turn().await.expect("free")
    }

    #[tokio::test]
    async fn au08_nobody_has_a_password_but_it_is_compared() {
        let limits = HashingLimits { cost: CHEAP, at_once: 1, waiting: 1, wait: Duration::from_secs(5) };
        let hashing = Hashing::new(limits, [1; 16]);
        assert!(hashing.dummy.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "costs what the others cost");
        let verdict =
            hashing.verify(turn(&hashing).await, password("nobody has this password"), None).await.expect("served");
        assert_eq!(verdict, Verdict::Wrong);
        let hash = hashing.hash(password("x"), [2; 16]).await.expect("served");
        assert_eq!(
            hashing.verify(turn(&hashing).await, password("x"), Some(&hash)).await.expect("served"),
            Verdict::Right
        );
    }

    #[tokio::test]
    async fn au12_beyond_the_queue_is_refused_at_once() {
        let limits = HashingLimits { cost: CHEAP, at_once: 1, waiting: 1, wait: Duration::from_millis(20) };
        let hashing = Hashing::new(limits, [1; 16]);
        let held = hashing.turn().await.expect("free");
        let (first, second) = tokio::join!(hashing.turn(), async { hashing.turn().await });
        assert!(matches!(first, Err(Error::Overloaded { .. })), "waited in vain");
        assert!(matches!(second, Err(Error::Overloaded { .. })), "no place in the queue");
        drop(held);
        assert!(hashing.turn().await.is_ok());
        assert_eq!(hashing.waiting.load(Ordering::SeqCst), 0);
    }
}
