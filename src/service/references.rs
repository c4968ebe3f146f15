//! What callers name things by, and finding them. What is not here answers like what never was.

use std::collections::BTreeSet;

use super::Service;
use crate::domain::caller::Actor;
use crate::domain::organization::Organization;
use crate::domain::refusal::{Code, Refusal};
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

    /// The user in the caller's organization.
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
        let is_primary = |user: &User| user.directory_email().is_some_and(|email| email::lookup_key(email) == key);
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
        let Actor::Person(person) = caller.actor() else { return Ok(()) };
        if person.account.superuser || person.user.id == user.id {
            return Ok(());
        }
        let grants = store.find_member(user.id).await?.map(|(_, grants, _)| grants).unwrap_or_default();
        let theirs = match user.account {
            Some(account) => match self.store.identity().find_account(account).await? {
                Some(account) if account.superuser => Permission::ALL.into_iter().collect(),
                _ => role::permissions_of(&grants),
            },
            None => role::permissions_of(&grants),
        };
        let lacking: Vec<&str> = theirs.difference(&person.permissions).map(|permission| permission.key()).collect();
        if lacking.is_empty() {
            return Ok(());
        }
        let refusal = Refusal::new(Code::InsufficientRank, "that user may do things you may not");
        Err(refusal.with("requiredPermissions", lacking).into())
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
        let person = caller.require_signed_in()?;
        let Some(who) = who else { return Ok(person.user.clone()) };
        let store = self.store.organization(person.organization.id).await?;
        let found = self.find_user(caller, &store, who).await;
        if found.as_ref().is_ok_and(|user| user.id == person.user.id) {
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
