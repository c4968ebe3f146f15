//! Loading a file with the built program, against what the store alone takes for the same users, in the same run.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rollcall::clock::{Clock, Entropy};
use rollcall::domain::audit::{AuditEvent, EventKind};
use rollcall::domain::user::{User, UserDraft, Writer};
use rollcall::domain::{AuditEventId, Caller, OrganizationId, UserId};
use rollcall::service::{IMPORT_BATCH, IMPORTS_AT_ONCE};
use rollcall::store::Store;
use tokio::task::JoinSet;

use crate::Report;
use crate::shared::{person, resource, store_settings};

pub async fn against_the_store(report: &mut Report, users: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let file = (0..users).fold(String::new(), |mut file, index| {
        writeln!(file, "{}", person(index)).expect("written");
        file
    });
    std::fs::write(folder.join("people.jsonl"), file).expect("written");
    let alone = alone(&url(folder, "alone"), users).await;
    let store = url(folder, "imported");
    run(folder, &store, &["init"]);
    run(folder, &store, &["organization", "create", "acme", "--owner-email", "owner@acme.example"]);
    let started = Instant::now();
    run(folder, &store, &["import", "acme", "people.jsonl"]);
    let (import, alone) = (started.elapsed().as_secs_f64(), alone.as_secs_f64());
    let ratio = import / alone;
    let measured = format!("{import:.1} s, {alone:.1} s: {ratio:.2}");
    let what = format!("importing {users} users durably, against the store alone");
    report.line(&what, measured, "at most 1.5", ratio <= 1.5);
}

fn url(folder: &Path, name: &str) -> String {
    format!("surrealkv://{}/{name}?sync=every", folder.display())
}

fn run(folder: &Path, store: &str, arguments: &[&str]) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_rollcall"));
    let done = program.args(arguments).args(["--store", store, "--json"]).current_dir(folder).status();
    assert!(done.expect("it runs").success());
}

/// As many users at a time, and as many such writes at once, as an import has; with an event each that says nothing.
async fn alone(url: &str, users: usize) -> Duration {
    let settings = store_settings(url);
    let (entropy, now) = (Entropy::default(), Clock::default().now());
    let store = Store::connect(&settings).await.expect("a store");
    let store = store.organization(OrganizationId::new(entropy.id(now))).await.expect("opened");
    let by = Writer { author: None, now, states_all: true };
    let rows: Vec<(User, AuditEvent)> = (0..users)
        .map(|index| {
            let draft = UserDraft::new(resource(&person(index))).expect("valid");
            let user = User::create(UserId::new(entropy.id(now)), draft, by);
            let target = ("user", user.id.to_string());
            let id = AuditEventId::new(entropy.id(now));
            let event = AuditEvent::new(id, now, &Caller::operator(None), EventKind::UserCreated, target);
            (user, event)
        })
        .collect();
    let mut batches = rows.chunks(IMPORT_BATCH).map(<[_]>::to_vec);
    let started = Instant::now();
    let mut writes = JoinSet::new();
    loop {
        if writes.len() < IMPORTS_AT_ONCE
            && let Some(batch) = batches.next()
        {
            let store = store.clone();
            writes.spawn(async move { store.insert_users(&batch).await.expect("stored") });
        } else if writes.join_next().await.is_none() {
            return started.elapsed();
        }
    }
}
