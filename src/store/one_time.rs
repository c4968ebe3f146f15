//! Secrets of links and challenges: each is good for one purpose, once, for a while. Kept under their hash.

use chrono::{DateTime, Utc};
use serde_json::Value as Json;
use surrealdb::types::{RecordId, SurrealValue};

use super::error::settle;
use super::users::instant;
use super::write::Write;
use super::{IdentityStore, StoreError, millis, uuid};
use crate::domain::token::BearerSecret;
use crate::domain::{AccountId, OrganizationId};

/// What a secret is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Giving the second factor.
    Challenge,
    /// Setting a new password.
    Reset,
    /// Proving an address.
    Verify,
    /// Joining an organization.
    Invitation,
    /// Coming back from a login provider.
    Connection,
    /// Getting the tokens of a sign-in through a login provider.
    Code,
    /// One deed of root.
    Root,
}

impl Purpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Challenge => "challenge",
            Self::Reset => "reset",
            Self::Verify => "verify",
            Self::Invitation => "invitation",
            Self::Connection => "connection",
            Self::Code => "code",
            Self::Root => "root",
        }
    }
}

/// A secret as it is kept, without the secret.
#[derive(Clone, Debug, PartialEq)]
pub struct OneTime {
    /// What it is good for.
    pub purpose: Purpose,
    /// Whose it is.
    pub account: Option<AccountId>,
    /// Where.
    pub organization: Option<OrganizationId>,
    /// What it is about.
    pub subject: Option<uuid::Uuid>,
    /// What else there is to know.
    pub details: Json,
    /// How often it may be tried.
    pub tries_left: u32,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// When it stops working.
    pub expires: DateTime<Utc>,
    /// When it was used.
    pub used: Option<DateTime<Utc>>,
}

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
struct OneTimeRow {
    purpose: String,
    account: Option<uuid::Uuid>,
    organization: Option<uuid::Uuid>,
    subject: Option<uuid::Uuid>,
    details: Json,
    tries_left: i64,
    created: i64,
    expires: i64,
    used: Option<i64>,
}

impl From<&OneTime> for OneTimeRow {
    fn from(one_time: &OneTime) -> Self {
        Self {
            purpose: one_time.purpose.as_str().to_owned(),
            account: one_time.account.map(AccountId::uuid),
            organization: one_time.organization.map(OrganizationId::uuid),
            subject: one_time.subject,
            details: one_time.details.clone(),
            tries_left: i64::from(one_time.tries_left),
            created: millis(one_time.created),
            expires: millis(one_time.expires),
            used: one_time.used.map(millis),
        }
    }
}

pub(super) fn one_time_record(secret: &BearerSecret) -> RecordId {
    RecordId::new("one_time", secret.hash())
}

/// Makes a secret good; those before it for the same purpose and subject are void.
pub(super) fn push_one_time(write: &mut Write, secret: &BearerSecret, one_time: &OneTime) {
    if one_time.purpose != Purpose::Challenge {
        write.push("DELETE one_time WHERE subject = $one_time_subject AND purpose = $one_time_purpose RETURN NONE;");
        write.bind("one_time_subject", one_time.subject.map(uuid));
        write.bind("one_time_purpose", one_time.purpose.as_str().to_owned());
    }
    write.push("CREATE $one_time CONTENT $one_time_content RETURN NONE;");
    write.bind("one_time", one_time_record(secret));
    write.bind("one_time_content", OneTimeRow::from(one_time));
}

/// Uses a secret up, if nobody did: it stays, so that a second use can be told from a forgery. Binds `$using_…`.
pub(super) fn push_use(write: &mut Write, purpose: Purpose, secret: &BearerSecret) {
    write.push(
        "LET $using_row = (SELECT purpose, used FROM ONLY $using); \
         IF $using_row = NONE OR $using_row.purpose != $using_purpose OR $using_row.used != NONE { THROW 'outdated' }; \
         UPDATE $using SET used = $using_now RETURN NONE;",
    );
    write.bind("using", one_time_record(secret));
    write.bind("using_purpose", purpose.as_str().to_owned());
    let now = write.now();
    write.bind("using_now", now);
}

impl IdentityStore {
    /// What this secret is good for, if it is of this purpose, used or not.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_one_time(&self, purpose: Purpose, secret: &BearerSecret) -> Result<Option<OneTime>, StoreError> {
        let query = self.0.query("SELECT * FROM ONLY $id").bind(("id", one_time_record(secret)));
        let row: Option<OneTimeRow> = settle(query.await?)?.take(0)?;
        let row = row.filter(|row| row.purpose == purpose.as_str());
        Ok(row.map(|row| OneTime {
            purpose,
            account: row.account.map(AccountId::new),
            organization: row.organization.map(OrganizationId::new),
            subject: row.subject,
            details: row.details,
            tries_left: u32::try_from(row.tries_left).unwrap_or_default(),
            created: instant(row.created),
            expires: instant(row.expires),
            used: row.used.map(instant),
        }))
    }

    /// Makes a secret good that nothing else is written with.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn insert_one_time(&self, secret: &BearerSecret, one_time: &OneTime) -> Result<(), StoreError> {
        let query = self
            .0
            .query("CREATE $id CONTENT $content RETURN NONE")
            .bind(("id", one_time_record(secret)))
            .bind(("content", OneTimeRow::from(one_time)));
        settle(query.await?).map(drop)
    }

    /// Uses a secret up; false, if somebody did before.
    ///
    /// # Errors
    ///
    /// [`StoreError::Outdated`] when somebody does at the same time.
    pub async fn use_up(&self, secret: &BearerSecret, now: DateTime<Utc>) -> Result<bool, StoreError> {
        let query = self
            .0
            .query("UPDATE ONLY $id SET used = $now WHERE used = NONE RETURN VALUE used")
            .bind(("id", one_time_record(secret)))
            .bind(("now", millis(now)));
        let used: Option<i64> = settle(query.await?)?.take(0)?;
        Ok(used.is_some())
    }

    /// Takes one try of a challenge before it is made; the tries that are left after it, none if there was none.
    ///
    /// # Errors
    ///
    /// [`StoreError::Outdated`] when another try was counted at the same time.
    pub async fn count_try(&self, secret: &BearerSecret) -> Result<Option<u32>, StoreError> {
        let query = self
            .0
            .query("UPDATE ONLY $id SET tries_left -= 1 WHERE tries_left > 0 AND used = NONE RETURN VALUE tries_left")
            .bind(("id", one_time_record(secret)));
        let left: Option<i64> = settle(query.await?)?.take(0)?;
        Ok(left.map(|left| u32::try_from(left).unwrap_or_default()))
    }

    /// Ends a challenge.
    ///
    /// # Errors
    ///
    /// When the store fails; one that is gone is no failure.
    pub async fn cancel_challenge(&self, secret: &BearerSecret) -> Result<(), StoreError> {
        let query =
            self.0.query("DELETE $id WHERE purpose = 'challenge' RETURN NONE").bind(("id", one_time_record(secret)));
        settle(query.await?).map(drop)
    }
}
