//! Extensions that an organization adds to the resource types (RFC 7643 §3.3, C139): checked before they are known.

use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::error::quoted;
use crate::path::AttributePath;
use crate::schema::{self, Attribute, Kind, Mutability, ResourceType, Schema};

/// The most extensions of one organization.
pub const MOST_EXTENSIONS: usize = 20;
/// The most attributes, and sub-attributes of one, in an extension.
const MOST_ATTRIBUTES: usize = 100;
/// The longest name and URN, in bytes.
const MOST_TEXT: usize = 200;

/// An extension and what it extends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Extension {
    /// `User` or `Group`.
    pub resource_type: String,
    /// What it adds.
    pub schema: Schema,
}

impl Extension {
    /// Whether it can be served: a URN of its own, and attributes that every rule can be kept for.
    ///
    /// # Errors
    ///
    /// `invalidValue` naming what is wrong.
    pub fn check(&self) -> Result<(), Error> {
        let Self { resource_type, schema } = self;
        if ResourceType::by_name(resource_type).is_none_or(|kind| kind.name != resource_type) {
            return Err(Error::value("resourceType", "must be User or Group"));
        }
        let urn = &schema.id;
        let is_urn = urn.len() <= MOST_TEXT
            && urn.split(':').count() >= 3
            && urn.split(':').all(|part| !part.is_empty())
            && urn.get(..4).is_some_and(|scheme| scheme == "urn:")
            && urn.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":.-_".contains(&byte));
        if !is_urn {
            return Err(Error::value(
                "id",
                "must be a URN, such as urn:example:params:scim:schemas:extension:hr:2.0:User",
            ));
        }
        // Paths end in names: what follows the last colon is one.
        if AttributePath::split(urn).is_none_or(|path| path.sub.is_some()) {
            return Err(Error::value("id", "must end in a name, as User does in urn:example:hr:2.0:User"));
        }
        let is_standard = urn.to_ascii_lowercase().starts_with("urn:ietf:params:scim:");
        if is_standard || schema::all().iter().any(|known| known.id.eq_ignore_ascii_case(urn)) {
            return Err(Error::value("id", "must not be a URN of the standard: use one of your own"));
        }
        if schema.name.trim().is_empty() || schema.name.len() > MOST_TEXT {
            return Err(Error::value("name", "must be given, and not be long"));
        }
        check_attributes(&schema.attributes, None)
    }

    /// Whether it can take the place of another without a value being lost: nothing is gone, nothing is of another kind.
    ///
    /// # Errors
    ///
    /// `mutability` naming the attribute.
    pub fn check_replaces(&self, before: &Self) -> Result<(), Error> {
        if self.schema.id != before.schema.id {
            return Err(Error::mutability("id", "differs in case from the one there is: use that spelling"));
        }
        if self.resource_type != before.resource_type {
            return Err(Error::mutability("resourceType", "cannot be changed: delete the extension first"));
        }
        check_kept(&before.schema.attributes, &self.schema.attributes, None)
    }
}

fn named(within: Option<&str>, name: &str) -> String {
    within.map_or_else(|| name.to_owned(), |within| format!("{within}.{name}"))
}

fn check_attributes(attributes: &[Attribute], within: Option<&str>) -> Result<(), Error> {
    let place = within.unwrap_or("attributes");
    if attributes.is_empty() || attributes.len() > MOST_ATTRIBUTES {
        return Err(Error::value(place, format!("must be 1 to {MOST_ATTRIBUTES}")));
    }
    for (index, attribute) in attributes.iter().enumerate() {
        let path = named(within, &attribute.name);
        let refused = |reason: &str| Err(Error::value(&path, reason));
        let is_name = attribute.name.len() <= MOST_TEXT
            && attribute.name.starts_with(|first: char| first.is_ascii_alphabetic())
            && attribute.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
        if !is_name {
            return Err(Error::value(place, format!("{} is not an attribute name", quoted(&attribute.name))));
        }
        if attributes[..index].iter().any(|other| other.name.eq_ignore_ascii_case(&attribute.name)) {
            return refused("is there twice");
        }
        if attribute.required {
            return refused(
                "must not be required: a provider that does not know the extension could not create anybody",
            );
        }
        if attribute.mutability != Mutability::ReadWrite {
            return refused("must have the mutability readWrite");
        }
        if attribute.uniqueness.as_deref().is_some_and(|uniqueness| uniqueness != "none") {
            return refused("cannot be unique");
        }
        match (attribute.kind, within) {
            (Kind::Complex, None) => check_attributes(&attribute.sub_attributes, Some(&path))?,
            (Kind::Complex, Some(_)) => return refused("cannot be complex inside of a complex attribute"),
            _ if !attribute.sub_attributes.is_empty() => return refused("has sub-attributes but is not complex"),
            _ => {}
        }
    }
    Ok(())
}

fn check_kept(before: &[Attribute], after: &[Attribute], within: Option<&str>) -> Result<(), Error> {
    for old in before {
        let path = named(within, &old.name);
        let Some(new) = after.iter().find(|new| new.name == old.name) else {
            return Err(Error::mutability(&path, "cannot be taken out of the extension"));
        };
        if (old.kind, old.multi_valued) != (new.kind, new.multi_valued) {
            return Err(Error::mutability(&path, "cannot get another type"));
        }
        check_kept(&old.sub_attributes, &new.sub_attributes, Some(&path))?;
    }
    Ok(())
}

/// The resource types of one organization.
#[derive(Clone, Debug)]
pub struct ResourceTypes {
    /// Users.
    pub user: ResourceType,
    /// Groups.
    pub group: ResourceType,
}

impl ResourceTypes {
    /// Those of the standard, with our own extension.
    pub fn standard() -> &'static Arc<Self> {
        static STANDARD: LazyLock<Arc<ResourceTypes>> = LazyLock::new(|| {
            Arc::new(ResourceTypes { user: ResourceType::user().clone(), group: ResourceType::group().clone() })
        });
        &STANDARD
    }

    /// Those of the standard with these extensions, which were checked.
    pub fn with(extensions: Vec<Extension>) -> Arc<Self> {
        if extensions.is_empty() {
            return Self::standard().clone();
        }
        let mut types = Self::clone(Self::standard());
        for Extension { resource_type, schema } in extensions {
            let kind = if resource_type == types.user.name { &mut types.user } else { &mut types.group };
            kind.extensions.push(schema);
        }
        Arc::new(types)
    }

    /// Each of them, in the order of `/ResourceTypes`.
    pub fn all(&self) -> [&ResourceType; 2] {
        [&self.user, &self.group]
    }

    /// Every schema served at `/Schemas`: those of the resource types, then those of the discovery documents.
    pub fn schemas(&self) -> impl Iterator<Item = &Schema> {
        self.all().into_iter().flat_map(ResourceType::schemas).chain(schema::of_discovery())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn attribute(name: &str, change: &Value) -> Value {
        let mut attribute = json!({"name": name, "type": "string", "multiValued": false, "description": "d",
            "required": false, "mutability": "readWrite", "returned": "default"});
        for (name, value) in change.as_object().expect("an object") {
            attribute[name] = value.clone();
        }
        attribute
    }

    fn extension(id: &str, attributes: &Value) -> Extension {
        let schema = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"], "id": id, "name": "N",
            "description": "d", "attributes": attributes});
        serde_json::from_value(json!({"resourceType": "User", "schema": schema})).expect("an extension")
    }

    const HR: &str = "urn:acme:scim:hr:1.0:User";

    #[test]
    fn c139_what_every_rule_can_be_kept_for_is_accepted() {
        let badge = attribute("badge", &json!({}));
        let sites = attribute("sites", &json!({"type": "complex", "multiValued": true, "subAttributes": [badge]}));
        assert_eq!(extension(HR, &json!([attribute("badge", &json!({"type": "integer"})), sites])).check(), Ok(()));
    }

    #[test]
    fn c139_what_could_not_be_served_exactly_is_refused() {
        let plain = json!([attribute("badge", &json!({}))]);
        for id in [
            "hr",
            "urn:x",
            "urn::x:y",
            "urn:a b:c",
            schema::USER,
            "URN:acme:hr:User",
            &format!("urn:a:{}", "x".repeat(300)),
            "urn:ietf:params:scim:schemas:extension:hr:2.0:User",
            // A path cannot name it: what follows the last colon is no name.
            "urn:acme:hr:2.0",
            "urn:acme:hr:User.x",
        ] {
            assert!(extension(id, &plain).check().is_err(), "{id}");
        }
        for change in [
            json!({"required": true}),
            json!({"mutability": "readOnly"}),
            json!({"mutability": "immutable"}),
            json!({"uniqueness": "server"}),
            json!({"type": "complex"}),
            json!({"subAttributes": [attribute("x", &json!({}))]}),
            json!({"name": "a.b"}),
            json!({"name": "$ref"}),
            json!({"name": ""}),
        ] {
            assert!(extension(HR, &json!([attribute("badge", &change)])).check().is_err(), "{change}");
        }
        let inner = attribute("inner", &json!({"type": "complex", "subAttributes": [attribute("x", &json!({}))]}));
        let nested = attribute("outer", &json!({"type": "complex", "subAttributes": [inner]}));
        let twice = json!([attribute("badge", &json!({})), attribute("BADGE", &json!({}))]);
        for attributes in [json!([nested]), twice, json!([])] {
            assert!(extension(HR, &attributes).check().is_err(), "{attributes}");
        }
        assert!(Extension { resource_type: "user".to_owned(), ..extension(HR, &plain) }.check().is_err());
    }

    #[test]
    fn c139_a_change_loses_no_value() {
        let before = extension(HR, &json!([attribute("badge", &json!({})), attribute("site", &json!({}))]));
        let more = extension(
            HR,
            &json!([
                attribute("site", &json!({"description": "other"})),
                attribute("badge", &json!({})),
                attribute("x", &json!({}))
            ]),
        );
        assert_eq!(more.check_replaces(&before), Ok(()));
        assert!(before.check_replaces(&more).is_err());
        let other =
            extension(HR, &json!([attribute("badge", &json!({"type": "integer"})), attribute("site", &json!({}))]));
        assert!(other.check_replaces(&before).is_err());
    }
}
