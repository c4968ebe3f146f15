//! `schema/api.graphql` is what the program prints, and keeps what `schema/released.graphql` promised.

use std::collections::BTreeMap;
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

/// Every type, field, argument and enum value by its place, with its type and its default.
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
                    parts.insert(format!("{name}.{}", value.node.value.node), "value".to_owned());
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
        let implements: Vec<String> = implements;
        parts.extend(implements.into_iter().map(|interface| (format!("{name} implements {interface}"), String::new())));
        parts.insert(name, kind.to_owned());
    }
    parts
}

fn fields(parts: &mut BTreeMap<String, String>, name: &str, fields: &[Positioned<FieldDefinition>]) {
    for field in fields {
        let place = format!("{name}.{}", field.node.name.node);
        for input in &field.node.arguments {
            argument(parts, &place, input);
        }
        parts.insert(place, field.node.ty.node.to_string());
    }
}

fn argument(parts: &mut BTreeMap<String, String>, place: &str, input: &Positioned<InputValueDefinition>) {
    let input = &input.node;
    let default = input.default_value.as_ref().map(|default| default.node.to_string()).unwrap_or_default();
    parts.insert(format!("{place}({})", input.name.node), format!("{} = {default}", input.ty.node));
}

/// `decisions.md` 16: names, types and defaults that were released stay; descriptions may get better, and parts may come.
#[test]
fn d11a_nothing_that_was_released_is_gone_or_of_another_type() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/released.graphql");
    let released = parts_of(&std::fs::read_to_string(path).expect("the released SDL"));
    let ours = parts_of(&graphql::sdl());
    assert!(released.len() > 1_500, "{}", released.len());
    let differing: Vec<String> = released
        .iter()
        .filter(|(place, part)| ours.get(*place) != Some(part))
        .map(|(place, part)| format!("{place}: {:?}\n  released: {part:?}", ours.get(place)))
        .collect();
    assert!(differing.is_empty(), "{} differ:\n{}", differing.len(), differing.join("\n"));
}
