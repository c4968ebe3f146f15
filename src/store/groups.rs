//! Groups: rows and queries. Members are next door.

use serde_json::Value as Json;
use surrealdb::types::{RecordId, SurrealValue, Uuid};

use super::error::settle;
use super::grants::{GrantChange, push_grants};
use super::list::Row;
use super::members::{self, MemberDelta};
use super::owners::{OwnerWatch, push_owner_guard, push_owner_watch};
use super::users::{author, external_key, instant, key, resource};
use super::write::Write;
use super::{OrganizationStore, StoreError, uuid};
use crate::domain::audit::AuditEvent;
use crate::domain::group::Group;
use crate::domain::{Author, DirectoryId, GroupId};

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
pub(super) struct GroupRow {
    id: RecordId,
    attributes: Json,
    display_name: String,
    display_name_key: String,
    external_id: Option<String>,
    external_key: Option<String>,
    directory: Option<Uuid>,
    label: Option<String>,
    default_role: Option<String>,
    created_by: Option<String>,
    updated_by: Option<String>,
    version: i64,
    created: i64,
    last_modified: i64,
}

/// The record of a group.
pub(super) fn group_record(id: GroupId) -> RecordId {
    RecordId::new("group", uuid(id.uuid()))
}

impl From<&Group> for GroupRow {
    fn from(group: &Group) -> Self {
        Self {
            id: group_record(group.id),
            attributes: Json::Object(group.attributes.attributes().clone()),
            display_name: group.display_name().to_owned(),
            display_name_key: group.display_name_key(),
            external_id: group.external_id().map(str::to_owned),
            external_key: external_key(group.directory, group.external_id()),
            directory: group.directory.map(|id| uuid(id.uuid())),
            label: group.label.clone(),
            default_role: group.default_role.clone(),
            created_by: group.created_by.map(Author::stored),
            updated_by: group.updated_by.map(Author::stored),
            version: i64::try_from(group.version).unwrap_or(i64::MAX),
            created: group.created.timestamp_millis(),
            last_modified: group.last_modified.timestamp_millis(),
        }
    }
}

impl Row for GroupRow {
    type Entity = Group;

    fn into_entity(self) -> Result<Group, StoreError> {
        Ok(Group {
            id: GroupId::new(key(&self.id)?),
            attributes: resource(self.attributes)?,
            directory: self.directory.map(|id| DirectoryId::new(id.into_inner())),
            label: self.label,
            default_role: self.default_role,
            created_by: author(self.created_by.as_deref()),
            updated_by: author(self.updated_by.as_deref()),
            version: u64::try_from(self.version).unwrap_or_default(),
            created: instant(self.created),
            last_modified: instant(self.last_modified),
        })
    }
}

impl OrganizationStore {
    /// The group with this id, without its members.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_group(&self, id: GroupId) -> Result<Option<Group>, StoreError> {
        let query = self.0.query("SELECT * FROM ONLY $id").bind(("id", group_record(id)));
        let row: Option<GroupRow> = settle(query.await?)?.take(0)?;
        row.map(Row::into_entity).transpose()
    }

    /// The group whose folded name this is, without its members.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_group_by_name_key(&self, name_key: &str) -> Result<Option<Group>, StoreError> {
        let query =
            self.0.query("SELECT * FROM group WHERE display_name_key = $key").bind(("key", name_key.to_owned()));
        let rows: Vec<GroupRow> = settle(query.await?)?.take(0)?;
        rows.into_iter().next().map(Row::into_entity).transpose()
    }

    /// All groups, oldest first.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn list_all_groups(&self) -> Result<Vec<Group>, StoreError> {
        let rows: Vec<GroupRow> = settle(self.0.query("SELECT * FROM group ORDER BY id").await?)?.take(0)?;
        rows.into_iter().map(GroupRow::into_entity).collect()
    }

    /// The groups with these ids, without their members; those that are gone are left out.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_groups(&self, ids: &[GroupId]) -> Result<Vec<Group>, StoreError> {
        let mut groups = Vec::new();
        for chunk in ids.chunks(500) {
            let records: Vec<RecordId> = chunk.iter().map(|id| group_record(*id)).collect();
            let rows: Vec<GroupRow> =
                settle(self.0.query("SELECT * FROM $ids").bind(("ids", records)).await?)?.take(0)?;
            for row in rows {
                groups.push(row.into_entity()?);
            }
        }
        Ok(groups)
    }

    /// Adds a group with its first members.
    ///
    /// # Errors
    ///
    /// [`StoreError::Taken`] for its name or external id; [`StoreError::Outdated`] when a member has gone.
    pub async fn insert_group(&self, group: &Group, added: &MemberDelta, event: &AuditEvent) -> Result<(), StoreError> {
        let mut write = Write::new(self.1, event);
        write.push("CREATE $id CONTENT $group RETURN NONE;");
        write.bind("id", group_record(group.id));
        write.bind("group", GroupRow::from(group));
        members::push_delta(&mut write, group.id, added);
        added.note(&mut write, group.id);
        write.commit(&self.0).await
    }

    /// Adds a group kept here, with the roles it gives.
    ///
    /// # Errors
    ///
    /// [`StoreError::Taken`] for its name; [`StoreError::Outdated`] when a role has gone.
    pub(crate) async fn insert_local_group(
        &self,
        group: &Group,
        grants: &[GrantChange<'_>],
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        let mut write = Write::new(self.1, event);
        write.push("CREATE $id CONTENT $group RETURN NONE;");
        write.bind("id", group_record(group.id));
        write.bind("group", GroupRow::from(group));
        push_grants(&mut write, grants);
        write.commit(&self.0).await
    }

    /// Changes a group kept here, and the roles it gives.
    ///
    /// # Errors
    ///
    /// [`StoreError::Outdated`] when it is no longer what was read, or a role has gone; [`StoreError::Taken`];
    /// [`StoreError::LastOwner`].
    pub(crate) async fn update_local_group(
        &self,
        before: &Group,
        after: &Group,
        grants: &[GrantChange<'_>],
        watch: OwnerWatch<'_>,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        let mut write = Write::new(self.1, event);
        push_owner_watch(&mut write, watch);
        push_group(&mut write, before, after);
        push_grants(&mut write, grants);
        push_owner_guard(&mut write, watch);
        write.commit(&self.0).await
    }

    /// Puts the next version in the place of the one it was made from, with what changes among its members.
    ///
    /// # Errors
    ///
    /// [`StoreError::Outdated`] when it is no longer that version or a new member has gone; [`StoreError::Taken`].
    pub async fn update_group(
        &self,
        before: &Group,
        after: &Group,
        delta: &MemberDelta,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        let mut write = Write::new(self.1, event);
        push_group(&mut write, before, after);
        members::push_delta(&mut write, after.id, delta);
        // Users show what their groups are called.
        if before.display_name() == after.display_name() {
            delta.note(&mut write, after.id);
        }
        write.commit(&self.0).await
    }

    /// Removes a group and its edges; its members stay. Groups it was nested in get a new version.
    ///
    /// # Errors
    ///
    /// [`StoreError::Outdated`] when it is no longer this version; [`StoreError::LastOwner`].
    pub(crate) async fn remove_group(
        &self,
        group: &Group,
        watch: OwnerWatch<'_>,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        let mut write = Write::new(self.1, event);
        push_owner_watch(&mut write, watch);
        write.push("IF (SELECT VALUE version FROM ONLY $id) != $version { THROW 'outdated' };");
        write.push("DELETE member:[$member, NONE]..=[$member, ..] RETURN NONE;");
        members::push_leave_all_groups(&mut write, group.id.uuid(), event.at);
        write.push("DELETE role_grant WHERE holder = $member RETURN NONE; DELETE $id RETURN NONE;");
        write.bind("id", group_record(group.id));
        write.bind("version", i64::try_from(group.version).unwrap_or(i64::MAX));
        push_owner_guard(&mut write, watch);
        write.commit(&self.0).await
    }
}

/// Puts the next version of a group in the place of the one it was made from.
fn push_group(write: &mut Write, before: &Group, after: &Group) {
    write.push(
        "LET $changed = (UPDATE ONLY $id CONTENT $group WHERE version = $version RETURN VALUE version) \
         ?? { THROW 'outdated' };",
    );
    write.bind("id", group_record(after.id));
    write.bind("version", i64::try_from(before.version).unwrap_or(i64::MAX));
    write.bind("group", GroupRow::from(after));
}
