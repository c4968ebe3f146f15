//! Who is asking and what they may do.

use std::fmt;
use std::sync::Arc;

use super::directory::{Directory, Scope};
use super::{DirectoryId, Error, OrganizationId};

/// One right. The keys are those of the GraphQL catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    /// List and read users.
    UserAccessRead,
    /// Create, change, deactivate and delete users.
    UserAccessManage,
    /// List and read groups.
    GroupsRead,
    /// Create, change and delete groups and their members.
    GroupsManage,
    /// Directories and their tokens.
    DirectoryManage,
    /// Organizations.
    OrgManagement,
}

impl Permission {
    /// Every permission.
    pub const ALL: [Self; 6] = [
        Self::UserAccessRead,
        Self::UserAccessManage,
        Self::GroupsRead,
        Self::GroupsManage,
        Self::DirectoryManage,
        Self::OrgManagement,
    ];
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UserAccessRead => "user_access_read",
            Self::UserAccessManage => "user_access_manage",
            Self::GroupsRead => "groups_read",
            Self::GroupsManage => "groups_manage",
            Self::DirectoryManage => "directory_manage",
            Self::OrgManagement => "org_management",
        })
    }
}

/// Who acts.
#[derive(Clone, Debug)]
pub enum Actor {
    /// Whoever holds the machine: the command line.
    Operator,
    /// A SCIM client.
    Directory(Arc<Directory>),
}

/// Who is asking, in which organization, in which request. Made only by signing in, or by the command line.
#[derive(Clone, Debug)]
pub struct Caller {
    actor: Actor,
    organization: Option<OrganizationId>,
    request: Option<String>,
}

impl Caller {
    /// Whoever holds the machine: may do everything, in one organization or (none) across them.
    pub fn operator(organization: Option<OrganizationId>) -> Self {
        Self { actor: Actor::Operator, organization, request: None }
    }

    /// A directory whose token was just verified.
    pub(crate) fn directory(organization: OrganizationId, directory: Directory, request: String) -> Self {
        Self { actor: Actor::Directory(Arc::new(directory)), organization: Some(organization), request: Some(request) }
    }

    /// The organization in which the caller may do this. The first line of every service method.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] naming the permission.
    pub fn require(&self, permission: Permission) -> Result<OrganizationId, Error> {
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
            Actor::Directory(_) => Err(Error::Forbidden(permission)),
        }
    }

    fn may(&self, permission: Permission) -> bool {
        let Actor::Directory(directory) = &self.actor else { return true };
        let writes = !directory.scopes.contains(&Scope::ReadOnly);
        match permission {
            Permission::UserAccessRead => directory.scopes.contains(&Scope::Users),
            Permission::UserAccessManage => directory.scopes.contains(&Scope::Users) && writes,
            Permission::GroupsRead => directory.scopes.contains(&Scope::Groups),
            Permission::GroupsManage => directory.scopes.contains(&Scope::Groups) && writes,
            Permission::DirectoryManage | Permission::OrgManagement => false,
        }
    }

    /// Who acts.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// The directory that asks, if it is one.
    pub fn as_directory(&self) -> Option<&Directory> {
        match &self.actor {
            Actor::Directory(directory) => Some(directory),
            Actor::Operator => None,
        }
    }

    /// The directory that will own what is created.
    pub fn directory_id(&self) -> Option<DirectoryId> {
        self.as_directory().map(|directory| directory.id)
    }

    /// The id of the request, for the audit trail.
    pub fn request(&self) -> Option<&str> {
        self.request.as_deref()
    }
}
