//! Damage of each kind is made by hand, found and repaired.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::DateTime;
use surrealdb_kvs::{Key, KeyRange, TransactionBuilder as _, TransactionType};
use uuid::Uuid;

use super::*;
use crate::domain::audit::EventKind;
use crate::domain::{AuditEventId, Caller};
use crate::store::database::engine::{DiskMemory, open_engine};
use crate::store::error::settle;
use crate::store::{StoreSettings, Verdict};

const ORGANIZATION: Uuid = Uuid::from_u128(7);

fn settings(url: &str) -> StoreSettings {
    let memory = DiskMemory { read_bytes: 1 << 20, written_bytes: 1 << 20 };
    StoreSettings { url: url.to_owned(), namespace: "rollcall".to_owned(), username: None, password: None, memory }
}

async fn ask(store: &Store, text: &str) {
    let within = store.organization(organization()).await.expect("opens");
    settle(within.0.query(text.to_owned()).await.expect("asked")).expect("done");
}

fn organization() -> OrganizationId {
    OrganizationId::new(ORGANIZATION)
}

async fn found(store: &Store) -> Damage {
    store.find_damage(Some(organization()), &|_| ()).await.expect("looked at")
}

/// As `Service::repair_store` does it.
async fn repair(store: &Store, damage: Damage) {
    static EVENTS: AtomicU64 = AtomicU64::new(1);
    let id = AuditEventId::new(Uuid::from_u64_pair(u64::MAX, EVENTS.fetch_add(1, Ordering::Relaxed)));
    let at = DateTime::from_timestamp(1_767_225_600, 0).expect("2026");
    let event = AuditEvent::new(id, at, &Caller::operator(None), EventKind::StoreRepaired, ("store", "x".to_owned()));
    store.rebuild_indexes(Some(organization()), &damage).await.expect("rebuilt");
    let event = AuditEvent { values: damage.changes(), ..event };
    store.repair_references(Some(organization()), &damage, &event).await.expect("repaired");
}

#[tokio::test(flavor = "multi_thread")]
async fn references_to_nothing_are_found_and_removed_and_others_stay() {
    let store = Store::connect(&settings("mem://")).await.expect("opens");
    ask(
        &store,
        "CREATE group:u'00000000-0000-0000-0000-000000000001' SET display_name_key = 'g';
         CREATE user:u'00000000-0000-0000-0000-000000000002' SET user_name_key = 'u',
             position = u'00000000-0000-0000-0000-000000000002';
         FOR $edge IN [[1, 2], [1, 3], [4, 2]] {
             LET $group = type::uuid(string::concat('00000000-0000-0000-0000-00000000000', <string> $edge[0]));
             LET $member = type::uuid(string::concat('00000000-0000-0000-0000-00000000000', <string> $edge[1]));
             CREATE type::record('member', [$group, $member]) SET group = $group, member = $member, kind = 'user';
         };
         FOR $role IN ['owner', 'admin'] {
             CREATE type::record('role_grant', [u'00000000-0000-0000-0000-000000000003', $role, 'DIRECT', '']) SET
                 holder = u'00000000-0000-0000-0000-000000000003', holder_kind = 'user', role = $role, source = 'DIRECT',
                 created = time::now();
         };
         UPDATE user SET account = u'00000000-0000-0000-0000-000000000009';",
    )
    .await;
    let damage = found(&store).await;
    let sentences = damage.sentences();
    assert_eq!(
        sentences,
        [
            "1 users linked to accounts that do not exist: a repair clears the link",
            "1 memberships of groups that do not exist: a repair deletes them",
            "1 memberships of members that do not exist: a repair deletes them",
            "1 role grants of holders that do not exist: a repair deletes them",
        ]
    );
    repair(&store, damage).await;
    assert!(found(&store).await.is_empty(), "{:?}", found(&store).await.sentences());
    let within = store.organization(organization()).await.expect("opens");
    let query = within.0.query("SELECT VALUE id FROM member").await.expect("asked");
    let left: Vec<surrealdb::types::RecordId> = settle(query).expect("read").take(0).expect("ids");
    assert_eq!(left.len(), 1, "the membership of a user that exists in a group that exists stays");
    assert!(within.is_ownerless().await.expect("asked"), "the mark of a former owner stays");
}

/// A membership gives access, so none is made up: the link of the user goes instead.
#[tokio::test(flavor = "multi_thread")]
async fn a_user_linked_to_an_account_without_a_membership_is_found_and_loses_the_link() {
    let store = Store::connect(&settings("mem://")).await.expect("opens");
    ask(
        &store,
        "CREATE user:u'00000000-0000-0000-0000-000000000002' SET user_name_key = 'u',
             position = u'00000000-0000-0000-0000-000000000002', account = u'00000000-0000-0000-0000-000000000009';
         CREATE user:u'00000000-0000-0000-0000-000000000003' SET user_name_key = 'v',
             position = u'00000000-0000-0000-0000-000000000003', account = u'00000000-0000-0000-0000-00000000000a';",
    )
    .await;
    let accounts =
        "CREATE account:u'00000000-0000-0000-0000-000000000009' SET created = time::now(), superuser = false,
             onboarded = false, version = 1, settings_version = 0, credentials_version = 0;
         CREATE account:u'00000000-0000-0000-0000-00000000000a' SET created = time::now(), superuser = false,
             onboarded = false, version = 1, settings_version = 0, credentials_version = 0;
         CREATE membership SET account = u'00000000-0000-0000-0000-00000000000a', source = 'ADMIN', joined = 1,
             organization = u'00000000-0000-0000-0000-000000000007', user = u'00000000-0000-0000-0000-000000000003';";
    settle(store.identity.0.query(accounts).await.expect("asked")).expect("done");
    let damage = found(&store).await;
    assert_eq!(damage.sentences(), ["1 users linked to accounts without a membership: a repair clears the link"]);
    repair(&store, damage).await;
    assert!(found(&store).await.is_empty(), "{:?}", found(&store).await.sentences());
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_audit_events_are_declared_lost_and_changed_ones_are_not() {
    let store = Store::connect(&settings("mem://")).await.expect("opens");
    let event = "CREATE type::record('audit_event', rand::uuid::v7()) CONTENT { at: d'2026-01-01T00:00:00Z', actor: {}, door: 'CLI', request: NONE, \
                 kind: 'user.created', target: {}, changed: [], changes: [], consequences: [], members_added: 0, \
                 members_removed: 0, seq: -1 };";
    ask(&store, &event.repeat(6)).await;
    let within = store.organization(organization()).await.expect("opens");
    while within.seal_audit_events(100).await.expect("sealed") {}
    ask(&store, "DELETE audit_event WHERE seq = 3 OR seq = 4").await;
    let verdict = async || within.verify_audit_events(&|_| ()).await.expect("read");
    assert_eq!(verdict().await, Verdict::Broken { sequence: 3 });
    let damage = found(&store).await;
    assert_eq!(
        damage.sentences(),
        ["audit events 3 to 4 are missing: a repair declares them lost, it cannot bring them back"]
    );
    repair(&store, damage).await;
    assert!(found(&store).await.is_empty());
    let Verdict::Whole { events: 5, gaps, .. } = verdict().await else { panic!("{:?}", verdict().await) };
    assert_eq!(gaps, [(3, 4)], "what was lost is told apart from what was changed");
    // A declaration holds for its gap alone, and only one of the trail itself counts.
    ask(
        &store,
        "CREATE type::record('audit_event', rand::uuid::v7()) CONTENT { kind: 'store.repaired', seq: -2, changes: \
                 [{ field: 'auditGap', after: { first: 1, last: 1, before: NONE, after: NONE } }] }; \
                 DELETE audit_event WHERE seq = 1",
    )
    .await;
    assert_eq!(verdict().await, Verdict::Broken { sequence: 1 });
    ask(&store, "UPDATE audit_event SET kind = 'user.deleted' WHERE seq = 2").await;
    assert_eq!(verdict().await, Verdict::Broken { sequence: 1 });
}

/// Deletes index entries that hold a text, under the database.
async fn delete_entries(folder: &Path, text: &str) -> usize {
    let engine = open_engine(folder).await;
    let (transaction, _) = engine.new_transaction(TransactionType::Write).await.expect("begun");
    let all = KeyRange { start: Key::from(vec![0]), end: Key::from(vec![255]) };
    let keys = transaction.keys(all, u32::MAX, 0, None).await.expect("read").keys;
    let holding: Vec<Vec<u8>> =
        keys.into_iter().filter(|key| key.windows(text.len()).any(|part| part == text.as_bytes())).collect();
    for key in &holding {
        transaction.del(Key::from(key.clone())).await.expect("deleted");
    }
    transaction.commit().await.expect("committed");
    engine.shutdown().await.expect("closed");
    holding.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_without_its_entries_is_found_and_rebuilt_unless_two_records_share_a_value() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store");
    let open = async || Store::connect(&settings(&format!("surrealkv://{}", path.display()))).await.expect("opens");
    let store = open().await;
    let users = "FOR $i IN 0..100 { CREATE user SET user_name_key = string::concat('name', <string> $i, 'x'), \
                 display_key = 'all alike', email_keys = [string::concat('mail', <string> $i, 'x'), 'shared'] };";
    ask(&store, users).await;
    assert!(found(&store).await.is_empty(), "{:?}", found(&store).await.sentences());
    crate::store::close_stores().await;
    drop(store);
    assert_eq!(delete_entries(&path, "name7x").await, 1);
    assert_eq!(delete_entries(&path, "mail8x").await, 1);

    let store = open().await;
    let damage = found(&store).await;
    let mut sentences = damage.sentences();
    sentences.sort();
    assert_eq!(
        sentences,
        [
            "index user_email: 1 records are missing, 0 entries have no record: a repair rebuilds it",
            "index user_user_name: 1 records are missing, 0 entries have no record: a repair rebuilds it",
        ]
    );
    ask(&store, "CREATE user SET user_name_key = 'name7x'").await;
    let shared = found(&store).await;
    assert!(shared.sentences().iter().any(|one| one.contains("It cannot be rebuilt while records share a value")));
    repair(&store, shared).await;
    assert_eq!(found(&store).await.sentences().len(), 1, "what can be mended is");
    ask(&store, "DELETE user WHERE user_name_key = 'name7x' AND display_key = NONE").await;
    repair(&store, found(&store).await).await;
    assert!(found(&store).await.is_empty());
    crate::store::close_stores().await;
}
