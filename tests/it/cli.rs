//! The built program: what DESIGN §4 promises of the command line.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use serde_json::Value;

use crate::support::{Scim, user};

pub(crate) fn rollcall(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rollcall")).args(arguments).current_dir(folder).output().expect("it runs")
}

pub(crate) fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("one line of JSON")
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A running program and the first line it printed.
pub(crate) struct Running {
    process: Child,
    output: BufReader<ChildStdout>,
    line: String,
}

impl Running {
    pub(crate) fn start(folder: &Path, arguments: &[&str]) -> Self {
        let process = Command::new(env!("CARGO_BIN_EXE_rollcall"))
            .args(arguments)
            .current_dir(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        Self::reading(process)
    }

    pub(crate) fn reading(mut process: Child) -> Self {
        let mut line = String::new();
        let mut output = BufReader::new(process.stdout.take().expect("piped"));
        output.read_line(&mut line).expect("a line");
        Self { process, output, line }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.line).unwrap_or_else(|error| panic!("{error}: {}", self.line))
    }

    /// SIGTERM; whether it ended by itself and well.
    pub(crate) fn stop(mut self) -> bool {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().expect("kill").success());
        self.process.wait().expect("it ends").success()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn demo_json_is_the_contract_and_its_token_works() {
    let folder = tempfile::tempdir().expect("a folder");
    let demo = Running::start(
        folder.path(),
        &["demo", "--listen", "127.0.0.1:0", "--organizations", "2", "--mail-dir", "mails", "--json"],
    );
    let contract = demo.json();
    let url = contract["url"].as_str().expect("a URL");
    assert_eq!(contract["graphql"], format!("{url}/graphql"));
    assert_eq!(contract["graphiql"], format!("{url}/graphiql"));
    let organizations = contract["organizations"].as_array().expect("a list");
    let names: Vec<&str> =
        organizations.iter().map(|organization| organization["shortName"].as_str().expect("a name")).collect();
    assert_eq!(names, ["acme", "globex"]);
    for organization in organizations {
        assert_eq!(organization["scim"]["url"], format!("{url}/scim/v2"));
        assert!(organization["owner"]["email"].as_str().is_some_and(|email| email.starts_with("owner@")));
        assert!(organization["owner"]["password"].as_str().is_some_and(|password| password.len() >= 15));
        let scim = Scim::new(url, organization["scim"]["token"].as_str().expect("a token"));
        assert!(scim.get("/Users").await.expect(200)["totalResults"].as_u64().expect("a number") >= 8);
        assert!(scim.get("/Groups").await.expect(200)["totalResults"].as_u64().expect("a number") >= 3);
        scim.post("/Users", &user("new@example.com")).await.expect(201);
    }
    assert!(folder.path().join("mails").is_dir());
    assert!(demo.stop(), "it stops well");
}

#[tokio::test(flavor = "multi_thread")]
async fn lg01_lg02_logs_hold_no_secret_no_person_and_one_record_a_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("log");
    let process = Command::new(env!("CARGO_BIN_EXE_rollcall"))
        .args(["demo", "--listen", "127.0.0.1:0", "--json"])
        .env("ROLLCALL__LOG__FILTER", "trace")
        .stdout(Stdio::piped())
        .stderr(std::fs::File::create(&log).expect("a file"))
        .spawn()
        .expect("it starts");
    let demo = Running::reading(process);
    let contract = demo.json();
    let token = contract["organizations"][0]["scim"]["token"].as_str().expect("a token").to_owned();
    let password = contract["organizations"][0]["owner"]["password"].as_str().expect("a password").to_owned();
    let scim = Scim::new(contract["url"].as_str().expect("a URL"), &token);
    let mut body = user("c4n4ry-name@example.com");
    body["password"] = "c4n4ry-password".into();
    body["title"] = "c4n4ry\n{\"level\":\"FORGED\"}\u{1b}[31m".into();
    let id = scim.post("/Users", &body).await.expect(201)["id"].as_str().expect("an id").to_owned();
    scim.get("/Users?filter=userName%20eq%20%22c4n4ry-name@example.com%22").await.expect(200);
    scim.get("/Users/c4n4ry%0A%1B[31m").await.refused(404, None);
    scim.post("/Users", &body).await.refused(409, Some("uniqueness"));
    scim.with_token(Some(&format!("{token}x"))).get("/Users").await.refused(401, None);
    scim.delete(&format!("/Users/{id}")).await.expect(204);
    assert!(demo.stop());
    let log = std::fs::read_to_string(log).expect("a log");
    for secret in ["c4n4ry", "FORGED", &token, &password] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
    let records = log.lines().map(|line| serde_json::from_str::<Value>(line).expect("one record a line"));
    assert!(records.filter(|record| record["message"] == "answered").count() >= 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn demo_for_people_prints_a_curl_that_creates_a_user() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut demo = Running::start(folder.path(), &["demo", "--listen", "127.0.0.1:0"]);
    let mut printed = String::new();
    while !printed.contains("}'") {
        assert!(demo.output.read_line(&mut printed).expect("readable") > 0, "{printed}");
    }
    let command = &printed[printed.find("curl").expect("a curl")..];
    let created = Command::new("bash").args(["-c", command]).output().expect("bash and curl");
    let created: Value = serde_json::from_slice(&created.stdout).expect("JSON");
    assert_eq!(created["userName"], "new@acme.example");
}

#[tokio::test(flavor = "multi_thread")]
async fn demo_on_a_durable_store_makes_its_data_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = ["demo", "--listen", "127.0.0.1:0", "--json", "--store", "surrealkv://store"];
    let mut ids = Vec::new();
    for _ in 0..2 {
        let demo = Running::start(folder.path(), &arguments);
        let contract = demo.json();
        let organization = &contract["organizations"][0];
        ids.push(organization["id"].clone());
        let scim = Scim::new(
            contract["url"].as_str().expect("a URL"),
            organization["scim"]["token"].as_str().expect("a token"),
        );
        assert_eq!(scim.get("/Users").await.expect(200)["totalResults"], 9, "eight people and the owner");
        let busy = rollcall(folder.path(), &["organization", "list", "--store", "surrealkv://store"]);
        assert!(!busy.status.success());
        assert!(text(&busy.stderr).contains("one process at a time"), "{}", text(&busy.stderr));
        assert!(demo.stop());
    }
    assert_eq!(ids[0], ids[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn administration_then_serve() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |arguments: &[&str]| rollcall(folder.path(), &[arguments, &["--json"]].concat());
    json(&run(&["init"]));
    assert_eq!(json(&run(&["organization", "list"]))["organizations"], serde_json::json!([]));
    let made = json(&run(&["organization", "create", "acme", "--name", "Acme", "--owner-email", "o@acme.example"]));
    assert_eq!((&made["shortName"], &made["owner"]["email"]), (&"acme".into(), &"o@acme.example".into()));
    let directory = json(&run(&["directory", "create", "acme", "Okta", "--dialect", "okta", "--scope", "users"]));
    let rotated = json(&run(&["directory", "rotate", "acme", "Okta"]));
    let listed = json(&run(&["directory", "list", "acme"]));
    assert_eq!(listed["directories"][0]["tokens"].as_array().map(Vec::len), Some(2));
    assert!(!listed.to_string().contains(rotated["token"].as_str().expect("a token")));
    let changed = json(&run(&["directory", "update", "acme", "Okta", "--verified-domains-only", "--no-nested-groups"]));
    let settings = &changed["settings"];
    assert_eq!((&settings["verified_domains_only"], &settings["nested_groups"]), (&true.into(), &false.into()));
    let changed = json(&run(&["directory", "update", "acme", "Okta", "--verified-domains-only=false"]));
    let settings = &changed["settings"];
    assert_eq!((&settings["verified_domains_only"], &settings["nested_groups"]), (&false.into(), &false.into()));
    assert_eq!(json(&run(&["migrate"]))["organizations"], 1);
    assert_eq!(json(&run(&["user", "protect", "acme", "o@acme.example"]))["protected"], true);

    let server = Running::start(folder.path(), &["serve", "--listen", "127.0.0.1:0", "--json"]);
    let url = server.json()["url"].as_str().expect("a URL").to_owned();
    for token in [&directory["token"], &rotated["token"]] {
        let scim = Scim::new(&url, token.as_str().expect("a token"));
        assert_eq!(scim.get("/Users").await.expect(200)["totalResults"], 1);
        scim.get("/Groups").await.refused(403, None);
    }
    assert!(server.stop());
    assert_eq!(json(&run(&["directory", "revoke", "acme", "Okta"]))["revoked"], 2);
    for (arguments, hint) in [
        (&["organization", "create", "acme", "--no-owner"][..], "already in use"),
        (&["organization", "create", "A!", "--no-owner"], "lower-case"),
        (&["directory", "rotate", "acme", "Nope"], "directory list"),
        (&["directory", "list", "nope"], "organization list"),
        (&["directory", "create", "acme", "X", "--dialect", "klingon"], "okta"),
        (&["serve", "--store", "postgres://x"], "surrealkv://"),
        (&["serve", "--config", "missing.toml"], "missing.toml"),
    ] {
        let refused = run(arguments);
        assert!(!refused.status.success());
        assert!(text(&refused.stderr).contains(hint), "{arguments:?}: {}", text(&refused.stderr));
    }
}

#[test]
fn settings_are_checked_and_dumped_with_their_origin() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("a.toml"), "[scim]\nmax_results = 500\n").expect("written");
    let dump = Command::new(env!("CARGO_BIN_EXE_rollcall"))
        .args(["config", "dump", "--config", "a.toml", "--json"])
        .current_dir(folder.path())
        .env("ROLLCALL__SERVER__LISTEN", "127.0.0.1:9999")
        .env("ROLLCALL__STORE__URL", "ws://root:c4n4ry@db:8000")
        .output()
        .expect("it runs");
    assert!(!text(&dump.stdout).contains("c4n4ry"));
    let dump = json(&dump);
    assert_eq!(dump["scim.max_results"], serde_json::json!({"value": "500", "from": "a.toml"}));
    assert_eq!(dump["server.listen"], serde_json::json!({"value": "127.0.0.1:9999", "from": "environment"}));
    assert_eq!(dump["limits.body_bytes"]["from"], "default");
    std::fs::write(folder.path().join("bad.toml"), "[scim]\nmax_result = 500\n").expect("written");
    let refused = rollcall(folder.path(), &["config", "check", "--config", "bad.toml"]);
    assert!(!refused.status.success() && text(&refused.stderr).contains("max_result"), "{}", text(&refused.stderr));
    assert_eq!(json(&rollcall(folder.path(), &["config", "check", "--json"]))["ok"], true);
}

#[test]
fn schemas_completions_and_help_are_printed() {
    let folder = tempfile::tempdir().expect("a folder");
    let schemas: Value = serde_json::from_slice(&rollcall(folder.path(), &["schema", "scim"]).stdout).expect("JSON");
    assert!(schemas.as_array().expect("a list").len() >= 7);
    for shell in ["bash", "zsh", "fish"] {
        assert!(text(&rollcall(folder.path(), &["completions", shell]).stdout).contains("rollcall"));
    }
    for arguments in [&["--help"][..], &["demo", "--help"], &["directory", "create", "--help"], &["serve", "--help"]] {
        assert!(text(&rollcall(folder.path(), arguments).stdout).contains("Usage:"));
    }
}

#[test]
fn a_connection_is_set_up_listed_and_removed() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |arguments: &[&str]| {
        let all: Vec<&str> = arguments.iter().chain(&["--store", "surrealkv://store", "--json"]).copied().collect();
        rollcall(folder.path(), &all)
    };
    json(&run(&["organization", "create", "acme", "--no-owner", "--create"]));
    std::fs::write(folder.path().join("secret"), "very secret\n").expect("written");
    let google = ["connection", "create", "acme", "--client-id", "x.example", "--client-secret-file", "secret"];
    let made = json(&run(&google));
    assert_eq!((&made["name"], &made["displayName"]), (&"google-oauth2".into(), &"Google".into()));
    assert!(made["redirectUri"].as_str().expect("a URL").ends_with("/google-oauth2"));
    let again = run(&google);
    assert!(!again.status.success() && text(&again.stderr).contains("in use"), "{}", text(&again.stderr));
    let okta = ["connection", "create", "acme", "okta", "--issuer", "http://acme.okta.com", "--client-id", "x"];
    let refused = run(&okta);
    assert!(text(&refused.stderr).contains("https"), "{}", text(&refused.stderr));
    let listed = json(&run(&["connection", "list", "acme"]));
    assert_eq!(listed["connections"][0]["issuer"], "https://accounts.google.com");
    assert!(!listed.to_string().contains("secret"));
    json(&run(&["connection", "delete", "acme", "google-oauth2"]));
    assert_eq!(json(&run(&["connection", "list", "acme"]))["connections"], serde_json::json!([]));
    assert!(!run(&["connection", "delete", "acme", "google-oauth2"]).status.success());
}

/// D, "organization domain list": the operator has no login, and needs none.
#[test]
fn the_domains_of_an_organization_are_listed_for_the_operator() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |arguments: &[&str]| rollcall(folder.path(), &[arguments, &["--json"]].concat());
    json(&run(&["organization", "create", "acme", "--no-owner", "--create"]));
    assert_eq!(json(&run(&["organization", "domain", "list", "acme"]))["domains"], serde_json::json!([]));
    json(&run(&["organization", "domain", "add", "acme", "acme.example"]));
    assert_eq!(json(&run(&["organization", "domain", "list", "acme"]))["domains"], serde_json::json!(["acme.example"]));
}
