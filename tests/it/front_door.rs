//! Answers outside of the APIs: the page at `/`, and errors in a shape that each can read.

use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::support::TestApp;

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

async fn ask(app: &TestApp, method: Method, path: &str, accept: &str) -> Response {
    let http = crate::support::http().build().expect("a client");
    http.request(method, format!("{}{path}", app.url)).header("accept", accept).send().await.expect("an answer")
}

fn header(answer: &Response, name: &str) -> String {
    answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

/// D, "/, unknown paths, /graphql by browser".
#[tokio::test(flavor = "multi_thread")]
async fn the_root_says_what_the_server_is() {
    let app = TestApp::start().await;
    let page = ask(&app, Method::GET, "/", BROWSER).await;
    assert_eq!((page.status().as_u16(), header(&page, "content-type")), (200, "text/html; charset=utf-8".to_owned()));
    let html = page.text().await.expect("a page");
    for link in ["href=\"/graphiql\"", "href=\"/graphql/schema.graphql\"", "href=\"/scim/v2/ServiceProviderConfig\""] {
        assert!(html.contains(link), "{link}: {html}");
    }
    let text = ask(&app, Method::GET, "/", "*/*").await.text().await.expect("a text");
    assert!(text.contains("/scim/v2") && !text.contains('<'), "{text}");

    let without = TestApp::start_configured(|config| config.graphql.graphiql = false).await;
    for accept in [BROWSER, "*/*"] {
        let shown = ask(&without, Method::GET, "/", accept).await.text().await.expect("a text");
        assert!(!shown.contains("graphiql"), "{shown}");
    }
}

/// D, "/, unknown paths, /graphql by browser".
#[tokio::test(flavor = "multi_thread")]
async fn an_error_has_the_shape_of_its_path_and_then_of_its_client() {
    let app = TestApp::start().await;
    for (method, path, accept, status, kind) in [
        (Method::GET, "/nothing", "*/*", 404, "application/problem+json"),
        (Method::GET, "/nothing", BROWSER, 404, "text/html; charset=utf-8"),
        (Method::GET, "/graphiql/nothing", BROWSER, 404, "text/html; charset=utf-8"),
        (Method::DELETE, "/healthz", "*/*", 405, "application/problem+json"),
        (Method::GET, "/graphql", BROWSER, 405, "application/json; charset=utf-8"),
        (Method::GET, "/graphql/nothing", BROWSER, 404, "application/json; charset=utf-8"),
        (Method::POST, "/graphql/schema.graphql", "*/*", 405, "application/json; charset=utf-8"),
        (Method::GET, "/scim/v2/nothing", BROWSER, 404, "application/scim+json"),
        (Method::GET, "/scim/v3/Users", BROWSER, 400, "application/scim+json"),
    ] {
        let answer = ask(&app, method.clone(), path, accept).await;
        let met = (answer.status().as_u16(), header(&answer, "content-type"));
        assert_eq!(met, (status, kind.to_owned()), "{method} {path} {accept}");
        if status == 405 {
            assert!(!header(&answer, "allow").is_empty(), "{method} {path}");
        }
        let id = header(&answer, "x-request-id");
        let text = answer.text().await.expect("a body");
        if kind.starts_with("text/html") {
            assert!(text.contains("<main>"), "{path}: {text}");
            continue;
        }
        let body: Value = serde_json::from_str(&text).expect("JSON");
        match path.split('/').nth(1) {
            Some("graphql") => assert_eq!(body["errors"][0]["extensions"]["requestId"], json!(id), "{body}"),
            Some("scim") => assert_eq!(body["status"], status.to_string(), "{body}"),
            _ => assert_eq!((&body["status"], &body["requestId"]), (&json!(status), &json!(id)), "{body}"),
        }
    }
    let schema = ask(&app, Method::POST, "/graphql/schema.graphql", "*/*").await;
    assert!(header(&schema, "allow").contains("GET"), "as the router says");
}
