//! SCIM clients, their tokens and mappings.

use async_graphql::Context;

use super::super::directories::Directory;
use super::super::inputs::directories::{
    CreateDirectoryInput, DeleteDirectoryInput, RevokeDirectoryTokenInput, RotateDirectoryTokenInput,
    SetGroupRoleMappingsInput, UpdateDirectoryInput,
};
use super::super::payloads::{
    Answer, CreateDirectoryPayload, DeleteDirectoryPayload, RevokeDirectoryTokenPayload, RotateDirectoryTokenPayload,
    SetGroupRoleMappingsPayload, UpdateDirectoryPayload,
};
use super::super::read::count;
use super::super::request::Asking as _;
use super::super::tokens::ApiToken;
use crate::service::MappingWish;

#[derive(Default)]
pub(super) struct Directories;

#[async_graphql::Object]
impl Directories {
    /// Makes a SCIM client with a first token. Enter `directory.baseUrl` and `secret` at the identity provider.
    ///
    /// Permission: `directory_manage` and those that its token will have (`user_access_manage`, `groups_manage`); a person with
    /// step-up. Errors: `PROTECTED_ACCOUNT`, `NAME_TAKEN`, `VALIDATION_FAILED`, `LIMIT_EXCEEDED` (20 directories),
    /// `INSUFFICIENT_RANK`, `STEP_UP_REQUIRED`.
    async fn create_directory(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: CreateDirectoryInput,
    ) -> Answer<CreateDirectoryPayload> {
        let client_mutation_id = input.client_mutation_id.clone();
        let outcome = async {
            let expires = input.token_expires_at.map(Into::into);
            let draft = input.draft()?;
            ctx.service().create_directory(ctx.caller(), draft, expires).await
        }
        .await;
        CreateDirectoryPayload::answer(ctx, outcome, client_mutation_id, |(directory, token, secret)| {
            CreateDirectoryPayload {
                directory: Some(Directory(directory)),
                token: Some(ApiToken(token)),
                secret: Some(secret.expose().to_owned()),
                ..Default::default()
            }
        })
        .await
    }

    /// Changes a directory. Absent fields stay as they are. Disabling refuses its requests at once; its users and
    /// groups stay.
    ///
    /// Permission: `directory_manage`; step-up. Errors: `NOT_FOUND`, `NAME_TAKEN`, `VALIDATION_FAILED`,
    /// `VERSION_CONFLICT`, `STEP_UP_REQUIRED`.
    async fn update_directory(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: UpdateDirectoryInput,
    ) -> Answer<UpdateDirectoryPayload> {
        let client_mutation_id = input.client_mutation_id.clone();
        let outcome = async {
            let (id, version) = (input.directory_id.clone(), input.if_version.map(i64::from));
            let change = input.change()?;
            ctx.service().update_directory(ctx.caller(), &id, change, version).await
        }
        .await;
        UpdateDirectoryPayload::answer(ctx, outcome, client_mutation_id, |directory| UpdateDirectoryPayload {
            directory: Some(Directory(directory)),
            ..Default::default()
        })
        .await
    }

    /// Makes a new token for a directory. The tokens before stop working at the end of the grace time.
    ///
    /// Permission: `directory_manage` and those that its token has; a person with step-up. Errors: `NOT_FOUND`,
    /// `VALIDATION_FAILED`, `INSUFFICIENT_RANK`, `STEP_UP_REQUIRED`, `PROTECTED_ACCOUNT`.
    async fn rotate_directory_token(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: RotateDirectoryTokenInput,
    ) -> Answer<RotateDirectoryTokenPayload> {
        let client_mutation_id = input.client_mutation_id.clone();
        let outcome = async {
            let expires = input.expires_at.map(Into::into);
            ctx.service().rotate_directory_token(ctx.caller(), &input.directory_id, input.grace_seconds, expires).await
        }
        .await;
        RotateDirectoryTokenPayload::answer(ctx, outcome, client_mutation_id, |(directory, token, secret)| {
            RotateDirectoryTokenPayload {
                directory: Some(Directory(directory)),
                token: Some(ApiToken(token)),
                secret: Some(secret.expose().to_owned()),
                ..Default::default()
            }
        })
        .await
    }

    /// Ends one token of a directory at once.
    ///
    /// Permission: `directory_manage`; a person. Errors: `NOT_FOUND`, `PROTECTED_ACCOUNT`.
    async fn revoke_directory_token(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: RevokeDirectoryTokenInput,
    ) -> Answer<RevokeDirectoryTokenPayload> {
        let client_mutation_id = input.client_mutation_id.clone();
        let outcome = async { ctx.service().revoke_directory_token(ctx.caller(), &input.token_id).await }.await;
        RevokeDirectoryTokenPayload::answer(ctx, outcome, client_mutation_id, |(directory, token)| {
            RevokeDirectoryTokenPayload {
                directory: Some(Directory(directory)),
                token: Some(ApiToken(token)),
                ..Default::default()
            }
        })
        .await
    }

    /// Deletes a directory, its tokens and mappings. Its users and groups stay and are kept here from now on; what its
    /// mappings gave ends.
    ///
    /// Permission: `directory_manage`; step-up; rank for the roles of its mappings. Errors: `NOT_FOUND`, `LAST_OWNER`,
    /// `INSUFFICIENT_RANK`, `VERSION_CONFLICT`, `STEP_UP_REQUIRED`.
    async fn delete_directory(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: DeleteDirectoryInput,
    ) -> Answer<DeleteDirectoryPayload> {
        let client_mutation_id = input.client_mutation_id.clone();
        let outcome = async {
            ctx.service().delete_directory(ctx.caller(), &input.directory_id, input.if_version.map(i64::from)).await
        }
        .await;
        DeleteDirectoryPayload::answer(ctx, outcome, client_mutation_id, |(id, users, groups)| DeleteDirectoryPayload {
            deleted_directory_id: Some(id.to_string().into()),
            users_released: Some(count(users)),
            groups_released: Some(count(groups)),
            ..Default::default()
        })
        .await
    }

    /// Sets all mappings of a directory, in order; those not named end, with what they gave. Takes effect at once for
    /// members there are.
    ///
    /// Permission: `directory_manage`; step-up; rank for the roles. Errors: `NOT_FOUND`, `INVALID_ARGUMENT_COMBINATION`
    /// (a mapping with neither role nor group), `RESERVED_ROLE` (`owner`), `MANAGED_BY_DIRECTORY` (target group),
    /// `INSUFFICIENT_RANK`, `LAST_OWNER`, `LIMIT_EXCEEDED`, `VERSION_CONFLICT`, `STEP_UP_REQUIRED`.
    async fn set_group_role_mappings(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: SetGroupRoleMappingsInput,
    ) -> Answer<SetGroupRoleMappingsPayload> {
        let client_mutation_id = input.client_mutation_id.clone();
        let outcome = async {
            let wishes: Vec<MappingWish> = input.mappings.into_iter().map(Into::into).collect();
            ctx.service()
                .set_mappings(ctx.caller(), &input.directory_id, &wishes, input.if_version.map(i64::from))
                .await
        }
        .await;
        SetGroupRoleMappingsPayload::answer(ctx, outcome, client_mutation_id, |done| SetGroupRoleMappingsPayload {
            directory: Some(Directory(done.directory)),
            grants_added: Some(count(done.added)),
            grants_removed: Some(count(done.removed)),
            ..Default::default()
        })
        .await
    }
}
