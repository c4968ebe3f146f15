//! A real SurrealDB server, if its program has been built: `cargo build` in `tests/tools/surreal`.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub struct SurrealServer {
    process: Child,
    address: String,
}

impl SurrealServer {
    /// Starts a server in memory; none, with the reason printed, where the program is not built.
    pub fn start() -> Option<Self> {
        let program = program();
        if !program.exists() {
            println!("skipped: {} is not built (cargo build in tests/tools/surreal)", program.display());
            return None;
        }
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
        let address = format!("127.0.0.1:{port}");
        let process = Command::new(program)
            .args(["start", "--user", "root", "--pass", "root", "--bind", &address, "--log", "none", "memory"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server starts");
        let server = Self { process, address };
        let started = Instant::now();
        while TcpStream::connect(&server.address).is_err() {
            assert!(started.elapsed() < Duration::from_secs(60), "the server does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(server)
    }

    pub fn url(&self) -> String {
        format!("ws://root:root@{}", self.address)
    }
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
