//! Memberships: edges under `[group, member]` (D5). What a change costs depends on the change, not on the group.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use surrealdb::types::{Array, Object, RecordId, RecordIdKey, SurrealValue, Uuid, Value};

use super::error::settle;
use super::list::Table;
use super::owners::{OwnerWatch, push_owner_guard, push_owner_watch};
use super::users::{author, instant};
use super::write::Write;
use super::{OrganizationStore, StoreError, millis, uuid};
use crate::domain::audit::AuditEvent;
use crate::domain::group::{Belonging, GroupRole, Member, MemberKind, MemberSource};
use crate::domain::{Author, GroupId};

/// How many records are asked for in one query.
const RECORDS_AT_A_TIME: usize = 500;

/// What changes among the members of a group. Only real changes: who comes was not in, who goes was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberDelta {
    /// Who comes.
    pub added: Vec<(uuid::Uuid, MemberKind)>,
    /// Who goes.
    pub removed: Vec<(uuid::Uuid, MemberKind)>,
}

impl MemberDelta {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty()
    }

    /// Says what the change shows in: the group, and who comes and goes. Where that is a group, everybody in it.
    pub(super) fn note(&self, write: &mut Write, group: GroupId) {
        let moving = || self.added.iter().chain(&self.removed);
        if moving().all(|(_, kind)| *kind != MemberKind::Group) {
            write.touches_only(moving().map(|(id, _)| *id).chain([group.uuid()]));
        }
    }
}

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
pub(super) struct EdgeRow {
    pub(super) group: Uuid,
    pub(super) member: Uuid,
    kind: String,
}

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
struct NameRow {
    id: RecordId,
    name: Option<String>,
}

impl EdgeRow {
    fn into_member(self) -> (uuid::Uuid, MemberKind) {
        (self.member.into_inner(), kind_named(&self.kind))
    }
}

fn edge_key(group: uuid::Uuid, member: uuid::Uuid) -> RecordIdKey {
    RecordIdKey::Array(Array::from(vec![Value::Uuid(uuid(group)), Value::Uuid(uuid(member))]))
}

fn edge(group: uuid::Uuid, member: uuid::Uuid) -> RecordId {
    RecordId::new("member", edge_key(group, member))
}

pub(super) fn kind_name(kind: MemberKind) -> &'static str {
    match kind {
        MemberKind::User => "user",
        MemberKind::Group => "group",
        MemberKind::ServiceAccount => "service_account",
    }
}

fn kind_named(name: &str) -> MemberKind {
    match name {
        "group" => MemberKind::Group,
        "service_account" => MemberKind::ServiceAccount,
        _ => MemberKind::User,
    }
}

/// Adds a member delta to a batch. Everyone who comes must still exist when the batch commits: their records are
/// written, so that deleting them at the same time is a conflict and not a dangling edge (catalogue C-04). Reading
/// them `FOR UPDATE` is not enough: a delete that began before and commits after does not see that.
pub(super) fn push_delta(write: &mut Write, group: GroupId, delta: &MemberDelta) {
    if !delta.removed.is_empty() {
        let gone: Vec<RecordId> = delta.removed.iter().map(|(member, _)| edge(group.uuid(), *member)).collect();
        write.push("DELETE $gone RETURN NONE;");
        write.bind("gone", gone);
    }
    if delta.added.is_empty() {
        return;
    }
    let targets: Vec<RecordId> =
        delta.added.iter().map(|(member, kind)| RecordId::new(kind_name(*kind), uuid(*member))).collect();
    let now = write.now();
    let edges: Vec<Object> =
        delta.added.iter().map(|(member, kind)| edge_content(group, *member, *kind, now)).collect();
    write.push("LET $joined = (UPDATE $targets SET joined_in = $event RETURN VALUE id);");
    write.push("IF array::len($joined) != array::len($targets) { THROW 'outdated' };");
    write.push("INSERT INTO member $edges RETURN NONE;");
    write.bind("targets", targets);
    write.bind("edges", edges);
}

fn edge_content(group: GroupId, member: uuid::Uuid, kind: MemberKind, now: i64) -> Object {
    let mut content = Object::new();
    content.insert("added", now);
    content.insert("id", Value::RecordId(edge(group.uuid(), member)));
    content.insert("group", Value::Uuid(uuid(group.uuid())));
    content.insert("member", Value::Uuid(uuid(member)));
    content.insert("kind", kind_name(kind).to_owned());
    content
}

fn belonging_content(belonging: &Belonging) -> Object {
    let now = belonging.added.map(millis).unwrap_or_default();
    let mut content = edge_content(belonging.group, belonging.member, belonging.kind, now);
    content
        .insert("role", (belonging.role == GroupRole::Admin).then(|| belonging.role.as_str().to_owned()).into_value());
    content.insert("scoped_role", belonging.scoped_role.clone().into_value());
    content.insert("source", belonging.source.map(|source| source.as_str().to_owned()).into_value());
    content.insert("added_by", belonging.added_by.map(Author::stored).into_value());
    content
}

/// Who comes into groups, who is something else in them, and who goes: each group changes, and so is a conflict with
/// whatever else changes it; whoever comes must still be there.
#[derive(Debug, Default)]
pub(crate) struct Belongings {
    /// Who comes, or is something else from now on.
    pub(crate) put: Vec<Belonging>,
    /// Who goes.
    pub(crate) gone: Vec<(GroupId, uuid::Uuid)>,
}

impl Belongings {
    /// Whether nothing changes.
    pub(crate) fn is_empty(&self) -> bool {
        self.put.is_empty() && self.gone.is_empty()
    }
}

/// Binds `$belong_…`.
pub(super) fn push_belongings(write: &mut Write, change: &Belongings) {
    if change.is_empty() {
        return;
    }
    let groups: HashSet<GroupId> =
        change.put.iter().map(|put| put.group).chain(change.gone.iter().map(|(group, _)| *group)).collect();
    let groups: Vec<RecordId> = groups.into_iter().map(|group| RecordId::new("group", uuid(group.uuid()))).collect();
    write.push(
        "LET $belong_changed = (UPDATE $belong_groups SET version += 1, last_modified = $belong_now RETURN VALUE id); \
         IF array::len($belong_changed) != array::len($belong_groups) { THROW 'outdated' };",
    );
    let now = write.now();
    write.bind("belong_now", now);
    write.bind("belong_groups", groups);
    if !change.gone.is_empty() {
        let gone: Vec<RecordId> = change.gone.iter().map(|(group, member)| edge(group.uuid(), *member)).collect();
        write.push("DELETE $belong_gone RETURN NONE;");
        write.bind("belong_gone", gone);
    }
    if change.put.is_empty() {
        return;
    }
    let members: HashSet<(uuid::Uuid, &str)> = change.put.iter().map(|put| (put.member, kind_name(put.kind))).collect();
    let members: Vec<RecordId> = members.into_iter().map(|(id, table)| RecordId::new(table, uuid(id))).collect();
    let edges: Vec<Object> = change.put.iter().map(belonging_content).collect();
    write.push(
        "LET $belong_found = (UPDATE $belong_members SET joined_in = $event RETURN VALUE id); \
         IF array::len($belong_found) != array::len($belong_members) { THROW 'outdated' }; \
         FOR $edge IN $belong_edges { UPSERT $edge.id CONTENT $edge RETURN NONE; };",
    );
    write.bind("belong_members", members);
    write.bind("belong_edges", edges);
}

/// Takes a user or a group out of every group it is in; those groups change. Binds `$member`.
pub(super) fn push_leave_all_groups(write: &mut Write, member: uuid::Uuid, now: DateTime<Utc>) {
    write.push("LET $groups = (SELECT VALUE type::record('group', group) FROM member WHERE member = $member);");
    write.push("DELETE member WHERE member = $member RETURN NONE;");
    write.push("UPDATE $groups SET version += 1, last_modified = $now RETURN NONE;");
    write.bind("member", uuid(member));
    write.bind("now", now.timestamp_millis());
}

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
struct BelongingRow {
    group: Uuid,
    member: Uuid,
    kind: String,
    role: Option<String>,
    scoped_role: Option<String>,
    source: Option<String>,
    added: Option<i64>,
    added_by: Option<String>,
}

impl BelongingRow {
    fn into_belonging(self) -> Belonging {
        Belonging {
            group: GroupId::new(self.group.into_inner()),
            member: self.member.into_inner(),
            kind: kind_named(&self.kind),
            role: self.role.as_deref().and_then(GroupRole::named).unwrap_or(GroupRole::Member),
            scoped_role: self.scoped_role,
            source: self.source.as_deref().and_then(MemberSource::named),
            added: self.added.map(instant),
            added_by: author(self.added_by.as_deref()),
        }
    }
}

impl OrganizationStore {
    /// What these are in which groups, direct ones only.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn belongings_of(&self, members: &[uuid::Uuid]) -> Result<Vec<Belonging>, StoreError> {
        let members = members.iter().copied().map(uuid);
        let statement = "SELECT * FROM member WHERE member IN $keys";
        let rows: Vec<BelongingRow> = self.0.rows_by_keys(statement, members).await?;
        Ok(rows.into_iter().map(BelongingRow::into_belonging).collect())
    }

    /// What somebody is in a group, if they are in it themselves.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_belonging(&self, group: GroupId, member: uuid::Uuid) -> Result<Option<Belonging>, StoreError> {
        let query = self.0.query("SELECT * FROM ONLY $id").bind(("id", edge(group.uuid(), member)));
        let row: Option<BelongingRow> = settle(query.await?)?.take(0)?;
        Ok(row.map(BelongingRow::into_belonging))
    }

    /// Everybody in these groups, direct members only, by when they came.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn belongings_in(&self, groups: &[GroupId]) -> Result<Vec<Belonging>, StoreError> {
        let groups: Vec<_> = groups.iter().map(|group| uuid(group.uuid())).collect();
        let query = self
            .0
            .query("RETURN $groups.map(|$group| (SELECT * FROM member:[$group, NONE]..=[$group, ..])).flatten()")
            .bind(("groups", groups));
        let rows: Vec<BelongingRow> = settle(query.await?)?.take(0)?;
        let mut all: Vec<Belonging> = rows.into_iter().map(BelongingRow::into_belonging).collect();
        all.sort_by_key(|one| (one.added, one.member));
        Ok(all)
    }

    /// Changes who belongs to which groups. Whoever comes or goes must be the version that was read.
    ///
    /// # Errors
    ///
    /// [`StoreError::Outdated`] when they, or a group, are no longer what was read; [`StoreError::LastOwner`].
    pub(crate) async fn change_belongings(
        &self,
        change: &Belongings,
        (kind, member, version): (MemberKind, uuid::Uuid, u64),
        watch: OwnerWatch<'_>,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        let mut write = Write::new(self.1, event);
        push_owner_watch(&mut write, watch);
        write.push("IF (SELECT VALUE version FROM ONLY $belongs) != $belongs_version { THROW 'outdated' };");
        write.bind("belongs", RecordId::new(kind_name(kind), uuid(member)));
        write.bind("belongs_version", super::stored(version));
        push_belongings(&mut write, change);
        push_owner_guard(&mut write, watch);
        write.commit(&self.0).await
    }

    /// How many direct members these groups have, in their order.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn count_members(&self, groups: &[GroupId]) -> Result<Vec<usize>, StoreError> {
        let groups: Vec<_> = groups.iter().map(|group| uuid(group.uuid())).collect();
        let query = self
            .0
            .query(
                "RETURN $groups.map(|$group| \
                 array::len((SELECT VALUE member FROM member:[$group, NONE]..=[$group, ..])))",
            )
            .bind(("groups", groups));
        let counts: Vec<i64> = settle(query.await?)?.take(0)?;
        Ok(counts.into_iter().map(|count| usize::try_from(count).unwrap_or_default()).collect())
    }

    /// Whether groups or service accounts are directly in this group.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn has_others_than_users(&self, group: GroupId) -> Result<bool, StoreError> {
        let query = self
            .0
            .query("SELECT VALUE member FROM member:[$group, NONE]..=[$group, ..] WHERE kind != 'user' LIMIT 1")
            .bind(("group", uuid(group.uuid())));
        let found: Vec<Uuid> = settle(query.await?)?.take(0)?;
        Ok(!found.is_empty())
    }

    /// The users in these groups, by themselves or through groups in them.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn users_within(&self, groups: &[uuid::Uuid]) -> Result<HashSet<uuid::Uuid>, StoreError> {
        let (mut users, mut seen) = (HashSet::new(), HashSet::new());
        let mut open: Vec<uuid::Uuid> = groups.to_vec();
        while let Some(group) = open.pop() {
            if !seen.insert(group) {
                continue;
            }
            let query = self
                .0
                .query("SELECT group, member, kind FROM member:[$group, NONE]..=[$group, ..]")
                .bind(("group", uuid(group)));
            let rows: Vec<EdgeRow> = settle(query.await?)?.take(0)?;
            for row in rows {
                match kind_named(&row.kind) {
                    MemberKind::User => drop(users.insert(row.member.into_inner())),
                    MemberKind::Group => open.push(row.member.into_inner()),
                    MemberKind::ServiceAccount => {}
                }
            }
        }
        Ok(users)
    }

    /// Which of these are members of the group, and as what.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn members_among(
        &self,
        group: GroupId,
        candidates: &[uuid::Uuid],
    ) -> Result<HashMap<uuid::Uuid, MemberKind>, StoreError> {
        let mut found = HashMap::new();
        for chunk in candidates.chunks(RECORDS_AT_A_TIME) {
            let edges: Vec<RecordId> = chunk.iter().map(|member| edge(group.uuid(), *member)).collect();
            let query = self.0.query("SELECT group, member, kind FROM $edges").bind(("edges", edges));
            let rows: Vec<EdgeRow> = settle(query.await?)?.take(0)?;
            found.extend(rows.into_iter().map(EdgeRow::into_member));
        }
        Ok(found)
    }

    /// All members of the group, by id, and as what.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn members_in(&self, group: GroupId) -> Result<HashMap<uuid::Uuid, MemberKind>, StoreError> {
        let query = self
            .0
            .query("SELECT group, member, kind FROM member:[$group, NONE]..=[$group, ..]")
            .bind(("group", uuid(group.uuid())));
        let rows: Vec<EdgeRow> = settle(query.await?)?.take(0)?;
        Ok(rows.into_iter().map(EdgeRow::into_member).collect())
    }

    /// All members of the groups, each with what people call it, in order of id.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn members_of(&self, groups: &[GroupId]) -> Result<HashMap<GroupId, Vec<Member>>, StoreError> {
        self.members_of_first(groups, usize::MAX).await
    }

    /// The same of the first of these groups, at least one: those after them are left out once there are so many members.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn members_of_first(
        &self,
        groups: &[GroupId],
        enough: usize,
    ) -> Result<HashMap<GroupId, Vec<Member>>, StoreError> {
        let mut members: HashMap<GroupId, Vec<Member>> = HashMap::new();
        let mut count = 0;
        for group in groups {
            if count >= enough {
                break;
            }
            let query = self
                .0
                .query("SELECT group, member, kind FROM member:[$group, NONE]..=[$group, ..]")
                .bind(("group", uuid(group.uuid())));
            let rows: Vec<EdgeRow> = settle(query.await?)?.take(0)?;
            let list = rows.into_iter().map(|row| Member {
                id: row.member.into_inner(),
                kind: kind_named(&row.kind),
                display: None,
            });
            let list: Vec<Member> = list.collect();
            count += list.len();
            members.insert(*group, list);
        }
        let of_kind = |kind| -> Vec<uuid::Uuid> {
            let ids: HashSet<uuid::Uuid> =
                members.values().flatten().filter(|member| member.kind == kind).map(|member| member.id).collect();
            ids.into_iter().collect()
        };
        let mut names = self.names_of(Table::User, &of_kind(MemberKind::User)).await?;
        names.extend(self.names_of(Table::Group, &of_kind(MemberKind::Group)).await?);
        for member in members.values_mut().flatten() {
            member.display = names.get(&member.id).cloned().flatten();
        }
        Ok(members)
    }

    /// What these users are to be called, if they say so; those that do not exist are left out.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn user_names(&self, ids: &[uuid::Uuid]) -> Result<HashMap<uuid::Uuid, Option<String>>, StoreError> {
        self.names_of(Table::User, ids).await
    }

    /// The display names of these groups; those that do not exist are left out.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn group_names(&self, ids: &[uuid::Uuid]) -> Result<HashMap<uuid::Uuid, Option<String>>, StoreError> {
        self.names_of(Table::Group, ids).await
    }

    /// Some at a time: what the engine takes for a list of records grows faster than the list.
    pub(super) async fn names_of(
        &self,
        table: Table,
        ids: &[uuid::Uuid],
    ) -> Result<HashMap<uuid::Uuid, Option<String>>, StoreError> {
        let text = match table {
            Table::User => "SELECT id, attributes.displayName AS name FROM $records",
            Table::Group => "SELECT id, display_name AS name FROM $records",
        };
        let mut names = HashMap::with_capacity(ids.len());
        for chunk in ids.chunks(RECORDS_AT_A_TIME) {
            let records: Vec<RecordId> = chunk.iter().map(|id| RecordId::new(table.name(), uuid(*id))).collect();
            let rows: Vec<NameRow> = settle(self.0.query(text).bind(("records", records)).await?)?.take(0)?;
            for row in rows {
                names.insert(super::users::key(&row.id)?, row.name);
            }
        }
        Ok(names)
    }

    /// What each of these ids is: a user, a group, or (left out) nobody.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn kinds_of(&self, ids: &[uuid::Uuid]) -> Result<HashMap<uuid::Uuid, MemberKind>, StoreError> {
        let mut kinds = HashMap::with_capacity(ids.len());
        for chunk in ids.chunks(RECORDS_AT_A_TIME) {
            let records =
                |table: &str| -> Vec<RecordId> { chunk.iter().map(|id| RecordId::new(table, uuid(*id))).collect() };
            let query = self
                .0
                .query("SELECT VALUE id FROM $users; SELECT VALUE id FROM $groups")
                .bind(("users", records("user")))
                .bind(("groups", records("group")));
            let mut results = settle(query.await?)?;
            let users: Vec<RecordId> = results.take(0)?;
            let groups: Vec<RecordId> = results.take(1)?;
            for (found, kind) in [(users, MemberKind::User), (groups, MemberKind::Group)] {
                for id in found {
                    kinds.insert(super::users::key(&id)?, kind);
                }
            }
        }
        Ok(kinds)
    }
}
