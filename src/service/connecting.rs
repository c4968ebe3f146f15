//! Signing in through a login provider (OpenID Connect): out to it, back from it, and the code that a front end gets
//! tokens for (RFC 6749 §4.1, RFC 7636, RFC 9700).

use chrono::TimeDelta;
use serde_json::{Value, json};
use subtle::ConstantTimeEq as _;

use super::Service;
use super::attempts::Attempts;
use super::login::{Arriving, Entry, SignInOutcome};
use super::passwords::bad_link;
use super::references::OrganizationRef;
use crate::domain::account::{Account, EmailAddress, EmailSource, Joined, Membership, MembershipSource, Settings};
use crate::domain::audit::{AuditEvent, Change, EventKind};
use crate::domain::caller::Nobody;
use crate::domain::connection::{Attested, Connection, ExternalIdentity};
use crate::domain::email::Email;
use crate::domain::invitation::{Acceptance, Invitation};
use crate::domain::login::{AuthMethod, Device, EndReason, Origin};
use crate::domain::profile::ProfileEdit;
use crate::domain::second_factor::Authenticator;
use crate::domain::token::{BearerSecret, SecretKind};
use crate::domain::user::{User, UserDraft, Writer};
use crate::domain::user_name::UserName;
use crate::domain::{AccountId, Caller, Code, EmailId, Error, LoginId, OrganizationId, Refusal, UserId};
use crate::openid::{Exchange, Outgoing, Trouble, challenge, with_query};
use crate::store::{Arrival, Credentials, LoginEnd, OneTime, OrganizationStore, Purpose};

/// How long a person may be at the provider.
const AWAY: TimeDelta = TimeDelta::minutes(10);
/// How long a code can be exchanged (RFC 6749 §4.1.2 says ten minutes at most).
const CODE_LIFETIME: TimeDelta = TimeDelta::minutes(1);
/// Characters of what a front end wants back.
const STATE: usize = 1_024;

/// What a front end asks for (RFC 6749 §4.1.1), texts as sent.
#[derive(Clone, Debug, Default)]
pub struct Authorization {
    /// `response_type`
    pub response_type: String,
    /// Which front end.
    pub client_id: String,
    /// Where the browser is to come back to: exactly one of those that are set.
    pub redirect_uri: String,
    /// What it is to come back with.
    pub state: Option<String>,
    /// What the front end alone can prove later.
    pub code_challenge: String,
    /// `S256`
    pub code_challenge_method: String,
    /// Short name or id of the organization.
    pub organization: String,
    /// Name of the login provider; none: the one of invitations.
    pub connection: Option<String>,
    /// Whom the person says they are.
    pub login_hint: Option<String>,
}

/// A code that a front end exchanges for tokens (RFC 6749 §4.1.3), texts as sent.
#[derive(Clone, Debug, Default)]
pub struct CodeGrant {
    /// The code.
    pub code: String,
    /// Which front end.
    pub client_id: String,
    /// As it was asked for.
    pub redirect_uri: String,
    /// What the challenge was made of.
    pub code_verifier: String,
}

/// Why a browser goes back without a code (RFC 6749 §4.1.2.1).
#[derive(Debug)]
enum Declined {
    /// The front end asked for something else than there is.
    Invalid(&'static str),
    /// Nobody comes in this way.
    Denied(String),
    /// The provider does not answer.
    Later(String),
    /// We failed.
    Failed(Error),
}

impl From<Error> for Declined {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(_) => Self::Denied(error.to_string()),
            error => Self::Failed(error),
        }
    }
}

impl From<crate::store::StoreError> for Declined {
    fn from(error: crate::store::StoreError) -> Self {
        Error::from(error).into()
    }
}

impl From<Trouble> for Declined {
    fn from(trouble: Trouble) -> Self {
        tracing::warn!(%trouble, "a sign-in through a login provider failed");
        match trouble {
            Trouble::Unreachable(why) => Self::Later(why),
            Trouble::Refused(why) => Self::Denied(why),
        }
    }
}

fn denied(why: &str) -> Declined {
    Declined::Denied(why.to_owned())
}

/// Where a browser goes back to, and with what.
struct WayBack {
    redirect_uri: String,
    state: Option<String>,
}

/// Somebody at a door of an organization, and who the provider says they are.
struct Visit<'a> {
    store: OrganizationStore,
    organization: OrganizationId,
    connection: &'a Connection,
    attested: &'a Attested,
    caller: Caller,
}

impl Service {
    /// Where the browser goes: to the login provider, or back to the front end with what is wrong.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `VALIDATION_FAILED` when nobody knows the front end, or where it wants to be sent back to:
    /// the browser must stay here.
    pub async fn begin_provider_sign_in(&self, wanted: &Authorization) -> Result<String, Error> {
        let invalid = |message: &'static str, field: &'static str| {
            Error::from(Refusal::new(Code::ValidationFailed, message).at(field))
        };
        let known = self.settings.front_ends.get(&wanted.client_id);
        let known = known.ok_or_else(|| invalid("no front end has this client_id", "client_id"))?;
        if !known.contains(&wanted.redirect_uri) {
            return Err(invalid("this redirect_uri is not one of the front end's", "redirect_uri"));
        }
        let back = WayBack { redirect_uri: wanted.redirect_uri.clone(), state: wanted.state.clone() };
        match self.leave(wanted).await {
            Ok(url) => Ok(url),
            Err(declined) => self.way_back(&back, Err(declined)),
        }
    }

    async fn leave(&self, wanted: &Authorization) -> Result<String, Declined> {
        if wanted.response_type != "code" {
            return Err(Declined::Invalid("response_type must be code"));
        }
        if wanted.code_challenge_method != "S256" || wanted.code_challenge.len() != 43 {
            return Err(Declined::Invalid("PKCE is needed: code_challenge with code_challenge_method=S256"));
        }
        if wanted.state.as_ref().is_some_and(|state| state.len() > STATE) {
            return Err(Declined::Invalid("state has at most 1024 characters"));
        }
        let reference = if wanted.organization.parse::<OrganizationId>().is_ok() {
            OrganizationRef::Id(wanted.organization.clone())
        } else {
            OrganizationRef::ShortName(wanted.organization.clone())
        };
        let organization = self.find_organization(&reference).await?;
        let organization = organization.ok_or(Declined::Invalid("no such organization"))?;
        let store = self.store.organization(organization.id).await?;
        let name = match &wanted.connection {
            Some(name) => name.clone(),
            None => store.find_policy().await?.default_connection.unwrap_or_default(),
        };
        let connection = store.find_connection(&name).await?;
        let connection = connection.ok_or(Declined::Invalid("the organization has no such login provider"))?;
        let state = self.secret(SecretKind::State);
        let (nonce, verifier) = proofs(&state);
        let out = Outgoing {
            client_id: &connection.client_id,
            redirect_uri: &self.callback_url(),
            state: state.expose(),
            nonce: &nonce,
            verifier: &verifier,
            login_hint: wanted.login_hint.as_deref(),
        };
        let now = self.clock.now();
        let url = self.providers.authorization_url(&connection.issuer, &out, now).await?;
        let details = json!({
            "client_id": wanted.client_id, "redirect_uri": wanted.redirect_uri, "state": wanted.state,
            "code_challenge": wanted.code_challenge, "connection": connection.name,
        });
        let waiting = self.one_time(Purpose::Connection, organization.id, None, details, AWAY);
        self.store.identity().insert_one_time(&state, &waiting).await?;
        Ok(url)
    }

    fn one_time(
        &self,
        purpose: Purpose,
        organization: OrganizationId,
        account: Option<AccountId>,
        details: Value,
        lifetime: TimeDelta,
    ) -> OneTime {
        let now = self.clock.now();
        OneTime {
            purpose,
            account,
            organization: Some(organization),
            subject: None,
            details,
            tries_left: 1,
            created: now,
            expires: now + lifetime,
            used: None,
        }
    }

    /// Where providers send browsers back to; it is registered there, and compared there.
    pub fn callback_url(&self) -> String {
        format!("{}/oauth/callback", self.settings.public_url)
    }

    /// A browser came back from a login provider: where it goes now, with a code, or with what is wrong.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `TOKEN_INVALID`, `TOKEN_EXPIRED`, `TOKEN_USED` when nobody knows which sign-in this is.
    pub async fn finish_provider_sign_in(
        &self,
        state: &str,
        code: Result<&str, &str>,
        issuer: Option<&str>,
        origin: &Origin,
    ) -> Result<String, Error> {
        let secret = BearerSecret::parse(SecretKind::State, state).ok_or_else(|| bad_link(Code::TokenInvalid))?;
        let waiting = self.open_link(Purpose::Connection, &secret).await?;
        if !self.use_up(&secret).await? {
            return Err(bad_link(Code::TokenUsed));
        }
        let text = |name: &str| waiting.details[name].as_str().map(str::to_owned);
        let back = WayBack { redirect_uri: text("redirect_uri").unwrap_or_default(), state: text("state") };
        let outcome = match code {
            Ok(code) => self.come_back(&waiting, &secret, code, issuer, origin).await,
            Err("access_denied") => Err(denied("the sign-in was cancelled at the login provider")),
            Err(_) => Err(denied("the login provider refused the sign-in")),
        };
        self.way_back(&back, outcome)
    }

    async fn use_up(&self, secret: &BearerSecret) -> Result<bool, Error> {
        match self.store.identity().use_up(secret, self.clock.now()).await.map_err(Error::from) {
            // Somebody else did, at the same time.
            Err(Error::Busy) => Ok(false),
            outcome => outcome,
        }
    }

    async fn come_back(
        &self,
        waiting: &OneTime,
        state: &BearerSecret,
        code: &str,
        issuer: Option<&str>,
        origin: &Origin,
    ) -> Result<BearerSecret, Declined> {
        let organization = waiting.organization.ok_or_else(|| denied("this sign-in is of no organization"))?;
        let store = self.store.organization(organization).await?;
        let name = waiting.details["connection"].as_str().unwrap_or_default();
        let connection = store.find_connection(name).await?;
        let connection = connection.ok_or_else(|| denied("the login provider was removed"))?;
        if issuer.is_some_and(|issuer| issuer != connection.issuer) {
            // Another provider's answer (RFC 9207).
            return Err(denied("the answer is not the login provider's"));
        }
        let (nonce, verifier) = proofs(state);
        let client_secret = self.client_secret(organization, &connection)?;
        let exchange = Exchange {
            client_id: &connection.client_id,
            client_secret: client_secret.as_ref(),
            redirect_uri: &self.callback_url(),
            code,
            verifier: &verifier,
            nonce: &nonce,
        };
        let attested = self.providers.attest(&connection.issuer, &exchange, self.clock.now()).await?;
        let caller = Caller::nobody(Nobody::Unknown, origin.clone());
        let visit = Visit { store, organization, connection: &connection, attested: &attested, caller };
        let (account, user) = self.let_in(&visit).await?;
        let details = json!({
            "client_id": waiting.details["client_id"], "redirect_uri": waiting.details["redirect_uri"],
            "code_challenge": waiting.details["code_challenge"], "user": user.to_string(),
            "credentials_version": account.credentials_version,
        });
        let code = self.secret(SecretKind::Code);
        let good = self.one_time(Purpose::Code, organization, Some(account.id), details, CODE_LIFETIME);
        self.store.identity().insert_one_time(&code, &good).await?;
        Ok(code)
    }

    /// Whose account at the provider this is; somebody who comes for the first time is linked. Two doors at once: one
    /// links, the other finds the link.
    async fn let_in(&self, visit: &Visit<'_>) -> Result<(Account, UserId), Declined> {
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            match self.try_let_in(visit).await {
                Err(Declined::Failed(Error::Busy | Error::Taken(_))) if attempts.again().await => {}
                outcome => return outcome,
            }
        }
    }

    async fn try_let_in(&self, visit: &Visit<'_>) -> Result<(Account, UserId), Declined> {
        let identity = self.store.identity();
        let (name, subject) = (&visit.connection.name, &visit.attested.subject);
        let account = match identity.find_external_identity(visit.organization, name, subject).await? {
            Some(known) => {
                if let Some(email) = visit.attested.verified_email.as_ref().map(Email::as_str)
                    && known.email.as_deref() != Some(email)
                {
                    identity.set_identity_email(&known, email).await?;
                }
                known.account
            }
            None => match self.link(visit).await {
                // Another browser of the same person may have been faster.
                Err(declined) => {
                    let linked = identity.find_external_identity(visit.organization, name, subject).await?;
                    linked.map(|known| known.account).ok_or(declined)?
                }
                Ok(account) => account,
            },
        };
        let credentials = identity.find_credentials(account).await?;
        let credentials = credentials.ok_or_else(|| denied("the account is gone"))?;
        let arriving = self.find_place(visit.organization, credentials).await?;
        let arriving = arriving.ok_or_else(|| denied("you are kept out of the organization"))?;
        Ok((arriving.credentials.account, arriving.member.user.id))
    }

    async fn find_place(
        &self,
        organization: OrganizationId,
        credentials: Credentials,
    ) -> Result<Option<Arriving>, Error> {
        let joined = credentials.memberships.iter().find(|joined| joined.organization.id == organization).cloned();
        let Some(joined) = joined else { return Ok(None) };
        let member = self.find_member(organization, joined.membership.user, credentials.account.id).await?;
        Ok(member.map(|member| Arriving { credentials, joined, member }))
    }

    /// Links somebody who comes through the provider for the first time: by an address it vouches for, nothing else.
    async fn link(&self, visit: &Visit<'_>) -> Result<AccountId, Declined> {
        let email = visit.attested.verified_email.as_ref();
        let email = email.ok_or_else(|| denied("the login provider does not vouch for your address"))?;
        match self.store.identity().find_verified_email(email.key()).await? {
            Some(known) => self.link_account(visit, email, known.account).await,
            None => self.link_newcomer(visit, email).await,
        }
    }

    /// Somebody with an account: it is the organization's, or the address is. Else whoever runs the organization's
    /// provider would get into accounts that others rely on.
    async fn link_account(&self, visit: &Visit<'_>, email: &Email, id: AccountId) -> Result<AccountId, Declined> {
        let credentials = self.credentials(id).await?;
        let domains = self.store.identity().list_domains(visit.organization).await?;
        let is_theirs = credentials.account.managed_by == Some(visit.organization)
            || domains.iter().any(|domain| domain == email.domain());
        if !is_theirs {
            return Err(denied("your account is not this organization's: sign in with your password"));
        }
        let account = &credentials.account;
        let is_here = |joined: &&Joined| joined.organization.id == visit.organization;
        let (user, coming) = match credentials.memberships.iter().find(is_here) {
            Some(joined) => {
                let user = visit.store.find_user(joined.membership.user).await?;
                (user.ok_or_else(|| denied("you are kept out of the organization"))?, None)
            }
            None => {
                let coming = self.coming(visit, email, account).await?;
                (coming.user.clone(), Some(coming))
            }
        };
        let arrival = Arrival { account, address: None, entry: coming.as_ref().map(Coming::entry) };
        let event = self.event_about(&visit.caller, EventKind::IdentityLinked, &user, Vec::new(), None);
        self.store.link_identity(&visit.identity(id, self.clock.now()), &arrival, &event).await?;
        Ok(id)
    }

    /// Somebody without an account gets one, which the organization manages.
    async fn link_newcomer(&self, visit: &Visit<'_>, email: &Email) -> Result<AccountId, Declined> {
        let now = self.clock.now();
        let account = Account {
            id: AccountId::new(self.entropy.id(now)),
            managed_by: None,
            superuser: false,
            onboarded: false,
            last_organization: Some(visit.organization),
            settings: Settings::default(),
            credentials_version: 0,
        };
        let coming = self.coming(visit, email, &account).await?;
        let account = Account { managed_by: (!coming.user.external).then_some(visit.organization), ..account };
        let address = EmailAddress {
            is_primary: true,
            verified: Some(now),
            ..EmailAddress::create(EmailId::new(self.entropy.id(now)), account.id, email, EmailSource::Connection, now)
        };
        let arrival = Arrival { account: &account, address: Some(&address), entry: Some(coming.entry()) };
        let event = coming.event(self, &visit.caller);
        self.store.link_identity(&visit.identity(account.id, now), &arrival, &event).await?;
        Ok(account.id)
    }

    /// How somebody comes to belong to the organization: as the user that waits for them, by invitation, or because the
    /// organization lets its provider make users.
    async fn coming(&self, visit: &Visit<'_>, email: &Email, account: &Account) -> Result<Coming, Declined> {
        let now = self.clock.now();
        let writer = Writer { author: None, now, states_all: true };
        let invitation = self.invitation_for(visit, email).await?;
        let waiting = match invitation.as_ref().and_then(|invitation| invitation.user) {
            Some(user) => visit.store.find_user(user).await?.filter(|user| user.account.is_none()),
            None => self.waiting_user(visit, email).await?,
        };
        let membership = |user: &User| Membership {
            account: account.id,
            organization: visit.organization,
            user: user.id,
            source: if invitation.is_some() { MembershipSource::Invitation } else { MembershipSource::Connection },
            joined: now,
        };
        let (before, user) = if let Some(before) = waiting {
            if !before.is_admitted() {
                return Err(denied("you are kept out of the organization"));
            }
            let user = self.named_as_there(&before, email, writer)?.linked(account.id, writer);
            (Some(before.clone()), User { version: before.version + 1, ..user })
        } else {
            if invitation.is_none() && !visit.store.find_policy().await?.creates_users {
                return Err(denied("nobody with your address belongs to the organization: ask for an invitation"));
            }
            let made = self.user_of(visit, email, invitation.as_ref(), writer)?;
            (None, User { account: Some(account.id), ..made })
        };
        let accepted = invitation.as_ref().map(|before| {
            let after = before.accepted(user.id, Acceptance::Link, now);
            (before.clone(), after)
        });
        Ok(Coming { membership: membership(&user), before, user, accepted })
    }

    /// The invitation to this address that wants this provider, if its inviter may still give what it promises.
    async fn invitation_for(&self, visit: &Visit<'_>, email: &Email) -> Result<Option<Invitation>, Declined> {
        let found = visit.store.find_pending_invitation(email.key()).await?;
        let is_meant = |invitation: &Invitation| {
            invitation.is_open(self.clock.now()) && invitation.connection.as_ref() == Some(&visit.connection.name)
        };
        let Some(invitation) = found.filter(is_meant) else { return Ok(None) };
        self.check_inviter(&visit.store, &invitation).await?;
        Ok(Some(self.still_standing(&visit.store, invitation).await?))
    }

    /// The user with this address who has no account yet. Two of them are nobody; and somebody with an account who did not
    /// prove the address is not linked by it: they may have put it there to get what its owner gets.
    async fn waiting_user(&self, visit: &Visit<'_>, email: &Email) -> Result<Option<User>, Declined> {
        let key = scim::fold(email.as_str());
        let named = visit.store.find_user_by_name_key(&key).await?;
        let mut found = visit.store.find_users_by_email(&key, 2).await?;
        found.retain(|user| named.as_ref().is_none_or(|named| named.id != user.id));
        found.extend(named);
        match found.as_slice() {
            [] => Ok(None),
            [user] if user.account.is_none() => Ok(found.pop()),
            [_] => Err(denied("a user with your address signs in another way: ask an administrator")),
            _ => Err(denied("several users of the organization have your address: ask an administrator")),
        }
    }

    /// Whoever comes through a provider is called by the address there (S2-12), unless a directory says otherwise: it
    /// outranks a provider.
    fn named_as_there(&self, user: &User, email: &Email, writer: Writer) -> Result<User, Error> {
        if user.authority.contains_key("userName") || user.user_name_key() == scim::fold(email.as_str()) {
            return Ok(user.clone());
        }
        let name = UserName::parse(email.as_str(), &self.settings.reserved_names)?;
        user.edited(&ProfileEdit { user_name: Some(name), ..ProfileEdit::default() }, writer)
    }

    fn user_of(
        &self,
        visit: &Visit<'_>,
        email: &Email,
        invitation: Option<&Invitation>,
        writer: Writer,
    ) -> Result<User, Error> {
        let said = visit.attested;
        let bounded =
            |name: &Option<String>| name.clone().filter(|name| (1..=100).contains(&name.trim().chars().count()));
        let shown = invitation.map(|invitation| invitation.name.clone()).or_else(|| bounded(&said.name));
        let name = UserName::parse(email.as_str(), &self.settings.reserved_names)?;
        let mut attributes = json!({
            "userName": name.as_str(), "displayName": shown.unwrap_or_else(|| email.as_str().to_owned()),
            "emails": [{"value": email.as_str(), "type": "work", "primary": true}],
        });
        for (key, value) in [("givenName", &said.given_name), ("familyName", &said.family_name)] {
            if let Some(value) = bounded(value) {
                attributes["name"][key] = value.into();
            }
        }
        let attributes = attributes.as_object().cloned().unwrap_or_default();
        let draft = UserDraft::new(scim::Resource::from_stored(attributes))?;
        let user = User::create(UserId::new(self.entropy.id(writer.now)), draft, writer);
        Ok(User { salt: self.new_salt(), ..user })
    }

    fn way_back(&self, back: &WayBack, outcome: Result<BearerSecret, Declined>) -> Result<String, Error> {
        let code;
        let description;
        let mut parameters = match outcome {
            Ok(secret) => {
                code = secret;
                vec![("code", code.expose())]
            }
            Err(declined) => {
                let error = match declined {
                    Declined::Invalid(why) => {
                        description = why.to_owned();
                        "invalid_request"
                    }
                    Declined::Denied(why) => {
                        description = why;
                        "access_denied"
                    }
                    Declined::Later(why) => {
                        description = why;
                        "temporarily_unavailable"
                    }
                    Declined::Failed(Error::Internal(error)) => {
                        tracing::error!(%error, "a sign-in through a login provider failed");
                        description = "something went wrong: try again".to_owned();
                        "server_error"
                    }
                    Declined::Failed(_) => {
                        description = "something is too busy: try again".to_owned();
                        "temporarily_unavailable"
                    }
                };
                vec![("error", error), ("error_description", &description)]
            }
        };
        parameters.extend(back.state.as_deref().map(|state| ("state", state)));
        // Whose answer it is (RFC 9207).
        parameters.push(("iss", &self.settings.public_url));
        with_query(&back.redirect_uri, &parameters)
            .ok_or_else(|| Error::Internal("a front end's redirect_uri is no URL".into()))
    }

    /// Exchanges the code of a sign-in through a login provider for a session, or for a challenge where a second factor is
    /// enrolled. A code works once: a second use ends the login of the first (RFC 6749 §4.1.2).
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `TOKEN_INVALID`, `TOKEN_EXPIRED`, `TOKEN_USED`.
    pub async fn sign_in_with_grant(&self, grant: &CodeGrant, origin: &Origin) -> Result<SignInOutcome, Error> {
        let invalid = || bad_link(Code::TokenInvalid);
        let secret = BearerSecret::parse(SecretKind::Code, &grant.code).ok_or_else(invalid)?;
        let found = self.store.identity().find_one_time(Purpose::Code, &secret).await?.ok_or_else(invalid)?;
        let says = |name: &str, sent: &str| found.details[name].as_str().is_some_and(|known| known == sent);
        let proven: bool = found.details["code_challenge"]
            .as_str()
            .is_some_and(|known| known.as_bytes().ct_eq(challenge(&grant.code_verifier).as_bytes()).into());
        // Whoever has the code alone can neither use it nor end what it was used for.
        let is_theirs = says("client_id", &grant.client_id) && says("redirect_uri", &grant.redirect_uri);
        if !is_theirs || !proven || !(43..=128).contains(&grant.code_verifier.len()) {
            return Err(invalid());
        }
        if found.used.is_some() || !self.use_up(&secret).await? {
            self.end_login_of(&found, origin).await?;
            return Err(bad_link(Code::TokenUsed));
        }
        if self.clock.now() >= found.expires {
            return Err(bad_link(Code::TokenExpired));
        }
        let (Some(account), Some(organization)) = (found.account, found.organization) else { return Err(invalid()) };
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            let credentials = self.store.identity().find_credentials(account).await?.ok_or_else(invalid)?;
            if found.details["credentials_version"] != json!(credentials.account.credentials_version) {
                return Err(invalid());
            }
            let arriving = self.find_place(organization, credentials).await?.ok_or_else(invalid)?;
            match self.arrive_through(&arriving, &secret, origin).await {
                Err(Error::Busy) if attempts.again().await => {}
                outcome => return outcome,
            }
        }
    }

    async fn arrive_through(
        &self,
        arriving: &Arriving,
        code: &BearerSecret,
        origin: &Origin,
    ) -> Result<SignInOutcome, Error> {
        let device = Device { id: self.entropy.id(self.clock.now()).to_string(), name: None };
        if arriving.credentials.authenticator.as_ref().is_some_and(Authenticator::is_enrolled) {
            let details = json!({"device_id": device.id, "device_name": null, "methods": ["CONNECTION"]});
            let can_trust = arriving.member.policy.trusted_devices;
            let account = &arriving.credentials.account;
            let challenge = self.challenge(account, arriving.joined.organization.id, can_trust, details).await?;
            return Ok(SignInOutcome::Challenge(challenge));
        }
        let entry = Entry {
            device,
            methods: vec![AuthMethod::Connection],
            factor: None,
            challenge: None,
            trust: None,
            rehashed: None,
            mails: Vec::new(),
        };
        let session = self.enter(arriving, entry, origin).await?;
        self.store.identity().set_one_time_subject(code, session.login.id.uuid()).await?;
        Ok(SignInOutcome::Session(Box::new(session)))
    }

    /// A code was shown twice: a copy is about.
    async fn end_login_of(&self, code: &OneTime, origin: &Origin) -> Result<(), Error> {
        let (Some(login), Some(organization)) = (code.subject.map(LoginId::new), code.organization) else {
            return Ok(());
        };
        let event = self.public_event(origin, EventKind::LoginRevoked, ("login", login.to_string()));
        let which = LoginEnd::These(vec![login]);
        Ok(self.store.end_logins(organization, &which, EndReason::Reuse, &[], &event).await?)
    }
}

impl Visit<'_> {
    fn identity(&self, account: AccountId, now: chrono::DateTime<chrono::Utc>) -> ExternalIdentity {
        ExternalIdentity {
            account,
            organization: self.organization,
            connection: self.connection.name.clone(),
            subject: self.attested.subject.clone(),
            email: self.attested.verified_email.as_ref().map(|email| email.as_str().to_owned()),
            linked: now,
        }
    }
}

/// How somebody comes to belong to an organization.
struct Coming {
    before: Option<User>,
    user: User,
    membership: Membership,
    accepted: Option<(Invitation, Invitation)>,
}

impl Coming {
    fn entry(&self) -> crate::store::Entry<'_> {
        crate::store::Entry {
            user: (self.before.as_ref(), &self.user),
            membership: &self.membership,
            invitation: self.accepted.as_ref(),
        }
    }

    fn event(&self, service: &Service, caller: &Caller) -> AuditEvent {
        if let Some((invitation, _)) = &self.accepted {
            return service.event(caller, EventKind::InvitationAccepted, ("invitation", invitation.id.to_string()));
        }
        let change = Change::of_user(self.before.clone(), Some(self.user.clone()));
        let event = service.user_event(caller, &change, self.user.id);
        if self.before.is_some() { AuditEvent { kind: EventKind::UserActivated, ..event } } else { event }
    }
}

/// What proves that an answer belongs to a sign-in: made of its state, so that nothing of it has to be kept.
fn proofs(state: &BearerSecret) -> (String, String) {
    let part = |what: &str| challenge(&format!("{what}:{}", state.expose()));
    (part("nonce"), part("verifier"))
}
