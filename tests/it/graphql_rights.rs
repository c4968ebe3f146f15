//! Ways around rank, ownership and management that are not ways.

use rollcall::domain::Caller;
use serde_json::{Value, json};

use crate::support::person::first_code;
use crate::support::{Engine, Owned, Person, TestApp, members, user};

async fn id(who: &Person) -> Value {
    who.me("user { id }").await["user"]["id"].clone()
}

/// A service account with a role, as a client.
async fn program(owner: &Person, name: &str, role: &str, scopes: &[&str]) -> Person {
    let input = json!({"userName": name, "roles": [{"key": role}], "token": {"name": "T", "scopes": scopes}});
    let made = owner.done("createServiceAccount", input, "secret").await;
    owner.with_token(made["secret"].as_str().expect("shown once"))
}

/// Somebody whose account another organization manages, as a guest.
async fn guest(app: &TestApp, home: &Owned, there: &Owned, email: &str) -> (Person, Value) {
    let person = app.member(home.id, email, &["analyst"]).await.sign_in().await;
    app.invite(there.id, email, "Guest", &["member"]).await;
    let token = app.next_token(email, 1).await;
    let joined = person.done("acceptInvitation", json!({"token": token}), "user { id }").await;
    (person, joined["user"]["id"].clone())
}

const MANAGES: [&str; 5] = [
    "user_access_read",
    "user_access_manage",
    "user_credentials_manage",
    "user_sessions_manage",
    "user_self_profile_write",
];

#[tokio::test(flavor = "multi_thread")]
async fn g5_a_program_touches_no_account_that_its_organization_does_not_manage() {
    let app = TestApp::start().await;
    let (acme, globex) = (app.owned("acme").await, app.owned("globex").await);
    let owner = globex.owner.sign_in().await;
    let (_, hank) = guest(&app, &acme, &globex, "hank@acme.example").await;
    let bot = program(&owner, "bot", "admin", &MANAGES).await;
    for (name, extra) in [
        ("updateUser", json!({"email": "evil@globex.example"})),
        ("updateUser", json!({"settings": {"theme": "DARK"}})),
        ("updateUser", json!({"accountType": "MANAGED"})),
        ("sendPasswordReset", json!({})),
        ("resetPassword", json!({})),
        ("resetMfa", json!({})),
        ("setPasswordExpired", json!({"isExpired": true})),
        ("unlockUser", json!({})),
    ] {
        let mut input = json!({"user": {"id": hank}});
        input.as_object_mut().expect("an object").extend(extra.as_object().expect("an object").clone());
        let answer = bot.try_mutate(name, input.clone(), "clientMutationId").await.body;
        assert_eq!(first_code(&answer["data"][name]), "NOT_MANAGED_ACCOUNT", "{name}: {answer}");
    }
    // What it may do it does, step-up or not: a program has no more to prove than its token (note 6 of the contract).
    let made =
        owner.done("createUser", json!({"userName": "own", "credentials": {"temporary": true}}), "user { id }").await;
    let own = json!({"user": {"id": made["user"]["id"]}});
    bot.done("resetPassword", own.clone(), "temporaryPassword").await;
    bot.done("revokeLogins", own.clone(), "revokedCount").await;
    bot.done("revokeTrustedDevices", own, "revokedCount").await;
    assert_eq!(bot.refused("revokeLogins", json!({})).await, "PROTECTED_ACCOUNT", "it has none itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn g2_an_owner_is_no_match_for_a_superuser() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    let ada = app.member(acme.id, "ada@acme.example", &["analyst"]).await.sign_in().await;
    app.service.appoint_superuser(&Caller::operator(None), "ada@acme.example", true).await.expect("appointed");
    let target = json!({"user": {"id": id(&ada).await}});
    for name in ["resetPassword", "resetMfa", "disableUser", "deleteUser", "removeMember", "sendPasswordReset"] {
        assert_eq!(owner.refused(name, target.clone()).await, "INSUFFICIENT_RANK", "{name}");
    }
    let mut input = target;
    input["email"] = "evil@acme.example".into();
    assert_eq!(owner.refused("updateUser", input).await, "INSUFFICIENT_RANK");
    assert!(ada.is_in().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn se07_a_token_changes_its_persons_address_by_no_door() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    let scopes = ["user_access_read", "user_access_manage", "user_self_profile_write"];
    let made = owner.done("createPersonalToken", json!({"name": "T", "scopes": scopes}), "secret").await;
    let token = owner.with_token(made["secret"].as_str().expect("shown once"));
    for (name, who) in
        [("updateUser", json!({"userName": "me"})), ("updateUserProfile", json!({"email": acme.owner.email}))]
    {
        let input = json!({"user": who, "email": "evil@acme.example"});
        let answer = token.try_mutate(name, input, "clientMutationId").await;
        let payload = &answer.body["data"][name];
        assert!(answer.code().is_some() || !first_code(payload).is_empty(), "{name}: {}", answer.body);
    }
    assert_eq!(owner.me("user { email }").await["user"]["email"], acme.owner.email.as_str());
    // And of oneself a new address waits for its proof, whichever operation it is asked with.
    let input = json!({"user": {"userName": "me"}, "email": "new@acme.example"});
    owner.done("updateUser", input, "user { email }").await;
    assert_eq!(owner.me("user { email }").await["user"]["email"], acme.owner.email.as_str());
    let token = app.token_in_mail("new@acme.example", 1).await;
    owner.done("verifyEmail", json!({"token": token}), "email { isPrimary }").await;
    assert_eq!(owner.me("user { email }").await["user"]["email"], "new@acme.example");
}

#[tokio::test(flavor = "multi_thread")]
async fn g5_restoring_takes_over_no_account_that_somebody_goes_on_with() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let (acme, globex) = (app.owned("acme").await, app.owned("globex").await);
        let (boss, owner) = (acme.owner.sign_in().await, globex.owner.sign_in().await);
        let (hank, there) = guest(&app, &acme, &globex, "hank@acme.example").await;
        let here = id(&hank).await;
        boss.done("removeMember", json!({"user": {"id": here}}), "removedUserId").await;
        owner.done("deleteUser", json!({"user": {"id": there}}), "deletedUserId").await;
        owner.done("restoreUser", json!({"userId": there}), "user { accountType }").await;
        owner.done("enableUser", json!({"user": {"id": there}}), "user { id }").await;
        assert_eq!(owner.refused("resetPassword", json!({"user": {"id": there}})).await, "NOT_MANAGED_ACCOUNT");
        // One's own comes back as it was.
        let own = app.member(globex.id, "own@globex.example", &["analyst"]).await.sign_in().await;
        let own = id(&own).await;
        owner.done("deleteUser", json!({"user": {"id": own}}), "deletedUserId").await;
        let back = owner.done("restoreUser", json!({"userId": own}), "user { accountType roles { key } }").await;
        assert_eq!(back["user"]["accountType"], "MANAGED");
        app.stop();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sc07_ownership_comes_to_no_program_and_no_directory_whatever_the_order() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    for name in ["Bots", "Mapped", "People"] {
        owner.done("createGroup", json!({"name": name}), "group { id }").await;
    }
    owner
        .done("createServiceAccount", json!({"userName": "bot", "groups": [{"name": "Bots"}]}), "serviceAccount { id }")
        .await;
    let engineers = acme.scim.make("/Groups", &json!({"displayName": "Engineers"})).await;
    let directories = owner.ask("{ directories { nodes { id } } }", json!({})).await.data();
    let directory = directories["directories"]["nodes"][0]["id"].clone();
    let mapping = json!([{"directoryGroupId": engineers, "group": {"name": "Mapped"}}]);
    owner.done("setGroupRoleMappings", json!({"directoryId": directory, "mappings": mapping}), "grantsAdded").await;
    let owning = |name: &str| json!({"group": {"name": name}, "roles": [{"key": "owner"}]});
    for name in ["Bots", "Mapped", "Engineers"] {
        assert_eq!(owner.refused("updateGroup", owning(name)).await, "VALIDATION_FAILED", "{name}");
    }
    owner.done("updateGroup", owning("People"), "group { id }").await;
    let input = json!({"serviceAccount": {"userName": "bot"}, "add": [{"name": "People"}]});
    assert_eq!(owner.refused("updateServiceAccountGroups", input).await, "INSUFFICIENT_RANK");
}

#[tokio::test(flavor = "multi_thread")]
async fn g4_a_group_in_a_group_gives_what_the_outer_one_gives() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    let ada = app.member(acme.id, "ada@acme.example", &["member"]).await.sign_in().await;
    let friend = app.member(acme.id, "bob@acme.example", &["member"]).await.sign_in().await;
    let team = owner.done("createGroup", json!({"name": "Team"}), "group { id }").await["group"]["id"].clone();
    let role = json!({"group": {"id": team}, "user": {"id": id(&ada).await}, "role": "ADMIN"});
    owner.done("setGroupMember", role, "group { id }").await;
    let inner = json!({"displayName": "Outer", "members": members(&[team.as_str().expect("an id")])});
    let outer = acme.scim.make("/Groups", &inner).await;
    owner.done("updateGroup", json!({"group": {"id": outer}, "roles": [{"key": "admin"}]}), "group { id }").await;
    let add = json!({"group": {"id": team}, "user": {"id": id(&friend).await}});
    // Ada holds `admin` by it now, and may give it.
    ada.done("setGroupMember", add.clone(), "group { id }").await;
    let out = json!({"group": {"id": team}, "user": {"id": id(&ada).await}});
    owner.done("removeGroupMember", out, "group { id }").await;
    owner.done("removeGroupMember", add.clone(), "group { id }").await;
    // Whoever does not hold it may not.
    let invite = json!({"invitations": [{"email": "eve@acme.example", "name": "E", "roles": [], "groups": [{"name": "Team"}], "connection": null}]});
    let inviter = json!({"key": "inviter", "name": "Inviter", "permissions": ["user_access_invite", "groups_read"]});
    owner.done("createRole", inviter, "role { key }").await;
    owner
        .done(
            "addUserRoles",
            json!({"user": {"id": id(&friend).await}, "roles": [{"key": "inviter"}]}),
            "added { key }",
        )
        .await;
    assert_eq!(friend.refused("invite", invite).await, "INSUFFICIENT_RANK");
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_that_are_no_longer_trusted_stay_so_and_a_policy_is_not_overrun() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    let set = |enabled: bool| json!({"trustedDevices": {"isEnabled": enabled}});
    owner.done("updateAccountPolicy", set(true), "accountPolicy { jit }").await;
    let enrolled = crate::graphql_mfa::enrol(&app, &owner).await;
    let challenge = crate::graphql_mfa::challenge(&acme.owner).await;
    let code = enrolled.app.code(app.clock.now());
    let input = json!({"challengeToken": challenge, "code": code, "trustDevice": true});
    let done = acme.owner.done("verifyMfa", input, "session { accessToken refreshToken } trustedDevice { id }").await;
    assert!(done["trustedDevice"]["id"].is_string(), "{done}");
    let owner = acme.owner.with_session(&done["session"]);
    assert_eq!(owner.me("trustedDevices { id }").await["trustedDevices"].as_array().map(Vec::len), Some(1));
    owner.done("updateAccountPolicy", set(false), "accountPolicy { jit }").await;
    owner.done("updateAccountPolicy", set(true), "accountPolicy { jit }").await;
    assert_eq!(
        owner.me("trustedDevices { id }").await["trustedDevices"],
        json!([]),
        "on again, and no old trust with it"
    );
    let stale = json!({"jit": "CREATE", "ifVersion": 0});
    assert_eq!(owner.refused("updateAccountPolicy", stale).await, "VERSION_CONFLICT");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_owner_owns_no_more_where_another_does() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    let second = acme.scim.make("/Users", &user("second")).await;
    let role = json!({"user": {"id": second}, "roles": [{"key": "owner"}]});
    owner.done("addUserRoles", role, "added { key }").await;
    acme.scim.delete(&format!("/Users/{second}")).await.expect(204);
    let back =
        owner.done("restoreUser", json!({"userId": second}), "user { roleGrants { source role { key } } }").await;
    let owns = back["user"]["roleGrants"].to_string().contains("owner");
    assert!(!owns, "without roles: {back}");
}

#[tokio::test(flavor = "multi_thread")]
async fn d3_a_user_who_cannot_be_invited_is_not_made() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    app.invite(acme.id, "ada@acme.example", "Ada", &[]).await;
    let input = json!({"userName": "ada", "email": "ada@acme.example", "sendInvitation": true});
    assert_eq!(owner.refused("createUser", input.clone()).await, "INVITATION_EXISTS");
    let found = owner.ask("{ users { totalCount } }", json!({})).await.data();
    assert_eq!(found["users"]["totalCount"], 1, "all or nothing");
    let cancelled =
        owner.ask("{ invitations { nodes { id } } }", json!({})).await.data()["invitations"]["nodes"][0]["id"].clone();
    owner.done("cancelInvitation", json!({"invitationId": cancelled}), "invitation { id }").await;
    let made = owner.done("createUser", input, "user { status } invitation { state email }").await;
    assert_eq!((&made["user"]["status"], &made["invitation"]["state"]), (&json!("INVITED"), &json!("PENDING")));
    assert_eq!(app.token_in_mail("ada@acme.example", 2).await.split('_').next(), Some("rci"));
}

#[tokio::test(flavor = "multi_thread")]
async fn un05_a_person_takes_no_service_accounts_name() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    let ada = app.member(acme.id, "ada@acme.example", &["analyst"]).await.sign_in().await;
    owner.done("createServiceAccount", json!({"userName": "ci-bot"}), "serviceAccount { id }").await;
    assert_eq!(ada.refused("updateMe", json!({"userName": "CI-bot"})).await, "USERNAME_TAKEN");
    let input = json!({"user": {"id": id(&ada).await}, "userName": "ci-bot"});
    assert_eq!(owner.refused("updateUser", input).await, "USERNAME_TAKEN");
}

#[tokio::test(flavor = "multi_thread")]
async fn un05_a_directory_takes_no_service_accounts_name_until_it_is_free() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let acme = app.owned("acme").await;
        let owner = acme.owner.sign_in().await;
        owner.done("createServiceAccount", json!({"userName": "CI-bot"}), "serviceAccount { id }").await;
        acme.scim.post("/Users", &user("ci-BOT")).await.expect(409);
        let id = acme.scim.make_user("other").await;
        let rename = json!([{"op": "replace", "path": "userName", "value": "ci-bot"}]);
        acme.scim.patch(&format!("/Users/{id}"), rename.clone()).await.expect(409);
        let answer = acme.scim.get(&format!("/Users/{id}")).await.expect(200);
        assert_eq!(answer["userName"], "other", "nothing changed");
        let gone = json!({"serviceAccount": {"userName": "ci-bot"}});
        owner.done("deleteServiceAccount", gone, "deletedServiceAccountId").await;
        acme.scim.patch(&format!("/Users/{id}"), rename).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gq13_one_group_that_is_closed_closes_no_other() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    let ada = app.member(acme.id, "ada@acme.example", &["member"]).await.sign_in().await;
    for (name, role) in [("Mine", "ADMIN"), ("Theirs", "MEMBER")] {
        owner.done("createGroup", json!({"name": name}), "group { id }").await;
        let input = json!({"group": {"name": name}, "user": {"id": id(&ada).await}, "role": role});
        owner.done("setGroupMember", input, "group { id }").await;
    }
    owner.done("createGroup", json!({"name": "Secret", "roles": [{"key": "developer"}]}), "group { id }").await;
    let query = "{ me { groups(first: 10) { nodes { name memberCount members { totalCount } } } } }";
    let answer = ada.ask(query, json!({})).await;
    assert_eq!(answer.code().as_deref(), Some("FORBIDDEN"));
    let shown = answer.body["data"]["me"]["groups"]["nodes"].clone();
    assert_eq!(
        shown,
        json!([{"name": "Mine", "memberCount": 1, "members": {"totalCount": 1}},
               {"name": "Theirs", "memberCount": 1, "members": null}])
    );
    // And nobody asks a group they are not in what it is by leaving it.
    let leave = json!({"group": {"name": "Secret"}, "user": {"userName": "me"}});
    assert_eq!(ada.refused("removeGroupMember", leave).await, "NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn s1_10_who_controls_the_account_is_one_truth() {
    let app = TestApp::start().await;
    let (acme, globex) = (app.owned("acme").await, app.owned("globex").await);
    let owner = globex.owner.sign_in().await;
    let (_, there) = guest(&app, &acme, &globex, "hank@acme.example").await;
    owner.done("createUser", json!({"userName": "later", "accountType": "EXTERNAL"}), "user { id }").await;
    let query =
        "query Of($kind: AccountType!) { users(filter: {accountType: $kind}) { nodes { id userName accountType } } }";
    let listed = async |kind: &str| owner.ask(query, json!({ "kind": kind })).await.data()["users"]["nodes"].clone();
    let external = listed("EXTERNAL").await;
    let external = external.as_array().expect("users");
    assert_eq!(external.len(), 2, "{external:?}");
    assert!(
        external.iter().any(|user| user["id"] == there)
            && external.iter().all(|user| user["accountType"] == "EXTERNAL")
    );
    let managed = listed("MANAGED").await;
    assert!(managed.as_array().expect("users").iter().all(|user| user["accountType"] == "MANAGED"), "{managed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn s4_14_a_hundred_groups_at_once_are_not_too_many() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    let names: Vec<Value> = (0..101).map(|index| json!({"name": format!("G{index}")})).collect();
    for name in &names {
        owner.done("createGroup", name.clone(), "group { id }").await;
    }
    let edit = |edit: Value| {
        let mut input = json!({"user": {"userName": "me"}});
        input.as_object_mut().expect("an object").extend(edit.as_object().expect("an object").clone());
        input
    };
    owner.done("updateUserGroups", edit(json!({"add": names[..100]})), "added { id }").await;
    owner.done("updateUserGroups", edit(json!({"add": [names[100]]})), "added { id }").await;
    assert_eq!(owner.refused("updateUserGroups", edit(json!({"remove": names}))).await, "LIMIT_EXCEEDED");
    let none = owner.done("updateUserGroups", edit(json!({"set": []})), "removed { id }").await;
    assert_eq!(none["removed"].as_array().map(Vec::len), Some(101));
}
