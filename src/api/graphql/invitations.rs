//! Invitations, as administrators see them.

use async_graphql::{Context, ID};

use super::cost::list_complexity;
use super::enums::{InvitationAcceptance, InvitationEndReason};
use super::failure::Failure;
use super::groups::Group;
use super::inputs::invitations::InvitationState;
use super::interfaces::{Actor, author};
use super::organizations::Role;
use super::policy::LoginProvider;
use super::request::Asking as _;
use super::scalars::{DateTime, EmailAddress};
use super::users::User;
use super::version;
use crate::domain::invitation::{self, InvitationState as Kept};

/// An invitation: never its token or link.
#[derive(Clone)]
pub(super) struct Invitation(pub(super) invitation::Invitation);

/// An offer to join. Its token and link exist only in the mail.
///
/// Permission: `user_access_invite`.
#[async_graphql::Object]
impl Invitation {
    /// UUID; stays the same when it is sent again.
    pub(super) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// Where it was sent.
    pub(super) async fn email(&self) -> EmailAddress {
        EmailAddress(self.0.email.clone())
    }

    /// The invited person's name; becomes the display name.
    pub(super) async fn name(&self) -> String {
        self.0.name.clone()
    }

    /// State.
    pub(super) async fn state(&self, ctx: &Context<'_>) -> InvitationState {
        match self.0.state {
            Kept::Pending if self.0.is_expired(ctx.service().now()) => InvitationState::Expired,
            Kept::Pending => InvitationState::Pending,
            Kept::Accepted => InvitationState::Accepted,
            Kept::Cancelled => InvitationState::Cancelled,
        }
    }

    /// Roles the person gets on accepting.
    #[graphql(complexity = "list_complexity(child_complexity)")]
    pub(super) async fn roles(&self, ctx: &Context<'_>) -> Result<Vec<Role>, Failure> {
        ctx.roles_named(&self.0.roles).await
    }

    /// Groups the person joins on accepting.
    #[graphql(complexity = "list_complexity(child_complexity)")]
    pub(super) async fn groups(&self, ctx: &Context<'_>) -> Result<Vec<Group>, Failure> {
        let mut groups = Vec::new();
        for id in &self.0.groups {
            groups.extend(ctx.group(*id).await?.map(Group));
        }
        Ok(groups)
    }

    /// How the person is to sign in; null: with a user name and password made on accepting.
    pub(super) async fn connection(&self, ctx: &Context<'_>) -> Option<Result<LoginProvider, Failure>> {
        let name = self.0.connection.as_deref()?;
        match ctx.service().get_policies(ctx.caller()).await {
            Ok(policies) => policies.connections.iter().find(|one| one.name == name).map(|one| Ok(one.into())),
            Err(error) => Some(Err(error.into())),
        }
    }

    /// Language of the mail, BCP 47.
    pub(super) async fn locale(&self) -> Option<String> {
        self.0.locale.clone()
    }

    /// The inviter's own words in the mail.
    pub(super) async fn message(&self) -> Option<String> {
        self.0.message.clone()
    }

    /// Until when it can be accepted.
    pub(super) async fn expires_at(&self) -> DateTime {
        self.0.expires.into()
    }

    /// When it was last sent.
    pub(super) async fn sent_at(&self) -> DateTime {
        self.0.sent.into()
    }

    /// How often it was sent.
    pub(super) async fn sent_count(&self) -> i32 {
        i32::try_from(self.0.sent_count).unwrap_or(i32::MAX)
    }

    /// Who invited; null if the caller may not read them.
    pub(super) async fn inviter(&self, ctx: &Context<'_>) -> Option<Result<Actor, Failure>> {
        author(ctx, self.0.inviter).await
    }

    /// The user it is for, where one existed before the invitation; null otherwise.
    pub(super) async fn user(&self, ctx: &Context<'_>) -> Option<Result<User, Failure>> {
        readable(ctx, self.0.user?).await
    }

    /// Who accepted.
    pub(super) async fn accepted_by(&self, ctx: &Context<'_>) -> Option<Result<User, Failure>> {
        readable(ctx, self.0.accepted.map(|(by, ..)| by)?).await
    }

    /// When.
    pub(super) async fn accepted_at(&self) -> Option<DateTime> {
        self.0.accepted.map(|(_, at, _)| at.into())
    }

    /// How.
    pub(super) async fn accepted_via(&self) -> Option<InvitationAcceptance> {
        self.0.accepted.map(|(.., how)| how.into())
    }

    /// Why it was cancelled.
    pub(super) async fn end_reason(&self) -> Option<InvitationEndReason> {
        self.0.end_reason.map(InvitationEndReason::from)
    }

    /// Whether the invited person's account is managed by another organization: its administrators may reset the password
    /// and second factors, and until the person proves the address again, such a sign-in does not act here.
    #[graphql(complexity = 10)]
    pub(super) async fn is_account_managed_elsewhere(&self, ctx: &Context<'_>) -> Result<bool, Failure> {
        Ok(ctx.service().is_managed_elsewhere(ctx.caller(), &self.0.email_key).await?)
    }

    /// When it was created.
    pub(super) async fn created_at(&self) -> DateTime {
        self.0.created.into()
    }

    /// Who created it. Null: the server itself, or someone the caller may not read.
    pub(super) async fn created_by(&self, ctx: &Context<'_>) -> Option<Result<Actor, Failure>> {
        author(ctx, self.0.inviter).await
    }

    /// When it last changed; equal to `createdAt` until then.
    pub(super) async fn updated_at(&self) -> DateTime {
        self.0.updated.into()
    }

    /// Who changed it last. Null: the server itself, or someone the caller may not read.
    pub(super) async fn updated_by(&self, ctx: &Context<'_>) -> Option<Result<Actor, Failure>> {
        author(ctx, self.0.updated_by).await
    }

    /// Rises with every change. Pass it as `ifVersion` to refuse overwriting somebody else's change.
    pub(super) async fn version(&self) -> i32 {
        version(self.0.version)
    }
}

async fn readable(ctx: &Context<'_>, id: crate::domain::UserId) -> Option<Result<User, Failure>> {
    match ctx.user(id).await {
        Ok(found) => found.map(|user| Ok(User(user))),
        Err(failure) => Some(Err(failure)),
    }
}
