//! Reading: against a bare route with the same bytes, by turns in the same run.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::figures::Results;
use crate::measure::{Door, Request, Sample, percentile};
use crate::program::Server;
use crate::scenario::{Scenario, Sender};
use crate::shared::{ME, login_body, milliseconds, user_name};
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

/// Signing in with a password, over two connections: most of the time is spent in the password hash.
pub fn login(world: &World) -> Scenario {
    let (email, password) = &world.owner;
    let body = login_body(email, password, "bench");
    let door = Door { address: world.server.address.clone(), token: "none".to_owned(), media: "application/json" };
    let request = move |_: usize| Request { method: "POST", path: "/graphql".to_owned(), body: body.clone() };
    Scenario::new("login, 2 connections", Sender::Door(door), request).over(2)
}

/// Measures how many logins a second succeed.
pub async fn logins(world: &World, results: &mut Results, time: Duration) {
    let login = login(world);
    results.figure((world.kind.name(), world.users.len()), &login.name, &login.slice(time).await);
}

/// Reads of all kinds: users, lists, groups, and `me` of the account API.
pub fn scenarios(world: &World) -> Vec<Scenario> {
    let directory = || Sender::Door(world.door());
    let ids = Arc::new(world.users.clone());
    let count = ids.len();
    let mut scenarios = vec![
        Scenario::new("GET /Users/{id}", directory(), move |number| {
            Request::get(format!("/scim/v2/Users/{}", ids[scattered(number) % count]))
        }),
        Scenario::new("filter userName eq", directory(), move |number| {
            let name = user_name(scattered(number) % count);
            Request::get(format!("/scim/v2/Users?filter=userName%20eq%20%22{name}%22"))
        }),
        Scenario::new("page of 100 anywhere", directory(), move |number| {
            let start = 1 + scattered(number) % count.saturating_sub(99).max(1);
            Request::get(format!("/scim/v2/Users?startIndex={start}&count=100"))
        }),
    ];
    scenarios.extend(group_scenarios(world));
    let me = json!({ "query": ME }).to_string();
    scenarios.push(Scenario::new("me", Sender::owner(world), move |_| Request {
        method: "POST",
        path: "/graphql".to_owned(),
        body: me.clone(),
    }));
    scenarios
}

/// The empty and the largest group without their members, and the group of 1,000 with its members.
fn group_scenarios(world: &World) -> Vec<Scenario> {
    let mut scenarios = Vec::new();
    let (size, crowd) = world.crowd();
    for (size, group) in [(0, world.group(0)), (size, Some(crowd))] {
        let Some(group) = group else { continue };
        let path = format!("/scim/v2/Groups/{group}?excludedAttributes=members");
        let name = format!("GET without members of a group of {size}");
        scenarios.push(Scenario::new(name, Sender::Door(world.door()), move |_| Request::get(path.clone())));
    }
    if let Some(group) = world.group(1_000) {
        let path = format!("/scim/v2/Groups/{group}");
        let name = "GET of a group with its 1000 members";
        scenarios.push(Scenario::new(name, Sender::Door(world.door()), move |_| Request::get(path.clone())));
    }
    scenarios
}

/// Measures all reads and the bare route by turns.
pub async fn by_turns(world: &World, results: &mut Results, time: Duration) {
    let sample = world.client().await.send("GET", &format!("/scim/v2/Users/{}", world.users[0]), "").await;
    let body = world.installation.folder().join("answer.json");
    std::fs::write(&body, &sample).expect("written");
    let bare = Server::bare(&body);
    let door = Door { address: bare.address.clone(), token: "none".to_owned(), media: "application/scim+json" };
    let mut turns = vec![Scenario::new("bare route", Sender::Door(door), |_| Request::get("/bare".to_owned()))];
    turns.extend(scenarios(world));
    let mut samples = vec![Vec::new(); turns.len()];
    for _ in 0..TURNS {
        for (scenario, samples) in turns.iter().zip(&mut samples) {
            samples.push(scenario.slice(time).await);
        }
    }
    for (scenario, samples) in turns.iter().zip(samples) {
        results.figure((world.kind.name(), world.users.len()), &scenario.name, &Sample::of(samples));
    }
}
