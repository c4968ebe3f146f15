//! API tokens: whose they are, what they may do, and whether they still work.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::{AccountId, Author, DirectoryId, OrganizationId, Permission, ServiceAccountId, TokenId, UserId};

/// Active personal tokens of a person in one organization.
pub const MOST_PERSONAL_TOKENS: usize = 50;
/// How long the secret before a rotation may go on working, in seconds.
pub const MOST_GRACE_SECONDS: u32 = 8 * 60 * 60;

/// State of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenState {
    /// Works.
    Active,
    /// Works, and so does the secret before it.
    Rotated,
    /// Ended before its time.
    Revoked,
    /// Ended by time.
    Expired,
}

/// Whose token it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A person, as a user of one organization.
    Person(AccountId, UserId),
    /// A program.
    ServiceAccount(ServiceAccountId),
    /// A SCIM client.
    Directory(DirectoryId),
}

/// A token, as it can be shown: never the secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiToken {
    /// Names it; not the secret.
    pub id: TokenId,
    /// Where it acts.
    pub organization: OrganizationId,
    /// Whose.
    pub holder: Holder,
    /// What people call it.
    pub name: String,
    /// How the secret begins, to recognise it.
    pub hint: String,
    /// What it may do, as long as its holder may; empty for a directory.
    pub scopes: BTreeSet<Permission>,
    /// When it stops working.
    pub expires: Option<DateTime<Utc>>,
    /// Last use, to the minute.
    pub last_used: Option<DateTime<Utc>>,
    /// Until when the secret before the last rotation still works.
    pub previous_until: Option<DateTime<Utc>>,
    /// When it was ended before its time.
    pub revoked: Option<DateTime<Utc>>,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// By whom.
    pub created_by: Option<Author>,
    /// When it last changed, uses not counted.
    pub updated: DateTime<Utc>,
    /// By whom.
    pub updated_by: Option<Author>,
    /// Counts the changes.
    pub version: u64,
}

impl ApiToken {
    /// The person it acts as, if it is a personal one.
    pub fn person(&self) -> Option<(AccountId, UserId)> {
        match self.holder {
            Holder::Person(account, user) => Some((account, user)),
            Holder::ServiceAccount(_) | Holder::Directory(_) => None,
        }
    }

    /// Its state now.
    pub fn state(&self, now: DateTime<Utc>) -> TokenState {
        match (self.revoked, self.expires, self.previous_until) {
            (Some(_), ..) => TokenState::Revoked,
            (_, Some(expires), _) if now >= expires => TokenState::Expired,
            (.., Some(until)) if now < until => TokenState::Rotated,
            _ => TokenState::Active,
        }
    }

    /// Whether it works now.
    pub fn is_live(&self, now: DateTime<Utc>) -> bool {
        matches!(self.state(now), TokenState::Active | TokenState::Rotated)
    }
}
