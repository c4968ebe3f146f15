//! Any bytes as the body of a `.search`: reading, its filter and its projection do not panic; a filter that was read is read
//! again as itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use scim::message::Page;
use scim::sort::Sort;
use scim::{Dialect, ListRequest, Reading, ResourceType, filter, json};

fuzz_target!(|bytes: &[u8]| {
    let Ok(body) = json::parse_object(bytes) else { return };
    for dialect in [Dialect::Auto, Dialect::Rfc] {
        let mut reading = Reading::new(dialect);
        let Ok(request) = ListRequest::from_body(&body, &mut reading) else { continue };
        for kind in [ResourceType::user(), ResourceType::group()] {
            let _ = request.projection(kind);
            let _ = Sort::read(kind, request.sort_by.as_deref(), request.sort_order.as_deref(), &mut reading);
        }
        if let Ok(page) = Page::read(request.start_index.as_deref(), request.count.as_deref(), 100, 1_000) {
            assert!(page.start_index >= 1 && page.count <= 1_000);
        }
        if let Some(Ok(read)) = request.filter.as_deref().map(filter::parse) {
            assert_eq!(filter::parse(&read.to_string()), Ok(read));
        }
    }
});
