//! How many mails may be asked for: by the address they go to, by who asks, and by organization (IN-09).
//!
//! Each purpose and each asker has buckets of its own, so that nobody's requests use up another's: whoever asks without
//! signing in cannot keep an administrator from inviting. Notices about security are not counted.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::Quota;

use crate::domain::{AccountId, Caller, Code, Error, OrganizationId, Refusal};
use crate::rates::{KeyedRate, per_day};

/// Bounds of the mails that may be asked for; `None`: no limit.
#[derive(Clone, Copy, Debug)]
pub struct MailLimits {
    /// To one address in an hour, of one purpose and asker.
    pub to_address_per_hour: Option<NonZeroU32>,
    /// By one organization in a day.
    pub of_organization_per_day: Option<NonZeroU32>,
    /// Invitations by one organization in a day.
    pub invitations_per_day: Option<NonZeroU32>,
}

/// A person has ten addresses: more mails a day than this are for the addresses of others.
const OF_ACCOUNT_PER_DAY: NonZeroU32 = NonZeroU32::new(100).expect("not zero");
/// How many networks can have mails sent to one address, each as many as it may.
const NETWORKS_AT_ONCE: NonZeroU32 = NonZeroU32::new(3).expect("not zero");

/// Why a mail is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum MailPurpose {
    Invitation,
    PasswordReset,
    Verification,
}

/// The one who asks for a mail.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum MailAsker {
    /// A client that is not signed in, by its network.
    Anonymous(String),
    /// A person, for an address of their own.
    Account(AccountId),
    /// Those who manage an organization.
    Organization(OrganizationId),
    /// Somebody who signs in through a login provider of this organization.
    Visitor(OrganizationId),
    /// The operator, above all organizations.
    Operator,
}

impl MailAsker {
    /// The asker of what this caller does as a manager of an organization.
    pub(super) fn managing(caller: &Caller) -> Self {
        caller.organization().map_or(Self::Operator, Self::Organization)
    }
}

/// The buckets.
pub(super) struct MailRates {
    by_address: KeyedRate<(MailPurpose, MailAsker, String)>,
    anonymous: KeyedRate<String>,
    by_account: KeyedRate<AccountId>,
    by_organization: KeyedRate<OrganizationId>,
    invitations: KeyedRate<OrganizationId>,
}

impl MailRates {
    pub(super) fn new(limits: MailLimits) -> Self {
        let per_hour = limits.to_address_per_hour;
        Self {
            by_address: KeyedRate::new(per_hour.map(Quota::per_hour)),
            anonymous: KeyedRate::new(per_hour.map(|rate| Quota::per_hour(rate.saturating_mul(NETWORKS_AT_ONCE)))),
            by_account: KeyedRate::new(per_hour.and(per_day(OF_ACCOUNT_PER_DAY))),
            by_organization: KeyedRate::new(limits.of_organization_per_day.and_then(per_day)),
            invitations: KeyedRate::new(limits.invitations_per_day.and_then(per_day)),
        }
    }

    /// Counts a mail to this address.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `RATE_LIMITED` and how long to wait.
    pub(super) fn take(&self, purpose: MailPurpose, asker: &MailAsker, address: &str) -> Result<(), Error> {
        let key = (purpose, asker.clone(), address.to_owned());
        self.by_address
            .take(&key)
            .map_err(|wait| too_many("too many mails to that address: wait and try again", wait))?;
        match asker {
            MailAsker::Account(account) => self
                .by_account
                .take(account)
                .map_err(|wait| too_many("you asked for too many mails today: wait and try again", wait)),
            MailAsker::Organization(organization) | MailAsker::Visitor(organization) => {
                self.take_of(purpose, *organization)
            }
            MailAsker::Anonymous(_) | MailAsker::Operator => Ok(()),
        }
    }

    fn take_of(&self, purpose: MailPurpose, organization: OrganizationId) -> Result<(), Error> {
        if purpose == MailPurpose::Invitation {
            self.invitations.take(&organization).map_err(|wait| {
                too_many("this organization has sent as many invitations today as it may: wait and try again", wait)
            })?;
        }
        self.by_organization.take(&organization).map_err(|wait| {
            too_many("this organization has sent as many mails today as it may: wait and try again", wait)
        })
    }

    /// Counts a mail that clients who are not signed in have sent to this address, from all networks together. Asked once it
    /// is certain that there is a mail to send; so its outcome must not be told.
    pub(super) fn may_send_anonymously(&self, address: &str) -> bool {
        self.anonymous.take(&address.to_owned()).is_ok()
    }

    /// Forgets the buckets that are full.
    pub(super) fn forget_unused(&self) {
        self.by_address.forget_unused();
        self.anonymous.forget_unused();
        self.by_account.forget_unused();
        self.by_organization.forget_unused();
        self.invitations.forget_unused();
    }
}

fn too_many(message: &'static str, wait: Duration) -> Error {
    Refusal::new(Code::RateLimited, message).with("retryAfterSeconds", wait.as_secs() + 1).into()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn rates(per_hour: u32, per_day: u32, invitations: u32) -> MailRates {
        MailRates::new(MailLimits {
            to_address_per_hour: NonZeroU32::new(per_hour),
            of_organization_per_day: NonZeroU32::new(per_day),
            invitations_per_day: NonZeroU32::new(invitations),
        })
    }

    fn anonymous(network: &str) -> MailAsker {
        MailAsker::Anonymous(network.to_owned())
    }

    const ACME: MailAsker = MailAsker::Organization(OrganizationId::new(Uuid::from_u128(1)));
    const GLOBEX: MailAsker = MailAsker::Organization(OrganizationId::new(Uuid::from_u128(2)));
    const PERSON: MailAsker = MailAsker::Account(AccountId::new(Uuid::from_u128(3)));
    const TO: &str = "owner@acme.example";

    /// S-12.
    #[test]
    fn nobody_uses_up_what_another_may_ask_for() {
        let rates = rates(2, 0, 0);
        let purposes = [MailPurpose::Invitation, MailPurpose::PasswordReset, MailPurpose::Verification];
        for purpose in purposes {
            for asker in [anonymous("203.0.113.7"), anonymous("198.51.100.7"), PERSON, ACME, GLOBEX] {
                let taken = (0..4).filter(|_| rates.take(purpose, &asker, TO).is_ok()).count();
                assert_eq!(taken, 2, "{purpose:?} {asker:?}");
            }
        }
    }

    /// S-12.
    #[test]
    fn many_networks_together_do_not_bury_an_address() {
        let rates = rates(2, 0, 0);
        assert_eq!((0..20).filter(|_| rates.may_send_anonymously(TO)).count(), 6);
        assert!(rates.may_send_anonymously("other@acme.example"));
    }

    /// L-10.
    #[test]
    fn an_organization_sends_so_many_a_day_and_others_as_many() {
        let rates = rates(0, 5, 3);
        let sent = |purpose, asker: &MailAsker| {
            (0..9).filter(|number| rates.take(purpose, asker, &format!("{number}@acme.example")).is_ok()).count()
        };
        assert_eq!(sent(MailPurpose::Invitation, &ACME), 3);
        assert_eq!(sent(MailPurpose::Verification, &ACME), 2, "three of the five were invitations");
        assert_eq!(sent(MailPurpose::Invitation, &GLOBEX), 3);
    }

    /// L-10.
    #[test]
    fn a_person_cannot_have_mails_sent_to_everybody() {
        let rates = rates(10, 0, 0);
        let sent = (0..300)
            .filter(|number| rates.take(MailPurpose::Verification, &PERSON, &format!("{number}@else.example")).is_ok());
        assert_eq!(sent.count(), 100);
    }
}
