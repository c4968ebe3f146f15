//! What directories asked for is noted beside the work: never in its way, and never without bound.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use uuid::Uuid;

use super::Service;
use crate::domain::{Caller, Error, OrganizationId, ProvisioningEventId};
use crate::store::ProvisioningEvent;

/// Records that wait to be written at most; what comes on top is counted and dropped.
const MOST_WAITING: usize = 10_000;
/// How long records wait for others, so that many are written at once.
const GATHERED_FOR: Duration = Duration::from_millis(200);
/// The longest detail that is kept, in characters.
const MOST_DETAIL: usize = 500;

/// Records that wait to be written.
#[derive(Default)]
pub(super) struct Waiting {
    events: Mutex<Vec<(OrganizationId, ProvisioningEvent)>>,
    dropped: AtomicU64,
    wakes: Notify,
}

/// What a request of a directory came to.
#[derive(Clone, Debug)]
pub struct ProvisioningNote {
    /// `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: String,
    /// Below the base URL.
    pub path: String,
    /// `User` or `Group`.
    pub resource_type: Option<&'static str>,
    /// The user or group.
    pub resource: Option<Uuid>,
    /// Whether nothing had to change.
    pub unchanged: bool,
    /// The HTTP status.
    pub status: u16,
    /// The SCIM error type.
    pub scim_type: Option<&'static str>,
    /// The SCIM error detail.
    pub detail: Option<String>,
    /// Lenient rules that applied.
    pub tolerances: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

impl Service {
    /// Notes what a request of a directory came to; it is written a moment later. Requests of nobody are not noted.
    pub fn note_provisioning(&self, caller: &Caller, note: ProvisioningNote) {
        let (Some(directory), Ok(organization)) = (caller.as_directory(), caller.require_directory()) else { return };
        let at = self.clock.now();
        let outcome = match (note.status, note.unchanged) {
            (400.., _) => "REFUSED",
            (_, true) => "UNCHANGED",
            _ => "APPLIED",
        };
        let event = ProvisioningEvent {
            id: ProvisioningEventId::new(self.entropy.id(at)),
            at,
            directory: directory.id,
            method: note.method,
            path: note.path,
            resource_type: note.resource_type.map(str::to_owned),
            resource: note.resource,
            outcome: outcome.to_owned(),
            status: note.status,
            scim_type: note.scim_type.map(str::to_owned),
            detail: note.detail.map(|detail| detail.chars().take(MOST_DETAIL).collect()),
            tolerances: note.tolerances,
            request: caller.request().unwrap_or_default().to_owned(),
            duration: u32::try_from(note.took.as_millis()).unwrap_or(u32::MAX),
        };
        let mut waiting = self.provisioning.events.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < MOST_WAITING {
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
}
