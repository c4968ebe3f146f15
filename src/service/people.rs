//! People as administrators make them.

use chrono::TimeDelta;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::Service;
use super::attempts::Attempts;
use super::hashing::Payer;
use super::inviting::PreparedInvitation;
use super::mail_rates::{MailAsker, MailPurpose};
use super::references::{GroupRef, RoleRef, check_may_give};
use super::roles::role_keys;
use crate::crypto::password as hashes;
use crate::domain::account::{
    Account, ChangeReason, EmailAddress, EmailSource, Membership, MembershipSource, PasswordRecord, Settings,
    check_locale, check_timezone,
};
use crate::domain::audit::{Change, FieldChange};
use crate::domain::email::Email;
use crate::domain::group::{Belonging, Group, MemberKind, MemberSource};
use crate::domain::invitation::Invitation;
use crate::domain::password::{Context, Password};
use crate::domain::profile::ProfileEdit;
use crate::domain::role::{GrantSource, MOST_NAMED, Role};
use crate::domain::user::{User, UserDraft};
use crate::domain::user_name::UserName;
use crate::domain::{AccountId, Caller, Code, EmailId, Error, OrganizationId, Permission, Refusal, UserId};
use crate::store::{Belongings, GrantChange, NewPerson, OrganizationStore};

/// How long a temporary password works.
pub(super) const TEMPORARY_FOR: TimeDelta = TimeDelta::hours(24);

/// How somebody who is made can sign in first.
#[derive(Debug)]
pub enum FirstCredentials {
    /// With this password.
    Password(String),
    /// With one the server makes, to be changed at once.
    Temporary,
    /// With the password of this hash.
    Hash(String),
}

/// Who is to be made.
#[derive(Debug, Default)]
pub struct NewUser {
    /// Primary address.
    pub email: Option<String>,
    /// Name in the organization; none: the address.
    pub user_name: Option<String>,
    /// Names and the like.
    pub profile: ProfileEdit,
    /// Language.
    pub locale: Option<String>,
    /// Time zone.
    pub timezone: Option<String>,
    /// The person is to control the account.
    pub external: bool,
    /// Direct roles; none: the default one.
    pub roles: Vec<RoleRef>,
    /// Groups kept here.
    pub groups: Vec<GroupRef>,
    /// How to sign in first.
    pub credentials: Option<FirstCredentials>,
    /// Whether to mail an invitation.
    pub send_invitation: bool,
}

/// Somebody who was just made.
#[derive(Debug)]
pub struct UserMade {
    /// Who.
    pub user: User,
    /// A temporary password, shown only now, and until when it works.
    pub temporary: Option<(SecretString, chrono::DateTime<chrono::Utc>)>,
    /// The invitation that was sent.
    pub invitation: Option<Invitation>,
}

/// How somebody new comes in: with an account, or by an invitation.
#[derive(Clone, Copy)]
struct Coming<'a> {
    entry: Option<&'a Entry>,
    invitation: Option<&'a PreparedInvitation>,
}

/// What makes somebody able to sign in.
struct Entry {
    account: Account,
    email: Option<EmailAddress>,
    password: PasswordRecord,
    temporary: Option<SecretString>,
}

impl Service {
    /// Makes a user (S0-22): without credentials they are invited, with them active.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::UserAccessManage`]; [`Error::Taken`]; [`Error::Refused`] with the codes
    /// of `createUser`.
    pub async fn create_person(&self, caller: &Caller, wanted: NewUser) -> Result<UserMade, Error> {
        let organization = caller.require(Permission::UserAccessManage)?;
        if wanted.credentials.is_some() {
            caller.require_fresh(Permission::UserAccessManage, self.clock.now())?;
        }
        let combination = |message: &'static str| Error::from(Refusal::new(Code::InvalidArgumentCombination, message));
        if wanted.credentials.is_some() && wanted.send_invitation {
            return Err(combination("give credentials, or send an invitation"));
        }
        let email = wanted.email.as_deref().map(Email::parse).transpose()?;
        if wanted.send_invitation && email.is_none() {
            return Err(Refusal::new(Code::InvalidEmail, "an invitation needs an address").at("email").into());
        }
        let name = wanted.user_name.as_deref().or(email.as_ref().map(Email::as_str));
        let name = name.ok_or_else(|| combination("give an email, a userName, or both"))?;
        let name = UserName::parse(name, &self.settings.reserved_names)?;
        wanted.profile.check()?;
        let store = self.store.organization(organization).await?;
        let roles = self.find_roles_by(&store, &wanted.roles).await?;
        check_may_give(caller, &roles, "roles")?;
        let groups = self.find_groups_by(&store, &wanted.groups, ("groups", MOST_NAMED)).await?;
        self.check_joinable(caller, &store, &groups).await?;
        let mut attempts = Attempts::new(&self.entropy);
        let user = self.person(caller, &wanted, &name, email.as_ref())?;
        let entry = self.entry(organization, &store, &user, &wanted, email.as_ref()).await?;
        let user = User { account: entry.as_ref().map(|entry| entry.account.id), ..user };
        if let Some(email) = email.as_ref().filter(|_| entry.is_some()) {
            self.mail_rates.take(MailPurpose::Verification, &MailAsker::managing(caller), email.key())?;
        }
        let prepared = if wanted.send_invitation { Some(self.prepare_for(caller, &user).await?) } else { None };
        loop {
            if let Some(email) = &email {
                self.check_address_free(&store, email).await?;
            }
            let coming = Coming { entry: entry.as_ref(), invitation: prepared.as_ref() };
            match self.save_person(caller, organization, &user, coming, (&roles, &groups)).await {
                Err(Error::Busy) if attempts.again().await => {}
                outcome => {
                    outcome?;
                    break;
                }
            }
        }
        self.mail_waits();
        let invitation = prepared.map(|prepared| prepared.invitation);
        let temporary = entry.and_then(|entry| entry.temporary.zip(entry.password.expires));
        Ok(UserMade { user, temporary, invitation })
    }

    async fn check_joinable(&self, caller: &Caller, store: &OrganizationStore, groups: &[Group]) -> Result<(), Error> {
        for group in groups {
            self.check_local(store, group, "groups").await?;
        }
        let ids: Vec<_> = groups.iter().map(|group| group.id).collect();
        check_may_give(caller, &store.roles_through(&ids).await?, "groups")
    }

    /// Nobody here has the address; whether anybody elsewhere has is not told.
    pub(super) async fn check_address_free(&self, store: &OrganizationStore, email: &Email) -> Result<(), Error> {
        let taken = || Error::from(Refusal::new(Code::EmailTaken, "a user here has that address").at("email"));
        if !store.find_users_by_email(&scim::fold(email.as_str()), 1).await?.is_empty() {
            return Err(taken());
        }
        let known = self.store.identity().find_verified_email(email.key()).await?;
        match known {
            Some(known) if store.find_user_by_account(known.account).await?.is_some() => Err(taken()),
            _ => Ok(()),
        }
    }

    fn person(&self, caller: &Caller, wanted: &NewUser, name: &UserName, email: Option<&Email>) -> Result<User, Error> {
        let writer = self.writer(caller).stating_all();
        let mut attributes = json!({ "userName": name.as_str() });
        if let Some(email) = email {
            attributes["emails"] = json!([{"value": email.as_str(), "type": "work", "primary": true}]);
        }
        if let Some(locale) = &wanted.locale {
            check_locale(locale)?;
            attributes["locale"] = json!(locale);
        }
        if let Some(timezone) = &wanted.timezone {
            check_timezone(timezone)?;
            attributes["timezone"] = json!(timezone);
        }
        let draft = UserDraft::new(scim::Resource::from_stored(attributes.as_object().cloned().unwrap_or_default()))?;
        let user = User::create(UserId::new(self.entropy.id(writer.now)), draft, writer);
        let user = user.edited(&wanted.profile, writer)?;
        Ok(User { salt: self.new_salt(), external: wanted.external, version: 1, ..user })
    }

    /// Account, address and password of somebody who can sign in from the start.
    async fn entry(
        &self,
        organization: OrganizationId,
        store: &OrganizationStore,
        user: &User,
        wanted: &NewUser,
        email: Option<&Email>,
    ) -> Result<Option<Entry>, Error> {
        let Some(credentials) = &wanted.credentials else { return Ok(None) };
        let now = self.clock.now();
        let policy = store.find_policy().await?;
        let (password, temporary) = match credentials {
            FirstCredentials::Password(text) => {
                let password = Password::read(text, "password")?;
                let mut words = self.words_about(user);
                words.extend(email.map(|email| email.as_str().to_owned()));
                words.push(self.organization(organization).await?.name);
                let context = Context { words, has_second_factor: false };
                policy.password_rules().check(&password, &context, "password")?;
                let payer = Payer::Organization(organization);
                (PasswordRecord::chosen(self.hashing.hash(&payer, password, self.entropy.bytes()).await?, now), None)
            }
            FirstCredentials::Temporary => {
                let (record, password) = self.temporary_password(organization).await?;
                (record, Some(password))
            }
            FirstCredentials::Hash(hash) => {
                self.check_imported_hash(hash)?;
                (PasswordRecord::chosen(hash.clone(), now), None)
            }
        };
        let id = AccountId::new(self.entropy.id(now));
        let account = Account {
            id,
            managed_by: (!wanted.external).then_some(organization),
            // The maker of an account knows how to sign in to it.
            confined_to: Some(organization),
            superuser: false,
            onboarded: false,
            last_organization: Some(organization),
            settings: Settings::default(),
            credentials_version: 0,
        };
        let email = email.map(|email| EmailAddress {
            is_primary: true,
            ..EmailAddress::create(EmailId::new(self.entropy.id(now)), id, email, EmailSource::Admin, now)
        });
        Ok(Some(Entry { account, email, password, temporary }))
    }

    /// A hash brought from elsewhere costs no more than our own: every sign-in pays for it (S-11).
    fn check_imported_hash(&self, hash: &str) -> Result<(), Error> {
        let cost = self.hashing.cost();
        if hashes::is_acceptable(hash, cost) {
            return Ok(());
        }
        let hashes::Cost { memory_kib, passes, .. } = cost;
        let message = format!(
            "send an Argon2id PHC string of at most {memory_kib} KiB, as much work as {passes} passes over that, and 8 lanes"
        );
        let refusal = Refusal::new(Code::ValidationFailed, message).at("passwordHash");
        Err(refusal.with("maxMemoryKib", memory_kib).with("maxPasses", passes).into())
    }

    /// A password of ours, to be changed at the next sign-in.
    pub(super) async fn temporary_password(
        &self,
        organization: OrganizationId,
    ) -> Result<(PasswordRecord, SecretString), Error> {
        let now = self.clock.now();
        let password = self.new_password();
        let plain = Password::read(password.expose_secret(), "password")?;
        let payer = Payer::Organization(organization);
        let hash = self.hashing.hash(&payer, plain, self.entropy.bytes()).await?;
        let record = PasswordRecord {
            must_change: Some(ChangeReason::Admin),
            expires: Some(now + TEMPORARY_FOR),
            ..PasswordRecord::chosen(hash, now)
        };
        Ok((record, password))
    }

    async fn save_person(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        user: &User,
        Coming { entry, invitation }: Coming<'_>,
        (roles, groups): (&[Role], &[Group]),
    ) -> Result<(), Error> {
        let writer = self.writer(caller);
        let keys = role_keys(roles);
        let grants = [GrantChange {
            holder: user.id.uuid(),
            kind: MemberKind::User,
            source: GrantSource::Direct,
            reference: None,
            added: &keys,
            removed: &[],
            by: caller.author(),
        }];
        let put = groups.iter().map(|group| Belonging {
            scoped_role: group.default_role.clone(),
            ..Belonging::new(group.id, user.id.uuid(), MemberKind::User, MemberSource::Local, writer)
        });
        let belongings = Belongings { put: put.collect(), gone: Vec::new() };
        let membership = entry.map(|entry| Membership {
            account: entry.account.id,
            organization,
            user: user.id,
            source: MembershipSource::Admin,
            joined: writer.now,
        });
        let mut mails = Vec::new();
        let mut link = None;
        if let Some(email) = entry.and_then(|entry| entry.email.as_ref()) {
            // Unverified it counts for nothing: whoever reads it can make it count.
            let maker = self.organization(organization).await?.name;
            let (secret, one_time, mail) = self.verification_mail(email, user.display_name(), Some(maker))?;
            link = Some((secret, one_time));
            mails.push(mail);
        }
        mails.extend(invitation.map(|prepared| prepared.mail.clone()));
        let new = NewPerson {
            user,
            account: entry.map(|entry| (&entry.account, entry.email.as_ref(), &entry.password)),
            membership: membership.as_ref(),
            invitation: invitation.map(|prepared| &prepared.invitation),
            link: link
                .as_ref()
                .map(|(secret, one_time)| (secret, one_time))
                .or(invitation.map(|prepared| (&prepared.secret, &prepared.link))),
            grants: if keys.is_empty() { &[] } else { &grants },
            belongings: &belongings,
            mails: &mails,
        };
        let change = Change::of_user(None, Some(user.clone()));
        let mut event = self.user_event(caller, &change, user.id);
        if !keys.is_empty() {
            event.values.push(FieldChange::new("roles", json!(null), keys.clone()));
        }
        if let Some(prepared) = invitation {
            event.values.push(FieldChange::new("invitation", json!(null), prepared.invitation.id.to_string()));
        }
        Ok(self.store.insert_person(organization, &new, &event).await?)
    }
}
