//! Reading about oneself and about those one may see: factors, what can be edited, organizations, groups, directories.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use chrono::{DateTime, Utc};

use super::Service;
use crate::domain::account::{Account, Joined, PasswordState};
use crate::domain::directory::Directory;
use crate::domain::group::{Group, Membership as GroupMembership};
use crate::domain::organization::Organization;
use crate::domain::profile::ProfileField;
use crate::domain::second_factor::Authenticator;
use crate::domain::user::{Claim, User};
use crate::domain::{
    AccountId, Caller, DirectoryId, Error, GroupId, OrganizationId, Permission, RoleId, UserId,
    role::{Role, RoleGrant},
};

/// A person's second factors.
#[derive(Clone, Debug)]
pub struct MfaState {
    /// The authenticator app, if enrolled.
    pub authenticator: Option<Authenticator>,
    /// Unused recovery codes.
    pub recovery_codes: usize,
    /// Whether the organization demands a second factor.
    pub required: bool,
}

/// Whether a field of a profile may be edited.
#[derive(Clone, Debug)]
pub struct FieldState {
    /// Which.
    pub field: ProfileField,
    /// The directory that writes it, and since when.
    pub claim: Option<(Directory, DateTime<Utc>)>,
}

impl Service {
    /// The second factors of the person who asks.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`].
    pub async fn get_my_mfa(&self, caller: &Caller) -> Result<MfaState, Error> {
        let person = caller.require_signed_in()?;
        let credentials = self.own_credentials(person).await?;
        let recovery_codes = self.store.identity().count_recovery_codes(person.account.id).await?;
        let authenticator = credentials.authenticator.filter(Authenticator::is_enrolled);
        Ok(MfaState { authenticator, recovery_codes, required: person.policy.mfa_required })
    }

    /// The account, password state and second factors behind another user; none for a user without an account.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`] for nobody.
    pub async fn get_account_of(
        &self,
        caller: &Caller,
        account: AccountId,
    ) -> Result<Option<(Account, Option<PasswordState>, MfaState)>, Error> {
        let person = caller.require_signed_in()?;
        let Some(credentials) = self.store.identity().find_credentials(account).await? else { return Ok(None) };
        let recovery_codes = self.store.identity().count_recovery_codes(account).await?;
        let authenticator = credentials.authenticator.filter(Authenticator::is_enrolled);
        let mfa = MfaState { authenticator, recovery_codes, required: person.policy.mfa_required };
        Ok(Some((credentials.account, credentials.password.map(|password| password.state()), mfa)))
    }

    /// How the person behind another user of the caller's organization belongs to it; none without an account.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::UserAccessRead`].
    pub async fn find_membership_of(&self, caller: &Caller, user: &User) -> Result<Option<(Account, Joined)>, Error> {
        let organization = caller.require(Permission::UserAccessRead)?;
        let Some(account) = user.account else { return Ok(None) };
        let Some(credentials) = self.store.identity().find_credentials(account).await? else { return Ok(None) };
        let joined = credentials.memberships.into_iter().find(|joined| joined.organization.id == organization);
        Ok(joined.map(|joined| (credentials.account, joined)))
    }

    /// Until when sign-in of an account is shut, if it is.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`] for nobody.
    pub async fn get_lock_of(&self, caller: &Caller, account: AccountId) -> Result<Option<DateTime<Utc>>, Error> {
        caller.require_signed_in()?;
        self.locked_until(account).await
    }

    /// Users of the caller's organization by id: those the caller may read. What is not there is left out.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`] for nobody.
    pub async fn find_readable_users(&self, caller: &Caller, ids: &[UserId]) -> Result<HashMap<UserId, User>, Error> {
        let person = caller.require_signed_in()?;
        let mut found = HashMap::new();
        let others = caller.may(Permission::UserAccessRead);
        for id in ids {
            if *id == person.user.id {
                found.insert(*id, person.user.clone());
            } else if others
                && let Some(user) = self.store.organization(person.organization.id).await?.find_user(*id).await?
            {
                found.insert(*id, user);
            }
        }
        Ok(found)
    }

    /// An organization the caller belongs to; none: the current one.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] for any other.
    pub async fn get_my_organization(
        &self,
        caller: &Caller,
        id: Option<OrganizationId>,
    ) -> Result<Organization, Error> {
        let person = caller.require_person()?;
        match id {
            None => Ok(person.organization.clone()),
            Some(id) if id == person.organization.id => Ok(person.organization.clone()),
            Some(id) => {
                let joined = self.store.identity().list_memberships(person.account.id).await?;
                let found = joined.into_iter().find(|joined| joined.organization.id == id);
                found.map(|joined| joined.organization).ok_or(Error::NotFound(crate::domain::Noun::Organization))
            }
        }
    }

    /// Whether directories took away the last owner of the current organization.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`].
    pub async fn is_my_organization_ownerless(&self, caller: &Caller, id: OrganizationId) -> Result<bool, Error> {
        caller.require_signed_in()?;
        Ok(self.store.organization(id).await?.is_ownerless().await?)
    }

    /// The groups of a user, by name: those the user is a direct member of.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] about others without [`Permission::UserAccessRead`] or [`Permission::GroupsRead`].
    pub async fn list_groups_of(&self, caller: &Caller, user: UserId) -> Result<Vec<Group>, Error> {
        let person = caller.require_signed_in()?;
        if user != person.user.id && !caller.may(Permission::UserAccessRead) {
            caller.require(Permission::GroupsRead)?;
        }
        let store = self.store.organization(person.organization.id).await?;
        let memberships = store.memberships_of(&[user]).await?.remove(&user).unwrap_or_default();
        let direct = memberships.iter().filter(|membership: &&GroupMembership| membership.direct);
        let ids: Vec<GroupId> = direct.map(|membership| membership.group).collect();
        let mut groups = store.find_groups(&ids).await?;
        groups.sort_by_key(|group| (scim::fold(group.display_name()), group.id));
        Ok(groups)
    }

    /// Why a user of the caller's organization holds which roles.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::UserAccessRead`].
    pub async fn list_grants_of(&self, caller: &Caller, user: UserId) -> Result<Vec<RoleGrant>, Error> {
        let organization = caller.require(Permission::UserAccessRead)?;
        let found = self.store.organization(organization).await?.find_member(user).await?;
        Ok(found.map(|(_, grants, _)| grants).unwrap_or_default())
    }

    /// A group the caller may see: with [`Permission::GroupsRead`], or belonging to it.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`] for nobody.
    pub async fn find_readable_group(&self, caller: &Caller, id: GroupId) -> Result<Option<Group>, Error> {
        let person = caller.require_person()?;
        let store = self.store.organization(person.organization.id).await?;
        if !caller.may(Permission::GroupsRead)
            && !store.members_among(id, &[person.user.id.uuid()]).await?.contains(&person.user.id.uuid())
        {
            return Ok(None);
        }
        Ok(store.find_group(id).await?)
    }

    /// How many direct members a group has.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::GroupsRead`] or belonging to it.
    pub async fn count_members(&self, caller: &Caller, id: GroupId) -> Result<usize, Error> {
        let person = caller.require_person()?;
        let store = self.store.organization(person.organization.id).await?;
        let own = person.user.id.uuid();
        if !caller.may(Permission::GroupsRead) && !store.members_among(id, &[own]).await?.contains(&own) {
            return Err(Error::Forbidden(Permission::GroupsRead));
        }
        Ok(store.member_ids(id).await?.len())
    }

    /// A role of the current organization.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`].
    pub fn find_role(&self, caller: &Caller, id: RoleId) -> Result<Option<Role>, Error> {
        let person = caller.require_person()?;
        Ok(Role::find_built_in(id.uuid(), person.organization.id))
    }

    /// A directory as whoever reads what it wrote may see it: its name.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`].
    pub async fn find_directory_of(&self, caller: &Caller, id: DirectoryId) -> Result<Option<Directory>, Error> {
        let person = caller.require_signed_in()?;
        Ok(self.store.organization(person.organization.id).await?.find_directory(id).await?)
    }

    /// Which fields of a profile may be edited, and who keeps the others.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`].
    pub async fn list_field_states(&self, caller: &Caller, user: &User) -> Result<Vec<FieldState>, Error> {
        let person = caller.require_signed_in()?;
        let claims: Vec<(ProfileField, Option<Claim>)> =
            ProfileField::ALL.into_iter().map(|field| (field, user.claim_on(field))).collect();
        let mut directories: HashMap<DirectoryId, Option<Directory>> = HashMap::new();
        for claim in claims.iter().filter_map(|(_, claim)| *claim) {
            if let Entry::Vacant(vacant) = directories.entry(claim.directory) {
                let store = self.store.organization(person.organization.id).await?;
                vacant.insert(store.find_directory(claim.directory).await?);
            }
        }
        let state = |(field, claim): (ProfileField, Option<Claim>)| {
            let directory = claim.and_then(|claim| directories.get(&claim.directory).cloned().flatten());
            FieldState { field, claim: directory.zip(claim.map(|claim| claim.since)) }
        };
        Ok(claims.into_iter().map(state).collect())
    }
}
