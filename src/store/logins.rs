//! Logins and their refresh tokens.

use chrono::{DateTime, Utc};
use surrealdb::types::{RecordId, SurrealValue};

use super::error::settle;
use super::outbox::push_mails;
use super::users::{instant, key};
use super::write::Write;
use super::{IdentityStore, SealedMail, Store, StoreError, counted, millis, stored, unreadable, uuid};
use crate::domain::audit::AuditEvent;
use crate::domain::login::{AuthMethod, EndReason, Login};
use crate::domain::token::BearerSecret;
use crate::domain::{AccountId, LoginId, OrganizationId, UserId};

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
pub(super) struct LoginRow {
    id: RecordId,
    account: uuid::Uuid,
    organization: uuid::Uuid,
    user: uuid::Uuid,
    device_id: String,
    device_name: Option<String>,
    auth_time: i64,
    auth_methods: Vec<String>,
    fresh_until: Option<i64>,
    last_used: i64,
    expires: i64,
    absolute_end: i64,
    remote_ip: Option<String>,
    user_agent: Option<String>,
    generation: i64,
    state: String,
    ended: Option<i64>,
    end_reason: Option<String>,
    created: i64,
    updated: i64,
    version: i64,
}

pub(super) fn login_record(id: LoginId) -> RecordId {
    RecordId::new("login", uuid(id.uuid()))
}

impl From<&Login> for LoginRow {
    fn from(login: &Login) -> Self {
        Self {
            id: login_record(login.id),
            account: login.account.uuid(),
            organization: login.organization.uuid(),
            user: login.user.uuid(),
            device_id: login.device_id.clone(),
            device_name: login.device_name.clone(),
            auth_time: millis(login.auth_time),
            auth_methods: login.auth_methods.iter().map(|method| method.as_str().to_owned()).collect(),
            fresh_until: login.fresh_until.map(millis),
            last_used: millis(login.last_used),
            expires: millis(login.expires),
            absolute_end: millis(login.absolute_end),
            remote_ip: login.remote_ip.clone(),
            user_agent: login.user_agent.clone(),
            generation: stored(login.generation),
            state: if login.revoked.is_some() { "REVOKED" } else { "ACTIVE" }.to_owned(),
            ended: login.revoked.map(|(at, _)| millis(at)),
            end_reason: login.revoked.map(|(_, reason)| reason.as_str().to_owned()),
            created: millis(login.created),
            updated: millis(login.updated),
            version: stored(login.version),
        }
    }
}

impl LoginRow {
    pub(super) fn into_login(self) -> Result<Login, StoreError> {
        let revoked = match (self.ended, self.end_reason.as_deref().and_then(EndReason::named)) {
            (Some(at), Some(reason)) => Some((instant(at), reason)),
            _ if self.state == "ACTIVE" => None,
            _ => return Err(unreadable("a login")),
        };
        Ok(Login {
            id: LoginId::new(key(&self.id)?),
            account: AccountId::new(self.account),
            organization: OrganizationId::new(self.organization),
            user: UserId::new(self.user),
            device_id: self.device_id,
            device_name: self.device_name,
            auth_time: instant(self.auth_time),
            auth_methods: self.auth_methods.iter().filter_map(|method| AuthMethod::named(method)).collect(),
            fresh_until: self.fresh_until.map(instant),
            last_used: instant(self.last_used),
            expires: instant(self.expires),
            absolute_end: instant(self.absolute_end),
            remote_ip: self.remote_ip,
            user_agent: self.user_agent,
            generation: counted(self.generation),
            revoked,
            created: instant(self.created),
            updated: instant(self.updated),
            version: counted(self.version),
        })
    }
}

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
struct RefreshRow {
    login: uuid::Uuid,
    used: Option<i64>,
}

fn refresh_record(secret: &BearerSecret) -> RecordId {
    RecordId::new("refresh_token", secret.hash())
}

/// Makes a refresh token live. Binds `$refresh`, `$refresh_login`, `$refresh_now`.
pub(super) fn push_refresh_token(write: &mut Write, secret: &BearerSecret, login: LoginId, now: DateTime<Utc>) {
    write.push("CREATE $refresh SET login = $refresh_login, created = $refresh_now RETURN NONE;");
    write.bind("refresh", refresh_record(secret));
    write.bind("refresh_login", uuid(login.uuid()));
    write.bind("refresh_now", millis(now));
}

/// New tokens of a login.
pub(crate) struct NewTokens<'a> {
    /// The login as it was read.
    pub(crate) before: &'a Login,
    /// The login as it is to be.
    pub(crate) after: &'a Login,
    /// Its refresh token from now on.
    pub(crate) refresh: &'a BearerSecret,
    /// The refresh token that is used up; none: all of before are.
    pub(crate) used: Option<&'a BearerSecret>,
}

/// Which logins end.
pub(crate) enum LoginEnd {
    /// These.
    These(Vec<LoginId>),
    /// All of a person, but this one.
    OfAccount(AccountId, Option<LoginId>),
    /// All of a user, but this one.
    OfUser(UserId, Option<LoginId>),
}

/// Ends logins. Binds `$ending_…`.
pub(super) fn push_end_logins(write: &mut Write, which: &LoginEnd, reason: EndReason, now: DateTime<Utc>) {
    let (logins, but, condition) = match which {
        LoginEnd::These(ids) => {
            write.bind("ending_logins", ids.iter().map(|id| login_record(*id)).collect::<Vec<_>>());
            ("$ending_logins", None, "true")
        }
        LoginEnd::OfAccount(account, but) => {
            write.bind("ending_account", uuid(account.uuid()));
            ("login", *but, "account = $ending_account")
        }
        LoginEnd::OfUser(user, but) => {
            write.bind("ending_user", uuid(user.uuid()));
            ("login", *but, "user = $ending_user")
        }
    };
    write.push("UPDATE ");
    write.push(logins);
    write.push(
        " SET state = 'REVOKED', ended = $ending_now, end_reason = $ending_reason, updated = $ending_now, \
         version += 1 WHERE ",
    );
    write.push(condition);
    write.push(" AND id != $ending_but AND state = 'ACTIVE' AND expires > $ending_now RETURN NONE;");
    write.bind("ending_but", but.map(login_record));
    write.bind("ending_reason", reason.as_str().to_owned());
    write.bind("ending_now", millis(now));
}

impl IdentityStore {
    /// The login with this id.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_login(&self, id: LoginId) -> Result<Option<Login>, StoreError> {
        let query = self.0.query("SELECT * FROM ONLY $id").bind(("id", login_record(id)));
        let row: Option<LoginRow> = settle(query.await?)?.take(0)?;
        row.map(LoginRow::into_login).transpose()
    }

    /// The logins of these people, latest use first.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn list_logins(&self, accounts: &[AccountId]) -> Result<Vec<Login>, StoreError> {
        let accounts = accounts.iter().map(|account| uuid(account.uuid()));
        let statement = "SELECT * FROM login WHERE account IN $keys";
        let rows: Vec<LoginRow> = self.0.rows_by_keys(statement, accounts).await?;
        let mut logins: Vec<Login> = rows.into_iter().map(LoginRow::into_login).collect::<Result<_, _>>()?;
        logins.sort_by_key(|login| std::cmp::Reverse((login.last_used, login.id)));
        Ok(logins)
    }

    /// The login of a refresh token, and whether the token was used before.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_refresh_token(&self, secret: &BearerSecret) -> Result<Option<(LoginId, bool)>, StoreError> {
        let query = self.0.query("SELECT * FROM ONLY $id").bind(("id", refresh_record(secret)));
        let row: Option<RefreshRow> = settle(query.await?)?.take(0)?;
        Ok(row.map(|row| (LoginId::new(row.login), row.used.is_some())))
    }

    /// Notes that a login was used, and when it ends now. Not a change: nothing that is remembered is outdated by it.
    ///
    /// # Errors
    ///
    /// When the store fails; a login that has ended is no failure.
    pub async fn touch_login(&self, id: LoginId, now: DateTime<Utc>, expires: DateTime<Utc>) -> Result<(), StoreError> {
        let query = self
            .0
            .query("UPDATE $id SET last_used = $now, expires = $expires WHERE state = 'ACTIVE' RETURN NONE")
            .bind(("id", login_record(id)))
            .bind(("now", millis(now)))
            .bind(("expires", millis(expires)));
        settle(query.await?).map(drop)
    }
}

impl Store {
    /// Replaces the tokens of a login, in its old or a new organization.
    ///
    /// # Errors
    ///
    /// [`StoreError::Outdated`] when the login or the refresh token is no longer what was read.
    pub(crate) async fn replace_tokens(
        &self,
        tokens: &NewTokens<'_>,
        factor: Option<(&super::FactorUse, &[SealedMail])>,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        let NewTokens { before, after, refresh, used } = tokens;
        self.change_identity(Some(after.organization), event, |write| {
            push_login_change(write, before, after);
            match used {
                Some(used) => {
                    write.push(
                        "IF (SELECT VALUE used FROM ONLY $used) != NONE { THROW 'outdated' }; \
                         UPDATE $used SET used = $used_now RETURN NONE;",
                    );
                    write.bind("used", refresh_record(used));
                }
                None => write.push(
                    "UPDATE refresh_token SET used = $used_now WHERE login = $used_login AND used = NONE RETURN NONE;",
                ),
            }
            write.bind("used_login", uuid(after.id.uuid()));
            write.bind("used_now", millis(event.at));
            push_refresh_token(write, refresh, after.id, event.at);
            if let Some((factor, mails)) = factor {
                factor.push(write);
                push_mails(write, mails);
            }
        })
        .await
    }

    /// Ends logins.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub(crate) async fn end_logins(
        &self,
        home: OrganizationId,
        which: &LoginEnd,
        reason: EndReason,
        mails: &[SealedMail],
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        self.change_identity(Some(home), event, |write| {
            push_end_logins(write, which, reason, event.at);
            push_mails(write, mails);
        })
        .await
    }
}

/// Puts the next version of a login in the place of the one that was read.
pub(super) fn push_login_change(write: &mut Write, before: &Login, after: &Login) {
    write.push(
        "IF (SELECT VALUE version FROM ONLY $login) != $login_version OR \
         (SELECT VALUE state FROM ONLY $login) != 'ACTIVE' { THROW 'outdated' }; \
         UPDATE $login CONTENT $login_content RETURN NONE;",
    );
    write.bind("login", login_record(after.id));
    write.bind("login_version", stored(before.version));
    write.bind("login_content", LoginRow::from(after));
}

/// For use by changes of credentials: the calling login goes on with new tokens.
pub(super) fn push_own_tokens(write: &mut Write, tokens: &NewTokens<'_>, now: DateTime<Utc>) {
    push_login_change(write, tokens.before, tokens.after);
    write
        .push("UPDATE refresh_token SET used = $refresh_now WHERE login = $refresh_login AND used = NONE RETURN NONE;");
    push_refresh_token(write, tokens.refresh, tokens.after.id, now);
}
