//! Writing: on disk each write is durable before it is answered, and compared with the store alone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use scim::patch::SCHEMA as PATCH;
use serde_json::{Value, json};

use crate::alone::StoreAlone;
use crate::figures::Results;
use crate::measure::{Asks, Request, Sample};
use crate::scenario::{Scenario, Sender};
use crate::shared::{milliseconds, per_second, person};
use crate::world::{GROUP_SIZES, Kind, OUTSIDE, World};

const TURNS: usize = 5;

fn patch(path: String, operations: &Value) -> Request {
    Request { method: "PATCH", path, body: json!({"schemas": [PATCH], "Operations": operations}).to_string() }
}

/// Creates users beyond those that were imported.
fn create(world: &World) -> impl Fn(usize) -> Request + Send + Sync + use<> {
    let count = world.users.len();
    move |number| Request {
        method: "POST",
        path: "/scim/v2/Users".to_owned(),
        body: person(count + number).to_string(),
    }
}

/// Deactivates each user in one round and activates it in the next, so that each request is a change. `operations` are those
/// of the two rounds.
fn switch(ids: &[String], operations: [Value; 2]) -> impl Fn(usize) -> Request + Send + Sync + use<> {
    let ids = ids.to_vec();
    move |number| {
        let round = number / ids.len();
        patch(format!("/scim/v2/Users/{}", ids[number % ids.len()]), &operations[round % 2])
    }
}

/// Okta's shape: no path, a boolean.
fn okta() -> [Value; 2] {
    [false, true].map(|active| json!([{"op": "replace", "value": {"active": active}}]))
}

/// Entra's shape: a path, and the boolean as text.
fn entra() -> [Value; 2] {
    ["False", "True"].map(|active| json!([{"op": "Replace", "path": "active", "value": active}]))
}

/// Creates, and changes in either vendor's shape, each vendor with half of the users.
pub fn scenarios(world: &World) -> Vec<Scenario> {
    let directory = || Sender::Door(world.door());
    let (oktas, entras) = world.users.split_at(world.users.len() / 2);
    vec![
        Scenario::new("POST /Users", directory(), create(world)),
        Scenario::new("PATCH active, Okta's shape", directory(), switch(oktas, okta())),
        Scenario::new("PATCH active, Entra's shape", directory(), switch(entras, entra())),
    ]
}

/// Creates and changes in turn.
pub fn mixed(world: &World) -> Asks {
    let (create, change) = (create(world), switch(&world.users, okta()));
    Arc::new(move |number| if number.is_multiple_of(2) { create(number / 2) } else { change(number / 2) })
}

/// Measures creates and changes by turns, beside the store alone.
pub async fn people(world: &World, results: &mut Results, time: Duration) {
    let at = (world.kind.name(), world.users.len());
    let alone = match world.kind {
        Kind::Disk => Some(StoreAlone::open(world).await),
        Kind::Memory | Kind::Remote => None,
    };
    let mut ceilings = [Vec::new(), Vec::new()];
    let scenarios = scenarios(world);
    let mut samples = vec![Vec::new(); scenarios.len()];
    // By turns: while the store sorts its files it is slower, for ten seconds or so, and no kind may have met that alone.
    for _ in 0..TURNS {
        for (place, scenario) in scenarios.iter().enumerate() {
            if let Some(alone) = &alone {
                let rate = if place == 0 { alone.creates(time).await } else { alone.updates(time).await };
                ceilings[usize::from(place > 0)].push(rate);
            }
            samples[place].push(scenario.slice(time).await);
        }
    }
    for (scenario, samples) in scenarios.iter().zip(samples) {
        results.figure(at, &scenario.name, &Sample::of(samples));
    }
    if alone.is_some() {
        for (name, mut rates) in ["the store alone: create", "the store alone: change"].into_iter().zip(ceilings) {
            rates.sort_unstable_by(f64::total_cmp);
            results.figure(at, name, &Sample { rate: rates[rates.len() / 2], ..Sample::default() });
        }
    }
}

/// Users that are in no group.
fn outside(world: &World) -> Vec<String> {
    world.users[world.users.len() - OUTSIDE..].to_vec()
}

/// Adds a user to a group (even numbers) and removes the same user again (odd numbers).
fn member_change(group: &str, outside: &[String], number: usize) -> Request {
    let op = if number.is_multiple_of(2) { "add" } else { "remove" };
    let value = json!([{"value": outside[number / 2 % outside.len()]}]);
    patch(format!("/scim/v2/Groups/{group}"), &json!([{"op": op, "path": "members", "value": value}]))
}

/// One member added and removed again, in groups of all sizes, over one connection.
pub fn member_scenarios(world: &World) -> Vec<Scenario> {
    let sizes = GROUP_SIZES.into_iter().filter_map(|size| Some((size, world.group(size)?.to_owned())));
    let scenario = |(size, group): (usize, String)| {
        let outside = outside(world);
        let request = move |number: usize| member_change(&group, &outside, number);
        Scenario::new(format!("add and remove a member of a group of {size}"), Sender::Door(world.door()), request)
            .over(1)
    };
    sizes.map(scenario).collect()
}

/// Measures one member added and one removed, in groups of all sizes, one after the other.
pub async fn members(world: &World, results: &mut Results, time: Duration) {
    let outside = outside(world);
    for size in GROUP_SIZES {
        let Some(group) = world.group(size) else { continue };
        let (mut client, mut times) = (world.client().await, [Vec::new(), Vec::new()]);
        let started = Instant::now();
        for number in 0.. {
            let Request { method, path, body } = member_change(group, &outside, number);
            times[number % 2].push(milliseconds(client.timed(method, &path, &body).await));
            // Ends with a removal: the group is left as it was.
            if number % 2 == 1 && started.elapsed() > time {
                break;
            }
        }
        let samples =
            times.map(|times| vec![Sample { rate: per_second(times.len(), started), times, ..Sample::default() }]);
        for (name, those) in ["add one member to", "remove one member from"].into_iter().zip(samples) {
            results.figure(
                (world.kind.name(), world.users.len()),
                &format!("{name} a group of {size}"),
                &Sample::of(those),
            );
        }
    }
}
