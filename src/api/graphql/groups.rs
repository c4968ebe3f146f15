//! Groups and directories, as far as people meet them in their own account.

use async_graphql::{Context, ID};

use super::connection::PageInfo;
use super::enums::{DirectoryDialect, GroupKind, GroupMemberSource, GroupRole};
use super::failure::Failure;
use super::interfaces::Actor;
use super::organizations::{Organization, Role};
use super::request::Asking as _;
use super::scalars::{DateTime, Url};
use super::{LIST, version};
use crate::domain::{self, DirectoryId};

/// A group.
#[derive(Clone)]
pub(super) struct Group(pub(super) domain::group::Group);

/// A set of people and service accounts: a team or a SCIM Group.
#[async_graphql::Object]
impl Group {
    /// UUID; the SCIM id.
    pub(super) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// Unique in the organization, compared without case; 1 to 150 characters. Of a directory's group: its SCIM
    /// `displayName`.
    pub(super) async fn name(&self) -> String {
        self.0.display_name().to_owned()
    }

    /// What to call it; 1 to 150 characters. Falls back to `name`.
    pub(super) async fn display_name(&self) -> String {
        self.0.display_name().to_owned()
    }

    /// Who keeps its members.
    pub(super) async fn kind(&self) -> GroupKind {
        if self.0.directory.is_some() { GroupKind::Directory } else { GroupKind::Local }
    }

    /// Whose group.
    pub(super) async fn organization(&self, ctx: &Context<'_>) -> Result<Organization, Failure> {
        Ok(Organization(ctx.service().get_my_organization(ctx.caller(), None).await?))
    }

    /// The role a new member gets inside this group; null: none.
    pub(super) async fn default_role(&self) -> Option<Role> {
        None
    }

    /// Roles every member holds in the whole organization through this group.
    #[graphql(complexity = "1 + LIST * child_complexity")]
    pub(super) async fn roles(&self) -> Vec<Role> {
        Vec::new()
    }

    /// The directory that provisions it; null for one kept here.
    pub(super) async fn directory(&self, ctx: &Context<'_>) -> Option<Result<Directory, Failure>> {
        directory(ctx, self.0.directory?).await
    }

    /// The id the directory gave it.
    pub(super) async fn external_id(&self) -> Option<String> {
        self.0.external_id().map(str::to_owned)
    }

    /// The caller's role in it; null: none.
    pub(super) async fn viewer_role(&self, ctx: &Context<'_>) -> Option<Result<GroupRole, Failure>> {
        let person = ctx.caller().as_person()?;
        let listed = ctx.service().list_groups_of(ctx.caller(), person.user.id).await;
        match listed {
            Ok(groups) => groups.iter().any(|group| group.id == self.0.id).then_some(Ok(GroupRole::Member)),
            Err(error) => Some(Err(error.into())),
        }
    }

    /// How many direct members.
    ///
    /// Permission: `groups_read`, or belonging to it.
    pub(super) async fn member_count(&self, ctx: &Context<'_>) -> Option<Result<i32, Failure>> {
        let count = ctx.service().count_members(ctx.caller(), self.0.id).await;
        Some(count.map(|count| i32::try_from(count).unwrap_or(i32::MAX)).map_err(Failure::from))
    }

    /// When it was created.
    pub(super) async fn created_at(&self) -> DateTime {
        self.0.created.into()
    }

    /// Who created it. Null: the server itself, or someone the caller may not read.
    pub(super) async fn created_by(&self, ctx: &Context<'_>) -> Option<Result<Actor, Failure>> {
        super::interfaces::directory_actor(ctx, self.0.directory).await
    }

    /// When it last changed; equal to `createdAt` until then.
    pub(super) async fn updated_at(&self) -> DateTime {
        self.0.last_modified.into()
    }

    /// Who changed it last. Null: the server itself, or someone the caller may not read.
    pub(super) async fn updated_by(&self, ctx: &Context<'_>) -> Option<Result<Actor, Failure>> {
        super::interfaces::directory_actor(ctx, self.0.directory).await
    }

    /// Rises with every change. Pass it as `ifVersion` to refuse overwriting somebody else's change.
    pub(super) async fn version(&self) -> i32 {
        version(self.0.version)
    }
}

/// One page of a list.
#[derive(async_graphql::SimpleObject)]
pub(super) struct UserGroupConnection {
    /// Whether and how to read on.
    pub(super) page_info: PageInfo,
    /// The items of this page with their cursors.
    pub(super) edges: Vec<UserGroupEdge>,
    /// The items of this page.
    pub(super) nodes: Vec<Group>,
    /// How many there are. Counted only when asked for.
    pub(super) total_count: Option<i32>,
}

/// A group somebody belongs to.
pub(super) struct UserGroupEdge {
    pub(super) cursor: String,
    pub(super) group: domain::group::Group,
}

/// One of the groups somebody belongs to.
#[async_graphql::Object]
impl UserGroupEdge {
    /// Where this item stands in the list; for `after` and `before`.
    pub(super) async fn cursor(&self) -> String {
        self.cursor.clone()
    }

    /// The item.
    pub(super) async fn node(&self) -> Group {
        Group(self.group.clone())
    }

    /// What the user or service account is in the group.
    pub(super) async fn role(&self) -> GroupRole {
        GroupRole::Member
    }

    /// A role that counts only inside the group; null: none.
    pub(super) async fn scoped_role(&self) -> Option<Role> {
        None
    }

    /// Who put the user or service account there.
    pub(super) async fn source(&self) -> GroupMemberSource {
        if self.group.directory.is_some() { GroupMemberSource::Directory } else { GroupMemberSource::Local }
    }
}

/// A SCIM client of the organization.
#[derive(Clone)]
pub(super) struct Directory(pub(super) domain::directory::Directory);

/// One SCIM client: an identity provider that provisions users and groups. Sees only what is its own; can never give
/// superuser, `owner` or a system-only permission.
#[async_graphql::Object]
impl Directory {
    /// UUID.
    pub(super) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// Unique in the organization; 1 to 100 characters.
    pub(super) async fn display_name(&self) -> String {
        self.0.name.clone()
    }

    /// Whose way of speaking SCIM to expect.
    pub(super) async fn dialect(&self) -> DirectoryDialect {
        dialect(self.0.dialect)
    }

    /// Whether it may write. Disabled: every SCIM request answers 403.
    pub(super) async fn is_enabled(&self) -> bool {
        self.0.enabled
    }

    /// SCIM base URL to enter at the provider.
    ///
    /// Permission: `directory_manage`.
    pub(super) async fn base_url(&self, ctx: &Context<'_>) -> Option<Result<Url, Failure>> {
        let may = ctx.caller().require(domain::Permission::DirectoryManage);
        Some(may.map(|_| Url(format!("{}/scim/v2", ctx.asking().public_url))).map_err(Failure::from))
    }

    /// When it was created.
    pub(super) async fn created_at(&self) -> DateTime {
        self.0.created.into()
    }

    /// Who created it. Null: the server itself, or someone the caller may not read.
    pub(super) async fn created_by(&self) -> Option<Result<Actor, Failure>> {
        None
    }

    /// When it last changed; equal to `createdAt` until then.
    pub(super) async fn updated_at(&self) -> DateTime {
        self.0.created.into()
    }

    /// Who changed it last. Null: the server itself, or someone the caller may not read.
    pub(super) async fn updated_by(&self) -> Option<Result<Actor, Failure>> {
        None
    }

    /// Rises with every change. Pass it as `ifVersion` to refuse overwriting somebody else's change.
    pub(super) async fn version(&self) -> i32 {
        1
    }
}

fn dialect(dialect: ::scim::Dialect) -> DirectoryDialect {
    match dialect {
        ::scim::Dialect::Auto => DirectoryDialect::Auto,
        ::scim::Dialect::Okta => DirectoryDialect::Okta,
        ::scim::Dialect::Entra => DirectoryDialect::Entra,
        ::scim::Dialect::Rfc => DirectoryDialect::Rfc,
    }
}

/// The directory with this id; null if it is gone.
pub(super) async fn directory(ctx: &Context<'_>, id: DirectoryId) -> Option<Result<Directory, Failure>> {
    match ctx.service().find_directory_of(ctx.caller(), id).await {
        Ok(found) => found.map(|directory| Ok(Directory(directory))),
        Err(error) => Some(Err(error.into())),
    }
}
