//! A user as the account API shows them: what the organization says, joined with the account behind it.

use async_graphql::{Context, ID};

use super::audit::AuditEventConnection;
use super::connection::Paging;
use super::cost::{list_complexity, page_complexity};
use super::directories::Directory;
use super::enums::{AccountType, LoginState, MembershipStatus, UserStatus};
use super::failure::Failure;
use super::groups::UserGroupConnection;
use super::interfaces::{Actor, author};
use super::login_lists::{LoginConnection, TrustedDeviceConnection, Whose};
use super::logins::{Login, TrustedDevice};
use super::organizations::{Membership, Permission, Role, RoleGrant};
use super::people::{Email, EmailConnection, EmailEdge, MfaState, PasswordState};
use super::policy::LoginProvider;
use super::request::Asking as _;
use super::scalars::{DateTime, EmailAddress, Json, Url};
use super::version;
use super::viewer::FieldCapability;
use crate::domain::account::{Account, Joined};
use crate::domain::role;
use crate::domain::user::Presence;
use crate::domain::{self, AccountId, Author, OrganizationId, Permission as Right, UserId};
use crate::service::AccountState;

/// A user.
#[derive(Clone)]
pub(super) struct User(pub(super) domain::user::User);

/// A person as one organization knows them: profile, status, groups and roles, joined with the account behind it
/// (addresses, password, factors, logins). The same person has another `User` in another organization.
///
/// Permission: oneself, `user_access_read`, or see where it is reached from. Fields that need more say so and answer null
/// with `FORBIDDEN`.
#[async_graphql::Object]
impl User {
    /// UUID; the SCIM id.
    pub(super) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// Unique name in the organization, compared without case; 1 to 100 characters, often but not necessarily an e-mail
    /// address. Called handle or username elsewhere.
    pub(super) async fn user_name(&self) -> String {
        self.0.user_name().to_owned()
    }

    /// The id the directory gave the user; never interpreted.
    pub(super) async fn external_id(&self) -> Option<String> {
        self.0.external_id().map(str::to_owned)
    }

    /// What to call the person; 1 to 150 characters. Never empty: falls back to `userName`. `deleted user` after
    /// anonymisation.
    pub(super) async fn display_name(&self) -> String {
        self.0.display_name().to_owned()
    }

    /// First name.
    pub(super) async fn given_name(&self) -> Option<String> {
        self.0.given_name().map(str::to_owned)
    }

    /// Last name.
    pub(super) async fn family_name(&self) -> Option<String> {
        self.0.family_name().map(str::to_owned)
    }

    /// Whole name; made of given and family name where none was given.
    pub(super) async fn full_name(&self) -> Option<String> {
        self.0.full_name()
    }

    /// Job title.
    pub(super) async fn title(&self) -> Option<String> {
        self.0.title().map(str::to_owned)
    }

    /// Company.
    pub(super) async fn company(&self) -> Option<String> {
        self.0.company().map(str::to_owned)
    }

    /// Primary address; null if there is none. Until the person has proven it, what the organization's record says.
    pub(super) async fn email(&self, ctx: &Context<'_>) -> Option<Result<EmailAddress, Failure>> {
        let own = match self.0.account {
            Some(account) => match ctx.emails_of(account).await {
                Ok(emails) => {
                    let proven = |email: &domain::account::EmailAddress| email.is_primary && email.verified.is_some();
                    emails.unwrap_or_default().into_iter().find(proven).map(|email| email.address)
                }
                Err(failure) => return Some(Err(failure)),
            },
            None => None,
        };
        own.or_else(|| self.0.directory_email().map(str::to_owned)).map(|address| Ok(EmailAddress(address)))
    }

    /// All addresses, primary first: those of the account, and those that a directory wrote here.
    ///
    /// Permission: oneself or `user_access_read`.
    #[graphql(complexity = "page_complexity(first, last, child_complexity)")]
    pub(super) async fn emails(
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
        Some(
            async {
                ctx.may_read(&self.0, Right::UserAccessRead)?;
                let paging = Paging::read(first, after, last, before)?;
                let emails = match self.0.account {
                    Some(account) => ctx.emails_of(account).await?.unwrap_or_default(),
                    None => Vec::new(),
                };
                email_connection(self.0.with_directory_addresses(emails), &paging)
            }
            .await,
        )
    }

    /// Picture. Stored, never fetched by the server.
    pub(super) async fn avatar_url(&self) -> Option<Url> {
        self.0.avatar().map(|url| Url(url.to_owned()))
    }

    /// Language and region, BCP 47: `de-CH`. As the organization or its directory says; see `Settings.locale`.
    pub(super) async fn locale(&self) -> Option<String> {
        self.0.attributes.text("locale").map(str::to_owned)
    }

    /// IANA time zone: `Europe/Zurich`. As the organization or its directory says; see `Settings.timezone`.
    pub(super) async fn timezone(&self) -> Option<String> {
        self.0.attributes.text("timezone").map(str::to_owned)
    }

    /// Free object of the organization: at most 16 KiB and 50 keys; null if there is none.
    pub(super) async fn metadata(&self) -> Option<Json> {
        (!self.0.metadata.is_empty()).then(|| Json(self.0.metadata.clone().into()))
    }

    /// State of the account.
    pub(super) async fn status(&self) -> UserStatus {
        status(&self.0)
    }

    /// Whether the person can sign in here: `status` is `ACTIVE`.
    pub(super) async fn is_active(&self) -> bool {
        status(&self.0) == UserStatus::Active
    }

    /// Whether the person may do everything on the whole server. Default false.
    ///
    /// Permission: oneself or `user_access_read`.
    pub(super) async fn is_superuser(&self, ctx: &Context<'_>) -> Result<bool, Failure> {
        let account = readable_account(ctx, &self.0).await;
        Ok(account?.is_some_and(|state| state.account.superuser))
    }

    /// Always false.
    pub(super) async fn is_service_account(&self) -> bool {
        false
    }

    /// Whether the first steps are done. Default false.
    ///
    /// Permission: oneself or `user_access_read`.
    pub(super) async fn is_onboarded(&self, ctx: &Context<'_>) -> Result<bool, Failure> {
        let account = readable_account(ctx, &self.0).await;
        Ok(account?.is_some_and(|state| state.account.onboarded))
    }

    /// Set while an administrator keeps the person out; a directory cannot lift it. Also set after a directory deleted the
    /// user over SCIM in mode `DISABLE`, with the reason `DEPROVISIONED`: `enableUser` brings the user back.
    ///
    /// Permission: oneself or `user_access_read`.
    pub(super) async fn local_hold(&self, ctx: &Context<'_>) -> Option<Result<LocalHold, Failure>> {
        match may_read_account(ctx, &self.0) {
            Ok(()) => self.0.hold.clone().map(|hold| Ok(LocalHold(hold))),
            Err(failure) => Some(Err(failure)),
        }
    }

    /// Whether the organization controls the account.
    ///
    /// Permission: oneself or `user_access_read`.
    pub(super) async fn account_type(&self, ctx: &Context<'_>) -> Result<AccountType, Failure> {
        let account = readable_account(ctx, &self.0).await;
        Ok(account_type(
            &self.0,
            account?.as_ref().map(|state| &state.account),
            ctx.caller().as_member().map(|member| member.organization().id),
        ))
    }

    /// The directory that provisions the user; null for one kept here.
    pub(super) async fn directory(&self, ctx: &Context<'_>) -> Option<Result<Directory, Failure>> {
        super::directories::directory(ctx, self.0.directory?).await
    }

    /// The person's accounts at login providers.
    ///
    /// Permission: oneself or `user_access_read`.
    #[graphql(complexity = "list_complexity(child_complexity)")]
    pub(super) async fn identities(&self, ctx: &Context<'_>) -> Result<Vec<ExternalIdentity>, Failure> {
        may_read_account(ctx, &self.0)?;
        let Some(account) = self.0.account else { return Ok(Vec::new()) };
        let identities = ctx.identities_of(account).await?;
        if identities.is_empty() {
            return Ok(Vec::new());
        }
        let connections = ctx.service().get_policies(ctx.caller()).await?.connections;
        let shown = |identity: domain::connection::ExternalIdentity| {
            let provider = connections.iter().find(|one| one.name == identity.connection)?;
            Some(ExternalIdentity {
                provider: provider.into(),
                subject: identity.subject,
                email: identity.email.map(EmailAddress),
                linked_at: identity.linked.into(),
            })
        };
        Ok(identities.into_iter().filter_map(shown).collect())
    }

    /// State of the password, never the password.
    ///
    /// Permission: oneself or `user_access_read`.
    pub(super) async fn password_state(&self, ctx: &Context<'_>) -> Option<Result<PasswordState, Failure>> {
        let account = readable_account(ctx, &self.0).await;
        Some(account.map(|account| PasswordState(account.and_then(|state| state.password))))
    }

    /// Second factors.
    ///
    /// Permission: oneself or `user_access_read`.
    pub(super) async fn mfa(&self, ctx: &Context<'_>) -> Option<Result<MfaState, Failure>> {
        let account = readable_account(ctx, &self.0).await;
        account.map(|account| account.map(|state| MfaState(state.mfa))).transpose()
    }

    /// Last sign-in; null: never.
    ///
    /// Permission: oneself or `user_access_read`.
    pub(super) async fn last_login_at(&self, ctx: &Context<'_>) -> Option<Result<DateTime, Failure>> {
        let readable = may_read_account(ctx, &self.0);
        readable.map(|()| self.0.last_login.map(DateTime::from)).transpose()
    }

    /// Last use of a login or personal token, to the minute; null: never.
    ///
    /// Permission: oneself or `user_access_read`.
    pub(super) async fn last_seen_at(&self, ctx: &Context<'_>) -> Option<Result<DateTime, Failure>> {
        let readable = may_read_account(ctx, &self.0);
        readable.map(|()| self.0.last_seen.map(DateTime::from)).transpose()
    }

    /// End of a lock after too many failures; null if not locked.
    ///
    /// Permission: oneself or `user_access_read`.
    pub(super) async fn locked_until(&self, ctx: &Context<'_>) -> Option<Result<DateTime, Failure>> {
        if let Err(failure) = may_read_account(ctx, &self.0) {
            return Some(Err(failure));
        }
        let until = ctx.lock_of(self.0.account?).await;
        until.map(|until| until.map(DateTime::from)).transpose()
    }

    /// Membership in the current organization; `INVITED` until the person joins.
    pub(super) async fn membership(&self, ctx: &Context<'_>) -> Option<Result<Membership, Failure>> {
        membership_here(ctx, &self.0).await.transpose()
    }

    /// All organizations the person belongs to, as far as the caller may know, the current one first; at most 100 others.
    /// Oneself and superusers see all, an administrator those where the administrator's login could read members
    /// (`user_access_read`), an API token the current one.
    #[graphql(complexity = "list_complexity(child_complexity)")]
    pub(super) async fn memberships(&self, ctx: &Context<'_>) -> Option<Result<Vec<Membership>, Failure>> {
        Some(memberships(ctx, &self.0).await)
    }

    /// Groups with the user's role in each, by name.
    ///
    /// Permission: oneself, `user_access_read` or `groups_read`.
    #[graphql(complexity = "page_complexity(first, last, child_complexity)")]
    pub(super) async fn groups(
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
        Some(
            async {
                let paging = Paging::read(first, after, last, before)?;
                let id = self.0.id.uuid();
                UserGroupConnection::read(ctx.belongings_of(id).await?, id, &paging)
            }
            .await,
        )
    }

    /// Roles in force in this organization, each once, whatever they come from.
    ///
    /// Permission: oneself or `user_access_read`.
    #[graphql(complexity = "list_complexity(child_complexity)")]
    pub(super) async fn roles(&self, ctx: &Context<'_>) -> Option<Result<Vec<Role>, Failure>> {
        Some(
            async {
                ctx.may_read(&self.0, Right::UserAccessRead)?;
                Ok(ctx.grants_of(&self.0).await?.roles())
            }
            .await,
        )
    }

    /// Where each role comes from.
    ///
    /// Permission: oneself or `user_access_read`.
    #[graphql(complexity = "list_complexity(child_complexity)")]
    pub(super) async fn role_grants(&self, ctx: &Context<'_>) -> Option<Result<Vec<RoleGrant>, Failure>> {
        Some(
            async {
                ctx.may_read(&self.0, Right::UserAccessRead)?;
                Ok(ctx.grants_of(&self.0).await?.listed())
            }
            .await,
        )
    }

    /// All permissions of `roles`.
    ///
    /// Permission: oneself or `user_access_read`.
    #[graphql(complexity = "list_complexity(child_complexity)")]
    pub(super) async fn permissions(&self, ctx: &Context<'_>) -> Option<Result<Vec<Permission>, Failure>> {
        Some(
            async {
                ctx.may_read(&self.0, Right::UserAccessRead)?;
                Ok(ctx.grants_of(&self.0).await?.permissions())
            }
            .await,
        )
    }

    /// Logins of the person that act in this organization, latest use first; at most 100.
    ///
    /// Permission: oneself or `user_sessions_manage`.
    #[graphql(
        complexity = "list_complexity(child_complexity)",
        deprecation = "Cut at 100: use `loginConnection`. It stays."
    )]
    pub(super) async fn logins(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "Only those in this state; ended ones are kept 90 days.",
            default_with = "LoginState::Active"
        )]
        state: LoginState,
    ) -> Option<Result<Vec<Login>, Failure>> {
        Some(
            async {
                let wanted = domain::login::LoginState::from(state);
                ctx.may_read(&self.0, Right::UserSessionsManage)?;
                let Some(account) = self.0.account else { return Ok(Vec::new()) };
                let logins = ctx.logins_of(account).await?.unwrap_or_default();
                let now = ctx.service().now();
                let is_shown = |login: &domain::login::Login| login.user == self.0.id && login.state(now) == wanted;
                let listed = logins.into_iter().filter(is_shown).take(100);
                Ok(listed.map(|login| Login::seen(ctx, login)).collect())
            }
            .await,
        )
    }

    /// Devices that may skip the second factor, latest use first; active ones only, at most 100.
    ///
    /// Permission: oneself or `user_sessions_manage`.
    #[graphql(
        complexity = "list_complexity(child_complexity)",
        deprecation = "Cut at 100: use `trustedDeviceConnection`. It stays."
    )]
    pub(super) async fn trusted_devices(&self, ctx: &Context<'_>) -> Option<Result<Vec<TrustedDevice>, Failure>> {
        Some(
            async {
                ctx.may_read(&self.0, Right::UserSessionsManage)?;
                let Some(account) = self.0.account else { return Ok(Vec::new()) };
                let devices = ctx.devices_of(account).await?.unwrap_or_default();
                let here = devices.into_iter().filter(|device| device.user == self.0.id);
                Ok(here.take(100).map(TrustedDevice).collect())
            }
            .await,
        )
    }

    /// Logins of the person that act in this organization, latest use first.
    ///
    /// Permission: oneself or `user_sessions_manage`.
    #[graphql(complexity = "page_complexity(first, last, child_complexity)")]
    pub(super) async fn login_connection(
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
        let whose = Whose { account: self.0.account, user: Some(self.0.id) };
        Some(
            async {
                ctx.may_read(&self.0, Right::UserSessionsManage)?;
                LoginConnection::read(ctx, whose, state, &Paging::read(first, after, last, before)?).await
            }
            .await,
        )
    }

    /// Devices that may skip the second factor in this organization, latest use first; active ones only.
    ///
    /// Permission: oneself or `user_sessions_manage`.
    #[graphql(complexity = "page_complexity(first, last, child_complexity)")]
    pub(super) async fn trusted_device_connection(
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
        let whose = Whose { account: self.0.account, user: Some(self.0.id) };
        Some(
            async {
                ctx.may_read(&self.0, Right::UserSessionsManage)?;
                TrustedDeviceConnection::read(ctx, whose, &Paging::read(first, after, last, before)?).await
            }
            .await,
        )
    }

    /// What was done to this user, newest first.
    ///
    /// Permission: oneself or `audit_read`.
    #[graphql(complexity = "page_complexity(first, last, child_complexity)")]
    pub(super) async fn audit_events(
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
    ) -> Option<Result<AuditEventConnection, Failure>> {
        Some(
            async {
                let paging = Paging::read(first, after, last, before)?;
                AuditEventConnection::of_user(ctx, self.0.id, &paging).await
            }
            .await,
        )
    }

    /// Which fields the caller may change with `updateUser` (`updateMe` for oneself), and why not the others.
    #[graphql(complexity = "list_complexity(child_complexity)")]
    pub(super) async fn field_capabilities(&self, ctx: &Context<'_>) -> Option<Result<Vec<FieldCapability>, Failure>> {
        Some(super::viewer::field_capabilities(ctx, &self.0).await)
    }

    /// When it was created.
    pub(super) async fn created_at(&self) -> DateTime {
        self.0.created.into()
    }

    /// Who created it. Null: the server itself, or someone the caller may not read.
    pub(super) async fn created_by(&self, ctx: &Context<'_>) -> Option<Result<Actor, Failure>> {
        author(ctx, self.0.created_by).await
    }

    /// When it last changed; equal to `createdAt` until then.
    pub(super) async fn updated_at(&self) -> DateTime {
        self.0.last_modified.into()
    }

    /// Who changed it last. Null: the server itself, or someone the caller may not read.
    pub(super) async fn updated_by(&self, ctx: &Context<'_>) -> Option<Result<Actor, Failure>> {
        author(ctx, self.0.updated_by).await
    }

    /// Rises with every change. Pass it as `ifVersion` to refuse overwriting somebody else's change.
    pub(super) async fn version(&self) -> i32 {
        version(self.0.version)
    }
}

/// Whether the caller may read how a user signs in, whatever way led to the user: it is the caller's own account, here or in
/// another organization, or the caller has the permission.
fn may_read_account(ctx: &Context<'_>, user: &domain::user::User) -> Result<(), Failure> {
    let own = ctx.caller().as_person().is_some_and(|person| user.account == Some(person.account.id));
    if own { Ok(()) } else { ctx.may_read(user, Right::UserAccessRead) }
}

/// The account behind a user, if the caller may read it.
async fn readable_account(ctx: &Context<'_>, user: &domain::user::User) -> Result<Option<AccountState>, Failure> {
    may_read_account(ctx, user)?;
    ctx.account_of(user).await
}

/// Why somebody is kept out.
pub(super) struct LocalHold(domain::user::Hold);

/// The decision of an administrator, or of the server for one, to keep a user out.
#[async_graphql::Object]
impl LocalHold {
    /// Who decided; null if the caller may not read them.
    pub(super) async fn by(&self, ctx: &Context<'_>) -> Option<Result<Actor, Failure>> {
        author(ctx, self.0.by.map(Author::User)).await
    }

    /// When.
    pub(super) async fn since(&self) -> DateTime {
        self.0.since.into()
    }

    /// Why. `DEPROVISIONED`: a directory deleted the user over SCIM in mode `DISABLE`.
    pub(super) async fn reason(&self) -> Option<String> {
        self.0.reason.clone()
    }
}

/// A person's account at a login provider.
#[derive(async_graphql::SimpleObject)]
pub(super) struct ExternalIdentity {
    /// The provider.
    pub(super) provider: LoginProvider,
    /// The person's id there.
    pub(super) subject: String,
    /// The address the provider vouches for.
    pub(super) email: Option<EmailAddress>,
    /// When it was linked.
    pub(super) linked_at: DateTime,
}

/// What an account has come to in an organization.
pub(super) fn status(user: &domain::user::User) -> UserStatus {
    match (user.is_admitted(), user.account) {
        _ if user.presence == Presence::Anonymized => UserStatus::Anonymized,
        (false, _) => UserStatus::Disabled,
        (true, None) => UserStatus::Invited,
        (true, Some(_)) => UserStatus::Active,
    }
}

/// The same, of a membership.
pub(super) fn status_of_membership(user: &domain::user::User) -> MembershipStatus {
    match status(user) {
        UserStatus::Invited => MembershipStatus::Invited,
        UserStatus::Active => MembershipStatus::Active,
        UserStatus::Disabled | UserStatus::Anonymized => MembershipStatus::Disabled,
    }
}

/// Keys of the roles in force, each once, highest first.
pub(super) fn role_keys(grants: &[role::RoleGrant]) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    for grant in grants {
        if !keys.contains(&grant.role.key) {
            keys.push(grant.role.key.clone());
        }
    }
    keys
}

/// Of somebody without an account: what it will be.
fn account_type(
    user: &domain::user::User,
    account: Option<&Account>,
    organization: Option<OrganizationId>,
) -> AccountType {
    match account {
        Some(account) if account.managed_by != organization => AccountType::External,
        None if user.external => AccountType::External,
        _ => AccountType::Managed,
    }
}

/// Where the person behind a user belongs: all of it for oneself, for others as far as the caller may know. The current
/// organization comes first.
pub(super) async fn memberships(ctx: &Context<'_>, user: &domain::user::User) -> Result<Vec<Membership>, Failure> {
    if ctx.is_me(user) {
        return my_memberships(ctx).await;
    }
    let mut listed: Vec<Membership> = membership_here(ctx, user).await?.into_iter().collect();
    let Some(account) = user.account else { return Ok(listed) };
    let state = ctx.account_of(user).await?;
    for one in ctx.memberships_elsewhere(account).await? {
        let account_type =
            account_type(&one.user, state.as_ref().map(|state| &state.account), Some(one.organization.id));
        listed.push(Membership {
            organization: one.organization,
            user: one.user,
            grants: one.grants,
            account_type,
            source: one.membership.source,
            since: one.membership.joined,
            is_current: false,
        });
    }
    Ok(listed)
}

/// How a user belongs to the current organization, joined or still invited; none for a deprovisioned user and for one whose data
/// is destroyed.
async fn membership_here(ctx: &Context<'_>, user: &domain::user::User) -> Result<Option<Membership>, Failure> {
    if ctx.is_me(user) {
        return Ok(my_memberships(ctx).await?.into_iter().find(|membership| membership.is_current));
    }
    if user.presence != Presence::Full {
        return Ok(None);
    }
    let here = ctx.caller().require_known()?.organization();
    let (source, since) = match user.account {
        Some(account) => match ctx.membership_of(account).await? {
            Some(membership) => (membership.source, membership.joined),
            None => return Ok(None),
        },
        None if user.directory.is_some() => (domain::account::MembershipSource::Directory, user.created),
        None => (domain::account::MembershipSource::Admin, user.created),
    };
    let state = ctx.account_of(user).await?;
    Ok(Some(Membership {
        organization: here.clone(),
        user: user.clone(),
        grants: ctx.grants_of(user).await?.grants,
        account_type: account_type(user, state.as_ref().map(|state| &state.account), Some(here.id)),
        source,
        since,
        is_current: true,
    }))
}

/// Where the caller belongs.
async fn my_memberships(ctx: &Context<'_>) -> Result<Vec<Membership>, Failure> {
    let (service, caller) = (ctx.service(), ctx.caller());
    let person = caller.require_signed_in()?;
    let mut listed = Vec::new();
    for joined in service.list_my_memberships(caller).await? {
        let Some((user, grants)) = service.get_my_user_in(caller, &joined).await? else { continue };
        let Joined { membership, organization } = joined;
        listed.push(Membership {
            account_type: account_type(&user, Some(&person.account), Some(organization.id)),
            is_current: organization.id == person.organization.id,
            organization,
            user,
            grants,
            source: membership.source,
            since: membership.joined,
        });
    }
    Ok(listed)
}

/// One page of addresses: primary first, then by age.
pub(super) fn email_connection(
    emails: Vec<domain::account::EmailAddress>,
    paging: &Paging,
) -> Result<EmailConnection, Failure> {
    let key = |email: &domain::account::EmailAddress| {
        format!("{}{:020}{}", u8::from(!email.is_primary), email.created.timestamp_millis(), email.id)
    };
    let mut emails = emails;
    emails.sort_by_cached_key(key);
    let page = paging.page("emails", emails, key)?;
    let edges: Vec<EmailEdge> =
        page.items.into_iter().map(|(cursor, email)| EmailEdge { cursor, node: Email(email) }).collect();
    let nodes = edges.iter().map(|edge| edge.node.clone()).collect();
    Ok(EmailConnection { page_info: page.info, edges, nodes, total_count: Some(page.total) })
}

/// A user of the caller's organization, if the caller may read them; null without an error otherwise.
pub(super) async fn user_here(
    ctx: &Context<'_>,
    organization: OrganizationId,
    user: UserId,
) -> Option<Result<User, Failure>> {
    if ctx.caller().as_member()?.organization().id != organization {
        return None;
    }
    match ctx.user(user).await {
        Ok(found) => found.map(|user| Ok(User(user))),
        Err(failure) => Some(Err(failure)),
    }
}

/// The caller, if it is their account; whom else an account belongs to is not told.
pub(super) fn user_of_account(ctx: &Context<'_>, account: AccountId) -> Option<Result<User, Failure>> {
    let person = ctx.caller().as_person().filter(|person| person.account.id == account)?;
    Some(Ok(User(person.user.clone())))
}

/// The same, as the author of a change.
pub(super) fn actor_of_account(ctx: &Context<'_>, account: AccountId) -> Option<Result<Actor, Failure>> {
    user_of_account(ctx, account).map(|user| user.map(Actor::from))
}
