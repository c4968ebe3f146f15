//! PATCH (RFC 7644 §3.5.2): reading the operations and applying them. Rules C73–C100.

mod apply;
mod edges;
mod list;
mod operation;
mod target;

pub use apply::{Patched, apply};
pub use edges::EdgeChanges;
pub use operation::{MAX_OPERATIONS, Operation, Verb, read};

/// The message schema of a PATCH body (RFC 7644 §3.5.2).
pub const SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
