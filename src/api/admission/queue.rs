//! Those who wait of one organization or address: whose turn it is, and whether there is more than can be done.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Admitted;

/// How long a request waits for its turn (`CoDel`, RFC 8289, for requests instead of packets).
#[derive(Clone, Copy)]
pub(super) struct Patience {
    /// In a burst, which passes: nobody waits any more before as long is over.
    pub(super) burst: Duration,
    /// For longer than that somebody waits all the time where there is too much. Nobody is refused earlier: whoever asks
    /// again at once is to cost little.
    pub(super) crowded: Duration,
}

impl Patience {
    /// How long anybody waits where there is too much: to wait longer would only make everybody wait longer.
    pub(super) fn in_crowd(self) -> Duration {
        self.crowded / 4
    }
}

/// Those who wait of one organization or address, the first to come in front.
#[derive(Default)]
pub(super) struct Queue {
    turns: VecDeque<Turn>,
    /// Since when whoever has waited for longest has waited for too long, whenever somebody's turn comes.
    behind: Option<Instant>,
    /// Until when there is taken to be too much all the time.
    pub(super) crowded_until: Option<Instant>,
}

/// One who waits.
pub(super) struct Turn {
    came: Instant,
    pub(super) admits: oneshot::Sender<Admitted>,
}

impl Queue {
    /// Whether there is more than can be done, and not only for a moment.
    pub(super) fn is_crowded(&self, now: Instant) -> bool {
        self.crowded_until.is_some_and(|until| now < until)
    }

    /// Whether anybody waits.
    pub(super) fn is_waited_in(&self) -> bool {
        !self.turns.is_empty()
    }

    /// Whether there is nothing in it to be kept.
    pub(super) fn is_idle(&self, now: Instant) -> bool {
        !self.is_waited_in() && !self.is_crowded(now)
    }

    /// How many wait.
    pub(super) fn waiting(&mut self) -> usize {
        self.forget_gone();
        self.turns.len()
    }

    /// Who gave up waiting is in nobody's way.
    fn forget_gone(&mut self) {
        self.turns.retain(|turn| !turn.admits.is_closed());
    }

    /// Somebody comes, and waits.
    pub(super) fn join(&mut self, now: Instant) -> oneshot::Receiver<Admitted> {
        let (admits, turn) = oneshot::channel();
        if self.turns.is_empty() {
            self.behind = None;
        }
        self.turns.push_back(Turn { came: now, admits });
        turn
    }

    /// Whose turn it is. Who came first, as a rule; where there is too much all the time, who came last: they are done soon,
    /// the others would all be late, and some of them are refused whoever goes first.
    pub(super) fn next(&mut self, patience: Patience, now: Instant) -> Option<Turn> {
        self.forget_gone();
        let Some(waited) = self.turns.front().map(|first| now - first.came) else {
            self.behind = None;
            return None;
        };
        let is_crowded = self.is_crowded(now);
        // Who is refused waits no more: where it is crowded half of it says that it still is.
        if waited < if is_crowded { patience.in_crowd() / 2 } else { patience.crowded } {
            self.behind = None;
        } else if now - *self.behind.get_or_insert(now) > patience.burst || is_crowded {
            self.crowded_until = Some(now + patience.burst);
        }
        let next = if is_crowded { self.turns.pop_back() } else { self.turns.pop_front() };
        if self.turns.is_empty() {
            self.behind = None;
        }
        next
    }
}

#[cfg(test)]
pub(super) const PATIENCE: Patience =
    Patience { burst: Duration::from_millis(200), crowded: Duration::from_millis(40) };

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot::error::TryRecvError;

    use super::*;

    /// One place that each has for 10 ms; so many requests come at once, and then one every so many ms: how long in ms those
    /// waited who had their turn, in the order they came, and how many had none.
    fn queued(at_once: usize, every: usize, afterwards: usize) -> (Vec<u128>, usize) {
        let began = Instant::now();
        let (mut queue, mut waiting) = (Queue::default(), Vec::new());
        let (mut turns, mut refused, mut free_from) = (Vec::new(), 0, 0);
        for millisecond in 0..=every * afterwards + 1_000 {
            let now = began + Duration::from_millis(millisecond as u64);
            let comes = match millisecond {
                0 => at_once,
                _ if millisecond % every == 0 && millisecond <= every * afterwards => 1,
                _ => 0,
            };
            for _ in 0..comes {
                waiting.push((now, queue.join(now)));
            }
            let patience = if queue.is_crowded(now) { PATIENCE.in_crowd() } else { PATIENCE.burst };
            let before = waiting.len();
            waiting.retain(|(came, _)| now - *came < patience);
            refused += before - waiting.len();
            if free_from <= millisecond
                && let Some(turn) = queue.next(PATIENCE, now)
            {
                turns.push((turn.came, (now - turn.came).as_millis()));
                drop(turn.admits);
                waiting.retain_mut(|(_, turn)| matches!(turn.try_recv(), Err(TryRecvError::Empty)));
                free_from = millisecond + 10;
            }
        }
        turns.sort_unstable();
        (turns.into_iter().map(|(_, waited)| waited).collect(), refused)
    }

    #[test]
    fn o02_a_burst_is_waited_for() {
        let (waited, refused) = queued(20, 1, 0);
        assert_eq!((waited.len(), refused), (20, 0));
        assert!(waited.is_sorted(), "who came first goes first: {waited:?}");
    }

    #[test]
    fn o02_where_it_never_ends_the_last_to_come_goes_first_and_nobody_waits_long() {
        let (waited, refused) = queued(0, 5, 2_000);
        assert!((980..=1_020).contains(&refused), "as much is done as can be: {refused} refused of 2,000");
        let late = &waited[100..waited.len() - 1];
        assert!(late.iter().all(|waited| *waited < 10), "{late:?}");
        let soon = late.iter().filter(|waited| **waited <= 5).count();
        assert!(soon * 10 > late.len() * 9, "{soon} of {}", late.len());
    }

    #[test]
    fn o02_who_waits_but_never_long_is_refused_nothing() {
        let (waited, refused) = queued(2, 10, 2_000);
        assert_eq!((waited.len(), refused), (2_002, 0));
        assert!(waited[2..].iter().all(|waited| *waited == 10), "there is always somebody who waits: {waited:?}");
    }
}
