//! From a bearer token to a [`Caller`]. Asked on every request, so that "off" is off at once (D9).

use std::sync::Arc;
use std::time::Duration;

use scim::ResourceTypes;

use chrono::{DateTime, Utc};
use moka::sync::Cache;

use crate::domain::api_token::Holder;
use crate::domain::directory::Directory;
use crate::domain::token::{BearerSecret, SecretKind};
use crate::domain::{Caller, Error, OrganizationId};

use super::Service;

/// How exact "last used" is: one write a minute, however many requests.
const LAST_USED_RESOLUTION: Duration = Duration::from_mins(1);
/// How long what is known of a token may be used again without asking the store: the time in which another node's
/// revocation reaches this one. A revocation here reaches at once.
const KNOWN_FOR: Duration = Duration::from_secs(1);
const MOST_KNOWN: u64 = 10_000;

/// The tokens that were asked about a moment ago, by the hash of the secret.
pub(super) struct KnownTokens(Cache<String, Known>);

#[derive(Clone)]
struct Known {
    organization: OrganizationId,
    directory: Directory,
    types: Arc<ResourceTypes>,
    expires: Option<DateTime<Utc>>,
    at: DateTime<Utc>,
}

impl Default for KnownTokens {
    fn default() -> Self {
        Self(Cache::new(MOST_KNOWN))
    }
}

impl KnownTokens {
    /// Forgets everything: called by every change of a directory or its tokens, after it is committed.
    pub(super) fn forget(&self) {
        self.0.invalidate_all();
    }
}

impl Service {
    /// The directory whose token this is.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`] for whatever is not a live token; [`Error::DirectoryDisabled`].
    pub async fn sign_in_directory(&self, token: &str, request: String) -> Result<Caller, Error> {
        let secret = BearerSecret::parse(SecretKind::Directory, token).ok_or(Error::Unauthenticated)?;
        let now = self.clock.now();
        let hash = secret.hash();
        let is_good = |known: &Known| is_within(KNOWN_FOR, known.at, now) && known.expires.is_none_or(|end| now < end);
        let known = self.known_tokens.0.get(&hash).filter(is_good);
        let known = if let Some(known) = known {
            known
        } else {
            let known = self.look_up(&secret, now).await?;
            self.known_tokens.0.insert(hash, known.clone());
            known
        };
        Ok(Caller::directory(known.organization, known.directory, known.types, request))
    }

    async fn look_up(&self, secret: &BearerSecret, now: DateTime<Utc>) -> Result<Known, Error> {
        let found = self.store.identity().find_token(secret).await?.ok_or(Error::Unauthenticated)?;
        let token = found.token;
        let Holder::Directory(id) = token.holder else { return Err(Error::Unauthenticated) };
        if !token.is_live(now) || found.replaced.is_some_and(|until| now >= until) {
            return Err(Error::Unauthenticated);
        }
        let organization = self.store.organization(token.organization).await?;
        let directory = organization.find_directory(id).await?.ok_or(Error::Unauthenticated)?;
        if !directory.enabled {
            return Err(Error::DirectoryDisabled);
        }
        if !token.last_used.is_some_and(|used| is_within(LAST_USED_RESOLUTION, used, now)) {
            // Several requests may note it at once; one of them succeeding is enough, none may fail for it.
            drop(self.store.identity().touch_token(token.id, now).await);
        }
        let expires = [token.expires, found.replaced].into_iter().flatten().min();
        let types = ResourceTypes::with(organization.list_extensions().await?);
        Ok(Known { organization: token.organization, directory, types, expires, at: now })
    }
}

fn is_within(span: Duration, then: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    (now - then).to_std().is_ok_and(|age| age < span)
}
