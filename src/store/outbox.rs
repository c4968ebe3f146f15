//! Mails that are decided but not yet sent: written with the change they are about, sent at least once (D-04).

use chrono::{DateTime, Utc};
use surrealdb::types::{RecordId, SurrealValue};

use super::error::settle;
use super::one_time::push_one_time;
use super::users::{instant, key};
use super::write::Write;
use super::{IdentityStore, OneTime, StoreError, millis, uuid};
use crate::domain::audit::AuditEvent;
use crate::domain::token::BearerSecret;
use crate::domain::{MailId, OrganizationId};

/// A mail whose text the database cannot read.
#[derive(Clone, Debug)]
pub(crate) struct SealedMail {
    /// Names it.
    pub(crate) id: MailId,
    /// The mail, sealed.
    pub(crate) sealed: String,
}

/// A mail that waits.
#[derive(Clone, Debug)]
pub struct WaitingMail {
    /// Names it.
    pub id: MailId,
    /// The mail, sealed.
    pub sealed: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was decided.
    pub created: DateTime<Utc>,
}

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
struct OutboxRow {
    id: RecordId,
    sealed: String,
    attempts: i64,
    due: i64,
    created: i64,
}

fn mail_record(id: MailId) -> RecordId {
    RecordId::new("outbox", uuid(id.uuid()))
}

/// Adds mails to a batch.
pub(super) fn push_mails(write: &mut Write, mails: &[SealedMail]) {
    if mails.is_empty() {
        return;
    }
    let now = write.now();
    let rows: Vec<OutboxRow> = mails
        .iter()
        .map(|mail| OutboxRow {
            id: mail_record(mail.id),
            sealed: mail.sealed.clone(),
            attempts: 0,
            due: now,
            created: now,
        })
        .collect();
    write.push("INSERT INTO outbox $mails RETURN NONE;");
    write.bind("mails", rows);
}

impl IdentityStore {
    /// Takes mails that are due, so that no other node sends them for a while: until `again` they are not due.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn take_due_mails(
        &self,
        now: DateTime<Utc>,
        again: DateTime<Utc>,
        limit: usize,
    ) -> Result<Vec<WaitingMail>, StoreError> {
        let query = self
            .0
            .query(
                "UPDATE (SELECT VALUE id FROM outbox WHERE due <= $now LIMIT $limit) \
                 SET due = $again, attempts += 1 RETURN AFTER",
            )
            .bind(("now", millis(now)))
            .bind(("again", millis(again)))
            .bind(("limit", limit));
        let rows: Vec<OutboxRow> = match settle(query.await?) {
            // Another node takes them.
            Err(StoreError::Outdated) => return Ok(Vec::new()),
            results => results?.take(0)?,
        };
        let read = |row: OutboxRow| {
            Ok(WaitingMail {
                id: MailId::new(key(&row.id)?),
                sealed: row.sealed,
                attempts: u32::try_from(row.attempts).unwrap_or(u32::MAX),
                created: instant(row.created),
            })
        };
        let mut mails: Vec<WaitingMail> = rows.into_iter().map(read).collect::<Result<_, StoreError>>()?;
        mails.sort_by_key(|mail| mail.id);
        Ok(mails)
    }

    /// Forgets a mail: it was sent, or given up.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn remove_mail(&self, id: MailId) -> Result<(), StoreError> {
        settle(self.0.query("DELETE $id RETURN NONE").bind(("id", mail_record(id))).await?).map(drop)
    }

    /// Tries a mail again at this time.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn postpone_mail(&self, id: MailId, due: DateTime<Utc>) -> Result<(), StoreError> {
        let query = self
            .0
            .query("UPDATE $id SET due = $due RETURN NONE")
            .bind(("id", mail_record(id)))
            .bind(("due", millis(due)));
        settle(query.await?).map(drop)
    }

    /// When the next mail is due.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn next_mail_due(&self) -> Result<Option<DateTime<Utc>>, StoreError> {
        let due: Option<i64> =
            settle(self.0.query("SELECT VALUE due FROM outbox ORDER BY due LIMIT 1").await?)?.take(0)?;
        Ok(due.map(instant))
    }
}

impl super::Store {
    /// Sends mails that come with nothing else.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub(crate) async fn send_mails(
        &self,
        home: Option<OrganizationId>,
        mails: &[SealedMail],
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        self.change_identity(home, event, |write| push_mails(write, mails)).await
    }

    /// Makes a link good and mails it; the one before is void.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub(crate) async fn send_link(
        &self,
        home: Option<OrganizationId>,
        secret: &BearerSecret,
        link: &OneTime,
        mails: &[SealedMail],
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        self.change_identity(home, event, |write| {
            push_one_time(write, secret, link);
            push_mails(write, mails);
        })
        .await
    }
}
