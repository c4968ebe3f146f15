//! Sizes: what is too large is refused before it is read, kept or answered.

use std::time::Duration;

use scim::Dialect;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{TestApp, user};

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
    for (token, status) in [(scim.token.as_deref(), 201), (None, 401)] {
        let answer = scim.with_token(token).post("/Users", &user("ada")).await;
        assert_eq!((answer.status, answer.header("connection")), (status, ""), "a body that was read whole");
    }
}
