//! The account API under load: `me`, documents made to hurt, and many who sign in at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rollcall::domain::UserId;
use serde_json::json;
use tokio::task::JoinSet;

use crate::client::Client;
use crate::shared::{CONNECTIONS, ME, graphql_client, login_body, milliseconds, per_second, signed_in};
use crate::{Bench, Report, Tenant, median};

/// How many requests a second so many clients get through, each as fast as it is answered.
async fn rate(
    clients: &mut Vec<Client>,
    each: usize,
    request: impl Fn(usize) -> (&'static str, String, String),
) -> f64 {
    let started = Instant::now();
    let mut running = JoinSet::new();
    for (number, mut client) in clients.drain(..).enumerate() {
        let requests: Vec<_> = (0..each).map(|index| request(number * each + index)).collect();
        running.spawn(async move {
            for (method, path, body) in requests {
                client.send(method, &path, &body).await;
            }
            client
        });
    }
    clients.extend(running.join_all().await);
    per_second(CONNECTIONS * each, started)
}

/// A signed-in `me` against `GET /Users/{id}`, by turns in the same run.
pub async fn me(bench: &Bench, report: &mut Report, tenant: &Tenant, users: &[UserId]) {
    let owner = bench.owner("viewers").await;
    let token = signed_in(&bench.address, &owner.email, &owner.password).await;
    let (mut readers, mut viewers) = (Vec::new(), Vec::new());
    for _ in 0..CONNECTIONS {
        readers.push(bench.client(tenant).await);
        viewers.push(graphql_client(&bench.address, &token).await);
    }
    let body = json!({ "query": ME }).to_string();
    let by_id = |index: usize| ("GET", format!("/scim/v2/Users/{}", users[index * 7_919 % users.len()]), String::new());
    let (mut gets, mut views) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        gets.push(rate(&mut readers, 400, by_id).await);
        views.push(rate(&mut viewers, 400, |_| ("POST", "/graphql".to_owned(), body.clone())).await);
    }
    let [get, view] = [gets, views].map(|mut rates| {
        rates.sort_unstable_by(f64::total_cmp);
        rates[rates.len() / 2]
    });
    let share = view / get;
    let measured = format!("{view:.0}/s of {get:.0}/s: {:.0} %", share * 100.0);
    report.line("a signed-in me, 16 clients, against GET /Users/{id}", measured, "at least 40 %", share >= 0.4);
}

/// Documents made to cost more than they are long are refused before they cost anything.
pub async fn hostile_documents(bench: &Bench, report: &mut Report) {
    let nested = format!("{{ me(x: {}{}) {{ accountId }} }}", "[".repeat(1_600), "]".repeat(1_600));
    let bomb: String = (0..30).fold("{ me { ...F0 } }".to_owned(), |text, level| {
        let next = level + 1;
        text + &format!(" fragment F{level} on Viewer {{ ...F{next} ...F{next} }}")
    });
    let aliases = (0..10_000).fold("{".to_owned(), |text, index| text + &format!(" a{index}:x")) + " }";
    let mut client = graphql_client(&bench.address, "none").await;
    for (what, document) in [("1,600 nested brackets", nested), ("a fragment bomb", bomb), ("10,000 aliases", aliases)]
    {
        let body = json!({ "query": document }).to_string();
        let mut times = Vec::new();
        for _ in 0..100 {
            let started = Instant::now();
            let answer = client.try_send("POST", "/graphql", &body).await.body;
            times.push(started.elapsed());
            assert!(String::from_utf8_lossy(&answer).contains("\"errors\""), "{what} is refused");
        }
        times.sort_unstable();
        let slow = milliseconds(times[times.len() * 95 / 100]);
        let measured = format!("{slow:.2} ms (p50 {:.2} ms)", milliseconds(median(times)));
        report.line(&format!("{what}: p95 of refusing it"), measured, "under 5 ms", slow < 5.0);
    }
}

/// 500 clients, five to a person, that sign in at once, again and again, while a directory goes on working.
pub async fn flood(bench: &Bench, report: &mut Report, tenant: &Tenant, users: &[UserId]) {
    const PEOPLE: usize = 100;
    const DEVICES: usize = 5;
    let users: Arc<[UserId]> = users.into();
    let mut directory = Vec::new();
    for _ in 0..CONNECTIONS {
        directory.push(bench.client(tenant).await);
    }
    let mut clients = Vec::new();
    for person in 0..PEOPLE {
        let owner = bench.owner(&format!("crowd{person}")).await;
        for device in 0..DEVICES {
            let body = login_body(&owner.email, &owner.password, &format!("device-{device}"));
            clients.push((graphql_client(&bench.address, "none").await, body));
        }
    }
    let idle = tail(&mut directory, &users, Duration::from_secs(5)).await;
    let before = resident_mib();
    let (going_on, done, refused) =
        (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut people = JoinSet::new();
    for (number, (mut client, body)) in clients.into_iter().enumerate() {
        let (going_on, done, refused) = (going_on.clone(), done.clone(), refused.clone());
        people.spawn(async move {
            while going_on.load(Ordering::Relaxed) {
                let answer = client.try_send("POST", "/graphql", &body).await;
                if answer.status == 200 {
                    let answer = String::from_utf8_lossy(&answer.body);
                    assert!(answer.contains("accessToken"), "{answer}");
                    done.fetch_add(1, Ordering::Relaxed);
                } else {
                    assert!(answer.status == 429 || answer.status == 503, "{}", answer.status);
                    assert!(answer.has_retry_after, "whoever is refused is told when to come back");
                    refused.fetch_add(1, Ordering::Relaxed);
                    // What Retry-After says, and not all at once again.
                    tokio::time::sleep(Duration::from_millis(2_000 + 4 * number as u64)).await;
                }
            }
        });
    }
    let most = Arc::new(AtomicUsize::new(0));
    let (watched, highest) = (going_on.clone(), most.clone());
    let watch = tokio::spawn(async move {
        while watched.load(Ordering::Relaxed) {
            highest.fetch_max(resident_mib(), Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let busy = tail(&mut directory, &users, Duration::from_secs(10)).await;
    going_on.store(false, Ordering::Relaxed);
    people.join_all().await;
    watch.await.expect("watched");
    let (done, refused) = (done.load(Ordering::Relaxed), refused.load(Ordering::Relaxed));
    println!("     500 clients signing in for 10 s: {done} did, {refused} were told to come back");
    let ratio = milliseconds(busy) / milliseconds(idle);
    let measured = format!("{:.2} ms, {:.2} ms: {ratio:.2}", milliseconds(idle), milliseconds(busy));
    report.line("GET /Users/{id}, 16 clients: p99 alone and while 500 sign in", measured, "within 2", ratio <= 2.0);
    let grown = most.load(Ordering::Relaxed).saturating_sub(before);
    let budget = 64;
    let measured = format!("{grown} MiB of {budget} MiB");
    report.line("memory for 500 who sign in", measured, "the budget + 10 %", grown * 10 <= budget * 11);
}

/// The 99th percentile of `GET /Users/{id}` for so many clients, each asking again as soon as it is answered.
async fn tail(clients: &mut Vec<Client>, users: &Arc<[UserId]>, time: Duration) -> Duration {
    let started = Instant::now();
    let mut running = JoinSet::new();
    for (number, mut client) in clients.drain(..).enumerate() {
        let users = users.clone();
        running.spawn(async move {
            let mut times = Vec::new();
            while started.elapsed() < time {
                let user = users[(number + times.len()) * 7_919 % users.len()];
                times.push(client.timed("GET", &format!("/scim/v2/Users/{user}"), "").await);
            }
            (client, times)
        });
    }
    let (back, times): (Vec<Client>, Vec<Vec<Duration>>) = running.join_all().await.into_iter().unzip();
    clients.extend(back);
    let mut times = times.concat();
    times.sort_unstable();
    times[times.len() * 99 / 100]
}

/// What this process, server and clients, holds in memory now.
fn resident_mib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<usize>().map_or(0, |kib| kib / 1_024)
}
