//! Stores on disk: what their URL says, how they are opened, how they are closed.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use surrealdb::Surreal;
use surrealdb::engine::local::Db;
use surrealdb_core::kvs::Datastore;

use super::conversion;
use super::datastore::DiskEngineFactory;
use super::layout::Layout;
use crate::files::create_private_folder;
use crate::store::StoreError;

/// The memory that a store on disk may use. The engine's own defaults do not know what else the process keeps.
#[derive(Clone, Copy, Debug)]
pub struct DiskMemory {
    /// The size of the block cache, in bytes.
    pub read_bytes: u64,
    /// The size of a memtable, in bytes: what is written is kept there until it is flushed into a file.
    pub written_bytes: u64,
}

/// When a commit is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitSync {
    /// `sync=every`, the default: after the write-ahead log is on disk.
    Every,
    /// `sync=never`: after it is handed to the operating system. A power cut loses acknowledged writes.
    Never,
}

/// A store on disk: `surrealkv://FOLDER[?sync=every|never]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskLocation {
    /// The folder that holds its files.
    pub folder: PathBuf,
    /// When its commits are acknowledged.
    pub sync: CommitSync,
}

const SCHEME: &str = "surrealkv://";

impl DiskLocation {
    /// Reads the URL of a store. `None`: the store is not on disk in this process.
    ///
    /// # Errors
    ///
    /// A sentence for the operator, when the URL names no folder or has a parameter other than `sync=every` and `sync=never`.
    pub fn parse(url: &str) -> Result<Option<Self>, String> {
        let Some(rest) = url.strip_prefix(SCHEME) else { return Ok(None) };
        let (folder, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        if folder.is_empty() {
            return Err(format!("{url} names no folder: write {SCHEME}PATH"));
        }
        let mut sync = CommitSync::Every;
        for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
            sync = match parameter {
                "sync=every" => CommitSync::Every,
                "sync=never" => CommitSync::Never,
                other => {
                    return Err(format!(
                        "a store on disk takes sync=every or sync=never after its path, not '{other}'"
                    ));
                }
            };
        }
        Ok(Some(Self { folder: folder.into(), sync }))
    }
}

impl DiskLocation {
    /// Checks that the folder holds a store of this version, or none. Reads only.
    ///
    /// # Errors
    ///
    /// [`StoreError::UnusableFolder`] with a sentence that says what to do; [`StoreError::Unavailable`] if it cannot be read.
    pub fn check(&self) -> Result<(), StoreError> {
        let folder = self.folder.display();
        let unusable = |text: String| Err(StoreError::UnusableFolder(text));
        match Layout::of(&self.folder).map_err(|error| StoreError::Unavailable(Box::new(error)))? {
            Layout::Absent if !conversion::is_interrupted(&self.folder) => Ok(()),
            Layout::Current => Ok(()),
            Layout::Former | Layout::Absent => unusable(format!(
                "an earlier version of Rollcall wrote the store in {folder}. It was not touched. Stop the server that uses it, then \
                 convert a copy of it with: rollcall migrate --convert"
            )),
            Layout::HalfConverted => unusable(format!(
                "another program began to convert the store in {folder} in place and did not finish. It was not touched: restore the \
                 folder from a backup, then convert a copy of it with: rollcall migrate --convert"
            )),
            Layout::Foreign => unusable(format!(
                "{folder} holds files that are no complete store of Rollcall. Nothing was touched: restore the folder from a backup, \
                 or name another one in store.url"
            )),
        }
    }
}

impl DiskLocation {
    /// Whether the folder holds a store, of whatever version. Reads only.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the folder cannot be read.
    pub fn holds_store(&self) -> Result<bool, StoreError> {
        let layout = Layout::of(&self.folder).map_err(|error| StoreError::Unavailable(Box::new(error)))?;
        Ok(layout != Layout::Absent)
    }
}

/// Opens a store on disk, or creates it.
///
/// # Errors
///
/// As [`DiskLocation::check`], before anything is opened or written; [`StoreError::Unavailable`] with the engine's reason.
pub(super) async fn open(location: &DiskLocation, memory: DiskMemory) -> Result<Surreal<Db>, StoreError> {
    location.check()?;
    make_folder(&location.folder).map_err(|error| StoreError::Unavailable(Box::new(error)))?;
    open_folder(location, memory).await.map_err(|error| StoreError::Unavailable(error.into()))
}

/// Creates the folder and its missing parents, for this user alone, and syncs each parent: a power cut right after the first start would otherwise leave
/// files without a folder.
fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.exists() {
        return Ok(());
    }
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    make_folder(parent)?;
    create_private_folder(folder)?;
    File::open(parent)?.sync_all()
}

async fn open_folder(location: &DiskLocation, memory: DiskMemory) -> anyhow::Result<Surreal<Db>> {
    let factory = DiskEngineFactory { folder: location.folder.clone(), sync: location.sync, memory };
    let builder = Datastore::builder().without_maintenance_tasks();
    let store = builder.build_with_factory_path(SCHEME, factory).await?;
    open_stores().push(Arc::downgrade(&store));
    // Before the first write, so that the store's version is recorded first.
    store.check_version().await?;
    store.bootstrap().await?;
    store.start_maintenance_tasks();
    Ok(Surreal::<Db>::unstable_from_datastore(store, None).await?)
}

/// The stores on disk that this process has open.
static OPEN_STORES: Mutex<Vec<Weak<Datastore>>> = Mutex::new(Vec::new());

fn open_stores() -> MutexGuard<'static, Vec<Weak<Datastore>>> {
    OPEN_STORES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Closes the stores on disk that this process has open. Each flushes its memtable, so that the next start replays no log.
pub async fn close_stores() {
    let open = std::mem::take(&mut *open_stores());
    for store in open.iter().filter_map(Weak::upgrade) {
        if let Err(error) = store.shutdown().await {
            tracing::warn!(error = %error, "store not closed cleanly");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_of_a_store_on_disk_says_its_folder_and_when_commits_are_acknowledged() {
        let at = |folder: &str, sync| Ok(Some(DiskLocation { folder: folder.into(), sync }));
        assert_eq!(DiskLocation::parse("surrealkv://data/x"), at("data/x", CommitSync::Every));
        assert_eq!(DiskLocation::parse("surrealkv:///data/x?sync=every"), at("/data/x", CommitSync::Every));
        assert_eq!(DiskLocation::parse("surrealkv://x?sync=never"), at("x", CommitSync::Never));
        for url in ["mem://", "ws://localhost:8000", "rocksdb://x"] {
            assert_eq!(DiskLocation::parse(url), Ok(None), "{url}");
        }
        for url in ["surrealkv://", "surrealkv://?sync=every", "surrealkv://x?sync=5s", "surrealkv://x?versioned=true"]
        {
            assert!(DiskLocation::parse(url).is_err(), "{url}");
        }
    }
}
