//! Interfaces and unions, and finding any object by its id.

use std::collections::{HashMap, HashSet};

use async_graphql::{Context, ID, Interface, Union};
use futures::future::try_join_all;
use uuid::Uuid;

use super::audit::AuditEvent;
use super::directories::Directory;
use super::failure::Failure;
use super::groups::Group;
use super::invitations::Invitation;
use super::logins::{Login, TrustedDevice};
use super::organizations::{Organization, Role};
use super::people::{Email, MfaFactor};
use super::provisioning::ProvisioningEvent;
use super::request::Asking as _;
use super::scalars::DateTime;
use super::service_accounts::{RootIdentity, ServiceAccount};
use super::tokens::ApiToken;
use super::users::User;
use crate::domain::{
    self, AuditEventId, Author, Code, DirectoryId, Error, GroupId, OrganizationId, Permission, ProvisioningEventId,
    Refusal, RoleId, ServiceAccountId, TokenId, UserId,
};
use crate::service::ReadableSession;

/// Anything with an id of its own.
#[derive(Clone, Interface)]
#[graphql(field(
    name = "id",
    ty = "ID",
    desc = "UUID, unique in the whole server, never used again; the SCIM id where there is one."
))]
pub(super) enum Node {
    User(User),
    ServiceAccount(ServiceAccount),
    Organization(Organization),
    Role(Role),
    Group(Group),
    Directory(Directory),
    Email(Email),
    Login(Login),
    TrustedDevice(TrustedDevice),
    MfaFactor(MfaFactor),
    ApiToken(ApiToken),
    Invitation(Invitation),
    AuditEvent(AuditEvent),
    ProvisioningEvent(ProvisioningEvent),
}

/// Who made something and who changed it last.
#[expect(clippy::duplicated_attributes, reason = "each is of another field")]
#[derive(Interface)]
#[graphql(
    field(name = "created_at", ty = "DateTime", desc = "When it was created."),
    field(
        name = "created_by",
        ty = "Option<Result<Actor, Failure>>",
        desc = "Who created it. Null: the server itself, or someone the caller may not read."
    ),
    field(name = "updated_at", ty = "DateTime", desc = "When it last changed; equal to `createdAt` until then."),
    field(
        name = "updated_by",
        ty = "Option<Result<Actor, Failure>>",
        desc = "Who changed it last. Null: the server itself, or someone the caller may not read."
    ),
    field(
        name = "version",
        ty = "i32",
        desc = "Rises with every change. Pass it as `ifVersion` to refuse overwriting somebody else's change."
    )
)]
pub(super) enum Audited {
    User(User),
    ServiceAccount(ServiceAccount),
    Organization(Organization),
    Role(Role),
    Group(Group),
    Directory(Directory),
    Email(Email),
    Login(Login),
    TrustedDevice(TrustedDevice),
    MfaFactor(MfaFactor),
    ApiToken(ApiToken),
    Invitation(Invitation),
}

/// Whoever can be the author of a change: a person, a service account, root or a directory.
#[derive(Interface)]
#[graphql(
    field(name = "id", ty = "ID", desc = "UUID of the author."),
    field(name = "display_name", ty = "String", desc = "What to call the author.")
)]
pub(super) enum Actor {
    User(User),
    ServiceAccount(ServiceAccount),
    RootIdentity(RootIdentity),
    Directory(Directory),
}

/// Whatever can belong to a group. Groups in groups come only from directories.
#[derive(Clone, Interface)]
#[graphql(
    field(name = "id", ty = "ID", desc = "UUID of the member."),
    field(name = "display_name", ty = "String", desc = "What to call the member.")
)]
pub(super) enum GroupMember {
    User(User),
    Group(Group),
    ServiceAccount(ServiceAccount),
}

/// Whoever can sign in or hold an API token: exactly one of the three.
#[derive(Union)]
pub(super) enum Principal {
    User(User),
    ServiceAccount(ServiceAccount),
    RootIdentity(RootIdentity),
}

/// Who did something, if the caller may read them.
pub(super) async fn author(ctx: &Context<'_>, author: Option<Author>) -> Option<Result<Actor, Failure>> {
    let found = match author? {
        Author::User(id) => somebody(ctx, id).await.map(|found| found.map(|user| Actor::from(User(user)))),
        Author::ServiceAccount(id) => {
            ctx.program(id).await.map(|found| found.map(|account| Actor::from(ServiceAccount(account))))
        }
        Author::Directory(id) => ctx.directory(id).await.map(|found| found.map(|one| Actor::from(Directory(one)))),
    };
    found.transpose()
}

/// A user, or what stands for one whose data is destroyed: past changes go on naming them.
///
/// # Errors
///
/// [`Failure`] when nobody is signed in.
pub(super) async fn somebody(ctx: &Context<'_>, id: UserId) -> Result<Option<domain::user::User>, Failure> {
    match ctx.user(id).await? {
        Some(user) => Ok(Some(user)),
        None => ctx.anonymized_user(id).await,
    }
}

/// The object with this id, if there is one that the caller may read.
///
/// # Errors
///
/// [`Failure`] when nobody is signed in.
pub(super) async fn find_node(ctx: &Context<'_>, id: &ID) -> Result<Option<Node>, Failure> {
    ctx.caller().require_member()?;
    let Some(id) = domain::id::parse(id) else { return Ok(None) };
    match find_together(ctx, id).await? {
        Some(node) => Ok(Some(node)),
        None => find_alone(ctx, id).await,
    }
}

/// Objects of the kinds that are read together with all others of their kind.
async fn find_together(ctx: &Context<'_>, id: Uuid) -> Result<Option<Node>, Failure> {
    let here = ctx.caller().require_member()?.organization();
    if id == here.id.uuid() {
        return Ok(Some(Organization(here.clone()).into()));
    }
    if ctx.caller().as_person().is_some()
        && let Some(node) = find_own(ctx, id).await?
    {
        return Ok(Some(node));
    }
    if let Some(user) = ctx.user(UserId::new(id)).await? {
        return Ok(Some(User(user).into()));
    }
    if let Some(group) = ctx.group(GroupId::new(id)).await? {
        return Ok(Some(Group(group).into()));
    }
    if let Some(account) = ctx.program(ServiceAccountId::new(id)).await? {
        return Ok(Some(ServiceAccount(account).into()));
    }
    if let Some(role) = ctx.role(RoleId::new(id)).await? {
        return Ok(Some(Role::seen(ctx, role).into()));
    }
    if ctx.caller().may(Permission::DirectoryManage)
        && let Some(directory) = ctx.directory(DirectoryId::new(id)).await?
    {
        return Ok(Some(Directory(directory).into()));
    }
    Ok(None)
}

/// Objects of the kinds that are read one by one.
async fn find_alone(ctx: &Context<'_>, id: Uuid) -> Result<Option<Node>, Failure> {
    let (service, caller) = (ctx.service(), ctx.caller());
    if let Some(token) = service.find_readable_token(caller, TokenId::new(id)).await? {
        return Ok(Some(ApiToken(token).into()));
    }
    if let Some(node) = find_administered(ctx, id).await? {
        return Ok(Some(node));
    }
    if caller.as_person().is_none() {
        return Ok(None);
    }
    match service.get_my_organization(caller, Some(OrganizationId::new(id))).await {
        Ok(organization) => Ok(Some(Organization(organization).into())),
        Err(Error::NotFound(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What only administrators see.
async fn find_administered(ctx: &Context<'_>, id: Uuid) -> Result<Option<Node>, Failure> {
    let (service, caller) = (ctx.service(), ctx.caller());
    if caller.may(Permission::DirectoryManage)
        && let Some(event) = service.find_provisioning_event(caller, ProvisioningEventId::new(id)).await?
    {
        return Ok(Some(ProvisioningEvent(event).into()));
    }
    if caller.may(Permission::UserAccessInvite)
        && let Ok(invitation) = service.get_invitation(caller, &id.to_string()).await
    {
        return Ok(Some(Invitation(invitation).into()));
    }
    if caller.may(Permission::AuditRead)
        && let Some(event) = service.find_audit_event(caller, AuditEventId::new(id)).await?
    {
        return Ok(Some(AuditEvent(event).into()));
    }
    Ok(service.find_readable_session(caller, id).await?.map(|found| match found {
        ReadableSession::Login(login) => Login::seen(ctx, login).into(),
        ReadableSession::Device(device) => TrustedDevice(device).into(),
        ReadableSession::Email(email) => Email(email).into(),
    }))
}

/// What is the caller's own: logins, devices, addresses, factors.
async fn find_own(ctx: &Context<'_>, id: Uuid) -> Result<Option<Node>, Failure> {
    let person = ctx.caller().require_person()?;
    let account = person.account.id;
    let logins = ctx.logins_of(account).await?.unwrap_or_default();
    if let Some(login) = logins.into_iter().find(|login| login.id.uuid() == id) {
        return Ok(Some(Login::seen(ctx, login).into()));
    }
    let devices = ctx.devices_of(account).await?.unwrap_or_default();
    if let Some(device) = devices.into_iter().find(|device| device.id.uuid() == id) {
        return Ok(Some(TrustedDevice(device).into()));
    }
    let emails = person.user.with_directory_addresses(ctx.emails_of(account).await?.unwrap_or_default());
    if let Some(email) = emails.into_iter().find(|email| email.id.uuid() == id) {
        return Ok(Some(Email(email).into()));
    }
    Ok(person.enrolled().filter(|factor| factor.id.uuid() == id).map(|factor| MfaFactor(factor.clone()).into()))
}

/// Several objects, in the order asked. An id that is named twice is looked up once.
///
/// # Errors
///
/// `LIMIT_EXCEEDED` beyond 100.
pub(super) async fn find_nodes(ctx: &Context<'_>, ids: &[ID]) -> Result<Vec<Option<Node>>, Failure> {
    const MOST: usize = 100;
    if ids.len() > MOST {
        return Err(Refusal::new(Code::LimitExceeded, "at most 100 ids at once").with("limit", MOST).into());
    }
    ctx.caller().require_member()?;
    let asked: Vec<Option<Uuid>> = ids.iter().map(|id| domain::id::parse(id)).collect();
    let distinct: HashSet<Uuid> = asked.iter().flatten().copied().collect();
    let found = find_each(ctx, distinct.into_iter().collect()).await?;
    Ok(asked.into_iter().map(|id| found.get(&id?).cloned()).collect())
}

/// The objects with these ids: what can be read together first, then the others, a few at a time.
async fn find_each(ctx: &Context<'_>, ids: Vec<Uuid>) -> Result<HashMap<Uuid, Node>, Failure> {
    const AT_ONCE: usize = 8;
    let together: Vec<Option<Node>> = try_join_all(ids.iter().map(|id| find_together(ctx, *id))).await?;
    let mut found = HashMap::new();
    let mut alone = Vec::new();
    for (id, node) in ids.into_iter().zip(together) {
        match node {
            Some(node) => drop(found.insert(id, node)),
            None => alone.push(id),
        }
    }
    for some in alone.chunks(AT_ONCE) {
        let nodes = try_join_all(some.iter().map(|id| find_alone(ctx, *id))).await?;
        found.extend(some.iter().zip(nodes).filter_map(|(id, node)| node.map(|node| (*id, node))));
    }
    Ok(found)
}
