//! Traces, against a collector of our own: what it is sent, and what is not in it.

use std::process::{Command, Stdio};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::cli::Running;
use crate::support::{Person, http, user};

/// The trace that a caller says it belongs to.
const CALLERS_TRACE: u128 = 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c;

async fn collect(State(batches): State<UnboundedSender<Bytes>>, headers: HeaderMap, batch: Bytes) {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    batches.send(batch).expect("the test goes on");
}

/// A collector: where it is, and what it is sent.
async fn collector() -> (String, UnboundedReceiver<Bytes>) {
    let (sender, batches) = unbounded_channel();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let router = Router::new().route("/v1/traces", post(collect)).with_state(sender);
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, batches)
}

fn demo(collector: &str, sampling_ratio: &str) -> Running {
    let process = Command::new(env!("CARGO_BIN_EXE_rollcall"))
        .args(["demo", "--listen", "127.0.0.1:0", "--json"])
        .env("ROLLCALL__TELEMETRY__OTLP_ENDPOINT", collector)
        .env("ROLLCALL__TELEMETRY__SAMPLING_RATIO", sampling_ratio)
        .env("NO_PROXY", "127.0.0.1")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    Running::reading(process)
}

fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}

/// Makes a user over SCIM, as part of the caller's trace, and asks over GraphQL who one is; then stops the server.
async fn use_and_stop(server: Running, traceparent: &str) -> Vec<String> {
    let contract = server.json();
    let (url, acme) = (text(&contract["url"]), &contract["organizations"][0]);
    let (token, email, password) =
        (text(&acme["scim"]["token"]), text(&acme["owner"]["email"]), text(&acme["owner"]["password"]));
    let made = http().build().expect("a client").post(format!("{url}/scim/v2/Users?c4n4ry=1"));
    let made = made.bearer_auth(token).header("traceparent", traceparent).header("tracestate", "v=c4n4ry");
    let made = made.header("content-type", "application/scim+json").body(user("c4n4ry").to_string()).send().await;
    let made = made.expect("an answer");
    let request = made.headers()["x-request-id"].to_str().expect("text").to_owned();
    assert_eq!(made.status(), 201);
    let made: Value = serde_json::from_str(&made.text().await.expect("text")).expect("JSON");
    let person = Person::new(url, email, password).sign_in().await;
    person.me("user { id }").await;
    person.ask("{ c4n4ry }", json!({})).await;
    let secret = [token, email, password, text(&made["id"]), "c4n4ry", "acme"].map(str::to_owned);
    assert!(server.stop(), "it stops well");
    [vec![request], secret.to_vec()].concat()
}

fn sent(mut batches: UnboundedReceiver<Bytes>) -> Vec<u8> {
    std::iter::from_fn(|| batches.try_recv().ok()).flatten().collect()
}

fn times(sent: &[u8], part: &[u8]) -> usize {
    sent.windows(part.len()).filter(|window| *window == part).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_a_trace_that_names_nobody_and_is_sent_before_the_server_ends() {
    let (url, batches) = collector().await;
    let traceparent = format!("00-{CALLERS_TRACE:032x}-b7ad6b7169203331-01");
    let told = use_and_stop(demo(&url, "1"), &traceparent).await;
    let sent = sent(batches);
    for part in [
        "service.name",
        "rollcall",
        "POST /scim/v2/Users",
        "POST /graphql",
        "graphql.operation",
        "[\"me\"]",
        "[\"login\"]",
        "store.query",
        "store.commit",
        "http.response.status_code",
        &told[0],
    ] {
        assert!(times(&sent, part.as_bytes()) > 0, "{part}: {}", String::from_utf8_lossy(&sent));
    }
    let of_the_callers = times(&sent, &CALLERS_TRACE.to_be_bytes());
    assert!(of_the_callers >= 3, "the request, its queries, its commit: {of_the_callers}");
    for secret in &told[1..] {
        assert_eq!(times(&sent, secret.as_bytes()), 0, "{secret}: {}", String::from_utf8_lossy(&sent));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_sampled_is_not_sent_unless_the_caller_traces_it() {
    let (url, batches) = collector().await;
    use_and_stop(demo(&url, "0"), &format!("00-{CALLERS_TRACE:032x}-b7ad6b7169203331-01")).await;
    let traced = sent(batches);
    assert_eq!(times(&traced, b"POST /scim/v2/Users"), 1);
    assert_eq!(times(&traced, b"POST /graphql"), 0);

    let (url, batches) = collector().await;
    use_and_stop(demo(&url, "0"), "00-nonsense").await;
    assert!(sent(batches).is_empty());
}
