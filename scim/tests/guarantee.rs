//! The guarantee of `docs/scim-guarantee.md`, on generated requests in every dialect: what a request does not name stays,
//! outside of three shapes; and what cannot be understood changes nothing.
//!
//! The oracle knows nothing of the code: it asks of each value that is gone whether the request says so. Members of groups are
//! in `members.rs`.

mod support;

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use scim::schema::USER;
use scim::{Dialect, Error, Reading, Resource, ResourceType, ScimType, fold};
use serde_json::{Value, json};

use support::{HR, ada, list_of, types, user_after};

type Predicate = fn(&Value) -> bool;

/// What a filter in brackets says, and how it is written; none: it cannot be understood.
#[derive(Clone, Debug)]
struct Choice {
    text: String,
    chooses: Option<Predicate>,
}

fn text_of(value: &Value, name: &str) -> String {
    fold(value.get(name).or(Some(value)).and_then(Value::as_str).unwrap_or_default())
}

fn choices(list: &'static str) -> Vec<Choice> {
    fn of_type(value: &Value, kind: &str) -> bool {
        value.get("type").and_then(Value::as_str) == Some(kind)
    }
    let understood: Vec<(&str, Predicate)> = match list {
        "emails" => vec![
            ("value eq \"ADA@B.example\"", |v| text_of(v, "value") == "ada@b.example"),
            ("type eq \"Work\"", |v| of_type(v, "work")),
            ("not (type eq \"work\")", |v| !of_type(v, "work")),
            ("type eq \"work\" and value eq \"z@Y\"", |v| of_type(v, "work") && text_of(v, "value") == "z@y"),
            ("value eq \"x@y\" or primary eq true", |v| {
                text_of(v, "value") == "x@y" || v.get("primary") == Some(&json!(true))
            }),
            ("urn:ietf:params:scim:schemas:core:2.0:User:type eq \"home\"", |v| of_type(v, "home")),
            ("value co \"\u{200b}\"", |_| false),
            ("value eq \"nobody@y\"", |_| false),
            ("display pr", |v| v.get("display").is_some()),
        ],
        "addresses" => vec![
            ("locality eq \"OSLO\"", |v| text_of(v, "locality") == "oslo"),
            ("type ne \"work\"", |v| !of_type(v, "work")),
        ],
        _ => vec![("value eq \"D1\"", |v| v == &json!("D1")), ("value eq \"d1\"", |_| false)],
    };
    let garbage = [
        "kind ne \"work\"",
        "kind eq null",
        "not (kind eq \"x\")",
        "value ne 5",
        "value gt true",
        "urn:x:y:type ne \"work\"",
        "primary gt true",
        "primary co \"t\"",
        "type",
        "",
        "value eq D1",
    ];
    let understood =
        understood.into_iter().map(|(text, chooses)| Choice { text: text.to_owned(), chooses: Some(chooses) });
    let garbage = garbage.into_iter().map(|text| Choice { text: text.to_owned(), chooses: None });
    understood.chain(garbage).collect()
}

/// Items of lists. Some can be understood, some cannot, and some name nothing.
fn items(list: &'static str) -> Vec<Value> {
    let mut items = match list {
        "emails" => vec![
            json!({"value": "ada@b.example"}),
            json!({"value": "Ada@b.example", "type": "work"}),
            json!({"value": "z@y", "type": "home"}),
            json!({"type": "home"}),
            json!({"display": "Z"}),
            json!({"display": "nobody"}),
            json!({"value": "new@y", "type": "work"}),
            json!({"vlaue": "x@y"}),
            json!({"vlaue": "x@y", "type": "work"}),
            json!({"value": null, "type": "work"}),
            json!({"value": "", "type": "work"}),
            json!("{\"value\":\"x@y\"}"),
            json!({"value": "{\"value\":\"x@y\"}"}),
            json!({"value": "{\"value\":\"x@y\"}", "type": "work"}),
            json!("ada@b.example"),
            json!({"value": ["x@y"]}),
        ],
        "addresses" => vec![
            json!({"locality": "oslo"}),
            json!({"locality": "Rome", "type": "work"}),
            json!({"type": "work"}),
            json!({"loclity": "Oslo", "type": "work"}),
            json!({"locality": "", "type": "home"}),
            json!({"locality": "Bern"}),
        ],
        _ => vec![json!("D1"), json!("d2"), json!("D9"), json!("D1,D2"), json!("[\"D1\"]"), json!({"value": "D1"})],
    };
    items.extend([
        json!({}),
        json!(null),
        json!(""),
        json!(5),
        json!(true),
        json!([]),
        json!({"value": null}),
        json!("{bad"),
    ]);
    items
}

#[derive(Clone, Debug)]
enum Sent {
    Absent,
    Value(Value),
}

#[derive(Clone, Debug)]
struct Request {
    op: &'static str,
    list: &'static str,
    choice: Option<Choice>,
    sent: Sent,
    dialect: Dialect,
    is_key: bool,
}

fn request() -> impl Strategy<Value = Request> {
    let lists = prop_oneof![3 => Just("emails"), 1 => Just("addresses"), 1 => Just("devices")];
    lists.prop_flat_map(|list| {
        let listed = vec(proptest::sample::select(items(list)), 0..4).prop_map(Value::Array);
        let sent = prop_oneof![
            1 => Just(Sent::Absent),
            1 => Just(Sent::Value(Value::Null)),
            6 => listed.prop_map(Sent::Value),
            2 => proptest::sample::select(items(list)).prop_map(Sent::Value),
        ];
        (
            proptest::sample::select(vec!["add", "remove", "replace", "PUT"]),
            proptest::option::weighted(0.4, proptest::sample::select(choices(list))),
            sent,
            proptest::sample::select(Dialect::ALL.to_vec()),
            any::<bool>(),
        )
            .prop_map(move |(op, choice, sent, dialect, is_key)| Request {
                op,
                list,
                choice,
                sent,
                dialect,
                is_key,
            })
    })
}

impl Request {
    fn path(&self) -> String {
        let name = if self.list == "devices" { format!("{HR}:devices") } else { self.list.to_owned() };
        match &self.choice {
            Some(choice) if self.op != "PUT" => format!("{name}[{}]", choice.text),
            _ => name,
        }
    }

    fn sent(&self) -> Option<&Value> {
        match &self.sent {
            Sent::Absent => None,
            Sent::Value(value) => Some(value),
        }
    }

    fn carry_out(&self, kind: &ResourceType, before: &Value) -> Result<Value, Error> {
        if self.op == "PUT" {
            let mut body = before.clone();
            body["schemas"] = json!([USER, HR]);
            let sent = self.sent().cloned().unwrap_or(json!([]));
            if self.list == "devices" {
                body[HR]["devices"] = sent;
            } else {
                body[self.list] = sent;
            }
            let body = body.as_object().expect("an object");
            return Resource::read_replacement(kind, body, &mut Reading::new(self.dialect))
                .map(|read| Value::Object(read.into_attributes()));
        }
        let mut operation = json!({"op": self.op});
        if self.is_key && self.op != "remove" && self.sent().is_some() {
            operation["value"] = json!({self.path(): self.sent()});
        } else {
            operation["path"] = json!(self.path());
            if let Some(sent) = self.sent() {
                operation["value"] = sent.clone();
            }
        }
        user_after(self.dialect, before, &json!([operation]))
    }

    /// Whether the request says that this value goes.
    fn names(&self, value: &Value, after: &[Value]) -> Result<bool, String> {
        let sent = self.sent();
        if let Some(choice) = self.choice.as_ref().filter(|_| self.op != "PUT") {
            let chooses = choice.chooses.ok_or_else(|| format!("{} was understood", choice.text))?;
            return Ok(chooses(value));
        }
        match (self.op, sent) {
            ("remove", Some(sent)) => Ok(unpacked(sent).iter().any(|item| describes(item, value))),
            ("remove", None) | ("replace" | "PUT", None | Some(Value::Null)) => Ok(true),
            ("replace" | "PUT", Some(sent)) => Ok(unpacked(sent)
                .iter()
                .all(|item| is_empty(item) || after.iter().any(|after| has_content(item) && says(item, after)))
                && (unpacked(sent).is_empty() || !after.is_empty())),
            _ => Ok(false),
        }
    }
}

fn is_empty(item: &Value) -> bool {
    item.is_null()
        || item == ""
        || item.as_object().is_some_and(|parts| parts.values().all(|part| part.is_null() || part == ""))
}

fn has_content(item: &Value) -> bool {
    item.as_object().is_none_or(|parts| {
        parts
            .iter()
            .any(|(name, part)| ["value", "locality", "type", "display"].contains(&name.as_str()) && !part.is_null())
            && parts.keys().all(|name| ["value", "locality", "type", "display", "primary"].contains(&name.as_str()))
    })
}

/// The items of a list, read out of JSON in texts.
fn unpacked(sent: &Value) -> Vec<Value> {
    let inner = |value: &Value| {
        let text = value.as_str().or_else(|| {
            value.as_object().filter(|parts| parts.len() == 1).and_then(|parts| parts.get("value")?.as_str())
        });
        text.and_then(|text| serde_json::from_str::<Value>(text).ok())
            .filter(|value| value.is_object() || value.is_array())
    };
    match inner(sent).unwrap_or_else(|| sent.clone()) {
        Value::Array(items) => items.iter().map(|item| inner(item).unwrap_or_else(|| item.clone())).collect(),
        single => vec![single],
    }
}

/// Whether every part that an item gives is the value's; without case but for plain values, whose schema is exact.
fn says(item: &Value, value: &Value) -> bool {
    let Some(parts) = item.as_object() else { return plain(item) == plain(value) };
    let said = parts.iter().filter(|(_, part)| !part.is_null() && *part != "");
    let text = |part: Option<&Value>| part.and_then(Value::as_str).map(fold);
    let by_value = text(parts.get("value")).is_some_and(|text| !text.is_empty());
    let mut said =
        said.map(|(name, part)| (by_value && name == "display") || text(value.get(name.as_str())) == text(Some(part)));
    said.all(|is_said| is_said)
}

/// Numbers and booleans are read as text where text belongs.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Whether an item of a remove names the value: by its `value`, or by parts each of which is given.
fn describes(item: &Value, value: &Value) -> bool {
    let Some(parts) = item.as_object() else { return says(item, value) };
    let is_given = |part: &Value| !part.is_null() && part != "";
    let by_value = parts.get("value").is_some_and(is_given);
    !parts.is_empty() && (by_value || parts.values().all(is_given)) && says(item, value)
}
/// What makes a value the one it is.
fn key(value: &Value) -> (String, String) {
    if let Some(plain) = value.as_str() {
        return (plain.to_owned(), String::new());
    }
    let name = if value.get("value").is_some() { "value" } else { "locality" };
    (text_of(value, name), fold(value["type"].as_str().unwrap_or_default()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    /// A1, A3 to A6, `decisions.md` 4.
    #[test]
    fn what_a_request_does_not_name_stays(request in request()) {
        let (types, before) = (types(), ada());
        let Ok(after) = request.carry_out(&types.user, &before) else { return Ok(()) };
        let kept = list_of(&after, request.list);
        let keys: BTreeSet<_> = kept.iter().map(key).collect();
        for value in list_of(&before, request.list).iter().filter(|value| !keys.contains(&key(value))) {
            match request.names(value, &kept) {
                Ok(is_named) => prop_assert!(is_named, "{value} went: {after}"),
                Err(wrong) => prop_assert!(false, "{wrong}, and {value} went"),
            }
        }
        for list in ["emails", "addresses", "devices"].into_iter().filter(|list| *list != request.list) {
            prop_assert_eq!(list_of(&after, list), list_of(&before, list));
        }
        // No JSON inside of text is stored, and no value twice.
        prop_assert!(!after.to_string().contains("{\\\""), "{}", after);
        let with_value = |value: &&Value| value.is_string() || value.get("value").is_some();
        let valued: BTreeSet<_> = kept.iter().filter(with_value).map(key).collect();
        prop_assert_eq!(valued.len(), kept.iter().filter(with_value).count(), "{}", after);
    }

    /// A3: what stands in brackets and is not understood is `invalidPath`, whatever else the request says.
    #[test]
    fn what_is_not_understood_in_brackets_is_refused(request in request()) {
        let is_garbage = request.choice.as_ref().is_some_and(|choice| choice.chooses.is_none());
        let is_refused_before = request.dialect == Dialect::Rfc || (request.sent().is_none() && request.op != "remove");
        if is_garbage && request.op != "PUT" && !is_refused_before {
            let error = request.carry_out(&types().user, &ada()).expect_err("refused");
            prop_assert_eq!(error.scim_type(), Some(ScimType::InvalidPath), "{}", error);
        }
    }
}
