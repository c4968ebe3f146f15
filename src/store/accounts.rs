//! Accounts: who a person is across organizations, and everything one request needs to know about them at once.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::Value as Json;
use surrealdb::types::{Datetime, RecordId, SurrealValue};

use super::emails::push_email;
use super::error::settle;
use super::grants::push_grants;
use super::logins::{LoginRow, login_record};
use super::members::push_belongings;
use super::one_time::push_one_time;
use super::organizations::OrganizationRow;
use super::outbox::push_mails;
use super::second_factors::TotpRow;
use super::users::{instant, key};
use super::{
    Belongings, DatabaseName, GrantChange, IdentityStore, OneTime, SealedMail, Store, StoreError, counted, millis,
    stored, unreadable, uuid,
};
use crate::domain::account::{
    Account, ChangeReason, EmailAddress, Joined, Membership, MembershipSource, PasswordRecord, PasswordState, Settings,
};
use crate::domain::audit::AuditEvent;
use crate::domain::invitation::Invitation;
use crate::domain::login::Login;
use crate::domain::organization::Organization;
use crate::domain::second_factor::Authenticator;
use crate::domain::token::BearerSecret;
use crate::domain::user::User;
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

/// What can be said about a person without signing them in.
#[derive(Clone, Debug)]
pub struct KnownAccount {
    /// The person.
    pub account: Account,
    /// What can be said about the password.
    pub password: Option<PasswordState>,
    /// The authenticator app, enrolled or about to be.
    pub authenticator: Option<Authenticator>,
    /// Unused recovery codes.
    pub recovery_codes: usize,
}

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
struct PasswordOf {
    account: uuid::Uuid,
    hash: String,
    changed: Datetime,
    must_change: Option<String>,
    expires: Option<i64>,
}

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
struct CodesOf {
    account: uuid::Uuid,
    left: i64,
}

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
pub(super) struct AccountRow {
    id: RecordId,
    version: i64,
    managed_by: Option<uuid::Uuid>,
    confined_to: Option<uuid::Uuid>,
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
            confined_to: self.confined_to.map(OrganizationId::new),
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

    /// What can be said about these people: as many queries for many as for one.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_accounts(&self, ids: &[AccountId]) -> Result<HashMap<AccountId, KnownAccount>, StoreError> {
        let query = self
            .0
            .query("SELECT * FROM $accounts; SELECT *, record::id(id) AS account FROM $passwords;")
            .bind(("accounts", ids.iter().map(|id| account_record(*id)).collect::<Vec<_>>()))
            .bind(("passwords", ids.iter().map(|id| password_record(*id)).collect::<Vec<_>>()));
        let keys = || ids.iter().map(|id| uuid(id.uuid()));
        let counts = "SELECT account, count() AS left FROM recovery_code WHERE account IN $keys GROUP BY account";
        let (results, authenticators, codes) = tokio::try_join!(
            query.into_future(),
            self.0.rows_by_keys::<TotpRow, _>("SELECT * FROM totp WHERE account IN $keys", keys()),
            self.0.rows_by_keys::<CodesOf, _>(counts, keys()),
        )?;
        let mut results = settle(results)?;
        let accounts: Vec<AccountRow> = results.take(0)?;
        let passwords: Vec<PasswordOf> = results.take(1)?;
        let mut found = HashMap::new();
        for row in accounts {
            let account = row.into_account()?;
            let left = codes.iter().find(|codes| codes.account == account.id.uuid()).map_or(0, |codes| codes.left);
            let recovery_codes = usize::try_from(left).unwrap_or_default();
            found.insert(account.id, KnownAccount { account, password: None, authenticator: None, recovery_codes });
        }
        for row in passwords {
            if let Some(known) = found.get_mut(&AccountId::new(row.account)) {
                let PasswordOf { hash, changed, must_change, expires, .. } = row;
                known.password = Some(PasswordRow { hash, changed, must_change, expires }.into_record().state());
            }
        }
        for row in authenticators {
            let authenticator = row.into_authenticator()?;
            if let Some(known) = found.get_mut(&authenticator.account) {
                known.authenticator = Some(authenticator);
            }
        }
        Ok(found)
    }

    /// How these people belong to an organization.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_memberships(
        &self,
        organization: OrganizationId,
        accounts: &[AccountId],
    ) -> Result<HashMap<AccountId, Membership>, StoreError> {
        let keys = accounts.iter().map(|id| uuid(id.uuid()));
        let statement = "SELECT * FROM membership WHERE account IN $keys";
        let rows: Vec<MembershipRow> = self.0.rows_by_keys(statement, keys).await?;
        let here = rows.into_iter().filter(|row| row.organization == organization.uuid());
        here.map(|row| Ok((AccountId::new(row.account), row.into_membership()?))).collect()
    }

    /// The memberships of these accounts: as many queries for many as for one.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn list_memberships_of(&self, accounts: &[AccountId]) -> Result<Vec<Membership>, StoreError> {
        let keys = accounts.iter().map(|id| uuid(id.uuid()));
        let statement = "SELECT * FROM membership WHERE account IN $keys";
        let rows: Vec<MembershipRow> = self.0.rows_by_keys(statement, keys).await?;
        rows.into_iter().map(MembershipRow::into_membership).collect()
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
            write.bind("account", account_record(account));
            push_settings(write, before, after);
        })
        .await
    }

    /// Makes somebody superuser, or no longer. Whoever does it is written too: two who take it from each other at once are
    /// a conflict, and one of them is left.
    ///
    /// # Errors
    ///
    /// [`StoreError::Outdated`] when whoever does it is no superuser any more.
    pub(crate) async fn set_superuser(
        &self,
        home: OrganizationId,
        by: AccountId,
        account: AccountId,
        value: bool,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        self.change_identity(Some(home), event, |write| {
            write.push(
                "IF (SELECT VALUE superuser FROM ONLY $super_by) != true { THROW 'outdated' }; \
                 UPDATE $super_by SET touched_by = $event RETURN NONE; \
                 UPDATE $super_account SET superuser = $super_value, touched_by = $event RETURN NONE;",
            );
            write.bind("super_by", account_record(by));
            write.bind("super_account", account_record(account));
            write.bind("super_value", value);
        })
        .await
    }

    /// The same, for whoever holds the machine.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub(crate) async fn appoint_superuser(
        &self,
        home: Option<OrganizationId>,
        account: AccountId,
        value: bool,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        self.change_identity(home, event, |write| {
            write.push("UPDATE $super_account SET superuser = $super_value, touched_by = $event RETURN NONE;");
            write.bind("super_account", account_record(account));
            write.bind("super_value", value);
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

/// Puts preferences in the place of those that were read. `$account` is bound by the caller.
pub(super) fn push_settings(write: &mut super::write::Write, before: &Settings, after: &Settings) {
    write.push(
        "IF (SELECT VALUE settings_version FROM ONLY $account) != $settings_before { THROW 'outdated' }; \
         UPDATE $account SET settings = $settings, settings_version = $settings_after, \
         settings_updated = $settings_now RETURN NONE;",
    );
    write.bind("settings_before", stored(before.version));
    write.bind("settings_after", stored(after.version));
    write.bind("settings", after.stored());
    write.bind("settings_now", after.updated.map(millis));
}

/// Somebody an administrator makes.
pub(crate) struct NewPerson<'a> {
    /// Who they are there.
    pub(crate) user: &'a User,
    /// Account, address and password, if they can sign in from the start.
    pub(crate) account: Option<(&'a Account, Option<&'a EmailAddress>, &'a PasswordRecord)>,
    /// That they belong there.
    pub(crate) membership: Option<&'a Membership>,
    /// The invitation they get.
    pub(crate) invitation: Option<&'a Invitation>,
    /// The secret that verifies the address, or accepts the invitation.
    pub(crate) link: Option<(&'a BearerSecret, &'a OneTime)>,
    /// Their direct roles.
    pub(crate) grants: &'a [GrantChange<'a>],
    /// Their groups.
    pub(crate) belongings: &'a Belongings,
    /// What is to be sent.
    pub(crate) mails: &'a [SealedMail],
}

impl Store {
    /// Makes somebody: user, account, roles and groups, all or nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError::Taken`] for the name; [`StoreError::Outdated`] when a role or group has gone.
    pub(crate) async fn insert_person(
        &self,
        organization: OrganizationId,
        new: &NewPerson<'_>,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        let bound = self.organization(organization).await?;
        let mut write = super::write::Write::new(organization, event);
        super::users::push_new_user(&mut write, new.user);
        push_grants(&mut write, new.grants);
        push_belongings(&mut write, new.belongings);
        if let Some(invitation) = new.invitation {
            super::invitations::push_new_invitation(&mut write, invitation);
        }
        write.use_database(&DatabaseName::identity());
        if let Some((account, email, password)) = new.account {
            push_account(&mut write, account, event.at);
            push_password(&mut write, account.id, password);
            if let Some(email) = email {
                push_email(&mut write, email);
            }
        }
        if let Some(membership) = new.membership {
            push_membership(&mut write, membership);
        }
        if let Some((secret, link)) = new.link {
            push_one_time(&mut write, secret, link);
        }
        push_mails(&mut write, new.mails);
        write.use_database(&DatabaseName::of(organization));
        write.commit(&bound.0).await
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

/// Logins act from now on where the account says. `$account` is bound by [`push_credentials_change`].
pub(super) fn push_confinement(write: &mut super::write::Write, account: &Account) {
    write.push("UPDATE $account SET confined_to = $confined_to RETURN NONE;");
    write.bind("confined_to", account.confined_to.map(|id| uuid(id.uuid())));
}

/// Statements that make an account.
pub(super) fn push_account(write: &mut super::write::Write, account: &Account, now: DateTime<Utc>) {
    write.push(
        "CREATE $account SET created = $account_created, version = 1, managed_by = $account_managed_by, \
         confined_to = $account_confined_to, superuser = false, onboarded = false, settings = $account_settings, settings_version = $settings_version, \
         credentials_version = 0 RETURN NONE;",
    );
    write.bind("account", account_record(account.id));
    write.bind("account_created", Datetime::from(now));
    write.bind("account_managed_by", account.managed_by.map(|id| uuid(id.uuid())));
    write.bind("account_confined_to", account.confined_to.map(|id| uuid(id.uuid())));
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
