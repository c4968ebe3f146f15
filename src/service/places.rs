//! One person's users in several organizations: which of them a change of the person reaches, by the rules of each.

use std::sync::Arc;

use super::Service;
use crate::domain::account::{EmailAddress, EmailSource, Joined};
use crate::domain::actor::{Actor, Person};
use crate::domain::audit::{AuditEvent, Change, EventKind};
use crate::domain::organization::Organization;
use crate::domain::profile::{ProfileEdit, ProfileField};
use crate::domain::user::{User, Writer};
use crate::domain::{Caller, Error, OrganizationId, Permission, role};
use crate::store::Credentials;

/// A person's user in one organization, with the rules of that organization.
pub(super) struct Place {
    pub(super) organization: Organization,
    pub(super) user: User,
    /// The person is admitted there and holds `user_self_profile_write` there.
    is_writer: bool,
    /// A new address counts there before it is proven.
    pub(super) takes_addresses_at_once: bool,
    /// A login provider keeps name and address there.
    provider_keeps: bool,
}

impl Place {
    /// Whether the person may write this field here: it is theirs, and neither a directory's nor a provider's.
    pub(super) fn may_write(&self, field: ProfileField) -> bool {
        self.is_writer && self.is_free(field)
    }

    fn is_free(&self, field: ProfileField) -> bool {
        let is_providers = self.provider_keeps && field.is_providers();
        !is_providers && self.user.claim_on(field).is_none()
    }

    /// Whether a proven address becomes the user's here. One that the managing organization's administrator chose does so there
    /// whatever the person may write.
    fn takes(&self, credentials: &Credentials, address: &EmailAddress) -> bool {
        let is_chosen = address.source == EmailSource::Admin
            && credentials.account.managed_by == Some(self.organization.id)
            && self.is_free(ProfileField::Email);
        is_chosen || self.may_write(ProfileField::Email)
    }
}

impl Service {
    /// The person's users, in the order of the memberships.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub(super) async fn places(&self, credentials: &Credentials) -> Result<Vec<Place>, Error> {
        let mut places = Vec::with_capacity(credentials.memberships.len());
        for Joined { membership, organization } in &credentials.memberships {
            let store = self.store.organization(organization.id).await?;
            let Some((user, grants, policy)) = store.find_member(membership.user).await? else { continue };
            let holds = credentials.account.superuser
                || role::permissions_of(&grants).contains(&Permission::UserSelfProfileWrite);
            let provider = self.provider_of(organization.id, credentials.account.id).await?;
            places.push(Place {
                organization: organization.clone(),
                is_writer: user.is_admitted() && holds && credentials.account.may_act_in(organization.id),
                user,
                takes_addresses_at_once: policy.email_change_is_immediate,
                provider_keeps: provider.is_some(),
            });
        }
        Ok(places)
    }

    /// The person's users as they are with a proven address as the primary one, where the rules of their organizations let
    /// it be (decision 9).
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub(super) async fn users_with_primary_email(
        &self,
        credentials: &Credentials,
        address: &EmailAddress,
    ) -> Result<Vec<(OrganizationId, User, User)>, Error> {
        let edit = ProfileEdit { email: Some(address.address.clone()), ..ProfileEdit::default() };
        let writer = Writer { author: None, now: self.clock.now(), states_all: false };
        let mut users = Vec::new();
        for place in self.places(credentials).await?.into_iter().filter(|place| place.takes(credentials, address)) {
            let after = place.user.edited(&edit, writer)?;
            if after != place.user {
                users.push((place.organization.id, place.user, after));
            }
        }
        Ok(users)
    }

    /// One event for each user that a change reaches outside of the organization where it is asked for. The person is named
    /// there as that organization's user.
    pub(super) fn events_elsewhere(
        &self,
        caller: &Caller,
        home: Option<OrganizationId>,
        users: &[(OrganizationId, User, User)],
    ) -> Vec<(OrganizationId, AuditEvent)> {
        let elsewhere = users.iter().filter(|(organization, ..)| Some(*organization) != home);
        let told = elsewhere.map(|(organization, before, after)| {
            let fields = Change::of_user(Some(before.clone()), Some(after.clone())).fields();
            let is_address = before.directory_email() != after.directory_email();
            let kind = if is_address { EventKind::EmailChanged } else { EventKind::UserUpdated };
            let event = self.event_about(caller, kind, before, fields, None);
            let actor = match event.actor {
                Actor::Person(person) => {
                    Actor::Person(Arc::new(Person { user: before.clone(), ..Person::clone(&person) }))
                }
                actor => actor,
            };
            (*organization, AuditEvent { actor, ..event })
        });
        told.collect()
    }
}
