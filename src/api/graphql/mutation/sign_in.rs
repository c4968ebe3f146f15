//! Signing in and out, and coming back.

use async_graphql::Context;

use super::super::inputs::{
    AcceptInvitationInput, CompletePasswordResetInput, DeclineInvitationInput, LoginInput, LogoutInput,
    ReauthenticateInput, RefreshSessionInput, RequestPasswordResetInput, SwitchOrganizationInput, VerifyEmailInput,
    VerifyMfaInput,
};
use super::super::logins::TrustedDevice;
use super::super::organizations::Organization;
use super::super::payloads::{
    AcceptInvitationPayload, Answer, CompletePasswordResetPayload, DeclineInvitationPayload, LoginPayload,
    LogoutPayload, ReauthenticatePayload, RefreshSessionPayload, RequestPasswordResetPayload,
    SwitchOrganizationPayload, VerifyEmailPayload, VerifyMfaPayload,
};
use super::super::people::Email;
use super::super::read::{count, one_factor, one_proof};
use super::super::request::Asking as _;
use super::super::scalars::DateTime;
use super::super::users::User;
use crate::service::SignInOutcome;

#[derive(Default)]
pub(super) struct SigningIn;

#[async_graphql::Object]
impl SigningIn {
    /// Signs a person in with a password. Answers a session, or, where a second factor is enrolled and the device is not
    /// trusted, a challenge for `verifyMfa`. Wrong password, unknown, disabled or locked account, unknown organization: one
    /// and the same answer in the same time.
    ///
    /// Permission: public. Errors: `INVALID_CREDENTIALS`, `INVALID_ARGUMENT_COMBINATION`, `VALIDATION_FAILED`.
    async fn login(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: LoginInput,
    ) -> Answer<LoginPayload> {
        let client_mutation_id = input.client_mutation_id.clone();
        let outcome =
            async { ctx.service().sign_in_with_password(input.sign_in()?, ctx.caller().origin()).await }.await;
        LoginPayload::answer(ctx, outcome, client_mutation_id, |done| {
            let trusted_device_token = done.trusted_device_token.map(|token| token.expose().to_owned());
            match done.outcome {
                SignInOutcome::Session(session) => LoginPayload {
                    session: Some(ctx.asking().session(*session)),
                    trusted_device_token,
                    ..Default::default()
                },
                SignInOutcome::Challenge(challenge) => {
                    LoginPayload { challenge: Some(challenge.into()), ..Default::default() }
                }
            }
        })
        .await
    }

    /// Answers the challenge of `login`, `acceptInvitation` or `switchOrganization` with a code of the authenticator app or
    /// with a recovery code. At most 5 tries a challenge and 10 in 15 minutes an account.
    ///
    /// Permission: public (the challenge token is the proof). Errors: `MFA_CODE_INVALID`, `TOKEN_INVALID`, `TOKEN_EXPIRED`,
    /// `TOKEN_USED`, `RATE_LIMITED`, `INVALID_ARGUMENT_COMBINATION`.
    async fn verify_mfa(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: VerifyMfaInput,
    ) -> Answer<VerifyMfaPayload> {
        let outcome = async {
            let factor = one_factor(input.code, input.recovery_code)?;
            let origin = ctx.caller().origin();
            let service = ctx.service();
            service.sign_in_with_code(&input.challenge_token, &factor, input.trust_device, origin).await
        }
        .await;
        VerifyMfaPayload::answer(ctx, outcome, input.client_mutation_id, |done| {
            let (trusted_device, secret) = done.trusted.unzip();
            VerifyMfaPayload {
                session: Some(ctx.asking().session(done.session)),
                trusted_device: trusted_device.map(TrustedDevice),
                trusted_device_token: secret.map(|secret| secret.expose().to_owned()),
                recovery_codes_remaining: done.recovery_codes_remaining.map(count),
                ..Default::default()
            }
        })
        .await
    }

    /// Exchanges a refresh token for new tokens of the same login. Each refresh token works once: using one again revokes
    /// the login.
    ///
    /// Permission: public (the refresh token is the proof). Errors: `TOKEN_INVALID`, `TOKEN_EXPIRED`, `TOKEN_USED`.
    async fn refresh_session(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: RefreshSessionInput,
    ) -> Answer<RefreshSessionPayload> {
        let outcome = async {
            let origin = ctx.caller().origin();
            ctx.service().sign_in_with_refresh_token(&input.refresh_token, origin).await
        }
        .await;
        RefreshSessionPayload::answer(ctx, outcome, input.client_mutation_id, |session| RefreshSessionPayload {
            session: Some(ctx.asking().session(session)),
            ..Default::default()
        })
        .await
    }

    /// Ends the login making the request, or the one of the given refresh token, and cancels a challenge sent as the
    /// bearer. Access and refresh token stop working at once. A second time: the same answer.
    ///
    /// Permission: public (a token of the login that still works is the proof; one that does not ends nothing, and is
    /// answered the same). Errors: `TOKEN_INVALID`.
    async fn logout(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: LogoutInput,
    ) -> Answer<LogoutPayload> {
        let outcome = async {
            ctx.service().sign_out(ctx.asking().bearer(), input.refresh_token.as_deref(), ctx.caller().origin()).await
        }
        .await;
        LogoutPayload::answer(ctx, outcome, input.client_mutation_id, |login| LogoutPayload {
            login_id: login.map(|login| login.to_string().into()),
            ..Default::default()
        })
        .await
    }

    /// Step-up: proves again that it is the person, so that operations marked step-up work for the next 10 minutes. The
    /// login stays the same, its tokens are replaced.
    ///
    /// Permission: oneself, with a login. Errors: `WRONG_PASSWORD`, `NO_PASSWORD`, `MFA_CODE_INVALID`, `ACCOUNT_LOCKED`,
    /// `STEP_UP_REQUIRED` (a password where a second factor is enrolled: `code` is needed), `INVALID_ARGUMENT_COMBINATION`,
    /// `PROTECTED_ACCOUNT`.
    async fn reauthenticate(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: ReauthenticateInput,
    ) -> Answer<ReauthenticatePayload> {
        let outcome = async {
            let proof = one_proof(input.password, input.code)?;
            ctx.service().reauthenticate(ctx.caller(), &proof).await
        }
        .await;
        ReauthenticatePayload::answer(ctx, outcome, input.client_mutation_id, |session| ReauthenticatePayload {
            step_up_until: session.login.fresh_until.map(DateTime::from),
            session: Some(ctx.asking().session(session)),
            ..Default::default()
        })
        .await
    }

    /// Makes the login act in another organization of the same person. Answers new tokens; the old ones stop working. Where
    /// that organization demands more proof than the login has, a challenge comes first.
    ///
    /// Permission: oneself, with a login; member of that organization. Errors: `NOT_FOUND`, `PROTECTED_ACCOUNT`.
    async fn switch_organization(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: SwitchOrganizationInput,
    ) -> Answer<SwitchOrganizationPayload> {
        let outcome = async { ctx.service().switch_organization(ctx.caller(), &input.organization.into()).await }.await;
        SwitchOrganizationPayload::answer(ctx, outcome, input.client_mutation_id, |done| {
            let (session, challenge) = match done.outcome {
                Ok(session) => (Some(ctx.asking().session(session)), None),
                Err(challenge) => (None, Some(challenge.into())),
            };
            let organization = session.is_some().then_some(Organization(done.organization));
            SwitchOrganizationPayload { session, challenge, organization, ..Default::default() }
        })
        .await
    }

    /// Mails a link to set a new password, if that address is a verified one of somebody with a password. Answers the same,
    /// in the same time, if not. A new link voids the one before; good for 1 hour.
    ///
    /// Permission: public. Errors: `INVALID_EMAIL`, `RATE_LIMITED`.
    async fn request_password_reset(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: RequestPasswordResetInput,
    ) -> Answer<RequestPasswordResetPayload> {
        let outcome = ctx.service().request_password_reset(&input.email, ctx.caller().origin());
        RequestPasswordResetPayload::answer(ctx, outcome, input.client_mutation_id, |()| {
            RequestPasswordResetPayload::default()
        })
        .await
    }

    /// Sets a new password with the token of a reset mail. Ends all logins, trusted devices and other reset links. Signs
    /// nobody in: `login` follows, and still asks for the second factor.
    ///
    /// Permission: public (the token is the proof). Errors: `TOKEN_INVALID`, `TOKEN_EXPIRED`, `TOKEN_USED`,
    /// `PASSWORD_POLICY`, `PASSWORD_BREACHED`, `EMAIL_TAKEN` (a first password: another account has proven the address).
    async fn complete_password_reset(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: CompletePasswordResetInput,
    ) -> Answer<CompletePasswordResetPayload> {
        let outcome = async {
            ctx.service().complete_password_reset(&input.token, &input.new_password, ctx.caller().origin()).await
        }
        .await;
        CompletePasswordResetPayload::answer(ctx, outcome, input.client_mutation_id, |logins| {
            CompletePasswordResetPayload { logins_revoked: Some(count(logins)), ..Default::default() }
        })
        .await
    }

    /// Proves an address with the token of a verification mail. Completes a change of address that waited for it.
    ///
    /// Permission: public (the token is the proof). Errors: `TOKEN_INVALID`, `TOKEN_EXPIRED`, `TOKEN_USED`, `EMAIL_TAKEN`.
    async fn verify_email(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: VerifyEmailInput,
    ) -> Answer<VerifyEmailPayload> {
        let outcome = async { ctx.service().verify_email(&input.token, ctx.caller().origin()).await }.await;
        VerifyEmailPayload::answer(ctx, outcome, input.client_mutation_id, |email| VerifyEmailPayload {
            email: Some(Email(email)),
            ..Default::default()
        })
        .await
    }

    /// Joins the organization with the token of an invitation mail. Somebody new gets a user, made now with the roles and
    /// groups of the invitation, and a session. Somebody whose address already has an account must be signed in to it. The
    /// address comes from the invitation and counts as verified.
    ///
    /// Permission: public (the token is the proof); with a login where `invitationByToken.isSignInRequired`, else
    /// `UNAUTHENTICATED`. Errors: `TOKEN_INVALID`, `TOKEN_EXPIRED`, `TOKEN_USED`, `INVITATION_NOT_PENDING`,
    /// `EMAIL_UNVERIFIED` (the address is not a verified one of the person signed in), `MANAGED_BY_CONNECTION` (the
    /// invitation wants a login provider), `PASSWORD_POLICY`, `PASSWORD_BREACHED`, `USERNAME_TAKEN`, `INVALID_USERNAME`,
    /// `RESERVED_USERNAME`, `INVALID_DISPLAY_NAME`, `VALIDATION_FAILED`, `ALREADY_MEMBER`, `INSUFFICIENT_RANK` (the inviter
    /// may no longer give these roles), `LIMIT_EXCEEDED`.
    async fn accept_invitation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: AcceptInvitationInput,
    ) -> Answer<AcceptInvitationPayload> {
        let (token, client_mutation_id) = (input.token.clone(), input.client_mutation_id.clone());
        let outcome = ctx.service().accept_invitation(ctx.caller(), &token, &input.acceptor()).await;
        AcceptInvitationPayload::answer(ctx, outcome, client_mutation_id, |done| AcceptInvitationPayload {
            user: Some(User(done.user)),
            organization: Some(Organization(done.organization)),
            session: done.session.map(|session| ctx.asking().session(session)),
            ..Default::default()
        })
        .await
    }

    /// Turns an invitation down, for good.
    ///
    /// Permission: public (the token is the proof). Errors: `TOKEN_INVALID`, `TOKEN_EXPIRED`, `INVITATION_NOT_PENDING`.
    async fn decline_invitation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: DeclineInvitationInput,
    ) -> Answer<DeclineInvitationPayload> {
        let outcome = async { ctx.service().decline_invitation(&input.token, ctx.caller().origin()).await }.await;
        DeclineInvitationPayload::answer(ctx, outcome, input.client_mutation_id, |id| DeclineInvitationPayload {
            invitation_id: Some(id.to_string().into()),
            ..Default::default()
        })
        .await
    }
}
