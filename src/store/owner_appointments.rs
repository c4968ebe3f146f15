//! Owners that the operator makes: user, account and grant in one transaction.

use super::accounts::{push_account, push_membership, push_password};
use super::emails::push_email;
use super::grants::{GrantChange, push_grants};
use super::users::{push_new_user, push_update};
use super::write::Write;
use super::{DatabaseName, Store, StoreError};
use crate::domain::OrganizationId;
use crate::domain::account::{Account, EmailAddress, Membership, PasswordRecord};
use crate::domain::audit::AuditEvent;
use crate::domain::group::MemberKind;
use crate::domain::role::{BuiltInRole, GrantSource};
use crate::domain::user::User;

/// An owner, and what is still missing for this user to sign in.
pub(crate) struct OwnerAppointment<'a> {
    /// The user before, if there was one.
    pub(crate) before: Option<&'a User>,
    /// The user as an owner who can sign in.
    pub(crate) after: &'a User,
    /// Account, address and password of a user who had no account.
    pub(crate) newcomer: Option<(&'a Account, &'a EmailAddress, &'a PasswordRecord)>,
    /// The membership, unless the account has it already.
    pub(crate) membership: Option<&'a Membership>,
}

impl Store {
    /// Makes a user an owner of an organization.
    ///
    /// # Errors
    ///
    /// [`StoreError::Outdated`] when the user is no longer what was read; [`StoreError::Taken`] for the name or the address.
    pub(crate) async fn appoint_owner(
        &self,
        organization: OrganizationId,
        appointment: &OwnerAppointment<'_>,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        let OwnerAppointment { before, after, newcomer, membership } = appointment;
        let bound = self.organization(organization).await?;
        let mut write = Write::new(organization, event);
        match before {
            Some(before) => push_update(&mut write, before, after),
            None => push_new_user(&mut write, after),
        }
        let grant = GrantChange {
            holder: after.id.uuid(),
            kind: MemberKind::User,
            source: GrantSource::Direct,
            reference: None,
            added: &[BuiltInRole::Owner.as_str().to_owned()],
            removed: &[],
            by: None,
        };
        push_grants(&mut write, &[grant]);
        write.use_database(&DatabaseName::identity());
        if let Some((account, email, password)) = newcomer {
            push_account(&mut write, account, event.at);
            push_password(&mut write, account.id, password);
            push_email(&mut write, email);
        }
        if let Some(membership) = membership {
            push_membership(&mut write, membership);
        }
        write.use_database(&DatabaseName::of(organization));
        write.commit(&bound.0).await
    }
}
