//! Login providers of an organization, mail domains that are its own, and people's accounts at providers.

use chrono::{DateTime, Utc};
use surrealdb::types::{RecordId, SurrealValue};

use super::error::settle;
use super::users::instant;
use super::write::Write;
use super::{IdentityStore, OrganizationStore, Store, StoreError, millis, uuid};
use crate::domain::audit::AuditEvent;
use crate::domain::connection::{Connection, ExternalIdentity};
use crate::domain::{AccountId, OrganizationId};

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
struct ConnectionRow {
    name: String,
    strategy: String,
    display_name: String,
    issuer: String,
    client_id: String,
    client_secret: Option<String>,
    created: i64,
}

impl From<ConnectionRow> for Connection {
    fn from(row: ConnectionRow) -> Self {
        Self {
            name: row.name,
            strategy: row.strategy,
            display_name: row.display_name,
            issuer: row.issuer,
            client_id: row.client_id,
            client_secret: row.client_secret,
            created: instant(row.created),
        }
    }
}

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
struct IdentityRow {
    account: uuid::Uuid,
    organization: uuid::Uuid,
    connection: String,
    subject: String,
    email: Option<String>,
    linked: i64,
}

impl From<IdentityRow> for ExternalIdentity {
    fn from(row: IdentityRow) -> Self {
        Self {
            account: AccountId::new(row.account),
            organization: OrganizationId::new(row.organization),
            connection: row.connection,
            subject: row.subject,
            email: row.email,
            linked: instant(row.linked),
        }
    }
}

impl OrganizationStore {
    /// Adds a login provider.
    ///
    /// # Errors
    ///
    /// [`StoreError::Taken`] for its name.
    pub async fn insert_connection(&self, connection: &Connection, event: &AuditEvent) -> Result<(), StoreError> {
        let mut write = Write::new(self.1, event);
        write.push("CREATE connection CONTENT $connection RETURN NONE;");
        write.bind(
            "connection",
            ConnectionRow {
                name: connection.name.clone(),
                strategy: connection.strategy.clone(),
                display_name: connection.display_name.clone(),
                issuer: connection.issuer.clone(),
                client_id: connection.client_id.clone(),
                client_secret: connection.client_secret.clone(),
                created: millis(connection.created),
            },
        );
        write.commit(&self.0).await
    }

    /// The login providers, by name.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn list_connections(&self) -> Result<Vec<Connection>, StoreError> {
        let rows: Vec<ConnectionRow> =
            settle(self.0.query("SELECT * FROM connection ORDER BY name").await?)?.take(0)?;
        Ok(rows.into_iter().map(Connection::from).collect())
    }
}

fn identity_record(identity: &ExternalIdentity) -> RecordId {
    let key = [identity.organization.to_string(), identity.connection.clone(), identity.subject.clone()];
    let digest = <sha2::Sha256 as sha2::Digest>::digest(serde_json::json!(key).to_string().as_bytes());
    RecordId::new("external_identity", digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

impl IdentityStore {
    /// Whose account at a provider this is.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_external_identity(
        &self,
        organization: OrganizationId,
        connection: &str,
        subject: &str,
    ) -> Result<Option<ExternalIdentity>, StoreError> {
        let wanted = ExternalIdentity {
            account: AccountId::new(uuid::Uuid::nil()),
            organization,
            connection: connection.to_owned(),
            subject: subject.to_owned(),
            email: None,
            linked: DateTime::<Utc>::UNIX_EPOCH,
        };
        let query = self.0.query("SELECT * FROM ONLY $id").bind(("id", identity_record(&wanted)));
        let row: Option<IdentityRow> = settle(query.await?)?.take(0)?;
        Ok(row.map(ExternalIdentity::from))
    }

    /// The accounts of these people at providers.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn list_external_identities(&self, accounts: &[AccountId]) -> Result<Vec<ExternalIdentity>, StoreError> {
        let query = self
            .0
            .query("SELECT * FROM external_identity WHERE account IN $accounts ORDER BY linked")
            .bind(("accounts", accounts.iter().map(|account| uuid(account.uuid())).collect::<Vec<_>>()));
        let rows: Vec<IdentityRow> = settle(query.await?)?.take(0)?;
        Ok(rows.into_iter().map(ExternalIdentity::from).collect())
    }

    /// Mail domains that are an organization's own, by name.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn list_domains(&self, organization: OrganizationId) -> Result<Vec<String>, StoreError> {
        let query = self
            .0
            .query("SELECT VALUE name FROM domain WHERE organization = $organization ORDER BY name")
            .bind(("organization", uuid(organization.uuid())));
        Ok(settle(query.await?)?.take(0)?)
    }
}

impl Store {
    /// Makes a mail domain an organization's own.
    ///
    /// # Errors
    ///
    /// [`StoreError::Taken`] when it is one's already.
    pub(crate) async fn insert_domain(
        &self,
        organization: OrganizationId,
        name: &str,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        self.change_identity(Some(organization), event, |write| {
            write.push(
                "CREATE domain SET name = $domain, organization = $domain_of, verified = $domain_since RETURN NONE;",
            );
            write.bind("domain", name.to_owned());
            write.bind("domain_of", uuid(organization.uuid()));
            write.bind("domain_since", millis(event.at));
        })
        .await
    }
}
