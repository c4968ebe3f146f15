//! Many changes in one request (RFC 7644 §3.7, C128–C136).

use rollcall::domain::directory::DirectoryDraft;
use scim::Dialect;
use serde_json::{Value, json};

use crate::support::{ENTERPRISE, Engine, Scim, TestApp, filtered, group, user};

fn bulk(operations: Value) -> Value {
    json!({"schemas": [scim::bulk::REQUEST], "Operations": operations})
}

fn post(path: &str, id: &str, data: &Value) -> Value {
    json!({"method": "POST", "path": path, "bulkId": id, "data": data})
}

async fn send(scim: &Scim, operations: Value) -> Vec<Value> {
    let answer = scim.post("/Bulk", &bulk(operations)).await.expect(200);
    assert_eq!(answer["schemas"], json!([scim::bulk::RESPONSE]));
    answer["Operations"].as_array().expect("operations").clone()
}

fn statuses(told: &[Value]) -> Vec<&str> {
    told.iter().map(|one| one["status"].as_str().expect("text")).collect()
}

fn id_of(told: &Value) -> String {
    told["location"].as_str().expect("a place").rsplit('/').next().expect("an id").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn c128_c129_every_method_is_carried_out_and_answered_in_order() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let scim = app.scim(Dialect::Auto).await;
        let (kept, gone) = (scim.make_user("kept").await, scim.make_user("gone").await);
        let told = send(
            &scim,
            json!([
                {"method": "post", "path": "/Users", "bulkId": "ada", "data": user("ada")},
                {"method": "PUT", "path": format!("/Users/{kept}"), "data": {"userName": "kept", "title": "T"}},
                {"method": "Patch", "path": format!("/Users/{kept}"), "data": {"Operations": [{"op": "replace", "path": "title", "value": "U"}]}},
                {"method": "DELETE", "path": format!("/Users/{gone}")},
                post("/Groups", "team", &json!({"displayName": "Team", "members": [{"value": "bulkId:ada"}]})),
                post("/Users", "twice", &user("ADA")),
            ]),
        )
        .await;
        assert_eq!(statuses(&told), ["201", "200", "200", "204", "201", "409"], "{told:?}");
        assert_eq!((&told[0]["method"], &told[0]["bulkId"]), (&json!("POST"), &json!("ada")));
        let ada = scim.get(&format!("/Users/{}", id_of(&told[0]))).await.expect(200);
        let team = scim.get(&format!("/Groups/{}", id_of(&told[4]))).await;
        assert_eq!(told[4]["version"], team.header("etag"));
        assert_eq!(told[0]["location"], ada["meta"]["location"]);
        assert_eq!(ada["groups"][0]["display"], "Team", "C132");
        assert_eq!(scim.get(&format!("/Users/{kept}")).await.expect(200)["title"], "U");
        assert_eq!(told[1]["location"], told[2]["location"]);
        scim.get(&format!("/Users/{gone}")).await.refused(404, None);
        let refused = &told[5];
        assert!(refused.get("location").is_none() && refused.get("version").is_none(), "{refused}");
        assert_eq!(
            (&refused["response"]["status"], &refused["response"]["scimType"]),
            (&json!("409"), &json!("uniqueness"))
        );
        assert!(refused["response"]["detail"].as_str().expect("text").contains("(request "), "C13");
        app.stop();
    }
}

/// The example of RFC 7644 §3.7.2 with two groups that contain each other.
#[tokio::test(flavor = "multi_thread")]
async fn c133_groups_that_contain_each_other_are_both_made() {
    for engine in Engine::BOTH {
        for dialect in [Dialect::Auto, Dialect::Rfc] {
            let app = TestApp::start_on(engine).await;
            let scim = app.scim(dialect).await;
            let containing = |name: &str, other: &str| {
                let mut body = group(name);
                body["members"] = json!([{"type": "Group", "value": format!("bulkId:{other}")}]);
                body
            };
            let told = send(
                &scim,
                json!([
                    post("/Groups", "qwerty", &containing("Group A", "ytrewq")),
                    post("/Groups", "ytrewq", &containing("Group B", "qwerty"))
                ]),
            )
            .await;
            assert_eq!(statuses(&told), ["201", "201"], "{engine:?} {dialect}: {told:?}");
            for (one, other) in [(0, 1), (1, 0)] {
                let answer = scim.get(&format!("/Groups/{}", id_of(&told[one]))).await;
                assert_eq!(told[one]["version"], answer.headers["etag"].to_str().expect("text"), "after the link");
                assert_eq!(answer.expect(200)["members"][0]["value"], id_of(&told[other]));
            }
            app.stop();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c132_c133_references_to_later_operations_and_managers_of_each_other() {
    let app = TestApp::start().await;
    let scim = app.scim(Dialect::Auto).await;
    let managed = |name: &str, manager: &str| {
        let mut body = user(name);
        body["schemas"] = json!([crate::support::USER, ENTERPRISE]);
        body[ENTERPRISE] = json!({"department": "D", "manager": {"value": format!("bulkId:{manager}")}});
        body
    };
    let told = send(
        &scim,
        json!([
            post("/Groups", "g", &json!({"displayName": "G", "members": [{"value": "bulkId:a"}, {"value": "bulkId:b"}]})),
            post("/Users", "a", &managed("a", "b")),
            post("/Users", "b", &managed("b", "a")),
            {"method": "PATCH", "path": "/Groups/bulkId:g", "data": {"Operations": [
                {"op": "remove", "path": "members[value eq \"bulkId:a\"]"}, {"op": "add", "path": "members", "value": [{"value": "bulkId:c"}]}]}},
            post("/Users", "c", &user("c")),
        ]),
    )
    .await;
    assert_eq!(statuses(&told), ["201", "201", "201", "204", "201"], "{told:?}");
    let group = scim.get(&format!("/Groups/{}", id_of(&told[0]))).await.expect(200);
    let mut members: Vec<&str> =
        group["members"].as_array().expect("members").iter().filter_map(|one| one["value"].as_str()).collect();
    members.sort_unstable();
    let mut wanted = [id_of(&told[2]), id_of(&told[4])];
    wanted.sort();
    assert_eq!(members, wanted);
    for (one, other) in [(1, 2), (2, 1)] {
        let user = scim.get(&format!("/Users/{}", id_of(&told[one]))).await.expect(200);
        assert_eq!(user[ENTERPRISE]["manager"]["value"], id_of(&told[other]));
        assert_eq!(user[ENTERPRISE]["department"], "D");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c132_what_nobody_makes_is_that_operations_own_trouble() {
    let app = TestApp::start().await;
    let scim = app.scim(Dialect::Auto).await;
    let told = send(
        &scim,
        json!([
            post("/Groups", "g", &json!({"displayName": "G", "members": [{"value": "bulkId:nobody"}]})),
            post("/Users", "taken", &json!({"userName": ""})),
            post("/Groups", "h", &json!({"displayName": "H", "members": [{"value": "bulkId:taken"}]})),
            {"method": "DELETE", "path": "/Groups/bulkId:h"},
            post("/Users", "fine", &user("fine")),
        ]),
    )
    .await;
    assert_eq!(statuses(&told), ["400", "400", "400", "400", "201"], "{told:?}");
    assert_eq!(told[0]["response"]["scimType"], "invalidValue");
    scim.post("/Bulk", &bulk(json!([post("/Users", "x", &user("x")), post("/Users", "x", &user("y"))])))
        .await
        .refused(400, Some("invalidValue"));
    assert_eq!(
        scim.get(&filtered("/Users", "userName eq \"x\"")).await.expect(200)["totalResults"],
        0,
        "nothing was done"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn c130_c131_too_many_are_refused_whole_and_errors_stop_where_they_are_to() {
    let app = TestApp::start_configured(|config| {
        config.scim.bulk_operations = 5;
        config.limits.body_bytes = 4_096;
    })
    .await;
    let scim = app.scim(Dialect::Auto).await;
    let config = scim.get("/ServiceProviderConfig").await.expect(200);
    assert_eq!(
        config["bulk"],
        json!({"supported": true, "maxOperations": 5, "maxPayloadSize": 4_096}),
        "C21: said is held"
    );
    let many: Vec<Value> =
        (0..6).map(|index| post("/Users", &index.to_string(), &user(&format!("u{index}")))).collect();
    let answer = scim.post("/Bulk", &bulk(json!(many))).await;
    assert!(answer.status == 413 && answer.text.contains('5'), "{}", answer.text);
    let answer = scim.post("/Bulk", &bulk(json!([post("/Users", "x", &user(&"x".repeat(5_000)))]))).await;
    assert!(answer.status == 413 && answer.text.contains("4096"), "{}", answer.text);
    assert_eq!(scim.get("/Users").await.expect(200)["totalResults"], 0, "nothing executed");
    let broken = json!({"method": "DELETE", "path": "/Users/nobody"});
    let mut body = bulk(json!([
        post("/Users", "a", &user("a")),
        broken,
        post("/Users", "b", &user("b")),
        broken,
        post("/Users", "c", &user("c"))
    ]));
    body["failOnErrors"] = json!(2);
    let told = scim.post("/Bulk", &body).await.expect(200)["Operations"].clone();
    assert_eq!(
        statuses(told.as_array().expect("a list")),
        ["201", "404", "201", "404"],
        "what was not reached is not told"
    );
    body["failOnErrors"] = json!(0);
    scim.post("/Bulk", &body).await.refused(400, Some("invalidValue"));
}

#[tokio::test(flavor = "multi_thread")]
async fn c134_c135_versions_count_and_nothing_but_resources_is_in_a_bulk() {
    let app = TestApp::start().await;
    let tenant = app.tenant("acme").await;
    let (lenient, strict) = (
        tenant.scim.clone(),
        app.directory(tenant.id, DirectoryDraft { dialect: Dialect::Rfc, ..DirectoryDraft::named("Strict") }).await.1,
    );
    let made = lenient.post("/Users", &user("ada")).await;
    let version = made.headers["etag"].to_str().expect("text").to_owned();
    let path = format!("/Users/{}", made.expect(201)["id"].as_str().expect("an id"));
    let patch = json!({"Operations": [{"op": "replace", "path": "title", "value": "T"}]});
    let told = send(
        &lenient,
        json!([
            {"method": "PATCH", "path": path, "version": version, "data": patch},
            {"method": "PATCH", "path": path, "version": version, "data": {"Operations": [{"op": "replace", "path": "title", "value": "U"}]}},
            {"method": "POST", "path": "/Bulk", "bulkId": "b", "data": {}},
            {"method": "POST", "path": "/Users/.search", "bulkId": "s", "data": {}},
            {"method": "PATCH", "path": "/Me", "data": patch},
            {"method": "POST", "path": "/Robots", "bulkId": "r", "data": {}},
            {"method": "GET", "path": path},
        ]),
    )
    .await;
    assert_eq!(statuses(&told), ["200", "412", "400", "400", "400", "404", "400"], "{told:?}");
    assert_eq!(lenient.get(&path).await.expect(200)["title"], "T");
    // A PATCH without its schema is read leniently only.
    let told = send(&strict, json!([{"method": "PATCH", "path": path, "data": patch}])).await;
    assert_eq!(statuses(&told), ["400"], "{told:?}");
    strict.post("/Bulk", &json!({"Operations": []})).await.refused(400, Some("invalidSyntax"));
    assert_eq!(send(&strict, json!([])).await, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn c128_sc13_each_operation_is_counted_waits_for_its_turn_and_is_noted() {
    let app = TestApp::start_configured(|config| {
        config.limits.directory_requests_per_second = 20;
        config.limits.directory_burst = 20;
    })
    .await;
    let acme = app.owned("acme").await;
    let operations: Vec<Value> =
        (0..50).map(|index| post("/Users", &index.to_string(), &user(&format!("u{index}")))).collect();
    let started = std::time::Instant::now();
    let told = send(&acme.scim, json!(operations)).await;
    assert!(told.iter().all(|one| one["status"] == "201"), "{told:?}");
    assert!(started.elapsed().as_millis() >= 1_400, "30 of them have to wait: {:?}", started.elapsed());
    let owner = acme.owner.sign_in().await;
    let notes =
        owner.ask("{ provisioningEvents(first: 100) { totalCount nodes { method path status } } }", json!({})).await;
    let notes = notes.data()["provisioningEvents"].clone();
    assert_eq!(notes["totalCount"], 50, "{notes}");
    assert_eq!(notes["nodes"][0], json!({"method": "POST", "path": "/Users", "status": 201}));
    acme.scim.with_token(Some("rcs_nobody")).post("/Bulk", &bulk(json!(operations))).await.refused(401, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn c136_what_time_does_not_suffice_for_is_not_begun_and_is_told() {
    let app = TestApp::start_configured(|config| {
        config.server.request_time_seconds = 1;
        config.scim.bulk_operations = 10_000;
    })
    .await;
    let scim = app.tenant("acme").await.scim;
    let operations: Vec<Value> =
        (0..10_000).map(|index| post("/Users", &index.to_string(), &user(&format!("u{index}")))).collect();
    let told = send(&scim, json!(operations)).await;
    let done = told.iter().take_while(|one| one["status"] == "201").count();
    assert!((1..10_000).contains(&done), "{done}");
    for (rest, operation) in told[done..].iter().zip(&operations[done..]) {
        assert_eq!((&rest["status"], &rest["bulkId"]), (&json!("503"), &operation["bulkId"]));
        assert_eq!(rest["response"]["schemas"], json!([scim::message::ERROR]), "{rest}");
    }
    assert_eq!(scim.get("/Users?count=0").await.expect(200)["totalResults"], done, "never half an operation");
    let again = send(&scim, json!(operations[done..=done])).await;
    assert_eq!(statuses(&again), ["201"], "what was not begun can be sent again");
}

#[tokio::test(flavor = "multi_thread")]
async fn c126_c133_what_refers_to_each_other_is_linked_where_if_match_is_required() {
    let app = TestApp::start().await;
    let draft = DirectoryDraft::named("Careful");
    let settings = rollcall::domain::directory::DirectorySettings { require_if_match: true, ..draft.settings };
    let scim = app.tenant_with("acme", DirectoryDraft { settings, ..draft }).await.scim;
    let containing = |name: &str, other: &str| {
        let mut body = group(name);
        body["members"] = json!([{"value": format!("bulkId:{other}")}]);
        body
    };
    let operations = json!([post("/Groups", "a", &containing("A", "b")), post("/Groups", "b", &containing("B", "a"))]);
    assert_eq!(statuses(&send(&scim, operations).await), ["201", "201"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn c131_c136_what_was_made_before_the_last_error_is_not_left_half() {
    let scim = TestApp::start().await.scim(Dialect::Auto).await;
    scim.make_group("A", &[]).await;
    let containing = |name: &str, other: &str| {
        let mut body = group(name);
        body["members"] = json!([{"value": format!("bulkId:{other}")}]);
        body
    };
    let operations = json!([post("/Groups", "b", &containing("B", "a")), post("/Groups", "a", &containing("A", "b"))]);
    let request = json!({"schemas": [scim::bulk::REQUEST], "failOnErrors": 1, "Operations": operations});
    let told = scim.post("/Bulk", &request).await.expect(200)["Operations"].clone();
    let told = told.as_array().expect("operations");
    assert!(statuses(told).contains(&"409"), "{told:?}");
    for made in told.iter().filter(|one| one["status"] == "201") {
        let members = scim.get(&format!("/Groups/{}", id_of(made))).await.expect(200)["members"].clone();
        assert_eq!(members.as_array().map(Vec::len), Some(1), "{told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c142_operations_that_reach_nothing_are_recorded_too() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let operations = json!([
        {"method": "POST", "path": "/Users", "data": {}},
        {"method": "DELETE", "path": "/Robots/1"},
        {"method": "PATCH", "path": "/Groups/bulkId:nobody", "data": {"Operations": []}},
    ]);
    let told = send(&acme.scim, operations).await;
    assert!(told.iter().all(|one| one["response"].is_object()), "{told:?}");
    let owner = acme.owner.sign_in().await;
    let notes = owner.ask("{ provisioningEvents(first: 9) { nodes { status } } }", json!({})).await;
    assert_eq!(notes.data()["provisioningEvents"]["nodes"].as_array().map(Vec::len), Some(3));
}
