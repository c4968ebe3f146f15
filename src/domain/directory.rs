//! A directory: one inbound SCIM client of an organization, and how its requests are read.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use scim::Dialect;
use serde::{Deserialize, Serialize};

use super::{DirectoryId, Error, Field, GroupId, Permission, Stamps};

/// One inbound SCIM client.
#[derive(Clone, Debug)]
pub struct Directory {
    /// Its id.
    pub id: DirectoryId,
    /// What people call it; unique in the organization.
    pub name: String,
    /// How its requests are read.
    pub dialect: Dialect,
    /// What its tokens may do.
    pub scopes: Vec<Scope>,
    /// Its switches.
    pub settings: DirectorySettings,
    /// Whether its requests are served at all.
    pub enabled: bool,
    /// Which of its groups give which role, or let join which group, in order.
    pub mappings: Vec<Mapping>,
    /// When and by whom it was made and changed.
    pub stamps: Stamps,
}

/// What the members of one of its groups get in the organization.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mapping {
    /// The directory's group.
    pub source: GroupId,
    /// The role its members get, by key.
    pub role: Option<String>,
    /// The group, kept here, that its members join.
    pub target: Option<GroupId>,
}

/// Directories of one organization.
pub const MOST_DIRECTORIES: usize = 20;
/// Mappings of one directory.
pub const MOST_MAPPINGS: usize = 200;

/// Which attributes a directory takes over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AttributeAuthority {
    /// Those it has sent.
    #[default]
    Requested,
    /// All that SCIM can carry.
    Full,
    /// None: it fills them at creation only.
    Initial,
}

/// What a SCIM DELETE does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeprovisionMode {
    /// The user leaves SCIM and stays visible to administrators as disabled, until one of them enables it or its time is over;
    /// the person's account stays as it is.
    #[default]
    Disable,
    /// The membership ends.
    RemoveMember,
    /// The user is deleted, and the account that the organization manages with it.
    Delete,
}

/// What happens when a directory takes away the last owner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LastOwnerPolicy {
    /// Access ends, and the organization is marked.
    #[default]
    SuspendAndAlert,
    /// It is refused.
    Reject,
}

/// The switches of a directory. Defaults are what Okta and Entra need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own, set by name")]
pub struct DirectorySettings {
    /// POST for an inactive user's userName reactivates that user instead of answering 409 (C33). POST for the userName of a user
    /// that this directory deprovisioned brings that user back under its old id.
    pub restore_inactive: bool,
    /// A group member nobody knows is refused instead of skipped (C107).
    pub reject_unknown_members: bool,
    /// Groups may be members of groups (C111).
    pub nested_groups: bool,
    /// Changes need `If-Match` (C126).
    pub require_if_match: bool,
    /// PATCH of a user answers 204 without the resource (C76).
    pub patch_user_without_body: bool,
    /// PATCH of a group answers 200 with the group instead of 204.
    pub patch_group_with_body: bool,
    /// Which attributes it takes over.
    pub attribute_authority: AttributeAuthority,
    /// What DELETE does.
    pub deprovision_mode: DeprovisionMode,
    /// What happens to the last owner.
    pub last_owner_policy: LastOwnerPolicy,
    /// The people it creates control their accounts, not the organization.
    pub external_accounts: bool,
    /// It may only use addresses in the organization's own domains (C31).
    pub verified_domains_only: bool,
}

impl Default for DirectorySettings {
    fn default() -> Self {
        Self {
            restore_inactive: false,
            reject_unknown_members: false,
            nested_groups: true,
            require_if_match: false,
            patch_user_without_body: false,
            patch_group_with_body: false,
            attribute_authority: AttributeAuthority::Requested,
            deprovision_mode: DeprovisionMode::Disable,
            last_owner_policy: LastOwnerPolicy::SuspendAndAlert,
            external_accounts: false,
            verified_domains_only: false,
        }
    }
}

/// What a directory is about to be.
#[derive(Clone, Debug)]
pub struct DirectoryDraft {
    /// Unique in the organization, 1 to 100 characters.
    pub name: String,
    /// How its requests are read.
    pub dialect: Dialect,
    /// What its tokens may do.
    pub scopes: Vec<Scope>,
    /// Its switches.
    pub settings: DirectorySettings,
}

impl DirectoryDraft {
    /// A directory of this name that may read and write users and groups.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            dialect: Dialect::Auto,
            scopes: vec![Scope::Users, Scope::Groups],
            settings: DirectorySettings::default(),
        }
    }

    /// # Errors
    ///
    /// [`Error::Invalid`] for an empty or overlong name.
    pub fn check(&self) -> Result<(), Error> {
        super::organization::check_name(&self.name).map_err(|reason| Error::Invalid { field: Field::Name, reason })
    }
}

/// What the tokens of a directory may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Users.
    Users,
    /// Groups.
    Groups,
    /// No writes.
    ReadOnly,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 3] = [Self::Users, Self::Groups, Self::ReadOnly];

    /// The name on the command line and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Groups => "groups",
            Self::ReadOnly => "read-only",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|scope| scope.as_str() == text)
            .ok_or_else(|| format!("unknown scope '{text}': use users, groups, read-only"))
    }
}

/// The permissions of a token with these scopes.
pub fn permissions_of(scopes: &[Scope]) -> BTreeSet<Permission> {
    Permission::ALL.into_iter().filter(|permission| allows(scopes, *permission)).collect()
}

/// Whether a token with these scopes has the permission.
pub(crate) fn allows(scopes: &[Scope], permission: Permission) -> bool {
    let writes = !scopes.contains(&Scope::ReadOnly);
    match permission {
        Permission::UserAccessRead => scopes.contains(&Scope::Users),
        Permission::UserAccessManage => scopes.contains(&Scope::Users) && writes,
        Permission::GroupsRead => scopes.contains(&Scope::Groups),
        Permission::GroupsManage => scopes.contains(&Scope::Groups) && writes,
        _ => false,
    }
}

/// How many tokens of one directory may be live: the current one and the one it replaces (C16).
pub const LIVE_TOKENS: usize = 2;
