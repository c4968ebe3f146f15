//! Who somebody is that comes through a login provider: known from before, or linked now by an address it vouches for.

use serde_json::json;

use super::Service;
use super::acceptance::Acceptable;
use super::attempts::Attempts;
use super::connecting::{Declined, denied};
use super::login::Arriving;
use super::mail_rates::{MailAsker, MailPurpose};
use super::passwords::masked;
use crate::domain::account::{
    Account, Edit, EmailAddress, EmailSource, Joined, Membership, MembershipSource, Settings,
};
use crate::domain::audit::{AuditEvent, Change, EventKind};
use crate::domain::connection::{Attested, Connection, ExternalIdentity};
use crate::domain::email::Email;
use crate::domain::invitation::{Acceptance, Invitation};
use crate::domain::mail::Notice;
use crate::domain::profile::{ProfileEdit, ProfileField};
use crate::domain::token::BearerSecret;
use crate::domain::user::{User, UserDraft, Writer};
use crate::domain::user_name::UserName;
use crate::domain::{AccountId, Caller, EmailId, Error, OrganizationId, UserId};
use crate::store::{Arrival, Credentials, EmailChange, OneTime, OrganizationStore, SealedMail};

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
    pub(super) async fn let_in(&self, visit: &Visit<'_>) -> Result<Account, Declined> {
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            match self.try_let_in(visit).await {
                Err(Declined::Failed(Error::Busy | Error::Taken(_))) if attempts.again().await => {}
                outcome => return outcome,
            }
        }
    }

    async fn try_let_in(&self, visit: &Visit<'_>) -> Result<Account, Declined> {
        let identity = self.store.identity();
        let (known, linked) = match self.find_link(visit).await? {
            Some(known) => (known, Linked::Before),
            None => match self.link(visit).await {
                Ok(linked) => (linked, Linked::Now),
                // Another browser of the same person may have been faster.
                Err(declined) => (self.find_link(visit).await?.ok_or(declined)?, Linked::Before),
            },
        };
        let credentials = identity.find_credentials(known.account).await?;
        let credentials = credentials.ok_or_else(|| denied("the account is gone"))?;
        check_no_superuser(&credentials.account)?;
        let arriving = self.find_place(visit.organization, credentials).await?;
        let arriving = arriving.ok_or_else(|| denied("you are kept out of the organization"))?;
        if self.follow(visit, (&known, linked), &arriving).await? {
            // What proves who the person is has changed: a code from before would be void.
            let after = identity.find_account(known.account).await?;
            return after.ok_or_else(|| denied("the account is gone"));
        }
        Ok(arriving.credentials.account)
    }

    async fn find_link(&self, visit: &Visit<'_>) -> Result<Option<ExternalIdentity>, Error> {
        let (name, subject) = (&visit.connection.name, &visit.attested.subject);
        Ok(self.store.identity().find_external_identity(visit.organization, name, subject).await?)
    }

    /// The provider keeps names and address (S1-05, S2-12, account model 3.5): others there are others here, where no
    /// directory says otherwise and nobody else has the address. The sign-in that links leaves the names as the invitation
    /// or the administrator gave them. Whether anything of the account changed.
    async fn follow(
        &self,
        visit: &Visit<'_>,
        (known, linked): (&ExternalIdentity, Linked),
        arriving: &Arriving,
    ) -> Result<bool, Declined> {
        let Some(email) = &visit.attested.verified_email else { return Ok(false) };
        if known.email.as_deref() != Some(email.as_str()) {
            self.store.identity().set_identity_email(known, email.as_str()).await?;
        }
        let (before, account) = (&arriving.member.user, &arriving.credentials.account);
        let addresses = self.store.identity().list_emails(account.id).await?;
        let writer = Writer { author: None, now: self.clock.now(), states_all: false };
        let is_new = addresses.iter().all(|known| known.key != email.key());
        let added = if is_new && self.may_move(visit, before, email).await? {
            Some(self.proven_address(account.id, email))
        } else {
            None
        };
        let mut after = self.named_as_there(before, email, writer)?;
        if linked == Linked::Before {
            after = with_names_of(visit.attested, &after, writer)?;
        }
        if let Some(added) = &added {
            let edit = ProfileEdit { email: Some(added.address.clone()), ..ProfileEdit::default() };
            after = after.edited(&edit, writer)?;
        }
        if &after == before && added.is_none() {
            return Ok(false);
        }
        let after = User { version: before.version + 1, ..after };
        let mut change = EmailChange { added: added.as_ref(), ..EmailChange::default() };
        if let Some(old) = addresses.iter().find(|known| known.is_primary && added.is_some()) {
            if old.source == EmailSource::Connection {
                change.removed = Some(old);
            } else {
                change.changed.push((old, EmailAddress { is_primary: false, ..old.changed(writer.now) }));
            }
        }
        let mails = match &added {
            Some(new) => self.notices(account.id, Notice::PrimaryEmailChanged { to: masked(&new.address) }).await?,
            None => Vec::new(),
        };
        change.mails = &mails;
        let fields = Change::of_user(Some(before.clone()), Some(after.clone())).fields();
        change.users.push((visit.organization, before.clone(), after));
        let event = self.event_about(&visit.caller, EventKind::UserUpdated, before, fields, None);
        self.store.change_emails(Some(visit.organization), account, &change, &event).await?;
        self.mail_waits();
        Ok(true)
    }

    /// Whether this address may become the person's: no directory writes it, the provider may be believed, and nobody has it.
    async fn may_move(&self, visit: &Visit<'_>, user: &User, email: &Email) -> Result<bool, Error> {
        if user.claim_on(ProfileField::Email).is_some() || !self.is_believed(visit, email).await? {
            return Ok(false);
        }
        let here = visit.store.find_users_by_email(&scim::fold(email.as_str()), 2).await?;
        let is_taken = self.store.identity().find_verified_email(email.key()).await?.is_some();
        Ok(!is_taken && here.iter().all(|other| other.id == user.id))
    }

    fn proven_address(&self, account: AccountId, email: &Email) -> EmailAddress {
        let now = self.clock.now();
        EmailAddress {
            is_primary: true,
            verified: Some(now),
            ..EmailAddress::create(EmailId::new(self.entropy.id(now)), account, email, EmailSource::Connection, now)
        }
    }

    /// Whether everybody on the server may take the provider's word for this address: it is the provider's own, or the
    /// organization's. Another organization's provider could say anything.
    async fn is_believed(&self, visit: &Visit<'_>, email: &Email) -> Result<bool, Error> {
        if visit.attested.is_authority {
            return Ok(true);
        }
        Ok(self.store.identity().find_domain(email.domain()).await? == Some(visit.organization))
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
    async fn link(&self, visit: &Visit<'_>) -> Result<ExternalIdentity, Declined> {
        let email = visit.attested.verified_email.as_ref();
        let email = email.ok_or_else(|| denied("the login provider does not vouch for your address"))?;
        match self.store.identity().find_verified_email(email.key()).await? {
            Some(known) => self.link_account(visit, email, known.account).await,
            None => self.link_newcomer(visit, email).await,
        }
    }

    /// Somebody with an account: it is the organization's, or the address is. Else whoever runs the organization's
    /// provider would get into accounts that others rely on.
    async fn link_account(
        &self,
        visit: &Visit<'_>,
        email: &Email,
        id: AccountId,
    ) -> Result<ExternalIdentity, Declined> {
        let credentials = self.credentials(id).await?;
        let account = &credentials.account;
        check_no_superuser(account)?;
        let is_theirs = match account.managed_by {
            Some(organization) => organization == visit.organization,
            None => self.is_believed(visit, email).await?,
        };
        if !is_theirs {
            return Err(denied("your account is not this organization's: sign in with your password"));
        }
        let is_here = |joined: &&Joined| joined.organization.id == visit.organization;
        let (user, coming) = if let Some(joined) = credentials.memberships.iter().find(is_here) {
            let user = visit.store.find_user(joined.membership.user).await?;
            (user.ok_or_else(|| denied("you are kept out of the organization"))?, None)
        } else {
            let coming = self.coming(visit, email, account).await?;
            (coming.user.clone(), Some(coming))
        };
        let mails =
            self.notices(id, Notice::ProviderLinked { provider: visit.connection.display_name.clone() }).await?;
        let entry = coming.as_ref().map(Coming::entry);
        let arrival = Arrival { account, address: None, link: None, entry, mails: &mails };
        let event = self.event_about(&visit.caller, EventKind::IdentityLinked, &user, Vec::new(), None);
        let identity = visit.identity(id, self.clock.now());
        self.store.link_identity(&identity, &arrival, &event).await?;
        self.mail_waits();
        Ok(identity)
    }

    /// Somebody without an account gets one, which the organization manages.
    async fn link_newcomer(&self, visit: &Visit<'_>, email: &Email) -> Result<ExternalIdentity, Declined> {
        let now = self.clock.now();
        let account = Account {
            id: AccountId::new(self.entropy.id(now)),
            managed_by: None,
            confined_to: None,
            superuser: false,
            onboarded: false,
            last_organization: Some(visit.organization),
            settings: Settings::default(),
            credentials_version: 0,
        };
        let coming = self.coming(visit, email, &account).await?;
        let account = Account { managed_by: (!coming.user.external).then_some(visit.organization), ..account };
        let proven = self.proven_address(account.id, email);
        let is_believed = self.is_believed(visit, email).await?;
        let address = EmailAddress { verified: proven.verified.filter(|_| is_believed), ..proven };
        let link = if is_believed { None } else { Some(self.still_to_prove(visit, &address, &coming.user).await?) };
        let (link, mails) = match link {
            Some((secret, one_time, mail)) => (Some((secret, one_time)), vec![mail]),
            None => (None, Vec::new()),
        };
        let arrival = Arrival {
            account: &account,
            address: Some(&address),
            link: link.as_ref().map(|(secret, one_time)| (secret, one_time)),
            entry: Some(coming.entry()),
            mails: &mails,
        };
        let event = coming.event(self, &visit.caller);
        let identity = visit.identity(account.id, now);
        self.store.link_identity(&identity, &arrival, &event).await?;
        self.mail_waits();
        Ok(identity)
    }

    /// The provider's word is good for this organization; the rest of the server takes that of whoever reads the mail.
    async fn still_to_prove(
        &self,
        visit: &Visit<'_>,
        address: &EmailAddress,
        user: &User,
    ) -> Result<(BearerSecret, OneTime, SealedMail), Declined> {
        let domain = address.address.rsplit('@').next().unwrap_or_default();
        if self.store.identity().find_domain(domain).await?.is_some() {
            return Err(denied("your address belongs to another organization: sign in there"));
        }
        self.mail_rates.take(MailPurpose::Verification, &MailAsker::Visitor(visit.organization), &address.key)?;
        Ok(self.verification_mail(address, user.display_name(), None)?)
    }

    /// How somebody comes to belong to the organization: as the user that waits for them, by invitation, or because the
    /// organization lets its provider make users.
    async fn coming(&self, visit: &Visit<'_>, email: &Email, account: &Account) -> Result<Coming, Declined> {
        let now = self.clock.now();
        let writer = Writer { author: None, now, states_all: true };
        let (invitation, meant) = match self.invitation_for(visit, email).await? {
            Some(Acceptable { invitation, waiting }) => (Some(invitation), waiting),
            None => (None, None),
        };
        let waiting = match invitation.as_ref().and_then(|invitation| invitation.user) {
            Some(_) => meant,
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
            let external = before.external || account.managed_by.is_some_and(|by| by != visit.organization);
            (Some(before.clone()), User { version: before.version + 1, external, ..user })
        } else {
            if invitation.is_none() && !self.may_be_made(visit, email).await? {
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

    /// Whether the provider makes users, of this address: where the organization has mail domains, only of those.
    async fn may_be_made(&self, visit: &Visit<'_>, email: &Email) -> Result<bool, Error> {
        if !visit.store.find_policy().await?.creates_users {
            return Ok(false);
        }
        let domains = self.store.identity().list_domains(visit.organization).await?;
        Ok(domains.is_empty() || domains.iter().any(|domain| domain == email.domain()))
    }

    /// The invitation to this address that wants this provider, if it may be accepted now.
    async fn invitation_for(&self, visit: &Visit<'_>, email: &Email) -> Result<Option<Acceptable>, Declined> {
        let found = visit.store.find_pending_invitation(email.key()).await?;
        let is_meant = |invitation: &Invitation| {
            invitation.is_open(self.clock.now()) && invitation.connection.as_ref() == Some(&visit.connection.name)
        };
        let Some(invitation) = found.filter(is_meant) else { return Ok(None) };
        Ok(Some(self.acceptable(&visit.store, invitation).await?))
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
        let fit = |field: ProfileField, text: &Option<String>| text.clone().filter(|text| field.check(text).is_ok());
        let shown = invitation.map(|invitation| invitation.name.clone());
        let shown = shown.or_else(|| fit(ProfileField::DisplayName, &said.name));
        let name = UserName::parse(email.as_str(), &self.settings.reserved_names)?;
        let mut attributes = json!({
            "userName": name.as_str(), "displayName": shown.unwrap_or_else(|| email.as_str().to_owned()),
            "emails": [{"value": email.as_str(), "type": "work", "primary": true}],
        });
        let names = [
            ("givenName", fit(ProfileField::GivenName, &said.given_name)),
            ("familyName", fit(ProfileField::FamilyName, &said.family_name)),
        ];
        for (key, value) in names {
            if let Some(value) = value {
                attributes["name"][key] = value.into();
            }
        }
        let attributes = attributes.as_object().cloned().unwrap_or_default();
        let draft = UserDraft::new(scim::Resource::from_stored(attributes))?;
        let user = User::create(UserId::new(self.entropy.id(writer.now)), draft, writer);
        Ok(User { salt: self.new_salt(), ..user })
    }
}

/// When an account at a provider was linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Linked {
    /// At an earlier sign-in.
    Before,
    /// At this one.
    Now,
}

/// A user with the names that a provider says, where no directory writes them. A name that the provider does not say stays.
fn with_names_of(said: &Attested, user: &User, writer: Writer) -> Result<User, Error> {
    let said_as = |field: ProfileField, text: &Option<String>| match text {
        Some(text) if field.check(text).is_ok() && user.claim_on(field).is_none() => Edit::Set(text.clone()),
        _ => Edit::Keep,
    };
    let is_other = user.full_name() != said.name;
    let edit = ProfileEdit {
        display_name: said_as(ProfileField::DisplayName, &said.name),
        given_name: said_as(ProfileField::GivenName, &said.given_name),
        family_name: said_as(ProfileField::FamilyName, &said.family_name),
        full_name: if is_other { said_as(ProfileField::FullName, &said.name) } else { Edit::Keep },
        ..ProfileEdit::default()
    };
    user.edited(&edit, writer)
}

/// Whoever may do everything everywhere is let in by nobody's provider.
fn check_no_superuser(account: &Account) -> Result<(), Declined> {
    if account.superuser { Err(denied("superusers sign in with a password")) } else { Ok(()) }
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
