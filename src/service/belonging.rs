//! Who belongs to the groups kept here: somebody's groups at once, or one member of one group.

use serde_json::json;

use super::Service;
use super::attempts::Attempts;
use super::references::{GroupRef, RoleRef, ServiceAccountRef, UserRef, check_may_give, check_version};
use crate::domain::account::Edit;
use crate::domain::audit::{AuditEvent, EventKind, FieldChange};
use crate::domain::group::{Belonging, Group, GroupRole, MemberKind, MemberSource};
use crate::domain::role::Role;
use crate::domain::service_account::ServiceAccount;
use crate::domain::user::User;
use crate::domain::{Caller, Code, Error, GroupId, Permission, Refusal, UserId};
use crate::store::{Belongings, OrganizationStore, OwnerWatch};

/// Groups that can change for somebody at once.
const MOST_CHANGES: usize = 100;

/// Which groups somebody is to belong to.
#[derive(Clone, Debug, Default)]
pub struct GroupsEdit {
    /// These too.
    pub add: Option<Vec<GroupRef>>,
    /// Not these; wins over `add`.
    pub remove: Option<Vec<GroupRef>>,
    /// Exactly these, beside those that directories keep.
    pub set: Option<Vec<GroupRef>>,
}

/// The argument of [`GroupsEdit`] that asks for a change; the path of a refusal names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Argument {
    Add,
    Remove,
    Set,
}

impl Argument {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Remove => "remove",
            Self::Set => "set",
        }
    }
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
    /// Groups that stay although `set` does not name them, because a directory keeps them.
    pub kept: Vec<Group>,
}

/// The groups that an edit changes, and those that a directory keeps although it does not name them.
struct GroupsPlan {
    added: Vec<Group>,
    removed: Vec<Group>,
    kept: Vec<Group>,
    adds_by: Argument,
    removes_by: Argument,
}

/// Somebody whose groups change.
struct Joiner {
    id: uuid::Uuid,
    kind: MemberKind,
    noun: &'static str,
    version: u64,
}

impl Joiner {
    fn user(user: &User) -> Self {
        Self { id: user.id.uuid(), kind: MemberKind::User, noun: "user", version: user.version }
    }
}

/// A change of who belongs to which groups, and how it is told.
struct BelongingsWrite<'a> {
    change: &'a Belongings,
    /// The part of the input that a refusal names: of groups that are joined, and of groups that are left.
    put_at: &'static str,
    gone_at: &'static str,
    event: &'a AuditEvent,
}

impl Service {
    /// Changes which groups a user belongs to (S4-11 to S4-14).
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::GroupsManage`]; [`Error::Refused`] with `NOT_FOUND`,
    /// `INVALID_ARGUMENT_COMBINATION`, `MANAGED_BY_DIRECTORY`, `INSUFFICIENT_RANK`, `LAST_OWNER`, `LIMIT_EXCEEDED`,
    /// `VERSION_CONFLICT`; the path names the argument to blame.
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
            match self.try_change_groups(caller, &store, &Joiner::user(&user), edit).await {
                Ok(GroupsPlan { added, removed, kept, .. }) => {
                    return Ok(GroupsChanged { of: user, added, removed, kept });
                }
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
                Ok(GroupsPlan { added, removed, kept, .. }) => {
                    return Ok(GroupsChanged { of: account, added, removed, kept });
                }
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
    ) -> Result<GroupsPlan, Error> {
        let plan = self.plan_groups(store, joiner, edit).await?;
        let GroupsPlan { added, removed, adds_by, removes_by, .. } = &plan;
        if added.is_empty() && removed.is_empty() {
            return Ok(plan);
        }
        for (groups, argument) in [(added, *adds_by), (removed, *removes_by)] {
            for group in groups {
                self.check_local(store, group, argument.as_str()).await?;
            }
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
            values: vec![FieldChange::new("groups", names(removed), names(added))],
            ..self.event(caller, kind, (joiner.noun, joiner.id.to_string()))
        };
        let write =
            BelongingsWrite { change: &change, put_at: adds_by.as_str(), gone_at: removes_by.as_str(), event: &event };
        write_belongings(caller, store, joiner, &write).await?;
        Ok(plan)
    }

    /// The changes that an edit comes to. `set` leaves memberships that a directory keeps where they are.
    async fn plan_groups(
        &self,
        store: &OrganizationStore,
        joiner: &Joiner,
        edit: &GroupsEdit,
    ) -> Result<GroupsPlan, Error> {
        let belongs: Vec<GroupId> = store.belongings_of(&[joiner.id]).await?.iter().map(|one| one.group).collect();
        let present = store.find_groups(&belongs).await?;
        let is_in = |list: &[Group], group: &Group| list.iter().any(|known| known.id == group.id);
        if let Some(set) = &edit.set {
            if edit.add.is_some() || edit.remove.is_some() {
                let refusal = Refusal::new(Code::InvalidArgumentCombination, "give set, or add and remove");
                return Err(refusal.at(Argument::Set.as_str()).into());
            }
            let wanted = self.find_named(store, set, Argument::Set).await?;
            let added = wanted.iter().filter(|group| !is_in(&present, group)).cloned().collect();
            let left = present.into_iter().filter(|group| !is_in(&wanted, group));
            let (kept, removed) = left.partition(|group| group.directory.is_some());
            return Ok(GroupsPlan { added, removed, kept, adds_by: Argument::Set, removes_by: Argument::Set });
        }
        let add = self.find_named(store, edit.add.as_deref().unwrap_or_default(), Argument::Add).await?;
        let remove = self.find_named(store, edit.remove.as_deref().unwrap_or_default(), Argument::Remove).await?;
        Ok(GroupsPlan {
            added: add.into_iter().filter(|group| !is_in(&present, group) && !is_in(&remove, group)).collect(),
            removed: present.into_iter().filter(|group| is_in(&remove, group)).collect(),
            kept: Vec::new(),
            adds_by: Argument::Add,
            removes_by: Argument::Remove,
        })
    }

    /// The groups that an argument names.
    async fn find_named(
        &self,
        store: &OrganizationStore,
        references: &[GroupRef],
        argument: Argument,
    ) -> Result<Vec<Group>, Error> {
        self.find_groups_by(store, references, (argument.as_str(), MOST_CHANGES)).await
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
            if let (Edit::Clear | Edit::Set(_), Some(key)) =
                (scoped_role, known.as_ref().and_then(|known| known.scoped_role.as_deref()))
            {
                check_may_give(caller, &store.find_role_by_key(key).await?, "scopedRole")?;
            }
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
            let write = BelongingsWrite { change: &change, put_at: "group", gone_at: "group", event: &event };
            match write_belongings(caller, &store, &Joiner::user(&user), &write).await {
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
    /// [`Error::Refused`] with `NOT_FOUND`, `MANAGED_BY_DIRECTORY`, `INSUFFICIENT_RANK`, `LAST_OWNER`.
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
            let event = AuditEvent {
                values: vec![FieldChange::new("member", user.id.to_string(), json!(null))],
                members_removed: 1,
                ..self.event(caller, EventKind::GroupMemberRemoved, ("group", group.id.to_string()))
            };
            let change = Belongings { put: Vec::new(), gone: vec![(group.id, user.id.uuid())] };
            let write = BelongingsWrite { change: &change, put_at: "group", gone_at: "group", event: &event };
            match write_belongings(caller, &store, &Joiner::user(&user), &write).await {
                Ok(()) => return Ok((group, user)),
                Err(Error::Busy) if attempts.again().await => {}
                Err(error) => return Err(error),
            }
        }
    }

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

    /// A group whose members the caller may change: with the permission, or as its admin.
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

/// Changes who belongs to which groups: the only writer of memberships of groups kept here. Whatever comes or goes with the
/// groups, by themselves or by the groups around them, the caller must be able to give (G4, S-8).
async fn write_belongings(
    caller: &Caller,
    store: &OrganizationStore,
    joiner: &Joiner,
    write: &BelongingsWrite<'_>,
) -> Result<(), Error> {
    let Belongings { put, gone } = write.change;
    let joined: Vec<GroupId> = put.iter().map(|put| put.group).collect();
    let left: Vec<GroupId> = gone.iter().map(|(group, _)| *group).collect();
    let mut moves_owner = false;
    for (groups, field) in [(&joined, write.put_at), (&left, write.gone_at)] {
        let moved = store.roles_through(groups).await?;
        check_may_give(caller, &moved, field)?;
        let owns = moved.iter().any(Role::is_owner);
        if joiner.kind == MemberKind::ServiceAccount && owns {
            return Err(Refusal::new(Code::InsufficientRank, "a service account never owns").at(field).into());
        }
        moves_owner |= owns;
    }
    let user = [UserId::new(joiner.id)];
    let watch = if moves_owner && !left.is_empty() { OwnerWatch::Users(&user) } else { OwnerWatch::Nobody };
    let member = (joiner.kind, joiner.id, joiner.version);
    Ok(store.change_belongings(write.change, member, watch, write.event).await?)
}
