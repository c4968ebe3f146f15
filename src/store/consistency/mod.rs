//! Finds and repairs inconsistencies that lost transactions leave behind.
//!
//! The former storage engine could lose a whole transaction out of the middle of history (SurrealKV 0.21). Later transactions that
//! build on it survive, so that a record may be without its index entries, or refer to a record that does not exist. A repair
//! rebuilds indexes and removes references to nothing. It invents nothing: what was lost stays lost, and one audit event says what
//! was repaired.

mod indexes;
mod references;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde_json::json;

use super::audit::AuditGap;
use super::write::Write;
use super::{Bound, Store, StoreError};
use crate::domain::OrganizationId;
use crate::domain::audit::{AuditEvent, FieldChange};

pub(crate) use indexes::IndexDamage;
pub(crate) use references::Dangling;

/// The inconsistencies of one database.
#[derive(Default)]
pub(crate) struct Damage {
    /// Indexes that do not match their table.
    pub(crate) indexes: Vec<IndexDamage>,
    /// References to records that do not exist, and records that nothing refers to.
    pub(crate) dangling: Vec<Dangling>,
    /// Audit events that are missing, and that no repair has declared lost.
    pub(crate) audit_gaps: Vec<AuditGap>,
}

impl Damage {
    /// Whether nothing is wrong.
    pub(crate) fn is_empty(&self) -> bool {
        self.indexes.is_empty() && self.dangling.is_empty() && self.audit_gaps.is_empty()
    }

    /// Each inconsistency in one sentence, with what a repair does about it.
    pub(crate) fn sentences(&self) -> Vec<String> {
        let indexes = self.indexes.iter().map(IndexDamage::sentence);
        let dangling = self.dangling.iter().map(Dangling::sentence);
        let gaps = self.audit_gaps.iter().map(|AuditGap { first, last, .. }| {
            format!(
                "audit events {first} to {last} are missing: a repair declares them lost, it cannot bring them back"
            )
        });
        indexes.chain(dangling).chain(gaps).collect()
    }

    /// Lists each repaired index, reference and gap as a change of a field, for the event of the repair.
    pub(crate) fn changes(&self) -> Vec<FieldChange> {
        let change = |field: String, before, after| FieldChange { field, before, after };
        let indexes = self.indexes.iter().filter(|index| index.can_be_rebuilt()).map(|index| {
            let before = json!({"missing": index.missing, "orphaned": index.orphaned});
            change(format!("index {}", index.name), Some(before), Some(json!("rebuilt")))
        });
        let dangling =
            self.dangling.iter().map(|rows| change(rows.what.to_owned(), Some(json!(rows.count)), Some(json!(0))));
        let gaps = self.audit_gaps.iter().map(|gap| change(AUDIT_GAP.to_owned(), None, serde_json::to_value(gap).ok()));
        indexes.chain(dangling).chain(gaps).collect()
    }
}

/// The field of the event `store.repaired` that declares missing audit events.
pub(super) const AUDIT_GAP: &str = "auditGap";

impl Store {
    /// Looks for inconsistencies in the database of an organization, or with `None` in that of accounts. `checked` is told what is
    /// looked at.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub(crate) async fn find_damage(
        &self,
        organization: Option<OrganizationId>,
        checked: &(dyn Fn(&str) + Sync),
    ) -> Result<Damage, StoreError> {
        let Some(id) = organization else {
            return find(&self.identity.0, references::OF_ACCOUNTS, Vec::new(), checked).await;
        };
        let within = self.organization(id).await?;
        let between = references::between(&self.identity.0, &within.0, id).await?;
        find(&within.0, references::OF_ORGANIZATION, between, checked).await
    }

    /// Rebuilds the indexes that can be.
    ///
    /// # Errors
    ///
    /// When the store fails. Indexes that were rebuilt by then stay so.
    pub(crate) async fn rebuild_indexes(
        &self,
        organization: Option<OrganizationId>,
        damage: &Damage,
    ) -> Result<(), StoreError> {
        let bound = self.bound(organization).await?;
        for index in damage.indexes.iter().filter(|index| index.can_be_rebuilt()) {
            indexes::rebuild(&bound, index).await?;
        }
        Ok(())
    }

    /// Repairs references and leaves the event, in one transaction.
    ///
    /// # Errors
    ///
    /// When the store fails; nothing has changed then.
    pub(crate) async fn repair_references(
        &self,
        organization: Option<OrganizationId>,
        damage: &Damage,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        let mut write = Write::new(organization, event);
        references::push_repair(&mut write, &damage.dangling);
        write.commit(&self.bound(organization).await?).await
    }

    async fn bound(&self, organization: Option<OrganizationId>) -> Result<Arc<Bound>, StoreError> {
        Ok(match organization {
            Some(id) => self.organization(id).await?.0,
            None => self.identity.0.clone(),
        })
    }
}

async fn find(
    bound: &Bound,
    rules: &[references::Rule],
    between: Vec<Dangling>,
    checked: &(dyn Fn(&str) + Sync),
) -> Result<Damage, StoreError> {
    let mut damage = Damage { dangling: between, ..Damage::default() };
    for table in indexes::tables(bound).await? {
        for index in indexes::of_table(bound, &table).await? {
            checked(&index.name);
            damage.indexes.extend(indexes::check(bound, &index).await?);
        }
    }
    for rule in rules {
        checked(rule.what);
        damage.dangling.extend(references::check(bound, rule).await?);
    }
    checked("audit trail");
    damage.audit_gaps = bound.find_audit_gaps().await?;
    Ok(damage)
}
