//! `sortBy` and `sortOrder` (RFC 7644 §3.4.2.3). Rule C57.

use std::cmp::Ordering;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::quoted;
use crate::filter::{comparable, instant, values};
use crate::path::{AttributePath, Meaning, Target};
use crate::schema::{Attribute, Kind, ResourceType, Returned};
use crate::{Error, Reading, Tolerance};

/// An order of resources.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sort<'s> {
    /// The attribute; complex ones are sorted by `value`.
    pub target: Target<'s>,
    /// Whether the largest comes first.
    pub descending: bool,
}

/// A resource's place in an order; a missing value sorts last ascending and first descending.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Key {
    /// Folded unless the attribute is case-exact.
    Text(String),
    /// A number.
    Number(f64),
    /// A boolean.
    Boolean(bool),
    /// An instant.
    Instant(DateTime<Utc>),
    /// No value.
    Missing,
}

impl<'s> Sort<'s> {
    /// Reads the two query parameters. `Ok(None)`: no order asked for, or an unknown attribute ignored (lenient).
    ///
    /// # Errors
    ///
    /// `invalidPath` for an attribute no schema has (strict), or one that cannot be sorted by; `invalidValue` for an
    /// order that is neither `ascending` nor `descending`.
    pub fn read(
        kind: &'s ResourceType,
        by: Option<&str>,
        order: Option<&str>,
        reading: &mut Reading,
    ) -> Result<Option<Self>, Error> {
        let descending = match order {
            None => false,
            Some(order) if order.eq_ignore_ascii_case("ascending") => false,
            Some(order) if order.eq_ignore_ascii_case("descending") => true,
            Some(_) => return Err(Error::value("sortOrder", "must be ascending or descending")),
        };
        let Some(by) = by.filter(|by| !by.is_empty()) else {
            return Ok(None);
        };
        let meaning = AttributePath::parse(by).map_or(Meaning::Unknown, |path| path.resolve(kind));
        let Meaning::Attribute(mut target) = meaning else {
            if reading.tolerates(Tolerance::UnknownSortBy) {
                return Ok(None);
            }
            return Err(Error::path(format!("sortBy: {} is not an attribute here", quoted(by))));
        };
        if target.leaf().kind == Kind::Complex {
            target.sub = target.attribute.value_sub();
        }
        if target.leaf().kind == Kind::Complex || target.leaf().returned == Returned::Never {
            return Err(Error::path(format!("sortBy: resources cannot be sorted by {target}")));
        }
        Ok(Some(Self { target, descending }))
    }

    /// The key of a resource: of a list, its primary value or else the first.
    pub fn key(&self, object: &Map<String, Value>) -> Key {
        let primary = self.target.sub.and_then(|sub| primary_element(&self.target, object)?.get(&sub.name));
        let value = primary.or_else(|| values(&self.target, object).next());
        value.and_then(|value| key_of(self.target.leaf(), value)).unwrap_or(Key::Missing)
    }

    /// Compares two keys in this order; ties are the caller's to break, by id.
    pub fn compare(&self, left: &Key, right: &Key) -> Ordering {
        let ascending = match (left, right) {
            (Key::Text(left), Key::Text(right)) => left.cmp(right),
            (Key::Number(left), Key::Number(right)) => left.total_cmp(right),
            (Key::Boolean(left), Key::Boolean(right)) => left.cmp(right),
            (Key::Instant(left), Key::Instant(right)) => left.cmp(right),
            (Key::Missing, Key::Missing) => Ordering::Equal,
            (Key::Missing, _) => Ordering::Greater,
            (_, Key::Missing) => Ordering::Less,
            _ => Ordering::Equal,
        };
        if self.descending { ascending.reverse() } else { ascending }
    }
}

fn primary_element<'v>(target: &Target<'_>, object: &'v Map<String, Value>) -> Option<&'v Value> {
    let whole = Target { sub: None, ..*target };
    values(&whole, object).find(|element| element.get("primary").and_then(Value::as_bool) == Some(true))
}

fn key_of(attribute: &Attribute, value: &Value) -> Option<Key> {
    match value {
        Value::String(text) if attribute.kind == Kind::DateTime => instant(text).map(Key::Instant),
        Value::String(text) => Some(Key::Text(comparable(attribute, text))),
        Value::Number(number) => number.as_f64().map(Key::Number),
        Value::Bool(value) => Some(Key::Boolean(*value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Dialect;

    fn order(by: &str, descending: bool) -> Vec<i64> {
        let people = [
            json!({"n": 1, "userName": "b", "emails": [{"value": "z@x"}, {"value": "a@x", "primary": true}]}),
            json!({"n": 2, "userName": "A", "title": "Boss", "emails": [{"value": "m@x"}]}),
            json!({"n": 3, "userName": "c", "meta": {"created": "2026-01-01T00:00:00Z"}}),
        ];
        let order = descending.then_some("descending");
        let sort = Sort::read(ResourceType::user(), Some(by), order, &mut Reading::default()).expect("valid");
        let sort = sort.expect("a sort");
        let mut keyed: Vec<(Key, i64)> = people
            .iter()
            .map(|person| (sort.key(person.as_object().expect("object")), person["n"].as_i64().expect("n")))
            .collect();
        keyed.sort_by(|left, right| sort.compare(&left.0, &right.0).then(left.1.cmp(&right.1)));
        keyed.into_iter().map(|(_, n)| n).collect()
    }

    #[test]
    fn c57_case_primary_and_missing() {
        assert_eq!(order("userName", false), [2, 1, 3]);
        assert_eq!(order("userName", true), [3, 1, 2]);
        assert_eq!(order("emails", false), [1, 2, 3]);
        assert_eq!(order("emails.value", true), [3, 2, 1]);
        assert_eq!(order("title", false), [2, 1, 3]);
        assert_eq!(order("title", true), [1, 3, 2]);
        assert_eq!(order("meta.created", false), [3, 1, 2]);
    }

    #[test]
    fn c57_unknown_and_unsortable() {
        let read = |by: &str, order: Option<&str>, dialect| {
            Sort::read(ResourceType::user(), Some(by), order, &mut Reading::new(dialect)).map(|sort| sort.is_some())
        };
        assert_eq!(read("shoeSize", None, Dialect::Auto), Ok(false));
        assert!(read("shoeSize", None, Dialect::Rfc).is_err());
        assert!(read("name", None, Dialect::Auto).is_err());
        assert!(read("userName", Some("upwards"), Dialect::Auto).is_err());
        assert!(read("password", None, Dialect::Auto).is_err(), "SC-09: nobody sorts by a secret");
    }
}
