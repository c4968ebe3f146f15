//! The two kinds of callers beside people. Nobody is one yet; their shape is part of what clients may ask for.

#![expect(unreachable_code, reason = "there is no value to ask about")]

use async_graphql::ID;

use super::failure::Failure;
use super::interfaces::Actor;
use super::organizations::Organization;
use super::scalars::DateTime;

/// A program of an organization.
#[derive(Clone, Copy)]
pub(super) enum ServiceAccount {}

/// A program of one organization. Has API tokens; never a password, second factor, address or settings; never superuser
/// or owner.
#[async_graphql::Object]
impl ServiceAccount {
    /// UUID.
    pub(super) async fn id(&self) -> ID {
        match *self {}
    }

    /// Unique among the organization's users and service accounts, compared without case; 1 to 100 characters.
    pub(super) async fn user_name(&self) -> String {
        match *self {}
    }

    /// What to call it; falls back to `userName`.
    pub(super) async fn display_name(&self) -> String {
        match *self {}
    }

    /// What it is for; at most 500 characters.
    pub(super) async fn description(&self) -> Option<String> {
        match *self {}
    }

    /// Whether its tokens work. Default true.
    pub(super) async fn is_active(&self) -> bool {
        match *self {}
    }

    /// Always true.
    pub(super) async fn is_service_account(&self) -> bool {
        match *self {}
    }

    /// Whose it is; exactly one.
    pub(super) async fn organization(&self) -> Organization {
        match *self {}
    }

    /// When it was created.
    pub(super) async fn created_at(&self) -> DateTime {
        match *self {}
    }

    /// Who created it. Null: the server itself, or someone the caller may not read.
    pub(super) async fn created_by(&self) -> Option<Result<Actor, Failure>> {
        match *self {}
    }

    /// When it last changed; equal to `createdAt` until then.
    pub(super) async fn updated_at(&self) -> DateTime {
        match *self {}
    }

    /// Who changed it last. Null: the server itself, or someone the caller may not read.
    pub(super) async fn updated_by(&self) -> Option<Result<Actor, Failure>> {
        match *self {}
    }

    /// Rises with every change. Pass it as `ifVersion` to refuse overwriting somebody else's change.
    pub(super) async fn version(&self) -> i32 {
        match *self {}
    }
}

/// The operator's own identity.
#[derive(Clone, Copy)]
pub(super) enum RootIdentity {}

/// The operator's own identity of a fresh or broken installation; not a user, in no organization.
#[async_graphql::Object]
impl RootIdentity {
    /// Always `00000000-0000-0000-0000-000000000000`.
    pub(super) async fn id(&self) -> ID {
        match *self {}
    }

    /// Always `root`.
    pub(super) async fn display_name(&self) -> String {
        match *self {}
    }

    /// Always false.
    pub(super) async fn is_service_account(&self) -> bool {
        match *self {}
    }

    /// Always true.
    pub(super) async fn is_active(&self) -> bool {
        match *self {}
    }
}
