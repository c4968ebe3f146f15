//! A server on a socket of its own, with a clock that tests move.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use rollcall::app;
use rollcall::clock::{Clock, Entropy};
use rollcall::config::Config;
use rollcall::crypto::seal::Sealer;
use rollcall::domain::directory::DirectoryDraft;
use rollcall::domain::organization::OrganizationDraft;
use rollcall::domain::{Caller, DirectoryId, OrganizationId};
use rollcall::service::{Foundation, Service};
use rollcall::store::Store;
use tempfile::TempDir;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::Scim;

/// Where a test keeps its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Memory,
    Disk,
}

impl Engine {
    pub const BOTH: [Self; 2] = [Self::Memory, Self::Disk];
}

pub struct TestApp {
    pub service: Arc<Service>,
    pub clock: Arc<Clock>,
    pub url: String,
    stop: oneshot::Sender<()>,
    _folder: TempDir,
}

/// One organization with one directory.
pub struct Tenant {
    pub id: OrganizationId,
    pub directory: DirectoryId,
    pub scim: Scim,
}

pub fn start_of_time() -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600, 0).expect("2026")
}

impl TestApp {
    pub async fn start() -> Self {
        Self::start_on(Engine::Memory).await
    }

    pub async fn start_on(engine: Engine) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let url = match engine {
            Engine::Memory => "mem://".to_owned(),
            Engine::Disk => format!("surrealkv://{}/store?sync=every", folder.path().display()),
        };
        Self::start_with(folder, |config| config.store.url = url).await
    }

    /// A server on a store that is there already.
    pub async fn start_at(store: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self::start_with(folder, |config| store.clone_into(&mut config.store.url)).await
    }

    pub async fn start_configured(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let in_memory = |config: &mut Config| {
            "mem://".clone_into(&mut config.store.url);
            change(config);
        };
        Self::start_with(folder, in_memory).await
    }

    async fn start_with(folder: TempDir, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::load(None).expect("the defaults");
        config.server.listen = "127.0.0.1:0".parse().expect("an address");
        config.limits.directory_requests_per_second = 0;
        config.limits.caller_requests_per_minute = 0;
        config.limits.sign_in_attempts_per_minute = 0;
        config.limits.mails_per_hour = 0;
        change(&mut config);
        let clock = Arc::new(Clock::fixed(start_of_time()));
        let store = Store::connect(&config.store_settings().expect("settings")).await.expect("a store");
        let bound = app::bind(&config).await.expect("a port");
        let foundation = Foundation {
            store,
            clock: clock.clone(),
            entropy: Arc::new(Entropy::default()),
            sealer: Sealer::new(&[Zeroizing::new(vec![7; 32])]).expect("a key"),
        };
        let service = app::service(foundation, &config, bound.public_url.clone()).await.expect("a service");
        let listening = bound.serve_with(&config, service.clone()).expect("usable settings");
        let url = format!("http://{}", listening.address);
        let (stop, stopped) = oneshot::channel();
        tokio::spawn(listening.serve(async {
            if stopped.await.is_err() {
                std::future::pending::<()>().await;
            }
        }));
        Self { service, clock, url, stop, _folder: folder }
    }

    /// Stops the server and lets go of the store; without it the server goes on as long as the test.
    pub fn stop(self) {
        self.stop.send(()).expect("it was running");
    }

    /// An organization with a directory that may do everything a directory may.
    pub async fn tenant(&self, short_name: &str) -> Tenant {
        self.tenant_with(short_name, DirectoryDraft::named("Test")).await
    }

    pub async fn tenant_with(&self, short_name: &str, draft: DirectoryDraft) -> Tenant {
        let organization =
            OrganizationDraft { short_name: short_name.to_owned(), name: short_name.to_owned(), owner_email: None };
        let operator = Caller::operator(None);
        let (organization, _) = self.service.create_organization(&operator, organization).await.expect("made");
        let (directory, scim) = self.directory(organization.id, draft).await;
        Tenant { id: organization.id, directory, scim }
    }

    /// One more directory of an organization.
    pub async fn directory(&self, organization: OrganizationId, draft: DirectoryDraft) -> (DirectoryId, Scim) {
        let operator = Caller::operator(Some(organization));
        let (directory, secret) = self.service.create_directory(&operator, draft).await.expect("made");
        (directory.id, Scim::new(&self.url, secret.expose()))
    }

    /// The client of an organization of its own, in a dialect.
    pub async fn scim(&self, dialect: scim::Dialect) -> Scim {
        self.tenant_with("acme", DirectoryDraft { dialect, ..DirectoryDraft::named("Test") }).await.scim
    }
}
