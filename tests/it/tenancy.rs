//! 2.2: nothing of one organization has any effect in another. The matrix is made from the list of routes.

use serde_json::{Value, json};

use crate::support::app::Tenant;
use crate::support::{Answer, ENTERPRISE, Scim, TestApp, filtered, group, members, user};

const UNKNOWN: &str = "01900000-0000-7000-8000-00000000dead";

struct World {
    app: TestApp,
    acme: Tenant,
    globex: Tenant,
    user: String,
    group: String,
}

async fn world() -> World {
    let app = TestApp::start().await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    let mut body = user("canary-user@globex.example");
    body["externalId"] = json!("canary-external");
    body["emails"] = json!([{"value": "canary@globex.example", "type": "work"}]);
    let user = globex.scim.make("/Users", &body).await;
    let group = globex.scim.make_group("canary-group", &[&user]).await;
    acme.scim.make_user("ada").await;
    World { app, acme, globex, user, group }
}

/// Everything an organization's directory can see, to compare before and after.
async fn snapshot(scim: &Scim) -> (Value, Value) {
    (scim.get("/Users").await.expect(200), scim.get("/Groups").await.expect(200))
}

/// The answer without what may differ between two requests.
fn comparable(answer: &Answer, id: &str) -> (u16, String) {
    let request = answer.header("x-request-id");
    (answer.status, answer.text.replace(request, "(request)").replace(id, "(id)"))
}

#[tokio::test(flavor = "multi_thread")]
async fn tn01_every_route_answers_a_foreign_id_as_an_unknown_one() {
    let world = world().await;
    let scim = &world.acme.scim;
    let before = snapshot(&world.globex.scim).await;
    let mut compared = 0;
    for foreign in [&world.user, &world.group] {
        for (method, path, body) in routes() {
            let mut answers = Vec::new();
            for id in [foreign.as_str(), UNKNOWN] {
                let path = path.replace("{id}", id);
                let body = body
                    .as_ref()
                    .map(|body| ("application/scim+json", body.to_string().replace("{id}", id).into_bytes()));
                let answer = scim.send(method, &path, body).await;
                assert!(!answer.text.contains("canary"), "{method} {path}: {}", answer.text);
                answers.push(comparable(&answer, id));
                forget(scim).await;
            }
            assert_eq!(answers[0], answers[1], "{method} {path}");
            compared += 1;
        }
    }
    assert!(compared >= 40, "{compared} routes and references were compared");
    assert_eq!(snapshot(&world.globex.scim).await, before);
}

/// Every place of the SCIM face that takes an id: paths, filters, references in bodies.
fn routes() -> Vec<(&'static str, String, Option<Value>)> {
    let mut routes = Vec::new();
    for endpoint in ["/Users", "/Groups"] {
        let one = format!("{endpoint}/{{id}}");
        let full = if endpoint == "/Users" { user("x") } else { group("x") };
        routes.push(("GET", one.clone(), None));
        routes.push(("HEAD", one.clone(), None));
        routes.push(("PUT", one.clone(), Some(full)));
        routes.push((
            "PATCH",
            one.clone(),
            Some(crate::support::patch(json!([{"op": "replace", "value": {"displayName": "x"}}]))),
        ));
        routes.push(("DELETE", one, None));
        for filter in ["id eq \"{id}\"", "not (id ne \"{id}\")", "id eq \"{id}\" or externalId eq \"{id}\""] {
            let encoded = filter.replace(' ', "%20").replace('"', "%22");
            routes.push(("GET", format!("{endpoint}?filter={encoded}"), None));
            routes.push(("POST", format!("{endpoint}/.search"), Some(json!({ "filter": filter }))));
        }
    }
    for filter in ["groups%20eq%20%22{id}%22", "manager%20eq%20%22{id}%22"] {
        routes.push(("GET", format!("/Users?filter={filter}"), None));
    }
    for filter in ["members%20eq%20%22{id}%22", "members[value%20eq%20%22{id}%22]"] {
        routes.push(("GET", format!("/Groups?filter={filter}"), None));
    }
    routes
}

/// Nothing that the matrix made stays.
async fn forget(scim: &Scim) {
    for endpoint in ["/Users", "/Groups"] {
        let list = scim.get(&filtered(endpoint, "displayName eq \"x\"")).await.expect(200);
        for resource in list["Resources"].as_array().expect("a list") {
            scim.delete(&format!("{endpoint}/{}", resource["id"].as_str().expect("an id"))).await.expect(204);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tn03_a_foreign_reference_is_an_unknown_one() {
    let world = world().await;
    let scim = &world.acme.scim;
    let before = snapshot(&world.globex.scim).await;
    let group = scim.make_group("G", &[&world.user, &world.group]).await;
    let add = json!([{"op": "add", "path": "members", "value": members(&[&world.user, UNKNOWN])}]);
    scim.patch(&format!("/Groups/{group}"), add).await.expect(204);
    assert!(scim.member_ids(&group).await.is_empty());
    let mut body = user("bob");
    body[ENTERPRISE] = json!({"manager": {"value": world.user}});
    let created = scim.post("/Users", &body).await.expect(201);
    assert!(created[ENTERPRISE]["manager"].get("displayName").is_none(), "no name of theirs");
    assert!(!scim.get("/Users").await.text.contains("canary"));
    assert_eq!(snapshot(&world.globex.scim).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn c31_sc02_the_same_name_elsewhere_is_another_person() {
    let world = world().await;
    let before = snapshot(&world.globex.scim).await;
    let mut body = user("canary-user@globex.example");
    body["externalId"] = json!("canary-external");
    let id = world.acme.scim.make("/Users", &body).await;
    assert_ne!(id, world.user);
    world.acme.scim.delete(&format!("/Users/{id}")).await.expect(204);
    assert_eq!(snapshot(&world.globex.scim).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn sc18_a_filter_on_their_values_counts_nothing() {
    let world = world().await;
    for filter in [
        "userName eq \"canary-user@globex.example\"",
        "externalId eq \"canary-external\"",
        "emails.value eq \"canary@globex.example\"",
        "userName co \"canary\"",
        "emails co \"canary\"",
    ] {
        assert_eq!(world.globex.scim.count("/Users", filter).await, 1, "{filter}");
        assert_eq!(world.acme.scim.count("/Users", filter).await, 0, "{filter}");
    }
    assert_eq!(world.acme.scim.count("/Groups", "displayName eq \"canary-group\"").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn tn02_the_token_decides_whatever_else_names_an_organization() {
    let world = world().await;
    let id = world.globex.id.to_string();
    let scim = world.acme.scim.with_header("x-organization", &id).with_header("x-tenant-id", &id);
    let list = scim.get(&format!("/Users?organization={id}&tenant=globex")).await.expect(200);
    assert_eq!((&list["totalResults"], &list["Resources"][0]["userName"]), (&json!(1), &json!("ada")));
}

#[tokio::test(flavor = "multi_thread")]
async fn sc20_a_token_is_nothing_outside_the_scim_face() {
    let world = world().await;
    for path in ["/graphql", "/oauth/token", "/metrics", "/scim/v2/Bulk", "/scim"] {
        let bare = world.acme.scim.at(world.app.url.clone());
        let status = bare.get(path).await.status;
        assert!(matches!(status, 401 | 403 | 404 | 405 | 400), "{path}: {status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tn05_mixed_load_of_two_organizations_never_mixes() {
    let world = world().await;
    let mut tasks = tokio::task::JoinSet::new();
    for index in 0..40 {
        let (mine, other, scim) = match index % 2 {
            0 => ("acme", "globex", world.acme.scim.clone()),
            _ => ("globex", "acme", world.globex.scim.clone()),
        };
        tasks.spawn(async move {
            for round in 0..10 {
                let created = scim.post("/Users", &user(&format!("{mine}-{index}-{round}"))).await;
                let list = scim.get(&filtered("/Users", &format!("userName sw \"{other}-\""))).await.expect(200);
                assert_eq!(list["totalResults"], 0, "nothing of {other} in {mine}");
                created.expect(201);
            }
        });
    }
    tasks.join_all().await;
    for (mine, scim) in [("acme", &world.acme.scim), ("globex", &world.globex.scim)] {
        assert_eq!(scim.count("/Users", &format!("userName sw \"{mine}-\"")).await, 200);
    }
}
