//! A server on a socket of its own, with a clock that tests move.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use chrono::{DateTime, Utc};
use rollcall::app;
use rollcall::clock::{Clock, Entropy};
use rollcall::config::{Config, MailSecurity, MailTransport, StoreConfig};
use rollcall::crypto::seal::Sealer;
use rollcall::domain::account::Edit;
use rollcall::domain::directory::DirectoryDraft;
use rollcall::domain::email::Email;
use rollcall::domain::invitation::InvitationDraft;
use rollcall::domain::organization::OrganizationDraft;
use rollcall::domain::{Caller, DirectoryId, OrganizationId};
use rollcall::service::{Foundation, Service, Span};
use rollcall::store::{EventFilter, Store, StoreError, StoreSettings, StoredEvent};
use secrecy::ExposeSecret as _;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::smtp_sink::Received;
use super::surreal::SurrealServer;
use super::{Person, Scim, SmtpSink};

/// Where a test keeps its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// In memory, unless the whole suite is run on another store: `ROLLCALL_TEST_STORE=disk` or `ROLLCALL_TEST_STORE=server`.
    Memory,
    Disk,
}

impl Engine {
    pub const BOTH: [Self; 2] = [Self::Memory, Self::Disk];

    /// Puts the store of a test where this engine keeps it.
    #[expect(clippy::disallowed_methods, reason = "whoever runs the suite says where it keeps its data")]
    fn choose(self, folder: &Path, store: &mut StoreConfig) {
        let on_disk = || format!("surrealkv://{}/store?sync=every", folder.display());
        store.url = match (self, std::env::var("ROLLCALL_TEST_STORE").as_deref()) {
            (Self::Disk, _) | (Self::Memory, Ok("disk")) => on_disk(),
            (Self::Memory, Ok("server")) => {
                static NAMESPACES: AtomicU64 = AtomicU64::new(0);
                store.namespace = format!("test{}", NAMESPACES.fetch_add(1, Ordering::Relaxed));
                SERVER.url()
            }
            (Self::Memory, _) => "mem://".to_owned(),
        };
    }
}

/// The server of a suite that is run on one. It ends with the process, which ends its standard input.
static SERVER: LazyLock<SurrealServer> = LazyLock::new(|| SurrealServer::start().expect("a SurrealDB server is built"));

pub struct TestApp {
    pub service: Arc<Service>,
    pub clock: Arc<Clock>,
    pub url: String,
    pub smtp: SmtpSink,
    /// How many queries the store was asked.
    pub queries: Arc<AtomicU64>,
    stop: oneshot::Sender<()>,
    _folder: TempDir,
}

/// One organization with one directory.
pub struct Tenant {
    pub id: OrganizationId,
    pub directory: DirectoryId,
    pub scim: Scim,
}

/// Where stores are opened and closed. What closes one is a task that starts when its last handle is gone, and a test's
/// own runtime does not live to run it: the store would keep its memory, a gigabyte on disk engines, until the process ends.
static STORES: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.thread_name("stores").thread_stack_size(8 << 20).enable_all().build().expect("a runtime")
});

async fn connect(settings: StoreSettings) -> Result<Store, StoreError> {
    STORES.spawn(async move { Store::connect(&settings).await }).await.expect("it does not panic")
}

/// A store at this URL, otherwise as it is set where nobody set anything.
pub fn store_settings(url: &str) -> StoreSettings {
    let settings = Config::load(None).expect("the defaults").store_settings().expect("without secrets");
    StoreSettings { url: url.to_owned(), ..settings }
}

/// A store on disk that another process, or a server of this one, has just let go of.
pub async fn reopened(url: &str) -> Store {
    let settings = store_settings(url);
    for _ in 0..100 {
        if let Ok(store) = connect(settings.clone()).await {
            return store;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("{url} stays open");
}

/// An organization with an owner.
pub struct Owned {
    pub id: OrganizationId,
    pub scim: Scim,
    /// The owner, not signed in.
    pub owner: Person,
}

pub fn start_of_time() -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600, 0).expect("2026")
}

impl TestApp {
    pub async fn start() -> Self {
        Self::start_on(Engine::Memory).await
    }

    pub async fn start_on(engine: Engine) -> Self {
        Self::start_changed(engine, |_| ()).await
    }

    /// A server on this engine, with other settings.
    pub async fn start_changed(engine: Engine, change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().to_owned();
        let on_engine = |config: &mut Config| {
            engine.choose(&path, &mut config.store);
            change(config);
        };
        Self::start_with(folder, on_engine).await
    }

    /// A server on a store that is there already.
    pub async fn start_at(store: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self::start_with(folder, |config| store.clone_into(&mut config.store.url)).await
    }

    /// The same, with other settings.
    pub async fn start_at_with(store: &str, change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let at_store = |config: &mut Config| {
            store.clone_into(&mut config.store.url);
            change(config);
        };
        Self::start_with(folder, at_store).await
    }

    pub async fn start_configured(change: impl FnOnce(&mut Config)) -> Self {
        Self::start_changed(Engine::Memory, change).await
    }

    async fn start_with(folder: TempDir, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::load(None).expect("the defaults");
        config.server.listen = "127.0.0.1:0".parse().expect("an address");
        config.limits.directory_requests_per_second = 0;
        config.limits.caller_requests_per_minute = 0;
        config.limits.sign_in_attempts_per_minute = 0;
        config.limits.mails_per_hour = 0;
        // All tests at once are too much for a machine: what that comes to is for tests of their own.
        config.admission.wait_milliseconds = 10_000;
        config.graphql.read_milliseconds = 30_000;
        let smtp = SmtpSink::start().await;
        config.mail.transport = MailTransport::Smtp;
        config.mail.security = MailSecurity::None;
        config.mail.host = smtp.address.ip().to_string();
        config.mail.port = smtp.address.port();
        change(&mut config);
        let clock = Arc::new(Clock::fixed(start_of_time()));
        let store = if config.store.url.starts_with("surrealkv") {
            reopened(&config.store.url).await
        } else {
            connect(config.store_settings().expect("settings")).await.expect("a store")
        };
        let queries = store.queries();
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
        Self { service, clock, url, smtp, queries, stop, _folder: folder }
    }

    /// Stops the server and lets go of the store; without it the server goes on as long as the test.
    pub fn stop(self) {
        self.stop.send(()).expect("it was running");
    }

    /// Every index, reference and audit number matches its records: what `rollcall doctor` checks.
    pub async fn assert_consistent(&self) {
        let operator = Caller::operator(None);
        for database in self.service.list_databases(&operator).await.expect("listed") {
            let organization = database.organization;
            let damage = self.service.find_store_damage(&operator, organization, &|_| ()).await.expect("checked");
            assert!(damage.is_empty(), "{:?}", damage.sentences());
        }
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
        let (directory, _, secret) = self.service.create_directory(&operator, draft, None).await.expect("made");
        (directory.id, Scim::new(&self.url, secret.expose()))
    }

    /// The client of an organization of its own, in a dialect.
    pub async fn scim(&self, dialect: scim::Dialect) -> Scim {
        self.tenant_with("acme", DirectoryDraft { dialect, ..DirectoryDraft::named("Test") }).await.scim
    }

    /// An organization with an owner and a directory.
    pub async fn owned(&self, short_name: &str) -> Owned {
        let email = format!("owner@{short_name}.example");
        let draft = OrganizationDraft {
            short_name: short_name.to_owned(),
            name: short_name.to_owned(),
            owner_email: Some(email.clone()),
        };
        let made = self.service.create_organization(&Caller::operator(None), draft).await.expect("made");
        let (organization, owner) = made;
        let owner = owner.expect("an owner");
        let (_, scim) = self.directory(organization.id, DirectoryDraft::named("Okta")).await;
        let owner = Person::new(&self.url, &email, owner.password.expose_secret());
        Owned { id: organization.id, scim, owner }
    }

    /// An organization with the sample data of the demo.
    pub async fn sample(&self, short_name: &str) -> Owned {
        let made = rollcall::cli::demo::prepare(&self.service, short_name).await.expect("made");
        let scim = Scim::new(&self.url, made.token.expose());
        let owner = Person::new(&self.url, &made.email, made.password.expose_secret());
        Owned { id: made.organization.id, scim, owner }
    }

    /// What happened in an organization, oldest first, as it is kept.
    pub async fn events(&self, organization: OrganizationId) -> Vec<StoredEvent> {
        let operator = Caller::operator(Some(organization));
        let listed =
            self.service.list_audit_events(&operator, &EventFilter::default(), Span::default(), false, 1_000).await;
        listed.expect("events").into_iter().map(|event| event.stored).collect()
    }

    /// Invites somebody by mail.
    pub async fn invite(&self, organization: OrganizationId, email: &str, name: &str, roles: &[&str]) {
        let draft = InvitationDraft {
            email: Email::parse(email).expect("an address"),
            name: name.to_owned(),
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            groups: Vec::new(),
            connection: Edit::Clear,
            days: None,
            locale: None,
            message: None,
        };
        self.service.invite(&Caller::operator(Some(organization)), draft).await.expect("invited");
    }

    /// Somebody who was invited by mail and accepted, not signed in.
    pub async fn member(&self, organization: OrganizationId, email: &str, roles: &[&str]) -> Person {
        self.invite(organization, email, "Babs Jensen", roles).await;
        let token = self.token_in_mail(email, 1).await;
        let person = Person::new(&self.url, email, "vK9 pl2 mQz wX7 vals");
        let input = serde_json::json!({"token": token, "password": person.password});
        person.done("acceptInvitation", input, "user { id }").await;
        person
    }

    /// The token in the link of the mail that arrived there as this one.
    pub async fn token_in_mail(&self, to: &str, count: usize) -> String {
        let link = self.link_in_mail(to, count).await;
        link.split_once("token=").expect("a token").1.to_owned()
    }

    /// The links in the mails that have arrived there.
    pub fn links(&self, to: &str) -> Vec<String> {
        let mails = self.smtp.all().into_iter().filter(|mail| mail.to.iter().any(|known| known == to));
        let link = |mail: Received| {
            let parsed = mail_parser::MessageParser::default().parse(&mail.data)?.into_owned();
            let text = parsed.body_text(0)?.into_owned();
            text.lines().find(|line| line.starts_with("http")).map(|line| line.trim().to_owned())
        };
        mails.filter_map(link).collect()
    }

    /// The token of the link that arrives there after so many others.
    pub async fn next_token(&self, to: &str, before: usize) -> String {
        for _ in 0..500 {
            if let Some(link) = self.links(to).get(before) {
                return link.split_once("token=").expect("a token").1.to_owned();
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("no more links for {to}");
    }

    /// The text of the first mail that arrives there and says this.
    pub async fn mail_saying(&self, to: &str, words: &str) -> String {
        for _ in 0..500 {
            let mails = self.smtp.all().into_iter().filter(|mail| mail.to.iter().any(|known| known == to));
            let mut texts = mails.filter_map(|mail| {
                let parsed = mail_parser::MessageParser::default().parse(&mail.data)?.into_owned();
                Some(parsed.body_text(0)?.into_owned())
            });
            if let Some(text) = texts.find(|text: &String| text.contains(words)) {
                return text;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("no mail to {to} says {words:?}");
    }

    /// The token of this kind in the last link that arrives there.
    pub async fn latest_token(&self, to: &str, kind: &str) -> String {
        for _ in 0..500 {
            let links = self.links(to);
            if let Some(token) = links
                .iter()
                .rev()
                .filter_map(|link| link.split_once("token="))
                .map(|(_, token)| token)
                .find(|token| token.starts_with(kind))
            {
                return token.to_owned();
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("no {kind} for {to}");
    }

    /// The link in the mail that arrived there as this one.
    pub async fn link_in_mail(&self, to: &str, count: usize) -> String {
        let mail = self.smtp.nth(to, count).await;
        let parsed = mail_parser::MessageParser::default().parse(&mail.data).expect("a mail").into_owned();
        let text = parsed.body_text(0).expect("a text").into_owned();
        let link = text.lines().find(|line| line.starts_with("http")).expect("a link");
        link.trim().to_owned()
    }
}
