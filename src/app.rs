//! The one place that builds everything: settings → store → service → router → listener.

mod opening;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio::net::TcpListener;

use crate::api::graphql::Graphql;
use crate::api::{self, Admission, Api, DirectoryRates, PublicRates, server};
use crate::clock::{Clock, Entropy};
use crate::config::{Config, ConfigError};
use crate::domain::Error;
use crate::mail::Mailer;
use crate::secrets;
use crate::service::{Foundation, Service};
/// Converting a store on disk that an earlier version wrote, for the command line.
pub use crate::store::{Conversion, ConversionError, DamagedLog, DiskLocation, Started};
pub use opening::MissingStore;

use crate::store::Store;
use crate::telemetry;

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// What seals what the store must not read.
    #[error("{0}")]
    Keys(String),
    /// The store.
    #[error("the store {url} cannot be opened: {cause}")]
    Store {
        /// Which, without credentials.
        url: String,
        /// Why, and what to do.
        cause: String,
    },
    /// There is no store, and none is to be made.
    #[error("{0}")]
    NoStore(String),
    /// The address.
    #[error("cannot listen on {address}: {cause}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        cause: std::io::Error,
    },
}

/// Opens the store, brings it up to date, and puts the service over it, for a command that does not listen.
///
/// # Errors
///
/// [`StartError`] saying what is wrong and, where it is known, what to do.
pub async fn open(config: &Config, missing: MissingStore) -> Result<Arc<Service>, StartError> {
    open_at(config, missing, config.public_url(config.server.listen)).await
}

async fn open_at(config: &Config, missing: MissingStore, public_url: String) -> Result<Arc<Service>, StartError> {
    crate::crypto::choose_tls_backend();
    let settings = config.store_settings()?;
    // Before the key file is made: a folder that is refused is left as it is.
    opening::check(config, missing)?;
    let sealer = secrets::sealer(config)?;
    let opened = Store::connect(&settings).await;
    let store = opened.map_err(|error| opening::store_error(&config.store.url, &error))?;
    let foundation =
        Foundation { store, clock: Arc::new(Clock::default()), entropy: Arc::new(Entropy::default()), sealer };
    service(foundation, config, public_url).await
}

/// Closes the stores on disk that this process has open; to be waited for before it ends.
pub async fn close_stores() {
    crate::store::close_stores().await;
}

/// Returns the fatal error of a store on disk, if there is one: nothing can be written until that store is opened again.
pub fn engine_stop_reason() -> Option<String> {
    crate::store::engine_stop_reason()
}

/// The service on an open store.
///
/// # Errors
///
/// [`StartError::Keys`] when what is sealed cannot be opened.
pub async fn service(foundation: Foundation, config: &Config, public_url: String) -> Result<Arc<Service>, StartError> {
    let service = Service::new(foundation, config.service_limits(), config.sign_in_settings(public_url));
    service.prepare().await.map_err(|error| match error {
        Error::Internal(cause) => StartError::Keys(cause.to_string()),
        other => StartError::Keys(other.to_string()),
    })?;
    Ok(Arc::new(service))
}

/// An address that is taken: what clients will use is known from here on.
pub struct Bound {
    listener: TcpListener,
    /// The origin clients use.
    pub public_url: String,
    /// Where it listens.
    pub address: SocketAddr,
}

/// Takes the address.
///
/// # Errors
///
/// [`StartError::Listen`] when it cannot be taken.
pub async fn bind(config: &Config) -> Result<Bound, StartError> {
    let address = config.server.listen;
    let listening = async {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    let (listener, address) = listening.await.map_err(|cause| StartError::Listen { address, cause })?;
    Ok(Bound { listener, public_url: config.public_url(address), address })
}

impl Bound {
    /// Opens the store for a server at this address.
    ///
    /// # Errors
    ///
    /// As [`open`].
    pub async fn open(&self, config: &Config) -> Result<Arc<Service>, StartError> {
        open_at(config, MissingStore::Create, self.public_url.clone()).await
    }

    /// Puts the faces over the service.
    ///
    /// # Errors
    ///
    /// [`StartError::Config`] for mail settings, templates or trusted documents that cannot be used.
    pub fn serve_with(self, config: &Config, service: Arc<Service>) -> Result<Listening, StartError> {
        let mailer = secrets::mailer(config, &self.public_url)?;
        let graphql = Graphql::new(config.graphql_settings())
            .map_err(|reason| ConfigError::Senseless { setting: "graphql.trusted_documents_file", reason })?;
        let api = Api {
            service: service.clone(),
            rates: Arc::new(config.directory_rates()),
            public_rates: Arc::new(config.public_rates()),
            admission: Arc::new(Admission::new(config.admission())),
            settings: Arc::new(config.api_settings(self.address)),
            graphql: Arc::new(graphql),
        };
        let rates = (api.rates.clone(), api.public_rates.clone());
        let management = match config.management() {
            Some(address) => Some(Management::bind(address, api.clone(), config.management_token()?)?),
            None => None,
        };
        Ok(Listening {
            listener: self.listener,
            router: api::router(api),
            rates,
            management,
            settings: config.server_settings(),
            service,
            mailer,
            public_url: self.public_url,
            address: self.address,
        })
    }
}

/// How long the last records of refused requests may take to be written when the server stops.
const LAST_RECORDS: Duration = Duration::from_secs(5);

/// A server that listens but does not serve yet.
pub struct Listening {
    listener: TcpListener,
    router: axum::Router,
    rates: (Arc<DirectoryRates>, Arc<PublicRates>),
    management: Option<Management>,
    settings: server::ServerSettings,
    service: Arc<Service>,
    mailer: Mailer,
    /// The origin clients use.
    pub public_url: String,
    /// Where it listens.
    pub address: SocketAddr,
}

/// The listener for those who run the server.
struct Management {
    listener: TcpListener,
    router: axum::Router,
    address: SocketAddr,
}

/// How often what was counted is gathered, so that it does not grow while nobody asks.
const GATHERED_EVERY: Duration = Duration::from_secs(5);

impl Management {
    fn bind(address: SocketAddr, api: Api, token: Option<SecretString>) -> Result<Self, StartError> {
        let listening = || {
            let listener = std::net::TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            let listener = TcpListener::from_std(listener)?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        };
        let (listener, address) = listening().map_err(|cause| StartError::Listen { address, cause })?;
        // From here on everything is counted.
        telemetry::metrics();
        Ok(Self { listener, router: api::management(api, token), address })
    }

    async fn serve(self, settings: server::ServerSettings) {
        let gathering = async {
            loop {
                tokio::time::sleep(GATHERED_EVERY).await;
                telemetry::metrics().run_upkeep();
            }
        };
        tokio::select! {
            () = server::serve(self.listener, self.router, settings, std::future::pending()) => {}
            () = gathering => {}
        }
    }
}

/// How often rates of clients that ask no more are forgotten.
const RATES_FORGOTTEN_EVERY: Duration = Duration::from_mins(1);

/// Keeps the memory of request rates bounded by the clients that asked lately, until the task is dropped.
async fn forget_unused_rates((directories, public): (Arc<DirectoryRates>, Arc<PublicRates>)) {
    loop {
        tokio::time::sleep(RATES_FORGOTTEN_EVERY).await;
        directories.forget_unused();
        public.forget_unused();
    }
}

impl Listening {
    /// Where those who run the server ask how it is, if they can.
    pub fn management(&self) -> Option<SocketAddr> {
        self.management.as_ref().map(|management| management.address)
    }

    /// Serves, and sends mails, until `stop` resolves; then lets requests finish.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let (service, mailer) = (self.service, self.mailer);
        let sweeper = service.clone();
        let mails = tokio::spawn(async move { service.deliver_mails(&mailer).await });
        let (writer, last) = (sweeper.clone(), sweeper.clone());
        let notes = tokio::spawn(async move { writer.write_provisioning_events().await });
        let sweeps = tokio::spawn(async move { sweeper.keep_house().await });
        let rates = tokio::spawn(forget_unused_rates(self.rates));
        let management = self.management.map(|management| tokio::spawn(management.serve(self.settings)));
        server::serve(self.listener, self.router, self.settings, stop).await;
        // How it is can be asked until the last request is answered.
        if let Some(management) = management {
            management.abort();
        }
        mails.abort();
        sweeps.abort();
        rates.abort();
        notes.abort();
        // What was refused last is written too, if the store is there.
        drop(tokio::time::timeout(LAST_RECORDS, last.flush_provisioning()).await);
    }
}
