//! What directories asked for is recorded with what it changed; what was refused is noted beside the work: never in its
//! way, and never without bound.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::Service;
use crate::domain::audit::FieldChange;
use crate::domain::provisioning::{Answered, Asks, ProvisioningEvent, ProvisioningRequest};
use crate::domain::{Caller, Error, OrganizationId, Permission, ProvisioningEventId};
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
    /// What changed; without values where they are masked, or the person's data was destroyed.
    pub changes: Vec<FieldChange>,
    /// Whether values are left out.
    pub is_masked: bool,
    /// How many members came.
    pub members_added: i64,
    /// How many members went.
    pub members_removed: i64,
}

/// Records that wait to be written.
#[derive(Default)]
pub(super) struct Waiting {
    events: Mutex<Vec<(OrganizationId, ProvisioningEvent)>>,
    dropped: AtomicU64,
    wakes: Notify,
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
        let mut waiting = self.provisioning.events.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < self.limits.provisioning_log.most_waiting {
            waiting.push((organization, event));
        } else {
            self.provisioning.dropped.fetch_add(1, Ordering::Relaxed);
        }
        drop(waiting);
        self.provisioning.wakes.notify_one();
    }

    /// Writes what waits, as it comes, until the task is dropped.
    pub async fn write_provisioning_events(&self) {
        loop {
            self.provisioning.wakes.notified().await;
            tokio::time::sleep(GATHERED_FOR).await;
            if let Err(error) = self.flush_provisioning().await {
                tracing::warn!(error = %error, "records of what directories asked for could not be written");
            }
        }
    }

    /// Writes what waits now. What could not be written is lost, and said to be.
    pub(super) async fn flush_provisioning(&self) -> Result<(), Error> {
        let waiting = std::mem::take(&mut *self.provisioning.events.lock().unwrap_or_else(PoisonError::into_inner));
        let dropped = self.provisioning.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            tracing::warn!(dropped, "records of what directories asked for were dropped: too many waited");
        }
        let mut by_organization: HashMap<OrganizationId, Vec<ProvisioningEvent>> = HashMap::new();
        for (organization, event) in waiting {
            by_organization.entry(organization).or_default().push(event);
        }
        for (organization, events) in by_organization {
            self.store.organization(organization).await?.insert_provisioning_events(&events).await?;
        }
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
        self.flush_provisioning().await?;
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
        self.flush_provisioning().await?;
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
        self.flush_provisioning().await?;
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
        let kept = match event.audit_event {
            Some(id) => store.find_audit_event(id).await?,
            None => None,
        };
        let shown = self.show_events(store, kept.into_iter().collect()).await?.pop();
        let is_masked = self.limits.provisioning_log.mask_values;
        let mut changes = shown.as_ref().map(|shown| shown.changes.clone()).unwrap_or_default();
        if is_masked {
            for change in &mut changes {
                (change.before, change.after) = (None, None);
            }
        }
        let members = shown.map(|shown| (shown.stored.members_added, shown.stored.members_removed));
        let (members_added, members_removed) = members.unwrap_or_default();
        Ok(ToldProvisioning { event, directory, changes, is_masked, members_added, members_removed })
    }
}
