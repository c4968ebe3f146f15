//! How much is done at once: so many requests of each kind, by turns between those they come from. What would wait too long
//! is refused before work is done for it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::domain::Error;

/// How long it takes until a request is refused, at least: whoever asks again at once is to cost little.
const REFUSED_AFTER: Duration = Duration::from_millis(30);

/// What requests are told apart by: each kind has its own bounds, so that none stands in another's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing changes.
    Read,
    /// Something may change.
    Write,
    /// Somebody proves who they are.
    Login,
    /// Many changes.
    Bulk,
}

/// `[admission.…]`
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml says what each setting does")]
pub struct LaneSettings {
    pub at_once: usize,
    pub waiting: usize,
}

/// `[admission]`
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml says what each setting does")]
pub struct AdmissionSettings {
    pub wait_milliseconds: u64,
    pub crowded_wait_milliseconds: u64,
    pub reads: LaneSettings,
    pub writes: LaneSettings,
    pub logins: LaneSettings,
    pub bulk: LaneSettings,
}

/// Who may go on, and who waits.
pub struct Admission {
    reads: Arc<Lane>,
    writes: Arc<Lane>,
    logins: Arc<Lane>,
    bulk: Arc<Lane>,
    patience: Patience,
}

/// How long a request waits for its turn.
#[derive(Clone, Copy)]
struct Patience {
    /// In a burst, which passes: nobody waits any more before as long is over.
    burst: Duration,
    /// Where there is too much all the time: to wait longer would only make everybody wait longer.
    crowded: Duration,
}

struct Lane {
    settings: LaneSettings,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    running: usize,
    /// Those who wait, by where they come from, in the order they came.
    waiting: HashMap<String, Queue>,
    /// Whose turn it is.
    turns: VecDeque<String>,
}

struct Queue {
    turns: VecDeque<oneshot::Sender<Admitted>>,
    /// Since when there is always somebody in it.
    since: Instant,
}

impl Default for Queue {
    fn default() -> Self {
        Self { turns: VecDeque::new(), since: Instant::now() }
    }
}

/// A request that goes on; its place is free again when this is dropped.
pub(super) struct Admitted(Option<Arc<Lane>>);

impl Drop for Admitted {
    fn drop(&mut self) {
        if let Some(lane) = self.0.take() {
            lane.pass_on();
        }
    }
}

impl Admission {
    /// With these bounds.
    pub fn new(settings: AdmissionSettings) -> Self {
        let lane = |settings| Arc::new(Lane { settings, state: Mutex::default() });
        Self {
            reads: lane(settings.reads),
            writes: lane(settings.writes),
            logins: lane(settings.logins),
            bulk: lane(settings.bulk),
            patience: Patience {
                burst: Duration::from_millis(settings.wait_milliseconds),
                crowded: Duration::from_millis(settings.crowded_wait_milliseconds),
            },
        }
    }

    /// Waits for a place. `whom`: where the request comes from, an organization or an address.
    ///
    /// # Errors
    ///
    /// [`Error::Overloaded`] when too many of the same wait, or when the turn does not come in time.
    pub(super) async fn enter(&self, kind: Kind, whom: &str) -> Result<Admitted, Error> {
        let lane = match kind {
            Kind::Read => &self.reads,
            Kind::Write => &self.writes,
            Kind::Login => &self.logins,
            Kind::Bulk => &self.bulk,
        };
        let came = Instant::now();
        match lane.ask(whom) {
            Asked::Admitted(admitted) => return Ok(admitted),
            Asked::Waits(turn) => {
                if let Some(admitted) = self.patience.wait(lane, whom, turn).await {
                    return Ok(admitted);
                }
            }
            Asked::Refused => {}
        }
        tokio::time::sleep_until(came + REFUSED_AFTER).await;
        Err(overloaded(kind))
    }
}

impl Patience {
    /// Waits for the turn; none when it does not come in time.
    async fn wait(self, lane: &Lane, whom: &str, mut turn: oneshot::Receiver<Admitted>) -> Option<Admitted> {
        let ends = Instant::now() + self.burst;
        loop {
            match tokio::time::timeout_at(ends.min(Instant::now() + self.crowded), &mut turn).await {
                Ok(admitted) => return admitted.ok(),
                // It may have become crowded meanwhile.
                Err(_) if lane.is_crowded(whom, self.burst) || Instant::now() >= ends => return None,
                Err(_) => {}
            }
        }
    }
}

fn overloaded(kind: Kind) -> Error {
    let kind = match kind {
        Kind::Read => "read",
        Kind::Write => "write",
        Kind::Login => "login",
        Kind::Bulk => "bulk",
    };
    metrics::counter!("rollcall_overload_refusals_total", "kind" => kind).increment(1);
    Error::Overloaded { retry_after: Duration::from_secs(1) }
}

enum Asked {
    Admitted(Admitted),
    Waits(oneshot::Receiver<Admitted>),
    Refused,
}

impl Lane {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(self: &Arc<Self>, whom: &str) -> Asked {
        let mut state = self.state();
        if state.running < self.settings.at_once && state.turns.is_empty() {
            state.running += 1;
            return Asked::Admitted(Admitted(Some(self.clone())));
        }
        let queue = state.waiting.entry(whom.to_owned()).or_default();
        // Who gave up waiting is in nobody's way.
        queue.turns.retain(|turn| !turn.is_closed());
        if queue.turns.len() >= self.settings.waiting {
            if queue.turns.is_empty() {
                state.waiting.remove(whom);
            }
            return Asked::Refused;
        }
        let (sender, turn) = oneshot::channel();
        let is_first = queue.turns.is_empty();
        if is_first {
            queue.since = Instant::now();
        }
        queue.turns.push_back(sender);
        if is_first && !state.turns.iter().any(|known| known == whom) {
            state.turns.push_back(whom.to_owned());
        }
        Asked::Waits(turn)
    }

    /// Whether its requests have waited all the time for longer than a burst takes.
    fn is_crowded(&self, whom: &str, burst: Duration) -> bool {
        self.state().waiting.get(whom).is_some_and(|queue| queue.since.elapsed() > burst)
    }

    /// Gives a place that is free to the next, one of each by turns.
    fn pass_on(self: &Arc<Self>) {
        loop {
            let mut state = self.state();
            let Some(whom) = state.turns.pop_front() else {
                state.running -= 1;
                return;
            };
            let Some(mut queue) = state.waiting.remove(&whom) else { continue };
            let next = queue.turns.pop_front();
            if !queue.turns.is_empty() {
                state.waiting.insert(whom.clone(), queue);
                state.turns.push_back(whom);
            }
            drop(state);
            match next.map(|turn| turn.send(Admitted(Some(self.clone())))) {
                Some(Ok(())) => return,
                // Gone meanwhile. The place was not taken: it is passed on here, not by dropping it.
                Some(Err(mut admitted)) => drop(admitted.0.take()),
                None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(at_once: usize, waiting: usize) -> Admission {
        patient(at_once, waiting, 50)
    }

    fn patient(at_once: usize, waiting: usize, wait_milliseconds: u64) -> Admission {
        let lane = LaneSettings { at_once, waiting };
        let crowded_wait_milliseconds = 20;
        Admission::new(AdmissionSettings {
            wait_milliseconds,
            crowded_wait_milliseconds,
            reads: lane,
            writes: lane,
            logins: lane,
            bulk: lane,
        })
    }

    #[tokio::test]
    async fn o02_a_burst_waits_and_where_it_never_ends_nobody_waits_long() {
        let admission = Arc::new(patient(1, 10, 2_000));
        let enter = || {
            let admission = admission.clone();
            tokio::spawn(async move {
                let came = Instant::now();
                (admission.enter(Kind::Write, "a").await, came.elapsed())
            })
        };
        let held = admission.enter(Kind::Write, "a").await.expect("free");
        let waits = enter();
        tokio::time::sleep(Duration::from_millis(200)).await;
        drop(held);
        let (held, _) = waits.await.expect("it ends");
        let (first, held) = (enter(), held.expect("a burst has its turn"));
        tokio::time::sleep(Duration::from_millis(1_900)).await;
        let (late, waited) = enter().await.expect("it ends");
        assert!(matches!(late, Err(Error::Overloaded { .. })));
        assert!((REFUSED_AFTER..Duration::from_millis(1_500)).contains(&waited), "told soon: {waited:?}");
        assert!(first.await.expect("it ends").0.is_err(), "whoever came first has waited for long enough");
        drop(held);
        assert!(admission.enter(Kind::Write, "a").await.is_ok());
    }

    #[tokio::test]
    async fn o02_what_is_too_much_is_refused_and_a_place_is_free_again() {
        let admission = admission(2, 1);
        let (first, _second) = (admission.enter(Kind::Read, "a").await, admission.enter(Kind::Read, "a").await);
        let (third, fourth) = tokio::join!(admission.enter(Kind::Read, "a"), admission.enter(Kind::Read, "a"));
        assert!(third.is_err() && fourth.is_err(), "one waits in vain, one is refused");
        assert!(admission.enter(Kind::Write, "a").await.is_ok(), "another kind has places of its own");
        drop(first);
        assert!(admission.enter(Kind::Read, "b").await.is_ok());
    }

    #[tokio::test]
    async fn tn11_organizations_take_turns() {
        let admission = Arc::new(admission(1, 100));
        let held = admission.enter(Kind::Write, "loud").await.expect("free");
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = tokio::task::JoinSet::new();
        for whom in ["loud"; 20].into_iter().chain(["quiet"; 2]) {
            let (admission, order) = (admission.clone(), order.clone());
            tasks.spawn(async move {
                let _place = admission.enter(Kind::Write, whom).await.expect("in time");
                order.lock().expect("held by nobody").push(whom);
            });
            tokio::task::yield_now().await;
        }
        drop(held);
        tasks.join_all().await;
        let order = order.lock().expect("held by nobody");
        assert_eq!(order.len(), 22);
        assert!(order[..4].iter().filter(|whom| **whom == "quiet").count() == 2, "{order:?}");
    }

    #[tokio::test]
    async fn who_gives_up_waiting_keeps_no_place() {
        let admission = admission(1, 10);
        let held = admission.enter(Kind::Bulk, "a").await.expect("free");
        for _ in 0..3 {
            assert!(admission.enter(Kind::Bulk, "a").await.is_err());
        }
        drop(held);
        for _ in 0..3 {
            assert!(admission.enter(Kind::Bulk, "a").await.is_ok());
        }
    }
}
