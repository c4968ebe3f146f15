//! Bearer tokens: looked up by the hash of the secret, in `identity`, because the token says which organization it is.

use chrono::{DateTime, Utc};
use surrealdb::types::{Datetime, Object, RecordId, SurrealValue, Uuid, Value};

use super::error::settle;
use super::{IdentityStore, StoreError, uuid};
use crate::domain::directory::TokenInfo;
use crate::domain::token::BearerSecret;
use crate::domain::{DirectoryId, OrganizationId, TokenId};

/// Whose token it is.
#[derive(Clone, Debug)]
pub struct Bearer {
    /// The organization.
    pub organization: OrganizationId,
    /// The directory.
    pub directory: DirectoryId,
    /// When it was last used, to the minute.
    pub last_used: Option<DateTime<Utc>>,
}

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
struct BearerRow {
    token: Uuid,
    hint: String,
    organization: Uuid,
    principal: Uuid,
    created: Datetime,
    last_used: Option<Datetime>,
}

/// The record of a secret.
pub(super) fn bearer_record(secret: &BearerSecret) -> RecordId {
    RecordId::new("bearer", secret.hash())
}

/// The content of a bearer's record.
pub(super) fn bearer_content(
    secret: &BearerSecret,
    token: TokenId,
    organization: OrganizationId,
    directory: DirectoryId,
    now: DateTime<Utc>,
) -> Object {
    let mut content = Object::new();
    content.insert("token", Value::Uuid(uuid(token.uuid())));
    content.insert("hint", secret.hint());
    content.insert("kind", "directory".to_owned());
    content.insert("organization", Value::Uuid(uuid(organization.uuid())));
    content.insert("principal", Value::Uuid(uuid(directory.uuid())));
    content.insert("created", Datetime::from(now));
    content
}

impl IdentityStore {
    /// Whose token this is; none if it was never issued or is revoked.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_bearer(&self, secret: &BearerSecret) -> Result<Option<Bearer>, StoreError> {
        let query = self.0.query("SELECT * FROM ONLY $id").bind(("id", bearer_record(secret)));
        let row: Option<BearerRow> = settle(query.await?)?.take(0)?;
        Ok(row.map(|row| Bearer {
            organization: OrganizationId::new(row.organization.into_inner()),
            directory: DirectoryId::new(row.principal.into_inner()),
            last_used: row.last_used.map(Datetime::into_inner),
        }))
    }

    /// Notes that a token was used.
    ///
    /// # Errors
    ///
    /// When the store fails; a token that is gone is no failure.
    pub async fn touch_bearer(&self, secret: &BearerSecret, now: DateTime<Utc>) -> Result<(), StoreError> {
        let query = self
            .0
            .query("UPDATE $id SET last_used = $now RETURN NONE")
            .bind(("id", bearer_record(secret)))
            .bind(("now", Datetime::from(now)));
        settle(query.await?).map(drop)
    }

    /// The live tokens of a directory, oldest first.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn list_tokens(&self, directory: DirectoryId) -> Result<Vec<TokenInfo>, StoreError> {
        let query = self
            .0
            .query("SELECT * FROM bearer WHERE principal = $principal ORDER BY token")
            .bind(("principal", uuid(directory.uuid())));
        let rows: Vec<BearerRow> = settle(query.await?)?.take(0)?;
        Ok(rows
            .into_iter()
            .map(|row| TokenInfo {
                id: TokenId::new(row.token.into_inner()),
                hint: row.hint,
                created: row.created.into_inner(),
                last_used: row.last_used.map(Datetime::into_inner),
            })
            .collect())
    }
}
