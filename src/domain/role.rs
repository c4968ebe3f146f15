//! Roles: named sets of permissions, and why somebody holds one.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::login::names;
use super::{OrganizationId, Permission, RoleId};

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
    /// Whether it came with the server.
    pub built_in: bool,
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
            built_in: true,
        }
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
    /// Since when.
    pub granted: DateTime<Utc>,
    /// By which user; none: the server or its operator.
    pub granted_by: Option<Uuid>,
}

/// All permissions of the roles.
pub fn permissions_of(grants: &[RoleGrant]) -> BTreeSet<Permission> {
    grants.iter().flat_map(|grant| grant.role.permissions.iter().copied()).collect()
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
