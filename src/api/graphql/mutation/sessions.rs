//! Logins, trusted devices and tokens.

use async_graphql::Context;

use super::super::inputs::{
    CreatePersonalTokenInput, RevokeLoginInput, RevokeLoginsInput, RevokeTokenInput, RevokeTrustedDeviceInput,
    RevokeTrustedDevicesInput, RotateApiTokenInput,
};
use super::super::logins::Login;
use super::super::payloads::{
    Answer, CreatePersonalTokenPayload, RevokeLoginPayload, RevokeLoginsPayload, RevokeTokenPayload,
    RevokeTrustedDevicePayload, RevokeTrustedDevicesPayload, RotateApiTokenPayload,
};
use super::super::read::{count, edit, read_id};
use super::super::request::Asking as _;
use super::super::scalars::DateTime;
use super::super::tokens::ApiToken;
use super::super::users::User;
use crate::service::TokenDraft;

#[derive(Default)]
pub(super) struct Sessions;

#[async_graphql::Object]
impl Sessions {
    /// Ends one login. Its access and refresh token are refused from the next request on, on every node, not only when they
    /// run out. Revoking the login that asks works too: this request still answers. Trusted devices stay.
    ///
    /// Permission: oneself; for somebody else's `user_sessions_manage`, rank. What the caller may not see is
    /// `NOT_FOUND`. A personal token ends none. Errors: `NOT_FOUND`, `INSUFFICIENT_RANK`, `PROTECTED_ACCOUNT`.
    async fn revoke_login(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: RevokeLoginInput,
    ) -> Answer<RevokeLoginPayload> {
        let outcome = async {
            let id = read_id(&input.login_id, "loginId")?;
            ctx.service().revoke_login(ctx.caller(), id).await
        }
        .await;
        RevokeLoginPayload::answer(ctx, outcome, input.client_mutation_id, |login| RevokeLoginPayload {
            was_current: Some(
                ctx.caller().as_person().and_then(|person| person.login()).is_some_and(|own| own.id == login.id),
            ),
            revoked_at: login.revoked.map(|(at, _)| DateTime::from(at)),
            login: Some(Login::seen(ctx, login)),
            ..Default::default()
        })
        .await
    }

    /// Ends all logins of a person, the calling one included unless `keepCurrent`.
    ///
    /// Permission: oneself; for somebody else `user_sessions_manage`, rank; then only the logins acting in this
    /// organization, or all of a managed account. A personal token ends none. Errors: `NOT_FOUND`, `INSUFFICIENT_RANK`,
    /// `PROTECTED_ACCOUNT` (a service account has no logins: `me.tokens` and `revokeToken`).
    async fn revoke_logins(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: RevokeLoginsInput,
    ) -> Answer<RevokeLoginsPayload> {
        let outcome = async {
            let who = input.user.map(Into::into);
            ctx.service().revoke_logins(ctx.caller(), who.as_ref(), input.keep_current).await
        }
        .await;
        RevokeLoginsPayload::answer(ctx, outcome, input.client_mutation_id, |(user, ended)| RevokeLoginsPayload {
            user: Some(User(user)),
            revoked_count: Some(count(ended)),
            ..Default::default()
        })
        .await
    }

    /// Ends the trust in one device: the next sign-in from it asks for the second factor. Logins keep running unless
    /// `revokeLogins`.
    ///
    /// Permission: oneself; for somebody else's `user_sessions_manage`, rank. What the caller may not see is
    /// `NOT_FOUND`. A personal token ends none. Errors: `NOT_FOUND`, `INSUFFICIENT_RANK`, `PROTECTED_ACCOUNT`.
    async fn revoke_trusted_device(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: RevokeTrustedDeviceInput,
    ) -> Answer<RevokeTrustedDevicePayload> {
        let ended = input.trusted_device_id.clone();
        let outcome = async {
            let id = read_id(&input.trusted_device_id, "trustedDeviceId")?;
            ctx.service().revoke_trusted_device(ctx.caller(), id, input.revoke_logins).await
        }
        .await;
        RevokeTrustedDevicePayload::answer(ctx, outcome, input.client_mutation_id, |done| RevokeTrustedDevicePayload {
            trusted_device_id: Some(ended),
            logins_revoked: Some(count(done.logins)),
            ..Default::default()
        })
        .await
    }

    /// Ends the trust in all devices of a person. Logins keep running unless `revokeLogins`.
    ///
    /// Permission: oneself; for somebody else `user_sessions_manage`, rank. A personal token ends none. Errors: `NOT_FOUND`,
    /// `INSUFFICIENT_RANK`, `PROTECTED_ACCOUNT` (a service account has no trusted devices).
    async fn revoke_trusted_devices(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: RevokeTrustedDevicesInput,
    ) -> Answer<RevokeTrustedDevicesPayload> {
        let outcome = async {
            let who = input.user.map(Into::into);
            ctx.service().revoke_trusted_devices(ctx.caller(), who.as_ref(), input.revoke_logins).await
        }
        .await;
        RevokeTrustedDevicesPayload::answer(ctx, outcome, input.client_mutation_id, |done| {
            RevokeTrustedDevicesPayload {
                user: done.user.map(User),
                revoked_count: Some(count(done.devices)),
                logins_revoked: Some(count(done.logins)),
                ..Default::default()
            }
        })
        .await
    }

    /// Makes an API token that acts as oneself in this organization.
    ///
    /// Permission: oneself, with a login; step-up. Errors: `LIMIT_EXCEEDED` (50 active), `INSUFFICIENT_RANK` (a scope one
    /// lacks), `VALIDATION_FAILED`, `STEP_UP_REQUIRED`, `PROTECTED_ACCOUNT`.
    async fn create_personal_token(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: CreatePersonalTokenInput,
    ) -> Answer<CreatePersonalTokenPayload> {
        let outcome = async {
            let draft =
                TokenDraft { name: input.name, scopes: input.scopes, expires: input.expires_at.map(Into::into) };
            ctx.service().create_personal_token(ctx.caller(), draft).await
        }
        .await;
        CreatePersonalTokenPayload::answer(ctx, outcome, input.client_mutation_id, |(token, secret)| {
            CreatePersonalTokenPayload {
                token: Some(ApiToken(token)),
                secret: Some(secret.expose().to_owned()),
                ..Default::default()
            }
        })
        .await
    }

    /// Ends a personal or service-account token at once, secrets in rotation included. For directories:
    /// `revokeDirectoryToken`.
    ///
    /// Permission: its holder, with a login; for a service account's `service_account_write`; for another person's
    /// `user_sessions_manage`, rank. A personal token ends none; a service account's token ends those of its own account
    /// that can do no more and last no longer than it. Errors: `NOT_FOUND`, `INSUFFICIENT_RANK`, `PROTECTED_ACCOUNT`.
    async fn revoke_token(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: RevokeTokenInput,
    ) -> Answer<RevokeTokenPayload> {
        let outcome = async {
            let id = read_id(&input.token_id, "tokenId")?;
            ctx.service().revoke_token(ctx.caller(), id).await
        }
        .await;
        RevokeTokenPayload::answer(ctx, outcome, input.client_mutation_id, |token| RevokeTokenPayload {
            token: Some(ApiToken(token)),
            ..Default::default()
        })
        .await
    }

    /// Gives a personal or service-account token a new secret. The record, its scopes and its name stay.
    ///
    /// Permission: its holder, or for a service account's `service_account_write`; step-up. A service account's token
    /// rotates those of its own account that can do no more and last no longer than it. Errors: `NOT_FOUND`,
    /// `ILLEGAL_TRANSITION` (revoked or expired), `VALIDATION_FAILED`, `INSUFFICIENT_RANK`, `STEP_UP_REQUIRED`,
    /// `PROTECTED_ACCOUNT`.
    async fn rotate_api_token(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: RotateApiTokenInput,
    ) -> Answer<RotateApiTokenPayload> {
        let outcome = async {
            let id = read_id(&input.token_id, "tokenId")?;
            let expires = edit(input.expires_at.map_value(Into::into));
            ctx.service().rotate_api_token(ctx.caller(), id, input.grace_seconds, &expires).await
        }
        .await;
        RotateApiTokenPayload::answer(ctx, outcome, input.client_mutation_id, |(token, secret)| RotateApiTokenPayload {
            token: Some(ApiToken(token)),
            secret: Some(secret.expose().to_owned()),
            ..Default::default()
        })
        .await
    }
}
