//! One's own profile, preferences and place in the organization.

use super::Service;
use super::attempts::Attempts;
use crate::domain::account::{EmailAddress, EmailSource, Settings, SettingsEdit};
use crate::domain::actor::Person;
use crate::domain::audit::{AuditEvent, Change, Consequence, EventKind};
use crate::domain::email::Email;
use crate::domain::mail::Notice;
use crate::domain::only_people::OnlyPeople;
use crate::domain::organization::Organization;
use crate::domain::profile::{ProfileEdit, ProfileField};
use crate::domain::role;
use crate::domain::user::{Hold, User, Writer};
use crate::domain::user_name::UserName;
use crate::domain::{Actor, Author, Caller, Code, EmailId, Error, OrganizationId, Permission, Refusal};
use crate::store::{AccountEnd, Departure, EmailChange, OwnerWatch, Remains};

use super::editing::managed_by_connection;
use super::emails::NewAddress;
use super::mail_rates::{MailAsker, MailPurpose};
use super::passwords::masked;
use super::places::Place;
use super::references::check_version;

/// A change of one's own profile.
#[derive(Clone, Debug, Default)]
pub struct UpdateMe {
    /// One's own user id, as a safeguard.
    pub id: Option<String>,
    /// The version that was read.
    pub if_version: Option<i64>,
    /// Values; the address aside.
    pub profile: ProfileEdit,
    /// The user name wanted.
    pub user_name: Option<String>,
    /// The primary address wanted.
    pub email: Option<String>,
    /// Whether the first steps are done.
    pub onboarded: Option<bool>,
    /// Whether to keep oneself out from now on.
    pub disabled: bool,
    /// A wrong idea that gets a clear answer.
    pub is_active: Option<bool>,
    /// A wrong idea that gets a clear answer.
    pub is_superuser: Option<bool>,
}

/// What changing one's profile did.
#[derive(Debug)]
pub struct UpdatedMe {
    /// Oneself.
    pub user: User,
    /// The new address, if it waits for verification.
    pub pending_email: Option<EmailAddress>,
    /// The organizations whose rules do not let the person write one of the changed values.
    pub skipped: Vec<Organization>,
}

/// What becomes of the primary address.
enum EmailPlan {
    /// It stays.
    Nothing,
    /// It is one that was proven before.
    Known(EmailAddress),
    /// It is a new one, not yet proven.
    AtOnce(NewAddress),
    /// It will be a new one, once that is proven.
    Waits(NewAddress),
}

impl EmailPlan {
    /// The primary address from now on, if it changes now.
    fn now(&self) -> Option<&EmailAddress> {
        match self {
            Self::Known(email) => Some(email),
            Self::AtOnce(new) => Some(&new.email),
            Self::Nothing | Self::Waits(_) => None,
        }
    }

    /// The primary address that is wanted, now or once it is proven.
    fn wanted(&self) -> Option<&EmailAddress> {
        match self {
            Self::Known(email) => Some(email),
            Self::AtOnce(new) | Self::Waits(new) => Some(&new.email),
            Self::Nothing => None,
        }
    }

    /// Whether the address counts in another organization only once it is proven: its own change mode says so.
    fn waits_at(&self, place: &Place) -> bool {
        matches!(self, Self::AtOnce(_) | Self::Waits(_)) && !place.takes_addresses_at_once
    }

    /// Word of it for the addresses there are, and the address that it is about.
    fn notice(&self) -> Option<(Notice, EmailId)> {
        match self {
            Self::Nothing => None,
            Self::Waits(new) => Some((Notice::AddressAdded { address: masked(&new.email.address) }, new.email.id)),
            Self::Known(email) => Some((Notice::PrimaryEmailChanged { to: masked(&email.address) }, email.id)),
            Self::AtOnce(new) => Some((Notice::PrimaryEmailChanged { to: masked(&new.email.address) }, new.email.id)),
        }
    }

    /// The address that is still to be proven.
    fn pending(&self) -> Option<&EmailAddress> {
        match self {
            Self::AtOnce(new) | Self::Waits(new) => Some(&new.email),
            Self::Nothing | Self::Known(_) => None,
        }
    }
}

/// Whether the edit gives a user an address as the name to sign in with.
pub(super) fn signs_in_as_address(user: &User, edit: &ProfileEdit) -> bool {
    let name = edit.user_name.as_ref().filter(|name| name.looks_like_an_address());
    name.is_some_and(|name| scim::fold(name.as_str()) != user.user_name_key())
}

impl Service {
    /// Changes one's own profile in every organization whose own rules let the person write there (S0-07, S1-04, S3-14).
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::UserSelfProfileWrite`]; [`Error::Refused`] with the codes of `updateMe`.
    pub async fn update_me(&self, caller: &Caller, update: UpdateMe) -> Result<UpdatedMe, Error> {
        caller.require_person()?;
        caller.require(Permission::UserSelfProfileWrite)?;
        let update = self.checked(caller, update)?;
        let email = update.email.as_deref().map(Email::parse).transpose()?;
        if email.is_some() {
            caller.require_login()?;
        }
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            match self.try_update_me(caller, &update, email.as_ref()).await {
                Err(Error::Busy) if attempts.again().await => {}
                outcome => return outcome,
            }
        }
    }

    /// Everything that can be said without the store.
    fn checked(&self, caller: &Caller, mut update: UpdateMe) -> Result<UpdateMe, Error> {
        let person = caller.require_person()?;
        if update.id.as_ref().is_some_and(|id| *id != person.user.id.to_string()) {
            return Err(Refusal::new(Code::IdMismatch, "that is not your user id").at("id").into());
        }
        let elevates = update.is_active.is_some_and(|active| active != person.user.is_admitted());
        if elevates {
            return Err(Refusal::new(Code::InsufficientRank, "nobody does that to themselves: use disabled")
                .at("isActive")
                .into());
        }
        if update.is_superuser.is_some_and(|superuser| superuser != person.account.superuser) {
            return Err(Refusal::new(Code::InsufficientRank, "nobody does that to themselves")
                .at("isSuperuser")
                .into());
        }
        if let Some(name) = &update.user_name {
            update.profile.user_name = Some(UserName::parse(name, &self.settings.reserved_names)?);
        }
        update.profile.check()?;
        Ok(update)
    }

    async fn try_update_me(
        &self,
        caller: &Caller,
        update: &UpdateMe,
        email: Option<&Email>,
    ) -> Result<UpdatedMe, Error> {
        let asking = caller.require_person()?;
        let home = asking.organization.id;
        let credentials = self.own_credentials(asking).await?;
        let store = self.store.organization(home).await?;
        let user = store.find_user(asking.user.id).await?.filter(User::is_admitted).ok_or(Error::Unauthenticated)?;
        check_version(user.version, update.if_version)?;
        self.check_editable(&user, home, &update.profile, email.is_some()).await?;
        self.check_provider(home, &user, &update.profile, email.is_some()).await?;
        if email.is_some()
            && let Some(provider) = self.keeper_of_address(home, asking.account.id, asking.password).await?
        {
            return Err(managed_by_connection(&provider, ProfileField::Email.as_str()));
        }
        self.check_user_name(asking, &user, &update.profile).await?;
        let person = Person { user: user.clone(), ..(**asking).clone() };
        let plan = self.plan_email(&person, email).await?;
        if !matches!(plan, EmailPlan::Nothing) || signs_in_as_address(&user, &update.profile) {
            caller.require_fresh_login(self.clock.now())?;
        }
        if let EmailPlan::AtOnce(new) | EmailPlan::Waits(new) = &plan {
            let asker = MailAsker::Account(person.account.id);
            self.mail_rates.take(MailPurpose::Verification, &asker, &new.email.key)?;
        }
        let places = self.places(&credentials).await?;
        let (mut users, skipped) = self.edited_everywhere(places, &person, &update.profile, &plan).await?;
        if update.disabled {
            self.check_may_leave(&store, &person).await?;
        }
        let own = users.iter().find(|(organization, ..)| *organization == home).map(|(_, _, after)| after.clone());
        let pending_email = plan.pending().cloned();
        let mut updated = UpdatedMe { user: own.unwrap_or_else(|| user.clone()), pending_email, skipped };
        users.retain(|(_, before, after)| before != after);
        if !users.is_empty() || !matches!(plan, EmailPlan::Nothing) {
            self.save_profile(caller, &person, &users, &plan).await?;
        }
        if let Some(onboarded) = update.onboarded.filter(|onboarded| *onboarded != credentials.account.onboarded) {
            let event = self.event(caller, EventKind::Onboarded, ("user", user.id.to_string()));
            self.store.set_onboarded(home, credentials.account.id, onboarded, &event).await?;
        }
        if update.disabled {
            updated.user = self.hold_oneself(caller, &updated.user).await?;
        }
        Ok(updated)
    }

    /// Who writes for oneself everywhere: elsewhere one is another user, so that nobody is named.
    fn local_writer(&self, person: &Person, organization: OrganizationId) -> Writer {
        let author = (organization == person.organization.id).then_some(Author::User(person.user.id));
        Writer { author, now: self.clock.now(), states_all: false }
    }

    /// In the organization where one acts, a value that a directory keeps is refused (G6).
    pub(super) async fn check_editable(
        &self,
        user: &User,
        organization: OrganizationId,
        edit: &ProfileEdit,
        email: bool,
    ) -> Result<(), Error> {
        let mut refusals = Vec::new();
        let fields = edit.fields().into_iter().chain(email.then_some(ProfileField::Email));
        for field in fields {
            refusals.extend(self.claim_refusal(user, organization, field, field.as_str()).await?);
        }
        if refusals.is_empty() { Ok(()) } else { Err(Error::Refused(refusals)) }
    }

    /// Why this field cannot be edited, if a directory writes it.
    async fn claim_refusal(
        &self,
        user: &User,
        organization: OrganizationId,
        field: ProfileField,
        path: &'static str,
    ) -> Result<Option<Refusal>, Error> {
        let Some(claim) = user.claim_on(field) else { return Ok(None) };
        let store = self.store.organization(organization).await?;
        let Some(directory) = store.find_directory(claim.directory).await? else { return Ok(None) };
        let message = format!("the directory {} writes this: change it there", directory.name);
        let since = claim.since.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
        let refusal = Refusal::new(Code::ManagedByDirectory, message).at(path);
        Ok(Some(refusal.with("owner", directory.name).with("since", since)))
    }

    pub(super) async fn check_not_claimed(
        &self,
        person: &Person,
        field: ProfileField,
        path: &'static str,
    ) -> Result<(), Error> {
        match self.claim_refusal(&person.user, person.organization.id, field, path).await? {
            Some(refusal) => Err(refusal.into()),
            None => Ok(()),
        }
    }

    /// A user name that looks like an address must be one's own, so that nobody is taken for somebody else (AU-10).
    async fn check_user_name(&self, person: &Person, user: &User, edit: &ProfileEdit) -> Result<(), Error> {
        let Some(name) = edit.user_name.as_ref().filter(|name| name.looks_like_an_address()) else { return Ok(()) };
        if scim::fold(name.as_str()) == user.user_name_key() {
            return Ok(());
        }
        let own = self.store.identity().list_emails(person.account.id).await?;
        let key = crate::domain::email::lookup_key(name.as_str());
        if own.iter().any(|email| email.verified.is_some() && email.key == key) {
            return Ok(());
        }
        let message = "a user name with @ must be one of your verified addresses";
        Err(Refusal::new(Code::InvalidUsername, message).at("userName").into())
    }

    /// The person's users after the edit, each by the rules of its organization, and the organizations that do not let the
    /// person write some of it (decision 9).
    async fn edited_everywhere(
        &self,
        places: Vec<Place>,
        person: &Person,
        edit: &ProfileEdit,
        plan: &EmailPlan,
    ) -> Result<(Vec<(OrganizationId, User, User)>, Vec<Organization>), Error> {
        let (mut users, mut skipped) = (Vec::new(), Vec::new());
        for place in places {
            let organization = place.organization.id;
            if organization == person.organization.id {
                let edit = ProfileEdit { email: plan.now().map(|email| email.address.clone()), ..edit.clone() };
                let after = person.user.edited(&edit, self.local_writer(person, organization))?;
                users.push((organization, person.user.clone(), after));
                continue;
            }
            let wanted = ProfileEdit { email: plan.wanted().map(|email| email.address.clone()), ..edit.clone() };
            let mut kept: Vec<ProfileField> =
                wanted.fields().into_iter().filter(|field| !place.may_write(*field)).collect();
            if !kept.is_empty() {
                skipped.push(place.organization.clone());
            }
            if plan.waits_at(&place) {
                kept.push(ProfileField::Email);
            }
            if self.is_name_taken_at(&place, &wanted).await? {
                kept.push(ProfileField::UserName);
            }
            let after = place.user.edited(&wanted.without(&kept), self.local_writer(person, organization))?;
            users.push((organization, place.user, after));
        }
        Ok((users, skipped))
    }

    /// A name is unique where it is used: elsewhere it stays what it is if another user has it.
    async fn is_name_taken_at(&self, place: &Place, edit: &ProfileEdit) -> Result<bool, Error> {
        let Some(name) = &edit.user_name else { return Ok(false) };
        let store = self.store.organization(place.organization.id).await?;
        let other = store.find_user_by_name_key(&scim::fold(name.as_str())).await?;
        Ok(other.is_some_and(|other| other.id != place.user.id))
    }

    /// A new primary address waits for its proof, unless the organization's rules say it counts at once.
    async fn plan_email(&self, person: &Person, email: Option<&Email>) -> Result<EmailPlan, Error> {
        let Some(email) = email else { return Ok(EmailPlan::Nothing) };
        let known = self.store.identity().list_emails(person.account.id).await?;
        match known.into_iter().find(|known| known.key == email.key()) {
            Some(own) if own.is_primary => return Ok(EmailPlan::Nothing),
            Some(own) if own.verified.is_some() => return Ok(EmailPlan::Known(own)),
            _ => {}
        }
        let new = self.plan_address(person.account.id, &person.user, email, EmailSource::Oneself, true).await?;
        Ok(if person.policy.email_change_is_immediate {
            EmailPlan::AtOnce(new.primary())
        } else {
            EmailPlan::Waits(new)
        })
    }

    async fn save_profile(
        &self,
        caller: &Caller,
        person: &Person,
        users: &[(OrganizationId, User, User)],
        plan: &EmailPlan,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        let identity = self.store.identity();
        let account = identity.find_account(person.account.id).await?.ok_or(Error::Unauthenticated)?;
        let known = identity.list_emails(person.account.id).await?;
        let events = self.events_elsewhere(caller, Some(person.organization.id), users);
        let mut change = EmailChange { users: users.to_vec(), events, ..EmailChange::default() };
        let mut mails = Vec::new();
        if let EmailPlan::Waits(new) | EmailPlan::AtOnce(new) = plan {
            new.add_to(&mut change);
            mails.push(new.mail.clone());
        }
        if let Some(primary) = plan.now() {
            for email in known.iter().filter(|email| email.id != primary.id && email.is_primary) {
                change.changed.push((email, EmailAddress { is_primary: false, ..email.changed(now) }));
            }
        }
        if let Some((notice, new)) = plan.notice() {
            mails.extend(self.tell_owner(person.account.id, notice, caller.origin(), Some(new)).await?);
        }
        if let EmailPlan::Known(primary) = plan {
            let after = EmailAddress { is_primary: true, becomes_primary: false, ..primary.changed(now) };
            change.changed.push((primary, after));
        }
        change.mails = &mails;
        let kind = if plan.now().is_some() { EventKind::EmailChanged } else { EventKind::UserUpdated };
        let here = users.iter().find(|(organization, ..)| *organization == person.organization.id);
        let event = AuditEvent {
            changed: here
                .map(|(_, before, after)| Change::of_user(Some(before.clone()), Some(after.clone())).changed())
                .unwrap_or_default(),
            ..self.event(caller, kind, ("user", person.user.id.to_string()))
        };
        self.store.change_emails(Some(person.organization.id), &account, &change, &event).await?;
        self.mail_waits();
        Ok(())
    }

    /// Whether the person may take themselves out: not the last owner, not whom a directory keeps (S3-18).
    async fn check_may_leave(&self, store: &crate::store::OrganizationStore, person: &Person) -> Result<(), Error> {
        if let Some(directory) = person.user.directory
            && let Some(directory) = store.find_directory(directory).await?
        {
            let message = format!("the directory {} keeps you here", directory.name);
            return Err(Refusal::new(Code::ManagedByDirectory, message).with("owner", directory.name).into());
        }
        if role::owns(&person.grants) && store.count_other_owners(person.user.id).await? == 0 {
            return Err(Refusal::new(Code::LastOwner, "the organization would have no owner").into());
        }
        Ok(())
    }

    async fn hold_oneself(&self, caller: &Caller, before: &User) -> Result<User, Error> {
        let now = self.clock.now();
        let hold = Hold { by: Some(before.id), since: now, reason: None };
        let after = User { hold: Some(hold), ..before.next(self.writer(caller)) };
        let Actor::Person(person) = caller.actor() else { return Err(Error::Unauthenticated) };
        let change = Change::of_user(Some(before.clone()), Some(after.clone()));
        let event = AuditEvent {
            consequences: change.consequences.clone(),
            ..self.event(caller, EventKind::UserDisabled, ("user", before.id.to_string()))
        };
        let store = self.store.organization(person.organization.id).await?;
        store.update_user(before, &after, OwnerWatch::Users(&[before.id]), &event).await?;
        Ok(after)
    }

    /// Notes that the first steps are done (S2-19).
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `PROTECTED_ACCOUNT` for whoever is no person.
    pub async fn complete_onboarding(&self, caller: &Caller) -> Result<User, Error> {
        let person = caller.require_person()?;
        if !person.account.onboarded {
            let event = self.event(caller, EventKind::Onboarded, ("user", person.user.id.to_string()));
            self.store.set_onboarded(person.organization.id, person.account.id, true, &event).await?;
        }
        Ok(person.user.clone())
    }

    /// Changes one's own preferences (S4-18).
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `VALIDATION_FAILED`, `LIMIT_EXCEEDED`, `VERSION_CONFLICT`.
    pub async fn update_my_settings(
        &self,
        caller: &Caller,
        edit: &SettingsEdit,
        if_version: Option<i64>,
    ) -> Result<Settings, Error> {
        caller.require_member()?;
        OnlyPeople::Settings.check(caller)?;
        let person = caller.require_person()?;
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            match self.try_update_settings(caller, person, edit, if_version).await {
                Err(Error::Busy) if attempts.again().await => {}
                outcome => return outcome,
            }
        }
    }

    async fn try_update_settings(
        &self,
        caller: &Caller,
        person: &Person,
        edit: &SettingsEdit,
        if_version: Option<i64>,
    ) -> Result<Settings, Error> {
        let found = self.store.identity().find_account(person.account.id).await?;
        let before = found.ok_or(Error::Unauthenticated)?.settings;
        if if_version.is_some_and(|version| u64::try_from(version) != Ok(before.version)) {
            let refusal = Refusal::new(Code::VersionConflict, "they changed since you read them").at("ifVersion");
            return Err(refusal.with("currentVersion", before.version).into());
        }
        let after = before.edited(edit, self.clock.now())?;
        if after.version == before.version {
            return Ok(after);
        }
        let event = self.event(caller, EventKind::SettingsUpdated, ("user", person.user.id.to_string()));
        self.store.update_settings(person.organization.id, person.account.id, &before, &after, &event).await?;
        Ok(after)
    }

    /// Leaves the current organization: the membership and what hangs on it end, the account stays.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `STEP_UP_REQUIRED`, `LAST_OWNER`, `MANAGED_BY_DIRECTORY`, `NOT_MANAGED_ACCOUNT`.
    pub async fn leave_organization(&self, caller: &Caller) -> Result<OrganizationId, Error> {
        let (person, _) = caller.require_fresh_login(self.clock.now())?;
        let organization = person.organization.id;
        if person.account.managed_by == Some(organization) {
            let message = "this organization manages your account: an administrator has to remove it";
            return Err(Refusal::new(Code::NotManagedAccount, message).into());
        }
        let store = self.store.organization(organization).await?;
        self.check_may_leave(&store, person).await?;
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            let Some(user) = store.find_user(person.user.id).await? else { return Ok(organization) };
            let event = AuditEvent {
                consequences: vec![Consequence::AccessEnded],
                ..self.event(caller, EventKind::MembershipRemoved, ("user", user.id.to_string()))
            };
            let departure = Departure {
                user: &user,
                remains: Remains::Nothing,
                account: AccountEnd::Kept,
                watch: OwnerWatch::Users(&[user.id]),
                mails: &[],
            };
            match self.store.remove_user(organization, &departure, &event).await.map_err(Error::from) {
                Ok(()) => return Ok(organization),
                Err(Error::Busy) if attempts.again().await => {}
                Err(error) => return Err(error),
            }
        }
    }
}
