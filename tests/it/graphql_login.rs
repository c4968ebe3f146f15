//! Signing in with a password: one answer to whatever is wrong, counted before it is looked at (AU-…).

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Engine, Person, TestApp};

const SESSION: &str = "session { accessToken refreshToken login { id deviceId deviceName authMethods assurance remoteIp \
                       userAgent { browser os device } isCurrent state } }";

#[tokio::test(flavor = "multi_thread")]
async fn s2_02_a_person_signs_in_by_address_or_by_name() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let acme = app.owned("acme").await;
        let payload = acme
            .owner
            .mutate(
                "login",
                json!({"email": "OWNER@acme.example", "password": acme.owner.password, "deviceName": "Laptop"}),
                SESSION,
            )
            .await;
        assert_eq!(payload["userErrors"], json!([]), "{payload}");
        let login = &payload["session"]["login"];
        assert_eq!(login["authMethods"], json!(["PASSWORD"]));
        assert_eq!(
            (&login["assurance"], &login["state"], &login["isCurrent"]),
            (&json!("SINGLE_FACTOR"), &json!("ACTIVE"), &json!(true))
        );
        assert_eq!((&login["deviceName"], &login["remoteIp"]), (&json!("Laptop"), &json!("127.0.0.1")));
        assert_eq!(login["userAgent"], json!({"browser": "Firefox 145", "os": "Linux", "device": "pc"}));
        let by_name = json!({"userName": "Owner@ACME.example", "organization": {"shortName": "acme"}, "password": acme.owner.password});
        let payload = acme.owner.mutate("login", by_name, SESSION).await;
        let person = acme.owner.with_session(&payload["session"]);
        assert_eq!(person.me("user { userName lastLoginAt }").await["user"]["lastLoginAt"], "2026-01-01T00:00:00.000Z");
        for bad in [json!({}), json!({"email": "a@b.example", "userName": "a"}), json!({"userName": "a"})] {
            let mut input = json!({"password": "x"});
            input.as_object_mut().expect("object").extend(bad.as_object().expect("object").clone());
            assert_eq!(acme.owner.refused("login", input).await, "INVALID_ARGUMENT_COMBINATION");
        }
    }
}

/// What a refused sign-in answers, request ids aside.
async fn refusal(person: &Person, input: Value) -> (u16, Value) {
    let answer =
        person.try_mutate("login", input, "session { accessToken } challenge { token } trustedDeviceToken").await;
    (answer.status, answer.body)
}

#[tokio::test(flavor = "multi_thread")]
async fn au08_au09_whatever_is_wrong_has_one_answer() {
    let app = TestApp::start_configured(|config| config.lockout.max_failures = 3).await;
    let acme = app.owned("acme").await;
    let disabled = app.member(acme.id, "disabled@acme.example", &["member"]).await.sign_in().await;
    disabled.done("updateMe", json!({"disabled": true}), "user { status }").await;
    let locked = app.member(acme.id, "locked@acme.example", &["member"]).await;
    for _ in 0..3 {
        assert_eq!(
            locked.refused("login", json!({"email": locked.email, "password": "wrong"})).await,
            "INVALID_CREDENTIALS"
        );
    }
    acme.scim.make_user("no-password@acme.example").await;
    let right = &acme.owner.password;
    let wrong = refusal(&acme.owner, json!({"email": acme.owner.email, "password": "wrong"})).await;
    for (what, input) in [
        ("unknown", json!({"email": "nobody@acme.example", "password": right})),
        ("not an address", json!({"email": "nobody", "password": right})),
        ("disabled", json!({"email": disabled.email, "password": disabled.password})),
        ("locked", json!({"email": locked.email, "password": locked.password})),
        ("no password", json!({"email": "no-password@acme.example", "password": right})),
        ("unknown name", json!({"userName": "nobody", "organization": {"shortName": "acme"}, "password": right})),
        (
            "unknown organization",
            json!({"userName": "owner@acme.example", "organization": {"shortName": "nowhere"}, "password": right}),
        ),
        (
            "not a member",
            json!({"email": acme.owner.email, "organization": {"shortName": "globex"}, "password": right}),
        ),
    ] {
        assert_eq!(refusal(&acme.owner, input).await, wrong, "{what}");
    }
    assert_eq!(wrong.1["data"]["login"]["userErrors"][0]["code"], "INVALID_CREDENTIALS");
}

#[tokio::test(flavor = "multi_thread")]
async fn au01_parallel_guesses_get_no_more_tries_than_the_limit() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let acme = app.owned("acme").await;
        let mut tasks = tokio::task::JoinSet::new();
        for index in 0..60 {
            let owner = acme.owner.clone();
            let password = if index == 40 { owner.password.clone() } else { format!("wrong {index}") };
            // Some may be told that too many are waiting: that is no try, and lets nobody in.
            tasks.spawn(async move {
                let answer = owner.try_login(json!({ "password": password })).await;
                answer.body["data"]["login"]["session"].is_object()
            });
        }
        let entered = tasks.join_all().await.into_iter().filter(|entered| *entered).count();
        assert!(entered <= 1, "the right one may have been among the first ten");
        let again = acme.owner.login_payload(json!({})).await;
        if entered == 0 {
            assert_eq!(again["userErrors"][0]["code"], "INVALID_CREDENTIALS", "AU-03: shut for everyone from here");
        }
        app.clock.advance(Duration::from_secs(60 * 60 * 25));
        assert!(acme.owner.login_payload(json!({})).await["session"].is_object(), "and open again after the wait");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn au02_au04_every_spelling_counts_on_one_counter_that_failures_keep() {
    let app = TestApp::start_configured(|config| config.lockout.max_failures = 4).await;
    let acme = app.owned("acme").await;
    for spelling in ["owner@acme.example", "OWNER@ACME.EXAMPLE", " Owner@Acme.example "] {
        let payload = acme.owner.login_payload(json!({"email": spelling, "password": "wrong"})).await;
        assert_eq!(payload["userErrors"][0]["code"], "INVALID_CREDENTIALS");
    }
    let by_name = json!({"email": null, "userName": "OWNER@acme.example", "organization": {"shortName": "ACME"}, "password": "wrong"});
    acme.owner.login_payload(by_name).await;
    let payload = acme.owner.login_payload(json!({})).await;
    assert_eq!(payload["userErrors"][0]["code"], "INVALID_CREDENTIALS", "four spellings, one count");
    app.clock.advance(Duration::from_secs(901));
    assert!(acme.owner.login_payload(json!({})).await["session"].is_object());
}

#[tokio::test(flavor = "multi_thread")]
async fn au05_every_door_counts_and_a_signed_in_person_is_told() {
    let app = TestApp::start_configured(|config| config.lockout.max_failures = 3).await;
    let acme = app.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    assert_eq!(owner.refused("reauthenticate", json!({"password": "wrong"})).await, "WRONG_PASSWORD");
    let change = json!({"currentPassword": "wrong", "newPassword": "vK9 pl2 mQz wX7 vals"});
    assert_eq!(owner.refused("changePassword", change.clone()).await, "WRONG_PASSWORD");
    assert_eq!(owner.refused("login", json!({"email": owner.email, "password": "wrong"})).await, "INVALID_CREDENTIALS");
    let payload = owner.mutate("reauthenticate", json!({"password": owner.password}), "stepUpUntil").await;
    assert_eq!(payload["userErrors"][0]["code"], "ACCOUNT_LOCKED");
    assert_eq!(payload["userErrors"][0]["params"]["until"], "2026-01-01T00:15:00.000Z");
    assert_eq!(owner.refused("changePassword", change).await, "ACCOUNT_LOCKED");
}

#[tokio::test(flavor = "multi_thread")]
async fn au06_a_forwarded_address_is_believed_of_trusted_peers_only() {
    let ip_of = |trusted: bool| async move {
        let app = TestApp::start_configured(|config| {
            if trusted {
                config.limits.trusted_proxies = vec!["127.0.0.0/8".to_owned()];
            }
        })
        .await;
        let acme = app.owned("acme").await;
        let body = json!({
            "query": "mutation($i: LoginInput!) { login(input: $i) { session { login { remoteIp } } } }",
            "variables": {"i": {"email": acme.owner.email, "password": acme.owner.password}},
        });
        let request = acme.owner.request(&body).header("x-forwarded-for", "203.0.113.9, 198.51.100.7");
        let answer: Value =
            request.header("x-real-ip", "203.0.113.1").send().await.expect("sent").json().await.expect("JSON");
        answer["data"]["login"]["session"]["login"]["remoteIp"].clone()
    };
    assert_eq!(ip_of(false).await, "127.0.0.1");
    assert_eq!(ip_of(true).await, "198.51.100.7", "the last hop that is no trusted proxy");
}

#[tokio::test(flavor = "multi_thread")]
async fn au11_passwords_are_bounded_before_they_are_hashed() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let long = "x".repeat(1_025);
    assert_eq!(
        acme.owner.refused("login", json!({"email": acme.owner.email, "password": long})).await,
        "VALIDATION_FAILED"
    );
    let device = json!({"email": acme.owner.email, "password": "x", "deviceId": "a b"});
    assert_eq!(acme.owner.refused("login", device).await, "VALIDATION_FAILED");
}

#[tokio::test(flavor = "multi_thread")]
async fn lockout_for_the_day_is_told_by_mail_and_opened_by_it() {
    let app = TestApp::start_configured(|config| {
        config.lockout.max_failures = 50;
        config.lockout.max_failures_per_day = 3;
    })
    .await;
    let acme = app.owned("acme").await;
    for _ in 0..3 {
        acme.owner.login_payload(json!({"password": "wrong"})).await;
    }
    let mail = String::from_utf8(app.smtp.nth(&acme.owner.email, 1).await.data).expect("text");
    assert!(mail.contains("locked"), "{mail}");
    app.clock.advance(Duration::from_secs(60 * 60 * 24 * 30));
    assert_eq!(
        acme.owner.login_payload(json!({})).await["userErrors"][0]["code"],
        "INVALID_CREDENTIALS",
        "time alone does not open it"
    );
    acme.owner.done("requestPasswordReset", json!({"email": acme.owner.email}), "clientMutationId").await;
    let token = app.token_in_mail(&acme.owner.email, 2).await;
    let new = "mQz wX7 vals vK9 pl2";
    acme.owner.done("completePasswordReset", json!({"token": token, "newPassword": new}), "loginsRevoked").await;
    assert!(acme.owner.login_payload(json!({ "password": new })).await["session"].is_object());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cheaper_hash_is_made_anew_when_its_password_is_seen() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = format!("surrealkv://{}/store", folder.path().display());
    let app = TestApp::start_at(&store).await;
    let acme = app.owned("acme").await;
    acme.owner.sign_in().await;
    app.stop();
    let app = TestApp::start_at_with(&store, |config| config.password.passes = 3).await;
    let owner = Person::new(&app.url, &acme.owner.email, &acme.owner.password);
    owner.sign_in().await;
    owner.sign_in().await;
    app.stop();
    let store = crate::support::app::reopened(&store).await;
    let email = store.identity().find_verified_email(&owner.email).await.expect("read").expect("an address");
    let credentials = store.identity().find_credentials(email.account).await.expect("read").expect("an account");
    let hash = credentials.password.expect("a password").hash;
    assert!(hash.starts_with("$argon2id$v=19$m=19456,t=3,p=1$"), "{hash}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ac06_sc11_who_is_kept_out_by_the_directory_stays_out() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let babs = app.member(acme.id, "babs@acme.example", &["member"]).await;
    let signed_in = babs.sign_in().await;
    let id = signed_in.me("user { id }").await["user"]["id"].as_str().expect("an id").to_owned();
    acme.scim
        .patch(&format!("/Users/{id}"), json!([{"op": "Replace", "path": "active", "value": "False"}]))
        .await
        .expect(200);
    assert_eq!(signed_in.me_code().await.as_deref(), Some("UNAUTHENTICATED"), "SC-10");
    assert_eq!(babs.login_payload(json!({})).await["userErrors"][0]["code"], "INVALID_CREDENTIALS", "SC-11");
    let refresh = json!({"refreshToken": signed_in.refresh});
    assert_eq!(babs.refused("refreshSession", refresh).await, "TOKEN_INVALID", "AU-17");
    acme.scim
        .patch(&format!("/Users/{id}"), json!([{"op": "replace", "path": "active", "value": true}]))
        .await
        .expect(200);
    assert_eq!(signed_in.me_code().await.as_deref(), Some("UNAUTHENTICATED"), "C116: nothing that ended comes back");
    assert!(babs.login_payload(json!({})).await["session"].is_object());
}

#[tokio::test(flavor = "multi_thread")]
async fn au12_whoever_is_told_to_come_back_has_not_tried() {
    let app = TestApp::start_configured(|config| {
        config.password.queue = 0;
        config.password.budget_kib = config.password.memory_kib;
    })
    .await;
    let acme = app.owned("acme").await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let owner = acme.owner.clone();
        tasks.spawn(async move {
            let input = json!({"email": owner.email, "password": owner.password});
            let query = "mutation($input: LoginInput!) { login(input: $input) { session { accessToken } userErrors { code } } }";
            let request = owner.request(&json!({"query": query, "variables": {"input": input}}));
            let answer = request.send().await.expect("an answer");
            let wait = answer.headers().get("retry-after").is_some();
            (answer.status().as_u16(), wait, answer.json::<Value>().await.expect("JSON"))
        });
    }
    let answers = tasks.join_all().await;
    let refused = answers.iter().filter(|(status, ..)| *status != 200).count();
    assert!(refused > 10, "more than may fail: {refused}");
    for (status, wait, body) in &answers {
        match status {
            200 => assert!(body["data"]["login"]["session"].is_object(), "{body}"),
            429 => {
                assert!(*wait, "Retry-After");
                assert_eq!(body["errors"][0]["extensions"]["code"], "RATE_LIMITED", "{body}");
            }
            other => panic!("{other}: {body}"),
        }
    }
    acme.owner.sign_in().await;
}
