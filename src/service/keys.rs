//! The keys that sign access tokens. They are made when there is none, kept sealed, and known by every node.
//!
//! A key is replaced after `sign_in.signing_key_days`: the next one is published first, so that everybody who verifies tokens
//! knows it by the time it signs; the one before verifies until the last token that it signed has ended, and is then removed.

use std::num::NonZeroU32;
use std::sync::{Arc, RwLock};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::Service;
use crate::crypto::jwt::{self, Claims, SigningKey};
use crate::domain::Error;
use crate::domain::login::Login;
use crate::store::SealedKey;

/// How long a name that no key has is not looked for again.
const LOOK_AGAIN: TimeDelta = TimeDelta::seconds(5);
/// How long a new key is published before it signs: longer than other services remember the published keys (5 minutes), and
/// than other nodes take to read them (a minute).
const PUBLISHED_FIRST: TimeDelta = TimeDelta::minutes(15);
/// How long a key is kept after the next one began to sign: longer than any access token works (10 minutes), however clocks
/// differ.
const KEPT_AFTERWARDS: TimeDelta = TimeDelta::hours(1);

/// Known keys, newest first.
#[derive(Default)]
pub(super) struct Keys(RwLock<Known>);

#[derive(Default)]
struct Known {
    keys: Vec<KnownKey>,
    read: Option<DateTime<Utc>>,
}

#[derive(Clone)]
struct KnownKey {
    key: Arc<SigningKey>,
    created: DateTime<Utc>,
}

impl Keys {
    fn find(&self, kid: &str) -> Option<Arc<SigningKey>> {
        self.all().into_iter().map(|known| known.key).find(|key| key.kid() == kid)
    }

    /// The newest key that was published for long enough; a new server's first one signs at once.
    fn signing(&self, now: DateTime<Utc>) -> Option<Arc<SigningKey>> {
        let all = self.all();
        let published = all.iter().find(|known| now - known.created >= PUBLISHED_FIRST);
        published.or(all.last()).map(|known| known.key.clone())
    }

    fn all(&self) -> Vec<KnownKey> {
        self.0.read().map(|known| known.keys.clone()).unwrap_or_default()
    }

    fn read_at(&self) -> Option<DateTime<Utc>> {
        self.0.read().ok().and_then(|known| known.read)
    }

    fn replace(&self, keys: Vec<KnownKey>, now: DateTime<Utc>) {
        if let Ok(mut known) = self.0.write() {
            *known = Known { keys, read: Some(now) };
        }
    }
}

fn context(kid: &str) -> String {
    format!("signing key {kid}")
}

impl Service {
    /// Signs an access token of this login.
    pub(super) async fn sign(
        &self,
        login: &Login,
        now: DateTime<Utc>,
    ) -> Result<(Zeroizing<String>, DateTime<Utc>), Error> {
        let expires = (now + self.settings.lifetimes.access).min(login.expires);
        let claims = Claims {
            iss: self.settings.public_url.clone(),
            aud: self.settings.public_url.clone(),
            sub: login.user.uuid(),
            account: login.account.uuid(),
            org: login.organization.uuid(),
            sid: login.id.uuid(),
            generation: login.generation,
            iat: now.timestamp(),
            exp: expires.timestamp(),
        };
        let expires = DateTime::from_timestamp(claims.exp, 0).unwrap_or(expires);
        Ok((self.signing_key().await?.sign(&claims)?, expires))
    }

    /// What an access token says, if it is one of ours, whether or not its time is over.
    pub(super) async fn read_token(&self, token: &str) -> Result<Option<Claims>, Error> {
        let Some(kid) = jwt::key_id(token) else { return Ok(None) };
        let mut key = self.keys.find(&kid);
        let now = self.clock.now();
        if key.is_none() && self.keys.read_at().is_none_or(|at| now - at > LOOK_AGAIN) {
            // Another node may have made one.
            self.load_keys().await?;
            key = self.keys.find(&kid);
        }
        Ok(key.and_then(|key| key.verify(token, &self.settings.public_url)))
    }

    /// The public halves (RFC 7517 §5), for services that verify tokens themselves.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the store does not answer.
    pub async fn public_keys(&self) -> Result<Value, Error> {
        self.signing_key().await?;
        let keys: Vec<Value> = self.keys.all().iter().map(|known| known.key.public().clone()).collect();
        Ok(json!({ "keys": keys }))
    }

    async fn signing_key(&self) -> Result<Arc<SigningKey>, Error> {
        if self.keys.all().is_empty() {
            self.load_keys().await?;
        }
        self.keys.signing(self.clock.now()).ok_or_else(|| Error::Internal("there is no signing key".into()))
    }

    /// Makes what every start needs: a key to sign with, if there is none.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] when the keys there are cannot be opened: the key file is another.
    pub async fn prepare(&self) -> Result<(), Error> {
        self.load_keys().await?;
        if !self.keys.all().is_empty() {
            return Ok(());
        }
        self.make_key().await
    }

    /// Replaces the signing key if its time is over, removes keys whose tokens have all ended, and reads what other nodes made.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the store does not answer.
    pub async fn rotate_signing_keys(&self) -> Result<(), Error> {
        self.load_keys().await?;
        let (now, keys) = (self.clock.now(), self.keys.all());
        let is_old =
            |newest: &KnownKey, days: NonZeroU32| now - newest.created >= TimeDelta::days(i64::from(days.get()));
        if let (Some(newest), Some(days)) = (keys.first(), self.settings.signing_key_days)
            && is_old(newest, days)
        {
            self.make_key().await?;
            tracing::info!("a new key to sign access tokens was made");
        }
        // Each key with the one that replaced it.
        let ended =
            keys.iter().skip(1).zip(&keys).filter(|(_, next)| now - next.created >= PUBLISHED_FIRST + KEPT_AFTERWARDS);
        let ended: Vec<String> = ended.map(|(known, _)| known.key.kid().to_owned()).collect();
        if ended.is_empty() {
            return Ok(());
        }
        self.store.identity().remove_signing_keys(&ended).await?;
        self.load_keys().await
    }

    async fn make_key(&self) -> Result<(), Error> {
        let private = SigningKey::generate()?;
        let key = SigningKey::read(&private)?;
        let sealed = self.sealer.seal(&context(key.kid()), &private, self.entropy.bytes())?;
        let public = key.public().to_string();
        self.store.identity().insert_signing_key(key.kid(), &sealed, &public, self.clock.now()).await?;
        self.load_keys().await
    }

    async fn load_keys(&self) -> Result<(), Error> {
        let mut keys = Vec::new();
        for SealedKey { name, sealed, created } in self.store.identity().list_signing_keys().await? {
            let key = SigningKey::read(&self.sealer.open(&context(&name), &sealed)?)?;
            keys.push(KnownKey { key: Arc::new(key), created });
        }
        self.keys.replace(keys, self.clock.now());
        Ok(())
    }
}
