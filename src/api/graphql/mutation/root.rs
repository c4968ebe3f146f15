//! Deeds of root: one for each credential.

use async_graphql::Context;
use secrecy::ExposeSecret as _;

use super::super::inputs::root::{CreateOrganizationInput, InviteOwnerInput, RestoreOwnerInput};
use super::super::invitations::Invitation;
use super::super::organizations::Organization;
use super::super::payloads::{Answer, CreateOrganizationPayload, InviteOwnerPayload, RestoreOwnerPayload};
use super::super::request::Asking as _;
use super::super::scalars::EmailAddress;
use super::super::users::User;
use crate::domain::organization::OrganizationDraft;

#[derive(Default)]
pub(super) struct RootDeeds;

#[async_graphql::Object]
impl RootDeeds {
    /// Makes an organization with its first owner, whose password is shown this once. Uses up the credential.
    ///
    /// Permission: root. Errors: `INSUFFICIENT_RANK` (not root), `VALIDATION_FAILED`, `NAME_TAKEN`, `INVALID_EMAIL`,
    /// `EMAIL_TAKEN`.
    async fn create_organization(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: CreateOrganizationInput,
    ) -> Answer<CreateOrganizationPayload> {
        let client_mutation_id = input.client_mutation_id.clone();
        let outcome = async {
            let draft = OrganizationDraft {
                short_name: input.short_name,
                name: input.name,
                owner_email: Some(input.owner_email),
            };
            ctx.service().create_organization_as_root(ctx.caller(), draft).await
        }
        .await;
        CreateOrganizationPayload::answer(ctx, outcome, client_mutation_id, |(organization, owner)| {
            CreateOrganizationPayload {
                organization: Some(Organization(organization)),
                owner_email: owner.as_ref().map(|owner| EmailAddress(owner.email.clone())),
                owner_password: owner.map(|owner| owner.password.expose_secret().to_owned()),
                ..Default::default()
            }
        })
        .await
    }

    /// Invites an owner of an organization by mail. A pending invitation to the address is replaced. Uses up the
    /// credential.
    ///
    /// Permission: root. Errors: `INSUFFICIENT_RANK` (not root), `NOT_FOUND`, `INVALID_EMAIL`, `INVALID_DISPLAY_NAME`,
    /// `ALREADY_MEMBER` (use `restoreOwner`), `RATE_LIMITED`.
    async fn invite_owner(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: InviteOwnerInput,
    ) -> Answer<InviteOwnerPayload> {
        let client_mutation_id = input.client_mutation_id.clone();
        let outcome = async {
            ctx.service().invite_owner(ctx.caller(), &input.organization.into(), &input.email, &input.name).await
        }
        .await;
        InviteOwnerPayload::answer(ctx, outcome, client_mutation_id, |(organization, invitation)| InviteOwnerPayload {
            organization: Some(Organization(organization)),
            invitation: Some(Invitation(invitation)),
            ..Default::default()
        })
        .await
    }

    /// Lets a user sign in to an organization and own it again: lifts a hold, sets the user active where a directory said
    /// otherwise, and gives the role `owner`. The directory may end the access again unless the user is protected. Uses up
    /// the credential.
    ///
    /// Permission: root. Errors: `INSUFFICIENT_RANK` (not root), `NOT_FOUND`, `ILLEGAL_TRANSITION` (has not joined: use
    /// `inviteOwner`).
    async fn restore_owner(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: RestoreOwnerInput,
    ) -> Answer<RestoreOwnerPayload> {
        let client_mutation_id = input.client_mutation_id.clone();
        let outcome =
            async { ctx.service().restore_owner(ctx.caller(), &input.organization.into(), &input.user.into()).await }
                .await;
        RestoreOwnerPayload::answer(ctx, outcome, client_mutation_id, |(organization, user)| RestoreOwnerPayload {
            organization: Some(Organization(organization)),
            owner: Some(User(user)),
            ..Default::default()
        })
        .await
    }
}
