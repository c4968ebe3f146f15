//! What was read last, for as long as nothing is written in the organization: only where this process is the only one that writes.

use std::hash::Hash;
use std::sync::Arc;

use moka::sync::Cache;

use crate::domain::user::UserView;
use crate::domain::{OrganizationId, UserId};

/// How many users are remembered, some kilobytes each, and how many places.
const MOST_VIEWS: u64 = 20_000;
const MOST_PLACES: u64 = 10_000;

/// Users as they were read.
pub(super) type KnownViews = Known<(OrganizationId, UserId), Arc<UserView>>;

/// Who comes before a `startIndex` in the list of all users: whoever reads page after page goes on where the last one ended.
pub(super) type KnownPlaces = Known<(OrganizationId, u64), UserId>;

/// Values with the revision of the organization that they were read at.
pub(super) struct Known<K, V>(Cache<K, (u64, V)>);

pub(super) fn views() -> KnownViews {
    Known(Cache::new(MOST_VIEWS))
}

pub(super) fn places() -> KnownPlaces {
    Known(Cache::new(MOST_PLACES))
}

impl<K, V> Known<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// What was read at this revision of the organization; nothing where there are no revisions.
    pub(super) fn get(&self, key: K, revision: Option<u64>) -> Option<V> {
        let (known, value) = self.0.get(&key)?;
        (Some(known) == revision).then_some(value)
    }

    /// Remembers what was read no earlier than this revision.
    pub(super) fn put(&self, key: K, revision: Option<u64>, value: V) {
        if let Some(revision) = revision {
            self.0.insert(key, (revision, value));
        }
    }
}
