//! Estimate of the memory that what was loaded takes, for the budget of an operation.

use chrono::{DateTime, Utc};

use super::request::Belongs;
use crate::domain::account::{EmailAddress, Membership};
use crate::domain::connection::ExternalIdentity;
use crate::domain::directory::Directory;
use crate::domain::group::{Belonging, Group};
use crate::domain::login::Login;
use crate::domain::organization::Organization;
use crate::domain::role::{Role, RoleGrant};
use crate::domain::service_account::ServiceAccount;
use crate::domain::size::object_bytes;
use crate::domain::trusted_device::TrustedDevice;
use crate::domain::user::User;
use crate::service::{AccountState, MembershipElsewhere, ProvisioningChanges, ReadableMember};

/// Memory of the names and texts of a row, beside the row itself.
const TEXTS: usize = 256;

/// A value with a size in memory.
pub(super) trait Weight {
    /// Bytes of memory, as estimated.
    fn weight(&self) -> usize;
}

impl<T: Weight> Weight for Vec<T> {
    fn weight(&self) -> usize {
        self.iter().map(Weight::weight).sum()
    }
}

macro_rules! weighs {
    ($($row:ty),+ $(,)?) => {$(
        impl Weight for $row {
            fn weight(&self) -> usize {
                size_of::<Self>() + TEXTS
            }
        }
    )+};
}

weighs!(
    AccountState,
    Belonging,
    Belongs,
    DateTime<Utc>,
    Directory,
    EmailAddress,
    ExternalIdentity,
    Login,
    Membership,
    MembershipElsewhere,
    Organization,
    ProvisioningChanges,
    Role,
    RoleGrant,
    ServiceAccount,
    TrustedDevice,
    usize,
);

impl Weight for User {
    fn weight(&self) -> usize {
        size_of::<Self>() + TEXTS + object_bytes(self.attributes.attributes()) + object_bytes(&self.metadata)
    }
}

impl Weight for Group {
    fn weight(&self) -> usize {
        size_of::<Self>() + TEXTS + object_bytes(self.attributes.attributes())
    }
}

impl Weight for ReadableMember {
    fn weight(&self) -> usize {
        match self {
            Self::User(user) => user.weight(),
            Self::Group(group) => group.weight(),
            Self::ServiceAccount(account) => account.weight(),
        }
    }
}
