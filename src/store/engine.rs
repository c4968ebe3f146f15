//! The engine behind the store: one on disk in this process, whose memory and commits are set here, or any other.

use std::borrow::Cow;
use std::future::poll_fn;
use std::io;
use std::path::Path;
use std::pin::pin;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use secrecy::ExposeSecret;
use surrealdb::engine::any::{Any, connect};
use surrealdb::engine::local::Db;
use surrealdb::opt::auth::{Namespace, Root};
use surrealdb::types::{SurrealValue, Variables};
use surrealdb::{Connection, IndexedResults, Surreal};
use surrealdb_cnf::ConfigMap;
use surrealdb_core::kvs::Datastore;
use tokio::runtime::Runtime;

use super::address::{credentials, endpoint};
use super::{StoreError, StoreSettings};
use crate::threads;

/// What a store on disk may keep in memory. The engine's own defaults follow the machine's memory.
#[derive(Clone, Copy, Debug)]
pub struct DiskMemory {
    /// Of what was read, in bytes.
    pub read_bytes: u64,
    /// Of what was written, in bytes, until it is sorted into files; no transaction may be larger.
    pub written_bytes: u64,
}

/// How many commits have to wait for the disk at once until it is waited for more of them: more than there ever are. What
/// comes while the disk is busy is written together anyway; waiting for more would cost each of them five milliseconds.
const COMMITS_WAITED_FOR: &str = "4096";

/// A session of an engine; clones are sessions of their own.
#[derive(Clone)]
pub(super) enum Engine {
    OnDisk(Surreal<Db>),
    Other(Surreal<Any>),
}

impl Engine {
    /// Opens the store, and signs in to it if it is on a server.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when it cannot be opened or does not let us in.
    pub(super) async fn open(settings: &StoreSettings) -> Result<Self, StoreError> {
        let opened = async {
            let url = endpoint(&settings.url);
            if url.starts_with("surrealkv://") {
                return Ok(Self::OnDisk(Box::pin(open_on_disk(&url, settings.memory)).await?));
            }
            let db = connect(&url).await?;
            if let Some((username, password)) = user(settings) {
                sign_in(&db, &settings.namespace, username, password).await?;
            }
            Ok(Self::Other(db))
        };
        opened.await.map_err(|error: surrealdb::Error| StoreError::Unavailable(Box::new(error)))
    }

    /// Runs statements.
    ///
    /// # Errors
    ///
    /// That it could not ask. What a statement says is in the results.
    pub(super) async fn query(
        &self,
        text: impl Into<Cow<'_, str>>,
        bindings: impl Bindings,
    ) -> Result<IndexedResults, surrealdb::Error> {
        let (text, variables) = (text.into(), bindings.into_variables());
        match self {
            Self::OnDisk(db) => db.query(text).bind(variables).await,
            Self::Other(db) => db.query(text).bind(variables).await,
        }
    }

    /// From here on the session is about one namespace and, if it is named, one of its databases.
    pub(super) async fn choose(&self, namespace: &str, database: Option<&str>) -> Result<(), surrealdb::Error> {
        match self {
            Self::OnDisk(db) => choose(db, namespace, database).await,
            Self::Other(db) => choose(db, namespace, database).await,
        }
    }

    /// Whether it answers.
    pub(super) async fn health(&self) -> Result<(), surrealdb::Error> {
        match self {
            Self::OnDisk(db) => db.health().await,
            Self::Other(db) => db.health().await,
        }
    }
}

/// As whom the store on a server is used: its URL says so, or the settings beside it.
fn user(settings: &StoreSettings) -> Option<(String, String)> {
    let named = || Some((settings.username.clone()?, settings.password.as_ref()?.expose_secret().to_owned()));
    credentials(&settings.url)
        .map(|(_, username, password, _)| (username.to_owned(), password.to_owned()))
        .or_else(named)
}

/// Signs in to a server: as a user of the namespace, which suffices, or as one of the whole server.
async fn sign_in(
    db: &Surreal<Any>,
    namespace: &str,
    username: String,
    password: String,
) -> Result<(), surrealdb::Error> {
    let scoped = Namespace { namespace: namespace.to_owned(), username: username.clone(), password: password.clone() };
    if db.signin(scoped).await.is_err() {
        db.signin(Root { username, password }).await?;
    }
    Ok(())
}

async fn choose<C: Connection>(
    db: &Surreal<C>,
    namespace: &str,
    database: Option<&str>,
) -> Result<(), surrealdb::Error> {
    db.use_ns(namespace).await?;
    if let Some(database) = database {
        db.use_ns(namespace).use_db(database).await?;
    }
    Ok(())
}

/// As the SDK opens it, which has no setting for memory and commits.
///
/// A process that was killed leaves a log whose last record may be torn. The engine reads up to there and goes on writing
/// behind it; when it reads the log again it takes the torn record for damage, and drops everything behind it, acknowledged
/// or not (SurrealKV 0.21.4). So what such a log says is sorted into files first, and a new log is begun (F-01).
async fn open_on_disk(url: &str, memory: DiskMemory) -> Result<Surreal<Db>, surrealdb::Error> {
    if has_log(url) {
        datastore(url, memory).await?.shutdown().await.map_err(failed)?;
    }
    let store = sorted_apart(Box::pin(datastore(url, memory))).await?;
    OPEN.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&store));
    // Nothing may be written before it is known, or written down, which version wrote the store.
    store.check_version().await.map_err(failed)?;
    store.bootstrap().await.map_err(failed)?;
    store.start_maintenance_tasks();
    Surreal::<Db>::unstable_from_datastore(store, None).await
}

/// What this process has open on disk.
static OPEN: Mutex<Vec<Weak<Datastore>>> = Mutex::new(Vec::new());

/// Closes what is open on disk in this process, which puts what was written into files.
///
/// A process that ends without it leaves that to the log, and the log may lack writes: one that does not fit any more into
/// what is kept in memory is in the old log and in the new memory, and the old log goes first (SurrealKV 0.21.4).
pub async fn close_stores() {
    let open = std::mem::take(&mut *OPEN.lock().unwrap_or_else(PoisonError::into_inner));
    for store in open.iter().filter_map(Weak::upgrade) {
        if let Err(error) = store.shutdown().await {
            tracing::warn!(error = %error, "the store was not closed as it should be");
        }
    }
}

/// Whether the last process that had the store open left a log behind: one that stopped as it should leaves none.
fn has_log(url: &str) -> bool {
    let path = url.trim_start_matches("surrealkv://");
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    let logs = std::fs::read_dir(Path::new(path).join("wal")).into_iter().flatten().flatten();
    logs.filter_map(|log| log.metadata().ok()).any(|log| log.len() > 0)
}

async fn datastore(url: &str, memory: DiskMemory) -> Result<Arc<Datastore>, surrealdb::Error> {
    let settings = ConfigMap::empty()
        .with_key_value("surrealkv_block_cache_capacity", memory.read_bytes.to_string())
        .with_key_value("surrealkv_max_memtable_size", memory.written_bytes.to_string())
        .with_key_value("surrealkv_grouped_commit_wait_threshold", COMMITS_WAITED_FOR);
    let builder = Datastore::builder().with_config(settings).without_maintenance_tasks();
    builder.build_with_path(url).await.map_err(failed)
}

/// Where an engine on disk sorts what was written into files: on the runtime it is opened in, whose threads it keeps for
/// seconds at a time (SurrealKV 0.21.4). So not on those that answer; and these give way to them: at twice of what two
/// processors can do it takes nine seconds instead of five. One puts into a file what was written last, one sorts the files.
/// There is one runtime for the process, as long as it lives: none may end within another.
static SORTING: LazyLock<io::Result<Runtime>> = LazyLock::new(|| {
    let mut threads = tokio::runtime::Builder::new_multi_thread();
    threads.worker_threads(2).thread_name("sorting").on_thread_start(threads::give_way).enable_all().build()
});

/// Opens an engine here, since somebody waits for it, so that the tasks it leaves behind are carried out there.
async fn sorted_apart<T>(opening: impl Future<Output = Result<T, surrealdb::Error>>) -> Result<T, surrealdb::Error> {
    let (sorting, mut opening) = (SORTING.as_ref().map_err(failed)?, pin!(opening));
    poll_fn(|context| {
        let _there = sorting.enter();
        opening.as_mut().poll(context)
    })
    .await
}

fn failed(error: impl std::fmt::Display) -> surrealdb::Error {
    surrealdb::Error::internal(error.to_string())
}

/// What gives parameters their values: nothing, one with its name, or all of them.
pub(super) trait Bindings {
    fn into_variables(self) -> Variables;
}

impl<V: SurrealValue> Bindings for (&'static str, V) {
    fn into_variables(self) -> Variables {
        let mut variables = Variables::new();
        variables.insert(self.0, self.1);
        variables
    }
}

impl Bindings for () {
    fn into_variables(self) -> Variables {
        Variables::new()
    }
}

impl Bindings for Variables {
    fn into_variables(self) -> Variables {
        self
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::time::Duration;

    use super::*;

    /// How nice the threads that sort are, and for how many nanoseconds they have had a processor.
    fn sorting() -> (Vec<i32>, u64) {
        let (mut nice, mut time) = (Vec::new(), 0);
        for thread in std::fs::read_dir("/proc/self/task").expect("threads").flatten() {
            let said = |file: &str| std::fs::read_to_string(thread.path().join(file)).unwrap_or_default();
            let stat = said("stat");
            if let Some((_, fields)) = stat.split_once("(sorting) ") {
                nice.extend(fields.split(' ').nth(16).map(|nice| nice.parse::<i32>().expect("a number")));
                let ran = said("schedstat").split(' ').next().map_or(0, |time| time.parse().expect("a number"));
                time += ran;
            }
        }
        (nice, time)
    }

    #[tokio::test]
    async fn o02_what_was_written_is_sorted_by_threads_that_give_way() {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = StoreSettings {
            url: format!("surrealkv://{}/store", folder.path().display()),
            namespace: "test".to_owned(),
            username: None,
            password: None,
            memory: DiskMemory { read_bytes: 1 << 20, written_bytes: 1 << 20 },
        };
        let engine = Engine::open(&settings).await.expect("opens");
        engine.choose("test", Some("test")).await.expect("chosen");
        let (_, before) = sorting();
        for _ in 0..40 {
            let text = ("text", "x".repeat(100_000));
            engine.query("CREATE note SET text = $text", text).await.expect("asked").check().expect("created");
        }
        let mut waited = 0;
        while sorting().1 < before + 1_000_000 {
            waited += 1;
            assert!(waited < 1_000, "nothing is sorted");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let (nice, _) = sorting();
        assert!(nice.len() >= 2 && nice.iter().all(|nice| *nice == 10), "{nice:?}");
    }
}
