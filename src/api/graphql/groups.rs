//! Groups, who belongs to them, and to which ones somebody belongs.

use async_graphql::{Context, ID, SimpleObject};

use super::connection::{PageInfo, Paging};
use super::cost::{list_complexity, page_complexity};
use super::directories::Directory;
use super::enums::{GroupKind, GroupMemberSource, GroupRole};
use super::failure::Failure;
use super::interfaces::{Actor, GroupMember, author};
use super::organizations::{Organization, Role};
use super::request::{Asking as _, Belongs};
use super::scalars::DateTime;
use super::service_accounts::ServiceAccount;
use super::users::User;
use super::version;
use crate::domain::Author;
use crate::domain::group::{self, Belonging, MemberSource};
use crate::service::ReadableMember;

/// A group.
#[derive(Clone)]
pub(super) struct Group(pub(super) group::Group);

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
        self.0.label().to_owned()
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
    pub(super) async fn default_role(&self, ctx: &Context<'_>) -> Option<Result<Role, Failure>> {
        role_named(ctx, self.0.default_role.as_ref()?).await
    }

    /// Roles every member holds in the whole organization through this group.
    #[graphql(complexity = "list_complexity(child_complexity)")]
    pub(super) async fn roles(&self, ctx: &Context<'_>) -> Result<Vec<Role>, Failure> {
        Ok(ctx.roles_of_group(self.0.id).await?.into_iter().map(|role| Role::seen(ctx, role)).collect())
    }

    /// The directory that provisions it; null for one kept here.
    pub(super) async fn directory(&self, ctx: &Context<'_>) -> Option<Result<Directory, Failure>> {
        super::directories::directory(ctx, self.0.directory?).await
    }

    /// The id the directory gave it.
    pub(super) async fn external_id(&self) -> Option<String> {
        self.0.external_id().map(str::to_owned)
    }

    /// The caller's role in it; null: none.
    pub(super) async fn viewer_role(&self, ctx: &Context<'_>) -> Option<Result<GroupRole, Failure>> {
        let own = ctx.caller().as_member()?.id();
        match ctx.belongings_of(own).await {
            Ok(all) => all.into_iter().find(|one| one.group.id == self.0.id).map(|one| Ok(one.role.into())),
            Err(failure) => Some(Err(failure)),
        }
    }

    /// How many direct members.
    ///
    /// Permission: `groups_read`, or belonging to it.
    pub(super) async fn member_count(&self, ctx: &Context<'_>) -> Option<Result<i32, Failure>> {
        Some(ctx.member_count(self.0.id).await.map(super::read::count))
    }

    /// Direct members, by when they were added.
    ///
    /// Permission: `groups_read`, or being `ADMIN` of it.
    #[graphql(complexity = "page_complexity(first, last, child_complexity)")]
    pub(super) async fn members(
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
    ) -> Option<Result<GroupMemberConnection, Failure>> {
        Some(
            async {
                let paging = Paging::read(first, after, last, before)?;
                let belongings = ctx.belongings_in(self.0.id).await?;
                GroupMemberConnection::read(ctx, &self.0, belongings, &paging).await
            }
            .await,
        )
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
        self.0.last_modified.into()
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

/// A role by key, as a field of its own.
async fn role_named(ctx: &Context<'_>, key: &String) -> Option<Result<Role, Failure>> {
    match ctx.roles_named(std::slice::from_ref(key)).await {
        Ok(roles) => roles.into_iter().next().map(Ok),
        Err(failure) => Some(Err(failure)),
    }
}

/// Who put a member there; of a directory's group that is its directory.
fn source(source: Option<MemberSource>, group: &group::Group) -> GroupMemberSource {
    let keeper = if group.directory.is_some() { MemberSource::Directory } else { MemberSource::Local };
    match source.unwrap_or(keeper) {
        MemberSource::Invitation => GroupMemberSource::Invitation,
        MemberSource::Mapping => GroupMemberSource::DirectoryMapping,
        MemberSource::Directory => GroupMemberSource::Directory,
        MemberSource::Local => GroupMemberSource::Local,
    }
}

impl From<group::GroupRole> for GroupRole {
    fn from(role: group::GroupRole) -> Self {
        match role {
            group::GroupRole::Admin => Self::Admin,
            group::GroupRole::Member => Self::Member,
        }
    }
}

/// One page of a list.
#[derive(SimpleObject)]
pub(super) struct GroupMemberConnection {
    /// Whether and how to read on.
    page_info: PageInfo,
    /// The items of this page with their cursors.
    edges: Vec<GroupMemberEdge>,
    /// The items of this page.
    nodes: Vec<GroupMember>,
    /// How many there are. Counted only when asked for.
    total_count: Option<i32>,
}

impl GroupMemberConnection {
    async fn read(
        ctx: &Context<'_>,
        group: &group::Group,
        belongings: Vec<Belonging>,
        paging: &Paging,
    ) -> Result<Self, Failure> {
        let key = |one: &Belonging| {
            format!("{:020}{}", one.added.map(|at| at.timestamp_millis()).unwrap_or_default(), one.member)
        };
        let page = paging.page(&format!("members of {}", group.id), belongings, key)?;
        let total_count = Some(page.total);
        let mut edges = Vec::new();
        let members: Vec<(String, Belonging)> = page.items;
        let wanted: Vec<_> = members.iter().map(|(_, one)| (one.kind, one.member)).collect();
        let mut found = ctx.members(group.id, &wanted).await?;
        for (cursor, one) in members {
            let Some(member) = found.remove(&one.member) else { continue };
            edges.push(GroupMemberEdge { cursor, ..GroupMemberEdge::of(group, one, member.into()) });
        }
        let nodes = edges.iter().map(|edge| edge.member.clone()).collect();
        Ok(Self { page_info: page.info, edges, nodes, total_count })
    }
}

/// A member of a group, and what they are in it.
pub(super) struct GroupMemberEdge {
    cursor: String,
    group: group::Group,
    belonging: Belonging,
    member: GroupMember,
}

impl GroupMemberEdge {
    /// Somebody's place in a group, outside any page.
    pub(super) fn of(group: &group::Group, belonging: Belonging, member: GroupMember) -> Self {
        let cursor = belonging.member.to_string();
        Self { cursor, group: group.clone(), belonging, member }
    }
}

/// One of the members of a group.
#[async_graphql::Object]
impl GroupMemberEdge {
    /// Where this item stands in the list; for `after` and `before`.
    async fn cursor(&self) -> &str {
        &self.cursor
    }

    /// The item.
    async fn node(&self) -> GroupMember {
        self.member.clone()
    }

    /// What the member is in the group.
    async fn role(&self) -> GroupRole {
        self.belonging.role.into()
    }

    /// A role that counts only inside the group; null: none.
    async fn scoped_role(&self, ctx: &Context<'_>) -> Option<Result<Role, Failure>> {
        role_named(ctx, self.belonging.scoped_role.as_ref()?).await
    }

    /// Who put the member there.
    async fn source(&self) -> GroupMemberSource {
        source(self.belonging.source, &self.group)
    }

    /// When.
    async fn added_at(&self) -> DateTime {
        self.belonging.added.unwrap_or(self.group.created).into()
    }

    /// By whom; null: the server itself, or someone the caller may not read.
    async fn added_by(&self, ctx: &Context<'_>) -> Option<Result<Actor, Failure>> {
        author(ctx, self.belonging.added_by.or(self.group.directory.map(Author::Directory))).await
    }
}

/// One page of a list.
#[derive(SimpleObject)]
pub(super) struct UserGroupConnection {
    /// Whether and how to read on.
    page_info: PageInfo,
    /// The items of this page with their cursors.
    edges: Vec<UserGroupEdge>,
    /// The items of this page.
    nodes: Vec<Group>,
    /// How many there are. Counted only when asked for.
    total_count: Option<i32>,
}

impl UserGroupConnection {
    /// One page of the groups that somebody belongs to, by name.
    pub(super) fn read(groups: Vec<Belongs>, of: uuid::Uuid, paging: &Paging) -> Result<Self, Failure> {
        let key = |one: &Belongs| format!("{}\u{0}{}", one.group.display_name_key(), one.group.id);
        let mut groups = groups;
        groups.sort_by_cached_key(key);
        let page = paging.page(&format!("groups of {of}"), groups, key)?;
        let edges: Vec<UserGroupEdge> =
            page.items.into_iter().map(|(cursor, belongs)| UserGroupEdge { cursor, belongs }).collect();
        let nodes = edges.iter().map(|edge| Group(edge.belongs.group.clone())).collect();
        Ok(Self { page_info: page.info, edges, nodes, total_count: Some(page.total) })
    }
}

/// A group somebody belongs to.
pub(super) struct UserGroupEdge {
    cursor: String,
    belongs: Belongs,
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
        Group(self.belongs.group.clone())
    }

    /// What the user or service account is in the group.
    pub(super) async fn role(&self) -> GroupRole {
        self.belongs.role.into()
    }

    /// A role that counts only inside the group; null: none.
    pub(super) async fn scoped_role(&self, ctx: &Context<'_>) -> Option<Result<Role, Failure>> {
        role_named(ctx, self.belongs.scoped_role.as_ref()?).await
    }

    /// Who put the user or service account there.
    pub(super) async fn source(&self) -> GroupMemberSource {
        source(self.belongs.source, &self.belongs.group)
    }

    /// When.
    pub(super) async fn added_at(&self) -> DateTime {
        self.belongs.added.unwrap_or(self.belongs.group.created).into()
    }
}

impl From<ReadableMember> for GroupMember {
    fn from(member: ReadableMember) -> Self {
        match member {
            ReadableMember::User(user) => User(user).into(),
            ReadableMember::Group(group) => Group(group).into(),
            ReadableMember::ServiceAccount(account) => ServiceAccount(account).into(),
        }
    }
}
