//! Who is in an organization, in order of id: which users a page shows is known without counting those before it. Read
//! when it is first asked for, sixteen bytes a user, and kept up to date by this process's writes; used only where there
//! are no others.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use moka::sync::Cache;
use tokio::time::timeout;
use uuid::Uuid;

use super::error::settle;
use super::{OrganizationStore, StoreError};
use crate::domain::{OrganizationId, UserId};

/// Users that are read at a time.
const CHUNK: usize = 5_000;
/// How many organizations' rosters are kept.
const ROSTERS: u64 = 1_024;
/// How long a request waits for it to be read: until then, and after that meanwhile, it counts those before its page.
const WAITED_FOR: Duration = Duration::from_millis(500);
/// How often reading a roster begins again because it cannot be known what became of a write.
const READINGS: usize = 3;

/// Somebody comes or goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    Came(Uuid),
    Left(Uuid),
}

/// The rosters of the organizations that were asked for.
pub(super) struct Rosters(Cache<OrganizationId, Arc<Roster>>);

impl Default for Rosters {
    fn default() -> Self {
        Self(Cache::new(ROSTERS))
    }
}

impl Rosters {
    fn of(&self, organization: OrganizationId) -> Arc<Roster> {
        self.0.get_with(organization, Arc::default)
    }

    /// These have come and gone.
    pub(super) fn note(&self, organization: OrganizationId, moves: &[Move]) {
        if !moves.is_empty()
            && let Some(roster) = self.0.get(&organization)
        {
            roster.state().note(moves);
        }
    }

    /// These may have come and gone, or not.
    pub(super) fn doubt(&self, organization: OrganizationId, moves: &[Move]) {
        if !moves.is_empty()
            && let Some(roster) = self.0.get(&organization)
        {
            roster.state().doubt();
        }
    }
}

#[derive(Default)]
struct Roster {
    state: Mutex<State>,
    /// Held by what reads it from the store.
    reading: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
enum State {
    #[default]
    Unknown,
    /// It is being read: who came and went meanwhile, unless that is in doubt.
    Reading(Option<Vec<Move>>),
    /// Everybody, in order.
    Known(Vec<Uuid>),
}

impl State {
    fn note(&mut self, moves: &[Move]) {
        match self {
            Self::Unknown | Self::Reading(None) => {}
            Self::Reading(Some(meanwhile)) => meanwhile.extend_from_slice(moves),
            Self::Known(ids) => moves.iter().for_each(|one| apply(ids, *one)),
        }
    }

    fn doubt(&mut self) {
        match self {
            Self::Reading(meanwhile) => *meanwhile = None,
            Self::Unknown | Self::Known(_) => *self = Self::Unknown,
        }
    }
}

/// A move that was made already changes nothing: it may have been read too.
fn apply(ids: &mut Vec<Uuid>, one: Move) {
    match one {
        Move::Came(id) => {
            if let Err(place) = ids.binary_search(&id) {
                ids.insert(place, id);
            }
        }
        Move::Left(id) => {
            if let Ok(place) = ids.binary_search(&id) {
                ids.remove(place);
            }
        }
    }
}

/// A part of a roster.
#[derive(Debug, PartialEq, Eq)]
pub struct RosterPage {
    /// Those on the page.
    pub ids: Vec<UserId>,
    /// How many there are on all pages.
    pub total: u64,
    /// Whether there are more after them.
    pub is_more: bool,
}

/// Where a page begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// After so many.
    Offset(u64),
    /// After this one, who may be gone.
    After(UserId),
}

fn page(ids: &[Uuid], start: Start, count: u64) -> RosterPage {
    let first = match start {
        Start::Offset(offset) => usize::try_from(offset).unwrap_or(usize::MAX).min(ids.len()),
        Start::After(id) => ids.partition_point(|known| *known <= id.uuid()),
    };
    let rest = &ids[first..];
    let shown = &rest[..usize::try_from(count).unwrap_or(usize::MAX).min(rest.len())];
    RosterPage {
        ids: shown.iter().copied().map(UserId::new).collect(),
        total: ids.len() as u64,
        is_more: shown.len() < rest.len(),
    }
}

impl Roster {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn page(&self, start: Start, count: u64) -> Option<RosterPage> {
        match &*self.state() {
            State::Known(ids) => Some(page(ids, start, count)),
            State::Unknown | State::Reading(_) => None,
        }
    }

    /// Reads it. Whoever comes or goes meanwhile is noted, and counts whether they were read or not.
    async fn read(&self, store: &OrganizationStore) -> Result<(), StoreError> {
        *self.state() = State::Reading(Some(Vec::new()));
        let read = store.read_ids().await;
        let mut state = self.state();
        let State::Reading(meanwhile) = std::mem::take(&mut *state) else { return Ok(()) };
        let Some(meanwhile) = meanwhile else { return read.map(drop) };
        let mut ids = read?;
        for one in meanwhile {
            apply(&mut ids, one);
        }
        *state = State::Known(ids);
        Ok(())
    }
}

impl OrganizationStore {
    /// A page of all users in order of id; none where other processes write too, or where it cannot be told just now: a
    /// roster of a million takes some seconds to be read.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn roster_page(&self, start: Start, count: u64) -> Result<Option<RosterPage>, StoreError> {
        if self.0.shared.reach.is_remote() {
            return Ok(None);
        }
        let roster = self.0.shared.rosters.of(self.1);
        for _ in 0..READINGS {
            if let Some(page) = roster.page(start, count) {
                return Ok(Some(page));
            }
            if let Ok(reading) = roster.reading.clone().try_lock_owned() {
                let (roster, store) = (roster.clone(), self.clone());
                tokio::spawn(async move {
                    if let Err(error) = roster.read(&store).await {
                        tracing::warn!(error = %error, "who is in an organization could not be read");
                    }
                    drop(reading);
                });
            }
            if timeout(WAITED_FOR, roster.reading.lock()).await.is_err() {
                return Ok(None);
            }
        }
        Ok(roster.page(start, count))
    }

    /// How many users there are; none as for a page.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub(super) async fn roster_total(&self) -> Result<Option<u64>, StoreError> {
        Ok(self.roster_page(Start::Offset(0), 0).await?.map(|page| page.total))
    }

    /// The ids of all users, in order.
    async fn read_ids(&self) -> Result<Vec<Uuid>, StoreError> {
        const IDS: &str = "SELECT VALUE position FROM user WHERE position > $after ORDER BY position LIMIT $chunk";
        let mut all: Vec<Uuid> = Vec::new();
        loop {
            let after = super::uuid(all.last().copied().unwrap_or_default());
            let query = self.0.query(IDS).bind(("after", after)).bind(("chunk", CHUNK));
            let ids: Vec<Uuid> = settle(query.await?)?.take(0)?;
            let is_all = ids.len() < CHUNK;
            all.extend(ids);
            if is_all {
                return Ok(all);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    fn users(numbers: &[u128]) -> Vec<UserId> {
        numbers.iter().map(|number| UserId::new(id(*number))).collect()
    }

    #[test]
    fn a_page_begins_after_so_many_or_after_somebody() {
        let ids: Vec<Uuid> = [10, 20, 30, 40].map(id).to_vec();
        let shown = |start, count| {
            let page = page(&ids, start, count);
            (page.ids, page.is_more)
        };
        assert_eq!(shown(Start::Offset(1), 2), (users(&[20, 30]), true));
        assert_eq!(shown(Start::Offset(2), 2), (users(&[30, 40]), false));
        assert_eq!(shown(Start::Offset(9), 2), (vec![], false));
        assert_eq!(shown(Start::After(UserId::new(id(20))), 1), (users(&[30]), true));
        assert_eq!(shown(Start::After(UserId::new(id(25))), 9), (users(&[30, 40]), false), "who is gone");
        assert_eq!(shown(Start::Offset(0), 0), (vec![], true));
    }

    #[test]
    fn whoever_comes_while_it_is_read_counts_once() {
        let roster = Roster::default();
        *roster.state() = State::Reading(Some(Vec::new()));
        roster.state().note(&[Move::Came(id(2)), Move::Left(id(1)), Move::Came(id(3))]);
        let State::Reading(Some(meanwhile)) = std::mem::take(&mut *roster.state()) else { panic!("reading") };
        // 1 was read before it left, 2 after it came.
        let mut ids = vec![id(1), id(2)];
        for one in meanwhile {
            apply(&mut ids, one);
        }
        assert_eq!(ids, [id(2), id(3)]);
    }

    #[test]
    fn what_is_in_doubt_is_not_known() {
        let roster = Roster::default();
        *roster.state() = State::Known(vec![id(1)]);
        roster.state().doubt();
        assert_eq!(roster.page(Start::Offset(0), 1), None);
        *roster.state() = State::Reading(Some(Vec::new()));
        roster.state().doubt();
        assert!(matches!(*roster.state(), State::Reading(None)));
    }
}
