//! A real SurrealDB server: a container where the program of `tests/tools/containers` is built and an engine answers, otherwise the
//! program of `tests/tools/surreal`.

use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub struct SurrealServer {
    /// The server, or the program that keeps its container.
    process: Child,
    pub address: String,
    /// Where the server keeps its data; none for a container.
    storage: Option<String>,
}

impl SurrealServer {
    /// Starts a server in memory; none, with the reason printed, where no program is built.
    pub fn start() -> Option<Self> {
        Self::start_container().or_else(|| Self::start_process("memory".to_owned()))
    }

    /// Starts a server that keeps its data in a folder, so that it can go away and come back. Always a process: a container
    /// that is started again gets another port.
    pub fn start_on_disk(folder: &Path) -> Option<Self> {
        Self::start_process(format!("surrealkv://{}", folder.display()))
    }

    /// Starts a container. The program says on standard error why it does not.
    fn start_container() -> Option<Self> {
        let program = program("containers");
        if !program.exists() {
            return None;
        }
        let piped = Command::new(program).arg("surreal").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut process = piped.expect("the program starts");
        let mut address = String::new();
        BufReader::new(process.stdout.take().expect("piped")).read_line(&mut address).expect("readable");
        if address.is_empty() {
            process.wait().expect("it ends");
            return None;
        }
        Some(Self { process, address: address.trim().to_owned(), storage: None })
    }

    fn start_process(storage: String) -> Option<Self> {
        let program = program("surreal");
        if !program.exists() {
            println!("skipped: {} is not built (cargo build in tests/tools/surreal)", program.display());
            return None;
        }
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
        let address = format!("127.0.0.1:{port}");
        Some(Self { process: launch(&address, &storage), address, storage: Some(storage) })
    }

    /// SIGKILL.
    pub fn go_away(&mut self) {
        assert!(self.storage.is_some(), "only a process is killed: start_on_disk");
        self.process.kill().expect("killed");
        self.process.wait().expect("it ends");
    }

    /// Starts again on the same data and address.
    pub fn come_back(&mut self) {
        self.process = launch(&self.address, self.storage.as_ref().expect("a process"));
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
    let process = Command::new(program("surreal"))
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
        // The end of its standard input tells the program of a container to remove it.
        if self.process.stdin.take().is_none() {
            drop(self.process.kill());
        }
        drop(self.process.wait());
    }
}

/// Beside the test binary, which is in `debug/deps`.
fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a path");
    test.ancestors().nth(2).expect("the profile's folder").join(name)
}
