//! What is measured against: a route that answers the same bytes and does nothing else, and the store with nothing over
//! it, writing the same rows.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use rollcall::clock::{Clock, Entropy};
use rollcall::domain::audit::{AuditEvent, EventKind};
use rollcall::domain::provisioning::{ProvisioningEvent, ProvisioningOutcome};
use rollcall::domain::user::{User, UserDraft, Writer};
use rollcall::domain::{AuditEventId, Caller, DirectoryId, ProvisioningEventId, UserId};
use rollcall::store::{OrganizationStore, OwnerWatch, Store};
use scim::Dialect;
use serde_json::json;
use tokio::task::JoinSet;

use crate::shared::{CONNECTIONS, per_second, person, resource, store_settings};
use crate::world::World;

/// A server of one route, for the whole process.
pub async fn bare(body: &Path) {
    let bytes = axum::body::Bytes::from(std::fs::read(body).expect("a body"));
    let answer = move || async move { ([(CONTENT_TYPE, "application/scim+json")], bytes) };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("{}", json!({"url": format!("http://{}", listener.local_addr().expect("an address"))}));
    axum::serve(listener, Router::new().route("/bare", get(answer))).await.expect("it serves");
}

/// The store, written to by as many tasks as there are connections.
pub struct StoreAlone {
    store: OrganizationStore,
    entropy: Arc<Entropy>,
    next: Arc<AtomicUsize>,
    users: Vec<UserId>,
}

/// What each change of a directory leaves: an audit event and a line in its log.
fn event(entropy: &Entropy, kind: EventKind, user: UserId) -> AuditEvent {
    let now = Clock::default().now();
    let id = AuditEventId::new(entropy.id(now));
    let logged = ProvisioningEvent {
        id: ProvisioningEventId::new(entropy.id(now)),
        at: now,
        directory: DirectoryId::new(entropy.id(now)),
        client: None,
        method: "POST".to_owned(),
        path: "/Users".to_owned(),
        resource_type: Some("User".to_owned()),
        resource: Some(user.uuid()),
        outcome: ProvisioningOutcome::Applied,
        status: 201,
        scim_type: None,
        detail: None,
        dialect: Dialect::default(),
        operations: vec!["set userName".to_owned()],
        tolerances: Vec::new(),
        denied: None,
        audit_event: Some(id),
        version_before: None,
        version_after: Some(1),
        request: id.to_string(),
        duration: 1,
    };
    let event = AuditEvent::new(id, now, &Caller::operator(None), kind, ("user", user.to_string()));
    AuditEvent { provisioning: Some(Box::new(logged)), ..event }
}

fn writer() -> Writer {
    Writer { author: None, now: Clock::default().now(), states_all: true }
}

impl StoreAlone {
    /// The copy of the store that was made before the server was started: the same people in the same files.
    pub async fn open(world: &World) -> Self {
        let url = format!("surrealkv://{}?sync=every", world.copy().display());
        let store = Store::connect(&store_settings(&url)).await.expect("a store");
        let organizations = store.identity().list_organizations().await.expect("read");
        let [organization] = organizations.as_slice() else { panic!("one organization: {organizations:?}") };
        let users = world.users.iter().map(|id| id.parse().expect("an id")).collect();
        let next = Arc::new(AtomicUsize::new(world.users.len()));
        let store = store.organization(organization.id).await.expect("opened");
        Self { store, entropy: Arc::new(Entropy::default()), next, users }
    }

    /// Users a second that are made, one transaction each.
    pub async fn creates(&self, time: Duration) -> f64 {
        let started = Instant::now();
        let mut running = JoinSet::new();
        for _ in 0..CONNECTIONS {
            let (store, entropy, next) = (self.store.clone(), self.entropy.clone(), self.next.clone());
            running.spawn(async move {
                let mut made = 0;
                while started.elapsed() < time {
                    let body = resource(&person(next.fetch_add(1, Ordering::Relaxed)));
                    let id = UserId::new(entropy.id(Clock::default().now()));
                    let user = User::create(id, UserDraft::new(body).expect("valid"), writer());
                    let event = event(&entropy, EventKind::UserCreated, id);
                    store.insert_user(&user, false, &event).await.expect("stored");
                    made += 1;
                }
                made
            });
        }
        per_second(running.join_all().await.into_iter().sum(), started)
    }

    /// Changes a second, each a read and a transaction, of users that were there before.
    pub async fn updates(&self, time: Duration) -> f64 {
        let started = Instant::now();
        let mut running = JoinSet::new();
        let share = self.users.len() / CONNECTIONS;
        for number in 0..CONNECTIONS {
            let (store, entropy) = (self.store.clone(), self.entropy.clone());
            let ids: Vec<UserId> = self.users[number * share..][..share].to_vec();
            running.spawn(async move {
                let mut count = 0;
                while started.elapsed() < time {
                    let before = store.find_user(ids[count % ids.len()]).await.expect("read").expect("there");
                    let mut attributes = before.attributes.clone();
                    attributes.attributes_mut().insert("active".to_owned(), json!(!before.active()));
                    let after = before.with_attributes(UserDraft::new(attributes).expect("valid"), writer());
                    let event = event(&entropy, EventKind::UserUpdated, before.id);
                    store.update_user(&before, &after, OwnerWatch::Nobody, &event).await.expect("stored");
                    count += 1;
                }
                count
            });
        }
        per_second(running.join_all().await.into_iter().sum(), started)
    }
}
