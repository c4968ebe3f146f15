//! When something was read, as far as what was written since can tell: what is kept of it is good for as long as nothing
//! was written that it shows. Only this process's writes are seen.

use std::sync::atomic::{AtomicU64, Ordering};

use super::DatabaseName;
use crate::domain::{OrganizationId, UserId};

/// Counters of each kind. Two that share one make us forget more than we had to, never less.
const COUNTERS: usize = 1 << 16;

/// What a unit of work changes of what is shown of users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Touched {
    /// Whatever it may be, of anybody in the organization.
    Everybody,
    /// What is shown of these, and of nobody else.
    Users(Vec<UserId>),
}

/// Counters that move with each unit of work, when it begins and when it ends: by organization, and by user.
pub(super) struct Stamps {
    organizations: Box<[AtomicU64]>,
    users: Box<[AtomicU64]>,
}

/// When what is shown of a user was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    organization: u64,
    user: u64,
}

#[cfg(test)]
impl Stamp {
    /// One after the default.
    pub(crate) fn later() -> Self {
        Self { organization: 1, user: 0 }
    }
}

impl Default for Stamps {
    fn default() -> Self {
        let counters = || std::iter::repeat_with(AtomicU64::default).take(COUNTERS).collect();
        Self { organizations: counters(), users: counters() }
    }
}

/// The end of an id is chance.
fn counter(counters: &[AtomicU64], id: uuid::Uuid) -> &AtomicU64 {
    let place = u16::from_be_bytes([id.as_bytes()[14], id.as_bytes()[15]]);
    &counters[usize::from(place)]
}

impl Stamps {
    pub(super) fn of(&self, organization: OrganizationId, user: UserId) -> Stamp {
        let now = |counters, id| counter(counters, id).load(Ordering::SeqCst);
        Stamp { organization: now(&self.organizations, organization.uuid()), user: now(&self.users, user.uuid()) }
    }

    /// A unit of work on this database begins or ends.
    pub(super) fn advance(&self, database: DatabaseName, touched: &Touched) {
        let DatabaseName::Organization(organization) = database else { return };
        let move_on = |counters, id| _ = counter(counters, id).fetch_add(1, Ordering::SeqCst);
        match touched {
            Touched::Everybody => move_on(&self.organizations, organization.uuid()),
            Touched::Users(users) => users.iter().for_each(|user| move_on(&self.users, user.uuid())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_ends_with_what_touches_it() {
        let stamps = Stamps::default();
        let id = uuid::Uuid::from_u128;
        let (acme, globex) = (OrganizationId::new(id(1)), OrganizationId::new(id(2)));
        let (ada, alan) = (UserId::new(id(3)), UserId::new(id(4)));
        let read = stamps.of(acme, ada);
        stamps.advance(DatabaseName::of(acme), &Touched::Users(vec![alan]));
        stamps.advance(DatabaseName::of(globex), &Touched::Everybody);
        stamps.advance(DatabaseName::Identity, &Touched::Everybody);
        assert_eq!(stamps.of(acme, ada), read);
        stamps.advance(DatabaseName::of(acme), &Touched::Users(vec![ada]));
        let again = stamps.of(acme, ada);
        assert_ne!(again, read);
        stamps.advance(DatabaseName::of(acme), &Touched::Everybody);
        assert_ne!(stamps.of(acme, ada), again);
    }
}
