//! Many tasks at once, on both embedded engines and, where it is built, on a SurrealDB server (catalogue C-01 … C-06).

use std::collections::BTreeSet;

use rollcall::clock::Entropy;
use rollcall::domain::audit::{AuditEvent, EventKind};
use rollcall::domain::user::{User, UserDraft, Writer};
use rollcall::domain::{AuditEventId, Caller, OrganizationId, UserId};
use rollcall::store::{OwnerWatch, Store, StoreError};
use scim::Resource;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::app::start_of_time;
use crate::support::surreal::SurrealServer;
use crate::support::{Engine, Scim, TestApp, members, store_settings, user};

async fn duplicate_creates(scim: &Scim, rounds: usize) {
    for round in 0..rounds {
        let mut creates = JoinSet::new();
        for index in 0..64_usize {
            let scim = scim.clone();
            creates.spawn(async move {
                let name = format!("race{round}@example.com");
                let mixed = name
                    .char_indices()
                    .map(|(at, c)| if (index >> (at % 6)) & 1 == 1 { c.to_ascii_uppercase() } else { c });
                scim.post("/Users", &user(&mixed.collect::<String>())).await
            });
        }
        let answers = creates.join_all().await;
        let created = answers.iter().filter(|answer| answer.status == 201).count();
        assert_eq!(created, 1, "exactly one is made");
        for answer in answers.into_iter().filter(|answer| answer.status != 201) {
            answer.refused(409, Some("uniqueness"));
        }
        assert_eq!(scim.count("/Users", &format!("userName eq \"race{round}@example.com\"")).await, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn c28_sc05_of_64_creates_of_one_name_in_mixed_case_one_succeeds() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        duplicate_creates(&app.tenant("acme").await.scim, 5).await;
    }
}

/// Twenty writers, each adding its own users and removing some that are in: nobody is lost, nobody is a ghost.
async fn group_patches(scim: &Scim) {
    let mut ids = Vec::new();
    for index in 0..60 {
        ids.push(scim.make_user(&format!("m{index}")).await);
    }
    let initial: Vec<&str> = ids[..20].iter().map(String::as_str).collect();
    let group = scim.make_group("G", &initial).await;
    let mut writers = JoinSet::new();
    for index in 0..20 {
        let (scim, group) = (scim.clone(), group.clone());
        let added = [ids[20 + 2 * index].clone(), ids[21 + 2 * index].clone()];
        let removed = ids[index].clone();
        writers.spawn(async move {
            let operations = match index % 2 {
                0 => json!([{"op": "add", "path": "members", "value": members(&[&added[0], &added[1]])},
                            {"op": "remove", "path": format!("members[value eq \"{removed}\"]")}]),
                _ => json!([{"op": "Add", "path": "members", "value": members(&[&added[0]])},
                            {"op": "Remove", "path": "members", "value": [{"value": removed}]},
                            {"op": "Add", "path": "members", "value": members(&[&added[1]])}]),
            };
            scim.patch(&format!("/Groups/{group}"), operations).await.expect(204);
        });
    }
    writers.join_all().await;
    let expected: BTreeSet<String> = ids[20..].iter().cloned().collect();
    assert_eq!(scim.member_ids(&group).await.into_iter().collect::<BTreeSet<_>>(), expected);
    assert_eq!(scim.get(&format!("/Groups/{group}")).await.header("etag"), "W/\"21\"", "each change is one version");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn c75_c109_c127_concurrent_patches_of_one_group_lose_nobody() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        group_patches(&app.tenant("acme").await.scim).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn races_end_the_same_on_a_server_with_two_nodes() {
    let Some(server) = SurrealServer::start() else { return };
    let app = TestApp::start_at(&server.url()).await;
    let tenant = app.tenant("acme").await;
    duplicate_creates(&tenant.scim, 3).await;
    group_patches(&tenant.scim).await;
    // Another node on the same store: lanes of one process do not help here, versions must.
    let other = TestApp::start_at(&server.url()).await;
    let elsewhere = tenant.scim.at(format!("{}/scim/v2", other.url));
    let ids = [tenant.scim.make_user("x1").await, tenant.scim.make_user("x2").await];
    let group = tenant.scim.make_group("Shared", &[]).await;
    let mut writers = JoinSet::new();
    for index in 0..10 {
        let (scim, group, id) = ([&tenant.scim, &elsewhere][index % 2].clone(), group.clone(), ids[index % 2].clone());
        writers.spawn(async move {
            let add = json!([{"op": "add", "path": "members", "value": members(&[&id])}]);
            scim.patch(&format!("/Groups/{group}"), add).await.expect(204);
        });
    }
    writers.join_all().await;
    let mut expected = ids.to_vec();
    expected.sort_unstable();
    assert_eq!(elsewhere.member_ids(&group).await, expected);
    tenant.scim.delete(&format!("/Users/{}", ids[0])).await.expect(204);
    elsewhere.get(&format!("/Users/{}", ids[0])).await.refused(404, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn c04_deleting_a_user_while_it_is_added_leaves_no_dangling_member() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let scim = app.tenant("acme").await.scim;
        let group = scim.make_group("G", &[]).await;
        for round in 0..40 {
            let id = scim.make_user(&format!("u{round}")).await;
            let (adder, deleter) = (scim.clone(), scim.clone());
            let (path, user) = (format!("/Groups/{group}"), format!("/Users/{id}"));
            let adding = tokio::spawn(async move {
                let add = json!([{"op": "add", "path": "members", "value": members(&[&id])}]);
                adder.patch(&path, add).await.expect(204)
            });
            let deleting = tokio::spawn(async move { deleter.delete(&user).await.expect(204) });
            adding.await.expect("added");
            deleting.await.expect("deleted");
            assert!(scim.member_ids(&group).await.is_empty(), "round {round} on {engine:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn c06_a_ring_of_renames_leaves_every_name_with_one_user() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let scim = app.tenant("acme").await.scim;
        let mut ids = Vec::new();
        for index in 0..8 {
            ids.push(scim.make_user(&format!("n{index}")).await);
        }
        let mut renames = JoinSet::new();
        for (index, id) in ids.iter().enumerate() {
            let (scim, path) = (scim.clone(), format!("/Users/{id}"));
            renames.spawn(async move {
                let name = format!("N{}", (index + 1) % 8);
                scim.patch(&path, json!([{"op": "replace", "path": "userName", "value": name}])).await
            });
        }
        for answer in renames.join_all().await {
            assert!(matches!(answer.status, 200 | 409), "{}", answer.text);
        }
        let mut names = BTreeSet::new();
        for user in scim.get("/Users").await.expect(200)["Resources"].as_array().expect("a list") {
            assert!(names.insert(user["userName"].as_str().expect("a name").to_lowercase()));
        }
        assert_eq!(names.len(), 8);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sc19_rotation_under_load_leaves_two_live_tokens() {
    let app = TestApp::start().await;
    let tenant = app.tenant("acme").await;
    let operator = Caller::operator(Some(tenant.id));
    let mut rotations = JoinSet::new();
    for _ in 0..8 {
        let (service, operator) = (app.service.clone(), operator.clone());
        rotations.spawn(async move { service.rotate_token(&operator, tenant.directory).await.expect("rotated") });
    }
    let secrets = rotations.join_all().await;
    let mut live = 0;
    for secret in &secrets {
        live += usize::from(tenant.scim.with_token(Some(secret.expose())).get("/Users?count=0").await.status == 200);
    }
    assert_eq!(live, 2);
}

/// Whoever changes a user read it before: what a sign-in writes beside that stays, and what the change takes away goes.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_sign_in_writes_while_a_user_is_changed_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let on_disk = format!("surrealkv://{}", folder.path().join("store").display());
    for url in ["mem://", &on_disk] {
        let (entropy, now) = (Entropy::default(), start_of_time());
        let store = Store::connect(&store_settings(url)).await.expect("a store");
        let store = store.organization(OrganizationId::new(entropy.id(now))).await.expect("opened");
        let writer = Writer { author: None, now, states_all: true };
        let draft = |attributes: Value| {
            let attributes = attributes.as_object().expect("an object").clone();
            UserDraft::new(Resource::from_stored(attributes)).expect("valid")
        };
        let event = |kind, user: &User| {
            let target = ("user", user.id.to_string());
            AuditEvent::new(AuditEventId::new(entropy.id(now)), now, &Caller::operator(None), kind, target)
        };
        let first = draft(json!({"userName": "ada", "externalId": "1", "title": "Countess"}));
        let before = User::create(UserId::new(entropy.id(now)), first, writer);
        store.insert_user(&before, false, &event(EventKind::UserCreated, &before)).await.expect("stored");
        store.touch_user(before.id, now).await.expect("stored");
        let after = before.with_attributes(draft(json!({"userName": "ada", "locale": "en"})), writer);
        let changed = event(EventKind::UserUpdated, &after);
        store.update_user(&before, &after, OwnerWatch::Nobody, &changed).await.expect("stored");
        let found = store.find_user(before.id).await.expect("read").expect("there");
        assert_eq!(found, User { last_seen: Some(now), ..after.clone() }, "{url}");
        let again = event(EventKind::UserUpdated, &after);
        let outdated = store.update_user(&before, &after, OwnerWatch::Nobody, &again).await;
        assert!(matches!(outdated, Err(StoreError::Outdated)), "{url}: it is another version now");
    }
}
