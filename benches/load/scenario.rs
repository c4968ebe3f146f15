//! Scenarios: one kind of request each, with its sender and its number of connections.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use crate::client::Client;
use crate::measure::{Asks, Door, Request, Sample, closed};
use crate::shared::{CONNECTIONS, signed_in};
use crate::world::World;

/// The sender of a scenario's requests.
pub enum Sender {
    /// A client whose token does not expire.
    Door(Door),
    /// The owner of the organization. Signs in for each slice, because an access token expires after ten minutes.
    Owner { address: String, email: String, password: String },
}

impl Sender {
    /// The owner of this organization.
    pub fn owner(world: &World) -> Self {
        let (email, password) = world.owner.clone();
        Self::Owner { address: world.server.address.clone(), email, password }
    }

    async fn open(&self, connections: usize) -> Vec<Client> {
        match self {
            Self::Door(door) => door.open(connections).await,
            Self::Owner { address, email, password } => {
                let token = signed_in(address, email, password).await;
                Door { address: address.clone(), token, media: "application/json" }.open(connections).await
            }
        }
    }
}

/// One kind of request. The numbers of its requests continue from slice to slice.
pub struct Scenario {
    pub name: String,
    sender: Sender,
    connections: usize,
    requests: Asks,
    next: Arc<AtomicUsize>,
}

impl Scenario {
    /// A scenario over [`CONNECTIONS`] connections; `requests` makes the request with a number.
    pub fn new(
        name: impl Into<String>,
        sender: Sender,
        requests: impl Fn(usize) -> Request + Send + Sync + 'static,
    ) -> Self {
        let (requests, next) = (Arc::new(requests), Arc::default());
        Self { name: name.into(), sender, connections: CONNECTIONS, requests, next }
    }

    /// Sets the number of connections.
    pub fn over(self, connections: usize) -> Self {
        Self { connections, ..self }
    }

    /// Whether each request waits for the answer to the one before.
    pub fn is_sequential(&self) -> bool {
        self.connections == 1
    }

    /// Sends requests for this long over new connections, on each as fast as it is answered.
    pub async fn slice(&self, time: Duration) -> Sample {
        let mut clients = self.sender.open(self.connections).await;
        closed(&mut clients, time, &self.next, &self.requests).await
    }
}
