//! Inputs about people.

use super::{all, edit, not_null};
use crate::api::graphql::enums::{AccountType, UserStatus};
use crate::api::graphql::inputs::UpdateMySettingsInput;
use crate::api::graphql::inputs::invitations::InvitationInput;
use crate::api::graphql::inputs::users::{
    CreateUserInput, CredentialsInput, SettingsInput, UpdateUserInput, UpdateUserProfileInput, UserFilter,
};
use crate::domain::account::{Edit, SettingsEdit};
use crate::domain::profile::ProfileEdit;
use crate::domain::{Code, Error, Refusal};
use crate::service::{self, FirstCredentials, InvitationWish, NewUser, UserStates, UserUpdate};

impl CreateUserInput {
    /// Who is to be made.
    pub(in crate::api::graphql) fn wanted(self) -> Result<NewUser, Error> {
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
    pub(in crate::api::graphql) fn update(self) -> Result<(service::UserRef, UserUpdate), Error> {
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
    pub(in crate::api::graphql) fn update(self) -> Result<(service::UserRef, UserUpdate), Error> {
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
    pub(in crate::api::graphql) fn filter(self) -> service::UserFilter {
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
    pub(in crate::api::graphql) fn wish(self) -> InvitationWish {
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
