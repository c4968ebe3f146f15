//! Inputs about an organization's rules and programs.

use async_graphql::MaybeUndefined;

use super::{all, edit, not_null};
use crate::api::graphql::enums::{EmailChangeMode, JitMode};
use crate::api::graphql::inputs::organization::UpdateAccountPolicyInput;
use crate::api::graphql::inputs::service_accounts::CreateServiceAccountInput;
use crate::domain::policy::AccountPolicy;
use crate::domain::{Code, Error, Refusal};
use crate::service::{ServiceAccountDraft, TokenDraft};

/// One change of the rules.
type PolicyEdit = Box<dyn Fn(&mut AccountPolicy) + Send>;

impl UpdateAccountPolicyInput {
    /// What changes among the rules; null is the default.
    pub(in crate::api::graphql) fn change(self) -> Result<impl Fn(&mut AccountPolicy) + Send, Error> {
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
    pub(in crate::api::graphql) fn draft(self) -> ServiceAccountDraft {
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
