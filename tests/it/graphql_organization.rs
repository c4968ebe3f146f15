//! Invitations, directories and the audit trail, as administrators see them.

use rollcall::store::Verdict;
use serde_json::{Value, json};

use crate::support::person::first_code;
use crate::support::{Engine, Person, TestApp, user};

const SENT: &str = "results { email invitation { id state roles { key } sentCount expiresAt connection { name } } userErrors { code path } }";

fn item(email: &str, roles: &[&str]) -> Value {
    let roles: Vec<Value> = roles.iter().map(|key| json!({ "key": key })).collect();
    json!({"email": email, "name": "Babs Jensen", "roles": roles, "connection": null})
}

#[tokio::test(flavor = "multi_thread")]
async fn s1_18_s1_19_s1_20_s3_13_invite_makes_the_user_when_the_invitee_answers() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let acme = app.owned("acme").await;
        let owner = acme.owner.sign_in().await;
        let input = json!({"invitations": [
            item("babs@acme.example", &["analyst"]), item("BABS@acme.example", &[]), item("not an address", &[]),
            item("ada@acme.example", &["nope"]), item(&acme.owner.email, &[]), item("joe@acme.example", &[]),
        ]});
        let results = owner.mutate("invite", input, SENT).await["results"].clone();
        let codes: Vec<&str> = results.as_array().expect("results").iter().map(first_code).collect();
        assert_eq!(
            codes,
            ["", "INVITATION_EXISTS", "INVALID_EMAIL", "NOT_FOUND", "ALREADY_MEMBER", ""],
            "one result an item"
        );
        assert_eq!(results[3]["userErrors"][0]["path"][1], "invitations");
        let users = owner.ask("{ users { totalCount } }", json!({})).await.data();
        assert_eq!(users["users"]["totalCount"], 1, "S1-19: nobody is a user yet");
        let token = app.token_in_mail("babs@acme.example", 1).await;
        let preview =
            "query Look($token: String!) { invitationByToken(token: $token) { email roleNames organizationName } }";
        let seen = owner.signed_out().ask(preview, json!({ "token": token })).await.data();
        assert_eq!(seen["invitationByToken"]["roleNames"], json!(["Analyst"]));
        let input = json!({"token": token, "password": "vK9 pl2 mQz wX7 vals"});
        owner.signed_out().done("acceptInvitation", input.clone(), "user { id }").await;
        let babs = Person::new(&app.url, "babs@acme.example", "vK9 pl2 mQz wX7 vals").sign_in().await;
        assert_eq!(babs.me("roles { key }").await["roles"], json!([{"key": "analyst"}]));
        assert_eq!(owner.signed_out().refused("acceptInvitation", input).await, "TOKEN_USED");
        let id = results[0]["invitation"]["id"].clone();
        let query =
            "query One($id: ID!) { invitation(id: $id) { state acceptedVia acceptedBy { id } inviter { id } } }";
        let one = owner.ask(query, json!({ "id": id })).await.data()["invitation"].clone();
        assert_eq!((&one["state"], &one["acceptedVia"]), (&json!("ACCEPTED"), &json!("LINK")));
        let none = owner.try_mutate("invite", json!({"invitations": []}), SENT).await;
        assert_eq!(first_code(&none.body["data"]["invite"]), "VALIDATION_FAILED", "{}", none.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s1_21_s1_22_c09_a_connection_left_out_is_not_a_connection_of_null() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    let with = |email: &str, connection: Option<Value>| {
        let mut item = item(email, &[]);
        match connection {
            Some(connection) => item["connection"] = connection,
            None => drop(item.as_object_mut().expect("an object").remove("connection")),
        }
        item
    };
    let input = json!({"invitations": [
        with("a@acme.example", None), with("b@acme.example", Some(Value::Null)),
        with("c@acme.example", Some(json!(""))), with("d@acme.example", Some(json!("nobody"))),
    ]});
    let results = owner.mutate("invite", input, SENT).await["results"].clone();
    assert_eq!(results[0]["invitation"]["connection"]["name"], "google-oauth2", "left out: the organization's default");
    assert_eq!(results[1]["invitation"]["connection"], Value::Null, "null: a password");
    assert_eq!(first_code(&results[2]), "VALIDATION_FAILED");
    assert_eq!(first_code(&results[3]), "VALIDATION_FAILED");
    let policy = owner.ask("{ accountPolicy { connections { name strategy displayName } } }", json!({})).await.data();
    assert_eq!(policy["accountPolicy"]["connections"][0]["name"], "google-oauth2", "S1-22");
    app.assert_consistent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_02_in05_invitations_are_sent_again_and_withdrawn() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let acme = app.owned("acme").await;
        let owner = acme.owner.sign_in().await;
        let input = json!({"invitations": [item("babs@acme.example", &[])]});
        let sent = owner.mutate("invite", input.clone(), SENT).await["results"][0]["invitation"].clone();
        let first = app.token_in_mail("babs@acme.example", 1).await;
        app.clock.advance(std::time::Duration::from_secs(8 * 86_400));
        let owner = acme.owner.sign_in().await;
        let state = "{ invitations { totalCount filteredCount nodes { id state } } }";
        assert_eq!(owner.ask(state, json!({})).await.data()["invitations"]["nodes"][0]["state"], "EXPIRED");
        let again = owner
            .done("resendInvitation", json!({"invitationId": sent["id"]}), "invitation { id state sentCount }")
            .await;
        assert_eq!(again["invitation"], json!({"id": sent["id"], "state": "PENDING", "sentCount": 2}), "the same id");
        let second = app.token_in_mail("babs@acme.example", 2).await;
        let accept = |token: &str| json!({"token": token, "password": "vK9 pl2 mQz wX7 vals"});
        assert_eq!(
            owner.signed_out().refused("acceptInvitation", accept(&first)).await,
            "TOKEN_INVALID",
            "the old link is dead"
        );
        let gone =
            owner.done("cancelInvitation", json!({"invitationId": sent["id"]}), "invitation { state endReason }").await;
        assert_eq!(gone["invitation"], json!({"state": "CANCELLED", "endReason": "ADMIN"}));
        assert!(!owner.signed_out().refused("acceptInvitation", accept(&second)).await.is_empty());
        assert_eq!(
            owner.refused("resendInvitation", json!({"invitationId": sent["id"]})).await,
            "INVITATION_NOT_PENDING"
        );
        // Of a user that exists before the invitation: all of them at once, those to their addresses too.
        owner.done("createUser", json!({"userName": "joe", "email": "joe@acme.example"}), "user { id }").await;
        let joe = owner.ask("{ user(by: {userName: \"joe\"}) { id status } }", json!({})).await.data()["user"].clone();
        assert_eq!(joe["status"], "INVITED");
        let sent = owner
            .done(
                "sendInvitations",
                json!({"userIds": [joe["id"]]}),
                "results { invitation { id user { id } } userErrors { code } }",
            )
            .await;
        assert_eq!(sent["results"][0]["invitation"]["user"]["id"], joe["id"]);
        let done = owner
            .done("cancelUserInvitations", json!({"user": {"id": joe["id"]}}), "cancelledCount invitations { state }")
            .await;
        assert_eq!(done["cancelledCount"], 1);
        assert_eq!(done["invitations"][0]["state"], "CANCELLED");
        let plain = app.member(acme.id, "plain@acme.example", &[]).await.sign_in().await;
        let refused = plain.try_mutate("invite", input, SENT).await;
        assert_eq!(refused.code().as_deref(), Some("FORBIDDEN"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in03_twenty_accepts_of_one_invitation_make_one_member() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let acme = app.owned("acme").await;
        let owner = acme.owner.sign_in().await;
        app.invite(acme.id, "babs@acme.example", "Babs", &["analyst"]).await;
        let token = app.token_in_mail("babs@acme.example", 1).await;
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let (who, token) = (owner.signed_out(), token.clone());
            tasks.spawn(async move {
                let input = json!({"token": token, "password": "vK9 pl2 mQz wX7 vals"});
                // Some are told to come back later: hashing has room for a few at a time.
                let answer = who.try_mutate("acceptInvitation", input, "user { id }").await;
                answer.body["data"]["acceptInvitation"]["user"]["id"].is_string()
            });
        }
        let accepted = tasks.join_all().await.into_iter().filter(|accepted| *accepted).count();
        assert_eq!(accepted, 1);
        let users = owner.ask("{ users { totalCount } }", json!({})).await.data();
        assert_eq!(users["users"]["totalCount"], 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in06_an_invitation_gives_no_more_than_its_inviter_could_when_it_is_accepted() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    owner
        .done(
            "createRole",
            json!({"key": "inviter", "name": "Inviter", "permissions": ["user_access_invite", "groups_read"]}),
            "role { id }",
        )
        .await;
    let inviter = app.member(acme.id, "in@acme.example", &["inviter"]).await.sign_in().await;
    let above = json!({"invitations": [item("x@acme.example", &["admin"])]});
    assert_eq!(first_code(&inviter.mutate("invite", above, SENT).await["results"][0]), "INSUFFICIENT_RANK");
    let own = json!({"invitations": [item("y@acme.example", &["inviter"])]});
    assert_eq!(first_code(&inviter.mutate("invite", own, SENT).await["results"][0]), "");
    let token = app.token_in_mail("y@acme.example", 1).await;
    owner.done("disableUser", json!({"user": {"email": "in@acme.example"}}), "user { status }").await;
    let accept = json!({"token": token, "password": "vK9 pl2 mQz wX7 vals"});
    let code = owner.signed_out().refused("acceptInvitation", accept).await;
    assert!(["INVITATION_NOT_PENDING", "INSUFFICIENT_RANK"].contains(&code.as_str()), "{code}");
    app.assert_consistent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn m6_directories_are_kept_over_graphql() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let acme = app.owned("acme").await;
        let owner = acme.owner.sign_in().await;
        let input =
            json!({"displayName": "Entra", "dialect": "ENTRA", "settings": {"attributeAuthority": "REQUESTED"}});
        let made = owner
            .done(
                "createDirectory",
                input,
                "secret token { id state } directory { id baseUrl isEnabled dialect settings { deprovisionMode } }",
            )
            .await;
        let scim = acme.scim.with_token(made["secret"].as_str());
        let id = made["directory"]["id"].clone();
        assert!(made["directory"]["baseUrl"].as_str().expect("a URL").ends_with("/scim/v2"));
        let ada = scim.make("/Users", &user("ada")).await;
        let group = scim.make("/Groups", &json!({"displayName": "Engineers", "members": [{"value": ada}]})).await;
        assert_eq!(owner.refused("createDirectory", json!({"displayName": "ENTRA"})).await, "NAME_TAKEN");
        // What its groups give: added and taken with the mapping, and nothing else is touched.
        let who = json!({"userName": "ada"});
        owner.done("addUserRoles", json!({"user": who, "roles": [{"key": "analyst"}]}), "added { key }").await;
        owner.done("createGroup", json!({"name": "Local"}), "group { id }").await;
        let mapping = |rows: Value| json!({"directoryId": id, "mappings": rows});
        let rows = json!([{"directoryGroupId": group, "role": {"key": "developer"}, "group": {"name": "Local"}}]);
        let set = owner.done("setGroupRoleMappings", mapping(rows.clone()), "grantsAdded grantsRemoved directory { groupRoleMappings { position role { key } group { name } directoryGroup { name } } }").await;
        assert_eq!((&set["grantsAdded"], &set["grantsRemoved"]), (&json!(1), &json!(0)), "one person");
        let roles = async || {
            let found = owner.ask("{ user(by: {userName: \"ada\"}) { roleGrants { source role { key } } groups { nodes { name } } } }", json!({})).await.data();
            let grants = found["user"]["roleGrants"].as_array().expect("grants").clone();
            let mut told: Vec<String> = grants
                .iter()
                .map(|grant| format!("{} {}", grant["source"], grant["role"]["key"]).replace('"', ""))
                .collect();
            told.sort();
            (told, found["user"]["groups"]["nodes"].to_string())
        };
        let (told, groups) = roles().await;
        assert_eq!(told, ["DIRECT analyst", "DIRECTORY_MAPPING developer"]);
        assert!(groups.contains("Local") && groups.contains("Engineers"), "{groups}");
        let set = owner.done("setGroupRoleMappings", mapping(json!([])), "grantsRemoved").await;
        assert_eq!(set["grantsRemoved"], 1);
        assert_eq!(roles().await.0, ["DIRECT analyst"]);
        let owns = json!([{"directoryGroupId": group, "role": {"key": "owner"}}]);
        assert_eq!(
            owner.refused("setGroupRoleMappings", mapping(owns)).await,
            "RESERVED_ROLE",
            "a directory gives no ownership"
        );
        // Attributes that the directory wrote are refused here, its name is told, and that is said beforehand.
        scim.patch(&format!("/Users/{ada}"), json!([{"op": "replace", "path": "title", "value": "Engineer"}]))
            .await
            .expect(200);
        let payload = owner.mutate("updateUser", json!({"user": who, "title": "x"}), "user { id }").await;
        assert_eq!(first_code(&payload), "MANAGED_BY_DIRECTORY");
        assert_eq!(payload["userErrors"][0]["params"]["owner"], "Entra");
        let fields = owner.ask("{ user(by: {userName: \"ada\"}) { fieldCapabilities { field isEditable reason managedBy { displayName } } } }", json!({})).await.data();
        let title = fields["user"]["fieldCapabilities"]
            .as_array()
            .expect("fields")
            .iter()
            .find(|field| field["field"] == "title")
            .cloned();
        let expected = json!({"field": "title", "isEditable": false, "reason": "MANAGED_BY_DIRECTORY", "managedBy": {"displayName": "Entra"}});
        assert_eq!(title, Some(expected));
        // A new token, the old one until the grace is over; off is off.
        let rotated = owner
            .done("rotateDirectoryToken", json!({"directoryId": id, "graceSeconds": 60}), "secret token { id }")
            .await;
        let next = scim.with_token(rotated["secret"].as_str());
        assert_eq!((scim.get("/Users").await.status, next.get("/Users").await.status), (200, 200));
        app.clock.advance(std::time::Duration::from_secs(61));
        assert_eq!((scim.get("/Users").await.status, next.get("/Users").await.status), (401, 200));
        let owner = acme.owner.sign_in().await;
        owner.done("updateDirectory", json!({"directoryId": id, "isEnabled": false}), "directory { isEnabled }").await;
        assert_eq!(next.get("/Users").await.status, 403);
        owner.done("updateDirectory", json!({"directoryId": id, "isEnabled": true}), "directory { isEnabled }").await;
        owner.done("revokeDirectoryToken", json!({"tokenId": rotated["token"]["id"]}), "token { state }").await;
        assert_eq!(next.get("/Users").await.status, 401);
        let version = async || {
            let answer = owner.ask("{ user(by: {userName: \"ada\"}) { version } }", json!({})).await.data();
            answer["user"]["version"].as_i64().expect("a version")
        };
        let before = version().await;
        let gone = owner
            .done("deleteDirectory", json!({"directoryId": id}), "deletedDirectoryId usersReleased groupsReleased")
            .await;
        assert_eq!((&gone["usersReleased"], &gone["groupsReleased"]), (&json!(1), &json!(1)));
        assert_eq!(version().await, before + 1, "whoever read it before does not write back whose it was");
        owner.done("updateUser", json!({"user": who, "title": "free"}), "user { title }").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_16_s3_20_lg04_anonymising_destroys_personal_values_and_the_trail_still_verifies() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("surrealkv://{}/store?sync=every", folder.path().display());
    let app = TestApp::start_at(&url).await;
    let acme = app.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    let canary = "zyxwcanary";
    let babs = app.member(acme.id, &format!("{canary}@acme.example"), &["analyst"]).await.sign_in().await;
    let id = babs.me("user { id }").await["user"]["id"].clone();
    babs.done("updateMe", json!({"givenName": format!("Given{canary}"), "title": format!("T{canary}")}), "user { id }")
        .await;
    owner
        .done("updateUser", json!({"user": {"id": id}, "email": format!("new{canary}@acme.example")}), "user { email }")
        .await;
    let history = "query Of($id: ID!) { node(id: $id) { ... on User { auditEvents { nodes { type changes { field before after } } } } } }";
    let seen = owner.ask(history, json!({ "id": id })).await.data().to_string();
    assert!(seen.contains("user.email_changed") && seen.contains(canary), "S3-16: {seen}");
    let own = owner.me("user { id }").await["user"]["id"].clone();
    let unknown = "01900000-0000-7000-8000-000000000000";
    let input = |ids: Value, confirmation: &str| json!({"userIds": ids, "confirmation": confirmation});
    let ids = json!([id, unknown, own]);
    assert_eq!(owner.refused("anonymizeUsers", input(ids.clone(), "yes")).await, "CONFIRMATION_REQUIRED");
    let selection = "anonymizedUserIds results { userId isAnonymized userErrors { code } }";
    let done = owner.mutate("anonymizeUsers", input(ids, "ANONYMIZE"), selection).await;
    assert_eq!(done["anonymizedUserIds"], json!([id]), "{done}");
    let codes: Vec<&str> = done["results"].as_array().expect("results").iter().map(first_code).collect();
    assert_eq!(codes, ["", "NOT_FOUND", "LAST_OWNER"], "in the order asked");
    assert!(!babs.is_in().await);
    let query = "{ auditEvents(first: 100) { nodes { type changes { field before after } target { nodeId } } } }";
    let trail = owner.ask(query, json!({})).await.data().to_string();
    assert!(!trail.to_lowercase().contains(canary) && trail.contains("user.anonymized"));
    let again = owner.done("anonymizeUsers", input(json!([id]), "ANONYMIZE"), selection).await;
    assert_eq!(again["results"][0]["isAnonymized"], true, "true as well if it was before");
    let query = "{ auditEvents(first: 100) { nodes { type actor { ... on User { id displayName status } }
        target { typeName nodeId node { ... on User { displayName status } } } } } }";
    let trail = owner.ask(query, json!({})).await.data()["auditEvents"]["nodes"].clone();
    let nameless = json!({"displayName": "deleted user", "status": "ANONYMIZED"});
    let of =
        |kind: &str| trail.as_array().expect("events").iter().find(|event| event["type"] == kind).expect("an event");
    assert_eq!(of("user.anonymized")["target"]["node"], nameless, "id and history stay");
    let mut actor = nameless.clone();
    actor["id"] = id.clone();
    assert_eq!(of("user.updated")["actor"], actor);
    assert_eq!(
        owner.ask("query One($id: ID!) { node(id: $id) { id } }", json!({ "id": id })).await.data()["node"],
        Value::Null
    );
    let operator = rollcall::domain::Caller::operator(None);
    let verdict = app.service.verify_audit_trail(&operator, Some(acme.id), &|_| {}).await.expect("read");
    assert!(matches!(verdict, Verdict::Whole { .. }), "{verdict:?}");
    app.stop();
    let exported = crate::graphql_security::export(&url).await.to_lowercase();
    assert!(exported.contains("owner@acme.example"), "it is the whole");
    let found =
        exported.lines().find(|line| line.contains(canary)).map(|line| line.chars().take(600).collect::<String>());
    assert_eq!(found, None, "nothing of the person is left");
}
