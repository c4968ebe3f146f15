//! What mutations answer.

use async_graphql::{Context, ID, SimpleObject};

use super::failure::{Failure, UserError, user_errors};
use super::invitations::Invitation;
use super::logins::{Login, MfaChallenge, Session, TrustedDevice};
use super::organizations::Organization;
use super::people::{Email, MfaFactor, MfaState, Settings};
use super::query::Query;
use super::request::Asking as _;
use super::scalars::{DateTime, Url};
use super::tokens::ApiToken;
use super::users::User;
use crate::domain::Error;

/// What a mutation answers: its payload, or, where it is null, why.
pub(super) type Answer<T> = Option<Result<T, Failure>>;

/// A payload: what was done, and what every payload has beside it.
macro_rules! payload {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Default, SimpleObject)]
        pub(in crate::api::graphql) struct $name {
            $($(#[$field_doc])* pub(in crate::api::graphql) $field: $type,)*
            /// Why nothing, or not everything, was done. Empty on success.
            pub(in crate::api::graphql) user_errors: Vec<UserError>,
            /// The query root, to read on in the same request.
            pub(in crate::api::graphql) query: Option<Query>,
            /// The `clientMutationId` of the input.
            pub(in crate::api::graphql) client_mutation_id: Option<String>,
        }

        impl $name {
            /// Answers what came of a mutation: refusals are data, all else is a failure.
            pub(in crate::api::graphql) async fn answer<T>(
                ctx: &Context<'_>,
                outcome: Result<T, Error>,
                client_mutation_id: Option<String>,
                fill: impl FnOnce(T) -> Self,
            ) -> Answer<Self> {
                let payload = match outcome.map_err(user_errors) {
                    Ok(done) => {
                        let payload = fill(done);
                        if let Err(error) = ctx.asking().renew().await {
                            return Some(Err(error.into()));
                        }
                        payload
                    }
                    Err(Ok(user_errors)) => Self { user_errors, ..Self::default() },
                    Err(Err(failure)) => return Some(Err(failure)),
                };
                Some(Ok(Self { query: Some(Query), client_mutation_id, ..payload }))
            }
        }
    };
}

mod organization;
mod programs;
mod root;
mod users;

pub(super) use organization::*;
pub(super) use programs::*;
pub(super) use root::*;
pub(super) use users::*;

/// What became of one item of `invite`.
#[derive(SimpleObject)]
pub(super) struct InviteResult {
    /// The address as given.
    pub(super) email: String,
    /// The invitation; null if refused.
    pub(super) invitation: Option<Invitation>,
    /// Why it was refused. The payload's `userErrors` repeats them.
    pub(super) user_errors: Vec<UserError>,
}

/// What became of one item of `sendInvitations`.
#[derive(SimpleObject)]
pub(super) struct SendInvitationResult {
    /// The id as given.
    pub(super) user_id: ID,
    /// The invitation; null if refused.
    pub(super) invitation: Option<Invitation>,
    /// Why it was refused. The payload's `userErrors` repeats them.
    pub(super) user_errors: Vec<UserError>,
}

/// What became of one item of `anonymizeUsers`.
#[derive(SimpleObject)]
pub(super) struct AnonymizeUserResult {
    /// The id as given.
    pub(super) user_id: ID,
    /// Whether the person's data is gone; true as well if it was before.
    pub(super) is_anonymized: bool,
    /// Why it was refused. The payload's `userErrors` repeats them.
    pub(super) user_errors: Vec<UserError>,
}

/// An item's invitation, or why there is none.
pub(super) fn apart(
    outcome: Result<crate::domain::invitation::Invitation, Vec<UserError>>,
) -> (Option<Invitation>, Vec<UserError>) {
    match outcome {
        Ok(invitation) => (Some(Invitation(invitation)), Vec::new()),
        Err(refused) => (None, refused),
    }
}

payload! {
    /// What `login` answers.
    LoginPayload {
        /// The session; null when refused or challenged.
        session: Option<Session>,
        /// What is still to be proven; null when refused or signed in.
        challenge: Option<MfaChallenge>,
        /// Replaces the one sent, which stops working; null if none was of use.
        trusted_device_token: Option<String>,
    }
}

payload! {
    /// What `verifyMfa` answers.
    VerifyMfaPayload {
        /// The session.
        session: Option<Session>,
        /// The device, if it is now trusted.
        trusted_device: Option<TrustedDevice>,
        /// Its secret, shown this once; for `login`.
        trusted_device_token: Option<String>,
        /// Unused recovery codes, if one was used now.
        recovery_codes_remaining: Option<i32>,
    }
}

payload! {
    /// What `refreshSession` answers.
    RefreshSessionPayload {
        /// The session with new tokens.
        session: Option<Session>,
    }
}

payload! {
    /// What `logout` answers.
    LogoutPayload {
        /// The login that is ended; null if there was only a challenge.
        login_id: Option<ID>,
    }
}

payload! {
    /// What `reauthenticate` answers.
    ReauthenticatePayload {
        /// The session with new tokens.
        session: Option<Session>,
        /// Until when it lasts.
        step_up_until: Option<DateTime>,
    }
}

payload! {
    /// What `switchOrganization` answers.
    SwitchOrganizationPayload {
        /// The session with new tokens; null when refused or challenged.
        session: Option<Session>,
        /// What is still to be proven.
        challenge: Option<MfaChallenge>,
        /// Where the login acts now.
        organization: Option<Organization>,
    }
}

payload! {
    /// What `requestPasswordReset` answers.
    RequestPasswordResetPayload {
    }
}

payload! {
    /// What `completePasswordReset` answers.
    CompletePasswordResetPayload {
        /// How many logins ended.
        logins_revoked: Option<i32>,
    }
}

payload! {
    /// What `verifyEmail` answers.
    VerifyEmailPayload {
        /// The verified address.
        email: Option<Email>,
    }
}

payload! {
    /// What `acceptInvitation` answers.
    AcceptInvitationPayload {
        /// The user in the organization.
        user: Option<User>,
        /// The organization joined.
        organization: Option<Organization>,
        /// A session there, for somebody new. Whoever was signed in uses `switchOrganization`.
        session: Option<Session>,
    }
}

payload! {
    /// What `declineInvitation` answers.
    DeclineInvitationPayload {
        /// The invitation.
        invitation_id: Option<ID>,
    }
}

payload! {
    /// What `updateMe` answers.
    UpdateMePayload {
        /// Oneself.
        user: Option<User>,
        /// The new address, if it still waits for verification.
        pending_email: Option<Email>,
        /// Other organizations of the person whose rules do not let the person write one of the changed values: kept out
        /// there, without `user_self_profile_write` there, or a directory or login provider keeps it.
        skipped_organizations: Option<Vec<Organization>>,
    }
}

payload! {
    /// What `updateMySettings` answers.
    UpdateMySettingsPayload {
        /// The settings.
        settings: Option<Settings>,
    }
}

payload! {
    /// What `completeOnboarding` answers.
    CompleteOnboardingPayload {
        /// Oneself.
        user: Option<User>,
    }
}

payload! {
    /// What `leaveOrganization` answers.
    LeaveOrganizationPayload {
        /// The organization left.
        organization_id: Option<ID>,
    }
}

payload! {
    /// What `addEmail` answers.
    AddEmailPayload {
        /// The address, unverified.
        email: Option<Email>,
    }
}

payload! {
    /// What `resendEmailVerification` answers.
    ResendEmailVerificationPayload {
        /// The address.
        email: Option<Email>,
    }
}

payload! {
    /// What `removeEmail` answers.
    RemoveEmailPayload {
        /// The address removed.
        removed_email_id: Option<ID>,
        /// Whose it was.
        user: Option<User>,
    }
}

payload! {
    /// What `setPrimaryEmail` answers.
    SetPrimaryEmailPayload {
        /// The address, now primary.
        email: Option<Email>,
        /// Oneself.
        user: Option<User>,
    }
}

payload! {
    /// What `changePassword` answers.
    ChangePasswordPayload {
        /// Whose password it is.
        user: Option<User>,
        /// New tokens for the calling login, if it was one's own password.
        session: Option<Session>,
        /// How many logins ended.
        logins_revoked: Option<i32>,
    }
}

payload! {
    /// What `beginTotpEnrollment` answers.
    BeginTotpEnrollmentPayload {
        /// The secret in base 32, to type in; shown this once.
        secret: Option<String>,
        /// The same as an `otpauth://` URL, to show as a QR code.
        otpauth_url: Option<Url>,
        /// Until when it can be confirmed: 10 minutes.
        expires_at: Option<DateTime>,
    }
}

payload! {
    /// What `confirmTotpEnrollment` answers.
    ConfirmTotpEnrollmentPayload {
        /// The new factor.
        factor: Option<MfaFactor>,
        /// Ten codes, each good for one sign-in.
        recovery_codes: Option<Vec<String>>,
        /// All second factors.
        mfa: Option<MfaState>,
        /// New tokens for the calling login.
        session: Option<Session>,
    }
}

payload! {
    /// What `removeMfaFactor` answers.
    RemoveMfaFactorPayload {
        /// The factor removed.
        removed_factor_id: Option<ID>,
        /// What is left.
        mfa: Option<MfaState>,
    }
}

payload! {
    /// What `regenerateRecoveryCodes` answers.
    RegenerateRecoveryCodesPayload {
        /// Ten codes, each good for one sign-in.
        recovery_codes: Option<Vec<String>>,
        /// All second factors.
        mfa: Option<MfaState>,
    }
}

payload! {
    /// What `revokeLogin` answers.
    RevokeLoginPayload {
        /// The login, now revoked.
        login: Option<Login>,
        /// When it ended; unchanged if it had ended before.
        revoked_at: Option<DateTime>,
        /// Whether it is the login that asked.
        was_current: Option<bool>,
    }
}

payload! {
    /// What `revokeLogins` answers.
    RevokeLoginsPayload {
        /// Whose logins they were.
        user: Option<User>,
        /// How many ended.
        revoked_count: Option<i32>,
    }
}

payload! {
    /// What `revokeTrustedDevice` answers.
    RevokeTrustedDevicePayload {
        /// The device no longer trusted.
        trusted_device_id: Option<ID>,
        /// How many logins ended.
        logins_revoked: Option<i32>,
    }
}

payload! {
    /// What `revokeTrustedDevices` answers.
    RevokeTrustedDevicesPayload {
        /// Whose devices they were.
        user: Option<User>,
        /// How many devices are no longer trusted.
        revoked_count: Option<i32>,
        /// How many logins ended.
        logins_revoked: Option<i32>,
    }
}

payload! {
    /// What `createPersonalToken` answers.
    CreatePersonalTokenPayload {
        /// The token's record.
        token: Option<ApiToken>,
        /// The token itself, shown this once.
        secret: Option<String>,
    }
}

payload! {
    /// What `revokeToken` answers.
    RevokeTokenPayload {
        /// The token, now revoked.
        token: Option<ApiToken>,
    }
}

payload! {
    /// What `rotateApiToken` answers.
    RotateApiTokenPayload {
        /// The token's record.
        token: Option<ApiToken>,
        /// The new secret, shown this once.
        secret: Option<String>,
    }
}

payload! {
    /// What `resetMfa` answers.
    ResetMfaPayload {
        /// The user.
        user: Option<User>,
        /// How many authenticator apps were removed.
        factors_removed: Option<i32>,
        /// How many unused recovery codes were removed.
        recovery_codes_removed: Option<i32>,
        /// How many logins ended.
        logins_revoked: Option<i32>,
        /// How many devices are no longer trusted.
        trusted_devices_revoked: Option<i32>,
    }
}
