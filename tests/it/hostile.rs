//! At least two thousand hostile requests: no 5xx, no word of the database, and everything stored is as it was.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Answer, ENTERPRISE, GROUP, Scim, TestApp, USER};

/// Words that only the engine or the language would say.
const TELLTALES: [&str; 10] = [
    "surreal",
    "Database",
    "record `",
    "panicked",
    "src/",
    ".rs:",
    "user_user_name",
    "index `",
    "SELECT ",
    "rollcall::",
];

const TEXTS: [&str; 26] = [
    "\"; REMOVE TABLE user; --",
    "$auth",
    "⟨user⟩",
    "`user`",
    "type::record('user','x')",
    "fn::evil()",
    "<future>{ 1 }",
    "/* */ -- #",
    "user:1",
    "1..",
    "[]",
    "{}",
    "u'01900000-0000-7000-8000-000000000000'",
    "d'2020-01-01T00:00:00Z'",
    "r'user:1'",
    "' OR 1=1 --",
    "%00",
    "%",
    "_",
    ".*",
    "\\",
    "\u{fdfa}",
    "ﷺﷺﷺ",
    "\u{1f600}",
    "null",
    "-1",
];

fn wrong_values() -> Vec<Value> {
    let mut values = vec![
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(9_007_199_254_740_993_i64),
        json!([]),
        json!({}),
        json!([[]]),
        json!([{}]),
        json!([null]),
        json!({"value": {}}),
        json!({"value": []}),
        json!([{"value": [1]}]),
        json!("x".repeat(5_000)),
        json!({"$ref": {}}),
        json!("\u{202e}"),
        json!("{\"value\":{\"value\":{}}}"),
    ];
    values.extend(TEXTS.iter().map(|text| json!(text)));
    values
}

struct Attack {
    scim: Scim,
    sent: usize,
}

impl Attack {
    fn judge(&mut self, what: &str, answer: &Answer) {
        self.sent += 1;
        assert!(answer.status < 500, "{what}: {} {}", answer.status, answer.text);
        if answer.status >= 400 && !answer.text.is_empty() {
            let body: Value = serde_json::from_str(&answer.text).unwrap_or_else(|_| panic!("{what}: {}", answer.text));
            let detail = body["detail"].as_str().unwrap_or_default();
            for telltale in TELLTALES {
                assert!(!detail.contains(telltale), "{what}: {detail}");
            }
        }
    }

    async fn send(&mut self, method: &str, path: &str, body: Option<Vec<u8>>) {
        let answer = self.scim.send(method, path, body.map(|body| ("application/scim+json", body))).await;
        // What an attack managed to make is taken away again: the state must be as before.
        if answer.status == 201 {
            let location = answer.header("location").trim_start_matches(&self.scim.base).to_owned();
            assert_eq!(self.scim.delete(&location).await.status, 204);
        }
        self.judge(&format!("{method} {path}"), &answer);
    }
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn z04_two_thousand_hostile_requests_change_nothing_and_learn_nothing() {
    let app = TestApp::start().await;
    let tenant = app.tenant("acme").await;
    let scim = tenant.scim.clone();
    let user = scim.make_user("victim").await;
    let group = scim.make_group("Victims", &[&user]).await;
    let before = (scim.get("/Users").await.text, scim.get("/Groups").await.text);
    let mut attack = Attack { scim: scim.clone(), sent: 0 };

    paths_and_queries(&mut attack, &user).await;
    bodies(&mut attack, &user, &group).await;
    broken_json(&mut attack, &user).await;
    assert!(attack.sent >= 2_000, "{} requests were sent", attack.sent);

    // Texts in harmless attributes are data and may be stored; the victims themselves are put back by name.
    let after = (scim.get("/Users").await.text, scim.get("/Groups").await.text);
    assert_eq!(after, before);
    println!("{} hostile requests", attack.sent);
}

async fn paths_and_queries(attack: &mut Attack, user: &str) {
    for text in TEXTS {
        let text = encoded(text);
        for method in ["GET", "PUT", "PATCH", "DELETE"] {
            for endpoint in ["/Users", "/Groups", "/Schemas", "/ResourceTypes"] {
                let body = matches!(method, "PUT" | "PATCH").then(|| b"{}".to_vec());
                attack.send(method, &format!("{endpoint}/{text}"), body).await;
            }
        }
        for query in [
            format!("filter={text}"),
            format!("filter=userName%20eq%20%22{text}%22"),
            format!("filter={text}%20eq%20%22x%22"),
            format!("filter=emails[{text}]"),
            format!("sortBy={text}"),
            format!("sortBy=userName&sortOrder={text}"),
            format!("attributes={text}"),
            format!("excludedAttributes={text}"),
            format!("startIndex={text}"),
            format!("count={text}"),
            format!("{text}={text}"),
            format!("filter=id%20eq%20%22{text}%22%20and%20manager%20eq%20%22{text}%22"),
        ] {
            attack.send("GET", &format!("/Users?{query}"), None).await;
            attack.send("GET", &format!("/Groups?{query}"), None).await;
        }
    }
    for path in [
        format!("/Users/{}", "x".repeat(20_000)),
        format!("/Users?filter={}", "(".repeat(20_000)),
        format!("/Users?filter={}", "not(".repeat(2_000)),
        format!("/Users?filter={}", vec!["a%20pr"; 1_000].join("%20or%20")),
        format!("/Users?attributes={}", vec!["a"; 5_000].join(",")),
        "/Users?filter=%ff%fe".to_owned(),
        format!("/Users/{user}?attributes=%00"),
        format!("/Users/{}", "%2e%2e%2f".repeat(50)),
    ] {
        attack.send("GET", &path, None).await;
    }
}

async fn bodies(attack: &mut Attack, user: &str, group: &str) {
    let names = [
        "id",
        "externalId",
        "active",
        "name",
        "emails",
        "roles",
        "groups",
        "meta",
        "schemas",
        "members",
        ENTERPRISE,
        "x509Certificates",
    ];
    for value in wrong_values() {
        for name in names {
            let mut body = json!({"schemas": [USER], "userName": "attacker"});
            body[name] = value.clone();
            attack.send("POST", "/Users", Some(body.to_string().into_bytes())).await;
            let mut body = json!({"schemas": [GROUP], "displayName": "Attackers"});
            body[name] = value.clone();
            attack.send("POST", "/Groups", Some(body.to_string().into_bytes())).await;
        }
        // Paths that can name nothing a PATCH could change on the victim, with every value.
        for path in [
            "id",
            "meta",
            "meta.version",
            "groups",
            "emails[",
            "emails[0]",
            "a.b.c",
            "members[x]",
            "urn:evil:1.0:x",
            "schemas",
            "😀",
        ] {
            for op in ["add", "replace", "remove", "copy"] {
                let body = json!({"Operations": [{"op": op, "path": path, "value": value}, {"op": "remove"}]});
                attack.send("PATCH", &format!("/Users/{user}"), Some(body.to_string().into_bytes())).await;
            }
        }
        let wipe = json!({"Operations": [{"op": "remove", "path": "members", "value": value}, {"op": "replace", "path": "id", "value": "x"}]});
        attack.send("PATCH", &format!("/Groups/{group}"), Some(wipe.to_string().into_bytes())).await;
        let search = json!({"filter": value, "count": value, "attributes": value});
        attack.send("POST", "/Users/.search", Some(search.to_string().into_bytes())).await;
    }
}

async fn broken_json(attack: &mut Attack, user: &str) {
    let many_keys: String = (0..50_000).map(|index| format!("\"k{index}\":1,")).collect();
    let bodies: Vec<Vec<u8>> = vec![
        b"[".repeat(100_000),
        b"{\"a\":".repeat(100_000),
        b"\"".to_vec(),
        vec![0; 1_000],
        b"\xff\xfe{\0}\0".to_vec(),
        "\u{feff}{}".as_bytes().to_vec(),
        b"{\"userName\":\"a\\u0000b\"}".to_vec(),
        b"{\"userName\":\"\\ud800\"}".to_vec(),
        b"{\"a\":1e400}".to_vec(),
        b"{\"userName\":\"a\",\"USERNAME\":\"b\"}".to_vec(),
        b"{}{}".to_vec(),
        b"nul".to_vec(),
        format!("{{{many_keys}\"userName\":null}}").into_bytes(),
        vec![b' '; 200_000],
        format!("{{\"userName\":\"{}\"}}", "x".repeat(1_000_000)).into_bytes(),
        format!("{{\"emails\":[{}]}}", vec!["{}"; 20_000].join(",")).into_bytes(),
    ];
    for body in bodies {
        for (method, path) in [
            ("POST", "/Users".to_owned()),
            ("POST", "/Groups".to_owned()),
            ("PUT", format!("/Users/{user}")),
            ("PATCH", format!("/Users/{user}")),
            ("POST", "/Users/.search".to_owned()),
        ] {
            if method == "POST" && path.ends_with(".search") && body.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            attack.send(method, &path, Some(body.clone())).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn do05_bytes_that_are_not_http_or_never_end_are_refused() {
    let app = TestApp::start_configured(|config| config.limits.body_bytes = 10_000).await;
    let scim = app.tenant("acme").await.scim;
    let address = app.url.trim_start_matches("http://").to_owned();
    let token = scim.token.clone().expect("a token");
    let head = format!(
        "POST /scim/v2/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/scim+json\r\n"
    );
    let chunked =
        format!("{head}Transfer-Encoding: chunked\r\n\r\n{}", format!("1000\r\n{}\r\n", "x".repeat(0x1000)).repeat(5));
    for (bytes, expected) in [
        (chunked.into_bytes(), "413"),
        (format!("{head}Content-Length: 99999999999999999999999\r\n\r\n{{}}").into_bytes(), "400"),
        (format!("{head}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").into_bytes(), "400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(), "400"),
        (b"GET / HTTP/9.9\r\n\r\n".to_vec(), "400"),
        (format!("GET /scim/v2/Users HTTP/1.1\r\nHost: x\r\n{}\r\n", "X-A: b\r\n".repeat(1_000)).into_bytes(), "431"),
    ] {
        let mut stream = TcpStream::connect(&address).await.expect("connected");
        // The server may stop reading before everything is sent.
        drop(stream.write_all(&bytes).await);
        let mut answer = vec![0; 256];
        let read =
            tokio::time::timeout(std::time::Duration::from_secs(20), stream.read(&mut answer)).await.expect("in time");
        let answer = String::from_utf8_lossy(&answer[..read.unwrap_or(0)]).into_owned();
        assert!(answer.is_empty() || answer.contains(&format!(" {expected} ")), "wanted {expected}: {answer}");
    }
    scim.get("/Users").await.expect(200);
}
