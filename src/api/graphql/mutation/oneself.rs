//! What people change about themselves.

use async_graphql::Context;

use super::super::inputs::{CompleteOnboardingInput, LeaveOrganizationInput, UpdateMeInput, UpdateMySettingsInput};
use super::super::organizations::Organization;
use super::super::payloads::{
    Answer, CompleteOnboardingPayload, LeaveOrganizationPayload, UpdateMePayload, UpdateMySettingsPayload,
};
use super::super::people::{Email, Settings};
use super::super::request::Asking as _;
use super::super::users::User;

#[derive(Default)]
pub(super) struct Oneself;

#[async_graphql::Object]
impl Oneself {
    /// Changes one's own profile. Absent fields stay as they are. Applies in every organization the person belongs to, but
    /// for values a directory or login provider keeps there: in the current organization those are refused, elsewhere left
    /// alone and named in `skippedOrganizations`. A new `email` is added unverified and mailed; it becomes the primary
    /// address on verification (`accountPolicy.emailChange`). All or nothing.
    ///
    /// Permission: `user_self_profile_write`; with another `email`, or a `userName` that is an address, a login with
    /// step-up. Errors: `STEP_UP_REQUIRED`, `ID_MISMATCH`, `VERSION_CONFLICT`, `MANAGED_BY_CONNECTION`,
    /// `MANAGED_BY_DIRECTORY`, `PROTECTED_ACCOUNT` (service account or root), `INSUFFICIENT_RANK` (`isActive`,
    /// `isSuperuser`), `RESERVED_USERNAME`, `INVALID_USERNAME`, `USERNAME_TAKEN`, `INVALID_EMAIL`, `EMAIL_TAKEN`,
    /// `INVALID_DISPLAY_NAME`, `VALIDATION_FAILED`, `LIMIT_EXCEEDED`, `LAST_OWNER` (`disabled`), `RATE_LIMITED`.
    async fn update_me(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: UpdateMeInput,
    ) -> Answer<UpdateMePayload> {
        let client_mutation_id = input.client_mutation_id.clone();
        let update = input.update();
        let outcome = async {
            let update = update?;
            ctx.service().update_me(ctx.caller(), update).await
        }
        .await;
        UpdateMePayload::answer(ctx, outcome, client_mutation_id, |done| UpdateMePayload {
            user: Some(User(done.user)),
            pending_email: done.pending_email.map(Email),
            skipped_organizations: Some(done.skipped.into_iter().map(Organization).collect()),
            ..Default::default()
        })
        .await
    }

    /// Changes one's own preferences. Absent fields stay as they are; null puts a field back to its default.
    ///
    /// Permission: oneself. Errors: `VALIDATION_FAILED`, `LIMIT_EXCEEDED`, `VERSION_CONFLICT`, `PROTECTED_ACCOUNT`.
    async fn update_my_settings(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: UpdateMySettingsInput,
    ) -> Answer<UpdateMySettingsPayload> {
        let (client_mutation_id, if_version) = (input.client_mutation_id.clone(), input.if_version.map(i64::from));
        let edit = input.edit();
        let outcome = async { ctx.service().update_my_settings(ctx.caller(), &edit, if_version).await }.await;
        UpdateMySettingsPayload::answer(ctx, outcome, client_mutation_id, |settings| UpdateMySettingsPayload {
            settings: Some(Settings(settings)),
            ..Default::default()
        })
        .await
    }

    /// Notes that the first steps are done: `User.isOnboarded`.
    ///
    /// Permission: oneself. Errors: `PROTECTED_ACCOUNT`.
    async fn complete_onboarding(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: CompleteOnboardingInput,
    ) -> Answer<CompleteOnboardingPayload> {
        let outcome = async { ctx.service().complete_onboarding(ctx.caller()).await }.await;
        CompleteOnboardingPayload::answer(ctx, outcome, input.client_mutation_id, |user| CompleteOnboardingPayload {
            user: Some(User(user)),
            ..Default::default()
        })
        .await
    }

    /// Leaves the current organization. The account and its other memberships stay; the login ends.
    ///
    /// Permission: oneself, with a login; step-up. Errors: `LAST_OWNER`, `MANAGED_BY_DIRECTORY`, `NOT_MANAGED_ACCOUNT` (a
    /// managed account is removed by an administrator), `STEP_UP_REQUIRED`, `PROTECTED_ACCOUNT`.
    async fn leave_organization(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: LeaveOrganizationInput,
    ) -> Answer<LeaveOrganizationPayload> {
        let outcome = async { ctx.service().leave_organization(ctx.caller()).await }.await;
        LeaveOrganizationPayload::answer(ctx, outcome, input.client_mutation_id, |id| LeaveOrganizationPayload {
            organization_id: Some(id.to_string().into()),
            ..Default::default()
        })
        .await
    }
}
