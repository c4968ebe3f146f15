//! Directories and their tokens.

use crate::domain::audit::EventKind;
use crate::domain::directory::{Directory, DirectoryDraft, LIVE_TOKENS, TokenInfo};
use crate::domain::token::{BearerSecret, SecretKind};
use crate::domain::{Caller, DirectoryId, Error, Noun, Permission, TokenId};
use crate::store::NewToken;

use super::Service;

impl Service {
    /// Makes a directory with a first token, which is shown only now.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::DirectoryManage`]; [`Error::Taken`], [`Error::Invalid`] for its name.
    pub async fn create_directory(
        &self,
        caller: &Caller,
        draft: DirectoryDraft,
    ) -> Result<(Directory, BearerSecret), Error> {
        let organization = caller.require(Permission::DirectoryManage)?;
        draft.check()?;
        let now = self.clock.now();
        let directory = Directory {
            id: DirectoryId::new(self.entropy.id(now)),
            name: draft.name,
            dialect: draft.dialect,
            scopes: draft.scopes,
            settings: draft.settings,
            enabled: true,
            created: now,
        };
        let secret = BearerSecret::from_entropy(SecretKind::Directory, self.entropy.bytes());
        let event = self.event(caller, EventKind::DirectoryCreated, ("directory", directory.id.to_string()));
        let token = self.new_token(&secret);
        self.store.insert_directory(organization, &directory, &token, &event).await?;
        Ok((directory, secret))
    }

    fn new_token<'s>(&self, secret: &'s BearerSecret) -> NewToken<'s> {
        let now = self.clock.now();
        NewToken { secret, id: TokenId::new(self.entropy.id(now)), created: now }
    }

    /// The directories of the organization, each with its live tokens.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::DirectoryManage`].
    pub async fn list_directories(&self, caller: &Caller) -> Result<Vec<(Directory, Vec<TokenInfo>)>, Error> {
        let organization = caller.require(Permission::DirectoryManage)?;
        let mut listed = Vec::new();
        for directory in self.store.organization(organization).await?.list_directories().await? {
            let tokens = self.store.identity().list_tokens(directory.id).await?;
            listed.push((directory, tokens));
        }
        Ok(listed)
    }

    /// Makes a new token, which is shown only now. The newest of the others stays live beside it, older ones end (C16).
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::DirectoryManage`]; [`Error::NotFound`].
    pub async fn rotate_token(&self, caller: &Caller, id: DirectoryId) -> Result<BearerSecret, Error> {
        let organization = caller.require(Permission::DirectoryManage)?;
        let _lane = self.lanes.enter(id).await;
        let found = self.store.organization(organization).await?.find_directory(id).await?;
        found.ok_or(Error::NotFound(Noun::Directory))?;
        let live = self.store.identity().list_tokens(id).await?;
        let ended: Vec<TokenId> =
            live.iter().take((live.len() + 1).saturating_sub(LIVE_TOKENS)).map(|token| token.id).collect();
        let secret = BearerSecret::from_entropy(SecretKind::Directory, self.entropy.bytes());
        let event = self.event(caller, EventKind::TokenRotated, ("directory", id.to_string()));
        self.store.change_tokens(organization, id, Some(&self.new_token(&secret)), &ended, &event).await?;
        self.known_tokens.forget();
        Ok(secret)
    }

    /// Ends one token of a directory, or all of them, at once. Answers how many ended.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::DirectoryManage`]; [`Error::NotFound`].
    pub async fn revoke_tokens(
        &self,
        caller: &Caller,
        id: DirectoryId,
        token: Option<TokenId>,
    ) -> Result<usize, Error> {
        let organization = caller.require(Permission::DirectoryManage)?;
        let found = self.store.organization(organization).await?.find_directory(id).await?;
        found.ok_or(Error::NotFound(Noun::Directory))?;
        let live = self.store.identity().list_tokens(id).await?;
        let ended: Vec<TokenId> =
            live.iter().map(|live| live.id).filter(|live| token.is_none_or(|token| token == *live)).collect();
        if ended.is_empty() && token.is_some() {
            return Err(Error::NotFound(Noun::Token));
        }
        let event = self.event(caller, EventKind::TokenRevoked, ("directory", id.to_string()));
        self.store.change_tokens(organization, id, None, &ended, &event).await?;
        self.known_tokens.forget();
        Ok(ended.len())
    }
}
