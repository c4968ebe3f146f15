//! Inputs about directories.

use super::not_null;
use crate::api::graphql::enums::{AccountType, DirectoryDialect};
use crate::api::graphql::inputs::directories::{
    AttributeAuthority, CreateDirectoryInput, DeprovisionMode, DirectorySettingsInput, GroupRoleMappingInput,
    LastOwnerPolicy, UpdateDirectoryInput,
};
use crate::domain::directory::{self, Directory, DirectoryDraft, DirectorySettings};
use crate::domain::{Code, Error, Refusal};
use crate::service::{DirectoryEdit, MappingWish};

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
        settings.patch_group_with_body =
            self.patch_group_with_body.value().copied().unwrap_or(settings.patch_group_with_body);
        Ok(settings)
    }
}

impl CreateDirectoryInput {
    /// What is to be made.
    pub(in crate::api::graphql) fn draft(self) -> Result<DirectoryDraft, Error> {
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
    pub(in crate::api::graphql) fn change(self) -> Result<impl Fn(&Directory) -> DirectoryEdit + Send, Error> {
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
