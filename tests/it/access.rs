//! Every route, with no and with wrong credentials: SC-04, SC-20, and that every service method asks first.

use std::path::Path;

use crate::support::TestApp;

const ID: &str = "01900000-0000-7000-8000-000000000000";

/// The routes of the SCIM face, read from the router's source so that a new one cannot escape.
fn routes() -> Vec<String> {
    let source =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api/scim/mod.rs")).expect("source");
    let (_, v2) = source.split_once("fn v2()").expect("the router");
    v2.match_indices(".route(\"")
        .filter_map(|(at, open)| v2[at + open.len()..].split('"').next())
        .map(str::to_owned)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn sc04_no_route_but_discovery_answers_without_a_token() {
    let app = TestApp::start().await;
    let tenant = app.tenant("acme").await;
    let token = tenant.scim.token.clone().expect("a token");
    let without = tenant.scim.with_token(None);
    let credentials = [
        without.clone(),
        without.with_header("authorization", ""),
        without.with_header("authorization", &format!("Basic {token}")),
        without.with_header("authorization", "Bearer rcs_0000000000000000000000000000000000000000000000000"),
        tenant.scim.with_header("authorization", &format!("Bearer {token}")),
        without.with_header("x-authorization", &format!("Bearer {token}")).with_header("x-http-method-override", "GET"),
    ];
    let routes = routes();
    assert!(routes.len() >= 11, "{routes:?}");
    let mut asked = 0;
    for route in routes {
        let discovery = route.starts_with("/ServiceProviderConfig")
            || route.starts_with("/ResourceTypes")
            || route.starts_with("/Schemas");
        let path = route.replace("{id}", ID).replace("{name}", "User").replace("{urn}", "x");
        for client in &credentials {
            for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"] {
                let body =
                    matches!(method, "POST" | "PUT" | "PATCH").then(|| ("application/scim+json", b"{}".to_vec()));
                let status = client.send(method, &format!("{path}?access_token={token}"), body).await.status;
                let read = discovery && matches!(method, "GET" | "HEAD");
                assert!(
                    matches!(status, 401 | 405) || (read && matches!(status, 200 | 404)),
                    "{method} {path}: {status}"
                );
                asked += 1;
            }
        }
    }
    assert!(asked > 300);
    assert_eq!(tenant.scim.get("/Users").await.expect(200)["totalResults"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn sc04_spellings_of_a_path_do_not_lead_around_the_door() {
    let app = TestApp::start().await;
    let bare = app.tenant("acme").await.scim.with_token(None).at(app.url.clone());
    for path in [
        "//scim/v2/Users",
        "/SCIM/v2/Users",
        "/scim/v2/users",
        "/scim/v2//Users",
        "/scim/v2/%2e%2e/v2/Users",
        "/scim/v2/Users;x",
        "/scim/v2/Users/",
        "/scim/v2/Users%2f",
        "/scim/v2/./Users",
        "/scim/v2/Users%00",
        "/scim/v2/Users?",
    ] {
        let status = bare.get(path).await.status;
        assert!(matches!(status, 401 | 404 | 400), "{path}: {status}");
    }
}

/// What needs no caller: signing in and out, links that prove themselves, and the server's own work.
const PUBLIC: &[&str] = &[
    "begin_provider_sign_in",
    "check_ready",
    "check_reset_link",
    "check_verification_link",
    "complete_password_reset",
    "decline_invitation",
    "deliver_mails",
    "exchange_token",
    "finish_provider_sign_in",
    "flush_provisioning",
    "forget_what_ended",
    "keep_house",
    "prepare",
    "preview_invitation",
    "public_keys",
    "purge_users",
    "request_password_reset",
    "rotate_signing_keys",
    "sign_in_directory",
    "sign_in_with_code",
    "sign_in_with_grant",
    "sign_in_with_password",
    "sign_in_with_refresh_token",
    "sign_in_with_token",
    "sign_out",
    "verify_email",
    "write_provisioning_events",
];

/// Takes a caller, but lets nobody in through it: the link is the proof, and a signed-in person joins as themselves.
const ASKS_LATER: &[&str] = &["accept_invitation"];

/// House style: every service method but signing in takes `&Caller` first and its first line asks.
#[test]
fn every_service_method_asks_for_access_on_its_first_line() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/service");
    let mut methods = 0;
    for entry in std::fs::read_dir(folder).expect("the folder") {
        let path = entry.expect("an entry").path();
        let source = std::fs::read_to_string(&path).expect("source");
        for (at, _) in source.match_indices("\n    pub async fn ") {
            let rest = &source[at + "\n    pub async fn ".len()..];
            let name = rest.split(['(', '<']).next().expect("a name");
            if PUBLIC.contains(&name) {
                continue;
            }
            let (head, body) = rest.split_once("{\n").expect("a body");
            let first = body.lines().next().expect("a line").trim();
            assert!(head.contains("caller: &Caller"), "{}: {name} takes no caller", path.display());
            if ASKS_LATER.contains(&name) {
                continue;
            }
            assert!(first.contains("caller.require"), "{}: {name} begins with `{first}`", path.display());
            methods += 1;
        }
    }
    assert!(methods >= 20, "{methods} methods were read");
}
