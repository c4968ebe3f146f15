//! What an organization decided for its members.

use serde::{Deserialize, Serialize};

use super::Error;
use super::password::PasswordRules;
use super::refusal::{Code, Refusal};

/// The login provider that invitations name where nobody says otherwise; without a connection of that name: a password.
pub const DEFAULT_CONNECTION: &str = "google-oauth2";

/// An organization's own rules. Absent ones have the defaults.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a rule of its own, set by name")]
pub struct AccountPolicy {
    /// Characters needed where the password is the only factor.
    pub password_min_length: usize,
    /// Characters needed with a second factor.
    pub password_min_length_with_mfa: usize,
    /// Whether a new address counts at once, before it is verified.
    pub email_change_is_immediate: bool,
    /// Whether every member needs a second factor.
    pub mfa_required: bool,
    /// Whether devices may skip the second factor.
    pub trusted_devices: bool,
    /// For how many days.
    pub trusted_device_days: u32,
    /// Days an invitation can be accepted.
    pub invitation_days: u32,
    /// The login provider of invitations that name none; none: a password.
    pub default_connection: Option<String>,
    /// Signing in through a login provider makes users.
    pub creates_users: bool,
    /// Counts the changes.
    #[serde(skip)]
    pub version: u64,
}

impl Default for AccountPolicy {
    fn default() -> Self {
        Self {
            password_min_length: 15,
            password_min_length_with_mfa: 8,
            email_change_is_immediate: false,
            mfa_required: false,
            trusted_devices: false,
            trusted_device_days: 30,
            invitation_days: 7,
            default_connection: Some(DEFAULT_CONNECTION.to_owned()),
            creates_users: false,
            version: 0,
        }
    }
}

impl AccountPolicy {
    /// How long passwords must be.
    pub fn password_rules(&self) -> PasswordRules {
        PasswordRules { min_length: self.password_min_length, min_length_with_mfa: self.password_min_length_with_mfa }
    }

    /// # Errors
    ///
    /// [`Error::Refused`] with `VALIDATION_FAILED` naming the rule that is out of range.
    pub fn check(&self) -> Result<(), Error> {
        let within = |field: &'static str, value: usize, min: usize, max: usize| {
            if (min..=max).contains(&value) {
                return Ok(());
            }
            let refusal = Refusal::new(Code::ValidationFailed, format!("must be {min} to {max}")).at(field);
            Err(Error::from(refusal.with("min", min).with("max", max)))
        };
        within("minLength", self.password_min_length, 8, 128)?;
        within("minLengthWithMfa", self.password_min_length_with_mfa, 8, 128)?;
        within("lifetimeDays", self.trusted_device_days as usize, 1, 365)?;
        within("lifetimeDays", self.invitation_days as usize, 1, 90)
    }
}
