//! API tokens of people: who they act as, what they may do, and whether they still work.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::{AccountId, OrganizationId, Permission, TokenId, UserId};

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

/// A person's token, as it can be shown: never the secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiToken {
    /// Names it; not the secret.
    pub id: TokenId,
    /// Where it acts.
    pub organization: OrganizationId,
    /// Whose.
    pub account: AccountId,
    /// As whom.
    pub user: UserId,
    /// What the person calls it.
    pub name: String,
    /// How the secret begins, to recognise it.
    pub hint: String,
    /// What it may do, as long as the person may.
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
    /// When it last changed, uses not counted.
    pub updated: DateTime<Utc>,
    /// Counts the changes.
    pub version: u64,
}

impl ApiToken {
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
