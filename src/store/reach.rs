//! Whether a store on a server can be reached. The SDK queues what is asked while it reconnects, for as long as that
//! takes: here nothing waits longer than its patience, and nothing waits at all while the store is known to be away.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::address::{server_of, without_credentials};
use super::database::engine::{DiskLocation, Engine, write_fails};
use super::session::DatabaseSession;
use super::{StoreError, StoreSettings};

/// How long a query may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// How long a write may take: it may have much to write, and whoever gives up on it does not know what came of it.
pub(super) const PATIENCE_WITH_WRITES: Duration = Duration::from_secs(25);
/// How long a query of an operator's command may take that reads a whole table, or rebuilds an index.
pub(super) const PATIENCE_OF_OPERATORS: Duration = Duration::from_secs(3_600);
/// How long a query may take until it is looked whether anything listens where the server was, and how long that may take.
const QUIET: Duration = Duration::from_millis(400);
/// How long it may take until the store is asked whether it still answers at all, and how long that may take.
const SILENT: Duration = Duration::from_secs(1);
const ANSWERS_WITHIN: Duration = Duration::from_secs(1);
/// How often a store that is away is looked for, and how long it may take to answer.
const LOOKED_FOR_EVERY: Duration = Duration::from_millis(250);

/// How often one that is away is connected to anew, beside the connection there is, and how long that may take. The SDK
/// keeps a connection that is acknowledged and never answered: a firewall that was restarted makes such.
const CONNECTED_EVERY: Duration = Duration::from_secs(2);
const CONNECTS_WITHIN: Duration = Duration::from_secs(5);

/// The condition of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Nothing speaks against it.
    Good,
    /// The latest write failed: its disk is full, or fails.
    NotWritable,
    /// It does not answer.
    Away,
}

/// The connection to the store, and whether it answers, as far as this process knows.
pub(super) struct Reach {
    settings: StoreSettings,
    connection: RwLock<Arc<Engine>>,
    /// Those that are on it.
    sessions: Mutex<Vec<Weak<DatabaseSession>>>,
    /// Host and port, if it is on a server; one in this process is always there.
    server: Option<String>,
    away: AtomicBool,
    returns: Notify,
}

impl Reach {
    /// Opens the store; its namespace is made if it is not there.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when it cannot be opened, and for the URL of a server that names no host.
    pub(super) async fn connect(settings: &StoreSettings) -> Result<Arc<Self>, StoreError> {
        let server = server_of(&without_credentials(&settings.url))?;
        let connection = Engine::open(settings).await?;
        // A user of the namespace may not define it; then it is there already.
        let namespace = settings.namespace.replace('`', "");
        let _ = connection.query(format!("DEFINE NAMESPACE IF NOT EXISTS `{namespace}`"), ()).await;
        Ok(Arc::new(Self {
            settings: settings.clone(),
            connection: RwLock::new(Arc::new(connection)),
            sessions: Mutex::default(),
            server,
            away: AtomicBool::new(false),
            returns: Notify::new(),
        }))
    }

    /// The connection in use.
    pub(super) fn connection(&self) -> Arc<Engine> {
        self.connection.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The condition of the store, without asking it.
    pub(super) fn condition(&self) -> Condition {
        if self.away.load(Ordering::Acquire) {
            return Condition::Away;
        }
        let location = DiskLocation::parse(&self.settings.url).ok().flatten();
        if location.is_some_and(|location| write_fails(&location.folder)) {
            return Condition::NotWritable;
        }
        Condition::Good
    }

    /// Whether this is the connection in use.
    pub(super) fn uses(&self, connection: &Arc<Engine>) -> bool {
        !self.is_remote() || Arc::ptr_eq(connection, &self.connection.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn sessions(&self) -> MutexGuard<'_, Vec<Weak<DatabaseSession>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A session leaves the connection when that is replaced.
    pub(super) fn remember(&self, session: &Arc<DatabaseSession>) {
        let mut sessions = self.sessions();
        sessions.retain(|known| known.strong_count() > 0);
        sessions.push(Arc::downgrade(session));
    }

    /// The namespace that is ours.
    pub(super) fn namespace(&self) -> &str {
        &self.settings.namespace
    }

    /// Whether the store is on a server that others may use too.
    pub(super) fn is_remote(&self) -> bool {
        self.server.is_some()
    }

    /// Runs what asks the store.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] at once while the store is away, and when it does not answer in time.
    pub(super) async fn run<T, E: Into<StoreError>>(
        self: &Arc<Self>,
        asking: impl Future<Output = Result<T, E>>,
    ) -> Result<T, StoreError> {
        self.run_within(PATIENCE, asking).await
    }

    /// Runs what may take as long as a write.
    ///
    /// # Errors
    ///
    /// As [`Reach::run`].
    pub(super) async fn run_patiently<T, E: Into<StoreError>>(
        self: &Arc<Self>,
        asking: impl Future<Output = Result<T, E>>,
    ) -> Result<T, StoreError> {
        self.run_within(PATIENCE_WITH_WRITES, asking).await
    }

    pub(super) async fn run_within<T, E: Into<StoreError>>(
        self: &Arc<Self>,
        patience: Duration,
        asking: impl Future<Output = Result<T, E>>,
    ) -> Result<T, StoreError> {
        let Some(server) = &self.server else { return asking.await.map_err(Into::into) };
        let connection = self.connection();
        if self.away.load(Ordering::Acquire) {
            return Err(away("it is away"));
        }
        tokio::select! {
            biased;
            outcome = asking => {
                let outcome = outcome.map_err(Into::into);
                if matches!(outcome, Err(StoreError::Unavailable(_))) {
                    self.look_for(&connection);
                }
                outcome
            }
            () = vanishes(server) => {
                self.look_for(&connection);
                Err(away("nothing listens there"))
            }
            () = falls_silent(&connection) => {
                self.look_for(&connection);
                Err(away("it does not answer"))
            }
            // It is there, and this is too much for it: that concerns nobody else.
            () = tokio::time::sleep(patience) => Err(away("it takes too long")),
        }
    }

    /// Asks it whether it answers.
    ///
    /// # Errors
    ///
    /// As [`Reach::run`].
    pub(super) async fn ping(self: &Arc<Self>) -> Result<(), StoreError> {
        let connection = self.connection();
        self.run(connection.health()).await.map_err(|error| StoreError::Unavailable(Box::new(error)))
    }

    /// Waits a moment for a store that is away; whether it is there.
    pub(super) async fn returns_within(&self, patience: Duration) -> bool {
        let returned = self.returns.notified();
        if !self.away.load(Ordering::Acquire) {
            return true;
        }
        tokio::time::timeout(patience, returned).await.is_ok()
    }

    /// From now on it is away, until it answers: on the connection that just failed, or on another.
    fn look_for(self: &Arc<Self>, connection: &Arc<Engine>) {
        if !self.uses(connection) || self.away.swap(true, Ordering::AcqRel) {
            return;
        }
        metrics::gauge!("rollcall_store_away").set(1.0);
        tracing::warn!("the store does not answer: requests are refused until it does");
        let reach = self.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = reach.answers_again() => {}
                () = reach.connects_anew() => {}
            }
            reach.away.store(false, Ordering::Release);
            reach.returns.notify_waiters();
            metrics::gauge!("rollcall_store_away").set(0.0);
            tracing::info!("the store answers again");
        });
    }

    /// Ends when the connection in use answers.
    async fn answers_again(&self) {
        loop {
            tokio::time::sleep(LOOKED_FOR_EVERY).await;
            if answers(&self.connection(), LOOKED_FOR_EVERY).await {
                return;
            }
        }
    }

    /// Ends when another connection has become the one in use. Sessions leave the one before, and are made anew when they are
    /// next used; the SDK closes a connection that nobody uses.
    async fn connects_anew(&self) {
        loop {
            tokio::time::sleep(CONNECTED_EVERY).await;
            if let Ok(Ok(engine)) = tokio::time::timeout(CONNECTS_WITHIN, Engine::open(&self.settings)).await {
                *self.connection.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(engine);
                let sessions: Vec<Weak<DatabaseSession>> = self.sessions().clone();
                sessions.iter().filter_map(Weak::upgrade).for_each(|session| session.leave());
                return;
            }
        }
    }
}

/// Whether a connection answers in time.
async fn answers(connection: &Engine, within: Duration) -> bool {
    matches!(tokio::time::timeout(within, connection.health()).await, Ok(Ok(())))
}

/// Ends when the store does not even say that it is there.
async fn falls_silent(connection: &Engine) {
    loop {
        tokio::time::sleep(SILENT).await;
        if !answers(connection, ANSWERS_WITHIN).await {
            return;
        }
    }
}

/// Ends when nobody can connect to the server: its connection broke, and the SDK waits for another. One attempt that comes to
/// nothing may be a packet that was lost; a refusal is none.
async fn vanishes(server: &str) {
    let mut lost = 0;
    while lost < 2 {
        tokio::time::sleep(QUIET).await;
        match tokio::time::timeout(QUIET, TcpStream::connect(server)).await {
            Ok(Ok(_)) => lost = 0,
            Ok(Err(_)) => return,
            Err(_) => lost += 1,
        }
    }
}

fn away(why: &str) -> StoreError {
    StoreError::Unavailable(why.into())
}
