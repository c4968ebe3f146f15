//! Users as they were read last, for as long as nothing is written in their organization: only where this process is the only
//! one that writes.

use std::sync::Arc;

use moka::sync::Cache;

use crate::domain::user::UserView;
use crate::domain::{OrganizationId, UserId};

/// How many are remembered: some kilobytes each.
const MOST: u64 = 20_000;

pub(super) struct KnownViews(Cache<(OrganizationId, UserId), (u64, Arc<UserView>)>);

impl Default for KnownViews {
    fn default() -> Self {
        Self(Cache::new(MOST))
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
