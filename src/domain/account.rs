//! An account: the person behind users of several organizations. Addresses, password, settings, memberships.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::email::Email;
use super::login::names;
use super::organization::Organization;
use super::refusal::{Code, Refusal};
use super::{AccountId, EmailId, Error, OrganizationId, UserId};

/// Addresses a person may have.
pub const MOST_EMAILS: usize = 10;
/// Settings as JSON, in bytes.
pub const SETTINGS_BYTES: usize = 16 * 1024;

/// A person.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    /// The same in every organization.
    pub id: AccountId,
    /// The one organization that may reset password and factors.
    pub managed_by: Option<OrganizationId>,
    /// The organization that gave the account its present credentials: logins act there only, until the person sets a
    /// password by a link that they asked for themselves. A change of the password lifts nothing: whoever gave a temporary one
    /// could make it.
    pub confined_to: Option<OrganizationId>,
    /// May do everything on the whole server.
    pub superuser: bool,
    /// The first steps are done.
    pub onboarded: bool,
    /// Where a sign-in goes that names no organization.
    pub last_organization: Option<OrganizationId>,
    /// Preferences.
    pub settings: Settings,
    /// Moves with everything that proves or lets in: passwords, factors, verified addresses. Two changes at once are a
    /// conflict.
    pub credentials_version: u64,
}

impl Account {
    /// Whether a login of this account may act in the organization.
    pub fn may_act_in(&self, organization: OrganizationId) -> bool {
        self.confined_to.is_none_or(|only| only == organization)
    }

    /// The account with credentials of this organization's, or (none) of the person's own.
    #[must_use]
    pub fn confined(&self, organization: Option<OrganizationId>) -> Self {
        Self { confined_to: organization, ..self.clone() }
    }
}

names! {
    /// Who brought an address.
    EmailSource {
        /// The person.
        Oneself = "SELF",
        /// An administrator.
        Admin = "ADMIN",
        /// A directory.
        Directory = "DIRECTORY",
        /// A login provider.
        Connection = "CONNECTION",
    }
}

/// One address of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmailAddress {
    /// Names it.
    pub id: EmailId,
    /// Whose.
    pub account: AccountId,
    /// As it was given.
    pub address: String,
    /// As it is compared.
    pub key: String,
    /// Whether it is the profile address; exactly one is.
    pub is_primary: bool,
    /// Whether it becomes that when it is verified.
    pub becomes_primary: bool,
    /// When it was verified; until then it counts for nothing.
    pub verified: Option<DateTime<Utc>>,
    /// Who brought it.
    pub source: EmailSource,
    /// When it was added.
    pub created: DateTime<Utc>,
    /// When it last changed.
    pub updated: DateTime<Utc>,
    /// Counts the changes.
    pub version: u64,
}

impl EmailAddress {
    /// A new address, unverified.
    pub fn create(id: EmailId, account: AccountId, email: &Email, source: EmailSource, now: DateTime<Utc>) -> Self {
        Self {
            id,
            account,
            address: email.as_str().to_owned(),
            key: email.key().to_owned(),
            is_primary: false,
            becomes_primary: false,
            verified: None,
            source,
            created: now,
            updated: now,
            version: 1,
        }
    }

    /// The next version of it.
    #[must_use]
    pub fn changed(&self, now: DateTime<Utc>) -> Self {
        Self { updated: now, version: self.version + 1, ..self.clone() }
    }
}

names! {
    /// Why a password must be changed.
    ChangeReason {
        /// An administrator set it or said so.
        Admin = "ADMIN",
        /// It is on a list of leaked ones.
        Breached = "BREACHED",
        /// It is too old.
        Expired = "EXPIRED",
        /// The rules became stricter.
        Policy = "POLICY",
    }
}

/// What is kept of a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordRecord {
    /// The hash, with its parameters.
    pub hash: String,
    /// When it was set.
    pub changed: DateTime<Utc>,
    /// Why it must be changed, if it must.
    pub must_change: Option<ChangeReason>,
    /// When a temporary one stops working.
    pub expires: Option<DateTime<Utc>>,
}

impl PasswordRecord {
    /// A password somebody chose.
    pub fn chosen(hash: String, now: DateTime<Utc>) -> Self {
        Self { hash, changed: now, must_change: None, expires: None }
    }

    /// What can be said about it.
    pub fn state(&self) -> PasswordState {
        PasswordState { changed: self.changed, must_change: self.must_change, expires: self.expires }
    }
}

/// What can be said about a password, without the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordState {
    /// When it was set.
    pub changed: DateTime<Utc>,
    /// Why it must be changed, if it must.
    pub must_change: Option<ChangeReason>,
    /// When a temporary one stops working.
    pub expires: Option<DateTime<Utc>>,
}

names! {
    /// How a membership came about.
    MembershipSource {
        /// An administrator created the user.
        Admin = "ADMIN",
        /// The person accepted an invitation.
        Invitation = "INVITATION",
        /// A directory provisioned the user.
        Directory = "DIRECTORY",
        /// The person came through a login provider.
        Connection = "CONNECTION",
    }
}

/// That a person belongs to an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Who.
    pub account: AccountId,
    /// Where.
    pub organization: OrganizationId,
    /// Who they are there.
    pub user: UserId,
    /// How it came about.
    pub source: MembershipSource,
    /// Since when.
    pub joined: DateTime<Utc>,
}

/// A membership with the organization it is about.
#[derive(Clone, Debug)]
pub struct Joined {
    /// The membership.
    pub membership: Membership,
    /// The organization.
    pub organization: Organization,
}

names! {
    /// Colours of the interface.
    Theme {
        /// As the device says.
        System = "SYSTEM",
        /// Light.
        Light = "LIGHT",
        /// Dark.
        Dark = "DARK",
    }
}

/// A person's preferences, the same in every organization.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// BCP 47.
    pub locale: Option<String>,
    /// IANA.
    pub timezone: Option<String>,
    /// Colours; none: as the device says.
    pub theme: Option<Theme>,
    /// Mail on a sign-in from a new device; none: yes.
    pub new_device: Option<bool>,
    /// Mail when somebody else changed the profile; none: yes.
    pub profile_change: Option<bool>,
    /// Front ends' own.
    pub preferences: Map<String, Value>,
    /// Counts the changes; 0 before the first.
    pub version: u64,
    /// When it last changed.
    pub updated: Option<DateTime<Utc>>,
}

/// A change of one value: left alone, cleared, or set.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Edit<T> {
    /// Stays as it is.
    #[default]
    Keep,
    /// Back to nothing or its default.
    Clear,
    /// To this.
    Set(T),
}

impl<T: Clone> Edit<T> {
    /// Applies it.
    pub fn apply(&self, to: &mut Option<T>) {
        match self {
            Self::Keep => {}
            Self::Clear => *to = None,
            Self::Set(value) => *to = Some(value.clone()),
        }
    }

    /// Whether anything is asked for.
    pub fn is_change(&self) -> bool {
        !matches!(self, Self::Keep)
    }
}

/// A change of settings.
#[derive(Clone, Debug, Default)]
pub struct SettingsEdit {
    /// BCP 47.
    pub locale: Edit<String>,
    /// IANA.
    pub timezone: Edit<String>,
    /// Colours.
    pub theme: Edit<Theme>,
    /// Mail on a sign-in from a new device.
    pub new_device: Edit<bool>,
    /// Mail when somebody else changed the profile.
    pub profile_change: Edit<bool>,
    /// Merged into what there is (RFC 7396).
    pub preferences: Edit<Value>,
}

impl Settings {
    /// The settings after a change; the same if nothing changes.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `VALIDATION_FAILED` for what is no language, zone or object, `LIMIT_EXCEEDED` beyond
    /// 16 KiB.
    pub fn edited(&self, edit: &SettingsEdit, now: DateTime<Utc>) -> Result<Self, Error> {
        if let Edit::Set(locale) = &edit.locale {
            check_locale(locale)?;
        }
        if let Edit::Set(timezone) = &edit.timezone {
            check_timezone(timezone)?;
        }
        let mut settings = self.clone();
        edit.locale.apply(&mut settings.locale);
        edit.timezone.apply(&mut settings.timezone);
        edit.theme.apply(&mut settings.theme);
        edit.new_device.apply(&mut settings.new_device);
        edit.profile_change.apply(&mut settings.profile_change);
        match &edit.preferences {
            Edit::Keep => {}
            Edit::Clear => settings.preferences.clear(),
            Edit::Set(Value::Object(patch)) => merge(&mut settings.preferences, patch),
            Edit::Set(_) => {
                return Err(Refusal::new(Code::ValidationFailed, "preferences is an object").at("preferences").into());
            }
        }
        if settings.stored().to_string().len() > SETTINGS_BYTES {
            let refusal = Refusal::new(Code::LimitExceeded, "settings have at most 16 KiB in all").at("preferences");
            return Err(refusal.with("limit", SETTINGS_BYTES).into());
        }
        if settings == *self {
            return Ok(settings);
        }
        Ok(Self { version: self.version + 1, updated: Some(now), ..settings })
    }

    /// As they are kept, version aside.
    pub fn stored(&self) -> Value {
        let mut object = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                object.insert(name.to_owned(), value);
            }
        };
        put("locale", self.locale.clone().map(Value::from));
        put("timezone", self.timezone.clone().map(Value::from));
        put("theme", self.theme.map(|theme| theme.as_str().into()));
        put("new_device", self.new_device.map(Value::from));
        put("profile_change", self.profile_change.map(Value::from));
        put("preferences", (!self.preferences.is_empty()).then(|| self.preferences.clone().into()));
        Value::Object(object)
    }

    /// Reads what [`Settings::stored`] made.
    pub fn from_stored(stored: &Value, version: u64, updated: Option<DateTime<Utc>>) -> Self {
        let text = |name: &str| stored.get(name).and_then(Value::as_str).map(str::to_owned);
        let flag = |name: &str| stored.get(name).and_then(Value::as_bool);
        Self {
            locale: text("locale"),
            timezone: text("timezone"),
            theme: text("theme").as_deref().and_then(Theme::named),
            new_device: flag("new_device"),
            profile_change: flag("profile_change"),
            preferences: stored.get("preferences").and_then(Value::as_object).cloned().unwrap_or_default(),
            version,
            updated,
        }
    }
}

/// JSON merge-patch of an object (RFC 7396): null removes a key, objects are merged, all else replaces.
pub fn merge(target: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (key, value) in patch {
        match value {
            Value::Null => {
                target.remove(key);
            }
            Value::Object(inner) => {
                let entry = target.entry(key.clone()).or_insert_with(|| Value::Object(Map::new()));
                if !entry.is_object() {
                    *entry = Value::Object(Map::new());
                }
                if let Value::Object(entry) = entry {
                    merge(entry, inner);
                }
            }
            other => {
                target.insert(key.clone(), other.clone());
            }
        }
    }
}

/// # Errors
///
/// [`Error::Refused`] with `VALIDATION_FAILED` for what is not shaped like a language tag (BCP 47, RFC 5646 §2.1).
pub fn check_locale(text: &str) -> Result<(), Error> {
    let mut parts = text.split('-');
    let language = parts.next().unwrap_or_default();
    let is_language = (2..=8).contains(&language.len()) && language.bytes().all(|byte| byte.is_ascii_alphabetic());
    let rest = parts.all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    if is_language && rest && text.len() <= 35 {
        return Ok(());
    }
    let message = "not a language tag such as de-CH (BCP 47)";
    Err(Refusal::new(Code::ValidationFailed, message).at("locale").into())
}

/// # Errors
///
/// [`Error::Refused`] with `VALIDATION_FAILED` for what is not the name of a time zone.
pub fn check_timezone(text: &str) -> Result<(), Error> {
    if text.parse::<chrono_tz::Tz>().is_ok() {
        return Ok(());
    }
    let message = "not a time zone such as Europe/Zurich (IANA)";
    Err(Refusal::new(Code::ValidationFailed, message).at("timezone").into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn patch(preferences: Value) -> SettingsEdit {
        SettingsEdit { preferences: Edit::Set(preferences), ..SettingsEdit::default() }
    }

    #[test]
    fn s4_18_absent_stays_null_clears_and_preferences_merge() {
        let now = DateTime::UNIX_EPOCH;
        let first = patch(json!({"a": {"x": 1, "y": 2}, "b": 1}));
        let edit = SettingsEdit { theme: Edit::Set(Theme::Dark), locale: Edit::Set("de-CH".to_owned()), ..first };
        let settings = Settings::default().edited(&edit, now).expect("valid");
        assert_eq!((settings.version, settings.theme), (1, Some(Theme::Dark)));
        let next = SettingsEdit { locale: Edit::Clear, ..patch(json!({"a": {"x": null}, "b": null})) };
        let settings = settings.edited(&next, now).expect("valid");
        assert_eq!((settings.locale.clone(), settings.theme), (None, Some(Theme::Dark)));
        assert_eq!(Value::Object(settings.preferences.clone()), json!({"a": {"y": 2}}));
        assert_eq!(settings.edited(&SettingsEdit::default(), now).expect("valid").version, settings.version);
        assert_eq!(Settings::from_stored(&settings.stored(), settings.version, settings.updated), settings);
    }

    #[test]
    fn c24_settings_are_bounded_and_typed() {
        let now = DateTime::UNIX_EPOCH;
        let refused = |edit: &SettingsEdit| match Settings::default().edited(edit, now) {
            Err(Error::Refused(refusals)) => refusals[0].code,
            other => panic!("{other:?}"),
        };
        assert_eq!(refused(&patch(json!({"a": "x".repeat(SETTINGS_BYTES)}))), Code::LimitExceeded);
        assert_eq!(refused(&patch(json!([1]))), Code::ValidationFailed);
        for locale in ["", "d", "de_CH", "german language", "de-"] {
            let edit = SettingsEdit { locale: Edit::Set(locale.to_owned()), ..SettingsEdit::default() };
            assert_eq!(refused(&edit), Code::ValidationFailed, "{locale}");
        }
        for timezone in ["", "Zurich", "Europe/Nowhere", "+01:00"] {
            let edit = SettingsEdit { timezone: Edit::Set(timezone.to_owned()), ..SettingsEdit::default() };
            assert_eq!(refused(&edit), Code::ValidationFailed, "{timezone}");
        }
    }
}
