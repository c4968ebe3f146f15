//! Everything that can be read.

use async_graphql::{Context, ID};

use super::audit::AuditEventConnection;
use super::connection::Paging;
use super::cost::{items_complexity, list_complexity, page_complexity};
use super::directories::Directory;
use super::failure::Failure;
use super::groups::Group;
use super::inputs::UserRef;
use super::inputs::directories::{AuditEventFilter, ProvisioningEventFilter};
use super::inputs::groups::{GroupFilter, GroupOrder, GroupRef};
use super::inputs::invitations::InvitationFilter;
use super::inputs::roles::{RoleOrder, RoleRef};
use super::inputs::service_accounts::ServiceAccountRef;
use super::inputs::users::{PageInput, UserFilter, UserOrder};
use super::interfaces::Node;
use super::invitations::Invitation;
use super::lists::{
    DirectoryConnection, GroupConnection, InvitationConnection, RoleConnection, ServiceAccountConnection,
    UserConnection, list_groups, list_invitations, list_name, order_roles,
};
use super::organizations::{Organization, Permission, Role};
use super::policy::{AccountPolicy, InvitationPreview};
use super::provisioning::ProvisioningEventConnection;
use super::request::Asking as _;
use super::service_accounts::ServiceAccount;
use super::users::User;
use super::viewer::Viewer;
use crate::domain::{Error, Noun, OrganizationId, Permission as Right};

/// The root of all reading.
#[derive(Clone, Copy, Default)]
pub(super) struct Query;

/// Everything that can be read. A field the caller may not read is null and adds an error with `extensions.code`
/// `FORBIDDEN`; its siblings still answer. All of it is seen from one organization, that of the access token or API
/// token; `switchOrganization` changes it.
#[async_graphql::Object]
impl Query {
    /// Who is asking, and all that is theirs: profile, addresses, logins, devices, groups, roles.
    ///
    /// Permission: any valid credential.
    async fn me(&self, ctx: &Context<'_>) -> Option<Result<Viewer, Failure>> {
        if ctx.caller().as_root().is_some() {
            return Some(Ok(Viewer::Root));
        }
        Some(ctx.caller().require_known().map(Viewer::from).map_err(Failure::from))
    }

    /// Any object by its id (Relay refetch). Null when there is none, or none the caller may read.
    ///
    /// Permission: that of the object's type.
    async fn node(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of any type that implements `Node`.")] id: ID,
    ) -> Option<Result<Node, Failure>> {
        super::interfaces::find_node(ctx, &id).await.transpose()
    }

    /// Several objects by id, in the order asked, null where there is none to read.
    ///
    /// Permission: that of each object's type. Errors: `LIMIT_EXCEEDED`.
    #[graphql(complexity = "items_complexity(ids.len(), child_complexity)")]
    async fn nodes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most 100 ids; duplicates are answered twice.")] ids: Vec<ID>,
    ) -> Result<Vec<Option<Node>>, Failure> {
        super::interfaces::find_nodes(ctx, &ids).await
    }

    /// An organization the caller belongs to.
    ///
    /// Permission: member. Errors: `NOT_FOUND`.
    async fn organization(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which one; absent: the current organization.")] id: Option<ID>,
    ) -> Option<Result<Organization, Failure>> {
        Some(
            async {
                let id = match &id {
                    Some(id) => Some(id.parse::<OrganizationId>().map_err(|_| Error::NotFound(Noun::Organization))?),
                    None => None,
                };
                Ok(Organization(ctx.service().get_my_organization(ctx.caller(), id).await?))
            }
            .await,
        )
    }

    /// Rules and limits in force here, so that an interface can state them before a server has to refuse: passwords, second
    /// factor, trusted devices, sign-in, invitations, field lengths.
    ///
    /// Permission: any valid credential.
    async fn account_policy(&self, ctx: &Context<'_>) -> Option<Result<AccountPolicy, Failure>> {
        Some(ctx.service().get_policies(ctx.caller()).await.map(AccountPolicy).map_err(Failure::from))
    }

    /// All users of the organization, whatever their status: invited, active, disabled. Users that a directory deleted in
    /// mode `DISABLE` are among the disabled ones, but not where the filter names a directory, a role or a group: they have
    /// none. Deleted and anonymised ones are gone. Page with cursors, or with `page`.
    ///
    /// Permission: `user_access_read`. Errors: `INVALID_ARGUMENT_COMBINATION`, `INVALID_CURSOR`, `SEARCH_TERM_TOO_SHORT`,
    /// `VALIDATION_FAILED`, `NOT_FOUND` (role or group of the filter).
    #[graphql(complexity = "page_complexity(first, last, child_complexity)")]
    async fn users(
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
        #[graphql(
            desc = "Numbered paging instead of cursors; together with `first`, `after`, `last` or `before`: `INVALID_ARGUMENT_COMBINATION`."
        )]
        page: Option<PageInput>,
        #[graphql(desc = "Which users; all given conditions must hold. Absent: all.")] filter: Option<UserFilter>,
        #[graphql(desc = "Order of the list; equal values by id. Absent: by creation, oldest first.")] order_by: Option<
            UserOrder,
        >,
    ) -> Option<Result<UserConnection, Failure>> {
        Some(
            async {
                let paging = Paging::read(first, after, last, before)?;
                UserConnection::read(ctx, paging, page, filter, order_by).await
            }
            .await,
        )
    }

    /// One user by id, user name, address or external id, with roles, permissions, groups and memberships. Only its id
    /// finds a user that a directory deleted in mode `DISABLE`: name, address and external id may be another user's.
    ///
    /// Permission: `user_access_read`, or oneself. Errors: `NOT_FOUND`.
    async fn user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which user. Give exactly one field.")] by: UserRef,
    ) -> Option<Result<User, Failure>> {
        Some(ctx.service().read_user(ctx.caller(), &by.into()).await.map(User).map_err(Failure::from))
    }

    /// The groups of the organization, both kept here and provisioned by a directory.
    ///
    /// Permission: `groups_read`; without it the list holds only the groups the caller belongs to. Errors:
    /// `INVALID_ARGUMENT_COMBINATION`, `INVALID_CURSOR`, `NOT_FOUND` (directory of the filter).
    #[graphql(complexity = "page_complexity(first, last, child_complexity)")]
    async fn groups(
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
        #[graphql(desc = "Which groups; all given conditions must hold. Absent: all.")] filter: Option<GroupFilter>,
        #[graphql(desc = "Order of the list; equal values by id. Absent: by creation, oldest first.")] order_by: Option<
            GroupOrder,
        >,
    ) -> Option<Result<GroupConnection, Failure>> {
        Some(
            async {
                let paging = Paging::read(first, after, last, before)?;
                list_groups(ctx, &paging, filter, order_by).await
            }
            .await,
        )
    }

    /// One group by id or name.
    ///
    /// Permission: `groups_read`, or belonging to it. Errors: `NOT_FOUND`.
    async fn group(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which group. Give exactly one field.")] by: GroupRef,
    ) -> Option<Result<Group, Failure>> {
        Some(ctx.service().read_group(ctx.caller(), &by.into()).await.map(Group).map_err(Failure::from))
    }

    /// The roles of the organization: the five built-in ones and its own.
    ///
    /// Permission: member. Errors: `INVALID_ARGUMENT_COMBINATION`, `INVALID_CURSOR`.
    #[graphql(complexity = "page_complexity(first, last, child_complexity)")]
    async fn roles(
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
        #[graphql(desc = "Order of the list; equal values by id. Absent: built-in roles first, then by name.")]
        order_by: Option<RoleOrder>,
    ) -> Option<Result<RoleConnection, Failure>> {
        Some(
            async {
                let paging = Paging::read(first, after, last, before)?;
                let roles = ctx.service().list_roles(ctx.caller()).await?;
                let roles = order_roles(ctx, roles, order_by.as_ref()).await?;
                let items: Vec<_> =
                    roles.into_iter().map(|role| (ID(role.id.to_string()), Role::seen(ctx, role))).collect();
                let total = items.len();
                RoleConnection::cut(&paging, &list_name("roles", &order_by), items, total)
            }
            .await,
        )
    }

    /// One role by id or key.
    ///
    /// Permission: member. Errors: `NOT_FOUND`.
    async fn role(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which role. Give exactly one field.")] by: RoleRef,
    ) -> Option<Result<Role, Failure>> {
        let found = ctx.service().get_role(ctx.caller(), &by.into()).await;
        Some(found.map(|role| Role::seen(ctx, role)).map_err(Failure::from))
    }

    /// Every permission there is, by key. Those with `isSystemOnly` cannot be granted.
    ///
    /// Permission: member.
    #[graphql(complexity = "list_complexity(child_complexity)")]
    async fn permissions(&self, ctx: &Context<'_>) -> Option<Result<Vec<Permission>, Failure>> {
        let listed = ctx.caller().require_member().map(|_| {
            let mut all = Right::ALL.to_vec();
            all.sort_by_key(|permission| permission.key());
            all.into_iter().map(Permission).collect()
        });
        Some(listed.map_err(Failure::from))
    }

    /// The organization's invitations in every state, newest first; expired ones stay listed.
    ///
    /// Permission: `user_access_invite`. Errors: `INVALID_ARGUMENT_COMBINATION`, `INVALID_CURSOR`.
    #[graphql(complexity = "page_complexity(first, last, child_complexity)")]
    async fn invitations(
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
        #[graphql(desc = "Which invitations; all given conditions must hold. Absent: all.")] filter: Option<
            InvitationFilter,
        >,
    ) -> Option<Result<InvitationConnection, Failure>> {
        Some(
            async {
                let paging = Paging::read(first, after, last, before)?;
                list_invitations(ctx, &paging, filter).await
            }
            .await,
        )
    }

    /// One invitation. Never with its token or link.
    ///
    /// Permission: `user_access_invite`. Errors: `NOT_FOUND`.
    async fn invitation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the invitation.")] id: ID,
    ) -> Option<Result<Invitation, Failure>> {
        Some(ctx.service().get_invitation(ctx.caller(), &id).await.map(Invitation).map_err(Failure::from))
    }

    /// The organization's service accounts, oldest first.
    ///
    /// Permission: `service_account_write` or `user_access_read`. Errors: `INVALID_ARGUMENT_COMBINATION`, `INVALID_CURSOR`.
    #[graphql(complexity = "page_complexity(first, last, child_complexity)")]
    async fn service_accounts(
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
    ) -> Option<Result<ServiceAccountConnection, Failure>> {
        Some(
            async {
                let paging = Paging::read(first, after, last, before)?;
                let accounts = ctx.service().list_service_accounts(ctx.caller()).await?;
                let items: Vec<_> =
                    accounts.into_iter().map(|one| (ID(one.id.to_string()), ServiceAccount(one))).collect();
                let total = items.len();
                ServiceAccountConnection::cut(&paging, "service accounts", items, total)
            }
            .await,
        )
    }

    /// One service account by id or user name.
    ///
    /// Permission: `service_account_write` or `user_access_read`. Errors: `NOT_FOUND`.
    async fn service_account(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which service account. Give exactly one field.")] by: ServiceAccountRef,
    ) -> Option<Result<ServiceAccount, Failure>> {
        let found = ctx.service().get_service_account(ctx.caller(), &by.into()).await;
        Some(found.map(ServiceAccount).map_err(Failure::from))
    }

    /// The organization's SCIM clients, oldest first.
    ///
    /// Permission: `directory_manage`. Errors: `INVALID_ARGUMENT_COMBINATION`, `INVALID_CURSOR`.
    #[graphql(complexity = "page_complexity(first, last, child_complexity)")]
    async fn directories(
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
    ) -> Option<Result<DirectoryConnection, Failure>> {
        Some(
            async {
                let paging = Paging::read(first, after, last, before)?;
                let directories = ctx.service().list_directories(ctx.caller()).await?;
                let items: Vec<_> =
                    directories.into_iter().map(|one| (ID(one.id.to_string()), Directory(one))).collect();
                let total = items.len();
                DirectoryConnection::cut(&paging, "directories", items, total)
            }
            .await,
        )
    }

    /// One SCIM client.
    ///
    /// Permission: `directory_manage`. Errors: `NOT_FOUND`.
    async fn directory(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of the directory.")] id: ID,
    ) -> Option<Result<Directory, Failure>> {
        Some(ctx.service().get_directory(ctx.caller(), &id).await.map(Directory).map_err(Failure::from))
    }

    /// What was changed, by whom, through which door; newest first.
    ///
    /// Permission: `audit_read`. Errors: `INVALID_ARGUMENT_COMBINATION`, `INVALID_CURSOR`, `VALIDATION_FAILED`.
    #[graphql(complexity = "page_complexity(first, last, child_complexity)")]
    async fn audit_events(
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
        #[graphql(desc = "Which events; all given conditions must hold. Absent: all.")] filter: Option<
            AuditEventFilter,
        >,
    ) -> Option<Result<AuditEventConnection, Failure>> {
        Some(
            async {
                let paging = Paging::read(first, after, last, before)?;
                AuditEventConnection::of_trail(ctx, filter, &paging).await
            }
            .await,
        )
    }

    /// What the SCIM clients asked for and what came of it; newest first, kept 30 days.
    ///
    /// Permission: `directory_manage`. Errors: `INVALID_ARGUMENT_COMBINATION`, `INVALID_CURSOR`, `VALIDATION_FAILED`.
    #[graphql(complexity = "page_complexity(first, last, child_complexity)")]
    async fn provisioning_events(
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
        #[graphql(desc = "Which events; all given conditions must hold. Absent: all.")] filter: Option<
            ProvisioningEventFilter,
        >,
    ) -> Option<Result<ProvisioningEventConnection, Failure>> {
        Some(
            async {
                let paging = Paging::read(first, after, last, before)?;
                ProvisioningEventConnection::find(ctx, filter, &paging).await
            }
            .await,
        )
    }

    /// What the page behind an invitation link shows before anybody accepts. Asking uses nothing up.
    ///
    /// Permission: public. Errors: `TOKEN_INVALID`, `TOKEN_EXPIRED`, `TOKEN_USED`.
    async fn invitation_by_token(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The secret from the link.", secret)] token: String,
    ) -> Option<Result<InvitationPreview, Failure>> {
        Some(ctx.service().preview_invitation(&token).await.map(InvitationPreview).map_err(Failure::from))
    }
}
