//! Passwords and second factors.

use async_graphql::Context;

use super::super::inputs::{
    BeginTotpEnrollmentInput, ChangePasswordInput, ConfirmTotpEnrollmentInput, RegenerateRecoveryCodesInput,
    RemoveMfaFactorInput, ResetMfaInput,
};
use super::super::payloads::{
    Answer, BeginTotpEnrollmentPayload, ChangePasswordPayload, ConfirmTotpEnrollmentPayload,
    RegenerateRecoveryCodesPayload, RemoveMfaFactorPayload, ResetMfaPayload,
};
use super::super::people::{MfaFactor, MfaState};
use super::super::read::{count, read_id};
use super::super::request::Asking as _;
use super::super::scalars::Url;
use super::super::users::User;
use crate::domain::second_factor::RecoveryCode;

#[derive(Default)]
pub(super) struct Credentials;

#[async_graphql::Object]
impl Credentials {
    /// Changes a password; the current one is always needed, whoever calls. Administrators without it use `resetPassword`
    /// or `sendPasswordReset`. Trusted devices and reset links of the account end.
    ///
    /// Permission: oneself; for somebody else `user_credentials_manage` and their current password. Errors:
    /// `WRONG_PASSWORD`, `NO_PASSWORD`, `PASSWORD_POLICY`, `PASSWORD_BREACHED`, `MANAGED_BY_CONNECTION`, `ACCOUNT_LOCKED`,
    /// `STEP_UP_REQUIRED` (a second factor is enrolled and was not given in the last 10 minutes), `NOT_FOUND`,
    /// `NOT_MANAGED_ACCOUNT`, `INSUFFICIENT_RANK`, `PROTECTED_ACCOUNT`.
    async fn change_password(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: ChangePasswordInput,
    ) -> Answer<ChangePasswordPayload> {
        let outcome = async {
            let who = input.user.map(Into::into);
            ctx.service()
                .change_password(
                    ctx.caller(),
                    who.as_ref(),
                    &input.current_password,
                    &input.new_password,
                    input.revoke_other_logins,
                )
                .await
        }
        .await;
        ChangePasswordPayload::answer(ctx, outcome, input.client_mutation_id, |done| ChangePasswordPayload {
            user: Some(User(done.user)),
            session: done.session.map(|session| ctx.asking().session(session)),
            logins_revoked: Some(count(done.logins)),
            ..Default::default()
        })
        .await
    }

    /// Starts adding an authenticator app. Has no effect until `confirmTotpEnrollment`; starting again voids the secret
    /// before.
    ///
    /// Permission: oneself, with a login; step-up. Errors: `MFA_ALREADY_ENROLLED`, `STEP_UP_REQUIRED`, `PROTECTED_ACCOUNT`.
    async fn begin_totp_enrollment(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: BeginTotpEnrollmentInput,
    ) -> Answer<BeginTotpEnrollmentPayload> {
        let outcome = async { ctx.service().begin_totp_enrollment(ctx.caller(), input.name).await }.await;
        BeginTotpEnrollmentPayload::answer(ctx, outcome, input.client_mutation_id, |begun| {
            ctx.asking().show_qr_code(&begun.qr_code);
            BeginTotpEnrollmentPayload {
                secret: Some(begun.secret.to_string()),
                otpauth_url: Some(Url(begun.url.to_string())),
                expires_at: Some(begun.confirm_by.into()),
                ..Default::default()
            }
        })
        .await
    }

    /// Turns the second factor on with a first code of the app. Answers ten recovery codes, shown this once, and new
    /// tokens.
    ///
    /// Permission: oneself, with a login. Errors: `MFA_CODE_INVALID`, `ILLEGAL_TRANSITION` (nothing begun, or too long
    /// ago), `MFA_ALREADY_ENROLLED`, `RATE_LIMITED`.
    async fn confirm_totp_enrollment(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: ConfirmTotpEnrollmentInput,
    ) -> Answer<ConfirmTotpEnrollmentPayload> {
        let outcome = async { ctx.service().confirm_totp_enrollment(ctx.caller(), &input.code).await }.await;
        ConfirmTotpEnrollmentPayload::answer(ctx, outcome, input.client_mutation_id, |done| {
            ConfirmTotpEnrollmentPayload {
                mfa: Some(MfaState(crate::service::MfaState {
                    authenticator: Some(done.authenticator.clone()),
                    recovery_codes: done.codes.len(),
                    required: ctx.caller().as_person().is_some_and(|person| person.policy.mfa_required),
                })),
                factor: Some(MfaFactor(done.authenticator)),
                recovery_codes: Some(done.codes.iter().map(|code| code.expose().to_owned()).collect()),
                session: Some(ctx.asking().session(done.session)),
                ..Default::default()
            }
        })
        .await
    }

    /// Removes one of one's second factors; with the last one go the recovery codes. Trusted devices end.
    ///
    /// Permission: oneself, with a login; step-up. Errors: `NOT_FOUND`, `LAST_CREDENTIAL` (the organization requires a
    /// second factor), `STEP_UP_REQUIRED`.
    async fn remove_mfa_factor(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: RemoveMfaFactorInput,
    ) -> Answer<RemoveMfaFactorPayload> {
        let removed = input.factor_id.clone();
        let outcome = async {
            let id = read_id(&input.factor_id, "factorId")?;
            ctx.service().remove_mfa_factor(ctx.caller(), id).await?;
            ctx.service().get_my_mfa(ctx.caller()).await
        }
        .await;
        RemoveMfaFactorPayload::answer(ctx, outcome, input.client_mutation_id, |mfa| RemoveMfaFactorPayload {
            removed_factor_id: Some(removed),
            mfa: Some(MfaState(mfa)),
            ..Default::default()
        })
        .await
    }

    /// Makes ten new recovery codes, shown this once; all earlier ones stop working.
    ///
    /// Permission: oneself, with a login; step-up. Errors: `ILLEGAL_TRANSITION` (no second factor), `STEP_UP_REQUIRED`.
    async fn regenerate_recovery_codes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: RegenerateRecoveryCodesInput,
    ) -> Answer<RegenerateRecoveryCodesPayload> {
        let outcome = async {
            let codes = ctx.service().regenerate_recovery_codes(ctx.caller()).await?;
            Ok((codes, ctx.service().get_my_mfa(ctx.caller()).await?))
        }
        .await;
        RegenerateRecoveryCodesPayload::answer(
            ctx,
            outcome,
            input.client_mutation_id,
            |(codes, mfa): (Vec<RecoveryCode>, _)| RegenerateRecoveryCodesPayload {
                recovery_codes: Some(codes.iter().map(|code| code.expose().to_owned()).collect()),
                mfa: Some(MfaState(mfa)),
                ..Default::default()
            },
        )
        .await
    }

    /// Removes all second factors of a user, recovery codes included, ends all logins and trusted devices. The user signs
    /// in again with the first factor and enrols anew. Works on oneself too. A second time: zero counts, no error.
    ///
    /// Permission: `user_credentials_manage`; step-up; rank; managed. Errors: `NOT_FOUND`, `INSUFFICIENT_RANK`,
    /// `NOT_MANAGED_ACCOUNT`, `STEP_UP_REQUIRED`, `PROTECTED_ACCOUNT`.
    async fn reset_mfa(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: ResetMfaInput,
    ) -> Answer<ResetMfaPayload> {
        let outcome = async { ctx.service().reset_mfa(ctx.caller(), &input.user.into(), input.reason).await }.await;
        ResetMfaPayload::answer(ctx, outcome, input.client_mutation_id, |reset| ResetMfaPayload {
            user: Some(User(reset.user)),
            factors_removed: Some(count(reset.factors)),
            recovery_codes_removed: Some(count(reset.recovery_codes)),
            logins_revoked: Some(count(reset.logins)),
            trusted_devices_revoked: Some(count(reset.devices)),
            ..Default::default()
        })
        .await
    }
}
