//! What is told of another person needs the same permission whatever way led to them (L-7).

use serde_json::{Value, json};

use crate::support::{Person, TestApp};

/// Fields of a user that need `user_access_read`, or being the user.
const GUARDED: &[&str] = &[
    "isSuperuser",
    "isOnboarded",
    "accountType",
    "localHold { reason }",
    "identities { subject }",
    "passwordState { isSet }",
    "mfa { isEnabled }",
    "lastLoginAt",
    "lastSeenAt",
    "lockedUntil",
    "memberships { roleKeys }",
    "roles { key }",
    "permissions { key }",
    "emails { nodes { address } }",
];

/// Documents that lead to the members of the group `$g`, and where in the answer each finds them.
const WAYS: &[&str] = &[
    "query Q($g: ID!) { group(by: {id: $g}) { members { nodes { ... on User { userName FIELD } } } } }",
    "query Q($g: ID!) { group(by: {id: $g}) { members { edges { node { ... on User { userName FIELD } } } } } }",
    "query Q($g: ID!) { node(id: $g) { ... on Group { members { nodes { ... on User { userName FIELD } } } } } }",
    "query Q($g: ID!) { nodes(ids: [$g]) { ... on Group { members { nodes { ... on User { userName FIELD } } } } } }",
    "query Q($g: ID!) { me { groups { nodes { members { nodes { ... on User { userName FIELD } } } } } } node(id: $g) { id } }",
];

/// L-7: the admin of a group sees who its members are, and nothing of how they sign in.
#[tokio::test(flavor = "multi_thread")]
async fn fields_of_a_user_need_their_permission_on_every_way_to_the_user() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    let babs = app.member(acme.id, "babs@acme.example", &["member"]).await.sign_in().await;
    let made = owner.done("createGroup", json!({"name": "team"}), "group { id }").await;
    let group = made["group"]["id"].clone();
    put_into(&owner, &group, &babs, "ADMIN").await;
    put_into(&owner, &group, &owner, "MEMBER").await;

    for way in WAYS {
        let names = babs.ask(&way.replace("FIELD", ""), json!({ "g": group })).await.data().to_string();
        assert!(names.contains("owner@acme.example"), "the way leads to the owner: {way}: {names}");
        for field in GUARDED {
            let document = way.replace("FIELD", field);
            let refused = babs.ask(&document, json!({ "g": group })).await;
            assert_eq!(refused.code().as_deref(), Some("FORBIDDEN"), "{document}: {}", refused.body);
            let told = owner.ask(&document, json!({ "g": group })).await;
            assert_eq!(told.code(), None, "{document}: {}", told.body);
        }
    }
    let own =
        babs.me("user { isSuperuser mfa { isEnabled } passwordState { isSet } lastLoginAt }").await["user"].clone();
    assert_eq!(
        (&own["isSuperuser"], &own["passwordState"]["isSet"]),
        (&json!(false), &json!(true)),
        "one's own is told"
    );
}

/// B, "error path": the field that was sent, and why it cannot be kept.
#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_has_not_signed_in_yet_keeps_no_preferences() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    let id = acme.scim.make_user("ada").await;
    for (field, value) in [("isOnboarded", json!(true)), ("settings", json!({"theme": "DARK"}))] {
        let mut input = json!({"user": {"id": id}});
        input[field] = value;
        let payload = owner.mutate("updateUser", input, "user { id }").await;
        let error = &payload["userErrors"][0];
        assert_eq!(
            (&error["code"], &error["path"]),
            (&json!("VALIDATION_FAILED"), &json!(["input", field])),
            "{payload}"
        );
        assert!(error["message"].as_str().is_some_and(|text| text.contains("has not joined yet")), "{error}");
    }
}

async fn put_into(owner: &Person, group: &Value, who: &Person, role: &str) {
    let user = who.me("user { id }").await["user"]["id"].clone();
    let input = json!({"group": {"id": group}, "user": {"id": user}, "role": role});
    owner.done("setGroupMember", input, "memberEdge { role }").await;
}
