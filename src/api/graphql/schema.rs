//! The schema: built once, and exported as the contract prints it.

use async_graphql::{EmptySubscription, SDLExportOptions};

use super::GraphqlSettings;
use super::budget::Charging;
use super::interfaces::{Audited, GroupMember};
use super::mutation::Mutation;
use super::query::Query;
use crate::domain::Permission;

/// The schema of the account API.
pub(super) type Schema = async_graphql::Schema<Query, Mutation, EmptySubscription>;

/// Mutations that need a permission, and whether they need a fresh proof.
pub const GUARDED: &[(&str, Permission, bool)] = &[
    ("updateMe", Permission::UserSelfProfileWrite, false),
    ("createUser", Permission::UserAccessManage, false),
    ("updateUser", Permission::UserAccessManage, false),
    ("updateUserProfile", Permission::UserAccessManage, false),
    ("disableUser", Permission::UserAccessManage, false),
    ("enableUser", Permission::UserAccessManage, false),
    ("deleteUser", Permission::UserAccessManage, false),
    ("restoreUser", Permission::UserAccessManage, false),
    ("removeMember", Permission::UserAccessManage, false),
    ("anonymizeUsers", Permission::UserAccessManage, true),
    ("resetMfa", Permission::UserCredentialsManage, true),
    ("resetPassword", Permission::UserCredentialsManage, true),
    ("sendPasswordReset", Permission::UserCredentialsManage, true),
    ("setPasswordExpired", Permission::UserCredentialsManage, true),
    ("unlockUser", Permission::UserCredentialsManage, true),
    ("setUserRoles", Permission::UserAccessManage, false),
    ("addUserRoles", Permission::UserAccessManage, false),
    ("removeUserRoles", Permission::UserAccessManage, false),
    ("updateUserGroups", Permission::GroupsManage, false),
    ("invite", Permission::UserAccessInvite, false),
    ("sendInvitations", Permission::UserAccessInvite, false),
    ("resendInvitation", Permission::UserAccessInvite, false),
    ("cancelInvitation", Permission::UserAccessInvite, false),
    ("cancelUserInvitations", Permission::UserAccessInvite, false),
    ("updateOrganization", Permission::OrgManagement, false),
    ("updateAccountPolicy", Permission::OrgManagement, true),
    ("createRole", Permission::RoleManage, false),
    ("updateRole", Permission::RoleManage, false),
    ("deleteRole", Permission::RoleManage, false),
    ("createGroup", Permission::GroupsManage, false),
    ("updateGroup", Permission::GroupsManage, false),
    ("deleteGroup", Permission::GroupsManage, false),
    ("setGroupMember", Permission::GroupsManage, false),
    ("removeGroupMember", Permission::GroupsManage, false),
    ("createServiceAccount", Permission::ServiceAccountWrite, false),
    ("updateServiceAccount", Permission::ServiceAccountWrite, false),
    ("deleteServiceAccount", Permission::ServiceAccountWrite, false),
    ("updateServiceAccountGroups", Permission::ServiceAccountWrite, false),
    ("createApiToken", Permission::ServiceAccountWrite, true),
    ("createDirectory", Permission::DirectoryManage, true),
    ("updateDirectory", Permission::DirectoryManage, true),
    ("rotateDirectoryToken", Permission::DirectoryManage, true),
    ("revokeDirectoryToken", Permission::DirectoryManage, false),
    ("deleteDirectory", Permission::DirectoryManage, true),
    ("setGroupRoleMappings", Permission::DirectoryManage, true),
];

/// Mutations that check a password, a code or the secret of a link: one a document, counted for each address (GQ-01).
pub(super) const PROVING: &[&str] = &[
    "login",
    "verifyMfa",
    "refreshSession",
    "reauthenticate",
    "changePassword",
    "requestPasswordReset",
    "completePasswordReset",
    "verifyEmail",
    "acceptInvitation",
    "declineInvitation",
    "confirmTotpEnrollment",
];

/// Builds the schema with its bounds.
pub(super) fn build(settings: &GraphqlSettings) -> Schema {
    builder()
        .limit_depth(settings.depth)
        .limit_complexity(settings.complexity)
        .limit_directives(settings.directives)
        .extension(Charging)
        .finish()
}

/// The schema before its bounds.
pub(super) fn builder() -> async_graphql::SchemaBuilder<Query, Mutation, EmptySubscription> {
    async_graphql::Schema::build(Query, Mutation::default(), EmptySubscription)
        .register_output_type::<Audited>()
        .register_output_type::<GroupMember>()
        .disable_suggestions()
}

/// The schema as text (`schema/api.graphql`), without what every server has.
pub fn sdl() -> String {
    let options = SDLExportOptions::new().include_specified_by().sorted_fields().sorted_arguments().sorted_enum_items();
    let text = builder().finish().sdl_with_options(options);
    without_built_in_directives(&text)
}

/// Definitions of directives that GraphQL itself has are not part of the contract.
fn without_built_in_directives(text: &str) -> String {
    let mut kept = Vec::new();
    let mut description: Vec<&str> = Vec::new();
    let mut within = false;
    for line in text.lines() {
        let quotes = line.matches("\"\"\"").count();
        let is_top = !line.starts_with([' ', '\t']);
        if (is_top && quotes > 0) || within {
            description.push(line);
            within ^= quotes == 1;
        } else if is_top && line.starts_with("directive @") {
            description.clear();
        } else {
            kept.append(&mut description);
            kept.push(line);
        }
    }
    let mut text = kept.join("\n");
    while text.contains("\n\n\n") {
        text = text.replace("\n\n\n", "\n\n");
    }
    format!("{}\n", text.trim())
}
