//! Who made something, and who changed it last: kept with the thing, so that it can be told without the audit trail.

use chrono::{DateTime, Utc};

use super::user::Writer;
use super::{DirectoryId, ServiceAccountId, UserId};

/// Whoever can be the author of a change. The operator is none: nobody can look them up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Author {
    /// A person.
    User(UserId),
    /// A program.
    ServiceAccount(ServiceAccountId),
    /// A SCIM client.
    Directory(DirectoryId),
}

impl Author {
    /// The directory, if it is one.
    pub fn directory(self) -> Option<DirectoryId> {
        match self {
            Self::Directory(id) => Some(id),
            Self::User(_) | Self::ServiceAccount(_) => None,
        }
    }

    /// The person, if it is one.
    pub fn user(self) -> Option<UserId> {
        match self {
            Self::User(id) => Some(id),
            Self::Directory(_) | Self::ServiceAccount(_) => None,
        }
    }

    /// As it is kept.
    pub fn stored(self) -> String {
        match self {
            Self::User(id) => format!("user:{id}"),
            Self::ServiceAccount(id) => format!("service_account:{id}"),
            Self::Directory(id) => format!("directory:{id}"),
        }
    }

    /// Reads what [`Author::stored`] made.
    pub fn read(text: &str) -> Option<Self> {
        let (kind, id) = text.split_once(':')?;
        match kind {
            "user" => id.parse().ok().map(Self::User),
            "service_account" => id.parse().ok().map(Self::ServiceAccount),
            "directory" => id.parse().ok().map(Self::Directory),
            _ => None,
        }
    }
}

/// When and by whom something was made and last changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamps {
    /// When it was made.
    pub created: DateTime<Utc>,
    /// By whom; none: the operator or the server.
    pub created_by: Option<Author>,
    /// When it last changed.
    pub updated: DateTime<Utc>,
    /// By whom.
    pub updated_by: Option<Author>,
    /// Counts the changes.
    pub version: u64,
}

impl Stamps {
    /// Of something new.
    pub fn new(writer: Writer) -> Self {
        Self {
            created: writer.now,
            created_by: writer.author,
            updated: writer.now,
            updated_by: writer.author,
            version: 1,
        }
    }

    /// Of the next version.
    #[must_use]
    pub fn next(self, writer: Writer) -> Self {
        Self { updated: writer.now, updated_by: writer.author, version: self.version + 1, ..self }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn s0_05_an_author_is_read_as_it_was_kept() {
        let id = Uuid::from_bytes([7; 16]);
        for author in [
            Author::User(UserId::new(id)),
            Author::ServiceAccount(ServiceAccountId::new(id)),
            Author::Directory(DirectoryId::new(id)),
        ] {
            assert_eq!(Author::read(&author.stored()), Some(author));
        }
        for text in ["", "user", "user:1", "root:x", "user:"] {
            assert_eq!(Author::read(text), None, "{text}");
        }
    }
}
