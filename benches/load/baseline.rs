//! Compares this build with an earlier one, scenario by scenario, in one run.
//!
//! Both programs serve stores of their own and answer the same scenarios in short slices: old, new, then new, old, so that
//! noise of the machine affects both alike. A first part compares the old program with itself: the interquartile range of
//! its ratios is the noise of a line, which at five rounds is about twice the standard error of their median. A line fails
//! when the median ratio of new to old is below the goal minus the noise.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use crate::figures::machine;
use crate::measure::{Sample, percentile};
use crate::options::Baseline;
use crate::program::built;
use crate::scenario::Scenario;
use crate::world::{Kind, World};
use crate::{reads, writes};

/// A value of a sample that is compared.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Metric {
    PerSecond,
    P50Milliseconds,
    P99Milliseconds,
}

impl Metric {
    /// The metrics of a scenario: requests a second or, over one connection, the p50; and the p99.
    fn of(scenario: &Scenario) -> [Self; 2] {
        [if scenario.is_sequential() { Self::P50Milliseconds } else { Self::PerSecond }, Self::P99Milliseconds]
    }

    fn name(self) -> &'static str {
        match self {
            Self::PerSecond => "a second",
            Self::P50Milliseconds => "p50 ms",
            Self::P99Milliseconds => "p99 ms",
        }
    }

    fn value(self, sample: &Sample) -> f64 {
        match self {
            Self::PerSecond => sample.rate,
            Self::P50Milliseconds => sample.within(0.5),
            Self::P99Milliseconds => sample.p99(),
        }
    }

    /// Ratio of new to old, inverted for latencies: above 1 the new program is better.
    fn ratio(self, pair: &Pair) -> f64 {
        match self {
            Self::PerSecond => pair.new / pair.old,
            Self::P50Milliseconds | Self::P99Milliseconds => pair.old / pair.new,
        }
    }
}

/// Values of the two programs in one round.
struct Pair {
    old: f64,
    new: f64,
}

/// One metric of one scenario in all rounds.
struct Series {
    scenario: String,
    metric: Metric,
    pairs: Vec<Pair>,
}

impl Series {
    fn ratios(&self) -> Vec<f64> {
        sorted(self.pairs.iter().map(|pair| self.metric.ratio(pair)))
    }
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values
}

/// A line of the comparison: medians of all rounds.
#[derive(Serialize)]
struct Line {
    scenario: String,
    metric: Metric,
    old: f64,
    new: f64,
    ratio: f64,
    noise: f64,
    passes: bool,
}

impl Line {
    fn new(noise: &Series, compared: &Series, goal: f64) -> Self {
        let median = |value: fn(&Pair) -> f64| percentile(&sorted(compared.pairs.iter().map(value)), 0.5);
        let (noise, ratio) = (noise.ratios(), percentile(&compared.ratios(), 0.5));
        let noise = percentile(&noise, 0.75) - percentile(&noise, 0.25);
        Self {
            scenario: compared.scenario.clone(),
            metric: compared.metric,
            old: median(|pair| pair.old),
            new: median(|pair| pair.new),
            ratio,
            noise,
            passes: ratio >= goal - noise,
        }
    }
}

/// A server under comparison. It is paused outside of its own slices, so that its flushes and compactions take time from no
/// slice of the other program.
struct Contender {
    world: World,
    scenarios: Vec<Scenario>,
}

impl Contender {
    /// Serves a new store on disk.
    async fn start(program: &Path, users: usize) -> Self {
        let world = Box::pin(World::make(program, Kind::Disk, users)).await.expect("a store on disk");
        let mut scenarios = reads::scenarios(&world);
        scenarios.push(reads::login(&world));
        scenarios.extend(writes::scenarios(&world));
        scenarios.extend(writes::member_scenarios(&world));
        world.server.pause();
        Self { world, scenarios }
    }

    async fn slice(&self, scenario: usize, time: Duration) -> Sample {
        self.world.server.resume();
        let sample = self.scenarios[scenario].slice(time).await;
        self.world.server.pause();
        sample
    }

    fn print_memory(&self, name: &str) {
        let (memory, peak) = (self.world.server.memory(), self.world.server.peak_memory());
        println!("     {name}: {memory:.0} MiB resident, {peak:.0} MiB at its peak");
    }
}

/// Compares an earlier build with this one; fails if a line fails.
pub async fn compare(options: &Baseline) -> ExitCode {
    println!("{}\n== old against old", machine());
    let noise = Box::pin(alternate([&options.program, &options.program], options)).await;
    println!("== old against new");
    let compared = Box::pin(alternate([&options.program, built()], options)).await;
    let lines: Vec<Line> =
        noise.iter().zip(&compared).map(|(noise, compared)| Line::new(noise, compared, options.goal)).collect();
    print(&lines);
    store(options, &lines);
    if lines.iter().all(|line| line.passes) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs all scenarios on both programs, slice by slice.
async fn alternate([old, new]: [&Path; 2], options: &Baseline) -> Vec<Series> {
    let old = Contender::start(old, options.users).await;
    let new = Contender::start(new, options.users).await;
    let series = |scenario: &Scenario| {
        Metric::of(scenario).map(|metric| Series { scenario: scenario.name.clone(), metric, pairs: Vec::new() })
    };
    let mut all: Vec<[Series; 2]> = old.scenarios.iter().map(series).collect();
    // Round 0 warms both up and is not counted.
    for round in 0..=options.rounds {
        for (place, series) in all.iter_mut().enumerate() {
            let (before, after) = if (round + place).is_multiple_of(2) {
                let before = old.slice(place, options.slice).await;
                (before, new.slice(place, options.slice).await)
            } else {
                let after = new.slice(place, options.slice).await;
                (old.slice(place, options.slice).await, after)
            };
            if round > 0 {
                for Series { metric, pairs, .. } in series {
                    pairs.push(Pair { old: metric.value(&before), new: metric.value(&after) });
                }
            }
        }
        println!("     round {round} of {}", options.rounds);
    }
    old.print_memory("first program");
    new.print_memory("second program");
    all.into_iter().flatten().collect()
}

fn print(lines: &[Line]) {
    println!("{:<44} {:>8} {:>10} {:>10} {:>7} {:>7}", "line", "metric", "old", "new", "ratio", "noise");
    for Line { scenario, metric, old, new, ratio, noise, passes } in lines {
        let verdict = if *passes { "PASS" } else { "FAIL" };
        println!("{scenario:<44} {:>8} {old:>10.3} {new:>10.3} {ratio:>7.3} {noise:>7.3} {verdict}", metric.name());
    }
}

/// Keeps the comparison in `benches/results/baseline.json`.
fn store(options: &Baseline, lines: &[Line]) {
    let kept = json!({
        "machine": machine(), "users": options.users, "rounds": options.rounds,
        "slice_seconds": options.slice.as_secs_f64(), "goal": options.goal, "lines": lines,
    });
    let text = serde_json::to_string_pretty(&kept).expect("JSON") + "\n";
    std::fs::write(crate::at("benches/results/baseline.json"), text).expect("written");
}
