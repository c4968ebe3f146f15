//! What directories ask for, and what came of it (C142): one record of each write, and of each that was refused.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use scim::{Dialect, Reading, Tolerance};
use uuid::Uuid;

use super::directory::Directory;
use super::login::names;
use super::{AuditEventId, DirectoryId, ProvisioningEventId};

/// How many operations of one request are told.
const MOST_OPERATIONS: usize = 50;
/// The longest text that is told, in characters.
const MOST_TEXT: usize = 500;

names! {
    /// What came of a request.
    ProvisioningOutcome {
        /// Something changed.
        Applied = "APPLIED",
        /// Everything was so already.
        Unchanged = "UNCHANGED",
        /// It was answered with an error.
        Refused = "REFUSED",
    }
}

/// One request of a directory that was to change something.
#[derive(Clone, Debug, PartialEq)]
pub struct ProvisioningEvent {
    /// Its id.
    pub id: ProvisioningEventId,
    /// When it came.
    pub at: DateTime<Utc>,
    /// Who asked.
    pub directory: DirectoryId,
    /// What the client calls itself: its `User-Agent`.
    pub client: Option<String>,
    /// `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: String,
    /// Below the base URL.
    pub path: String,
    /// `User` or `Group`.
    pub resource_type: Option<String>,
    /// The user or group.
    pub resource: Option<Uuid>,
    /// What came of it.
    pub outcome: ProvisioningOutcome,
    /// The HTTP status.
    pub status: u16,
    /// The SCIM error type.
    pub scim_type: Option<String>,
    /// The SCIM error detail.
    pub detail: Option<String>,
    /// How the directory was read.
    pub dialect: Dialect,
    /// As what the request was read, without values.
    pub operations: Vec<String>,
    /// Lenient rules that applied.
    pub tolerances: Vec<Tolerance>,
    /// The lenient rule that the strict dialect did not apply.
    pub denied: Option<Tolerance>,
    /// The audit event of what changed; it has the values, sealed.
    pub audit_event: Option<AuditEventId>,
    /// The version before, where there was one.
    pub version_before: Option<u64>,
    /// The version after, where there is one.
    pub version_after: Option<u64>,
    /// The request's id.
    pub request: String,
    /// Until it was written or refused, in milliseconds.
    pub duration: u32,
}

/// A request of a directory while it is carried out: what is known of it so far.
#[derive(Debug)]
pub struct ProvisioningRequest {
    id: ProvisioningEventId,
    at: DateTime<Utc>,
    asks: Asks,
    body_bytes: AtomicUsize,
    so_far: Mutex<SoFar>,
}

/// What is known of a request before its body is read.
#[derive(Clone, Debug)]
pub struct Asks {
    /// `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: String,
    /// Below the base URL.
    pub path: String,
    /// `User` or `Group`.
    pub resource_type: Option<&'static str>,
    /// The `User-Agent`.
    pub client: Option<String>,
    /// When it came.
    pub started: Instant,
}

#[derive(Debug, Default)]
struct SoFar {
    operations: Vec<String>,
    tolerances: BTreeSet<Tolerance>,
    denied: Option<Tolerance>,
    status: u16,
    written: bool,
}

/// What a request came to.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The user or group.
    pub resource: Option<Uuid>,
    /// Whether nothing had to change.
    pub unchanged: bool,
    /// The HTTP status.
    pub status: u16,
    /// The SCIM error type.
    pub scim_type: Option<&'static str>,
    /// The SCIM error detail.
    pub detail: Option<String>,
}

impl ProvisioningRequest {
    /// A request that has just come.
    pub fn new(id: ProvisioningEventId, at: DateTime<Utc>, asks: Asks) -> Self {
        let status = match asks.method.as_str() {
            "POST" => 201,
            "DELETE" => 204,
            _ => 200,
        };
        let client = asks.client.map(|client| short(client.chars()));
        let asks = Asks { client, ..asks };
        Self { id, at, asks, body_bytes: AtomicUsize::new(0), so_far: Mutex::new(SoFar { status, ..SoFar::default() }) }
    }

    fn so_far(&self) -> MutexGuard<'_, SoFar> {
        self.so_far.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long the body is, once it is there.
    pub fn has_body_of(&self, bytes: usize) {
        self.body_bytes.store(bytes, Ordering::Relaxed);
    }

    /// How long the body is, in bytes; 0: there is none, or not yet.
    pub fn body_bytes(&self) -> usize {
        self.body_bytes.load(Ordering::Relaxed)
    }

    /// As what the body was read: operations without values.
    pub fn is_read_as(&self, operations: impl ExactSizeIterator<Item = String>) {
        let more = operations.len().saturating_sub(MOST_OPERATIONS);
        let mut told: Vec<String> = operations.take(MOST_OPERATIONS).map(|one| short(one.chars())).collect();
        if more > 0 {
            told.push(format!("and {more} more"));
        }
        self.so_far().operations = told;
    }

    /// How the request was read up to here.
    pub fn has_read(&self, reading: &Reading) {
        let mut so_far = self.so_far();
        so_far.tolerances.extend(reading.used());
        so_far.denied = reading.denied();
    }

    /// A leniency that shows only where the rest of the organization is looked at.
    pub fn tolerated(&self, tolerance: Tolerance) {
        self.so_far().tolerances.insert(tolerance);
    }

    /// The status it is answered with if it succeeds, where that is not the usual one of the method.
    pub fn will_answer(&self, status: u16) {
        self.so_far().status = status;
    }

    /// The record of what is about to be written with it.
    pub fn applied(
        &self,
        directory: &Directory,
        request: &str,
        resource: Uuid,
        audit_event: AuditEventId,
        versions: (Option<u64>, Option<u64>),
    ) -> ProvisioningEvent {
        self.so_far().written = true;
        ProvisioningEvent {
            resource: Some(resource),
            audit_event: Some(audit_event),
            version_before: versions.0,
            version_after: versions.1,
            ..self.event(directory, request)
        }
    }

    /// The record of what it came to; none where it was written with the change.
    pub fn answered(&self, directory: &Directory, request: &str, answer: Answered) -> Option<ProvisioningEvent> {
        let outcome = match (answer.status, answer.unchanged) {
            (400.., _) => ProvisioningOutcome::Refused,
            (_, true) => ProvisioningOutcome::Unchanged,
            _ => ProvisioningOutcome::Applied,
        };
        if outcome == ProvisioningOutcome::Applied && self.so_far().written {
            return None;
        }
        Some(ProvisioningEvent {
            resource: answer.resource,
            outcome,
            status: answer.status,
            scim_type: answer.scim_type.map(str::to_owned),
            detail: answer.detail.map(|detail| short(detail.chars())).map(|detail| short(detail.chars())),
            ..self.event(directory, request)
        })
    }

    fn event(&self, directory: &Directory, request: &str) -> ProvisioningEvent {
        let so_far = self.so_far();
        ProvisioningEvent {
            id: self.id,
            at: self.at,
            directory: directory.id,
            client: self.asks.client.clone(),
            method: self.asks.method.clone(),
            path: short(self.asks.path.chars()),
            resource_type: self.asks.resource_type.map(str::to_owned),
            resource: None,
            outcome: ProvisioningOutcome::Applied,
            status: so_far.status,
            scim_type: None,
            detail: None,
            dialect: directory.dialect,
            operations: so_far.operations.clone(),
            tolerances: so_far.tolerances.iter().copied().collect(),
            denied: so_far.denied,
            audit_event: None,
            version_before: None,
            version_after: None,
            request: request.to_owned(),
            duration: milliseconds(self.asks.started.elapsed()),
        }
    }
}

fn milliseconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

/// What a client sent may go to a terminal.
fn short(letters: impl Iterator<Item = char>) -> String {
    letters.filter(|letter| !letter.is_control()).take(MOST_TEXT).collect()
}

impl ProvisioningEvent {
    /// What happened and why, in sentences for administrators; what happened comes first.
    pub fn explain(&self) -> Vec<String> {
        let what = self.resource_type.as_deref().map_or_else(|| "request".to_owned(), str::to_lowercase);
        let mut sentences = vec![match self.outcome {
            ProvisioningOutcome::Unchanged => format!("Nothing had to change: the {what} already was as asked."),
            ProvisioningOutcome::Refused => refused(&what, self.status, self.scim_type.as_deref()),
            ProvisioningOutcome::Applied => match (self.method.as_str(), self.status) {
                ("POST", 201) => format!("The {what} was created."),
                ("POST", _) => format!("An inactive {what} of that name was there, and was changed to what was sent."),
                ("DELETE", _) => format!("The {what} was removed."),
                _ => format!("The {what} was changed."),
            },
        }];
        if let Some(denied) = self.denied {
            sentences.push(format!(
                "This directory's dialect {} is strict, which decided. A lenient one would say: {} ({denied}).",
                self.dialect,
                denied.in_words()
            ));
        }
        let tolerated = |tolerance: &Tolerance| {
            format!(
                "Tolerated, since this directory's dialect is {}: {} ({tolerance}).",
                self.dialect,
                tolerance.in_words()
            )
        };
        sentences.extend(self.tolerances.iter().map(tolerated));
        sentences
    }
}

/// Why a request was refused and what to do about it.
fn refused(what: &str, status: u16, scim_type: Option<&str>) -> String {
    let why = match (status, scim_type) {
        (400, Some("invalidSyntax")) => {
            "the body is not what SCIM prescribes. The application that sends it has to change, or this directory's dialect"
        }
        (400, Some("invalidValue")) => {
            "a value is not acceptable. Correct it at the identity provider, or change its attribute mapping"
        }
        (400, Some("invalidPath")) => {
            "it names an attribute that does not exist here. Change the attribute mapping of the identity provider"
        }
        (400, Some("invalidFilter")) => {
            "a filter in it cannot be carried out. Change the attribute mapping of the identity provider"
        }
        (400, Some("noTarget")) => "what it is to change is not there. Let the identity provider send the whole again",
        (400, Some("mutability")) => {
            "it is to change what cannot be changed. Take that attribute out of the attribute mapping"
        }
        (400, _) => "it was not well formed. The application that sends it has to change",
        (403, _) => "this directory may not do that. Its scopes and switches say what it may",
        (404, _) if what == "request" => {
            "nothing is served at that address. Check the base URL at the identity provider"
        }
        (404, _) => "there is no such {what} (any more). The identity provider has to look it up again",
        (405, _) => "that address does not serve this method. Check the base URL at the identity provider",
        (406 | 415, _) => "it is in a format that SCIM does not know. The application that sends it has to change",
        (408, _) => "its body did not arrive in time. The identity provider repeats it",
        (409, Some("uniqueness")) => {
            "another {what} has that name or identifier. Rename the other, or match them at the identity provider"
        }
        (409, _) => "another system is in charge of this {what}",
        (412, _) => {
            "somebody else changed the {what} since the identity provider read it. It reads it again and repeats"
        }
        (413, _) => "it is too large. Let the identity provider send fewer changes at a time",
        (428, _) => {
            "this directory requires If-Match on every change (its switch require_if_match), and it came without"
        }
        (429, _) => "there were too many requests. The identity provider waits and repeats it",
        (501, _) => "this is not offered to directories",
        (503, _) => "the server was too busy, or could not reach its store. The identity provider repeats it",
        (500.., _) => "there was an error of the server. Its log has the cause under the request's id",
        _ => "the answer says why",
    };
    format!("Refused: {}.", why.replace("{what}", what))
}
