//! Applying operations to a resource, in order. All or nothing is the caller's: on an error nothing is stored.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use serde_json::{Map, Value};

use super::edges::EdgeChanges;
use super::list::{Chosen, ListChange};
use super::operation::{Operation, Verb};
use super::target::{SingleChange, may_carry};
use super::values::Values;
use super::work::Work;
use crate::error::quoted;
use crate::filter::{Filter, resolve_element};
use crate::path::{AttributePath, Meaning, PatchPath, Target};
use crate::schema::{Attribute, Mutability, ResourceType, Schema};
use crate::{Error, Reading, Resource, Tolerance};

/// The outcome of a PATCH.
#[derive(Clone, Debug, PartialEq)]
pub struct Patched {
    /// The resource afterwards. Equal to the one before when nothing changed (C77).
    pub resource: Resource,
    /// What to do to the attribute that is kept as edges.
    pub edges: EdgeChanges,
    /// How many values were looked at, at most [`super::MAX_COMPARISONS`].
    pub comparisons: u64,
}

/// Applies operations to a resource (RFC 7644 §3.5.2), the resource's own `id` given for C80.
///
/// # Errors
///
/// The `scimType` of the rule that was broken, with the index of the operation (C13); `invalidValue` when a list grows beyond
/// [`crate::resource::MAX_VALUES`]; 413 beyond [`super::MAX_COMPARISONS`].
pub fn apply(
    kind: &ResourceType,
    id: &str,
    resource: &Resource,
    operations: &[Operation],
    reading: &mut Reading,
) -> Result<Patched, Error> {
    let mut patch = Patch {
        kind,
        id,
        resource: resource.clone(),
        lists: HashMap::new(),
        edges: EdgeChanges::default(),
        work: Work::default(),
        reading,
    };
    for (index, operation) in operations.iter().enumerate() {
        patch.operation(operation).map_err(|error| error.in_operation(index))?;
    }
    patch.put_lists_back();
    patch.resource.check_required(kind)?;
    patch.resource.check_growth(kind, Some(resource))?;
    Ok(Patched { resource: patch.resource, edges: patch.edges, comparisons: patch.work.done() })
}

/// A list by the URN of its extension, if it has one, and its name.
type ListName<'a> = (Option<&'a str>, &'a str);

struct Patch<'a> {
    kind: &'a ResourceType,
    id: &'a str,
    resource: Resource,
    /// Lists that operations have changed, until they are put back: each is indexed once, not once for each operation.
    lists: HashMap<ListName<'a>, Values<'a>>,
    edges: EdgeChanges,
    work: Work,
    reading: &'a mut Reading,
}

impl<'a> Patch<'a> {
    fn operation(&mut self, operation: &Operation) -> Result<(), Error> {
        match &operation.path {
            Some(path) => self.at_path(operation.verb, path, operation.value.as_ref()),
            None => self.pathless(operation.verb, operation.value.as_ref()),
        }
    }

    /// Every key of the value as if it were an operation of its own with that path (C81).
    fn pathless(&mut self, verb: Verb, value: Option<&Value>) -> Result<(), Error> {
        if verb == Verb::Remove {
            return Err(Error::no_target("remove needs a path"));
        }
        let Some(Value::Object(members)) = value else {
            return Err(Error::value("value", "without a path, must be an object of attributes"));
        };
        for (name, value) in members {
            self.pathless_member(verb, name, value)?;
        }
        Ok(())
    }

    fn pathless_member(&mut self, verb: Verb, name: &str, value: &Value) -> Result<(), Error> {
        // Okta's group rename carries the id (C80).
        if name.eq_ignore_ascii_case("id") {
            return match value.as_str() {
                Some(id) if id.eq_ignore_ascii_case(self.id) => Ok(()),
                _ => Err(Error::mutability("id", "cannot be changed")),
            };
        }
        let computed = name.eq_ignore_ascii_case("schemas") || name.eq_ignore_ascii_case("meta");
        if computed && self.reading.tolerates(Tolerance::ReadOnlyInPathless) {
            return Ok(());
        }
        if let Some(attribute) = self.kind.attribute(name) {
            let target = Target { extension: None, attribute, sub: None };
            return self.at_target(verb, target, None, Some(value));
        }
        if let Some(extension) = self.kind.extension(name) {
            return self.extension(verb, extension, Some(value));
        }
        // Dotted, URN-qualified and filtered names (C82). A filter that cannot be read is no unknown name.
        match PatchPath::parse(name) {
            Ok(path) if self.reading.tolerates(Tolerance::PathAsKey) => self.at_path(verb, &path, Some(value)),
            Err(error) if name.contains('[') && self.reading.tolerates(Tolerance::PathAsKey) => Err(error),
            _ => crate::value::unknown(name, self.reading),
        }
    }

    fn at_path(&mut self, verb: Verb, path: &PatchPath, value: Option<&Value>) -> Result<(), Error> {
        match path.attribute.resolve(self.kind) {
            Meaning::Attribute(target) => self.at_target(verb, target, path.filter.as_ref(), value),
            Meaning::Extension(extension) if path.filter.is_none() => self.extension(verb, extension, value),
            Meaning::Core if path.filter.is_none() => self.pathless(verb, value),
            Meaning::Extension(_) | Meaning::Core => {
                Err(Error::path(format!("{} is a schema and takes no filter", quoted(&path.attribute.to_string()))))
            }
            Meaning::Unknown => self.unknown_path(&path.attribute),
        }
    }

    fn unknown_path(&mut self, path: &AttributePath) -> Result<(), Error> {
        if self.reading.tolerates(Tolerance::UnknownAttribute) {
            return Ok(());
        }
        Err(Error::path(format!("{} is not an attribute of this resource type", quoted(&path.to_string()))))
    }

    fn at_target(
        &mut self,
        verb: Verb,
        target: Target<'a>,
        filter: Option<&Filter>,
        value: Option<&Value>,
    ) -> Result<(), Error> {
        if filter.is_some() && !target.attribute.takes_filter() {
            return Err(Error::path(format!("{target} holds one plain value and takes no filter")));
        }
        if target.attribute.name == "schemas" && target.extension.is_none() {
            return match filter {
                Some(filter) => self.schemas_matching(verb, target, filter),
                None => self.schemas(verb, value),
            };
        }
        if target.attribute.is_read_only() || target.sub.is_some_and(Attribute::is_read_only) {
            return Err(Error::mutability(target, "is read-only"));
        }
        if self.kind.is_edge(target.attribute) {
            return self.edge(verb, target, filter, value);
        }
        if target.attribute.mutability == Mutability::WriteOnly {
            return self.write_only(verb, target, value);
        }
        if verb != Verb::Remove && value.is_none() {
            return Err(Error::value(target, "a value is required"));
        }
        may_carry(verb, value, target, self.reading)?;
        if target.attribute.multi_valued {
            return self.list(verb, target, filter, value);
        }
        self.single(verb, target, filter, value)
    }

    fn single(
        &mut self,
        verb: Verb,
        target: Target<'a>,
        filter: Option<&Filter>,
        value: Option<&Value>,
    ) -> Result<(), Error> {
        if let Some(filter) = filter
            && !self.is_chosen(verb, target, filter)?
        {
            return Ok(());
        }
        let container = container(&mut self.resource, target.extension);
        let change = SingleChange { target, container, value, reading: self.reading, work: &mut self.work };
        change.apply(verb)?;
        self.drop_empty_extension(target.extension);
        Ok(())
    }

    /// Whether the one complex value meets the filter of a remove. Tolerance (Entra): such a path is for lists.
    fn is_chosen(&mut self, verb: Verb, target: Target<'a>, filter: &Filter) -> Result<bool, Error> {
        let resolved = resolve_element(filter, target, self.kind, self.reading)?;
        if verb != Verb::Remove || !self.reading.tolerates(Tolerance::FilterOnSingle) {
            return Err(Error::path(format!("{target} holds one value and takes no filter")));
        }
        let stored = stored(&self.resource, target);
        Ok(stored.is_some_and(|value| resolved.matches_element(target.attribute, value)))
    }

    fn list(
        &mut self,
        verb: Verb,
        target: Target<'a>,
        filter: Option<&Filter>,
        value: Option<&Value>,
    ) -> Result<(), Error> {
        let chosen = match filter {
            Some(filter) => {
                Some(Chosen { filter, resolved: resolve_element(filter, target, self.kind, self.reading)? })
            }
            None => None,
        };
        let name = (target.extension.map(|extension| extension.id.as_str()), target.attribute.name.as_str());
        let values = match self.lists.entry(name) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(free) => {
                let list = stored(&self.resource, target).and_then(Value::as_array).cloned().unwrap_or_default();
                self.work.spend(list.len())?;
                free.insert(Values::new(target.attribute, list))
            }
        };
        ListChange { target, values, value, reading: self.reading, work: &mut self.work }.apply(verb, chosen.as_ref())
    }

    /// Puts the lists that were changed back into the resource.
    fn put_lists_back(&mut self) {
        for ((extension, name), values) in self.lists.drain() {
            let list = values.into_list();
            let attributes = self.resource.attributes_mut();
            let container = match extension {
                Some(urn) => {
                    let entry = attributes.entry(urn.to_owned()).or_insert_with(|| Value::Object(Map::new()));
                    entry.as_object_mut().expect("an extension is stored as an object")
                }
                None => attributes,
            };
            if list.is_empty() {
                container.remove(name);
            } else {
                container.insert(name.to_owned(), Value::Array(list));
            }
        }
        for extension in &self.kind.extensions {
            let is_empty = |value: &Value| value.as_object().is_some_and(Map::is_empty);
            if self.resource.attributes().get(&extension.id).is_some_and(is_empty) {
                self.resource.attributes_mut().remove(&extension.id);
            }
        }
    }

    fn edge(
        &mut self,
        verb: Verb,
        target: Target<'_>,
        filter: Option<&Filter>,
        value: Option<&Value>,
    ) -> Result<(), Error> {
        if target.sub.is_some() {
            return Err(Error::mutability(target, "cannot be changed: remove the element and add another"));
        }
        match filter {
            Some(filter) => {
                may_carry(verb, value, target, self.reading)?;
                self.edges.apply_filtered(target, verb, filter, (self.kind, self.reading))
            }
            None => self.edges.apply(target.attribute, verb, value, self.reading),
        }
    }

    /// A secret is checked and not kept here (C36).
    fn write_only(&mut self, verb: Verb, target: Target<'_>, value: Option<&Value>) -> Result<(), Error> {
        may_carry(verb, value, target, self.reading)?;
        let value = value.unwrap_or(&Value::Null);
        crate::value::read_value(target.attribute, value, &target.to_string(), self.reading).map(drop)
    }

    /// `schemas` follows from the content; taking an extension's URN out takes its attributes out (C92).
    fn schemas(&mut self, verb: Verb, value: Option<&Value>) -> Result<(), Error> {
        if verb != Verb::Remove {
            return Ok(());
        }
        let urns = match value {
            Some(Value::Array(urns)) => urns.as_slice(),
            Some(urn) => std::slice::from_ref(urn),
            None => return Err(Error::mutability("schemas", "cannot be removed")),
        };
        for urn in urns.iter().filter(|urn| !urn.is_null()) {
            let urn = urn.as_str().ok_or_else(|| Error::value("schemas", "must be a list of URNs"))?;
            self.schema(urn)?;
        }
        Ok(())
    }

    /// `schemas[value eq "urn:…"]`: a value path on a list of plain values.
    fn schemas_matching(&mut self, verb: Verb, target: Target<'a>, filter: &Filter) -> Result<(), Error> {
        let resolved = resolve_element(filter, target, self.kind, self.reading)?;
        if verb != Verb::Remove {
            return Ok(());
        }
        self.put_lists_back();
        let listed: Vec<String> = self.resource.schemas(self.kind).into_iter().map(str::to_owned).collect();
        self.work.spend(listed.len().saturating_mul(resolved.terms()))?;
        for urn in listed {
            if resolved.matches_element(target.attribute, &Value::from(urn.as_str())) {
                self.schema(&urn)?;
            }
        }
        Ok(())
    }

    /// Takes the schema out of the resource, which is to take its attributes out.
    fn schema(&mut self, urn: &str) -> Result<(), Error> {
        match self.kind.extension(urn) {
            Some(extension) => self.extension(Verb::Remove, extension, None),
            None => Err(Error::mutability("schemas", "only extensions can be removed")),
        }
    }

    /// An operation on a whole extension: its object is read like a path-less value.
    fn extension(&mut self, verb: Verb, extension: &'a Schema, value: Option<&Value>) -> Result<(), Error> {
        if extension.attributes.iter().all(Attribute::is_read_only) {
            return Err(Error::mutability(&extension.id, "is read-only"));
        }
        let members = match (verb, value) {
            (Verb::Remove, None) | (Verb::Replace, Some(Value::Null)) => {
                self.lists.retain(|(urn, _), _| *urn != Some(extension.id.as_str()));
                self.resource.attributes_mut().remove(&extension.id);
                return Ok(());
            }
            // Null names nothing: nothing is added by it, and nothing is removed.
            (Verb::Add | Verb::Remove, Some(Value::Null)) => {
                return may_carry(verb, value, &extension.id, self.reading);
            }
            (_, Some(Value::Object(members))) => members,
            _ => return Err(Error::value(&extension.id, "must be an object")),
        };
        // What a remove carries says what goes; never more than that.
        may_carry(verb, value, &extension.id, self.reading)?;
        for (name, value) in members {
            match self.member_of(extension, name) {
                Some(target) => self.at_target(verb, target, None, Some(value))?,
                None => crate::value::unknown(name, self.reading)?,
            }
        }
        Ok(())
    }

    /// What a key inside an extension's object names; a path only where those are tolerated as keys (C82).
    fn member_of(&mut self, extension: &'a Schema, key: &str) -> Option<Target<'a>> {
        if let Some(attribute) = extension.attribute(key) {
            return Some(Target { extension: Some(extension), attribute, sub: None });
        }
        let AttributePath { urn, name, sub } = AttributePath::parse(key).ok()?;
        let attribute = extension.attribute(&name)?;
        let is_its_own = urn.is_none_or(|urn| urn.eq_ignore_ascii_case(&extension.id));
        let sub = match sub {
            Some(sub) => Some(attribute.sub(&sub)?),
            None => None,
        };
        (is_its_own && self.reading.tolerates(Tolerance::PathAsKey)).then_some(Target {
            extension: Some(extension),
            attribute,
            sub,
        })
    }

    fn drop_empty_extension(&mut self, extension: Option<&Schema>) {
        if let Some(extension) = extension
            && container(&mut self.resource, Some(extension)).is_empty()
        {
            self.resource.attributes_mut().remove(&extension.id);
        }
    }
}

/// The stored value of an attribute.
fn stored<'r>(resource: &'r Resource, target: Target<'_>) -> Option<&'r Value> {
    let attributes = resource.attributes();
    let container = match target.extension {
        Some(extension) => attributes.get(&extension.id)?.as_object()?,
        None => attributes,
    };
    container.get(&target.attribute.name)
}

/// The object that holds the attributes of an extension, or the core ones.
fn container<'r>(resource: &'r mut Resource, extension: Option<&Schema>) -> &'r mut Map<String, Value> {
    let attributes = resource.attributes_mut();
    let Some(extension) = extension else { return attributes };
    let entry = attributes.entry(extension.id.clone()).or_insert_with(|| Value::Object(Map::new()));
    entry.as_object_mut().expect("an extension is stored as an object")
}
