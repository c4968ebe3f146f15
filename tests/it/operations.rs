//! What those who run the server see of it, and what it does when there is too much.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::cli::{Running, json as answered, rollcall};
use crate::support::{Person, Scim, TestApp, http, user};

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn lg01_metrics_are_told_on_a_listener_of_their_own_and_name_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |arguments: &[&str]| answered(&rollcall(folder.path(), &[arguments, &["--json"]].concat()));
    run(&["init"]);
    let owner = run(&["organization", "create", "c4n4ry", "--owner-email", "owner@c4n4ry.example"]);
    let directory = run(&["directory", "create", "c4n4ry", "Okta"]);
    let process = Command::new(env!("CARGO_BIN_EXE_rollcall"))
        .args(["serve", "--listen", "127.0.0.1:0", "--json"])
        .current_dir(folder.path())
        .env("ROLLCALL__SERVER__MANAGEMENT", "127.0.0.1:0")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let server = Running::reading(process);
    let contract = server.json();
    let (url, management) = (text(&contract["url"]), text(&contract["management"]));
    let scim = Scim::new(&url, &text(&directory["token"]));
    let id = scim.make_user("c4n4ry-user").await;
    scim.get(&format!("/Users/{id}")).await.expect(200);
    scim.get("/Users/c4n4ry").await.refused(404, None);
    scim.post("/Users", &user("c4n4ry-user")).await.refused(409, Some("uniqueness"));
    let owner = &owner["owner"];
    let person = Person::new(&url, &text(&owner["email"]), &text(&owner["password"])).sign_in().await;
    person.me("user { id }").await;
    person.ask("{ c4n4ry }", json!({})).await;

    let get = async |url: String| {
        let answer = http().build().expect("a client").get(url).send().await.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("text"))
    };
    let (status, metrics) = get(format!("{management}/metrics")).await;
    assert_eq!(status, 200);
    for line in [
        "rollcall_http_requests_total{method=\"POST\",path=\"/scim/v2/Users\",status=\"201\"} 1",
        "rollcall_http_requests_total{method=\"POST\",path=\"/scim/v2/Users\",status=\"409\"} 1",
        "rollcall_http_requests_total{method=\"GET\",path=\"/scim/v2/Users/{id}\",status=\"404\"} 1",
        "rollcall_graphql_operations_total{field=\"me\",outcome=\"ok\"} 1",
        "rollcall_graphql_operations_total{field=\"login\",outcome=\"ok\"} 1",
        "rollcall_http_requests_running 0",
        "# TYPE rollcall_http_request_seconds histogram",
    ] {
        assert!(metrics.lines().any(|known| known.starts_with(line)), "{line}\n{metrics}");
    }
    assert!(!metrics.contains("c4n4ry") && !metrics.contains(&id), "{metrics}");
    assert_eq!(get(format!("{management}/readyz")).await.0, 200);
    assert_eq!(get(format!("{url}/metrics")).await.0, 404, "not for the world");
    assert!(server.stop());
}

#[tokio::test(flavor = "multi_thread")]
async fn o02_what_is_too_much_is_refused_with_a_time_to_wait_and_the_rest_goes_on() {
    let app = TestApp::start_configured(|config| {
        config.admission.bulk.at_once = 1;
        config.admission.bulk.waiting = 0;
    })
    .await;
    let scim = app.tenant("acme").await.scim;
    let operation = |index: usize| {
        let name = index.to_string();
        json!({"method": "POST", "path": "/Users", "bulkId": name, "data": user(&format!("u{name}"))})
    };
    let bulk = |count: usize| {
        let operations: Vec<Value> = (0..count).map(operation).collect();
        json!({"schemas": [scim::bulk::REQUEST], "Operations": operations})
    };
    let (long, first) = (bulk(1_000), Scim::new(&app.url, scim.token.as_deref().expect("a token")));
    let running = tokio::spawn(async move { first.post("/Bulk", &long).await });
    while scim.get("/Users?count=0").await.expect(200)["totalResults"] == 0 {
        tokio::task::yield_now().await;
    }
    let begun = std::time::Instant::now();
    let refused = scim.post("/Bulk", &bulk(1)).await;
    assert!(begun.elapsed().as_millis() < 500, "before work is done: {:?}", begun.elapsed());
    assert_eq!(refused.header("retry-after"), "1");
    refused.refused(503, None);
    assert!(!running.is_finished(), "it was at work all the time");
    scim.post("/Users", &user("meanwhile")).await.expect(201);
    assert_eq!(running.await.expect("it ends").expect(200)["Operations"].as_array().map(Vec::len), Some(1_000));
    scim.post("/Bulk", &bulk(1)).await.expect(200);
}

#[test]
fn doctor_says_what_to_do_and_a_copy_of_a_stopped_store_is_the_store() {
    let folder = tempfile::tempdir().expect("a folder");
    let run =
        |arguments: &[&str], store: &str| rollcall(folder.path(), &[arguments, &["--store", store, "--json"]].concat());
    let (store, copy) = ("surrealkv://store", "surrealkv://copy");
    let states = |answer: &Value| {
        let findings = answer["findings"].as_array().expect("findings").iter();
        let told = findings.map(|finding| format!("{}: {}", text(&finding["what"]), text(&finding["state"])));
        told.collect::<Vec<String>>()
    };
    answered(&run(&["init"], store));
    let empty = answered(&run(&["doctor"], store));
    assert!(states(&empty).contains(&"organizations: warning".to_owned()), "{empty}");
    answered(&run(&["organization", "create", "acme", "--owner-email", "o@acme.example"], store));
    answered(&run(&["directory", "create", "acme", "Okta"], store));
    let well = answered(&run(&["doctor"], store));
    assert!(states(&well).contains(&"organization acme: ok".to_owned()), "{well}");
    answered(&run(&["directory", "revoke", "acme", "Okta"], store));
    let without = answered(&run(&["doctor"], store));
    assert!(states(&without).contains(&"directory Okta of acme: warning".to_owned()), "{without}");

    for (from, to) in [("store", "copy"), ("store.key", "copy.key")] {
        let copied = Command::new("cp").args(["-r", from, to]).current_dir(folder.path()).status();
        assert!(copied.expect("it runs").success());
    }
    let trails = answered(&run(&["audit", "verify"], copy));
    assert!(trails["trails"].as_array().expect("trails").iter().all(|trail| trail["whole"] == true), "{trails}");
    let [original, restored] = [store, copy].map(|store| answered(&run(&["directory", "list", "acme"], store)));
    assert_eq!(original, restored);
    std::fs::write(folder.path().join("copy.key"), "AAAA\n").expect("written");
    let broken = run(&["doctor"], copy);
    assert!(!broken.status.success(), "another key opens nothing");
    let broken: Value = serde_json::from_slice(&broken.stdout).expect("JSON");
    assert!(states(&broken).contains(&"store and keys: broken".to_owned()), "{broken}");
}

/// The head of a record of a thousand bytes, and ten of them: what a kill in the middle of a write leaves in the log.
const TORN_RECORD: [u8; 17] = [1, 2, 3, 4, 0x03, 0xe8, 1, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9];

#[tokio::test(flavor = "multi_thread")]
async fn f01_f04_what_is_acknowledged_after_a_kill_that_tore_the_log_outlives_the_next() {
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = ["demo", "--json", "--listen", "127.0.0.1:0", "--store", "surrealkv://store"];
    let start = || Running::start(folder.path(), &arguments);
    let directory = |server: &Running| {
        let contract = server.json();
        Scim::new(&text(&contract["url"]), &text(&contract["organizations"][0]["scim"]["token"]))
    };
    let mut known = Vec::new();
    for round in 0..4 {
        let server = start();
        let scim = directory(&server);
        for id in &known {
            scim.get(&format!("/Users/{id}")).await.expect(200);
        }
        known.push(scim.make_user(&format!("user{round}")).await);
        // SIGKILL.
        drop(server);
        let logs = std::fs::read_dir(folder.path().join("store/wal")).expect("logs").flatten();
        let log = logs.map(|log| log.path()).max().expect("a log");
        let mut log = std::fs::OpenOptions::new().append(true).open(log).expect("opened");
        std::io::Write::write_all(&mut log, &TORN_RECORD).expect("torn");
    }
}

#[test]
fn f01_what_a_command_wrote_is_in_files_when_it_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    assert!(
        rollcall(folder.path(), &["organization", "create", "acme", "--no-owner", "--create", "--json"])
            .status
            .success()
    );
    let logs = std::fs::read_dir(folder.path().join("data/rollcall/wal")).expect("logs").flatten();
    let left: u64 = logs.map(|log| log.metadata().expect("a file").len()).sum();
    assert_eq!(left, 0, "bytes that are in the log alone");
}

/// L-11.
#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_told_to_whoever_sends_the_token_that_is_set() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("token"), "m3trics\n").expect("written");
    let process = Command::new(env!("CARGO_BIN_EXE_rollcall"))
        .args(["serve", "--listen", "127.0.0.1:0", "--json"])
        .current_dir(folder.path())
        .env("ROLLCALL__SERVER__MANAGEMENT", "127.0.0.1:0")
        .env("ROLLCALL__SERVER__MANAGEMENT_TOKEN_FILE", "token")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let server = Running::reading(process);
    let management = text(&server.json()["management"]);
    let get = async |path: &str, token: Option<&str>| {
        let request = http().build().expect("a client").get(format!("{management}{path}"));
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        request.send().await.expect("an answer").status().as_u16()
    };
    assert_eq!(get("/metrics", None).await, 401);
    assert_eq!(get("/metrics", Some("another")).await, 401);
    assert_eq!(get("/metrics", Some("m3trics")).await, 200);
    assert_eq!(get("/readyz", None).await, 200, "probes need none");
    assert!(server.stop());
}

/// L-11.
#[tokio::test(flavor = "multi_thread")]
async fn browsers_are_told_to_come_by_https_alone_where_that_is_served() {
    for (public_url, expected) in [("https://id.example.com", Some("max-age=31536000")), ("", None)] {
        let app = TestApp::start_configured(|config| public_url.clone_into(&mut config.server.public_url)).await;
        let client = http().build().expect("a client");
        for path in ["/healthz", "/invitation?token=x", "/scim/v2/Users"] {
            let answer = client.get(format!("{}{path}", app.url)).send().await.expect("an answer");
            let told = answer.headers().get("strict-transport-security").and_then(|value| value.to_str().ok());
            assert_eq!(told, expected, "{path}");
        }
    }
}

/// L-5: hashes and people are in the store.
#[cfg(unix)]
#[test]
fn nobody_else_on_the_machine_reads_the_store_and_doctor_finds_one_that_they_can() {
    use std::os::unix::fs::PermissionsExt as _;

    fn modes(path: &std::path::Path, seen: &mut Vec<(std::path::PathBuf, u32)>) {
        let found = std::fs::metadata(path).expect("there");
        seen.push((path.to_owned(), found.permissions().mode() & 0o777));
        if found.is_dir() {
            for entry in std::fs::read_dir(path).expect("a folder") {
                modes(&entry.expect("an entry").path(), seen);
            }
        }
    }

    let folder = tempfile::tempdir().expect("a folder");
    let made = Command::new("sh")
        .args(["-c", "umask 022; exec \"$0\" organization create acme --owner-email o@acme.example --create --json"])
        .arg(env!("CARGO_BIN_EXE_rollcall"))
        .current_dir(folder.path())
        .output()
        .expect("it runs");
    assert!(made.status.success());
    let mut seen = Vec::new();
    modes(&folder.path().join("data"), &mut seen);
    assert!(seen.len() > 3, "{seen:?}");
    // The engine gives some of its folders a mode of its own, below one that nobody else can enter.
    let inside = folder.path().join("data/rollcall");
    for (path, mode) in &seen {
        let closed = if path.parent().is_some_and(|parent| parent.starts_with(&inside)) { 0o007 } else { 0o077 };
        assert_eq!(mode & closed, 0, "{}: {mode:o}", path.display());
    }
    let findings = || {
        let answer = answered(&rollcall(folder.path(), &["doctor", "--json"]));
        let findings = answer["findings"].as_array().expect("findings").clone();
        findings.iter().filter(|finding| finding["what"] == "files").map(|finding| text(&finding["advice"])).collect()
    };
    let before: Vec<String> = findings();
    assert!(before.is_empty(), "{before:?}");
    for path in ["data", "data/rollcall"] {
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder.path().join(path), open).expect("set");
    }
    let after: Vec<String> = findings();
    assert!(after.len() == 1 && after[0].contains("chmod -R go= data/rollcall"), "{after:?}");
}
