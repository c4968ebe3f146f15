//! Invitations, and the one unit of work in which somebody accepts one.

use chrono::{DateTime, Utc};
use surrealdb::types::{RecordId, SurrealValue, Variables};

use super::accounts::{push_account, push_membership, push_password};
use super::emails::push_email;
use super::error::settle;
use super::grants::{GrantChange, push_grants};
use super::members::{Belongings, push_belongings};
use super::one_time::{push_one_time, push_use};
use super::outbox::push_mails;
use super::users::{author, instant, key, push_new_user, push_update};
use super::write::Write;
use super::{
    DatabaseName, OneTime, OrganizationStore, Purpose, SealedMail, SignIn, Store, StoreError, counted, millis, stored,
    unreadable, uuid,
};
use crate::domain::account::{EmailAddress, Membership, PasswordRecord};
use crate::domain::audit::AuditEvent;
use crate::domain::group::{Belonging, MemberKind, MemberSource};
use crate::domain::invitation::{Acceptance, Invitation, InvitationEnd, InvitationState};
use crate::domain::role::GrantSource;
use crate::domain::token::BearerSecret;
use crate::domain::user::{User, Writer};
use crate::domain::{Author, GroupId, InvitationId, UserId};

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
    inviter: Option<String>,
    connection: Option<String>,
    locale: Option<String>,
    message: Option<String>,
    updated_by: Option<String>,
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
            roles: invitation.roles.clone(),
            groups: invitation.groups.iter().map(|group| group.uuid()).collect(),
            user: invitation.user.map(UserId::uuid),
            inviter: invitation.inviter.map(Author::stored),
            connection: invitation.connection.clone(),
            locale: invitation.locale.clone(),
            message: invitation.message.clone(),
            updated_by: invitation.updated_by.map(Author::stored),
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
            roles: self.roles,
            groups: self.groups.into_iter().map(GroupId::new).collect(),
            user: self.user.map(UserId::new),
            inviter: author(self.inviter.as_deref()),
            connection: self.connection,
            locale: self.locale,
            message: self.message,
            updated_by: author(self.updated_by.as_deref()),
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
        push_new_invitation(&mut write, invitation);
        write.within_identity(|write| {
            push_one_time(write, link.0, link.1);
            push_mails(write, mails);
        });
        write.commit(&self.0).await
    }

    /// The pending invitation to this address.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn find_pending_invitation(&self, email_key: &str) -> Result<Option<Invitation>, StoreError> {
        let query =
            self.0.query("SELECT * FROM invitation WHERE pending_key = $key").bind(("key", email_key.to_owned()));
        let rows: Vec<InvitationRow> = settle(query.await?)?.take(0)?;
        rows.into_iter().next().map(InvitationRow::into_invitation).transpose()
    }

    /// The invitations of the organization, newest first.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn list_invitations(&self, filter: &InvitationFilter) -> Result<Vec<Invitation>, StoreError> {
        let mut variables = Variables::new();
        let mut clauses = vec!["true"];
        if let Some(key) = &filter.email_key {
            clauses.push("email_key = $key");
            variables.insert("key", key.clone());
        }
        if let Some((user, keys)) = &filter.user {
            clauses.push("(user = $user OR accepted_by = $user OR email_key IN $keys)");
            variables.insert("user", uuid(user.uuid()));
            variables.insert("keys", keys.clone());
        }
        let mut states = Vec::new();
        for state in filter.states.iter().flatten() {
            states.push(match state {
                ShownState::Pending => "(state = 'PENDING' AND expires > $now)",
                ShownState::Expired => "(state = 'PENDING' AND expires <= $now)",
                ShownState::Accepted => "state = 'ACCEPTED'",
                ShownState::Cancelled => "state = 'CANCELLED'",
            });
        }
        let any = format!("({})", states.join(" OR "));
        if filter.states.is_some() {
            clauses.push(if states.is_empty() { "false" } else { &any });
        }
        variables.insert("now", millis(filter.now));
        let text = format!("SELECT * FROM invitation WHERE {} ORDER BY id DESC", clauses.join(" AND "));
        let rows: Vec<InvitationRow> = settle(self.0.query(text).bind(variables).await?)?.take(0)?;
        rows.into_iter().map(InvitationRow::into_invitation).collect()
    }

    /// How many invitations there are.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn count_invitations(&self) -> Result<u64, StoreError> {
        let count: Option<i64> =
            settle(self.0.query("SELECT count() FROM invitation GROUP ALL").await?)?.take((0, "count"))?;
        Ok(count.map(counted).unwrap_or_default())
    }

    /// Sends an invitation again: another secret, which voids the one before.
    ///
    /// # Errors
    ///
    /// [`StoreError::Outdated`] when it is no longer what was read.
    pub(crate) async fn resend_invitation(
        &self,
        before: &Invitation,
        after: &Invitation,
        link: (&BearerSecret, &OneTime),
        mails: &[SealedMail],
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        let mut write = Write::new(self.1, event);
        push_invitation_change(&mut write, before, after);
        write.within_identity(|write| {
            push_one_time(write, link.0, link.1);
            push_mails(write, mails);
        });
        write.commit(&self.0).await
    }

    /// Ends several invitations with their links: all, or none.
    ///
    /// # Errors
    ///
    /// [`StoreError::Outdated`] when one is no longer what was read.
    pub(crate) async fn end_invitations(
        &self,
        changes: &[(Invitation, Invitation)],
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        let mut write = Write::new(self.1, event);
        push_answers(&mut write, changes.iter().map(|(before, after)| (before, after)));
        write.commit(&self.0).await
    }

    /// Adds a user who was invited, and answers their invitations with it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Taken`]; [`StoreError::Outdated`] when an invitation, role or group is no longer what was read.
    pub(crate) async fn insert_invited_user(
        &self,
        user: &User,
        answered: &[(Invitation, Invitation)],
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        let mut write = Write::new(self.1, event);
        push_new_user(&mut write, user);
        push_answers(&mut write, answered.iter().map(|(before, after)| (before, after)));
        // One address, one invitation; of several addresses the first one's roles count.
        if let Some((before, _)) = answered.first() {
            push_joining(&mut write, before, user, event.at);
        }
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

/// Answers invitations; their links stop working.
pub(super) fn push_answers<'i>(write: &mut Write, changes: impl IntoIterator<Item = (&'i Invitation, &'i Invitation)>) {
    let (answered, rows): (Vec<uuid::Uuid>, Vec<InvitationRow>) =
        changes.into_iter().map(|(before, after)| (before.id.uuid(), InvitationRow::from(after))).unzip();
    if rows.is_empty() {
        return;
    }
    write.push(
        "FOR $answer IN $answers { IF (SELECT VALUE version FROM ONLY $answer.id) != $answer.version - 1 \
         { THROW 'outdated' }; UPDATE $answer.id CONTENT $answer RETURN NONE; };",
    );
    write.bind("answers", rows);
    write.within_identity(|write| {
        write.push("DELETE one_time WHERE subject IN $answered_keys AND purpose = 'invitation' RETURN NONE;");
    });
    write.bind("answered_keys", answered.into_iter().map(uuid).collect::<Vec<_>>());
}

/// States of invitations as they are shown: time makes one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShownState {
    /// It can be accepted.
    Pending,
    /// It could have been.
    Expired,
    /// It was.
    Accepted,
    /// It cannot be any more.
    Cancelled,
}

/// Which invitations are asked for; all given conditions must hold.
#[derive(Clone, Debug)]
pub struct InvitationFilter {
    /// In any of these states; none: in any.
    pub states: Option<Vec<ShownState>>,
    /// To this address.
    pub email_key: Option<String>,
    /// For this user, or to one of these addresses.
    pub user: Option<(UserId, Vec<String>)>,
    /// What time it is.
    pub now: DateTime<Utc>,
}

/// Adds an invitation.
pub(super) fn push_new_invitation(write: &mut Write, invitation: &Invitation) {
    write.push("CREATE $invitation CONTENT $invitation_content RETURN NONE;");
    write.bind("invitation", invitation_record(invitation.id));
    write.bind("invitation_content", InvitationRow::from(invitation));
}

/// Puts an invitation in the place of the one that was read.
pub(super) fn push_invitation_change(write: &mut Write, before: &Invitation, after: &Invitation) {
    write.push(
        "IF (SELECT VALUE version FROM ONLY $invitation) != $invitation_version { THROW 'outdated' }; \
         UPDATE $invitation CONTENT $invitation_content RETURN NONE;",
    );
    write.bind("invitation", invitation_record(before.id));
    write.bind("invitation_version", stored(before.version));
    write.bind("invitation_content", InvitationRow::from(after));
}

/// Roles and groups of an invitation become the user's, who is written by the same batch before.
pub(super) fn push_joining(write: &mut Write, invitation: &Invitation, user: &User, now: DateTime<Utc>) {
    let writer = Writer { author: invitation.inviter, now, states_all: false };
    let change = GrantChange {
        holder: user.id.uuid(),
        kind: MemberKind::User,
        source: GrantSource::Invitation,
        reference: None,
        added: &invitation.roles,
        removed: &[],
        by: invitation.inviter,
    };
    push_grants(write, &[change]);
    let put =
        |group: &GroupId| Belonging::new(*group, user.id.uuid(), MemberKind::User, MemberSource::Invitation, writer);
    let put = invitation.groups.iter().map(put).collect();
    push_belongings(write, &Belongings { put, gone: Vec::new() });
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
            push_new_user(&mut write, user);
        }
        push_joining(&mut write, before, user, event.at);
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
