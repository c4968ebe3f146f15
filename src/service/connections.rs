//! Login providers of an organization.

use super::Service;
use crate::domain::Error;
use crate::domain::connection::Connection;
use crate::store::OrganizationStore;

impl Service {
    /// The organization's login providers, and the one that invitations name by default, set up or not.
    pub(super) async fn connections(&self, store: &OrganizationStore) -> Result<Vec<Connection>, Error> {
        let mut known = store.list_connections().await?;
        let preset = Connection::preset();
        if !known.iter().any(|connection| connection.name == preset.name) {
            known.push(preset);
        }
        Ok(known)
    }
}
