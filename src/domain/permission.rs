//! What somebody may do, as the catalogue of the account API names it.

use std::collections::BTreeSet;
use std::fmt;

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident = $key:literal, $description:literal;)*) => {
        /// One right. The keys are those of the GraphQL catalogue.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Permission {
            $($(#[$doc])* $name,)*
        }

        impl Permission {
            /// Every permission.
            pub const ALL: [Self; [$($key),*].len()] = [$(Self::$name),*];

            /// The name that programs read.
            pub const fn key(self) -> &'static str {
                match self {
                    $(Self::$name => $key,)*
                }
            }

            /// What it allows.
            pub const fn description(self) -> &'static str {
                match self {
                    $(Self::$name => $description,)*
                }
            }
        }
    };
}

permissions! {
    /// One's own profile.
    UserSelfProfileWrite = "user_self_profile_write", "Change one's own profile.";
    /// List and read users.
    UserAccessRead = "user_access_read", "List and read users, their memberships and effective permissions.";
    /// Invite people.
    UserAccessInvite = "user_access_invite", "Invite people, resend and withdraw invitations.";
    /// Create, change, deactivate and delete users.
    UserAccessManage = "user_access_manage", "Create, edit, disable, delete and remove users; their roles.";
    /// Reset passwords and factors.
    UserCredentialsManage = "user_credentials_manage", "Reset passwords and second factors, unlock accounts.";
    /// End logins of others.
    UserSessionsManage = "user_sessions_manage", "See and end logins and trusted devices of others.";
    /// Acts as others. Nothing asks for it yet, so it cannot be granted; the key stays for clients that know it.
    UserImpersonate = "user_impersonate", "Act as another user. Not available yet: it allows nothing and cannot be granted.";
    /// List and read groups.
    GroupsRead = "groups_read", "List and read groups.";
    /// Create, change and delete groups and their members.
    GroupsManage = "groups_manage", "Create, change and delete groups and who belongs to them.";
    /// Service accounts.
    ServiceAccountWrite = "service_account_write", "Keep service accounts and their tokens.";
    /// Roles.
    RoleManage = "role_manage", "Keep the organization's own roles.";
    /// Organizations.
    OrgManagement = "org_management", "Change the organization and its rules.";
    /// Directories and their tokens.
    DirectoryManage = "directory_manage", "Keep directories, their tokens and mappings, and see what they did.";
    /// The audit trail.
    AuditRead = "audit_read", "Read the audit trail.";
}

impl Permission {
    /// Whether a role of an organization's own or a token can hold it.
    pub const fn is_grantable(self) -> bool {
        !matches!(self, Self::UserImpersonate)
    }

    /// The permissions with these keys, as roles and tokens hold them. Leaves out unknown keys and those that cannot be
    /// granted: a role may name one from when it could.
    pub fn held<'k>(keys: impl IntoIterator<Item = &'k String>) -> BTreeSet<Self> {
        let known = keys.into_iter().filter_map(|key| Self::named(key));
        known.filter(|permission| permission.is_grantable()).collect()
    }

    /// The permission with this key.
    pub fn named(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|permission| permission.key() == key)
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `decisions.md` 16.
    #[test]
    fn a_role_from_when_impersonation_could_be_granted_does_not_hold_it() {
        let keys = ["user_impersonate", "audit_read", "no_such"].map(str::to_owned);
        assert_eq!(Permission::held(&keys), BTreeSet::from([Permission::AuditRead]));
        assert_eq!(Permission::named("user_impersonate"), Some(Permission::UserImpersonate), "the key is kept");
    }
}
