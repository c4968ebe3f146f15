//! Inviting people: sending invitations, sending them again, withdrawing them.

use serde_json::json;

use super::Service;
use super::attempts::Attempts;
use super::mail_rates::{MailAsker, MailPurpose};
use super::references::{GroupRef, RoleRef, UserRef, check_count, check_may_give};
use super::roles::role_keys;
use crate::domain::account::{Edit, check_locale};
use crate::domain::actor::Actor;
use crate::domain::audit::{AuditEvent, EventKind, FieldChange};
use crate::domain::email::{self, Email};
use crate::domain::group::Group;
use crate::domain::invitation::{Invitation, InvitationDraft, InvitationEnd, InvitationState};
use crate::domain::mail::Letter;
use crate::domain::organization::Organization;
use crate::domain::policy::AccountPolicy;
use crate::domain::profile::ProfileField;
use crate::domain::role::{BuiltInRole, MOST_NAMED, Role};
use crate::domain::token::{BearerSecret, SecretKind};
use crate::domain::user::User;
use crate::domain::{Caller, Code, Error, InvitationId, OrganizationId, Permission, Refusal};
use crate::store::{InvitationFilter, OneTime, OrganizationStore, Purpose, SealedMail, StoreError, UniqueIndex};

/// Invitations of one call.
pub const MOST_INVITATIONS: usize = 100;
/// Characters of the inviter's own words.
const MESSAGE: usize = 1_000;
/// Days an invitation can be accepted.
const DAYS: std::ops::RangeInclusive<u32> = 1..=90;

/// Who is to be invited, as the caller named roles and groups.
#[derive(Clone, Debug)]
pub struct InvitationWish {
    /// Where to.
    pub email: String,
    /// The person's name.
    pub name: String,
    /// What they get.
    pub roles: Vec<RoleRef>,
    /// Where they join.
    pub groups: Vec<GroupRef>,
    /// How they are to sign in: left to the organization, with a password, or through a login provider.
    pub connection: Edit<String>,
    /// Days it can be accepted; none: as the organization says.
    pub days: Option<i32>,
    /// Language of the mail.
    pub locale: Option<String>,
    /// A few words of the inviter's own.
    pub message: Option<String>,
}

/// What belongs to every invitation that is sent now.
struct Sending {
    store: OrganizationStore,
    organization: Organization,
    policy: AccountPolicy,
}

/// An invitation that is about to be.
pub(super) struct PreparedInvitation {
    pub(super) invitation: Invitation,
    pub(super) secret: BearerSecret,
    pub(super) link: OneTime,
    pub(super) mail: SealedMail,
}

/// What invites a user who exists: roles and groups they have already.
fn draft_for(user: &User, days: Option<u32>) -> Result<InvitationDraft, Error> {
    Ok(InvitationDraft {
        email: Email::parse(user.directory_email().unwrap_or_else(|| user.user_name()))?,
        name: user.display_name().to_owned(),
        roles: Vec::new(),
        groups: Vec::new(),
        connection: Edit::Clear,
        days,
        locale: None,
        message: None,
    })
}

/// # Errors
///
/// [`Error::Refused`] with `ILLEGAL_TRANSITION` for a user who has joined or is kept out.
fn check_invitable(user: &User) -> Result<(), Error> {
    if user.account.is_none() && user.is_admitted() {
        return Ok(());
    }
    let from = if user.is_admitted() { "ACTIVE" } else { "DISABLED" };
    let refusal = Refusal::new(Code::IllegalTransition, "only users who have not joined are invited");
    Err(refusal.with("from", from).with("to", "INVITED").into())
}

fn check_days(days: Option<i32>) -> Result<Option<u32>, Error> {
    let Some(days) = days else { return Ok(None) };
    let days = u32::try_from(days).ok().filter(|days| DAYS.contains(days));
    Ok(Some(days.ok_or_else(|| {
        let refusal = Refusal::new(Code::ValidationFailed, "an invitation lasts 1 to 90 days").at("expiresInDays");
        refusal.with("min", *DAYS.start()).with("max", *DAYS.end())
    })?))
}

impl Service {
    async fn sending(&self, organization: OrganizationId) -> Result<Sending, Error> {
        let store = self.store.organization(organization).await?;
        let policy = store.find_policy().await?;
        Ok(Sending { organization: self.organization(organization).await?, policy, store })
    }

    /// Invites up to 100 people by mail (S1-18, S3-13): users are made when they accept. Each is done on its own.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::UserAccessInvite`]; [`Error::Refused`] with `VALIDATION_FAILED` for an
    /// empty list, `LIMIT_EXCEEDED`. Of one item: `INVALID_EMAIL`, `INVALID_DISPLAY_NAME`, `ALREADY_MEMBER`,
    /// `INVITATION_EXISTS`, `NOT_FOUND`, `MANAGED_BY_DIRECTORY`, `INSUFFICIENT_RANK`, `RATE_LIMITED`, `VALIDATION_FAILED`.
    pub async fn invite_all(
        &self,
        caller: &Caller,
        wishes: Vec<InvitationWish>,
    ) -> Result<Vec<(String, Result<Invitation, Error>)>, Error> {
        let organization = caller.require(Permission::UserAccessInvite)?;
        if wishes.is_empty() {
            return Err(Refusal::new(Code::ValidationFailed, "name at least one person").at("invitations").into());
        }
        check_count(wishes.len(), MOST_INVITATIONS, "invitations")?;
        let sending = self.sending(organization).await?;
        let mut results = Vec::with_capacity(wishes.len());
        for wish in wishes {
            let email = wish.email.clone();
            let outcome = match self.invite_one(caller, &sending, wish).await {
                Err(error @ (Error::Unavailable(_) | Error::Internal(_))) => return Err(error),
                outcome => outcome,
            };
            results.push((email, outcome));
        }
        self.mail_waits();
        Ok(results)
    }

    async fn invite_one(&self, caller: &Caller, sending: &Sending, wish: InvitationWish) -> Result<Invitation, Error> {
        let email = Email::parse(&wish.email)?;
        ProfileField::DisplayName.check(&wish.name).map_err(|error| match error {
            Error::Refused(refusals) => {
                Error::Refused(refusals.into_iter().map(|refusal| refusal.at("name")).collect())
            }
            other => other,
        })?;
        let days = check_days(wish.days)?;
        let roles = self.find_roles_by(&sending.store, &wish.roles).await?;
        let groups = self.find_groups_by(&sending.store, &wish.groups, ("groups", MOST_NAMED)).await?;
        let draft = InvitationDraft {
            email,
            name: wish.name,
            roles: role_keys(&roles),
            groups: groups.iter().map(|group| group.id).collect(),
            connection: wish.connection,
            days,
            locale: wish.locale,
            message: wish.message,
        };
        self.check_gifts(caller, sending, &roles, &groups).await?;
        let user = self.invited_user(&sending.store, &draft.email).await?;
        if let Some(user) = &user {
            self.check_rank(caller, &sending.store, user).await?;
        }
        self.send_invitation(caller, sending, draft, user.as_ref()).await
    }

    /// Invites one person by mail, for whoever holds the machine.
    ///
    /// # Errors
    ///
    /// As one item of [`Service::invite_all`].
    pub async fn invite(&self, caller: &Caller, draft: InvitationDraft) -> Result<Invitation, Error> {
        let organization = caller.require(Permission::UserAccessInvite)?;
        let sending = self.sending(organization).await?;
        let references: Vec<RoleRef> = draft.roles.iter().cloned().map(RoleRef::Key).collect();
        let roles = self.find_roles_by(&sending.store, &references).await?;
        check_may_give(caller, &roles, "roles")?;
        let user = self.invited_user(&sending.store, &draft.email).await?;
        let invitation = self.send_invitation(caller, &sending, draft, user.as_ref()).await?;
        self.mail_waits();
        Ok(invitation)
    }

    /// Invites an owner of an organization, for root. Takes the place of a pending invitation to the address.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `ALREADY_MEMBER`, `RATE_LIMITED`.
    pub(super) async fn invite_owner_of(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        email: Email,
        name: String,
    ) -> Result<Invitation, Error> {
        let sending = self.sending(organization).await?;
        let user = self.invited_user(&sending.store, &email).await?;
        let pending = sending.store.find_pending_invitation(email.key()).await?;
        let draft = InvitationDraft {
            email,
            name,
            roles: vec![BuiltInRole::Owner.as_str().to_owned()],
            groups: Vec::new(),
            connection: Edit::Clear,
            days: None,
            locale: None,
            message: None,
        };
        self.use_up_root(caller).await?;
        if let Some(known) = pending {
            let after = known.cancelled(InvitationEnd::Superseded, self.clock.now());
            let event = self.event(caller, EventKind::InvitationCancelled, ("invitation", known.id.to_string()));
            sending.store.end_invitations(&[(known, after)], &event).await?;
        }
        self.send_invitation(caller, &sending, draft, user.as_ref()).await
    }

    /// Nobody invites with more than they have, and no directory's group is joined by invitation.
    async fn check_gifts(
        &self,
        caller: &Caller,
        sending: &Sending,
        roles: &[Role],
        groups: &[Group],
    ) -> Result<(), Error> {
        check_may_give(caller, roles, "roles")?;
        for (index, group) in groups.iter().enumerate() {
            if let Some(directory) = group.directory {
                let Error::Refused(refusals) = self.managed_by(&sending.store, directory, "groups").await? else {
                    continue;
                };
                let placed = refusals.into_iter().map(|refusal| refusal.at_item("groups", index));
                return Err(Error::Refused(placed.collect()));
            }
        }
        let ids: Vec<_> = groups.iter().map(|group| group.id).collect();
        check_may_give(caller, &sending.store.roles_through(&ids).await?, "groups")
    }

    /// The connection an invitation names: what was asked for, else what the organization says (C09).
    async fn wanted_connection(&self, sending: &Sending, wish: &Edit<String>) -> Result<Option<String>, Error> {
        let name = match wish {
            Edit::Keep => return Ok(sending.policy.default_connection.clone()),
            Edit::Clear => return Ok(None),
            Edit::Set(name) => name,
        };
        if self.connections(&sending.store).await?.iter().any(|connection| connection.name == *name) {
            return Ok(Some(name.clone()));
        }
        Err(Refusal::new(Code::ValidationFailed, "there is no such login provider").at("connection").into())
    }

    /// An invitation with its link and its mail, as it is about to be kept and sent.
    async fn prepare_invitation(
        &self,
        caller: &Caller,
        sending: &Sending,
        draft: InvitationDraft,
        user: Option<&User>,
    ) -> Result<PreparedInvitation, Error> {
        if let Some(locale) = &draft.locale {
            check_locale(locale)?;
        }
        let is_plain = |text: &str| !text.chars().any(|c| c.is_control() && c != '\n' && c != '\r' && c != '\t');
        if draft.message.as_ref().is_some_and(|text| text.chars().count() > MESSAGE || !is_plain(text)) {
            let refusal = Refusal::new(Code::ValidationFailed, "a message has at most 1000 characters").at("message");
            return Err(refusal.with("max", MESSAGE).into());
        }
        let connection = self.wanted_connection(sending, &draft.connection).await?;
        self.mail_rates.take(MailPurpose::Invitation, &MailAsker::managing(caller), draft.email.key())?;
        let writer = self.writer(caller);
        let days = draft.days.unwrap_or(sending.policy.invitation_days);
        let invitation = Invitation {
            id: InvitationId::new(self.entropy.id(writer.now)),
            email: draft.email.as_str().to_owned(),
            email_key: draft.email.key().to_owned(),
            name: draft.name,
            roles: draft.roles,
            groups: draft.groups,
            connection,
            locale: draft.locale,
            message: draft.message,
            user: user.map(|user| user.id),
            inviter: writer.author,
            updated_by: writer.author,
            state: InvitationState::Pending,
            expires: writer.now + chrono::TimeDelta::days(i64::from(days)),
            sent: writer.now,
            sent_count: 1,
            accepted: None,
            end_reason: None,
            created: writer.now,
            updated: writer.now,
            version: 1,
        };
        let (secret, link, mail) = self.invitation_mail(caller, sending, &invitation, days)?;
        Ok(PreparedInvitation { invitation, secret, link, mail })
    }

    async fn send_invitation(
        &self,
        caller: &Caller,
        sending: &Sending,
        draft: InvitationDraft,
        user: Option<&User>,
    ) -> Result<Invitation, Error> {
        let prepared = self.prepare_invitation(caller, sending, draft, user).await?;
        let PreparedInvitation { invitation, secret, link, mail } = prepared;
        let event = AuditEvent {
            values: vec![FieldChange::new("roles", json!(null), invitation.roles.clone())],
            ..self.event(caller, EventKind::InvitationSent, ("invitation", invitation.id.to_string()))
        };
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            let inserted =
                sending.store.insert_invitation(&invitation, (&secret, &link), &[mail.clone()], &event).await;
            match inserted {
                Ok(()) => return Ok(invitation),
                Err(StoreError::Taken(UniqueIndex::PendingInvitation)) => {
                    if !self.make_room(caller, &sending.store, &invitation).await? || !attempts.again().await {
                        return Err(self.invitation_exists(&sending.store, &invitation).await?);
                    }
                }
                Err(StoreError::Outdated) if attempts.again().await => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// An invitation whose time is over gives way to a new one.
    async fn make_room(&self, caller: &Caller, store: &OrganizationStore, wanted: &Invitation) -> Result<bool, Error> {
        let now = self.clock.now();
        let Some(known) = store.find_pending_invitation(&wanted.email_key).await? else { return Ok(true) };
        if !known.is_expired(now) {
            return Ok(false);
        }
        let after = known.cancelled(InvitationEnd::Superseded, now);
        let event = self.event(caller, EventKind::InvitationCancelled, ("invitation", known.id.to_string()));
        match store.end_invitations(&[(known, after)], &event).await {
            Ok(()) | Err(StoreError::Outdated) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    async fn invitation_exists(&self, store: &OrganizationStore, wanted: &Invitation) -> Result<Error, Error> {
        let known = store.find_pending_invitation(&wanted.email_key).await?;
        let refusal =
            Refusal::new(Code::InvitationExists, "that address has a pending invitation: resend it").at("email");
        Ok(match known {
            Some(known) => refusal.with("invitationId", known.id.to_string()).into(),
            None => refusal.into(),
        })
    }

    /// The link, and the mail that holds it: nowhere else is it ever shown (IN-02).
    fn invitation_mail(
        &self,
        caller: &Caller,
        sending: &Sending,
        invitation: &Invitation,
        days: u32,
    ) -> Result<(BearerSecret, OneTime, SealedMail), Error> {
        let secret = self.secret(SecretKind::Invitation);
        let link = OneTime {
            purpose: Purpose::Invitation,
            account: None,
            organization: Some(sending.organization.id),
            subject: Some(invitation.id.uuid()),
            details: json!({}),
            tries_left: 1,
            created: invitation.sent,
            expires: invitation.expires,
            used: None,
        };
        let inviter = match caller.actor() {
            Actor::Person(person) => Some(person.user.display_name().to_owned()),
            Actor::Program(program) => Some(program.account.display_name().to_owned()),
            _ => None,
        };
        let letter = Letter::Invitation {
            token: secret.expose().to_owned(),
            organization: sending.organization.name.clone(),
            inviter,
            days,
            message: invitation.message.clone(),
        };
        let mail = self.seal_mail(&invitation.email, &invitation.name, letter)?;
        Ok((secret, link, mail))
    }

    /// Mails an invitation to users that exist and have not joined (E3-08). Each is done on its own.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::UserAccessInvite`]; [`Error::Refused`] with `VALIDATION_FAILED`,
    /// `LIMIT_EXCEEDED`. Of one item: `NOT_FOUND`, `ILLEGAL_TRANSITION`, `INVALID_EMAIL`, `INVITATION_EXISTS`,
    /// `INSUFFICIENT_RANK`, `RATE_LIMITED`.
    pub async fn send_invitations(
        &self,
        caller: &Caller,
        ids: &[String],
        days: Option<i32>,
    ) -> Result<Vec<(String, Result<Invitation, Error>)>, Error> {
        let organization = caller.require(Permission::UserAccessInvite)?;
        if ids.is_empty() {
            return Err(Refusal::new(Code::ValidationFailed, "name at least one user").at("userIds").into());
        }
        check_count(ids.len(), MOST_INVITATIONS, "userIds")?;
        let days = check_days(days)?;
        let sending = self.sending(organization).await?;
        let mut results = Vec::with_capacity(ids.len());
        for id in ids {
            let outcome = match self.invite_existing(caller, &sending, &UserRef::Id(id.clone()), days).await {
                Err(error @ (Error::Unavailable(_) | Error::Internal(_))) => return Err(error),
                outcome => outcome,
            };
            results.push((id.clone(), outcome));
        }
        self.mail_waits();
        Ok(results)
    }

    async fn invite_existing(
        &self,
        caller: &Caller,
        sending: &Sending,
        who: &UserRef,
        days: Option<u32>,
    ) -> Result<Invitation, Error> {
        let user = self.find_user(caller, &sending.store, who).await?;
        self.check_rank(caller, &sending.store, &user).await?;
        check_invitable(&user)?;
        self.send_invitation(caller, sending, draft_for(&user, days)?, Some(&user)).await
    }

    /// Mails an invitation to a user who has not joined, for a caller who has been asked for a permission and has the rank.
    /// Sends a pending one again, with a new link.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `ILLEGAL_TRANSITION`, `EMAIL_UNVERIFIED` without an address, `RATE_LIMITED`.
    pub(super) async fn invite_to_join(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        user: &User,
    ) -> Result<Invitation, Error> {
        check_invitable(user)?;
        let no_address = || Refusal::new(Code::EmailUnverified, "that user has no address").at("user");
        let draft = draft_for(user, None).map_err(|_| no_address())?;
        let sending = self.sending(organization).await?;
        match sending.store.find_pending_invitation(draft.email.key()).await? {
            Some(known) => self.send_again(caller, &sending, &known.id.to_string(), None).await,
            None => self.send_invitation(caller, &sending, draft, Some(user)).await,
        }
    }

    /// The invitation of somebody whose user is about to be made, to be kept with it.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::UserAccessInvite`]; [`Error::Refused`] with `INVALID_EMAIL`,
    /// `INVITATION_EXISTS`, `RATE_LIMITED`.
    pub(super) async fn prepare_for(&self, caller: &Caller, user: &User) -> Result<PreparedInvitation, Error> {
        let organization = caller.require(Permission::UserAccessInvite)?;
        let sending = self.sending(organization).await?;
        let prepared = self.prepare_invitation(caller, &sending, draft_for(user, None)?, Some(user)).await?;
        if !self.make_room(caller, &sending.store, &prepared.invitation).await? {
            return Err(self.invitation_exists(&sending.store, &prepared.invitation).await?);
        }
        Ok(prepared)
    }

    /// Sends an invitation again: same id, new link, the time starts anew.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::UserAccessInvite`]; [`Error::Refused`] with `NOT_FOUND`,
    /// `INVITATION_NOT_PENDING`, `INSUFFICIENT_RANK`, `RATE_LIMITED`, `VALIDATION_FAILED`.
    pub async fn resend_invitation(&self, caller: &Caller, id: &str, days: Option<i32>) -> Result<Invitation, Error> {
        let organization = caller.require(Permission::UserAccessInvite)?;
        let days = check_days(days)?;
        self.send_again(caller, &self.sending(organization).await?, id, days).await
    }

    async fn send_again(
        &self,
        caller: &Caller,
        sending: &Sending,
        id: &str,
        days: Option<u32>,
    ) -> Result<Invitation, Error> {
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            let before = find_invitation(&sending.store, id).await?;
            if before.state != InvitationState::Pending {
                return Err(not_pending());
            }
            let references: Vec<RoleRef> = before.roles.iter().cloned().map(RoleRef::Key).collect();
            check_may_give(caller, &self.find_roles_by(&sending.store, &references).await?, "invitationId")?;
            check_may_give(caller, &sending.store.roles_through(&before.groups).await?, "invitationId")?;
            self.mail_rates.take(MailPurpose::Invitation, &MailAsker::managing(caller), &before.email_key)?;
            let writer = self.writer(caller);
            let days = days.unwrap_or(sending.policy.invitation_days);
            let after = Invitation {
                // From now on it is whoever sends it who vouches for it.
                inviter: writer.author,
                updated_by: writer.author,
                expires: writer.now + chrono::TimeDelta::days(i64::from(days)),
                sent: writer.now,
                sent_count: before.sent_count + 1,
                updated: writer.now,
                version: before.version + 1,
                ..before.clone()
            };
            let (secret, link, mail) = self.invitation_mail(caller, sending, &after, days)?;
            let event = self.event(caller, EventKind::InvitationResent, ("invitation", after.id.to_string()));
            let sent = sending.store.resend_invitation(&before, &after, (&secret, &link), &[mail], &event).await;
            match sent.map_err(Error::from) {
                Ok(()) => {
                    self.mail_waits();
                    return Ok(after);
                }
                Err(Error::Busy) if attempts.again().await => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Withdraws a pending or expired invitation; one that is withdrawn already is answered as it is.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::UserAccessInvite`]; [`Error::Refused`] with `NOT_FOUND`,
    /// `INVITATION_NOT_PENDING`.
    pub async fn cancel_invitation(&self, caller: &Caller, id: &str) -> Result<Invitation, Error> {
        let organization = caller.require(Permission::UserAccessInvite)?;
        let store = self.store.organization(organization).await?;
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            let before = find_invitation(&store, id).await?;
            match before.state {
                InvitationState::Cancelled => return Ok(before),
                InvitationState::Accepted => return Err(not_pending()),
                InvitationState::Pending => {}
            }
            let after =
                Invitation { updated_by: caller.author(), ..before.cancelled(InvitationEnd::Admin, self.clock.now()) };
            let event = self.event(caller, EventKind::InvitationCancelled, ("invitation", after.id.to_string()));
            match store.end_invitations(&[(before, after.clone())], &event).await.map_err(Error::from) {
                Ok(()) => return Ok(after),
                Err(Error::Busy) if attempts.again().await => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Withdraws all pending invitations of a user: those for them, and those to one of their addresses (S3-02).
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::UserAccessInvite`]; [`Error::Refused`] with `NOT_FOUND`.
    pub async fn cancel_user_invitations(&self, caller: &Caller, who: &UserRef) -> Result<Vec<Invitation>, Error> {
        let organization = caller.require(Permission::UserAccessInvite)?;
        let store = self.store.organization(organization).await?;
        let user = self.find_user(caller, &store, who).await?;
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            let filter = self.invitations_of(&user).await?;
            let now = self.clock.now();
            let changes: Vec<(Invitation, Invitation)> = store
                .list_invitations(&filter)
                .await?
                .into_iter()
                .filter(|invitation| invitation.state == InvitationState::Pending)
                .map(|before| {
                    let after = before.cancelled(InvitationEnd::Admin, now);
                    (before, Invitation { updated_by: caller.author(), ..after })
                })
                .collect();
            if changes.is_empty() {
                return Ok(Vec::new());
            }
            let event = self.event(caller, EventKind::InvitationCancelled, ("user", user.id.to_string()));
            match store.end_invitations(&changes, &event).await.map_err(Error::from) {
                Ok(()) => return Ok(changes.into_iter().map(|(_, after)| after).collect()),
                Err(Error::Busy) if attempts.again().await => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Which invitations are a user's.
    async fn invitations_of(&self, user: &User) -> Result<InvitationFilter, Error> {
        let mut keys: Vec<String> = user.email_keys().iter().map(|address| email::lookup_key(address)).collect();
        if let Some(account) = user.account {
            keys.extend(self.store.identity().list_emails(account).await?.into_iter().map(|email| email.key));
        }
        Ok(InvitationFilter { states: None, email_key: None, user: Some((user.id, keys)), now: self.clock.now() })
    }

    /// The organization's invitations, newest first, and how many there are whatever the filter.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::UserAccessInvite`].
    pub async fn list_invitations(
        &self,
        caller: &Caller,
        mut filter: InvitationFilter,
        of: Option<&str>,
    ) -> Result<(Vec<Invitation>, u64), Error> {
        let organization = caller.require(Permission::UserAccessInvite)?;
        let store = self.store.organization(organization).await?;
        if let Some(id) = of {
            let Ok(user) = self.find_user(caller, &store, &UserRef::Id(id.to_owned())).await else {
                return Ok((Vec::new(), store.count_invitations().await?));
            };
            filter.user = self.invitations_of(&user).await?.user;
        }
        Ok((store.list_invitations(&filter).await?, store.count_invitations().await?))
    }

    /// Whether the account with this proven address is another organization's, whose administrators reset how it signs in.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::UserAccessInvite`].
    pub async fn is_managed_elsewhere(&self, caller: &Caller, email_key: &str) -> Result<bool, Error> {
        let organization = caller.require(Permission::UserAccessInvite)?;
        let Some(email) = self.store.identity().find_verified_email(email_key).await? else { return Ok(false) };
        let account = self.store.identity().find_account(email.account).await?;
        Ok(account.and_then(|account| account.managed_by).is_some_and(|manager| manager != organization))
    }

    /// One invitation.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::UserAccessInvite`]; [`Error::Refused`] with `NOT_FOUND`.
    pub async fn get_invitation(&self, caller: &Caller, id: &str) -> Result<Invitation, Error> {
        let organization = caller.require(Permission::UserAccessInvite)?;
        find_invitation(&self.store.organization(organization).await?, id).await
    }
}

fn not_pending() -> Error {
    Refusal::new(Code::InvitationNotPending, "that invitation was answered or withdrawn").at("invitationId").into()
}

async fn find_invitation(store: &OrganizationStore, id: &str) -> Result<Invitation, Error> {
    let missing = || Error::from(Refusal::new(Code::NotFound, "no such invitation").at("invitationId"));
    let id: InvitationId = id.parse().map_err(|_| missing())?;
    store.find_invitation(id).await?.ok_or_else(missing)
}
