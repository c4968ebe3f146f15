//! A mail that is decided but not yet sent: whom it goes to and what it is about. How it reads is up to templates.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// One mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mail {
    /// Whom it goes to.
    pub to: String,
    /// What people call them.
    pub name: String,
    /// What it is about.
    pub letter: Letter,
    /// When and where from it happened.
    #[serde(default)]
    pub occasion: Option<Occasion>,
}

/// When something happened that a person is told of, and where from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Occasion {
    /// When.
    pub at: DateTime<Utc>,
    /// The address of the client, if it is known.
    pub ip: Option<String>,
    /// The program of the client, as it calls itself.
    pub user_agent: Option<String>,
}

/// What a mail is about. Links are made of the configured public URL when it is written, never of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Letter {
    /// Prove that the address is yours.
    VerifyEmail {
        /// The secret of the link.
        token: String,
        /// The organization that made the account and manages it, where the person did not.
        #[serde(default)]
        organization: Option<String>,
    },
    /// Somebody wants to add this address, which is yours already.
    EmailInUse,
    /// Set a new password.
    ResetPassword {
        /// The secret of the link.
        token: String,
    },
    /// Set the first password of an account that an administrator made.
    SetPassword {
        /// The secret of the link.
        token: String,
        /// The organization that made the account.
        organization: String,
    },
    /// Join an organization.
    Invitation {
        /// The secret of the link.
        token: String,
        /// Who invites.
        organization: String,
        /// Which person invites.
        inviter: Option<String>,
        /// Until when.
        days: u32,
        /// The inviter's own words.
        #[serde(default)]
        message: Option<String>,
    },
    /// Something about the account's security changed.
    Notice {
        /// What.
        notice: Notice,
    },
}

/// What a person is told after the fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "about")]
pub enum Notice {
    /// The password was changed.
    PasswordChanged,
    /// An authenticator app was added.
    AuthenticatorAdded,
    /// A second factor was removed.
    AuthenticatorRemoved,
    /// An administrator removed all second factors.
    MfaReset,
    /// New recovery codes were made.
    RecoveryCodesMade,
    /// A recovery code was used.
    RecoveryCodeUsed {
        /// How many are left.
        remaining: usize,
    },
    /// An address was added; it lets nobody in until it is proven.
    AddressAdded {
        /// Which, enough to recognise it.
        address: String,
    },
    /// An address that was added has been proven.
    AddressProven {
        /// Which, enough to recognise it.
        address: String,
    },
    /// An address was removed.
    AddressRemoved {
        /// Which, enough to recognise it.
        address: String,
    },
    /// A personal token was made, or has a new secret.
    TokenMade {
        /// The name that its maker gave it.
        name: String,
    },
    /// Too many wrong codes of the second factor: none is taken until the day is over.
    CodesUsedUp,
    /// The primary address is another one now.
    PrimaryEmailChanged {
        /// Which, enough to recognise it.
        to: String,
    },
    /// An administrator changed the profile.
    ProfileChanged,
    /// An administrator set a temporary password.
    PasswordReset,
    /// A sign-in from a device not seen before.
    NewDevice {
        /// With what.
        user_agent: Option<String>,
        /// Where from.
        ip: Option<String>,
    },
    /// Too many failures: the account is locked until the password is reset or an administrator opens it.
    Locked,
    /// An account at a login provider was linked.
    ProviderLinked {
        /// What the provider is called.
        provider: String,
    },
    /// A refresh token or a trusted device was used twice: somebody has a copy.
    CopyNoticed,
}

impl Letter {
    /// The name of its template.
    pub const fn template(&self) -> &'static str {
        match self {
            Self::VerifyEmail { .. } => "verify_email",
            Self::EmailInUse => "email_in_use",
            Self::ResetPassword { .. } => "reset_password",
            Self::SetPassword { .. } => "set_password",
            Self::Invitation { .. } => "invitation",
            Self::Notice { .. } => "notice",
        }
    }
}
