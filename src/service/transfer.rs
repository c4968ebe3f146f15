//! Taking people and groups out of an organization, and putting many in: JSON lines, each a SCIM resource.
//!
//! A line is a resource as `/Users` and `/Groups` answer it, or a schema as `/Schemas` does. What SCIM has no name for is
//! beside it under `rollcall`. The members of a group come after all users and groups, in lines that repeat its id, so
//! that no line is long and every member is there by then. A plain file of users that somebody wrote is read the same
//! way: ids may be missing.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use scim::message::Page;
use scim::{Dialect, Extension, Reading, Resource, ResourceType, ResourceTypes, Schema, Tolerance};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::Service;
use super::attempts::Attempts;
use crate::domain::audit::{AuditEvent, Change};
use crate::domain::cursor::Position;
use crate::domain::group::{Group, GroupDraft, MemberKind};
use crate::domain::user::{Hold, User, UserDraft, Writer};
use crate::domain::{Author, Caller, DirectoryId, Error, GroupId, Permission, UserId, id};
use crate::store::{MemberDelta, OrganizationStore, Paging, Query};

/// Resources that are read at a time, and users that are written at once.
pub const BATCH: usize = 500;
/// Batches that are worth writing at once: while one waits for the disk the others are made ready.
pub const AT_ONCE: usize = 4;
/// Members in one line.
const MEMBERS_IN_A_LINE: usize = 1_000;
/// The key of what SCIM has no name for.
const BESIDE: &str = "rollcall";
const SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:Schema";

/// What is kept of a user that SCIM has no name for.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Beside {
    #[serde(skip_serializing_if = "is_false")]
    is_protected: bool,
    #[serde(skip_serializing_if = "is_false")]
    is_external: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    held_since: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hold_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    avatar_url: Option<String>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    metadata: Map<String, Value>,
    /// Of a group: what people call it, beside its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// How many there are to be taken out.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// Users.
    pub users: u64,
    /// Groups.
    pub groups: u64,
}

/// A line of a file, with its number.
pub type Line = (u64, Map<String, Value>);

/// What a line of a file is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    /// A user.
    User,
    /// A group, or members of one.
    Group,
    /// An extension.
    Schema,
}

/// What putting in came to.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Imported {
    /// Users that were made.
    pub users: u64,
    /// Groups that were made.
    pub groups: u64,
    /// Members that came into groups.
    pub members: u64,
    /// Extensions that were set.
    pub extensions: u64,
    /// Users and groups that were there already.
    pub existing: u64,
    /// Lines that were not taken in, by number, and why.
    pub refused: Vec<(u64, String)>,
}

impl Imported {
    /// Adds what came of more lines.
    pub fn add(&mut self, more: Self) {
        self.users += more.users;
        self.groups += more.groups;
        self.members += more.members;
        self.extensions += more.extensions;
        self.existing += more.existing;
        self.refused.extend(more.refused);
    }
}

/// What a line is about; none for what is neither.
pub fn kind_of(line: &Map<String, Value>) -> Option<LineKind> {
    let names = |urn: &str| {
        let listed = line.get("schemas").and_then(Value::as_array).into_iter().flatten();
        listed.filter_map(Value::as_str).any(|listed| listed.eq_ignore_ascii_case(urn))
    };
    match (line.contains_key("userName"), line.contains_key("displayName") || line.contains_key("members")) {
        _ if names(SCHEMA) => Some(LineKind::Schema),
        _ if names(scim::schema::GROUP) => Some(LineKind::Group),
        _ if names(scim::schema::USER) => Some(LineKind::User),
        (true, _) => Some(LineKind::User),
        (false, true) => Some(LineKind::Group),
        (false, false) => None,
    }
}

impl Service {
    /// How much there is to be taken out.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] for everyone but the operator.
    pub async fn measure_export(&self, caller: &Caller) -> Result<Extent, Error> {
        caller.require_operator(Permission::UserAccessRead)?;
        let store = self.organization_of(caller).await?;
        let nothing = self.everything(0, &Paging::Index);
        let (users, groups) = (store.list_users(&nothing).await?.total, store.list_groups(&nothing).await?.total);
        Ok(Extent { users, groups })
    }

    /// The extensions, as lines.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] for everyone but the operator.
    pub async fn export_extensions(&self, caller: &Caller) -> Result<Vec<Value>, Error> {
        caller.require_operator(Permission::DirectoryManage)?;
        let line = |Extension { resource_type, schema }: Extension| {
            let mut line = json!(schema);
            line["resourceType"] = json!(resource_type);
            line
        };
        Ok(self.organization_of(caller).await?.list_extensions().await?.into_iter().map(line).collect())
    }

    /// Some users after this one, by id, as lines.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] for everyone but the operator.
    pub async fn export_users(&self, caller: &Caller, after: Option<UserId>) -> Result<Vec<Value>, Error> {
        caller.require_operator(Permission::UserAccessRead)?;
        let paging = Paging::Cursor(after.map(|after| Position { key: None, id: after.uuid() }));
        let found = self.organization_of(caller).await?.list_users(&self.everything(BATCH as u64, &paging)).await?;
        let line = |user: User| {
            let beside = Beside {
                is_protected: user.protected,
                is_external: user.external,
                held_since: user.hold.as_ref().map(|hold| hold.since),
                hold_reason: user.hold.as_ref().and_then(|hold| hold.reason.clone()),
                avatar_url: user.avatar_url.clone(),
                metadata: user.metadata.clone(),
                label: None,
            };
            let mut line = user.searchable(None);
            // Whoever is kept out because the flag was removed stays out where this is put in.
            line.insert("active".to_owned(), json!(user.active()));
            with_beside(line, &beside)
        };
        Ok(found.page.into_iter().map(line).collect())
    }

    /// Some groups after this one, by id, as lines without members.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] for everyone but the operator.
    pub async fn export_groups(&self, caller: &Caller, after: Option<GroupId>) -> Result<Vec<Value>, Error> {
        caller.require_operator(Permission::GroupsRead)?;
        let paging = Paging::Cursor(after.map(|after| Position { key: None, id: after.uuid() }));
        let found = self.organization_of(caller).await?.list_groups(&self.everything(BATCH as u64, &paging)).await?;
        let line = |group: Group| {
            let beside = Beside { label: group.label.clone(), ..Beside::default() };
            with_beside(group.searchable(), &beside)
        };
        Ok(found.page.into_iter().map(line).collect())
    }

    /// The members of a group after this one, by id, as lines. Programs are not taken out.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] for everyone but the operator.
    pub async fn export_members(
        &self,
        caller: &Caller,
        group: GroupId,
        after: Option<Uuid>,
    ) -> Result<Vec<Value>, Error> {
        caller.require_operator(Permission::GroupsRead)?;
        let store = self.organization_of(caller).await?;
        let mut members = store.members_of(&[group]).await?.remove(&group).unwrap_or_default();
        members
            .retain(|member| member.kind != MemberKind::ServiceAccount && after.is_none_or(|after| member.id > after));
        members.sort_unstable_by_key(|member| member.id);
        let line = |members: &[crate::domain::group::Member]| {
            let members: Vec<Value> = members
                .iter()
                .map(|member| {
                    let kind = if member.kind == MemberKind::Group { "Group" } else { "User" };
                    json!({"value": member.id.to_string(), "type": kind})
                })
                .collect();
            json!({"schemas": [scim::schema::GROUP], "id": group.to_string(), "members": members})
        };
        Ok(members.chunks(MEMBERS_IN_A_LINE).map(line).collect())
    }

    /// Puts in an extension.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] for everyone but the operator; [`Error::Unavailable`]. What is wrong with the line is told.
    pub async fn import_extension(&self, caller: &Caller, (number, line): Line) -> Result<Imported, Error> {
        caller.require_operator(Permission::DirectoryManage)?;
        let resource_type = line.get("resourceType").and_then(Value::as_str).unwrap_or("User").to_owned();
        let set = match serde_json::from_value::<Schema>(Value::Object(line)) {
            Ok(schema) => self.set_extension(caller, Extension { resource_type, schema }).await.map(drop),
            Err(error) => return Ok(refused(number, error)),
        };
        match set {
            Ok(()) => Ok(Imported { extensions: 1, ..Imported::default() }),
            Err(error) => refused_or_failed(number, error),
        }
    }

    /// Puts in users, at most [`BATCH`] at a time: all that can be, in one transaction. Those whose id, or name where they
    /// come without id, is there already are left as they are, so that an import can be run again.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] for everyone but the operator; [`Error::Unavailable`]. What is wrong with a line is told.
    pub async fn import_users(
        &self,
        caller: &Caller,
        lines: Vec<Line>,
        directory: Option<DirectoryId>,
    ) -> Result<Imported, Error> {
        caller.require_operator(Permission::UserAccessManage)?;
        let store = self.organization_of(caller).await?;
        let types = ResourceTypes::with(store.list_extensions().await?);
        let mut imported = Imported::default();
        let mut users: Vec<(u64, bool, User)> = Vec::new();
        for (number, line) in lines {
            let has_id = line.contains_key("id");
            match self.read_user_line(&types, line, directory) {
                Ok(user) => users.push((number, has_id, user)),
                Err(error) => imported.refused.push((number, error.to_string())),
            }
        }
        drop_repeated(&mut users, directory, &mut imported);
        // Most imports bring people who are all new: what is there is only asked for where that turns out wrong.
        let mut wanted: Vec<User> = users.iter().map(|(.., user)| user.clone()).collect();
        let mut rest = Imported::default();
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            let count = wanted.len() as u64;
            let rows: Vec<(User, AuditEvent)> = wanted
                .into_iter()
                .map(|user| {
                    let change = Change::of_user(None, Some(user.clone()));
                    let event = self.user_event(caller, &change, user.id);
                    (user, event)
                })
                .collect();
            match store.insert_users(&rows).await.map_err(Error::from) {
                Ok(()) => {
                    imported.add(Imported { users: count, ..rest });
                    imported.refused.sort_unstable_by_key(|(number, _)| *number);
                    return Ok(imported);
                }
                Err(Error::Busy | Error::Taken(_)) if attempts.again().await => {}
                Err(error) => return Err(error),
            }
            (wanted, rest) = self.sort_out(&store, users.clone(), directory).await?;
        }
    }

    /// Those that are not there yet, and what is to be said of the others.
    async fn sort_out(
        &self,
        store: &OrganizationStore,
        users: Vec<(u64, bool, User)>,
        directory: Option<DirectoryId>,
    ) -> Result<(Vec<User>, Imported), Error> {
        let all: Vec<User> = users.iter().map(|(.., user)| user.clone()).collect();
        let taken = store.find_taken(&all, directory).await?;
        let (mut wanted, mut rest) = (Vec::new(), Imported::default());
        for (number, has_id, user) in users {
            let name_is_taken = taken.name_keys.contains(&user.user_name_key());
            if taken.ids.contains(&user.id) || (name_is_taken && !has_id) {
                rest.existing += 1;
            } else if name_is_taken {
                rest.refused.push((number, "userName is already in use by somebody with another id".to_owned()));
            } else if user.external_id().is_some_and(|external| taken.external_ids.contains(external)) {
                rest.refused.push((number, "externalId is already in use in this directory".to_owned()));
            } else {
                wanted.push(user);
            }
        }
        Ok((wanted, rest))
    }

    fn read_user_line(
        &self,
        types: &ResourceTypes,
        mut line: Map<String, Value>,
        directory: Option<DirectoryId>,
    ) -> Result<User, Error> {
        let beside = take_beside(&mut line)?;
        let id = take_id(&mut line)?;
        let (created, last_modified) = self.times(&line);
        let attributes = read_whole(&types.user, &line)?;
        let writer = Writer { author: directory.map(Author::Directory), now: created, states_all: true };
        let id = UserId::new(id.unwrap_or_else(|| self.entropy.id(self.clock.now())));
        Ok(User {
            salt: self.new_salt(),
            hold: beside.held_since.map(|since| Hold { by: None, since, reason: beside.hold_reason }),
            protected: beside.is_protected,
            external: beside.is_external,
            avatar_url: beside.avatar_url,
            metadata: beside.metadata,
            created_by: None,
            updated_by: None,
            last_modified,
            ..User::create(id, UserDraft::new(attributes)?, writer)
        })
    }

    /// Puts in a group, or members of one that is there.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] for everyone but the operator; [`Error::Unavailable`]. What is wrong with the line is told.
    pub async fn import_group(
        &self,
        caller: &Caller,
        (number, line): Line,
        directory: Option<DirectoryId>,
    ) -> Result<Imported, Error> {
        caller.require_operator(Permission::GroupsManage)?;
        match self.try_import_group(caller, number, line, directory).await {
            Ok(imported) => Ok(imported),
            Err(error) => refused_or_failed(number, error),
        }
    }

    async fn try_import_group(
        &self,
        caller: &Caller,
        number: u64,
        mut line: Map<String, Value>,
        directory: Option<DirectoryId>,
    ) -> Result<Imported, Error> {
        let store = self.organization_of(caller).await?;
        let mut imported = Imported::default();
        let beside = take_beside(&mut line)?;
        let id = take_id(&mut line)?.map(GroupId::new);
        let (wanted, unreadable) = take_members(&mut line)?;
        let named = line.get("displayName").and_then(Value::as_str);
        let known = match (id, named) {
            (Some(id), _) => store.find_group(id).await?,
            (None, Some(name)) => store.find_group_by_name_key(&scim::fold(name)).await?,
            (None, None) => None,
        };
        let group = if let Some(known) = known {
            imported.existing += u64::from(named.is_some());
            known
        } else {
            let types = ResourceTypes::with(store.list_extensions().await?);
            let (created, last_modified) = self.times(&line);
            let attributes = read_whole(&types.group, &line)?;
            let writer = Writer { author: directory.map(Author::Directory), now: created, states_all: true };
            let id = id.unwrap_or_else(|| GroupId::new(self.entropy.id(self.clock.now())));
            let draft = GroupDraft::new(attributes)?;
            let made = Group::create(id, draft, writer);
            let group = Group { label: beside.label, created_by: None, updated_by: None, last_modified, ..made };
            let event = self.group_event(caller, &Change::of_group(None, Some(group.clone())), &MemberDelta::default());
            store.insert_group(&group, &MemberDelta::default(), &event).await?;
            imported.groups += 1;
            group
        };
        let (added, unknown) = self.add_members(caller, &store, group.id, &wanted).await?;
        imported.members += added;
        let unknown = unknown + unreadable;
        if unknown > 0 {
            imported.refused.push((number, format!("{unknown} members do not exist here and were left out")));
        }
        Ok(imported)
    }

    /// How many came, and how many nobody knows.
    async fn add_members(
        &self,
        caller: &Caller,
        store: &OrganizationStore,
        group: GroupId,
        wanted: &[Uuid],
    ) -> Result<(u64, u64), Error> {
        let wanted: HashSet<Uuid> = wanted.iter().copied().collect();
        let wanted: Vec<Uuid> = wanted.into_iter().collect();
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            let before = store.find_group(group).await?.ok_or(Error::NotFound(crate::domain::Noun::Group))?;
            let present = store.members_among(group, &wanted).await?;
            let coming: Vec<Uuid> = wanted.iter().copied().filter(|id| !present.contains_key(id)).collect();
            let kinds = store.kinds_of(&coming).await?;
            let unknown = (coming.len() - kinds.len()) as u64;
            let mut added: Vec<(Uuid, MemberKind)> = kinds.into_iter().collect();
            if added.is_empty() {
                return Ok((0, unknown));
            }
            added.sort_unstable_by_key(|(id, _)| *id);
            let delta = MemberDelta { added, removed: Vec::new() };
            let after = before.next(self.writer(caller));
            let event = self.group_event(caller, &Change::of_group(Some(before.clone()), Some(after.clone())), &delta);
            match store.update_group(&before, &after, &delta, &event).await.map_err(Error::from) {
                Ok(()) => return Ok((delta.added.len() as u64, unknown)),
                Err(Error::Busy) if attempts.again().await => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) async fn organization_of(&self, caller: &Caller) -> Result<OrganizationStore, Error> {
        let organization = caller.require(Permission::UserAccessRead)?;
        Ok(self.store.organization(organization).await?)
    }

    /// A part of all there is, in order of id.
    pub(super) fn everything<'q>(&self, count: u64, paging: &'q Paging) -> Query<'q, 'static> {
        Query {
            filter: None,
            sort: None,
            page: Page { start_index: 1, count },
            paging,
            max_scanned: self.limits.max_scanned,
            bytes: usize::MAX,
        }
    }

    /// When a resource was made and changed, if the line says so and it is past.
    fn times(&self, line: &Map<String, Value>) -> (DateTime<Utc>, DateTime<Utc>) {
        let now = self.clock.now();
        let of = |name: &str| {
            let text = line.get("meta")?.get(name)?.as_str()?;
            text.parse::<DateTime<Utc>>().ok().filter(|at| *at <= now)
        };
        let created = of("created").unwrap_or(now);
        (created, of("lastModified").unwrap_or(created))
    }
}

/// A resource all of which can be kept: what no schema has would be lost without a word.
fn read_whole(kind: &ResourceType, line: &Map<String, Value>) -> Result<Resource, Error> {
    let mut reading = Reading::new(Dialect::Auto);
    let attributes = Resource::read(kind, line, &mut reading)?;
    if reading.used().contains(&Tolerance::UnknownAttribute) {
        let detail = "it has attributes that no schema here has: set the extension first, or leave them out";
        return Err(scim::Error::new(scim::ScimType::InvalidValue, detail).into());
    }
    Ok(attributes)
}

fn refused(number: u64, why: impl ToString) -> Imported {
    Imported { refused: vec![(number, why.to_string())], ..Imported::default() }
}

/// What is wrong with a line is told; what is wrong with the store ends it.
fn refused_or_failed(number: u64, error: Error) -> Result<Imported, Error> {
    match error {
        Error::Unavailable(_) | Error::Internal(_) | Error::Busy | Error::Forbidden(_) => Err(error),
        wrong => Ok(refused(number, wrong)),
    }
}

/// Of lines that say the same id, name or external id twice the first counts.
fn drop_repeated(users: &mut Vec<(u64, bool, User)>, directory: Option<DirectoryId>, imported: &mut Imported) {
    let (mut ids, mut names, mut externals) = (HashSet::new(), HashSet::new(), HashSet::new());
    users.retain(|(number, _, user)| {
        // It is a directory's own: where none is in charge two people may have the same.
        let external = directory.and_then(|_| user.external_id()).map(str::to_owned);
        let repeated = if !ids.insert(user.id) {
            "id"
        } else if !names.insert(user.user_name_key()) {
            "userName"
        } else if external.is_some_and(|external| !externals.insert(external)) {
            "externalId"
        } else {
            return true;
        };
        imported.refused.push((*number, format!("{repeated} is that of a line before")));
        false
    });
}

fn with_beside(mut resource: Map<String, Value>, beside: &Beside) -> Value {
    let beside = json!(beside);
    if beside.as_object().is_some_and(|beside| !beside.is_empty()) {
        resource.insert(BESIDE.to_owned(), beside);
    }
    Value::Object(resource)
}

fn take_beside(line: &mut Map<String, Value>) -> Result<Beside, Error> {
    let Some(beside) = line.remove(BESIDE) else { return Ok(Beside::default()) };
    serde_json::from_value(beside)
        .map_err(|error| scim::Error::new(scim::ScimType::InvalidValue, format!("{BESIDE}: {error}")).into())
}

/// The id, if there is one; another's is not taken for ours.
fn take_id(line: &mut Map<String, Value>) -> Result<Option<Uuid>, Error> {
    match line.remove("id") {
        None => Ok(None),
        Some(Value::String(text)) => match id::parse(&text) {
            Some(id) => Ok(Some(id)),
            None => Err(wrong_id()),
        },
        Some(_) => Err(wrong_id()),
    }
}

/// The ids of the members, and how many have none that could be one of ours.
fn take_members(line: &mut Map<String, Value>) -> Result<(Vec<Uuid>, u64), Error> {
    let members = match line.remove("members") {
        None => return Ok((Vec::new(), 0)),
        Some(Value::Array(members)) => members,
        Some(_) => return Err(scim::Error::new(scim::ScimType::InvalidValue, "members: must be a list").into()),
    };
    let named = members.iter().filter_map(|member| member.get("value")?.as_str());
    let ids: Vec<Uuid> = named.filter_map(id::parse).collect();
    let unreadable = (members.len() - ids.len()) as u64;
    Ok((ids, unreadable))
}

fn wrong_id() -> Error {
    let detail = "id: must be a UUID in lower case as Rollcall gives them, or be left out";
    scim::Error::new(scim::ScimType::InvalidValue, detail).into()
}
