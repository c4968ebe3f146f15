//! Directories and their tokens.

use chrono::{DateTime, Utc};
use scim::Dialect;
use serde_json::json;

use super::Service;
use super::api_tokens::{check_expiry, read_grace};
use super::attempts::Attempts;
use super::mappings::Given;
use super::references::{check_holds, check_may_give, check_version};
use crate::domain::api_token::{ApiToken, Holder};
use crate::domain::audit::{AuditEvent, EventKind, FieldChange};
use crate::domain::directory::{
    Directory, DirectoryDraft, DirectorySettings, LIVE_TOKENS, MOST_DIRECTORIES, permissions_of,
};
use crate::domain::token::{BearerSecret, SecretKind};
use crate::domain::{Caller, Code, DirectoryId, Error, Noun, OrganizationId, Permission, Refusal, Stamps, TokenId};
use crate::store::{Belongings, DirectoryChange, OrganizationStore};

/// What tokens of directories are called.
const TOKEN_NAME: &str = "SCIM";

/// A change of a directory.
#[derive(Clone, Debug, Default)]
pub struct DirectoryEdit {
    /// Unique.
    pub name: Option<String>,
    /// How its requests are read.
    pub dialect: Option<Dialect>,
    /// Whether its requests are served.
    pub enabled: Option<bool>,
    /// Its switches.
    pub settings: Option<DirectorySettings>,
}

fn no_such_directory() -> Error {
    Refusal::new(Code::NotFound, "no such directory").at("directoryId").into()
}

impl Service {
    /// Makes a directory with a first token, which is shown only now.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::DirectoryManage`]; [`Error::Taken`], [`Error::Invalid`] for its name;
    /// [`Error::Refused`] with `STEP_UP_REQUIRED`, `LIMIT_EXCEEDED`, `VALIDATION_FAILED`, `INSUFFICIENT_RANK` for a token that
    /// could do what the caller may not.
    pub async fn create_directory(
        &self,
        caller: &Caller,
        draft: DirectoryDraft,
        expires: Option<DateTime<Utc>>,
    ) -> Result<(Directory, ApiToken, BearerSecret), Error> {
        let organization = caller.require_fresh_person(Permission::DirectoryManage, self.clock.now())?;
        draft.check()?;
        let writer = self.writer(caller);
        check_expiry(expires, writer.now).map_err(|error| blame(error, "tokenExpiresAt"))?;
        let store = self.store.organization(organization).await?;
        let _lane = self.lanes.enter(("directories", organization)).await;
        if caller.as_member().is_some() && store.list_directories().await?.len() >= MOST_DIRECTORIES {
            let refusal = Refusal::new(Code::LimitExceeded, "an organization has at most 20 directories");
            return Err(refusal.with("limit", MOST_DIRECTORIES).into());
        }
        let directory = Directory {
            id: DirectoryId::new(self.entropy.id(writer.now)),
            name: draft.name,
            dialect: draft.dialect,
            scopes: draft.scopes,
            settings: draft.settings,
            enabled: true,
            mappings: Vec::new(),
            stamps: Stamps::new(writer),
        };
        let (token, secret) = self.directory_token(caller, organization, &directory, expires)?;
        let event = AuditEvent {
            values: vec![FieldChange::new("displayName", json!(null), directory.name.clone())],
            ..self.event(caller, EventKind::DirectoryCreated, ("directory", directory.id.to_string()))
        };
        self.store.insert_directory(organization, &directory, (&secret, &token), &event).await?;
        Ok((directory, token, secret))
    }

    /// A new token of a directory, and its secret. Whoever makes it could use it, so it has no permission that they lack (G4, S-4).
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `INSUFFICIENT_RANK` and what is lacking.
    fn directory_token(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        directory: &Directory,
        expires: Option<DateTime<Utc>>,
    ) -> Result<(ApiToken, BearerSecret), Error> {
        check_holds(caller, &permissions_of(&directory.scopes), "directory")?;
        let secret = self.secret(SecretKind::Directory);
        let holder = Holder::Directory(directory.id);
        let token = self.token_record(caller, organization, holder, TOKEN_NAME.to_owned(), &secret);
        Ok((ApiToken { expires, ..token }, secret))
    }

    /// Checks that the caller could give every role that the groups of a directory give: a new token of it writes their
    /// members (S-4).
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `INSUFFICIENT_RANK`.
    async fn check_may_hand_out(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        directory: DirectoryId,
    ) -> Result<(), Error> {
        let store = self.store.organization(organization).await?;
        let groups = store.list_group_ids_of_directory(directory).await?;
        check_may_give(caller, &store.roles_through(&groups).await?, "directory")
    }

    /// The directories of the organization, oldest first.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::DirectoryManage`].
    pub async fn list_directories(&self, caller: &Caller) -> Result<Vec<Directory>, Error> {
        let organization = caller.require(Permission::DirectoryManage)?;
        Ok(self.store.organization(organization).await?.list_directories().await?)
    }

    /// One directory.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::DirectoryManage`]; [`Error::Refused`] with `NOT_FOUND`.
    pub async fn get_directory(&self, caller: &Caller, id: &str) -> Result<Directory, Error> {
        caller.require(Permission::DirectoryManage)?;
        Ok(self.directory_to_manage(caller, id).await?.1)
    }

    pub(super) async fn directory_to_manage(
        &self,
        caller: &Caller,
        id: &str,
    ) -> Result<(OrganizationStore, Directory), Error> {
        let organization = caller.require(Permission::DirectoryManage)?;
        let store = self.store.organization(organization).await?;
        let id: DirectoryId = id.parse().map_err(|_| no_such_directory())?;
        let directory = store.find_directory(id).await?.ok_or_else(no_such_directory)?;
        Ok((store, directory))
    }

    /// The tokens of a directory, newest first: live ones, and those that ended lately.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::DirectoryManage`].
    pub async fn list_directory_tokens(&self, caller: &Caller, id: DirectoryId) -> Result<Vec<ApiToken>, Error> {
        let organization = caller.require(Permission::DirectoryManage)?;
        let tokens = self.store.identity().list_tokens(id.uuid()).await?;
        Ok(tokens.into_iter().filter(|token| token.organization == organization).take(100).collect())
    }

    /// How many users and groups a directory provisions.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::DirectoryManage`].
    pub async fn count_provisioned(&self, caller: &Caller, id: DirectoryId) -> Result<(usize, usize), Error> {
        let organization = caller.require(Permission::DirectoryManage)?;
        Ok(self.store.organization(organization).await?.count_provisioned(id).await?)
    }

    /// Changes a directory. Disabling refuses its requests at once.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::DirectoryManage`]; [`Error::Taken`]; [`Error::Refused`] with
    /// `NOT_FOUND`, `VALIDATION_FAILED`, `VERSION_CONFLICT`, `STEP_UP_REQUIRED`.
    pub async fn update_directory(
        &self,
        caller: &Caller,
        id: &str,
        edit: impl Fn(&Directory) -> DirectoryEdit + Send,
        if_version: Option<i64>,
    ) -> Result<Directory, Error> {
        caller.require(Permission::DirectoryManage)?;
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            let (store, before) = self.directory_to_manage(caller, id).await?;
            caller.require_fresh(Permission::DirectoryManage, self.clock.now())?;
            check_version(before.stamps.version, if_version)?;
            let edit = edit(&before);
            let mut after = before.clone();
            if let Some(name) = edit.name {
                DirectoryDraft::named(name.clone()).check()?;
                after.name = name;
            }
            after.dialect = edit.dialect.unwrap_or(after.dialect);
            after.enabled = edit.enabled.unwrap_or(after.enabled);
            after.settings = edit.settings.unwrap_or(after.settings);
            let mut values = vec![
                FieldChange::new("displayName", before.name.clone(), after.name.clone()),
                FieldChange::new("dialect", before.dialect.as_str(), after.dialect.as_str()),
                FieldChange::new("isEnabled", before.enabled, after.enabled),
                FieldChange::new("settings", json!(before.settings), json!(after.settings)),
            ];
            values.retain(|change| change.before != change.after);
            if values.is_empty() {
                return Ok(before);
            }
            after.stamps = before.stamps.next(self.writer(caller));
            let event = AuditEvent {
                values,
                ..self.event(caller, EventKind::DirectoryUpdated, ("directory", after.id.to_string()))
            };
            let nothing = Belongings::default();
            let change =
                DirectoryChange { before: &before, after: &after, grants: &[], belongings: &nothing, sources: &[] };
            match store.update_directory(&change, &event).await.map_err(Error::from) {
                Ok(()) => {
                    self.known_tokens.forget();
                    return Ok(after);
                }
                Err(Error::Busy) if attempts.again().await => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Makes a new token, which is shown only now. The newest of the others stays live beside it, older ones end (C16).
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::DirectoryManage`]; [`Error::Refused`] with `NOT_FOUND`.
    pub async fn rotate_token(&self, caller: &Caller, id: DirectoryId) -> Result<BearerSecret, Error> {
        let organization = caller.require(Permission::DirectoryManage)?;
        let _lane = self.lanes.enter(id).await;
        let (_, directory) = self.directory_to_manage(caller, &id.to_string()).await?;
        let live = self.live_tokens(id).await?;
        let ended: Vec<TokenId> =
            live.iter().take((live.len() + 1).saturating_sub(LIVE_TOKENS)).map(|token| token.id).collect();
        self.check_may_hand_out(caller, organization, id).await?;
        let (token, secret) = self.directory_token(caller, organization, &directory, None)?;
        let event = self.event(caller, EventKind::DirectoryTokenRotated, ("directory", id.to_string()));
        // The instant of the event: a later one would be the end of a grace time.
        let now = event.at;
        self.store.change_directory_tokens(organization, id, Some((&secret, &token)), &ended, now, &event).await?;
        self.known_tokens.forget();
        Ok(secret)
    }

    /// Live tokens of a directory, oldest first.
    async fn live_tokens(&self, id: DirectoryId) -> Result<Vec<ApiToken>, Error> {
        let now = self.clock.now();
        let mut live = self.store.identity().list_tokens(id.uuid()).await?;
        live.retain(|token| token.is_live(now));
        live.sort_by_key(|token| token.id);
        Ok(live)
    }

    /// Makes a new token, which is shown only now. Those before stop working when the grace time is over.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::DirectoryManage`]; [`Error::Refused`] with `NOT_FOUND`,
    /// `VALIDATION_FAILED`, `STEP_UP_REQUIRED`, `INSUFFICIENT_RANK`.
    pub async fn rotate_directory_token(
        &self,
        caller: &Caller,
        id: &str,
        grace_seconds: i32,
        expires: Option<DateTime<Utc>>,
    ) -> Result<(Directory, ApiToken, BearerSecret), Error> {
        caller.require(Permission::DirectoryManage)?;
        let (_, directory) = self.directory_to_manage(caller, id).await?;
        let organization = caller.require_fresh_person(Permission::DirectoryManage, self.clock.now())?;
        let grace = read_grace(grace_seconds)?;
        let now = self.clock.now();
        check_expiry(expires, now)?;
        self.check_may_hand_out(caller, organization, directory.id).await?;
        let _lane = self.lanes.enter(directory.id).await;
        let ended: Vec<TokenId> = self.live_tokens(directory.id).await?.iter().map(|token| token.id).collect();
        let (token, secret) = self.directory_token(caller, organization, &directory, expires)?;
        let event = self.event(caller, EventKind::DirectoryTokenRotated, ("directory", directory.id.to_string()));
        let new = Some((&secret, &token));
        let end = now + grace;
        self.store.change_directory_tokens(organization, directory.id, new, &ended, end, &event).await?;
        self.known_tokens.forget();
        Ok((directory, token, secret))
    }

    /// Ends one token of a directory at once; one that ended before is answered as it is.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::DirectoryManage`]; [`Error::Refused`] with `NOT_FOUND`.
    pub async fn revoke_directory_token(&self, caller: &Caller, id: &str) -> Result<(Directory, ApiToken), Error> {
        let organization = caller.require_ending_as_person(Permission::DirectoryManage)?;
        let missing = || Error::from(Refusal::new(Code::NotFound, "no such token").at("tokenId"));
        let id: TokenId = id.parse().map_err(|_| missing())?;
        let token = self.store.identity().find_token_by_id(id).await?.ok_or_else(missing)?;
        let Holder::Directory(of) = token.holder else { return Err(missing()) };
        if token.organization != organization {
            return Err(missing());
        }
        let store = self.store.organization(organization).await?;
        let directory = store.find_directory(of).await?.ok_or_else(missing)?;
        if !token.is_live(self.clock.now()) {
            return Ok((directory, token));
        }
        let event = self.event(caller, EventKind::DirectoryTokenRevoked, ("directory", of.to_string()));
        // The instant of the event: a later one would be the end of a grace time.
        let now = event.at;
        self.store.change_directory_tokens(organization, of, None, &[id], now, &event).await?;
        self.known_tokens.forget();
        let token = self.store.identity().find_token_by_id(id).await?.ok_or_else(missing)?;
        Ok((directory, token))
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
        self.directory_to_manage(caller, &id.to_string()).await?;
        let live = self.live_tokens(id).await?;
        let ended: Vec<TokenId> =
            live.iter().map(|live| live.id).filter(|live| token.is_none_or(|token| token == *live)).collect();
        if ended.is_empty() && token.is_some() {
            return Err(Error::NotFound(Noun::Token));
        }
        let event = self.event(caller, EventKind::DirectoryTokenRevoked, ("directory", id.to_string()));
        // The instant of the event: a later one would be the end of a grace time.
        let now = event.at;
        self.store.change_directory_tokens(organization, id, None, &ended, now, &event).await?;
        self.known_tokens.forget();
        Ok(ended.len())
    }

    /// Deletes a directory. Its users and groups are kept here from now on; what its mappings gave ends. Answers how many
    /// users and groups.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] without [`Permission::DirectoryManage`]; [`Error::Refused`] with `NOT_FOUND`, `LAST_OWNER`,
    /// `VERSION_CONFLICT`, `STEP_UP_REQUIRED`, `INSUFFICIENT_RANK` where its mappings give what the caller does not have.
    pub async fn delete_directory(
        &self,
        caller: &Caller,
        id: &str,
        if_version: Option<i64>,
    ) -> Result<(DirectoryId, usize, usize), Error> {
        caller.require(Permission::DirectoryManage)?;
        let mut attempts = Attempts::new(&self.entropy);
        loop {
            let (store, before) = self.directory_to_manage(caller, id).await?;
            let organization = caller.require_fresh(Permission::DirectoryManage, self.clock.now())?;
            check_version(before.stamps.version, if_version)?;
            let (users, groups) = store.count_provisioned(before.id).await?;
            let stamps = before.stamps.next(self.writer(caller));
            let after = Directory { mappings: Vec::new(), stamps, ..before.clone() };
            let given = Given::read(&store, &before, &after, caller).await?;
            self.check_taken(caller, &store, &given, "directoryId").await?;
            let grants = given.grants();
            let change = DirectoryChange {
                before: &before,
                after: &after,
                grants: &grants,
                belongings: &given.belongings,
                sources: &[],
            };
            let event = self.event(caller, EventKind::DirectoryDeleted, ("directory", before.id.to_string()));
            match self.store.remove_directory(organization, &change, &event).await.map_err(Error::from) {
                Ok(()) => {
                    self.known_tokens.forget();
                    return Ok((before.id, users, groups));
                }
                Err(Error::Busy) if attempts.again().await => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn blame(error: Error, field: &'static str) -> Error {
    match error {
        Error::Refused(refusals) => Error::Refused(refusals.into_iter().map(|refusal| refusal.at(field)).collect()),
        other => other,
    }
}
