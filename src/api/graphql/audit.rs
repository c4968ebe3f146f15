//! The audit trail, as it can be read.

use async_graphql::{Context, ID, SimpleObject};

use super::connection::{PageInfo, Paging};
use super::cost::list_complexity;
use super::failure::Failure;
use super::inputs::directories::{AuditDoor, AuditEventFilter};
use super::interfaces::{Actor, Node, author, find_node};
use super::number;
use super::request::Asking as _;
use super::scalars::{DateTime, Json};
use super::service_accounts::RootIdentity;
use super::users::User;
use crate::domain::audit::FieldChange;
use crate::domain::{Code, Refusal, UserId};
use crate::service::EventFilter;
use crate::service::{ShownEvent, Span};

/// What happened once.
#[derive(Clone)]
pub(super) struct AuditEvent(pub(super) ShownEvent);

/// One change that happened. Never altered; survives deletion and anonymisation.
///
/// Permission: `audit_read`, or being its target.
#[async_graphql::Object]
impl AuditEvent {
    /// UUID.
    pub(super) async fn id(&self) -> ID {
        self.0.stored.id.to_string().into()
    }

    /// Number in the organization, from 1 without gaps.
    pub(super) async fn sequence(&self) -> i32 {
        number(self.0.stored.sequence.unwrap_or_default())
    }

    /// When.
    pub(super) async fn at(&self) -> DateTime {
        self.0.stored.at.into()
    }

    /// What: `user.email_changed`, `login.revoked`, `directory.token_rotated`. New types may appear.
    #[graphql(name = "type")]
    pub(super) async fn kind(&self) -> String {
        self.0.stored.kind.clone()
    }

    /// Who; null: the server itself, or somebody gone.
    pub(super) async fn actor(&self, ctx: &Context<'_>) -> Option<Result<Actor, Failure>> {
        if self.0.stored.actor["kind"] == "root" {
            return Some(Ok(RootIdentity.into()));
        }
        author(ctx, self.0.actor).await
    }

    /// Which way it came in.
    pub(super) async fn door(&self) -> AuditDoor {
        match self.0.stored.door.as_str() {
            "GRAPHQL" => AuditDoor::Graphql,
            "SCIM" => AuditDoor::Scim,
            "CLI" => AuditDoor::Cli,
            _ => AuditDoor::System,
        }
    }

    /// The request it belongs to; null for the server's own work.
    pub(super) async fn request_id(&self) -> Option<String> {
        self.0.stored.request.clone()
    }

    /// What it happened to.
    pub(super) async fn target(&self) -> Option<AuditTarget> {
        let target = &self.0.stored.target;
        let id = target["id"].as_str()?.to_owned();
        Some(AuditTarget { type_name: type_name(target["kind"].as_str().unwrap_or_default()), id })
    }

    /// What changed, before and after. Never passwords, codes or tokens. Personal values are gone after anonymisation.
    #[graphql(complexity = "list_complexity(child_complexity)")]
    pub(super) async fn changes(&self) -> Vec<AuditChange> {
        self.0.changes.iter().cloned().map(AuditChange::from).collect()
    }

    /// The reason given.
    pub(super) async fn reason(&self) -> Option<String> {
        self.0.reason.clone()
    }

    /// Where the request came from.
    pub(super) async fn remote_ip(&self) -> Option<String> {
        self.0.remote_ip.clone()
    }

    /// `hash` of the event before; null for the first.
    pub(super) async fn previous_hash(&self) -> Option<String> {
        self.0.stored.previous.clone()
    }

    /// SHA-256 over this event and `previousHash`, in hexadecimal.
    pub(super) async fn hash(&self) -> String {
        self.0.stored.hash.clone().unwrap_or_default()
    }
}

/// The type of the schema that an event's target is.
fn type_name(kind: &str) -> &'static str {
    match kind {
        "user" | "account" => "User",
        "group" => "Group",
        "role" => "Role",
        "login" => "Login",
        "token" => "ApiToken",
        "directory" => "Directory",
        "invitation" => "Invitation",
        "service_account" => "ServiceAccount",
        "trusted_device" => "TrustedDevice",
        _ => "Organization",
    }
}

/// What an event happened to.
pub(super) struct AuditTarget {
    type_name: &'static str,
    id: String,
}

/// What an event happened to.
#[async_graphql::Object]
impl AuditTarget {
    /// Name of the GraphQL type: `User`.
    async fn type_name(&self) -> &str {
        self.type_name
    }

    /// Its id.
    async fn node_id(&self) -> ID {
        self.id.clone().into()
    }

    /// The object, if it still exists and the caller may read it.
    async fn node(&self, ctx: &Context<'_>) -> Option<Result<Node, Failure>> {
        let found = async {
            match Box::pin(find_node(ctx, &self.id.clone().into())).await? {
                None if self.type_name == "User" => match self.id.parse() {
                    Ok(id) => Ok(ctx.anonymized_user(id).await?.map(|user| User(user).into())),
                    Err(_) => Ok(None),
                },
                found => Ok(found),
            }
        };
        found.await.transpose()
    }
}

/// One changed value.
#[derive(SimpleObject)]
pub(super) struct AuditChange {
    /// Name of the field: `email`.
    field: String,
    /// Old value; null: none, or destroyed.
    before: Option<Json>,
    /// New value; null: none, or destroyed.
    after: Option<Json>,
}

impl From<FieldChange> for AuditChange {
    fn from(change: FieldChange) -> Self {
        Self { field: change.field, before: change.before.map(Json), after: change.after.map(Json) }
    }
}

/// Which events a list is of.
enum Of {
    Trail(EventFilter),
    User(u64),
}

/// One page of a list.
pub(super) struct AuditEventConnection {
    of: Of,
    page_info: PageInfo,
    events: Vec<(String, ShownEvent)>,
}

/// One page of a list.
#[async_graphql::Object]
impl AuditEventConnection {
    /// Whether and how to read on.
    async fn page_info(&self) -> PageInfo {
        self.page_info.clone()
    }

    /// The items of this page with their cursors.
    async fn edges(&self) -> Vec<AuditEventEdge> {
        let edge = |(cursor, event): &(String, ShownEvent)| AuditEventEdge {
            cursor: cursor.clone(),
            node: AuditEvent(event.clone()),
        };
        self.events.iter().map(edge).collect()
    }

    /// The items of this page.
    async fn nodes(&self) -> Vec<AuditEvent> {
        self.events.iter().map(|(_, event)| AuditEvent(event.clone())).collect()
    }

    /// How many there are, whatever the filter. Counted only when asked for.
    async fn total_count(&self, ctx: &Context<'_>) -> Option<Result<i32, Failure>> {
        match &self.of {
            Of::User(count) => Some(Ok(number(*count))),
            Of::Trail(_) => Some(counted(ctx, &EventFilter::default()).await),
        }
    }

    /// How many match the filter. Counted only when asked for.
    async fn filtered_count(&self, ctx: &Context<'_>) -> Option<Result<i32, Failure>> {
        match &self.of {
            Of::User(count) => Some(Ok(number(*count))),
            Of::Trail(filter) => Some(counted(ctx, filter).await),
        }
    }
}

async fn counted(ctx: &Context<'_>, filter: &EventFilter) -> Result<i32, Failure> {
    Ok(number(ctx.service().count_audit_events(ctx.caller(), filter).await?))
}

/// One item of a page.
#[derive(SimpleObject)]
pub(super) struct AuditEventEdge {
    /// Where this item stands in the list; for `after` and `before`.
    cursor: String,
    /// The item.
    node: AuditEvent,
}

impl AuditEventConnection {
    /// A page of the trail, newest first.
    pub(super) async fn of_trail(
        ctx: &Context<'_>,
        filter: Option<AuditEventFilter>,
        paging: &Paging,
    ) -> Result<Self, Failure> {
        let filter = filter.map(AuditEventFilter::read).unwrap_or_default();
        let list = format!("audit {filter:?}");
        let (span, limit) = bounds(paging, &list)?;
        let service = ctx.service();
        let events = service.list_audit_events(ctx.caller(), &filter, span, !paging.is_from_end(), limit + 1).await?;
        Ok(Self::of(Of::Trail(filter), paging, &list, events))
    }

    /// A page of what happened to a user, newest first.
    pub(super) async fn of_user(ctx: &Context<'_>, user: UserId, paging: &Paging) -> Result<Self, Failure> {
        let list = format!("audit of {user}");
        let (span, limit) = bounds(paging, &list)?;
        let newest_first = !paging.is_from_end();
        let (events, count) = ctx.service().list_history(ctx.caller(), user, span, newest_first, limit + 1).await?;
        Ok(Self::of(Of::User(count), paging, &list, events))
    }

    fn of(of: Of, paging: &Paging, list: &str, events: Vec<ShownEvent>) -> Self {
        let key = |event: &ShownEvent| event.stored.sequence.unwrap_or_default().to_string();
        let (page_info, events) = paging.cut(list, events, key);
        Self { of, page_info, events }
    }
}

/// The list is newest first: what comes after a cursor has a lower number.
fn bounds(paging: &Paging, list: &str) -> Result<(Span, usize), Failure> {
    let read = |key: Option<String>| match key.map(|key| key.parse::<u64>()) {
        None => Ok(None),
        Some(Ok(number)) => Ok(Some(number)),
        Some(Err(_)) => Err(Failure::from(Refusal::new(Code::InvalidCursor, "not a cursor of this list"))),
    };
    let (after, before) = paging.keys(list)?;
    Ok((Span { before: read(after)?, after: read(before)? }, paging.size()))
}

impl AuditEventFilter {
    fn read(self) -> EventFilter {
        EventFilter {
            kinds: self.types.unwrap_or_default(),
            actor: self.actor_id.map(|id| id.0),
            target: self.target_id.map(|id| id.0),
            door: self.door.map(|door| match door {
                AuditDoor::Graphql => "GRAPHQL",
                AuditDoor::Scim => "SCIM",
                AuditDoor::Cli => "CLI",
                AuditDoor::System => "SYSTEM",
            }),
            request: self.request_id,
            from: self.from.map(Into::into),
            to: self.to.map(Into::into),
        }
    }
}
