//! Interfaces and unions, and finding any object by its id.

use async_graphql::{Context, ID, Interface, Union};
use uuid::Uuid;

use super::failure::Failure;
use super::groups::{Directory, Group};
use super::logins::{Login, TrustedDevice};
use super::organizations::{Organization, Role};
use super::people::{Email, MfaFactor};
use super::request::Asking as _;
use super::scalars::DateTime;
use super::service_accounts::{RootIdentity, ServiceAccount};
use super::tokens::ApiToken;
use super::users::User;
use crate::domain::{Code, DirectoryId, Error, GroupId, OrganizationId, Refusal, RoleId, UserId};

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
#[derive(Interface)]
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
#[expect(clippy::large_enum_variant, reason = "made for one answer, and not kept")]
#[derive(Union)]
pub(super) enum Principal {
    User(User),
    ServiceAccount(ServiceAccount),
    RootIdentity(RootIdentity),
}

/// The user who did something, if the caller may read them.
pub(super) async fn user_actor(ctx: &Context<'_>, user: Option<UserId>) -> Option<Result<Actor, Failure>> {
    match ctx.user(user?).await {
        Ok(found) => found.map(|user| Ok(Actor::from(User(user)))),
        Err(failure) => Some(Err(failure)),
    }
}

/// The directory that wrote something.
pub(super) async fn directory_actor(
    ctx: &Context<'_>,
    directory: Option<DirectoryId>,
) -> Option<Result<Actor, Failure>> {
    super::groups::directory(ctx, directory?).await.map(|directory| directory.map(Actor::from))
}

/// The object with this id, if there is one that the caller may read.
///
/// # Errors
///
/// [`Failure`] when nobody is signed in.
pub(super) async fn find_node(ctx: &Context<'_>, id: &ID) -> Result<Option<Node>, Failure> {
    let person = ctx.caller().require_person()?;
    let Ok(id) = id.parse::<Uuid>() else { return Ok(None) };
    if id == person.user.id.uuid() {
        return Ok(Some(User(person.user.clone()).into()));
    }
    if id == person.organization.id.uuid() {
        return Ok(Some(Organization(person.organization.clone()).into()));
    }
    if let Some(node) = find_own(ctx, id).await? {
        return Ok(Some(node));
    }
    let (service, caller) = (ctx.service(), ctx.caller());
    if let Some(user) = ctx.user(UserId::new(id)).await? {
        return Ok(Some(User(user).into()));
    }
    if let Some(group) = service.find_readable_group(caller, GroupId::new(id)).await? {
        return Ok(Some(Group(group).into()));
    }
    if let Some(role) = service.find_role(caller, RoleId::new(id))? {
        return Ok(Some(Role { role, since: person.organization.created }.into()));
    }
    if caller.may(crate::domain::Permission::DirectoryManage)
        && let Some(directory) = service.find_directory_of(caller, DirectoryId::new(id)).await?
    {
        return Ok(Some(Directory(directory).into()));
    }
    match service.get_my_organization(caller, Some(OrganizationId::new(id))).await {
        Ok(organization) => Ok(Some(Organization(organization).into())),
        Err(Error::NotFound(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What is the caller's own: logins, devices, addresses, factors, tokens.
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
    let emails = ctx.emails_of(account).await?.unwrap_or_default();
    if let Some(email) = emails.into_iter().find(|email| email.id.uuid() == id) {
        return Ok(Some(Email(email).into()));
    }
    if let Some(factor) = person.enrolled().filter(|factor| factor.id.uuid() == id) {
        return Ok(Some(MfaFactor(factor.clone()).into()));
    }
    let tokens = ctx.service().list_my_tokens(ctx.caller()).await?;
    Ok(tokens.into_iter().find(|token| token.id.uuid() == id).map(|token| ApiToken(token).into()))
}

/// Several objects, in the order asked.
///
/// # Errors
///
/// `LIMIT_EXCEEDED` beyond 100.
pub(super) async fn find_nodes(ctx: &Context<'_>, ids: &[ID]) -> Result<Vec<Option<Node>>, Failure> {
    const MOST: usize = 100;
    if ids.len() > MOST {
        return Err(Refusal::new(Code::LimitExceeded, "at most 100 ids at once").with("limit", MOST).into());
    }
    let mut nodes = Vec::new();
    for id in ids {
        nodes.push(find_node(ctx, id).await?);
    }
    Ok(nodes)
}
