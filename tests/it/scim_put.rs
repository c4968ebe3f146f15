//! C4: PUT.

use rollcall::domain::directory::DirectoryDraft;
use scim::Dialect;
use serde_json::json;

use crate::support::{ENTERPRISE, Scim, TestApp, USER, group, members, user};

async fn both(app: &TestApp) -> (Scim, Scim) {
    let tenant = app.tenant("acme").await;
    let strict = DirectoryDraft { dialect: Dialect::Rfc, ..DirectoryDraft::named("Strict") };
    (tenant.scim, app.directory(tenant.id, strict).await.1)
}

#[tokio::test(flavor = "multi_thread")]
async fn c68_put_clears_what_it_leaves_out_but_active_and_leniently_the_external_id() {
    let app = TestApp::start().await;
    let (lenient, strict) = both(&app).await;
    let body = json!({"schemas": [USER], "userName": "ada", "externalId": "e", "title": "T", "active": false, "password": "x"});
    let path = format!("/Users/{}", lenient.make("/Users", &body).await);
    let after = lenient.put(&path, &user("ada")).await.expect(200);
    assert_eq!((&after["active"], &after["externalId"]), (&json!(false), &json!("e")));
    assert!(after.get("title").is_none());
    assert!(strict.put(&path, &user("ada")).await.expect(200).get("externalId").is_none());

    let mut other = user("ada");
    other["id"] = json!("another");
    other["meta"] = json!({"version": "x"});
    assert_eq!(lenient.put(&path, &other).await.expect(200)["meta"]["location"], format!("{}{path}", lenient.base));
    strict.put(&path, &other).await.refused(400, Some("mutability"));
}

#[tokio::test(flavor = "multi_thread")]
async fn c69_put_of_nobody_is_404_and_creates_nothing() {
    let scim = TestApp::start().await.scim(Dialect::Auto).await;
    scim.put("/Users/01900000-0000-7000-8000-000000000000", &user("ada")).await.refused(404, None);
    scim.put("/Users/new", &user("ada")).await.refused(404, None);
    scim.put("/Groups/new", &group("g")).await.refused(404, None);
    assert_eq!(scim.count("/Users", "id pr").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn c70_put_of_a_group_sets_exactly_the_members_it_names() {
    let app = TestApp::start().await;
    let (lenient, strict) = both(&app).await;
    let (a, b) = (lenient.make_user("a").await, lenient.make_user("b").await);
    let id = lenient.make_group("G", &[&a]).await;
    let path = format!("/Groups/{id}");
    let mut body = group("G");
    body["members"] = members(&[&b]);
    let after = lenient.put(&path, &body).await.expect(200);
    assert_eq!((after["members"].as_array().map(Vec::len), &after["members"][0]["value"]), (Some(1), &json!(b)));
    lenient.put(&path, &group("Renamed")).await.expect(200);
    assert_eq!(lenient.member_ids(&id).await, [b.clone()], "absent keeps them");
    strict.put(&path, &group("Renamed")).await.expect(200);
    assert!(lenient.member_ids(&id).await.is_empty(), "absent clears them in the strict dialect");
    body["members"] = members(&[&a, &b]);
    lenient.put(&path, &body).await.expect(200);
    body["members"] = json!([]);
    assert_eq!(lenient.put(&path, &body).await.expect(200)["members"], json!([]));
    assert!(lenient.member_ids(&id).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn c71_an_equal_put_changes_nothing() {
    let app = TestApp::start().await;
    let tenant = app.tenant("acme").await;
    let scim = tenant.scim;
    let created = scim.post("/Users", &json!({"schemas": [USER], "userName": "ada", "title": "T"})).await.expect(201);
    let path = format!("/Users/{}", created["id"].as_str().expect("an id"));
    app.clock.advance(std::time::Duration::from_secs(5));
    assert_eq!(scim.put(&path, &created).await.expect(200), created, "the resource as Okta echoes it");
    let events = app.events(tenant.id).await;
    assert_eq!(events.iter().filter(|event| event.kind.starts_with("user.")).count(), 1, "no event");
    let changed = scim.put(&path, &user("ada")).await.expect(200);
    assert_eq!(changed["meta"]["version"], "W/\"2\"");
    assert_ne!(changed["meta"]["lastModified"], created["meta"]["lastModified"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn c72_an_extension_that_schemas_does_not_list_is_stored() {
    let scim = TestApp::start().await.scim(Dialect::Auto).await;
    let path = format!("/Users/{}", scim.make_user("ada").await);
    let mut body = user("ada");
    body[ENTERPRISE] = json!({"department": "R&D"});
    let after = scim.put(&path, &body).await.expect(200);
    assert_eq!((&after[ENTERPRISE]["department"], &after["schemas"]), (&json!("R&D"), &json!([USER, ENTERPRISE])));
    assert_eq!(scim.put(&path, &user("ada")).await.expect(200)["schemas"], json!([USER]));
}
