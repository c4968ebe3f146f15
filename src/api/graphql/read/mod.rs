//! Inputs as the service takes them.

mod directories;
mod organization;
mod users;

use std::str::FromStr;

use async_graphql::{ID, MaybeUndefined};

use super::failure::{UserError, user_errors_at};
use super::inputs::groups::GroupRef;
use super::inputs::roles::RoleRef;
use super::inputs::service_accounts::ServiceAccountRef;
use super::inputs::{
    AcceptInvitationInput, LoginInput, OrganizationRef, UpdateMeInput, UpdateMySettingsInput, UserRef,
};
use crate::domain::account::{Edit, SettingsEdit};
use crate::domain::group;
use crate::domain::profile::ProfileEdit;
use crate::domain::{Code, Error, Refusal};
use crate::service::{self, Acceptor, GroupsEdit, PasswordSignIn, Reproof, SentFactor, UpdateMe, Who};

/// A count in an answer.
pub(super) fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// An id; text that was never one names nothing.
///
/// # Errors
///
/// [`Error::Refused`] with `NOT_FOUND`.
pub(super) fn read_id<T: FromStr>(id: &ID, field: &'static str) -> Result<T, Error> {
    id.parse().map_err(|_| Refusal::new(Code::NotFound, "nothing has that id").at(field).into())
}

/// Absent, null or a value.
pub(super) fn edit<T>(value: MaybeUndefined<T>) -> Edit<T> {
    match value {
        MaybeUndefined::Undefined => Edit::Keep,
        MaybeUndefined::Null => Edit::Clear,
        MaybeUndefined::Value(value) => Edit::Set(value),
    }
}

fn one_of(message: &'static str) -> Error {
    Refusal::new(Code::InvalidArgumentCombination, message).into()
}

/// Exactly one of the two.
pub(super) fn one_factor(code: Option<String>, recovery_code: Option<String>) -> Result<SentFactor, Error> {
    match (code, recovery_code) {
        (Some(code), None) => Ok(SentFactor::Code(code)),
        (None, Some(code)) => Ok(SentFactor::RecoveryCode(code)),
        _ => Err(one_of("give exactly one of code and recoveryCode")),
    }
}

/// Exactly one of the two.
pub(super) fn one_proof(password: Option<String>, code: Option<String>) -> Result<Reproof, Error> {
    match (password, code) {
        (Some(password), None) => Ok(Reproof::Password(password)),
        (None, Some(code)) => Ok(Reproof::Code(code)),
        _ => Err(one_of("give exactly one of password and code")),
    }
}

impl From<UserRef> for service::UserRef {
    fn from(reference: UserRef) -> Self {
        match reference {
            UserRef::Id(id) => Self::Id(id.0),
            UserRef::UserName(name) => Self::UserName(name),
            UserRef::Email(email) => Self::Email(email),
            UserRef::ExternalId(id) => Self::ExternalId(id),
        }
    }
}

impl From<OrganizationRef> for service::OrganizationRef {
    fn from(reference: OrganizationRef) -> Self {
        match reference {
            OrganizationRef::Id(id) => Self::Id(id.0),
            OrganizationRef::ShortName(name) => Self::ShortName(name),
        }
    }
}

impl LoginInput {
    /// Who signs in, and with what.
    pub(super) fn sign_in(self) -> Result<PasswordSignIn, Error> {
        let who = match (self.email, self.user_name) {
            (Some(email), None) => Who::Email(email),
            (None, Some(name)) if self.organization.is_some() => Who::UserName(name),
            (None, Some(_)) => return Err(one_of("a userName needs the organization")),
            _ => return Err(one_of("give exactly one of email and userName")),
        };
        Ok(PasswordSignIn {
            who,
            password: self.password,
            organization: self.organization.map(Into::into),
            device_id: self.device_id,
            device_name: self.device_name,
            trusted_device_token: self.trusted_device_token,
        })
    }
}

impl AcceptInvitationInput {
    /// What the person says about themselves.
    pub(super) fn acceptor(self) -> Acceptor {
        let set = |value: Option<String>| value.map_or(Edit::Keep, Edit::Set);
        Acceptor {
            password: self.password,
            user_name: self.user_name,
            profile: ProfileEdit {
                display_name: set(self.display_name),
                given_name: set(self.given_name),
                family_name: set(self.family_name),
                full_name: set(self.full_name),
                ..ProfileEdit::default()
            },
            locale: self.locale,
            timezone: self.timezone,
            device_id: self.device_id,
            device_name: self.device_name,
        }
    }
}

/// A value that may be left alone or set, but not cleared.
pub(super) fn not_null<T>(value: MaybeUndefined<T>, field: &'static str) -> Result<Option<T>, Error> {
    match value {
        MaybeUndefined::Undefined => Ok(None),
        MaybeUndefined::Null => Err(Refusal::new(Code::ValidationFailed, "cannot be null").at(field).into()),
        MaybeUndefined::Value(value) => Ok(Some(value)),
    }
}

impl UpdateMeInput {
    /// The change asked for.
    pub(super) fn update(self) -> Result<UpdateMe, Error> {
        Ok(UpdateMe {
            id: self.id.map(|id| id.0),
            if_version: self.if_version.map(i64::from),
            profile: ProfileEdit {
                user_name: None,
                display_name: edit(self.display_name),
                given_name: edit(self.given_name),
                family_name: edit(self.family_name),
                full_name: edit(self.full_name),
                title: edit(self.title),
                company: edit(self.company),
                avatar_url: edit(self.avatar_url),
                metadata: edit(self.metadata.map_value(|json| json.0)),
                email: None,
            },
            user_name: not_null(self.user_name, "userName")?,
            email: not_null(self.email, "email")?,
            onboarded: self.is_onboarded,
            disabled: self.disabled.unwrap_or(false),
            is_active: self.is_active,
            is_superuser: self.is_superuser,
        })
    }
}

impl UpdateMySettingsInput {
    /// The change asked for.
    pub(super) fn edit(self) -> SettingsEdit {
        let (new_device, profile_change) = match self.notifications {
            MaybeUndefined::Undefined => (Edit::Keep, Edit::Keep),
            MaybeUndefined::Null => (Edit::Clear, Edit::Clear),
            MaybeUndefined::Value(value) => (edit(value.new_device), edit(value.profile_change)),
        };
        SettingsEdit {
            locale: edit(self.locale),
            timezone: edit(self.timezone),
            theme: edit(self.theme.map_value(Into::into)),
            new_device,
            profile_change,
            preferences: edit(self.preferences.map_value(|json| json.0)),
        }
    }
}

/// Several references as the service takes them.
pub(super) fn all<T, U: From<T>>(references: Vec<T>) -> Vec<U> {
    references.into_iter().map(U::from).collect()
}

/// A list that may be left alone; null is an empty one.
pub(super) fn listed<T, U: From<T>>(references: MaybeUndefined<Vec<T>>) -> Option<Vec<U>> {
    match references {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => Some(Vec::new()),
        MaybeUndefined::Value(references) => Some(all(references)),
    }
}

/// A change of somebody's groups.
pub(super) fn groups_edit(
    add: Option<Vec<GroupRef>>,
    remove: Option<Vec<GroupRef>>,
    set: Option<Vec<GroupRef>>,
) -> GroupsEdit {
    GroupsEdit { add: add.map(all), remove: remove.map(all), set: set.map(all) }
}

/// What one item of a bulk operation came to.
pub(super) type Item<T> = (String, Result<T, Vec<UserError>>);

/// What became of the items of a bulk operation: each refusal says which item it is about.
///
/// # Errors
///
/// The first that is no refusal.
pub(super) fn items<T>(done: Vec<(String, Result<T, Error>)>, list: &str) -> Result<Vec<Item<T>>, Error> {
    let mut items = Vec::with_capacity(done.len());
    for (index, (name, outcome)) in done.into_iter().enumerate() {
        let outcome = match outcome {
            Ok(done) => Ok(done),
            Err(error) => Err(user_errors_at(error, &[list, &index.to_string()])?),
        };
        items.push((name, outcome));
    }
    Ok(items)
}

impl From<RoleRef> for service::RoleRef {
    fn from(reference: RoleRef) -> Self {
        match reference {
            RoleRef::Id(id) => Self::Id(id.0),
            RoleRef::Key(key) => Self::Key(key),
        }
    }
}

impl From<GroupRef> for service::GroupRef {
    fn from(reference: GroupRef) -> Self {
        match reference {
            GroupRef::Id(id) => Self::Id(id.0),
            GroupRef::Name(name) => Self::Name(name),
        }
    }
}

impl From<ServiceAccountRef> for service::ServiceAccountRef {
    fn from(reference: ServiceAccountRef) -> Self {
        match reference {
            ServiceAccountRef::Id(id) => Self::Id(id.0),
            ServiceAccountRef::UserName(name) => Self::UserName(name),
        }
    }
}

impl From<super::enums::GroupRole> for group::GroupRole {
    fn from(role: super::enums::GroupRole) -> Self {
        match role {
            super::enums::GroupRole::Admin => Self::Admin,
            super::enums::GroupRole::Member => Self::Member,
        }
    }
}
