//! Owners of an organization, as the operator sees and makes them.

use secrecy::SecretString;
use serde_json::json;

use super::Service;
use super::attempts::Attempts;
use crate::domain::account::{Membership, MembershipSource, PasswordRecord};
use crate::domain::audit::{Change, EventKind, FieldChange};
use crate::domain::email::Email;
use crate::domain::role::BuiltInRole;
use crate::domain::user::User;
use crate::domain::{AccountId, Caller, Code, Error, Noun, OrganizationId, Permission, Refusal};
use crate::store::{OrganizationStore, OwnerAppointment};

/// An owner who can sign in from now on.
#[derive(Debug)]
pub struct AppointedOwner {
    /// The user.
    pub user: User,
    /// The password of a user who had no account, shown only now.
    pub password: Option<SecretString>,
}

impl Service {
    /// Whether an organization has an owner who can sign in. A new one without a first owner has none.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] for everyone but the operator.
    pub async fn has_owner(&self, caller: &Caller, id: OrganizationId) -> Result<bool, Error> {
        caller.require_operator(Permission::OrgManagement)?;
        Ok(self.store.organization(id).await?.has_owner().await?)
    }

    /// Makes the user with this address an owner who can sign in, in the organization of the operator.
    ///
    /// Finds the user by the verified address of an account, by user name, or by the user's own address. A user who is kept out
    /// is let in again, also where a directory had deactivated the user: a directory may do so again unless the user is
    /// protected. Without such a user one is made. A user without an account gets one, with a password that is shown only now.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] for everyone but the operator; [`Error::NotFound`] without an organization; [`Error::Taken`];
    /// [`Error::Refused`] with `INVALID_EMAIL`, `EMAIL_TAKEN` for an address that two accounts or users share.
    pub async fn appoint_owner(&self, caller: &Caller, email: &str) -> Result<AppointedOwner, Error> {
        caller.require_operator(Permission::OrgManagement)?;
        let organization = caller.organization().ok_or(Error::NotFound(Noun::Organization))?;
        let email = Email::parse(email)?;
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            match self.try_appoint_owner(caller, organization, &email).await {
                Err(Error::Busy) if attempts.again().await => {}
                outcome => return outcome,
            }
        }
    }

    async fn try_appoint_owner(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        email: &Email,
    ) -> Result<AppointedOwner, Error> {
        let store = self.store.organization(organization).await?;
        let verified = self.store.identity().find_verified_email(email.key()).await?.map(|address| address.account);
        let before = find_candidate(&store, verified, email).await?;
        let known = match before.as_ref().and_then(|user| user.account).or(verified) {
            Some(account) => self.store.identity().find_credentials(account).await?,
            None => None,
        };
        if let Some(user) = before.as_ref().filter(|user| user.is_admitted() && known.is_some())
            && user.account.is_some()
            && holds_ownership(&store, user).await?
        {
            return Ok(AppointedOwner { user: user.clone(), password: None });
        }
        let newcomer = match known {
            Some(_) => None,
            None => Some(self.new_owner(caller, organization, email).await?),
        };
        let new_account = newcomer.as_ref().map(|(_, owner)| owner.account.id);
        let account = known.as_ref().map(|known| known.account.id).or(new_account);
        let account = account.ok_or(Error::NotFound(Noun::Account))?;
        let after = match &before {
            Some(user) => self.admitted(caller, user, account),
            None => self.owner_user(caller, email, account)?,
        };
        let membership = Membership {
            account,
            organization,
            user: after.id,
            source: MembershipSource::Admin,
            joined: self.clock.now(),
        };
        let is_member = known
            .as_ref()
            .is_some_and(|known| known.memberships.iter().any(|joined| joined.organization.id == organization));
        let change = Change::of_user(before.clone(), Some(after.clone()));
        let mut event = self.user_event(caller, &change, after.id);
        if event.kind == EventKind::UserUpdated {
            event.kind = EventKind::RolesGranted;
        }
        event.values.push(FieldChange::new("roles", json!([]), json!([BuiltInRole::Owner.as_str()])));
        let password =
            newcomer.as_ref().map(|(_, owner)| PasswordRecord::chosen(owner.password_hash.clone(), self.clock.now()));
        let appointment = OwnerAppointment {
            before: before.as_ref(),
            after: &after,
            newcomer: newcomer
                .as_ref()
                .zip(password.as_ref())
                .map(|((_, owner), password)| (&owner.account, &owner.email, password)),
            membership: (!is_member).then_some(&membership),
        };
        self.store.appoint_owner(organization, &appointment, &event).await?;
        Ok(AppointedOwner { user: after, password: newcomer.map(|(owner, _)| owner.password) })
    }

    /// The next version of a user: nobody keeps the user out, and this account signs in.
    fn admitted(&self, caller: &Caller, user: &User, account: AccountId) -> User {
        let salt = if user.salt.is_empty() { self.new_salt() } else { user.salt.clone() };
        User { account: Some(account), salt, ..user.admitted(self.writer(caller)) }
    }
}

/// The user of the account that has this verified address; else the user without another account who is named or mailed so.
async fn find_candidate(
    store: &OrganizationStore,
    verified: Option<AccountId>,
    email: &Email,
) -> Result<Option<User>, Error> {
    if let Some(account) = verified
        && let Some(user) = store.find_user_by_account(account).await?
    {
        return Ok(Some(user));
    }
    let key = scim::fold(email.as_str());
    let named = store.find_user_by_name_key(&key).await?;
    let is_named = named.is_some();
    let found = match named {
        Some(user) => vec![user],
        None => store.find_users_by_email(&key, 2).await?,
    };
    let ambiguous = |message: &'static str| -> Result<Option<User>, Error> {
        Err(Refusal::new(Code::EmailTaken, message).at("email").into())
    };
    match found.as_slice() {
        [_, _, ..] => ambiguous("two users of the organization have that address: name one by a verified address"),
        [user] if verified.is_some() && user.account.is_some() => {
            ambiguous("that address belongs to an account other than that of the user who is named so")
        }
        [user] if !is_named && user.account.is_some() => {
            ambiguous("a user has that address without having proven it: name the user by a verified address")
        }
        users => Ok(users.first().cloned()),
    }
}

pub(super) async fn holds_ownership(store: &OrganizationStore, user: &User) -> Result<bool, Error> {
    let grants = store.grants_of_users(std::slice::from_ref(user)).await?;
    Ok(grants.values().flatten().any(|grant| grant.role.is_owner()))
}
