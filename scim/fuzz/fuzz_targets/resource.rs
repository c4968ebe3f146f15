//! Any bytes as a body: reading does not panic, and what is read reads the same again, strictly.
#![no_main]

use libfuzzer_sys::fuzz_target;
use scim::{Dialect, Reading, Resource, ResourceType, json};

fuzz_target!(|bytes: &[u8]| {
    let Ok(body) = json::parse_object(bytes) else { return };
    for kind in ResourceType::all() {
        for dialect in [Dialect::Auto, Dialect::Rfc] {
            let Ok(resource) = Resource::read(kind, &body, &mut Reading::new(dialect)) else { continue };
            let mut again = resource.attributes().clone();
            again.insert("schemas".to_owned(), serde_json::json!(resource.schemas(kind)));
            assert_eq!(Resource::read(kind, &again, &mut Reading::new(Dialect::Rfc)), Ok(resource));
        }
    }
});
