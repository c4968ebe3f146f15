//! The one error of the server: every answer a use case can give instead of success. Knows no transport.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use super::{Permission, UserId};

/// A cause that is logged and never shown.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// Why a use case did not do what it was asked. `Display` is for the client; causes hang on `source`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No credential, or one that is not (any more) valid.
    #[error("authentication is needed: send the directory's token as 'Authorization: Bearer …'")]
    Unauthenticated,
    /// The caller may not do this.
    #[error("this needs the permission {0}")]
    Forbidden(Permission),
    /// The target is protected: its directory may not change it (C120).
    #[error("this user is protected: an administrator of the organization must lift the protection first")]
    Protected,
    /// It does not exist, or must not be known to.
    #[error("no such {0}")]
    NotFound(Noun),
    /// Another record has it.
    #[error("{0} is already in use")]
    Taken(Field),
    /// An inactive user has the name (C33).
    #[error("userName is in use by the inactive user {0}: reactivate it by PUT or PATCH of 'active'")]
    TakenByInactive(UserId),
    /// A value that is not acceptable.
    #[error("{field}: {reason}")]
    Invalid {
        /// Where.
        field: Field,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The version the caller named is not the current one (C124).
    #[error("the resource has changed since the version you named")]
    Stale,
    /// The directory demands conditional requests (C126).
    #[error("this directory requires If-Match on every change: read the resource and send its ETag")]
    PreconditionRequired,
    /// Too many requests of this directory.
    #[error("too many requests: wait and try again")]
    RateLimited {
        /// How long to wait.
        retry_after: Duration,
    },
    /// The request breaks a rule of the SCIM protocol.
    #[error(transparent)]
    Protocol(#[from] scim::Error),
    /// Others kept changing the same thing; nothing was done.
    #[error("others are changing the same resource: try again")]
    Busy,
    /// The store cannot be reached; nothing is known to have been done.
    #[error("the store is not available: try again")]
    Unavailable(#[source] BoxError),
    /// A bug, or a fault of the machine.
    #[error("internal error")]
    Internal(#[source] BoxError),
}

/// What was not found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noun {
    /// A user.
    User,
    /// A group.
    Group,
    /// An organization.
    Organization,
    /// A directory.
    Directory,
    /// A token.
    Token,
    /// An account.
    Account,
    /// An audit event.
    AuditEvent,
    /// A schema.
    Schema,
    /// A resource type.
    ResourceType,
    /// A path of the server.
    Endpoint,
}

impl fmt::Display for Noun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "user",
            Self::Group => "group",
            Self::Organization => "organization",
            Self::Directory => "directory",
            Self::Token => "token",
            Self::Account => "account",
            Self::AuditEvent => "audit event",
            Self::Schema => "schema",
            Self::ResourceType => "resource type",
            Self::Endpoint => "endpoint",
        })
    }
}

/// A field an error is about, in the spelling of SCIM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// A user's name.
    UserName,
    /// The client's own id of a resource.
    ExternalId,
    /// A group's name.
    DisplayName,
    /// Members of a group.
    Members,
    /// An organization's short name.
    ShortName,
    /// The name of an organization or a directory.
    Name,
    /// A person's address.
    Email,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UserName => "userName",
            Self::ExternalId => "externalId",
            Self::DisplayName => "displayName",
            Self::Members => "members",
            Self::ShortName => "short name",
            Self::Name => "name",
            Self::Email => "email",
        })
    }
}
