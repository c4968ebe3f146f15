//! Changing an attribute that holds a list, with or without a value path (C85–C91, C97).

use serde_json::{Map, Value};

use super::operation::Verb;
use super::target::{check_removable, unassign, unwrap_list_of_one};
use crate::filter::{Filter, Literal, Operator, resolve_element};
use crate::path::Target;
use crate::schema::Attribute;
use crate::value::{identity, keep_primary, read_elements, read_single, read_value};
use crate::{Error, Reading, Tolerance};

/// One operation on the elements of a list.
pub(super) struct ListChange<'a, 's> {
    pub target: Target<'s>,
    pub list: &'a mut Vec<Value>,
    pub value: Option<&'a Value>,
    pub reading: &'a mut Reading,
}

impl<'s> ListChange<'_, 's> {
    pub(super) fn apply(mut self, verb: Verb, filter: Option<&Filter>) -> Result<(), Error> {
        match (filter, verb) {
            (None, Verb::Remove) => self.remove(),
            (None, _) if self.target.sub.is_some() => self.set_sub_everywhere(),
            (None, Verb::Add) => {
                for element in self.read_all()? {
                    self.append(element);
                }
                Ok(())
            }
            (None, Verb::Replace) => {
                *self.list = self.read_all()?;
                Ok(())
            }
            (Some(filter), Verb::Remove) => self.remove_matching(filter),
            (Some(filter), _) => self.set_matching(filter, verb),
        }
    }

    fn path(&self) -> String {
        self.target.to_string()
    }

    fn value(&self) -> &Value {
        self.value.unwrap_or(&Value::Null)
    }

    /// The value as a list of elements of the attribute.
    fn read_all(&mut self) -> Result<Vec<Value>, Error> {
        let value = self.value.unwrap_or(&Value::Null);
        match read_value(self.target.attribute, value, &self.path(), self.reading)? {
            Some(Value::Array(items)) => Ok(items),
            _ => Ok(Vec::new()),
        }
    }

    /// The value as the named sub-attribute, or as a whole element.
    fn read_sub(&mut self) -> Result<Option<Value>, Error> {
        let path = self.path();
        read_value(self.target.leaf(), self.value.unwrap_or(&Value::Null), &path, self.reading)
    }

    /// Appends what is not there yet; the same `value` and `type` again updates the element (C85).
    fn append(&mut self, element: Value) {
        let same = self.list.iter().position(|existing| identity(existing) == identity(&element));
        let at = if let Some(at) = same {
            overlay(&mut self.list[at], element);
            at
        } else {
            self.list.push(element);
            self.list.len() - 1
        };
        self.settle_primary(at);
    }

    /// A value that just became primary is the only one (C91).
    fn settle_primary(&mut self, at: usize) {
        if self.list[at].get("primary").and_then(Value::as_bool) == Some(true) {
            keep_primary(self.list, Some(at));
        }
    }

    fn remove(&mut self) -> Result<(), Error> {
        check_removable(self.target)?;
        if let Some(sub) = self.target.sub {
            for element in self.list.iter_mut().filter_map(Value::as_object_mut) {
                element.remove(&sub.name);
            }
            self.list.retain(says_something);
            return Ok(());
        }
        if self.value().is_null() {
            self.list.clear();
            return Ok(());
        }
        // Only what the value names, never everything (C102).
        let named = self.read_all()?;
        self.list.retain(|element| !named.iter().any(|named| is_named_by(element, named)));
        Ok(())
    }

    fn matching(&mut self, filter: &Filter) -> Result<Vec<usize>, Error> {
        let target = self.target;
        let resolved =
            resolve_element(filter, target.attribute, self.reading).map_err(|error| match error.status() {
                403 => error,
                _ => Error::path(format!("{target}: {error}")),
            })?;
        let matches = |element: &Value| element.as_object().is_some_and(|element| resolved.matches(element));
        Ok((0..self.list.len()).filter(|index| matches(&self.list[*index])).collect())
    }

    fn remove_matching(&mut self, filter: &Filter) -> Result<(), Error> {
        let matching = self.matching(filter)?;
        let Some(sub) = self.target.sub else {
            self.remove_at(&matching);
            return Ok(());
        };
        check_removable(self.target)?;
        for index in matching {
            self.list[index].as_object_mut().and_then(|element| element.remove(&sub.name));
        }
        self.list.retain(says_something);
        Ok(())
    }

    fn remove_at(&mut self, indices: &[usize]) {
        for index in indices.iter().rev() {
            self.list.remove(*index);
        }
    }

    fn set_matching(&mut self, filter: &Filter, verb: Verb) -> Result<(), Error> {
        let matching = self.matching(filter)?;
        if matching.is_empty() {
            return self.create_described(filter, verb);
        }
        if self.target.sub.is_some() {
            return self.set_sub(&matching);
        }
        let path = self.path();
        let value = unwrap_list_of_one(self.value.unwrap_or(&Value::Null), self.reading);
        let Some(element) = read_single(self.target.attribute, value, &path, self.reading)? else {
            // A null in place of the elements removes them.
            self.remove_at(&matching);
            return Ok(());
        };
        for at in matching {
            match verb {
                Verb::Replace => self.list[at] = element.clone(),
                Verb::Add | Verb::Remove => overlay(&mut self.list[at], element.clone()),
            }
            self.settle_primary(at);
        }
        Ok(())
    }

    fn set_sub_everywhere(&mut self) -> Result<(), Error> {
        if self.list.is_empty() {
            let element = self.with_sub(Map::new())?;
            self.list.extend(element);
            return Ok(());
        }
        let all: Vec<usize> = (0..self.list.len()).collect();
        self.set_sub(&all)
    }

    fn set_sub(&mut self, at: &[usize]) -> Result<(), Error> {
        let target: Target<'s> = self.target;
        let name = &target.leaf().name;
        let read = self.read_sub()?;
        for &index in at {
            let Some(element) = self.list[index].as_object_mut() else { continue };
            match &read {
                Some(read) => {
                    element.insert(name.clone(), read.clone());
                }
                None => unassign(self.target, element)?,
            }
            self.settle_primary(index);
        }
        if read.is_none() {
            self.list.retain(says_something);
        }
        Ok(())
    }

    /// A value path without a match: the element it describes is created (C87, C88, C89).
    fn create_described(&mut self, filter: &Filter, verb: Verb) -> Result<(), Error> {
        let strict_add = verb == Verb::Add && !self.reading.dialect().is_lenient();
        if !strict_add && !self.reading.tolerates(Tolerance::ValuePathCreates) {
            return Err(Error::no_target(format!("{}: no value matches the filter", self.target)));
        }
        let Some(described) = describe(filter, self.target.attribute, self.reading)? else {
            let reason = "no value matches, and the filter does not describe one (only 'eq' joined by 'and' does)";
            return Err(Error::no_target(format!("{}: {reason}", self.target)));
        };
        let element = if self.target.sub.is_some() { self.with_sub(described)? } else { self.overlaid(described)? };
        if let Some(element) = element {
            self.list.push(element);
            self.settle_primary(self.list.len() - 1);
        }
        Ok(())
    }

    /// The described element with the value laid over it.
    fn overlaid(&mut self, described: Map<String, Value>) -> Result<Option<Value>, Error> {
        let path = self.path();
        let value = unwrap_list_of_one(self.value.unwrap_or(&Value::Null), self.reading);
        let read = read_elements(self.target.attribute, value, &path, self.reading)?;
        Ok(read.into_iter().next().map(|read| {
            let mut element = Value::Object(described);
            overlay(&mut element, read);
            element
        }))
    }

    /// The described element with the value as its named sub-attribute.
    fn with_sub(&mut self, mut element: Map<String, Value>) -> Result<Option<Value>, Error> {
        let name = self.target.leaf().name.clone();
        Ok(self.read_sub()?.map(|read| {
            element.insert(name, read);
            Value::Object(element)
        }))
    }
}

fn overlay(existing: &mut Value, element: Value) {
    match (existing, element) {
        (Value::Object(existing), Value::Object(parts)) => existing.extend(parts),
        (existing, element) => *existing = element,
    }
}

/// Whether `named` describes `element`: every part it gives is the element's.
fn is_named_by(element: &Value, named: &Value) -> bool {
    match (element, named) {
        (Value::Object(element), Value::Object(named)) => {
            named.iter().all(|(name, value)| name == "display" || element.get(name) == Some(value))
        }
        _ => element == named,
    }
}

/// An element that has only a label left (`type`, `primary`, `display`) is gone: the client cleared its content.
fn says_something(element: &Value) -> bool {
    match element {
        Value::Object(parts) => parts.keys().any(|name| !matches!(name.as_str(), "type" | "primary" | "display")),
        _ => true,
    }
}

/// The element a conjunction of `eq` describes, its values as the client spelt them; none for any other filter.
fn describe(
    filter: &Filter,
    attribute: &Attribute,
    reading: &mut Reading,
) -> Result<Option<Map<String, Value>>, Error> {
    let mut described = Map::new();
    let parts = match filter {
        Filter::And(parts) => parts.as_slice(),
        single => std::slice::from_ref(single),
    };
    for part in parts {
        let Filter::Compare(path, Operator::Eq, literal) = part else {
            return Ok(None);
        };
        let Some(sub) = attribute.sub(&path.name) else {
            return Ok(None);
        };
        let value = match literal {
            Literal::Text(text) => Value::from(text.as_str()),
            Literal::Number(number) => Value::Number(number.clone()),
            Literal::Boolean(value) => Value::Bool(*value),
            Literal::Null => continue,
        };
        if let Some(read) = read_value(sub, &value, &format!("{}.{}", attribute.name, sub.name), reading)? {
            described.insert(sub.name.clone(), read);
        }
    }
    Ok(Some(described))
}
