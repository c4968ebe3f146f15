//! The values of one multi-valued attribute while a PATCH changes them, indexed by what makes two of them the same one.
//!
//! A change of one value costs the same however many there are: the index lives as long as the PATCH, and a removed value
//! leaves a gap instead of moving those behind it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde_json::{Map, Value};

use super::work::{Work, weight};
use crate::Error;
use crate::filter::Resolved;
use crate::schema::{Attribute, Kind};
use crate::value::{comparison_key, identity, is_primary};

type Index = HashMap<String, BTreeSet<usize>>;

/// The values of an attribute, in order.
#[derive(Debug)]
pub(super) struct Values<'s> {
    attribute: &'s Attribute,
    slots: BTreeMap<usize, Value>,
    next: usize,
    by_identity: Index,
    by_value: Index,
    primaries: BTreeSet<usize>,
}

impl<'s> Values<'s> {
    pub(super) fn new(attribute: &'s Attribute, list: Vec<Value>) -> Self {
        let mut values = Self {
            attribute,
            slots: BTreeMap::new(),
            next: 0,
            by_identity: Index::new(),
            by_value: Index::new(),
            primaries: BTreeSet::new(),
        };
        for element in list {
            values.push(element);
        }
        values
    }

    pub(super) fn into_list(self) -> Vec<Value> {
        self.slots.into_values().collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The places of all values, in order.
    pub(super) fn places(&self) -> Vec<usize> {
        self.slots.keys().copied().collect()
    }

    pub(super) fn get(&self, place: usize) -> Option<&Value> {
        self.slots.get(&place)
    }

    /// A value to be changed and put back by [`Values::set`].
    pub(super) fn copy(&self, place: usize, work: &mut Work) -> Result<Option<Value>, Error> {
        let Some(element) = self.slots.get(&place) else { return Ok(None) };
        work.copy(element)?;
        Ok(Some(element.clone()))
    }

    pub(super) fn replace_all(&mut self, list: Vec<Value>) {
        *self = Self::new(self.attribute, list);
    }

    /// Appends a value that is not there yet; the same one again updates the one there is (C85).
    pub(super) fn add(&mut self, element: Value, work: &mut Work) -> Result<(), Error> {
        work.spend(1)?;
        let known = self.by_identity.get(&identity(self.attribute, &element)).and_then(BTreeSet::first).copied();
        let Some(place) = known else {
            let place = self.push(element);
            self.settle_primary(place);
            return Ok(());
        };
        if let Some(mut merged) = self.copy(place, work)? {
            overlay(self.attribute, &mut merged, element, work)?;
            self.set(place, merged);
        }
        Ok(())
    }

    /// Puts a value in the place of another. If it becomes the same one as a third, the two are one from then on (C39).
    pub(super) fn set(&mut self, place: usize, element: Value) {
        self.remove(place);
        let twin = self.by_identity.get(&identity(self.attribute, &element)).and_then(BTreeSet::first).copied();
        let place = match twin {
            Some(twin) => {
                self.remove(twin);
                place.min(twin)
            }
            None => place,
        };
        self.insert(place, element);
        self.settle_primary(place);
    }

    pub(super) fn remove(&mut self, place: usize) {
        let Some(element) = self.slots.remove(&place) else { return };
        forget(&mut self.by_identity, &identity(self.attribute, &element), place);
        if let Some(key) = self.value_key(&element) {
            forget(&mut self.by_value, &key, place);
        }
        self.primaries.remove(&place);
    }

    fn push(&mut self, element: Value) -> usize {
        let place = self.next;
        self.insert(place, element);
        place
    }

    fn insert(&mut self, place: usize, element: Value) {
        self.next = self.next.max(place + 1);
        self.by_identity.entry(identity(self.attribute, &element)).or_default().insert(place);
        if let Some(key) = self.value_key(&element) {
            self.by_value.entry(key).or_default().insert(place);
        }
        if is_primary(&element) {
            self.primaries.insert(place);
        }
        self.slots.insert(place, element);
    }

    /// A value that just became primary is the only one (C91).
    fn settle_primary(&mut self, place: usize) {
        if !self.primaries.contains(&place) {
            return;
        }
        for other in std::mem::replace(&mut self.primaries, BTreeSet::from([place])) {
            if other != place
                && let Some(parts) = self.slots.get_mut(&other).and_then(Value::as_object_mut)
            {
                // The identity of the element does not change by that: the index stays right.
                parts.insert("primary".to_owned(), Value::Bool(false));
            }
        }
    }

    fn value_key(&self, element: &Value) -> Option<String> {
        if self.attribute.kind != Kind::Complex {
            return Some(comparison_key(self.attribute, element));
        }
        let sub = self.attribute.value_sub()?;
        element.get(&sub.name).map(|value| comparison_key(sub, value))
    }

    /// The places of the values that meet the filter of a value path, in order.
    pub(super) fn matching(&self, filter: &Resolved<'_>, work: &mut Work) -> Result<Vec<usize>, Error> {
        let candidates: Vec<usize> = match filter.named_values(self.attribute) {
            Some(named) => self.with_values(named).into_iter().collect(),
            None => self.places(),
        };
        work.spend(self.weight(&candidates).saturating_mul(filter.terms()))?;
        let meets = |place: &usize| {
            self.slots.get(place).is_some_and(|element| filter.matches_element(self.attribute, element))
        };
        Ok(candidates.into_iter().filter(meets).collect())
    }

    /// The cost of looking at the values in these places once.
    fn weight(&self, places: &[usize]) -> usize {
        places.iter().filter_map(|place| self.slots.get(place)).map(|element| weight(element) + 1).sum()
    }

    fn with_values<'k>(&self, keys: impl IntoIterator<Item = &'k str>) -> BTreeSet<usize> {
        keys.into_iter().filter_map(|key| self.by_value.get(key)).flatten().copied().collect()
    }

    /// Removes the values that one of these describes: those that have every part it gives. `display` is a label, and does not
    /// count beside a `value`.
    pub(super) fn remove_described(&mut self, described: &[Value], work: &mut Work) -> Result<(), Error> {
        // Without a value to look up, all are compared: once for each set of parts, not once for each description.
        let mut by_parts: HashMap<Vec<&str>, HashSet<Vec<String>>> = HashMap::new();
        for one in described {
            match (self.value_key(one), one) {
                (Some(key), _) => self.remove_with_value(&key, one, work)?,
                (None, Value::Object(parts)) => {
                    let names: Vec<&str> = parts.keys().map(String::as_str).collect();
                    let projected = self.projected(one, &names);
                    by_parts.entry(names).or_default().extend(projected);
                }
                (None, _) => {}
            }
        }
        for (names, wanted) in by_parts {
            work.spend(self.slots.values().map(|element| weight(element) + 1).sum())?;
            let is_wanted =
                |element: &Value| self.projected(element, &names).is_some_and(|parts| wanted.contains(&parts));
            let gone: Vec<usize> =
                self.slots.iter().filter(|(_, element)| is_wanted(element)).map(|(place, _)| *place).collect();
            for place in gone {
                self.remove(place);
            }
        }
        Ok(())
    }

    fn remove_with_value(&mut self, key: &str, described: &Value, work: &mut Work) -> Result<(), Error> {
        let candidates = self.with_values([key]);
        let candidates: Vec<usize> = candidates.into_iter().collect();
        work.spend(self.weight(&candidates) + 1)?;
        let empty = Map::new();
        let parts = described.as_object().unwrap_or(&empty);
        let names: Vec<&str> = parts.keys().map(String::as_str).filter(|name| *name != "display").collect();
        let wanted = self.projected(described, &names);
        for place in candidates {
            if self.slots.get(&place).is_some_and(|element| self.projected(element, &names) == wanted) {
                self.remove(place);
            }
        }
        Ok(())
    }

    /// The named parts of an element as they are compared; none where one of them is missing.
    fn projected(&self, element: &Value, names: &[&str]) -> Option<Vec<String>> {
        let part = |name: &&str| match element.get(*name) {
            Some(value) => {
                Some(self.attribute.sub(name).map_or_else(|| value.to_string(), |sub| comparison_key(sub, value)))
            }
            // An element that is not primary says so or says nothing.
            None => (*name == "primary").then(|| false.to_string()),
        };
        names.iter().map(part).collect()
    }
}

fn forget(index: &mut Index, key: &str, place: usize) {
    if let Some(places) = index.get_mut(key) {
        places.remove(&place);
        if places.is_empty() {
            index.remove(key);
        }
    }
}

/// Lays the parts of a new element over one that is there. Lists within it are joined: adding takes nothing away.
pub(super) fn overlay(
    attribute: &Attribute,
    existing: &mut Value,
    element: Value,
    work: &mut Work,
) -> Result<(), Error> {
    match (existing, element) {
        (Value::Object(existing), Value::Object(parts)) => {
            for (name, value) in parts {
                let joined = match (attribute.sub(&name), existing.remove(&name), value) {
                    (Some(sub), Some(Value::Array(before)), Value::Array(more)) => join(sub, before, more, work)?,
                    (_, _, value) => value,
                };
                existing.insert(name, joined);
            }
        }
        (existing, element) => *existing = element,
    }
    Ok(())
}

/// The values of both lists, each once.
pub(super) fn join(
    attribute: &Attribute,
    before: Vec<Value>,
    more: Vec<Value>,
    work: &mut Work,
) -> Result<Value, Error> {
    work.spend(before.len())?;
    let mut values = Values::new(attribute, before);
    for element in more {
        values.add(element, work)?;
    }
    Ok(Value::Array(values.into_list()))
}
