//! An OpenID provider on a port of its own: discovery, keys, and the code flow with PKCE, as Google and others serve it.
//! It signs in whoever it is told to, at once, and lies where it is told to.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use axum::extract::{Query, State};
use axum::http::header::{AUTHORIZATION, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Who we know, and how they prove it.
pub const CLIENT: (&str, &str) = ("rollcall-client", "client secret: +&%");

/// A token about to be signed: header, claims, and whether another key signs it.
pub type Forge = Arc<dyn Fn(&mut Value, &mut Value) -> bool + Send + Sync>;

struct Inner {
    issuer: String,
    keys: [KeyPair; 2],
    state: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// Who signs in next.
    person: Value,
    now: i64,
    codes: HashMap<String, HashMap<String, String>>,
    forge: Option<Forge>,
    /// Which of the two keys is in use.
    rotated: bool,
    is_down: bool,
    /// How often keys were asked for.
    key_reads: usize,
}

/// The provider.
#[derive(Clone)]
pub struct OpenidProvider(Arc<Inner>);

impl OpenidProvider {
    /// A provider whose clock stands at `now`, in seconds since 1970.
    pub async fn start(now: i64) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address: SocketAddr = listener.local_addr().expect("an address");
        let key = || KeyPair::generate(KeySize::Rsa2048).expect("a key");
        let inner = Inner {
            issuer: format!("http://{address}"),
            keys: [key(), key()],
            state: Mutex::new(Known { now, ..Known::default() }),
        };
        let provider = Self(Arc::new(inner));
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/jwks", get(jwks))
            .route("/authorize", get(authorize))
            .route("/token", post(token))
            .with_state(provider.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        provider
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.state.lock().expect("nobody panicked")
    }

    /// What it calls itself.
    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// Signs this person in from now on: claims beside those of every token.
    pub fn sign_in(&self, person: Value) {
        self.known().person = person;
    }

    /// Changes what the next tokens say.
    pub fn lie(&self, forge: impl Fn(&mut Value, &mut Value) -> bool + Send + Sync + 'static) {
        self.known().forge = Some(Arc::new(forge));
    }

    /// Tells the truth again.
    pub fn be_honest(&self) {
        self.known().forge = None;
    }

    /// Signs with another key from now on, and shows that one only.
    pub fn rotate(&self) {
        self.known().rotated = true;
    }

    /// Answers nothing but errors, or is back.
    pub fn set_down(&self, is_down: bool) {
        self.known().is_down = is_down;
    }

    /// How often keys were asked for.
    pub fn key_reads(&self) -> usize {
        self.known().key_reads
    }

    fn sign(&self, mut claims: Value) -> String {
        let (forge, rotated) = {
            let known = self.known();
            (known.forge.clone(), known.rotated)
        };
        let mut header = json!({"alg": "RS256", "typ": "JWT", "kid": kid(rotated)});
        let by_another = forge.is_some_and(|forge| forge(&mut header, &mut claims));
        let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let text = format!("{}.{}", part(&header), part(&claims));
        let key = &self.0.keys[usize::from(rotated != by_another)];
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).expect("signed");
        if header["alg"] == "none" {
            return format!("{text}.");
        }
        format!("{text}.{}", BASE64URL_NOPAD.encode(&signature))
    }
}

fn kid(rotated: bool) -> &'static str {
    if rotated { "second" } else { "first" }
}

async fn discovery(State(provider): State<OpenidProvider>) -> Response {
    if provider.known().is_down {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let issuer = provider.issuer();
    Json(json!({
        "issuer": issuer, "authorization_endpoint": format!("{issuer}/authorize?hd=any"),
        "token_endpoint": format!("{issuer}/token"), "jwks_uri": format!("{issuer}/jwks"),
        "response_types_supported": ["code"], "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"], "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
    }))
    .into_response()
}

async fn jwks(State(provider): State<OpenidProvider>) -> Json<Value> {
    let rotated = {
        let mut known = provider.known();
        known.key_reads += 1;
        known.rotated
    };
    let public = provider.0.keys[usize::from(rotated)].public_key();
    let number = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
    Json(json!({"keys": [{
        "kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid(rotated),
        "n": number(public.modulus().big_endian_without_leading_zero()),
        "e": number(public.exponent().big_endian_without_leading_zero()),
    }]}))
}

async fn authorize(State(provider): State<OpenidProvider>, Query(asked): Query<HashMap<String, String>>) -> Response {
    let is = |name: &str, wanted: &str| asked.get(name).is_some_and(|value| value == wanted);
    if !is("response_type", "code")
        || !is("client_id", CLIENT.0)
        || !is("code_challenge_method", "S256")
        || !is("hd", "any")
        || !asked["scope"].split(' ').any(|scope| scope == "openid")
    {
        return (StatusCode::BAD_REQUEST, format!("{asked:?}")).into_response();
    }
    let mut known = provider.known();
    let (key, value) = if known.person.is_null() {
        ("error", "access_denied".to_owned())
    } else {
        let code = format!("code-{}", known.codes.len());
        known.codes.insert(code.clone(), asked.clone());
        ("code", code)
    };
    let location =
        format!("{}?{key}={value}&state={}&iss={}", asked["redirect_uri"], asked["state"], provider.issuer());
    (StatusCode::FOUND, [(LOCATION, location)]).into_response()
}

async fn token(State(provider): State<OpenidProvider>, headers: HeaderMap, body: String) -> Response {
    let form = reqwest::Url::parse(&format!("http://form/?{body}")).expect("a form");
    let sent: HashMap<String, String> = form.query_pairs().into_owned().collect();
    let refuse = |why: &str| (StatusCode::BAD_REQUEST, Json(json!({"error": why}))).into_response();
    let basic = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Basic "));
    let pair = basic.and_then(|text| String::from_utf8(BASE64.decode(text.as_bytes()).ok()?).ok());
    let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let shown =
        pair.as_deref().and_then(|pair| pair.split_once(':')).map(|(id, secret)| (decoded(id), decoded(secret)));
    if shown != Some((CLIENT.0.to_owned(), CLIENT.1.to_owned())) {
        return refuse("invalid_client");
    }
    // A code works once.
    let asked = provider.known().codes.remove(&sent["code"]);
    let Some(asked) = asked else { return refuse("invalid_grant") };
    let proven = BASE64URL_NOPAD.encode(&Sha256::digest(sent["code_verifier"].as_bytes()));
    if asked["redirect_uri"] != sent["redirect_uri"] || asked["code_challenge"] != proven {
        return refuse("invalid_grant");
    }
    let (now, person) = {
        let known = provider.known();
        (known.now, known.person.clone())
    };
    let mut claims = json!({
        "iss": provider.issuer(), "aud": CLIENT.0, "iat": now, "exp": now + 3600, "nonce": asked["nonce"],
    });
    claims.as_object_mut().expect("an object").extend(person.as_object().cloned().unwrap_or_default());
    Json(json!({"access_token": "opaque", "token_type": "Bearer", "expires_in": 3600, "id_token": provider.sign(claims)}))
        .into_response()
}
