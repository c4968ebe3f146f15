//! Checks the consistency of the store and repairs it. Only for the operator.

use crate::domain::audit::{AuditEvent, EventKind};
use crate::domain::{Caller, Error, OrganizationId, Permission};
use crate::store::Damage;

use super::Service;

/// The inconsistencies of one database, and what a repair does about each.
pub struct StoreDamage(Damage);

impl StoreDamage {
    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each inconsistency in one sentence, with what a repair does about it.
    pub fn sentences(&self) -> Vec<String> {
        self.0.sentences()
    }
}

/// One of the databases of a store.
pub struct CheckedDatabase {
    /// The organization whose database it is; none: that of accounts.
    pub organization: Option<OrganizationId>,
    /// Its name for people: "accounts", or the short name of the organization.
    pub name: String,
}

impl Service {
    /// The databases that a check of the store looks at: accounts first, then each organization.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] for everyone but the operator.
    pub async fn list_databases(&self, caller: &Caller) -> Result<Vec<CheckedDatabase>, Error> {
        caller.require_operator(Permission::OrgManagement)?;
        let organizations = self.store.identity().list_organizations().await?;
        let of_organizations =
            organizations.into_iter().map(|one| CheckedDatabase { organization: Some(one.id), name: one.short_name });
        let accounts = CheckedDatabase { organization: None, name: "accounts".to_owned() };
        Ok(std::iter::once(accounts).chain(of_organizations).collect())
    }

    /// Looks for inconsistencies: records that their indexes do not find, references to records that do not exist, missing audit
    /// events. In the database of one organization, or with `None` in that of accounts. `checked` is told what is looked at.
    ///
    /// Reads every record of the database. Nobody else should write to the store meanwhile.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] for everyone but the operator.
    pub async fn find_store_damage(
        &self,
        caller: &Caller,
        organization: Option<OrganizationId>,
        checked: &(dyn Fn(&str) + Sync),
    ) -> Result<StoreDamage, Error> {
        caller.require_operator(Permission::OrgManagement)?;
        Ok(StoreDamage(self.store.find_damage(organization, checked).await?))
    }

    /// Rebuilds indexes, repairs references, and declares missing audit events lost. Leaves one audit event `store.repaired` that
    /// says what. Indexes come first, and the rest is looked for again: a record that its index does not find is not lost.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] for everyone but the operator.
    pub async fn repair_store(
        &self,
        caller: &Caller,
        organization: Option<OrganizationId>,
        StoreDamage(found): StoreDamage,
    ) -> Result<(), Error> {
        caller.require_operator(Permission::OrgManagement)?;
        self.store.rebuild_indexes(organization, &found).await?;
        let left = self.store.find_damage(organization, &|_| ()).await?;
        let repaired = Damage { indexes: found.indexes, ..left };
        let values = repaired.changes();
        if values.is_empty() {
            return Ok(());
        }
        let target = organization.map_or_else(|| "identity".to_owned(), |id| id.to_string());
        let event = AuditEvent { values, ..self.event(caller, EventKind::StoreRepaired, ("store", target)) };
        Ok(self.store.repair_references(organization, &repaired, &event).await?)
    }
}
