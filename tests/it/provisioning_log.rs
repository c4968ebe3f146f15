//! What directories asked for, and what came of it (C142): recorded with the change, told in words.

use std::collections::BTreeSet;

use rollcall::domain::directory::DirectoryDraft;
use rollcall::domain::provisioning::{ProvisioningEvent, ProvisioningOutcome};
use rollcall::domain::{Caller, OrganizationId};
use rollcall::service::ProvisioningFilter;
use scim::{Dialect, Tolerance};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::app::Tenant;
use crate::support::surreal::SurrealServer;
use crate::support::{ENTERPRISE, Engine, Scim, TestApp, conversation, members, user};

/// An id that nobody has.
const NOBODY: &str = "01900000-0000-7000-8000-00000000dead";

async fn log_of(app: &TestApp, organization: OrganizationId) -> Vec<ProvisioningEvent> {
    let operator = Caller::operator(Some(organization));
    let all = ProvisioningFilter::default();
    app.service.list_provisioning_events(&operator, &all, (None, None), false, 10_000).await.expect("records")
}

fn names(tolerances: &[Tolerance]) -> Vec<&'static str> {
    tolerances.iter().map(|tolerance| tolerance.as_str()).collect()
}

/// Of each record: what was asked, what was answered, versions, and whether its values are in the audit trail.
fn outline(event: &ProvisioningEvent) -> String {
    let kind = event.resource_type.as_deref().unwrap_or("-");
    let versions = (event.version_before, event.version_after);
    format!("{} {kind} {} {} {versions:?}", event.method, event.status, event.outcome.as_str())
}

#[tokio::test(flavor = "multi_thread")]
async fn c142_every_change_is_recorded_as_it_was_answered() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let draft = DirectoryDraft::named("Okta");
        let restoring = rollcall::domain::directory::DirectorySettings {
            restore_inactive: true,
            patch_user_without_body: true,
            ..draft.settings
        };
        let tenant = app.tenant_with("acme", DirectoryDraft { settings: restoring, ..draft }).await;
        let scim = tenant.scim.with_header("user-agent", "Okta SCIM Client 1.0.0");
        let ada = scim.make_user("ada").await;
        scim.put(&format!("/Users/{ada}"), &json!({"userName": "ada", "title": "T", "shoeSize": 9})).await.expect(200);
        let off = json!([{"op": "Replace", "path": "active", "value": "False"}]);
        scim.patch(&format!("/Users/{ada}"), off.clone()).await.expect(204);
        scim.patch(&format!("/Users/{ada}"), off).await.expect(204);
        scim.patch(&format!("/Users/{ada}?attributes=id"), json!([{"op": "add", "path": "nickName", "value": "A"}]))
            .await
            .expect(200);
        scim.post("/Users", &user("ada")).await.expect(200);
        let team = scim.make_group("Team", &[&ada]).await;
        let more = json!([{"op": "add", "path": "members", "value": members(&[&ada, NOBODY])},
                          {"op": "remove", "path": format!("members[value eq \"{ada}\"]")}]);
        scim.patch(&format!("/Groups/{team}"), more).await.expect(204);
        scim.delete(&format!("/Groups/{team}")).await.expect(204);
        scim.delete(&format!("/Users/{ada}")).await.expect(204);
        scim.delete(&format!("/Users/{ada}")).await.refused(404, None);
        scim.get("/Users").await.expect(200);
        scim.post("/Users/.search", &json!({})).await.expect(200);
        scim.get("/Users?filter=title%20is%20x").await.refused(400, Some("invalidFilter"));

        let log = log_of(&app, tenant.id).await;
        let outlines: Vec<String> = log.iter().map(outline).collect();
        assert_eq!(
            outlines,
            [
                "POST User 201 APPLIED (None, Some(1))",
                "PUT User 200 APPLIED (Some(1), Some(2))",
                "PATCH User 204 APPLIED (Some(2), Some(3))",
                "PATCH User 204 UNCHANGED (None, None)",
                "PATCH User 200 APPLIED (Some(3), Some(4))",
                "POST User 200 APPLIED (Some(4), Some(5))",
                "POST Group 201 APPLIED (None, Some(1))",
                "PATCH Group 204 APPLIED (Some(1), Some(2))",
                "DELETE Group 204 APPLIED (Some(2), None)",
                "DELETE User 204 APPLIED (Some(5), None)",
                "DELETE User 404 REFUSED (None, None)",
                "GET User 400 REFUSED (None, None)",
            ],
            "{engine:?}"
        );
        assert_eq!(log[1].operations, ["set shoeSize, title, userName"]);
        assert_eq!(names(&log[1].tolerances), ["loose_schemas", "unknown_attribute"]);
        assert_eq!(log[2].operations, ["replace active"]);
        assert_eq!(names(&log[2].tolerances), ["boolean_as_string"]);
        let removed = format!("remove members[value eq \"{ada}\"]");
        assert_eq!(log[7].operations, ["add members (2 values)".to_owned(), removed]);
        assert!(names(&log[7].tolerances).contains(&"unknown_member"));
        for event in &log {
            assert_eq!(event.client.as_deref(), Some("Okta SCIM Client 1.0.0"));
            assert_eq!(event.directory, tenant.directory);
            assert_eq!(event.audit_event.is_some(), event.outcome == ProvisioningOutcome::Applied);
            assert_eq!(event.resource.is_some(), event.method != "GET");
        }
        let changes = app.events(tenant.id).await;
        for event in log.iter().filter(|event| event.audit_event.is_some()) {
            let change = changes.iter().find(|change| Some(change.id) == event.audit_event).expect("its change");
            assert_eq!(change.request.as_ref(), Some(&event.request));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c142_a_change_is_recorded_in_its_transaction() {
    let Some(server) = SurrealServer::start() else { return };
    let one = TestApp::start_at_with(&server.url(), |config| config.provisioning_log.most_waiting = 0).await;
    let tenant = one.tenant("acme").await;
    let ada = tenant.scim.make_user("ada").await;
    tenant
        .scim
        .patch(&format!("/Users/{ada}"), json!([{"op": "add", "path": "title", "value": "T"}]))
        .await
        .expect(200);
    tenant.scim.post("/Users", &user("ada")).await.refused(409, Some("uniqueness"));
    // Another node sees what the first one committed, and nothing else: refusals had no room to wait.
    let other = TestApp::start_at(&server.url()).await;
    let outlines: Vec<String> = log_of(&other, tenant.id).await.iter().map(outline).collect();
    assert_eq!(outlines, ["POST User 201 APPLIED (None, Some(1))", "PATCH User 200 APPLIED (Some(1), Some(2))"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn c142_records_are_kept_by_age_and_by_count() {
    for engine in Engine::BOTH {
        let app = TestApp::start_changed(engine, |config| config.provisioning_log.keep_records = 600).await;
        let tenant = app.tenant("acme").await;
        let operations: Vec<Value> =
            (0..900).map(|index| json!({"method": "DELETE", "path": format!("/Users/{index}")})).collect();
        let bulk = json!({"schemas": [scim::bulk::REQUEST], "Operations": operations});
        tenant.scim.post("/Bulk", &bulk).await.expect(200);
        tenant.scim.make_user("last").await;
        assert_eq!(log_of(&app, tenant.id).await.len(), 901);
        app.service.forget_what_ended().await.expect("forgotten");
        let log = log_of(&app, tenant.id).await;
        assert_eq!(
            (log.len(), log.last().map(outline).as_deref()),
            (600, Some("POST User 201 APPLIED (None, Some(1))"))
        );
        app.clock.advance(std::time::Duration::from_hours(31 * 24));
        tenant.scim.make_user("new").await;
        app.service.forget_what_ended().await.expect("forgotten");
        assert_eq!(log_of(&app, tenant.id).await.len(), 1, "the others are too old");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c14_c142_a_client_that_asks_too_often_is_recorded_once_and_not_each_time() {
    let app = TestApp::start_configured(|config| {
        config.limits.directory_requests_per_second = 1;
        config.limits.directory_burst = 1;
    })
    .await;
    let tenant = app.tenant("acme").await;
    let mut refused = 0;
    for index in 0..30 {
        refused += usize::from(tenant.scim.post("/Users", &user(&format!("u{index}"))).await.status == 429);
    }
    assert!(refused > 20, "{refused}");
    let log = log_of(&app, tenant.id).await;
    assert_eq!(log.iter().filter(|event| event.status == 429).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn o02_c142_what_is_refused_as_too_much_is_recorded_once_and_not_each_time() {
    let app = TestApp::start_configured(|config| {
        config.admission.writes.at_once = 1;
        config.admission.writes.waiting = 0;
    })
    .await;
    let tenant = app.tenant("acme").await;
    let (mut made, mut refused) = (0, 0);
    for round in 0..5 {
        let mut creates = JoinSet::new();
        for index in 0..16 {
            let scim = tenant.scim.clone();
            creates.spawn(async move { scim.post("/Users", &user(&format!("u{round}-{index}"))).await });
        }
        for answer in creates.join_all().await {
            match answer.status {
                201 => made += 1,
                503 => refused += 1,
                other => panic!("{other}"),
            }
        }
    }
    assert!(made >= 5 && refused > 1, "{made} {refused}");
    let log = log_of(&app, tenant.id).await;
    assert_eq!(log.iter().filter(|event| event.status == 503).count(), 1);
    assert_eq!(log.iter().filter(|event| event.status == 201).count(), made);
}

#[tokio::test(flavor = "multi_thread")]
async fn c142_lg02_no_value_and_no_control_character_is_in_a_record() {
    let app = TestApp::start().await;
    let draft = DirectoryDraft { dialect: Dialect::Rfc, ..DirectoryDraft::named("Strict") };
    let tenant = app.tenant_with("acme", draft).await;
    let ada = tenant.scim.make_user("ada").await;
    let team = tenant.scim.make_group("Team", &[&ada]).await;
    let paths = [
        (format!("/Users/{ada}"), json!([{"op": "add", "value": {"emails[value eq \"c4n4ry@x\"].value": "c4n4ry"}}])),
        (format!("/Users/{ada}"), json!([{"op": "replace", "value": {"\u{1b}]0;owned\u{7}\nRefused: nothing": 1}}])),
        (format!("/Groups/{team}"), json!([{"op": "remove", "path": "members[nickname eq \"c4n4ry\"]"}])),
        ("/Users/c4n4ry%40x".to_owned(), json!([{"op": "add", "path": "title", "value": "c4n4ry"}])),
    ];
    for (path, operations) in paths {
        assert!(tenant.scim.patch(&path, operations).await.status >= 400, "{path}");
    }
    let mut body = user("bob");
    body["emails[value eq \"c4n4ry@x\"].value"] = json!("c4n4ry");
    assert_eq!(tenant.scim.post("/Users", &body).await.status, 400);
    let log = log_of(&app, tenant.id).await;
    assert_eq!(log.len(), 7);
    let told = format!("{log:?}");
    assert!(!told.contains("c4n4ry"), "{told}");
    for event in &log {
        let texts = event.operations.iter().chain(&event.detail).chain(&event.client).chain([&event.path]);
        assert!(texts.flat_map(|text| text.chars()).all(|letter| !letter.is_control()), "{event:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c142_values_are_told_from_the_audit_trail_unless_they_are_masked() {
    let app = TestApp::start().await;
    let tenant = app.tenant("acme").await;
    let operator = Caller::operator(Some(tenant.id));
    let body = json!({"schemas": [crate::support::USER], "userName": "ada", "password": "correct horse battery", "title": "Boss"});
    let ada = tenant.scim.make("/Users", &body).await;
    let answer = tenant
        .scim
        .patch(&format!("/Users/{ada}"), json!([{"op": "replace", "path": "title", "value": "Countess"}]))
        .await;
    let request = answer.header("x-request-id").to_owned();
    let told = app.service.explain_provisioning(&operator, &request).await.expect("told").remove(0);
    let change = json!(told.changes);
    assert_eq!(change, json!([{"field": "title", "before": "Boss", "after": "Countess"}]));
    let by_id = app.service.explain_provisioning(&operator, &told.event.id.to_string()).await.expect("told");
    assert_eq!((by_id.len(), by_id[0].directory.as_deref()), (1, Some("Test")));
    let everything = format!("{:?}", log_of(&app, tenant.id).await);
    for secret in ["correct horse", "Boss", "Countess"] {
        assert!(!everything.contains(secret), "{secret} is in a record");
    }
    assert!(app.service.explain_provisioning(&operator, "nothing").await.expect("told").is_empty());

    let masked = TestApp::start_configured(|config| config.provisioning_log.mask_values = true).await;
    let tenant = masked.tenant("acme").await;
    tenant.scim.make_user("ada").await;
    let id = log_of(&masked, tenant.id).await[0].id.to_string();
    let told = masked.service.explain_provisioning(&Caller::operator(Some(tenant.id)), &id).await.expect("told");
    assert_eq!(json!(told[0].changes), json!([{"field": "active"}, {"field": "userName"}]));
}

const REFUSALS: &str = "query($filter: ProvisioningEventFilter) { provisioningEvents(first: 50, filter: $filter) {
    nodes { method path status scimType detail subjectName explanation operations dialect client tolerances deniedTolerance
      versionBefore versionAfter changes { field before after } membersAdded membersRemoved requestId } filteredCount } }";

/// C: while the server runs, its API tells all that `rollcall log show` does.
#[tokio::test(flavor = "multi_thread")]
async fn the_api_explains_each_request_of_a_directory() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    let scim = acme.scim.with_header("user-agent", "Okta SCIM Client 1.0.0");
    let ada = scim.make_user("ada").await;
    let team = scim.make_group("Team", &[&ada]).await;
    let renamed = json!([{"op": "Replace", "path": "title", "value": "Countess"}]);
    let patched = scim.patch(&format!("/Users/{ada}"), renamed).await.header("x-request-id").to_owned();
    scim.post("/Users", &user("ada")).await.refused(409, Some("uniqueness"));

    let events = async |filter: Value| {
        let answered = owner.ask(REFUSALS, json!({ "filter": filter })).await.data();
        answered["provisioningEvents"]["nodes"].as_array().cloned().expect("a list")
    };
    let refused = events(json!({"outcome": "REFUSED"})).await;
    assert_eq!(refused.len(), 1);
    assert!(
        refused[0]["explanation"][0]
            .as_str()
            .is_some_and(|text| text.starts_with("Refused: another user has that name")),
        "{}",
        refused[0]
    );
    assert_eq!((&refused[0]["changes"], &refused[0]["versionAfter"]), (&json!([]), &Value::Null));

    let by_request = events(json!({ "requestId": patched })).await;
    let one = &by_request[0];
    assert_eq!((by_request.len(), &one["method"], &one["subjectName"]), (1, &json!("PATCH"), &json!("ada")));
    assert_eq!((&one["operations"], &one["dialect"]), (&json!(["replace title"]), &json!("AUTO")));
    assert_eq!(one["client"], "Okta SCIM Client 1.0.0");
    assert_eq!((&one["versionBefore"], &one["versionAfter"]), (&json!(1), &json!(2)));
    assert_eq!(one["changes"], json!([{"field": "title", "before": null, "after": "Countess"}]));

    let made = events(json!({"method": "post", "status": 201})).await;
    let names: BTreeSet<&str> = made.iter().filter_map(|event| event["subjectName"].as_str()).collect();
    assert_eq!(names, BTreeSet::from(["Team", "ada"]));
    let group = made.iter().find(|event| event["path"] == "/Groups").expect("the group");
    assert_eq!((&group["membersAdded"], &group["membersRemoved"]), (&json!(1), &json!(0)), "{team}");
    assert!(
        events(json!({"status": 999_999})).await.is_empty() && events(json!({"requestId": "none"})).await.is_empty()
    );

    let role = json!({"key": "connector", "name": "Connector", "permissions": ["directory_manage"]});
    owner.done("createRole", role, "role { id }").await;
    let babs = app.member(acme.id, "babs@acme.example", &["connector"]).await.sign_in().await;
    let answer = babs.ask(REFUSALS, json!({"filter": {"requestId": patched}})).await;
    assert_eq!(answer.code().as_deref(), Some("FORBIDDEN"), "changes need audit_read: {}", answer.body);
    let node = &answer.body["data"]["provisioningEvents"]["nodes"][0];
    assert_eq!((&node["changes"], &node["explanation"][0]), (&Value::Null, &json!("The user was changed.")));
}

/// Refusals of every kind a provider meets, and what the strict dialect refuses.
async fn misfortunes(app: &TestApp, name: &str, dialect: Dialect) -> Tenant {
    let settings = rollcall::domain::directory::DirectorySettings {
        reject_unknown_members: dialect == Dialect::Rfc,
        ..rollcall::domain::directory::DirectorySettings::default()
    };
    let draft = DirectoryDraft { dialect, settings, ..DirectoryDraft::named("Test") };
    let tenant = app.tenant_with(name, draft).await;
    let scim: &Scim = &tenant.scim;
    let ada = scim.make_user("ada").await;
    let group = scim.make_group("Team", &[&ada]).await;
    let (user_path, group_path) = (format!("/Users/{ada}"), format!("/Groups/{group}"));
    scim.post("/Users", &user("ADA")).await;
    scim.post("/Users", &json!({"schemas": [crate::support::USER]})).await;
    scim.post("/Users", &json!({"userName": "bob", "shoeSize": 9})).await;
    scim.post("/Nothing", &json!({})).await;
    scim.send("POST", "/Users", Some(("application/scim+json", b"{".to_vec()))).await;
    scim.send("POST", "/Users", Some(("text/plain", b"{}".to_vec()))).await;
    scim.send("POST", "/Users", Some(("application/scim+json", vec![b' '; 3 << 20]))).await;
    scim.with_header("if-match", "W/\"99\"").put(&user_path, &user("ada")).await;
    scim.patch("/Users/0199f2c4-0000-7000-8000-000000000000", json!([])).await;
    for operation in [
        json!({"op": "replace", "path": "active", "value": "False"}),
        json!({"op": "replace", "path": "active", "value": "yes"}),
        json!({"op": "replace", "path": "shoeSize", "value": 9}),
        json!({"op": "replace", "path": "emails[bad", "value": 9}),
        json!({"op": "replace", "path": "emails[type eq \"work\"].value", "value": "a@x"}),
        json!({"op": "remove"}),
        json!({"op": "remove", "path": "userName"}),
        json!({"op": "replace", "path": "id", "value": "x"}),
        json!({"op": "replace", "path": format!("{ENTERPRISE}:manager"), "value": "x"}),
        json!({"op": "replace", "value": {"name.givenName": "A"}}),
        json!({"op": "replace", "path": "title", "value": ""}),
    ] {
        scim.patch(&user_path, json!([operation])).await;
    }
    scim.patch(&group_path, json!([{"op": "remove", "path": "members", "value": members(&[NOBODY])}])).await;
    scim.patch(&group_path, json!([{"op": "add", "path": "members", "value": members(&[NOBODY])}])).await;
    scim.put(&group_path, &json!({"schemas": [scim::schema::GROUP], "displayName": "Team"})).await;
    tenant
}

/// What an administrator reads, without what differs from run to run.
fn told(event: &ProvisioningEvent) -> String {
    let kind = event.scim_type.as_deref().map(|kind| format!(" {kind}")).unwrap_or_default();
    let what = event.resource_type.as_deref().unwrap_or("-");
    format!("{} {what} {}{kind}\n  {}", event.method, event.status, event.explain().join("\n  "))
}

#[tokio::test(flavor = "multi_thread")]
async fn c142_each_refusal_and_each_tolerance_is_explained_in_words() {
    let app = TestApp::start().await;
    let mut sentences = BTreeSet::new();
    for (index, conversation) in conversation::all().iter().enumerate() {
        let dialect = conversation.dialect.parse().expect("a dialect");
        let tenant =
            app.tenant_with(&format!("org-{index}"), DirectoryDraft { dialect, ..DirectoryDraft::named("Test") }).await;
        conversation::play(conversation, &tenant.scim).await;
        sentences.extend(log_of(&app, tenant.id).await.iter().map(told));
    }
    insta::assert_snapshot!("a_day_of_okta_and_entra", sentences.into_iter().collect::<Vec<_>>().join("\n\n"));
    for dialect in [Dialect::Auto, Dialect::Rfc] {
        let tenant = misfortunes(&app, dialect.as_str(), dialect).await;
        let sentences: BTreeSet<String> = log_of(&app, tenant.id).await.iter().map(told).collect();
        let text = sentences.into_iter().collect::<Vec<_>>().join("\n\n");
        insta::assert_snapshot!(format!("misfortunes_in_dialect_{dialect}"), text);
    }
    let tenant = misfortunes(&app, "any", Dialect::Auto).await;
    let refused = log_of(&app, tenant.id).await.into_iter().find(|event| event.status == 409).expect("a refusal");
    let refused = ProvisioningEvent { tolerances: Vec::new(), ..refused };
    let kinds = ["invalidSyntax", "invalidValue", "invalidPath", "invalidFilter", "noTarget", "mutability", "tooMany"];
    let of = |status: u16, kind: Option<&str>| {
        let resource_type = (status != 413).then(|| "User".to_owned());
        told(&ProvisioningEvent { status, scim_type: kind.map(str::to_owned), resource_type, ..refused.clone() })
    };
    let mut all: Vec<String> = kinds.iter().map(|kind| of(400, Some(kind))).collect();
    let statuses = [403, 404, 405, 406, 408, 409, 412, 413, 415, 428, 429, 500, 501, 503, 418];
    all.extend(statuses.iter().map(|status| of(*status, None)));
    insta::assert_snapshot!("refusals", all.join("\n\n"));
    let all: Vec<String> =
        Tolerance::ALL.iter().map(|tolerance| format!("{tolerance}: {}", tolerance.in_words())).collect();
    insta::assert_snapshot!("tolerances", all.join("\n"));
}
