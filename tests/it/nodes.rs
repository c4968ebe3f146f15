//! Several nodes on one SurrealDB server behave as one, and outlive its absence (catalogue C-01, C-02, D-01, L-02).

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rollcall::domain::Caller;
use rollcall::domain::directory::DirectoryDraft;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::cli::{Running, json};
use crate::support::middlebox::Middlebox;
use crate::support::surreal::SurrealServer;
use crate::support::{Scim, TestApp, filtered, http, members, user};

/// Two nodes, and one client's view of each.
async fn pair(server: &SurrealServer) -> ([TestApp; 2], [Scim; 2], crate::support::app::Tenant) {
    let one = TestApp::start_at(&server.url()).await;
    let tenant = one.tenant("acme").await;
    let other = TestApp::start_at(&server.url()).await;
    let clients = [tenant.scim.clone(), tenant.scim.at(format!("{}/scim/v2", other.url))];
    ([one, other], clients, tenant)
}

#[tokio::test(flavor = "multi_thread")]
async fn c16_d9_revocation_and_rotation_hold_on_every_node_within_a_second() {
    let Some(server) = SurrealServer::start() else { return };
    let (nodes, [here, there], tenant) = pair(&server).await;
    there.get("/Users").await.expect(200);
    let operator = Caller::operator(Some(tenant.id));
    let rotated = nodes[0].service.rotate_token(&operator, tenant.directory).await.expect("rotated");
    there.with_token(Some(rotated.expose())).get("/Users").await.expect(200);
    there.get("/Users").await.expect(200);
    nodes[0].service.revoke_tokens(&operator, tenant.directory, None).await.expect("revoked");
    here.get("/Users").await.refused(401, None);
    nodes[1].clock.advance(Duration::from_secs(1));
    there.get("/Users").await.refused(401, None);
    there.with_token(Some(rotated.expose())).get("/Users").await.refused(401, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn c01_c28_of_creates_of_one_name_on_two_nodes_one_succeeds() {
    let Some(server) = SurrealServer::start() else { return };
    let (_nodes, clients, _) = pair(&server).await;
    for round in 0..10 {
        let mut creates = JoinSet::new();
        for index in 0..16 {
            let scim = clients[index % 2].clone();
            let name = if index % 3 == 0 { format!("RACE{round}") } else { format!("race{round}") };
            creates.spawn(async move { scim.post("/Users", &user(&name)).await });
        }
        let answers = creates.join_all().await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1, "round {round}");
        for answer in answers.into_iter().filter(|answer| answer.status != 201) {
            answer.refused(409, Some("uniqueness"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c02_c75_patches_of_one_group_on_two_nodes_lose_nobody() {
    let Some(server) = SurrealServer::start() else { return };
    let (_nodes, clients, _) = pair(&server).await;
    let mut ids = Vec::new();
    for index in 0..24 {
        ids.push(clients[0].make_user(&format!("m{index}")).await);
    }
    let before: Vec<&str> = ids[..12].iter().map(String::as_str).collect();
    let group = clients[0].make_group("G", &before).await;
    let mut writers = JoinSet::new();
    for index in 0..12 {
        let (scim, path) = (clients[index % 2].clone(), format!("/Groups/{group}"));
        let (gone, come) = (ids[index].clone(), ids[12 + index].clone());
        writers.spawn(async move {
            let operations = json!([{"op": "remove", "path": format!("members[value eq \"{gone}\"]")},
                                    {"op": "add", "path": "members", "value": members(&[&come])}]);
            // Versions decide between nodes; whoever lost too often is told to come back, and nothing was done.
            for _ in 0..50 {
                let answer = scim.patch(&path, operations.clone()).await;
                if answer.status == 204 {
                    return;
                }
                assert!(answer.status == 503 && !answer.header("retry-after").is_empty(), "{answer:?}");
            }
            panic!("never done");
        });
    }
    writers.join_all().await;
    let expected: BTreeSet<String> = ids[12..].iter().cloned().collect();
    for scim in &clients {
        assert_eq!(scim.member_ids(&group).await.into_iter().collect::<BTreeSet<_>>(), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c66_c124_c139_cursors_versions_and_extensions_are_the_same_on_every_node() {
    let Some(server) = SurrealServer::start() else { return };
    let (nodes, [here, there], tenant) = pair(&server).await;
    let mut made = Vec::new();
    for index in 0..5 {
        made.push(here.make_user(&format!("u{index}")).await);
    }
    let page = here.get("/Users?cursor&count=3").await.expect(200);
    let next = page["nextCursor"].as_str().expect("more");
    let rest = there.get(&format!("/Users?cursor={next}")).await.expect(200);
    let ids: Vec<&Value> = rest["Resources"].as_array().expect("a list").iter().map(|user| &user["id"]).collect();
    assert_eq!(ids, [&json!(made[3]), &json!(made[4])]);

    let path = format!("/Users/{}", made[0]);
    let stale = there.get(&path).await.header("etag").to_owned();
    let title = json!([{"op": "replace", "path": "title", "value": "T"}]);
    here.patch(&path, title.clone()).await.expect(200);
    there.with_header("if-match", &stale).patch(&path, title).await.refused(412, None);
    assert_eq!(there.get(&path).await.header("etag"), here.get(&path).await.header("etag"));

    let attribute = json!({"name": "badge", "type": "string", "multiValued": false, "description": "d", "required": false,
                           "mutability": "readWrite", "returned": "default"});
    let schema = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"], "id": "urn:acme:hr:User",
                        "name": "HR", "description": "d", "attributes": [attribute]});
    let extension = serde_json::from_value(json!({"resourceType": "User", "schema": schema})).expect("an extension");
    let operator = Caller::operator(Some(tenant.id));
    nodes[0].service.set_extension(&operator, extension).await.expect("set");
    nodes[1].clock.advance(Duration::from_secs(1));
    there.get("/Schemas/urn:acme:hr:User").await.expect(200);
}

/// One request, without the hope that it is answered.
async fn attempt(http: &reqwest::Client, base: &str, token: &str, name: &str) -> Result<u16, reqwest::Error> {
    let request = http.post(format!("{base}/Users")).bearer_auth(token).json(&user(name));
    let answer = request.header("content-type", "application/scim+json").send().await?;
    if answer.status() == 503 {
        assert!(answer.headers().contains_key("retry-after"), "503 says when to come back");
    }
    Ok(answer.status().as_u16())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn d01_while_the_database_is_away_nothing_hangs_and_nothing_accepted_is_lost() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(mut server) = SurrealServer::start_on_disk(folder.path()) else { return };
    let app = TestApp::start_at(&server.url()).await;
    let tenant = app.tenant_with("acme", DirectoryDraft::named("Test")).await;
    let (scim, root) = (&tenant.scim, tenant.scim.at(app.url.clone()));
    let known = scim.make_user("known").await;
    let path = format!("/Users/{known}");

    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = JoinSet::new();
    for writer in 0..4 {
        let (stop, base, token) = (stop.clone(), scim.base.clone(), scim.token.clone().expect("a token"));
        writers.spawn(async move {
            let http = http().build().expect("a client");
            let (mut accepted, mut slowest) = (Vec::new(), Duration::ZERO);
            for index in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let name = format!("w{writer}-{index}");
                let started = Instant::now();
                match attempt(&http, &base, &token, &name).await.expect("an answer") {
                    201 => accepted.push(name),
                    503 => tokio::time::sleep(Duration::from_millis(20)).await,
                    other => panic!("{other}"),
                }
                slowest = slowest.max(started.elapsed());
            }
            (accepted, slowest)
        });
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    server.go_away();
    // The first to ask may have to find out; from then on it is known.
    scim.get(&path).await.refused(503, None);
    let away = Instant::now();
    while away.elapsed() < Duration::from_secs(10) {
        let started = Instant::now();
        let answer = scim.get(&path).await;
        assert!(!answer.header("retry-after").is_empty());
        answer.refused(503, None);
        scim.patch(&path, json!([{"op": "replace", "path": "title", "value": "T"}])).await.refused(503, None);
        assert_eq!(root.get("/readyz").await.status, 503);
        assert_eq!(root.get("/healthz").await.status, 200);
        assert!(started.elapsed() < Duration::from_secs(2), "refused at once: {:?}", started.elapsed());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    server.come_back();
    let back = Instant::now();
    while scim.get(&path).await.status != 200 {
        assert!(back.elapsed() < Duration::from_secs(5), "it is used again soon after it came back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(root.get("/readyz").await.status, 200);
    scim.patch(&path, json!([{"op": "replace", "path": "title", "value": "T"}])).await.expect(200);
    tokio::time::sleep(Duration::from_millis(500)).await;
    stop.store(true, Ordering::Relaxed);
    let mut accepted = 0;
    for (names, slowest) in writers.join_all().await {
        assert!(slowest < Duration::from_secs(5), "nothing hangs: {slowest:?}");
        accepted += names.len();
        for name in names {
            assert_eq!(scim.count("/Users", &format!("userName eq \"{name}\"")).await, 1, "{name} was accepted");
        }
    }
    println!("{accepted} accepted before and after; used again {:?} after it came back", back.elapsed());
    assert!(accepted > 20, "{accepted}");
    let operator = Caller::operator(Some(tenant.id));
    app.service.verify_audit_trail(&operator, Some(tenant.id), &|_| ()).await.expect("the trail is read");
}

#[tokio::test(flavor = "multi_thread")]
async fn d02_a_connection_that_is_acknowledged_and_never_answered_is_replaced() {
    let Some(server) = SurrealServer::start() else { return };
    let middlebox = Middlebox::before(&server.address).await;
    let app = TestApp::start_at(&SurrealServer::url_at(&middlebox.address)).await;
    let tenant = app.tenant("acme").await;
    let path = format!("/Users/{}", tenant.scim.make_user("known").await);
    for title in ["once", "twice"] {
        middlebox.forget_connections();
        let forgotten = Instant::now();
        loop {
            let answer = tenant.scim.get(&path).await;
            if answer.status == 200 {
                break;
            }
            assert!(!answer.header("retry-after").is_empty());
            answer.refused(503, None);
            assert!(forgotten.elapsed() < Duration::from_secs(30), "it is never replaced");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        println!("replaced after {:?}", forgotten.elapsed());
        let change = json!([{"op": "replace", "path": "title", "value": title}]);
        assert_eq!(tenant.scim.patch(&path, change).await.expect(200)["title"], title);
    }
    app.tenant("afterwards").await.scim.make_user("somebody").await;
}

fn node(folder: &Path, store: &str, port: u16) -> Running {
    let process = Command::new(env!("CARGO_BIN_EXE_rollcall"))
        .args(["serve", "--store", store, "--listen", &format!("127.0.0.1:{port}"), "--json"])
        .current_dir(folder)
        .env("ROLLCALL__SIGN_IN__KEY_FILE", folder.join("keys"))
        .env("ROLLCALL__LIMITS__DIRECTORY_REQUESTS_PER_SECOND", "0")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    Running::reading(process)
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn l02_a_rolling_restart_of_two_nodes_under_load_loses_nothing() {
    let Some(server) = SurrealServer::start() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("keys"), data_encoding::BASE64.encode(&[7; 32])).expect("a key");
    let store = server.url();
    let command = |arguments: &[&str]| {
        let keys = folder.path().join("keys");
        let output = Command::new(env!("CARGO_BIN_EXE_rollcall"))
            .args(arguments)
            .args(["--store", &store, "--json"])
            .env("ROLLCALL__SIGN_IN__KEY_FILE", keys)
            .output();
        json(&output.expect("it runs"))
    };
    command(&["organization", "create", "acme", "--owner-email", "o@acme.example"]);
    let token = command(&["directory", "create", "acme", "Okta"])["token"].as_str().expect("a token").to_owned();
    let ports = [free_port(), free_port()];
    let mut nodes: Vec<Option<Running>> = ports.iter().map(|port| Some(node(folder.path(), &store, *port))).collect();
    let bases = ports.map(|port| format!("http://127.0.0.1:{port}/scim/v2"));

    let stop = Arc::new(AtomicBool::new(false));
    let retried = Arc::new(AtomicUsize::new(0));
    let mut writers = JoinSet::new();
    for writer in 0..6 {
        let (stop, retried, bases, token) = (stop.clone(), retried.clone(), bases.clone(), token.clone());
        writers.spawn(async move {
            let http = http().build().expect("a client");
            let mut accepted = Vec::new();
            for index in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let name = format!("w{writer}-{index}");
                let (mut was_cut, mut round) = (false, 0);
                loop {
                    round += 1;
                    assert!(round < 200, "{name} is never accepted");
                    match attempt(&http, &bases[(index + round) % 2], &token, &name).await {
                        Ok(201) => break,
                        // The first answer was cut off: that it exists is what was asked for.
                        Ok(409) if was_cut => break,
                        Ok(status) => panic!("{name}: {status}"),
                        Err(_) => {
                            was_cut = true;
                            retried.fetch_add(1, Ordering::Relaxed);
                            tokio::time::sleep(Duration::from_millis(20)).await;
                        }
                    }
                }
                accepted.push(name);
            }
            accepted
        });
    }
    for _ in 0..2 {
        for index in 0..2 {
            tokio::time::sleep(Duration::from_millis(700)).await;
            assert!(nodes[index].take().expect("running").stop(), "it lets requests finish and ends well");
            nodes[index] = Some(node(folder.path(), &store, ports[index]));
        }
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    stop.store(true, Ordering::Relaxed);
    let accepted: Vec<String> = writers.join_all().await.into_iter().flatten().collect();
    println!("{} accepted, {} retried", accepted.len(), retried.load(Ordering::Relaxed));
    assert!(accepted.len() > 100, "{}", accepted.len());
    let scim = Scim::new(&bases[0].replace("/scim/v2", ""), &token);
    for name in &accepted {
        let found = scim.get(&filtered("/Users", &format!("userName eq \"{name}\""))).await.expect(200);
        assert_eq!(found["totalResults"], 1, "{name} was accepted");
    }
    let total = scim.get("/Users?count=0").await.expect(200)["totalResults"].as_u64().expect("a number");
    assert_eq!(total, accepted.len() as u64 + 1, "each exactly once, beside the owner");
}
