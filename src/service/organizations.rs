//! Organizations.

use scim::Resource;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::crypto::password;
use crate::domain::audit::EventKind;
use crate::domain::organization::{Organization, OrganizationDraft};
use crate::domain::user::{User, UserDraft};
use crate::domain::{AccountId, Caller, Error, Noun, OrganizationId, Permission, UserId};
use crate::store::Owner;

use super::Service;

/// The first owner of a new organization, with a password that is shown only now.
#[derive(Debug)]
pub struct NewOwner {
    /// The address they sign in with.
    pub email: String,
    /// Their password.
    pub password: SecretString,
}

impl Service {
    /// Makes an organization and, if an address is given, its first owner with a generated password.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] for everyone but the operator; [`Error::Taken`], [`Error::Invalid`] for its names.
    pub async fn create_organization(
        &self,
        caller: &Caller,
        draft: OrganizationDraft,
    ) -> Result<(Organization, Option<NewOwner>), Error> {
        caller.require_operator(Permission::OrgManagement)?;
        draft.check()?;
        // The name is looked up first: a refused organization shall not leave an empty database behind.
        let known = self.store.identity().find_organization_by_short_name(&draft.short_name).await?;
        if known.is_some() {
            return Err(Error::Taken(crate::domain::Field::ShortName));
        }
        let now = self.clock.now();
        let organization = Organization {
            id: OrganizationId::new(self.entropy.id(now)),
            short_name: draft.short_name,
            name: draft.name,
            created: now,
        };
        let owner = draft.owner_email.map(|email| self.new_owner(caller, email)).transpose()?;
        let event = self.event(caller, EventKind::OrganizationCreated, ("organization", organization.id.to_string()));
        let stored = owner.as_ref().map(|(_, stored)| stored);
        self.store.insert_organization(&organization, stored, &event).await?;
        Ok((organization, owner.map(|(owner, _)| owner)))
    }

    fn new_owner(&self, caller: &Caller, email: String) -> Result<(NewOwner, Owner), Error> {
        let now = self.clock.now();
        let password = self.new_password();
        let attributes = json!({
            "userName": email, "displayName": "Owner",
            "emails": [{"value": email, "type": "work", "primary": true}],
        });
        let attributes = attributes.as_object().cloned().unwrap_or_default();
        let draft = UserDraft::new(Resource::from_stored(attributes))?;
        let account = AccountId::new(self.entropy.id(now));
        let user = User {
            account: Some(account),
            ..User::create(UserId::new(self.entropy.id(now)), draft, self.writer(caller))
        };
        let password_hash = password::hash(password.expose_secret(), self.entropy.bytes())?;
        Ok((NewOwner { email: email.clone(), password }, Owner { account, email, password_hash, user }))
    }

    /// Five groups of four letters and digits: more than 95 bits, and can be typed.
    fn new_password(&self) -> SecretString {
        const SYMBOLS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz23456789-";
        let symbol = |byte: &u8| char::from(SYMBOLS[usize::from(*byte) % (SYMBOLS.len() - 1)]);
        let groups: Vec<String> =
            self.entropy.bytes::<20>().chunks(4).map(|group| group.iter().map(symbol).collect()).collect();
        SecretString::from(groups.join("-"))
    }

    /// Gives the account with this address a new generated password, which is shown only now.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] for everyone but the operator.
    pub async fn reset_owner_password(&self, caller: &Caller, email: &str) -> Result<SecretString, Error> {
        caller.require_operator(Permission::OrgManagement)?;
        let password = self.new_password();
        let hash = password::hash(password.expose_secret(), self.entropy.bytes())?;
        self.store.identity().set_password(email, &hash, self.clock.now()).await?;
        Ok(password)
    }

    /// Every organization, oldest first.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] for everyone but the operator.
    pub async fn list_organizations(&self, caller: &Caller) -> Result<Vec<Organization>, Error> {
        caller.require_operator(Permission::OrgManagement)?;
        Ok(self.store.identity().list_organizations().await?)
    }

    /// Whether directories took away the last owner of an organization and nobody has claimed it since.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] for everyone but the operator.
    pub async fn is_ownerless(&self, caller: &Caller, id: OrganizationId) -> Result<bool, Error> {
        caller.require_operator(Permission::OrgManagement)?;
        Ok(self.store.organization(id).await?.is_ownerless().await?)
    }

    /// Brings the database of an organization up to date.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] for everyone but the operator.
    pub async fn open_organization(&self, caller: &Caller, id: OrganizationId) -> Result<(), Error> {
        caller.require_operator(Permission::OrgManagement)?;
        self.store.organization(id).await?;
        Ok(())
    }

    /// The organization with this short name.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] for everyone but the operator; [`Error::NotFound`].
    pub async fn get_organization(&self, caller: &Caller, short_name: &str) -> Result<Organization, Error> {
        caller.require_operator(Permission::OrgManagement)?;
        let found = self.store.identity().find_organization_by_short_name(short_name).await?;
        found.ok_or(Error::NotFound(Noun::Organization))
    }
}
