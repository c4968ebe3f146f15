//! Users and groups as a face answers them, remembered where nothing can change them unseen; what is written makes it forgotten.

use std::collections::HashMap;

use scim::filter::{Check, Operand, Operator, Resolved};
use scim::{ListRequest, Reading};

use crate::domain::cursor::Position;
use crate::domain::group::GroupView;
use crate::domain::user::{User, UserView};
use crate::domain::{Caller, Error, GroupId, Noun, OrganizationId, Permission, UserId};
use crate::store::{Found, OrganizationStore, Paging, Start};

use super::known::{Of, Shown};
use super::users::USERS_AT_ONCE;
use super::{Listed, Members, ReadList, Service};

/// How a face answers a user or a group, whoever asks.
pub trait Show<V>: Fn(&V) -> Shown + Sync {}

impl<V, F: Fn(&V) -> Shown + Sync> Show<V> for F {}

impl Service {
    /// A user, as it is answered.
    ///
    /// # Errors
    ///
    /// As [`Service::get_user`].
    pub async fn show_user(&self, caller: &Caller, id: UserId, show: impl Show<UserView>) -> Result<Shown, Error> {
        let organization = caller.require(Permission::UserAccessRead)?;
        // Asked before anything is read: what is written meanwhile makes what is remembered old.
        let stamp = self.store.stamp(organization, id.uuid());
        if let Some(shown) = self.known_answers.get(organization, Of::User(id), stamp) {
            return Ok(shown);
        }
        let view = self.get_user(caller, id).await?;
        Ok(self.known_answers.keep_user(organization, stamp, &view.user, show(&view)))
    }

    /// A group with its members, as it is answered.
    ///
    /// # Errors
    ///
    /// As [`Service::get_group`].
    pub async fn show_group(&self, caller: &Caller, id: GroupId, show: impl Show<GroupView>) -> Result<Shown, Error> {
        let organization = caller.require(Permission::GroupsRead)?;
        let stamp = self.store.stamp(organization, id.uuid());
        if let Some(shown) = self.known_answers.get(organization, Of::Group(id), stamp) {
            return Ok(shown);
        }
        let shown = show(&self.get_group(caller, id, Members::Read).await?);
        self.known_answers.put_group((organization, id), stamp, &shown);
        Ok(shown)
    }

    /// Users, as they are answered.
    ///
    /// # Errors
    ///
    /// As [`Service::list_users`].
    pub async fn show_users(
        &self,
        caller: &Caller,
        request: &ListRequest,
        reading: &mut Reading,
        show: impl Show<UserView>,
    ) -> Result<Listed<Shown>, Error> {
        let organization = caller.require(Permission::UserAccessRead)?;
        let list = self.read_list(caller, &caller.types().user, request, reading)?;
        if self.store.revision().is_some()
            && let Some(name_key) = list.name_key()
        {
            let found = self.show_named(caller, organization, name_key, &show).await?;
            let place = self.place(caller, &caller.types().user, request, &list, None)?;
            let total = u64::from(found.is_some());
            let views = found.into_iter().filter(|_| list.page.count > 0 && list.page.offset() == 0).collect();
            return Ok(Listed { total, place, views });
        }
        let store = self.store.organization(organization).await?;
        let mut budget = self.list_budget();
        let mut fits = |shown: &Shown| budget.takes(shown.text.len() + 1);
        let (total, next, views) = if let Some(found) = self.page_of_all(&store, &list).await? {
            let found = self.show_page(&store, organization, found, &show, &mut fits).await?;
            (found.total, found.next, found.page)
        } else {
            let query = list.query();
            let found = store.list_users(&query).await?;
            let views = self.view_users(&store, found.page).await?;
            let page: Vec<(Shown, UserView)> = views.into_iter().map(|view| (show(&view), view)).collect();
            let found = Found { total: found.total, page, next: found.next };
            let found = found.while_fitting(|(shown, _)| fits(shown), |(_, view)| query.place_of_user(&view.user));
            (found.total, found.next, found.page.into_iter().map(|(shown, _)| shown).collect())
        };
        let place = self.place(caller, &caller.types().user, request, &list, next.as_ref())?;
        Ok(Listed { total, place, views })
    }

    /// The users of a page of all, some at a time until the list is full.
    async fn show_page(
        &self,
        store: &OrganizationStore,
        organization: OrganizationId,
        found: Found<UserId>,
        show: &impl Show<UserView>,
        fits: &mut (impl FnMut(&Shown) -> bool + Send),
    ) -> Result<Found<Shown>, Error> {
        let mut page: Vec<Shown> = Vec::with_capacity(found.page.len());
        let mut last = None;
        for ids in found.page.chunks(USERS_AT_ONCE) {
            for (id, shown) in self.show_these(store, organization, ids, show).await? {
                if !fits(&shown) {
                    let next = last.map(|id: UserId| Position { key: None, id: id.uuid() });
                    return Ok(Found { total: found.total, page, next });
                }
                page.push(shown);
                last = Some(id);
            }
        }
        Ok(Found { total: found.total, page, next: found.next })
    }

    /// The user with this name, if there is one.
    async fn show_named(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        name_key: &str,
        show: &impl Show<UserView>,
    ) -> Result<Option<Shown>, Error> {
        if let Some(id) = self.known_answers.named(organization, name_key) {
            let stamp = self.store.stamp(organization, id.uuid());
            if let Some(shown) = self.known_answers.get_named((organization, id), name_key, stamp) {
                return Ok(Some(shown));
            }
        }
        let store = self.store.organization(organization).await?;
        let Some(id) = store.find_user_id_by_name_key(name_key).await? else { return Ok(None) };
        let stamp = self.store.stamp(organization, id.uuid());
        let view = match self.get_user(caller, id).await {
            Ok(view) if view.user.user_name_key() == name_key => view,
            // Renamed or gone in between.
            Ok(_) | Err(Error::NotFound(Noun::User)) => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(Some(self.known_answers.keep_user(organization, stamp, &view.user, show(&view))))
    }

    /// These users, in their order; those that are gone are left out.
    async fn show_these(
        &self,
        store: &OrganizationStore,
        organization: OrganizationId,
        ids: &[UserId],
        show: &impl Show<UserView>,
    ) -> Result<Vec<(UserId, Shown)>, Error> {
        let mut answers = Vec::with_capacity(ids.len());
        let (mut missing, mut places) = (Vec::new(), HashMap::new());
        for id in ids {
            let stamp = self.store.stamp(organization, id.uuid());
            let known = self.known_answers.get(organization, Of::User(*id), stamp);
            if known.is_none() {
                missing.push(*id);
                places.insert(*id, (answers.len(), stamp));
            }
            answers.push(known);
        }
        if !missing.is_empty() {
            for view in self.view_users(store, store.find_users(&missing).await?).await? {
                if let Some((place, stamp)) = places.remove(&view.user.id) {
                    answers[place] = Some(self.known_answers.keep_user(organization, stamp, &view.user, show(&view)));
                }
            }
        }
        Ok(ids.iter().copied().zip(answers).filter_map(|(id, answer)| Some((id, answer?))).collect())
    }

    /// Who is on a page of all users; none where the list is of some, or in another order, or where others write too.
    pub(super) async fn page_of_all(
        &self,
        store: &OrganizationStore,
        list: &ReadList<'_>,
    ) -> Result<Option<Found<UserId>>, Error> {
        if list.filter.is_some() || list.sort.is_some() {
            return Ok(None);
        }
        let (start, is_by_cursor) = match &list.paging {
            Paging::Index => (Start::Offset(list.page.offset()), false),
            Paging::Cursor(None) => (Start::Offset(0), true),
            Paging::Cursor(Some(after)) => (Start::After(UserId::new(after.id)), true),
        };
        let Some(page) = store.roster_page(start, list.page.count).await? else { return Ok(None) };
        let next = page.ids.last().filter(|_| is_by_cursor && page.is_more);
        let next = next.map(|last| Position { key: None, id: last.uuid() });
        Ok(Some(Found { total: page.total, page: page.ids, next }))
    }
}

impl ReadList<'_> {
    /// The folded name that the list asks for, if it asks for that alone: at most one user has it.
    fn name_key(&self) -> Option<&str> {
        if self.paging != Paging::Index {
            return None;
        }
        match self.filter.as_ref()? {
            Resolved::Test(test) if test.target.extension.is_none() && test.target.attribute.name == "userName" => {
                match &test.check {
                    Check::Compare(Operator::Eq, Operand::Text(name_key)) => Some(name_key),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

/// These users in the order of their ids; those that are gone are left out.
pub(super) fn in_order(ids: &[UserId], users: Vec<User>) -> Vec<User> {
    let mut users: HashMap<UserId, User> = users.into_iter().map(|user| (user.id, user)).collect();
    ids.iter().filter_map(|id| users.remove(id)).collect()
}

impl<T> Found<T> {
    /// The beginning of the page that fits; then the next page begins after the last of it.
    pub(super) fn while_fitting(mut self, fits: impl FnMut(&T) -> bool, place: impl FnOnce(&T) -> Position) -> Self {
        let read = self.page.len();
        let fitting = self.page.iter().map(fits).take_while(|fits| *fits).count();
        self.page.truncate(fitting);
        if fitting < read {
            self.next = self.page.last().map(place);
        }
        self
    }
}
