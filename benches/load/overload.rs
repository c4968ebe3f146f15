//! More than the server can do (security catalogue O-02, TN-11): it does as much as it can, and says at once when to come
//! back for the rest; one organization's storm is not another's.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::client::Client;
use crate::figures::Results;
use crate::measure::{Asks, Door, Request, Sample, closed, open};
use crate::program::{Installation, built};
use crate::shared::{CONNECTIONS, person, user_name};
use crate::world::World;

/// Connections that requests come over when there are too many.
const CROWD: usize = 512;

/// What identity providers do all day: two changes of three requests, each of another user, and searches for users.
fn sync(world: &World, prefix: &'static str) -> Asks {
    let ids = world.users.clone();
    Arc::new(move |number| {
        let id = &ids[crate::reads::scattered(number) % ids.len()];
        match number % 3 {
            0 => Request::get(format!("/scim/v2/Users?filter=userName%20eq%20%22{}%22", user_name(number % ids.len()))),
            1 => {
                let operations = json!([{"op": "replace", "path": "title", "value": format!("{prefix} {number}")}]);
                let body = json!({"schemas": [scim::patch::SCHEMA], "Operations": operations}).to_string();
                Request { method: "PATCH", path: format!("/scim/v2/Users/{id}"), body }
            }
            _ => {
                let mut body = person(number);
                body["userName"] = json!(format!("{prefix}-{number}@example.com"));
                body["externalId"] = json!(format!("{prefix}-{number}"));
                Request { method: "POST", path: "/scim/v2/Users".to_owned(), body: body.to_string() }
            }
        }
    })
}

/// Twice of what it can do, for as long as this.
pub async fn saturate(world: &World, results: &mut Results, time: Duration) {
    let next = Arc::new(AtomicUsize::new(0));
    let asks = sync(world, "sync");
    let door = world.door();
    let mut many = door.open(CONNECTIONS).await;
    let mut peaks = Vec::new();
    for _ in 0..3 {
        peaks.push(closed(&mut many, Duration::from_secs(5), &next, &asks).await);
    }
    let peak = Sample::of(peaks);
    let unloaded = open(&mut many, 0.5 * peak.rate, Duration::from_secs(5), &next, &asks).await;
    let mut crowd = door.open(CROWD).await;
    let during = open(&mut crowd, 2.0 * peak.rate, time, &next, &asks).await;
    drop(crowd);
    let recovered = recovery(&mut door.open(CONNECTIONS).await, &next, &asks, &unloaded).await;
    let at = (world.kind.name(), world.users.len());
    results.figure(at, "a day's sync, unloaded", &unloaded);
    results.figure(at, "a day's sync, at its peak", &peak);
    results.figure(at, "a day's sync, twice of that", &during);
    let goodput = during.rate / peak.rate;
    let measured = format!(
        "{:.0}/s of {:.0}/s: {:.0} %; {} failed otherwise",
        during.rate,
        peak.rate,
        goodput * 100.0,
        during.failures
    );
    let what = format!("O-02: answered while twice the peak is asked for, {} s", time.as_secs());
    results.line("15 goodput", what, measured, "≥ 90 %, nothing else fails", goodput >= 0.9 && during.failures == 0);
    let refused = crate::measure::percentile(&during.refusals, 0.99);
    let told = if during.all_say_when { "all" } else { "not all" };
    let measured = format!("p99 {refused:.1} ms of {}, {told} with Retry-After", during.refusals.len());
    results.line(
        "16 refusals",
        "O-02: refusals",
        measured,
        "< 50 ms, with Retry-After",
        refused < 50.0 && during.all_say_when,
    );
    let (loaded, alone) = (during.p99(), unloaded.p99());
    let measured = format!("{loaded:.1} ms, {alone:.1} ms at half of the peak: {:.1} ×", loaded / alone);
    results.line("17 accepted", "O-02: p99 of what is accepted", measured, "≤ 5 ×", loaded <= 5.0 * alone);
    let measured = recovered.map_or("not within 20 s".to_owned(), |time| format!("{:.1} s", time.as_secs_f64()));
    results.line(
        "18 recovery",
        "O-02: p99 at half of the peak as before (within 1.5 ×)",
        measured,
        "≤ 10 s",
        recovered.is_some_and(|time| time.as_secs() < 10),
    );
    let memory = world.server.memory();
    results.line(
        "19 memory",
        "O-02: resident memory after it",
        format!("{memory:.0} MiB"),
        "< 1,536 MiB",
        memory < 1_536.0,
    );
}

async fn recovery(
    clients: &mut Vec<Client>,
    next: &Arc<AtomicUsize>,
    asks: &Asks,
    unloaded: &Sample,
) -> Option<Duration> {
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(20) {
        let sample = open(clients, unloaded.rate, Duration::from_secs(1), next, asks).await;
        if sample.p99() <= 1.5 * unloaded.p99() {
            return Some(started.elapsed());
        }
    }
    None
}

/// Two organizations share the server evenly; then one asks ten times as much. A server of its own.
pub async fn fairness(results: &mut Results, time: Duration) {
    let installation = Installation::on_disk(built());
    installation.initialize();
    let mut tokens = Vec::new();
    for name in ["calm", "storm"] {
        installation.run(&["organization", "create", name, "--owner-email", &format!("owner@{name}.example")]);
        let made = installation.run(&["directory", "create", name, "Load"]);
        tokens.push(made["token"].as_str().expect("a token").to_owned());
    }
    let server = installation.serve(&[]);
    let next = Arc::new(AtomicUsize::new(0));
    let creates: Asks = Arc::new(|number| Request {
        method: "POST",
        path: "/scim/v2/Users".to_owned(),
        body: person(number).to_string(),
    });
    let door =
        |token: &String| Door { address: server.address.clone(), token: token.clone(), media: "application/scim+json" };
    let mut measured = Vec::new();
    for storm in [CONNECTIONS, 10 * CONNECTIONS] {
        let (mut calm, others) = (door(&tokens[0]).open(CONNECTIONS).await, door(&tokens[1]).open(storm).await);
        let ends = Arc::new(AtomicBool::new(false));
        let storming: Vec<_> = others
            .into_iter()
            .map(|client| tokio::spawn(ask_until(client, ends.clone(), next.clone(), creates.clone())))
            .collect();
        closed(&mut calm, Duration::from_secs(1), &next, &creates).await;
        measured.push(closed(&mut calm, time, &next, &creates).await);
        ends.store(true, Ordering::Relaxed);
        for one in storming {
            one.await.expect("it ends");
        }
    }
    let [even, uneven] = [&measured[0], &measured[1]];
    let ratio = uneven.p99() / even.p99();
    let told = format!(
        "{:.1} ms, {:.1} ms: {ratio:.2} ×; {:.0}/s and {:.0}/s",
        even.p99(),
        uneven.p99(),
        even.rate,
        uneven.rate
    );
    results.line(
        "20 fairness",
        "TN-11: an organization's p99 of creates, while another asks as much as it and ten times that",
        told,
        "≤ 1.5 ×",
        ratio <= 1.5,
    );
}

async fn ask_until(mut client: Client, ends: Arc<AtomicBool>, next: Arc<AtomicUsize>, asks: Asks) {
    while !ends.load(Ordering::Relaxed) {
        let request = asks(next.fetch_add(1, Ordering::Relaxed));
        client.try_send(request.method, &request.path, &request.body).await;
    }
}
