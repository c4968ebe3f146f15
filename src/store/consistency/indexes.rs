//! Verifies each index against its table.
#![expect(clippy::mutable_key_type, reason = "only a regular expression could change, and no column holds one")]

use std::collections::{HashMap, HashSet};

use futures::FutureExt as _;
use futures::future::try_join_all;
use surrealdb::types::{RecordId, SurrealValue, Value};

use crate::store::error::settle;
use crate::store::{Bound, StoreError};

/// An index of one column, as the database describes it.
#[derive(Clone, Debug)]
pub(super) struct Index {
    table: String,
    pub(super) name: String,
    /// None: it counts the records of its table.
    column: Option<String>,
    is_unique: bool,
}

/// An index that does not match its table.
#[derive(Debug)]
pub(crate) struct IndexDamage {
    table: String,
    /// Its name.
    pub(crate) name: String,
    /// Records that the index does not find.
    pub(crate) missing: u64,
    /// Entries without a record.
    pub(crate) orphaned: u64,
    /// Records that share a value that only one may have: as long as they do, the index cannot be rebuilt.
    shared: Vec<RecordId>,
}

impl IndexDamage {
    /// Whether the index can be rebuilt.
    pub(super) fn can_be_rebuilt(&self) -> bool {
        self.shared.is_empty()
    }

    pub(super) fn sentence(&self) -> String {
        let Self { name, missing, orphaned, shared, .. } = self;
        let wrong = format!("index {name}: {missing} records are missing, {orphaned} entries have no record");
        if shared.is_empty() {
            return format!("{wrong}: a repair rebuilds it");
        }
        let ids: Vec<String> = shared.iter().take(10).map(|id| format!("{:?}", id.key)).collect();
        format!(
            "{wrong}. It cannot be rebuilt while records share a value that only one may have: change or delete one of {}",
            ids.join(", ")
        )
    }
}

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
struct NamedRow {
    name: String,
}

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
struct IndexRow {
    name: String,
    cols: Vec<String>,
    index: String,
}

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
struct ValueRow {
    id: RecordId,
    value: Value,
}

/// How many rows are read at a time.
const ROWS_AT_A_TIME: usize = 10_000;
/// How many values are looked up at a time: of more than 32 SurrealDB reads the table, not the index (3.3.5).
const VALUES_AT_A_TIME: usize = 32;
/// A value of more records is counted in the index, not looked up.
const COUNTED_FROM: usize = 1_000;
/// How many lookups go on at once.
const LOOKUPS_AT_ONCE: usize = 8;

/// The tables of a database.
pub(super) async fn tables(bound: &Bound) -> Result<Vec<String>, StoreError> {
    let mut results = settle(bound.query("(INFO FOR DB STRUCTURE).tables").await?)?;
    let rows: Vec<NamedRow> = results.take(0)?;
    rows.into_iter().map(|row| identifier(row.name)).collect()
}

/// The indexes of a table.
pub(super) async fn of_table(bound: &Bound, table: &str) -> Result<Vec<Index>, StoreError> {
    let mut results = settle(bound.query(format!("(INFO FOR TABLE {} STRUCTURE).indexes", escaped(table))).await?)?;
    let rows: Vec<IndexRow> = results.take(0)?;
    let described = rows.into_iter().map(|IndexRow { name, mut cols, index }| {
        let column = cols.pop().map(|column| identifier(column.trim_end_matches(".*").to_owned())).transpose()?;
        Ok(Index { table: table.to_owned(), name: identifier(name)?, column, is_unique: index == "UNIQUE" })
    });
    described.collect()
}

/// A name of our own schema, which is put into the text of queries.
fn identifier(name: String) -> Result<String, StoreError> {
    let is_ours = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "_.".contains(letter);
    if name.chars().all(is_ours) { Ok(name) } else { Err(StoreError::Failed("a table that is not ours".to_owned())) }
}

fn escaped(table: &str) -> String {
    format!("`{table}`")
}

/// Holds an index against its records.
pub(super) async fn check(bound: &Bound, index: &Index) -> Result<Option<IndexDamage>, StoreError> {
    let (missing, orphaned, shared) = match &index.column {
        None => check_count(bound, index).await?,
        Some(column) => check_column(bound, index, column).await?,
    };
    let (table, name) = (index.table.clone(), index.name.clone());
    let is_damaged = missing > 0 || orphaned > 0 || !shared.is_empty();
    Ok(is_damaged.then_some(IndexDamage { table, name, missing, orphaned, shared }))
}

/// Records that the index lacks, entries that are of none, and records that must not share a value.
type Difference = (u64, u64, Vec<RecordId>);

async fn check_count(bound: &Bound, index: &Index) -> Result<Difference, StoreError> {
    let table = escaped(&index.table);
    let counted = count(bound, format!("SELECT count() FROM {table} GROUP ALL"), None).await?;
    let there = count(bound, format!("SELECT count() FROM {table} WHERE id != NONE GROUP ALL"), None).await?;
    Ok((there.saturating_sub(counted), counted.saturating_sub(there), Vec::new()))
}

async fn check_column(bound: &Bound, index: &Index, column: &str) -> Result<Difference, StoreError> {
    let (records, is_list) = records_by_value(bound, index, column).await?;
    let table = escaped(&index.table);
    let (among, one) = if is_list { ("CONTAINSANY", "CONTAINS") } else { ("IN", "=") };
    let from = format!("FROM {table} WITH INDEX {} WHERE {column}", index.name);
    let (many, few): (Vec<_>, Vec<_>) = records.iter().partition(|(_, ids)| ids.len() > COUNTED_FROM);
    let by_values = format!("SELECT VALUE id {from} {among} $values");
    let mut missing: u64 = 0;
    for group in disjoint(few).chunks(LOOKUPS_AT_ONCE) {
        let lookups = group.iter().map(|chunk| not_found(bound, &by_values, chunk).boxed());
        missing += try_join_all(lookups.collect::<Vec<_>>()).await?.into_iter().sum::<u64>();
    }
    let by_value = format!("SELECT count() {from} {one} $value GROUP ALL");
    for (value, ids) in many {
        let found = count(bound, by_value.clone(), Some(value.clone())).await?;
        missing += (ids.len() as u64).saturating_sub(found);
    }
    // Entries are counted over a range that our own text names: with a bound value SurrealDB reads the records (3.3.5), and of a list
    // it counts no range. An entry of a list whose record is gone leads a lookup to nothing; a rebuilt index has none.
    let entries: u64 = records.values().map(|ids| ids.len() as u64).sum();
    let orphaned = match least_like(records.keys().next()) {
        Some(least) if !is_list => {
            let text = format!("SELECT count() {from} >= {least} GROUP ALL");
            // An entry that is missing makes room for one that is too many.
            (count(bound, text, None).await? + missing).saturating_sub(entries)
        }
        _ => 0,
    };
    let shared = records.into_values().filter(|ids| index.is_unique && ids.len() > 1).flatten().collect();
    Ok((missing, orphaned, shared))
}

/// The records of each value of a column, and whether the column holds lists of values.
async fn records_by_value(
    bound: &Bound,
    index: &Index,
    column: &str,
) -> Result<(HashMap<Value, Vec<RecordId>>, bool), StoreError> {
    let text = format!("SELECT id, {column} AS value FROM {} START $start LIMIT $limit", escaped(&index.table));
    let (mut records, mut is_list, mut start) = (HashMap::<Value, Vec<RecordId>>::new(), false, 0);
    loop {
        let query = bound.query(text.clone()).bind(("start", start)).bind(("limit", ROWS_AT_A_TIME)).unhurried();
        let rows: Vec<ValueRow> = settle(query.await?)?.take(0)?;
        let read = rows.len();
        for ValueRow { id, value } in rows {
            match value {
                Value::None | Value::Null => {}
                Value::Array(values) => {
                    is_list = true;
                    let each: HashSet<Value> = values.into_iter().collect();
                    for value in each {
                        records.entry(value).or_default().push(id.clone());
                    }
                }
                value => records.entry(value).or_default().push(id),
            }
        }
        if read < ROWS_AT_A_TIME {
            return Ok((records, is_list));
        }
        start += read;
    }
}

/// A value with the records that have it.
type Having<'r> = (&'r Value, &'r Vec<RecordId>);

/// Puts values together that are looked up at a time, so that no record has two of them: it could be found by the other.
fn disjoint(values: Vec<Having<'_>>) -> Vec<Vec<Having<'_>>> {
    let (mut chunks, mut chunk, mut taken) = (Vec::new(), Vec::new(), HashSet::new());
    for (value, ids) in values {
        if chunk.len() == VALUES_AT_A_TIME || ids.iter().any(|id| taken.contains(id)) {
            chunks.push(std::mem::take(&mut chunk));
            taken.clear();
        }
        chunk.push((value, ids));
        taken.extend(ids);
    }
    chunks.push(chunk);
    chunks
}

/// How many of the records of some values an index does not find.
async fn not_found(bound: &Bound, query: &str, chunk: &[Having<'_>]) -> Result<u64, StoreError> {
    let values: Vec<Value> = chunk.iter().map(|(value, _)| (*value).clone()).collect();
    let query = bound.query(query.to_owned()).bind(("values", values)).unhurried();
    let found: HashSet<RecordId> = settle(query.await?)?.take::<Vec<RecordId>>(0)?.into_iter().collect();
    let expected: HashSet<&RecordId> = chunk.iter().flat_map(|(_, ids)| ids.iter()).collect();
    Ok(expected.into_iter().filter(|id| !found.contains(*id)).count() as u64)
}

/// The least value of the type of this one, as it is written in a query.
fn least_like(value: Option<&Value>) -> Option<&'static str> {
    match value? {
        Value::String(_) => Some("''"),
        Value::Uuid(_) => Some("u'00000000-0000-0000-0000-000000000000'"),
        Value::Number(_) => Some("-9223372036854775807"),
        Value::Bool(_) => Some("false"),
        _ => None,
    }
}

async fn count(bound: &Bound, text: String, value: Option<Value>) -> Result<u64, StoreError> {
    let mut query = bound.query(text).unhurried();
    if let Some(value) = value {
        query = query.bind(("value", value));
    }
    let count: Option<i64> = settle(query.await?)?.take((0, "count"))?;
    Ok(count.map(crate::store::counted).unwrap_or_default())
}

/// Makes an index anew from the records of its table.
pub(super) async fn rebuild(bound: &Bound, index: &IndexDamage) -> Result<(), StoreError> {
    let text = format!("REBUILD INDEX {} ON {}", index.name, escaped(&index.table));
    settle(bound.query(text).unhurried().await?).map(drop)
}
