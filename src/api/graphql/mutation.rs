//! Everything that can be changed. Each resolver reads its input, calls one verb, and says what came of it.

#![expect(clippy::doc_markdown, reason = "the descriptions are the contract's, word for word")]

use async_graphql::{Context, MergedObject};

use super::failure::Failure;
use super::inputs::*;
use super::logins::{Login, Session, TrustedDevice};
use super::organizations::Organization;
use super::payloads::*;
use super::people::{Email, MfaFactor, MfaState, Settings};
use super::read::{count, edit, one_factor, one_proof, read_id};
use super::request::Asking as _;
use super::scalars::{DateTime, Url};
use super::tokens::ApiToken;
use super::users::User;
use crate::domain::second_factor::RecoveryCode;
use crate::service::SignInOutcome;

/// Everything that can be changed. Each takes one `input` and answers a payload: the changed object, null if nothing was
/// done, and `userErrors`. Fields run one after the other; a document may hold at most 10, and at most one of those that
/// check a password or code. Repeating a state already reached is no error and answers the object. Each change, its
/// consequences (logins ended, tokens revoked), its audit event and its mails happen together or not at all.
#[derive(Default, MergedObject)]
pub(super) struct Mutation(SigningIn, Oneself, Addresses, Credentials, Sessions);

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
    ) -> Option<Result<LoginPayload, Failure>> {
        Some(
            async {
                let client_mutation_id = input.client_mutation_id.clone();
                let outcome = async {
                    let done = ctx.service().sign_in_with_password(input.sign_in()?, ctx.caller().origin()).await?;
                    if let SignInOutcome::Session(session) = &done.outcome {
                        ctx.asking().go_on_with(session).await?;
                    }
                    Ok(done)
                }
                .await;
                LoginPayload::answer(outcome, client_mutation_id, |done| {
                    let trusted_device_token = done.trusted_device_token.map(|token| token.expose().to_owned());
                    match done.outcome {
                        SignInOutcome::Session(session) => LoginPayload {
                            session: Some(Session(*session)),
                            trusted_device_token,
                            ..Default::default()
                        },
                        SignInOutcome::Challenge(challenge) => {
                            LoginPayload { challenge: Some(challenge.into()), ..Default::default() }
                        }
                    }
                })
            }
            .await,
        )
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
    ) -> Option<Result<VerifyMfaPayload, Failure>> {
        Some(
            async {
                let outcome = async {
                    let factor = one_factor(input.code, input.recovery_code)?;
                    let origin = ctx.caller().origin();
                    let service = ctx.service();
                    let done =
                        service.sign_in_with_code(&input.challenge_token, &factor, input.trust_device, origin).await?;
                    ctx.asking().go_on_with(&done.session).await?;
                    Ok(done)
                }
                .await;
                VerifyMfaPayload::answer(outcome, input.client_mutation_id, |done| {
                    let (trusted_device, secret) = done.trusted.unzip();
                    VerifyMfaPayload {
                        session: Some(Session(done.session)),
                        trusted_device: trusted_device.map(TrustedDevice),
                        trusted_device_token: secret.map(|secret| secret.expose().to_owned()),
                        recovery_codes_remaining: done.recovery_codes_remaining.map(count),
                        ..Default::default()
                    }
                })
            }
            .await,
        )
    }

    /// Exchanges a refresh token for new tokens of the same login. Each refresh token works once: using one again revokes
    /// the login.
    ///
    /// Permission: public (the refresh token is the proof). Errors: `TOKEN_INVALID`, `TOKEN_EXPIRED`, `TOKEN_USED`.
    async fn refresh_session(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: RefreshSessionInput,
    ) -> Option<Result<RefreshSessionPayload, Failure>> {
        Some(
            async {
                let outcome = async {
                    let origin = ctx.caller().origin();
                    let session = ctx.service().sign_in_with_refresh_token(&input.refresh_token, origin).await?;
                    ctx.asking().go_on_with(&session).await?;
                    Ok(session)
                }
                .await;
                RefreshSessionPayload::answer(outcome, input.client_mutation_id, |session| RefreshSessionPayload {
                    session: Some(Session(session)),
                    ..Default::default()
                })
            }
            .await,
        )
    }

    /// Ends the login making the request, or the one of the given refresh token, and cancels a challenge sent as the
    /// bearer. Access and refresh token stop working at once. A second time: the same answer.
    ///
    /// Permission: public (any token of the login is the proof). Errors: `TOKEN_INVALID`.
    async fn logout(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: LogoutInput,
    ) -> Option<Result<LogoutPayload, Failure>> {
        Some(
            async {
                let outcome = async {
                    ctx.service()
                        .sign_out(ctx.asking().bearer(), input.refresh_token.as_deref(), ctx.caller().origin())
                        .await
                }
                .await;
                LogoutPayload::answer(outcome, input.client_mutation_id, |login| LogoutPayload {
                    login_id: login.map(|login| login.to_string().into()),
                    ..Default::default()
                })
            }
            .await,
        )
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
    ) -> Option<Result<ReauthenticatePayload, Failure>> {
        Some(
            async {
                let outcome = async {
                    let proof = one_proof(input.password, input.code)?;
                    ctx.service().reauthenticate(ctx.caller(), &proof).await
                }
                .await;
                ReauthenticatePayload::answer(outcome, input.client_mutation_id, |session| ReauthenticatePayload {
                    step_up_until: session.login.fresh_until.map(DateTime::from),
                    session: Some(Session(session)),
                    ..Default::default()
                })
            }
            .await,
        )
    }

    /// Makes the login act in another organization of the same person. Answers new tokens; the old ones stop working. Where
    /// that organization demands more proof than the login has, a challenge comes first.
    ///
    /// Permission: oneself, with a login; member of that organization. Errors: `NOT_FOUND`, `PROTECTED_ACCOUNT`.
    async fn switch_organization(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: SwitchOrganizationInput,
    ) -> Option<Result<SwitchOrganizationPayload, Failure>> {
        Some(
            async {
                let outcome =
                    async { ctx.service().switch_organization(ctx.caller(), &input.organization.into()).await }.await;
                SwitchOrganizationPayload::answer(outcome, input.client_mutation_id, |done| {
                    let (session, challenge) = match done.outcome {
                        Ok(session) => (Some(Session(session)), None),
                        Err(challenge) => (None, Some(challenge.into())),
                    };
                    let organization = session.is_some().then_some(Organization(done.organization));
                    SwitchOrganizationPayload { session, challenge, organization, ..Default::default() }
                })
            }
            .await,
        )
    }

    /// Mails a link to set a new password, if that address is a verified one of somebody with a password. Answers the same,
    /// in the same time, if not. A new link voids the one before; good for 1 hour.
    ///
    /// Permission: public. Errors: `INVALID_EMAIL`, `RATE_LIMITED`.
    async fn request_password_reset(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: RequestPasswordResetInput,
    ) -> Option<Result<RequestPasswordResetPayload, Failure>> {
        Some(
            async {
                let outcome =
                    async { ctx.service().request_password_reset(&input.email, ctx.caller().origin()).await }.await;
                RequestPasswordResetPayload::answer(outcome, input.client_mutation_id, |()| {
                    RequestPasswordResetPayload::default()
                })
            }
            .await,
        )
    }

    /// Sets a new password with the token of a reset mail. Ends all logins, trusted devices and other reset links. Signs
    /// nobody in: `login` follows, and still asks for the second factor.
    ///
    /// Permission: public (the token is the proof). Errors: `TOKEN_INVALID`, `TOKEN_EXPIRED`, `TOKEN_USED`,
    /// `PASSWORD_POLICY`, `PASSWORD_BREACHED`.
    async fn complete_password_reset(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: CompletePasswordResetInput,
    ) -> Option<Result<CompletePasswordResetPayload, Failure>> {
        Some(
            async {
                let outcome = async {
                    ctx.service()
                        .complete_password_reset(&input.token, &input.new_password, ctx.caller().origin())
                        .await
                }
                .await;
                CompletePasswordResetPayload::answer(outcome, input.client_mutation_id, |logins| {
                    CompletePasswordResetPayload { logins_revoked: Some(count(logins)), ..Default::default() }
                })
            }
            .await,
        )
    }

    /// Proves an address with the token of a verification mail. Completes a change of address that waited for it.
    ///
    /// Permission: public (the token is the proof). Errors: `TOKEN_INVALID`, `TOKEN_EXPIRED`, `TOKEN_USED`, `EMAIL_TAKEN`.
    async fn verify_email(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: VerifyEmailInput,
    ) -> Option<Result<VerifyEmailPayload, Failure>> {
        Some(
            async {
                let outcome = async { ctx.service().verify_email(&input.token, ctx.caller().origin()).await }.await;
                VerifyEmailPayload::answer(outcome, input.client_mutation_id, |email| VerifyEmailPayload {
                    email: Some(Email(email)),
                    ..Default::default()
                })
            }
            .await,
        )
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
    ) -> Option<Result<AcceptInvitationPayload, Failure>> {
        Some(
            async {
                let (token, client_mutation_id) = (input.token.clone(), input.client_mutation_id.clone());
                let outcome = async {
                    let done = ctx.service().accept_invitation(ctx.caller(), &token, &input.acceptor()).await?;
                    if let Some(session) = &done.session {
                        ctx.asking().go_on_with(session).await?;
                    }
                    Ok(done)
                }
                .await;
                AcceptInvitationPayload::answer(outcome, client_mutation_id, |done| AcceptInvitationPayload {
                    user: Some(User(done.user)),
                    organization: Some(Organization(done.organization)),
                    session: done.session.map(Session),
                    ..Default::default()
                })
            }
            .await,
        )
    }

    /// Turns an invitation down, for good.
    ///
    /// Permission: public (the token is the proof). Errors: `TOKEN_INVALID`, `TOKEN_EXPIRED`, `INVITATION_NOT_PENDING`.
    async fn decline_invitation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: DeclineInvitationInput,
    ) -> Option<Result<DeclineInvitationPayload, Failure>> {
        Some(
            async {
                let outcome =
                    async { ctx.service().decline_invitation(&input.token, ctx.caller().origin()).await }.await;
                DeclineInvitationPayload::answer(outcome, input.client_mutation_id, |id| DeclineInvitationPayload {
                    invitation_id: Some(id.to_string().into()),
                    ..Default::default()
                })
            }
            .await,
        )
    }
}

#[derive(Default)]
pub(super) struct Oneself;

#[async_graphql::Object]
impl Oneself {
    /// Changes one's own profile. Absent fields stay as they are. Applies in every organization the person belongs to, but
    /// for values a directory or login provider keeps there: in the current organization those are refused, elsewhere left
    /// alone and named in `skippedOrganizations`. A new `email` is added unverified and mailed; it becomes the primary
    /// address on verification (`accountPolicy.emailChange`). All or nothing.
    ///
    /// Permission: `user_self_profile_write`. Errors: `ID_MISMATCH`, `VERSION_CONFLICT`, `MANAGED_BY_CONNECTION`,
    /// `MANAGED_BY_DIRECTORY`, `PROTECTED_ACCOUNT` (service account or root), `INSUFFICIENT_RANK` (`isActive`,
    /// `isSuperuser`), `RESERVED_USERNAME`, `INVALID_USERNAME`, `USERNAME_TAKEN`, `INVALID_EMAIL`, `EMAIL_TAKEN`,
    /// `INVALID_DISPLAY_NAME`, `VALIDATION_FAILED`, `LIMIT_EXCEEDED`, `LAST_OWNER` (`disabled`), `RATE_LIMITED`.
    async fn update_me(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: UpdateMeInput,
    ) -> Option<Result<UpdateMePayload, Failure>> {
        Some(
            async {
                let client_mutation_id = input.client_mutation_id.clone();
                let update = input.update();
                let outcome = async {
                    let update = update?;
                    ctx.service().update_me(ctx.caller(), update).await
                }
                .await;
                UpdateMePayload::answer(outcome, client_mutation_id, |done| UpdateMePayload {
                    user: Some(User(done.user)),
                    pending_email: done.pending_email.map(Email),
                    skipped_organizations: Some(done.skipped.into_iter().map(Organization).collect()),
                    ..Default::default()
                })
            }
            .await,
        )
    }

    /// Changes one's own preferences. Absent fields stay as they are; null puts a field back to its default.
    ///
    /// Permission: oneself. Errors: `VALIDATION_FAILED`, `LIMIT_EXCEEDED`, `VERSION_CONFLICT`, `PROTECTED_ACCOUNT`.
    async fn update_my_settings(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: UpdateMySettingsInput,
    ) -> Option<Result<UpdateMySettingsPayload, Failure>> {
        Some(
            async {
                let (client_mutation_id, if_version) =
                    (input.client_mutation_id.clone(), input.if_version.map(i64::from));
                let edit = input.edit();
                let outcome = async { ctx.service().update_my_settings(ctx.caller(), &edit, if_version).await }.await;
                UpdateMySettingsPayload::answer(outcome, client_mutation_id, |settings| UpdateMySettingsPayload {
                    settings: Some(Settings(settings)),
                    ..Default::default()
                })
            }
            .await,
        )
    }

    /// Notes that the first steps are done: `User.isOnboarded`.
    ///
    /// Permission: oneself. Errors: `PROTECTED_ACCOUNT`.
    async fn complete_onboarding(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: CompleteOnboardingInput,
    ) -> Option<Result<CompleteOnboardingPayload, Failure>> {
        Some(
            async {
                let outcome = async { ctx.service().complete_onboarding(ctx.caller()).await }.await;
                CompleteOnboardingPayload::answer(outcome, input.client_mutation_id, |user| CompleteOnboardingPayload {
                    user: Some(User(user)),
                    ..Default::default()
                })
            }
            .await,
        )
    }

    /// Leaves the current organization. The account and its other memberships stay; the login ends.
    ///
    /// Permission: oneself, with a login; step-up. Errors: `LAST_OWNER`, `MANAGED_BY_DIRECTORY`, `NOT_MANAGED_ACCOUNT` (a
    /// managed account is removed by an administrator), `STEP_UP_REQUIRED`, `PROTECTED_ACCOUNT`.
    async fn leave_organization(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: LeaveOrganizationInput,
    ) -> Option<Result<LeaveOrganizationPayload, Failure>> {
        Some(
            async {
                let outcome = async { ctx.service().leave_organization(ctx.caller()).await }.await;
                LeaveOrganizationPayload::answer(outcome, input.client_mutation_id, |id| LeaveOrganizationPayload {
                    organization_id: Some(id.to_string().into()),
                    ..Default::default()
                })
            }
            .await,
        )
    }
}

#[derive(Default)]
pub(super) struct Addresses;

#[async_graphql::Object]
impl Addresses {
    /// Adds an address and mails a link to verify it. Answers the same where the address belongs to somebody else; its
    /// owner then gets a notice instead.
    ///
    /// Permission: oneself; for somebody else `user_access_manage`, managed, rank. Errors: `INVALID_EMAIL`, `EMAIL_TAKEN`
    /// (one's own already; for an administrator also another user's here), `LIMIT_EXCEEDED` (10), `RATE_LIMITED`,
    /// `MANAGED_BY_DIRECTORY`, `NOT_FOUND`, `NOT_MANAGED_ACCOUNT`, `INSUFFICIENT_RANK`, `PROTECTED_ACCOUNT`.
    async fn add_email(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: AddEmailInput,
    ) -> Option<Result<AddEmailPayload, Failure>> {
        Some(
            async {
                let outcome = async {
                    let who = input.user.map(Into::into);
                    ctx.service().add_email(ctx.caller(), who.as_ref(), &input.email).await
                }
                .await;
                AddEmailPayload::answer(outcome, input.client_mutation_id, |email| AddEmailPayload {
                    email: Some(Email(email)),
                    ..Default::default()
                })
            }
            .await,
        )
    }

    /// Mails a new link for an unverified address; the one before stops working.
    ///
    /// Permission: oneself. Errors: `NOT_FOUND`, `ILLEGAL_TRANSITION` (already verified), `RATE_LIMITED`.
    async fn resend_email_verification(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: ResendEmailVerificationInput,
    ) -> Option<Result<ResendEmailVerificationPayload, Failure>> {
        Some(
            async {
                let outcome = async {
                    let id = read_id(&input.email_id, "emailId")?;
                    ctx.service().resend_email_verification(ctx.caller(), id).await
                }
                .await;
                ResendEmailVerificationPayload::answer(outcome, input.client_mutation_id, |email| {
                    ResendEmailVerificationPayload { email: Some(Email(email)), ..Default::default() }
                })
            }
            .await,
        )
    }

    /// Removes an address.
    ///
    /// Permission: oneself; for somebody else `user_access_manage`, managed, rank. Errors: `NOT_FOUND`, `PRIMARY_EMAIL`,
    /// `MANAGED_BY_DIRECTORY`, `MANAGED_BY_CONNECTION`, `NOT_MANAGED_ACCOUNT`, `INSUFFICIENT_RANK`.
    async fn remove_email(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: RemoveEmailInput,
    ) -> Option<Result<RemoveEmailPayload, Failure>> {
        Some(
            async {
                let removed = input.email_id.clone();
                let outcome = async {
                    let id = read_id(&input.email_id, "emailId")?;
                    ctx.service().remove_email(ctx.caller(), id).await
                }
                .await;
                RemoveEmailPayload::answer(outcome, input.client_mutation_id, |user| RemoveEmailPayload {
                    removed_email_id: Some(removed),
                    user: Some(User(user)),
                    ..Default::default()
                })
            }
            .await,
        )
    }

    /// Makes a verified address the primary one. Both addresses get a notice.
    ///
    /// Permission: oneself. Errors: `NOT_FOUND`, `EMAIL_UNVERIFIED`, `MANAGED_BY_DIRECTORY`, `MANAGED_BY_CONNECTION`.
    async fn set_primary_email(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: SetPrimaryEmailInput,
    ) -> Option<Result<SetPrimaryEmailPayload, Failure>> {
        Some(
            async {
                let outcome = async {
                    let id = read_id(&input.email_id, "emailId")?;
                    ctx.service().set_primary_email(ctx.caller(), id).await
                }
                .await;
                SetPrimaryEmailPayload::answer(outcome, input.client_mutation_id, |email| SetPrimaryEmailPayload {
                    email: Some(Email(email)),
                    user: ctx.caller().as_person().map(|person| User(person.user.clone())),
                    ..Default::default()
                })
            }
            .await,
        )
    }
}

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
    ) -> Option<Result<ChangePasswordPayload, Failure>> {
        Some(
            async {
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
                ChangePasswordPayload::answer(outcome, input.client_mutation_id, |done| ChangePasswordPayload {
                    user: Some(User(done.user)),
                    session: done.session.map(Session),
                    logins_revoked: Some(count(done.logins)),
                    ..Default::default()
                })
            }
            .await,
        )
    }

    /// Starts adding an authenticator app. Has no effect until `confirmTotpEnrollment`; starting again voids the secret
    /// before.
    ///
    /// Permission: oneself, with a login; step-up. Errors: `MFA_ALREADY_ENROLLED`, `STEP_UP_REQUIRED`, `PROTECTED_ACCOUNT`.
    async fn begin_totp_enrollment(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: BeginTotpEnrollmentInput,
    ) -> Option<Result<BeginTotpEnrollmentPayload, Failure>> {
        Some(
            async {
                let outcome = async { ctx.service().begin_totp_enrollment(ctx.caller(), input.name).await }.await;
                BeginTotpEnrollmentPayload::answer(outcome, input.client_mutation_id, |begun| {
                    ctx.asking().show_qr_code(&begun.qr_code);
                    BeginTotpEnrollmentPayload {
                        secret: Some(begun.secret.to_string()),
                        otpauth_url: Some(Url(begun.url.to_string())),
                        expires_at: Some(begun.confirm_by.into()),
                        ..Default::default()
                    }
                })
            }
            .await,
        )
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
    ) -> Option<Result<ConfirmTotpEnrollmentPayload, Failure>> {
        Some(
            async {
                let outcome = async { ctx.service().confirm_totp_enrollment(ctx.caller(), &input.code).await }.await;
                ConfirmTotpEnrollmentPayload::answer(outcome, input.client_mutation_id, |done| {
                    ConfirmTotpEnrollmentPayload {
                        mfa: Some(MfaState(crate::service::MfaState {
                            authenticator: Some(done.authenticator.clone()),
                            recovery_codes: done.codes.len(),
                            required: ctx.caller().as_person().is_some_and(|person| person.policy.mfa_required),
                        })),
                        factor: Some(MfaFactor(done.authenticator)),
                        recovery_codes: Some(done.codes.iter().map(|code| code.expose().to_owned()).collect()),
                        session: Some(Session(done.session)),
                        ..Default::default()
                    }
                })
            }
            .await,
        )
    }

    /// Removes one of one's second factors; with the last one go the recovery codes. Trusted devices end.
    ///
    /// Permission: oneself, with a login; step-up. Errors: `NOT_FOUND`, `LAST_CREDENTIAL` (the organization requires a
    /// second factor), `STEP_UP_REQUIRED`.
    async fn remove_mfa_factor(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: RemoveMfaFactorInput,
    ) -> Option<Result<RemoveMfaFactorPayload, Failure>> {
        Some(
            async {
                let removed = input.factor_id.clone();
                let outcome = async {
                    let id = read_id(&input.factor_id, "factorId")?;
                    ctx.service().remove_mfa_factor(ctx.caller(), id).await?;
                    ctx.service().get_my_mfa(ctx.caller()).await
                }
                .await;
                RemoveMfaFactorPayload::answer(outcome, input.client_mutation_id, |mfa| RemoveMfaFactorPayload {
                    removed_factor_id: Some(removed),
                    mfa: Some(MfaState(mfa)),
                    ..Default::default()
                })
            }
            .await,
        )
    }

    /// Makes ten new recovery codes, shown this once; all earlier ones stop working.
    ///
    /// Permission: oneself, with a login; step-up. Errors: `ILLEGAL_TRANSITION` (no second factor), `STEP_UP_REQUIRED`.
    async fn regenerate_recovery_codes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: RegenerateRecoveryCodesInput,
    ) -> Option<Result<RegenerateRecoveryCodesPayload, Failure>> {
        Some(
            async {
                let outcome = async {
                    let codes = ctx.service().regenerate_recovery_codes(ctx.caller()).await?;
                    Ok((codes, ctx.service().get_my_mfa(ctx.caller()).await?))
                }
                .await;
                RegenerateRecoveryCodesPayload::answer(
                    outcome,
                    input.client_mutation_id,
                    |(codes, mfa): (Vec<RecoveryCode>, _)| RegenerateRecoveryCodesPayload {
                        recovery_codes: Some(codes.iter().map(|code| code.expose().to_owned()).collect()),
                        mfa: Some(MfaState(mfa)),
                        ..Default::default()
                    },
                )
            }
            .await,
        )
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
    ) -> Option<Result<ResetMfaPayload, Failure>> {
        Some(
            async {
                let outcome =
                    async { ctx.service().reset_mfa(ctx.caller(), &input.user.into(), input.reason).await }.await;
                ResetMfaPayload::answer(outcome, input.client_mutation_id, |reset| ResetMfaPayload {
                    user: Some(User(reset.user)),
                    factors_removed: Some(count(reset.factors)),
                    recovery_codes_removed: Some(count(reset.recovery_codes)),
                    logins_revoked: Some(count(reset.logins)),
                    trusted_devices_revoked: Some(count(reset.devices)),
                    ..Default::default()
                })
            }
            .await,
        )
    }
}

#[derive(Default)]
pub(super) struct Sessions;

#[async_graphql::Object]
impl Sessions {
    /// Ends one login. Its access and refresh token are refused from the next request on, on every node, not only when they
    /// run out. Revoking the login that asks works too: this request still answers. Trusted devices stay.
    ///
    /// Permission: oneself; for somebody else's `user_sessions_manage`, rank. What the caller may not see is `NOT_FOUND`.
    /// Errors: `NOT_FOUND`, `INSUFFICIENT_RANK`.
    async fn revoke_login(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: RevokeLoginInput,
    ) -> Option<Result<RevokeLoginPayload, Failure>> {
        Some(
            async {
                let outcome = async {
                    let id = read_id(&input.login_id, "loginId")?;
                    ctx.service().revoke_login(ctx.caller(), id).await
                }
                .await;
                RevokeLoginPayload::answer(outcome, input.client_mutation_id, |login| RevokeLoginPayload {
                    was_current: Some(
                        ctx.caller()
                            .as_person()
                            .and_then(|person| person.login())
                            .is_some_and(|own| own.id == login.id),
                    ),
                    revoked_at: login.revoked.map(|(at, _)| DateTime::from(at)),
                    login: Some(Login::seen(ctx, login)),
                    ..Default::default()
                })
            }
            .await,
        )
    }

    /// Ends all logins of a person, the calling one included unless `keepCurrent`.
    ///
    /// Permission: oneself; for somebody else `user_sessions_manage`, rank; then only the logins acting in this
    /// organization, or all of a managed account. Errors: `NOT_FOUND`, `INSUFFICIENT_RANK`.
    async fn revoke_logins(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: RevokeLoginsInput,
    ) -> Option<Result<RevokeLoginsPayload, Failure>> {
        Some(
            async {
                let outcome = async {
                    let who = input.user.map(Into::into);
                    ctx.service().revoke_logins(ctx.caller(), who.as_ref(), input.keep_current).await
                }
                .await;
                RevokeLoginsPayload::answer(outcome, input.client_mutation_id, |(user, ended)| RevokeLoginsPayload {
                    user: Some(User(user)),
                    revoked_count: Some(count(ended)),
                    ..Default::default()
                })
            }
            .await,
        )
    }

    /// Ends the trust in one device: the next sign-in from it asks for the second factor. Logins keep running unless
    /// `revokeLogins`.
    ///
    /// Permission: oneself; for somebody else's `user_sessions_manage`, rank. What the caller may not see is `NOT_FOUND`.
    /// Errors: `NOT_FOUND`, `INSUFFICIENT_RANK`.
    async fn revoke_trusted_device(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: RevokeTrustedDeviceInput,
    ) -> Option<Result<RevokeTrustedDevicePayload, Failure>> {
        Some(
            async {
                let ended = input.trusted_device_id.clone();
                let outcome = async {
                    let id = read_id(&input.trusted_device_id, "trustedDeviceId")?;
                    ctx.service().revoke_trusted_device(ctx.caller(), id, input.revoke_logins).await
                }
                .await;
                RevokeTrustedDevicePayload::answer(outcome, input.client_mutation_id, |done| {
                    RevokeTrustedDevicePayload {
                        trusted_device_id: Some(ended),
                        logins_revoked: Some(count(done.logins)),
                        ..Default::default()
                    }
                })
            }
            .await,
        )
    }

    /// Ends the trust in all devices of a person. Logins keep running unless `revokeLogins`.
    ///
    /// Permission: oneself; for somebody else `user_sessions_manage`, rank. Errors: `NOT_FOUND`, `INSUFFICIENT_RANK`.
    async fn revoke_trusted_devices(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: RevokeTrustedDevicesInput,
    ) -> Option<Result<RevokeTrustedDevicesPayload, Failure>> {
        Some(
            async {
                let outcome = async {
                    let who = input.user.map(Into::into);
                    ctx.service().revoke_trusted_devices(ctx.caller(), who.as_ref(), input.revoke_logins).await
                }
                .await;
                RevokeTrustedDevicesPayload::answer(outcome, input.client_mutation_id, |done| {
                    RevokeTrustedDevicesPayload {
                        user: done.user.map(User),
                        revoked_count: Some(count(done.devices)),
                        logins_revoked: Some(count(done.logins)),
                        ..Default::default()
                    }
                })
            }
            .await,
        )
    }

    /// Makes an API token that acts as oneself in this organization.
    ///
    /// Permission: oneself, with a login; step-up. Errors: `LIMIT_EXCEEDED` (50 active), `INSUFFICIENT_RANK` (a scope one
    /// lacks), `VALIDATION_FAILED`, `STEP_UP_REQUIRED`, `PROTECTED_ACCOUNT`.
    async fn create_personal_token(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: CreatePersonalTokenInput,
    ) -> Option<Result<CreatePersonalTokenPayload, Failure>> {
        Some(
            async {
                let outcome = async {
                    ctx.service()
                        .create_personal_token(
                            ctx.caller(),
                            input.name,
                            &input.scopes,
                            input.expires_at.map(Into::into),
                        )
                        .await
                }
                .await;
                CreatePersonalTokenPayload::answer(outcome, input.client_mutation_id, |(token, secret)| {
                    CreatePersonalTokenPayload {
                        token: Some(ApiToken(token)),
                        secret: Some(secret.expose().to_owned()),
                        ..Default::default()
                    }
                })
            }
            .await,
        )
    }

    /// Ends a personal or service-account token at once, secrets in rotation included. For directories:
    /// `revokeDirectoryToken`.
    ///
    /// Permission: its holder; for a service account's `service_account_write`; for another person's
    /// `user_sessions_manage`, rank. Errors: `NOT_FOUND`, `INSUFFICIENT_RANK`.
    async fn revoke_token(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: RevokeTokenInput,
    ) -> Option<Result<RevokeTokenPayload, Failure>> {
        Some(
            async {
                let outcome = async {
                    let id = read_id(&input.token_id, "tokenId")?;
                    ctx.service().revoke_token(ctx.caller(), id).await
                }
                .await;
                RevokeTokenPayload::answer(outcome, input.client_mutation_id, |token| RevokeTokenPayload {
                    token: Some(ApiToken(token)),
                    ..Default::default()
                })
            }
            .await,
        )
    }

    /// Gives a personal or service-account token a new secret. The record, its scopes and its name stay.
    ///
    /// Permission: its holder, or for a service account's `service_account_write`; step-up. Errors: `NOT_FOUND`,
    /// `ILLEGAL_TRANSITION` (revoked or expired), `VALIDATION_FAILED`, `INSUFFICIENT_RANK`, `STEP_UP_REQUIRED`.
    async fn rotate_api_token(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: RotateApiTokenInput,
    ) -> Option<Result<RotateApiTokenPayload, Failure>> {
        Some(
            async {
                let outcome = async {
                    let id = read_id(&input.token_id, "tokenId")?;
                    let expires = edit(input.expires_at.map_value(Into::into));
                    ctx.service().rotate_api_token(ctx.caller(), id, input.grace_seconds, &expires).await
                }
                .await;
                RotateApiTokenPayload::answer(outcome, input.client_mutation_id, |(token, secret)| {
                    RotateApiTokenPayload {
                        token: Some(ApiToken(token)),
                        secret: Some(secret.expose().to_owned()),
                        ..Default::default()
                    }
                })
            }
            .await,
        )
    }
}
