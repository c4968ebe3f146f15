//! Addresses of people.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use chrono::{DateTime, Utc};
use surrealdb::types::{RecordId, SurrealValue};

use super::accounts::{password_record, push_confinement, push_credentials_change};
use super::error::settle;
use super::logins::push_end_logins;
use super::one_time::push_one_time;
use super::outbox::push_mails;
use super::second_factors::push_forget_devices;
use super::sign_in::push_end_personal_tokens;
use super::users::{instant, key, push_users};
use super::write::Write;
use super::{
    IdentityStore, LoginEnd, OneTime, Purpose, SealedMail, Store, StoreError, counted, millis, stored, unreadable, uuid,
};
use crate::domain::account::{Account, EmailAddress, EmailSource, Settings};
use crate::domain::audit::AuditEvent;
use crate::domain::login::EndReason;
use crate::domain::token::BearerSecret;
use crate::domain::user::User;
use crate::domain::{AccountId, EmailId, OrganizationId, UserId};

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
pub(super) struct EmailRow {
    id: RecordId,
    account: uuid::Uuid,
    address: String,
    address_key: String,
    verified_key: Option<String>,
    holder_key: String,
    is_primary: bool,
    becomes_primary: bool,
    verified: Option<i64>,
    source: String,
    created: i64,
    updated: i64,
    version: i64,
}

pub(super) fn email_record(id: EmailId) -> RecordId {
    RecordId::new("email_address", uuid(id.uuid()))
}

impl From<&EmailAddress> for EmailRow {
    fn from(email: &EmailAddress) -> Self {
        Self {
            id: email_record(email.id),
            account: email.account.uuid(),
            address: email.address.clone(),
            address_key: email.key.clone(),
            verified_key: email.verified.map(|_| email.key.clone()),
            holder_key: format!("{}:{}", email.account, email.key),
            is_primary: email.is_primary,
            becomes_primary: email.becomes_primary,
            verified: email.verified.map(millis),
            source: email.source.as_str().to_owned(),
            created: millis(email.created),
            updated: millis(email.updated),
            version: stored(email.version),
        }
    }
}

impl EmailRow {
    pub(super) fn into_email(self) -> Result<EmailAddress, StoreError> {
        Ok(EmailAddress {
            id: EmailId::new(key(&self.id)?),
            account: AccountId::new(self.account),
            address: self.address,
            key: self.address_key,
            is_primary: self.is_primary,
            becomes_primary: self.becomes_primary,
            verified: self.verified.map(instant),
            source: EmailSource::named(&self.source).ok_or_else(|| unreadable("an address"))?,
            created: instant(self.created),
            updated: instant(self.updated),
            version: counted(self.version),
        })
    }
}

/// Adds an address.
pub(super) fn push_email(write: &mut Write, email: &EmailAddress) {
    write.push("CREATE $email CONTENT $email_content RETURN NONE;");
    write.bind("email", email_record(email.id));
    write.bind("email_content", EmailRow::from(email));
}

/// One unit of work on a person's addresses, and on what their users say.
#[derive(Default)]
pub(crate) struct EmailChange<'a> {
    /// An address that comes, with the secret that verifies it, if one is mailed.
    pub(crate) added: Option<&'a EmailAddress>,
    /// Addresses before and after.
    pub(crate) changed: Vec<(&'a EmailAddress, EmailAddress)>,
    /// An address that goes.
    pub(crate) removed: Option<&'a EmailAddress>,
    /// A secret that is mailed; it voids those before for the same address.
    pub(crate) secret: Option<(&'a BearerSecret, OneTime)>,
    /// The secret that was followed.
    pub(crate) used: Option<&'a BearerSecret>,
    /// All that let somebody sign in up to now ends; with this link the person chooses a password.
    pub(crate) dropped: Option<(BearerSecret, OneTime)>,
    /// The users whose personal tokens end with `dropped`.
    pub(crate) ending_tokens_of: Vec<UserId>,
    /// Preferences before and after.
    pub(crate) settings: Option<(&'a Settings, &'a Settings)>,
    /// Whether the first steps are done.
    pub(crate) onboarded: Option<bool>,
    /// The person controls the account from now on.
    pub(crate) released: bool,
    /// Users before and after, each in its organization.
    pub(crate) users: Vec<(OrganizationId, User, User)>,
    /// Events that it leaves in other organizations than the one that it is asked in.
    pub(crate) events: Vec<(OrganizationId, AuditEvent)>,
    /// What is to be sent.
    pub(crate) mails: &'a [SealedMail],
}

impl EmailChange<'_> {
    /// Whether nothing changes but, perhaps, users.
    pub(crate) fn is_nothing(&self) -> bool {
        self.added.is_none()
            && self.changed.is_empty()
            && self.removed.is_none()
            && self.settings.is_none()
            && self.onboarded.is_none()
            && !self.released
    }
}

impl IdentityStore {
    /// The addresses of several people, by account, primary first, then by age.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn list_emails_of(
        &self,
        accounts: &[AccountId],
    ) -> Result<HashMap<AccountId, Vec<EmailAddress>>, StoreError> {
        let keys = accounts.iter().map(|account| uuid(account.uuid()));
        let statement = "SELECT * FROM email_address WHERE account IN $keys";
        let rows: Vec<EmailRow> = self.0.rows_by_keys(statement, keys).await?;
        let mut found: HashMap<AccountId, Vec<EmailAddress>> =
            accounts.iter().map(|account| (*account, Vec::new())).collect();
        for row in rows {
            let email = row.into_email()?;
            found.entry(email.account).or_default().push(email);
        }
        for emails in found.values_mut() {
            emails.sort_by_key(|email| (!email.is_primary, email.created, email.id));
        }
        Ok(found)
    }

    /// The addresses of a person, primary first, then by age.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn list_emails(&self, account: AccountId) -> Result<Vec<EmailAddress>, StoreError> {
        let query = self
            .0
            .query("SELECT * FROM email_address WHERE account = $account")
            .bind(("account", uuid(account.uuid())));
        let rows: Vec<EmailRow> = settle(query.await?)?.take(0)?;
        let mut emails: Vec<EmailAddress> = rows.into_iter().map(EmailRow::into_email).collect::<Result<_, _>>()?;
        emails.sort_by_key(|email| (!email.is_primary, email.created, email.id));
        Ok(emails)
    }

    /// The address with this id.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_email(&self, id: EmailId) -> Result<Option<EmailAddress>, StoreError> {
        let query = self.0.query("SELECT * FROM ONLY $id").bind(("id", email_record(id)));
        let row: Option<EmailRow> = settle(query.await?)?.take(0)?;
        row.map(EmailRow::into_email).transpose()
    }

    /// The verified address with this key.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_verified_email(&self, key: &str) -> Result<Option<EmailAddress>, StoreError> {
        let query = self.0.query("SELECT * FROM email_address WHERE verified_key = $key").bind(("key", key.to_owned()));
        let rows: Vec<EmailRow> = settle(query.await?)?.take(0)?;
        rows.into_iter().next().map(EmailRow::into_email).transpose()
    }
}

impl Store {
    /// Changes a person's addresses, and what their users say, all or nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError::Outdated`] when something is no longer what was read, [`StoreError::Taken`] when somebody else has
    /// verified the address.
    pub(crate) async fn change_emails(
        &self,
        home: Option<OrganizationId>,
        account: &Account,
        change: &EmailChange<'_>,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        for (organization, ..) in &change.users {
            // Its database must be there and up to date before a batch enters it.
            self.organization(*organization).await?;
        }
        let outcome = self
            .change_identity(home, event, |write| {
                push_credentials_change(write, account);
                push_email_change(write, change);
                if let Some((secret, link)) = &change.dropped {
                    push_new_start(write, account, &change.ending_tokens_of, event.at);
                    push_one_time(write, secret, link);
                }
                push_mails(write, change.mails);
                push_users(write, &change.users);
                write.also_elsewhere(&change.events);
            })
            .await;
        for (organization, _) in &change.events {
            self.organization(*organization).await?.0.unsealed.store(true, Ordering::Relaxed);
        }
        outcome
    }
}

/// Ends everything that lets somebody sign in to the account. The password is kept as one whose time is over, so that a link to
/// set another one can be asked for. `$account` is bound by [`push_credentials_change`].
fn push_new_start(write: &mut Write, account: &Account, users: &[UserId], now: DateTime<Utc>) {
    push_confinement(write, &account.confined(None));
    write.push(
        "UPDATE $start_password SET expires = $start_now, must_change = 'ADMIN' RETURN NONE; \
         DELETE totp WHERE account = $start_account RETURN NONE; \
         DELETE recovery_code WHERE account = $start_account RETURN NONE; \
         DELETE external_identity WHERE account = $start_account RETURN NONE; \
         DELETE one_time WHERE account = $start_account AND purpose IN ['reset', 'challenge'] AND used = NONE RETURN NONE;",
    );
    push_end_personal_tokens(write, users, now);
    write.bind("start_password", password_record(account.id));
    write.bind("start_account", uuid(account.id.uuid()));
    write.bind("start_now", millis(now));
    push_forget_devices(write, account.id);
    push_end_logins(write, &LoginEnd::OfAccount(account.id, None), EndReason::Password, now);
}

pub(super) fn push_email_change(write: &mut Write, change: &EmailChange<'_>) {
    if let Some(added) = change.added {
        push_email(write, added);
    }
    if !change.changed.is_empty() {
        write.push(
            "FOR $change IN $email_changes { IF (SELECT VALUE version FROM ONLY $change.id) != $change.version \
             { THROW 'outdated' }; UPDATE $change.id CONTENT $change.content RETURN NONE; };",
        );
        let changes: Vec<EmailUpdate> = change
            .changed
            .iter()
            .map(|(before, after)| EmailUpdate {
                id: email_record(before.id),
                version: stored(before.version),
                content: EmailRow::from(after),
            })
            .collect();
        write.bind("email_changes", changes);
    }
    if let Some(removed) = change.removed {
        write.push(
            "DELETE $removed_email RETURN NONE; DELETE one_time WHERE subject = $removed_key RETURN NONE; \
                    DELETE one_time WHERE account = $removed_from AND purpose = 'reset' AND used = NONE RETURN NONE;",
        );
        write.bind("removed_from", uuid(removed.account.uuid()));
        write.bind("removed_email", email_record(removed.id));
        write.bind("removed_key", uuid(removed.id.uuid()));
    }
    if let Some((before, after)) = change.settings {
        super::accounts::push_settings(write, before, after);
    }
    if let Some(onboarded) = change.onboarded {
        write.push("UPDATE $account SET onboarded = $onboarded RETURN NONE;");
        write.bind("onboarded", onboarded);
    }
    if change.released {
        write.push(
            "LET $released_by = (SELECT VALUE managed_by FROM ONLY $account); \
             DELETE external_identity WHERE account = record::id($account) AND organization = $released_by RETURN NONE; \
             UPDATE $account SET managed_by = NONE RETURN NONE;",
        );
    }
    if let Some((secret, one_time)) = &change.secret {
        push_one_time(write, secret, one_time);
    }
    if let Some(used) = change.used {
        super::one_time::push_use(write, Purpose::Verify, used);
    }
}

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
struct EmailUpdate {
    id: RecordId,
    version: i64,
    content: EmailRow,
}
