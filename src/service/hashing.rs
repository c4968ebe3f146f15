//! Password hashing within a budget of memory and of work: so many at once, so many waiting, the rest is told to come back
//! (AU-12).
//!
//! Whoever waits gets turns by whom the work is charged to, so that one tenant does not take everybody's. A stored hash that
//! costs far more than those we make is computed by a thread of its own, one at a time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::hashing_threads::Threads;
pub(super) use super::hashing_turns::Turn;
use super::hashing_turns::Turns;
use crate::crypto::password::{self, Cost, Memory, Verdict};
use crate::domain::login::Origin;
use crate::domain::password::Password;
use crate::domain::{Error, OrganizationId};
use crate::store::Credentials;

/// What hashing may cost.
#[derive(Clone, Copy, Debug)]
pub struct HashingLimits {
    /// What one hash costs.
    pub cost: Cost,
    /// How many at once.
    pub at_once: usize,
    /// Memory of all of them, in KiB.
    pub budget_kib: u32,
    /// How many may wait.
    pub waiting: usize,
    /// For how long.
    pub wait: Duration,
}

/// Work of a stored hash that is done beside that of others, in hashes of ours; what is more is done by a thread of its own.
const ORDINARY: u64 = 4;

/// Whom hashing is charged to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Payer {
    /// A client that is not signed in, by its network: whose account it names is not known yet, and must not show.
    Network(String),
    /// The organization of a caller, or of the account.
    Organization(OrganizationId),
    /// The operator, and accounts of no organization.
    Nobody,
}

impl Payer {
    /// The client that this comes from.
    pub(super) fn network(origin: &Origin) -> Self {
        Self::Network(origin.network())
    }

    /// The organization that manages this account; else the one it was in last, else the oldest.
    pub(super) fn home(credentials: &Credentials) -> Self {
        let account = &credentials.account;
        let oldest = || credentials.memberships.first().map(|joined| joined.organization.id);
        let home = account.managed_by.or(account.last_organization).or_else(oldest);
        home.map_or(Self::Nobody, Self::Organization)
    }
}

/// The one place where passwords are hashed.
pub(super) struct Hashing {
    limits: HashingLimits,
    turns: Turns,
    threads: Threads,
    /// For stored hashes that cost far more than ours.
    dear_turns: Turns,
    dear_thread: Threads,
    /// What a password is compared with when there is nothing to compare it with (AU-08).
    dummy: Arc<str>,
}

impl Hashing {
    /// Hashing within these limits; `salt` for the hash that belongs to nobody.
    pub(super) fn new(limits: HashingLimits, salt: [u8; 16]) -> Self {
        let nobody = Password::read("nobody has this password", "password");
        let hash = |nobody| password::hash(&nobody, salt, limits.cost, &mut Memory::default());
        let dummy = nobody.and_then(hash).unwrap_or_default();
        Self {
            limits,
            turns: Turns::new(limits.at_once, limits.waiting, limits.wait),
            threads: Threads::start("hashing", limits.at_once, limits.cost.memory_kib),
            dear_turns: Turns::new(1, limits.waiting, limits.wait),
            dear_thread: Threads::start("dear-hashing", 1, 0),
            dummy: dummy.into(),
        }
    }

    /// The cost of the hashes that are made here.
    pub(super) fn cost(&self) -> Cost {
        self.limits.cost
    }

    /// Compares; without a hash it takes as long and is wrong. The turn is taken before: whoever is told to come back has
    /// not tried yet, and must not be counted as if they had. `home` is charged for a stored hash that costs far more than ours.
    ///
    /// # Errors
    ///
    /// [`Error::Overloaded`] where such a hash does not get its turn: nothing was compared.
    pub(super) async fn verify(
        &self,
        turn: Turn,
        home: &Payer,
        password: Password,
        hash: Option<&str>,
    ) -> Result<Verdict, Error> {
        let (known, cost) = (hash.is_some(), self.limits.cost);
        let hash: Arc<str> = hash.map_or_else(|| self.dummy.clone(), Arc::from);
        let demand = password::demand(&hash).unwrap_or(cost);
        let hashes = demand.work().div_ceil(cost.work().max(1)).max(1);
        let (turn, threads) = if self.is_ordinary(demand, hashes) {
            turn.charge(hashes - 1);
            (turn, &self.threads)
        } else {
            drop(turn);
            let turn = self.dear_turns.turn(home).await?;
            turn.charge(hashes - 1);
            (turn, &self.dear_thread)
        };
        let compare = move |memory: &mut Memory| password::verify(&password, &hash, cost, memory);
        let verdict = Self::run(threads, turn, compare).await?;
        Ok(if known { verdict } else { Verdict::Wrong })
    }

    /// Whether a hash can be computed beside others: it takes no more than one thread's share of the memory, and not for long.
    fn is_ordinary(&self, demand: Cost, hashes: u64) -> bool {
        let threads = u32::try_from(self.limits.at_once).unwrap_or(u32::MAX).max(1);
        let share = (self.limits.budget_kib / threads).max(self.limits.cost.memory_kib);
        demand.memory_kib <= share && hashes <= ORDINARY
    }

    /// Hashes.
    ///
    /// # Errors
    ///
    /// [`Error::Overloaded`].
    pub(super) async fn hash(&self, payer: &Payer, password: Password, salt: [u8; 16]) -> Result<String, Error> {
        let turn = self.turn(payer).await?;
        let cost = self.limits.cost;
        Self::run(&self.threads, turn, move |memory| password::hash(&password, salt, cost, memory)).await?
    }

    /// A turn, or word to come back: at once when too many wait, later when the turn does not come in time.
    pub(super) async fn turn(&self, payer: &Payer) -> Result<Turn, Error> {
        self.turns.turn(payer).await
    }

    /// The turn is given back when the work is done, not when the client hangs up.
    async fn run<T: Send + 'static>(
        threads: &Threads,
        turn: Turn,
        work: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (done, result) = oneshot::channel();
        threads.run(Box::new(move |memory: &mut Memory| {
            let result = work(memory);
            drop(turn);
            // Nobody may be waiting any more.
            drop(done.send(result));
        }))?;
        result.await.map_err(|error| Error::Internal(error.into()))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const CHEAP: Cost = Cost { memory_kib: 64, passes: 1, lanes: 1 };
    const LIMITS: HashingLimits =
        HashingLimits { cost: CHEAP, at_once: 1, budget_kib: 64, waiting: 1, wait: Duration::from_secs(5) };

    fn password(text: &str) -> Password {
        Password::read(text, "password").expect("short enough")
    }

    async fn turn(hashing: &Hashing) -> Turn {
        hashing.turn(&Payer::Nobody).await.expect("free")
    }

    async fn compare(hashing: &Hashing, text: &str, hash: Option<&str>) -> Verdict {
        hashing.verify(turn(hashing).await, &Payer::Nobody, password(text), hash).await.expect("served")
    }

    #[tokio::test]
    async fn au08_nobody_has_a_password_but_it_is_compared() {
        let hashing = Hashing::new(LIMITS, [1; 16]);
        assert!(hashing.dummy.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "costs what the others cost");
        assert_eq!(compare(&hashing, "nobody has this password", None).await, Verdict::Wrong);
        let hash = hashing.hash(&Payer::Nobody, password("x"), [2; 16]).await.expect("served");
        assert_eq!(compare(&hashing, "x", Some(&hash)).await, Verdict::Right);
    }

    #[tokio::test]
    async fn au12_beyond_the_queue_is_refused_at_once() {
        let hashing = Hashing::new(HashingLimits { wait: Duration::from_millis(20), ..LIMITS }, [1; 16]);
        let held = turn(&hashing).await;
        let nobody = Payer::Nobody;
        let (first, second) = tokio::join!(hashing.turn(&nobody), async { hashing.turn(&nobody).await });
        assert!(matches!(first, Err(Error::Overloaded { .. })), "waited in vain");
        assert!(matches!(second, Err(Error::Overloaded { .. })), "no place in the queue");
        drop(held);
        assert!(hashing.turn(&nobody).await.is_ok());
        assert_eq!(hashing.turns.waiting(), 0);
    }

    /// S-11: a stored hash that is far dearer than ours keeps nobody else waiting, and only its own organization pays.
    #[tokio::test]
    async fn a_dear_hash_waits_for_a_thread_of_its_own() {
        let hashing = Hashing::new(HashingLimits { wait: Duration::from_millis(20), ..LIMITS }, [1; 16]);
        let dear = Cost { memory_kib: 640, passes: 2, lanes: 1 };
        let hash = password::hash(&password("x"), [3; 16], dear, &mut Memory::default()).expect("hashed");
        assert_eq!(compare(&hashing, "x", Some(&hash)).await, Verdict::RightButOutdated, "decision 8");
        assert_eq!(compare(&hashing, "y", Some(&hash)).await, Verdict::Wrong);
        let acme = Payer::Organization(OrganizationId::new(Uuid::from_u128(1)));
        let busy = hashing.dear_turns.turn(&acme).await.expect("free");
        let waiting = hashing.verify(turn(&hashing).await, &acme, password("x"), Some(&hash)).await;
        assert!(matches!(waiting, Err(Error::Overloaded { .. })), "one at a time");
        assert!(hashing.hash(&Payer::Nobody, password("x"), [2; 16]).await.is_ok(), "others go on meanwhile");
        drop(busy);
        assert_eq!(compare(&hashing, "x", Some(&hash)).await, Verdict::RightButOutdated);
    }
}
