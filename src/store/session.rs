//! A session of the engine that is bound to one database, and what is asked through it.

use std::borrow::Cow;
use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};

use surrealdb::IndexedResults;
use surrealdb::types::Variables;
use tracing::Instrument as _;

use super::engine::{Bindings, Engine};
use super::reach::Reach;
use super::{DatabaseName, StoreError};
use crate::telemetry::TRACE;

/// A session bound to one database, which is made if it is not there. It outlives the connection it was made on.
pub(super) struct DatabaseSession {
    database: DatabaseName,
    reach: Arc<Reach>,
    bound: RwLock<Bond>,
}

/// A session of a connection.
struct Bond {
    connection: Arc<Engine>,
    engine: Arc<Engine>,
}

impl Bond {
    async fn make(reach: &Reach, database: DatabaseName) -> Result<Self, StoreError> {
        let (connection, namespace, database) = (reach.connection(), reach.namespace(), database.to_string());
        let engine = Engine::clone(&connection);
        engine.choose(namespace, None).await?;
        engine.query(format!("DEFINE DATABASE IF NOT EXISTS {database}"), ()).await?.check()?;
        engine.choose(namespace, Some(&database)).await?;
        Ok(Self { connection, engine: Arc::new(engine) })
    }
}

impl DatabaseSession {
    /// Binds a session to a database.
    ///
    /// # Errors
    ///
    /// What the engine says.
    pub(super) async fn open(reach: &Arc<Reach>, database: DatabaseName) -> Result<Self, StoreError> {
        let bound = RwLock::new(Bond::make(reach, database).await?);
        Ok(Self { database, reach: reach.clone(), bound })
    }

    /// The session, on the connection that is in use now.
    ///
    /// # Errors
    ///
    /// As [`DatabaseSession::open`], if it has to be made anew.
    pub(super) async fn engine(&self) -> Result<Arc<Engine>, StoreError> {
        {
            let bound = self.bound.read().unwrap_or_else(PoisonError::into_inner);
            if self.reach.uses(&bound.connection) {
                return Ok(bound.engine.clone());
            }
        }
        let made = Bond::make(&self.reach, self.database).await?;
        let engine = made.engine.clone();
        *self.bound.write().unwrap_or_else(PoisonError::into_inner) = made;
        Ok(engine)
    }

    /// A query, which is asked when it is awaited.
    pub(super) fn query<'c>(&'c self, text: impl Into<Cow<'c, str>>) -> Asking<'c> {
        Asking { session: self, text: text.into(), variables: Variables::new(), is_write: false }
    }
}

/// A query on its way.
pub(super) struct Asking<'c> {
    session: &'c DatabaseSession,
    text: Cow<'c, str>,
    variables: Variables,
    is_write: bool,
}

impl Asking<'_> {
    /// It may take as long as a write.
    pub(super) fn patiently(self) -> Self {
        Self { is_write: true, ..self }
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
        let Self { session, text, variables, is_write } = self;
        let trace =
            tracing::info_span!(target: TRACE, "store.query", otel.kind = "client", db.system.name = "surrealdb");
        let asking = async move {
            let asking = async { session.engine().await?.query(text, variables).await.map_err(StoreError::from) };
            if is_write { session.reach.run_patiently(asking).await } else { session.reach.run(asking).await }
        };
        Box::pin(asking.instrument(trace))
    }
}
