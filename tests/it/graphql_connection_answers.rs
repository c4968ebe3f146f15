//! What counts of a provider's answer, and of what goes back to the front end: once, for a while, from where it was asked for.

use std::time::Duration;

use serde_json::{Value, json};

use crate::graphql_connections::{ADA, World, count_users, let_create, world};
use crate::support::front_end::{CALLBACK, GOOGLE, person, read};
use crate::support::{Engine, FrontEnd, Person};

/// One provider's answer is not taken for another's, whoever lured whom to where (RFC 9700 §4.4).
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_counts_where_it_was_asked_for() {
    let (app, web) = FrontEnd::start(Engine::Memory).await;
    let (acme, evil) = (app.owned("acme").await, app.owned("evil").await);
    web.connect(&app, acme.id).await;
    web.connect_alone(&app, evil.id).await;
    let_create(&acme.owner.sign_in().await).await;
    web.provider.sign_in(person("1", ADA));
    let callback = web.to_callback().await;
    let elsewhere = callback.replace(&acme.id.to_string(), &evil.id.to_string());
    assert_ne!(callback, elsewhere);
    assert_eq!(web.open(&elsewhere).await, (400, None));
    assert_eq!(web.open(&callback.replace(GOOGLE, "other")).await, (400, None));
    assert!(web.come_back(&callback).await.0.contains_key("code"), "trying used nothing up");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_front_ends_own_pages_get_a_code() {
    let (app, web) = FrontEnd::start(Engine::Memory).await;
    let acme = app.owned("acme").await;
    web.connect(&app, acme.id).await;
    let with = |name: &'static str, value: &str| {
        let mut wish = FrontEnd::wish();
        wish.retain(|(known, _)| *known != name);
        wish.push((name, value.to_owned()));
        wish
    };
    // The browser stays here: nobody says where it may go.
    for (name, value) in [
        ("client_id", "other"),
        ("client_id", ""),
        ("redirect_uri", "https://app.example/signed-in"),
        ("redirect_uri", "https://app.example/signed-in?tab=1#x"),
        ("redirect_uri", "https://app.example/signed-in?tab=1&y"),
        ("redirect_uri", "https://APP.example/signed-in?tab=1"),
        ("redirect_uri", "https://evil.example/"),
        ("redirect_uri", ""),
    ] {
        assert_eq!(web.leave_with(&with(name, value)).await, (400, None), "{name}={value}");
    }
    // From here on it goes back with what is wrong.
    for (name, value) in [
        ("response_type", "token"),
        ("response_type", ""),
        ("code_challenge", ""),
        ("code_challenge_method", "plain"),
        ("code_challenge_method", ""),
        ("organization", "globex"),
        ("organization", "' OR 1"),
        ("connection", "other"),
        ("connection", ""),
    ] {
        let (status, location) = web.leave_with(&with(name, value)).await;
        let back = read(&location.unwrap_or_else(|| panic!("{name}={value}: {status}")));
        assert_eq!(back.error(), "invalid_request", "{name}={value}");
        assert_eq!(back.0["state"], "the front end's own & more");
    }
    let (_, location) = web.leave_with(&with("state", &"x".repeat(1_025))).await;
    assert_eq!(read(&location.expect("sent back")).error(), "invalid_request");
    // What was not asked for does not come back.
    let nobody = format!("{}/oauth/callback/{}/{GOOGLE}?code=x&state=rct_nobody", web.url, acme.id);
    assert_eq!(web.open(&nobody).await, (400, None));
    // The provider's no is handed on.
    let back = web.go(Value::Null).await;
    assert_eq!(back.error(), "access_denied");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_and_a_state_work_once_and_for_a_while_and_for_whoever_asked() {
    let World { app, web, .. } = world(Engine::Memory).await;
    web.provider.sign_in(person("1", ADA));
    let callback = web.to_callback().await;
    let back = web.come_back(&callback).await;
    assert_eq!(web.open(&callback).await, (400, None), "a state works once");
    let code = back.0["code"].clone();
    // Without the proof the code is worth nothing, and trying uses nothing up.
    let verifier = "a verifier of forty-three characters or more";
    for (name, value) in [
        ("code_verifier", "another verifier of forty-three characters"),
        ("code_verifier", ""),
        ("client_id", "other"),
        ("redirect_uri", "https://app.example/"),
        ("code", "rck_nothing"),
    ] {
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("client_id", "web"),
            ("redirect_uri", CALLBACK),
            ("code_verifier", verifier),
        ];
        form.retain(|(known, _)| *known != name);
        form.push((name, value));
        let (status, body) = web.exchange(&form).await;
        assert_eq!((status, body["error"].as_str()), (400, Some("invalid_grant")), "{name}={value}");
    }
    let (_, tokens) = web.redeem(&code).await;
    let session = json!({"accessToken": tokens["access_token"], "refreshToken": tokens["refresh_token"]});
    let ada = Person::new(&web.url, "", "").with_session(&session);
    assert!(ada.is_in().await);
    // A refresh token is exchanged here, too.
    let refresh = tokens["refresh_token"].as_str().expect("a token");
    let (status, next) = web.exchange(&[("grant_type", "refresh_token"), ("refresh_token", refresh)]).await;
    assert_eq!((status, next["token_type"].as_str()), (200, Some("Bearer")), "S2-02");
    // Somebody has a copy of the code: what it was good for ends (RFC 6749 §4.1.2).
    assert_eq!(web.redeem(&code).await.1["error"], "invalid_grant");
    assert_eq!(ada.me_code().await.as_deref(), Some("UNAUTHENTICATED"));
    // Neither waits for ever.
    let late = web.go(person("1", ADA)).await.0["code"].clone();
    let callback = web.to_callback().await;
    app.clock.advance(Duration::from_secs(61));
    assert_eq!(web.redeem(&late).await.1["error"], "invalid_grant");
    app.clock.advance(Duration::from_mins(10));
    assert_eq!(web.open(&callback).await, (400, None));
}

type Lie = Box<dyn Fn(&mut Value, &mut Value) -> bool + Send + Sync>;

#[tokio::test(flavor = "multi_thread")]
async fn jt_a_token_that_is_not_the_providers_word_about_this_sign_in_is_refused() {
    let World { app, web, owner, .. } = world(Engine::Memory).await;
    let now = app.clock.now().timestamp();
    let set = |name: &'static str, value: Value| {
        move |_: &mut Value, claims: &mut Value| {
            claims[name] = value.clone();
            false
        }
    };
    let lies: Vec<(&str, Lie)> = vec![
        ("another key", Box::new(|_, _| true)),
        (
            "no signature",
            Box::new(|header, _| {
                header["alg"] = "none".into();
                false
            }),
        ),
        (
            "a shared secret",
            Box::new(|header, _| {
                header["alg"] = "HS256".into();
                false
            }),
        ),
        (
            "another algorithm",
            Box::new(|header, _| {
                header["alg"] = "RS384".into();
                false
            }),
        ),
        (
            "an unknown key",
            Box::new(|header, _| {
                header["kid"] = "third".into();
                false
            }),
        ),
        ("another issuer", Box::new(set("iss", json!("https://accounts.google.com")))),
        ("another client", Box::new(set("aud", json!("other")))),
        ("several clients", Box::new(set("aud", json!(["rollcall-client", "other"])))),
        ("made for another", Box::new(set("azp", json!("other")))),
        ("too old", Box::new(set("exp", json!(now - 61)))),
        ("of the future", Box::new(set("iat", json!(now + 3_600)))),
        ("another sign-in", Box::new(set("nonce", json!("x")))),
        ("no nonce", Box::new(set("nonce", Value::Null))),
        ("nobody", Box::new(set("sub", json!("")))),
        (
            "no time",
            Box::new(|_, claims| {
                claims.as_object_mut().expect("claims").remove("exp");
                false
            }),
        ),
    ];
    for (what, lie) in lies {
        web.provider.lie(lie);
        let back = web.go(person("1", ADA)).await;
        assert_eq!(back.error(), "access_denied", "{what}: {back:?}");
        assert!(!back.0.contains_key("code"), "{what}");
    }
    assert_eq!(count_users(&owner).await, 1);
    // What others say in another form is fine.
    web.provider.lie(|_, claims| {
        claims["aud"] = json!(["rollcall-client", "other"]);
        claims["azp"] = "rollcall-client".into();
        false
    });
    web.sign_in(person("1", ADA)).await;
    web.provider.be_honest();
    // Keys are replaced: the new ones are asked for, but not for every token with an unknown one.
    let before = web.provider.key_reads();
    app.clock.advance(Duration::from_mins(2));
    web.provider.rotate();
    web.provider.lie(move |_, claims| {
        claims["exp"] = json!(now + 7_200);
        claims["iat"] = Value::Null;
        false
    });
    web.sign_in(person("1", ADA)).await;
    assert_eq!(web.provider.key_reads(), before + 1);
    web.provider.lie(|header, _| {
        header["kid"] = "third".into();
        false
    });
    for _ in 0..3 {
        assert_eq!(web.go(person("1", ADA)).await.error(), "access_denied");
    }
    assert_eq!(web.provider.key_reads(), before + 1, "not within a minute");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_providers_answer_is_not_taken() {
    let World { web, .. } = world(Engine::Memory).await;
    web.provider.sign_in(person("1", ADA));
    let callback = web.to_callback().await;
    let mixed = callback.split("&iss=").next().expect("a URL").to_owned() + "&iss=https://other.example";
    assert_eq!(web.come_back(&mixed).await.error(), "access_denied", "RFC 9207");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_does_not_answer_is_told_from_one_that_says_no() {
    let World { web, .. } = world(Engine::Memory).await;
    web.provider.set_down(true);
    let (_, location) = web.leave_with(&FrontEnd::wish()).await;
    assert_eq!(read(&location.expect("sent back")).error(), "temporarily_unavailable");
    web.provider.set_down(false);
    web.sign_in(person("1", ADA)).await;
}
