//! One's own profile and preferences (S0-07, S1-04…06, S2-20…30, S3-14…18, S4-17).

use serde_json::{Value, json};

use crate::support::{Engine, TestApp, patch};

const USER: &str = "user { id userName displayName givenName familyName fullName title company avatarUrl metadata email status isOnboarded version } skippedOrganizations { shortName }";

#[tokio::test(flavor = "multi_thread")]
async fn s0_07_s1_06_a_profile_is_edited_and_absent_fields_stay() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let acme = app.owned("acme").await;
        let owner = acme.owner.sign_in().await;
        let all = json!({"displayName": "Babs Jensen", "givenName": "Barbara", "familyName": "Jensen", "title": "Tour guide", "company": "Acme", "avatarUrl": "https://x.example/a.png", "metadata": {"costCentre": "4711", "a": 1}, "isOnboarded": true});
        let user = owner.done("updateMe", all, USER).await["user"].clone();
        assert_eq!(
            (&user["displayName"], &user["fullName"], &user["title"]),
            (&json!("Babs Jensen"), &json!("Barbara Jensen"), &json!("Tour guide"))
        );
        assert_eq!(
            (&user["metadata"], &user["isOnboarded"], &user["avatarUrl"]),
            (&json!({"costCentre": "4711", "a": 1}), &json!(true), &json!("https://x.example/a.png"))
        );
        let version = user["version"].as_i64().expect("a number");
        let next = owner
            .done(
                "updateMe",
                json!({"id": user["id"], "ifVersion": version, "title": null, "metadata": {"a": null}}),
                USER,
            )
            .await["user"]
            .clone();
        assert_eq!(
            (&next["title"], &next["metadata"], &next["company"]),
            (&Value::Null, &json!({"costCentre": "4711"}), &json!("Acme"))
        );
        assert_eq!(next["version"], version + 1);
        let stale = owner.mutate("updateMe", json!({"ifVersion": version, "title": "x"}), USER).await;
        assert_eq!(
            (&stale["userErrors"][0]["code"], &stale["userErrors"][0]["params"]["currentVersion"]),
            (&json!("VERSION_CONFLICT"), &json!(version + 1))
        );
        let same = owner.done("updateMe", json!({"company": "Acme"}), USER).await["user"].clone();
        assert_eq!(same["version"], next["version"], "nothing changed, nothing written");
        let scim = acme.scim.get(&format!("/Users/{}", user["id"].as_str().expect("an id"))).await.expect(200);
        assert_eq!(
            (&scim["name"]["givenName"], &scim["displayName"]),
            (&json!("Barbara"), &json!("Babs Jensen")),
            "the same user on both faces"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s2_22_to_s2_28_what_updateme_refuses_it_names() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    app.member(acme.id, "babs@acme.example", &["member"]).await;
    acme.scim.make_user("taken").await;
    for (input, code, path) in [
        (json!({"id": "01900000-0000-7000-8000-000000000000"}), "ID_MISMATCH", "id"),
        (json!({"isSuperuser": true}), "INSUFFICIENT_RANK", "isSuperuser"),
        (json!({"isActive": false}), "INSUFFICIENT_RANK", "isActive"),
        (json!({"userName": "Taken"}), "USERNAME_TAKEN", "userName"),
        (json!({"userName": "me"}), "RESERVED_USERNAME", "userName"),
        (json!({"userName": "admin"}), "RESERVED_USERNAME", "userName"),
        (json!({"userName": "a b"}), "INVALID_USERNAME", "userName"),
        (json!({"userName": null}), "VALIDATION_FAILED", "userName"),
        (json!({"userName": "babs@acme.example"}), "INVALID_USERNAME", "userName"),
        (json!({"userName": "nobody@acme.example"}), "INVALID_USERNAME", "userName"),
        (json!({"email": null}), "VALIDATION_FAILED", "email"),
        (json!({"email": "nobody"}), "INVALID_EMAIL", "email"),
        (json!({"displayName": "<b>"}), "INVALID_DISPLAY_NAME", "displayName"),
        (json!({"title": "x".repeat(51)}), "VALIDATION_FAILED", "title"),
        (json!({"avatarUrl": "javascript:alert(1)"}), "VALIDATION_FAILED", "avatarUrl"),
        (json!({"metadata": {"a": "x".repeat(17_000)}}), "LIMIT_EXCEEDED", "metadata"),
        (json!({"disabled": true}), "LAST_OWNER", ""),
    ] {
        let payload = owner.mutate("updateMe", input.clone(), "user { id }").await;
        let error = &payload["userErrors"][0];
        let found = error["path"].as_array().and_then(|path| path.get(1)).and_then(Value::as_str).unwrap_or_default();
        assert_eq!((error["code"].as_str(), found), (Some(code), path), "{input}: {payload}");
        assert!(payload["user"].is_null());
    }
    for absent in ["password", "passwordExpired"] {
        let answer = owner.try_mutate("updateMe", json!({absent: "x"}), "user { id }").await;
        assert_eq!(answer.code().as_deref(), Some("BAD_USER_INPUT"), "C05, S2-29: {}", answer.body);
    }
    let both = owner.mutate("updateMe", json!({"displayName": "", "title": ""}), "user { id }").await;
    assert_eq!(both["userErrors"].as_array().map(Vec::len), Some(2), "all that is wrong is told at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn g6_what_a_directory_writes_is_refused_here_and_skipped_elsewhere() {
    let app = TestApp::start().await;
    let (acme, globex) = (app.owned("acme").await, app.owned("globex").await);
    app.invite(globex.id, &acme.owner.email, "Guest", &["member"]).await;
    let owner = acme.owner.sign_in().await;
    let joined = owner
        .done("acceptInvitation", json!({"token": app.token_in_mail(&acme.owner.email, 1).await}), "user { id }")
        .await;
    let there = joined["user"]["id"].as_str().expect("an id").to_owned();
    globex
        .scim
        .send(
            "PATCH",
            &format!("/Users/{there}"),
            Some((
                "application/scim+json",
                patch(json!([{"op": "replace", "path": "title", "value": "Guest"}])).to_string().into_bytes(),
            )),
        )
        .await
        .expect(200);
    let done = owner.done("updateMe", json!({"title": "Tour guide", "displayName": "Babs"}), USER).await;
    assert_eq!(done["skippedOrganizations"], json!([{"shortName": "globex"}]));
    let scim = globex.scim.get(&format!("/Users/{there}")).await.expect(200);
    assert_eq!(
        (&scim["title"], &scim["displayName"]),
        (&json!("Guest"), &json!("Babs")),
        "only what the directory keeps is left alone"
    );
    let switched = owner
        .done(
            "switchOrganization",
            json!({"organization": {"shortName": "globex"}}),
            "session { accessToken refreshToken }",
        )
        .await;
    let guest = owner.with_session(&switched["session"]);
    let refused = guest.mutate("updateMe", json!({"title": "x", "company": "y"}), "user { id }").await;
    assert_eq!(
        (&refused["userErrors"][0]["code"], &refused["userErrors"][0]["params"]["owner"]),
        (&json!("MANAGED_BY_DIRECTORY"), &json!("Okta"))
    );
    assert_eq!(refused["userErrors"].as_array().map(Vec::len), Some(1));
    assert_eq!(guest.me("user { company }").await["user"]["company"], Value::Null, "all or nothing");
    assert_eq!(guest.refused("updateMe", json!({"disabled": true})).await, "MANAGED_BY_DIRECTORY");
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_18_one_may_take_oneself_out_and_only_others_bring_one_back() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let babs = app.member(acme.id, "babs@acme.example", &["member"]).await;
    let signed_in = babs.sign_in().await;
    let done = signed_in.done("updateMe", json!({"disabled": true}), "user { id }").await;
    assert!(done["user"].is_object(), "this request still answers");
    assert!(!signed_in.is_in().await);
    assert_eq!(babs.login_payload(json!({})).await["userErrors"][0]["code"], "INVALID_CREDENTIALS");
    let id = done["user"]["id"].as_str().expect("an id");
    acme.scim
        .patch(&format!("/Users/{id}"), json!([{"op": "replace", "path": "title", "value": "x"}]))
        .await
        .expect(200);
    assert_eq!(
        babs.login_payload(json!({})).await["userErrors"][0]["code"],
        "INVALID_CREDENTIALS",
        "a hold no directory lifts"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn c26_the_profile_needs_its_permission_and_nothing_else_does() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    let made =
        owner.done("createPersonalToken", json!({"name": "reader", "scopes": ["user_access_read"]}), "secret").await;
    let reader = owner.with_token(made["secret"].as_str().expect("a secret"));
    let answer = reader.try_mutate("updateMe", json!({"title": "x"}), "user { id }").await;
    assert_eq!(
        (answer.code().as_deref(), &answer.body["errors"][0]["extensions"]["params"]["requiredPermission"]),
        (Some("FORBIDDEN"), &json!("user_self_profile_write")),
        "S3-17"
    );
    reader.done("updateMySettings", json!({"theme": "DARK"}), "settings { theme }").await;
    assert_eq!(
        reader.me("user { id } mfa { isEnabled } logins { id }").await["mfa"]["isEnabled"],
        false,
        "S0-31, S3-06"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn s4_17_preferences_are_the_persons_own() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let owner = app.owned("acme").await.owner.sign_in().await;
        let selection = "settings { locale timezone theme notifications { newDevice profileChange } preferences updatedAt version }";
        let first = owner.me(selection).await["settings"].clone();
        assert_eq!(
            first,
            json!({"locale": null, "timezone": null, "theme": "SYSTEM", "notifications": {"newDevice": true, "profileChange": true}, "preferences": {}, "updatedAt": null, "version": 0})
        );
        let input = json!({"theme": "DARK", "timezone": "Europe/Zurich", "locale": "de-CH", "notifications": {"newDevice": false}, "preferences": {"sidebar": "collapsed", "a": 1}});
        let set = owner.done("updateMySettings", input, selection).await["settings"].clone();
        assert_eq!(
            (&set["theme"], &set["version"], &set["notifications"]),
            (&json!("DARK"), &json!(1), &json!({"newDevice": false, "profileChange": true}))
        );
        let next = owner
            .done(
                "updateMySettings",
                json!({"locale": null, "theme": null, "preferences": {"a": null}, "ifVersion": 1}),
                selection,
            )
            .await["settings"]
            .clone();
        assert_eq!(
            (&next["locale"], &next["theme"], &next["timezone"], &next["preferences"]),
            (&Value::Null, &json!("SYSTEM"), &json!("Europe/Zurich"), &json!({"sidebar": "collapsed"}))
        );
        assert_eq!(
            owner.refused("updateMySettings", json!({"ifVersion": 1, "theme": "LIGHT"})).await,
            "VERSION_CONFLICT"
        );
        for bad in [json!({"locale": "x"}), json!({"timezone": "Nowhere/Land"}), json!({"preferences": [1]})] {
            assert_eq!(owner.refused("updateMySettings", bad).await, "VALIDATION_FAILED");
        }
        assert_eq!(
            owner.refused("updateMySettings", json!({"preferences": {"a": "x".repeat(17_000)}})).await,
            "LIMIT_EXCEEDED"
        );
        assert_eq!(
            owner.done("completeOnboarding", json!({}), "user { id }").await["user"]["id"],
            owner.me("user { id }").await["user"]["id"]
        );
        assert_eq!(owner.me("user { isOnboarded }").await["user"]["isOnboarded"], true, "S2-19");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_omitted_variable_is_absent_and_never_null() {
    let app = TestApp::start().await;
    let owner = app.owned("acme").await.owner.sign_in().await;
    owner.done("updateMe", json!({"title": "Guide", "company": "Acme"}), "user { id }").await;
    let query = "mutation M($title: String, $company: String, $version: Int) { updateMe(input: {title: $title, company: $company, ifVersion: $version, displayName: \"B\"}) { user { title company } userErrors { code } } }";
    let kept = owner.ask(query, json!({})).await.data();
    assert_eq!(kept["updateMe"]["user"], json!({"title": "Guide", "company": "Acme"}));
    let cleared = owner.ask(query, json!({"title": null})).await.data();
    assert_eq!(cleared["updateMe"]["user"], json!({"title": null, "company": "Acme"}));
    let default =
        owner.ask("query Q($state: LoginState) { me { logins(state: $state) { id } } }", json!({})).await.data();
    assert_eq!(default["me"]["logins"].as_array().map(Vec::len), Some(1), "the argument's default counts");
}
