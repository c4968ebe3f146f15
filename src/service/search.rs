//! Searching users and groups together (RFC 7644 §3.4.3).

use scim::message::Place;
use scim::{ListRequest, Reading, ScimType, Tolerance};

use crate::domain::group::GroupView;
use crate::domain::user::UserView;
use crate::domain::{Caller, Error, Permission};

use super::{Listed, Members, Service};

/// What was found: a user or a group.
#[derive(Clone, Debug)]
pub enum Either {
    /// A user.
    User(Box<UserView>),
    /// A group.
    Group(Box<GroupView>),
}

impl Service {
    /// Users, then groups, as one list. An attribute that one type does not have has no value there (C54).
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::UserAccessRead`] and [`Permission::GroupsRead`]; [`Error::Protocol`] as
    /// for lists of one type, and for `sortBy`: there is no order across types.
    pub async fn search(
        &self,
        caller: &Caller,
        request: &ListRequest,
        with: Members,
        reading: &mut Reading,
    ) -> Result<Listed<Either>, Error> {
        caller.require(Permission::UserAccessRead)?;
        caller.require(Permission::GroupsRead)?;
        if request.sort_by.is_some() {
            let detail = "sortBy: users and groups cannot be sorted together, search one type";
            return Err(scim::Error::new(ScimType::InvalidPath, detail).into());
        }
        if request.cursor.is_some() {
            let detail = "cursor: users and groups cannot be read together by cursor, search one type";
            return Err(scim::Error::new(ScimType::InvalidValue, detail).into());
        }
        let page = self.read_page(request)?;
        // What one type lacks, the other may have.
        let mut both = reading.clone().granting(Tolerance::UnknownAttributeInFilter);
        let part = |start: u64, count: u64| ListRequest {
            start_index: Some(start.to_string()),
            count: Some(count.to_string()),
            ..request.clone()
        };
        let mut budget = self.list_budget();
        let users = self.list_users_within(caller, &part(page.start_index, page.count), &mut both, &mut budget).await?;
        // Groups come after the last user: where the bytes of a list end before it, they are on a later page.
        let is_cut = page.offset() + (users.views.len() as u64) < users.total;
        let left = if is_cut { 0 } else { page.count - users.views.len() as u64 };
        let start = page.start_index.saturating_sub(users.total).max(1);
        let groups = self.list_groups_within(caller, &part(start, left), with, &mut both, &mut budget).await?;
        *reading = both;
        let mut views: Vec<Either> = users.views.into_iter().map(|view| Either::User(Box::new(view))).collect();
        views.extend(groups.views.into_iter().map(|view| Either::Group(Box::new(view))));
        Ok(Listed { total: users.total + groups.total, place: Place::Index(page.start_index), views })
    }
}
