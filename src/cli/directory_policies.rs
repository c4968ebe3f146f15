//! Flags of `rollcall directory create` and `update` that say what a directory may do to users.

use clap::{Args, ValueEnum};

use crate::domain::directory::{AttributeAuthority, DeprovisionMode, DirectorySettings, LastOwnerPolicy};

/// Which attributes of a user a directory takes over.
#[derive(Clone, Copy, ValueEnum)]
enum Authority {
    /// Those it has sent
    Requested,
    /// All that SCIM can carry
    Full,
    /// None: it fills them at creation only
    Initial,
}

impl From<Authority> for AttributeAuthority {
    fn from(authority: Authority) -> Self {
        match authority {
            Authority::Requested => Self::Requested,
            Authority::Full => Self::Full,
            Authority::Initial => Self::Initial,
        }
    }
}

/// The effect of a SCIM DELETE.
#[derive(Clone, Copy, ValueEnum)]
enum Deprovision {
    /// The user leaves SCIM; an administrator can enable the user again for 30 days
    Disable,
    /// The membership ends
    RemoveMember,
    /// The user is deleted, restorable for 30 days
    Delete,
}

impl From<Deprovision> for DeprovisionMode {
    fn from(mode: Deprovision) -> Self {
        match mode {
            Deprovision::Disable => Self::Disable,
            Deprovision::RemoveMember => Self::RemoveMember,
            Deprovision::Delete => Self::Delete,
        }
    }
}

/// The answer to a directory that takes the last owner away.
#[derive(Clone, Copy, ValueEnum)]
enum LastOwner {
    /// Access ends, and the organization is marked
    SuspendAndAlert,
    /// 403
    Reject,
}

impl From<LastOwner> for LastOwnerPolicy {
    fn from(policy: LastOwner) -> Self {
        match policy {
            LastOwner::SuspendAndAlert => Self::SuspendAndAlert,
            LastOwner::Reject => Self::Reject,
        }
    }
}

/// The flags; what none of them says stays as it is.
#[derive(Args)]
pub(super) struct Policies {
    /// Which attributes of a user it takes over, so that nobody else changes them
    #[arg(long)]
    attribute_authority: Option<Authority>,
    /// What DELETE of a user does
    #[arg(long)]
    deprovision_mode: Option<Deprovision>,
    /// What happens when it takes away the last owner
    #[arg(long)]
    last_owner_policy: Option<LastOwner>,
    /// The people it creates control their accounts, not the organization
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    external_accounts: Option<bool>,
}

impl Policies {
    /// These settings, with what the flags say.
    pub(super) fn applied(&self, settings: DirectorySettings) -> DirectorySettings {
        DirectorySettings {
            attribute_authority: self.attribute_authority.map_or(settings.attribute_authority, Into::into),
            deprovision_mode: self.deprovision_mode.map_or(settings.deprovision_mode, Into::into),
            last_owner_policy: self.last_owner_policy.map_or(settings.last_owner_policy, Into::into),
            external_accounts: self.external_accounts.unwrap_or(settings.external_accounts),
            ..settings
        }
    }
}
