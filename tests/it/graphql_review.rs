//! Ways around the rules that looked open once: each is tried here and does not work.

use std::time::Duration;

use rollcall::domain::Caller;
use serde_json::{Value, json};

use crate::graphql_mfa::{Enrolled, challenge, enrol};
use crate::support::person::first_code;
use crate::support::{Engine, Owned, TestApp};

/// An owner with a second factor.
async fn enrolled_owner(app: &TestApp, short_name: &str) -> (Owned, Enrolled) {
    let owned = app.owned(short_name).await;
    let enrolled = enrol(app, &owned.owner.sign_in().await).await;
    (owned, enrolled)
}

#[tokio::test(flavor = "multi_thread")]
async fn s0_17_all_logins_of_a_device_end_with_its_trust_when_they_are_to() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let (acme, enrolled) = enrolled_owner(&app, "acme").await;
        let operator = Caller::operator(Some(acme.id));
        app.service.update_policy(&operator, |policy| policy.trusted_devices = true).await.expect("changed");
        let stolen = acme.owner.on("stolen");
        let input = json!({"challengeToken": challenge(&stolen).await, "code": enrolled.app.code(app.clock.now()), "trustDevice": true});
        let done = stolen
            .done("verifyMfa", input, "session { accessToken refreshToken } trustedDevice { id } trustedDeviceToken")
            .await;
        let mut logins = vec![stolen.with_session(&done["session"])];
        let mut token = done["trustedDeviceToken"].clone();
        for _ in 0..2 {
            let payload = stolen.login_payload(json!({"trustedDeviceToken": token})).await;
            token = payload["trustedDeviceToken"].clone();
            logins.push(stolen.with_session(&payload["session"]));
        }
        let owner = enrolled.person.clone();
        let input = json!({"trustedDeviceId": done["trustedDevice"]["id"], "revokeLogins": true});
        let ended = owner.done("revokeTrustedDevice", input, "loginsRevoked").await;
        assert_eq!(ended["loginsRevoked"], 3);
        for login in logins {
            assert!(!login.is_in().await);
            assert_eq!(login.refused("refreshSession", json!({"refreshToken": login.refresh})).await, "TOKEN_INVALID");
        }
        assert!(owner.is_in().await, "another device");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn au15_no_sign_in_survives_the_reset_it_raced_with() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let mut password = acme.owner.password.clone();
    let mut last = None;
    acme.owner.sign_in().await;
    for round in 0..8 {
        let before = acme.owner.with_password(&password);
        before.done("requestPasswordReset", json!({"email": acme.owner.email}), "clientMutationId").await;
        let token = loop {
            let token = app.latest_token(&acme.owner.email, "rcp_").await;
            if Some(&token) != last.as_ref() {
                break token;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        last = Some(token.clone());
        let next = format!("round {round} vK9 pl2 mQz wX7 vals");
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let before = before.clone();
            tasks.spawn(async move { Some(before.login_payload(json!({})).await) });
        }
        let (person, input) = (before.clone(), json!({"token": token, "newPassword": next}));
        tasks.spawn(async move {
            person.done("completePasswordReset", input, "clientMutationId").await;
            None
        });
        for payload in tasks.join_all().await.into_iter().flatten().filter(|payload| payload["session"].is_object()) {
            assert!(
                !before.with_session(&payload["session"]).is_in().await,
                "round {round}: signed in with the old one"
            );
        }
        password = next;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mf09_trust_in_one_organization_is_none_in_another() {
    let app = TestApp::start().await;
    let (acme, enrolled) = enrolled_owner(&app, "acme").await;
    let globex = app.owned("globex").await;
    app.invite(globex.id, &acme.owner.email, "Guest", &["member"]).await;
    let invitation = app.latest_token(&acme.owner.email, "rci_").await;
    enrolled.person.done("acceptInvitation", json!({"token": invitation}), "user { id }").await;
    let operator = Caller::operator(Some(acme.id));
    app.service.update_policy(&operator, |policy| policy.trusted_devices = true).await.expect("changed");
    let input = json!({"challengeToken": challenge(&acme.owner).await, "code": enrolled.app.code(app.clock.now()), "trustDevice": true});
    let token = acme.owner.done("verifyMfa", input, "trustedDeviceToken").await["trustedDeviceToken"].clone();
    let here = json!({"trustedDeviceToken": token, "organization": {"shortName": "acme"}});
    let trusted = acme.owner.with_session(&acme.owner.login_payload(here).await["session"]);
    let there = json!({"organization": {"shortName": "globex"}});
    let switched =
        trusted.done("switchOrganization", there.clone(), "session { accessToken } challenge { token }").await;
    assert!(switched["session"].is_null() && switched["challenge"]["token"].is_string(), "{switched}");
    app.clock.advance(Duration::from_secs(30));
    let proof = json!({"challengeToken": switched["challenge"]["token"], "code": enrolled.app.code(app.clock.now())});
    trusted.done("verifyMfa", proof, "session { accessToken }").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn se07_a_token_cannot_become_an_account() {
    let app = TestApp::start().await;
    let (acme, globex) = (app.owned("acme").await, app.owned("globex").await);
    let owner = acme.owner.sign_in().await;
    let scopes = ["user_access_read", "user_self_profile_write"];
    let made = owner.done("createPersonalToken", json!({"name": "ci", "scopes": scopes}), "secret").await;
    let bot = owner.with_token(made["secret"].as_str().expect("a secret"));
    let id = owner.me("emails { nodes { id } }").await["emails"]["nodes"][0]["id"].clone();
    app.invite(globex.id, &acme.owner.email, "Guest", &["member"]).await;
    let invitation = app.latest_token(&acme.owner.email, "rci_").await;
    for (name, input) in [
        ("addEmail", json!({"email": "evil@evil.example"})),
        ("updateMe", json!({"email": "evil@evil.example"})),
        ("setPrimaryEmail", json!({ "emailId": id })),
        ("removeEmail", json!({ "emailId": id })),
        ("resendEmailVerification", json!({ "emailId": id })),
        ("acceptInvitation", json!({ "token": invitation })),
    ] {
        assert_eq!(bot.refused(name, input).await, "PROTECTED_ACCOUNT", "{name}");
    }
    assert!(bot.is_in().await, "for what it may do it works");
}

#[tokio::test(flavor = "multi_thread")]
async fn mf04_a_reset_gives_no_new_tries_of_the_second_factor() {
    let app = TestApp::start().await;
    let (acme, _) = enrolled_owner(&app, "acme").await;
    let mut tries = 0;
    while tries < 10 {
        let token = challenge(&acme.owner).await;
        for _ in 0..5 {
            acme.owner
                .try_mutate("verifyMfa", json!({"challengeToken": token, "code": "000000"}), "clientMutationId")
                .await;
            tries += 1;
        }
    }
    acme.owner.done("requestPasswordReset", json!({"email": acme.owner.email}), "clientMutationId").await;
    let reset = app.latest_token(&acme.owner.email, "rcp_").await;
    let new = "wX7 vals vK9 pl2 mQz";
    acme.owner.done("completePasswordReset", json!({"token": reset, "newPassword": new}), "clientMutationId").await;
    let person = acme.owner.with_password(new);
    let token = challenge(&person).await;
    let answer =
        person.try_mutate("verifyMfa", json!({"challengeToken": token, "code": "000000"}), "clientMutationId").await;
    assert!(answer.body.to_string().contains("RATE_LIMITED"), "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn au03_a_lock_outlives_the_sweep() {
    let app = TestApp::start_configured(|config| config.lockout.max_failures_per_day = 12).await;
    let acme = app.owned("acme").await;
    for _ in 0..20 {
        acme.owner.login_payload(json!({"password": "wrong"})).await;
        app.clock.advance(Duration::from_secs(3_600));
    }
    assert_eq!(first_code(&acme.owner.login_payload(json!({})).await), "INVALID_CREDENTIALS", "locked");
    app.clock.advance(Duration::from_secs(5 * 24 * 3_600));
    app.service.forget_what_ended().await.expect("forgotten");
    assert_eq!(
        first_code(&acme.owner.login_payload(json!({})).await),
        "INVALID_CREDENTIALS",
        "still, until a mail frees it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn mf11_a_second_factor_given_elsewhere_frees_nobody_else() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let (thief, victim) = (acme.owner.on("thief").sign_in().await, acme.owner.sign_in().await);
    let operator = Caller::operator(Some(acme.id));
    app.service.update_policy(&operator, |policy| policy.mfa_required = true).await.expect("changed");
    assert_eq!(thief.me("requiredActions").await["requiredActions"], json!(["ENROLL_MFA"]));
    let enrolled = enrol(&app, &victim).await;
    assert!(enrolled.person.is_in().await, "who gave it goes on");
    assert!(!thief.is_in().await, "who did not does not");
    assert_eq!(thief.refused("refreshSession", json!({"refreshToken": thief.refresh})).await, "TOKEN_INVALID");
}

#[tokio::test(flavor = "multi_thread")]
async fn au15_a_link_mailed_to_an_address_is_void_without_it() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    let added = owner.done("addEmail", json!({"email": "evil@evil.example"}), "email { id }").await;
    let proof = app.token_in_mail("evil@evil.example", 1).await;
    owner.done("verifyEmail", json!({"token": proof}), "email { id }").await;
    // A new address sets no password before its time.
    app.clock.advance(Duration::from_secs(24 * 3_600));
    let owner = acme.owner.sign_in().await;
    owner.done("requestPasswordReset", json!({"email": "evil@evil.example"}), "clientMutationId").await;
    let reset = app.latest_token("evil@evil.example", "rcp_").await;
    owner.done("removeEmail", json!({"emailId": added["email"]["id"]}), "removedEmailId").await;
    let late = json!({"token": reset, "newPassword": "wX7 vals vK9 pl2 mQz"});
    assert_eq!(owner.refused("completePasswordReset", late).await, "TOKEN_INVALID");
}

#[tokio::test(flavor = "multi_thread")]
async fn g7_mf07_a_password_renews_no_second_factor_and_a_recovery_code_is_told() {
    let app = TestApp::start().await;
    let (acme, enrolled) = enrolled_owner(&app, "acme").await;
    app.clock.advance(Duration::from_secs(11 * 60));
    let owner = enrolled.person.refreshed().await;
    let done =
        owner.done("reauthenticate", json!({"code": enrolled.codes[0]}), "session { accessToken refreshToken }").await;
    let owner = owner.with_session(&done["session"]);
    let told = app.smtp.nth(&acme.owner.email, 2).await;
    assert!(String::from_utf8_lossy(&told.data).contains("recovery code"), "its owner hears of it");
    app.clock.advance(Duration::from_secs(9 * 60));
    let change = json!({"currentPassword": acme.owner.password, "newPassword": "wX7 vals vK9 pl2 mQz"});
    let done = owner.done("changePassword", change, "session { accessToken refreshToken }").await;
    app.clock.advance(Duration::from_secs(2 * 60));
    let owner = owner.with_session(&done["session"]);
    let factor = owner.me("mfa { factors { id } }").await["mfa"]["factors"][0]["id"].clone();
    let answer = owner.try_mutate("removeMfaFactor", json!({ "factorId": factor }), "clientMutationId").await;
    assert!(answer.body.to_string().contains("STEP_UP_REQUIRED"), "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn tn08_who_may_do_nothing_learns_not_who_exists() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let babs = app.member(acme.id, "babs@acme.example", &["member"]).await.sign_in().await;
    for email in [acme.owner.email.as_str(), "nobody@acme.example"] {
        let user = json!({ "email": email });
        for (name, input) in [
            ("revokeLogins", json!({ "user": user })),
            ("revokeTrustedDevices", json!({ "user": user })),
            ("addEmail", json!({"user": user, "email": "x@example.com"})),
            ("changePassword", json!({"user": user, "currentPassword": "x", "newPassword": "y"})),
            ("resetMfa", json!({ "user": user })),
        ] {
            let answer = babs.try_mutate(name, input, "clientMutationId").await;
            assert_eq!(answer.code().as_deref(), Some("FORBIDDEN"), "{name} {email}: {}", answer.body);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_after_a_mutation_is_what_it_left_behind() {
    let app = TestApp::start().await;
    let owner = app.owned("acme").await.owner.sign_in().await;
    let done = owner.done("updateMe", json!({"displayName": "New"}), "query { me { user { displayName } } }").await;
    assert_eq!(done["query"]["me"]["user"]["displayName"], "New");
    let done = owner.done("updateMySettings", json!({"theme": "DARK"}), "query { me { settings { theme } } }").await;
    assert_eq!(done["query"]["me"]["settings"]["theme"], "DARK");
    owner.on("phone").sign_in().await;
    owner.on("tablet").sign_in().await;
    let logins = owner.me("logins { id isCurrent }").await["logins"].clone();
    let others: Vec<&Value> =
        logins.as_array().expect("a list").iter().filter(|login| login["isCurrent"] == false).collect();
    let document = "mutation($a: ID!, $b: ID!) { a: revokeLogin(input: {loginId: $a}) { query { me { logins { id } } } } \
                    b: revokeLogin(input: {loginId: $b}) { query { me { logins { id } } } } }";
    let data = owner.ask(document, json!({"a": others[0]["id"], "b": others[1]["id"]})).await.data();
    assert_eq!(data["a"]["query"]["me"]["logins"].as_array().map(Vec::len), Some(2));
    assert_eq!(data["b"]["query"]["me"]["logins"].as_array().map(Vec::len), Some(1));
    let proof = json!({"password": owner.password});
    let done =
        owner.done("reauthenticate", proof, "session { accessToken } query { me { login { stepUpUntil } } }").await;
    assert!(done["query"]["me"]["login"]["stepUpUntil"].is_string(), "{done}");
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_09_the_membership_of_others_is_shown_to_whoever_may_read_them() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    let babs = app.member(acme.id, "babs@acme.example", &["member"]).await.sign_in().await;
    let id = babs.me("user { id }").await["user"]["id"].clone();
    let ask = "query($id: ID!) { node(id: $id) { ... on User { membership { status roleKeys isCurrent } memberships { isOwner } } } }";
    let node = owner.ask(ask, json!({ "id": id })).await.data()["node"].clone();
    assert_eq!(node["membership"], json!({"status": "ACTIVE", "roleKeys": ["member"], "isCurrent": true}));
    assert_eq!(node["memberships"], json!([{"isOwner": false}]));
}

#[tokio::test(flavor = "multi_thread")]
async fn au09_whose_address_was_tried_hears_nothing_of_who_tried() {
    let app = TestApp::start().await;
    let (acme, globex) = (app.owned("acme").await, app.owned("globex").await);
    let owner = acme.owner.sign_in().await;
    owner.done("updateMe", json!({"displayName": "Call Zebulon now"}), "user { id }").await;
    owner.done("addEmail", json!({"email": globex.owner.email}), "email { id }").await;
    let told = app.smtp.nth(&globex.owner.email, 1).await;
    assert!(!String::from_utf8_lossy(&told.data).contains("Zebulon"));
}

#[tokio::test(flavor = "multi_thread")]
async fn c06_the_latest_wish_for_a_primary_address_counts() {
    let app = TestApp::start().await;
    let owner = app.owned("acme").await.owner.sign_in().await;
    owner.done("updateMe", json!({"email": "typo@example.com"}), "pendingEmail { address }").await;
    owner.done("updateMe", json!({"email": "right@example.com"}), "pendingEmail { address }").await;
    let (typo, right) =
        (app.token_in_mail("typo@example.com", 1).await, app.token_in_mail("right@example.com", 1).await);
    owner.done("verifyEmail", json!({"token": right}), "email { isPrimary }").await;
    owner.done("verifyEmail", json!({"token": typo}), "email { isPrimary }").await;
    assert_eq!(owner.me("user { email }").await["user"]["email"], "right@example.com");
}
