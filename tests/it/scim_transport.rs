//! C0: connection, dialect, transport.

use std::num::NonZeroU32;

use rollcall::domain::directory::{DirectoryDraft, Scope};
use scim::Dialect;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{TestApp, user};

#[tokio::test(flavor = "multi_thread")]
async fn c1_a_token_is_one_directory_of_one_organization() {
    let app = TestApp::start().await;
    let (acme, globex) = (app.tenant("acme").await.scim, app.tenant("globex").await.scim);
    let id = acme.make_user("ada").await;
    acme.get(&format!("/Users/{id}")).await.expect(200);
    globex.get(&format!("/Users/{id}")).await.refused(404, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn c2_the_strict_dialect_refuses_what_the_lenient_ones_read() {
    let app = TestApp::start().await;
    let sloppy = json!({"userName": "ada", "active": "True", "shoeSize": 9});
    for (name, dialect) in [("a-1", Dialect::Auto), ("a-2", Dialect::Okta), ("a-3", Dialect::Entra)] {
        let draft = DirectoryDraft { dialect, ..DirectoryDraft::named("D") };
        let created = app.tenant_with(name, draft).await.scim.post("/Users", &sloppy).await.expect(201);
        assert_eq!(created["active"], true);
    }
    app.scim(Dialect::Rfc).await.post("/Users", &sloppy).await.refused(400, Some("invalidSyntax"));
}

#[tokio::test(flavor = "multi_thread")]
async fn c3_bodies_are_scim_json_or_json_in_utf8() {
    let scim = TestApp::start().await.scim(Dialect::Auto).await;
    let body = |name: &str| user(name).to_string().into_bytes();
    for (index, media_type) in [
        "application/scim+json",
        "application/json",
        "application/json; charset=utf-8",
        "APPLICATION/JSON;charset=\"UTF-8\"",
    ]
    .iter()
    .enumerate()
    {
        scim.send("POST", "/Users", Some((media_type, body(&format!("u{index}"))))).await.expect(201);
    }
    for media_type in ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16", "json"] {
        scim.send("POST", "/Users", Some((media_type, body("x")))).await.refused(415, None);
    }
    let zipped = scim.with_header("content-encoding", "gzip");
    zipped.send("POST", "/Users", Some(("application/json", body("x")))).await.refused(415, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn c4_answers_are_scim_json_whatever_is_accepted() {
    let app = TestApp::start().await;
    let lenient = app.scim(Dialect::Auto).await;
    for accept in ["*/*", "application/json", "application/scim+json", "text/html"] {
        let answer = lenient.with_header("accept", accept).get("/Users").await;
        assert_eq!((answer.status, answer.header("content-type")), (200, "application/scim+json"), "{accept}");
    }
    let draft = DirectoryDraft { dialect: Dialect::Rfc, ..DirectoryDraft::named("D") };
    let strict = app.tenant_with("strict", draft).await.scim;
    strict.with_header("accept", "text/html").get("/Users").await.refused(406, None);
    strict.with_header("accept", "text/html, application/json;q=0.5").get("/Users").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn c5_other_versions_are_named_and_a_trailing_slash_is_fine() {
    let app = TestApp::start().await;
    let scim = app.scim(Dialect::Auto).await;
    scim.get("/Users/").await.expect(200);
    let id = scim.make("/Users/", &user("ada")).await;
    scim.get(&format!("/Users/{id}/?attributes=userName")).await.expect(200);
    for version in ["v1", "v3"] {
        let other = scim.at(format!("{}/scim/{version}", app.url));
        other.get("/Users").await.refused(400, Some("invalidVers"));
        other.post("/Users", &user("x")).await.refused(400, Some("invalidVers"));
    }
    assert!(!scim.base.contains('_'));
}

#[tokio::test(flavor = "multi_thread")]
async fn c6_unknown_query_parameters_are_ignored() {
    let scim = TestApp::start().await.scim(Dialect::Rfc).await;
    for path in ["/Users?aadOptscim062020", "/Users?aadOptscim062020=1&x=y", "/ServiceProviderConfig?x", "/Groups?=&&a"]
    {
        scim.get(path).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c7_without_a_valid_token_401_with_a_challenge() {
    let scim = TestApp::start().await.scim(Dialect::Auto).await;
    let token = scim.token.clone().expect("a token");
    let truncated = &token[..token.len() - 1];
    let mut refusals = vec![scim.with_token(None).get("/Users").await];
    for wrong in ["", "x", "rcs_", truncated, &format!("{token}a"), &token.to_uppercase()] {
        refusals.push(scim.with_token(Some(wrong)).get("/Users").await);
    }
    let without = scim.with_token(None);
    for value in [format!("Basic {token}"), token.clone(), "Bearer".to_owned(), "Bearer  ".to_owned()] {
        refusals.push(without.with_header("authorization", &value).get("/Users").await);
    }
    refusals.push(scim.with_header("authorization", &format!("Bearer {token}")).get("/Users").await);
    refusals.push(without.get(&format!("/Users?access_token={token}")).await);
    for answer in refusals {
        assert!(answer.header("www-authenticate").starts_with("Bearer"));
        answer.refused(401, None);
    }
    scim.with_token(None).with_header("authorization", &format!("bearer {token}")).get("/Users").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn c8_a_token_of_another_scope_is_403_before_anything_is_looked_up() {
    let app = TestApp::start().await;
    let scoped = |scopes: &[Scope]| DirectoryDraft { scopes: scopes.to_vec(), ..DirectoryDraft::named("S") };
    let tenant = app.tenant("acme").await;
    let id = tenant.scim.make_user("ada").await;
    let (_, users) = app.directory(tenant.id, DirectoryDraft { name: "U".into(), ..scoped(&[Scope::Users]) }).await;
    let (_, groups) = app.directory(tenant.id, DirectoryDraft { name: "G".into(), ..scoped(&[Scope::Groups]) }).await;
    let reader = DirectoryDraft { name: "R".into(), ..scoped(&[Scope::Users, Scope::Groups, Scope::ReadOnly]) };
    let (_, reader) = app.directory(tenant.id, reader).await;

    users.get("/Groups").await.refused(403, None);
    users.post("/Groups", &crate::support::group("x")).await.refused(403, None);
    groups.get(&format!("/Users/{id}")).await.refused(403, None);
    groups.get("/Users/nobody").await.expect(404);
    for path in [format!("/Users/{id}"), "/Users".to_owned(), "/Groups".to_owned()] {
        reader.get(&path).await.expect(200);
    }
    reader.post("/Users", &user("x")).await.refused(403, None);
    reader.put(&format!("/Users/{id}"), &user("x")).await.refused(403, None);
    reader
        .patch(&format!("/Users/{id}"), json!([{"op": "replace", "value": {"active": false}}]))
        .await
        .refused(403, None);
    reader.delete(&format!("/Users/{id}")).await.refused(403, None);
    assert_eq!(tenant.scim.get(&format!("/Users/{id}")).await.expect(200)["active"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn c9_unknown_paths_404_wrong_methods_405_and_head_mirrors_get() {
    let scim = TestApp::start().await.scim(Dialect::Auto).await;
    for path in ["/nothing", "/Users/a/b", "/Mine"] {
        scim.get(path).await.refused(404, None);
    }
    for (method, path, allowed) in [
        ("DELETE", "/Users", "GET"),
        ("POST", "/Schemas", "GET"),
        ("POST", "/Users/01900000-0000-7000-8000-000000000000", "PATCH"),
        ("PUT", "/ServiceProviderConfig", "GET"),
    ] {
        let answer = scim.send(method, path, None).await;
        assert!(answer.header("allow").contains(allowed), "{method} {path}: {}", answer.header("allow"));
        answer.refused(405, None);
    }
    scim.send("TRACE", "/Users", None).await.refused(405, None);
    let head = scim.send("HEAD", "/Users", None).await;
    assert_eq!((head.status, head.header("content-type"), head.text.as_str()), (200, "application/scim+json", ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn c10_c11_what_is_not_json_is_refused_in_json() {
    let scim = TestApp::start().await.scim(Dialect::Auto).await;
    let deep = format!("{{\"userName\":\"a\",\"x\":{}1{}}}", "[".repeat(40), "]".repeat(40));
    for body in ["", "{", "[]", "null", "\"x\"", r#"{"userName":"a","USERNAME":"b"}"#, "{} x", "\u{feff}{}", &deep] {
        let sent = Some(("application/scim+json", body.as_bytes().to_vec()));
        scim.send("POST", "/Users", sent).await.refused(400, Some("invalidSyntax"));
    }
    assert_eq!(scim.count("/Users", "userName pr").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn c10_sizes_are_limited_and_say_so() {
    let app = TestApp::start_configured(|config| config.limits.body_bytes = 2_000).await;
    let scim = app.scim(Dialect::Auto).await;
    let mut large = user("ada");
    large["title"] = json!("x".repeat(2_000));
    let refusal = scim.post("/Users", &large).await.refused(413, None);
    assert!(refusal["detail"].as_str().expect("text").contains("2000"));
    scim.get(&format!("/Users?x={}", "y".repeat(40_000))).await.refused(414, None);
    scim.with_header("x-large", &"y".repeat(20_000)).get("/Users").await.refused(431, None);
    scim.get("/Users").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn c12_c13_errors_are_scim_errors_with_the_request_id() {
    let scim = TestApp::start().await.scim(Dialect::Auto).await;
    scim.make_user("ada@example.com").await;
    let answer = scim.post("/Users", &user("ADA@example.com")).await;
    let id = answer.header("x-request-id").to_owned();
    let answer_text = answer.text.clone();
    let body = answer.refused(409, Some("uniqueness"));
    assert!(answer_text.contains(&format!("userName is already in use (request {id})")));
    assert!(!body.to_string().contains("ada@example.com"), "no one's data");
}

#[tokio::test(flavor = "multi_thread")]
async fn c14_requests_of_one_directory_are_limited_and_of_another_not() {
    let limited = |config: &mut rollcall::config::Config| {
        config.limits.directory_requests_per_second = 1;
        config.limits.directory_burst = 5;
    };
    let app = TestApp::start_configured(limited).await;
    let (acme, globex) = (app.tenant("acme").await.scim, app.tenant("globex").await.scim);
    let mut answers = Vec::new();
    for _ in 0..8 {
        answers.push(acme.get("/Users?count=0").await);
    }
    assert!(answers[..5].iter().all(|answer| answer.status == 200));
    let refused = answers.pop().expect("the eighth");
    let seconds: NonZeroU32 = refused.header("retry-after").parse().expect("whole seconds");
    assert!(seconds.get() <= 10);
    refused.refused(429, None);
    globex.get("/Users?count=0").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn c15_do06_a_client_that_dribbles_is_cut_off() {
    let hasty = |config: &mut rollcall::config::Config| {
        config.server.header_time_seconds = 1;
        config.server.body_time_seconds = 1;
    };
    let app = TestApp::start_configured(hasty).await;
    let scim = app.scim(Dialect::Auto).await;
    let address = app.url.trim_start_matches("http://").to_owned();

    let mut silent = TcpStream::connect(&address).await.expect("connected");
    silent.write_all(b"GET /scim/v2/Users HTTP/1.1\r\nHost: x\r\nX-Slow: ").await.expect("sent");
    let mut read = Vec::new();
    let closed = tokio::time::timeout(std::time::Duration::from_secs(10), silent.read_to_end(&mut read)).await;
    assert!(closed.is_ok(), "headers that never end");

    for said in ["", "PRI * HTTP/2.0\r\n"] {
        let mut silent = TcpStream::connect(&address).await.expect("connected");
        silent.write_all(said.as_bytes()).await.expect("sent");
        let mut read = Vec::new();
        let closed = tokio::time::timeout(std::time::Duration::from_secs(10), silent.read_to_end(&mut read)).await;
        assert!(closed.is_ok(), "a client that says no more than {said:?}");
    }

    let mut slow = TcpStream::connect(&address).await.expect("connected");
    let token = scim.token.clone().expect("a token");
    let head = format!(
        "POST /scim/v2/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/scim+json\r\nContent-Length: 100\r\n\r\n{{"
    );
    slow.write_all(head.as_bytes()).await.expect("sent");
    let mut read = vec![0; 64];
    let answered = tokio::time::timeout(std::time::Duration::from_secs(10), slow.read(&mut read)).await;
    let length = answered.expect("in time").expect("an answer");
    assert!(String::from_utf8_lossy(&read[..length]).starts_with("HTTP/1.1 408"), "a body that never ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn o05_a_client_that_does_not_take_its_answers_is_cut_off() {
    const REQUESTS: usize = 2_000;
    let app = TestApp::start_configured(|config| config.server.body_time_seconds = 1).await;
    let mut idle = TcpStream::connect(app.url.trim_start_matches("http://")).await.expect("connected");
    let request = "GET /scim/v2/Schemas HTTP/1.1\r\nHost: x\r\n\r\n";
    // More than the system takes for somebody who does not read. The server may be gone before all of it is sent.
    let (mut reading, mut writing) = idle.split();
    let asking = async {
        for _ in 0..REQUESTS {
            if writing.write_all(request.as_bytes()).await.is_err() {
                break;
            }
        }
    };
    drop(tokio::time::timeout(std::time::Duration::from_secs(4), asking).await);
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
    let mut answers = Vec::new();
    let ended = tokio::time::timeout(std::time::Duration::from_secs(10), reading.read_to_end(&mut answers)).await;
    assert!(ended.is_ok(), "the connection is closed");
    let answered = String::from_utf8_lossy(&answers).matches("HTTP/1.1 200").count();
    assert!(answered < REQUESTS, "{answered} were answered to nobody");
}

#[tokio::test(flavor = "multi_thread")]
async fn sc22_c138_locations_are_ours_whatever_the_host_header_says() {
    let app = TestApp::start_configured(|config| config.server.public_url = "https://id.example.com".to_owned()).await;
    let scim = app.scim(Dialect::Auto).await.with_header("host", "evil").with_header("x-forwarded-host", "evil");
    let answer = scim.post("/Users", &user("ada")).await;
    let location = answer.header("location").to_owned();
    assert!(location.starts_with("https://id.example.com/scim/v2/Users/"), "{location}");
    assert_eq!(answer.expect(201)["meta"]["location"], location);
}

/// What a browser is told: the status, and whom it may let read the answer.
async fn asked_by_page(app: &TestApp, origin: &str, method: reqwest::Method) -> (u16, Option<String>, String) {
    let request =
        crate::support::http().build().expect("a client").request(method, format!("{}/scim/v2/Users", app.url));
    let request = request.header("origin", origin).header("access-control-request-method", "PATCH");
    let answer = request.header("access-control-request-headers", "authorization").send().await.expect("an answer");
    let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().expect("text").to_owned());
    let methods = header("access-control-allow-methods").unwrap_or_default();
    (answer.status().as_u16(), header("access-control-allow-origin"), methods)
}

#[tokio::test(flavor = "multi_thread")]
async fn c141_only_pages_that_a_setting_names_may_call_from_a_browser() {
    let page = "https://scimvalidator.microsoft.com";
    let closed = TestApp::start().await;
    assert_eq!(asked_by_page(&closed, page, reqwest::Method::OPTIONS).await, (405, None, String::new()));
    let open = TestApp::start_configured(|config| config.scim.browser_origins = vec![page.to_owned()]).await;
    let (status, origin, methods) = asked_by_page(&open, page, reqwest::Method::OPTIONS).await;
    assert_eq!((status, origin.as_deref(), methods.contains("PATCH")), (200, Some(page), true), "without a token");
    let refused = asked_by_page(&open, page, reqwest::Method::GET).await;
    assert_eq!((refused.0, refused.1.as_deref()), (401, Some(page)), "the page may read why");
    for stranger in ["https://evil.example", "null", "https://scimvalidator.microsoft.com.evil.example"] {
        assert_eq!(asked_by_page(&open, stranger, reqwest::Method::OPTIONS).await.1, None, "{stranger}");
    }
    let graphql = crate::support::http().build().expect("a client").post(format!("{}/graphql", open.url));
    let graphql = graphql.header("origin", page).header("content-type", "application/json").body("{}");
    let graphql = graphql.send().await.expect("an answer");
    assert!(!graphql.headers().contains_key("access-control-allow-origin"), "SCIM alone is open");
}

#[test]
fn c141_what_is_no_origin_is_refused_at_the_start() {
    for bad in ["*", "https://a.example/", "https://a.example/path", "a.example", "HTTPS://a.example"] {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), format!("[scim]\nbrowser_origins = [\"{bad}\"]\n")).expect("written");
        assert!(rollcall::config::Config::load(Some(file.path())).is_err(), "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_not_cached_nor_sniffed_nor_signed_with_a_version() {
    let scim = TestApp::start().await.scim(Dialect::Auto).await;
    let answer = scim.get("/Users").await;
    assert_eq!((answer.header("cache-control"), answer.header("x-content-type-options")), ("no-store", "nosniff"));
    assert_eq!(answer.header("server"), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_readiness_answer_without_a_token() {
    let app = TestApp::start().await;
    let bare = app.scim(Dialect::Auto).await.with_token(None).at(app.url.clone());
    assert_eq!(bare.get("/healthz").await.text, "ok\n");
    assert_eq!(bare.get("/readyz").await.text, "ready\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn c137_a_directory_is_nobody() {
    let app = TestApp::start().await;
    let scim = app.tenant("acme").await.scim;
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
        let answer = scim.send(method, "/Me", None).await;
        assert_eq!(answer.status, 501, "{method}");
        assert_eq!(answer.json()["status"], "501");
        assert_eq!(scim.with_token(None).send(method, "/Me", None).await.status, 401, "who asks comes first");
    }
}
