//! Roles of an organization, and giving and taking them.

use std::collections::HashMap;

use super::Service;
use super::attempts::Attempts;
use super::references::{
    NOT_JOINED, RoleRef, UserRef, check_count, check_holds, check_may_give, check_version, read_grantable,
};
use crate::domain::account::Edit;
use crate::domain::audit::{AuditEvent, EventKind, FieldChange};
use crate::domain::group::MemberKind;
use crate::domain::organization::Organization;
use crate::domain::role::{self, BuiltInRole, GrantSource, MOST_ROLES, Role, RoleGrant};
use crate::domain::user::User;
use crate::domain::{Caller, Code, Error, Permission, Refusal, RoleId, Stamps};
use crate::store::{GrantChange, OrganizationStore, OwnerWatch};

/// Permissions one role can name.
const MOST_PERMISSIONS: usize = 100;

/// What a role is about to be.
#[derive(Clone, Debug)]
pub struct RoleDraft {
    /// Fixed once it is made.
    pub key: String,
    /// What people call it.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Keys of its permissions.
    pub permissions: Vec<String>,
}

/// A change of a role.
#[derive(Clone, Debug, Default)]
pub struct RoleEdit {
    /// What people call it.
    pub name: Option<String>,
    /// What it is for.
    pub description: Edit<String>,
    /// Keys of all its permissions from now on.
    pub permissions: Option<Vec<String>>,
}

/// What becomes of somebody's direct roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoleChange {
    /// Exactly these.
    Set,
    /// These too.
    Add,
    /// Not these.
    Remove,
}

/// What changing somebody's roles did.
#[derive(Debug)]
pub struct RolesChanged {
    /// Whose.
    pub user: User,
    /// Which are new.
    pub added: Vec<Role>,
    /// Which are gone.
    pub removed: Vec<Role>,
    /// Why those that are gone are still in force.
    pub still: Vec<RoleGrant>,
}

fn reserved() -> Error {
    Refusal::new(Code::ReservedRole, "built-in roles cannot be changed").at("role").into()
}

fn read_permissions(keys: &[String]) -> Result<std::collections::BTreeSet<Permission>, Error> {
    check_count(keys.len(), MOST_PERMISSIONS, "permissions")?;
    read_grantable(keys, "permissions", Code::NotFound)
}

impl Service {
    /// The roles of the organization: the built-in ones, highest first, then its own by name.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`].
    pub async fn list_roles(&self, caller: &Caller) -> Result<Vec<Role>, Error> {
        let organization = caller.require_member()?.organization().id;
        let own = self.store.organization(organization).await?.list_own_roles().await?;
        let built_in = BuiltInRole::ALL.into_iter().map(|role| Role::built_in(role, organization));
        Ok(built_in.chain(own).collect())
    }

    /// One role.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`]; [`Error::Refused`] with `NOT_FOUND`.
    pub async fn get_role(&self, caller: &Caller, reference: &RoleRef) -> Result<Role, Error> {
        let organization = caller.require_member()?.organization().id;
        self.find_role_by(&self.store.organization(organization).await?, reference).await
    }

    /// Roles by key; those that are not there are left out.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`].
    pub async fn find_roles(&self, caller: &Caller, keys: &[String]) -> Result<HashMap<String, Role>, Error> {
        let organization = caller.require_known()?.organization().id;
        let store = self.store.organization(organization).await?;
        let mut found = HashMap::new();
        let mut own = None;
        for key in keys {
            if let Some(role) = BuiltInRole::named(key) {
                found.insert(key.clone(), Role::built_in(role, organization));
                continue;
            }
            if own.is_none() {
                own = Some(store.list_own_roles().await?);
            }
            let role = own.iter().flatten().find(|role| role.key == *key);
            found.extend(role.map(|role| (key.clone(), role.clone())));
        }
        Ok(found)
    }

    /// A role of the organization by id.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`].
    pub async fn find_role(&self, caller: &Caller, id: RoleId) -> Result<Option<Role>, Error> {
        let organization = caller.require_member()?.organization().id;
        Ok(self.store.organization(organization).await?.find_role(id).await?)
    }

    /// How many users hold a role, whatever it comes from.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::UserAccessRead`].
    pub async fn count_users_with_role(&self, caller: &Caller, key: &str) -> Result<u64, Error> {
        let organization = caller.require(Permission::UserAccessRead)?;
        let store = self.store.organization(organization).await?;
        let held = store.holders_of_role(key).await?.len() as u64;
        if key != BuiltInRole::Member.as_str() {
            return Ok(held);
        }
        // Whoever was given nothing holds the default role.
        let given = store.holders_of_any_role().await?.len() as u64;
        Ok(held + store.count_users().await?.saturating_sub(given))
    }

    /// Makes a role.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::RoleManage`]; [`Error::Refused`] with `NAME_TAKEN`, `RESERVED_ROLE`,
    /// `VALIDATION_FAILED`, `NOT_FOUND`, `INSUFFICIENT_RANK`, `LIMIT_EXCEEDED`.
    pub async fn create_role(&self, caller: &Caller, draft: RoleDraft) -> Result<Role, Error> {
        let organization = caller.require(Permission::RoleManage)?;
        let writer = self.writer(caller);
        let role = Role {
            id: RoleId::new(self.entropy.id(writer.now)),
            key: draft.key,
            name: draft.name,
            description: draft.description,
            permissions: read_permissions(&draft.permissions)?,
            stamps: Some(Stamps::new(writer)),
        };
        role.check()?;
        check_holds(caller, &role.permissions, "permissions")?;
        let store = self.store.organization(organization).await?;
        let _lane = self.lanes.enter(("roles", organization)).await;
        if store.list_own_roles().await?.len() >= MOST_ROLES {
            let refusal = Refusal::new(Code::LimitExceeded, "an organization has at most 200 roles of its own");
            return Err(refusal.with("limit", MOST_ROLES).into());
        }
        let event = self.role_event(caller, EventKind::RoleCreated, &role, described(None, Some(&role)));
        store.insert_role(&role, &event).await?;
        Ok(role)
    }

    /// Changes a role of the organization's own; whoever holds it is affected at once.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::RoleManage`]; [`Error::Refused`] with `NOT_FOUND`, `RESERVED_ROLE`,
    /// `VALIDATION_FAILED`, `INSUFFICIENT_RANK`, `VERSION_CONFLICT`.
    pub async fn update_role(
        &self,
        caller: &Caller,
        reference: &RoleRef,
        edit: &RoleEdit,
        if_version: Option<i64>,
    ) -> Result<Role, Error> {
        let organization = caller.require(Permission::RoleManage)?;
        let store = self.store.organization(organization).await?;
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            let before = self.find_role_by(&store, reference).await?;
            let stamps = before.stamps.ok_or_else(reserved)?;
            check_version(stamps.version, if_version)?;
            let mut after = before.clone();
            after.name = edit.name.clone().unwrap_or(after.name);
            edit.description.apply(&mut after.description);
            if let Some(keys) = &edit.permissions {
                after.permissions = read_permissions(keys)?;
            }
            after.check()?;
            check_holds(caller, &before.permissions, "role")?;
            check_holds(caller, &after.permissions, "permissions")?;
            if after == before {
                return Ok(after);
            }
            after.stamps = Some(stamps.next(self.writer(caller)));
            let changes = described(Some(&before), Some(&after));
            let event = self.role_event(caller, EventKind::RoleUpdated, &after, changes);
            match store.update_role(&before, &after, &event).await.map_err(Error::from) {
                Ok(()) => return Ok(after),
                Err(Error::Busy) if attempts.again().await => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Deletes a role of the organization's own. Its grants end, or become grants of another role; answers how many.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::RoleManage`]; [`Error::Refused`] with `NOT_FOUND`, `RESERVED_ROLE`,
    /// `INVALID_ARGUMENT_COMBINATION`, `INSUFFICIENT_RANK`, `VERSION_CONFLICT`.
    pub async fn delete_role(
        &self,
        caller: &Caller,
        reference: &RoleRef,
        instead: Option<&RoleRef>,
        if_version: Option<i64>,
    ) -> Result<(RoleId, usize), Error> {
        let organization = caller.require(Permission::RoleManage)?;
        let store = self.store.organization(organization).await?;
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            let role = self.find_role_by(&store, reference).await?;
            let stamps = role.stamps.ok_or_else(reserved)?;
            check_version(stamps.version, if_version)?;
            check_holds(caller, &role.permissions, "role")?;
            let instead = match instead {
                Some(instead) => Some(
                    self.find_role_by(&store, instead)
                        .await
                        .map_err(|_| Error::from(Refusal::new(Code::NotFound, "no such role").at("reassignTo")))?,
                ),
                None => None,
            };
            if instead.as_ref().is_some_and(|instead| instead.id == role.id) {
                let refusal = Refusal::new(Code::InvalidArgumentCombination, "a role cannot take its own place");
                return Err(refusal.at("reassignTo").into());
            }
            check_may_give(caller, &instead, "reassignTo")?;
            if instead.as_ref().is_some_and(Role::is_owner) {
                let refusal = Refusal::new(Code::InsufficientRank, "ownership is given by name only");
                return Err(refusal.at("reassignTo").into());
            }
            let grants = store.count_grants_of_role(&role.key).await?;
            let event = self.role_event(caller, EventKind::RoleDeleted, &role, described(Some(&role), None));
            match store.remove_role(&role, instead.as_ref(), caller.author(), &event).await.map_err(Error::from) {
                Ok(()) => return Ok((role.id, if instead.is_some() { grants } else { 0 })),
                Err(Error::Busy) if attempts.again().await => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn role_event(&self, caller: &Caller, kind: EventKind, role: &Role, values: Vec<FieldChange>) -> AuditEvent {
        AuditEvent { values, ..self.event(caller, kind, ("role", role.id.to_string())) }
    }

    /// Changes somebody's direct roles (S1-16). Roles from elsewhere stay.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::UserAccessManage`]; [`Error::Refused`] with `NOT_FOUND`,
    /// `VERSION_CONFLICT`, `LAST_OWNER`, `INSUFFICIENT_RANK`, `LIMIT_EXCEEDED`.
    pub async fn change_user_roles(
        &self,
        caller: &Caller,
        who: &UserRef,
        roles: &[RoleRef],
        change: RoleChange,
        if_version: Option<i64>,
    ) -> Result<RolesChanged, Error> {
        caller.require(Permission::UserAccessManage)?;
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            match self.try_change_roles(caller, who, roles, change, if_version).await {
                Err(Error::Busy) if attempts.again().await => {}
                outcome => return outcome,
            }
        }
    }

    async fn try_change_roles(
        &self,
        caller: &Caller,
        who: &UserRef,
        roles: &[RoleRef],
        change: RoleChange,
        if_version: Option<i64>,
    ) -> Result<RolesChanged, Error> {
        let (store, user) = self.find_managed(caller, who, Permission::UserAccessManage, if_version).await?;
        let wanted = self.find_roles_by(&store, roles).await?;
        let direct: Vec<Role> = direct_roles(&store, user.id.uuid()).await?;
        let is_in = |list: &[Role], role: &Role| list.iter().any(|known| known.id == role.id);
        let (added, removed): (Vec<Role>, Vec<Role>) = match change {
            RoleChange::Set => (
                wanted.iter().filter(|role| !is_in(&direct, role)).cloned().collect(),
                direct.iter().filter(|role| !is_in(&wanted, role)).cloned().collect(),
            ),
            RoleChange::Add => (wanted.iter().filter(|role| !is_in(&direct, role)).cloned().collect(), Vec::new()),
            RoleChange::Remove => (Vec::new(), direct.iter().filter(|role| is_in(&wanted, role)).cloned().collect()),
        };
        check_may_give(caller, added.iter().chain(&removed), "roles")?;
        if !added.is_empty() || !removed.is_empty() {
            let kind = if added.is_empty() { EventKind::RolesRevoked } else { EventKind::RolesGranted };
            let event = AuditEvent {
                values: vec![FieldChange::new("roles", role_keys(&removed), role_keys(&added))],
                ..self.event(caller, kind, ("user", user.id.to_string()))
            };
            let grants = GrantChange {
                holder: user.id.uuid(),
                kind: MemberKind::User,
                source: GrantSource::Direct,
                reference: None,
                added: &role_keys(&added),
                removed: &role_keys(&removed),
                by: caller.author(),
            };
            let owners = removed.iter().any(Role::is_owner);
            let watch = if owners { OwnerWatch::Users(&[user.id]) } else { OwnerWatch::Nobody };
            store.change_grants(Some(&user), &[grants], watch, &event).await?;
        }
        let mut held = store.grants_of_users(std::slice::from_ref(&user)).await?;
        let still = held.remove(&user.id).unwrap_or_default();
        let still = still.into_iter().filter(|grant| is_in(&removed, &grant.role)).collect();
        Ok(RolesChanged { user, added, removed, still })
    }

    /// Gives ownership to somebody else, and takes it from the caller.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] for whoever is no owner; [`Error::Refused`] with `NOT_FOUND`, `ILLEGAL_TRANSITION`,
    /// `STEP_UP_REQUIRED`, `PROTECTED_ACCOUNT`.
    pub async fn transfer_ownership(
        &self,
        caller: &Caller,
        to: &UserRef,
        keep: bool,
    ) -> Result<(Organization, User), Error> {
        caller.require_person()?;
        let organization = caller.require(Permission::UserSelfProfileWrite)?;
        let store = self.store.organization(organization).await?;
        let (person, _) = caller.require_login()?;
        let is_owner = role::owns(&person.grants);
        // Without an owner, whoever runs the organization may name one.
        let may = is_owner
            || person.account.superuser
            || (caller.may(Permission::OrgManagement) && store.is_ownerless().await?);
        if !may {
            return Err(Error::Forbidden(Permission::OrgManagement));
        }
        let (person, _) = caller.require_fresh_login(self.clock.now())?;
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            let user = self
                .find_user(caller, &store, to)
                .await
                .map_err(|_| Error::from(Refusal::new(Code::NotFound, "no such user").at("to")))?;
            if !user.is_admitted() || user.account.is_none() {
                return Err(Refusal::new(Code::IllegalTransition, "that user is not active").at("to").into());
            }
            let owner = [BuiltInRole::Owner.as_str().to_owned()];
            let grant = |holder: &User, source, gives: bool| GrantChange {
                holder: holder.id.uuid(),
                kind: MemberKind::User,
                source,
                reference: None,
                added: if gives { &owner } else { &[] },
                removed: if gives { &[] } else { &owner },
                by: caller.author(),
            };
            let mut changes = vec![grant(&user, GrantSource::Direct, true)];
            if !keep && is_owner && person.user.id != user.id {
                changes.push(grant(&person.user, GrantSource::Direct, false));
                changes.push(grant(&person.user, GrantSource::Invitation, false));
            }
            let event = AuditEvent {
                values: vec![FieldChange::new("owner", person.user.id.to_string(), user.id.to_string())],
                ..self.event(caller, EventKind::OwnershipTransferred, ("organization", organization.to_string()))
            };
            match store.change_grants(Some(&user), &changes, OwnerWatch::Always, &event).await.map_err(Error::from) {
                Ok(()) => return Ok((person.organization.clone(), user)),
                Err(Error::Busy) if attempts.again().await => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Makes somebody superuser of the whole server, or no longer; never oneself (S2-16, S2-28).
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `NOT_FOUND`, `INSUFFICIENT_RANK`, `STEP_UP_REQUIRED`, `PROTECTED_ACCOUNT`.
    pub async fn set_superuser(&self, caller: &Caller, who: &UserRef, value: bool) -> Result<User, Error> {
        let person = caller.require_person()?;
        let rank = |message: &'static str| Error::from(Refusal::new(Code::InsufficientRank, message));
        if !person.account.superuser {
            return Err(rank("only a superuser makes superusers"));
        }
        let (person, _) = caller.require_fresh_login(self.clock.now())?;
        let store = self.store.organization(person.organization.id).await?;
        let user = self.find_user(caller, &store, who).await?;
        if user.id == person.user.id {
            return Err(rank("nobody does that to themselves"));
        }
        let missing = || Error::from(Refusal::new(Code::ProtectedAccount, NOT_JOINED).at("user"));
        let account = user.account.ok_or_else(missing)?;
        let before = self.store.identity().find_account(account).await?.ok_or_else(missing)?;
        if before.superuser == value {
            return Ok(user);
        }
        let kind = if value { EventKind::SuperuserGranted } else { EventKind::SuperuserRevoked };
        let event = self.event(caller, kind, ("user", user.id.to_string()));
        self.store.set_superuser(person.organization.id, person.account.id, account, value, &event).await?;
        Ok(user)
    }

    /// Makes somebody superuser of the whole server, or no longer, for whoever holds the machine.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] for everyone but the operator; [`Error::NotFound`].
    pub async fn appoint_superuser(&self, caller: &Caller, email: &str, value: bool) -> Result<(), Error> {
        caller.require_operator(Permission::OrgManagement)?;
        let key = crate::domain::email::lookup_key(email);
        let found = self.store.identity().find_verified_email(&key).await?;
        let account = found.ok_or(Error::NotFound(crate::domain::Noun::Account))?.account;
        let credentials = self.credentials(account).await?;
        let (home, target) = super::passwords::home_of(&credentials);
        let kind = if value { EventKind::SuperuserGranted } else { EventKind::SuperuserRevoked };
        let event = self.event(caller, kind, target);
        Ok(self.store.appoint_superuser(home, account, value, &event).await?)
    }
}

/// The roles somebody was given by name.
pub(super) async fn direct_roles(store: &OrganizationStore, holder: uuid::Uuid) -> Result<Vec<Role>, Error> {
    let grants = store.list_grants(holder).await?;
    Ok(grants.into_iter().filter(|grant| grant.source == GrantSource::Direct).map(|grant| grant.role).collect())
}

/// Keys of roles.
pub(super) fn role_keys(roles: &[Role]) -> Vec<String> {
    roles.iter().map(|role| role.key.clone()).collect()
}

fn described(before: Option<&Role>, after: Option<&Role>) -> Vec<FieldChange> {
    let keys = |role: &Role| role.permissions.iter().map(|permission| permission.key()).collect::<Vec<_>>();
    let mut changes = vec![
        FieldChange::new("key", before.map(|role| role.key.clone()), after.map(|role| role.key.clone())),
        FieldChange::new("name", before.map(|role| role.name.clone()), after.map(|role| role.name.clone())),
        FieldChange::new("permissions", before.map(keys), after.map(keys)),
    ];
    changes.retain(|change| change.before != change.after);
    changes
}
