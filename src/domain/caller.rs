//! Who is asking and what they may do.

use std::sync::Arc;

use scim::{Reading, ResourceTypes};

use super::actor::{Actor, Member, Nobody, Person, Program, Root};
use super::directory::Directory;
use super::login::{Login, Origin};
use super::provisioning::ProvisioningRequest;
use super::refusal::{Code, Refusal};
use super::{AccountId, Author, DirectoryId, Error, OrganizationId, Permission};

/// Who is asking, in which organization, from where. Made only by signing in, or by the command line.
#[derive(Clone, Debug)]
pub struct Caller {
    actor: Actor,
    organization: Option<OrganizationId>,
    origin: Origin,
    provisioning: Option<Arc<ProvisioningRequest>>,
    types: Arc<ResourceTypes>,
}

impl Caller {
    /// Whoever holds the machine: may do everything, in one organization or (none) across them.
    pub fn operator(organization: Option<OrganizationId>) -> Self {
        Self {
            actor: Actor::Operator,
            organization,
            origin: Origin::default(),
            provisioning: None,
            types: ResourceTypes::standard().clone(),
        }
    }

    /// A directory whose token was just verified.
    pub(crate) fn directory(
        organization: OrganizationId,
        directory: Directory,
        types: Arc<ResourceTypes>,
        request: String,
    ) -> Self {
        let origin = Origin { request: Some(request), ..Origin::default() };
        Self {
            actor: Actor::Directory(Arc::new(directory)),
            organization: Some(organization),
            origin,
            provisioning: None,
            types,
        }
    }

    /// A person whose login or token was just verified.
    pub(crate) fn person(person: Arc<Person>, origin: Origin) -> Self {
        Self {
            organization: Some(person.organization.id),
            actor: Actor::Person(person),
            origin,
            provisioning: None,
            types: ResourceTypes::standard().clone(),
        }
    }

    /// A service account whose token was just verified.
    pub(crate) fn program(program: Arc<Program>, origin: Origin) -> Self {
        Self {
            organization: Some(program.organization.id),
            actor: Actor::Program(program),
            origin,
            provisioning: None,
            types: ResourceTypes::standard().clone(),
        }
    }

    /// Root, whose credential was just verified. In no organization.
    pub(crate) fn root(root: Arc<Root>, origin: Origin) -> Self {
        Self {
            actor: Actor::Root(root),
            organization: None,
            origin,
            provisioning: None,
            types: ResourceTypes::standard().clone(),
        }
    }

    /// The server itself, in one organization.
    pub(crate) fn system(organization: OrganizationId) -> Self {
        Self {
            actor: Actor::System,
            organization: Some(organization),
            origin: Origin::default(),
            provisioning: None,
            types: ResourceTypes::standard().clone(),
        }
    }

    /// Nobody we know: may only do what is public.
    pub fn nobody(why: Nobody, origin: Origin) -> Self {
        Self {
            actor: Actor::Nobody(why),
            organization: None,
            origin,
            provisioning: None,
            types: ResourceTypes::standard().clone(),
        }
    }

    /// The organization in which the caller may do this. The first line of every service method.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] naming the permission; [`Error::Unauthenticated`], [`Error::MfaRequired`],
    /// [`Error::ActionRequired`].
    pub fn require(&self, permission: Permission) -> Result<OrganizationId, Error> {
        self.require_ready()?;
        match self.organization {
            Some(organization) if self.may(permission) => Ok(organization),
            _ => Err(Error::Forbidden(permission)),
        }
    }

    /// As [`Caller::require`], for what is above a single organization.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] for everyone but the operator.
    pub fn require_operator(&self, permission: Permission) -> Result<(), Error> {
        match self.actor {
            Actor::Operator => Ok(()),
            Actor::Directory(_) | Actor::Person(_) | Actor::Program(_) | Actor::Root(_) | Actor::System => {
                Err(Error::Forbidden(permission))
            }
            Actor::Nobody(why) => Err(why.into()),
        }
    }

    /// Root, for what only root does through the account API.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`], [`Error::MfaRequired`]; [`Error::Refused`] with `INSUFFICIENT_RANK` for everyone else, a
    /// superuser too.
    pub fn require_root(&self) -> Result<&Arc<Root>, Error> {
        match &self.actor {
            Actor::Root(root) => Ok(root),
            Actor::Nobody(why) => Err((*why).into()),
            Actor::Operator | Actor::Directory(_) | Actor::Person(_) | Actor::Program(_) | Actor::System => {
                let message = "only root does this: the operator issues its credential with `rollcall root`";
                Err(Refusal::new(Code::InsufficientRank, message).into())
            }
        }
    }

    /// Root, if it asks.
    pub fn as_root(&self) -> Option<&Arc<Root>> {
        match &self.actor {
            Actor::Root(root) => Some(root),
            _ => None,
        }
    }

    /// As [`Caller::require`], where any of these is enough.
    ///
    /// # Errors
    ///
    /// As [`Caller::require`], naming the first.
    pub fn require_any(&self, permissions: &[Permission]) -> Result<OrganizationId, Error> {
        let held = permissions.iter().find(|permission| self.may(**permission));
        held.or(permissions.first()).map_or(Err(Error::Unauthenticated), |permission| self.require(*permission))
    }

    /// The person, for what everybody may do for themselves.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`], [`Error::MfaRequired`], [`Error::ActionRequired`]; [`Error::Refused`] with
    /// `PROTECTED_ACCOUNT` for whoever is no person.
    pub fn require_person(&self) -> Result<&Arc<Person>, Error> {
        self.require_ready()?;
        self.require_signed_in()
    }

    /// The person, even if something must be done first: for looking at oneself, and for doing it.
    ///
    /// # Errors
    ///
    /// As [`Caller::require_person`], without [`Error::ActionRequired`].
    pub fn require_signed_in(&self) -> Result<&Arc<Person>, Error> {
        match &self.actor {
            Actor::Person(person) => Ok(person),
            Actor::Nobody(why) => Err((*why).into()),
            Actor::Operator | Actor::Directory(_) | Actor::Program(_) | Actor::Root(_) | Actor::System => {
                Err(not_a_person())
            }
        }
    }

    /// Whoever belongs to an organization and asks, person or program, once nothing must be done first.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`], [`Error::MfaRequired`], [`Error::ActionRequired`]; `PROTECTED_ACCOUNT` for whoever
    /// belongs to none.
    pub fn require_member(&self) -> Result<Member<'_>, Error> {
        self.require_ready()?;
        self.require_known()
    }

    /// The same, even if something must be done first: for looking at oneself.
    ///
    /// # Errors
    ///
    /// As [`Caller::require_member`], without [`Error::ActionRequired`].
    pub fn require_known(&self) -> Result<Member<'_>, Error> {
        match &self.actor {
            Actor::Program(program) => Ok(Member::Program(program)),
            _ => self.require_signed_in().map(Member::Person),
        }
    }

    /// The person and their login, even if something must be done first: what tokens are not for.
    ///
    /// # Errors
    ///
    /// As [`Caller::require_signed_in`]; `PROTECTED_ACCOUNT` for a token.
    pub fn require_login(&self) -> Result<(&Arc<Person>, &Login), Error> {
        let person = self.require_signed_in()?;
        person.login().map(|login| (person, login)).ok_or_else(not_a_person)
    }

    fn require_ready(&self) -> Result<(), Error> {
        match &self.actor {
            Actor::Nobody(why) => Err((*why).into()),
            Actor::Person(person) if !person.required_actions.is_empty() => {
                Err(Error::ActionRequired(person.required_actions.clone()))
            }
            _ => Ok(()),
        }
    }

    /// Whether the caller holds the permission.
    pub fn may(&self, permission: Permission) -> bool {
        match &self.actor {
            Actor::Operator | Actor::System => true,
            Actor::Person(person) => person.permissions.contains(&permission),
            Actor::Program(program) => program.permissions.contains(&permission),
            Actor::Root(_) | Actor::Nobody(_) => false,
            Actor::Directory(directory) => super::directory::allows(&directory.scopes, permission),
        }
    }

    /// Who acts.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// The person who asks, if it is one.
    pub fn as_person(&self) -> Option<&Arc<Person>> {
        match &self.actor {
            Actor::Person(person) => Some(person),
            _ => None,
        }
    }

    /// Whether the person with this account asks.
    pub fn is_person(&self, account: AccountId) -> bool {
        self.as_person().is_some_and(|person| person.account.id == account)
    }

    /// Whoever belongs to an organization and asks.
    pub fn as_member(&self) -> Option<Member<'_>> {
        match &self.actor {
            Actor::Person(person) => Some(Member::Person(person)),
            Actor::Program(program) => Some(Member::Program(program)),
            _ => None,
        }
    }

    /// The program that asks, if it is one.
    pub fn as_program(&self) -> Option<&Arc<Program>> {
        match &self.actor {
            Actor::Program(program) => Some(program),
            _ => None,
        }
    }

    /// Who is named as the author of what is done.
    pub fn author(&self) -> Option<Author> {
        match &self.actor {
            Actor::Person(person) => Some(Author::User(person.user.id)),
            Actor::Program(program) => Some(Author::ServiceAccount(program.account.id)),
            Actor::Directory(directory) => Some(Author::Directory(directory.id)),
            Actor::Operator | Actor::Root(_) | Actor::System | Actor::Nobody(_) => None,
        }
    }

    /// Where the caller acts; none for what is above a single organization.
    pub fn organization(&self) -> Option<OrganizationId> {
        self.organization
    }

    /// The directory that asks, if it is one.
    pub fn as_directory(&self) -> Option<&Directory> {
        match &self.actor {
            Actor::Directory(directory) => Some(directory),
            _ => None,
        }
    }

    /// The organization of the directory that asks.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`] for whoever is none.
    pub fn require_directory(&self) -> Result<OrganizationId, Error> {
        self.as_directory().and(self.organization).ok_or(Error::Unauthenticated)
    }

    /// The directory that will own what is created.
    pub fn directory_id(&self) -> Option<DirectoryId> {
        self.as_directory().map(|directory| directory.id)
    }

    /// The same caller, of whose request a record is made.
    pub(crate) fn asking(self, request: ProvisioningRequest) -> Self {
        Self { provisioning: Some(Arc::new(request)), ..self }
    }

    /// What users and groups are like where the caller acts: with the organization's extensions for its directories.
    pub fn types(&self) -> &Arc<ResourceTypes> {
        &self.types
    }

    /// The request of a directory of which a record is made.
    pub fn provisioning(&self) -> Option<&ProvisioningRequest> {
        self.provisioning.as_deref()
    }

    /// How a directory's request was read up to here is recorded with what it changes.
    pub fn note_reading(&self, reading: &Reading) {
        if let Some(request) = self.provisioning() {
            request.has_read(reading);
        }
    }

    /// Where the request comes from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The id of the request, for the audit trail.
    pub fn request(&self) -> Option<&str> {
        self.origin.request.as_deref()
    }
}

impl From<Nobody> for Error {
    fn from(why: Nobody) -> Self {
        match why {
            Nobody::Unknown => Self::Unauthenticated,
            Nobody::Challenged => Self::MfaRequired,
        }
    }
}

pub(super) fn not_a_person() -> Error {
    Refusal::new(Code::ProtectedAccount, "this is for a person signed in with a login").into()
}
