//! Variables the client leaves out are absent, not null (GraphQL 2025, 6.1.2). The library makes them null inside object
//! literals and on arguments with a default; taking such entries out of the document before it runs puts that right.

use std::collections::HashSet;

use async_graphql::Variables;
use async_graphql::parser::types::{
    Directive, ExecutableDocument, Field, OperationDefinition, Selection, SelectionSet, VariableDefinition,
};
use async_graphql::{Name, Positioned, Value};
use async_graphql_value::Value as LiteralValue;

/// The first variable of an operation that must be given and is not.
pub(super) fn find_missing<'d>(
    operation: &'d OperationDefinition,
    variables: &Variables,
) -> Option<&'d VariableDefinition> {
    let missing = |definition: &&Positioned<VariableDefinition>| {
        let given = variables.get(&definition.node.name.node);
        !definition.node.var_type.node.nullable
            && given.map_or(definition.node.default_value.is_none(), |value| *value == Value::Null)
    };
    operation.variable_definitions.iter().find(missing).map(|definition| &definition.node)
}

/// Takes out every argument and object field whose value is a variable that was not given and has no default.
pub(super) fn take_out_absent(document: &mut ExecutableDocument, variables: &Variables) {
    let mut absent: HashSet<Name> = HashSet::new();
    let mut present: HashSet<Name> = HashSet::new();
    for (_, operation) in document.operations.iter() {
        for definition in &operation.node.variable_definitions {
            let name = &definition.node.name.node;
            if is_absent(&definition.node, variables) {
                absent.insert(name.clone())
            } else {
                present.insert(name.clone())
            };
        }
    }
    // A name that one operation needs stays for all: only one of them runs.
    absent.retain(|name| !present.contains(name));
    if absent.is_empty() {
        return;
    }
    for operation in operations(document) {
        operation.variable_definitions.retain(|definition| !absent.contains(&definition.node.name.node));
        clean_directives(&mut operation.directives, &absent);
        clean_selections(&mut operation.selection_set.node, &absent);
    }
    for fragment in document.fragments.values_mut() {
        clean_directives(&mut fragment.node.directives, &absent);
        clean_selections(&mut fragment.node.selection_set.node, &absent);
    }
}

fn operations(document: &mut ExecutableDocument) -> Vec<&mut OperationDefinition> {
    use async_graphql::parser::types::DocumentOperations;
    match &mut document.operations {
        DocumentOperations::Single(operation) => vec![&mut operation.node],
        DocumentOperations::Multiple(operations) => {
            operations.values_mut().map(|operation| &mut operation.node).collect()
        }
    }
}

/// Not given, nullable, and without a default: a variable that is missing and must not be stays to be refused.
fn is_absent(definition: &VariableDefinition, variables: &Variables) -> bool {
    let given = variables.contains_key(&definition.name.node);
    !given && definition.var_type.node.nullable && definition.default_value.is_none()
}

fn clean_selections(selections: &mut SelectionSet, absent: &HashSet<Name>) {
    for selection in &mut selections.items {
        match &mut selection.node {
            Selection::Field(field) => clean_field(&mut field.node, absent),
            Selection::FragmentSpread(spread) => clean_directives(&mut spread.node.directives, absent),
            Selection::InlineFragment(inline) => {
                clean_directives(&mut inline.node.directives, absent);
                clean_selections(&mut inline.node.selection_set.node, absent);
            }
        }
    }
}

fn clean_field(field: &mut Field, absent: &HashSet<Name>) {
    clean_arguments(&mut field.arguments, absent);
    clean_directives(&mut field.directives, absent);
    clean_selections(&mut field.selection_set.node, absent);
}

fn clean_directives(directives: &mut [Positioned<Directive>], absent: &HashSet<Name>) {
    for directive in directives {
        clean_arguments(&mut directive.node.arguments, absent);
    }
}

fn clean_arguments(arguments: &mut Vec<(Positioned<Name>, Positioned<LiteralValue>)>, absent: &HashSet<Name>) {
    arguments.retain(|(_, value)| !is_absent_variable(&value.node, absent));
    for (_, value) in arguments {
        clean_value(&mut value.node, absent);
    }
}

fn is_absent_variable(value: &LiteralValue, absent: &HashSet<Name>) -> bool {
    matches!(value, LiteralValue::Variable(name) if absent.contains(name))
}

fn clean_value(value: &mut LiteralValue, absent: &HashSet<Name>) {
    match value {
        LiteralValue::Object(fields) => {
            fields.retain(|_, value| !is_absent_variable(value, absent));
            for value in fields.values_mut() {
                clean_value(value, absent);
            }
        }
        LiteralValue::List(items) => {
            for item in items {
                // In a list an absent variable is null: there it holds a place.
                if is_absent_variable(item, absent) {
                    *item = LiteralValue::Null;
                }
                clean_value(item, absent);
            }
        }
        _ => {}
    }
}

/// Variables as the client sent them.
pub(super) fn read(variables: serde_json::Value) -> Variables {
    match Value::from_json(variables) {
        Ok(Value::Object(object)) => Variables::from_value(Value::Object(object)),
        _ => Variables::default(),
    }
}
