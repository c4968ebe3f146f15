//! An organization's own rules, and what the operator set for all.

use super::Service;
use super::attempts::Attempts;
use super::lockout::LockoutLimits;
use crate::domain::audit::EventKind;
use crate::domain::login::Lifetimes;
use crate::domain::policy::AccountPolicy;
use crate::domain::{Caller, Error, Permission};

/// Rules and limits in force, as people may read them.
#[derive(Clone, Copy, Debug)]
pub struct Policies {
    /// The organization's.
    pub account: AccountPolicy,
    /// The operator's: how long things last.
    pub lifetimes: Lifetimes,
    /// The operator's: when sign-in is refused.
    pub lockout: LockoutLimits,
}

impl Service {
    /// The rules of the organization the caller acts in.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`].
    pub fn get_policies(&self, caller: &Caller) -> Result<Policies, Error> {
        let person = caller.require_signed_in()?;
        Ok(Policies { account: person.policy, lifetimes: self.settings.lifetimes, lockout: self.settings.lockout })
    }

    /// Changes the organization's rules. Stricter ones hold from now on; nobody is signed out.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::OrgManagement`]; [`Error::Refused`] with `VALIDATION_FAILED`.
    pub async fn update_policy(
        &self,
        caller: &Caller,
        change: impl Fn(&mut AccountPolicy) + Send,
    ) -> Result<AccountPolicy, Error> {
        let organization = caller.require(Permission::OrgManagement)?;
        let store = self.store.organization(organization).await?;
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            let before = store.find_policy().await?;
            let mut after = before;
            change(&mut after);
            after.check()?;
            if after == before {
                return Ok(after);
            }
            let event = self.event(caller, EventKind::PolicyChanged, ("organization", organization.to_string()));
            match store.update_policy(&before, &after, &event).await.map_err(Error::from) {
                Ok(()) => return Ok(AccountPolicy { version: before.version + 1, ..after }),
                Err(Error::Busy) if attempts.again().await => {}
                Err(error) => return Err(error),
            }
        }
    }
}
