//! Writing: on disk each write is durable before it is answered, and compared with the store alone.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use scim::patch::SCHEMA as PATCH;
use serde_json::{Value, json};

use crate::alone::StoreAlone;
use crate::figures::Results;
use crate::measure::{Asks, Request, Sample, closed};
use crate::shared::{CONNECTIONS, milliseconds, per_second, person};
use crate::world::{GROUP_SIZES, Kind, OUTSIDE, World};

const TURNS: usize = 5;

fn patch(path: String, operations: &Value) -> Request {
    Request { method: "PATCH", path, body: json!({"schemas": [PATCH], "Operations": operations}).to_string() }
}

/// People made, deactivated and activated again in either vendor's shape, sixteen at once.
pub async fn people(world: &World, results: &mut Results, time: Duration) {
    let count = world.users.len();
    let at = (world.kind.name(), count);
    let create: Asks = Arc::new(move |number| Request {
        method: "POST",
        path: "/scim/v2/Users".to_owned(),
        body: person(count + number).to_string(),
    });
    // Each user is turned off in one round and on again in the next; half of them are each vendor's, so that each request
    // is a change.
    let (oktas, entras) = world.users.split_at(count / 2);
    let switch = |ids: &[String], vendor: fn(bool) -> Value| -> Asks {
        let ids = ids.to_vec();
        Arc::new(move |number| {
            let is_on = (number / ids.len()) % 2 == 1;
            patch(format!("/scim/v2/Users/{}", ids[number % ids.len()]), &vendor(is_on))
        })
    };
    let okta: Asks = switch(oktas, |active| json!([{"op": "replace", "value": {"active": active}}]));
    let entra: Asks = switch(entras, |active| {
        let text = if active { "True" } else { "False" };
        json!([{"op": "Replace", "path": "active", "value": text}])
    });
    let alone = match world.kind {
        Kind::Disk => Some(StoreAlone::open(world).await),
        Kind::Memory | Kind::Remote => None,
    };
    let mut ceilings = [Vec::new(), Vec::new()];
    let kinds = [("POST /Users", create), ("PATCH active, Okta's shape", okta), ("PATCH active, Entra's shape", entra)];
    let mut kinds = kinds.map(|(name, asks)| (name, asks, Arc::new(AtomicUsize::new(0)), Vec::new()));
    // By turns: while the store sorts its files it is slower, for ten seconds or so, and no kind may have met that alone.
    for _ in 0..TURNS {
        for (place, (_, asks, next, samples)) in kinds.iter_mut().enumerate() {
            if let Some(alone) = &alone {
                let rate = if place == 0 { alone.creates(time).await } else { alone.updates(time).await };
                ceilings[usize::from(place > 0)].push(rate);
            }
            let mut clients = world.door().open(CONNECTIONS).await;
            samples.push(closed(&mut clients, time, next, asks).await);
        }
    }
    for (name, .., samples) in kinds {
        results.figure(at, name, &Sample::of(samples));
    }
    if alone.is_some() {
        for (name, mut rates) in ["the store alone: create", "the store alone: change"].into_iter().zip(ceilings) {
            rates.sort_unstable_by(f64::total_cmp);
            results.figure(at, name, &Sample { rate: rates[rates.len() / 2], ..Sample::default() });
        }
    }
}

/// One member more and one less, in groups of all sizes, one after the other.
pub async fn members(world: &World, results: &mut Results, time: Duration) {
    let outside: Vec<String> = world.users[world.users.len() - OUTSIDE..].to_vec();
    for size in GROUP_SIZES {
        let Some(group) = world.group(size) else { continue };
        let path = format!("/scim/v2/Groups/{group}");
        let (mut client, mut times) = (world.client().await, [Vec::new(), Vec::new()]);
        let started = Instant::now();
        for number in 0.. {
            let value = json!([{"value": outside[number % OUTSIDE]}]);
            for (side, op) in ["add", "remove"].into_iter().enumerate() {
                let Request { method, path, body } =
                    patch(path.clone(), &json!([{"op": op, "path": "members", "value": value}]));
                times[side].push(milliseconds(client.timed(method, &path, &body).await));
            }
            if started.elapsed() > time {
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
