//! The right of one device to skip the second factor, never the first.

use chrono::{DateTime, Utc};

use super::{AccountId, OrganizationId, TrustedDeviceId, UserId};

/// A device that may skip the second factor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedDevice {
    /// Names it; not the secret.
    pub id: TrustedDeviceId,
    /// Whose.
    pub account: AccountId,
    /// Where: another organization asks for the second factor (MF-09).
    pub organization: OrganizationId,
    /// Who the person is there.
    pub user: UserId,
    /// Joins logins and trusted devices.
    pub device_id: String,
    /// What the client calls it.
    pub device_name: Option<String>,
    /// When the trust ends by itself.
    pub expires: DateTime<Utc>,
    /// Last time it replaced a second factor.
    pub last_used: Option<DateTime<Utc>>,
    /// Where from, when it was trusted.
    pub remote_ip: Option<String>,
    /// With what, when it was trusted.
    pub user_agent: Option<String>,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// When it last changed, uses not counted.
    pub updated: DateTime<Utc>,
    /// Counts the changes.
    pub version: u64,
}

impl TrustedDevice {
    /// Whether it may skip the second factor now.
    pub fn is_active(&self, now: DateTime<Utc>) -> bool {
        now < self.expires
    }
}
