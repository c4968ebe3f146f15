//! The operator makes and restores owners, so that no organization stays without one who can sign in.

use rollcall::domain::{Caller, Code, OrganizationId};
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::support::{Person, TestApp, user};

async fn has_owner(app: &TestApp, id: OrganizationId) -> bool {
    app.service.has_owner(&Caller::operator(None), id).await.expect("known")
}

/// D, "README, first commands": an organization that was made without an owner is told apart from one that has one.
#[tokio::test(flavor = "multi_thread")]
async fn a_provisioned_user_becomes_an_owner_with_a_password_that_is_shown_once() {
    let app = TestApp::start().await;
    let tenant = app.tenant("acme").await;
    let operator = Caller::operator(Some(tenant.id));
    let id = tenant.scim.make_user("ada@acme.example").await;
    assert!(!has_owner(&app, tenant.id).await);
    let made = app.service.appoint_owner(&operator, "Ada@acme.example").await.expect("made");
    assert_eq!(made.user.id.to_string(), id);
    assert!(has_owner(&app, tenant.id).await);
    let password = made.password.expect("shown once");
    let owner = Person::new(&app.url, "ada@acme.example", password.expose_secret()).sign_in().await;
    assert_eq!(owner.me("user { userName }").await["user"]["userName"], "ada@acme.example");
    let again = app.service.appoint_owner(&operator, "ada@acme.example").await.expect("unchanged");
    assert!(again.password.is_none());
    assert_eq!(again.user.version, made.user.version, "nothing is left to do");
    app.assert_consistent().await;
}

/// A18: a directory that ends the last owner's access locks nobody out for good.
#[tokio::test(flavor = "multi_thread")]
async fn an_owner_whom_a_directory_deactivated_is_let_in_again_by_the_operator() {
    let app = TestApp::start().await;
    let tenant = app.tenant("acme").await;
    let operator = Caller::operator(Some(tenant.id));
    let path = format!("/Users/{}", tenant.scim.make_user("ada@acme.example").await);
    let made = app.service.appoint_owner(&operator, "ada@acme.example").await.expect("made");
    let password = made.password.expect("shown once");
    let person = Person::new(&app.url, "ada@acme.example", password.expose_secret());
    let signed_in = person.sign_in().await;
    let off = json!([{"op": "replace", "path": "active", "value": false}]);
    tenant.scim.patch(&path, off).await.expect(200);
    assert!(!signed_in.is_in().await, "off means off");
    assert!(!has_owner(&app, tenant.id).await);
    let restored = app.service.appoint_owner(&operator, "ada@acme.example").await.expect("restored");
    assert!(restored.password.is_none(), "the password is as it was");
    assert!(has_owner(&app, tenant.id).await);
    assert!(!signed_in.is_in().await, "no login comes back");
    person.sign_in().await;
    assert_eq!(tenant.scim.get(&path).await.expect(200)["active"], true);
    app.assert_consistent().await;
}

/// An owner of one organization becomes an owner of another with the same account; a stranger gets a user and an account.
#[tokio::test(flavor = "multi_thread")]
async fn an_owner_is_made_of_an_account_of_another_organization_or_of_nothing() {
    let app = TestApp::start().await;
    let first = app.owned("first").await;
    let second = app.tenant("second").await;
    let operator = Caller::operator(Some(second.id));
    let joined = app.service.appoint_owner(&operator, "owner@first.example").await.expect("made");
    assert!(joined.password.is_none(), "the account has a password");
    let owner = first.owner.sign_in().await;
    let seen = owner.me("memberships { organization { shortName } }").await;
    let count = seen["memberships"].as_array().map(Vec::len);
    assert_eq!(count, Some(2), "{seen}");
    let stranger = app.service.appoint_owner(&operator, "new@second.example").await.expect("made");
    assert!(stranger.password.is_some());
    assert_eq!(second.scim.get("/Users").await.expect(200)["totalResults"], 2);
    app.assert_consistent().await;
}

/// An address that a user's record has and that belongs to another account names nobody.
#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_means_two_users_makes_no_owner() {
    let app = TestApp::start().await;
    let tenant = app.tenant("acme").await;
    let operator = Caller::operator(Some(tenant.id));
    for name in ["one", "two"] {
        let mut body = user(name);
        body["emails"] = json!([{"value": "shared@acme.example"}]);
        tenant.scim.post("/Users", &body).await.expect(201);
    }
    let refused = app.service.appoint_owner(&operator, "shared@acme.example").await.expect_err("refused");
    assert!(refused.to_string().contains("two users"), "{refused}");
    assert!(!has_owner(&app, tenant.id).await);
}

/// D, "provisioned people": what a provisioned user cannot do yet says how the user comes to sign in.
#[tokio::test(flavor = "multi_thread")]
async fn an_error_about_a_user_without_an_account_names_the_ways_to_one() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    acme.scim.make_user("ada@acme.example").await;
    let owner = acme.owner.sign_in().await;
    let input = json!({"user": {"userName": "ada@acme.example"}});
    let payload = owner.mutate("resetPassword", input, "clientMutationId").await;
    let message = payload["userErrors"][0]["message"].as_str().expect("refused").to_owned();
    assert!(message.contains("sendInvitations") && message.contains("login provider"), "{message}");
}

/// A18: an owner who was let in again stays in when the directory that kept the owner out is deleted.
#[tokio::test(flavor = "multi_thread")]
async fn a_restored_owner_is_kept_out_by_no_directory_any_more() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let operator = Caller::operator(Some(acme.id));
    let id = acme.owner.sign_in().await.me("user { id }").await["user"]["id"].as_str().expect("an id").to_owned();
    let path = format!("/Users/{id}");
    acme.scim.patch(&path, json!([{"op": "add", "path": "title", "value": "Founder"}])).await.expect(200);
    acme.scim.patch(&path, json!([{"op": "replace", "path": "active", "value": false}])).await.expect(200);
    app.service.appoint_owner(&operator, &acme.owner.email).await.expect("restored");
    let owner = acme.owner.sign_in().await;
    let directories = owner.ask("{ directories { nodes { id } } }", json!({})).await.data();
    let directory = json!({"directoryId": directories["directories"]["nodes"][0]["id"]});
    owner.done("deleteDirectory", directory, "clientMutationId").await;
    acme.owner.sign_in().await;
    app.assert_consistent().await;
}

/// S-6: an address that somebody else wrote, or that is not proven, names no owner.
#[tokio::test(flavor = "multi_thread")]
async fn an_owner_is_not_named_by_an_address_that_another_account_has_not_proven() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let babs = app.member(acme.id, "babs@acme.example", &["member"]).await.sign_in().await;
    let id = babs.me("user { id }").await["user"]["id"].as_str().expect("an id").to_owned();
    let add = json!([{"op": "add", "path": "emails", "value": [{"value": "boss@acme.example", "type": "home"}]}]);
    acme.scim.patch(&format!("/Users/{id}"), add).await.expect(200);
    let operator = Caller::operator(Some(acme.id));
    let refused = app.service.appoint_owner(&operator, "boss@acme.example").await.expect_err("refused");
    assert_eq!(refused.code(), Some(Code::EmailTaken));
}
