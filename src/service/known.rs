//! What was read last, for as long as nothing is written in the organization: users as they were, and where pages of lists
//! ended. Only where this process is the only one that writes.

use std::sync::Arc;

use moka::sync::Cache;

use crate::domain::user::UserView;
use crate::domain::{OrganizationId, UserId};

/// How many users are remembered, some kilobytes each, and how many places.
const MOST_VIEWS: u64 = 20_000;
const MOST_PLACES: u64 = 10_000;

pub(super) struct KnownViews(Cache<(OrganizationId, UserId), (u64, Arc<UserView>)>);

impl Default for KnownViews {
    fn default() -> Self {
        Self(Cache::new(MOST_VIEWS))
    }
}

impl KnownViews {
    /// What was read at this revision of the organization; nothing where there are no revisions.
    pub(super) fn get(&self, organization: OrganizationId, id: UserId, revision: Option<u64>) -> Option<Arc<UserView>> {
        let (known, view) = self.0.get(&(organization, id))?;
        (Some(known) == revision).then_some(view)
    }

    /// Remembers what was read no earlier than this revision.
    pub(super) fn put(&self, organization: OrganizationId, id: UserId, revision: Option<u64>, view: &Arc<UserView>) {
        if let Some(revision) = revision {
            self.0.insert((organization, id), (revision, view.clone()));
        }
    }
}

/// Who comes before a `startIndex` in the list of all users: whoever reads page after page goes on where the last one ended.
pub(super) struct KnownPlaces(Cache<(OrganizationId, u64), (u64, UserId)>);

impl Default for KnownPlaces {
    fn default() -> Self {
        Self(Cache::new(MOST_PLACES))
    }
}

impl KnownPlaces {
    /// Who comes before this index, at this revision of the organization.
    pub(super) fn before(&self, organization: OrganizationId, index: u64, revision: Option<u64>) -> Option<UserId> {
        let (known, user) = self.0.get(&(organization, index))?;
        (Some(known) == revision).then_some(user)
    }

    /// Remembers who came before this index, no earlier than this revision.
    pub(super) fn put(&self, organization: OrganizationId, index: u64, revision: Option<u64>, user: UserId) {
        if let Some(revision) = revision {
            self.0.insert((organization, index), (revision, user));
        }
    }
}
