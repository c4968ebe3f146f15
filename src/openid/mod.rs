//! What we ask login providers, and what of their answers is believed (OpenID Connect Core 1.0, RFC 9700).

mod addresses;
mod id_token;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::jwk::JwkSet;
use moka::sync::Cache;
use reqwest::{Client, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use crate::domain::connection::Attested;
use addresses::{InternalHosts, Reach, WorldOnly};

/// How long a provider may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// The largest answer that is read. Key sets of large providers have a few kilobytes.
const ANSWER_BYTES: usize = 256 * 1024;
/// How long what a provider says of itself is believed.
const KNOWN_FOR: TimeDelta = TimeDelta::minutes(10);
/// How often its keys are asked for because of a token with a key nobody knows.
const KEYS_EVERY: TimeDelta = TimeDelta::minutes(1);
const MOST_KNOWN: u64 = 1_000;

/// Why a provider's word is not taken.
#[derive(Debug)]
pub enum Trouble {
    /// It does not answer, or not as a provider does: later, perhaps.
    Unreachable(String),
    /// It refuses, or what it says is not to be believed.
    Refused(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(why) | Self::Refused(why) => f.write_str(why),
        }
    }
}

/// What a provider says of itself (OpenID Connect Discovery 1.0 §3).
#[derive(Clone, Debug, Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// A provider, as it was known a moment ago.
#[derive(Debug)]
struct Provider {
    metadata: Metadata,
    keys: JwkSet,
    read: DateTime<Utc>,
}

/// A sign-in that goes out to a provider.
#[derive(Debug)]
pub struct Outgoing<'a> {
    /// Who we are there.
    pub client_id: &'a str,
    /// Where it sends the browser back.
    pub redirect_uri: &'a str,
    /// What it sends the browser back with.
    pub state: &'a str,
    /// What its token must say.
    pub nonce: &'a str,
    /// What only we can prove later (RFC 7636).
    pub verifier: &'a str,
    /// Whom the person says they are, and how anew they are to prove it.
    pub wishes: Vec<(&'static str, &'a str)>,
}

/// A code that came back.
#[derive(Debug)]
pub struct Exchange<'a> {
    /// Who we are there.
    pub client_id: &'a str,
    /// What we prove it with.
    pub client_secret: Option<&'a SecretString>,
    /// As it was sent out.
    pub redirect_uri: &'a str,
    /// What came back.
    pub code: &'a str,
    /// Whose answer it says it is (RFC 9207).
    pub answered_by: Option<&'a str>,
    /// What the challenge was made of.
    pub verifier: &'a str,
    /// What the token must say.
    pub nonce: &'a str,
}

/// Login providers, asked over HTTPS and remembered for a while.
pub struct Providers {
    /// Asks hosts that the operator named.
    anywhere: Client,
    /// Asks hosts that a provider named.
    world: Client,
    internal: InternalHosts,
    known: Cache<String, Arc<Provider>>,
}

impl Providers {
    /// Clients that follow no redirect: a provider's answers come from where it says they do. `internal`: hosts in a private
    /// network that providers may name.
    ///
    /// # Panics
    ///
    /// When no client can be built, which depends on nothing that varies.
    pub fn new(internal: &[String]) -> Self {
        crate::crypto::choose_tls_backend();
        let client =
            || Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none()).user_agent("rollcall");
        let world = if is_behind_proxy() { client() } else { client().dns_resolver(Arc::new(WorldOnly)) };
        Self {
            anywhere: client().build().expect("a client of constant settings"),
            world: world.build().expect("a client of constant settings"),
            internal: InternalHosts::new(internal),
            known: Cache::new(MOST_KNOWN),
        }
    }

    /// The client that may ask this URL, named by the provider with this issuer.
    fn client(&self, url: &str, issuer: &str) -> Result<&Client, Trouble> {
        match self.internal.reach(url, issuer) {
            Some(Reach::Anywhere) => Ok(&self.anywhere),
            Some(Reach::World) => Ok(&self.world),
            None => Err(unusable("it names addresses that are not its own", issuer)),
        }
    }

    /// Where the browser goes to sign in.
    ///
    /// # Errors
    ///
    /// [`Trouble`] when the provider does not say where.
    pub async fn authorization_url(
        &self,
        issuer: &str,
        out: &Outgoing<'_>,
        now: DateTime<Utc>,
    ) -> Result<String, Trouble> {
        let provider = self.provider(issuer, now, KNOWN_FOR).await?;
        let challenge = challenge(out.verifier);
        let mut parameters = vec![
            ("response_type", "code"),
            ("scope", "openid email profile"),
            ("client_id", out.client_id),
            ("redirect_uri", out.redirect_uri),
            ("state", out.state),
            ("nonce", out.nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        parameters.extend(&out.wishes);
        with_query(&provider.metadata.authorization_endpoint, &parameters)
            .ok_or_else(|| Trouble::Unreachable("the provider names no address to sign in at".to_owned()))
    }

    /// Who signed in there: the code becomes an ID token, and what it says is checked.
    ///
    /// # Errors
    ///
    /// [`Trouble::Refused`] when the code is not good, or the token is not the provider's word about this sign-in.
    pub async fn attest(&self, issuer: &str, exchange: &Exchange<'_>, now: DateTime<Utc>) -> Result<Attested, Trouble> {
        let mut provider = self.provider(issuer, now, KNOWN_FOR).await?;
        let says_who = provider.metadata.authorization_response_iss_parameter_supported;
        if exchange.answered_by.map_or(says_who, |answered_by| answered_by != issuer) {
            return Err(Trouble::Refused("the answer is not the login provider's".to_owned()));
        }
        let token = self.exchange(issuer, &provider.metadata, exchange).await?;
        if !id_token::has_key(&provider.keys, &token) {
            // Keys are replaced now and then.
            provider = self.provider(issuer, now, KEYS_EVERY).await?;
        }
        let expected = id_token::Expected { issuer, client_id: exchange.client_id, nonce: exchange.nonce, now };
        id_token::read(&token, &provider.keys, &expected).map_err(|why| Trouble::Refused(why.to_owned()))
    }

    async fn provider(&self, issuer: &str, now: DateTime<Utc>, good_for: TimeDelta) -> Result<Arc<Provider>, Trouble> {
        let is_good = |known: &Arc<Provider>| now >= known.read && now - known.read < good_for;
        if let Some(known) = self.known.get(issuer).filter(is_good) {
            return Ok(known);
        }
        let base = issuer.trim_end_matches('/');
        let metadata: Metadata = self.get(&format!("{base}/.well-known/openid-configuration"), issuer).await?;
        if metadata.issuer != issuer {
            return Err(unusable("it calls itself something else than its issuer", issuer));
        }
        let urls = [&metadata.authorization_endpoint, &metadata.token_endpoint, &metadata.jwks_uri];
        for url in urls {
            self.client(url, issuer)?;
        }
        let keys = self.get(&metadata.jwks_uri, issuer).await?;
        let provider = Arc::new(Provider { metadata, keys, read: now });
        self.known.insert(issuer.to_owned(), provider.clone());
        Ok(provider)
    }

    async fn get<T: DeserializeOwned>(&self, url: &str, issuer: &str) -> Result<T, Trouble> {
        let (status, body) = read(self.client(url, issuer)?.get(url).send().await).await?;
        if !status.is_success() {
            tracing::warn!(%status, url, "a login provider refuses to be asked");
            return Err(Trouble::Unreachable("the login provider does not answer: try again".to_owned()));
        }
        serde_json::from_slice(&body).map_err(|_| unusable("its answer is not one", url))
    }

    /// The ID token for a code (OpenID Connect Core 1.0 §3.1.3).
    async fn exchange(&self, issuer: &str, metadata: &Metadata, exchange: &Exchange<'_>) -> Result<String, Trouble> {
        #[derive(Deserialize)]
        struct Tokens {
            id_token: Option<String>,
        }
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", exchange.code),
            ("redirect_uri", exchange.redirect_uri),
            ("code_verifier", exchange.verifier),
        ];
        let methods = &metadata.token_endpoint_auth_methods_supported;
        // Basic is what a provider does that does not say.
        let posts = !methods.is_empty() && !methods.iter().any(|method| method == "client_secret_basic");
        let client = self.client(&metadata.token_endpoint, issuer)?;
        let request = client.post(&metadata.token_endpoint).header("Accept", "application/json");
        let request = match exchange.client_secret {
            Some(secret) if !posts => {
                request.basic_auth(encoded(exchange.client_id), Some(encoded(secret.expose_secret())))
            }
            secret => {
                form.push(("client_id", exchange.client_id));
                form.extend(secret.map(|secret| ("client_secret", secret.expose_secret())));
                request
            }
        };
        let (status, body) = read(request.form(&form).send().await).await?;
        if status.is_client_error() {
            return Err(Trouble::Refused("the provider did not accept the code: sign in again".to_owned()));
        }
        if !status.is_success() {
            tracing::warn!(%status, "a login provider fails to exchange a code");
            return Err(Trouble::Unreachable("the login provider does not answer: try again".to_owned()));
        }
        let tokens: Option<Tokens> = serde_json::from_slice(&body).ok();
        tokens
            .and_then(|tokens| tokens.id_token)
            .ok_or_else(|| Trouble::Refused("the provider gave no ID token".to_owned()))
    }
}

/// What a person is told is the same whatever it is; who runs the server finds the rest in the log.
fn unusable(why: &'static str, url: &str) -> Trouble {
    tracing::warn!(why, url, "a login provider cannot be used");
    Trouble::Unreachable("the login provider is not set up as it should be: tell an administrator".to_owned())
}

/// Whether requests leave through a proxy. It resolves names in our place, and it judges where they lead; its own address may be
/// of the house.
fn is_behind_proxy() -> bool {
    let names = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    names.iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

async fn read(sent: reqwest::Result<reqwest::Response>) -> Result<(reqwest::StatusCode, Vec<u8>), Trouble> {
    let unreachable = |error: reqwest::Error| {
        tracing::warn!(error = %error, "a login provider could not be asked");
        Trouble::Unreachable("the login provider does not answer: try again".to_owned())
    };
    let mut response = sent.map_err(unreachable)?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        body.extend_from_slice(&chunk);
        if body.len() > ANSWER_BYTES {
            return Err(Trouble::Unreachable("the login provider's answer is too large".to_owned()));
        }
    }
    Ok((response.status(), body))
}

/// Client id and secret are form-encoded before they are joined (RFC 6749 §2.3.1).
fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// The `S256` challenge of a verifier (RFC 7636 §4.2).
pub fn challenge(verifier: &str) -> String {
    BASE64URL_NOPAD.encode(&Sha256::digest(verifier.as_bytes()))
}

/// The URL with these parameters added to its query; none, if it is none.
pub fn with_query(url: &str, parameters: &[(&str, &str)]) -> Option<String> {
    let mut url = Url::parse(url).ok()?;
    url.query_pairs_mut().extend_pairs(parameters);
    Some(url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7636, appendix B.
    #[test]
    fn a_challenge_is_made_as_the_standard_says() {
        assert_eq!(
            challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }

    #[test]
    fn parameters_join_a_query_that_is_there() {
        assert_eq!(
            with_query("https://a.example/x?y=1", &[("z", "a b&c")]).as_deref(),
            Some("https://a.example/x?y=1&z=a+b%26c")
        );
        assert_eq!(with_query("not a url", &[]), None);
    }
}
