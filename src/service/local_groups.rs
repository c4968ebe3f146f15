//! Groups kept here: making, changing and deleting them. What a directory provisions is left to it, but for the roles that
//! an administrator lets a group give.

use serde_json::json;

use super::Service;
use super::attempts::Attempts;
use super::references::{GroupRef, RoleRef, check_may_give, check_version};
use super::roles::{direct_roles, role_keys};
use crate::domain::account::Edit;
use crate::domain::audit::{Change, FieldChange};
use crate::domain::group::{Group, GroupDraft, MemberKind};
use crate::domain::role::{GrantSource, Role};
use crate::domain::{Caller, Code, DirectoryId, Error, GroupId, Permission, Refusal};
use crate::store::{GrantChange, MemberDelta, OrganizationStore, OwnerWatch};

/// What a group is about to be.
#[derive(Clone, Debug)]
pub struct LocalGroupDraft {
    /// Unique.
    pub name: String,
    /// What people call it.
    pub display_name: Option<String>,
    /// The role a new member gets inside it.
    pub default_role: Option<RoleRef>,
    /// Roles its members hold.
    pub roles: Vec<RoleRef>,
}

/// A change of a group.
#[derive(Clone, Debug, Default)]
pub struct LocalGroupEdit {
    /// Unique.
    pub name: Option<String>,
    /// What people call it.
    pub display_name: Edit<String>,
    /// The role a new member gets inside it.
    pub default_role: Edit<RoleRef>,
    /// All roles its members hold from now on.
    pub roles: Option<Vec<RoleRef>>,
}

fn check_group_name(text: &str, field: &'static str) -> Result<(), Error> {
    let length = text.chars().count();
    if (1..=150).contains(&length) && !text.trim().is_empty() && !text.chars().any(crate::domain::user::is_deceptive) {
        return Ok(());
    }
    let refusal = Refusal::new(Code::ValidationFailed, "use 1 to 150 characters, without control characters");
    Err(refusal.at(field).with("min", 1).with("max", 150).into())
}

fn draft(name: &str) -> Result<GroupDraft, Error> {
    let attributes = json!({ "displayName": name });
    GroupDraft::new(scim::Resource::from_stored(attributes.as_object().cloned().unwrap_or_default()))
}

/// Ownership is people's, given by people: neither directories nor programs come to it through a group.
async fn check_may_own(store: &OrganizationStore, group: &Group) -> Result<(), Error> {
    let message = if group.directory.is_some() {
        "a directory never gives ownership: its groups cannot either"
    } else if store.has_others_than_users(group.id).await? {
        "a group that directories' groups or service accounts belong to cannot own"
    } else {
        return Ok(());
    };
    Err(Refusal::new(Code::ValidationFailed, message).at("roles").into())
}

impl Service {
    /// Makes a group kept here.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::GroupsManage`]; [`Error::Taken`]; [`Error::Refused`] with
    /// `VALIDATION_FAILED`, `NOT_FOUND`, `INSUFFICIENT_RANK`.
    pub async fn create_local_group(&self, caller: &Caller, wanted: &LocalGroupDraft) -> Result<Group, Error> {
        let organization = caller.require(Permission::GroupsManage)?;
        check_group_name(&wanted.name, "name")?;
        if let Some(name) = &wanted.display_name {
            check_group_name(name, "displayName")?;
        }
        let store = self.store.organization(organization).await?;
        let roles = self.find_roles_by(&store, &wanted.roles).await?;
        check_may_give(caller, &roles, "roles")?;
        let default_role = match &wanted.default_role {
            Some(role) => Some(self.default_role(caller, &store, role).await?),
            None => None,
        };
        let writer = self.writer(caller);
        let group = Group::create(GroupId::new(self.entropy.id(writer.now)), draft(&wanted.name)?, writer);
        let group = Group { label: wanted.display_name.clone(), default_role, ..group };
        let keys = role_keys(&roles);
        let mut event = self.group_event(caller, &Change::of_group(None, Some(group.clone())), &MemberDelta::default());
        if !keys.is_empty() {
            event.values.push(FieldChange::new("roles", json!(null), keys.clone()));
        }
        let grants = grants_of(&group, &keys, &[], caller);
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            match store.insert_local_group(&group, std::slice::from_ref(&grants), &event).await.map_err(Error::from) {
                Ok(()) => return Ok(group),
                Err(Error::Busy) if attempts.again().await => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// A role that counts inside a group only: whoever may manage the group may not give what they lack.
    async fn default_role(&self, caller: &Caller, store: &OrganizationStore, role: &RoleRef) -> Result<String, Error> {
        let role = self
            .find_role_by(store, role)
            .await
            .map_err(|_| Error::from(Refusal::new(Code::NotFound, "no such role").at("defaultRole")))?;
        check_may_give(caller, [&role], "defaultRole")?;
        Ok(role.key)
    }

    /// Changes a group. Of a directory's group only what it gives (G6).
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::GroupsManage`]; [`Error::Taken`]; [`Error::Refused`] with `NOT_FOUND`,
    /// `VALIDATION_FAILED`, `MANAGED_BY_DIRECTORY`, `INSUFFICIENT_RANK`, `LAST_OWNER`, `VERSION_CONFLICT`.
    pub async fn update_local_group(
        &self,
        caller: &Caller,
        reference: &GroupRef,
        edit: &LocalGroupEdit,
        if_version: Option<i64>,
    ) -> Result<Group, Error> {
        caller.require(Permission::GroupsManage)?;
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            match self.try_update_group(caller, reference, edit, if_version).await {
                Err(Error::Busy) if attempts.again().await => {}
                outcome => return outcome,
            }
        }
    }

    async fn try_update_group(
        &self,
        caller: &Caller,
        reference: &GroupRef,
        edit: &LocalGroupEdit,
        if_version: Option<i64>,
    ) -> Result<Group, Error> {
        let organization = caller.require(Permission::GroupsManage)?;
        let store = self.store.organization(organization).await?;
        let before = self.find_group_by(&store, reference).await?;
        check_version(before.version, if_version)?;
        if edit.name.is_some() || edit.display_name.is_change() {
            self.check_local(&store, &before, "group").await?;
        }
        let writer = self.writer(caller);
        let mut after = before.clone();
        if let Some(name) = &edit.name {
            check_group_name(name, "name")?;
            after = after.changed(before.draft_named(name)?, false, writer);
        }
        if let Edit::Set(name) = &edit.display_name {
            check_group_name(name, "displayName")?;
        }
        edit.display_name.apply(&mut after.label);
        match &edit.default_role {
            Edit::Keep => {}
            Edit::Clear => after.default_role = None,
            Edit::Set(role) => after.default_role = Some(self.default_role(caller, &store, role).await?),
        }
        let held = direct_roles(&store, before.id.uuid()).await?;
        let (added, removed) = match &edit.roles {
            None => (Vec::new(), Vec::new()),
            Some(roles) => {
                let wanted = self.find_roles_by(&store, roles).await?;
                check_may_give(caller, wanted.iter().chain(&held), "roles")?;
                if wanted.iter().any(Role::is_owner) {
                    check_may_own(&store, &before).await?;
                }
                (without(&wanted, &held), without(&held, &wanted))
            }
        };
        if after == before && added.is_empty() && removed.is_empty() {
            return Ok(before);
        }
        if after.version == before.version {
            after = after.next(writer);
        }
        let change = Change::of_group(Some(before.clone()), Some(after.clone()));
        let mut event = self.group_event(caller, &change, &MemberDelta::default());
        let (added, removed) = (role_keys(&added), role_keys(&removed));
        if !added.is_empty() || !removed.is_empty() {
            event.values.push(FieldChange::new("roles", removed.clone(), added.clone()));
        }
        let grants = grants_of(&after, &added, &removed, caller);
        let watch = watch_for(&held);
        store.update_local_group(&before, &after, &[grants], watch, &event).await?;
        Ok(after)
    }

    /// Deletes a group kept here; answers how many members it had.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::GroupsManage`]; [`Error::Refused`] with `NOT_FOUND`,
    /// `MANAGED_BY_DIRECTORY`, `INSUFFICIENT_RANK`, `LAST_OWNER`, `VERSION_CONFLICT`.
    pub async fn delete_local_group(
        &self,
        caller: &Caller,
        reference: &GroupRef,
        if_version: Option<i64>,
    ) -> Result<(GroupId, usize), Error> {
        let organization = caller.require(Permission::GroupsManage)?;
        let store = self.store.organization(organization).await?;
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            let group = self.find_group_by(&store, reference).await?;
            check_version(group.version, if_version)?;
            self.check_local(&store, &group, "group").await?;
            let held = store.roles_through(&[group.id]).await?;
            check_may_give(caller, &held, "group")?;
            let members = store.count_members(&[group.id]).await?.into_iter().sum();
            let change = Change::of_group(Some(group.clone()), None);
            let event = self.group_event(caller, &change, &MemberDelta::default());
            match store.remove_group(&group, watch_for(&held), &event).await.map_err(Error::from) {
                Ok(()) => return Ok((group.id, members)),
                Err(Error::Busy) if attempts.again().await => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// # Errors
    ///
    /// [`Error::Refused`] with `MANAGED_BY_DIRECTORY` and who that is.
    pub(super) async fn check_local(
        &self,
        store: &OrganizationStore,
        group: &Group,
        field: &'static str,
    ) -> Result<(), Error> {
        let Some(id) = group.directory else { return Ok(()) };
        Err(self.managed_by(store, id, field).await?)
    }

    /// The refusal of a change that is a directory's.
    pub(super) async fn managed_by(
        &self,
        store: &OrganizationStore,
        id: DirectoryId,
        field: &'static str,
    ) -> Result<Error, Error> {
        let name = store.find_directory(id).await?.map_or_else(String::new, |directory| directory.name);
        let message = format!("the directory {name} keeps this: change it there");
        Ok(Refusal::new(Code::ManagedByDirectory, message).at(field).with("owner", name).into())
    }
}

/// Roles of the first list that are not in the second.
fn without(roles: &[Role], others: &[Role]) -> Vec<Role> {
    roles.iter().filter(|role| !others.iter().any(|other| other.id == role.id)).cloned().collect()
}

/// Whoever loses what a group gives may be an owner by it.
fn watch_for(held: &[Role]) -> OwnerWatch<'static> {
    if held.iter().any(Role::is_owner) { OwnerWatch::Always } else { OwnerWatch::Nobody }
}

fn grants_of<'a>(group: &Group, added: &'a [String], removed: &'a [String], caller: &Caller) -> GrantChange<'a> {
    GrantChange {
        holder: group.id.uuid(),
        kind: MemberKind::Group,
        source: GrantSource::Direct,
        reference: None,
        added,
        removed,
        by: caller.author(),
    }
}
