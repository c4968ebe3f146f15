//! Requests of connectors that the letter of the RFCs does not foresee, and the answers that they need.

use rollcall::domain::directory::{DirectoryDraft, DirectorySettings};
use scim::Dialect;
use serde_json::{Value, json};

use crate::support::{Scim, TestApp, filtered, group, members, user};

const LENIENT: [Dialect; 3] = [Dialect::Auto, Dialect::Okta, Dialect::Entra];

/// One directory of each lenient dialect, and one of the strict one, all of one organization.
async fn of_all_dialects(app: &TestApp) -> (Vec<Scim>, Scim) {
    let tenant = app.tenant("acme").await;
    let mut lenient = Vec::new();
    for dialect in LENIENT {
        let draft = DirectoryDraft { dialect, ..DirectoryDraft::named(dialect.as_str()) };
        lenient.push(app.directory(tenant.id, draft).await.1);
    }
    let strict = DirectoryDraft { dialect: Dialect::Rfc, ..DirectoryDraft::named("strict") };
    (lenient, app.directory(tenant.id, strict).await.1)
}

/// A12.
#[tokio::test(flavor = "multi_thread")]
async fn the_root_is_searched_by_get_as_by_search() {
    let app = TestApp::start().await;
    let scim = app.scim(Dialect::Auto).await;
    scim.make_user("ada").await;
    scim.make_user("bob").await;
    scim.make_group("Team", &[]).await;
    let search = |filter: Value| {
        let mut body = json!({"schemas": [scim::message::SEARCH_REQUEST], "attributes": ["userName", "displayName"]});
        body["filter"] = filter;
        body
    };
    for filter in ["userName eq \"ada\"", "displayName eq \"Team\"", "userName pr or displayName pr", "id pr"] {
        let wanted = scim.post("/.search", &search(json!(filter))).await.expect(200);
        for root in ["/", ""] {
            let path = format!("{}&attributes=userName,displayName", filtered(root, filter));
            assert_eq!(scim.get(&path).await.expect(200), wanted, "{path}");
        }
    }
    let page = scim.get("/?count=1&startIndex=3").await.expect(200);
    assert_eq!((&page["totalResults"], &page["Resources"][0]["displayName"]), (&json!(3), &json!("Team")));
    scim.get(&filtered("/", "userName is")).await.refused(400, Some("invalidFilter"));
    for path in ["", "/", "/?filter=id%20pr"] {
        let answer = scim.with_token(None).get(path).await;
        assert!(answer.header("www-authenticate").starts_with("Bearer"), "{path}");
        answer.refused(401, None);
    }
    scim.send("POST", "/", None).await.refused(405, None);
}

/// A17.
#[tokio::test(flavor = "multi_thread")]
async fn values_of_a_filter_may_lack_quotation_marks_in_the_lenient_dialects() {
    let app = TestApp::start().await;
    let (lenient, strict) = of_all_dialects(&app).await;
    lenient[0].make("/Users", &json!({"userName": "ren0", "emails": [{"value": "r@b.example", "type": "work"}]})).await;
    lenient[0].make_user("Oscar").await;
    for (filter, count) in [
        ("userName eq ren0", 1),
        ("userName eq nobody", 0),
        ("userName sw O", 1),
        ("meta.created gt 2015-05-13T04:42:34Z", 2),
        ("emails[type eq work and value eq r@b.example]", 1),
        ("(userName eq ren0) or userName eq oscar", 2),
    ] {
        for scim in &lenient {
            assert_eq!(scim.count("/Users", filter).await, count, "{filter}");
        }
        strict.get(&filtered("/Users", filter)).await.refused(400, Some("invalidFilter"));
    }
    for filter in ["userName eq", "userName eq 'ren0'", "userName eq ren0 x", "userName eq and title pr"] {
        lenient[0].get(&filtered("/Users", filter)).await.refused(400, Some("invalidFilter"));
    }
    let path = format!("/Users/{}", lenient[0].make_user("grace").await);
    let cut = json!([{"op": "remove", "path": "emails[type eq work]"}]);
    lenient[0].patch(&path, cut).await.refused(400, Some("invalidPath"));
}

/// A17.
#[tokio::test(flavor = "multi_thread")]
async fn types_of_resources_may_be_spelled_in_any_case_in_the_lenient_dialects() {
    let app = TestApp::start().await;
    let (lenient, strict) = of_all_dialects(&app).await;
    for (index, scim) in lenient.iter().enumerate() {
        let made = scim.post("/users", &user(&format!("u{index}"))).await.expect(201);
        let location = made["meta"]["location"].as_str().expect("a location");
        let id = made["id"].as_str().expect("an id");
        assert!(location.ends_with(&format!("/Users/{id}")), "{location}");
        assert_eq!(scim.get(&format!("/USERS/{id}?attributes=userName")).await.expect(200)["id"], id);
        scim.patch(&format!("/users/{id}"), json!([{"op": "replace", "path": "title", "value": "T"}]))
            .await
            .expect(200);
        let group = scim.make("/groups", &group(&format!("g{index}"))).await;
        let bulk = json!({"schemas": [scim::bulk::REQUEST], "Operations": [
            {"method": "DELETE", "path": format!("/gRoups/{group}")},
            {"method": "DELETE", "path": format!("/users/{id}")},
        ]});
        let answer = scim.post("/Bulk", &bulk).await.expect(200);
        let statuses: Vec<&Value> =
            answer["Operations"].as_array().expect("a list").iter().map(|done| &done["status"]).collect();
        assert_eq!(statuses, ["204", "204"], "{answer}");
    }
    strict.get("/users").await.refused(404, None);
    strict.get("/Users").await.expect(200);
    lenient[0].with_token(None).get("/users").await.refused(401, None);
}

/// A17.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_without_content_type_is_read_as_scim_json_in_the_lenient_dialects() {
    let app = TestApp::start().await;
    let (lenient, strict) = of_all_dialects(&app).await;
    for (index, scim) in lenient.iter().enumerate() {
        let body = user(&format!("u{index}")).to_string().into_bytes();
        scim.send("POST", "/Users", Some(("", body))).await.expect(201);
    }
    strict.send("POST", "/Users", Some(("", user("x").to_string().into_bytes()))).await.refused(415, None);
}

/// A17, `decisions.md` 7.
#[tokio::test(flavor = "multi_thread")]
async fn a_group_without_members_is_answered_with_an_empty_list() {
    let app = TestApp::start().await;
    let tenant = app.tenant("acme").await;
    let scim = &tenant.scim;
    let made = scim.post("/Groups", &group("Team")).await.expect(201);
    let path = format!("/Groups/{}", made["id"].as_str().expect("an id"));
    let ada = scim.make_user("ada").await;
    let add = json!([{"op": "add", "path": "members", "value": members(&[&ada])}]);
    let remove = json!([{"op": "remove", "path": "members"}]);
    scim.patch(&path, add).await.expect(204);
    let patched = scim.patch(&format!("{path}?attributes=members"), remove).await.expect(200);
    let listed = |list: Value| list["Resources"][0].clone();
    let mut body = group("Team");
    body["members"] = json!([]);
    for shown in [
        made,
        patched,
        scim.put(&path, &body).await.expect(200),
        scim.get(&path).await.expect(200),
        scim.get(&path).await.expect(200),
        scim.get(&format!("{path}?attributes=members")).await.expect(200),
        scim.get(&format!("{path}?attributes=members.value")).await.expect(200),
        scim.get(&format!("{path}?excludedAttributes=displayName")).await.expect(200),
        listed(scim.get("/Groups").await.expect(200)),
        listed(scim.get(&filtered("/", "displayName eq \"Team\"")).await.expect(200)),
        listed(scim.post("/Groups/.search", &json!({"filter": "displayName pr"})).await.expect(200)),
    ] {
        assert_eq!(shown["members"], json!([]), "{shown}");
    }
    for shown in [
        scim.get(&format!("{path}?excludedAttributes=members")).await.expect(200),
        scim.get(&format!("{path}?attributes=displayName")).await.expect(200),
        listed(scim.get("/Groups?excludedAttributes=members").await.expect(200)),
    ] {
        assert!(shown.get("members").is_none(), "{shown}");
    }
}

/// A17.
#[tokio::test(flavor = "multi_thread")]
async fn a_directory_may_be_answered_with_the_group_it_patched() {
    let app = TestApp::start().await;
    let tenant = app.tenant("acme").await;
    let ada = tenant.scim.make_user("ada").await;
    let path = format!("/Groups/{}", tenant.scim.make_group("Team", &[]).await);
    let settings = DirectorySettings { patch_group_with_body: true, ..DirectorySettings::default() };
    let (_, told) = app.directory(tenant.id, DirectoryDraft { settings, ..DirectoryDraft::named("Told") }).await;
    let add = json!([{"op": "add", "path": "members", "value": members(&[&ada])}]);
    let after = told.patch(&path, add.clone()).await.expect(200);
    assert_eq!((&after["displayName"], &after["members"][0]["value"]), (&json!("Team"), &json!(ada)));
    assert_eq!(told.patch(&path, add.clone()).await.expect(200), told.get(&path).await.expect(200), "nothing changed");
    let partly = told.patch(&format!("{path}?excludedAttributes=members"), add.clone()).await.expect(200);
    assert!(partly.get("members").is_none());
    assert_eq!(tenant.scim.patch(&path, add).await.expect(204), Value::Null);
}

/// A17: the same switch in the account API.
#[tokio::test(flavor = "multi_thread")]
async fn the_account_api_sets_how_a_patched_group_is_answered() {
    let app = TestApp::start().await;
    let owned = app.owned("acme").await;
    let owner = owned.owner.sign_in().await;
    let selection = "directory { id settings { patchGroupWithBody verifiedDomainsOnly } }";
    let made = owner.done("createDirectory", json!({"displayName": "Entra"}), selection).await;
    assert_eq!(made["directory"]["settings"]["patchGroupWithBody"], false);
    let change = json!({"directoryId": made["directory"]["id"], "settings": {"patchGroupWithBody": true}});
    let changed = owner.done("updateDirectory", change, selection).await;
    assert_eq!(changed["directory"]["settings"], json!({"patchGroupWithBody": true, "verifiedDomainsOnly": false}));
}

/// A16.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_user_of_the_demo_has_the_names_that_oktas_test_looks_for() {
    let app = TestApp::start().await;
    let scim = app.sample("acme").await.scim;
    let first = scim.get("/Users?count=1&startIndex=1").await.expect(200);
    let everybody = scim.get("/Users").await.expect(200);
    let people = everybody["Resources"].as_array().expect("a list");
    assert_eq!(first["Resources"][0], people[0]);
    assert!(people.len() > 1);
    for person in people {
        for name in ["givenName", "familyName"] {
            assert!(person["name"][name].as_str().is_some_and(|name| !name.is_empty()), "{person}");
        }
        assert!(person["displayName"].is_string() && person["emails"][0]["value"].is_string(), "{person}");
        assert_eq!(person["active"], true);
    }
}
