//! Who holds which role, and what roles there are.

use async_graphql::Context;

use super::super::inputs::roles::{CreateRoleInput, DeleteRoleInput, UpdateRoleInput};
use super::super::inputs::users::{AddUserRolesInput, RemoveUserRolesInput, SetUserRolesInput};
use super::super::organizations::{Role, RoleGrant};
use super::super::payloads::{
    AddUserRolesPayload, Answer, CreateRolePayload, DeleteRolePayload, RemoveUserRolesPayload, SetUserRolesPayload,
    UpdateRolePayload,
};
use super::super::read::{all, count, edit, not_null};
use super::super::request::Asking as _;
use super::super::users::User;
use crate::service::{RoleChange, RoleDraft, RoleEdit};

#[derive(Default)]
pub(super) struct Roles;

#[async_graphql::Object]
impl Roles {
    /// Gives a user exactly these direct roles and no others. Roles from invitations, groups and directories stay and
    /// are named in `stillGrantedBy`.
    ///
    /// Permission: `user_access_manage`; rank for the user and the roles. Errors: `NOT_FOUND`, `VERSION_CONFLICT`,
    /// `LAST_OWNER`, `INSUFFICIENT_RANK`, `LIMIT_EXCEEDED`, `PROTECTED_ACCOUNT`.
    async fn set_user_roles(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: SetUserRolesInput,
    ) -> Answer<SetUserRolesPayload> {
        let client_mutation_id = input.client_mutation_id.clone();
        let outcome = async {
            ctx.service()
                .change_user_roles(
                    ctx.caller(),
                    &input.user.into(),
                    &all(input.roles),
                    RoleChange::Set,
                    input.if_version.map(i64::from),
                )
                .await
        }
        .await;
        SetUserRolesPayload::answer(ctx, outcome, client_mutation_id, |done| SetUserRolesPayload {
            user: Some(User(done.user)),
            added: Role::all(ctx, done.added),
            removed: Role::all(ctx, done.removed),
            still_granted_by: RoleGrant::all(ctx, done.still),
            ..Default::default()
        })
        .await
    }

    /// Gives a user direct roles in addition to those there are.
    ///
    /// Permission: `user_access_manage`; rank for the user and the roles. Errors: `NOT_FOUND`, `VERSION_CONFLICT`,
    /// `INSUFFICIENT_RANK`, `LIMIT_EXCEEDED`, `PROTECTED_ACCOUNT`.
    async fn add_user_roles(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: AddUserRolesInput,
    ) -> Answer<AddUserRolesPayload> {
        let client_mutation_id = input.client_mutation_id.clone();
        let outcome = async {
            ctx.service()
                .change_user_roles(
                    ctx.caller(),
                    &input.user.into(),
                    &all(input.roles),
                    RoleChange::Add,
                    input.if_version.map(i64::from),
                )
                .await
        }
        .await;
        AddUserRolesPayload::answer(ctx, outcome, client_mutation_id, |done| AddUserRolesPayload {
            user: Some(User(done.user)),
            added: Role::all(ctx, done.added),
            ..Default::default()
        })
        .await
    }

    /// Takes direct roles from a user. A role that also comes from elsewhere stays in force; `stillGrantedBy` says from
    /// where.
    ///
    /// Permission: `user_access_manage`; rank for the user and the roles. Errors: `NOT_FOUND`, `VERSION_CONFLICT`,
    /// `LAST_OWNER`, `INSUFFICIENT_RANK`, `LIMIT_EXCEEDED`, `PROTECTED_ACCOUNT`.
    async fn remove_user_roles(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: RemoveUserRolesInput,
    ) -> Answer<RemoveUserRolesPayload> {
        let client_mutation_id = input.client_mutation_id.clone();
        let outcome = async {
            ctx.service()
                .change_user_roles(
                    ctx.caller(),
                    &input.user.into(),
                    &all(input.roles),
                    RoleChange::Remove,
                    input.if_version.map(i64::from),
                )
                .await
        }
        .await;
        RemoveUserRolesPayload::answer(ctx, outcome, client_mutation_id, |done| RemoveUserRolesPayload {
            user: Some(User(done.user)),
            removed: Role::all(ctx, done.removed),
            still_granted_by: RoleGrant::all(ctx, done.still),
            ..Default::default()
        })
        .await
    }

    /// Makes a role.
    ///
    /// Permission: `role_manage`; rank for its permissions. Errors: `NAME_TAKEN` (key), `RESERVED_ROLE`,
    /// `VALIDATION_FAILED` (also a system-only permission), `NOT_FOUND` (permission), `INSUFFICIENT_RANK`,
    /// `LIMIT_EXCEEDED` (200 roles).
    async fn create_role(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: CreateRoleInput,
    ) -> Answer<CreateRolePayload> {
        let client_mutation_id = input.client_mutation_id.clone();
        let outcome = async {
            let draft = RoleDraft {
                key: input.key,
                name: input.name,
                description: input.description,
                permissions: input.permissions,
            };
            ctx.service().create_role(ctx.caller(), draft).await
        }
        .await;
        CreateRolePayload::answer(ctx, outcome, client_mutation_id, |role| CreateRolePayload {
            role: Some(Role::seen(ctx, role)),
            ..Default::default()
        })
        .await
    }

    /// Changes a role of the organization's own; whoever holds it is affected at once. Absent fields stay as they are.
    ///
    /// Permission: `role_manage`; rank for its old and new permissions. Errors: `NOT_FOUND`, `RESERVED_ROLE`,
    /// `VALIDATION_FAILED`, `INSUFFICIENT_RANK`, `VERSION_CONFLICT`.
    async fn update_role(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: UpdateRoleInput,
    ) -> Answer<UpdateRolePayload> {
        let client_mutation_id = input.client_mutation_id.clone();
        let outcome = async {
            let edit = RoleEdit {
                name: not_null(input.name, "name")?,
                description: edit(input.description),
                permissions: not_null(input.permissions, "permissions")?,
            };
            ctx.service().update_role(ctx.caller(), &input.role.into(), &edit, input.if_version.map(i64::from)).await
        }
        .await;
        UpdateRolePayload::answer(ctx, outcome, client_mutation_id, |role| UpdateRolePayload {
            role: Some(Role::seen(ctx, role)),
            ..Default::default()
        })
        .await
    }

    /// Deletes a role of the organization's own. Its grants end, or become grants of another role.
    ///
    /// Permission: `role_manage`; rank for its permissions. Errors: `NOT_FOUND`, `RESERVED_ROLE`,
    /// `INVALID_ARGUMENT_COMBINATION` (reassigned to itself), `INSUFFICIENT_RANK`, `VERSION_CONFLICT`.
    async fn delete_role(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: DeleteRoleInput,
    ) -> Answer<DeleteRolePayload> {
        let client_mutation_id = input.client_mutation_id.clone();
        let outcome = async {
            let instead = input.reassign_to.map(Into::into);
            ctx.service()
                .delete_role(ctx.caller(), &input.role.into(), instead.as_ref(), input.if_version.map(i64::from))
                .await
        }
        .await;
        DeleteRolePayload::answer(ctx, outcome, client_mutation_id, |(id, moved)| DeleteRolePayload {
            deleted_role_id: Some(id.to_string().into()),
            reassigned_count: Some(count(moved)),
            ..Default::default()
        })
        .await
    }
}
