//! People as administrators edit them.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::Service;
use super::attempts::Attempts;
use super::emails::NewAddress;
use super::mail_rates::{MailAsker, MailPurpose};
use super::passwords::masked;
use super::profile::{UpdateMe, signs_in_as_address};
use super::references::{NOT_JOINED, UserRef, check_version};
use crate::domain::account::{
    Account, Edit, EmailAddress, EmailSource, PasswordState, SettingsEdit, check_locale, check_timezone,
};
use crate::domain::audit::{AuditEvent, Change, EventKind, FieldChange};
use crate::domain::email::Email;
use crate::domain::mail::Notice;
use crate::domain::profile::{ProfileEdit, ProfileField};
use crate::domain::user::{User, UserDraft};
use crate::domain::user_name::UserName;
use crate::domain::{AccountId, Caller, Code, EmailId, Error, OrganizationId, Permission, Refusal};
use crate::store::{EmailChange, OrganizationStore, SealedMail};

/// A change of somebody else.
#[derive(Clone, Debug, Default)]
pub struct UserUpdate {
    /// Their id, as a safeguard.
    pub id: Option<String>,
    /// The version that was read.
    pub if_version: Option<i64>,
    /// Values; name and address aside.
    pub profile: ProfileEdit,
    /// The user name wanted.
    pub user_name: Option<String>,
    /// The primary address wanted.
    pub email: Option<String>,
    /// Language and region of the profile.
    pub locale: Edit<String>,
    /// Time zone of the profile.
    pub timezone: Edit<String>,
    /// Whether the person is to control the account.
    pub external: Option<bool>,
    /// Whether the first steps are done.
    pub onboarded: Option<bool>,
    /// Preferences.
    pub settings: Option<SettingsEdit>,
}

/// Whom an edit is about.
enum Whose {
    /// The caller.
    Own(UpdateMe),
    /// Somebody else, or what of the caller `updateMe` does not change.
    Anothers(UserUpdate),
}

impl UserUpdate {
    /// Whether it is about what `updateMe` changes too.
    fn is_about_profile(&self) -> bool {
        !self.profile.fields().is_empty()
            || self.user_name.is_some()
            || self.email.is_some()
            || self.onboarded.is_some()
    }
}

impl Service {
    /// Edits somebody else (S0-25, S3-19), all or nothing; oneself as `updateMe` does.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::UserAccessManage`]; [`Error::Taken`]; [`Error::Refused`] with the codes
    /// of `updateUser`.
    pub async fn update_user(&self, caller: &Caller, who: &UserRef, update: UserUpdate) -> Result<User, Error> {
        caller.require(Permission::UserAccessManage)?;
        match self.about_oneself(caller, who, update).await? {
            Whose::Own(update) => Ok(self.update_me(caller, update).await?.user),
            Whose::Anothers(update) => self.update_another(caller, who, update).await,
        }
    }

    /// What `updateMe` does, whichever way it is asked for: with its proofs and everywhere. Preferences, place and account
    /// type beside it are not part of that.
    async fn about_oneself(&self, caller: &Caller, who: &UserRef, update: UserUpdate) -> Result<Whose, Error> {
        let Some(person) = caller.as_person() else { return Ok(Whose::Anothers(update)) };
        let store = self.store.organization(person.organization.id).await?;
        let found = self.find_user(caller, &store, who).await;
        if !found.is_ok_and(|user| user.id == person.user.id) {
            return Ok(Whose::Anothers(update));
        }
        if update.settings.is_some()
            || update.external.is_some()
            || update.locale.is_change()
            || update.timezone.is_change()
        {
            if update.is_about_profile() {
                let message = "of oneself, change profile and address apart from the rest";
                return Err(Refusal::new(Code::InvalidArgumentCombination, message).into());
            }
            return Ok(Whose::Anothers(update));
        }
        Ok(Whose::Own(UpdateMe {
            id: update.id,
            if_version: update.if_version,
            profile: update.profile,
            user_name: update.user_name,
            email: update.email,
            onboarded: update.onboarded,
            ..UpdateMe::default()
        }))
    }

    async fn update_another(&self, caller: &Caller, who: &UserRef, update: UserUpdate) -> Result<User, Error> {
        let mut update = update;
        if let Some(name) = &update.user_name {
            update.profile.user_name = Some(UserName::parse(name, &self.settings.reserved_names)?);
        }
        update.profile.check()?;
        for (edit, check) in [(&update.locale, check_locale as fn(&str) -> _), (&update.timezone, check_timezone)] {
            if let Edit::Set(text) = edit {
                check(text)?;
            }
        }
        let email = update.email.as_deref().map(Email::parse).transpose()?;
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            match self.try_update_user(caller, who, &update, email.as_ref()).await {
                Err(Error::Busy) if attempts.again().await => {}
                outcome => return outcome,
            }
        }
    }

    async fn try_update_user(
        &self,
        caller: &Caller,
        who: &UserRef,
        update: &UserUpdate,
        email: Option<&Email>,
    ) -> Result<User, Error> {
        let organization = caller.require(Permission::UserAccessManage)?;
        let (store, before) = self.find_managed(caller, who, Permission::UserAccessManage, None).await?;
        if update.id.as_ref().is_some_and(|id| *id != before.id.to_string()) {
            return Err(Refusal::new(Code::IdMismatch, "that is not the id of this user").at("id").into());
        }
        check_version(before.version, update.if_version)?;
        let account = match self.managed_account(caller, &before).await? {
            Some(id) => self.store.identity().find_account(id).await?,
            None => None,
        };
        self.check_editable(&before, organization, &update.profile, email.is_some()).await?;
        self.check_provider(organization, &before, &update.profile, email.is_some()).await?;
        if account.is_none()
            && let Some(field) = field_of_account(update)
        {
            return Err(Refusal::new(Code::ValidationFailed, NOT_JOINED).at(field).into());
        }
        let writer = self.writer(caller);
        let mut after = before.edited(&update.profile, writer)?;
        after = localized(after, update, writer)?;
        let mut fields = Vec::new();
        let mut change = EmailChange::default();
        if let Some(external) = update.external {
            fields.extend(Self::account_type_change(account.as_ref(), organization, external)?);
            if external != after.external {
                after = User { external, ..after.next(writer) };
            }
            change.released = external && account.as_ref().is_some_and(|found| found.managed_by == Some(organization));
        }
        let mut mails: Vec<SealedMail> = Vec::new();
        let known = match &account {
            Some(account) => self.store.identity().list_emails(account.id).await?,
            None => Vec::new(),
        };
        let plan = match email {
            Some(email) => self.plan_switch(&store, &before, account.as_ref(), &known, email).await?,
            None => Switch::Stays,
        };
        // A token is no proof of an address: the one that it names waits for its own.
        let plan = if caller.as_program().is_some() { plan } else { plan.at_once() };
        if account.is_some() && (plan.is_change() || signs_in_as_address(&before, &update.profile)) {
            caller.require_fresh(Permission::UserCredentialsManage, self.clock.now())?;
        }
        if let (true, Some(email)) = (plan.is_new(), email) {
            self.mail_rates.take(MailPurpose::Verification, &MailAsker::managing(caller), email.key())?;
        }
        if let Some(address) = plan.address(email) {
            let edit = ProfileEdit { email: Some(address.to_owned()), ..ProfileEdit::default() };
            after = after.edited(&edit, writer)?;
        }
        if after.version > before.version {
            // However many fields: one edit, one version.
            after.version = before.version + 1;
        }
        plan.add_to(self.clock.now(), &mut change, &mut mails, &known);
        if let (Some(account), Some((notice, new))) = (&account, plan.notice()) {
            mails.extend(self.tell_owner(account.id, notice, caller.origin(), Some(new)).await?);
        }
        let settings = match (&account, &update.settings) {
            (Some(account), Some(edit)) => Some((account.settings.clone(), account.settings.edited(edit, writer.now)?)),
            _ => None,
        };
        change.settings =
            settings.as_ref().map(|(before, after)| (before, after)).filter(|(before, after)| before != after);
        change.onboarded =
            update.onboarded.filter(|wanted| account.as_ref().is_some_and(|account| account.onboarded != *wanted));
        if after == before && change.is_nothing() {
            return Ok(before);
        }
        if let Some(account) = &account {
            mails.extend(self.profile_notice(account).await?);
        }
        let kind = match plan {
            Switch::Waits(_) => EventKind::EmailAdded,
            Switch::OnlyHere | Switch::Known(_) | Switch::New(_) => EventKind::EmailChanged,
            Switch::Stays => EventKind::UserUpdated,
        };
        let user_change = Change::of_user(Some(before.clone()), Some(after.clone()));
        fields.extend(user_change.fields());
        if change.settings.is_some() {
            fields.push(FieldChange { field: "settings".to_owned(), before: None, after: None });
        }
        let event = self.event_about(caller, kind, &before, fields, None);
        if let Some(account) = &account {
            self.save_update(organization, account, (&before, &after), change, &mails, &event).await?;
        } else {
            let given_up = self.invitations_given_up(caller, &store, &before, &after).await?;
            store.update_user_with(&before, &after, &given_up, crate::store::OwnerWatch::Nobody, &event).await?;
        }
        self.mail_waits();
        Ok(after)
    }

    async fn save_update(
        &self,
        organization: OrganizationId,
        account: &Account,
        (before, after): (&User, &User),
        mut change: EmailChange<'_>,
        mails: &[SealedMail],
        event: &AuditEvent,
    ) -> Result<(), Error> {
        if before != after {
            change.users.push((organization, before.clone(), after.clone()));
        }
        let change = EmailChange { mails, ..change };
        Ok(self.store.change_emails(Some(organization), account, &change, event).await?)
    }

    /// Refuses fields that a login provider of this organization keeps: they are changed there (S1-05, S2-24, S2-25). Names
    /// each of them.
    pub(super) async fn check_provider(
        &self,
        organization: OrganizationId,
        user: &User,
        edit: &ProfileEdit,
        email: bool,
    ) -> Result<(), Error> {
        let Some(account) = user.account else { return Ok(()) };
        let fields = email.then_some(ProfileField::Email).into_iter().chain(edit.fields());
        let fields: Vec<ProfileField> = fields.filter(|field| field.is_providers()).collect();
        if fields.is_empty() {
            return Ok(());
        }
        match self.provider_of(organization, account).await? {
            Some(provider) => {
                Err(Error::Refused(fields.iter().map(|field| kept_by_provider(&provider, field.as_str())).collect()))
            }
            None => Ok(()),
        }
    }

    /// The login provider of this organization that keeps name and address of an account.
    pub(super) async fn provider_of(
        &self,
        organization: OrganizationId,
        account: AccountId,
    ) -> Result<Option<String>, Error> {
        let linked = self.store.identity().list_external_identities(&[account]).await?;
        let own = linked.into_iter().find(|identity| identity.organization == organization);
        Ok(own.map(|identity| identity.connection))
    }

    /// The login provider that keeps the primary address of a person who acts in this organization. Of an account without a
    /// password the address is the provider's in every organization, because nothing else proves who the person is; an
    /// account that also has one may change it where no provider keeps it (S1-05).
    pub(super) async fn keeper_of_address(
        &self,
        organization: OrganizationId,
        account: AccountId,
        password: Option<PasswordState>,
    ) -> Result<Option<String>, Error> {
        let linked = self.store.identity().list_external_identities(&[account]).await?;
        let here = linked.iter().find(|identity| identity.organization == organization);
        let keeper = here.or(linked.first().filter(|_| password.is_none()));
        Ok(keeper.map(|identity| identity.connection.clone()))
    }

    /// A new primary address waits for its proof; one's own verified one stays verified.
    async fn plan_switch(
        &self,
        store: &OrganizationStore,
        user: &User,
        account: Option<&Account>,
        known: &[EmailAddress],
        email: &Email,
    ) -> Result<Switch, Error> {
        let own = known.iter().find(|known| known.key == email.key());
        if own.is_some_and(|own| own.is_primary) || (account.is_none() && has_address(user, email)) {
            return Ok(Switch::Stays);
        }
        let others = store.find_users_by_email(&scim::fold(email.as_str()), 2).await?;
        if others.iter().any(|other| other.id != user.id) {
            return Err(Refusal::new(Code::EmailTaken, "a user here has that address").at("email").into());
        }
        match (account, own) {
            (None, _) => Ok(Switch::OnlyHere),
            (Some(_), Some(own)) if own.verified.is_some() => Ok(Switch::Known(own.clone())),
            (Some(account), _) => {
                let new = self.plan_address(account.id, user, email, EmailSource::Admin, true).await?;
                Ok(Switch::Waits(Box::new(new)))
            }
        }
    }

    /// Edits the profile part of a user (S4-08); of oneself with [`Permission::UserSelfProfileWrite`].
    ///
    /// # Errors
    ///
    /// As [`Service::update_user`].
    pub async fn update_user_profile(&self, caller: &Caller, who: &UserRef, update: UserUpdate) -> Result<User, Error> {
        caller.require_member()?;
        match self.about_oneself(caller, who, update).await? {
            Whose::Own(update) => Ok(self.update_me(caller, update).await?.user),
            Whose::Anothers(update) => {
                caller.require(Permission::UserAccessManage)?;
                self.update_another(caller, who, update).await
            }
        }
    }
}

/// The refusal of a change that is a login provider's.
pub(super) fn managed_by_connection(provider: &str, field: &'static str) -> Error {
    kept_by_provider(provider, field).into()
}

fn kept_by_provider(provider: &str, field: &'static str) -> Refusal {
    let message = format!("{provider} keeps this: change it there");
    Refusal::new(Code::ManagedByConnection, message).at(field).with("owner", provider)
}

fn has_address(user: &User, email: &Email) -> bool {
    user.directory_email().is_some_and(|known| crate::domain::email::lookup_key(known) == email.key())
}

fn localized(user: User, update: &UserUpdate, writer: crate::domain::user::Writer) -> Result<User, Error> {
    let mut attributes = user.attributes.clone();
    for (name, edit) in [("locale", &update.locale), ("timezone", &update.timezone)] {
        match edit {
            Edit::Keep => {}
            Edit::Clear => drop(attributes.attributes_mut().remove(name)),
            Edit::Set(text) => drop(attributes.attributes_mut().insert(name.to_owned(), json!(text))),
        }
    }
    Ok(user.with_attributes(UserDraft::new(attributes)?, writer))
}

/// What becomes of a primary address that an administrator changes.
enum Switch {
    /// It stays.
    Stays,
    /// There is no account: only the organization's record changes.
    OnlyHere,
    /// It is one that was proven before.
    Known(EmailAddress),
    /// It is a new one, unproven.
    New(Box<NewAddress>),
    /// It will be a new one, once that is proven.
    Waits(Box<NewAddress>),
}

impl Switch {
    /// The same, with a new address that counts before it is proven.
    fn at_once(self) -> Self {
        match self {
            Self::Waits(new) => Self::New(Box::new(new.primary())),
            other => other,
        }
    }

    fn is_change(&self) -> bool {
        !matches!(self, Self::Stays)
    }

    /// Whether a link to prove a new address goes out.
    fn is_new(&self) -> bool {
        matches!(self, Self::New(_) | Self::Waits(_))
    }

    fn address<'a>(&'a self, wanted: Option<&'a Email>) -> Option<&'a str> {
        match self {
            Self::Stays | Self::Waits(_) => None,
            Self::OnlyHere => wanted.map(Email::as_str),
            Self::Known(email) => Some(&email.address),
            Self::New(new) => Some(&new.email.address),
        }
    }

    /// Word of it for the addresses there are, and the address that it is about.
    fn notice(&self) -> Option<(Notice, EmailId)> {
        match self {
            Self::Stays | Self::OnlyHere => None,
            Self::Known(email) => Some((Notice::PrimaryEmailChanged { to: masked(&email.address) }, email.id)),
            Self::New(new) => Some((Notice::PrimaryEmailChanged { to: masked(&new.email.address) }, new.email.id)),
            Self::Waits(new) => Some((Notice::AddressAdded { address: masked(&new.email.address) }, new.email.id)),
        }
    }

    fn add_to<'a>(
        &'a self,
        now: DateTime<Utc>,
        change: &mut EmailChange<'a>,
        mails: &mut Vec<SealedMail>,
        known: &'a [EmailAddress],
    ) {
        let primary = match self {
            Self::Stays | Self::OnlyHere => return,
            Self::Waits(new) => {
                new.add_to(change);
                mails.push(new.mail.clone());
                return;
            }
            Self::Known(email) => {
                let stored = known.iter().find(|known| known.id == email.id);
                let after = EmailAddress { is_primary: true, becomes_primary: false, ..email.changed(now) };
                change.changed.extend(stored.map(|before| (before, after)));
                email
            }
            Self::New(new) => {
                new.add_to(change);
                mails.push(new.mail.clone());
                &new.email
            }
        };
        for old in known.iter().filter(|old| old.is_primary && old.id != primary.id) {
            change.changed.push((old, EmailAddress { is_primary: false, ..old.changed(now) }));
        }
    }
}

/// The field that was sent and that only an account can keep, if any.
fn field_of_account(update: &UserUpdate) -> Option<&'static str> {
    let settings = update.settings.is_some().then_some("settings");
    settings.or(update.onboarded.is_some().then_some("isOnboarded"))
}
