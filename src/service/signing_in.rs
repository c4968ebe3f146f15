//! From a bearer token to a [`Caller`]. Asked on every request, so that "off" is off at once (D9).

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::domain::token::BearerSecret;
use crate::domain::{Caller, Error};

use super::Service;

/// How exact "last used" is: one write a minute, however many requests.
const LAST_USED_RESOLUTION: Duration = Duration::from_secs(60);

impl Service {
    /// The directory whose token this is.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthenticated`] for whatever is not a live token of an enabled directory.
    pub async fn sign_in_directory(&self, token: &str, request: String) -> Result<Caller, Error> {
        let secret = BearerSecret::parse(token).ok_or(Error::Unauthenticated)?;
        let bearer = self.store.identity().find_bearer(&secret).await?.ok_or(Error::Unauthenticated)?;
        let organization = self.store.organization(bearer.organization).await?;
        let directory = organization.find_directory(bearer.directory).await?;
        let directory = directory.filter(|directory| directory.enabled).ok_or(Error::Unauthenticated)?;
        let now = self.clock.now();
        let recently = |used: DateTime<Utc>| (now - used).to_std().is_ok_and(|age| age < LAST_USED_RESOLUTION);
        if !bearer.last_used.is_some_and(recently) {
            // Several requests may note it at once; one of them succeeding is enough, none failing for it is a must.
            drop(self.store.identity().touch_bearer(&secret, now).await);
        }
        Ok(Caller::directory(bearer.organization, directory, request))
    }
}
