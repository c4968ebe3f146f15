//! Users: rows and queries.

use chrono::{DateTime, Utc};
use scim::Resource;
use serde_json::Value as Json;
use surrealdb::types::{RecordId, SurrealValue, Uuid};

use super::error::settle;
use super::list::Row;
use super::write::Write;
use super::{OrganizationStore, StoreError, uuid};
use crate::domain::audit::AuditEvent;
use crate::domain::user::User;
use crate::domain::{AccountId, DirectoryId, UserId};

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
pub(super) struct UserRow {
    id: RecordId,
    attributes: Json,
    user_name_key: String,
    external_id: Option<String>,
    external_key: Option<String>,
    email_keys: Vec<String>,
    manager: Option<String>,
    active: Option<bool>,
    locally_held: bool,
    protected: bool,
    directory: Option<Uuid>,
    account: Option<Uuid>,
    version: i64,
    created: i64,
    last_modified: i64,
}

/// The record of a user.
pub(super) fn user_record(id: UserId) -> RecordId {
    RecordId::new("user", uuid(id.uuid()))
}

/// `externalId` is unique per directory (C30): the key is both. No directory has an empty name, so keys cannot collide.
pub(super) fn external_key(directory: Option<DirectoryId>, external_id: Option<&str>) -> Option<String> {
    external_id.map(|external_id| match directory {
        Some(directory) => format!("{directory}:{external_id}"),
        None => format!(":{external_id}"),
    })
}

/// The key of a record of ours.
pub(super) fn key(id: &RecordId) -> Result<uuid::Uuid, StoreError> {
    match &id.key {
        surrealdb::types::RecordIdKey::Uuid(uuid) => Ok(uuid.into_inner()),
        _ => Err(StoreError::Failed("a record has a key we did not make".to_owned())),
    }
}

impl From<&User> for UserRow {
    fn from(user: &User) -> Self {
        Self {
            id: user_record(user.id),
            attributes: Json::Object(user.attributes.attributes().clone()),
            user_name_key: user.user_name_key(),
            external_id: user.external_id().map(str::to_owned),
            external_key: external_key(user.directory, user.external_id()),
            email_keys: user.email_keys(),
            manager: user.manager().map(str::to_owned),
            active: user.active_flag(),
            locally_held: user.locally_held,
            protected: user.protected,
            directory: user.directory.map(|id| uuid(id.uuid())),
            account: user.account.map(|id| uuid(id.uuid())),
            version: i64::try_from(user.version).unwrap_or(i64::MAX),
            created: user.created.timestamp_millis(),
            last_modified: user.last_modified.timestamp_millis(),
        }
    }
}

/// The instant of stored milliseconds.
pub(super) fn instant(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(millis).unwrap_or_default()
}

/// The stored attributes as a resource.
pub(super) fn resource(attributes: Json) -> Result<Resource, StoreError> {
    match attributes {
        Json::Object(attributes) => Ok(Resource::from_stored(attributes)),
        _ => Err(StoreError::Failed("attributes are not an object".to_owned())),
    }
}

impl Row for UserRow {
    type Entity = User;

    fn into_entity(self) -> Result<User, StoreError> {
        Ok(User {
            id: UserId::new(key(&self.id)?),
            attributes: resource(self.attributes)?,
            locally_held: self.locally_held,
            protected: self.protected,
            directory: self.directory.map(|id| DirectoryId::new(id.into_inner())),
            account: self.account.map(|id| AccountId::new(id.into_inner())),
            version: u64::try_from(self.version).unwrap_or_default(),
            created: instant(self.created),
            last_modified: instant(self.last_modified),
        })
    }
}

impl OrganizationStore {
    /// The user with this id.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_user(&self, id: UserId) -> Result<Option<User>, StoreError> {
        let query = self.0.query("SELECT * FROM ONLY $id").bind(("id", user_record(id)));
        let row: Option<UserRow> = settle(query.await?)?.take(0)?;
        row.map(Row::into_entity).transpose()
    }

    /// The user whose folded name this is.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_user_by_name_key(&self, name_key: &str) -> Result<Option<User>, StoreError> {
        let query = self.0.query("SELECT * FROM user WHERE user_name_key = $key").bind(("key", name_key.to_owned()));
        let rows: Vec<UserRow> = settle(query.await?)?.take(0)?;
        rows.into_iter().next().map(Row::into_entity).transpose()
    }

    /// Adds a user with its audit event.
    ///
    /// # Errors
    ///
    /// [`StoreError::Taken`] for its name or external id.
    pub async fn insert_user(&self, user: &User, event: &AuditEvent) -> Result<(), StoreError> {
        let mut write = Write::new(event);
        write.push("CREATE $id CONTENT $user RETURN NONE;");
        write.bind("id", user_record(user.id));
        write.bind("user", UserRow::from(user));
        write.commit(&self.0).await
    }

    /// Puts the next version in the place of the one it was made from.
    ///
    /// # Errors
    ///
    /// [`StoreError::Outdated`] when it is no longer that version; [`StoreError::Taken`].
    pub async fn update_user(&self, before: &User, after: &User, event: &AuditEvent) -> Result<(), StoreError> {
        let mut write = Write::new(event);
        write.push("IF (SELECT VALUE version FROM ONLY $id) != $version { THROW 'outdated' };");
        write.push("UPDATE $id CONTENT $user RETURN NONE;");
        write.bind("id", user_record(after.id));
        write.bind("version", i64::try_from(before.version).unwrap_or(i64::MAX));
        write.bind("user", UserRow::from(after));
        write.commit(&self.0).await
    }

    /// Removes a user, its memberships and grants, but for ownership, which stays as a mark that there was an owner.
    /// Groups it was in get a new version.
    ///
    /// # Errors
    ///
    /// [`StoreError::Outdated`] when it is no longer this version.
    pub async fn remove_user(&self, user: &User, event: &AuditEvent) -> Result<(), StoreError> {
        let mut write = Write::new(event);
        write.push("IF (SELECT VALUE version FROM ONLY $id) != $version { THROW 'outdated' };");
        super::members::push_leave_all_groups(&mut write, user.id.uuid(), event.at);
        write.push("DELETE role_grant WHERE user = $member AND role != 'owner' RETURN NONE; DELETE $id RETURN NONE;");
        write.bind("id", user_record(user.id));
        write.bind("version", i64::try_from(user.version).unwrap_or(i64::MAX));
        write.commit(&self.0).await
    }
}
