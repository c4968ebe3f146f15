//! Measures the time from start to ready on a store in use: after a clean stop, and after a kill with a full memtable.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use crate::figures::Results;
use crate::measure::{Asks, closed};
use crate::shared::CONNECTIONS;
use crate::store_files::newest_segment;
use crate::world::World;
use crate::writes;

/// 100 ms: writing a twentieth of a memtable of 64 MiB takes longer.
const SLICE: Duration = Duration::from_millis(100);
/// Ten minutes: ten times as long as the largest memtable took to fill.
const FILL_LIMIT: Duration = Duration::from_secs(600);

/// A load of creates and changes of users.
struct Load {
    next: Arc<AtomicUsize>,
    requests: Asks,
}

impl Load {
    /// Writes for one slice over new connections, because a restarted server has another address.
    async fn write(&self, world: &World) {
        let mut clients = world.door().open(CONNECTIONS).await;
        closed(&mut clients, SLICE, &self.next, &self.requests).await;
    }

    /// Writes until the storage engine starts a new segment of the write-ahead log, which it does when the memtable is
    /// full. Returns the size that the segment before had reached.
    async fn fill_segment(&self, world: &World) -> u64 {
        let store = world.installation.store_folder();
        let started = Instant::now();
        let (first, mut size) = newest_segment(&store);
        loop {
            assert!(started.elapsed() < FILL_LIMIT, "no memtable was flushed");
            self.write(world).await;
            let (newest, grown) = newest_segment(&store);
            if newest != first {
                return size;
            }
            size = grown;
        }
    }

    /// Writes until the newest segment is within a twentieth of the size at which the memtable is full.
    async fn fill_memtable(&self, world: &World, full: u64) {
        let store = world.installation.store_folder();
        let started = Instant::now();
        while newest_segment(&store).1 * 20 < full * 19 {
            assert!(started.elapsed() < FILL_LIMIT, "the memtable did not fill");
            self.write(world).await;
        }
    }
}

/// Stops and kills the server in turn, each time with a full memtable. The slowest start counts.
pub async fn measure(mut world: World, results: &mut Results, rounds: usize) {
    let load = Load { next: Arc::default(), requests: writes::mixed(&world) };
    // The first segment may hold only a part of its memtable: the rest was replayed from an earlier segment.
    load.fill_segment(&world).await;
    let full = load.fill_segment(&world).await;
    println!("     a memtable is full at {} MiB of the write-ahead log", full >> 20);
    let (mut after_stop, mut after_kill) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..rounds {
        load.fill_memtable(&world, full).await;
        world.server.stop();
        world.start_again();
        after_stop = after_stop.max(world.server.ready);
        load.fill_memtable(&world, full).await;
        world.server.kill();
        world.start_again();
        after_kill = after_kill.max(world.server.ready);
    }
    line(results, ("22 ready after a stop", "ready after a clean stop"), after_stop, Duration::from_secs(1));
    let what = "ready after a kill with a full memtable";
    line(results, ("23 ready after a kill", what), after_kill, Duration::from_secs(5));
}

fn line(results: &mut Results, (key, what): (&str, &str), slowest: Duration, bound: Duration) {
    let measured = format!("{:.2} s at most", slowest.as_secs_f64());
    results.line(key, what, measured, &format!("≤ {} s", bound.as_secs()), slowest <= bound);
}
