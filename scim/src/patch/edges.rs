//! Changes to an attribute that is kept as edges (`Group.members`): composed without loading what is there (C108).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::operation::Verb;
use super::target::may_carry;
use super::work::Work;
use crate::filter::{Filter, Resolved, resolve_element};
use crate::json::get_ignore_case;
use crate::path::Target;
use crate::schema::{Attribute, ResourceType};
use crate::value::{begins_like_json, embedded_element, embedded_json, read_value, unknown};
use crate::{Error, Reading, Tolerance};

/// The net effect of a sequence of changes to a set of references: first everything goes if [`EdgeChanges::cleared`],
/// then each mentioned id is in or out. Order within the request has been taken into account (C106).
///
/// A value path that chooses by more than ids (`members[type eq "Group"]`) has no net effect before the members it looks at
/// are known: see [`EdgeChanges::looks_at`] and [`EdgeChanges::settled`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EdgeChanges {
    cleared: bool,
    mentioned: BTreeMap<Arc<str>, bool>,
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Clear,
    Add(Vec<Arc<str>>),
    Remove(Vec<Arc<str>>),
    Replace(Vec<Arc<str>>),
    RemoveWhere(Filter),
}

/// The members that must be known before the value paths of a change can be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LooksAt {
    /// None: there is no such value path.
    Nothing,
    /// At most these, besides those that the change names.
    These(BTreeSet<String>),
    /// All there are.
    All,
}

/// A member as value paths see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The id, which is `members.value`.
    pub id: String,
    /// `members.type`.
    pub kind: &'static str,
    /// `members.display`, where the member has one.
    pub display: Option<String>,
    /// Whether it is in before the change.
    pub is_in: bool,
}

impl Member {
    fn parts(&self) -> Map<String, Value> {
        let mut parts = Map::new();
        parts.insert("value".to_owned(), Value::from(self.id.as_str()));
        parts.insert("type".to_owned(), Value::from(self.kind));
        if let Some(display) = &self.display {
            parts.insert("display".to_owned(), Value::from(display.as_str()));
        }
        parts
    }
}

impl EdgeChanges {
    /// Exactly these references and no others: the body of a PUT.
    pub fn exactly(ids: impl IntoIterator<Item = String>) -> Self {
        Self::of(Step::Replace(ids.into_iter().map(Arc::from).collect()))
    }

    /// These references besides those that are there: the body of a POST.
    pub fn adding(ids: impl IntoIterator<Item = String>) -> Self {
        Self::of(Step::Add(ids.into_iter().map(Arc::from).collect()))
    }

    fn of(step: Step) -> Self {
        let mut changes = Self::default();
        changes.push(step);
        changes
    }

    /// Whether whatever was there before goes.
    pub fn cleared(&self) -> bool {
        self.cleared
    }

    /// The ids that are in afterwards, in order.
    pub fn added(&self) -> impl Iterator<Item = &str> {
        self.mentioned.iter().filter(|(_, present)| **present).map(|(id, _)| &**id)
    }

    /// The ids that are out afterwards, in order.
    pub fn removed(&self) -> impl Iterator<Item = &str> {
        self.mentioned.iter().filter(|(_, present)| !**present).map(|(id, _)| &**id)
    }

    /// Whether nothing was asked for.
    pub fn is_empty(&self) -> bool {
        !self.cleared && self.mentioned.is_empty() && self.looks_at() == LooksAt::Nothing
    }

    /// Every text that stands where an id belongs, also of what was undone by a later operation.
    pub fn named(&self) -> impl Iterator<Item = &str> {
        let ids = self.steps.iter().flat_map(|step| match step {
            Step::Add(ids) | Step::Remove(ids) | Step::Replace(ids) => ids.as_slice(),
            Step::Clear | Step::RemoveWhere(_) => &[],
        });
        ids.map(|id| &**id)
    }

    /// The lists that were to take the place of all members, those that are empty left out.
    pub fn replacements(&self) -> impl Iterator<Item = &[Arc<str>]> {
        self.steps.iter().filter_map(|step| match step {
            Step::Replace(ids) if !ids.is_empty() => Some(ids.as_slice()),
            _ => None,
        })
    }

    /// The members that must be loaded to apply the value paths.
    pub fn looks_at(&self) -> LooksAt {
        let mut found: Option<BTreeSet<String>> = None;
        for filter in self.filters() {
            match ids_named_by(filter) {
                Some(ids) => found.get_or_insert_default().extend(ids),
                None => return LooksAt::All,
            }
        }
        found.map_or(LooksAt::Nothing, LooksAt::These)
    }

    /// Whether a value path looks at what members are called.
    pub fn looks_at_display(&self) -> bool {
        let attribute = edge_attribute(ResourceType::group());
        let resolved = self.filters().filter_map(|filter| resolved(filter, attribute?).ok());
        resolved.into_iter().any(|filter| filter.mentions("display"))
    }

    fn filters(&self) -> impl Iterator<Item = &Filter> {
        self.steps.iter().filter_map(|step| match step {
            Step::RemoveWhere(filter) => Some(filter),
            _ => None,
        })
    }

    /// The change with its value paths applied to the members that are given: those of [`EdgeChanges::looks_at`] that are in,
    /// and those it names.
    ///
    /// # Errors
    ///
    /// 413 when more members would have to be compared than one request may look at.
    pub fn settled(&self, members: &[Member]) -> Result<Self, Error> {
        let parts: Vec<Map<String, Value>> = members.iter().map(Member::parts).collect();
        let places: HashMap<&str, usize> =
            members.iter().enumerate().map(|(place, member)| (member.id.as_str(), place)).collect();
        let mut work = Work::default();
        let mut changes = Self::default();
        for step in &self.steps {
            let Step::RemoveWhere(filter) = step else {
                changes.push(step.clone());
                continue;
            };
            let Some(attribute) = edge_attribute(ResourceType::group()) else { continue };
            let filter = resolved(filter, attribute)?;
            let candidates: Vec<usize> = match filter.named_values(attribute) {
                Some(ids) => ids.into_iter().filter_map(|id| places.get(id).copied()).collect(),
                None => (0..members.len()).collect(),
            };
            work.spend(candidates.len().saturating_mul(filter.terms()))?;
            let goes = |place: &usize| changes.has(&members[*place]) && filter.matches(&parts[*place]);
            let gone: Vec<Arc<str>> =
                candidates.into_iter().filter(goes).map(|place| Arc::from(members[place].id.as_str())).collect();
            changes.push(Step::Remove(gone));
        }
        Ok(changes)
    }

    fn has(&self, member: &Member) -> bool {
        self.mentioned.get(member.id.as_str()).copied().unwrap_or(member.is_in && !self.cleared)
    }

    fn push(&mut self, step: Step) {
        match &step {
            Step::Clear => self.clear(),
            Step::Add(ids) => self.set(ids, true),
            Step::Remove(ids) => self.set(ids, false),
            Step::Replace(ids) => {
                self.clear();
                self.set(ids, true);
            }
            Step::RemoveWhere(_) => {}
        }
        self.steps.push(step);
    }

    fn clear(&mut self) {
        self.cleared = true;
        self.mentioned.clear();
    }

    fn set(&mut self, ids: &[Arc<str>], present: bool) {
        self.mentioned.extend(ids.iter().map(|id| (Arc::clone(id), present)));
    }

    /// Composes one operation on the whole attribute.
    pub(super) fn apply(
        &mut self,
        attribute: &Attribute,
        verb: Verb,
        value: Option<&Value>,
        reading: &mut Reading,
    ) -> Result<(), Error> {
        // Never a wipe: a remove that carries a value takes only what it names (C102, C103).
        may_carry(verb, value, &attribute.name, reading)?;
        let step = match (verb, value) {
            (Verb::Remove, None) => Step::Clear,
            (Verb::Add | Verb::Replace, None) => return Err(Error::value(&attribute.name, "a value is required")),
            (Verb::Replace, Some(value)) => Step::Replace(references(attribute, value, reading)?),
            (Verb::Add, Some(value)) => Step::Add(references(attribute, value, reading)?),
            (Verb::Remove, Some(value)) => Step::Remove(removed_references(attribute, value, reading)?),
        };
        self.push(step);
        Ok(())
    }

    /// Composes one operation on the references a filter names: `members[value eq "id"]`.
    pub(super) fn apply_filtered(
        &mut self,
        target: Target<'_>,
        verb: Verb,
        filter: &Filter,
        (kind, reading): (&ResourceType, &mut Reading),
    ) -> Result<(), Error> {
        let resolved = resolve_element(filter, target, kind, reading)?;
        if resolved.mentions("$ref") {
            return Err(Error::path(format!("{target}: $ref is computed, choose by value instead")));
        }
        // `value` is immutable: a member is changed by removing it and adding another (C101).
        if verb != Verb::Remove {
            return Err(Error::mutability(target, "an element cannot be changed, only added and removed"));
        }
        self.push(match only_ids(&resolved, target.attribute) {
            Some(ids) => Step::Remove(ids.into_iter().map(Arc::from).collect()),
            None => Step::RemoveWhere(filter.clone()),
        });
        Ok(())
    }
}

fn edge_attribute(kind: &ResourceType) -> Option<&Attribute> {
    kind.edges.and_then(|name| kind.attribute(name))
}

/// A filter that was resolved before, in whatever dialect: the lenient one reads all that the others do.
fn resolved<'s>(filter: &Filter, attribute: &'s Attribute) -> Result<Resolved<'s>, Error> {
    let target = Target { extension: None, attribute, sub: None };
    resolve_element(filter, target, ResourceType::group(), &mut Reading::default())
}

/// The only ids that can meet the filter, where it names them.
fn ids_named_by(filter: &Filter) -> Option<Vec<String>> {
    let attribute = edge_attribute(ResourceType::group())?;
    let resolved = resolved(filter, attribute).ok()?;
    resolved.named_values(attribute).map(|ids| ids.into_iter().map(str::to_owned).collect())
}

/// The ids of a disjunction of `value eq`, which nothing but the id decides; none for any other filter.
fn only_ids<'f>(filter: &'f Resolved<'_>, attribute: &Attribute) -> Option<Vec<&'f str>> {
    match filter {
        Resolved::Or(parts) => {
            let ids: Option<Vec<Vec<&str>>> = parts.iter().map(|part| only_ids(part, attribute)).collect();
            ids.map(|ids| ids.concat())
        }
        Resolved::Test(_) => filter.named_values(attribute),
        _ => None,
    }
}

/// The ids of a list of references: objects with `value`, or plain ids.
///
/// # Errors
///
/// `invalidValue` for an item that names nobody: dropping it silently would leave someone in the group whom the
/// directory thinks gone (C103), or empty the group that the list was to fill.
pub(crate) fn references(attribute: &Attribute, value: &Value, reading: &mut Reading) -> Result<Vec<Arc<str>>, Error> {
    read_references(attribute, value, reading, |_| false)
}

/// The same of a remove, where an item that is null is none.
fn removed_references(attribute: &Attribute, value: &Value, reading: &mut Reading) -> Result<Vec<Arc<str>>, Error> {
    read_references(attribute, value, reading, Value::is_null)
}

fn read_references(
    attribute: &Attribute,
    value: &Value,
    reading: &mut Reading,
    is_none: fn(&Value) -> bool,
) -> Result<Vec<Arc<str>>, Error> {
    let embedded = embedded_json(value, reading);
    let items = match embedded.as_ref().unwrap_or(value) {
        Value::Null => return Ok(Vec::new()),
        Value::Array(items) => items.as_slice(),
        single if reading.tolerates(Tolerance::ListOrSingle) => std::slice::from_ref(single),
        _ => return Err(Error::value(&attribute.name, "must be a list")),
    };
    let mut ids = Vec::with_capacity(items.len());
    for item in items.iter().filter(|item| !is_none(item)) {
        match embedded_element(attribute, item, reading) {
            Some(Value::Array(inner)) => {
                for item in &inner {
                    ids.push(reference(attribute, item, reading)?);
                }
            }
            Some(inner) => ids.push(reference(attribute, &inner, reading)?),
            None => ids.push(reference(attribute, item, reading)?),
        }
    }
    Ok(ids)
}

fn reference(attribute: &Attribute, item: &Value, reading: &mut Reading) -> Result<Arc<str>, Error> {
    let id = match item {
        Value::Object(parts) => {
            check_parts(attribute, parts, reading)?;
            get_ignore_case(parts, "value").and_then(Value::as_str)
        }
        // Tolerance (Entra): a member by its id alone.
        Value::String(text) if reading.tolerates(Tolerance::PlainTextForComplex) => Some(text.as_str()),
        _ => None,
    };
    match id {
        Some(id) if !id.is_empty() && !begins_like_json(id) => Ok(Arc::from(id)),
        _ => Err(Error::value(&attribute.name, "each item must name a resource by its id in 'value'")),
    }
}

/// Checks the parts of an item beside its id: they are computed (C114), but must fit their definition.
fn check_parts(attribute: &Attribute, parts: &Map<String, Value>, reading: &mut Reading) -> Result<(), Error> {
    for (name, value) in parts {
        let path = format!("{}.{name}", attribute.name);
        match attribute.sub(name) {
            Some(sub) if sub.name == "value" => {}
            Some(sub) => drop(read_value(sub, value, &path, reading)?),
            None => unknown(&path, reading)?,
        }
    }
    Ok(())
}
