//! What directories asked for and what came of it.

use chrono::{DateTime, Utc};
use surrealdb::types::{RecordId, SurrealValue, Variables};

use super::error::settle;
use super::users::{instant, key};
use super::{OrganizationStore, StoreError, counted, millis, uuid};
use crate::domain::{DirectoryId, ProvisioningEventId};

/// One request of a directory that was to change something.
#[derive(Clone, Debug)]
pub struct ProvisioningEvent {
    /// Its id.
    pub id: ProvisioningEventId,
    /// When.
    pub at: DateTime<Utc>,
    /// Who asked.
    pub directory: DirectoryId,
    /// `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: String,
    /// Below the base URL.
    pub path: String,
    /// `User` or `Group`.
    pub resource_type: Option<String>,
    /// The user or group.
    pub resource: Option<uuid::Uuid>,
    /// `APPLIED`, `UNCHANGED` or `REFUSED`.
    pub outcome: String,
    /// The HTTP status.
    pub status: u16,
    /// The SCIM error type.
    pub scim_type: Option<String>,
    /// The SCIM error detail.
    pub detail: Option<String>,
    /// Lenient rules that applied.
    pub tolerances: Vec<String>,
    /// The request's id.
    pub request: String,
    /// In milliseconds.
    pub duration: u32,
}

/// Which of them are asked for; all given conditions must hold.
#[derive(Clone, Debug, Default)]
pub struct ProvisioningFilter {
    /// From this directory.
    pub directory: Option<DirectoryId>,
    /// With this outcome.
    pub outcome: Option<&'static str>,
    /// About this user or group.
    pub resource: Option<uuid::Uuid>,
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
            add("outcome = $outcome", "outcome", outcome.to_owned().into_value());
        }
        if let Some(resource) = self.resource {
            add("resource = $resource", "resource", uuid(resource).into_value());
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
struct ProvisioningRow {
    id: RecordId,
    at: i64,
    directory: uuid::Uuid,
    method: String,
    path: String,
    resource_type: Option<String>,
    resource: Option<uuid::Uuid>,
    outcome: String,
    status: i64,
    scim_type: Option<String>,
    detail: Option<String>,
    tolerances: Vec<String>,
    request: String,
    duration: i64,
}

impl From<&ProvisioningEvent> for ProvisioningRow {
    fn from(event: &ProvisioningEvent) -> Self {
        Self {
            id: RecordId::new("provisioning_event", uuid(event.id.uuid())),
            at: millis(event.at),
            directory: event.directory.uuid(),
            method: event.method.clone(),
            path: event.path.clone(),
            resource_type: event.resource_type.clone(),
            resource: event.resource,
            outcome: event.outcome.clone(),
            status: i64::from(event.status),
            scim_type: event.scim_type.clone(),
            detail: event.detail.clone(),
            tolerances: event.tolerances.clone(),
            request: event.request.clone(),
            duration: i64::from(event.duration),
        }
    }
}

impl ProvisioningRow {
    fn into_event(self) -> Result<ProvisioningEvent, StoreError> {
        Ok(ProvisioningEvent {
            id: ProvisioningEventId::new(key(&self.id)?),
            at: instant(self.at),
            directory: DirectoryId::new(self.directory),
            method: self.method,
            path: self.path,
            resource_type: self.resource_type,
            resource: self.resource,
            outcome: self.outcome,
            status: u16::try_from(self.status).unwrap_or_default(),
            scim_type: self.scim_type,
            detail: self.detail,
            tolerances: self.tolerances,
            request: self.request,
            duration: u32::try_from(self.duration).unwrap_or(u32::MAX),
        })
    }
}

impl OrganizationStore {
    /// Adds records.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn insert_provisioning_events(&self, events: &[ProvisioningEvent]) -> Result<(), StoreError> {
        let rows: Vec<ProvisioningRow> = events.iter().map(ProvisioningRow::from).collect();
        let query = self.0.query("INSERT INTO provisioning_event $rows RETURN NONE").bind(("rows", rows));
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

    /// Forgets records of before this instant, some at a time.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn sweep_provisioning_events(&self, before: DateTime<Utc>) -> Result<(), StoreError> {
        let query = self
            .0
            .query(
                "DELETE (SELECT VALUE id FROM provisioning_event WHERE at < $before ORDER BY id LIMIT 500) RETURN NONE",
            )
            .bind(("before", millis(before)));
        settle(query.await?).map(drop)
    }
}
