//! The schema is the contract's: `schema/api.graphql` is what the program prints, and nothing of it differs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use async_graphql::parser::types::{FieldDefinition, InputValueDefinition, TypeKind, TypeSystemDefinition};
use async_graphql::{Positioned, parser};
use rollcall::api::graphql;

use crate::support::person::root_fields;

#[test]
fn d11a_the_sdl_on_disk_is_the_one_that_is_served() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/api.graphql");
    let written = std::fs::read_to_string(path).expect("the SDL");
    assert!(written == graphql::sdl(), "rollcall schema graphql > schema/api.graphql");
}

#[test]
fn every_mutation_takes_one_input_and_answers_a_payload() {
    let sdl = graphql::sdl();
    let fields = root_fields("Mutation");
    assert!(fields.len() >= 32, "{}", fields.len());
    for name in fields {
        let kind = format!("{}{}", name[..1].to_uppercase(), &name[1..]);
        assert!(sdl.contains(&format!("\ninput {kind}Input {{")), "{name}");
        let (_, payload) = sdl.split_once(&format!("\ntype {kind}Payload {{")).unwrap_or_else(|| panic!("{name}"));
        let payload = payload.split("\n}").next().expect("its end");
        for part in ["userErrors: [UserError!]!", "query: Query", "clientMutationId: String"] {
            assert!(payload.contains(part), "{name}: {part}");
        }
    }
}

/// Every type, field, argument and enum value by its place, with its type, its default and its description.
fn parts_of(sdl: &str) -> BTreeMap<String, String> {
    let mut parts = BTreeMap::new();
    for definition in parser::parse_schema(sdl).expect("an SDL").definitions {
        let TypeSystemDefinition::Type(definition) = definition else { continue };
        let definition = definition.node;
        let name = definition.name.node.to_string();
        let (kind, implements) = match &definition.kind {
            TypeKind::Scalar => ("scalar", Vec::new()),
            TypeKind::Object(object) => {
                fields(&mut parts, &name, &object.fields);
                ("type", object.implements.iter().map(|name| name.node.to_string()).collect())
            }
            TypeKind::Interface(interface) => {
                fields(&mut parts, &name, &interface.fields);
                ("interface", interface.implements.iter().map(|name| name.node.to_string()).collect())
            }
            TypeKind::Union(union) => ("union", union.members.iter().map(|name| name.node.to_string()).collect()),
            TypeKind::Enum(values) => {
                for value in &values.values {
                    let text = said(value.node.description.as_ref());
                    parts.insert(format!("{name}.{}", value.node.value.node), text);
                }
                ("enum", Vec::new())
            }
            TypeKind::InputObject(input) => {
                for field in &input.fields {
                    argument(&mut parts, &name, field);
                }
                ("input", Vec::new())
            }
        };
        let mut implements: Vec<String> = implements;
        implements.sort();
        let directives: Vec<String> =
            definition.directives.iter().map(|directive| directive.node.name.node.to_string()).collect();
        let text = said(definition.description.as_ref());
        parts.insert(name, format!("{kind} {implements:?} {directives:?} {text}"));
    }
    parts
}

fn fields(parts: &mut BTreeMap<String, String>, name: &str, fields: &[Positioned<FieldDefinition>]) {
    for field in fields {
        let place = format!("{name}.{}", field.node.name.node);
        for input in &field.node.arguments {
            argument(parts, &place, input);
        }
        let text = said(field.node.description.as_ref());
        parts.insert(place, format!("{} {text}", field.node.ty.node));
    }
}

fn argument(parts: &mut BTreeMap<String, String>, place: &str, input: &Positioned<InputValueDefinition>) {
    let input = &input.node;
    let default = input.default_value.as_ref().map(|default| default.node.to_string()).unwrap_or_default();
    let text = said(input.description.as_ref());
    parts.insert(format!("{place}({})", input.name.node), format!("{} = {default} {text}", input.ty.node));
}

/// A description, however its lines are broken.
fn said(description: Option<&Positioned<String>>) -> String {
    description.map(|text| text.node.split_whitespace().collect::<Vec<_>>().join(" ")).unwrap_or_default()
}

#[test]
fn d11a_nothing_differs_from_the_contract() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/api.graphql");
    let contract = parts_of(&std::fs::read_to_string(path).expect("the contract"));
    let ours = parts_of(&graphql::sdl());
    assert!(ours.len() > 1_500, "{}", ours.len());
    let places: BTreeSet<&String> = ours.keys().chain(contract.keys()).collect();
    let differing: Vec<String> = places
        .into_iter()
        .filter(|place| contract.get(*place) != ours.get(*place))
        .map(|place| format!("{place}: {:?}\n  contract: {:?}", ours.get(place), contract.get(place)))
        .collect();
    assert!(differing.is_empty(), "{} differ:\n{}", differing.len(), differing.join("\n"));
}
