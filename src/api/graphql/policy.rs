//! Rules and limits in force, and what an invitation link shows.

use super::cost::list_complexity;
use super::enums::{EmailChangeMode, JitMode};
use super::scalars::{DateTime, EmailAddress};
use crate::domain::account::{MOST_EMAILS, SETTINGS_BYTES};
use crate::domain::api_token::MOST_PERSONAL_TOKENS;
use crate::domain::connection::Connection;
use crate::domain::password;
use crate::domain::policy;
use crate::domain::profile::{METADATA_BYTES, METADATA_KEYS, ProfileField};
use crate::service::{self, Policies};

/// What the organization and the operator decided.
pub(super) struct AccountPolicy(pub(super) Policies);

/// Rules and limits of the organization.
#[async_graphql::Object]
impl AccountPolicy {
    /// Passwords.
    async fn password(&self) -> PasswordPolicy {
        PasswordPolicy::from(&self.0.account)
    }

    /// What happens when a person changes their address. Default `VERIFY_FIRST`.
    async fn email_change(&self) -> EmailChangeMode {
        if self.0.account.email_change_is_immediate { EmailChangeMode::Immediate } else { EmailChangeMode::VerifyFirst }
    }

    /// Whether every member needs a second factor. Default false.
    async fn is_mfa_required(&self) -> bool {
        self.0.account.mfa_required
    }

    /// Trusted devices.
    async fn trusted_devices(&self) -> TrustedDevicePolicy {
        TrustedDevicePolicy {
            is_enabled: self.0.account.trusted_devices,
            lifetime_days: number(self.0.account.trusted_device_days),
        }
    }

    /// Logins.
    async fn login(&self) -> LoginPolicy {
        let lifetimes = self.0.lifetimes;
        LoginPolicy {
            access_token_lifetime_seconds: number(lifetimes.access.as_secs()),
            idle_lifetime_seconds: number(lifetimes.idle.as_secs()),
            absolute_lifetime_seconds: number(lifetimes.absolute.as_secs()),
            step_up_window_seconds: number(lifetimes.fresh.as_secs()),
        }
    }

    /// Failed sign-ins.
    async fn lockout(&self) -> LockoutPolicy {
        let lockout = self.0.lockout;
        LockoutPolicy {
            max_failures: number(lockout.max_failures),
            window_seconds: number(lockout.window.as_secs()),
            max_failures_per_day: number(lockout.max_failures_per_day),
        }
    }

    /// Invitations.
    async fn invitation(&self) -> InvitationPolicy {
        let default = self.0.account.default_connection.as_deref();
        let named = |connection: &&Connection| Some(connection.name.as_str()) == default;
        InvitationPolicy {
            lifetime_days: number(self.0.account.invitation_days),
            default_connection: self.0.connections.iter().find(named).map(LoginProvider::from),
            max_per_call: 100,
        }
    }

    /// Whether signing in through a login provider creates users. Default `MANUAL`.
    async fn jit(&self) -> JitMode {
        if self.0.account.creates_users { JitMode::Create } else { JitMode::Manual }
    }

    /// Login providers of the organization.
    #[graphql(complexity = "list_complexity(child_complexity)")]
    async fn connections(&self) -> Vec<LoginProvider> {
        self.0.connections.iter().map(LoginProvider::from).collect()
    }

    /// Lengths and characters of profile fields, for self-service and administrators. Directories are not bound by them.
    #[graphql(complexity = "list_complexity(child_complexity)")]
    async fn fields(&self) -> Vec<FieldPolicy> {
        ProfileField::ALL.into_iter().map(FieldPolicy::from).collect()
    }

    /// Other limits.
    async fn limits(&self) -> AccountLimits {
        AccountLimits {
            page_size: 100,
            emails_per_user: number(MOST_EMAILS),
            personal_tokens_per_user: number(MOST_PERSONAL_TOKENS),
            metadata_bytes: number(METADATA_BYTES),
            metadata_keys: number(METADATA_KEYS),
            settings_bytes: number(SETTINGS_BYTES),
        }
    }

    /// Rises with every change.
    async fn version(&self) -> i32 {
        number(self.0.account.version)
    }
}

/// Rules for new passwords. No demands on kinds of characters; common, leaked and too similar ones are refused.
#[derive(async_graphql::SimpleObject)]
pub(super) struct PasswordPolicy {
    /// Characters needed where the password is the only factor. Default 15.
    pub(super) min_length: i32,
    /// Characters needed with a second factor. Default 8.
    pub(super) min_length_with_mfa: i32,
    /// Characters allowed. Always 256.
    pub(super) max_length: i32,
}

/// Whether and how long devices may skip the second factor.
#[derive(async_graphql::SimpleObject)]
pub(super) struct TrustedDevicePolicy {
    /// Default false.
    pub(super) is_enabled: bool,
    /// Days, 1 to 365. Default 30.
    pub(super) lifetime_days: i32,
}

/// How long things last. Set by the operator.
#[derive(async_graphql::SimpleObject)]
#[expect(clippy::struct_field_names, reason = "the names are the contract's")]
pub(super) struct LoginPolicy {
    /// Access token; at most 600.
    pub(super) access_token_lifetime_seconds: i32,
    /// A login not used for this long ends. Default 1209600 (14 days).
    pub(super) idle_lifetime_seconds: i32,
    /// A login ends after this in any case. Default 2592000 (30 days).
    pub(super) absolute_lifetime_seconds: i32,
    /// How long a password or second factor counts as fresh. Default 600, at most 3600.
    pub(super) step_up_window_seconds: i32,
}

/// When sign-in is refused for a while. Set by the operator.
#[derive(async_graphql::SimpleObject)]
pub(super) struct LockoutPolicy {
    /// Failures by account and address of origin. Default 10.
    pub(super) max_failures: i32,
    /// Within this time. Default 900; longer each time.
    pub(super) window_seconds: i32,
    /// Failures by account from anywhere; then locked until a mail or an administrator frees it. Default 100.
    pub(super) max_failures_per_day: i32,
}

/// Invitations.
#[derive(async_graphql::SimpleObject)]
pub(super) struct InvitationPolicy {
    /// Days an invitation can be accepted, 1 to 90. Default 7.
    pub(super) lifetime_days: i32,
    /// The connection of an invitation that names none; null: password. Default `google-oauth2`.
    pub(super) default_connection: Option<LoginProvider>,
    /// Invitations in one `invite`. Always 100.
    pub(super) max_per_call: i32,
}

/// What one profile field may hold.
#[derive(async_graphql::SimpleObject)]
pub(super) struct FieldPolicy {
    /// Name of the input field: `displayName`.
    pub(super) field: String,
    /// Fewest characters.
    pub(super) min_length: i32,
    /// Most characters.
    pub(super) max_length: i32,
    /// Regular expression (ECMA-262) it has to match; null: none.
    pub(super) pattern: Option<String>,
}

/// Other limits.
#[derive(async_graphql::SimpleObject)]
pub(super) struct AccountLimits {
    /// Items a page. Always 100.
    pub(super) page_size: i32,
    /// Addresses a person. Default 10.
    pub(super) emails_per_user: i32,
    /// Active personal tokens a person and organization. Default 50.
    pub(super) personal_tokens_per_user: i32,
    /// `User.metadata` as JSON. Default 16384.
    pub(super) metadata_bytes: i32,
    /// Keys of `User.metadata`. Default 50.
    pub(super) metadata_keys: i32,
    /// `Settings` as JSON. Default 16384.
    pub(super) settings_bytes: i32,
}

/// A way to sign in other than with a password: called connection in invitations.
#[derive(async_graphql::SimpleObject)]
pub(super) struct LoginProvider {
    /// Unique name: `google-oauth2`.
    pub(super) name: String,
    /// Kind: `google-oauth2`, `oidc`, `saml`. New kinds may appear.
    pub(super) strategy: String,
    /// What to write on the button.
    pub(super) display_name: String,
}

impl From<&Connection> for LoginProvider {
    fn from(connection: &Connection) -> Self {
        Self {
            name: connection.name.clone(),
            strategy: connection.strategy.clone(),
            display_name: connection.display_name.clone(),
        }
    }
}

/// What the holder of an invitation link may see.
pub(super) struct InvitationPreview(pub(super) service::InvitationPreview);

/// What the holder of an invitation link may see.
#[async_graphql::Object]
impl InvitationPreview {
    /// Who invites.
    async fn organization_name(&self) -> String {
        self.0.organization.name.clone()
    }

    /// The organization's short name.
    async fn organization_short_name(&self) -> String {
        self.0.organization.short_name.clone()
    }

    /// Which person invites; null if they are gone.
    async fn inviter_name(&self) -> Option<String> {
        self.0.inviter.clone()
    }

    /// Where the invitation was sent.
    async fn email(&self) -> EmailAddress {
        EmailAddress(self.0.invitation.email.clone())
    }

    /// The invited person's name.
    async fn name(&self) -> String {
        self.0.invitation.name.clone()
    }

    /// Names of the roles offered.
    async fn role_names(&self) -> Vec<String> {
        self.0.roles.clone()
    }

    /// How to sign in; null: with a password.
    async fn connection(&self) -> Option<LoginProvider> {
        self.0.connection.as_ref().map(LoginProvider::from)
    }

    /// Whether that address already has an account, so that its owner has to sign in to accept.
    async fn is_sign_in_required(&self) -> bool {
        self.0.is_sign_in_required
    }

    /// Rules for the password to be chosen.
    async fn password_policy(&self) -> PasswordPolicy {
        PasswordPolicy::from(&self.0.policy)
    }

    /// Until when it can be accepted.
    async fn expires_at(&self) -> DateTime {
        self.0.invitation.expires.into()
    }
}

/// A count that fits: none of ours is larger.
fn number(count: impl TryInto<i32>) -> i32 {
    count.try_into().unwrap_or(i32::MAX)
}

impl From<&policy::AccountPolicy> for PasswordPolicy {
    fn from(policy: &policy::AccountPolicy) -> Self {
        Self {
            min_length: number(policy.password_min_length),
            min_length_with_mfa: number(policy.password_min_length_with_mfa),
            max_length: number(password::MAX_LENGTH),
        }
    }
}

impl From<ProfileField> for FieldPolicy {
    fn from(field: ProfileField) -> Self {
        let (min, max) = field.lengths();
        let pattern = match field {
            ProfileField::DisplayName => Some("^[^<>\\u0000-\\u001f]+$"),
            ProfileField::AvatarUrl => Some("^https?://"),
            _ => None,
        };
        Self {
            field: field.as_str().to_owned(),
            min_length: number(min),
            max_length: number(max),
            pattern: pattern.map(str::to_owned),
        }
    }
}
