//! Closed loops, where each connection asks again as soon as it is answered, and open ones, where requests come when they
//! come. Times in milliseconds.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::client::Client;
use crate::shared::{milliseconds, per_second};

/// What is asked.
pub struct Request {
    pub method: &'static str,
    pub path: String,
    pub body: String,
}

impl Request {
    pub fn get(path: String) -> Self {
        Self { method: "GET", path, body: String::new() }
    }
}

/// Whom to connect to, as whom.
#[derive(Clone)]
pub struct Door {
    pub address: String,
    pub token: String,
    pub media: &'static str,
}

impl Door {
    /// So many connections: new ones, since the server closes those that are idle for long.
    pub async fn open(&self, count: usize) -> Vec<Client> {
        let mut clients = Vec::with_capacity(count);
        for _ in 0..count {
            clients.push(Client::connect_with(&self.address, &self.token, self.media).await);
        }
        clients
    }
}

/// What to ask next; the number is given once.
pub type Asks = Arc<dyn Fn(usize) -> Request + Send + Sync>;

/// What came of asking for a while.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// Successes a second.
    pub rate: f64,
    /// Times of successes, ascending.
    pub times: Vec<f64>,
    /// Times of refusals with 429 or 503, ascending, and whether all of them said when to come back.
    pub refusals: Vec<f64>,
    pub all_say_when: bool,
    /// Anything else.
    pub failures: usize,
}

impl Sample {
    /// The time that this part of the successes is within, of 1.
    pub fn within(&self, part: f64) -> f64 {
        percentile(&self.times, part)
    }

    pub fn p99(&self) -> f64 {
        self.within(0.99)
    }

    /// Several turns as one: all times, and the middle of the rates.
    pub fn of(turns: Vec<Self>) -> Self {
        let mut rates: Vec<f64> = turns.iter().map(|turn| turn.rate).collect();
        rates.sort_unstable_by(f64::total_cmp);
        let mut all = Self { rate: rates[rates.len() / 2], all_say_when: true, ..Self::default() };
        for turn in turns {
            all.times.extend(turn.times);
            all.refusals.extend(turn.refusals);
            all.all_say_when &= turn.all_say_when;
            all.failures += turn.failures;
        }
        all.times.sort_unstable_by(f64::total_cmp);
        all.refusals.sort_unstable_by(f64::total_cmp);
        all
    }
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
pub fn percentile(ascending: &[f64], part: f64) -> f64 {
    match ascending.len() {
        0 => 0.0,
        count => ascending[(((count - 1) as f64) * part).round() as usize],
    }
}

/// Asks over these connections for a while, each as fast as it is answered.
pub async fn closed(clients: &mut Vec<Client>, time: Duration, next: &Arc<AtomicUsize>, asks: &Asks) -> Sample {
    let started = Instant::now();
    let mut running = JoinSet::new();
    for mut client in clients.drain(..) {
        let (asks, next) = (asks.clone(), next.clone());
        running.spawn(async move {
            let mut times = Vec::new();
            while started.elapsed() < time {
                let request = asks(next.fetch_add(1, Ordering::Relaxed));
                times.push(milliseconds(client.timed(request.method, &request.path, &request.body).await));
            }
            (client, times)
        });
    }
    let mut times = Vec::new();
    for (client, those) in running.join_all().await {
        clients.push(client);
        times.extend(those);
    }
    let rate = per_second(times.len(), started);
    Sample::of(vec![Sample { rate, times, all_say_when: true, ..Sample::default() }])
}

/// Sends so many requests a second for a while, spread over these connections. One that is still waiting for its last answer
/// sends as soon as it has it; times are from then on.
pub async fn open(
    clients: &mut Vec<Client>,
    rate: f64,
    time: Duration,
    next: &Arc<AtomicUsize>,
    asks: &Asks,
) -> Sample {
    let started = Instant::now();
    let count = u32::try_from(clients.len()).expect("some hundreds");
    let apart = Duration::from_secs_f64(f64::from(count) / rate);
    let mut running = JoinSet::new();
    for (number, mut client) in clients.drain(..).enumerate() {
        let (asks, next) = (asks.clone(), next.clone());
        let mut due = started + apart * u32::try_from(number).expect("some hundreds") / count;
        running.spawn(async move {
            let mut sample = Sample { all_say_when: true, ..Sample::default() };
            while started.elapsed() < time {
                tokio::time::sleep_until(due.into()).await;
                let request = asks(next.fetch_add(1, Ordering::Relaxed));
                let sent = Instant::now();
                let answer = client.try_send(request.method, &request.path, &request.body).await;
                match answer.status {
                    200..300 => sample.times.push(milliseconds(sent.elapsed())),
                    429 | 503 => {
                        sample.refusals.push(milliseconds(sent.elapsed()));
                        sample.all_say_when &= answer.has_retry_after;
                    }
                    _ => sample.failures += 1,
                }
                // What it could not send in time it does not send at all.
                due = (due + apart).max(sent);
            }
            (client, sample)
        });
    }
    let mut samples = Vec::new();
    for (client, sample) in running.join_all().await {
        clients.push(client);
        samples.push(sample);
    }
    let mut all = Sample::of(samples);
    all.rate = per_second(all.times.len(), started);
    all
}
