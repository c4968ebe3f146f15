//! Roles, groups, service accounts and their tokens.

use serde_json::{Value, json};

use crate::support::person::first_code;
use crate::support::{Engine, Person, TestApp};

fn names(list: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = list
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|one| one["name"].as_str().or(one["key"].as_str()))
        .collect();
    names.sort_unstable();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn s1_16_setting_roles_replaces_direct_grants_and_no_others() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let acme = app.owned("acme").await;
        let owner = acme.owner.sign_in().await;
        owner.done("createGroup", json!({"name": "Readers", "roles": [{"key": "analyst"}]}), "group { id }").await;
        let input = json!({"userName": "ada", "roles": [{"key": "developer"}], "groups": [{"name": "Readers"}]});
        owner.done("createUser", input, "user { id }").await;
        let user = json!({"userName": "ada"});
        let selection = "added { key } removed { key } stillGrantedBy { source role { key } group { name } } user { roles { key } }";
        let set = owner
            .done("setUserRoles", json!({"user": user, "roles": [{"key": "admin"}, {"key": "analyst"}]}), selection)
            .await;
        assert_eq!((names(&set["added"]), names(&set["removed"])), (vec!["admin", "analyst"], vec!["developer"]));
        let set = owner.done("setUserRoles", json!({"user": user, "roles": []}), selection).await;
        assert_eq!(names(&set["removed"]), ["admin", "analyst"]);
        assert_eq!(
            set["stillGrantedBy"],
            json!([{"source": "GROUP", "role": {"key": "analyst"}, "group": {"name": "Readers"}}])
        );
        assert_eq!(names(&set["user"]["roles"]), ["analyst"]);
        let added =
            owner.done("addUserRoles", json!({"user": user, "roles": [{"key": "developer"}]}), "added { key }").await;
        assert_eq!(names(&added["added"]), ["developer"]);
        let removed = owner
            .done("removeUserRoles", json!({"user": user, "roles": [{"key": "developer"}]}), "removed { key }")
            .await;
        assert_eq!(names(&removed["removed"]), ["developer"]);
        assert_eq!(owner.refused("setUserRoles", json!({"user": user, "roles": [{"key": "nope"}]})).await, "NOT_FOUND");
        let own = owner.me("user { id }").await["user"]["id"].clone();
        assert_eq!(owner.refused("setUserRoles", json!({"user": {"id": own}, "roles": []})).await, "LAST_OWNER");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ac02_s1_17_g4_roles_of_ones_own_hold_no_more_than_ones_own_permissions() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let acme = app.owned("acme").await;
        let owner = acme.owner.sign_in().await;
        let roles =
            owner.ask("{ roles { nodes { key isBuiltIn } } permissions { key isSystemOnly } }", json!({})).await.data();
        assert_eq!(names(&roles["roles"]["nodes"]), ["admin", "analyst", "developer", "member", "owner"]);
        assert_eq!(roles["permissions"].as_array().map(Vec::len), Some(14));
        let input = json!({"key": "helpdesk", "name": "Help desk", "permissions": ["user_access_read", "user_credentials_manage"]});
        let made = owner.done("createRole", input.clone(), "role { id key version permissions { key } }").await;
        assert_eq!(owner.refused("createRole", input).await, "NAME_TAKEN");
        assert_eq!(
            owner.refused("createRole", json!({"key": "owner", "name": "x", "permissions": []})).await,
            "RESERVED_ROLE"
        );
        assert_eq!(owner.refused("updateRole", json!({"role": {"key": "admin"}, "name": "x"})).await, "RESERVED_ROLE");
        let unknown = json!({"key": "x", "name": "x", "permissions": ["everything"]});
        assert_eq!(owner.refused("createRole", unknown).await, "NOT_FOUND");
        let helper = app.member(acme.id, "help@acme.example", &["helpdesk"]).await.sign_in().await;
        let answer =
            helper.try_mutate("createRole", json!({"key": "x", "name": "x", "permissions": []}), "role { id }").await;
        assert_eq!(answer.code().as_deref(), Some("FORBIDDEN"));
        owner
            .done(
                "createRole",
                json!({"key": "rolemaker", "name": "Maker", "permissions": ["role_manage", "user_access_manage"]}),
                "role { id }",
            )
            .await;
        let maker = app.member(acme.id, "maker@acme.example", &["rolemaker"]).await.sign_in().await;
        let above = json!({"key": "more", "name": "More", "permissions": ["audit_read"]});
        assert_eq!(maker.refused("createRole", above).await, "INSUFFICIENT_RANK");
        let lift = json!({"role": {"key": "rolemaker"}, "permissions": ["role_manage", "audit_read"]});
        assert_eq!(maker.refused("updateRole", lift).await, "INSUFFICIENT_RANK");
        let own = maker.me("user { id }").await["user"]["id"].clone();
        let give = json!({"user": {"id": own}, "roles": [{"key": "admin"}]});
        assert_eq!(maker.refused("addUserRoles", give).await, "INSUFFICIENT_RANK", "AC: nobody lifts themselves");
        // Deleting a role takes it away, or gives another one instead.
        let done = owner
            .done(
                "deleteRole",
                json!({"role": {"id": made["role"]["id"]}, "reassignTo": {"key": "analyst"}}),
                "deletedRoleId reassignedCount",
            )
            .await;
        assert_eq!((&done["deletedRoleId"], &done["reassignedCount"]), (&made["role"]["id"], &json!(1)));
        assert_eq!(names(&helper.me("roles { key }").await["roles"]), ["analyst"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s0_19_s0_20_groups_have_members_with_a_role_and_a_default_one() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let acme = app.owned("acme").await;
        let owner = acme.owner.sign_in().await;
        let babs = app.member(acme.id, "babs@acme.example", &[]).await.sign_in().await;
        let id = babs.me("user { id }").await["user"]["id"].clone();
        let input = json!({"name": "Tour Guides", "displayName": "Guides", "defaultRole": {"key": "analyst"}});
        let selection = "group { id name displayName kind organization { id } defaultRole { key } createdBy { id } updatedAt version }";
        let group = owner.done("createGroup", input.clone(), selection).await["group"].clone();
        assert_eq!((&group["name"], &group["displayName"]), (&json!("Tour Guides"), &json!("Guides")));
        assert_eq!((&group["kind"], &group["defaultRole"]["key"]), (&json!("LOCAL"), &json!("analyst")));
        assert_eq!(owner.refused("createGroup", json!({"name": "TOUR guides"})).await, "NAME_TAKEN");
        let put = json!({"group": {"name": "tour guides"}, "user": {"id": id}, "role": "ADMIN"});
        let edge = owner
            .done("setGroupMember", put, "memberEdge { role source scopedRole { key } node { id } addedBy { id } }")
            .await;
        let edge = &edge["memberEdge"];
        assert_eq!((&edge["role"], &edge["source"], &edge["node"]["id"]), (&json!("ADMIN"), &json!("LOCAL"), &id));
        assert_eq!(edge["scopedRole"]["key"], "analyst", "S0-20: what a new member gets");
        let mine = babs.me("groups { edges { role node { name viewerRole memberCount } } }").await;
        assert_eq!(
            mine["groups"]["edges"],
            json!([{"role": "ADMIN", "node": {"name": "Tour Guides", "viewerRole": "ADMIN", "memberCount": 1}}]),
            "S0-19"
        );
        assert_eq!(names(&babs.me("roles { key }").await["roles"]), ["member"], "it counts only inside");
        // An admin of the group keeps its members; whoever belongs to it sees it, others do not.
        owner.done("createUser", json!({"userName": "ada"}), "user { id }").await;
        let add = json!({"group": {"id": group["id"]}, "user": {"userName": "ada"}});
        let answer = babs.try_mutate("setGroupMember", add.clone(), "memberEdge { role }").await;
        assert!(answer.code().is_none(), "{}", answer.body);
        let plain = app.member(acme.id, "plain@acme.example", &[]).await.sign_in().await;
        let listed = plain.ask("{ groups { totalCount } }", json!({})).await.data();
        assert_eq!(listed["groups"]["totalCount"], 0);
        let code = plain.refused_code(&format!("{{ group(by: {{id: {}}}) {{ id }} }}", group["id"])).await;
        assert_eq!(code.as_deref(), Some("NOT_FOUND"));
        let scim = acme.scim.get(&format!("/Groups/{}", group["id"].as_str().expect("an id"))).await;
        assert!(matches!(scim.status, 200 | 404));
        owner.done("removeGroupMember", add, "user { id }").await;
        let gone =
            owner.done("deleteGroup", json!({"group": {"id": group["id"]}}), "deletedGroupId membersRemoved").await;
        assert_eq!(gone["membersRemoved"], 1);
        assert_eq!(babs.me("groups { totalCount }").await["groups"]["totalCount"], 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s4_11_s4_12_s4_13_s4_14_s4_15_groups_of_users_and_programs_are_added_removed_or_set() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let acme = app.owned("acme").await;
        let owner = acme.owner.sign_in().await;
        for name in ["A", "B", "C"] {
            owner.done("createGroup", json!({"name": name}), "group { id }").await;
        }
        owner.done("createUser", json!({"userName": "ada"}), "user { id }").await;
        owner.done("createServiceAccount", json!({"userName": "bot"}), "serviceAccount { id }").await;
        let group = |name: &str| json!({ "name": name });
        for (operation, field, target, selection) in [
            ("updateUserGroups", "user", json!({"userName": "ada"}), "user { groups { nodes { name } } }"),
            (
                "updateServiceAccountGroups",
                "serviceAccount",
                json!({"userName": "bot"}),
                "serviceAccount { groups { nodes { name } } }",
            ),
        ] {
            let input = |extra: Value| {
                let mut input = extra;
                input[field] = target.clone();
                input
            };
            let selection = format!("added {{ name }} removed {{ name }} {selection}");
            let done = owner.done(operation, input(json!({"add": [group("A"), group("b")]})), &selection).await;
            assert_eq!((names(&done["added"]), names(&done["removed"])), (vec!["A", "B"], vec![]), "S4-12: by name");
            let both = json!({"add": [group("C"), group("A")], "remove": [group("C"), group("B")]});
            let done = owner.done(operation, input(both), &selection).await;
            assert_eq!((names(&done["added"]), names(&done["removed"])), (vec![], vec!["B"]), "S4-13: removal wins");
            let done = owner.done(operation, input(json!({"set": [group("C")]})), &selection).await;
            assert_eq!((names(&done["added"]), names(&done["removed"])), (vec!["C"], vec!["A"]), "S4-11");
            assert_eq!(names(&done[field]["groups"]["nodes"]), ["C"]);
            for wrong in [json!({"set": [], "add": []}), json!({"set": [group("A")], "remove": [group("C")]})] {
                assert_eq!(owner.refused(operation, input(wrong)).await, "INVALID_ARGUMENT_COMBINATION", "S4-14");
            }
            assert_eq!(owner.refused(operation, input(json!({"add": [group("nope")]}))).await, "NOT_FOUND");
            let done = owner.done(operation, input(json!({"set": []})), &selection).await;
            assert_eq!(names(&done["removed"]), ["C"], "an empty set is none");
        }
        let events = app.events(acme.id).await;
        let added = events.iter().filter(|event| event.kind == "group.member_added").count();
        assert!(added <= 6, "{added}: of a group both added and removed nothing is told");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ac05_s0_04_s2_18_s4_01_a_service_account_works_with_its_tokens_until_they_end() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let acme = app.owned("acme").await;
        let owner = acme.owner.sign_in().await;
        let input = json!({
            "userName": "ci-bot", "description": "builds", "roles": [{"key": "analyst"}],
            "token": {"name": "first", "scopes": ["user_access_read"]},
        });
        let selection = "secret token { id name prefix scopes state } serviceAccount { id userName description displayName \
             isActive isServiceAccount organization { id } createdAt createdBy { id } updatedAt updatedBy { id } version }";
        let made = owner.done("createServiceAccount", input, selection).await;
        let account = &made["serviceAccount"];
        assert_eq!((&account["userName"], &account["description"]), (&json!("ci-bot"), &json!("builds")), "S0-04");
        assert_eq!(account["organization"]["id"], json!(acme.id.to_string()), "S2-18");
        assert_eq!((&account["isServiceAccount"], &account["displayName"]), (&json!(true), &json!("ci-bot")));
        let secret = made["secret"].as_str().expect("shown once");
        let bot = owner.with_token(secret);
        let me = bot.me("principal { __typename ... on ServiceAccount { userName } } user { id } serviceAccount { id } permissions { key } token { id } requiredActions").await;
        assert_eq!(me["principal"], json!({"__typename": "ServiceAccount", "userName": "ci-bot"}));
        assert_eq!((&me["user"], &me["serviceAccount"]["id"]), (&Value::Null, &account["id"]));
        assert_eq!(names(&me["permissions"]), ["user_access_read"], "scopes and permissions both bound it");
        assert!(bot.refused_code("{ users { totalCount } }").await.is_none());
        assert_eq!(bot.refused_code("{ groups { totalCount } }").await, None, "only its own");
        for operation in ["updateMe", "changePassword", "addEmail"] {
            let input = crate::graphql_mfa::sample(operation);
            let payload = bot.mutate(operation, input, "clientMutationId").await;
            assert_eq!(first_code(&payload), "PROTECTED_ACCOUNT", "{operation}");
        }
        // Rights are asked now: what is taken from the account is gone from its tokens.
        owner
            .done(
                "updateServiceAccount",
                json!({"serviceAccount": {"userName": "ci-bot"}, "roles": []}),
                "serviceAccount { id }",
            )
            .await;
        assert_eq!(bot.refused_code("{ users { totalCount } }").await.as_deref(), Some("FORBIDDEN"));
        owner
            .done(
                "updateServiceAccount",
                json!({"serviceAccount": {"userName": "ci-bot"}, "roles": [{"key": "analyst"}]}),
                "serviceAccount { id }",
            )
            .await;
        let above = json!({"serviceAccount": {"userName": "ci-bot"}, "name": "more", "scopes": ["audit_nope"]});
        assert_eq!(owner.refused("createApiToken", above).await, "NOT_FOUND");
        let rotated = owner
            .done(
                "rotateApiToken",
                json!({"tokenId": made["token"]["id"], "graceSeconds": 60}),
                "secret token { previousUntil }",
            )
            .await;
        let next = owner.with_token(rotated["secret"].as_str().expect("shown once"));
        assert!(bot.is_in().await && next.is_in().await, "both work while the grace lasts");
        app.clock.advance(std::time::Duration::from_secs(61));
        assert!(!bot.is_in().await && next.is_in().await);
        let owner = acme.owner.sign_in().await;
        owner
            .done(
                "updateServiceAccount",
                json!({"serviceAccount": {"userName": "ci-bot"}, "isActive": false}),
                "serviceAccount { isActive }",
            )
            .await;
        assert!(!next.is_in().await, "off means off");
        owner
            .done(
                "updateServiceAccount",
                json!({"serviceAccount": {"userName": "ci-bot"}, "isActive": true}),
                "serviceAccount { isActive }",
            )
            .await;
        assert!(next.is_in().await);
        assert_eq!(
            owner.refused("createUser", json!({"userName": "CI-BOT"})).await,
            "USERNAME_TAKEN",
            "one space of names"
        );
        owner.done("revokeToken", json!({"tokenId": made["token"]["id"]}), "token { state }").await;
        assert!(!next.is_in().await);
        let gone = owner
            .done("deleteServiceAccount", json!({"serviceAccount": {"userName": "ci-bot"}}), "deletedServiceAccountId")
            .await;
        assert_eq!(gone["deletedServiceAccountId"], account["id"]);
        assert_eq!(
            owner.refused("createServiceAccount", json!({"userName": "x", "roles": [{"key": "owner"}]})).await,
            "INSUFFICIENT_RANK"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ac03_g3_two_owners_who_demote_each_other_leave_one() {
    for (engine, rounds) in [(Engine::Memory, 1_000), (Engine::Disk, 100)] {
        let app = TestApp::start_on(engine).await;
        let acme = app.owned("acme").await;
        let first = acme.owner.sign_in().await;
        let second = app.member(acme.id, "second@acme.example", &[]).await.sign_in().await;
        let ids = [id(&first).await, id(&second).await];
        let role = json!({"user": {"id": ids[1]}, "roles": [{"key": "owner"}]});
        first.done("addUserRoles", role, "added { key }").await;
        for round in 0..rounds {
            let demote = |who: &Person, whom: &Value| {
                let (who, input) = (who.clone(), json!({"user": {"id": whom}, "roles": [{"key": "owner"}]}));
                tokio::spawn(async move { who.try_mutate("removeUserRoles", input, "removed { key }").await.body })
            };
            let (one, other) = (demote(&first, &ids[1]), demote(&second, &ids[0]));
            let answers = [one.await.expect("an answer"), other.await.expect("an answer")];
            let done =
                answers.iter().filter(|body| body["data"]["removeUserRoles"]["removed"] == json!([{"key": "owner"}]));
            assert_eq!(done.count(), 1, "round {round}: {answers:?}");
            let operator = rollcall::domain::Caller::operator(Some(acme.id));
            let owners = app.service.count_users_with_role(&operator, "owner").await.expect("counted");
            assert_eq!(owners, 1, "round {round}: an owner remained");
            for user in &ids {
                let user = rollcall::service::UserRef::Id(user.as_str().expect("an id").to_owned());
                let add = rollcall::service::RoleChange::Add;
                let given = [rollcall::service::RoleRef::Key("owner".to_owned())];
                app.service.change_user_roles(&operator, &user, &given, add, None).await.expect("given");
            }
        }
    }
}

async fn id(who: &Person) -> Value {
    who.me("user { id }").await["user"]["id"].clone()
}
