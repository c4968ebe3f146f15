//! Organizations.

use scim::Resource;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::domain::account::{Account, EmailAddress, EmailSource, PasswordRecord, Settings};
use crate::domain::audit::{AuditEvent, EventKind, FieldChange};
use crate::domain::email::{Email, lookup_key};
use crate::domain::organization::{Organization, OrganizationDraft, check_name, check_short_name};
use crate::domain::password::Password;
use crate::domain::user::{User, UserDraft};
use crate::domain::{
    AccountId, Caller, Code, EmailId, Error, Noun, OrganizationId, Permission, Refusal, Stamps, UserId,
};
use crate::store::{LoginEnd, Owner, PasswordSet};

use super::Service;
use super::attempts::Attempts;
use super::hashing::Payer;
use super::passwords::{home_of, users_of};
use super::references::check_version;

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
        self.make_organization(caller, draft).await
    }

    /// Makes an organization and, if an address is given, its first owner, for the operator or for root.
    pub(super) async fn make_organization(
        &self,
        caller: &Caller,
        draft: OrganizationDraft,
    ) -> Result<(Organization, Option<NewOwner>), Error> {
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
            stamps: Stamps::new(self.writer(caller)),
        };
        let owner = match draft.owner_email {
            Some(email) => Some(self.new_owner(caller, organization.id, &Email::parse(&email)?).await?),
            None => None,
        };
        let event = self.event(caller, EventKind::OrganizationCreated, ("organization", organization.id.to_string()));
        let stored = owner.as_ref().map(|(_, stored)| stored);
        self.use_up_root(caller).await?;
        self.store.insert_organization(&organization, stored, &event).await?;
        Ok((organization, owner.map(|(owner, _)| owner)))
    }

    /// An owner with an account of its own, whose address counts as verified: the operator vouches for it.
    pub(super) async fn new_owner(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        email: &Email,
    ) -> Result<(NewOwner, Owner), Error> {
        let now = self.clock.now();
        let password = self.new_password();
        let account = Account {
            id: AccountId::new(self.entropy.id(now)),
            managed_by: Some(organization),
            confined_to: None,
            superuser: false,
            onboarded: false,
            last_organization: Some(organization),
            settings: Settings::default(),
            credentials_version: 0,
        };
        let address = EmailAddress {
            is_primary: true,
            verified: Some(now),
            ..EmailAddress::create(EmailId::new(self.entropy.id(now)), account.id, email, EmailSource::Admin, now)
        };
        let user = self.owner_user(caller, email, account.id)?;
        let plain = Password::read(password.expose_secret(), "password")?;
        let password_hash = self.hashing.hash(&Payer::Nobody, plain, self.entropy.bytes()).await?;
        Ok((
            NewOwner { email: email.as_str().to_owned(), password },
            Owner { account, email: address, password_hash, user },
        ))
    }

    /// The user that an owner's account is in the organization.
    pub(super) fn owner_user(&self, caller: &Caller, email: &Email, account: AccountId) -> Result<User, Error> {
        let attributes = json!({
            "userName": email.as_str(), "displayName": "Owner",
            "emails": [{"value": email.as_str(), "type": "work", "primary": true}],
        });
        let attributes = attributes.as_object().cloned().unwrap_or_default();
        let draft = UserDraft::new(Resource::from_stored(attributes))?;
        let user = User::create(UserId::new(self.entropy.id(self.clock.now())), draft, self.writer(caller));
        Ok(User { account: Some(account), salt: self.new_salt(), ..user })
    }

    /// Five groups of four letters and digits: more than 95 bits, and can be typed.
    pub(super) fn new_password(&self) -> SecretString {
        const SYMBOLS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz23456789-";
        let symbol = |byte: &u8| char::from(SYMBOLS[usize::from(*byte) % (SYMBOLS.len() - 1)]);
        let groups: Vec<String> =
            self.entropy.bytes::<20>().chunks(4).map(|group| group.iter().map(symbol).collect()).collect();
        SecretString::from(groups.join("-"))
    }

    /// Gives the account with this address a new generated password, which is shown only now. Its logins end.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] for everyone but the operator; [`Error::NotFound`].
    pub async fn reset_owner_password(&self, caller: &Caller, email: &str) -> Result<SecretString, Error> {
        caller.require_operator(Permission::OrgManagement)?;
        let found = self.store.identity().find_verified_email(&lookup_key(email)).await?;
        let account = found.ok_or(Error::NotFound(Noun::Account))?.account;
        let credentials = self.credentials(account).await?;
        let password = self.new_password();
        let plain = Password::read(password.expose_secret(), "password")?;
        let record = PasswordRecord::chosen(
            self.hashing.hash(&Payer::Nobody, plain, self.entropy.bytes()).await?,
            self.clock.now(),
        );
        let (home, target) = home_of(&credentials);
        let event = self.event(caller, EventKind::PasswordReset, target);
        let ending = LoginEnd::OfAccount(account, None);
        let set = PasswordSet {
            home,
            account: &credentials.account.confined(None),
            password: &record,
            link: None,
            ending: Some(&ending),
            tokens: None,
            ending_tokens_of: &users_of(&credentials),
            mails: &[],
        };
        self.store.set_password(&set, &event).await?;
        self.forget_failures(account).await;
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

    /// Changes the names of the current organization (S1-02).
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::OrgManagement`]; [`Error::Taken`]; [`Error::Refused`] with
    /// `VALIDATION_FAILED`, `VERSION_CONFLICT`.
    pub async fn update_organization(
        &self,
        caller: &Caller,
        name: Option<&str>,
        short_name: Option<&str>,
        if_version: Option<i64>,
    ) -> Result<Organization, Error> {
        let id = caller.require(Permission::OrgManagement)?;
        if let Some(name) = name {
            check_name(name)
                .map_err(|reason| Refusal::new(Code::ValidationFailed, reason).at("name").with("max", 100))?;
        }
        if let Some(short_name) = short_name {
            check_short_name(short_name)?;
        }
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            let before = self.organization(id).await?;
            check_version(before.stamps.version, if_version)?;
            let mut after = before.clone();
            after.name = name.map_or(after.name, str::to_owned);
            after.short_name = short_name.map_or(after.short_name, str::to_owned);
            if (&after.name, &after.short_name) == (&before.name, &before.short_name) {
                return Ok(before);
            }
            after.stamps = before.stamps.next(self.writer(caller));
            let mut values = vec![
                FieldChange::new("name", before.name.clone(), after.name.clone()),
                FieldChange::new("shortName", before.short_name.clone(), after.short_name.clone()),
            ];
            values.retain(|change| change.before != change.after);
            let event = AuditEvent {
                values,
                ..self.event(caller, EventKind::OrganizationUpdated, ("organization", id.to_string()))
            };
            match self.store.update_organization(&before, &after, &event).await.map_err(Error::from) {
                Ok(()) => return Ok(after),
                Err(Error::Busy) if attempts.again().await => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Says that a mail domain is an organization's, for whoever holds the machine and has seen the proof.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] for everyone but the operator; [`Error::Refused`] with `VALIDATION_FAILED`, `NAME_TAKEN`.
    pub async fn add_domain(&self, caller: &Caller, id: OrganizationId, domain: &str) -> Result<String, Error> {
        caller.require_operator(Permission::OrgManagement)?;
        let probe = Email::parse(&format!("x@{}", domain.trim())).map_err(|_| {
            Error::from(Refusal::new(Code::ValidationFailed, "not a domain such as example.com").at("domain"))
        })?;
        let name = probe.domain().to_owned();
        let event = AuditEvent {
            values: vec![FieldChange::new("domain", json!(null), name.clone())],
            ..self.event(caller, EventKind::DomainVerified, ("organization", id.to_string()))
        };
        self.store.insert_domain(id, &name, &event).await?;
        Ok(name)
    }

    /// Mail domains that are the organization's own, for its members and for the operator.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`].
    pub async fn list_domains(&self, caller: &Caller, id: OrganizationId) -> Result<Vec<String>, Error> {
        caller.require_operator(Permission::OrgManagement).or_else(|_| caller.require_known().map(drop))?;
        Ok(self.store.identity().list_domains(id).await?)
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
