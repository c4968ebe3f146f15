//! The schema is the contract's: `schema/api.graphql` is what the program prints, and nothing of it differs.

use std::path::Path;

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
