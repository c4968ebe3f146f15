//! Changing one attribute that holds one value, simple or complex (C84, C94–C96); lists are next door.

use std::fmt::Display;

use serde_json::{Map, Value};

use super::list::ListChange;
use super::operation::Verb;
use crate::filter::Filter;
use crate::path::Target;
use crate::schema::{Attribute, Kind};
use crate::value::read_value;
use crate::{Error, Reading, Tolerance};

/// Where an operation applies.
pub(super) struct Place<'p, 's> {
    pub target: Target<'s>,
    pub filter: Option<&'p Filter>,
    /// The object that holds the attribute: the resource, or an extension's object.
    pub container: &'p mut Map<String, Value>,
}

/// Applies one operation in its place.
pub(super) fn change(
    place: Place<'_, '_>,
    verb: Verb,
    value: Option<&Value>,
    reading: &mut Reading,
) -> Result<(), Error> {
    let Place { target, filter, container } = place;
    let attribute = target.attribute;
    if verb != Verb::Remove && value.is_none() {
        return Err(Error::value(target, "a value is required"));
    }
    may_carry(verb, value, target, reading)?;
    if filter.is_some() && attribute.kind != Kind::Complex {
        return Err(Error::path(format!("{target} has no sub-attributes to filter by")));
    }
    if !attribute.multi_valued {
        return match filter {
            None => change_single(target, container, verb, value, reading),
            Some(_) => Err(Error::path(format!("{target} holds one value and takes no filter"))),
        };
    }
    let mut list = match container.remove(&attribute.name) {
        Some(Value::Array(list)) => list,
        _ => Vec::new(),
    };
    ListChange { target, list: &mut list, value, reading }.apply(verb, filter)?;
    if !list.is_empty() {
        container.insert(attribute.name.clone(), Value::Array(list));
    }
    Ok(())
}

/// A remove that carries a value is read by the lenient dialects alone (C95, C102).
pub(super) fn may_carry(
    verb: Verb,
    value: Option<&Value>,
    at: impl Display,
    reading: &mut Reading,
) -> Result<(), Error> {
    if verb == Verb::Remove && value.is_some() && !reading.tolerates(Tolerance::RemoveWithValue) {
        return Err(Error::syntax(format!("{at}: remove takes no value")));
    }
    Ok(())
}

/// Removing what a resource must have is refused (C79).
pub(super) fn check_removable(target: Target<'_>) -> Result<(), Error> {
    if target.leaf().required {
        return Err(Error::mutability(target, "cannot be removed"));
    }
    Ok(())
}

fn change_single(
    target: Target<'_>,
    container: &mut Map<String, Value>,
    verb: Verb,
    value: Option<&Value>,
    reading: &mut Reading,
) -> Result<(), Error> {
    let attribute = target.attribute;
    if let Some(sub) = target.sub {
        return change_sub(target, sub, container, verb, value, reading);
    }
    if verb == Verb::Remove {
        check_removable(target)?;
        container.remove(&attribute.name);
        return Ok(());
    }
    let value = unwrap_list_of_one(value.unwrap_or(&Value::Null), reading);
    match (attribute.kind, value) {
        (Kind::Complex, Value::Object(parts)) => merge_complex(target, container, parts, reading),
        _ => match read_value(attribute, value, &target.to_string(), reading)? {
            Some(read) => {
                container.insert(attribute.name.clone(), read);
                Ok(())
            }
            None => unassign(target, container),
        },
    }
}

/// A list of one where one value belongs (C94).
pub(super) fn unwrap_list_of_one<'v>(value: &'v Value, reading: &mut Reading) -> &'v Value {
    match value {
        Value::Array(items) if items.len() == 1 && reading.tolerates(Tolerance::ListOrSingle) => &items[0],
        _ => value,
    }
}

/// `""`, null and the like as a value: clears, but not what is required (C96).
pub(super) fn unassign(target: Target<'_>, container: &mut Map<String, Value>) -> Result<(), Error> {
    let leaf = target.leaf();
    if leaf.required || (leaf.name == "active" && target.extension.is_none()) {
        return Err(Error::value(target, "must not be empty"));
    }
    container.remove(&leaf.name);
    Ok(())
}

/// Sets the named sub-attributes and leaves the others (C84). An emptied `value` empties the whole (C94).
fn merge_complex(
    target: Target<'_>,
    container: &mut Map<String, Value>,
    parts: &Map<String, Value>,
    reading: &mut Reading,
) -> Result<(), Error> {
    let attribute = target.attribute;
    let mut merged = object_at(container, attribute);
    merge_parts(target, &mut merged, parts, reading)?;
    let lost_its_value = attribute.value_sub().is_some_and(|value| !merged.contains_key(&value.name));
    container.remove(&attribute.name);
    if !merged.is_empty() && !lost_its_value {
        container.insert(attribute.name.clone(), Value::Object(merged));
    }
    Ok(())
}

fn object_at(container: &Map<String, Value>, attribute: &Attribute) -> Map<String, Value> {
    container.get(&attribute.name).and_then(Value::as_object).cloned().unwrap_or_default()
}

fn merge_parts(
    target: Target<'_>,
    object: &mut Map<String, Value>,
    parts: &Map<String, Value>,
    reading: &mut Reading,
) -> Result<(), Error> {
    for (name, value) in parts {
        let Some(sub) = target.attribute.sub(name) else {
            crate::value::unknown(&format!("{target}.{name}"), reading)?;
            continue;
        };
        // What the server computes is ignored inside an object, as in a POST.
        if sub.is_read_only() {
            continue;
        }
        let sub_target = Target { sub: Some(sub), ..target };
        match read_value(sub, value, &sub_target.to_string(), reading)? {
            Some(read) => {
                object.insert(sub.name.clone(), read);
            }
            None => unassign(sub_target, object)?,
        }
    }
    Ok(())
}

fn change_sub(
    target: Target<'_>,
    sub: &Attribute,
    container: &mut Map<String, Value>,
    verb: Verb,
    value: Option<&Value>,
    reading: &mut Reading,
) -> Result<(), Error> {
    let attribute = target.attribute;
    let read = match verb {
        Verb::Remove => {
            check_removable(target)?;
            None
        }
        Verb::Add | Verb::Replace => {
            // `manager.value` may carry the whole object (C94).
            let value = value.unwrap_or(&Value::Null);
            let inner = value.as_object().and_then(|object| object.get(&sub.name)).unwrap_or(value);
            read_value(sub, inner, &target.to_string(), reading)?
        }
    };
    let mut object = object_at(container, attribute);
    match read {
        Some(read) => {
            object.insert(sub.name.clone(), read);
        }
        None => unassign(target, &mut object)?,
    }
    let emptied = object.is_empty() || (sub.name == "value" && !object.contains_key("value"));
    container.remove(&attribute.name);
    if !emptied {
        container.insert(attribute.name.clone(), Value::Object(object));
    }
    Ok(())
}
