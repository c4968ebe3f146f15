//! Changing an attribute that holds a list, with or without a value path (C85–C91, C97).
//!
//! The guarantee (`docs/scim-guarantee.md`): a list loses what a request names, and everything else only where a `replace` gives
//! a list that was read whole, an empty one or null, or where a `remove` names the attribute and has no `value`.

use serde_json::{Map, Value};

use super::operation::Verb;
use super::target::{PartChange, check_removable, remove_from_part};
use super::values::{Values, overlay};
use super::work::Work;
use crate::filter::{Filter, Literal, Operator, Resolved};
use crate::path::Target;
use crate::schema::{Attribute, Kind};
use crate::value::{
    ReadValue, comparison_key, embedded_element, embedded_json, read_elements, read_replacement, read_single,
    read_value, says_something, unwrap_list_of_one,
};
use crate::{Error, Reading, Tolerance};

/// A value path, with its names looked up.
pub(super) struct Chosen<'f, 's> {
    pub filter: &'f Filter,
    pub resolved: Resolved<'s>,
}

/// One operation on the values of a list.
pub(super) struct ListChange<'a, 's> {
    pub target: Target<'s>,
    pub values: &'a mut Values<'s>,
    pub value: Option<&'a Value>,
    pub reading: &'a mut Reading,
    pub work: &'a mut Work,
}

impl<'s> ListChange<'_, 's> {
    pub(super) fn apply(mut self, verb: Verb, chosen: Option<&Chosen<'_, 's>>) -> Result<(), Error> {
        match (chosen, verb) {
            (None, _) if self.target.sub.is_some() => self.change_part_everywhere(verb),
            (None, Verb::Remove) => self.remove(),
            (None, Verb::Add) => {
                for element in self.read_all(read_value)? {
                    self.values.add(element, self.work)?;
                }
                Ok(())
            }
            (None, Verb::Replace) => {
                let list = self.read_all(read_replacement)?;
                self.work.spend(list.len())?;
                self.values.replace_all(list);
                Ok(())
            }
            (Some(chosen), Verb::Remove) => self.remove_matching(chosen),
            (Some(chosen), _) => self.set_matching(chosen, verb),
        }
    }

    fn path(&self) -> String {
        self.target.to_string()
    }

    /// The value as a list of elements of the attribute.
    fn read_all(&mut self, read: ReadValue) -> Result<Vec<Value>, Error> {
        let value = self.value.unwrap_or(&Value::Null);
        match read(self.target.attribute, value, &self.path(), self.reading)? {
            Some(Value::Array(items)) => Ok(items),
            _ => Ok(Vec::new()),
        }
    }

    /// Removes all, or exactly what the value names: null, `[]` and `[null]` name nothing (C102, C103).
    fn remove(&mut self) -> Result<(), Error> {
        check_removable(self.target)?;
        let Some(value) = self.value else {
            self.values.replace_all(Vec::new());
            return Ok(());
        };
        let described = read_descriptions(self.target.attribute, value, &self.path(), self.reading)?;
        self.values.remove_described(&described, self.work)
    }

    fn remove_matching(&mut self, chosen: &Chosen<'_, 's>) -> Result<(), Error> {
        let matching = self.values.matching(&chosen.resolved, self.work)?;
        let Some(sub) = self.target.sub else {
            for place in matching {
                self.values.remove(place);
            }
            return Ok(());
        };
        check_removable(self.target)?;
        matching.into_iter().try_for_each(|place| self.without_part(place, sub))
    }

    /// Takes a part out of an element, and the element with it if only a label is left: the client cleared its content.
    fn without_part(&mut self, place: usize, sub: &Attribute) -> Result<(), Error> {
        let Some(mut element) = self.values.copy(place, self.work)? else { return Ok(()) };
        if element.as_object_mut().and_then(|parts| parts.remove(&sub.name)).is_some() {
            self.put(place, element);
        }
        Ok(())
    }

    fn put(&mut self, place: usize, element: Value) {
        if says_something(&element) {
            self.values.set(place, element);
        } else {
            self.values.remove(place);
        }
    }

    fn set_matching(&mut self, chosen: &Chosen<'_, 's>, verb: Verb) -> Result<(), Error> {
        let matching = self.values.matching(&chosen.resolved, self.work)?;
        if matching.is_empty() {
            return self.create_described(chosen.filter, verb);
        }
        if let Some(sub) = self.target.sub {
            return self.set_part(&matching, sub, verb);
        }
        let Some(element) = self.read_element()? else {
            // A null in place of the elements removes them: the path names them.
            for place in matching {
                self.values.remove(place);
            }
            return Ok(());
        };
        for place in matching {
            let Some(mut changed) = self.values.copy(place, self.work)? else { continue };
            self.work.copy(&element)?;
            match verb {
                Verb::Replace => changed.clone_from(&element),
                Verb::Add | Verb::Remove => {
                    overlay(self.target.attribute, &mut changed, element.clone(), self.work)?;
                }
            }
            self.values.set(place, changed);
        }
        Ok(())
    }

    /// The value as one element; none where it says that there shall be none.
    fn read_element(&mut self) -> Result<Option<Value>, Error> {
        let (attribute, path) = (self.target.attribute, self.path());
        let value = unwrap_list_of_one(attribute, self.value.unwrap_or(&Value::Null), self.reading);
        let read = read_single(attribute, value, &path, self.reading)?;
        if read.is_none() && value.is_object() {
            return Err(Error::value(path, "holds no value: remove it instead, or send null"));
        }
        Ok(read)
    }

    /// A part of every element, or taken from every element.
    fn change_part_everywhere(&mut self, verb: Verb) -> Result<(), Error> {
        let Some(sub) = self.target.sub else { return Ok(()) };
        let all = self.values.places();
        self.work.spend(all.len())?;
        match (verb, self.value) {
            (Verb::Remove, None) => {
                check_removable(self.target)?;
                all.into_iter().try_for_each(|place| self.without_part(place, sub))
            }
            (Verb::Remove, Some(value)) => self.remove_part_where(sub, value, &all),
            (Verb::Replace, Some(value)) if is_nothing(value) => self.set_part(&all, sub, verb),
            (Verb::Add, Some(value)) if is_nothing(value) => Ok(()),
            // All of them are emptied by null alone, never by a text.
            (Verb::Add | Verb::Replace, _) if self.reads_as_nothing(sub)? => {
                Err(Error::value(self.target, "must not be empty: choose values by a filter, or remove the part"))
            }
            (Verb::Add | Verb::Replace, _) if all.is_empty() => {
                let element = self.with_part(Map::new(), sub)?;
                element.map_or(Ok(()), |element| self.values.add(element, self.work))
            }
            (Verb::Add | Verb::Replace, _) => self.set_part(&all, sub, verb),
        }
    }

    /// Only where the part is what the value says, never everywhere.
    fn remove_part_where(&mut self, sub: &Attribute, value: &Value, all: &[usize]) -> Result<(), Error> {
        check_removable(self.target)?;
        if sub.multi_valued {
            let described = read_descriptions(sub, value, &self.path(), self.reading)?;
            for place in all {
                let Some(Value::Object(mut parts)) = self.values.copy(*place, self.work)? else { continue };
                remove_from_part(sub, &mut parts, &described, self.work)?;
                self.put(*place, Value::Object(parts));
            }
            return Ok(());
        }
        let Some(named) = read_value(sub, value, &self.path(), self.reading)? else { return Ok(()) };
        let wanted = comparison_key(sub, &named);
        for place in all {
            let part = self.values.get(*place).and_then(|element| element.get(&sub.name));
            if part.is_some_and(|part| comparison_key(sub, part) == wanted) {
                self.without_part(*place, sub)?;
            }
        }
        Ok(())
    }

    fn reads_as_nothing(&mut self, sub: &Attribute) -> Result<bool, Error> {
        let path = self.path();
        Ok(read_value(sub, self.value.unwrap_or(&Value::Null), &path, self.reading)?.is_none())
    }

    fn set_part(&mut self, places: &[usize], sub: &Attribute, verb: Verb) -> Result<(), Error> {
        let read = read_value(sub, self.value.unwrap_or(&Value::Null), &self.path(), self.reading)?;
        let change = PartChange { target: self.target, sub, verb };
        for place in places {
            let Some(Value::Object(mut parts)) = self.values.copy(*place, self.work)? else { continue };
            let is_emptied = read.is_none();
            read.iter().try_for_each(|read| self.work.copy(read))?;
            change.apply(&mut parts, read.clone(), self.work)?;
            let element = Value::Object(parts);
            if is_emptied {
                self.put(*place, element);
            } else {
                self.values.set(*place, element);
            }
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
        let element = match self.target.sub {
            Some(sub) => self.with_part(described, sub)?,
            None => self.overlaid(described)?,
        };
        element.map_or(Ok(()), |element| self.values.add(element, self.work))
    }

    /// The described element with the value laid over it.
    fn overlaid(&mut self, described: Map<String, Value>) -> Result<Option<Value>, Error> {
        let (attribute, path) = (self.target.attribute, self.path());
        let value = unwrap_list_of_one(attribute, self.value.unwrap_or(&Value::Null), self.reading);
        let Some(read) = read_elements(attribute, value, &path, self.reading)?.into_iter().next() else {
            return Ok(None);
        };
        let mut element = Value::Object(described);
        overlay(attribute, &mut element, read, self.work)?;
        Ok(Some(element))
    }

    /// The described element with the value as its named part.
    fn with_part(&mut self, mut element: Map<String, Value>, sub: &Attribute) -> Result<Option<Value>, Error> {
        let path = self.path();
        let read = read_value(sub, self.value.unwrap_or(&Value::Null), &path, self.reading)?;
        Ok(read.map(|read| {
            element.insert(sub.name.clone(), read);
            Value::Object(element)
        }))
    }
}

/// Whether a value says that there is none.
fn is_nothing(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

/// The elements that a remove names, each by the parts that it has (C102, C103).
///
/// # Errors
///
/// `invalidValue` for one that names nothing, or says more than is understood: what is left out of a description would make
/// it describe more.
pub(super) fn read_descriptions(
    attribute: &Attribute,
    value: &Value,
    path: &str,
    reading: &mut Reading,
) -> Result<Vec<Value>, Error> {
    let embedded = embedded_json(value, reading);
    let items = match embedded.as_ref().unwrap_or(value) {
        Value::Null => return Ok(Vec::new()),
        Value::Array(items) => items.as_slice(),
        single @ Value::Object(_) if attribute.kind == Kind::Complex && reading.tolerates(Tolerance::ListOrSingle) => {
            std::slice::from_ref(single)
        }
        _ => return Err(Error::value(path, "must be a list")),
    };
    let mut described = Vec::with_capacity(items.len());
    for item in items.iter().filter(|item| !item.is_null()) {
        match embedded_element(attribute, item, reading) {
            Some(Value::Array(inner)) => {
                for item in &inner {
                    described.push(read_description(attribute, item, path, reading)?);
                }
            }
            Some(inner) => described.push(read_description(attribute, &inner, path, reading)?),
            None => described.push(read_description(attribute, item, path, reading)?),
        }
    }
    Ok(described)
}

fn read_description(attribute: &Attribute, item: &Value, path: &str, reading: &mut Reading) -> Result<Value, Error> {
    let names_nothing = || Error::value(path, "each item must name what goes, by 'value' or by parts that are known");
    let read = read_single(attribute, item, path, reading)?.ok_or_else(names_nothing)?;
    if let (Value::Object(sent), Value::Object(parts)) = (item, &read)
        && !parts.contains_key("value")
        && sent.len() != parts.len()
    {
        return Err(names_nothing());
    }
    Ok(read)
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
