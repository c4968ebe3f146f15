//! SCIM 2.0 (RFC 7643, RFC 7644) as pure functions: no I/O, no clock, no async.
//!
//! The pipeline of every module is the same: **text → syntax → resolved against a schema → applied**.
//!
//! ```text
//! body   ──json──▶ Value ──resource──▶ Resource ──patch──▶ Resource ──projection──▶ answer
//! filter ──parse─▶ Filter ─resolve──▶ Resolved ─matches─▶ bool
//! ```
//!
//! What identity providers get wrong is read only where a [`Tolerance`] says so, and each use is reported to the
//! caller through [`Reading`]. The strict dialect `rfc` has no tolerances.

#![warn(missing_docs)]

pub mod bulk;
pub mod error;
pub mod extension;
pub mod filter;
pub mod fold;
mod format;
pub mod json;
pub mod message;
pub mod patch;
pub mod path;
pub mod projection;
pub mod resource;
pub mod schema;
pub mod search;
pub mod sort;
pub mod tolerance;
mod value;
pub mod version;

pub use error::{Error, ScimType};
pub use extension::{Extension, ResourceTypes};
pub use filter::Filter;
pub use fold::fold;
pub use projection::Projection;
pub use resource::Resource;
pub use schema::{Attribute, ResourceType, Schema};
pub use search::ListRequest;
pub use tolerance::{Dialect, Reading, Tolerance};
pub use version::Version;
