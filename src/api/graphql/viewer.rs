//! Who is asking, and all that is theirs.

use std::sync::Arc;

use async_graphql::{Context, ID};

use super::connection::Paging;
use super::cost::{list_complexity, page_complexity};
use super::directories::Directory;
use super::enums::{ErrorCode, LoginState, RequiredAction};
use super::failure::Failure;
use super::groups::UserGroupConnection;
use super::interfaces::{Actor, Principal};
use super::login_lists::{LoginConnection, TrustedDeviceConnection, Whose};
use super::logins::{Login, TrustedDevice};
use super::organizations::{Membership, Organization, Permission, Role, RoleGrant};
use super::people::{EmailConnection, MfaState, PasswordState, Settings};
use super::request::{Asking as _, Grants};
use super::scalars::DateTime;
use super::schema;
use super::service_accounts::{RootIdentity, ServiceAccount};
use super::tokens::ApiToken;
use super::users::{self, User};
use crate::domain;
use crate::domain::actor::{Member, Person, Program};
use crate::domain::only_people::OnlyPeople;
use crate::domain::profile::ProfileField;
use crate::domain::user::Presence;

/// Whoever asks.
pub(super) enum Viewer {
    Person(Arc<Person>),
    Program(Arc<Program>),
    Root,
}

impl From<Member<'_>> for Viewer {
    fn from(member: Member<'_>) -> Self {
        match member {
            Member::Person(person) => Self::Person(person.clone()),
            Member::Program(program) => Self::Program(program.clone()),
        }
    }
}

impl Viewer {
    fn member(&self) -> Option<Member<'_>> {
        match self {
            Self::Person(person) => Some(Member::Person(person)),
            Self::Program(program) => Some(Member::Program(program)),
            Self::Root => None,
        }
    }

    fn person(&self) -> Option<&Arc<Person>> {
        match self {
            Self::Person(person) => Some(person),
            Self::Program(_) | Self::Root => None,
        }
    }

    fn grants(&self) -> Grants {
        let member = self.member();
        Grants {
            grants: member.map(|member| member.grants().to_vec()).unwrap_or_default(),
            since: member.map(|member| member.organization().stamps.created).unwrap_or_default(),
        }
    }
}

/// The caller: a person signed in, a service account, or root. Needs nothing but a valid credential.
#[async_graphql::Object]
impl Viewer {
    /// The caller as one of the three kinds.
    async fn principal(&self) -> Principal {
        match self {
            Self::Person(person) => User(person.user.clone()).into(),
            Self::Program(program) => ServiceAccount(program.account.clone()).into(),
            Self::Root => RootIdentity.into(),
        }
    }

    /// The caller as the current organization's user; null for a service account or root.
    async fn user(&self) -> Option<User> {
        self.person().map(|person| User(person.user.clone()))
    }

    /// The caller, if a service account.
    async fn service_account(&self) -> Option<ServiceAccount> {
        match self {
            Self::Person(_) | Self::Root => None,
            Self::Program(program) => Some(ServiceAccount(program.account.clone())),
        }
    }

    /// The caller, if root.
    async fn root(&self) -> Option<RootIdentity> {
        matches!(self, Self::Root).then_some(RootIdentity)
    }

    /// The person's account: the same in every organization they belong to, while `user.id` differs. Null for a service
    /// account or root.
    async fn account_id(&self) -> Option<ID> {
        self.person().map(|person| person.account.id.to_string().into())
    }

    /// The login this request was made with; null with an API token.
    async fn login(&self) -> Option<Login> {
        let login = self.person()?.login()?;
        Some(Login { login: login.clone(), is_current: true })
    }

    /// The API token this request was made with; null with a login.
    async fn token(&self) -> Option<ApiToken> {
        match self {
            Self::Person(person) => person.token().cloned().map(ApiToken),
            Self::Program(program) => Some(ApiToken(program.token.clone())),
            Self::Root => None,
        }
    }

    /// The organization this request acts in; null for root outside any.
    async fn organization(&self) -> Option<Organization> {
        self.member().map(|member| Organization(member.organization().clone()))
    }

    /// The caller's membership in it; null for a service account or root.
    async fn membership(&self, ctx: &Context<'_>) -> Option<Result<Membership, Failure>> {
        match users::memberships(ctx, &self.person()?.user).await {
            Ok(memberships) => memberships.into_iter().find(|membership| membership.is_current).map(Ok),
            Err(failure) => Some(Err(failure)),
        }
    }

    /// Every organization the person belongs to, the current one first. At most 100.
    #[graphql(complexity = "list_complexity(child_complexity)")]
    async fn memberships(&self, ctx: &Context<'_>) -> Result<Vec<Membership>, Failure> {
        match self.person() {
            Some(person) => users::memberships(ctx, &person.user).await,
            None => Ok(Vec::new()),
        }
    }

    /// The person's addresses, primary first, verified or not; also those that a directory of this organization wrote.
    #[graphql(complexity = "page_complexity(first, last, child_complexity)")]
    async fn emails(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "From the start: 0 to 100, more gives 100; default 100 without `last`. Below 0: `VALIDATION_FAILED`."
        )]
        first: Option<i32>,
        #[graphql(desc = "Only after this cursor of the same list, filter and order; else `INVALID_CURSOR`.")]
        after: Option<String>,
        #[graphql(desc = "From the end: 0 to 100, more gives 100. With `first`: `INVALID_ARGUMENT_COMBINATION`.")] last: Option<i32>,
        #[graphql(desc = "Only before this cursor of the same list, filter and order; else `INVALID_CURSOR`.")] before: Option<String>,
    ) -> Option<Result<EmailConnection, Failure>> {
        let person = self.person()?;
        Some(
            async {
                let paging = Paging::read(first, after, last, before)?;
                let own = ctx.emails_of(person.account.id).await?.unwrap_or_default();
                users::email_connection(person.user.with_directory_addresses(own), &paging)
            }
            .await,
        )
    }

    /// The person's logins, latest use first; at most 100.
    #[graphql(
        complexity = "list_complexity(child_complexity)",
        deprecation = "Cut at 100: use `loginConnection`. It stays."
    )]
    async fn logins(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "Only those in this state; ended ones are kept 90 days.",
            default_with = "LoginState::Active"
        )]
        state: LoginState,
    ) -> Result<Vec<Login>, Failure> {
        let Some(person) = self.person() else { return Ok(Vec::new()) };
        let (wanted, now) = (domain::login::LoginState::from(state), ctx.service().now());
        let logins = ctx.logins_of(person.account.id).await?.unwrap_or_default();
        let listed = logins.into_iter().filter(|login| login.state(now) == wanted).take(100);
        Ok(listed.map(|login| Login::seen(ctx, login)).collect())
    }

    /// Devices that may skip the second factor, latest use first; active ones only, at most 100.
    #[graphql(
        complexity = "list_complexity(child_complexity)",
        deprecation = "Cut at 100: use `trustedDeviceConnection`. It stays."
    )]
    async fn trusted_devices(&self, ctx: &Context<'_>) -> Result<Vec<TrustedDevice>, Failure> {
        let Some(person) = self.person() else { return Ok(Vec::new()) };
        let devices = ctx.devices_of(person.account.id).await?.unwrap_or_default();
        Ok(devices.into_iter().take(100).map(TrustedDevice).collect())
    }

    /// The person's logins in all organizations, latest use first; null for a service account or root.
    #[graphql(complexity = "page_complexity(first, last, child_complexity)")]
    async fn login_connection(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "From the start: 0 to 100, more gives 100; default 100 without `last`. Below 0: `VALIDATION_FAILED`."
        )]
        first: Option<i32>,
        #[graphql(desc = "Only after this cursor of the same list, filter and order; else `INVALID_CURSOR`.")]
        after: Option<String>,
        #[graphql(desc = "From the end: 0 to 100, more gives 100. With `first`: `INVALID_ARGUMENT_COMBINATION`.")] last: Option<i32>,
        #[graphql(desc = "Only before this cursor of the same list, filter and order; else `INVALID_CURSOR`.")] before: Option<String>,
        #[graphql(
            desc = "Only those in this state; ended ones are kept 90 days.",
            default_with = "LoginState::Active"
        )]
        state: LoginState,
    ) -> Option<Result<LoginConnection, Failure>> {
        let whose = Whose { account: Some(self.person()?.account.id), user: None };
        Some(async { LoginConnection::read(ctx, whose, state, &Paging::read(first, after, last, before)?).await }.await)
    }

    /// Devices that may skip the second factor, in all organizations, latest use first; active ones only. Null for a
    /// service account or root.
    #[graphql(complexity = "page_complexity(first, last, child_complexity)")]
    async fn trusted_device_connection(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "From the start: 0 to 100, more gives 100; default 100 without `last`. Below 0: `VALIDATION_FAILED`."
        )]
        first: Option<i32>,
        #[graphql(desc = "Only after this cursor of the same list, filter and order; else `INVALID_CURSOR`.")]
        after: Option<String>,
        #[graphql(desc = "From the end: 0 to 100, more gives 100. With `first`: `INVALID_ARGUMENT_COMBINATION`.")] last: Option<i32>,
        #[graphql(desc = "Only before this cursor of the same list, filter and order; else `INVALID_CURSOR`.")] before: Option<String>,
    ) -> Option<Result<TrustedDeviceConnection, Failure>> {
        let whose = Whose { account: Some(self.person()?.account.id), user: None };
        Some(
            async { TrustedDeviceConnection::read(ctx, whose, &Paging::read(first, after, last, before)?).await }.await,
        )
    }

    /// The caller's groups with the caller's role in each, by name.
    #[graphql(complexity = "page_complexity(first, last, child_complexity)")]
    async fn groups(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "From the start: 0 to 100, more gives 100; default 100 without `last`. Below 0: `VALIDATION_FAILED`."
        )]
        first: Option<i32>,
        #[graphql(desc = "Only after this cursor of the same list, filter and order; else `INVALID_CURSOR`.")]
        after: Option<String>,
        #[graphql(desc = "From the end: 0 to 100, more gives 100. With `first`: `INVALID_ARGUMENT_COMBINATION`.")] last: Option<i32>,
        #[graphql(desc = "Only before this cursor of the same list, filter and order; else `INVALID_CURSOR`.")] before: Option<String>,
    ) -> Option<Result<UserGroupConnection, Failure>> {
        let id = self.member()?.id();
        Some(
            async {
                let paging = Paging::read(first, after, last, before)?;
                UserGroupConnection::read(ctx.belongings_of(id).await?, id, &paging)
            }
            .await,
        )
    }

    /// The roles in force for the caller in this organization, each once, whatever they come from. Roles that count only
    /// inside a group are at `groups`.
    #[graphql(complexity = "list_complexity(child_complexity)")]
    async fn roles(&self) -> Vec<Role> {
        self.grants().roles()
    }

    /// Where each role comes from.
    #[graphql(complexity = "list_complexity(child_complexity)")]
    async fn role_grants(&self) -> Vec<RoleGrant> {
        self.grants().listed()
    }

    /// What the caller may do in this organization: all permissions of `roles`.
    #[graphql(complexity = "list_complexity(child_complexity)")]
    async fn permissions(&self) -> Vec<Permission> {
        self.member().into_iter().flat_map(|member| member.permissions()).copied().map(Permission).collect()
    }

    /// The person's second factors; null for a service account or root.
    async fn mfa(&self, ctx: &Context<'_>) -> Option<Result<MfaState, Failure>> {
        self.person()?;
        Some(ctx.service().get_my_mfa(ctx.caller()).await.map(MfaState).map_err(Failure::from))
    }

    /// The state of the person's password, never the password; null for a service account or root.
    async fn password_state(&self) -> Option<PasswordState> {
        self.person().map(|person| PasswordState(person.password))
    }

    /// The person's preferences, the same in every organization; null for root. For a service account null with
    /// `PROTECTED_ACCOUNT`, which names what to use instead.
    async fn settings(&self, ctx: &Context<'_>) -> Option<Result<Settings, Failure>> {
        if let Err(error) = OnlyPeople::Settings.check(ctx.caller()) {
            return Some(Err(error.into()));
        }
        self.person().map(|person| Ok(Settings(person.account.settings.clone())))
    }

    /// The caller's own API tokens in this organization, newest first: those of a person or of a service account. Active
    /// ones, at most 50 of a person, and those ended in the last 90 days; at most 100 in all. `revokeToken` ends one.
    #[graphql(complexity = "list_complexity(child_complexity)")]
    async fn tokens(&self, ctx: &Context<'_>) -> Result<Vec<ApiToken>, Failure> {
        let tokens = match self {
            Self::Person(_) | Self::Program(_) => ctx.service().list_my_tokens(ctx.caller()).await?,
            Self::Root => Vec::new(),
        };
        Ok(tokens.into_iter().map(ApiToken).collect())
    }

    /// What must be done first. While this is not empty, everything but `me`, `accountPolicy`, these actions and signing in
    /// and out answers `ACTION_REQUIRED`.
    async fn required_actions(&self) -> Vec<RequiredAction> {
        self.person().iter().flat_map(|person| &person.required_actions).copied().map(RequiredAction::from).collect()
    }

    /// What the caller can do here, so that an interface can say so beforehand.
    async fn capabilities(&self) -> Capabilities {
        Capabilities
    }
}

/// What the caller can do.
pub(super) struct Capabilities;

/// What the caller can do.
#[async_graphql::Object]
impl Capabilities {
    /// The caller's own fields, as `updateMe` takes them.
    #[graphql(complexity = "list_complexity(child_complexity)")]
    async fn fields(&self, ctx: &Context<'_>) -> Result<Vec<FieldCapability>, Failure> {
        match ctx.caller().as_person() {
            Some(person) => field_capabilities(ctx, &person.user).await,
            None => Ok(Vec::new()),
        }
    }

    /// Every mutation that needs a permission.
    #[graphql(complexity = "list_complexity(child_complexity)")]
    async fn mutations(&self, ctx: &Context<'_>) -> Vec<MutationCapability> {
        let fresh = ctx
            .caller()
            .as_person()
            .and_then(|person| person.login())
            .is_some_and(|login| login.is_fresh(ctx.service().now()));
        let capability = |(mutation, permission, step_up): &(&str, domain::Permission, bool)| MutationCapability {
            mutation: (*mutation).to_owned(),
            is_allowed: ctx.caller().may(*permission),
            required_permission: permission.key().to_owned(),
            is_step_up_needed: *step_up && !fresh,
        };
        schema::GUARDED.iter().map(capability).collect()
    }
}

/// Whether the caller may change one field of a user.
#[derive(async_graphql::SimpleObject)]
pub(super) struct FieldCapability {
    /// Name of the input field: `displayName`.
    pub(super) field: String,
    /// Whether a change would be accepted.
    pub(super) is_editable: bool,
    /// Why not; null if editable.
    pub(super) reason: Option<ErrorCode>,
    /// The directory that writes this field, if that is why.
    pub(super) managed_by: Option<Actor>,
    /// Since when it does.
    pub(super) managed_since: Option<DateTime>,
}

/// Whether the caller may call one mutation.
#[derive(async_graphql::SimpleObject)]
pub(super) struct MutationCapability {
    /// Name of the mutation: `resetMfa`.
    pub(super) mutation: String,
    /// Whether the caller holds the permission. Rank and state of the target are still checked.
    pub(super) is_allowed: bool,
    /// Key of the permission.
    pub(super) required_permission: String,
    /// Whether `reauthenticate` has to come first.
    pub(super) is_step_up_needed: bool,
}

/// Which fields of a profile may be edited, and why not the others.
pub(super) async fn field_capabilities(
    ctx: &Context<'_>,
    user: &domain::user::User,
) -> Result<Vec<FieldCapability>, Failure> {
    let right =
        if ctx.is_me(user) { domain::Permission::UserSelfProfileWrite } else { domain::Permission::UserAccessManage };
    let may = ctx.caller().may(right);
    let is_linked = match user.account {
        Some(account) => !ctx.identities_of(account).await?.is_empty(),
        None => false,
    };
    let mut listed = Vec::new();
    for field in ProfileField::ALL {
        let claim = user.claim_on(field);
        let managed_by = match claim {
            Some(claim) => ctx.directory(claim.directory).await?,
            None => None,
        };
        let is_providers = is_linked && field.is_providers();
        let owned =
            claim.map(|_| ErrorCode::ManagedByDirectory).or(is_providers.then_some(ErrorCode::ManagedByConnection));
        // `updateUser` does not find a deprovisioned user.
        let absent = (user.presence != Presence::Full).then_some(ErrorCode::NotFound);
        let reason = absent.or(owned).or((!may).then_some(ErrorCode::InsufficientRank));
        listed.push(FieldCapability {
            field: field.as_str().to_owned(),
            is_editable: reason.is_none(),
            reason,
            managed_since: claim.map(|claim| claim.since.into()),
            managed_by: managed_by.map(|directory| Actor::from(Directory(directory))),
        });
    }
    Ok(listed)
}
