//! The command line as somebody meets it who has never seen it: a mistake is named, and the way on with it.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json as value};

use crate::cli::{Running, json, rollcall, text};
use crate::support::{Person, Scim, user};

fn with_environment(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rollcall"))
        .args(arguments)
        .current_dir(folder)
        .envs(variables.iter().copied())
        .output()
        .expect("it runs")
}

/// D, "README, first commands": no organization without an owner by accident.
#[test]
fn an_organization_is_made_with_an_owner_or_the_command_says_what_is_missing() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |arguments: &[&str]| rollcall(folder.path(), arguments);
    json(&run(&["init", "--json"]));
    for arguments in [&["organization", "create", "acme"][..], &["organization", "create", "acme", "--json"]] {
        let refused = run(arguments);
        let told = text(&refused.stderr);
        assert!(
            !refused.status.success() && told.contains("--owner-email") && told.contains("user owner acme"),
            "{told}"
        );
    }
    json(&run(&["organization", "create", "acme", "--no-owner", "--json"]));
    let listed = json(&run(&["organization", "list", "--json"]));
    assert_eq!(listed["organizations"][0]["ownerless"], true);
    let doctor = text(&run(&["doctor"]).stdout);
    assert!(doctor.contains("rollcall user owner acme EMAIL"), "{doctor}");
    let made = json(&run(&["user", "owner", "acme", "ada@acme.example", "--json"]));
    assert!(made["password"].as_str().is_some_and(|password| password.len() >= 15), "{made}");
    let again = json(&run(&["user", "owner", "acme", "ada@acme.example", "--json"]));
    assert!(again.get("password").is_none(), "{again}");
    let renewed = json(&run(&["user", "owner", "acme", "ada@acme.example", "--new-password", "--json"]));
    assert_ne!(renewed["password"], made["password"]);
    assert!(!text(&run(&["doctor"]).stdout).contains("user owner"));
    assert_eq!(json(&run(&["organization", "list", "--json"]))["organizations"][0]["ownerless"], false);
}

/// D, "environment", and `decisions.md` 18.
#[test]
fn a_misspelt_variable_stops_the_start_and_one_underscore_is_warned_of() {
    let folder = tempfile::tempdir().expect("a folder");
    let check = ["config", "check"];
    let refused = with_environment(folder.path(), &check, &[("ROLLCALL__SERVER__LISTN", "127.0.0.1:1")]);
    let told = text(&refused.stderr);
    assert!(!refused.status.success() && told.contains("did you mean ROLLCALL__SERVER__LISTEN?"), "{told}");
    let warned = with_environment(folder.path(), &check, &[("ROLLCALL_SERVER_LISTEN", "127.0.0.1:1")]);
    let told = text(&warned.stderr);
    assert!(warned.status.success() && told.contains("ROLLCALL__SERVER__LISTEN"), "{told}");
    let injected = [("ROLLCALL_PORT", "tcp://10.0.0.1:80"), ("ROLLCALL_SERVICE_HOST", "10.0.0.1")];
    let ignored = with_environment(folder.path(), &check, &injected);
    assert!(ignored.status.success() && ignored.stderr.is_empty(), "{}", text(&ignored.stderr));
    let lists = [("ROLLCALL__LIMITS__TRUSTED_PROXIES", "10.0.0.0/8,nowhere")];
    let refused = with_environment(folder.path(), &check, &lists);
    assert!(text(&refused.stderr).contains("'nowhere' is no address"), "{}", text(&refused.stderr));
    let dump = with_environment(
        folder.path(),
        &["config", "dump", "--json"],
        &[("ROLLCALL__FRONT_ENDS__WEB", "https://app.example/in")],
    );
    assert_eq!(json(&dump)["front_ends.web"]["from"], "environment");
}

/// D, "completions bash | head": nobody reads on, and nobody is told about it.
#[test]
fn a_closed_pipe_ends_every_command_quietly() {
    let folder = tempfile::tempdir().expect("a folder");
    let printing: [&[&str]; 6] = [
        &["completions", "bash"],
        &["schema", "scim"],
        &["schema", "graphql"],
        &["config", "dump"],
        &["config", "check"],
        &["organization", "list", "--store", "mem://"],
    ];
    for arguments in printing {
        let mut process = Command::new(env!("CARGO_BIN_EXE_rollcall"))
            .args(arguments)
            .current_dir(folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        drop(process.stdout.take());
        let ended = process.wait_with_output().expect("it ends");
        assert!(ended.status.success() && ended.stderr.is_empty(), "{arguments:?}: {}", text(&ended.stderr));
    }
}

/// D, "default store": a command in the wrong folder makes no second store.
#[test]
fn a_command_makes_a_store_only_if_it_is_told_to() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |arguments: &[&str]| rollcall(folder.path(), arguments);
    for arguments in [&["organization", "list"][..], &["migrate"], &["audit", "verify"]] {
        let refused = run(arguments);
        let told = text(&refused.stderr);
        assert!(!refused.status.success() && told.contains("data/rollcall") && told.contains("--create"), "{told}");
    }
    assert!(!folder.path().join("data").exists(), "nothing was made, not even a key");
    assert!(run(&["organization", "list", "--create"]).status.success());
    assert!(run(&["organization", "list"]).status.success());
    let other = run(&["init", "--store", "surrealkv://other"]);
    assert!(other.status.success() && folder.path().join("other.key").exists());
    assert!(run(&["init", "--store", "surrealkv://other"]).status.success(), "again changes nothing");
}

/// D, "key file missing".
#[test]
fn a_store_with_data_gets_no_new_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |arguments: &[&str]| rollcall(folder.path(), arguments);
    assert!(run(&["init"]).status.success());
    let (key, away) = (folder.path().join("data/rollcall.key"), folder.path().join("away.key"));
    std::fs::rename(&key, &away).expect("moved");
    for arguments in [&["organization", "list"][..], &["serve", "--listen", "127.0.0.1:0"], &["init"]] {
        let refused = run(arguments);
        let told = text(&refused.stderr);
        assert!(!refused.status.success() && told.contains("rollcall.key is missing"), "{told}");
    }
    assert!(!key.exists());
    let named = [("ROLLCALL__SIGN_IN__KEY_FILE", "away.key")];
    assert!(with_environment(folder.path(), &["organization", "list"], &named).status.success());
}

/// D, "errors on opening".
#[test]
fn a_store_that_cannot_be_opened_says_why() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("file"), "garbage").expect("written");
    let told = |store: &str| text(&rollcall(folder.path(), &["serve", "--store", store]).stderr);
    assert!(told("surrealkv://file").contains("file is a file"), "{}", told("surrealkv://file"));
    assert!(told("surrealkv://.").contains("files that are no store"), "{}", told("surrealkv://."));
    assert!(told("ws://127.0.0.1:1").contains("key_file"), "{}", told("ws://127.0.0.1:1"));
    if cfg!(not(feature = "rocksdb")) {
        assert!(told("rocksdb://x").contains("--features rocksdb"), "{}", told("rocksdb://x"));
    }
}

/// D, "directory list": what is off, ended or set differently is seen.
#[test]
fn the_list_of_directories_tells_live_tokens_from_ended_ones_and_shows_switches() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |arguments: &[&str]| rollcall(folder.path(), arguments);
    assert!(run(&["organization", "create", "acme", "--no-owner", "--create"]).status.success());
    let create = ["directory", "create", "acme", "Okta", "--token-expires", "2099-01-31T12:00:00Z"];
    assert!(run(&[&create[..], &["--restore-inactive", "--deprovision-mode", "delete"]].concat()).status.success());
    let listed = text(&run(&["directory", "list", "acme"]).stdout);
    for part in ["active until 2099-01-31T12:00:00Z", "never used", "restore-inactive", "deprovision-mode=Delete"] {
        assert!(listed.contains(part), "{part}: {listed}");
    }
    assert!(!listed.contains("OFF"), "{listed}");
    assert!(run(&["directory", "rotate", "acme", "Okta"]).status.success());
    assert!(run(&["directory", "revoke", "acme", "Okta"]).status.success());
    assert!(run(&["directory", "update", "acme", "Okta", "--enabled", "false"]).status.success());
    let listed = text(&run(&["directory", "list", "acme"]).stdout);
    assert!(listed.contains("OFF") && listed.contains("REVOKED") && !listed.contains("  active"), "{listed}");
    let listed = json(&run(&["directory", "list", "acme", "--json"]));
    let states = listed["directories"][0]["tokens"].as_array().expect("tokens").iter().map(|token| &token["state"]);
    assert_eq!(states.collect::<Vec<_>>(), ["REVOKED", "REVOKED"]);
    let expired =
        run(&[&["directory", "create", "acme", "Late"][..], &["--token-expires", "2001-01-01T00:00:00Z"]].concat());
    assert!(!expired.status.success());
}

/// B, "CLI/GraphQL parity": the switches of a directory that only GraphQL had.
#[test]
fn every_switch_of_a_directory_is_set_on_the_command_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |arguments: &[&str]| json(&rollcall(folder.path(), &[arguments, &["--json", "--create"]].concat()));
    run(&["organization", "create", "acme", "--no-owner"]);
    run(&["directory", "create", "acme", "Okta"]);
    let update = ["directory", "update", "acme", "Okta", "--attribute-authority", "full", "--external-accounts"];
    let policies = ["--deprovision-mode", "remove-member", "--last-owner-policy", "reject"];
    let settings = run(&[&update[..], &policies].concat())["settings"].clone();
    for (name, value) in
        [("attribute_authority", "Full"), ("deprovision_mode", "RemoveMember"), ("last_owner_policy", "Reject")]
    {
        assert_eq!(settings[name], value);
    }
    assert_eq!(settings["external_accounts"], true);
    let kept = run(&["directory", "update", "acme", "Okta", "--external-accounts=false"])["settings"].clone();
    assert_eq!((&kept["external_accounts"], &kept["last_owner_policy"]), (&false.into(), &"Reject".into()));
    let rotated =
        run(&["directory", "rotate", "acme", "Okta", "--grace", "60", "--token-expires", "2099-01-31T12:00:00Z"]);
    assert!(rotated["token"].as_str().is_some_and(|token| token.starts_with("rcs_")), "{rotated}");
}

/// D, "log tail" and "README against program": why a request was refused stands in its line.
#[tokio::test(flavor = "multi_thread")]
async fn the_log_tells_the_reason_in_the_line_and_is_filtered_by_method() {
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = ["demo", "--listen", "127.0.0.1:0", "--json", "--store", "surrealkv://store"];
    let demo = Running::start(folder.path(), &arguments);
    let contract = demo.json();
    let of = |part: &Value| part.as_str().expect("text").to_owned();
    let scim = Scim::new(&of(&contract["url"]), &of(&contract["organizations"][0]["scim"]["token"]));
    let id = scim.make_user("ada-2@acme.example").await;
    scim.post("/Users", &user("ADA-2@acme.example")).await.refused(409, Some("uniqueness"));
    let wrong = value!([{"op": "replace", "path": "emails[", "value": "x"}]);
    scim.patch(&format!("/Users/{id}"), wrong).await.refused(400, Some("invalidPath"));
    assert!(demo.stop());
    let tail = |flags: &[&str]| {
        let arguments = [&["log", "tail", "acme", "--store", "surrealkv://store"][..], flags].concat();
        text(&rollcall(folder.path(), &arguments).stdout)
    };
    let refused = tail(&["--outcome", "refused"]);
    assert!(refused.lines().any(|line| line.contains("409") && line.contains("in use")), "{refused}");
    let patches = tail(&["--method", "patch"]);
    assert!(patches.contains("PATCH") && !patches.contains("POST"), "{patches}");
}

/// D, "mail": the log does not say that a mail was sent that nobody gets, and has no link; who asks for links sees them.
#[tokio::test(flavor = "multi_thread")]
async fn a_demo_prints_the_links_of_mails_when_asked_and_says_else_that_they_are_not_sent() {
    for (flags, has_link) in [(&[] as &[&str], false), (&["--print-links"][..], true)] {
        let folder = tempfile::tempdir().expect("a folder");
        let log = folder.path().join("log");
        let process = Command::new(env!("CARGO_BIN_EXE_rollcall"))
            .args([&["demo", "--listen", "127.0.0.1:0", "--json"][..], flags].concat())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&log).expect("a file"))
            .spawn()
            .expect("it starts");
        let demo = Running::reading(process);
        let url = demo.json()["url"].as_str().expect("a URL").to_owned();
        let nobody = Person::new(&url, "owner@acme.example", "");
        nobody.mutate("requestPasswordReset", value!({"email": "owner@acme.example"}), "clientMutationId").await;
        let wanted = if has_link { "token=" } else { "mail not sent" };
        let mut told = String::new();
        for _ in 0..200 {
            told = std::fs::read_to_string(&log).expect("a log");
            if told.contains(wanted) {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        assert!(told.contains(wanted), "{told}");
        assert_eq!(told.contains("token="), has_link, "{told}");
        assert!(!told.contains("a mail was sent"), "{told}");
        assert!(demo.stop());
    }
}

/// No lock keeps other servers from writing to a SurrealDB store while it is repaired.
#[test]
fn a_store_on_a_server_is_repaired_only_if_its_servers_are_said_to_be_stopped() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = ["--store", "ws://127.0.0.1:1"];
    let run = |flags: &[&str]| rollcall(folder.path(), &[&["doctor", "--repair", "--yes"][..], flags, &store].concat());
    assert!(text(&run(&[]).stderr).contains("--servers-stopped"));
    assert!(!text(&run(&["--servers-stopped"]).stderr).contains("--servers-stopped"));
}
