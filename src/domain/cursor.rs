//! Where a list goes on: a place in its order, and what a cursor says.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A resource's place in an order: ties are broken by id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// By what the list is sorted; none: by id alone.
    pub key: Option<scim::sort::Key>,
    /// Which resource.
    pub id: Uuid,
}

/// What a cursor says (RFC 9865). Clients get it sealed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    /// The last resource that was read.
    pub after: Position,
    /// Resources in a page.
    pub count: u64,
    /// When it was given, in seconds since 1970.
    pub given: i64,
}

impl Cursor {
    /// What was sealed; none for what is no cursor.
    pub fn read(plain: &[u8]) -> Option<Self> {
        serde_json::from_slice(plain).ok()
    }

    /// What is to be sealed.
    pub fn write(&self) -> Vec<u8> {
        serde_json::json!(self).to_string().into_bytes()
    }
}
