//! The body of a PATCH: JSON to a list of operations, values untouched.

use std::fmt;

use serde_json::{Map, Value};

use super::SCHEMA;
use crate::filter::{Filter, Literal};
use crate::json::get_ignore_case;
use crate::path::{AttributePath, PatchPath};
use crate::{Error, Reading, Tolerance};

/// How many operations one PATCH may have (C100).
pub const MAX_OPERATIONS: usize = 10_000;

/// What an operation does (RFC 7644 §3.5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Adds to a list, sets anything else.
    Add,
    /// Unassigns, or takes elements out of a list.
    Remove,
    /// Sets, or substitutes a whole list.
    Replace,
}

/// One operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// What it does.
    pub verb: Verb,
    /// Where; none means every name in the value is a path.
    pub path: Option<PatchPath>,
    /// With what. `None` when the key is absent, which is not the same as null.
    pub value: Option<Value>,
}

/// What it does to what, as it was read. The values are somebody's, and are not told: neither those it carries nor those
/// it filters by, but `type` and `primary`, and the ids of members.
impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.verb {
            Verb::Add => "add",
            Verb::Remove => "remove",
            Verb::Replace => "replace",
        })?;
        let Some(path) = &self.path else {
            let names = self.value.as_ref().and_then(Value::as_object).into_iter().flat_map(Map::keys);
            let names: Vec<&str> = names.map(|name| name.split('[').next().unwrap_or_default()).collect();
            return write!(f, " {}", names.join(", "));
        };
        let AttributePath { urn, name, sub } = &path.attribute;
        let whole = AttributePath { urn: urn.clone(), name: name.clone(), sub: None };
        write!(f, " {whole}")?;
        match &path.filter {
            Some(filter) if tells_nothing(filter) => write!(f, "[{filter}]")?,
            Some(_) => f.write_str("[…]")?,
            None => {}
        }
        sub.as_ref().map_or(Ok(()), |sub| write!(f, ".{sub}"))?;
        match &self.value {
            Some(Value::Array(values)) if values.len() != 1 => write!(f, " ({} values)", values.len()),
            _ => Ok(()),
        }
    }
}

fn tells_nothing(filter: &Filter) -> bool {
    match filter {
        Filter::And(parts) | Filter::Or(parts) => parts.iter().all(tells_nothing),
        Filter::Not(inner) | Filter::Element(_, inner) => tells_nothing(inner),
        Filter::Compare(path, _, literal) => {
            ["type", "primary"].iter().any(|known| path.name.eq_ignore_ascii_case(known)) || is_id(literal)
        }
        Filter::Present(_) => true,
    }
}

/// Whether it looks like the id of a member, which names nobody to whom does not know them.
fn is_id(literal: &Literal) -> bool {
    let Literal::Text(text) = literal else { return false };
    text.len() == 36 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// Reads the body of a PATCH.
///
/// # Errors
///
/// `invalidSyntax` when the body is not a PatchOp, an `op` is unknown (C73) or there is none (C74, strict);
/// `invalidPath` for a malformed path (C78); 413 beyond [`MAX_OPERATIONS`].
pub fn read(body: &Map<String, Value>, reading: &mut Reading) -> Result<Vec<Operation>, Error> {
    crate::message::check_schemas(body, SCHEMA, reading)?;
    let operations = match body.get("Operations") {
        Some(operations) => operations,
        None => get_ignore_case(body, "operations")
            .filter(|_| reading.tolerates(Tolerance::OperationsKeyCase))
            .ok_or_else(|| Error::syntax("Operations is required"))?,
    };
    let Value::Array(operations) = operations else {
        return Err(Error::syntax("Operations must be a list"));
    };
    if operations.len() > MAX_OPERATIONS {
        return Err(Error::too_large(format!("at most {MAX_OPERATIONS} Operations are accepted in one request")));
    }
    if operations.is_empty() && !reading.tolerates(Tolerance::NoOperations) {
        return Err(Error::syntax("Operations must not be empty"));
    }
    let numbered = operations.iter().enumerate();
    numbered.map(|(index, operation)| read_one(operation, reading).map_err(|error| error.in_operation(index))).collect()
}

fn read_one(operation: &Value, reading: &mut Reading) -> Result<Operation, Error> {
    let Value::Object(operation) = operation else {
        return Err(Error::syntax("must be an object"));
    };
    let verb = match get_ignore_case(operation, "op").and_then(Value::as_str) {
        Some(op) if op.eq_ignore_ascii_case("add") => Verb::Add,
        Some(op) if op.eq_ignore_ascii_case("remove") => Verb::Remove,
        Some(op) if op.eq_ignore_ascii_case("replace") => Verb::Replace,
        _ => return Err(Error::syntax("op must be add, remove or replace")),
    };
    let path = match get_ignore_case(operation, "path") {
        None => None,
        Some(Value::Null) if reading.tolerates(Tolerance::EmptyPath) => None,
        Some(Value::String(text)) if text.is_empty() && reading.tolerates(Tolerance::EmptyPath) => None,
        Some(Value::String(text)) => Some(PatchPath::parse(text)?),
        Some(_) => return Err(Error::path("path must be text")),
    };
    Ok(Operation { verb, path, value: get_ignore_case(operation, "value").cloned() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Dialect, ScimType};

    fn read_in(dialect: Dialect, body: &Value) -> Result<Vec<Operation>, Error> {
        read(body.as_object().expect("an object"), &mut Reading::new(dialect))
    }

    fn refused(dialect: Dialect, body: &Value) -> ScimType {
        read_in(dialect, body).expect_err("refused").scim_type().expect("a type")
    }

    #[test]
    fn c142_an_operation_is_told_without_values() {
        for (operation, told) in [
            (json!({"op": "Replace", "path": "active", "value": "False"}), "replace active"),
            (
                json!({"op": "replace", "value": {"title": "Boss", "emails[value eq \"a@x\"].type": "work"}}),
                "replace emails, title",
            ),
            (
                json!({"op": "Add", "path": "members", "value": [{"value": "1"}, {"value": "2"}]}),
                "add members (2 values)",
            ),
            (
                json!({"op": "remove", "path": "members[value eq \"01900000-0000-7000-8000-000000000001\"]"}),
                "remove members[value eq \"01900000-0000-7000-8000-000000000001\"]",
            ),
            (json!({"op": "remove", "path": "members[display eq \"Ada\"]"}), "remove members[…]"),
            (
                json!({"op": "add", "path": "emails[type eq \"work\"].value", "value": "a@x"}),
                "add emails[type eq \"work\"].value",
            ),
            (json!({"op": "remove", "path": "emails[value eq \"a@x\"]"}), "remove emails[…]"),
            (
                json!({"op": "add", "path": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager", "value": "1"}),
                "add urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager",
            ),
        ] {
            let read = read_in(Dialect::Auto, &json!({"Operations": [operation]})).expect("read");
            assert_eq!(read[0].to_string(), told);
        }
    }

    #[test]
    fn c73_operations_in_any_case_and_op_in_any_case() {
        for body in [
            json!({"schemas": [SCHEMA], "Operations": [{"op": "Replace", "path": "title", "value": "x"}]}),
            json!({"Operations": [{"OP": "REPLACE", "Path": "title", "Value": "x"}]}),
            json!({"operations": [{"op": "replace", "path": "title", "value": "x"}]}),
        ] {
            let operations = read_in(Dialect::Auto, &body).expect("read");
            assert_eq!(operations[0].verb, Verb::Replace);
        }
        for op in [json!("copy"), json!("move"), json!(null), json!(1), json!("")] {
            let body = json!({"schemas": [SCHEMA], "Operations": [{"op": op, "path": "title", "value": "x"}]});
            assert_eq!(refused(Dialect::Auto, &body), ScimType::InvalidSyntax);
        }
        let body = json!({"schemas": ["urn:x"], "Operations": []});
        assert_eq!(refused(Dialect::Auto, &body), ScimType::InvalidSyntax);
        assert_eq!(refused(Dialect::Rfc, &json!({"Operations": []})), ScimType::InvalidSyntax);
        assert_eq!(refused(Dialect::Auto, &json!({"schemas": [SCHEMA]})), ScimType::InvalidSyntax);
    }

    #[test]
    fn c74_no_operations_is_a_no_op_or_an_error() {
        let body = json!({"schemas": [SCHEMA], "Operations": []});
        assert!(read_in(Dialect::Auto, &body).expect("read").is_empty());
        assert_eq!(refused(Dialect::Rfc, &body), ScimType::InvalidSyntax);
    }

    #[test]
    fn c78_an_empty_path_is_absent_and_a_bad_one_is_an_error() {
        let body = |path: Value| json!({"schemas": [SCHEMA], "Operations": [{"op": "remove", "path": path}]});
        for path in [json!(""), json!(null)] {
            assert!(read_in(Dialect::Auto, &body(path.clone())).expect("read")[0].path.is_none());
            assert_eq!(refused(Dialect::Rfc, &body(path)), ScimType::InvalidPath);
        }
        for path in [json!("emails[bad"), json!("emails[0]"), json!(1), json!({}), json!(" ")] {
            assert_eq!(refused(Dialect::Auto, &body(path)), ScimType::InvalidPath);
        }
    }

    #[test]
    fn c100_a_thousand_operations_are_fine_and_there_is_a_limit() {
        let body = |count: usize| json!({"schemas": [SCHEMA], "Operations": vec![json!({"op": "add", "path": "title", "value": "x"}); count]});
        assert_eq!(read_in(Dialect::Auto, &body(1_000)).expect("read").len(), 1_000);
        let error = read_in(Dialect::Auto, &body(MAX_OPERATIONS + 1)).expect_err("refused");
        assert_eq!(error.status(), 413);
        assert!(error.to_string().contains(&MAX_OPERATIONS.to_string()));
    }

    #[test]
    fn c13_an_error_names_the_operation() {
        let body = json!({"schemas": [SCHEMA], "Operations": [{"op": "remove", "path": "title"}, {"op": "x"}]});
        assert!(read_in(Dialect::Auto, &body).expect_err("refused").to_string().starts_with("Operations[1]: "));
    }
}
