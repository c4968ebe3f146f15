//! The audit trail, for reading. Events are written with the change they are about, in `write.rs`.

use chrono::{DateTime, Utc};
use serde_json::Value as Json;
use surrealdb::types::{Datetime, SurrealValue};

use super::error::settle;
use super::{OrganizationStore, StoreError};

/// An audit event as it is kept.
#[derive(Clone, Debug)]
pub struct StoredEvent {
    /// When.
    pub at: DateTime<Utc>,
    /// Who: kind, id and name.
    pub actor: Json,
    /// In which request.
    pub request: Option<String>,
    /// What: `user.created`, …
    pub kind: String,
    /// To what: kind and id.
    pub target: Json,
    /// Which attributes, by name.
    pub changed: Vec<String>,
    /// With which consequences.
    pub consequences: Vec<String>,
    /// How many members came.
    pub members_added: i64,
    /// How many members went.
    pub members_removed: i64,
}

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
struct EventRow {
    at: Datetime,
    actor: Json,
    request: Option<String>,
    kind: String,
    target: Json,
    changed: Vec<String>,
    consequences: Vec<String>,
    members_added: i64,
    members_removed: i64,
}

impl OrganizationStore {
    /// The first events, oldest first.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn list_audit_events(&self, limit: u32) -> Result<Vec<StoredEvent>, StoreError> {
        let query =
            self.0.query("SELECT * FROM audit_event ORDER BY id LIMIT $limit").bind(("limit", i64::from(limit)));
        let rows: Vec<EventRow> = settle(query.await?)?.take(0)?;
        Ok(rows
            .into_iter()
            .map(|row| StoredEvent {
                at: row.at.into_inner(),
                actor: row.actor,
                request: row.request,
                kind: row.kind,
                target: row.target,
                changed: row.changed,
                consequences: row.consequences,
                members_added: row.members_added,
                members_removed: row.members_removed,
            })
            .collect())
    }
}
