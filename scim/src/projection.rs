//! `attributes` and `excludedAttributes` (RFC 7644 §3.9): which part of a resource is answered. Rule C58.

use serde_json::{Map, Value};

use crate::path::{AttributePath, Meaning};
use crate::schema::{Attribute, ResourceType, Returned, Schema};
use crate::{Error, ScimType};

/// What a client wants to see of resources of one type.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Projection {
    mode: Mode,
    named: Vec<Named>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mode {
    /// The default set.
    #[default]
    Default,
    /// The named and what is always returned.
    Only,
    /// The default set without the named.
    Except,
}

/// One name of the list, looked up: canonical.
#[derive(Clone, Debug, PartialEq)]
struct Named {
    extension: Option<String>,
    attribute: Option<String>,
    sub: Option<String>,
}

impl Named {
    fn names(&self, extension: Option<&str>, attribute: &Attribute) -> bool {
        self.extension.as_deref() == extension && self.attribute.as_ref().is_none_or(|name| *name == attribute.name)
    }

    fn is_whole(&self) -> bool {
        self.sub.is_none()
    }
}

impl Projection {
    /// Reads the two query parameters: comma-separated names, in any case, with or without URN. Names that no schema
    /// has select nothing.
    ///
    /// # Errors
    ///
    /// `invalidValue` when both are given (C40).
    pub fn read(kind: &ResourceType, attributes: Option<&str>, excluded: Option<&str>) -> Result<Self, Error> {
        let names = |list: Option<&str>| -> Vec<Named> {
            list.into_iter().flat_map(|list| list.split(',')).filter_map(|name| look_up(kind, name.trim())).collect()
        };
        let given = |list: Option<&str>| list.is_some_and(|list| !list.trim().is_empty());
        match (given(attributes), given(excluded)) {
            (true, true) => {
                Err(Error::new(ScimType::InvalidValue, "attributes and excludedAttributes cannot be used together"))
            }
            (true, false) => Ok(Self { mode: Mode::Only, named: names(attributes) }),
            (false, true) => Ok(Self { mode: Mode::Except, named: names(excluded) }),
            (false, false) => Ok(Self::default()),
        }
    }

    /// Whether it is the default set, which does not depend on the request.
    pub fn is_default(&self) -> bool {
        self.mode == Mode::Default
    }

    /// Whether the client named the attributes it wants: then a PATCH answers with a body (C76).
    pub fn is_selective(&self) -> bool {
        self.mode == Mode::Only
    }

    /// Whether any part of a core attribute is answered. If not, it need not be computed (C59).
    pub fn wants(&self, attribute: &Attribute) -> bool {
        self.part(None, attribute) != Part::None
    }

    /// Reduces a resource, its names in canonical spelling, to what is answered.
    pub fn apply(&self, kind: &ResourceType, resource: &mut Map<String, Value>) {
        let common = crate::schema::common_attributes();
        for attribute in kind.core.attributes.iter().chain(common) {
            self.reduce(None, attribute, resource);
        }
        for extension in &kind.extensions {
            self.reduce_extension(extension, resource);
        }
    }

    fn reduce_extension(&self, extension: &Schema, resource: &mut Map<String, Value>) {
        let Some(object) = resource.get_mut(&extension.id).and_then(Value::as_object_mut) else {
            return;
        };
        for attribute in &extension.attributes {
            self.reduce(Some(&extension.id), attribute, object);
        }
        if object.is_empty() {
            resource.remove(&extension.id);
        }
    }

    fn reduce(&self, extension: Option<&str>, attribute: &Attribute, container: &mut Map<String, Value>) {
        match self.part(extension, attribute) {
            Part::Whole => {}
            Part::None => {
                container.remove(&attribute.name);
            }
            Part::Subs => {
                let Some(value) = container.get_mut(&attribute.name) else {
                    return;
                };
                if value.as_array().is_some_and(Vec::is_empty) {
                    // A list without elements is shown as such: there was nothing to leave out.
                    return;
                }
                self.reduce_subs(extension, attribute, value);
                let emptied = match &*value {
                    Value::Object(object) => object.is_empty(),
                    Value::Array(elements) => elements.is_empty(),
                    _ => false,
                };
                if emptied {
                    container.remove(&attribute.name);
                }
            }
        }
    }

    fn reduce_subs(&self, extension: Option<&str>, attribute: &Attribute, value: &mut Value) {
        match value {
            Value::Array(elements) => {
                for element in elements.iter_mut() {
                    self.reduce_subs(extension, attribute, element);
                }
                elements.retain(|element| element.as_object().is_none_or(|object| !object.is_empty()));
            }
            Value::Object(object) => object.retain(|name, _| {
                let named = self.named.iter().any(|named| {
                    named.names(extension, attribute) && named.sub.as_ref().is_some_and(|sub| sub == name)
                });
                let always = attribute.sub(name).is_some_and(|sub| sub.returned == Returned::Always);
                always || named == (self.mode == Mode::Only)
            }),
            _ => {}
        }
    }

    fn part(&self, extension: Option<&str>, attribute: &Attribute) -> Part {
        let mut named = self.named.iter().filter(|named| named.names(extension, attribute)).peekable();
        let any = named.peek().is_some();
        let whole = named.any(Named::is_whole);
        match (attribute.returned, self.mode) {
            (Returned::Never, _) => Part::None,
            (Returned::Always, _) => Part::Whole,
            (_, Mode::Only) if whole => Part::Whole,
            (_, Mode::Only) if any => Part::Subs,
            (_, Mode::Only) | (Returned::Request, _) => Part::None,
            (Returned::Default, Mode::Except) if whole => Part::None,
            (Returned::Default, Mode::Except) if any => Part::Subs,
            (Returned::Default, _) => Part::Whole,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Whole,
    Subs,
    None,
}

fn look_up(kind: &ResourceType, name: &str) -> Option<Named> {
    match AttributePath::parse(name).ok()?.resolve(kind) {
        Meaning::Attribute(target) => Some(Named {
            extension: target.extension.map(|extension| extension.id.clone()),
            attribute: Some(target.attribute.name.clone()),
            sub: target.sub.map(|sub| sub.name.clone()),
        }),
        Meaning::Extension(extension) => {
            Some(Named { extension: Some(extension.id.clone()), attribute: None, sub: None })
        }
        Meaning::Core => Some(Named { extension: None, attribute: None, sub: None }),
        Meaning::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::{ENTERPRISE_USER, USER};

    fn projected(attributes: Option<&str>, excluded: Option<&str>) -> Value {
        let kind = ResourceType::user();
        let mut resource = json!({
            "schemas": [USER], "id": "1", "userName": "a", "active": true, "password": "never",
            "name": {"givenName": "A", "familyName": "B"},
            "emails": [{"value": "a@x", "type": "work"}, {"value": "b@x"}],
            ENTERPRISE_USER: {"department": "R", "manager": {"value": "2", "displayName": "G"}},
            "meta": {"resourceType": "User"},
        });
        let object = resource.as_object_mut().expect("an object");
        Projection::read(kind, attributes, excluded).expect("valid").apply(kind, object);
        resource
    }

    #[test]
    fn c58_attributes_keeps_what_is_always_returned() {
        assert_eq!(projected(Some("USERNAME"), None), json!({"schemas": [USER], "id": "1", "userName": "a"}));
        assert_eq!(
            projected(Some("name.givenName, emails.type"), None),
            json!({"schemas": [USER], "id": "1", "name": {"givenName": "A"}, "emails": [{"type": "work"}]})
        );
        let manager = format!("{ENTERPRISE_USER}:manager.displayName");
        assert_eq!(projected(Some(&manager), None)[ENTERPRISE_USER], json!({"manager": {"displayName": "G"}}));
        assert_eq!(projected(Some("shoeSize"), None), json!({"schemas": [USER], "id": "1"}));
    }

    #[test]
    fn c58_excluded_attributes_cannot_drop_what_is_always_returned() {
        let left = projected(None, Some("id,schemas,name.familyName,emails,meta"));
        assert_eq!(left["id"], "1");
        assert_eq!(left["name"], json!({"givenName": "A"}));
        assert!(left.get("emails").is_none() && left.get("meta").is_none());
    }

    #[test]
    fn c58_a_whole_extension_by_its_urn() {
        assert_eq!(projected(Some(ENTERPRISE_USER), None)[ENTERPRISE_USER]["department"], "R");
        assert!(projected(None, Some(ENTERPRISE_USER)).get(ENTERPRISE_USER).is_none());
    }

    #[test]
    fn sc09_never_is_never() {
        assert!(projected(None, None).get("password").is_none());
        assert!(projected(Some("password"), None).get("password").is_none());
    }

    #[test]
    fn c40_both_at_once_is_refused() {
        assert!(Projection::read(ResourceType::user(), Some("a"), Some("b")).is_err());
    }

    #[test]
    fn c59_an_excluded_attribute_need_not_be_computed() {
        let kind = ResourceType::group();
        let members = kind.attribute("members").expect("members");
        let wants = |attributes, excluded| Projection::read(kind, attributes, excluded).expect("valid").wants(members);
        assert!(wants(None, None) && wants(Some("members.value"), None));
        assert!(!wants(None, Some("Members")) && !wants(Some("displayName"), None));
    }
}
