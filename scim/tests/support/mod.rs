//! Users with attributes of every shape, and what requests do to them.

use std::sync::Arc;

use scim::extension::{Extension, ResourceTypes};
use scim::patch::{apply, read};
use scim::{Dialect, Error, Reading, Resource};
use serde_json::{Value, json};

pub const HR: &str = "urn:acme:scim:hr:1.0:User";

/// Users who also have a list of plain values, compared with case, and one of values with a list inside.
pub fn types() -> Arc<ResourceTypes> {
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

pub fn ada() -> Value {
    json!({
        "userName": "ada", "active": true,
        "emails": [{"value": "Ada@b.example", "type": "work", "primary": true}, {"value": "x@y", "type": "home"},
                   {"value": "z@y", "type": "work", "display": "Z"}],
        "addresses": [{"locality": "Oslo", "type": "work"}, {"locality": "Rome", "type": "home"}],
        HR: {"devices": ["D1", "D2", "d2"]},
    })
}

pub fn list_of(user: &Value, list: &str) -> Vec<Value> {
    let list = if list == "devices" { &user[HR]["devices"] } else { &user[list] };
    list.as_array().cloned().unwrap_or_default()
}

/// A user after the operations of a PATCH.
pub fn user_after(dialect: Dialect, before: &Value, operations: &Value) -> Result<Value, Error> {
    let mut reading = Reading::new(dialect);
    let body = json!({"schemas": [scim::patch::SCHEMA], "Operations": operations});
    let operations = read(body.as_object().expect("an object"), &mut reading)?;
    let before = Resource::from_stored(before.as_object().expect("an object").clone());
    let patched = apply(&types().user, "id", &before, &operations, &mut reading)?;
    Ok(Value::Object(patched.resource.into_attributes()))
}
