//! Many changes in one request (RFC 7644 §3.7): read, put into an order that can be carried out, told what came of it.

mod operation;
mod plan;
mod reference;

use std::collections::HashSet;

use serde_json::{Map, Value, json};

pub use operation::{Method, Operation, Sound};
pub use plan::{Step, plan};
pub use reference::{Ids, linked};

use crate::json::get_ignore_case;
use crate::{Error, Reading, Tolerance};

/// The schema of a request with many changes.
pub const REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
/// The schema of its answer.
pub const RESPONSE: &str = "urn:ietf:params:scim:api:messages:2.0:BulkResponse";

/// A request with many changes.
#[derive(Clone, Debug)]
pub struct Bulk {
    /// After so many errors the rest is left undone; none: never.
    pub fail_on_errors: Option<u64>,
    /// What is to be done, in the order sent.
    pub operations: Vec<Operation>,
}

/// Reads a request. What is wrong with one operation is that operation's own answer.
///
/// # Errors
///
/// `invalidSyntax` when the body is not a `BulkRequest`, `invalidValue` for `failOnErrors` below one and for a `bulkId` given
/// twice (C132); 413 beyond `most` operations (C130).
pub fn read(body: &Map<String, Value>, most: usize, reading: &mut Reading) -> Result<Bulk, Error> {
    crate::message::check_schemas(body, REQUEST, reading)?;
    let operations = match body.get("Operations") {
        Some(operations) => operations,
        None => get_ignore_case(body, "operations")
            .filter(|_| reading.tolerates(Tolerance::OperationsKeyCase))
            .ok_or_else(|| Error::syntax("Operations is required"))?,
    };
    let Value::Array(operations) = operations else { return Err(Error::syntax("Operations must be a list")) };
    if operations.len() > most {
        return Err(Error::too_large(format!("maxOperations: at most {most} Operations are accepted in one request")));
    }
    let fail_on_errors = match get_ignore_case(body, "failOnErrors") {
        None | Some(Value::Null) => None,
        Some(value) => match value.as_u64() {
            Some(errors) if errors > 0 => Some(errors),
            _ => return Err(Error::value("failOnErrors", "must be a whole number of at least 1")),
        },
    };
    let operations: Vec<Operation> = operations.iter().map(Operation::read).collect();
    let mut seen = HashSet::new();
    for (index, id) in operations.iter().enumerate().filter_map(|(index, one)| Some((index, one.bulk_id.as_ref()?))) {
        if !seen.insert(id) {
            return Err(Error::value("bulkId", "is given twice").in_operation(index));
        }
    }
    Ok(Bulk { fail_on_errors, operations })
}

/// What came of one operation (C129).
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The HTTP status it would have had alone.
    pub status: u16,
    /// Where the resource is; of a POST that failed there is none.
    pub location: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// The error, of one that failed.
    pub response: Option<Value>,
}

impl Outcome {
    /// Whether it failed.
    pub fn is_error(&self) -> bool {
        self.status >= 400
    }
}

/// The answer: what was done, in the order asked; what was not reached is not mentioned (C131).
pub fn response(operations: &[Operation], outcomes: &[Option<Outcome>]) -> Value {
    let told: Vec<Value> = operations
        .iter()
        .zip(outcomes)
        .filter_map(|(operation, outcome)| {
            let outcome = outcome.as_ref()?;
            let mut told = Map::new();
            told.insert("method".to_owned(), json!(operation.method));
            let texts =
                [("bulkId", &operation.bulk_id), ("version", &outcome.version), ("location", &outcome.location)];
            for (name, text) in texts {
                if let Some(text) = text {
                    told.insert(name.to_owned(), json!(text));
                }
            }
            told.insert("status".to_owned(), json!(outcome.status.to_string()));
            if let Some(response) = &outcome.response {
                told.insert("response".to_owned(), response.clone());
            }
            Some(Value::Object(told))
        })
        .collect();
    json!({"schemas": [RESPONSE], "Operations": told})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dialect;

    fn read_in(dialect: Dialect, body: &Value) -> Result<Bulk, Error> {
        read(body.as_object().expect("an object"), 3, &mut Reading::new(dialect))
    }

    fn post(id: &str) -> Value {
        json!({"method": "POST", "path": "/Users", "bulkId": id, "data": {"userName": id}})
    }

    #[test]
    fn c128_a_request_names_its_schema_and_its_operations() {
        let body = |operations: Value| json!({"schemas": [REQUEST], "Operations": operations});
        assert_eq!(read_in(Dialect::Rfc, &body(json!([post("a"), post("b")]))).expect("read").operations.len(), 2);
        for wrong in
            [json!({}), json!({"schemas": [REQUEST]}), json!({"schemas": ["urn:x"], "Operations": []}), body(json!({}))]
        {
            assert!(read_in(Dialect::Rfc, &wrong).is_err(), "{wrong}");
        }
        assert!(read_in(Dialect::Auto, &json!({"operations": [post("a")]})).is_ok());
    }

    #[test]
    fn c130_c131_c132_limits_and_what_is_said_twice() {
        let body = |extra: Value, operations: Vec<Value>| {
            let mut body = json!({"schemas": [REQUEST], "Operations": operations});
            body.as_object_mut().expect("an object").extend(extra.as_object().expect("an object").clone());
            body
        };
        let error = read_in(Dialect::Auto, &body(json!({}), vec![post("a"); 4])).expect_err("refused");
        assert!(error.status() == 413 && error.to_string().contains('3'), "{error}");
        assert!(read_in(Dialect::Auto, &body(json!({}), vec![post("a"), post("a")])).is_err());
        for errors in [json!(0), json!(-1), json!("1"), json!(1.5), json!(true)] {
            assert!(read_in(Dialect::Auto, &body(json!({"failOnErrors": errors}), vec![])).is_err(), "{errors}");
        }
        let read = read_in(Dialect::Auto, &body(json!({"failOnErrors": 2}), vec![post("a")])).expect("read");
        assert_eq!(read.fail_on_errors, Some(2));
    }

    #[test]
    fn c129_an_answer_says_what_was_done_in_the_order_asked() {
        let operations: Vec<Operation> = [post("a"), post("b"), post("c")].iter().map(Operation::read).collect();
        let made = Outcome {
            status: 201,
            location: Some("https://x/1".to_owned()),
            version: Some("W/\"1\"".to_owned()),
            response: None,
        };
        let failed = Outcome { status: 409, response: Some(json!({"status": "409"})), ..Outcome::default() };
        assert_eq!(
            response(&operations, &[Some(failed), None, Some(made)])["Operations"],
            json!([
                {"method": "POST", "bulkId": "a", "status": "409", "response": {"status": "409"}},
                {"method": "POST", "bulkId": "c", "version": "W/\"1\"", "location": "https://x/1", "status": "201"},
            ])
        );
    }
}
