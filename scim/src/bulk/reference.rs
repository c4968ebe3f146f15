//! `bulkId:x` where an id stands: what an operation needs of others, and what it is once they are made (C132).

use std::collections::{BTreeSet, HashMap};

use serde_json::{Map, Value, json};

use super::Sound;
use crate::schema::ENTERPRISE_USER;
use crate::{Error, ScimType};

/// How a reference to what another operation makes begins.
const PREFIX: &str = "bulkId:";

/// Ids of what was made, by the client's name for it.
pub type Ids = HashMap<String, String>;

/// The name a text refers to, if it is a reference.
fn named(text: &str) -> Option<&str> {
    text.strip_prefix(PREFIX).filter(|name| !name.is_empty())
}

/// Texts within a PATCH path, such as `members[value eq "bulkId:a"]`: the parts between quotes.
fn quoted(path: &str) -> impl Iterator<Item = &str> {
    path.split('"').skip(1).step_by(2)
}

fn collect<'v>(key: &str, value: &'v Value, found: &mut BTreeSet<&'v str>) {
    match value {
        Value::String(text) if key.eq_ignore_ascii_case("path") => found.extend(quoted(text).filter_map(named)),
        Value::String(text) => found.extend(named(text)),
        Value::Array(values) => values.iter().for_each(|value| collect(key, value, found)),
        Value::Object(object) => object.iter().for_each(|(key, value)| collect(key, value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn resolve(key: &str, value: &mut Value, ids: &Ids) -> Result<(), Error> {
    let id_of = |name: &str| {
        ids.get(name).ok_or_else(|| {
            Error::new(ScimType::InvalidValue, format!("bulkId {} was not made", crate::error::quoted(name)))
        })
    };
    match value {
        Value::String(text) if key.eq_ignore_ascii_case("path") => {
            let mut parts: Vec<String> = text.split('"').map(str::to_owned).collect();
            for part in parts.iter_mut().skip(1).step_by(2) {
                if let Some(name) = named(part) {
                    *part = id_of(name)?.clone();
                }
            }
            *text = parts.join("\"");
        }
        Value::String(text) => {
            if let Some(name) = named(text) {
                *text = id_of(name)?.clone();
            }
        }
        Value::Array(values) => values.iter_mut().try_for_each(|value| resolve(key, value, ids))?,
        Value::Object(object) => object.iter_mut().try_for_each(|(key, value)| resolve(key, value, ids))?,
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    Ok(())
}

/// What cannot be known yet is put in later: members of a group, the manager of a user.
fn is_deferred(value: &Value, later: &BTreeSet<String>) -> bool {
    let text = value.as_str().or_else(|| value.get("value").and_then(Value::as_str));
    text.and_then(named).is_some_and(|name| later.contains(name))
}

impl Sound {
    /// The names of what it refers to.
    pub(super) fn references(&self) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        found.extend(self.path.rsplit('/').next().and_then(named));
        for (key, value) in &self.data {
            collect(key, value, &mut found);
        }
        found
    }

    /// The operation with ids in place of references, without what refers to `later` names; and the PATCH that puts those
    /// in once they are made.
    ///
    /// # Errors
    ///
    /// `invalidValue` for a name nothing was made under; 409 for a reference to a later one that cannot be put in
    /// afterwards (C133).
    pub fn resolved(&self, ids: &Ids, later: &BTreeSet<String>) -> Result<(Self, Option<Value>), Error> {
        let mut sound = self.clone();
        let mut links = Vec::new();
        if !later.is_empty() {
            for (key, value) in &mut sound.data {
                if let (true, Value::Array(members)) = (key.eq_ignore_ascii_case("members"), &mut *value) {
                    let (deferred, kept): (Vec<Value>, Vec<Value>) =
                        members.drain(..).partition(|member| is_deferred(member, later));
                    *members = kept;
                    if !deferred.is_empty() {
                        links.push(json!({"op": "add", "path": "members", "value": deferred}));
                    }
                }
                if let (true, Value::Object(extension)) = (key.eq_ignore_ascii_case(ENTERPRISE_USER), value) {
                    links.extend(deferred_manager(extension, later));
                }
            }
            if sound.references().into_iter().any(|name| later.contains(name)) {
                let detail = "what refers to each other here can only be members and managers";
                return Err(Error::new(ScimType::Uniqueness, detail));
            }
        }
        if let Some(name) = sound.path.rsplit('/').next().and_then(named).map(str::to_owned) {
            let id =
                ids.get(&name).ok_or_else(|| Error::new(ScimType::InvalidValue, "path: that bulkId was not made"))?;
            let collection = sound.path.trim_end_matches(&format!("{PREFIX}{name}")).to_owned();
            sound.path = collection + id;
        }
        for (key, value) in &mut sound.data {
            resolve(key, value, ids)?;
        }
        let link = (!links.is_empty()).then(|| json!({"schemas": [crate::patch::SCHEMA], "Operations": links}));
        Ok((sound, link))
    }
}

fn deferred_manager(extension: &mut Map<String, Value>, later: &BTreeSet<String>) -> Option<Value> {
    let key = extension.keys().find(|key| key.eq_ignore_ascii_case("manager"))?.clone();
    let manager = extension.remove(&key)?;
    if !is_deferred(&manager, later) {
        extension.insert(key, manager);
        return None;
    }
    Some(json!({"op": "add", "path": format!("{ENTERPRISE_USER}:manager"), "value": manager}))
}

/// A link with ids in place of references.
///
/// # Errors
///
/// `invalidValue` for a name nothing was made under.
pub fn linked(link: &Value, ids: &Ids) -> Result<Value, Error> {
    let mut link = link.clone();
    resolve("", &mut link, ids)?;
    Ok(link)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bulk::Operation;

    fn sound(value: Value) -> Sound {
        Operation::read(&value).read.expect("sound")
    }

    fn ids() -> Ids {
        HashMap::from([("u".to_owned(), "U-1".to_owned()), ("g".to_owned(), "G-1".to_owned())])
    }

    #[test]
    fn c132_references_stand_in_values_paths_and_the_path_of_the_operation() {
        let patch = sound(json!({"method": "PATCH", "path": "/Groups/bulkId:g", "data": {"Operations": [
            {"op": "add", "path": "members", "value": [{"value": "bulkId:u"}]},
            {"op": "remove", "path": "members[value eq \"bulkId:u\"]"},
            {"op": "replace", "path": "displayName", "value": "bulkId"},
        ]}}));
        assert_eq!(patch.references(), BTreeSet::from(["g", "u"]));
        let (resolved, link) = patch.resolved(&ids(), &BTreeSet::new()).expect("resolved");
        assert_eq!((resolved.path.as_str(), link), ("/Groups/G-1", None));
        let operations = &resolved.data["Operations"];
        assert_eq!(operations[0]["value"][0]["value"], "U-1");
        assert_eq!(operations[1]["path"], "members[value eq \"U-1\"]");
        assert_eq!(operations[2]["value"], "bulkId");
        let unknown = patch.resolved(&Ids::new(), &BTreeSet::new()).expect_err("refused");
        assert_eq!(unknown.scim_type(), Some(ScimType::InvalidValue));
    }

    #[test]
    fn c133_what_is_made_later_is_linked_later() {
        let later = BTreeSet::from(["b".to_owned()]);
        let group = sound(json!({"method": "POST", "path": "/Groups", "bulkId": "a", "data": {
            "displayName": "A", "members": [{"value": "bulkId:b", "type": "Group"}, {"value": "bulkId:u"}]}}));
        let (first, link) = group.resolved(&ids(), &later).expect("resolved");
        assert_eq!(first.data["members"], json!([{"value": "U-1"}]));
        let both = HashMap::from([("b".to_owned(), "G-2".to_owned())]);
        let link = linked(&link.expect("a link"), &both).expect("linked");
        assert_eq!(
            link["Operations"],
            json!([{"op": "add", "path": "members", "value": [{"value": "G-2", "type": "Group"}]}])
        );
        let user = sound(json!({"method": "POST", "path": "/Users", "bulkId": "a", "data": {
            "userName": "a", ENTERPRISE_USER: {"department": "d", "manager": {"value": "bulkId:b"}}}}));
        let (first, link) = user.resolved(&ids(), &later).expect("resolved");
        assert_eq!(first.data[ENTERPRISE_USER], json!({"department": "d"}));
        assert_eq!(link.expect("a link")["Operations"][0]["path"], format!("{ENTERPRISE_USER}:manager"));
        let stuck = sound(json!({"method": "POST", "path": "/Users", "bulkId": "a", "data": {"userName": "bulkId:b"}}));
        assert_eq!(stuck.resolved(&ids(), &later).expect_err("refused").status(), 409);
    }
}
