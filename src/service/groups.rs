//! Groups: create, read, list, replace, patch, delete.

use scim::patch::{self, EdgeChanges, Operation};
use scim::{ListRequest, Reading, Resource, Tolerance};
use serde_json::Value;

use crate::domain::audit::Change;
use crate::domain::group::{Group, GroupDraft, GroupView};
use crate::domain::size::ByteBudget;
use crate::domain::user::ELEMENT_BYTES;
use crate::domain::{Caller, Error, GroupId, Noun, Permission};
use crate::store::{Found, MemberDelta, OrganizationStore, OwnerWatch};

use super::attempts::Attempts;
use super::{Conditions, Listed, Outcome, Saved, Service, members};

/// Whether the members of a group are read with it: they may be many (C59).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Members {
    /// They are.
    Read,
    /// They are not.
    Left,
}

impl Service {
    /// Creates a group with its first members.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::GroupsManage`]; [`Error::Taken`] when its name, compared without case,
    /// or the directory's externalId is in use; [`Error::Invalid`].
    pub async fn create_group(
        &self,
        caller: &Caller,
        mut attributes: Resource,
        reading: &mut Reading,
    ) -> Result<Saved<GroupView>, Error> {
        let organization = caller.require(Permission::GroupsManage)?;
        let store = self.store.organization(organization).await?;
        // A group without members yet has none to lose: unknown ids are skipped, all of them if need be.
        let wanted = EdgeChanges::adding(take_members(&mut attributes).unwrap_or_default());
        attributes.check_growth(&caller.types().group, None)?;
        self.check_size(None, &attributes)?;
        let draft = GroupDraft::new(attributes)?;
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            let writer = self.writer(caller);
            let group = Group::create(GroupId::new(self.entropy.id(writer.now)), draft.clone(), writer);
            let delta = members::delta(caller, &store, group.id, &wanted, reading).await?;
            caller.note_reading(reading);
            let change = Change::of_group(None, Some(group.clone()));
            let event = self.group_event(caller, &change, &delta);
            match store.insert_group(&group, &delta, &event).await.map_err(Error::from) {
                Ok(()) => {
                    let view = self.view_group(&store, group, Members::Read).await?;
                    return Ok(Saved { view, outcome: Outcome::Created });
                }
                Err(Error::Busy) if attempts.again().await => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// A group.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::GroupsRead`]; [`Error::NotFound`].
    pub async fn get_group(&self, caller: &Caller, id: GroupId, with: Members) -> Result<GroupView, Error> {
        let organization = caller.require(Permission::GroupsRead)?;
        let store = self.store.organization(organization).await?;
        let group = store.find_group(id).await?.ok_or(Error::NotFound(Noun::Group))?;
        self.view_group(&store, group, with).await
    }

    /// A group the caller has just changed; whoever may write it may see what came of it.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::GroupsManage`]; [`Error::NotFound`].
    pub async fn view_changed_group(&self, caller: &Caller, id: GroupId, with: Members) -> Result<GroupView, Error> {
        let organization = caller.require(Permission::GroupsManage)?;
        let store = self.store.organization(organization).await?;
        let group = store.find_group(id).await?.ok_or(Error::NotFound(Noun::Group))?;
        self.view_group(&store, group, with).await
    }

    /// Groups (RFC 7644 §3.4.2).
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::GroupsRead`]; [`Error::Protocol`] for a request that cannot be carried
    /// out exactly (C55).
    pub async fn list_groups(
        &self,
        caller: &Caller,
        request: &ListRequest,
        with: Members,
        reading: &mut Reading,
    ) -> Result<Listed<GroupView>, Error> {
        caller.require(Permission::GroupsRead)?;
        self.list_groups_within(caller, request, with, reading, &mut self.list_budget()).await
    }

    /// The same, as many as fit in what is left of the bytes of a list.
    pub(super) async fn list_groups_within(
        &self,
        caller: &Caller,
        request: &ListRequest,
        with: Members,
        reading: &mut Reading,
        budget: &mut ByteBudget,
    ) -> Result<Listed<GroupView>, Error> {
        let organization = caller.require(Permission::GroupsRead)?;
        let store = self.store.organization(organization).await?;
        let list = self.read_list(caller, &caller.types().group, request, reading)?;
        let query = list.query();
        let found = store.list_groups(&query).await?;
        let ids: Vec<GroupId> = found.page.iter().map(|group| group.id).collect();
        let enough = (self.limits.list_bytes / ELEMENT_BYTES).max(1);
        let mut members = match with {
            // Of groups after those that fill the list members would be read in vain.
            Members::Read => Some(store.members_of_first(&ids, enough).await?),
            Members::Left => None,
        };
        let views = found.page.into_iter().map(|group| match &mut members {
            Some(members) => (members.remove(&group.id), group),
            None => (None, group),
        });
        let (base, is_with) = (self.scim_base_bytes(), with == Members::Read);
        let page: Vec<GroupView> = views.map(|(members, group)| GroupView { group, members }).collect();
        let fits = |view: &GroupView| view.members.is_some() == is_with && budget.takes(view.answer_bytes(base));
        let found = Found { total: found.total, page, next: found.next };
        let found = found.while_fitting(fits, |view| query.place_of_group(&view.group));
        let place = self.place(caller, &caller.types().group, request, &list, found.next.as_ref())?;
        Ok(Listed { total: found.total, place, views: found.page })
    }

    /// Replaces a group; its members are then exactly those of the body (C70).
    ///
    /// # Errors
    ///
    /// As [`Service::patch_group`].
    pub async fn replace_group(
        &self,
        caller: &Caller,
        id: GroupId,
        body: &Resource,
        conditions: &Conditions,
        reading: &mut Reading,
    ) -> Result<Saved<Group>, Error> {
        caller.require(Permission::GroupsManage)?;
        let replaced = |group: &Group, reading: &mut Reading| {
            let mut attributes = body.clone();
            crate::domain::user::keep_external_id(group.attributes.attributes(), &mut attributes, reading);
            let wanted = match take_members(&mut attributes) {
                Some(ids) => EdgeChanges::exactly(ids),
                None if reading.tolerates(Tolerance::AbsentMembersKept) => EdgeChanges::default(),
                None => EdgeChanges::exactly([]),
            };
            attributes.check_growth(&caller.types().group, Some(&group.attributes))?;
            Ok((attributes, wanted))
        };
        self.change_group(caller, id, conditions, reading, replaced).await
    }

    /// Applies the operations of a PATCH, all or none (RFC 7644 §3.5.2).
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::GroupsManage`]; [`Error::NotFound`]; [`Error::Stale`],
    /// [`Error::PreconditionRequired`]; [`Error::Taken`]; [`Error::Protocol`], [`Error::Invalid`]; [`Error::Refused`] with
    /// `PROTECTED_ACCOUNT` for a group that gives roles and is another's.
    pub async fn patch_group(
        &self,
        caller: &Caller,
        id: GroupId,
        operations: &[Operation],
        conditions: &Conditions,
        reading: &mut Reading,
    ) -> Result<Saved<Group>, Error> {
        caller.require(Permission::GroupsManage)?;
        let text = id.to_string();
        let patched = |group: &Group, reading: &mut Reading| {
            let patched = patch::apply(&caller.types().group, &text, &group.attributes, operations, reading)?;
            Ok((patched.resource, patched.edges))
        };
        self.change_group(caller, id, conditions, reading, patched).await
    }

    /// Reads, decides, writes; again when someone else was faster.
    async fn change_group(
        &self,
        caller: &Caller,
        id: GroupId,
        conditions: &Conditions,
        reading: &mut Reading,
        decide: impl Fn(&Group, &mut Reading) -> Result<(Resource, EdgeChanges), Error>,
    ) -> Result<Saved<Group>, Error> {
        let organization = caller.require(Permission::GroupsManage)?;
        let store = self.store.organization(organization).await?;
        let _lane = self.lanes.enter(id).await;
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            let before = store.find_group(id).await?.ok_or(Error::NotFound(Noun::Group))?;
            conditions.check(caller, &before.etag())?;
            self.check_group_owner(caller, &store, &before).await?;
            let (attributes, wanted) = self.work_on_body(caller, || decide(&before, reading)).await?;
            self.check_size(Some(&before.attributes), &attributes)?;
            let delta = members::delta(caller, &store, id, &wanted, reading).await?;
            caller.note_reading(reading);
            let after = before.changed(GroupDraft::new(attributes)?, !delta.is_empty(), self.writer(caller));
            let change = Change::of_group(Some(before.clone()), Some(after.clone()));
            if change.is_nothing() {
                return Ok(Saved { view: after, outcome: Outcome::Unchanged });
            }
            let event = self.group_event(caller, &change, &delta);
            match store.update_group(&before, &after, &delta, &event).await.map_err(Error::from) {
                Ok(()) => return Ok(Saved { view: after, outcome: Outcome::Updated }),
                Err(Error::Busy) if attempts.again().await => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Deletes a group; its members stay (C110).
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::GroupsManage`]; [`Error::NotFound`]; [`Error::Stale`],
    /// [`Error::PreconditionRequired`].
    pub async fn delete_group(&self, caller: &Caller, id: GroupId, conditions: &Conditions) -> Result<(), Error> {
        let organization = caller.require(Permission::GroupsManage)?;
        let store = self.store.organization(organization).await?;
        let _lane = self.lanes.enter(id).await;
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            let group = store.find_group(id).await?.ok_or(Error::NotFound(Noun::Group))?;
            conditions.check(caller, &group.etag())?;
            self.check_group_owner(caller, &store, &group).await?;
            let change = Change::of_group(Some(group.clone()), None);
            let event = self.group_event(caller, &change, &MemberDelta::default());
            match store.remove_group(&group, OwnerWatch::Nobody, &event).await.map_err(Error::from) {
                Err(Error::Busy) if attempts.again().await => {}
                outcome => return outcome,
            }
        }
    }

    async fn view_group(&self, store: &OrganizationStore, group: Group, with: Members) -> Result<GroupView, Error> {
        let members = match with {
            Members::Read => Some(store.members_of(&[group.id]).await?.remove(&group.id).unwrap_or_default()),
            Members::Left => None,
        };
        Ok(GroupView { group, members })
    }
}

/// Takes the ids of the members out of a body: edges are not attributes. None when the body does not speak of them.
fn take_members(attributes: &mut Resource) -> Option<Vec<String>> {
    let members = attributes.attributes_mut().remove("members")?;
    let ids = members.as_array().into_iter().flatten().filter_map(|member| member.get("value").and_then(Value::as_str));
    Some(ids.map(str::to_owned).collect())
}
