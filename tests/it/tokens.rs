//! Tenancy: organizations, directories, and the tokens that speak for them (C16, C17, SC-19).

use rollcall::domain::directory::DirectoryDraft;
use rollcall::domain::organization::OrganizationDraft;
use rollcall::domain::{Caller, Error, Field};

use crate::support::{Engine, TestApp};

#[tokio::test(flavor = "multi_thread")]
async fn c16_two_tokens_live_and_the_third_ends_the_oldest() {
    let app = TestApp::start().await;
    let tenant = app.tenant("acme").await;
    let operator = Caller::operator(Some(tenant.id));
    let status = |token: &str| {
        let scim = tenant.scim.with_token(Some(token));
        async move { scim.get("/Users?count=0").await.status }
    };
    let first = tenant.scim.token.clone().expect("a token");
    let second = app.service.rotate_token(&operator, tenant.directory).await.expect("rotated");
    assert_eq!((status(&first).await, status(second.expose()).await), (200, 200));
    let third = app.service.rotate_token(&operator, tenant.directory).await.expect("rotated");
    assert_eq!((status(&first).await, status(second.expose()).await, status(third.expose()).await), (401, 200, 200));

    let listed = app.service.list_directory_tokens(&operator, tenant.directory).await.expect("listed");
    let mut tokens: Vec<_> = listed.into_iter().filter(|token| token.is_live(app.clock.now())).collect();
    tokens.sort_by_key(|token| token.id);
    assert_eq!(tokens.len(), 2);
    app.service.revoke_tokens(&operator, tenant.directory, Some(tokens[0].id)).await.expect("revoked");
    assert_eq!((status(second.expose()).await, status(third.expose()).await), (401, 200), "revoked is off at once");
    assert_eq!(app.service.revoke_tokens(&operator, tenant.directory, None).await.expect("revoked"), 1);
    assert_eq!(status(third.expose()).await, 401);
    let again = app.service.revoke_tokens(&operator, tenant.directory, Some(tokens[0].id)).await;
    assert!(matches!(again, Err(Error::NotFound(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn c17_tokens_are_hashed_recognisable_and_say_when_they_were_used() {
    let app = TestApp::start().await;
    let tenant = app.tenant("acme").await;
    let token = tenant.scim.token.clone().expect("a token");
    assert!(token.starts_with("rcs_"));
    let operator = Caller::operator(Some(tenant.id));
    let info = |app: &TestApp| {
        let (service, operator) = (app.service.clone(), operator.clone());
        let directory = tenant.directory;
        async move { service.list_directory_tokens(&operator, directory).await.expect("listed")[0].clone() }
    };
    assert!(info(&app).await.last_used.is_none());
    tenant.scim.get("/Users").await.expect(200);
    let used = info(&app).await;
    assert_eq!((used.last_used, used.hint.as_str()), (Some(app.clock.now()), &token[..8]));
    app.clock.advance(std::time::Duration::from_secs(30));
    tenant.scim.get("/Users").await.expect(200);
    assert_eq!(info(&app).await.last_used, used.last_used, "to the minute");
    app.clock.advance(std::time::Duration::from_secs(60));
    tenant.scim.get("/Users").await.expect(200);
    assert_eq!(info(&app).await.last_used, Some(app.clock.now()));
    let shown = format!("{:?}", app.service.list_directories(&operator).await.expect("listed"));
    assert!(!shown.contains(&token), "the secret is nowhere to be read");
}

#[tokio::test(flavor = "multi_thread")]
async fn ac06_a_fresh_store_has_no_credential() {
    let app = TestApp::start().await;
    let operator = Caller::operator(None);
    assert!(app.service.list_organizations(&operator).await.expect("listed").is_empty());
    for token in ["rcs_", "admin", "root", ""] {
        let signed_in = app.service.sign_in_directory(token, String::new()).await;
        assert!(matches!(signed_in, Err(Error::Unauthenticated)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_organizations_and_directories_are_unique_and_checked() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let operator = Caller::operator(None);
        let draft = |short_name: &str, email: Option<&str>| OrganizationDraft {
            short_name: short_name.to_owned(),
            name: "Name".to_owned(),
            owner_email: email.map(str::to_owned),
        };
        let (acme, owner) =
            app.service.create_organization(&operator, draft("acme", Some("o@acme.example"))).await.expect("made");
        assert_eq!(owner.expect("an owner").email, "o@acme.example");
        let twice = app.service.create_organization(&operator, draft("acme", None)).await;
        assert!(matches!(twice, Err(Error::Taken(Field::ShortName))), "{twice:?}");
        let address = app.service.create_organization(&operator, draft("globex", Some("O@acme.example"))).await;
        assert!(matches!(address, Err(Error::Taken(Field::Email))), "{address:?}");
        let left = app.service.list_organizations(&operator).await.expect("listed");
        assert_eq!(left.len(), 1, "both databases or neither");
        assert!(app.service.create_organization(&operator, draft("A b", None)).await.is_err());

        let within = Caller::operator(Some(acme.id));
        app.service.create_directory(&within, DirectoryDraft::named("Okta"), None).await.expect("made");
        let twice = app.service.create_directory(&within, DirectoryDraft::named("OKTA"), None).await;
        assert!(matches!(twice, Err(Error::Taken(Field::Name))), "{twice:?}");
        assert!(app.service.create_directory(&within, DirectoryDraft::named("  "), None).await.is_err());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_there_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("surrealkv://{}/store", folder.path().display());
    let (token, id) = {
        let app = TestApp::start_at(&url).await;
        let tenant = app.tenant("acme").await;
        let made = (tenant.scim.token.clone().expect("a token"), tenant.scim.make_user("ada").await);
        app.stop();
        made
    };
    // The engine lets go of its directory when the last handle is dropped, a moment later.
    let mut attempts = 0;
    let app = loop {
        let opened = tokio::spawn({
            let url = url.clone();
            async move { TestApp::start_at(&url).await }
        });
        match opened.await {
            Ok(app) => break app,
            Err(_) if attempts < 50 => attempts += 1,
            Err(error) => panic!("the store does not open again: {error}"),
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    };
    let scim = crate::support::Scim::new(&app.url, &token);
    assert_eq!(scim.get(&format!("/Users/{id}")).await.expect(200)["userName"], "ada");
}

#[tokio::test(flavor = "multi_thread")]
async fn c16_a_directory_exchanges_its_token_for_short_lived_ones() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let (tenant, other) = (app.tenant("acme").await, app.tenant("globex").await);
        let secret = tenant.scim.token.clone().expect("a token");
        let http = crate::support::http().build().expect("a client");
        let ask = async |id: &str, secret: &str, form: &[(&str, &str)]| {
            let request = http.post(format!("{}/oauth/token", app.url)).form(form).basic_auth(id, Some(secret));
            let answer = request.send().await.expect("an answer");
            (answer.status().as_u16(), answer.json::<serde_json::Value>().await.expect("JSON"))
        };
        let grant = ("grant_type", "client_credentials");
        let id = tenant.directory.to_string();
        let (status, given) = ask(&id, &secret, &[grant]).await;
        assert_eq!(
            (status, &given["expires_in"], &given["scope"]),
            (200, &600.into(), &"users groups".into()),
            "{given}"
        );
        let token = given["access_token"].as_str().expect("a token").to_owned();
        let short = tenant.scim.with_token(Some(&token));
        short.post("/Users", &crate::support::user("ada")).await.expect(201);
        let body = [grant, ("client_id", id.as_str()), ("client_secret", secret.as_str())];
        let posted = http.post(format!("{}/oauth/token", app.url)).form(&body).send().await.expect("an answer");
        assert_eq!(posted.status().as_u16(), 200, "client_secret_post");
        // Whoever has a short-lived one makes no next of it, and nobody another's.
        assert_eq!(ask(&id, &token, &[grant]).await.0, 401);
        assert_eq!(ask(&other.directory.to_string(), &secret, &[grant]).await.0, 401);
        assert_eq!(ask(&id, &secret, &[grant, ("scope", "users everything")]).await.1["error"], "invalid_scope");
        // It is over in time, and with its token at once.
        let next = ask(&id, &secret, &[grant]).await.1["access_token"].as_str().expect("a token").to_owned();
        app.clock.advance(std::time::Duration::from_secs(601));
        assert_eq!(short.get("/Users?count=0").await.status, 401);
        assert_eq!(tenant.scim.with_token(Some(&next)).get("/Users?count=0").await.status, 401);
        let last = ask(&id, &secret, &[grant]).await.1["access_token"].as_str().expect("a token").to_owned();
        let last = tenant.scim.with_token(Some(&last));
        assert_eq!(last.get("/Users?count=0").await.status, 200);
        let operator = Caller::operator(Some(tenant.id));
        app.service.revoke_tokens(&operator, tenant.directory, None).await.expect("revoked");
        assert_eq!(last.get("/Users?count=0").await.status, 401);
        assert_eq!(ask(&id, &secret, &[grant]).await.0, 401);
        app.stop();
    }
}
