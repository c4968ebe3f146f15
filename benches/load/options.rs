//! Parses the command line: the measurements to make, their numbers of users and their durations.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::world::Kind;

/// One run of the harness.
#[derive(Debug)]
pub enum Task {
    /// Measures this build and keeps the results.
    Measure(Plan),
    /// Compares this build with an earlier one.
    Compare(Baseline),
}

/// The measurements of one run, in this order. An empty plan only draws and writes earlier results.
#[derive(Debug, Default)]
pub struct Plan {
    pub worlds: Vec<(Kind, usize)>,
    /// The duration of overload at twice the peak rate.
    pub overload: Option<Duration>,
    pub stalls: Option<Stalls>,
    pub restarts: Option<Restarts>,
}

/// Writes at half of the peak rate.
#[derive(Debug)]
pub struct Stalls {
    pub users: usize,
    pub time: Duration,
}

/// Restarts after a stop and after a kill.
#[derive(Debug)]
pub struct Restarts {
    pub users: usize,
    pub rounds: usize,
}

/// A comparison with the program of an earlier build.
#[derive(Debug)]
pub struct Baseline {
    pub program: PathBuf,
    pub users: usize,
    /// Rounds of each of the two parts: old against old, and old against new.
    pub rounds: usize,
    /// The time for which one program answers one scenario before the other program does.
    pub slice: Duration,
    /// The median ratio that each line has to reach, less its noise.
    pub goal: f64,
}

/// Users of an organization, unless `--users` says otherwise.
const USERS: usize = 10_000;
/// Rounds, unless `--rounds` says otherwise; the least of a comparison.
const ROUNDS: usize = 5;

impl Task {
    pub fn read(arguments: &[String]) -> Self {
        let arguments = Arguments(arguments);
        match arguments.value::<PathBuf>("--baseline") {
            Some(program) => Self::Compare(Baseline::read(program, &arguments)),
            None => Self::Measure(Plan::read(&arguments)),
        }
    }
}

impl Plan {
    fn read(arguments: &Arguments) -> Self {
        let users = arguments.value("--users");
        let overload = Duration::from_secs(if arguments.has("--full") { 120 } else { 20 });
        if ["--table", "--overload", "--stalls", "--restarts"].iter().any(|flag| arguments.has(flag)) {
            let users = users.unwrap_or(USERS);
            let time = Duration::from_secs(arguments.value("--seconds").unwrap_or(600));
            let rounds = arguments.value("--rounds").unwrap_or(ROUNDS);
            return Self {
                worlds: Vec::new(),
                overload: arguments.has("--overload").then_some(overload),
                stalls: arguments.has("--stalls").then_some(Stalls { users, time }),
                restarts: arguments.has("--restarts").then_some(Restarts { users, rounds }),
            };
        }
        if let Some(users) = users {
            let kind = arguments.value("--store").map_or(Some(Kind::Disk), |name: String| Kind::named(&name));
            return Self { worlds: vec![(kind.expect("mem, surrealkv or ws"), users)], ..Self::default() };
        }
        let mut worlds = [1_000, 10_000, 100_000].map(|users| (Kind::Disk, users)).to_vec();
        worlds.extend(arguments.has("--full").then_some((Kind::Disk, 1_000_000)));
        worlds.extend([1_000, 10_000].map(|users| (Kind::Remote, users)));
        worlds.extend([1_000, 10_000].map(|users| (Kind::Memory, users)));
        Self { worlds, overload: Some(overload), ..Self::default() }
    }
}

impl Baseline {
    fn read(program: PathBuf, arguments: &Arguments) -> Self {
        // Absolute, because servers run in folders of their own.
        let found = program.canonicalize();
        let program = found.unwrap_or_else(|error| panic!("--baseline {}: {error}", program.display()));
        let rounds = arguments.value("--rounds").unwrap_or(ROUNDS);
        assert!(rounds >= ROUNDS, "--rounds {rounds}: a comparison needs at least {ROUNDS}");
        Self {
            program,
            users: arguments.value("--users").unwrap_or(USERS),
            rounds,
            slice: Duration::from_secs_f64(arguments.value("--slice").unwrap_or(2.0)),
            goal: arguments.value("--goal").unwrap_or(0.95),
        }
    }
}

/// The arguments of the process, without its name.
struct Arguments<'a>(&'a [String]);

impl Arguments<'_> {
    fn has(&self, flag: &str) -> bool {
        self.0.iter().any(|argument| argument == flag)
    }

    /// Returns the argument after a flag; ends the run if it is missing or cannot be parsed.
    fn value<T: FromStr>(&self, flag: &str) -> Option<T> {
        let place = self.0.iter().position(|argument| argument == flag)?;
        let value = self.0.get(place + 1).and_then(|value| value.parse().ok());
        Some(value.unwrap_or_else(|| panic!("{flag} needs a value")))
    }
}
