//! The root principal (S0-02): the operator of a fresh or broken installation, through the account API.
//!
//! Its credential is good for 15 minutes and for one deed: making an organization with its first owner, or inviting or
//! restoring the owner of one. A deed uses the credential up after everything that can be refused beforehand and before it
//! writes, so that two requests at once do one deed. Root belongs to no organization and is never a superuser.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use uuid::Uuid;

use super::Service;
use super::attempts::Attempts;
use super::organizations::NewOwner;
use super::owners::holds_ownership;
use super::references::{OrganizationRef, UserRef};
use crate::domain::actor::{Nobody, Root};
use crate::domain::audit::{AuditEvent, Change, EventKind, FieldChange};
use crate::domain::email::Email;
use crate::domain::group::MemberKind;
use crate::domain::invitation::Invitation;
use crate::domain::login::Origin;
use crate::domain::organization::{Organization, OrganizationDraft};
use crate::domain::profile::ProfileField;
use crate::domain::role::{BuiltInRole, GrantSource};
use crate::domain::token::{BearerSecret, SecretKind};
use crate::domain::user::User;
use crate::domain::{Caller, Code, Error, Noun, Permission, Refusal, UserId};
use crate::store::{GrantChange, OneTime, OrganizationStore, OwnerWatch, Purpose};

/// How long a credential works: long enough to paste it, too short to be kept.
const LIFETIME: TimeDelta = TimeDelta::minutes(15);
/// The id of root in the audit trail.
const ROOT: Uuid = Uuid::nil();

impl Service {
    /// Issues a credential of root, which is shown only now. The one before it is void. Answers until when it works.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] for everyone but the operator.
    pub async fn issue_root_credential(&self, caller: &Caller) -> Result<(BearerSecret, DateTime<Utc>), Error> {
        caller.require_operator(Permission::OrgManagement)?;
        let now = self.clock.now();
        let secret = self.secret(SecretKind::Root);
        let link = OneTime {
            purpose: Purpose::Root,
            account: None,
            organization: None,
            subject: Some(ROOT),
            details: json!({}),
            tries_left: 1,
            created: now,
            expires: now + LIFETIME,
            used: None,
        };
        let event = self.event(caller, EventKind::RootCredentialIssued, ("root", ROOT.to_string()));
        self.store.send_link(None, &secret, &link, &[], &event).await?;
        Ok((secret, link.expires))
    }

    /// Root, if this credential works now; else nobody.
    pub(super) async fn sign_in_root(&self, secret: BearerSecret, origin: Origin) -> Result<Caller, Error> {
        let found = self.store.identity().find_one_time(Purpose::Root, &secret).await?;
        let now = self.clock.now();
        Ok(match found.filter(|link| link.used.is_none() && now < link.expires) {
            Some(link) => Caller::root(Arc::new(Root { secret, expires: link.expires }), origin),
            None => Caller::nobody(Nobody::Unknown, origin),
        })
    }

    /// Uses up the credential of root; of any other caller nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`] if another request was first.
    pub(super) async fn use_up_root(&self, caller: &Caller) -> Result<(), Error> {
        let Some(root) = caller.as_root() else { return Ok(()) };
        match self.store.identity().use_up(&root.secret, self.clock.now()).await.map_err(Error::from) {
            Ok(true) => Ok(()),
            Ok(false) | Err(Error::Busy) => Err(Error::Unauthenticated),
            Err(error) => Err(error),
        }
    }

    /// Makes an organization with its first owner, whose generated password is shown only now.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `INSUFFICIENT_RANK` for everyone but root, `INVALID_EMAIL`, `EMAIL_TAKEN`; [`Error::Taken`],
    /// [`Error::Invalid`] for its names.
    pub async fn create_organization_as_root(
        &self,
        caller: &Caller,
        draft: OrganizationDraft,
    ) -> Result<(Organization, Option<NewOwner>), Error> {
        caller.require_root()?;
        let refused = |code: Code, message: &'static str| Error::from(Refusal::new(code, message).at("ownerEmail"));
        let email = draft.owner_email.as_deref().and_then(|text| Email::parse(text).ok());
        let email = email.ok_or_else(|| refused(Code::InvalidEmail, "not one valid e-mail address"))?;
        if self.store.identity().find_verified_email(email.key()).await?.is_some() {
            return Err(refused(Code::EmailTaken, "an account has that address"));
        }
        self.make_organization(caller, draft).await
    }

    /// Invites an owner of an organization by mail; a pending invitation to the address is replaced.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `INSUFFICIENT_RANK` for everyone but root, `NOT_FOUND`, `INVALID_EMAIL`,
    /// `INVALID_DISPLAY_NAME`, `ALREADY_MEMBER`, `RATE_LIMITED`.
    pub async fn invite_owner(
        &self,
        caller: &Caller,
        to: &OrganizationRef,
        email: &str,
        name: &str,
    ) -> Result<(Organization, Invitation), Error> {
        caller.require_root()?;
        let organization = self.organization_of_root(to).await?;
        let email = Email::parse(email)?;
        if ProfileField::DisplayName.check(name).is_err() {
            let message = "a name has 1 to 150 characters, without < and > and control characters";
            return Err(Refusal::new(Code::InvalidDisplayName, message).at("name").into());
        }
        let invitation = self.invite_owner_of(caller, organization.id, email, name.to_owned()).await?;
        self.mail_waits();
        Ok((organization, invitation))
    }

    /// Lets a user of an organization sign in and own it again: lifts a hold, sets the user active where a directory said
    /// otherwise, and gives the role `owner`.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `INSUFFICIENT_RANK` for everyone but root, `NOT_FOUND`, `ILLEGAL_TRANSITION` for a user who has
    /// not joined.
    pub async fn restore_owner(
        &self,
        caller: &Caller,
        to: &OrganizationRef,
        who: &UserRef,
    ) -> Result<(Organization, User), Error> {
        caller.require_root()?;
        let organization = self.organization_of_root(to).await?;
        let store = self.store.organization(organization.id).await?;
        let user = self.find_user(caller, &store, who).await?;
        if user.account.is_none() {
            let refusal = Refusal::new(Code::IllegalTransition, "that user has not joined: use inviteOwner").at("user");
            return Err(refusal.with("from", "INVITED").with("to", "ACTIVE").into());
        }
        self.use_up_root(caller).await?;
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            match self.try_restore_owner(caller, &store, user.id).await {
                Ok(user) => return Ok((organization, user)),
                Err(Error::Busy) if attempts.again().await => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Two units of work, each with its event: access first, because only an owner who can sign in counts.
    async fn try_restore_owner(&self, caller: &Caller, store: &OrganizationStore, id: UserId) -> Result<User, Error> {
        let before = store.find_user(id).await?.ok_or(Error::NotFound(Noun::User))?;
        let user = if before.is_admitted() { before } else { self.admit_again(caller, store, &before).await? };
        if holds_ownership(store, &user).await? {
            return Ok(user);
        }
        let owner = [BuiltInRole::Owner.as_str().to_owned()];
        let grants = GrantChange {
            holder: id.uuid(),
            kind: MemberKind::User,
            source: GrantSource::Direct,
            reference: None,
            added: &owner,
            removed: &[],
            by: caller.author(),
        };
        let event = AuditEvent {
            values: vec![FieldChange::new("roles", Vec::<String>::new(), owner.to_vec())],
            ..self.event(caller, EventKind::RolesGranted, ("user", id.to_string()))
        };
        store.change_grants(Some(&user), &[grants], OwnerWatch::Always, &event).await?;
        Ok(user)
    }

    async fn admit_again(&self, caller: &Caller, store: &OrganizationStore, before: &User) -> Result<User, Error> {
        let after = before.admitted(self.writer(caller));
        let change = Change::of_user(Some(before.clone()), Some(after.clone()));
        let fields = change.fields();
        let event = AuditEvent {
            consequences: change.consequences,
            ..self.event_about(caller, EventKind::UserEnabled, before, fields, None)
        };
        store.update_user(before, &after, OwnerWatch::Nobody, &event).await?;
        Ok(after)
    }

    async fn organization_of_root(&self, to: &OrganizationRef) -> Result<Organization, Error> {
        let missing = || Refusal::new(Code::NotFound, "no such organization").at("organization");
        Ok(self.find_organization(to).await?.ok_or_else(missing)?)
    }
}
