//! Nouns: values that cannot be wrong, and the rules among them. No I/O, nothing async.

pub mod audit;
pub mod caller;
pub mod directory;
pub mod error;
pub mod group;
pub mod id;
pub mod organization;
pub mod token;
pub mod user;

pub use caller::{Actor, Caller, Permission};
pub use error::{Error, Field, Noun};
pub use id::{AccountId, AuditEventId, DirectoryId, GroupId, OrganizationId, TokenId, UserId};
