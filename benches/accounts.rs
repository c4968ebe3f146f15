//! The load harness: what the design promises of speed, measured over a real socket and printed as ratios within one
//! run. `cargo bench --profile dev --bench load [-- USERS] [import|reads]`; 100,000 users unless told otherwise; `import`, `reads`: those alone.

mod administration;
mod ceilings;
mod client;
mod import;
mod sign_in;

use std::sync::Arc;
use std::time::{Duration, Instant};

use client::Client;
use rollcall::app;
use rollcall::clock::{Clock, Entropy};
use rollcall::config::Config;
use rollcall::domain::audit::{AuditEvent, EventKind};
use rollcall::domain::directory::DirectoryDraft;
use rollcall::domain::organization::OrganizationDraft;
use rollcall::domain::user::{User, UserDraft, Writer};
use rollcall::domain::{AuditEventId, Caller, OrganizationId, UserId};
use rollcall::service::Service;
use rollcall::store::{OrganizationStore, Store, StoreSettings};
use scim::{Reading, Resource};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
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

    /// Makes a group with these members, some thousands at a time.
    async fn group(&self, tenant: &Tenant, name: &str, members: &[UserId]) -> String {
        let caller = Caller::operator(Some(tenant.id));
        let body = resource(&json!({ "displayName": name }));
        let made = self.service.create_group(&caller, body, &mut Reading::default()).await.expect("made");
        for chunk in members.chunks(5_000) {
            let value: Vec<Value> = chunk.iter().map(|id| json!({"value": id.to_string()})).collect();
            let operations = json!({"Operations": [{"op": "add", "path": "members", "value": value}]});
            let mut reading = Reading::default();
            let operations = scim::patch::read(operations.as_object().expect("object"), &mut reading).expect("valid");
            let conditions = rollcall::service::Conditions::default();
            let added = self.service.patch_group(&caller, made.view.group.id, &operations, &conditions, &mut reading);
            added.await.expect("added");
        }
        made.view.group.id.to_string()
    }
}

fn person(index: usize) -> Value {
    json!({
        "schemas": [scim::schema::USER], "userName": format!("user{index:06}@example.com"), "externalId": format!("ext-{index}"),
        "displayName": format!("User {index}"), "title": "Engineer", "locale": "en-US", "timezone": "Europe/Zurich",
        "name": {"givenName": "User", "familyName": format!("Number {index}"), "formatted": format!("User Number {index}")},
        "emails": [{"value": format!("user{index:06}@example.com"), "type": "work", "primary": true}],
        "phoneNumbers": [{"value": "+41 44 668 18 00", "type": "work"}],
        scim::schema::ENTERPRISE_USER: {"department": format!("Department {}", index % 50), "employeeNumber": index.to_string()},
    })
}

fn resource(body: &Value) -> Resource {
    let mut attributes = body.as_object().expect("an object").clone();
    attributes.remove("schemas");
    Resource::from_stored(attributes)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
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
    let only = std::env::args().find(|argument| ["import", "reads"].contains(&argument.as_str()));
    let measured = async move { tokio::spawn(measure(users, only)).await.expect("measured") };
    let held = runtime.expect("a runtime").block_on(measured);
    std::process::exit(i32::from(!held));
}

async fn measure(users: usize, only: Option<String>) -> bool {
    let mut report = Report { held: true };
    if only.as_deref() != Some("reads") {
        import::against_the_store(&mut report, users).await;
    }
    if only.as_deref() == Some("import") {
        return report.held;
    }
    let bench = Bench::start("mem://").await;
    let (small, large) = (bench.tenant("small").await, bench.tenant("large").await);
    let started = Instant::now();
    let few = bench.fill(&small, 1_000).await;
    let many = bench.fill(&large, users).await;
    println!("made {} users in {:.1} s (mem://)", users + 1_000, started.elapsed().as_secs_f64());
    reads(&bench, &mut report, (&small, &few), (&large, &many)).await;
    ceilings::reads(&bench, &mut report, (&small, &few), (&large, &many)).await;
    if only.as_deref() == Some("reads") {
        return report.held;
    }
    listing(&bench, &mut report, &large, users).await;
    scans(&bench, &large).await;
    administration::lists(&bench, &mut report, &large, &many).await;
    membership(&bench, &mut report, &large, &many).await;
    sign_in::me(&bench, &mut report, &large, &many).await;
    sign_in::hostile_documents(&bench, &mut report).await;
    sign_in::flood(&bench, &mut report, &large, &many).await;
    durable_creates(&mut report).await;
    report.held
}

/// `GET /Users/{id}` and `filter=userName eq`: what they cost must not depend on how many users there are.
async fn reads(bench: &Bench, report: &mut Report, small: (&Tenant, &[UserId]), large: (&Tenant, &[UserId])) {
    let mut clients = [bench.client(small.0).await, bench.client(large.0).await];
    let mut by_id = [Vec::new(), Vec::new()];
    let mut by_name = [Vec::new(), Vec::new()];
    // Alternating, so that what disturbs the machine disturbs both.
    for round in 0..600 {
        for (side, (_, ids)) in [small, large].into_iter().enumerate() {
            let index = (round * 7_919) % ids.len();
            let path = format!("/scim/v2/Users/{}", ids[index]);
            by_id[side].push(clients[side].timed("GET", &path, "").await);
            let path = format!("/scim/v2/Users?filter=userName%20eq%20%22user{index:06}@example.com%22");
            by_name[side].push(clients[side].timed("GET", &path, "").await);
        }
    }
    for (what, [few, many]) in [("GET /Users/{id}", by_id), ("filter=userName eq", by_name)] {
        let (few, many) = (milliseconds(median(few)), milliseconds(median(many)));
        let ratio = many / few;
        let what = format!("{what}: p50 at 1,000 and at {} users", large.1.len());
        report.line(
            &what,
            format!("{few:.2} ms, {many:.2} ms: {ratio:.2}"),
            "within 30 %",
            (0.7..=1.3).contains(&ratio),
        );
    }
}

/// Everyone in pages of 100 by startIndex.
async fn listing(bench: &Bench, report: &mut Report, tenant: &Tenant, users: usize) {
    let mut client = bench.client(tenant).await;
    let mut seen = std::collections::HashSet::new();
    let mut times = Vec::new();
    // The owner is one more.
    for start in (1..=users + 1).step_by(100) {
        let path = format!("/scim/v2/Users?startIndex={start}&count=100");
        let started = Instant::now();
        let page = client.send("GET", &path, "").await;
        times.push(started.elapsed());
        let page: Value = serde_json::from_slice(&page).expect("a list");
        for user in page["Resources"].as_array().expect("a list") {
            assert!(seen.insert(user["id"].as_str().expect("an id").to_owned()), "seen twice");
        }
    }
    assert_eq!(seen.len(), users + 1, "each user exactly once");
    let slowest = milliseconds(times.iter().copied().max().unwrap_or_default());
    let middle = milliseconds(median(times));
    let what = format!("listing {users} users in pages of 100: slowest page");
    report.line(&what, format!("{slowest:.1} ms (p50 {middle:.1} ms)"), "at most 60 ms", slowest <= 60.0);
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

async fn membership(bench: &Bench, report: &mut Report, tenant: &Tenant, users: &[UserId]) {
    let started = Instant::now();
    // The last thousand stay out of the groups and are what is added.
    let (inside, outside) = users.split_at(users.len() - 1_000);
    let ten = bench.group(tenant, "Ten", &inside[..10]).await;
    let crowd = bench.group(tenant, "Crowd", inside).await;
    let empty = bench.group(tenant, "Empty", &[]).await;
    println!("made a group of {} in {:.1} s", inside.len(), started.elapsed().as_secs_f64());
    let mut client = bench.client(tenant).await;
    let mut added = [Vec::new(), Vec::new()];
    let mut read = [Vec::new(), Vec::new()];
    for round in 0..20 {
        let batch = &outside[(round * 50) % 1_000..][..50];
        let value: Vec<Value> = batch.iter().map(|id| json!({"value": id.to_string()})).collect();
        for (side, group) in [&ten, &crowd].into_iter().enumerate() {
            let body = |op: &str| {
                json!({"schemas": [scim::patch::SCHEMA], "Operations": [{"op": op, "path": "members", "value": value}]})
                    .to_string()
            };
            let path = format!("/scim/v2/Groups/{group}");
            added[side].push(client.timed("PATCH", &path, &body("add")).await);
            client.send("PATCH", &path, &body("remove")).await;
        }
    }
    for _ in 0..200 {
        for (side, group) in [&empty, &crowd].into_iter().enumerate() {
            let path = format!("/scim/v2/Groups/{group}?excludedAttributes=members");
            read[side].push(client.timed("GET", &path, "").await);
        }
    }
    let (few, many) = (milliseconds(median(added[0].clone())), milliseconds(median(added[1].clone())));
    let what = format!("PATCH adding 50 members: group of 10 and of {}", inside.len());
    let ratio = many / few;
    report.line(
        &what,
        format!("{few:.1} ms, {many:.1} ms: {ratio:.2}"),
        "within 2, under 50 ms",
        ratio <= 2.0 && many < 50.0,
    );
    let (few, many) = (milliseconds(median(read[0].clone())), milliseconds(median(read[1].clone())));
    let what = format!("GET /Groups/{{id}} without members: 0 and {} members", inside.len());
    let ratio = many / few;
    report.line(&what, format!("{few:.2} ms, {many:.2} ms: {ratio:.2}"), "within 20 %", (0.8..=1.2).contains(&ratio));
    let whole = client.timed("GET", &format!("/scim/v2/Groups/{crowd}"), "").await;
    println!("     GET of the whole group: {:.0} ms", milliseconds(whole));
}

/// 16 clients create durably, and 16 tasks do the same on the store alone, by turns in the same run.
async fn durable_creates(report: &mut Report) {
    const EACH: usize = 150;
    let folder = tempfile::tempdir().expect("a folder");
    let url = |name: &str| format!("surrealkv://{}/{name}?sync=every", folder.path().display());
    let alone = StoreAlone::open(&url("alone")).await;
    let bench = Bench::start(&url("served")).await;
    let tenant = bench.tenant("served").await;
    let mut rates = [Vec::new(), Vec::new()];
    for round in 0..5 {
        rates[0].push(alone.creates(round * EACH, EACH).await);
        rates[1].push(http_creates(&bench, &tenant, round * EACH, EACH).await);
    }
    let middle = |mut rates: Vec<f64>| {
        rates.sort_unstable_by(f64::total_cmp);
        rates[rates.len() / 2]
    };
    let [store, http] = rates.map(middle);
    let share = http / store;
    let measured = format!("{http:.0}/s of {store:.0}/s: {:.0} %", share * 100.0);
    report.line("durable creates, 16 clients, against the store alone", measured, "at least 60 %", share >= 0.6);
}

/// The store without anything over it.
struct StoreAlone {
    store: OrganizationStore,
}

impl StoreAlone {
    async fn open(url: &str) -> Self {
        let settings =
            StoreSettings { url: url.to_owned(), namespace: "rollcall".to_owned(), username: None, password: None };
        let store = Store::connect(&settings).await.expect("a store");
        let id = OrganizationId::new(Entropy::default().id(Clock::default().now()));
        Self { store: store.organization(id).await.expect("opened") }
    }

    async fn creates(&self, first: usize, each: usize) -> f64 {
        let entropy = Arc::new(Entropy::default());
        let started = Instant::now();
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            let (store, entropy) = (self.store.clone(), entropy.clone());
            writers.spawn(async move {
                for index in 0..each {
                    let now = Clock::default().now();
                    let body = resource(&person((first + index) * WRITERS + writer));
                    let by = Writer { author: None, now, states_all: true };
                    let user = User::create(UserId::new(entropy.id(now)), UserDraft::new(body).expect("valid"), by);
                    let target = ("user", user.id.to_string());
                    let id = AuditEventId::new(entropy.id(now));
                    let event = AuditEvent::new(id, now, &Caller::operator(None), EventKind::UserCreated, target);
                    store.insert_user(&user, false, &event).await.expect("stored");
                }
            });
        }
        writers.join_all().await;
        per_second(WRITERS * each, started)
    }
}

async fn http_creates(bench: &Bench, tenant: &Tenant, first: usize, each: usize) -> f64 {
    let mut clients = Vec::new();
    for _ in 0..WRITERS {
        clients.push(bench.client(tenant).await);
    }
    let bodies: Vec<Vec<String>> = (0..WRITERS)
        .map(|writer| (0..each).map(|index| person((first + index) * WRITERS + writer).to_string()).collect())
        .collect();
    let started = Instant::now();
    let mut writers = JoinSet::new();
    for (mut client, bodies) in clients.into_iter().zip(bodies) {
        writers.spawn(async move {
            for body in bodies {
                client.send("POST", "/scim/v2/Users", &body).await;
            }
        });
    }
    writers.join_all().await;
    per_second(WRITERS * each, started)
}

#[expect(clippy::cast_precision_loss, reason = "some thousands")]
fn per_second(count: usize, started: Instant) -> f64 {
    count as f64 / started.elapsed().as_secs_f64()
}
