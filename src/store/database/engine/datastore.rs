//! SurrealKV as a storage engine of SurrealDB: opening it, starting transactions, closing it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};

use surrealdb_cnf::ConfigMap;
use surrealdb_core::kvs::{TransactionBuilderFactory, TransactionBuilderParts};
use surrealdb_kvs::api::{BoxFut, Transactable};
use surrealdb_kvs::{Error, Metrics, Result, TransactionBuilder, TransactionType};
use surrealkv::{
    Durability, ErrorSeverity, LSMIterator as _, Mode, Options, Tree, TreeBuilder, VLogChecksumLevel, WalRecoveryMode,
};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use super::conversion::{ConversionError, DamagedLog};
use super::disk::{CommitSync, DiskMemory};
use super::transaction::{DiskTransaction, map_error};
use super::write_health::WriteHealth;

/// The unit in which files are read, checked and cached. 64 KiB, the engine's own size, is a hundred users: a point read would
/// decode all of them.
const BLOCK_BYTES: usize = 16 << 10;

/// Values of at least this size go to the value log in a store that has one: the size of SurrealDB's own adapter, which wrote the
/// stores that have.
const VALUE_LOG_BYTES: usize = 4 << 10;

/// Write stall threshold: commits wait while so many memtables wait for their flush. They are slowed down from the second on, so
/// that a flush that keeps up is not noticed; the engine's own threshold of two leaves no room for that.
const WRITE_STALL_MEMTABLES: usize = 4;

/// The threads of the engine: it writes, syncs, flushes and compacts in tasks of the runtime it is opened in, and a flush or a
/// compaction holds its thread until it is done. So they are not the threads that answer requests. One thread each for the task
/// that commits, the one that flushes and the one that compacts.
static STORAGE_THREADS: LazyLock<io::Result<Runtime>> = LazyLock::new(|| {
    let mut threads = tokio::runtime::Builder::new_multi_thread();
    threads.worker_threads(3).thread_name("storage").enable_all().build()
});

/// An open SurrealKV tree.
pub(in crate::store) struct DiskEngine {
    /// Shared, never cloned itself: the engine closes when one clone of a tree is dropped.
    tree: Arc<Tree>,
    durability: Durability,
    health: Arc<WriteHealth>,
}

/// The trees that this process has open.
static OPEN_TREES: Mutex<Vec<Weak<Tree>>> = Mutex::new(Vec::new());

fn open_trees() -> MutexGuard<'static, Vec<Weak<Tree>>> {
    let mut open = OPEN_TREES.lock().unwrap_or_else(PoisonError::into_inner);
    open.retain(|tree| tree.strong_count() > 0);
    open
}

/// Returns the fatal background error of an open store, if there is one: nothing is written until that store is opened again. A full
/// disk is no such error: the engine goes on once there is room.
pub fn engine_stop_reason() -> Option<String> {
    // A tree whose last owner this becomes closes on these threads.
    let _threads = STORAGE_THREADS.as_ref().ok()?.enter();
    let open: Vec<Arc<Tree>> = open_trees().iter().filter_map(Weak::upgrade).collect();
    let errors = open.iter().filter_map(|tree| tree.background_error());
    errors.into_iter().find(|error| error.severity >= ErrorSeverity::FatalError).map(|error| error.error.to_string())
}

impl DiskEngine {
    /// Opens the tree in `folder`, or creates it.
    ///
    /// # Errors
    ///
    /// [`Error::Datastore`] with the engine's reason: another process has it open, or a file is damaged.
    pub(super) async fn open(folder: &Path, sync: CommitSync, memory: DiskMemory) -> Result<Self> {
        let tree = build(options(folder, memory)).await.map_err(|error| Error::Datastore(error.to_string()))?;
        let durability = match sync {
            CommitSync::Every => Durability::Immediate,
            CommitSync::Never => Durability::Eventual,
        };
        let tree = Arc::new(tree);
        open_trees().push(Arc::downgrade(&tree));
        Ok(Self { tree, durability, health: WriteHealth::of(folder) })
    }

    /// Opens a tree that an earlier version wrote, which converts it in place.
    ///
    /// # Errors
    ///
    /// [`ConversionError::DamagedLog`] where that is refused, and [`ConversionError::Engine`].
    pub(super) async fn convert(
        folder: &Path,
        memory: DiskMemory,
        log: DamagedLog,
    ) -> std::result::Result<Self, ConversionError> {
        let recovery = match log {
            DamagedLog::Refuse => WalRecoveryMode::AbsoluteConsistency,
            DamagedLog::Salvage => WalRecoveryMode::SalvageValidPrefix,
        };
        let options = options(folder, memory).with_wal_recovery_mode(recovery);
        let tree = build(options).await.map_err(|error| match error {
            surrealkv::Error::WalCorruption { .. } => ConversionError::DamagedLog(error.to_string()),
            other => ConversionError::Engine(other.to_string()),
        })?;
        Ok(Self { tree: Arc::new(tree), durability: Durability::Immediate, health: WriteHealth::of(folder) })
    }

    /// Reads every row with its value and answers their number; `read` is told how many were read so far.
    ///
    /// # Errors
    ///
    /// The first value that cannot be read.
    pub(super) fn read_every_value(&self, read: &(dyn Fn(u64) + Sync)) -> Result<u64> {
        let transaction = self.tree.begin_with_mode(Mode::ReadOnly).map_err(map_error)?;
        let mut rows = transaction.iter().map_err(map_error)?;
        let mut count = 0;
        let mut is_valid = rows.seek_first().map_err(map_error)?;
        while is_valid {
            rows.value_ref().map_err(map_error)?;
            count += 1;
            if count % 10_000 == 0 {
                read(count);
            }
            is_valid = rows.next().map_err(map_error)?;
        }
        Ok(count)
    }

    /// Flushes what is in memory into files, so that the next start has no log to replay.
    ///
    /// # Errors
    ///
    /// [`Error::Datastore`] with the engine's reason.
    pub(super) async fn close(&self) -> Result<()> {
        self.tree.close().await.map_err(|error| Error::Datastore(error.to_string()))
    }

    fn begin(&self, kind: TransactionType) -> Result<Box<dyn Transactable>> {
        let mode = match kind {
            TransactionType::Read => Mode::ReadOnly,
            TransactionType::Write => Mode::ReadWrite,
        };
        let transaction = self.tree.begin_with_mode(mode).map_err(map_error)?.with_durability(self.durability);
        Ok(Box::new(DiskTransaction::new(transaction, kind, self.health.clone())))
    }
}

/// Opens a tree on the threads of the engine.
async fn build(options: Options) -> surrealkv::Result<Tree> {
    fn failed(error: impl std::fmt::Display) -> surrealkv::Error {
        surrealkv::Error::Other(error.to_string())
    }
    // The log is written and synced on these threads.
    surrealdb_kvs::threadpool::initialise();
    let threads = STORAGE_THREADS.as_ref().map_err(failed)?;
    threads.spawn(TreeBuilder::with_options(options).build_async()).await.map_err(failed)?
}

fn options(folder: &Path, memory: DiskMemory) -> Options {
    let written = usize::try_from(memory.written_bytes).unwrap_or(usize::MAX);
    Options::new()
        .with_path(folder.to_owned())
        .with_block_size(BLOCK_BYTES)
        .with_block_cache_capacity(memory.read_bytes)
        .with_max_memtable_size(written)
        .with_memtable_stall_threshold(WRITE_STALL_MEMTABLES)
        .with_vlog_value_threshold(VALUE_LOG_BYTES)
        .with_vlog_checksum_verification(VLogChecksumLevel::Full)
        .with_wal_preallocation(true)
}

impl TransactionBuilder for DiskEngine {
    fn name(&self) -> &'static str {
        "surrealkv"
    }

    fn new_transaction(&self, kind: TransactionType) -> BoxFut<'_, Result<(Box<dyn Transactable>, bool)>> {
        // `true`: the transaction is of this process.
        Box::pin(async move { Ok((self.begin(kind)?, true)) })
    }

    fn shutdown(&self) -> BoxFut<'_, Result<()>> {
        Box::pin(self.close())
    }

    fn register_metrics(&self) -> Option<Metrics> {
        None
    }

    fn collect_u64_metric(&self, _: &str) -> Option<u64> {
        None
    }
}

/// Gives SurrealDB the engine in one folder, whatever path it asks for.
pub(super) struct DiskEngineFactory {
    pub(super) folder: PathBuf,
    pub(super) sync: CommitSync,
    pub(super) memory: DiskMemory,
}

impl TransactionBuilderFactory for DiskEngineFactory {
    type RouterState = ();

    async fn new_transaction_builder(
        &self,
        _: &str,
        _: CancellationToken,
        _: ConfigMap,
    ) -> anyhow::Result<TransactionBuilderParts<()>> {
        let engine = DiskEngine::open(&self.folder, self.sync, self.memory).await?;
        Ok(TransactionBuilderParts::without_router_state(Box::new(engine)))
    }

    fn path_valid(&self, path: &str) -> anyhow::Result<String> {
        Ok(path.to_owned())
    }
}
