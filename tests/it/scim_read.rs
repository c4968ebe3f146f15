//! C3: read, list, sort, page, project.

use rollcall::domain::directory::DirectoryDraft;
use scim::Dialect;
use serde_json::{Value, json};

use crate::support::{ENTERPRISE, Engine, Scim, TestApp, USER, filtered};

async fn people(count: usize) -> Scim {
    let scim = TestApp::start().await.scim(Dialect::Auto).await;
    for index in 0..count {
        scim.make_user(&format!("u{index:03}")).await;
    }
    scim
}

fn names(list: &Value) -> Vec<&str> {
    let resources = list["Resources"].as_array().expect("a list");
    resources.iter().map(|user| user["userName"].as_str().expect("a name")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn c41_an_id_of_nobody_or_of_another_type_is_404() {
    let scim = TestApp::start().await.scim(Dialect::Auto).await;
    let id = scim.make_user("ada").await;
    assert_eq!(scim.get(&format!("/Users/{id}")).await.header("etag"), "W/\"1\"");
    let unknown = scim.get("/Users/01900000-0000-7000-8000-000000000000").await.refused(404, None);
    let foreign = scim.get(&format!("/Groups/{id}")).await.refused(404, None);
    assert_eq!(unknown["detail"], "no such user");
    assert_eq!(foreign["detail"], "no such group");
    for path in
        ["/Users/user:1", "/Users/1..", "/Users/%5B%5D", "/Users/%E2%9F%A8x%E2%9F%A9", "/Users/u'0'", "/Users/%00"]
    {
        scim.get(path).await.refused(404, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c42_c43_lists_count_exactly_and_clamp() {
    let scim = people(5).await;
    for (query, start, items) in [
        ("", 1, 5),
        ("?startIndex=0&count=2", 1, 2),
        ("?startIndex=-3&count=2", 1, 2),
        ("?startIndex=4&count=100000", 4, 2),
        ("?startIndex=6", 6, 0),
        ("?startIndex=9223372036854775807&count=1", i64::MAX, 0),
        ("?count=0", 1, 0),
        ("?count=-1", 1, 0),
    ] {
        let list = scim.get(&format!("/Users{query}")).await.expect(200);
        assert_eq!(list["totalResults"], 5, "{query}");
        assert_eq!((&list["startIndex"], &list["itemsPerPage"]), (&json!(start), &json!(items)), "{query}");
        assert_eq!(list["Resources"].as_array().expect("there, if empty").len(), items, "{query}");
    }
    for query in ["?count=x", "?startIndex=1.5", "?count=1&count=2", "?startIndex=%00"] {
        scim.get(&format!("/Users{query}")).await.refused(400, Some("invalidValue"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c44_paging_returns_each_exactly_once_and_insertions_do_not_shift_earlier_pages() {
    let scim = people(23).await;
    let mut seen = Vec::new();
    for start in [1, 11, 21] {
        let page = scim.get(&format!("/Users?startIndex={start}&count=10")).await.expect(200);
        seen.extend(names(&page).into_iter().map(str::to_owned));
        scim.make_user(&format!("later{start}")).await;
    }
    let expected: Vec<String> = (0..23).map(|index| format!("u{index:03}")).collect();
    assert_eq!(seen[..23], expected[..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn c45_totals_are_those_of_the_filter_not_of_the_page() {
    let scim = people(12).await;
    let list =
        scim.get(&format!("{}&count=1&startIndex=2", filtered("/Users", "userName sw \"u00\""))).await.expect(200);
    assert_eq!((&list["totalResults"], &list["itemsPerPage"]), (&json!(10), &json!(1)));
    let unindexed = format!("{}&count=1&startIndex=2", filtered("/Users", "userName sw \"u00\" and not (title pr)"));
    let list = scim.get(&unindexed).await.expect(200);
    assert_eq!((&list["totalResults"], names(&list)), (&json!(10), vec!["u001"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn c57_sorting() {
    let app = TestApp::start().await;
    let scim = app.scim(Dialect::Auto).await;
    for (name, title, email) in [("b", Some("z"), "2@x"), ("A", None, "3@x"), ("c", Some("Y"), "1@x")] {
        let body = json!({"schemas": [USER], "userName": name, "title": title, "emails": [{"value": "9@x"}, {"value": email, "primary": true}]});
        scim.post("/Users", &body).await.expect(201);
    }
    for (query, expected) in [
        ("sortBy=userName", ["A", "b", "c"]),
        ("sortBy=USERNAME&sortOrder=descending", ["c", "b", "A"]),
        ("sortBy=title", ["c", "b", "A"]),
        ("sortBy=title&sortOrder=descending", ["A", "b", "c"]),
        ("sortBy=emails", ["c", "b", "A"]),
        ("sortBy=meta.created", ["b", "A", "c"]),
        ("sortBy=shoeSize", ["b", "A", "c"]),
        ("filter=title%20pr&sortBy=userName", ["b", "c", ""]),
    ] {
        let list = scim.get(&format!("/Users?{query}")).await.expect(200);
        let expected: Vec<&str> = expected.into_iter().filter(|name| !name.is_empty()).collect();
        assert_eq!(names(&list), expected, "{query}");
    }
    let page = scim.get("/Users?sortBy=title&startIndex=2&count=1").await.expect(200);
    assert_eq!((names(&page), &page["totalResults"]), (vec!["b"], &json!(3)));
    let strict = DirectoryDraft { dialect: Dialect::Rfc, ..DirectoryDraft::named("D") };
    let strict = app.tenant_with("strict", strict).await.scim;
    strict.get("/Users?sortBy=shoeSize").await.refused(400, Some("invalidPath"));
    scim.get("/Users?sortBy=userName&sortOrder=up").await.refused(400, Some("invalidValue"));
    scim.get("/Groups?sortBy=members").await.refused(400, Some("invalidPath"));
}

#[tokio::test(flavor = "multi_thread")]
async fn c58_projection_of_lists() {
    let scim = people(1).await;
    let list = scim.get("/Users?attributes=USERNAME").await.expect(200);
    let names: Vec<&String> = list["Resources"][0].as_object().expect("an object").keys().collect();
    assert_eq!(names, ["id", "schemas", "userName"]);
    let list = scim.get("/Users?excludedAttributes=id,meta,active").await.expect(200);
    let names: Vec<&String> = list["Resources"][0].as_object().expect("an object").keys().collect();
    assert_eq!(names, ["id", "schemas", "userName"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn c61_inactive_users_are_seen() {
    let scim = people(2).await;
    let list = scim.get("/Users").await.expect(200);
    let id = list["Resources"][0]["id"].as_str().expect("an id").to_owned();
    scim.patch(&format!("/Users/{id}"), json!([{"op": "replace", "value": {"active": false}}])).await.expect(200);
    assert_eq!(scim.get(&format!("/Users/{id}")).await.expect(200)["active"], false);
    assert_eq!(scim.get("/Users").await.expect(200)["totalResults"], 2);
    assert_eq!(
        (scim.count("/Users", "active eq false").await, scim.count("/Users", "active eq \"True\"").await),
        (1, 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn c62_groups_of_a_user_are_computed_direct_and_indirect() {
    let scim = people(1).await;
    let list = scim.get("/Users").await.expect(200);
    let id = list["Resources"][0]["id"].as_str().expect("an id").to_owned();
    let inner = scim.make_group("Inner", &[&id]).await;
    let outer = scim.make_group("Outer", &[&inner]).await;
    let user = scim.get(&format!("/Users/{id}")).await.expect(200);
    let expected = json!([
        {"value": inner, "$ref": format!("{}/Groups/{inner}", scim.base), "display": "Inner", "type": "direct"},
        {"value": outer, "$ref": format!("{}/Groups/{outer}", scim.base), "display": "Outer", "type": "indirect"}]);
    assert_eq!(user["groups"], expected);
    let mut body = crate::support::user("u000");
    body["groups"] = json!([]);
    assert_eq!(scim.put(&format!("/Users/{id}"), &body).await.expect(200)["groups"], expected);
    for (filter, count) in [
        (format!("groups eq \"{inner}\""), 1),
        (format!("groups.value eq \"{outer}\""), 1),
        ("groups[display eq \"inner\" and type eq \"direct\"]".to_owned(), 1),
        ("groups[display eq \"outer\" and type eq \"direct\"]".to_owned(), 0),
    ] {
        assert_eq!(scim.count("/Users", &filter).await, count, "{filter}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c60_reference_probes() {
    let scim = people(2).await;
    let list = scim.get("/Users").await.expect(200);
    let id = |index: usize| list["Resources"][index]["id"].as_str().expect("an id").to_owned();
    let (ada, boss) = (id(0), id(1));
    let manager = json!([{"op": "add", "path": format!("{ENTERPRISE}:manager"), "value": boss}]);
    scim.patch(&format!("/Users/{ada}"), manager).await.expect(200);
    let group = scim.make_group("G", &[&ada]).await;
    for (path, filter, count) in [
        ("/Users", format!("id eq \"{ada}\" and manager eq \"{boss}\""), 1),
        ("/Users", format!("id eq \"{ada}\" and {ENTERPRISE}:manager eq \"{ada}\""), 0),
        ("/Users", format!("manager.value eq \"{boss}\""), 1),
        ("/Groups", format!("id eq \"{group}\" and members eq \"{ada}\""), 1),
        ("/Groups", format!("id eq \"{group}\" and members[value eq \"{boss}\"]"), 0),
        ("/Groups", format!("members.value eq \"{ada}\""), 1),
        ("/Groups", format!("displayName eq \"g\" or members eq \"{boss}\""), 1),
        ("/Groups", format!("not (members eq \"{ada}\")"), 0),
        ("/Groups", "members eq \"nobody\"".to_owned(), 0),
    ] {
        assert_eq!(scim.count(path, &filter).await, count, "{filter}");
    }
    let probe =
        format!("{}&attributes=id", filtered("/Groups", &format!("id eq \"{group}\" and members eq \"{ada}\"")));
    let names: Vec<String> =
        scim.get(&probe).await.expect(200)["Resources"][0].as_object().expect("an object").keys().cloned().collect();
    assert_eq!(names, ["id", "schemas"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn c63_a_search_by_post_is_a_list() {
    let scim = people(7).await;
    let search = json!({"schemas": [scim::message::SEARCH_REQUEST], "filter": "userName sw \"u\"", "startIndex": 2,
                        "count": 3, "attributes": ["userName"], "sortBy": "userName", "sortOrder": "descending"});
    let found = scim.post("/Users/.search", &search).await.expect(200);
    assert_eq!(
        (&found["totalResults"], &found["startIndex"], names(&found)),
        (&json!(7), &json!(2), vec!["u005", "u004", "u003"])
    );
    assert!(found["Resources"][0].get("meta").is_none());
    assert_eq!(scim.post("/Groups/.search", &json!({})).await.expect(200)["totalResults"], 0);
    scim.make_group("G", &[]).await;
    let mixed =
        json!({"filter": "userName eq \"u001\" or displayName eq \"g\"", "attributes": ["displayName", "meta"]});
    let found = scim.post("/.search", &mixed).await.expect(200);
    let kinds: Vec<&Value> =
        found["Resources"].as_array().expect("a list").iter().map(|found| &found["meta"]["resourceType"]).collect();
    assert_eq!((&found["totalResults"], kinds), (&json!(2), vec![&json!("User"), &json!("Group")]));
    let tail = scim.post("/.search", &json!({"startIndex": 7, "count": 5})).await.expect(200);
    assert_eq!((&tail["totalResults"], &tail["itemsPerPage"]), (&json!(8), &json!(2)));
    let last = scim.post("/.search", &json!({"startIndex": 8, "count": 5})).await.expect(200);
    assert_eq!(last["Resources"][0]["displayName"], "G");
    scim.post("/.search", &json!({"sortBy": "id"})).await.refused(400, Some("invalidPath"));
    for wrong in [json!({"count": {}}), json!({"filter": ["title pr"]}), json!({"attributes": [1]})] {
        scim.post("/Users/.search", &wrong).await.refused(400, Some("invalidValue"));
    }
    let strict = TestApp::start().await.scim(Dialect::Rfc).await;
    strict.post("/Users/.search", &json!({})).await.refused(400, Some("invalidSyntax"));
    let loose = json!({"schemas": [scim::message::SEARCH_REQUEST], "count": "3"});
    strict.post("/.search", &loose).await.refused(400, Some("invalidValue"));
    strict.post("/.search", &json!({"schemas": [scim::message::SEARCH_REQUEST], "count": 3})).await.expect(200);
}

/// What is remembered of users and of places in lists is never older than the last change.
#[tokio::test(flavor = "multi_thread")]
async fn c44_c123_what_was_read_before_is_read_again_after_a_change() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let scim = app.tenant("acme").await.scim;
        let mut ids = Vec::new();
        for index in 0..12 {
            ids.push(scim.make_user(&format!("u{index}")).await);
        }
        let page = async |start: usize| {
            let page = scim.get(&format!("/Users?startIndex={start}&count=4")).await.expect(200);
            let users = page["Resources"].as_array().expect("a list").iter();
            users.map(|user| user["id"].as_str().expect("an id").to_owned()).collect::<Vec<String>>()
        };
        for _ in 0..2 {
            assert_eq!(
                (page(1).await, page(5).await, page(9).await),
                (ids[..4].into(), ids[4..8].into(), ids[8..].into())
            );
        }
        scim.delete(&format!("/Users/{}", ids.remove(1))).await.expect(204);
        assert_eq!((page(5).await, page(9).await), (ids[4..8].into(), ids[8..].into()), "after somebody went");

        let path = format!("/Users/{}", ids[0]);
        let version = scim.get(&path).await.header("etag").to_owned();
        assert_eq!(scim.get(&path).await.header("etag"), version);
        let team = scim.make_group("Team", &[&ids[0]]).await;
        assert_eq!(scim.get(&path).await.expect(200)["groups"][0]["display"], "Team");
        let rename = json!([{"op": "replace", "path": "displayName", "value": "Crew"}]);
        scim.patch(&format!("/Groups/{team}"), rename).await.expect(204);
        assert_eq!(scim.get(&path).await.expect(200)["groups"][0]["display"], "Crew");
        let manager = json!([{"op": "add", "path": format!("{ENTERPRISE}:manager"), "value": ids[1]},
                             {"op": "add", "path": "title", "value": "T"}]);
        scim.patch(&path, manager).await.expect(200);
        scim.patch(&format!("/Users/{}", ids[1]), json!([{"op": "add", "path": "displayName", "value": "Boss"}]))
            .await
            .expect(200);
        let read = scim.get(&path).await.expect(200);
        assert_eq!((&read["title"], &read[ENTERPRISE]["manager"]["displayName"]), (&json!("T"), &json!("Boss")));
        scim.delete(&path).await.expect(204);
        scim.get(&path).await.refused(404, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c64_a_list_that_would_search_too_much_is_refused() {
    let app = TestApp::start_configured(|config| config.scim.max_scanned = 3).await;
    let scim = app.scim(Dialect::Auto).await;
    for index in 0..4 {
        scim.make_user(&format!("u{index}")).await;
    }
    scim.get(&filtered("/Users", "title pr")).await.refused(400, Some("tooMany"));
    scim.get("/Users?sortBy=title").await.refused(400, Some("tooMany"));
    assert_eq!(scim.count("/Users", "userName co \"u\" and active eq true").await, 4, "decided by the database");
    assert_eq!(scim.count("/Users", "userName eq \"u1\" and not (title pr)").await, 1, "narrowed by the database");
}

#[tokio::test(flavor = "multi_thread")]
async fn c13_golden_shape_of_a_user() {
    let scim = TestApp::start().await.scim(Dialect::Auto).await;
    let grace = scim.make("/Users", &json!({"schemas": [USER], "userName": "grace", "displayName": "Grace"})).await;
    let body = json!({"schemas": [USER, ENTERPRISE], "externalId": "00u1", "userName": "Ada@Example.com", "active": true,
        "name": {"givenName": "Ada", "familyName": "L"},
        "emails": [{"value": "Ada@Example.com", "type": "work", "primary": true}],
        ENTERPRISE: {"department": "R&D", "manager": {"value": grace}}});
    let ada = scim.make("/Users", &body).await;
    let group = scim.make_group("Eng", &[&ada]).await;
    let mut golden = body;
    golden["id"] = json!(ada);
    golden[ENTERPRISE]["manager"] =
        json!({"value": grace, "$ref": format!("{}/Users/{grace}", scim.base), "displayName": "Grace"});
    golden["groups"] =
        json!([{"value": group, "$ref": format!("{}/Groups/{group}", scim.base), "display": "Eng", "type": "direct"}]);
    let read = scim.get(&format!("/Users/{ada}")).await;
    let version = read.header("etag").to_owned();
    golden["meta"] = json!({"resourceType": "User", "created": "2026-01-01T00:00:00.000Z",
        "lastModified": "2026-01-01T00:00:00.000Z", "version": version, "location": format!("{}/Users/{ada}", scim.base)});
    assert_eq!(read.expect(200), golden);
}
