//! What makes an ID token a provider's word about one sign-in (OpenID Connect Core 1.0 §3.1.3.7).

use chrono::{DateTime, Utc};
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::Value;

use crate::domain::connection::{Attested, GOOGLE, LEEWAY};
use crate::domain::email::Email;

/// The longest token that is looked at.
const MAX_BYTES: usize = 16 * 1024;
/// Signatures with public keys only: a shared secret or none is no provider's word (RFC 8725 §3.1).
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// What a token must say.
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    pub(super) now: DateTime<Utc>,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    aud: Value,
    azp: Option<String>,
    exp: i64,
    iat: Option<i64>,
    nonce: Option<String>,
    email: Option<String>,
    #[serde(default)]
    email_verified: Value,
    /// Google's: the organization whose account it is.
    hd: Option<String>,
    auth_time: Option<i64>,
    name: Option<String>,
    given_name: Option<String>,
    family_name: Option<String>,
}

/// Whether the key that the token names is among these.
pub(super) fn has_key(keys: &JwkSet, token: &str) -> bool {
    jsonwebtoken::decode_header(token).is_ok_and(|header| key_named(keys, header.kid.as_deref()).is_some())
}

/// The key with this name; the only one, if the token names none.
fn key_named<'k>(keys: &'k JwkSet, kid: Option<&str>) -> Option<&'k Jwk> {
    match (kid, keys.keys.as_slice()) {
        (Some(kid), _) => keys.find(kid),
        (None, [only]) => Some(only),
        (None, _) => None,
    }
}

/// What the token says, if the provider says it, to us, about this sign-in, now.
pub(super) fn read(token: &str, keys: &JwkSet, expected: &Expected<'_>) -> Result<Attested, &'static str> {
    let unsigned = "the provider's token is not signed by one of its keys";
    if token.len() > MAX_BYTES {
        return Err("the provider's token is too long");
    }
    let header = jsonwebtoken::decode_header(token).map_err(|_| unsigned)?;
    let key = key_named(keys, header.kid.as_deref()).ok_or(unsigned)?;
    let names_another =
        |algorithm: jsonwebtoken::jwk::KeyAlgorithm| algorithm.to_string() != format!("{:?}", header.alg);
    if !ALGORITHMS.contains(&header.alg) || key.common.key_algorithm.is_some_and(names_another) {
        return Err(unsigned);
    }
    let mut validation = Validation::new(header.alg);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    validation.set_issuer(&[expected.issuer]);
    validation.set_audience(&[expected.client_id]);
    // Our own clock decides.
    validation.validate_exp = false;
    let key = DecodingKey::from_jwk(key).map_err(|_| unsigned)?;
    let claims = jsonwebtoken::decode::<Claims>(token, &key, &validation)
        .map_err(|_| "the provider's token is not its word to us")?
        .claims;
    let for_several = claims.aud.as_array().is_some_and(|all| all.len() > 1);
    let is_ours = claims.azp.as_deref().map_or(!for_several, |azp| azp == expected.client_id);
    if !is_ours {
        return Err("the provider's token was made for another client");
    }
    let now = expected.now.timestamp();
    if claims.exp <= now - LEEWAY || claims.iat.is_some_and(|made| made > now + LEEWAY) {
        return Err("the provider's token is not of this time");
    }
    if claims.nonce.as_deref() != Some(expected.nonce) {
        return Err("the provider's token is of another sign-in");
    }
    if claims.sub.is_empty() || claims.sub.len() > 255 {
        return Err("the provider does not say who signed in");
    }
    // A boolean only (OpenID Connect Core 1.0 §5.1): who writes it as text may write anything.
    let vouched = claims.email_verified == Value::Bool(true);
    let verified_email = claims.email.filter(|_| vouched).and_then(|email| Email::parse(&email).ok());
    let is_google = expected.issuer == GOOGLE;
    let verified_email = verified_email.filter(|email| !is_google || is_googles(email, claims.hd.as_deref()));
    let is_authority = is_google && verified_email.is_some();
    let proven = claims.auth_time.and_then(|time| DateTime::from_timestamp(time, 0));
    Ok(Attested {
        subject: claims.sub,
        verified_email,
        is_authority,
        proven,
        name: claims.name,
        given_name: claims.given_name,
        family_name: claims.family_name,
    })
}

/// An account at Google can be made with any address, and keeps it when somebody else has it: Google knows of its own, and
/// of the organizations whose mail it runs.
fn is_googles(email: &Email, organization: Option<&str>) -> bool {
    matches!(email.domain(), "gmail.com" | "googlemail.com") || organization.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn google_vouches_for_what_is_its_own() {
        let email = |text: &str| Email::parse(text).expect("an address");
        assert!(is_googles(&email("ada@gmail.com"), None));
        assert!(is_googles(&email("ada@acme.example"), Some("acme.example")));
        assert!(!is_googles(&email("ada@acme.example"), None), "anybody's account with that address");
    }
}
