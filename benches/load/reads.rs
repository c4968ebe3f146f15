//! Reading: against a bare route with the same bytes, by turns in the same run.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::figures::Results;
use crate::measure::{Asks, Door, Request, Sample, closed, percentile};
use crate::program::Server;
use crate::shared::{CONNECTIONS, ME, login_body, milliseconds, signed_in, user_name};
use crate::world::{Kind, World};

const TURNS: usize = 3;

/// A number that looks like chance, the same in each run.
pub fn scattered(number: usize) -> usize {
    number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 16
}

/// All people by pages of 100, one page after the other, as an identity provider's import does.
pub async fn import(world: &World, results: &mut Results) {
    let mut client = world.client().await;
    let mut times = Vec::new();
    let mut seen = 0;
    let started = Instant::now();
    for start in (1..=world.everybody).step_by(100) {
        let asked = Instant::now();
        let page = client.send("GET", &format!("/scim/v2/Users?startIndex={start}&count=100"), "").await;
        times.push(milliseconds(asked.elapsed()));
        seen += page.windows(11).filter(|window| window == b"\"userName\":").count();
    }
    assert_eq!(seen, world.everybody, "each user once");
    let seconds = started.elapsed().as_secs_f64();
    times.sort_unstable_by(f64::total_cmp);
    let (p50, slowest) = (percentile(&times, 0.5), percentile(&times, 1.0));
    println!(
        "     {} people in pages of 100: {seconds:.2} s, p50 {p50:.2} ms, slowest {slowest:.2} ms",
        world.users.len()
    );
    if (world.kind, world.users.len()) == (Kind::Disk, 100_000) {
        let measured = format!("{seconds:.1} s (a page {p50:.1} ms, the slowest {slowest:.1} ms)");
        results.line(
            "04 import",
            "all of 100,000 users by `startIndex`, pages of 100 one after the other, nothing remembered",
            measured,
            "< 6 s",
            seconds < 6.0,
        );
    }
}

/// People who sign in with a password, two at a time: what it costs is the hash, made to be slow.
pub async fn logins(world: &World, results: &mut Results, time: Duration) {
    let (address, (email, password)) = (world.server.address.clone(), &world.owner);
    let body = login_body(email, password, "bench");
    let door = Door { address, token: "none".to_owned(), media: "application/json" };
    let asks: Asks = Arc::new(move |_| Request { method: "POST", path: "/graphql".to_owned(), body: body.clone() });
    let sample = closed(&mut door.open(2).await, time, &Arc::default(), &asks).await;
    results.figure((world.kind.name(), world.users.len()), "login, 2 connections", &sample);
}

/// One of the things that are asked by turns.
struct Turn {
    name: String,
    door: Door,
    asks: Asks,
    next: Arc<AtomicUsize>,
    samples: Vec<Sample>,
}

impl Turn {
    fn new(name: impl Into<String>, door: Door, asks: impl Fn(usize) -> Request + Send + Sync + 'static) -> Self {
        Self { name: name.into(), door, asks: Arc::new(asks), next: Arc::default(), samples: Vec::new() }
    }
}

/// Reads of all kinds over sixteen connections.
pub async fn by_turns(world: &World, results: &mut Results, time: Duration) {
    let ids = Arc::new(world.users.clone());
    let count = ids.len();
    let sample = world.client().await.send("GET", &format!("/scim/v2/Users/{}", ids[0]), "").await;
    let body = world.folder.path().join("answer.json");
    std::fs::write(&body, &sample).expect("written");
    let bare = Server::bare(&body);
    let nobody = Door { address: bare.address.clone(), token: "none".to_owned(), media: "application/scim+json" };
    let bare_name = format!("a bare route with the same {} bytes", sample.len());
    let mut turns = vec![Turn::new(bare_name, nobody, |_| Request::get("/bare".to_owned()))];
    let by_id = ids.clone();
    let get = move |number: usize| Request::get(format!("/scim/v2/Users/{}", by_id[scattered(number) % count]));
    turns.push(Turn::new("GET /Users/{id}", world.door(), get));
    turns.push(Turn::new("filter userName eq", world.door(), move |number| {
        let name = user_name(scattered(number) % count);
        Request::get(format!("/scim/v2/Users?filter=userName%20eq%20%22{name}%22"))
    }));
    turns.push(Turn::new("page of 100 anywhere", world.door(), move |number| {
        let start = 1 + scattered(number) % count.saturating_sub(99).max(1);
        Request::get(format!("/scim/v2/Users?startIndex={start}&count=100"))
    }));
    let (size, crowd) = world.crowd();
    for (size, group) in [(0, world.group(0)), (size, Some(crowd))] {
        let Some(group) = group else { continue };
        let path = format!("/scim/v2/Groups/{group}?excludedAttributes=members");
        let name = format!("GET without members of a group of {size}");
        turns.push(Turn::new(name, world.door(), move |_| Request::get(path.clone())));
    }
    if let Some(group) = world.group(1_000) {
        let path = format!("/scim/v2/Groups/{group}");
        let name = "GET of a group with its 1000 members";
        turns.push(Turn::new(name, world.door(), move |_| Request::get(path.clone())));
    }
    let (address, (email, password)) = (world.server.address.clone(), &world.owner);
    let token = signed_in(&address, email, password).await;
    let viewer = Door { address, token, media: "application/json" };
    let me = json!({ "query": ME }).to_string();
    turns.push(Turn::new("me", viewer, move |_| Request {
        method: "POST",
        path: "/graphql".to_owned(),
        body: me.clone(),
    }));
    for _ in 0..TURNS {
        for turn in &mut turns {
            let mut clients = turn.door.open(CONNECTIONS).await;
            let sample = closed(&mut clients, time, &turn.next, &turn.asks).await;
            turn.samples.push(sample);
        }
    }
    let at = (world.kind.name(), count);
    for turn in turns {
        let asked = turn.next.load(Ordering::Relaxed);
        assert!(asked > 0);
        results.figure(
            at,
            if turn.name.starts_with("a bare") { "bare route" } else { &turn.name },
            &Sample::of(turn.samples),
        );
    }
}
