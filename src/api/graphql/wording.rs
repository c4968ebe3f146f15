//! Rewords the library's errors about a document, with a code of ours: its text is for those who write Rust.

use super::failure::Failure;
use super::suggestions::{Sought, Suggestions, inputs_of_type};

/// When the library said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nothing ran.
    Validation,
    /// A field was being resolved.
    Execution,
}

/// A message of the library as a failure that names the field that is wrong, its type, and for those who may know them the
/// names that may have been meant.
pub(super) fn translate(message: &str, stage: Stage, suggestions: Suggestions) -> Failure {
    if message.starts_with("Query is too complex") {
        return Failure::new(
            "COMPLEXITY_EXCEEDED",
            "the operation is too complex: ask for smaller pages (first) or fewer lists within lists",
        );
    }
    if message.starts_with("Query is nested too deep") {
        return Failure::new("COMPLEXITY_EXCEEDED", "the operation is nested too deep");
    }
    let quoted: Vec<&str> = message.split('"').skip(1).step_by(2).collect();
    let is_value = message.starts_with("Invalid value for argument") || message.starts_with("Invalid default value");
    if is_value {
        return wrong_value(message, &quoted, suggestions);
    }
    if message.starts_with("Failed to parse") || message.starts_with("Expected input type") {
        return unreadable_value(message, &quoted);
    }
    if message.starts_with("Variable ") {
        return wrong_variable(message, &quoted);
    }
    match stage {
        Stage::Validation => Failure::new("GRAPHQL_VALIDATION_FAILED", wrong_document(message, &quoted, suggestions)),
        Stage::Execution => Failure::new("BAD_USER_INPUT", "a value does not fit"),
    }
}

fn part<'m>(quoted: &[&'m str], index: usize) -> &'m str {
    quoted.get(index).copied().unwrap_or_default()
}

/// A value that does not fit where the document puts it: `"input.email", expected type "String"`.
fn wrong_value(message: &str, quoted: &[&str], suggestions: Suggestions) -> Failure {
    let (place, second, third) = (part(quoted, 0), part(quoted, 1), part(quoted, 2));
    let (field, kind, text) = if message.contains("is required but not provided") {
        let field = format!("{place}.{second}");
        let text = format!("{field} is missing: give a value of the type {third}");
        (field, third, text)
    } else if message.contains(", unknown field ") {
        let near = suggestions.near(second, Sought::MemberOf(third));
        (format!("{place}.{second}"), third, format!("{place}: {third} has no field {second}{near}"))
    } else if message.contains(", enumeration type ") {
        let near = suggestions.near(third, Sought::MemberOf(second));
        (place.to_owned(), second, format!("{place}: {third} is no value of {second}{near}"))
    } else if message.contains("neof") {
        (place.to_owned(), "", format!("{place}: give exactly one of its fields, and not null"))
    } else {
        (place.to_owned(), second, format!("{place}: give a value of the type {second}"))
    };
    let failure = Failure::new("BAD_USER_INPUT", text).with("field", field);
    if kind.is_empty() { failure } else { failure.with("type", kind) }
}

/// A value that its type does not take: `Failed to parse "DateTime": … (occurred while parsing "AuditEventFilter")`.
fn unreadable_value(message: &str, quoted: &[&str]) -> Failure {
    let kind = part(quoted, 0);
    let around = message.split("occurred while parsing \"").skip(1).filter_map(|rest| rest.split('"').next());
    let found = around.map(|input| (input, inputs_of_type(input, kind))).find(|(_, fields)| !fields.is_empty());
    let what = if message.contains("length is") { "is too long or too short for" } else { "is not of" };
    let text = match &found {
        Some((input, fields)) if fields.len() == 1 => {
            format!("{input}.{}: the value {what} the type {kind}", fields[0])
        }
        Some((input, _)) => format!("{input}: a value {what} the type {kind}"),
        None => format!("a value {what} the type {kind}"),
    };
    let failure = Failure::new("BAD_USER_INPUT", text).with("type", kind);
    match found {
        Some((input, fields)) if fields.len() == 1 => failure.with("field", format!("{input}.{}", fields[0])),
        _ => failure,
    }
}

fn wrong_variable(message: &str, quoted: &[&str]) -> Failure {
    let name = part(quoted, 0).trim_start_matches('$');
    let (second, third) = (part(quoted, 1), part(quoted, 2));
    let text = if message.contains("used in position") {
        format!("the variable ${name} is of the type {second}, where {third} is taken")
    } else if message.contains("is not defined") {
        format!("the variable ${name} is not defined by the operation")
    } else if message.contains("is not used") {
        format!("the variable ${name} is not used by the operation")
    } else {
        format!("the variable ${name} is not of a type that can be given")
    };
    Failure::new("BAD_USER_INPUT", text).with("field", format!("${name}"))
}

/// A document that does not fit the schema.
fn wrong_document(message: &str, quoted: &[&str], suggestions: Suggestions) -> String {
    let (first, second, third) = (part(quoted, 0), part(quoted, 1), part(quoted, 2));
    if message.starts_with("Unknown field") {
        let near = suggestions.near(first, Sought::MemberOf(second));
        format!("there is no field {first} on {second}{near}")
    } else if message.starts_with("Unknown argument") {
        let near = suggestions.near(first, Sought::ArgumentOf(third, second));
        format!("there is no argument {first} on the field {second}{near}")
    } else if message.starts_with("Unknown type") {
        format!("there is no type {first}{}", suggestions.near(first, Sought::Type))
    } else if message.starts_with("Unknown fragment") {
        format!("there is no fragment {first}")
    } else if message.starts_with("Unknown directive") {
        format!("there is no directive {first}")
    } else if message.starts_with("Unknown operation named") || message.contains("Operation name required") {
        "say which operation to run: operationName".to_owned()
    } else if message.contains("required but not provided") {
        // The library names the type of the parent where that of the argument should be.
        format!("the argument {second} of {first} is missing")
    } else if message.contains("must have a selection of subfields") {
        format!("the field {first} needs a selection of its fields")
    } else if message.contains("must not have a selection") {
        format!("the field {first} has no fields to select")
    } else {
        "the document does not fit the schema".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(message: &str) -> String {
        let error: async_graphql::Error = translate(message, Stage::Validation, Suggestions::Given).into();
        error.message
    }

    /// D, "GraphQL input errors".
    #[test]
    fn a_value_that_does_not_fit_is_named_with_its_type() {
        for (message, text) in [
            (
                r#"Invalid value for argument "input.email", expected type "String""#,
                "input.email: give a value of the type String",
            ),
            (
                r#"Invalid value for argument "input", field "password" of type "String!" is required but not provided"#,
                "input.password is missing: give a value of the type String!",
            ),
            (
                r#"Invalid value for argument "input", unknown field "emial" of type "LoginInput""#,
                "input: LoginInput has no field emial; did you mean email?",
            ),
            (
                r#"Invalid value for argument "state", enumeration type "LoginState" does not contain the value "ACTVE""#,
                "state: ACTVE is no value of LoginState; did you mean ACTIVE?",
            ),
            (
                r#"Invalid value for argument "by", Oneof input objects requires have exactly one field"#,
                "by: give exactly one of its fields, and not null",
            ),
            (
                r#"Failed to parse "Int": too large (occurred while parsing "PageInput")"#,
                "PageInput: a value is not of the type Int",
            ),
            (
                r#"Variable "x" of type "Int" used in position expecting type "ID!""#,
                "the variable $x is of the type Int, where ID! is taken",
            ),
            (r#"Unknown field "mee" on type "Query"."#, "there is no field mee on Query; did you mean me?"),
            (
                r#"Field "node" argument "id" of type "ID!" is required but not provided"#,
                "the argument id of node is missing",
            ),
        ] {
            assert_eq!(said(message), text);
        }
        let hidden: async_graphql::Error =
            translate(r#"Unknown field "mee" on type "Query"."#, Stage::Validation, Suggestions::Withheld).into();
        assert_eq!(hidden.message, "there is no field mee on Query");
    }
}
