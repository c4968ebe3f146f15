//! The one place that builds everything: settings → store → service → router → listener.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;

use crate::api::{self, Api, server};
use crate::clock::{Clock, Entropy};
use crate::config::{Config, ConfigError};
use crate::service::Service;
use crate::store::{Store, StoreError};

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The store.
    #[error("the store {url} cannot be opened: {cause}")]
    Store {
        /// Which, without credentials.
        url: String,
        /// Why, and what to do.
        cause: String,
    },
    /// The address.
    #[error("cannot listen on {address}: {cause}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        cause: std::io::Error,
    },
}

/// Opens the store, brings it up to date, and puts the service over it.
///
/// # Errors
///
/// [`StartError`] saying what is wrong and, where it is known, what to do.
pub async fn open(config: &Config) -> Result<Arc<Service>, StartError> {
    let settings = config.store_settings()?;
    let store = Store::connect(&settings).await.map_err(|error| store_error(&config.store.url, &error))?;
    Ok(Arc::new(service(store, config, Arc::new(Clock::default()))))
}

/// The service over an open store.
pub fn service(store: Store, config: &Config, clock: Arc<Clock>) -> Service {
    Service::new(store, clock, Arc::new(Entropy::default()), config.service_limits())
}

fn store_error(url: &str, error: &StoreError) -> StartError {
    let url = url.rsplit_once('@').map_or(url, |(_, host)| host).to_owned();
    let reason = match error {
        StoreError::Unavailable(cause) => cause.to_string(),
        other => other.to_string(),
    };
    let advice = if url.starts_with("surrealkv://") || url.starts_with("rocksdb://") {
        "\nA store on disk is open in one process at a time: is a server running on it? Then stop it, or use its API."
    } else if url.starts_with("mem://") {
        ""
    } else {
        "\nIs the SurrealDB server running, and are store.username and store.password_file right?"
    };
    StartError::Store { url, cause: format!("{reason}{advice}") }
}

/// A server that listens but does not serve yet.
pub struct Listening {
    listener: TcpListener,
    router: axum::Router,
    settings: server::ServerSettings,
    /// The origin clients use.
    pub public_url: String,
    /// Where it listens.
    pub address: SocketAddr,
}

/// Listens.
///
/// # Errors
///
/// [`StartError::Listen`] when the address cannot be taken.
pub async fn listen(config: &Config, service: Arc<Service>) -> Result<Listening, StartError> {
    let address = config.server.listen;
    let listening = async {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    let (listener, address) = listening.await.map_err(|cause| StartError::Listen { address, cause })?;
    let settings = Arc::new(config.api_settings(address));
    let public_url = settings.public_url.clone();
    let router = api::router(Api { service, rates: Arc::new(config.directory_rates()), settings });
    Ok(Listening { listener, router, settings: config.server_settings(), public_url, address })
}

impl Listening {
    /// Serves until `stop` resolves, then lets requests finish.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        server::serve(self.listener, self.router, self.settings, stop).await;
    }
}
