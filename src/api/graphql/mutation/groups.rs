//! Groups kept here, and who belongs to them.

use async_graphql::Context;

use super::super::groups::{Group, GroupMemberEdge};
use super::super::inputs::groups::{
    CreateGroupInput, DeleteGroupInput, RemoveGroupMemberInput, SetGroupMemberInput, UpdateGroupInput,
    UpdateUserGroupsInput,
};
use super::super::payloads::{
    Answer, CreateGroupPayload, DeleteGroupPayload, RemoveGroupMemberPayload, SetGroupMemberPayload,
    UpdateGroupPayload, UpdateUserGroupsPayload,
};
use super::super::read::{all, count, edit, groups_edit, listed, not_null};
use super::super::request::Asking as _;
use super::super::users::User;
use crate::service::{LocalGroupDraft, LocalGroupEdit};

#[derive(Default)]
pub(super) struct Groups;

#[async_graphql::Object]
impl Groups {
    /// Changes which groups a user belongs to: `add` and `remove`, or `set` for exactly these and no others. A group in
    /// both `add` and `remove` is removed; none of the three changes nothing. Members of a directory's group are changed at
    /// the directory: to name such a group in order to join or leave it is `MANAGED_BY_DIRECTORY` and nothing happens, and
    /// `set` leaves the user in those it does not name, see `keptByDirectory`. The path of an error names the argument.
    ///
    /// Permission: `groups_manage`. Errors: `NOT_FOUND`, `INVALID_ARGUMENT_COMBINATION` (`set` with `add` or `remove`,
    /// even empty), `MANAGED_BY_DIRECTORY`, `INSUFFICIENT_RANK` (a group gives roles the caller lacks), `LAST_OWNER`,
    /// `LIMIT_EXCEEDED`, `VERSION_CONFLICT`.
    async fn update_user_groups(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: UpdateUserGroupsInput,
    ) -> Answer<UpdateUserGroupsPayload> {
        let client_mutation_id = input.client_mutation_id.clone();
        let outcome = async {
            let edit = groups_edit(input.add, input.remove, input.set);
            ctx.service()
                .update_user_groups(ctx.caller(), &input.user.into(), &edit, input.if_version.map(i64::from))
                .await
        }
        .await;
        UpdateUserGroupsPayload::answer(ctx, outcome, client_mutation_id, |done| UpdateUserGroupsPayload {
            user: Some(User(done.of)),
            added: done.added.into_iter().map(Group).collect(),
            removed: done.removed.into_iter().map(Group).collect(),
            kept_by_directory: done.kept.into_iter().map(Group).collect(),
            ..Default::default()
        })
        .await
    }

    /// Makes a group kept here.
    ///
    /// Permission: `groups_manage`; rank for its roles. Errors: `NAME_TAKEN`, `VALIDATION_FAILED`, `NOT_FOUND` (role),
    /// `INSUFFICIENT_RANK`.
    async fn create_group(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: CreateGroupInput,
    ) -> Answer<CreateGroupPayload> {
        let client_mutation_id = input.client_mutation_id.clone();
        let outcome = async {
            let draft = LocalGroupDraft {
                name: input.name,
                display_name: input.display_name,
                default_role: input.default_role.map(Into::into),
                roles: all(input.roles.unwrap_or_default()),
            };
            ctx.service().create_local_group(ctx.caller(), &draft).await
        }
        .await;
        CreateGroupPayload::answer(ctx, outcome, client_mutation_id, |group| CreateGroupPayload {
            group: Some(Group(group)),
            ..Default::default()
        })
        .await
    }

    /// Changes a group. Absent fields stay as they are. Of a directory's group only `defaultRole` and `roles` can be
    /// changed here.
    ///
    /// Permission: `groups_manage`; rank for its old and new roles. Errors: `NOT_FOUND`, `NAME_TAKEN`,
    /// `VALIDATION_FAILED`, `MANAGED_BY_DIRECTORY`, `INSUFFICIENT_RANK`, `LAST_OWNER`, `VERSION_CONFLICT`.
    async fn update_group(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: UpdateGroupInput,
    ) -> Answer<UpdateGroupPayload> {
        let client_mutation_id = input.client_mutation_id.clone();
        let outcome = async {
            let edit = LocalGroupEdit {
                name: not_null(input.name, "name")?,
                display_name: edit(input.display_name),
                default_role: edit(input.default_role.map_value(Into::into)),
                roles: listed(input.roles),
            };
            ctx.service()
                .update_local_group(ctx.caller(), &input.group.into(), &edit, input.if_version.map(i64::from))
                .await
        }
        .await;
        UpdateGroupPayload::answer(ctx, outcome, client_mutation_id, |group| UpdateGroupPayload {
            group: Some(Group(group)),
            ..Default::default()
        })
        .await
    }

    /// Deletes a group. Its members stay users; what they hold through it ends.
    ///
    /// Permission: `groups_manage`; rank for its roles. Errors: `NOT_FOUND`, `MANAGED_BY_DIRECTORY`,
    /// `INSUFFICIENT_RANK`, `LAST_OWNER`, `VERSION_CONFLICT`.
    async fn delete_group(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: DeleteGroupInput,
    ) -> Answer<DeleteGroupPayload> {
        let client_mutation_id = input.client_mutation_id.clone();
        let outcome = async {
            ctx.service().delete_local_group(ctx.caller(), &input.group.into(), input.if_version.map(i64::from)).await
        }
        .await;
        DeleteGroupPayload::answer(ctx, outcome, client_mutation_id, |(id, members)| DeleteGroupPayload {
            deleted_group_id: Some(id.to_string().into()),
            members_removed: Some(count(members)),
            ..Default::default()
        })
        .await
    }

    /// Adds a user to a group, or changes what the user is in it.
    ///
    /// Permission: `groups_manage`, or `ADMIN` of the group; rank for the group's roles. Errors: `NOT_FOUND`,
    /// `MANAGED_BY_DIRECTORY`, `INSUFFICIENT_RANK`.
    async fn set_group_member(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: SetGroupMemberInput,
    ) -> Answer<SetGroupMemberPayload> {
        let client_mutation_id = input.client_mutation_id.clone();
        let outcome = async {
            let scoped = edit(input.scoped_role.map_value(Into::into));
            ctx.service()
                .set_group_member(ctx.caller(), &input.group.into(), &input.user.into(), input.role.into(), &scoped)
                .await
        }
        .await;
        SetGroupMemberPayload::answer(ctx, outcome, client_mutation_id, |(group, user, belonging)| {
            SetGroupMemberPayload {
                member_edge: Some(GroupMemberEdge::of(&group, belonging, User(user).into())),
                group: Some(Group(group)),
                ..Default::default()
            }
        })
        .await
    }

    /// Removes a user from a group.
    ///
    /// Permission: `groups_manage`, or `ADMIN` of the group; oneself from any group kept here. Errors: `NOT_FOUND`
    /// (group or user; not belonging to it is no error), `MANAGED_BY_DIRECTORY`, `INSUFFICIENT_RANK`, `LAST_OWNER`.
    async fn remove_group_member(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: RemoveGroupMemberInput,
    ) -> Answer<RemoveGroupMemberPayload> {
        let client_mutation_id = input.client_mutation_id.clone();
        let outcome =
            async { ctx.service().remove_group_member(ctx.caller(), &input.group.into(), &input.user.into()).await }
                .await;
        RemoveGroupMemberPayload::answer(ctx, outcome, client_mutation_id, |(group, user)| RemoveGroupMemberPayload {
            group: Some(Group(group)),
            user: Some(User(user)),
            ..Default::default()
        })
        .await
    }
}
