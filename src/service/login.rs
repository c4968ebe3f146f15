//! Signing in with a password.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::Service;
use super::attempts::Attempts;
use super::hashing::{Payer, Turn};
use super::references::OrganizationRef;
use super::session::{Member, NewSession, required_actions};
use super::steps::{STEP, at_full_steps};
use crate::crypto::password::Verdict;
use crate::domain::account::{Account, Joined, PasswordRecord};
use crate::domain::audit::EventKind;
use crate::domain::email;
use crate::domain::login::{self, AuthMethod, Device, Login, LoginDraft, Origin};
use crate::domain::password::Password;
use crate::domain::second_factor::{Authenticator, CHALLENGE_TRIES, MfaMethod};
use crate::domain::token::{BearerSecret, SecretKind};
use crate::domain::trusted_device::TrustedDevice;
use crate::domain::{AccountId, Code, Error, LoginId, OrganizationId, Refusal};
use crate::store::{Credentials, DeviceTrust, FactorUse, OneTime, Purpose, SealedMail, SignIn};

/// How long a challenge can be answered.
const CHALLENGE_LIFETIME: TimeDelta = TimeDelta::minutes(5);

/// What a person sends to sign in.
#[derive(Clone, Debug)]
pub struct PasswordSignIn {
    /// Who they say they are.
    pub who: Who,
    /// The password.
    pub password: String,
    /// Where to; none: where they were last.
    pub organization: Option<OrganizationRef>,
    /// The client's own id of the device.
    pub device_id: Option<String>,
    /// What the client calls it.
    pub device_name: Option<String>,
    /// What was given when the device was trusted.
    pub trusted_device_token: Option<String>,
}

/// Who somebody says they are.
#[derive(Clone, Debug)]
pub enum Who {
    /// By a verified address.
    Email(String),
    /// By the user name in the organization.
    UserName(String),
}

/// What came of a right password.
#[derive(Debug)]
pub struct SignedIn {
    /// Signed in, or challenged.
    pub outcome: SignInOutcome,
    /// The trusted device's next secret, if it was of use.
    pub trusted_device_token: Option<BearerSecret>,
}

/// Signed in, or challenged.
#[derive(Debug)]
pub enum SignInOutcome {
    /// Signed in.
    Session(Box<NewSession>),
    /// The second factor is wanted.
    Challenge(IssuedChallenge),
}

/// A challenge, its token shown once.
#[derive(Debug)]
pub struct IssuedChallenge {
    /// For [`Service::sign_in_with_code`].
    pub token: BearerSecret,
    /// What can be given.
    pub methods: Vec<MfaMethod>,
    /// When to start again.
    pub expires: DateTime<Utc>,
    /// Tries left.
    pub tries_left: u32,
    /// Whether the organization lets a device be trusted.
    pub can_trust_device: bool,
}

fn refused() -> Error {
    Refusal::new(Code::InvalidCredentials, "sign-in refused: check address or name, password and organization").into()
}

/// Somebody whose password was right, and where they are going.
pub(super) struct Arriving {
    pub(super) credentials: Credentials,
    pub(super) joined: Joined,
    pub(super) member: Member,
}

impl Service {
    /// Signs a person in with a password (S2-02). Whatever is wrong has one answer, and takes the same time.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `INVALID_CREDENTIALS`, `VALIDATION_FAILED`, `INVALID_ARGUMENT_COMBINATION`;
    /// [`Error::Overloaded`].
    pub async fn sign_in_with_password(&self, sign_in: PasswordSignIn, origin: &Origin) -> Result<SignedIn, Error> {
        login::check_device(sign_in.device_id.as_deref(), sign_in.device_name.as_deref())?;
        let password = Password::read(&sign_in.password, "password")?;
        // Before anything is read: who is told to come back costs nothing.
        let turn = self.hashing.turn(&Payer::network(origin)).await?;
        at_full_steps(self.entropy.jitter(STEP), Box::pin(self.sign_in_in_turn(turn, sign_in, password, origin))).await
    }

    async fn sign_in_in_turn(
        &self,
        turn: Turn,
        sign_in: PasswordSignIn,
        password: Password,
        origin: &Origin,
    ) -> Result<SignedIn, Error> {
        let (identity, account) = self.find_account_of(&sign_in).await?;
        let credentials = self.credentials_of(account).await?;
        let trusted = self.find_trusted(sign_in.trusted_device_token.as_deref(), account).await?;
        let counted =
            self.count_password_try(account, &identity, origin, trusted.as_ref().map(|(device, _)| device)).await?;
        let usable = credentials.as_ref().and_then(|credentials| credentials.password.as_ref());
        let hash = usable.map(|password| password.hash.clone()).filter(|_| counted.is_ok());
        let home = credentials.as_ref().map_or_else(|| Payer::network(origin), Payer::home);
        let verdict = match self.hashing.verify(turn, &home, password.clone(), hash.as_deref()).await {
            Ok(verdict) => verdict,
            Err(error) => {
                if let Ok(counted) = counted {
                    self.not_tried(counted).await?;
                }
                return Err(error);
            }
        };
        let Ok(counted) = counted else {
            return Err(refused());
        };
        let locks_account = counted.locks_account;
        let arriving = match (verdict, credentials) {
            (Verdict::Wrong, _) | (_, None) => None,
            (_, Some(credentials)) => self.find_way_in(&sign_in, credentials).await?,
        };
        let Some(arriving) = arriving else {
            self.note_failure(account, locks_account, origin).await?;
            return Err(refused());
        };
        self.take_back(counted).await?;
        let known = hash.clone();
        let rehash = match (verdict, hash) {
            // If there is no room for it now, another time.
            (Verdict::RightButOutdated, Some(before)) => {
                self.hashing.hash(&home, password, self.entropy.bytes()).await.ok().map(|after| (before, after))
            }
            _ => None,
        };
        self.arrive_whatever_happens_beside(sign_in, (arriving, known), trusted, rehash, origin).await
    }

    /// Other sign-ins of the same person may be in the way, and are waited out; another password than the one that was
    /// right may not be.
    async fn arrive_whatever_happens_beside(
        &self,
        sign_in: PasswordSignIn,
        (mut arriving, proven): (Arriving, Option<String>),
        trusted: Option<(TrustedDevice, BearerSecret)>,
        rehashed: Option<(String, String)>,
        origin: &Origin,
    ) -> Result<SignedIn, Error> {
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            let outcome = self.arrive(sign_in.clone(), &arriving, trusted.clone(), rehashed.clone(), origin).await;
            if !matches!(outcome, Err(Error::Busy)) || !attempts.again().await {
                return outcome;
            }
            let account = arriving.credentials.account.id;
            let again = self.store.identity().find_credentials(account).await?.ok_or_else(refused)?;
            if again.password.as_ref().map(|password| &password.hash) != proven.as_ref() {
                return Err(refused());
            }
            arriving = self.find_way_in(&sign_in, again).await?.ok_or_else(refused)?;
        }
    }

    /// Whom the name or address belongs to, and the one key under which tries of it are counted (AU-04).
    async fn find_account_of(&self, sign_in: &PasswordSignIn) -> Result<(String, Option<AccountId>), Error> {
        match &sign_in.who {
            Who::Email(text) => {
                let key = email::lookup_key(text);
                let found = self.store.identity().find_verified_email(&key).await?;
                Ok((key, found.map(|email| email.account)))
            }
            Who::UserName(name) => {
                let key = scim::fold(name.trim());
                let organization = match &sign_in.organization {
                    Some(reference) => self.find_organization(reference).await?,
                    None => None,
                };
                let Some(organization) = organization else { return Ok((key, None)) };
                let store = self.store.organization(organization.id).await?;
                let user = store.find_user_by_name_key(&key).await?;
                Ok((format!("{}:{key}", organization.id), user.and_then(|user| user.account)))
            }
        }
    }

    /// Nobody's credentials take as long to look for as somebody's (AU-08).
    async fn credentials_of(&self, account: Option<AccountId>) -> Result<Option<Credentials>, Error> {
        let id = account.unwrap_or_else(|| AccountId::new(self.entropy.id(self.clock.now())));
        Ok(self.store.identity().find_credentials(id).await?)
    }

    /// The trusted device whose token was sent, if it is this person's and still good. A token that was replaced betrays
    /// a copy: the trust ends (MF-09).
    async fn find_trusted(
        &self,
        token: Option<&str>,
        account: Option<AccountId>,
    ) -> Result<Option<(TrustedDevice, BearerSecret)>, Error> {
        let Some(secret) = token.and_then(|token| BearerSecret::parse(SecretKind::TrustedDevice, token)) else {
            return Ok(None);
        };
        let Some((device, is_previous)) = self.store.identity().find_device_by_secret(&secret).await? else {
            return Ok(None);
        };
        if Some(device.account) != account {
            return Ok(None);
        }
        if is_previous {
            self.end_copied_device(&device).await?;
            return Ok(None);
        }
        Ok(device.is_active(self.clock.now()).then_some((device, secret)))
    }

    /// Where somebody with the right password may go: the organization they named, else the last one, else the oldest.
    async fn find_way_in(&self, sign_in: &PasswordSignIn, credentials: Credentials) -> Result<Option<Arriving>, Error> {
        let now = self.clock.now();
        let is_usable =
            credentials.password.as_ref().is_some_and(|password| password.expires.is_none_or(|end| now < end));
        if !is_usable {
            return Ok(None);
        }
        let last = credentials.account.last_organization;
        let mut ways: Vec<Joined> = credentials.memberships.clone();
        if let Some(wanted) = &sign_in.organization {
            ways.retain(|joined| wanted.names(&joined.organization));
        }
        ways.retain(|joined| credentials.account.may_act_in(joined.organization.id));
        ways.sort_by_key(|joined| Some(joined.organization.id) != last);
        for joined in ways {
            let membership = &joined.membership;
            let member = self.find_member(membership.organization, membership.user, membership.account).await?;
            if let Some(member) = member {
                return Ok(Some(Arriving { credentials, joined, member }));
            }
        }
        Ok(None)
    }

    async fn note_failure(&self, account: Option<AccountId>, locks: bool, origin: &Origin) -> Result<(), Error> {
        let Some(account) = account.filter(|_| locks) else {
            tracing::info!(known = account.is_some(), "a sign-in failed");
            return Ok(());
        };
        self.tell_locked(account, origin).await
    }

    /// Makes the login, or the challenge that stands before it.
    async fn arrive(
        &self,
        sign_in: PasswordSignIn,
        arriving: &Arriving,
        trusted: Option<(TrustedDevice, BearerSecret)>,
        rehashed: Option<(String, String)>,
        origin: &Origin,
    ) -> Result<SignedIn, Error> {
        let organization = arriving.joined.organization.id;
        let device = Device {
            id: sign_in.device_id.unwrap_or_else(|| self.entropy.id(self.clock.now()).to_string()),
            name: sign_in.device_name,
        };
        let trust_counts = arriving.member.policy.trusted_devices;
        let trusted = trusted.filter(|(device, _)| device.organization == organization && trust_counts);
        let enrolled = arriving.credentials.authenticator.as_ref().is_some_and(Authenticator::is_enrolled);
        if enrolled && trusted.is_none() {
            let details = json!({"device_id": device.id, "device_name": device.name, "methods": ["PASSWORD"]});
            let account = &arriving.credentials.account;
            let outcome = self.challenge(account, organization, trust_counts, details).await?;
            return Ok(SignedIn { outcome: SignInOutcome::Challenge(outcome), trusted_device_token: None });
        }
        let mut methods = vec![AuthMethod::Password];
        let next = trusted.as_ref().filter(|_| enrolled).map(|_| self.secret(SecretKind::TrustedDevice));
        let trust = match (&trusted, &next) {
            (Some((device, shown)), Some(next)) => {
                methods.push(AuthMethod::TrustedDevice);
                Some(DeviceTrust::Used(device.id, shown, next))
            }
            _ => None,
        };
        let entry = Entry {
            device,
            methods,
            factor: None,
            proof: None,
            proven: Some(self.clock.now()),
            trust,
            rehashed,
            mails: Vec::new(),
            reason: None,
        };
        let session = self.enter(arriving, entry, origin).await?;
        Ok(SignedIn { outcome: SignInOutcome::Session(Box::new(session)), trusted_device_token: next })
    }

    /// A challenge that wants a second factor of this person for this organization.
    pub(super) async fn challenge(
        &self,
        account: &Account,
        organization: OrganizationId,
        can_trust_device: bool,
        mut details: Value,
    ) -> Result<IssuedChallenge, Error> {
        // What is proven later stands on what is proven now: a change of credentials between them voids it.
        details["credentials_version"] = json!(account.credentials_version);
        let token = self.secret(SecretKind::Challenge);
        let now = self.clock.now();
        let expires = now + CHALLENGE_LIFETIME;
        let challenge = OneTime {
            purpose: Purpose::Challenge,
            account: Some(account.id),
            organization: Some(organization),
            subject: None,
            details,
            tries_left: CHALLENGE_TRIES,
            created: now,
            expires,
            used: None,
        };
        self.store.identity().insert_one_time(&token, &challenge).await?;
        let methods = vec![MfaMethod::Totp, MfaMethod::RecoveryCode];
        Ok(IssuedChallenge { token, methods, expires, tries_left: CHALLENGE_TRIES, can_trust_device })
    }

    /// Writes the login with everything that belongs to it.
    pub(super) async fn enter(
        &self,
        arriving: &Arriving,
        entry: Entry<'_>,
        origin: &Origin,
    ) -> Result<NewSession, Error> {
        let now = self.clock.now();
        let account = &arriving.credentials.account;
        let draft = LoginDraft {
            account: account.id,
            organization: arriving.joined.organization.id,
            user: arriving.member.user.id,
            device: entry.device,
            auth_methods: entry.methods,
            proven: entry.proven,
        };
        let login = Login::create(LoginId::new(self.entropy.id(now)), draft, origin, &self.settings.lifetimes, now);
        let mut mails = entry.mails;
        mails.extend(self.new_device_notice(account, &login).await?);
        let refresh = self.secret(SecretKind::Refresh);
        let mut event = self.public_event(origin, EventKind::LoginCreated, ("login", login.id.to_string()));
        event.reason = entry.reason;
        let sign_in = SignIn {
            login: &login,
            refresh: &refresh,
            account,
            user: &arriving.member.user,
            factor: entry.factor,
            proof: entry.proof,
            trust: entry.trust,
            rehashed: entry.rehashed,
            mails: &mails,
        };
        self.store.sign_in(&sign_in, &event).await?;
        self.mail_waits();
        let enrolled = arriving.credentials.authenticator.as_ref().is_some_and(Authenticator::is_enrolled);
        let password = arriving.credentials.password.as_ref().map(PasswordRecord::state);
        let actions = required_actions(password.as_ref(), enrolled, &arriving.member.policy);
        self.session(login, refresh, actions).await
    }
}

/// What a login is written with.
pub(super) struct Entry<'a> {
    pub(super) device: Device,
    pub(super) methods: Vec<AuthMethod>,
    pub(super) factor: Option<FactorUse>,
    pub(super) proof: Option<(Purpose, &'a BearerSecret)>,
    pub(super) proven: Option<DateTime<Utc>>,
    pub(super) trust: Option<DeviceTrust<'a>>,
    pub(super) rehashed: Option<(String, String)>,
    pub(super) mails: Vec<SealedMail>,
    /// The reason in the audit trail.
    pub(super) reason: Option<String>,
}
