//! Answering the challenge that may follow a password or a switch of organizations, and second factors.

use std::time::Duration;

use serde_json::{Value, json};

use super::Service;
use super::attempts::Attempts;
use super::login::{Arriving, Entry};
use super::session::{NewSession, required_actions};
use crate::crypto::totp;
use crate::domain::account::PasswordRecord;
use crate::domain::audit::EventKind;
use crate::domain::login::{AuthMethod, Device, Login, Origin};
use crate::domain::mail::Notice;
use crate::domain::second_factor::{self, Authenticator, RecoveryCode};
use crate::domain::token::{BearerSecret, SecretKind};
use crate::domain::trusted_device::TrustedDevice;
use crate::domain::{AccountId, Code, Error, LoginId, Refusal, TrustedDeviceId};
use crate::store::{DeviceTrust, FactorUse, NewTokens, OneTime, Purpose, SealedMail};

/// A second factor as it was sent.
#[derive(Debug)]
pub enum SentFactor {
    /// Six digits.
    Code(String),
    /// A recovery code.
    RecoveryCode(String),
}

/// What came of a right second factor.
#[derive(Debug)]
pub struct ChallengeAnswered {
    /// The session.
    pub session: NewSession,
    /// The device, if it is now trusted, with its secret.
    pub trusted: Option<(TrustedDevice, BearerSecret)>,
    /// Unused recovery codes, if one was used now.
    pub recovery_codes_remaining: Option<usize>,
}

impl Service {
    /// Answers a challenge with a second factor (S0-15): one success, however many try at once (MF-03, C-07).
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `MFA_CODE_INVALID`, `TOKEN_INVALID`, `TOKEN_EXPIRED`, `TOKEN_USED`, `RATE_LIMITED`.
    pub async fn sign_in_with_code(
        &self,
        token: &str,
        factor: &SentFactor,
        trust_device: bool,
        origin: &Origin,
    ) -> Result<ChallengeAnswered, Error> {
        let secret =
            BearerSecret::parse(SecretKind::Challenge, token).ok_or_else(|| bad_challenge(Code::TokenInvalid))?;
        let challenge = self.open_challenge(&secret).await?;
        let account = challenge.account.ok_or_else(|| bad_challenge(Code::TokenInvalid))?;
        let counted = self.count_code_try(account, origin).await?;
        let left = self.take_try(&secret).await?;
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            match self.try_answer(&secret, factor, trust_device, left, origin).await {
                Err(Error::Busy) if attempts.again().await => {}
                Ok(answered) => {
                    self.take_back(counted).await?;
                    return Ok(answered);
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn open_challenge(&self, secret: &BearerSecret) -> Result<OneTime, Error> {
        let found = self.store.identity().find_one_time(Purpose::Challenge, secret).await?;
        let challenge = found.ok_or_else(|| bad_challenge(Code::TokenInvalid))?;
        if challenge.used.is_some() {
            return Err(bad_challenge(Code::TokenUsed));
        }
        if self.clock.now() >= challenge.expires {
            return Err(bad_challenge(Code::TokenExpired));
        }
        Ok(challenge)
    }

    async fn take_try(&self, secret: &BearerSecret) -> Result<u32, Error> {
        let _lane = self.lanes.enter(secret.hash()).await;
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            match self.store.identity().count_try(secret).await.map_err(Error::from) {
                Ok(Some(left)) => return Ok(left),
                Ok(None) => {
                    let refusal = Refusal::new(Code::RateLimited, "this challenge has no tries left: sign in again");
                    return Err(refusal.with("retryAfterSeconds", 1).into());
                }
                Err(Error::Busy) if attempts.again().await => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn try_answer(
        &self,
        secret: &BearerSecret,
        factor: &SentFactor,
        trust_device: bool,
        left: u32,
        origin: &Origin,
    ) -> Result<ChallengeAnswered, Error> {
        let challenge = self.open_challenge(secret).await?;
        let (Some(account), Some(organization)) = (challenge.account, challenge.organization) else {
            return Err(bad_challenge(Code::TokenInvalid));
        };
        let found = self.store.identity().find_credentials(account).await?;
        let credentials = found.ok_or_else(|| bad_challenge(Code::TokenInvalid))?;
        if challenge.details["credentials_version"] != json!(credentials.account.credentials_version) {
            return Err(bad_challenge(Code::TokenInvalid));
        }
        let joined = credentials.memberships.iter().find(|joined| joined.organization.id == organization).cloned();
        let joined = joined.ok_or_else(|| bad_challenge(Code::TokenInvalid))?;
        let member = self.find_member(organization, joined.membership.user, account).await?;
        let member = member.ok_or_else(|| bad_challenge(Code::TokenInvalid))?;
        let (method, used) =
            self.check_factor(account, credentials.authenticator.as_ref(), factor).await?.ok_or_else(|| {
                Error::from(
                    Refusal::new(Code::MfaCodeInvalid, "wrong, used before or out of its time")
                        .with("attemptsRemaining", left),
                )
            })?;
        let arriving = Arriving { credentials, joined, member };
        let remaining = match method {
            AuthMethod::RecoveryCode => {
                Some(self.store.identity().count_recovery_codes(account).await?.saturating_sub(1))
            }
            _ => None,
        };
        let mails = match remaining {
            Some(remaining) => self.tell_owner(account, Notice::RecoveryCodeUsed { remaining }, origin, None).await?,
            None => Vec::new(),
        };
        if let Some(login) = challenge.details["login"].as_str().and_then(|id| id.parse().ok()) {
            let session = self.answer_switch(login, &arriving, (method, used), secret, &mails, origin).await?;
            return Ok(ChallengeAnswered { session, trusted: None, recovery_codes_remaining: remaining });
        }
        let text = |name: &str| challenge.details[name].as_str().map(str::to_owned);
        let device = Device { id: text("device_id").unwrap_or_default(), name: text("device_name") };
        let trusts = trust_device && arriving.member.policy.trusted_devices;
        let trusted = trusts
            .then(|| (self.new_trusted_device(&arriving, &device, origin), self.secret(SecretKind::TrustedDevice)));
        let entry = Entry {
            device,
            methods: first_factors(&challenge.details).chain([method]).collect(),
            factor: Some(used),
            proof: Some((Purpose::Challenge, secret)),
            proven: Some(self.clock.now()),
            trust: trusted.as_ref().map(|(device, secret)| DeviceTrust::New(device, secret)),
            rehashed: None,
            mails,
            reason: None,
        };
        let session = self.enter(&arriving, entry, origin).await?;
        Ok(ChallengeAnswered { session, trusted, recovery_codes_remaining: remaining })
    }

    /// The challenge stood before another organization: the login that asked goes there.
    async fn answer_switch(
        &self,
        login: LoginId,
        arriving: &Arriving,
        (method, used): (AuthMethod, FactorUse),
        secret: &BearerSecret,
        mails: &[SealedMail],
        origin: &Origin,
    ) -> Result<NewSession, Error> {
        let now = self.clock.now();
        let before = self.store.identity().find_login(login).await?.filter(|login| login.is_active(now));
        let before = before.ok_or_else(|| bad_challenge(Code::TokenInvalid))?;
        let proven = if method == AuthMethod::Totp {
            before.proven_again(method, &self.settings.lifetimes, now)
        } else {
            let mut login = before.next_generation(now);
            login.auth_methods.push(method);
            login
        };
        let after = Login { organization: arriving.joined.organization.id, user: arriving.member.user.id, ..proven };
        let refresh = self.secret(SecretKind::Refresh);
        let tokens = NewTokens { before: &before, after: &after, refresh: &refresh, used: None };
        let event = self.public_event(origin, EventKind::LoginSwitched, ("login", after.id.to_string()));
        let account = &arriving.credentials.account;
        self.store
            .switch_organization(account, &arriving.member.user, &tokens, Some((&used, secret, mails)), &event)
            .await?;
        self.mail_waits();
        let enrolled = arriving.credentials.authenticator.as_ref().is_some_and(Authenticator::is_enrolled);
        let password = arriving.credentials.password.as_ref().map(PasswordRecord::state);
        self.session(after, refresh, required_actions(password.as_ref(), enrolled, &arriving.member.policy)).await
    }

    fn new_trusted_device(&self, arriving: &Arriving, device: &Device, origin: &Origin) -> TrustedDevice {
        let now = self.clock.now();
        let lifetime = Duration::from_hours(24 * u64::from(arriving.member.policy.trusted_device_days));
        TrustedDevice {
            id: TrustedDeviceId::new(self.entropy.id(now)),
            account: arriving.credentials.account.id,
            organization: arriving.joined.organization.id,
            user: arriving.member.user.id,
            device_id: device.id.clone(),
            device_name: device.name.clone(),
            expires: now + lifetime,
            last_used: None,
            remote_ip: origin.remote_ip(),
            user_agent: origin.user_agent.clone(),
            created: now,
            updated: now,
            version: 1,
        }
    }

    /// Whether this is a second factor of the person now, and what of it will be used up.
    pub(super) async fn check_factor(
        &self,
        account: AccountId,
        authenticator: Option<&Authenticator>,
        factor: &SentFactor,
    ) -> Result<Option<(AuthMethod, FactorUse)>, Error> {
        let now = self.clock.now();
        match factor {
            SentFactor::Code(code) => {
                let enrolled = authenticator.filter(|authenticator| authenticator.is_enrolled());
                let Some(before) = enrolled.filter(|_| second_factor::is_code(code)) else { return Ok(None) };
                let Some(step) = self.matched_step(before, code)? else { return Ok(None) };
                Ok(Some((AuthMethod::Totp, FactorUse::Totp { before: before.clone(), after: before.used(step, now) })))
            }
            SentFactor::RecoveryCode(text) => {
                let Some(code) = RecoveryCode::parse(text) else { return Ok(None) };
                let hash = code.hash(account);
                let is_there = self.store.identity().has_recovery_code(account, &hash).await?;
                Ok(is_there.then_some((AuthMethod::RecoveryCode, FactorUse::Recovery { account, hash })))
            }
        }
    }

    /// The step whose code this is, if it is one that may still be used.
    pub(super) fn matched_step(&self, authenticator: &Authenticator, code: &str) -> Result<Option<u64>, Error> {
        let seed = self.sealer.open(&super::second_factors::seed_context(authenticator.id), &authenticator.sealed)?;
        totp::matched_step(&seed, code, authenticator.last_step, self.clock.now())
    }
}

/// What was given before the challenge.
fn first_factors(details: &Value) -> impl Iterator<Item = AuthMethod> {
    details["methods"].as_array().into_iter().flatten().filter_map(Value::as_str).filter_map(AuthMethod::named)
}

fn bad_challenge(code: Code) -> Error {
    let message = match code {
        Code::TokenUsed => "this challenge was answered before: sign in again",
        Code::TokenExpired => "this challenge is too old: sign in again",
        _ => "not a challenge: sign in again",
    };
    Refusal::new(code, message).at("challengeToken").into()
}
