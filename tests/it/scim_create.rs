//! C2: create.

use rollcall::domain::directory::{DirectoryDraft, DirectorySettings};
use scim::Dialect;
use serde_json::{Value, json};

use crate::support::{ENTERPRISE, GROUP, TestApp, USER, filtered, group, user};

#[tokio::test(flavor = "multi_thread")]
async fn c25_created_with_location_version_and_an_id_of_ours() {
    let scim = TestApp::start().await.scim(Dialect::Auto).await;
    let mut body = user("ada");
    body["id"] = json!("bulkId");
    body["meta"] = json!({"version": "W/\"99\"", "created": "1970-01-01T00:00:00Z"});
    body["groups"] = json!([{"value": "g"}]);
    let answer = scim.post("/Users", &body).await;
    let (location, tag) = (answer.header("location").to_owned(), answer.header("etag").to_owned());
    let created = answer.expect(201);
    assert_eq!((&created["meta"]["location"], &created["meta"]["version"]), (&json!(location), &json!(tag)));
    assert_ne!(created["id"], "bulkId");
    assert_eq!(created["meta"]["resourceType"], "User");
    assert_eq!(created["meta"]["created"], "2026-01-01T00:00:00.000Z");
    assert!(created.get("groups").is_none());
    assert_eq!(scim.get(&format!("/Users/{}", created["id"].as_str().expect("an id"))).await.expect(200), created);
}

#[tokio::test(flavor = "multi_thread")]
async fn sc01_an_external_id_is_never_an_id() {
    let scim = TestApp::start().await.scim(Dialect::Auto).await;
    let first = scim.make_user("first").await;
    for (index, external_id) in ["1", "0", "admin", first.as_str()].into_iter().enumerate() {
        let mut body = user(&format!("u{index}"));
        body["externalId"] = json!(external_id);
        let created = scim.post("/Users", &body).await.expect(201);
        assert_ne!(created["id"], external_id);
    }
    scim.get("/Users/1").await.refused(404, None);
    assert_eq!(scim.get(&format!("/Users/{first}")).await.expect(200)["userName"], "first");
}

#[tokio::test(flavor = "multi_thread")]
async fn c26_schemas_may_be_sloppy_but_not_in_the_strict_dialect() {
    let app = TestApp::start().await;
    let lenient = app.scim(Dialect::Auto).await;
    let strict = DirectoryDraft { dialect: Dialect::Rfc, ..DirectoryDraft::named("D") };
    let strict = app.tenant_with("strict", strict).await.scim;
    let microsoft = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group";
    for (index, schemas) in
        [Value::Null, json!([]), json!([GROUP, microsoft]), json!([GROUP.to_uppercase()])].into_iter().enumerate()
    {
        let body = json!({"schemas": schemas, "displayName": format!("g{index}")});
        let created = lenient.post("/Groups", &body).await.expect(201);
        assert_eq!(created["schemas"], json!([GROUP]));
        strict.post("/Groups", &body).await.refused(400, Some("invalidSyntax"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c27_the_user_name_is_required_kept_to_the_byte_and_compared_without_case() {
    let scim = TestApp::start().await.scim(Dialect::Auto).await;
    for name in [json!(null), json!(""), json!("   "), json!("\u{200b}")] {
        scim.post("/Users", &json!({"schemas": [USER], "userName": name})).await.refused(400, Some("invalidValue"));
    }
    scim.post("/Users", &json!({"schemas": [USER]})).await.refused(400, Some("invalidValue"));
    for name in [" Ada  Lovelace ", "ÅSA@Example.com", "a+b%40\"'\\@x", "名前", "user:1", "d'2020-01-01T00:00:00Z'"]
    {
        let created = scim.post("/Users", &user(name)).await.expect(201);
        assert_eq!(created["userName"], name);
        let found = scim.get(&filtered("/Users", &format!("userName eq {}", json!(name)))).await.expect(200);
        assert_eq!(found["Resources"][0]["userName"], name, "IJ-03: text stays text");
    }
    scim.post("/Users", &user("åsa@example.COM")).await.refused(409, Some("uniqueness"));
}

#[tokio::test(flavor = "multi_thread")]
async fn un01_spellings_of_one_name_collide_and_the_first_spelling_is_kept() {
    let scim = TestApp::start().await.scim(Dialect::Auto).await;
    scim.make_user("Bob").await;
    for name in ["BOB", "ｂｏｂ", "bob\u{200b}"] {
        scim.post("/Users", &user(name)).await.refused(409, Some("uniqueness"));
    }
    let found = scim.get(&filtered("/Users", "userName eq \"BOB\"")).await.expect(200);
    assert_eq!(found["Resources"][0]["userName"], "Bob");
}

#[tokio::test(flavor = "multi_thread")]
async fn un04_control_and_direction_characters_in_names_are_refused() {
    let scim = TestApp::start().await.scim(Dialect::Auto).await;
    for name in ["a\u{202e}b", "a\u{1b}b", "a\u{9f}b"] {
        scim.post("/Users", &user(name)).await.refused(400, Some("invalidValue"));
        scim.post("/Groups", &group(name)).await.refused(400, Some("invalidValue"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c28_a_duplicate_name_is_409_on_post_put_and_patch() {
    let scim = TestApp::start().await.scim(Dialect::Auto).await;
    scim.make_user("ada").await;
    let other = format!("/Users/{}", scim.make_user("bob").await);
    scim.post("/Users", &user("ADA")).await.refused(409, Some("uniqueness"));
    scim.put(&other, &user("ADA")).await.refused(409, Some("uniqueness"));
    scim.patch(&other, json!([{"op": "replace", "path": "userName", "value": "Ada"}]))
        .await
        .refused(409, Some("uniqueness"));
    assert_eq!(scim.get(&other).await.expect(200)["userName"], "bob");
    scim.patch(&other, json!([{"op": "replace", "path": "userName", "value": "BOB"}])).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn c29_inactive_users_keep_their_name_deleted_ones_do_not() {
    let scim = TestApp::start().await.scim(Dialect::Auto).await;
    let id = scim.make_user("ada").await;
    scim.patch(&format!("/Users/{id}"), json!([{"op": "replace", "value": {"active": false}}])).await.expect(200);
    scim.post("/Users", &user("ada")).await.refused(409, Some("uniqueness"));
    scim.delete(&format!("/Users/{id}")).await.expect(204);
    assert_ne!(scim.make_user("ada").await, id, "SC-12: a new id");
}

#[tokio::test(flavor = "multi_thread")]
async fn c30_an_external_id_is_exact_and_unique_per_directory() {
    let app = TestApp::start().await;
    let tenant = app.tenant("acme").await;
    let (_, second) = app.directory(tenant.id, DirectoryDraft::named("Second")).await;
    let body = |name: &str, external_id: Value| {
        let mut body = user(name);
        body["externalId"] = external_id;
        body
    };
    let scim = &tenant.scim;
    scim.post("/Users", &body("a", json!("Ext"))).await.expect(201);
    scim.post("/Users", &body("b", json!("Ext"))).await.refused(409, Some("uniqueness"));
    scim.post("/Users", &body("c", json!("ext"))).await.expect(201);
    second.post("/Users", &body("d", json!("Ext"))).await.expect(201);
    assert_eq!(scim.post("/Users", &body("e", json!(701_984))).await.expect(201)["externalId"], "701984");
    let strict = DirectoryDraft { dialect: Dialect::Rfc, ..DirectoryDraft::named("Strict") };
    let (_, strict) = app.directory(tenant.id, strict).await;
    strict.post("/Users", &body("f", json!(1))).await.refused(400, Some("invalidValue"));
    assert_eq!(scim.count("/Users", "externalId eq \"ext\"").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn c32_a_group_name_is_unique_without_case() {
    let scim = TestApp::start().await.scim(Dialect::Auto).await;
    scim.make_group("Engineering", &[]).await;
    scim.post("/Groups", &group("ENGINEERING")).await.refused(409, Some("uniqueness"));
    let other = scim.make_group("Sales", &[]).await;
    let rename = json!([{"op": "replace", "value": {"displayName": "engineering"}}]);
    scim.patch(&format!("/Groups/{other}"), rename).await.refused(409, Some("uniqueness"));
}

#[tokio::test(flavor = "multi_thread")]
async fn c33_a_post_for_an_inactive_user_names_the_user_or_restores_it() {
    let app = TestApp::start().await;
    let tenant = app.tenant("acme").await;
    let id = tenant.scim.make_user("ada").await;
    let inactive = json!([{"op": "replace", "value": {"active": false}}]);
    tenant.scim.patch(&format!("/Users/{id}"), inactive.clone()).await.expect(200);
    let refusal = tenant.scim.post("/Users", &user("Ada")).await.refused(409, Some("uniqueness"));
    assert!(refusal["detail"].as_str().expect("text").contains(&id));
    assert_eq!(tenant.scim.count("/Users", "userName eq \"Ada\"").await, 1, "a lookup finds what POST refuses");
    let mut both = user("both");
    both["externalId"] = json!("ext");
    let both_id = tenant.scim.make("/Users", &both).await;
    tenant.scim.patch(&format!("/Users/{both_id}"), inactive).await.expect(200);
    let refusal = tenant.scim.post("/Users", &both).await.refused(409, Some("uniqueness"));
    assert!(refusal["detail"].as_str().expect("text").contains(&both_id), "both keys are the same user's");

    let settings = DirectorySettings { restore_inactive: true, ..DirectorySettings::default() };
    let (_, restoring) = app.directory(tenant.id, DirectoryDraft { settings, ..DirectoryDraft::named("R") }).await;
    let mut body = user("Ada");
    body["title"] = json!("Countess");
    let restored = restoring.post("/Users", &body).await.expect(200);
    assert_eq!(
        (&restored["id"], &restored["active"], &restored["title"]),
        (&json!(id), &json!(true), &json!("Countess"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn c34_sc06_unknown_and_privileged_attributes_have_no_effect() {
    let app = TestApp::start().await;
    let mut body = user("ada");
    for name in ["superuser", "isAdmin", "tenant", "passwordHash", "mfa", "urn:evil:2.0:User"] {
        body[name] = json!({"x": true});
    }
    let created = app.scim(Dialect::Auto).await.post("/Users", &body).await.expect(201);
    let names: Vec<&String> = created.as_object().expect("an object").keys().collect();
    assert_eq!(names, ["active", "id", "meta", "schemas", "userName"]);
    let strict = DirectoryDraft { dialect: Dialect::Rfc, ..DirectoryDraft::named("D") };
    app.tenant_with("strict", strict).await.scim.post("/Users", &body).await.refused(400, Some("invalidSyntax"));
}

#[tokio::test(flavor = "multi_thread")]
async fn c35_unassigned_is_not_returned_and_values_are_not_normalised() {
    let scim = TestApp::start().await.scim(Dialect::Auto).await;
    let mut body = user("ada");
    body["title"] = json!(null);
    body["nickName"] = json!("");
    body["emails"] = json!([]);
    body["phoneNumbers"] = json!([{"value": "+49 (0) 89 / 1234-5", "type": "work"}]);
    body["profileUrl"] = json!("HTTP://Example.COM/%7eada");
    let created = scim.post("/Users", &body).await.expect(201);
    for name in ["title", "nickName", "emails"] {
        assert!(created.get(name).is_none(), "{name}");
    }
    assert_eq!((&created["phoneNumbers"], &created["profileUrl"]), (&body["phoneNumbers"], &body["profileUrl"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn c36_a_password_is_taken_and_never_seen_again() {
    let scim = TestApp::start().await.scim(Dialect::Auto).await;
    let mut body = user("ada");
    body["password"] = json!("c4n4ry-p4ss");
    let created = scim.post("/Users?attributes=password,userName", &body).await.expect(201);
    let path = format!("/Users/{}", created["id"].as_str().expect("an id"));
    let seen = [
        created,
        scim.get(&path).await.expect(200),
        scim.get(&format!("{path}?attributes=password")).await.expect(200),
    ];
    for answer in seen {
        assert!(!answer.to_string().contains("c4n4ry") && answer.get("password").is_none());
    }
    let version = scim.get(&path).await.header("etag").to_owned();
    scim.patch(&path, json!([{"op": "replace", "path": "password", "value": "c4n4ry-other"}])).await.expect(200);
    assert_eq!(scim.get(&path).await.header("etag"), version, "not in the version");
}

#[tokio::test(flavor = "multi_thread")]
async fn c37_formats_are_not_checked_and_a_manager_need_not_exist() {
    let scim = TestApp::start().await.scim(Dialect::Auto).await;
    let mut body = user("ada");
    body["locale"] = json!("xx_nowhere");
    body["timezone"] = json!("Mars/Olympus");
    body["preferredLanguage"] = json!("klingon");
    body["photos"] = json!([{"value": "not a url", "type": "photo"}]);
    body[ENTERPRISE] = json!({"manager": {"value": "someone-later"}});
    let created = scim.post("/Users", &body).await.expect(201);
    assert_eq!(created[ENTERPRISE]["manager"], json!({"value": "someone-later"}));
    let grace = scim.make("/Users", &json!({"schemas": [USER], "userName": "grace", "displayName": "Grace"})).await;
    let path = format!("/Users/{}", created["id"].as_str().expect("an id"));
    let manager = json!([{"op": "add", "path": format!("{ENTERPRISE}:manager"), "value": grace}]);
    let managed = scim.patch(&path, manager).await.expect(200);
    assert_eq!(managed[ENTERPRISE]["manager"]["displayName"], "Grace");
    assert!(managed[ENTERPRISE]["manager"]["$ref"].as_str().expect("a URL").ends_with(&grace));
}

#[tokio::test(flavor = "multi_thread")]
async fn c37_c72_the_strict_dialect_wants_formats_managers_and_schemas() {
    let scim = TestApp::start().await.scim(Dialect::Rfc).await;
    let grace = scim.make_user("grace").await;
    let body = |schemas: Value, manager: &str| json!({"schemas": schemas, "userName": "ada", ENTERPRISE: {"manager": {"value": manager}}});
    for nobody in ["someone-later", "01900000-0000-7000-8000-000000000001"] {
        let refusal = scim.post("/Users", &body(json!([USER, ENTERPRISE]), nobody)).await;
        assert!(refusal.refused(400, Some("invalidValue"))["detail"].as_str().expect("text").starts_with("manager"));
    }
    scim.post("/Users", &body(json!([USER]), &grace)).await.refused(400, Some("invalidSyntax"));
    let ada = scim.post("/Users", &body(json!([USER, ENTERPRISE]), &grace)).await.expect(201);
    let path = format!("/Users/{}", ada["id"].as_str().expect("an id"));
    let replace = |name: &str, value: Value| json!([{"op": "replace", "path": name, "value": value}]);
    for (name, value) in
        [("locale", json!("xx_nowhere")), ("photos", json!([{"value": "not a url"}])), ("timezone", json!("Bern time"))]
    {
        scim.patch(&path, replace(name, value)).await.refused(400, Some("invalidValue"));
    }
    let manager = format!("{ENTERPRISE}:manager");
    scim.patch(&path, replace(&manager, json!({"value": "nobody"}))).await.refused(400, Some("invalidValue"));
    scim.delete(&format!("/Users/{grace}")).await.expect(204);
    scim.patch(&path, replace("locale", json!("de-CH"))).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn c38_wrong_types_name_their_path() {
    let scim = TestApp::start().await.scim(Dialect::Auto).await;
    for (name, value) in
        [("active", json!("abc")), ("name", json!("Ada")), ("emails", json!([[1]])), ("title", json!({}))]
    {
        let mut body = user("ada");
        body[name] = value;
        let refusal = scim.post("/Users", &body).await.refused(400, Some("invalidValue"));
        assert!(refusal["detail"].as_str().expect("text").starts_with(name), "{refusal}");
    }
    assert_eq!(scim.count("/Users", "id pr").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn c39_one_primary_and_no_duplicates() {
    let app = TestApp::start().await;
    let mut body = user("ada");
    body["emails"] = json!([{"value": "a@x", "primary": true}, {"value": "b@x", "primary": true}, {"value": "a@x", "primary": false}]);
    let created = app.scim(Dialect::Auto).await.post("/Users", &body).await.expect(201);
    assert_eq!(created["emails"], json!([{"value": "a@x", "primary": false}, {"value": "b@x", "primary": true}]));
    let strict = DirectoryDraft { dialect: Dialect::Rfc, ..DirectoryDraft::named("D") };
    app.tenant_with("strict", strict).await.scim.post("/Users", &body).await.refused(400, Some("invalidValue"));
}

#[tokio::test(flavor = "multi_thread")]
async fn c40_projection_applies_to_writes_too() {
    let scim = TestApp::start().await.scim(Dialect::Auto).await;
    let created = scim.post("/Users?attributes=userName", &user("ada")).await.expect(201);
    let names: Vec<&String> = created.as_object().expect("an object").keys().collect();
    assert_eq!(names, ["id", "schemas", "userName"]);
    let path = format!("/Users/{}", created["id"].as_str().expect("an id"));
    assert!(scim.put(&format!("{path}?excludedAttributes=meta"), &user("ada")).await.expect(200).get("meta").is_none());
    for path in
        ["/Users?attributes=a&excludedAttributes=b".to_owned(), format!("{path}?attributes=a&excludedAttributes=b")]
    {
        scim.get(&path).await.refused(400, Some("invalidValue"));
    }
    scim.post("/Users?attributes=a&excludedAttributes=b", &user("bob")).await.refused(400, Some("invalidValue"));
    assert_eq!(scim.count("/Users", "id pr").await, 1, "refused before it was made");
}
