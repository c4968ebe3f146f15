//! The server program: its installations, its commands and its process.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// What differs from the settings of an installation: nobody is held to a rate.
const SETTINGS: [(&str, &str); 3] = [
    ("ROLLCALL__LIMITS__DIRECTORY_REQUESTS_PER_SECOND", "0"),
    ("ROLLCALL__LIMITS__CALLER_REQUESTS_PER_MINUTE", "0"),
    ("ROLLCALL__LIMITS__SIGN_IN_ATTEMPTS_PER_MINUTE", "0"),
];

/// The keys that nodes share; where there is a server there has to be one.
const KEYS: &str = "shared.key";

/// The program that was built with this harness.
pub fn built() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_rollcall"))
}

/// A program, a folder of its own that it runs in, and the URL of its store.
pub struct Installation {
    program: PathBuf,
    store: String,
    /// Stops before its folder is deleted.
    _database: Option<Database>,
    folder: TempDir,
}

impl Installation {
    /// An installation whose store is on disk, in its own folder.
    pub fn on_disk(program: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = format!("surrealkv://{}?sync=every", store_in(&folder).display());
        Self { program: program.to_owned(), store, _database: None, folder }
    }

    /// An installation whose store is in memory.
    pub fn in_memory(program: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { program: program.to_owned(), store: "mem://".to_owned(), _database: None, folder }
    }

    /// An installation whose store is a SurrealDB server; none where that server is not built.
    pub fn on_server(program: &Path) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let database = Database::start(folder.path())?;
        Some(Self { program: program.to_owned(), store: database.url.clone(), _database: Some(database), folder })
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The folder of a store on disk.
    pub fn store_folder(&self) -> PathBuf {
        store_in(&self.folder)
    }

    /// Makes the store. A former version has no such command, and makes its store at the first one.
    pub fn initialize(&self) {
        let init = self.command().arg("init").stdout(Stdio::null()).stderr(Stdio::null()).status();
        init.expect("it runs");
    }

    /// Runs a command and returns the JSON that it prints.
    pub fn run(&self, arguments: &[&str]) -> Value {
        let mut command = self.command();
        let done = command.args(arguments).arg("--json").stderr(Stdio::inherit()).output().expect("it runs");
        assert!(done.status.success(), "{arguments:?}");
        serde_json::from_slice(&done.stdout).unwrap_or_default()
    }

    /// Starts `rollcall serve` with additional settings.
    pub fn serve(&self, settings: &[(&str, String)]) -> Server {
        let mut serve = self.command();
        serve
            .args(["serve", "--listen", "127.0.0.1:0", "--json"])
            .envs(settings.iter().map(|(name, value)| (name, value)));
        Server::start(serve)
    }

    /// Starts `rollcall demo`, which has one organization.
    pub fn demo(&self) -> Server {
        let mut demo = self.command();
        demo.args(["demo", "--listen", "127.0.0.1:0", "--store", &self.store, "--json"]);
        Server::start(demo)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(self.folder()).env("ROLLCALL__STORE__URL", &self.store).envs(SETTINGS);
        let keys = self.folder().join(KEYS);
        if keys.exists() {
            command.env("ROLLCALL__SIGN_IN__KEY_FILE", keys);
        }
        command
    }
}

fn store_in(folder: &TempDir) -> PathBuf {
    folder.path().join("store")
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

    /// Resident memory, in mebibytes.
    pub fn memory(&self) -> f64 {
        self.status("VmRSS:")
    }

    /// The largest resident memory since the start, in mebibytes.
    pub fn peak_memory(&self) -> f64 {
        self.status("VmHWM:")
    }

    /// Reads a size that the kernel reports of the process, in mebibytes.
    fn status(&self, name: &str) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap_or_default();
        let kibibytes = status.lines().find_map(|line| line.strip_prefix(name)?.trim().split(' ').next()?.parse().ok());
        kibibytes.unwrap_or(0.0) / 1_024.0
    }

    /// Stops the server with SIGTERM and waits until it has ended.
    pub fn stop(&mut self) {
        self.signal(Signal::TERM);
        let status = self.process.wait().expect("it ends");
        assert!(status.success(), "a clean stop: {status}");
    }

    /// Kills the server with SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill().expect("killed");
        self.process.wait().expect("it ends");
    }

    /// Suspends all threads of the server until [`Server::resume`].
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).expect("signalled");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// A SurrealDB server, where its program is built (`cargo build` in `tests/tools/surreal`).
struct Database {
    process: Child,
    url: String,
}

impl Database {
    fn start(folder: &Path) -> Option<Self> {
        let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
        let target = target.unwrap_or_else(|| built().ancestors().nth(2).expect("a folder").to_owned());
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
