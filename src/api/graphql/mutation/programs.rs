//! Service accounts and their tokens.

use async_graphql::Context;

use super::super::groups::Group;
use super::super::inputs::service_accounts::{
    CreateApiTokenInput, CreateServiceAccountInput, DeleteServiceAccountInput, UpdateServiceAccountGroupsInput,
    UpdateServiceAccountInput,
};
use super::super::payloads::{
    Answer, CreateApiTokenPayload, CreateServiceAccountPayload, DeleteServiceAccountPayload,
    UpdateServiceAccountGroupsPayload, UpdateServiceAccountPayload,
};
use super::super::read::{count, edit, groups_edit, listed, not_null};
use super::super::request::Asking as _;
use super::super::service_accounts::ServiceAccount;
use super::super::tokens::ApiToken;
use crate::service::{ServiceAccountEdit, TokenDraft};

#[derive(Default)]
pub(super) struct Programs;

#[async_graphql::Object]
impl Programs {
    /// Makes a service account, with a first token if wanted.
    ///
    /// Permission: `service_account_write`; rank for roles, groups and scopes; with `token` step-up, and a person. Errors:
    /// `INVALID_USERNAME`, `USERNAME_TAKEN`, `RESERVED_USERNAME`, `INVALID_DISPLAY_NAME`, `VALIDATION_FAILED`,
    /// `NOT_FOUND` (role, group or scope), `MANAGED_BY_DIRECTORY` (group), `INSUFFICIENT_RANK`, `STEP_UP_REQUIRED`,
    /// `LIMIT_EXCEEDED`.
    async fn create_service_account(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: CreateServiceAccountInput,
    ) -> Answer<CreateServiceAccountPayload> {
        let client_mutation_id = input.client_mutation_id.clone();
        let outcome = async {
            let draft = input.draft();
            ctx.service().create_service_account(ctx.caller(), draft).await
        }
        .await;
        CreateServiceAccountPayload::answer(ctx, outcome, client_mutation_id, |(account, token)| {
            CreateServiceAccountPayload {
                service_account: Some(ServiceAccount(account)),
                secret: token.as_ref().map(|(_, secret)| secret.expose().to_owned()),
                token: token.map(|(token, _)| ApiToken(token)),
                ..Default::default()
            }
        })
        .await
    }

    /// Changes a service account. Absent fields stay as they are. Deactivating refuses all its tokens at once;
    /// activating lets those not revoked or expired work again.
    ///
    /// Permission: `service_account_write`; rank. Errors: `NOT_FOUND`, `INVALID_USERNAME`, `USERNAME_TAKEN`,
    /// `RESERVED_USERNAME`, `INVALID_DISPLAY_NAME`, `VALIDATION_FAILED`, `INSUFFICIENT_RANK`, `LIMIT_EXCEEDED`,
    /// `VERSION_CONFLICT`.
    async fn update_service_account(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: UpdateServiceAccountInput,
    ) -> Answer<UpdateServiceAccountPayload> {
        let client_mutation_id = input.client_mutation_id.clone();
        let outcome = async {
            let edit = ServiceAccountEdit {
                user_name: not_null(input.user_name, "userName")?,
                display_name: edit(input.display_name),
                description: edit(input.description),
                active: not_null(input.is_active, "isActive")?,
                roles: listed(input.roles),
            };
            ctx.service()
                .update_service_account(
                    ctx.caller(),
                    &input.service_account.into(),
                    &edit,
                    input.if_version.map(i64::from),
                )
                .await
        }
        .await;
        UpdateServiceAccountPayload::answer(ctx, outcome, client_mutation_id, |account| UpdateServiceAccountPayload {
            service_account: Some(ServiceAccount(account)),
            ..Default::default()
        })
        .await
    }

    /// Deletes a service account and its tokens.
    ///
    /// Permission: `service_account_write`; rank. Errors: `NOT_FOUND`, `INSUFFICIENT_RANK`, `VERSION_CONFLICT`.
    async fn delete_service_account(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: DeleteServiceAccountInput,
    ) -> Answer<DeleteServiceAccountPayload> {
        let client_mutation_id = input.client_mutation_id.clone();
        let outcome = async {
            ctx.service()
                .delete_service_account(ctx.caller(), &input.service_account.into(), input.if_version.map(i64::from))
                .await
        }
        .await;
        DeleteServiceAccountPayload::answer(ctx, outcome, client_mutation_id, |(id, tokens)| {
            DeleteServiceAccountPayload {
                deleted_service_account_id: Some(id.to_string().into()),
                tokens_revoked: Some(count(tokens)),
                ..Default::default()
            }
        })
        .await
    }

    /// Changes which groups a service account belongs to, with the same rules as `updateUserGroups`.
    ///
    /// Permission: `service_account_write` and `groups_manage`. Errors: `NOT_FOUND`, `INVALID_ARGUMENT_COMBINATION`
    /// (`set` with `add` or `remove`, even empty), `MANAGED_BY_DIRECTORY`, `INSUFFICIENT_RANK`, `LIMIT_EXCEEDED`,
    /// `VERSION_CONFLICT`.
    async fn update_service_account_groups(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: UpdateServiceAccountGroupsInput,
    ) -> Answer<UpdateServiceAccountGroupsPayload> {
        let client_mutation_id = input.client_mutation_id.clone();
        let outcome = async {
            let edit = groups_edit(input.add, input.remove, input.set);
            ctx.service()
                .update_service_account_groups(
                    ctx.caller(),
                    &input.service_account.into(),
                    &edit,
                    input.if_version.map(i64::from),
                )
                .await
        }
        .await;
        UpdateServiceAccountGroupsPayload::answer(ctx, outcome, client_mutation_id, |done| {
            UpdateServiceAccountGroupsPayload {
                service_account: Some(ServiceAccount(done.of)),
                added: done.added.into_iter().map(Group).collect(),
                removed: done.removed.into_iter().map(Group).collect(),
                kept_by_directory: done.kept.into_iter().map(Group).collect(),
                ..Default::default()
            }
        })
        .await
    }

    /// Makes a token for a service account.
    ///
    /// Permission: `service_account_write`; step-up; rank for the scopes. A service account's token makes tokens of its own
    /// account only, that can do no more and last no longer than it. Errors: `PROTECTED_ACCOUNT`, `NOT_FOUND` (service
    /// account or scope), `VALIDATION_FAILED`, `LIMIT_EXCEEDED` (100 active), `INSUFFICIENT_RANK`, `STEP_UP_REQUIRED`.
    async fn create_api_token(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: CreateApiTokenInput,
    ) -> Answer<CreateApiTokenPayload> {
        let client_mutation_id = input.client_mutation_id.clone();
        let outcome = async {
            let draft =
                TokenDraft { name: input.name, scopes: input.scopes, expires: input.expires_at.map(Into::into) };
            ctx.service().create_api_token(ctx.caller(), &input.service_account.into(), draft).await
        }
        .await;
        CreateApiTokenPayload::answer(ctx, outcome, client_mutation_id, |(token, secret)| CreateApiTokenPayload {
            token: Some(ApiToken(token)),
            secret: Some(secret.expose().to_owned()),
            ..Default::default()
        })
        .await
    }
}
