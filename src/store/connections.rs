//! Login providers of an organization, mail domains that are its own, and people's accounts at providers.

use surrealdb::types::{RecordId, SurrealValue};

use super::accounts::{push_account, push_credentials_change, push_membership};
use super::emails::push_email;
use super::error::settle;
use super::invitations::{push_invitation_change, push_joining};
use super::one_time::push_one_time;
use super::outbox::push_mails;
use super::users::{instant, push_new_user, push_update};
use super::write::Write;
use super::{DatabaseName, IdentityStore, OneTime, OrganizationStore, SealedMail, Store, StoreError, millis, uuid};
use crate::domain::account::{Account, EmailAddress, Membership};
use crate::domain::audit::AuditEvent;
use crate::domain::connection::{Connection, ExternalIdentity};
use crate::domain::invitation::Invitation;
use crate::domain::login::EndReason;
use crate::domain::token::BearerSecret;
use crate::domain::user::User;
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

impl From<&ExternalIdentity> for IdentityRow {
    fn from(identity: &ExternalIdentity) -> Self {
        Self {
            account: identity.account.uuid(),
            organization: identity.organization.uuid(),
            connection: identity.connection.clone(),
            subject: identity.subject.clone(),
            email: identity.email.clone(),
            linked: millis(identity.linked),
        }
    }
}

impl OrganizationStore {
    /// Adds a login provider.
    ///
    /// # Errors
    ///
    /// [`StoreError::Taken`] for its name.
    pub(crate) async fn insert_connection(
        &self,
        connection: &Connection,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
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

    /// Removes a login provider and the accounts there. Logins of these people that began at a provider end wherever they
    /// act now, and so do sign-ins that are under way.
    ///
    /// # Errors
    ///
    /// When the store fails; one that is gone is no failure.
    pub(crate) async fn delete_connection(&self, name: &str, event: &AuditEvent) -> Result<(), StoreError> {
        let mut write = Write::new(self.1, event);
        write.push("DELETE connection WHERE name = $connection RETURN NONE;");
        write.within_identity(|write| {
            write.push(
                "LET $linked = (SELECT VALUE account FROM external_identity \
                 WHERE organization = $connection_of AND connection = $connection); \
                 DELETE external_identity WHERE organization = $connection_of AND connection = $connection RETURN NONE; \
                 FOR $one IN $linked { UPDATE login SET state = 'REVOKED', ended = $connection_end, \
                 end_reason = $connection_reason, updated = $connection_end, version += 1 WHERE account = $one \
                 AND auth_methods CONTAINS 'CONNECTION' AND state = 'ACTIVE' RETURN NONE; }; \
                 DELETE one_time WHERE organization = $connection_of AND (purpose IN ['connection', 'code'] \
                 OR (purpose = 'challenge' AND details.methods CONTAINS 'CONNECTION')) RETURN NONE;",
            );
        });
        write.bind("connection", name.to_owned());
        write.bind("connection_of", uuid(self.1.uuid()));
        write.bind("connection_end", millis(event.at));
        write.bind("connection_reason", EndReason::CredentialRemoved.as_str().to_owned());
        write.commit(&self.0).await
    }

    /// The login provider with this name.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_connection(&self, name: &str) -> Result<Option<Connection>, StoreError> {
        let query = self.0.query("SELECT * FROM connection WHERE name = $name").bind(("name", name.to_owned()));
        let rows: Vec<ConnectionRow> = settle(query.await?)?.take(0)?;
        Ok(rows.into_iter().next().map(Connection::from))
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

/// Somebody who comes through a login provider for the first time.
pub(crate) struct Arrival<'a> {
    /// Their account: as it was read, or a new one.
    pub(crate) account: &'a Account,
    /// The address the provider vouches for, of a new account.
    pub(crate) address: Option<&'a EmailAddress>,
    /// The secret that verifies it, if it is still to be proven.
    pub(crate) link: Option<(&'a BearerSecret, &'a OneTime)>,
    /// How they come to belong to the organization, if they do not yet.
    pub(crate) entry: Option<Entry<'a>>,
    /// What is to be sent.
    pub(crate) mails: &'a [SealedMail],
}

/// How somebody comes to belong to an organization through a login provider.
pub(crate) struct Entry<'a> {
    /// The user before, if one was there, and after.
    pub(crate) user: (Option<&'a User>, &'a User),
    /// That they belong to it.
    pub(crate) membership: &'a Membership,
    /// The invitation that is accepted with it, before and after.
    pub(crate) invitation: Option<&'a (Invitation, Invitation)>,
}

fn identity_record(organization: OrganizationId, connection: &str, subject: &str) -> RecordId {
    let key = [organization.to_string(), connection.to_owned(), subject.to_owned()];
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
        let query =
            self.0.query("SELECT * FROM ONLY $id").bind(("id", identity_record(organization, connection, subject)));
        let row: Option<IdentityRow> = settle(query.await?)?.take(0)?;
        Ok(row.map(ExternalIdentity::from))
    }

    /// Notes another address that a provider vouches for.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn set_identity_email(&self, identity: &ExternalIdentity, email: &str) -> Result<(), StoreError> {
        let id = identity_record(identity.organization, &identity.connection, &identity.subject);
        let query = self.0.query("UPDATE $id SET email = $email RETURN NONE");
        settle(query.bind(("id", id)).bind(("email", email.to_owned())).await?).map(drop)
    }

    /// The accounts of these people at providers.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn list_external_identities(&self, accounts: &[AccountId]) -> Result<Vec<ExternalIdentity>, StoreError> {
        let accounts = accounts.iter().map(|account| uuid(account.uuid()));
        let statement = "SELECT * FROM external_identity WHERE account IN $keys";
        let rows: Vec<IdentityRow> = self.0.rows_by_keys(statement, accounts).await?;
        let mut identities: Vec<ExternalIdentity> = rows.into_iter().map(ExternalIdentity::from).collect();
        identities.sort_by_key(|identity| identity.linked);
        Ok(identities)
    }

    /// Whose own this mail domain is.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_domain(&self, name: &str) -> Result<Option<OrganizationId>, StoreError> {
        let query =
            self.0.query("SELECT VALUE organization FROM domain WHERE name = $name").bind(("name", name.to_owned()));
        let found: Vec<uuid::Uuid> = settle(query.await?)?.take(0)?;
        Ok(found.into_iter().next().map(OrganizationId::new))
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
    /// Links an account at a login provider, with whatever the person does not have yet.
    ///
    /// # Errors
    ///
    /// [`StoreError::Outdated`] when something is no longer what was read, or the account there is linked already;
    /// [`StoreError::Taken`] for the user name or the address.
    pub(crate) async fn link_identity(
        &self,
        identity: &ExternalIdentity,
        arrival: &Arrival<'_>,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        let organization = identity.organization;
        let bound = self.organization(organization).await?;
        let mut write = Write::new(organization, event);
        write.push(
            "LET $through = (SELECT VALUE id FROM connection WHERE name = $through_name); \
             IF $through = [] { THROW 'outdated' }; UPDATE $through SET touched_by = $event RETURN NONE;",
        );
        write.bind("through_name", identity.connection.clone());
        if let Some(entry) = &arrival.entry {
            match entry.user {
                (Some(before), after) => push_update(&mut write, before, after),
                (None, after) => push_new_user(&mut write, after),
            }
            if let Some((before, after)) = entry.invitation {
                push_invitation_change(&mut write, before, after);
                push_joining(&mut write, before, entry.user.1, event.at);
            }
        }
        write.use_database(&DatabaseName::identity());
        if let Some(address) = arrival.address {
            push_account(&mut write, arrival.account, event.at);
            push_email(&mut write, address);
        } else {
            push_credentials_change(&mut write, arrival.account);
        }
        if let Some(entry) = &arrival.entry {
            push_membership(&mut write, entry.membership);
            if let Some((invitation, _)) = entry.invitation {
                write.push("DELETE one_time WHERE subject = $joined_by AND purpose = 'invitation' RETURN NONE;");
                write.bind("joined_by", uuid(invitation.id.uuid()));
            }
        }
        if let Some((secret, link)) = arrival.link {
            push_one_time(&mut write, secret, link);
        }
        push_mails(&mut write, arrival.mails);
        write.push(
            "IF (SELECT VALUE id FROM ONLY $identity) != NONE { THROW 'outdated' }; \
             CREATE $identity CONTENT $identity_content RETURN NONE;",
        );
        write.bind("identity", identity_record(organization, &identity.connection, &identity.subject));
        write.bind("identity_content", IdentityRow::from(identity));
        write.use_database(&DatabaseName::of(organization));
        write.commit(&bound.0).await
    }

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
