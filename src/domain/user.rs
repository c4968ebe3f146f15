//! A user: what one organization says about a person, as its directory wrote it and as it is answered.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use scim::schema::{ENTERPRISE_USER, ROLLCALL_USER};
use scim::{Reading, Resource, ResourceType, Tolerance, Version, fold};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::group::Membership;
use super::size::{object_bytes, text_bytes};
use super::{AccountId, Author, DirectoryId, Error, Field, UserId, id};

/// The size of what the server adds to the attributes of a resource, texts of its own not counted, in bytes: schemas, id, meta, the
/// extension with the holds, the manager's reference.
pub(crate) const ANSWER_BYTES: usize = 1_024;
/// A member or a group with its keys, id and reference, texts not counted, in bytes.
pub(crate) const ELEMENT_BYTES: usize = 160;

/// The longest value that is looked up by an index, in bytes.
pub const MAX_KEY_BYTES: usize = 1_024;

/// What one organization says about a person.
#[derive(Clone, Debug, PartialEq)]
pub struct User {
    /// Its id, on both faces.
    pub id: UserId,
    /// The SCIM attributes, canonical.
    pub attributes: Resource,
    /// Set while an administrator keeps the person out, or the person does; no directory can lift it.
    pub hold: Option<Hold>,
    /// Directories whose own `active` is not true. Each lifts only its own; `attributes.active` is false while there is one.
    pub kept_out_by: BTreeSet<DirectoryId>,
    /// Directories may not change this user (C120).
    pub protected: bool,
    /// The directory that wrote it last.
    pub directory: Option<DirectoryId>,
    /// The person, once proven.
    pub account: Option<AccountId>,
    /// Picture; stored, never fetched.
    pub avatar_url: Option<String>,
    /// Free object of the organization.
    pub metadata: Map<String, Value>,
    /// Which attributes directories write, and since when.
    pub authority: BTreeMap<String, Claim>,
    /// Opens, with the server's key, what the trail says about the person; empty: the trail says nothing.
    pub salt: String,
    /// The person controls the account, not the organization.
    pub external: bool,
    /// The readers that see the user.
    pub presence: Presence,
    /// Who made it.
    pub created_by: Option<Author>,
    /// Who changed it last.
    pub updated_by: Option<Author>,
    /// Last sign-in.
    pub last_login: Option<DateTime<Utc>>,
    /// Last use of a login or token, to the minute.
    pub last_seen: Option<DateTime<Utc>>,
    /// Counts the changes.
    pub version: u64,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// When it was last changed.
    pub last_modified: DateTime<Utc>,
}

/// The readers of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Directories and administrators.
    Full,
    /// Administrators: a directory deprovisioned it.
    Deprovisioned,
    /// Readers of past changes that name it: the data of the person is destroyed.
    Anonymized,
}

/// The reason of the hold on a user that a directory deprovisioned.
pub const DEPROVISIONED: &str = "DEPROVISIONED";

/// Why and since when a person is kept out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The user who decided; none: the operator.
    pub by: Option<UserId>,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Why.
    pub reason: Option<String>,
}

/// A directory writes an attribute: nobody else may (account model, G6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Which.
    pub directory: DirectoryId,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// The attributes a client wants a user to have, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct UserDraft(Resource);

impl UserDraft {
    /// Checks what SCIM leaves to the service: names and keys of sane length, without invisible trickery.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] naming the field.
    pub fn new(attributes: Resource) -> Result<Self, Error> {
        let user_name = attributes.text("userName").unwrap_or_default();
        check_key(Field::UserName, user_name)?;
        if fold(user_name).trim().is_empty() {
            return Err(Error::Invalid { field: Field::UserName, reason: "must have a visible character" });
        }
        if user_name.chars().any(is_deceptive) {
            let reason = "must not have control characters or marks of writing direction";
            return Err(Error::Invalid { field: Field::UserName, reason });
        }
        check_key(Field::ExternalId, attributes.text("externalId").unwrap_or_default())?;
        for address in addresses(&attributes) {
            check_key(Field::Email, address)?;
        }
        Ok(Self(without_manager_uri(attributes)))
    }
}

/// The manager's URI follows from its id, whatever a client sends.
fn without_manager_uri(mut attributes: Resource) -> Resource {
    let resource = attributes.attributes_mut();
    let Some(extension) = resource.get_mut(ENTERPRISE_USER).and_then(Value::as_object_mut) else { return attributes };
    if let Some(manager) = extension.get_mut("manager").and_then(Value::as_object_mut) {
        manager.remove("$ref");
        if manager.is_empty() {
            extension.remove("manager");
        }
    }
    if extension.is_empty() {
        resource.remove(ENTERPRISE_USER);
    }
    attributes
}

/// # Errors
///
/// [`Error::Invalid`] when the text is too long to be looked up.
pub(crate) fn check_key(field: Field, text: &str) -> Result<(), Error> {
    if text.len() > MAX_KEY_BYTES || fold(text).len() > MAX_KEY_BYTES {
        return Err(Error::Invalid { field, reason: "must be at most 1,024 bytes" });
    }
    Ok(())
}

/// Characters that make one name look like another (UN-04).
pub(crate) fn is_deceptive(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn addresses(attributes: &Resource) -> impl Iterator<Item = &str> {
    let emails = attributes.attributes().get("emails").and_then(Value::as_array);
    emails.into_iter().flatten().filter_map(|email| email.get("value").and_then(Value::as_str))
}

/// Who writes, and when.
#[derive(Clone, Copy, Debug)]
pub struct Writer {
    /// Who; none: the operator or the server.
    pub author: Option<Author>,
    /// The time of the change.
    pub now: DateTime<Utc>,
    /// Whether all attributes are stated, not only those that change: creation and PUT.
    pub states_all: bool,
}

impl Writer {
    /// The directory, if one writes.
    pub fn directory(self) -> Option<DirectoryId> {
        self.author.and_then(Author::directory)
    }

    /// The same writer, who states every attribute.
    #[must_use]
    pub fn stating_all(self) -> Self {
        Self { states_all: true, ..self }
    }

    /// A directory takes over the attributes it states.
    fn claim(self, authority: &mut BTreeMap<String, Claim>, before: &Map<String, Value>, after: &Map<String, Value>) {
        let Some(directory) = self.directory() else { return };
        let (before, after) = (claimable(before), claimable(after));
        let states = |name: &&String| self.states_all || before.get(*name) != after.get(*name);
        let gone = before.keys().filter(|name| !after.contains_key(*name));
        for name in after.keys().filter(states).chain(gone) {
            let known = authority.get(name).filter(|claim| claim.directory == directory);
            let since = known.map_or(self.now, |claim| claim.since);
            authority.insert(name.clone(), Claim { directory, since });
        }
    }
}

/// The values that have an owner, by name; those of the enterprise extension by their own names.
fn claimable(attributes: &Map<String, Value>) -> BTreeMap<String, &Value> {
    let own = attributes.iter().filter(|(_, value)| !value.is_null()).filter(|(name, _)| *name != ENTERPRISE_USER);
    let extension = attributes.get(ENTERPRISE_USER).and_then(Value::as_object);
    let extended = extension.into_iter().flatten();
    own.map(|(name, value)| (name.clone(), value))
        .chain(extended.map(|(name, value)| (format!("{ENTERPRISE_USER}:{name}"), value)))
        .collect()
}

impl User {
    /// A new user; active unless the client says otherwise.
    pub fn create(id: UserId, draft: UserDraft, writer: Writer) -> Self {
        let mut attributes = draft.0;
        let mut authority = BTreeMap::new();
        writer.claim(&mut authority, &Map::new(), attributes.attributes());
        attributes.attributes_mut().entry("active").or_insert(Value::Bool(true));
        let is_active = attributes.boolean("active") == Some(true);
        Self {
            id,
            attributes,
            hold: None,
            kept_out_by: writer.directory().filter(|_| !is_active).into_iter().collect(),
            protected: false,
            directory: writer.directory(),
            account: None,
            avatar_url: None,
            metadata: Map::new(),
            authority,
            salt: String::new(),
            external: false,
            presence: Presence::Full,
            created_by: writer.author,
            updated_by: writer.author,
            last_login: None,
            last_seen: None,
            version: 1,
            created: writer.now,
            last_modified: writer.now,
        }
    }

    /// What stands for somebody whose data is destroyed.
    pub fn anonymous(id: UserId, at: DateTime<Utc>) -> Self {
        let attributes = json!({"userName": id.to_string(), "displayName": "deleted user", "active": false});
        let attributes = Resource::from_stored(attributes.as_object().cloned().unwrap_or_default());
        let writer = Writer { author: None, now: at, states_all: false };
        Self { presence: Presence::Anonymized, ..Self::create(id, UserDraft(attributes), writer) }
    }

    /// The user as administrators see it after a directory's DELETE: disabled, provisioned by no directory, and without the
    /// account, which goes on without the organization. The stored user keeps its own hold.
    #[must_use]
    pub fn deprovisioned(self, by: DirectoryId, at: DateTime<Utc>) -> Self {
        let hold = Hold { by: None, since: at, reason: Some(DEPROVISIONED.to_owned()) };
        Self {
            presence: Presence::Deprovisioned,
            hold: Some(hold),
            account: None,
            version: self.version + 1,
            updated_by: Some(Author::Directory(by)),
            last_modified: at,
            ..self.without_directories()
        }
    }

    /// The user with other attributes: the next version, or this very one when nothing changes (C71, C77).
    #[must_use]
    pub fn with_attributes(&self, draft: UserDraft, writer: Writer) -> Self {
        let mut attributes = draft.0;
        let kept_out_by = self.kept_out_after(&mut attributes, writer);
        if attributes == self.attributes && kept_out_by == self.kept_out_by {
            return self.clone();
        }
        let mut authority = self.authority.clone();
        writer.claim(&mut authority, self.attributes.attributes(), attributes.attributes());
        let directory = writer.directory().or(self.directory);
        let version = self.version + 1;
        let (updated_by, last_modified) = (writer.author, writer.now);
        Self { attributes, kept_out_by, directory, authority, updated_by, version, last_modified, ..self.clone() }
    }

    /// The directories that keep the person out after a write of these attributes. A directory that sends `active: true` lifts
    /// its own flag only: while another one's says no, the attribute stays as it is.
    fn kept_out_after(&self, attributes: &mut Resource, writer: Writer) -> BTreeSet<DirectoryId> {
        let mut kept_out_by = self.kept_out_by.clone();
        let Some(directory) = writer.directory() else { return kept_out_by };
        let wanted = attributes.boolean("active");
        if wanted != Some(true) {
            // A state that no directory wrote, and that this one leaves as it is, does not become this one's.
            if wanted != self.seen_by(Some(directory)).active_flag() {
                kept_out_by.insert(directory);
            }
            return kept_out_by;
        }
        kept_out_by.remove(&directory);
        if !kept_out_by.is_empty() {
            match self.attributes.attributes().get("active") {
                Some(active) => attributes.attributes_mut().insert("active".to_owned(), active.clone()),
                None => attributes.attributes_mut().remove("active"),
            };
        }
        kept_out_by
    }

    /// The user as this directory wrote it: `active` is its own flag, whatever the others' say (account model 3.3).
    pub fn seen_by(&self, directory: Option<DirectoryId>) -> Cow<'_, Self> {
        let Some(directory) = directory.filter(|_| !self.kept_out_by.is_empty()) else { return Cow::Borrowed(self) };
        if self.kept_out_by.contains(&directory) {
            return Cow::Borrowed(self);
        }
        let mut seen = self.clone();
        seen.attributes.attributes_mut().insert("active".to_owned(), Value::Bool(true));
        Cow::Owned(seen)
    }

    /// The user without the flag of any directory: what is left of `active` is the organization's own.
    #[must_use]
    pub fn without_directories(self) -> Self {
        Self { directory: None, authority: BTreeMap::new(), kept_out_by: BTreeSet::new(), ..self }
    }

    /// The user, all of whose attributes that SCIM can carry this directory takes over.
    #[must_use]
    pub fn claimed_whole(mut self, directory: DirectoryId) -> Self {
        for name in super::profile::ProfileField::ALL.into_iter().filter_map(super::profile::ProfileField::claimed_as) {
            let since = self.last_modified;
            let claim = self.authority.entry(name.to_owned()).or_insert(Claim { directory, since });
            if claim.directory != directory {
                *claim = Claim { directory, since };
            }
        }
        self
    }

    /// The user with the profile of before: of what was to change only whether they are in, and the client's own id.
    #[must_use]
    pub fn with_profile_of(self, before: &Self) -> Self {
        let mut attributes = before.attributes.clone();
        let (new, kept) = (self.attributes.attributes(), attributes.attributes_mut());
        for name in ["active", "externalId"] {
            match new.get(name) {
                Some(value) => kept.insert(name.to_owned(), value.clone()),
                None => kept.remove(name),
            };
        }
        if attributes == before.attributes && self.kept_out_by == before.kept_out_by {
            return before.clone();
        }
        Self { attributes, authority: before.authority.clone(), ..self }
    }

    /// The next version, by this writer.
    #[must_use]
    pub fn next(&self, writer: Writer) -> Self {
        Self { version: self.version + 1, updated_by: writer.author, last_modified: writer.now, ..self.clone() }
    }

    /// The next version, kept out by nobody any more: neither by the organization nor by a directory.
    #[must_use]
    pub fn admitted(&self, writer: Writer) -> Self {
        let mut after = Self { hold: None, kept_out_by: BTreeSet::new(), ..self.next(writer) };
        after.attributes.attributes_mut().insert("active".to_owned(), Value::Bool(true));
        after
    }

    /// The attributes, to be given to another user.
    pub fn draft(&self) -> UserDraft {
        UserDraft(self.attributes.clone())
    }

    /// What a PUT means (C68): `active` stays when it is absent, `externalId` in the lenient dialects too.
    #[must_use]
    pub fn replacement(&self, mut body: Resource, reading: &mut Reading) -> Resource {
        let stored = self.attributes.attributes();
        keep_external_id(stored, &mut body, reading);
        body.attributes_mut().entry("active").or_insert(Value::Bool(self.active()));
        body
    }

    /// The name, as the client wrote it.
    pub fn user_name(&self) -> &str {
        self.attributes.text("userName").unwrap_or_default()
    }

    /// The name, as it is compared (C27).
    pub fn user_name_key(&self) -> String {
        fold(self.user_name())
    }

    /// The client's own id.
    pub fn external_id(&self) -> Option<&str> {
        self.attributes.text("externalId")
    }

    /// The addresses, as they are compared.
    pub fn email_keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = addresses(&self.attributes).map(fold).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// The addresses at which the person is invited, as they are looked up: the user's own, or the name where it is all there is.
    pub fn invited_at(&self) -> Vec<String> {
        let own: Vec<String> = addresses(&self.attributes).map(super::email::lookup_key).collect();
        if own.is_empty() { vec![super::email::lookup_key(self.user_name())] } else { own }
    }

    /// The id of the manager, whether or not anyone has it (C37).
    pub fn manager(&self) -> Option<&str> {
        self.attributes.attributes().get(ENTERPRISE_USER)?.get("manager")?.get("value")?.as_str()
    }

    /// The directory's own flag, unless a PATCH removed it.
    pub fn active_flag(&self) -> Option<bool> {
        self.attributes.boolean("active")
    }

    /// What the flag comes to. A removed one keeps the person out: doubt is no reason to let someone in.
    pub fn active(&self) -> bool {
        self.active_flag().unwrap_or(false)
    }

    /// Whether the person may use the organization: no directory says no, and nobody holds them back.
    pub fn is_admitted(&self) -> bool {
        self.active() && self.hold.is_none()
    }

    /// Whether a directory created the user or set one of its attributes.
    pub fn is_claimed(&self) -> bool {
        self.directory.is_some() || !self.authority.is_empty()
    }

    /// The user as stored attributes plus what every resource has, for filters and sorting. `meta.location` and
    /// `meta.version` are not among it: they depend on the request.
    pub fn searchable(&self, memberships: Option<&[Membership]>) -> Map<String, Value> {
        let mut object = self.attributes.attributes().clone();
        object.insert("schemas".to_owned(), json!(self.attributes.schemas(ResourceType::user())));
        object.insert("id".to_owned(), json!(self.id.to_string()));
        object.insert("meta".to_owned(), meta(ResourceType::user(), self.created, self.last_modified));
        if let Some(memberships) = memberships
            && !memberships.is_empty()
        {
            object.insert("groups".to_owned(), memberships.iter().map(|group| group.to_scim(None)).collect());
        }
        object
    }
}

/// `externalId` stays when a PUT leaves it out, in the lenient dialects (C68).
pub(crate) fn keep_external_id(stored: &Map<String, Value>, body: &mut Resource, reading: &mut Reading) {
    if let Some(external_id) = stored.get("externalId")
        && !body.attributes().contains_key("externalId")
        && reading.tolerates(Tolerance::AbsentExternalIdKept)
    {
        body.attributes_mut().insert("externalId".to_owned(), external_id.clone());
    }
}

/// The `meta` that does not depend on the request.
pub(crate) fn meta(kind: &ResourceType, created: DateTime<Utc>, last_modified: DateTime<Utc>) -> Value {
    json!({"resourceType": kind.name, "created": instant(created), "lastModified": instant(last_modified)})
}

fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

/// A user with what the store computes about it.
#[derive(Clone, Debug)]
pub struct UserView {
    /// The user.
    pub user: User,
    /// The groups it is in, direct and by nesting.
    pub memberships: Vec<Membership>,
    /// Its manager, where that is a user.
    pub manager: Option<Manager>,
}

/// Who someone's manager is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manager {
    /// What people call them, if they say so.
    pub display: Option<String>,
}

impl UserView {
    /// A user that is in no group and whose manager is not looked up.
    pub fn alone(user: User) -> Self {
        Self { user, memberships: Vec::new(), manager: None }
    }

    /// The version of the whole representation (C123): the user's own changes, and a fingerprint of what others
    /// contribute to it, the groups and the manager's name.
    pub fn version(&self) -> Version {
        if self.memberships.is_empty() && self.manager.is_none() {
            return Version::new(self.user.version.to_string());
        }
        let mut hash = Sha256::new();
        for membership in &self.memberships {
            hash.update(format!("{membership:?}\n"));
        }
        hash.update(format!("{:?}", self.manager));
        let fingerprint = hash.finalize();
        let short: String = fingerprint[..6].iter().map(|byte| format!("{byte:02x}")).collect();
        Version::new(format!("{}.{short}", self.user.version))
    }

    /// The resource as answered to this directory, all attributes. `base`: the SCIM base URL without a trailing slash.
    pub fn to_scim(&self, base: &str, reader: Option<DirectoryId>) -> Map<String, Value> {
        let user = &self.user;
        let seen = user.seen_by(reader);
        let mut object = seen.searchable(None);
        if !self.memberships.is_empty() {
            object
                .insert("groups".to_owned(), self.memberships.iter().map(|group| group.to_scim(Some(base))).collect());
        }
        if let Some(manager) = object.get_mut(ENTERPRISE_USER).and_then(|extension| extension.get_mut("manager")) {
            self.describe_manager(base, manager);
        }
        if user.hold.is_some() || user.protected || seen.active() != user.active() {
            object.insert(ROLLCALL_USER.to_owned(), self.extension());
            if let Some(schemas) = object.get_mut("schemas").and_then(Value::as_array_mut) {
                schemas.push(json!(ROLLCALL_USER));
            }
        }
        if let Some(meta) = object.get_mut("meta") {
            meta["location"] = json!(format!("{base}/Users/{}", user.id));
            meta["version"] = json!(self.version().to_string());
        }
        object
    }

    /// How many bytes the answer takes, at most. `base`: how long the SCIM base URL is.
    pub fn answer_bytes(&self, base: usize) -> usize {
        let groups = self.memberships.iter().map(|group| ELEMENT_BYTES + base + text_bytes(&group.display));
        let manager = self.manager.as_ref().and_then(|manager| manager.display.as_deref()).map_or(0, text_bytes);
        object_bytes(self.user.attributes.attributes()) + ANSWER_BYTES + 2 * base + manager + groups.sum::<usize>()
    }

    fn extension(&self) -> Value {
        let user = &self.user;
        json!({"effectiveActive": user.is_admitted(), "locallyHeld": user.hold.is_some(), "protected": user.protected})
    }

    fn describe_manager(&self, base: &str, manager: &mut Value) {
        // Nobody by that id (yet): there is nothing to point to (C37).
        let (Some(id), Some(known)) = (manager.get("value").and_then(Value::as_str), &self.manager) else { return };
        manager["$ref"] = json!(format!("{base}/Users/{id}"));
        if let Some(display) = &known.display {
            manager["displayName"] = json!(display);
        }
    }
}

/// What the store knows about several users at once.
#[derive(Clone, Debug, Default)]
pub struct Related {
    /// Groups by user.
    pub memberships: HashMap<UserId, Vec<Membership>>,
    /// What people call the managers, by id; those that are nobody are left out.
    pub managers: HashMap<Uuid, Option<String>>,
}

impl Related {
    /// Joins a user with what is known about it.
    pub fn view(&mut self, user: User) -> UserView {
        let memberships = self.memberships.remove(&user.id).unwrap_or_default();
        let known = user.manager().and_then(id::parse).and_then(|manager| self.managers.get(&manager));
        let manager = known.map(|display| Manager { display: display.clone() });
        UserView { user, memberships, manager }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(attributes: Value) -> Result<UserDraft, Error> {
        UserDraft::new(Resource::from_stored(attributes.as_object().expect("an object").clone()))
    }

    fn user() -> User {
        let writer = Writer { author: None, now: DateTime::UNIX_EPOCH, states_all: true };
        let attributes = json!({"userName": "Ada@Example.com", "externalId": "x"});
        User::create(UserId::new(Uuid::nil()), draft(attributes).expect("valid"), writer)
    }

    #[test]
    fn un04_names_may_not_deceive() {
        for name in ["a\u{202e}b", "a\u{7}b", "\u{200b}", "a\u{85}"] {
            assert!(draft(json!({ "userName": name })).is_err(), "{name:?}");
        }
        assert!(draft(json!({"userName": "x".repeat(MAX_KEY_BYTES + 1)})).is_err());
        assert!(draft(json!({"userName": "\u{fdfa}".repeat(300)})).is_err(), "DO-12: long after folding");
        assert!(draft(json!({"userName": "Ada Lovelace (内部)"})).is_ok());
    }

    #[test]
    fn c71_equal_attributes_are_no_new_version() {
        let user = user();
        let later = Writer { author: None, now: DateTime::UNIX_EPOCH + chrono::TimeDelta::days(1), states_all: true };
        let same = draft(json!({"userName": "Ada@Example.com", "externalId": "x", "active": true})).expect("valid");
        assert_eq!(user.with_attributes(same, later), user);
        let other = draft(json!({"userName": "ada@example.com"})).expect("valid");
        let changed = user.with_attributes(other, later);
        assert_eq!((changed.version, changed.last_modified), (2, later.now));
    }

    #[test]
    fn a_deprovisioned_user_is_out_and_belongs_to_no_directory() {
        let (okta, at) = (DirectoryId::new(Uuid::from_u128(1)), DateTime::UNIX_EPOCH + chrono::TimeDelta::days(1));
        let user = User { directory: Some(okta), account: Some(AccountId::new(Uuid::nil())), ..user() };
        let seen = user.clone().deprovisioned(okta, at);
        assert!(!seen.is_admitted() && !seen.is_claimed() && seen.account.is_none());
        assert_eq!(seen.hold.and_then(|hold| hold.reason).as_deref(), Some("DEPROVISIONED"));
        assert_eq!((seen.version, seen.last_modified), (user.version + 1, at));
    }

    /// S-4: two directories, one flag each.
    #[test]
    fn a_directory_lifts_only_its_own_flag() {
        let [okta, entra] = [1, 2].map(|number| DirectoryId::new(Uuid::from_u128(number)));
        let at = DateTime::UNIX_EPOCH;
        let writer = |id| Writer { author: Some(Author::Directory(id)), now: at, states_all: false };
        let written = |user: &User, active: Value, id| {
            let mut attributes = user.seen_by(Some(id)).attributes.clone();
            attributes.attributes_mut().insert("active".to_owned(), active);
            user.with_attributes(UserDraft::new(attributes).expect("valid"), writer(id))
        };
        let out = written(&user(), json!(false), okta);
        assert!(!out.is_admitted());
        assert_eq!(written(&out, json!(true), entra), out, "it has none to lift");
        assert_eq!(out.seen_by(Some(entra)).active_flag(), Some(true));
        assert_eq!(out.seen_by(Some(okta)).active_flag(), Some(false));
        let both = written(&out, json!(false), entra);
        let one = written(&both, json!(true), okta);
        assert!(!one.is_admitted(), "the other's is still false");
        assert_eq!(one.seen_by(Some(okta)).active_flag(), Some(true));
        assert!(written(&one, json!(true), entra).is_admitted());
        // A state that no directory wrote stays nobody's.
        let mut inactive = user();
        inactive.attributes.attributes_mut().insert("active".to_owned(), json!(false));
        let mut titled = inactive.attributes.clone();
        titled.attributes_mut().insert("title".to_owned(), json!("Dr"));
        let titled = inactive.with_attributes(UserDraft::new(titled).expect("valid"), writer(okta));
        assert!(titled.kept_out_by.is_empty() && !titled.is_admitted());
        assert!(written(&titled, json!(true), entra).is_admitted());
    }

    #[test]
    fn c68_put_keeps_active_and_leniently_the_external_id() {
        let mut inactive = user();
        inactive.attributes.attributes_mut().insert("active".to_owned(), json!(false));
        let body = Resource::from_stored(Map::from_iter([("userName".to_owned(), json!("a"))]));
        let lenient = inactive.replacement(body.clone(), &mut Reading::new(scim::Dialect::Auto));
        assert_eq!(lenient.attributes()["externalId"], "x");
        let strict = inactive.replacement(body, &mut Reading::new(scim::Dialect::Rfc));
        assert_eq!(Value::Object(strict.into_attributes()), json!({"userName": "a", "active": false}));
    }

    #[test]
    fn c123_the_version_follows_the_groups_too() {
        let mut view = UserView::alone(user());
        let alone = view.version();
        let membership = |display: &str| Membership {
            group: crate::domain::GroupId::new(Uuid::nil()),
            display: display.to_owned(),
            direct: true,
        };
        view.memberships.push(membership("Eng"));
        let grouped = view.version();
        view.memberships[0] = membership("Engineering");
        assert!(alone != grouped && grouped != view.version());
    }
}
