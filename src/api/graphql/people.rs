//! What belongs to a person: addresses, password state, second factors, preferences.

use async_graphql::{Context, ID};

use super::connection::PageInfo;
use super::cost::list_complexity;
use super::enums::{EmailSource, MfaMethod, PasswordChangeReason, Theme};
use super::failure::Failure;
use super::interfaces::Actor;
use super::scalars::{DateTime, EmailAddress, Json};
use super::users::{self, User};
use super::version;
use crate::domain::account;
use crate::domain::second_factor::Authenticator;
use crate::service;

/// One page of a list.
#[derive(async_graphql::SimpleObject)]
pub(super) struct EmailConnection {
    /// Whether and how to read on.
    pub(super) page_info: PageInfo,
    /// The items of this page with their cursors.
    pub(super) edges: Vec<EmailEdge>,
    /// The items of this page.
    pub(super) nodes: Vec<Email>,
    /// How many there are. Counted only when asked for.
    pub(super) total_count: Option<i32>,
}

/// One item of a page.
#[derive(async_graphql::SimpleObject)]
pub(super) struct EmailEdge {
    /// Where this item stands in the list; for `after` and `before`.
    pub(super) cursor: String,
    /// The item.
    pub(super) node: Email,
}

/// An address of a person.
#[derive(Clone)]
pub(super) struct Email(pub(super) account::EmailAddress);

/// One address of a person.
///
/// Permission: oneself or `user_access_read`.
#[async_graphql::Object]
impl Email {
    /// UUID. `node` finds an address that only a directory wrote for oneself alone.
    pub(super) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// Whose address.
    pub(super) async fn user(&self, ctx: &Context<'_>) -> Option<Result<User, Failure>> {
        users::user_of_account(ctx, self.0.account)
    }

    /// The address.
    pub(super) async fn address(&self) -> EmailAddress {
        EmailAddress(self.0.address.clone())
    }

    /// Whether it is the profile address. Exactly one is, if there are any.
    pub(super) async fn is_primary(&self) -> bool {
        self.0.is_primary
    }

    /// Whether it has been verified. Unverified ones count for nothing: not for sign-in, invitations or linking.
    pub(super) async fn is_verified(&self) -> bool {
        self.0.verified.is_some()
    }

    /// When it was verified; null: not yet.
    pub(super) async fn verified_at(&self) -> Option<DateTime> {
        self.0.verified.map(DateTime::from)
    }

    /// Who brought it.
    pub(super) async fn source(&self) -> EmailSource {
        self.0.source.into()
    }

    /// When it was created.
    pub(super) async fn created_at(&self) -> DateTime {
        self.0.created.into()
    }

    /// Who created it. Null: the server itself, or someone the caller may not read.
    pub(super) async fn created_by(&self, ctx: &Context<'_>) -> Option<Result<Actor, Failure>> {
        if self.0.source == account::EmailSource::Directory {
            return None;
        }
        users::actor_of_account(ctx, self.0.account)
    }

    /// When it last changed; equal to `createdAt` until then.
    pub(super) async fn updated_at(&self) -> DateTime {
        self.0.updated.into()
    }

    /// Who changed it last. Null: the server itself, or someone the caller may not read.
    pub(super) async fn updated_by(&self, ctx: &Context<'_>) -> Option<Result<Actor, Failure>> {
        if self.0.source == account::EmailSource::Directory {
            return None;
        }
        users::actor_of_account(ctx, self.0.account)
    }

    /// Rises with every change. Pass it as `ifVersion` to refuse overwriting somebody else's change.
    pub(super) async fn version(&self) -> i32 {
        version(self.0.version)
    }
}

/// What can be said about a password, if there is one.
pub(super) struct PasswordState(pub(super) Option<account::PasswordState>);

/// What can be said about a password.
#[async_graphql::Object]
impl PasswordState {
    /// Whether there is one.
    pub(super) async fn is_set(&self) -> bool {
        self.0.is_some()
    }

    /// Whether it must be changed at the next sign-in.
    pub(super) async fn is_expired(&self) -> bool {
        self.0.is_some_and(|state| state.must_change.is_some())
    }

    /// Why; null if not expired.
    pub(super) async fn reason(&self) -> Option<PasswordChangeReason> {
        self.0.and_then(|state| state.must_change).map(PasswordChangeReason::from)
    }

    /// When it was last set.
    pub(super) async fn changed_at(&self) -> Option<DateTime> {
        self.0.map(|state| state.changed.into())
    }

    /// When a temporary password stops working; null for any other.
    pub(super) async fn expires_at(&self) -> Option<DateTime> {
        self.0.and_then(|state| state.expires).map(DateTime::from)
    }
}

/// The second factors of a person.
pub(super) struct MfaState(pub(super) service::MfaState);

/// A person's second factors.
#[async_graphql::Object]
impl MfaState {
    /// Whether sign-in asks for a second factor.
    pub(super) async fn is_enabled(&self) -> bool {
        self.0.authenticator.is_some()
    }

    /// Whether the current organization demands one.
    pub(super) async fn is_required(&self) -> bool {
        self.0.required
    }

    /// Enrolled factors, recovery codes not among them.
    #[graphql(complexity = "list_complexity(child_complexity)")]
    pub(super) async fn factors(&self) -> Vec<MfaFactor> {
        self.0.authenticator.iter().cloned().map(MfaFactor).collect()
    }

    /// Unused recovery codes.
    pub(super) async fn recovery_codes_remaining(&self) -> i32 {
        i32::try_from(self.0.recovery_codes).unwrap_or(i32::MAX)
    }
}

/// An enrolled second factor.
#[derive(Clone)]
pub(super) struct MfaFactor(pub(super) Authenticator);

/// One enrolled second factor.
#[async_graphql::Object]
impl MfaFactor {
    /// UUID.
    pub(super) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// Kind.
    pub(super) async fn method(&self) -> MfaMethod {
        MfaMethod::Totp
    }

    /// The person's name for it: `Phone`.
    pub(super) async fn name(&self) -> String {
        self.0.name.clone()
    }

    /// Last use.
    pub(super) async fn last_used_at(&self) -> Option<DateTime> {
        self.0.last_used.map(DateTime::from)
    }

    /// When it was created.
    pub(super) async fn created_at(&self) -> DateTime {
        self.0.created.into()
    }

    /// Who created it. Null: the server itself, or someone the caller may not read.
    pub(super) async fn created_by(&self, ctx: &Context<'_>) -> Option<Result<Actor, Failure>> {
        users::actor_of_account(ctx, self.0.account)
    }

    /// When it last changed; equal to `createdAt` until then.
    pub(super) async fn updated_at(&self) -> DateTime {
        self.0.updated.into()
    }

    /// Who changed it last. Null: the server itself, or someone the caller may not read.
    pub(super) async fn updated_by(&self, ctx: &Context<'_>) -> Option<Result<Actor, Failure>> {
        users::actor_of_account(ctx, self.0.account)
    }

    /// Rises with every change. Pass it as `ifVersion` to refuse overwriting somebody else's change.
    pub(super) async fn version(&self) -> i32 {
        version(self.0.version)
    }
}

/// A person's preferences.
pub(super) struct Settings(pub(super) account::Settings);

/// A person's own preferences, the same in every organization; at most 16 KiB altogether.
#[async_graphql::Object]
impl Settings {
    /// Language and region, BCP 47; null: as the profile says.
    pub(super) async fn locale(&self) -> Option<String> {
        self.0.locale.clone()
    }

    /// IANA time zone; null: as the profile says.
    pub(super) async fn timezone(&self) -> Option<String> {
        self.0.timezone.clone()
    }

    /// Colours. Default `SYSTEM`.
    pub(super) async fn theme(&self) -> Theme {
        self.0.theme.unwrap_or(account::Theme::System).into()
    }

    /// Which mails to send. Security notices are always sent.
    pub(super) async fn notifications(&self) -> NotificationSettings {
        NotificationSettings {
            new_device: self.0.new_device.unwrap_or(true),
            profile_change: self.0.profile_change.unwrap_or(true),
        }
    }

    /// Free object for front ends; `{}` by default.
    pub(super) async fn preferences(&self) -> Json {
        Json(self.0.preferences.clone().into())
    }

    /// Last change; null: never.
    pub(super) async fn updated_at(&self) -> Option<DateTime> {
        self.0.updated.map(DateTime::from)
    }

    /// Rises with every change; 0 before the first.
    pub(super) async fn version(&self) -> i32 {
        version(self.0.version)
    }
}

/// Which mails a person wants.
#[derive(async_graphql::SimpleObject)]
pub(super) struct NotificationSettings {
    /// A sign-in from a device not seen before. Default true.
    pub(super) new_device: bool,
    /// Somebody else changed the profile. Default true.
    pub(super) profile_change: bool,
}
