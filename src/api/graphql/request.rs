//! What resolvers can reach in one request: the service, the caller, and what was read already.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_graphql::Context;
use async_graphql::dataloader::{DataLoader, HashMapCache, Loader};
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};
use tokio::task::JoinSet;
use tracing::Instrument as _;
use uuid::Uuid;

use super::budget::Budget;
use super::failure::Failure;
use super::logins::Session;
use super::organizations::{Permission, Role, RoleGrant};
use super::weight::Weight;
use crate::domain::account::{EmailAddress, Membership};
use crate::domain::connection::ExternalIdentity;
use crate::domain::directory::Directory;
use crate::domain::group::{Belonging, Group, GroupRole, MemberKind, MemberSource};
use crate::domain::login::Login;
use crate::domain::organization::Organization;
use crate::domain::service_account::ServiceAccount;
use crate::domain::trusted_device::TrustedDevice;
use crate::domain::user::User;
use crate::domain::{
    self, AccountId, AuditEventId, Caller, DirectoryId, Error, GroupId, OrganizationId, RoleId, ServiceAccountId,
    UserId, role,
};
use crate::service::{AccountState, MembershipElsewhere, NewSession, ProvisioningChanges, ReadableMember, Service};
use crate::telemetry::TRACE;

/// Keys of one load: what a load brings is charged before the next one begins.
const BATCH: usize = 200;

/// One request: loaders live and die with it, so that no two callers share what they may see.
pub(super) struct Asked {
    service: Arc<Service>,
    budget: Arc<Budget>,
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
    fn new(service: &Arc<Service>, budget: &Arc<Budget>, caller: Caller) -> Self {
        let caller = Arc::new(caller);
        let reads = Reads { service: service.clone(), budget: budget.clone(), caller: caller.clone() };
        // Loads end with the request: a set of tasks that is dropped aborts them.
        let running = Mutex::new(JoinSet::new());
        let spawn = move |load: BoxFuture<'static, ()>| {
            let mut running = running.lock().unwrap_or_else(PoisonError::into_inner);
            while running.try_join_next().is_some() {}
            // A trace goes on in the task that loads.
            running.spawn(load.instrument(tracing::info_span!(target: TRACE, "graphql.load")));
        };
        let reads = DataLoader::with_cache(reads, spawn, HashMapCache::default());
        Self { caller, reads: reads.delay(Duration::ZERO).max_batch_size(BATCH), next: OnceLock::new() }
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
    pub(super) fn new(
        service: Arc<Service>,
        budget: Budget,
        caller: Caller,
        bearer: Option<SecretString>,
        public_url: String,
    ) -> Self {
        let budget = Arc::new(budget);
        let viewer = Viewer::new(&service, &budget, caller);
        Self { service, budget, viewer, bearer, renewed: Mutex::new(None), public_url, qr_code: Mutex::new(None) }
    }

    /// The caller as the request came.
    pub(super) fn asker(&self) -> &Caller {
        &self.viewer.caller
    }

    /// The budget of the operation.
    pub(super) fn budget(&self) -> &Budget {
        &self.budget
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
        if caller.as_member().is_some() {
            // Mutations run one after the other: nobody else sets it.
            drop(latest.next.set(Box::new(Viewer::new(&self.service, &self.budget, caller))));
        }
        Ok(())
    }

    /// Something the caller may read, together with all else of its kind that is asked for at the same time.
    async fn read<K>(&self, key: K) -> Result<Option<<Reads as Loader<K>>::Value>, Failure>
    where
        K: Send + Sync + Hash + Eq + Clone + 'static,
        Reads: Loader<K, Error = Failure>,
    {
        self.viewer().reads.load_one(key).await
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

/// A group that somebody belongs to, and as what.
#[derive(Clone)]
pub(super) struct Belongs {
    pub(super) group: Group,
    pub(super) role: GroupRole,
    pub(super) scoped_role: Option<String>,
    pub(super) source: Option<MemberSource>,
    pub(super) added: Option<DateTime<Utc>>,
}

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
        self.asking().read(id).await
    }

    /// A user of this organization whom the caller may read.
    async fn user(&self, id: UserId) -> Result<Option<User>, Failure> {
        self.asking().read(id).await
    }

    /// A group that the caller may read.
    async fn group(&self, id: GroupId) -> Result<Option<Group>, Failure> {
        self.asking().read(id).await
    }

    /// A service account that the caller may read.
    async fn program(&self, id: ServiceAccountId) -> Result<Option<ServiceAccount>, Failure> {
        self.asking().read(id).await
    }

    /// A directory of this organization.
    async fn directory(&self, id: DirectoryId) -> Result<Option<Directory>, Failure> {
        self.asking().read(id).await
    }

    /// What stands for a user whose data is destroyed.
    async fn anonymized_user(&self, id: UserId) -> Result<Option<User>, Failure> {
        self.asking().read(AnonymizedUser(id)).await
    }

    /// Logins of an account, as far as the caller may see them.
    async fn logins_of(&self, account: AccountId) -> Result<Option<Vec<Login>>, Failure> {
        self.asking().read(LoginsOf(account)).await
    }

    /// Active trusted devices of an account, as far as the caller may see them.
    async fn devices_of(&self, account: AccountId) -> Result<Option<Vec<TrustedDevice>>, Failure> {
        self.asking().read(DevicesOf(account)).await
    }

    /// Addresses of an account, as far as the caller may see them.
    async fn emails_of(&self, account: AccountId) -> Result<Option<Vec<EmailAddress>>, Failure> {
        self.asking().read(EmailsOf(account)).await
    }

    /// The account behind a user.
    async fn account_of(&self, user: &User) -> Result<Option<AccountState>, Failure> {
        match user.account {
            Some(account) => self.asking().read(AccountOf(account)).await,
            None => Ok(None),
        }
    }

    /// Until when sign-in of an account is shut, if it is.
    async fn lock_of(&self, account: AccountId) -> Result<Option<DateTime<Utc>>, Failure> {
        self.asking().read(LockOf(account)).await
    }

    /// How the person behind an account belongs to this organization.
    async fn membership_of(&self, account: AccountId) -> Result<Option<Membership>, Failure> {
        self.asking().read(MembershipOf(account)).await
    }

    /// Memberships of the person behind an account in other organizations, as far as the caller may know.
    async fn memberships_elsewhere(&self, account: AccountId) -> Result<Vec<MembershipElsewhere>, Failure> {
        Ok(self.asking().read(ElsewhereOf(account)).await?.unwrap_or_default())
    }

    /// A person's accounts at login providers of this organization.
    async fn identities_of(&self, account: AccountId) -> Result<Vec<ExternalIdentity>, Failure> {
        Ok(self.asking().read(IdentitiesOf(account)).await?.unwrap_or_default())
    }

    /// The roles of a user.
    async fn grants_of(&self, user: &User) -> Result<Grants, Failure> {
        let member = self.caller().require_known()?;
        let since = member.organization().stamps.created;
        if self.is_me(user) {
            return Ok(Grants { grants: member.grants().to_vec(), since });
        }
        Ok(Grants { grants: self.asking().read(GrantsOf(user.id)).await?.unwrap_or_default(), since })
    }

    /// Roles by key, in this order; those that are gone are left out.
    async fn roles_named(&self, keys: &[String]) -> Result<Vec<Role>, Failure> {
        let since = self.caller().require_known()?.organization().stamps.created;
        let named = keys.iter().map(|key| RoleNamed(key.clone()));
        let mut found = self.asking().viewer().reads.load_many(named).await?;
        let role = |key: &String| found.remove(&RoleNamed(key.clone())).map(|role| Role { role, since });
        Ok(keys.iter().filter_map(role).collect())
    }

    /// A role of this organization.
    async fn role(&self, id: RoleId) -> Result<Option<role::Role>, Failure> {
        self.asking().read(RoleIs(id)).await
    }

    /// The changes of a directory's request; none where it changed nothing.
    async fn changes_by(&self, event: Option<AuditEventId>) -> Result<ProvisioningChanges, Failure> {
        self.caller().require(domain::Permission::AuditRead)?;
        match event {
            Some(event) => Ok(self.asking().read(ChangesBy(event)).await?.unwrap_or_default()),
            None => Ok(ProvisioningChanges::default()),
        }
    }

    /// The roles that everybody in a group holds through it.
    async fn roles_of_group(&self, group: GroupId) -> Result<Vec<role::Role>, Failure> {
        let grants: Option<Vec<role::RoleGrant>> = self.asking().read(GrantsOfGroup(group)).await?;
        let mut roles: Vec<role::Role> = Vec::new();
        for grant in grants.unwrap_or_default() {
            if !roles.iter().any(|known| known.id == grant.role.id) {
                roles.push(grant.role);
            }
        }
        Ok(roles)
    }

    /// The groups that a user or service account belongs to.
    async fn belongings_of(&self, member: Uuid) -> Result<Vec<Belongs>, Failure> {
        Ok(self.asking().read(BelongingsOf(member)).await?.unwrap_or_default())
    }

    /// How many direct members a group has.
    async fn member_count(&self, group: GroupId) -> Result<usize, Failure> {
        self.asking().read(MemberCount(group)).await?.ok_or_else(not_theirs)
    }

    /// Who is in a group.
    async fn belongings_in(&self, group: GroupId) -> Result<Vec<Belonging>, Failure> {
        self.asking().read(BelongingsIn(group)).await?.ok_or_else(not_theirs)
    }

    /// Members of a group, by id.
    async fn members(
        &self,
        group: GroupId,
        members: &[(MemberKind, Uuid)],
    ) -> Result<HashMap<Uuid, ReadableMember>, Failure> {
        let keys = members.iter().map(|(kind, id)| MemberOf(group, *kind, *id));
        let found = self.asking().viewer().reads.load_many(keys).await?;
        Ok(found.into_iter().map(|(MemberOf(_, _, id), member)| (id, member)).collect())
    }
}

/// A group the caller may not look into.
fn not_theirs() -> Failure {
    Error::Forbidden(domain::Permission::GroupsRead).into()
}

impl Asking for Context<'_> {
    fn asking(&self) -> &Asked {
        self.data_unchecked::<Arc<Asked>>()
    }
}

/// Reads for one caller, within the budget of the operation.
pub(super) struct Reads {
    service: Arc<Service>,
    budget: Arc<Budget>,
    caller: Arc<Caller>,
}

impl Reads {
    /// Loads something in its turn, and charges it.
    async fn charged<K, V: Weight>(
        &self,
        load: impl Future<Output = Result<HashMap<K, V>, Failure>> + Send,
    ) -> Result<HashMap<K, V>, Failure> {
        let _turn = self.budget.take_turn().await?;
        let found = load.await?;
        self.budget.charge_loaded(found.values().map(Weight::weight).sum())?;
        Ok(found)
    }
}

/// What is read of somebody or something else, by their id.
macro_rules! keys {
    ($($(#[$doc:meta])* $key:ident($($of:ty),+);)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash)]
        pub(super) struct $key($($of),+);
    )*};
}

keys! {
    /// Logins.
    LoginsOf(AccountId);
    /// Active trusted devices.
    DevicesOf(AccountId);
    /// Addresses.
    EmailsOf(AccountId);
    /// A role, by id.
    RoleIs(RoleId);
    /// The changes of a directory's request.
    ChangesBy(AuditEventId);
    /// What the account says.
    AccountOf(AccountId);
    /// Until when sign-in is shut.
    LockOf(AccountId);
    /// How the person belongs here.
    MembershipOf(AccountId);
    /// How the person belongs to other organizations.
    ElsewhereOf(AccountId);
    /// Accounts at providers.
    IdentitiesOf(AccountId);
    /// Why a user holds which roles.
    GrantsOf(UserId);
    /// What a group gives.
    GrantsOfGroup(GroupId);
    /// A role, by key.
    RoleNamed(String);
    /// What stands for a user whose data is destroyed.
    AnonymizedUser(UserId);
    /// Groups of a user or service account.
    BelongingsOf(Uuid);
    /// Members of a group.
    BelongingsIn(GroupId);
    /// How many those are.
    MemberCount(GroupId);
    /// One of them.
    MemberOf(GroupId, MemberKind, Uuid);
}

impl Loader<OrganizationId> for Reads {
    type Value = Organization;
    type Error = Failure;

    async fn load(&self, ids: &[OrganizationId]) -> Result<HashMap<OrganizationId, Organization>, Failure> {
        let here = self.caller.require_known()?.organization();
        if ids == [here.id] || self.caller.as_person().is_none() {
            return Ok(HashMap::from([(here.id, here.clone())]));
        }
        let joined = self.service.list_my_memberships(&self.caller).await?;
        let wanted = joined.into_iter().filter(|joined| ids.contains(&joined.organization.id));
        Ok(wanted.map(|joined| (joined.organization.id, joined.organization)).collect())
    }
}

/// Reads that a method of the service answers for many ids at once.
macro_rules! load {
    ($($key:ident => $value:ty, $method:ident;)*) => {$(
        impl Loader<$key> for Reads {
            type Value = $value;
            type Error = Failure;

            async fn load(&self, ids: &[$key]) -> Result<HashMap<$key, $value>, Failure> {
                let load = async { self.service.$method(&self.caller, ids).await.map_err(Failure::from) };
                self.charged(load).await
            }
        }
    )*};
    (of $($key:ident => $value:ty, $method:ident;)*) => {$(
        impl Loader<$key> for Reads {
            type Value = $value;
            type Error = Failure;

            async fn load(&self, of: &[$key]) -> Result<HashMap<$key, $value>, Failure> {
                let ids: Vec<_> = of.iter().map(|key| key.0.clone()).collect();
                let load = async { self.service.$method(&self.caller, &ids).await.map_err(Failure::from) };
                let found = self.charged(load).await?;
                Ok(found.into_iter().map(|(id, value)| ($key(id), value)).collect())
            }
        }
    )*};
}

load! {
    UserId => User, find_readable_users;
    GroupId => Group, find_readable_groups;
    ServiceAccountId => ServiceAccount, find_readable_programs;
    DirectoryId => Directory, find_directories;
}

load! { of
    AnonymizedUser => User, find_anonymized_users;
    LoginsOf => Vec<Login>, list_logins_by_account;
    DevicesOf => Vec<TrustedDevice>, list_devices_by_account;
    EmailsOf => Vec<EmailAddress>, list_emails_by_account;
    AccountOf => AccountState, find_account_states;
    LockOf => DateTime<Utc>, find_locks;
    MembershipOf => Membership, find_memberships;
    ElsewhereOf => Vec<MembershipElsewhere>, list_memberships_elsewhere;
    IdentitiesOf => Vec<ExternalIdentity>, list_identities;
    ChangesBy => ProvisioningChanges, list_provisioning_changes;
    GrantsOf => Vec<role::RoleGrant>, list_grants_of_users;
    GrantsOfGroup => Vec<role::RoleGrant>, list_grants_of_groups;
    RoleNamed => role::Role, find_roles;
    BelongingsIn => Vec<Belonging>, list_members;
    MemberCount => usize, count_members;
}

impl Loader<RoleIs> for Reads {
    type Value = role::Role;
    type Error = Failure;

    async fn load(&self, of: &[RoleIs]) -> Result<HashMap<RoleIs, role::Role>, Failure> {
        let load = async {
            let all = self.service.list_roles(&self.caller).await.map_err(Failure::from)?;
            Ok(all.into_iter().map(|role| (RoleIs(role.id), role)).collect::<HashMap<_, _>>())
        };
        let mut found = self.charged(load).await?;
        found.retain(|key, _| of.contains(key));
        Ok(found)
    }
}

impl Loader<BelongingsOf> for Reads {
    type Value = Vec<Belongs>;
    type Error = Failure;

    async fn load(&self, of: &[BelongingsOf]) -> Result<HashMap<BelongingsOf, Vec<Belongs>>, Failure> {
        let members: Vec<Uuid> = of.iter().map(|key| key.0).collect();
        self.charged(async {
            let mut found: HashMap<BelongingsOf, Vec<Belongs>> = HashMap::new();
            let listed = self.service.list_belongings(&self.caller, &members).await.map_err(Failure::from)?;
            for (one, group) in listed {
                let Belonging { member, role, scoped_role, source, added, .. } = one;
                found.entry(BelongingsOf(member)).or_default().push(Belongs {
                    group,
                    role,
                    scoped_role,
                    source,
                    added,
                });
            }
            Ok(found)
        })
        .await
    }
}

impl Loader<MemberOf> for Reads {
    type Value = ReadableMember;
    type Error = Failure;

    async fn load(&self, of: &[MemberOf]) -> Result<HashMap<MemberOf, ReadableMember>, Failure> {
        let wanted: Vec<_> = of.iter().map(|MemberOf(group, kind, id)| (*group, *kind, *id)).collect();
        let load = async { self.service.find_members(&self.caller, &wanted).await.map_err(Failure::from) };
        let found = self.charged(load).await?;
        Ok(of.iter().filter_map(|key| found.get(&key.2).map(|member| (key.clone(), member.clone()))).collect())
    }
}
