//! How much is done at once: so many requests of each kind, by turns between those they come from. What would wait too long
//! is refused before work is done for it.

mod queue;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::domain::Error;

use queue::{Patience, Queue};

/// How often it is found out anew, where it is crowded, how many should go on at once.
const ROUND: Duration = Duration::from_secs(60);

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
    #[serde(default)]
    pub crowded_at_once: Option<usize>,
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
}

struct Lane {
    settings: LaneSettings,
    patience: Patience,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    running: usize,
    /// While one of the queues is crowded.
    crowd: Option<Crowd>,
    /// Those who wait, by where they come from, in the order they came.
    waiting: HashMap<String, Queue>,
    /// Whose turn it is.
    turns: VecDeque<String>,
}

/// A time in which it is crowded, in rounds. A round begins with fewer places, which is better for a processor that has too
/// much to do and worse for a disk that is waited for; goes on with all, in case that nobody has to wait then; and ends with
/// fewer, unless twice as much was done with all.
struct Crowd {
    round_began: Instant,
    until: Instant,
    /// How much was done while so many places were tried, one as long as the other.
    done_with_fewer: usize,
    done_with_all: usize,
}

impl Crowd {
    fn begin(now: Instant, until: Instant) -> Self {
        Self { round_began: now, until, done_with_fewer: 0, done_with_all: 0 }
    }

    /// Whether fewer go on at once now; either is tried for so long.
    fn is_for_fewer(&self, tried_for: Duration, now: Instant) -> bool {
        match now - self.round_began {
            into_round if into_round < tried_for => true,
            into_round if into_round < 2 * tried_for => false,
            // What is done by fewer is done sooner, and a moment's halt is no reason.
            _ => self.done_with_fewer * 2 >= self.done_with_all,
        }
    }

    /// One more is done.
    fn is_done(&mut self, tried_for: Duration, now: Instant) {
        match now - self.round_began {
            into_round if into_round < tried_for => self.done_with_fewer += 1,
            into_round if into_round < 2 * tried_for => self.done_with_all += 1,
            into_round if into_round < ROUND => {}
            _ => *self = Self::begin(now, self.until),
        }
    }
}

impl State {
    /// It is crowded at least until then.
    fn crowd_until(&mut self, until: Option<Instant>, now: Instant) {
        let Some(until) = until.filter(|until| now < *until) else { return };
        match &mut self.crowd {
            Some(crowd) if now < crowd.until => crowd.until = crowd.until.max(until),
            crowd => *crowd = Some(Crowd::begin(now, until)),
        }
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
        let patience = Patience {
            burst: Duration::from_millis(settings.wait_milliseconds),
            crowded: Duration::from_millis(settings.crowded_wait_milliseconds),
        };
        let lane = |settings| Arc::new(Lane { settings, patience, state: Mutex::default() });
        Self {
            reads: lane(settings.reads),
            writes: lane(settings.writes),
            logins: lane(settings.logins),
            bulk: lane(settings.bulk),
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
                if let Some(admitted) = lane.wait(whom, turn).await {
                    return Ok(admitted);
                }
            }
            Asked::Refused => {}
        }
        tokio::time::sleep_until(came + lane.patience.crowded).await;
        Err(overloaded(kind))
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

    /// How long either number of places is tried: long enough that it is over where nobody has to wait with all of them.
    fn tried_for(&self) -> Duration {
        self.patience.burst * 3 / 2
    }

    /// How many may go on at once.
    fn places(&self, state: &State, now: Instant) -> usize {
        let LaneSettings { at_once, crowded_at_once, .. } = self.settings;
        match (crowded_at_once, &state.crowd) {
            (Some(fewer), Some(crowd)) if now < crowd.until && crowd.is_for_fewer(self.tried_for(), now) => fewer,
            _ => at_once,
        }
    }

    fn ask(self: &Arc<Self>, whom: &str) -> Asked {
        let now = Instant::now();
        let mut state = self.state();
        if state.turns.is_empty() && state.running < self.places(&state, now) {
            state.running += 1;
            return Asked::Admitted(Admitted(Some(self.clone())));
        }
        let queue = state.waiting.entry(whom.to_owned()).or_default();
        let ahead = queue.waiting();
        if ahead >= self.settings.waiting {
            return Asked::Refused;
        }
        let turn = queue.join(now);
        // Where all the others gave up it is still their turn.
        if ahead == 0 && !state.turns.iter().any(|known| known == whom) {
            state.turns.push_back(whom.to_owned());
        }
        // There may be more places than when the last of them was passed on.
        self.hand_out(&mut state, now);
        Asked::Waits(turn)
    }

    /// Waits for the turn; none when it does not come in time: nobody waits any more before as long as a burst is over, and
    /// where it is crowded they wait less.
    async fn wait(&self, whom: &str, mut turn: oneshot::Receiver<Admitted>) -> Option<Admitted> {
        let (patience, ends) = (self.patience.in_crowd(), Instant::now() + self.patience.burst);
        loop {
            match tokio::time::timeout_at(ends.min(Instant::now() + patience), &mut turn).await {
                Ok(admitted) => return admitted.ok(),
                // It may have become crowded meanwhile.
                Err(_) if self.refuses_in_crowd(whom) || Instant::now() >= ends => return None,
                Err(_) => {}
            }
        }
    }

    /// Refuses somebody who has waited for long enough, if it is crowded: then it is not over yet.
    fn refuses_in_crowd(&self, whom: &str) -> bool {
        let (mut state, now) = (self.state(), Instant::now());
        let Some(queue) = state.waiting.get_mut(whom).filter(|queue| queue.is_crowded(now)) else { return false };
        let until = Some(now + self.patience.burst);
        queue.crowded_until = until;
        state.crowd_until(until, now);
        true
    }

    /// A place is free.
    fn pass_on(self: &Arc<Self>) {
        let (mut state, now) = (self.state(), Instant::now());
        state.running -= 1;
        if let Some(crowd) = &mut state.crowd {
            crowd.is_done(self.tried_for(), now);
        }
        self.hand_out(&mut state, now);
    }

    /// Gives the places that are free to those who wait, one of each by turns.
    fn hand_out(self: &Arc<Self>, state: &mut State, now: Instant) {
        while state.running < self.places(state, now) {
            let Some(whom) = state.turns.pop_front() else {
                state.waiting.retain(|_, queue| !queue.is_idle(now));
                return;
            };
            let Some(queue) = state.waiting.get_mut(&whom) else { continue };
            let next = queue.next(self.patience, now);
            let (is_waited_in, is_idle, crowded_until) =
                (queue.is_waited_in(), queue.is_idle(now), queue.crowded_until);
            if is_idle {
                state.waiting.remove(&whom);
            } else if is_waited_in {
                state.turns.push_back(whom);
            }
            state.crowd_until(crowded_until, now);
            match next.map(|turn| turn.admits.send(Admitted(Some(self.clone())))) {
                Some(Ok(())) => state.running += 1,
                // Gone meanwhile, and has taken no place that would be free when this is dropped.
                Some(Err(mut admitted)) => drop(admitted.0.take()),
                None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::queue::PATIENCE;
    use super::*;

    fn admission(at_once: usize, waiting: usize) -> Admission {
        patient(at_once, waiting, 50)
    }

    fn patient(at_once: usize, waiting: usize, wait_milliseconds: u64) -> Admission {
        with_lanes(LaneSettings { at_once, crowded_at_once: None, waiting }, wait_milliseconds)
    }

    fn with_lanes(lane: LaneSettings, wait_milliseconds: u64) -> Admission {
        let (reads, writes, logins, bulk) = (lane, lane, lane, lane);
        let crowded_wait_milliseconds = 20;
        Admission::new(AdmissionSettings { wait_milliseconds, crowded_wait_milliseconds, reads, writes, logins, bulk })
    }

    #[tokio::test]
    async fn o02_who_is_refused_is_told_soon_and_not_at_once() {
        for waiting in [0, 100] {
            let admission = patient(1, waiting, 60);
            let _held = admission.enter(Kind::Write, "a").await.expect("free");
            for _ in 0..3 {
                let came = Instant::now();
                let refused = admission.enter(Kind::Write, "a").await;
                assert!(matches!(refused, Err(Error::Overloaded { .. })));
                let soon = Duration::from_millis(20)..Duration::from_secs(5);
                assert!(soon.contains(&came.elapsed()), "{:?}", came.elapsed());
            }
        }
    }

    #[tokio::test]
    async fn o02_while_somebody_is_refused_a_crowd_does_not_end_though_nobody_has_a_turn() {
        let admission = patient(1, 100, 1_000);
        let held = admission.enter(Kind::Write, "a").await.expect("free");
        let is_crowded = || {
            let state = admission.writes.state();
            let queue = state.waiting.get("a").is_some_and(|queue| queue.is_crowded(Instant::now()));
            (queue, state.crowd.as_ref().is_some_and(|crowd| Instant::now() < crowd.until))
        };
        let (began, until) = (Instant::now(), Some(Instant::now() + admission.writes.patience.burst));
        admission.writes.state().waiting.entry("a".to_owned()).or_default().crowded_until = until;
        while began.elapsed() < Duration::from_millis(1_300) {
            assert!(admission.enter(Kind::Write, "a").await.is_err());
        }
        assert_eq!(is_crowded(), (true, true));
        drop(held);
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        assert_eq!(is_crowded(), (false, false));
    }

    /// Crowded for 130 s with eight places or two, each done as often in a second as given: how many places there are after
    /// so many seconds.
    fn places_when_done(with_all: u32, with_fewer: u32, after: &[f64]) -> Vec<usize> {
        let settings = LaneSettings { at_once: 8, crowded_at_once: Some(2), waiting: 100 };
        let lane = Lane { settings, patience: PATIENCE, state: Mutex::default() };
        let (began, mut state, mut seen) = (Instant::now(), State::default(), Vec::new());
        let mut after = after.iter().peekable();
        for centisecond in 0..13_000_u32 {
            let now = began + Duration::from_millis(u64::from(centisecond) * 10);
            state.crowd_until(Some(now + PATIENCE.burst), now);
            let places = lane.places(&state, now);
            let done = if places == 8 { with_all } else { with_fewer };
            let crowd = state.crowd.as_mut().expect("crowded");
            (0..done / 100).for_each(|_| crowd.is_done(lane.tried_for(), now));
            if after.next_if(|after| now >= began + Duration::from_secs_f64(**after)).is_some() {
                seen.push(lane.places(&state, now));
            }
        }
        assert_eq!(lane.places(&state, began + Duration::from_secs(131)), 8, "it is over");
        seen
    }

    #[test]
    fn o02_where_it_is_crowded_as_many_go_on_at_once_as_lets_more_be_done_and_that_is_found_out_again() {
        let after = [0.0, 0.2, 0.4, 0.5, 0.7, 30.0, 59.9, 60.1, 60.4, 90.0, 125.0];
        assert_eq!(places_when_done(3_000, 3_000, &after), [2, 2, 8, 8, 2, 2, 2, 2, 8, 2, 2], "it is the processor");
        assert_eq!(places_when_done(3_000, 900, &after), [2, 2, 8, 8, 8, 8, 8, 2, 8, 8, 8], "it is the disk");
    }

    #[test]
    fn o02_when_it_is_crowded_again_a_round_begins() {
        let settings = LaneSettings { at_once: 8, crowded_at_once: Some(2), waiting: 100 };
        let lane = Lane { settings, patience: PATIENCE, state: Mutex::default() };
        let (began, mut state) = (Instant::now(), State::default());
        let after = |seconds: f64| began + Duration::from_secs_f64(seconds);
        assert_eq!(lane.places(&state, began), 8);
        state.crowd_until(Some(after(1.0)), began);
        assert_eq!([0.2, 0.5, 0.9, 1.1].map(|at| lane.places(&state, after(at))), [2, 8, 2, 8]);
        state.crowd_until(Some(after(6.0)), after(5.0));
        assert_eq!([5.2, 5.5, 5.9, 6.1].map(|at| lane.places(&state, after(at))), [2, 8, 2, 8]);
    }

    #[tokio::test]
    async fn o02_where_it_is_crowded_fewer_go_on_at_once_and_afterwards_as_many_as_before() {
        let lane = LaneSettings { at_once: 8, crowded_at_once: Some(2), waiting: 100 };
        let admission = Arc::new(with_lanes(lane, 60));
        let mut crowd = tokio::task::JoinSet::new();
        for _ in 0..40 {
            let admission = admission.clone();
            crowd.spawn(async move {
                for _ in 0..10 {
                    if let Ok(place) = admission.enter(Kind::Write, "a").await {
                        tokio::time::sleep(Duration::from_millis(30)).await;
                        drop(place);
                    }
                }
            });
        }
        let mut seen = Vec::new();
        while tokio::time::timeout(Duration::from_millis(5), crowd.join_next()).await.is_err() {
            let state = admission.writes.state();
            if !state.turns.is_empty() {
                seen.push(state.running);
            }
        }
        crowd.join_all().await;
        assert!(seen.contains(&8) && seen.contains(&2), "{seen:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
        let mut places = Vec::new();
        for _ in 0..8 {
            places.push(admission.enter(Kind::Write, "a").await.expect("free"));
        }
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
