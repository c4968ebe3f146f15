//! Sizes: what is too large is refused before it is read, kept or answered.

use std::time::Duration;

use rollcall::config::Config;
use rollcall::domain::Caller;
use scim::Dialect;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Scim, TestApp, filtered, user};

/// The answer to the head of a request, its body never sent whole, and whether the server then closed the connection.
async fn answer_to(app: &TestApp, head: &str, body: &str) -> (String, bool) {
    let mut stream = TcpStream::connect(app.url.trim_start_matches("http://")).await.expect("connected");
    stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await.is_ok();
    (String::from_utf8_lossy(&answer).to_ascii_lowercase(), closed)
}

/// A15.
#[tokio::test(flavor = "multi_thread")]
async fn a_declared_size_above_the_limit_is_refused_from_the_header_alone() {
    let app = TestApp::start().await;
    let token = app.scim(Dialect::Auto).await.token.expect("a token");
    let scim = format!("Authorization: Bearer {token}\r\nContent-Type: application/scim+json");
    let unknown = "01900000-0000-7000-8000-000000000000";
    let json = "Content-Type: application/json".to_owned();
    let form = "Content-Type: application/x-www-form-urlencoded".to_owned();
    let routes = [
        ("POST", "/scim/v2/Users".to_owned(), &scim),
        ("PUT", format!("/scim/v2/Users/{unknown}"), &scim),
        ("PATCH", format!("/scim/v2/Users/{unknown}"), &scim),
        ("POST", "/scim/v2/Users/.search".to_owned(), &scim),
        ("POST", "/scim/v2/Groups".to_owned(), &scim),
        ("PUT", format!("/scim/v2/Groups/{unknown}"), &scim),
        ("PATCH", format!("/scim/v2/Groups/{unknown}"), &scim),
        ("POST", "/scim/v2/Groups/.search".to_owned(), &scim),
        ("POST", "/scim/v2/.search".to_owned(), &scim),
        ("POST", "/scim/v2/Bulk".to_owned(), &scim),
        ("POST", "/graphql".to_owned(), &json),
        ("POST", "/oauth/token".to_owned(), &form),
        ("POST", "/verify-email".to_owned(), &form),
        ("POST", "/reset-password".to_owned(), &form),
        ("POST", "/invitation".to_owned(), &form),
    ];
    for (method, path, headers) in routes {
        let head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\nContent-Length: 200000000");
        let (answer, closed) = answer_to(&app, &head, "{").await;
        assert!(answer.starts_with("http/1.1 413"), "{method} {path}: {answer}");
        assert!(answer.contains("\r\nconnection: close\r\n"), "{method} {path}: {answer}");
        assert!(closed, "{method} {path}");
    }
}

/// A15.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_before_the_end_of_the_body_says_that_the_connection_ends() {
    let app = TestApp::start_configured(|config| config.server.body_time_seconds = 1).await;
    let scim = app.scim(Dialect::Auto).await;
    let token = scim.token.clone().expect("a token");
    let signed_in = format!("Authorization: Bearer {token}\r\nContent-Type: application/scim+json");
    for (what, headers, status) in [
        ("no token", "Content-Type: application/scim+json", 401),
        ("a body that stops", signed_in.as_str(), 408),
        ("a client that waits", "Content-Type: application/scim+json\r\nExpect: 100-continue", 401),
    ] {
        let head = format!("POST /scim/v2/Users HTTP/1.1\r\nHost: x\r\n{headers}\r\nContent-Length: 100");
        let body = if headers.contains("Expect") { "" } else { "{" };
        let (answer, closed) = answer_to(&app, &head, body).await;
        assert!(answer.starts_with(&format!("http/1.1 {status}")), "{what}: {answer}");
        assert!(answer.contains("\r\nconnection: close\r\n") && closed, "{what}: {answer}");
    }
    let mut large = user("ada");
    large["title"] = json!("x".repeat(5 << 20));
    scim.post("/Users", &large).await.refused(413, None);
    for (token, status) in [(scim.token.as_deref(), 201), (None, 401)] {
        let answer = scim.with_token(token).post("/Users", &user("ada")).await;
        assert_eq!((answer.status, answer.header("connection")), (status, ""), "a body that was read whole");
    }
}

/// Limits that are soon reached.
fn narrow(config: &mut Config) {
    config.scim.resource_bytes = 4_000;
    config.scim.list_bytes = LIST_BYTES;
}

const LIST_BYTES: usize = 16_000;

fn title(value: String) -> Value {
    json!([{"op": "replace", "path": "title", "value": value}])
}

/// A14, `decisions.md` 8.
#[tokio::test(flavor = "multi_thread")]
async fn a_resource_is_refused_what_would_grow_it_beyond_its_limit_and_nothing_else() {
    let app = TestApp::start_configured(narrow).await;
    let tenant = app.tenant("acme").await;
    let scim = &tenant.scim;
    let grown = |answer: crate::support::Answer| {
        let refusal = answer.refused(400, Some("invalidValue"));
        let detail = refusal["detail"].as_str().expect("text").to_owned();
        assert!(detail.contains("scim.resource_bytes") && detail.contains("4000"), "{detail}");
    };
    let large = json!({"userName": "ada", "title": "x".repeat(4_000)});
    grown(scim.post("/Users", &large).await);
    let ada = format!("/Users/{}", scim.make_user("ada").await);
    grown(scim.patch(&ada, title("x".repeat(4_000))).await);
    grown(scim.put(&ada, &large).await);
    let pieces: Vec<Value> = (0..60).map(|at| json!({"value": format!("{at:090}")})).collect();
    grown(scim.patch(&ada, json!([{"op": "add", "path": "phoneNumbers", "value": pieces}])).await);
    assert_eq!(scim.get(&ada).await.expect(200)["meta"]["version"], "W/\"1\"");

    let operator = Caller::operator(Some(tenant.id));
    let line = json!({"userName": "old", "title": "x".repeat(6_000), "active": true});
    let line = line.as_object().expect("an object").clone();
    let imported = app.service.import_users(&operator, vec![(1, line)], None).await.expect("imported");
    assert_eq!(imported.users, 1, "{imported:?}");
    let found = app.service.find_oversized(&operator).await.expect("looked at");
    assert_eq!(found.iter().map(|one| one.kind).collect::<Vec<_>>(), ["user"], "{found:?}");
    let old = format!("/Users/{}", found[0].id);
    for active in [false, true] {
        scim.patch(&old, json!([{"op": "replace", "path": "active", "value": active}])).await.expect(200);
    }
    scim.patch(&old, title("y".repeat(6_000))).await.expect(200);
    grown(scim.patch(&old, title("y".repeat(6_001))).await);
    grown(scim.patch(&old, json!([{"op": "add", "path": "nickName", "value": "n"}])).await);
    scim.patch(&old, title("y".repeat(5_000))).await.expect(200);
    grown(scim.patch(&old, title("y".repeat(5_001))).await);
    scim.delete(&old).await.expect(204);
    assert!(app.service.find_oversized(&operator).await.expect("looked at").is_empty());
}

/// Every page of a list from its beginning; each within the limit, and true to what it says.
async fn pages(scim: &Scim, path: &str, total: usize, by_cursor: bool) -> Vec<Vec<String>> {
    let joint = if path.contains('?') { '&' } else { '?' };
    let (mut pages, mut seen, mut next) = (Vec::new(), 0, String::new());
    loop {
        let place = if by_cursor { format!("cursor={next}") } else { format!("startIndex={}", seen + 1) };
        let answer = scim.get(&format!("{path}{joint}count=1000&{place}")).await;
        let length = answer.text.len();
        let page = answer.expect(200);
        let ids: Vec<String> = page["Resources"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|resource| resource["id"].as_str().expect("an id").to_owned())
            .collect();
        assert!(length <= LIST_BYTES || ids.len() == 1, "{path}: {length} bytes");
        assert_eq!((&page["totalResults"], &page["itemsPerPage"]), (&json!(total), &json!(ids.len())), "{path}");
        assert!(!ids.is_empty(), "{path}: a page has at least one");
        seen += ids.len();
        pages.push(ids);
        page["nextCursor"].as_str().unwrap_or_default().clone_into(&mut next);
        let is_over = if by_cursor { next.is_empty() } else { seen >= total };
        if is_over {
            return pages;
        }
        assert!(seen < total, "{path}: more than there are");
    }
}

/// A14, `decisions.md` 8.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_has_as_many_resources_as_fit_in_its_bytes_and_says_how_many() {
    const USERS: usize = 23;
    let app = TestApp::start_configured(narrow).await;
    let tenant = app.tenant("acme").await;
    let scim = &tenant.scim;
    let mut made = Vec::new();
    for index in 0..USERS {
        let body =
            json!({"userName": format!("u{index:02}"), "title": "x".repeat(1_500), "nickName": format!("n{index}")});
        made.push(scim.make("/Users", &body).await);
    }
    for path in [
        "/Users".to_owned(),
        "/Users?attributes=userName,title".to_owned(),
        "/Users?sortBy=userName".to_owned(),
        "/Users?sortBy=nickName".to_owned(),
        filtered("/Users", "userName sw \"u\""),
        filtered("/Users", "nickName pr and not (title eq \"y\")"),
        format!("{}&sortBy=nickName&attributes=title", filtered("/Users", "title co \"xx\"")),
    ] {
        for by_cursor in [false, true] {
            let pages = pages(scim, &path, USERS, by_cursor).await;
            assert!(pages.len() > 1, "{path}: {pages:?}");
            let mut all: Vec<&String> = pages.iter().flatten().collect();
            all.sort_unstable();
            let mut wanted: Vec<&String> = made.iter().collect();
            wanted.sort_unstable();
            assert_eq!(all, wanted, "{path}, by cursor: {by_cursor}");
        }
    }
    let ids: Vec<&str> = made.iter().map(String::as_str).collect();
    for index in 0..3 {
        scim.make_group(&format!("g{index}"), &ids).await;
    }
    for by_cursor in [false, true] {
        assert!(pages(scim, "/Groups", 3, by_cursor).await.len() > 1);
        assert_eq!(pages(scim, "/Groups?excludedAttributes=members", 3, by_cursor).await.len(), 1);
    }
    let everything: usize = pages(scim, "/", USERS + 3, false).await.iter().map(Vec::len).sum();
    assert_eq!(everything, USERS + 3);
}

/// A14: one resource beyond the bytes of a list is answered alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_has_one_resource_whatever_its_size() {
    let app = TestApp::start_configured(narrow).await;
    let tenant = app.tenant("acme").await;
    let lines = (0..3).map(|at| {
        let line = json!({"userName": format!("u{at}"), "title": "x".repeat(20_000), "active": true});
        (at, line.as_object().expect("an object").clone())
    });
    let operator = Caller::operator(Some(tenant.id));
    app.service.import_users(&operator, lines.collect(), None).await.expect("imported");
    for path in ["/Users".to_owned(), filtered("/Users", "title pr"), "/Users?attributes=title".to_owned()] {
        for by_cursor in [false, true] {
            let pages = pages(&tenant.scim, &path, 3, by_cursor).await;
            assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 1], "{path}");
        }
    }
}
