//! Changes to an attribute that is kept as edges (`Group.members`): composed without loading what is there (C108).

use std::collections::BTreeMap;

use serde_json::Value;

use super::operation::Verb;
use crate::filter::{Check, Filter, Operand, Operator, Resolved, resolve_element};
use crate::schema::Attribute;
use crate::{Error, Reading, Tolerance};

/// The net effect of a sequence of changes to a set of references: first everything goes if [`EdgeChanges::cleared`],
/// then each mentioned id is in or out. Order within the request has been taken into account (C106).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EdgeChanges {
    cleared: bool,
    mentioned: BTreeMap<String, bool>,
}

impl EdgeChanges {
    /// Exactly these references and no others.
    pub fn exactly(ids: impl IntoIterator<Item = String>) -> Self {
        Self { cleared: true, mentioned: ids.into_iter().map(|id| (id, true)).collect() }
    }

    /// Whether whatever was there before goes.
    pub fn cleared(&self) -> bool {
        self.cleared
    }

    /// The ids that are in afterwards, in order.
    pub fn added(&self) -> impl Iterator<Item = &str> {
        self.mentioned.iter().filter(|(_, present)| **present).map(|(id, _)| id.as_str())
    }

    /// The ids that are out afterwards, in order.
    pub fn removed(&self) -> impl Iterator<Item = &str> {
        self.mentioned.iter().filter(|(_, present)| !**present).map(|(id, _)| id.as_str())
    }

    /// Whether nothing was asked for.
    pub fn is_empty(&self) -> bool {
        !self.cleared && self.mentioned.is_empty()
    }

    fn clear(&mut self) {
        self.cleared = true;
        self.mentioned.clear();
    }

    fn set(&mut self, ids: Vec<String>, present: bool) {
        self.mentioned.extend(ids.into_iter().map(|id| (id, present)));
    }

    /// Composes one operation on the whole attribute.
    pub(super) fn apply(
        &mut self,
        attribute: &Attribute,
        verb: Verb,
        value: Option<&Value>,
        reading: &mut Reading,
    ) -> Result<(), Error> {
        match (verb, value) {
            // Never a wipe: a remove that carries a value takes only what it names (C102, C103).
            (Verb::Remove, Some(value)) => {
                if !reading.tolerates(Tolerance::RemoveWithValue) {
                    return Err(Error::syntax("remove takes no value: name the members in the path's filter"));
                }
                let ids = references(attribute, value, reading)?;
                self.set(ids, false);
            }
            (Verb::Remove, None) => self.clear(),
            (Verb::Add | Verb::Replace, None) => return Err(Error::value(&attribute.name, "a value is required")),
            (Verb::Add, Some(value)) => {
                let ids = references(attribute, value, reading)?;
                self.set(ids, true);
            }
            (Verb::Replace, Some(value)) => {
                let ids = if value.is_null() { Vec::new() } else { references(attribute, value, reading)? };
                self.clear();
                self.set(ids, true);
            }
        }
        Ok(())
    }

    /// Composes one operation on the references a filter names: `members[value eq "id"]`.
    pub(super) fn apply_filtered(
        &mut self,
        attribute: &Attribute,
        verb: Verb,
        filter: &Filter,
        reading: &mut Reading,
    ) -> Result<(), Error> {
        let resolved = resolve_element(filter, attribute, reading).map_err(|error| Error::path(error.to_string()))?;
        let mut ids = Vec::new();
        if !named_ids(&resolved, &mut ids) {
            return Err(Error::path(format!("{}: only 'value eq' joined by 'or' can choose here", attribute.name)));
        }
        match verb {
            Verb::Remove => self.set(ids, false),
            // `value` is immutable: a member is changed by removing it and adding another (C101).
            Verb::Add | Verb::Replace => {
                return Err(Error::mutability(&attribute.name, "an element cannot be changed, only added and removed"));
            }
        }
        Ok(())
    }
}

/// The ids of a list of references: objects with `value`, or plain ids.
///
/// # Errors
///
/// `invalidValue` for an item that names nobody: dropping it silently would leave someone in the group whom the
/// directory thinks gone (C103).
pub(crate) fn references(attribute: &Attribute, value: &Value, reading: &mut Reading) -> Result<Vec<String>, Error> {
    let items = match value {
        Value::Array(items) => items.as_slice(),
        single if reading.tolerates(Tolerance::ListOrSingle) => std::slice::from_ref(single),
        _ => return Err(Error::value(&attribute.name, "must be a list")),
    };
    items.iter().map(|item| reference(attribute, item, reading)).collect()
}

fn reference(attribute: &Attribute, item: &Value, reading: &mut Reading) -> Result<String, Error> {
    let value = match item {
        Value::Object(object) => crate::json::get_ignore_case(object, "value").and_then(Value::as_str),
        Value::String(text) if reading.tolerates(Tolerance::PlainTextForComplex) => Some(text.as_str()),
        _ => None,
    };
    match value {
        Some(id) if !id.is_empty() => Ok(id.to_owned()),
        _ => Err(Error::value(&attribute.name, "each item must name a resource by its id in 'value'")),
    }
}

/// Collects the ids of a disjunction of `value eq`; false where the filter is anything else.
fn named_ids(filter: &Resolved<'_>, ids: &mut Vec<String>) -> bool {
    match filter {
        Resolved::Or(parts) => parts.iter().all(|part| named_ids(part, ids)),
        Resolved::Test(test) if test.target.attribute.name == "value" => match &test.check {
            Check::Compare(Operator::Eq, Operand::Text(id)) => {
                ids.push(id.clone());
                true
            }
            _ => false,
        },
        _ => false,
    }
}
