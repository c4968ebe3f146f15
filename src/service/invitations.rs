//! Invitations: offering somebody a place, and taking it with proof of the address.

use serde_json::json;

use super::Service;
use super::attempts::Attempts;
use super::hashing::Payer;
use super::passwords::bad_link;
use super::references::RoleRef;
use super::session::{NewSession, required_actions};
use crate::domain::account::{
    Account, EmailAddress, EmailSource, Membership, MembershipSource, PasswordRecord, Settings, check_locale,
    check_timezone,
};
use crate::domain::actor::Actor;
use crate::domain::audit::EventKind;
use crate::domain::connection::Connection;
use crate::domain::email::Email;
use crate::domain::invitation::{Acceptance, Invitation, InvitationEnd, InvitationState};
use crate::domain::login::{AuthMethod, Device, Login, LoginDraft, check_device};
use crate::domain::organization::Organization;
use crate::domain::password::{Context, Password};
use crate::domain::policy::AccountPolicy;
use crate::domain::profile::ProfileEdit;
use crate::domain::role::{self, Role};
use crate::domain::token::{BearerSecret, SecretKind};
use crate::domain::user::{User, UserDraft, Writer};
use crate::domain::user_name::UserName;
use crate::domain::{
    AccountId, Author, Caller, Code, EmailId, Error, GroupId, InvitationId, LoginId, Permission, Refusal, UserId,
};
use crate::store::{Joining, OrganizationStore, Purpose, SignIn};

/// What the holder of an invitation link may see.
#[derive(Debug)]
pub struct InvitationPreview {
    /// The invitation.
    pub invitation: Invitation,
    /// Who invites.
    pub organization: Organization,
    /// Which person invites.
    pub inviter: Option<String>,
    /// What the roles offered are called.
    pub roles: Vec<String>,
    /// How to sign in; none: with a password.
    pub connection: Option<Connection>,
    /// Rules for the password to be chosen.
    pub policy: AccountPolicy,
    /// Whether the address has an account, whose owner has to sign in.
    pub is_sign_in_required: bool,
}

/// What somebody says about themselves when they join.
#[derive(Debug, Default)]
pub struct Acceptor {
    /// Password of a new account.
    pub password: Option<String>,
    /// User name; none: the address.
    pub user_name: Option<String>,
    /// Names; those not set come from the invitation.
    pub profile: ProfileEdit,
    /// Language for the settings.
    pub locale: Option<String>,
    /// Time zone for the settings.
    pub timezone: Option<String>,
    /// The client's own id of the device.
    pub device_id: Option<String>,
    /// What the client calls it.
    pub device_name: Option<String>,
}

/// Somebody joined.
#[derive(Debug)]
pub struct Joined {
    /// Who they are there.
    pub user: User,
    /// Where.
    pub organization: Organization,
    /// A session, for somebody new.
    pub session: Option<NewSession>,
}

/// An invitation whose link was followed, and whether it still stands.
struct Opened {
    secret: BearerSecret,
    store: OrganizationStore,
    invitation: Invitation,
    organization: Organization,
    policy: AccountPolicy,
    /// The user it was made for, where it was found to be acceptable.
    waiting: Option<User>,
}

impl Service {
    pub(super) async fn organization(&self, id: crate::domain::OrganizationId) -> Result<Organization, Error> {
        let found = self.store.identity().find_organization(id).await?;
        found.ok_or(Error::NotFound(crate::domain::Noun::Organization))
    }

    /// The user with this address who has no account yet: the invitation is for them (a directory may have made them).
    pub(super) async fn invited_user(&self, store: &OrganizationStore, email: &Email) -> Result<Option<User>, Error> {
        let member =
            || Error::from(Refusal::new(Code::AlreadyMember, "that person belongs to the organization").at("email"));
        if let Some(known) = self.store.identity().find_verified_email(email.key()).await?
            && store.find_user_by_account(known.account).await?.is_some()
        {
            return Err(member());
        }
        let named = store.find_user_by_name_key(&scim::fold(email.as_str())).await?;
        let found = if named.is_some() {
            named
        } else {
            // A user with an account that did not prove the address does not stand in the way of its owner (S-6).
            let found = store.find_users_by_email(&scim::fold(email.as_str()), 10).await?;
            found.into_iter().find(|user| user.account.is_none())
        };
        match found {
            Some(user) if user.account.is_some() => Err(member()),
            found => Ok(found),
        }
    }

    async fn open_invitation(&self, token: &str) -> Result<Opened, Error> {
        let secret = BearerSecret::parse(SecretKind::Invitation, token).ok_or_else(|| bad_link(Code::TokenInvalid))?;
        let link = self.open_link(Purpose::Invitation, &secret).await?;
        let (Some(organization), Some(id)) = (link.organization, link.subject) else {
            return Err(bad_link(Code::TokenInvalid));
        };
        let store = self.store.organization(organization).await?;
        let invitation = store.find_invitation(InvitationId::new(id)).await?;
        let invitation = invitation.ok_or_else(|| bad_link(Code::TokenInvalid))?;
        if invitation.state != InvitationState::Pending {
            let message = "this invitation was accepted or withdrawn";
            return Err(Refusal::new(Code::InvitationNotPending, message).at("token").into());
        }
        if !invitation.is_open(self.clock.now()) {
            return Err(bad_link(Code::TokenExpired));
        }
        let organization = self.organization(organization).await?;
        let policy = store.find_policy().await?;
        Ok(Opened { secret, store, invitation, organization, policy, waiting: None })
    }

    /// What the page behind an invitation link shows. Asking uses nothing up (IN-10).
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `TOKEN_INVALID`, `TOKEN_EXPIRED`, `TOKEN_USED`.
    pub async fn preview_invitation(&self, token: &str) -> Result<InvitationPreview, Error> {
        let opened = self.open_invitation(token).await.map_err(|error| match error.code() {
            Some(Code::InvitationNotPending) => bad_link(Code::TokenUsed),
            _ => error,
        })?;
        let inviter = match opened.invitation.inviter {
            Some(Author::User(id)) => opened.store.find_user(id).await?.map(|user| user.display_name().to_owned()),
            Some(Author::ServiceAccount(id)) => {
                opened.store.find_program(id).await?.map(|account| account.display_name().to_owned())
            }
            _ => None,
        };
        let roles =
            self.roles_of(&opened.store, &opened.invitation).await?.iter().map(|role| role.name.clone()).collect();
        let connection = self.connection_of(&opened).await?;
        let known = self.store.identity().find_verified_email(&opened.invitation.email_key).await?;
        let Opened { invitation, organization, policy, .. } = opened;
        Ok(InvitationPreview {
            invitation,
            organization,
            inviter,
            roles,
            connection,
            policy,
            is_sign_in_required: known.is_some(),
        })
    }

    /// Turns an invitation down, for good.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `TOKEN_INVALID`, `TOKEN_EXPIRED`, `INVITATION_NOT_PENDING`.
    pub async fn decline_invitation(
        &self,
        token: &str,
        origin: &crate::domain::login::Origin,
    ) -> Result<InvitationId, Error> {
        let opened = self.open_invitation(token).await?;
        let after = opened.invitation.cancelled(InvitationEnd::Declined, self.clock.now());
        let event = self.public_event(origin, EventKind::InvitationCancelled, ("invitation", after.id.to_string()));
        opened.store.end_invitation(&opened.invitation, &after, &event).await?;
        Ok(after.id)
    }

    /// Joins the organization of an invitation (S1-19). The address comes from the invitation and counts as verified.
    /// Whoever's address has an account must be signed in to it.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`] where signing in is required; [`Error::Refused`] with the codes of `acceptInvitation`.
    pub async fn accept_invitation(&self, caller: &Caller, token: &str, acceptor: &Acceptor) -> Result<Joined, Error> {
        check_device(acceptor.device_id.as_deref(), acceptor.device_name.as_deref())?;
        acceptor.profile.check()?;
        if let Some(locale) = &acceptor.locale {
            check_locale(locale)?;
        }
        if let Some(timezone) = &acceptor.timezone {
            check_timezone(timezone)?;
        }
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            let mut opened = self.open_invitation(token).await?;
            let acceptable = self.acceptable(&opened.store, opened.invitation.clone()).await?;
            (opened.invitation, opened.waiting) = (acceptable.invitation, acceptable.waiting);
            let known = self.store.identity().find_verified_email(&opened.invitation.email_key).await?;
            let outcome = match (caller.actor(), known) {
                (Actor::Person(_), known) => {
                    let (person, _) = caller.require_login()?;
                    let is_theirs = known.is_some_and(|email| email.account == person.account.id);
                    if !is_theirs {
                        let message = "the invitation went to an address that is not a verified one of yours";
                        return Err(Refusal::new(Code::EmailUnverified, message).at("token").into());
                    }
                    self.join_with(caller, &person.account, &opened, acceptor).await
                }
                (_, Some(_)) => return Err(Error::Unauthenticated),
                (_, None) => self.join_anew(caller, &opened, acceptor).await,
            };
            match outcome {
                Err(Error::Busy) if attempts.again().await => {}
                outcome => return outcome,
            }
        }
    }

    /// The inviter may still give what the invitation promises (IN-06). A part of [`Service::acceptable`].
    pub(super) async fn check_inviter(&self, store: &OrganizationStore, invitation: &Invitation) -> Result<(), Error> {
        let lost =
            || Error::from(Refusal::new(Code::InsufficientRank, "whoever invited you may no longer do so").at("token"));
        let mut needed = role::implied([Permission::UserAccessInvite].into());
        for role in self.roles_of(store, invitation).await? {
            needed.extend(role.permissions);
        }
        for role in store.roles_through(&invitation.groups).await? {
            needed.extend(role.permissions);
        }
        let (held, is_in) = match invitation.inviter {
            None => return Ok(()),
            Some(Author::User(id)) => {
                let (user, grants, _) = store.find_member(id).await?.ok_or_else(lost)?;
                let superuser = match user.account {
                    Some(account) => {
                        self.store.identity().find_account(account).await?.is_some_and(|account| account.superuser)
                    }
                    None => false,
                };
                if superuser && user.is_admitted() {
                    return Ok(());
                }
                (role::permissions_of(&grants), user.is_admitted())
            }
            Some(Author::ServiceAccount(id)) => {
                let (account, grants, _) = store.find_program_member(id).await?.ok_or_else(lost)?;
                (role::permissions_of(&grants), account.active)
            }
            Some(Author::Directory(_)) => return Err(lost()),
        };
        if is_in && needed.is_subset(&held) { Ok(()) } else { Err(lost()) }
    }

    /// The roles of an invitation. One that was deleted since ends the offer: what is left is not what was offered.
    async fn roles_of(&self, store: &OrganizationStore, invitation: &Invitation) -> Result<Vec<Role>, Error> {
        let references: Vec<RoleRef> = invitation.roles.iter().cloned().map(RoleRef::Key).collect();
        self.find_roles_by(store, &references).await.map_err(|error| match error.code() {
            Some(Code::NotFound) => {
                Refusal::new(Code::InsufficientRank, "a role of the invitation is gone: ask for a new one")
                    .at("token")
                    .into()
            }
            _ => error,
        })
    }

    /// The login provider to accept with; none: a password, also where the provider is not set up.
    async fn connection_of(&self, opened: &Opened) -> Result<Option<Connection>, Error> {
        let Some(name) = &opened.invitation.connection else { return Ok(None) };
        Ok(opened.store.find_connection(name).await?)
    }

    /// The invitation without groups that are gone.
    pub(super) async fn still_standing(
        &self,
        store: &OrganizationStore,
        invitation: Invitation,
    ) -> Result<Invitation, Error> {
        let there: Vec<GroupId> = store.find_groups(&invitation.groups).await?.iter().map(|group| group.id).collect();
        Ok(Invitation { groups: there, ..invitation })
    }

    /// Who the person will be in the organization: the user that waits for them, or a new one.
    async fn joining_user(
        &self,
        opened: &Opened,
        account: AccountId,
        acceptor: &Acceptor,
    ) -> Result<(Option<User>, User), Error> {
        let now = self.clock.now();
        let writer = Writer { author: None, now, states_all: true };
        let waiting = match opened.invitation.user {
            Some(_) => opened.waiting.clone(),
            // A directory may have made the user since.
            None => self.invited_user(&opened.store, &Email::parse(&opened.invitation.email)?).await?,
        };
        if let Some(before) = waiting {
            if !before.is_admitted() {
                return Err(Refusal::new(Code::InvitationNotPending, "you are kept out of the organization")
                    .at("token")
                    .into());
            }
            let after = before.linked(account, writer);
            return Ok((Some(before), after));
        }
        let name = acceptor.user_name.as_deref().unwrap_or(&opened.invitation.email);
        let name = UserName::parse(name, &self.settings.reserved_names)?;
        if name.looks_like_an_address() && scim::fold(name.as_str()) != scim::fold(&opened.invitation.email) {
            let message = "a user name with @ must be the address of the invitation";
            return Err(Refusal::new(Code::InvalidUsername, message).at("userName").into());
        }
        let email = &opened.invitation.email;
        let attributes = json!({
            "userName": name.as_str(), "displayName": opened.invitation.name,
            "emails": [{"value": email, "type": "work", "primary": true}],
        });
        let attributes = attributes.as_object().cloned().unwrap_or_default();
        let draft = UserDraft::new(scim::Resource::from_stored(attributes))?;
        let user = User::create(UserId::new(self.entropy.id(now)), draft, writer).edited(&acceptor.profile, writer)?;
        let salt = self.new_salt();
        Ok((None, User { account: Some(account), salt, version: 1, updated_by: user.created_by, ..user }))
    }

    async fn join_with(
        &self,
        caller: &Caller,
        account: &Account,
        opened: &Opened,
        acceptor: &Acceptor,
    ) -> Result<Joined, Error> {
        if opened.store.find_user_by_account(account.id).await?.is_some() {
            return Err(Refusal::new(Code::AlreadyMember, "you belong to that organization").at("token").into());
        }
        if !account.may_act_in(opened.organization.id) {
            return Err(super::acceptance::confined("token"));
        }
        let (before, user) = self.joining_user(opened, account.id, acceptor).await?;
        let user = User { external: account.managed_by != Some(opened.organization.id), ..user };
        let now = self.clock.now();
        let accepted = opened.invitation.accepted(user.id, Acceptance::Link, now);
        let membership = self.membership(account.id, opened, &user);
        let joining = Joining {
            invitation: (&opened.invitation, &accepted),
            link: &opened.secret,
            user: (before.as_ref(), &user),
            membership: &membership,
            newcomer: None,
            sign_in: None,
        };
        let event = self.event(caller, EventKind::InvitationAccepted, ("invitation", accepted.id.to_string()));
        self.join(&joining, &event).await?;
        Ok(Joined { user, organization: opened.organization.clone(), session: None })
    }

    async fn join(&self, joining: &Joining<'_>, event: &crate::domain::audit::AuditEvent) -> Result<(), Error> {
        self.store.join(joining, event).await.map_err(Error::from)
    }

    fn membership(&self, account: AccountId, opened: &Opened, user: &User) -> Membership {
        Membership {
            account,
            organization: opened.organization.id,
            user: user.id,
            source: MembershipSource::Invitation,
            joined: self.clock.now(),
        }
    }

    async fn join_anew(&self, caller: &Caller, opened: &Opened, acceptor: &Acceptor) -> Result<Joined, Error> {
        let now = self.clock.now();
        if let Some(connection) = self.connection_of(opened).await? {
            let message = format!("this invitation is accepted by signing in with {}", connection.display_name);
            let refusal = Refusal::new(Code::ManagedByConnection, message).at("token");
            return Err(refusal.with("owner", connection.name).into());
        }
        let text = acceptor
            .password
            .as_deref()
            .ok_or_else(|| Refusal::new(Code::ValidationFailed, "choose a password").at("password"))?;
        let password = Password::read(text, "password")?;
        let id = AccountId::new(self.entropy.id(now));
        let (before, user) = self.joining_user(opened, id, acceptor).await?;
        let mut words = self.words_about(&user);
        words.extend([opened.invitation.email.clone(), opened.organization.name.clone()]);
        let context = Context { words, has_second_factor: false };
        opened.policy.password_rules().check(&password, &context, "password")?;
        let payer = Payer::Organization(opened.organization.id);
        let record = PasswordRecord::chosen(self.hashing.hash(&payer, password, self.entropy.bytes()).await?, now);
        let email = Email::parse(&opened.invitation.email)?;
        let address = EmailAddress {
            is_primary: true,
            verified: Some(now),
            ..EmailAddress::create(EmailId::new(self.entropy.id(now)), id, &email, EmailSource::Oneself, now)
        };
        let account = Account {
            id,
            managed_by: (!user.external).then_some(opened.organization.id),
            confined_to: None,
            superuser: false,
            onboarded: false,
            last_organization: Some(opened.organization.id),
            settings: Settings {
                locale: acceptor.locale.clone(),
                timezone: acceptor.timezone.clone(),
                ..Settings::default()
            },
            credentials_version: 0,
        };
        let device = Device {
            id: acceptor.device_id.clone().unwrap_or_else(|| self.entropy.id(now).to_string()),
            name: acceptor.device_name.clone(),
        };
        let draft = LoginDraft {
            account: id,
            organization: opened.organization.id,
            user: user.id,
            device,
            auth_methods: vec![AuthMethod::Invitation, AuthMethod::Password],
            proven: Some(now),
        };
        let login =
            Login::create(LoginId::new(self.entropy.id(now)), draft, caller.origin(), &self.settings.lifetimes, now);
        let refresh = self.secret(SecretKind::Refresh);
        let accepted = opened.invitation.accepted(user.id, Acceptance::Link, now);
        let membership = self.membership(id, opened, &user);
        let sign_in = SignIn {
            login: &login,
            refresh: &refresh,
            account: &account,
            user: &user,
            factor: None,
            proof: None,
            trust: None,
            rehashed: None,
            mails: &[],
        };
        let joining = Joining {
            invitation: (&opened.invitation, &accepted),
            link: &opened.secret,
            user: (before.as_ref(), &user),
            membership: &membership,
            newcomer: Some((&address, &record)),
            sign_in: Some(&sign_in),
        };
        let event = self.event(caller, EventKind::InvitationAccepted, ("invitation", accepted.id.to_string()));
        self.join(&joining, &event).await?;
        let actions = required_actions(Some(&record.state()), false, &opened.policy);
        let session = self.session(login, refresh, actions).await?;
        Ok(Joined { user, organization: opened.organization.clone(), session: Some(session) })
    }
}
