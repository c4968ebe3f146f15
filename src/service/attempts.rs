//! Doing a unit of work again when someone else was faster (D6), and keeping ourselves from being that someone.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};

use crate::clock::Entropy;

/// How often a unit is run before the caller is told to try again.
const MOST: u32 = 8;
const FIRST_PAUSE: Duration = Duration::from_millis(4);

/// The attempts at one unit of work.
pub(super) struct Attempts<'e> {
    entropy: &'e Entropy,
    made: u32,
}

impl<'e> Attempts<'e> {
    pub(super) fn new(entropy: &'e Entropy) -> Self {
        Self { entropy, made: 0 }
    }

    /// Whether to try once more, after a pause whose bound doubles each time.
    pub(super) async fn again(&mut self) -> bool {
        self.made += 1;
        metrics::counter!("rollcall_write_retries_total").increment(1);
        if self.made >= MOST {
            return false;
        }
        tokio::time::sleep(self.entropy.jitter(FIRST_PAUSE * 2_u32.pow(self.made))).await;
        true
    }
}

/// Writers of one thing in this process go one after the other, so that they do not spend each other's attempts.
/// Correctness does not rest on this: another process has lanes of its own, and versions decide.
pub(super) struct Lanes(Vec<Mutex<()>>);

const LANES: usize = 1_024;

impl Default for Lanes {
    fn default() -> Self {
        Self((0..LANES).map(|_| Mutex::new(())).collect())
    }
}

impl Lanes {
    /// Waits for the lane of a thing. At most one lane is held at a time, so nobody waits in a circle.
    pub(super) async fn enter(&self, thing: impl Hash) -> MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        thing.hash(&mut hasher);
        let lane = usize::try_from(hasher.finish() % LANES as u64).unwrap_or_default();
        self.0[lane].lock().await
    }
}
