//! The account API, administration and imports under load: over a real socket, as ratios within one run.
//! `cargo bench --bench accounts [-- USERS] [import]`; 100,000 users unless told otherwise; `import`: that alone.

mod administration;
#[path = "load/client.rs"]
mod client;
mod import;
mod shared;
mod sign_in;

use std::sync::Arc;
use std::time::{Duration, Instant};

use client::Client;
use rollcall::app;
use rollcall::config::Config;
use rollcall::domain::directory::DirectoryDraft;
use rollcall::domain::organization::OrganizationDraft;
use rollcall::domain::{Caller, OrganizationId, UserId};
use rollcall::service::Service;
use secrecy::ExposeSecret as _;
use shared::{milliseconds, person, resource};
use tokio::task::JoinSet;

const WRITERS: usize = 16;

struct Bench {
    service: Arc<Service>,
    address: String,
}

struct Tenant {
    id: OrganizationId,
    token: String,
    owner: Owner,
}

struct Owner {
    email: String,
    password: String,
}

impl Bench {
    async fn start(store: &str) -> Self {
        let mut config = Config::load(None).expect("the defaults");
        store.clone_into(&mut config.store.url);
        config.server.listen = "127.0.0.1:0".parse().expect("an address");
        config.limits.directory_requests_per_second = 0;
        config.limits.caller_requests_per_minute = 0;
        config.limits.sign_in_attempts_per_minute = 0;
        let bound = app::bind(&config).await.expect("a port");
        let service = bound.open(&config).await.expect("a store");
        let listening = bound.serve_with(&config, service.clone()).expect("usable settings");
        let address = listening.address.to_string();
        tokio::spawn(listening.serve(std::future::pending()));
        Self { service, address }
    }

    /// An organization with an owner and a directory.
    async fn tenant(&self, short_name: &str) -> Tenant {
        let (id, owner) = self.organization(short_name).await;
        let within = Caller::operator(Some(id));
        let directory = self.service.create_directory(&within, DirectoryDraft::named("Load"), None);
        let (.., secret) = directory.await.expect("made");
        Tenant { id, token: secret.expose().to_owned(), owner }
    }

    /// The credentials of somebody who owns an organization of their own.
    async fn owner(&self, short_name: &str) -> Owner {
        self.organization(short_name).await.1
    }

    async fn organization(&self, short_name: &str) -> (OrganizationId, Owner) {
        let email = format!("owner@{short_name}.example");
        let draft = OrganizationDraft {
            short_name: short_name.into(),
            name: short_name.into(),
            owner_email: Some(email.clone()),
        };
        let (made, owner) = self.service.create_organization(&Caller::operator(None), draft).await.expect("made");
        let password = owner.expect("an owner").password.expose_secret().to_owned();
        (made.id, Owner { email, password })
    }

    async fn client(&self, tenant: &Tenant) -> Client {
        Client::connect(&self.address, &tenant.token).await
    }

    /// Makes users through the service and answers their ids.
    async fn fill(&self, tenant: &Tenant, count: usize) -> Vec<UserId> {
        let caller = Caller::operator(Some(tenant.id));
        let mut makers = JoinSet::new();
        for maker in 0..WRITERS {
            let (service, caller) = (self.service.clone(), caller.clone());
            makers.spawn(async move {
                let mut ids = Vec::new();
                for index in (maker..count).step_by(WRITERS) {
                    let saved = service.create_user(&caller, resource(&person(index))).await.expect("created");
                    ids.push(saved.view.user.id);
                }
                ids
            });
        }
        makers.join_all().await.into_iter().flatten().collect()
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// One line of the table; remembers whether the bound held.
struct Report {
    held: bool,
}

impl Report {
    fn line(&mut self, what: &str, measured: String, bound: &str, holds: bool) {
        self.held &= holds;
        println!("{} {what:<66} {measured:<34} {bound}", if holds { "ok  " } else { "MISS" });
    }
}

fn main() {
    let users = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(100_000);
    let stack = 16 * 1024 * 1024;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(stack).build();
    let imports_only = std::env::args().any(|argument| argument == "import");
    let measured = async move { tokio::spawn(measure(users, imports_only)).await.expect("measured") };
    let held = runtime.expect("a runtime").block_on(measured);
    std::process::exit(i32::from(!held));
}

async fn measure(users: usize, imports_only: bool) -> bool {
    let mut report = Report { held: true };
    import::against_the_store(&mut report, users).await;
    if imports_only {
        return report.held;
    }
    let bench = Bench::start("mem://").await;
    let large = bench.tenant("large").await;
    let started = Instant::now();
    let many = bench.fill(&large, users).await;
    println!("made {users} users in {:.1} s (mem://)", started.elapsed().as_secs_f64());
    scans(&bench, &large).await;
    administration::lists(&bench, &mut report, &large, &many).await;
    sign_in::me(&bench, &mut report, &large, &many).await;
    sign_in::hostile_documents(&bench, &mut report).await;
    sign_in::flood(&bench, &mut report, &large, &many).await;
    report.held
}

/// What no index decides: for information.
async fn scans(bench: &Bench, tenant: &Tenant) {
    let mut client = bench.client(tenant).await;
    for filter in ["userName co \"99\"", "title pr", "department eq \"Department 7\" and name.familyName ew \"7\""] {
        let encoded: String = filter.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let time = client.timed("GET", &format!("/scim/v2/Users?filter={encoded}&count=10"), "").await;
        println!("     {filter}: {:.0} ms", milliseconds(time));
    }
    let time = client.timed("GET", "/scim/v2/Users?sortBy=name.familyName&count=10", "").await;
    println!("     sortBy=name.familyName: {:.0} ms", milliseconds(time));
}
