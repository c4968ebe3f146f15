//! Schemas that an organization adds to its users and groups.

use scim::Extension;
use surrealdb::types::{RecordId, SurrealValue};

use super::error::settle;
use super::list::Table;
use super::write::Write;
use super::{OrganizationStore, StoreError, counted, unreadable};
use crate::domain::audit::AuditEvent;

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
struct ExtensionRow {
    resource_type: String,
    document: String,
}

fn record(urn: &str) -> RecordId {
    RecordId::new("extension", urn.to_ascii_lowercase())
}

impl OrganizationStore {
    /// The organization's extensions, by URN.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn list_extensions(&self) -> Result<Vec<Extension>, StoreError> {
        let rows: Vec<ExtensionRow> = settle(self.0.query("SELECT * FROM extension ORDER BY id").await?)?.take(0)?;
        let read = |row: ExtensionRow| {
            let schema = serde_json::from_str(&row.document).map_err(|_| unreadable("an extension"))?;
            Ok(Extension { resource_type: row.resource_type, schema })
        };
        rows.into_iter().map(read).collect()
    }

    /// Adds an extension, or puts it in the place of the one of its URN that was read before.
    ///
    /// # Errors
    ///
    /// [`StoreError::Outdated`] when it is no longer what was read.
    pub(crate) async fn put_extension(
        &self,
        before: Option<&Extension>,
        after: &Extension,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        let mut write = Write::new(self.1, event);
        write.push("IF (SELECT VALUE document FROM ONLY $id) != $before { THROW 'outdated' };");
        write.push("UPSERT $id CONTENT $extension RETURN NONE;");
        write.bind("id", record(&after.schema.id));
        write.bind("before", before.map(document));
        write.bind("extension", ExtensionRow { resource_type: after.resource_type.clone(), document: document(after) });
        write.commit(&self.0).await
    }

    /// Removes an extension.
    ///
    /// # Errors
    ///
    /// [`StoreError::Outdated`] when something has a value in it by now; one that is gone is no failure.
    pub(crate) async fn delete_extension(&self, extension: &Extension, event: &AuditEvent) -> Result<(), StoreError> {
        let mut write = Write::new(self.1, event);
        write.push("IF (SELECT VALUE id FROM user WHERE attributes[$urn] != NONE LIMIT 1) != [] { THROW 'outdated' };");
        write
            .push("IF (SELECT VALUE id FROM group WHERE attributes[$urn] != NONE LIMIT 1) != [] { THROW 'outdated' };");
        write.push("DELETE $id RETURN NONE;");
        write.bind("id", record(&extension.schema.id));
        write.bind("urn", extension.schema.id.clone());
        write.commit(&self.0).await
    }

    /// How many resources have a value in this extension.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn count_extended(&self, extension: &Extension) -> Result<u64, StoreError> {
        let table = if extension.resource_type == "User" { Table::User } else { Table::Group };
        let text = format!("SELECT count() FROM {} WHERE attributes[$urn] != NONE GROUP ALL", table.name());
        let query = self.0.query(text).bind(("urn", extension.schema.id.clone()));
        let count: Option<i64> = settle(query.await?)?.take((0, "count"))?;
        Ok(count.map(counted).unwrap_or_default())
    }
}

fn document(extension: &Extension) -> String {
    serde_json::json!(extension.schema).to_string()
}
