//! Values in the shapes that clients send them: what is read, what is compared, what is refused.

mod support;

use scim::patch::read;
use scim::schema::{ENTERPRISE_USER, USER};
use scim::{Dialect, Error, Reading, Resource, ScimType};
use serde_json::{Value, json};

use support::{HR, ada, list_of, types, user_after};

fn patched(before: &Value, operations: Value) -> Value {
    user_after(Dialect::Auto, before, &operations).unwrap_or_else(|error| panic!("{operations}: {error}"))
}

fn refusal(before: &Value, operations: Value) -> Option<ScimType> {
    user_after(Dialect::Auto, before, &operations).expect_err(&operations.to_string()).scim_type()
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
