//! A session of the engine that is bound to one database, and what is asked through it.

use std::borrow::Cow;
use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use surrealdb::IndexedResults;
use surrealdb::types::Variables;
use tokio::sync::Mutex;
use tracing::Instrument as _;

use super::database::engine::{Bindings, Engine};
use super::reach::{PATIENCE, PATIENCE_OF_OPERATORS, PATIENCE_WITH_WRITES, Reach};
use super::{DatabaseName, StoreError};
use crate::telemetry::TRACE;

/// A session bound to one database, which is made if it is not there. It outlives the connection it was made on.
pub(super) struct DatabaseSession {
    database: DatabaseName,
    reach: Arc<Reach>,
    /// The session on the connection in use; none until it is needed.
    bound: RwLock<Option<Arc<Engine>>>,
    /// Held by whoever makes it.
    making: Mutex<()>,
}

impl DatabaseSession {
    /// Binds a session to a database.
    ///
    /// # Errors
    ///
    /// What the engine says.
    pub(super) async fn open(reach: &Arc<Reach>, database: DatabaseName) -> Result<Arc<Self>, StoreError> {
        let (bound, making) = (RwLock::default(), Mutex::default());
        let session = Arc::new(Self { database, reach: reach.clone(), bound, making });
        reach.remember(&session);
        session.engine().await?;
        Ok(session)
    }

    /// The session, on the connection that is in use now.
    ///
    /// # Errors
    ///
    /// As [`DatabaseSession::open`], if it has to be made anew.
    pub(super) async fn engine(&self) -> Result<Arc<Engine>, StoreError> {
        if let Some(engine) = self.bound() {
            return Ok(engine);
        }
        let _making = self.making.lock().await;
        if let Some(engine) = self.bound() {
            return Ok(engine);
        }
        let connection = self.reach.connection();
        let engine = Arc::new(bind(&connection, self.reach.namespace(), self.database).await?);
        let mut bound = self.bound.write().unwrap_or_else(PoisonError::into_inner);
        // If it was replaced meanwhile this is the last use of it.
        *bound = self.reach.uses(&connection).then(|| engine.clone());
        Ok(engine)
    }

    fn bound(&self) -> Option<Arc<Engine>> {
        self.bound.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Leaves the connection it is on.
    pub(super) fn leave(&self) {
        *self.bound.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// A query, which is asked when it is awaited.
    pub(super) fn query<'c>(&'c self, text: impl Into<Cow<'c, str>>) -> Asking<'c> {
        Asking { session: self, text: text.into(), variables: Variables::new(), patience: PATIENCE }
    }
}

async fn bind(connection: &Engine, namespace: &str, database: DatabaseName) -> Result<Engine, surrealdb::Error> {
    let (engine, database) = (connection.clone(), database.to_string());
    engine.choose(namespace, None).await?;
    engine.query(format!("DEFINE DATABASE IF NOT EXISTS {database}"), ()).await?.check()?;
    engine.choose(namespace, Some(&database)).await?;
    Ok(engine)
}

/// A query on its way.
pub(super) struct Asking<'c> {
    session: &'c DatabaseSession,
    text: Cow<'c, str>,
    variables: Variables,
    patience: Duration,
}

impl Asking<'_> {
    /// It may take as long as a write.
    pub(super) fn patiently(self) -> Self {
        Self { patience: PATIENCE_WITH_WRITES, ..self }
    }

    /// It may take as long as an operator's command that reads or rebuilds everything.
    pub(super) fn unhurried(self) -> Self {
        Self { patience: PATIENCE_OF_OPERATORS, ..self }
    }

    /// Adds statements.
    pub(super) fn query(mut self, text: &str) -> Self {
        let all = self.text.to_mut();
        all.push_str("; ");
        all.push_str(text);
        self
    }

    /// Gives parameters their values.
    pub(super) fn bind(mut self, bindings: impl Bindings) -> Self {
        self.variables.extend(bindings.into_variables());
        self
    }
}

impl<'c> IntoFuture for Asking<'c> {
    type Output = Result<IndexedResults, StoreError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'c>>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { session, text, variables, patience } = self;
        let trace =
            tracing::info_span!(target: TRACE, "store.query", otel.kind = "client", db.system.name = "surrealdb");
        let asking = async move {
            let asking = async { session.engine().await?.query(text, variables).await.map_err(StoreError::from) };
            session.reach.run_within(patience, asking).await
        };
        Box::pin(asking.instrument(trace))
    }
}
