//! What callers name things by, and finding them. What is not here answers like what never was.

use std::collections::BTreeSet;

use super::Service;
use super::deprovisioned::find_deprovisioned;
use crate::domain::group::Group;
use crate::domain::organization::Organization;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::role::{MOST_NAMED, Role};
use crate::domain::service_account::ServiceAccount;
use crate::domain::user::User;
use crate::domain::{Caller, Error, OrganizationId, Permission, UserId, email, role};
use crate::store::OrganizationStore;

/// Names one organization.
#[derive(Clone, Debug)]
pub enum OrganizationRef {
    /// By id.
    Id(String),
    /// By short name, without case.
    ShortName(String),
}

impl OrganizationRef {
    /// Whether it means this one.
    pub fn names(&self, organization: &Organization) -> bool {
        match self {
            Self::Id(id) => *id == organization.id.to_string(),
            Self::ShortName(name) => scim::fold(name) == scim::fold(&organization.short_name),
        }
    }
}

/// Names one role.
#[derive(Clone, Debug)]
pub enum RoleRef {
    /// By id.
    Id(String),
    /// By key.
    Key(String),
}

/// Names one group.
#[derive(Clone, Debug)]
pub enum GroupRef {
    /// By id.
    Id(String),
    /// By name, without case.
    Name(String),
}

/// Names one service account.
#[derive(Clone, Debug)]
pub enum ServiceAccountRef {
    /// By id.
    Id(String),
    /// By name, without case.
    UserName(String),
}

/// Names one user.
#[derive(Clone, Debug)]
pub enum UserRef {
    /// By id.
    Id(String),
    /// By name, without case; `me` is the caller.
    UserName(String),
    /// By primary address, without case.
    Email(String),
    /// By the id a directory gave.
    ExternalId(String),
}

/// The reason for a user without an account, whom a directory made say, with the two ways to one.
pub(super) const NOT_JOINED: &str = "that user has not joined yet and cannot sign in: mail an invitation with sendInvitations, or set \
                                     up a login provider of the organization";

fn no_such_user() -> Error {
    Refusal::new(Code::NotFound, "no such user").at("user").into()
}

impl Service {
    /// The organization, if there is one.
    pub(super) async fn find_organization(&self, reference: &OrganizationRef) -> Result<Option<Organization>, Error> {
        match reference {
            OrganizationRef::Id(id) => match id.parse::<OrganizationId>() {
                Ok(id) => Ok(self.store.identity().find_organization(id).await?),
                Err(_) => Ok(None),
            },
            OrganizationRef::ShortName(name) => Ok(self.store.identity().find_organization_by_short_name(name).await?),
        }
    }

    /// The user in the caller's organization, unless a directory deprovisioned it.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `NOT_FOUND`, also when two users fit.
    pub(super) async fn find_user(
        &self,
        caller: &Caller,
        store: &OrganizationStore,
        reference: &UserRef,
    ) -> Result<User, Error> {
        let found = match reference {
            UserRef::Id(id) => match id.parse::<UserId>() {
                Ok(id) => store.find_user(id).await?,
                Err(_) => None,
            },
            UserRef::UserName(name) if scim::fold(name.trim()) == "me" => {
                caller.as_person().map(|person| person.user.clone())
            }
            UserRef::UserName(name) => store.find_user_by_name_key(&scim::fold(name.trim())).await?,
            UserRef::Email(text) => self.find_user_by_email(store, text).await?,
            UserRef::ExternalId(id) => only_one(store.find_users_by_external_id(id, 2).await?),
        };
        if found.is_none()
            && caller.may(Permission::UserAccessRead)
            && find_deprovisioned(store, reference).await?.is_some()
        {
            let message = "a directory deprovisioned that user: enable the user first";
            return Err(Refusal::new(Code::NotFound, message).at("user").into());
        }
        found.ok_or_else(no_such_user)
    }

    async fn find_user_by_email(&self, store: &OrganizationStore, text: &str) -> Result<Option<User>, Error> {
        let key = email::lookup_key(text);
        let verified = self.store.identity().find_verified_email(&key).await?;
        if let Some(email) = verified.filter(|email| email.is_primary)
            && let Some(user) = store.find_user_by_account(email.account).await?
        {
            return Ok(Some(user));
        }
        // A user with an account is found by proven addresses only: an address that they only say they have may be another's.
        let is_primary = |user: &User| {
            user.account.is_none() && user.directory_email().is_some_and(|email| email::lookup_key(email) == key)
        };
        let found = store.find_users_by_email(&scim::fold(text.trim()), 10).await?;
        Ok(only_one(found.into_iter().filter(is_primary).collect()))
    }

    /// Whether the caller may act on this user: holds every permission the user holds (G2).
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `INSUFFICIENT_RANK` and what is lacking.
    pub(super) async fn check_rank(
        &self,
        caller: &Caller,
        store: &OrganizationStore,
        user: &User,
    ) -> Result<(), Error> {
        let Some(member) = caller.as_member() else { return Ok(()) };
        if member.is_superuser() || member.id() == user.id.uuid() {
            return Ok(());
        }
        let mut held = store.grants_of_users(std::slice::from_ref(user)).await?;
        let grants = held.remove(&user.id).unwrap_or_default();
        if let Some(account) = user.account
            && self.store.identity().find_account(account).await?.is_some_and(|account| account.superuser)
        {
            // An owner has every permission here; a superuser has them everywhere.
            let refusal = Refusal::new(Code::InsufficientRank, "that user is a superuser: only another may do this");
            return Err(refusal.with("requiredPermissions", Vec::<&str>::new()).into());
        }
        let theirs = role::permissions_of(&grants);
        let lacking: Vec<&str> = theirs.difference(member.permissions()).map(|permission| permission.key()).collect();
        if lacking.is_empty() {
            return Ok(());
        }
        let refusal = Refusal::new(Code::InsufficientRank, "that user may do things you may not");
        Err(refusal.with("requiredPermissions", lacking).into())
    }

    /// Whom an administrator's verb is about. Whoever may do it to nobody is told so, and not who exists (TN-08).
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`]; [`Error::Refused`] with `NOT_FOUND`, `INSUFFICIENT_RANK`, `VERSION_CONFLICT`.
    pub(super) async fn find_managed(
        &self,
        caller: &Caller,
        who: &UserRef,
        right: Permission,
        if_version: Option<i64>,
    ) -> Result<(OrganizationStore, User), Error> {
        let organization = caller.require(right)?;
        let store = self.store.organization(organization).await?;
        let user = self.find_user(caller, &store, who).await?;
        self.check_rank(caller, &store, &user).await?;
        check_version(user.version, if_version)?;
        Ok((store, user))
    }

    /// A role by id or key.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `NOT_FOUND`.
    pub(super) async fn find_role_by(&self, store: &OrganizationStore, reference: &RoleRef) -> Result<Role, Error> {
        let found = match reference {
            RoleRef::Id(id) => match id.parse() {
                Ok(id) => store.find_role(id).await?,
                Err(_) => None,
            },
            RoleRef::Key(key) => store.find_role_by_key(key).await?,
        };
        found.ok_or_else(|| Refusal::new(Code::NotFound, "no such role").at("role").into())
    }

    /// Several roles, each once; at most 50.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `NOT_FOUND` naming the place in the list, `LIMIT_EXCEEDED`.
    pub(super) async fn find_roles_by(
        &self,
        store: &OrganizationStore,
        references: &[RoleRef],
    ) -> Result<Vec<Role>, Error> {
        check_count(references.len(), MOST_NAMED, "roles")?;
        let mut roles: Vec<Role> = Vec::new();
        for (index, reference) in references.iter().enumerate() {
            let role = self.find_role_by(store, reference).await.map_err(|error| blame(error, "roles", index))?;
            if !roles.iter().any(|known| known.id == role.id) {
                roles.push(role);
            }
        }
        Ok(roles)
    }

    /// A group by id or name.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `NOT_FOUND`.
    pub(super) async fn find_group_by(&self, store: &OrganizationStore, reference: &GroupRef) -> Result<Group, Error> {
        let found = match reference {
            GroupRef::Id(id) => match id.parse() {
                Ok(id) => store.find_group(id).await?,
                Err(_) => None,
            },
            GroupRef::Name(name) => store.find_group_by_name_key(&scim::fold(name.trim())).await?,
        };
        found.ok_or_else(|| Refusal::new(Code::NotFound, "no such group").at("group").into())
    }

    /// Several groups, each once; at most `most`.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `NOT_FOUND` naming the place in the list, `LIMIT_EXCEEDED`.
    pub(super) async fn find_groups_by(
        &self,
        store: &OrganizationStore,
        references: &[GroupRef],
        (field, most): (&'static str, usize),
    ) -> Result<Vec<Group>, Error> {
        check_count(references.len(), most, field)?;
        let mut groups: Vec<Group> = Vec::new();
        for (index, reference) in references.iter().enumerate() {
            let group = self.find_group_by(store, reference).await.map_err(|error| blame(error, field, index))?;
            if !groups.iter().any(|known| known.id == group.id) {
                groups.push(group);
            }
        }
        Ok(groups)
    }

    /// A service account by id or name.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `NOT_FOUND`.
    pub(super) async fn find_program_by(
        &self,
        store: &OrganizationStore,
        reference: &ServiceAccountRef,
    ) -> Result<ServiceAccount, Error> {
        let found = match reference {
            ServiceAccountRef::Id(id) => match id.parse() {
                Ok(id) => store.find_program(id).await?,
                Err(_) => None,
            },
            ServiceAccountRef::UserName(name) => store.find_program_by_name_key(&scim::fold(name.trim())).await?,
        };
        found.ok_or_else(|| Refusal::new(Code::NotFound, "no such service account").at("serviceAccount").into())
    }

    /// Whom a verb is about: oneself, or somebody else whom the caller may do this to. Whoever may do it to nobody is told
    /// so, and not who exists (TN-08).
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`]; [`Error::Refused`] with `NOT_FOUND`, `INSUFFICIENT_RANK`.
    pub(super) async fn find_target(
        &self,
        caller: &Caller,
        who: Option<&UserRef>,
        right: Permission,
    ) -> Result<User, Error> {
        let Some(who) = who else { return Ok(caller.require_signed_in()?.user.clone()) };
        let member = caller.require_member()?;
        let store = self.store.organization(member.organization().id).await?;
        let found = self.find_user(caller, &store, who).await;
        if found.as_ref().is_ok_and(|user| user.id.uuid() == member.id()) {
            return found;
        }
        caller.require(right)?;
        let user = found?;
        self.check_rank(caller, &store, &user).await?;
        Ok(user)
    }
}

fn only_one(mut users: Vec<User>) -> Option<User> {
    if users.len() == 1 { users.pop() } else { None }
}

fn blame(error: Error, list: &'static str, index: usize) -> Error {
    match error {
        Error::Refused(refusals) => {
            Error::Refused(refusals.into_iter().map(|refusal| refusal.at_item(list, index)).collect())
        }
        other => other,
    }
}

/// Reads keys of permissions that are to be given to a role or a token; `unknown` is the code for a key of none.
///
/// # Errors
///
/// [`Error::Refused`] with `unknown`, or with `VALIDATION_FAILED` for a permission that cannot be granted.
pub(super) fn read_grantable(
    keys: &[String],
    field: &'static str,
    unknown: Code,
) -> Result<BTreeSet<Permission>, Error> {
    let refused = |code: Code, message: &'static str, index: usize| -> Error {
        Refusal::new(code, message).at_item(field, index).into()
    };
    let read = |(index, key): (usize, &String)| match Permission::named(key) {
        Some(permission) if permission.is_grantable() => Ok(permission),
        Some(_) => Err(refused(Code::ValidationFailed, "this permission cannot be granted", index)),
        None => Err(refused(unknown, "there is no such permission", index)),
    };
    keys.iter().enumerate().map(read).collect()
}

/// # Errors
///
/// [`Error::Refused`] with `LIMIT_EXCEEDED`.
pub(super) fn check_count(count: usize, most: usize, field: &'static str) -> Result<(), Error> {
    if count <= most {
        return Ok(());
    }
    Err(Refusal::new(Code::LimitExceeded, format!("at most {most} at once")).at(field).with("limit", most).into())
}

/// # Errors
///
/// [`Error::Refused`] with `VERSION_CONFLICT` and the current version.
pub(super) fn check_version(current: u64, expected: Option<i64>) -> Result<(), Error> {
    match expected {
        Some(version) if u64::try_from(version) != Ok(current) => {
            let refusal = Refusal::new(Code::VersionConflict, "it changed since you read it").at("ifVersion");
            Err(refusal.with("currentVersion", current).into())
        }
        _ => Ok(()),
    }
}

/// Whether the caller may give or take these roles: holds all their permissions, and, to make an owner, is one (G4).
///
/// # Errors
///
/// [`Error::Refused`] with `INSUFFICIENT_RANK` and what is lacking.
pub(super) fn check_may_give<'r>(
    caller: &Caller,
    roles: impl IntoIterator<Item = &'r Role>,
    field: &'static str,
) -> Result<(), Error> {
    for role in roles {
        check_holds(caller, &role.permissions, field)?;
        let Some(member) = caller.as_member().filter(|_| role.is_owner()) else { continue };
        if !member.is_superuser() && !role::owns(member.grants()) {
            return Err(Refusal::new(Code::InsufficientRank, "only an owner gives or takes ownership")
                .at(field)
                .into());
        }
    }
    Ok(())
}

/// Whether the caller holds all of these, so that they can be given on (G4).
///
/// # Errors
///
/// [`Error::Refused`] with `INSUFFICIENT_RANK` and what is lacking.
pub(super) fn check_holds(
    caller: &Caller,
    permissions: &BTreeSet<Permission>,
    field: &'static str,
) -> Result<(), Error> {
    let lacking: Vec<&str> =
        permissions.iter().filter(|permission| !caller.may(**permission)).map(|permission| permission.key()).collect();
    if lacking.is_empty() {
        return Ok(());
    }
    let refusal = Refusal::new(Code::InsufficientRank, "nobody gives what they do not have").at(field);
    Err(refusal.with("requiredPermissions", lacking).into())
}
