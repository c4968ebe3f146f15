//! The load harness: what the design promises of speed, measured on the built program, over real sockets, with its
//! ceilings beside it in the same run. Results are kept in `benches/results`, and the table goes into the README.
//!
//! `cargo bench --bench load`: 1,000, 10,000 and 100,000 users on disk, 1,000 and 10,000 in memory and on a SurrealDB
//! server, overload.
//! `cargo bench --bench load -- --full`: a million users, too, and two minutes of overload.
//! `cargo bench --bench load -- --store surrealkv --users 10000`: one part; the others stay what they were.
//! `cargo bench --bench load -- --overload [--full]`, `-- --table`: overload alone; only draw and write what is known.
//! `cargo bench --bench load -- --stalls [--seconds 600] [--users 10000]`: writes at half of the peak rate while memtables are
//! flushed.
//! `cargo bench --bench load -- --restarts [--rounds 5] [--users 10000]`: from start to ready after a clean stop and after a
//! kill.
//! `cargo bench --bench load -- --baseline BINARY [--rounds 5] [--users 10000] [--slice 2] [--goal 0.95]`: compares the server
//! program of an earlier release build with this one, in about eleven minutes. Exits with status 1 when a line fails.

mod alone;
mod baseline;
mod charts;
mod client;
mod figures;
mod measure;
mod options;
mod overload;
mod program;
mod promises;
mod reads;
mod restarts;
mod scenario;
#[path = "../shared/mod.rs"]
mod shared;
mod stalls;
mod store_files;
mod world;
mod writes;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use figures::{Results, put_between};
use options::{Plan, Task};
use program::{Installation, built};
use world::{Kind, World};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.enable_all().thread_stack_size(16 << 20).build().expect("a runtime");
    if let Some(body) = arguments.iter().skip_while(|argument| *argument != "--bare").nth(1) {
        runtime.block_on(alone::bare(Path::new(body)));
        return ExitCode::SUCCESS;
    }
    let task = Task::read(&arguments);
    runtime.block_on(async { tokio::spawn(run(task)).await.expect("measured") })
}

async fn run(task: Task) -> ExitCode {
    match task {
        Task::Measure(plan) => {
            Box::pin(measure(plan)).await;
            ExitCode::SUCCESS
        }
        Task::Compare(options) => Box::pin(baseline::compare(&options)).await,
    }
}

fn at(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

async fn measure(plan: Plan) {
    let file = at("benches/results/latest.json");
    let mut results = Results::load(&file);
    println!("{}", results.machine);
    if !plan.worlds.is_empty() {
        start(&mut results);
    }
    for (kind, users) in &plan.worlds {
        match Box::pin(World::make(built(), *kind, *users)).await {
            Some(world) => Box::pin(one(&world, &mut results)).await,
            None => println!("     skipped: {} needs tests/tools/surreal to be built", kind.name()),
        }
        results.store(&file);
    }
    if let Some(time) = plan.overload {
        let world = on_disk(10_000).await;
        overload::saturate(&world, &mut results, time).await;
        drop(world);
        overload::fairness(&mut results, Duration::from_secs(10)).await;
    }
    if let Some(stalls) = &plan.stalls {
        stalls::measure(&on_disk(stalls.users).await, &mut results, stalls.time).await;
    }
    if let Some(restarts) = &plan.restarts {
        Box::pin(restarts::measure(on_disk(restarts.users).await, &mut results, restarts.rounds)).await;
    }
    promises::judge(&mut results);
    results.store(&file);
    charts::draw(&results, &at("benches/results"));
    put_between(&at("README.md"), "load", &results.table());
    put_between(&at("benches/RESULTS.md"), "figures", &results.figures_table());
}

/// An organization of so many users, served by this build from a new store on disk.
async fn on_disk(users: usize) -> World {
    Box::pin(World::make(built(), Kind::Disk, users)).await.expect("a store on disk")
}

/// From nothing to ready, several times.
fn start(results: &mut Results) {
    let mut times = Vec::new();
    let mut memory = 0.0;
    for _ in 0..5 {
        let installation = Installation::on_disk(built());
        let server = installation.serve(&[]);
        times.push(shared::milliseconds(server.ready));
        memory = server.memory();
    }
    times.sort_unstable_by(f64::total_cmp);
    let middle = measure::percentile(&times, 0.5);
    results.line(
        "13 start",
        "from the start of the process to ready, on an empty store",
        format!("{middle:.0} ms"),
        "< 300 ms",
        middle < 300.0,
    );
    #[expect(clippy::cast_precision_loss, reason = "some megabytes")]
    let size = std::fs::metadata(built()).map_or(0.0, |file| file.len() as f64) / f64::from(1 << 20);
    results.line(
        "14 size",
        "the program, and its memory at rest on an empty store",
        format!("{size:.0} MiB, {memory:.0} MiB"),
        "told",
        true,
    );
}

/// Everything about one organization.
async fn one(world: &World, results: &mut Results) {
    let count = world.users.len();
    let (ready, memory) = (world.server.ready.as_secs_f64(), world.server.memory());
    println!(
        "== {} with {count} users, made in {:.1} s, ready in {ready:.2} s, {memory:.0} MiB",
        world.kind.name(),
        world.made.as_secs_f64()
    );
    if (world.kind, count) == (Kind::Disk, 1_000_000) {
        results.line("12 ready", "ready with 1,000,000 users on disk", format!("{ready:.1} s"), "< 10 s", ready < 10.0);
    }
    reads::import(world, results).await;
    Box::pin(reads::by_turns(world, results, Duration::from_secs(2))).await;
    reads::logins(world, results, Duration::from_secs(2)).await;
    Box::pin(writes::members(world, results, Duration::from_secs(5))).await;
    Box::pin(writes::people(world, results, Duration::from_secs(2))).await;
    let (memory, peak) = (world.server.memory(), world.server.peak_memory());
    println!("     {memory:.0} MiB resident after all of that, {peak:.0} MiB at its peak");
    if (world.kind, count) == (Kind::Disk, 1_000_000) {
        results.line(
            "11 memory",
            "resident memory with 1,000,000 users on disk, after all of this",
            format!("{memory:.0} MiB, {peak:.0} MiB at its peak"),
            "< 1,536 MiB",
            memory < 1_536.0,
        );
    }
}
