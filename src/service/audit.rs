//! The audit trail: what is written about people is sealed, each under a key that goes with the person.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Service;
use crate::domain::actor::{Actor, Nobody};
use crate::domain::audit::{AuditEvent, Change, EventKind, FieldChange};
use crate::domain::group::Group;
use crate::domain::login::Origin;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::user::User;
use crate::domain::{AuditEventId, Author, Caller, Error, OrganizationId, Permission, UserId};
use crate::store::{EventFilter, MemberDelta, OrganizationStore, StoredEvent, Verdict};

/// Kinds that a filter may name.
const MOST_KINDS: usize = 50;

/// What is personal in an event.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Personal {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    changes: Vec<FieldChange>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<String>,
}

/// An event as it can be shown.
#[derive(Clone, Debug)]
pub struct ShownEvent {
    /// As it is kept.
    pub stored: StoredEvent,
    /// What changed; values of people whose data was destroyed are missing.
    pub changes: Vec<FieldChange>,
    /// Why.
    pub reason: Option<String>,
    /// Where the request came from.
    pub remote_ip: Option<String>,
    /// Who, if it can be looked up.
    pub actor: Option<Author>,
}

/// A place in the trail: numbers that bound a page.
#[derive(Clone, Copy, Debug, Default)]
pub struct Span {
    /// Only below this number.
    pub before: Option<u64>,
    /// Only above this number.
    pub after: Option<u64>,
}

/// What a directory asked for is recorded with what it changes.
pub(super) fn recorded(
    caller: &Caller,
    event: AuditEvent,
    resource: uuid::Uuid,
    versions: (Option<u64>, Option<u64>),
) -> AuditEvent {
    let (Some(request), Some(directory)) = (caller.provisioning(), caller.as_directory()) else { return event };
    let record = request.applied(directory, caller.request().unwrap_or_default(), resource, event.id, versions);
    AuditEvent { provisioning: Some(Box::new(record)), ..event }
}

fn context(id: AuditEventId) -> String {
    format!("audit event {id}")
}

impl Service {
    pub(super) fn event(&self, caller: &Caller, kind: EventKind, target: (&'static str, String)) -> AuditEvent {
        let now = self.clock.now();
        let event = AuditEvent::new(AuditEventId::new(self.entropy.id(now)), now, caller, kind, target);
        match caller.actor() {
            Actor::Person(person) => {
                let personal = Personal { ip: caller.origin().remote_ip(), ..Personal::default() };
                self.seal_for(event, &person.user, &personal)
            }
            _ => event,
        }
    }

    /// An event of somebody who is not signed in (yet).
    pub(super) fn public_event(&self, origin: &Origin, kind: EventKind, target: (&'static str, String)) -> AuditEvent {
        self.event(&Caller::nobody(Nobody::Unknown, origin.clone()), kind, target)
    }

    /// An event about a user, with what changed.
    pub(super) fn event_about(
        &self,
        caller: &Caller,
        kind: EventKind,
        user: &User,
        changes: Vec<FieldChange>,
        reason: Option<String>,
    ) -> AuditEvent {
        let event = AuditEvent {
            changed: changes.iter().map(|change| change.field.clone()).collect(),
            ..self.event(caller, kind, ("user", user.id.to_string()))
        };
        self.seal_for(event, user, &Personal { changes, reason, ip: caller.origin().remote_ip() })
    }

    /// An event about a user that says what the change comes to.
    pub(super) fn user_event(&self, caller: &Caller, change: &Change<User>, id: UserId) -> AuditEvent {
        let event = AuditEvent {
            changed: change.changed(),
            consequences: change.consequences.clone(),
            ..self.event(caller, change.kind(), ("user", id.to_string()))
        };
        let Some(subject) = change.after.as_ref().or(change.before.as_ref()) else { return event };
        let version = |user: &Option<User>| user.as_ref().map(|user| user.version);
        let event = recorded(caller, event, id.uuid(), (version(&change.before), version(&change.after)));
        // Of what is gone nothing is told but that it is gone (C118).
        let changes = if change.after.is_some() { change.fields() } else { Vec::new() };
        self.seal_for(event, subject, &Personal { changes, reason: None, ip: caller.origin().remote_ip() })
    }

    pub(super) fn group_event(&self, caller: &Caller, change: &Change<Group>, delta: &MemberDelta) -> AuditEvent {
        let id = change.after.as_ref().or(change.before.as_ref()).map(|group| group.id.uuid()).unwrap_or_default();
        let version = |group: &Option<Group>| group.as_ref().map(|group| group.version);
        let event = AuditEvent {
            changed: change.changed(),
            values: change.fields(),
            members_added: delta.added.len(),
            members_removed: delta.removed.len(),
            ..self.event(caller, change.kind(), ("group", id.to_string()))
        };
        recorded(caller, event, id, (version(&change.before), version(&change.after)))
    }

    /// Only with the server's key and the person's salt can it be read; without a salt it is not told at all.
    fn seal_for(&self, event: AuditEvent, subject: &User, personal: &Personal) -> AuditEvent {
        let plain = serde_json::to_vec(personal).unwrap_or_default();
        let sealed = (!subject.salt.is_empty())
            .then(|| self.sealer.seal_under(&subject.salt, &context(event.id), &plain, self.entropy.bytes()).ok());
        AuditEvent { sealed: sealed.flatten().map(|sealed| (subject.id, sealed)), ..event }
    }

    /// A salt for somebody new.
    pub(super) fn new_salt(&self) -> String {
        data_encoding::BASE64URL_NOPAD.encode(&self.entropy.bytes::<32>())
    }

    /// One page of the trail.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::AuditRead`]; [`Error::Refused`] with `VALIDATION_FAILED`.
    pub async fn list_audit_events(
        &self,
        caller: &Caller,
        filter: &EventFilter,
        span: Span,
        newest_first: bool,
        limit: usize,
    ) -> Result<Vec<ShownEvent>, Error> {
        let organization = caller.require(Permission::AuditRead)?;
        check_filter(filter)?;
        let store = self.store.organization(organization).await?;
        let events = store.list_audit_events(filter, span.before, span.after, newest_first, limit).await?;
        self.show_events(&store, events).await
    }

    /// How many events match.
    ///
    /// # Errors
    ///
    /// As [`Service::list_audit_events`].
    pub async fn count_audit_events(&self, caller: &Caller, filter: &EventFilter) -> Result<u64, Error> {
        let organization = caller.require(Permission::AuditRead)?;
        check_filter(filter)?;
        Ok(self.store.organization(organization).await?.count_audit_events(filter).await?)
    }

    /// What happened to a user: for oneself, and whoever may read the trail.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] about others without [`Permission::AuditRead`].
    pub async fn list_history(
        &self,
        caller: &Caller,
        user: UserId,
        span: Span,
        newest_first: bool,
        limit: usize,
    ) -> Result<(Vec<ShownEvent>, u64), Error> {
        let member = caller.require_member()?;
        if member.id() != user.uuid() {
            caller.require(Permission::AuditRead)?;
        }
        let store = self.store.organization(member.organization().id).await?;
        let filter = EventFilter { target: Some(user.to_string()), ..EventFilter::default() };
        let events = store.list_audit_events(&filter, span.before, span.after, newest_first, limit).await?;
        Ok((self.show_events(&store, events).await?, store.count_audit_events(&filter).await?))
    }

    /// One event.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::AuditRead`].
    pub async fn find_audit_event(&self, caller: &Caller, id: AuditEventId) -> Result<Option<ShownEvent>, Error> {
        let organization = caller.require(Permission::AuditRead)?;
        let store = self.store.organization(organization).await?;
        let Some(event) = store.find_audit_event(id).await? else { return Ok(None) };
        Ok(self.show_events(&store, vec![event]).await?.pop())
    }

    pub(super) async fn show_events(
        &self,
        store: &OrganizationStore,
        events: Vec<StoredEvent>,
    ) -> Result<Vec<ShownEvent>, Error> {
        let mut subjects: Vec<UserId> =
            events.iter().filter_map(|event| event.sealed.as_ref().map(|(subject, _)| *subject)).collect();
        subjects.sort_unstable();
        subjects.dedup();
        let mut salts: HashMap<UserId, String> =
            store.find_users(&subjects).await?.into_iter().map(|user| (user.id, user.salt)).collect();
        for subject in subjects {
            if let std::collections::hash_map::Entry::Vacant(vacant) = salts.entry(subject)
                && let Some(user) = store.find_deleted_user(subject).await?.and_then(|deleted| deleted.user)
            {
                vacant.insert(user.salt);
            }
        }
        Ok(events.into_iter().map(|event| self.show(event, &salts)).collect())
    }

    fn show(&self, stored: StoredEvent, salts: &HashMap<UserId, String>) -> ShownEvent {
        let opened = stored.sealed.as_ref().and_then(|(subject, sealed)| {
            let plain = self.sealer.open_under(salts.get(subject)?, &context(stored.id), sealed)?;
            serde_json::from_slice::<Personal>(&plain).ok()
        });
        let Personal { changes, reason, ip } = opened.unwrap_or_default();
        let known = |name: &String| changes.iter().chain(&stored.values).any(|change| change.field == *name);
        // What changed is told by name where the values are not there any more.
        let bare = stored.changed.iter().filter(|name| !known(name));
        let bare: Vec<FieldChange> =
            bare.map(|name| FieldChange { field: name.clone(), before: None, after: None }).collect();
        let actor = match (stored.actor["kind"].as_str(), stored.actor["id"].as_str()) {
            (Some(kind), Some(id)) => Author::read(&format!("{kind}:{id}")),
            _ => None,
        };
        let changes = changes.into_iter().chain(stored.values.clone()).chain(bare).collect();
        ShownEvent { changes, reason: reason.or_else(|| stored.reason.clone()), remote_ip: ip, actor, stored }
    }

    /// Reads a whole trail and says whether every event is there and is what was written: of an organization, or (none)
    /// of people who are in none. `seen` is told how far it got.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] for everyone but the operator.
    pub async fn verify_audit_trail(
        &self,
        caller: &Caller,
        organization: Option<OrganizationId>,
        seen: &(dyn Fn(u64) + Sync),
    ) -> Result<Verdict, Error> {
        caller.require_operator(Permission::AuditRead)?;
        Ok(match organization {
            Some(id) => self.store.organization(id).await?.verify_audit_events(seen).await?,
            None => self.store.identity().verify_audit_events(seen).await?,
        })
    }
}

fn check_filter(filter: &EventFilter) -> Result<(), Error> {
    if filter.kinds.len() > MOST_KINDS {
        let refusal = Refusal::new(Code::ValidationFailed, "at most 50 types").at("types");
        return Err(refusal.with("max", MOST_KINDS).into());
    }
    let reversed = |from: DateTime<Utc>, to: DateTime<Utc>| from > to;
    if filter.from.zip(filter.to).is_some_and(|(from, to)| reversed(from, to)) {
        return Err(Refusal::new(Code::ValidationFailed, "from is after to").at("from").into());
    }
    Ok(())
}
