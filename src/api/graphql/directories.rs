//! SCIM clients of the organization, and what they did.

use async_graphql::{Context, ID, SimpleObject};

use super::connection::Paging;
use super::cost::{list_complexity, page_complexity};
use super::enums::{AccountType, DirectoryDialect};
use super::failure::Failure;
use super::groups::Group;
use super::inputs::directories::{AttributeAuthority, DeprovisionMode, LastOwnerPolicy};
use super::interfaces::{Actor, author};
use super::organizations::Role;
use super::provisioning::ProvisioningEventConnection;
use super::read::count;
use super::request::Asking as _;
use super::scalars::{DateTime, Url};
use super::tokens::ApiToken;
use super::version;
use crate::domain::directory::{self, DirectorySettings as Settings};
use crate::domain::{self, DirectoryId};
use crate::service::ProvisioningFilter;

/// A SCIM client of the organization.
#[derive(Clone)]
pub(super) struct Directory(pub(super) directory::Directory);

impl Directory {
    fn may(ctx: &Context<'_>) -> Result<(), Failure> {
        ctx.caller().require(domain::Permission::DirectoryManage).map(drop).map_err(Failure::from)
    }
}

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
        Some(Self::may(ctx).map(|()| Url(format!("{}/scim/v2", ctx.asking().public_url))))
    }

    /// How it is treated.
    ///
    /// Permission: `directory_manage`.
    pub(super) async fn settings(&self, ctx: &Context<'_>) -> Option<Result<DirectorySettings, Failure>> {
        Some(Self::may(ctx).map(|()| DirectorySettings::from(self.0.settings)))
    }

    /// Its tokens, newest first: active ones and those ended in the last 90 days; at most 100.
    ///
    /// Permission: `directory_manage`.
    #[graphql(complexity = "list_complexity(child_complexity)")]
    pub(super) async fn tokens(&self, ctx: &Context<'_>) -> Option<Result<Vec<ApiToken>, Failure>> {
        let listed = ctx.service().list_directory_tokens(ctx.caller(), self.0.id).await;
        Some(listed.map(|tokens| tokens.into_iter().map(ApiToken).collect()).map_err(Failure::from))
    }

    /// Which of its groups give which roles and groups here.
    ///
    /// Permission: `directory_manage`.
    #[graphql(complexity = "list_complexity(child_complexity)")]
    pub(super) async fn group_role_mappings(
        &self,
        ctx: &Context<'_>,
    ) -> Option<Result<Vec<GroupRoleMapping>, Failure>> {
        Some(
            async {
                Self::may(ctx)?;
                let mut listed = Vec::new();
                for (index, mapping) in self.0.mappings.iter().enumerate() {
                    // A group that the directory deleted gives nothing any more.
                    let Some(directory_group) = ctx.group(mapping.source).await? else { continue };
                    let role = ctx.roles_named(mapping.role.as_slice()).await?.pop();
                    let group = match mapping.target {
                        Some(target) => ctx.group(target).await?.map(Group),
                        None => None,
                    };
                    let position = count(index + 1);
                    listed.push(GroupRoleMapping { position, directory_group: Group(directory_group), role, group });
                }
                Ok(listed)
            }
            .await,
        )
    }

    /// Users it provisions.
    ///
    /// Permission: `directory_manage`.
    pub(super) async fn user_count(&self, ctx: &Context<'_>) -> Option<Result<i32, Failure>> {
        let counted = ctx.service().count_provisioned(ctx.caller(), self.0.id).await;
        Some(counted.map(|(users, _)| count(users)).map_err(Failure::from))
    }

    /// Groups it provisions.
    ///
    /// Permission: `directory_manage`.
    pub(super) async fn group_count(&self, ctx: &Context<'_>) -> Option<Result<i32, Failure>> {
        let counted = ctx.service().count_provisioned(ctx.caller(), self.0.id).await;
        Some(counted.map(|(_, groups)| count(groups)).map_err(Failure::from))
    }

    /// Last SCIM request, to the minute; null: never.
    pub(super) async fn last_used_at(&self, ctx: &Context<'_>) -> Option<Result<DateTime, Failure>> {
        if !ctx.caller().may(domain::Permission::DirectoryManage) {
            return None;
        }
        match ctx.service().list_directory_tokens(ctx.caller(), self.0.id).await {
            Ok(tokens) => tokens.iter().filter_map(|token| token.last_used).max().map(|at| Ok(at.into())),
            Err(error) => Some(Err(error.into())),
        }
    }

    /// What it asked for and what came of it, newest first.
    ///
    /// Permission: `directory_manage`.
    #[graphql(complexity = "page_complexity(first, last, child_complexity)")]
    pub(super) async fn provisioning_events(
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
    ) -> Option<Result<ProvisioningEventConnection, Failure>> {
        Some(
            async {
                let paging = Paging::read(first, after, last, before)?;
                let filter = ProvisioningFilter { directory: Some(self.0.id), ..ProvisioningFilter::default() };
                ProvisioningEventConnection::read(ctx, filter, &paging).await
            }
            .await,
        )
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

/// A dialect, as the schema names it.
pub(super) fn dialect(dialect: ::scim::Dialect) -> DirectoryDialect {
    match dialect {
        ::scim::Dialect::Auto => DirectoryDialect::Auto,
        ::scim::Dialect::Okta => DirectoryDialect::Okta,
        ::scim::Dialect::Entra => DirectoryDialect::Entra,
        ::scim::Dialect::Rfc => DirectoryDialect::Rfc,
    }
}

/// The directory with this id; null if it is gone.
pub(super) async fn directory(ctx: &Context<'_>, id: DirectoryId) -> Option<Result<Directory, Failure>> {
    match ctx.directory(id).await {
        Ok(found) => found.map(|directory| Ok(Directory(directory))),
        Err(failure) => Some(Err(failure)),
    }
}

/// How a directory is treated.
#[derive(SimpleObject)]
#[expect(clippy::struct_excessive_bools, reason = "released fields of the GraphQL API")]
pub(super) struct DirectorySettings {
    /// Which attributes it takes over. Default `REQUESTED`.
    attribute_authority: AttributeAuthority,
    /// What SCIM DELETE does. Default `DISABLE`. The resource is gone from SCIM in every mode.
    deprovision_mode: DeprovisionMode,
    /// What happens when it deactivates the last owner. Default `SUSPEND_AND_ALERT`.
    last_owner_policy: LastOwnerPolicy,
    /// Account type of users it creates. Default `MANAGED`.
    default_account_type: AccountType,
    /// Whether creating a user whose name an inactive one of its own has brings that one back, instead of 409, and whether
    /// one that it deleted in mode `DISABLE` comes back under the old id. Default false.
    restore_on_create: bool,
    /// Whether two of its groups may not share a `displayName`. Default true.
    unique_group_names: bool,
    /// Whether it may only use addresses in `Organization.verifiedDomains`. Default false.
    verified_domains_only: bool,
    /// Whether PATCH of a group answers 200 with the group instead of 204. Default false.
    patch_group_with_body: bool,
}

impl From<Settings> for DirectorySettings {
    fn from(settings: Settings) -> Self {
        Self {
            attribute_authority: match settings.attribute_authority {
                directory::AttributeAuthority::Requested => AttributeAuthority::Requested,
                directory::AttributeAuthority::Full => AttributeAuthority::Full,
                directory::AttributeAuthority::Initial => AttributeAuthority::Initial,
            },
            deprovision_mode: match settings.deprovision_mode {
                directory::DeprovisionMode::Disable => DeprovisionMode::Disable,
                directory::DeprovisionMode::RemoveMember => DeprovisionMode::RemoveMember,
                directory::DeprovisionMode::Delete => DeprovisionMode::Delete,
            },
            last_owner_policy: match settings.last_owner_policy {
                directory::LastOwnerPolicy::SuspendAndAlert => LastOwnerPolicy::SuspendAndAlert,
                directory::LastOwnerPolicy::Reject => LastOwnerPolicy::Reject,
            },
            default_account_type: if settings.external_accounts { AccountType::External } else { AccountType::Managed },
            restore_on_create: settings.restore_inactive,
            unique_group_names: true,
            verified_domains_only: settings.verified_domains_only,
            patch_group_with_body: settings.patch_group_with_body,
        }
    }
}

/// Members of a directory's group get a role, a place in a group, or both.
#[derive(SimpleObject)]
pub(super) struct GroupRoleMapping {
    /// Place in the list, from 1.
    position: i32,
    /// The directory's group.
    directory_group: Group,
    /// The role its members get in the organization.
    role: Option<Role>,
    /// The group, kept here, that its members join.
    group: Option<Group>,
}
