//! PATCH, rule by rule: a resource and operations in, a resource out (RFC 7644 §3.5.2, rules C75–C99).

use scim::patch::{EdgeChanges, Patched, apply, read};
use scim::schema::{ENTERPRISE_USER, USER};
use scim::{Dialect, Error, Reading, Resource, ResourceType, ScimType};
use serde_json::{Value, json};

const ID: &str = "01900000-0000-7000-8000-000000000001";

fn patched(dialect: Dialect, kind: &ResourceType, before: &Value, operations: &Value) -> Result<Patched, Error> {
    let mut reading = Reading::new(dialect);
    let body = json!({"schemas": [scim::patch::SCHEMA], "Operations": operations});
    let operations = read(body.as_object().expect("an object"), &mut reading)?;
    let resource = Resource::from_stored(before.as_object().expect("an object").clone());
    apply(kind, ID, &resource, &operations, &mut reading)
}

fn user_in(dialect: Dialect, before: &Value, operations: &Value) -> Result<Value, Error> {
    patched(dialect, ResourceType::user(), before, operations)
        .map(|patched| Value::Object(patched.resource.into_attributes()))
}

fn user(before: &Value, operations: &Value) -> Value {
    user_in(Dialect::Auto, before, operations).unwrap_or_else(|error| panic!("{operations}: {error}"))
}

fn refused(dialect: Dialect, before: &Value, operations: &Value) -> ScimType {
    let error = user_in(dialect, before, operations).expect_err(&operations.to_string());
    error.scim_type().expect("a type")
}

fn members(operations: &Value) -> Result<EdgeChanges, Error> {
    patched(Dialect::Auto, ResourceType::group(), &json!({"displayName": "G"}), operations).map(|patched| patched.edges)
}

fn net(operations: &Value) -> (bool, Vec<String>, Vec<String>) {
    let edges = members(operations).unwrap_or_else(|error| panic!("{operations}: {error}"));
    (edges.cleared(), edges.added().map(str::to_owned).collect(), edges.removed().map(str::to_owned).collect())
}

fn ada() -> Value {
    json!({"userName": "ada", "active": true, "title": "Countess",
           "name": {"givenName": "Ada", "familyName": "Lovelace"},
           "emails": [{"value": "a@work.example", "type": "work", "primary": true},
                      {"value": "a@home.example", "type": "home"}]})
}

fn with(mut base: Value, name: &str, value: Value) -> Value {
    base[name] = value;
    base
}

fn without(mut base: Value, name: &str) -> Value {
    base.as_object_mut().expect("an object").remove(name);
    base
}

#[test]
fn c75_operations_apply_in_order_and_an_error_names_the_one_that_failed() {
    let operations =
        json!([{"op": "replace", "path": "title", "value": "1"}, {"op": "replace", "path": "title", "value": "2"}]);
    assert_eq!(user(&ada(), &operations)["title"], "2");
    let failing = json!([{"op": "replace", "path": "title", "value": "1"}, {"op": "remove"}]);
    let error = user_in(Dialect::Auto, &ada(), &failing).expect_err("refused");
    assert!(error.to_string().starts_with("Operations[1]: "), "{error}");
}

#[test]
fn c77_no_effective_change_gives_the_same_resource() {
    for operations in [
        json!([{"op": "replace", "path": "active", "value": true}]),
        json!([{"op": "add", "path": "emails", "value": [{"value": "a@home.example", "type": "home"}]}]),
        json!([{"op": "remove", "path": "emails[type eq \"other\"]"}]),
        json!([{"op": "remove", "path": "nickName"}]),
        json!([{"op": "replace", "value": {"userName": "ada", "name": {"givenName": "Ada"}}}]),
        json!([{"op": "replace", "path": "password", "value": "s3cret"}]),
    ] {
        assert_eq!(user(&ada(), &operations), ada(), "{operations}");
    }
}

#[test]
fn c79_remove_needs_a_path_and_cannot_take_what_is_required_or_read_only() {
    for (operations, expected) in [
        (json!([{"op": "remove"}]), ScimType::NoTarget),
        (json!([{"op": "remove", "value": {"title": "x"}}]), ScimType::NoTarget),
        (json!([{"op": "remove", "path": "userName"}]), ScimType::Mutability),
        (json!([{"op": "replace", "path": "id", "value": "x"}]), ScimType::Mutability),
        (json!([{"op": "replace", "path": "meta.version", "value": "x"}]), ScimType::Mutability),
        (json!([{"op": "add", "path": "groups", "value": [{"value": "g"}]}]), ScimType::Mutability),
        (json!([{"op": "add", "value": {"groups": [{"value": "g"}]}}]), ScimType::Mutability),
    ] {
        for dialect in [Dialect::Auto, Dialect::Rfc] {
            assert_eq!(refused(dialect, &ada(), &operations), expected, "{operations}");
        }
    }
}

#[test]
fn c80_a_path_less_value_may_carry_the_resources_own_id() {
    let rename = json!([{"op": "replace", "value": {"id": ID, "title": "x", "schemas": [USER], "meta": {"a": 1}}}]);
    assert_eq!(user(&ada(), &rename)["title"], "x");
    let other = json!([{"op": "replace", "value": {"id": "another", "title": "x"}}]);
    assert_eq!(refused(Dialect::Auto, &ada(), &other), ScimType::Mutability);
}

#[test]
fn c81_path_less_merges_each_key_as_its_own_operation() {
    let added = user(&ada(), &json!([{"op": "add", "value": {"title": "x", "emails": [{"value": "c@x"}]}}]));
    assert_eq!(added["title"], "x");
    assert_eq!(added["emails"].as_array().expect("a list").len(), 3);
    let replaced = user(&ada(), &json!([{"op": "replace", "value": {"emails": [{"value": "c@x"}]}}]));
    assert_eq!(replaced["emails"], json!([{"value": "c@x"}]));
    assert_eq!(refused(Dialect::Auto, &ada(), &json!([{"op": "add", "value": "x"}])), ScimType::InvalidValue);
}

#[test]
fn c82_path_less_keys_may_be_dotted_qualified_filtered_or_extensions() {
    let after = user(
        &ada(),
        &json!([{"op": "replace", "value": {
            "name.givenName": "A", "urn:ietf:params:scim:schemas:core:2.0:User:title": "T",
            format!("{ENTERPRISE_USER}:employeeNumber"): "7",
            format!("{ENTERPRISE_USER}:manager.value"): "M1",
            "emails[type eq \"work\"].value": "n@x.y", "shoeSize": 9,
        }}]),
    );
    assert_eq!(after["name"], json!({"givenName": "A", "familyName": "Lovelace"}));
    assert_eq!(after["title"], "T");
    assert_eq!(after["emails"][0], json!({"value": "n@x.y", "type": "work", "primary": true}));
    assert_eq!(after[ENTERPRISE_USER], json!({"employeeNumber": "7", "manager": {"value": "M1"}}));
    let whole =
        user(&after, &json!([{"op": "replace", "value": {ENTERPRISE_USER: {"costCenter": "9", "manager": "M2"}}}]));
    assert_eq!(whole[ENTERPRISE_USER], json!({"employeeNumber": "7", "costCenter": "9", "manager": {"value": "M2"}}));
    let dotted = json!([{"op": "replace", "value": {"name.givenName": "A"}}]);
    assert_eq!(refused(Dialect::Rfc, &ada(), &dotted), ScimType::InvalidSyntax);
}

#[test]
fn c83_names_in_any_case_are_the_same_attribute() {
    let operations =
        json!([{"op": "replace", "path": "TITLE", "value": "x"}, {"op": "add", "value": {"NickName": "y"}}]);
    let after = user(&ada(), &operations);
    assert_eq!((&after["title"], &after["nickName"]), (&json!("x"), &json!("y")));
}

#[test]
fn c84_replace_of_a_complex_attribute_merges() {
    let merged =
        user(&ada(), &json!([{"op": "replace", "path": "name", "value": {"givenName": "A", "familyName": null}}]));
    assert_eq!(merged["name"], json!({"givenName": "A"}));
    assert_eq!(user(&ada(), &json!([{"op": "replace", "path": "nickName", "value": "x"}]))["nickName"], "x");
    assert_eq!(user(&ada(), &json!([{"op": "add", "path": "title", "value": "x"}]))["title"], "x");
    assert_eq!(user(&ada(), &json!([{"op": "add", "path": "name.givenName", "value": "x"}]))["name"]["givenName"], "x");
}

#[test]
fn c85_add_appends_without_duplicates_and_updates_the_same_value_and_type() {
    let again = json!([{"op": "add", "path": "emails", "value": [{"value": "a@home.example", "type": "home", "display": "Home"}]}]);
    let after = user(&ada(), &again);
    assert_eq!(after["emails"][1], json!({"value": "a@home.example", "type": "home", "display": "Home"}));
    assert_eq!(after["emails"].as_array().expect("a list").len(), 2);
}

#[test]
fn c86_replace_substitutes_all_or_the_matching_ones() {
    let all = json!([{"op": "replace", "path": "emails", "value": [{"value": "n@x"}]}]);
    assert_eq!(user(&ada(), &all)["emails"], json!([{"value": "n@x"}]));
    let one =
        json!([{"op": "replace", "path": "emails[type eq \"home\"]", "value": {"value": "n@x", "type": "other"}}]);
    assert_eq!(user(&ada(), &one)["emails"][1], json!({"value": "n@x", "type": "other"}));
    let listed =
        json!([{"op": "replace", "path": "emails[type eq \"home\"]", "value": [{"value": "n@x", "type": "other"}]}]);
    assert_eq!(user(&ada(), &listed)["emails"][1], json!({"value": "n@x", "type": "other"}));
    assert_eq!(refused(Dialect::Rfc, &ada(), &listed), ScimType::InvalidValue);
    let sub = json!([{"op": "replace", "path": "emails[value co \"example\"].display", "value": "E"}]);
    let after = user(&ada(), &sub);
    assert!(after["emails"].as_array().expect("a list").iter().all(|email| email["display"] == "E"));
}

#[test]
fn c87_a_value_path_without_a_match_creates_what_it_describes() {
    let operation = |op: &str, path: &str| json!([{"op": op, "path": path, "value": "n@x"}]);
    for op in ["add", "replace"] {
        let after = user(&ada(), &operation(op, "emails[type eq \"Other\" and primary eq false].value"));
        assert_eq!(after["emails"][2], json!({"type": "Other", "primary": false, "value": "n@x"}));
    }
    let path = "emails[type eq \"other\"].value";
    assert_eq!(refused(Dialect::Rfc, &ada(), &operation("replace", path)), ScimType::NoTarget);
    assert!(user_in(Dialect::Rfc, &ada(), &operation("add", path)).is_ok());
    for path in ["emails[type ne \"work\" and value sw \"q\"].value", "emails[type eq \"x\" or type eq \"y\"].value"] {
        assert_eq!(refused(Dialect::Auto, &ada(), &operation("add", path)), ScimType::NoTarget);
    }
}

#[test]
fn c88_several_operations_with_one_absent_value_path_fill_one_element() {
    let operations = json!([
        {"op": "Add", "path": "addresses[type eq \"work\"].locality", "value": "Oslo"},
        {"op": "Add", "path": "addresses[type eq \"work\"].country", "value": "NO"}]);
    assert_eq!(user(&ada(), &operations)["addresses"], json!([{"type": "work", "locality": "Oslo", "country": "NO"}]));
}

#[test]
fn c89_a_string_compared_with_a_boolean_creates_a_boolean() {
    let operations = json!([{"op": "Add", "path": "roles[primary eq \"True\"].value", "value": "Admin"}]);
    assert_eq!(user(&ada(), &operations)["roles"], json!([{"primary": true, "value": "Admin"}]));
    let in_another_order = json!([
        {"op": "Add", "path": "roles[primary eq \"True\"].display", "value": "Admin"},
        {"op": "Add", "path": "roles[primary eq \"True\"].type", "value": "app"},
        {"op": "Add", "path": "roles[primary eq \"True\"].value", "value": "1"}]);
    let expected = json!([{"primary": true, "display": "Admin", "type": "app", "value": "1"}]);
    assert_eq!(user(&ada(), &in_another_order)["roles"], expected);
    let again = json!([{"op": "Replace", "path": "roles[primary eq \"True\"].value", "value": "Reader"}]);
    assert_eq!(user(&user(&ada(), &operations), &again)["roles"], json!([{"primary": true, "value": "Reader"}]));
}

#[test]
fn c90_remove_with_a_value_path() {
    let one = json!([{"op": "remove", "path": "emails[type eq \"work\"]"}]);
    assert_eq!(user(&ada(), &one)["emails"], json!([{"value": "a@home.example", "type": "home"}]));
    let sub = json!([{"op": "remove", "path": "emails[type eq \"work\"].primary"}]);
    assert_eq!(user(&ada(), &sub)["emails"][0], json!({"value": "a@work.example", "type": "work"}));
    let last = json!([{"op": "remove", "path": "emails[value pr]"}]);
    assert_eq!(user(&ada(), &last), without(ada(), "emails"));
}

#[test]
fn c91_a_new_primary_takes_it_from_the_others() {
    for operations in [
        json!([{"op": "add", "path": "emails", "value": [{"value": "c@x", "primary": true}]}]),
        json!([{"op": "replace", "path": "emails[type eq \"home\"].primary", "value": true}]),
    ] {
        let after = user(&ada(), &operations);
        let primaries = after["emails"].as_array().expect("a list").iter().filter(|email| email["primary"] == true);
        assert_eq!(primaries.count(), 1, "{operations}");
        assert_ne!(after["emails"][0]["primary"], true, "{operations}");
    }
}

#[test]
fn c92_extension_attributes_come_and_go_with_their_urn() {
    let set = json!([{"op": "add", "path": format!("{ENTERPRISE_USER}:department"), "value": "R"}]);
    let after = user(&ada(), &set);
    assert_eq!(after[ENTERPRISE_USER], json!({"department": "R"}));
    for removal in [
        json!([{"op": "remove", "path": format!("{ENTERPRISE_USER}:department")}]),
        json!([{"op": "remove", "path": ENTERPRISE_USER}]),
        json!([{"op": "remove", "path": "schemas", "value": [ENTERPRISE_USER]}]),
    ] {
        assert_eq!(user(&after, &removal), ada(), "{removal}");
    }
    assert_eq!(user(&ada(), &json!([{"op": "add", "path": "schemas", "value": [ENTERPRISE_USER]}])), ada());
}

#[test]
fn c93_scalars_in_strings() {
    for value in ["False", "false"] {
        let operations = json!([{"op": "Replace", "path": "active", "value": value}]);
        assert_eq!(user(&ada(), &operations)["active"], false);
        assert_eq!(refused(Dialect::Rfc, &ada(), &operations), ScimType::InvalidValue);
    }
    let yes = json!([{"op": "Replace", "path": "active", "value": "yes"}]);
    assert_eq!(refused(Dialect::Auto, &ada(), &yes), ScimType::InvalidValue);
    assert_eq!(user(&ada(), &json!([{"op": "add", "path": "title", "value": 7}]))["title"], "7");
}

#[test]
fn c94_manager_in_every_shape_and_every_way_to_clear_it() {
    let path = format!("{ENTERPRISE_USER}:manager");
    let value_path = format!("{path}.value");
    let managed = with(ada(), ENTERPRISE_USER, json!({"manager": {"value": "M1"}}));
    for path in [path.as_str(), value_path.as_str()] {
        for value in
            [json!("M1"), json!({"value": "M1"}), json!({"$ref": null, "value": "M1"}), json!([{"value": "M1"}])]
        {
            if path == value_path && value.is_array() {
                continue;
            }
            let operations = json!([{"op": "Add", "path": path, "value": value}]);
            assert_eq!(user(&ada(), &operations), managed, "{operations}");
        }
        for (op, value) in [
            ("Replace", json!("")),
            ("Add", json!("")),
            ("Remove", json!({"value": ""})),
            ("Replace", json!({"value": ""})),
            ("Replace", json!(null)),
            ("Remove", json!(null)),
            ("Add", json!({"value": null})),
        ] {
            let operations = json!([{"op": op, "path": path, "value": value}]);
            assert_eq!(user(&managed, &operations), ada(), "{operations}");
        }
        assert_eq!(user(&managed, &json!([{"op": "Remove", "path": path}])), ada());
    }
}

#[test]
fn c94_an_unqualified_manager_path_names_the_extensions_attribute() {
    let managed = with(ada(), ENTERPRISE_USER, json!({"manager": {"value": "M1"}}));
    let operations = json!([{"op": "Add", "path": "manager", "value": "M1"}]);
    assert_eq!(user(&ada(), &operations), managed);
    assert_eq!(user(&managed, &json!([{"op": "Remove", "path": "manager"}])), ada());
}

#[test]
fn c95_remove_with_a_value_on_a_singular_attribute_clears() {
    let operations = json!([{"op": "Remove", "path": "title", "value": "whatever"}]);
    assert_eq!(user(&ada(), &operations), without(ada(), "title"));
    assert_eq!(refused(Dialect::Rfc, &ada(), &operations), ScimType::InvalidSyntax);
}

#[test]
fn c96_empty_text_clears_but_not_the_user_name() {
    let clear = json!([{"op": "Replace", "path": "title", "value": ""}]);
    assert_eq!(user(&ada(), &clear), without(ada(), "title"));
    for operations in [
        json!([{"op": "Replace", "path": "userName", "value": ""}]),
        json!([{"op": "Replace", "path": "userName", "value": "  "}]),
        json!([{"op": "Replace", "value": {"userName": null}}]),
        json!([{"op": "Replace", "path": "active", "value": ""}]),
    ] {
        assert_eq!(refused(Dialect::Auto, &ada(), &operations), ScimType::InvalidValue, "{operations}");
    }
}

#[test]
fn c97_roles_as_json_in_a_string() {
    let role = r#"{"id":"r1","value":"Admin","display":"Administrator"}"#;
    let expected = json!([{"value": "Admin", "display": "Administrator"}]);
    for value in [json!([{"value": role}]), json!(role), json!([role])] {
        let operations = json!([{"op": "Add", "path": "roles", "value": value}]);
        assert_eq!(user(&ada(), &operations)["roles"], expected, "{operations}");
    }
}

#[test]
fn c98_deactivation_in_every_shape() {
    for operations in [
        json!([{"op": "Replace", "path": "active", "value": "False"}]),
        json!([{"op": "Add", "path": "active", "value": false}]),
        json!([{"op": "replace", "value": {"active": false}}]),
        json!([{"op": "add", "value": {"active": "false"}}]),
        json!([{"op": "replace", "path": "urn:ietf:params:scim:schemas:core:2.0:User:active", "value": false}]),
        json!([{"op": "replace", "value": {"urn:ietf:params:scim:schemas:core:2.0:User:active": false}}]),
        json!([{"op": "replace", "path": "urn:ietf:params:scim:schemas:core:2.0:User", "value": {"active": false}}]),
    ] {
        assert_eq!(user(&ada(), &operations), with(ada(), "active", json!(false)), "{operations}");
    }
}

#[test]
fn c99_active_and_password_together() {
    let operations = json!([{"op": "replace", "value": {"active": false, "password": "Xy9!aaaa"}}]);
    assert_eq!(user(&ada(), &operations), with(ada(), "active", json!(false)));
}

#[test]
fn c102_remove_with_value_never_wipes_the_group() {
    for value in [
        json!([{"value": "U1"}]),
        json!([{"$ref": null, "value": "U1"}]),
        json!({"value": "U1"}),
        json!("U1"),
        json!(["U1"]),
    ] {
        let operations = json!([{"op": "Remove", "path": "members", "value": value}]);
        assert_eq!(net(&operations), (false, vec![], vec!["U1".to_owned()]), "{operations}");
        let strict = patched(Dialect::Rfc, ResourceType::group(), &json!({"displayName": "G"}), &operations);
        assert_eq!(strict.expect_err("refused").scim_type(), Some(ScimType::InvalidSyntax));
    }
    assert_eq!(net(&json!([{"op": "remove", "path": "members"}])), (true, vec![], vec![]));
    assert_eq!(
        net(&json!([{"op": "remove", "path": "members[value eq \"U1\"]"}])),
        (false, vec![], vec!["U1".to_owned()])
    );
}

#[test]
fn c95_c102_no_remove_carries_a_value_in_the_strict_dialect() {
    let before = json!({"userName": "a", "title": "T", ENTERPRISE_USER: {"department": "R&D", "division": "D"}});
    for path in ["title", "password", ENTERPRISE_USER] {
        let operations = json!([{"op": "remove", "path": path, "value": {"department": "R&D"}}]);
        assert_eq!(refused(Dialect::Rfc, &before, &operations), ScimType::InvalidSyntax, "{path}");
    }
    let filtered = json!([{"op": "remove", "path": "members[value eq \"U1\"]", "value": [{"value": "U2"}]}]);
    let strict = patched(Dialect::Rfc, ResourceType::group(), &json!({"displayName": "G"}), &filtered);
    assert_eq!(strict.expect_err("refused").scim_type(), Some(ScimType::InvalidSyntax));
    assert_eq!(net(&filtered), (false, vec![], vec!["U1".to_owned()]), "never more than the path names");
}

#[test]
fn c92_c95_removing_from_an_extension_takes_what_is_named_and_no_more() {
    let before = json!({"userName": "a", ENTERPRISE_USER: {"department": "R&D", "division": "D"}});
    let some = json!([{"op": "remove", "path": ENTERPRISE_USER, "value": {"department": "R&D"}}]);
    assert_eq!(user(&before, &some), json!({"userName": "a", ENTERPRISE_USER: {"division": "D"}}));
    assert_eq!(user(&before, &json!([{"op": "remove", "path": ENTERPRISE_USER}])), json!({"userName": "a"}));
    let wrong = json!([{"op": "remove", "path": ENTERPRISE_USER, "value": "department"}]);
    assert_eq!(refused(Dialect::Auto, &before, &wrong), ScimType::InvalidValue);
}

#[test]
fn c82_a_mistyped_part_changes_nothing() {
    let before = json!({"userName": "a", ENTERPRISE_USER: {"manager": {"value": "U1"}}});
    for key in ["manager.vlaue", "urn:other:hr:1.0:User:manager", "urn:other:hr:1.0:User:manager.value"] {
        let operations = json!([{"op": "replace", "value": {ENTERPRISE_USER: {key: "U9"}}}]);
        assert_eq!(user(&before, &operations), before, "{key}");
        assert_eq!(refused(Dialect::Rfc, &before, &operations), ScimType::InvalidSyntax, "{key}");
    }
    let dotted = json!([{"op": "replace", "value": {ENTERPRISE_USER: {"manager.value": "U9"}}}]);
    assert_eq!(user(&before, &dotted)[ENTERPRISE_USER]["manager"]["value"], "U9");
    assert_eq!(refused(Dialect::Rfc, &before, &dotted), ScimType::InvalidSyntax, "a path is no key there");
}

#[test]
fn c34_what_is_refused_is_named_without_values() {
    let operations = json!([{"op": "add", "value": {"emails[value eq \"ada@x.example\"].value": "b@x.example"}}]);
    let refusal = user_in(Dialect::Rfc, &json!({"userName": "a"}), &operations).expect_err("refused");
    assert!(!refusal.to_string().contains("ada"), "{refusal}");
}

#[test]
fn c80_c97_what_only_vendors_send_is_refused_by_the_strict_dialect() {
    let before = json!({"userName": "a"});
    let meta = json!([{"op": "replace", "value": {"meta": {"version": "1"}, "title": "T"}}]);
    assert_eq!(user(&before, &meta)["title"], "T");
    assert_eq!(refused(Dialect::Rfc, &before, &meta), ScimType::Mutability);
    let roles = json!([{"op": "add", "path": "roles", "value": [{"value": "{\"value\":\"admin\"}"}]}]);
    assert_eq!(user(&before, &roles)["roles"], json!([{"value": "admin"}]));
    assert_eq!(refused(Dialect::Rfc, &before, &roles), ScimType::InvalidValue, "neither read nor stored");
}

#[test]
fn c103_remove_of_nobody_is_a_no_op_or_an_error_but_never_a_wipe() {
    for value in [json!([]), json!(null), json!([null])] {
        let operations = json!([{"op": "remove", "path": "members", "value": value}]);
        assert_eq!(net(&operations), (false, vec![], vec![]), "{operations}");
        let strict = patched(Dialect::Rfc, ResourceType::group(), &json!({"displayName": "G"}), &operations);
        assert_eq!(strict.expect_err("refused").scim_type(), Some(ScimType::InvalidSyntax));
    }
    for value in [json!([{"value": null}]), json!([{}]), json!([{"value": ""}]), json!({}), json!([1])] {
        let operations = json!([{"op": "remove", "path": "members", "value": value}]);
        let error = members(&operations).expect_err(&operations.to_string());
        assert_eq!(error.scim_type(), Some(ScimType::InvalidValue), "{operations}");
    }
}

#[test]
fn c104_replace_with_nothing_empties() {
    for operations in [
        json!([{"op": "replace", "path": "members", "value": []}]),
        json!([{"op": "replace", "path": "MEMBERS", "value": null}]),
        json!([{"op": "replace", "value": {"Members": []}}]),
    ] {
        assert_eq!(net(&operations), (true, vec![], vec![]), "{operations}");
    }
}

#[test]
fn c106_order_matters_within_one_patch() {
    let add = json!({"op": "add", "path": "members", "value": [{"value": "U1"}]});
    let remove = json!({"op": "remove", "path": "members[value eq \"U1\"]"});
    assert_eq!(net(&json!([add, remove])), (false, vec![], vec!["U1".to_owned()]));
    assert_eq!(net(&json!([remove, add])), (false, vec!["U1".to_owned()], vec![]));
    let cleared = json!({"op": "replace", "path": "members", "value": []});
    assert_eq!(net(&json!([add, cleared])), (true, vec![], vec![]));
}

#[test]
fn c101_a_member_cannot_be_edited_in_place() {
    for operations in [
        json!([{"op": "replace", "path": "members[value eq \"U1\"].value", "value": "U2"}]),
        json!([{"op": "replace", "path": "members[value eq \"U1\"]", "value": {"value": "U2"}}]),
        json!([{"op": "replace", "path": "members[value eq \"U1\"].display", "value": "x"}]),
    ] {
        let error = members(&operations).expect_err("refused");
        assert_eq!(error.scim_type(), Some(ScimType::Mutability), "{operations}");
    }
}

#[test]
fn sc15_paths_that_are_not_paths() {
    for path in [
        "members[value eq \"x\"] or true",
        "emails[type eq \"work\"].value.x.y",
        "members[0]",
        "emails[type bad]",
        "members[nickname sw \"a\"]",
        "title[value eq \"x\"]",
        "name[firstName eq \"x\"]",
    ] {
        let operations = json!([{"op": "remove", "path": path}]);
        let kind = if path.starts_with("members") { ResourceType::group() } else { ResourceType::user() };
        let before = json!({"userName": "a", "displayName": "G"});
        let error = patched(Dialect::Auto, kind, &before, &operations).expect_err(path);
        assert_eq!(error.scim_type(), Some(ScimType::InvalidPath), "{path}");
    }
    let long = format!("emails[type eq \"{}\"]", "x".repeat(10_000));
    assert_eq!(refused(Dialect::Auto, &ada(), &json!([{"op": "remove", "path": long}])), ScimType::InvalidPath);
}
