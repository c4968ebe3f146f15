//! Addresses of oneself.

use async_graphql::Context;

use super::super::inputs::{AddEmailInput, RemoveEmailInput, ResendEmailVerificationInput, SetPrimaryEmailInput};
use super::super::payloads::{
    AddEmailPayload, Answer, RemoveEmailPayload, ResendEmailVerificationPayload, SetPrimaryEmailPayload,
};
use super::super::people::Email;
use super::super::read::read_id;
use super::super::request::Asking as _;
use super::super::users::User;

#[derive(Default)]
pub(super) struct Addresses;

#[async_graphql::Object]
impl Addresses {
    /// Adds an address and mails a link to verify it. Answers the same where the address belongs to somebody else; its
    /// owner then gets a notice instead. The verified addresses of the user get a notice. For a day after it is verified,
    /// no link to set a new password is mailed to it.
    ///
    /// Permission: oneself, with a login; step-up; for somebody else `user_access_manage` and `user_credentials_manage`,
    /// managed, rank. Errors: `INVALID_EMAIL`, `EMAIL_TAKEN` (one's own already; for an administrator also another user's
    /// here), `LIMIT_EXCEEDED` (10), `RATE_LIMITED`, `MANAGED_BY_DIRECTORY`, `NOT_FOUND`, `NOT_MANAGED_ACCOUNT`,
    /// `INSUFFICIENT_RANK`, `STEP_UP_REQUIRED`, `PROTECTED_ACCOUNT`.
    async fn add_email(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: AddEmailInput,
    ) -> Answer<AddEmailPayload> {
        let outcome = async {
            let who = input.user.map(Into::into);
            ctx.service().add_email(ctx.caller(), who.as_ref(), &input.email).await
        }
        .await;
        AddEmailPayload::answer(ctx, outcome, input.client_mutation_id, |email| AddEmailPayload {
            email: Some(Email(email)),
            ..Default::default()
        })
        .await
    }

    /// Mails a new link for an unverified address; the one before stops working.
    ///
    /// Permission: oneself, with a login; step-up. Errors: `NOT_FOUND`, `ILLEGAL_TRANSITION` (already verified),
    /// `RATE_LIMITED`, `STEP_UP_REQUIRED`.
    async fn resend_email_verification(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: ResendEmailVerificationInput,
    ) -> Answer<ResendEmailVerificationPayload> {
        let outcome = async {
            let id = read_id(&input.email_id, "emailId")?;
            ctx.service().resend_email_verification(ctx.caller(), id).await
        }
        .await;
        ResendEmailVerificationPayload::answer(ctx, outcome, input.client_mutation_id, |email| {
            ResendEmailVerificationPayload { email: Some(Email(email)), ..Default::default() }
        })
        .await
    }

    /// Removes an address. A verified one, and the verified ones that stay, get a notice.
    ///
    /// Permission: oneself, with a login; step-up; for somebody else `user_access_manage` and `user_credentials_manage`,
    /// managed, rank. Errors: `NOT_FOUND`, `PRIMARY_EMAIL`, `MANAGED_BY_DIRECTORY`, `MANAGED_BY_CONNECTION`,
    /// `NOT_MANAGED_ACCOUNT`, `INSUFFICIENT_RANK`, `STEP_UP_REQUIRED`.
    async fn remove_email(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: RemoveEmailInput,
    ) -> Answer<RemoveEmailPayload> {
        let removed = input.email_id.clone();
        let outcome = async {
            let id = read_id(&input.email_id, "emailId")?;
            ctx.service().remove_email(ctx.caller(), id).await
        }
        .await;
        RemoveEmailPayload::answer(ctx, outcome, input.client_mutation_id, |user| RemoveEmailPayload {
            removed_email_id: Some(removed),
            user: Some(User(user)),
            ..Default::default()
        })
        .await
    }

    /// Makes a verified address the primary one. All verified addresses get a notice.
    ///
    /// Permission: oneself, with a login; step-up. Errors: `NOT_FOUND`, `EMAIL_UNVERIFIED`, `MANAGED_BY_DIRECTORY`,
    /// `MANAGED_BY_CONNECTION`, `STEP_UP_REQUIRED`.
    async fn set_primary_email(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The one argument.")] input: SetPrimaryEmailInput,
    ) -> Answer<SetPrimaryEmailPayload> {
        let outcome = async {
            let id = read_id(&input.email_id, "emailId")?;
            ctx.service().set_primary_email(ctx.caller(), id).await
        }
        .await;
        SetPrimaryEmailPayload::answer(ctx, outcome, input.client_mutation_id, |email| SetPrimaryEmailPayload {
            email: Some(Email(email)),
            user: ctx.caller().as_person().map(|person| User(person.user.clone())),
            ..Default::default()
        })
        .await
    }
}
