//! Measures the latency of durable writes while the storage engine flushes memtables.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::figures::Results;
use crate::measure::{Asks, Sample, closed, percentile};
use crate::shared::{CONNECTIONS, milliseconds};
use crate::store_files::{Flush, FlushWatch};
use crate::world::World;
use crate::writes;

/// Connections: four times those of the peak, so that a stall of some writes does not delay the rest.
const WRITERS: u16 = 64;
/// The longest that a write may wait during a flush, in milliseconds.
const BOUND: f64 = 250.0;
/// Slow writes that are printed.
const SHOWN: usize = 20;

/// One write of a constant-rate load.
struct Write {
    /// When it had to be sent. Its latency counts from here, so that a stall counts for every write that it delays.
    due: Instant,
    answered: Instant,
    /// Milliseconds. Infinite if the write was refused: a stall that ends in refusals is a stall.
    latency: f64,
}

impl Write {
    fn is_during(&self, flush: &Flush) -> bool {
        self.due <= flush.until && flush.from <= self.answered
    }
}

/// Writes at half of the peak rate, and compares slow answers with the flushes of the same time.
pub async fn measure(world: &World, results: &mut Results, time: Duration) {
    let (requests, next) = (writes::mixed(world), Arc::new(AtomicUsize::new(0)));
    let mut peaks = Vec::new();
    for _ in 0..3 {
        let mut clients = world.door().open(CONNECTIONS).await;
        peaks.push(closed(&mut clients, Duration::from_secs(5), &next, &requests).await);
    }
    let peak = Sample::of(peaks);
    results.figure((world.kind.name(), world.users.len()), "creates and changes, at their peak", &peak);
    let watch = FlushWatch::start(world.installation.store_folder());
    let started = Instant::now();
    let writes = constant_rate(world, 0.5 * peak.rate, time, (&next, &requests)).await;
    let flushes = watch.finish();
    let flushing: Duration = flushes.iter().map(|flush| flush.until - flush.from).sum();
    println!("     {} flushes and compactions, {:.1} s in all", flushes.len(), flushing.as_secs_f64());
    judge(results, started, &writes, &flushes);
}

/// Sends writes at a constant rate and does not leave out those that a stall delays.
async fn constant_rate(
    world: &World,
    rate: f64,
    time: Duration,
    (next, requests): (&Arc<AtomicUsize>, &Asks),
) -> Vec<Write> {
    let clients = world.door().open(usize::from(WRITERS)).await;
    let interval = Duration::from_secs_f64(f64::from(WRITERS) / rate);
    let started = Instant::now();
    let mut running = JoinSet::new();
    for (number, mut client) in (0_u32..).zip(clients) {
        let (next, requests) = (next.clone(), requests.clone());
        let mut due = started + interval * number / u32::from(WRITERS);
        running.spawn(async move {
            let mut writes = Vec::new();
            while due < started + time {
                tokio::time::sleep_until(due.into()).await;
                let request = requests(next.fetch_add(1, Ordering::Relaxed));
                let status = client.try_send(request.method, &request.path, &request.body).await.status;
                let answered = Instant::now();
                let latency = match status {
                    200..300 => milliseconds(answered - due),
                    429 | 503 => f64::INFINITY,
                    _ => panic!("{} {}: {status}", request.method, request.path),
                };
                writes.push(Write { due, answered, latency });
                due += interval;
            }
            writes
        });
    }
    running.join_all().await.into_iter().flatten().collect()
}

fn judge(results: &mut Results, started: Instant, writes: &[Write], flushes: &[Flush]) {
    let mut latencies: Vec<f64> = writes.iter().map(|write| write.latency).collect();
    latencies.sort_unstable_by(f64::total_cmp);
    let p9999 = percentile(&latencies, 0.9999);
    let (mut slow, mut during) = (0, 0);
    for write in writes.iter().filter(|write| write.latency > BOUND) {
        let is_during_flush = flushes.iter().any(|flush| write.is_during(flush));
        slow += 1;
        during += usize::from(is_during_flush);
        if slow <= SHOWN {
            let (at, place) = (write.due - started, if is_during_flush { "during" } else { "outside of" });
            println!("     at {:.2} s: {:.0} ms, {place} a flush", at.as_secs_f64(), write.latency);
        }
    }
    results.line(
        "21 stalls",
        "durable creates and changes at half of their peak rate: p99.99, and answers above 250 ms",
        format!(
            "{p9999:.1} ms of {} in {} flushes; {slow} above, {during} of them during a flush",
            writes.len(),
            flushes.len()
        ),
        "≤ 250 ms, none above during a flush",
        p9999 <= BOUND && during == 0 && !flushes.is_empty(),
    );
}
