//! Personal tokens: API tokens that act as oneself in one organization, and can do no more than oneself.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use super::Service;
use super::attempts::Attempts;
use super::references::check_holds;
use crate::domain::account::Edit;
use crate::domain::api_token::{ApiToken, MOST_GRACE_SECONDS, MOST_PERSONAL_TOKENS};
use crate::domain::audit::EventKind;
use crate::domain::caller::Person;
use crate::domain::organization::check_name;
use crate::domain::token::{BearerSecret, SecretKind};
use crate::domain::user::User;
use crate::domain::{Caller, Code, Error, Permission, Refusal, TokenId};
use crate::store::TokenChange;

/// How long tokens that ended are still shown.
const SHOWN_AFTER_END: TimeDelta = TimeDelta::days(90);

fn no_such_token() -> Error {
    Refusal::new(Code::NotFound, "no such token").at("tokenId").into()
}

impl Service {
    /// The tokens of the person who asks in this organization, newest first: live ones, and those that ended lately.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`].
    pub async fn list_my_tokens(&self, caller: &Caller) -> Result<Vec<ApiToken>, Error> {
        let person = caller.require_signed_in()?;
        let now = self.clock.now();
        let mut tokens = self.store.identity().list_personal_tokens(person.user.id).await?;
        let ended = |token: &ApiToken| token.revoked.or(token.expires.filter(|end| *end <= now));
        tokens.retain(|token| ended(token).is_none_or(|end| now - end < SHOWN_AFTER_END));
        Ok(tokens)
    }

    /// Makes a token, shown once.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `STEP_UP_REQUIRED`, `LIMIT_EXCEEDED`, `INSUFFICIENT_RANK`, `VALIDATION_FAILED`.
    pub async fn create_personal_token(
        &self,
        caller: &Caller,
        name: String,
        scopes: &[String],
        expires: Option<DateTime<Utc>>,
    ) -> Result<(ApiToken, BearerSecret), Error> {
        caller.require_person()?;
        let now = self.clock.now();
        let (person, _) = caller.require_fresh_login(now)?;
        check_name(&name).map_err(|reason| Refusal::new(Code::ValidationFailed, reason).at("name").with("max", 100))?;
        let scopes = read_scopes(scopes)?;
        check_holds(caller, &scopes, "scopes")?;
        check_expiry(expires, now)?;
        let _lane = self.lanes.enter(person.user.id).await;
        let live = self.store.identity().list_personal_tokens(person.user.id).await?;
        if live.iter().filter(|token| token.is_live(now)).count() >= MOST_PERSONAL_TOKENS {
            let refusal = Refusal::new(Code::LimitExceeded, "there are 50 tokens already: revoke some");
            return Err(refusal.with("limit", MOST_PERSONAL_TOKENS).into());
        }
        let secret = self.secret(SecretKind::Api);
        let token = ApiToken {
            id: TokenId::new(self.entropy.id(now)),
            organization: person.organization.id,
            account: person.account.id,
            user: person.user.id,
            name,
            hint: secret.hint(),
            scopes,
            expires,
            last_used: None,
            previous_until: None,
            revoked: None,
            created: now,
            updated: now,
            version: 1,
        };
        let event = self.event(caller, EventKind::TokenCreated, ("token", token.id.to_string()));
        self.store.change_token(&TokenChange::Created(&secret, &token, &person.user), &event).await?;
        Ok((token, secret))
    }

    /// Ends a token at once, secrets in rotation included.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `NOT_FOUND`, `INSUFFICIENT_RANK`.
    pub async fn revoke_token(&self, caller: &Caller, id: TokenId) -> Result<ApiToken, Error> {
        let person = caller.require_person()?;
        let token = self.store.identity().find_token_by_id(id).await?.ok_or_else(no_such_token)?;
        if token.account != person.account.id {
            if token.organization != person.organization.id || !caller.may(Permission::UserSessionsManage) {
                return Err(no_such_token());
            }
            let store = self.store.organization(token.organization).await?;
            let user = store.find_user(token.user).await?.ok_or_else(no_such_token)?;
            self.check_rank(caller, &store, &user).await?;
        }
        if !token.is_live(self.clock.now()) {
            return Ok(token);
        }
        let event = self.event(caller, EventKind::TokenRevoked, ("token", id.to_string()));
        self.store.change_token(&TokenChange::Revoked(&token), &event).await?;
        self.store.identity().find_token_by_id(id).await?.ok_or_else(no_such_token)
    }

    /// Gives a token a new secret, shown once; the one before works on for a grace time of at most eight hours.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `STEP_UP_REQUIRED`, `NOT_FOUND`, `ILLEGAL_TRANSITION`, `VALIDATION_FAILED`.
    pub async fn rotate_api_token(
        &self,
        caller: &Caller,
        id: TokenId,
        grace_seconds: i32,
        expires: &Edit<DateTime<Utc>>,
    ) -> Result<(ApiToken, BearerSecret), Error> {
        caller.require_person()?;
        let now = self.clock.now();
        let (person, _) = caller.require_fresh_login(now)?;
        let grace = u32::try_from(grace_seconds).ok().filter(|grace| *grace <= MOST_GRACE_SECONDS);
        let grace = grace.ok_or_else(|| {
            let refusal = Refusal::new(Code::ValidationFailed, "a grace time is 0 to 28800 seconds").at("graceSeconds");
            refusal.with("min", 0).with("max", MOST_GRACE_SECONDS)
        })?;
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            match self.try_rotate(caller, person, id, grace, expires).await {
                Err(Error::Busy) if attempts.again().await => {}
                outcome => return outcome,
            }
        }
    }

    async fn try_rotate(
        &self,
        caller: &Caller,
        person: &Person,
        id: TokenId,
        grace: u32,
        expires: &Edit<DateTime<Utc>>,
    ) -> Result<(ApiToken, BearerSecret), Error> {
        let now = self.clock.now();
        let organization = person.organization.id;
        let found = self.store.identity().find_token_by_id(id).await?;
        let is_own = |token: &ApiToken| token.account == person.account.id && token.organization == organization;
        let before = found.filter(is_own).ok_or_else(no_such_token)?;
        let user = self.store.organization(organization).await?.find_user(before.user).await?;
        let user = user.filter(User::is_admitted).ok_or(Error::Unauthenticated)?;
        if !before.is_live(now) {
            return Err(Refusal::new(Code::IllegalTransition, "that token has ended: make a new one")
                .at("tokenId")
                .into());
        }
        let mut end = before.expires;
        expires.apply(&mut end);
        check_expiry(end, now)?;
        let secret = self.secret(SecretKind::Api);
        let until = now + TimeDelta::seconds(i64::from(grace));
        let after = ApiToken {
            hint: secret.hint(),
            expires: end,
            previous_until: (grace > 0).then_some(until),
            updated: now,
            version: before.version + 1,
            ..before
        };
        let event = self.event(caller, EventKind::TokenRotated, ("token", id.to_string()));
        self.store.change_token(&TokenChange::Rotated(&secret, &after, &user, until), &event).await?;
        Ok((after, secret))
    }
}

fn read_scopes(keys: &[String]) -> Result<BTreeSet<Permission>, Error> {
    let unknown = || Refusal::new(Code::ValidationFailed, "scopes are keys of permissions, at least one").at("scopes");
    let scopes: Option<BTreeSet<Permission>> = keys.iter().map(|key| Permission::named(key)).collect();
    Ok(scopes.filter(|scopes| !scopes.is_empty()).ok_or_else(unknown)?)
}

fn check_expiry(expires: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Result<(), Error> {
    if expires.is_some_and(|expires| expires <= now) {
        return Err(Refusal::new(Code::ValidationFailed, "must be in the future").at("expiresAt").into());
    }
    Ok(())
}
