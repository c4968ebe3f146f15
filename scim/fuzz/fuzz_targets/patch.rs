//! Any bytes as a PATCH: applying does not panic, and its result is a resource that reads the same again, strictly.
#![no_main]

use libfuzzer_sys::fuzz_target;
use scim::patch::{apply, read};
use scim::{Dialect, Reading, Resource, ResourceType, json};

fuzz_target!(|bytes: &[u8]| {
    let Ok(body) = json::parse_object(bytes) else { return };
    let user = serde_json::json!({
        "userName": "a", "active": true, "name": {"givenName": "A"},
        "emails": [{"value": "a@x", "type": "work", "primary": true}, {"value": "b@x"}],
        scim::schema::ENTERPRISE_USER: {"department": "D", "manager": {"value": "M"}},
    });
    let group = serde_json::json!({"displayName": "G"});
    for (kind, stored) in [(ResourceType::user(), user), (ResourceType::group(), group)] {
        let Some(stored) = stored.as_object() else { return };
        let before = Resource::from_stored(stored.clone());
        for dialect in [Dialect::Auto, Dialect::Rfc] {
            let mut reading = Reading::new(dialect);
            let Ok(operations) = read(&body, &mut reading) else { continue };
            let Ok(patched) = apply(kind, "id", &before, &operations, &mut reading) else { continue };
            let mut again = patched.resource.attributes().clone();
            again.insert("schemas".to_owned(), serde_json::json!(patched.resource.schemas(kind)));
            assert_eq!(Resource::read(kind, &again, &mut Reading::new(Dialect::Rfc)), Ok(patched.resource));
        }
    }
});
