//! Turns at a bounded number of threads, shared fairly between those who are charged for the work (start-time fair queueing).
//!
//! Each payer has a virtual time up to which it has had its share; the turn goes to whoever waits and has had least. So a payer
//! that nobody competes with uses everything, and one that competes gets its share of the work, not of the requests.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::hashing::Payer;
use crate::domain::Error;

/// Payers that are remembered though nothing of theirs waits.
const MOST_REMEMBERED: usize = 4_096;

/// The turns; clones share them.
#[derive(Clone)]
pub(super) struct Turns(Arc<Shared>);

struct Shared {
    at_once: usize,
    waiting: usize,
    wait: Duration,
    state: Mutex<State>,
}

struct State {
    free: usize,
    /// The virtual time at which the last turn began.
    now: u64,
    payers: HashMap<Payer, Account>,
}

#[derive(Default)]
struct Account {
    /// The virtual time up to which this payer has had its share.
    served: u64,
    waiting: VecDeque<oneshot::Sender<Turn>>,
}

/// Room for one hash, given to the next when it is dropped.
pub(crate) struct Turn {
    turns: Option<Arc<Shared>>,
    payer: Payer,
}

impl Turn {
    /// Charges the payer for work beyond that of one ordinary hash.
    pub(super) fn charge(&self, hashes: u64) {
        let Some(turns) = &self.turns else { return };
        if let Some(account) = turns.lock().payers.get_mut(&self.payer) {
            account.served = account.served.saturating_add(hashes);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(turns) = self.turns.take() {
            turns.pass_on();
        }
    }
}

/// The answer to a request for a turn.
enum Asked {
    Served(Turn),
    Waits(oneshot::Receiver<Turn>),
    Full,
}

impl Turns {
    /// So many at once, so many waiting for at most so long.
    pub(super) fn new(at_once: usize, waiting: usize, wait: Duration) -> Self {
        let state = Mutex::new(State { free: at_once, now: 0, payers: HashMap::new() });
        Self(Arc::new(Shared { at_once, waiting, wait, state }))
    }

    /// A turn, charged to this payer.
    ///
    /// # Errors
    ///
    /// [`Error::Overloaded`] at once where too many wait, later where the turn does not come in time.
    pub(super) async fn turn(&self, payer: &Payer) -> Result<Turn, Error> {
        let busy = Error::Overloaded { retry_after: Duration::from_secs(2) };
        match self.ask(payer) {
            Asked::Served(turn) => Ok(turn),
            Asked::Waits(turn) => match tokio::time::timeout(self.0.wait, turn).await {
                Ok(Ok(turn)) => Ok(turn),
                _ => Err(busy),
            },
            Asked::Full => Err(busy),
        }
    }

    fn ask(&self, payer: &Payer) -> Asked {
        let mut state = self.0.lock();
        if state.free > 0 {
            state.free -= 1;
            state.serve(payer);
            return Asked::Served(Turn { turns: Some(self.0.clone()), payer: payer.clone() });
        }
        if state.waiting() >= self.0.waiting && !state.make_room(payer) {
            return Asked::Full;
        }
        let now = state.now;
        let account = state.account(payer);
        account.served = account.served.max(now);
        let (gives, turn) = oneshot::channel();
        account.waiting.push_back(gives);
        Asked::Waits(turn)
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.0.lock().waiting()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a turn that is over to the next; to nobody, if nobody waits.
    fn pass_on(self: Arc<Self>) {
        loop {
            let Some((payer, gives)) = self.lock().next(self.at_once) else { return };
            let Err(mut refused) = gives.send(Turn { turns: Some(self.clone()), payer }) else { return };
            // Gave up in this moment: the turn is the next one's.
            refused.turns = None;
        }
    }
}

impl State {
    fn account(&mut self, payer: &Payer) -> &mut Account {
        self.payers.entry(payer.clone()).or_default()
    }

    /// How many wait; those who gave up are forgotten.
    fn waiting(&mut self) -> usize {
        self.payers
            .values_mut()
            .map(|account| {
                account.waiting.retain(|turn| !turn.is_closed());
                account.waiting.len()
            })
            .sum()
    }

    /// Notes that an ordinary hash of this payer begins.
    fn serve(&mut self, payer: &Payer) {
        let now = self.now;
        let account = self.account(payer);
        let begins = account.served.max(now);
        account.served = begins + 1;
        self.now = begins;
        if self.payers.len() > MOST_REMEMBERED {
            self.payers.retain(|_, account| !account.waiting.is_empty());
        }
    }

    /// The queue is full: whoever has most in it loses the last one, if the newcomer has less.
    fn make_room(&mut self, newcomer: &Payer) -> bool {
        let own = self.payers.get(newcomer).map_or(0, |account| account.waiting.len());
        let longest = self.payers.values_mut().max_by_key(|account| account.waiting.len());
        longest.is_some_and(|account| account.waiting.len() > own + 1 && account.waiting.pop_back().is_some())
    }

    /// Whose turn it is; otherwise there is one more that is free.
    fn next(&mut self, at_once: usize) -> Option<(Payer, oneshot::Sender<Turn>)> {
        self.waiting();
        let waiting = self.payers.iter().filter(|(_, account)| !account.waiting.is_empty());
        let next = waiting.min_by_key(|(_, account)| account.served).map(|(payer, _)| payer.clone());
        let Some(payer) = next else {
            self.free += 1;
            if self.free == at_once {
                // Nobody competes: what was used before gives nobody an advantage.
                self.payers.clear();
                self.now = 0;
            }
            return None;
        };
        let gives = self.account(&payer).waiting.pop_front()?;
        self.serve(&payer);
        Some((payer, gives))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::OrganizationId;

    fn acme() -> Payer {
        Payer::Organization(OrganizationId::new(Uuid::from_u128(1)))
    }

    fn globex() -> Payer {
        Payer::Organization(OrganizationId::new(Uuid::from_u128(2)))
    }

    fn served(turns: &Turns, payer: &Payer) -> Turn {
        match turns.ask(payer) {
            Asked::Served(turn) => turn,
            Asked::Waits(_) | Asked::Full => panic!("nothing is free"),
        }
    }

    fn waits(turns: &Turns, payer: &Payer) -> oneshot::Receiver<Turn> {
        match turns.ask(payer) {
            Asked::Waits(turn) => turn,
            Asked::Served(_) | Asked::Full => panic!("it does not wait"),
        }
    }

    /// S-11.
    #[test]
    fn an_organization_with_a_long_queue_lets_another_go_next() {
        let turns = Turns::new(1, 10, Duration::from_secs(1));
        let running = served(&turns, &acme());
        let mut ours: Vec<_> = (0..5).map(|_| waits(&turns, &acme())).collect();
        let mut theirs = waits(&turns, &globex());
        drop(running);
        let turn = theirs.try_recv().expect("the other organization is next");
        assert!(ours[0].try_recv().is_err());
        drop(turn);
        assert!(ours[0].try_recv().is_ok());
    }

    /// S-11.
    #[test]
    fn dear_hashes_are_paid_for_by_waiting_longer() {
        let turns = Turns::new(1, 100, Duration::from_secs(1));
        let running = served(&turns, &acme());
        let mut ours: VecDeque<_> = (0..20).map(|_| waits(&turns, &acme())).collect();
        let mut theirs: VecDeque<_> = (0..20).map(|_| waits(&turns, &globex())).collect();
        let (mut turn, mut order) = (running, Vec::new());
        for _ in 0..16 {
            drop(turn);
            turn = if let Ok(ours_now) = ours[0].try_recv() {
                ours.pop_front();
                // Each of acme's costs as much as seven.
                ours_now.charge(6);
                order.push("acme");
                ours_now
            } else {
                order.push("globex");
                let theirs_now = theirs[0].try_recv().expect("somebody is served");
                theirs.pop_front();
                theirs_now
            };
        }
        let share = order.iter().filter(|name| **name == "acme").count();
        assert!((2..=3).contains(&share), "an eighth of the turns: {order:?}");
    }

    /// S-11.
    #[test]
    fn a_full_queue_is_not_full_of_one_organization() {
        let turns = Turns::new(1, 4, Duration::from_secs(1));
        let _running = served(&turns, &acme());
        let mut ours: Vec<_> = (0..4).map(|_| waits(&turns, &acme())).collect();
        assert!(matches!(turns.ask(&acme()), Asked::Full));
        let _theirs = [waits(&turns, &globex()), waits(&turns, &globex())];
        assert!(matches!(turns.ask(&globex()), Asked::Full), "half of it each");
        let received = ours.iter_mut().map(oneshot::Receiver::try_recv);
        assert_eq!(received.filter(|turn| matches!(turn, Err(oneshot::error::TryRecvError::Closed))).count(), 2);
    }

    #[test]
    fn whoever_gives_up_is_in_nobodys_way_and_all_turns_come_back() {
        let turns = Turns::new(2, 10, Duration::from_secs(1));
        let running = [served(&turns, &acme()), served(&turns, &globex())];
        drop(waits(&turns, &acme()));
        let mut last = waits(&turns, &acme());
        assert_eq!(turns.waiting(), 1);
        drop(running);
        assert!(last.try_recv().is_ok());
        let state = turns.0.lock();
        assert_eq!((state.free, state.payers.len()), (2, 0));
    }
}
