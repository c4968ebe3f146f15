//! Rules for making, widening, prolonging and ending credentials: every mutation, by every kind of credential.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::person::{GraphqlAnswer, first_code, root_fields};
use crate::support::{Person, TestApp};

const NOBODY: &str = "01900000-0000-7000-8000-000000000000";
const WIDE: &[&str] = &[
    "user_access_read",
    "user_access_manage",
    "user_credentials_manage",
    "user_sessions_manage",
    "user_self_profile_write",
    "service_account_write",
    "directory_manage",
    "groups_read",
    "groups_manage",
];

/// The rule of a mutation, as far as credentials are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// A person with a fresh login: their own addresses, factors and tokens.
    Own,
    /// A person with any login, since the mutation asks for a proof itself.
    OwnWithProof,
    /// A person with a fresh login, or a service account's own token: credentials of others.
    Others,
    /// A person with a fresh login: tokens of directories, and of service accounts that are made with one.
    Person,
    /// A person with any login, and no token: tokens of directories end.
    PersonEnds,
    /// A person with any login, or a service account's own token: logins and trusted devices end.
    Ends,
    /// The tokens of service accounts and personal ones: matrices of their own.
    Tokens,
    /// The secret that is sent is the proof.
    Public,
    /// The credential of root, good for one deed.
    Root,
    /// Addresses, passwords, factors, links, tokens and logins stay, or end with access, roles or membership.
    Other,
}

/// The rule of every mutation.
const RULES: &[(&str, Rule)] = &[
    ("acceptInvitation", Rule::Public),
    ("addEmail", Rule::Own),
    ("addUserRoles", Rule::Other),
    ("anonymizeUsers", Rule::Other),
    ("beginTotpEnrollment", Rule::Own),
    ("cancelInvitation", Rule::Other),
    ("cancelUserInvitations", Rule::Other),
    ("changePassword", Rule::OwnWithProof),
    ("completeOnboarding", Rule::Other),
    ("completePasswordReset", Rule::Public),
    ("confirmTotpEnrollment", Rule::OwnWithProof),
    ("createApiToken", Rule::Tokens),
    ("createDirectory", Rule::Person),
    ("createGroup", Rule::Other),
    ("createOrganization", Rule::Root),
    ("createPersonalToken", Rule::Own),
    ("createRole", Rule::Other),
    ("createServiceAccount", Rule::Person),
    ("createUser", Rule::Others),
    ("declineInvitation", Rule::Public),
    ("deleteDirectory", Rule::Other),
    ("deleteGroup", Rule::Other),
    ("deleteRole", Rule::Other),
    ("deleteServiceAccount", Rule::Other),
    ("deleteUser", Rule::Other),
    ("disableUser", Rule::Other),
    ("enableUser", Rule::Other),
    ("invite", Rule::Other),
    ("inviteOwner", Rule::Root),
    ("leaveOrganization", Rule::Other),
    ("login", Rule::Public),
    ("logout", Rule::Public),
    ("reauthenticate", Rule::OwnWithProof),
    ("refreshSession", Rule::Public),
    ("regenerateRecoveryCodes", Rule::Own),
    ("removeEmail", Rule::Own),
    ("removeGroupMember", Rule::Other),
    ("removeMember", Rule::Other),
    ("removeMfaFactor", Rule::Own),
    ("removeUserRoles", Rule::Other),
    ("requestPasswordReset", Rule::Public),
    ("resendEmailVerification", Rule::Own),
    ("resendInvitation", Rule::Other),
    ("resetMfa", Rule::Others),
    ("resetPassword", Rule::Others),
    ("restoreOwner", Rule::Root),
    ("restoreUser", Rule::Other),
    ("revokeDirectoryToken", Rule::PersonEnds),
    ("revokeLogin", Rule::Ends),
    ("revokeLogins", Rule::Ends),
    ("revokeToken", Rule::Tokens),
    ("revokeTrustedDevice", Rule::Ends),
    ("revokeTrustedDevices", Rule::Ends),
    ("rotateApiToken", Rule::Tokens),
    ("rotateDirectoryToken", Rule::Person),
    ("sendInvitations", Rule::Other),
    ("sendPasswordReset", Rule::Others),
    ("setGroupMember", Rule::Other),
    ("setGroupRoleMappings", Rule::Other),
    ("setPasswordExpired", Rule::Others),
    ("setPrimaryEmail", Rule::Own),
    ("setSuperuser", Rule::Other),
    ("setUserRoles", Rule::Other),
    ("switchOrganization", Rule::OwnWithProof),
    ("transferOwnership", Rule::Other),
    ("unlockUser", Rule::Others),
    ("updateAccountPolicy", Rule::Other),
    ("updateDirectory", Rule::Other),
    ("updateGroup", Rule::Other),
    ("updateMe", Rule::Own),
    ("updateMySettings", Rule::Other),
    ("updateOrganization", Rule::Other),
    ("updateRole", Rule::Other),
    ("updateServiceAccount", Rule::Other),
    ("updateServiceAccountGroups", Rule::Other),
    ("updateUser", Rule::Others),
    ("updateUserGroups", Rule::Other),
    ("updateUserProfile", Rule::Others),
    ("verifyEmail", Rule::Public),
    ("verifyMfa", Rule::Public),
];

#[test]
fn every_mutation_has_a_rule_about_credentials() {
    let known: BTreeSet<String> = RULES.iter().map(|(name, _)| (*name).to_owned()).collect();
    let all: BTreeSet<String> = root_fields("Mutation").into_iter().collect();
    assert_eq!(known, all);
    assert_eq!(known.len(), RULES.len(), "each once");
}

/// The credential of a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    FreshLogin,
    StaleLogin,
    PersonalToken,
    OwnToken,
    NarrowOwnToken,
    IssuedToken,
    ScimToken,
}

/// The outcome of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Whatever else is said, the credential is enough.
    Passes,
    /// `STEP_UP_REQUIRED`, or `PROTECTED_ACCOUNT` for what is no person.
    NotEnough,
    /// `FORBIDDEN`: the scopes do not hold it.
    OutOfScope,
    /// Nobody we know.
    Unknown,
}

/// The verdict of the rule.
fn expected(rule: Rule, kind: Kind) -> Fate {
    match (kind, rule) {
        (Kind::ScimToken, _) => Fate::Unknown,
        (Kind::FreshLogin, _)
        | (Kind::StaleLogin, Rule::OwnWithProof | Rule::Ends | Rule::PersonEnds)
        | (Kind::OwnToken, Rule::Others | Rule::Ends) => Fate::Passes,
        (Kind::NarrowOwnToken, Rule::Others | Rule::Person | Rule::PersonEnds | Rule::Ends) => Fate::OutOfScope,
        _ => Fate::NotEnough,
    }
}

fn code_of(name: &str, answer: &GraphqlAnswer) -> String {
    answer.code().unwrap_or_else(|| first_code(&answer.body["data"][name]).to_owned())
}

fn fate_of(code: &str) -> Fate {
    match code {
        "STEP_UP_REQUIRED" | "PROTECTED_ACCOUNT" => Fate::NotEnough,
        "FORBIDDEN" => Fate::OutOfScope,
        "UNAUTHENTICATED" => Fate::Unknown,
        _ => Fate::Passes,
    }
}

/// An organization, somebody in it, and a client of every kind.
struct World {
    app: TestApp,
    clients: Vec<(Kind, Person)>,
    babs: Value,
    own_email: Value,
    directory: Value,
    directory_token: Value,
}

/// A secret of a token that was made with this payload.
fn holding(who: &Person, made: &Value) -> Person {
    who.with_token(made["secret"].as_str().expect("shown once"))
}

/// The token that `/oauth/token` gives for this one.
async fn issued(app: &TestApp, client: &str, token: &Person) -> Person {
    let secret = token.token.as_deref().expect("a token");
    let form = [("grant_type", "client_credentials"), ("client_id", client), ("client_secret", secret)];
    let http = crate::support::http().build().expect("a client");
    let answer = http.post(format!("{}/oauth/token", app.url)).form(&form).send().await.expect("an answer");
    let body: Value = answer.json().await.expect("JSON");
    token.with_token(body["access_token"].as_str().unwrap_or_else(|| panic!("{body}")))
}

async fn world() -> World {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let early = acme.owner.sign_in().await;
    let babs = app.member(acme.id, "babs@acme.example", &["member"]).await.sign_in().await;
    let babs = babs.me("user { id }").await["user"]["id"].clone();
    let personal = early.done("createPersonalToken", json!({"name": "P", "scopes": WIDE}), "secret").await;
    let bot = json!({"userName": "bot", "roles": [{"key": "admin"}], "token": {"name": "T", "scopes": WIDE}});
    let own = early.done("createServiceAccount", bot, "secret").await;
    let narrow = json!({"serviceAccount": {"userName": "bot"}, "name": "N", "scopes": ["groups_read"]});
    let narrow = early.done("createApiToken", narrow, "secret").await;
    early.done("createServiceAccount", json!({"userName": "other"}), "serviceAccount { id }").await;
    let directory = early.done("createDirectory", json!({"displayName": "D"}), "directory { id } token { id }").await;
    let own_email = early.me("emails { nodes { id } }").await["emails"]["nodes"][0]["id"].clone();
    app.clock.advance(Duration::from_secs(601));
    let own = holding(&early, &own);
    let clients = vec![
        (Kind::StaleLogin, early.refreshed().await),
        (Kind::PersonalToken, holding(&early, &personal)),
        (Kind::IssuedToken, issued(&app, "bot", &own).await),
        (Kind::NarrowOwnToken, holding(&early, &narrow)),
        (Kind::ScimToken, early.with_token(acme.scim.token.as_deref().expect("a token"))),
        (Kind::OwnToken, own),
        (Kind::FreshLogin, acme.owner.sign_in().await),
    ];
    let (id, token) = (directory["directory"]["id"].clone(), directory["token"]["id"].clone());
    World { app, clients, babs, own_email, directory: id, directory_token: token }
}

/// An input that would do it, each time for something else.
fn input(world: &World, name: &str, round: usize) -> Value {
    let user = json!({"id": world.babs});
    let address = format!("new{round}-{name}@acme.example").to_lowercase();
    match name {
        "addEmail" | "updateMe" => json!({"email": address}),
        "resendEmailVerification" | "removeEmail" | "setPrimaryEmail" => json!({"emailId": world.own_email}),
        "removeMfaFactor" => json!({"factorId": NOBODY}),
        "createPersonalToken" => json!({"name": "more", "scopes": ["groups_read"]}),
        "changePassword" => json!({"currentPassword": "wrong", "newPassword": "vK9 pl2 mQz wX7 vals"}),
        "confirmTotpEnrollment" => json!({"code": "000000"}),
        "reauthenticate" => json!({"password": "wrong"}),
        "switchOrganization" => json!({"organization": {"shortName": "nowhere"}}),
        "createUser" => json!({"userName": format!("made-{round}"), "credentials": {"temporary": true}}),
        "updateUser" => json!({"user": user, "email": address}),
        "updateUserProfile" => json!({"user": user, "profile": {"email": address}}),
        "setPasswordExpired" => json!({"user": user, "isExpired": true}),
        "resetMfa" | "resetPassword" | "sendPasswordReset" | "unlockUser" | "revokeLogins" | "revokeTrustedDevices" => {
            json!({ "user": user })
        }
        "createDirectory" => json!({"displayName": format!("D{round}")}),
        "createServiceAccount" => {
            json!({"userName": format!("bot-{round}"), "roles": [{"key": "analyst"}],
                   "token": {"name": "T", "scopes": ["groups_read"]}})
        }
        "rotateDirectoryToken" => json!({"directoryId": world.directory}),
        "revokeDirectoryToken" => json!({"tokenId": world.directory_token}),
        "revokeLogin" => json!({"loginId": NOBODY}),
        "revokeTrustedDevice" => json!({"trustedDeviceId": NOBODY}),
        _ => json!({}),
    }
}

/// S-3, S-5: which credential is enough for which operation, over all of both.
#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_credential_changes_the_credentials_it_may_and_no_others() {
    let world = world().await;
    let mut asked = 0;
    for (round, (kind, client)) in world.clients.iter().enumerate() {
        for (name, rule) in RULES {
            if matches!(rule, Rule::Tokens | Rule::Public | Rule::Root | Rule::Other) {
                continue;
            }
            let answer = client.try_mutate(name, input(&world, name, round), "clientMutationId").await;
            let code = code_of(name, &answer);
            let (fate, wanted) = (fate_of(&code), expected(*rule, *kind));
            // What a caller may not see is not there.
            let is_hidden = wanted == Fate::OutOfScope && code == "NOT_FOUND";
            assert!(fate == wanted || is_hidden, "{name} with {kind:?}: {fate:?}, not {wanted:?}: {}", answer.body);
            asked += 1;
        }
    }
    assert!(asked > 150, "{asked}");
    world.app.assert_consistent().await;
}

/// A token of the service account `bot` with these scopes, ending in so many hours.
async fn token(owner: &Person, app: &TestApp, scopes: &[&str], hours: Option<i64>) -> (Value, Person) {
    let expires = hours.map(|hours| (app.clock.now() + chrono::TimeDelta::hours(hours)).to_rfc3339());
    let input = json!({"serviceAccount": {"userName": "bot"}, "name": "T", "scopes": scopes, "expiresAt": expires});
    let made = owner.done("createApiToken", input, "secret token { id }").await;
    (made["token"]["id"].clone(), holding(owner, &made))
}

const READ: &[&str] = &["groups_read"];
const READ_MORE: &[&str] = &["groups_read", "user_access_read"];

/// S-3: a service account's token changes those that can do no more and last no longer; an issued or personal one none.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_takes_over_no_token_that_can_do_more_or_lasts_longer() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    owner
        .done("createServiceAccount", json!({"userName": "bot", "roles": [{"key": "admin"}]}), "serviceAccount { id }")
        .await;
    let personal = owner.done("createPersonalToken", json!({"name": "P", "scopes": WIDE}), "secret").await;
    let personal = holding(&owner, &personal);
    let shapes: [(&[&str], Option<i64>); 3] = [(READ, None), (READ_MORE, None), (READ_MORE, Some(24))];
    for (own_scopes, own_hours) in shapes {
        for (scopes, hours) in shapes {
            for name in ["rotateApiToken", "revokeToken"] {
                let (own, caller) = token(&owner, &app, own_scopes, own_hours).await;
                let (target, held) = token(&owner, &app, scopes, hours).await;
                let input = json!({ "tokenId": target });
                for other in [issued(&app, "bot", &caller).await, personal.clone()] {
                    assert_eq!(other.refused(name, input.clone()).await, "PROTECTED_ACCOUNT", "{name}");
                }
                assert!(held.is_in().await, "nothing happened");
                let is_within = scopes.iter().all(|scope| own_scopes.contains(scope));
                let is_over_first = own_hours.is_none_or(|own| hours.is_some_and(|hours| hours <= own));
                let payload = caller.mutate(name, input, "clientMutationId").await;
                let wanted = if is_within && is_over_first { "" } else { "INSUFFICIENT_RANK" };
                assert_eq!(
                    first_code(&payload),
                    wanted,
                    "{name}: {own_scopes:?} {own_hours:?} on {scopes:?} {hours:?}"
                );
                for id in [own, target] {
                    owner.done("revokeToken", json!({ "tokenId": id }), "token { state }").await;
                }
            }
        }
    }
}

/// S-3: nor does it make one, prolong its own, or work on after a rotation by means of the secret before.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_makes_and_prolongs_nothing_beyond_itself() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    for name in ["bot", "other"] {
        owner
            .done(
                "createServiceAccount",
                json!({"userName": name, "roles": [{"key": "admin"}]}),
                "serviceAccount { id }",
            )
            .await;
    }
    let (id, caller) = token(&owner, &app, &["groups_read", "service_account_write"], Some(24)).await;
    let at = |hours: i64| (app.clock.now() + chrono::TimeDelta::hours(hours)).to_rfc3339();
    let draft = |of: &str, scope: &str, expires: Option<String>| json!({"serviceAccount": {"userName": of}, "name": "T", "scopes": [scope], "expiresAt": expires});
    for (input, code) in [
        (draft("bot", "groups_read", Some(at(24))), ""),
        (draft("bot", "groups_read", Some(at(25))), "INSUFFICIENT_RANK"),
        (draft("bot", "groups_read", None), "INSUFFICIENT_RANK"),
        (draft("bot", "user_access_manage", Some(at(1))), "INSUFFICIENT_RANK"),
        (draft("other", "groups_read", Some(at(1))), "PROTECTED_ACCOUNT"),
    ] {
        let payload = caller.mutate("createApiToken", input.clone(), "secret").await;
        assert_eq!(first_code(&payload), code, "{input}");
    }
    let longer = json!({"tokenId": id, "expiresAt": null});
    assert_eq!(caller.refused("rotateApiToken", longer).await, "INSUFFICIENT_RANK", "for ever");
    let rotated = caller.done("rotateApiToken", json!({"tokenId": id, "graceSeconds": 60}), "secret").await;
    assert!(caller.is_in().await, "within the grace time");
    let again = json!({ "tokenId": id });
    assert_eq!(caller.refused("rotateApiToken", again.clone()).await, "INSUFFICIENT_RANK", "it ends in a minute");
    assert_eq!(caller.refused("revokeToken", again).await, "INSUFFICIENT_RANK");
    assert!(holding(&owner, &rotated).is_in().await);
}

/// S-5: whoever has a session whose proof is old gets no address into the account, and the owner hears of each step.
#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_added_with_a_fresh_proof_and_the_old_ones_are_told() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let thief = acme.owner.sign_in().await;
    app.clock.advance(Duration::from_secs(601));
    let thief = thief.refreshed().await;
    let evil = json!({"email": "evil@evil.example"});
    for name in ["addEmail", "updateMe"] {
        assert_eq!(thief.refused(name, evil.clone()).await, "STEP_UP_REQUIRED", "{name}");
    }
    let same = json!({"email": acme.owner.email, "title": "Boss"});
    thief.done("updateMe", same, "user { title }").await;
    let owner = acme.owner.sign_in().await;
    owner.done("addEmail", json!({"email": "second@acme.example"}), "email { id }").await;
    let told = app.mail_saying(&acme.owner.email, "was added to your account").await;
    assert!(told.contains("When: 1 January 2026 at 00:10 UTC") && told.contains("From: 127.0.0.1"), "{told}");
    assert!(told.contains("If it was not, someone else can use your account"), "{told}");
    let token = app.token_in_mail("second@acme.example", 1).await;
    owner.done("verifyEmail", json!({"token": token}), "email { id }").await;
    app.mail_saying(&acme.owner.email, "was confirmed").await;
    // With two proven addresses, both hear of the next one.
    owner.done("addEmail", json!({"email": "third@acme.example"}), "email { id }").await;
    app.mail_saying("second@acme.example", "was added to your account").await;
}

/// S-5: a new address sets no password until its owner had time to hear of it; the one from the beginning always does.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_address_gets_no_link_to_set_a_password_for_a_day() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    app.clock.advance(Duration::from_secs(3_600));
    let owner = acme.owner.sign_in().await;
    owner.done("addEmail", json!({"email": "new@acme.example"}), "email { id }").await;
    let token = app.token_in_mail("new@acme.example", 1).await;
    let proven = owner.done("verifyEmail", json!({"token": token}), "email { id }").await;
    owner.done("setPrimaryEmail", json!({"emailId": proven["email"]["id"]}), "email { id }").await;
    let emails = owner.me("emails { nodes { id address } }").await["emails"]["nodes"].clone();
    let old = emails.as_array().expect("a list").iter().find(|email| email["address"] == acme.owner.email.as_str());
    let old = old.expect("it is there")["id"].clone();
    let ask = |email: &str| json!({ "email": email });
    acme.owner.done("requestPasswordReset", ask("new@acme.example"), "clientMutationId").await;
    acme.owner.done("requestPasswordReset", ask(&acme.owner.email), "clientMutationId").await;
    assert!(app.latest_token(&acme.owner.email, "rcp_").await.starts_with("rcp_"), "the old one is as before");
    // Without the old one it is no older.
    owner.done("removeEmail", json!({ "emailId": old }), "removedEmailId").await;
    acme.owner.done("requestPasswordReset", ask("new@acme.example"), "clientMutationId").await;
    let sent = |app: &TestApp| app.links("new@acme.example").iter().any(|link| link.contains("rcp_"));
    let before = app.links("new@acme.example").len();
    acme.owner.under("new@acme.example").sign_in().await.done("addEmail", ask("x@acme.example"), "email { id }").await;
    app.token_in_mail("x@acme.example", 1).await;
    assert!(!sent(&app) && app.links("new@acme.example").len() == before, "nothing was sent there");
    app.clock.advance(Duration::from_secs(24 * 3_600));
    acme.owner.done("requestPasswordReset", ask("new@acme.example"), "clientMutationId").await;
    app.latest_token("new@acme.example", "rcp_").await;
}

/// S-5: the address of somebody else is a credential too, and a service account's word proves none.
#[tokio::test(flavor = "multi_thread")]
async fn the_address_of_another_needs_the_permission_for_credentials() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    let babs = app.member(acme.id, "babs@acme.example", &["member"]).await.sign_in().await;
    let id = babs.me("user { id }").await["user"]["id"].clone();
    let role =
        json!({"key": "editor", "name": "Editor", "permissions": ["user_access_manage", "user_self_profile_write"]});
    owner.done("createRole", role, "role { id }").await;
    let editor = app.member(acme.id, "editor@acme.example", &["editor"]).await.sign_in().await;
    let input = |email: &str| json!({"user": {"id": id}, "email": email});
    for (name, value) in [("email", "evil@evil.example"), ("userName", "evil@evil.example")] {
        let answer =
            editor.try_mutate("updateUser", json!({"user": {"id": id}, name: value}), "clientMutationId").await;
        assert_eq!(answer.code().as_deref(), Some("FORBIDDEN"), "{name}: {}", answer.body);
    }
    editor
        .done("updateUser", json!({"user": {"id": id}, "title": "Guide", "email": "babs@acme.example"}), "user { id }")
        .await;
    let scopes = ["user_access_manage", "user_credentials_manage", "user_self_profile_write"];
    let bot = json!({"userName": "bot", "roles": [{"key": "admin"}], "token": {"name": "T", "scopes": scopes}});
    let bot = holding(&owner, &owner.done("createServiceAccount", bot, "secret").await);
    let after = bot.done("updateUser", input("barbara@acme.example"), "user { email }").await;
    assert_eq!(after["user"]["email"], "babs@acme.example", "until it is proven");
    app.mail_saying("babs@acme.example", "was added to your account").await;
    let token = app.token_in_mail("barbara@acme.example", 1).await;
    babs.done("verifyEmail", json!({"token": token}), "email { isPrimary }").await;
    assert_eq!(babs.me("user { email }").await["user"]["email"], "barbara@acme.example");
    app.mail_saying("babs@acme.example", "is now").await;
    // A person with the permission changes it at once; the addresses from before hear of it.
    owner.done("updateUser", input("bab@acme.example"), "user { email }").await;
    assert_eq!(babs.me("user { email }").await["user"]["email"], "bab@acme.example");
    app.mail_saying("barbara@acme.example", "is now").await;
}

/// SC-03: what a directory writes is no address that lets anybody in.
#[tokio::test(flavor = "multi_thread")]
async fn a_scim_token_changes_no_address_of_an_account() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let babs = app.member(acme.id, "babs@acme.example", &["member"]).await.sign_in().await;
    let id = babs.me("user { id }").await["user"]["id"].as_str().expect("an id").to_owned();
    let evil = json!([{"op": "replace", "path": "emails", "value": [{"value": "evil@evil.example", "primary": true}]}]);
    acme.scim.patch(&format!("/Users/{id}"), evil).await.expect(200);
    let emails = babs.me("emails { nodes { address isVerified source } }").await["emails"]["nodes"].clone();
    let of_account = emails.as_array().expect("a list").iter().filter(|email| email["source"] != "DIRECTORY");
    let of_account: Vec<(&Value, &Value)> = of_account.map(|email| (&email["address"], &email["isVerified"])).collect();
    assert_eq!(of_account, [(&json!("babs@acme.example"), &json!(true))]);
    assert_eq!(emails[1], json!({"address": "evil@evil.example", "isVerified": false, "source": "DIRECTORY"}));
    let under_it = babs.under("evil@evil.example");
    assert!(under_it.login_payload(json!({})).await["session"].is_null(), "nobody signs in with it");
}

/// L-3: a password that is reset puts out whoever was in, personal tokens included; making one is told by mail.
#[tokio::test(flavor = "multi_thread")]
async fn a_password_reset_ends_personal_tokens() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    let babs = app.member(acme.id, "babs@acme.example", &["member"]).await;
    for how in ["by mail", "by an administrator"] {
        let person = babs.sign_in().await;
        let input = json!({"name": "Backup script", "scopes": ["user_self_profile_write"]});
        let thief = holding(&person, &person.done("createPersonalToken", input, "secret").await);
        app.mail_saying(&babs.email, "Backup script").await;
        assert!(thief.is_in().await);
        if how == "by mail" {
            babs.done("requestPasswordReset", json!({"email": babs.email}), "clientMutationId").await;
            let token = app.latest_token(&babs.email, "rcp_").await;
            let input = json!({"token": token, "newPassword": babs.password});
            babs.done("completePasswordReset", input, "loginsRevoked").await;
        } else {
            owner.done("resetPassword", json!({"user": {"email": babs.email}}), "temporaryPassword").await;
        }
        assert!(!thief.is_in().await, "{how}");
    }
}

/// L-12: only a token that still works ends a login; every one is answered the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_stale_token_signs_nobody_out() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let first = acme.owner.sign_in().await;
    let second = first.refreshed().await;
    let third =
        second.done("reauthenticate", json!({"password": second.password}), "session { accessToken refreshToken }");
    let third = first.with_session(&third.await["session"]);
    let id = third.login_id().await;
    let stale = json!({"refreshToken": first.refresh});
    assert_eq!(first.signed_out().done("logout", stale, "loginId").await["loginId"], id);
    assert_eq!(second.done("logout", json!({}), "loginId").await["loginId"], id, "of an earlier generation");
    assert!(third.is_in().await, "it goes on");
    app.clock.advance(Duration::from_secs(600));
    let fourth = third.refreshed().await;
    third.done("logout", json!({}), "loginId").await;
    assert!(fourth.is_in().await, "its time is over");
    assert_eq!(fourth.done("logout", json!({}), "loginId").await["loginId"], id);
    assert!(!fourth.is_in().await);
    assert_eq!(fourth.done("logout", json!({}), "loginId").await["loginId"], id, "a second time");
}

/// L-2: whoever knows the password has a hundred guesses a day at the second factor, and the owner hears of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_day_has_a_hundred_second_factors() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let enrolled = crate::graphql_mfa::enrol(&app, &acme.owner.sign_in().await).await;
    for _ in 0..10 {
        for _ in 0..2 {
            let token = crate::graphql_mfa::challenge(&acme.owner).await;
            for _ in 0..5 {
                let wrong = json!({"challengeToken": token, "code": "000000"});
                assert_eq!(acme.owner.refused("verifyMfa", wrong).await, "MFA_CODE_INVALID");
            }
        }
        app.clock.advance(Duration::from_secs(15 * 60));
    }
    app.mail_saying(&acme.owner.email, "too many wrong codes").await;
    let right = async || {
        let token = crate::graphql_mfa::challenge(&acme.owner).await;
        let input = json!({"challengeToken": token, "code": enrolled.app.code(app.clock.now())});
        let payload = acme.owner.mutate("verifyMfa", input, "clientMutationId").await;
        first_code(&payload).to_owned()
    };
    assert_eq!(right().await, "RATE_LIMITED", "the right one too");
    app.clock.advance(Duration::from_secs(24 * 3_600));
    assert_eq!(right().await, "");
}
