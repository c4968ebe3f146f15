//! Reads ranges of keys, forward and backward.
//!
//! The engine's iterators cannot be kept across an await, so a [`Cursor`] keeps its position instead and opens an iterator for
//! each batch. In a transaction that writes, a batch therefore sees the writes that came before it.

use std::ops::ControlFlow;

use surrealdb_kvs::api::{
    BoxFut, KeySpan, KeyValSpan, KeyVisitor, KeysBatch, KeysResult, ScanChunkStats, ScanCursorKeys, ScanCursorVals,
    ScanResult, ValVisitor, ValsBatch,
};
use surrealdb_kvs::{Direction, Key, KeyRange, Result};
use surrealkv::LSMIterator;

use super::transaction::{DiskTransaction, map_error};

/// Room is made for at most so many rows before they are read: a limit says how many are wanted, not how many there are.
const RESERVED_ROWS: u32 = 4_096;

/// The rows of a range, as an iterator of the engine gives them.
pub(super) struct Rows<'t> {
    iterator: Box<dyn LSMIterator + 't>,
    direction: Direction,
}

impl<'t> Rows<'t> {
    pub(super) fn new(iterator: Box<dyn LSMIterator + 't>, direction: Direction) -> Self {
        Self { iterator, direction }
    }

    fn start(&mut self) -> Result<bool> {
        match self.direction {
            Direction::Forward => self.iterator.seek_first(),
            Direction::Backward => self.iterator.seek_last(),
        }
        .map_err(map_error)
    }

    fn step(&mut self) -> Result<bool> {
        match self.direction {
            Direction::Forward => self.iterator.next(),
            Direction::Backward => self.iterator.prev(),
        }
        .map_err(map_error)
    }
}

/// One row while it is visited.
struct Row<'r>(&'r dyn LSMIterator);

impl<'r> Row<'r> {
    fn key(&self) -> &'r [u8] {
        self.0.key().user_key()
    }

    fn value(&self) -> Result<std::borrow::Cow<'r, [u8]>> {
        self.0.value_ref().map_err(map_error)
    }
}

/// A position in a range, and buffers that are used again for each batch.
pub(super) struct Cursor<'a> {
    transaction: &'a DiskTransaction,
    /// The rest of the range. Empty once the end was reached.
    range: KeyRange<'a>,
    direction: Direction,
    skip: u32,
    keys: Vec<u8>,
    values: Vec<u8>,
    key_spans: Vec<KeySpan>,
    spans: Vec<KeyValSpan>,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(transaction: &'a DiskTransaction, range: KeyRange<'a>, direction: Direction, skip: u32) -> Self {
        let (keys, values, key_spans, spans) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { transaction, range, direction, skip, keys, values, key_spans, spans }
    }

    /// Visits up to `limit` rows and moves past each, the one that the visitor stops at included.
    fn visit(&mut self, limit: u32, mut visit: impl FnMut(Row<'_>) -> Result<ControlFlow<()>>) -> Result<()> {
        if limit == 0 || self.range.is_empty() {
            return Ok(());
        }
        let (mut skip, mut left) = (std::mem::take(&mut self.skip), limit);
        let last = self.transaction.read_rows(&self.range, self.direction, |rows| {
            let mut is_valid = rows.start()?;
            while is_valid && skip > 0 {
                skip -= 1;
                is_valid = rows.step()?;
            }
            while is_valid {
                left -= 1;
                let row = Row(&*rows.iterator);
                let key = row.key();
                let stops = visit(row)?.is_break() || left == 0;
                if stops {
                    return Ok(Some(key.to_vec()));
                }
                is_valid = rows.step()?;
            }
            Ok(None)
        })?;
        self.move_past(last);
        Ok(())
    }

    /// Moves past a row, or to the end.
    fn move_past(&mut self, last: Option<Vec<u8>>) {
        match (last, self.direction) {
            (None, _) => self.range.end = Key::empty(),
            (Some(key), Direction::Forward) => self.range.start = Key::from(key).next(),
            (Some(key), Direction::Backward) => self.range.end = Key::from(key),
        }
    }

    /// Moves past up to `limit` rows and answers their number.
    pub(super) fn count(&mut self, limit: u32) -> Result<usize> {
        let mut count = 0;
        self.visit(limit, |_| {
            count += 1;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(count)
    }

    /// Up to `limit` keys, each in a buffer of its own.
    pub(super) fn keys(&mut self, limit: u32) -> Result<KeysResult> {
        let mut found = KeysResult { keys: Vec::with_capacity(limit.min(RESERVED_ROWS) as usize), key_bytes: 0 };
        self.visit(limit, |row| {
            found.key_bytes += row.key().len() as u64;
            found.keys.push(row.key().to_vec());
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }

    /// Up to `limit` keys with their values, each in a buffer of its own.
    pub(super) fn values(&mut self, limit: u32) -> Result<ScanResult> {
        let values = Vec::with_capacity(limit.min(RESERVED_ROWS) as usize);
        let mut found = ScanResult { values, key_bytes: 0, value_bytes: 0 };
        self.visit(limit, |row| {
            let (key, value) = (row.key(), row.value()?);
            found.key_bytes += key.len() as u64;
            found.value_bytes += value.len() as u64;
            found.values.push((key.to_vec(), value.into_owned()));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }
}

impl ScanCursorKeys for Cursor<'_> {
    fn next_batch(&mut self, limit: u32) -> BoxFut<'_, Result<KeysBatch<'_>>> {
        Box::pin(async move {
            let (mut keys, mut spans) = (std::mem::take(&mut self.keys), std::mem::take(&mut self.key_spans));
            keys.clear();
            spans.clear();
            self.visit(limit, |row| {
                spans.push(KeySpan { offset: keys.len(), len: row.key().len() });
                keys.extend_from_slice(row.key());
                Ok(ControlFlow::Continue(()))
            })?;
            (self.keys, self.key_spans) = (keys, spans);
            Ok(KeysBatch::from_parts(&self.keys, &self.key_spans, self.keys.len() as u64))
        })
    }

    fn for_each<'s>(&'s mut self, limit: u32, visitor: &'s mut dyn KeyVisitor) -> BoxFut<'s, Result<ScanChunkStats>> {
        Box::pin(async move {
            let mut stats = ScanChunkStats::default();
            self.visit(limit, |row| {
                let flow = visitor(row.key())?;
                stats.rows += 1;
                stats.key_bytes += row.key().len() as u64;
                Ok(flow)
            })?;
            Ok(stats)
        })
    }
}

impl ScanCursorVals for Cursor<'_> {
    fn next_batch(&mut self, limit: u32) -> BoxFut<'_, Result<ValsBatch<'_>>> {
        Box::pin(async move {
            let (mut keys, mut values) = (std::mem::take(&mut self.keys), std::mem::take(&mut self.values));
            let mut spans = std::mem::take(&mut self.spans);
            keys.clear();
            values.clear();
            spans.clear();
            self.visit(limit, |row| {
                let (key, value) = (row.key(), row.value()?);
                let (key_offset, val_offset) = (keys.len(), values.len());
                spans.push(KeyValSpan { key_offset, key_len: key.len(), val_offset, val_len: value.len() });
                keys.extend_from_slice(key);
                values.extend_from_slice(&value);
                Ok(ControlFlow::Continue(()))
            })?;
            (self.keys, self.values, self.spans) = (keys, values, spans);
            let (key_bytes, value_bytes) = (self.keys.len() as u64, self.values.len() as u64);
            Ok(ValsBatch::from_parts(&self.keys, &self.values, &self.spans, key_bytes, value_bytes))
        })
    }

    fn for_each<'s>(&'s mut self, limit: u32, visitor: &'s mut dyn ValVisitor) -> BoxFut<'s, Result<ScanChunkStats>> {
        Box::pin(async move {
            let mut stats = ScanChunkStats::default();
            self.visit(limit, |row| {
                let (key, value) = (row.key(), row.value()?);
                let flow = visitor(key, &value)?;
                stats.rows += 1;
                stats.key_bytes += key.len() as u64;
                stats.value_bytes += value.len() as u64;
                Ok(flow)
            })?;
            Ok(stats)
        })
    }
}
