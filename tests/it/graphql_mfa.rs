//! Second factors: enrolment, challenges, recovery codes, trusted devices, resets (MF-…, S0-15, S0-26).

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use totp_rs::{Algorithm, Builder};

use crate::support::person::root_fields;
use crate::support::{Engine, Owned, Person, TestApp};

/// An authenticator app.
#[derive(Clone)]
pub struct App(Vec<u8>);

impl App {
    pub fn code(&self, at: DateTime<Utc>) -> String {
        code(&self.0, at)
    }
}

/// The code an app shows for a seed.
pub fn code(seed: &[u8], at: DateTime<Utc>) -> String {
    let totp = Builder::new()
        .with_algorithm(Algorithm::SHA1)
        .with_digits(6)
        .with_skew(0)
        .with_step_duration(30)
        .with_account_name("a")
        .with_secret(seed.to_vec())
        .build()
        .expect("a seed");
    totp.generate(u64::try_from(at.timestamp()).expect("after 1970")).to_string()
}

pub struct Enrolled {
    pub person: Person,
    pub app: App,
    pub codes: Vec<String>,
}

/// Adds an authenticator app to somebody who is signed in.
pub async fn enrol(test: &TestApp, person: &Person) -> Enrolled {
    let begun = person.done("beginTotpEnrollment", json!({"name": "Phone"}), "secret otpauthUrl expiresAt").await;
    let secret = begun["secret"].as_str().expect("a secret");
    assert_eq!(begun["otpauthUrl"].as_str().expect("a URL").matches("secret=").count(), 1, "MF-13");
    let app = App(data_encoding::BASE32_NOPAD.decode(secret.as_bytes()).expect("base 32"));
    let input = json!({"code": app.code(test.clock.now())});
    let done = person.done("confirmTotpEnrollment", input, "factor { id method name } recoveryCodes mfa { isEnabled recoveryCodesRemaining } session { accessToken refreshToken }").await;
    assert_eq!((&done["mfa"]["isEnabled"], &done["mfa"]["recoveryCodesRemaining"]), (&json!(true), &json!(10)));
    let codes: Vec<String> = done["recoveryCodes"]
        .as_array()
        .expect("codes")
        .iter()
        .map(|code| code.as_str().expect("text").to_owned())
        .collect();
    assert_eq!(codes.len(), 10);
    test.clock.advance(Duration::from_secs(30));
    Enrolled { person: person.with_session(&done["session"]), app, codes }
}

async fn world() -> (TestApp, Owned, Enrolled) {
    let test = TestApp::start().await;
    let acme = test.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    let enrolled = enrol(&test, &owner).await;
    (test, acme, enrolled)
}

pub async fn challenge(person: &Person) -> String {
    let payload = person.login_payload(json!({})).await;
    assert!(payload["session"].is_null(), "{payload}");
    payload["challenge"]["token"].as_str().expect("a challenge").to_owned()
}

const VERIFIED: &str = "session { accessToken refreshToken login { id authMethods assurance stepUpUntil } } trustedDevice { id deviceId expiresAt } trustedDeviceToken recoveryCodesRemaining";

#[tokio::test(flavor = "multi_thread")]
async fn s0_15_sign_in_asks_for_the_second_factor_once_there_is_one() {
    for engine in Engine::BOTH {
        let test = TestApp::start_on(engine).await;
        let acme = test.owned("acme").await;
        let signed_in = acme.owner.sign_in().await;
        let enrolled = enrol(&test, &signed_in).await;
        assert_eq!(signed_in.me_code().await.as_deref(), Some("UNAUTHENTICATED"), "SE-01: the tokens before are dead");
        assert!(enrolled.person.is_in().await);
        let payload = acme.owner.login_payload(json!({})).await;
        let expected = json!(["TOTP", "RECOVERY_CODE"]);
        assert_eq!(
            (&payload["challenge"]["methods"], &payload["challenge"]["attemptsRemaining"]),
            (&expected, &json!(5))
        );
        let token = payload["challenge"]["token"].as_str().expect("a challenge");
        let input = json!({"challengeToken": token, "code": enrolled.app.code(test.clock.now())});
        let done = acme.owner.done("verifyMfa", input.clone(), VERIFIED).await;
        let login = &done["session"]["login"];
        assert_eq!(
            (&login["authMethods"], &login["assurance"]),
            (&json!(["PASSWORD", "TOTP"]), &json!("MULTI_FACTOR"))
        );
        assert!(acme.owner.with_session(&done["session"]).is_in().await);
        assert_eq!(acme.owner.refused("verifyMfa", input).await, "TOKEN_USED");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mf01_a_challenge_is_no_credential() {
    let (_test, acme, _) = world().await;
    let pending = acme.owner.with_token(&challenge(&acme.owner).await);
    assert_eq!(pending.me_code().await.as_deref(), Some("MFA_REQUIRED"));
    let public = [
        "login",
        "verifyMfa",
        "refreshSession",
        "logout",
        "requestPasswordReset",
        "completePasswordReset",
        "verifyEmail",
        "acceptInvitation",
        "declineInvitation",
    ];
    let mut asked = 0;
    for name in root_fields("Mutation") {
        if public.contains(&name.as_str()) {
            continue;
        }
        let answer = pending.try_mutate(&name, sample(&name), "clientMutationId").await;
        assert_eq!(answer.code().as_deref(), Some("MFA_REQUIRED"), "{name}: {}", answer.body);
        asked += 1;
    }
    assert!(asked >= 23, "{asked}");
}

/// An input that is well formed, for operations that are refused for who asks.
pub fn sample(name: &str) -> Value {
    let id = "01900000-0000-7000-8000-000000000000";
    match name {
        "login" => json!({"email": "x@example.com", "password": "x"}),
        "verifyMfa" => json!({"challengeToken": "x", "code": "000000"}),
        "refreshSession" => json!({"refreshToken": "x"}),
        "completePasswordReset" => json!({"token": "x", "newPassword": "y"}),
        "verifyEmail" | "acceptInvitation" | "declineInvitation" => json!({"token": "x"}),
        "reauthenticate" => json!({"password": "x"}),
        "switchOrganization" => json!({"organization": {"id": id}}),
        "addEmail" | "requestPasswordReset" => json!({"email": "x@example.com"}),
        "resendEmailVerification" | "removeEmail" | "setPrimaryEmail" => json!({"emailId": id}),
        "changePassword" => json!({"currentPassword": "x", "newPassword": "y"}),
        "confirmTotpEnrollment" => json!({"code": "000000"}),
        "removeMfaFactor" => json!({"factorId": id}),
        "revokeLogin" => json!({"loginId": id}),
        "revokeTrustedDevice" => json!({"trustedDeviceId": id}),
        "createPersonalToken" => json!({"name": "x", "scopes": ["user_access_read"]}),
        "revokeToken" | "rotateApiToken" => json!({"tokenId": id}),
        _ => sample_of_administration(name, id),
    }
}

fn sample_of_administration(name: &str, id: &str) -> Value {
    let user = json!({"id": id});
    match name {
        "resetMfa"
        | "updateUser"
        | "disableUser"
        | "enableUser"
        | "deleteUser"
        | "removeMember"
        | "resetPassword"
        | "sendPasswordReset"
        | "unlockUser"
        | "updateUserGroups"
        | "cancelUserInvitations" => json!({"user": user}),
        "updateUserProfile" => json!({"user": user, "profile": {"title": "x"}}),
        "setUserRoles" | "addUserRoles" | "removeUserRoles" => json!({"user": user, "roles": [{"key": "analyst"}]}),
        "setPasswordExpired" => json!({"user": user, "isExpired": true}),
        "setSuperuser" => json!({"user": user, "isSuperuser": true}),
        "transferOwnership" => json!({"to": user}),
        "restoreUser" => json!({"userId": id}),
        "anonymizeUsers" => json!({"userIds": [id], "confirmation": "ANONYMIZE"}),
        "createUser" => json!({"displayName": "x", "userName": "x-sample"}),
        "invite" => json!({"invitations": [{"email": "x@example.com", "name": "x", "roles": []}]}),
        "sendInvitations" => json!({"userIds": [id]}),
        "resendInvitation" | "cancelInvitation" => json!({"invitationId": id}),
        "updateOrganization" => json!({"name": "Acme"}),
        "createRole" => json!({"key": "sample", "name": "x", "permissions": ["groups_read"]}),
        "updateRole" | "deleteRole" => json!({"role": {"id": id}}),
        "createGroup" => json!({"name": "sample"}),
        "updateGroup" | "deleteGroup" => json!({"group": {"id": id}}),
        "setGroupMember" | "removeGroupMember" => json!({"group": {"id": id}, "user": user}),
        "createServiceAccount" => json!({"userName": "sample-bot"}),
        "updateServiceAccount" | "deleteServiceAccount" | "updateServiceAccountGroups" => {
            json!({"serviceAccount": {"id": id}})
        }
        "createApiToken" => json!({"serviceAccount": {"id": id}, "name": "x", "scopes": ["groups_read"]}),
        "createDirectory" => json!({"displayName": "Sample"}),
        "updateDirectory" | "rotateDirectoryToken" | "deleteDirectory" => json!({"directoryId": id}),
        "revokeDirectoryToken" => json!({"tokenId": id}),
        "setGroupRoleMappings" => json!({"directoryId": id, "mappings": []}),
        "createOrganization" => json!({"shortName": "sample", "name": "x", "ownerEmail": "x@example.com"}),
        "inviteOwner" => json!({"organization": {"id": id}, "email": "x@example.com", "name": "x"}),
        "restoreOwner" => json!({"organization": {"id": id}, "user": user}),
        _ => json!({}),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mf02_mf05_a_code_works_once_and_in_its_window() {
    let (test, acme, enrolled) = world().await;
    let now = test.clock.now();
    let verify = |code: String| {
        let owner = acme.owner.clone();
        async move {
            let token = challenge(&owner).await;
            let payload = owner
                .mutate("verifyMfa", json!({"challengeToken": token, "code": code}), "session { accessToken }")
                .await;
            payload["userErrors"][0]["code"].as_str().map(str::to_owned)
        }
    };
    let at = |seconds: i64| enrolled.app.code(now + chrono::TimeDelta::seconds(seconds));
    assert_eq!(verify(at(-60)).await.as_deref(), Some("MFA_CODE_INVALID"), "two steps ago");
    assert_eq!(verify(at(60)).await.as_deref(), Some("MFA_CODE_INVALID"), "two steps ahead");
    assert_eq!(verify(at(0)).await, None);
    assert_eq!(verify(at(0)).await.as_deref(), Some("MFA_CODE_INVALID"), "MF-02: in another challenge too");
    assert_eq!(verify(at(30)).await, None, "one step ahead");
    assert_eq!(verify(at(0)).await.as_deref(), Some("MFA_CODE_INVALID"), "an earlier one is used up with it");
}

#[tokio::test(flavor = "multi_thread")]
async fn mf03_c07_fifty_parallel_uses_of_one_code_have_one_success() {
    for engine in Engine::BOTH {
        let test = TestApp::start_on(engine).await;
        let acme = test.owned("acme").await;
        let enrolled = enrol(&test, &acme.owner.sign_in().await).await;
        let challenges = [challenge(&acme.owner).await, challenge(&acme.owner).await];
        let code = enrolled.app.code(test.clock.now());
        let mut tasks = tokio::task::JoinSet::new();
        for index in 0..50 {
            let (owner, token, code) = (acme.owner.clone(), challenges[index % 2].clone(), code.clone());
            tasks.spawn(async move {
                let input = json!({"challengeToken": token, "code": code});
                owner.mutate("verifyMfa", input, "session { accessToken }").await["session"].is_object()
            });
        }
        let successes = tasks.join_all().await.into_iter().filter(|success| *success).count();
        assert_eq!(successes, 1, "{engine:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mf04_tries_are_bounded_per_challenge_and_per_account() {
    let (test, acme, enrolled) = world().await;
    let token = challenge(&acme.owner).await;
    let mut left = Vec::new();
    for _ in 0..5 {
        let payload = acme
            .owner
            .mutate("verifyMfa", json!({"challengeToken": token, "code": "000000"}), "session { accessToken }")
            .await;
        left.push(payload["userErrors"][0]["params"]["attemptsRemaining"].clone());
    }
    assert_eq!(left, [json!(4), json!(3), json!(2), json!(1), json!(0)]);
    let right = json!({"challengeToken": token, "code": enrolled.app.code(test.clock.now())});
    assert_eq!(acme.owner.refused("verifyMfa", right).await, "RATE_LIMITED", "the right code after the last try");
    let second = challenge(&acme.owner).await;
    for _ in 0..4 {
        acme.owner.refused("verifyMfa", json!({"challengeToken": second, "code": "000000"})).await;
    }
    let third = challenge(&acme.owner).await;
    let right = json!({"challengeToken": third, "code": enrolled.app.code(test.clock.now())});
    assert_eq!(
        acme.owner.refused("verifyMfa", right.clone()).await,
        "RATE_LIMITED",
        "a new password step gives no new tries"
    );
    test.clock.advance(Duration::from_secs(15 * 60));
    let fourth = challenge(&acme.owner).await;
    let right = json!({"challengeToken": fourth, "code": enrolled.app.code(test.clock.now())});
    acme.owner.done("verifyMfa", right, "session { accessToken }").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mf12_what_is_not_six_digits_is_wrong_and_counted() {
    let (test, acme, enrolled) = world().await;
    let token = challenge(&acme.owner).await;
    let code = enrolled.app.code(test.clock.now());
    let wide: String = code.chars().filter_map(|c| char::from_u32(u32::from(c) - 0x30 + 0xff10)).collect();
    for bad in [format!("{code} "), wide, code[1..].to_owned(), format!("0{code}")] {
        assert_eq!(
            acme.owner.refused("verifyMfa", json!({"challengeToken": token, "code": bad})).await,
            "MFA_CODE_INVALID"
        );
    }
    let answer = acme
        .owner
        .try_mutate("verifyMfa", json!({"challengeToken": token, "code": [code]}), "session { accessToken }")
        .await;
    assert_eq!(answer.code().as_deref(), Some("BAD_USER_INPUT"), "{}", answer.body);
    for input in [json!({"challengeToken": token}), json!({"challengeToken": token, "code": "1", "recoveryCode": "2"})]
    {
        assert_eq!(acme.owner.refused("verifyMfa", input).await, "INVALID_ARGUMENT_COMBINATION");
    }
    let right = json!({"challengeToken": token, "code": code});
    acme.owner.done("verifyMfa", right, "session { accessToken }").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mf06_mf07_recovery_codes_work_once_for_their_owner_only() {
    let (test, acme, enrolled) = world().await;
    let babs = test.member(acme.id, "babs@acme.example", &["member"]).await;
    let other = enrol(&test, &babs.sign_in().await).await;
    let token = challenge(&babs).await;
    let foreign = json!({"challengeToken": token, "recoveryCode": enrolled.codes[0]});
    assert_eq!(babs.refused("verifyMfa", foreign).await, "MFA_CODE_INVALID", "MF-06");
    let mut tasks = tokio::task::JoinSet::new();
    let challenges = [challenge(&acme.owner).await, challenge(&acme.owner).await];
    for index in 0..8 {
        let (owner, token, code) =
            (acme.owner.clone(), challenges[index % 2].clone(), enrolled.codes[0].to_uppercase());
        tasks.spawn(async move {
            owner.mutate("verifyMfa", json!({"challengeToken": token, "recoveryCode": code}), VERIFIED).await
        });
    }
    let answers = tasks.join_all().await;
    let successes: Vec<&Value> = answers.iter().filter(|payload| payload["session"].is_object()).collect();
    assert_eq!(successes.len(), 1, "MF-07");
    assert_eq!(successes[0]["recoveryCodesRemaining"], 9);
    assert!(successes[0]["session"]["login"]["stepUpUntil"].is_null(), "MF-10: no fresh proof");
    let recovered = acme.owner.with_session(&successes[0]["session"]);
    assert_eq!(recovered.refused("regenerateRecoveryCodes", json!({})).await, "STEP_UP_REQUIRED");
    let stepped = recovered
        .done("reauthenticate", json!({"code": enrolled.codes[1]}), "session { accessToken refreshToken } stepUpUntil")
        .await;
    assert!(stepped["stepUpUntil"].is_string(), "for whoever lost the app");
    let recovered = recovered.with_session(&stepped["session"]);
    let fresh = recovered.done("regenerateRecoveryCodes", json!({}), "recoveryCodes").await;
    assert_eq!(fresh["recoveryCodes"].as_array().map(Vec::len), Some(10));
    test.clock.advance(Duration::from_secs(16 * 60));
    let token = challenge(&acme.owner).await;
    let voided = json!({"challengeToken": token, "recoveryCode": enrolled.codes[2]});
    assert_eq!(acme.owner.refused("verifyMfa", voided).await, "MFA_CODE_INVALID", "all earlier ones are void");
    let mine = json!({"challengeToken": challenge(&babs).await, "recoveryCode": other.codes[0]});
    babs.done("verifyMfa", mine, "session { accessToken }").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mf07_fifty_parallel_uses_of_one_recovery_code_have_one_success() {
    for engine in Engine::BOTH {
        let test = TestApp::start_on(engine).await;
        let acme = test.owned("acme").await;
        let enrolled = enrol(&test, &acme.owner.sign_in().await).await;
        let challenges = [challenge(&acme.owner).await, challenge(&acme.owner).await];
        let mut tasks = tokio::task::JoinSet::new();
        for index in 0..50 {
            let (owner, token, code) = (acme.owner.clone(), challenges[index % 2].clone(), enrolled.codes[0].clone());
            tasks.spawn(async move {
                let input = json!({"challengeToken": token, "recoveryCode": code});
                owner.mutate("verifyMfa", input, "session { accessToken }").await["session"].is_object()
            });
        }
        let successes = tasks.join_all().await.into_iter().filter(|success| *success).count();
        assert_eq!(successes, 1, "{engine:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mf08_an_enrolment_counts_only_when_confirmed_in_time() {
    let test = TestApp::start().await;
    let acme = test.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    let confirm = |code: &str| json!({ "code": code });
    assert_eq!(owner.refused("confirmTotpEnrollment", confirm("000000")).await, "ILLEGAL_TRANSITION", "nothing begun");
    let first = owner.done("beginTotpEnrollment", json!({}), "secret").await;
    let second = owner.done("beginTotpEnrollment", json!({}), "secret").await;
    let app = |begun: &Value| {
        App(data_encoding::BASE32_NOPAD
            .decode(begun["secret"].as_str().expect("a secret").as_bytes())
            .expect("base 32"))
    };
    assert!(acme.owner.login_payload(json!({})).await["session"].is_object(), "a pending seed is inert");
    let old = app(&first).code(test.clock.now());
    assert_eq!(
        owner.refused("confirmTotpEnrollment", confirm(&old)).await,
        "MFA_CODE_INVALID",
        "the second replaced the first"
    );
    test.clock.advance(Duration::from_secs(601));
    let owner = owner.refreshed().await;
    assert_eq!(
        owner.refused("confirmTotpEnrollment", confirm(&app(&second).code(test.clock.now()))).await,
        "ILLEGAL_TRANSITION",
        "too long ago"
    );
    assert_eq!(
        owner.refused("beginTotpEnrollment", json!({})).await,
        "STEP_UP_REQUIRED",
        "the proof is ten minutes old"
    );
    let owner =
        owner.done("reauthenticate", json!({"password": owner.password}), "session { accessToken refreshToken }").await;
    let owner = acme.owner.with_session(&owner["session"]);
    let enrolled = enrol(&test, &owner).await;
    assert_eq!(enrolled.person.refused("beginTotpEnrollment", json!({})).await, "MFA_ALREADY_ENROLLED");
    let mail = String::from_utf8(test.smtp.nth(&acme.owner.email, 1).await.data).expect("text");
    assert!(mail.contains("authenticator app was added"), "{mail}");
    assert_eq!(
        enrolled.person.refused("reauthenticate", json!({"password": owner.password})).await,
        "STEP_UP_REQUIRED",
        "the code is needed now"
    );
    let factor = enrolled.person.me("mfa { factors { id } }").await["mfa"]["factors"][0]["id"].clone();
    let removed = enrolled
        .person
        .done("removeMfaFactor", json!({"factorId": factor}), "mfa { isEnabled recoveryCodesRemaining }")
        .await;
    assert_eq!(removed["mfa"], json!({"isEnabled": false, "recoveryCodesRemaining": 0}));
    assert!(acme.owner.login_payload(json!({})).await["session"].is_object());
}

#[tokio::test(flavor = "multi_thread")]
async fn mf09_a_trusted_device_skips_the_second_factor_and_nothing_else() {
    let (test, acme, enrolled) = world().await;
    let operator = rollcall::domain::Caller::operator(Some(acme.id));
    let answer =
        |trust: bool| json!({"challengeToken": "", "code": enrolled.app.code(test.clock.now()), "trustDevice": trust});
    let verify = |mut input: Value| async {
        input["challengeToken"] = json!(challenge(&acme.owner).await);
        let done = acme.owner.done("verifyMfa", input, VERIFIED).await;
        test.clock.advance(Duration::from_secs(30));
        done
    };
    assert!(verify(answer(true)).await["trustedDevice"].is_null(), "off until the organization turns it on");
    test.service.update_policy(&operator, |policy| policy.trusted_devices = true).await.expect("changed");
    let done = verify(answer(true)).await;
    assert_eq!(done["trustedDevice"]["deviceId"], "laptop-1");
    assert_eq!(done["trustedDevice"]["expiresAt"].as_str().map(|text| &text[..10]), Some("2026-01-31"), "30 days");
    let trusted = done["trustedDeviceToken"].as_str().expect("a token").to_owned();
    let wrong = acme.owner.login_payload(json!({"trustedDeviceToken": trusted, "password": "wrong"})).await;
    assert_eq!(wrong["userErrors"][0]["code"], "INVALID_CREDENTIALS", "never the first factor");
    let payload = acme.owner.login_payload(json!({"trustedDeviceToken": trusted})).await;
    let next = payload["trustedDeviceToken"].as_str().expect("replaced").to_owned();
    assert!(payload["session"].is_object() && next != trusted);
    let person = acme.owner.with_session(&payload["session"]);
    let me = person.me("login { authMethods assurance trustedDevice { id logins { id } } } trustedDevices { id isCurrent deviceId }").await;
    assert_eq!(
        (&me["login"]["authMethods"], &me["login"]["assurance"]),
        (&json!(["PASSWORD", "TRUSTED_DEVICE"]), &json!("MULTI_FACTOR"))
    );
    assert_eq!(me["trustedDevices"][0]["isCurrent"], true);
    assert_eq!(me["login"]["trustedDevice"]["id"], me["trustedDevices"][0]["id"], "S0-18");

    let babs = test.member(acme.id, "babs@acme.example", &["member"]).await;
    enrol(&test, &babs.sign_in().await).await;
    assert!(babs.login_payload(json!({"trustedDeviceToken": next})).await["session"].is_null(), "another person's");

    let stolen = acme.owner.login_payload(json!({"trustedDeviceToken": trusted})).await;
    assert!(stolen["session"].is_null(), "a replaced one");
    assert!(
        acme.owner.login_payload(json!({"trustedDeviceToken": next})).await["session"].is_null(),
        "betrays a copy: the trust is over"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn s0_17_ending_trust_leaves_logins_running() {
    let (test, acme, enrolled) = world().await;
    let operator = rollcall::domain::Caller::operator(Some(acme.id));
    test.service.update_policy(&operator, |policy| policy.trusted_devices = true).await.expect("changed");
    let input = json!({"challengeToken": challenge(&acme.owner).await, "code": enrolled.app.code(test.clock.now()), "trustDevice": true});
    let done = acme.owner.done("verifyMfa", input, VERIFIED).await;
    let person = acme.owner.with_session(&done["session"]);
    let id = &done["trustedDevice"]["id"];
    let ended =
        person.done("revokeTrustedDevice", json!({"trustedDeviceId": id}), "trustedDeviceId loginsRevoked").await;
    assert_eq!((&ended["trustedDeviceId"], &ended["loginsRevoked"]), (id, &json!(0)));
    assert!(person.is_in().await);
    assert!(
        acme.owner.login_payload(json!({"trustedDeviceToken": done["trustedDeviceToken"]})).await["session"].is_null()
    );
    assert_eq!(person.refused("revokeTrustedDevice", json!({"trustedDeviceId": id})).await, "NOT_FOUND");
    assert_eq!(person.done("revokeTrustedDevices", json!({}), "revokedCount").await["revokedCount"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn mf11_an_organization_may_demand_a_second_factor() {
    let test = TestApp::start().await;
    let acme = test.owned("acme").await;
    let operator = rollcall::domain::Caller::operator(Some(acme.id));
    test.service.update_policy(&operator, |policy| policy.mfa_required = true).await.expect("changed");
    let owner = acme.owner.sign_in().await;
    assert_eq!(
        owner.me("requiredActions mfa { isRequired }").await,
        json!({"requiredActions": ["ENROLL_MFA"], "mfa": {"isRequired": true}})
    );
    let answer = owner.try_mutate("addEmail", json!({"email": "x@acme.example"}), "clientMutationId").await;
    assert_eq!(answer.code().as_deref(), Some("ACTION_REQUIRED"));
    assert_eq!(answer.body["errors"][0]["extensions"]["params"]["actions"], json!(["ENROLL_MFA"]));
    let enrolled = enrol(&test, &owner).await;
    enrolled.person.done("addEmail", json!({"email": "x@acme.example"}), "clientMutationId").await;
    let factor = enrolled.person.me("mfa { factors { id } }").await["mfa"]["factors"][0]["id"].clone();
    assert_eq!(enrolled.person.refused("removeMfaFactor", json!({"factorId": factor})).await, "LAST_CREDENTIAL");
}

#[tokio::test(flavor = "multi_thread")]
async fn s0_26_reset_mfa_removes_everything_and_ends_all_logins() {
    let (test, acme, enrolled) = world().await;
    let operator = rollcall::domain::Caller::operator(Some(acme.id));
    test.service.update_policy(&operator, |policy| policy.trusted_devices = true).await.expect("changed");
    let babs = test.member(acme.id, "babs@acme.example", &["member"]).await;
    let theirs = enrol(&test, &babs.sign_in().await).await;
    let input = json!({"challengeToken": challenge(&babs).await, "code": theirs.app.code(test.clock.now()), "trustDevice": true});
    let trusted = babs.done("verifyMfa", input, VERIFIED).await["trustedDeviceToken"].clone();
    let pending = challenge(&babs).await;
    let id = theirs.person.me("user { id }").await["user"]["id"].clone();
    let selection =
        "user { id mfa { isEnabled } } factorsRemoved recoveryCodesRemoved loginsRevoked trustedDevicesRevoked";
    let reset = json!({"user": {"id": id}, "reason": "Lost phone, identity checked by video call"});
    assert_eq!(
        theirs.person.try_mutate("resetMfa", reset.clone(), selection).await.code().as_deref(),
        Some("FORBIDDEN")
    );
    let done = enrolled.person.done("resetMfa", reset.clone(), selection).await;
    assert_eq!(done["user"]["mfa"]["isEnabled"], false);
    assert_eq!(
        (&done["factorsRemoved"], &done["recoveryCodesRemoved"], &done["trustedDevicesRevoked"]),
        (&json!(1), &json!(10), &json!(1))
    );
    assert_eq!(done["loginsRevoked"], 3, "joining, signing in, and with the device");
    assert_eq!(theirs.person.me_code().await.as_deref(), Some("UNAUTHENTICATED"));
    let late = json!({"challengeToken": pending, "code": theirs.app.code(test.clock.now())});
    assert_eq!(babs.refused("verifyMfa", late).await, "TOKEN_INVALID", "a waiting challenge is over too");
    let payload = babs.login_payload(json!({"trustedDeviceToken": trusted})).await;
    assert!(payload["session"].is_object() && payload["trustedDeviceToken"].is_null(), "C19: {payload}");
    let twice = enrolled.person.done("resetMfa", json!({"user": {"email": "BABS@acme.example"}}), selection).await;
    assert_eq!((&twice["factorsRemoved"], &twice["recoveryCodesRemoved"]), (&json!(0), &json!(0)));
    let oneself = enrolled.person.done("resetMfa", json!({"user": {"userName": "me"}}), selection).await;
    assert_eq!(oneself["factorsRemoved"], 1, "works on oneself too");
    assert!(acme.owner.login_payload(json!({})).await["session"].is_object());
}

#[tokio::test(flavor = "multi_thread")]
async fn g2_g5_reset_mfa_respects_rank_and_management() {
    let test = TestApp::start().await;
    let (acme, globex) = (test.owned("acme").await, test.owned("globex").await);
    let admin = test.member(acme.id, "admin@acme.example", &["admin"]).await.sign_in().await;
    let owner_id = acme.owner.sign_in().await.me("user { id }").await["user"]["id"].clone();
    assert_eq!(admin.refused("resetMfa", json!({"user": {"id": owner_id}})).await, "INSUFFICIENT_RANK");
    let foreign = globex.owner.sign_in().await.me("user { id }").await["user"]["id"].clone();
    assert_eq!(admin.refused("resetMfa", json!({"user": {"id": foreign}})).await, "NOT_FOUND", "TN-01");
    test.invite(acme.id, &globex.owner.email, "Guest", &["member"]).await;
    let token = test.token_in_mail(&globex.owner.email, 1).await;
    let guest = globex.owner.sign_in().await;
    let joined = guest.done("acceptInvitation", json!({"token": token}), "user { id } session { accessToken }").await;
    assert!(joined["session"].is_null());
    assert_eq!(admin.refused("resetMfa", json!({"user": {"id": joined["user"]["id"]}})).await, "NOT_MANAGED_ACCOUNT");
    test.clock.advance(Duration::from_secs(601));
    let admin = admin.refreshed().await;
    assert_eq!(admin.refused("resetMfa", json!({"user": {"id": owner_id}})).await, "STEP_UP_REQUIRED", "G7");
}
