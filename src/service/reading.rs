//! What a request reads of others, as far as its caller may: always many at once, as many queries for many as for one.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::Service;
use super::lockout::lock_key;
use super::me::MfaState;
use super::references::GroupRef;
use crate::domain::account::{Account, EmailAddress, Membership, PasswordState};
use crate::domain::connection::ExternalIdentity;
use crate::domain::directory::Directory;
use crate::domain::group::{Belonging, Group, GroupRole, MemberKind, MemberSource};
use crate::domain::login::Login;
use crate::domain::role::RoleGrant;
use crate::domain::second_factor::Authenticator;
use crate::domain::service_account::ServiceAccount;
use crate::domain::trusted_device::TrustedDevice;
use crate::domain::user::User;
use crate::domain::{
    AccountId, Caller, DirectoryId, EmailId, Error, GroupId, LoginId, OrganizationId, Permission, ServiceAccountId,
    TrustedDeviceId, UserId,
};
use crate::store::{KnownAccount, OrganizationStore};

/// What somebody's account says about them.
#[derive(Clone, Debug)]
pub struct AccountState {
    /// The account.
    pub account: Account,
    /// What can be said about the password.
    pub password: Option<PasswordState>,
    /// Second factors.
    pub mfa: MfaState,
}

/// What belongs to somebody's sign-in and has an id of its own.
#[derive(Clone, Debug)]
pub enum ReadableSession {
    /// A login that acts in the caller's organization.
    Login(Login),
    /// A device trusted there.
    Device(TrustedDevice),
    /// An address of a user there.
    Email(EmailAddress),
}

/// A member of a group.
#[derive(Clone, Debug)]
pub enum ReadableMember {
    /// A person.
    User(User),
    /// A group in the group.
    Group(Group),
    /// A program.
    ServiceAccount(ServiceAccount),
}

impl Service {
    async fn store_of(&self, caller: &Caller) -> Result<OrganizationStore, Error> {
        Ok(self.store.organization(caller.require_known()?.organization().id).await?)
    }

    /// Users of the caller's organization by id, deprovisioned ones among them: those the caller may read. What is not there is
    /// left out.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`] for nobody.
    pub async fn find_readable_users(&self, caller: &Caller, ids: &[UserId]) -> Result<HashMap<UserId, User>, Error> {
        caller.require_known()?;
        let mut found = HashMap::new();
        let own = caller.as_person().map(|person| &person.user);
        found.extend(own.filter(|own| ids.contains(&own.id)).map(|own| (own.id, own.clone())));
        let others: Vec<UserId> = ids.iter().copied().filter(|id| own.is_none_or(|own| own.id != *id)).collect();
        let store = self.store_of(caller).await?;
        if caller.may(Permission::UserAccessRead) && !others.is_empty() {
            found.extend(store.find_users(&others).await?.into_iter().map(|user| (user.id, user)));
            let missing: Vec<UserId> = others.into_iter().filter(|id| !found.contains_key(id)).collect();
            found.extend(store.find_deprovisioned_users(&missing).await?.into_iter().map(|user| (user.id, user)));
        }
        Ok(found)
    }

    /// What stands for users whose data is destroyed, where past changes name them; those who are there are left out.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`] for nobody.
    pub async fn find_anonymized_users(&self, caller: &Caller, ids: &[UserId]) -> Result<HashMap<UserId, User>, Error> {
        caller.require_known()?;
        if !caller.may(Permission::UserAccessRead) {
            return Ok(HashMap::new());
        }
        let found = self.store_of(caller).await?.find_anonymized(ids).await?;
        Ok(found.into_iter().map(|(id, at)| (id, User::anonymous(id, at))).collect())
    }

    /// The state of the accounts behind these users: one's own, and with [`Permission::UserAccessRead`] those of others.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`] for nobody.
    pub async fn find_account_states(
        &self,
        caller: &Caller,
        accounts: &[AccountId],
    ) -> Result<HashMap<AccountId, AccountState>, Error> {
        let required = caller.require_known()?.policy().mfa_required;
        let state = |(id, known): (AccountId, KnownAccount)| {
            let KnownAccount { account, password, authenticator, recovery_codes } = known;
            let authenticator = authenticator.filter(Authenticator::is_enrolled);
            (id, AccountState { account, password, mfa: MfaState { authenticator, recovery_codes, required } })
        };
        let accounts = readable_accounts(caller, accounts, &[Permission::UserAccessRead]);
        Ok(self.store.identity().find_accounts(&accounts).await?.into_iter().map(state).collect())
    }

    /// Until when sign-in of these accounts is shut, where it is: as [`Service::find_account_states`].
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`] for nobody.
    pub async fn find_locks(
        &self,
        caller: &Caller,
        accounts: &[AccountId],
    ) -> Result<HashMap<AccountId, DateTime<Utc>>, Error> {
        caller.require_known()?;
        let accounts = readable_accounts(caller, accounts, &[Permission::UserAccessRead]);
        let keys: Vec<String> = accounts.iter().map(|account| lock_key(*account)).collect();
        let found = self.store.identity().find_attempts(&keys).await?;
        let now = self.clock.now();
        let shut = accounts.iter().zip(found).map(|(account, attempt)| (*account, attempt.counter.shut_until(now)));
        Ok(shut.filter_map(|(account, until)| until.map(|until| (account, until))).collect())
    }

    /// Addresses of these accounts, primary first: all of them for oneself and with the permission, else the one that
    /// stands for the person.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`] for nobody.
    pub async fn list_emails_by_account(
        &self,
        caller: &Caller,
        accounts: &[AccountId],
    ) -> Result<HashMap<AccountId, Vec<EmailAddress>>, Error> {
        caller.require_known()?;
        let own = caller.as_person().map(|person| person.account.id);
        let all = caller.may(Permission::UserAccessRead);
        let mut found = self.store.identity().list_emails_of(accounts).await?;
        for (account, emails) in &mut found {
            emails.retain(|email| all || own == Some(*account) || email.is_primary);
        }
        Ok(found)
    }

    /// Logins of these accounts, latest use first: one's own, or with the permission those of others that act in the
    /// caller's organization.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] about others without [`Permission::UserSessionsManage`].
    pub async fn list_logins_by_account(
        &self,
        caller: &Caller,
        accounts: &[AccountId],
    ) -> Result<HashMap<AccountId, Vec<Login>>, Error> {
        caller.require_known()?;
        let here = require_sessions_of(caller, accounts)?;
        let own = caller.as_person().map(|person| person.account.id);
        let mut found: HashMap<_, _> = accounts.iter().map(|account| (*account, Vec::new())).collect();
        for login in self.store.identity().list_logins(accounts).await? {
            if own == Some(login.account) || login.organization == here {
                found.entry(login.account).or_default().push(login);
            }
        }
        Ok(found)
    }

    /// Active trusted devices of these accounts, latest use first: as [`Service::list_logins_by_account`].
    ///
    /// # Errors
    ///
    /// As [`Service::list_logins_by_account`].
    pub async fn list_devices_by_account(
        &self,
        caller: &Caller,
        accounts: &[AccountId],
    ) -> Result<HashMap<AccountId, Vec<TrustedDevice>>, Error> {
        caller.require_known()?;
        let here = require_sessions_of(caller, accounts)?;
        let own = caller.as_person().map(|person| person.account.id);
        let now = self.clock.now();
        let mut found: HashMap<_, _> = accounts.iter().map(|account| (*account, Vec::new())).collect();
        for device in self.store.identity().list_devices(accounts).await? {
            if device.is_active(now) && (own == Some(device.account) || device.organization == here) {
                found.entry(device.account).or_default().push(device);
            }
        }
        Ok(found)
    }

    /// A login, a trusted device or an address of somebody else in the caller's organization, by id.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`] for nobody.
    pub async fn find_readable_session(&self, caller: &Caller, id: Uuid) -> Result<Option<ReadableSession>, Error> {
        let here = caller.require_member()?.organization().id;
        let identity = self.store.identity();
        if caller.may(Permission::UserSessionsManage) {
            let login = identity.find_login(LoginId::new(id)).await?;
            if let Some(login) = login.filter(|login| login.organization == here) {
                return Ok(Some(ReadableSession::Login(login)));
            }
            let device = identity.find_device(TrustedDeviceId::new(id)).await?;
            let now = self.clock.now();
            if let Some(device) = device.filter(|device| device.organization == here && device.is_active(now)) {
                return Ok(Some(ReadableSession::Device(device)));
            }
        }
        if caller.may(Permission::UserAccessRead)
            && let Some(email) = identity.find_email(EmailId::new(id)).await?
            && self.store.organization(here).await?.find_user_by_account(email.account).await?.is_some()
        {
            return Ok(Some(ReadableSession::Email(email)));
        }
        Ok(None)
    }

    /// How the people behind these accounts belong to the caller's organization.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::UserAccessRead`].
    pub async fn find_memberships(
        &self,
        caller: &Caller,
        accounts: &[AccountId],
    ) -> Result<HashMap<AccountId, Membership>, Error> {
        let organization = caller.require(Permission::UserAccessRead)?;
        Ok(self.store.identity().find_memberships(organization, accounts).await?)
    }

    /// Why users of the caller's organization hold which roles.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] about others without [`Permission::UserAccessRead`].
    pub async fn list_grants_of_users(
        &self,
        caller: &Caller,
        ids: &[UserId],
    ) -> Result<HashMap<UserId, Vec<RoleGrant>>, Error> {
        caller.require_known()?;
        let store = self.store_of(caller).await?;
        if caller.as_person().is_none_or(|person| ids != [person.user.id]) {
            caller.require(Permission::UserAccessRead)?;
        }
        let users = store.find_users(ids).await?;
        Ok(store.grants_of_users(&users).await?)
    }

    /// The accounts of these people at the providers of the caller's organization: one's own, and with
    /// [`Permission::UserAccessRead`] or [`Permission::UserAccessManage`] those of others.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`] for nobody.
    pub async fn list_identities(
        &self,
        caller: &Caller,
        accounts: &[AccountId],
    ) -> Result<HashMap<AccountId, Vec<ExternalIdentity>>, Error> {
        let here = caller.require_known()?.organization().id;
        // A caller who may change a profile is told which fields a provider keeps.
        let enough = [Permission::UserAccessRead, Permission::UserAccessManage];
        let accounts = readable_accounts(caller, accounts, &enough);
        let mut found: HashMap<AccountId, Vec<ExternalIdentity>> = HashMap::new();
        for identity in self.store.identity().list_external_identities(&accounts).await? {
            if identity.organization == here {
                found.entry(identity.account).or_default().push(identity);
            }
        }
        Ok(found)
    }

    /// Groups by id that the caller may see: with [`Permission::GroupsRead`] any, else those the caller belongs to.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`] for nobody.
    pub async fn find_readable_groups(
        &self,
        caller: &Caller,
        ids: &[GroupId],
    ) -> Result<HashMap<GroupId, Group>, Error> {
        caller.require_known()?;
        let store = self.store_of(caller).await?;
        let wanted = self.groups_within(caller, ids, GroupRole::Member).await?;
        if wanted.is_empty() {
            return Ok(HashMap::new());
        }
        Ok(store.find_groups(&wanted).await?.into_iter().map(|group| (group.id, group)).collect())
    }

    /// The groups of the organization; without [`Permission::GroupsRead`] only those the caller belongs to.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`] for nobody.
    pub async fn list_readable_groups(&self, caller: &Caller) -> Result<Vec<Group>, Error> {
        let member = caller.require_member()?;
        let store = self.store_of(caller).await?;
        if caller.may(Permission::GroupsRead) {
            return Ok(store.list_all_groups().await?);
        }
        let own: Vec<GroupId> = store.belongings_of(&[member.id()]).await?.into_iter().map(|one| one.group).collect();
        Ok(store.find_groups(&own).await?)
    }

    /// One group by id or name: with [`Permission::GroupsRead`], or belonging to it. What may not be read is not there.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `NOT_FOUND`.
    pub async fn read_group(&self, caller: &Caller, reference: &GroupRef) -> Result<Group, Error> {
        caller.require_member()?;
        let store = self.store_of(caller).await?;
        let group = self.find_group_by(&store, reference).await?;
        let mut readable = self.find_readable_groups(caller, &[group.id]).await?;
        readable.remove(&group.id).ok_or_else(|| {
            let refusal = crate::domain::Refusal::new(crate::domain::Code::NotFound, "no such group");
            refusal.at("group").into()
        })
    }

    /// What these members are in which groups, with the groups.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] about others without [`Permission::UserAccessRead`] or [`Permission::GroupsRead`].
    pub async fn list_belongings(&self, caller: &Caller, members: &[Uuid]) -> Result<Vec<(Belonging, Group)>, Error> {
        let own = caller.require_known()?.id();
        let others = members.iter().any(|member| *member != own);
        if others {
            caller.require_any(&[
                Permission::UserAccessRead,
                Permission::GroupsRead,
                Permission::ServiceAccountWrite,
            ])?;
        }
        let store = self.store_of(caller).await?;
        let mut belongings = store.belongings_of(members).await?;
        let around: HashSet<Uuid> = belongings.iter().map(|one| one.group.uuid()).collect();
        let mapped = store.belongings_of(&around.into_iter().collect::<Vec<_>>()).await?;
        let mapped = mapped.iter().filter(|one| one.source == Some(MemberSource::Mapping));
        // Whoever is in a directory's group is in those that a mapping puts it in.
        let joined: Vec<Belonging> = mapped
            .flat_map(|through| {
                let inside = belongings.iter().filter(|one| one.group.uuid() == through.member);
                inside.map(|one| Belonging { member: one.member, kind: one.kind, ..through.clone() })
            })
            .collect();
        for one in joined {
            if !belongings.iter().any(|known| (known.group, known.member) == (one.group, one.member)) {
                belongings.push(one);
            }
        }
        let ids: HashSet<GroupId> = belongings.iter().map(|one| one.group).collect();
        let groups = store.find_groups(&ids.into_iter().collect::<Vec<_>>()).await?;
        let groups: HashMap<GroupId, Group> = groups.into_iter().map(|group| (group.id, group)).collect();
        let with_group = |one: Belonging| groups.get(&one.group).cloned().map(|group| (one, group));
        Ok(belongings.into_iter().filter_map(with_group).collect())
    }

    /// The roles that everybody in these groups holds through them.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`] for nobody.
    pub async fn list_grants_of_groups(
        &self,
        caller: &Caller,
        groups: &[GroupId],
    ) -> Result<HashMap<GroupId, Vec<RoleGrant>>, Error> {
        caller.require_known()?;
        Ok(self.store_of(caller).await?.grants_of_groups(groups).await?)
    }

    /// How many direct members these groups have.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`]. Those the caller may not look into are left out.
    pub async fn count_members(&self, caller: &Caller, groups: &[GroupId]) -> Result<HashMap<GroupId, usize>, Error> {
        caller.require_member()?;
        let groups = self.groups_within(caller, groups, GroupRole::Member).await?;
        let counts = self.store_of(caller).await?.count_members(&groups).await?;
        Ok(groups.into_iter().zip(counts).collect())
    }

    /// Direct members of these groups, by when they came.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`]. Those the caller may not look into are left out.
    pub async fn list_members(
        &self,
        caller: &Caller,
        groups: &[GroupId],
    ) -> Result<HashMap<GroupId, Vec<Belonging>>, Error> {
        caller.require_member()?;
        let groups = self.groups_within(caller, groups, GroupRole::Admin).await?;
        let mut found: HashMap<GroupId, Vec<Belonging>> = groups.iter().map(|group| (*group, Vec::new())).collect();
        for belonging in self.store_of(caller).await?.belongings_in(&groups).await? {
            found.entry(belonging.group).or_default().push(belonging);
        }
        Ok(found)
    }

    /// Members of groups: who may see that somebody is in a group may see who that is.
    ///
    /// # Errors
    ///
    /// As [`Service::list_members`].
    pub async fn find_members(
        &self,
        caller: &Caller,
        members: &[(GroupId, MemberKind, Uuid)],
    ) -> Result<HashMap<Uuid, ReadableMember>, Error> {
        caller.require_member()?;
        let groups: HashSet<GroupId> = members.iter().map(|(group, ..)| *group).collect();
        let groups: Vec<GroupId> = groups.into_iter().collect();
        let groups = self.groups_within(caller, &groups, GroupRole::Admin).await?;
        let store = self.store_of(caller).await?;
        let is_within = |group: &GroupId| groups.contains(group);
        let of = |wanted: MemberKind| {
            let wanted = members.iter().filter(move |(group, kind, _)| *kind == wanted && is_within(group));
            wanted.map(|(.., id)| *id)
        };
        let users: Vec<UserId> = of(MemberKind::User).map(UserId::new).collect();
        let nested: Vec<GroupId> = of(MemberKind::Group).map(GroupId::new).collect();
        let programs: Vec<ServiceAccountId> = of(MemberKind::ServiceAccount).map(ServiceAccountId::new).collect();
        let mut found = HashMap::new();
        if !users.is_empty() {
            let users = store.find_users(&users).await?.into_iter();
            found.extend(users.map(|user| (user.id.uuid(), ReadableMember::User(user))));
        }
        if !nested.is_empty() {
            let nested = store.find_groups(&nested).await?.into_iter();
            found.extend(nested.map(|group| (group.id.uuid(), ReadableMember::Group(group))));
        }
        if !programs.is_empty() {
            let programs = store.find_programs(&programs).await?.into_iter();
            found.extend(programs.map(|program| (program.id.uuid(), ReadableMember::ServiceAccount(program))));
        }
        Ok(found)
    }

    /// Those of these groups that the caller may look into: all with [`Permission::GroupsRead`], else those they are this
    /// much in.
    async fn groups_within(
        &self,
        caller: &Caller,
        groups: &[GroupId],
        enough: GroupRole,
    ) -> Result<Vec<GroupId>, Error> {
        let own = caller.require_known()?.id();
        if caller.may(Permission::GroupsRead) {
            return Ok(groups.to_vec());
        }
        let store = self.store_of(caller).await?;
        let within: HashSet<Uuid> = if enough == GroupRole::Admin {
            let belongings = store.belongings_of(&[own]).await?.into_iter();
            belongings.filter(|one| one.role == enough).map(|one| one.group.uuid()).collect()
        } else {
            store.groups_around(&[own]).await?.remove(&own).unwrap_or_default()
        };
        Ok(groups.iter().copied().filter(|group| within.contains(&group.uuid())).collect())
    }

    /// Directories as whoever reads what they wrote may see them: by name.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`] for nobody.
    pub async fn find_directories(
        &self,
        caller: &Caller,
        ids: &[DirectoryId],
    ) -> Result<HashMap<DirectoryId, Directory>, Error> {
        caller.require_known()?;
        let all = self.store_of(caller).await?.list_directories().await?.into_iter();
        Ok(all.filter(|one| ids.contains(&one.id)).map(|one| (one.id, one)).collect())
    }
}

/// Those of these accounts whose state the caller may read: one's own, and with any of these permissions all. What is said
/// of an account needs the same permission whatever way led to it.
fn readable_accounts(caller: &Caller, accounts: &[AccountId], enough: &[Permission]) -> Vec<AccountId> {
    let own = caller.as_person().map(|person| person.account.id);
    let all = enough.iter().any(|permission| caller.may(*permission));
    accounts.iter().copied().filter(|account| all || own == Some(*account)).collect()
}

/// Where the caller is, if they may see the logins and devices of these accounts.
fn require_sessions_of(caller: &Caller, accounts: &[AccountId]) -> Result<OrganizationId, Error> {
    let member = caller.require_known()?;
    let own = caller.as_person().map(|person| person.account.id);
    if accounts.iter().any(|account| own != Some(*account)) {
        return caller.require(Permission::UserSessionsManage);
    }
    Ok(member.organization().id)
}
