//! The load harness: what the design promises of speed, measured on the built program, over real sockets, with its
//! ceilings beside it in the same run. Results are kept in `benches/results`, and the table goes into the README.
//!
//! `cargo bench --bench load`: 1,000, 10,000 and 100,000 users on disk, 1,000 and 10,000 in memory and on a SurrealDB
//! server, overload.
//! `cargo bench --bench load -- --full`: a million users, too, and two minutes of overload.
//! `cargo bench --bench load -- --store surrealkv --users 10000`: one part; the others stay what they were.
//! `cargo bench --bench load -- --overload [--full]`, `-- --table`: overload alone; only draw and write what is known.

mod alone;
mod charts;
mod client;
mod figures;
mod measure;
mod overload;
mod program;
mod promises;
mod reads;
#[path = "../shared/mod.rs"]
mod shared;
mod world;
mod writes;

use std::path::{Path, PathBuf};
use std::time::Duration;

use figures::{Results, put_between};
use program::Server;
use world::{Kind, World};

/// What is measured.
#[derive(Debug, Default)]
struct Plan {
    worlds: Vec<(Kind, usize)>,
    is_overloaded: bool,
    is_full: bool,
}

impl Plan {
    fn read(arguments: &[String]) -> Self {
        let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
        let value = |flag: &str| arguments.iter().skip_while(|argument| *argument != flag).nth(1);
        let is_full = has("--full");
        if has("--table") {
            return Self::default();
        }
        if has("--overload") {
            return Self { is_overloaded: true, is_full, worlds: Vec::new() };
        }
        if let Some(users) = value("--users").and_then(|users| users.parse().ok()) {
            let kind = value("--store").map_or(Some(Kind::Disk), |name| Kind::named(name));
            return Self { worlds: vec![(kind.expect("mem, surrealkv or ws"), users)], is_full, is_overloaded: false };
        }
        let mut worlds = [1_000, 10_000, 100_000].map(|users| (Kind::Disk, users)).to_vec();
        worlds.extend(is_full.then_some((Kind::Disk, 1_000_000)));
        worlds.extend([1_000, 10_000].map(|users| (Kind::Remote, users)));
        worlds.extend([1_000, 10_000].map(|users| (Kind::Memory, users)));
        Self { worlds, is_full, is_overloaded: true }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.enable_all().thread_stack_size(16 << 20).build().expect("a runtime");
    if let Some(body) = arguments.iter().skip_while(|argument| *argument != "--bare").nth(1) {
        return runtime.block_on(alone::bare(Path::new(body)));
    }
    let plan = Plan::read(&arguments);
    runtime.block_on(async { tokio::spawn(measure(plan)).await.expect("measured") });
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
        match Box::pin(World::make(*kind, *users)).await {
            Some(world) => Box::pin(one(&world, &mut results)).await,
            None => println!("     skipped: {} needs tests/tools/surreal to be built", kind.name()),
        }
        results.store(&file);
    }
    if plan.is_overloaded {
        let world = World::make(Kind::Disk, 10_000).await.expect("a store on disk");
        let time = Duration::from_secs(if plan.is_full { 120 } else { 20 });
        overload::saturate(&world, &mut results, time).await;
        drop(world);
        overload::fairness(&mut results, Duration::from_secs(10)).await;
    }
    promises::judge(&mut results);
    results.store(&file);
    charts::draw(&results, &at("benches/results"));
    put_between(&at("README.md"), "load", &results.table());
    put_between(&at("benches/RESULTS.md"), "figures", &results.figures_table());
}

/// From nothing to ready, several times.
fn start(results: &mut Results) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut times = Vec::new();
    let mut memory = 0.0;
    for number in 0..5 {
        let store = format!("surrealkv://{}/empty{number}?sync=every", folder.path().display());
        let server = Server::serve(folder.path(), &store, &[]);
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
    let size = std::fs::metadata(program::BINARY).map_or(0.0, |file| file.len() as f64) / f64::from(1 << 20);
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
    let memory = world.server.memory();
    println!("     {memory:.0} MiB after all of that");
    if (world.kind, count) == (Kind::Disk, 1_000_000) {
        results.line(
            "11 memory",
            "resident memory with 1,000,000 users on disk, after all of this",
            format!("{memory:.0} MiB"),
            "< 1,536 MiB",
            memory < 1_536.0,
        );
    }
}
