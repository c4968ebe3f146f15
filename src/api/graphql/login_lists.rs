//! Pages of a person's logins and trusted devices, latest use first.

use async_graphql::{Context, SimpleObject};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::connection::{PageInfo, Paging};
use super::enums::LoginState;
use super::failure::Failure;
use super::logins::{Login, TrustedDevice};
use super::request::Asking as _;
use crate::domain::{self, AccountId, UserId};

/// One page of a list.
#[derive(SimpleObject)]
pub(super) struct LoginConnection {
    /// Whether and how to read on.
    page_info: PageInfo,
    /// The items of this page with their cursors.
    edges: Vec<LoginEdge>,
    /// The items of this page.
    nodes: Vec<Login>,
    /// How many there are in this state, on all pages.
    total_count: Option<i32>,
}

/// One item of a page.
#[derive(SimpleObject)]
pub(super) struct LoginEdge {
    /// Where this item stands in the list; for `after` and `before`.
    cursor: String,
    /// The item.
    node: Login,
}

/// One page of a list.
#[derive(SimpleObject)]
pub(super) struct TrustedDeviceConnection {
    /// Whether and how to read on.
    page_info: PageInfo,
    /// The items of this page with their cursors.
    edges: Vec<TrustedDeviceEdge>,
    /// The items of this page.
    nodes: Vec<TrustedDevice>,
    /// How many active ones there are, on all pages.
    total_count: Option<i32>,
}

/// One item of a page.
#[derive(SimpleObject)]
pub(super) struct TrustedDeviceEdge {
    /// Where this item stands in the list; for `after` and `before`.
    cursor: String,
    /// The item.
    node: TrustedDevice,
}

/// The person whose logins or devices are listed: everywhere, or as one organization's user.
#[derive(Clone, Copy)]
pub(super) struct Whose {
    /// The person; none: a user who has not joined.
    pub(super) account: Option<AccountId>,
    /// The user, where only one organization counts.
    pub(super) user: Option<UserId>,
}

impl Whose {
    fn is_of(self, user: UserId) -> bool {
        self.user.is_none_or(|own| own == user)
    }

    /// The name of a list in cursors, so that a cursor of another person's list is refused.
    fn list(self, what: &str) -> String {
        let account = self.account.map(|account| account.to_string()).unwrap_or_default();
        let user = self.user.map(|user| user.to_string()).unwrap_or_default();
        format!("{what} of {account} {user}")
    }
}

impl LoginConnection {
    /// One page of the logins in this state.
    pub(super) async fn read(
        ctx: &Context<'_>,
        whose: Whose,
        state: LoginState,
        paging: &Paging,
    ) -> Result<Self, Failure> {
        let (wanted, now) = (domain::login::LoginState::from(state), ctx.service().now());
        let mut logins = match whose.account {
            Some(account) => ctx.logins_of(account).await?.unwrap_or_default(),
            None => Vec::new(),
        };
        logins.retain(|login| login.state(now) == wanted && whose.is_of(login.user));
        let key = |login: &domain::login::Login| latest_first(login.last_used, login.id.uuid());
        logins.sort_by_cached_key(key);
        let page = paging.page(&whose.list(&format!("{wanted:?} logins")), logins, key)?;
        let edge = |(cursor, login)| LoginEdge { cursor, node: Login::seen(ctx, login) };
        let edges: Vec<LoginEdge> = page.items.into_iter().map(edge).collect();
        let nodes = edges.iter().map(|edge| edge.node.clone()).collect();
        Ok(Self { page_info: page.info, edges, nodes, total_count: Some(page.total) })
    }
}

impl TrustedDeviceConnection {
    /// One page of the devices that are trusted now.
    pub(super) async fn read(ctx: &Context<'_>, whose: Whose, paging: &Paging) -> Result<Self, Failure> {
        let mut devices = match whose.account {
            Some(account) => ctx.devices_of(account).await?.unwrap_or_default(),
            None => Vec::new(),
        };
        devices.retain(|device| whose.is_of(device.user));
        let key = |device: &domain::trusted_device::TrustedDevice| {
            latest_first(device.last_used.unwrap_or(device.created), device.id.uuid())
        };
        devices.sort_by_cached_key(key);
        let page = paging.page(&whose.list("trusted devices"), devices, key)?;
        let edge = |(cursor, device)| TrustedDeviceEdge { cursor, node: TrustedDevice(device) };
        let edges: Vec<TrustedDeviceEdge> = page.items.into_iter().map(edge).collect();
        let nodes = edges.iter().map(|edge| edge.node.clone()).collect();
        Ok(Self { page_info: page.info, edges, nodes, total_count: Some(page.total) })
    }
}

/// A key that rises as the instant falls, so that the latest comes first.
fn latest_first(at: DateTime<Utc>, id: Uuid) -> String {
    format!("{:020}{:039}", i64::MAX.saturating_sub(at.timestamp_millis()), u128::MAX - id.as_u128())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s0_12_the_latest_use_comes_first() {
        let at = |seconds: i64, id: u128| {
            latest_first(DateTime::from_timestamp(seconds, 0).expect("an instant"), Uuid::from_u128(id))
        };
        let mut keys = [at(10, 1), at(20, 1), at(20, 2), at(0, 9)];
        keys.sort_unstable();
        assert_eq!(keys, [at(20, 2), at(20, 1), at(10, 1), at(0, 9)]);
    }
}
