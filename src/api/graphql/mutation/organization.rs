//! The organization itself.

use async_graphql::Context;

use super::super::inputs::organization::{TransferOwnershipInput, UpdateAccountPolicyInput, UpdateOrganizationInput};
use super::super::organizations::Organization;
use super::super::payloads::{Answer, TransferOwnershipPayload, UpdateAccountPolicyPayload, UpdateOrganizationPayload};
use super::super::policy::AccountPolicy;
use super::super::read::not_null;
use super::super::request::Asking as _;
use super::super::users::User;

#[derive(Default)]
pub(super) struct OrganizationChanges;

#[async_graphql::Object]
impl OrganizationChanges {
    /// Changes the current organization's names. Absent fields stay as they are.
    ///
    /// Permission: `org_management`. Errors: `VALIDATION_FAILED`, `NAME_TAKEN`, `VERSION_CONFLICT`.
    async fn update_organization(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: UpdateOrganizationInput,
    ) -> Answer<UpdateOrganizationPayload> {
        let client_mutation_id = input.client_mutation_id.clone();
        let outcome = async {
            let (name, short_name) = (not_null(input.name, "name")?, not_null(input.short_name, "shortName")?);
            ctx.service()
                .update_organization(
                    ctx.caller(),
                    name.as_deref(),
                    short_name.as_deref(),
                    input.if_version.map(i64::from),
                )
                .await
        }
        .await;
        UpdateOrganizationPayload::answer(ctx, outcome, client_mutation_id, |organization| UpdateOrganizationPayload {
            organization: Some(Organization(organization)),
            ..Default::default()
        })
        .await
    }

    /// Gives the role `owner` to another active user of the organization and takes it from the caller. In an
    /// organization without an owner a superuser, root or an admin can give it.
    ///
    /// Permission: the role `owner`, or as said; step-up. Errors: `NOT_FOUND`, `ILLEGAL_TRANSITION` (that user is not
    /// active), `STEP_UP_REQUIRED`, `PROTECTED_ACCOUNT`.
    async fn transfer_ownership(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: TransferOwnershipInput,
    ) -> Answer<TransferOwnershipPayload> {
        let client_mutation_id = input.client_mutation_id.clone();
        let outcome =
            async { ctx.service().transfer_ownership(ctx.caller(), &input.to.into(), input.keep_own_role).await }.await;
        TransferOwnershipPayload::answer(ctx, outcome, client_mutation_id, |(organization, owner)| {
            TransferOwnershipPayload {
                organization: Some(Organization(organization)),
                owner: Some(User(owner)),
                ..Default::default()
            }
        })
        .await
    }

    /// Changes the organization's rules. Absent fields stay as they are. Stricter rules hold from now on; nobody is
    /// signed out, but `requiredActions` appear.
    ///
    /// Permission: `org_management`; step-up. Errors: `VALIDATION_FAILED`, `NOT_FOUND` (connection),
    /// `VERSION_CONFLICT`, `STEP_UP_REQUIRED`.
    async fn update_account_policy(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: UpdateAccountPolicyInput,
    ) -> Answer<UpdateAccountPolicyPayload> {
        let client_mutation_id = input.client_mutation_id.clone();
        let outcome = async {
            let version = input.if_version.map(i64::from);
            let change = input.change()?;
            ctx.service().update_account_policy(ctx.caller(), change, version).await
        }
        .await;
        UpdateAccountPolicyPayload::answer(ctx, outcome, client_mutation_id, |policies| UpdateAccountPolicyPayload {
            account_policy: Some(AccountPolicy(policies)),
            ..Default::default()
        })
        .await
    }
}
