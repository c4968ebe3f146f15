//! C7: deactivation, reactivation, deletion, and the consequences of each (D4).

use rollcall::domain::Caller;
use scim::Dialect;
use serde_json::{Value, json};

use crate::support::app::Tenant;
use crate::support::{TestApp, user};

async fn events(app: &TestApp, tenant: &Tenant) -> Vec<rollcall::store::StoredEvent> {
    app.events(tenant.id).await.into_iter().filter(|event| event.kind.starts_with("user.")).collect()
}

fn active(value: Value) -> Value {
    json!([{"op": "Replace", "path": "active", "value": value}])
}

#[tokio::test(flavor = "multi_thread")]
async fn c115_deactivation_ends_access_in_the_same_transaction_and_says_so_once() {
    let app = TestApp::start().await;
    let tenant = app.tenant("acme").await;
    let path = format!("/Users/{}", tenant.scim.make_user("ada").await);
    tenant.scim.patch(&path, active(json!("False"))).await.expect(200);
    tenant.scim.patch(&path, active(json!(false))).await.expect(200);
    let events = events(&app, &tenant).await;
    let kinds: Vec<(&str, Vec<String>)> =
        events.iter().map(|event| (event.kind.as_str(), event.consequences.clone())).collect();
    assert_eq!(kinds, [("user.created", vec![]), ("user.disabled", vec!["access_ended".to_owned()])]);
    assert_eq!(events[1].changed, ["active"]);
    app.assert_consistent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c115_a_removed_flag_lets_nobody_in_and_put_does_not_bring_it_back() {
    let app = TestApp::start().await;
    let tenant = app.tenant("acme").await;
    let path = format!("/Users/{}", tenant.scim.make_user("ada").await);
    let removed = tenant.scim.patch(&path, json!([{"op": "remove", "path": "active"}])).await.expect(200);
    assert!(removed.get("active").is_none());
    let last = events(&app, &tenant).await.pop().expect("an event");
    assert_eq!(last.consequences, ["access_ended"]);
    for (filter, count) in [("active pr", 0), ("active eq false", 0), ("active eq true", 0), ("active ne true", 1)] {
        assert_eq!(tenant.scim.count("/Users", filter).await, count, "{filter}");
    }
    assert_eq!(tenant.scim.put(&path, &user("ada")).await.expect(200)["active"], false);
    app.assert_consistent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c116_reactivation_keeps_id_attributes_and_memberships() {
    let app = TestApp::start().await;
    let tenant = app.tenant("acme").await;
    let id =
        tenant.scim.make("/Users", &json!({"schemas": [crate::support::USER], "userName": "ada", "title": "T"})).await;
    let group = tenant.scim.make_group("G", &[&id]).await;
    let path = format!("/Users/{id}");
    let before = tenant.scim.get(&path).await.expect(200);
    tenant.scim.patch(&path, active(json!(false))).await.expect(200);
    let after = tenant.scim.patch(&path, active(json!("True"))).await.expect(200);
    for name in ["id", "title", "groups", "active", "userName"] {
        assert_eq!(after[name], before[name], "{name}");
    }
    assert_eq!(tenant.scim.member_ids(&group).await, [id]);
    let last = events(&app, &tenant).await.pop().expect("an event");
    assert_eq!((last.kind.as_str(), last.consequences), ("user.enabled", vec!["access_returned".to_owned()]));
    app.assert_consistent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c117_deleted_is_gone_everywhere_and_the_name_is_free() {
    let app = TestApp::start().await;
    let scim = app.scim(Dialect::Auto).await;
    let id = scim.make_user("ada").await;
    let path = format!("/Users/{id}");
    let answer = scim.delete(&path).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    scim.get(&path).await.refused(404, None);
    scim.put(&path, &user("ada")).await.refused(404, None);
    scim.patch(&path, active(json!(true))).await.refused(404, None);
    scim.delete(&path).await.refused(404, None);
    assert_eq!(scim.get("/Users").await.expect(200)["totalResults"], 0);
    assert_eq!(scim.count("/Users", &format!("id eq \"{id}\"")).await, 0);
    assert_ne!(scim.make_user("ada").await, id);
    let group = scim.make_group("G", &[]).await;
    scim.delete(&format!("/Groups/{group}")).await.expect(204);
    scim.delete(&format!("/Groups/{group}")).await.refused(404, None);
    scim.make_group("G", &[]).await;
    app.assert_consistent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c118_the_audit_trail_keeps_a_tombstone_without_the_person() {
    let app = TestApp::start().await;
    let tenant = app.tenant("acme").await;
    let id = tenant.scim.make_user("canary.person@example.com").await;
    tenant.scim.delete(&format!("/Users/{id}")).await.expect(204);
    let events = events(&app, &tenant).await;
    let last = events.last().expect("an event");
    assert_eq!((last.kind.as_str(), &last.target["id"]), ("user.disabled", &json!(id)));
    assert_eq!(last.consequences, ["access_ended"]);
    assert!(!format!("{events:?}").contains("canary"));
    app.assert_consistent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c122_the_same_change_through_another_door_is_the_same_change() {
    let app = TestApp::start().await;
    let tenant = app.tenant("acme").await;
    let operator = Caller::operator(Some(tenant.id));
    let attributes = |name: &str| {
        let body = user(name);
        let body = body.as_object().expect("an object");
        scim::Resource::read(scim::ResourceType::user(), body, &mut scim::Reading::default()).expect("valid")
    };
    let made = app.service.create_user(&operator, attributes("Ada")).await.expect("created");
    tenant.scim.post("/Users", &user("ADA")).await.refused(409, Some("uniqueness"));
    let seen = tenant.scim.get(&format!("/Users/{}", made.view.user.id)).await.expect(200);
    assert_eq!((&seen["userName"], &seen["meta"]["version"]), (&json!("Ada"), &json!("W/\"1\"")));
    tenant.scim.make_user("bob").await;
    let again = app.service.create_user(&operator, attributes("BOB")).await;
    assert!(matches!(again, Err(rollcall::domain::Error::Taken(rollcall::domain::Field::UserName))));
    let told: Vec<(String, Vec<String>)> =
        events(&app, &tenant).await.into_iter().map(|event| (event.kind, event.changed)).collect();
    assert_eq!(told[0], told[1]);
    app.assert_consistent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c120_the_last_owner_loses_access_like_anyone_and_the_organization_is_flagged() {
    let app = TestApp::start().await;
    let operator = Caller::operator(None);
    let draft = rollcall::domain::organization::OrganizationDraft {
        short_name: "acme".to_owned(),
        name: "Acme".to_owned(),
        owner_email: Some("owner@acme.example".to_owned()),
    };
    let id = app.service.create_organization(&operator, draft).await.expect("made").0.id;
    let (_, scim) = app.directory(id, rollcall::domain::directory::DirectoryDraft::named("Okta")).await;
    let ownerless = || async { app.service.is_ownerless(&operator, id).await.expect("known") };
    let owner = scim.get("/Users").await.expect(200)["Resources"][0]["id"].as_str().expect("an id").to_owned();
    let path = format!("/Users/{owner}");
    assert!(!ownerless().await);
    scim.patch(&path, json!([{"op": "add", "path": "title", "value": "Founder"}])).await.expect(200);
    scim.patch(&path, active(json!(false))).await.expect(200);
    assert!(ownerless().await);
    scim.patch(&path, active(json!(true))).await.expect(200);
    assert!(!ownerless().await);
    scim.delete(&path).await.expect(204);
    assert!(ownerless().await);
    app.assert_consistent().await;
}

/// A18, `decisions.md` 2.
#[tokio::test(flavor = "multi_thread")]
async fn a_directory_cannot_lock_out_the_last_owner_whom_no_directory_has_claimed() {
    let app = TestApp::start().await;
    let owned = app.owned("acme").await;
    let operator = Caller::operator(None);
    let ownerless = || async { app.service.is_ownerless(&operator, owned.id).await.expect("known") };
    let scim = &owned.scim;
    let owner = scim.get("/Users").await.expect(200)["Resources"][0].clone();
    let path = format!("/Users/{}", owner["id"].as_str().expect("an id"));
    let mut inactive = owner.clone();
    inactive["active"] = json!(false);
    let bulk = json!({"schemas": [scim::bulk::REQUEST], "Operations": [{"method": "DELETE", "path": path}]});
    let in_bulk = scim.post("/Bulk", &bulk).await.expect(200);
    assert_eq!(in_bulk["Operations"][0]["status"], "403", "{in_bulk}");
    for answer in [
        scim.patch(&path, active(json!(false))).await,
        scim.patch(&path, json!([{"op": "remove", "path": "active"}])).await,
        scim.patch(&path, json!([{"op": "replace", "value": {"title": "x", "active": "False"}}])).await,
        scim.put(&path, &inactive).await,
        scim.delete(&path).await,
    ] {
        let detail = answer.refused(403, None)["detail"].as_str().expect("text").to_owned();
        assert!(detail.contains("make another owner first"), "{detail}");
    }
    assert_eq!(scim.get(&path).await.expect(200), owner, "nothing was taken over either");
    assert!(!ownerless().await);
    owned.owner.sign_in().await;
    // A claimed one goes as the directory says: off means off.
    scim.patch(&path, json!([{"op": "add", "path": "title", "value": "Founder"}])).await.expect(200);
    scim.delete(&path).await.expect(204);
    assert!(ownerless().await);
    app.assert_consistent().await;
}

/// A18: with somebody left who can let people in, a directory decides.
#[tokio::test(flavor = "multi_thread")]
async fn a_directory_may_end_the_access_of_an_owner_beside_whom_there_is_another() {
    let app = TestApp::start().await;
    let owned = app.owned("acme").await;
    let second = app.member(owned.id, "second@acme.example", &["member"]).await;
    let owner = owned.owner.sign_in().await;
    let grant = json!({"user": {"email": second.email}, "roles": [{"key": "owner"}]});
    owner.done("addUserRoles", grant, "added { key }").await;
    let found = owned.scim.get(&crate::support::filtered("/Users", "userName eq \"owner@acme.example\"")).await;
    let id = found.expect(200)["Resources"][0]["id"].as_str().expect("an id").to_owned();
    owned.scim.delete(&format!("/Users/{id}")).await.expect(204);
    let operator = Caller::operator(None);
    assert!(!app.service.is_ownerless(&operator, owned.id).await.expect("known"));
    app.assert_consistent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c120_sc08_a_protected_user_is_not_touched_by_its_directory() {
    let app = TestApp::start().await;
    let tenant = app.tenant("acme").await;
    let path = format!("/Users/{}", tenant.scim.make_user("breakglass").await);
    let operator = Caller::operator(Some(tenant.id));
    app.service.set_user_protected(&operator, "BREAKGLASS", true).await.expect("protected");
    let before = tenant.scim.get(&path).await.expect(200);
    assert_eq!(before["urn:ietf:params:scim:schemas:extension:rollcall:2.0:User"]["protected"], true);
    for answer in [
        tenant.scim.patch(&path, active(json!(false))).await,
        tenant.scim.put(&path, &user("other")).await,
        tenant.scim.delete(&path).await,
    ] {
        let refusal = answer.refused(403, None);
        assert!(refusal["detail"].as_str().expect("text").contains("protected"));
    }
    assert_eq!(tenant.scim.get(&path).await.expect(200), before);
    app.service.set_user_protected(&operator, "breakglass", false).await.expect("lifted");
    tenant.scim.delete(&path).await.expect(204);
    app.assert_consistent().await;
}
