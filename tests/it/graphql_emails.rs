//! Addresses, passwords by mail, invitations by link, and the pages where links land (EM-…, IN-…, AU-14…16).

use std::time::Duration;

use reqwest::Client;
use serde_json::{Value, json};

use crate::support::{Engine, Person, TestApp};

const NEW: &str = "wX7 vals vK9 pl2 mQz";

fn codes(payload: &Value) -> Vec<&str> {
    payload["userErrors"].as_array().expect("a list").iter().filter_map(|error| error["code"].as_str()).collect()
}

async fn emails(person: &Person) -> Value {
    person.me("emails { nodes { id address isPrimary isVerified source } totalCount }").await["emails"]["nodes"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn s0_10_an_address_is_added_mailed_and_proven() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let acme = app.owned("acme").await;
        let owner = acme.owner.sign_in().await;
        let added = owner
            .done(
                "addEmail",
                json!({"email": "Second@Acme.example"}),
                "email { id address isVerified verifiedAt source user { id } }",
            )
            .await;
        assert_eq!(
            (&added["email"]["address"], &added["email"]["isVerified"], &added["email"]["source"]),
            (&json!("Second@Acme.example"), &json!(false), &json!("SELF"))
        );
        let id = &added["email"]["id"];
        assert_eq!(owner.refused("setPrimaryEmail", json!({"emailId": id})).await, "EMAIL_UNVERIFIED");
        assert_eq!(owner.refused("addEmail", json!({"email": "second@acme.example"})).await, "EMAIL_TAKEN");
        assert_eq!(owner.refused("addEmail", json!({"email": "a@evil@acme.example"})).await, "INVALID_EMAIL", "IN-08");
        let unproven = acme.owner.under("second@acme.example");
        assert_eq!(
            codes(&unproven.login_payload(json!({})).await),
            ["INVALID_CREDENTIALS"],
            "unverified ones count for nothing"
        );
        let first = app.token_in_mail("Second@Acme.example", 1).await;
        owner.done("resendEmailVerification", json!({"emailId": id}), "email { id }").await;
        let second = app.token_in_mail("Second@Acme.example", 2).await;
        assert_eq!(
            owner.refused("verifyEmail", json!({"token": first})).await,
            "TOKEN_INVALID",
            "a new link voids the one before"
        );
        let proven = owner
            .signed_out()
            .done("verifyEmail", json!({"token": second}), "email { address isVerified isPrimary }")
            .await;
        assert_eq!(proven["email"], json!({"address": "Second@Acme.example", "isVerified": true, "isPrimary": false}));
        assert_eq!(owner.refused("verifyEmail", json!({"token": second})).await, "TOKEN_USED");
        assert_eq!(owner.refused("resendEmailVerification", json!({"emailId": id})).await, "ILLEGAL_TRANSITION");
        assert!(unproven.login_payload(json!({})).await["session"].is_object(), "S0-11: any verified address signs in");
        let primary =
            owner.done("setPrimaryEmail", json!({"emailId": id}), "email { isPrimary } user { email version }").await;
        assert_eq!(primary["email"]["isPrimary"], true);
        assert_eq!(owner.me("user { email }").await["user"]["email"], "Second@Acme.example");
        app.mail_saying(&acme.owner.email, "primary address").await;
        assert_eq!(owner.refused("removeEmail", json!({"emailId": id})).await, "PRIMARY_EMAIL");
        let old = emails(&owner).await[1]["id"].clone();
        owner.done("removeEmail", json!({"emailId": old}), "removedEmailId user { id }").await;
        assert_eq!(emails(&owner).await.as_array().map(Vec::len), Some(1));
        assert_eq!(owner.refused("removeEmail", json!({"emailId": old})).await, "NOT_FOUND");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn au09_an_address_of_somebody_else_is_not_told() {
    let app = TestApp::start().await;
    let (acme, globex) = (app.owned("acme").await, app.owned("globex").await);
    let owner = acme.owner.sign_in().await;
    let theirs = owner.done("addEmail", json!({"email": globex.owner.email}), "email { address isVerified }").await;
    let free = owner.done("addEmail", json!({"email": "free@globex.example"}), "email { address isVerified }").await;
    assert_eq!(theirs["email"]["isVerified"], free["email"]["isVerified"]);
    let told = String::from_utf8(app.smtp.nth(&globex.owner.email, 1).await.data).expect("text");
    assert!(told.contains("belongs to your account") && !told.contains("token="), "{told}");
    // Two unproven holders: who proves it first has it.
    let other = globex.owner.sign_in().await;
    other.done("addEmail", json!({"email": "free@globex.example"}), "email { id }").await;
    let (mine, yours) =
        (app.token_in_mail("free@globex.example", 1).await, app.token_in_mail("free@globex.example", 2).await);
    other.done("verifyEmail", json!({"token": yours}), "email { id }").await;
    assert_eq!(owner.refused("verifyEmail", json!({"token": mine})).await, "EMAIL_TAKEN");
    app.assert_consistent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_are_ten_at_most() {
    let app = TestApp::start().await;
    let owner = app.owned("acme").await.owner.sign_in().await;
    for index in 1..10 {
        owner.done("addEmail", json!({"email": format!("a{index}@acme.example")}), "email { id }").await;
    }
    let payload = owner.mutate("addEmail", json!({"email": "a10@acme.example"}), "email { id }").await;
    assert_eq!(
        (&payload["userErrors"][0]["code"], &payload["userErrors"][0]["params"]["limit"]),
        (&json!("LIMIT_EXCEEDED"), &json!(10))
    );
    let page = owner
        .me("emails(first: 4) { nodes { address } pageInfo { hasNextPage endCursor pageSize } totalCount }")
        .await["emails"]
        .clone();
    assert_eq!(
        (&page["totalCount"], &page["pageInfo"]["pageSize"], &page["pageInfo"]["hasNextPage"]),
        (&json!(10), &json!(4), &json!(true)),
        "S0-09"
    );
    let next = owner.ask("query($after: String) { me { emails(first: 100, after: $after) { nodes { address } pageInfo { hasNextPage } } } }", json!({"after": page["pageInfo"]["endCursor"]})).await.data();
    assert_eq!(next["me"]["emails"]["nodes"].as_array().map(Vec::len), Some(6));
    for (arguments, code) in [
        ("first: -1", "VALIDATION_FAILED"),
        ("first: 1, last: 1", "INVALID_ARGUMENT_COMBINATION"),
        ("after: \"x\"", "INVALID_CURSOR"),
    ] {
        let answer =
            owner.ask(&format!("{{ me {{ accountId emails({arguments}) {{ totalCount }} }} }}"), json!({})).await;
        assert_eq!(answer.code().as_deref(), Some(code));
        assert!(answer.body["data"]["me"]["accountId"].is_string(), "its siblings answer");
    }
    app.assert_consistent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c06_a_new_primary_address_counts_once_it_is_verified() {
    let app = TestApp::start().await;
    let (acme, globex) = (app.owned("acme").await, app.owned("globex").await);
    app.invite(globex.id, &acme.owner.email, "Guest", &["member"]).await;
    let owner = acme.owner.sign_in().await;
    owner
        .done("acceptInvitation", json!({"token": app.token_in_mail(&acme.owner.email, 1).await}), "user { id }")
        .await;
    let changed = owner
        .done(
            "updateMe",
            json!({"email": "new@acme.example"}),
            "user { email } pendingEmail { address isVerified isPrimary }",
        )
        .await;
    assert_eq!(changed["user"]["email"], acme.owner.email);
    assert_eq!(
        changed["pendingEmail"],
        json!({"address": "new@acme.example", "isVerified": false, "isPrimary": false})
    );
    owner
        .done("verifyEmail", json!({"token": app.token_in_mail("new@acme.example", 1).await}), "email { isPrimary }")
        .await;
    assert_eq!(owner.me("user { email }").await["user"]["email"], "new@acme.example");
    for scim in [&acme.scim, &globex.scim] {
        assert_eq!(
            scim.count("/Users", "emails.value eq \"new@acme.example\"").await,
            1,
            "S1-04: in every organization"
        );
    }
    let trail = app.events(acme.id).await;
    assert!(trail.iter().any(|event| event.kind == "user.email_changed"), "S3-16");
    app.assert_consistent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn au14_changing_the_password_needs_the_current_one_and_ends_the_rest() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let acme = app.owned("acme").await;
        let (person, other) = (acme.owner.sign_in().await, acme.owner.sign_in().await);
        let change = |current: &str, new: &str| json!({"currentPassword": current, "newPassword": new});
        let policy = |payload: &Value| payload["userErrors"][0].clone();
        let short = person.mutate("changePassword", change(&person.password, "vK9 pl2"), "loginsRevoked").await;
        assert_eq!(
            (&policy(&short)["code"], &policy(&short)["params"]["min"]),
            (&json!("PASSWORD_POLICY"), &json!(15))
        );
        assert_eq!(policy(&short)["path"], json!(["input", "newPassword"]));
        assert_eq!(
            person.refused("changePassword", change(&person.password, "iloveyou")).await,
            "PASSWORD_BREACHED",
            "AU-20"
        );
        assert_eq!(
            person.refused("changePassword", change(&person.password, "owner@acme.example")).await,
            "PASSWORD_POLICY"
        );
        person.done("requestPasswordReset", json!({"email": person.email}), "clientMutationId").await;
        let link = app.token_in_mail(&person.email, 1).await;
        let done = person
            .done(
                "changePassword",
                change(&person.password, NEW),
                "loginsRevoked session { accessToken refreshToken } user { id }",
            )
            .await;
        assert_eq!(done["loginsRevoked"], 1);
        assert!(!other.is_in().await && !person.is_in().await, "SE-01");
        let mine = person.with_session(&done["session"]);
        assert!(mine.is_in().await);
        assert_eq!(
            mine.refused("completePasswordReset", json!({"token": link, "newPassword": NEW})).await,
            "TOKEN_INVALID"
        );
        assert_eq!(codes(&acme.owner.login_payload(json!({})).await), ["INVALID_CREDENTIALS"]);
        assert!(acme.owner.login_payload(json!({ "password": NEW })).await["session"].is_object());
        let kept = mine
            .done(
                "changePassword",
                json!({"currentPassword": NEW, "newPassword": "pl2 mQz wX7 vals vK9", "revokeOtherLogins": false}),
                "loginsRevoked",
            )
            .await;
        assert_eq!(kept["loginsRevoked"], 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s0_28_nobody_changes_anothers_password_without_knowing_it() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let babs = app.member(acme.id, "babs@acme.example", &["member"]).await;
    let owner = acme.owner.sign_in().await;
    let input =
        |current: &str| json!({"user": {"email": "babs@acme.example"}, "currentPassword": current, "newPassword": NEW});
    assert_eq!(owner.refused("changePassword", input("wrong")).await, "WRONG_PASSWORD");
    let other = babs.sign_in().await;
    let refused =
        json!({"user": {"userName": acme.owner.email}, "currentPassword": owner.password, "newPassword": NEW});
    assert_eq!(
        other.try_mutate("changePassword", refused, "clientMutationId").await.code().as_deref(),
        Some("FORBIDDEN")
    );
    let done = owner.done("changePassword", input(&babs.password), "loginsRevoked session { accessToken }").await;
    assert!(done["session"].is_null() && !other.is_in().await);
    assert!(babs.login_payload(json!({ "password": NEW })).await["session"].is_object());
    app.assert_consistent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn au15_au16_a_reset_link_works_once_and_not_instead_of_the_second_factor() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let acme = app.owned("acme").await;
        let person = acme.owner.sign_in().await;
        let ask = |email: &str| json!({ "email": email });
        for unknown in ["nobody@acme.example", "owner@acme.example"] {
            let answer = person.signed_out().try_mutate("requestPasswordReset", ask(unknown), "clientMutationId").await;
            assert_eq!(
                answer.body,
                json!({"data": {"requestPasswordReset": {"clientMutationId": null, "userErrors": []}}}),
                "AU-09"
            );
        }
        assert_eq!(
            person.refused("requestPasswordReset", ask("owner@acme.example, evil@acme.example")).await,
            "INVALID_EMAIL"
        );
        let array = person
            .try_mutate(
                "requestPasswordReset",
                json!({"email": ["owner@acme.example", "evil@acme.example"]}),
                "clientMutationId",
            )
            .await;
        assert_eq!(array.code().as_deref(), Some("BAD_USER_INPUT"));
        let first = app.token_in_mail(&person.email, 1).await;
        person.done("requestPasswordReset", ask(&person.email), "clientMutationId").await;
        let second = app.token_in_mail(&person.email, 2).await;
        assert_eq!(
            person.refused("completePasswordReset", json!({"token": first, "newPassword": NEW})).await,
            "TOKEN_INVALID",
            "voided"
        );
        assert_eq!(
            person.refused("completePasswordReset", json!({"token": second, "newPassword": "short"})).await,
            "PASSWORD_POLICY"
        );
        let mut tasks = tokio::task::JoinSet::new();
        for index in 0..50 {
            let (person, token) = (person.signed_out(), second.clone());
            tasks.spawn(async move {
                let input = json!({"token": token, "newPassword": format!("{NEW} {index}")});
                // Some may be told to come back: too many hash at once.
                let answer = person.try_mutate("completePasswordReset", input, "loginsRevoked").await;
                (index, answer.body["data"]["completePasswordReset"]["userErrors"] == json!([]))
            });
        }
        let won: Vec<i32> =
            tasks.join_all().await.into_iter().filter(|(_, won)| *won).map(|(index, _)| index).collect();
        assert_eq!(won.len(), 1, "{engine:?}");
        assert!(!person.is_in().await);
        let password = format!("{NEW} {}", won[0]);
        assert!(acme.owner.login_payload(json!({ "password": password })).await["session"].is_object());
        acme.owner.done("requestPasswordReset", ask(&person.email), "clientMutationId").await;
        let late = app.token_in_mail(&person.email, 4).await;
        app.clock.advance(Duration::from_secs(3_600));
        assert_eq!(
            person.refused("completePasswordReset", json!({"token": late, "newPassword": NEW})).await,
            "TOKEN_EXPIRED"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in03_in04_in07_an_invitation_is_accepted_once_and_in_time() {
    for engine in Engine::BOTH {
        let app = TestApp::start_on(engine).await;
        let acme = app.owned("acme").await;
        app.invite(acme.id, "bob@acme.example", "Bob Moe", &["analyst", "developer"]).await;
        let token = app.token_in_mail("bob@acme.example", 1).await;
        let guest = Person::new(&app.url, "bob@acme.example", NEW);
        let preview = "query($t: String!) { invitationByToken(token: $t) { organizationName email name roleNames isSignInRequired expiresAt passwordPolicy { minLength maxLength } } }";
        let seen = guest.ask(preview, json!({ "t": token })).await.data()["invitationByToken"].clone();
        assert_eq!(
            (&seen["organizationName"], &seen["email"], &seen["name"]),
            (&json!("acme"), &json!("bob@acme.example"), &json!("Bob Moe"))
        );
        assert_eq!(
            (&seen["roleNames"], &seen["passwordPolicy"]),
            (&json!(["Analyst", "Developer"]), &json!({"minLength": 15, "maxLength": 256}))
        );
        assert_eq!(
            guest.refused("acceptInvitation", json!({"token": token})).await,
            "VALIDATION_FAILED",
            "a password is needed"
        );
        assert_eq!(
            guest.refused("acceptInvitation", json!({"token": token, "password": "short"})).await,
            "PASSWORD_POLICY"
        );
        assert_eq!(
            guest
                .refused("acceptInvitation", json!({"token": token, "password": NEW, "userName": "evil@acme.example"}))
                .await,
            "INVALID_USERNAME",
            "IN-01"
        );
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let (guest, token) = (guest.clone(), token.clone());
            tasks.spawn(async move {
                let input = json!({"token": token, "password": NEW, "displayName": "Bob M."});
                guest
                    .mutate(
                        "acceptInvitation",
                        input,
                        "user { id } session { accessToken refreshToken requiredActions login { authMethods } }",
                    )
                    .await
            });
        }
        let answers = tasks.join_all().await;
        let joined: Vec<&Value> = answers.iter().filter(|payload| payload["session"].is_object()).collect();
        assert_eq!(joined.len(), 1, "IN-03");
        assert_eq!(acme.scim.count("/Users", "userName eq \"bob@acme.example\"").await, 1);
        let bob = guest.with_session(&joined[0]["session"]);
        let me = bob.me("user { displayName email status } roles { key } roleGrants { source } emails { nodes { isVerified isPrimary } } membership { source accountType }").await;
        assert_eq!(me["user"], json!({"displayName": "Bob M.", "email": "bob@acme.example", "status": "ACTIVE"}));
        assert_eq!(me["roles"].as_array().map(Vec::len), Some(2), "S1-19");
        assert_eq!(me["membership"], json!({"source": "INVITATION", "accountType": "MANAGED"}));
        assert_eq!(me["emails"]["nodes"], json!([{"isVerified": true, "isPrimary": true}]));
        assert_eq!(guest.ask(preview, json!({ "t": token })).await.code().as_deref(), Some("TOKEN_USED"));

        app.invite(acme.id, "late@acme.example", "Late", &["member"]).await;
        let late = app.token_in_mail("late@acme.example", 1).await;
        app.clock.advance(Duration::from_secs(7 * 86_400));
        assert_eq!(
            guest.refused("acceptInvitation", json!({"token": late, "password": NEW})).await,
            "TOKEN_EXPIRED",
            "IN-04: no job has to run"
        );
        assert_eq!(guest.ask(preview, json!({ "t": late })).await.code().as_deref(), Some("TOKEN_EXPIRED"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_may_wait_for_a_user_that_a_directory_made() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let id = acme.scim.make_user("ada@acme.example").await;
    app.invite(acme.id, "ada@acme.example", "Ada Lovelace", &["member"]).await;
    let token = app.token_in_mail("ada@acme.example", 1).await;
    let ada = Person::new(&app.url, "ada@acme.example", NEW);
    let joined = ada
        .done(
            "acceptInvitation",
            json!({"token": token, "password": NEW}),
            "user { id status } session { accessToken refreshToken }",
        )
        .await;
    assert_eq!(
        (&joined["user"]["id"], &joined["user"]["status"]),
        (&json!(id), &json!("ACTIVE")),
        "the SCIM id is theirs"
    );
    let me = ada
        .with_session(&joined["session"])
        .me("capabilities { fields { field isEditable reason managedBy { displayName } } }")
        .await;
    let field = |name: &str| {
        me["capabilities"]["fields"]
            .as_array()
            .expect("a list")
            .iter()
            .find(|field| field["field"] == name)
            .cloned()
            .expect("listed")
    };
    assert_eq!(
        field("userName"),
        json!({"field": "userName", "isEditable": false, "reason": "MANAGED_BY_DIRECTORY", "managedBy": {"displayName": "Okta"}})
    );
    assert_eq!(field("displayName")["isEditable"], true);
    let declined = app.token_in_mail("ada@acme.example", 1).await;
    assert_eq!(ada.refused("declineInvitation", json!({"token": declined})).await, "TOKEN_USED");
    app.assert_consistent().await;
}

/// A browser without scripts: opens pages and sends their forms.
struct Browser(Client);

impl Browser {
    fn new() -> Self {
        Self(crate::support::http().build().expect("a client"))
    }

    async fn open(&self, url: &str) -> (u16, String) {
        let response = self.0.get(url).send().await.expect("a page");
        let policy = response.headers()["content-security-policy"].to_str().expect("text").to_owned();
        assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert_eq!(response.headers()["referrer-policy"], "no-referrer", "EM-05");
        assert_eq!(response.headers()["cache-control"], "no-store");
        (response.status().as_u16(), response.text().await.expect("a body"))
    }

    async fn send(&self, url: &str, fields: &[(&str, &str)]) -> (u16, String) {
        let pairs: Vec<String> = fields
            .iter()
            .map(|(name, value)| {
                let encoded = percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC);
                format!("{name}={encoded}")
            })
            .collect();
        let request =
            self.0.post(url).header("content-type", "application/x-www-form-urlencoded").body(pairs.join("&"));
        let response = request.send().await.expect("an answer");
        (response.status().as_u16(), response.text().await.expect("a body"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn em05_in10_the_links_of_mails_land_on_pages_that_use_nothing_up_by_being_opened() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let browser = Browser::new();
    let owner = acme.owner.sign_in().await;
    owner.done("addEmail", json!({"email": "second@acme.example"}), "email { id }").await;
    let link = app.link_in_mail("second@acme.example", 1).await;
    assert!(link.starts_with(&format!("{}/verify-email?token=rcv_", app.url)), "EM-01: {link}");
    for _ in 0..3 {
        let (status, page) = browser.open(&link).await;
        assert!(status == 200 && page.contains("second@acme.example") && !page.contains("<script"), "{page}");
    }
    let token = link.split_once("token=").expect("a token").1;
    let (status, page) = browser.send(&format!("{}/verify-email", app.url), &[("token", token)]).await;
    assert!(status == 200 && page.contains("verified"), "{page}");
    assert_eq!(browser.open(&link).await.0, 400, "used");

    owner.done("requestPasswordReset", json!({"email": owner.email}), "clientMutationId").await;
    let token = app.latest_token(&owner.email, "rcp_").await;
    let token = token.as_str();
    let (_, page) = browser.open(&format!("{}/reset-password?token={token}", app.url)).await;
    assert!(page.contains("<label for=\"password\">") && page.contains("autocomplete=\"new-password\""), "{page}");
    let target = format!("{}/reset-password", app.url);
    let (status, page) = browser.send(&target, &[("token", token), ("password", "short")]).await;
    assert!(
        status == 400 && page.contains("role=\"alert\"") && page.contains(token),
        "told why, and may try again: {page}"
    );
    assert_eq!(browser.send(&target, &[("token", token), ("password", NEW)]).await.0, 200);
    assert!(acme.owner.login_payload(json!({ "password": NEW })).await["session"].is_object());

    app.invite(acme.id, "bob@acme.example", "<b>Bob</b>".replace(['<', '>'], "").as_str(), &["member"]).await;
    let link = app.link_in_mail("bob@acme.example", 1).await;
    let token = link.split_once("token=").expect("a token").1;
    let (_, page) = browser.open(&link).await;
    assert!(page.contains("bob@acme.example") && page.contains("Join acme"), "{page}");
    let target = format!("{}/invitation", app.url);
    let accept = [("token", token), ("password", NEW), ("name", "Bob Moe"), ("answer", "accept")];
    let (status, page) = browser.send(&target, &accept).await;
    assert!(status == 200 && page.contains("Welcome"), "{page}");
    let bob = Person::new(&app.url, "bob@acme.example", NEW).sign_in().await;
    assert_eq!(bob.me("user { displayName }").await["user"]["displayName"], "Bob Moe");
    app.invite(acme.id, "eve@acme.example", "Eve", &["member"]).await;
    let token = app.token_in_mail("eve@acme.example", 1).await;
    assert_eq!(browser.send(&target, &[("token", &token), ("answer", "decline")]).await.0, 200);
    assert_eq!(browser.send(&target, &[("token", &token), ("password", NEW), ("answer", "accept")]).await.0, 400);
    for bad in ["", "?token=", "?token=rcv_x", "?token=%3Cscript%3E"] {
        let (status, page) = browser.open(&format!("{}/verify-email{bad}", app.url)).await;
        assert!(status == 400 && !page.contains("<script"), "{bad}: {page}");
    }
    app.assert_consistent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn em01_links_are_made_of_the_configured_origin() {
    let app =
        TestApp::start_configured(|config| "https://id.example.com".clone_into(&mut config.server.public_url)).await;
    let acme = app.owned("acme").await;
    let body = json!({"query": "mutation { requestPasswordReset(input: {email: \"owner@acme.example\"}) { userErrors { code } } }"});
    let request = acme.owner.request(&body).header("host", "evil.example").header("x-forwarded-host", "evil.example");
    request.header("forwarded", "host=evil.example").send().await.expect("sent");
    let mail = app.smtp.nth(&acme.owner.email, 1).await;
    let text = String::from_utf8(mail.data).expect("text");
    assert!(!text.contains("evil.example"), "{text}");
    let parsed = mail_parser::MessageParser::default().parse(text.as_bytes()).expect("a mail").into_owned();
    assert!(parsed.body_text(0).expect("text").contains("https://id.example.com/reset-password?token=rcp_"));
    assert!(parsed.body_html(0).expect("HTML").contains("href=\"https://id.example.com/reset-password?token=rcp_"));
    assert_eq!(mail.to, ["owner@acme.example"], "EM-02: exactly one recipient");
    assert_eq!(parsed.header("Auto-Submitted").and_then(|value| value.as_text()), Some("auto-generated"));
}

#[tokio::test(flavor = "multi_thread")]
async fn d04_mails_wait_for_the_server_and_are_sent_at_least_once() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let mut owner = acme.owner.sign_in().await;
    app.smtp.refuse(2);
    acme.owner.done("requestPasswordReset", json!({"email": acme.owner.email}), "clientMutationId").await;
    let arrived = |app: &TestApp| !app.links(&acme.owner.email).is_empty();
    // Each refusal is waited out, by our clock; another mail makes the sender look.
    for index in 0..8 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        if arrived(&app) {
            break;
        }
        app.clock.advance(Duration::from_secs(120));
        owner = owner.refreshed().await;
        owner.done("addEmail", json!({"email": format!("a{index}@acme.example")}), "email { id }").await;
    }
    assert!(app.smtp.refusals_left() == 0, "it was refused first");
    assert!(app.next_token(&acme.owner.email, 0).await.starts_with("rcp_"));
    app.assert_consistent().await;
}
