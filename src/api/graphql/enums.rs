//! Enumerations of the account API, and how they name what the domain has.

use crate::domain::account::{
    ChangeReason, EmailSource as DomainEmailSource, MembershipSource as DomainMembershipSource, Theme as DomainTheme,
};
use crate::domain::invitation::{Acceptance, InvitationEnd};
use crate::domain::login::{AuthMethod as DomainAuthMethod, EndReason, LoginState as DomainLoginState};
use crate::domain::refusal::Code;
use crate::domain::role::GrantSource;
use crate::domain::second_factor::MfaMethod as DomainMfaMethod;

/// Every code that `userErrors` can hold. The list only grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
#[graphql(remote = "Code")]
pub(super) enum ErrorCode {
    /// The last password or second factor is too long ago; `params.methods` says what `reauthenticate` takes.
    StepUpRequired,
    /// Too many mails to that address, or tries of that challenge; `params.retryAfterSeconds`. A limit on the caller as
    /// such is a top-level error of the same name.
    RateLimited,
    /// Nothing here has that id or name; `path` says which one. Also for what belongs to another organization.
    NotFound,
    /// `input.id` is not the id of the object being changed.
    IdMismatch,
    /// A value is out of range or malformed; `params.min`, `max`, `pattern`.
    ValidationFailed,
    /// Not one valid e-mail address.
    InvalidEmail,
    /// Neither 1 to 100 of `A-Z a-z 0-9 _ @ . -` nor a valid e-mail address.
    InvalidUsername,
    /// Not 1 to 150 characters, or with `<`, `>` or control characters.
    InvalidDisplayName,
    /// `nameSearch` has fewer than 3 characters, spaces counted, or no letter. Queries only, as `extensions.code`.
    SearchTermTooShort,
    /// Not a cursor of this list, filter and order. Queries only, as `extensions.code`.
    InvalidCursor,
    /// Things that exclude each other: `set` with `add` or `remove`; `page` with a cursor; two fields of which exactly one
    /// is wanted, or none.
    InvalidArgumentCombination,
    /// The address is in use.
    EmailTaken,
    /// The user name is in use; compared without case.
    UsernameTaken,
    /// The name, short name or key is in use; compared without case.
    NameTaken,
    /// The user name is kept back: `me`, `root` and those the operator listed.
    ReservedUsername,
    /// A built-in role cannot be changed or removed, nor its key used again.
    ReservedRole,
    /// Root, an internal principal, or a service account where a person is needed.
    ProtectedAccount,
    /// The value or membership is written by a directory; `params.owner` names it, `params.since` says since when.
    ManagedByDirectory,
    /// The value is kept by the person's login provider and must be changed there; `params.owner`.
    ManagedByConnection,
    /// The person's account is not managed by this organization.
    NotManagedAccount,
    /// The target, role, mapping or scope holds permissions the caller lacks; `params.requiredPermissions`.
    InsufficientRank,
    /// The organization would be left without an active owner.
    LastOwner,
    /// It is the last way to sign in, or the last second factor where one is required.
    LastCredential,
    /// The primary address cannot be removed; make another one primary first.
    PrimaryEmail,
    /// The address has not been verified.
    EmailUnverified,
    /// Not possible in the present state; `params.from`, `params.to`.
    IllegalTransition,
    /// The invitation was accepted or cancelled.
    InvitationNotPending,
    /// That address already has a pending invitation here; `params.invitationId`.
    InvitationExists,
    /// That person already belongs to the organization.
    AlreadyMember,
    /// The account already has an authenticator app.
    MfaAlreadyEnrolled,
    /// Sign-in refused. Deliberately the same for a wrong password, an unknown, disabled or locked account and one without
    /// a password.
    InvalidCredentials,
    /// The current password is not that.
    WrongPassword,
    /// The account has no password.
    NoPassword,
    /// The new password breaks `params.rules`.
    PasswordPolicy,
    /// The new password is on the list of common or leaked ones.
    PasswordBreached,
    /// One's own password is changed with `changePassword`.
    UseChangePassword,
    /// The code is wrong, was used before or is out of its time window; also for recovery codes.
    MfaCodeInvalid,
    /// Too many failures; `params.until`. Only ever told to someone already signed in.
    AccountLocked,
    /// Not a token of this kind, or one replaced by a newer.
    TokenInvalid,
    /// The token's time is over.
    TokenExpired,
    /// The token was used before. For a refresh token: all tokens of that login are now revoked.
    TokenUsed,
    /// `confirmation` is not the text asked for.
    ConfirmationRequired,
    /// More than the stated maximum; `params.limit`.
    LimitExceeded,
    /// It changed since `ifVersion` was read; `params.currentVersion`.
    VersionConflict,
}

/// State of a user. Deleted users are in no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
pub(super) enum UserStatus {
    /// Known but has no way to sign in yet. Elsewhere: pending.
    Invited,
    /// Can sign in.
    Active,
    /// Kept out by an administrator, the directory or themselves; everything else is kept. Also a user that a directory
    /// deleted in mode `DISABLE`, without roles and groups: `localHold.reason` is `DEPROVISIONED`.
    Disabled,
    /// Personal data destroyed for good; only seen as the author or target of past changes.
    Anonymized,
}

/// Who controls a person's account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
pub(super) enum AccountType {
    /// The organization: it may edit the profile, reset password and factors. At most one organization a person.
    Managed,
    /// The person: the organization only gives access.
    External,
}

/// State of a membership. Ended ones are in no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
pub(super) enum MembershipStatus {
    /// Not yet accepted.
    Invited,
    /// In force.
    Active,
    /// Kept out.
    Disabled,
}

/// How a membership came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
#[graphql(remote = "DomainMembershipSource")]
pub(super) enum MembershipSource {
    /// An administrator created the user.
    Admin,
    /// The person accepted an invitation.
    Invitation,
    /// A directory provisioned the user.
    Directory,
    /// The person came through the organization's login provider.
    Connection,
}

/// Who brought an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
#[graphql(remote = "DomainEmailSource")]
pub(super) enum EmailSource {
    /// The person.
    #[graphql(name = "SELF")]
    Oneself,
    /// An administrator.
    Admin,
    /// A directory; cannot be removed by the person.
    Directory,
    /// A login provider; cannot be removed by the person.
    Connection,
}

/// Why a password must be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
#[graphql(remote = "ChangeReason")]
pub(super) enum PasswordChangeReason {
    /// An administrator set it or said so.
    Admin,
    /// It is on a list of leaked ones.
    Breached,
    /// It is too old.
    Expired,
    /// The rules became stricter.
    Policy,
}

/// Ways to give a second factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
#[graphql(remote = "DomainMfaMethod")]
pub(super) enum MfaMethod {
    /// Code of an authenticator app: 6 digits, 30 seconds (RFC 6238).
    Totp,
    /// One of the ten codes shown at enrolment; each works once.
    RecoveryCode,
}

/// Colours of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
#[graphql(remote = "DomainTheme")]
pub(super) enum Theme {
    /// As the device says.
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

/// State of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
#[graphql(remote = "DomainLoginState")]
pub(super) enum LoginState {
    /// Its tokens work.
    Active,
    /// Ended before its time.
    Revoked,
    /// Ended by time.
    Expired,
}

/// Why a login was revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
#[graphql(remote = "EndReason")]
pub(super) enum LoginEndReason {
    /// By the person: `logout`, `revokeLogin`, `revokeLogins`.
    #[graphql(name = "SELF")]
    Oneself,
    /// By an administrator.
    Admin,
    /// The second factors were reset.
    MfaReset,
    /// The password was changed or reset.
    Password,
    /// The user was disabled.
    Disabled,
    /// The user was deleted, removed or anonymised, or left.
    Deleted,
    /// A directory deactivated or deleted the user.
    Directory,
    /// The factor it was made with was removed.
    CredentialRemoved,
    /// A refresh token was used twice: a copy is about.
    Reuse,
}

/// What a person gave to sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
#[graphql(remote = "DomainAuthMethod")]
pub(super) enum AuthMethod {
    /// A password.
    Password,
    /// A code of an authenticator app.
    Totp,
    /// A recovery code.
    RecoveryCode,
    /// A trusted device in place of the second factor.
    TrustedDevice,
    /// An invitation link.
    Invitation,
    /// A login provider.
    Connection,
}

/// How many factors a login rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
pub(super) enum Assurance {
    /// One.
    SingleFactor,
    /// Two, or one and a trusted device.
    MultiFactor,
}

/// What a signed-in person must do before anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
#[graphql(remote = "crate::domain::RequiredAction")]
pub(super) enum RequiredAction {
    /// The password is temporary or expired: `changePassword`.
    ChangePassword,
    /// The organization requires a second factor and there is none: `beginTotpEnrollment`.
    EnrollMfa,
}

/// Where a role comes from. Each source changes only its own grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
#[graphql(remote = "GrantSource")]
pub(super) enum RoleGrantSource {
    /// Given by `setUserRoles`, `addUserRoles` or at creation.
    Direct,
    /// Named in the invitation the person accepted.
    Invitation,
    /// What every new member gets.
    Default,
    /// Follows from a directory's group through `setGroupRoleMappings`.
    DirectoryMapping,
    /// Given to a group the holder belongs to.
    Group,
}

/// Who keeps a group's members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
pub(super) enum GroupKind {
    /// Administrators and the group's own admins.
    Local,
    /// A directory only.
    Directory,
}

/// What a member is in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
pub(super) enum GroupRole {
    /// May add and remove members of this group.
    Admin,
    /// Belongs to it.
    Member,
}

/// Who put a member into a group. Each source removes only what it put there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
pub(super) enum GroupMemberSource {
    /// An administrator or group admin.
    Local,
    /// The invitation the person accepted.
    Invitation,
    /// The directory that provisions the group.
    Directory,
    /// A mapping from a directory's group.
    DirectoryMapping,
}

/// Whose token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
pub(super) enum ApiTokenKind {
    /// A user's own.
    Personal,
    /// A service account's.
    ServiceAccount,
    /// A directory's, for SCIM only.
    Directory,
}

/// State of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
#[graphql(remote = "crate::domain::api_token::TokenState")]
pub(super) enum ApiTokenState {
    /// Works.
    Active,
    /// Works, and so does the secret before it, until `previousUntil`.
    Rotated,
    /// Ended before its time.
    Revoked,
    /// Ended by time.
    Expired,
}

/// Whose way of speaking SCIM to expect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
pub(super) enum DirectoryDialect {
    /// Reads leniently whatever Okta and Entra send.
    Auto,
    /// Okta.
    Okta,
    /// Microsoft Entra ID.
    Entra,
    /// RFC 7643 and 7644 to the letter.
    Rfc,
}

/// What happens when a person changes their address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
pub(super) enum EmailChangeMode {
    /// The new address counts once it is verified.
    VerifyFirst,
    /// The new address counts at once, unverified.
    Immediate,
}

/// Whether signing in through a login provider creates users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
pub(super) enum JitMode {
    /// No: only those who exist or were invited.
    Manual,
    /// Yes, with the default role.
    Create,
}

/// How an invitation was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
#[graphql(remote = "Acceptance")]
pub(super) enum InvitationAcceptance {
    /// Through the link.
    Link,
    /// By signing in with the organization's login provider.
    Login,
    /// A directory provisioned the person first.
    Directory,
}

/// Why an invitation was cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
#[graphql(remote = "InvitationEnd")]
pub(super) enum InvitationEndReason {
    /// An administrator withdrew it.
    Admin,
    /// The invited person declined.
    Declined,
    /// A later one took its place.
    Superseded,
    /// The person joined some other way.
    MemberExists,
}
