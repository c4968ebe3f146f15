//! Access tokens: JWTs signed with ES256, one algorithm, keys of our own only (RFC 8725, JT-01, JT-02).

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use chrono::{DateTime, Utc};
use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::domain::Error;

/// The longest token that is looked at (JT-07).
const MAX_BYTES: usize = 2_048;
/// `typ` of an access token (RFC 9068 §2.1).
const TYPE: &str = "at+jwt";

/// What an access token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who signed it: the public URL.
    pub iss: String,
    /// Whom it is for: the public URL too.
    pub aud: String,
    /// The user in the organization.
    pub sub: Uuid,
    /// The person.
    pub account: Uuid,
    /// The organization.
    pub org: Uuid,
    /// The login.
    pub sid: Uuid,
    /// The generation of the login's tokens.
    pub generation: u64,
    /// When it was made, in seconds since 1970.
    pub iat: i64,
    /// When it stops working, in seconds since 1970.
    pub exp: i64,
}

/// A key that signs and verifies.
pub struct SigningKey {
    kid: String,
    signs: EncodingKey,
    verifies: DecodingKey,
    public: Value,
}

impl SigningKey {
    /// A new private key, in PKCS #8.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] when the system has no randomness.
    pub fn generate() -> Result<Zeroizing<Vec<u8>>, Error> {
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .map(|document| Zeroizing::new(document.as_ref().to_vec()))
            .map_err(|_| Error::Internal("no key could be made".into()))
    }

    /// Reads a private key in PKCS #8.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] when it is none.
    pub fn read(pkcs8: &[u8]) -> Result<Self, Error> {
        let unreadable = |_| Error::Internal("a signing key cannot be read".into());
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).map_err(unreadable)?;
        // An uncompressed point: 4, x, y.
        let point = pair.public_key().as_ref();
        let (x, y) = (BASE64URL_NOPAD.encode(&point[1..33]), BASE64URL_NOPAD.encode(&point[33..]));
        let verifies =
            DecodingKey::from_ec_components(&x, &y).map_err(|error| Error::Internal(error.to_string().into()))?;
        let kid = BASE64URL_NOPAD.encode(&Sha256::digest(point)[..12]);
        let public = json!({"kty": "EC", "crv": "P-256", "x": x, "y": y, "use": "sig", "alg": "ES256", "kid": kid});
        Ok(Self { kid, signs: EncodingKey::from_ec_der(pkcs8), verifies, public })
    }

    /// Its name in tokens.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public half as a JWK (RFC 7517 §4).
    pub fn public(&self) -> &Value {
        &self.public
    }

    /// Signs a token.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] when signing fails, which would be a bug.
    pub fn sign(&self, claims: &Claims) -> Result<Zeroizing<String>, Error> {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(self.kid.clone());
        let token = jsonwebtoken::encode(&header, claims, &self.signs);
        token.map(Zeroizing::new).map_err(|error| Error::Internal(error.to_string().into()))
    }

    /// What a token says, if this key signed it for `issuer` and it is of our type. Whether its time is over is for
    /// [`Claims::is_current`]: the signature comes first (JT-07).
    pub fn verify(&self, token: &str, issuer: &str) -> Option<Claims> {
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[issuer]);
        // Our own clock decides.
        validation.validate_exp = false;
        let data = jsonwebtoken::decode::<Claims>(token, &self.verifies, &validation).ok()?;
        (data.header.typ.as_deref() == Some(TYPE)).then_some(data.claims)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.kid)
    }
}

impl Claims {
    /// Whether its time has come and is not over.
    pub fn is_current(&self, now: DateTime<Utc>) -> bool {
        let now = now.timestamp();
        // Another node may be a little ahead.
        self.iat <= now + 60 && now < self.exp && self.exp > self.iat
    }
}

/// Which key a token says it was signed with; none for what cannot be a token of ours, which is looked at no further.
pub fn key_id(token: &str) -> Option<String> {
    let shaped = token.len() <= MAX_BYTES && token.bytes().filter(|byte| *byte == b'.').count() == 2;
    let header = shaped.then(|| jsonwebtoken::decode_header(token).ok()).flatten()?;
    let plain = header.alg == Algorithm::ES256 && header.jku.is_none() && header.jwk.is_none() && header.x5u.is_none();
    header.kid.filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://id.example.com";

    fn new_key() -> SigningKey {
        SigningKey::read(&SigningKey::generate().expect("made")).expect("read")
    }

    fn claims() -> Claims {
        Claims {
            iss: ISSUER.to_owned(),
            aud: ISSUER.to_owned(),
            sub: Uuid::nil(),
            account: Uuid::nil(),
            org: Uuid::nil(),
            sid: Uuid::nil(),
            generation: 1,
            iat: 1_000,
            exp: 1_600,
        }
    }

    fn part(value: &Value) -> String {
        BASE64URL_NOPAD.encode(value.to_string().as_bytes())
    }

    /// A token with these claims and header values, signed by the key.
    fn forged(key: &SigningKey, claims: &Value, typ: &str) -> String {
        let header = Header { typ: Some(typ.to_owned()), kid: Some(key.kid.clone()), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, claims, &key.signs).expect("signed")
    }

    #[test]
    fn a_token_says_what_was_signed() {
        let key = new_key();
        let token = key.sign(&claims()).expect("signed");
        assert_eq!(key_id(&token).as_deref(), Some(key.kid()));
        assert_eq!(key.verify(&token, ISSUER), Some(claims()));
        let at = |seconds| DateTime::from_timestamp(seconds, 0).expect("an instant");
        assert!(claims().is_current(at(1_000)) && !claims().is_current(at(1_600)) && !claims().is_current(at(900)));
    }

    #[test]
    fn jt01_other_algorithms_are_no_tokens() {
        let key = new_key();
        let body = part(&serde_json::to_value(claims()).expect("JSON"));
        for alg in ["none", "NoNe", "HS256", "RS256", "ES384", "EdDSA"] {
            let header = part(&json!({"alg": alg, "typ": TYPE, "kid": key.kid}));
            let token = format!("{header}.{body}.AAAA");
            assert!(key_id(&token).is_none() || key.verify(&token, ISSUER).is_none(), "{alg}");
        }
        // HS256 with the public key as its secret.
        let secret = key.public["x"].as_str().expect("x");
        let header = Header { kid: Some(key.kid.clone()), typ: Some(TYPE.to_owned()), ..Header::new(Algorithm::HS256) };
        let token =
            jsonwebtoken::encode(&header, &claims(), &EncodingKey::from_secret(secret.as_bytes())).expect("signed");
        assert!(key_id(&token).is_none() && key.verify(&token, ISSUER).is_none());
        let other = new_key();
        assert!(other.verify(&key.sign(&claims()).expect("signed"), ISSUER).is_none(), "another key");
    }

    #[test]
    fn jt02_keys_are_not_fetched_or_named_by_a_token() {
        let key = new_key();
        let body = part(&serde_json::to_value(claims()).expect("JSON"));
        for extra in [
            json!({"jku": "https://evil.example/jwks"}),
            json!({"x5u": "https://evil.example/x"}),
            json!({"jwk": key.public}),
        ] {
            let mut header = json!({"alg": "ES256", "typ": TYPE, "kid": key.kid});
            header.as_object_mut().expect("object").extend(extra.as_object().expect("object").clone());
            assert!(key_id(&format!("{}.{body}.AAAA", part(&header))).is_none(), "{extra}");
        }
        let long = part(&json!({"alg": "ES256", "kid": "x".repeat(1_000_000)}));
        assert!(key_id(&format!("{long}.{body}.AAAA")).is_none());
    }

    #[test]
    fn jt03_jt04_claims_are_demanded_in_their_types() {
        let key = new_key();
        let good = serde_json::to_value(claims()).expect("JSON");
        assert!(key.verify(&forged(&key, &good, TYPE), ISSUER).is_some());
        for (claim, value) in [
            ("aud", json!("https://other.example")),
            ("aud", json!(null)),
            ("iss", json!("https://other.example")),
            ("exp", json!("9999999999")),
            ("exp", json!(1.5)),
            ("exp", json!(u64::MAX)),
            ("exp", json!(null)),
            ("iat", json!("1")),
            ("sid", json!("x")),
            ("sub", json!(1)),
            ("generation", json!(-1)),
        ] {
            let mut bad = good.clone();
            bad[claim] = value.clone();
            assert!(key.verify(&forged(&key, &bad, TYPE), ISSUER).is_none(), "{claim} {value}");
            bad.as_object_mut().expect("object").remove(claim);
            assert!(key.verify(&forged(&key, &bad, TYPE), ISSUER).is_none(), "no {claim}");
        }
        assert!(key.verify(&forged(&key, &good, "JWT"), ISSUER).is_none(), "JT-05");
    }

    #[test]
    fn jt06_jt07_altered_and_absurd_tokens_are_refused() {
        let key = new_key();
        let token = key.sign(&claims()).expect("signed");
        let (head, signature) = token.rsplit_once('.').expect("parts");
        let (header, _) = head.split_once('.').expect("parts");
        let mut edited = serde_json::to_value(claims()).expect("JSON");
        edited["org"] = json!(Uuid::max());
        assert!(key.verify(&format!("{header}.{}.{signature}", part(&edited)), ISSUER).is_none());
        for absurd in [".".repeat(1_000_000), "..".to_owned(), "a.b.c".to_owned(), String::new(), "x".repeat(1_000_000)]
        {
            assert!(key_id(&absurd).is_none());
        }
    }
}
