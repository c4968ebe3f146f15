//! Any text as a path, a projection, a sort, a page, a condition: nothing panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use scim::message::Page;
use scim::path::{AttributePath, PatchPath};
use scim::sort::Sort;
use scim::version::Tags;
use scim::{Projection, Reading, ResourceType};

fuzz_target!(|text: &str| {
    if let Ok(path) = AttributePath::parse(text) {
        assert_eq!(AttributePath::parse(&path.to_string()).as_ref(), Ok(&path));
    }
    let _ = PatchPath::parse(text);
    let _ = Tags::parse(text);
    let _ = Page::read(Some(text), Some(text), 100, 1_000);
    for kind in ResourceType::all() {
        let _ = Projection::read(kind, Some(text), None);
        let _ = Projection::read(kind, None, Some(text));
        let _ = Sort::read(kind, Some(text), None, &mut Reading::default());
    }
});
