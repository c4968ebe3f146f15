//! From a token to a [`Caller`], and from a login to its tokens.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use moka::sync::Cache;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::Service;
use super::attempts::Attempts;
use crate::crypto::jwt::Claims;
use crate::domain::account::{Account, PasswordState};
use crate::domain::actor::{Nobody, Person, Program, Proof};
use crate::domain::api_token::{ApiToken, Holder};
use crate::domain::audit::EventKind;
use crate::domain::login::{EndReason, Login, LoginState, Origin};
use crate::domain::mail::Notice;
use crate::domain::organization::Organization;
use crate::domain::policy::AccountPolicy;
use crate::domain::role::{self, RoleGrant};
use crate::domain::second_factor::Authenticator;
use crate::domain::token::{BearerSecret, SecretKind};
use crate::domain::user::User;
use crate::domain::{
    AccountId, Caller, Code, Error, LoginId, OrganizationId, Permission, Refusal, RequiredAction, UserId,
};
use crate::store::{LoginEnd, NewTokens, Session as StoredSession, TokenSession};

/// How exact "last used" is: one write a minute, however many requests.
const LAST_USED_RESOLUTION: TimeDelta = TimeDelta::minutes(1);
/// How long what is known of a person is used again, where nobody else writes to the store: every commit ends it sooner.
const KNOWN_FOR: TimeDelta = TimeDelta::seconds(1);
const MOST_KNOWN: u64 = 10_000;

/// The people that were asked about a moment ago, by the hash of the token. Used only while nothing was committed since.
pub(super) struct KnownPeople(Cache<[u8; 32], Known>);

#[derive(Clone)]
struct Known {
    person: Arc<Person>,
    revision: u64,
    at: DateTime<Utc>,
}

impl Default for KnownPeople {
    fn default() -> Self {
        Self(Cache::new(MOST_KNOWN))
    }
}

/// Tokens of a login, shown once.
#[derive(Debug)]
pub struct NewSession {
    /// A signed JWT.
    pub access_token: Zeroizing<String>,
    /// When it stops working.
    pub access_token_expires: DateTime<Utc>,
    /// Works once.
    pub refresh_token: BearerSecret,
    /// The login.
    pub login: Login,
    /// What must be done before anything else works.
    pub required_actions: Vec<RequiredAction>,
}

/// What one organization says about a person who may act in it.
pub(super) struct Member {
    pub(super) user: User,
    pub(super) grants: Vec<RoleGrant>,
    pub(super) policy: AccountPolicy,
}

impl Service {
    /// Who this token speaks for; nobody, if it is not (any more) good for anything. Everything that can say no is asked:
    /// the token, the login, the person and the user, now (D9).
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the store does not answer.
    pub async fn sign_in_with_token(&self, token: &str, origin: Origin) -> Result<Caller, Error> {
        if BearerSecret::parse(SecretKind::Challenge, token).is_some() {
            return Ok(Caller::nobody(Nobody::Challenged, origin));
        }
        if let Some(secret) = BearerSecret::parse(SecretKind::Root, token) {
            return self.sign_in_root(secret, origin).await;
        }
        let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let now = self.clock.now();
        let revision = self.store.revision();
        let known = self.known_people.0.get(&hash).filter(|known| Some(known.revision) == revision);
        if let Some(known) = known.filter(|known| now - known.at < KNOWN_FOR && now >= known.at)
            && is_still_good(&known.person, now)
        {
            return Ok(Caller::person(known.person, origin));
        }
        let found = match BearerSecret::parse(SecretKind::Api, token) {
            Some(secret) => match self.find_token(&secret, now).await? {
                Some(found) if found.token.person().is_none() => return self.program(found, origin, now).await,
                Some(found) => self.find_token_holder(found.token, now).await?,
                None => None,
            },
            None => self.find_login_holder(token, now).await?,
        };
        let Some(person) = found.map(Arc::new) else { return Ok(Caller::nobody(Nobody::Unknown, origin)) };
        if let Some(revision) = revision {
            self.known_people.0.insert(hash, Known { person: person.clone(), revision, at: now });
        }
        Ok(Caller::person(person, origin))
    }

    async fn find_login_holder(&self, token: &str, now: DateTime<Utc>) -> Result<Option<Person>, Error> {
        let Some(claims) = self.read_token(token).await?.filter(|claims| claims.is_current(now)) else {
            return Ok(None);
        };
        let Some(session) = self.find_session(&claims).await? else { return Ok(None) };
        let is_current = session.login.generation == claims.generation && session.login.user.uuid() == claims.sub;
        if !is_current || !session.login.is_active(now) {
            return Ok(None);
        }
        let Some(member) = self.find_member(session.login.organization, session.login.user, session.account.id).await?
        else {
            return Ok(None);
        };
        if lacks_factor(&session.login, session.authenticator.as_ref(), &member.policy) {
            return Ok(None);
        }
        self.touch_login(&session.login, now).await;
        Ok(Some(person(
            session.account,
            member,
            session.organization,
            Proof::Login(session.login),
            CredentialState { password: session.password, authenticator: session.authenticator },
        )))
    }

    /// The token with this secret, if both work now.
    async fn find_token(&self, secret: &BearerSecret, now: DateTime<Utc>) -> Result<Option<TokenSession>, Error> {
        let found = self.store.identity().find_token(secret).await?;
        Ok(found.filter(|found| found.token.is_live(now) && found.replaced.is_none_or(|until| now < until)))
    }

    /// The service account of a token; nobody, if it is off.
    async fn program(&self, found: TokenSession, origin: Origin, now: DateTime<Utc>) -> Result<Caller, Error> {
        let TokenSession { token, replaced, issued: is_issued } = found;
        let nobody = |origin| Ok(Caller::nobody(Nobody::Unknown, origin));
        let Holder::ServiceAccount(id) = token.holder else { return nobody(origin) };
        let store = self.store.organization(token.organization).await?;
        let Some((account, grants, policy)) = store.find_program_member(id).await? else { return nobody(origin) };
        let Some(organization) = self.store.identity().find_organization(token.organization).await? else {
            return nobody(origin);
        };
        // Off means off: whatever token it is (AC-05).
        if !account.active {
            return nobody(origin);
        }
        if token.last_used.is_none_or(|used| now - used >= LAST_USED_RESOLUTION) {
            drop(self.store.identity().touch_token(token.id, now).await);
            drop(store.touch_program(id, now).await);
        }
        let scopes = role::implied(token.scopes.clone());
        let permissions = role::permissions_of(&grants).intersection(&scopes).copied().collect();
        let ends = [token.expires, replaced].into_iter().flatten().min();
        let program = Program { account, organization, policy, grants, permissions, token, is_issued, ends };
        Ok(Caller::program(Arc::new(program), origin))
    }

    async fn find_token_holder(&self, token: ApiToken, now: DateTime<Utc>) -> Result<Option<Person>, Error> {
        let identity = self.store.identity();
        let Some((account, user)) = token.person() else { return Ok(None) };
        let Some(credentials) = identity.find_credentials(account).await? else { return Ok(None) };
        let joined = credentials.memberships.into_iter().find(|joined| joined.organization.id == token.organization);
        let Some(joined) = joined else { return Ok(None) };
        let Some(member) = self.find_member(token.organization, user, account).await? else {
            return Ok(None);
        };
        if token.last_used.is_none_or(|used| now - used >= LAST_USED_RESOLUTION) {
            // Several requests may note it at once; none may fail for it.
            drop(identity.touch_token(token.id, now).await);
            self.touch_user(token.organization, user, now).await;
        }
        Ok(Some(person(
            credentials.account,
            member,
            joined.organization,
            Proof::Token(token),
            CredentialState {
                password: credentials.password.map(|password| password.state()),
                authenticator: credentials.authenticator,
            },
        )))
    }

    /// What `identity` knows of the login a token names.
    async fn find_session(&self, claims: &Claims) -> Result<Option<StoredSession>, Error> {
        let (login, account) = (LoginId::new(claims.sid), AccountId::new(claims.account));
        Ok(self.store.identity().find_session(login, account, OrganizationId::new(claims.org)).await?)
    }

    /// A user who may act in the organization now, and is this person there.
    pub(super) async fn find_member(
        &self,
        organization: OrganizationId,
        user: UserId,
        account: AccountId,
    ) -> Result<Option<Member>, Error> {
        let found = self.store.organization(organization).await?.find_member(user).await?;
        let member = found.map(|(user, grants, policy)| Member { user, grants, policy });
        Ok(member.filter(|member| member.user.is_admitted() && member.user.account == Some(account)))
    }

    async fn touch_login(&self, login: &Login, now: DateTime<Utc>) {
        if now - login.last_used < LAST_USED_RESOLUTION {
            return;
        }
        let expires = login.expires_after_use(now, &self.settings.lifetimes);
        // Several requests may note it at once; none may fail for it.
        drop(self.store.identity().touch_login(login.id, now, expires).await);
        self.touch_user(login.organization, login.user, now).await;
    }

    async fn touch_user(&self, organization: OrganizationId, user: UserId, now: DateTime<Utc>) {
        if let Ok(store) = self.store.organization(organization).await {
            drop(store.touch_user(user, now).await);
        }
    }

    /// A new secret of a kind.
    pub(super) fn secret(&self, kind: SecretKind) -> BearerSecret {
        BearerSecret::from_entropy(kind, self.entropy.bytes())
    }

    /// Access token beside a refresh token that is already stored.
    pub(super) async fn session(
        &self,
        login: Login,
        refresh_token: BearerSecret,
        required_actions: Vec<RequiredAction>,
    ) -> Result<NewSession, Error> {
        let (access_token, access_token_expires) = self.sign(&login, self.clock.now()).await?;
        Ok(NewSession { access_token, access_token_expires, refresh_token, login, required_actions })
    }

    /// Exchanges a refresh token for new tokens of the same login. One that was used before ends the login: a copy is
    /// about (SE-03, RFC 9700 §4.14).
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `TOKEN_INVALID`, `TOKEN_EXPIRED`, `TOKEN_USED`.
    pub async fn sign_in_with_refresh_token(&self, token: &str, origin: &Origin) -> Result<NewSession, Error> {
        let invalid = || Error::from(Refusal::new(Code::TokenInvalid, "not a refresh token").at("refreshToken"));
        let secret = BearerSecret::parse(SecretKind::Refresh, token).ok_or_else(invalid)?;
        let _lane = self.lanes.enter(secret.hash()).await;
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            let (login, used) = self.store.identity().find_refresh_token(&secret).await?.ok_or_else(invalid)?;
            let before = self.store.identity().find_login(login).await?.ok_or_else(invalid)?;
            if used {
                return Err(self.end_copied_login(&before, origin).await?);
            }
            match self.try_refresh(&before, &secret, origin).await {
                Err(Error::Busy) if attempts.again().await => {}
                outcome => return outcome,
            }
        }
    }

    async fn try_refresh(&self, before: &Login, used: &BearerSecret, origin: &Origin) -> Result<NewSession, Error> {
        let now = self.clock.now();
        match before.state(now) {
            LoginState::Active => {}
            LoginState::Expired => {
                return Err(Refusal::new(Code::TokenExpired, "the login has ended: sign in again")
                    .at("refreshToken")
                    .into());
            }
            LoginState::Revoked => {
                return Err(Refusal::new(Code::TokenInvalid, "the login was ended").at("refreshToken").into());
            }
        }
        let credentials = self.store.identity().find_credentials(before.account).await?;
        let member = self.find_member(before.organization, before.user, before.account).await?;
        let (Some(credentials), Some(member)) = (credentials, member) else {
            return Err(Refusal::new(Code::TokenInvalid, "the login was ended").at("refreshToken").into());
        };
        if lacks_factor(before, credentials.authenticator.as_ref(), &member.policy) {
            let message = "the organization requires a second factor: sign in again";
            return Err(Refusal::new(Code::TokenInvalid, message).at("refreshToken").into());
        }
        let after = Login {
            last_used: now,
            expires: before.expires_after_use(now, &self.settings.lifetimes),
            remote_ip: origin.remote_ip().or_else(|| before.remote_ip.clone()),
            updated: now,
            version: before.version + 1,
            ..before.clone()
        };
        let refresh = self.secret(SecretKind::Refresh);
        let tokens = NewTokens { before, after: &after, refresh: &refresh, used: Some(used) };
        let event = self.public_event(origin, EventKind::LoginRefreshed, ("login", after.id.to_string()));
        self.store.replace_tokens(&tokens, None, &event).await?;
        let enrolled = credentials.authenticator.as_ref().is_some_and(Authenticator::is_enrolled);
        let password = credentials.password.map(|password| password.state());
        let actions = required_actions(password.as_ref(), enrolled, &member.policy);
        self.session(after, refresh, actions).await
    }

    /// A refresh token was shown twice: the whole family ends, and its owner is told.
    async fn end_copied_login(&self, login: &Login, origin: &Origin) -> Result<Error, Error> {
        let used =
            Refusal::new(Code::TokenUsed, "this refresh token was used before: the login is ended").at("refreshToken");
        if login.is_active(self.clock.now()) {
            let mails = self.tell_owner(login.account, Notice::CopyNoticed, origin, None).await?;
            let event = self.public_event(origin, EventKind::LoginRevoked, ("login", login.id.to_string()));
            let which = LoginEnd::These(vec![login.id]);
            self.store.end_logins(login.organization, &which, EndReason::Reuse, &mails, &event).await?;
            self.mail_waits();
        }
        Ok(used.into())
    }

    /// Ends the login of an access or refresh token, or the challenge that was sent as a credential. Only a token that still
    /// works ends it; one that does not is answered the same, and changes nothing (RFC 7009 §2.2).
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `TOKEN_INVALID` when neither is one of ours.
    pub async fn sign_out(
        &self,
        bearer: Option<&str>,
        refresh_token: Option<&str>,
        origin: &Origin,
    ) -> Result<Option<LoginId>, Error> {
        let now = self.clock.now();
        let shown = match refresh_token {
            Some(token) => self.shown_refresh_token(token).await?,
            None => match bearer {
                Some(token) if self.cancelled_challenge(token).await? => return Ok(None),
                Some(token) => self.read_token(token).await?.map(|claims| ShownToken::Access(Box::new(claims))),
                None => None,
            },
        };
        let field = if refresh_token.is_some() { "refreshToken" } else { "token" };
        let invalid = || Error::from(Refusal::new(Code::TokenInvalid, "not a token of a login").at(field));
        let shown = shown.ok_or_else(invalid)?;
        let login = self.store.identity().find_login(shown.login()).await?.ok_or_else(invalid)?;
        if login.is_active(now) && shown.still_works(&login, now) {
            let event = self.public_event(origin, EventKind::LoginRevoked, ("login", login.id.to_string()));
            let which = LoginEnd::These(vec![login.id]);
            self.store.end_logins(login.organization, &which, EndReason::Oneself, &[], &event).await?;
        }
        Ok(Some(login.id))
    }

    async fn shown_refresh_token(&self, token: &str) -> Result<Option<ShownToken>, Error> {
        let Some(secret) = BearerSecret::parse(SecretKind::Refresh, token) else { return Ok(None) };
        let found = self.store.identity().find_refresh_token(&secret).await?;
        Ok(found.map(|(login, used)| if used { ShownToken::UsedRefresh(login) } else { ShownToken::Refresh(login) }))
    }

    async fn cancelled_challenge(&self, token: &str) -> Result<bool, Error> {
        let Some(secret) = BearerSecret::parse(SecretKind::Challenge, token) else { return Ok(false) };
        self.store.identity().cancel_challenge(&secret).await?;
        Ok(true)
    }
}

/// A token of a login, as it was shown to end that.
enum ShownToken {
    /// An access token that we signed.
    Access(Box<Claims>),
    /// A refresh token that can be exchanged.
    Refresh(LoginId),
    /// A refresh token that was exchanged before.
    UsedRefresh(LoginId),
}

impl ShownToken {
    /// Whose token it is.
    fn login(&self) -> LoginId {
        match self {
            Self::Access(claims) => LoginId::new(claims.sid),
            Self::Refresh(login) | Self::UsedRefresh(login) => *login,
        }
    }

    /// Whether it is the login's present one.
    fn still_works(&self, login: &Login, now: DateTime<Utc>) -> bool {
        match self {
            Self::Access(claims) => claims.is_current(now) && claims.generation == login.generation,
            Self::Refresh(_) => true,
            Self::UsedRefresh(_) => false,
        }
    }
}

/// Time alone may have ended what was known a moment ago.
fn is_still_good(person: &Person, now: DateTime<Utc>) -> bool {
    match &person.proof {
        Proof::Login(login) => login.is_active(now) && now - login.last_used < LAST_USED_RESOLUTION + KNOWN_FOR,
        Proof::Token(token) => token.is_live(now),
    }
}

/// What is known of somebody's credentials.
struct CredentialState {
    password: Option<PasswordState>,
    authenticator: Option<Authenticator>,
}

fn person(
    account: Account,
    member: Member,
    organization: Organization,
    proof: Proof,
    known: CredentialState,
) -> Person {
    let CredentialState { password, authenticator } = known;
    let enrolled = authenticator.as_ref().is_some_and(Authenticator::is_enrolled);
    let required_actions = required_actions(password.as_ref(), enrolled, &member.policy);
    let mut permissions = if account.superuser {
        Permission::ALL.into_iter().collect::<BTreeSet<_>>()
    } else {
        role::permissions_of(&member.grants)
    };
    if let Proof::Token(token) = &proof {
        let scopes = role::implied(token.scopes.clone());
        permissions.retain(|permission| scopes.contains(permission));
    }
    Person {
        account,
        user: member.user,
        organization,
        policy: member.policy,
        grants: member.grants,
        permissions,
        proof,
        password,
        authenticator,
        required_actions,
    }
}

/// A login from before its person had a second factor, where the organization demands one: whoever holds it has not
/// given it (MF-11).
pub(super) fn lacks_factor(login: &Login, authenticator: Option<&Authenticator>, policy: &AccountPolicy) -> bool {
    policy.mfa_required && authenticator.is_some_and(Authenticator::is_enrolled) && !login.is_multi_factor()
}

/// What somebody must do before anything else (MF-11).
pub(super) fn required_actions(
    password: Option<&PasswordState>,
    has_second_factor: bool,
    policy: &AccountPolicy,
) -> Vec<RequiredAction> {
    let must_change = password.is_some_and(|password| password.must_change.is_some());
    let must_enroll = policy.mfa_required && !has_second_factor;
    let actions = [(must_change, RequiredAction::ChangePassword), (must_enroll, RequiredAction::EnrollMfa)];
    actions.into_iter().filter_map(|(due, action)| due.then_some(action)).collect()
}
