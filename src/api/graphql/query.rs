//! Everything that can be read.

use async_graphql::{Context, ID};

use super::failure::Failure;
use super::interfaces::Node;
use super::organizations::Organization;
use super::policy::{AccountPolicy, InvitationPreview};
use super::request::Asking as _;
use super::viewer::Viewer;
use crate::domain::{Error, Noun, OrganizationId};

/// The root of all reading.
#[derive(Clone, Copy, Default)]
pub(super) struct Query;

/// Everything that can be read. A field the caller may not read is null and adds an error with `extensions.code`
/// `FORBIDDEN`; its siblings still answer. All of it is seen from one organization, that of the access token or API
/// token; `switchOrganization` changes it.
#[async_graphql::Object]
impl Query {
    /// Who is asking, and all that is theirs: profile, addresses, logins, devices, groups, roles.
    ///
    /// Permission: any valid credential.
    async fn me(&self, ctx: &Context<'_>) -> Option<Result<Viewer, Failure>> {
        Some(ctx.caller().require_signed_in().map(|person| Viewer(person.clone())).map_err(Failure::from))
    }

    /// Any object by its id (Relay refetch). Null when there is none, or none the caller may read.
    ///
    /// Permission: that of the object's type.
    async fn node(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Id of any type that implements `Node`.")] id: ID,
    ) -> Option<Result<Node, Failure>> {
        super::interfaces::find_node(ctx, &id).await.transpose()
    }

    /// Several objects by id, in the order asked, null where there is none to read.
    ///
    /// Permission: that of each object's type. Errors: `LIMIT_EXCEEDED`.
    async fn nodes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most 100 ids; duplicates are answered twice.")] ids: Vec<ID>,
    ) -> Result<Vec<Option<Node>>, Failure> {
        super::interfaces::find_nodes(ctx, &ids).await
    }

    /// An organization the caller belongs to.
    ///
    /// Permission: member. Errors: `NOT_FOUND`.
    async fn organization(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which one; absent: the current organization.")] id: Option<ID>,
    ) -> Option<Result<Organization, Failure>> {
        Some(
            async {
                let id = match &id {
                    Some(id) => Some(id.parse::<OrganizationId>().map_err(|_| Error::NotFound(Noun::Organization))?),
                    None => None,
                };
                Ok(Organization(ctx.service().get_my_organization(ctx.caller(), id).await?))
            }
            .await,
        )
    }

    /// Rules and limits in force here, so that an interface can state them before a server has to refuse: passwords, second
    /// factor, trusted devices, sign-in, invitations, field lengths.
    ///
    /// Permission: any valid credential.
    async fn account_policy(&self, ctx: &Context<'_>) -> Option<Result<AccountPolicy, Failure>> {
        Some(ctx.service().get_policies(ctx.caller()).map(AccountPolicy).map_err(Failure::from))
    }

    /// What the page behind an invitation link shows before anybody accepts. Asking uses nothing up.
    ///
    /// Permission: public. Errors: `TOKEN_INVALID`, `TOKEN_EXPIRED`, `TOKEN_USED`.
    async fn invitation_by_token(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The secret from the link.", secret)] token: String,
    ) -> Option<Result<InvitationPreview, Failure>> {
        Some(ctx.service().preview_invitation(&token).await.map(InvitationPreview).map_err(Failure::from))
    }
}
