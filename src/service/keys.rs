//! The keys that sign access tokens. They are made when there is none, kept sealed, and known by every node.

use std::sync::{Arc, RwLock};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::Service;
use crate::crypto::jwt::{self, Claims, SigningKey};
use crate::domain::Error;
use crate::domain::login::Login;

/// How long a name that no key has is not looked for again.
const LOOK_AGAIN: TimeDelta = TimeDelta::seconds(5);

/// Known keys, newest first.
#[derive(Default)]
pub(super) struct Keys(RwLock<Known>);

#[derive(Default)]
struct Known {
    keys: Vec<Arc<SigningKey>>,
    read: Option<DateTime<Utc>>,
}

impl Keys {
    fn find(&self, kid: &str) -> Option<Arc<SigningKey>> {
        self.all().into_iter().find(|key| key.kid() == kid)
    }

    fn all(&self) -> Vec<Arc<SigningKey>> {
        self.0.read().map(|known| known.keys.clone()).unwrap_or_default()
    }

    fn read_at(&self) -> Option<DateTime<Utc>> {
        self.0.read().ok().and_then(|known| known.read)
    }

    fn replace(&self, keys: Vec<Arc<SigningKey>>, now: DateTime<Utc>) {
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
        let keys: Vec<Value> = self.keys.all().iter().map(|key| key.public().clone()).collect();
        Ok(json!({ "keys": keys }))
    }

    async fn signing_key(&self) -> Result<Arc<SigningKey>, Error> {
        if self.keys.all().is_empty() {
            self.load_keys().await?;
        }
        self.keys.all().first().cloned().ok_or_else(|| Error::Internal("there is no signing key".into()))
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
        let private = SigningKey::generate()?;
        let key = SigningKey::read(&private)?;
        let sealed = self.sealer.seal(&context(key.kid()), &private, self.entropy.bytes())?;
        let public = key.public().to_string();
        self.store.identity().insert_signing_key(key.kid(), &sealed, &public, self.clock.now()).await?;
        self.load_keys().await
    }

    async fn load_keys(&self) -> Result<(), Error> {
        let mut keys = Vec::new();
        for (kid, sealed) in self.store.identity().list_signing_keys().await? {
            keys.push(Arc::new(SigningKey::read(&self.sealer.open(&context(&kid), &sealed)?)?));
        }
        self.keys.replace(keys, self.clock.now());
        Ok(())
    }
}
