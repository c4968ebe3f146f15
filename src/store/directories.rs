//! Directories and their tokens. A directory lives in its organization's database, its tokens in `identity`; what
//! touches both is one batch across the two.

use chrono::{DateTime, Utc};
use scim::Dialect;
use serde_json::Value as Json;
use surrealdb::types::{Datetime, Object, RecordId, SurrealValue, Uuid, Value};

use super::bearers::{bearer_content, bearer_record};
use super::error::settle;
use super::write::Write;
use super::{DatabaseName, OrganizationStore, Store, StoreError, uuid};
use crate::domain::audit::AuditEvent;
use crate::domain::directory::{Directory, Scope};
use crate::domain::token::BearerSecret;
use crate::domain::{DirectoryId, OrganizationId, TokenId};

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
struct DirectoryRow {
    id: RecordId,
    name: String,
    dialect: String,
    scopes: Vec<String>,
    settings: Json,
    enabled: bool,
    created: Datetime,
}

impl DirectoryRow {
    fn into_directory(self) -> Result<Directory, StoreError> {
        let invalid = |what: &str| StoreError::Failed(format!("a directory has an unknown {what}"));
        let scopes: Result<Vec<Scope>, _> = self.scopes.iter().map(|scope| scope.parse()).collect();
        Ok(Directory {
            id: DirectoryId::new(super::users::key(&self.id)?),
            name: self.name,
            dialect: self.dialect.parse::<Dialect>().map_err(|_| invalid("dialect"))?,
            scopes: scopes.map_err(|_| invalid("scope"))?,
            settings: serde_json::from_value(self.settings).map_err(|_| invalid("setting"))?,
            enabled: self.enabled,
            created: self.created.into_inner(),
        })
    }
}

fn directory_record(id: DirectoryId) -> RecordId {
    RecordId::new("directory", uuid(id.uuid()))
}

/// A secret about to be issued.
pub(crate) struct NewToken<'a> {
    pub(crate) secret: &'a BearerSecret,
    pub(crate) id: TokenId,
    pub(crate) created: DateTime<Utc>,
}

/// Binds and adds the statement that keeps a new token; the batch must be in the `identity` database.
fn push_token(write: &mut Write, token: &NewToken<'_>, organization: OrganizationId, directory: DirectoryId) {
    write.push("CREATE $bearer CONTENT $bearer_content RETURN NONE;");
    write.bind("bearer", bearer_record(token.secret));
    write.bind("bearer_content", bearer_content(token.secret, token.id, organization, directory, token.created));
}

impl Store {
    /// Adds a directory with its first token.
    ///
    /// # Errors
    ///
    /// [`StoreError::Taken`] for its name.
    pub(crate) async fn insert_directory(
        &self,
        organization: OrganizationId,
        directory: &Directory,
        token: &NewToken<'_>,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        let bound = self.organization(organization).await?;
        let mut write = Write::new(organization, event);
        write.push("CREATE $id CONTENT $directory RETURN NONE;");
        write.bind("id", directory_record(directory.id));
        write.bind("directory", directory_content(directory)?);
        write.use_database(&DatabaseName::identity());
        push_token(&mut write, token, organization, directory.id);
        write.use_database(&DatabaseName::of(organization));
        write.commit(&bound.0).await
    }

    /// Adds a token of a directory, if there is a new one, and ends these others.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub(crate) async fn change_tokens(
        &self,
        organization: OrganizationId,
        directory: DirectoryId,
        new: Option<&NewToken<'_>>,
        ended: &[TokenId],
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        let bound = self.organization(organization).await?;
        let mut write = Write::new(organization, event);
        write.use_database(&DatabaseName::identity());
        if let Some(token) = new {
            push_token(&mut write, token, organization, directory);
        }
        push_end(&mut write, directory, ended);
        write.use_database(&DatabaseName::of(organization));
        write.commit(&bound.0).await
    }
}

fn push_end(write: &mut Write, directory: DirectoryId, ended: &[TokenId]) {
    let ended: Vec<Uuid> = ended.iter().map(|token| uuid(token.uuid())).collect();
    write.push("DELETE bearer WHERE principal = $principal AND token IN $ended RETURN NONE;");
    write.bind("principal", uuid(directory.uuid()));
    write.bind("ended", ended);
}

fn directory_content(directory: &Directory) -> Result<Object, StoreError> {
    let settings = serde_json::to_value(directory.settings).map_err(|error| StoreError::Failed(error.to_string()))?;
    let scopes: Vec<String> = directory.scopes.iter().map(Scope::to_string).collect();
    let mut content = Object::new();
    content.insert("name", directory.name.clone());
    content.insert("name_key", scim::fold(&directory.name));
    content.insert("dialect", directory.dialect.as_str().to_owned());
    content.insert("scopes", scopes);
    content.insert("settings", settings.into_value());
    content.insert("enabled", Value::Bool(directory.enabled));
    content.insert("created", Datetime::from(directory.created));
    Ok(content)
}

impl OrganizationStore {
    /// The directory with this id.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_directory(&self, id: DirectoryId) -> Result<Option<Directory>, StoreError> {
        let query = self.0.query("SELECT * FROM ONLY $id").bind(("id", directory_record(id)));
        let row: Option<DirectoryRow> = settle(query.await?)?.take(0)?;
        row.map(DirectoryRow::into_directory).transpose()
    }

    /// The directories of the organization, oldest first.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn list_directories(&self) -> Result<Vec<Directory>, StoreError> {
        let rows: Vec<DirectoryRow> = settle(self.0.query("SELECT * FROM directory ORDER BY id").await?)?.take(0)?;
        rows.into_iter().map(DirectoryRow::into_directory).collect()
    }
}
