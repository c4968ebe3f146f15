//! Errors in two layers: what a client can expect is data, the rest is a top-level error with a code of a closed list.

use std::time::Duration;

use async_graphql::{ErrorExtensionValues, PathSegment, Pos, ServerError, SimpleObject, Value};
use serde_json::Map;

use super::enums::ErrorCode;
use super::scalars::Json;
use crate::domain::error::{BoxError, Unavailability};
use crate::domain::{Code, Error, Field, Refusal};

/// What a resolver fails with: rendered, without its cause, which is logged where it becomes this.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    code: &'static str,
    message: String,
    params: Map<String, serde_json::Value>,
    pub(super) retry_after: Option<Duration>,
    pub(super) unavailable: bool,
}

impl Failure {
    /// A failure of the request rather than of a use case.
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), params: Map::new(), retry_after: None, unavailable: false }
    }

    /// Adds a detail.
    #[must_use]
    pub(super) fn with(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.params.insert(name.to_owned(), value.into());
        self
    }

    fn wait(self, after: Duration) -> Self {
        Self { retry_after: Some(after), ..self.with("retryAfterSeconds", crate::api::whole_seconds(after)) }
    }

    /// The failure as the answer holds it.
    pub(super) fn into_server_error(self, position: Option<Pos>, path: Vec<PathSegment>) -> ServerError {
        let mut error = ServerError::new(self.message, position);
        let mut extensions = ErrorExtensionValues::default();
        extensions.set("code", self.code);
        if !self.params.is_empty() {
            extensions.set("params", Value::from_json(self.params.into()).unwrap_or_default());
        }
        error.extensions = Some(extensions);
        error.path = path;
        error
    }
}

impl From<Failure> for async_graphql::Error {
    fn from(failure: Failure) -> Self {
        let mut extensions = ErrorExtensionValues::default();
        extensions.set("code", failure.code);
        if !failure.params.is_empty() {
            extensions.set("params", Value::from_json(failure.params.into()).unwrap_or_default());
        }
        let mut error = Self::new(failure.message);
        error.extensions = Some(extensions);
        error
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let failure = Self::new(refusal.code.as_str(), refusal.message);
        Self { params: refusal.params, ..failure }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        let unavailability = error.unavailability();
        match error {
            Error::Unauthenticated => {
                Self::new("UNAUTHENTICATED", "sign in first: send an access token as 'Authorization: Bearer …'")
            }
            Error::MfaRequired => Self::new("MFA_REQUIRED", message),
            Error::ActionRequired(actions) => {
                let names: Vec<&str> = actions.iter().map(|action| action.as_str()).collect();
                Self::new("ACTION_REQUIRED", message).with("actions", names)
            }
            Error::Forbidden(permission) => {
                Self::new("FORBIDDEN", message).with("requiredPermission", permission.key())
            }
            Error::Refused(refusals) => match refusals.into_iter().next() {
                Some(refusal) => refusal.into(),
                None => Self::new("BAD_USER_INPUT", message),
            },
            Error::Protected | Error::DirectoryDisabled => Self::new("FORBIDDEN", message),
            Error::NotFound(_) => Self::new("NOT_FOUND", message),
            Error::Taken(_) | Error::TakenByInactive(_) | Error::Invalid { .. } | Error::Protocol(_) => {
                Self::new("BAD_USER_INPUT", message)
            }
            Error::Stale | Error::PreconditionRequired => Self::new(Code::VersionConflict.as_str(), message),
            Error::RateLimited { retry_after } | Error::Overloaded { retry_after } => {
                Self::new("RATE_LIMITED", message).wait(retry_after)
            }
            Error::Busy => Self::new("RATE_LIMITED", message).wait(Duration::from_secs(1)),
            Error::Unavailable(cause) => {
                log_chain(&cause);
                let why = unavailability.unwrap_or(Unavailability::Away);
                let failure = Self::new("INTERNAL_SERVER_ERROR", why.message()).with("reason", why.code());
                Self { unavailable: true, ..failure.wait(Duration::from_secs(5)) }
            }
            Error::Internal(cause) => {
                log_chain(&cause);
                Self::new("INTERNAL_SERVER_ERROR", "internal error")
            }
        }
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

/// One expected refusal.
#[derive(Clone, SimpleObject)]
pub(super) struct UserError {
    /// What went wrong, for programs.
    code: ErrorCode,
    /// What went wrong, in English, for people. Never holds another person's or organization's data.
    message: String,
    /// Which part of the input: `["input", "invitations", "2", "email"]`. List positions count from 0. Empty if no part of
    /// it is to blame.
    path: Vec<String>,
    /// Details a program can use, by code: `min`, `max`, `pattern`; `rules` (password); `owner`, `since` (managed
    /// elsewhere); `methods` (step-up); `retryAfterSeconds`; `requiredPermissions` (rank); `currentVersion`; `limit`;
    /// `useInstead` (what a service account uses in place of what only people have). Null if there are none.
    params: Option<Json>,
}

impl From<Refusal> for UserError {
    fn from(refusal: Refusal) -> Self {
        let input = (!refusal.path.is_empty()).then(|| "input".to_owned());
        Self {
            code: refusal.code.into(),
            message: refusal.message.into_owned(),
            path: input.into_iter().chain(refusal.path.into_iter().map(std::borrow::Cow::into_owned)).collect(),
            params: (!refusal.params.is_empty()).then(|| Json(refusal.params.into())),
        }
    }
}

/// The refusals of a mutation as data; what is none is a failure.
///
/// # Errors
///
/// [`Failure`]
pub(super) fn user_errors(error: Error) -> Result<Vec<UserError>, Failure> {
    match refusals(error) {
        Ok(refusals) => Ok(refusals.into_iter().map(UserError::from).collect()),
        Err(error) => Err(error.into()),
    }
}

/// The refusals of one item of a list, as data that says which.
///
/// # Errors
///
/// What is no refusal.
pub(super) fn user_errors_at(error: Error, outer: &[&str]) -> Result<Vec<UserError>, Error> {
    Ok(refusals(error)?.into_iter().map(|refusal| UserError::from(refusal.below(outer))).collect())
}

fn refusals(error: Error) -> Result<Vec<Refusal>, Error> {
    let refusal = match error {
        Error::Refused(refusals) => return Ok(refusals),
        Error::NotFound(noun) => Refusal::new(Code::NotFound, format!("no such {noun}")),
        Error::Taken(field) => {
            let (code, path) = match field {
                Field::UserName => (Code::UsernameTaken, "userName"),
                Field::Email => (Code::EmailTaken, "email"),
                Field::DisplayName | Field::Name | Field::ShortName => (Code::NameTaken, "name"),
                Field::ExternalId | Field::Members | Field::Manager => (Code::ValidationFailed, ""),
            };
            let refusal = Refusal::new(code, "that is in use already");
            if path.is_empty() { refusal } else { refusal.at(path) }
        }
        Error::TakenByInactive(_) => Refusal::new(Code::UsernameTaken, "that is in use already").at("userName"),
        Error::Invalid { field, reason } => Refusal::new(Code::ValidationFailed, format!("{field}: {reason}")),
        Error::Stale => Refusal::new(Code::VersionConflict, "it changed since you read it").at("ifVersion"),
        other => return Err(other),
    };
    Ok(vec![refusal])
}
