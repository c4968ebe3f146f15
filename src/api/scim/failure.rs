//! Errors as SCIM answers (RFC 7644 §3.12, C10–C13).

use std::any::Any;
use std::time::Duration;

use ::scim::{ScimType, message};
use axum::Json;
use axum::extract::Request;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::api::requests::RequestId;
use crate::domain::error::BoxError;
use crate::domain::{Code, Error};

/// The media type of every SCIM answer.
pub(super) const SCIM_JSON: &str = "application/scim+json";

/// What a handler fails with. Becomes a body at the edge, where the request id is known.
#[derive(Clone, Debug)]
pub(in crate::api) struct Failure {
    status: StatusCode,
    scim_type: Option<ScimType>,
    detail: String,
    retry_after: Option<Duration>,
    /// There is too much of it: a record of each such refusal would be a flood of its own.
    is_flood: bool,
}

impl Failure {
    /// A failure of HTTP rather than of a use case.
    pub(in crate::api) fn status(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, scim_type: None, detail: detail.into(), retry_after: None, is_flood: false }
    }

    /// The SCIM error type.
    pub(super) fn scim_type(&self) -> Option<&'static str> {
        self.scim_type.map(ScimType::as_str)
    }

    /// What is wrong, in one sentence.
    pub(super) fn detail(&self) -> &str {
        &self.detail
    }

    /// Whether it is refused because too much is asked for.
    pub(super) fn is_flood(&self) -> bool {
        self.is_flood
    }

    /// The HTTP status.
    pub(super) fn code(&self) -> u16 {
        self.status.as_u16()
    }

    /// The parts that another API renders: the status, a sentence, and the wait before the next attempt.
    pub(in crate::api) fn told(&self) -> (StatusCode, &str, Option<Duration>) {
        (self.status, self.detail.as_str(), self.retry_after)
    }

    /// The body it is answered with (C12).
    pub(super) fn body(&self, request_id: Option<&str>) -> serde_json::Value {
        message::error(self.status.as_u16(), self.scim_type, &self.detail, request_id)
    }

    /// 503: nothing is wrong with the request.
    pub(in crate::api) fn retry_later(detail: impl Into<String>, after: Duration) -> Self {
        Self { retry_after: Some(after), ..Self::status(StatusCode::SERVICE_UNAVAILABLE, detail) }
    }
}

/// Status and detail code of an error (README has the table).
fn answer(error: &Error) -> (u16, Option<ScimType>) {
    match error {
        Error::Unauthenticated | Error::MfaRequired => (401, None),
        Error::Forbidden(_) | Error::Protected | Error::DirectoryDisabled | Error::ActionRequired(_) => (403, None),
        Error::Refused(refusals) => refusals.first().map_or((400, None), |refusal| refused(refusal.code)),
        Error::NotFound(_) => (404, None),
        Error::Taken(_) | Error::TakenByInactive(_) => (409, Some(ScimType::Uniqueness)),
        Error::Invalid { .. } => (400, Some(ScimType::InvalidValue)),
        Error::Stale => (412, None),
        Error::PreconditionRequired => (428, None),
        Error::RateLimited { .. } => (429, None),
        Error::Protocol(inner) => (inner.status(), inner.scim_type()),
        Error::Busy | Error::Overloaded { .. } | Error::Unavailable(_) => (503, None),
        Error::Internal(_) => (500, None),
    }
}

/// Status and scimType of what any door can refuse (account model 3.7).
fn refused(code: Code) -> (u16, Option<ScimType>) {
    match code {
        Code::NotFound => (404, None),
        Code::EmailTaken | Code::UsernameTaken | Code::NameTaken => (409, Some(ScimType::Uniqueness)),
        Code::ManagedByDirectory | Code::ManagedByConnection => (409, Some(ScimType::Mutability)),
        Code::VersionConflict => (412, None),
        Code::RateLimited => (429, None),
        Code::InsufficientRank
        | Code::NotManagedAccount
        | Code::ProtectedAccount
        | Code::StepUpRequired
        | Code::LastOwner => (403, None),
        _ => (400, Some(ScimType::InvalidValue)),
    }
}

fn retry_after(error: &Error) -> Option<Duration> {
    match error {
        Error::RateLimited { retry_after } | Error::Overloaded { retry_after } => Some(*retry_after),
        Error::Busy => Some(Duration::from_secs(1)),
        Error::Unavailable(_) => Some(Duration::from_secs(5)),
        _ => None,
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        if let Error::Unavailable(cause) | Error::Internal(cause) = &error {
            log_chain(cause);
        }
        let (status, scim_type) = answer(&error);
        Self {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            scim_type,
            detail: error.unavailability().map_or_else(|| error.to_string(), |why| why.message().to_owned()),
            retry_after: retry_after(&error),
            is_flood: matches!(error, Error::RateLimited { .. } | Error::Overloaded { .. }),
        }
    }
}

impl From<::scim::Error> for Failure {
    fn from(error: ::scim::Error) -> Self {
        Error::Protocol(error).into()
    }
}

/// Once, at the edge, with the whole chain; the client sees none of it.
fn log_chain(cause: &BoxError) {
    let mut chain = cause.to_string();
    let mut next = cause.source();
    while let Some(inner) = next {
        chain.push_str(": ");
        chain.push_str(&inner.to_string());
        next = inner.source();
    }
    tracing::error!(error = chain, "a request failed");
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Gives every failure its body, whoever answered it: a handler, a limit, or the router itself.
pub(in crate::api) async fn render_failures(request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().map(|RequestId(id)| id.clone());
    let mut response = next.run(request).await;
    let failure = match response.extensions_mut().remove::<Failure>() {
        Some(failure) => failure,
        // The router knows which methods a path has and says so in `Allow` (C9).
        None if response.status() == StatusCode::METHOD_NOT_ALLOWED => {
            Failure::status(StatusCode::METHOD_NOT_ALLOWED, "this path does not serve that method: see Allow")
        }
        None => return response,
    };
    let body = failure.body(id.as_deref());
    let mut rendered = (failure.status, Json(body)).into_response();
    *rendered.extensions_mut() = std::mem::take(response.extensions_mut());
    for (name, value) in response.headers() {
        rendered.headers_mut().entry(name).or_insert(value.clone());
    }
    let headers = rendered.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(SCIM_JSON));
    headers.remove(axum::http::header::CONTENT_LENGTH);
    if failure.status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"scim\""));
    }
    if let Some(after) = failure.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(crate::api::whole_seconds(after)));
    }
    rendered
}

/// A bug answers like any other failure, and the process goes on (L-06).
#[expect(clippy::needless_pass_by_value, reason = "the layer's signature")]
pub(in crate::api) fn panicked(panic: Box<dyn Any + Send + 'static>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    metrics::counter!("rollcall_panics_total").increment(1);
    tracing::error!(panic = text.unwrap_or("(not text)"), "a handler panicked");
    Failure::status(StatusCode::INTERNAL_SERVER_ERROR, "internal error").into_response()
}
