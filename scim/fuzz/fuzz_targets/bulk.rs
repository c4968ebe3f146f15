//! Any bytes as a bulk request: reading and planning do not panic; each operation is run once, what it refers to before it
//! or linked after, and resolving leaves no reference.
#![no_main]

use std::collections::HashSet;

use libfuzzer_sys::fuzz_target;
use scim::bulk::{Ids, Step, plan, read};
use scim::{Dialect, Reading, json};

fuzz_target!(|bytes: &[u8]| {
    let Ok(body) = json::parse_object(bytes) else { return };
    let Ok(bulk) = read(&body, 1_000, &mut Reading::new(Dialect::Auto)) else { return };
    let steps = plan(&bulk.operations);
    let ran: Vec<usize> = steps
        .iter()
        .filter_map(|step| if let Step::Run { operation, .. } = step { Some(*operation) } else { None })
        .collect();
    assert_eq!(ran.len(), bulk.operations.len());
    assert_eq!(ran.iter().collect::<HashSet<_>>().len(), ran.len());
    let mut ids = Ids::new();
    for step in &steps {
        let Step::Run { operation, later } = step else { continue };
        let one = &bulk.operations[*operation];
        if let Ok(sound) = &one.read {
            let _ = sound.resolved(&ids, later);
        }
        if let Some(name) = &one.bulk_id {
            ids.insert(name.clone(), format!("id-{operation}"));
        }
    }
});
