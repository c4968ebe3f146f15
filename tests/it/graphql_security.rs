//! What the security catalogue asks of the account API beyond one operation: several nodes, restarts, and secrets that
//! must not be found anywhere.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rollcall::clock::Clock;
use rollcall::config::MailSecurity;
use rollcall::domain::Caller;
use serde_json::{Value, json};
use surrealkv::{LSMIterator as _, Mode, TreeBuilder};

use crate::graphql_mfa::{code, enrol};
use crate::support::person::first_code;
use crate::support::surreal::SurrealServer;
use crate::support::{Person, TestApp, user};

#[tokio::test(flavor = "multi_thread")]
async fn se02_mf02_two_nodes_know_the_same_logins_and_codes() {
    let Some(server) = SurrealServer::start() else { return };
    let node = async || {
        TestApp::start_at_with(&server.url(), |config| config.server.public_url = "https://id.example.com".to_owned())
            .await
    };
    let (here, there) = (node().await, node().await);
    let acme = here.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    let elsewhere = owner.at(&there.url);
    assert!(elsewhere.is_in().await && owner.is_in().await, "a token of one node is one of the other");
    let login = owner.login_id().await;
    let other = acme.owner.at(&there.url).on("phone").sign_in().await;
    other.done("revokeLogin", json!({"loginId": login}), "login { state }").await;
    assert!(!owner.is_in().await && !elsewhere.is_in().await, "the very next request, on either");
    assert_eq!(
        first_code(
            &owner.mutate("refreshSession", json!({"refreshToken": owner.refresh}), "session { accessToken }").await
        ),
        "TOKEN_INVALID"
    );

    let enrolled = enrol(&here, &other.at(&here.url)).await;
    let challenges = [acme.owner.clone(), acme.owner.at(&there.url)];
    there.clock.advance(Duration::from_secs(30));
    let now = here.clock.now();
    let mut entered = 0;
    for person in challenges {
        let token = person.login_payload(json!({})).await["challenge"]["token"].clone();
        let input = json!({"challengeToken": token, "code": enrolled.app.code(now)});
        let payload = person.mutate("verifyMfa", input, "session { accessToken }").await;
        entered += usize::from(payload["session"].is_object());
    }
    assert_eq!(entered, 1, "MF-02: a code is used up on every node");
    // AU-01: failures on one node count on the other.
    let app = here.member(acme.id, "babs@acme.example", &["member"]).await;
    for index in 0..10 {
        let person = if index % 2 == 0 { app.clone() } else { app.at(&there.url) };
        person.login_payload(json!({"password": "wrong"})).await;
    }
    for person in [app.clone(), app.at(&there.url)] {
        assert_eq!(first_code(&person.login_payload(json!({})).await), "INVALID_CREDENTIALS", "shut on both");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn au03_failures_outlive_a_restart_and_junk() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = format!("surrealkv://{}/store?sync=every", folder.path().display());
    let app = TestApp::start_at(&store).await;
    let acme = app.owned("acme").await;
    for _ in 0..10 {
        acme.owner.login_payload(json!({"password": "wrong"})).await;
    }
    for index in 0..300 {
        let junk = acme.owner.under(&format!("junk{index}@nowhere.example"));
        assert_eq!(first_code(&junk.login_payload(json!({"password": "x"})).await), "INVALID_CREDENTIALS");
    }
    app.stop();
    let again = TestApp::start_at(&store).await;
    let owner = acme.owner.at(&again.url);
    assert_eq!(first_code(&owner.login_payload(json!({})).await), "INVALID_CREDENTIALS", "still shut");
    again.clock.advance(Duration::from_secs(16 * 60));
    owner.sign_in().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn au07_nobody_locks_a_person_out_of_a_device_they_trust() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let operator = Caller::operator(Some(acme.id));
    app.service.update_policy(&operator, |policy| policy.trusted_devices = true).await.expect("changed");
    let enrolled = enrol(&app, &acme.owner.sign_in().await).await;
    let token = acme.owner.login_payload(json!({})).await["challenge"]["token"].clone();
    let input = json!({"challengeToken": token, "code": enrolled.app.code(app.clock.now()), "trustDevice": true});
    let trusted = acme.owner.done("verifyMfa", input, "trustedDeviceToken").await["trustedDeviceToken"].clone();
    for _ in 0..12 {
        acme.owner.on("attacker").login_payload(json!({"password": "wrong"})).await;
    }
    assert_eq!(first_code(&acme.owner.login_payload(json!({})).await), "INVALID_CREDENTIALS", "shut from here");
    let payload = acme.owner.login_payload(json!({"trustedDeviceToken": trusted})).await;
    assert!(payload["session"].is_object(), "but not on the trusted device: {payload}");
}

#[tokio::test(flavor = "multi_thread")]
async fn au10_a_name_that_is_anothers_address_opens_nothing() {
    let app = TestApp::start().await;
    let (acme, globex) = (app.owned("acme").await, app.owned("globex").await);
    // A directory of another organization names somebody like the owner's address.
    globex.scim.post("/Users", &user(&acme.owner.email)).await.expect(201);
    acme.owner.sign_in().await;
    let babs = app.member(acme.id, "babs@acme.example", &["member"]).await.sign_in().await;
    for name in [acme.owner.email.clone(), acme.owner.email.to_uppercase(), format!(" {}", acme.owner.email)] {
        let code = babs.refused("updateMe", json!({ "userName": name })).await;
        assert!(["INVALID_USERNAME", "USERNAME_TAKEN"].contains(&code.as_str()), "{code}");
    }
    acme.owner.sign_in().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn au17_whoever_may_no_longer_come_in_refreshes_nothing() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let babs = app.member(acme.id, "babs@acme.example", &["member"]).await.sign_in().await;
    let id = babs.me("user { id }").await["user"]["id"].as_str().expect("an id").to_owned();
    let path = format!("/Users/{id}");
    acme.scim.patch(&path, json!([{"op": "replace", "path": "active", "value": false}])).await.expect(200);
    let refresh = json!({"refreshToken": babs.refresh});
    assert_eq!(babs.refused("refreshSession", refresh.clone()).await, "TOKEN_INVALID");
    acme.scim.patch(&path, json!([{"op": "replace", "path": "active", "value": true}])).await.expect(200);
    assert_eq!(babs.refused("refreshSession", refresh).await, "TOKEN_INVALID", "what ended stays ended");
}

#[test]
fn au18_au19_no_input_says_that_an_address_is_verified() {
    let sdl = rollcall::api::graphql::sdl();
    for input in sdl.split("\ninput ").skip(1) {
        let fields = input.split("\n}").next().unwrap_or_default();
        let names: Vec<&str> =
            fields.lines().filter_map(|line| line.trim().split_once(':')).map(|(name, _)| name).collect();
        let is_name = |name: &&str| name.chars().all(char::is_alphanumeric);
        let says =
            |name: &&str| is_name(name) && name.to_lowercase().contains("verified") && *name != "verifiedDomainsOnly";
        assert!(!names.iter().any(says), "{names:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn se01_tokens_change_with_every_proof_and_the_old_ones_are_dead() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    let done =
        owner.done("reauthenticate", json!({"password": owner.password}), "session { accessToken refreshToken }").await;
    let proven = owner.with_session(&done["session"]);
    assert!(proven.is_in().await && !owner.is_in().await, "step-up");
    let enrolled = enrol(&app, &proven).await;
    assert!(!proven.is_in().await, "a second factor");
    let challenge =
        acme.owner.login_payload(json!({})).await["challenge"]["token"].as_str().expect("a token").to_owned();
    let input = json!({"challengeToken": challenge, "code": enrolled.app.code(app.clock.now())});
    acme.owner.done("verifyMfa", input.clone(), "session { accessToken }").await;
    assert_eq!(acme.owner.refused("verifyMfa", input).await, "TOKEN_USED", "a challenge is answered once");
}

#[tokio::test(flavor = "multi_thread")]
async fn se06_a_token_in_the_address_is_no_credential() {
    let app = TestApp::start().await;
    let owner = app.owned("acme").await.owner.sign_in().await;
    let token = owner.token.clone().expect("a token");
    for query in [format!("access_token={token}"), format!("token={token}"), format!("authorization=Bearer%20{token}")]
    {
        let nobody = Person::new(&app.url, "x@example.com", "x");
        let answer =
            nobody.request_at(&format!("/graphql?{query}"), &json!({"query": "{ me { accountId } }"})).send().await;
        let body: Value = answer.expect("an answer").json().await.expect("JSON");
        assert_eq!(body["errors"][0]["extensions"]["code"], "UNAUTHENTICATED");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn em04_without_the_encryption_that_was_asked_for_nothing_is_sent() {
    for security in [MailSecurity::Starttls, MailSecurity::Tls] {
        let app = TestApp::start_configured(|config| {
            config.mail.security = security;
            config.mail.time_seconds = 2;
        })
        .await;
        let acme = app.owned("acme").await;
        acme.owner.done("requestPasswordReset", json!({"email": acme.owner.email}), "clientMutationId").await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(app.smtp.all().len(), 0, "the server offers none: {security:?}");
    }
}

/// Everything secret that is shown or typed in a walk through all that people do.
struct Canaries(Vec<(&'static str, String)>);

impl Canaries {
    fn note(&mut self, what: &'static str, value: &Value) -> String {
        let text = value.as_str().unwrap_or_else(|| panic!("{what}: {value}")).to_owned();
        self.0.push((what, text.clone()));
        text
    }
}

/// Waits for a mail in a folder and answers the token in its link.
async fn token_in_folder(folder: &Path, to: &str, count: usize) -> String {
    for _ in 0..200 {
        let mut mails: Vec<_> =
            std::fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path()).collect();
        mails.sort();
        let bodies = mails
            .iter()
            .filter(|path| path.extension().is_some_and(|kind| kind == "eml"))
            .filter_map(|path| std::fs::read(path).ok());
        let links: Vec<String> = bodies
            .filter_map(|data| {
                let mail = mail_parser::MessageParser::default().parse(&data)?.into_owned();
                let is_theirs = mail.to()?.first()?.address() == Some(to);
                let text = mail.body_text(0)?.into_owned();
                let link =
                    text.lines().find(|line| line.starts_with("http"))?.split_once("token=")?.1.trim().to_owned();
                is_theirs.then_some(link)
            })
            .collect();
        if links.len() >= count {
            return links[count - 1].clone();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no mail {count} to {to}");
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "one walk through all that people do")]
async fn mf14_lg01_no_secret_is_found_in_logs_answers_or_the_database() {
    let folder = tempfile::tempdir().expect("a folder");
    let (store, mails, log) = (folder.path().join("store"), folder.path().join("mails"), folder.path().join("log"));
    let url = format!("surrealkv://{}?sync=every", store.display());
    let mut process = Command::new(env!("CARGO_BIN_EXE_rollcall"))
        .args([
            "demo",
            "--listen",
            "127.0.0.1:0",
            "--json",
            "--store",
            &url,
            "--mail-dir",
            &mails.display().to_string(),
        ])
        .env("ROLLCALL__LOG__FILTER", "trace")
        .stdout(Stdio::piped())
        .stderr(std::fs::File::create(&log).expect("a file"))
        .spawn()
        .expect("it starts");
    let mut line = String::new();
    BufReader::new(process.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    let contract: Value = serde_json::from_str(&line).expect("JSON");
    let acme = &contract["organizations"][0];

    let mut secrets = Canaries(Vec::new());
    let base = contract["url"].as_str().expect("a URL");
    let email = acme["owner"]["email"].as_str().expect("an address").to_owned();
    let mut owner = Person::new(base, &email, &secrets.note("password", &acme["owner"]["password"]));
    secrets.note("SCIM token", &acme["scim"]["token"]);
    owner.login_payload(json!({"password": secrets.note("wrong password", &json!("Wr0ng canary pass phrase"))})).await;
    owner = owner.sign_in().await;
    let session = |secrets: &mut Canaries, person: &Person| {
        secrets.note("access token", &json!(person.token));
        secrets.note("refresh token", &json!(person.refresh));
    };
    session(&mut secrets, &owner);
    let begun = owner.done("beginTotpEnrollment", json!({}), "secret otpauthUrl").await;
    let seed = secrets.note("seed", &begun["secret"]);
    secrets.note("otpauth", &begun["otpauthUrl"]);
    let raw = data_encoding::BASE32_NOPAD.decode(seed.as_bytes()).expect("base 32");
    secrets.note("seed in base 64", &json!(data_encoding::BASE64.encode(&raw)));
    secrets.note("seed in hex", &json!(data_encoding::HEXLOWER.encode(&raw)));
    let confirm = json!({"code": code(&raw, Clock::default().now())});
    let done = owner.done("confirmTotpEnrollment", confirm, "recoveryCodes session { accessToken refreshToken }").await;
    let recovery: Vec<String> = done["recoveryCodes"]
        .as_array()
        .expect("codes")
        .iter()
        .map(|code| secrets.note("recovery code", code))
        .collect();
    owner = owner.with_session(&done["session"]);
    session(&mut secrets, &owner);
    let challenge = owner.signed_out().login_payload(json!({})).await["challenge"]["token"].clone();
    secrets.note("challenge", &challenge);
    let verify = json!({"challengeToken": challenge, "recoveryCode": recovery[0], "trustDevice": true});
    let done = owner.done("verifyMfa", verify, "session { accessToken refreshToken } trustedDeviceToken").await;
    secrets.note("access token", &done["session"]["accessToken"]);
    let again = json!({"code": code(&raw, Clock::default().now() + chrono::TimeDelta::seconds(30))});
    let done = owner.done("reauthenticate", again, "session { accessToken refreshToken }").await;
    owner = owner.with_session(&done["session"]);
    session(&mut secrets, &owner);
    let made = owner
        .done(
            "createPersonalToken",
            json!({"name": "ci", "scopes": ["user_self_profile_write"]}),
            "token { id } secret",
        )
        .await;
    secrets.note("personal token", &made["secret"]);
    let rotated = owner.done("rotateApiToken", json!({"tokenId": made["token"]["id"]}), "secret").await;
    secrets.note("personal token", &rotated["secret"]);
    owner.done("addEmail", json!({"email": "second@acme.example"}), "email { id }").await;
    let verification = secrets.note("verification", &json!(token_in_folder(&mails, "second@acme.example", 1).await));
    owner.done("verifyEmail", json!({"token": verification}), "email { id }").await;
    owner.done("requestPasswordReset", json!({ "email": email }), "clientMutationId").await;
    let reset = secrets.note("reset", &json!(token_in_folder(&mails, &email, 1).await));
    let new = secrets.note("new password", &json!("Canary vK9 pl2 mQz wX7 vals"));
    for wrong in ["short", "password password"] {
        let input = json!({"token": reset, "newPassword": wrong});
        assert_eq!(owner.refused("completePasswordReset", input).await, "PASSWORD_POLICY", "{wrong}");
    }
    owner.done("completePasswordReset", json!({"token": reset, "newPassword": new}), "clientMutationId").await;
    // What does not work is not told either: everything again, and malformed.
    for (name, input) in [
        ("verifyEmail", json!({"token": verification})),
        ("completePasswordReset", json!({"token": reset, "newPassword": new})),
        ("refreshSession", json!({"refreshToken": owner.refresh})),
        ("login", json!({"email": email, "password": new, "nonsense": new})),
        ("login", json!({"email": email, "password": [new]})),
    ] {
        let answer = owner.try_mutate(name, input, "clientMutationId").await;
        for (what, secret) in &secrets.0 {
            assert!(!answer.body.to_string().contains(secret), "{what} in {}", answer.body);
        }
    }
    assert!(Command::new("kill").args(["-TERM", &process.id().to_string()]).status().expect("kill").success());
    assert!(process.wait().expect("it ends").success());

    let logged = std::fs::read_to_string(&log).expect("a log");
    let answered = logged.lines().filter(|line| line.contains("\"answered\"")).count();
    assert!(answered >= 20 && logged.contains("a mail was sent"), "it is the log: {answered}");
    let exported = export(&url).await;
    assert!(exported.contains("owner@acme.example") && exported.len() > 10_000, "it is the whole: {}", exported.len());
    for (what, secret) in &secrets.0 {
        assert!(!logged.contains(secret), "{what} in the log: {:?}", logged.lines().find(|line| line.contains(secret)));
        assert!(
            !exported.contains(secret),
            "{what} in the database: {:?}",
            exported.lines().find(|line| line.contains(secret)).map(|line| &line[..line.len().min(300)])
        );
    }
}

/// Every key and value of a store on disk, as text: whatever its tables and indexes hold.
pub async fn export(url: &str) -> String {
    drop(crate::support::app::reopened(url).await);
    let folder = url.trim_start_matches("surrealkv://").split('?').next().expect("a path");
    for _ in 0..100 {
        let Ok(tree) = TreeBuilder::new().with_path(folder.into()).build_async().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let mut all = Vec::new();
        {
            let transaction = tree.begin_with_mode(Mode::ReadOnly).expect("begun");
            let mut rows = transaction.iter().expect("rows");
            let mut is_valid = rows.seek_first().expect("read");
            while is_valid {
                all.extend_from_slice(rows.key().user_key());
                all.extend_from_slice(&rows.value_ref().expect("a value"));
                all.push(b'\n');
                is_valid = rows.next().expect("read");
            }
        }
        tree.close().await.expect("closed");
        return String::from_utf8_lossy(&all).into_owned();
    }
    panic!("{url} stays open");
}
