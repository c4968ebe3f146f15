//! Groups kept here: making, changing and deleting them, and who belongs to them. What a directory provisions is left to
//! it, but for the roles that an administrator lets a group give.

use serde_json::json;

use super::Service;
use super::attempts::Attempts;
use super::references::{GroupRef, RoleRef, ServiceAccountRef, UserRef, check_may_give, check_version};
use super::roles::{direct_roles, role_keys};
use crate::domain::account::Edit;
use crate::domain::audit::{AuditEvent, Change, EventKind, FieldChange};
use crate::domain::group::{Belonging, Group, GroupDraft, GroupRole, MemberKind, MemberSource};
use crate::domain::role::{GrantSource, Role};
use crate::domain::service_account::ServiceAccount;
use crate::domain::user::User;
use crate::domain::{Caller, Code, DirectoryId, Error, GroupId, Permission, Refusal, UserId};
use crate::store::{Belongings, GrantChange, MemberDelta, OrganizationStore, OwnerWatch};

/// Groups that can change for somebody at once.
const MOST_CHANGES: usize = 100;

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

/// Which groups somebody is to belong to.
#[derive(Clone, Debug, Default)]
pub struct GroupsEdit {
    /// These too.
    pub add: Option<Vec<GroupRef>>,
    /// Not these; wins over `add`.
    pub remove: Option<Vec<GroupRef>>,
    /// Exactly these.
    pub set: Option<Vec<GroupRef>>,
}

/// What changing somebody's groups did.
#[derive(Debug)]
pub struct GroupsChanged<T> {
    /// Whose.
    pub of: T,
    /// Which are new.
    pub added: Vec<Group>,
    /// Which are gone.
    pub removed: Vec<Group>,
}

/// Somebody whose groups change.
struct Joiner {
    id: uuid::Uuid,
    kind: MemberKind,
    noun: &'static str,
    version: u64,
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
            let held = direct_roles(&store, group.id.uuid()).await?;
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

    /// Changes which groups a user belongs to (S4-11 to S4-14).
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::GroupsManage`]; [`Error::Refused`] with `NOT_FOUND`,
    /// `INVALID_ARGUMENT_COMBINATION`, `MANAGED_BY_DIRECTORY`, `INSUFFICIENT_RANK`, `LAST_OWNER`, `LIMIT_EXCEEDED`,
    /// `VERSION_CONFLICT`.
    pub async fn update_user_groups(
        &self,
        caller: &Caller,
        who: &UserRef,
        edit: &GroupsEdit,
        if_version: Option<i64>,
    ) -> Result<GroupsChanged<User>, Error> {
        let organization = caller.require(Permission::GroupsManage)?;
        let store = self.store.organization(organization).await?;
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            let user = self.find_user(caller, &store, who).await?;
            check_version(user.version, if_version)?;
            let joiner = Joiner { id: user.id.uuid(), kind: MemberKind::User, noun: "user", version: user.version };
            match self.try_change_groups(caller, &store, &joiner, edit).await {
                Ok((added, removed)) => return Ok(GroupsChanged { of: user, added, removed }),
                Err(Error::Busy) if attempts.again().await => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Changes which groups a service account belongs to (S4-15).
    ///
    /// # Errors
    ///
    /// As [`Service::update_user_groups`]; [`Error::Forbidden`] without [`Permission::ServiceAccountWrite`] too.
    pub async fn update_service_account_groups(
        &self,
        caller: &Caller,
        who: &ServiceAccountRef,
        edit: &GroupsEdit,
        if_version: Option<i64>,
    ) -> Result<GroupsChanged<ServiceAccount>, Error> {
        caller.require(Permission::ServiceAccountWrite)?;
        let organization = caller.require(Permission::GroupsManage)?;
        let store = self.store.organization(organization).await?;
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            let account = self.find_program_by(&store, who).await?;
            check_version(account.stamps.version, if_version)?;
            let joiner = Joiner {
                id: account.id.uuid(),
                kind: MemberKind::ServiceAccount,
                noun: "service_account",
                version: account.stamps.version,
            };
            match self.try_change_groups(caller, &store, &joiner, edit).await {
                Ok((added, removed)) => return Ok(GroupsChanged { of: account, added, removed }),
                Err(Error::Busy) if attempts.again().await => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn try_change_groups(
        &self,
        caller: &Caller,
        store: &OrganizationStore,
        joiner: &Joiner,
        edit: &GroupsEdit,
    ) -> Result<(Vec<Group>, Vec<Group>), Error> {
        let combination = |message: &'static str| Error::from(Refusal::new(Code::InvalidArgumentCombination, message));
        let belongs: Vec<GroupId> = store.belongings_of(&[joiner.id]).await?.iter().map(|one| one.group).collect();
        let present = store.find_groups(&belongs).await?;
        let is_in = |list: &[Group], group: &Group| list.iter().any(|known| known.id == group.id);
        let (added, removed): (Vec<Group>, Vec<Group>) = match (&edit.set, &edit.add, &edit.remove) {
            (Some(_), Some(_), _) | (Some(_), _, Some(_)) => return Err(combination("give set, or add and remove")),
            (None, None, None) => return Err(combination("give add, remove or set")),
            (Some(set), None, None) => {
                let wanted = self.find_groups_by(store, set, ("set", MOST_CHANGES)).await?;
                (
                    wanted.iter().filter(|group| !is_in(&present, group)).cloned().collect(),
                    present.iter().filter(|group| !is_in(&wanted, group)).cloned().collect(),
                )
            }
            (None, add, remove) => {
                let add = self.find_groups_by(store, add.as_deref().unwrap_or_default(), ("add", MOST_CHANGES)).await?;
                let remove =
                    self.find_groups_by(store, remove.as_deref().unwrap_or_default(), ("remove", MOST_CHANGES)).await?;
                (
                    add.into_iter().filter(|group| !is_in(&present, group) && !is_in(&remove, group)).collect(),
                    present.iter().filter(|group| is_in(&remove, group)).cloned().collect(),
                )
            }
        };
        for group in added.iter().chain(&removed) {
            self.check_local(store, group, if edit.set.is_some() { "set" } else { "add" }).await?;
        }
        if added.is_empty() && removed.is_empty() {
            return Ok((added, removed));
        }
        let given = self.roles_given(store, added.iter().chain(&removed)).await?;
        check_may_give(caller, &given, if edit.set.is_some() { "set" } else { "add" })?;
        if joiner.kind == MemberKind::ServiceAccount && given.iter().any(Role::is_owner) {
            return Err(Refusal::new(Code::InsufficientRank, "a service account never owns").at("add").into());
        }
        let writer = self.writer(caller);
        let put = added.iter().map(|group| Belonging {
            scoped_role: group.default_role.clone(),
            ..Belonging::new(group.id, joiner.id, joiner.kind, MemberSource::Local, writer)
        });
        let change =
            Belongings { put: put.collect(), gone: removed.iter().map(|group| (group.id, joiner.id)).collect() };
        let kind = match (added.is_empty(), removed.is_empty()) {
            (false, true) => EventKind::GroupMemberAdded,
            (true, false) => EventKind::GroupMemberRemoved,
            _ => EventKind::GroupMembersChanged,
        };
        let names = |groups: &[Group]| groups.iter().map(|group| group.display_name().to_owned()).collect::<Vec<_>>();
        let event = AuditEvent {
            values: vec![FieldChange::new("groups", names(&removed), names(&added))],
            ..self.event(caller, kind, (joiner.noun, joiner.id.to_string()))
        };
        let user = [UserId::new(joiner.id)];
        let watch = if given.iter().any(Role::is_owner) { OwnerWatch::Users(&user) } else { OwnerWatch::Nobody };
        store.change_belongings(&change, (joiner.kind, joiner.id, joiner.version), watch, &event).await?;
        Ok((added, removed))
    }

    /// The roles that these groups give, by themselves or by being in others.
    async fn roles_given<'g>(
        &self,
        store: &OrganizationStore,
        groups: impl IntoIterator<Item = &'g Group>,
    ) -> Result<Vec<Role>, Error> {
        let ids: Vec<GroupId> = groups.into_iter().map(|group| group.id).collect();
        Ok(store.roles_through(&ids).await?)
    }

    /// Adds a user to a group, or changes what they are in it (S0-19, E3-15).
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] for whoever neither manages groups nor is admin of this one; [`Error::Refused`] with
    /// `NOT_FOUND`, `MANAGED_BY_DIRECTORY`, `INSUFFICIENT_RANK`.
    pub async fn set_group_member(
        &self,
        caller: &Caller,
        group: &GroupRef,
        who: &UserRef,
        role: GroupRole,
        scoped_role: &Edit<RoleRef>,
    ) -> Result<(Group, User, Belonging), Error> {
        let organization = caller.require_member()?.organization().id;
        let store = self.store.organization(organization).await?;
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            let group = self.find_group_to_keep(caller, &store, group).await?;
            let user = self.find_user(caller, &store, who).await?;
            self.check_local(&store, &group, "group").await?;
            let known = store.find_belonging(group.id, user.id.uuid()).await?;
            let given = self.roles_given(&store, [&group]).await?;
            check_may_give(caller, &given, "group")?;
            let scoped_role = match (scoped_role, &known) {
                (Edit::Clear, _) => None,
                (Edit::Keep, Some(known)) => known.scoped_role.clone(),
                (Edit::Keep, None) => group.default_role.clone(),
                (Edit::Set(role), _) => {
                    let role = self
                        .find_role_by(&store, role)
                        .await
                        .map_err(|_| Error::from(Refusal::new(Code::NotFound, "no such role").at("scopedRole")))?;
                    check_may_give(caller, [&role], "scopedRole")?;
                    Some(role.key)
                }
            };
            let writer = self.writer(caller);
            let fresh = || Belonging::new(group.id, user.id.uuid(), MemberKind::User, MemberSource::Local, writer);
            let belonging = Belonging { role, scoped_role, ..known.clone().unwrap_or_else(fresh) };
            if known.as_ref() == Some(&belonging) {
                return Ok((group, user, belonging));
            }
            let event = AuditEvent {
                values: vec![FieldChange::new("member", json!(null), user.id.to_string())],
                members_added: usize::from(known.is_none()),
                ..self.event(caller, EventKind::GroupMemberAdded, ("group", group.id.to_string()))
            };
            let change = Belongings { put: vec![belonging.clone()], gone: Vec::new() };
            let guard = (MemberKind::User, user.id.uuid(), user.version);
            match store.change_belongings(&change, guard, OwnerWatch::Nobody, &event).await.map_err(Error::from) {
                Ok(()) => return Ok((group, user, belonging)),
                Err(Error::Busy) if attempts.again().await => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Removes a user from a group; not belonging to it is no error.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] for whoever neither manages groups, nor is admin of this one, nor removes themselves;
    /// [`Error::Refused`] with `NOT_FOUND`, `MANAGED_BY_DIRECTORY`, `LAST_OWNER`.
    pub async fn remove_group_member(
        &self,
        caller: &Caller,
        group: &GroupRef,
        who: &UserRef,
    ) -> Result<(Group, User), Error> {
        let member = caller.require_member()?;
        let store = self.store.organization(member.organization().id).await?;
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            let user = self.find_user(caller, &store, who).await;
            let is_own = user.as_ref().is_ok_and(|user| user.id.uuid() == member.id());
            let group = if is_own {
                self.find_own_group(caller, &store, group).await?
            } else {
                self.find_group_to_keep(caller, &store, group).await?
            };
            let user = user?;
            self.check_local(&store, &group, "group").await?;
            if store.find_belonging(group.id, user.id.uuid()).await?.is_none() {
                return Ok((group, user));
            }
            let given = self.roles_given(&store, [&group]).await?;
            let event = AuditEvent {
                values: vec![FieldChange::new("member", user.id.to_string(), json!(null))],
                members_removed: 1,
                ..self.event(caller, EventKind::GroupMemberRemoved, ("group", group.id.to_string()))
            };
            let change = Belongings { put: Vec::new(), gone: vec![(group.id, user.id.uuid())] };
            let subjects = [user.id];
            let watch =
                if given.iter().any(Role::is_owner) { OwnerWatch::Users(&subjects) } else { OwnerWatch::Nobody };
            let guard = (MemberKind::User, user.id.uuid(), user.version);
            match store.change_belongings(&change, guard, watch, &event).await.map_err(Error::from) {
                Ok(()) => return Ok((group, user)),
                Err(Error::Busy) if attempts.again().await => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// A group whose members the caller may change: with the permission, or as its admin.
    /// A group the caller is in, or may read of.
    async fn find_own_group(
        &self,
        caller: &Caller,
        store: &OrganizationStore,
        reference: &GroupRef,
    ) -> Result<Group, Error> {
        let group = self.find_group_by(store, reference).await?;
        let own = caller.require_member()?.id();
        if caller.may(Permission::GroupsRead) || store.find_belonging(group.id, own).await?.is_some() {
            return Ok(group);
        }
        Err(Refusal::new(Code::NotFound, "no such group").at("group").into())
    }

    async fn find_group_to_keep(
        &self,
        caller: &Caller,
        store: &OrganizationStore,
        reference: &GroupRef,
    ) -> Result<Group, Error> {
        let found = self.find_group_by(store, reference).await;
        if caller.may(Permission::GroupsManage) {
            return found;
        }
        let member = caller.require_member()?;
        let group = found.map_err(|_| Error::Forbidden(Permission::GroupsManage))?;
        let own = store.find_belonging(group.id, member.id()).await?;
        if own.is_some_and(|own| own.role == GroupRole::Admin) {
            return Ok(group);
        }
        Err(Error::Forbidden(Permission::GroupsManage))
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
