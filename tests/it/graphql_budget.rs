//! What an operation may come to while it runs, and what each is charged (S-2).

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use crate::support::{Owned, Person, TestApp};

/// Every member of every group, and the groups of each again.
const GROUPS_OF_MEMBERS: &str = "groups(first: 100) { nodes { members(first: 100) { nodes { ... on User { groups(first: 100) { nodes { id } } } } } } }";

/// An organization with thirty users who are all in thirty groups.
async fn crowded(app: &TestApp) -> (Owned, Person) {
    let acme = app.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    let mut users = Vec::new();
    for index in 0..30 {
        users.push(acme.scim.make_user(&format!("p{index}")).await);
    }
    let ids: Vec<&str> = users.iter().map(String::as_str).collect();
    for index in 0..30 {
        acme.scim.make_group(&format!("g{index}"), &ids).await;
    }
    (acme, owner)
}

#[track_caller]
fn assert_stopped(body: &Value, budget: &str) {
    let error = &body["errors"][0];
    assert_eq!(error["extensions"]["code"], "COMPLEXITY_EXCEEDED", "{body}");
    assert_eq!(error["extensions"]["params"]["budget"], budget, "{body}");
    assert!(error["extensions"]["params"]["limit"].as_u64().is_some_and(|limit| limit > 0), "{body}");
    assert!(error["message"].as_str().is_some_and(|message| message.contains("ask for")), "{body}");
    assert!(body.get("data").is_none(), "nothing is answered: {body}");
}

/// S-2.
#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_stopped_once_it_comes_to_too_many_objects() {
    let app = TestApp::start().await;
    let (_acme, owner) = crowded(&app).await;
    let small = owner.ask("{ groups(first: 30) { nodes { members(first: 30) { nodes { id } } } } }", json!({})).await;
    assert_eq!(small.data()["groups"]["nodes"].as_array().map(Vec::len), Some(30));

    let answer = owner.ask(&format!("{{ {GROUPS_OF_MEMBERS} }}"), json!({})).await;
    assert_stopped(&answer.body, "nodes");
    owner.me("accountId").await;
    let before = app.queries.load(Ordering::Relaxed);
    owner.me("accountId").await;
    assert!(app.queries.load(Ordering::Relaxed) - before < 20, "nothing runs on behind it");
}

/// S-2.
#[tokio::test(flavor = "multi_thread")]
async fn the_ids_of_a_document_count_as_often_as_they_are_named() {
    let app = TestApp::start().await;
    let (_acme, owner) = crowded(&app).await;
    let group = owner.ask("{ group(by: {name: \"g0\"}) { id } }", json!({})).await.data()["group"]["id"].clone();
    let deep = "query($i: [ID!]!) { nodes(ids: $i) { ... on Group { members(first: 100) { nodes { ... on User { \
                groups(first: 100) { nodes { members(first: 100) { nodes { id } } } } } } } } } }";
    let answer = owner.ask(deep, json!({ "i": vec![group.clone(); 100] })).await;
    assert_eq!(answer.code().as_deref(), Some("COMPLEXITY_EXCEEDED"), "{}", answer.body);
    assert!(answer.body.get("data").is_none());

    let shallow = "query($i: [ID!]!) { nodes(ids: $i) { id } }";
    let user = owner.me("user { id }").await["user"]["id"].clone();
    let none = json!("01900000-0000-7000-8000-000000000000");
    let asked = vec![group.clone(), user.clone(), none, json!("x"), group.clone()];
    let found = owner.ask(shallow, json!({ "i": asked })).await.data();
    assert_eq!(found["nodes"], json!([{"id": group}, {"id": user}, null, null, {"id": group}]));
}

/// S-2: a plain member could multiply one's own metadata.
#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_stopped_once_its_answer_is_too_large() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    let metadata = json!({ "a": "x".repeat(16_000) });
    let done = owner.done("updateMe", json!({ "metadata": metadata }), "user { id }").await;
    let aliases: String = (0..30).map(|index| format!(" a{index}: metadata")).collect();
    let document = format!("query($i: [ID!]!) {{ nodes(ids: $i) {{ ... on User {{ {aliases} }} }} }}");
    let answer = owner.ask(&document, json!({ "i": vec![done["user"]["id"].clone(); 100] })).await;
    assert_stopped(&answer.body, "bytes");
    let once = owner.ask(&document, json!({ "i": [done["user"]["id"]] })).await.data();
    assert_eq!(once["nodes"][0]["a29"], metadata);
}

/// S-2.
#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_stopped_after_its_time() {
    let app = TestApp::start_configured(|config| config.graphql.read_milliseconds = 1).await;
    let acme = app.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    let ids: Vec<String> = (0..100).map(|index| format!("01900000-0000-7000-8000-{index:012}")).collect();
    let fields: String = (0..20).map(|index| format!(" a{index}: nodes(ids: $i) {{ id }}")).collect();
    let answer = owner.ask(&format!("query($i: [ID!]!) {{ {fields} }}"), json!({ "i": ids })).await;
    assert_stopped(&answer.body, "time");
}

/// S-2: what a mutation did stays, whatever its answer was to hold.
#[tokio::test(flavor = "multi_thread")]
async fn a_mutation_is_done_and_the_rest_of_its_answer_fails() {
    let app = TestApp::start().await;
    let (_acme, owner) = crowded(&app).await;
    let document = format!(
        "mutation {{ createGroup(input: {{name: \"New\"}}) {{ group {{ id }} query {{ {GROUPS_OF_MEMBERS} }} }} }}"
    );
    let answer = owner.ask(&document, json!({})).await;
    assert_eq!(answer.code().as_deref(), Some("COMPLEXITY_EXCEEDED"), "{}", answer.body);
    let made = owner.ask("{ group(by: {name: \"New\"}) { name } }", json!({})).await.data();
    assert_eq!(made["group"]["name"], "New");
}

/// S-2.
#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_stopped_once_it_takes_too_much_memory() {
    let app = TestApp::start_configured(|config| config.graphql.read_memory_bytes = 1_000_000).await;
    let (_acme, owner) = crowded(&app).await;
    let document = "{ users(first: 100) { nodes { groups(first: 100) { totalCount nodes { id } } } } }";
    assert_stopped(&owner.ask(document, json!({})).await.body, "memory");
}
