//! PATCH (RFC 7644 §3.5.2): reading the operations and applying them. Rules C73–C100.

mod apply;
mod edges;
mod list;
mod operation;
mod target;
mod values;
mod work;

pub use apply::{Patched, apply};
pub(crate) use edges::references;
pub use edges::{EdgeChanges, LooksAt, Member};
pub use operation::{MAX_OPERATIONS, Operation, Verb, read};
pub use work::MAX_COMPARISONS;

/// The message schema of a PATCH body (RFC 7644 §3.5.2).
pub const SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
