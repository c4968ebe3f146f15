//! Bounds that one client, one person or one organization meets, and that nobody else feels.

use std::sync::atomic::Ordering;
use std::time::Duration;

use rollcall::domain::token::{BearerSecret, SecretKind};
use serde_json::{Value, json};

use crate::support::person::first_code;
use crate::support::{Person, Scim, TestApp, http};

fn invitation(email: &str) -> Value {
    json!({"invitations": [{"email": email, "name": "New Hire", "roles": [], "connection": null}]})
}

/// The code with which an invitation of this address is refused; empty, if it is sent.
async fn invited(person: &Person, email: &str) -> String {
    let payload = person.mutate("invite", invitation(email), "results { userErrors { code } }").await;
    first_code(&payload["results"][0]).to_owned()
}

/// S-12.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_signed_in_keeps_no_administrator_from_sending_mail() {
    let app = TestApp::start_configured(|config| config.limits.mails_per_hour = 2).await;
    let acme = app.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    let member = app.member(acme.id, "member@acme.example", &[]).await;
    for email in ["new.hire@acme.example", "member@acme.example"] {
        let ask = json!({ "email": email });
        for _ in 0..2 {
            owner.signed_out().done("requestPasswordReset", ask.clone(), "clientMutationId").await;
        }
        assert_eq!(owner.signed_out().refused("requestPasswordReset", ask).await, "RATE_LIMITED");
    }
    assert_eq!(invited(&owner, "new.hire@acme.example").await, "");
    let user = json!({"user": {"email": member.email}});
    owner.done("sendPasswordReset", user, "clientMutationId").await;
    owner
        .done("updateUser", json!({"user": {"email": member.email}, "email": "new.hire@else.example"}), "user { id }")
        .await;
}

/// S-12: each mail purpose has its own bucket, and so has each organization.
#[tokio::test(flavor = "multi_thread")]
async fn one_organization_uses_up_nothing_of_another() {
    let app = TestApp::start_configured(|config| config.limits.mails_per_hour = 1).await;
    let (acme, globex) = (app.owned("acme").await, app.owned("globex").await);
    let (acme, globex) = (acme.owner.sign_in().await, globex.owner.sign_in().await);
    assert_eq!(invited(&acme, "guest@else.example").await, "");
    assert_eq!(invited(&globex, "guest@else.example").await, "");
}

/// S-12: what is refused before a mail is sent counts for nothing.
#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_change_an_address_takes_nothing_from_those_who_may() {
    let app = TestApp::start_configured(|config| config.limits.mails_per_hour = 1).await;
    let acme = app.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    let member = app.member(acme.id, "member@acme.example", &[]).await;
    let other = app.member(acme.id, "other@acme.example", &[]).await.sign_in().await;
    let change = json!({"user": {"email": member.email}, "email": "new@acme.example"});
    for _ in 0..3 {
        other.try_mutate("updateUser", change.clone(), "user { id }").await;
    }
    owner.done("updateUser", change, "user { id }").await;
}

/// L-10.
#[tokio::test(flavor = "multi_thread")]
async fn an_organization_sends_so_many_invitations_a_day() {
    let app = TestApp::start_configured(|config| config.limits.organization_invitations_per_day = 2).await;
    let (acme, globex) = (app.owned("acme").await, app.owned("globex").await);
    let (acme, globex) = (acme.owner.sign_in().await, globex.owner.sign_in().await);
    let sent = [
        invited(&acme, "a@else.example").await,
        invited(&acme, "b@else.example").await,
        invited(&acme, "c@else.example").await,
        invited(&globex, "c@else.example").await,
    ];
    assert_eq!(sent, ["", "", "RATE_LIMITED", ""]);
}

fn phc(memory_kib: u32, passes: u32) -> String {
    let (salt, hash) = ("AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    format!("$argon2id$v=19$m={memory_kib},t={passes},p=1${salt}${hash}")
}

/// S-11.
#[tokio::test(flavor = "multi_thread")]
async fn a_hash_from_elsewhere_costs_no_more_than_ours_and_the_refusal_says_how_much() {
    let app = TestApp::start().await;
    let owner = app.owned("acme").await.owner.sign_in().await;
    let user = |name: &str, hash: String| json!({"userName": name, "credentials": {"passwordHash": hash}});
    owner.done("createUser", user("ada", phc(19_456, 2)), "user { id }").await;
    owner.done("createUser", user("babs", phc(12_288, 3)), "user { id }").await;
    for (name, dear) in [("carol", phc(262_144, 10)), ("dan", phc(19_456, 3)), ("eve", phc(65_536, 1))] {
        let payload = owner.mutate("createUser", user(name, dear), "user { id }").await;
        assert_eq!(first_code(&payload), "VALIDATION_FAILED", "{name}");
        assert_eq!(payload["userErrors"][0]["params"]["maxMemoryKib"], 19_456);
        assert_eq!(payload["userErrors"][0]["params"]["maxPasses"], 2);
    }
}

/// S-11, decision 8: what was kept before still verifies, and is made anew at that sign-in.
#[tokio::test(flavor = "multi_thread")]
async fn a_dearer_hash_is_made_anew_when_its_password_is_seen() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = format!("surrealkv://{}/store", folder.path().display());
    let app = TestApp::start_at_with(&store, |config| config.password.passes = 12).await;
    let acme = app.owned("acme").await;
    app.stop();
    let app = TestApp::start_at(&store).await;
    let owner = Person::new(&app.url, &acme.owner.email, &acme.owner.password);
    assert!(owner.login_payload(json!({"password": "wrong"})).await["session"].is_null());
    owner.sign_in().await;
    owner.sign_in().await;
    app.stop();
    let store = crate::support::app::reopened(&store).await;
    let email = store.identity().find_verified_email(&owner.email).await.expect("read").expect("an address");
    let credentials = store.identity().find_credentials(email.account).await.expect("read").expect("an account");
    let hash = credentials.password.expect("a password").hash;
    assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
}

/// L-8: tokens that look like ours are free to make, so a network that sends too many is refused before they are looked up.
#[tokio::test(flavor = "multi_thread")]
async fn made_up_tokens_are_not_looked_up_without_end() {
    let app = TestApp::start_configured(|config| config.limits.caller_requests_per_minute = 3).await;
    let made_up = |kind, number: u8| BearerSecret::from_entropy(kind, [number; 64]).expose().to_owned();
    let mut seen = Vec::new();
    for number in 0..6 {
        let token = made_up(SecretKind::Directory, number);
        seen.push(Scim::new(&app.url, &token).get("/Users").await.status);
    }
    assert_eq!(seen, [401, 401, 401, 429, 429, 429]);
    let person = Person::new(&app.url, "nobody@acme.example", "");
    let mut least = u64::MAX;
    for number in 0..5 {
        let before = app.queries.load(Ordering::Relaxed);
        let token = made_up(SecretKind::Api, number);
        assert_eq!(person.with_token(&token).post(&json!({"query": "{ me { accountId } }"})).await.status, 429);
        let token = made_up(SecretKind::Directory, 100 + number);
        assert_eq!(Scim::new(&app.url, &token).get("/Users").await.status, 429);
        // What the server does by itself now and then counts too.
        least = least.min(app.queries.load(Ordering::Relaxed) - before);
    }
    assert_eq!(least, 0, "the store was asked");
}

/// L-8.
#[tokio::test(flavor = "multi_thread")]
async fn pages_of_links_are_counted_when_they_are_opened() {
    for path in ["invitation", "verify-email", "reset-password"] {
        let app = TestApp::start_configured(|config| config.limits.caller_requests_per_minute = 3).await;
        let client = http().build().expect("a client");
        let mut seen = Vec::new();
        for _ in 0..5 {
            let answer = client.get(format!("{}/{path}?token=x", app.url)).send().await.expect("an answer");
            assert_eq!(answer.headers().contains_key("retry-after"), answer.status() == 429, "{path}");
            seen.push(answer.status().as_u16());
        }
        assert_eq!(seen, [400, 400, 400, 429, 429], "{path}");
    }
}

/// L-11: the key that signs access tokens is replaced on a schedule, and nobody is signed out by it.
#[tokio::test(flavor = "multi_thread")]
async fn another_key_signs_after_its_time_and_the_one_before_verifies_until_its_tokens_ended() {
    let app = TestApp::start_configured(|config| config.sign_in.signing_key_days = 30).await;
    let acme = app.owned("acme").await;
    let minutes = |count: u64| Duration::from_secs(60 * count);
    let published = async || {
        app.service.rotate_signing_keys().await.expect("the store is there");
        let keys = app.service.public_keys().await.expect("the store is there");
        keys["keys"].as_array().expect("keys").iter().map(|key| key["kid"].clone()).collect::<Vec<Value>>()
    };
    let kid_of = |person: &Person| {
        let header = jsonwebtoken::decode_header(person.token.as_deref().expect("a token")).expect("a header");
        json!(header.kid)
    };
    let first = published().await;
    assert_eq!(first.len(), 1);
    app.clock.advance(minutes(60 * 24 * 29));
    assert_eq!(published().await, first, "its time is not over");
    app.clock.advance(minutes(60 * 24));
    let both = published().await;
    assert_eq!((both.len(), &both[1]), (2, &first[0]));
    let before = acme.owner.sign_in().await;
    assert_eq!(kid_of(&before), first[0], "published first");
    app.clock.advance(minutes(14));
    let latest = acme.owner.on("laptop-2").sign_in().await;
    assert_eq!(kid_of(&latest), first[0]);
    app.clock.advance(minutes(2));
    let after = acme.owner.on("laptop-3").sign_in().await;
    assert_eq!(kid_of(&after), both[0]);
    assert_eq!(published().await, both);
    assert!(latest.is_in().await && after.is_in().await, "each verifies");
    app.clock.advance(minutes(60));
    assert_eq!(published().await, both[..1], "whatever the first one signed has ended");
    assert!(acme.owner.sign_in().await.is_in().await);
}

/// L-8: one client with made-up tokens keeps nobody else of its network out.
#[tokio::test(flavor = "multi_thread")]
async fn good_tokens_are_served_beside_a_client_that_tries_others() {
    let app = TestApp::start_configured(|config| config.limits.caller_requests_per_minute = 5).await;
    let acme = app.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    acme.scim.get("/Users").await.expect(200);
    for number in 0..10 {
        let token = BearerSecret::from_entropy(SecretKind::Directory, [number; 64]).expose().to_owned();
        Scim::new(&app.url, &token).get("/Users").await;
    }
    for _ in 0..3 {
        acme.scim.get("/Users").await.expect(200);
    }
    assert_eq!(owner.me("user { email }").await["user"]["email"], acme.owner.email.as_str());
}
