//! One transaction of SurrealKV, as SurrealDB asks for it.
//!
//! A transaction reads the snapshot of its beginning and its own writes. It commits if no key that it wrote, or read for an
//! update, was written by a transaction that committed in between.

use std::sync::{Arc, Mutex, PoisonError};

use surrealdb_kvs::api::{
    BoxFut, GetMultiResult, KeysResult, ScanCursorKeys, ScanCursorVals, ScanResult, Transactable,
};
use surrealdb_kvs::{Direction, Error, Key, KeyRange, Result, SavepointStack, TransactionType, Val};

use super::cursor::{Cursor, Rows};
use super::write_health::WriteHealth;

/// Maps an error of the engine outside of a commit.
pub(super) fn map_error(error: surrealkv::Error) -> Error {
    match error {
        surrealkv::Error::TransactionWriteConflict | surrealkv::Error::TransactionRetry => {
            Error::TransactionConflict(error.to_string())
        }
        surrealkv::Error::TransactionReadOnly => Error::TransactionReadonly,
        surrealkv::Error::TransactionClosed => Error::TransactionFinished,
        surrealkv::Error::TransactionWithoutSavepoint => Error::NoSavepoint,
        surrealkv::Error::BatchTooLarge | surrealkv::Error::ArenaFull => Error::TransactionTooLarge,
        // The engine has stopped for good; this operation did not begin.
        surrealkv::Error::DatabasePoisoned(_) => Error::Datastore(error.to_string()),
        other => Error::Transaction(other.to_string()),
    }
}

/// Maps an error of a commit. The outcome is unknown unless the error says that nothing was written: a group of commits whose
/// log was written and not synced may still be replayed after a crash.
fn map_commit_error(error: surrealkv::Error) -> Error {
    match map_error(error) {
        Error::Transaction(text) => Error::CommitOutcomeUnknown(text),
        known => known,
    }
}

/// A transaction of the engine on disk.
pub(super) struct DiskTransaction {
    kind: TransactionType,
    health: Arc<WriteHealth>,
    /// `None` once it is committed or cancelled.
    open: Mutex<Option<Open>>,
}

struct Open {
    inner: surrealkv::Transaction,
    savepoints: SavepointStack,
    /// Whether anything was written: a commit of nothing says nothing of the disk.
    wrote: bool,
}

impl Open {
    fn get(&self, key: &Key<'_>) -> Result<Option<Val>> {
        self.inner.get(key.as_slice()).map_err(map_error)
    }

    fn set(&mut self, key: Key<'_>, value: Val) -> Result<()> {
        self.wrote = true;
        self.inner.set(key.into_vec(), value).map_err(map_error)
    }

    fn delete(&mut self, key: Key<'_>) -> Result<()> {
        self.wrote = true;
        self.inner.delete(key.into_vec()).map_err(map_error)
    }

    fn check_value(&self, key: &Key<'_>, expected: Option<&[u8]>) -> Result<()> {
        if self.get(key)?.as_deref() == expected { Ok(()) } else { Err(Error::TransactionConditionNotMet) }
    }

    fn get_many(&self, keys: &[Key<'_>]) -> Result<GetMultiResult> {
        let mut found = GetMultiResult { values: Vec::with_capacity(keys.len()), ..GetMultiResult::default() };
        for key in keys {
            let value = self.get(key)?;
            if let Some(value) = &value {
                found.records += 1;
                found.value_bytes += value.len() as u64;
            }
            found.values.push(value);
        }
        Ok(found)
    }
}

impl DiskTransaction {
    pub(super) fn new(inner: surrealkv::Transaction, kind: TransactionType, health: Arc<WriteHealth>) -> Self {
        let open = Open { inner, savepoints: SavepointStack::default(), wrote: false };
        Self { kind, health, open: Mutex::new(Some(open)) }
    }

    fn with<T>(&self, operation: impl FnOnce(&mut Open) -> Result<T>) -> Result<T> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        operation(open.as_mut().ok_or(Error::TransactionFinished)?)
    }

    fn write<T>(&self, operation: impl FnOnce(&mut Open) -> Result<T>) -> Result<T> {
        self.with(|open| if self.writeable() { operation(open) } else { Err(Error::TransactionReadonly) })
    }

    /// This engine keeps one version of each key.
    fn read<T>(&self, version: Option<u64>, operation: impl FnOnce(&Open) -> Result<T>) -> Result<T> {
        if version.is_some() {
            return Err(Error::UnsupportedVersionedQueries);
        }
        self.with(|open| operation(open))
    }

    /// Reads rows of a range, in one go.
    pub(super) fn read_rows<T>(
        &self,
        range: &KeyRange<'_>,
        direction: Direction,
        read: impl FnOnce(&mut Rows<'_>) -> Result<T>,
    ) -> Result<T> {
        self.with(|open| {
            let iterator = open.inner.range(range.start.to_vec(), range.end.to_vec()).map_err(map_error)?;
            read(&mut Rows::new(Box::new(iterator), direction))
        })
    }

    fn cursor<'a>(
        &'a self,
        range: KeyRange<'a>,
        direction: Direction,
        skip: u32,
        version: Option<u64>,
    ) -> Result<Box<Cursor<'a>>> {
        self.read(version, |_| Ok(()))?;
        Ok(Box::new(Cursor::new(self, range, direction, skip)))
    }

    /// Takes the engine's transaction out: nothing else can be done with it.
    fn finish(&self) -> Result<Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).take().ok_or(Error::TransactionFinished)
    }
}

impl Transactable for DiskTransaction {
    fn kind(&self) -> &'static str {
        "surrealkv"
    }

    fn closed(&self) -> bool {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    fn writeable(&self) -> bool {
        matches!(self.kind, TransactionType::Write)
    }

    fn cancel(&self) -> BoxFut<'_, Result<()>> {
        Box::pin(async move { self.finish().map(drop) })
    }

    /// Commits. With `sync=every` it returns after the write-ahead log is on disk; commits at the same time share one sync.
    fn commit(&self) -> BoxFut<'_, Result<()>> {
        Box::pin(async move {
            let mut open = self.finish()?;
            if !open.wrote {
                return open.inner.commit().await.map_err(map_commit_error);
            }
            let Some(_begun) = self.health.begin() else {
                return Err(Error::Datastore("the store is not writable, and another commit is trying".to_owned()));
            };
            let outcome = open.inner.commit().await.map_err(map_commit_error);
            match &outcome {
                Ok(()) => self.health.note_success(),
                Err(Error::CommitOutcomeUnknown(reason)) => self.health.note_failure(reason),
                _ => {}
            }
            outcome
        })
    }

    fn exists<'a>(&'a self, key: Key<'a>, version: Option<u64>) -> BoxFut<'a, Result<bool>> {
        Box::pin(async move { self.read(version, |open| Ok(open.get(&key)?.is_some())) })
    }

    fn get<'a>(&'a self, key: Key<'a>, version: Option<u64>) -> BoxFut<'a, Result<Option<Val>>> {
        Box::pin(async move { self.read(version, |open| open.get(&key)) })
    }

    fn getm<'a>(&'a self, keys: &'a [Key<'a>], version: Option<u64>) -> BoxFut<'a, Result<GetMultiResult>> {
        Box::pin(async move { self.read(version, |open| open.get_many(keys)) })
    }

    fn getu<'a>(&'a self, key: Key<'a>) -> BoxFut<'a, Result<Option<Val>>> {
        Box::pin(async move { self.write(|open| open.inner.get_for_update(key.into_vec()).map_err(map_error)) })
    }

    /// A key that was read for an update conflicts with a write of it, never with another such read.
    fn shared_locked_reads(&self) -> bool {
        true
    }

    fn set<'a>(&'a self, key: Key<'a>, value: Val) -> BoxFut<'a, Result<()>> {
        Box::pin(async move { self.write(|open| open.set(key, value)) })
    }

    fn put<'a>(&'a self, key: Key<'a>, value: Val) -> BoxFut<'a, Result<()>> {
        Box::pin(async move {
            self.write(|open| match open.get(&key)? {
                None => open.set(key, value),
                Some(_) => Err(Error::TransactionKeyAlreadyExists),
            })
        })
    }

    fn putc<'a>(&'a self, key: Key<'a>, value: Val, expected: Option<Val>) -> BoxFut<'a, Result<()>> {
        Box::pin(async move {
            self.write(|open| {
                open.check_value(&key, expected.as_deref())?;
                open.set(key, value)
            })
        })
    }

    fn del<'a>(&'a self, key: Key<'a>) -> BoxFut<'a, Result<()>> {
        Box::pin(async move { self.write(|open| open.delete(key)) })
    }

    fn delc<'a>(&'a self, key: Key<'a>, expected: Option<&'a [u8]>) -> BoxFut<'a, Result<()>> {
        Box::pin(async move {
            self.write(|open| {
                open.check_value(&key, expected)?;
                open.delete(key)
            })
        })
    }

    fn keys<'a>(
        &'a self,
        range: KeyRange<'a>,
        limit: u32,
        skip: u32,
        version: Option<u64>,
    ) -> BoxFut<'a, Result<KeysResult>> {
        Box::pin(async move { self.cursor(range, Direction::Forward, skip, version)?.keys(limit) })
    }

    fn keysr<'a>(
        &'a self,
        range: KeyRange<'a>,
        limit: u32,
        skip: u32,
        version: Option<u64>,
    ) -> BoxFut<'a, Result<KeysResult>> {
        Box::pin(async move { self.cursor(range, Direction::Backward, skip, version)?.keys(limit) })
    }

    fn scan<'a>(
        &'a self,
        range: KeyRange<'a>,
        limit: u32,
        skip: u32,
        version: Option<u64>,
    ) -> BoxFut<'a, Result<ScanResult>> {
        Box::pin(async move { self.cursor(range, Direction::Forward, skip, version)?.values(limit) })
    }

    fn scanr<'a>(
        &'a self,
        range: KeyRange<'a>,
        limit: u32,
        skip: u32,
        version: Option<u64>,
    ) -> BoxFut<'a, Result<ScanResult>> {
        Box::pin(async move { self.cursor(range, Direction::Backward, skip, version)?.values(limit) })
    }

    fn open_keys_cursor<'a>(
        &'a self,
        range: KeyRange<'a>,
        direction: Direction,
        skip: u32,
        version: Option<u64>,
    ) -> BoxFut<'a, Result<Box<dyn ScanCursorKeys + 'a>>> {
        Box::pin(async move { Ok(self.cursor(range, direction, skip, version)? as Box<dyn ScanCursorKeys>) })
    }

    fn open_vals_cursor<'a>(
        &'a self,
        range: KeyRange<'a>,
        direction: Direction,
        skip: u32,
        version: Option<u64>,
    ) -> BoxFut<'a, Result<Box<dyn ScanCursorVals + 'a>>> {
        Box::pin(async move { Ok(self.cursor(range, direction, skip, version)? as Box<dyn ScanCursorVals>) })
    }

    /// Counts the keys of a range without copying them.
    fn count<'a>(&'a self, range: KeyRange<'a>, version: Option<u64>) -> BoxFut<'a, Result<usize>> {
        Box::pin(async move {
            let mut cursor = self.cursor(range, Direction::Forward, 0, version)?;
            let mut count = 0;
            loop {
                let counted = cursor.count(COUNTED_AT_ONCE)?;
                if counted == 0 {
                    return Ok(count);
                }
                count += counted;
                tokio::task::yield_now().await;
            }
        })
    }

    fn new_save_point(&self) -> BoxFut<'_, Result<()>> {
        Box::pin(async move {
            self.write(|open| {
                open.inner.set_savepoint().map_err(map_error)?;
                open.savepoints.open();
                Ok(())
            })
        })
    }

    fn release_last_save_point(&self) -> BoxFut<'_, Result<()>> {
        Box::pin(async move {
            self.with(|open| {
                open.savepoints.release();
                Ok(())
            })
        })
    }

    /// The engine has no release: a scope that took over released ones is rolled back once for each.
    fn rollback_to_save_point(&self) -> BoxFut<'_, Result<()>> {
        Box::pin(async move {
            self.with(|open| {
                for _ in 0..open.savepoints.take()? {
                    open.inner.rollback_to_savepoint().map_err(map_error)?;
                }
                Ok(())
            })
        })
    }
}

/// The number of keys that are counted before other tasks of the thread get their turn: a few milliseconds.
const COUNTED_AT_ONCE: u32 = 10_000;
