//! Containers for the tests of the server. `containers surreal` starts a SurrealDB server that keeps its data in memory, prints its
//! address, and removes the container when standard input ends, or at SIGTERM or SIGINT.

use std::collections::HashMap;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use testcontainers::bollard::models::PortBinding;
use testcontainers::core::IntoContainerPort as _;
use testcontainers::core::client::docker_client_instance;
use testcontainers::runners::AsyncRunner as _;
use testcontainers::{GenericImage, ImageExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// The server's port in its container.
const PORT: u16 = 8000;
/// Longest time from the start of the container to a server that is ready. It includes the download of the image.
const START_TIME: Duration = Duration::from_secs(120);
/// Exit code where no Docker engine answers.
const NO_ENGINE: u8 = 3;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let tag = match arguments.as_slice() {
        ["surreal"] => "v3.3.5",
        ["surreal", "--tag", tag] => *tag,
        _ => {
            eprintln!("usage: containers surreal [--tag TAG]");
            return ExitCode::from(2);
        }
    };
    if !engine_answers().await {
        eprintln!("No Docker engine answers.");
        return ExitCode::from(NO_ENGINE);
    }
    match surreal(tag).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("The container surrealdb/surrealdb:{tag} does not start: {failure}");
            ExitCode::FAILURE
        }
    }
}

async fn engine_answers() -> bool {
    match docker_client_instance().await {
        Ok(docker) => docker.ping().await.is_ok(),
        Err(_) => false,
    }
}

/// Runs a server until this process is told to stop.
async fn surreal(tag: &str) -> Result<(), Failure> {
    // Before the start, so that a signal in between removes the container too.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let input = end_of_input();

    let container = GenericImage::new("surrealdb/surrealdb", tag)
        .with_exposed_port(PORT.tcp())
        .with_cmd(["start", "--user", "root", "--pass", "root", "--bind", "0.0.0.0:8000", "--log", "none", "memory"])
        .with_startup_timeout(START_TIME)
        // Published for this machine alone.
        .with_host_config_modifier(|host| {
            let binding = PortBinding { host_ip: Some("127.0.0.1".to_owned()), host_port: Some(String::new()) };
            host.publish_all_ports = Some(false);
            host.port_bindings = Some(HashMap::from([(format!("{PORT}/tcp"), Some(vec![binding]))]));
        })
        .start()
        .await?;
    let address = format!("127.0.0.1:{}", container.get_host_port_ipv4(PORT.tcp()).await?);
    tokio::time::timeout(START_TIME, ready(&address)).await.map_err(|_| "it is never ready")?;

    let mut output = std::io::stdout();
    writeln!(output, "{address}")?;
    output.flush()?;
    tokio::select! {
        _ = input => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    container.rm().await?;
    Ok(())
}

/// Completes when standard input ends. Reads on a thread of its own: a pending read would keep the runtime from shutting down.
fn end_of_input() -> oneshot::Receiver<()> {
    let (ended, end) = oneshot::channel();
    std::thread::spawn(move || {
        drop(std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
        // The receiver is gone where a signal came first.
        let _ = ended.send(());
    });
    end
}

/// Waits until the server accepts queries. The engine's proxy accepts connections earlier, so that a connection alone means nothing.
async fn ready(address: &str) {
    while !answers_ready(address).await.unwrap_or(false) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn answers_ready(address: &str) -> std::io::Result<bool> {
    let mut connection = TcpStream::connect(address).await?;
    connection.write_all(b"GET /ready HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await?;
    Ok(answer.starts_with("HTTP/1.1 200"))
}
