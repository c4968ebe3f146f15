//! The same act through both faces comes to the same record, and what one face refuses the other refuses too.

use serde_json::{Value, json};

use crate::support::person::first_code;
use crate::support::{Engine, Owned, Person, Scim, TestApp, group, members, user};

const ENTERPRISE: &str = crate::support::ENTERPRISE;

/// One organization, of which both faces tell.
struct World {
    scim: Scim,
    owner: Person,
}

impl World {
    async fn of(owned: &Owned) -> Self {
        Self { scim: owned.scim.clone(), owner: owned.owner.sign_in().await }
    }

    /// The user of this name as both faces show it, without what differs by nature: ids, times, versions.
    async fn user(&self, name: &str) -> (Value, Value) {
        let query =
            "query One($name: String!) { user(by: {userName: $name}) { userName displayName givenName familyName
            fullName title company email locale timezone groups { nodes { name } } } }";
        let shown = self.owner.ask(query, json!({ "name": name })).await.data()["user"].clone();
        let listed =
            self.scim.get(&crate::support::filtered("/Users", &format!("userName eq \"{name}\""))).await.expect(200);
        let mut stored = listed["Resources"][0].clone();
        for gone in ["id", "meta"] {
            stored.as_object_mut().expect("a user").remove(gone);
        }
        for group in stored["groups"].as_array_mut().into_iter().flatten() {
            *group = group["display"].clone();
        }
        (shown, stored)
    }

    /// The names of a group's members, as both faces show them.
    async fn group(&self, name: &str) -> (Value, Value) {
        let query = "query One($name: String!) { group(by: {name: $name}) { name displayName members { nodes { ... on User { userName } } } } }";
        let shown = self.owner.ask(query, json!({ "name": name })).await.data()["group"].clone();
        let path = crate::support::filtered("/Groups", &format!("displayName eq \"{name}\""));
        let stored = self.scim.get(&path).await.expect(200)["Resources"][0].clone();
        let displays = stored["members"].as_array().map_or(0, Vec::len);
        (shown, json!({"displayName": stored["displayName"], "members": displays}))
    }

    async fn id(&self, name: &str) -> String {
        let query = "query One($name: String!) { user(by: {userName: $name}) { id } }";
        self.owner.ask(query, json!({ "name": name })).await.data()["user"]["id"].as_str().expect("an id").to_owned()
    }

    async fn scim_group_id(&self, name: &str) -> String {
        let path = crate::support::filtered("/Groups", &format!("displayName eq \"{name}\""));
        self.scim.get(&path).await.expect(200)["Resources"][0]["id"].as_str().expect("an id").to_owned()
    }
}

/// One organization changed over SCIM, another over GraphQL, step by step; after each step both look the same from both.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_change_through_both_faces_is_the_same_record() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let (provisioned, administered) = (app.owned("acme").await, app.owned("globex").await);
        let (left, right) = (World::of(&provisioned).await, World::of(&administered).await);
        let same = async |name: &str, step: &str| {
            assert_eq!(left.user(name).await, right.user(name).await, "{engine:?}: {step}");
        };
        // Somebody is made.
        let mut body = user("ada");
        body["displayName"] = "Ada Lovelace".into();
        body["name"] = json!({"givenName": "Ada", "familyName": "Lovelace"});
        body["title"] = "Countess".into();
        body["emails"] = json!([{"value": "ada@engines.example", "type": "work", "primary": true}]);
        body[ENTERPRISE] = json!({"organization": "Engines"});
        body["schemas"] = json!([crate::support::USER, ENTERPRISE]);
        left.scim.post("/Users", &body).await.expect(201);
        let input = json!({"userName": "ada", "displayName": "Ada Lovelace", "givenName": "Ada", "familyName": "Lovelace",
                           "title": "Countess", "company": "Engines", "email": "ada@engines.example"});
        right.owner.done("createUser", input, "user { id }").await;
        same("ada", "made").await;
        // And changed, field by field: given another value, and cleared.
        let path = format!("/Users/{}", left.id("ada").await);
        let id = right.id("ada").await;
        for (operation, field, value) in [
            (json!({"op": "replace", "path": "displayName", "value": "Countess"}), "displayName", json!("Countess")),
            (json!({"op": "replace", "path": "name.givenName", "value": "Augusta"}), "givenName", json!("Augusta")),
            (json!({"op": "replace", "path": "title", "value": "Analyst"}), "title", json!("Analyst")),
            (json!({"op": "remove", "path": "title"}), "title", Value::Null),
            (
                json!({"op": "replace", "path": format!("{ENTERPRISE}:organization"), "value": "Looms"}),
                "company",
                json!("Looms"),
            ),
            (json!({"op": "replace", "path": "locale", "value": "en-GB"}), "locale", json!("en-GB")),
            (
                json!({"op": "replace", "path": "timezone", "value": "Europe/London"}),
                "timezone",
                json!("Europe/London"),
            ),
            (
                json!({"op": "replace", "path": "emails[type eq \"work\"].value", "value": "ada@looms.example"}),
                "email",
                json!("ada@looms.example"),
            ),
        ] {
            left.scim.patch(&path, json!([operation])).await.expect(200);
            let mut input = json!({"user": {"id": id}});
            input[field] = value;
            right.owner.done("updateUser", input, "user { id }").await;
            same("ada", field).await;
        }
        // A group with a member, renamed and emptied.
        let mut body = group("Engineers");
        body["members"] = members(&[&left.id("ada").await]);
        left.scim.post("/Groups", &body).await.expect(201);
        right.owner.done("createGroup", json!({"name": "Engineers"}), "group { id }").await;
        let add = json!({"group": {"name": "Engineers"}, "user": {"id": id}});
        right.owner.done("setGroupMember", add, "group { id }").await;
        assert_eq!(left.group("Engineers").await, right.group("Engineers").await, "{engine:?}");
        same("ada", "in a group").await;
        let path = format!("/Groups/{}", left.scim_group_id("Engineers").await);
        let rename = json!([{"op": "replace", "path": "displayName", "value": "Weavers"}]);
        left.scim.patch(&path, rename).await;
        right
            .owner
            .done("updateGroup", json!({"group": {"name": "Engineers"}, "name": "Weavers"}), "group { id }")
            .await;
        assert_eq!(left.group("Weavers").await, right.group("Weavers").await, "{engine:?}");
        left.scim.patch(&path, json!([{"op": "remove", "path": "members"}])).await;
        let gone = json!({"group": {"name": "Weavers"}, "user": {"id": id}});
        right.owner.done("removeGroupMember", gone, "group { id }").await;
        assert_eq!(left.group("Weavers").await, right.group("Weavers").await, "{engine:?}");
        same("ada", "in no group").await;
        // What is taken, malformed or too long is refused by both, and changes nothing.
        for (field, value, status, code) in [
            ("userName", json!("ada"), 409, "USERNAME_TAKEN"),
            ("userName", json!("ADA"), 409, "USERNAME_TAKEN"),
            ("userName", json!(""), 400, "INVALID_USERNAME"),
            ("displayName", json!("\u{0}"), 400, "INVALID_DISPLAY_NAME"),
        ] {
            let mut body = user("other");
            body[field] = value.clone();
            assert_eq!(left.scim.post("/Users", &body).await.status, status, "{field}={value}");
            let mut input = json!({"userName": "other"});
            input[field] = value.clone();
            let payload = right.owner.mutate("createUser", input, "user { id }").await;
            assert_eq!(first_code(&payload), code, "{field}={value}");
        }
        // Gone through either face is gone from both.
        left.scim.delete(&format!("/Users/{}", left.id("ada").await)).await.expect(204);
        right.owner.done("deleteUser", json!({"user": {"id": id}}), "deletedUserId").await;
        for world in [&left, &right] {
            let found = world.scim.get(&crate::support::filtered("/Users", "userName eq \"ada\"")).await.expect(200);
            assert_eq!(found["totalResults"], 0, "{engine:?}");
        }
        right.scim.post("/Users", &user("ada")).await.expect(201);
        app.stop();
    }
}

/// The same kinds of events, from another door.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_change_through_both_faces_is_the_same_event_but_for_the_door() {
    let app = TestApp::start().await;
    let (provisioned, administered) = (app.owned("acme").await, app.owned("globex").await);
    let (left, right) = (World::of(&provisioned).await, World::of(&administered).await);
    let before = (app.events(provisioned.id).await.len(), app.events(administered.id).await.len());
    left.scim.post("/Users", &user("ada")).await.expect(201);
    right.owner.done("createUser", json!({"userName": "ada"}), "user { id }").await;
    let rename = json!([{"op": "replace", "path": "displayName", "value": "Ada"}]);
    left.scim.patch(&format!("/Users/{}", left.id("ada").await), rename).await.expect(200);
    let id = right.id("ada").await;
    right.owner.done("updateUser", json!({"user": {"id": id}, "displayName": "Ada"}), "user { id }").await;
    left.scim.post("/Groups", &group("Team")).await.expect(201);
    right.owner.done("createGroup", json!({"name": "Team"}), "group { id }").await;
    let kinds = async |organization, from: usize, door: &str| -> Vec<String> {
        let events = app.events(organization).await;
        assert!(events[from..].iter().all(|event| event.door.as_str() == door), "{door}: {events:?}");
        events[from..].iter().map(|event| event.kind.as_str().to_owned()).collect()
    };
    let over_scim = kinds(provisioned.id, before.0, "SCIM").await;
    assert_eq!(over_scim, ["user.created", "user.updated", "group.created"]);
    assert_eq!(over_scim, kinds(administered.id, before.1, "GRAPHQL").await, "each change exactly one event");
}

/// What a directory wrote, nobody else writes: the refusal names the owner, and is shown beforehand.
#[tokio::test(flavor = "multi_thread")]
async fn g6_c121_the_write_policy_is_one_for_every_field_a_directory_can_write() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let world = World::of(&acme).await;
    let mut body = user("ada");
    body["displayName"] = "Ada".into();
    body["name"] = json!({"givenName": "Ada", "familyName": "Lovelace", "formatted": "Ada Lovelace"});
    body["title"] = "Countess".into();
    body["emails"] = json!([{"value": "ada@engines.example", "primary": true}]);
    body[ENTERPRISE] = json!({"organization": "Engines"});
    body["schemas"] = json!([crate::support::USER, ENTERPRISE]);
    let made = world.scim.post("/Users", &body).await.expect(201);
    let query = "query One($id: ID!) { user(by: {id: $id}) { fieldCapabilities { field isEditable reason managedBy { displayName } managedSince } } }";
    let shown = world.owner.ask(query, json!({"id": made["id"]})).await.data()["user"]["fieldCapabilities"].clone();
    let shown = shown.as_array().expect("fields");
    let mut owned = 0;
    for field in shown {
        let name = field["field"].as_str().expect("a name");
        let mut input = json!({"user": {"id": made["id"]}});
        input[name] = match name {
            "email" => json!("other@engines.example"),
            "avatarUrl" => json!("https://pics.example/a.png"),
            "metadata" => json!({"a": 1}),
            "userName" => json!("other"),
            _ => json!("Other"),
        };
        let payload = world.owner.mutate("updateUser", input, "user { id }").await;
        if field["isEditable"] == true {
            assert_eq!(payload["userErrors"], json!([]), "{name}");
            continue;
        }
        owned += 1;
        let refusal = &payload["userErrors"][0];
        assert_eq!(
            (&refusal["code"], &field["reason"]),
            (&json!("MANAGED_BY_DIRECTORY"), &json!("MANAGED_BY_DIRECTORY")),
            "{name}"
        );
        assert_eq!(refusal["params"]["owner"], "Okta", "{name}: {refusal}");
        assert_eq!(field["managedBy"]["displayName"], "Okta", "{name}");
        assert!(field["managedSince"].is_string(), "{name}");
    }
    assert_eq!(owned, 8, "all but picture and metadata: {shown:?}");
    let after = world.scim.get(&format!("/Users/{}", made["id"].as_str().expect("an id"))).await.expect(200);
    assert_eq!(after["title"], "Countess", "what was refused changed nothing");
}
