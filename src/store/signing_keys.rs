//! Keys that sign access tokens: the private half sealed, the public half as it is published.

use chrono::{DateTime, Utc};
use surrealdb::types::{RecordId, RecordIdKey, SurrealValue};

use super::error::settle;
use super::{IdentityStore, StoreError, millis, unreadable};

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
struct KeyRow {
    id: RecordId,
    sealed: String,
    created: i64,
}

impl IdentityStore {
    /// The keys with their names, newest first.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn list_signing_keys(&self) -> Result<Vec<(String, String)>, StoreError> {
        let rows: Vec<KeyRow> =
            settle(self.0.query("SELECT id, sealed, created FROM signing_key ORDER BY created DESC").await?)?
                .take(0)?;
        let name = |row: KeyRow| match row.id.key {
            RecordIdKey::String(name) => Ok((name, row.sealed)),
            _ => Err(unreadable("a signing key")),
        };
        rows.into_iter().map(name).collect()
    }

    /// Adds a key.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn insert_signing_key(
        &self,
        name: &str,
        sealed: &str,
        public: &str,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let query = self
            .0
            .query("CREATE $id SET sealed = $sealed, public = $public, created = $now RETURN NONE")
            .bind(("id", RecordId::new("signing_key", name)))
            .bind(("sealed", sealed.to_owned()))
            .bind(("public", public.to_owned()))
            .bind(("now", millis(now)));
        settle(query.await?).map(drop)
    }
}
