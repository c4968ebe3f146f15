//! Rules for making, widening, prolonging and ending credentials: addresses, passwords, second factors, links, tokens, logins.
//!
//! A person needs a login whose proof is fresh. A personal token and a token that was issued for another one (`/oauth/token`)
//! are never enough: a secret that leaked from a log must become neither an account nor another secret. A service account's
//! own token does what its scopes allow, and changes only those tokens of its own account that can do no more and last no
//! longer than it does.
//!
//! Every service method that touches a credential asks one of the methods here. `tests/it/credentials.rs` names the rule of
//! every mutation, so that a new one cannot go without.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::account::EmailAddress;
use super::actor::{Actor, Member, Person, Program};
use super::caller::not_a_person;
use super::login::Login;
use super::refusal::{Code, Refusal};
use super::{AccountId, Caller, Error, OrganizationId, Permission, role};

impl Caller {
    /// The person and their login, whose proof is fresh (G7): for their own credentials.
    ///
    /// # Errors
    ///
    /// As [`Caller::require_login`]; [`Error::Refused`] with `STEP_UP_REQUIRED` and what to ask for.
    pub fn require_fresh_login(&self, now: DateTime<Utc>) -> Result<(&Arc<Person>, &Login), Error> {
        let (person, login) = self.require_login()?;
        if login.is_fresh(now) { Ok((person, login)) } else { Err(step_up(person)) }
    }

    /// As [`Caller::require`], with a login whose proof is fresh (G7): for credentials of others, and for what is as grave. A
    /// personal token and an issued one never pass; a service account's own token is all the proof there can be.
    ///
    /// # Errors
    ///
    /// As [`Caller::require`]; `STEP_UP_REQUIRED`; `PROTECTED_ACCOUNT` for an issued token.
    pub fn require_fresh(&self, permission: Permission, now: DateTime<Utc>) -> Result<OrganizationId, Error> {
        let organization = self.require(permission)?;
        match self.actor() {
            Actor::Person(person) if !person.login().is_some_and(|login| login.is_fresh(now)) => Err(step_up(person)),
            Actor::Program(program) if program.is_issued => Err(issued()),
            _ => Ok(organization),
        }
    }

    /// As [`Caller::require_fresh`], but for no program: for tokens of directories and of other service accounts, which a
    /// program could hold on to when its own token ends.
    ///
    /// # Errors
    ///
    /// As [`Caller::require_fresh`]; `PROTECTED_ACCOUNT` for a program.
    pub fn require_fresh_person(&self, permission: Permission, now: DateTime<Utc>) -> Result<OrganizationId, Error> {
        let organization = self.require_fresh(permission, now)?;
        match self.actor() {
            Actor::Program(_) => Err(not_its_own()),
            _ => Ok(organization),
        }
    }

    /// As [`Caller::require`], for ending tokens of a directory: with any login, and by no token.
    ///
    /// # Errors
    ///
    /// As [`Caller::require`]; `PROTECTED_ACCOUNT` for a token.
    pub fn require_ending_as_person(&self, permission: Permission) -> Result<OrganizationId, Error> {
        let organization = self.require(permission)?;
        match self.actor() {
            Actor::Person(person) if person.token().is_some() => Err(not_a_person()),
            Actor::Program(_) => Err(not_its_own()),
            _ => Ok(organization),
        }
    }

    /// The member of an organization who may end logins, trusted devices and tokens. That gives nobody anything, and
    /// whoever lost a secret must be able to end it at once: any login is enough. A personal token and an issued one end
    /// nothing.
    ///
    /// # Errors
    ///
    /// As [`Caller::require_member`]; `PROTECTED_ACCOUNT` for a personal or an issued token.
    pub fn require_ending(&self) -> Result<Member<'_>, Error> {
        let member = self.require_member()?;
        match member {
            Member::Person(person) if person.token().is_some() => Err(not_a_person()),
            Member::Program(program) if program.is_issued => Err(issued()),
            Member::Person(_) | Member::Program(_) => Ok(member),
        }
    }

    /// The member of an organization who may give an API token a new secret: a person with a fresh login, or a service
    /// account's own token, which [`check_own_token`] bounds.
    ///
    /// # Errors
    ///
    /// As [`Caller::require_ending`]; `STEP_UP_REQUIRED`.
    pub fn require_rotating(&self, now: DateTime<Utc>) -> Result<Member<'_>, Error> {
        let member = self.require_ending()?;
        match member {
            Member::Person(_) => self.require_fresh_login(now).map(|_| member),
            Member::Program(_) => Ok(member),
        }
    }
}

/// Whether a service account's token may make, rotate or end this one of the same account: one that can do no more and
/// lasts no longer.
///
/// # Errors
///
/// [`Error::Refused`] with `INSUFFICIENT_RANK`.
pub fn check_own_token(
    own: &Program,
    scopes: &BTreeSet<Permission>,
    expires: Option<DateTime<Utc>>,
) -> Result<(), Error> {
    if own.is_issued {
        return Err(issued());
    }
    let held = role::implied(own.token.scopes.clone());
    let lacking: Vec<&str> = scopes.difference(&held).map(|scope| scope.key()).collect();
    if !lacking.is_empty() {
        let refusal = Refusal::new(Code::InsufficientRank, "a token changes no token that may do more than it");
        return Err(refusal.at("scopes").with("requiredPermissions", lacking).into());
    }
    let lasts_longer = own.ends.is_some_and(|end| expires.is_none_or(|expires| expires > end));
    if lasts_longer {
        let message = "a token changes no token that lasts longer than it";
        return Err(Refusal::new(Code::InsufficientRank, message).at("expiresAt").into());
    }
    Ok(())
}

/// Whether a link that sets a new password may be mailed to this verified address of `known`. An address that was added to an
/// account must have been proven for a while: the owner has then heard of it at the addresses from before. The address that
/// the account began with need not, unless another one was proven before it.
pub fn may_receive_reset(
    email: &EmailAddress,
    known: &[EmailAddress],
    account: AccountId,
    wait: TimeDelta,
    now: DateTime<Utc>,
) -> bool {
    let Some(verified) = email.verified else { return false };
    let came_with_the_account = made(account).is_some_and(|made| email.created <= made + BEGINNING);
    let is_first = !known.iter().any(|other| other.verified.is_some_and(|earlier| earlier < verified));
    now >= verified + wait || (came_with_the_account && is_first)
}

/// How long after an account is made its first address may be written.
const BEGINNING: TimeDelta = TimeDelta::seconds(1);

/// When an account was made, as its id says (RFC 9562 §5.7).
fn made(account: AccountId) -> Option<DateTime<Utc>> {
    let (seconds, nanoseconds) = account.uuid().get_timestamp()?.to_unix();
    DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanoseconds)
}

fn step_up(person: &Person) -> Error {
    let message = "the last proof is too long ago: reauthenticate first";
    Refusal::new(Code::StepUpRequired, message).with("methods", person.methods()).into()
}

fn issued() -> Error {
    let message = "a token that was given for another one changes no credentials: use that one";
    Refusal::new(Code::ProtectedAccount, message).into()
}

fn not_its_own() -> Error {
    let message = "a service account's token changes only tokens of its own account: a person signs in for this";
    Refusal::new(Code::ProtectedAccount, message).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::EmailId;
    use crate::domain::account::EmailSource;
    use crate::domain::email::Email;

    const WAIT: TimeDelta = TimeDelta::hours(24);

    fn at(hours: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::hours(hours)
    }

    fn account() -> AccountId {
        let millis = u64::try_from(at(0).timestamp_millis()).expect("after 1970");
        AccountId::new(uuid::Builder::from_unix_timestamp_millis(millis, &[7; 10]).into_uuid())
    }

    /// An address that was added and proven so many hours after the account was made.
    fn address(number: u128, added: i64, proven: Option<i64>) -> EmailAddress {
        let email = Email::parse(&format!("a{number}@acme.example")).expect("an address");
        let id = EmailId::new(uuid::Uuid::from_u128(number));
        let made = EmailAddress::create(id, account(), &email, EmailSource::Oneself, at(added));
        EmailAddress { verified: proven.map(at), ..made }
    }

    #[test]
    fn an_address_that_was_added_waits_whatever_becomes_of_the_others() {
        let (first, second) = (address(1, 0, Some(0)), address(2, 5, Some(5)));
        let may = |email: &EmailAddress, known: &[EmailAddress], hours| {
            may_receive_reset(email, known, account(), WAIT, at(hours))
        };
        let both = [first.clone(), second.clone()];
        assert!(may(&first, &both, 6), "the one from the beginning");
        assert!(!may(&second, &both, 6) && !may(&second, &both, 28) && may(&second, &both, 29));
        assert!(!may(&second, &[second.clone()], 6), "the other one was removed");
        let late = address(3, 0, Some(6));
        assert!(may(&late, &[late.clone()], 6), "proven late, and the only one");
        assert!(!may(&late, &[second, late.clone()], 7), "another one was proven before it");
        let unproven = address(4, 0, None);
        assert!(!may(&unproven, &[unproven.clone()], 100));
    }
}
