//! Addresses of a person: adding, proving, choosing the primary one, removing.

use chrono::TimeDelta;
use serde_json::json;

use super::Service;
use super::attempts::Attempts;
use super::editing::managed_by_connection;
use super::mail_rates::{MailAsker, MailPurpose};
use super::passwords::{bad_link, home_of, masked, users_of};
use super::references::{NOT_JOINED, UserRef};
use crate::domain::account::{Account, EmailAddress, EmailSource, MOST_EMAILS};
use crate::domain::actor::{Nobody, Person};
use crate::domain::audit::EventKind;
use crate::domain::email::Email;
use crate::domain::login::Origin;
use crate::domain::mail::{Letter, Notice};
use crate::domain::profile::ProfileField;
use crate::domain::token::{BearerSecret, SecretKind};
use crate::domain::user::User;
use crate::domain::{AccountId, Caller, Code, EmailId, Error, Permission, Refusal};
use crate::store::{EmailChange, OneTime, Purpose, SealedMail};

/// How long the link of a verification mail works.
const VERIFY_LIFETIME: TimeDelta = TimeDelta::hours(24);

/// An address that is to come.
pub(super) struct NewAddress {
    /// As it will be.
    pub(super) email: EmailAddress,
    /// As it is, if it was there unverified.
    pub(super) before: Option<EmailAddress>,
    /// Those that were to become primary, and no longer are.
    given_up: Vec<(EmailAddress, EmailAddress)>,
    secret: BearerSecret,
    link: OneTime,
    /// What goes out with it.
    pub(super) mail: SealedMail,
}

impl NewAddress {
    /// The same address, as the primary one at once.
    pub(super) fn primary(self) -> Self {
        Self { email: EmailAddress { is_primary: true, becomes_primary: false, ..self.email }, ..self }
    }

    /// Lets it come with this change.
    pub(super) fn add_to<'a>(&'a self, change: &mut EmailChange<'a>) {
        match &self.before {
            None => change.added = Some(&self.email),
            Some(before) => change.changed.push((before, self.email.clone())),
        }
        change.changed.extend(self.given_up.iter().map(|(before, after)| (before, after.clone())));
        change.secret = Some((&self.secret, self.link.clone()));
    }
}

fn no_such_address() -> Error {
    Refusal::new(Code::NotFound, "no such address").at("emailId").into()
}

impl Service {
    /// The addresses of the person who asks, primary first.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`].
    pub async fn list_my_emails(&self, caller: &Caller) -> Result<Vec<EmailAddress>, Error> {
        let person = caller.require_signed_in()?;
        Ok(self.store.identity().list_emails(person.account.id).await?)
    }

    /// Adds an address and mails a link to verify it (S0-10). Where it belongs to somebody else the answer is the same,
    /// and its owner is told instead. The verified addresses there are get a notice.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `STEP_UP_REQUIRED`, `INVALID_EMAIL`, `EMAIL_TAKEN`, `LIMIT_EXCEEDED`, `RATE_LIMITED`; for
    /// somebody else `NOT_FOUND`, `NOT_MANAGED_ACCOUNT`, `INSUFFICIENT_RANK`; [`Error::Forbidden`].
    pub async fn add_email(
        &self,
        caller: &Caller,
        who: Option<&UserRef>,
        address: &str,
    ) -> Result<EmailAddress, Error> {
        caller.require_person()?;
        let email = Email::parse(address)?;
        let user = self.find_target(caller, who, Permission::UserAccessManage).await?;
        // An added address can take the account over.
        let person = caller.require_fresh_login(self.clock.now())?.0.clone();
        let (account, source, asker) = if user.id == person.user.id {
            (person.account.id, EmailSource::Oneself, MailAsker::Account(person.account.id))
        } else {
            caller.require_fresh(Permission::UserCredentialsManage, self.clock.now())?;
            let account = self.managed_account(caller, &user).await?;
            let missing = || Refusal::new(Code::IllegalTransition, NOT_JOINED).at("user");
            self.check_address_free(&self.store.organization(person.organization.id).await?, &email).await?;
            (account.ok_or_else(missing)?, EmailSource::Admin, MailAsker::managing(caller))
        };
        self.mail_rates.take(MailPurpose::Verification, &asker, email.key())?;
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            match self.try_add_email(caller, account, &user, &email, source).await {
                Err(Error::Busy) if attempts.again().await => {}
                outcome => return outcome,
            }
        }
    }

    async fn try_add_email(
        &self,
        caller: &Caller,
        account: AccountId,
        user: &User,
        email: &Email,
        source: EmailSource,
    ) -> Result<EmailAddress, Error> {
        let new = self.plan_address(account, user, email, source, false).await?;
        let mut mails = vec![new.mail.clone()];
        let notice = Notice::AddressAdded { address: masked(&new.email.address) };
        mails.extend(self.tell_owner(account, notice, caller.origin(), Some(new.email.id)).await?);
        let mut change = EmailChange { mails: &mails, ..EmailChange::default() };
        new.add_to(&mut change);
        let event = self.event(caller, EventKind::EmailAdded, ("user", user.id.to_string()));
        let known_account = self.store.identity().find_account(account).await?.ok_or(Error::Unauthenticated)?;
        let home = caller.as_person().map(|person| person.organization.id);
        self.store.change_emails(home, &known_account, &change, &event).await?;
        self.mail_waits();
        Ok(new.email)
    }

    /// An address that is to come, and the mail that goes out with it; `becomes_primary`: once it is verified.
    pub(super) async fn plan_address(
        &self,
        account: AccountId,
        user: &User,
        email: &Email,
        source: EmailSource,
        becomes_primary: bool,
    ) -> Result<NewAddress, Error> {
        let identity = self.store.identity();
        let mut known = identity.list_emails(account).await?;
        let before = known.iter().position(|known| known.key == email.key()).map(|index| known.swap_remove(index));
        if before.as_ref().is_some_and(|before| !becomes_primary || before.verified.is_some()) {
            return Err(Refusal::new(Code::EmailTaken, "that address is there already").at("email").into());
        }
        if before.is_none() && known.len() >= MOST_EMAILS {
            let refusal = Refusal::new(Code::LimitExceeded, "a person has at most 10 addresses").at("email");
            return Err(refusal.with("limit", MOST_EMAILS).into());
        }
        let now = self.clock.now();
        let fresh = || EmailAddress::create(EmailId::new(self.entropy.id(now)), account, email, source, now);
        let wanted = before.as_ref().map_or_else(fresh, |before| before.changed(now));
        let wanted = EmailAddress { becomes_primary, ..wanted };
        let secret = self.secret(SecretKind::Verify);
        let somebody_elses = identity.find_verified_email(email.key()).await?.filter(|other| other.account != account);
        let letter = match &somebody_elses {
            Some(_) => Letter::EmailInUse,
            None => {
                Letter::VerifyEmail { token: secret.expose().to_owned(), organization: self.maker_of(&wanted).await? }
            }
        };
        let to = somebody_elses.as_ref().map_or(email.as_str(), |other| other.address.as_str());
        // Whose it is already is told that somebody tried, and nothing of who.
        let name = if somebody_elses.is_some() { "" } else { user.display_name() };
        let mail = self.seal_mail(to, name, letter)?;
        let link = self.verification(&wanted);
        // The latest wish counts: an address that was to become primary before no longer is.
        let given_up = known.into_iter().filter(|known| becomes_primary && known.becomes_primary);
        let given_up = given_up
            .map(|before| {
                let after = EmailAddress { becomes_primary: false, ..before.changed(now) };
                (before, after)
            })
            .collect();
        Ok(NewAddress { email: wanted, before, given_up, secret, link, mail })
    }

    fn verification(&self, email: &EmailAddress) -> OneTime {
        let now = self.clock.now();
        OneTime {
            purpose: Purpose::Verify,
            account: Some(email.account),
            organization: None,
            subject: Some(email.id.uuid()),
            details: json!({}),
            tries_left: 1,
            created: now,
            expires: now + VERIFY_LIFETIME,
            used: None,
        }
    }

    /// The organization that manages the account, where an administrator brought the address: the person is told whose it is.
    async fn maker_of(&self, email: &EmailAddress) -> Result<Option<String>, Error> {
        if email.source != EmailSource::Admin {
            return Ok(None);
        }
        let account = self.store.identity().find_account(email.account).await?;
        match account.and_then(|account| account.managed_by) {
            Some(organization) => Ok(Some(self.organization(organization).await?.name)),
            None => Ok(None),
        }
    }

    /// The mail that lets somebody prove an address, and its secret. `maker`: the organization that made the account.
    pub(super) fn verification_mail(
        &self,
        email: &EmailAddress,
        name: &str,
        maker: Option<String>,
    ) -> Result<(BearerSecret, OneTime, SealedMail), Error> {
        let secret = self.secret(SecretKind::Verify);
        let letter = Letter::VerifyEmail { token: secret.expose().to_owned(), organization: maker };
        let mail = self.seal_mail(&email.address, name, letter)?;
        Ok((secret, self.verification(email), mail))
    }

    async fn own_email(&self, person: &Person, id: EmailId) -> Result<(Account, EmailAddress), Error> {
        let found = self.store.identity().find_email(id).await?.filter(|email| email.account == person.account.id);
        if found.is_none() && person.user.has_directory_address(id, None) {
            self.check_not_claimed(person, ProfileField::Email, "emailId").await?;
        }
        let account = self.store.identity().find_account(person.account.id).await?.ok_or(Error::Unauthenticated)?;
        Ok((account, found.ok_or_else(no_such_address)?))
    }

    /// Mails a new link for an unverified address; the one before stops working.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `STEP_UP_REQUIRED`, `NOT_FOUND`, `ILLEGAL_TRANSITION`, `RATE_LIMITED`.
    pub async fn resend_email_verification(&self, caller: &Caller, id: EmailId) -> Result<EmailAddress, Error> {
        caller.require_person()?;
        let (person, _) = caller.require_fresh_login(self.clock.now())?;
        let (account, email) = self.own_email(person, id).await?;
        if email.verified.is_some() {
            return Err(Refusal::new(Code::IllegalTransition, "that address is verified already").at("emailId").into());
        }
        self.mail_rates.take(MailPurpose::Verification, &MailAsker::Account(person.account.id), &email.key)?;
        let secret = self.secret(SecretKind::Verify);
        let taken = self.store.identity().find_verified_email(&email.key).await?;
        let letter = match &taken {
            Some(_) => Letter::EmailInUse,
            None => {
                Letter::VerifyEmail { token: secret.expose().to_owned(), organization: self.maker_of(&email).await? }
            }
        };
        let to = taken.as_ref().map_or(email.address.as_str(), |other| other.address.as_str());
        let name = if taken.is_some() { "" } else { person.user.display_name() };
        let mails = [self.seal_mail(to, name, letter)?];
        let change =
            EmailChange { secret: Some((&secret, self.verification(&email))), mails: &mails, ..EmailChange::default() };
        let event = self.event(caller, EventKind::VerificationSent, ("user", person.user.id.to_string()));
        self.store.change_emails(Some(person.organization.id), &account, &change, &event).await?;
        self.mail_waits();
        Ok(email)
    }

    /// Which address the link of a verification mail would prove; asking uses nothing up (IN-10).
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `TOKEN_INVALID`, `TOKEN_EXPIRED`, `TOKEN_USED`.
    pub async fn check_verification_link(&self, token: &str) -> Result<EmailAddress, Error> {
        let secret = BearerSecret::parse(SecretKind::Verify, token).ok_or_else(|| bad_link(Code::TokenInvalid))?;
        self.address_of_link(&secret).await
    }

    async fn address_of_link(&self, secret: &BearerSecret) -> Result<EmailAddress, Error> {
        let link = self.open_link(Purpose::Verify, secret).await?;
        let id = link.subject.map(EmailId::new).ok_or_else(|| bad_link(Code::TokenInvalid))?;
        self.store.identity().find_email(id).await?.ok_or_else(|| bad_link(Code::TokenInvalid))
    }

    /// Proves an address with the token of a verification mail; completes a change of address that waited for it.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `TOKEN_INVALID`, `TOKEN_EXPIRED`, `TOKEN_USED`, `EMAIL_TAKEN`.
    pub async fn verify_email(&self, token: &str, origin: &Origin) -> Result<EmailAddress, Error> {
        let secret = BearerSecret::parse(SecretKind::Verify, token).ok_or_else(|| bad_link(Code::TokenInvalid))?;
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            match self.try_verify(&secret, origin).await {
                Err(Error::Busy) if attempts.again().await => {}
                outcome => return outcome,
            }
        }
    }

    async fn try_verify(&self, secret: &BearerSecret, origin: &Origin) -> Result<EmailAddress, Error> {
        let before = self.address_of_link(secret).await?;
        let now = self.clock.now();
        let credentials = self.credentials(before.account).await.map_err(|_| bad_link(Code::TokenInvalid))?;
        let emails = self.store.identity().list_emails(before.account).await?;
        let old_primary = emails.iter().find(|email| email.is_primary && email.id != before.id);
        let becomes_primary = before.becomes_primary || (old_primary.is_none() && !before.is_primary);
        let after = EmailAddress {
            verified: Some(now),
            is_primary: before.is_primary || becomes_primary,
            becomes_primary: false,
            ..before.changed(now)
        };
        let mut changed = vec![(&before, after.clone())];
        let address = masked(&after.address);
        let notice = if becomes_primary {
            Notice::PrimaryEmailChanged { to: address }
        } else {
            Notice::AddressProven { address }
        };
        let mut mails = self.tell_owner(before.account, notice, origin, Some(before.id)).await?;
        if let Some(old) = old_primary.filter(|_| becomes_primary) {
            changed.push((old, EmailAddress { is_primary: false, ..old.changed(now) }));
        }
        // The maker of the account knows its credentials: the person who proves its first address chooses new ones.
        let is_made = before.source == EmailSource::Admin || credentials.account.managed_by.is_some();
        let is_first = is_made && emails.iter().all(|email| email.verified.is_none());
        let has_password = credentials.password.is_some();
        let dropped = (has_password && is_first).then(|| self.reset_link(before.account, None));
        if let Some((reset, _)) = &dropped {
            let letter = Letter::ResetPassword { token: reset.expose().to_owned() };
            mails.push(self.seal_mail(&after.address, "", letter)?);
        }
        // Organizations that took it unproven have it already, the others get it now.
        let users =
            if after.is_primary { self.users_with_primary_email(&credentials, &after).await? } else { Vec::new() };
        let (home, target) = home_of(&credentials);
        let asking = Caller::nobody(Nobody::Unknown, origin.clone());
        let events = self.events_elsewhere(&asking, home, &users);
        let change = EmailChange {
            changed,
            used: Some(secret),
            dropped,
            ending_tokens_of: users_of(&credentials),
            users,
            events,
            mails: &mails,
            ..EmailChange::default()
        };
        let kind = if becomes_primary { EventKind::EmailChanged } else { EventKind::EmailVerified };
        let event = self.public_event(origin, kind, target);
        match self.store.change_emails(home, &credentials.account, &change, &event).await.map_err(Error::from) {
            Ok(()) => {
                self.mail_waits();
                Ok(after)
            }
            Err(Error::Taken(_)) => {
                Err(Refusal::new(Code::EmailTaken, "somebody else has proven that address").at("token").into())
            }
            Err(error) => Err(error),
        }
    }

    /// Removes an address. It and the verified ones that stay get a notice.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `STEP_UP_REQUIRED`, `NOT_FOUND`, `PRIMARY_EMAIL`, `MANAGED_BY_DIRECTORY`,
    /// `MANAGED_BY_CONNECTION`; for somebody else `NOT_MANAGED_ACCOUNT`, `INSUFFICIENT_RANK`; [`Error::Forbidden`].
    pub async fn remove_email(&self, caller: &Caller, id: EmailId) -> Result<User, Error> {
        caller.require_person()?;
        let person = caller.require_fresh_login(self.clock.now())?.0.clone();
        let found = self.store.identity().find_email(id).await?;
        let own = found.as_ref().filter(|email| email.account == person.account.id);
        // Also of an address that the person has proven: a directory that writes it would list it again.
        if (found.is_none() || own.is_some()) && person.user.has_directory_address(id, own.map(|own| own.key.as_str()))
        {
            self.check_not_claimed(&person, ProfileField::Email, "emailId").await?;
        }
        let email = found.ok_or_else(no_such_address)?;
        let user = if email.account == person.account.id {
            match email.source {
                EmailSource::Directory => return Err(managed(Code::ManagedByDirectory)),
                EmailSource::Connection => return Err(managed(Code::ManagedByConnection)),
                EmailSource::Oneself | EmailSource::Admin => person.user.clone(),
            }
        } else {
            let store = self.store.organization(person.organization.id).await?;
            let user = store.find_user_by_account(email.account).await?;
            // Whom the caller may not see has no addresses either.
            let user = user.filter(|_| caller.may(Permission::UserAccessManage)).ok_or_else(no_such_address)?;
            caller.require_fresh(Permission::UserCredentialsManage, self.clock.now())?;
            self.check_rank(caller, &store, &user).await?;
            self.managed_account(caller, &user).await?;
            user
        };
        if email.is_primary {
            let message = "the primary address cannot be removed: make another one primary first";
            return Err(Refusal::new(Code::PrimaryEmail, message).at("emailId").into());
        }
        let account = self.store.identity().find_account(email.account).await?.ok_or_else(no_such_address)?;
        // An address that was never proven let nobody in.
        let mails = match email.verified {
            Some(_) => {
                let notice = Notice::AddressRemoved { address: masked(&email.address) };
                self.tell_owner(account.id, notice, caller.origin(), None).await?
            }
            None => Vec::new(),
        };
        let change = EmailChange { removed: Some(&email), mails: &mails, ..EmailChange::default() };
        let event = self.event(caller, EventKind::EmailRemoved, ("user", user.id.to_string()));
        self.store.change_emails(Some(person.organization.id), &account, &change, &event).await?;
        self.mail_waits();
        Ok(user)
    }

    /// Makes a verified address the primary one, here and in every organization where no directory writes it. All
    /// verified addresses get a notice.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `STEP_UP_REQUIRED`, `NOT_FOUND`, `EMAIL_UNVERIFIED`, `MANAGED_BY_DIRECTORY`,
    /// `MANAGED_BY_CONNECTION`.
    pub async fn set_primary_email(&self, caller: &Caller, id: EmailId) -> Result<EmailAddress, Error> {
        caller.require_person()?;
        let person = caller.require_fresh_login(self.clock.now())?.0.clone();
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            match self.try_set_primary(caller, &person, id).await {
                Err(Error::Busy) if attempts.again().await => {}
                outcome => return outcome,
            }
        }
    }

    async fn try_set_primary(&self, caller: &Caller, person: &Person, id: EmailId) -> Result<EmailAddress, Error> {
        let (account, before) = self.own_email(person, id).await?;
        if before.verified.is_none() {
            return Err(Refusal::new(Code::EmailUnverified, "verify that address first").at("emailId").into());
        }
        self.check_not_claimed(person, ProfileField::Email, "emailId").await?;
        if before.is_primary {
            return Ok(before);
        }
        if let Some(provider) = self.keeper_of_address(person.organization.id, account.id, person.password).await? {
            return Err(managed_by_connection(&provider, "emailId"));
        }
        let now = self.clock.now();
        let emails = self.store.identity().list_emails(account.id).await?;
        let after = EmailAddress { is_primary: true, becomes_primary: false, ..before.changed(now) };
        let mut changed = vec![(&before, after.clone())];
        let old = emails.iter().filter(|email| email.is_primary);
        changed.extend(old.map(|old| (old, EmailAddress { is_primary: false, ..old.changed(now) })));
        let notice = Notice::PrimaryEmailChanged { to: masked(&after.address) };
        let mails = self.tell_owner(account.id, notice, caller.origin(), None).await?;
        let credentials = self.own_credentials(person).await?;
        let users = self.users_with_primary_email(&credentials, &after).await?;
        let events = self.events_elsewhere(caller, Some(person.organization.id), &users);
        let change = EmailChange { changed, users, events, mails: &mails, ..EmailChange::default() };
        let event = self.event(caller, EventKind::PrimaryEmailChanged, ("user", person.user.id.to_string()));
        self.store.change_emails(Some(person.organization.id), &account, &change, &event).await?;
        self.mail_waits();
        Ok(after)
    }
}

fn managed(code: Code) -> Error {
    Refusal::new(code, "whoever brought that address must take it away").at("emailId").into()
}
