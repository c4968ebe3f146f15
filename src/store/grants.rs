//! Who holds which role, and why.

use std::collections::{HashMap, HashSet};

use surrealdb::types::{Array, Datetime, Object, RecordId, RecordIdKey, SurrealValue, Uuid, Value};

use super::error::settle;
use super::owners::{OwnerWatch, push_owner_guard, push_owner_watch};
use super::roles::{RoleRow, Roles};
use super::users::{author, instant, user_record};
use super::write::Write;
use super::{OrganizationStore, StoreError, stored, uuid};
use crate::domain::audit::AuditEvent;
use crate::domain::group::MemberKind;
use crate::domain::role::{BuiltInRole, GrantSource, Role, RoleGrant};
use crate::domain::user::User;
use crate::domain::{Author, DirectoryId, GroupId, UserId};

#[derive(Clone, SurrealValue)]
#[surreal(crate = "surrealdb::types")]
pub(super) struct GrantRow {
    holder: Uuid,
    holder_kind: String,
    role: String,
    source: String,
    reference: Option<Uuid>,
    created: Datetime,
    granted_by: Option<String>,
}

impl Roles {
    /// What somebody holds by these rows: their own, and those of the groups they are in.
    pub(super) fn grants(&self, rows: &[GrantRow], holder: uuid::Uuid) -> Vec<RoleGrant> {
        let read = |row: &GrantRow| {
            let own = row.holder.into_inner() == holder;
            let source = GrantSource::named(&row.source)?;
            let is_mapping = source == GrantSource::DirectoryMapping;
            Some(RoleGrant {
                role: self.named(&row.role)?,
                source: if own || is_mapping { source } else { GrantSource::Group },
                group: (!own).then(|| GroupId::new(row.holder.into_inner())),
                directory: row.reference.filter(|_| is_mapping).map(|id| DirectoryId::new(id.into_inner())),
                granted: row.created.into_inner(),
                granted_by: author(row.granted_by.as_deref()),
            })
        };
        rows.iter().filter_map(read).collect()
    }

    /// The same for a user: whoever was given nothing holds the default role.
    pub(super) fn grants_of_user(&self, rows: &[GrantRow], user: &User) -> Vec<RoleGrant> {
        let mut grants = self.grants(rows, user.id.uuid());
        if grants.is_empty() {
            grants.push(RoleGrant {
                role: Role::built_in(BuiltInRole::Member, self.organization),
                source: GrantSource::Default,
                group: None,
                directory: None,
                granted: user.created,
                granted_by: None,
            });
        }
        grants
    }
}

/// Roles that somebody is given, or that are taken from them.
pub(crate) struct GrantChange<'a> {
    /// Who: a user, group or service account.
    pub(crate) holder: uuid::Uuid,
    /// What they are.
    pub(crate) kind: MemberKind,
    /// Why.
    pub(crate) source: GrantSource,
    /// The directory whose mapping it is.
    pub(crate) reference: Option<DirectoryId>,
    /// Keys of the roles that come.
    pub(crate) added: &'a [String],
    /// Keys of the roles that go.
    pub(crate) removed: &'a [String],
    /// By whom.
    pub(crate) by: Option<Author>,
}

fn grant_key(holder: uuid::Uuid, role: &str, source: GrantSource, reference: Option<DirectoryId>) -> RecordId {
    let reference = reference.map(|id| id.to_string()).unwrap_or_default();
    let parts = vec![
        Value::Uuid(uuid(holder)),
        Value::String(role.to_owned()),
        Value::String(source.as_str().to_owned()),
        Value::String(reference),
    ];
    RecordId::new("role_grant", RecordIdKey::Array(Array::from(parts)))
}

/// Gives and takes roles. A role of the organization's own must still be there: giving it writes it, so that deleting it
/// at the same time is a conflict. Once a batch; binds `$grants_…`.
pub(super) fn push_grants(write: &mut Write, changes: &[GrantChange<'_>]) {
    let mut content: Vec<Object> = Vec::new();
    let mut gone: Vec<RecordId> = Vec::new();
    let mut given: HashSet<&str> = HashSet::new();
    let now = instant(write.now());
    for change in changes {
        for role in change.removed {
            gone.push(grant_key(change.holder, role, change.source, change.reference));
        }
        for role in change.added {
            let mut row = Object::new();
            row.insert("id", Value::RecordId(grant_key(change.holder, role, change.source, change.reference)));
            row.insert("holder", Value::Uuid(uuid(change.holder)));
            row.insert("holder_kind", super::members::kind_name(change.kind).to_owned());
            row.insert("role", role.clone());
            row.insert("source", change.source.as_str().to_owned());
            row.insert("reference", change.reference.map(|id| uuid(id.uuid())).into_value());
            row.insert("created", Datetime::from(now));
            row.insert("granted_by", change.by.map(Author::stored).into_value());
            content.push(row);
            if BuiltInRole::named(role).is_none() {
                given.insert(role);
            }
        }
    }
    let people: HashSet<uuid::Uuid> =
        changes.iter().filter(|change| change.kind == MemberKind::User).map(|change| change.holder).collect();
    if !people.is_empty() {
        // Taking their access away at the same time is a conflict.
        write.push("LET $grants_held = (UPDATE $grants_people SET joined_in = $event RETURN VALUE id);");
        write.push("IF array::len($grants_held) != array::len($grants_people) { THROW 'outdated' };");
        write.bind("grants_people", people.into_iter().map(|id| user_record(UserId::new(id))).collect::<Vec<_>>());
    }
    if !gone.is_empty() {
        write.push("DELETE $grants_gone RETURN NONE;");
        write.bind("grants_gone", gone);
    }
    if !content.is_empty() {
        write.push("INSERT IGNORE INTO role_grant $grants_new RETURN NONE;");
        write.bind("grants_new", content);
    }
    if !given.is_empty() {
        write.push(
            "LET $grants_roles = (UPDATE role SET given_in = $event WHERE key IN $grants_given RETURN VALUE id); \
             IF array::len($grants_roles) != array::len($grants_given) { THROW 'outdated' };",
        );
        write.bind("grants_given", given.into_iter().map(str::to_owned).collect::<Vec<_>>());
    }
}

impl OrganizationStore {
    /// Gives and takes roles. `of`: the user they are about, who must be the version that was read.
    ///
    /// # Errors
    ///
    /// [`StoreError::Outdated`] when the user or a role is no longer what was read; [`StoreError::LastOwner`].
    pub(crate) async fn change_grants(
        &self,
        of: Option<&User>,
        changes: &[GrantChange<'_>],
        watch: OwnerWatch<'_>,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        let mut write = Write::new(self.1, event);
        push_owner_watch(&mut write, watch);
        if let Some(user) = of {
            write.push("IF (SELECT VALUE version FROM ONLY $granted) != $granted_version { THROW 'outdated' };");
            write.bind("granted", user_record(user.id));
            write.bind("granted_version", stored(user.version));
        }
        push_grants(&mut write, changes);
        push_owner_guard(&mut write, watch);
        write.commit(&self.0).await
    }

    /// How many grants a role has, whoever holds them.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn count_grants_of_role(&self, role_key: &str) -> Result<usize, StoreError> {
        let query = self
            .0
            .query("RETURN array::len((SELECT VALUE id FROM role_grant WHERE role = $key))")
            .bind(("key", role_key.to_owned()));
        let count: Option<i64> = settle(query.await?)?.take(0)?;
        Ok(usize::try_from(count.unwrap_or_default()).unwrap_or_default())
    }

    /// The users who were given this role, by themselves or through a group, nested ones included.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn holders_of_role(&self, role_key: &str) -> Result<HashSet<uuid::Uuid>, StoreError> {
        let query = self.0.query("SELECT * FROM role_grant WHERE role = $key").bind(("key", role_key.to_owned()));
        let rows: Vec<GrantRow> = settle(query.await?)?.take(0)?;
        let mut users = HashSet::new();
        let mut groups = Vec::new();
        for row in rows {
            match row.holder_kind.as_str() {
                "user" => drop(users.insert(row.holder.into_inner())),
                "group" => groups.push(row.holder.into_inner()),
                _ => {}
            }
        }
        users.extend(self.users_within(&groups).await?);
        Ok(users)
    }

    /// The users who were given any role, by themselves or through a group.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn holders_of_any_role(&self) -> Result<HashSet<uuid::Uuid>, StoreError> {
        let rows: Vec<GrantRow> = settle(self.0.query("SELECT * FROM role_grant").await?)?.take(0)?;
        let of = |kind: &'static str| rows.iter().filter(move |row| row.holder_kind == kind);
        let mut users: HashSet<uuid::Uuid> = of("user").map(|row| row.holder.into_inner()).collect();
        let groups: HashSet<uuid::Uuid> = of("group").map(|row| row.holder.into_inner()).collect();
        users.extend(self.users_within(&groups.into_iter().collect::<Vec<_>>()).await?);
        Ok(users)
    }

    /// The roles that a group, user or service account was itself given, by key and source.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn list_grants(&self, holder: uuid::Uuid) -> Result<Vec<RoleGrant>, StoreError> {
        let query = self
            .0
            .query("LET $grants = (SELECT * FROM role_grant WHERE holder = $holder)")
            .query("RETURN $grants; SELECT * FROM role WHERE key IN $grants.role")
            .bind(("holder", uuid(holder)));
        let mut results = settle(query.await?)?;
        let rows: Vec<GrantRow> = results.take(1)?;
        let roles: Vec<RoleRow> = results.take(2)?;
        Ok(Roles::read(self.1, roles)?.grants(&rows, holder))
    }

    /// What the groups give, by group: the roles that were given to them.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn grants_of_groups(&self, groups: &[GroupId]) -> Result<HashMap<GroupId, Vec<RoleGrant>>, StoreError> {
        let holders: Vec<Uuid> = groups.iter().map(|group| uuid(group.uuid())).collect();
        let (rows, roles) = self.grant_rows(holders).await?;
        Ok(groups
            .iter()
            .map(|group| {
                let own: Vec<GrantRow> =
                    rows.iter().filter(|row| row.holder.into_inner() == group.uuid()).cloned().collect();
                (*group, roles.grants(&own, group.uuid()))
            })
            .collect())
    }

    /// The roles that belonging to any of these groups gives: their own, and those of all groups around them.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn roles_through(&self, groups: &[GroupId]) -> Result<Vec<Role>, StoreError> {
        let ids: Vec<uuid::Uuid> = groups.iter().map(|group| group.uuid()).collect();
        let (roles, rows) = self.grants_through_groups(&ids).await?;
        let given = ids.iter().flat_map(|id| roles.grants(rows.get(id).map_or(&[][..], Vec::as_slice), *id));
        Ok(given.map(|grant| grant.role).collect())
    }

    async fn grant_rows(&self, holders: Vec<Uuid>) -> Result<(Vec<GrantRow>, Roles), StoreError> {
        let statement = "SELECT * FROM role_grant WHERE holder IN $keys";
        let rows: Vec<GrantRow> = self.0.rows_by_keys(statement, holders).await?;
        let statement = "SELECT * FROM role WHERE key IN $keys";
        let keys = rows.iter().map(|row| row.role.clone());
        let roles: Vec<RoleRow> = self.0.rows_by_keys(statement, keys).await?;
        Ok((rows, Roles::read(self.1, roles)?))
    }

    /// Why these users hold which roles: as many queries for many as for one.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn grants_of_users(&self, users: &[User]) -> Result<HashMap<UserId, Vec<RoleGrant>>, StoreError> {
        let ids: Vec<uuid::Uuid> = users.iter().map(|user| user.id.uuid()).collect();
        let held = self.grants_through_groups(&ids).await?;
        Ok(users
            .iter()
            .map(|user| {
                let rows = held.1.get(&user.id.uuid()).map_or(&[][..], Vec::as_slice);
                (user.id, held.0.grants_of_user(rows, user))
            })
            .collect())
    }

    /// Why a service account holds which roles.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn grants_of_program(&self, id: uuid::Uuid) -> Result<Vec<RoleGrant>, StoreError> {
        let (roles, rows) = self.grants_through_groups(&[id]).await?;
        Ok(roles.grants(rows.get(&id).map_or(&[][..], Vec::as_slice), id))
    }

    /// The grants of these members and of all groups they are in, by member.
    async fn grants_through_groups(
        &self,
        members: &[uuid::Uuid],
    ) -> Result<(Roles, HashMap<uuid::Uuid, Vec<GrantRow>>), StoreError> {
        let groups = self.groups_around(members).await?;
        let mut holders: HashSet<uuid::Uuid> = members.iter().copied().collect();
        holders.extend(groups.values().flatten().copied());
        let (rows, roles) = self.grant_rows(holders.into_iter().map(uuid).collect()).await?;
        let mut held = HashMap::new();
        for member in members {
            let around = groups.get(member);
            let is_held = |row: &&GrantRow| {
                let holder = row.holder.into_inner();
                holder == *member || around.is_some_and(|groups| groups.contains(&holder))
            };
            held.insert(*member, rows.iter().filter(is_held).cloned().collect());
        }
        Ok((roles, held))
    }
}
