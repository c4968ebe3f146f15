//! What resolvers can reach in one request: the service, the caller, and what was read already.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use async_graphql::Context;
use async_graphql::dataloader::{DataLoader, HashMapCache, Loader};
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};

use super::failure::Failure;
use super::logins::Session;
use super::organizations::{Permission, Role, RoleGrant};
use crate::domain::account::{Account, EmailAddress, PasswordState};
use crate::domain::login::Login;
use crate::domain::organization::Organization;
use crate::domain::trusted_device::TrustedDevice;
use crate::domain::user::User;
use crate::domain::{self, AccountId, Caller, Error, OrganizationId, UserId, role};
use crate::service::{MfaState, NewSession, Service};

/// One request: loaders live and die with it, so that no two callers share what they may see.
pub(super) struct Asked {
    service: Arc<Service>,
    viewer: Viewer,
    bearer: Option<SecretString>,
    /// The access token that what was done replaced the bearer with.
    renewed: Mutex<Option<SecretString>>,
    pub(super) public_url: String,
    qr_code: Mutex<Option<String>>,
}

/// Whoever asks, and what was read for them; after a mutation, as it is then.
struct Viewer {
    caller: Arc<Caller>,
    reads: DataLoader<Reads, HashMapCache>,
    next: OnceLock<Box<Viewer>>,
}

impl Viewer {
    fn new(service: &Arc<Service>, caller: Caller) -> Self {
        let caller = Arc::new(caller);
        let reads = Reads { service: service.clone(), caller: caller.clone() };
        let reads = DataLoader::with_cache(reads, tokio::spawn, HashMapCache::default()).delay(Duration::ZERO);
        Self { caller, reads, next: OnceLock::new() }
    }

    fn latest(&self) -> &Self {
        let mut latest = self;
        while let Some(next) = latest.next.get() {
            latest = next;
        }
        latest
    }
}

impl Asked {
    pub(super) fn new(service: Arc<Service>, caller: Caller, bearer: Option<SecretString>, public_url: String) -> Self {
        let viewer = Viewer::new(&service, caller);
        Self { service, viewer, bearer, renewed: Mutex::new(None), public_url, qr_code: Mutex::new(None) }
    }

    fn viewer(&self) -> &Viewer {
        self.viewer.latest()
    }

    /// The session that what was done ended with. A request that came without a credential goes on as whom it signed in;
    /// one that came with a token of this person goes on with the token that replaced it.
    pub(super) fn session(&self, session: NewSession) -> Session {
        let is_same = match self.viewer().caller.as_person() {
            Some(person) => person.account.id == session.login.account,
            None => self.bearer.is_none(),
        };
        if let Ok(mut renewed) = self.renewed.lock()
            && is_same
        {
            *renewed = Some(SecretString::from(session.access_token.to_string()));
        }
        Session(session)
    }

    /// Something was done: what is read from here on is what it left behind. Whoever may not go on sees what they saw.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the store does not answer.
    pub(super) async fn renew(&self) -> Result<(), Error> {
        let renewed = self.renewed.lock().ok().and_then(|renewed| renewed.clone());
        let Some(token) = renewed.as_ref().or(self.bearer.as_ref()) else { return Ok(()) };
        let latest = self.viewer();
        let origin = latest.caller.origin().clone();
        let caller = self.service.sign_in_with_token(token.expose_secret(), origin).await?;
        if caller.as_person().is_some() {
            // Mutations run one after the other: nobody else sets it.
            drop(latest.next.set(Box::new(Viewer::new(&self.service, caller))));
        }
        Ok(())
    }

    /// The credential that was sent, whatever it is good for.
    pub(super) fn bearer(&self) -> Option<&str> {
        self.bearer.as_ref().map(ExposeSecret::expose_secret)
    }

    /// The answer is to carry this QR code beside its data: the schema has no place for it.
    pub(super) fn show_qr_code(&self, svg: &str) {
        if let Ok(mut shown) = self.qr_code.lock() {
            *shown = Some(svg.to_owned());
        }
    }

    /// The QR code the answer is to carry.
    pub(super) fn take_qr_code(&self) -> Option<String> {
        self.qr_code.lock().ok().and_then(|mut shown| shown.take())
    }
}

/// Roles in force, as lists of the schema.
pub(super) struct Grants {
    pub(super) grants: Vec<role::RoleGrant>,
    pub(super) since: DateTime<Utc>,
}

impl Grants {
    /// Each role once.
    pub(super) fn roles(&self) -> Vec<Role> {
        let mut roles: Vec<Role> = Vec::new();
        for grant in &self.grants {
            if !roles.iter().any(|known| known.role.id == grant.role.id) {
                roles.push(Role { role: grant.role.clone(), since: self.since });
            }
        }
        roles
    }

    /// Where each comes from.
    pub(super) fn listed(&self) -> Vec<RoleGrant> {
        self.grants.iter().map(|grant| RoleGrant { grant: grant.clone(), since: self.since }).collect()
    }

    /// All their permissions.
    pub(super) fn permissions(&self) -> Vec<Permission> {
        role::permissions_of(&self.grants).into_iter().map(Permission).collect()
    }
}

/// What somebody's account says about them.
pub(super) type AccountState = (Account, Option<PasswordState>, MfaState);

/// The request, as every resolver reaches it.
pub(super) trait Asking {
    /// The request.
    fn asking(&self) -> &Asked;

    /// The verbs.
    fn service(&self) -> &Arc<Service> {
        &self.asking().service
    }

    /// Who asks.
    fn caller(&self) -> &Caller {
        &self.asking().viewer().caller
    }

    /// Whether this is the caller.
    fn is_me(&self, user: &User) -> bool {
        self.caller().as_person().is_some_and(|person| person.user.id == user.id)
    }

    /// Whether the caller may read this of a user: oneself, or with the permission.
    fn may_read(&self, user: &User, right: domain::Permission) -> Result<(), Failure> {
        if self.is_me(user) {
            return Ok(());
        }
        self.caller().require(right).map(drop).map_err(Failure::from)
    }

    /// An organization the caller belongs to.
    async fn organization(&self, id: OrganizationId) -> Result<Option<Organization>, Failure> {
        self.asking().viewer().reads.load_one(id).await
    }

    /// A user of this organization whom the caller may read.
    async fn user(&self, id: UserId) -> Result<Option<User>, Failure> {
        self.asking().viewer().reads.load_one(id).await
    }

    /// Logins of an account, as far as the caller may see them.
    async fn logins_of(&self, account: AccountId) -> Result<Option<Vec<Login>>, Failure> {
        self.asking().viewer().reads.load_one(LoginsOf(account)).await
    }

    /// Active trusted devices of an account, as far as the caller may see them.
    async fn devices_of(&self, account: AccountId) -> Result<Option<Vec<TrustedDevice>>, Failure> {
        self.asking().viewer().reads.load_one(DevicesOf(account)).await
    }

    /// Addresses of an account, as far as the caller may see them.
    async fn emails_of(&self, account: AccountId) -> Result<Option<Vec<EmailAddress>>, Failure> {
        self.asking().viewer().reads.load_one(EmailsOf(account)).await
    }

    /// The account behind a user.
    async fn account_of(&self, user: &User) -> Result<Option<AccountState>, Failure> {
        match user.account {
            Some(account) => self.asking().viewer().reads.load_one(AccountOf(account)).await,
            None => Ok(None),
        }
    }

    /// The roles of a user.
    async fn grants_of(&self, user: &User) -> Result<Grants, Failure> {
        let person = self.caller().require_signed_in()?;
        let since = person.organization.created;
        if self.is_me(user) {
            return Ok(Grants { grants: person.grants.clone(), since });
        }
        Ok(Grants { grants: self.service().list_grants_of(self.caller(), user.id).await?, since })
    }
}

impl Asking for Context<'_> {
    fn asking(&self) -> &Asked {
        self.data_unchecked::<Arc<Asked>>()
    }
}

/// Reads for one caller.
struct Reads {
    service: Arc<Service>,
    caller: Arc<Caller>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct LoginsOf(AccountId);
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct DevicesOf(AccountId);
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct EmailsOf(AccountId);
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct AccountOf(AccountId);

impl Loader<OrganizationId> for Reads {
    type Value = Organization;
    type Error = Failure;

    async fn load(&self, ids: &[OrganizationId]) -> Result<HashMap<OrganizationId, Organization>, Failure> {
        let person = self.caller.require_signed_in()?;
        if ids == [person.organization.id] {
            return Ok(HashMap::from([(person.organization.id, person.organization.clone())]));
        }
        let joined = self.service.list_my_memberships(&self.caller).await?;
        let wanted = joined.into_iter().filter(|joined| ids.contains(&joined.organization.id));
        Ok(wanted.map(|joined| (joined.organization.id, joined.organization)).collect())
    }
}

impl Loader<UserId> for Reads {
    type Value = User;
    type Error = Failure;

    async fn load(&self, ids: &[UserId]) -> Result<HashMap<UserId, User>, Failure> {
        Ok(self.service.find_readable_users(&self.caller, ids).await?)
    }
}

impl Loader<LoginsOf> for Reads {
    type Value = Vec<Login>;
    type Error = Failure;

    async fn load(&self, of: &[LoginsOf]) -> Result<HashMap<LoginsOf, Vec<Login>>, Failure> {
        let mut found = HashMap::new();
        for key in of {
            found.insert(*key, self.service.list_logins_by_account(&self.caller, key.0).await?);
        }
        Ok(found)
    }
}

impl Loader<DevicesOf> for Reads {
    type Value = Vec<TrustedDevice>;
    type Error = Failure;

    async fn load(&self, of: &[DevicesOf]) -> Result<HashMap<DevicesOf, Vec<TrustedDevice>>, Failure> {
        let mut found = HashMap::new();
        for key in of {
            found.insert(*key, self.service.list_devices_by_account(&self.caller, key.0).await?);
        }
        Ok(found)
    }
}

impl Loader<EmailsOf> for Reads {
    type Value = Vec<EmailAddress>;
    type Error = Failure;

    async fn load(&self, of: &[EmailsOf]) -> Result<HashMap<EmailsOf, Vec<EmailAddress>>, Failure> {
        let mut found = HashMap::new();
        for key in of {
            found.insert(*key, self.service.list_emails_by_account(&self.caller, key.0).await?);
        }
        Ok(found)
    }
}

impl Loader<AccountOf> for Reads {
    type Value = AccountState;
    type Error = Failure;

    async fn load(&self, of: &[AccountOf]) -> Result<HashMap<AccountOf, AccountState>, Failure> {
        let mut found = HashMap::new();
        for key in of {
            if let Some(state) = self.service.get_account_of(&self.caller, key.0).await? {
                found.insert(*key, state);
            }
        }
        Ok(found)
    }
}
