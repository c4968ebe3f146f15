//! What somebody may do, as the catalogue of the account API names it.

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
    /// Act as others.
    UserImpersonate = "user_impersonate", "Act as another user.";
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
