//! Schemas that an organization adds to its users and groups (C139).

use rollcall::domain::directory::DirectoryDraft;
use rollcall::domain::{Caller, OrganizationId};
use scim::{Dialect, Extension};
use serde_json::{Value, json};

use crate::support::{Engine, GROUP, TestApp, USER, filtered, user};

const HR: &str = "urn:acme:scim:hr:1.0:User";
const COST: &str = "urn:acme:scim:cost:1.0:Group";

fn attribute(name: &str, kind: &str) -> Value {
    json!({"name": name, "type": kind, "multiValued": false, "description": "d", "required": false,
           "mutability": "readWrite", "returned": "default"})
}

fn extension(resource_type: &str, urn: &str, attributes: Value) -> Extension {
    let schema = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"], "id": urn, "name": "Own",
                        "description": "d", "attributes": attributes});
    serde_json::from_value(json!({"resourceType": resource_type, "schema": schema})).expect("an extension")
}

fn hr() -> Extension {
    let mut sites = attribute("sites", "complex");
    sites["multiValued"] = json!(true);
    sites["subAttributes"] =
        json!([attribute("value", "string"), attribute("type", "string"), attribute("primary", "boolean")]);
    let mut secret = attribute("note", "string");
    secret["returned"] = json!("request");
    let mut code = attribute("code", "string");
    code["caseExact"] = json!(true);
    extension("User", HR, json!([attribute("badge", "integer"), attribute("hired", "dateTime"), code, secret, sites]))
}

async fn set(app: &TestApp, organization: OrganizationId, extension: Extension) {
    app.service.set_extension(&Caller::operator(Some(organization)), extension).await.expect("set");
}

#[tokio::test(flavor = "multi_thread")]
async fn c139_an_extension_is_advertised_and_obeys_all_rules_at_once() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let tenant = app.tenant("acme").await;
        let other = app.tenant("globex").await.scim;
        let scim = tenant.scim;
        let body = json!({"schemas": [USER], "userName": "early", HR: {"badge": 1}});
        let early = scim.post("/Users", &body).await.expect(201);
        assert!(early.get(HR).is_none(), "not known yet");
        set(&app, tenant.id, hr()).await;
        set(&app, tenant.id, extension("Group", COST, json!([attribute("centre", "string")]))).await;

        let schema = scim.get(&format!("/Schemas/{}", HR.to_uppercase())).await.expect(200);
        assert_eq!((&schema["id"], &schema["attributes"][0]["name"]), (&json!(HR), &json!("badge")));
        let kind = scim.get("/ResourceTypes/User").await.expect(200);
        let extended = json!({"schema": HR, "required": false});
        assert!(kind["schemaExtensions"].as_array().is_some_and(|all| all.contains(&extended)), "{kind}");
        let schemas = scim.get("/Schemas").await.expect(200);
        assert_eq!(schemas["totalResults"], 9);
        for stranger in [&other, &scim.with_token(None)] {
            stranger.get(&format!("/Schemas/{HR}")).await.refused(404, None);
            assert_eq!(stranger.get("/Schemas").await.expect(200)["totalResults"], 7);
            assert!(!stranger.get("/ResourceTypes/User").await.text.contains(HR));
        }
        assert!(other.post("/Users", &body).await.expect(201).get(HR).is_none());

        let own = json!({"badge": 7, "hired": "2026-01-01T01:00:00+01:00", "code": "aB", "note": "hush",
                         "sites": [{"value": "Oslo", "type": "work", "primary": true}, {"value": "Bergen"}]});
        let ada = scim.post("/Users", &json!({"schemas": [USER, HR], "userName": "ada", HR: own})).await.expect(201);
        let path = format!("/Users/{}", ada["id"].as_str().expect("an id"));
        assert_eq!(ada["schemas"], json!([USER, HR]));
        let mut shown = own.clone();
        shown.as_object_mut().expect("an object").remove("note");
        assert_eq!(ada[HR], shown, "what is returned on request is not returned by default");
        assert_eq!(scim.get(&format!("{path}?attributes={HR}:note")).await.expect(200)[HR], json!({"note": "hush"}));
        let less = scim.get(&format!("{path}?excludedAttributes={HR}:sites,{HR}:hired")).await.expect(200);
        assert_eq!(less[HR], json!({"badge": 7, "code": "aB"}));

        for (filter, count) in [
            (format!("{HR}:badge eq 7"), 1),
            (format!("{HR}:badge gt 7"), 0),
            (format!("{HR}:code eq \"AB\""), 0),
            (format!("{HR}:hired eq \"2026-01-01T00:00:00Z\""), 1),
            (format!("{HR}:sites[type eq \"work\" and value sw \"O\"]"), 1),
            (format!("{HR}:sites.value eq \"bergen\""), 1),
            (format!("schemas eq \"{HR}\""), 1),
            (format!("not ({HR}:badge pr)"), 1),
        ] {
            assert_eq!(scim.count("/Users", &filter).await, count, "{filter}");
        }
        scim.get(&filtered("/Users", &format!("{HR}:hired co \"x\""))).await.refused(400, Some("invalidFilter"));
        let late = json!({"schemas": [USER, HR], "userName": "bob", HR: {"badge": 3}});
        scim.post("/Users", &late).await.expect(201);
        let sorted = scim.get(&format!("/Users?sortBy={HR}:badge&attributes=userName")).await.expect(200);
        let names: Vec<&Value> =
            sorted["Resources"].as_array().expect("a list").iter().map(|user| &user["userName"]).collect();
        assert_eq!(names, ["bob", "ada", "early"]);

        let patched = scim
            .patch(
                &path,
                json!([{"op": "replace", "path": format!("{HR}:badge"), "value": "8"},
                       {"op": "remove", "path": format!("{HR}:sites[type eq \"work\"]")},
                       {"op": "replace", "value": {format!("{HR}:code"): "cD", HR: {"note": "x"}}}]),
            )
            .await
            .expect(200);
        assert_eq!(
            patched[HR],
            json!({"badge": 8, "hired": own["hired"], "code": "cD", "sites": [{"value": "Bergen"}]})
        );
        scim.patch(&path, json!([{"op": "add", "path": format!("{HR}:badge"), "value": "x"}]))
            .await
            .refused(400, Some("invalidValue"));
        let gone = scim.patch(&path, json!([{"op": "remove", "path": HR}])).await.expect(200);
        assert_eq!((gone.get(HR), &gone["schemas"]), (None, &json!([USER])), "C92");

        let group = json!({"schemas": [GROUP, COST], "displayName": "Team", COST: {"centre": "4711"}});
        let group = scim.post("/Groups", &group).await.expect(201);
        assert_eq!(group[COST], json!({"centre": "4711"}));
        assert_eq!(scim.count("/Groups", &format!("{COST}:centre eq \"4711\"")).await, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c139_a_strict_directory_knows_it_too_and_nothing_else() {
    let app = TestApp::start().await;
    let tenant =
        app.tenant_with("acme", DirectoryDraft { dialect: Dialect::Rfc, ..DirectoryDraft::named("Test") }).await;
    set(&app, tenant.id, hr()).await;
    let scim = tenant.scim;
    scim.post("/Users", &json!({"schemas": [USER, HR], "userName": "ada", HR: {"badge": 1}})).await.expect(201);
    for own in
        [json!({"badge": "1"}), json!({"sites": [{"value": "a", "primary": true}, {"value": "b", "primary": true}]})]
    {
        let body = json!({"schemas": [USER, HR], "userName": "bob", HR: own});
        scim.post("/Users", &body).await.refused(400, Some("invalidValue"));
    }
    let unknown = json!({"schemas": [USER, HR], "userName": "bob", HR: {"shoeSize": 9}});
    scim.post("/Users", &unknown).await.refused(400, Some("invalidSyntax"));
    let foreign = json!({"schemas": [USER, COST], "userName": "bob"});
    scim.post("/Users", &foreign).await.refused(400, Some("invalidSyntax"));
}

#[tokio::test(flavor = "multi_thread")]
async fn c139_an_extension_may_grow_and_goes_only_when_nobody_has_a_value() {
    let app = TestApp::start().await;
    let tenant = app.tenant("acme").await;
    let operator = Caller::operator(Some(tenant.id));
    set(&app, tenant.id, extension("User", HR, json!([attribute("badge", "integer")]))).await;
    let more = extension("User", HR, json!([attribute("badge", "integer"), attribute("code", "string")]));
    set(&app, tenant.id, more.clone()).await;
    for smaller in [
        extension("User", HR, json!([attribute("code", "string")])),
        extension("User", HR, json!([attribute("badge", "string"), attribute("code", "string")])),
        extension("Group", HR, json!([attribute("badge", "integer"), attribute("code", "string")])),
        extension("User", USER, json!([attribute("badge", "integer")])),
    ] {
        assert!(app.service.set_extension(&operator, smaller).await.is_err());
    }
    assert_eq!(app.service.list_extensions(&operator).await.expect("listed"), [more]);
    let body = json!({"schemas": [USER, HR], "userName": "ada", HR: {"code": "x"}});
    let ada = tenant.scim.make("/Users", &body).await;
    let refused = app.service.delete_extension(&operator, HR).await.expect_err("somebody has a value");
    assert!(refused.to_string().starts_with("1 resources"), "{refused}");
    tenant.scim.patch(&format!("/Users/{ada}"), json!([{"op": "remove", "path": HR}])).await.expect(200);
    app.service.delete_extension(&operator, &HR.to_uppercase()).await.expect("deleted");
    tenant.scim.get(&format!("/Schemas/{HR}")).await.refused(404, None);
    let plain = tenant.scim.post("/Users", &json!({"userName": "bob", HR: {"code": "x"}})).await.expect(201);
    assert!(plain.get(HR).is_none());
    tenant.scim.post("/Users", &user("carol")).await.expect(201);
    assert!(app.service.delete_extension(&operator, HR).await.is_err(), "it is gone");
    let kinds: Vec<String> = app.events(tenant.id).await.into_iter().map(|event| event.kind).collect();
    assert_eq!(kinds.iter().filter(|kind| kind.starts_with("organization.extension")).count(), 3);
}
