//! Who acts, with everything the rules ask about.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::account::{Account, PasswordState};
use super::api_token::ApiToken;
use super::directory::Directory;
use super::login::Login;
use super::organization::Organization;
use super::policy::AccountPolicy;
use super::role::RoleGrant;
use super::second_factor::Authenticator;
use super::service_account::ServiceAccount;
use super::token::BearerSecret;
use super::user::User;
use super::{Permission, RequiredAction};

/// Who acts.
#[derive(Clone, Debug)]
pub enum Actor {
    /// Whoever holds the machine: the command line.
    Operator,
    /// A SCIM client.
    Directory(Arc<Directory>),
    /// A person, in one organization.
    Person(Arc<Person>),
    /// A service account of one organization.
    Program(Arc<Program>),
    /// The operator through the account API, with a credential that is good for one deed.
    Root(Arc<Root>),
    /// The server itself: expiry, retention.
    System,
    /// Nobody we know.
    Nobody(Nobody),
}

/// The root principal as of this request (S0-02): in no organization, and never a superuser.
#[derive(Clone, Debug)]
pub struct Root {
    /// The credential; the deed uses it up.
    pub secret: BearerSecret,
    /// When it stops working.
    pub expires: DateTime<Utc>,
}

/// Why nobody is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nobody {
    /// No credential, or one that is not (any more) valid.
    Unknown,
    /// The second factor is still to be given.
    Challenged,
}

/// What a person showed with this request.
#[derive(Clone, Debug)]
pub enum Proof {
    /// A token of a login.
    Login(Login),
    /// A personal token.
    Token(ApiToken),
}

/// A person as of this request: everything the rules ask about.
#[derive(Clone, Debug)]
pub struct Person {
    /// The person.
    pub account: Account,
    /// Who they are here.
    pub user: User,
    /// Where "here" is.
    pub organization: Organization,
    /// The organization's rules.
    pub policy: AccountPolicy,
    /// Why they hold which roles.
    pub grants: Vec<RoleGrant>,
    /// What they may do now: by their roles, and with a token no more than its scopes.
    pub permissions: BTreeSet<Permission>,
    /// What they showed.
    pub proof: Proof,
    /// What can be said about their password.
    pub password: Option<PasswordState>,
    /// Their authenticator app, enrolled or about to be.
    pub authenticator: Option<Authenticator>,
    /// What they must do first.
    pub required_actions: Vec<RequiredAction>,
}

impl Person {
    /// The login the request was made with.
    pub fn login(&self) -> Option<&Login> {
        match &self.proof {
            Proof::Login(login) => Some(login),
            Proof::Token(_) => None,
        }
    }

    /// The token the request was made with.
    pub fn token(&self) -> Option<&ApiToken> {
        match &self.proof {
            Proof::Login(_) => None,
            Proof::Token(token) => Some(token),
        }
    }

    /// The authenticator app, if sign-in asks for it.
    pub fn enrolled(&self) -> Option<&Authenticator> {
        self.authenticator.as_ref().filter(|authenticator| authenticator.is_enrolled())
    }

    /// The proofs that `reauthenticate` takes of this person; none, if only a login provider can say who it is.
    pub fn methods(&self) -> Vec<&'static str> {
        match (self.enrolled(), &self.password) {
            (Some(_), _) => vec!["TOTP"],
            (None, Some(_)) => vec!["PASSWORD"],
            (None, None) => Vec::new(),
        }
    }
}

/// A service account as of this request.
#[derive(Clone, Debug)]
pub struct Program {
    /// The service account.
    pub account: ServiceAccount,
    /// Whose it is.
    pub organization: Organization,
    /// The organization's rules.
    pub policy: AccountPolicy,
    /// Why it holds which roles.
    pub grants: Vec<RoleGrant>,
    /// What it may do now: by its roles, and no more than the scopes of the token.
    pub permissions: BTreeSet<Permission>,
    /// The token the request was made with.
    pub token: ApiToken,
    /// Whether its secret was issued for another one, for ten minutes (`/oauth/token`).
    pub is_issued: bool,
    /// When this secret stops working: with the token, or with the grace time after a rotation.
    pub ends: Option<DateTime<Utc>>,
}

/// A member of an organization who asks: a person or a program.
#[derive(Clone, Copy, Debug)]
pub enum Member<'a> {
    /// A person.
    Person(&'a Arc<Person>),
    /// A program.
    Program(&'a Arc<Program>),
}

impl<'a> Member<'a> {
    /// Where they are.
    pub fn organization(&self) -> &'a Organization {
        match self {
            Self::Person(person) => &person.organization,
            Self::Program(program) => &program.organization,
        }
    }

    /// The organization's rules.
    pub fn policy(&self) -> &'a AccountPolicy {
        match self {
            Self::Person(person) => &person.policy,
            Self::Program(program) => &program.policy,
        }
    }

    /// What they may do now.
    pub fn permissions(&self) -> &'a BTreeSet<Permission> {
        match self {
            Self::Person(person) => &person.permissions,
            Self::Program(program) => &program.permissions,
        }
    }

    /// Why they hold which roles.
    pub fn grants(&self) -> &'a [RoleGrant] {
        match self {
            Self::Person(person) => &person.grants,
            Self::Program(program) => &program.grants,
        }
    }

    /// Their id in the organization.
    pub fn id(&self) -> uuid::Uuid {
        match self {
            Self::Person(person) => person.user.id.uuid(),
            Self::Program(program) => program.account.id.uuid(),
        }
    }

    /// Whether it is a person who may do everything.
    pub fn is_superuser(&self) -> bool {
        matches!(self, Self::Person(person) if person.account.superuser)
    }
}
