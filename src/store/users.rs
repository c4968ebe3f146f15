//! Users: rows and queries.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use scim::{Resource, fold};
use serde_json::{Value as Json, json};
use surrealdb::types::{RecordId, SurrealValue, Uuid, Value};

use super::error::settle;
use super::invitations::push_answers;
use super::list::Row;
use super::owners::{OwnerWatch, push_owner_guard, push_owner_watch};
use super::write::Write;
use super::{DatabaseName, OrganizationStore, StoreError, consequences, millis, uuid};
use crate::domain::audit::AuditEvent;
use crate::domain::invitation::Invitation;
use crate::domain::user::{Claim, Hold, Presence, User};
use crate::domain::{AccountId, Author, DirectoryId, OrganizationId, UserId};

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
pub(super) struct UserRow {
    id: RecordId,
    /// The id once more, as a column with an index: pages go on by it. None in what is kept of those deleted before there was one.
    position: Option<Uuid>,
    attributes: Json,
    user_name_key: String,
    external_id: Option<String>,
    external_key: Option<String>,
    email_keys: Vec<String>,
    manager: Option<String>,
    active: Option<bool>,
    locally_held: bool,
    hold: Option<HoldRow>,
    /// None for no directory. In rows of versions without it the last writer's flag is in `active`.
    kept_out_by: Option<Vec<Uuid>>,
    protected: bool,
    directory: Option<Uuid>,
    account: Option<Uuid>,
    avatar_url: Option<String>,
    metadata: Option<Json>,
    claimed: Vec<String>,
    authority: Option<Json>,
    salt: String,
    external: bool,
    display_key: String,
    created_by: Option<String>,
    updated_by: Option<String>,
    last_login: i64,
    last_seen: Option<i64>,
    version: i64,
    created: i64,
    last_modified: i64,
}

#[derive(PartialEq, SurrealValue)]
#[surreal(crate = "surrealdb::types")]
struct HoldRow {
    by: Option<uuid::Uuid>,
    since: i64,
    reason: Option<String>,
}

/// A hold as it is kept.
pub(super) fn hold_value(hold: &Hold) -> Value {
    HoldRow::from(hold).into_value()
}

impl From<&Hold> for HoldRow {
    fn from(hold: &Hold) -> Self {
        Self { by: hold.by.map(UserId::uuid), since: millis(hold.since), reason: hold.reason.clone() }
    }
}

/// The directories whose flag says no.
fn kept_out_by(row: &UserRow) -> BTreeSet<DirectoryId> {
    match (&row.kept_out_by, row.directory) {
        (Some(directories), _) => directories.iter().map(|id| DirectoryId::new(id.into_inner())).collect(),
        (None, Some(last)) if row.active != Some(true) => BTreeSet::from([DirectoryId::new(last.into_inner())]),
        (None, _) => BTreeSet::new(),
    }
}

/// Whether the row says which directories' flags say no: also that none does, where it would look like the last writer's.
fn is_kept_out_told(user: &User) -> bool {
    !user.kept_out_by.is_empty() || (user.directory.is_some() && !user.active())
}

/// Claims as they are kept: those of the user's own directory since creation by name alone, the others in full.
fn claims(user: &User) -> (Vec<String>, Option<Json>) {
    let is_plain = |claim: &Claim| Some(claim.directory) == user.directory && claim.since == user.created;
    let (plain, other): (Vec<_>, Vec<_>) = user.authority.iter().partition(|(_, claim)| is_plain(claim));
    let other: serde_json::Map<String, Json> = other
        .into_iter()
        .map(|(name, claim)| (name.clone(), json!([claim.directory.to_string(), claim.since.timestamp_millis()])))
        .collect();
    (plain.into_iter().map(|(name, _)| name.clone()).collect(), (!other.is_empty()).then_some(Json::Object(other)))
}

fn authority(row: &UserRow) -> BTreeMap<String, Claim> {
    let mut authority = BTreeMap::new();
    if let Some(directory) = row.directory {
        let claim = Claim { directory: DirectoryId::new(directory.into_inner()), since: instant(row.created) };
        authority.extend(row.claimed.iter().map(|name| (name.clone(), claim)));
    }
    for (name, value) in row.authority.as_ref().and_then(Json::as_object).into_iter().flatten() {
        if let (Some(directory), Some(since)) = (value[0].as_str().and_then(|id| id.parse().ok()), value[1].as_i64()) {
            authority.insert(name.clone(), Claim { directory, since: instant(since) });
        }
    }
    authority
}

/// The record of a user.
pub(super) fn user_record(id: UserId) -> RecordId {
    RecordId::new("user", uuid(id.uuid()))
}

/// `externalId` is unique per directory (C30): the key is both. Where no directory is in charge it is nobody's key.
pub(super) fn external_key(directory: Option<DirectoryId>, external_id: Option<&str>) -> Option<String> {
    Some(format!("{}:{}", directory?, external_id?))
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
        let (claimed, authority) = claims(user);
        Self {
            id: user_record(user.id),
            position: Some(uuid(user.id.uuid())),
            attributes: Json::Object(user.attributes.attributes().clone()),
            user_name_key: user.user_name_key(),
            external_id: user.external_id().map(str::to_owned),
            external_key: external_key(user.directory, user.external_id()),
            email_keys: user.email_keys(),
            manager: user.manager().map(str::to_owned),
            active: user.active_flag(),
            locally_held: user.hold.is_some(),
            hold: user.hold.as_ref().map(HoldRow::from),
            kept_out_by: is_kept_out_told(user).then(|| user.kept_out_by.iter().map(|id| uuid(id.uuid())).collect()),
            protected: user.protected,
            directory: user.directory.map(|id| uuid(id.uuid())),
            account: user.account.map(|id| uuid(id.uuid())),
            avatar_url: user.avatar_url.clone(),
            metadata: (!user.metadata.is_empty()).then(|| Json::Object(user.metadata.clone())),
            claimed,
            authority,
            salt: user.salt.clone(),
            external: user.external,
            display_key: fold(user.display_name()),
            created_by: user.created_by.map(Author::stored),
            updated_by: user.updated_by.map(Author::stored),
            last_login: user.last_login.map(millis).unwrap_or_default(),
            last_seen: user.last_seen.map(millis),
            version: i64::try_from(user.version).unwrap_or(i64::MAX),
            created: user.created.timestamp_millis(),
            last_modified: user.last_modified.timestamp_millis(),
        }
    }
}

/// Whoever is named.
pub(super) fn author(stored: Option<&str>) -> Option<Author> {
    stored.and_then(Author::read)
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

impl UserRow {
    /// What a version of a user says: what sign-ins write beside it is theirs.
    fn into_version(self) -> Value {
        let mut columns = self.into_value();
        if let Value::Object(columns) = &mut columns {
            columns.remove("last_login");
            columns.remove("last_seen");
        }
        columns
    }
}

impl Row for UserRow {
    type Entity = User;

    fn into_entity(self) -> Result<User, StoreError> {
        let (authority, kept_out_by) = (authority(&self), kept_out_by(&self));
        Ok(User {
            id: UserId::new(key(&self.id)?),
            attributes: resource(self.attributes)?,
            hold: self.hold.map(|hold| Hold {
                by: hold.by.map(UserId::new),
                since: instant(hold.since),
                reason: hold.reason,
            }),
            kept_out_by,
            protected: self.protected,
            directory: self.directory.map(|id| DirectoryId::new(id.into_inner())),
            account: self.account.map(|id| AccountId::new(id.into_inner())),
            avatar_url: self.avatar_url,
            metadata: self.metadata.and_then(|metadata| metadata.as_object().cloned()).unwrap_or_default(),
            authority,
            salt: self.salt,
            external: self.external,
            presence: Presence::Full,
            created_by: author(self.created_by.as_deref()),
            updated_by: author(self.updated_by.as_deref()),
            last_login: (self.last_login > 0).then(|| instant(self.last_login)),
            last_seen: self.last_seen.map(instant),
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

    /// The users with these ids; those that are not there are left out.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_users(&self, ids: &[UserId]) -> Result<Vec<User>, StoreError> {
        let mut users = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(500) {
            let records: Vec<RecordId> = chunk.iter().map(|id| user_record(*id)).collect();
            let rows: Vec<UserRow> =
                settle(self.0.query("SELECT * FROM $ids").bind(("ids", records)).await?)?.take(0)?;
            for row in rows {
                users.push(row.into_entity()?);
            }
        }
        Ok(users)
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

    /// Who has this folded name.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_user_id_by_name_key(&self, name_key: &str) -> Result<Option<UserId>, StoreError> {
        let query =
            self.0.query("SELECT VALUE id FROM user WHERE user_name_key = $key").bind(("key", name_key.to_owned()));
        let ids: Vec<RecordId> = settle(query.await?)?.take(0)?;
        ids.first().map(|id| key(id).map(UserId::new)).transpose()
    }

    /// Adds a user with its audit event.
    ///
    /// # Errors
    ///
    /// [`StoreError::Taken`] for its name or external id; [`StoreError::Invited`] for an address that is, if asked.
    pub async fn insert_user(&self, user: &User, unless_invited: bool, event: &AuditEvent) -> Result<(), StoreError> {
        let mut write = Write::new(self.1, event);
        if unless_invited && !user.email_keys().is_empty() {
            write.push("IF array::any($addresses.invitation) { THROW 'invited' };");
            let address = |key| RecordId::new("invited_address", key);
            write.bind("addresses", user.email_keys().into_iter().map(address).collect::<Vec<RecordId>>());
        }
        push_new_user(&mut write, user);
        write.touches_only([user.id.uuid()]);
        write.commit(&self.0).await
    }

    /// Puts the next version in the place of the one it was made from.
    ///
    /// # Errors
    ///
    /// [`StoreError::Outdated`] when it is no longer that version; [`StoreError::Taken`]; [`StoreError::LastOwner`].
    pub async fn update_user(
        &self,
        before: &User,
        after: &User,
        watch: OwnerWatch<'_>,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        self.update_user_with(before, after, &[], watch, event).await
    }

    /// Does the same, and ends open invitations, each with an event of its own.
    ///
    /// # Errors
    ///
    /// As [`OrganizationStore::update_user`]; [`StoreError::Outdated`] when an invitation is no longer what was read.
    pub(crate) async fn update_user_with(
        &self,
        before: &User,
        after: &User,
        given_up: &[(Invitation, Invitation, AuditEvent)],
        watch: OwnerWatch<'_>,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        let mut write = Write::new(self.1, event);
        if !given_up.is_empty() {
            write.also(given_up.iter().map(|(.., event)| event));
            push_answers(&mut write, given_up.iter().map(|(before, after, _)| (before, after)));
        }
        push_owner_watch(&mut write, watch);
        push_update(&mut write, before, after);
        consequences::push_end_access(&mut write, event, before);
        push_owner_guard(&mut write, watch);
        // Those whose manager it is show what it is called.
        if before.attributes.text("displayName") == after.attributes.text("displayName") {
            write.touches_only([after.id.uuid()]);
        }
        write.commit(&self.0).await
    }

    /// The user of an account here.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_user_by_account(&self, account: AccountId) -> Result<Option<User>, StoreError> {
        let query = self.0.query("SELECT * FROM user WHERE account = $account").bind(("account", uuid(account.uuid())));
        let rows: Vec<UserRow> = settle(query.await?)?.take(0)?;
        rows.into_iter().next().map(Row::into_entity).transpose()
    }

    /// The users that have this address, at most `limit`.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_users_by_email(&self, key: &str, limit: usize) -> Result<Vec<User>, StoreError> {
        let query = self
            .0
            .query("SELECT * FROM user WHERE email_keys CONTAINS $key LIMIT $limit")
            .bind(("key", key.to_owned()))
            .bind(("limit", limit));
        let rows: Vec<UserRow> = settle(query.await?)?.take(0)?;
        rows.into_iter().map(Row::into_entity).collect()
    }

    /// The users with this external id, at most `limit`.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_users_by_external_id(&self, id: &str, limit: usize) -> Result<Vec<User>, StoreError> {
        let query = self
            .0
            .query("SELECT * FROM user WHERE external_id = $id LIMIT $limit")
            .bind(("id", id.to_owned()))
            .bind(("limit", limit));
        let rows: Vec<UserRow> = settle(query.await?)?.take(0)?;
        rows.into_iter().map(Row::into_entity).collect()
    }

    /// Notes that a user was active. Not a change: nothing that is remembered of the user is outdated by it.
    ///
    /// # Errors
    ///
    /// When the store fails; a user that is gone is no failure.
    pub async fn touch_user(&self, id: UserId, now: DateTime<Utc>) -> Result<(), StoreError> {
        let query = self
            .0
            .query("UPDATE $id SET last_seen = $now RETURN NONE")
            .bind(("id", user_record(id)))
            .bind(("now", millis(now)));
        settle(query.await?).map(drop)
    }
}

/// Where it says which service account has a name.
fn name_record(name_key: String) -> RecordId {
    RecordId::new("service_account_name", name_key)
}

/// No service account has one of these names.
pub(super) fn push_name_check(write: &mut Write, name_keys: impl IntoIterator<Item = String>) {
    write.push("IF array::any($names.service_account) { THROW 'name taken' };");
    write.bind("names", name_keys.into_iter().map(name_record).collect::<Vec<RecordId>>());
}

/// Adds a user.
pub(super) fn push_new_user(write: &mut Write, user: &User) {
    push_name_check(write, [user.user_name_key()]);
    write.push("CREATE $id CONTENT $user RETURN NONE;");
    write.user_comes(user.id);
    write.bind("id", user_record(user.id));
    write.bind("user", UserRow::from(user));
}

/// Puts the next version of a user in the place of the one it was made from. What sign-ins write beside it stays. An `IF`
/// that looks at what the `UPDATE` answered would cost an eighth of the whole change more (SurrealDB 3.3.5).
pub(super) fn push_update(write: &mut Write, before: &User, after: &User) {
    if before.user_name_key() != after.user_name_key() {
        push_name_check(write, [after.user_name_key()]);
    }
    write.push(
        "LET $changed = (UPDATE ONLY $id CONTENT object::extend($this, $user) WHERE version = $version \
         RETURN VALUE version) ?? { THROW 'outdated' };",
    );
    write.bind("id", user_record(after.id));
    write.bind("version", super::stored(before.version));
    write.bind("user", UserRow::from(after).into_version());
}

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
struct UserChange {
    version: i64,
    id: RecordId,
    name: RecordId,
    user: Value,
}

/// Users of one person in several organizations, each in its own database. The batch is in `identity` before and after.
pub(super) fn push_users(write: &mut Write, users: &[(OrganizationId, User, User)]) {
    if users.is_empty() {
        return;
    }
    write.touches_everybody();
    for (index, (organization, ..)) in users.iter().enumerate() {
        write.use_database(&DatabaseName::of(*organization));
        write.push_element("change", "user_changes", index);
        write.push("IF $change.name.service_account != NONE { THROW 'name taken' };");
        write.push(
            "LET $changed = (UPDATE ONLY $change.id CONTENT object::extend($this, $change.user) \
             WHERE version = $change.version RETURN VALUE version) ?? { THROW 'outdated' };",
        );
    }
    write.use_database(&DatabaseName::identity());
    let changes: Vec<UserChange> = users
        .iter()
        .map(|(_, before, after)| UserChange {
            version: super::stored(before.version),
            id: user_record(before.id),
            name: name_record(after.user_name_key()),
            user: UserRow::from(after).into_version(),
        })
        .collect();
    write.bind("user_changes", changes);
}
