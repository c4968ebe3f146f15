//! Whether requests can be served now: asked by load balancers, as often as they like, on the public listener too.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::Service;
use crate::domain::Error;
use crate::store::Condition;

/// How long an answer of the store is good for (DO-11).
const GOOD_FOR: Duration = Duration::from_secs(1);

/// How long the store may take to answer: a load balancer waits a few seconds, and a write to a full disk may wait longer.
const PATIENCE: Duration = Duration::from_secs(2);

/// The latest answer of the store.
#[derive(Default)]
pub(super) struct Readiness(Mutex<Option<Checked>>);

struct Checked {
    at: Instant,
    /// The condition of the store then. Once it has changed, the answer is no good.
    condition: Condition,
    outcome: Result<(), String>,
}

impl Service {
    /// Checks that requests can be served now. The store is asked at most once a second, however often this is.
    ///
    /// A store whose latest write failed is asked to write: it is not ready until it can (disk full).
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the store does not answer, or cannot be written.
    pub async fn check_ready(&self) -> Result<(), Error> {
        let condition = self.store.condition();
        if condition == Condition::Away {
            return Err(Error::Unavailable("the store is away".into()));
        }
        // One asks, the others wait for that answer.
        let mut latest = self.readiness.0.lock().await;
        let is_good = |checked: &&Checked| checked.at.elapsed() < GOOD_FOR && checked.condition == condition;
        if let Some(checked) = latest.as_ref().filter(is_good) {
            return checked.outcome.clone().map_err(|reason| Error::Unavailable(reason.into()));
        }
        let outcome = tokio::time::timeout(PATIENCE, async {
            match condition {
                Condition::NotWritable => self.store.identity().try_write(self.clock.now()).await,
                Condition::Good | Condition::Away => self.store.ping().await,
            }
        });
        let outcome = match outcome.await {
            Ok(outcome) => outcome.map_err(|error| error.to_string()),
            Err(_) => Err(format!("the store did not answer within {} s", PATIENCE.as_secs())),
        };
        *latest = Some(Checked { at: Instant::now(), condition, outcome: outcome.clone() });
        outcome.map_err(|reason| Error::Unavailable(reason.into()))
    }
}
