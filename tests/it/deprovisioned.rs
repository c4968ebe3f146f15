//! SCIM DELETE in the default mode: the user leaves SCIM, and administrators see it as disabled until it is enabled or purged.

use std::time::Duration;

use rollcall::domain::OrganizationId;
use rollcall::domain::directory::{DeprovisionMode, DirectoryDraft, DirectorySettings};
use serde_json::{Value, json};

use crate::support::{Engine, Owned, Person, Scim, TestApp, filtered, user};

/// What administrators see of a user.
const SHOWN: &str = "id userName status isActive localHold { reason } roles { key } groups { nodes { id } } \
                     membership { status } directory { id } version fieldCapabilities { isEditable }";

async fn find(who: &Person, id: &str) -> Value {
    let query = format!("query Find($by: UserRef!) {{ user(by: $by) {{ {SHOWN} }} }}");
    who.ask(&query, json!({"by": {"id": id}})).await.data()["user"].clone()
}

async fn find_code(who: &Person, id: &str) -> Option<String> {
    who.ask("query Find($by: UserRef!) { user(by: $by) { id } }", json!({"by": {"id": id}})).await.code()
}

async fn list(who: &Person, arguments: &str, selection: &str) -> Value {
    who.ask(&format!("{{ users{arguments} {{ {selection} }} }}"), json!({})).await.data()["users"].clone()
}

/// The ids on a page, in order.
fn ids(page: &Value) -> Vec<String> {
    let nodes = page["nodes"].as_array().expect("nodes");
    nodes.iter().map(|node| node["id"].as_str().expect("an id").to_owned()).collect()
}

fn by(id: &str) -> Value {
    json!({"user": {"id": id}})
}

async fn delete(scim: &Scim, id: &str) {
    scim.delete(&format!("/Users/{id}")).await.expect(204);
}

/// A directory with these settings.
async fn directory(app: &TestApp, id: OrganizationId, name: &str, settings: DirectorySettings) -> Scim {
    app.directory(id, DirectoryDraft { settings, ..DirectoryDraft::named(name) }).await.1
}

fn restoring() -> DirectorySettings {
    DirectorySettings { restore_inactive: true, ..DirectorySettings::default() }
}

async fn last_event(app: &TestApp, acme: &Owned) -> rollcall::store::StoredEvent {
    app.events(acme.id).await.pop().expect("an event")
}

/// `decisions.md` 3.
#[tokio::test(flavor = "multi_thread")]
async fn a_directorys_delete_takes_the_user_out_of_scim_and_disables_it() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let acme = app.owned("acme").await;
        let owner = acme.owner.sign_in().await;
        let person = app.member(acme.id, "babs@acme.example", &["analyst"]).await;
        let babs = person.sign_in().await;
        let id = babs.me("user { id }").await["user"]["id"].as_str().expect("an id").to_owned();
        let scopes = json!({"name": "ci", "scopes": ["user_self_profile_write"]});
        let made = babs.done("createPersonalToken", scopes, "secret").await;
        let bot = babs.with_token(made["secret"].as_str().expect("a secret"));
        let group = acme.scim.make_group("Team", &[&id]).await;
        let everybody = acme.scim.get("/Users").await.expect(200)["totalResults"].as_u64();
        delete(&acme.scim, &id).await;

        let path = format!("/Users/{id}");
        acme.scim.get(&path).await.refused(404, None);
        acme.scim.put(&path, &user("babs@acme.example")).await.refused(404, None);
        acme.scim.delete(&path).await.refused(404, None);
        assert_eq!(acme.scim.get("/Users").await.expect(200)["totalResults"].as_u64(), everybody.map(|all| all - 1));
        for filter in [format!("id eq \"{id}\""), "userName eq \"babs@acme.example\"".to_owned()] {
            assert_eq!(acme.scim.count("/Users", &filter).await, 0, "{filter}");
        }
        assert!(acme.scim.member_ids(&group).await.is_empty());

        let shown = find(&owner, &id).await;
        assert_eq!((&shown["status"], &shown["isActive"]), (&json!("DISABLED"), &json!(false)));
        assert_eq!(shown["localHold"], json!({"reason": "DEPROVISIONED"}));
        assert_eq!((&shown["roles"], &shown["groups"]["nodes"]), (&json!([]), &json!([])));
        assert_eq!((&shown["membership"], &shown["directory"]), (&Value::Null, &Value::Null));
        assert!(!shown["fieldCapabilities"].to_string().contains("true"), "updateUser does not find it: {shown}");
        let node = owner.ask("query Node($id: ID!) { node(id: $id) { id __typename } }", json!({ "id": id })).await;
        assert_eq!(node.data()["node"], json!({"id": id, "__typename": "User"}));

        assert!(!babs.is_in().await && !bot.is_in().await);
        assert_eq!(babs.refused("refreshSession", json!({"refreshToken": babs.refresh})).await, "TOKEN_INVALID");
        assert_eq!(person.login_payload(json!({})).await["userErrors"][0]["code"], "INVALID_CREDENTIALS");
        let events = app.events(acme.id).await;
        let event = events.iter().rev().find(|event| event.target["id"] == json!(id)).expect("an event");
        assert_eq!((event.kind.as_str(), event.reason.as_deref()), ("user.disabled", Some("DEPROVISIONED")));
        assert_eq!(event.consequences, ["access_ended"]);
        assert!(!events.iter().any(|event| event.kind == "user.deleted"));

        // SC-12: the name is free, and nothing of the old user comes with it.
        let new = acme.scim.make_user("babs@acme.example").await;
        assert_ne!(new, id);
        let shown = find(&owner, &new).await;
        assert_eq!((&shown["status"], &shown["groups"]["nodes"]), (&json!("INVITED"), &json!([])));
        assert!(!shown["roles"].to_string().contains("analyst"), "{shown}");
        assert!(!babs.is_in().await && !bot.is_in().await);
        assert_eq!(find(&owner, &id).await["status"], "DISABLED");
        app.assert_consistent().await;
        app.stop();
    }
}

/// `decisions.md` 3: administrators find them in lists, wherever the page begins.
#[tokio::test(flavor = "multi_thread")]
async fn deprovisioned_users_are_in_the_lists_and_counts_of_administrators() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let acme = app.owned("acme").await;
        let owner = acme.owner.sign_in().await;
        let mut made = Vec::new();
        for index in 0..8 {
            made.push(acme.scim.make_user(&format!("person-{index}")).await);
            app.clock.advance(Duration::from_secs(1));
        }
        let gone = [&made[1], &made[2], &made[7]];
        for id in gone {
            delete(&acme.scim, id).await;
        }
        let all = list(&owner, "(first: 100)", "totalCount filteredCount nodes { id status }").await;
        assert_eq!((&all["totalCount"], &all["filteredCount"]), (&json!(9), &json!(9)));
        for order in ["CREATED_AT", "UPDATED_AT", "DISPLAY_NAME", "USER_NAME"] {
            for direction in ["ASC", "DESC"] {
                let by = format!("orderBy: {{field: {order}, direction: {direction}}}");
                let whole = ids(&list(&owner, &format!("({by})"), "nodes { id }").await);
                assert_eq!(whole.len(), 9, "{order} {direction}");
                let (mut walked, mut after) = (Vec::new(), "null".to_owned());
                loop {
                    let arguments = format!("(first: 2, after: {after}, {by})");
                    let page = list(&owner, &arguments, "nodes { id } pageInfo { hasNextPage endCursor }").await;
                    walked.extend(ids(&page));
                    if page["pageInfo"]["hasNextPage"] == false {
                        break;
                    }
                    after = page["pageInfo"]["endCursor"].to_string();
                }
                assert_eq!(walked, whole, "{order} {direction}");
                let (mut back, mut before) = (Vec::new(), "null".to_owned());
                loop {
                    let arguments = format!("(last: 2, before: {before}, {by})");
                    let page = list(&owner, &arguments, "nodes { id } pageInfo { hasPreviousPage startCursor }").await;
                    back.splice(0..0, ids(&page));
                    if page["pageInfo"]["hasPreviousPage"] == false {
                        break;
                    }
                    before = page["pageInfo"]["startCursor"].to_string();
                }
                assert_eq!(back, whole, "from the end: {order} {direction}");
                let mut numbered = Vec::new();
                for number in 1..=6 {
                    let page =
                        list(&owner, &format!("(page: {{number: {number}, size: 2}}, {by})"), "nodes { id }").await;
                    numbered.extend(ids(&page));
                }
                assert_eq!(numbered, whole, "by number: {order} {direction}");
            }
        }
        let matching = async |filter: &str| {
            let page = list(&owner, &format!("(filter: {{{filter}}})"), "filteredCount nodes { id }").await;
            assert_eq!(page["filteredCount"], json!(ids(&page).len()), "{filter}");
            ids(&page)
        };
        assert_eq!(matching("status: [DISABLED]").await, gone.map(String::clone));
        assert_eq!(matching("status: [DISABLED], search: \"son-2\"").await, [made[2].clone()]);
        assert_eq!(matching("search: \"person-7\"").await, [made[7].clone()]);
        assert!(matching("status: [INVITED, ACTIVE]").await.iter().all(|id| !gone.contains(&id)));
        assert!(matching("role: {key: \"member\"}").await.iter().all(|id| !gone.contains(&id)));
        let directories = owner.ask("{ directories { nodes { id } } }", json!({})).await.data();
        let okta = &directories["directories"]["nodes"][0]["id"];
        assert_eq!(matching(&format!("directoryId: {okta}")).await.len(), 5);
        app.stop();
    }
}

/// `decisions.md` 3: an administrator keeps the user by enabling it.
#[tokio::test(flavor = "multi_thread")]
async fn enabling_brings_a_deprovisioned_user_back_unless_its_name_is_taken() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let acme = app.owned("acme").await;
        let owner = acme.owner.sign_in().await;
        let person = app.member(acme.id, "babs@acme.example", &["analyst"]).await;
        let id = person.sign_in().await.me("user { id }").await["user"]["id"].as_str().expect("an id").to_owned();
        delete(&acme.scim, &id).await;
        let seen = find(&owner, &id).await["version"].as_i64().expect("a version");
        let taker = acme.scim.make_user("babs@acme.example").await;
        assert_eq!(owner.refused("enableUser", by(&id)).await, "USERNAME_TAKEN");
        assert_eq!(find(&owner, &id).await["status"], "DISABLED");
        delete(&acme.scim, &taker).await;
        // Disabling it once more is no error and changes nothing.
        owner.done("disableUser", by(&id), "user { status }").await;
        let stale = json!({"user": {"id": id}, "ifVersion": seen - 1});
        assert_eq!(owner.refused("enableUser", stale).await, "VERSION_CONFLICT");
        let current = json!({"user": {"id": id}, "ifVersion": seen});
        let back = owner.done("enableUser", current, "user { id status localHold { reason } version }").await;
        assert_eq!((&back["user"]["id"], &back["user"]["status"]), (&json!(id), &json!("ACTIVE")));
        assert_eq!(back["user"]["localHold"], Value::Null);
        assert!(back["user"]["version"].as_i64() > Some(seen));
        assert_eq!(last_event(&app, &acme).await.kind, "user.enabled");
        let shown = acme.scim.get(&format!("/Users/{id}")).await.expect(200);
        assert_eq!((&shown["active"], &shown["userName"]), (&json!(true), &json!("babs@acme.example")));
        assert_eq!(acme.scim.count("/Users", "userName eq \"babs@acme.example\"").await, 1);
        let babs = person.sign_in().await;
        assert!(!babs.me("roles { key }").await.to_string().contains("analyst"), "without its roles");
        // It is kept: its time is not over any more.
        app.clock.advance(Duration::from_secs(31 * 24 * 3_600));
        app.service.purge_users().await.expect("purged");
        acme.scim.get(&format!("/Users/{id}")).await.expect(200);
        app.assert_consistent().await;
        app.stop();
    }
}

/// `decisions.md` 3, SC-12.
#[tokio::test(flavor = "multi_thread")]
async fn only_the_same_directory_gets_the_user_back_and_only_if_it_asks_to() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let acme = app.owned("acme").await;
        let owner = acme.owner.sign_in().await;
        let okta = directory(&app, acme.id, "Restoring", restoring()).await;
        let entra = directory(&app, acme.id, "Other", restoring()).await;
        let mut body = user("Ada");
        body["title"] = json!("Countess");
        body["externalId"] = json!("ext-1");
        let id = okta.make("/Users", &body).await;
        let group = okta.make_group("Team", &[&id]).await;
        delete(&okta, &id).await;

        // Another directory's user is another user.
        let other = entra.make_user("ada").await;
        assert_ne!(other, id);
        okta.post("/Users", &user("ada")).await.refused(409, Some("uniqueness"));
        delete(&entra, &other).await;

        let mut again = user("ADA");
        again["nickName"] = json!("A");
        again["externalId"] = json!("ext-2");
        let back = okta.post("/Users", &again).await.expect(201);
        assert_eq!((&back["id"], &back["userName"], &back["active"]), (&json!(id), &json!("ADA"), &json!(true)));
        assert_eq!((&back["nickName"], &back["title"]), (&json!("A"), &Value::Null), "as the request says");
        assert!(back.get("groups").is_none() && okta.member_ids(&group).await.is_empty());
        assert_eq!(okta.get(&format!("/Users/{id}")).await.expect(200)["externalId"], "ext-2");
        assert_eq!(find(&owner, &id).await["localHold"], Value::Null);
        assert_eq!(last_event(&app, &acme).await.kind, "user.restored");
        assert_eq!(okta.get(&filtered("/Users", "userName eq \"ada\"")).await.expect(200)["totalResults"], 1);

        // What an administrator holds, no directory lifts.
        owner.done("disableUser", json!({"user": {"id": id}, "reason": "leave"}), "user { status }").await;
        delete(&okta, &id).await;
        assert_eq!(find(&owner, &id).await["localHold"]["reason"], "DEPROVISIONED");
        let held = okta.post("/Users", &user("ada")).await.expect(201);
        assert_eq!(held["id"], json!(id));
        assert_eq!(held[scim::schema::ROLLCALL_USER]["locallyHeld"], true);
        let shown = find(&owner, &id).await;
        assert_eq!((&shown["status"], &shown["localHold"]["reason"]), (&json!("DISABLED"), &json!("leave")));

        // Without the setting it is a new user.
        let first = acme.scim.make_user("bob").await;
        delete(&acme.scim, &first).await;
        assert_ne!(acme.scim.make_user("bob").await, first);
        app.assert_consistent().await;
        app.stop();
    }
}

/// A person who comes back with the old id signs in with the account that was linked.
#[tokio::test(flavor = "multi_thread")]
async fn a_user_that_its_directory_creates_again_has_its_account() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let okta = directory(&app, acme.id, "Restoring", restoring()).await;
    let person = app.member(acme.id, "babs@acme.example", &[]).await;
    let id = person.sign_in().await.me("user { id }").await["user"]["id"].as_str().expect("an id").to_owned();
    delete(&okta, &id).await;
    assert_eq!(okta.make_user("babs@acme.example").await, id);
    assert_eq!(person.sign_in().await.me("user { id }").await["user"]["id"], json!(id));
    app.assert_consistent().await;
}

/// `decisions.md` 3: purged after the time that deleted users are kept.
#[tokio::test(flavor = "multi_thread")]
async fn a_deprovisioned_user_is_destroyed_after_thirty_days() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let acme = app.owned("acme").await;
        let okta = directory(&app, acme.id, "Restoring", restoring()).await;
        let id = okta.make_user("ada").await;
        delete(&okta, &id).await;
        app.clock.advance(Duration::from_secs(30 * 24 * 3_600 - 1));
        app.service.purge_users().await.expect("purged");
        let owner = acme.owner.sign_in().await;
        assert_eq!(find(&owner, &id).await["status"], "DISABLED");
        app.clock.advance(Duration::from_secs(2));
        app.service.purge_users().await.expect("purged");
        assert_eq!(last_event(&app, &acme).await.kind, "user.purged");
        assert_eq!(find_code(&owner, &id).await.as_deref(), Some("NOT_FOUND"));
        assert_eq!(owner.refused("enableUser", by(&id)).await, "NOT_FOUND");
        assert_eq!(owner.refused("restoreUser", json!({"userId": id})).await, "NOT_FOUND");
        assert_ne!(okta.make_user("ada").await, id);
        app.assert_consistent().await;
        app.stop();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn administrators_can_delete_and_restore_a_deprovisioned_user_and_do_nothing_else_to_it() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let acme = app.owned("acme").await;
        let owner = acme.owner.sign_in().await;
        let id = acme.scim.make_user("ada").await;
        delete(&acme.scim, &id).await;
        let edit = json!({"user": {"id": id}, "title": "Countess"});
        for (name, input) in [
            ("updateUser", edit),
            ("addUserRoles", json!({"user": {"id": id}, "roles": [{"key": "analyst"}]})),
            ("removeMember", by(&id)),
        ] {
            let payload = owner.mutate(name, input, "clientMutationId").await;
            assert_eq!(payload["userErrors"][0]["code"], "NOT_FOUND", "{name}");
            let message = payload["userErrors"][0]["message"].as_str().expect("a message");
            assert!(message.contains("enable the user first"), "{name}: {message}");
        }
        let done = owner.done("deleteUser", by(&id), "deletedUserId purgeAt").await;
        assert_eq!(done["deletedUserId"], json!(id));
        assert!(done["purgeAt"].is_string());
        assert_eq!(last_event(&app, &acme).await.kind, "user.deleted");
        assert_eq!(find_code(&owner, &id).await.as_deref(), Some("NOT_FOUND"));
        let listed = list(&owner, "", "totalCount nodes { id }").await;
        assert_eq!((&listed["totalCount"], ids(&listed).contains(&id)), (&json!(1), false));
        owner.done("restoreUser", json!({"userId": id}), "user { status }").await;
        acme.scim.get(&format!("/Users/{id}")).await.expect(200);
        delete(&acme.scim, &id).await;
        owner.done("restoreUser", json!({"userId": id}), "user { status }").await;
        delete(&acme.scim, &id).await;
        owner.done("deleteUser", json!({"user": {"id": id}, "purge": true}), "deletedUserId").await;
        assert_eq!(owner.refused("restoreUser", json!({"userId": id})).await, "NOT_FOUND");
        app.assert_consistent().await;
        app.stop();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_modes_delete_and_remove_as_before() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    for (mode, restored) in [(DeprovisionMode::Delete, true), (DeprovisionMode::RemoveMember, false)] {
        let settings = DirectorySettings { deprovision_mode: mode, ..restoring() };
        let scim = directory(&app, acme.id, &format!("{mode:?}"), settings).await;
        let id = scim.make_user("ada").await;
        delete(&scim, &id).await;
        assert_eq!(last_event(&app, &acme).await.kind, "user.deleted", "{mode:?}");
        assert_eq!(find_code(&owner, &id).await.as_deref(), Some("NOT_FOUND"), "{mode:?}");
        assert_eq!(owner.refused("enableUser", by(&id)).await, "NOT_FOUND", "{mode:?}");
        let new = scim.make_user("ada").await;
        assert_ne!(new, id, "{mode:?}");
        delete(&scim, &new).await;
        let payload = owner.mutate("restoreUser", json!({"userId": id}), "user { status }").await;
        assert_eq!(payload["user"]["status"] == "DISABLED", restored, "{mode:?}: {payload}");
        if restored {
            owner.done("deleteUser", by(&id), "deletedUserId").await;
        }
    }
}
