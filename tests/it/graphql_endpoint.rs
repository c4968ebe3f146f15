//! The GraphQL endpoint: what it takes, what it answers, and what it refuses before it costs anything (GQ-01…16).

use std::time::{Duration, Instant};

use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::graphql_mfa::sample;
use crate::support::person::root_fields;
use crate::support::{Owned, Person, TestApp};

const GRAPHQL_JSON: &str = "application/graphql-response+json";

/// Everything that `extensions.code` may say.
const CODES: &[&str] = &[
    "GRAPHQL_PARSE_FAILED",
    "GRAPHQL_VALIDATION_FAILED",
    "BAD_USER_INPUT",
    "UNAUTHENTICATED",
    "MFA_REQUIRED",
    "STEP_UP_REQUIRED",
    "ACTION_REQUIRED",
    "FORBIDDEN",
    "NOT_FOUND",
    "RATE_LIMITED",
    "COMPLEXITY_EXCEEDED",
    "DOCUMENT_TOO_LARGE",
    "PERSISTED_QUERY_NOT_FOUND",
    "INTERNAL_SERVER_ERROR",
    "VALIDATION_FAILED",
    "INVALID_CURSOR",
    "INVALID_ARGUMENT_COMBINATION",
    "LIMIT_EXCEEDED",
    "TOKEN_INVALID",
];

fn http() -> Client {
    crate::support::http().build().expect("a client")
}

async fn send(app: &TestApp, kind: Option<&str>, accept: Option<&str>, body: impl Into<Vec<u8>>) -> Response {
    let mut request = http().post(format!("{}/graphql", app.url)).body(body.into());
    for (name, value) in [("content-type", kind), ("accept", accept)] {
        if let Some(value) = value {
            request = request.header(name, value);
        }
    }
    request.send().await.expect("an answer")
}

/// Asserts a refusal without data, with a code of the list and no word of the library's or the store's.
async fn refused(response: Response, status: u16, code: &str) -> Value {
    assert_eq!(response.status().as_u16(), status);
    let body: Value = response.json().await.expect("JSON");
    assert!(body.get("data").is_none(), "{body}");
    assert_eq!(body["errors"][0]["extensions"]["code"], code, "{body}");
    check_words(&body);
    body
}

/// GQ-14: no text of the library, the parser, the store or the file system.
fn check_words(body: &Value) {
    for error in body["errors"].as_array().into_iter().flatten() {
        let code = error["extensions"]["code"].as_str().unwrap_or_default();
        assert!(CODES.contains(&code), "not on the list: {error}");
        assert!(error["extensions"]["requestId"].is_string(), "{error}");
        let text = error["message"].as_str().expect("a message");
        for word in [
            "Database",
            "surreal",
            "SELECT ",
            "-->",
            "pest",
            "occurred while",
            "Failed to parse",
            "src/",
            ".rs",
            "panick",
            "expected ",
        ] {
            assert!(!text.contains(word), "{word}: {error}");
        }
    }
}

async fn world() -> (TestApp, Owned, Person) {
    let app = TestApp::start().await;
    let acme = app.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    (app, acme, owner)
}

#[tokio::test(flavor = "multi_thread")]
async fn gq03_only_post_runs_operations() {
    let app = TestApp::start().await;
    for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let url = format!("{}/graphql?query=%7B__typename%7D", app.url);
        let answer = http().request(method.clone(), url).send().await.expect("an answer");
        assert_eq!(
            (answer.status().as_u16(), answer.headers().get("allow").map(|allow| allow.to_str().expect("text"))),
            (405, Some("POST")),
            "{method}"
        );
        assert!(answer.headers().get("access-control-allow-origin").is_none(), "GQ-16");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gq04_gq05_simple_types_and_uploads_are_refused() {
    let app = TestApp::start().await;
    let body = json!({"query": "{ __typename }"}).to_string();
    for kind in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("multipart/form-data; boundary=x"),
        Some("application/json;x"),
        Some("application/json; charset=latin1"),
        Some("application/jsonp"),
        Some("application/graphql"),
    ] {
        refused(send(&app, kind, None, body.clone()).await, 415, "BAD_USER_INPUT").await;
    }
    for kind in [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=\"UTF-8\"",
    ] {
        assert_eq!(send(&app, Some(kind), None, body.clone()).await.status().as_u16(), 200, "{kind}");
    }
    let cookie = http().post(format!("{}/graphql", app.url)).header("cookie", "access_token=x; session=y");
    let answer = cookie.json(&json!({"query": "{ me { accountId } }"})).send().await.expect("an answer");
    let body: Value = answer.json().await.expect("JSON");
    assert_eq!(body["errors"][0]["extensions"]["code"], "UNAUTHENTICATED", "cookies are nothing here");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_have_the_type_that_was_asked_for() {
    let app = TestApp::start().await;
    let good = json!({"query": "{ __typename }"}).to_string();
    let bad = json!({"query": "{ nothing }"}).to_string();
    for (accept, kind, refusal) in [
        (None, "application/json; charset=utf-8", 200),
        (Some("*/*"), "application/json; charset=utf-8", 200),
        (Some("application/json"), "application/json; charset=utf-8", 200),
        (Some(GRAPHQL_JSON), "application/graphql-response+json; charset=utf-8", 400),
        (
            Some("application/graphql-response+json, application/json;q=0.9"),
            "application/graphql-response+json; charset=utf-8",
            400,
        ),
    ] {
        for (body, status) in [(&good, 200), (&bad, refusal)] {
            let answer = send(&app, Some("application/json"), accept, body.clone()).await;
            assert_eq!(answer.status().as_u16(), status, "{accept:?}");
            assert_eq!(answer.headers()["content-type"], kind);
            assert_eq!(answer.headers()["cache-control"], "no-store");
        }
    }
    for accept in ["text/html", "image/png", "application/json;q=0"] {
        refused(send(&app, Some("application/json"), Some(accept), good.clone()).await, 406, "BAD_USER_INPUT").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gq02_gq11_a_body_is_one_object_of_bounded_size() {
    let app = TestApp::start().await;
    for body in ["", "x", "[]", "[{\"query\":\"{ __typename }\"}]", "\"{ __typename }\"", "null", "{", "\u{feff}{}"] {
        refused(send(&app, Some("application/json"), None, body).await, 400, "BAD_USER_INPUT").await;
    }
    for body in [
        json!({"query": 1}),
        json!({"query": ["{ __typename }"]}),
        json!({"query": "{ __typename }", "variables": []}),
        json!({"query": "{ __typename }", "variables": "{}"}),
        json!({"query": "{ __typename }", "operationName": 1}),
        json!({"query": "{ __typename }", "extensions": "x"}),
        json!({"documentId": {}}),
    ] {
        refused(send(&app, Some("application/json"), None, body.to_string()).await, 400, "BAD_USER_INPUT").await;
    }
    for body in [json!({}), json!({"query": null}), json!({"id": "x"})] {
        refused(
            send(&app, Some("application/json"), Some(GRAPHQL_JSON), body.to_string()).await,
            400,
            "BAD_USER_INPUT",
        )
        .await;
    }
    let large = json!({"query": "{ __typename }", "extensions": {"x": "x".repeat(300_000)}});
    refused(send(&app, Some("application/json"), None, large.to_string()).await, 413, "DOCUMENT_TOO_LARGE").await;
    let long = json!({"query": format!("{{ __typename }} #{}", "x".repeat(17_000))});
    refused(
        send(&app, Some("application/json"), Some(GRAPHQL_JSON), long.to_string()).await,
        400,
        "DOCUMENT_TOO_LARGE",
    )
    .await;

    // A body without an end: it is read as far as the limit.
    let address = app.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let head =
        "POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("sent");
    let (mut reader, mut writer) = stream.into_split();
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x1_0000));
    let sending = tokio::spawn(async move {
        let mut sent = 0_usize;
        while sent < 100_000_000 && writer.write_all(chunk.as_bytes()).await.is_ok() {
            sent += 0x1_0000;
        }
        sent
    });
    let mut answer = vec![0; 64];
    let read = reader.read(&mut answer).await.expect("an answer");
    assert!(String::from_utf8_lossy(&answer[..read]).starts_with("HTTP/1.1 413 "));
    drop(reader);
    let sent = sending.await.expect("sent");
    assert!(sent < 20_000_000, "what lies in the sockets' buffers, not the whole: {sent}");
}

#[tokio::test(flavor = "multi_thread")]
async fn gq06_gq07_gq08_documents_made_to_hurt_are_refused_and_the_server_lives() {
    let (app, _, owner) = world().await;
    let deep = |levels: usize| format!("{}{{ id }}{}", "{ me ".repeat(levels), "}".repeat(levels));
    let bomb: String = (0..30)
        .map(|level| format!(" fragment F{level} on Viewer {{ ...F{next} ...F{next} }}", next = level + 1))
        .collect();
    let documents = [
        format!("{{ node(id: {}{}) {{ id }} }}", "[".repeat(1_600), "]".repeat(1_600)),
        format!("{{ node(id: {}{}) {{ id }} }}", "{a:".repeat(1_600), "}".repeat(1_600)),
        format!("{{ nodes(ids: {}{}) {{ id }} }}", "[".repeat(7_000), "]".repeat(7_000)),
        format!("query($x: {}ID{}) {{ __typename }}", "[".repeat(1_600), "]".repeat(1_600)),
        deep(2_000),
        deep(30),
        format!("{{ me {{ ...F0 }} }}{bomb}"),
        format!("{{ me {{ ...F0 }} }}{bomb} fragment F30 on Viewer {{ accountId }}"),
        "{ me { ...A } } fragment A on Viewer { ...B } fragment B on Viewer { ...A }".to_owned(),
        format!("{{ __typename {} }}", "@skip(if: false) ".repeat(900)),
        (0..1_000).fold("{".to_owned(), |text, index| text + &format!(" a{index}:me{{accountId}}")) + " }",
        (0..25).fold("{".to_owned(), |text, index| text + &format!(" a{index}:me{{accountId}}")) + " }",
        "{ me { memberships { organization { myMembership { user { emails(first: 100) { nodes { user { emails(first: 100) { nodes { user { id } } } } } } } } } } } }".to_owned(),
    ];
    for document in documents {
        let started = Instant::now();
        let answer = owner.post(&json!({ "query": document })).await;
        assert!(answer.body.get("data").is_none(), "{}: {}", &document[..40], answer.body);
        check_words(&answer.body);
        let code = answer.code().expect("a code");
        assert!(
            ["COMPLEXITY_EXCEEDED", "DOCUMENT_TOO_LARGE", "GRAPHQL_VALIDATION_FAILED", "GRAPHQL_PARSE_FAILED"]
                .contains(&code.as_str()),
            "{code}"
        );
        assert!(started.elapsed() < Duration::from_secs(2), "{}", &document[..40]);
    }
    // The values of variables nest as deep as JSON may, and not deeper.
    let nested = format!(
        "{{\"query\":\"query($x: [ID!]!) {{ nodes(ids: $x) {{ id }} }}\",\"variables\":{{\"x\":{}{}}}}}",
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    refused(send(&app, Some("application/json"), None, nested).await, 400, "BAD_USER_INPUT").await;
    let nested = format!(
        "{{\"query\":\"query($x: [ID!]!) {{ nodes(ids: $x) {{ id }} }}\",\"variables\":{{\"x\":{}{}}}}}",
        "[".repeat(100),
        "]".repeat(100)
    );
    refused(send(&app, Some("application/json"), Some(GRAPHQL_JSON), nested).await, 400, "BAD_USER_INPUT").await;
    assert!(owner.is_in().await, "it still serves");
}

#[tokio::test(flavor = "multi_thread")]
async fn gq01_one_request_tries_one_secret() {
    let (app, acme, owner) = world().await;
    let attempts: String = (0..20)
        .map(|index| {
            format!(
                " a{index}: login(input: {{email: \"{}\", password: \"wrong {index}\"}}) {{ clientMutationId }}",
                acme.owner.email
            )
        })
        .collect();
    for count in [2, 100] {
        let fields: Vec<String> = (0..count)
            .map(|index| {
                format!(
                    "a{index}: verifyMfa(input: {{challengeToken: \"x\", code: \"{index:06}\"}}) {{ clientMutationId }}"
                )
            })
            .collect();
        let answer = owner.signed_out().post(&json!({"query": format!("mutation {{ {} }}", fields.join(" "))})).await;
        assert_eq!(answer.code().as_deref(), Some("COMPLEXITY_EXCEEDED"));
    }
    for document in [
        format!("mutation {{ {attempts} }}"),
        "mutation { ...F ...G } fragment F on Mutation { a: logout(input: {}) { clientMutationId } b: verifyEmail(input: {token: \"x\"}) { clientMutationId } } \
         fragment G on Mutation { c: verifyEmail(input: {token: \"y\"}) { clientMutationId } }".to_owned(),
    ] {
        let answer = owner.signed_out().post(&json!({ "query": document })).await;
        assert_eq!(answer.code().as_deref(), Some("COMPLEXITY_EXCEEDED"), "{}", answer.body);
    }
    acme.owner.sign_in().await;
    assert_eq!(app.smtp.all().len(), 0, "nothing was tried");
}

#[tokio::test(flavor = "multi_thread")]
async fn gq01_attempts_from_one_address_are_bounded() {
    let app = TestApp::start_configured(|config| config.limits.sign_in_attempts_per_minute = 5).await;
    let acme = app.owned("acme").await;
    let mut limited = None;
    for index in 0..20 {
        let body = json!({"query": "mutation { verifyEmail(input: {token: \"rcv_x\"}) { userErrors { code } } }"});
        let response = acme.owner.request(&body).send().await.expect("an answer");
        if response.status().as_u16() == 429 {
            assert!(response.headers().get("retry-after").is_some());
            let body: Value = response.json().await.expect("JSON");
            assert_eq!(body["errors"][0]["extensions"]["code"], "RATE_LIMITED");
            limited = Some(index);
            break;
        }
    }
    assert_eq!(limited, Some(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn gq09_the_schema_is_told_to_whom_the_setting_says() {
    const ASK: &str = "{ __schema { queryType { name } } }";
    for (mode, signed_out, signed_in) in [("public", true, true), ("authenticated", false, true), ("off", false, false)]
    {
        let mode = serde_json::from_value(json!(mode)).expect("a mode");
        let app = TestApp::start_configured(|config| config.graphql.introspection = mode).await;
        let acme = app.owned("acme").await;
        let owner = acme.owner.sign_in().await;
        for (person, told) in [(owner.signed_out(), signed_out), (owner.clone(), signed_in)] {
            for ask in [
                ASK,
                "{ __type(name: \"User\") { name } }",
                "{ ...F } fragment F on Query { x: __schema { queryType { name } } }",
            ] {
                let answer = person.ask(ask, json!({})).await;
                assert_eq!(answer.code().is_none(), told, "{mode:?}: {}", answer.body);
            }
            let typename = person.ask("{ __typename }", json!({})).await;
            assert_eq!(typename.data()["__typename"], "Query", "costs nothing and tells nothing");
            // Names are suggested to those who may ask for all of them.
            let near = person.ask("{ mee { id } }", json!({})).await;
            assert_eq!(near.body.to_string().contains("did you mean me?"), told, "{mode:?}: {}", near.body);
        }
    }
    let (_app, _, owner) = world().await;
    let nested = "{ __schema { types { fields { type { fields { type { fields { type { fields { type { fields { name } } } } } } } } } } } }";
    assert_eq!(owner.ask(nested, json!({})).await.code().as_deref(), Some("COMPLEXITY_EXCEEDED"));
    let full = include_str!("../fixtures/introspection.graphql");
    let told = owner.ask(full, json!({})).await.data();
    assert!(told["__schema"]["types"].as_array().is_some_and(|types| types.len() > 100), "what tools ask is answered");
}

/// L-4: the file tells no more than introspection.
#[tokio::test(flavor = "multi_thread")]
async fn gq09_the_schema_as_text_is_told_to_whom_introspection_is() {
    for (mode, signed_out, signed_in) in [("public", 200, 200), ("authenticated", 401, 200), ("off", 404, 404)] {
        let mode = serde_json::from_value(json!(mode)).expect("a mode");
        let app = TestApp::start_configured(|config| config.graphql.introspection = mode).await;
        let acme = app.owned("acme").await;
        let owner = acme.owner.sign_in().await;
        let token = owner.token.expect("signed in");
        for (token, status) in [(None, signed_out), (Some("rca_x"), signed_out), (Some(token.as_str()), signed_in)] {
            let request = http().get(format!("{}/graphql/schema.graphql", app.url));
            let request = if let Some(token) = token { request.bearer_auth(token) } else { request };
            let answer = request.send().await.expect("an answer");
            assert_eq!(answer.status().as_u16(), status, "{mode:?}");
            let text = answer.text().await.expect("a body");
            assert_eq!(text.contains("type Query {"), status == 200, "{mode:?}");
            if status != 200 {
                check_words(&serde_json::from_str(&text).expect("a GraphQL error"));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gq10_lists_have_bounds() {
    let (_app, _, owner) = world().await;
    let ask =
        |arguments: &str| format!("{{ me {{ emails({arguments}) {{ nodes {{ id }} pageInfo {{ hasNextPage }} }} }} }}");
    for (arguments, size) in
        [("first: 0", 0), ("first: 1", 1), ("first: 101", 1), ("first: 1000000000", 1), ("last: 5", 1)]
    {
        let emails = owner.ask(&ask(arguments), json!({})).await.data()["me"]["emails"].clone();
        assert_eq!(emails["nodes"].as_array().map(Vec::len), Some(size), "{arguments}");
    }
    for (arguments, code) in [
        ("first: -1", "VALIDATION_FAILED"),
        ("last: -1", "VALIDATION_FAILED"),
        ("first: 1, last: 1", "INVALID_ARGUMENT_COMBINATION"),
        ("first: 1, after: \"nonsense\"", "INVALID_CURSOR"),
    ] {
        let answer = owner.ask(&ask(arguments), json!({})).await;
        assert_eq!(answer.code().as_deref(), Some(code), "{arguments}: {}", answer.body);
        assert_eq!(answer.body["data"]["me"]["emails"], Value::Null);
    }
    let many: Vec<&str> = std::iter::repeat_n("x", 101).collect();
    let answer = owner.ask("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", json!({ "ids": many })).await;
    assert_eq!(answer.code().as_deref(), Some("LIMIT_EXCEEDED"), "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn gq12_values_are_of_their_types() {
    let (_app, _, owner) = world().await;
    let login = "mutation($input: LoginInput!) { login(input: $input) { clientMutationId } }";
    let emails = "query($n: Int) { me { emails(first: $n) { totalCount } } }";
    for (document, variables) in [
        (emails, json!({"n": "5"})),
        (emails, json!({"n": 9_007_199_254_740_993_i64})),
        (emails, json!({"n": 1.5})),
        (emails, json!({"n": [1]})),
        (emails, json!({"n": true})),
        (login, json!({"input": null})),
        (login, json!({})),
        (login, json!({"input": {"email": "a@b.example"}})),
        (login, json!({"input": {"email": ["a@b.example"], "password": "x"}})),
        (login, json!({"input": {"email": "a@b.example", "password": "x", "isAdmin": true}})),
        ("mutation { login(input: {email: \"a\", password: 5}) { clientMutationId } }", json!({})),
        ("{ me { logins(state: GONE) { id } } }", json!({})),
        ("{ node { id } }", json!({})),
    ] {
        let response = owner
            .request(&json!({"query": document, "variables": variables}))
            .header("accept", GRAPHQL_JSON)
            .send()
            .await
            .expect("an answer");
        assert_eq!(response.status().as_u16(), 400, "{document} {variables}");
        let body: Value = response.json().await.expect("JSON");
        assert!(body.get("data").is_none(), "{document} {variables}: {body}");
        let code = body["errors"][0]["extensions"]["code"].as_str().unwrap_or_default();
        assert!(["BAD_USER_INPUT", "GRAPHQL_VALIDATION_FAILED"].contains(&code), "{body}");
        check_words(&body);
    }
}

/// D, "GraphQL input errors": unknown, missing and wrong fields are told apart.
#[tokio::test(flavor = "multi_thread")]
async fn input_that_does_not_fit_is_named_with_its_type() {
    let (_app, _, owner) = world().await;
    let login = "mutation($input: LoginInput!) { login(input: $input) { clientMutationId } }";
    let events = "query($filter: AuditEventFilter) { auditEvents(filter: $filter) { totalCount } }";
    for (document, variables, text) in [
        (login, json!({}), "the variable $input is missing: give a value of the type LoginInput!"),
        (login, json!({"input": {"email": "a"}}), "input.password is missing: give a value of the type String!"),
        (login, json!({"input": {"email": ["a"], "password": "x"}}), "input.email: give a value of the type String"),
        (
            login,
            json!({"input": {"email": "a", "password": "x", "deviceNam": "y"}}),
            "input: LoginInput has no field deviceNam; did you mean deviceName?",
        ),
        (events, json!({"filter": {"from": "yesterday"}}), "filter.from: give a value of the type DateTime"),
        (
            "{ users(frist: 1) { totalCount } }",
            json!({}),
            "there is no argument frist on the field users; did you mean first?",
        ),
        (
            "{ me { logins(state: ACTVE) { id } } }",
            json!({}),
            "state: ACTVE is no value of LoginState; did you mean ACTIVE?",
        ),
        ("{ node { id } }", json!({}), "the argument id of node is missing"),
        ("{ user(by: {}) { id } }", json!({}), "by: give exactly one of its fields, and not null"),
    ] {
        let answer = owner.ask(document, variables).await;
        assert_eq!(answer.body["errors"][0]["message"], text, "{document}");
        check_words(&answer.body);
    }
    let hidden =
        owner.signed_out().ask(login, json!({"input": {"email": "a", "password": "x", "deviceNam": "y"}})).await;
    assert_eq!(hidden.body["errors"][0]["message"], "input: LoginInput has no field deviceNam");
}

#[tokio::test(flavor = "multi_thread")]
async fn gq13_every_operation_asks_who_calls() {
    let (_app, _, owner) = world().await;
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
    let nobody = owner.signed_out();
    let (mut open, mut shut) = (0, 0);
    for name in root_fields("Mutation") {
        let answer = nobody.try_mutate(&name, sample(&name), "clientMutationId").await;
        check_words(&answer.body);
        if public.contains(&name.as_str()) {
            assert!(answer.body["data"][&name]["userErrors"].is_array(), "{name}: {}", answer.body);
            open += 1;
        } else {
            assert_eq!(answer.code().as_deref(), Some("UNAUTHENTICATED"), "{name}: {}", answer.body);
            assert!(answer.body["data"][&name].is_null());
            shut += 1;
        }
    }
    assert!(open == 9 && shut >= 23, "{open} {shut}");
    for (name, ask) in [
        ("me", "{ me { accountId } }"),
        ("node", "{ node(id: \"01900000-0000-7000-8000-000000000000\") { id } }"),
        ("nodes", "{ nodes(ids: [\"x\"]) { id } }"),
        ("organization", "{ organization { id } }"),
        ("accountPolicy", "{ accountPolicy { __typename } }"),
    ] {
        let answer = nobody.ask(ask, json!({})).await;
        assert_eq!(answer.code().as_deref(), Some("UNAUTHENTICATED"), "{name}: {}", answer.body);
    }
    for token in ["x", "rca_x", "rcs_x", "eyJhbGciOiJub25lIn0.e30."] {
        assert_eq!(nobody.with_token(token).me_code().await.as_deref(), Some("UNAUTHENTICATED"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gq13_what_one_may_not_read_is_null_beside_what_one_may() {
    let (app, acme, owner) = world().await;
    let babs = app.member(acme.id, "babs@acme.example", &["member"]).await.sign_in().await;
    let id = owner.me("user { id }").await["user"]["id"].clone();
    let ask = "query($id: ID!) { node(id: $id) { id ... on User { displayName emails { totalCount } logins { id } } } me { accountId } }";
    let own = owner.ask(ask, json!({ "id": id })).await.data();
    assert_eq!(own["node"]["emails"]["totalCount"], 1);
    let answer = babs.ask(ask, json!({ "id": id })).await;
    check_words(&answer.body);
    assert!(answer.body["data"]["me"]["accountId"].is_string(), "siblings stay: {}", answer.body);
    assert!(answer.body["data"]["node"]["emails"]["totalCount"].is_null(), "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn gq15_each_mutation_of_a_document_stands_alone() {
    let (_app, _, owner) = world().await;
    let document = "mutation { a: updateMe(input: {displayName: \"One\", clientMutationId: \"1\"}) { user { displayName } clientMutationId userErrors { code } } \
                    b: updateMe(input: {displayName: \"<b>\", clientMutationId: \"2\"}) { user { displayName } clientMutationId userErrors { code } } \
                    c: updateMe(input: {title: \"Guide\"}) { user { displayName title } userErrors { code } } }";
    let done = owner.ask(document, json!({})).await.data();
    assert_eq!(done["a"], json!({"user": {"displayName": "One"}, "clientMutationId": "1", "userErrors": []}));
    assert_eq!(
        done["b"],
        json!({"user": null, "clientMutationId": "2", "userErrors": [{"code": "INVALID_DISPLAY_NAME"}]})
    );
    assert_eq!(
        done["c"],
        json!({"user": {"displayName": "One", "title": "Guide"}, "userErrors": []}),
        "one after the other"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn gq16_no_other_origin_may_read_answers() {
    let (app, _, owner) = world().await;
    for origin in ["https://evil.example", "null", "http://localhost:3000"] {
        let body = json!({"query": "{ me { accountId } }"});
        let answer = owner.request(&body).header("origin", origin).send().await.expect("an answer");
        let preflight = http()
            .request(Method::OPTIONS, format!("{}/graphql", app.url))
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .send()
            .await
            .expect("an answer");
        for answer in [&answer, &preflight] {
            assert!(answer.headers().keys().all(|name| !name.as_str().starts_with("access-control-")), "{origin}");
        }
        assert_eq!(preflight.status().as_u16(), 405);
    }
}

/// D, "CORS": none by default; those that a setting names, and never with the browser's own credentials.
#[tokio::test(flavor = "multi_thread")]
async fn gq16_pages_that_a_setting_names_may_call_with_a_token() {
    let page = "http://localhost:5173";
    let app = TestApp::start_configured(|config| config.graphql.browser_origins = vec![page.to_owned()]).await;
    let acme = app.owned("acme").await;
    let owner = acme.owner.sign_in().await;
    for (origin, allowed) in [(page, Some(page)), ("https://evil.example", None), ("null", None)] {
        let preflight = http()
            .request(Method::OPTIONS, format!("{}/graphql", app.url))
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type");
        let body = json!({"query": "{ me { accountId } }"});
        for request in [preflight, owner.request(&body).header("origin", origin)] {
            let answer = request.send().await.expect("an answer");
            let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().expect("text").to_owned());
            assert_eq!(header("access-control-allow-origin").as_deref(), allowed, "{origin}");
            assert_eq!(header("access-control-allow-credentials"), None, "{origin}");
            assert_eq!(answer.status().as_u16(), 200, "{origin}");
        }
    }
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "[graphql]\nbrowser_origins = [\"*\"]\n").expect("written");
    assert!(rollcall::config::Config::load(Some(file.path())).is_err(), "each origin is named");
}

#[tokio::test(flavor = "multi_thread")]
async fn gq14_operations_are_chosen_by_name_and_wrong_ones_are_told_in_our_words() {
    let app = TestApp::start().await;
    let document = "query A { a: __typename } query B { b: __typename }";
    let nobody = Person::new(&app.url, "x@example.com", "x");
    let chosen = nobody.post(&json!({"query": document, "operationName": "B"})).await.data();
    assert_eq!(chosen, json!({"b": "Query"}));
    for name in [json!(null), json!("C"), json!("")] {
        let answer = nobody.post(&json!({"query": document, "operationName": name})).await;
        assert_eq!(answer.code().as_deref(), Some("GRAPHQL_VALIDATION_FAILED"), "{}", answer.body);
        check_words(&answer.body);
    }
    for document in [
        "",
        "   ",
        "#",
        "{",
        "}",
        "{ me",
        "query",
        "subscription { x }",
        "{ me { accountId } } trailing",
        "query { me { ... on Nothing { x } } }",
        "{ me(x: 1) { accountId } }",
        "{ me }",
        "{ ...Missing }",
        "query A { __typename } query A { __typename }",
    ] {
        let answer = nobody.post(&json!({ "query": document })).await;
        assert!(answer.body.get("data").is_none(), "{document}: {}", answer.body);
        check_words(&answer.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn trusted_documents_are_served_by_their_hash() {
    const KNOWN: &str = "{ t: __typename }";
    let hash = sha256(KNOWN);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("documents.json");
    std::fs::write(&file, json!({ &hash: KNOWN }).to_string()).expect("written");
    for (mode, others) in [("prefer", true), ("require", false)] {
        let mode = serde_json::from_value(json!(mode)).expect("a mode");
        let app = TestApp::start_configured(|config| {
            config.graphql.trusted_documents = mode;
            config.graphql.trusted_documents_file = file.clone();
        })
        .await;
        let nobody = Person::new(&app.url, "x@example.com", "x");
        let known = nobody.post(&json!({"documentId": format!("sha256:{hash}")})).await.data();
        assert_eq!(known, json!({"t": "Query"}));
        let unknown = nobody.post(&json!({"documentId": "sha256:00"})).await;
        assert_eq!(unknown.code().as_deref(), Some("PERSISTED_QUERY_NOT_FOUND"));
        let other = nobody.post(&json!({"query": "{ __typename }"})).await;
        assert_eq!(other.code().as_deref(), (!others).then_some("PERSISTED_QUERY_NOT_FOUND"), "{mode:?}");
    }
    let off = TestApp::start().await;
    let answer =
        Person::new(&off.url, "x@example.com", "x").post(&json!({"documentId": format!("sha256:{hash}")})).await;
    assert_eq!(answer.code().as_deref(), Some("PERSISTED_QUERY_NOT_FOUND"));
}

fn sha256(text: &str) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
