//! `POST /oauth/token`: short-lived tokens for service accounts (RFC 6749 §4.4), and sessions of people who signed in
//! through a login provider (§4.1.3) or come back with a refresh token (§6).

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use chrono::{DateTime, Utc};
use data_encoding::BASE64;
use serde_json::{Value, json};

use super::Api;
use super::forms::{Fields, decode_field, field, form};
use crate::domain::Error;
use crate::domain::login::Origin;
use crate::service::{CodeGrant, IssuedChallenge, NewSession, SignInOutcome};

pub(super) fn routes() -> Router<Api> {
    Router::new().route("/oauth/token", post(token))
}

/// Why no token is given (RFC 6749 §5.2).
enum Refusal {
    /// The request is not one this page knows, or says one thing twice.
    InvalidRequest(&'static str),
    /// Not a live token of that service account.
    InvalidClient {
        /// Whether the client used the `Authorization` header, and so has to be told how.
        header: bool,
    },
    UnsupportedGrantType,
    /// The code or refresh token is not good (any more).
    InvalidGrant,
    /// The person has a second factor: `verifyMfa` of the account API takes it from here.
    MfaRequired(IssuedChallenge),
    /// A scope that is none, or that the token lacks.
    InvalidScope,
    Failed(Error),
}

async fn token(State(api): State<Api>, request: Request) -> Response {
    match grant(&api, request).await {
        Ok(tokens) => unstored((StatusCode::OK, Json(tokens)).into_response()),
        Err(refusal) => refusal.into_response(),
    }
}

async fn grant(api: &Api, request: Request) -> Result<Value, Refusal> {
    let headers = request.headers().clone();
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !media_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .eq_ignore_ascii_case("application/x-www-form-urlencoded")
    {
        return Err(Refusal::InvalidRequest("send the body as application/x-www-form-urlencoded"));
    }
    let (fields, origin) = form(api, request).await.map_err(Refusal::Failed)?;
    match field(&fields, "grant_type") {
        "client_credentials" => program(api, &headers, &fields, origin).await,
        "authorization_code" => person(api, &fields, &origin).await,
        "refresh_token" => {
            let refreshed = api.service.sign_in_with_refresh_token(field(&fields, "refresh_token"), &origin).await;
            Ok(tokens(refreshed.map_err(Refusal::of_grant)?, api.service.now()))
        }
        "" => Err(Refusal::InvalidRequest("grant_type is missing")),
        _ => Err(Refusal::UnsupportedGrantType),
    }
}

async fn program(api: &Api, headers: &HeaderMap, fields: &Fields, origin: Origin) -> Result<Value, Refusal> {
    let ((id, secret), header) = client(headers, fields)?;
    let scopes = fields.get("scope").map(String::as_str);
    let exchanged = api.service.exchange_token(&id, &secret, scopes, origin).await;
    let token = exchanged.map_err(|error| match error {
        Error::Unauthenticated | Error::MfaRequired => Refusal::InvalidClient { header },
        Error::Refused(_) => Refusal::InvalidScope,
        other => Refusal::Failed(other),
    })?;
    Ok(json!({
        "access_token": token.secret.expose(), "token_type": "Bearer", "expires_in": token.seconds,
        "scope": token.scope,
    }))
}

async fn person(api: &Api, fields: &Fields, origin: &Origin) -> Result<Value, Refusal> {
    let text = |name: &str| field(fields, name).to_owned();
    let grant = CodeGrant {
        code: text("code"),
        client_id: text("client_id"),
        redirect_uri: text("redirect_uri"),
        code_verifier: text("code_verifier"),
        device_id: fields.get("device_id").cloned(),
        device_name: fields.get("device_name").cloned(),
    };
    match api.service.sign_in_with_grant(&grant, origin).await.map_err(Refusal::of_grant)? {
        SignInOutcome::Session(session) => Ok(tokens(*session, api.service.now())),
        SignInOutcome::Challenge(challenge) => Err(Refusal::MfaRequired(challenge)),
    }
}

fn tokens(session: NewSession, now: DateTime<Utc>) -> Value {
    json!({
        "access_token": session.access_token.as_str(), "token_type": "Bearer",
        "expires_in": (session.access_token_expires - now).num_seconds(),
        "refresh_token": session.refresh_token.expose(),
    })
}

/// Who the client says it is, by one of the two ways (RFC 6749 §2.3.1): not by both.
fn client(headers: &HeaderMap, fields: &Fields) -> Result<((String, String), bool), Refusal> {
    let mut sent = headers.get_all(AUTHORIZATION).iter();
    let posted = fields.contains_key("client_secret");
    match (sent.next(), sent.next()) {
        (None, _) if posted => {
            Ok(((field(fields, "client_id").to_owned(), field(fields, "client_secret").to_owned()), false))
        }
        (None, _) => Err(Refusal::InvalidClient { header: true }),
        (Some(_), _) if posted => Err(Refusal::InvalidRequest("identify the client in one way only")),
        (Some(value), None) => basic(value).map(|pair| (pair, true)).ok_or(Refusal::InvalidClient { header: true }),
        (Some(_), Some(_)) => Err(Refusal::InvalidRequest("one Authorization header, not several")),
    }
}

/// `Basic`, whose two halves are form-encoded before they are joined.
fn basic(value: &HeaderValue) -> Option<(String, String)> {
    let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(BASE64.decode(encoded.trim().as_bytes()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    Some((decode_field(id), decode_field(secret)))
}

/// Nothing on the way may keep an answer with a token (RFC 6749 §5.1).
fn unstored(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

impl Refusal {
    fn of_grant(error: Error) -> Self {
        match error {
            Error::Refused(_) | Error::Unauthenticated => Self::InvalidGrant,
            other => Self::Failed(other),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, error, description) = match &self {
            Self::InvalidRequest(why) => (StatusCode::BAD_REQUEST, "invalid_request", *why),
            Self::InvalidClient { header: true } => {
                (StatusCode::UNAUTHORIZED, "invalid_client", "not a live token of that client")
            }
            Self::InvalidClient { header: false } => {
                (StatusCode::BAD_REQUEST, "invalid_client", "not a live token of that client")
            }
            Self::UnsupportedGrantType => {
                let known = "authorization_code, refresh_token and client_credentials are given";
                (StatusCode::BAD_REQUEST, "unsupported_grant_type", known)
            }
            Self::InvalidGrant => {
                (StatusCode::BAD_REQUEST, "invalid_grant", "not good, used before or too old: sign in again")
            }
            Self::MfaRequired(_) => {
                (StatusCode::FORBIDDEN, "mfa_required", "give the second factor: verifyMfa takes mfa_token")
            }
            Self::InvalidScope => (StatusCode::BAD_REQUEST, "invalid_scope", "the token has no such scope"),
            Self::Failed(Error::RateLimited { .. }) => {
                (StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable", "too many requests: try again later")
            }
            Self::Failed(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "try again in a few seconds")
            }
        };
        let mut body = json!({"error": error, "error_description": description});
        if let Self::MfaRequired(challenge) = &self {
            body["mfa_token"] = challenge.token.expose().into();
        }
        let mut response = unstored((status, Json(body)).into_response());
        let headers = response.headers_mut();
        match self {
            Self::InvalidClient { header: true } => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"rollcall\""));
            }
            Self::Failed(Error::RateLimited { retry_after }) => {
                headers.insert(RETRY_AFTER, HeaderValue::from(retry_after.as_secs().max(1)));
            }
            Self::Failed(_) => drop(headers.insert(RETRY_AFTER, HeaderValue::from_static("5"))),
            _ => {}
        }
        response
    }
}
