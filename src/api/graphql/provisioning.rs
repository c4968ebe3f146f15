//! What directories asked for and what came of it.

use async_graphql::{Context, ID, SimpleObject};

use super::connection::{PageInfo, Paging};
use super::directories::Directory;
use super::failure::Failure;
use super::inputs::directories::{ProvisioningEventFilter, ProvisioningOutcome};
use super::interfaces::{Node, find_node};
use super::number;
use super::request::Asking as _;
use super::scalars::DateTime;
use crate::domain::{self, Code, Refusal, id, provisioning};
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

    /// The request; joins with `AuditEvent.requestId`.
    pub(super) async fn request_id(&self) -> String {
        self.0.request.clone()
    }

    /// Time taken, in milliseconds.
    pub(super) async fn duration_ms(&self) -> i32 {
        number(u64::from(self.0.duration))
    }
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
            request: None,
            from: self.from.map(Into::into),
            to: self.to.map(Into::into),
        })
    }
}
