//! What mutations and lists of users take.

use async_graphql::{ID, MaybeUndefined};

use super::super::enums::{AccountType, PasswordChangeReason, UserStatus};
use super::super::scalars::Json;
use super::groups::GroupRef;
use super::roles::RoleRef;
use super::{NotificationSettingsInput, Theme, UserRef};

/// Numbered paging: `number: 2, size: 100` answers items 101 to 200.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct PageInput {
    /// Which page, from 1. Below 1: `VALIDATION_FAILED`. Past the end: an empty page.
    #[graphql(default = 1)]
    pub(in crate::api::graphql) number: i32,
    /// Items a page, 0 to 100. More than 100 gives 100 (`pageInfo.pageSize` says so), 0 answers the counts only, below
    /// 0: `VALIDATION_FAILED`.
    #[graphql(default = 100)]
    pub(in crate::api::graphql) size: i32,
}

/// Which way a list is ordered. Text is compared without case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
pub(in crate::api::graphql) enum OrderDirection {
    /// Smallest, first or oldest first.
    Asc,
    /// Greatest, last or newest first.
    Desc,
}

/// What users can be ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
pub(in crate::api::graphql) enum UserOrderField {
    /// When the user was created.
    CreatedAt,
    /// When the user last changed.
    UpdatedAt,
    /// Display name.
    DisplayName,
    /// User name.
    UserName,
    /// Last sign-in; those who never signed in come last, ascending or descending.
    LastLoginAt,
}

/// Order of a list of users.
#[derive(Debug, async_graphql::InputObject)]
pub(in crate::api::graphql) struct UserOrder {
    /// What to order by.
    pub(in crate::api::graphql) field: UserOrderField,
    /// Which way.
    #[graphql(default_with = "OrderDirection::Asc")]
    pub(in crate::api::graphql) direction: OrderDirection,
}

/// Which users. All given fields must hold; an empty list holds for nobody.
#[derive(Debug, async_graphql::InputObject)]
pub(in crate::api::graphql) struct UserFilter {
    /// Part of a display, given, family or full name, an address or the user name; without case. At most 200
    /// characters; blank is ignored.
    pub(in crate::api::graphql) search: Option<String>,
    /// Part of a display, given, family or full name; without case. At least 3 characters, one of them a letter, else
    /// `SEARCH_TERM_TOO_SHORT`: spaces count, at both ends too, and a letter and its marks count as one. Spaces at both
    /// ends are not looked for. Only letters, marks, spaces, `'` and `-`, else `VALIDATION_FAILED`.
    pub(in crate::api::graphql) name_search: Option<String>,
    /// Any of these.
    pub(in crate::api::graphql) status: Option<Vec<UserStatus>>,
    /// Holds this role, directly, through a group or otherwise.
    pub(in crate::api::graphql) role: Option<RoleRef>,
    /// Belongs to this group.
    pub(in crate::api::graphql) group: Option<GroupRef>,
    /// Managed or external accounts only.
    pub(in crate::api::graphql) account_type: Option<AccountType>,
    /// Provisioned by this directory.
    pub(in crate::api::graphql) directory_id: Option<ID>,
}

/// How a new user can sign in first. Give exactly one field, and not null.
#[derive(async_graphql::OneofObject)]
pub(in crate::api::graphql) enum CredentialsInput {
    /// This password, in keeping with `accountPolicy.password`.
    #[graphql(secret)]
    Password(String),
    /// `true`: the server makes a temporary password, shown once, good for 24 hours, to be changed at first sign-in.
    /// `false`: `VALIDATION_FAILED`.
    Temporary(bool),
    /// A hash brought from elsewhere: Argon2id as a PHC string that costs no more than this server's own hashes do
    /// (`password.memory_kib`, `password.passes`; as shipped 19456 KiB and 2 passes), 8 lanes at most.
    #[graphql(secret)]
    PasswordHash(String),
}

/// What `createUser` takes.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct CreateUserInput {
    /// Primary address, at most 254 characters; unverified. Needed for `sendInvitation`. At least one of `email` and
    /// `userName`.
    pub(in crate::api::graphql) email: Option<String>,
    /// User name, 1 to 100 characters; absent: the address.
    pub(in crate::api::graphql) user_name: Option<String>,
    /// 1 to 150 characters; absent: the user name.
    pub(in crate::api::graphql) display_name: Option<String>,
    /// First name, at most 100 characters.
    pub(in crate::api::graphql) given_name: Option<String>,
    /// Last name, at most 100 characters.
    pub(in crate::api::graphql) family_name: Option<String>,
    /// Whole name, at most 100 characters; absent: given and family name.
    pub(in crate::api::graphql) full_name: Option<String>,
    /// Job title, 1 to 50 characters.
    pub(in crate::api::graphql) title: Option<String>,
    /// Company, 1 to 50 characters.
    pub(in crate::api::graphql) company: Option<String>,
    /// Absolute `https` or `http` URL, at most 2048 characters.
    pub(in crate::api::graphql) avatar_url: Option<String>,
    /// Language and region, BCP 47.
    pub(in crate::api::graphql) locale: Option<String>,
    /// IANA time zone.
    pub(in crate::api::graphql) timezone: Option<String>,
    /// Free object, at most 16 KiB and 50 keys.
    pub(in crate::api::graphql) metadata: Option<Json>,
    /// Whether the organization controls the account.
    #[graphql(default_with = "AccountType::Managed")]
    pub(in crate::api::graphql) account_type: AccountType,
    /// Direct roles, at most 50; absent: the default role.
    pub(in crate::api::graphql) roles: Option<Vec<RoleRef>>,
    /// Groups kept here, at most 50.
    pub(in crate::api::graphql) groups: Option<Vec<GroupRef>>,
    /// How the user can sign in first; absent: not yet.
    pub(in crate::api::graphql) credentials: Option<CredentialsInput>,
    /// Whether to mail an invitation that lets the user choose a password.
    #[graphql(default = false)]
    pub(in crate::api::graphql) send_invitation: bool,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(in crate::api::graphql) client_mutation_id: Option<String>,
}

/// What `updateUser` takes.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct UpdateUserInput {
    /// Which user.
    pub(in crate::api::graphql) user: UserRef,
    /// The user's id, as a safeguard; any other: `ID_MISMATCH`.
    pub(in crate::api::graphql) id: Option<ID>,
    /// The `version` the caller has read. If it is no longer the current one: `VERSION_CONFLICT`, nothing changes.
    pub(in crate::api::graphql) if_version: Option<i32>,
    /// New primary address, at most 254 characters. Null: `VALIDATION_FAILED`.
    pub(in crate::api::graphql) email: MaybeUndefined<String>,
    /// New user name. Null: `VALIDATION_FAILED`.
    pub(in crate::api::graphql) user_name: MaybeUndefined<String>,
    /// 1 to 150 characters; null: back to the user name.
    pub(in crate::api::graphql) display_name: MaybeUndefined<String>,
    /// First name, at most 100 characters; null clears it.
    pub(in crate::api::graphql) given_name: MaybeUndefined<String>,
    /// Last name, at most 100 characters; null clears it.
    pub(in crate::api::graphql) family_name: MaybeUndefined<String>,
    /// Whole name, at most 100 characters; null clears it.
    pub(in crate::api::graphql) full_name: MaybeUndefined<String>,
    /// Job title, 1 to 50 characters; null clears it.
    pub(in crate::api::graphql) title: MaybeUndefined<String>,
    /// Company, 1 to 50 characters; null clears it.
    pub(in crate::api::graphql) company: MaybeUndefined<String>,
    /// Absolute `https` or `http` URL, at most 2048 characters; null clears it.
    pub(in crate::api::graphql) avatar_url: MaybeUndefined<String>,
    /// Language and region, BCP 47; null clears it.
    pub(in crate::api::graphql) locale: MaybeUndefined<String>,
    /// IANA time zone; null clears it.
    pub(in crate::api::graphql) timezone: MaybeUndefined<String>,
    /// Merged into the object (RFC 7396: null removes a key); null empties it. At most 16 KiB and 50 keys, else
    /// `LIMIT_EXCEEDED`.
    pub(in crate::api::graphql) metadata: MaybeUndefined<Json>,
    /// Whether the organization controls the account. Null: `VALIDATION_FAILED`.
    pub(in crate::api::graphql) account_type: MaybeUndefined<AccountType>,
    /// Whether the first steps are done. Null: `VALIDATION_FAILED`.
    pub(in crate::api::graphql) is_onboarded: MaybeUndefined<bool>,
    /// The person's preferences. Null: `VALIDATION_FAILED`.
    pub(in crate::api::graphql) settings: MaybeUndefined<SettingsInput>,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(in crate::api::graphql) client_mutation_id: Option<String>,
}

/// A person's preferences. Absent fields stay as they are.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct SettingsInput {
    /// Language and region, BCP 47; null: as the profile says. Unknown: `VALIDATION_FAILED`.
    pub(in crate::api::graphql) locale: MaybeUndefined<String>,
    /// IANA time zone; null: as the profile says. Unknown: `VALIDATION_FAILED`.
    pub(in crate::api::graphql) timezone: MaybeUndefined<String>,
    /// Colours; null: `SYSTEM`.
    pub(in crate::api::graphql) theme: MaybeUndefined<Theme>,
    /// Which mails to send; null: all defaults.
    pub(in crate::api::graphql) notifications: MaybeUndefined<NotificationSettingsInput>,
    /// Merged into the free object (RFC 7396: null removes a key); null empties it. More than 16 KiB in all:
    /// `LIMIT_EXCEEDED`.
    pub(in crate::api::graphql) preferences: MaybeUndefined<Json>,
}

/// What `updateUserProfile` takes.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct UpdateUserProfileInput {
    /// Which user.
    pub(in crate::api::graphql) user: UserRef,
    /// The `version` the caller has read. If it is no longer the current one: `VERSION_CONFLICT`, nothing changes.
    pub(in crate::api::graphql) if_version: Option<i32>,
    /// What to change.
    pub(in crate::api::graphql) profile: UserProfileInput,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(in crate::api::graphql) client_mutation_id: Option<String>,
}

/// A user's profile. Absent fields stay as they are.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct UserProfileInput {
    /// Whole name, 0 to 100 characters; null clears it.
    pub(in crate::api::graphql) full_name: MaybeUndefined<String>,
    /// First name, at most 100 characters; null clears it.
    pub(in crate::api::graphql) given_name: MaybeUndefined<String>,
    /// Last name, at most 100 characters; null clears it.
    pub(in crate::api::graphql) family_name: MaybeUndefined<String>,
    /// Address, at most 254 characters; need not resemble the user name. Becomes the primary address at once and
    /// unverified, or by `accountPolicy.emailChange` for oneself. Null: `VALIDATION_FAILED`.
    pub(in crate::api::graphql) email: MaybeUndefined<String>,
    /// Job title, 1 to 50 characters; null clears it.
    pub(in crate::api::graphql) title: MaybeUndefined<String>,
    /// Company, 1 to 50 characters; null clears it.
    pub(in crate::api::graphql) company: MaybeUndefined<String>,
    /// Absolute `https` or `http` URL, at most 2048 characters; null clears it.
    pub(in crate::api::graphql) avatar_url: MaybeUndefined<String>,
}

/// What `disableUser` takes.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct DisableUserInput {
    /// Which user.
    pub(in crate::api::graphql) user: UserRef,
    /// Why, at most 500 characters; in the audit trail and `localHold`.
    pub(in crate::api::graphql) reason: Option<String>,
    /// The `version` the caller has read. If it is no longer the current one: `VERSION_CONFLICT`, nothing changes.
    pub(in crate::api::graphql) if_version: Option<i32>,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(in crate::api::graphql) client_mutation_id: Option<String>,
}

/// What `enableUser` takes.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct EnableUserInput {
    /// Which user.
    pub(in crate::api::graphql) user: UserRef,
    /// The `version` the caller has read. If it is no longer the current one: `VERSION_CONFLICT`, nothing changes.
    pub(in crate::api::graphql) if_version: Option<i32>,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(in crate::api::graphql) client_mutation_id: Option<String>,
}

/// What `deleteUser` takes.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct DeleteUserInput {
    /// Which user.
    pub(in crate::api::graphql) user: UserRef,
    /// Whether to destroy the data now, beyond recall.
    #[graphql(default = false)]
    pub(in crate::api::graphql) purge: bool,
    /// The `version` the caller has read. If it is no longer the current one: `VERSION_CONFLICT`, nothing changes.
    pub(in crate::api::graphql) if_version: Option<i32>,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(in crate::api::graphql) client_mutation_id: Option<String>,
}

/// What `restoreUser` takes.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct RestoreUserInput {
    /// The user's id; nothing else finds a deleted user.
    pub(in crate::api::graphql) user_id: ID,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(in crate::api::graphql) client_mutation_id: Option<String>,
}

/// What `removeMember` takes.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct RemoveMemberInput {
    /// Which user.
    pub(in crate::api::graphql) user: UserRef,
    /// The `version` the caller has read. If it is no longer the current one: `VERSION_CONFLICT`, nothing changes.
    pub(in crate::api::graphql) if_version: Option<i32>,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(in crate::api::graphql) client_mutation_id: Option<String>,
}

/// What `anonymizeUsers` takes.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct AnonymizeUsersInput {
    /// 1 to 100 user ids.
    pub(in crate::api::graphql) user_ids: Vec<ID>,
    /// The word `ANONYMIZE`, else `CONFIRMATION_REQUIRED`.
    pub(in crate::api::graphql) confirmation: String,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(in crate::api::graphql) client_mutation_id: Option<String>,
}

/// What `resetPassword` takes.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct ResetPasswordInput {
    /// Which user.
    pub(in crate::api::graphql) user: UserRef,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(in crate::api::graphql) client_mutation_id: Option<String>,
}

/// What `sendPasswordReset` takes.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct SendPasswordResetInput {
    /// Which user.
    pub(in crate::api::graphql) user: UserRef,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(in crate::api::graphql) client_mutation_id: Option<String>,
}

/// What `setPasswordExpired` takes.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct SetPasswordExpiredInput {
    /// Which user.
    pub(in crate::api::graphql) user: UserRef,
    /// Whether a new password is needed.
    pub(in crate::api::graphql) is_expired: bool,
    /// Why.
    #[graphql(default_with = "PasswordChangeReason::Admin")]
    pub(in crate::api::graphql) reason: PasswordChangeReason,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(in crate::api::graphql) client_mutation_id: Option<String>,
}

/// What `unlockUser` takes.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct UnlockUserInput {
    /// Which user.
    pub(in crate::api::graphql) user: UserRef,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(in crate::api::graphql) client_mutation_id: Option<String>,
}

/// What `setUserRoles` takes.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct SetUserRolesInput {
    /// Which user.
    pub(in crate::api::graphql) user: UserRef,
    /// The direct roles, at most 50. Empty: none.
    pub(in crate::api::graphql) roles: Vec<RoleRef>,
    /// The `version` the caller has read. If it is no longer the current one: `VERSION_CONFLICT`, nothing changes.
    pub(in crate::api::graphql) if_version: Option<i32>,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(in crate::api::graphql) client_mutation_id: Option<String>,
}

/// What `addUserRoles` takes.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct AddUserRolesInput {
    /// Which user.
    pub(in crate::api::graphql) user: UserRef,
    /// Roles to add, at most 50.
    pub(in crate::api::graphql) roles: Vec<RoleRef>,
    /// The `version` the caller has read. If it is no longer the current one: `VERSION_CONFLICT`, nothing changes.
    pub(in crate::api::graphql) if_version: Option<i32>,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(in crate::api::graphql) client_mutation_id: Option<String>,
}

/// What `removeUserRoles` takes.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct RemoveUserRolesInput {
    /// Which user.
    pub(in crate::api::graphql) user: UserRef,
    /// Roles to take away, at most 50.
    pub(in crate::api::graphql) roles: Vec<RoleRef>,
    /// The `version` the caller has read. If it is no longer the current one: `VERSION_CONFLICT`, nothing changes.
    pub(in crate::api::graphql) if_version: Option<i32>,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(in crate::api::graphql) client_mutation_id: Option<String>,
}

/// What `setSuperuser` takes.
#[derive(async_graphql::InputObject)]
pub(in crate::api::graphql) struct SetSuperuserInput {
    /// Which user.
    pub(in crate::api::graphql) user: UserRef,
    /// Whether the user is to be one.
    pub(in crate::api::graphql) is_superuser: bool,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(in crate::api::graphql) client_mutation_id: Option<String>,
}
