//! Users who are kept out, leave, come back, or are forgotten.

use chrono::TimeDelta;

use super::Service;
use super::attempts::Attempts;
use super::references::{UserRef, check_count};
use super::second_factors::check_reason;
use crate::domain::account::{Account, EmailAddress, Membership, MembershipSource};
use crate::domain::audit::{AuditEvent, Change, Consequence, EventKind, FieldChange};
use crate::domain::directory::DeprovisionMode;
use crate::domain::mail::Notice;
use crate::domain::user::{DEPROVISIONED, Hold, User};
use crate::domain::{Author, Caller, Code, Error, Noun, OrganizationId, Permission, Refusal, UserId};
use crate::store::{AccountEnd, DeletedUser, Departure, OrganizationStore, OwnerWatch, Remains};

/// How long a deleted user can come back.
pub(super) const RESTORABLE_FOR: TimeDelta = TimeDelta::days(30);
/// Users that can be anonymised at once.
const MOST_ANONYMIZED: usize = 100;
/// What has to be typed to anonymise.
const CONFIRMATION: &str = "ANONYMIZE";
/// Users whose time is over that are destroyed in one round.
const PURGED_AT_ONCE: usize = 50;

/// What ended with somebody's access.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Logins.
    pub logins: usize,
    /// Personal tokens.
    pub tokens: usize,
    /// Trusted devices.
    pub devices: usize,
}

/// A user who left.
#[derive(Debug)]
pub struct Left {
    /// Who.
    pub id: UserId,
    /// Until when they can come back.
    pub purge_at: Option<chrono::DateTime<chrono::Utc>>,
    /// What ended.
    pub ended: Ended,
    /// The directory that still has the user active, by name: it may create the user again.
    pub still_active_in: Option<String>,
}

/// What becomes of the account of somebody who leaves.
pub(super) enum AccountPlan {
    /// It goes on without this organization.
    Kept,
    /// It belongs to this organization alone, and goes with the user.
    Goes(Box<Account>, Vec<EmailAddress>),
}

impl AccountPlan {
    fn end(&self, destroy: bool) -> AccountEnd<'_> {
        match self {
            Self::Kept => AccountEnd::Kept,
            Self::Goes(account, _) if destroy => AccountEnd::Destroyed(account),
            Self::Goes(account, emails) => AccountEnd::Shelved(account, emails),
        }
    }
}

impl Service {
    /// Keeps a user out until [`Service::enable_user`]: no directory can lift it (S3-03).
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::UserAccessManage`]; [`Error::Refused`] with `NOT_FOUND`,
    /// `VERSION_CONFLICT`, `ILLEGAL_TRANSITION`, `LAST_OWNER`, `INSUFFICIENT_RANK`.
    pub async fn disable_user(
        &self,
        caller: &Caller,
        who: &UserRef,
        reason: Option<String>,
        if_version: Option<i64>,
    ) -> Result<(User, Ended), Error> {
        caller.require(Permission::UserAccessManage)?;
        check_reason(reason.as_deref())?;
        if let Some((_, deprovisioned)) = self.find_managed_deprovisioned(caller, who, if_version).await? {
            return Ok((deprovisioned, Ended::default()));
        }
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            let (store, before) = self.find_managed(caller, who, Permission::UserAccessManage, if_version).await?;
            if before.hold.is_some() {
                return Ok((before, Ended::default()));
            }
            if before.account.is_none() && before.directory.is_none() && before.is_admitted() {
                let message = "that user has not joined yet: withdraw the invitation or delete the user";
                let refusal = Refusal::new(Code::IllegalTransition, message).at("user");
                return Err(refusal.with("from", "INVITED").with("to", "DISABLED").into());
            }
            let ended = self.access_of(&before).await?;
            let by = caller.author().and_then(Author::user);
            let hold = Hold { by, since: self.clock.now(), reason: reason.clone() };
            let after = User { hold: Some(hold), ..before.next(self.writer(caller)) };
            let change = Change::of_user(Some(before.clone()), Some(after.clone()));
            let fields = change.fields();
            let event = AuditEvent {
                consequences: change.consequences,
                ..self.event_about(caller, EventKind::UserDisabled, &before, fields, reason.clone())
            };
            match store.update_user(&before, &after, OwnerWatch::Users(&[before.id]), &event).await.map_err(Error::from)
            {
                Ok(()) => return Ok((after, ended)),
                Err(Error::Busy) if attempts.again().await => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Lifts the local hold. Where the directory keeps the user out too, they stay out. Brings back a user that a directory
    /// deprovisioned.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::UserAccessManage`]; [`Error::Refused`] with `NOT_FOUND`,
    /// `VERSION_CONFLICT`, `MANAGED_BY_DIRECTORY`, `INSUFFICIENT_RANK`; [`Error::Taken`] for the name of a deprovisioned user.
    pub async fn enable_user(&self, caller: &Caller, who: &UserRef, if_version: Option<i64>) -> Result<User, Error> {
        caller.require(Permission::UserAccessManage)?;
        if let Some(enabled) = self.enable_deprovisioned(caller, who, if_version).await? {
            return Ok(enabled);
        }
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            let (store, before) = self.find_managed(caller, who, Permission::UserAccessManage, if_version).await?;
            if before.is_admitted() {
                return Ok(before);
            }
            let mut after = User { hold: None, ..before.next(self.writer(caller)) };
            match before.kept_out_by.first() {
                Some(directory) if before.hold.is_none() => {
                    return Err(self.managed_by(&store, *directory, "user").await?);
                }
                Some(_) => {}
                // No directory says no: the state is the organization's own.
                None => {
                    after.attributes.attributes_mut().insert("active".to_owned(), true.into());
                }
            }
            let change = Change::of_user(Some(before.clone()), Some(after.clone()));
            let fields = change.fields();
            let event = AuditEvent {
                consequences: change.consequences,
                ..self.event_about(caller, EventKind::UserEnabled, &before, fields, None)
            };
            match store.update_user(&before, &after, OwnerWatch::Nobody, &event).await.map_err(Error::from) {
                Ok(()) => return Ok(after),
                Err(Error::Busy) if attempts.again().await => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// What lets somebody in now, to be counted before it ends.
    async fn access_of(&self, user: &User) -> Result<Ended, Error> {
        let Some(account) = user.account else { return Ok(Ended::default()) };
        let (identity, now) = (self.store.identity(), self.clock.now());
        let logins = identity.list_logins(&[account]).await?;
        let devices = identity.list_devices(&[account]).await?;
        let tokens = identity.list_tokens(user.id.uuid()).await?;
        Ok(Ended {
            logins: logins.iter().filter(|login| login.user == user.id && login.is_active(now)).count(),
            tokens: tokens.iter().filter(|token| token.is_live(now)).count(),
            devices: devices.iter().filter(|device| device.user == user.id && device.is_active(now)).count(),
        })
    }

    /// What becomes of the account when its user leaves: it goes too if this organization manages it and nobody else has
    /// it; otherwise it goes on without.
    pub(super) async fn plan_account(&self, organization: OrganizationId, user: &User) -> Result<AccountPlan, Error> {
        let Some(id) = user.account else { return Ok(AccountPlan::Kept) };
        let Some(credentials) = self.store.identity().find_credentials(id).await? else { return Ok(AccountPlan::Kept) };
        let alone = credentials.memberships.iter().all(|joined| joined.organization.id == organization);
        if credentials.account.managed_by != Some(organization) || !alone {
            return Ok(AccountPlan::Kept);
        }
        let emails = self.store.identity().list_emails(id).await?;
        Ok(AccountPlan::Goes(Box::new(credentials.account), emails))
    }

    /// A directory that has the user active would bring them back.
    async fn check_released(&self, store: &OrganizationStore, user: &User) -> Result<(), Error> {
        match user.directory {
            Some(directory) if user.active() => Err(self.managed_by(store, directory, "user").await?),
            _ => Ok(()),
        }
    }

    /// The name of the directory that has the user active, and may create the user again after a deletion.
    async fn active_in(&self, store: &OrganizationStore, user: &User) -> Result<Option<String>, Error> {
        let Some(id) = user.directory.filter(|_| user.active()) else { return Ok(None) };
        Ok(store.find_directory(id).await?.map(|directory| directory.name))
    }

    fn departure_event(&self, caller: &Caller, kind: EventKind, user: &User) -> AuditEvent {
        // Of what is gone nothing is told but that it is gone (C118).
        let event = self.event(caller, kind, ("user", user.id.to_string()));
        let consequences = if user.is_admitted() { vec![Consequence::AccessEnded] } else { Vec::new() };
        AuditEvent { consequences, ..event }
    }

    /// Deletes a user (S0-24): gone from every answer at once, restorable for 30 days, or destroyed now. Also deletes a user
    /// whom a directory has active, and answers which one, because it may create the user again.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::UserAccessManage`]; [`Error::Refused`] with `NOT_FOUND`,
    /// `VERSION_CONFLICT`, `LAST_OWNER`, `INSUFFICIENT_RANK`, `STEP_UP_REQUIRED`.
    pub async fn erase_user(
        &self,
        caller: &Caller,
        who: &UserRef,
        purge: bool,
        if_version: Option<i64>,
    ) -> Result<Left, Error> {
        caller.require(Permission::UserAccessManage)?;
        if purge {
            caller.require_fresh(Permission::UserAccessManage, self.clock.now())?;
        }
        let organization = caller.require(Permission::UserAccessManage)?;
        let purge_at = (!purge).then(|| self.clock.now() + RESTORABLE_FOR);
        if let Some(left) = self.erase_deprovisioned(caller, who, purge_at, if_version).await? {
            return Ok(left);
        }
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            let (store, user) = self.find_managed(caller, who, Permission::UserAccessManage, if_version).await?;
            let still_active_in = self.active_in(&store, &user).await?;
            let ended = self.access_of(&user).await?;
            let plan = self.plan_account(organization, &user).await?;
            let until = (!purge).then(|| self.clock.now() + RESTORABLE_FOR);
            let kind = if purge { EventKind::UserPurged } else { EventKind::UserDeleted };
            let departure = Departure {
                user: &user,
                remains: until.map_or(Remains::Nothing, Remains::Restorable),
                account: plan.end(purge),
                watch: OwnerWatch::Users(&[user.id]),
                mails: &[],
            };
            let event = self.departure_event(caller, kind, &user);
            match self.store.remove_user(organization, &departure, &event).await.map_err(Error::from) {
                Ok(()) => return Ok(Left { id: user.id, purge_at: until, ended, still_active_in }),
                Err(Error::Busy) if attempts.again().await => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes a person out of the organization; the account stays (S1-12).
    ///
    /// # Errors
    ///
    /// As [`Service::erase_user`], without `STEP_UP_REQUIRED`; `MANAGED_BY_DIRECTORY` while one has the user active.
    pub async fn remove_member(&self, caller: &Caller, who: &UserRef, if_version: Option<i64>) -> Result<Left, Error> {
        let organization = caller.require(Permission::UserAccessManage)?;
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            let (store, user) = self.find_managed(caller, who, Permission::UserAccessManage, if_version).await?;
            self.check_released(&store, &user).await?;
            let ended = self.access_of(&user).await?;
            let departure = Departure {
                user: &user,
                remains: Remains::Nothing,
                account: AccountEnd::Kept,
                watch: OwnerWatch::Users(&[user.id]),
                mails: &[],
            };
            let event = self.departure_event(caller, EventKind::MembershipRemoved, &user);
            match self.store.remove_user(organization, &departure, &event).await.map_err(Error::from) {
                Ok(()) => return Ok(Left { id: user.id, purge_at: None, ended, still_active_in: None }),
                Err(Error::Busy) if attempts.again().await => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Brings back a user that was deleted or deprovisioned: kept out, without roles and groups.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::UserAccessManage`]; [`Error::Taken`]; [`Error::Refused`] with
    /// `NOT_FOUND`, `ILLEGAL_TRANSITION`.
    pub async fn restore_user(&self, caller: &Caller, id: &str) -> Result<User, Error> {
        let organization = caller.require(Permission::UserAccessManage)?;
        let missing = || Error::from(Refusal::new(Code::NotFound, "no such user").at("userId"));
        let id: UserId = id.parse().map_err(|_| missing())?;
        let store = self.store.organization(organization).await?;
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            if store.find_user(id).await?.is_some() {
                return Err(Refusal::new(Code::IllegalTransition, "that user is not deleted").at("userId").into());
            }
            let deleted = store.find_deleted_user(id).await?.ok_or_else(missing)?;
            let known = deleted.last_version().ok_or_else(missing)?;
            let (user, link) = self.restored(caller, organization, &known, &deleted).await?;
            let event = self.event_about(caller, EventKind::UserRestored, &user, Vec::new(), None);
            let link = link.as_ref().map(|(account, membership)| (account, membership));
            match self.store.restore_user(organization, &deleted, &user, link, &event).await.map_err(Error::from) {
                Ok(()) => return Ok(user),
                Err(Error::Busy) if attempts.again().await => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// A user that comes back, kept out, and the link to its account, if that still belongs to it.
    pub(super) async fn restored(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        known: &User,
        deleted: &DeletedUser,
    ) -> Result<(User, Option<(Account, Membership)>), Error> {
        let writer = self.writer(caller);
        for email in deleted.emails.iter().filter(|email| email.verified.is_some()) {
            if self.store.identity().find_verified_email(&email.key).await?.is_some() {
                return Err(Refusal::new(Code::EmailTaken, "somebody else has the address now").at("userId").into());
            }
        }
        let account = match known.account {
            Some(id) => self.store.identity().find_credentials(id).await?,
            None => None,
        };
        // Somebody who has joined anew meanwhile is another user.
        let account =
            account.filter(|account| account.memberships.iter().all(|joined| joined.organization.id != organization));
        // An account that was put out of use with the user is managed again; one that somebody goes on with is theirs.
        let account = match account {
            Some(credentials) => {
                let is_shelved = credentials.memberships.is_empty()
                    && self.store.identity().list_emails(credentials.account.id).await?.is_empty();
                let managed_by = if is_shelved { Some(organization) } else { credentials.account.managed_by };
                Some(Account { managed_by, ..credentials.account })
            }
            None => None,
        };
        let by = caller.author().and_then(Author::user);
        let hold = Hold { by, since: writer.now, reason: Some("restored after deletion".to_owned()) };
        let user = User {
            account: account.as_ref().map(|account| account.id),
            hold: Some(hold),
            ..known.next(writer).without_directories()
        };
        let link = account.map(|account| {
            let membership = Membership {
                account: account.id,
                organization,
                user: user.id,
                source: MembershipSource::Admin,
                joined: writer.now,
            };
            (account, membership)
        });
        Ok((user, link))
    }

    /// Destroys the personal data of users, beyond recall (S3-20). Each is done on its own, in the order asked.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::UserAccessManage`]; [`Error::Refused`] with `CONFIRMATION_REQUIRED`,
    /// `LIMIT_EXCEEDED`, `VALIDATION_FAILED`, `STEP_UP_REQUIRED`.
    pub async fn anonymize_users(
        &self,
        caller: &Caller,
        ids: &[String],
        confirmation: &str,
    ) -> Result<Vec<(String, Result<(), Error>)>, Error> {
        let organization = caller.require_fresh(Permission::UserAccessManage, self.clock.now())?;
        if confirmation != CONFIRMATION {
            let refusal = Refusal::new(Code::ConfirmationRequired, "type ANONYMIZE to confirm");
            return Err(refusal.at("confirmation").into());
        }
        if ids.is_empty() {
            return Err(Refusal::new(Code::ValidationFailed, "name at least one user").at("userIds").into());
        }
        check_count(ids.len(), MOST_ANONYMIZED, "userIds")?;
        let store = self.store.organization(organization).await?;
        let mut results = Vec::with_capacity(ids.len());
        for id in ids {
            let outcome = match self.anonymize_user(caller, organization, &store, id).await {
                Err(error @ (Error::Unavailable(_) | Error::Internal(_))) => return Err(error),
                outcome => outcome,
            };
            results.push((id.clone(), outcome));
        }
        Ok(results)
    }

    async fn anonymize_user(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        store: &OrganizationStore,
        id: &str,
    ) -> Result<(), Error> {
        let missing = || Error::NotFound(Noun::User);
        let id: UserId = id.parse()?;
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            let outcome = if let Some(user) = store.find_user(id).await? {
                self.try_anonymize(caller, organization, store, &user).await
            } else {
                let deleted = store.find_deleted_user(id).await?.ok_or_else(missing)?;
                self.try_anonymize_deleted(caller, organization, &deleted).await
            };
            match outcome {
                Err(Error::Busy) if attempts.again().await => {}
                outcome => return outcome,
            }
        }
    }

    async fn try_anonymize(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        store: &OrganizationStore,
        user: &User,
    ) -> Result<(), Error> {
        self.check_rank(caller, store, user).await?;
        self.check_released(store, user).await?;
        self.managed_account(caller, user).await?;
        let plan = self.plan_account(organization, user).await?;
        let departure = Departure {
            user,
            remains: Remains::Anonymous,
            account: plan.end(true),
            watch: OwnerWatch::Users(&[user.id]),
            mails: &[],
        };
        let event = self.departure_event(caller, EventKind::UserAnonymized, user);
        Ok(self.store.remove_user(organization, &departure, &event).await?)
    }

    async fn try_anonymize_deleted(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        deleted: &DeletedUser,
    ) -> Result<(), Error> {
        let Some(user) = &deleted.user else { return Ok(()) };
        let plan = self.plan_leftover(user).await?;
        let event = self.event(caller, EventKind::UserAnonymized, ("user", deleted.id.to_string()));
        Ok(self.store.purge_user(organization, deleted, plan.as_ref(), true, &event).await?)
    }

    /// The account of a deleted user, if nobody else has it: it goes with them.
    pub(super) async fn plan_leftover(&self, user: &User) -> Result<Option<Account>, Error> {
        let Some(id) = user.account else { return Ok(None) };
        let found = self.store.identity().find_credentials(id).await?;
        let has_address = !self.store.identity().list_emails(id).await?.is_empty();
        // With an address of its own it was not given up with the user.
        Ok(found.filter(|found| found.memberships.is_empty() && !has_address).map(|found| found.account))
    }

    /// Destroys deleted users whose time is over, some of each organization; called every hour.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the store does not answer.
    pub async fn purge_users(&self) -> Result<(), Error> {
        for organization in self.store.identity().list_organizations().await? {
            let store = self.store.organization(organization.id).await?;
            for deleted in store.list_users_to_purge(self.clock.now(), PURGED_AT_ONCE).await? {
                let account = match &deleted.user {
                    Some(user) => self.plan_leftover(user).await?,
                    None => None,
                };
                let system = Caller::system(organization.id);
                let event = self.event(&system, EventKind::UserPurged, ("user", deleted.id.to_string()));
                self.store.purge_user(organization.id, &deleted, account.as_ref(), false, &event).await?;
            }
        }
        Ok(())
    }

    /// Takes a user out as a directory's DELETE asks for (account model 3.5): gone from SCIM in every mode, and in mode `DISABLE`
    /// still shown to administrators.
    pub(super) async fn deprovision(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        user: &User,
    ) -> Result<(), Error> {
        let directory = caller.as_directory();
        let mode = directory.map_or(DeprovisionMode::Delete, |directory| directory.settings.deprovision_mode);
        let until = self.clock.now() + RESTORABLE_FOR;
        let remains = match (mode, directory) {
            (DeprovisionMode::RemoveMember, _) => Remains::Nothing,
            (DeprovisionMode::Disable, Some(directory)) => Remains::Deprovisioned(directory.id, until),
            (DeprovisionMode::Disable, None) | (DeprovisionMode::Delete, _) => Remains::Restorable(until),
        };
        let (kind, reason) = match remains {
            Remains::Deprovisioned(..) => (EventKind::UserDisabled, Some(DEPROVISIONED.to_owned())),
            Remains::Nothing | Remains::Restorable(_) | Remains::Anonymous => (EventKind::UserDeleted, None),
        };
        let plan = match mode {
            DeprovisionMode::Delete => self.plan_account(organization, user).await?,
            DeprovisionMode::Disable | DeprovisionMode::RemoveMember => AccountPlan::Kept,
        };
        let subjects = [user.id];
        let departure = Departure {
            user,
            remains,
            account: plan.end(false),
            watch: super::users::watch(caller, user, &subjects),
            mails: &[],
        };
        let event = AuditEvent { reason, ..self.departure_event(caller, kind, user) };
        let event = super::audit::recorded(caller, event, user.id.uuid(), (Some(user.version), None));
        let removed = self.store.remove_user(organization, &departure, &event).await;
        removed.map_err(|error| super::users::told_of_last_owner(caller, user, error))
    }

    /// Whether a change of an account's type is possible, and what it comes to.
    pub(super) fn account_type_change(
        account: Option<&Account>,
        organization: OrganizationId,
        external: bool,
    ) -> Result<Option<FieldChange>, Error> {
        let Some(account) = account else { return Ok(None) };
        match (account.managed_by == Some(organization), external) {
            (true, true) => Ok(Some(FieldChange::new("accountType", "MANAGED", "EXTERNAL"))),
            // Nobody takes over an account that a person controls.
            (false, false) => {
                let message = "the person controls that account: only they can give it to an organization";
                Err(Refusal::new(Code::NotManagedAccount, message).at("accountType").into())
            }
            _ => Ok(None),
        }
    }

    /// Tells a person that an administrator changed something.
    pub(super) async fn profile_notice(&self, account: &Account) -> Result<Vec<crate::store::SealedMail>, Error> {
        if account.settings.profile_change == Some(false) {
            return Ok(Vec::new());
        }
        self.notices(account.id, Notice::ProfileChanged).await
    }
}
