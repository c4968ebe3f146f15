//! Any text: the parser does not panic, and what it accepts prints to text that parses to the same filter.
#![no_main]

use libfuzzer_sys::fuzz_target;
use scim::filter::{parse, resolve};
use scim::{Dialect, Reading, ResourceType};

fuzz_target!(|text: &str| {
    let Ok(filter) = parse(text) else { return };
    let printed = filter.to_string();
    // Only size can be a reason to refuse what was printed: spaces and parentheses are added.
    match parse(&printed) {
        Ok(parsed) => assert_eq!(parsed, filter),
        Err(error) => assert!(error.to_string().contains("than"), "{printed}: {error}"),
    }
    for kind in ResourceType::all() {
        for dialect in [Dialect::Auto, Dialect::Rfc] {
            if let Ok(resolved) = resolve(&filter, kind, &mut Reading::new(dialect)) {
                resolved.matches(&serde_json::Map::new());
            }
        }
    }
});
