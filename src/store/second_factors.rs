//! Authenticator apps and recovery codes.

use surrealdb::types::{RecordId, SurrealValue, Value};

use super::accounts::{push_confinement, push_credentials_change};
use super::error::settle;
use super::logins::{push_end_logins, push_own_tokens};
use super::outbox::push_mails;
use super::users::{instant, key};
use super::write::Write;
use super::{IdentityStore, LoginEnd, NewTokens, SealedMail, Store, StoreError, counted, millis, stored, uuid};
use crate::domain::account::Account;
use crate::domain::audit::AuditEvent;
use crate::domain::login::EndReason;
use crate::domain::second_factor::Authenticator;
use crate::domain::{AccountId, FactorId, OrganizationId};

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
pub(super) struct TotpRow {
    id: RecordId,
    account: uuid::Uuid,
    name: String,
    sealed: String,
    confirmed: Option<i64>,
    confirm_by: i64,
    last_step: i64,
    last_used: Option<i64>,
    created: i64,
    updated: i64,
    version: i64,
}

fn totp_record(id: FactorId) -> RecordId {
    RecordId::new("totp", uuid(id.uuid()))
}

impl From<&Authenticator> for TotpRow {
    fn from(authenticator: &Authenticator) -> Self {
        Self {
            id: totp_record(authenticator.id),
            account: authenticator.account.uuid(),
            name: authenticator.name.clone(),
            sealed: authenticator.sealed.clone(),
            confirmed: authenticator.confirmed.map(millis),
            confirm_by: millis(authenticator.confirm_by),
            last_step: stored(authenticator.last_step),
            last_used: authenticator.last_used.map(millis),
            created: millis(authenticator.created),
            updated: millis(authenticator.updated),
            version: stored(authenticator.version),
        }
    }
}

impl TotpRow {
    pub(super) fn into_authenticator(self) -> Result<Authenticator, StoreError> {
        Ok(Authenticator {
            id: FactorId::new(key(&self.id)?),
            account: AccountId::new(self.account),
            name: self.name,
            sealed: self.sealed,
            confirmed: self.confirmed.map(instant),
            confirm_by: instant(self.confirm_by),
            last_step: counted(self.last_step),
            last_used: self.last_used.map(instant),
            created: instant(self.created),
            updated: instant(self.updated),
            version: counted(self.version),
        })
    }
}

fn code_record(account: AccountId, hash: &str) -> RecordId {
    let key = vec![Value::Uuid(uuid(account.uuid())), Value::String(hash.to_owned())];
    RecordId::new("recovery_code", surrealdb::types::RecordIdKey::Array(surrealdb::types::Array::from(key)))
}

/// A second factor that is used up in the same unit of work as what it lets do.
#[expect(clippy::large_enum_variant, reason = "one at a time, and not for long")]
pub(crate) enum FactorUse {
    /// A code of an authenticator app: its step was later than the one before.
    Totp {
        /// As it was read.
        before: Authenticator,
        /// After the step.
        after: Authenticator,
    },
    /// A recovery code, by its hash.
    Recovery {
        /// Whose.
        account: AccountId,
        /// The hash.
        hash: String,
    },
}

impl FactorUse {
    /// The step was not used and the code is still there, or somebody else was faster.
    pub(super) fn push(&self, write: &mut Write) {
        match self {
            Self::Totp { before, after } => {
                write.push(
                    "IF (SELECT VALUE last_step FROM ONLY $totp) != $totp_before { THROW 'outdated' }; \
                     UPDATE $totp SET last_step = $totp_after, last_used = $totp_used RETURN NONE;",
                );
                write.bind("totp", totp_record(before.id));
                write.bind("totp_before", stored(before.last_step));
                write.bind("totp_after", stored(after.last_step));
                write.bind("totp_used", after.last_used.map(millis));
            }
            Self::Recovery { account, hash } => {
                write.push(
                    "IF (SELECT VALUE id FROM ONLY $code) = NONE { THROW 'outdated' }; DELETE $code RETURN NONE;",
                );
                write.bind("code", code_record(*account, hash));
            }
        }
    }
}

fn push_codes(write: &mut Write, account: AccountId, hashes: &[String]) {
    write.push("DELETE recovery_code WHERE account = $codes_account RETURN NONE;");
    write.push("FOR $code IN $codes { CREATE $code SET account = $codes_account RETURN NONE; };");
    write.bind("codes_account", uuid(account.uuid()));
    write.bind("codes", hashes.iter().map(|hash| code_record(account, hash)).collect::<Vec<_>>());
}

impl IdentityStore {
    /// How many recovery codes a person has left.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn count_recovery_codes(&self, account: AccountId) -> Result<usize, StoreError> {
        let query = self
            .0
            .query("array::len((SELECT VALUE id FROM recovery_code WHERE account = $account))")
            .bind(("account", uuid(account.uuid())));
        let count: Option<i64> = settle(query.await?)?.take(0)?;
        Ok(usize::try_from(count.unwrap_or_default()).unwrap_or_default())
    }

    /// Whether a person has this recovery code, by its hash.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn has_recovery_code(&self, account: AccountId, hash: &str) -> Result<bool, StoreError> {
        let query = self.0.query("SELECT VALUE id FROM ONLY $id").bind(("id", code_record(account, hash)));
        let found: Option<RecordId> = settle(query.await?)?.take(0)?;
        Ok(found.is_some())
    }
}

impl Store {
    /// Begins an enrolment, in the place of one begun before.
    ///
    /// # Errors
    ///
    /// [`StoreError::Outdated`] when the credentials are no longer those that were read.
    pub(crate) async fn begin_enrolment(
        &self,
        home: OrganizationId,
        account: &Account,
        authenticator: &Authenticator,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        self.change_identity(Some(home), event, |write| {
            push_credentials_change(write, account);
            write.push("DELETE totp WHERE account = $totp_account AND confirmed = NONE RETURN NONE;");
            write.push("CREATE $totp CONTENT $totp_content RETURN NONE;");
            write.bind("totp", totp_record(authenticator.id));
            write.bind("totp_account", uuid(account.id.uuid()));
            write.bind("totp_content", TotpRow::from(authenticator));
        })
        .await
    }

    /// Turns the second factor on: recovery codes come, trusted devices go, the calling login gets new tokens.
    ///
    /// # Errors
    ///
    /// [`StoreError::Outdated`] when the credentials or the login are no longer those that were read.
    pub(crate) async fn confirm_enrolment(
        &self,
        account: &Account,
        authenticator: &Authenticator,
        codes: &[String],
        tokens: &NewTokens<'_>,
        mails: &[SealedMail],
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        self.change_identity(Some(tokens.after.organization), event, |write| {
            push_credentials_change(write, account);
            write.push("UPDATE $totp CONTENT $totp_content RETURN NONE;");
            write.bind("totp", totp_record(authenticator.id));
            write.bind("totp_content", TotpRow::from(authenticator));
            push_codes(write, account.id, codes);
            push_forget_devices(write, account.id);
            push_own_tokens(write, tokens, event.at);
            push_mails(write, mails);
        })
        .await
    }

    /// Makes other recovery codes; those before stop working.
    ///
    /// # Errors
    ///
    /// [`StoreError::Outdated`] when the credentials are no longer those that were read.
    pub(crate) async fn replace_recovery_codes(
        &self,
        home: OrganizationId,
        account: &Account,
        codes: &[String],
        mails: &[SealedMail],
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        self.change_identity(Some(home), event, |write| {
            push_credentials_change(write, account);
            push_codes(write, account.id, codes);
            push_mails(write, mails);
        })
        .await
    }

    /// Removes all second factors with recovery codes, trusted devices and waiting challenges, and these logins.
    ///
    /// # Errors
    ///
    /// [`StoreError::Outdated`] when the credentials are no longer those that were read.
    pub(crate) async fn remove_factors(
        &self,
        home: OrganizationId,
        account: &Account,
        ending: Option<(&LoginEnd, EndReason)>,
        mails: &[SealedMail],
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        self.change_identity(Some(home), event, |write| {
            push_credentials_change(write, account);
            push_confinement(write, account);
            write.push(
                "DELETE totp WHERE account = $factors_account RETURN NONE; \
                 DELETE recovery_code WHERE account = $factors_account RETURN NONE; \
                 DELETE one_time WHERE account = $factors_account AND purpose = 'challenge' RETURN NONE;",
            );
            write.bind("factors_account", uuid(account.id.uuid()));
            push_forget_devices(write, account.id);
            if let Some((which, reason)) = ending {
                push_end_logins(write, which, reason, event.at);
            }
            push_mails(write, mails);
        })
        .await
    }
}

/// Devices of a person are trusted no more.
pub(super) fn push_forget_devices(write: &mut Write, account: AccountId) {
    write.push("DELETE trusted_device WHERE account = $devices_account RETURN NONE;");
    write.bind("devices_account", uuid(account.uuid()));
}
