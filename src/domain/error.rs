//! The one error of the server: every answer a use case can give instead of success. Knows no transport.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use super::refusal::{Code, Refusal};
use super::{Permission, UserId};

/// A cause that is logged and never shown.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// Why a use case did not do what it was asked. `Display` is for the client; causes hang on `source`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No credential, or one that is not (any more) valid.
    #[error("authentication is needed: send a token as 'Authorization: Bearer …'")]
    Unauthenticated,
    /// A challenge was sent as a credential: the second factor is still to be given.
    #[error("give the second factor first: verifyMfa answers the challenge")]
    MfaRequired,
    /// Something must be done before anything else.
    #[error("something must be done first: {}", names(.0))]
    ActionRequired(Vec<RequiredAction>),
    /// What the caller asked for is refused for reasons a program can tell apart.
    #[error("{}", .0.first().map_or("refused", |refusal| refusal.message.as_ref()))]
    Refused(Vec<Refusal>),
    /// The caller may not do this.
    #[error("this needs the permission {0}")]
    Forbidden(Permission),
    /// The directory is switched off.
    #[error("this directory is switched off: an administrator of the organization must switch it on")]
    DirectoryDisabled,
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
    /// Too much at once; nothing was done.
    #[error("too busy: wait and try again")]
    Overloaded {
        /// How long to wait.
        retry_after: Duration,
    },
    /// Too many requests of this caller.
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

/// The cause of [`Error::Unavailable`] where the store answers and cannot write: its disk is full, or fails.
#[derive(Debug, thiserror::Error)]
#[error("the store could not write")]
pub struct NotWritable(#[source] pub BoxError);

/// Why the store cannot do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unavailability {
    /// It answers, and cannot write.
    NotWritable,
    /// It does not answer.
    Away,
}

impl Unavailability {
    /// The name that programs read.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotWritable => "STORE_NOT_WRITABLE",
            Self::Away => "STORE_AWAY",
        }
    }

    /// The sentence for the client.
    pub const fn message(self) -> &'static str {
        match self {
            Self::NotWritable => {
                "the store cannot write at the moment: try again later, this may have been done or not"
            }
            Self::Away => "the store is not available: try again",
        }
    }
}

/// What a signed-in person must do before anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RequiredAction {
    /// The password is temporary or expired.
    ChangePassword,
    /// The organization requires a second factor and there is none.
    EnrollMfa,
}

impl RequiredAction {
    /// The name that programs read.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ChangePassword => "CHANGE_PASSWORD",
            Self::EnrollMfa => "ENROLL_MFA",
        }
    }
}

fn names(actions: &[RequiredAction]) -> String {
    actions.iter().map(|action| action.as_str()).collect::<Vec<_>>().join(", ")
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(vec![refusal])
    }
}

impl Error {
    /// Why the store cannot do it, if that is why.
    pub fn unavailability(&self) -> Option<Unavailability> {
        match self {
            Self::Unavailable(cause) if cause.is::<NotWritable>() => Some(Unavailability::NotWritable),
            Self::Unavailable(_) => Some(Unavailability::Away),
            _ => None,
        }
    }

    /// The code of a refusal, if it is one.
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Refused(refusals) => refusals.first().map(|refusal| refusal.code),
            _ => None,
        }
    }
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
    /// An address of a person.
    Email,
    /// A login.
    Login,
    /// A trusted device.
    TrustedDevice,
    /// A second factor.
    Factor,
    /// A role.
    Role,
    /// An invitation.
    Invitation,
    /// A service account.
    ServiceAccount,
    /// A record of what a directory asked for.
    ProvisioningEvent,
    /// A login provider.
    Connection,
    /// A mail.
    Mail,
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
            Self::Email => "address",
            Self::Login => "login",
            Self::TrustedDevice => "trusted device",
            Self::Factor => "second factor",
            Self::Role => "role",
            Self::Invitation => "invitation",
            Self::ServiceAccount => "service account",
            Self::ProvisioningEvent => "provisioning event",
            Self::Connection => "connection",
            Self::Mail => "mail",
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
    /// The manager of a user.
    Manager,
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
            Self::Manager => "manager",
            Self::ShortName => "short name",
            Self::Name => "name",
            Self::Email => "email",
        })
    }
}
