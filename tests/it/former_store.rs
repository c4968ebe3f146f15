//! A store that the version before this engine wrote, and that was killed after its memtable had been full once.
//!
//! `fixtures/former-store.tar.gz` is such a store with its key, and `former-store.json` says what its clients were acknowledged. It
//! holds the fault of that engine: a user that is found by its id, and neither in the list nor by its name.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::cli::{Running, json, rollcall, text};
use crate::support::Scim;

/// The store in a folder of its own.
struct FormerStore {
    folder: tempfile::TempDir,
}

impl FormerStore {
    fn unpacked() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/former-store.tar.gz");
        let unpacked = Command::new("tar").arg("-C").arg(folder.path()).arg("-xzf").arg(archive).status();
        assert!(unpacked.expect("tar").success());
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let arguments: Vec<&str> =
            arguments.iter().copied().chain(["--store", "surrealkv://store?sync=every"]).collect();
        rollcall(self.folder.path(), &arguments)
    }

    /// Each file with its content.
    fn contents(&self, name: &str) -> Vec<(PathBuf, Vec<u8>)> {
        let root = self.path(name);
        let mut found = Vec::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let content = fs::read(&path).expect("a file");
                    found.push((path.strip_prefix(&root).expect("below").to_owned(), content));
                }
            }
        }
        found.sort();
        found
    }

    /// What `rollcall doctor` finds wrong or mended in the records, in order.
    fn doctor(&self, arguments: &[&str]) -> (bool, Vec<String>) {
        let output = self.run(&[&["doctor", "--json"], arguments].concat());
        let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
        let findings = report["findings"].as_array().expect("findings").iter();
        let of_records =
            findings.filter(|finding| finding["what"].as_str().is_some_and(|what| what.starts_with("records of")));
        let told = of_records.map(|finding| finding["advice"].as_str().unwrap_or_default().to_owned());
        (report["ok"] == true, told.filter(|text| !text.is_empty()).collect())
    }
}

fn expected() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/former-store.json");
    serde_json::from_slice(&fs::read(path).expect("the fixture")).expect("JSON")
}

#[test]
fn every_command_refuses_a_store_of_a_former_version_and_touches_nothing() {
    let store = FormerStore::unpacked();
    let before = store.contents("store");
    for command in [&["serve"][..], &["demo"], &["organization", "list"], &["audit", "verify"], &["migrate"]] {
        let output = store.run(command);
        assert!(!output.status.success(), "{command:?}");
        let told = text(&output.stderr);
        assert!(
            told.contains("It was not touched") && told.contains("rollcall migrate --convert"),
            "{command:?}: {told}"
        );
        assert!(!told.contains("one process at a time"), "{told}");
    }
    assert!(!store.doctor(&[]).0);
    assert_eq!(store.contents("store"), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_a_former_version_is_converted_and_what_its_fault_left_is_found_and_repaired() {
    let store = FormerStore::unpacked();
    let before = store.contents("store");
    let converted = json(&store.run(&["migrate", "--convert", "--json"]));
    assert!(
        converted["found"].as_array().is_some_and(|found| found.len() > 3),
        "what is wrong is told before: {converted}"
    );
    let without_lock = |files: Vec<(PathBuf, Vec<u8>)>| -> Vec<(PathBuf, Vec<u8>)> {
        files.into_iter().filter(|(path, _)| path != Path::new("LOCK")).collect()
    };
    assert_eq!(without_lock(store.contents("store.before-1.2")), without_lock(before), "the way back");
    let again = store.run(&["migrate", "--convert"]);
    assert!(!again.status.success() && text(&again.stderr).contains("needs no conversion"));

    let (is_well, found) = store.doctor(&[]);
    assert!(!is_well);
    assert!(found.iter().any(|one| one.starts_with("index user_position: 1 records are missing")), "{found:?}");
    assert!(found.iter().any(|one| one.starts_with("index user_user_name: 1 records are missing")), "{found:?}");
    assert_eq!(store.doctor(&["--repair"]), (false, found.clone()), "a plan changes nothing");
    let (is_well, repaired) = store.doctor(&["--repair", "--yes"]);
    assert!(is_well, "{repaired:?}");
    assert_eq!(repaired, found.iter().map(|one| format!("repaired: {one}")).collect::<Vec<_>>());
    assert_eq!(store.doctor(&[]), (true, vec![]));
    let audited = json(&store.run(&["audit", "verify", "--json"]));
    assert!(
        audited["trails"].as_array().is_some_and(|trails| trails.iter().all(|trail| trail["whole"] == true)),
        "{audited}"
    );
    contradicts_itself_nowhere(&store).await;
}

/// Each user is in the list and under its id, and each member exists and says so.
async fn contradicts_itself_nowhere(store: &FormerStore) {
    let demo = Running::start(
        store.folder.path(),
        &["demo", "--json", "--listen", "127.0.0.1:0", "--store", "surrealkv://store?sync=every"],
    );
    let contract = demo.json();
    let token = contract["organizations"][0]["scim"]["token"].as_str().expect("a token");
    let scim = Scim::new(contract["url"].as_str().expect("a URL"), token);
    let expected = expected();
    let group = scim.get(&format!("/Groups/{}", expected["group"].as_str().expect("an id"))).await.expect(200);
    let members: Vec<&str> =
        group["members"].as_array().expect("members").iter().filter_map(|one| one["value"].as_str()).collect();
    let list = scim.get("/Users?count=1000").await.expect(200);
    let listed: Vec<&str> =
        list["Resources"].as_array().expect("users").iter().filter_map(|one| one["id"].as_str()).collect();
    assert_eq!(list["totalResults"].as_u64(), Some(listed.len() as u64));
    for member in &members {
        assert!(listed.contains(member), "{member} is a member and not in the list");
    }
    let mut there = 0;
    for id in expected["users"].as_object().expect("users").keys() {
        let answer = scim.get(&format!("/Users/{id}")).await;
        assert_eq!(answer.status == 200, listed.contains(&id.as_str()), "{id}");
        there += usize::from(answer.status == 200);
    }
    assert!(there >= 55, "what was not lost is there: {there}");
    assert!(demo.stop());
}

#[test]
fn a_conversion_that_was_killed_is_done_again_or_finished() {
    // Killed while it copied or converted.
    let store = FormerStore::unpacked();
    fs::create_dir_all(store.path("store.converting/sstables")).expect("made");
    fs::write(store.path("store.converting/sstables/half"), b"half").expect("written");
    json(&store.run(&["migrate", "--convert", "--json"]));
    assert!(!store.path("store.converting").exists());
    // Killed between the exchange of the two folders and the renaming of the original.
    fs::rename(store.path("store.before-1.2"), store.path("store.converting")).expect("renamed");
    json(&store.run(&["migrate", "--convert", "--json"]));
    assert!(store.path("store.before-1.2").exists() && !store.path("store.converting").exists());
    // Killed between the two renamings of a file system that cannot exchange folders.
    fs::rename(store.path("store"), store.path("store.converting")).expect("renamed");
    let refused = store.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert!(text(&refused.stderr).contains("migrate --convert"), "no new store is made in its place");
    json(&store.run(&["migrate", "--convert", "--json"]));
    assert!(store.run(&["organization", "list"]).status.success());
}

/// Killed at any moment: the original is whole, under its name or as the backup, and the next run ends.
#[test]
fn a_conversion_that_is_killed_at_any_moment_leaves_the_original_whole() {
    let store = FormerStore::unpacked();
    let without_lock = |name: &str| -> Vec<(PathBuf, Vec<u8>)> {
        store.contents(name).into_iter().filter(|(path, _)| path != Path::new("LOCK")).collect()
    };
    let before = without_lock("store");
    let mut interrupted = 0;
    for milliseconds in (0..400).step_by(20) {
        let mut running = Command::new(env!("CARGO_BIN_EXE_rollcall"))
            .args(["migrate", "--convert", "--store", "surrealkv://store"])
            .current_dir(store.folder.path())
            .stderr(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .spawn()
            .expect("it starts");
        std::thread::sleep(std::time::Duration::from_millis(milliseconds));
        interrupted += usize::from(running.try_wait().expect("asked").is_none());
        running.kill().and_then(|()| running.wait()).expect("ended");
        let backup = store.path("store.before-1.2");
        let original = if backup.exists() {
            "store.before-1.2"
        } else if without_lock("store") == before {
            "store"
        } else {
            "store.converting"
        };
        assert!(without_lock(original) == before, "killed after {milliseconds} ms");
        if backup.exists() {
            break;
        }
    }
    assert!(interrupted > 3, "{interrupted} runs were killed");
    if !store.path("store.before-1.2").exists() {
        json(&store.run(&["migrate", "--convert", "--json"]));
    }
    assert!(without_lock("store.before-1.2") == before);
    assert!(store.run(&["organization", "list"]).status.success());
}

#[test]
fn a_conversion_is_refused_while_the_store_is_open_or_where_there_is_none() {
    let store = FormerStore::unpacked();
    let holder = fs::File::open(store.path("store/LOCK")).expect("the lock");
    holder.lock().expect("locked, as an engine does that has the store open");
    let refused = store.run(&["migrate", "--convert"]);
    assert!(text(&refused.stderr).contains("open: stop it first"), "{}", text(&refused.stderr));
    drop(holder);
    let empty = tempfile::tempdir().expect("a folder");
    let refused = rollcall(empty.path(), &["migrate", "--convert", "--store", "surrealkv://nothing"]);
    assert!(text(&refused.stderr).contains("holds no store of an earlier version"));
    let refused = rollcall(empty.path(), &["migrate", "--convert", "--store", "mem://"]);
    assert!(text(&refused.stderr).contains("nothing to convert"));
}
