//! The one error of this crate and the vocabulary of `scimType` (RFC 7644 §3.12, table 9).

use std::fmt;

/// The detail codes of RFC 7644 table 9 that Rollcall answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScimType {
    /// The filter is malformed or compares what cannot be compared.
    InvalidFilter,
    /// The request body is not what the operation takes.
    InvalidSyntax,
    /// The path is malformed.
    InvalidPath,
    /// The path names nothing that could be changed.
    NoTarget,
    /// A value is missing, of the wrong type, or not allowed.
    InvalidValue,
    /// The attribute cannot be changed (any more).
    Mutability,
    /// The value is already in use.
    Uniqueness,
    /// The answer would be larger than the server computes.
    TooMany,
    /// The protocol version is not served.
    InvalidVers,
    /// The request puts a secret where it does not belong.
    Sensitive,
    /// Not a cursor of this list (RFC 9865 §2.1).
    InvalidCursor,
    /// The cursor is too old.
    ExpiredCursor,
    /// Another count than the one the list was begun with.
    InvalidCount,
}

impl ScimType {
    /// The keyword as RFC 7644 spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidFilter => "invalidFilter",
            Self::InvalidSyntax => "invalidSyntax",
            Self::InvalidPath => "invalidPath",
            Self::NoTarget => "noTarget",
            Self::InvalidValue => "invalidValue",
            Self::Mutability => "mutability",
            Self::Uniqueness => "uniqueness",
            Self::TooMany => "tooMany",
            Self::InvalidVers => "invalidVers",
            Self::Sensitive => "sensitive",
            Self::InvalidCursor => "invalidCursor",
            Self::ExpiredCursor => "expiredCursor",
            Self::InvalidCount => "invalidCount",
        }
    }
}

impl fmt::Display for ScimType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a request cannot be carried out as it stands. The text is for the client and quotes no stored data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Error {
    status: u16,
    scim_type: Option<ScimType>,
    detail: String,
}

impl Error {
    /// An error with status 400 (403 for [`ScimType::Sensitive`], 409 for [`ScimType::Uniqueness`]).
    pub fn new(scim_type: ScimType, detail: impl Into<String>) -> Self {
        let status = match scim_type {
            ScimType::Sensitive => 403,
            ScimType::Uniqueness => 409,
            _ => 400,
        };
        Self { status, scim_type: Some(scim_type), detail: detail.into() }
    }

    /// More than the server takes in one request: status 413, naming the limit.
    pub fn too_large(detail: impl Into<String>) -> Self {
        Self { status: 413, scim_type: None, detail: detail.into() }
    }

    pub(crate) fn syntax(detail: impl Into<String>) -> Self {
        Self::new(ScimType::InvalidSyntax, detail)
    }

    pub(crate) fn filter(detail: impl Into<String>) -> Self {
        Self::new(ScimType::InvalidFilter, detail)
    }

    pub(crate) fn path(detail: impl Into<String>) -> Self {
        Self::new(ScimType::InvalidPath, detail)
    }

    pub(crate) fn value(path: impl fmt::Display, reason: impl fmt::Display) -> Self {
        Self::new(ScimType::InvalidValue, format!("{path}: {reason}"))
    }

    pub(crate) fn mutability(path: impl fmt::Display, reason: impl fmt::Display) -> Self {
        Self::new(ScimType::Mutability, format!("{path}: {reason}"))
    }

    pub(crate) fn no_target(detail: impl Into<String>) -> Self {
        Self::new(ScimType::NoTarget, detail)
    }

    /// The same error, saying which operation of a PATCH it belongs to (C13). `index` counts from zero.
    #[must_use]
    pub fn in_operation(mut self, index: usize) -> Self {
        self.detail = format!("Operations[{index}]: {}", self.detail);
        self
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The detail code, where table 9 has one.
    pub fn scim_type(&self) -> Option<ScimType> {
        self.scim_type
    }
}

/// Text of a client, short enough and harmless to be quoted back in an error.
pub(crate) fn quoted(text: &str) -> String {
    const LONGEST: usize = 64;
    let mut short: String = text.chars().filter(|c| !c.is_control()).take(LONGEST).collect();
    if text.chars().count() > LONGEST {
        short.push('…');
    }
    format!("'{short}'")
}
