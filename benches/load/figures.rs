//! What was measured and whether it is what was wanted: kept as JSON, told as a table.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::measure::Sample;

/// One operation at one size on one store.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Figure {
    /// Successes a second.
    pub rate: f64,
    /// Milliseconds.
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub max: f64,
}

impl From<&Sample> for Figure {
    fn from(sample: &Sample) -> Self {
        let within = |part| (sample.within(part) * 1_000.0).round() / 1_000.0;
        Self { rate: sample.rate.round(), p50: within(0.5), p90: within(0.9), p99: within(0.99), max: within(1.0) }
    }
}

/// A promise and what came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Line {
    pub what: String,
    pub measured: String,
    pub wanted: String,
    pub holds: bool,
}

/// Everything that was measured last, on one machine.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Results {
    pub machine: String,
    pub version: String,
    /// By store, number of people, operation.
    pub figures: BTreeMap<String, BTreeMap<usize, BTreeMap<String, Figure>>>,
    /// By key, which says their order.
    pub lines: BTreeMap<String, Line>,
}

impl Results {
    /// What is known from earlier runs, which measured other parts.
    pub fn load(path: &Path) -> Self {
        let known = std::fs::read_to_string(path).ok().and_then(|text| serde_json::from_str(&text).ok());
        Self { machine: machine(), version: env!("CARGO_PKG_VERSION").to_owned(), ..known.unwrap_or_default() }
    }

    pub fn store(&self, path: &Path) {
        let text = serde_json::to_string_pretty(self).expect("JSON") + "\n";
        std::fs::write(path, text).expect("written");
    }

    pub fn figure(&mut self, (store, users): (&str, usize), operation: &str, sample: &Sample) {
        let figure = Figure::from(sample);
        println!(
            "     {store:<9} {users:>9}  {operation:<44} {:>8.0}/s  p50 {:>8.3} ms  p99 {:>8.3} ms",
            figure.rate, figure.p50, figure.p99
        );
        let sizes = self.figures.entry(store.to_owned()).or_default();
        sizes.entry(users).or_default().insert(operation.to_owned(), figure);
    }

    pub fn find(&self, (store, users): (&str, usize), operation: &str) -> Option<&Figure> {
        self.figures.get(store)?.get(&users)?.get(operation)
    }

    pub fn line(&mut self, key: &str, what: impl Into<String>, measured: impl Into<String>, wanted: &str, holds: bool) {
        let line = Line { what: what.into(), measured: measured.into(), wanted: wanted.to_owned(), holds };
        println!("{} {}: {} (wanted: {wanted})", if holds { "PASS" } else { "MISS" }, line.what, line.measured);
        self.lines.insert(key.to_owned(), line);
    }

    /// The promises, as Markdown.
    pub fn table(&self) -> String {
        let mut table = format!("{}.\n\n| | What | Measured | Wanted |\n|---|---|---|---|\n", self.machine);
        for Line { what, measured, wanted, holds } in self.lines.values() {
            let mark = if *holds { "pass" } else { "**fail**" };
            writeln!(table, "| {mark} | {what} | {measured} | {wanted} |").expect("text");
        }
        table
    }

    /// All figures, as Markdown.
    pub fn figures_table(&self) -> String {
        let mut table =
            String::from("| Store | Users | Operation | a second | p50 ms | p99 ms |\n|---|---|---|---|---|---|\n");
        for (store, sizes) in &self.figures {
            for (users, operations) in sizes {
                for (operation, Figure { rate, p50, p99, .. }) in operations {
                    writeln!(table, "| {store} | {users} | {operation} | {rate:.0} | {p50:.3} | {p99:.3} |")
                        .expect("text");
                }
            }
        }
        table
    }
}

/// Processors and memory, as the kernel tells them.
pub fn machine() -> String {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let processors = read("/proc/cpuinfo");
    let name = processors
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':').map(|(_, name)| name.trim().to_owned()));
    let count = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let memory = read("/proc/meminfo");
    let kibibytes: Option<u64> =
        memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().split(' ').next()?.parse().ok());
    let gibibytes = kibibytes.unwrap_or_default() / (1 << 20);
    let name = name.unwrap_or_else(|| "an unknown processor".to_owned());
    format!("{count} cores of {name}, {gibibytes} GiB, shared by the server, the clients and the store")
}

/// Puts a text between two marks of a file.
pub fn put_between(path: &Path, name: &str, text: &str) {
    let (begin, end) = (format!("<!-- {name}: begin -->"), format!("<!-- {name}: end -->"));
    let file = std::fs::read_to_string(path).expect("a file");
    let (head, rest) = file.split_once(&begin).unwrap_or_else(|| panic!("{} has no {begin}", path.display()));
    let (_, tail) = rest.split_once(&end).expect("an end");
    std::fs::write(path, format!("{head}{begin}\n{text}{end}{tail}")).expect("written");
}
