//! Personal API tokens.

use async_graphql::{Context, ID};

use super::enums::{ApiTokenKind, ApiTokenState};
use super::failure::Failure;
use super::interfaces::{Actor, author};
use super::request::Asking as _;
use super::scalars::DateTime;
use super::version;
use crate::domain::Author;
use crate::domain::api_token::{self, Holder};

/// A person's token: never the secret.
#[derive(Clone)]
pub(super) struct ApiToken(pub(super) api_token::ApiToken);

/// A bearer token. The secret itself is shown once, where it is made.
///
/// Permission: its holder, `service_account_write` (service accounts) or `directory_manage` (directories).
#[async_graphql::Object]
impl ApiToken {
    /// UUID; not the secret.
    pub(super) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// Whose token.
    pub(super) async fn kind(&self) -> ApiTokenKind {
        match self.0.holder {
            Holder::Person(..) => ApiTokenKind::Personal,
            Holder::ServiceAccount(_) => ApiTokenKind::ServiceAccount,
            Holder::Directory(_) => ApiTokenKind::Directory,
        }
    }

    /// The user, service account or directory.
    pub(super) async fn holder(&self, ctx: &Context<'_>) -> Option<Result<Actor, Failure>> {
        let holder = match self.0.holder {
            Holder::Person(_, user) => Author::User(user),
            Holder::ServiceAccount(id) => Author::ServiceAccount(id),
            Holder::Directory(id) => Author::Directory(id),
        };
        author(ctx, Some(holder)).await
    }

    /// Name; 1 to 100 characters.
    pub(super) async fn name(&self) -> String {
        self.0.name.clone()
    }

    /// First characters of the secret, to recognise it: `rca_8Kd2`.
    pub(super) async fn prefix(&self) -> String {
        self.0.hint.clone()
    }

    /// Permission keys. What it can do is these and no more than its holder may do now. Empty for a directory.
    pub(super) async fn scopes(&self) -> Vec<String> {
        self.0.scopes.iter().map(|scope| scope.key().to_owned()).collect()
    }

    /// State.
    pub(super) async fn state(&self, ctx: &Context<'_>) -> ApiTokenState {
        self.0.state(ctx.service().now()).into()
    }

    /// When it stops working; null: never.
    pub(super) async fn expires_at(&self) -> Option<DateTime> {
        self.0.expires.map(DateTime::from)
    }

    /// Last use, to the minute; null: never.
    pub(super) async fn last_used_at(&self) -> Option<DateTime> {
        self.0.last_used.map(DateTime::from)
    }

    /// Until when the secret before the last rotation still works; null: not any more.
    pub(super) async fn previous_until(&self, ctx: &Context<'_>) -> Option<DateTime> {
        self.0.previous_until.filter(|until| ctx.service().now() < *until).map(DateTime::from)
    }

    /// When it was created.
    pub(super) async fn created_at(&self) -> DateTime {
        self.0.created.into()
    }

    /// Who created it. Null: the server itself, or someone the caller may not read.
    pub(super) async fn created_by(&self, ctx: &Context<'_>) -> Option<Result<Actor, Failure>> {
        author(ctx, self.0.created_by).await
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
