//! A connection: a way to sign in through a login provider, over OpenID Connect.

use chrono::{DateTime, Utc};
use secrecy::SecretString;

use super::email::Email;
use super::policy::DEFAULT_CONNECTION;
use super::refusal::{Code, Refusal};
use super::{AccountId, Error, OrganizationId};

/// A login provider of an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Unique in the organization: `google-oauth2`.
    pub name: String,
    /// Kind: `google-oauth2`, `oidc`.
    pub strategy: String,
    /// What to write on the button.
    pub display_name: String,
    /// Where the provider says what it can do: below this, `/.well-known/openid-configuration`.
    pub issuer: String,
    /// Who we are there.
    pub client_id: String,
    /// What we prove it with, sealed; none: with PKCE alone.
    pub client_secret: Option<String>,
    /// When it was set up.
    pub created: DateTime<Utc>,
}

/// Where Google is.
pub const GOOGLE: &str = "https://accounts.google.com";

impl Connection {
    /// The provider that invitations name by default, as it can be shown before it is set up.
    pub fn preset() -> Self {
        Self {
            name: DEFAULT_CONNECTION.to_owned(),
            strategy: DEFAULT_CONNECTION.to_owned(),
            display_name: "Google".to_owned(),
            issuer: GOOGLE.to_owned(),
            client_id: String::new(),
            client_secret: None,
            created: DateTime::UNIX_EPOCH,
        }
    }

    /// # Errors
    ///
    /// [`Error::Refused`] with `VALIDATION_FAILED`.
    pub fn check(&self) -> Result<(), Error> {
        let invalid = |field: &'static str, message: &'static str| {
            Err(Error::from(Refusal::new(Code::ValidationFailed, message).at(field)))
        };
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !(1..=63).contains(&self.name.len()) || !self.name.bytes().all(plain) {
            return invalid("name", "use 1 to 63 lower-case letters, digits and hyphens");
        }
        if !is_private(&self.issuer) || self.issuer.contains(['?', '#']) {
            return invalid("issuer", "an issuer is an https URL without query");
        }
        if !(1..=100).contains(&self.display_name.chars().count()) {
            return invalid("displayName", "use 1 to 100 characters");
        }
        if self.client_id.is_empty() {
            return invalid("clientId", "the provider gave a client id");
        }
        Ok(())
    }
}

/// Whether nobody on the way can read or change what is sent to this URL: https, or this very machine.
pub fn is_private(url: &str) -> bool {
    url.starts_with("https://") && host(url).is_some() || is_local(url)
}

/// Whether this URL is of this very machine.
pub fn is_local(url: &str) -> bool {
    matches!(host(url), Some("127.0.0.1" | "localhost" | "[::1]"))
}

/// The host of an http(s) URL; none for what has none, or says whom to be there as.
pub fn host(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let host = match authority.split_once(']') {
        Some((address, _)) => &authority[..=address.len()],
        None => authority.split(':').next().unwrap_or_default(),
    };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._[]:".contains(&byte);
    (!host.is_empty() && authority.bytes().all(is_plain)).then_some(host)
}

/// A login provider that is to be set up.
#[derive(Clone, Debug)]
pub struct ConnectionDraft {
    /// Unique in the organization: `google-oauth2`.
    pub name: String,
    /// What to write on the button.
    pub display_name: String,
    /// Where the provider says what it can do.
    pub issuer: String,
    /// Who we are there.
    pub client_id: String,
    /// What we prove it with; none: with PKCE alone.
    pub client_secret: Option<SecretString>,
}

/// What a login provider says of somebody who signed in there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attested {
    /// The person's id there; never another's.
    pub subject: String,
    /// An address the provider vouches for.
    pub verified_email: Option<Email>,
    /// Whether everybody may believe that: the provider is whom the address is of.
    pub is_authority: bool,
    /// When the person proved to be who they are, if the provider says.
    pub proven: Option<DateTime<Utc>>,
    /// Whole name.
    pub name: Option<String>,
    /// First name.
    pub given_name: Option<String>,
    /// Last name.
    pub family_name: Option<String>,
}

/// How far a provider's clock may be from ours, in seconds.
pub const LEEWAY: i64 = 60;

impl Attested {
    /// Whether the person proved who they are at most so many seconds ago, as the provider was asked to see to
    /// (OpenID Connect Core 1.0 §3.1.3.7, no. 13).
    ///
    /// # Errors
    ///
    /// A sentence for the person, when that is longer ago, or when the provider does not say.
    pub fn check_age(&self, max_age: u64, now: DateTime<Utc>) -> Result<(), &'static str> {
        let Some(proven) = self.proven else {
            return Err("the login provider does not say when it asked who you are, as this sign-in needs");
        };
        let age = (now - proven).num_seconds();
        if age <= i64::try_from(max_age).unwrap_or(i64::MAX).saturating_add(LEEWAY) {
            return Ok(());
        }
        Err("the login provider asked who you are too long ago: sign in there again")
    }
}

/// A person's account at a login provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalIdentity {
    /// Whose.
    pub account: AccountId,
    /// Whose connection.
    pub organization: OrganizationId,
    /// Which, by name.
    pub connection: String,
    /// The person's id there.
    pub subject: String,
    /// The address the provider vouches for.
    pub email: Option<String>,
    /// When it was linked.
    pub linked: DateTime<Utc>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_can_read_on_the_way_is_a_provider() {
        for url in
            ["https://accounts.google.com", "http://127.0.0.1:9000", "http://localhost/realms/x", "http://[::1]:1"]
        {
            assert!(is_private(url), "{url}");
        }
        for url in [
            "http://accounts.google.com",
            "http://localhost.evil.example",
            "http://127.0.0.1:x@evil.example/",
            "http://localhost@evil.example",
            "https://",
            "ftp://x",
            "",
            "https:///x",
        ] {
            assert!(!is_private(url), "{url}");
        }
    }
}
