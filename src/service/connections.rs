//! Login providers of an organization: setting them up.

use secrecy::{ExposeSecret as _, SecretString};

use super::Service;
use crate::domain::audit::{AuditEvent, EventKind, FieldChange};
use crate::domain::connection::{Connection, ConnectionDraft, GOOGLE};
use crate::domain::policy::DEFAULT_CONNECTION;
use crate::domain::{Caller, Error, Noun, OrganizationId, Permission};
use crate::store::OrganizationStore;

/// What a client secret is sealed for.
fn secret_context(organization: OrganizationId, name: &str) -> String {
    format!("connection:{organization}:{name}")
}

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

    /// Sets up a login provider, for whoever holds the machine.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] for everyone but the operator; [`Error::Taken`] for its name; [`Error::Refused`] with
    /// `VALIDATION_FAILED`.
    pub async fn create_connection(&self, caller: &Caller, draft: ConnectionDraft) -> Result<Connection, Error> {
        caller.require_operator(Permission::OrgManagement)?;
        let organization = caller.require(Permission::OrgManagement)?;
        let context = secret_context(organization, &draft.name);
        let seal =
            |secret: SecretString| self.sealer.seal(&context, secret.expose_secret().as_bytes(), self.entropy.bytes());
        let strategy = if draft.issuer == GOOGLE { DEFAULT_CONNECTION } else { "oidc" };
        let connection = Connection {
            strategy: strategy.to_owned(),
            client_secret: draft.client_secret.map(seal).transpose()?,
            name: draft.name,
            display_name: draft.display_name,
            issuer: draft.issuer,
            client_id: draft.client_id,
            created: self.clock.now(),
        };
        connection.check()?;
        let event = AuditEvent {
            values: vec![
                FieldChange::new("connection", serde_json::Value::Null, connection.name.clone()),
                FieldChange::new("issuer", serde_json::Value::Null, connection.issuer.clone()),
            ],
            ..self.event(caller, EventKind::ConnectionCreated, ("organization", organization.to_string()))
        };
        self.store.organization(organization).await?.insert_connection(&connection, &event).await?;
        Ok(connection)
    }

    /// The login providers that are set up, by name.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] for everyone but the operator.
    pub async fn list_connections(&self, caller: &Caller) -> Result<Vec<Connection>, Error> {
        caller.require_operator(Permission::OrgManagement)?;
        let organization = caller.require(Permission::OrgManagement)?;
        Ok(self.store.organization(organization).await?.list_connections().await?)
    }

    /// Removes a login provider: nobody comes in through it any more, and the sessions of those who did end.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] for everyone but the operator; [`Error::NotFound`].
    pub async fn delete_connection(&self, caller: &Caller, name: &str) -> Result<(), Error> {
        caller.require_operator(Permission::OrgManagement)?;
        let organization = caller.require(Permission::OrgManagement)?;
        let store = self.store.organization(organization).await?;
        store.find_connection(name).await?.ok_or(Error::NotFound(Noun::Connection))?;
        let event = AuditEvent {
            values: vec![FieldChange::new("connection", name.to_owned(), serde_json::Value::Null)],
            ..self.event(caller, EventKind::ConnectionDeleted, ("organization", organization.to_string()))
        };
        Ok(store.delete_connection(name, &event).await?)
    }

    /// What we prove ourselves with at a provider.
    pub(super) fn client_secret(
        &self,
        organization: OrganizationId,
        connection: &Connection,
    ) -> Result<Option<SecretString>, Error> {
        let Some(sealed) = &connection.client_secret else { return Ok(None) };
        let plain = self.sealer.open(&secret_context(organization, &connection.name), sealed)?;
        let text = std::str::from_utf8(&plain).map_err(|error| Error::Internal(error.into()))?;
        Ok(Some(SecretString::from(text.to_owned())))
    }
}
