//! Directories. A directory lives in its organization's database, its tokens in `identity`; what touches both is one
//! batch across the two.

use scim::Dialect;
use serde_json::Value as Json;
use surrealdb::types::{Datetime, RecordId, SurrealValue, Uuid};

use super::bearers::push_secret;
use super::error::settle;
use super::grants::{GrantChange, push_grants};
use super::groups::group_record;
use super::members::{Belongings, push_belongings};
use super::owners::{OwnerWatch, push_owner_guard, push_owner_watch};
use super::users::{author, hold_value, instant};
use super::write::Write;
use super::{DatabaseName, OrganizationStore, Store, StoreError, counted, millis, stored, uuid};
use crate::domain::api_token::ApiToken;
use crate::domain::audit::AuditEvent;
use crate::domain::directory::{Directory, Scope};
use crate::domain::token::BearerSecret;
use crate::domain::user::Hold;
use crate::domain::{Author, DirectoryId, GroupId, OrganizationId, Stamps, TokenId};

/// Why a user stays out whom a directory kept out that is no more.
const DIRECTORY_DELETED: &str = "directory deleted";

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
struct DirectoryRow {
    id: RecordId,
    name: String,
    name_key: String,
    dialect: String,
    scopes: Vec<String>,
    settings: Json,
    mappings: Vec<Json>,
    enabled: bool,
    created: Datetime,
    created_by: Option<String>,
    updated: Option<i64>,
    updated_by: Option<String>,
    version: i64,
}

impl DirectoryRow {
    fn of(directory: &Directory) -> Result<Self, StoreError> {
        let json = |error: serde_json::Error| StoreError::Failed(error.to_string());
        let stamps = directory.stamps;
        Ok(Self {
            id: directory_record(directory.id),
            name: directory.name.clone(),
            name_key: scim::fold(&directory.name),
            dialect: directory.dialect.as_str().to_owned(),
            scopes: directory.scopes.iter().map(Scope::to_string).collect(),
            settings: serde_json::to_value(directory.settings).map_err(json)?,
            mappings: directory.mappings.iter().map(serde_json::to_value).collect::<Result<_, _>>().map_err(json)?,
            enabled: directory.enabled,
            created: Datetime::from(stamps.created),
            created_by: stamps.created_by.map(Author::stored),
            updated: Some(millis(stamps.updated)),
            updated_by: stamps.updated_by.map(Author::stored),
            version: stored(stamps.version),
        })
    }

    fn into_directory(self) -> Result<Directory, StoreError> {
        let invalid = |what: &str| StoreError::Failed(format!("a directory has an unknown {what}"));
        let scopes: Result<Vec<Scope>, _> = self.scopes.iter().map(|scope| scope.parse()).collect();
        let mappings: Result<Vec<_>, _> = self.mappings.into_iter().map(serde_json::from_value).collect();
        let created = self.created.into_inner();
        Ok(Directory {
            id: DirectoryId::new(super::users::key(&self.id)?),
            name: self.name,
            dialect: self.dialect.parse::<Dialect>().map_err(|_| invalid("dialect"))?,
            scopes: scopes.map_err(|_| invalid("scope"))?,
            settings: serde_json::from_value(self.settings).map_err(|_| invalid("setting"))?,
            enabled: self.enabled,
            mappings: mappings.map_err(|_| invalid("mapping"))?,
            stamps: Stamps {
                created,
                created_by: author(self.created_by.as_deref()),
                updated: self.updated.map_or(created, instant),
                updated_by: author(self.updated_by.as_deref()),
                version: counted(self.version),
            },
        })
    }
}

fn directory_record(id: DirectoryId) -> RecordId {
    RecordId::new("directory", uuid(id.uuid()))
}

/// What becomes of a directory.
pub(crate) struct DirectoryChange<'a> {
    /// As it was read.
    pub(crate) before: &'a Directory,
    /// As it is to be.
    pub(crate) after: &'a Directory,
    /// Roles its groups give from now on, or no longer.
    pub(crate) grants: &'a [GrantChange<'a>],
    /// Groups its groups join from now on, or leave.
    pub(crate) belongings: &'a Belongings,
    /// Groups that must be the directory's at the commit, because their members get something from now on.
    pub(crate) sources: &'a [GroupId],
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
        token: (&BearerSecret, &ApiToken),
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        let bound = self.organization(organization).await?;
        let mut write = Write::new(organization, event);
        write.push("CREATE $id CONTENT $directory RETURN NONE;");
        write.bind("id", directory_record(directory.id));
        write.bind("directory", DirectoryRow::of(directory)?);
        write.use_database(&DatabaseName::identity());
        push_secret(&mut write, token.0, token.1);
        write.use_database(&DatabaseName::of(organization));
        write.commit(&bound.0).await
    }

    /// Adds a token of a directory, if there is a new one, and ends these others: at once, or at that instant.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub(crate) async fn change_directory_tokens(
        &self,
        organization: OrganizationId,
        directory: DirectoryId,
        new: Option<(&BearerSecret, &ApiToken)>,
        ended: &[TokenId],
        at: chrono::DateTime<chrono::Utc>,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        let bound = self.organization(organization).await?;
        let mut write = Write::new(organization, event);
        write.use_database(&DatabaseName::identity());
        if let Some((secret, token)) = new {
            push_secret(&mut write, secret, token);
        }
        let ended: Vec<Uuid> = ended.iter().map(|token| uuid(token.uuid())).collect();
        if at > event.at {
            write.push(
                "UPDATE bearer SET expires = $ended_at, updated = $ended_now WHERE principal = $principal \
                 AND token IN $ended AND revoked = NONE AND (expires = NONE OR expires > $ended_at) RETURN NONE;",
            );
        } else {
            write.push(
                "UPDATE bearer SET revoked = $ended_now, updated = $ended_now WHERE principal = $principal \
                 AND token IN $ended AND revoked = NONE RETURN NONE;",
            );
        }
        write.bind("principal", uuid(directory.uuid()));
        write.bind("ended", ended);
        write.bind("ended_at", millis(at));
        write.bind("ended_now", millis(event.at));
        write.use_database(&DatabaseName::of(organization));
        write.commit(&bound.0).await
    }

    /// Deletes a directory with its tokens; its users and groups are kept here from now on.
    ///
    /// # Errors
    ///
    /// [`StoreError::Outdated`] when it is no longer what was read; [`StoreError::LastOwner`].
    pub(crate) async fn remove_directory(
        &self,
        organization: OrganizationId,
        change: &DirectoryChange<'_>,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        let bound = self.organization(organization).await?;
        let mut write = Write::new(organization, event);
        push_owner_watch(&mut write, OwnerWatch::Always);
        push_change(&mut write, change)?;
        // A new version of each: whoever read it before would write back whose it was. A user whom the directory keeps out is
        // kept out by the organization from now on, and what other directories write stays theirs.
        write.push(
            "LET $removed_users = (SELECT VALUE id FROM user WHERE directory = $directory_key \
             OR kept_out_by CONTAINS $directory_key \
             OR (authority != NONE AND array::flatten(object::values(authority)) CONTAINS $directory_text)); \
             LET $removed_out = (SELECT VALUE id FROM user WHERE kept_out_by CONTAINS $directory_key \
             OR (kept_out_by = NONE AND directory = $directory_key AND active != true)); \
             UPDATE $removed_out SET locally_held = true, hold = hold ?? $removed_hold, \
             kept_out_by = array::complement(kept_out_by ?? [], [$directory_key]) RETURN NONE; \
             UPDATE $removed_out SET attributes.active = true, active = true, kept_out_by = NONE \
             WHERE array::len(kept_out_by) = 0 RETURN NONE; \
             UPDATE $removed_users SET version += 1, last_modified = $removed_now, \
             authority = IF authority = NONE { NONE } ELSE { object::from_entries(object::entries(authority) \
             .filter(|$entry| $entry[1][0] != $directory_text)) } RETURN NONE; \
             UPDATE user SET directory = NONE, claimed = [], \
             external_key = IF external_id = NONE { NONE } ELSE { string::concat(<string> record::id(id), ':', external_id) } \
             WHERE directory = $directory_key RETURN NONE; \
             UPDATE group SET version += 1, last_modified = $removed_now, directory = NONE, \
             external_key = IF external_id = NONE { NONE } ELSE { string::concat(<string> record::id(id), ':', external_id) } \
             WHERE directory = $directory_key RETURN NONE; \
             DELETE $id RETURN NONE;",
        );
        push_owner_guard(&mut write, OwnerWatch::Always);
        let hold = Hold { by: None, since: event.at, reason: Some(DIRECTORY_DELETED.to_owned()) };
        write.bind("removed_hold", hold_value(&hold));
        write.bind("directory_text", change.before.id.to_string());
        write.bind("directory_key", uuid(change.before.id.uuid()));
        write.use_database(&DatabaseName::identity());
        write.push(
            "UPDATE bearer SET revoked = $removed_now, updated = $removed_now WHERE principal = $directory_key \
             AND revoked = NONE RETURN NONE;",
        );
        write.bind("removed_now", millis(event.at));
        write.use_database(&DatabaseName::of(organization));
        write.commit(&bound.0).await
    }
}

fn push_change(write: &mut Write, change: &DirectoryChange<'_>) -> Result<(), StoreError> {
    write.push("IF (SELECT VALUE version FROM ONLY $id) != $version { THROW 'outdated' };");
    write.push("UPDATE $id CONTENT $directory RETURN NONE;");
    write.bind("id", directory_record(change.before.id));
    write.bind("version", stored(change.before.stamps.version));
    write.bind("directory", DirectoryRow::of(change.after)?);
    if !change.sources.is_empty() {
        // Written, so that another directory that takes one over at the same time is a conflict.
        write.push(
            "LET $mapped_found = (UPDATE $mapped_sources SET joined_in = $event WHERE directory = $mapped_by \
             RETURN VALUE id); \
             IF array::len($mapped_found) != array::len($mapped_sources) { THROW 'outdated' };",
        );
        write.bind("mapped_sources", change.sources.iter().map(|id| group_record(*id)).collect::<Vec<_>>());
        write.bind("mapped_by", uuid(change.before.id.uuid()));
    }
    push_grants(write, change.grants);
    push_belongings(write, change.belongings);
    Ok(())
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

    /// The ids of the groups that the directory provisions.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn list_group_ids_of_directory(&self, id: DirectoryId) -> Result<Vec<GroupId>, StoreError> {
        let query = self.0.query("SELECT VALUE record::id(id) FROM group WHERE directory = $directory");
        let ids: Vec<Uuid> = settle(query.bind(("directory", uuid(id.uuid()))).await?)?.take(0)?;
        Ok(ids.into_iter().map(|id| GroupId::new(id.into_inner())).collect())
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

    /// Changes a directory, with what its mappings give.
    ///
    /// # Errors
    ///
    /// [`StoreError::Outdated`] when it is no longer what was read; [`StoreError::Taken`] for its name.
    pub(crate) async fn update_directory(
        &self,
        change: &DirectoryChange<'_>,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        let mut write = Write::new(self.1, event);
        push_change(&mut write, change)?;
        write.commit(&self.0).await
    }

    /// How many users and groups a directory provisions.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn count_provisioned(&self, id: DirectoryId) -> Result<(usize, usize), StoreError> {
        let query = self
            .0
            .query(
                "RETURN array::len((SELECT VALUE id FROM user WHERE directory = $directory)); \
                 RETURN array::len((SELECT VALUE id FROM group WHERE directory = $directory));",
            )
            .bind(("directory", uuid(id.uuid())));
        let mut results = settle(query.await?)?;
        let users: Option<i64> = results.take(0)?;
        let groups: Option<i64> = results.take(1)?;
        let count = |number: Option<i64>| usize::try_from(number.unwrap_or_default()).unwrap_or_default();
        Ok((count(users), count(groups)))
    }
}
