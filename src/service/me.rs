//! Reading about oneself: factors and organizations.

use super::Service;
use crate::domain::organization::Organization;
use crate::domain::second_factor::Authenticator;
use crate::domain::{Caller, Error, OrganizationId};

/// A person's second factors.
#[derive(Clone, Debug)]
pub struct MfaState {
    /// The authenticator app, if enrolled.
    pub authenticator: Option<Authenticator>,
    /// Unused recovery codes.
    pub recovery_codes: usize,
    /// Whether the organization demands a second factor.
    pub required: bool,
}

impl Service {
    /// The second factors of the person who asks.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`].
    pub async fn get_my_mfa(&self, caller: &Caller) -> Result<MfaState, Error> {
        let person = caller.require_signed_in()?;
        let credentials = self.own_credentials(person).await?;
        let recovery_codes = self.store.identity().count_recovery_codes(person.account.id).await?;
        let authenticator = credentials.authenticator.filter(Authenticator::is_enrolled);
        Ok(MfaState { authenticator, recovery_codes, required: person.policy.mfa_required })
    }

    /// An organization the caller belongs to; none: the current one.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] for any other.
    pub async fn get_my_organization(
        &self,
        caller: &Caller,
        id: Option<OrganizationId>,
    ) -> Result<Organization, Error> {
        let here = caller.require_member()?.organization();
        match (id, caller.as_person()) {
            (None, _) => Ok(here.clone()),
            (Some(id), _) if id == here.id => Ok(here.clone()),
            (Some(_), None) => Err(Error::NotFound(crate::domain::Noun::Organization)),
            (Some(id), Some(person)) => {
                let joined = self.store.identity().list_memberships(person.account.id).await?;
                let found = joined.into_iter().find(|joined| joined.organization.id == id);
                found.map(|joined| joined.organization).ok_or(Error::NotFound(crate::domain::Noun::Organization))
            }
        }
    }

    /// Whether directories took away the last owner of the current organization.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`].
    pub async fn is_my_organization_ownerless(&self, caller: &Caller, id: OrganizationId) -> Result<bool, Error> {
        caller.require_known()?;
        Ok(self.store.organization(id).await?.is_ownerless().await?)
    }
}
