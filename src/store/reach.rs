//! Whether a store on a server can be reached. The SDK queues what is asked while it reconnects, for as long as that
//! takes: here nothing waits longer than its patience, and nothing waits at all while the store is known to be away.

use std::borrow::Cow;
use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use surrealdb::engine::any::Any;
use surrealdb::method::Query as EngineQuery;
use surrealdb::types::{SurrealValue, Variables};
use surrealdb::{IndexedResults, Surreal};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::StoreError;

/// How long a query may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a query may take until it is looked whether anything listens where the server was, and how long that may take.
const QUIET: Duration = Duration::from_millis(400);
/// How often a store that is away is looked for, and how long it may take to answer.
const LOOKED_FOR_EVERY: Duration = Duration::from_millis(250);

/// Whether the store answers, as far as this process knows.
pub(super) struct Reach {
    db: Surreal<Any>,
    /// Host and port, if it is on a server; one in this process is always there.
    server: Option<String>,
    away: AtomicBool,
    returns: Notify,
}

impl Reach {
    /// `url`: where the store is, as in the settings.
    pub(super) fn new(db: Surreal<Any>, url: &str) -> Arc<Self> {
        Arc::new(Self { db, server: server_of(url), away: AtomicBool::new(false), returns: Notify::new() })
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
    pub(super) async fn run<T>(
        self: &Arc<Self>,
        asking: impl Future<Output = Result<T, surrealdb::Error>>,
    ) -> Result<T, StoreError> {
        let Some(server) = &self.server else { return Ok(asking.await?) };
        if self.away.load(Ordering::Acquire) {
            return Err(away("it is away"));
        }
        let outcome = tokio::select! {
            biased;
            outcome = asking => outcome.map_err(StoreError::from),
            () = vanishes(server) => Err(away("nothing listens there")),
            () = tokio::time::sleep(PATIENCE) => Err(away("it does not answer")),
        };
        if matches!(outcome, Err(StoreError::Unavailable(_))) {
            self.look_for();
        }
        outcome
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
            tracing::info!("the store answers again");
        });
    }
}

/// Ends when nobody can connect to the server: its connection broke, and the SDK waits for another.
async fn vanishes(server: &str) {
    loop {
        tokio::time::sleep(QUIET).await;
        if !matches!(tokio::time::timeout(QUIET, TcpStream::connect(server)).await, Ok(Ok(_))) {
            return;
        }
    }
}

/// Host and port in the URL of a server; none for a store in this process.
fn server_of(url: &str) -> Option<String> {
    let url = reqwest::Url::parse(url).ok().filter(|url| matches!(url.scheme(), "ws" | "wss"))?;
    Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?))
}

fn away(why: &str) -> StoreError {
    StoreError::Unavailable(why.into())
}

/// A query on its way.
pub(super) struct Asking<'c> {
    query: EngineQuery<'c, Any>,
    reach: &'c Arc<Reach>,
}

impl<'c> Asking<'c> {
    pub(super) fn new(query: EngineQuery<'c, Any>, reach: &'c Arc<Reach>) -> Self {
        Self { query, reach }
    }

    /// Adds statements.
    pub(super) fn query(self, text: impl Into<Cow<'c, str>>) -> Self {
        Self { query: self.query.query(text), ..self }
    }

    /// Gives parameters their values.
    pub(super) fn bind(self, bindings: impl Bindings) -> Self {
        Self { query: bindings.bind_to(self.query), ..self }
    }
}

/// What gives parameters their values: one with its name, or all of them.
pub(super) trait Bindings {
    fn bind_to(self, query: EngineQuery<'_, Any>) -> EngineQuery<'_, Any>;
}

impl<V: SurrealValue> Bindings for (&'static str, V) {
    fn bind_to(self, query: EngineQuery<'_, Any>) -> EngineQuery<'_, Any> {
        query.bind(self)
    }
}

impl Bindings for Variables {
    fn bind_to(self, query: EngineQuery<'_, Any>) -> EngineQuery<'_, Any> {
        query.bind(self)
    }
}

impl<'c> IntoFuture for Asking<'c> {
    type Output = Result<IndexedResults, StoreError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'c>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.reach.run(self.query.into_future()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_where_its_url_says() {
        assert_eq!(server_of("ws://db:8000").as_deref(), Some("db:8000"));
        assert_eq!(server_of("wss://user@db.example/rpc").as_deref(), Some("db.example:443"));
        assert_eq!(server_of("ws://[::1]:8000").as_deref(), Some("[::1]:8000"));
        for local in ["mem://", "surrealkv://data/x?sync=every", "rocksdb://x"] {
            assert_eq!(server_of(local), None, "{local}");
        }
    }
}
