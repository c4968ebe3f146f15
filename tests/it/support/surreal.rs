//! A real SurrealDB server, if its program has been built: `cargo build` in `tests/tools/surreal`.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub struct SurrealServer {
    process: Child,
    pub address: String,
    storage: String,
}

impl SurrealServer {
    /// Starts a server in memory; none, with the reason printed, where the program is not built.
    pub fn start() -> Option<Self> {
        Self::start_with("memory".to_owned())
    }

    /// Starts a server that keeps its data in a folder, so that it can go away and come back.
    pub fn start_on_disk(folder: &Path) -> Option<Self> {
        Self::start_with(format!("surrealkv://{}", folder.display()))
    }

    fn start_with(storage: String) -> Option<Self> {
        let program = program();
        if !program.exists() {
            println!("skipped: {} is not built (cargo build in tests/tools/surreal)", program.display());
            return None;
        }
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
        let address = format!("127.0.0.1:{port}");
        Some(Self { process: launch(&address, &storage), address, storage })
    }

    /// SIGKILL.
    pub fn go_away(&mut self) {
        self.process.kill().expect("killed");
        self.process.wait().expect("it ends");
    }

    /// Starts again on the same data and address.
    pub fn come_back(&mut self) {
        self.process = launch(&self.address, &self.storage);
    }

    pub fn url(&self) -> String {
        Self::url_at(&self.address)
    }

    /// The URL where the server is reached by another address.
    pub fn url_at(address: &str) -> String {
        format!("ws://root:root@{address}")
    }
}

/// Starts the program and waits until it listens.
fn launch(address: &str, storage: &str) -> Child {
    let process = Command::new(program())
        .args(["start", "--user", "root", "--pass", "root", "--bind", address, "--log", "none", storage])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the server starts");
    let started = Instant::now();
    while TcpStream::connect(address).is_err() {
        assert!(started.elapsed() < Duration::from_secs(60), "the server does not listen");
        std::thread::sleep(Duration::from_millis(50));
    }
    process
}

impl Drop for SurrealServer {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Beside the test binary, which is in `debug/deps`.
fn program() -> PathBuf {
    let test = std::env::current_exe().expect("a path");
    test.ancestors().nth(2).expect("the profile's folder").join("surreal")
}
