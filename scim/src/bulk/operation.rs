//! One operation of a bulk request.

use serde_json::{Map, Value};

use crate::json::get_ignore_case;
use crate::{Error, ScimType};

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Makes a resource.
    Post,
    /// Puts a resource in the place of another.
    Put,
    /// Changes a resource.
    Patch,
    /// Removes a resource.
    Delete,
}

impl Method {
    /// As HTTP spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    fn read(text: &str) -> Option<Self> {
        [Self::Post, Self::Put, Self::Patch, Self::Delete]
            .into_iter()
            .find(|one| one.as_str().eq_ignore_ascii_case(text))
    }
}

/// One operation as it was sent: what can be told of it whatever comes of it, and what is to be done.
#[derive(Clone, Debug)]
pub struct Operation {
    /// The method, as sent, in capitals.
    pub method: String,
    /// The client's name for what is made.
    pub bulk_id: Option<String>,
    /// What is to be done, or why it cannot be.
    pub read: Result<Sound, Error>,
}

/// An operation that can be carried out.
#[derive(Clone, Debug, PartialEq)]
pub struct Sound {
    /// What it does.
    pub method: Method,
    /// To what: `/Users`, `/Groups/{id}`.
    pub path: String,
    /// Only if the resource still has this version (C134).
    pub version: Option<String>,
    /// With what; empty for DELETE.
    pub data: Map<String, Value>,
}

impl Operation {
    pub(super) fn read(value: &Value) -> Self {
        let empty = Map::new();
        let object = value.as_object().unwrap_or(&empty);
        let text = |name: &str| get_ignore_case(object, name).and_then(Value::as_str).map(str::to_owned);
        let method = text("method").unwrap_or_default().to_ascii_uppercase();
        let read = if value.is_object() { sound(object, &method) } else { Err(Error::syntax("must be an object")) };
        Self { method, bulk_id: text("bulkId"), read }
    }
}

fn sound(object: &Map<String, Value>, method: &str) -> Result<Sound, Error> {
    let text = |name: &str| match get_ignore_case(object, name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(Error::value(name, "must be text")),
    };
    let method = Method::read(method).ok_or_else(|| Error::syntax("method must be POST, PUT, PATCH or DELETE"))?;
    let path = text("path")?.ok_or_else(|| Error::syntax("path is required"))?;
    check_path(&path, method)?;
    let bulk_id = text("bulkId")?;
    if method == Method::Post && bulk_id.is_none_or(|id| id.is_empty()) {
        return Err(Error::syntax("bulkId is required for POST"));
    }
    let data = match (method, get_ignore_case(object, "data")) {
        (Method::Delete, _) => Map::new(),
        (_, Some(Value::Object(data))) => data.clone(),
        _ => return Err(Error::syntax("data must be an object")),
    };
    Ok(Sound { method, path, version: text("version")?.filter(|version| !version.is_empty()), data })
}

/// A collection to make something in, or one resource of it: no bulk in a bulk, no search, no alias (C135).
fn check_path(path: &str, method: Method) -> Result<(), Error> {
    let invalid = |reason: &str| Err(Error::new(ScimType::InvalidValue, format!("path: {reason}")));
    let mut segments = path.strip_prefix('/').unwrap_or_default().split('/');
    let (collection, id, more) = (segments.next().unwrap_or_default(), segments.next(), segments.next());
    let is_plain = |text: &str| {
        !text.is_empty()
            && !text.starts_with('.')
            && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#%\\".contains(&byte))
    };
    if more.is_some() || !is_plain(collection) || !id.is_none_or(is_plain) {
        return invalid("must be relative to the base URL, such as /Users or /Users/2819c223");
    }
    if ["Bulk", "Me"].contains(&collection) {
        return invalid("must name a resource type");
    }
    match (method, id) {
        (Method::Post, Some(_)) => invalid("POST takes a collection, such as /Users"),
        (Method::Put | Method::Patch | Method::Delete, None) => {
            invalid("must name one resource, such as /Users/2819c223")
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn c128_methods_in_any_case_on_collections_and_resources() {
        for (method, path) in
            [("POST", "/Users"), ("put", "/Groups/1"), ("Patch", "/Users/bulkId:a"), ("DELETE", "/Users/1")]
        {
            let read = Operation::read(&json!({"method": method, "path": path, "bulkId": "x", "data": {}}));
            assert!(read.read.is_ok(), "{method} {path}: {:?}", read.read);
        }
    }

    #[test]
    fn c129_c135_what_is_wrong_with_one_is_its_own() {
        for wrong in [
            json!(1),
            json!({"path": "/Users", "bulkId": "a", "data": {}}),
            json!({"method": "GET", "path": "/Users/1"}),
            json!({"method": "POST", "path": "/Users", "data": {}}),
            json!({"method": "POST", "path": "/Users", "bulkId": "a"}),
            json!({"method": "POST", "path": "/Users", "bulkId": "a", "data": []}),
            json!({"method": "POST", "path": "/Users/1", "bulkId": "a", "data": {}}),
            json!({"method": "PUT", "path": "/Users", "data": {}}),
            json!({"method": "DELETE", "path": "Users/1"}),
            json!({"method": "DELETE", "path": "/Users/1?x"}),
            json!({"method": "DELETE", "path": "/Users/../Groups"}),
            json!({"method": "DELETE", "path": "https://elsewhere/Users/1"}),
            json!({"method": "POST", "path": "/Bulk", "bulkId": "a", "data": {}}),
            json!({"method": "PATCH", "path": "/Me", "data": {}}),
            json!({"method": "POST", "path": "/.search", "bulkId": "a", "data": {}}),
            json!({"method": "POST", "path": "/Users/.search", "bulkId": "a", "data": {}}),
            json!({"method": "DELETE", "path": "/Users/1", "version": 7}),
        ] {
            assert!(Operation::read(&wrong).read.is_err(), "{wrong}");
        }
    }
}
