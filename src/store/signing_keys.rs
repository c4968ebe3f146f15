//! Keys that sign access tokens: the private half sealed, the public half as it is published.

use chrono::{DateTime, Utc};
use surrealdb::types::{RecordId, RecordIdKey, SurrealValue};

use super::error::settle;
use super::users::instant;
use super::{IdentityStore, StoreError, millis, unreadable};

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
struct KeyRow {
    id: RecordId,
    sealed: String,
    created: i64,
}

/// A key as it is kept.
#[derive(Clone, Debug)]
pub struct SealedKey {
    /// Names it: the `kid` of the tokens that it signed.
    pub name: String,
    /// The private half, sealed.
    pub sealed: String,
    /// When it was made.
    pub created: DateTime<Utc>,
}

impl IdentityStore {
    /// The keys, newest first.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn list_signing_keys(&self) -> Result<Vec<SealedKey>, StoreError> {
        let rows: Vec<KeyRow> =
            settle(self.0.query("SELECT id, sealed, created FROM signing_key ORDER BY created DESC").await?)?
                .take(0)?;
        let name = |row: KeyRow| match row.id.key {
            RecordIdKey::String(name) => Ok(SealedKey { name, sealed: row.sealed, created: instant(row.created) }),
            _ => Err(unreadable("a signing key")),
        };
        rows.into_iter().map(name).collect()
    }

    /// Removes keys: whatever they signed has ended.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn remove_signing_keys(&self, names: &[String]) -> Result<(), StoreError> {
        let records: Vec<RecordId> = names.iter().map(|name| RecordId::new("signing_key", name.as_str())).collect();
        settle(self.0.query("DELETE $keys RETURN NONE").bind(("keys", records)).await?).map(drop)
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
