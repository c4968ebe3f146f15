//! What directories asked for is recorded with what it changed; what was refused is noted beside the work: never in its
//! way, and never without bound.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::{Service, ShownEvent};
use crate::domain::audit::FieldChange;
use crate::domain::provisioning::{Answered, Asks, ProvisioningEvent, ProvisioningRequest};
use crate::domain::{AuditEventId, Caller, Error, OrganizationId, Permission, ProvisioningEventId};
use crate::store::{OrganizationStore, ProvisioningFilter};

/// How long records wait for others, so that many are written at once.
const GATHERED_FOR: Duration = Duration::from_millis(200);

/// Records of one bulk request that are told.
const MOST_TOLD: usize = 1_000;

/// A record with what it is about.
#[derive(Clone, Debug)]
pub struct ToldProvisioning {
    /// The record.
    pub event: ProvisioningEvent,
    /// What people call the directory; none if it is deleted.
    pub directory: Option<String>,
    /// The changed fields; without values where they are masked, or the person's data was destroyed.
    pub changes: Vec<FieldChange>,
    /// Whether values are left out.
    pub is_masked: bool,
    /// How many members came.
    pub members_added: i64,
    /// How many members went.
    pub members_removed: i64,
}

/// The changes of one request of a directory.
#[derive(Clone, Debug, Default)]
pub struct ProvisioningChanges {
    /// The changed fields; without values where they are masked, or the person's data was destroyed.
    pub changes: Vec<FieldChange>,
    /// How many members came.
    pub members_added: i64,
    /// How many members went.
    pub members_removed: i64,
}

/// How long records wait when they could not be written.
const TRIED_AGAIN_AFTER: Duration = Duration::from_secs(1);

type Events = Vec<ProvisioningEvent>;

/// Records that wait to be written, of each organization by itself: none can take the place of another's.
#[derive(Default)]
pub(super) struct Waiting {
    events: Mutex<HashMap<OrganizationId, Events>>,
    dropped: AtomicU64,
    wakes: Notify,
}

impl Waiting {
    fn events(&self) -> MutexGuard<'_, HashMap<OrganizationId, Events>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets records wait; those that are too many are counted and dropped.
    fn put(&self, organization: OrganizationId, events: Events, most: usize) {
        let mut waiting = self.events();
        let waiting = waiting.entry(organization).or_default();
        let room = most.saturating_sub(waiting.len());
        let dropped = events.len().saturating_sub(room) as u64;
        waiting.extend(events.into_iter().take(room));
        self.dropped.fetch_add(dropped, Ordering::Relaxed);
    }
}

/// Records that are being written. They wait again if they are not, whatever the reason.
struct Taken<'w> {
    waiting: &'w Waiting,
    organization: OrganizationId,
    events: Events,
    most: usize,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if !self.events.is_empty() {
            self.waiting.put(self.organization, std::mem::take(&mut self.events), self.most);
        }
    }
}

impl Service {
    /// Begins the record of a directory's request: it is written with what the request changes.
    pub fn begin_provisioning(&self, caller: Caller, asks: Asks) -> Caller {
        let at = self.clock.now();
        caller.asking(ProvisioningRequest::new(ProvisioningEventId::new(self.entropy.id(at)), at, asks))
    }

    /// Notes what a request of a directory came to, if it changed nothing; it is written a moment later.
    pub fn end_provisioning(&self, caller: &Caller, answered: Answered) {
        let (Some(directory), Some(request)) = (caller.as_directory(), caller.provisioning()) else { return };
        let Ok(organization) = caller.require_directory() else { return };
        let id = caller.request().unwrap_or_default();
        let Some(event) = request.answered(directory, id, answered) else { return };
        self.provisioning.put(organization, vec![event], self.limits.provisioning_log.most_waiting);
        self.provisioning.wakes.notify_one();
    }

    /// Writes what waits, as it comes, until the task is dropped.
    pub async fn write_provisioning_events(&self) {
        loop {
            self.provisioning.wakes.notified().await;
            tokio::time::sleep(GATHERED_FOR).await;
            if !self.flush_provisioning().await {
                tokio::time::sleep(TRIED_AGAIN_AFTER).await;
                self.provisioning.wakes.notify_one();
            }
        }
    }

    /// Writes what waits now, each organization's by itself; whether all of it could be.
    pub async fn flush_provisioning(&self) -> bool {
        let organizations: Vec<OrganizationId> = self.provisioning.events().keys().copied().collect();
        let mut all = true;
        for organization in organizations {
            if let Err(error) = self.flush_provisioning_of(organization).await {
                tracing::warn!(error = %error, "records of what directories asked for could not be written yet");
                all = false;
            }
        }
        let dropped = self.provisioning.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            metrics::counter!("rollcall_provisioning_records_dropped_total").increment(dropped);
            tracing::warn!(dropped, "records of what directories asked for were dropped: too many waited");
        }
        all
    }

    async fn flush_provisioning_of(&self, organization: OrganizationId) -> Result<(), Error> {
        let events = self.provisioning.events().remove(&organization).unwrap_or_default();
        if events.is_empty() {
            return Ok(());
        }
        let most = self.limits.provisioning_log.most_waiting;
        let mut taken = Taken { waiting: &self.provisioning, organization, events, most };
        self.store.organization(organization).await?.insert_provisioning_events(&taken.events).await?;
        taken.events.clear();
        Ok(())
    }

    /// One page of what directories asked for.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::DirectoryManage`].
    pub async fn list_provisioning_events(
        &self,
        caller: &Caller,
        filter: &ProvisioningFilter,
        span: (Option<ProvisioningEventId>, Option<ProvisioningEventId>),
        newest_first: bool,
        limit: usize,
    ) -> Result<Vec<ProvisioningEvent>, Error> {
        let organization = caller.require(Permission::DirectoryManage)?;
        self.flush_provisioning_of(organization).await?;
        let store = self.store.organization(organization).await?;
        Ok(store.list_provisioning_events(filter, span.0, span.1, newest_first, limit).await?)
    }

    /// How many of them match.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::DirectoryManage`].
    pub async fn count_provisioning_events(&self, caller: &Caller, filter: &ProvisioningFilter) -> Result<u64, Error> {
        let organization = caller.require(Permission::DirectoryManage)?;
        self.flush_provisioning_of(organization).await?;
        Ok(self.store.organization(organization).await?.count_provisioning_events(filter).await?)
    }

    /// One of them.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::DirectoryManage`].
    pub async fn find_provisioning_event(
        &self,
        caller: &Caller,
        id: ProvisioningEventId,
    ) -> Result<Option<ProvisioningEvent>, Error> {
        let organization = caller.require(Permission::DirectoryManage)?;
        self.flush_provisioning_of(organization).await?;
        Ok(self.store.organization(organization).await?.find_provisioning_event(id).await?)
    }

    /// What is known of one request: by the id of its record, or by the request's, which several records have if it was a
    /// bulk request. Nothing for an id that names nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::DirectoryManage`] and [`Permission::AuditRead`].
    pub async fn explain_provisioning(&self, caller: &Caller, id: &str) -> Result<Vec<ToldProvisioning>, Error> {
        caller.require(Permission::AuditRead)?;
        let one = match id.parse() {
            Ok(id) => self.find_provisioning_event(caller, id).await?,
            Err(_) => None,
        };
        let events = if let Some(event) = one {
            vec![event]
        } else {
            let filter = ProvisioningFilter { request: Some(id.to_owned()), ..ProvisioningFilter::default() };
            self.list_provisioning_events(caller, &filter, (None, None), false, MOST_TOLD).await?
        };
        let organization = caller.require(Permission::DirectoryManage)?;
        let store = self.store.organization(organization).await?;
        let mut told = Vec::with_capacity(events.len());
        for event in events {
            told.push(self.tell(&store, event).await?);
        }
        Ok(told)
    }

    async fn tell(&self, store: &OrganizationStore, event: ProvisioningEvent) -> Result<ToldProvisioning, Error> {
        let directory = store.find_directory(event.directory).await?.map(|directory| directory.name);
        let is_masked = self.limits.provisioning_log.mask_values;
        let found = self.find_changes(store, event.audit_event.as_slice()).await?.into_values().next();
        let ProvisioningChanges { changes, members_added, members_removed } = found.unwrap_or_default();
        Ok(ToldProvisioning { event, directory, changes, is_masked, members_added, members_removed })
    }

    /// The changes of requests of directories, by the audit events of these changes; those that are not there are left out.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::DirectoryManage`] and [`Permission::AuditRead`].
    pub async fn list_provisioning_changes(
        &self,
        caller: &Caller,
        events: &[AuditEventId],
    ) -> Result<HashMap<AuditEventId, ProvisioningChanges>, Error> {
        caller.require(Permission::AuditRead)?;
        let organization = caller.require(Permission::DirectoryManage)?;
        self.find_changes(&self.store.organization(organization).await?, events).await
    }

    async fn find_changes(
        &self,
        store: &OrganizationStore,
        events: &[AuditEventId],
    ) -> Result<HashMap<AuditEventId, ProvisioningChanges>, Error> {
        let shown = self.show_events(store, store.find_audit_events(events).await?).await?;
        Ok(shown.into_iter().map(|shown| (shown.stored.id, self.changes_in(shown))).collect())
    }

    fn changes_in(&self, shown: ShownEvent) -> ProvisioningChanges {
        let mut changes = shown.changes;
        if self.limits.provisioning_log.mask_values {
            for change in &mut changes {
                (change.before, change.after) = (None, None);
            }
        }
        let (members_added, members_removed) = (shown.stored.members_added, shown.stored.members_removed);
        ProvisioningChanges { changes, members_added, members_removed }
    }
}
