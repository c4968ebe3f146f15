//! Inviting people.

use async_graphql::Context;

use super::super::inputs::invitations::{
    CancelInvitationInput, CancelUserInvitationsInput, InvitationInput, InviteInput, ResendInvitationInput,
    SendInvitationsInput,
};
use super::super::invitations::Invitation;
use super::super::payloads::{
    Answer, CancelInvitationPayload, CancelUserInvitationsPayload, InvitePayload, InviteResult,
    ResendInvitationPayload, SendInvitationResult, SendInvitationsPayload, apart,
};
use super::super::read::{count, items};
use super::super::request::Asking as _;

#[derive(Default)]
pub(super) struct Invitations;

#[async_graphql::Object]
impl Invitations {
    /// Invites 1 to 100 people by mail. The user is created only when the person accepts, with the roles and groups
    /// named here. Each item is done on its own; results come in the order asked. Inviting an address twice gives one
    /// invitation and one `INVITATION_EXISTS`, whatever the case of the letters.
    ///
    /// Permission: `user_access_invite`; rank for roles and groups. Errors: `VALIDATION_FAILED` (also an empty list),
    /// `LIMIT_EXCEEDED` (more than 100), `INVALID_EMAIL`, `INVALID_DISPLAY_NAME`, `ALREADY_MEMBER`,
    /// `INVITATION_EXISTS`, `NOT_FOUND` (role or group), `MANAGED_BY_DIRECTORY` (group), `INSUFFICIENT_RANK`,
    /// `RATE_LIMITED`.
    async fn invite(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: InviteInput,
    ) -> Answer<InvitePayload> {
        let client_mutation_id = input.client_mutation_id.clone();
        let outcome = async {
            let wishes = input.invitations.into_iter().map(InvitationInput::wish).collect();
            items(ctx.service().invite_all(ctx.caller(), wishes).await?, "invitations")
        }
        .await;
        InvitePayload::answer(ctx, outcome, client_mutation_id, |done| InvitePayload {
            user_errors: done.iter().filter_map(|(_, outcome)| outcome.as_ref().err()).flatten().cloned().collect(),
            results: done
                .into_iter()
                .map(|(email, outcome)| {
                    let (invitation, user_errors) = apart(outcome);
                    InviteResult { email, invitation, user_errors }
                })
                .collect(),
            ..Default::default()
        })
        .await
    }

    /// Mails an invitation to users that exist and are `INVITED`. Each item is done on its own; results come in the
    /// order asked.
    ///
    /// Permission: `user_access_invite`; rank. Errors: `VALIDATION_FAILED` (no ids), `LIMIT_EXCEEDED` (more than 100),
    /// `NOT_FOUND`, `ILLEGAL_TRANSITION` (not `INVITED`), `INVALID_EMAIL` (no address), `INVITATION_EXISTS`,
    /// `INSUFFICIENT_RANK`, `RATE_LIMITED`.
    async fn send_invitations(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: SendInvitationsInput,
    ) -> Answer<SendInvitationsPayload> {
        let client_mutation_id = input.client_mutation_id.clone();
        let outcome = async {
            let ids: Vec<String> = input.user_ids.iter().map(|id| id.to_string()).collect();
            items(ctx.service().send_invitations(ctx.caller(), &ids, input.expires_in_days).await?, "userIds")
        }
        .await;
        SendInvitationsPayload::answer(ctx, outcome, client_mutation_id, |done| SendInvitationsPayload {
            user_errors: done.iter().filter_map(|(_, outcome)| outcome.as_ref().err()).flatten().cloned().collect(),
            results: done
                .into_iter()
                .map(|(id, outcome)| {
                    let (invitation, user_errors) = apart(outcome);
                    SendInvitationResult { user_id: id.into(), invitation, user_errors }
                })
                .collect(),
            ..Default::default()
        })
        .await
    }

    /// Sends an invitation again: same id, new link, the old link stops working, the time starts anew. Works on expired
    /// ones too.
    ///
    /// Permission: `user_access_invite`; rank for its roles. Errors: `NOT_FOUND`, `INVITATION_NOT_PENDING`,
    /// `INSUFFICIENT_RANK`, `RATE_LIMITED`, `VALIDATION_FAILED`.
    async fn resend_invitation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: ResendInvitationInput,
    ) -> Answer<ResendInvitationPayload> {
        let client_mutation_id = input.client_mutation_id.clone();
        let outcome =
            async { ctx.service().resend_invitation(ctx.caller(), &input.invitation_id, input.expires_in_days).await }
                .await;
        ResendInvitationPayload::answer(ctx, outcome, client_mutation_id, |invitation| ResendInvitationPayload {
            invitation: Some(Invitation(invitation)),
            ..Default::default()
        })
        .await
    }

    /// Withdraws a pending or expired invitation.
    ///
    /// Permission: `user_access_invite`. Errors: `NOT_FOUND`, `INVITATION_NOT_PENDING` (accepted).
    async fn cancel_invitation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: CancelInvitationInput,
    ) -> Answer<CancelInvitationPayload> {
        let client_mutation_id = input.client_mutation_id.clone();
        let outcome = async { ctx.service().cancel_invitation(ctx.caller(), &input.invitation_id).await }.await;
        CancelInvitationPayload::answer(ctx, outcome, client_mutation_id, |invitation| CancelInvitationPayload {
            invitation: Some(Invitation(invitation)),
            ..Default::default()
        })
        .await
    }

    /// Withdraws all pending invitations of a user: those for the user and those sent to one of the user's addresses.
    ///
    /// Permission: `user_access_invite`. Errors: `NOT_FOUND`.
    async fn cancel_user_invitations(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: CancelUserInvitationsInput,
    ) -> Answer<CancelUserInvitationsPayload> {
        let client_mutation_id = input.client_mutation_id.clone();
        let outcome = async { ctx.service().cancel_user_invitations(ctx.caller(), &input.user.into()).await }.await;
        CancelUserInvitationsPayload::answer(ctx, outcome, client_mutation_id, |cancelled| {
            CancelUserInvitationsPayload {
                cancelled_count: Some(count(cancelled.len())),
                invitations: cancelled.into_iter().map(Invitation).collect(),
                ..Default::default()
            }
        })
        .await
    }
}
