//! Members of groups: what a request does not name stays (`docs/scim-guarantee.md`), and value paths choose them.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use scim::patch::{EdgeChanges, LooksAt, Member, apply, read};
use scim::schema::GROUP;
use scim::{Dialect, Error, Reading, Resource, ResourceType, ScimType};
use serde_json::{Value, json};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    /// `decisions.md` 4. Text that is no id names nobody: the server refuses it by
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
    let kind = ResourceType::group();
    if op == "PUT" {
        let body = json!({"schemas": [GROUP], "displayName": "G", "members": value});
        let read = Resource::read_replacement(kind, body.as_object().expect("an object"), &mut Reading::new(dialect))?;
        let ids = read.attributes()["members"].as_array().expect("a list").iter();
        return Ok(EdgeChanges::exactly(ids.map(|member| member["value"].as_str().expect("an id").to_owned())));
    }
    let mut operation = json!({"op": op, "path": path});
    if let Some(value) = value {
        operation["value"] = value.clone();
    }
    changes_of(dialect, &json!([operation]))
}

fn changes_of(dialect: Dialect, operations: &Value) -> Result<EdgeChanges, Error> {
    let mut reading = Reading::new(dialect);
    let body = json!({"schemas": [scim::patch::SCHEMA], "Operations": operations});
    let operations = read(body.as_object().expect("an object"), &mut reading)?;
    let group = Resource::from_stored(json!({"displayName": "G"}).as_object().expect("an object").clone());
    Ok(apply(ResourceType::group(), "id", &group, &operations, &mut reading)?.edges)
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
    let changes = changes_of(Dialect::Auto, &operations).expect("applied");
    let new = Member { id: "G2".to_owned(), kind: "Group", display: None, is_in: false };
    let settled = changes.settled(&[members().as_slice(), &[new]].concat()).expect("settled");
    assert_eq!((settled.added().collect::<Vec<_>>(), settled.removed().collect::<Vec<_>>()), (vec!["G1"], vec!["G2"]));
}
