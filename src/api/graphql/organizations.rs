//! Organizations, roles and permissions.

use async_graphql::{Context, ID};

use super::cost::list_complexity;
use super::directories::Directory;
use super::enums::{AccountType, MembershipSource, MembershipStatus, RoleGrantSource};
use super::failure::Failure;
use super::groups::Group;
use super::interfaces::{Actor, author};
use super::request::Asking as _;
use super::scalars::DateTime;
use super::users::{User, status_of_membership};
use super::{number, version};
use crate::domain::role;
use crate::domain::{self, Permission as Right};

/// An organization the caller belongs to.
#[derive(Clone)]
pub(super) struct Organization(pub(super) domain::organization::Organization);

/// A tenant.
#[async_graphql::Object]
impl Organization {
    /// UUID.
    pub(super) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// Name; 1 to 100 characters.
    pub(super) async fn name(&self) -> String {
        self.0.name.clone()
    }

    /// Unique on the server; lower-case letters, digits and hyphens, 1 to 63, letter or digit first.
    pub(super) async fn short_name(&self) -> String {
        self.0.short_name.clone()
    }

    /// Mail domains proven to be this organization's, in lower case.
    pub(super) async fn verified_domains(&self, ctx: &Context<'_>) -> Result<Vec<String>, Failure> {
        Ok(ctx.service().list_domains(ctx.caller(), self.0.id).await?)
    }

    /// Whether a directory took away the last owner and nobody has claimed ownership yet.
    pub(super) async fn is_ownerless(&self, ctx: &Context<'_>) -> Result<bool, Failure> {
        Ok(ctx.service().is_my_organization_ownerless(ctx.caller(), self.0.id).await?)
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

/// A role, and since when there is it.
#[derive(Clone)]
pub(super) struct Role {
    pub(super) role: role::Role,
    pub(super) since: chrono::DateTime<chrono::Utc>,
}

/// A named set of permissions. Built in: `owner`, `admin`, `developer`, `analyst`, `member`.
#[async_graphql::Object]
impl Role {
    /// UUID.
    pub(super) async fn id(&self) -> ID {
        self.role.id.to_string().into()
    }

    /// Unique in the organization: `^[a-z][a-z0-9_]{0,62}$`. Fixed.
    pub(super) async fn key(&self) -> String {
        self.role.key.clone()
    }

    /// Name; 1 to 100 characters.
    pub(super) async fn name(&self) -> String {
        self.role.name.clone()
    }

    /// What it is for; at most 500 characters.
    pub(super) async fn description(&self) -> Option<String> {
        self.role.description.clone()
    }

    /// What it allows, by key.
    #[graphql(complexity = "list_complexity(child_complexity)")]
    pub(super) async fn permissions(&self) -> Vec<Permission> {
        self.role.permissions.iter().copied().map(Permission).collect()
    }

    /// Whether it came with the server and cannot be changed.
    pub(super) async fn is_built_in(&self) -> bool {
        self.role.is_built_in()
    }

    /// Whether the caller could give it to somebody: the caller holds all its permissions and may grant roles.
    pub(super) async fn is_grantable(&self, ctx: &Context<'_>) -> bool {
        ctx.caller().may(Right::UserAccessManage)
            && self.role.permissions.iter().all(|permission| ctx.caller().may(*permission))
    }

    /// How many users hold it.
    ///
    /// Permission: `user_access_read`.
    pub(super) async fn user_count(&self, ctx: &Context<'_>) -> Option<Result<i32, Failure>> {
        let counted = ctx.service().count_users_with_role(ctx.caller(), &self.role.key).await;
        Some(counted.map(number).map_err(Failure::from))
    }

    /// When it was created.
    pub(super) async fn created_at(&self) -> DateTime {
        self.role.stamps.map_or(self.since, |stamps| stamps.created).into()
    }

    /// Who created it. Null: the server itself, or someone the caller may not read.
    pub(super) async fn created_by(&self, ctx: &Context<'_>) -> Option<Result<Actor, Failure>> {
        author(ctx, self.role.stamps?.created_by).await
    }

    /// When it last changed; equal to `createdAt` until then.
    pub(super) async fn updated_at(&self) -> DateTime {
        self.role.stamps.map_or(self.since, |stamps| stamps.updated).into()
    }

    /// Who changed it last. Null: the server itself, or someone the caller may not read.
    pub(super) async fn updated_by(&self, ctx: &Context<'_>) -> Option<Result<Actor, Failure>> {
        author(ctx, self.role.stamps?.updated_by).await
    }

    /// Rises with every change. Pass it as `ifVersion` to refuse overwriting somebody else's change.
    pub(super) async fn version(&self) -> i32 {
        version(self.role.stamps.map_or(1, |stamps| stamps.version))
    }
}

impl Role {
    /// A role of the organization that the caller sees.
    pub(super) fn seen(ctx: &Context<'_>, role: role::Role) -> Self {
        let since = ctx.caller().as_member().map(|member| member.organization().stamps.created);
        Self { role, since: since.unwrap_or_default() }
    }

    /// Several of them.
    pub(super) fn all(ctx: &Context<'_>, roles: Vec<role::Role>) -> Vec<Self> {
        roles.into_iter().map(|role| Self::seen(ctx, role)).collect()
    }
}

/// One right.
pub(super) struct Permission(pub(super) Right);

/// One right. Roles are made of them; there are no denials.
#[async_graphql::Object]
impl Permission {
    /// `user_self_profile_write`, `user_access_read`, `user_access_invite`, `user_access_manage`,
    /// `user_credentials_manage`, `user_sessions_manage`, `user_impersonate`, `groups_read`, `groups_manage`,
    /// `service_account_write`, `role_manage`, `org_management`, `directory_manage`, `audit_read`. The list may grow.
    /// `user_impersonate` is not available yet: it allows nothing and cannot be granted.
    pub(super) async fn key(&self) -> String {
        self.0.key().to_owned()
    }

    /// What it allows.
    pub(super) async fn description(&self) -> String {
        self.0.description().to_owned()
    }

    /// Whether it cannot be granted: no role that an organization makes and no token can hold it.
    pub(super) async fn is_system_only(&self) -> bool {
        !self.0.is_grantable()
    }

    /// Whether the caller holds it and could pass it on.
    pub(super) async fn is_grantable(&self, ctx: &Context<'_>) -> bool {
        self.0.is_grantable() && ctx.caller().may(self.0)
    }
}

/// Why somebody holds a role.
pub(super) struct RoleGrant {
    pub(super) grant: role::RoleGrant,
    pub(super) since: chrono::DateTime<chrono::Utc>,
}

impl RoleGrant {
    /// Several of them, as the caller sees them.
    pub(super) fn all(ctx: &Context<'_>, grants: Vec<role::RoleGrant>) -> Vec<Self> {
        let since = ctx.caller().as_member().map(|member| member.organization().stamps.created).unwrap_or_default();
        grants.into_iter().map(|grant| Self { grant, since }).collect()
    }
}

/// One reason why somebody holds a role. A role stays in force while there is one.
#[async_graphql::Object]
impl RoleGrant {
    /// The role.
    pub(super) async fn role(&self) -> Role {
        Role { role: self.grant.role.clone(), since: self.since }
    }

    /// Where it comes from.
    pub(super) async fn source(&self) -> RoleGrantSource {
        self.grant.source.into()
    }

    /// The group it comes through, with source `GROUP`.
    pub(super) async fn group(&self, ctx: &Context<'_>) -> Option<Result<Group, Failure>> {
        match ctx.group(self.grant.group?).await {
            Ok(found) => found.map(|group| Ok(Group(group))),
            Err(failure) => Some(Err(failure)),
        }
    }

    /// The directory whose mapping gives it, with source `DIRECTORY_MAPPING`.
    pub(super) async fn directory(&self, ctx: &Context<'_>) -> Option<Result<Directory, Failure>> {
        super::directories::directory(ctx, self.grant.directory?).await
    }

    /// Since when.
    pub(super) async fn granted_at(&self) -> DateTime {
        self.grant.granted.into()
    }

    /// By whom; null: the server itself, or someone the caller may not read.
    pub(super) async fn granted_by(&self, ctx: &Context<'_>) -> Option<Result<Actor, Failure>> {
        author(ctx, self.grant.granted_by).await
    }
}

/// A person in an organization.
pub(super) struct Membership {
    pub(super) organization: domain::organization::Organization,
    pub(super) user: domain::user::User,
    pub(super) grants: Vec<role::RoleGrant>,
    pub(super) account_type: AccountType,
    pub(super) source: domain::account::MembershipSource,
    /// When the person joined, or, before that, when the user was made.
    pub(super) since: chrono::DateTime<chrono::Utc>,
    pub(super) is_current: bool,
}

/// A person in an organization. Not a node: in the current organization the node is `user`.
#[async_graphql::Object]
impl Membership {
    /// Which organization.
    pub(super) async fn organization(&self) -> Organization {
        Organization(self.organization.clone())
    }

    /// The person there; null for an organization other than the current one.
    pub(super) async fn user(&self) -> Option<User> {
        self.is_current.then(|| User(self.user.clone()))
    }

    /// Whether that organization controls the account.
    pub(super) async fn account_type(&self) -> AccountType {
        self.account_type
    }

    /// State.
    pub(super) async fn status(&self) -> MembershipStatus {
        status_of_membership(&self.user)
    }

    /// How the membership came about; while `INVITED`, who made the user.
    pub(super) async fn source(&self) -> MembershipSource {
        self.source.into()
    }

    /// The directory that provisions it; null if none or in another organization.
    pub(super) async fn directory(&self, ctx: &Context<'_>) -> Option<Result<Directory, Failure>> {
        let id = self.user.directory.filter(|_| self.is_current)?;
        super::directories::directory(ctx, id).await
    }

    /// The id that directory gave the person.
    pub(super) async fn external_id(&self) -> Option<String> {
        self.user.external_id().map(str::to_owned)
    }

    /// Keys of the roles in force there.
    pub(super) async fn role_keys(&self) -> Vec<String> {
        super::users::role_keys(&self.grants)
    }

    /// Whether this request acts in that organization.
    pub(super) async fn is_current(&self) -> bool {
        self.is_current
    }

    /// Whether the person holds the role `owner` there.
    pub(super) async fn is_owner(&self) -> bool {
        self.grants.iter().any(|grant| grant.role.key == role::BuiltInRole::Owner.as_str())
    }

    /// Since when; while `INVITED`, since when the user has been there.
    pub(super) async fn joined_at(&self) -> DateTime {
        self.since.into()
    }
}
