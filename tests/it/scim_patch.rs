//! C5 through the router: what PATCH answers and stores. The rules of the operations themselves are in the scim crate.

use rollcall::domain::directory::{DirectoryDraft, DirectorySettings};
use scim::Dialect;
use serde_json::{Value, json};

use crate::support::{ENTERPRISE, TestApp, USER, members};

#[tokio::test(flavor = "multi_thread")]
async fn c73_c74_what_is_not_a_patch_is_refused() {
    let app = TestApp::start().await;
    let scim = app.scim(Dialect::Auto).await;
    let path = format!("/Users/{}", scim.make_user("ada").await);
    for body in [
        json!({}),
        json!({"Operations": {}}),
        json!({"schemas": ["urn:x"], "Operations": []}),
        json!({"Operations": [{"op": "copy", "path": "title"}]}),
    ] {
        let sent = Some(("application/scim+json", body.to_string().into_bytes()));
        scim.send("PATCH", &path, sent).await.refused(400, Some("invalidSyntax"));
    }
    scim.patch(&path, json!([])).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn c75_a_failing_third_operation_leaves_no_trace_of_the_first_two() {
    let app = TestApp::start().await;
    let tenant = app.tenant("acme").await;
    let scim = tenant.scim;
    let user = scim.make_user("ada").await;
    let group = scim.make_group("G", &[]).await;
    for (path, operations) in [
        (
            format!("/Users/{user}"),
            json!([
            {"op": "replace", "path": "title", "value": "T"}, {"op": "replace", "path": "active", "value": false},
            {"op": "replace", "path": "id", "value": "x"}]),
        ),
        (
            format!("/Groups/{group}"),
            json!([
            {"op": "replace", "path": "displayName", "value": "H"}, {"op": "add", "path": "members", "value": members(&[&user])},
            {"op": "remove", "path": "members", "value": [{}]}]),
        ),
    ] {
        let before = scim.get(&path).await.expect(200);
        let refusal = scim.patch(&path, operations).await;
        assert_eq!(refusal.status, 400);
        assert!(refusal.json()["detail"].as_str().expect("text").starts_with("Operations[2]: "));
        assert_eq!(scim.get(&path).await.expect(200), before);
    }
    let events = app.events(tenant.id).await;
    let kinds: Vec<&str> = events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["organization.created", "directory.created", "user.created", "group.created"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn c76_users_answer_200_groups_204_unless_attributes_are_named() {
    let app = TestApp::start().await;
    let tenant = app.tenant("acme").await;
    let scim = &tenant.scim;
    let id = scim.make_user("ada").await;
    let (user, group) = (format!("/Users/{id}"), format!("/Groups/{}", scim.make_group("G", &[]).await));
    let title = |value: &str| json!([{"op": "replace", "path": "title", "value": value}]);
    assert_eq!(scim.patch(&user, title("a")).await.expect(200)["title"], "a");
    let rename = json!([{"op": "replace", "path": "displayName", "value": "H"}]);
    let answer = scim.patch(&group, rename).await;
    assert_eq!((answer.status, answer.text.as_str(), answer.header("etag")), (204, "", "W/\"2\""));
    let add = json!([{"op": "add", "path": "members", "value": members(&[&id])}]);
    let named = scim.patch(&format!("{group}?attributes=members"), add).await.expect(200);
    assert_eq!(named["members"][0]["value"], id);

    let settings = DirectorySettings { patch_user_without_body: true, ..DirectorySettings::default() };
    let (_, quiet) = app.directory(tenant.id, DirectoryDraft { settings, ..DirectoryDraft::named("Quiet") }).await;
    assert_eq!(quiet.patch(&user, title("b")).await.expect(204), Value::Null);
    assert_eq!(quiet.patch(&format!("{user}?attributes=title"), title("c")).await.expect(200)["title"], "c");
}

#[tokio::test(flavor = "multi_thread")]
async fn c77_no_effective_change_leaves_version_and_time() {
    let app = TestApp::start().await;
    let scim = app.scim(Dialect::Auto).await;
    let id = scim.make_user("ada").await;
    let group = scim.make_group("G", &[&id]).await;
    app.clock.advance(std::time::Duration::from_secs(60));
    for (path, operations) in [
        (format!("/Users/{id}"), json!([{"op": "replace", "value": {"userName": "ada", "active": "True"}}])),
        (format!("/Groups/{group}"), json!([{"op": "replace", "value": {"displayName": "G", "id": group}}])),
        (format!("/Groups/{group}"), json!([{"op": "add", "path": "members", "value": members(&[&id])}])),
        (format!("/Groups/{group}"), json!([{"op": "replace", "path": "members", "value": members(&[&id])}])),
    ] {
        let before = scim.get(&path).await.expect(200);
        assert!(scim.patch(&path, operations).await.status < 300);
        assert_eq!(scim.get(&path).await.expect(200), before, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c78_to_c99_what_vendors_send_is_stored() {
    let scim = TestApp::start().await.scim(Dialect::Auto).await;
    let path = format!("/Users/{}", scim.make_user("ada").await);
    let patched = |operations: Value| scim.patch(&path, operations);
    patched(json!([{"op": "Add", "path": "emails[type eq \"work\"].value", "value": "a@b.c"},
        {"op": "Replace", "path": format!("{ENTERPRISE}:manager"), "value": "U9"},
        {"op": "Add", "path": "addresses[type eq \"work\"].locality", "value": "Oslo"},
        {"op": "Add", "path": "addresses[type eq \"work\"].country", "value": "NO"}]))
    .await
    .expect(200);
    patched(json!([{"op": "replace", "value": {"displayName": "X", "name.givenName": "A", "name.familyName": "B",
        format!("{ENTERPRISE}:employeeNumber"): "7"}}]))
    .await
    .expect(200);
    let user = scim.get(&path).await.expect(200);
    assert_eq!(user["emails"], json!([{"type": "work", "value": "a@b.c"}]));
    assert_eq!(user["addresses"], json!([{"type": "work", "locality": "Oslo", "country": "NO"}]));
    assert_eq!(user["name"], json!({"givenName": "A", "familyName": "B"}));
    assert_eq!(user[ENTERPRISE], json!({"employeeNumber": "7", "manager": {"value": "U9"}}));
    assert_eq!(user["schemas"], json!([USER, ENTERPRISE]));
    let cleared = patched(json!([{"op": "Remove", "path": format!("{ENTERPRISE}:manager"), "value": {"value": ""}},
        {"op": "Remove", "path": ENTERPRISE}]))
    .await
    .expect(200);
    assert_eq!(cleared["schemas"], json!([USER]));
    for (operations, scim_type) in [
        (json!([{"op": "replace", "path": "emails[bad", "value": "x"}]), "invalidPath"),
        (json!([{"op": "remove"}]), "noTarget"),
        (json!([{"op": "remove", "path": "userName"}]), "mutability"),
        (json!([{"op": "replace", "path": "active", "value": "yes"}]), "invalidValue"),
    ] {
        patched(operations).await.refused(400, Some(scim_type));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c100_a_thousand_operations() {
    let scim = TestApp::start().await.scim(Dialect::Auto).await;
    let path = format!("/Users/{}", scim.make_user("ada").await);
    let operations: Vec<Value> =
        (0..1_000).map(|index| json!({"op": "replace", "path": "title", "value": format!("t{index}")})).collect();
    let after = scim.patch(&path, json!(operations)).await.expect(200);
    assert_eq!((&after["title"], &after["meta"]["version"]), (&json!("t999"), &json!("W/\"2\"")));
    let many = vec![json!({"op": "remove", "path": "title"}); scim::patch::MAX_OPERATIONS + 1];
    scim.patch(&path, json!(many)).await.refused(413, None);
}
