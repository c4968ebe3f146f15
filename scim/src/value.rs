//! Values of attributes: from what a client sent to the type its schema says (RFC 7643 §2.3).

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use serde_json::{Map, Value};

use crate::error::quoted;
use crate::filter;
use crate::json::parse_embedded;
use crate::schema::{Attribute, Kind, Mutability};
use crate::{Error, Reading, Tolerance, format};

/// What to do about a name no schema has (C34).
pub(crate) fn unknown(name: &str, reading: &mut Reading) -> Result<(), Error> {
    if reading.tolerates(Tolerance::UnknownAttribute) {
        return Ok(());
    }
    // A filter in a name has somebody's values.
    let name = name.split('[').next().unwrap_or_default();
    Err(Error::syntax(format!("{} is not an attribute of this resource type", quoted(name))))
}

/// Puts a value that was read in its place; read-only and write-only ones have none.
pub(crate) fn store(container: &mut Map<String, Value>, attribute: &Attribute, read: Option<Value>) {
    if let (Some(read), Mutability::ReadWrite | Mutability::Immutable) = (read, attribute.mutability) {
        container.insert(attribute.name.clone(), read);
    }
}

/// How a value is read: as a new one, or as a replacement.
pub(crate) type ReadValue = fn(&Attribute, &Value, &str, &mut Reading) -> Result<Option<Value>, Error>;

/// Reads the value that takes the place of another, which is lost by that: nothing but null, an empty list and (where the
/// dialect reads it so) empty text says that there shall be none.
pub(crate) fn read_replacement(
    attribute: &Attribute,
    value: &Value,
    path: &str,
    reading: &mut Reading,
) -> Result<Option<Value>, Error> {
    let read = read_value(attribute, value, path, reading)?;
    if read.is_none() && !attribute.is_read_only() && !says_none(attribute, value) {
        return Err(Error::value(path, "holds no value that is understood: send null to clear it"));
    }
    Ok(read)
}

/// Whether a value that was read as none says so.
fn says_none(attribute: &Attribute, value: &Value) -> bool {
    match value {
        Value::Array(items) if attribute.multi_valued => items.is_empty(),
        Value::Array(items) => items.iter().all(|item| says_none(attribute, item)),
        // Parts that are null or empty say so; names that the attribute does not have say nothing.
        Value::Object(parts) => !attribute.multi_valued && parts.keys().all(|name| attribute.sub(name).is_some()),
        Value::String(text) if begins_like_json(text) => {
            parse_embedded(text).is_some_and(|inner| says_none(attribute, &inner))
        }
        _ => true,
    }
}

/// Reads the value of an attribute. `None`: unassigned, or read-only and so ignored.
///
/// A list is read whole or refused: an element that holds nothing but names that the attribute does not have is an error.
pub(crate) fn read_value(
    attribute: &Attribute,
    value: &Value,
    path: &str,
    reading: &mut Reading,
) -> Result<Option<Value>, Error> {
    if attribute.is_read_only() {
        return Ok(None);
    }
    let embedded = match attribute.kind {
        _ if attribute.multi_valued => embedded_json(value, reading),
        Kind::Complex => embedded_json(value, reading),
        _ => None,
    };
    let value = embedded.as_ref().unwrap_or(value);
    if !attribute.multi_valued {
        return read_single(attribute, unwrap_list_of_one(attribute, value, reading), path, reading);
    }
    match value {
        Value::Null => Ok(None),
        Value::Array(items) => read_list(attribute, items, path, reading),
        // Tolerance (Entra): one object where a list of them belongs.
        Value::Object(_) if attribute.kind == Kind::Complex && reading.tolerates(Tolerance::ListOrSingle) => {
            read_list(attribute, std::slice::from_ref(value), path, reading)
        }
        _ => Err(Error::value(path, "must be a list")),
    }
}

/// Tolerance (Entra): a list of one object where one object belongs (C94).
pub(crate) fn unwrap_list_of_one<'v>(attribute: &Attribute, value: &'v Value, reading: &mut Reading) -> &'v Value {
    match value {
        Value::Array(items)
            if attribute.kind == Kind::Complex
                && items.len() == 1
                && items[0].is_object()
                && reading.tolerates(Tolerance::ListOrSingle) =>
        {
            &items[0]
        }
        _ => value,
    }
}

fn read_list(
    attribute: &Attribute,
    items: &[Value],
    path: &str,
    reading: &mut Reading,
) -> Result<Option<Value>, Error> {
    let mut list = Vec::with_capacity(items.len());
    for item in items {
        list.extend(read_elements(attribute, item, path, reading)?);
    }
    if primaries(&list) > 1 && !reading.tolerates(Tolerance::SeveralPrimaries) {
        return Err(Error::value(path, "only one value may be primary"));
    }
    let mut merged = Vec::with_capacity(list.len());
    let mut seen = HashMap::new();
    for element in list {
        match seen.entry(identity(attribute, &element)) {
            Entry::Occupied(at) => {
                let at: usize = *at.get();
                merged[at] = element;
            }
            Entry::Vacant(slot) => {
                slot.insert(merged.len());
                merged.push(element);
            }
        }
    }
    keep_last_primary(&mut merged);
    Ok((!merged.is_empty()).then_some(Value::Array(merged)))
}

/// Reads one element of a list; JSON inside a string may hold several (C97). An element that is null or empty is none.
pub(crate) fn read_elements(
    attribute: &Attribute,
    item: &Value,
    path: &str,
    reading: &mut Reading,
) -> Result<Vec<Value>, Error> {
    match embedded_element(attribute, item, reading) {
        Some(Value::Array(items)) => {
            let mut elements = Vec::new();
            for item in &items {
                elements.extend(read_single(attribute, item, path, reading)?);
            }
            Ok(elements)
        }
        Some(object) => Ok(read_single(attribute, &object, path, reading)?.into_iter().collect()),
        None => Ok(read_single(attribute, item, path, reading)?.into_iter().collect()),
    }
}

/// Tolerance (Entra): app roles arrive as `{"value": "{\"id\":…}"}` or `"{\"id\":…}"`, which is the object inside (C97).
pub(crate) fn embedded_element(attribute: &Attribute, item: &Value, reading: &mut Reading) -> Option<Value> {
    if attribute.kind != Kind::Complex {
        return None;
    }
    let inner = item.as_object().filter(|object| object.len() == 1).and_then(|object| object.get("value"));
    embedded_json(inner.unwrap_or(item), reading)
}

/// The object or list inside a text, where the dialect reads that.
pub(crate) fn embedded_json(value: &Value, reading: &mut Reading) -> Option<Value> {
    let text = value.as_str().filter(|text| begins_like_json(text))?;
    let parsed = parse_embedded(text)?;
    reading.tolerates(Tolerance::JsonInString).then_some(parsed)
}

/// Whether a text begins as a JSON object or list does.
pub(crate) fn begins_like_json(text: &str) -> bool {
    text.trim_start().starts_with(['{', '['])
}

/// Whether a text is a JSON object or list. Such a text is never stored: its sender meant the content.
fn is_json(text: &str) -> bool {
    begins_like_json(text) && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// The form in which values of this attribute are compared: without case unless the schema says `caseExact`.
pub(crate) fn comparison_key(attribute: &Attribute, value: &Value) -> String {
    match value {
        Value::String(text) => filter::comparable(attribute, text),
        Value::Object(parts) => {
            // No text of a client holds U+0000: it can separate.
            let keys = parts.iter().filter(|(name, _)| *name != "primary").map(|(name, value)| {
                let key = attribute.sub(name).map_or_else(|| value.to_string(), |sub| comparison_key(sub, value));
                format!("{name}\0{key}")
            });
            let mut keys: Vec<String> = keys.collect();
            keys.sort_unstable();
            keys.join("\0\0")
        }
        other => other.to_string(),
    }
}

/// The identity of an element of a list (C39, C85): `value` and `type`, or everything but `primary` where there is
/// no value.
pub(crate) fn identity(attribute: &Attribute, element: &Value) -> String {
    let part = |name: &str| {
        let value = element.get(name)?;
        Some(attribute.sub(name).map_or_else(|| value.to_string(), |sub| comparison_key(sub, value)))
    };
    match part("value") {
        Some(value) => format!("{value}\0{}", part("type").unwrap_or_default()),
        None => comparison_key(attribute, element),
    }
}

/// Whether an element has more than a label (`type`, `primary`, `display`): without that its content was cleared.
pub(crate) fn says_something(element: &Value) -> bool {
    match element {
        Value::Object(parts) => parts.keys().any(|name| !matches!(name.as_str(), "type" | "primary" | "display")),
        _ => true,
    }
}

pub(crate) fn is_primary(element: &Value) -> bool {
    element.get("primary").and_then(Value::as_bool) == Some(true)
}

fn primaries(list: &[Value]) -> usize {
    list.iter().filter(|element| is_primary(element)).count()
}

/// At most one element is primary: the last one that says so (C39, C91).
fn keep_last_primary(list: &mut [Value]) {
    let kept = list.iter().rposition(is_primary);
    for (index, element) in list.iter_mut().enumerate() {
        if Some(index) != kept
            && is_primary(element)
            && let Some(object) = element.as_object_mut()
        {
            object.insert("primary".to_owned(), Value::Bool(false));
        }
    }
}

/// Reads one value that is not a list.
pub(crate) fn read_single(
    attribute: &Attribute,
    value: &Value,
    path: &str,
    reading: &mut Reading,
) -> Result<Option<Value>, Error> {
    match value {
        Value::Null => return Ok(None),
        Value::String(text) if text.is_empty() && reading.tolerates(Tolerance::EmptyStringClears) => return Ok(None),
        _ => {}
    }
    let read = match attribute.kind {
        Kind::Complex => return read_complex(attribute, value, path, reading),
        Kind::Boolean => read_boolean(value, reading),
        Kind::Integer => read_number(value, reading).filter(|number| number.is_i64() || number.is_u64()),
        Kind::Decimal => read_number(value, reading),
        Kind::DateTime => value.as_str().filter(|text| filter::is_instant(text)).map(Value::from),
        Kind::String | Kind::Reference | Kind::Binary => read_text(attribute, value, path, reading)?,
    };
    let read = read.ok_or_else(|| Error::value(path, format_args!("must be {}", name_of(attribute.kind))))?;
    match format::expected(attribute, path) {
        Some(format) if !read.as_str().is_none_or(format.holds) && !reading.tolerates(Tolerance::UncheckedFormat) => {
            Err(Error::value(path, format_args!("must be {}", format.name)))
        }
        _ => Ok(Some(read)),
    }
}

fn name_of(kind: Kind) -> &'static str {
    match kind {
        Kind::String => "text",
        Kind::Boolean => "true or false",
        Kind::Decimal => "a number",
        Kind::Integer => "a whole number",
        Kind::DateTime => "a date and time as of RFC 3339",
        Kind::Reference => "a reference",
        Kind::Binary => "base64 text",
        Kind::Complex => "an object",
    }
}

fn read_boolean(value: &Value, reading: &mut Reading) -> Option<Value> {
    match value {
        Value::Bool(_) => Some(value.clone()),
        Value::String(text) => {
            let read = filter::boolean(text)?;
            reading.tolerates(Tolerance::BooleanAsString).then_some(Value::Bool(read))
        }
        _ => None,
    }
}

fn read_number(value: &Value, reading: &mut Reading) -> Option<Value> {
    match value {
        Value::Number(_) => Some(value.clone()),
        Value::String(text) => {
            let number: serde_json::Number = text.parse().ok()?;
            reading.tolerates(Tolerance::ScalarOfOtherType).then_some(Value::Number(number))
        }
        _ => None,
    }
}

fn read_text(attribute: &Attribute, value: &Value, path: &str, reading: &mut Reading) -> Result<Option<Value>, Error> {
    match value {
        // A password is not stored, and may look like anything.
        Value::String(text) if attribute.mutability != Mutability::WriteOnly && is_json(text) => {
            Err(Error::value(path, "must be text, and is JSON inside of text"))
        }
        Value::String(_) => Ok(Some(value.clone())),
        Value::Number(_) | Value::Bool(_) if attribute.kind == Kind::String && path != "userName" => {
            Ok(reading.tolerates(Tolerance::ScalarOfOtherType).then(|| Value::String(value.to_string())))
        }
        _ => Ok(None),
    }
}

fn read_complex(
    attribute: &Attribute,
    value: &Value,
    path: &str,
    reading: &mut Reading,
) -> Result<Option<Value>, Error> {
    let object = match value {
        Value::Object(object) => object,
        // Tolerance (Entra): a manager by its id alone (C94).
        Value::String(text)
            if !attribute.multi_valued
                && attribute.value_sub().is_some()
                && !begins_like_json(text)
                && reading.tolerates(Tolerance::PlainTextForComplex) =>
        {
            &Map::from_iter([("value".to_owned(), value.clone())])
        }
        _ => return Err(Error::value(path, "must be an object")),
    };
    let mut read = Map::new();
    let mut left_out = false;
    for (name, value) in object {
        let Some(sub) = attribute.sub(name) else {
            unknown(&format!("{path}.{name}"), reading)?;
            left_out = true;
            continue;
        };
        let path = format!("{path}.{}", sub.name);
        let value = read_value(sub, value, &path, reading)?;
        store(&mut read, sub, value);
    }
    let read = Value::Object(read);
    let is_empty = read.as_object().is_none_or(Map::is_empty);
    if left_out && attribute.multi_valued && !says_something(&read) {
        return Err(Error::value(path, "holds nothing that this attribute has: check the names of its parts"));
    }
    Ok((!is_empty).then_some(read))
}
