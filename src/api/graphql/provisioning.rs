//! What directories asked for and what came of it.

use async_graphql::{Context, ID, SimpleObject};

use super::audit::AuditChange;
use super::connection::{PageInfo, Paging};
use super::cost::list_complexity;
use super::directories::{Directory, dialect};
use super::enums::DirectoryDialect;
use super::failure::Failure;
use super::inputs::directories::{ProvisioningEventFilter, ProvisioningOutcome};
use super::interfaces::{Node, find_node};
use super::request::Asking as _;
use super::scalars::DateTime;
use super::{number, version};
use crate::domain::{self, Code, GroupId, Refusal, UserId, id, provisioning};
use crate::service::ProvisioningFilter;

/// One request of a directory.
#[derive(Clone)]
pub(super) struct ProvisioningEvent(pub(super) provisioning::ProvisioningEvent);

/// One SCIM request that wrote or tried to.
///
/// Permission: `directory_manage`.
#[async_graphql::Object]
impl ProvisioningEvent {
    /// UUID.
    pub(super) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// When.
    pub(super) async fn at(&self) -> DateTime {
        self.0.at.into()
    }

    /// Who asked; null if it is deleted.
    pub(super) async fn directory(&self, ctx: &Context<'_>) -> Option<Result<Directory, Failure>> {
        super::directories::directory(ctx, self.0.directory).await
    }

    /// `POST`, `PUT`, `PATCH` or `DELETE`.
    pub(super) async fn method(&self) -> String {
        self.0.method.clone()
    }

    /// Path below the base URL: `/Users/0199…`.
    pub(super) async fn path(&self) -> String {
        self.0.path.clone()
    }

    /// `User` or `Group`; null where there is no telling.
    pub(super) async fn resource_type(&self) -> Option<String> {
        self.0.resource_type.clone()
    }

    /// The user or group, if it exists.
    pub(super) async fn resource(&self, ctx: &Context<'_>) -> Option<Result<Node, Failure>> {
        let id: ID = self.0.resource?.to_string().into();
        Box::pin(find_node(ctx, &id)).await.transpose()
    }

    /// `userName` of the user or `displayName` of the group, as it is now; null where it is gone, or the caller may not read
    /// it.
    pub(super) async fn subject_name(&self, ctx: &Context<'_>) -> Option<Result<String, Failure>> {
        let id = self.0.resource?;
        let name = match self.0.resource_type.as_deref() {
            Some("Group") => {
                ctx.group(GroupId::new(id)).await.map(|group| group.map(|group| group.display_name().to_owned()))
            }
            _ => ctx.user(UserId::new(id)).await.map(|user| user.map(|user| user.user_name().to_owned())),
        };
        name.transpose()
    }

    /// What happened and why, and what to do about a refusal, in sentences. What happened comes first.
    pub(super) async fn explanation(&self) -> Vec<String> {
        self.0.explain()
    }

    /// As what the request was read, without values: `replace active`. At most 50, and how many more there were.
    pub(super) async fn operations(&self) -> Vec<String> {
        self.0.operations.clone()
    }

    /// The dialect the request was read in.
    pub(super) async fn dialect(&self) -> DirectoryDialect {
        dialect(self.0.dialect)
    }

    /// What the client calls itself: its `User-Agent`.
    pub(super) async fn client(&self) -> Option<String> {
        self.0.client.clone()
    }

    /// What came of it.
    pub(super) async fn outcome(&self) -> ProvisioningOutcome {
        match self.0.outcome {
            provisioning::ProvisioningOutcome::Applied => ProvisioningOutcome::Applied,
            provisioning::ProvisioningOutcome::Unchanged => ProvisioningOutcome::Unchanged,
            provisioning::ProvisioningOutcome::Refused => ProvisioningOutcome::Refused,
        }
    }

    /// HTTP status answered.
    pub(super) async fn status(&self) -> i32 {
        i32::from(self.0.status)
    }

    /// SCIM error type answered: `uniqueness`.
    pub(super) async fn scim_type(&self) -> Option<String> {
        self.0.scim_type.clone()
    }

    /// SCIM error detail answered.
    pub(super) async fn detail(&self) -> Option<String> {
        self.0.detail.clone()
    }

    /// Names of the lenient rules that decided the outcome.
    pub(super) async fn tolerances(&self) -> Vec<String> {
        self.0.tolerances.iter().map(ToString::to_string).collect()
    }

    /// Name of the lenient rule that the strict dialect did not apply, if that is why it was refused.
    pub(super) async fn denied_tolerance(&self) -> Option<String> {
        self.0.denied.map(|tolerance| tolerance.to_string())
    }

    /// Version of the user or group before the change; null where there was none, or nothing changed.
    pub(super) async fn version_before(&self) -> Option<i32> {
        self.0.version_before.map(version)
    }

    /// Version of the user or group after the change; null where it is gone, or nothing changed.
    pub(super) async fn version_after(&self) -> Option<i32> {
        self.0.version_after.map(version)
    }

    /// What changed, before and after. Values are null where the operator masks them. Empty where nothing changed.
    ///
    /// Permission: `directory_manage` and `audit_read`.
    #[graphql(complexity = "list_complexity(child_complexity)")]
    pub(super) async fn changes(&self, ctx: &Context<'_>) -> Option<Result<Vec<AuditChange>, Failure>> {
        let found = ctx.changes_by(self.0.audit_event).await;
        Some(found.map(|found| found.changes.into_iter().map(AuditChange::from).collect()))
    }

    /// How many members came into the group.
    ///
    /// Permission: `directory_manage` and `audit_read`.
    pub(super) async fn members_added(&self, ctx: &Context<'_>) -> Option<Result<i32, Failure>> {
        Some(ctx.changes_by(self.0.audit_event).await.map(|found| signed(found.members_added)))
    }

    /// How many members left the group.
    ///
    /// Permission: `directory_manage` and `audit_read`.
    pub(super) async fn members_removed(&self, ctx: &Context<'_>) -> Option<Result<i32, Failure>> {
        Some(ctx.changes_by(self.0.audit_event).await.map(|found| signed(found.members_removed)))
    }

    /// The request; joins with `AuditEvent.requestId`.
    pub(super) async fn request_id(&self) -> String {
        self.0.request.clone()
    }

    /// Time taken, in milliseconds.
    pub(super) async fn duration_ms(&self) -> i32 {
        number(u64::from(self.0.duration))
    }
}

fn signed(count: i64) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// One page of a list.
pub(super) struct ProvisioningEventConnection {
    filter: ProvisioningFilter,
    page_info: PageInfo,
    events: Vec<(String, provisioning::ProvisioningEvent)>,
}

/// One page of a list.
#[async_graphql::Object]
impl ProvisioningEventConnection {
    /// Whether and how to read on.
    async fn page_info(&self) -> PageInfo {
        self.page_info.clone()
    }

    /// The items of this page with their cursors.
    async fn edges(&self) -> Vec<ProvisioningEventEdge> {
        let edge = |(cursor, event): &(String, provisioning::ProvisioningEvent)| ProvisioningEventEdge {
            cursor: cursor.clone(),
            node: ProvisioningEvent(event.clone()),
        };
        self.events.iter().map(edge).collect()
    }

    /// The items of this page.
    async fn nodes(&self) -> Vec<ProvisioningEvent> {
        self.events.iter().map(|(_, event)| ProvisioningEvent(event.clone())).collect()
    }

    /// How many there are, whatever the filter. Counted only when asked for.
    async fn total_count(&self, ctx: &Context<'_>) -> Option<Result<i32, Failure>> {
        let all = ProvisioningFilter { directory: self.filter.directory, ..ProvisioningFilter::default() };
        Some(counted(ctx, &all).await)
    }

    /// How many match the filter. Counted only when asked for.
    async fn filtered_count(&self, ctx: &Context<'_>) -> Option<Result<i32, Failure>> {
        Some(counted(ctx, &self.filter).await)
    }
}

async fn counted(ctx: &Context<'_>, filter: &ProvisioningFilter) -> Result<i32, Failure> {
    Ok(number(ctx.service().count_provisioning_events(ctx.caller(), filter).await?))
}

/// One item of a page.
#[derive(SimpleObject)]
pub(super) struct ProvisioningEventEdge {
    /// Where this item stands in the list; for `after` and `before`.
    cursor: String,
    /// The item.
    node: ProvisioningEvent,
}

impl ProvisioningEventConnection {
    /// A page of those asked for, newest first.
    pub(super) async fn find(
        ctx: &Context<'_>,
        filter: Option<ProvisioningEventFilter>,
        paging: &Paging,
    ) -> Result<Self, Failure> {
        ctx.caller().require(domain::Permission::DirectoryManage)?;
        match filter.map(ProvisioningEventFilter::read) {
            None => Self::read(ctx, ProvisioningFilter::default(), paging).await,
            Some(Some(filter)) => Self::read(ctx, filter, paging).await,
            // An id that names nothing is that of no event.
            Some(None) => {
                let missing = Refusal::new(Code::NotFound, "no such directory or resource").at("filter");
                Err(missing.into())
            }
        }
    }

    /// A page of what directories asked for, newest first.
    pub(super) async fn read(ctx: &Context<'_>, filter: ProvisioningFilter, paging: &Paging) -> Result<Self, Failure> {
        let list = format!("provisioning {filter:?}");
        let invalid = || Failure::from(Refusal::new(Code::InvalidCursor, "not a cursor of this list"));
        let read = |key: Option<String>| match key {
            None => Ok(None),
            Some(key) => key.parse().map(Some).map_err(|_| invalid()),
        };
        let (after, before) = paging.keys(&list)?;
        // Newest first: what comes after a cursor has a lower id.
        let span = (read(after)?, read(before)?);
        let (newest_first, limit) = (!paging.is_from_end(), paging.size() + 1);
        let service = ctx.service();
        let events = service.list_provisioning_events(ctx.caller(), &filter, span, newest_first, limit).await?;
        let (page_info, events) = paging.cut(&list, events, |event| event.id.to_string());
        Ok(Self { filter, page_info, events })
    }
}

impl ProvisioningEventFilter {
    /// Which of them are asked for; none: an id that names nothing.
    pub(super) fn read(self) -> Option<ProvisioningFilter> {
        let directory = match self.directory_id {
            Some(id) => Some(id.parse().ok()?),
            None => None,
        };
        let resource = match self.resource_id {
            Some(id) => Some(id::parse(&id)?),
            None => None,
        };
        Some(ProvisioningFilter {
            directory,
            outcome: self.outcome.map(|outcome| match outcome {
                ProvisioningOutcome::Applied => provisioning::ProvisioningOutcome::Applied,
                ProvisioningOutcome::Unchanged => provisioning::ProvisioningOutcome::Unchanged,
                ProvisioningOutcome::Refused => provisioning::ProvisioningOutcome::Refused,
            }),
            resource,
            request: self.request_id,
            method: self.method.map(|method| method.to_ascii_uppercase()),
            // No event has the status 0.
            status: self.status.map(|status| u16::try_from(status).unwrap_or_default()),
            from: self.from.map(Into::into),
            to: self.to.map(Into::into),
        })
    }
}
