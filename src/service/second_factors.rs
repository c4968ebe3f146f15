//! Second factors of a person: adding, removing, recovery codes, and the step-up that proves it is still them.

use chrono::TimeDelta;
use zeroize::Zeroizing;

use super::Service;
use super::attempts::Attempts;
use super::challenges::SentFactor;
use super::hashing::Payer;
use super::references::UserRef;
use super::session::NewSession;
use crate::crypto::password::Verdict;
use crate::crypto::totp::{self, SEED_BYTES};
use crate::domain::account::Account;
use crate::domain::actor::Person;
use crate::domain::audit::EventKind;
use crate::domain::login::{AuthMethod, EndReason, Login};
use crate::domain::mail::Notice;
use crate::domain::password::Password;
use crate::domain::second_factor::{self, Authenticator, RECOVERY_CODES, RecoveryCode};
use crate::domain::token::SecretKind;
use crate::domain::user::User;
use crate::domain::{AccountId, Caller, Code, Error, FactorId, Permission, Refusal};
use crate::store::{LoginEnd, NewTokens};

/// How long an enrolment can be confirmed.
const CONFIRM_WITHIN: TimeDelta = TimeDelta::minutes(10);

/// What is shown to whoever adds an authenticator app, once.
#[derive(Debug)]
pub struct Enrolment {
    /// The seed in base 32, to type in.
    pub secret: Zeroizing<String>,
    /// The same as an `otpauth://` URL.
    pub url: Zeroizing<String>,
    /// The same as a QR code, an SVG image.
    pub qr_code: Zeroizing<String>,
    /// Until when it can be confirmed.
    pub confirm_by: chrono::DateTime<chrono::Utc>,
}

/// A second factor that was just added.
#[derive(Debug)]
pub struct Enrolled {
    /// The app.
    pub authenticator: Authenticator,
    /// Recovery codes, shown once.
    pub codes: Vec<RecoveryCode>,
    /// New tokens of the calling login.
    pub session: NewSession,
}

/// What an administrator's reset removed.
#[derive(Debug)]
pub struct MfaReset {
    /// Whose factors.
    pub user: User,
    /// How many apps.
    pub factors: usize,
    /// How many recovery codes.
    pub recovery_codes: usize,
    /// How many logins ended.
    pub logins: usize,
    /// How many devices are trusted no more.
    pub devices: usize,
}

/// What the sealed seed of a factor is bound to.
pub(super) fn seed_context(factor: FactorId) -> String {
    format!("totp {factor}")
}

impl Service {
    /// Begins to add an authenticator app; one begun before is void (MF-08).
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `STEP_UP_REQUIRED`, `MFA_ALREADY_ENROLLED`, `VALIDATION_FAILED`.
    pub async fn begin_totp_enrollment(&self, caller: &Caller, name: Option<String>) -> Result<Enrolment, Error> {
        let (person, _) = caller.require_fresh_login(self.clock.now())?;
        let name = name.unwrap_or_else(|| "Authenticator".to_owned());
        crate::domain::organization::check_name(&name)
            .map_err(|reason| Refusal::new(Code::ValidationFailed, reason).at("name").with("max", 100))?;
        let credentials = self.own_credentials(person).await?;
        if credentials.authenticator.as_ref().is_some_and(Authenticator::is_enrolled) {
            return Err(Refusal::new(
                Code::MfaAlreadyEnrolled,
                "there is an authenticator app already: remove it first",
            )
            .into());
        }
        let now = self.clock.now();
        let id = FactorId::new(self.entropy.id(now));
        let seed = Zeroizing::new(self.entropy.bytes::<SEED_BYTES>());
        let authenticator = Authenticator {
            id,
            account: person.account.id,
            name,
            sealed: self.sealer.seal(&seed_context(id), seed.as_slice(), self.entropy.bytes())?,
            confirmed: None,
            confirm_by: now + CONFIRM_WITHIN,
            last_step: 0,
            last_used: None,
            created: now,
            updated: now,
            version: 1,
        };
        let event = self.event(caller, EventKind::MfaEnrolling, ("user", person.user.id.to_string()));
        self.store.begin_enrolment(person.organization.id, &credentials.account, &authenticator, &event).await?;
        let shown = self.settings.product_name.as_str();
        let called = person.user.directory_email().unwrap_or_else(|| person.user.user_name());
        let (url, secret) = totp::enrolment(seed.as_slice(), shown, called)?;
        let qr_code = Zeroizing::new(totp::qr_code(&url)?);
        Ok(Enrolment { secret, url, qr_code, confirm_by: authenticator.confirm_by })
    }

    /// Turns the second factor on with a first code of the app. Trusted devices end, the login gets new tokens.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `MFA_CODE_INVALID`, `ILLEGAL_TRANSITION`, `MFA_ALREADY_ENROLLED`, `RATE_LIMITED`.
    pub async fn confirm_totp_enrollment(&self, caller: &Caller, code: &str) -> Result<Enrolled, Error> {
        let (person, login) = caller.require_login()?;
        let counted = self.count_code_try(person.account.id, caller.origin()).await?;
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            match self.try_confirm(caller, person, login, code).await {
                Err(Error::Busy) if attempts.again().await => {}
                Ok(enrolled) => {
                    self.take_back(counted).await?;
                    return Ok(enrolled);
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn try_confirm(
        &self,
        caller: &Caller,
        person: &Person,
        login: &Login,
        code: &str,
    ) -> Result<Enrolled, Error> {
        let now = self.clock.now();
        let credentials = self.own_credentials(person).await?;
        let begun = credentials.authenticator.ok_or_else(nothing_begun)?;
        if begun.is_enrolled() {
            return Err(Refusal::new(Code::MfaAlreadyEnrolled, "there is an authenticator app already").into());
        }
        if now >= begun.confirm_by {
            return Err(nothing_begun());
        }
        let step = if second_factor::is_code(code) { self.matched_step(&begun, code)? } else { None };
        let step = step.ok_or_else(wrong_code)?;
        let authenticator =
            Authenticator { confirmed: Some(now), updated: now, version: begun.version + 1, ..begun.used(step, now) };
        let codes = self.new_recovery_codes();
        let hashes = hashes(&codes, person.account.id);
        let current = self.store.identity().find_login(login.id).await?.filter(|login| login.is_active(now));
        let before = current.ok_or(Error::Unauthenticated)?;
        let after = before.proven_again(AuthMethod::Totp, &self.settings.lifetimes, now);
        let refresh = self.secret(SecretKind::Refresh);
        let tokens = NewTokens { before: &before, after: &after, refresh: &refresh, used: None };
        let mails = self.tell_owner(person.account.id, Notice::AuthenticatorAdded, caller.origin(), None).await?;
        let event = self.event(caller, EventKind::MfaEnrolled, ("user", person.user.id.to_string()));
        self.store.confirm_enrolment(&credentials.account, &authenticator, &hashes, &tokens, &mails, &event).await?;
        self.mail_waits();
        let remaining = person.required_actions.iter().copied();
        let actions = remaining.filter(|action| *action != crate::domain::RequiredAction::EnrollMfa).collect();
        Ok(Enrolled { authenticator, codes, session: self.session(after, refresh, actions).await? })
    }

    fn new_recovery_codes(&self) -> Vec<RecoveryCode> {
        (0..RECOVERY_CODES).map(|_| RecoveryCode::from_entropy(self.entropy.bytes())).collect()
    }

    /// Makes ten new recovery codes; all earlier ones stop working (MF-07).
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `STEP_UP_REQUIRED`, `ILLEGAL_TRANSITION` without a second factor.
    pub async fn regenerate_recovery_codes(&self, caller: &Caller) -> Result<Vec<RecoveryCode>, Error> {
        let (person, _) = caller.require_fresh_login(self.clock.now())?;
        let credentials = self.own_credentials(person).await?;
        if !credentials.authenticator.is_some_and(|authenticator| authenticator.is_enrolled()) {
            return Err(Refusal::new(Code::IllegalTransition, "there is no second factor").into());
        }
        let codes = self.new_recovery_codes();
        let hashes = hashes(&codes, person.account.id);
        let mails = self.tell_owner(person.account.id, Notice::RecoveryCodesMade, caller.origin(), None).await?;
        let event = self.event(caller, EventKind::RecoveryCodesRegenerated, ("user", person.user.id.to_string()));
        self.store
            .replace_recovery_codes(person.organization.id, &credentials.account, &hashes, &mails, &event)
            .await?;
        self.mail_waits();
        Ok(codes)
    }

    /// Removes a second factor; with the last one go the recovery codes. Trusted devices end.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `STEP_UP_REQUIRED`, `NOT_FOUND`, `LAST_CREDENTIAL` where the organization requires one.
    pub async fn remove_mfa_factor(&self, caller: &Caller, id: FactorId) -> Result<(), Error> {
        let (person, _) = caller.require_fresh_login(self.clock.now())?;
        let credentials = self.own_credentials(person).await?;
        let authenticator = credentials.authenticator.as_ref();
        let found = authenticator.filter(|authenticator| authenticator.id == id && authenticator.is_enrolled());
        found.ok_or_else(|| Refusal::new(Code::NotFound, "no such second factor").at("factorId"))?;
        let (_, policy) = self.strictest(&credentials).await?;
        if policy.mfa_required {
            let message = "an organization you belong to requires a second factor";
            return Err(Refusal::new(Code::LastCredential, message).into());
        }
        let mails = self.tell_owner(person.account.id, Notice::AuthenticatorRemoved, caller.origin(), None).await?;
        let event = self.event(caller, EventKind::MfaFactorRemoved, ("user", person.user.id.to_string()));
        self.store.remove_factors(person.organization.id, &credentials.account, None, &mails, &event).await?;
        self.mail_waits();
        Ok(())
    }

    /// Removes all second factors of a user, recovery codes included; all logins and trusted devices end (S0-26).
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`]; [`Error::Refused`] with `STEP_UP_REQUIRED`, `NOT_FOUND`, `INSUFFICIENT_RANK`,
    /// `NOT_MANAGED_ACCOUNT`.
    pub async fn reset_mfa(&self, caller: &Caller, who: &UserRef, reason: Option<String>) -> Result<MfaReset, Error> {
        let organization = caller.require_fresh(Permission::UserCredentialsManage, self.clock.now())?;
        check_reason(reason.as_deref())?;
        let store = self.store.organization(organization).await?;
        let user = self.find_user(caller, &store, who).await?;
        self.check_rank(caller, &store, &user).await?;
        let account = self.managed_account(caller, &user).await?;
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            match self.try_reset_mfa(caller, &user, account, reason.clone()).await {
                Err(Error::Busy) if attempts.again().await => {}
                outcome => return outcome,
            }
        }
    }

    async fn try_reset_mfa(
        &self,
        caller: &Caller,
        user: &User,
        account: Option<AccountId>,
        reason: Option<String>,
    ) -> Result<MfaReset, Error> {
        let organization = caller.require(Permission::UserCredentialsManage)?;
        let nothing = MfaReset { user: user.clone(), factors: 0, recovery_codes: 0, logins: 0, devices: 0 };
        let Some(account) = account else { return Ok(nothing) };
        let identity = self.store.identity();
        let Some(credentials) = identity.find_credentials(account).await? else { return Ok(nothing) };
        let now = self.clock.now();
        let reset = MfaReset {
            user: user.clone(),
            factors: usize::from(credentials.authenticator.as_ref().is_some_and(Authenticator::is_enrolled)),
            recovery_codes: identity.count_recovery_codes(account).await?,
            logins: identity.list_logins(&[account]).await?.iter().filter(|login| login.is_active(now)).count(),
            devices: identity.list_devices(&[account]).await?.iter().filter(|device| device.is_active(now)).count(),
        };
        if reset.factors + reset.recovery_codes + reset.logins + reset.devices == 0
            && credentials.authenticator.is_none()
        {
            return Ok(reset);
        }
        let mails = self.notices(account, Notice::MfaReset).await?;
        let mut event = self.event(caller, EventKind::MfaReset, ("user", user.id.to_string()));
        event.reason = reason;
        let ending = LoginEnd::OfAccount(account, None);
        let ending = Some((&ending, EndReason::MfaReset));
        let by = caller.as_member().map(|member| member.organization().id);
        let account = credentials.account.confined(by.or(credentials.account.confined_to));
        self.store.remove_factors(organization, &account, ending, &mails, &event).await?;
        self.mail_waits();
        Ok(reset)
    }

    /// The account of a user, if this organization may touch its credentials (G5). A user without an account has none
    /// to touch.
    pub(super) async fn managed_account(&self, caller: &Caller, user: &User) -> Result<Option<AccountId>, Error> {
        let Some(id) = user.account else { return Ok(None) };
        if caller.as_person().is_some_and(|person| person.account.id == id) {
            return Ok(Some(id));
        }
        let account: Option<Account> = self.store.identity().find_account(id).await?;
        // Whoever is no member is whoever holds the machine, or the server itself.
        let organization = caller.as_member().map(|member| member.organization().id);
        match account {
            Some(account) if organization.is_none_or(|own| account.managed_by == Some(own)) => Ok(Some(id)),
            Some(_) => {
                Err(Refusal::new(Code::NotManagedAccount, "that account is not managed by this organization").into())
            }
            None => Ok(None),
        }
    }

    /// Proves again that it is the person (G7): operations marked step-up work for a while, the tokens are replaced. With
    /// a second factor enrolled it takes that one: a code, or, for whoever lost the app, a recovery code.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `WRONG_PASSWORD`, `NO_PASSWORD`, `MFA_CODE_INVALID`, `ACCOUNT_LOCKED`, `STEP_UP_REQUIRED`,
    /// `RATE_LIMITED`.
    pub async fn reauthenticate(&self, caller: &Caller, proof: &Reproof) -> Result<NewSession, Error> {
        let (person, login) = caller.require_login()?;
        match proof {
            Reproof::Password(text) => {
                if person.enrolled().is_some() {
                    let message = "a second factor is enrolled: give its code";
                    return Err(Refusal::new(Code::StepUpRequired, message)
                        .at("password")
                        .with("methods", vec!["TOTP"])
                        .into());
                }
                self.check_own_password(caller, person, text, "password").await?;
                self.prove_again(caller, person, login, None).await
            }
            Reproof::Code(text) => {
                let counted = self.count_code_try(person.account.id, caller.origin()).await?;
                let session = self.prove_again(caller, person, login, Some(text)).await?;
                self.take_back(counted).await?;
                Ok(session)
            }
        }
    }

    async fn prove_again(
        &self,
        caller: &Caller,
        person: &Person,
        login: &Login,
        code: Option<&str>,
    ) -> Result<NewSession, Error> {
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            match self.try_prove_again(caller, person, login, code).await {
                Err(Error::Busy) if attempts.again().await => {}
                outcome => return outcome,
            }
        }
    }

    async fn try_prove_again(
        &self,
        caller: &Caller,
        person: &Person,
        login: &Login,
        code: Option<&str>,
    ) -> Result<NewSession, Error> {
        let now = self.clock.now();
        let current = self.store.identity().find_login(login.id).await?.filter(|login| login.is_active(now));
        let before = current.ok_or(Error::Unauthenticated)?;
        let (method, factor) = match code {
            None => (AuthMethod::Password, None),
            Some(text) => {
                let credentials = self.own_credentials(person).await?;
                let sent = if second_factor::is_code(text) {
                    SentFactor::Code(text.to_owned())
                } else {
                    SentFactor::RecoveryCode(text.to_owned())
                };
                let found = self.check_factor(person.account.id, credentials.authenticator.as_ref(), &sent).await?;
                let (method, used) = found.ok_or_else(wrong_code)?;
                (method, Some(used))
            }
        };
        let mails = if method == AuthMethod::RecoveryCode {
            let left = self.store.identity().count_recovery_codes(person.account.id).await?;
            let notice = Notice::RecoveryCodeUsed { remaining: left.saturating_sub(1) };
            self.tell_owner(person.account.id, notice, caller.origin(), None).await?
        } else {
            Vec::new()
        };
        let after = before.proven_again(method, &self.settings.lifetimes, now);
        let refresh = self.secret(SecretKind::Refresh);
        let tokens = NewTokens { before: &before, after: &after, refresh: &refresh, used: None };
        let event = self.event(caller, EventKind::LoginStepUp, ("login", after.id.to_string()));
        self.store.replace_tokens(&tokens, factor.as_ref().map(|factor| (factor, mails.as_slice())), &event).await?;
        self.mail_waits();
        self.session(after, refresh, person.required_actions.clone()).await
    }

    /// Whether this is the password of somebody who is signed in; counted like a sign-in (AU-05).
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `WRONG_PASSWORD`, `NO_PASSWORD`, `ACCOUNT_LOCKED`.
    pub(super) async fn check_own_password(
        &self,
        caller: &Caller,
        person: &Person,
        text: &str,
        field: &'static str,
    ) -> Result<(), Error> {
        self.check_password_of(caller, person.account.id, text, field).await
    }

    pub(super) async fn check_password_of(
        &self,
        caller: &Caller,
        account: AccountId,
        text: &str,
        field: &'static str,
    ) -> Result<(), Error> {
        let password = Password::read(text, field)?;
        let credentials = self.store.identity().find_credentials(account).await?;
        let home = credentials.as_ref().map_or(Payer::Nobody, Payer::home);
        let Some(record) = credentials.and_then(|credentials| credentials.password) else {
            return Err(Refusal::new(Code::NoPassword, "the account has no password").into());
        };
        let turn = self.hashing.turn(&home).await?;
        let counted = match self.count_password_try(Some(account), "", caller.origin(), None).await? {
            Ok(counted) => counted,
            Err(until) => {
                let refusal = Refusal::new(Code::AccountLocked, "too many failures: wait");
                return Err(refusal.with("until", until.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)).into());
            }
        };
        let verdict = match self.hashing.verify(turn, &home, password, Some(&record.hash)).await {
            Ok(verdict) => verdict,
            Err(error) => {
                self.not_tried(counted).await?;
                return Err(error);
            }
        };
        if verdict == Verdict::Wrong {
            if counted.locks_account {
                self.tell_locked(account, caller.origin()).await?;
            }
            return Err(Refusal::new(Code::WrongPassword, "that is not the current password").at(field).into());
        }
        self.take_back(counted).await
    }
}

/// What somebody proves again with.
#[derive(Debug)]
pub enum Reproof {
    /// The password.
    Password(String),
    /// A code of the app, or a recovery code.
    Code(String),
}

fn hashes(codes: &[RecoveryCode], account: AccountId) -> Vec<String> {
    codes.iter().map(|code| code.hash(account)).collect()
}

fn wrong_code() -> Error {
    Refusal::new(Code::MfaCodeInvalid, "wrong, used before or out of its time").at("code").into()
}

fn nothing_begun() -> Error {
    Refusal::new(Code::IllegalTransition, "nothing was begun, or too long ago: begin again").into()
}

/// A reason somebody gives for the audit trail.
pub(super) fn check_reason(reason: Option<&str>) -> Result<(), Error> {
    if reason.is_some_and(|reason| reason.chars().count() > 500 || reason.chars().any(char::is_control)) {
        return Err(Refusal::new(Code::ValidationFailed, "a reason has at most 500 characters").at("reason").into());
    }
    Ok(())
}
