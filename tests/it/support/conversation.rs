//! Conversations that identity providers really hold, from `tests/fixtures/conversations`, played against a server.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Instant;

use serde::Deserialize;
use serde_json::Value;

use super::{Answer, Scim};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conversation {
    pub name: String,
    #[serde(rename = "about")]
    _about: String,
    pub dialect: String,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    name: String,
    request: Request,
    expect: Expectation,
    #[serde(default)]
    capture: HashMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    method: String,
    path: String,
    #[serde(default)]
    headers: HashMap<String, String>,
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    body: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expectation {
    status: Vec<u16>,
    #[serde(default)]
    body: Option<Value>,
    #[serde(default)]
    assert: Vec<Vec<Value>>,
    #[serde(default)]
    headers: HashMap<String, String>,
    #[serde(default)]
    empty: bool,
}

impl Conversation {
    /// How many requests it makes.
    pub fn requests(&self) -> usize {
        self.steps.len()
    }

    /// How many things it asserts: one status a request, and whatever else is expected.
    pub fn assertions(&self) -> usize {
        let of = |expect: &Expectation| {
            1 + expect.headers.len()
                + usize::from(expect.empty)
                + usize::from(expect.body.is_some())
                + expect.assert.len()
        };
        self.steps.iter().map(|step| of(&step.expect)).sum()
    }
}

/// Every conversation there is.
pub fn all() -> Vec<Conversation> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/conversations");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
        .iter()
        .map(|file| {
            let text = std::fs::read_to_string(file).expect("a file");
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
        })
        .collect()
}

/// Plays a conversation.
pub async fn play(conversation: &Conversation, scim: &Scim) {
    let guid = format!("{:08x}-1111-4111-8111-111111111111", conversation.name.len() * 7_919 + 1);
    let random: String = guid.bytes().take(8).map(|byte| char::from(b'a' + byte % 26)).collect();
    let mut values = HashMap::from([("guid".to_owned(), guid), ("random".to_owned(), random)]);
    for (index, step) in conversation.steps.iter().enumerate() {
        let place = format!("{} step {}: {}", conversation.name, index + 1, step.name);
        let started = Instant::now();
        let answer = send(scim, &step.request, &values).await;
        check(&place, &step.expect, &answer, started, &values);
        for (name, pointer) in &step.capture {
            let captured = answer.json();
            let captured = captured.pointer(pointer).unwrap_or_else(|| panic!("{place}: nothing at {pointer}"));
            values.insert(name.clone(), captured.as_str().map_or_else(|| captured.to_string(), str::to_owned));
        }
    }
}

async fn send(scim: &Scim, request: &Request, values: &HashMap<String, String>) -> Answer {
    let mut client = match request.token.as_deref() {
        None | Some("valid") => scim.clone(),
        Some("none") => scim.with_token(None),
        Some(_) => scim.with_token(Some("rcs_wrong")),
    };
    for (name, value) in &request.headers {
        client = client.with_header(name, &filled(value, values));
    }
    let body = request.body.as_ref().map(|body| {
        let text = match body {
            Value::String(raw) => filled(raw, values),
            json => filled_in(json, values).to_string(),
        };
        ("application/scim+json", text.into_bytes())
    });
    client.send(&request.method, &filled(&request.path, values), body).await
}

fn check(place: &str, expect: &Expectation, answer: &Answer, started: Instant, values: &HashMap<String, String>) {
    assert!(expect.status.contains(&answer.status), "{place}: {} {}", answer.status, answer.text);
    for (name, wanted) in &expect.headers {
        let wanted = filled(wanted, values);
        assert!(answer.header(name).starts_with(&wanted), "{place}: {name} is {:?}", answer.header(name));
    }
    if expect.empty {
        assert!(answer.text.is_empty(), "{place}: {}", answer.text);
    }
    let body = if answer.text.is_empty() { Value::Null } else { answer.json() };
    if let Some(wanted) = &expect.body {
        let wanted = filled_in(wanted, values);
        assert!(covers(&body, &wanted), "{place}: wanted\n{wanted:#}\ngot\n{body:#}");
    }
    for assertion in &expect.assert {
        let assertion: Vec<Value> = assertion.iter().map(|part| filled_in(part, values)).collect();
        assert!(holds(&body, &assertion, started), "{place}: {assertion:?}\nin {body:#}");
    }
}

fn holds(body: &Value, assertion: &[Value], started: Instant) -> bool {
    let pointer = assertion[0].as_str().expect("a pointer");
    let operator = assertion[1].as_str().expect("an operator");
    let wanted = assertion.get(2).unwrap_or(&Value::Null);
    let found = body.pointer(pointer);
    let elements = || found.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    match operator {
        "maxMilliseconds" => started.elapsed().as_millis() <= u128::from(wanted.as_u64().expect("a number")),
        "absent" => found.is_none_or(Value::is_null),
        "nonempty" => found.is_some_and(|found| match found {
            Value::String(text) => !text.is_empty(),
            Value::Array(items) => !items.is_empty(),
            Value::Object(members) => !members.is_empty(),
            other => !other.is_null(),
        }),
        "string" => found.is_some_and(Value::is_string),
        "number" => found.is_some_and(Value::is_number),
        "boolean" => found.is_some_and(Value::is_boolean),
        "array" => found.is_some_and(Value::is_array),
        "equals" => found == Some(wanted),
        "notEquals" => found.is_some_and(|found| found != wanted),
        "contains" => match found {
            Some(Value::String(text)) => text.contains(wanted.as_str().expect("text")),
            _ => elements().contains(wanted),
        },
        "length" => {
            let length = match found {
                Some(Value::Object(members)) => members.len(),
                _ => elements().len(),
            };
            found.is_some() && length as u64 == wanted.as_u64().expect("a number")
        }
        "anyWhere" => elements().iter().any(|element| covers(element, wanted)),
        "noneWhere" => !elements().iter().any(|element| covers(element, wanted)),
        other => panic!("unknown operator {other}"),
    }
}

/// Whether everything that is wanted is there.
fn covers(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (found, Value::String(marker)) if marker == "{{any}}" => !found.is_null(),
        (Value::Object(found), Value::Object(wanted)) => wanted.iter().all(|(name, wanted)| match found.get(name) {
            Some(_) if wanted == "{{absent}}" => false,
            None => wanted == "{{absent}}",
            Some(found) => covers(found, wanted),
        }),
        (Value::Array(found), Value::Array(wanted)) => {
            found.len() == wanted.len() && found.iter().zip(wanted).all(|(found, wanted)| covers(found, wanted))
        }
        _ => found == wanted,
    }
}

fn filled(text: &str, values: &HashMap<String, String>) -> String {
    values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{{{name}}}}}"), value))
}

fn filled_in(value: &Value, values: &HashMap<String, String>) -> Value {
    match value {
        Value::String(text) => Value::String(filled(text, values)),
        Value::Array(items) => items.iter().map(|item| filled_in(item, values)).collect(),
        Value::Object(members) => Value::Object(
            members.iter().map(|(name, value)| (filled(name, values), filled_in(value, values))).collect(),
        ),
        other => other.clone(),
    }
}
