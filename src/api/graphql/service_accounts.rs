//! Service accounts, and root.

use async_graphql::{Context, ID};

use super::connection::Paging;
use super::cost::{list_complexity, page_complexity};
use super::failure::Failure;
use super::groups::UserGroupConnection;
use super::interfaces::{Actor, author};
use super::organizations::{Organization, Permission, Role, RoleGrant};
use super::request::{Asking as _, Grants};
use super::scalars::DateTime;
use super::tokens::ApiToken;
use super::version;
use crate::domain::service_account;

/// A program of an organization.
#[derive(Clone)]
pub(super) struct ServiceAccount(pub(super) service_account::ServiceAccount);

impl ServiceAccount {
    async fn grants(&self, ctx: &Context<'_>) -> Result<Grants, Failure> {
        let grants = ctx.service().list_grants_of_program(ctx.caller(), self.0.id).await?;
        Ok(Grants { grants, since: ctx.caller().require_known()?.organization().stamps.created })
    }
}

/// A program of one organization. Has API tokens; never a password, second factor, address or settings; never superuser
/// or owner.
#[async_graphql::Object]
impl ServiceAccount {
    /// UUID.
    pub(super) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// Unique among the organization's users and service accounts, compared without case; 1 to 100 characters.
    pub(super) async fn user_name(&self) -> String {
        self.0.user_name.clone()
    }

    /// What to call it; falls back to `userName`.
    pub(super) async fn display_name(&self) -> String {
        self.0.display_name().to_owned()
    }

    /// What it is for; at most 500 characters.
    pub(super) async fn description(&self) -> Option<String> {
        self.0.description.clone()
    }

    /// Whether its tokens work. Default true.
    pub(super) async fn is_active(&self) -> bool {
        self.0.active
    }

    /// Always true.
    pub(super) async fn is_service_account(&self) -> bool {
        true
    }

    /// Whose it is; exactly one.
    pub(super) async fn organization(&self, ctx: &Context<'_>) -> Result<Organization, Failure> {
        Ok(Organization(ctx.service().get_my_organization(ctx.caller(), None).await?))
    }

    /// Last use of one of its tokens, to the minute; null: never.
    pub(super) async fn last_seen_at(&self) -> Option<DateTime> {
        self.0.last_seen.map(DateTime::from)
    }

    /// Groups with its role in each, by name.
    ///
    /// Permission: itself, `service_account_write`, `user_access_read` or `groups_read`.
    #[graphql(complexity = "page_complexity(first, last, child_complexity)")]
    pub(super) async fn groups(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "From the start: 0 to 100, more gives 100; default 100 without `last`. Below 0: `VALIDATION_FAILED`."
        )]
        first: Option<i32>,
        #[graphql(desc = "Only after this cursor of the same list, filter and order; else `INVALID_CURSOR`.")]
        after: Option<String>,
        #[graphql(desc = "From the end: 0 to 100, more gives 100. With `first`: `INVALID_ARGUMENT_COMBINATION`.")] last: Option<i32>,
        #[graphql(desc = "Only before this cursor of the same list, filter and order; else `INVALID_CURSOR`.")] before: Option<String>,
    ) -> Option<Result<UserGroupConnection, Failure>> {
        Some(
            async {
                let paging = Paging::read(first, after, last, before)?;
                let id = self.0.id.uuid();
                UserGroupConnection::read(ctx.belongings_of(id).await?, id, &paging)
            }
            .await,
        )
    }

    /// Roles in force, each once.
    ///
    /// Permission: itself, `service_account_write` or `user_access_read`.
    #[graphql(complexity = "list_complexity(child_complexity)")]
    pub(super) async fn roles(&self, ctx: &Context<'_>) -> Option<Result<Vec<Role>, Failure>> {
        Some(self.grants(ctx).await.map(|grants| grants.roles()))
    }

    /// Where each role comes from.
    ///
    /// Permission: itself, `service_account_write` or `user_access_read`.
    #[graphql(complexity = "list_complexity(child_complexity)")]
    pub(super) async fn role_grants(&self, ctx: &Context<'_>) -> Option<Result<Vec<RoleGrant>, Failure>> {
        Some(self.grants(ctx).await.map(|grants| grants.listed()))
    }

    /// All permissions of `roles`.
    ///
    /// Permission: itself, `service_account_write` or `user_access_read`.
    #[graphql(complexity = "list_complexity(child_complexity)")]
    pub(super) async fn permissions(&self, ctx: &Context<'_>) -> Option<Result<Vec<Permission>, Failure>> {
        Some(self.grants(ctx).await.map(|grants| grants.permissions()))
    }

    /// Its tokens, newest first: active ones and those ended in the last 90 days; at most 100.
    ///
    /// Permission: itself or `service_account_write`.
    #[graphql(complexity = "list_complexity(child_complexity)")]
    pub(super) async fn tokens(&self, ctx: &Context<'_>) -> Option<Result<Vec<ApiToken>, Failure>> {
        let listed = ctx.service().list_tokens_of_program(ctx.caller(), self.0.id).await;
        Some(listed.map(|tokens| tokens.into_iter().map(ApiToken).collect()).map_err(Failure::from))
    }

    /// When it was created.
    pub(super) async fn created_at(&self) -> DateTime {
        self.0.stamps.created.into()
    }

    /// Who created it. Null: the server itself, or someone the caller may not read.
    pub(super) async fn created_by(&self, ctx: &Context<'_>) -> Option<Result<Actor, Failure>> {
        author(ctx, self.0.stamps.created_by).await
    }

    /// When it last changed; equal to `createdAt` until then.
    pub(super) async fn updated_at(&self) -> DateTime {
        self.0.stamps.updated.into()
    }

    /// Who changed it last. Null: the server itself, or someone the caller may not read.
    pub(super) async fn updated_by(&self, ctx: &Context<'_>) -> Option<Result<Actor, Failure>> {
        author(ctx, self.0.stamps.updated_by).await
    }

    /// Rises with every change. Pass it as `ifVersion` to refuse overwriting somebody else's change.
    pub(super) async fn version(&self) -> i32 {
        version(self.0.stamps.version)
    }
}

/// The operator's own identity.
#[derive(Clone, Copy)]
pub(super) struct RootIdentity;

/// The operator's own identity of a fresh or broken installation; not a user, in no organization, and no superuser. Its
/// credential works for 15 minutes and for one of `createOrganization`, `inviteOwner` and `restoreOwner`.
#[async_graphql::Object]
impl RootIdentity {
    /// Always `00000000-0000-0000-0000-000000000000`.
    pub(super) async fn id(&self) -> ID {
        uuid::Uuid::nil().to_string().into()
    }

    /// Always `root`.
    pub(super) async fn display_name(&self) -> String {
        "root".to_owned()
    }

    /// Always false.
    pub(super) async fn is_service_account(&self) -> bool {
        false
    }

    /// Always true.
    pub(super) async fn is_active(&self) -> bool {
        true
    }
}
