//! One use case's writes: one batch, one transaction, its audit event included (D3, D6).

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value as Json;
use surrealdb::types::{Datetime, Object, RecordId, SurrealValue, Value, Variables};
use tracing::Instrument as _;
use uuid::Uuid;

use super::error::settle;
use super::provisioning::ProvisioningRow;
use super::roster::Move;
use super::stamps::Touched;
use super::{Bound, DatabaseName, StoreError, millis, uuid};
use crate::domain::audit::{AuditEvent, Consequence};
use crate::domain::{Actor, OrganizationId, UserId};
use crate::telemetry::TRACE;

/// How long a write whose outcome is unknown waits for the store, to see what came of it.
const WAITED_FOR: Duration = Duration::from_millis(750);

/// Statements that commit together or not at all.
pub(super) struct Write {
    text: String,
    variables: Variables,
    event: RecordId,
    /// The organization whose database the batch begins and ends in; none: `identity`.
    pub(super) organization: Option<OrganizationId>,
    /// The databases it goes to besides.
    others: Vec<DatabaseName>,
    /// What it changes of what is shown of users in the database it begins in.
    touched: Touched,
    /// Who comes into that database's table of users, and who goes.
    moves: Vec<Move>,
    now: i64,
}

impl Write {
    /// A batch in this organization's database that leaves this event.
    pub(super) fn new(organization: impl Into<Option<OrganizationId>>, event: &AuditEvent) -> Self {
        let (text, variables) = ("BEGIN;".to_owned(), Variables::new());
        let mut write = Self {
            text,
            variables,
            event: event_id(event),
            organization: organization.into(),
            others: Vec::new(),
            touched: Touched::Everybody,
            moves: Vec::new(),
            now: millis(event.at),
        };
        write.push("CREATE $event CONTENT $event_content RETURN NONE;");
        write.bind("event", write.event.clone());
        write.bind("event_content", event_content(event));
        if let Some(record) = &event.provisioning {
            write.push("INSERT IGNORE INTO provisioning_event $provisioning RETURN NONE;");
            write.bind("provisioning", ProvisioningRow::from(&**record));
        }
        write
    }

    /// More events that the batch leaves, of a change of many things.
    pub(super) fn also<'e>(&mut self, events: impl Iterator<Item = &'e AuditEvent>) {
        let contents: Vec<Object> = events.map(content_with_id).collect();
        self.push("INSERT INTO audit_event $more_events RETURN NONE;");
        self.bind("more_events", contents);
    }

    /// Events that a batch in `identity` leaves in the databases of organizations: each in its own.
    pub(super) fn also_elsewhere(&mut self, events: &[(OrganizationId, AuditEvent)]) {
        if events.is_empty() {
            return;
        }
        for (index, (organization, _)) in events.iter().enumerate() {
            self.use_database(&DatabaseName::of(*organization));
            self.push_element("event_elsewhere", "events_elsewhere", index);
            self.push("INSERT INTO audit_event $event_elsewhere RETURN NONE;");
        }
        self.use_database(&DatabaseName::identity());
        let contents = events.iter().map(|(_, event)| content_with_id(event)).collect::<Vec<_>>();
        self.bind("events_elsewhere", contents);
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
    pub(super) fn use_database(&mut self, database: &DatabaseName) {
        self.others.push(*database);
        self.text.push_str(&format!("USE DB {database};"));
    }

    /// Gives a parameter its value.
    pub(super) fn bind(&mut self, name: &'static str, value: impl SurrealValue) {
        self.variables.insert(name, value);
    }

    /// Says that nothing changes of what is shown of other users and groups than these: what is remembered of the others
    /// stays. Whoever does not say so makes the whole organization be forgotten, as do what a group is called, what it is in
    /// and that it is gone: all who are in it show that.
    pub(super) fn touches_only(&mut self, these: impl IntoIterator<Item = Uuid>) {
        self.touched = Touched::Only(these.into_iter().collect());
    }

    /// Takes that back: what it changes may show in anybody.
    pub(super) fn touches_everybody(&mut self) {
        self.touched = Touched::Everybody;
    }

    /// A row of the table `user` is made.
    pub(super) fn user_comes(&mut self, user: UserId) {
        self.moves.push(Move::Came(user.uuid()));
    }

    /// A row of the table `user` is deleted.
    pub(super) fn user_leaves(&mut self, user: UserId) {
        self.moves.push(Move::Left(user.uuid()));
    }

    /// Runs the batch, to its end even if nobody waits for that any more.
    ///
    /// When the connection breaks the outcome is unknown: the event is looked for, and if it is there everything has
    /// happened (security catalogue C-09). If it is not, it may still come: the caller is told to try again, and is not
    /// tried again for.
    pub(super) async fn commit(self, db: &Arc<Bound>) -> Result<(), StoreError> {
        let committing = self.carry_out(db.clone()).instrument(tracing::info_span!(target: TRACE, "store.commit"));
        tokio::spawn(committing).await.unwrap_or_else(|error| Err(StoreError::Failed(error.to_string())))
    }

    /// What is remembered is forgotten before it is written, so that nobody uses it who reads what is written, and again
    /// after, since it may have been read in between.
    async fn carry_out(mut self, db: Arc<Bound>) -> Result<(), StoreError> {
        let changes = Changes {
            db: db.clone(),
            others: std::mem::take(&mut self.others),
            touched: std::mem::replace(&mut self.touched, Touched::Everybody),
            moves: std::mem::take(&mut self.moves),
        };
        changes.begin_or_end();
        let outcome = self.run(&db).await;
        changes.note(&outcome);
        outcome
    }

    async fn run(mut self, db: &Bound) -> Result<(), StoreError> {
        self.text.push_str("COMMIT;");
        let outcome = match db.query(self.text).bind(self.variables).patiently().await {
            Ok(results) => settle(results).map(drop),
            Err(error) => Err(error),
        };
        match outcome {
            Err(StoreError::Unavailable(cause)) if !db.shared.reach.returns_within(WAITED_FOR).await => {
                Err(StoreError::Unavailable(cause))
            }
            Err(StoreError::Unavailable(cause)) => match was_written(db, self.event).await {
                Ok(true) => Ok(()),
                Ok(false) | Err(_) => Err(StoreError::Unavailable(cause)),
            },
            outcome => outcome,
        }
    }
}

/// What a unit of work changes of what is remembered.
struct Changes {
    db: Arc<Bound>,
    others: Vec<DatabaseName>,
    touched: Touched,
    moves: Vec<Move>,
}

impl Changes {
    fn begin_or_end(&self) {
        let Self { db, others, touched, .. } = self;
        db.unsealed.store(true, Ordering::Relaxed);
        db.shared.stamps.advance(db.name, touched);
        // What it does elsewhere is not told apart.
        let elsewhere = others.iter().filter(|other| **other != db.name);
        elsewhere.for_each(|other| db.shared.stamps.advance(*other, &Touched::Everybody));
        // At last: what is kept while this stays the same was made of what is kept by stamps.
        db.shared.commits.fetch_add(1, Ordering::SeqCst);
    }

    fn note(&self, outcome: &Result<(), StoreError>) {
        if let DatabaseName::Organization(organization) = self.db.name {
            match outcome {
                Ok(()) => self.db.shared.rosters.note(organization, &self.moves),
                Err(StoreError::Unavailable(_) | StoreError::Failed(_)) => {
                    self.db.shared.rosters.doubt(organization, &self.moves);
                }
                Err(_) => {}
            }
        }
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        self.begin_or_end();
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

fn content_with_id(event: &AuditEvent) -> Object {
    let mut content = event_content(event);
    content.insert("id", Value::RecordId(event_id(event)));
    content
}

fn actor_content(actor: &Actor) -> Object {
    let mut content = Object::new();
    let mut put = |kind: &str, id: Option<String>| {
        content.insert("kind", kind.to_owned());
        if let Some(id) = id {
            content.insert("id", id);
        }
    };
    match actor {
        Actor::Operator => put("operator", None),
        Actor::Root(_) => put("root", None),
        Actor::System => put("server", None),
        Actor::Nobody(_) => put("public", None),
        Actor::Person(person) => {
            put("user", Some(person.user.id.to_string()));
            if let Some(token) = person.token() {
                content.insert("token", token.id.to_string());
            }
        }
        Actor::Program(program) => {
            put("service_account", Some(program.account.id.to_string()));
            content.insert("token", program.token.id.to_string());
        }
        Actor::Directory(directory) => {
            put("directory", Some(directory.id.to_string()));
            content.insert("name", directory.name.clone());
        }
    }
    content
}

fn event_content(event: &AuditEvent) -> Object {
    let mut target = Object::new();
    target.insert("kind", event.target.0.to_owned());
    target.insert("id", event.target.1.clone());
    let consequences: Vec<String> =
        event.consequences.iter().map(|consequence: &Consequence| consequence.as_str().to_owned()).collect();
    let values: Vec<Json> = event.values.iter().filter_map(|change| serde_json::to_value(change).ok()).collect();
    let (subject, sealed) = event.sealed.clone().unzip();
    let mut content = Object::new();
    content.insert("at", Datetime::from(event.at));
    content.insert("actor", actor_content(&event.actor));
    content.insert("door", event.door().as_str().to_owned());
    content.insert("request", event.request.clone().map_or(Value::None, Value::String));
    content.insert("kind", event.kind.as_str().to_owned());
    content.insert("target", target);
    content.insert("changed", event.changed.clone());
    content.insert("changes", values.into_value());
    content.insert("sealed", sealed.into_value());
    content.insert("subject", subject.map(|id| uuid(id.uuid())).into_value());
    content.insert("reason", event.reason.clone().map_or(Value::None, Value::String));
    content.insert("consequences", consequences);
    content.insert("members_added", count(event.members_added));
    content.insert("members_removed", count(event.members_removed));
    content.insert("seq", -1_i64);
    content
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
