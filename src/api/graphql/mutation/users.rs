//! What administrators change about users.

use async_graphql::Context;
use secrecy::ExposeSecret as _;

use super::super::inputs::users::{
    AnonymizeUsersInput, CreateUserInput, DeleteUserInput, DisableUserInput, EnableUserInput, RemoveMemberInput,
    RestoreUserInput, SetSuperuserInput, UpdateUserInput, UpdateUserProfileInput,
};
use super::super::invitations::Invitation;
use super::super::payloads::{
    AnonymizeUserResult, AnonymizeUsersPayload, Answer, CreateUserPayload, DeleteUserPayload, DisableUserPayload,
    EnableUserPayload, RemoveMemberPayload, RestoreUserPayload, SetSuperuserPayload, UpdateUserPayload,
    UpdateUserProfilePayload,
};
use super::super::read::{count, items};
use super::super::request::Asking as _;
use super::super::scalars::DateTime;
use super::super::users::User;

#[derive(Default)]
pub(super) struct Users;

#[async_graphql::Object]
impl Users {
    /// Creates a user in the organization with profile, and, if wanted, credentials, roles and groups. Without
    /// credentials and without a login provider the user is `INVITED`, otherwise `ACTIVE`.
    ///
    /// Permission: `user_access_manage`; rank for roles; with `credentials` step-up. Errors: `STEP_UP_REQUIRED`,
    /// `INVALID_EMAIL`, `EMAIL_TAKEN`, `INVALID_USERNAME`,
    /// `USERNAME_TAKEN`, `RESERVED_USERNAME`, `INVALID_DISPLAY_NAME`, `VALIDATION_FAILED`,
    /// `INVALID_ARGUMENT_COMBINATION` (`credentials` together with `sendInvitation`; neither `email` nor `userName`),
    /// `PASSWORD_POLICY`, `PASSWORD_BREACHED`, `NOT_FOUND` (role or group), `MANAGED_BY_DIRECTORY` (group),
    /// `INSUFFICIENT_RANK`, `LIMIT_EXCEEDED`, `RATE_LIMITED`.
    async fn create_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: CreateUserInput,
    ) -> Answer<CreateUserPayload> {
        let client_mutation_id = input.client_mutation_id.clone();
        let outcome = async {
            let sends = input.wanted()?;
            ctx.service().create_person(ctx.caller(), sends).await
        }
        .await;
        CreateUserPayload::answer(ctx, outcome, client_mutation_id, |made| CreateUserPayload {
            user: Some(User(made.user)),
            temporary_password_expires_at: made.temporary.as_ref().map(|(_, until)| DateTime::from(*until)),
            temporary_password: made.temporary.map(|(password, _)| password.expose_secret().to_owned()),
            invitation: made.invitation.map(Invitation),
            ..Default::default()
        })
        .await
    }

    /// Edits another user's profile, names, address, settings or account type. Absent fields stay as they are. A new
    /// address counts at once and unverified, one's own as in `updateMe`, and one that a service account asks for once
    /// it is verified; the verified addresses from before get a notice. All or nothing.
    ///
    /// Permission: `user_access_manage`; managed, rank; for the address of a user with an account, and for a name that
    /// is an address, `user_credentials_manage` and step-up too. Errors: `STEP_UP_REQUIRED`, `NOT_FOUND`,
    /// `ID_MISMATCH`, `VERSION_CONFLICT`, `NOT_MANAGED_ACCOUNT`, `INSUFFICIENT_RANK`, `MANAGED_BY_DIRECTORY`,
    /// `MANAGED_BY_CONNECTION`, `PROTECTED_ACCOUNT`, `INVALID_EMAIL`, `EMAIL_TAKEN`, `INVALID_USERNAME`,
    /// `USERNAME_TAKEN`, `RESERVED_USERNAME`, `INVALID_DISPLAY_NAME`, `VALIDATION_FAILED`, `LIMIT_EXCEEDED`.
    async fn update_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: UpdateUserInput,
    ) -> Answer<UpdateUserPayload> {
        let client_mutation_id = input.client_mutation_id.clone();
        let outcome = async {
            let (who, update) = input.update()?;
            ctx.service().update_user(ctx.caller(), &who, update).await
        }
        .await;
        UpdateUserPayload::answer(ctx, outcome, client_mutation_id, |user| UpdateUserPayload {
            user: Some(User(user)),
            ..Default::default()
        })
        .await
    }

    /// Edits the profile part of a user and nothing else. Absent fields stay as they are.
    ///
    /// Permission: `user_access_manage`, managed, rank; or oneself with `user_self_profile_write`. Errors: `NOT_FOUND`,
    /// `VERSION_CONFLICT`, `NOT_MANAGED_ACCOUNT`, `INSUFFICIENT_RANK`, `MANAGED_BY_DIRECTORY`, `MANAGED_BY_CONNECTION`,
    /// `PROTECTED_ACCOUNT`, `INVALID_EMAIL`, `EMAIL_TAKEN`, `VALIDATION_FAILED`.
    async fn update_user_profile(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: UpdateUserProfileInput,
    ) -> Answer<UpdateUserProfilePayload> {
        let client_mutation_id = input.client_mutation_id.clone();
        let outcome = async {
            let (who, update) = input.update()?;
            ctx.service().update_user_profile(ctx.caller(), &who, update).await
        }
        .await;
        UpdateUserProfilePayload::answer(ctx, outcome, client_mutation_id, |user| UpdateUserProfilePayload {
            user: Some(User(user)),
            ..Default::default()
        })
        .await
    }

    /// Keeps a user out until `enableUser`: sets a local hold, which no directory can lift. Logins, personal tokens and
    /// trusted devices end at once; roles and groups stay. Invitations the user sent stay but cannot be accepted.
    ///
    /// Permission: `user_access_manage`; rank. Errors: `NOT_FOUND`, `VERSION_CONFLICT`, `ILLEGAL_TRANSITION`,
    /// `LAST_OWNER`, `INSUFFICIENT_RANK`, `PROTECTED_ACCOUNT`.
    async fn disable_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: DisableUserInput,
    ) -> Answer<DisableUserPayload> {
        let client_mutation_id = input.client_mutation_id.clone();
        let outcome = async {
            ctx.service()
                .disable_user(ctx.caller(), &input.user.into(), input.reason, input.if_version.map(i64::from))
                .await
        }
        .await;
        DisableUserPayload::answer(ctx, outcome, client_mutation_id, |(user, ended)| DisableUserPayload {
            user: Some(User(user)),
            logins_revoked: Some(count(ended.logins)),
            tokens_revoked: Some(count(ended.tokens)),
            trusted_devices_revoked: Some(count(ended.devices)),
            ..Default::default()
        })
        .await
    }

    /// Lifts the local hold and self-disabling. Where the directory keeps the user inactive too, the user stays
    /// `DISABLED`. Nothing but access comes back: ended logins and tokens stay ended. A user that a directory deleted in mode
    /// `DISABLE`, named by id, comes back without roles and groups, as a user that no directory provisions.
    ///
    /// Permission: `user_access_manage`; rank. Errors: `NOT_FOUND`, `VERSION_CONFLICT`, `ILLEGAL_TRANSITION`,
    /// `MANAGED_BY_DIRECTORY` (only the directory keeps the user out), `INSUFFICIENT_RANK`, `USERNAME_TAKEN` (the name of a
    /// user that a directory deleted is another's now).
    async fn enable_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: EnableUserInput,
    ) -> Answer<EnableUserPayload> {
        let client_mutation_id = input.client_mutation_id.clone();
        let outcome = async {
            ctx.service().enable_user(ctx.caller(), &input.user.into(), input.if_version.map(i64::from)).await
        }
        .await;
        EnableUserPayload::answer(ctx, outcome, client_mutation_id, |user| EnableUserPayload {
            user: Some(User(user)),
            ..Default::default()
        })
        .await
    }

    /// Deletes a user: logins, tokens, trusted devices, memberships, groups and roles end at once, the user is in no
    /// answer any more, name and addresses are free again. The data is destroyed after 30 days; until then only
    /// `restoreUser` finds the user. Of an external account only the membership here is deleted. A directory that has the
    /// user active may create the user again, with another id: `warning` says so.
    ///
    /// Permission: `user_access_manage`; rank; with `purge` step-up. Errors: `NOT_FOUND`, `VERSION_CONFLICT`,
    /// `LAST_OWNER`, `INSUFFICIENT_RANK`, `PROTECTED_ACCOUNT`, `STEP_UP_REQUIRED`.
    async fn delete_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: DeleteUserInput,
    ) -> Answer<DeleteUserPayload> {
        let client_mutation_id = input.client_mutation_id.clone();
        let outcome = async {
            ctx.service()
                .erase_user(ctx.caller(), &input.user.into(), input.purge, input.if_version.map(i64::from))
                .await
        }
        .await;
        DeleteUserPayload::answer(ctx, outcome, client_mutation_id, |left| DeleteUserPayload {
            deleted_user_id: Some(left.id.to_string().into()),
            purge_at: left.purge_at.map(DateTime::from),
            logins_revoked: Some(count(left.ended.logins)),
            tokens_revoked: Some(count(left.ended.tokens)),
            trusted_devices_revoked: Some(count(left.ended.devices)),
            warning: left.still_active_in.map(|directory| {
                format!(
                    "{directory} still has this user active and may create the user again: remove the user there too"
                )
            }),
            ..Default::default()
        })
        .await
    }

    /// Brings back a deleted user, or one that a directory deleted in mode `DISABLE`, disabled, without roles and groups.
    /// Possible for 30 days and while name and address are free.
    ///
    /// Permission: `user_access_manage`. Errors: `NOT_FOUND` (never was, purged or anonymised), `USERNAME_TAKEN`,
    /// `EMAIL_TAKEN`, `ILLEGAL_TRANSITION` (not deleted).
    async fn restore_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: RestoreUserInput,
    ) -> Answer<RestoreUserPayload> {
        let client_mutation_id = input.client_mutation_id.clone();
        let outcome = async { ctx.service().restore_user(ctx.caller(), &input.user_id).await }.await;
        RestoreUserPayload::answer(ctx, outcome, client_mutation_id, |user| RestoreUserPayload {
            user: Some(User(user)),
            ..Default::default()
        })
        .await
    }

    /// Removes a person from the organization. The account and its other memberships stay.
    ///
    /// Permission: `user_access_manage`; rank. Errors: `NOT_FOUND`, `VERSION_CONFLICT`, `LAST_OWNER`,
    /// `MANAGED_BY_DIRECTORY`, `INSUFFICIENT_RANK`, `PROTECTED_ACCOUNT`.
    async fn remove_member(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: RemoveMemberInput,
    ) -> Answer<RemoveMemberPayload> {
        let client_mutation_id = input.client_mutation_id.clone();
        let outcome = async {
            ctx.service().remove_member(ctx.caller(), &input.user.into(), input.if_version.map(i64::from)).await
        }
        .await;
        RemoveMemberPayload::answer(ctx, outcome, client_mutation_id, |left| RemoveMemberPayload {
            removed_user_id: Some(left.id.to_string().into()),
            logins_revoked: Some(count(left.ended.logins)),
            tokens_revoked: Some(count(left.ended.tokens)),
            ..Default::default()
        })
        .await
    }

    /// Destroys the personal data of users, beyond recall: like deleting with `purge`, but id and history stay as
    /// `deleted user`. Each item is done on its own; results come in the order asked.
    ///
    /// Permission: `user_access_manage`; step-up; rank; managed. Errors: `CONFIRMATION_REQUIRED`, `LIMIT_EXCEEDED`,
    /// `VALIDATION_FAILED` (no ids), `STEP_UP_REQUIRED`, `NOT_FOUND`, `LAST_OWNER`, `INSUFFICIENT_RANK`,
    /// `NOT_MANAGED_ACCOUNT`, `MANAGED_BY_DIRECTORY`, `PROTECTED_ACCOUNT`.
    async fn anonymize_users(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: AnonymizeUsersInput,
    ) -> Answer<AnonymizeUsersPayload> {
        let client_mutation_id = input.client_mutation_id.clone();
        let outcome = async {
            let ids: Vec<String> = input.user_ids.iter().map(|id| id.to_string()).collect();
            let done = ctx.service().anonymize_users(ctx.caller(), &ids, &input.confirmation).await?;
            items(done, "userIds")
        }
        .await;
        AnonymizeUsersPayload::answer(ctx, outcome, client_mutation_id, |done| AnonymizeUsersPayload {
            anonymized_user_ids: done
                .iter()
                .filter(|(_, outcome)| outcome.is_ok())
                .map(|(id, _)| id.clone().into())
                .collect(),
            user_errors: done.iter().filter_map(|(_, outcome)| outcome.as_ref().err()).flatten().cloned().collect(),
            results: done
                .into_iter()
                .map(|(id, outcome)| AnonymizeUserResult {
                    user_id: id.into(),
                    is_anonymized: outcome.is_ok(),
                    user_errors: outcome.err().unwrap_or_default(),
                })
                .collect(),
            ..Default::default()
        })
        .await
    }

    /// Makes a user superuser of the whole server, or no longer. Never oneself.
    ///
    /// Permission: superuser or root; step-up. Errors: `NOT_FOUND`, `INSUFFICIENT_RANK` (not a superuser, or oneself),
    /// `LAST_OWNER` (the last superuser of a server without root), `STEP_UP_REQUIRED`, `PROTECTED_ACCOUNT`.
    async fn set_superuser(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: SetSuperuserInput,
    ) -> Answer<SetSuperuserPayload> {
        let client_mutation_id = input.client_mutation_id.clone();
        let outcome =
            async { ctx.service().set_superuser(ctx.caller(), &input.user.into(), input.is_superuser).await }.await;
        SetSuperuserPayload::answer(ctx, outcome, client_mutation_id, |user| SetSuperuserPayload {
            user: Some(User(user)),
            ..Default::default()
        })
        .await
    }
}
