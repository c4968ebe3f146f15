//! When something was read, as far as what was written since can tell: what is kept of it is good for as long as nothing
//! was written that it shows. Only this process's writes are seen.

use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

use super::DatabaseName;
use crate::domain::OrganizationId;

/// Counters of each kind. Two that share one make us forget more than we had to, never less.
const COUNTERS: usize = 1 << 16;

/// What a unit of work changes of what is shown of users and groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Touched {
    /// Whatever it may be, of anybody in the organization.
    Everybody,
    /// What is shown of these users and groups, and of nothing else.
    Only(Vec<Uuid>),
}

/// Counters that move with each unit of work, when it begins and when it ends: by organization, and by what is shown.
pub(super) struct Stamps {
    organizations: Box<[AtomicU64]>,
    shown: Box<[AtomicU64]>,
}

/// When what is shown of a user or a group was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    organization: u64,
    shown: u64,
}

#[cfg(test)]
impl Stamp {
    /// One after the default.
    pub(crate) fn later() -> Self {
        Self { organization: 1, shown: 0 }
    }
}

impl Default for Stamps {
    fn default() -> Self {
        let counters = || std::iter::repeat_with(AtomicU64::default).take(COUNTERS).collect();
        Self { organizations: counters(), shown: counters() }
    }
}

/// The end of an id is chance.
fn counter(counters: &[AtomicU64], id: Uuid) -> &AtomicU64 {
    let place = u16::from_be_bytes([id.as_bytes()[14], id.as_bytes()[15]]);
    &counters[usize::from(place)]
}

impl Stamps {
    pub(super) fn of(&self, organization: OrganizationId, shown: Uuid) -> Stamp {
        Stamp { shown: counter(&self.shown, shown).load(Ordering::SeqCst), ..self.of_all(organization) }
    }

    /// Of what may show in anybody of the organization.
    pub(super) fn of_all(&self, organization: OrganizationId) -> Stamp {
        let organization = counter(&self.organizations, organization.uuid()).load(Ordering::SeqCst);
        Stamp { organization, shown: 0 }
    }

    /// A unit of work on this database begins or ends.
    pub(super) fn advance(&self, database: DatabaseName, touched: &Touched) {
        let DatabaseName::Organization(organization) = database else { return };
        let move_on = |counters, id| _ = counter(counters, id).fetch_add(1, Ordering::SeqCst);
        match touched {
            Touched::Everybody => move_on(&self.organizations, organization.uuid()),
            Touched::Only(these) => these.iter().for_each(|shown| move_on(&self.shown, *shown)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_ends_with_what_touches_it() {
        let stamps = Stamps::default();
        let id = Uuid::from_u128;
        let (acme, globex) = (OrganizationId::new(id(1)), OrganizationId::new(id(2)));
        let (ada, alan) = (id(3), id(4));
        let (read, all) = (stamps.of(acme, ada), stamps.of_all(acme));
        stamps.advance(DatabaseName::of(acme), &Touched::Only(vec![alan]));
        stamps.advance(DatabaseName::of(globex), &Touched::Everybody);
        stamps.advance(DatabaseName::Identity, &Touched::Everybody);
        assert_eq!(stamps.of(acme, ada), read);
        stamps.advance(DatabaseName::of(acme), &Touched::Only(vec![ada]));
        let again = stamps.of(acme, ada);
        assert_ne!(again, read);
        assert_eq!(stamps.of_all(acme), all);
        stamps.advance(DatabaseName::of(acme), &Touched::Everybody);
        assert_ne!(stamps.of(acme, ada), again);
        assert_ne!(stamps.of_all(acme), all);
    }
}
