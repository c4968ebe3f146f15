//! Counted failures. They have transactions of their own: a failed sign-in never takes its own count back (AU-02).

use chrono::{DateTime, Utc};
use surrealdb::types::{RecordId, SurrealValue};

use super::error::settle;
use super::users::instant;
use super::{IdentityStore, StoreError, millis, stored};
use crate::domain::lockout::FailureCounter;

/// The record that is written to find out whether any can be; forgotten with counters that nobody touches.
const WRITE_TEST: &str = "write-test";

/// A counter as it was read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attempt {
    /// What it counts.
    pub counter: FailureCounter,
    version: u64,
}

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
struct AttemptRow {
    subject: String,
    window_start: i64,
    failures: i64,
    locks: i64,
    locked_until: Option<i64>,
    version: i64,
    touched: i64,
}

fn small(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn attempt_record(key: &str) -> RecordId {
    RecordId::new("attempt", key)
}

/// Whose it is: a key is `SUBJECT/…`.
fn subject(key: &str) -> String {
    key.split('/').next().unwrap_or_default().to_owned()
}

impl IdentityStore {
    /// The counters under these keys, in their order.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_attempts(&self, keys: &[String]) -> Result<Vec<Attempt>, StoreError> {
        let records: Vec<RecordId> = keys.iter().map(|key| attempt_record(key)).collect();
        let query = self.0.query("$keys.map(|$key| (SELECT * FROM ONLY $key))").bind(("keys", records));
        let rows: Vec<Option<AttemptRow>> = settle(query.await?)?.take(0)?;
        let read = |row: Option<AttemptRow>| match row {
            None => Attempt::default(),
            Some(row) => Attempt {
                counter: FailureCounter {
                    window_start: instant(row.window_start),
                    failures: small(row.failures),
                    locks: small(row.locks),
                    locked_until: row.locked_until.map(instant),
                },
                version: super::counted(row.version),
            },
        };
        Ok(rows.into_iter().map(read).collect())
    }

    /// Puts counters in the place of those that were read, all or none.
    ///
    /// # Errors
    ///
    /// [`StoreError::Outdated`] when another try was counted since.
    pub async fn save_attempts(
        &self,
        changes: &[(String, Attempt, FailureCounter)],
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let rows: Vec<AttemptUpdate> = changes
            .iter()
            .map(|(key, before, after)| AttemptUpdate {
                id: attempt_record(key),
                version: (before.version > 0).then(|| stored(before.version)),
                content: AttemptRow {
                    subject: subject(key),
                    window_start: millis(after.window_start),
                    failures: i64::from(after.failures),
                    locks: i64::from(after.locks),
                    locked_until: after.locked_until.map(millis),
                    version: stored(before.version + 1),
                    touched: millis(now),
                },
            })
            .collect();
        let query = self
            .0
            .query(
                "BEGIN; FOR $change IN $changes { IF (SELECT VALUE version FROM ONLY $change.id) != $change.version \
                 { THROW 'outdated' }; UPSERT $change.id CONTENT $change.content RETURN NONE; }; COMMIT;",
            )
            .bind(("changes", rows));
        settle(query.await?).map(drop)
    }

    /// Writes something of no account, to find out whether the store can be written.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn try_write(&self, now: DateTime<Utc>) -> Result<(), StoreError> {
        let content = AttemptRow {
            subject: WRITE_TEST.to_owned(),
            window_start: millis(now),
            failures: 0,
            locks: 0,
            locked_until: None,
            version: 1,
            touched: millis(now),
        };
        let query = self
            .0
            .query("UPSERT $id CONTENT $content RETURN NONE")
            .bind(("id", attempt_record(WRITE_TEST)))
            .bind(("content", content));
        settle(query.await?).map(drop)
    }

    /// Forgets the counters of a subject's passwords: that door is open again. Those of the second factor stay (MF-04).
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn clear_attempts(&self, subject: &str) -> Result<(), StoreError> {
        let query = self
            .0
            .query("DELETE attempt WHERE subject = $subject AND id NOT IN $second_factor RETURN NONE")
            .bind(("subject", subject.to_owned()))
            .bind((
                "second_factor",
                ["mfa", "mfa-day"].map(|kind| attempt_record(&format!("{subject}/{kind}"))).to_vec(),
            ));
        settle(query.await?).map(drop)
    }

    /// Forgets counters nobody has touched since and that shut no door, a bounded number at a time.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn sweep_attempts(&self, before: DateTime<Utc>) -> Result<(), StoreError> {
        let query = self
            .0
            .query("DELETE (SELECT VALUE id FROM attempt WHERE touched < $before AND (locked_until ?? 0) < $before LIMIT 1000) \
                 RETURN NONE",
            )
            .bind(("before", millis(before)));
        settle(query.await?).map(drop)
    }
}

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
struct AttemptUpdate {
    id: RecordId,
    version: Option<i64>,
    content: AttemptRow,
}
