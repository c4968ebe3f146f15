//! What a caller can expect to be refused: a code for programs, a sentence for people, and what is to blame.

use std::borrow::Cow;
use std::fmt;

use serde_json::{Map, Value};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// Why something was refused. The list only grows; README has it as a table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// The name that programs read.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

codes! {
    /// The last proof is too long ago.
    StepUpRequired = "STEP_UP_REQUIRED",
    /// Too many mails or tries.
    RateLimited = "RATE_LIMITED",
    /// Nothing has that id or name.
    NotFound = "NOT_FOUND",
    /// The safeguard id is another.
    IdMismatch = "ID_MISMATCH",
    /// Out of range or malformed.
    ValidationFailed = "VALIDATION_FAILED",
    /// Not an address.
    InvalidEmail = "INVALID_EMAIL",
    /// Not a user name.
    InvalidUsername = "INVALID_USERNAME",
    /// Not a display name.
    InvalidDisplayName = "INVALID_DISPLAY_NAME",
    /// Fewer than three letters.
    SearchTermTooShort = "SEARCH_TERM_TOO_SHORT",
    /// Not a cursor of this list.
    InvalidCursor = "INVALID_CURSOR",
    /// Things that exclude each other.
    InvalidArgumentCombination = "INVALID_ARGUMENT_COMBINATION",
    /// The address is in use.
    EmailTaken = "EMAIL_TAKEN",
    /// The user name is in use.
    UsernameTaken = "USERNAME_TAKEN",
    /// A name is in use.
    NameTaken = "NAME_TAKEN",
    /// The user name is kept back.
    ReservedUsername = "RESERVED_USERNAME",
    /// A built-in role.
    ReservedRole = "RESERVED_ROLE",
    /// Root, or a service account where a person is needed.
    ProtectedAccount = "PROTECTED_ACCOUNT",
    /// A directory writes it.
    ManagedByDirectory = "MANAGED_BY_DIRECTORY",
    /// A login provider keeps it.
    ManagedByConnection = "MANAGED_BY_CONNECTION",
    /// Another organization, or the person, manages the account.
    NotManagedAccount = "NOT_MANAGED_ACCOUNT",
    /// The target holds permissions the caller lacks.
    InsufficientRank = "INSUFFICIENT_RANK",
    /// No owner would be left.
    LastOwner = "LAST_OWNER",
    /// No way to sign in would be left.
    LastCredential = "LAST_CREDENTIAL",
    /// The primary address cannot go.
    PrimaryEmail = "PRIMARY_EMAIL",
    /// The address is not verified.
    EmailUnverified = "EMAIL_UNVERIFIED",
    /// Not possible in this state.
    IllegalTransition = "ILLEGAL_TRANSITION",
    /// The invitation was answered or withdrawn.
    InvitationNotPending = "INVITATION_NOT_PENDING",
    /// There is one already.
    InvitationExists = "INVITATION_EXISTS",
    /// They belong to it already.
    AlreadyMember = "ALREADY_MEMBER",
    /// There is an authenticator already.
    MfaAlreadyEnrolled = "MFA_ALREADY_ENROLLED",
    /// Sign-in refused, for whatever reason.
    InvalidCredentials = "INVALID_CREDENTIALS",
    /// Not the current password.
    WrongPassword = "WRONG_PASSWORD",
    /// There is no password.
    NoPassword = "NO_PASSWORD",
    /// It breaks a rule.
    PasswordPolicy = "PASSWORD_POLICY",
    /// It is on a list of common ones.
    PasswordBreached = "PASSWORD_BREACHED",
    /// One's own is changed otherwise.
    UseChangePassword = "USE_CHANGE_PASSWORD",
    /// A wrong, used or stale code.
    MfaCodeInvalid = "MFA_CODE_INVALID",
    /// Too many failures; told only to whoever is signed in.
    AccountLocked = "ACCOUNT_LOCKED",
    /// Not a token of this kind.
    TokenInvalid = "TOKEN_INVALID",
    /// Its time is over.
    TokenExpired = "TOKEN_EXPIRED",
    /// It was used before.
    TokenUsed = "TOKEN_USED",
    /// The confirming text is another.
    ConfirmationRequired = "CONFIRMATION_REQUIRED",
    /// More than the maximum.
    LimitExceeded = "LIMIT_EXCEEDED",
    /// It changed since it was read.
    VersionConflict = "VERSION_CONFLICT",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One refusal. Nothing of it is secret, and nothing is about anybody but the caller or what the caller named.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// For programs.
    pub code: Code,
    /// For people.
    pub message: Cow<'static, str>,
    /// Which part of the input is to blame; empty if none is.
    pub path: Vec<Cow<'static, str>>,
    /// Details by name.
    pub params: Map<String, Value>,
}

impl Refusal {
    /// A refusal that blames no part of the input.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), path: Vec::new(), params: Map::new() }
    }

    /// Blames this field of the input.
    #[must_use]
    pub fn at(mut self, field: &'static str) -> Self {
        self.path = vec![Cow::Borrowed(field)];
        self
    }

    /// Blames one item of a list in the input.
    #[must_use]
    pub fn at_item(mut self, list: &'static str, index: usize) -> Self {
        self.path = vec![Cow::Borrowed(list), Cow::Owned(index.to_string())];
        self
    }

    /// Says that the blamed part is within this one of the input.
    #[must_use]
    pub fn below(mut self, outer: &[&str]) -> Self {
        let outer = outer.iter().map(|part| Cow::Owned((*part).to_owned()));
        self.path = outer.chain(self.path).collect();
        self
    }

    /// Adds a detail.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.params.insert(name.to_owned(), value.into());
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
