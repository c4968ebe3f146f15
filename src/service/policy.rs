//! An organization's own rules, and what the operator set for all.

use serde_json::json;

use super::Service;
use super::attempts::Attempts;
use super::lockout::LockoutLimits;
use super::references::check_version;
use crate::domain::audit::{AuditEvent, EventKind, FieldChange};
use crate::domain::connection::Connection;
use crate::domain::login::Lifetimes;
use crate::domain::policy::AccountPolicy;
use crate::domain::{Caller, Code, Error, Permission, Refusal};

/// Rules and limits in force, as people may read them.
#[derive(Clone, Debug)]
pub struct Policies {
    /// The organization's.
    pub account: AccountPolicy,
    /// The organization's login providers.
    pub connections: Vec<Connection>,
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
    pub async fn get_policies(&self, caller: &Caller) -> Result<Policies, Error> {
        let member = caller.require_known()?;
        let store = self.store.organization(member.organization().id).await?;
        Ok(Policies {
            account: member.policy().clone(),
            connections: self.connections(&store).await?,
            lifetimes: self.settings.lifetimes,
            lockout: self.settings.lockout,
        })
    }

    /// The rules as a change by an administrator of the organization left them.
    ///
    /// # Errors
    ///
    /// As [`Service::update_policy`]; [`Error::Refused`] with `STEP_UP_REQUIRED`, `NOT_FOUND` for a connection,
    /// `VERSION_CONFLICT`.
    pub async fn update_account_policy(
        &self,
        caller: &Caller,
        change: impl Fn(&mut AccountPolicy) + Send,
        if_version: Option<i64>,
    ) -> Result<Policies, Error> {
        let organization = caller.require(Permission::OrgManagement)?;
        caller.require_fresh(Permission::OrgManagement, self.clock.now())?;
        let store = self.store.organization(organization).await?;
        let before = store.find_policy().await?;
        check_version(before.version, if_version)?;
        let mut wanted = before.clone();
        change(&mut wanted);
        let connections = self.connections(&store).await?;
        if let Some(name) = &wanted.default_connection
            && wanted.default_connection != before.default_connection
            && !connections.iter().any(|connection| connection.name == *name)
        {
            let refusal = Refusal::new(Code::NotFound, "there is no such login provider").at("defaultConnection");
            return Err(refusal.below(&["invitation"]).into());
        }
        let account = self.change_policy(caller, change, if_version).await?;
        Ok(Policies { account, connections, lifetimes: self.settings.lifetimes, lockout: self.settings.lockout })
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
        caller.require(Permission::OrgManagement)?;
        self.change_policy(caller, change, None).await
    }

    async fn change_policy(
        &self,
        caller: &Caller,
        change: impl Fn(&mut AccountPolicy) + Send,
        if_version: Option<i64>,
    ) -> Result<AccountPolicy, Error> {
        let organization = caller.require(Permission::OrgManagement)?;
        let store = self.store.organization(organization).await?;
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            let before = store.find_policy().await?;
            check_version(before.version, if_version)?;
            let mut after = before.clone();
            change(&mut after);
            after.check()?;
            if after == before {
                return Ok(after);
            }
            let values = vec![FieldChange::new("accountPolicy", json!(before), json!(after))];
            let event = AuditEvent {
                values,
                ..self.event(caller, EventKind::OrganizationUpdated, ("organization", organization.to_string()))
            };
            match store.update_policy(&before, &after, &event).await.map_err(Error::from) {
                Ok(()) => return Ok(AccountPolicy { version: before.version + 1, ..after }),
                Err(Error::Busy) if attempts.again().await => {}
                Err(error) => return Err(error),
            }
        }
    }
}
