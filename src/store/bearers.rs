//! Bearer tokens: looked up by the hash of the secret, in `identity`, because the token says which organization it is.

use chrono::{DateTime, Utc};
use surrealdb::types::{Datetime, Object, RecordId, SurrealValue, Uuid, Value};

use super::error::settle;
use super::sign_in::push_user_here;
use super::users::instant;
use super::write::Write;
use super::{DatabaseName, IdentityStore, StoreError, counted, millis, stored, unreadable, uuid};
use crate::domain::api_token::ApiToken;
use crate::domain::audit::AuditEvent;
use crate::domain::directory::TokenInfo;
use crate::domain::token::BearerSecret;
use crate::domain::user::User;
use crate::domain::{AccountId, DirectoryId, OrganizationId, Permission, TokenId, UserId};

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

const DIRECTORY: &str = "directory";
const PERSONAL: &str = "personal";

/// What `identity` says about a request made with a personal token.
#[derive(Clone, Debug)]
pub struct TokenSession {
    /// The token.
    pub token: ApiToken,
    /// Until when this secret works, if another took its place.
    pub replaced: Option<DateTime<Utc>>,
}

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
struct BearerRow {
    token: Uuid,
    hint: String,
    kind: String,
    account: Option<uuid::Uuid>,
    name: Option<String>,
    scopes: Option<Vec<String>>,
    expires: Option<i64>,
    revoked: Option<i64>,
    replaced: Option<i64>,
    version: Option<i64>,
    updated: Option<i64>,
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
    content.insert("kind", DIRECTORY.to_owned());
    content.insert("organization", Value::Uuid(uuid(organization.uuid())));
    content.insert("principal", Value::Uuid(uuid(directory.uuid())));
    content.insert("created", Datetime::from(now));
    content
}

impl BearerRow {
    /// A personal token of which this is the secret in use; `previous`: until when the one before works.
    fn into_token(self, previous: Option<DateTime<Utc>>) -> Result<ApiToken, StoreError> {
        let created = self.created.into_inner();
        Ok(ApiToken {
            id: TokenId::new(self.token.into_inner()),
            organization: OrganizationId::new(self.organization.into_inner()),
            account: AccountId::new(self.account.ok_or_else(|| unreadable("a token"))?),
            user: UserId::new(self.principal.into_inner()),
            name: self.name.unwrap_or_default(),
            hint: self.hint,
            scopes: self.scopes.unwrap_or_default().iter().filter_map(|key| Permission::named(key)).collect(),
            expires: self.expires.map(instant),
            last_used: self.last_used.map(Datetime::into_inner),
            previous_until: previous,
            revoked: self.revoked.map(instant),
            created,
            updated: self.updated.map_or(created, instant),
            version: counted(self.version.unwrap_or(1)),
        })
    }
}

/// The content of a personal token's record.
fn token_content(token: &ApiToken) -> Object {
    let mut content = Object::new();
    content.insert("token", Value::Uuid(uuid(token.id.uuid())));
    content.insert("hint", token.hint.clone());
    content.insert("kind", PERSONAL.to_owned());
    content.insert("organization", Value::Uuid(uuid(token.organization.uuid())));
    content.insert("principal", Value::Uuid(uuid(token.user.uuid())));
    content.insert("account", Value::Uuid(uuid(token.account.uuid())));
    content.insert("name", token.name.clone());
    let scopes: Vec<String> = token.scopes.iter().map(|scope| scope.key().to_owned()).collect();
    content.insert("scopes", scopes);
    content.insert("expires", token.expires.map(millis).into_value());
    content.insert("revoked", token.revoked.map(millis).into_value());
    content.insert("created", Datetime::from(token.created));
    content.insert("last_used", token.last_used.map(Datetime::from).into_value());
    content.insert("updated", millis(token.updated));
    content.insert("version", stored(token.version));
    content
}

/// What becomes of a personal token.
pub(crate) enum TokenChange<'a> {
    /// It is new, and this user's, who must still be as they were read.
    Created(&'a BearerSecret, &'a ApiToken, &'a User),
    /// It has another secret; the one before works until then.
    Rotated(&'a BearerSecret, &'a ApiToken, &'a User, DateTime<Utc>),
    /// It is ended, all its secrets with it.
    Revoked(&'a ApiToken),
}

impl super::Store {
    /// Makes, rotates or ends a personal token.
    ///
    /// # Errors
    ///
    /// [`StoreError::Outdated`] when the user or the token is no longer what was read.
    pub(crate) async fn change_token(&self, change: &TokenChange<'_>, event: &AuditEvent) -> Result<(), StoreError> {
        let (token, user) = match change {
            TokenChange::Created(_, token, user) | TokenChange::Rotated(_, token, user, _) => (token, Some(user)),
            TokenChange::Revoked(token) => (token, None),
        };
        let bound = self.organization(token.organization).await?;
        let mut write = Write::new(token.organization, event);
        if let Some(user) = user {
            push_user_here(&mut write, user);
        }
        write.use_database(&DatabaseName::identity());
        write.bind("token_id", uuid(token.id.uuid()));
        let now = write.now();
        write.bind("now", now);
        match change {
            TokenChange::Created(secret, ..) => push_secret(&mut write, secret, token),
            TokenChange::Rotated(secret, _, _, until) => {
                write.push(
                    "IF (SELECT VALUE id FROM bearer WHERE token = $token_id AND replaced = NONE \
                         AND revoked = NONE AND (version ?? 1) = $token_before) = [] { THROW 'outdated' };",
                );
                write.bind("token_before", stored(token.version - 1));
                write.push("DELETE bearer WHERE token = $token_id AND replaced != NONE RETURN NONE;");
                write.push("UPDATE bearer SET replaced = $until WHERE token = $token_id RETURN NONE;");
                write.bind("until", millis(*until));
                push_secret(&mut write, secret, token);
            }
            TokenChange::Revoked(_) => write.push(
                "UPDATE bearer SET revoked = $now, updated = $now, version = (version ?? 1) + 1 \
                     WHERE token = $token_id AND revoked = NONE RETURN NONE;",
            ),
        }
        write.use_database(&DatabaseName::of(token.organization));
        write.commit(&bound.0).await
    }
}

fn push_secret(write: &mut Write, secret: &BearerSecret, token: &ApiToken) {
    write.push("CREATE $bearer CONTENT $bearer_content RETURN NONE;");
    write.bind("bearer", bearer_record(secret));
    write.bind("bearer_content", token_content(token));
}

impl IdentityStore {
    /// The personal token with this secret, live or not.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_personal_token(&self, secret: &BearerSecret) -> Result<Option<TokenSession>, StoreError> {
        let query = self.0.query("SELECT * FROM ONLY $id").bind(("id", bearer_record(secret)));
        let row: Option<BearerRow> = settle(query.await?)?.take(0)?;
        let Some(row) = row.filter(|row| row.kind == PERSONAL) else { return Ok(None) };
        let replaced = row.replaced.map(instant);
        Ok(Some(TokenSession { token: row.into_token(replaced)?, replaced }))
    }

    /// The personal tokens of a user, newest first.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn list_personal_tokens(&self, user: UserId) -> Result<Vec<ApiToken>, StoreError> {
        let query = self
            .0
            .query("SELECT * FROM bearer WHERE principal = $principal AND kind = 'personal'")
            .bind(("principal", uuid(user.uuid())));
        join_secrets(settle(query.await?)?.take(0)?)
    }

    /// The personal token with this id.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_token_by_id(&self, id: TokenId) -> Result<Option<ApiToken>, StoreError> {
        let query = self
            .0
            .query("SELECT * FROM bearer WHERE token = $token_id AND kind = 'personal'")
            .bind(("token_id", uuid(id.uuid())));
        Ok(join_secrets(settle(query.await?)?.take(0)?)?.into_iter().next())
    }

    /// Whose token this is; none if it was never issued or is revoked.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_bearer(&self, secret: &BearerSecret) -> Result<Option<Bearer>, StoreError> {
        let query = self.0.query("SELECT * FROM ONLY $id").bind(("id", bearer_record(secret)));
        let row: Option<BearerRow> = settle(query.await?)?.take(0)?;
        let row = row.filter(|row| row.kind == DIRECTORY);
        Ok(row.map(|row| Bearer {
            organization: OrganizationId::new(row.organization.into_inner()),
            directory: DirectoryId::new(row.principal.into_inner()),
            last_used: row.last_used.map(Datetime::into_inner),
        }))
    }

    /// Notes that a personal token was used. Not a change: nothing that is remembered is outdated by it.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn touch_token(&self, id: TokenId, now: DateTime<Utc>) -> Result<(), StoreError> {
        let query = self
            .0
            .query("UPDATE bearer SET last_used = $now WHERE token = $token_id RETURN NONE")
            .bind(("token_id", uuid(id.uuid())))
            .bind(("now", Datetime::from(now)));
        settle(query.await?).map(drop)
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

/// Tokens of the records of their secrets: the one in use says all, the one before says until when it works.
fn join_secrets(rows: Vec<BearerRow>) -> Result<Vec<ApiToken>, StoreError> {
    let (current, replaced): (Vec<BearerRow>, Vec<BearerRow>) =
        rows.into_iter().partition(|row| row.replaced.is_none());
    let until = |token: &Uuid| replaced.iter().filter(|row| row.token == *token).filter_map(|row| row.replaced).max();
    let mut tokens: Vec<ApiToken> = current
        .into_iter()
        .map(|row| {
            let previous = until(&row.token).map(instant);
            row.into_token(previous)
        })
        .collect::<Result<_, _>>()?;
    tokens.sort_by_key(|token| std::cmp::Reverse((token.created, token.id)));
    Ok(tokens)
}
