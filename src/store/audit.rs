//! The audit trail. Events are written with the change they are about, in `write.rs`; here they get their numbers and
//! hashes, shortly after and in one order, so that writers do not wait for each other; and here they are read.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};
use std::sync::atomic::Ordering;
use surrealdb::types::{Datetime, RecordId, SurrealValue, Variables};

use super::consistency::AUDIT_GAP;
use super::error::settle;
use super::users::key;
use super::{Bound, IdentityStore, OrganizationStore, StoreError};
use crate::domain::audit::{EventKind, FieldChange};
use crate::domain::{AuditEventId, UserId};

/// How many events are read at a time.
const CHUNK: usize = 500;
/// How many events get their numbers in one transaction, where nobody waits for the processor. Each time the index is read
/// from the first that ever waited.
pub const SEALED_AT_ONCE: usize = 2_000;
/// How often whoever reads the trail has events numbered first: what else is new, after an import say, shows a little later.
const SEALED_FIRST: usize = 3;

/// An audit event as it is kept.
#[derive(Clone, Debug)]
pub struct StoredEvent {
    /// Its id.
    pub id: AuditEventId,
    /// Its number in the trail, from 1; none: not chained yet.
    pub sequence: Option<u64>,
    /// When.
    pub at: DateTime<Utc>,
    /// Who: kind, id and name.
    pub actor: Json,
    /// Which way it came in.
    pub door: String,
    /// In which request.
    pub request: Option<String>,
    /// What: `user.created`, …
    pub kind: String,
    /// To what: kind and id.
    pub target: Json,
    /// Which attributes, by name.
    pub changed: Vec<String>,
    /// Values that are nobody's.
    pub values: Vec<FieldChange>,
    /// Values about a person, sealed, and whose salt opens them.
    pub sealed: Option<(UserId, String)>,
    /// Why.
    pub reason: Option<String>,
    /// With which consequences.
    pub consequences: Vec<String>,
    /// How many members came.
    pub members_added: i64,
    /// How many members went.
    pub members_removed: i64,
    /// Hash of the event before.
    pub previous: Option<String>,
    /// SHA-256 over the event and the hash before it.
    pub hash: Option<String>,
}

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
struct EventRow {
    id: RecordId,
    seq: i64,
    at: Datetime,
    actor: Json,
    door: String,
    request: Option<String>,
    kind: String,
    target: Json,
    changed: Vec<String>,
    changes: Vec<Json>,
    sealed: Option<String>,
    subject: Option<uuid::Uuid>,
    reason: Option<String>,
    consequences: Vec<String>,
    members_added: i64,
    members_removed: i64,
    previous: Option<String>,
    hash: Option<String>,
}

impl EventRow {
    /// The hash of this event in its place: over everything it says, in one spelling.
    fn hash(&self, seq: i64, previous: Option<&str>) -> Result<String, StoreError> {
        let whole = serde_json::json!([
            previous,
            seq,
            key(&self.id)?.to_string(),
            self.at.into_inner().timestamp_millis(),
            canonical(&self.actor),
            self.door,
            self.request,
            self.kind,
            canonical(&self.target),
            self.changed,
            self.changes.iter().map(canonical).collect::<Vec<_>>(),
            self.sealed,
            self.subject.map(|id| id.to_string()),
            self.reason,
            self.consequences,
            self.members_added,
            self.members_removed,
        ]);
        let digest = Sha256::digest(whole.to_string().as_bytes());
        Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    fn into_event(self) -> Result<StoredEvent, StoreError> {
        Ok(StoredEvent {
            id: AuditEventId::new(key(&self.id)?),
            sequence: u64::try_from(self.seq).ok(),
            at: self.at.into_inner(),
            actor: self.actor,
            door: self.door,
            request: self.request,
            kind: self.kind,
            target: self.target,
            changed: self.changed,
            values: self.changes.into_iter().filter_map(|value| serde_json::from_value(value).ok()).collect(),
            sealed: self.subject.map(UserId::new).zip(self.sealed),
            reason: self.reason,
            consequences: self.consequences,
            members_added: self.members_added,
            members_removed: self.members_removed,
            previous: self.previous,
            hash: self.hash,
        })
    }
}

/// A value in one spelling: keys in order.
fn canonical(value: &Json) -> String {
    match value {
        Json::Object(object) => {
            let mut keys: Vec<&String> = object.keys().collect();
            keys.sort_unstable();
            let parts: Vec<String> = keys
                .into_iter()
                .map(|key| format!("{}:{}", Json::from(key.as_str()), canonical(&object[key])))
                .collect();
            format!("{{{}}}", parts.join(","))
        }
        Json::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}

/// Which events are asked for; all given conditions must hold.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// Any of these kinds, or families that end in a dot.
    pub kinds: Vec<String>,
    /// By this actor.
    pub actor: Option<String>,
    /// To this target.
    pub target: Option<String>,
    /// Through this door.
    pub door: Option<&'static str>,
    /// In this request.
    pub request: Option<String>,
    /// At this instant or later.
    pub from: Option<DateTime<Utc>>,
    /// Before this instant.
    pub to: Option<DateTime<Utc>>,
}

impl EventFilter {
    fn clause(&self, variables: &mut Variables) -> String {
        let mut clauses = vec!["seq > 0".to_owned()];
        let mut add = |clause: &str, name: &str, value: surrealdb::types::Value| {
            clauses.push(clause.to_owned());
            variables.insert(name, value);
        };
        if let Some(target) = &self.target {
            add("target.id = $target", "target", target.clone().into_value());
        }
        if let Some(actor) = &self.actor {
            add("actor.id = $actor", "actor", actor.clone().into_value());
        }
        if let Some(door) = self.door {
            add("door = $door", "door", door.to_owned().into_value());
        }
        if let Some(request) = &self.request {
            add("request = $request", "request", request.clone().into_value());
        }
        if let Some(from) = self.from {
            add("at >= $from", "from", Datetime::from(from).into_value());
        }
        if let Some(to) = self.to {
            add("at < $to", "to", Datetime::from(to).into_value());
        }
        if !self.kinds.is_empty() {
            let (families, kinds): (Vec<String>, Vec<String>) =
                self.kinds.iter().cloned().partition(|kind| kind.ends_with('.'));
            clauses.push(
                "(kind IN $kinds OR array::any($families.map(|$family| string::starts_with(kind, $family))))"
                    .to_owned(),
            );
            variables.insert("kinds", kinds);
            variables.insert("families", families);
        }
        clauses.join(" AND ")
    }
}

/// What reading a whole trail came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every event is there and is what was written.
    Whole {
        /// How many events there are.
        events: u64,
        /// The last hash.
        head: Option<String>,
        /// Numbers, first and last, of events that a repair of the store declared lost.
        gaps: Vec<(u64, u64)>,
    },
    /// The event with this number is missing or is not what was written.
    Broken {
        /// Its number.
        sequence: u64,
    },
}

impl Bound {
    /// Gives numbers and hashes to events that have none, in order of their ids, some at a time; whether there may be more.
    async fn seal_events(&self, at_most: usize) -> Result<bool, StoreError> {
        let _sealing = self.sealing.lock().await;
        if !self.unsealed.swap(false, Ordering::AcqRel) && !self.shared.reach.is_remote() {
            return Ok(false);
        }
        let more = match self.seal_some(at_most).await {
            Ok(count) => Ok(count == at_most),
            // Another node was faster.
            Err(StoreError::Outdated) => Ok(true),
            Err(error) => Err(error),
        };
        if !matches!(more, Ok(false)) {
            self.unsealed.store(true, Ordering::Release);
        }
        more
    }

    /// What happened up to now is in the trail, unless it is very much.
    async fn seal_latest(&self) -> Result<(), StoreError> {
        for _ in 0..SEALED_FIRST {
            if !self.seal_events(SEALED_AT_ONCE).await? {
                break;
            }
        }
        Ok(())
    }

    async fn seal_some(&self, at_most: usize) -> Result<usize, StoreError> {
        let query = self
            .query(
                "SELECT * FROM ONLY audit_head:current; \
                 SELECT * FROM audit_event WHERE seq = -1 LIMIT $limit;",
            )
            .bind(("limit", at_most));
        let mut results = settle(query.await?)?;
        let head: Option<HeadRow> = results.take(0)?;
        // The index has them in order of id, and is read no further than that: to ask for the order would sort all there are.
        let mut rows: Vec<EventRow> = results.take(1)?;
        rows.sort_by_cached_key(|row| key(&row.id).ok());
        if rows.is_empty() {
            return Ok(0);
        }
        let before = head.as_ref().map_or(0, |head| head.seq);
        let mut seq = before;
        let mut previous = head.map(|head| head.hash);
        let mut links = Vec::with_capacity(rows.len());
        for row in &rows {
            seq += 1;
            let hash = row.hash(seq, previous.as_deref())?;
            links.push(Link { id: row.id.clone(), seq, previous: previous.replace(hash.clone()), hash });
        }
        let query = self
            .query(
                "BEGIN; \
                 IF ((SELECT VALUE seq FROM ONLY audit_head:current) ?? 0) != $before { THROW 'outdated' }; \
                 FOR $link IN $links { UPDATE $link.id SET seq = $link.seq, previous = $link.previous, \
                 hash = $link.hash WHERE seq = -1 RETURN NONE; }; \
                 UPSERT audit_head:current SET seq = $after, hash = $head RETURN NONE; COMMIT;",
            )
            .bind(("before", before))
            .bind(("after", seq))
            .bind(("head", previous))
            .bind(("links", links));
        settle(query.await?)?;
        Ok(rows.len())
    }

    async fn list_events(
        &self,
        filter: &EventFilter,
        before: Option<u64>,
        after: Option<u64>,
        newest_first: bool,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        self.seal_latest().await?;
        let mut variables = Variables::new();
        let mut clause = filter.clause(&mut variables);
        if let Some(before) = before {
            clause.push_str(" AND seq < $before");
            variables.insert("before", super::stored(before));
        }
        if let Some(after) = after {
            clause.push_str(" AND seq > $after");
            variables.insert("after", super::stored(after));
        }
        let order = if newest_first { "DESC" } else { "ASC" };
        variables.insert("limit", i64::try_from(limit).unwrap_or(i64::MAX));
        let text = format!("SELECT * FROM audit_event WHERE {clause} ORDER BY seq {order} LIMIT $limit");
        let rows: Vec<EventRow> = settle(self.query(text).bind(variables).await?)?.take(0)?;
        rows.into_iter().map(EventRow::into_event).collect()
    }

    async fn verify_events(&self, seen: &(dyn Fn(u64) + Sync)) -> Result<Verdict, StoreError> {
        let trail = self.walk_trail(seen).await?;
        let undeclared = trail.undeclared().next().map(|gap| gap.first);
        let broken = [trail.broken_at, undeclared].into_iter().flatten().min();
        if let Some(sequence) = broken {
            return Ok(Verdict::Broken { sequence });
        }
        let lost: u64 = trail.gaps.iter().map(|gap| gap.last - gap.first + 1).sum();
        let gaps = trail.gaps.iter().map(|gap| (gap.first, gap.last)).collect();
        Ok(Verdict::Whole { events: trail.last - lost, head: trail.hash, gaps })
    }

    /// Audit events that are missing and that no repair has declared lost. An event that is not what was written ends the search:
    /// that is no loss.
    pub(super) async fn find_audit_gaps(&self) -> Result<Vec<AuditGap>, StoreError> {
        let trail = self.walk_trail(&|_| ()).await?;
        Ok(trail.undeclared().cloned().collect())
    }

    /// Reads the whole trail, each event held against the one before.
    async fn walk_trail(&self, seen: &(dyn Fn(u64) + Sync)) -> Result<Trail, StoreError> {
        while self.seal_events(SEALED_AT_ONCE).await? {}
        let mut trail = Trail::default();
        loop {
            let query = self
                .query("SELECT * FROM audit_event WHERE seq > $after ORDER BY seq LIMIT $limit")
                .bind(("after", super::stored(trail.last)))
                .bind(("limit", CHUNK));
            let rows: Vec<EventRow> = settle(query.await?)?.take(0)?;
            let full = rows.len() == CHUNK;
            for row in rows {
                if !trail.add(&row)? {
                    return Ok(trail);
                }
            }
            seen(trail.last);
            if !full {
                break;
            }
        }
        let head: Option<HeadRow> = settle(self.query("SELECT * FROM ONLY audit_head:current").await?)?.take(0)?;
        trail.end_at(head);
        Ok(trail)
    }
}

/// Audit events that are missing between two that are there. The hashes on both sides are part of it, so that a declaration holds
/// for this gap and no other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AuditGap {
    /// The number of the first event that is missing.
    pub(crate) first: u64,
    /// The number of the last one.
    pub(crate) last: u64,
    /// The hash of the event before them.
    before: Option<String>,
    /// The hash of the last one, as the event after them has it.
    after: Option<String>,
}

/// A trail as far as it was read.
#[derive(Default)]
struct Trail {
    /// The number and the hash of the last event.
    last: u64,
    hash: Option<String>,
    gaps: Vec<AuditGap>,
    /// Gaps that events of the trail declare, each with the number of its event.
    declared: Vec<(AuditGap, u64)>,
    /// The number of an event that is not what was written.
    broken_at: Option<u64>,
}

impl Trail {
    /// Adds the next event; whether it is what was written.
    fn add(&mut self, row: &EventRow) -> Result<bool, StoreError> {
        let sequence = super::counted(row.seq);
        if sequence > self.last + 1 {
            self.pass_gap(sequence - 1, row.previous.clone());
        }
        let computed = row.hash(row.seq, self.hash.as_deref())?;
        if sequence != self.last + 1 || row.previous != self.hash || row.hash.as_deref() != Some(&computed) {
            self.broken_at = Some(sequence);
            return Ok(false);
        }
        (self.last, self.hash) = (sequence, Some(computed));
        if row.kind == EventKind::StoreRepaired.as_str() {
            let changes = row.changes.iter().filter_map(|change| serde_json::from_value(change.clone()).ok());
            let gaps =
                changes.filter(|change: &FieldChange| change.field == AUDIT_GAP).filter_map(|change| change.after);
            let gaps = gaps.filter_map(|gap| serde_json::from_value(gap).ok());
            self.declared.extend(gaps.map(|gap| (gap, sequence)));
        }
        Ok(true)
    }

    fn pass_gap(&mut self, last: u64, after: Option<String>) {
        self.gaps.push(AuditGap { first: self.last + 1, last, before: self.hash.clone(), after: after.clone() });
        (self.last, self.hash) = (last, after);
    }

    /// Compares the end with what the trail says of itself.
    fn end_at(&mut self, head: Option<HeadRow>) {
        let (sequence, hash) = head.map(|head| (super::counted(head.seq), Some(head.hash))).unwrap_or_default();
        if sequence > self.last {
            self.pass_gap(sequence, hash);
        } else if (sequence, &hash) != (self.last, &self.hash) {
            self.broken_at = Some(self.last + 1);
        }
    }

    /// Gaps that no later event of the trail declares.
    fn undeclared(&self) -> impl Iterator<Item = &AuditGap> {
        let is_declared = |gap: &AuditGap| self.declared.iter().any(|(declared, by)| declared == gap && *by > gap.last);
        self.gaps.iter().filter(move |gap| !is_declared(gap))
    }
}

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
struct HeadRow {
    seq: i64,
    hash: String,
}

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
struct Link {
    id: RecordId,
    seq: i64,
    previous: Option<String>,
    hash: String,
}

impl IdentityStore {
    /// Reads the whole trail of people who are in no organization. `seen` is told how far it got.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn verify_audit_events(&self, seen: &(dyn Fn(u64) + Sync)) -> Result<Verdict, StoreError> {
        self.0.verify_events(seen).await
    }
}

impl OrganizationStore {
    /// Events with a number below `before` and above `after`, newest or oldest first.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn list_audit_events(
        &self,
        filter: &EventFilter,
        before: Option<u64>,
        after: Option<u64>,
        newest_first: bool,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        self.0.list_events(filter, before, after, newest_first, limit).await
    }

    /// How many events there are, and how many of them match.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn count_audit_events(&self, filter: &EventFilter) -> Result<u64, StoreError> {
        self.0.seal_latest().await?;
        let mut variables = Variables::new();
        let clause = filter.clause(&mut variables);
        let text = format!("SELECT count() FROM audit_event WHERE {clause} GROUP ALL");
        let count: Option<i64> = settle(self.0.query(text).bind(variables).await?)?.take((0, "count"))?;
        Ok(count.map(super::counted).unwrap_or_default())
    }

    /// The event with this id; none before it has its number.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_audit_event(&self, id: AuditEventId) -> Result<Option<StoredEvent>, StoreError> {
        self.0.seal_latest().await?;
        let record = RecordId::new("audit_event", super::uuid(id.uuid()));
        let row: Option<EventRow> =
            settle(self.0.query("SELECT * FROM ONLY $id").bind(("id", record)).await?)?.take(0)?;
        row.filter(|row| row.hash.is_some()).map(EventRow::into_event).transpose()
    }

    /// The events with these ids; those that are not there are left out.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_audit_events(&self, ids: &[AuditEventId]) -> Result<Vec<StoredEvent>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        self.0.seal_latest().await?;
        let records: Vec<RecordId> =
            ids.iter().map(|id| RecordId::new("audit_event", super::uuid(id.uuid()))).collect();
        let rows: Vec<EventRow> = settle(self.0.query("SELECT * FROM $ids").bind(("ids", records)).await?)?.take(0)?;
        rows.into_iter().filter(|row| row.hash.is_some()).map(EventRow::into_event).collect()
    }

    /// Gives so many of the latest events, at most, their numbers and hashes; whether there may be more.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn seal_audit_events(&self, at_most: usize) -> Result<bool, StoreError> {
        self.0.seal_events(at_most).await
    }

    /// Reads the whole trail. `seen` is told how far it got.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn verify_audit_events(&self, seen: &(dyn Fn(u64) + Sync)) -> Result<Verdict, StoreError> {
        self.0.verify_events(seen).await
    }
}
