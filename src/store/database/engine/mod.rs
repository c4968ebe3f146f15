//! The engines that the store runs on, and sessions of them.
//!
//! `surrealkv://` is SurrealKV in this process, through our own adapter: [`datastore`] opens it, [`transaction`] and [`cursor`]
//! are what SurrealDB asks of it, [`disk`] says where it is and closes it, [`layout`] tells what a folder holds before anything
//! opens it, and [`conversion`] converts a copy of what an earlier version wrote. Every other URL is opened by the SDK.

#[cfg(test)]
mod conformance;
mod conversion;
mod cursor;
mod datastore;
mod disk;
mod layout;
mod transaction;
mod write_health;

use std::borrow::Cow;

use secrecy::ExposeSecret;
use surrealdb::engine::any::{Any, connect};
use surrealdb::engine::local::Db;
use surrealdb::opt::auth::{Namespace, Root};
use surrealdb::types::{SurrealValue, Variables};
use surrealdb::{Connection, IndexedResults, Surreal};

pub use conversion::{Conversion, ConversionError, DamagedLog, Started};
pub use datastore::engine_stop_reason;
pub use disk::{DiskLocation, DiskMemory, close_stores};
pub(in crate::store) use write_health::write_fails;

use crate::store::address::{credentials, without_credentials};
use crate::store::{StoreError, StoreSettings};

/// A session of an engine; clones are sessions of their own.
#[derive(Clone)]
pub(in crate::store) enum Engine {
    OnDisk(Surreal<Db>),
    Other(Surreal<Any>),
}

impl Engine {
    /// Opens the store, and signs in to it if it is on a server.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when it cannot be opened or does not let us in.
    pub(in crate::store) async fn open(settings: &StoreSettings) -> Result<Self, StoreError> {
        if let Some(location) =
            DiskLocation::parse(&settings.url).map_err(|text| StoreError::Unavailable(text.into()))?
        {
            return Ok(Self::OnDisk(Box::pin(disk::open(&location, settings.memory)).await?));
        }
        let opened = async {
            let db = connect(without_credentials(&settings.url)).await?;
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
    /// The engine could not be asked. Errors of statements are in the results.
    pub(in crate::store) async fn query(
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
    pub(in crate::store) async fn choose(
        &self,
        namespace: &str,
        database: Option<&str>,
    ) -> Result<(), surrealdb::Error> {
        match self {
            Self::OnDisk(db) => choose(db, namespace, database).await,
            Self::Other(db) => choose(db, namespace, database).await,
        }
    }

    /// Whether it answers.
    pub(in crate::store) async fn health(&self) -> Result<(), surrealdb::Error> {
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

/// Values of parameters: none, one with its name, or all of them.
pub(in crate::store) trait Bindings {
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

/// The engine on disk in a folder, for tests that damage its keys.
#[cfg(test)]
pub(in crate::store) async fn open_engine(folder: &std::path::Path) -> datastore::DiskEngine {
    let memory = DiskMemory { read_bytes: 1 << 20, written_bytes: 1 << 20 };
    datastore::DiskEngine::open(folder, disk::CommitSync::Never, memory).await.expect("opens")
}
