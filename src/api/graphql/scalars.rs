//! Scalars: weak in what they take, strong in what they answer.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use chrono::{SecondsFormat, Utc};

/// An instant, RFC 3339. Answers are always UTC with `Z`: `2026-11-21T09:30:00.123Z`. Inputs may carry any offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DateTime(chrono::DateTime<Utc>);

/// An instant, RFC 3339. Answers are always UTC with `Z`: `2026-11-21T09:30:00.123Z`. Inputs may carry any offset.
#[Scalar(specified_by_url = "https://datatracker.ietf.org/doc/html/rfc3339")]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = &value else { return Err(InputValueError::expected_type(value)) };
        let parsed = chrono::DateTime::parse_from_rfc3339(text);
        parsed.map(|at| Self(at.to_utc())).map_err(|_| InputValueError::custom("not an instant (RFC 3339)"))
    }

    fn is_valid(value: &Value) -> bool {
        Self::parse(value.clone()).is_ok()
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl From<chrono::DateTime<Utc>> for DateTime {
    fn from(at: chrono::DateTime<Utc>) -> Self {
        Self(at)
    }
}

impl From<DateTime> for chrono::DateTime<Utc> {
    fn from(at: DateTime) -> Self {
        at.0
    }
}

/// Text that is only ever answered.
macro_rules! answered_text {
    ($(#[$doc:meta])* $name:ident, $text:literal, $url:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub(super) struct $name(pub(super) String);

        $(#[$doc])*
        #[Scalar(name = $text, specified_by_url = $url)]
        impl ScalarType for $name {
            fn parse(value: Value) -> InputValueResult<Self> {
                match value {
                    Value::String(text) => Ok(Self(text)),
                    other => Err(InputValueError::expected_type(other)),
                }
            }

            fn to_value(&self) -> Value {
                Value::String(self.0.clone())
            }
        }
    };
}

answered_text!(
    /// An e-mail address as it was given, case and all: `Babs.Jensen@example.com`. Answers only: inputs take `String` and
    /// refuse with `INVALID_EMAIL`. What a directory wrote is not checked again on reading.
    EmailAddress,
    "EmailAddress",
    "https://datatracker.ietf.org/doc/html/rfc5321#section-4.1.2"
);

answered_text!(
    /// An absolute URL: `https://id.example.com/scim/v2`. Answers only. What a directory wrote is not checked again on
    /// reading, and nothing is ever fetched from it.
    Url,
    "URL",
    "https://url.spec.whatwg.org/"
);

/// Any JSON value: `{"costCentre": "4711"}`.
#[derive(Clone, Debug)]
pub(super) struct Json(pub(super) serde_json::Value);

/// Any JSON value: `{"costCentre": "4711"}`.
#[Scalar(name = "JSON", specified_by_url = "https://datatracker.ietf.org/doc/html/rfc8259")]
impl ScalarType for Json {
    fn parse(value: Value) -> InputValueResult<Self> {
        value.into_json().map(Self).map_err(|_| InputValueError::custom("not JSON"))
    }

    fn to_value(&self) -> Value {
        Value::from_json(self.0.clone()).unwrap_or_default()
    }
}
