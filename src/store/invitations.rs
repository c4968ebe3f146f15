//! Invitations, and the one unit of work in which somebody accepts one.

use surrealdb::types::{RecordId, SurrealValue};

use super::accounts::{push_account, push_membership, push_password};
use super::emails::push_email;
use super::error::settle;
use super::members::push_join_groups;
use super::one_time::{push_one_time, push_use};
use super::outbox::push_mails;
use super::roles::push_grants;
use super::users::{UserRow, instant, key, push_update, user_record};
use super::write::Write;
use super::{
    DatabaseName, OneTime, OrganizationStore, Purpose, SealedMail, SignIn, Store, StoreError, counted, millis, stored,
    unreadable, uuid,
};
use crate::domain::account::{EmailAddress, Membership, PasswordRecord};
use crate::domain::audit::AuditEvent;
use crate::domain::invitation::{Acceptance, Invitation, InvitationEnd, InvitationState};
use crate::domain::role::{BuiltInRole, GrantSource};
use crate::domain::token::BearerSecret;
use crate::domain::user::User;
use crate::domain::{GroupId, InvitationId, UserId};

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
struct InvitationRow {
    id: RecordId,
    email: String,
    email_key: String,
    pending_key: Option<String>,
    name: String,
    roles: Vec<String>,
    groups: Vec<uuid::Uuid>,
    user: Option<uuid::Uuid>,
    inviter: Option<uuid::Uuid>,
    state: String,
    expires: i64,
    sent: i64,
    sent_count: i64,
    accepted_by: Option<uuid::Uuid>,
    accepted: Option<i64>,
    accepted_via: Option<String>,
    end_reason: Option<String>,
    created: i64,
    updated: i64,
    version: i64,
}

fn invitation_record(id: InvitationId) -> RecordId {
    RecordId::new("invitation", uuid(id.uuid()))
}

impl From<&Invitation> for InvitationRow {
    fn from(invitation: &Invitation) -> Self {
        let pending = invitation.state == InvitationState::Pending;
        Self {
            id: invitation_record(invitation.id),
            email: invitation.email.clone(),
            email_key: invitation.email_key.clone(),
            pending_key: pending.then(|| invitation.email_key.clone()),
            name: invitation.name.clone(),
            roles: invitation.roles.iter().map(|role| role.as_str().to_owned()).collect(),
            groups: invitation.groups.iter().map(|group| group.uuid()).collect(),
            user: invitation.user.map(UserId::uuid),
            inviter: invitation.inviter.map(UserId::uuid),
            state: invitation.state.as_str().to_owned(),
            expires: millis(invitation.expires),
            sent: millis(invitation.sent),
            sent_count: i64::from(invitation.sent_count),
            accepted_by: invitation.accepted.map(|(by, ..)| by.uuid()),
            accepted: invitation.accepted.map(|(_, at, _)| millis(at)),
            accepted_via: invitation.accepted.map(|(.., how)| how.as_str().to_owned()),
            end_reason: invitation.end_reason.map(|reason| reason.as_str().to_owned()),
            created: millis(invitation.created),
            updated: millis(invitation.updated),
            version: stored(invitation.version),
        }
    }
}

impl InvitationRow {
    fn into_invitation(self) -> Result<Invitation, StoreError> {
        let how = self.accepted_via.as_deref().and_then(Acceptance::named);
        let accepted = match (self.accepted_by, self.accepted, how) {
            (Some(by), Some(at), Some(how)) => Some((UserId::new(by), instant(at), how)),
            _ => None,
        };
        Ok(Invitation {
            id: InvitationId::new(key(&self.id)?),
            email: self.email,
            email_key: self.email_key,
            name: self.name,
            roles: self.roles.iter().filter_map(|role| BuiltInRole::named(role)).collect(),
            groups: self.groups.into_iter().map(GroupId::new).collect(),
            user: self.user.map(UserId::new),
            inviter: self.inviter.map(UserId::new),
            state: InvitationState::named(&self.state).ok_or_else(|| unreadable("an invitation"))?,
            expires: instant(self.expires),
            sent: instant(self.sent),
            sent_count: u32::try_from(self.sent_count).unwrap_or_default(),
            accepted,
            end_reason: self.end_reason.as_deref().and_then(InvitationEnd::named),
            created: instant(self.created),
            updated: instant(self.updated),
            version: counted(self.version),
        })
    }
}

/// How somebody joins an organization.
pub(crate) struct Joining<'a> {
    /// The invitation before and after.
    pub(crate) invitation: (&'a Invitation, &'a Invitation),
    /// The secret that was followed.
    pub(crate) link: &'a BearerSecret,
    /// The user before, if one was there, and after.
    pub(crate) user: (Option<&'a User>, &'a User),
    /// That they belong to it.
    pub(crate) membership: &'a Membership,
    /// Address and password of somebody new; their account is the one that signs in.
    pub(crate) newcomer: Option<(&'a EmailAddress, &'a PasswordRecord)>,
    /// The login of somebody new.
    pub(crate) sign_in: Option<&'a SignIn<'a>>,
}

impl OrganizationStore {
    /// The invitation with this id.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_invitation(&self, id: InvitationId) -> Result<Option<Invitation>, StoreError> {
        let query = self.0.query("SELECT * FROM ONLY $id").bind(("id", invitation_record(id)));
        let row: Option<InvitationRow> = settle(query.await?)?.take(0)?;
        row.map(InvitationRow::into_invitation).transpose()
    }

    /// Adds an invitation with the secret of its link and the mail that holds it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Taken`] when the address has a pending one.
    pub(crate) async fn insert_invitation(
        &self,
        invitation: &Invitation,
        link: (&BearerSecret, &OneTime),
        mails: &[SealedMail],
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        let mut write = Write::new(self.1, event);
        write.push("CREATE $invitation CONTENT $invitation_content RETURN NONE;");
        write.bind("invitation", invitation_record(invitation.id));
        write.bind("invitation_content", InvitationRow::from(invitation));
        write.within_identity(|write| {
            push_one_time(write, link.0, link.1);
            push_mails(write, mails);
        });
        write.commit(&self.0).await
    }

    /// Ends an invitation with its link.
    ///
    /// # Errors
    ///
    /// [`StoreError::Outdated`] when it is no longer what was read.
    pub(crate) async fn end_invitation(
        &self,
        before: &Invitation,
        after: &Invitation,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        let mut write = Write::new(self.1, event);
        push_invitation_change(&mut write, before, after);
        write.within_identity(|write| {
            write.push("DELETE one_time WHERE subject = $invitation_key AND purpose = 'invitation' RETURN NONE;");
        });
        write.bind("invitation_key", uuid(before.id.uuid()));
        write.commit(&self.0).await
    }
}

fn push_invitation_change(write: &mut Write, before: &Invitation, after: &Invitation) {
    write.push(
        "IF (SELECT VALUE version FROM ONLY $invitation) != $invitation_version { THROW 'outdated' }; \
         UPDATE $invitation CONTENT $invitation_content RETURN NONE;",
    );
    write.bind("invitation", invitation_record(before.id));
    write.bind("invitation_version", stored(before.version));
    write.bind("invitation_content", InvitationRow::from(after));
}

impl Store {
    /// Accepts an invitation: user, membership, roles, groups, and for somebody new account and login.
    ///
    /// # Errors
    ///
    /// [`StoreError::Outdated`] when something is no longer what was read; [`StoreError::Taken`] for the user name or the
    /// address.
    pub(crate) async fn join(&self, joining: &Joining<'_>, event: &AuditEvent) -> Result<(), StoreError> {
        let (before, after) = joining.invitation;
        let (user_before, user) = joining.user;
        let bound = self.organization(joining.membership.organization).await?;
        let mut write = Write::new(joining.membership.organization, event);
        push_invitation_change(&mut write, before, after);
        if let Some(before) = user_before {
            push_update(&mut write, before, user);
        } else {
            write.push("CREATE $id CONTENT $user RETURN NONE;");
            write.bind("id", user_record(user.id));
            write.bind("user", UserRow::from(user));
        }
        push_grants(&mut write, user.id, &after.roles, GrantSource::Invitation, before.inviter, event.at);
        push_join_groups(&mut write, user.id, &after.groups);
        write.use_database(&DatabaseName::identity());
        push_use(&mut write, Purpose::Invitation, joining.link);
        if let (Some((email, password)), Some(sign_in)) = (joining.newcomer, joining.sign_in) {
            push_account(&mut write, sign_in.account, event.at);
            push_password(&mut write, sign_in.account.id, password);
            push_email(&mut write, email);
        }
        push_membership(&mut write, joining.membership);
        if let Some(sign_in) = joining.sign_in {
            super::sign_in::push_login(&mut write, sign_in);
        }
        write.use_database(&DatabaseName::of(joining.membership.organization));
        write.commit(&bound.0).await
    }
}
