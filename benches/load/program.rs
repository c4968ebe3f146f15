//! The built program, its commands and its process.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

pub const BINARY: &str = env!("CARGO_BIN_EXE_rollcall");

/// What differs from the settings of an installation: nobody is held to a rate.
const SETTINGS: [(&str, &str); 3] = [
    ("ROLLCALL__LIMITS__DIRECTORY_REQUESTS_PER_SECOND", "0"),
    ("ROLLCALL__LIMITS__CALLER_REQUESTS_PER_MINUTE", "0"),
    ("ROLLCALL__LIMITS__SIGN_IN_ATTEMPTS_PER_MINUTE", "0"),
];

/// The keys that nodes share; where there is a server there has to be one.
const KEYS: &str = "shared.key";

fn program(folder: &Path, store: &str) -> Command {
    let mut program = Command::new(BINARY);
    program.current_dir(folder).env("ROLLCALL__STORE__URL", store).envs(SETTINGS);
    let keys = folder.join(KEYS);
    if keys.exists() {
        program.env("ROLLCALL__SIGN_IN__KEY_FILE", keys);
    }
    program
}

/// Runs a command and answers what it prints.
pub fn run(folder: &Path, store: &str, arguments: &[&str]) -> Value {
    let done = program(folder, store).args(arguments).arg("--json").stderr(Stdio::inherit()).output().expect("it runs");
    assert!(done.status.success(), "{arguments:?}");
    serde_json::from_slice(&done.stdout).unwrap_or_default()
}

/// A server that runs.
pub struct Server {
    process: Child,
    /// Host and port.
    pub address: String,
    /// What it said when it was ready.
    pub contract: Value,
    /// From the start of the process until it was ready.
    pub ready: Duration,
}

impl Server {
    /// `rollcall serve` on this store, with these settings besides.
    pub fn serve(folder: &Path, store: &str, settings: &[(&str, String)]) -> Self {
        let mut serve = program(folder, store);
        serve
            .args(["serve", "--listen", "127.0.0.1:0", "--json"])
            .envs(settings.iter().map(|(name, value)| (name, value)));
        Self::start(serve)
    }

    /// `rollcall demo` in memory, with one organization.
    pub fn demo(folder: &Path) -> Self {
        let mut demo = program(folder, "mem://");
        demo.args(["demo", "--listen", "127.0.0.1:0", "--store", "mem://", "--json"]);
        Self::start(demo)
    }

    /// This harness again, as a server of one route.
    pub fn bare(body: &Path) -> Self {
        let mut bare = Command::new(std::env::current_exe().expect("a program"));
        bare.arg("--bare").arg(body);
        Self::start(bare)
    }

    fn start(mut command: Command) -> Self {
        let started = Instant::now();
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        let contract: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("it did not start: {line}"));
        let address = contract["url"].as_str().expect("a URL").trim_start_matches("http://").to_owned();
        Self { process, address, contract, ready: started.elapsed() }
    }

    /// Memory that is its own, in mebibytes.
    pub fn memory(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap_or_default();
        let kibibytes =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().split(' ').next()?.parse().ok());
        kibibytes.unwrap_or(0.0) / 1_024.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// A SurrealDB server, where its program is built (`cargo build` in `tests/tools/surreal`).
pub struct Database {
    process: Child,
    pub url: String,
}

impl Database {
    pub fn start(folder: &Path) -> Option<Self> {
        let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
        let target = target.unwrap_or_else(|| Path::new(BINARY).ancestors().nth(2).expect("a folder").to_owned());
        let program = target.join("debug/surreal");
        if !program.exists() {
            return None;
        }
        let port =
            std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
        std::fs::write(folder.join(KEYS), data_encoding::BASE64.encode(&[7; 32])).expect("written");
        let storage = format!("surrealkv://{}", folder.join("database").display());
        let arguments = ["start", "--user", "root", "--pass", "root", "--log", "none", "--bind"];
        let mut command = Command::new(program);
        command.args(arguments).arg(port.to_string()).arg(storage).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().expect("it starts");
        while std::net::TcpStream::connect(port).is_err() {
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(Self { process, url: format!("ws://root:root@{port}") })
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
