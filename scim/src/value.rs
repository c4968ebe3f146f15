//! Values of attributes: from what a client sent to the type its schema says (RFC 7643 §2.3).

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use serde_json::{Map, Value};

use crate::error::quoted;
use crate::filter;
use crate::json::parse_embedded;
use crate::schema::{Attribute, Kind, Mutability};
use crate::{Error, Reading, Tolerance, fold, format};

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

/// Reads the value of an attribute. `None`: unassigned, or read-only and so ignored.
pub(crate) fn read_value(
    attribute: &Attribute,
    value: &Value,
    path: &str,
    reading: &mut Reading,
) -> Result<Option<Value>, Error> {
    if attribute.is_read_only() {
        return Ok(None);
    }
    if !attribute.multi_valued {
        return match value {
            Value::Array(items) if items.len() == 1 && reading.tolerates(Tolerance::ListOrSingle) => {
                read_single(attribute, &items[0], path, reading)
            }
            _ => read_single(attribute, value, path, reading),
        };
    }
    let embedded = embedded_json(value, reading);
    match embedded.as_ref().unwrap_or(value) {
        Value::Null => Ok(None),
        Value::Array(items) => read_list(attribute, items, path, reading),
        single if reading.tolerates(Tolerance::ListOrSingle) => {
            read_list(attribute, std::slice::from_ref(single), path, reading)
        }
        _ => Err(Error::value(path, "must be a list")),
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
        match seen.entry(identity(&element)) {
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

/// Reads one element of a list; JSON inside a string may hold several (C97).
pub(crate) fn read_elements(
    attribute: &Attribute,
    item: &Value,
    path: &str,
    reading: &mut Reading,
) -> Result<Vec<Value>, Error> {
    // Entra's app roles: `{"value": "{\"id\":…}"}` is the object inside.
    let inner = item.as_object().filter(|object| object.len() == 1).and_then(|object| object.get("value"));
    let embedded = match attribute.kind {
        Kind::Complex => embedded_json(inner.unwrap_or(item), reading),
        _ => None,
    };
    match embedded {
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

fn embedded_json(value: &Value, reading: &mut Reading) -> Option<Value> {
    let text = value.as_str()?.trim_start();
    if !text.starts_with(['{', '[']) {
        return None;
    }
    let parsed = parse_embedded(text)?;
    reading.tolerates(Tolerance::JsonInString).then_some(parsed)
}

/// What makes two elements of a list the same one (C39, C85): `value` and `type`, or everything where there is no value.
pub(crate) fn identity(element: &Value) -> String {
    match element.get("value") {
        Some(value) => format!("{value} {}", element.get("type").map(fold_value).unwrap_or_default()),
        None => element.to_string(),
    }
}

fn fold_value(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), fold)
}

fn is_primary(element: &Value) -> bool {
    element.get("primary").and_then(Value::as_bool) == Some(true)
}

fn primaries(list: &[Value]) -> usize {
    list.iter().filter(|element| is_primary(element)).count()
}

/// At most one element is primary: the last one that says so (C39, C91).
pub(crate) fn keep_last_primary(list: &mut [Value]) {
    let kept = list.iter().rposition(is_primary);
    keep_primary(list, kept);
}

/// Takes `primary: true` from every element but `kept`.
pub(crate) fn keep_primary(list: &mut [Value], kept: Option<usize>) {
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
        Kind::String | Kind::Reference | Kind::Binary => read_text(value, reading),
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

fn read_text(value: &Value, reading: &mut Reading) -> Option<Value> {
    match value {
        Value::String(_) => Some(value.clone()),
        Value::Number(_) | Value::Bool(_) => {
            reading.tolerates(Tolerance::ScalarOfOtherType).then(|| Value::String(value.to_string()))
        }
        _ => None,
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
        Value::String(_) | Value::Number(_)
            if attribute.value_sub().is_some() && reading.tolerates(Tolerance::PlainTextForComplex) =>
        {
            &Map::from_iter([("value".to_owned(), value.clone())])
        }
        _ => return Err(Error::value(path, "must be an object")),
    };
    let mut read = Map::new();
    for (name, value) in object {
        let Some(sub) = attribute.sub(name) else {
            unknown(&format!("{path}.{name}"), reading)?;
            continue;
        };
        let path = format!("{path}.{}", sub.name);
        let value = read_value(sub, value, &path, reading)?;
        store(&mut read, sub, value);
    }
    Ok((!read.is_empty()).then_some(Value::Object(read)))
}
