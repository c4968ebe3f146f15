//! Inputs as the service takes them.

use std::str::FromStr;

use async_graphql::{ID, MaybeUndefined};

use super::enums::{AccountType, DirectoryDialect, EmailChangeMode, JitMode, UserStatus};
use super::failure::{UserError, user_errors_at};
use super::inputs::directories::{
    AttributeAuthority, CreateDirectoryInput, DeprovisionMode, DirectorySettingsInput, GroupRoleMappingInput,
    LastOwnerPolicy, UpdateDirectoryInput,
};
use super::inputs::groups::GroupRef;
use super::inputs::invitations::InvitationInput;
use super::inputs::organization::UpdateAccountPolicyInput;
use super::inputs::roles::RoleRef;
use super::inputs::service_accounts::{CreateServiceAccountInput, ServiceAccountRef};
use super::inputs::users::{
    CreateUserInput, CredentialsInput, SettingsInput, UpdateUserInput, UpdateUserProfileInput, UserFilter,
};
use super::inputs::{
    AcceptInvitationInput, LoginInput, OrganizationRef, UpdateMeInput, UpdateMySettingsInput, UserRef,
};
use crate::domain::account::{Edit, SettingsEdit};
use crate::domain::directory::{self, Directory, DirectoryDraft, DirectorySettings};
use crate::domain::group;
use crate::domain::policy::AccountPolicy;
use crate::domain::profile::ProfileEdit;
use crate::domain::{Code, Error, Refusal};
use crate::service::UserStates;
use crate::service::{
    self, Acceptor, DirectoryEdit, FirstCredentials, GroupsEdit, InvitationWish, MappingWish, NewUser, PasswordSignIn,
    Reproof, SentFactor, ServiceAccountDraft, TokenDraft, UpdateMe, UserUpdate, Who,
};

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

impl CreateUserInput {
    /// Who is to be made.
    pub(super) fn wanted(self) -> Result<NewUser, Error> {
        let set = |value: Option<String>| value.map_or(Edit::Keep, Edit::Set);
        let credentials = match self.credentials {
            None => None,
            Some(CredentialsInput::Password(password)) => Some(FirstCredentials::Password(password)),
            Some(CredentialsInput::Temporary(true)) => Some(FirstCredentials::Temporary),
            Some(CredentialsInput::Temporary(false)) => {
                let refusal = Refusal::new(Code::ValidationFailed, "give true, or nothing").at("temporary");
                return Err(refusal.below(&["credentials"]).into());
            }
            Some(CredentialsInput::PasswordHash(hash)) => Some(FirstCredentials::Hash(hash)),
        };
        Ok(NewUser {
            email: self.email,
            user_name: self.user_name,
            profile: ProfileEdit {
                display_name: set(self.display_name),
                given_name: set(self.given_name),
                family_name: set(self.family_name),
                full_name: set(self.full_name),
                title: set(self.title),
                company: set(self.company),
                avatar_url: set(self.avatar_url),
                metadata: self.metadata.map_or(Edit::Keep, |json| Edit::Set(json.0)),
                ..ProfileEdit::default()
            },
            locale: self.locale,
            timezone: self.timezone,
            external: self.account_type == AccountType::External,
            roles: all(self.roles.unwrap_or_default()),
            groups: all(self.groups.unwrap_or_default()),
            credentials,
            send_invitation: self.send_invitation,
        })
    }
}

impl SettingsInput {
    fn edit(self) -> SettingsEdit {
        UpdateMySettingsInput {
            if_version: None,
            locale: self.locale,
            timezone: self.timezone,
            theme: self.theme,
            notifications: self.notifications,
            preferences: self.preferences,
            client_mutation_id: None,
        }
        .edit()
    }
}

impl UpdateUserInput {
    /// Whom, and the change asked for.
    pub(super) fn update(self) -> Result<(service::UserRef, UserUpdate), Error> {
        let update = UserUpdate {
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
            locale: edit(self.locale),
            timezone: edit(self.timezone),
            external: not_null(self.account_type, "accountType")?.map(|kind| kind == AccountType::External),
            onboarded: not_null(self.is_onboarded, "isOnboarded")?,
            settings: not_null(self.settings, "settings")?.map(SettingsInput::edit),
        };
        Ok((self.user.into(), update))
    }
}

impl UpdateUserProfileInput {
    /// Whom, and the change asked for.
    pub(super) fn update(self) -> Result<(service::UserRef, UserUpdate), Error> {
        let profile = self.profile;
        let update = UserUpdate {
            if_version: self.if_version.map(i64::from),
            profile: ProfileEdit {
                full_name: edit(profile.full_name),
                given_name: edit(profile.given_name),
                family_name: edit(profile.family_name),
                title: edit(profile.title),
                company: edit(profile.company),
                avatar_url: edit(profile.avatar_url),
                ..ProfileEdit::default()
            },
            email: not_null(profile.email, "email")?,
            ..UserUpdate::default()
        };
        Ok((self.user.into(), update))
    }
}

impl UserFilter {
    /// Which users are asked for.
    pub(super) fn filter(self) -> service::UserFilter {
        let states = self.status.map(|wanted| UserStates {
            invited: wanted.contains(&UserStatus::Invited),
            active: wanted.contains(&UserStatus::Active),
            disabled: wanted.contains(&UserStatus::Disabled),
        });
        service::UserFilter {
            search: self.search,
            name_search: self.name_search,
            states,
            role: self.role.map(Into::into),
            group: self.group.map(Into::into),
            external: self.account_type.map(|kind| kind == AccountType::External),
            directory: self.directory_id.map(|id| id.0),
        }
    }
}

impl InvitationInput {
    /// Who is to be invited.
    pub(super) fn wish(self) -> InvitationWish {
        InvitationWish {
            email: self.email,
            name: self.name,
            roles: all(self.roles),
            groups: all(self.groups.unwrap_or_default()),
            connection: edit(self.connection),
            days: self.expires_in_days,
            locale: self.locale,
            message: self.message,
        }
    }
}

/// One change of the rules.
type PolicyEdit = Box<dyn Fn(&mut AccountPolicy) + Send>;

impl UpdateAccountPolicyInput {
    /// What changes among the rules; null is the default.
    pub(super) fn change(self) -> Result<impl Fn(&mut AccountPolicy) + Send, Error> {
        let defaults = AccountPolicy::default();
        let number = |value: MaybeUndefined<i32>, default: u32, field: &'static str| match value {
            MaybeUndefined::Undefined => Ok(None),
            MaybeUndefined::Null => Ok(Some(default)),
            MaybeUndefined::Value(value) => u32::try_from(value)
                .map(Some)
                .map_err(|_| Error::from(Refusal::new(Code::ValidationFailed, "cannot be below 0").at(field))),
        };
        let length = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        let mut after: Vec<PolicyEdit> = Vec::new();
        if let Some(password) = not_null(self.password, "password")? {
            let least = number(password.min_length, length(defaults.password_min_length), "minLength")?;
            let with_mfa = number(
                password.min_length_with_mfa,
                length(defaults.password_min_length_with_mfa),
                "minLengthWithMfa",
            )?;
            after.push(Box::new(move |policy| {
                policy.password_min_length = least.map_or(policy.password_min_length, |least| least as usize);
                policy.password_min_length_with_mfa =
                    with_mfa.map_or(policy.password_min_length_with_mfa, |least| least as usize);
            }));
        }
        if let Some(mode) = not_null(self.email_change, "emailChange")? {
            after.push(Box::new(move |policy| policy.email_change_is_immediate = mode == EmailChangeMode::Immediate));
        }
        if let Some(required) = not_null(self.is_mfa_required, "isMfaRequired")? {
            after.push(Box::new(move |policy| policy.mfa_required = required));
        }
        if let Some(devices) = not_null(self.trusted_devices, "trustedDevices")? {
            let enabled = not_null(devices.is_enabled, "isEnabled")?;
            let days = number(devices.lifetime_days, defaults.trusted_device_days, "lifetimeDays")?;
            after.push(Box::new(move |policy| {
                policy.trusted_devices = enabled.unwrap_or(policy.trusted_devices);
                policy.trusted_device_days = days.unwrap_or(policy.trusted_device_days);
            }));
        }
        if let Some(invitation) = not_null(self.invitation, "invitation")? {
            let days = number(invitation.lifetime_days, defaults.invitation_days, "lifetimeDays")?;
            let connection = edit(invitation.default_connection);
            after.push(Box::new(move |policy| {
                policy.invitation_days = days.unwrap_or(policy.invitation_days);
                connection.apply(&mut policy.default_connection);
            }));
        }
        if let Some(jit) = not_null(self.jit, "jit")? {
            after.push(Box::new(move |policy| policy.creates_users = jit == JitMode::Create));
        }
        Ok(move |policy: &mut AccountPolicy| after.iter().for_each(|change| change(policy)))
    }
}

impl CreateServiceAccountInput {
    /// What is to be made.
    pub(super) fn draft(self) -> ServiceAccountDraft {
        ServiceAccountDraft {
            user_name: self.user_name,
            display_name: self.display_name,
            description: self.description,
            roles: all(self.roles.unwrap_or_default()),
            groups: all(self.groups.unwrap_or_default()),
            token: self.token.map(|token| TokenDraft {
                name: token.name,
                scopes: token.scopes,
                expires: token.expires_at.map(Into::into),
            }),
        }
    }
}

impl From<DirectoryDialect> for ::scim::Dialect {
    fn from(dialect: DirectoryDialect) -> Self {
        match dialect {
            DirectoryDialect::Auto => Self::Auto,
            DirectoryDialect::Okta => Self::Okta,
            DirectoryDialect::Entra => Self::Entra,
            DirectoryDialect::Rfc => Self::Rfc,
        }
    }
}

impl DirectorySettingsInput {
    /// The settings after this change; null leaves one as it is.
    fn apply(&self, mut settings: DirectorySettings) -> Result<DirectorySettings, Error> {
        if let Some(authority) = self.attribute_authority.value() {
            settings.attribute_authority = match authority {
                AttributeAuthority::Requested => directory::AttributeAuthority::Requested,
                AttributeAuthority::Full => directory::AttributeAuthority::Full,
                AttributeAuthority::Initial => directory::AttributeAuthority::Initial,
            };
        }
        if let Some(mode) = self.deprovision_mode.value() {
            settings.deprovision_mode = match mode {
                DeprovisionMode::Disable => directory::DeprovisionMode::Disable,
                DeprovisionMode::RemoveMember => directory::DeprovisionMode::RemoveMember,
                DeprovisionMode::Delete => directory::DeprovisionMode::Delete,
            };
        }
        if let Some(policy) = self.last_owner_policy.value() {
            settings.last_owner_policy = match policy {
                LastOwnerPolicy::SuspendAndAlert => directory::LastOwnerPolicy::SuspendAndAlert,
                LastOwnerPolicy::Reject => directory::LastOwnerPolicy::Reject,
            };
        }
        if let Some(kind) = self.default_account_type.value() {
            settings.external_accounts = *kind == AccountType::External;
        }
        if self.unique_group_names.value() == Some(&false) {
            let message = "names of groups are unique in the whole organization";
            let refusal = Refusal::new(Code::ValidationFailed, message).at("uniqueGroupNames");
            return Err(refusal.below(&["settings"]).into());
        }
        settings.restore_inactive = self.restore_on_create.value().copied().unwrap_or(settings.restore_inactive);
        settings.verified_domains_only =
            self.verified_domains_only.value().copied().unwrap_or(settings.verified_domains_only);
        Ok(settings)
    }
}

impl CreateDirectoryInput {
    /// What is to be made.
    pub(super) fn draft(self) -> Result<DirectoryDraft, Error> {
        let draft = DirectoryDraft { dialect: self.dialect.into(), ..DirectoryDraft::named(self.display_name) };
        let settings = match &self.settings {
            Some(settings) => settings.apply(draft.settings)?,
            None => draft.settings,
        };
        Ok(DirectoryDraft { settings, ..draft })
    }
}

impl UpdateDirectoryInput {
    /// The change asked for, of the directory as it is then.
    pub(super) fn change(self) -> Result<impl Fn(&Directory) -> DirectoryEdit + Send, Error> {
        let name = not_null(self.display_name, "displayName")?;
        let dialect = not_null(self.dialect, "dialect")?.map(Into::into);
        let enabled = not_null(self.is_enabled, "isEnabled")?;
        let settings = not_null(self.settings, "settings")?;
        if let Some(settings) = &settings {
            settings.apply(DirectorySettings::default())?;
        }
        Ok(move |directory: &Directory| DirectoryEdit {
            name: name.clone(),
            dialect,
            enabled,
            settings: settings.as_ref().and_then(|settings| settings.apply(directory.settings).ok()),
        })
    }
}

impl From<GroupRoleMappingInput> for MappingWish {
    fn from(input: GroupRoleMappingInput) -> Self {
        Self {
            group: input.directory_group_id.0,
            role: input.role.map(Into::into),
            target: input.group.map(Into::into),
        }
    }
}
