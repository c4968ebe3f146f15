//! What mutations take.

use async_graphql::{ID, MaybeUndefined};

pub(super) mod directories;
pub(super) mod groups;
pub(super) mod invitations;
pub(super) mod organization;
pub(super) mod roles;
pub(super) mod root;
pub(super) mod service_accounts;
pub(super) mod users;

use super::enums::Theme;
use super::scalars::{DateTime, Json};

/// Names one user. Give exactly one field, and not null.
#[derive(async_graphql::OneofObject)]
pub(super) enum UserRef {
    /// Id: the same as the SCIM id.
    Id(ID),
    /// User name; without case. `me` is the caller.
    UserName(String),
    /// Primary address; without case.
    Email(String),
    /// The id a directory gave the user; with case. If two directories gave it to two users: `NOT_FOUND`.
    ExternalId(String),
}

/// Names one organization. Give exactly one field, and not null.
#[derive(async_graphql::OneofObject)]
pub(super) enum OrganizationRef {
    /// Id.
    Id(ID),
    /// Short name; without case.
    ShortName(String),
}

/// What `login` takes.
#[derive(async_graphql::InputObject)]
pub(super) struct LoginInput {
    /// A verified address of the person. Exactly one of `email` and `userName`, else `INVALID_ARGUMENT_COMBINATION`.
    pub(super) email: Option<String>,
    /// User name in `organization`, which is then required.
    pub(super) user_name: Option<String>,
    /// Password, at most 1024 characters.
    #[graphql(secret)]
    pub(super) password: String,
    /// Where to go. Absent: the organization last used, else the oldest membership.
    pub(super) organization: Option<OrganizationRef>,
    /// The client's own stable id of the device, at most 128 visible ASCII characters. Absent: the server makes one
    /// (`session.login.deviceId`).
    pub(super) device_id: Option<String>,
    /// What to call the device, at most 100 characters.
    pub(super) device_name: Option<String>,
    /// What `verifyMfa` gave when the device was trusted; saves the second factor. A token that is of no use any more is
    /// ignored.
    #[graphql(secret)]
    pub(super) trusted_device_token: Option<String>,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(super) client_mutation_id: Option<String>,
}

/// What `verifyMfa` takes.
#[derive(async_graphql::InputObject)]
pub(super) struct VerifyMfaInput {
    /// `token` of the challenge.
    #[graphql(secret)]
    pub(super) challenge_token: String,
    /// Six digits of the authenticator app. Exactly one of `code` and `recoveryCode`.
    #[graphql(secret)]
    pub(super) code: Option<String>,
    /// One of the recovery codes; used up if right.
    #[graphql(secret)]
    pub(super) recovery_code: Option<String>,
    /// Whether this device may skip the second factor from now on. No effect where the organization does not allow it.
    #[graphql(default = false)]
    pub(super) trust_device: bool,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(super) client_mutation_id: Option<String>,
}

/// What `refreshSession` takes.
#[derive(async_graphql::InputObject)]
pub(super) struct RefreshSessionInput {
    /// The latest refresh token of the login.
    #[graphql(secret)]
    pub(super) refresh_token: String,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(super) client_mutation_id: Option<String>,
}

/// What `logout` takes.
#[derive(async_graphql::InputObject)]
pub(super) struct LogoutInput {
    /// A refresh token, for when the access token has run out.
    #[graphql(secret)]
    pub(super) refresh_token: Option<String>,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(super) client_mutation_id: Option<String>,
}

/// What `reauthenticate` takes.
#[derive(async_graphql::InputObject)]
pub(super) struct ReauthenticateInput {
    /// The password. Exactly one of `password` and `code`; with a second factor enrolled it has to be `code`.
    #[graphql(secret)]
    pub(super) password: Option<String>,
    /// Six digits of the authenticator app.
    #[graphql(secret)]
    pub(super) code: Option<String>,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(super) client_mutation_id: Option<String>,
}

/// What `switchOrganization` takes.
#[derive(async_graphql::InputObject)]
pub(super) struct SwitchOrganizationInput {
    /// Where to go.
    pub(super) organization: OrganizationRef,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(super) client_mutation_id: Option<String>,
}

/// What `requestPasswordReset` takes.
#[derive(async_graphql::InputObject)]
pub(super) struct RequestPasswordResetInput {
    /// One address.
    pub(super) email: String,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(super) client_mutation_id: Option<String>,
}

/// What `completePasswordReset` takes.
#[derive(async_graphql::InputObject)]
pub(super) struct CompletePasswordResetInput {
    /// The secret from the link.
    #[graphql(secret)]
    pub(super) token: String,
    /// New password.
    #[graphql(secret)]
    pub(super) new_password: String,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(super) client_mutation_id: Option<String>,
}

/// What `verifyEmail` takes.
#[derive(async_graphql::InputObject)]
pub(super) struct VerifyEmailInput {
    /// The secret from the link; good for 24 hours.
    #[graphql(secret)]
    pub(super) token: String,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(super) client_mutation_id: Option<String>,
}

/// What `acceptInvitation` takes.
#[derive(async_graphql::InputObject)]
pub(super) struct AcceptInvitationInput {
    /// The secret from the link.
    #[graphql(secret)]
    pub(super) token: String,
    /// Password of the new account; needed unless signed in.
    #[graphql(secret)]
    pub(super) password: Option<String>,
    /// User name; absent: the address of the invitation.
    pub(super) user_name: Option<String>,
    /// Display name, 1 to 150 characters; absent: the name in the invitation.
    pub(super) display_name: Option<String>,
    /// First name, at most 100 characters.
    pub(super) given_name: Option<String>,
    /// Last name, at most 100 characters.
    pub(super) family_name: Option<String>,
    /// Whole name, at most 100 characters.
    pub(super) full_name: Option<String>,
    /// Language and region for the settings, BCP 47.
    pub(super) locale: Option<String>,
    /// IANA time zone for the settings.
    pub(super) timezone: Option<String>,
    /// As in `login`.
    pub(super) device_id: Option<String>,
    /// As in `login`.
    pub(super) device_name: Option<String>,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(super) client_mutation_id: Option<String>,
}

/// What `declineInvitation` takes.
#[derive(async_graphql::InputObject)]
pub(super) struct DeclineInvitationInput {
    /// The secret from the link.
    #[graphql(secret)]
    pub(super) token: String,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(super) client_mutation_id: Option<String>,
}

/// What `updateMe` takes.
#[derive(async_graphql::InputObject)]
pub(super) struct UpdateMeInput {
    /// One's own user id, as a safeguard; any other: `ID_MISMATCH`.
    pub(super) id: Option<ID>,
    /// The `version` the caller has read. If it is no longer the current one: `VERSION_CONFLICT`, nothing changes.
    pub(super) if_version: Option<i32>,
    /// New primary address, at most 254 characters. Null: `VALIDATION_FAILED`.
    pub(super) email: MaybeUndefined<String>,
    /// New user name. Null: `VALIDATION_FAILED`.
    pub(super) user_name: MaybeUndefined<String>,
    /// 1 to 150 characters; null: back to the user name.
    pub(super) display_name: MaybeUndefined<String>,
    /// First name, at most 100 characters; null clears it.
    pub(super) given_name: MaybeUndefined<String>,
    /// Last name, at most 100 characters; null clears it.
    pub(super) family_name: MaybeUndefined<String>,
    /// Whole name, at most 100 characters; null clears it.
    pub(super) full_name: MaybeUndefined<String>,
    /// Job title, 1 to 50 characters; null clears it.
    pub(super) title: MaybeUndefined<String>,
    /// Company, 1 to 50 characters; null clears it.
    pub(super) company: MaybeUndefined<String>,
    /// Absolute `https` or `http` URL, at most 2048 characters; null clears it.
    pub(super) avatar_url: MaybeUndefined<String>,
    /// Merged into the object (RFC 7396: null removes a key); null empties it. At most 16 KiB and 50 keys, else
    /// `LIMIT_EXCEEDED`.
    pub(super) metadata: MaybeUndefined<Json>,
    /// Whether the first steps are done.
    pub(super) is_onboarded: Option<bool>,
    /// `true` disables oneself in this organization and ends the logins here; only an administrator can undo it. Refused
    /// for the last owner and for users of a directory. `false` changes nothing.
    pub(super) disabled: Option<bool>,
    /// Here so that a wrong idea gets a clear answer: anything but the present value is `INSUFFICIENT_RANK`.
    pub(super) is_active: Option<bool>,
    /// Here so that a wrong idea gets a clear answer: anything but the present value is `INSUFFICIENT_RANK`.
    pub(super) is_superuser: Option<bool>,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(super) client_mutation_id: Option<String>,
}

/// What `updateMySettings` takes.
#[derive(async_graphql::InputObject)]
pub(super) struct UpdateMySettingsInput {
    /// The `version` the caller has read. If it is no longer the current one: `VERSION_CONFLICT`, nothing changes.
    pub(super) if_version: Option<i32>,
    /// Language and region, BCP 47; null: as the profile says. Unknown: `VALIDATION_FAILED`.
    pub(super) locale: MaybeUndefined<String>,
    /// IANA time zone; null: as the profile says. Unknown: `VALIDATION_FAILED`.
    pub(super) timezone: MaybeUndefined<String>,
    /// Colours; null: `SYSTEM`.
    pub(super) theme: MaybeUndefined<Theme>,
    /// Which mails to send; null: all defaults.
    pub(super) notifications: MaybeUndefined<NotificationSettingsInput>,
    /// Merged into the free object (RFC 7396: null removes a key); null empties it. More than 16 KiB in all:
    /// `LIMIT_EXCEEDED`.
    pub(super) preferences: MaybeUndefined<Json>,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(super) client_mutation_id: Option<String>,
}

/// What `completeOnboarding` takes.
#[derive(async_graphql::InputObject)]
pub(super) struct CompleteOnboardingInput {
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(super) client_mutation_id: Option<String>,
}

/// What `leaveOrganization` takes.
#[derive(async_graphql::InputObject)]
pub(super) struct LeaveOrganizationInput {
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(super) client_mutation_id: Option<String>,
}

/// What `addEmail` takes.
#[derive(async_graphql::InputObject)]
pub(super) struct AddEmailInput {
    /// The address, at most 254 characters.
    pub(super) email: String,
    /// Whose; absent: one's own.
    pub(super) user: Option<UserRef>,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(super) client_mutation_id: Option<String>,
}

/// What `resendEmailVerification` takes.
#[derive(async_graphql::InputObject)]
pub(super) struct ResendEmailVerificationInput {
    /// The address.
    pub(super) email_id: ID,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(super) client_mutation_id: Option<String>,
}

/// What `removeEmail` takes.
#[derive(async_graphql::InputObject)]
pub(super) struct RemoveEmailInput {
    /// The address.
    pub(super) email_id: ID,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(super) client_mutation_id: Option<String>,
}

/// What `setPrimaryEmail` takes.
#[derive(async_graphql::InputObject)]
pub(super) struct SetPrimaryEmailInput {
    /// The address.
    pub(super) email_id: ID,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(super) client_mutation_id: Option<String>,
}

/// What `changePassword` takes.
#[derive(async_graphql::InputObject)]
pub(super) struct ChangePasswordInput {
    /// Whose; absent: one's own.
    pub(super) user: Option<UserRef>,
    /// The password until now.
    #[graphql(secret)]
    pub(super) current_password: String,
    /// New password.
    #[graphql(secret)]
    pub(super) new_password: String,
    /// Whether all other logins of the account end.
    #[graphql(default = true)]
    pub(super) revoke_other_logins: bool,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(super) client_mutation_id: Option<String>,
}

/// What `beginTotpEnrollment` takes.
#[derive(async_graphql::InputObject)]
pub(super) struct BeginTotpEnrollmentInput {
    /// Name for it, 1 to 100 characters; absent: `Authenticator`.
    pub(super) name: Option<String>,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(super) client_mutation_id: Option<String>,
}

/// What `confirmTotpEnrollment` takes.
#[derive(async_graphql::InputObject)]
pub(super) struct ConfirmTotpEnrollmentInput {
    /// Six digits of the app.
    #[graphql(secret)]
    pub(super) code: String,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(super) client_mutation_id: Option<String>,
}

/// What `removeMfaFactor` takes.
#[derive(async_graphql::InputObject)]
pub(super) struct RemoveMfaFactorInput {
    /// The factor.
    pub(super) factor_id: ID,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(super) client_mutation_id: Option<String>,
}

/// What `regenerateRecoveryCodes` takes.
#[derive(async_graphql::InputObject)]
pub(super) struct RegenerateRecoveryCodesInput {
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(super) client_mutation_id: Option<String>,
}

/// What `revokeLogin` takes.
#[derive(async_graphql::InputObject)]
pub(super) struct RevokeLoginInput {
    /// The login.
    pub(super) login_id: ID,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(super) client_mutation_id: Option<String>,
}

/// What `revokeLogins` takes.
#[derive(async_graphql::InputObject)]
pub(super) struct RevokeLoginsInput {
    /// Whose; absent: one's own.
    pub(super) user: Option<UserRef>,
    /// Whether the calling login stays.
    #[graphql(default = false)]
    pub(super) keep_current: bool,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(super) client_mutation_id: Option<String>,
}

/// What `revokeTrustedDevice` takes.
#[derive(async_graphql::InputObject)]
pub(super) struct RevokeTrustedDeviceInput {
    /// The trusted device.
    pub(super) trusted_device_id: ID,
    /// Whether logins with the same `deviceId` end too.
    #[graphql(default = false)]
    pub(super) revoke_logins: bool,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(super) client_mutation_id: Option<String>,
}

/// What `revokeTrustedDevices` takes.
#[derive(async_graphql::InputObject)]
pub(super) struct RevokeTrustedDevicesInput {
    /// Whose; absent: one's own.
    pub(super) user: Option<UserRef>,
    /// Whether logins with the same `deviceId` end too.
    #[graphql(default = false)]
    pub(super) revoke_logins: bool,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(super) client_mutation_id: Option<String>,
}

/// What `createPersonalToken` takes.
#[derive(async_graphql::InputObject)]
pub(super) struct CreatePersonalTokenInput {
    /// Name, 1 to 100 characters.
    pub(super) name: String,
    /// Permission keys, at least one, none the caller lacks.
    pub(super) scopes: Vec<String>,
    /// When it stops working, in the future; absent or null: never.
    pub(super) expires_at: Option<DateTime>,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(super) client_mutation_id: Option<String>,
}

/// What `revokeToken` takes.
#[derive(async_graphql::InputObject)]
pub(super) struct RevokeTokenInput {
    /// The token.
    pub(super) token_id: ID,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(super) client_mutation_id: Option<String>,
}

/// What `rotateApiToken` takes.
#[derive(async_graphql::InputObject)]
pub(super) struct RotateApiTokenInput {
    /// The token.
    pub(super) token_id: ID,
    /// How long the old secret still works, 0 to 28800 (8 hours).
    #[graphql(default = 0)]
    pub(super) grace_seconds: i32,
    /// New expiry, in the future; absent: as before, null: never.
    pub(super) expires_at: MaybeUndefined<DateTime>,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(super) client_mutation_id: Option<String>,
}

/// What `resetMfa` takes.
#[derive(async_graphql::InputObject)]
pub(super) struct ResetMfaInput {
    /// Which user.
    pub(super) user: UserRef,
    /// Why, at most 500 characters; in the audit trail.
    pub(super) reason: Option<String>,
    /// Any text of at most 128 characters; comes back unchanged in the answer.
    #[graphql(validator(chars_max_length = 128))]
    pub(super) client_mutation_id: Option<String>,
}

/// Which mails a person wants. Absent fields stay as they are.
#[derive(async_graphql::InputObject)]
pub(super) struct NotificationSettingsInput {
    /// A sign-in from a device not seen before; null: back to the default.
    pub(super) new_device: MaybeUndefined<bool>,
    /// Somebody else changed the profile; null: back to the default.
    pub(super) profile_change: MaybeUndefined<bool>,
}
