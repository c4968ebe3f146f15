//! Logins and trusted devices: seeing them, ending them, and acting in another organization.

use serde_json::json;

use super::Service;
use super::attempts::Attempts;
use super::login::IssuedChallenge;
use super::references::{OrganizationRef, UserRef};
use super::session::{NewSession, required_actions};
use crate::domain::account::Joined;
use crate::domain::audit::EventKind;
use crate::domain::login::{EndReason, Login};
use crate::domain::mail::Notice;
use crate::domain::only_people::OnlyPeople;
use crate::domain::organization::Organization;
use crate::domain::second_factor::Authenticator;
use crate::domain::token::SecretKind;
use crate::domain::trusted_device::TrustedDevice;
use crate::domain::user::User;
use crate::domain::{AccountId, Caller, Code, Error, LoginId, OrganizationId, Permission, Refusal, TrustedDeviceId};
use crate::store::{LoginEnd, NewTokens};

/// What came of going to another organization.
#[derive(Debug)]
pub struct Switched {
    /// New tokens there, or a challenge that stands before them.
    pub outcome: Result<NewSession, IssuedChallenge>,
    /// Where the login acts, or is to act.
    pub organization: Organization,
}

/// What ending trust in devices did.
#[derive(Debug)]
pub struct TrustEnded {
    /// Whose devices they were.
    pub user: Option<User>,
    /// How many are trusted no more.
    pub devices: usize,
    /// How many logins ended.
    pub logins: usize,
}

fn no_such(field: &'static str, what: &'static str) -> Error {
    Refusal::new(Code::NotFound, format!("no such {what}")).at(field).into()
}

impl Service {
    /// All logins of the person who asks, latest use first, in whatever state.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`].
    pub async fn list_my_logins(&self, caller: &Caller) -> Result<Vec<Login>, Error> {
        let person = caller.require_signed_in()?;
        Ok(self.store.identity().list_logins(&[person.account.id]).await?)
    }

    /// The active trusted devices of the person who asks, latest use first.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`].
    pub async fn list_my_devices(&self, caller: &Caller) -> Result<Vec<TrustedDevice>, Error> {
        let person = caller.require_signed_in()?;
        let now = self.clock.now();
        let devices = self.store.identity().list_devices(&[person.account.id]).await?;
        Ok(devices.into_iter().filter(|device| device.is_active(now)).collect())
    }

    /// Ends one login; its tokens are refused from the next request on (S0-14). What the caller may not see is not there
    /// (SE-05).
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `NOT_FOUND`, `INSUFFICIENT_RANK`.
    pub async fn revoke_login(&self, caller: &Caller, id: LoginId) -> Result<Login, Error> {
        let home = caller.require_ending()?.organization().id;
        let found = self.store.identity().find_login(id).await?.ok_or_else(|| no_such("loginId", "login"))?;
        let reason = if caller.is_person(found.account) {
            EndReason::Oneself
        } else {
            self.check_may_end(caller, found.user, found.organization, "loginId", "login").await?;
            EndReason::Admin
        };
        if !found.is_active(self.clock.now()) {
            return Ok(found);
        }
        let event = self.event(caller, EventKind::LoginRevoked, ("login", id.to_string()));
        self.store.end_logins(home, &LoginEnd::These(vec![id]), reason, &[], &event).await?;
        let ended = self.store.identity().find_login(id).await?;
        ended.ok_or_else(|| no_such("loginId", "login"))
    }

    async fn check_may_end(
        &self,
        caller: &Caller,
        user: crate::domain::UserId,
        organization: OrganizationId,
        field: &'static str,
        what: &'static str,
    ) -> Result<(), Error> {
        let home = caller.require_member()?.organization().id;
        if organization != home || !caller.may(Permission::UserSessionsManage) {
            return Err(no_such(field, what));
        }
        let store = self.store.organization(organization).await?;
        let user = store.find_user(user).await?.ok_or_else(|| no_such(field, what))?;
        self.check_rank(caller, &store, &user).await
    }

    /// Ends all logins of a person, the calling one too unless it is to stay (S4-19). Of somebody else only those acting
    /// here, or all of an account this organization manages.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `NOT_FOUND`, `INSUFFICIENT_RANK`, `PROTECTED_ACCOUNT`; [`Error::Forbidden`].
    pub async fn revoke_logins(
        &self,
        caller: &Caller,
        who: Option<&UserRef>,
        keep_current: bool,
    ) -> Result<(User, usize), Error> {
        let member = caller.require_ending()?;
        let home = member.organization().id;
        if who.is_none() {
            OnlyPeople::Logins.check(caller)?;
        }
        let user = self.find_target(caller, who, Permission::UserSessionsManage).await?;
        let now = self.clock.now();
        let own = user.id.uuid() == member.id();
        let login = caller.as_person().and_then(|person| person.login()).map(|login| login.id);
        let current = login.filter(|_| keep_current && own);
        let Some(account) = user.account else { return Ok((user, 0)) };
        let all = own || self.is_managed_by(home, account).await?;
        let logins = self.store.identity().list_logins(&[account]).await?;
        let ends = |login: &&Login| login.is_active(now) && Some(login.id) != current && (all || login.user == user.id);
        let count = logins.iter().filter(ends).count();
        let which = if all { LoginEnd::OfAccount(account, current) } else { LoginEnd::OfUser(user.id, current) };
        let reason = if own { EndReason::Oneself } else { EndReason::Admin };
        if count > 0 {
            let event = self.event(caller, EventKind::LoginRevoked, ("user", user.id.to_string()));
            self.store.end_logins(home, &which, reason, &[], &event).await?;
        }
        Ok((user, count))
    }

    async fn is_managed_by(&self, organization: OrganizationId, account: AccountId) -> Result<bool, Error> {
        let account = self.store.identity().find_account(account).await?;
        Ok(account.is_some_and(|account| account.managed_by == Some(organization)))
    }

    /// Ends the trust in one device; its logins go on unless they are to end too (S0-17).
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `NOT_FOUND`, `INSUFFICIENT_RANK`.
    pub async fn revoke_trusted_device(
        &self,
        caller: &Caller,
        id: TrustedDeviceId,
        logins_too: bool,
    ) -> Result<TrustEnded, Error> {
        caller.require_ending()?;
        let found = self.store.identity().find_device(id).await?;
        let device = found.ok_or_else(|| no_such("trustedDeviceId", "trusted device"))?;
        let own = caller.is_person(device.account);
        if !own {
            let what = "trusted device";
            self.check_may_end(caller, device.user, device.organization, "trustedDeviceId", what).await?;
        }
        let target = ("trusted_device", id.to_string());
        let logins = self.end_trust(caller, &[device], own, logins_too, target).await?;
        Ok(TrustEnded { user: None, devices: 1, logins })
    }

    /// Ends the trust in all devices of a person.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `NOT_FOUND`, `INSUFFICIENT_RANK`, `PROTECTED_ACCOUNT`; [`Error::Forbidden`].
    pub async fn revoke_trusted_devices(
        &self,
        caller: &Caller,
        who: Option<&UserRef>,
        logins_too: bool,
    ) -> Result<TrustEnded, Error> {
        let member = caller.require_ending()?;
        if who.is_none() {
            OnlyPeople::TrustedDevices.check(caller)?;
        }
        let user = self.find_target(caller, who, Permission::UserSessionsManage).await?;
        let own = user.id.uuid() == member.id();
        let Some(account) = user.account else { return Ok(TrustEnded { user: Some(user), devices: 0, logins: 0 }) };
        let now = self.clock.now();
        let mut devices = self.store.identity().list_devices(&[account]).await?;
        devices.retain(|device| device.is_active(now) && (own || device.user == user.id));
        let target = ("user", user.id.to_string());
        let logins = self.end_trust(caller, &devices, own, logins_too, target).await?;
        Ok(TrustEnded { user: Some(user), devices: devices.len(), logins })
    }

    async fn end_trust(
        &self,
        caller: &Caller,
        devices: &[TrustedDevice],
        own: bool,
        logins_too: bool,
        target: (&'static str, String),
    ) -> Result<usize, Error> {
        let Some(first) = devices.first() else { return Ok(0) };
        let home = caller.require_member()?.organization().id;
        let mut ending: Vec<LoginId> = Vec::new();
        if logins_too {
            let now = self.clock.now();
            let all = self.store.identity().list_logins(&[first.account]).await?;
            let on_device = |login: &&Login| {
                let here = own || login.organization == home;
                here && login.is_active(now) && devices.iter().any(|device| device.device_id == login.device_id)
            };
            ending.extend(all.iter().filter(on_device).map(|login| login.id));
        }
        let logins = ending.len();
        let ending = (logins > 0).then_some(LoginEnd::These(ending));
        let reason = if own { EndReason::Oneself } else { EndReason::Admin };
        let ids: Vec<TrustedDeviceId> = devices.iter().map(|device| device.id).collect();
        let event = self.event(caller, EventKind::TrustedDeviceRevoked, target);
        self.store.remove_devices(home, &ids, ending.as_ref(), reason, &[], &event).await?;
        Ok(logins)
    }

    /// A device showed a secret that had been replaced: somebody has a copy. The trust ends, and its owner is told.
    pub(super) async fn end_copied_device(&self, device: &TrustedDevice) -> Result<(), Error> {
        let mails = self.notices(device.account, Notice::CopyNoticed).await?;
        let origin = crate::domain::login::Origin::default();
        let target = ("trusted_device", device.id.to_string());
        let event = self.public_event(&origin, EventKind::TrustedDeviceRevoked, target);
        self.store.remove_devices(device.organization, &[device.id], None, EndReason::Reuse, &mails, &event).await?;
        self.mail_waits();
        Ok(())
    }

    /// Where the person who asks belongs, the current organization first.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`].
    pub async fn list_my_memberships(&self, caller: &Caller) -> Result<Vec<Joined>, Error> {
        let person = caller.require_signed_in()?;
        let mut joined = self.store.identity().list_memberships(person.account.id).await?;
        joined.sort_by_key(|joined| joined.organization.id != person.organization.id);
        joined.truncate(100);
        Ok(joined)
    }

    /// What other organizations say about the person who asks: user, roles. None where they are gone.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`].
    pub async fn get_my_user_in(
        &self,
        caller: &Caller,
        joined: &Joined,
    ) -> Result<Option<(User, Vec<crate::domain::role::RoleGrant>)>, Error> {
        let person = caller.require_signed_in()?;
        if joined.membership.account != person.account.id {
            return Ok(None);
        }
        let store = self.store.organization(joined.organization.id).await?;
        let found = store.find_member(joined.membership.user).await?;
        Ok(found.map(|(user, grants, _)| (user, grants)))
    }

    /// Lets the login act in another organization of the same person (S0-30). Where that one demands more proof than the
    /// login has, a challenge comes first.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `NOT_FOUND`, `PROTECTED_ACCOUNT`.
    pub async fn switch_organization(&self, caller: &Caller, to: &OrganizationRef) -> Result<Switched, Error> {
        let (person, login) = caller.require_login()?;
        let missing = || no_such("organization", "organization");
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            let credentials = self.own_credentials(person).await?;
            let joined =
                credentials.memberships.iter().find(|joined| to.names(&joined.organization)).ok_or_else(missing)?;
            if !credentials.account.may_act_in(joined.organization.id) {
                return Err(super::acceptance::confined("organization"));
            }
            let membership = &joined.membership;
            let member = self.find_member(membership.organization, membership.user, membership.account).await?;
            let member = member.ok_or_else(missing)?;
            let organization = joined.organization.clone();
            let enrolled = credentials.authenticator.as_ref().is_some_and(Authenticator::is_enrolled);
            // A device trusted in one organization says nothing in another.
            if enrolled && !login.has_given_a_second_factor() {
                let details = json!({"login": login.id.to_string()});
                let challenge = self.challenge(&credentials.account, organization.id, false, details).await?;
                return Ok(Switched { outcome: Err(challenge), organization });
            }
            let now = self.clock.now();
            let current = self.store.identity().find_login(login.id).await?.filter(|login| login.is_active(now));
            let before = current.ok_or(Error::Unauthenticated)?;
            let after = Login { organization: organization.id, user: member.user.id, ..before.next_generation(now) };
            let refresh = self.secret(SecretKind::Refresh);
            let tokens = NewTokens { before: &before, after: &after, refresh: &refresh, used: None };
            let event = self.event(caller, EventKind::LoginSwitched, ("login", after.id.to_string()));
            let switched =
                self.store.switch_organization(&credentials.account, &member.user, &tokens, None, &event).await;
            match switched.map_err(Error::from) {
                Ok(()) => {
                    let password = credentials.password.map(|password| password.state());
                    let actions = required_actions(password.as_ref(), enrolled, &member.policy);
                    let session = self.session(after, refresh, actions).await?;
                    return Ok(Switched { outcome: Ok(session), organization });
                }
                Err(Error::Busy) if attempts.again().await => {}
                Err(error) => return Err(error),
            }
        }
    }
}
