//! One use case's writes: one batch, one transaction, its audit event included (D3, D6).

use std::sync::atomic::Ordering;

use surrealdb::types::{Datetime, Object, RecordId, SurrealValue, Value, Variables};

use super::error::settle;
use super::{Bound, StoreError, millis, uuid};
use crate::domain::audit::{AuditEvent, Consequence};
use crate::domain::{Actor, OrganizationId};

/// Statements that commit together or not at all.
pub(super) struct Write {
    text: String,
    variables: Variables,
    event: RecordId,
    /// The organization whose database the batch begins and ends in; none: `identity`.
    pub(super) organization: Option<OrganizationId>,
    now: i64,
}

impl Write {
    /// A batch in this organization's database that leaves this event.
    pub(super) fn new(organization: impl Into<Option<OrganizationId>>, event: &AuditEvent) -> Self {
        let (text, variables) = ("BEGIN;".to_owned(), Variables::new());
        let mut write =
            Self { text, variables, event: event_id(event), organization: organization.into(), now: millis(event.at) };
        write.push("CREATE $event CONTENT $event_content RETURN NONE;");
        write.bind("event", write.event.clone());
        write.bind("event_content", event_content(event));
        write
    }

    /// Adds a statement. Only text that is written in our source gets here.
    pub(super) fn push(&mut self, statement: &'static str) {
        self.text.push_str(statement);
    }

    /// When it happens, in milliseconds since 1970.
    pub(super) fn now(&self) -> i64 {
        self.now
    }

    /// Adds a statement that takes one element of a list that is bound.
    pub(super) fn push_element(&mut self, name: &'static str, list: &'static str, index: usize) {
        self.text.push_str(&format!("LET ${name} = ${list}[{index}];"));
    }

    /// Adds a statement that names an organization's database, which is made of hexadecimal digits.
    pub(super) fn use_database(&mut self, database: &super::DatabaseName) {
        self.text.push_str("USE DB ");
        self.text.push_str(database.as_str());
        self.text.push(';');
    }

    /// Gives a parameter its value.
    pub(super) fn bind(&mut self, name: &'static str, value: impl SurrealValue) {
        self.variables.insert(name, value);
    }

    /// Runs the batch.
    ///
    /// When the connection breaks the outcome is unknown: the event is looked for, and only if it is there has
    /// everything happened (security catalogue C-09).
    pub(super) async fn commit(self, db: &Bound) -> Result<(), StoreError> {
        let outcome = self.run(db).await;
        // Whatever came of it: what is remembered of before must not be used any more.
        db.commits.fetch_add(1, Ordering::SeqCst);
        outcome
    }

    async fn run(mut self, db: &Bound) -> Result<(), StoreError> {
        self.text.push_str("COMMIT;");
        let outcome = match db.query(self.text).bind(self.variables).await {
            Ok(results) => settle(results).map(drop),
            Err(error) => Err(error.into()),
        };
        match outcome {
            Err(StoreError::Unavailable(cause)) => match was_written(db, self.event).await {
                Ok(true) => Ok(()),
                Ok(false) => Err(StoreError::Outdated),
                Err(_) => Err(StoreError::Unavailable(cause)),
            },
            outcome => outcome,
        }
    }
}

async fn was_written(db: &Bound, event: RecordId) -> Result<bool, StoreError> {
    let mut results = settle(db.query("SELECT VALUE id FROM ONLY $event").bind(("event", event)).await?)?;
    let found: Option<RecordId> = results.take(0)?;
    Ok(found.is_some())
}

fn event_id(event: &AuditEvent) -> RecordId {
    RecordId::new("audit_event", uuid(event.id.uuid()))
}

fn event_content(event: &AuditEvent) -> Object {
    let mut actor = Object::new();
    match &event.actor {
        Actor::Operator => {
            actor.insert("kind", "operator".to_owned());
        }
        Actor::Directory(directory) => {
            actor.insert("kind", "directory".to_owned());
            actor.insert("id", directory.id.to_string());
            actor.insert("name", directory.name.clone());
        }
        Actor::Person(person) => {
            actor.insert("kind", "user".to_owned());
            actor.insert("id", person.user.id.to_string());
        }
        Actor::Nobody(_) => {
            actor.insert("kind", "public".to_owned());
        }
    }
    let mut target = Object::new();
    target.insert("kind", event.target.0.to_owned());
    target.insert("id", event.target.1.clone());
    let consequences: Vec<String> =
        event.consequences.iter().map(|consequence: &Consequence| consequence.as_str().to_owned()).collect();
    let mut content = Object::new();
    content.insert("at", Datetime::from(event.at));
    content.insert("actor", actor);
    content.insert("request", event.request.clone().map_or(Value::None, Value::String));
    content.insert("kind", event.kind.as_str().to_owned());
    content.insert("target", target);
    content.insert("changed", event.changed.clone());
    content.insert("reason", event.reason.clone().map_or(Value::None, Value::String));
    content.insert("consequences", consequences);
    content.insert("members_added", count(event.members_added));
    content.insert("members_removed", count(event.members_removed));
    content
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
