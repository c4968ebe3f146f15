//! Sessions, challenges, logins and trusted devices.

use async_graphql::{Context, ID};

use super::cost::list_complexity;
use super::enums::{Assurance, AuthMethod, LoginEndReason, LoginState, MfaMethod, RequiredAction};
use super::failure::Failure;
use super::interfaces::Actor;
use super::organizations::Organization;
use super::request::Asking as _;
use super::scalars::DateTime;
use super::users::{self, User};
use super::version;
use crate::domain;
use crate::service::{IssuedChallenge, NewSession};

/// Tokens of a login, shown once.
pub(super) struct Session(pub(super) NewSession);

/// What a client keeps after signing in. Everything in it is shown this once.
#[async_graphql::Object]
impl Session {
    /// Send as `Authorization: Bearer …`. A signed JWT, accepted only while `login` is active.
    pub(super) async fn access_token(&self) -> String {
        self.0.access_token.to_string()
    }

    /// At most 10 minutes ahead. Then `refreshSession`.
    pub(super) async fn access_token_expires_at(&self) -> DateTime {
        self.0.access_token_expires.into()
    }

    /// For `refreshSession`; works once and is replaced each time.
    pub(super) async fn refresh_token(&self) -> String {
        self.0.refresh_token.expose().to_owned()
    }

    /// When the login ends if it is not used before: idle limit 14 days, absolute 30 days.
    pub(super) async fn refresh_token_expires_at(&self) -> DateTime {
        self.0.login.expires.into()
    }

    /// The login these tokens belong to; counts as current here.
    pub(super) async fn login(&self) -> Login {
        Login { login: self.0.login.clone(), is_current: true }
    }

    /// What must be done before anything else works.
    pub(super) async fn required_actions(&self) -> Vec<RequiredAction> {
        self.0.required_actions.iter().copied().map(RequiredAction::from).collect()
    }
}

/// The password was right; now a second factor is wanted. Good for 5 minutes and 5 tries.
#[derive(async_graphql::SimpleObject)]
pub(super) struct MfaChallenge {
    /// For `verifyMfa`.
    pub(super) token: String,
    /// What can be given.
    pub(super) methods: Vec<MfaMethod>,
    /// When to start again.
    pub(super) expires_at: DateTime,
    /// Tries left.
    pub(super) attempts_remaining: i32,
    /// Whether the organization lets a device be trusted, so that `trustDevice` has an effect.
    pub(super) can_trust_device: bool,
}

/// A login as whoever asks sees it.
#[derive(Clone)]
pub(super) struct Login {
    pub(super) login: domain::login::Login,
    pub(super) is_current: bool,
}

/// One signed-in session on one device. Ended ones stay ended.
///
/// Permission: oneself or `user_sessions_manage`.
#[async_graphql::Object]
impl Login {
    /// UUID; not a secret.
    pub(super) async fn id(&self) -> ID {
        self.login.id.to_string().into()
    }

    /// Whose login; null in another organization than the current one.
    pub(super) async fn user(&self, ctx: &Context<'_>) -> Option<Result<User, Failure>> {
        users::user_here(ctx, self.login.organization, self.login.user).await
    }

    /// The organization it acts in.
    pub(super) async fn organization(&self, ctx: &Context<'_>) -> Option<Result<Organization, Failure>> {
        match ctx.organization(self.login.organization).await {
            Ok(found) => found.map(|organization| Ok(Organization(organization))),
            Err(failure) => Some(Err(failure)),
        }
    }

    /// Which device: the client's own stable id, or one made by the server. Joins logins and trusted devices.
    pub(super) async fn device_id(&self) -> String {
        self.login.device_id.clone()
    }

    /// What the client called the device.
    pub(super) async fn device_name(&self) -> Option<String> {
        self.login.device_name.clone()
    }

    /// When the person last gave a password or second factor for it.
    pub(super) async fn auth_time(&self) -> DateTime {
        self.login.auth_time.into()
    }

    /// What they gave, in that order.
    pub(super) async fn auth_methods(&self) -> Vec<AuthMethod> {
        self.login.auth_methods.iter().copied().map(AuthMethod::from).collect()
    }

    /// How sure that makes us.
    pub(super) async fn assurance(&self) -> Assurance {
        if self.login.is_multi_factor() { Assurance::MultiFactor } else { Assurance::SingleFactor }
    }

    /// Until when operations marked step-up work; null: `reauthenticate` first.
    pub(super) async fn step_up_until(&self, ctx: &Context<'_>) -> Option<DateTime> {
        self.login.fresh_until.filter(|until| ctx.service().now() < *until).map(DateTime::from)
    }

    /// Last request, to the minute.
    pub(super) async fn last_used_at(&self) -> DateTime {
        self.login.last_used.into()
    }

    /// When it ends by itself.
    pub(super) async fn expires_at(&self) -> DateTime {
        self.login.expires.into()
    }

    /// Where from, IPv4 or IPv6, at the last sign-in.
    pub(super) async fn remote_ip(&self) -> Option<String> {
        self.login.remote_ip.clone()
    }

    /// With what, at the last sign-in.
    pub(super) async fn user_agent(&self) -> UserAgent {
        UserAgent::read(self.login.user_agent.as_deref())
    }

    /// Whether it is the login making this request.
    pub(super) async fn is_current(&self) -> bool {
        self.is_current
    }

    /// State.
    pub(super) async fn state(&self, ctx: &Context<'_>) -> LoginState {
        self.login.state(ctx.service().now()).into()
    }

    /// When it ended.
    pub(super) async fn ended_at(&self, ctx: &Context<'_>) -> Option<DateTime> {
        let expired = self.login.expires <= ctx.service().now();
        self.login.revoked.map(|(at, _)| at).or(expired.then_some(self.login.expires)).map(DateTime::from)
    }

    /// Why it was revoked; null while active and when it just expired.
    pub(super) async fn end_reason(&self) -> Option<LoginEndReason> {
        self.login.revoked.map(|(_, reason)| reason.into())
    }

    /// The trusted device with the same `deviceId`, if any.
    pub(super) async fn trusted_device(&self, ctx: &Context<'_>) -> Option<Result<TrustedDevice, Failure>> {
        match ctx.devices_of(self.login.account).await {
            Ok(devices) => {
                let mut devices = devices.unwrap_or_default().into_iter();
                let same = |device: &domain::trusted_device::TrustedDevice| {
                    device.device_id == self.login.device_id && device.user == self.login.user
                };
                devices.find(same).map(|device| Ok(TrustedDevice(device)))
            }
            Err(failure) => Some(Err(failure)),
        }
    }

    /// When it was created.
    pub(super) async fn created_at(&self) -> DateTime {
        self.login.created.into()
    }

    /// Who created it. Null: the server itself, or someone the caller may not read.
    pub(super) async fn created_by(&self, ctx: &Context<'_>) -> Option<Result<Actor, Failure>> {
        users::actor_of_account(ctx, self.login.account)
    }

    /// When it last changed; equal to `createdAt` until then.
    pub(super) async fn updated_at(&self) -> DateTime {
        self.login.updated.into()
    }

    /// Who changed it last. Null: the server itself, or someone the caller may not read.
    pub(super) async fn updated_by(&self, ctx: &Context<'_>) -> Option<Result<Actor, Failure>> {
        let by_others = self.login.revoked.is_some_and(|(_, reason)| reason != domain::login::EndReason::Oneself);
        if by_others { None } else { users::actor_of_account(ctx, self.login.account) }
    }

    /// Rises with every change. Pass it as `ifVersion` to refuse overwriting somebody else's change.
    pub(super) async fn version(&self) -> i32 {
        version(self.login.version)
    }
}

/// What a request was made with.
#[derive(async_graphql::SimpleObject)]
pub(super) struct UserAgent {
    /// The header, at most 512 characters.
    pub(super) raw: Option<String>,
    /// Browser and version: `Firefox 145`.
    pub(super) browser: Option<String>,
    /// System: `Windows 11`.
    pub(super) os: Option<String>,
    /// Kind or model: `iPhone`.
    pub(super) device: Option<String>,
}

/// A device that may skip the second factor.
#[derive(Clone)]
pub(super) struct TrustedDevice(pub(super) domain::trusted_device::TrustedDevice);

/// The right of one device to skip the second factor, never the first. Dies with any reset or change of password or
/// factors, and when the user is disabled, deleted or removed.
///
/// Permission: oneself or `user_sessions_manage`.
#[async_graphql::Object]
impl TrustedDevice {
    /// UUID; not the secret.
    pub(super) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    /// Whose device; null in another organization than the current one.
    pub(super) async fn user(&self, ctx: &Context<'_>) -> Option<Result<User, Failure>> {
        users::user_here(ctx, self.0.organization, self.0.user).await
    }

    /// Which device. Joins logins and trusted devices.
    pub(super) async fn device_id(&self) -> String {
        self.0.device_id.clone()
    }

    /// What the client called it.
    pub(super) async fn device_name(&self) -> Option<String> {
        self.0.device_name.clone()
    }

    /// Last time it replaced a second factor.
    pub(super) async fn last_used_at(&self) -> Option<DateTime> {
        self.0.last_used.map(DateTime::from)
    }

    /// When the trust ends by itself: 30 days, or as the organization says.
    pub(super) async fn expires_at(&self) -> DateTime {
        self.0.expires.into()
    }

    /// Where from, when it was trusted.
    pub(super) async fn remote_ip(&self) -> Option<String> {
        self.0.remote_ip.clone()
    }

    /// With what, when it was trusted.
    pub(super) async fn user_agent(&self) -> UserAgent {
        UserAgent::read(self.0.user_agent.as_deref())
    }

    /// Whether it is the device making this request.
    pub(super) async fn is_current(&self, ctx: &Context<'_>) -> bool {
        let person = ctx.caller().as_person();
        person
            .and_then(|person| person.login())
            .is_some_and(|login| login.device_id == self.0.device_id && login.user == self.0.user)
    }

    /// Active logins with the same `deviceId`.
    #[graphql(complexity = "list_complexity(child_complexity)")]
    pub(super) async fn logins(&self, ctx: &Context<'_>) -> Result<Vec<Login>, Failure> {
        let now = ctx.service().now();
        let logins = ctx.logins_of(self.0.account).await?.unwrap_or_default();
        let same = logins.into_iter().filter(|login| login.device_id == self.0.device_id && login.is_active(now));
        Ok(same.map(|login| Login::seen(ctx, login)).collect())
    }

    /// When it was created.
    pub(super) async fn created_at(&self) -> DateTime {
        self.0.created.into()
    }

    /// Who created it. Null: the server itself, or someone the caller may not read.
    pub(super) async fn created_by(&self, ctx: &Context<'_>) -> Option<Result<Actor, Failure>> {
        users::actor_of_account(ctx, self.0.account)
    }

    /// When it last changed; equal to `createdAt` until then.
    pub(super) async fn updated_at(&self) -> DateTime {
        self.0.updated.into()
    }

    /// Who changed it last. Null: the server itself, or someone the caller may not read.
    pub(super) async fn updated_by(&self, ctx: &Context<'_>) -> Option<Result<Actor, Failure>> {
        users::actor_of_account(ctx, self.0.account)
    }

    /// Rises with every change. Pass it as `ifVersion` to refuse overwriting somebody else's change.
    pub(super) async fn version(&self) -> i32 {
        version(self.0.version)
    }
}

impl Login {
    /// A login as the caller sees it.
    pub(super) fn seen(ctx: &Context<'_>, login: domain::login::Login) -> Self {
        let current = ctx.caller().as_person().and_then(|person| person.login()).map(|login| login.id);
        Self { is_current: current == Some(login.id), login }
    }
}

impl From<NewSession> for Session {
    fn from(session: NewSession) -> Self {
        Self(session)
    }
}

impl From<IssuedChallenge> for MfaChallenge {
    fn from(challenge: IssuedChallenge) -> Self {
        Self {
            token: challenge.token.expose().to_owned(),
            methods: challenge.methods.into_iter().map(MfaMethod::from).collect(),
            expires_at: challenge.expires.into(),
            attempts_remaining: i32::try_from(challenge.tries_left).unwrap_or_default(),
            can_trust_device: challenge.can_trust_device,
        }
    }
}

impl UserAgent {
    /// What a `User-Agent` header says; nothing of what is not known.
    fn read(raw: Option<&str>) -> Self {
        let parsed = raw.and_then(|raw| woothee::parser::Parser::new().parse(raw));
        let known = |text: &str| (!text.is_empty() && text != "UNKNOWN").then(|| text.to_owned());
        let joined = |name: &str, version: &str| {
            let version = version.split('.').next().and_then(known);
            known(name).map(|name| version.map_or(name.clone(), |version| format!("{name} {version}")))
        };
        Self {
            raw: raw.map(str::to_owned),
            browser: parsed.as_ref().and_then(|agent| joined(agent.name, agent.version)),
            os: parsed.as_ref().and_then(|agent| joined(agent.os, &agent.os_version)),
            device: parsed.as_ref().and_then(|agent| known(agent.category)),
        }
    }
}
