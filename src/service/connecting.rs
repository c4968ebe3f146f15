//! Signing in through a login provider (OpenID Connect): out to it, back from it, and the code that a front end gets
//! tokens for (RFC 6749 §4.1, RFC 7636, RFC 9700).

use chrono::{DateTime, TimeDelta, Utc};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use subtle::ConstantTimeEq as _;

use super::Service;
use super::attempts::Attempts;
use super::linking::Visit;
use super::login::{Arriving, Entry, SignInOutcome};
use super::passwords::bad_link;
use super::references::OrganizationRef;
use crate::domain::actor::Nobody;
use crate::domain::audit::EventKind;
use crate::domain::login::{self, AuthMethod, Device, EndReason, Origin};
use crate::domain::second_factor::Authenticator;
use crate::domain::token::{BearerSecret, SecretKind};
use crate::domain::{AccountId, Caller, Code, Error, LoginId, OrganizationId, Refusal};
use crate::openid::{Exchange, Outgoing, Trouble, challenge, with_query};
use crate::store::{LoginEnd, OneTime, Purpose};

/// How long a person may be at the provider.
const AWAY: TimeDelta = TimeDelta::minutes(10);
/// How long a code can be exchanged (RFC 6749 §4.1.2 says ten minutes at most).
const CODE_LIFETIME: TimeDelta = TimeDelta::minutes(1);
/// What nonce and verifier of a sign-in are sealed for.
const PROOFS: &str = "connection proofs";
/// Why a sign-in is fresh whose provider does not say when it asked the person, for the audit trail.
const RESTS_ON_PROMPT: &str = "the login provider was told to ask the person (prompt_login_is_proof)";
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
    /// `login` or `select_account`: that the provider asks again.
    pub prompt: Option<String>,
    /// How long ago the person may have proven who they are, in seconds.
    pub max_age: Option<String>,
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
    /// The client's own id of the device.
    pub device_id: Option<String>,
    /// What the client calls it.
    pub device_name: Option<String>,
}

/// What a browser brings back from a provider, texts as sent.
#[derive(Debug)]
pub struct ProviderAnswer<'a> {
    /// Id of the organization, as the address says.
    pub organization: &'a str,
    /// Name of the connection, as the address says.
    pub connection: &'a str,
    /// `state`
    pub state: &'a str,
    /// `code`, or `error`
    pub code: Result<&'a str, &'a str>,
    /// `iss`
    pub issuer: Option<&'a str>,
    /// The bindings that the browser got when it was sent out.
    pub bindings: &'a [String],
}

/// The address that a browser is sent to, and the value that it keeps to finish a sign-in.
#[derive(Debug)]
pub struct SentOut {
    /// The address.
    pub location: String,
    /// The hash of the state; none where no sign-in began. Only the browser that keeps it finishes this one, so that nobody
    /// signs another person in as themselves (RFC 9700 §4.7).
    pub binding: Option<String>,
}

/// Why a browser goes back without a code (RFC 6749 §4.1.2.1).
#[derive(Debug)]
pub(super) enum Declined {
    /// The front end asked for something else than there is.
    Invalid(&'static str),
    /// Nobody comes in this way.
    Denied(String),
    /// The provider does not answer.
    Later(String),
    /// We failed.
    Failed(Error),
}

impl Declined {
    /// The code for the front end, and a sentence for people.
    fn told(self) -> (&'static str, String) {
        match self {
            Self::Invalid(why) => ("invalid_request", why.to_owned()),
            Self::Denied(why) => ("access_denied", why),
            Self::Later(why) => ("temporarily_unavailable", why),
            Self::Failed(Error::Internal(error)) => {
                tracing::error!(%error, "a sign-in through a login provider failed");
                ("server_error", "something went wrong: try again".to_owned())
            }
            Self::Failed(_) => ("temporarily_unavailable", "something is too busy: try again".to_owned()),
        }
    }
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

pub(super) fn denied(why: &str) -> Declined {
    Declined::Denied(why.to_owned())
}

/// Where a browser goes back to, and with what.
struct WayBack {
    redirect_uri: String,
    state: Option<String>,
}

impl Service {
    /// Where the browser goes: to the login provider, or back to the front end with what is wrong.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `VALIDATION_FAILED` when nobody knows the front end, or where it wants to be sent back to:
    /// the browser must stay here.
    pub async fn begin_provider_sign_in(&self, wanted: &Authorization) -> Result<SentOut, Error> {
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
            Ok(out) => Ok(out),
            Err(declined) => Ok(SentOut { location: self.way_back(&back, Err(declined))?, binding: None }),
        }
    }

    async fn leave(&self, wanted: &Authorization) -> Result<SentOut, Declined> {
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
        let (nonce, verifier) = (self.proof(), self.proof());
        let out = Outgoing {
            client_id: &connection.client_id,
            redirect_uri: &self.callback_url(organization.id, &connection.name),
            state: state.expose(),
            nonce: &nonce,
            verifier: &verifier,
            wishes: wishes(wanted)?,
        };
        let now = self.clock.now();
        let url = self.providers.authorization_url(&connection.issuer, &out, now).await?;
        // What proves that an answer belongs to this sign-in is for nobody else to read.
        let proofs = self.sealer.seal(PROOFS, format!("{nonce}.{verifier}").as_bytes(), self.entropy.bytes())?;
        let details = json!({
            "client_id": wanted.client_id, "redirect_uri": wanted.redirect_uri, "state": wanted.state,
            "code_challenge": wanted.code_challenge, "connection": connection.name, "proofs": proofs,
            "prompt": wanted.prompt, "max_age": wanted.max_age.as_ref().and_then(|age| age.parse::<u32>().ok()),
        });
        let waiting = self.one_time(Purpose::Connection, organization.id, None, details, AWAY);
        self.store.identity().insert_one_time(&state, &waiting).await?;
        Ok(SentOut { location: url, binding: Some(state.hash()) })
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

    /// Where a provider sends browsers back to; it is registered there, and compared there. Each has its own: what one
    /// provider answers is never taken for another's (RFC 9700 §4.4).
    pub fn callback_url(&self, organization: OrganizationId, connection: &str) -> String {
        format!("{}/oauth/callback/{organization}/{connection}", self.settings.public_url)
    }

    /// 43 characters that nobody can guess.
    fn proof(&self) -> String {
        BASE64URL_NOPAD.encode(&self.entropy.bytes::<32>())
    }

    /// The nonce and the verifier of a sign-in that is under way.
    fn proofs_of(&self, waiting: &OneTime) -> Result<(String, String), Error> {
        let sealed = waiting.details["proofs"].as_str().unwrap_or_default();
        let plain = self.sealer.open(PROOFS, sealed)?;
        let text = std::str::from_utf8(&plain).map_err(|error| Error::Internal(error.into()))?;
        let (nonce, verifier) = text.split_once('.').ok_or_else(|| Error::Internal("proofs are two".into()))?;
        Ok((nonce.to_owned(), verifier.to_owned()))
    }

    /// A browser came back from a login provider: where it goes now, with a code, or with what is wrong.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `TOKEN_INVALID`, `TOKEN_EXPIRED`, `TOKEN_USED` when nobody knows which sign-in this is, or it
    /// went to another provider.
    pub async fn finish_provider_sign_in(&self, answer: &ProviderAnswer<'_>, origin: &Origin) -> Result<String, Error> {
        let invalid = || bad_link(Code::TokenInvalid);
        let secret = BearerSecret::parse(SecretKind::State, answer.state).ok_or_else(invalid)?;
        let hash = secret.hash();
        let is_its = |binding: &String| bool::from(binding.as_bytes().ct_eq(hash.as_bytes()));
        if !answer.bindings.iter().any(is_its) {
            return Err(invalid());
        }
        let waiting = self.open_link(Purpose::Connection, &secret).await?;
        let organization = waiting.organization.ok_or_else(invalid)?;
        if answer.organization != organization.to_string() || waiting.details["connection"] != answer.connection {
            return Err(invalid());
        }
        if !self.use_up(&secret).await? {
            return Err(bad_link(Code::TokenUsed));
        }
        let text = |name: &str| waiting.details[name].as_str().map(str::to_owned);
        let back = WayBack { redirect_uri: text("redirect_uri").unwrap_or_default(), state: text("state") };
        let outcome = match answer.code {
            Ok(code) => self.come_back(organization, &waiting, (code, answer.issuer), origin).await,
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
        organization: OrganizationId,
        waiting: &OneTime,
        (code, answered_by): (&str, Option<&str>),
        origin: &Origin,
    ) -> Result<BearerSecret, Declined> {
        let store = self.store.organization(organization).await?;
        let name = waiting.details["connection"].as_str().unwrap_or_default();
        let connection = store.find_connection(name).await?;
        let connection = connection.ok_or_else(|| denied("the login provider was removed"))?;
        let (nonce, verifier) = self.proofs_of(waiting)?;
        let client_secret = self.client_secret(organization, &connection)?;
        let exchange = Exchange {
            client_id: &connection.client_id,
            client_secret: client_secret.as_ref(),
            redirect_uri: &self.callback_url(organization, name),
            code,
            answered_by,
            verifier: &verifier,
            nonce: &nonce,
        };
        let now = self.clock.now();
        let mut attested = self.providers.attest(&connection.issuer, &exchange, now).await?;
        if let Some(max_age) = waiting.details["max_age"].as_u64() {
            attested.check_age(max_age, now).map_err(denied)?;
        }
        let is_asked_anew = waiting.details["prompt"] == "login";
        let is_believed = is_asked_anew && self.settings.prompt_login_is_proof.contains(&connection.issuer);
        let rests_on_prompt = is_believed && attested.proven.is_none();
        if rests_on_prompt {
            attested.proven = Some(now);
        }
        let caller = Caller::nobody(Nobody::Unknown, origin.clone());
        let visit = Visit { store, organization, connection: &connection, attested: &attested, caller };
        let account = self.let_in(&visit).await?;
        let details = json!({
            "client_id": waiting.details["client_id"], "redirect_uri": waiting.details["redirect_uri"],
            "code_challenge": waiting.details["code_challenge"], "connection": connection.name,
            "credentials_version": account.credentials_version,
            "proven": attested.proven.map(|time| time.timestamp()), "rests_on_prompt": rests_on_prompt,
        });
        let code = self.secret(SecretKind::Code);
        let good = self.one_time(Purpose::Code, organization, Some(account.id), details, CODE_LIFETIME);
        self.store.identity().insert_one_time(&code, &good).await?;
        Ok(code)
    }

    fn way_back(&self, back: &WayBack, outcome: Result<BearerSecret, Declined>) -> Result<String, Error> {
        let outcome = outcome.map_err(Declined::told);
        let mut parameters = match &outcome {
            Ok(code) => vec![("code", code.expose())],
            Err((error, description)) => vec![("error", *error), ("error_description", description.as_str())],
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
    /// [`Error::Refused`] with `TOKEN_INVALID`, `TOKEN_EXPIRED`, `TOKEN_USED`, `VALIDATION_FAILED` for the device.
    pub async fn sign_in_with_grant(&self, grant: &CodeGrant, origin: &Origin) -> Result<SignInOutcome, Error> {
        login::check_device(grant.device_id.as_deref(), grant.device_name.as_deref())?;
        let secret = BearerSecret::parse(SecretKind::Code, &grant.code);
        let secret = secret.ok_or_else(|| bad_link(Code::TokenInvalid))?;
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            match self.try_grant(grant, &secret, origin).await {
                Err(Error::Busy) if attempts.again().await => {}
                outcome => return outcome,
            }
        }
    }

    async fn try_grant(
        &self,
        grant: &CodeGrant,
        secret: &BearerSecret,
        origin: &Origin,
    ) -> Result<SignInOutcome, Error> {
        let invalid = || bad_link(Code::TokenInvalid);
        let found = self.store.identity().find_one_time(Purpose::Code, secret).await?.ok_or_else(invalid)?;
        let says = |name: &str, sent: &str| found.details[name].as_str().is_some_and(|known| known == sent);
        let proven: bool = found.details["code_challenge"]
            .as_str()
            .is_some_and(|known| known.as_bytes().ct_eq(challenge(&grant.code_verifier).as_bytes()).into());
        // Whoever has the code alone can neither use it nor end what it was used for.
        let is_theirs = says("client_id", &grant.client_id) && says("redirect_uri", &grant.redirect_uri);
        if !is_theirs || !proven || !(43..=128).contains(&grant.code_verifier.len()) {
            return Err(invalid());
        }
        if found.used.is_some() {
            self.end_login_of(&found, origin).await?;
            return Err(bad_link(Code::TokenUsed));
        }
        if self.clock.now() >= found.expires {
            return Err(bad_link(Code::TokenExpired));
        }
        let (Some(account), Some(organization)) = (found.account, found.organization) else { return Err(invalid()) };
        let store = self.store.organization(organization).await?;
        let name = found.details["connection"].as_str().unwrap_or_default();
        store.find_connection(name).await?.ok_or_else(invalid)?;
        let credentials = self.store.identity().find_credentials(account).await?.ok_or_else(invalid)?;
        if found.details["credentials_version"] != json!(credentials.account.credentials_version) {
            return Err(invalid());
        }
        let arriving = self.find_place(organization, credentials).await?.ok_or_else(invalid)?;
        let id = grant.device_id.clone().unwrap_or_else(|| self.entropy.id(self.clock.now()).to_string());
        let device = Device { id, name: grant.device_name.clone() };
        let proven = found.details["proven"].as_i64().and_then(|time| DateTime::from_timestamp(time, 0));
        let reason = (found.details["rests_on_prompt"] == true).then(|| RESTS_ON_PROMPT.to_owned());
        self.arrive_through(&arriving, secret, (device, proven, reason), origin).await
    }

    async fn arrive_through(
        &self,
        arriving: &Arriving,
        code: &BearerSecret,
        (device, proven, reason): (Device, Option<DateTime<Utc>>, Option<String>),
        origin: &Origin,
    ) -> Result<SignInOutcome, Error> {
        if arriving.credentials.authenticator.as_ref().is_some_and(Authenticator::is_enrolled) {
            if !self.use_up(code).await? {
                return Err(Error::Busy);
            }
            let details = json!({"device_id": device.id, "device_name": device.name, "methods": ["CONNECTION"]});
            let can_trust = arriving.member.policy.trusted_devices;
            let account = &arriving.credentials.account;
            let challenge = self.challenge(account, arriving.joined.organization.id, can_trust, details).await?;
            return Ok(SignInOutcome::Challenge(challenge));
        }
        let entry = Entry {
            device,
            methods: vec![AuthMethod::Connection],
            factor: None,
            proof: Some((Purpose::Code, code)),
            proven,
            trust: None,
            rehashed: None,
            mails: Vec::new(),
            reason,
        };
        Ok(SignInOutcome::Session(Box::new(self.enter(arriving, entry, origin).await?)))
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

/// What a front end may ask a provider for.
fn wishes(wanted: &Authorization) -> Result<Vec<(&'static str, &str)>, Declined> {
    if wanted.prompt.as_ref().is_some_and(|prompt| !["login", "select_account"].contains(&prompt.as_str())) {
        return Err(Declined::Invalid("prompt is login or select_account"));
    }
    if wanted.max_age.as_ref().is_some_and(|age| age.parse::<u32>().is_err()) {
        return Err(Declined::Invalid("max_age is a number of seconds"));
    }
    let all =
        [("login_hint", &wanted.login_hint), ("prompt", &wanted.prompt), ("max_age", &wanted.max_age)].into_iter();
    Ok(all.filter_map(|(name, value)| Some((name, value.as_deref()?))).collect())
}
