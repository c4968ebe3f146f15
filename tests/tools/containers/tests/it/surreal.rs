//! The program `containers` as other tests use it.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support::{Server, docker, engine_answers, wait_for};

fn start() -> (Child, String) {
    let mut process = Command::new(env!("CARGO_BIN_EXE_containers"))
        .arg("surreal")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut address = String::new();
    BufReader::new(process.stdout.take().expect("piped")).read_line(&mut address).expect("a line");
    assert!(!address.is_empty(), "no address is printed");
    (process, address.trim().to_owned())
}

/// The container that publishes this address.
fn container_at(address: &str) -> String {
    let port = address.rsplit_once(':').expect("a port").1;
    docker(&["ps", "--quiet", "--filter", &format!("publish={port}")]).expect("a list")
}

#[test]
fn a_surrealdb_container_serves_on_loopback_and_goes_with_standard_input_or_a_signal() {
    if !engine_answers() {
        return;
    }
    for signalled in [false, true] {
        let (mut process, address) = start();
        assert!(address.starts_with("127.0.0.1:"), "{address}");
        assert_eq!(Server::at(&address).get("/health", None).expect("an answer").0, 200);
        assert!(!container_at(&address).is_empty());
        if signalled {
            let stopped = Command::new("kill").args(["-TERM", &process.id().to_string()]).status();
            assert!(stopped.expect("kill runs").success());
        } else {
            drop(process.stdin.take());
        }
        assert!(process.wait().expect("the program ends").success());
        wait_for("removed", Duration::from_secs(10), || container_at(&address).is_empty());
    }
}

#[test]
fn where_no_engine_answers_the_program_says_so_and_exits_with_3() {
    let output = Command::new(env!("CARGO_BIN_EXE_containers"))
        .arg("surreal")
        .env("DOCKER_HOST", "unix:///nonexistent/docker.sock")
        .output()
        .expect("the program starts");
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "No Docker engine answers.\n");
    assert!(output.stdout.is_empty());
}
