//! What people see of themselves, row by row of what the systems before us offered.

use serde_json::{Value, json};

use crate::support::{Owned, Person, TestApp};

async fn world() -> (TestApp, Owned, Person) {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let babs = app.member(acme.id, "babs@acme.example", &["analyst"]).await.sign_in().await;
    (app, acme, babs)
}

#[tokio::test(flavor = "multi_thread")]
async fn s0_01_s0_02_s1_02_s1_03_s1_24_s2_01_s2_17_s3_05_s3_06_s4_16_me_is_one_of_three_with_memberships() {
    let (_app, acme, babs) = world().await;
    let selection = "principal { __typename ... on User { userName isServiceAccount } } root { id } serviceAccount { id } \
        user { id email displayName isServiceAccount } roles { key permissions { key } } groups { totalCount } \
        organization { id name shortName createdAt updatedAt } memberships { organization { id } status isCurrent roleKeys }";
    let me = babs.me(selection).await;
    assert_eq!(
        me["principal"],
        json!({"__typename": "User", "userName": "babs@acme.example", "isServiceAccount": false})
    );
    assert_eq!((&me["root"], &me["serviceAccount"]), (&Value::Null, &Value::Null), "exactly one");
    assert_eq!(me["organization"]["id"], json!(acme.id.to_string()));
    assert_eq!(me["organization"]["shortName"], "acme");
    assert_eq!(me["organization"]["createdAt"], me["organization"]["updatedAt"], "nothing changed yet");
    assert_eq!(
        (&me["user"]["email"], &me["user"]["displayName"]),
        (&json!("babs@acme.example"), &json!("Babs Jensen"))
    );
    assert_eq!(me["roles"][0]["key"], "analyst");
    assert_eq!(me["roles"][0]["permissions"].as_array().map(Vec::len), Some(3));
    let membership = json!({
        "organization": {"id": acme.id.to_string()}, "status": "ACTIVE", "isCurrent": true, "roleKeys": ["analyst"],
    });
    assert_eq!(me["memberships"], json!([membership]), "S1-24");
}

#[tokio::test(flavor = "multi_thread")]
async fn s0_03_s0_06_s1_25_s2_10_s2_13_s2_19_s3_04_a_user_has_these_fields() {
    let (_app, acme, babs) = world().await;
    let profile = json!({"givenName": "Babs", "familyName": "Jensen"});
    let updated = babs.done("updateMe", profile, "user { version }").await;
    assert_eq!(updated["user"]["version"], 2);
    let user = babs
        .me("user { id userName email givenName familyName displayName status isOnboarded identities { subject } \
            mfa { isEnabled isRequired recoveryCodesRemaining } createdAt createdBy { id } updatedAt updatedBy { id } }")
        .await["user"]
        .clone();
    let id: uuid::Uuid = user["id"].as_str().expect("text").parse().expect("S2-10: a UUID");
    assert_eq!(id.get_version_num(), 7);
    assert_eq!((&user["givenName"], &user["familyName"]), (&json!("Babs"), &json!("Jensen")));
    assert_eq!((&user["status"], &user["isOnboarded"]), (&json!("ACTIVE"), &json!(false)), "S2-19: false until then");
    assert_eq!(user["mfa"], json!({"isEnabled": false, "isRequired": false, "recoveryCodesRemaining": 0}), "S3-04");
    assert_eq!(user["updatedBy"]["id"], user["id"], "S0-03: who changed it last");
    assert_eq!(user["identities"], json!([]), "S1-25");
    let done = babs.done("completeOnboarding", json!({}), "user { isOnboarded }").await;
    assert_eq!(done["user"]["isOnboarded"], true);
    acme.scim.make_user("no-address").await;
    let owner = acme.owner.sign_in().await;
    let found = owner.ask("{ user(by: {userName: \"no-address\"}) { email } }", json!({})).await.data();
    assert_eq!(found["user"]["email"], Value::Null, "S2-13: may be missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn s0_08_s0_09_s0_11_addresses_are_paged_and_one_is_primary() {
    let (app, _acme, babs) = world().await;
    for index in 0..3 {
        babs.done("addEmail", json!({"email": format!("other{index}@acme.example")}), "email { id isVerified }").await;
    }
    let emails = "edges { cursor node { address isPrimary verifiedAt createdAt createdBy { id } } } totalCount pageInfo { pageSize hasNextPage }";
    let all = babs.me(&format!("emails {{ {emails} }}")).await["emails"].clone();
    assert_eq!((&all["totalCount"], &all["pageInfo"]["pageSize"]), (&json!(4), &json!(100)), "S0-09: 100 by default");
    let primary: Vec<&Value> =
        all["edges"].as_array().expect("edges").iter().filter(|edge| edge["node"]["isPrimary"] == true).collect();
    assert_eq!(primary.len(), 1, "S0-11");
    assert_eq!(primary[0]["node"]["address"], "babs@acme.example");
    assert!(primary[0]["node"]["verifiedAt"].is_string());
    assert_eq!(all["edges"][1]["node"]["verifiedAt"], Value::Null, "S0-08: not verified yet");
    let none = babs.me(&format!("emails(first: 0) {{ {emails} }}")).await["emails"].clone();
    assert_eq!((&none["edges"], &none["totalCount"]), (&json!([]), &json!(4)), "0 is a size");
    let first = all["edges"][0]["cursor"].as_str().expect("a cursor");
    let rest = babs.me(&format!("emails(first: 2, after: \"{first}\") {{ {emails} }}")).await["emails"].clone();
    assert_eq!(rest["edges"].as_array().map(Vec::len), Some(2));
    assert_eq!(rest["pageInfo"]["hasNextPage"], true);
    // Once it is proven it can become the primary one.
    let token = app.token_in_mail("other0@acme.example", 1).await;
    let verified = babs.done("verifyEmail", json!({"token": token}), "email { id }").await;
    let set = babs.done("setPrimaryEmail", json!({"emailId": verified["email"]["id"]}), "user { email }").await;
    assert_eq!(set["user"]["email"], "other0@acme.example");
}

#[tokio::test(flavor = "multi_thread")]
async fn s0_12_s0_13_s0_16_s0_18_logins_and_trusted_devices_share_a_device() {
    let (_app, _acme, babs) = world().await;
    let phone = babs.on("phone-1").sign_in().await;
    let fields =
        "id deviceId authTime lastUsedAt expiresAt remoteIp userAgent { raw } isCurrent state trustedDevice { id }";
    let logins = phone.me(&format!("logins {{ {fields} }}")).await["logins"].as_array().expect("logins").clone();
    let current: Vec<&Value> = logins.iter().filter(|login| login["isCurrent"] == true).collect();
    assert_eq!(current.len(), 1, "S0-13: the one making this call");
    assert_eq!(current[0]["deviceId"], "phone-1");
    assert!(logins.iter().all(|login| login["state"] == "ACTIVE"), "S0-12");
    for field in ["authTime", "lastUsedAt", "expiresAt", "remoteIp"] {
        assert!(current[0][field].is_string(), "{field}");
    }
    phone.done("revokeLogin", json!({"loginId": current[0]["id"]}), "login { state }").await;
    let left = babs
        .me("logins { id } trustedDevices { id deviceId expiresAt createdAt remoteIp userAgent { raw } logins { id } }")
        .await;
    assert_eq!(left["logins"].as_array().map(Vec::len), Some(logins.len() - 1));
    assert_eq!(left["trustedDevices"], json!([]), "S0-16");
}

#[tokio::test(flavor = "multi_thread")]
async fn s0_27_s2_20_s2_27_s2_29_s2_30_s3_14_a_password_is_changed_with_the_current_one_only() {
    let (_app, _acme, babs) = world().await;
    let sdl = rollcall::api::graphql::sdl();
    let (_, update) = sdl.split_once("\ninput UpdateMeInput {").expect("the input");
    let update = update.split("\n}").next().expect("its end");
    assert!(!update.to_lowercase().contains("password"), "S2-29: no such field");
    let input = json!({"currentPassword": "wrong", "newPassword": "another long secret phrase"});
    assert_eq!(babs.refused("changePassword", input).await, "WRONG_PASSWORD");
    let input = json!({"currentPassword": babs.password, "newPassword": "another long secret phrase"});
    babs.done("changePassword", input, "loginsRevoked").await;
    let babs = babs.with_password("another long secret phrase").sign_in().await;
    let input =
        json!({"title": "Guide", "company": "Tours", "displayName": "Barbara", "avatarUrl": "https://x.example/a.png"});
    let updated = babs.done("updateMe", input, "user { title company displayName avatarUrl }").await;
    assert_eq!(updated["user"]["displayName"], "Barbara", "S2-30: the user as it is now");
    assert_eq!(babs.refused("updateMe", json!({"email": "no address"})).await, "INVALID_EMAIL", "S2-27");
}

#[tokio::test(flavor = "multi_thread")]
async fn s1_04_s1_07_the_person_is_the_same_in_every_organization() {
    let (app, _acme, babs) = world().await;
    let globex = app.owned("globex").await;
    let before = app.links("babs@acme.example").len();
    app.invite(globex.id, "babs@acme.example", "Babs", &[]).await;
    let token = app.next_token("babs@acme.example", before).await;
    babs.done("acceptInvitation", json!({"token": token}), "user { id }").await;
    let updated = babs.done("updateMe", json!({"displayName": "Barbara"}), "user { id displayName email }").await;
    assert_eq!(updated["user"].as_object().map(serde_json::Map::len), Some(3), "S1-07: what was selected, no more");
    babs.done("switchOrganization", json!({"organization": {"shortName": "globex"}}), "session { accessToken }").await;
    let there = globex.scim.get("/Users?filter=displayName%20eq%20%22Barbara%22").await;
    let found = globex
        .owner
        .sign_in()
        .await
        .ask("{ users(filter: {nameSearch: \"barbara\"}) { filteredCount } }", json!({}))
        .await;
    assert_eq!(found.data()["users"]["filteredCount"], 1, "S1-04: {}", there.status);
}

#[tokio::test(flavor = "multi_thread")]
async fn s2_09_s2_11_s2_21_s2_23_s3_17_s3_21_metadata_is_merged_and_names_are_checked() {
    let (app, acme, babs) = world().await;
    let set = async |metadata: Value| {
        let updated = babs.done("updateMe", json!({ "metadata": metadata }), "user { metadata }").await;
        updated["user"]["metadata"].clone()
    };
    assert_eq!(set(json!({"a": 1, "b": {"c": 2}})).await, json!({"a": 1, "b": {"c": 2}}), "S2-09");
    assert_eq!(set(json!({"a": null, "b": {"d": 3}})).await, json!({"b": {"c": 2, "d": 3}}), "RFC 7396");
    for (name, code) in [
        ("", "INVALID_USERNAME"),
        ("has space", "INVALID_USERNAME"),
        ("ünïcode", "INVALID_USERNAME"),
        ("root", "RESERVED_USERNAME"),
        ("admin", "RESERVED_USERNAME"),
        ("ME", "RESERVED_USERNAME"),
    ] {
        assert_eq!(babs.refused("updateMe", json!({ "userName": name })).await, code, "S2-11, S2-23: {name}");
    }
    let renamed = babs.done("updateMe", json!({"userName": "babs_1.x-y"}), "user { userName }").await;
    assert_eq!(renamed["user"]["userName"], "babs_1.x-y");
    // A role without the permission takes it away (S3-17); nothing else of oneself needs one.
    let owner = acme.owner.sign_in().await;
    owner
        .done("createRole", json!({"key": "quiet", "name": "Quiet", "permissions": ["groups_read"]}), "role { id }")
        .await;
    let quiet = app.member(acme.id, "quiet@acme.example", &["quiet"]).await.sign_in().await;
    let answer = quiet.try_mutate("updateMe", json!({"title": "x"}), "user { title }").await;
    assert_eq!(answer.code().as_deref(), Some("FORBIDDEN"));
    quiet.done("updateMySettings", json!({"locale": "de-CH"}), "settings { locale }").await;
}
