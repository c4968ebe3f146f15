//! Signing in through a login provider: `/oauth/authorize` to `/oauth/token`, against a real provider on a socket.

use rollcall::domain::Caller;
use serde_json::{Value, json};

use crate::support::front_end::{GOOGLE, person, read};
use crate::support::person::first_code;
use crate::support::{Engine, FrontEnd, OpenidProvider, Owned, Person, TestApp, user};

pub const ADA: &str = "ada@acme.example";

/// Lets an organization's provider make users.
pub async fn let_create(owner: &Person) {
    owner.done("updateAccountPolicy", json!({"jit": "CREATE"}), "accountPolicy { jit }").await;
}

/// An organization whose provider makes users.
pub struct World {
    pub app: TestApp,
    pub web: FrontEnd,
    pub acme: Owned,
    pub owner: Person,
}

pub async fn world(engine: Engine) -> World {
    let (app, web) = FrontEnd::start(engine).await;
    let acme = app.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    web.connect(&app, acme.id).await;
    let_create(&owner).await;
    World { app, web, acme, owner }
}

pub async fn count_users(owner: &Person) -> Value {
    owner.ask("{ users { totalCount } }", json!({})).await.data()["users"]["totalCount"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn s1_25_s2_12_s2_13_s2_14_whoever_comes_through_a_provider_is_called_by_the_address_there() {
    for engine in Engine::BOTH {
        let World { app, web, owner, .. } = world(engine).await;
        let ada = web.sign_in(person("google|1", ADA)).await;
        let selection = "user { userName email displayName givenName roles { key } accountType passwordState { isSet }
            identities { subject email provider { name strategy displayName } } emails { nodes { address isVerified source } } }
            memberships { source } login { authMethods }";
        let me = ada.me(selection).await;
        let found = &me["user"];
        assert_eq!((&found["userName"], &found["email"]), (&json!(ADA), &json!(ADA)), "S2-12");
        assert_eq!((&found["displayName"], &found["givenName"]), (&json!("Ada Lovelace"), &json!("Ada")));
        assert_eq!((&found["accountType"], &found["passwordState"]["isSet"]), (&json!("MANAGED"), &json!(false)));
        assert_eq!(
            found["identities"],
            json!([{"subject": "google|1", "email": ADA,
                    "provider": {"name": GOOGLE, "strategy": "oidc", "displayName": "Google"}}]),
            "S2-14"
        );
        assert_eq!(found["emails"]["nodes"], json!([{"address": ADA, "isVerified": true, "source": "CONNECTION"}]));
        assert_eq!(me["memberships"][0]["source"], "CONNECTION");
        assert_eq!(me["login"]["authMethods"], json!(["CONNECTION"]));
        // The second time it is the same person, even if the address there is another one now: it is one here, too.
        let new = "ada.lovelace@acme.example";
        let again = web.sign_in(person("google|1", new)).await;
        let me = again
            .me("accountId user { userName email identities { email } emails { nodes { address isVerified } } }")
            .await;
        assert_eq!(me["accountId"], ada.me("accountId").await["accountId"]);
        let wanted = json!({"userName": new, "email": new, "identities": [{"email": new}],
                            "emails": {"nodes": [{"address": new, "isVerified": true}]}});
        assert_eq!(me["user"], wanted);
        // Somebody else's address does not become hers.
        web.sign_in(person("google|2", "bob@acme.example")).await;
        let back = web.go(person("google|1", "bob@acme.example")).await;
        assert!(back.error().is_empty() || back.error() == "temporarily_unavailable", "{back:?}");
        assert_eq!(again.me("user { userName }").await["user"]["userName"], new);
        assert_eq!(count_users(&owner).await, 3);
        app.stop();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s1_05_s2_24_s2_25_name_and_address_are_changed_at_the_provider() {
    let World { app, web, owner, .. } = world(Engine::Memory).await;
    let ada = web.sign_in(person("1", ADA)).await;
    let me = ada.me("user { id version } capabilities { fields { field isEditable reason } }").await;
    for change in [json!({"email": "ada@new.example"}), json!({"userName": "countess"})] {
        let payload = ada.mutate("updateMe", change.clone(), "user { id }").await;
        let refusal = &payload["userErrors"][0];
        assert_eq!((&refusal["code"], &refusal["params"]["owner"]), (&json!("MANAGED_BY_CONNECTION"), &json!(GOOGLE)));
        let mut input = change;
        input["user"] = json!({"id": me["user"]["id"]});
        assert_eq!(owner.refused("updateUser", input).await, "MANAGED_BY_CONNECTION");
    }
    let after = ada.me("user { version userName email }").await["user"].clone();
    assert_eq!(after, json!({"version": me["user"]["version"], "userName": ADA, "email": ADA}), "nothing changed");
    let fields = me["capabilities"]["fields"].as_array().expect("fields").clone();
    let shown = |name: &str| fields.iter().find(|field| field["field"] == name).cloned().expect("a field");
    for name in ["email", "userName", "displayName", "givenName", "familyName", "fullName"] {
        let wanted = json!({"field": name, "isEditable": false, "reason": "MANAGED_BY_CONNECTION"});
        assert_eq!(shown(name), wanted, "shown beforehand");
    }
    let emails = ada.me("emails { nodes { id } }").await["emails"]["nodes"].clone();
    assert_eq!(ada.refused("removeEmail", json!({"emailId": emails[0]["id"]})).await, "MANAGED_BY_CONNECTION");
    let added = ada.done("addEmail", json!({"email": "ada@home.example"}), "email { id }").await;
    let token = app.token_in_mail("ada@home.example", 1).await;
    ada.signed_out().done("verifyEmail", json!({"token": token}), "email { isVerified }").await;
    let id = &added["email"]["id"];
    assert_eq!(ada.refused("setPrimaryEmail", json!({"emailId": id})).await, "MANAGED_BY_CONNECTION");
    let both = ada.mutate("updateMe", json!({"displayName": "Countess", "givenName": "A."}), "user { id }").await;
    let codes: Vec<&Value> =
        both["userErrors"].as_array().expect("errors").iter().map(|refusal| &refusal["code"]).collect();
    assert_eq!(codes, ["MANAGED_BY_CONNECTION", "MANAGED_BY_CONNECTION"], "S1-05: names too, each of them");
    ada.done("updateMe", json!({"title": "Countess"}), "user { title }").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s1_15_a_password_is_the_providers() {
    let World { app, web, owner, .. } = world(Engine::Memory).await;
    let ada = web.sign_in(person("1", ADA)).await;
    let id = ada.me("user { id }").await["user"]["id"].clone();
    for name in ["sendPasswordReset", "resetPassword"] {
        let payload = owner.mutate(name, json!({"user": {"id": id}}), "clientMutationId").await;
        assert_eq!(first_code(&payload), "MANAGED_BY_CONNECTION", "{name}");
        assert_eq!(payload["userErrors"][0]["params"]["owner"], GOOGLE);
    }
    assert_eq!(app.links(ADA).len(), 0, "no mail");
}

#[tokio::test(flavor = "multi_thread")]
async fn s1_21_an_invitation_that_names_a_provider_is_accepted_by_signing_in_there() {
    for engine in Engine::BOTH {
        let (app, web) = FrontEnd::start(engine).await;
        let acme = app.owned("acme").await;
        let owner = acme.owner.sign_in().await;
        web.connect(&app, acme.id).await;
        let invitation =
            json!({"email": ADA, "name": "Countess Ada", "roles": [{"key": "analyst"}], "connection": GOOGLE});
        owner.done("invite", json!({"invitations": [invitation]}), "results { invitation { id } }").await;
        let token = app.token_in_mail(ADA, 1).await;
        let input = json!({"token": token, "password": "vK9 pl2 mQz wX7 vals"});
        assert_eq!(owner.signed_out().refused("acceptInvitation", input).await, "MANAGED_BY_CONNECTION");
        // Another address is not invited, and the invitation waits.
        let back = web.go(person("2", "bob@acme.example")).await;
        assert_eq!((back.error(), count_users(&owner).await), ("access_denied", json!(1)));
        let ada = web.sign_in(person("1", ADA)).await;
        let me = ada.me("user { displayName roles { key } } memberships { source }").await;
        assert_eq!(me["user"]["displayName"], "Countess Ada", "the inviter's word comes first");
        assert!(me["user"]["roles"].as_array().expect("roles").contains(&json!({"key": "analyst"})), "{me}");
        assert_eq!(me["memberships"][0]["source"], "INVITATION");
        let states = owner.ask("{ invitations { nodes { state } } }", json!({})).await.data();
        assert_eq!(states["invitations"]["nodes"], json!([{"state": "ACCEPTED"}]));
        assert_eq!(
            owner.signed_out().refused("acceptInvitation", json!({"token": token})).await,
            "TOKEN_INVALID",
            "the link is void"
        );
        app.stop();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inviter_who_lost_the_right_invites_nobody_through_a_provider_either() {
    let (app, web) = FrontEnd::start(Engine::Memory).await;
    let acme = app.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    web.connect(&app, acme.id).await;
    let admin = app.member(acme.id, "admin@acme.example", &["admin"]).await.sign_in().await;
    let invitation = json!({"email": ADA, "name": "Ada", "roles": [{"key": "admin"}]});
    admin.done("invite", json!({"invitations": [invitation]}), "results { userErrors { code } }").await;
    let id = admin.me("user { id }").await["user"]["id"].clone();
    owner.done("disableUser", json!({"user": {"id": id}}), "user { id }").await;
    let back = web.go(person("1", ADA)).await;
    assert_eq!((back.error(), back.description()), ("access_denied", "whoever invited you may no longer do so"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provisioned_user_signs_in_through_the_organizations_provider_and_off_is_off_at_once() {
    for engine in Engine::BOTH {
        let (app, web) = FrontEnd::start(engine).await;
        let acme = app.owned("acme").await;
        web.connect(&app, acme.id).await;
        let mut body = user("ada.l");
        body["emails"] = json!([{"value": "Ada@Acme.Example", "type": "work", "primary": true}]);
        let made = acme.scim.post("/Users", &body).await.expect(201);
        let id = made["id"].as_str().expect("an id").to_owned();
        let ada = web.sign_in(person("1", ADA)).await;
        let me = ada.me("user { id userName identities { subject } }").await["user"].clone();
        assert_eq!((&me["id"], &me["userName"]), (&json!(id), &json!("ada.l")), "a directory outranks a provider");
        let off = json!([{"op": "Replace", "value": {"active": false}}]);
        acme.scim.patch(&format!("/Users/{id}"), off).await.expect(200);
        assert_eq!(ada.me_code().await.as_deref(), Some("UNAUTHENTICATED"));
        let back = web.go(person("1", ADA)).await;
        assert_eq!((back.error(), back.description()), ("access_denied", "you are kept out of the organization"));
        // A second user with the address is one too many: nobody can tell whose it is.
        let mut other = user("ada.2");
        other["emails"] = json!([{"value": "eve@acme.example"}]);
        acme.scim.post("/Users", &other).await.expect(201);
        other["userName"] = "ada.3".into();
        acme.scim.post("/Users", &other).await.expect(201);
        let back = web.go(person("3", "eve@acme.example")).await;
        assert!(back.description().contains("several users"), "{back:?}");
        app.stop();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_nobody_vouches_for_lets_nobody_in() {
    let World { web, owner, .. } = world(Engine::Memory).await;
    for unproven in [
        json!({"sub": "1", "email": ADA}),
        json!({"sub": "1", "email": ADA, "email_verified": false}),
        json!({"sub": "1", "email": ADA, "email_verified": "false"}),
        json!({"sub": "1", "email": ADA, "email_verified": "true"}),
        json!({"sub": "1", "email": ADA, "email_verified": 1}),
        json!({"sub": "1", "email_verified": true}),
        json!({"sub": "1", "email": "ada@evil@acme.example", "email_verified": true}),
    ] {
        let back = web.go(unproven.clone()).await;
        assert_eq!(back.error(), "access_denied", "{unproven}");
        assert_eq!(back.description(), "the login provider does not vouch for your address");
    }
    assert_eq!(count_users(&owner).await, 1);
    web.sign_in(json!({"sub": "1", "email": ADA, "email_verified": true})).await;
}

/// Whoever runs an organization's provider can have it say anything: it opens no account that others rely on.
#[tokio::test(flavor = "multi_thread")]
async fn an_account_of_another_organization_is_not_opened_by_a_provider() {
    let (app, web) = FrontEnd::start(Engine::Memory).await;
    let acme = app.owned("acme").await;
    let globex = app.owned("globex").await;
    let owner = acme.owner.sign_in().await;
    web.connect(&app, acme.id).await;
    let_create(&owner).await;
    let hank = app.member(globex.id, "hank@globex.example", &["analyst"]).await.sign_in().await;
    let back = web.go(person("evil", "hank@globex.example")).await;
    assert_eq!(back.error(), "access_denied", "{back:?}");
    assert_eq!(count_users(&owner).await, 1, "and nobody is made");
    assert_eq!(hank.me("user { identities { subject } }").await["user"]["identities"], json!([]));
    // An account of its own is: the person keeps password and all.
    let own = app.member(acme.id, ADA, &["analyst"]).await;
    let ada = web.sign_in(person("1", ADA)).await;
    let account = ada.me("accountId").await;
    assert_eq!(own.sign_in().await.me("accountId").await, account);
    // One that another manages is not, even if the address is in a domain of the organization; one that nobody manages is.
    let operator = Caller::operator(None);
    app.service.add_domain(&operator, acme.id, "globex.example").await.expect("added");
    assert_eq!(web.go(person("2", "hank@globex.example")).await.error(), "access_denied");
    let id = hank.me("user { id }").await["user"]["id"].clone();
    let boss = globex.owner.sign_in().await;
    boss.done("updateUser", json!({"user": {"id": id}, "accountType": "EXTERNAL"}), "user { accountType }").await;
    let there = web.sign_in(person("2", "hank@globex.example")).await;
    let me = there.me("accountId organization { shortName } user { accountType }").await;
    assert_eq!(
        (&me["accountId"], &me["organization"]["shortName"], &me["user"]["accountType"]),
        (&hank.me("accountId").await["accountId"], &json!("acme"), &json!("EXTERNAL"))
    );
}

/// What an organization's provider says of an address that is not the organization's is good for that organization alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_providers_word_claims_no_address_for_the_whole_server() {
    let (app, web) = FrontEnd::start(Engine::Memory).await;
    let acme = app.owned("acme").await;
    let globex = app.owned("globex").await;
    web.connect_alone(&app, acme.id).await;
    let_create(&acme.owner.sign_in().await).await;
    let ada = web.sign_in(person("1", "ada@home.example")).await;
    let me = ada.me("user { email } emails { nodes { address isVerified } }").await;
    assert_eq!(me["emails"]["nodes"], json!([{"address": "ada@home.example", "isVerified": false}]));
    let token = app.token_in_mail("ada@home.example", 1).await;
    ada.signed_out().done("verifyEmail", json!({"token": token}), "email { isVerified }").await;
    // Nor one of an organization that has proven it.
    app.service.add_domain(&Caller::operator(None), globex.id, "globex.example").await.expect("added");
    let back = web.go(person("evil", "victim@globex.example")).await;
    assert_eq!(back.description(), "your address belongs to another organization: sign in there");
    // Where the organization has domains, its provider makes users of those only.
    app.service.add_domain(&Caller::operator(None), acme.id, "acme.example").await.expect("added");
    assert_eq!(web.go(person("2", "eve@home.example")).await.error(), "access_denied");
    web.sign_in(person("3", ADA)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobodys_provider_lets_a_superuser_in() {
    let (app, web) = FrontEnd::start(Engine::Memory).await;
    let acme = app.owned("acme").await;
    web.connect(&app, acme.id).await;
    app.member(acme.id, ADA, &["analyst"]).await;
    web.sign_in(person("1", ADA)).await;
    let operator = Caller::operator(None);
    app.service.appoint_superuser(&operator, ADA, true).await.expect("appointed");
    for subject in ["1", "2"] {
        let back = web.go(person(subject, ADA)).await;
        assert_eq!(back.description(), "superusers sign in with a password");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn g7_how_long_ago_the_provider_asked_decides_what_may_be_done() {
    let World { app, web, .. } = world(Engine::Memory).await;
    let now = app.clock.now().timestamp();
    let as_of = |time: i64| {
        let mut ada = person("1", ADA);
        ada["auth_time"] = json!(time);
        ada
    };
    let enroll = json!({"name": "Phone"});
    let stale = web.sign_in(as_of(now - 3_600)).await;
    assert_eq!(stale.refused("beginTotpEnrollment", enroll.clone()).await, "STEP_UP_REQUIRED");
    let fresh = web.sign_in(as_of(now - 60)).await;
    fresh.done("beginTotpEnrollment", enroll, "secret").await;
    // A front end can have the provider ask again.
    let mut wish = FrontEnd::wish();
    wish.extend([("prompt", "login".to_owned()), ("max_age", "0".to_owned())]);
    let (_, location) = web.leave_with(&wish).await;
    let asked = read(&location.expect("sent on"));
    assert_eq!((asked.0["prompt"].as_str(), asked.0["max_age"].as_str()), ("login", "0"));
    wish.push(("prompt", "none".to_owned()));
    let (_, location) = web.leave_with(&wish).await;
    assert_eq!(read(&location.expect("sent back")).error(), "invalid_request");
}

/// S-13: a provider that does not say when it asked the person proves nothing anew.
#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_says_no_time_of_proof_gives_no_fresh_login() {
    let World { app, web, .. } = world(Engine::Memory).await;
    let now = app.clock.now().timestamp();
    let as_of = |time: Option<i64>| {
        let mut ada = person("1", ADA);
        ada["auth_time"] = json!(time);
        ada
    };
    let token = json!({"name": "ci", "scopes": ["user_self_profile_write"]});
    let silent = web.sign_in(as_of(None)).await;
    assert_eq!(silent.me("login { stepUpUntil }").await["login"]["stepUpUntil"], Value::Null);
    assert_eq!(silent.refused("createPersonalToken", token.clone()).await, "STEP_UP_REQUIRED");
    // With its own second factor the person proves it here.
    let fresh = web.sign_in(as_of(Some(now))).await;
    let phone = crate::graphql_mfa::enrol(&app, &fresh).await;
    let back = web.go(as_of(None)).await;
    let (_, refused) = web.redeem(&back.0["code"]).await;
    let input = json!({"challengeToken": refused["mfa_token"], "code": phone.app.code(app.clock.now())});
    let done = fresh.signed_out().done("verifyMfa", input, "session { accessToken refreshToken }").await;
    fresh.with_session(&done["session"]).done("createPersonalToken", token, "secret").await;
}

/// S-13: the age that was asked for is checked, and the provider's silence is no answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_proof_that_is_older_than_was_asked_for_is_refused() {
    let World { app, web, .. } = world(Engine::Memory).await;
    let now = app.clock.now().timestamp();
    let mut wish = FrontEnd::wish();
    wish.push(("max_age", "300".to_owned()));
    for (time, words) in [
        (None, Some("does not say when")),
        (Some(now - 86_400), Some("too long ago")),
        (Some(now - 361), Some("too long ago")),
        (Some(now - 360), None),
        (Some(now), None),
    ] {
        let mut ada = person("1", ADA);
        ada["auth_time"] = json!(time);
        web.provider.sign_in(ada);
        let (_, location) = web.leave_with(&wish).await;
        let callback = web.open(&location.expect("sent on")).await.1.expect("sent back");
        let back = web.come_back(&callback).await;
        match words {
            Some(words) => {
                assert_eq!(back.error(), "access_denied", "{time:?}");
                assert!(back.description().contains(words), "{time:?}: {back:?}");
            }
            None => assert!(back.0.contains_key("code"), "{time:?}: {back:?}"),
        }
    }
}

/// S-13: where the operator knows that a provider always asks, its answer to `prompt=login` counts; the trail says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_is_a_proof_where_the_operator_says_so() {
    let provider = OpenidProvider::start(crate::support::app::start_of_time().timestamp()).await;
    let issuer = provider.issuer().to_owned();
    let front_ends = [("web".to_owned(), vec![crate::support::front_end::CALLBACK.to_owned()])];
    let app = TestApp::start_changed(Engine::Memory, |config| {
        config.front_ends = front_ends.into();
        config.sign_in.prompt_login_is_proof = vec![issuer];
    })
    .await;
    let web = FrontEnd::of(&app, provider);
    let acme = app.owned("acme").await;
    web.connect(&app, acme.id).await;
    let_create(&acme.owner.sign_in().await).await;
    let mut silent = person("1", ADA);
    silent["auth_time"] = Value::Null;
    let enroll = json!({"name": "Phone"});
    assert_eq!(
        web.sign_in(silent.clone()).await.refused("beginTotpEnrollment", enroll.clone()).await,
        "STEP_UP_REQUIRED"
    );
    web.provider.sign_in(silent);
    let mut wish = FrontEnd::wish();
    wish.push(("prompt", "login".to_owned()));
    let (_, location) = web.leave_with(&wish).await;
    let callback = web.open(&location.expect("sent on")).await.1.expect("sent back");
    let code = web.come_back(&callback).await.0["code"].clone();
    let (_, tokens) = web.redeem(&code).await;
    let session = json!({"accessToken": tokens["access_token"], "refreshToken": tokens["refresh_token"]});
    let fresh = Person::new(&web.url, "", "").with_session(&session);
    fresh.done("beginTotpEnrollment", enroll, "secret").await;
    let reasons: Vec<String> = app
        .events(acme.id)
        .await
        .into_iter()
        .filter(|event| event.kind == "login.created")
        .filter_map(|event| event.reason)
        .collect();
    assert!(reasons.len() == 1 && reasons[0].contains("prompt_login_is_proof"), "{reasons:?}");
}

/// L-1: a callback that somebody else sends is finished by nobody; the browser it began in goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_ends_in_the_browser_it_began_in() {
    let World { web, .. } = world(Engine::Memory).await;
    web.provider.sign_in(person("1", ADA));
    let callback = web.to_callback().await;
    assert!(web.cookies().starts_with("rollcall-signin-"), "http, as on a developer's machine");
    let elsewhere = |cookie: &str| web.http.get(&callback).header("cookie", cookie.to_owned()).send();
    let another = web.cookies().replace('=', "=0");
    for cookie in ["", "rollcall-signin-x=", &another] {
        let answer = elsewhere(cookie).await.expect("an answer");
        assert_eq!(answer.status().as_u16(), 400, "{cookie}");
    }
    assert!(web.come_back(&callback).await.0.contains_key("code"), "nothing was used up");
}

/// L-1: over https no other host of the domain can set the cookie.
#[tokio::test(flavor = "multi_thread")]
async fn over_https_the_cookie_of_a_sign_in_is_the_hosts_own() {
    let provider = OpenidProvider::start(crate::support::app::start_of_time().timestamp()).await;
    let front_ends = [("web".to_owned(), vec![crate::support::front_end::CALLBACK.to_owned()])];
    let app = TestApp::start_changed(Engine::Memory, |config| {
        config.front_ends = front_ends.into();
        "https://id.example.com".clone_into(&mut config.server.public_url);
    })
    .await;
    let web = FrontEnd::of(&app, provider);
    let acme = app.owned("acme").await;
    web.connect(&app, acme.id).await;
    let url =
        reqwest::Url::parse_with_params(&format!("{}/oauth/authorize", app.url), FrontEnd::wish()).expect("a URL");
    let answer = web.http.get(url).send().await.expect("an answer");
    let cookie = answer.headers()["set-cookie"].to_str().expect("text").to_owned();
    assert!(cookie.starts_with("__Host-rollcall-signin-"), "{cookie}");
    for attribute in ["; Path=/;", "; HttpOnly", "; Secure", "; SameSite=Lax", "; Max-Age=600"] {
        assert!(format!("{cookie};").contains(attribute) && !cookie.contains("Domain"), "{attribute}: {cookie}");
    }
}

/// Somebody who put another's address on their own account does not get what its owner brings.
#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_was_not_proven_here_links_nobody() {
    let World { web, owner, .. } = world(Engine::Memory).await;
    let input = json!({"userName": "mallory", "email": ADA, "credentials": {"password": "vK9 pl2 mQz wX7 vals"}});
    owner.done("createUser", input, "user { id }").await;
    let back = web.go(person("1", ADA)).await;
    assert_eq!(back.error(), "access_denied");
    assert!(back.description().contains("signs in another way"), "{back:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_factor_is_asked_for_after_a_provider_too() {
    let (app, web) = FrontEnd::start(Engine::Memory).await;
    let acme = app.owned("acme").await;
    web.connect(&app, acme.id).await;
    let own = app.member(acme.id, ADA, &["analyst"]).await.sign_in().await;
    let phone = crate::graphql_mfa::enrol(&app, &own).await;
    let back = web.go(person("1", ADA)).await;
    let (status, refused) = web.redeem(&back.0["code"]).await;
    assert_eq!((status, refused["error"].as_str()), (403, Some("mfa_required")));
    let code = phone.app.code(app.clock.now());
    let input = json!({"challengeToken": refused["mfa_token"], "code": code});
    let done = own.signed_out().done("verifyMfa", input, "session { accessToken login { authMethods } }").await;
    assert_eq!(done["session"]["login"]["authMethods"], json!(["CONNECTION", "TOTP"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_browsers_of_one_newcomer_make_one_person() {
    for engine in Engine::BOTH {
        let World { app, web, owner, .. } = world(engine).await;
        web.provider.sign_in(person("1", ADA));
        let mut callbacks = Vec::new();
        for _ in 0..8 {
            callbacks.push(web.to_callback().await);
        }
        let opened = futures::future::join_all(callbacks.iter().map(|callback| web.come_back(callback))).await;
        let mut accounts = Vec::new();
        for back in &opened {
            // Linking changes how somebody can sign in: a code from before it is void, and the browser starts again.
            let Some(code) = back.0.get("code") else { panic!("{back:?}") };
            let (status, tokens) = web.redeem(code).await;
            assert_eq!(status, 200, "{tokens}");
            let session = json!({"accessToken": tokens["access_token"]});
            accounts.push(Person::new(&web.url, "", "").with_session(&session).me("accountId").await);
        }
        accounts.dedup();
        assert_eq!(accounts.len(), 1);
        assert_eq!(count_users(&owner).await, 2);
        app.stop();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_provider_lets_nobody_in_and_its_sessions_end() {
    let World { app, web, acme, owner } = world(Engine::Memory).await;
    let own = app.member(acme.id, "bob@acme.example", &["analyst"]).await.sign_in().await;
    let bob = web.sign_in(person("2", "bob@acme.example")).await;
    let ada = web.sign_in(person("1", ADA)).await;
    let waiting = web.to_callback().await;
    let operator = Caller::operator(Some(acme.id));
    app.service.delete_connection(&operator, GOOGLE).await.expect("removed");
    assert!(!ada.is_in().await && !bob.is_in().await, "off is off at once");
    assert!(own.is_in().await, "a password is none of its business");
    assert_eq!(web.open(&waiting).await, (400, None), "what is under way ends too");
    let (_, location) = web.leave_with(&FrontEnd::wish()).await;
    assert_eq!(read(&location.expect("sent back")).error(), "invalid_request");
    // Ada has no way in now, until an administrator gives her one.
    let found =
        owner.ask("{ user(by: {userName: \"ada@acme.example\"}) { id identities { subject } } }", json!({})).await;
    let found = found.data()["user"].clone();
    assert_eq!(found["identities"], json!([]));
    owner.done("resetPassword", json!({"user": {"id": found["id"]}}), "temporaryPassword").await;
    assert!(app.service.delete_connection(&operator, GOOGLE).await.is_err(), "it is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_leaves_is_no_longer_linked_and_can_be_linked_again() {
    let World { web, owner, .. } = world(Engine::Memory).await;
    let ada = web.sign_in(person("1", ADA)).await;
    let id = ada.me("user { id }").await["user"]["id"].clone();
    owner.done("deleteUser", json!({"user": {"id": id}}), "deletedUserId").await;
    assert!(!ada.is_in().await);
    owner.done("updateAccountPolicy", json!({"jit": "MANUAL"}), "accountPolicy { jit }").await;
    let back = web.go(person("1", ADA)).await;
    assert_eq!(back.error(), "access_denied", "{back:?}");
    let_create(&owner).await;
    let again = web.sign_in(person("1", ADA)).await;
    assert_ne!(again.me("user { id }").await["user"]["id"], id, "somebody new");
}

#[tokio::test(flavor = "multi_thread")]
async fn lg_a_sign_in_through_a_provider_is_in_the_trail() {
    let World { app, web, acme, .. } = world(Engine::Memory).await;
    web.sign_in(person("1", ADA)).await;
    app.member(acme.id, "bob@acme.example", &["analyst"]).await;
    web.sign_in(person("2", "bob@acme.example")).await;
    let kinds: Vec<String> = app.events(acme.id).await.iter().map(|event| event.kind.as_str().to_owned()).collect();
    let count = |kind: &str| kinds.iter().filter(|known| *known == kind).count();
    assert_eq!(count("organization.connection_created"), 1, "{kinds:?}");
    assert_eq!((count("user.created"), count("user.identity_linked"), count("login.created")), (1, 1, 3), "{kinds:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn google_needs_nothing_but_its_client_id() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let operator = Caller::operator(Some(acme.id));
    let draft = rollcall::domain::connection::ConnectionDraft {
        name: GOOGLE.to_owned(),
        display_name: "Google".to_owned(),
        issuer: rollcall::domain::connection::GOOGLE.to_owned(),
        client_id: "x.apps.googleusercontent.com".to_owned(),
        client_secret: Some("very secret".into()),
    };
    let made = app.service.create_connection(&operator, draft.clone()).await.expect("made");
    assert_eq!(made.strategy, GOOGLE, "S1-22");
    assert!(!made.client_secret.expect("kept").contains("very secret"), "sealed");
    assert!(app.service.create_connection(&operator, draft.clone()).await.is_err(), "one of a name");
    for issuer in ["http://accounts.google.com", "https://x.example?y", "ldap://x", ""] {
        let bad = rollcall::domain::connection::ConnectionDraft {
            issuer: issuer.to_owned(),
            name: "x".to_owned(),
            ..draft.clone()
        };
        assert!(app.service.create_connection(&operator, bad).await.is_err(), "{issuer}");
    }
    let owner = acme.owner.sign_in().await;
    let shown = owner.ask("{ accountPolicy { connections { name strategy displayName } } }", json!({})).await;
    let shown = shown.data()["accountPolicy"]["connections"].clone();
    assert_eq!(shown, json!([{"name": GOOGLE, "strategy": GOOGLE, "displayName": "Google"}]));
}
