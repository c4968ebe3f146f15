//! Whether a store on a server can be reached. The SDK queues what is asked while it reconnects, for as long as that
//! takes: here nothing waits longer than its patience, and nothing waits at all while the store is known to be away.

use std::borrow::Cow;
use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use surrealdb::IndexedResults;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tracing::Instrument as _;

use super::StoreError;
use super::engine::{Bindings, Engine, EngineQuery};
use crate::telemetry::TRACE;

/// How long a query may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a write may take: it may have much to write, and whoever gives up on it does not know what came of it.
const PATIENCE_WITH_WRITES: Duration = Duration::from_secs(25);
/// How long a query may take until it is looked whether anything listens where the server was, and how long that may take.
const QUIET: Duration = Duration::from_millis(400);
/// How long it may take until the store is asked whether it still answers at all, and how long that may take.
const SILENT: Duration = Duration::from_secs(1);
const ANSWERS_WITHIN: Duration = Duration::from_secs(1);
/// How often a store that is away is looked for, and how long it may take to answer.
const LOOKED_FOR_EVERY: Duration = Duration::from_millis(250);

/// Whether the store answers, as far as this process knows.
pub(super) struct Reach {
    db: Engine,
    /// Host and port, if it is on a server; one in this process is always there.
    server: Option<String>,
    away: AtomicBool,
    returns: Notify,
}

impl Reach {
    /// `url`: where the store is, without credentials.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] for the URL of a server that names no host.
    pub(super) fn new(db: Engine, url: &str) -> Result<Arc<Self>, StoreError> {
        Ok(Arc::new(Self { db, server: server_of(url)?, away: AtomicBool::new(false), returns: Notify::new() }))
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

    async fn run_within<T, E: Into<StoreError>>(
        self: &Arc<Self>,
        patience: Duration,
        asking: impl Future<Output = Result<T, E>>,
    ) -> Result<T, StoreError> {
        let Some(server) = &self.server else { return asking.await.map_err(Into::into) };
        if self.away.load(Ordering::Acquire) {
            return Err(away("it is away"));
        }
        tokio::select! {
            biased;
            outcome = asking => {
                let outcome = outcome.map_err(Into::into);
                if matches!(outcome, Err(StoreError::Unavailable(_))) {
                    self.look_for();
                }
                outcome
            }
            () = vanishes(server) => {
                self.look_for();
                Err(away("nothing listens there"))
            }
            () = self.falls_silent() => {
                self.look_for();
                Err(away("it does not answer"))
            }
            // It is there, and this is too much for it: that concerns nobody else.
            () = tokio::time::sleep(patience) => Err(away("it takes too long")),
        }
    }

    /// Ends when the store does not even say that it is there.
    async fn falls_silent(&self) {
        loop {
            tokio::time::sleep(SILENT).await;
            if !matches!(tokio::time::timeout(ANSWERS_WITHIN, self.db.health()).await, Ok(Ok(()))) {
                return;
            }
        }
    }

    /// Waits a moment for a store that is away; whether it is there.
    pub(super) async fn returns_within(&self, patience: Duration) -> bool {
        let returned = self.returns.notified();
        if !self.away.load(Ordering::Acquire) {
            return true;
        }
        tokio::time::timeout(patience, returned).await.is_ok()
    }

    /// From now on it is away, until it answers.
    fn look_for(self: &Arc<Self>) {
        if self.away.swap(true, Ordering::AcqRel) {
            return;
        }
        metrics::gauge!("rollcall_store_away").set(1.0);
        tracing::warn!("the store does not answer: requests are refused until it does");
        let reach = self.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(LOOKED_FOR_EVERY).await;
                if matches!(tokio::time::timeout(LOOKED_FOR_EVERY, reach.db.health()).await, Ok(Ok(()))) {
                    break;
                }
            }
            reach.away.store(false, Ordering::Release);
            reach.returns.notify_waiters();
            metrics::gauge!("rollcall_store_away").set(0.0);
            tracing::info!("the store answers again");
        });
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

/// Host and port in the URL of a server; none for a store in this process.
fn server_of(url: &str) -> Result<Option<String>, StoreError> {
    if !url.starts_with("ws://") && !url.starts_with("wss://") {
        return Ok(None);
    }
    let parsed = reqwest::Url::parse(url).ok();
    let named = parsed.and_then(|url| Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?)));
    named.map(Some).ok_or_else(|| StoreError::Unavailable("store.url names no host".into()))
}

fn away(why: &str) -> StoreError {
    StoreError::Unavailable(why.into())
}

/// A query on its way.
pub(super) struct Asking<'c> {
    query: EngineQuery<'c>,
    reach: &'c Arc<Reach>,
    is_write: bool,
}

impl<'c> Asking<'c> {
    pub(super) fn new(query: EngineQuery<'c>, reach: &'c Arc<Reach>) -> Self {
        Self { query, reach, is_write: false }
    }

    /// It may take as long as a write.
    pub(super) fn patiently(self) -> Self {
        Self { is_write: true, ..self }
    }

    /// Adds statements.
    pub(super) fn query(self, text: impl Into<Cow<'c, str>>) -> Self {
        Self { query: self.query.query(text), ..self }
    }

    /// Gives parameters their values.
    pub(super) fn bind(self, bindings: impl Bindings) -> Self {
        Self { query: self.query.bind(bindings), ..self }
    }
}

impl<'c> IntoFuture for Asking<'c> {
    type Output = Result<IndexedResults, StoreError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'c>>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { query, reach, is_write } = self;
        let trace =
            tracing::info_span!(target: TRACE, "store.query", otel.kind = "client", db.system.name = "surrealdb");
        let asking = async move {
            if is_write { reach.run_patiently(query.into_future()).await } else { reach.run(query.into_future()).await }
        };
        Box::pin(asking.instrument(trace))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_where_its_url_says() {
        for (url, server) in [
            ("ws://db:8000", Some("db:8000")),
            ("wss://db.example/rpc", Some("db.example:443")),
            ("ws://[::1]:8000", Some("[::1]:8000")),
            ("mem://", None),
            ("surrealkv://data/x?sync=every", None),
            ("rocksdb://x", None),
        ] {
            assert_eq!(server_of(url).expect("a server or none").as_deref(), server, "{url}");
        }
        assert!(server_of("ws://").is_err(), "never taken for a store in this process");
    }
}
