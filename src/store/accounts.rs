//! Accounts: who a person is across organizations, and everything one request needs to know about them at once.

use chrono::{DateTime, Utc};
use serde_json::Value as Json;
use surrealdb::types::{Datetime, RecordId, SurrealValue};

use super::error::settle;
use super::logins::{LoginRow, login_record};
use super::organizations::OrganizationRow;
use super::second_factors::TotpRow;
use super::users::{instant, key};
use super::{IdentityStore, Store, StoreError, counted, millis, stored, unreadable, uuid};
use crate::domain::account::{
    Account, ChangeReason, Joined, Membership, MembershipSource, PasswordRecord, PasswordState, Settings,
};
use crate::domain::audit::AuditEvent;
use crate::domain::login::Login;
use crate::domain::organization::Organization;
use crate::domain::second_factor::Authenticator;
use crate::domain::{AccountId, LoginId, OrganizationId, UserId};

/// What `identity` says about a request made with a login.
#[derive(Clone, Debug)]
pub struct Session {
    /// The login.
    pub login: Login,
    /// The person.
    pub account: Account,
    /// Where the login acts.
    pub organization: Organization,
    /// What can be said about the password.
    pub password: Option<PasswordState>,
    /// The authenticator app, enrolled or about to be.
    pub authenticator: Option<Authenticator>,
}

/// What it takes to sign somebody in.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The person.
    pub account: Account,
    /// The password, hashed.
    pub password: Option<PasswordRecord>,
    /// The authenticator app, enrolled or about to be.
    pub authenticator: Option<Authenticator>,
    /// Where they belong, oldest first.
    pub memberships: Vec<Joined>,
}

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
pub(super) struct AccountRow {
    id: RecordId,
    version: i64,
    managed_by: Option<uuid::Uuid>,
    superuser: bool,
    onboarded: bool,
    last_organization: Option<uuid::Uuid>,
    settings: Json,
    settings_version: i64,
    settings_updated: Option<i64>,
    credentials_version: i64,
}

impl AccountRow {
    pub(super) fn into_account(self) -> Result<Account, StoreError> {
        let updated = self.settings_updated.map(instant);
        Ok(Account {
            id: AccountId::new(key(&self.id)?),
            managed_by: self.managed_by.map(OrganizationId::new),
            superuser: self.superuser,
            onboarded: self.onboarded,
            last_organization: self.last_organization.map(OrganizationId::new),
            settings: Settings::from_stored(&self.settings, counted(self.settings_version), updated),
            credentials_version: counted(self.credentials_version),
        })
    }
}

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
pub(super) struct PasswordRow {
    hash: String,
    changed: Datetime,
    must_change: Option<String>,
    expires: Option<i64>,
}

impl PasswordRow {
    pub(super) fn into_record(self) -> PasswordRecord {
        PasswordRecord {
            hash: self.hash,
            changed: self.changed.into_inner(),
            must_change: self.must_change.as_deref().and_then(ChangeReason::named),
            expires: self.expires.map(instant),
        }
    }
}

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
struct MembershipRow {
    account: uuid::Uuid,
    organization: uuid::Uuid,
    user: uuid::Uuid,
    source: String,
    joined: i64,
}

impl MembershipRow {
    fn into_membership(self) -> Result<Membership, StoreError> {
        Ok(Membership {
            account: AccountId::new(self.account),
            organization: OrganizationId::new(self.organization),
            user: UserId::new(self.user),
            source: MembershipSource::named(&self.source).ok_or_else(|| unreadable("a membership"))?,
            joined: instant(self.joined),
        })
    }
}

pub(super) fn account_record(id: AccountId) -> RecordId {
    RecordId::new("account", uuid(id.uuid()))
}

pub(super) fn password_record(id: AccountId) -> RecordId {
    RecordId::new("password", uuid(id.uuid()))
}

/// Statements that read what belongs to the account `$account`, in the order of [`Known`].
const KNOWN: &str = "SELECT * FROM ONLY $account; SELECT * FROM ONLY $password; \
                     SELECT * FROM totp WHERE account = $account_key;";

type Known = (Account, Option<PasswordRecord>, Option<Authenticator>);

fn take_known(results: &mut surrealdb::IndexedResults, from: usize) -> Result<Option<Known>, StoreError> {
    let account: Option<AccountRow> = results.take(from)?;
    let password: Option<PasswordRow> = results.take(from + 1)?;
    let authenticators: Vec<TotpRow> = results.take(from + 2)?;
    let Some(account) = account else { return Ok(None) };
    let authenticator = authenticators.into_iter().next().map(TotpRow::into_authenticator).transpose()?;
    Ok(Some((account.into_account()?, password.map(PasswordRow::into_record), authenticator)))
}

impl IdentityStore {
    /// Everything about a request made with this login of this person: one round trip.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_session(
        &self,
        login: LoginId,
        account: AccountId,
        organization: OrganizationId,
    ) -> Result<Option<Session>, StoreError> {
        let query = self
            .0
            .query("SELECT * FROM ONLY $login; SELECT * FROM ONLY $organization;")
            .query(KNOWN)
            .bind(("login", login_record(login)))
            .bind(("organization", RecordId::new("organization", uuid(organization.uuid()))))
            .bind(("account", account_record(account)))
            .bind(("password", password_record(account)))
            .bind(("account_key", uuid(account.uuid())));
        let mut results = settle(query.await?)?;
        let login: Option<LoginRow> = results.take(0)?;
        let organization: Option<OrganizationRow> = results.take(1)?;
        let known = take_known(&mut results, 2)?;
        let (Some(login), Some(organization), Some((account, password, authenticator))) = (login, organization, known)
        else {
            return Ok(None);
        };
        let login = login.into_login()?;
        let organization = organization.into_organization()?;
        // A login says itself where it acts and whose it is; a token that says otherwise is none of its tokens.
        let is_its = login.account == account.id && login.organization == organization.id;
        let password = password.map(|password| password.state());
        Ok(is_its.then_some(Session { login, account, organization, password, authenticator }))
    }

    /// A person without anything that proves who they are.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_account(&self, id: AccountId) -> Result<Option<Account>, StoreError> {
        let query = self.0.query("SELECT * FROM ONLY $id").bind(("id", account_record(id)));
        let row: Option<AccountRow> = settle(query.await?)?.take(0)?;
        row.map(AccountRow::into_account).transpose()
    }

    /// What it takes to sign a person in: one round trip.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_credentials(&self, id: AccountId) -> Result<Option<Credentials>, StoreError> {
        let query = self
            .0
            .query(KNOWN)
            .query("LET $memberships = (SELECT * FROM membership WHERE account = $account_key)")
            .query("RETURN $memberships")
            .query("SELECT * FROM $memberships.map(|$m| type::record('organization', $m.organization))")
            .bind(("account", account_record(id)))
            .bind(("password", password_record(id)))
            .bind(("account_key", uuid(id.uuid())));
        let mut results = settle(query.await?)?;
        let Some((account, password, authenticator)) = take_known(&mut results, 0)? else { return Ok(None) };
        let memberships: Vec<MembershipRow> = results.take(4)?;
        let organizations: Vec<OrganizationRow> = results.take(5)?;
        Ok(Some(Credentials { account, password, authenticator, memberships: join(memberships, organizations)? }))
    }

    /// Where a person belongs, oldest first.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn list_memberships(&self, account: AccountId) -> Result<Vec<Joined>, StoreError> {
        let query = self
            .0
            .query("LET $memberships = (SELECT * FROM membership WHERE account = $account)")
            .query("RETURN $memberships")
            .query("SELECT * FROM $memberships.map(|$m| type::record('organization', $m.organization))")
            .bind(("account", uuid(account.uuid())));
        let mut results = settle(query.await?)?;
        let memberships: Vec<MembershipRow> = results.take(1)?;
        let organizations: Vec<OrganizationRow> = results.take(2)?;
        join(memberships, organizations)
    }
}

fn join(memberships: Vec<MembershipRow>, organizations: Vec<OrganizationRow>) -> Result<Vec<Joined>, StoreError> {
    let organizations: Vec<Organization> =
        organizations.into_iter().map(OrganizationRow::into_organization).collect::<Result<_, _>>()?;
    let mut joined = Vec::new();
    for row in memberships {
        let membership = row.into_membership()?;
        let found = organizations.iter().find(|organization| organization.id == membership.organization);
        joined.extend(found.map(|organization| Joined { membership, organization: organization.clone() }));
    }
    joined.sort_by_key(|joined| (joined.membership.joined, joined.membership.organization));
    Ok(joined)
}

impl Store {
    /// Saves a person's preferences.
    ///
    /// # Errors
    ///
    /// [`StoreError::Outdated`] when others changed them since they were read.
    pub(crate) async fn update_settings(
        &self,
        home: OrganizationId,
        account: AccountId,
        before: &Settings,
        after: &Settings,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        self.change_identity(Some(home), event, |write| {
            write.push("IF (SELECT VALUE settings_version FROM ONLY $account) != $before { THROW 'outdated' };");
            write.push(
                "UPDATE $account SET settings = $settings, settings_version = $after, settings_updated = $now \
                 RETURN NONE;",
            );
            write.bind("account", account_record(account));
            write.bind("before", stored(before.version));
            write.bind("after", stored(after.version));
            write.bind("settings", after.stored());
            write.bind("now", after.updated.map(millis));
        })
        .await
    }

    /// Notes that the first steps are done, or not yet.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub(crate) async fn set_onboarded(
        &self,
        home: OrganizationId,
        account: AccountId,
        onboarded: bool,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        self.change_identity(Some(home), event, |write| {
            write.push("UPDATE $account SET onboarded = $onboarded RETURN NONE;");
            write.bind("account", account_record(account));
            write.bind("onboarded", onboarded);
        })
        .await
    }
}

/// Statements that store a password anew.
pub(super) fn push_password(write: &mut super::write::Write, account: AccountId, password: &PasswordRecord) {
    write.push(
        "UPSERT $password SET hash = $password_hash, changed = $password_changed, must_change = $password_must, \
         expires = $password_expires RETURN NONE;",
    );
    write.bind("password", password_record(account));
    write.bind("password_hash", password.hash.clone());
    write.bind("password_changed", Datetime::from(password.changed));
    write.bind("password_must", password.must_change.map(|reason| reason.as_str().to_owned()));
    write.bind("password_expires", password.expires.map(millis));
}

/// The credentials are those that were read, and are now others: two such changes at once are a conflict.
pub(super) fn push_credentials_change(write: &mut super::write::Write, account: &Account) {
    write.push(
        "IF (SELECT VALUE credentials_version FROM ONLY $account) != $credentials_version { THROW 'outdated' }; \
         UPDATE $account SET credentials_version += 1 RETURN NONE;",
    );
    write.bind("account", account_record(account.id));
    write.bind("credentials_version", stored(account.credentials_version));
}

/// Statements that make an account.
pub(super) fn push_account(write: &mut super::write::Write, account: &Account, now: DateTime<Utc>) {
    write.push(
        "CREATE $account SET created = $account_created, version = 1, managed_by = $account_managed_by, \
         superuser = false, onboarded = false, settings = $account_settings, settings_version = $settings_version, \
         credentials_version = 0 RETURN NONE;",
    );
    write.bind("account", account_record(account.id));
    write.bind("account_created", Datetime::from(now));
    write.bind("account_managed_by", account.managed_by.map(|id| uuid(id.uuid())));
    write.bind("account_settings", account.settings.stored());
    write.bind("settings_version", stored(account.settings.version));
}

/// Statements that make a person belong to an organization.
pub(super) fn push_membership(write: &mut super::write::Write, membership: &Membership) {
    write.push("CREATE type::record('membership', [$m_account, $m_organization]) SET account = $m_account, organization = $m_organization, user = $m_user, source = $m_source, joined = $m_joined RETURN NONE;");
    write.bind("m_account", uuid(membership.account.uuid()));
    write.bind("m_organization", uuid(membership.organization.uuid()));
    write.bind("m_user", uuid(membership.user.uuid()));
    write.bind("m_source", membership.source.as_str().to_owned());
    write.bind("m_joined", millis(membership.joined));
}
