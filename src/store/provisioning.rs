//! What directories asked for and what came of it.

use chrono::{DateTime, Utc};
use scim::Tolerance;
use surrealdb::types::{RecordId, SurrealValue, Variables};

use super::error::settle;
use super::users::{instant, key};
use super::{OrganizationStore, StoreError, counted, millis, stored, unreadable, uuid};
use crate::domain::provisioning::{ProvisioningEvent, ProvisioningOutcome};
use crate::domain::{AuditEventId, DirectoryId, ProvisioningEventId};

/// Records that are forgotten at a time.
const SWEPT_AT_ONCE: usize = 500;

/// Which of them are asked for; all given conditions must hold.
#[derive(Clone, Debug, Default)]
pub struct ProvisioningFilter {
    /// From this directory.
    pub directory: Option<DirectoryId>,
    /// With this outcome.
    pub outcome: Option<ProvisioningOutcome>,
    /// About this user or group.
    pub resource: Option<uuid::Uuid>,
    /// Of this request.
    pub request: Option<String>,
    /// By this HTTP method.
    pub method: Option<String>,
    /// Answered with this HTTP status.
    pub status: Option<u16>,
    /// At this instant or later.
    pub from: Option<DateTime<Utc>>,
    /// Before this instant.
    pub to: Option<DateTime<Utc>>,
}

impl ProvisioningFilter {
    fn clause(&self, variables: &mut Variables) -> String {
        let mut clauses = vec!["true".to_owned()];
        let mut add = |clause: &str, name: &str, value: surrealdb::types::Value| {
            clauses.push(clause.to_owned());
            variables.insert(name, value);
        };
        if let Some(directory) = self.directory {
            add("directory = $directory", "directory", uuid(directory.uuid()).into_value());
        }
        if let Some(outcome) = self.outcome {
            add("outcome = $outcome", "outcome", outcome.as_str().to_owned().into_value());
        }
        if let Some(resource) = self.resource {
            add("resource = $resource", "resource", uuid(resource).into_value());
        }
        if let Some(request) = &self.request {
            add("request = $request", "request", request.clone().into_value());
        }
        if let Some(method) = &self.method {
            add("method = $method", "method", method.clone().into_value());
        }
        if let Some(status) = self.status {
            add("status = $status", "status", i64::from(status).into_value());
        }
        if let Some(from) = self.from {
            add("at >= $from", "from", millis(from).into_value());
        }
        if let Some(to) = self.to {
            add("at < $to", "to", millis(to).into_value());
        }
        clauses.join(" AND ")
    }
}

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
pub(super) struct ProvisioningRow {
    id: RecordId,
    at: i64,
    directory: uuid::Uuid,
    client: Option<String>,
    method: String,
    path: String,
    resource_type: Option<String>,
    resource: Option<uuid::Uuid>,
    outcome: String,
    status: i64,
    scim_type: Option<String>,
    detail: Option<String>,
    dialect: String,
    operations: Vec<String>,
    tolerances: Vec<String>,
    denied: Option<String>,
    audit_event: Option<uuid::Uuid>,
    version_before: Option<i64>,
    version_after: Option<i64>,
    request: String,
    duration: i64,
}

impl From<&ProvisioningEvent> for ProvisioningRow {
    fn from(event: &ProvisioningEvent) -> Self {
        let name = |tolerance: &Tolerance| tolerance.as_str().to_owned();
        Self {
            id: RecordId::new("provisioning_event", uuid(event.id.uuid())),
            at: millis(event.at),
            directory: event.directory.uuid(),
            client: event.client.clone(),
            method: event.method.clone(),
            path: event.path.clone(),
            resource_type: event.resource_type.clone(),
            resource: event.resource,
            outcome: event.outcome.as_str().to_owned(),
            status: i64::from(event.status),
            scim_type: event.scim_type.clone(),
            detail: event.detail.clone(),
            dialect: event.dialect.as_str().to_owned(),
            operations: event.operations.clone(),
            tolerances: event.tolerances.iter().map(name).collect(),
            denied: event.denied.as_ref().map(name),
            audit_event: event.audit_event.map(AuditEventId::uuid),
            version_before: event.version_before.map(stored),
            version_after: event.version_after.map(stored),
            request: event.request.clone(),
            duration: i64::from(event.duration),
        }
    }
}

impl ProvisioningRow {
    fn into_event(self) -> Result<ProvisioningEvent, StoreError> {
        // Rules that a later version gave up are not told any more.
        let named = |name: &String| Tolerance::named(name);
        Ok(ProvisioningEvent {
            id: ProvisioningEventId::new(key(&self.id)?),
            at: instant(self.at),
            directory: DirectoryId::new(self.directory),
            client: self.client,
            method: self.method,
            path: self.path,
            resource_type: self.resource_type,
            resource: self.resource,
            outcome: ProvisioningOutcome::named(&self.outcome).ok_or_else(|| unreadable("an outcome"))?,
            status: u16::try_from(self.status).unwrap_or_default(),
            scim_type: self.scim_type,
            detail: self.detail,
            dialect: self.dialect.parse().map_err(|_| unreadable("a dialect"))?,
            operations: self.operations,
            tolerances: self.tolerances.iter().filter_map(named).collect(),
            denied: self.denied.as_ref().and_then(named),
            audit_event: self.audit_event.map(AuditEventId::new),
            version_before: self.version_before.map(counted),
            version_after: self.version_after.map(counted),
            request: self.request,
            duration: u32::try_from(self.duration).unwrap_or(u32::MAX),
        })
    }
}

impl OrganizationStore {
    /// Adds records; those that are there stay as they are.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn insert_provisioning_events(&self, events: &[ProvisioningEvent]) -> Result<(), StoreError> {
        let rows: Vec<ProvisioningRow> = events.iter().map(ProvisioningRow::from).collect();
        let query = self.0.query("INSERT IGNORE INTO provisioning_event $rows RETURN NONE").bind(("rows", rows));
        settle(query.await?).map(drop)
    }

    /// Records before or after this one, newest or oldest first.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn list_provisioning_events(
        &self,
        filter: &ProvisioningFilter,
        before: Option<ProvisioningEventId>,
        after: Option<ProvisioningEventId>,
        newest_first: bool,
        limit: usize,
    ) -> Result<Vec<ProvisioningEvent>, StoreError> {
        let mut variables = Variables::new();
        let mut clause = filter.clause(&mut variables);
        for (bound, text, name) in [(before, " AND id < $before", "before"), (after, " AND id > $after", "after")] {
            if let Some(bound) = bound {
                clause.push_str(text);
                variables.insert(name, RecordId::new("provisioning_event", uuid(bound.uuid())));
            }
        }
        let order = if newest_first { "DESC" } else { "ASC" };
        variables.insert("limit", i64::try_from(limit).unwrap_or(i64::MAX));
        let text = format!("SELECT * FROM provisioning_event WHERE {clause} ORDER BY id {order} LIMIT $limit");
        let rows: Vec<ProvisioningRow> = settle(self.0.query(text).bind(variables).await?)?.take(0)?;
        rows.into_iter().map(ProvisioningRow::into_event).collect()
    }

    /// How many records match.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn count_provisioning_events(&self, filter: &ProvisioningFilter) -> Result<u64, StoreError> {
        let mut variables = Variables::new();
        let text = format!("SELECT count() FROM provisioning_event WHERE {} GROUP ALL", filter.clause(&mut variables));
        let count: Option<i64> = settle(self.0.query(text).bind(variables).await?)?.take((0, "count"))?;
        Ok(count.map(counted).unwrap_or_default())
    }

    /// The record with this id.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_provisioning_event(
        &self,
        id: ProvisioningEventId,
    ) -> Result<Option<ProvisioningEvent>, StoreError> {
        let record = RecordId::new("provisioning_event", uuid(id.uuid()));
        let row: Option<ProvisioningRow> =
            settle(self.0.query("SELECT * FROM ONLY $id").bind(("id", record)).await?)?.take(0)?;
        row.map(ProvisioningRow::into_event).transpose()
    }

    /// Forgets the records of before this instant, and the oldest beyond this many.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn sweep_provisioning_events(&self, before: DateTime<Utc>, keep: u64) -> Result<(), StoreError> {
        let count: Option<i64> =
            settle(self.0.query("SELECT count() FROM provisioning_event GROUP ALL").await?)?.take((0, "count"))?;
        let mut over =
            usize::try_from(count.map(counted).unwrap_or_default().saturating_sub(keep)).unwrap_or(usize::MAX);
        loop {
            let query = self
                .0
                .query(
                    "LET $oldest = (SELECT id, at FROM provisioning_event LIMIT $chunk); \
                     LET $old = (SELECT VALUE id FROM $oldest WHERE at < $before); \
                     LET $gone = array::union($old, array::slice($oldest.id, 0, $over)); \
                     DELETE $gone RETURN NONE; \
                     RETURN array::len($gone);",
                )
                .bind(("chunk", SWEPT_AT_ONCE))
                .bind(("before", millis(before)))
                .bind(("over", over.min(SWEPT_AT_ONCE)));
            let gone: Option<usize> = settle(query.await?)?.take(4)?;
            let gone = gone.unwrap_or_default();
            over = over.saturating_sub(gone);
            if gone < SWEPT_AT_ONCE {
                return Ok(());
            }
        }
    }
}
