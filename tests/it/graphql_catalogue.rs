//! Rows of the security catalogue about administrators, invitations and what providers send.

use serde_json::{Value, json};

use crate::support::{TestApp, user};

#[tokio::test(flavor = "multi_thread")]
async fn ac04_an_administrator_does_not_touch_whoever_may_more() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let admin = app.member(acme.id, "admin@acme.example", &["admin"]).await.sign_in().await;
    let boss = app.member(acme.id, "boss@acme.example", &[]).await.sign_in().await;
    let operator = rollcall::domain::Caller::operator(None);
    app.service.appoint_superuser(&operator, "boss@acme.example", true).await.expect("appointed");
    for whom in ["boss@acme.example", acme.owner.email.as_str()] {
        let target = json!({"user": {"email": whom}});
        for name in [
            "disableUser",
            "deleteUser",
            "removeMember",
            "resetMfa",
            "resetPassword",
            "sendPasswordReset",
            "unlockUser",
        ] {
            assert_eq!(admin.refused(name, target.clone()).await, "INSUFFICIENT_RANK", "{name} {whom}");
        }
        for (name, extra) in [
            ("updateUser", json!({"title": "x"})),
            ("setUserRoles", json!({"roles": []})),
            ("addUserRoles", json!({"roles": [{"key": "owner"}]})),
            ("setPasswordExpired", json!({"isExpired": true})),
        ] {
            let mut input = target.clone();
            input.as_object_mut().expect("an object").extend(extra.as_object().expect("an object").clone());
            assert_eq!(admin.refused(name, input).await, "INSUFFICIENT_RANK", "{name} {whom}");
        }
    }
    assert!(boss.is_in().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn in01_in02_the_address_comes_from_the_invitation_and_the_link_from_the_mail_alone() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    let item = json!({"email": "guest@acme.example", "name": "Guest", "roles": [], "connection": null});
    let sent =
        owner.mutate("invite", json!({"invitations": [item]}), "results { invitation { id email state } }").await;
    let token = app.token_in_mail("guest@acme.example", 1).await;
    let id = sent["results"][0]["invitation"]["id"].clone();
    let resent = owner.done("resendInvitation", json!({"invitationId": id}), "invitation { id state }").await;
    let again = app.token_in_mail("guest@acme.example", 2).await;
    let listed = owner
        .ask(
            "{ invitations { nodes { id email } } auditEvents { nodes { type changes { before after } } } }",
            json!({}),
        )
        .await;
    for (what, text) in
        [("invite", sent.to_string()), ("resend", resent.to_string()), ("lists", listed.body.to_string())]
    {
        for secret in [&token, &again] {
            assert!(!text.contains(secret.as_str()) && !text.contains(&secret[5..]), "IN-02: {what}");
        }
    }
    let sdl = rollcall::api::graphql::sdl();
    let (_, shown) = sdl.split_once("\ntype Invitation implements").expect("the type");
    let shown = shown.split("\n}").next().expect("its end");
    assert!(!shown.contains("token:") && !shown.contains("link:"), "IN-02: no field for it");
    // Somebody else's address cannot be given, and one who is signed in with another one is refused.
    let other = app.member(acme.id, "other@acme.example", &[]).await.sign_in().await;
    assert!(!other.refused("acceptInvitation", json!({"token": again})).await.is_empty(), "IN-01");
    let input = json!({"token": again, "password": "vK9 pl2 mQz wX7 vals", "userName": "guest"});
    let joined = owner.signed_out().done("acceptInvitation", input, "user { email userName }").await;
    assert_eq!(joined["user"]["email"], "guest@acme.example");
}

#[tokio::test(flavor = "multi_thread")]
async fn sc07_a_group_of_a_directory_gives_nothing_by_its_name() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    let babs = app.member(acme.id, "babs@acme.example", &[]).await.sign_in().await;
    let id = babs.me("user { id }").await["user"]["id"].as_str().expect("an id").to_owned();
    for name in ["admin", "owner", "Administrators"] {
        acme.scim.make("/Groups", &json!({"displayName": name, "members": [{"value": id}]})).await;
    }
    assert_eq!(babs.me("roles { key }").await["roles"], json!([{"key": "member"}]));
    // Groups kept here that give roles are not the directory's to fill.
    let made = owner.done("createGroup", json!({"name": "Power", "roles": [{"key": "admin"}]}), "group { id }").await;
    let path = format!("/Groups/{}", made["group"]["id"].as_str().expect("an id"));
    let answer = acme.scim.patch(&path, json!([{"op": "add", "path": "members", "value": [{"value": id}]}])).await;
    assert!(answer.status >= 400, "{}", answer.status);
    assert_eq!(babs.me("roles { key }").await["roles"], json!([{"key": "member"}]));
}

#[tokio::test(flavor = "multi_thread")]
async fn sc09_no_way_of_asking_shows_a_password() {
    let app = TestApp::start().await;
    let scim = app.tenant("acme").await.scim;
    let mut ada = user("ada");
    ada["password"] = json!("t0ps3cret-canary-phrase");
    let id = scim.make("/Users", &ada).await;
    for path in [format!("/Users/{id}?attributes=password"), "/Users?attributes=password,userName".to_owned()] {
        assert!(!scim.get(&path).await.expect(200).to_string().contains("password"), "{path}");
    }
    for path in ["/Users?filter=password%20sw%20%22t%22", "/Users?filter=password%20pr"] {
        let answer = scim.get(path).await;
        assert!(matches!(answer.status, 400 | 403), "{path}: {}", answer.status);
    }
    let sorted = scim.get("/Users?sortBy=password").await;
    assert!(sorted.status == 400 || !sorted.expect(200).to_string().contains("password"));
}

#[test]
fn un05_what_is_compared_is_folded_once_and_for_all() {
    use proptest::prelude::*;
    proptest!(|(text in "\\PC{0,40}")| {
        let once = scim::fold(&text);
        prop_assert_eq!(scim::fold(&once), once);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn ss01_ss02_the_server_fetches_no_address_and_sends_nobody_elsewhere() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let bait = format!("http://{}/bait.png", listener.local_addr().expect("its address"));
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    owner.done("updateMe", json!({"avatarUrl": bait}), "user { avatarUrl }").await;
    let mut ada = user("ada");
    ada["photos"] = json!([{"value": bait, "primary": true}]);
    acme.scim.make("/Users", &ada).await;
    for address in ["javascript:alert(1)", "file:///etc/passwd", "data:text/html,x"] {
        assert!(!owner.refused("updateMe", json!({ "avatarUrl": address })).await.is_empty(), "{address}");
    }
    let fetched = tokio::time::timeout(std::time::Duration::from_millis(500), listener.accept()).await;
    assert!(fetched.is_err(), "SS-01: nobody came");
    let http = crate::support::http().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
    for path in [
        "//evil.example",
        "/\\evil.example",
        "/%2f%2fevil.example",
        "/invitation?next=//evil.example",
        "/graphiql?next=https://evil.example",
    ] {
        let answer = http.get(format!("{}{path}", app.url)).send().await.expect("an answer");
        assert!(!answer.headers().contains_key("location"), "SS-02: {path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sc06_no_attribute_of_a_request_gives_rights() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let mut ada = user("ada");
    let roles = json!([{"value": "owner", "primary": true}]);
    for (name, value) in [
        ("roles", roles),
        ("entitlements", json!([{"value": "superuser"}])),
        ("superuser", json!(true)),
        ("isAdmin", json!(true)),
        ("groups", json!([{"value": "x"}])),
        ("id", json!("01900000-0000-7000-8000-000000000000")),
        ("passwordHash", json!("x")),
    ] {
        ada[name] = value;
    }
    let id = acme.scim.make("/Users", &ada).await;
    let owner = acme.owner.sign_in().await;
    let query = "query One($id: ID!) { user(by: {id: $id}) { isSuperuser roleGrants { source role { key } } groups { totalCount } } }";
    let found = owner.ask(query, json!({ "id": id })).await.data()["user"].clone();
    let default = json!([{"source": "DEFAULT", "role": {"key": "member"}}]);
    assert_eq!(
        found,
        json!({"isSuperuser": false, "roleGrants": default, "groups": {"totalCount": 0}}),
        "{}",
        Value::Null
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sc03_an_address_that_a_directory_writes_opens_no_account() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let babs = app.member(acme.id, "babs@acme.example", &[]).await.sign_in().await;
    let id = babs.me("user { id }").await["user"]["id"].as_str().expect("an id").to_owned();
    let evil = json!([{"op": "replace", "path": "emails", "value": [{"value": "evil@attacker.example", "primary": true, "type": "work"}]}]);
    acme.scim.patch(&format!("/Users/{id}"), evil).await.expect(200);
    let thief = babs.signed_out();
    thief.done("requestPasswordReset", json!({"email": "evil@attacker.example"}), "clientMutationId").await;
    tokio::time::sleep(std::time::Duration::from_millis(800)).await;
    assert!(
        app.smtp.all().iter().all(|mail| mail.to.iter().all(|to| to != "evil@attacker.example")),
        "nothing is sent there"
    );
    let taken = thief.under("evil@attacker.example").login_payload(json!({})).await;
    assert_eq!(taken["session"], Value::Null);
    assert!(babs.is_in().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn tn09_whoever_may_only_invite_makes_no_member_and_learns_no_link() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    owner
        .done(
            "createRole",
            json!({"key": "inviter", "name": "Inviter", "permissions": ["user_access_invite"]}),
            "role { id }",
        )
        .await;
    let inviter = app.member(acme.id, "in@acme.example", &["inviter"]).await.sign_in().await;
    for (name, input) in [
        ("createUser", json!({"userName": "direct"})),
        ("addUserRoles", json!({"user": {"email": "in@acme.example"}, "roles": [{"key": "admin"}]})),
        ("updateAccountPolicy", json!({"jit": "CREATE"})),
        ("createDirectory", json!({"displayName": "Mine"})),
    ] {
        let answer = inviter.try_mutate(name, input, "clientMutationId").await;
        assert_eq!(answer.code().as_deref(), Some("FORBIDDEN"), "{name}: {}", answer.body);
    }
    let item = json!({"email": "x@acme.example", "name": "X", "roles": [], "connection": null});
    let sent = inviter
        .mutate("invite", json!({"invitations": [item]}), "results { invitation { id } userErrors { code } }")
        .await;
    let token = app.token_in_mail("x@acme.example", 1).await;
    assert!(sent["results"][0]["invitation"]["id"].is_string() && !sent.to_string().contains(&token));
}

#[tokio::test(flavor = "multi_thread")]
async fn in09_nobody_is_buried_in_invitations() {
    let app = TestApp::start_configured(|config| config.limits.mails_per_hour = 2).await;
    let acme = app.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    let item = json!({"email": "guest@acme.example", "name": "Guest", "roles": [], "connection": null});
    let sent = owner.mutate("invite", json!({"invitations": [item]}), "results { invitation { id } }").await;
    let again = json!({"invitationId": sent["results"][0]["invitation"]["id"]});
    owner.done("resendInvitation", again.clone(), "invitation { sentCount }").await;
    assert_eq!(owner.refused("resendInvitation", again).await, "RATE_LIMITED");
}

#[tokio::test(flavor = "multi_thread")]
async fn tn04_tn10_no_walk_and_no_filter_leaves_the_organization() {
    let app = TestApp::start().await;
    let (acme, globex) = (app.owned("acme").await, app.owned("globex").await);
    for (scim, name) in [(&acme.scim, "ours"), (&globex.scim, "theirs")] {
        let first = scim.make_user(&format!("{name}-1")).await;
        let inner =
            scim.make("/Groups", &json!({"displayName": format!("{name} inner"), "members": [{"value": first}]})).await;
        scim.make("/Groups", &json!({"displayName": format!("{name} outer"), "members": [{"value": inner}]})).await;
    }
    let owner = acme.owner.sign_in().await;
    let walk = "{ users(first: 5) { nodes { id userName groups(first: 3) { nodes { name members(first: 3) { nodes { displayName } } } } } } \
        groups(first: 10) { nodes { name directory { displayName } members(first: 3) { nodes { displayName ... on Group { \
        members(first: 2) { nodes { displayName } } } } } } } auditEvents(first: 20) { nodes { target { nodeId } actor { displayName } } } }";
    let seen = owner.ask(walk, json!({})).await.data().to_string();
    assert!(seen.contains("ours-1") && seen.contains("ours outer") && !seen.contains("theirs"), "TN-04");
    let filters = [
        "userName pr",
        "not (userName eq \"ours-1\")",
        "userName sw \"theirs\" or userName sw \"ours\"",
        "active eq true or active eq false and not (userName eq \"x\")",
    ];
    for left in filters {
        for right in filters {
            for joined in [
                format!("({left}) and ({right})"),
                format!("{left} or {right}"),
                format!("not (({left}) and not ({right}))"),
            ] {
                let path = format!(
                    "/Users?filter={}",
                    percent_encoding::utf8_percent_encode(&joined, percent_encoding::NON_ALPHANUMERIC)
                );
                let found = acme.scim.get(&path).await.expect(200).to_string();
                assert!(!found.contains("theirs"), "TN-10: {joined}");
            }
        }
    }
}
