//! Logins and their tokens: refresh with reuse detection, revocation that works on the next request, JWTs (SE-…, JT-…).

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Engine, TestApp};

const TOKENS: &str = "session { accessToken refreshToken login { id expiresAt } }";

#[tokio::test(flavor = "multi_thread")]
async fn se03_a_refresh_token_works_once_and_a_second_use_ends_the_login() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let acme = app.owned("acme").await;
        let first = acme.owner.sign_in().await;
        let payload = first.done("refreshSession", json!({"refreshToken": first.refresh}), TOKENS).await;
        let second = first.with_session(&payload["session"]);
        assert!(second.is_in().await && second.refresh != first.refresh);
        assert_eq!(first.refused("refreshSession", json!({"refreshToken": first.refresh})).await, "TOKEN_USED");
        assert_eq!(second.me_code().await.as_deref(), Some("UNAUTHENTICATED"), "the whole family is dead");
        assert_eq!(second.refused("refreshSession", json!({"refreshToken": second.refresh})).await, "TOKEN_INVALID");
        let mail = String::from_utf8(app.smtp.nth(&acme.owner.email, 1).await.data).expect("text");
        assert!(mail.contains("used twice"), "{mail}");
        let again = acme.owner.sign_in().await;
        let ended = again.me("logins(state: REVOKED) { endReason endedAt isCurrent }").await;
        assert_eq!(ended["logins"][0]["endReason"], "REUSE");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn se03_parallel_refreshes_make_no_second_family() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let acme = app.owned("acme").await;
        let person = acme.owner.sign_in().await;
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let person = person.clone();
            tasks.spawn(async move {
                person.mutate("refreshSession", json!({"refreshToken": person.refresh}), TOKENS).await
            });
        }
        let answers = tasks.join_all().await;
        let won: Vec<&Value> = answers.iter().filter(|payload| payload["session"].is_object()).collect();
        assert_eq!(won.len(), 1, "{engine:?}");
        assert!(!person.with_session(&won[0]["session"]).is_in().await, "the others betrayed a copy");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn se04_logins_end_by_time_idle_and_absolute() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let mut person = acme.owner.sign_in().await;
    app.clock.advance(Duration::from_secs(601));
    assert_eq!(person.me_code().await.as_deref(), Some("UNAUTHENTICATED"), "an access token lives ten minutes");
    for _ in 0..3 {
        app.clock.advance(Duration::from_secs(9 * 86_400));
        let payload = person.done("refreshSession", json!({"refreshToken": person.refresh}), TOKENS).await;
        person = person.with_session(&payload["session"]);
    }
    app.clock.advance(Duration::from_secs(4 * 86_400));
    assert_eq!(
        person.refused("refreshSession", json!({"refreshToken": person.refresh})).await,
        "TOKEN_EXPIRED",
        "thirty days in any case"
    );
    let idle = acme.owner.sign_in().await;
    app.clock.advance(Duration::from_secs(14 * 86_400));
    assert_eq!(
        idle.refused("refreshSession", json!({"refreshToken": idle.refresh})).await,
        "TOKEN_EXPIRED",
        "fourteen days unused"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn s0_14_a_revoked_login_is_refused_from_the_next_request_on() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let acme = app.owned("acme").await;
        let (one, two) = (acme.owner.sign_in().await, acme.owner.on("phone-2").sign_in().await);
        let listed = one.me("logins { id deviceId isCurrent state }").await;
        assert_eq!(listed["logins"].as_array().map(Vec::len), Some(2), "S0-12");
        let id = two.login_id().await;
        assert!(two.is_in().await);
        let done = one
            .done("revokeLogin", json!({"loginId": id}), "login { id state endReason endedAt } revokedAt wasCurrent")
            .await;
        assert_eq!(
            (&done["login"]["state"], &done["login"]["endReason"], &done["wasCurrent"]),
            (&json!("REVOKED"), &json!("SELF"), &json!(false))
        );
        assert_eq!(two.me_code().await.as_deref(), Some("UNAUTHENTICATED"));
        assert_eq!(two.refused("refreshSession", json!({"refreshToken": two.refresh})).await, "TOKEN_INVALID");
        let again = one.done("revokeLogin", json!({"loginId": id}), "revokedAt").await;
        assert_eq!(again["revokedAt"], done["revokedAt"], "unchanged if it had ended before");
        let own = one
            .done("revokeLogin", json!({"loginId": one.login_id().await}), "wasCurrent login { isCurrent state }")
            .await;
        assert_eq!(
            (&own["wasCurrent"], &own["login"]["state"]),
            (&json!(true), &json!("REVOKED")),
            "this call answers"
        );
        assert_eq!(one.me_code().await.as_deref(), Some("UNAUTHENTICATED"), "the very next does not");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn se08_s4_19_all_logins_end_the_calling_one_included_unless_it_is_kept() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let (one, two) = (acme.owner.sign_in().await, acme.owner.sign_in().await);
    assert_eq!(
        one.done("revokeLogins", json!({"keepCurrent": true}), "revokedCount").await["revokedCount"],
        1,
        "SE-08"
    );
    assert!(one.is_in().await && !two.is_in().await);
    assert_eq!(one.done("revokeLogins", json!({}), "revokedCount user { id }").await["revokedCount"], 1);
    assert!(!one.is_in().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn se05_ids_of_others_name_nothing() {
    let app = TestApp::start().await;
    let (acme, globex) = (app.owned("acme").await, app.owned("globex").await);
    let babs = app.member(acme.id, "babs@acme.example", &["member"]).await.sign_in().await;
    let owner = acme.owner.sign_in().await;
    let (mine, theirs) = (babs.login_id().await, owner.login_id().await);
    assert_eq!(babs.refused("revokeLogin", json!({"loginId": theirs})).await, "NOT_FOUND");
    let stranger = globex.owner.sign_in().await;
    for id in [mine.as_str(), theirs.as_str(), "01900000-0000-7000-8000-000000000000", "x", "login:1"] {
        let payload = stranger.mutate("revokeLogin", json!({"loginId": id}), "login { id }").await;
        assert_eq!(
            (&payload["userErrors"][0]["code"], &payload["userErrors"][0]["path"]),
            (&json!("NOT_FOUND"), &json!(["input", "loginId"])),
            "{id}"
        );
    }
    assert!(babs.is_in().await);
    let done = owner.done("revokeLogin", json!({"loginId": mine}), "login { endReason }").await;
    assert_eq!(done["login"]["endReason"], "ADMIN", "with user_sessions_manage");
    assert!(!babs.is_in().await);
    assert_eq!(
        babs.with_token(owner.token.as_deref().expect("a token")).login_id().await,
        theirs,
        "an id is not the secret"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_ends_the_login_whatever_token_says_so() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let person = acme.owner.sign_in().await;
    let id = person.login_id().await;
    assert_eq!(person.done("logout", json!({}), "loginId").await["loginId"], id);
    assert_eq!(person.done("logout", json!({}), "loginId").await["loginId"], id, "a second time: the same answer");
    assert!(!person.is_in().await);
    let other = acme.owner.sign_in().await;
    app.clock.advance(Duration::from_secs(3_600));
    other.signed_out().done("logout", json!({"refreshToken": other.refresh}), "loginId").await;
    assert_eq!(other.refused("refreshSession", json!({"refreshToken": other.refresh})).await, "TOKEN_INVALID");
    assert_eq!(other.signed_out().refused("logout", json!({})).await, "TOKEN_INVALID");
    assert_eq!(other.refused("logout", json!({"refreshToken": "rcr_x"})).await, "TOKEN_INVALID");
}

#[tokio::test(flavor = "multi_thread")]
async fn jt01_jt05_jt07_what_is_no_access_token_lets_nobody_in() {
    let app = TestApp::start().await;
    let (acme, other) = (app.owned("acme").await, TestApp::start().await);
    let person = acme.owner.sign_in().await;
    let token = person.token.clone().expect("a token");
    let stranger = other.owned("acme").await.owner.sign_in().await;
    let (head, signature) = token.rsplit_once('.').expect("parts");
    let (header, payload) = head.split_once('.').expect("parts");
    let decoded = data_encoding::BASE64URL_NOPAD.decode(payload.as_bytes()).expect("base64");
    let mut claims: Value = serde_json::from_slice(&decoded).expect("JSON");
    claims["org"] = json!("01900000-0000-7000-8000-000000000000");
    let edited = data_encoding::BASE64URL_NOPAD.encode(claims.to_string().as_bytes());
    let none = data_encoding::BASE64URL_NOPAD.encode(b"{\"alg\":\"none\",\"typ\":\"at+jwt\"}");
    for bad in [
        String::new(),
        "x".to_owned(),
        token[..token.len() - 2].to_owned(),
        format!("{token}a"),
        format!("{header}.{edited}.{signature}"),
        format!("{none}.{payload}."),
        ".".repeat(10_000),
        stranger.token.expect("a token"),
        person.refresh.clone().expect("a token"),
        acme.scim.token.clone().expect("a token"),
    ] {
        let code = person.with_token(&bad).me_code().await;
        assert_eq!(code.as_deref(), Some("UNAUTHENTICATED"), "{}", &bad[..bad.len().min(40)]);
    }
    assert!(person.is_in().await);
    assert_eq!(acme.scim.with_token(Some(&token)).get("/Users").await.status, 401, "SC-20");
    for (name, field) in [
        ("refreshSession", "refreshToken"),
        ("verifyEmail", "token"),
        ("completePasswordReset", "token"),
        ("acceptInvitation", "token"),
        ("verifyMfa", "challengeToken"),
    ] {
        for wrong in [&token, person.refresh.as_ref().expect("a token")] {
            if name == "refreshSession" && wrong != &token {
                continue;
            }
            let mut input = json!({ field: wrong });
            match name {
                "completePasswordReset" => input["newPassword"] = json!("vK9 pl2 mQz wX7 vals"),
                "verifyMfa" => input["code"] = json!("000000"),
                _ => {}
            }
            assert_eq!(person.refused(name, input).await, "TOKEN_INVALID", "JT-05: {name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d9_other_services_can_verify_tokens_by_the_published_keys() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let person = acme.owner.sign_in().await;
    let keys: jsonwebtoken::jwk::JwkSet =
        reqwest::get(format!("{}/.well-known/jwks.json", app.url)).await.expect("sent").json().await.expect("keys");
    let token = person.token.expect("a token");
    let header = jsonwebtoken::decode_header(&token).expect("a header");
    let key = keys.find(header.kid.as_deref().expect("a kid")).expect("published");
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::ES256);
    validation.set_issuer(&[&app.url]);
    validation.set_audience(&[&app.url]);
    validation.validate_exp = false;
    let key = jsonwebtoken::DecodingKey::from_jwk(key).expect("a key");
    let claims = jsonwebtoken::decode::<Value>(&token, &key, &validation).expect("valid").claims;
    assert_eq!(claims["org"], acme.id.to_string());
    assert!(!format!("{keys:?}").contains("\"d\""), "the private half is nowhere");
}

#[tokio::test(flavor = "multi_thread")]
async fn s0_30_a_login_acts_where_its_person_belongs() {
    let app = TestApp::start().await;
    let (acme, globex) = (app.owned("acme").await, app.owned("globex").await);
    app.invite(globex.id, &acme.owner.email, "Guest", &["analyst"]).await;
    let token = app.token_in_mail(&acme.owner.email, 1).await;
    assert_eq!(
        acme.owner
            .try_mutate("acceptInvitation", json!({"token": token, "password": "vK9 pl2 mQz wX7 vals"}), "user { id }")
            .await
            .code()
            .as_deref(),
        Some("UNAUTHENTICATED"),
        "IN-07: the address has an account"
    );
    let person = acme.owner.sign_in().await;
    person.done("acceptInvitation", json!({"token": token}), "organization { shortName }").await;
    let me = person.me("accountId memberships { organization { shortName } isCurrent roleKeys isOwner accountType status } user { id }").await;
    let names: Vec<&Value> = me["memberships"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|membership| &membership["organization"]["shortName"])
        .collect();
    assert_eq!(names, ["acme", "globex"], "S3-09: the current one first");
    assert_eq!(me["memberships"][1]["roleKeys"], json!(["analyst"]));
    assert_eq!(me["memberships"][1]["accountType"], "EXTERNAL");
    let switched = person
        .done(
            "switchOrganization",
            json!({"organization": {"shortName": "GLOBEX"}}),
            "session { accessToken refreshToken } organization { id shortName }",
        )
        .await;
    assert_eq!(switched["organization"]["shortName"], "globex");
    assert_eq!(person.me_code().await.as_deref(), Some("UNAUTHENTICATED"), "the old tokens stop working");
    let there = person.with_session(&switched["session"]);
    let now = there.me("accountId user { id } organization { shortName } permissions { key }").await;
    assert_eq!(now["accountId"], me["accountId"]);
    assert_ne!(now["user"]["id"], me["user"]["id"], "a user is one organization's");
    assert!(!now["permissions"].as_array().expect("a list").contains(&json!({"key": "org_management"})));
    for nowhere in
        [json!({"shortName": "nowhere"}), json!({"id": "x"}), json!({"id": "01900000-0000-7000-8000-000000000000"})]
    {
        assert_eq!(there.refused("switchOrganization", json!({ "organization": nowhere })).await, "NOT_FOUND");
    }
    assert_eq!(
        there.done("leaveOrganization", json!({}), "organizationId").await["organizationId"],
        globex.id.to_string()
    );
    assert!(!there.is_in().await);
    let back = acme.owner.sign_in().await;
    assert_eq!(
        back.me("memberships { organization { shortName } }").await["memberships"].as_array().map(Vec::len),
        Some(1)
    );
    assert_eq!(back.refused("leaveOrganization", json!({})).await, "NOT_MANAGED_ACCOUNT");
}

#[tokio::test(flavor = "multi_thread")]
async fn mf11_another_organization_may_demand_more_proof() {
    let app = TestApp::start().await;
    let (acme, globex) = (app.owned("acme").await, app.owned("globex").await);
    app.invite(globex.id, &acme.owner.email, "Guest", &["member"]).await;
    let person = acme.owner.sign_in().await;
    person
        .done("acceptInvitation", json!({"token": app.token_in_mail(&acme.owner.email, 1).await}), "user { id }")
        .await;
    let operator = rollcall::domain::Caller::operator(Some(globex.id));
    app.service.update_policy(&operator, |policy| policy.mfa_required = true).await.expect("changed");
    let switched = person
        .done(
            "switchOrganization",
            json!({"organization": {"shortName": "globex"}}),
            "session { accessToken refreshToken requiredActions }",
        )
        .await;
    assert_eq!(switched["session"]["requiredActions"], json!(["ENROLL_MFA"]));
    let there = person.with_session(&switched["session"]);
    assert_eq!(
        there.try_mutate("addEmail", json!({"email": "x@acme.example"}), "clientMutationId").await.code().as_deref(),
        Some("ACTION_REQUIRED")
    );
    let back = there
        .done(
            "switchOrganization",
            json!({"organization": {"shortName": "acme"}}),
            "session { accessToken refreshToken requiredActions }",
        )
        .await;
    assert_eq!(back["session"]["requiredActions"], json!([]), "each organization has its own rules");
}

#[tokio::test(flavor = "multi_thread")]
async fn se07_personal_tokens_act_as_oneself_and_can_do_no_more() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let acme = app.owned("acme").await;
        let person = acme.owner.sign_in().await;
        let selection = "token { id kind name prefix scopes state holder { id } } secret";
        let input = json!({"name": "ci", "scopes": ["user_self_profile_write"]});
        let made = person.done("createPersonalToken", input.clone(), selection).await;
        let secret = made["secret"].as_str().expect("shown once");
        assert!(secret.starts_with("rca_") && made["token"]["prefix"] == secret[..8]);
        let bot = person.with_token(secret);
        let me = bot.me("login { id } token { id lastUsedAt } permissions { key } user { id }").await;
        assert_eq!((&me["login"], &me["permissions"]), (&Value::Null, &json!([{"key": "user_self_profile_write"}])));
        bot.done("updateMe", json!({"title": "Bot"}), "user { title }").await;
        assert_eq!(
            bot.refused("createPersonalToken", input.clone()).await,
            "PROTECTED_ACCOUNT",
            "SE-07: no token makes a token"
        );
        assert_eq!(bot.refused("beginTotpEnrollment", json!({})).await, "PROTECTED_ACCOUNT");
        let babs = app.member(acme.id, "babs@acme.example", &["member"]).await.sign_in().await;
        let above = json!({"name": "x", "scopes": ["org_management"]});
        assert_eq!(babs.refused("createPersonalToken", above).await, "INSUFFICIENT_RANK", "G4");
        assert_eq!(babs.refused("createPersonalToken", json!({"name": "x", "scopes": []})).await, "VALIDATION_FAILED");
        assert_eq!(
            babs.refused("createPersonalToken", json!({"name": "x", "scopes": ["nothing"]})).await,
            "VALIDATION_FAILED"
        );
        let past = json!({"name": "x", "scopes": ["user_self_profile_write"], "expiresAt": "2025-01-01T00:00:00Z"});
        assert_eq!(babs.refused("createPersonalToken", past).await, "VALIDATION_FAILED");
        let id = &made["token"]["id"];
        let rotated = person
            .done(
                "rotateApiToken",
                json!({"tokenId": id, "graceSeconds": 60}),
                "token { id state previousUntil } secret",
            )
            .await;
        assert_eq!((&rotated["token"]["id"], &rotated["token"]["state"]), (id, &json!("ROTATED")));
        let next = person.with_token(rotated["secret"].as_str().expect("shown once"));
        assert!(next.is_in().await && bot.is_in().await, "both within the grace time");
        app.clock.advance(Duration::from_secs(60));
        assert!(next.is_in().await && !bot.is_in().await);
        assert_eq!(
            person.refused("rotateApiToken", json!({"tokenId": id, "graceSeconds": 28801})).await,
            "VALIDATION_FAILED"
        );
        assert_eq!(babs.refused("revokeToken", json!({"tokenId": id})).await, "NOT_FOUND");
        let revoked = person.done("revokeToken", json!({"tokenId": id}), "token { state }").await;
        assert_eq!(revoked["token"]["state"], "REVOKED");
        assert!(!next.is_in().await);
        assert_eq!(person.refused("rotateApiToken", json!({"tokenId": id})).await, "ILLEGAL_TRANSITION");
        assert_eq!(person.me("tokens { id state }").await["tokens"], json!([{"id": id, "state": "REVOKED"}]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sc10_deactivation_ends_everything_in_the_same_transaction() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let acme = app.owned("acme").await;
        for (round, how) in ["patch", "put", "delete", "self"].into_iter().enumerate() {
            let email = format!("babs{round}@acme.example");
            let babs = app.member(acme.id, &email, &["member"]).await.sign_in().await;
            let id = babs.me("user { id }").await["user"]["id"].as_str().expect("an id").to_owned();
            let made = babs
                .done("createPersonalToken", json!({"name": "ci", "scopes": ["user_self_profile_write"]}), "secret")
                .await;
            let bot = babs.with_token(made["secret"].as_str().expect("a secret"));
            babs.done("requestPasswordReset", json!({ "email": email }), "clientMutationId").await;
            let reset = app.latest_token(&email, "rcp_").await;
            let path = format!("/Users/{id}");
            match how {
                "patch" => drop(
                    acme.scim.patch(&path, json!([{"op": "replace", "value": {"active": false}}])).await.expect(200),
                ),
                "put" => drop(
                    acme.scim
                        .put(&path, &json!({"schemas": [crate::support::USER], "userName": email, "active": false}))
                        .await
                        .expect(200),
                ),
                "delete" => drop(acme.scim.delete(&path).await.expect(204)),
                _ => drop(babs.done("updateMe", json!({"disabled": true}), "user { status }").await),
            }
            assert!(!babs.is_in().await && !bot.is_in().await, "{how}");
            assert_eq!(
                babs.refused("refreshSession", json!({"refreshToken": babs.refresh})).await,
                "TOKEN_INVALID",
                "{how}"
            );
            let late = json!({"token": reset, "newPassword": "wX7 vals vK9 pl2 mQz"});
            assert_eq!(babs.refused("completePasswordReset", late).await, "TOKEN_INVALID", "{how}: the link is void");
            assert_eq!(babs.login_payload(json!({})).await["userErrors"][0]["code"], "INVALID_CREDENTIALS", "{how}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c08_no_session_survives_a_deactivation_it_raced_with() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let babs = app.member(acme.id, "babs@acme.example", &["member"]).await;
    let id = babs.sign_in().await.me("user { id }").await["user"]["id"].as_str().expect("an id").to_owned();
    for _ in 0..10 {
        let path = format!("/Users/{id}");
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let babs = babs.clone();
            tasks.spawn(async move { Some(babs.login_payload(json!({})).await) });
        }
        let scim = acme.scim.clone();
        let target = path.clone();
        tasks.spawn(async move {
            scim.patch(&target, json!([{"op": "replace", "path": "active", "value": false}])).await.expect(200);
            None
        });
        let sessions: Vec<Value> = tasks.join_all().await.into_iter().flatten().collect();
        acme.scim.patch(&path, json!([{"op": "replace", "path": "active", "value": true}])).await.expect(200);
        for session in sessions.iter().filter(|payload| payload["session"].is_object()) {
            assert!(!babs.with_session(&session["session"]).is_in().await, "it was ended, and stays ended");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ended_logins_are_listed_for_ninety_days() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let acme = app.owned("acme").await;
        acme.owner.on("old").sign_in().await;
        let ended = async |state: &str| {
            let owner = acme.owner.sign_in().await;
            owner.me(&format!("logins(state: {state}) {{ id }}")).await["logins"].as_array().map(Vec::len)
        };
        let day = Duration::from_secs(24 * 60 * 60);
        app.clock.advance(day * 14);
        app.service.forget_what_ended().await.expect("forgotten");
        assert_eq!(ended("EXPIRED").await, Some(1));
        app.clock.advance(day * 91);
        app.service.forget_what_ended().await.expect("forgotten");
        assert_eq!(ended("EXPIRED").await, Some(1), "the login since has ended less long ago");
        assert_eq!(ended("ACTIVE").await, Some(2), "those of just now");
    }
}
