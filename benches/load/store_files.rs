//! Observes the files of a store on disk from outside: the size of the write-ahead log, and flushes of memtables.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// 20 ms: a flush of a few mebibytes takes longer.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(20);

/// The sizes of a store's files by name, which sort by age.
struct StoreFiles {
    /// `sstables/*.sst`.
    tables: BTreeMap<OsString, u64>,
    /// `wal/*.wal`: segments of the write-ahead log.
    segments: BTreeMap<OsString, u64>,
}

impl StoreFiles {
    fn read(store: &Path) -> Self {
        Self { tables: sizes(&store.join("sstables"), "sst"), segments: sizes(&store.join("wal"), "wal") }
    }

    fn has_new_segment(&self, before: &Self) -> bool {
        self.segments.keys().any(|name| !before.segments.contains_key(name))
    }

    /// Whether a table is new or has grown.
    fn has_written_table(&self, before: &Self) -> bool {
        self.tables.iter().any(|(name, size)| before.tables.get(name) != Some(size))
    }
}

/// Sizes of the files with this extension. A file that is deleted while it is looked at is left out.
fn sizes(folder: &Path, extension: &str) -> BTreeMap<OsString, u64> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.path().extension().is_some_and(|found| found == extension))
        .filter_map(|entry| Some((entry.file_name(), entry.metadata().ok()?.len())))
        .collect()
}

/// Returns the name and the size of the newest segment of the write-ahead log.
pub fn newest_segment(store: &Path) -> (OsString, u64) {
    StoreFiles::read(store).segments.pop_last().expect("a store on disk has a write-ahead log")
}

/// A period in which the storage engine flushed a memtable or compacted tables.
pub struct Flush {
    pub from: Instant,
    pub until: Instant,
}

/// Watches a store for flushes on a thread of its own.
pub struct FlushWatch {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Flush>>,
}

impl FlushWatch {
    pub fn start(store: PathBuf) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let seen = is_over.clone();
        Self { is_over, thread: thread::spawn(move || watch(&store, &seen)) }
    }

    /// Ends the watch and returns the flushes, oldest first.
    pub fn finish(self) -> Vec<Flush> {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().expect("the watch ends")
    }
}

/// Samples the files of a store.
///
/// A flush begins with a new segment of the write-ahead log and lasts until its table has stopped growing. A compaction
/// writes tables too and counts as a flush: from outside they look alike.
fn watch(store: &Path, is_over: &AtomicBool) -> Vec<Flush> {
    let mut flushes: Vec<Flush> = Vec::new();
    let (mut known, mut sampled) = (StoreFiles::read(store), Instant::now());
    let mut awaits_table = false;
    while !is_over.load(Ordering::Relaxed) {
        thread::sleep(SAMPLE_INTERVAL);
        let (files, now) = (StoreFiles::read(store), Instant::now());
        awaits_table |= files.has_new_segment(&known);
        let has_written = files.has_written_table(&known);
        if awaits_table || has_written {
            match flushes.last_mut() {
                Some(last) if last.until == sampled => last.until = now,
                _ => flushes.push(Flush { from: sampled, until: now }),
            }
        }
        awaits_table &= !has_written;
        (known, sampled) = (files, now);
    }
    flushes
}
