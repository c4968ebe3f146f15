//! What a list is asked for: in a URL, or in the body of a `.search` (RFC 7644 §3.4.2, §3.4.3).

use serde_json::{Map, Value};

use crate::message::{SEARCH_REQUEST, check_schemas};
use crate::{Error, Projection, Reading, ResourceType, ScimType, Tolerance};

/// A list as a client asks for it, texts as sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListRequest {
    /// `filter`
    pub filter: Option<String>,
    /// `sortBy`
    pub sort_by: Option<String>,
    /// `sortOrder`
    pub sort_order: Option<String>,
    /// `startIndex`
    pub start_index: Option<String>,
    /// `count`
    pub count: Option<String>,
    /// `cursor` (RFC 9865); empty: from the beginning.
    pub cursor: Option<String>,
    /// `attributes`, separated by commas.
    pub attributes: Option<String>,
    /// `excludedAttributes`, separated by commas.
    pub excluded_attributes: Option<String>,
}

/// What JSON has for a parameter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Text,
    Number,
    Names,
}

impl ListRequest {
    /// The parameters of a URL, decoded. Unknown ones are ignored (C6).
    ///
    /// # Errors
    ///
    /// `invalidValue` for one that comes twice or holds U+0000.
    pub fn from_query(pairs: impl IntoIterator<Item = (String, String)>) -> Result<Self, Error> {
        let mut request = Self::default();
        for (name, value) in pairs {
            if let Some((name, _, slot)) = request.slot(&name) {
                put(name, slot, value)?;
            }
        }
        Ok(request)
    }

    /// The body of a `.search` (C63). What a search has not is ignored.
    ///
    /// # Errors
    ///
    /// `invalidSyntax` without the schema of a search, where that is not tolerated; `invalidValue` for a parameter of the
    /// wrong type, for one that comes twice or holds U+0000.
    pub fn from_body(body: &Map<String, Value>, reading: &mut Reading) -> Result<Self, Error> {
        check_schemas(body, SEARCH_REQUEST, reading)?;
        let mut request = Self::default();
        for (name, value) in body {
            if let Some((name, shape, slot)) = request.slot(name)
                && let Some(text) = text_of(name, shape, value, reading)?
            {
                put(name, slot, text)?;
            }
        }
        Ok(request)
    }

    /// What of each resource is wanted.
    ///
    /// # Errors
    ///
    /// As [`Projection::read`].
    pub fn projection(&self, kind: &ResourceType) -> Result<Projection, Error> {
        Projection::read(kind, self.attributes.as_deref(), self.excluded_attributes.as_deref())
    }

    fn slot(&mut self, name: &str) -> Option<(&'static str, Shape, &mut Option<String>)> {
        let slots = [
            ("filter", Shape::Text, &mut self.filter),
            ("sortBy", Shape::Text, &mut self.sort_by),
            ("sortOrder", Shape::Text, &mut self.sort_order),
            ("startIndex", Shape::Number, &mut self.start_index),
            ("count", Shape::Number, &mut self.count),
            ("cursor", Shape::Text, &mut self.cursor),
            ("attributes", Shape::Names, &mut self.attributes),
            ("excludedAttributes", Shape::Names, &mut self.excluded_attributes),
        ];
        slots.into_iter().find(|(known, ..)| known.eq_ignore_ascii_case(name))
    }
}

fn put(name: &str, slot: &mut Option<String>, value: String) -> Result<(), Error> {
    let refused = |why: &str| Err(Error::new(ScimType::InvalidValue, format!("{name} {why}")));
    if value.contains('\0') {
        return refused("must not hold U+0000");
    }
    if slot.replace(value).is_some() {
        return refused("is given twice");
    }
    Ok(())
}

/// What a URL would have; none for null.
fn text_of(name: &str, shape: Shape, value: &Value, reading: &mut Reading) -> Result<Option<String>, Error> {
    let text = match (value, shape) {
        (Value::Null, _) => return Ok(None),
        (Value::String(text), Shape::Text) => Some(text.clone()),
        (Value::Number(number), Shape::Number) => Some(number.to_string()),
        (Value::String(text), Shape::Number) if reading.tolerates(Tolerance::ScalarOfOtherType) => Some(text.clone()),
        (Value::String(text), Shape::Names) if reading.tolerates(Tolerance::ListOrSingle) => Some(text.clone()),
        (Value::Array(names), Shape::Names) => {
            let names: Option<Vec<&str>> = names.iter().map(Value::as_str).collect();
            names.map(|names| names.join(","))
        }
        _ => None,
    };
    let wanted = match shape {
        Shape::Text => "text",
        Shape::Number => "a number",
        Shape::Names => "a list of names",
    };
    let wrong = || Error::new(ScimType::InvalidValue, format!("{name} must be {wanted}"));
    text.map(Some).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::{Dialect, filter, json as strict_json};

    fn read(body: &Value, dialect: Dialect) -> Result<ListRequest, Error> {
        ListRequest::from_body(body.as_object().expect("an object"), &mut Reading::new(dialect))
    }

    #[test]
    fn c63_a_search_says_what_a_url_says() {
        let body = json!({"schemas": [SEARCH_REQUEST], "FILTER": "title pr", "sortBy": "title", "sortOrder": "descending",
                          "startIndex": 2, "count": 10, "attributes": ["title", "name.givenName"], "cursor": null,
                          "somethingElse": true});
        let pairs = [
            ("filter", "title pr"),
            ("sortby", "title"),
            ("sortOrder", "descending"),
            ("startIndex", "2"),
            ("count", "10"),
            ("attributes", "title,name.givenName"),
            ("aadOptscim062020", ""),
        ];
        let from_url = ListRequest::from_query(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
        for dialect in [Dialect::Auto, Dialect::Rfc] {
            assert_eq!(read(&body, dialect), from_url);
        }
    }

    #[test]
    fn c63_numbers_are_numbers_and_names_are_lists_in_the_strict_dialect() {
        for (loose, tolerance) in [
            (json!({"count": 1}), Tolerance::LooseSchemas),
            (json!({"schemas": [SEARCH_REQUEST], "count": "1"}), Tolerance::ScalarOfOtherType),
            (json!({"schemas": [SEARCH_REQUEST], "attributes": "title,active"}), Tolerance::ListOrSingle),
        ] {
            let body = loose.as_object().expect("an object");
            let mut reading = Reading::new(Dialect::Auto);
            assert!(ListRequest::from_body(body, &mut reading).is_ok(), "{loose}");
            assert!(reading.used().contains(&tolerance), "{loose}");
            assert!(read(&loose, Dialect::Rfc).is_err(), "{loose}");
        }
    }

    #[test]
    fn c63_what_is_of_no_use_is_refused_and_never_left_out() {
        for body in [
            json!({"filter": ["title pr"]}),
            json!({"filter": 1}),
            json!({"count": [1]}),
            json!({"count": true}),
            json!({"attributes": ["title", 1]}),
            json!({"attributes": {}}),
            json!({"cursor": 5}),
            json!({"filter": "a\0"}),
            json!({"schemas": ["urn:other"]}),
            json!({"schemas": "x"}),
        ] {
            assert!(read(&body, Dialect::Auto).is_err(), "{body}");
        }
        let twice = [("count", "1"), ("Count", "2")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert!(ListRequest::from_query(twice).is_err());
    }

    proptest! {
        /// The twin of the fuzz target `search`: whatever comes is read or refused, and what was read means something.
        #[test]
        fn z04_any_search_is_read_or_refused(
            text in "\\{(\"(filter|count|attributes|schemas|cursor|sortBy)\":(\"[ -~]{0,40}\"|-?[0-9]{1,30}|null|\\[(\"[a-zA-Z.:,]{0,20}\")?\\]|true),?){0,4}\\}",
        ) {
            let Ok(body) = strict_json::parse_object(text.as_bytes()) else { return Ok(()) };
            for dialect in [Dialect::Auto, Dialect::Rfc] {
                let Ok(request) = ListRequest::from_body(&body, &mut Reading::new(dialect)) else { continue };
                let _ = request.projection(ResourceType::user());
                if let Some(Ok(filter)) = request.filter.as_deref().map(filter::parse) {
                    prop_assert_eq!(filter::parse(&filter.to_string()), Ok(filter));
                }
            }
        }
    }
}
