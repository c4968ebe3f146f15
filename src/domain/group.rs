//! A group of users and other groups. Its members are edges in the store, never a list in the group (D5).

use chrono::{DateTime, Utc};
use scim::{Resource, ResourceType, Version, fold};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::login::names;
use super::size::{object_bytes, text_bytes};
use super::user::{ANSWER_BYTES, ELEMENT_BYTES, Writer, check_key, is_deceptive, meta};
use super::{Author, DirectoryId, Error, Field, GroupId};

/// A group without its members.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Its id, on both faces.
    pub id: GroupId,
    /// The SCIM attributes but `members`, canonical.
    pub attributes: Resource,
    /// The directory that wrote it last.
    pub directory: Option<DirectoryId>,
    /// What people call it, where that is not its name.
    pub label: Option<String>,
    /// The role a new member gets inside the group, by key.
    pub default_role: Option<String>,
    /// Who made it.
    pub created_by: Option<Author>,
    /// Who changed it last.
    pub updated_by: Option<Author>,
    /// Counts the changes, those of members included.
    pub version: u64,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// When it or its members last changed.
    pub last_modified: DateTime<Utc>,
}

/// The attributes a client wants a group to have, checked, without `members`.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupDraft(Resource);

impl GroupDraft {
    /// # Errors
    ///
    /// [`Error::Invalid`] naming the field.
    pub fn new(attributes: Resource) -> Result<Self, Error> {
        let display_name = attributes.text("displayName").unwrap_or_default();
        check_key(Field::DisplayName, display_name)?;
        if fold(display_name).trim().is_empty() || display_name.chars().any(is_deceptive) {
            let reason = "must have a visible character and no control characters";
            return Err(Error::Invalid { field: Field::DisplayName, reason });
        }
        check_key(Field::ExternalId, attributes.text("externalId").unwrap_or_default())?;
        Ok(Self(attributes))
    }
}

impl Group {
    /// A new group.
    pub fn create(id: GroupId, draft: GroupDraft, writer: Writer) -> Self {
        Self {
            id,
            attributes: draft.0,
            directory: writer.directory(),
            label: None,
            default_role: None,
            created_by: writer.author,
            updated_by: writer.author,
            version: 1,
            created: writer.now,
            last_modified: writer.now,
        }
    }

    /// The group with other attributes, and with members changed or not: the next version, or this very one when
    /// neither changes (C77, C105).
    #[must_use]
    pub fn changed(&self, draft: GroupDraft, members_changed: bool, writer: Writer) -> Self {
        if draft.0 == self.attributes && !members_changed {
            return self.clone();
        }
        Self { attributes: draft.0, directory: writer.directory().or(self.directory), ..self.next(writer) }
    }

    /// The next version, by this writer.
    #[must_use]
    pub fn next(&self, writer: Writer) -> Self {
        Self { version: self.version + 1, updated_by: writer.author, last_modified: writer.now, ..self.clone() }
    }

    /// The attributes, to be changed.
    pub fn draft_named(&self, name: &str) -> Result<GroupDraft, Error> {
        let mut attributes = self.attributes.clone();
        attributes.attributes_mut().insert("displayName".to_owned(), json!(name));
        GroupDraft::new(attributes)
    }

    /// What people call it.
    pub fn label(&self) -> &str {
        self.label.as_deref().unwrap_or_else(|| self.display_name())
    }

    /// The name, as the client wrote it.
    pub fn display_name(&self) -> &str {
        self.attributes.text("displayName").unwrap_or_default()
    }

    /// The name, as it is compared.
    pub fn display_name_key(&self) -> String {
        fold(self.display_name())
    }

    /// The client's own id.
    pub fn external_id(&self) -> Option<&str> {
        self.attributes.text("externalId")
    }

    /// The version of the representation. It counts changes of the members, not of their names.
    pub fn etag(&self) -> Version {
        Version::new(self.version.to_string())
    }

    /// The group as stored attributes plus what every resource has, for filters and sorting; without members.
    pub fn searchable(&self) -> Map<String, Value> {
        let mut object = self.attributes.attributes().clone();
        object.insert("schemas".to_owned(), json!(self.attributes.schemas(ResourceType::group())));
        object.insert("id".to_owned(), json!(self.id.to_string()));
        object.insert("meta".to_owned(), meta(ResourceType::group(), self.created, self.last_modified));
        object
    }
}

/// What a member of a group is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MemberKind {
    /// A person.
    User,
    /// A nested group.
    Group,
    /// A program.
    ServiceAccount,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its id.
    pub id: Uuid,
    /// What it is.
    pub kind: MemberKind,
    /// What people call it, if it says so.
    pub display: Option<String>,
}

impl Member {
    /// Programs are no SCIM resources: they are not shown there.
    fn to_scim(&self, base: &str) -> Option<Value> {
        let (name, endpoint) = match self.kind {
            MemberKind::User => ("User", "Users"),
            MemberKind::Group => ("Group", "Groups"),
            MemberKind::ServiceAccount => return None,
        };
        let mut member = json!({
            "value": self.id.to_string(), "$ref": format!("{base}/{endpoint}/{}", self.id), "type": name,
        });
        if let Some(display) = &self.display {
            member["display"] = json!(display);
        }
        Some(member)
    }
}

names! {
    /// What a member may do in a group.
    GroupRole {
        /// Adds and removes members.
        Admin = "ADMIN",
        /// Belongs to it.
        Member = "MEMBER",
    }
}

names! {
    /// Who put a member into a group.
    MemberSource {
        /// An administrator, or an admin of the group.
        Local = "LOCAL",
        /// The invitation they accepted.
        Invitation = "INVITATION",
        /// The directory that provisions the group.
        Directory = "DIRECTORY",
        /// A mapping from a directory's group.
        Mapping = "DIRECTORY_MAPPING",
    }
}

/// That somebody belongs to a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Belonging {
    /// The group.
    pub group: GroupId,
    /// Who.
    pub member: Uuid,
    /// What they are.
    pub kind: MemberKind,
    /// What they may do in it.
    pub role: GroupRole,
    /// A role that counts only inside the group, by key.
    pub scoped_role: Option<String>,
    /// Who put them there; none: whoever keeps the group.
    pub source: Option<MemberSource>,
    /// When; none: not known.
    pub added: Option<DateTime<Utc>>,
    /// By whom.
    pub added_by: Option<Author>,
}

impl Belonging {
    /// That somebody belongs to a group from now on.
    pub fn new(group: GroupId, member: Uuid, kind: MemberKind, source: MemberSource, writer: Writer) -> Self {
        Self {
            group,
            member,
            kind,
            role: GroupRole::Member,
            scoped_role: None,
            source: Some(source),
            added: Some(writer.now),
            added_by: writer.author,
        }
    }
}

/// A group with its members, where they were asked for.
#[derive(Clone, Debug)]
pub struct GroupView {
    /// The group.
    pub group: Group,
    /// Its members; none when they were not read.
    pub members: Option<Vec<Member>>,
}

impl GroupView {
    /// How many bytes the answer takes, at most. `base`: how long the SCIM base URL is.
    pub fn answer_bytes(&self, base: usize) -> usize {
        let display = |member: &Member| member.display.as_deref().map_or(0, text_bytes);
        let members = self.members.iter().flatten().map(|member| ELEMENT_BYTES + base + display(member));
        object_bytes(self.group.attributes.attributes()) + ANSWER_BYTES + base + members.sum::<usize>()
    }

    /// The resource as answered, all attributes. `base`: the SCIM base URL without a trailing slash.
    pub fn to_scim(&self, base: &str) -> Map<String, Value> {
        let group = &self.group;
        let mut object = group.searchable();
        if let Some(members) = &self.members {
            // Shown without members too: a client that finds no list, as authentik does, adds nobody.
            object.insert("members".to_owned(), members.iter().filter_map(|member| member.to_scim(base)).collect());
        }
        if let Some(meta) = object.get_mut("meta") {
            meta["location"] = json!(format!("{base}/Groups/{}", group.id));
            meta["version"] = json!(group.etag().to_string());
        }
        object
    }
}

/// A group a user is in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Membership {
    /// The group.
    pub group: GroupId,
    /// What people call it.
    pub display: String,
    /// Whether the user itself is a member, or a group that is.
    pub direct: bool,
}

impl Membership {
    /// An element of `User.groups` (C62).
    pub(crate) fn to_scim(&self, base: Option<&str>) -> Value {
        let mut element = json!({
            "value": self.group.to_string(),
            "display": self.display,
            "type": if self.direct { "direct" } else { "indirect" },
        });
        if let Some(base) = base {
            element["$ref"] = json!(format!("{base}/Groups/{}", self.group));
        }
        element
    }
}
