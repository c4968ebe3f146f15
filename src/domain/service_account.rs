//! A service account: a program of one organization. It has tokens, and never a password, factor, address or setting.

use chrono::{DateTime, Utc};

use super::refusal::{Code, Refusal};
use super::user_name::UserName;
use super::{Error, ServiceAccountId, Stamps};

/// Active tokens of one service account.
pub const MOST_TOKENS: usize = 100;
/// Characters of a description.
const DESCRIPTION: usize = 500;

/// A program of an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAccount {
    /// Its id.
    pub id: ServiceAccountId,
    /// Unique among the organization's users and service accounts.
    pub user_name: String,
    /// What to call it; none: its name.
    pub display_name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Whether its tokens work.
    pub active: bool,
    /// Last use of one of its tokens, to the minute.
    pub last_seen: Option<DateTime<Utc>>,
    /// When and by whom it was made and changed.
    pub stamps: Stamps,
}

impl ServiceAccount {
    /// The name as it is compared.
    pub fn user_name_key(&self) -> String {
        scim::fold(&self.user_name)
    }

    /// What to call it: never empty.
    pub fn display_name(&self) -> &str {
        self.display_name.as_deref().unwrap_or(&self.user_name)
    }

    /// # Errors
    ///
    /// [`Error::Refused`] with `INVALID_USERNAME`, `RESERVED_USERNAME`, `INVALID_DISPLAY_NAME`, `VALIDATION_FAILED`.
    pub fn check(&self, reserved: &[String]) -> Result<(), Error> {
        UserName::parse(&self.user_name, reserved)?;
        if let Some(name) = &self.display_name {
            super::profile::ProfileField::DisplayName.check(name)?;
        }
        check_description(self.description.as_deref())
    }
}

/// What something is for: at most 500 characters of plain text.
///
/// # Errors
///
/// [`Error::Refused`] with `VALIDATION_FAILED`.
pub fn check_description(description: Option<&str>) -> Result<(), Error> {
    let is_bad = |text: &str| text.chars().count() > DESCRIPTION || text.chars().any(super::user::is_deceptive);
    if description.is_some_and(is_bad) {
        let refusal = Refusal::new(Code::ValidationFailed, "a description has at most 500 characters");
        return Err(refusal.at("description").with("max", DESCRIPTION).into());
    }
    Ok(())
}
