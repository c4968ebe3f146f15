//! The link to set a first password, for a user who has an account and never signed in.
//!
//! The administrator named the address, so nobody has proven it yet: following the link proves it, in the transaction that
//! sets the password. A user without an account is invited instead (`inviting`).

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::Service;
use super::passwords::bad_link;
use crate::domain::account::{EmailAddress, EmailSource};
use crate::domain::mail::Letter;
use crate::domain::token::{BearerSecret, SecretKind};
use crate::domain::user::User;
use crate::domain::{Code, EmailId, Error, OrganizationId};
use crate::store::{OneTime, Purpose, SealedMail};

/// How long the link works: as long as a temporary password.
const LIFETIME: TimeDelta = super::people::TEMPORARY_FOR;
/// The detail of a link that names the address it proves.
const PROVES: &str = "proves";

/// The address that the first mail to a user goes to: one that an administrator named, the primary one if there is a choice.
/// None for a user who has signed in.
pub(super) fn first_address<'e>(user: &User, emails: &'e [EmailAddress]) -> Option<&'e EmailAddress> {
    let named = emails.iter().filter(|email| user.last_login.is_none() && email.source == EmailSource::Admin);
    named.max_by_key(|email| email.is_primary)
}

impl Service {
    /// A link to set the first password of the account with this address, and the mail that holds it.
    pub(super) async fn first_password_mail(
        &self,
        organization: OrganizationId,
        user: &User,
        email: &EmailAddress,
    ) -> Result<(BearerSecret, OneTime, SealedMail), Error> {
        let now = self.clock.now();
        let link = OneTime {
            purpose: Purpose::Reset,
            account: Some(email.account),
            organization: None,
            subject: Some(email.account.uuid()),
            details: json!({ PROVES: email.id.to_string() }),
            tries_left: 1,
            created: now,
            expires: now + LIFETIME,
            used: None,
        };
        let secret = self.secret(SecretKind::Reset);
        let organization = self.organization(organization).await?.name;
        let letter = Letter::SetPassword { token: secret.expose().to_owned(), organization };
        let mail = self.seal_mail(&email.address, user.display_name(), letter)?;
        Ok((secret, link, mail))
    }

    /// The address that a link proves, before and after; none for the link of any other reset mail.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `TOKEN_INVALID` if the address is gone.
    pub(super) async fn address_proven_by(
        &self,
        link: &OneTime,
    ) -> Result<Option<(EmailAddress, EmailAddress)>, Error> {
        let named = link.details.get(PROVES).and_then(Value::as_str).and_then(|id| id.parse::<EmailId>().ok());
        let Some(id) = named else { return Ok(None) };
        let found = self.store.identity().find_email(id).await?.filter(|email| Some(email.account) == link.account);
        let before = found.ok_or_else(|| bad_link(Code::TokenInvalid))?;
        if before.verified.is_some() {
            return Ok(None);
        }
        let now = self.clock.now();
        let after = EmailAddress { verified: Some(now), becomes_primary: false, ..before.changed(now) };
        Ok(Some((before, after)))
    }
}
