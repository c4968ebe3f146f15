//! A profile as people and administrators write it: fields with lengths, over the same attributes that directories write.

use scim::schema::ENTERPRISE_USER;
use serde_json::{Map, Value, json};

use super::account::{Edit, merge};
use super::refusal::{Code, Refusal};
use super::user::{Claim, User, UserDraft, Writer};
use super::user_name::UserName;
use super::{AccountId, Error};

/// `metadata` as JSON, in bytes.
pub const METADATA_BYTES: usize = 16 * 1024;
/// Keys of `metadata`.
pub const METADATA_KEYS: usize = 50;

/// A field of a profile that somebody may edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ProfileField {
    /// The primary address.
    Email,
    /// The name in the organization.
    UserName,
    /// What to call the person.
    DisplayName,
    /// First name.
    GivenName,
    /// Last name.
    FamilyName,
    /// Whole name.
    FullName,
    /// Job title.
    Title,
    /// Company.
    Company,
    /// Picture.
    AvatarUrl,
    /// Free object.
    Metadata,
}

impl ProfileField {
    /// Every one.
    pub const ALL: [Self; 10] = [
        Self::Email,
        Self::UserName,
        Self::DisplayName,
        Self::GivenName,
        Self::FamilyName,
        Self::FullName,
        Self::Title,
        Self::Company,
        Self::AvatarUrl,
        Self::Metadata,
    ];

    /// The name of the input field.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::UserName => "userName",
            Self::DisplayName => "displayName",
            Self::GivenName => "givenName",
            Self::FamilyName => "familyName",
            Self::FullName => "fullName",
            Self::Title => "title",
            Self::Company => "company",
            Self::AvatarUrl => "avatarUrl",
            Self::Metadata => "metadata",
        }
    }

    /// Fewest and most characters.
    pub const fn lengths(self) -> (usize, usize) {
        match self {
            Self::Email => (3, 254),
            Self::UserName => (1, 100),
            Self::DisplayName => (1, 150),
            Self::GivenName | Self::FamilyName | Self::FullName => (0, 100),
            Self::Title | Self::Company => (1, 50),
            Self::AvatarUrl => (1, 2_048),
            Self::Metadata => (0, METADATA_BYTES),
        }
    }

    /// Whether a login provider keeps it, of the accounts that are linked there (S1-05, S2-24, S2-25).
    pub const fn is_providers(self) -> bool {
        match self {
            Self::Email | Self::UserName | Self::DisplayName | Self::GivenName | Self::FamilyName | Self::FullName => {
                true
            }
            Self::Title | Self::Company | Self::AvatarUrl | Self::Metadata => false,
        }
    }

    /// The attribute a directory claims with it; none: no directory can.
    pub(crate) const fn claimed_as(self) -> Option<&'static str> {
        match self {
            Self::Email => Some("emails"),
            Self::UserName => Some("userName"),
            Self::DisplayName => Some("displayName"),
            Self::GivenName | Self::FamilyName | Self::FullName => Some("name"),
            Self::Title => Some("title"),
            Self::Company => Some("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:organization"),
            Self::AvatarUrl => Some("photos"),
            Self::Metadata => None,
        }
    }

    fn invalid(self, message: &'static str) -> Error {
        let (min, max) = self.lengths();
        let code = if self == Self::DisplayName { Code::InvalidDisplayName } else { Code::ValidationFailed };
        Refusal::new(code, message).at(self.as_str()).with("min", min).with("max", max).into()
    }

    /// # Errors
    ///
    /// [`Error::Refused`] for text that is too long or short, has control characters, or could be taken for markup.
    pub(crate) fn check(self, text: &str) -> Result<(), Error> {
        let (min, max) = self.lengths();
        let length = text.chars().count();
        if length < min || length > max || (min > 0 && text.trim().is_empty()) {
            return Err(self.invalid("too short or too long"));
        }
        if text.chars().any(super::user::is_deceptive) {
            return Err(self.invalid("must not have control characters or marks of writing direction"));
        }
        if text.contains(['<', '>']) {
            return Err(self.invalid("must not contain < or >"));
        }
        Ok(())
    }
}

/// A change of a profile.
#[derive(Clone, Debug, Default)]
pub struct ProfileEdit {
    /// The name in the organization.
    pub user_name: Option<UserName>,
    /// What to call the person; cleared: the user name.
    pub display_name: Edit<String>,
    /// First name.
    pub given_name: Edit<String>,
    /// Last name.
    pub family_name: Edit<String>,
    /// Whole name.
    pub full_name: Edit<String>,
    /// Job title.
    pub title: Edit<String>,
    /// Company.
    pub company: Edit<String>,
    /// Picture.
    pub avatar_url: Edit<String>,
    /// Merged into what there is (RFC 7396).
    pub metadata: Edit<Value>,
    /// The primary address, once it counts.
    pub email: Option<String>,
}

impl ProfileEdit {
    /// Whether every value is acceptable, whoever's profile it is.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] naming all fields to blame.
    pub fn check(&self) -> Result<(), Error> {
        let mut refusals = Vec::new();
        for (field, edit) in self.texts() {
            if let Edit::Set(text) = edit
                && let Err(Error::Refused(found)) = field.check(text)
            {
                refusals.extend(found);
            }
        }
        if let Edit::Set(url) = &self.avatar_url
            && !is_web_url(url)
        {
            let refusal = Refusal::new(Code::ValidationFailed, "not an absolute http or https URL");
            refusals.push(refusal.at(ProfileField::AvatarUrl.as_str()));
        }
        if let Edit::Set(value) = &self.metadata
            && !value.is_object()
        {
            refusals.push(Refusal::new(Code::ValidationFailed, "metadata is an object").at("metadata"));
        }
        if refusals.is_empty() { Ok(()) } else { Err(Error::Refused(refusals)) }
    }

    fn texts(&self) -> [(ProfileField, &Edit<String>); 7] {
        [
            (ProfileField::DisplayName, &self.display_name),
            (ProfileField::GivenName, &self.given_name),
            (ProfileField::FamilyName, &self.family_name),
            (ProfileField::FullName, &self.full_name),
            (ProfileField::Title, &self.title),
            (ProfileField::Company, &self.company),
            (ProfileField::AvatarUrl, &self.avatar_url),
        ]
    }

    /// The fields it changes.
    pub fn fields(&self) -> Vec<ProfileField> {
        let mut fields: Vec<ProfileField> =
            self.texts().into_iter().filter(|(_, edit)| edit.is_change()).map(|(field, _)| field).collect();
        if self.user_name.is_some() {
            fields.push(ProfileField::UserName);
        }
        if self.metadata.is_change() {
            fields.push(ProfileField::Metadata);
        }
        if self.email.is_some() {
            fields.push(ProfileField::Email);
        }
        fields
    }

    /// The same edit without these fields.
    #[must_use]
    pub fn without(&self, fields: &[ProfileField]) -> Self {
        let mut edit = self.clone();
        for field in fields {
            match field {
                ProfileField::Email => edit.email = None,
                ProfileField::UserName => edit.user_name = None,
                ProfileField::DisplayName => edit.display_name = Edit::Keep,
                ProfileField::GivenName => edit.given_name = Edit::Keep,
                ProfileField::FamilyName => edit.family_name = Edit::Keep,
                ProfileField::FullName => edit.full_name = Edit::Keep,
                ProfileField::Title => edit.title = Edit::Keep,
                ProfileField::Company => edit.company = Edit::Keep,
                ProfileField::AvatarUrl => edit.avatar_url = Edit::Keep,
                ProfileField::Metadata => edit.metadata = Edit::Keep,
            }
        }
        edit
    }
}

fn is_web_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let is_host = |rest: &str| !rest.is_empty() && !rest.starts_with(['/', '?', '#', '@', ':']);
    rest.is_some_and(is_host) && !text.chars().any(|c| c.is_whitespace() || c.is_control() || "\\<>\"".contains(c))
}

impl User {
    /// Who writes this field, if a directory does.
    pub fn claim_on(&self, field: ProfileField) -> Option<Claim> {
        self.authority.get(field.claimed_as()?).copied()
    }

    /// The user after an edit; the very same when nothing changes.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `LIMIT_EXCEEDED` for metadata beyond its bounds; [`Error::Invalid`].
    pub fn edited(&self, edit: &ProfileEdit, writer: Writer) -> Result<Self, Error> {
        let mut attributes = self.attributes.clone();
        let object = attributes.attributes_mut();
        if let Some(name) = &edit.user_name {
            object.insert("userName".to_owned(), json!(name.as_str()));
        }
        set(object, "displayName", &edit.display_name);
        set(object, "title", &edit.title);
        set_within(object, "name", "givenName", &edit.given_name);
        set_within(object, "name", "familyName", &edit.family_name);
        set_within(object, "name", "formatted", &edit.full_name);
        set_within(object, ENTERPRISE_USER, "organization", &edit.company);
        if let Some(email) = &edit.email {
            set_primary_email(object, email);
        }
        let mut avatar_url = self.avatar_url.clone();
        edit.avatar_url.apply(&mut avatar_url);
        let mut metadata = self.metadata.clone();
        match &edit.metadata {
            Edit::Keep => {}
            Edit::Clear => metadata.clear(),
            Edit::Set(patch) => merge(&mut metadata, patch.as_object().unwrap_or(&Map::new())),
        }
        check_metadata(&metadata)?;
        let changed = self.with_attributes(UserDraft::new(attributes)?, writer);
        let beside = (&avatar_url, &metadata) != (&self.avatar_url, &self.metadata);
        let version = if beside && changed.version == self.version { self.version + 1 } else { changed.version };
        let last_modified = if version == self.version { self.last_modified } else { writer.now };
        let updated_by = if version == self.version { self.updated_by } else { writer.author };
        Ok(Self { avatar_url, metadata, updated_by, version, last_modified, ..changed })
    }

    /// The user linked to a person.
    #[must_use]
    pub fn linked(&self, account: AccountId, writer: Writer) -> Self {
        Self { account: Some(account), ..self.next(writer) }
    }

    /// The name, or what stands for it: never empty.
    pub fn display_name(&self) -> &str {
        self.attributes.text("displayName").filter(|name| !name.trim().is_empty()).unwrap_or_else(|| self.user_name())
    }

    /// First name.
    pub fn given_name(&self) -> Option<&str> {
        self.within("name", "givenName")
    }

    /// Last name.
    pub fn family_name(&self) -> Option<&str> {
        self.within("name", "familyName")
    }

    /// Whole name; made of given and family name where none was given.
    pub fn full_name(&self) -> Option<String> {
        let parts: Vec<&str> = self.given_name().into_iter().chain(self.family_name()).collect();
        let formatted = self.within("name", "formatted").map(str::to_owned);
        formatted.or_else(|| (!parts.is_empty()).then(|| parts.join(" ")))
    }

    /// Job title.
    pub fn title(&self) -> Option<&str> {
        self.attributes.text("title")
    }

    /// Company.
    pub fn company(&self) -> Option<&str> {
        self.within(ENTERPRISE_USER, "organization")
    }

    /// Picture: one's own, else the directory's.
    pub fn avatar(&self) -> Option<&str> {
        let photos = self.attributes.attributes().get("photos").and_then(Value::as_array);
        let photo = photos.into_iter().flatten().find_map(|photo| photo.get("value").and_then(Value::as_str));
        self.avatar_url.as_deref().or(photo)
    }

    /// The address that stands for the user in the directory: the primary one, else the first.
    pub fn directory_email(&self) -> Option<&str> {
        let emails = self.attributes.attributes().get("emails").and_then(Value::as_array)?;
        let primary = |email: &&Value| email.get("primary").and_then(Value::as_bool) == Some(true);
        emails.iter().find(primary).or_else(|| emails.first())?.get("value")?.as_str()
    }

    fn within(&self, outer: &str, inner: &str) -> Option<&str> {
        self.attributes.attributes().get(outer)?.get(inner)?.as_str().filter(|text| !text.is_empty())
    }
}

fn set(object: &mut Map<String, Value>, name: &str, edit: &Edit<String>) {
    match edit {
        Edit::Keep => {}
        Edit::Clear => {
            object.remove(name);
        }
        Edit::Set(text) => {
            object.insert(name.to_owned(), json!(text));
        }
    }
}

fn set_within(object: &mut Map<String, Value>, outer: &str, inner: &str, edit: &Edit<String>) {
    if !edit.is_change() {
        return;
    }
    let entry = object.entry(outer.to_owned()).or_insert_with(|| json!({}));
    if let Some(complex) = entry.as_object_mut() {
        set(complex, inner, edit);
        if complex.is_empty() {
            object.remove(outer);
        }
    }
}

/// Puts the address in the place of the primary one; the others stay.
fn set_primary_email(object: &mut Map<String, Value>, address: &str) {
    let entry = object.entry("emails").or_insert_with(|| json!([]));
    let Some(emails) = entry.as_array_mut() else { return };
    let key = scim::fold(address);
    let is_same =
        |email: &Value| email.get("value").and_then(Value::as_str).is_some_and(|value| scim::fold(value) == key);
    let is_primary = |email: &Value| email.get("primary").and_then(Value::as_bool) == Some(true);
    emails.retain(|email| !is_same(email) || is_primary(email));
    match emails.iter_mut().find(|email| is_primary(email)) {
        Some(primary) => primary["value"] = json!(address),
        None => emails.insert(0, json!({"value": address, "type": "work", "primary": true})),
    }
}

fn check_metadata(metadata: &Map<String, Value>) -> Result<(), Error> {
    let size = Value::Object(metadata.clone()).to_string().len();
    if metadata.len() > METADATA_KEYS || size > METADATA_BYTES {
        let refusal = Refusal::new(Code::LimitExceeded, "metadata has at most 50 keys and 16 KiB").at("metadata");
        return Err(refusal.with("limit", METADATA_BYTES).into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use scim::Resource;
    use uuid::Uuid;

    use super::*;
    use crate::domain::{Author, DirectoryId, UserId};

    fn user(directory: Option<DirectoryId>, attributes: &Value) -> User {
        let draft = UserDraft::new(Resource::from_stored(attributes.as_object().expect("an object").clone()));
        User::create(UserId::new(Uuid::nil()), draft.expect("valid"), writer(directory))
    }

    fn writer(directory: Option<DirectoryId>) -> Writer {
        Writer { author: directory.map(Author::Directory), now: DateTime::UNIX_EPOCH, states_all: true }
    }

    #[test]
    fn s1_06_absent_fields_stay_and_null_clears() {
        let attributes =
            json!({"userName": "babs", "displayName": "Babs", "name": {"givenName": "Barbara"}, "title": "Guide"});
        let before = user(None, &attributes);
        let edit = ProfileEdit {
            family_name: Edit::Set("Jensen".to_owned()),
            title: Edit::Clear,
            display_name: Edit::Clear,
            company: Edit::Set("Acme".to_owned()),
            ..ProfileEdit::default()
        };
        let after = before.edited(&edit, writer(None)).expect("valid");
        assert_eq!(after.full_name().as_deref(), Some("Barbara Jensen"));
        assert_eq!((after.title(), after.display_name(), after.company()), (None, "babs", Some("Acme")));
        assert_eq!(after.version, before.version + 1);
        assert_eq!(after.edited(&ProfileEdit::default(), writer(None)).expect("valid"), after);
    }

    #[test]
    fn c24_metadata_is_merged_and_bounded() {
        let before = user(None, &json!({"userName": "babs"}));
        let with = |value: Value| ProfileEdit { metadata: Edit::Set(value), ..ProfileEdit::default() };
        let one = before.edited(&with(json!({"costCentre": "4711", "a": {"b": 1}})), writer(None)).expect("valid");
        let two = one.edited(&with(json!({"a": null})), writer(None)).expect("valid");
        assert_eq!(Value::Object(two.metadata.clone()), json!({"costCentre": "4711"}));
        assert_eq!(two.version, 3, "metadata counts as a change");
        let many: Map<String, Value> = (0..51).map(|index| (format!("k{index}"), json!(1))).collect();
        assert!(before.edited(&with(Value::Object(many)), writer(None)).is_err());
        assert!(before.edited(&with(json!({"a": "x".repeat(METADATA_BYTES)})), writer(None)).is_err());
    }

    #[test]
    fn s2_07_lengths_and_markup_are_checked_together() {
        let edit = ProfileEdit {
            display_name: Edit::Set("<b>".to_owned()),
            title: Edit::Set("x".repeat(51)),
            company: Edit::Set(String::new()),
            given_name: Edit::Set("a\u{202e}b".to_owned()),
            avatar_url: Edit::Set("javascript:alert(1)".to_owned()),
            metadata: Edit::Set(json!([])),
            ..ProfileEdit::default()
        };
        let Err(Error::Refused(refusals)) = edit.check() else { panic!("refused") };
        let paths: Vec<&str> = refusals.iter().map(|refusal| refusal.path[0].as_ref()).collect();
        assert_eq!(paths, ["displayName", "givenName", "title", "company", "avatarUrl", "metadata"]);
        assert_eq!(refusals[0].code, Code::InvalidDisplayName);
        for url in ["https://x.example/a.png", "http://[2001:db8::1]/a"] {
            assert!(is_web_url(url), "{url}");
        }
        for url in ["//x.example", "ftp://x", "https://", "https:///x", "https://@x", "https://x y", "data:image/png,"]
        {
            assert!(!is_web_url(url), "{url}");
        }
    }

    #[test]
    fn g6_a_directory_owns_what_it_wrote_and_nothing_else() {
        let directory = DirectoryId::new(Uuid::max());
        let enterprise = json!({"organization": "Acme"});
        let user = user(Some(directory), &json!({"userName": "babs", "title": "Guide", ENTERPRISE_USER: enterprise}));
        let owned: Vec<ProfileField> =
            ProfileField::ALL.into_iter().filter(|field| user.claim_on(*field).is_some()).collect();
        assert_eq!(owned, [ProfileField::UserName, ProfileField::Title, ProfileField::Company]);
        let edit = ProfileEdit { display_name: Edit::Set("Babs".to_owned()), ..ProfileEdit::default() };
        let local = user.edited(&edit, writer(None)).expect("valid");
        assert!(local.claim_on(ProfileField::DisplayName).is_none(), "a local write claims nothing");
    }

    #[test]
    fn the_primary_address_is_replaced_and_the_others_stay() {
        let emails = json!([{"value": "a@x.example", "primary": true}, {"value": "b@x.example"}]);
        let before = user(None, &json!({"userName": "babs", "emails": emails}));
        let edit = ProfileEdit { email: Some("B@x.example".to_owned()), ..ProfileEdit::default() };
        let after = before.edited(&edit, writer(None)).expect("valid");
        assert_eq!(after.attributes.attributes()["emails"], json!([{"value": "B@x.example", "primary": true}]));
        assert_eq!(after.directory_email(), Some("B@x.example"));
    }
}
