//! Administrators look after the users of their organization.

use serde_json::{Value, json};

use crate::support::person::first_code;
use crate::support::{Engine, Person, TestApp};

async fn find(who: &Person, by: Value, selection: &str) -> Value {
    let query = format!("query Find($by: UserRef!) {{ user(by: $by) {{ {selection} }} }}");
    who.ask(&query, json!({ "by": by })).await.data()["user"].clone()
}

async fn find_code(who: &Person, by: Value) -> Option<String> {
    who.ask("query Find($by: UserRef!) { user(by: $by) { id } }", json!({ "by": by })).await.code()
}

async fn list(who: &Person, arguments: &str, selection: &str) -> Value {
    who.ask(&format!("{{ users{arguments} {{ {selection} }} }}"), json!({})).await.data()["users"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn s0_22_s1_23_s2_05_s2_06_s2_08_s3_01_s4_03_s4_04_s4_09_s4_10_create_user() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let acme = app.owned("acme").await;
        let owner = acme.owner.sign_in().await;
        let group = owner.done("createGroup", json!({"name": "Team"}), "group { id }").await;
        let input = json!({
            "userName": "ada@looks-like-an-address.example", "email": "ada@acme.example", "givenName": "Ada", "familyName": "Byron",
            "title": "Countess", "company": "Engines", "avatarUrl": "https://pics.example/ada.png", "metadata": {"a": 1},
            "roles": [{"key": "analyst"}, {"key": "developer"}], "groups": [{"name": "Team"}],
            "credentials": {"temporary": true},
        });
        let selection = "temporaryPassword temporaryPasswordExpiresAt user { id userName displayName fullName email title \
             company avatarUrl metadata status accountType passwordState { isSet isExpired } roles { key } \
             groups { nodes { id } } createdBy { id } }";
        let made = owner.done("createUser", input, selection).await;
        let user = &made["user"];
        assert_eq!(
            (&user["displayName"], &user["fullName"]),
            (&json!("ada@looks-like-an-address.example"), &json!("Ada Byron")),
            "S4-04: falls back to the user name"
        );
        assert_eq!((&user["title"], &user["company"]), (&json!("Countess"), &json!("Engines")));
        assert_eq!(user["avatarUrl"], "https://pics.example/ada.png");
        assert_eq!(user["metadata"], json!({"a": 1}));
        assert_eq!((&user["status"], &user["accountType"]), (&json!("ACTIVE"), &json!("MANAGED")));
        assert_eq!(user["passwordState"]["isSet"], true);
        let mut keys: Vec<&str> =
            user["roles"].as_array().expect("roles").iter().filter_map(|role| role["key"].as_str()).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["analyst", "developer"], "S1-23");
        assert_eq!(user["groups"]["nodes"], json!([{"id": group["group"]["id"]}]));
        let own = owner.me("user { id }").await["user"]["id"].clone();
        assert_eq!(user["createdBy"]["id"], own);
        let password = made["temporaryPassword"].as_str().expect("shown once");
        assert!(password.len() >= 15);
        let twice = owner.refused("createUser", json!({"userName": "ADA@looks-like-an-address.example"})).await;
        assert_eq!(twice, "USERNAME_TAKEN");
        assert_eq!(owner.refused("createUser", json!({"userName": "me"})).await, "RESERVED_USERNAME");
        assert_eq!(owner.refused("createUser", json!({"userName": "x".repeat(101)})).await, "INVALID_USERNAME");
        // Signs in with the temporary password, and has to change it first.
        let login =
            "mutation($input: LoginInput!) { login(input: $input) { session { accessToken } userErrors { code } } }";
        let by_name = json!({"userName": "ada@looks-like-an-address.example", "password": password, "organization": {"shortName": "acme"}});
        let signed_in = owner.signed_out().ask(login, json!({ "input": by_name })).await.data();
        let token = signed_in["login"]["session"]["accessToken"].as_str().expect("a session").to_owned();
        let ada = owner.with_token(&token);
        assert_eq!(ada.me("requiredActions").await["requiredActions"], json!(["CHANGE_PASSWORD"]));
        assert_eq!(ada.refused_code("{ roles { totalCount } }").await.as_deref(), Some("ACTION_REQUIRED"));
        // Whoever proves the address chooses a password of their own: that of whoever made the account is void (S-7).
        let token = app.token_in_mail("ada@acme.example", 1).await;
        owner.signed_out().done("verifyEmail", json!({"token": token}), "email { isVerified }").await;
        assert!(!ada.is_in().await);
        let person = Person::new(&app.url, "ada@acme.example", password);
        assert!(person.login_payload(json!({})).await["session"].is_null());
        let reset = app.latest_token("ada@acme.example", "rcp_").await;
        let chosen = json!({"token": reset, "newPassword": "vK9 pl2 mQz wX7 vals"});
        person.done("completePasswordReset", chosen, "clientMutationId").await;
        person.with_password("vK9 pl2 mQz wX7 vals").sign_in().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s0_21_s1_08_s1_09_s1_11_s3_11_s3_12_s4_02_every_user_is_listed_page_by_page() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let acme = app.owned("acme").await;
        let owner = acme.owner.sign_in().await;
        for index in 0..7 {
            owner.done("createUser", json!({"userName": format!("person-{index}")}), "user { id }").await;
        }
        let gone = find(&owner, json!({"userName": "person-3"}), "id").await;
        acme.scim.make_user("from-okta").await;
        owner.done("createUser", json!({"userName": "off", "credentials": {"temporary": true}}), "user { id }").await;
        owner.done("disableUser", json!({"user": {"userName": "off"}}), "user { status }").await;
        let all = list(&owner, "(first: 100)", "totalCount filteredCount nodes { id userName status }").await;
        assert_eq!((&all["totalCount"], &all["filteredCount"]), (&json!(10), &json!(10)));
        let nodes = all["nodes"].as_array().expect("nodes").clone();
        let statuses: std::collections::BTreeSet<&str> =
            nodes.iter().filter_map(|node| node["status"].as_str()).collect();
        assert_eq!(statuses.into_iter().collect::<Vec<_>>(), ["ACTIVE", "DISABLED", "INVITED"], "S3-11");
        for order in ["CREATED_AT", "UPDATED_AT", "DISPLAY_NAME", "USER_NAME", "LAST_LOGIN_AT"] {
            for direction in ["ASC", "DESC"] {
                let by = format!("orderBy: {{field: {order}, direction: {direction}}}");
                let whole = list(&owner, &format!("({by})"), "nodes { id }").await["nodes"].clone();
                let (mut walked, mut after) = (Vec::new(), "null".to_owned());
                loop {
                    let page = list(
                        &owner,
                        &format!("(first: 3, after: {after}, {by})"),
                        "nodes { id } pageInfo { hasNextPage hasPreviousPage endCursor }",
                    )
                    .await;
                    walked.extend(page["nodes"].as_array().expect("nodes").iter().cloned());
                    if page["pageInfo"]["hasNextPage"] == false {
                        break;
                    }
                    after = page["pageInfo"]["endCursor"].to_string();
                }
                assert_eq!(json!(walked), whole, "S3-12: {order} {direction}");
                let (mut back, mut before) = (Vec::new(), "null".to_owned());
                loop {
                    let page = list(
                        &owner,
                        &format!("(last: 4, before: {before}, {by})"),
                        "nodes { id } pageInfo { hasPreviousPage startCursor }",
                    )
                    .await;
                    back.splice(0..0, page["nodes"].as_array().expect("nodes").iter().cloned());
                    if page["pageInfo"]["hasPreviousPage"] == false {
                        break;
                    }
                    before = page["pageInfo"]["startCursor"].to_string();
                }
                assert_eq!(json!(back), whole, "from the end: {order} {direction}");
            }
        }
        let second = list(&owner, "(page: {number: 2, size: 4})", "nodes { id } pageInfo { pageSize }").await;
        assert_eq!(second["nodes"].as_array().map(Vec::len), Some(4));
        assert_eq!(second["nodes"][0]["id"], nodes[4]["id"], "S1-08: pages count from 1");
        for (size, shown, count) in [(0, 0, 0), (100, 100, 10), (101, 100, 10)] {
            let page =
                list(&owner, &format!("(page: {{size: {size}}})"), "nodes { id } totalCount pageInfo { pageSize }")
                    .await;
            assert_eq!(page["pageInfo"]["pageSize"], shown, "S1-09");
            assert_eq!(page["nodes"].as_array().map(Vec::len), Some(count));
            assert_eq!(page["totalCount"], 10);
        }
        let code = async |arguments: &str| {
            owner.ask(&format!("{{ users{arguments} {{ totalCount nodes {{ id }} }} }}"), json!({})).await.code()
        };
        assert_eq!(code("(page: {number: 0})").await.as_deref(), Some("VALIDATION_FAILED"));
        assert_eq!(code("(first: -1)").await.as_deref(), Some("VALIDATION_FAILED"));
        assert_eq!(code("(page: {number: 1}, first: 2)").await.as_deref(), Some("INVALID_ARGUMENT_COMBINATION"));
        assert_eq!(code("(first: 1, last: 1)").await.as_deref(), Some("INVALID_ARGUMENT_COMBINATION"));
        assert!(code("(page: {size: 2147483648})").await.is_some());
        // A cursor outlives its row, but not its filter.
        let page = list(&owner, "(first: 5)", "nodes { id userName } edges { cursor node { id } }").await;
        let edge = page["edges"].as_array().expect("edges").iter().find(|edge| edge["node"]["id"] == gone["id"]);
        let cursor = edge.expect("on this page")["cursor"].clone();
        owner.done("deleteUser", json!({"user": {"id": gone["id"]}}), "deletedUserId").await;
        let after = list(&owner, &format!("(first: 1, after: {cursor})"), "nodes { userName }").await;
        assert_eq!(after["nodes"][0]["userName"], "person-4");
        let other = code(&format!("(first: 1, after: {cursor}, filter: {{search: \"x\"}})")).await;
        assert_eq!(other.as_deref(), Some("INVALID_CURSOR"));
        assert_eq!(code("(first: 1, after: \"AAAA\")").await.as_deref(), Some("INVALID_CURSOR"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s1_10_users_are_filtered_by_name_status_role_group_account_and_directory() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let acme = app.owned("acme").await;
        let owner = acme.owner.sign_in().await;
        owner.done("createGroup", json!({"name": "Team", "roles": [{"key": "analyst"}]}), "group { id }").await;
        for (name, display, extra) in [
            ("jose", "José Ångström-O'Neill", json!({"groups": [{"name": "Team"}]})),
            ("straße", "Straße", json!({})),
            ("dev", "Dev Eloper", json!({"roles": [{"key": "developer"}]})),
        ] {
            let mut input = json!({"displayName": display, "userName": name.replace('ß', "ss")});
            input.as_object_mut().expect("an object").extend(extra.as_object().expect("an object").clone());
            owner.done("createUser", input, "user { id }").await;
        }
        acme.scim.make_user("okta-only").await;
        let names = async |filter: &str| -> Vec<String> {
            let found = list(&owner, &format!("(filter: {filter})"), "nodes { userName } filteredCount").await;
            let names: Vec<String> = found["nodes"]
                .as_array()
                .expect("nodes")
                .iter()
                .map(|node| node["userName"].as_str().expect("a name").to_owned())
                .collect();
            assert_eq!(found["filteredCount"], names.len());
            names
        };
        assert_eq!(names("{nameSearch: \"ÅNGSTRÖM\"}").await, ["jose"]);
        assert_eq!(names("{nameSearch: \"sé ång\"}").await, ["jose"]);
        assert_eq!(names("{nameSearch: \"sé \"}").await, ["jose"], "S1-10: the pattern counts spaces");
        assert_eq!(names("{nameSearch: \"o'neill\"}").await, ["jose"]);
        assert_eq!(names("{nameSearch: \"STRAß\"}").await, ["strasse"]);
        assert_eq!(names("{nameSearch: \"nobody\"}").await, Vec::<String>::new());
        assert_eq!(names("{search: \"ELO\"}").await, ["dev"]);
        assert_eq!(names("{search: \"owner@acme\"}").await.len(), 1, "addresses too");
        assert_eq!(names("{role: {key: \"developer\"}}").await, ["dev"]);
        assert_eq!(names("{role: {key: \"analyst\"}}").await, ["jose"], "through a group");
        assert_eq!(names("{group: {name: \"Team\"}}").await, ["jose"]);
        assert_eq!(names("{status: [INVITED], search: \"okta\"}").await, ["okta-only"]);
        assert_eq!(names("{status: []}").await, Vec::<String>::new());
        assert_eq!(names("{accountType: EXTERNAL}").await, Vec::<String>::new());
        let directory = owner.ask("{ directories { nodes { id } } }", json!({})).await.data();
        let id = directory["directories"]["nodes"][0]["id"].as_str().expect("a directory").to_owned();
        assert_eq!(names(&format!("{{directoryId: \"{id}\"}}")).await, ["okta-only"]);
        let code = async |filter: &str| {
            owner.ask(&format!("{{ users(filter: {filter}) {{ nodes {{ id }} }} }}"), json!({})).await.code()
        };
        for short in ["jo", "   ", "ab", "\\u0301\\u0301\\u0301"] {
            assert_eq!(
                code(&format!("{{nameSearch: \"{short}\"}}")).await.as_deref(),
                Some("SEARCH_TERM_TOO_SHORT"),
                "{short}"
            );
        }
        assert_eq!(code("{nameSearch: \"abc1\"}").await.as_deref(), Some("VALIDATION_FAILED"));
        assert_eq!(code("{role: {key: \"nope\"}}").await.as_deref(), Some("NOT_FOUND"));
        assert_eq!(code("{group: {name: \"nope\"}}").await.as_deref(), Some("NOT_FOUND"));
        // What changes is found under its new name at once, and under the old one no more.
        owner
            .done("updateUser", json!({"user": {"userName": "dev"}, "displayName": "Quite Different"}), "user { id }")
            .await;
        assert_eq!(names("{nameSearch: \"different\"}").await, ["dev"]);
        assert_eq!(names("{nameSearch: \"eloper\"}").await, Vec::<String>::new());
        owner.done("deleteUser", json!({"user": {"userName": "dev"}}), "deletedUserId").await;
        assert_eq!(names("{nameSearch: \"different\"}").await, Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s0_23_s1_13_s3_08_s3_09_s3_10_s4_05_one_user_by_any_reference() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    let member = app.member(acme.id, "babs@acme.example", &["analyst"]).await.sign_in().await;
    let id = member.me("user { id userName }").await["user"].clone();
    for by in [
        json!({"id": id["id"]}),
        json!({"userName": id["userName"].as_str().expect("a name").to_uppercase()}),
        json!({"email": "BABS@acme.example"}),
    ] {
        let selection = "id status roles { key permissions { key } } permissions { key } \
             memberships { organization { id } status roleKeys } logins { id } emails { nodes { address } }";
        let user = find(&owner, by, selection).await;
        assert_eq!((&user["id"], &user["status"]), (&id["id"], &json!("ACTIVE")));
        assert_eq!(user["roles"][0]["key"], "analyst");
        let through_role = user["roles"][0]["permissions"].as_array().map(Vec::len);
        assert_eq!(user["permissions"].as_array().map(Vec::len), through_role, "S3-10");
        assert_eq!(user["memberships"].as_array().map(Vec::len), Some(1));
        assert_eq!(user["memberships"][0]["roleKeys"], json!(["analyst"]));
        assert_eq!(user["logins"].as_array().map(Vec::len), Some(2), "that of accepting, and this one");
        assert_eq!(user["emails"]["nodes"][0]["address"], "babs@acme.example");
    }
    let okta = acme.scim.make("/Users", &json!({"userName": "ext", "externalId": "00u1"})).await;
    assert_eq!(find(&owner, json!({"externalId": "00u1"}), "id").await["id"], json!(okta));
    assert_eq!(find_code(&owner, json!({"userName": "nobody"})).await.as_deref(), Some("NOT_FOUND"));
    let plain = app.member(acme.id, "plain@acme.example", &[]).await.sign_in().await;
    assert!(find_code(&plain, json!({"userName": "plain@acme.example"})).await.is_none(), "oneself");
    assert_eq!(find_code(&plain, json!({"id": id["id"]})).await.as_deref(), Some("FORBIDDEN"));
    assert_eq!(list_code(&plain).await.as_deref(), Some("FORBIDDEN"));
    app.assert_consistent().await;
}

async fn list_code(who: &Person) -> Option<String> {
    who.ask("{ users { totalCount } }", json!({})).await.code()
}

#[tokio::test(flavor = "multi_thread")]
async fn s0_25_s3_07_s3_15_s3_19_s4_07_s4_08_s4_20_update_user_leaves_alone_what_is_absent() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let acme = app.owned("acme").await;
        let owner = acme.owner.sign_in().await;
        let input = json!({"userName": "ada", "givenName": "Ada", "title": "Countess", "company": "Engines"});
        let id = owner.done("createUser", input, "user { id }").await["user"]["id"].clone();
        let user = json!({"userName": "ada"});
        let selection = "user { givenName title company displayName version }";
        let updated =
            owner.done("updateUser", json!({"user": user, "title": "Analyst", "company": null}), selection).await;
        assert_eq!(
            updated["user"],
            json!({"givenName": "Ada", "title": "Analyst", "company": null, "displayName": "ada", "version": 2})
        );
        let profile = json!({"fullName": "Augusta Ada King", "familyName": "King"});
        let updated = owner
            .done("updateUserProfile", json!({"user": user, "profile": profile}), "user { fullName title givenName }")
            .await;
        assert_eq!(updated["user"], json!({"fullName": "Augusta Ada King", "title": "Analyst", "givenName": "Ada"}));
        let other = owner.me("user { id }").await["user"]["id"].clone();
        assert_eq!(owner.refused("updateUser", json!({"user": user, "id": other, "title": "x"})).await, "ID_MISMATCH");
        owner.done("updateUser", json!({"user": user, "id": id, "title": "x"}), "user { id }").await;
        assert_eq!(
            owner.refused("updateUser", json!({"user": user, "title": "y", "ifVersion": 1})).await,
            "VERSION_CONFLICT"
        );
        assert_eq!(owner.refused("updateUser", json!({"user": user, "title": "<b>"})).await, "VALIDATION_FAILED");
        assert_eq!(
            owner.refused("updateUser", json!({"user": {"userName": "nobody"}, "title": "y"})).await,
            "NOT_FOUND"
        );
        let member = app.member(acme.id, "plain@acme.example", &[]).await.sign_in().await;
        let answer = member.try_mutate("updateUser", json!({"user": user, "title": "z"}), "user { id }").await;
        assert_eq!(answer.code().as_deref(), Some("FORBIDDEN"), "S3-19");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_03_s2_15_disabling_ends_access_at_once_and_enabling_brings_only_that_back() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let acme = app.owned("acme").await;
        let owner = acme.owner.sign_in().await;
        let babs = app.member(acme.id, "babs@acme.example", &["developer"]).await.sign_in().await;
        let id = babs.me("user { id }").await["user"]["id"].clone();
        let plain = app.member(acme.id, "plain@acme.example", &[]).await.sign_in().await;
        let answer = plain.try_mutate("disableUser", json!({"user": {"id": id}}), "user { id }").await;
        assert_eq!(answer.code().as_deref(), Some("FORBIDDEN"), "S3-03");
        let input = json!({"user": {"id": id}, "reason": "left the building"});
        let done = owner
            .done("disableUser", input, "loginsRevoked user { status isActive localHold { reason by { id } } }")
            .await;
        assert_eq!(done["loginsRevoked"], 2, "that of accepting, and this one");
        assert_eq!((&done["user"]["status"], &done["user"]["isActive"]), (&json!("DISABLED"), &json!(false)));
        assert_eq!(done["user"]["localHold"]["reason"], "left the building");
        assert!(!babs.is_in().await, "off means off at once");
        assert_eq!(first_code(&babs.login_payload(json!({})).await), "INVALID_CREDENTIALS");
        let done = owner
            .done("enableUser", json!({"user": {"id": id}}), "user { status roles { key } localHold { reason } }")
            .await;
        assert_eq!(
            done["user"],
            json!({"status": "ACTIVE", "roles": [{"key": "developer"}], "localHold": null}),
            "roles were kept"
        );
        assert!(!babs.is_in().await, "the old login stays ended");
        babs.sign_in().await;
        // Twice is no error; the last owner stays.
        owner.done("enableUser", json!({"user": {"id": id}}), "user { status }").await;
        let own = owner.me("user { id }").await["user"]["id"].clone();
        assert_eq!(owner.refused("disableUser", json!({"user": {"id": own}})).await, "LAST_OWNER");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s0_24_s0_32_s4_06_deleting_is_gone_at_once_and_can_be_undone() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let acme = app.owned("acme").await;
        let owner = acme.owner.sign_in().await;
        let babs = app.member(acme.id, "babs@acme.example", &["analyst"]).await.sign_in().await;
        let id = babs.me("user { id }").await["user"]["id"].as_str().expect("an id").to_owned();
        let done = owner.done("deleteUser", json!({"user": {"id": id}}), "deletedUserId purgeAt loginsRevoked").await;
        assert_eq!((&done["deletedUserId"], &done["loginsRevoked"]), (&json!(id), &json!(2)));
        assert!(!babs.is_in().await);
        assert_eq!(find_code(&owner, json!({"id": id})).await.as_deref(), Some("NOT_FOUND"));
        acme.scim.get(&format!("/Users/{id}")).await.refused(404, None);
        assert_eq!(acme.scim.count("/Users", "userName eq \"babs@acme.example\"").await, 0);
        let restored = owner.done("restoreUser", json!({"userId": id}), "user { id status roles { key } }").await;
        assert_eq!(restored["user"]["id"], json!(id));
        assert_eq!(restored["user"]["status"], "DISABLED", "the state of what comes back");
        owner.done("deleteUser", json!({"user": {"id": id}}), "purgeAt").await;
        // The same name can be had again, and then it cannot come back.
        acme.scim.make_user("babs@acme.example").await;
        assert_eq!(owner.refused("restoreUser", json!({"userId": id})).await, "USERNAME_TAKEN");
        let other = app.member(acme.id, "other@acme.example", &[]).await.sign_in().await;
        let other_id = other.me("user { id }").await["user"]["id"].clone();
        let done =
            owner.done("deleteUser", json!({"user": {"id": other_id}, "purge": true}), "deletedUserId purgeAt").await;
        assert_eq!(done["deletedUserId"], other_id);
        assert_eq!(owner.refused("restoreUser", json!({"userId": other_id})).await, "NOT_FOUND");
        let own = owner.me("user { id }").await["user"]["id"].clone();
        assert_eq!(owner.refused("deleteUser", json!({"user": {"id": own}})).await, "LAST_OWNER");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s1_12_removing_a_member_leaves_the_person_elsewhere_alone() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let (acme, globex) = (app.owned("acme").await, app.owned("globex").await);
        let babs = app.member(acme.id, "babs@acme.example", &[]).await;
        app.invite(globex.id, "babs@acme.example", "Babs", &[]).await;
        let token = app.token_in_mail("babs@acme.example", 2).await;
        let signed_in = babs.sign_in().await;
        signed_in.done("acceptInvitation", json!({"token": token}), "user { id }").await;
        let owner = acme.owner.sign_in().await;
        let id = signed_in.me("memberships { organization { shortName } user { id } }").await;
        assert_eq!(id["memberships"].as_array().map(Vec::len), Some(2));
        let user = find(&owner, json!({"email": "babs@acme.example"}), "id").await;
        let done = owner.done("removeMember", json!({"user": {"id": user["id"]}}), "removedUserId loginsRevoked").await;
        assert_eq!(done["removedUserId"], user["id"]);
        assert_eq!(find_code(&owner, json!({"id": user["id"]})).await.as_deref(), Some("NOT_FOUND"));
        let again = babs.sign_in().await;
        let me = again.me("memberships { organization { shortName } }").await;
        assert_eq!(me["memberships"], json!([{"organization": {"shortName": "globex"}}]), "S1-12: the person survives");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s0_29_s2_03_s2_04_s1_14_resetting_passwords_of_others() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let acme = app.owned("acme").await;
        let owner = acme.owner.sign_in().await;
        let babs = app.member(acme.id, "babs@acme.example", &[]).await.sign_in().await;
        let user = json!({"user": {"email": "babs@acme.example"}});
        let done = owner
            .done(
                "resetPassword",
                user.clone(),
                "temporaryPassword expiresAt loginsRevoked user { passwordState { isExpired reason } }",
            )
            .await;
        assert_eq!(done["loginsRevoked"], 2, "that of accepting, and this one");
        assert_eq!(done["user"]["passwordState"], json!({"isExpired": true, "reason": "ADMIN"}));
        assert!(!babs.is_in().await);
        let password = done["temporaryPassword"].as_str().expect("shown once").to_owned();
        let changed = babs.with_password(&password).sign_in().await;
        assert_eq!(changed.me("requiredActions").await["requiredActions"], json!(["CHANGE_PASSWORD"]));
        let input = json!({"currentPassword": password, "newPassword": "a wholly new secret phrase"});
        changed.done("changePassword", input, "loginsRevoked").await;
        let babs = babs.with_password("a wholly new secret phrase").sign_in().await;
        let done = owner
            .done(
                "setPasswordExpired",
                json!({"user": {"email": "babs@acme.example"}, "isExpired": true, "reason": "POLICY"}),
                "user { passwordState { isExpired reason } }",
            )
            .await;
        assert_eq!(done["user"]["passwordState"], json!({"isExpired": true, "reason": "POLICY"}), "S2-04");
        assert_eq!(babs.me("requiredActions").await["requiredActions"], json!(["CHANGE_PASSWORD"]));
        let done = owner.done("sendPasswordReset", user, "sentTo expiresAt").await;
        let sent = done["sentTo"].as_str().expect("an address");
        assert!(sent.starts_with("b•") && sent.ends_with("@acme.example"), "{sent}");
        let token = app.latest_token("babs@acme.example", "rcp_").await;
        let input = json!({"token": token, "newPassword": "yet another secret phrase"});
        babs.signed_out().done("completePasswordReset", input, "loginsRevoked").await;
        babs.with_password("yet another secret phrase").sign_in().await;
        let own = json!({"user": {"email": acme.owner.email}});
        assert_eq!(owner.refused("resetPassword", own).await, "USE_CHANGE_PASSWORD", "S0-29: not for one's own");
        for event in app.events(acme.id).await {
            assert!(!format!("{event:?}").contains(&password), "S2-03");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s2_16_superusers_are_made_by_superusers_only() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    let babs = app.member(acme.id, "babs@acme.example", &[]).await.sign_in().await;
    let input = json!({"user": {"email": "babs@acme.example"}, "isSuperuser": true});
    let answer = owner.try_mutate("setSuperuser", input.clone(), "user { id }").await;
    assert_eq!(answer.body["data"]["setSuperuser"]["userErrors"][0]["code"], "INSUFFICIENT_RANK", "{}", answer.body);
    let operator = rollcall::domain::Caller::operator(None);
    app.service.appoint_superuser(&operator, &acme.owner.email, true).await.expect("appointed");
    let owner = acme.owner.sign_in().await;
    let done = owner.done("setSuperuser", input, "user { isSuperuser }").await;
    assert_eq!(done["user"]["isSuperuser"], true);
    assert_eq!(babs.me("user { isSuperuser }").await["user"]["isSuperuser"], true);
    assert!(babs.ask("{ users { totalCount } }", json!({})).await.code().is_none(), "may everything from now on");
    let own = json!({"user": {"email": acme.owner.email}, "isSuperuser": false});
    assert!(!owner.refused("setSuperuser", own).await.is_empty(), "never oneself");
    app.assert_consistent().await;
}
