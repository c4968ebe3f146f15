//! Lists cost as many queries for many as for one, whatever is asked of each item; short-lived tokens; what was sent.

use std::sync::atomic::Ordering;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{TestApp, user};

const EVERYTHING: &str = "totalCount filteredCount nodes { id email status isSuperuser accountType passwordState { isSet } mfa { isEnabled } \
    lockedUntil roles { key permissions { key } } roleGrants { source group { name } grantedBy { id } } permissions { key } \
    groups { nodes { name memberCount roles { key } } } emails { nodes { address } } logins { id } trustedDevices { id } \
    memberships { roleKeys } identities { subject } directory { displayName } createdBy { id } fieldCapabilities { field managedBy { id } } }";

#[tokio::test(flavor = "multi_thread")]
async fn no_list_asks_the_store_once_an_item() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    owner.done("createGroup", json!({"name": "All", "roles": [{"key": "analyst"}]}), "group { id }").await;
    for index in 0..20 {
        let input = json!({
            "userName": format!("p{index}"), "email": format!("p{index}@acme.example"), "groups": [{"name": "All"}],
            "credentials": {"temporary": true},
        });
        owner.done("createUser", input, "user { id }").await;
        acme.scim.make_user(&format!("okta{index}")).await;
    }
    // The least of some: on a machine that is busy, what is asked at once may fall into two batches.
    let cost = async |query: &str| {
        let mut least = u64::MAX;
        for _ in 0..5 {
            let before = app.queries.load(Ordering::Relaxed);
            owner.ask(query, json!({})).await.data();
            least = least.min(app.queries.load(Ordering::Relaxed) - before);
        }
        least
    };
    for (list, items) in [
        ("users", EVERYTHING),
        ("groups", "nodes { name memberCount roles { key } members { nodes { id } } createdBy { id } }"),
    ] {
        cost(&format!("{{ {list}(first: 2) {{ {items} }} }}")).await;
        let few = cost(&format!("{{ {list}(first: 2) {{ {items} }} }}")).await;
        let many = cost(&format!("{{ {list}(first: 40) {{ {items} }} }}")).await;
        assert!(few > 3, "it counts: {few}");
        assert!(many < 2 * few, "{list}: {few} queries for 2, {many} for 40");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s2_02_client_credentials_give_a_token_of_ten_minutes_with_the_same_rights_or_fewer() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    let input = json!({"userName": "ci", "roles": [{"key": "analyst"}], "token": {"name": "t", "scopes": ["user_access_read", "groups_read"]}});
    let made = owner.done("createServiceAccount", input, "secret token { id }").await;
    let secret = made["secret"].as_str().expect("shown once").to_owned();
    let http = crate::support::http().build().expect("a client");
    let token = format!("{}/oauth/token", app.url);
    let form = |body: &str| {
        http.post(&token).header("content-type", "application/x-www-form-urlencoded").body(body.to_owned())
    };
    let posted = format!("grant_type=client_credentials&client_id=ci&client_secret={secret}&scope=groups_read");
    let answer = form(&posted).send().await.expect("an answer");
    assert_eq!(
        (answer.status(), answer.headers()["cache-control"].to_str().expect("text")),
        (StatusCode::OK, "no-store")
    );
    let body: Value = answer.json().await.expect("JSON");
    assert_eq!(
        (&body["token_type"], &body["expires_in"], &body["scope"]),
        (&json!("Bearer"), &json!(600), &json!("groups_read"))
    );
    let bot = owner.with_token(body["access_token"].as_str().expect("a token"));
    assert_eq!(bot.refused_code("{ groups { totalCount } }").await, None);
    assert_eq!(bot.refused_code("{ users { totalCount } }").await.as_deref(), Some("FORBIDDEN"), "the narrower scope");
    let answer = form("grant_type=client_credentials").basic_auth("ci", Some(&secret)).send().await.expect("an answer");
    let body: Value = answer.json().await.expect("JSON");
    let wide = owner.with_token(body["access_token"].as_str().expect("a token"));
    assert_eq!(wide.refused_code("{ users { totalCount } }").await, None);
    for (request, status, error) in [
        (form("grant_type=client_credentials").basic_auth("ci", Some("rca_wrong")), 401, "invalid_client"),
        (form("grant_type=client_credentials").basic_auth("other", Some(&secret)), 401, "invalid_client"),
        (form("grant_type=client_credentials"), 401, "invalid_client"),
        (form(&posted).basic_auth("ci", Some(&secret)), 400, "invalid_request"),
        (form("grant_type=password").basic_auth("ci", Some(&secret)), 400, "unsupported_grant_type"),
        (form("").basic_auth("ci", Some(&secret)), 400, "invalid_request"),
        (
            form("grant_type=client_credentials&scope=org_management").basic_auth("ci", Some(&secret)),
            400,
            "invalid_scope",
        ),
        (form("grant_type=client_credentials&scope=nope").basic_auth("ci", Some(&secret)), 400, "invalid_scope"),
        (http.post(&token).json(&json!({})), 400, "invalid_request"),
    ] {
        let answer = request.send().await.expect("an answer");
        let got = answer.status().as_u16();
        let body: Value = answer.json().await.expect("JSON");
        assert_eq!((got, &body["error"]), (status, &json!(error)));
    }
    // Ten minutes later it is over, and with its token it is over at once.
    app.clock.advance(std::time::Duration::from_secs(601));
    assert!(!wide.is_in().await);
    let answer = form("grant_type=client_credentials").basic_auth("ci", Some(&secret)).send().await.expect("an answer");
    let body: Value = answer.json().await.expect("JSON");
    let next = owner.with_token(body["access_token"].as_str().expect("a token"));
    assert!(next.is_in().await);
    let owner = acme.owner.sign_in().await;
    owner.done("revokeToken", json!({"tokenId": made["token"]["id"]}), "token { state }").await;
    assert!(!next.is_in().await && !owner.with_token(&secret).is_in().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn m6_what_a_directory_asked_for_is_told_with_what_came_of_it() {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let ada = acme.scim.make("/Users", &user("ada")).await;
    let path = format!("/Users/{ada}");
    let title = json!([{"op": "Replace", "path": "title", "value": "x"}]);
    acme.scim.patch(&path, title.clone()).await.expect(200);
    acme.scim.patch(&path, title).await.expect(200);
    acme.scim.post("/Users", &user("ADA")).await.refused(409, Some("uniqueness"));
    acme.scim.get(&path).await.expect(200);
    acme.scim.delete(&path).await.expect(204);
    let owner = acme.owner.sign_in().await;
    let query = "query Log($filter: ProvisioningEventFilter) { provisioningEvents(filter: $filter) { totalCount filteredCount nodes { id method path \
        resourceType outcome status scimType detail tolerances requestId directory { displayName } } } }";
    let log = owner.ask(query, json!({})).await.data()["provisioningEvents"].clone();
    let told: Vec<(&str, &str, u64)> = log["nodes"]
        .as_array()
        .expect("nodes")
        .iter()
        .rev()
        .map(|one| {
            (
                one["method"].as_str().expect("text"),
                one["outcome"].as_str().expect("text"),
                one["status"].as_u64().expect("a number"),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("POST", "APPLIED", 201),
            ("PATCH", "APPLIED", 200),
            ("PATCH", "UNCHANGED", 200),
            ("POST", "REFUSED", 409),
            ("DELETE", "APPLIED", 204),
        ],
        "writes and refusals, not reads"
    );
    let refused = &log["nodes"][1];
    assert_eq!((&refused["scimType"], &refused["resourceType"]), (&json!("uniqueness"), &json!("User")));
    assert!(!refused["detail"].as_str().expect("a reason").to_lowercase().contains("ada"), "no value of a person");
    assert_eq!(log["nodes"][2]["path"], json!(path));
    let found = owner.ask(query, json!({"filter": {"outcome": "REFUSED"}})).await.data();
    assert_eq!(
        (&found["provisioningEvents"]["filteredCount"], &found["provisioningEvents"]["totalCount"]),
        (&json!(1), &json!(5))
    );
    let node = owner
        .ask(
            "query One($id: ID!) { node(id: $id) { ... on ProvisioningEvent { status } } }",
            json!({"id": refused["id"]}),
        )
        .await
        .data();
    assert_eq!(node["node"]["status"], 409);
}
