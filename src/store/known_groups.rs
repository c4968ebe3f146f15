//! What is shown of the groups that somebody is in, as it was read last: the same for all members, and asked for with each of
//! them. Only where this process is the only one that writes.

use std::sync::Arc;

use quick_cache::sync::Cache;
use uuid::Uuid;

use super::Stamp;
use crate::domain::OrganizationId;

/// How many groups are kept, of all organizations.
const KEPT: usize = 1 << 16;

/// A group, as its members show it.
#[derive(Debug)]
pub(super) struct KnownGroup {
    /// What it is called; nothing, if it is gone.
    pub(super) display: Option<String>,
    /// The groups it is in by itself.
    pub(super) parents: Vec<Uuid>,
}

/// Groups, each good until something is written that may show in anybody of the organization.
pub(super) struct KnownGroups(Cache<(OrganizationId, Uuid), (Stamp, Arc<KnownGroup>)>);

impl Default for KnownGroups {
    fn default() -> Self {
        Self(Cache::new(KEPT))
    }
}

impl KnownGroups {
    /// The group, if what is kept of it is good at this stamp.
    pub(super) fn get(
        &self,
        organization: OrganizationId,
        group: Uuid,
        stamp: Option<Stamp>,
    ) -> Option<Arc<KnownGroup>> {
        let (read, known) = self.0.get(&(organization, group))?;
        (Some(read) == stamp).then_some(known)
    }

    /// Keeps what was read of a group, no earlier than at this stamp, and hands it on.
    pub(super) fn keep(
        &self,
        organization: OrganizationId,
        id: Uuid,
        stamp: Option<Stamp>,
        group: KnownGroup,
    ) -> Arc<KnownGroup> {
        let group = Arc::new(group);
        if let Some(stamp) = stamp {
            self.0.insert((organization, id), (stamp, group.clone()));
        }
        group
    }
}
