//! What stands between a node and its database and can forget their connections, as a firewall does that was restarted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

pub struct Middlebox {
    pub address: String,
    restarts: Arc<AtomicU64>,
}

impl Middlebox {
    /// Passes on what comes for the server at this address.
    pub async fn before(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let (restarts, server) = (Arc::new(AtomicU64::new(0)), server.to_owned());
        let forgets = restarts.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // A server that is gone is connected to by nobody.
                let Ok(server) = TcpStream::connect(&server).await else { return };
                let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
                tokio::spawn(carry(from_client, to_server, forgets.clone()));
                tokio::spawn(carry(from_server, to_client, forgets.clone()));
            }
        });
        Self { address, restarts }
    }

    /// What comes over the connections of before is acknowledged from now on, and goes nowhere.
    pub fn forget_connections(&self) {
        self.restarts.fetch_add(1, Ordering::SeqCst);
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, restarts: Arc<AtomicU64>) {
    let begun = restarts.load(Ordering::SeqCst);
    let mut buffer = vec![0; 64 * 1_024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if restarts.load(Ordering::SeqCst) == begun && to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
