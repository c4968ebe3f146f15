//! Passwords: changing one's own, and setting a new one with the link of a mail.

use std::time::Duration;

use secrecy::SecretString;
use serde_json::json;

use super::Service;
use super::attempts::Attempts;
use super::first_password::first_address;
use super::hashing::Payer;
use super::mail_rates::{MailAsker, MailPurpose};
use super::references::{NOT_JOINED, UserRef};
use super::session::NewSession;
use crate::domain::account::{ChangeReason, EmailAddress, EmailSource, PasswordRecord};
use crate::domain::actor::Person;
use crate::domain::audit::{AuditEvent, EventKind, FieldChange};
use crate::domain::credentials::may_receive_reset;
use crate::domain::email::{self, Email};
use crate::domain::login::{AuthMethod, Login, Origin};
use crate::domain::mail::{Letter, Notice};
use crate::domain::password::{Context, Password};
use crate::domain::policy::AccountPolicy;
use crate::domain::second_factor::Authenticator;
use crate::domain::token::{BearerSecret, SecretKind};
use crate::domain::user::User;
use crate::domain::{AccountId, Caller, Code, Error, OrganizationId, Permission, Refusal, RequiredAction, UserId};
use crate::store::{Credentials, LoginEnd, NewTokens, OneTime, PasswordSet, Purpose};

/// A reset link is made when its answer is long given, and other answers are under way: none of them tells of it.
const RESET_WAITS: Duration = Duration::from_millis(250);
/// How long the link of a reset mail works.
const RESET_LIFETIME: chrono::TimeDelta = chrono::TimeDelta::hours(1);

/// What changing a password did.
#[derive(Debug)]
pub struct PasswordChanged {
    /// Whose it is.
    pub user: User,
    /// New tokens of the calling login, if it was one's own.
    pub session: Option<NewSession>,
    /// How many logins ended.
    pub logins: usize,
}

/// A temporary password, shown only now.
#[derive(Debug)]
pub struct PasswordGiven {
    /// Whose.
    pub user: User,
    /// The password.
    pub password: SecretString,
    /// Until when it works.
    pub expires: chrono::DateTime<chrono::Utc>,
    /// How many logins ended.
    pub logins: usize,
}

impl Service {
    /// Changes a password; the current one is always needed, whoever calls (S0-27). Trusted devices and reset links end,
    /// other logins too unless they are to stay.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `WRONG_PASSWORD`, `NO_PASSWORD`, `PASSWORD_POLICY`, `PASSWORD_BREACHED`, `ACCOUNT_LOCKED`,
    /// `STEP_UP_REQUIRED` where a second factor is enrolled and not fresh; for somebody else's `NOT_FOUND`,
    /// `INSUFFICIENT_RANK`, `NOT_MANAGED_ACCOUNT`.
    pub async fn change_password(
        &self,
        caller: &Caller,
        who: Option<&UserRef>,
        current: &str,
        new: &str,
        revoke_others: bool,
    ) -> Result<PasswordChanged, Error> {
        let (person, login) = caller.require_login()?;
        let user = self.find_target(caller, who, Permission::UserCredentialsManage).await?;
        if user.id != person.user.id {
            return self.change_password_of_another(caller, user, current, new, revoke_others).await;
        }
        if person.enrolled().is_some() && !login.is_fresh(self.clock.now()) {
            let refusal = Refusal::new(Code::StepUpRequired, "give the second factor first: reauthenticate");
            return Err(refusal.with("methods", person.methods()).into());
        }
        self.check_own_password(caller, person, current, "currentPassword").await?;
        let new = Password::read(new, "newPassword")?;
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            match self.try_change_own(caller, person, login, &new, revoke_others).await {
                Err(Error::Busy) if attempts.again().await => {}
                outcome => return outcome,
            }
        }
    }

    async fn try_change_own(
        &self,
        caller: &Caller,
        person: &Person,
        login: &Login,
        new: &Password,
        revoke_others: bool,
    ) -> Result<PasswordChanged, Error> {
        let now = self.clock.now();
        let credentials = self.own_credentials(person).await?;
        let (_, policy) = self.strictest(&credentials).await?;
        let record = self.new_password_record(&credentials, &person.user, &policy, new).await?;
        let current = self.store.identity().find_login(login.id).await?.filter(|login| login.is_active(now));
        let before = current.ok_or(Error::Unauthenticated)?;
        // The password alone is no fresh proof where there is a second factor.
        let after = if person.enrolled().is_some() {
            before.next_generation(now)
        } else {
            before.proven_again(AuthMethod::Password, &self.settings.lifetimes, now)
        };
        let refresh = self.secret(SecretKind::Refresh);
        let tokens = NewTokens { before: &before, after: &after, refresh: &refresh, used: None };
        let ending = LoginEnd::OfAccount(person.account.id, Some(login.id));
        let logins = if revoke_others { self.count_other_logins(person.account.id, Some(login.id)).await? } else { 0 };
        let mails = self.tell_owner(person.account.id, Notice::PasswordChanged, caller.origin(), None).await?;
        let event = self.event(caller, EventKind::PasswordChanged, ("user", person.user.id.to_string()));
        let set = PasswordSet {
            home: Some(person.organization.id),
            account: &credentials.account,
            password: &record,
            link: None,
            ending: revoke_others.then_some(&ending),
            tokens: Some(&tokens),
            ending_tokens_of: &[],
            mails: &mails,
        };
        self.store.set_password(&set, &event).await?;
        self.mail_waits();
        let actions = person.required_actions.iter().copied();
        let actions = actions.filter(|action| *action != RequiredAction::ChangePassword).collect();
        let session = Some(self.session(after, refresh, actions).await?);
        Ok(PasswordChanged { user: person.user.clone(), session, logins })
    }

    async fn change_password_of_another(
        &self,
        caller: &Caller,
        user: User,
        current: &str,
        new: &str,
        revoke_others: bool,
    ) -> Result<PasswordChanged, Error> {
        let organization = caller.require_fresh(Permission::UserCredentialsManage, self.clock.now())?;
        let store = self.store.organization(organization).await?;
        let account = self.managed_account(caller, &user).await?;
        let account = account.ok_or_else(|| Refusal::new(Code::NoPassword, "the account has no password"))?;
        self.check_password_of(caller, account, current, "currentPassword").await?;
        let new = Password::read(new, "newPassword")?;
        let credentials = self.credentials(account).await?;
        let policy = store.find_policy().await?;
        let record = self.new_password_record(&credentials, &user, &policy, &new).await?;
        let ending = LoginEnd::OfAccount(account, None);
        let logins = if revoke_others { self.count_other_logins(account, None).await? } else { 0 };
        let mails = self.notices(account, Notice::PasswordChanged).await?;
        let event = self.event(caller, EventKind::PasswordChanged, ("user", user.id.to_string()));
        let set = PasswordSet {
            home: Some(organization),
            account: &credentials.account.confined(Some(organization)),
            password: &record,
            link: None,
            ending: revoke_others.then_some(&ending),
            tokens: None,
            ending_tokens_of: &[],
            mails: &mails,
        };
        self.store.set_password(&set, &event).await?;
        self.mail_waits();
        Ok(PasswordChanged { user, session: None, logins })
    }

    async fn count_other_logins(
        &self,
        account: AccountId,
        but: Option<crate::domain::LoginId>,
    ) -> Result<usize, Error> {
        let now = self.clock.now();
        let logins = self.store.identity().list_logins(&[account]).await?;
        Ok(logins.iter().filter(|login| login.is_active(now) && Some(login.id) != but).count())
    }

    /// Checks a new password against the rules, and hashes it.
    pub(super) async fn new_password_record(
        &self,
        credentials: &Credentials,
        user: &User,
        policy: &AccountPolicy,
        new: &Password,
    ) -> Result<PasswordRecord, Error> {
        let emails = self.store.identity().list_emails(credentials.account.id).await?;
        let mut words: Vec<String> = emails.into_iter().map(|email| email.address).collect();
        words.extend(self.words_about(user));
        words.extend(credentials.memberships.iter().map(|joined| joined.organization.name.clone()));
        words.extend(credentials.memberships.iter().map(|joined| joined.organization.short_name.clone()));
        let has_second_factor = credentials.authenticator.as_ref().is_some_and(Authenticator::is_enrolled);
        policy.password_rules().check(new, &Context { words, has_second_factor }, "newPassword")?;
        let hash = self.hashing.hash(&Payer::home(credentials), new.clone(), self.entropy.bytes()).await?;
        Ok(PasswordRecord::chosen(hash, self.clock.now()))
    }

    /// What a password of this user must not resemble.
    pub(super) fn words_about(&self, user: &User) -> Vec<String> {
        let names = [user.given_name().map(str::to_owned), user.family_name().map(str::to_owned), user.full_name()];
        let own = [user.user_name().to_owned(), user.display_name().to_owned(), self.settings.product_name.clone()];
        names.into_iter().flatten().chain(own).collect()
    }

    /// What it takes to sign the person in, read anew.
    pub(super) async fn own_credentials(&self, person: &Person) -> Result<Credentials, Error> {
        self.credentials(person.account.id).await
    }

    pub(super) async fn credentials(&self, account: AccountId) -> Result<Credentials, Error> {
        self.store.identity().find_credentials(account).await?.ok_or(Error::Unauthenticated)
    }

    /// Mails a link to set a new password, if the address is a verified one of somebody with a password, and not one that was
    /// added a short while ago. Whether it is
    /// cannot be told: the same answer, and the work is done after it is given (AU-08, AU-09).
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `INVALID_EMAIL`, `RATE_LIMITED`.
    pub fn request_password_reset(self: &std::sync::Arc<Self>, address: &str, origin: &Origin) -> Result<(), Error> {
        let email = Email::parse(address)?;
        let asker = MailAsker::Anonymous(origin.network());
        self.mail_rates.take(MailPurpose::PasswordReset, &asker, email.key())?;
        let (service, origin) = (self.clone(), origin.clone());
        let wait = self.entropy.jitter(RESET_WAITS);
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            if let Err(error) = service.send_reset_link(&email, &origin).await {
                tracing::error!(error = %error, "a reset link could not be sent");
            }
        });
        Ok(())
    }

    async fn send_reset_link(&self, email: &Email, origin: &Origin) -> Result<(), Error> {
        let Some(found) = self.store.identity().find_verified_email(email.key()).await? else { return Ok(()) };
        let Some(credentials) = self.store.identity().find_credentials(found.account).await? else { return Ok(()) };
        if credentials.password.is_none() {
            return Ok(());
        }
        let known = self.store.identity().list_emails(found.account).await?;
        if !self.may_receive_reset(&found, &known) {
            tracing::info!(account = %found.account, "a reset link was not sent: the address is new");
            return Ok(());
        }
        if !self.mail_rates.may_send_anonymously(email.key()) {
            tracing::warn!(account = %found.account, "too many reset links were asked for from many networks: none is sent");
            return Ok(());
        }
        // An address that the managing organization added to a person's own ones proves that organization, not the person.
        let is_added = known
            .iter()
            .any(|other| other.id != found.id && other.verified <= found.verified && other.verified.is_some());
        let by = credentials.account.managed_by.filter(|_| found.source == EmailSource::Admin && is_added);
        let (secret, link) = self.reset_link(found.account, by);
        let (home, user) = home_of(&credentials);
        // To the address as it is kept, whatever was typed (UN-02).
        let letter = Letter::ResetPassword { token: secret.expose().to_owned() };
        let mail = self.seal_mail(&found.address, "", letter)?;
        let event = self.public_event(origin, EventKind::PasswordResetSent, user);
        self.store.send_link(home, &secret, &link, &[mail], &event).await?;
        self.mail_waits();
        Ok(())
    }

    fn may_receive_reset(&self, email: &EmailAddress, known: &[EmailAddress]) -> bool {
        may_receive_reset(email, known, email.account, self.settings.new_address_wait, self.clock.now())
    }

    /// A link to set a new password; `by`: the organization whose administrator has it sent.
    pub(super) fn reset_link(&self, account: AccountId, by: Option<OrganizationId>) -> (BearerSecret, OneTime) {
        let now = self.clock.now();
        let link = OneTime {
            purpose: Purpose::Reset,
            account: Some(account),
            organization: by,
            subject: Some(account.uuid()),
            details: json!({}),
            tries_left: 1,
            created: now,
            expires: now + RESET_LIFETIME,
            used: None,
        };
        (self.secret(SecretKind::Reset), link)
    }

    /// Whether the link of a reset mail still works; asking uses nothing up (IN-10).
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `TOKEN_INVALID`, `TOKEN_EXPIRED`, `TOKEN_USED`.
    pub async fn check_reset_link(&self, token: &str) -> Result<(), Error> {
        let secret = BearerSecret::parse(SecretKind::Reset, token).ok_or_else(|| bad_link(Code::TokenInvalid))?;
        self.open_link(Purpose::Reset, &secret).await.map(drop)
    }

    /// What a link is good for, if its time is not over and nobody used it.
    pub(super) async fn open_link(&self, purpose: Purpose, secret: &BearerSecret) -> Result<OneTime, Error> {
        let found = self.store.identity().find_one_time(purpose, secret).await?;
        let link = found.ok_or_else(|| bad_link(Code::TokenInvalid))?;
        if link.used.is_some() {
            return Err(bad_link(Code::TokenUsed));
        }
        if self.clock.now() >= link.expires {
            return Err(bad_link(Code::TokenExpired));
        }
        Ok(link)
    }

    /// Sets a new password with the token of a reset mail. All logins, personal tokens, trusted devices and other reset links
    /// end; the second factor stays (AU-15, AU-16). Answers how many logins ended.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `TOKEN_INVALID`, `TOKEN_EXPIRED`, `TOKEN_USED`, `PASSWORD_POLICY`, `PASSWORD_BREACHED`, and
    /// `EMAIL_TAKEN` where another account has proven the address meanwhile.
    pub async fn complete_password_reset(&self, token: &str, new: &str, origin: &Origin) -> Result<usize, Error> {
        let secret = BearerSecret::parse(SecretKind::Reset, token).ok_or_else(|| bad_link(Code::TokenInvalid))?;
        let new = Password::read(new, "newPassword")?;
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            match self.try_reset(&secret, &new, origin).await {
                Err(Error::Busy) if attempts.again().await => {}
                outcome => return outcome,
            }
        }
    }

    async fn try_reset(&self, secret: &BearerSecret, new: &Password, origin: &Origin) -> Result<usize, Error> {
        let link = self.open_link(Purpose::Reset, secret).await?;
        let account = link.account.ok_or_else(|| bad_link(Code::TokenInvalid))?;
        let proven = self.address_proven_by(&link).await?;
        let found = self.store.identity().find_credentials(account).await?;
        let credentials = found.ok_or_else(|| bad_link(Code::TokenInvalid))?;
        let (home, target) = home_of(&credentials);
        let (user, policy) = self.strictest(&credentials).await?;
        let record = if let Some(user) = &user {
            self.new_password_record(&credentials, user, &policy, new).await?
        } else {
            policy.password_rules().check(new, &Context::default(), "newPassword")?;
            let payer = Payer::home(&credentials);
            PasswordRecord::chosen(
                self.hashing.hash(&payer, new.clone(), self.entropy.bytes()).await?,
                self.clock.now(),
            )
        };
        let logins = self.count_other_logins(account, None).await?;
        let mails = self.tell_owner(account, Notice::PasswordChanged, origin, None).await?;
        let verified = proven.as_ref().map(|_| FieldChange::new("isVerified", false, true));
        let event = AuditEvent {
            values: verified.into_iter().collect(),
            ..self.public_event(origin, EventKind::PasswordReset, target)
        };
        let ending = LoginEnd::OfAccount(account, None);
        let set = PasswordSet {
            home,
            // A link that an administrator had sent makes logins of that organization's (S-7).
            account: &credentials.account.confined(link.organization),
            password: &record,
            link: Some(secret),
            ending: Some(&ending),
            tokens: None,
            ending_tokens_of: &users_of(&credentials),
            mails: &mails,
        };
        match self.store.set_password_proving(&set, proven.as_ref(), &event).await.map_err(Error::from) {
            Ok(()) => {}
            Err(Error::Taken(_)) => {
                let refusal = Refusal::new(Code::EmailTaken, "another account has proven the address of this link");
                return Err(refusal.at("token").into());
            }
            Err(error) => return Err(error),
        }
        // Whoever can read the mail is let in again (3.8).
        self.forget_failures(account).await;
        self.mail_waits();
        Ok(logins)
    }

    /// Somebody whose credentials an administrator may touch here, and their account.
    async fn credentials_target(
        &self,
        caller: &Caller,
        who: &UserRef,
    ) -> Result<(OrganizationId, User, Option<Credentials>), Error> {
        let organization = caller.require(Permission::UserCredentialsManage)?;
        let (_, user) = self.find_managed(caller, who, Permission::UserCredentialsManage, None).await?;
        let credentials = match self.managed_account(caller, &user).await? {
            Some(account) => self.store.identity().find_credentials(account).await?,
            None => None,
        };
        Ok((organization, user, credentials))
    }

    /// Somebody who signs in through a provider has no password here.
    async fn check_has_own_password(
        &self,
        organization: OrganizationId,
        credentials: &Credentials,
    ) -> Result<(), Error> {
        if credentials.password.is_some() {
            return Ok(());
        }
        match self.provider_of(organization, credentials.account.id).await? {
            Some(provider) => Err(super::editing::managed_by_connection(&provider, "user")),
            None => Ok(()),
        }
    }

    /// Replaces somebody's password with a temporary one, shown only now (S0-29). Logins, personal tokens, trusted devices and
    /// reset links end.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::UserCredentialsManage`]; [`Error::Refused`] with `STEP_UP_REQUIRED`,
    /// `NOT_FOUND`, `USE_CHANGE_PASSWORD`, `MANAGED_BY_CONNECTION`, `INSUFFICIENT_RANK`, `NOT_MANAGED_ACCOUNT`,
    /// `PROTECTED_ACCOUNT`.
    pub async fn reset_password(&self, caller: &Caller, who: &UserRef) -> Result<PasswordGiven, Error> {
        caller.require_fresh(Permission::UserCredentialsManage, self.clock.now())?;
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            match self.try_reset_password(caller, who).await {
                Err(Error::Busy) if attempts.again().await => {}
                outcome => return outcome,
            }
        }
    }

    async fn try_reset_password(&self, caller: &Caller, who: &UserRef) -> Result<PasswordGiven, Error> {
        let (organization, user, credentials) = self.credentials_target(caller, who).await?;
        if caller.as_person().is_some_and(|person| person.user.id == user.id) {
            return Err(Refusal::new(Code::UseChangePassword, "one's own is changed with changePassword")
                .at("user")
                .into());
        }
        let missing = || Refusal::new(Code::ProtectedAccount, NOT_JOINED).at("user");
        let credentials = credentials.ok_or_else(missing)?;
        self.check_has_own_password(organization, &credentials).await?;
        let account = credentials.account.id;
        let (record, password) = self.temporary_password(organization).await?;
        let expires = record.expires.unwrap_or_else(|| self.clock.now());
        let logins = self.count_other_logins(account, None).await?;
        let mails = self.notices(account, Notice::PasswordReset).await?;
        let event = self.event_about(caller, EventKind::PasswordReset, &user, Vec::new(), None);
        let ending = LoginEnd::OfAccount(account, None);
        let set = PasswordSet {
            home: Some(organization),
            account: &credentials.account.confined(caller.as_member().map(|member| member.organization().id)),
            password: &record,
            link: None,
            ending: Some(&ending),
            tokens: None,
            ending_tokens_of: &users_of(&credentials),
            mails: &mails,
        };
        self.store.set_password(&set, &event).await?;
        self.forget_failures(account).await;
        self.mail_waits();
        Ok(PasswordGiven { user, password, expires, logins })
    }

    /// Mails somebody a link to set a new password (S1-14); the present one works until then. Mails a user who never signed
    /// in a link to set the first one: by an invitation, or, where an administrator made the account, to the address that
    /// the administrator named. Answers where to, masked, and until when the link works.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::UserCredentialsManage`]; [`Error::Refused`] with `STEP_UP_REQUIRED`,
    /// `NOT_FOUND`, `MANAGED_BY_CONNECTION`, `EMAIL_UNVERIFIED`, `ILLEGAL_TRANSITION`, `RATE_LIMITED`, `INSUFFICIENT_RANK`,
    /// `NOT_MANAGED_ACCOUNT`.
    pub async fn send_password_reset(
        &self,
        caller: &Caller,
        who: &UserRef,
    ) -> Result<(User, String, chrono::DateTime<chrono::Utc>), Error> {
        caller.require_fresh(Permission::UserCredentialsManage, self.clock.now())?;
        let (organization, user, credentials) = self.credentials_target(caller, who).await?;
        let unverified = || Refusal::new(Code::EmailUnverified, "that user has no verified address").at("user");
        let Some(credentials) = credentials else {
            let invitation = self.invite_to_join(caller, organization, &user).await?;
            self.mail_waits();
            return Ok((user, masked(&invitation.email), invitation.expires));
        };
        self.check_has_own_password(organization, &credentials).await?;
        let account = credentials.account.id;
        let emails = self.store.identity().list_emails(account).await?;
        // An address that was there before comes first: the administrator may be talking to whoever added the other one.
        let verified = emails
            .iter()
            .filter(|email| email.verified.is_some())
            .max_by_key(|email| (self.may_receive_reset(email, &emails), email.is_primary));
        let first = if verified.is_none() { first_address(&user, &emails) } else { None };
        let email = verified.or(first).ok_or_else(unverified)?;
        self.mail_rates.take(MailPurpose::PasswordReset, &MailAsker::managing(caller), &email.key)?;
        let (secret, link, mail) = if first.is_some() {
            self.first_password_mail(organization, &user, email).await?
        } else {
            let by = caller.as_member().map(|member| member.organization().id);
            let (secret, link) = self.reset_link(account, by);
            let letter = Letter::ResetPassword { token: secret.expose().to_owned() };
            let mail = self.seal_mail(&email.address, user.display_name(), letter)?;
            (secret, link, mail)
        };
        let event = self.event_about(caller, EventKind::PasswordResetSent, &user, Vec::new(), None);
        self.store.send_link(Some(organization), &secret, &link, &[mail], &event).await?;
        self.mail_waits();
        Ok((user, masked(&email.address), link.expires))
    }

    /// Demands a new password at the next sign-in, or takes that back (S2-04).
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::UserCredentialsManage`]; [`Error::Refused`] with
    /// `STEP_UP_REQUIRED`, `NOT_FOUND`, `NO_PASSWORD`, `MANAGED_BY_CONNECTION`, `INSUFFICIENT_RANK`, `NOT_MANAGED_ACCOUNT`.
    pub async fn set_password_expired(
        &self,
        caller: &Caller,
        who: &UserRef,
        expired: bool,
        reason: ChangeReason,
    ) -> Result<User, Error> {
        caller.require_fresh(Permission::UserCredentialsManage, self.clock.now())?;
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            let (organization, user, credentials) = self.credentials_target(caller, who).await?;
            let none = || Refusal::new(Code::NoPassword, "that user has no password").at("user");
            let credentials = credentials.ok_or_else(none)?;
            self.check_has_own_password(organization, &credentials).await?;
            let before = credentials.password.ok_or_else(none)?;
            // A temporary password stays one: it has to be changed in any case.
            if before.must_change.is_some() == expired || before.expires.is_some() {
                return Ok(user);
            }
            let record = PasswordRecord { must_change: expired.then_some(reason), ..before };
            let values = vec![FieldChange::new("isExpired", !expired, expired)];
            let event = self.event_about(caller, EventKind::PasswordExpired, &user, values, None);
            match self
                .store
                .mark_password(organization, &credentials.account, &record, &event)
                .await
                .map_err(Error::from)
            {
                Ok(()) => return Ok(user),
                Err(Error::Busy) if attempts.again().await => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Lifts the lock after too many failures, and counts from zero again.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::UserCredentialsManage`]; [`Error::Refused`] with
    /// `STEP_UP_REQUIRED`, `NOT_FOUND`, `INSUFFICIENT_RANK`, `NOT_MANAGED_ACCOUNT`.
    pub async fn unlock_user(&self, caller: &Caller, who: &UserRef) -> Result<User, Error> {
        caller.require_fresh(Permission::UserCredentialsManage, self.clock.now())?;
        let (organization, user, credentials) = self.credentials_target(caller, who).await?;
        if let Some(credentials) = credentials {
            let event = self.event_about(caller, EventKind::AccountUnlocked, &user, Vec::new(), None);
            self.store.send_mails(Some(organization), &[], &event).await?;
            self.forget_failures(credentials.account.id).await;
        }
        Ok(user)
    }

    /// The rules of all organizations of a person together.
    pub(super) async fn strictest(&self, credentials: &Credentials) -> Result<(Option<User>, AccountPolicy), Error> {
        let mut strictest = AccountPolicy::default();
        let mut one = None;
        for (index, joined) in credentials.memberships.iter().enumerate() {
            let store = self.store.organization(joined.organization.id).await?;
            let policy = store.find_policy().await?;
            if index == 0 {
                strictest = policy.clone();
                one = store.find_user(joined.membership.user).await?;
            }
            strictest.mfa_required |= policy.mfa_required;
            strictest.password_min_length = strictest.password_min_length.max(policy.password_min_length);
            strictest.password_min_length_with_mfa =
                strictest.password_min_length_with_mfa.max(policy.password_min_length_with_mfa);
        }
        Ok((one, strictest))
    }

    /// An account is locked until a mail or an administrator frees it: its owner is told, and the trail says so.
    pub(super) async fn tell_locked(&self, account: AccountId, origin: &Origin) -> Result<(), Error> {
        self.tell_shut(account, Notice::Locked, origin).await
    }

    /// Too many failures shut a door of an account: its owner is told, and the trail says so.
    pub(super) async fn tell_shut(&self, account: AccountId, notice: Notice, origin: &Origin) -> Result<(), Error> {
        let Some(credentials) = self.store.identity().find_credentials(account).await? else { return Ok(()) };
        let (home, target) = home_of(&credentials);
        let Some(home) = home else { return Ok(()) };
        let mut event = self.public_event(origin, EventKind::AccountLocked, target);
        if notice == Notice::CodesUsedUp {
            event.reason = Some("too many codes of the second factor in a day".to_owned());
        }
        let mails = self.tell_owner(account, notice, origin, None).await?;
        self.store.send_mails(Some(home), &mails, &event).await?;
        self.mail_waits();
        Ok(())
    }
}

/// The users of a person, one in each organization.
pub(super) fn users_of(credentials: &Credentials) -> Vec<UserId> {
    credentials.memberships.iter().map(|joined| joined.membership.user).collect()
}

/// Where events about a person go who is not signed in, and what they are about there.
pub(super) fn home_of(credentials: &Credentials) -> (Option<OrganizationId>, (&'static str, String)) {
    let last = credentials.account.last_organization;
    let mut joined = credentials.memberships.iter();
    let home = joined.find(|joined| Some(joined.organization.id) == last).or(credentials.memberships.first());
    match home {
        Some(joined) => (Some(joined.organization.id), ("user", joined.membership.user.to_string())),
        None => (None, ("account", credentials.account.id.to_string())),
    }
}

pub(super) fn bad_link(code: Code) -> Error {
    let message = match code {
        Code::TokenUsed => "this link was used before",
        Code::TokenExpired => "this link is too old: ask for a new one",
        _ => "this link is not good, or a newer one took its place",
    };
    Refusal::new(code, message).at("token").into()
}

/// Enough of the address to recognise it, for notices.
pub(super) fn masked(address: &str) -> String {
    email::masked(address)
}
