//! Roles of an organization's own.

use std::collections::HashMap;

use surrealdb::types::{Datetime, RecordId, SurrealValue};

use super::error::settle;
use super::users::{author, instant, key};
use super::write::Write;
use super::{OrganizationStore, StoreError, counted, millis, stored, unreadable, uuid};
use crate::domain::audit::AuditEvent;
use crate::domain::role::{BuiltInRole, Role};
use crate::domain::{Author, OrganizationId, Permission, RoleId, Stamps};

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
pub(super) struct RoleRow {
    id: RecordId,
    key: String,
    name: String,
    description: Option<String>,
    permissions: Vec<String>,
    created: i64,
    created_by: Option<String>,
    updated: i64,
    updated_by: Option<String>,
    version: i64,
}

impl RoleRow {
    fn of(role: &Role, stamps: &Stamps) -> Self {
        Self {
            id: role_record(role.id),
            key: role.key.clone(),
            name: role.name.clone(),
            description: role.description.clone(),
            permissions: role.permissions.iter().map(|permission| permission.key().to_owned()).collect(),
            created: millis(stamps.created),
            created_by: stamps.created_by.map(Author::stored),
            updated: millis(stamps.updated),
            updated_by: stamps.updated_by.map(Author::stored),
            version: stored(stamps.version),
        }
    }

    fn into_role(self) -> Result<Role, StoreError> {
        Ok(Role {
            id: RoleId::new(key(&self.id)?),
            key: self.key,
            name: self.name,
            description: self.description,
            permissions: Permission::held(&self.permissions),
            stamps: Some(Stamps {
                created: instant(self.created),
                created_by: author(self.created_by.as_deref()),
                updated: instant(self.updated),
                updated_by: author(self.updated_by.as_deref()),
                version: counted(self.version),
            }),
        })
    }
}

fn role_record(id: RoleId) -> RecordId {
    RecordId::new("role", uuid(id.uuid()))
}

/// Roles by key: the built-in ones, and those that were read.
pub(super) struct Roles {
    pub(super) organization: OrganizationId,
    own: HashMap<String, Role>,
}

impl Roles {
    pub(super) fn read(organization: OrganizationId, rows: Vec<RoleRow>) -> Result<Self, StoreError> {
        let mut own = HashMap::new();
        for row in rows {
            let role = row.into_role()?;
            own.insert(role.key.clone(), role);
        }
        Ok(Self { organization, own })
    }

    pub(super) fn named(&self, key: &str) -> Option<Role> {
        match BuiltInRole::named(key) {
            Some(role) => Some(Role::built_in(role, self.organization)),
            None => self.own.get(key).cloned(),
        }
    }
}

impl OrganizationStore {
    /// The organization's own roles, by name.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn list_own_roles(&self) -> Result<Vec<Role>, StoreError> {
        let rows: Vec<RoleRow> = settle(self.0.query("SELECT * FROM role ORDER BY name, id").await?)?.take(0)?;
        rows.into_iter().map(RoleRow::into_role).collect()
    }

    /// The role with this key, built in or the organization's own.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_role_by_key(&self, role_key: &str) -> Result<Option<Role>, StoreError> {
        if let Some(role) = BuiltInRole::named(role_key) {
            return Ok(Some(Role::built_in(role, self.1)));
        }
        let query = self.0.query("SELECT * FROM role WHERE key = $key").bind(("key", role_key.to_owned()));
        let rows: Vec<RoleRow> = settle(query.await?)?.take(0)?;
        rows.into_iter().next().map(RoleRow::into_role).transpose()
    }

    /// The role with this id, built in or the organization's own.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_role(&self, id: RoleId) -> Result<Option<Role>, StoreError> {
        if let Some(role) = Role::find_built_in(id.uuid(), self.1) {
            return Ok(Some(role));
        }
        let query = self.0.query("SELECT * FROM ONLY $id").bind(("id", role_record(id)));
        let row: Option<RoleRow> = settle(query.await?)?.take(0)?;
        row.map(RoleRow::into_role).transpose()
    }

    /// Adds a role.
    ///
    /// # Errors
    ///
    /// [`StoreError::Taken`] for its key.
    pub(crate) async fn insert_role(&self, role: &Role, event: &AuditEvent) -> Result<(), StoreError> {
        let stamps = role.stamps.ok_or_else(|| unreadable("a role"))?;
        let mut write = Write::new(self.1, event);
        write.push("CREATE $role CONTENT $role_content RETURN NONE;");
        write.bind("role", role_record(role.id));
        write.bind("role_content", RoleRow::of(role, &stamps));
        write.commit(&self.0).await
    }

    /// Changes a role.
    ///
    /// # Errors
    ///
    /// [`StoreError::Outdated`] when it is no longer what was read.
    pub(crate) async fn update_role(&self, before: &Role, after: &Role, event: &AuditEvent) -> Result<(), StoreError> {
        let (Some(known), Some(stamps)) = (before.stamps, after.stamps) else { return Err(unreadable("a role")) };
        let mut write = Write::new(self.1, event);
        push_role_version(&mut write, before, known);
        write.push("UPDATE $role CONTENT $role_content RETURN NONE;");
        write.bind("role_content", RoleRow::of(after, &stamps));
        write.commit(&self.0).await
    }

    /// Deletes a role. Its grants, and where it is named otherwise, become those of another role, or end.
    ///
    /// # Errors
    ///
    /// [`StoreError::Outdated`] when it is no longer what was read.
    pub(crate) async fn remove_role(
        &self,
        role: &Role,
        instead: Option<&Role>,
        by: Option<Author>,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        let Some(known) = role.stamps else { return Err(unreadable("a role")) };
        let mut write = Write::new(self.1, event);
        push_role_version(&mut write, role, known);
        write.push("LET $role_grants = (SELECT * FROM role_grant WHERE role = $role_key);");
        if let Some(instead) = instead {
            write.push(
                "FOR $grant IN $role_grants { INSERT IGNORE INTO role_grant { id: type::record('role_grant', \
                 [$grant.holder, $role_instead, $grant.source, <string> ($grant.reference ?? '')]), \
                 holder: $grant.holder, holder_kind: $grant.holder_kind, role: $role_instead, source: $grant.source, \
                 reference: $grant.reference, created: $role_now, granted_by: $role_by } RETURN NONE; }; \
                 UPDATE invitation SET roles = array::distinct(roles.map(|$r| IF $r = $role_key { $role_instead } \
                 ELSE { $r })) WHERE state = 'PENDING' AND roles CONTAINS $role_key RETURN NONE;",
            );
            write.bind("role_instead", instead.key.clone());
            write.bind("role_now", Datetime::from(event.at));
            write.bind("role_by", by.map(Author::stored));
            if !instead.is_built_in() {
                write.push(
                    "LET $role_kept = (UPDATE role SET given_in = $event WHERE key = $role_instead RETURN VALUE id); \
                     IF $role_kept = [] { THROW 'outdated' };",
                );
            }
        }
        write.push(
            "UPDATE group SET default_role = $role_else WHERE default_role = $role_key RETURN NONE; \
             UPDATE member SET scoped_role = $role_else WHERE scoped_role = $role_key RETURN NONE; \
             UPDATE directory SET mappings = mappings.map(|$m| IF $m.role = $role_key \
             { object::extend($m, { role: $role_else }) } ELSE { $m }) WHERE mappings.role CONTAINS $role_key \
             RETURN NONE; \
             DELETE role_grant WHERE role = $role_key RETURN NONE; DELETE $role RETURN NONE;",
        );
        write.bind("role_key", role.key.clone());
        write.bind("role_else", instead.map(|role| role.key.clone()));
        write.commit(&self.0).await
    }
}

fn push_role_version(write: &mut Write, role: &Role, known: Stamps) {
    write.push("IF (SELECT VALUE version FROM ONLY $role) != $role_version { THROW 'outdated' };");
    write.bind("role", role_record(role.id));
    write.bind("role_version", stored(known.version));
}
