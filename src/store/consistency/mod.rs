//! Finds and mends contradictions within the store: what a lost write leaves behind.
//!
//! The former storage engine could lose a whole transaction out of the middle of history (SurrealKV 0.21). Later transactions that
//! build on it survive, so that a record may be without its index entries, or refer to a record that does not exist. A repair
//! rebuilds indexes and removes references to nothing. It invents nothing: what was lost stays lost, and one audit event says what
//! was mended.

mod indexes;
mod references;
#[cfg(test)]
mod tests;

use serde_json::json;
use surrealdb::types::RecordId;

use super::error::settle;
use super::write::Write;
use super::{Bound, Store, StoreError};
use crate::domain::OrganizationId;
use crate::domain::audit::{AuditEvent, FieldChange};

pub(crate) use indexes::IndexDamage;
pub(crate) use references::Dangling;

/// The contradictions of one database.
#[derive(Debug, Default)]
pub(crate) struct Damage {
    /// Indexes that do not say what the records say.
    pub(crate) indexes: Vec<IndexDamage>,
    /// References to records that do not exist.
    pub(crate) dangling: Vec<Dangling>,
    /// Numbers of audit events that are missing, first and last, and that no repair has declared.
    pub(crate) audit_gaps: Vec<(u64, u64)>,
}

impl Damage {
    /// Whether nothing is wrong.
    pub(crate) fn is_empty(&self) -> bool {
        self.indexes.is_empty() && self.dangling.is_empty() && self.audit_gaps.is_empty()
    }

    /// Each contradiction in one sentence, with what a repair does about it.
    pub(crate) fn sentences(&self) -> Vec<String> {
        let indexes = self.indexes.iter().map(IndexDamage::sentence);
        let dangling = self.dangling.iter().map(Dangling::sentence);
        let gaps = self.audit_gaps.iter().map(|(first, last)| {
            format!(
                "audit events {first} to {last} are missing: a repair marks the gap as lost, it cannot bring them back"
            )
        });
        indexes.chain(dangling).chain(gaps).collect()
    }

    /// What the event of a repair says: each index, reference and gap, as a change of a field.
    pub(crate) fn changes(&self) -> Vec<FieldChange> {
        let change = |field: String, before, after| FieldChange { field, before, after };
        let indexes = self.indexes.iter().filter(|index| index.can_be_mended()).map(|index| {
            let before = json!({"missing": index.missing, "surplus": index.surplus});
            change(format!("index {}", index.name), Some(before), Some(json!("rebuilt")))
        });
        let dangling = self
            .dangling
            .iter()
            .map(|rows| change(rows.what.to_owned(), Some(json!(rows.records.len())), Some(json!(0))));
        let gaps = self
            .audit_gaps
            .iter()
            .map(|(first, last)| change(AUDIT_GAP.to_owned(), None, Some(json!({"first": first, "last": last}))));
        indexes.chain(dangling).chain(gaps).collect()
    }
}

/// The field of the event `store.repaired` that declares missing audit events.
pub(super) const AUDIT_GAP: &str = "auditGap";

impl Store {
    /// Looks for contradictions in the database of an organization, or with `None` in that of accounts. `checked` is told what is
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

    /// Mends what [`Store::find_damage`] found, and leaves the event. Indexes are rebuilt first; references and the event are one
    /// transaction.
    ///
    /// # Errors
    ///
    /// When the store fails. What was rebuilt by then stays so.
    pub(crate) async fn repair(
        &self,
        organization: Option<OrganizationId>,
        damage: &Damage,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        let bound = match organization {
            Some(id) => self.organization(id).await?.0,
            None => self.identity.0.clone(),
        };
        for index in damage.indexes.iter().filter(|index| index.can_be_mended()) {
            indexes::rebuild(&bound, index).await?;
        }
        let mut write = Write::new(organization, event);
        references::push_removal(&mut write, &damage.dangling);
        write.commit(&bound).await
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

/// The ids that a query answers.
async fn ids(bound: &Bound, query: &'static str) -> Result<Vec<RecordId>, StoreError> {
    Ok(settle(bound.query(query).patiently().await?)?.take(0)?)
}
