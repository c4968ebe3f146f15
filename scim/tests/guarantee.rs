//! The guarantee of `docs/scim-guarantee.md`, on generated requests in every dialect: what a request does not name stays,
//! outside of three shapes; and what cannot be understood changes nothing.
//!
//! The oracle knows nothing of the code: it asks of each value that is gone whether the request says so.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use scim::extension::{Extension, ResourceTypes};
use scim::patch::{EdgeChanges, LooksAt, Member, apply, read};
use scim::schema::{ENTERPRISE_USER, GROUP, USER};
use scim::{Dialect, Error, Reading, Resource, ResourceType, ScimType, fold};
use serde_json::{Value, json};

const HR: &str = "urn:acme:scim:hr:1.0:User";

/// Users who also have a list of plain values, compared with case, and one of values with a list inside.
fn types() -> Arc<ResourceTypes> {
    let attribute = |name: &str, more: Value| {
        let mut attribute = json!({"name": name, "type": "string", "multiValued": false, "description": "d",
            "required": false, "mutability": "readWrite", "returned": "default"});
        attribute.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        attribute
    };
    let badge = attribute("value", json!({}));
    let tags = attribute("tags", json!({"multiValued": true}));
    let schema = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"], "id": HR, "name": "Hr", "description": "d",
        "attributes": [
            attribute("devices", json!({"multiValued": true, "caseExact": true})),
            attribute("desk", json!({"type": "complex", "subAttributes": [badge, tags]})),
            attribute("badges", json!({"type": "complex", "multiValued": true, "subAttributes": [badge, tags]})),
            attribute("level", json!({"type": "integer"})),
        ],
    });
    let extension: Extension =
        serde_json::from_value(json!({"resourceType": "User", "schema": schema})).expect("an extension");
    extension.check().expect("can be served");
    ResourceTypes::with(vec![extension])
}

fn ada() -> Value {
    json!({
        "userName": "ada", "active": true,
        "emails": [{"value": "Ada@b.example", "type": "work", "primary": true}, {"value": "x@y", "type": "home"},
                   {"value": "z@y", "type": "work", "display": "Z"}],
        "addresses": [{"locality": "Oslo", "type": "work"}, {"locality": "Rome", "type": "home"}],
        HR: {"devices": ["D1", "D2", "d2"]},
    })
}

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

/// Items of lists, with what each of them names; none: it cannot be understood, or names nothing.
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
        let mut reading = Reading::new(self.dialect);
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
            return Resource::read_replacement(kind, body, &mut reading)
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
        let body = json!({"schemas": [scim::patch::SCHEMA], "Operations": [operation]});
        let operations = read(body.as_object().expect("an object"), &mut reading)?;
        let before = Resource::from_stored(before.as_object().expect("an object").clone());
        let patched = apply(kind, "id", &before, &operations, &mut reading)?;
        Ok(Value::Object(patched.resource.into_attributes()))
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

fn list_of(user: &Value, list: &str) -> Vec<Value> {
    let list = if list == "devices" { &user[HR]["devices"] } else { &user[list] };
    list.as_array().cloned().unwrap_or_default()
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

    /// The same of the members of a group, against a set. Text that is no id names nobody: the server refuses it by
    /// [`EdgeChanges::named`].
    #[test]
    fn members_that_a_request_does_not_name_stay(
        op in proptest::sample::select(vec!["add", "remove", "replace", "PUT"]),
        items in vec(proptest::sample::select(vec![
            json!({"value": "U1"}), json!({"value": "U2", "type": "User", "$ref": null}), json!("U1"), json!({"value": "U9"}),
            json!("{\"value\":\"U1\"}"), json!({"value": "{\"value\":\"U1\"}"}), json!({"value": ["U1"]}),
            json!({}), json!(null), json!({"value": null}), json!({"vlaue": "U1"}), json!(""), json!(1), json!("[bad"),
            json!({"display": "Ada"}), json!(["U1"]),
        ]), 0..4),
        shape in 0..4u8,
        dialect in proptest::sample::select(Dialect::ALL.to_vec()),
    ) {
        let value = match (shape, items.first()) {
            (0, _) => Some(Value::Null),
            (1, first) => first.cloned(),
            _ => Some(Value::Array(items)),
        };
        let Ok(changes) = change_members(dialect, op, "members", value.as_ref()) else { return Ok(()) };
        let named: BTreeSet<&str> = changes.named().collect();
        let said = value.as_ref().map(ToString::to_string).unwrap_or_default();
        prop_assert!(named.iter().all(|id| said.contains(id)), "{:?} of {}", named, said);
        let after = members_after(&changes);
        for id in ["U1", "U2", "G1"].into_iter().filter(|id| !after.contains(*id)) {
            match (op, &value) {
                ("remove", None) | ("replace" | "PUT", None | Some(Value::Null)) => {}
                ("replace" | "PUT", Some(Value::Array(list))) => {
                    prop_assert_eq!(named.is_empty(), list.is_empty(), "{} emptied the group", said);
                    prop_assert!(list.iter().all(|item| !item.is_null()));
                }
                ("replace" | "PUT", Some(_)) => prop_assert!(!named.is_empty(), "{} emptied the group", said),
                ("remove", Some(_)) => prop_assert!(named.contains(id), "{id} went by {said}"),
                _ => prop_assert!(false, "{id} went by {op} of {said}"),
            }
        }
    }
}

fn change_members(dialect: Dialect, op: &str, path: &str, value: Option<&Value>) -> Result<EdgeChanges, Error> {
    let (kind, mut reading) = (ResourceType::group(), Reading::new(dialect));
    if op == "PUT" {
        let body = json!({"schemas": [GROUP], "displayName": "G", "members": value});
        let read = Resource::read_replacement(kind, body.as_object().expect("an object"), &mut reading)?;
        let ids = read.attributes()["members"].as_array().expect("a list").iter();
        return Ok(EdgeChanges::exactly(ids.map(|member| member["value"].as_str().expect("an id").to_owned())));
    }
    let mut operation = json!({"op": op, "path": path});
    if let Some(value) = value {
        operation["value"] = value.clone();
    }
    let body = json!({"schemas": [scim::patch::SCHEMA], "Operations": [operation]});
    let operations = read(body.as_object().expect("an object"), &mut reading)?;
    let group = Resource::from_stored(json!({"displayName": "G"}).as_object().expect("an object").clone());
    Ok(apply(kind, "id", &group, &operations, &mut reading)?.edges)
}

fn members() -> [Member; 3] {
    let member = |id: &str, kind: &'static str, display: Option<&str>| Member {
        id: id.to_owned(),
        kind,
        display: display.map(str::to_owned),
        is_in: true,
    };
    [member("U1", "User", Some("Ada")), member("U2", "User", None), member("G1", "Group", Some("Staff"))]
}

fn members_after(changes: &EdgeChanges) -> BTreeSet<String> {
    let changes = changes.settled(&members()).expect("settled");
    let mut after: BTreeSet<String> =
        if changes.cleared() { BTreeSet::new() } else { members().map(|member| member.id).into() };
    after.extend(changes.added().map(str::to_owned));
    after.retain(|id| changes.removed().all(|removed| removed != id));
    after
}

fn user_after(dialect: Dialect, before: &Value, operations: &Value) -> Result<Value, Error> {
    let mut reading = Reading::new(dialect);
    let body = json!({"schemas": [scim::patch::SCHEMA], "Operations": operations});
    let operations = read(body.as_object().expect("an object"), &mut reading)?;
    let resource = Resource::from_stored(before.as_object().expect("an object").clone());
    let patched = apply(&types().user, "id", &resource, &operations, &mut reading)?;
    Ok(Value::Object(patched.resource.into_attributes()))
}

fn patched(before: &Value, operations: Value) -> Value {
    user_after(Dialect::Auto, before, &operations).unwrap_or_else(|error| panic!("{operations}: {error}"))
}

fn refusal(before: &Value, operations: Value) -> Option<ScimType> {
    user_after(Dialect::Auto, before, &operations).expect_err(&operations.to_string()).scim_type()
}

/// A1, A5.
#[test]
fn text_for_members_is_read_as_json_or_as_one_id_or_refused() {
    let both = json!("[{\"value\":\"U1\"},\"U2\"]");
    let changes = change_members(Dialect::Auto, "replace", "members", Some(&both)).expect("read");
    assert_eq!(changes.named().collect::<Vec<_>>(), ["U1", "U2"]);
    assert!(change_members(Dialect::Rfc, "replace", "members", Some(&both)).is_err());
    // The crate does not know what ids look like: who does finds the text among what was named.
    let text = json!("ID1,ID2");
    let changes = change_members(Dialect::Auto, "replace", "members", Some(&text)).expect("read");
    assert_eq!(changes.named().collect::<Vec<_>>(), ["ID1,ID2"]);
    for value in [json!("[\"U1\""), json!("{}"), json!(["{\"id\":1}"]), json!({"value": "{\"id\":1}"})] {
        let error = change_members(Dialect::Auto, "replace", "members", Some(&value)).expect_err("refused");
        assert_eq!(error.scim_type(), Some(ScimType::InvalidValue), "{value}");
    }
}

/// A8.
#[test]
fn any_value_path_chooses_members() {
    for dialect in Dialect::ALL {
        for (filter, left) in [
            ("value eq \"U1\"", vec!["G1", "U2"]),
            ("value eq \"U1\" and type eq \"User\"", vec!["G1", "U2"]),
            ("value eq \"U1\" and type eq \"Group\"", vec!["G1", "U1", "U2"]),
            ("type eq \"group\"", vec!["U1", "U2"]),
            ("not (type eq \"Group\")", vec!["G1"]),
            ("display eq \"ada\" or value eq \"G1\"", vec!["U2"]),
            ("display pr", vec!["U2"]),
            ("value eq \"U9\"", vec!["G1", "U1", "U2"]),
            ("urn:ietf:params:scim:schemas:core:2.0:Group:type eq \"Group\"", vec!["U1", "U2"]),
        ] {
            let changes = change_members(dialect, "remove", &format!("members[{filter}]"), None).expect(filter);
            assert_eq!(members_after(&changes), left.into_iter().map(str::to_owned).collect(), "{filter}");
        }
        for filter in ["kind eq \"User\"", "type gt 5", "$ref pr", "value ne 5", "primary eq true"] {
            let error = change_members(dialect, "remove", &format!("members[{filter}]"), None).expect_err(filter);
            assert_eq!(error.scim_type(), Some(ScimType::InvalidPath), "{filter}");
        }
    }
}

/// A8, C108: how much must be loaded depends on what the filter can choose.
#[test]
fn a_value_path_that_names_ids_looks_at_no_others() {
    let looks_at = |filter: &str| {
        change_members(Dialect::Auto, "remove", &format!("members[{filter}]"), None).expect(filter).looks_at()
    };
    assert_eq!(looks_at("value eq \"U1\" or value eq \"U2\""), LooksAt::Nothing);
    assert_eq!(looks_at("value eq \"U1\" and type eq \"User\""), LooksAt::These(BTreeSet::from(["U1".to_owned()])));
    assert_eq!(looks_at("type eq \"User\""), LooksAt::All);
}

/// A8, C106: a value path sees what the operations before it did.
#[test]
fn a_value_path_on_members_sees_the_operations_before_it() {
    let operations = json!([
        {"op": "add", "path": "members", "value": [{"value": "G2"}]},
        {"op": "remove", "path": "members[type eq \"Group\"]"},
        {"op": "add", "path": "members", "value": [{"value": "G1"}]},
    ]);
    let body = json!({"schemas": [scim::patch::SCHEMA], "Operations": operations});
    let mut reading = Reading::default();
    let operations = read(body.as_object().expect("an object"), &mut reading).expect("read");
    let group = Resource::from_stored(json!({"displayName": "G"}).as_object().expect("an object").clone());
    let changes = apply(ResourceType::group(), "id", &group, &operations, &mut reading).expect("applied").edges;
    let new = Member { id: "G2".to_owned(), kind: "Group", display: None, is_in: false };
    let settled = changes.settled(&[members().as_slice(), &[new]].concat()).expect("settled");
    assert_eq!((settled.added().collect::<Vec<_>>(), settled.removed().collect::<Vec<_>>()), (vec!["G1"], vec!["G2"]));
}

/// A6.
#[test]
fn values_are_compared_as_the_schema_says() {
    let again = patched(
        &ada(),
        json!([{"op": "add", "path": "emails", "value": [{"value": "ADA@b.example", "type": "Work"}]}]),
    );
    let emails = list_of(&again, "emails");
    assert_eq!((emails.len(), &emails[0]["value"]), (3, &json!("ADA@b.example")), "as it was sent last");
    let gone = patched(&ada(), json!([{"op": "remove", "path": "emails", "value": [{"value": "ada@B.example"}]}]));
    assert_eq!(list_of(&gone, "emails").len(), 2);
    let exact = patched(&ada(), json!([{"op": "remove", "path": format!("{HR}:devices"), "value": ["d1", "d2"]}]));
    assert_eq!(list_of(&exact, "devices"), [json!("D1"), json!("D2")]);
}

/// A7.
#[test]
fn a_plain_value_is_its_own_value() {
    let path = format!("{HR}:devices[value eq \"D2\"]");
    let removed = patched(&ada(), json!([{"op": "remove", "path": path}]));
    assert_eq!(list_of(&removed, "devices"), [json!("D1"), json!("d2")]);
    let replaced = patched(&ada(), json!([{"op": "replace", "path": format!("{path}.value"), "value": "D3"}]));
    assert_eq!(list_of(&replaced, "devices"), [json!("D1"), json!("D3"), json!("d2")]);
    let managed = json!({"userName": "a", ENTERPRISE_USER: {"department": "R"}});
    let path = format!("schemas[value eq \"{ENTERPRISE_USER}\"]");
    assert_eq!(patched(&managed, json!([{"op": "remove", "path": path}])), json!({"userName": "a"}));
    let core = json!([{"op": "remove", "path": format!("schemas[value eq \"{USER}\"]")}]);
    assert_eq!(refusal(&managed, core), Some(ScimType::Mutability));
}

/// A10.
#[test]
fn a_value_path_on_one_complex_value_clears_it_if_it_matches() {
    let managed = json!({"userName": "a", ENTERPRISE_USER: {"manager": {"value": "M1"}}});
    let path = |id: &str| format!("manager[value eq \"{id}\"]");
    assert_eq!(patched(&managed, json!([{"op": "remove", "path": path("M1")}])), json!({"userName": "a"}));
    assert_eq!(patched(&managed, json!([{"op": "remove", "path": path("M2")}])), managed);
    for operation in [
        json!([{"op": "remove", "path": "manager[vlaue eq \"M1\"]"}]),
        json!([{"op": "replace", "path": path("M1"), "value": {"value": "M2"}}]),
    ] {
        assert_eq!(refusal(&managed, operation), Some(ScimType::InvalidPath));
    }
    let strict = user_after(Dialect::Rfc, &managed, &json!([{"op": "remove", "path": path("M1")}]));
    assert_eq!(strict.expect_err("refused").scim_type(), Some(ScimType::InvalidPath));
}

/// A5: read or refused, whatever the attribute.
#[test]
fn json_inside_of_text_is_never_stored() {
    let before = json!({"userName": "a"});
    let manager = patched(&before, json!([{"op": "add", "path": "manager", "value": "{\"value\":\"M1\"}"}]));
    assert_eq!(manager[ENTERPRISE_USER]["manager"], json!({"value": "M1"}));
    for dialect in Dialect::ALL {
        for (path, value) in [
            ("title", json!("{\"value\":\"x\"}")),
            ("name.givenName", json!("[\"x\"]")),
            ("manager.value", json!("{\"value\":\"M1\"}")),
            ("emails[type eq \"work\"].value", json!("{\"value\":\"x\"}")),
            ("emails[value eq \"{}\"].type", json!("work")),
            ("userName", json!("{}")),
        ] {
            let operations = json!([{"op": "add", "path": path, "value": value}]);
            let error = user_after(dialect, &before, &operations).expect_err(path);
            assert_eq!(error.scim_type(), Some(ScimType::InvalidValue), "{path}");
        }
    }
    let braces = patched(&before, json!([{"op": "add", "path": "title", "value": "[Sir] {x}"}]));
    assert_eq!(braces["title"], "[Sir] {x}", "text with brackets is text");
}

/// A11: the closed list, and nothing besides.
#[test]
fn coercions_are_a_closed_list() {
    let body = |name: &str, value: Value| json!({"schemas": [USER], "userName": "a", name: value});
    let read = |dialect: Dialect, body: Value| {
        Resource::read(&types().user, body.as_object().expect("an object"), &mut Reading::new(dialect))
    };
    let level = |value: Value| json!({"schemas": [USER, HR], "userName": "a", HR: {"level": value}});
    for (lenient, name, read_as) in [
        (body("active", json!("False")), "active", json!(false)),
        (body("externalId", json!(701_984)), "externalId", json!("701984")),
        (body("title", json!(true)), "title", json!("true")),
        (body("emails", json!({"value": "a@x"})), "emails", json!([{"value": "a@x"}])),
        (level(json!("5")), HR, json!({"level": 5})),
    ] {
        let attributes = read(Dialect::Auto, lenient.clone()).expect("read").into_attributes();
        assert_eq!(attributes[name], read_as);
        assert!(read(Dialect::Rfc, lenient).is_err());
    }
    for dialect in Dialect::ALL {
        for wrong in [
            body("userName", json!(["a"])),
            body("userName", json!(5)),
            body("title", json!(["x"])),
            body("active", json!([true])),
            body("emails", json!(5)),
            body("emails", json!("a@x")),
            body("emails", json!(["a@x"])),
            body("emails", json!([5])),
            body("roles", json!("Admin")),
            body("profileUrl", json!(5)),
            body("name", json!("Ada")),
            json!({"schemas": [USER, ENTERPRISE_USER], "userName": "a", ENTERPRISE_USER: {"manager": 5}}),
            json!({"schemas": [USER, HR], "userName": "a", HR: {"devices": "D1"}}),
            json!({"schemas": [USER, HR], "userName": "a", HR: {"devices": [["D1"]]}}),
        ] {
            let error = read(dialect, wrong.clone()).expect_err(&wrong.to_string());
            assert_eq!(error.scim_type(), Some(ScimType::InvalidValue), "{wrong}");
        }
    }
}

/// A3, A4, A7, A11 in searches.
#[test]
fn a_search_compares_what_can_be_compared() {
    let mut object = ada().as_object().expect("an object").clone();
    object.insert("schemas".to_owned(), json!([USER, HR]));
    object.insert("externalId".to_owned(), json!("701984"));
    let types = types();
    let holds = |dialect: Dialect, text: &str| -> Result<bool, Error> {
        let filter = scim::filter::parse(text)?;
        Ok(scim::filter::resolve(&filter, &types.user, &mut Reading::new(dialect))?.matches(&object))
    };
    for (text, expected) in [
        (format!("emails[{USER}:type eq \"work\"]"), true),
        (format!("emails[{USER}:type eq \"other\"]"), false),
        (format!("schemas[value eq \"{HR}\"]"), true),
        (format!("schemas.value eq \"{HR}\""), true),
        (format!("{HR}:devices[value eq \"D1\"]"), true),
        (format!("{HR}:devices[value eq \"d1\"]"), false),
        ("userName co \"\u{200b}\"".to_owned(), false),
        ("userName sw \"\u{200b}\" or title ne \"\u{200b}\"".to_owned(), false),
        ("emails[value co \"\u{200b}\"]".to_owned(), false),
    ] {
        for dialect in Dialect::ALL {
            assert_eq!(holds(dialect, &text), Ok(expected), "{text}");
        }
    }
    assert_eq!(holds(Dialect::Okta, "externalId eq 701984"), Ok(true));
    for text in ["title gt 5", "title co 5", "title ne 5", "userName eq 5", "emails[value ne 5]", "active eq 1"] {
        for dialect in Dialect::ALL {
            assert_eq!(holds(dialect, text).expect_err(text).scim_type(), Some(ScimType::InvalidFilter), "{text}");
        }
    }
}

/// A9.
#[test]
fn an_empty_list_of_schemas_is_none() {
    let body = json!({"schemas": [], "Operations": []});
    let body = body.as_object().expect("an object");
    assert!(read(body, &mut Reading::new(Dialect::Auto)).is_ok());
    assert!(read(body, &mut Reading::new(Dialect::Rfc)).is_err());
    assert!(scim::bulk::read(body, 10, &mut Reading::new(Dialect::Auto)).is_ok());
    assert!(scim::ListRequest::from_body(body, &mut Reading::new(Dialect::Auto)).is_ok());
}

/// `decisions.md` 4: the parts of values too, and what is in them.
#[test]
fn parts_go_only_where_they_are_named() {
    let typed = patched(&ada(), json!([{"op": "remove", "path": "emails.type", "value": "home"}]));
    assert_eq!(typed["emails"][0]["type"], "work");
    assert_eq!(typed["emails"][1], json!({"value": "x@y"}));
    for operations in [
        json!([{"op": "add", "path": "emails.value", "value": null}]),
        json!([{"op": "remove", "path": "emails.type", "value": null}]),
        json!([{"op": "add", "path": HR, "value": null}]),
        json!([{"op": "remove", "path": HR, "value": null}]),
        json!([{"op": "add", "path": "emails", "value": null}]),
        json!([{"op": "remove", "path": "emails", "value": [null]}]),
        json!([{"op": "remove", "path": "emails", "value": [{"display": "nobody"}]}]),
    ] {
        assert_eq!(patched(&ada(), operations.clone()), ada(), "{operations}");
    }
    for operations in [
        json!([{"op": "replace", "path": "emails.value", "value": ""}]),
        json!([{"op": "replace", "path": "emails[type eq \"work\"]", "value": {}}]),
        json!([{"op": "replace", "path": "emails[type eq \"work\"]", "value": {"vlaue": "x"}}]),
        json!([{"op": "replace", "path": "emails", "value": [{"vlaue": "x"}, {"value": "x@y"}]}]),
        json!([{"op": "replace", "path": "emails", "value": ""}]),
        json!([{"op": "replace", "path": "emails", "value": [{"value": ""}]}]),
    ] {
        assert_eq!(refusal(&ada(), operations), Some(ScimType::InvalidValue));
    }
    let tagged =
        json!({"userName": "a", HR: {"desk": {"tags": ["a", "b"]}, "badges": [{"value": "1", "tags": ["a"]}]}});
    let added = patched(
        &tagged,
        json!([
            {"op": "add", "path": format!("{HR}:desk.tags"), "value": ["c"]},
            {"op": "add", "path": format!("{HR}:badges"), "value": [{"value": "1", "tags": ["b"]}]},
            {"op": "add", "path": format!("{HR}:badges[value eq \"1\"].tags"), "value": ["c"]},
            {"op": "remove", "path": format!("{HR}:desk.tags"), "value": ["a"]},
        ]),
    );
    assert_eq!(added[HR], json!({"desk": {"tags": ["b", "c"]}, "badges": [{"value": "1", "tags": ["a", "b", "c"]}]}));
    let changed = patched(&tagged, json!([{"op": "replace", "path": format!("{HR}:desk"), "value": {"tags": ["z"]}}]));
    assert_eq!(changed[HR]["desk"], json!({"tags": ["z"]}), "it never had a value that it could lose");
}
