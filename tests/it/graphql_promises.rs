//! Promises of the systems before us that are easily half kept, each asked for through the router.

use serde_json::{Value, json};

use crate::cli::{Running, json as json_of, rollcall};
use crate::graphql_connections::{self, ADA, World};
use crate::support::{Engine, Owned, Person, TestApp, front_end};

async fn world() -> (TestApp, Owned, Person) {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    (app, acme, owner)
}

/// `decisions.md` 16.
#[tokio::test(flavor = "multi_thread")]
async fn impersonation_has_a_key_and_can_be_granted_to_nobody() {
    let (_app, _acme, owner) = world().await;
    let listed = owner.ask("{ permissions { key description isSystemOnly isGrantable } }", json!({})).await.data();
    let listed = listed["permissions"].as_array().expect("permissions").clone();
    let one = listed.iter().find(|one| one["key"] == "user_impersonate").expect("the key is kept");
    assert_eq!((&one["isSystemOnly"], &one["isGrantable"]), (&json!(true), &json!(false)));
    assert!(one["description"].as_str().is_some_and(|text| text.contains("cannot be granted")), "{one}");
    let role = json!({"key": "actor", "name": "Actor", "permissions": ["audit_read", "user_impersonate"]});
    let refused = owner.mutate("createRole", role, "role { id }").await;
    assert_eq!(refused["userErrors"][0]["code"], "VALIDATION_FAILED");
    assert_eq!(refused["userErrors"][0]["path"], json!(["input", "permissions", "1"]));
    let token = json!({"name": "t", "scopes": ["user_impersonate"]});
    assert_eq!(owner.refused("createPersonalToken", token).await, "VALIDATION_FAILED");
    let bot = json!({"userName": "bot", "roles": [{"key": "analyst"}], "token": {"name": "t", "scopes": ["user_impersonate"]}});
    assert_eq!(owner.refused("createServiceAccount", bot).await, "VALIDATION_FAILED");
    assert_eq!(listed.iter().filter(|one| one["isSystemOnly"] == true).count(), 1, "{listed:?}");
}

/// S4-17, S4-19: what only people have is refused with what to use instead.
#[tokio::test(flavor = "multi_thread")]
async fn s4_a_service_account_is_told_what_to_use_in_place_of_logins_and_settings() {
    let (app, _acme, owner) = world().await;
    let made = json!({"userName": "bot", "roles": [{"key": "analyst"}], "token": {"name": "first", "scopes": ["groups_read"]}});
    let made = owner.done("createServiceAccount", made, "secret token { id } serviceAccount { id }").await;
    let bot = owner.with_token(made["secret"].as_str().expect("shown once"));
    let answer = bot.ask("{ me { settings { theme } token { id } } }", json!({})).await;
    assert_eq!(answer.code().as_deref(), Some("PROTECTED_ACCOUNT"), "{}", answer.body);
    assert_eq!(answer.body["errors"][0]["path"], json!(["me", "settings"]));
    assert_eq!(answer.body["errors"][0]["extensions"]["params"]["useInstead"], "updateServiceAccount");
    assert_eq!(answer.body["data"]["me"]["settings"], Value::Null);
    assert_eq!(answer.body["data"]["me"]["token"]["id"], made["token"]["id"], "the rest is answered");
    for (operation, input, instead) in [
        ("updateMySettings", json!({"theme": "DARK"}), "updateServiceAccount"),
        ("revokeLogins", json!({}), "revokeToken"),
        ("revokeTrustedDevices", json!({}), "revokeToken"),
    ] {
        let refused = bot.mutate(operation, input, "clientMutationId").await;
        assert_eq!(refused["userErrors"][0]["code"], "PROTECTED_ACCOUNT", "{operation}");
        assert_eq!(refused["userErrors"][0]["params"]["useInstead"], instead, "{operation}");
    }
    let second =
        json!({"serviceAccount": {"id": made["serviceAccount"]["id"]}, "name": "second", "scopes": ["groups_read"]});
    let second = owner.done("createApiToken", second, "secret token { id }").await;
    let tokens = bot.me("tokens { id state }").await["tokens"].clone();
    assert_eq!(tokens.as_array().map(Vec::len), Some(2), "its own tokens are listed: {tokens}");
    let input = json!({"tokenId": second["token"]["id"]});
    let ended = bot.done("revokeToken", input, "token { id state }").await;
    assert_eq!(ended["token"], json!({"id": second["token"]["id"], "state": "REVOKED"}));
    assert!(!owner.with_token(second["secret"].as_str().expect("shown once")).is_in().await);
    bot.done("revokeToken", json!({"tokenId": made["token"]["id"]}), "token { state }").await;
    assert!(!bot.is_in().await, "its very own too");
    app.assert_consistent().await;
}

/// S4-11, S4-13, S4-15.
#[tokio::test(flavor = "multi_thread")]
async fn s4_11_exactly_these_groups_beside_those_that_a_directory_keeps() {
    let (app, acme, owner) = world().await;
    let ada = acme.scim.make_user("ada").await;
    acme.scim.make_group("Okta Team", &[&ada]).await;
    acme.scim.make_group("Okta Others", &[]).await;
    for name in ["Local", "Other"] {
        owner.done("createGroup", json!({"name": name}), "group { id }").await;
    }
    let edit = |mut input: Value| {
        input["user"] = json!({"userName": "ada"});
        input
    };
    let selection = "added { name } removed { name } keptByDirectory { name }";
    let set = owner.done("updateUserGroups", edit(json!({"set": [{"name": "Local"}]})), selection).await;
    assert_eq!(set["added"], json!([{"name": "Local"}]));
    assert_eq!(set["keptByDirectory"], json!([{"name": "Okta Team"}]), "named, not refused");
    let both = json!({"set": [{"name": "Other"}, {"name": "Okta Team"}]});
    let set = owner.done("updateUserGroups", edit(both), selection).await;
    assert_eq!((&set["added"], &set["removed"]), (&json!([{"name": "Other"}]), &json!([{"name": "Local"}])));
    assert_eq!(set["keptByDirectory"], json!([]), "set names it");
    for empty in [json!({}), json!({"add": [], "remove": []})] {
        let nothing = owner.done("updateUserGroups", edit(empty), selection).await;
        assert_eq!(nothing["added"], json!([]));
        assert_eq!(nothing["removed"], json!([]), "an empty call changes nothing");
    }
    for (input, argument) in [
        (json!({"remove": [{"name": "Okta Team"}]}), "remove"),
        (json!({"add": [{"name": "Okta Others"}]}), "add"),
        (json!({"set": [{"name": "Okta Others"}]}), "set"),
    ] {
        let refused = owner.mutate("updateUserGroups", edit(input), selection).await;
        assert_eq!(refused["userErrors"][0]["code"], "MANAGED_BY_DIRECTORY", "{argument}");
        assert_eq!(refused["userErrors"][0]["path"], json!(["input", argument]));
    }
    let none = owner.done("updateUserGroups", edit(json!({"set": []})), selection).await;
    assert_eq!(
        (&none["removed"], &none["keptByDirectory"]),
        (&json!([{"name": "Other"}]), &json!([{"name": "Okta Team"}]))
    );
    let listed = owner.ask("{ user(by: {userName: \"ada\"}) { groups { nodes { name } } } }", json!({})).await.data();
    assert_eq!(listed["user"]["groups"]["nodes"], json!([{"name": "Okta Team"}]), "what is stored");
    app.assert_consistent().await;
}

/// S0-24: permanent means that no directory stands in the way, and that its next write is announced.
#[tokio::test(flavor = "multi_thread")]
async fn s0_24_a_user_whom_a_directory_has_active_is_deleted_with_a_warning() {
    let (app, acme, owner) = world().await;
    let ada = acme.scim.make_user("ada").await;
    let by_name = json!({"user": {"userName": "ada"}});
    let selection = "deletedUserId purgeAt warning";
    assert_eq!(owner.refused("removeMember", by_name.clone()).await, "MANAGED_BY_DIRECTORY", "S1-12 stays as it is");
    let done = owner.done("deleteUser", by_name.clone(), selection).await;
    assert_eq!(done["deletedUserId"], json!(ada));
    let warning = done["warning"].as_str().expect("a warning");
    assert!(warning.contains("Okta") && warning.contains("create the user again"), "{warning}");
    acme.scim.get(&format!("/Users/{ada}")).await.refused(404, None);
    let again = acme.scim.make_user("ada").await;
    assert_ne!(again, ada, "the name is free, the id is not used again");
    let inactive = json!([{"op": "replace", "path": "active", "value": false}]);
    acme.scim.patch(&format!("/Users/{again}"), inactive).await;
    let done = owner.done("deleteUser", by_name, selection).await;
    assert_eq!(done["warning"], Value::Null, "the directory has let go");
    owner.done("createUser", json!({"userName": "local"}), "user { id }").await;
    let done = owner.done("deleteUser", json!({"user": {"userName": "local"}}), selection).await;
    assert_eq!(done["warning"], Value::Null);
    app.assert_consistent().await;
}

/// S0-12, S0-15: all of them, counted and paged; the lists stay, deprecated (`decisions.md` 16).
#[tokio::test(flavor = "multi_thread")]
async fn s0_12_logins_and_trusted_devices_are_counted_and_paged() {
    let (app, acme, owner) = world().await;
    let babs = app.member(acme.id, "babs@acme.example", &[]).await;
    let mut latest = babs.clone();
    for device in ["phone", "tablet", "desk"] {
        app.clock.advance(std::time::Duration::from_secs(2));
        latest = babs.on(device).sign_in().await;
    }
    let page =
        "edges { cursor node { deviceId isCurrent } } nodes { deviceId } totalCount pageInfo { hasNextPage endCursor }";
    let first = latest.me(&format!("loginConnection(first: 2) {{ {page} }}")).await["loginConnection"].clone();
    let total = first["totalCount"].as_i64().expect("counted");
    assert!(total >= 3, "{first}");
    assert_eq!(first["nodes"], json!([{"deviceId": "desk"}, {"deviceId": "tablet"}]), "latest use first");
    assert_eq!(first["edges"][0]["node"]["isCurrent"], true);
    assert_eq!(first["pageInfo"]["hasNextPage"], true);
    let after = first["pageInfo"]["endCursor"].as_str().expect("a cursor");
    let rest = latest.me(&format!("loginConnection(after: \"{after}\") {{ {page} }}")).await["loginConnection"].clone();
    assert_eq!(rest["nodes"].as_array().map(Vec::len), usize::try_from(total - 2).ok(), "joined they are all");
    assert_eq!(rest["nodes"][0]["deviceId"], "phone");
    let other = format!("{{ me {{ loginConnection(state: REVOKED, after: \"{after}\") {{ totalCount }} }} }}");
    assert_eq!(latest.refused_code(&other).await.as_deref(), Some("INVALID_CURSOR"), "a cursor belongs to its list");
    latest.done("revokeLogin", json!({"loginId": latest.login_id().await}), "login { id }").await;
    let seen = "user(by: {email: \"babs@acme.example\"}) { loginConnection { totalCount } ended: loginConnection(state: REVOKED) { totalCount } \
        trustedDeviceConnection { totalCount nodes { id } } }";
    let seen = owner.ask(&format!("{{ {seen} }}"), json!({})).await.data()["user"].clone();
    assert_eq!(seen["loginConnection"]["totalCount"], json!(total - 1));
    assert_eq!(seen["ended"]["totalCount"], 1);
    assert_eq!(seen["trustedDeviceConnection"], json!({"totalCount": 0, "nodes": []}));
    let analyst = app.member(acme.id, "ann@acme.example", &["analyst"]).await.sign_in().await;
    let query = "{ user(by: {email: \"babs@acme.example\"}) { loginConnection { totalCount } } }";
    assert_eq!(analyst.refused_code(query).await.as_deref(), Some("FORBIDDEN"), "user_sessions_manage");
    let sdl = rollcall::api::graphql::sdl();
    assert_eq!(sdl.matches("use `loginConnection`").count(), 2, "me and user");
    assert_eq!(sdl.matches("use `trustedDeviceConnection`").count(), 2);
}

/// S3-08, S3-09: "all organizations joined by this user", for whoever may know them.
#[tokio::test(flavor = "multi_thread")]
async fn s3_the_memberships_of_another_user_are_shown_as_far_as_one_may_know_them() {
    let (app, acme, owner) = world().await;
    let globex = app.owned("globex").await;
    let babs = app.member(acme.id, "babs@acme.example", &["analyst"]).await.sign_in().await;
    let both = app.member(acme.id, "both@acme.example", &["admin"]).await.sign_in().await;
    for (person, roles) in [(&babs, &["developer"][..]), (&both, &["analyst"][..])] {
        let before = app.links(&person.email).len();
        app.invite(globex.id, &person.email, "Guest", roles).await;
        let token = app.next_token(&person.email, before).await;
        person.done("acceptInvitation", json!({"token": token}), "user { id }").await;
    }
    let query = "{ user(by: {email: \"babs@acme.example\"}) { memberships { organization { shortName } roleKeys isCurrent user { id } accountType } \
        membership { organization { shortName } } } }";
    let seen = async |person: &Person| {
        let user = person.ask(query, json!({})).await.data()["user"].clone();
        assert_eq!(user["membership"]["organization"]["shortName"], "acme");
        let memberships = user["memberships"].as_array().expect("memberships").clone();
        assert_eq!(memberships[0]["isCurrent"], true, "the current one first");
        memberships
            .iter()
            .map(|one| one["organization"]["shortName"].as_str().expect("text").to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(seen(&owner).await, ["acme"], "an administrator of acme knows nothing of globex");
    assert_eq!(seen(&both).await, ["acme", "globex"], "who may read members there sees it");
    let there = both.ask(query, json!({})).await.data()["user"]["memberships"][1].clone();
    assert_eq!((&there["roleKeys"], &there["isCurrent"]), (&json!(["developer"]), &json!(false)));
    assert_eq!((&there["user"], &there["accountType"]), (&Value::Null, &json!("EXTERNAL")), "the node is elsewhere");
    let token = json!({"name": "t", "scopes": ["user_access_read"]});
    let token = both.done("createPersonalToken", token, "secret").await;
    let by_token = both.with_token(token["secret"].as_str().expect("shown once"));
    assert_eq!(seen(&by_token).await, ["acme"], "a token acts in one organization");
    let there = globex.owner.sign_in().await;
    there.done("disableUser", json!({"user": {"email": "both@acme.example"}}), "user { id }").await;
    assert_eq!(seen(&both).await, ["acme"], "asked now");
    let operator = rollcall::domain::Caller::operator(None);
    app.service.appoint_superuser(&operator, &acme.owner.email, true).await.expect("appointed");
    assert_eq!(seen(&acme.owner.sign_in().await).await, ["acme", "globex"], "a superuser sees all");
}

/// A membership is there from the first day: `INVITED` until the person joins.
#[tokio::test(flavor = "multi_thread")]
async fn the_membership_of_a_user_who_has_not_joined_is_invited() {
    let (_app, acme, owner) = world().await;
    acme.scim.make_user("okta-only").await;
    owner.done("createUser", json!({"userName": "made", "roles": [{"key": "analyst"}]}), "user { id }").await;
    let selection = "membership { status source roleKeys isCurrent organization { shortName } joinedAt directory { displayName } } \
        memberships { status } createdAt";
    for (name, source, roles, directory) in [
        ("okta-only", "DIRECTORY", json!(["member"]), json!({"displayName": "Okta"})),
        ("made", "ADMIN", json!(["analyst"]), Value::Null),
    ] {
        let query = format!("{{ user(by: {{userName: \"{name}\"}}) {{ {selection} }} }}");
        let user = owner.ask(&query, json!({})).await.data()["user"].clone();
        let membership = json!({
            "status": "INVITED", "source": source, "roleKeys": roles, "isCurrent": true,
            "organization": {"shortName": "acme"}, "joinedAt": user["createdAt"], "directory": directory,
        });
        assert_eq!(user["membership"], membership, "{name}");
        assert_eq!(user["memberships"], json!([{"status": "INVITED"}]), "{name}");
    }
    let off = json!([{"op": "replace", "path": "active", "value": false}]);
    let id = owner.ask("{ user(by: {userName: \"okta-only\"}) { id } }", json!({})).await.data()["user"]["id"].clone();
    acme.scim.patch(&format!("/Users/{}", id.as_str().expect("an id")), off).await;
    let off = owner.ask("{ user(by: {userName: \"okta-only\"}) { membership { status } } }", json!({})).await.data();
    assert_eq!(off["user"]["membership"]["status"], "DISABLED");
}

/// S1-14: the first use of a reset mail is for a user who was just created.
#[tokio::test(flavor = "multi_thread")]
async fn s1_14_a_user_who_never_signed_in_is_mailed_a_link_to_set_the_first_password() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let acme = app.owned("acme").await;
        let owner = acme.owner.sign_in().await;
        let made = json!({"userName": "ada", "email": "ada@acme.example", "credentials": {"temporary": true}});
        owner.done("createUser", made, "user { id }").await;
        let sent = owner.done("sendPasswordReset", json!({"user": {"userName": "ada"}}), "sentTo expiresAt").await;
        assert!(sent["sentTo"].as_str().is_some_and(|to| to.ends_with("@acme.example")), "{sent}");
        let token = app.latest_token("ada@acme.example", "rcp_").await;
        app.clock.advance(std::time::Duration::from_secs(23 * 3_600));
        let ada = Person::new(&app.url, "ada@acme.example", "a first secret phrase of hers");
        let input = json!({"token": token, "newPassword": ada.password});
        ada.done("completePasswordReset", input.clone(), "loginsRevoked").await;
        assert_eq!(ada.refused("completePasswordReset", input).await, "TOKEN_USED");
        let signed_in = ada.sign_in().await;
        let me = signed_in.me("requiredActions emails { nodes { address isVerified isPrimary } }").await;
        let proven = json!([{"address": "ada@acme.example", "isVerified": true, "isPrimary": true}]);
        assert_eq!(me, json!({"requiredActions": [], "emails": {"nodes": proven}}), "the link proved the address");
        app.assert_consistent().await;
    }
}

/// S1-14: a user without an account is invited, and a second time with a new link.
#[tokio::test(flavor = "multi_thread")]
async fn s1_14_an_invited_user_is_mailed_the_invitation() {
    let (app, acme, owner) = world().await;
    let mut body = crate::support::user("ada");
    body["emails"] = json!([{"value": "ada@acme.example", "primary": true}]);
    acme.scim.post("/Users", &body).await.expect(201);
    let ada = json!({"user": {"userName": "ada"}});
    owner.done("sendPasswordReset", ada.clone(), "sentTo expiresAt").await;
    let first = app.token_in_mail("ada@acme.example", 1).await;
    owner.done("sendPasswordReset", ada.clone(), "sentTo").await;
    let second = app.next_token("ada@acme.example", 1).await;
    let person = Person::new(&app.url, "ada@acme.example", "a first secret phrase of hers");
    let accept = |token: &str| json!({"token": token, "password": person.password});
    assert_eq!(person.refused("acceptInvitation", accept(&first)).await, "TOKEN_INVALID", "the former link is void");
    person.done("acceptInvitation", accept(&second), "user { userName }").await;
    person.sign_in().await;
    owner.done("createUser", json!({"userName": "no-address"}), "user { id }").await;
    let refused = owner.mutate("sendPasswordReset", json!({"user": {"userName": "no-address"}}), "sentTo").await;
    assert_eq!(refused["userErrors"][0]["code"], "EMAIL_UNVERIFIED");
    assert_eq!(refused["userErrors"][0]["path"], json!(["input", "user"]));
    // Whoever signed in and left the address unproven gets no link there.
    let made = json!({"userName": "cy", "email": "cy@acme.example", "credentials": {"password": "wholly unrelated words here"}});
    owner.done("createUser", made, "user { id }").await;
    let cy =
        json!({"userName": "cy", "password": "wholly unrelated words here", "organization": {"shortName": "acme"}});
    person.signed_out().done("login", cy, "session { accessToken }").await;
    assert_eq!(owner.refused("sendPasswordReset", json!({"user": {"userName": "cy"}})).await, "EMAIL_UNVERIFIED");
}

/// S1-05: names and address of a provider's account are changed at the provider, by the rule of each organization.
#[tokio::test(flavor = "multi_thread")]
async fn s1_05_a_provider_keeps_names_and_address_where_it_is_the_organizations() {
    let World { app, web, acme, owner } = graphql_connections::world(Engine::Memory).await;
    let globex = app.owned("globex").await;
    let ada = web.sign_in(front_end::person("1", ADA)).await;
    let me = ada.me("user { id }").await["user"]["id"].clone();
    let names = json!({"displayName": "C", "givenName": "C", "familyName": "C", "fullName": "C"});
    let refused = ada.mutate("updateMe", names.clone(), "user { id }").await;
    let mut paths: Vec<&Value> =
        refused["userErrors"].as_array().expect("errors").iter().map(|one| &one["path"][1]).collect();
    paths.sort_by_key(ToString::to_string);
    assert_eq!(paths, ["displayName", "familyName", "fullName", "givenName"], "each is named: {refused}");
    let mut by_admin = names;
    by_admin["user"] = json!({"id": me});
    assert_eq!(owner.refused("updateUser", by_admin).await, "MANAGED_BY_CONNECTION");
    ada.done("updateMe", json!({"title": "Countess", "company": "Analytical"}), "user { title }").await;
    // Another name at the provider is another one here, from the next sign-in on.
    let mut king = front_end::person("1", ADA);
    king["name"] = json!("Ada King");
    king["family_name"] = json!("King");
    let ada = web.sign_in(king).await;
    let named = ada.me("user { displayName familyName fullName title }").await["user"].clone();
    let wanted = json!({"displayName": "Ada King", "familyName": "King", "fullName": "Ada King", "title": "Countess"});
    assert_eq!(named, wanted);
    // In an organization without a provider names are the person's own; the address is not, without a password.
    app.invite(globex.id, ADA, "Ada", &[]).await;
    let token = app.next_token(ADA, 0).await;
    ada.done("acceptInvitation", json!({"token": token}), "user { id }").await;
    let there = in_other(&ada).await;
    let changed = there
        .done("updateMe", json!({"displayName": "Countess"}), "user { displayName } skippedOrganizations { shortName }")
        .await;
    assert_eq!(changed["user"]["displayName"], "Countess");
    assert_eq!(changed["skippedOrganizations"], json!([{"shortName": "acme"}]), "the provider keeps it there");
    let here = owner.ask("query($id: ID!) { user(by: {id: $id}) { displayName } }", json!({"id": me})).await.data();
    assert_eq!(here["user"]["displayName"], "Ada King", "what is stored");
    let refused = there.mutate("updateMe", json!({"email": "ada@home.example"}), "pendingEmail { address }").await;
    assert_eq!(refused["userErrors"][0]["code"], "MANAGED_BY_CONNECTION", "nothing else proves who she is");
    // An account that also has a password may change what no provider owns.
    app.member(acme.id, "bob@acme.example", &[]).await;
    let bob = web.sign_in(front_end::person("2", "bob@acme.example")).await;
    let before = app.links("bob@acme.example").len();
    app.invite(globex.id, "bob@acme.example", "Bob", &[]).await;
    let token = app.next_token("bob@acme.example", before).await;
    bob.done("acceptInvitation", json!({"token": token}), "user { id }").await;
    assert_eq!(
        bob.refused("updateMe", json!({"email": "bob@home.example"})).await,
        "MANAGED_BY_CONNECTION",
        "acme's provider"
    );
    let bob = in_other(&bob).await;
    let waits = bob.done("updateMe", json!({"email": "bob@home.example"}), "pendingEmail { address }").await;
    assert_eq!(waits["pendingEmail"]["address"], "bob@home.example");
}

/// The same login, acting in globex.
async fn in_other(person: &Person) -> Person {
    let to = json!({"organization": {"shortName": "globex"}});
    let switched = person.done("switchOrganization", to, "session { accessToken refreshToken }").await;
    person.with_session(&switched["session"])
}

/// `EmailSource.DIRECTORY`, S0-08: addresses that a directory wrote are listed, and removed there only.
#[tokio::test(flavor = "multi_thread")]
async fn addresses_of_a_directory_are_listed_and_not_removable_by_the_person() {
    let (app, acme, owner) = world().await;
    let mut body = crate::support::user("ada@work.example");
    body["emails"] = json!([{"value": "ada@work.example", "type": "work", "primary": true}, {"value": "ada@home.example", "type": "home"}]);
    acme.scim.post("/Users", &body).await.expect(201);
    let nodes = "emails { totalCount nodes { id address isPrimary isVerified source user { id } createdBy { id } } }";
    let by_owner = async || {
        let query = format!("{{ user(by: {{userName: \"ada@work.example\"}}) {{ email {nodes} }} }}");
        owner.ask(&query, json!({})).await.data()["user"].clone()
    };
    let listed = by_owner().await;
    let shown = |emails: &Value| -> Vec<(Value, Value, Value, Value)> {
        let nodes = emails["nodes"].as_array().expect("nodes").iter();
        let fields = |node: &Value| {
            (node["address"].clone(), node["isPrimary"].clone(), node["isVerified"].clone(), node["source"].clone())
        };
        nodes.map(fields).collect()
    };
    let row = |address: &str, primary: bool, verified: bool, source: &str| {
        (json!(address), json!(primary), json!(verified), json!(source))
    };
    let wanted =
        [row("ada@work.example", true, false, "DIRECTORY"), row("ada@home.example", false, false, "DIRECTORY")];
    assert_eq!(shown(&listed["emails"]), wanted, "before she joins");
    assert_eq!((&listed["email"], &listed["emails"]["totalCount"]), (&json!("ada@work.example"), &json!(2)));
    app.invite(acme.id, "ada@work.example", "Ada", &[]).await;
    let token = app.token_in_mail("ada@work.example", 1).await;
    let ada = Person::new(&app.url, "ada@work.example", "a first secret phrase of hers");
    ada.done("acceptInvitation", json!({"token": token, "password": ada.password}), "user { id }").await;
    let ada = ada.sign_in().await;
    ada.done("addEmail", json!({"email": "ada@own.example"}), "email { id }").await;
    let mine = ada.me(nodes).await["emails"].clone();
    let mut rows = shown(&mine);
    rows.sort_by_key(|(address, ..)| address.to_string());
    let wanted = [
        row("ada@home.example", false, false, "DIRECTORY"),
        row("ada@own.example", false, false, "SELF"),
        row("ada@work.example", true, true, "DIRECTORY"),
    ];
    assert_eq!(rows, wanted, "beside her own, each once");
    let id_of = |address: &str| {
        let nodes = mine["nodes"].as_array().expect("nodes");
        nodes.iter().find(|node| node["address"] == address).expect("listed")["id"].clone()
    };
    for address in ["ada@home.example", "ada@work.example"] {
        let refused = ada.mutate("removeEmail", json!({"emailId": id_of(address)}), "removedEmailId").await;
        let refusal = &refused["userErrors"][0];
        assert_eq!(
            (&refusal["code"], &refusal["params"]["owner"]),
            (&json!("MANAGED_BY_DIRECTORY"), &json!("Okta")),
            "{address}"
        );
        assert_eq!(refusal["path"], json!(["input", "emailId"]));
    }
    assert_eq!(
        ada.refused("setPrimaryEmail", json!({"emailId": id_of("ada@home.example")})).await,
        "MANAGED_BY_DIRECTORY"
    );
    let node = ada.ask(
        "query($id: ID!) { node(id: $id) { ... on Email { address } } }",
        json!({"id": id_of("ada@home.example")}),
    );
    assert_eq!(node.await.data()["node"]["address"], "ada@home.example");
    ada.done("removeEmail", json!({"emailId": id_of("ada@own.example")}), "removedEmailId").await;
    assert_eq!(by_owner().await["emails"]["totalCount"], 2);
    app.assert_consistent().await;
}

/// A client with a new credential of root.
async fn as_root(app: &TestApp) -> Person {
    let operator = rollcall::domain::Caller::operator(None);
    let (secret, _) = app.service.issue_root_credential(&operator).await.expect("issued");
    Person::new(&app.url, "", "").with_token(secret.expose())
}

/// S0-02, `decisions.md` 13: root is one of the three principals, and reads nothing but `me`.
#[tokio::test(flavor = "multi_thread")]
async fn s0_02_root_is_a_principal_and_no_superuser() {
    let (app, acme, _) = world().await;
    let root = as_root(&app).await;
    let selection = "principal { __typename ... on RootIdentity { id displayName isActive isServiceAccount } } root { displayName } user { id } \
        serviceAccount { id } organization { id } memberships { status } permissions { key } roles { key } tokens { id } \
        login { id } token { id } settings { theme } logins { id } requiredActions capabilities { mutations { isAllowed } }";
    for _ in 0..2 {
        let me = root.me(selection).await;
        let identity = json!({"__typename": "RootIdentity", "id": "00000000-0000-0000-0000-000000000000", "displayName": "root",
                              "isActive": true, "isServiceAccount": false});
        assert_eq!(me["principal"], identity);
        assert_eq!(me["root"], json!({"displayName": "root"}), "reading does not use the credential up");
        for absent in ["user", "serviceAccount", "organization", "login", "token", "settings"] {
            assert_eq!(me[absent], Value::Null, "{absent}: exactly one of three");
        }
        for empty in ["memberships", "permissions", "roles", "tokens", "logins", "requiredActions"] {
            assert_eq!(me[empty], json!([]), "{empty}");
        }
        let allowed = me["capabilities"]["mutations"].as_array().expect("mutations").clone();
        assert!(allowed.iter().all(|one| one["isAllowed"] == false), "it holds no permission");
    }
    for query in [
        "users { totalCount }",
        "organization { id }",
        "groups { totalCount }",
        "auditEvents { totalCount }",
        "accountPolicy { __typename }",
    ] {
        let code = root.refused_code(&format!("{{ {query} }}")).await;
        assert!(matches!(code.as_deref(), Some("FORBIDDEN" | "PROTECTED_ACCOUNT")), "{query}: {code:?}");
    }
    let boss = json!({"user": {"email": acme.owner.email}, "isSuperuser": true});
    assert_eq!(root.refused("setSuperuser", boss).await, "PROTECTED_ACCOUNT", "never a superuser");
    acme.scim.with_token(root.token.as_deref()).get("/Users").await.refused(401, None);
    // Another credential takes its place, and the time of each is over after 15 minutes.
    let second = as_root(&app).await;
    assert!(!root.is_in().await && second.is_in().await);
    app.clock.advance(std::time::Duration::from_secs(15 * 60));
    assert!(!second.is_in().await);
}

/// S0-02: the first organization of a fresh installation, and one deed for each credential.
#[tokio::test(flavor = "multi_thread")]
async fn s0_02_a_credential_of_root_makes_one_organization_with_its_owner() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let root = as_root(&app).await;
        let selection = "organization { id shortName } ownerEmail ownerPassword query { me { root { id } } }";
        for (wrong, code) in [
            (json!({"shortName": "a", "name": "Acme", "ownerEmail": "o@acme.example"}), "VALIDATION_FAILED"),
            (json!({"shortName": "acme", "name": "Acme", "ownerEmail": "nobody"}), "INVALID_EMAIL"),
        ] {
            assert_eq!(root.refused("createOrganization", wrong).await, code);
        }
        let wish = json!({"shortName": "acme", "name": "Acme", "ownerEmail": "o@acme.example"});
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let (root, wish) = (root.clone(), wish.clone());
            tasks.spawn(async move { root.try_mutate("createOrganization", wish, selection).await });
        }
        let answers = tasks.join_all().await;
        let made: Vec<Value> = answers.iter().map(|answer| answer.body["data"]["createOrganization"].clone()).collect();
        let made: Vec<&Value> = made.iter().filter(|payload| payload["organization"].is_object()).collect();
        assert_eq!(made.len(), 1, "one deed: {answers:?}");
        assert_eq!(made[0]["organization"]["shortName"], "acme");
        assert!(!root.is_in().await, "it is used up");
        let owner = Person::new(&app.url, "o@acme.example", made[0]["ownerPassword"].as_str().expect("shown once"));
        let owner = owner.sign_in().await;
        assert_eq!(owner.me("roles { key }").await["roles"], json!([{"key": "owner"}]));
        let events = "auditEvents(first: 1, filter: {types: [\"organization.created\"]}) { nodes { door actor { __typename displayName } } }";
        let events = owner.ask(&format!("{{ {events} }}"), json!({})).await.data();
        let by_root = json!([{"door": "GRAPHQL", "actor": {"__typename": "RootIdentity", "displayName": "root"}}]);
        assert_eq!(events["auditEvents"]["nodes"], by_root, "audited");
        for (operation, input) in [
            ("createOrganization", json!({"shortName": "other", "name": "Other", "ownerEmail": "x@other.example"})),
            ("inviteOwner", json!({"organization": {"shortName": "acme"}, "email": "x@acme.example", "name": "X"})),
        ] {
            assert_eq!(owner.refused(operation, input).await, "INSUFFICIENT_RANK", "only root: {operation}");
        }
        app.assert_consistent().await;
    }
}

/// S0-02: an organization gets its owner back, by invitation or by name.
#[tokio::test(flavor = "multi_thread")]
async fn s0_02_root_invites_or_restores_the_owner_of_an_organization() {
    let (app, acme, owner) = world().await;
    let babs = app.member(acme.id, "babs@acme.example", &["analyst"]).await;
    let babs_id = babs.sign_in().await.me("user { id }").await["user"]["id"].clone();
    owner.done("disableUser", json!({"user": {"id": babs_id}}), "user { status }").await;
    let in_acme = |mut input: Value| {
        input["organization"] = json!({"shortName": "acme"});
        input
    };
    let root = as_root(&app).await;
    let member = in_acme(json!({"email": "babs@acme.example", "name": "Babs"}));
    assert_eq!(root.refused("inviteOwner", member).await, "ALREADY_MEMBER", "and the credential is still good");
    let nowhere = json!({"organization": {"shortName": "nowhere"}, "user": {"id": babs_id}});
    assert_eq!(root.refused("restoreOwner", nowhere).await, "NOT_FOUND");
    let restored = root
        .done(
            "restoreOwner",
            in_acme(json!({"user": {"id": babs_id}})),
            "owner { id status } organization { shortName }",
        )
        .await;
    assert_eq!(restored["owner"], json!({"id": babs_id, "status": "ACTIVE"}));
    assert_eq!(babs.sign_in().await.me("membership { isOwner }").await["membership"]["isOwner"], true);
    assert!(!root.is_in().await, "one deed");
    let root = as_root(&app).await;
    let invited = root
        .done(
            "inviteOwner",
            in_acme(json!({"email": "new@acme.example", "name": "New Owner"})),
            "invitation { email state }",
        )
        .await;
    assert_eq!(invited["invitation"]["email"], "new@acme.example");
    let token = app.token_in_mail("new@acme.example", 1).await;
    let new = Person::new(&app.url, "new@acme.example", "a first secret phrase of theirs");
    new.done("acceptInvitation", json!({"token": token, "password": new.password}), "user { id }").await;
    assert_eq!(new.sign_in().await.me("membership { isOwner }").await["membership"]["isOwner"], true);
    let kinds: Vec<String> = app
        .events(acme.id)
        .await
        .into_iter()
        .filter(|event| event.actor["kind"] == "root")
        .map(|event| event.kind)
        .collect();
    assert_eq!(kinds, ["user.enabled", "role.granted", "invitation.sent"], "audited");
    app.assert_consistent().await;
}

/// S0-02: a fresh installation is made usable without stopping it, with the credential that `serve` prints.
#[tokio::test(flavor = "multi_thread")]
async fn s0_02_serve_prints_the_credential_of_a_fresh_installation_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--store", "surrealkv://store", "--json"];
    let server = Running::start(folder.path(), &arguments);
    let contract = server.json();
    let url = contract["url"].as_str().expect("a URL");
    let root = Person::new(url, "", "").with_token(contract["root"]["token"].as_str().expect("a credential"));
    let wish = json!({"shortName": "acme", "name": "Acme", "ownerEmail": "o@acme.example"});
    let made = root.done("createOrganization", wish, "ownerPassword").await;
    Person::new(url, "o@acme.example", made["ownerPassword"].as_str().expect("shown once")).sign_in().await;
    assert!(server.stop());
    let server = Running::start(folder.path(), &arguments);
    assert_eq!(server.json().get("root"), None, "there is an organization");
    assert!(server.stop());
    let recovery = rollcall(folder.path(), &["root", "--store", "surrealkv://store", "--json"]);
    assert!(json_of(&recovery)["token"].as_str().is_some_and(|token| token.starts_with("rcb_")));
}
