//! Lists of the organization: users by the database's own order, all else short enough to be read whole.

use async_graphql::{Context, ID, SimpleObject};
use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest as _, Sha256};

use super::connection::{PageInfo, Paging};
use super::directories::Directory;
use super::enums::GroupKind;
use super::failure::Failure;
use super::groups::Group;
use super::inputs::groups::{GroupFilter, GroupOrder, GroupOrderField};
use super::inputs::invitations::{InvitationFilter, InvitationState};
use super::inputs::roles::{RoleOrder, RoleOrderField};
use super::inputs::users::{OrderDirection, PageInput, UserFilter, UserOrder, UserOrderField};
use super::invitations::Invitation;
use super::number;
use super::organizations::Role;
use super::request::Asking as _;
use super::service_accounts::ServiceAccount;
use super::users::User;
use crate::domain::email::Email;
use crate::domain::{self, Code, Refusal, UserId};
use crate::service::{self, Seek, ShownState, SortKey};

/// A page of a list that was read whole.
macro_rules! connection {
    ($connection:ident, $edge:ident, $node:ident, $total:literal $(, $filtered:ident)?) => {
        /// One page of a list.
        #[derive(SimpleObject)]
        pub(super) struct $connection {
            /// Whether and how to read on.
            page_info: PageInfo,
            /// The items of this page with their cursors.
            edges: Vec<$edge>,
            /// The items of this page.
            nodes: Vec<$node>,
            #[doc = $total]
            total_count: Option<i32>,
            $(
                /// How many match the filter. Counted only when asked for.
                $filtered: Option<i32>,
            )?
        }

        /// One item of a page.
        #[derive(SimpleObject)]
        pub(super) struct $edge {
            /// Where this item stands in the list; for `after` and `before`.
            cursor: String,
            /// The item.
            node: $node,
        }

        impl $connection {
            /// Cuts a page out of all items in order. `total`: how many there are, whatever the filter.
            pub(super) fn cut(
                paging: &Paging,
                list: &str,
                items: Vec<(ID, $node)>,
                total: usize,
            ) -> Result<Self, Failure> {
                let place = |index: usize| format!("{index:08}");
                let placed: Vec<(String, ID, $node)> =
                    items.into_iter().enumerate().map(|(index, (id, node))| (place(index), id, node)).collect();
                let page = paging.page_by_id(list, placed)?;
                $(let $filtered = Some(page.total);)?
                let edges: Vec<$edge> =
                    page.items.into_iter().map(|(cursor, node)| $edge { cursor, node }).collect();
                let nodes = edges.iter().map(|edge| edge.node.clone()).collect();
                let total_count = Some(super::read::count(total));
                Ok(Self { page_info: page.info, edges, nodes, total_count, $($filtered)? })
            }
        }
    };
}

connection!(RoleConnection, RoleEdge, Role, "How many there are. Counted only when asked for.");
connection!(
    GroupConnection,
    GroupEdge,
    Group,
    "How many there are, whatever the filter. Counted only when asked for.",
    filtered_count
);
connection!(
    InvitationConnection,
    InvitationEdge,
    Invitation,
    "How many there are, whatever the filter. Counted only when asked for.",
    filtered_count
);
connection!(
    ServiceAccountConnection,
    ServiceAccountEdge,
    ServiceAccount,
    "How many there are. Counted only when asked for."
);
connection!(DirectoryConnection, DirectoryEdge, Directory, "How many there are. Counted only when asked for.");

/// One page of a list.
pub(super) struct UserConnection {
    filter: service::UserFilter,
    page_info: PageInfo,
    users: Vec<(String, domain::user::User)>,
}

/// One page of a list.
#[async_graphql::Object]
impl UserConnection {
    /// Whether and how to read on.
    async fn page_info(&self) -> PageInfo {
        self.page_info.clone()
    }

    /// The items of this page with their cursors.
    async fn edges(&self) -> Vec<UserEdge> {
        let edge = |(cursor, user): &(String, domain::user::User)| UserEdge {
            cursor: cursor.clone(),
            node: User(user.clone()),
        };
        self.users.iter().map(edge).collect()
    }

    /// The items of this page.
    async fn nodes(&self) -> Vec<User> {
        self.users.iter().map(|(_, user)| User(user.clone())).collect()
    }

    /// How many there are, whatever the filter. Counted only when asked for.
    async fn total_count(&self, ctx: &Context<'_>) -> Option<Result<i32, Failure>> {
        Some(ctx.service().count_users(ctx.caller(), None).await.map(number).map_err(Failure::from))
    }

    /// How many match the filter. Counted only when asked for.
    async fn filtered_count(&self, ctx: &Context<'_>) -> Option<Result<i32, Failure>> {
        Some(ctx.service().count_users(ctx.caller(), Some(&self.filter)).await.map(number).map_err(Failure::from))
    }
}

/// One item of a page.
#[derive(SimpleObject)]
pub(super) struct UserEdge {
    /// Where this item stands in the list; for `after` and `before`.
    cursor: String,
    /// The item.
    node: User,
}

impl UserConnection {
    /// A page of users, from either end or by number.
    pub(super) async fn read(
        ctx: &Context<'_>,
        paging: Paging,
        page: Option<PageInput>,
        filter: Option<UserFilter>,
        order: Option<UserOrder>,
    ) -> Result<Self, Failure> {
        let filter = filter.map(UserFilter::filter).unwrap_or_default();
        let by = order.as_ref().map_or(service::UserOrder::Created, |order| match order.field {
            UserOrderField::CreatedAt => service::UserOrder::Created,
            UserOrderField::UpdatedAt => service::UserOrder::Updated,
            UserOrderField::DisplayName => service::UserOrder::DisplayName,
            UserOrderField::UserName => service::UserOrder::UserName,
            UserOrderField::LastLoginAt => service::UserOrder::LastLogin,
        });
        let descending = order.is_some_and(|order| order.direction == OrderDirection::Desc);
        let list = list_name("users", &(&filter, by, descending));
        let (paging, offset) = match page {
            Some(page) => paging.numbered(page.number, page.size)?,
            None => (paging, 0),
        };
        let (after, before) = paging.keys(&list)?;
        let seek = Seek {
            order: by,
            descending,
            after: after.as_deref().map(read_place).transpose()?,
            before: before.as_deref().map(read_place).transpose()?,
            from_end: paging.is_from_end(),
            offset,
            limit: paging.size(),
        };
        let (users, more) = ctx.service().seek_users(ctx.caller(), &filter, &seek).await?;
        let place = |user: &domain::user::User| write_place(&by.key(user), user.id);
        let (mut page_info, users) = paging.place(&list, users, more, place);
        page_info.behind(offset > 0);
        Ok(Self { filter, page_info, users })
    }
}

fn write_place(key: &SortKey, id: UserId) -> String {
    match key {
        SortKey::Number(number) => format!("{id}n{number}"),
        SortKey::Text(text) => format!("{id}t{text}"),
    }
}

fn read_place(text: &str) -> Result<(SortKey, UserId), Failure> {
    let invalid = || Failure::from(Refusal::new(Code::InvalidCursor, "not a cursor of this list"));
    let (id, key) = text.split_at_checked(36).ok_or_else(invalid)?;
    let id = id.parse().map_err(|_| invalid())?;
    let key = match key.split_at_checked(1) {
        Some(("n", number)) => SortKey::Number(number.parse().map_err(|_| invalid())?),
        Some(("t", text)) => SortKey::Text(text.to_owned()),
        _ => return Err(invalid()),
    };
    Ok((key, id))
}

/// What a list is called in its cursors: one is good for the list it is of, with its filter and order, and for no other.
pub(super) fn list_name(of: &str, asked: &impl std::fmt::Debug) -> String {
    let digest = Sha256::digest(format!("{asked:?}"));
    format!("{of} {}", BASE64URL_NOPAD.encode(&digest[..9]))
}

/// A page of the groups that the caller may read.
pub(super) async fn list_groups(
    ctx: &Context<'_>,
    paging: &Paging,
    filter: Option<GroupFilter>,
    order: Option<GroupOrder>,
) -> Result<GroupConnection, Failure> {
    const MOST_SEARCHED: usize = 200;
    let list = list_name("groups", &(&filter, &order));
    let mut groups = ctx.service().list_readable_groups(ctx.caller()).await?;
    let total = groups.len();
    if let Some(GroupFilter { search, kind, directory_id }) = filter {
        if let Some(id) = directory_id {
            let missing = || Failure::from(Refusal::new(Code::NotFound, "no such directory").at("directoryId"));
            let id = id.parse().map_err(|_| missing())?;
            let directory = ctx.directory(id).await?.ok_or_else(missing)?;
            groups.retain(|group| group.directory == Some(directory.id));
        }
        if let Some(kind) = kind {
            groups.retain(|group| group.directory.is_some() == (kind == GroupKind::Directory));
        }
        let search = search.unwrap_or_default();
        if search.chars().count() > MOST_SEARCHED {
            let refusal = Refusal::new(Code::ValidationFailed, "a search has at most 200 characters").at("search");
            return Err(refusal.with("max", MOST_SEARCHED).into());
        }
        let wanted = scim::fold(search.trim());
        groups
            .retain(|group| group.display_name_key().contains(&wanted) || scim::fold(group.label()).contains(&wanted));
    }
    order_groups(&mut groups, order.as_ref());
    let items = groups.into_iter().map(|group| (ID(group.id.to_string()), Group(group))).collect();
    GroupConnection::cut(paging, &list, items, total)
}

/// A page of the invitations, newest first.
pub(super) async fn list_invitations(
    ctx: &Context<'_>,
    paging: &Paging,
    filter: Option<InvitationFilter>,
) -> Result<InvitationConnection, Failure> {
    let list = list_name("invitations", &filter);
    let (states, email, user) = match filter {
        Some(InvitationFilter { state, email, user_id }) => (state, email, user_id),
        None => (None, None, None),
    };
    let wanted = service::InvitationFilter {
        states: states.map(|states| states.into_iter().map(ShownState::from).collect()),
        email_key: email.map(|email| match Email::parse(&email) {
            Ok(email) => email.key().to_owned(),
            Err(_) => scim::fold(email.trim()),
        }),
        user: None,
        now: ctx.service().now(),
    };
    let (invitations, total) =
        ctx.service().list_invitations(ctx.caller(), wanted, user.as_deref().map(String::as_str)).await?;
    let items = invitations.into_iter().map(|one| (ID(one.id.to_string()), Invitation(one))).collect();
    InvitationConnection::cut(paging, &list, items, usize::try_from(total).unwrap_or(usize::MAX))
}

impl From<InvitationState> for ShownState {
    fn from(state: InvitationState) -> Self {
        match state {
            InvitationState::Pending => Self::Pending,
            InvitationState::Accepted => Self::Accepted,
            InvitationState::Cancelled => Self::Cancelled,
            InvitationState::Expired => Self::Expired,
        }
    }
}

/// Groups in the order asked.
fn order_groups(groups: &mut [domain::group::Group], order: Option<&GroupOrder>) {
    match order.map(|order| order.field) {
        None | Some(GroupOrderField::CreatedAt) => groups.sort_by_key(|group| group.id),
        Some(GroupOrderField::UpdatedAt) => groups.sort_by_key(|group| (group.last_modified, group.id)),
        Some(GroupOrderField::Name) => groups.sort_by_key(|group| (group.display_name_key(), group.id)),
    }
    if order.is_some_and(|order| order.direction == OrderDirection::Desc) {
        groups.reverse();
    }
}

/// Roles in the order asked; how many hold each is counted only for that order.
pub(super) async fn order_roles(
    ctx: &Context<'_>,
    roles: Vec<domain::role::Role>,
    order: Option<&RoleOrder>,
) -> Result<Vec<domain::role::Role>, Failure> {
    let Some(order) = order else { return Ok(roles) };
    let mut keyed = Vec::with_capacity(roles.len());
    for role in roles {
        let counted = if order.field == RoleOrderField::UserCount {
            ctx.service().count_users_with_role(ctx.caller(), &role.key).await?
        } else {
            0
        };
        keyed.push((counted, role));
    }
    match order.field {
        RoleOrderField::Name => keyed.sort_by_key(|(_, role)| (scim::fold(&role.name), role.id)),
        RoleOrderField::UpdatedAt => keyed.sort_by_key(|(_, role)| (role.stamps.map(|stamps| stamps.updated), role.id)),
        RoleOrderField::UserCount => keyed.sort_by_key(|(counted, role)| (*counted, role.id)),
    }
    if order.direction == OrderDirection::Desc {
        keyed.reverse();
    }
    Ok(keyed.into_iter().map(|(_, role)| role).collect())
}
