//! Who somebody is that comes through a login provider: known from before, or linked now by an address it vouches for.

use serde_json::json;

use super::Service;
use super::attempts::Attempts;
use super::connecting::{Declined, denied};
use super::login::Arriving;
use crate::domain::account::{Account, EmailAddress, EmailSource, Joined, Membership, MembershipSource, Settings};
use crate::domain::audit::{AuditEvent, Change, EventKind};
use crate::domain::connection::{Attested, Connection, ExternalIdentity};
use crate::domain::email::Email;
use crate::domain::invitation::{Acceptance, Invitation};
use crate::domain::profile::ProfileEdit;
use crate::domain::user::{User, UserDraft, Writer};
use crate::domain::user_name::UserName;
use crate::domain::{AccountId, Caller, EmailId, Error, OrganizationId, UserId};
use crate::store::{Arrival, Credentials, OrganizationStore};

/// Somebody at a door of an organization, and who the provider says they are.
pub(super) struct Visit<'a> {
    pub(super) store: OrganizationStore,
    pub(super) organization: OrganizationId,
    pub(super) connection: &'a Connection,
    pub(super) attested: &'a Attested,
    pub(super) caller: Caller,
}

impl Service {
    /// Whose account at the provider this is; somebody who comes for the first time is linked. Two doors at once: one
    /// links, the other finds the link.
    pub(super) async fn let_in(&self, visit: &Visit<'_>) -> Result<(Account, UserId), Declined> {
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            match self.try_let_in(visit).await {
                Err(Declined::Failed(Error::Busy | Error::Taken(_))) if attempts.again().await => {}
                outcome => return outcome,
            }
        }
    }

    async fn try_let_in(&self, visit: &Visit<'_>) -> Result<(Account, UserId), Declined> {
        let identity = self.store.identity();
        let (name, subject) = (&visit.connection.name, &visit.attested.subject);
        let account = match identity.find_external_identity(visit.organization, name, subject).await? {
            Some(known) => {
                if let Some(email) = visit.attested.verified_email.as_ref().map(Email::as_str)
                    && known.email.as_deref() != Some(email)
                {
                    identity.set_identity_email(&known, email).await?;
                }
                known.account
            }
            None => match self.link(visit).await {
                // Another browser of the same person may have been faster.
                Err(declined) => {
                    let linked = identity.find_external_identity(visit.organization, name, subject).await?;
                    linked.map(|known| known.account).ok_or(declined)?
                }
                Ok(account) => account,
            },
        };
        let credentials = identity.find_credentials(account).await?;
        let credentials = credentials.ok_or_else(|| denied("the account is gone"))?;
        let arriving = self.find_place(visit.organization, credentials).await?;
        let arriving = arriving.ok_or_else(|| denied("you are kept out of the organization"))?;
        Ok((arriving.credentials.account, arriving.member.user.id))
    }

    pub(super) async fn find_place(
        &self,
        organization: OrganizationId,
        credentials: Credentials,
    ) -> Result<Option<Arriving>, Error> {
        let joined = credentials.memberships.iter().find(|joined| joined.organization.id == organization).cloned();
        let Some(joined) = joined else { return Ok(None) };
        let member = self.find_member(organization, joined.membership.user, credentials.account.id).await?;
        Ok(member.map(|member| Arriving { credentials, joined, member }))
    }

    /// Links somebody who comes through the provider for the first time: by an address it vouches for, nothing else.
    async fn link(&self, visit: &Visit<'_>) -> Result<AccountId, Declined> {
        let email = visit.attested.verified_email.as_ref();
        let email = email.ok_or_else(|| denied("the login provider does not vouch for your address"))?;
        match self.store.identity().find_verified_email(email.key()).await? {
            Some(known) => self.link_account(visit, email, known.account).await,
            None => self.link_newcomer(visit, email).await,
        }
    }

    /// Somebody with an account: it is the organization's, or the address is. Else whoever runs the organization's
    /// provider would get into accounts that others rely on.
    async fn link_account(&self, visit: &Visit<'_>, email: &Email, id: AccountId) -> Result<AccountId, Declined> {
        let credentials = self.credentials(id).await?;
        let domains = self.store.identity().list_domains(visit.organization).await?;
        let is_theirs = credentials.account.managed_by == Some(visit.organization)
            || domains.iter().any(|domain| domain == email.domain());
        if !is_theirs {
            return Err(denied("your account is not this organization's: sign in with your password"));
        }
        let account = &credentials.account;
        let is_here = |joined: &&Joined| joined.organization.id == visit.organization;
        let (user, coming) = if let Some(joined) = credentials.memberships.iter().find(is_here) {
            let user = visit.store.find_user(joined.membership.user).await?;
            (user.ok_or_else(|| denied("you are kept out of the organization"))?, None)
        } else {
            let coming = self.coming(visit, email, account).await?;
            (coming.user.clone(), Some(coming))
        };
        let arrival = Arrival { account, address: None, entry: coming.as_ref().map(Coming::entry) };
        let event = self.event_about(&visit.caller, EventKind::IdentityLinked, &user, Vec::new(), None);
        self.store.link_identity(&visit.identity(id, self.clock.now()), &arrival, &event).await?;
        Ok(id)
    }

    /// Somebody without an account gets one, which the organization manages.
    async fn link_newcomer(&self, visit: &Visit<'_>, email: &Email) -> Result<AccountId, Declined> {
        let now = self.clock.now();
        let account = Account {
            id: AccountId::new(self.entropy.id(now)),
            managed_by: None,
            superuser: false,
            onboarded: false,
            last_organization: Some(visit.organization),
            settings: Settings::default(),
            credentials_version: 0,
        };
        let coming = self.coming(visit, email, &account).await?;
        let account = Account { managed_by: (!coming.user.external).then_some(visit.organization), ..account };
        let address = EmailAddress {
            is_primary: true,
            verified: Some(now),
            ..EmailAddress::create(EmailId::new(self.entropy.id(now)), account.id, email, EmailSource::Connection, now)
        };
        let arrival = Arrival { account: &account, address: Some(&address), entry: Some(coming.entry()) };
        let event = coming.event(self, &visit.caller);
        self.store.link_identity(&visit.identity(account.id, now), &arrival, &event).await?;
        Ok(account.id)
    }

    /// How somebody comes to belong to the organization: as the user that waits for them, by invitation, or because the
    /// organization lets its provider make users.
    async fn coming(&self, visit: &Visit<'_>, email: &Email, account: &Account) -> Result<Coming, Declined> {
        let now = self.clock.now();
        let writer = Writer { author: None, now, states_all: true };
        let invitation = self.invitation_for(visit, email).await?;
        let waiting = match invitation.as_ref().and_then(|invitation| invitation.user) {
            Some(user) => visit.store.find_user(user).await?.filter(|user| user.account.is_none()),
            None => self.waiting_user(visit, email).await?,
        };
        let membership = |user: &User| Membership {
            account: account.id,
            organization: visit.organization,
            user: user.id,
            source: if invitation.is_some() { MembershipSource::Invitation } else { MembershipSource::Connection },
            joined: now,
        };
        let (before, user) = if let Some(before) = waiting {
            if !before.is_admitted() {
                return Err(denied("you are kept out of the organization"));
            }
            let user = self.named_as_there(&before, email, writer)?.linked(account.id, writer);
            (Some(before.clone()), User { version: before.version + 1, ..user })
        } else {
            if invitation.is_none() && !visit.store.find_policy().await?.creates_users {
                return Err(denied("nobody with your address belongs to the organization: ask for an invitation"));
            }
            let made = self.user_of(visit, email, invitation.as_ref(), writer)?;
            (None, User { account: Some(account.id), ..made })
        };
        let accepted = invitation.as_ref().map(|before| {
            let after = before.accepted(user.id, Acceptance::Link, now);
            (before.clone(), after)
        });
        Ok(Coming { membership: membership(&user), before, user, accepted })
    }

    /// The invitation to this address that wants this provider, if its inviter may still give what it promises.
    async fn invitation_for(&self, visit: &Visit<'_>, email: &Email) -> Result<Option<Invitation>, Declined> {
        let found = visit.store.find_pending_invitation(email.key()).await?;
        let is_meant = |invitation: &Invitation| {
            invitation.is_open(self.clock.now()) && invitation.connection.as_ref() == Some(&visit.connection.name)
        };
        let Some(invitation) = found.filter(is_meant) else { return Ok(None) };
        self.check_inviter(&visit.store, &invitation).await?;
        Ok(Some(self.still_standing(&visit.store, invitation).await?))
    }

    /// The user with this address who has no account yet. Two of them are nobody; and somebody with an account who did not
    /// prove the address is not linked by it: they may have put it there to get what its owner gets.
    async fn waiting_user(&self, visit: &Visit<'_>, email: &Email) -> Result<Option<User>, Declined> {
        let key = scim::fold(email.as_str());
        let named = visit.store.find_user_by_name_key(&key).await?;
        let mut found = visit.store.find_users_by_email(&key, 2).await?;
        found.retain(|user| named.as_ref().is_none_or(|named| named.id != user.id));
        found.extend(named);
        match found.as_slice() {
            [] => Ok(None),
            [user] if user.account.is_none() => Ok(found.pop()),
            [_] => Err(denied("a user with your address signs in another way: ask an administrator")),
            _ => Err(denied("several users of the organization have your address: ask an administrator")),
        }
    }

    /// Whoever comes through a provider is called by the address there (S2-12), unless a directory says otherwise: it
    /// outranks a provider.
    fn named_as_there(&self, user: &User, email: &Email, writer: Writer) -> Result<User, Error> {
        if user.authority.contains_key("userName") || user.user_name_key() == scim::fold(email.as_str()) {
            return Ok(user.clone());
        }
        let name = UserName::parse(email.as_str(), &self.settings.reserved_names)?;
        user.edited(&ProfileEdit { user_name: Some(name), ..ProfileEdit::default() }, writer)
    }

    fn user_of(
        &self,
        visit: &Visit<'_>,
        email: &Email,
        invitation: Option<&Invitation>,
        writer: Writer,
    ) -> Result<User, Error> {
        let said = visit.attested;
        let bounded =
            |name: &Option<String>| name.clone().filter(|name| (1..=100).contains(&name.trim().chars().count()));
        let shown = invitation.map(|invitation| invitation.name.clone()).or_else(|| bounded(&said.name));
        let name = UserName::parse(email.as_str(), &self.settings.reserved_names)?;
        let mut attributes = json!({
            "userName": name.as_str(), "displayName": shown.unwrap_or_else(|| email.as_str().to_owned()),
            "emails": [{"value": email.as_str(), "type": "work", "primary": true}],
        });
        for (key, value) in [("givenName", &said.given_name), ("familyName", &said.family_name)] {
            if let Some(value) = bounded(value) {
                attributes["name"][key] = value.into();
            }
        }
        let attributes = attributes.as_object().cloned().unwrap_or_default();
        let draft = UserDraft::new(scim::Resource::from_stored(attributes))?;
        let user = User::create(UserId::new(self.entropy.id(writer.now)), draft, writer);
        Ok(User { salt: self.new_salt(), ..user })
    }
}

impl Visit<'_> {
    fn identity(&self, account: AccountId, now: chrono::DateTime<chrono::Utc>) -> ExternalIdentity {
        ExternalIdentity {
            account,
            organization: self.organization,
            connection: self.connection.name.clone(),
            subject: self.attested.subject.clone(),
            email: self.attested.verified_email.as_ref().map(|email| email.as_str().to_owned()),
            linked: now,
        }
    }
}

/// How somebody comes to belong to an organization.
struct Coming {
    before: Option<User>,
    user: User,
    membership: Membership,
    accepted: Option<(Invitation, Invitation)>,
}

impl Coming {
    fn entry(&self) -> crate::store::Entry<'_> {
        crate::store::Entry {
            user: (self.before.as_ref(), &self.user),
            membership: &self.membership,
            invitation: self.accepted.as_ref(),
        }
    }

    fn event(&self, service: &Service, caller: &Caller) -> AuditEvent {
        if let Some((invitation, _)) = &self.accepted {
            return service.event(caller, EventKind::InvitationAccepted, ("invitation", invitation.id.to_string()));
        }
        let change = Change::of_user(self.before.clone(), Some(self.user.clone()));
        let event = service.user_event(caller, &change, self.user.id);
        if self.before.is_some() { AuditEvent { kind: EventKind::UserActivated, ..event } } else { event }
    }
}
