//! Whether a store on disk can be written: noted by each commit, asked by the readiness check.
//!
//! A full disk fails writes and not reads, and ends by itself once there is room. So one failed commit says that the store
//! cannot be written, and one that succeeds says that it can again. In between one commit at a time tries, at most each
//! [`TRIED_EVERY`]; the others are refused at once, because failed commits queue in the engine and hold up its recovery.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// The outcome of the latest commit to one store on disk.
pub(super) struct WriteHealth {
    folder: PathBuf,
    fails: AtomicBool,
    /// The end of the latest try while writes fail; `None` while a commit tries.
    tried: Mutex<Option<Instant>>,
}

/// The time between two tries of a store that cannot be written. 100 ms: writes work again soon after the disk does.
const TRIED_EVERY: Duration = Duration::from_millis(100);

/// The stores that this process has open.
static OPEN: Mutex<Vec<Weak<WriteHealth>>> = Mutex::new(Vec::new());

fn open() -> MutexGuard<'static, Vec<Weak<WriteHealth>>> {
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    open.retain(|health| health.strong_count() > 0);
    open
}

impl WriteHealth {
    /// The health of the store in this folder, which is about to be opened.
    pub(super) fn of(folder: &Path) -> Arc<Self> {
        let health = Arc::new(Self {
            folder: folder.to_owned(),
            fails: AtomicBool::new(false),
            tried: Mutex::new(Some(Instant::now())),
        });
        open().push(Arc::downgrade(&health));
        health
    }

    /// Begins a commit. While writes fail only one at a time begins; `None` where this one does not.
    pub(super) fn begin(&self) -> Option<Begun<'_>> {
        if !self.fails.load(Ordering::Acquire) {
            return Some(Begun { tries: None });
        }
        let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        tried.take_if(|at| at.elapsed() >= TRIED_EVERY).map(|_| Begun { tries: Some(self) })
    }

    /// Notes that a commit failed; logged when it is the first.
    pub(super) fn note_failure(&self, reason: &str) {
        if !self.fails.swap(true, Ordering::AcqRel) {
            metrics::gauge!("rollcall_store_write_fails").set(1.0);
            let store = self.folder.display();
            tracing::error!(%store, error = reason, "store not writable: writes fail until its disk takes them");
        }
    }

    /// Notes that a commit is on disk.
    pub(super) fn note_success(&self) {
        if self.fails.load(Ordering::Acquire) && self.fails.swap(false, Ordering::AcqRel) {
            metrics::gauge!("rollcall_store_write_fails").set(0.0);
            tracing::info!(store = %self.folder.display(), "store writable again");
        }
    }
}

/// A commit that was begun. If it tries a store that cannot be written, the next may try once this one is dropped, also where
/// the request that waits for it is.
pub(super) struct Begun<'h> {
    tries: Option<&'h WriteHealth>,
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        if let Some(health) = self.tries {
            *health.tried.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
    }
}

/// Whether the latest commit to the store in this folder failed.
pub(in crate::store) fn write_fails(folder: &Path) -> bool {
    let found = open().iter().filter_map(Weak::upgrade).find(|health| health.folder == folder);
    found.is_some_and(|health| health.fails.load(Ordering::Acquire))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failure_says_that_a_store_cannot_be_written_and_one_success_that_it_can() {
        let (ours, theirs) = (Path::new("ours/of/this/test"), Path::new("theirs/of/this/test"));
        let (health, _other) = (WriteHealth::of(ours), WriteHealth::of(theirs));
        assert!(!write_fails(ours));
        health.note_failure("IO error: No space left on device");
        health.note_failure("IO error: No space left on device");
        assert!(write_fails(ours));
        assert!(!write_fails(theirs), "each store for itself");
        health.note_success();
        assert!(!write_fails(ours));
        health.note_failure("again");
        drop(health);
        assert!(!write_fails(ours), "a store that is closed");
    }

    #[test]
    fn while_writes_fail_one_commit_tries_and_the_others_are_refused() {
        let health = WriteHealth::of(Path::new("another/of/this/test"));
        let begins = |count: usize| -> Vec<Option<Begun<'_>>> { (0..count).map(|_| health.begin()).collect() };
        assert!(begins(2).iter().all(Option::is_some), "all begin while writes work");
        health.note_failure("IO error: No space left on device");
        *health.tried.lock().expect("not poisoned") = Instant::now().checked_sub(TRIED_EVERY);
        let begun = begins(3);
        assert_eq!(begun.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, false]);
        drop(begun);
        assert!(health.begin().is_none(), "not at once again");
        health.note_success();
        assert!(begins(2).iter().all(Option::is_some), "all begin again");
    }
}
