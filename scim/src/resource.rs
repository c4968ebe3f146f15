//! A resource as a client sent it, brought into the shape its schemas describe (RFC 7643 §2, §3).

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::filter::is_present;
use crate::json::get_ignore_case;
use crate::patch::references;
use crate::path::{AttributePath, Meaning};
use crate::schema::{ResourceType, Schema};
use crate::value::{ReadValue, read_replacement, read_value, store, unknown};
use crate::{Error, Reading, Tolerance};

/// How many values a list may get, `members` excepted, which are not kept in the resource.
///
/// No directory sends as many: it bounds what one resource costs to keep, to read and to answer. What has more already may keep
/// and shrink them.
pub const MAX_VALUES: usize = 1_000;

/// The attributes a client may write, in canonical spelling and type, unassigned ones left out (C35).
///
/// Extensions are objects under their URN. `schemas`, `id`, `meta` and everything else the server computes are not in
/// here; neither are write-only attributes, which are checked and dropped (C36).
///
/// A clone shares them until one of the two is written to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resource(Arc<Map<String, Value>>);

impl Resource {
    /// Reads the body of a POST (RFC 7644 §3.3).
    ///
    /// Read-only attributes are ignored, names are read in any case, `null` and `[]` mean unassigned.
    ///
    /// # Errors
    ///
    /// `invalidSyntax` for missing or foreign `schemas` (C26) and for unknown attributes (C34) in the strict dialect;
    /// `invalidValue` naming the path for a value of the wrong type (C38) or a missing required attribute (C27).
    pub fn read(kind: &ResourceType, body: &Map<String, Value>, reading: &mut Reading) -> Result<Self, Error> {
        Self::read_by(kind, body, reading, read_value)
    }

    /// Reads the body of a PUT (RFC 7644 §3.5.1), which takes the place of what is stored.
    ///
    /// # Errors
    ///
    /// As [`Resource::read`]; `invalidValue` too for a value of which nothing is understood, and for a list that is not empty and
    /// holds no value: either would clear what the client meant to keep.
    pub fn read_replacement(
        kind: &ResourceType,
        body: &Map<String, Value>,
        reading: &mut Reading,
    ) -> Result<Self, Error> {
        Self::read_by(kind, body, reading, read_replacement)
    }

    fn read_by(
        kind: &ResourceType,
        body: &Map<String, Value>,
        reading: &mut Reading,
        read: ReadValue,
    ) -> Result<Self, Error> {
        check_schemas(kind, body, reading)?;
        let mut reader = Reader { kind, read, reading, resource: Map::new() };
        for (name, value) in body {
            reader.member(name, value)?;
        }
        let resource = Self::from_stored(reader.resource);
        resource.check_required(kind)?;
        Ok(resource)
    }

    /// A resource from its stored form, which is already canonical.
    pub fn from_stored(attributes: Map<String, Value>) -> Self {
        Self(Arc::new(attributes))
    }

    /// The attributes, canonical.
    pub fn attributes(&self) -> &Map<String, Value> {
        &self.0
    }

    /// The attributes, for writing. What is put in must be canonical.
    pub fn attributes_mut(&mut self) -> &mut Map<String, Value> {
        Arc::make_mut(&mut self.0)
    }

    /// The attributes, canonical.
    pub fn into_attributes(self) -> Map<String, Value> {
        Arc::unwrap_or_clone(self.0)
    }

    /// A core attribute that is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// A core attribute that is a boolean.
    pub fn boolean(&self, name: &str) -> Option<bool> {
        self.0.get(name).and_then(Value::as_bool)
    }

    /// The URNs for `schemas`, derived from the content (C72, C92): the core schema and each extension with a value.
    pub fn schemas<'s>(&'s self, kind: &'s ResourceType) -> Vec<&'s str> {
        let extensions = self.0.keys().map(String::as_str).filter(|name| name.contains(':'));
        std::iter::once(kind.core.id.as_str()).chain(extensions).collect()
    }

    /// Whether no list is longer than [`MAX_VALUES`], unless it was as long before: the limit refuses growth, never a change that
    /// shrinks a list or leaves its size as it is.
    ///
    /// # Errors
    ///
    /// `invalidValue` naming the list and the limit.
    pub fn check_growth(&self, kind: &ResourceType, before: Option<&Self>) -> Result<(), Error> {
        let longest = |resource: &'_ Self| -> HashMap<String, usize> {
            let mut found = HashMap::new();
            for (name, value) in &*resource.0 {
                if kind.edges != Some(name.as_str()) {
                    lengths(name, value, &mut Vec::new(), &mut found);
                }
            }
            found
                .into_iter()
                .filter(|(_, length)| *length > MAX_VALUES)
                .map(|(path, length)| (path.join("."), length))
                .collect()
        };
        let now = longest(self);
        if now.is_empty() {
            return Ok(());
        }
        let before = before.map(longest).unwrap_or_default();
        match now.iter().find(|(path, length)| before.get(*path).is_none_or(|before| *length > before)) {
            Some((path, _)) => Err(Error::value(path, format_args!("at most {MAX_VALUES} values are accepted"))),
            None => Ok(()),
        }
    }

    /// Whether every required attribute has a value that is more than blanks.
    pub(crate) fn check_required(&self, kind: &ResourceType) -> Result<(), Error> {
        for attribute in kind.core.attributes.iter().filter(|attribute| attribute.required) {
            let assigned = match self.0.get(&attribute.name) {
                Some(Value::String(text)) => !text.trim().is_empty(),
                Some(value) => is_present(value),
                None => false,
            };
            if !assigned {
                return Err(Error::value(&attribute.name, "is required and must not be empty"));
            }
        }
        Ok(())
    }
}

/// The longest list under each name, within extensions and within values too.
fn lengths<'r>(name: &'r str, value: &'r Value, path: &mut Vec<&'r str>, found: &mut HashMap<Vec<&'r str>, usize>) {
    path.push(name);
    match value {
        Value::Array(elements) => {
            let longest = found.entry(path.clone()).or_default();
            *longest = elements.len().max(*longest);
            for part in elements.iter().filter_map(Value::as_object).flatten() {
                lengths(part.0, part.1, path, found);
            }
        }
        Value::Object(parts) => parts.iter().for_each(|(name, value)| lengths(name, value, path, found)),
        _ => {}
    }
    path.pop();
}

/// `schemas` must name the core schema (RFC 7643 §3.1, C26).
fn check_schemas(kind: &ResourceType, body: &Map<String, Value>, reading: &mut Reading) -> Result<(), Error> {
    let listed = get_ignore_case(body, "schemas");
    let Some(Value::Array(listed)) = listed else {
        return match listed {
            None | Some(Value::Null) if reading.tolerates(Tolerance::LooseSchemas) => Ok(()),
            None | Some(Value::Null) => Err(Error::syntax(format!("schemas must list {}", kind.core.id))),
            Some(_) => Err(Error::syntax("schemas must be a list of URNs")),
        };
    };
    let names = |urn: &str| listed.iter().filter_map(Value::as_str).filter(|listed| *listed == urn).count();
    let known: usize = kind.schemas().map(|schema| names(&schema.id)).sum();
    let each_once = kind.schemas().all(|schema| names(&schema.id) <= 1);
    let carried = body.keys().filter_map(|name| kind.extension(name));
    let all_carried = carried.into_iter().all(|extension| names(&extension.id) == 1);
    let exact = names(&kind.core.id) == 1 && each_once && all_carried && known == listed.len();
    if exact || reading.tolerates(Tolerance::LooseSchemas) {
        return Ok(());
    }
    Err(Error::syntax(format!("schemas must list {}, the extensions that are used, and nothing else", kind.core.id)))
}

/// A body that is being read.
struct Reader<'r> {
    kind: &'r ResourceType,
    read: ReadValue,
    reading: &'r mut Reading,
    resource: Map<String, Value>,
}

impl Reader<'_> {
    fn member(&mut self, name: &str, value: &Value) -> Result<(), Error> {
        if let Some(attribute) = self.kind.attribute(name) {
            let read = if self.kind.is_edge(attribute) {
                // An empty list of edges says something: there shall be none (C70). An absent one does not.
                let ids = references(attribute, value, self.reading)?;
                Some(ids.iter().map(|id| json!({"value": &**id})).collect())
            } else {
                (self.read)(attribute, value, &attribute.name, self.reading)?
            };
            store(&mut self.resource, attribute, read);
            return Ok(());
        }
        match AttributePath::parse(name).map(|path| path.resolve(self.kind)) {
            Ok(Meaning::Extension(extension)) => {
                if let Some(read) = self.extension(extension, value)? {
                    self.resource.insert(extension.id.clone(), read);
                }
                Ok(())
            }
            _ => unknown(name, self.reading),
        }
    }

    /// Reads the object under an extension's URN, checked as if every name in it were a path of its own.
    fn extension(&mut self, extension: &Schema, value: &Value) -> Result<Option<Value>, Error> {
        let object = match value {
            Value::Object(object) => object,
            Value::Null => return Ok(None),
            _ => return Err(Error::value(&extension.id, "must be an object")),
        };
        let mut read = Map::new();
        for (name, value) in object {
            let Some(attribute) = extension.attribute(name) else {
                unknown(name, self.reading)?;
                continue;
            };
            let path = format!("{}:{}", extension.id, attribute.name);
            let value = (self.read)(attribute, value, &path, self.reading)?;
            store(&mut read, attribute, value);
        }
        Ok((!read.is_empty()).then_some(Value::Object(read)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::{ENTERPRISE_USER, USER};
    use crate::{Dialect, ScimType};

    fn read(dialect: Dialect, body: &Value) -> Result<Value, Error> {
        let body = body.as_object().expect("an object");
        Resource::read(ResourceType::user(), body, &mut Reading::new(dialect))
            .map(|resource| Value::Object(resource.into_attributes()))
    }

    fn lenient(body: &Value) -> Value {
        read(Dialect::Auto, body).expect("read")
    }

    fn strict_refusal(body: &Value) -> ScimType {
        read(Dialect::Rfc, body).expect_err("refused").scim_type().expect("a type")
    }

    #[test]
    fn c25_what_the_server_makes_is_ignored() {
        let body = json!({"schemas": [USER], "id": "x", "meta": {"version": "9"}, "userName": "a",
                          "groups": [{"value": "g"}], "Password": "secret"});
        assert_eq!(lenient(&body), json!({"userName": "a"}));
        assert_eq!(read(Dialect::Rfc, &body).expect("read"), json!({"userName": "a"}));
    }

    #[test]
    fn c26_schemas_are_required_only_by_the_strict_dialect() {
        for schemas in [
            json!([USER, "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"]),
            json!([USER.to_uppercase()]),
            json!([USER, USER]),
            json!([]),
            Value::Null,
        ] {
            let body = json!({"schemas": schemas, "userName": "a"});
            assert_eq!(lenient(&body), json!({"userName": "a"}));
            assert_eq!(strict_refusal(&body), ScimType::InvalidSyntax, "{schemas}");
        }
        assert!(read(Dialect::Auto, &json!({"schemas": "x", "userName": "a"})).is_err());
    }

    #[test]
    fn c27_user_name_is_required() {
        for name in [Value::Null, json!(""), json!("  "), json!([]), json!({})] {
            let error = read(Dialect::Auto, &json!({"schemas": [USER], "userName": name})).expect_err("refused");
            assert_eq!(error.scim_type(), Some(ScimType::InvalidValue), "{name}");
        }
        assert!(read(Dialect::Auto, &json!({"schemas": [USER]})).is_err());
    }

    #[test]
    fn c34_unknown_attributes_are_ignored_or_refused() {
        let body = json!({"schemas": [USER], "userName": "a", "isAdmin": true, "urn:x:y": {"a": 1}, "name": {"x": 1}});
        assert_eq!(lenient(&body), json!({"userName": "a"}));
        assert_eq!(strict_refusal(&body), ScimType::InvalidSyntax);
    }

    #[test]
    fn c35_null_empty_text_and_empty_lists_are_unassigned() {
        let body = json!({"schemas": [USER], "userName": " A ", "title": null, "nickName": "", "emails": [],
                          "name": {"givenName": ""}, "phoneNumbers": [{}], "displayName": " x\u{a0}Y "});
        assert_eq!(lenient(&body), json!({"userName": " A ", "displayName": " x\u{a0}Y "}));
    }

    #[test]
    fn c38_wrong_types_are_refused_and_scalars_coerced() {
        let body = |value: Value| json!({"schemas": [USER], "userName": "a", "active": value});
        assert_eq!(lenient(&body(json!("False")))["active"], json!(false));
        assert_eq!(strict_refusal(&body(json!("False"))), ScimType::InvalidValue);
        for value in [json!("yes"), json!(1), json!({}), json!([true, false])] {
            let error = read(Dialect::Auto, &body(value)).expect_err("refused");
            assert!(error.to_string().starts_with("active:"), "{error}");
        }
        let number = json!({"schemas": [USER], "userName": "a", "externalId": 701_984});
        assert_eq!(lenient(&number)["externalId"], json!("701984"));
        assert_eq!(strict_refusal(&number), ScimType::InvalidValue);
        assert!(read(Dialect::Auto, &json!({"schemas": [USER], "userName": "a", "name": "Ada"})).is_err());
    }

    #[test]
    fn c39_one_primary_and_no_exact_duplicates() {
        let body = json!({"schemas": [USER], "userName": "a", "emails": [
            {"value": "a@x", "type": "work", "primary": true}, {"value": "b@x", "primary": true},
            {"value": "a@x", "type": "Work", "display": "A"}]});
        assert_eq!(
            lenient(&body)["emails"],
            json!([{"value": "a@x", "type": "Work", "display": "A"}, {"value": "b@x", "primary": true}])
        );
        assert_eq!(strict_refusal(&body), ScimType::InvalidValue);
    }

    #[test]
    fn c72_an_extension_is_kept_even_if_schemas_does_not_list_it() {
        let body = json!({"schemas": [USER], "userName": "a", ENTERPRISE_USER.to_lowercase(): {"Department": "R&D"}});
        let resource = Resource::read(ResourceType::user(), body.as_object().expect("object"), &mut Reading::default())
            .expect("read");
        assert_eq!(resource.attributes()[ENTERPRISE_USER], json!({"department": "R&D"}));
        assert_eq!(resource.schemas(ResourceType::user()), [USER, ENTERPRISE_USER]);
        let strict =
            Resource::read(ResourceType::user(), body.as_object().expect("object"), &mut Reading::new(Dialect::Rfc));
        assert_eq!(strict.expect_err("refused").scim_type(), Some(ScimType::InvalidSyntax));
    }

    #[test]
    fn c37_formats_count_in_the_strict_dialect_alone() {
        for (name, value) in [
            ("locale", json!("xx_nowhere")),
            ("timezone", json!("Pacific Standard Time")),
            ("preferredLanguage", json!("en US")),
            ("profileUrl", json!("me")),
            ("photos", json!([{"value": "not a url"}])),
        ] {
            let body = json!({"schemas": [USER], "userName": "a", name: value});
            assert_eq!(lenient(&body)[name], value, "kept as it is");
            let body = body.as_object().expect("an object");
            let strict = Resource::read(ResourceType::user(), body, &mut Reading::new(Dialect::Rfc));
            assert_eq!(strict.expect_err(name).scim_type(), Some(ScimType::InvalidValue));
        }
    }

    #[test]
    fn c94_a_manager_may_be_text_an_object_or_a_list_of_one() {
        for manager in
            [json!("M1"), json!({"value": "M1"}), json!({"$ref": null, "value": "M1"}), json!([{"value": "M1"}])]
        {
            let body = json!({"schemas": [USER], "userName": "a", ENTERPRISE_USER: {"manager": manager}});
            assert_eq!(lenient(&body)[ENTERPRISE_USER], json!({"manager": {"value": "M1"}}), "{manager}");
        }
    }

    #[test]
    fn c97_roles_inside_a_string() {
        let role = r#"{"id":"r1","value":"Admin","display":"Administrator"}"#;
        let expected = json!([{"value": "Admin", "display": "Administrator"}]);
        for roles in [json!([{"value": role}]), json!([role]), json!(role), json!(format!("[{role}]"))] {
            let body = json!({"schemas": [USER], "userName": "a", "roles": roles});
            assert_eq!(lenient(&body)["roles"], expected, "{roles}");
        }
    }
}
