//! `POST /oauth/token`: short-lived tokens for service accounts (RFC 6749 §4.4).

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use data_encoding::BASE64;
use serde_json::json;

use super::Api;
use super::forms::{Fields, decode_field, field, form};
use crate::domain::Error;
use crate::service::ExchangedToken;

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
    /// A scope that is none, or that the token lacks.
    InvalidScope,
    Failed(Error),
}

async fn token(State(api): State<Api>, request: Request) -> Response {
    match exchange(&api, request).await {
        Ok(token) => {
            let scope: Vec<&str> = token.scopes.iter().map(|scope| scope.key()).collect();
            let body = json!({
                "access_token": token.secret.expose(), "token_type": "Bearer", "expires_in": token.seconds,
                "scope": scope.join(" "),
            });
            unstored((StatusCode::OK, Json(body)).into_response())
        }
        Err(refusal) => refusal.into_response(),
    }
}

async fn exchange(api: &Api, request: Request) -> Result<ExchangedToken, Refusal> {
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
        "client_credentials" => {}
        "" => return Err(Refusal::InvalidRequest("grant_type is missing")),
        _ => return Err(Refusal::UnsupportedGrantType),
    }
    let ((id, secret), header) = client(&headers, &fields)?;
    let scopes = fields.get("scope").map(String::as_str);
    api.service.exchange_token(&id, &secret, scopes, origin).await.map_err(|error| match error {
        Error::Unauthenticated | Error::MfaRequired => Refusal::InvalidClient { header },
        Error::Refused(_) => Refusal::InvalidScope,
        other => Refusal::Failed(other),
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

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, error, description) = match &self {
            Self::InvalidRequest(why) => (StatusCode::BAD_REQUEST, "invalid_request", *why),
            Self::InvalidClient { header: true } => {
                (StatusCode::UNAUTHORIZED, "invalid_client", "not a live token of that service account")
            }
            Self::InvalidClient { header: false } => {
                (StatusCode::BAD_REQUEST, "invalid_client", "not a live token of that service account")
            }
            Self::UnsupportedGrantType => {
                (StatusCode::BAD_REQUEST, "unsupported_grant_type", "only client_credentials is given")
            }
            Self::InvalidScope => (StatusCode::BAD_REQUEST, "invalid_scope", "the token has no such scope"),
            Self::Failed(Error::RateLimited { .. }) => {
                (StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable", "too many requests: try again later")
            }
            Self::Failed(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "try again in a few seconds")
            }
        };
        let body = json!({"error": error, "error_description": description});
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
