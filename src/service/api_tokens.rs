//! API tokens: personal ones act as oneself in one organization, those of service accounts as them. None can do more than
//! its holder may at that moment.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use super::Service;
use super::attempts::Attempts;
use super::references::{ServiceAccountRef, check_holds, read_grantable};
use crate::domain::account::Edit;
use crate::domain::api_token::{ApiToken, Holder, MOST_GRACE_SECONDS, MOST_PERSONAL_TOKENS};
use crate::domain::audit::EventKind;
use crate::domain::credentials::check_own_token;
use crate::domain::mail::Notice;
use crate::domain::organization::check_name;
use crate::domain::role;
use crate::domain::service_account::{MOST_TOKENS, ServiceAccount};
use crate::domain::token::{BearerSecret, SecretKind};
use crate::domain::user::User;
use crate::domain::{Caller, Code, Error, OrganizationId, Permission, Refusal, ServiceAccountId, TokenId};
use crate::store::{OrganizationStore, SealedMail, TokenChange};

/// How long tokens that ended are still shown.
const SHOWN_AFTER_END: TimeDelta = TimeDelta::days(90);
/// The most tokens that are shown at once.
const MOST_SHOWN: usize = 100;
/// How long a token works that is given for another one.
const EXCHANGED_FOR: TimeDelta = TimeDelta::minutes(10);

/// What a token is about to be.
#[derive(Clone, Debug)]
pub struct TokenDraft {
    /// 1 to 100 characters.
    pub name: String,
    /// Keys of permissions, at least one.
    pub scopes: Vec<String>,
    /// When it stops working.
    pub expires: Option<DateTime<Utc>>,
}

/// A token given for another one (RFC 6749 §4.4).
#[derive(Debug)]
pub struct ExchangedToken {
    /// The secret.
    pub secret: BearerSecret,
    /// For how many seconds.
    pub seconds: i64,
    /// What it may do, as OAuth writes it.
    pub scope: String,
}

fn no_such_token() -> Error {
    Refusal::new(Code::NotFound, "no such token").at("tokenId").into()
}

/// Live tokens, and those that ended lately; newest first.
fn shown(mut tokens: Vec<ApiToken>, now: DateTime<Utc>) -> Vec<ApiToken> {
    let ended = |token: &ApiToken| token.revoked.or(token.expires.filter(|end| *end <= now));
    tokens.retain(|token| ended(token).is_none_or(|end| now - end < SHOWN_AFTER_END));
    tokens.truncate(MOST_SHOWN);
    tokens
}

impl Service {
    /// The tokens of the person who asks in this organization, newest first: live ones, and those that ended lately.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`].
    pub async fn list_my_tokens(&self, caller: &Caller) -> Result<Vec<ApiToken>, Error> {
        let member = caller.require_known()?;
        Ok(shown(self.store.identity().list_tokens(member.id()).await?, self.clock.now()))
    }

    /// The tokens of a service account: for itself, and whoever keeps service accounts.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::ServiceAccountWrite`].
    pub async fn list_tokens_of_program(&self, caller: &Caller, id: ServiceAccountId) -> Result<Vec<ApiToken>, Error> {
        let member = caller.require_member()?;
        if member.id() != id.uuid() {
            let organization = caller.require(Permission::ServiceAccountWrite)?;
            if self.store.organization(organization).await?.find_program(id).await?.is_none() {
                return Ok(Vec::new());
            }
        }
        Ok(shown(self.store.identity().list_tokens(id.uuid()).await?, self.clock.now()))
    }

    /// A token the caller may see, by id: one's own, those of service accounts and directories for who keeps those.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`] for nobody.
    pub async fn find_readable_token(&self, caller: &Caller, id: TokenId) -> Result<Option<ApiToken>, Error> {
        let member = caller.require_member()?;
        let found = self.store.identity().find_token_by_id(id).await?;
        Ok(found.filter(|token| {
            token.organization == member.organization().id
                && match token.holder {
                    Holder::Person(_, user) => user.uuid() == member.id(),
                    Holder::ServiceAccount(id) => {
                        id.uuid() == member.id() || caller.may(Permission::ServiceAccountWrite)
                    }
                    Holder::Directory(_) => caller.may(Permission::DirectoryManage),
                }
        }))
    }

    /// Makes a personal token, shown once.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `STEP_UP_REQUIRED`, `LIMIT_EXCEEDED`, `INSUFFICIENT_RANK`, `VALIDATION_FAILED`.
    pub async fn create_personal_token(
        &self,
        caller: &Caller,
        draft: TokenDraft,
    ) -> Result<(ApiToken, BearerSecret), Error> {
        caller.require_person()?;
        let (person, _) = caller.require_fresh_login(self.clock.now())?;
        let holder = Holder::Person(person.account.id, person.user.id);
        let (token, secret) = self.new_api_token(caller, person.organization.id, holder, draft)?;
        let _lane = self.lanes.enter(person.user.id).await;
        self.check_room(person.user.id.uuid(), MOST_PERSONAL_TOKENS).await?;
        let mails = self.token_notice(caller, &token).await?;
        let event = self.event(caller, EventKind::TokenCreated, ("token", token.id.to_string()));
        self.store.change_token(&TokenChange::Created(&secret, &token, Some(&person.user)), &mails, &event).await?;
        self.mail_waits();
        Ok((token, secret))
    }

    /// Makes a token of a service account, shown once (S4-01).
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::ServiceAccountWrite`]; [`Error::Refused`] with `NOT_FOUND`,
    /// `VALIDATION_FAILED`, `LIMIT_EXCEEDED`, `INSUFFICIENT_RANK`, `STEP_UP_REQUIRED`.
    pub async fn create_api_token(
        &self,
        caller: &Caller,
        of: &ServiceAccountRef,
        draft: TokenDraft,
    ) -> Result<(ApiToken, BearerSecret), Error> {
        let organization = caller.require(Permission::ServiceAccountWrite)?;
        let store = self.store.organization(organization).await?;
        let account = self.find_program_by(&store, of).await?;
        let own = caller.as_program().filter(|program| program.account.id == account.id);
        if own.is_none() {
            caller.require_fresh_person(Permission::ServiceAccountWrite, self.clock.now())?;
            self.check_program_rank(caller, &store, &account).await?;
        }
        let (token, secret) = self.new_api_token(caller, organization, Holder::ServiceAccount(account.id), draft)?;
        if let Some(program) = own {
            check_own_token(program, &token.scopes, token.expires)?;
        }
        let held = role::permissions_of(&store.grants_of_program(account.id.uuid()).await?);
        check_scopes_within(&token.scopes, &held)?;
        let _lane = self.lanes.enter(account.id).await;
        self.check_room(account.id.uuid(), MOST_TOKENS).await?;
        let event = self.event(caller, EventKind::TokenCreated, ("token", token.id.to_string()));
        self.store.change_token(&TokenChange::Created(&secret, &token, None), &[], &event).await?;
        Ok((token, secret))
    }

    /// A token that is about to be. Its scopes are the caller's to give.
    pub(super) fn new_api_token(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        holder: Holder,
        draft: TokenDraft,
    ) -> Result<(ApiToken, BearerSecret), Error> {
        let now = self.clock.now();
        check_name(&draft.name)
            .map_err(|reason| Refusal::new(Code::ValidationFailed, reason).at("name").with("max", 100))?;
        // A person names what they may do themselves; a program is given what somebody looked up.
        let unknown = if matches!(holder, Holder::Person(..)) { Code::ValidationFailed } else { Code::NotFound };
        let scopes = read_scopes(&draft.scopes, unknown)?;
        check_holds(caller, &scopes, "scopes")?;
        check_expiry(draft.expires, now)?;
        let secret = self.secret(SecretKind::Api);
        let token = self.token_record(caller, organization, holder, draft.name, &secret);
        Ok((ApiToken { scopes, expires: draft.expires, ..token }, secret))
    }

    /// The record of a new token, without scopes and expiry.
    pub(super) fn token_record(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        holder: Holder,
        name: String,
        secret: &BearerSecret,
    ) -> ApiToken {
        let now = self.clock.now();
        ApiToken {
            id: TokenId::new(self.entropy.id(now)),
            organization,
            holder,
            name,
            hint: secret.hint(),
            scopes: BTreeSet::new(),
            expires: None,
            last_used: None,
            previous_until: None,
            revoked: None,
            created: now,
            created_by: caller.author(),
            updated: now,
            updated_by: caller.author(),
            version: 1,
        }
    }

    async fn check_room(&self, holder: uuid::Uuid, most: usize) -> Result<(), Error> {
        let now = self.clock.now();
        let live = self.store.identity().list_tokens(holder).await?;
        if live.iter().filter(|token| token.is_live(now)).count() < most {
            return Ok(());
        }
        let refusal = Refusal::new(Code::LimitExceeded, format!("there are {most} tokens already: revoke some"));
        Err(refusal.with("limit", most).into())
    }

    /// Word to the owner of a personal token that it has a secret; nothing for a service account's.
    async fn token_notice(&self, caller: &Caller, token: &ApiToken) -> Result<Vec<SealedMail>, Error> {
        let Some((account, _)) = token.person() else { return Ok(Vec::new()) };
        self.tell_owner(account, Notice::TokenMade { name: token.name.clone() }, caller.origin(), None).await
    }

    /// The token, if the caller may end or rotate it, and what a rotation must still find.
    async fn token_to_change(
        &self,
        caller: &Caller,
        id: TokenId,
        others: bool,
    ) -> Result<(ApiToken, Option<User>), Error> {
        let member = caller.require_member()?;
        let token = self.store.identity().find_token_by_id(id).await?.ok_or_else(no_such_token)?;
        if let (Some((account, _)), Some(person)) = (token.person(), caller.as_person())
            && account == person.account.id
        {
            let here = token.organization == person.organization.id;
            return if here || others { Ok((token, Some(person.user.clone()))) } else { Err(no_such_token()) };
        }
        if token.organization != member.organization().id {
            return Err(no_such_token());
        }
        let store = self.store.organization(token.organization).await?;
        match (token.holder, caller.as_program()) {
            // A program changes tokens of its own account, and of no other, whatever its scopes are.
            (Holder::ServiceAccount(holder), Some(program)) if holder == program.account.id => {
                check_own_token(program, &token.scopes, token.expires)?;
                Ok((token, None))
            }
            (Holder::ServiceAccount(holder), None) if caller.may(Permission::ServiceAccountWrite) => {
                let account = store.find_program(holder).await?.ok_or_else(no_such_token)?;
                self.check_program_rank(caller, &store, &account).await?;
                Ok((token, None))
            }
            (Holder::Person(_, user), None) if others && caller.may(Permission::UserSessionsManage) => {
                let user = store.find_user(user).await?.ok_or_else(no_such_token)?;
                self.check_rank(caller, &store, &user).await?;
                Ok((token, Some(user)))
            }
            _ => Err(no_such_token()),
        }
    }

    /// Whether the caller may act on this service account: holds every permission it holds (G2).
    pub(super) async fn check_program_rank(
        &self,
        caller: &Caller,
        store: &OrganizationStore,
        account: &ServiceAccount,
    ) -> Result<(), Error> {
        let held = role::permissions_of(&store.grants_of_program(account.id.uuid()).await?);
        check_holds(caller, &held, "serviceAccount")
    }

    /// Ends a token at once, secrets in rotation included.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `NOT_FOUND`, `INSUFFICIENT_RANK`, `PROTECTED_ACCOUNT` for a personal or an issued token.
    pub async fn revoke_token(&self, caller: &Caller, id: TokenId) -> Result<ApiToken, Error> {
        caller.require_ending()?;
        let (token, _) = self.token_to_change(caller, id, true).await?;
        if !token.is_live(self.clock.now()) {
            return Ok(token);
        }
        let ended = ApiToken { updated_by: caller.author(), ..token };
        let event = self.event(caller, EventKind::TokenRevoked, ("token", id.to_string()));
        self.store.change_token(&TokenChange::Revoked(&ended), &[], &event).await?;
        self.store.identity().find_token_by_id(id).await?.ok_or_else(no_such_token)
    }

    /// Gives a token a new secret, shown once; the one before works on for a grace time of at most eight hours.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `STEP_UP_REQUIRED`, `NOT_FOUND`, `ILLEGAL_TRANSITION`, `VALIDATION_FAILED`,
    /// `INSUFFICIENT_RANK`.
    pub async fn rotate_api_token(
        &self,
        caller: &Caller,
        id: TokenId,
        grace_seconds: i32,
        expires: &Edit<DateTime<Utc>>,
    ) -> Result<(ApiToken, BearerSecret), Error> {
        caller.require_rotating(self.clock.now())?;
        let grace = read_grace(grace_seconds)?;
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            match self.try_rotate(caller, id, grace, expires).await {
                Err(Error::Busy) if attempts.again().await => {}
                outcome => return outcome,
            }
        }
    }

    async fn try_rotate(
        &self,
        caller: &Caller,
        id: TokenId,
        grace: TimeDelta,
        expires: &Edit<DateTime<Utc>>,
    ) -> Result<(ApiToken, BearerSecret), Error> {
        let now = self.clock.now();
        let (before, user) = self.token_to_change(caller, id, false).await?;
        let user = match user {
            Some(user) => {
                let current = self.store.organization(before.organization).await?.find_user(user.id).await?;
                Some(current.filter(User::is_admitted).ok_or(Error::Unauthenticated)?)
            }
            None => None,
        };
        if !before.is_live(now) {
            return Err(Refusal::new(Code::IllegalTransition, "that token has ended: make a new one")
                .at("tokenId")
                .into());
        }
        let mut end = before.expires;
        expires.apply(&mut end);
        check_expiry(end, now)?;
        if let Some(program) = caller.as_program() {
            check_own_token(program, &before.scopes, end)?;
        }
        let secret = self.secret(SecretKind::Api);
        let until = now + grace;
        let after = ApiToken {
            hint: secret.hint(),
            expires: end,
            previous_until: (until > now).then_some(until),
            updated: now,
            updated_by: caller.author(),
            version: before.version + 1,
            ..before
        };
        let event = self.event(caller, EventKind::TokenRotated, ("token", id.to_string()));
        let mails = self.token_notice(caller, &after).await?;
        self.store.change_token(&TokenChange::Rotated(&secret, &after, user.as_ref(), until), &mails, &event).await?;
        self.mail_waits();
        Ok((after, secret))
    }

    /// Gives a short-lived token for a service account's or a directory's (RFC 6749 §4.4): same rights or fewer, and it ends
    /// with it. `client` names the service account by id or name, the directory by id.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`] for anything but a live token of that client, which a short-lived one is not;
    /// [`Error::Refused`] with `VALIDATION_FAILED` for a scope the token lacks.
    pub async fn exchange_token(
        &self,
        client: &str,
        secret: &str,
        scopes: Option<&str>,
        origin: crate::domain::login::Origin,
    ) -> Result<ExchangedToken, Error> {
        if let Some(secret) = BearerSecret::parse(SecretKind::Directory, secret) {
            return self.exchange_directory_token(client, &secret, scopes, origin).await;
        }
        let caller = self.sign_in_with_token(secret, origin).await?;
        let program = caller.as_program().ok_or(Error::Unauthenticated)?;
        let names = [program.account.id.to_string(), program.account.user_name_key()];
        let shown = BearerSecret::parse(SecretKind::Api, secret).ok_or(Error::Unauthenticated)?;
        if !names.contains(&scim::fold(client.trim())) {
            return Err(Error::Unauthenticated);
        }
        let wanted = match scopes {
            Some(text) => {
                let keys: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
                read_scopes(&keys, Code::ValidationFailed)?
            }
            None => program.token.scopes.clone(),
        };
        check_scopes_within(&wanted, &program.token.scopes)?;
        let scope: Vec<&str> = wanted.iter().map(|scope| scope.key()).collect();
        let scope = scope.join(" ");
        let token = ApiToken { scopes: wanted, ..program.token.clone() };
        self.issue(&caller, &shown, token, scope).await
    }

    async fn exchange_directory_token(
        &self,
        client: &str,
        shown: &BearerSecret,
        scopes: Option<&str>,
        origin: crate::domain::login::Origin,
    ) -> Result<ExchangedToken, Error> {
        let caller =
            self.sign_in_directory(shown.expose(), origin.request.unwrap_or_default()).await.map_err(|error| {
                match error {
                    Error::DirectoryDisabled => Error::Unauthenticated,
                    error => error,
                }
            })?;
        let directory = caller.as_directory().ok_or(Error::Unauthenticated)?;
        if directory.id.to_string() != client.trim() {
            return Err(Error::Unauthenticated);
        }
        // What a directory may do is set where it is made, not asked for.
        let held: Vec<&str> = directory.scopes.iter().map(|scope| scope.as_str()).collect();
        let wanted = scopes.unwrap_or_default();
        if !wanted.split_whitespace().all(|scope| held.contains(&scope)) {
            return Err(Refusal::new(Code::ValidationFailed, "the directory has no such scope").at("scope").into());
        }
        let scope = held.join(" ");
        let found = self.store.identity().find_token(shown).await?.ok_or(Error::Unauthenticated)?;
        self.issue(&caller, shown, found.token, scope).await
    }

    /// A secret of its own for a token, for ten minutes: not for one that was itself given so, which would never end.
    async fn issue(
        &self,
        caller: &Caller,
        shown: &BearerSecret,
        token: ApiToken,
        scope: String,
    ) -> Result<ExchangedToken, Error> {
        let found = self.store.identity().find_token(shown).await?.filter(|found| !found.issued);
        let found = found.ok_or(Error::Unauthenticated)?;
        let now = self.clock.now();
        let ends = [token.expires, found.replaced].into_iter().flatten();
        let end = ends.fold(now + EXCHANGED_FOR, DateTime::min);
        let kind = if matches!(token.holder, Holder::Directory(_)) { SecretKind::Directory } else { SecretKind::Api };
        let secret = self.secret(kind);
        let token = ApiToken { hint: secret.hint(), ..token };
        let event = self.event(caller, EventKind::TokenExchanged, ("token", token.id.to_string()));
        self.store.change_token(&TokenChange::Exchanged(&secret, &token, end), &[], &event).await?;
        Ok(ExchangedToken { secret, seconds: (end - now).num_seconds(), scope })
    }
}

/// # Errors
///
/// [`Error::Refused`] with `INSUFFICIENT_RANK` for a scope that the holder lacks.
pub(super) fn check_scopes_within(scopes: &BTreeSet<Permission>, held: &BTreeSet<Permission>) -> Result<(), Error> {
    let lacking: Vec<&str> = scopes.difference(held).map(|permission| permission.key()).collect();
    if lacking.is_empty() {
        return Ok(());
    }
    let refusal = Refusal::new(Code::InsufficientRank, "the holder of the token may not do that").at("scopes");
    Err(refusal.with("requiredPermissions", lacking).into())
}

/// How long the secret before may still work.
///
/// # Errors
///
/// [`Error::Refused`] with `VALIDATION_FAILED`.
pub(super) fn read_grace(seconds: i32) -> Result<TimeDelta, Error> {
    let grace = u32::try_from(seconds).ok().filter(|grace| *grace <= MOST_GRACE_SECONDS);
    let grace = grace.ok_or_else(|| {
        let refusal = Refusal::new(Code::ValidationFailed, "a grace time is 0 to 28800 seconds").at("graceSeconds");
        refusal.with("min", 0).with("max", MOST_GRACE_SECONDS)
    })?;
    Ok(TimeDelta::seconds(i64::from(grace)))
}

fn read_scopes(keys: &[String], unknown: Code) -> Result<BTreeSet<Permission>, Error> {
    let least = || Refusal::new(Code::ValidationFailed, "scopes are keys of permissions, at least one").at("scopes");
    let scopes = read_grantable(keys, "scopes", unknown)?;
    if scopes.is_empty() { Err(least().into()) } else { Ok(scopes) }
}

/// # Errors
///
/// [`Error::Refused`] with `VALIDATION_FAILED` for an instant that is over.
pub(super) fn check_expiry(expires: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Result<(), Error> {
    if expires.is_some_and(|expires| expires <= now) {
        return Err(Refusal::new(Code::ValidationFailed, "must be in the future").at("expiresAt").into());
    }
    Ok(())
}
