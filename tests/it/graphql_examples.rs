//! The example operations that front ends send, as they are written, against the sample data of the demo.

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Person, TestApp};

/// The operations that front ends send, by name.
fn examples() -> HashMap<String, String> {
    operations("tests/fixtures/examples.graphql").into_iter().collect()
}

/// The operations of a file with their names, in its order.
fn operations(file: &str) -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = std::fs::read_to_string(path).expect("the examples");
    let mut found = Vec::new();
    let mut current = String::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        current.push_str(line);
        current.push('\n');
        if line == "}" {
            let name =
                current.split_whitespace().nth(1).expect("a name").split(['(', '{']).next().expect("a name").to_owned();
            found.push((name, std::mem::take(&mut current).trim().to_owned()));
        }
    }
    found
}

/// D, "GraphiQL": the tabs of GraphiQL, one after the other, as they stand. Only the password has to be filled in: the demo
/// prints it.
#[tokio::test(flavor = "multi_thread")]
async fn every_tab_of_graphiql_runs_on_the_demo_as_it_stands() {
    let app = TestApp::start().await;
    let acme = app.sample("acme").await;
    acme.scim.post("/Users", &crate::support::user("ada@acme.example")).await.refused(409, Some("uniqueness"));
    let tabs = operations("web/examples.graphql");
    let names: Vec<&str> = tabs.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!((names.first(), names.contains(&"RefusedByScim")), (Some(&"SignIn"), true));
    assert!((10..=14).contains(&tabs.len()), "a dozen: {names:?}");
    let mut person = acme.owner.signed_out();
    for (name, tab) in &tabs {
        let variables = match name.as_str() {
            "SignIn" => json!({"email": acme.owner.email, "password": acme.owner.password}),
            _ => json!({}),
        };
        let data = person.ask(tab, variables).await.data();
        for payload in data.as_object().expect("data").values() {
            assert!(payload.get("userErrors").is_none_or(|errors| errors == &json!([])), "{name}: {payload}");
            assert!(!payload.is_null(), "{name}");
        }
        match name.as_str() {
            "SignIn" => person = person.with_session(&data["login"]["session"]),
            "FindUsers" => assert!(data["users"]["nodes"].as_array().is_some_and(|users| users.len() > 5), "{data}"),
            "OneUser" => assert_eq!(data["user"]["displayName"], "Ada Lovelace"),
            "ChangeUser" => assert_eq!(data["updateUserGroups"]["added"], json!([{"name": "Research"}])),
            "GroupMembers" => assert_eq!(data["group"]["memberCount"], 3),
            "RefusedByScim" => assert_eq!(data["provisioningEvents"]["nodes"][0]["status"], 409, "{data}"),
            _ => {}
        }
    }
}

/// D, "GraphiQL": the comments are for people who use the API.
#[test]
fn the_comments_of_the_tabs_are_plain() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("web/examples.graphql");
    let text = std::fs::read_to_string(path).expect("the examples");
    for line in text.lines().filter(|line| line.starts_with('#')) {
        let is_number = |word: &str| {
            let mut letters = word.chars();
            letters.next().is_some_and(|letter| letter.is_ascii_uppercase())
                && letters.next().is_some_and(|letter| letter.is_ascii_digit())
        };
        assert!(!line.split(' ').any(is_number), "a number of a requirement: {line}");
    }
}

struct Tour {
    person: Person,
    examples: HashMap<String, String>,
    ran: Vec<String>,
}

impl Tour {
    async fn run(&mut self, name: &str, variables: Value) -> Value {
        self.ran.push(name.to_owned());
        let data = self.person.ask(&self.examples[name], variables).await.data();
        for payload in data.as_object().expect("data").values() {
            assert!(payload.get("userErrors").is_none_or(|errors| errors == &json!([])), "{name}: {payload}");
        }
        data
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_of_ones_own_account_runs_as_it_is_written() {
    let app = TestApp::start().await;
    let acme = app.sample("acme").await;
    let globex = app.owned("globex").await;
    let mut tour = Tour { person: acme.owner.clone(), examples: examples(), ran: Vec::new() };

    let signed_in = tour.run("SignIn", json!({"email": acme.owner.email, "password": acme.owner.password})).await;
    tour.person = acme.owner.with_session(&signed_in["login"]["session"]);
    let me = tour.run("WhoAmI", json!({})).await;
    assert_eq!(
        (&me["me"]["principal"]["__typename"], &me["me"]["organization"]["shortName"]),
        (&json!("User"), &json!("acme"))
    );
    assert_eq!(me["me"]["capabilities"]["fields"].as_array().map(Vec::len), Some(10));
    let security = tour.run("MySecurity", json!({})).await;
    assert_eq!(
        (&security["me"]["logins"][0]["isCurrent"], &security["me"]["emails"]["totalCount"]),
        (&json!(true), &json!(1))
    );

    let begun = tour.run("BeginAuthenticator", json!({})).await;
    let seed = data_encoding::BASE32_NOPAD
        .decode(begun["beginTotpEnrollment"]["secret"].as_str().expect("a secret").as_bytes())
        .expect("base 32");
    let code = |app: &TestApp| crate::graphql_mfa::code(&seed, app.clock.now());
    let confirmed = tour.run("ConfirmAuthenticator", json!({"code": code(&app)})).await;
    assert_eq!(confirmed["confirmTotpEnrollment"]["recoveryCodes"].as_array().map(Vec::len), Some(10));
    tour.person = tour.person.with_session(&confirmed["confirmTotpEnrollment"]["session"]);
    app.clock.advance(std::time::Duration::from_secs(30));
    let challenged = tour.run("SignIn", json!({"email": acme.owner.email, "password": acme.owner.password})).await;
    let token = &challenged["login"]["challenge"]["token"];
    let answered = tour.run("AnswerChallenge", json!({"challengeToken": token, "code": code(&app)})).await;
    let device = answered["verifyMfa"]["trustedDevice"]["id"].clone();
    assert!(device.is_string());
    let refreshed =
        tour.run("RefreshTokens", json!({"refreshToken": answered["verifyMfa"]["session"]["refreshToken"]})).await;
    let other = acme.owner.with_session(&refreshed["refreshSession"]["session"]);

    tour.run("AddAddress", json!({"email": "second@acme.example"})).await;
    let changed = tour.run("UpdateMyProfile", json!({})).await;
    assert_eq!(changed["updateMe"]["pendingEmail"]["address"], "babs@example.com");
    tour.run("UpdateMySettings", json!({})).await;
    let id = me["me"]["user"]["id"].clone();
    let refetched = tour.run("Refetch", json!({ "id": id })).await;
    assert_eq!((&refetched["node"]["__typename"], &refetched["node"]["status"]), (&json!("User"), &json!("ACTIVE")));
    for own in [
        &device,
        &security["me"]["logins"][0]["id"],
        &security["me"]["emails"]["nodes"][0]["id"],
        &confirmed["confirmTotpEnrollment"]["factor"]["id"],
        &me["me"]["organization"]["id"],
        &me["me"]["roles"][0]["id"],
    ] {
        assert_eq!(&tour.run("Refetch", json!({ "id": own })).await["node"]["id"], own);
    }
    for none in ["", "x", "01900000-0000-7000-8000-000000000000", &globex.id.to_string()] {
        assert!(tour.run("Refetch", json!({ "id": none })).await["node"].is_null(), "TN-04: {none}");
    }
    let ended = tour.run("RevokeTrustedDevice", json!({"trustedDeviceId": device})).await;
    assert_eq!(ended["revokeTrustedDevice"]["loginsRevoked"], 0);
    let login = other.login_id().await;
    assert_eq!(tour.run("RevokeLogin", json!({"loginId": login})).await["revokeLogin"]["login"]["state"], "REVOKED");
    app.invite(globex.id, &acme.owner.email, "Guest", &["member"]).await;
    let invitation = app.latest_token(&acme.owner.email, "rci_").await;
    tour.person.done("acceptInvitation", json!({"token": invitation}), "user { id }").await;
    let switched = tour.run("SwitchOrganization", json!({"shortName": "globex"})).await;
    tour.person = tour.person.with_session(&switched["switchOrganization"]["session"]);
    let new = "wX7 vals vK9 pl2 mQz";
    let changed = tour.run("ChangeMyPassword", json!({"current": acme.owner.password, "new": new})).await;
    tour.person = tour.person.with_session(&changed["changePassword"]["session"]);

    let babs = app.member(acme.id, "babs@acme.example", &["member"]).await.sign_in().await;
    let babs_id = babs.me("user { id }").await["user"]["id"].clone();
    let back = tour
        .person
        .done(
            "switchOrganization",
            json!({"organization": {"shortName": "acme"}}),
            "session { accessToken refreshToken }",
        )
        .await;
    tour.person = tour.person.with_session(&back["session"]);
    tour.run("ResetMfa", json!({"userId": babs_id})).await;
    app.invite(acme.id, "bob@example.com", "Bob Moe", &["analyst"]).await;
    let token = app.token_in_mail("bob@example.com", 1).await;
    tour.person = tour.person.signed_out();
    assert_eq!(
        tour.run("InvitationPage", json!({"token": token})).await["invitationByToken"]["email"],
        "bob@example.com"
    );
    let joined = tour.run("AcceptInvitation", json!({"token": token, "password": new})).await;
    tour.person = tour.person.with_session(&joined["acceptInvitation"]["session"]);
    tour.run("SignOutEverywhere", json!({})).await;
    assert!(!tour.person.is_in().await);

    let mut left: Vec<&str> =
        tour.examples.keys().map(String::as_str).filter(|name| !tour.ran.iter().any(|ran| ran == name)).collect();
    left.sort_unstable();
    assert_eq!(left, ADMINISTRATION, "each is in one of the two tours");
}

/// Examples that administrators send.
const ADMINISTRATION: &[&str] = &[
    "AddressChanges",
    "AnonymizeUsers",
    "CancelInvitationsOfUser",
    "ChangeGroups",
    "ConnectOkta",
    "CreateBuildBot",
    "CreateHelpdeskRole",
    "CreateUser",
    "DeleteUser",
    "DisableUser",
    "EditUser",
    "GroupMembers",
    "InvitationById",
    "InvitePeople",
    "MapDirectoryGroups",
    "PutIntoGroup",
    "RefusedByScim",
    "RemoveMember",
    "ResetPassword",
    "RolesByUse",
    "RotateDirectoryToken",
    "SearchUsers",
    "SendPasswordReset",
    "SetGroups",
    "SetRoles",
    "UserByName",
    "UsersByNumber",
    "UsersPage",
];

#[tokio::test(flavor = "multi_thread")]
async fn every_example_of_administration_runs_as_it_is_written() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let mut tour = Tour { person: acme.owner.sign_in().await, examples: examples(), ran: Vec::new() };
    for name in ["platform", "on-call"] {
        tour.person.done("createGroup", json!({ "name": name }), "group { id }").await;
    }
    let created = tour.run("CreateUser", json!({})).await;
    let carol = created["createUser"]["user"]["id"].clone();
    let edited = tour.run("EditUser", json!({"userName": "carol", "version": 1})).await;
    assert_eq!(edited["updateUserProfile"]["user"]["fullName"], "Carol Ng");
    let page = tour.run("UsersPage", json!({"first": 100})).await;
    assert_eq!(page["users"]["totalCount"], 2);
    tour.run("UsersByNumber", json!({"number": 1, "size": 100})).await;
    let found = tour.run("SearchUsers", json!({"name": "carol"})).await;
    assert_eq!(found["users"]["nodes"][0]["id"], carol);
    tour.run("UserByName", json!({"userName": "carol"})).await;
    let invited = tour.run("InvitePeople", json!({})).await;
    let invitation = invited["invite"]["results"][1]["invitation"]["id"].clone();
    tour.run("InvitationById", json!({ "id": invitation })).await;
    tour.run("CancelInvitationsOfUser", json!({ "userId": carol })).await;
    tour.run("ResetMfa", json!({ "userId": carol })).await;
    tour.run("ResetPassword", json!({ "userId": carol })).await;
    let babs = app.member(acme.id, "babs@acme.example", &[]).await.sign_in().await;
    tour.run("SendPasswordReset", json!({"email": "babs@acme.example"})).await;
    let set = tour.run("SetRoles", json!({ "userId": carol })).await;
    assert_eq!(set["setUserRoles"]["added"], json!([{"key": "admin"}]));
    let changed = tour.run("ChangeGroups", json!({"userName": "carol"})).await;
    assert_eq!(changed["updateUserGroups"]["removed"], json!([]), "removal wins");
    tour.run("SetGroups", json!({"userName": "carol"})).await;
    let roles = tour.run("RolesByUse", json!({})).await;
    assert_eq!(roles["roles"]["nodes"].as_array().map(Vec::len), Some(5));
    tour.run("CreateHelpdeskRole", json!({})).await;
    let group = tour.run("GroupMembers", json!({"name": "platform"})).await["group"].clone();
    assert_eq!(group["memberCount"], 1);
    tour.run("PutIntoGroup", json!({"groupId": group["id"], "userId": carol})).await;
    tour.run("CreateBuildBot", json!({})).await;
    // The one that came with the organization has the name of the example's.
    let others = tour.person.ask("{ directories { nodes { id } } }", json!({})).await.data();
    let other = others["directories"]["nodes"][0]["id"].clone();
    tour.person.done("deleteDirectory", json!({ "directoryId": other }), "deletedDirectoryId").await;
    let okta = tour.run("ConnectOkta", json!({})).await["createDirectory"].clone();
    let scim = acme.scim.with_token(okta["secret"].as_str());
    let engineers = scim.make("/Groups", &json!({"displayName": "Engineers"})).await;
    scim.post("/Groups", &json!({"displayName": "engineers"})).await.refused(409, Some("uniqueness"));
    let directory = okta["directory"]["id"].clone();
    tour.run("RotateDirectoryToken", json!({ "directoryId": directory })).await;
    let mapped = json!({"directoryId": directory, "directoryGroupId": engineers});
    tour.run("MapDirectoryGroups", mapped).await;
    let refused = tour.run("RefusedByScim", json!({ "directoryId": directory })).await;
    assert_eq!(refused["provisioningEvents"]["nodes"][0]["status"], 409);
    let changes = tour.run("AddressChanges", json!({"from": null})).await;
    assert_eq!(changes["auditEvents"]["nodes"][0]["target"]["nodeId"], carol);
    tour.run("DisableUser", json!({ "userId": carol })).await;
    let babs = babs.me("user { id }").await["user"]["id"].clone();
    tour.run("RemoveMember", json!({ "userId": babs })).await;
    tour.run("DeleteUser", json!({"userName": "carol"})).await;
    tour.run("AnonymizeUsers", json!({"userIds": [carol]})).await;
    let missing: Vec<&&str> = ADMINISTRATION.iter().filter(|name| !tour.ran.iter().any(|ran| ran == *name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
