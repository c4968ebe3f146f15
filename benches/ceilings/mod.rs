//! What the server gets through against what nothing at all would: the same bytes from a bare route, in the same run.

use std::time::{Duration, Instant};

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use rollcall::domain::UserId;
use tokio::task::JoinSet;

use crate::client::Client;
use crate::{Bench, Report, Tenant};

const CONNECTIONS: usize = 16;
/// How long each is asked, by turns.
const TURN: Duration = Duration::from_millis(1_500);
const TURNS: usize = 3;

/// A route that answers these bytes and does nothing else.
async fn bare(bytes: Vec<u8>) -> String {
    let bytes = axum::body::Bytes::from(bytes);
    let answer = move || async move { ([(CONTENT_TYPE, "application/scim+json")], bytes) };
    let router = Router::new().route("/bare", get(answer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
    address
}

/// How many requests a second so many connections get through in a turn.
async fn rate(clients: &mut Vec<Client>, path: impl Fn(usize) -> String + Clone + Send + 'static) -> f64 {
    let started = Instant::now();
    let mut running = JoinSet::new();
    for (number, mut client) in clients.drain(..).enumerate() {
        let path = path.clone();
        running.spawn(async move {
            let mut count = 0_u32;
            while started.elapsed() < TURN {
                client.send("GET", &path(number * 7_919 + count as usize), "").await;
                count += 1;
            }
            (client, count)
        });
    }
    let mut total = 0;
    for (client, count) in running.join_all().await {
        clients.push(client);
        total += count;
    }
    f64::from(total) / started.elapsed().as_secs_f64()
}

/// `GET /Users/{id}` and `filter=userName eq` against the bare route, at a thousand and at many users, by turns.
pub async fn reads(bench: &Bench, report: &mut Report, small: (&Tenant, &[UserId]), large: (&Tenant, &[UserId])) {
    let sample = bench.client(large.0).await.send("GET", &format!("/scim/v2/Users/{}", large.1[0]), "").await;
    println!("     an answer has {} bytes", sample.len());
    let address = bare(sample).await;
    let mut bare = Vec::new();
    for _ in 0..CONNECTIONS {
        bare.push(Client::connect(&address, "none").await);
    }
    let mut sides = Vec::new();
    for (tenant, ids) in [small, large] {
        let mut clients = Vec::new();
        for _ in 0..CONNECTIONS {
            clients.push(bench.client(tenant).await);
        }
        sides.push((clients, ids.to_vec()));
    }
    let mut rates = [Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..TURNS {
        rates[0].push(rate(&mut bare, |_| "/bare".to_owned()).await);
        for (side, (clients, ids)) in sides.iter_mut().enumerate() {
            let (count, ids) = (ids.len(), ids.clone());
            let by_id = move |index: usize| format!("/scim/v2/Users/{}", ids[index % ids.len()]);
            rates[1 + side].push(rate(clients, by_id).await);
            let by_name = move |index: usize| {
                format!("/scim/v2/Users?filter=userName%20eq%20%22user{:06}@example.com%22", index % count)
            };
            rates[3 + side].push(rate(clients, by_name).await);
        }
    }
    let [bare, id_small, id_large, name_small, name_large] = rates.map(|mut rates| {
        rates.sort_unstable_by(f64::total_cmp);
        rates[rates.len() / 2]
    });
    let count = large.1.len();
    for (what, few, many, bound) in
        [("GET /Users/{id}", id_small, id_large, 0.30), ("filter=userName eq", name_small, name_large, 0.15)]
    {
        let (share, flat) = (many / bare, many / few);
        let measured = format!("{many:.0}/s of {bare:.0}/s: {:.0} %; {flat:.2} of 1,000 users'", share * 100.0);
        let what = format!("{what} at {count} users, against a bare route");
        let bounds = format!("{:.0} %, flat", bound * 100.0);
        report.line(&what, measured, &bounds, share >= bound && flat >= 0.75);
    }
}
