//! What administrators change about passwords and locks.

use async_graphql::Context;
use secrecy::ExposeSecret as _;

use super::super::inputs::users::{
    ResetPasswordInput, SendPasswordResetInput, SetPasswordExpiredInput, UnlockUserInput,
};
use super::super::payloads::{
    Answer, ResetPasswordPayload, SendPasswordResetPayload, SetPasswordExpiredPayload, UnlockUserPayload,
};
use super::super::read::count;
use super::super::request::Asking as _;
use super::super::users::User;

#[derive(Default)]
pub(super) struct UserCredentials;

#[async_graphql::Object]
impl UserCredentials {
    /// Replaces a user's password with a temporary one, to be changed at the next sign-in. Ends all logins, trusted
    /// devices and reset links.
    ///
    /// Permission: `user_credentials_manage`; step-up; rank; managed. Errors: `NOT_FOUND`, `USE_CHANGE_PASSWORD`
    /// (oneself), `MANAGED_BY_CONNECTION`, `INSUFFICIENT_RANK`, `NOT_MANAGED_ACCOUNT`, `STEP_UP_REQUIRED`,
    /// `PROTECTED_ACCOUNT`.
    async fn reset_password(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: ResetPasswordInput,
    ) -> Answer<ResetPasswordPayload> {
        let client_mutation_id = input.client_mutation_id.clone();
        let outcome = async { ctx.service().reset_password(ctx.caller(), &input.user.into()).await }.await;
        ResetPasswordPayload::answer(ctx, outcome, client_mutation_id, |given| ResetPasswordPayload {
            user: Some(User(given.user)),
            temporary_password: Some(given.password.expose_secret().to_owned()),
            expires_at: Some(given.expires.into()),
            logins_revoked: Some(count(given.logins)),
            ..Default::default()
        })
        .await
    }

    /// Mails a user a link to set a new password; the present one keeps working until then. A user who never signed in gets
    /// a link to set the first password: an `INVITED` one by an invitation, others at the address that an administrator
    /// named, which the link also verifies.
    ///
    /// Permission: `user_credentials_manage`; step-up; rank; managed. Errors: `STEP_UP_REQUIRED`, `NOT_FOUND`,
    /// `MANAGED_BY_CONNECTION`, `EMAIL_UNVERIFIED` (no address that counts), `ILLEGAL_TRANSITION` (kept out and not joined
    /// yet), `RATE_LIMITED`, `INSUFFICIENT_RANK`, `NOT_MANAGED_ACCOUNT`, `PROTECTED_ACCOUNT`.
    async fn send_password_reset(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: SendPasswordResetInput,
    ) -> Answer<SendPasswordResetPayload> {
        let client_mutation_id = input.client_mutation_id.clone();
        let outcome = async { ctx.service().send_password_reset(ctx.caller(), &input.user.into()).await }.await;
        SendPasswordResetPayload::answer(ctx, outcome, client_mutation_id, |(user, to, expires)| {
            SendPasswordResetPayload {
                user: Some(User(user)),
                sent_to: Some(to),
                expires_at: Some(expires.into()),
                ..Default::default()
            }
        })
        .await
    }

    /// Demands a new password at the next sign-in, or takes that back.
    ///
    /// Permission: `user_credentials_manage`; step-up; rank; managed. Errors: `STEP_UP_REQUIRED`, `NOT_FOUND`,
    /// `NO_PASSWORD`, `MANAGED_BY_CONNECTION`, `INSUFFICIENT_RANK`, `NOT_MANAGED_ACCOUNT`, `PROTECTED_ACCOUNT`.
    async fn set_password_expired(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: SetPasswordExpiredInput,
    ) -> Answer<SetPasswordExpiredPayload> {
        let client_mutation_id = input.client_mutation_id.clone();
        let outcome = async {
            ctx.service()
                .set_password_expired(ctx.caller(), &input.user.into(), input.is_expired, input.reason.into())
                .await
        }
        .await;
        SetPasswordExpiredPayload::answer(ctx, outcome, client_mutation_id, |user| SetPasswordExpiredPayload {
            user: Some(User(user)),
            ..Default::default()
        })
        .await
    }

    /// Lifts the lock after too many failed sign-ins and sets the count to zero.
    ///
    /// Permission: `user_credentials_manage`; step-up; rank; managed. Errors: `STEP_UP_REQUIRED`, `NOT_FOUND`,
    /// `INSUFFICIENT_RANK`, `NOT_MANAGED_ACCOUNT`.
    async fn unlock_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: UnlockUserInput,
    ) -> Answer<UnlockUserPayload> {
        let client_mutation_id = input.client_mutation_id.clone();
        let outcome = async { ctx.service().unlock_user(ctx.caller(), &input.user.into()).await }.await;
        UnlockUserPayload::answer(ctx, outcome, client_mutation_id, |user| UnlockUserPayload {
            user: Some(User(user)),
            ..Default::default()
        })
        .await
    }
}
