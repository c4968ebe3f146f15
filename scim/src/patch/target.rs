//! Changing one attribute that holds one value, simple or complex (C84, C94–C96); lists are next door.

use std::fmt::Display;

use serde_json::{Map, Value};

use super::list::read_descriptions;
use super::operation::Verb;
use super::values::{Values, join};
use super::work::Work;
use crate::path::Target;
use crate::schema::{Attribute, Kind};
use crate::value::{embedded_json, read_value, unwrap_list_of_one};
use crate::{Error, Reading, Tolerance};

/// One operation on an attribute that holds one value.
pub(super) struct SingleChange<'a, 's> {
    pub target: Target<'s>,
    /// The object that holds the attribute: the resource, or an extension's object.
    pub container: &'a mut Map<String, Value>,
    pub value: Option<&'a Value>,
    pub reading: &'a mut Reading,
    pub work: &'a mut Work,
}

impl SingleChange<'_, '_> {
    pub(super) fn apply(mut self, verb: Verb) -> Result<(), Error> {
        let attribute = self.target.attribute;
        if let Some(sub) = self.target.sub {
            return self.change_sub(sub, verb);
        }
        if verb == Verb::Remove {
            check_removable(self.target)?;
            self.container.remove(&attribute.name);
            return Ok(());
        }
        let value = self.value.unwrap_or(&Value::Null);
        let embedded = if attribute.kind == Kind::Complex { embedded_json(value, self.reading) } else { None };
        let value = unwrap_list_of_one(attribute, embedded.as_ref().unwrap_or(value), self.reading);
        match (attribute.kind, value) {
            (Kind::Complex, Value::Object(parts)) => self.merge_complex(parts, verb),
            _ => match read_value(attribute, value, &self.target.to_string(), self.reading)? {
                Some(read) => {
                    self.container.insert(attribute.name.clone(), read);
                    Ok(())
                }
                None => unassign(self.target, self.container),
            },
        }
    }

    /// Sets the named sub-attributes and leaves the others (C84). An emptied `value` empties the whole (C94).
    fn merge_complex(&mut self, parts: &Map<String, Value>, verb: Verb) -> Result<(), Error> {
        let attribute = self.target.attribute;
        let mut merged = self.stored()?;
        let has_value =
            |object: &Map<String, Value>| attribute.value_sub().is_some_and(|value| object.contains_key(&value.name));
        let had_value = has_value(&merged);
        self.merge_parts(&mut merged, parts, verb)?;
        let lost_its_value = had_value && !has_value(&merged);
        self.keep(if lost_its_value { Map::new() } else { merged });
        Ok(())
    }

    fn merge_parts(
        &mut self,
        object: &mut Map<String, Value>,
        parts: &Map<String, Value>,
        verb: Verb,
    ) -> Result<(), Error> {
        let target = self.target;
        for (name, value) in parts {
            let Some(sub) = target.attribute.sub(name) else {
                crate::value::unknown(&format!("{target}.{name}"), self.reading)?;
                continue;
            };
            // Attributes that the server computes are ignored inside an object, as in a POST.
            if sub.is_read_only() {
                continue;
            }
            let target = Target { sub: Some(sub), ..target };
            let read = read_value(sub, value, &target.to_string(), self.reading)?;
            PartChange { target, sub, verb }.apply(object, read, self.work)?;
        }
        Ok(())
    }

    fn change_sub(&mut self, sub: &Attribute, verb: Verb) -> Result<(), Error> {
        let (target, path) = (self.target, self.target.to_string());
        let mut object = self.stored()?;
        match (verb, self.value) {
            (Verb::Remove, Some(value)) if sub.multi_valued => {
                let described = read_descriptions(sub, value, &path, self.reading)?;
                remove_from_part(sub, &mut object, &described, self.work)?;
            }
            (Verb::Remove, _) => {
                check_removable(target)?;
                unassign(target, &mut object)?;
            }
            (Verb::Add | Verb::Replace, value) => {
                // Tolerance (Entra): `manager.value` may carry the whole object (C94).
                let value = value.unwrap_or(&Value::Null);
                let inner = value.as_object().filter(|_| sub.name == "value").and_then(|object| object.get("value"));
                let read = read_value(sub, inner.unwrap_or(value), &path, self.reading)?;
                PartChange { target, sub, verb }.apply(&mut object, read, self.work)?;
            }
        }
        let lost_its_value = sub.name == "value" && !object.contains_key("value");
        self.keep(if lost_its_value { Map::new() } else { object });
        Ok(())
    }

    fn stored(&mut self) -> Result<Map<String, Value>, Error> {
        let Some(stored) = self.container.get(&self.target.attribute.name) else { return Ok(Map::new()) };
        self.work.copy(stored)?;
        Ok(stored.as_object().cloned().unwrap_or_default())
    }

    fn keep(&mut self, object: Map<String, Value>) {
        let name = &self.target.attribute.name;
        self.container.remove(name);
        if !object.is_empty() {
            self.container.insert(name.clone(), Value::Object(object));
        }
    }
}

/// One part of a complex value is set.
pub(super) struct PartChange<'p, 's> {
    /// The part, as errors name it.
    pub target: Target<'s>,
    pub sub: &'p Attribute,
    pub verb: Verb,
}

impl PartChange<'_, '_> {
    /// Puts in what was read; adding to a list joins, and adding nothing takes nothing away.
    pub(super) fn apply(
        &self,
        parts: &mut Map<String, Value>,
        read: Option<Value>,
        work: &mut Work,
    ) -> Result<(), Error> {
        let Self { target, sub, verb } = *self;
        let adds = sub.multi_valued && verb == Verb::Add;
        match read {
            None if adds => Ok(()),
            None => unassign(target, parts),
            Some(read) => {
                let joined = match (parts.remove(&sub.name), read) {
                    (Some(Value::Array(before)), Value::Array(more)) if adds => join(sub, before, more, work)?,
                    (_, read) => read,
                };
                parts.insert(sub.name.clone(), joined);
                Ok(())
            }
        }
    }
}

/// Takes the described values out of a list that is a part of a complex value.
pub(super) fn remove_from_part(
    sub: &Attribute,
    parts: &mut Map<String, Value>,
    described: &[Value],
    work: &mut Work,
) -> Result<(), Error> {
    let Some(Value::Array(list)) = parts.remove(&sub.name) else { return Ok(()) };
    work.spend(list.len())?;
    let mut values = Values::new(sub, list);
    values.remove_described(described, work)?;
    if !values.is_empty() {
        parts.insert(sub.name.clone(), Value::Array(values.into_list()));
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

/// `""`, null and the like as a value: clears, but not what is required (C96).
pub(super) fn unassign(target: Target<'_>, container: &mut Map<String, Value>) -> Result<(), Error> {
    let leaf = target.leaf();
    if leaf.required || (leaf.name == "active" && target.extension.is_none()) {
        return Err(Error::value(target, "must not be empty"));
    }
    container.remove(&leaf.name);
    Ok(())
}
