//! Promises of the systems before us that are easily half kept, each asked for through the router.

use serde_json::{Value, json};

use crate::support::{Owned, Person, TestApp};

async fn world() -> (TestApp, Owned, Person) {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    (app, acme, owner)
}

/// `decisions.md` 16.
#[tokio::test(flavor = "multi_thread")]
async fn impersonation_has_a_key_and_can_be_granted_to_nobody() {
    let (_app, _acme, owner) = world().await;
    let listed = owner.ask("{ permissions { key description isSystemOnly isGrantable } }", json!({})).await.data();
    let listed = listed["permissions"].as_array().expect("permissions").clone();
    let one = listed.iter().find(|one| one["key"] == "user_impersonate").expect("the key is kept");
    assert_eq!((&one["isSystemOnly"], &one["isGrantable"]), (&json!(true), &json!(false)));
    assert!(one["description"].as_str().is_some_and(|text| text.contains("cannot be granted")), "{one}");
    let role = json!({"key": "actor", "name": "Actor", "permissions": ["audit_read", "user_impersonate"]});
    let refused = owner.mutate("createRole", role, "role { id }").await;
    assert_eq!(refused["userErrors"][0]["code"], "VALIDATION_FAILED");
    assert_eq!(refused["userErrors"][0]["path"], json!(["input", "permissions", "1"]));
    let token = json!({"name": "t", "scopes": ["user_impersonate"]});
    assert_eq!(owner.refused("createPersonalToken", token).await, "VALIDATION_FAILED");
    let bot = json!({"userName": "bot", "roles": [{"key": "analyst"}], "token": {"name": "t", "scopes": ["user_impersonate"]}});
    assert_eq!(owner.refused("createServiceAccount", bot).await, "VALIDATION_FAILED");
    assert_eq!(listed.iter().filter(|one| one["isSystemOnly"] == true).count(), 1, "{listed:?}");
}
