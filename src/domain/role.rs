//! Roles: named sets of permissions, and why somebody holds one.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::login::names;
use super::refusal::{Code, Refusal};
use super::{Author, DirectoryId, Error, GroupId, OrganizationId, Permission, RoleId, Stamps};

names! {
    /// The roles that come with the server and cannot be changed.
    BuiltInRole {
        /// Everything in the organization.
        Owner = "owner",
        /// Everything but ownership and impersonation.
        Admin = "admin",
        /// Reads people and groups, keeps service accounts.
        Developer = "developer",
        /// Reads people and groups.
        Analyst = "analyst",
        /// Looks after their own profile.
        Member = "member",
    }
}

impl BuiltInRole {
    /// Every one, highest first.
    pub const ALL: [Self; 5] = [Self::Owner, Self::Admin, Self::Developer, Self::Analyst, Self::Member];

    /// What it allows.
    pub fn permissions(self) -> BTreeSet<Permission> {
        use Permission as P;
        let all = Permission::ALL.into_iter();
        match self {
            Self::Owner => all.collect(),
            Self::Admin => all.filter(|permission| *permission != P::UserImpersonate).collect(),
            Self::Developer => {
                [P::UserAccessRead, P::GroupsRead, P::ServiceAccountWrite, P::UserSelfProfileWrite].into()
            }
            Self::Analyst => [P::UserAccessRead, P::GroupsRead, P::UserSelfProfileWrite].into(),
            Self::Member => [P::UserSelfProfileWrite].into(),
        }
    }

    /// What people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Owner => "Owner",
            Self::Admin => "Administrator",
            Self::Developer => "Developer",
            Self::Analyst => "Analyst",
            Self::Member => "Member",
        }
    }

    /// What it is for.
    pub const fn description(self) -> &'static str {
        match self {
            Self::Owner => "May do everything in the organization; there is always at least one.",
            Self::Admin => "May do everything but give ownership away and act as others.",
            Self::Developer => "Reads people and groups and keeps service accounts.",
            Self::Analyst => "Reads people and groups.",
            Self::Member => "Looks after their own profile.",
        }
    }
}

/// A named set of permissions in one organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its id.
    pub id: RoleId,
    /// Unique in the organization, and fixed.
    pub key: String,
    /// What people call it.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// What it allows.
    pub permissions: BTreeSet<Permission>,
    /// When and by whom it was made and changed; none: it came with the server.
    pub stamps: Option<Stamps>,
}

impl Role {
    /// A built-in role as this organization has it. Its id follows from organization and key, so nothing is stored.
    pub fn built_in(role: BuiltInRole, organization: OrganizationId) -> Self {
        let digest = Sha256::digest(format!("role:{organization}:{}", role.as_str()));
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        Self {
            id: RoleId::new(uuid::Builder::from_custom_bytes(bytes).into_uuid()),
            key: role.as_str().to_owned(),
            name: role.name().to_owned(),
            description: Some(role.description().to_owned()),
            permissions: role.permissions(),
            stamps: None,
        }
    }

    /// Whether it came with the server and cannot be changed.
    pub fn is_built_in(&self) -> bool {
        self.stamps.is_none()
    }

    /// Whether whoever holds it owns the organization.
    pub fn is_owner(&self) -> bool {
        self.key == BuiltInRole::Owner.as_str()
    }

    /// Whether an organization may have a role of its own like this.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `VALIDATION_FAILED`, or `RESERVED_ROLE` for the key of a built-in one.
    pub fn check(&self) -> Result<(), Error> {
        let mut letters = self.key.bytes();
        let is_first = letters.next().is_some_and(|byte| byte.is_ascii_lowercase());
        let is_rest = letters.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        if !is_first || !is_rest || self.key.len() > 63 {
            let refusal = Refusal::new(Code::ValidationFailed, "a key is a lower-case letter, then letters, digits, _");
            return Err(refusal.at("key").with("pattern", "^[a-z][a-z0-9_]{0,62}$").into());
        }
        if BuiltInRole::named(&self.key).is_some() {
            return Err(Refusal::new(Code::ReservedRole, "that key is a built-in role's").at("key").into());
        }
        super::organization::check_name(&self.name)
            .map_err(|reason| Refusal::new(Code::ValidationFailed, reason).at("name").with("max", 100))?;
        super::service_account::check_description(self.description.as_deref())
    }

    /// The built-in role with this id.
    pub fn find_built_in(id: Uuid, organization: OrganizationId) -> Option<Self> {
        BuiltInRole::ALL.into_iter().map(|role| Self::built_in(role, organization)).find(|role| role.id.uuid() == id)
    }
}

names! {
    /// Where a role comes from. Each source changes only its own grants.
    GrantSource {
        /// Given by name.
        Direct = "DIRECT",
        /// Named in the invitation.
        Invitation = "INVITATION",
        /// What everybody has who was given nothing else.
        Default = "DEFAULT",
        /// A directory's mapping.
        DirectoryMapping = "DIRECTORY_MAPPING",
        /// A group the holder belongs to.
        Group = "GROUP",
    }
}

/// One reason why somebody holds a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleGrant {
    /// The role.
    pub role: Role,
    /// Where it comes from.
    pub source: GrantSource,
    /// The group it comes through, with the sources `Group` and `DirectoryMapping`.
    pub group: Option<GroupId>,
    /// The directory whose mapping gives it.
    pub directory: Option<DirectoryId>,
    /// Since when.
    pub granted: DateTime<Utc>,
    /// By whom; none: the server or its operator.
    pub granted_by: Option<Author>,
}

/// Roles of its own an organization may have.
pub const MOST_ROLES: usize = 200;
/// Roles that can be named at once.
pub const MOST_NAMED: usize = 50;

/// Whether one of these is ownership.
pub fn owns(grants: &[RoleGrant]) -> bool {
    grants.iter().any(|grant| grant.role.is_owner())
}

/// All permissions of the roles.
pub fn permissions_of(grants: &[RoleGrant]) -> BTreeSet<Permission> {
    implied(grants.iter().flat_map(|grant| grant.role.permissions.iter().copied()).collect())
}

/// These permissions, and those that follow from them: whoever manages people may read and invite them.
pub fn implied(mut permissions: BTreeSet<Permission>) -> BTreeSet<Permission> {
    if permissions.contains(&Permission::UserAccessManage) {
        permissions.extend([Permission::UserAccessRead, Permission::UserAccessInvite]);
    }
    if permissions.contains(&Permission::GroupsManage) {
        permissions.insert(Permission::GroupsRead);
    }
    permissions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s1_17_the_built_in_roles_have_the_keys_others_know() {
        let keys: Vec<&str> = BuiltInRole::ALL.iter().map(|role| role.as_str()).collect();
        assert_eq!(keys, ["owner", "admin", "developer", "analyst", "member"]);
        for role in BuiltInRole::ALL {
            assert!(role.permissions().contains(&Permission::UserSelfProfileWrite), "{role:?}: C26");
            assert!(role.permissions().is_subset(&BuiltInRole::Owner.permissions()), "{role:?}");
        }
        assert!(!BuiltInRole::Admin.permissions().contains(&Permission::UserImpersonate));
    }

    #[test]
    fn a_built_in_role_has_an_id_of_its_own_in_each_organization() {
        let [a, b] = [1, 2].map(|byte| OrganizationId::new(Uuid::from_bytes([byte; 16])));
        let role = Role::built_in(BuiltInRole::Admin, a);
        assert_eq!(role, Role::built_in(BuiltInRole::Admin, a));
        assert_ne!(role.id, Role::built_in(BuiltInRole::Admin, b).id);
        assert_eq!(Role::find_built_in(role.id.uuid(), a), Some(role.clone()));
        assert_eq!(Role::find_built_in(role.id.uuid(), b), None, "TN-01");
    }
}
