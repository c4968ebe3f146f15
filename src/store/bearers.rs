//! API tokens: looked up by the hash of the secret, in `identity`, because the token says which organization it is.

use chrono::{DateTime, Utc};
use surrealdb::types::{Datetime, Object, RecordId, SurrealValue, Uuid, Value};

use super::error::settle;
use super::outbox::push_mails;
use super::sign_in::push_user_here;
use super::users::{author, instant};
use super::write::Write;
use super::{DatabaseName, IdentityStore, SealedMail, StoreError, counted, millis, stored, unreadable, uuid};
use crate::domain::api_token::{ApiToken, Holder};
use crate::domain::audit::AuditEvent;
use crate::domain::token::BearerSecret;
use crate::domain::user::User;
use crate::domain::{AccountId, Author, DirectoryId, OrganizationId, Permission, ServiceAccountId, TokenId, UserId};

const DIRECTORY: &str = "directory";
const PERSONAL: &str = "personal";
const SERVICE_ACCOUNT: &str = "service_account";

/// What `identity` says about a request made with a token.
#[derive(Clone, Debug)]
pub struct TokenSession {
    /// The token.
    pub token: ApiToken,
    /// Until when this secret works, if another took its place or it is short-lived.
    pub replaced: Option<DateTime<Utc>>,
    /// Whether it was given for another secret, for a short while.
    pub issued: bool,
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
    issued: Option<bool>,
    version: Option<i64>,
    updated: Option<i64>,
    organization: Uuid,
    principal: Uuid,
    created: Datetime,
    created_by: Option<String>,
    updated_by: Option<String>,
    last_used: Option<Datetime>,
}

/// The record of a secret.
fn bearer_record(secret: &BearerSecret) -> RecordId {
    RecordId::new("bearer", secret.hash())
}

impl BearerRow {
    fn holder(&self) -> Result<Holder, StoreError> {
        let principal = self.principal.into_inner();
        match (self.kind.as_str(), self.account) {
            (PERSONAL, Some(account)) => Ok(Holder::Person(AccountId::new(account), UserId::new(principal))),
            (SERVICE_ACCOUNT, _) => Ok(Holder::ServiceAccount(ServiceAccountId::new(principal))),
            (DIRECTORY, _) => Ok(Holder::Directory(DirectoryId::new(principal))),
            _ => Err(unreadable("a token")),
        }
    }

    /// A token of which this is the secret in use; `previous`: until when the one before works.
    fn into_token(self, previous: Option<DateTime<Utc>>) -> Result<ApiToken, StoreError> {
        let holder = self.holder()?;
        let created = self.created.into_inner();
        Ok(ApiToken {
            id: TokenId::new(self.token.into_inner()),
            organization: OrganizationId::new(self.organization.into_inner()),
            holder,
            name: self.name.unwrap_or_default(),
            hint: self.hint,
            scopes: Permission::held(&self.scopes.unwrap_or_default()),
            expires: self.expires.map(instant),
            last_used: self.last_used.map(Datetime::into_inner),
            previous_until: previous,
            revoked: self.revoked.map(instant),
            created,
            created_by: author(self.created_by.as_deref()),
            updated: self.updated.map_or(created, instant),
            updated_by: author(self.updated_by.as_deref()),
            version: counted(self.version.unwrap_or(1)),
        })
    }
}

/// The content of a token's record.
fn token_content(token: &ApiToken) -> Object {
    let (kind, principal, account) = match token.holder {
        Holder::Person(account, user) => (PERSONAL, user.uuid(), Some(account)),
        Holder::ServiceAccount(id) => (SERVICE_ACCOUNT, id.uuid(), None),
        Holder::Directory(id) => (DIRECTORY, id.uuid(), None),
    };
    let scopes: Vec<String> = token.scopes.iter().map(|scope| scope.key().to_owned()).collect();
    let mut content = Object::new();
    content.insert("token", Value::Uuid(uuid(token.id.uuid())));
    content.insert("hint", token.hint.clone());
    content.insert("kind", kind.to_owned());
    content.insert("organization", Value::Uuid(uuid(token.organization.uuid())));
    content.insert("principal", Value::Uuid(uuid(principal)));
    content.insert("account", account.map(|id| uuid(id.uuid())).into_value());
    content.insert("name", token.name.clone());
    content.insert("scopes", scopes);
    content.insert("expires", token.expires.map(millis).into_value());
    content.insert("revoked", token.revoked.map(millis).into_value());
    content.insert("created", Datetime::from(token.created));
    content.insert("created_by", token.created_by.map(Author::stored).into_value());
    content.insert("last_used", token.last_used.map(Datetime::from).into_value());
    content.insert("updated", millis(token.updated));
    content.insert("updated_by", token.updated_by.map(Author::stored).into_value());
    content.insert("version", stored(token.version));
    content
}

/// What becomes of a token.
pub(crate) enum TokenChange<'a> {
    /// It is new; a person's must still be whom it acts as, as they were read.
    Created(&'a BearerSecret, &'a ApiToken, Option<&'a User>),
    /// It has another secret; the one before works until then.
    Rotated(&'a BearerSecret, &'a ApiToken, Option<&'a User>, DateTime<Utc>),
    /// It is ended, all its secrets with it.
    Revoked(&'a ApiToken),
    /// A short-lived secret is given for it; it is otherwise what it was.
    Exchanged(&'a BearerSecret, &'a ApiToken, DateTime<Utc>),
}

impl super::Store {
    /// Makes, rotates, exchanges or ends a token, and tells of it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Outdated`] when the holder or the token is no longer what was read.
    pub(crate) async fn change_token(
        &self,
        change: &TokenChange<'_>,
        mails: &[SealedMail],
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        let (token, user) = match change {
            TokenChange::Created(_, token, user) | TokenChange::Rotated(_, token, user, _) => (token, *user),
            TokenChange::Revoked(token) | TokenChange::Exchanged(_, token, _) => (token, None),
        };
        let bound = self.organization(token.organization).await?;
        let mut write = Write::new(token.organization, event);
        write.touches_only([]);
        if let Some(user) = user {
            push_user_here(&mut write, user);
        }
        if let (TokenChange::Created(..) | TokenChange::Rotated(..), Holder::ServiceAccount(id)) =
            (change, token.holder)
        {
            super::service_accounts::push_here(&mut write, id);
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
            TokenChange::Revoked(_) => {
                write.push(
                    "UPDATE bearer SET revoked = $now, updated = $now, updated_by = $token_by, \
                     version = (version ?? 1) + 1 WHERE token = $token_id AND revoked = NONE RETURN NONE;",
                );
                write.bind("token_by", token.updated_by.map(Author::stored));
            }
            TokenChange::Exchanged(secret, _, until) => {
                write.push(
                    "IF (SELECT VALUE id FROM bearer WHERE token = $token_id AND replaced = NONE AND revoked = NONE) = [] \
                     { THROW 'outdated' }; \
                     DELETE bearer WHERE token = $token_id AND issued = true AND replaced <= $now RETURN NONE;",
                );
                push_secret(&mut write, secret, token);
                write.push("UPDATE $bearer SET replaced = $until, issued = true RETURN NONE;");
                write.bind("until", millis(*until));
            }
        }
        push_mails(&mut write, mails);
        write.use_database(&DatabaseName::of(token.organization));
        write.commit(&bound.0).await
    }
}

/// Keeps a token under its secret; the batch must be in `identity`. Binds `$bearer`, `$bearer_content`.
pub(super) fn push_secret(write: &mut Write, secret: &BearerSecret, token: &ApiToken) {
    write.push("CREATE $bearer CONTENT $bearer_content RETURN NONE;");
    write.bind("bearer", bearer_record(secret));
    write.bind("bearer_content", token_content(token));
}

impl IdentityStore {
    /// The token with this secret, live or not.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_token(&self, secret: &BearerSecret) -> Result<Option<TokenSession>, StoreError> {
        let query = self.0.query("SELECT * FROM ONLY $id").bind(("id", bearer_record(secret)));
        let row: Option<BearerRow> = settle(query.await?)?.take(0)?;
        let Some(row) = row else { return Ok(None) };
        let (replaced, issued) = (row.replaced.map(instant), row.issued == Some(true));
        Ok(Some(TokenSession { token: row.into_token(replaced)?, replaced, issued }))
    }

    /// The tokens of a user, service account or directory, newest first.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn list_tokens(&self, holder: uuid::Uuid) -> Result<Vec<ApiToken>, StoreError> {
        let query = self.0.query("SELECT * FROM bearer WHERE principal = $principal").bind(("principal", uuid(holder)));
        join_secrets(settle(query.await?)?.take(0)?)
    }

    /// The token with this id.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_token_by_id(&self, id: TokenId) -> Result<Option<ApiToken>, StoreError> {
        let query = self.0.query("SELECT * FROM bearer WHERE token = $token_id").bind(("token_id", uuid(id.uuid())));
        Ok(join_secrets(settle(query.await?)?.take(0)?)?.into_iter().next())
    }

    /// Notes that a token was used. Not a change: nothing that is remembered is outdated by it.
    ///
    /// # Errors
    ///
    /// When the store fails; a token that is gone is no failure.
    pub async fn touch_token(&self, id: TokenId, now: DateTime<Utc>) -> Result<(), StoreError> {
        let query = self
            .0
            .query("UPDATE bearer SET last_used = $now WHERE token = $token_id RETURN NONE")
            .bind(("token_id", uuid(id.uuid())))
            .bind(("now", Datetime::from(now)));
        settle(query.await?).map(drop)
    }
}

/// Tokens of the records of their secrets: the one in use says all, the one before says until when it works.
fn join_secrets(rows: Vec<BearerRow>) -> Result<Vec<ApiToken>, StoreError> {
    let (current, others): (Vec<BearerRow>, Vec<BearerRow>) = rows.into_iter().partition(|row| row.replaced.is_none());
    let replaced: Vec<BearerRow> = others.into_iter().filter(|row| row.issued != Some(true)).collect();
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
