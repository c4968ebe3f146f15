//! What the engine says, sorted into what we understand. Engine text quotes values and is never passed on.

use surrealdb::IndexedResults;
use surrealdb::types::{AlreadyExistsError, ErrorDetails, QueryError};

use crate::domain::error::{BoxError, NotWritable};
use crate::domain::{Code, Error, Field, Refusal};

/// Why a query did not do what it was to do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another record has the key.
    #[error("{0:?} is taken")]
    Taken(UniqueIndex),
    /// No owner who may sign in would be left.
    #[error("no owner would be left")]
    LastOwner,
    /// The address has a pending invitation.
    #[error("invited")]
    Invited,
    /// Something the batch relied on has changed: read again and decide again.
    #[error("outdated")]
    Outdated,
    /// The store cannot be reached. A write may or may not have happened.
    #[error("the store cannot be reached")]
    Unavailable(#[source] BoxError),
    /// The folder of a store on disk cannot be used as it is; nothing in it was touched. The sentence says what to do.
    #[error("{0}")]
    UnusableFolder(String),
    /// Anything else. The engine's text is dropped, its kind is kept.
    #[error("the store failed: {0}")]
    Failed(String),
}

/// The unique indexes of the migrations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UniqueIndex {
    /// `user_user_name`
    UserName,
    /// `user_external_key`, `group_external_key`
    ExternalId,
    /// `group_display_name`
    GroupDisplayName,
    /// `organization_short_name`
    OrganizationShortName,
    /// `directory_name`
    DirectoryName,
    /// `email_address_verified`
    VerifiedEmail,
    /// `email_address_holder`
    OwnEmail,
    /// `invitation_pending`
    PendingInvitation,
    /// `role_key`
    RoleKey,
    /// `domain_name`
    Domain,
    /// `connection_name`
    ConnectionName,
}

impl UniqueIndex {
    fn by_name(name: &str) -> Option<Self> {
        match name {
            "user_user_name" | "service_account_user_name" => Some(Self::UserName),
            "role_key" => Some(Self::RoleKey),
            "domain_name" => Some(Self::Domain),
            "connection_name" => Some(Self::ConnectionName),
            "user_external_key" | "group_external_key" => Some(Self::ExternalId),
            "group_display_name" => Some(Self::GroupDisplayName),
            "organization_short_name" => Some(Self::OrganizationShortName),
            "directory_name" => Some(Self::DirectoryName),
            "email_address_verified" => Some(Self::VerifiedEmail),
            "email_address_holder" => Some(Self::OwnEmail),
            "invitation_pending" => Some(Self::PendingInvitation),
            _ => None,
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Taken(UniqueIndex::UserName) => Self::Taken(Field::UserName),
            StoreError::Taken(UniqueIndex::ExternalId) => Self::Taken(Field::ExternalId),
            StoreError::Taken(UniqueIndex::GroupDisplayName) => Self::Taken(Field::DisplayName),
            StoreError::Taken(UniqueIndex::OrganizationShortName) => Self::Taken(Field::ShortName),
            StoreError::Taken(UniqueIndex::DirectoryName | UniqueIndex::ConnectionName) => Self::Taken(Field::Name),
            StoreError::Taken(UniqueIndex::VerifiedEmail | UniqueIndex::OwnEmail) => Self::Taken(Field::Email),
            StoreError::Taken(UniqueIndex::PendingInvitation) => {
                Refusal::new(Code::InvitationExists, "that address has a pending invitation already").into()
            }
            StoreError::Taken(UniqueIndex::RoleKey) => {
                Refusal::new(Code::NameTaken, "there is a role with that key").at("key").into()
            }
            StoreError::Taken(UniqueIndex::Domain) => {
                Refusal::new(Code::NameTaken, "that domain is an organization's already").at("domain").into()
            }
            StoreError::LastOwner => Refusal::new(Code::LastOwner, "the organization would have no owner").into(),
            StoreError::Outdated | StoreError::Invited => Self::Busy,
            StoreError::Unavailable(cause) => Self::Unavailable(cause),
            StoreError::UnusableFolder(_) | StoreError::Failed(_) => Self::Internal(Box::new(error)),
        }
    }
}

/// What a batch throws when something it relied on has changed.
pub(super) const OUTDATED: &str = "outdated";
/// What a batch throws when no owner would be left.
const LAST_OWNER: &str = "last owner";
/// What a batch throws when an address has a pending invitation.
const INVITED: &str = "invited";
/// What a batch throws when a service account has the name.
const NAME_TAKEN: &str = "name taken";

/// How SurrealDB begins to tell of a commit that may have happened: the disk is full, or fails. Only the beginning counts: the
/// rest may quote a client's value.
const OUTCOME_UNKNOWN: [&str; 2] =
    ["The transaction's commit outcome is unknown", "Cannot COMMIT: The transaction's commit outcome is unknown"];
/// How it begins to tell of an engine that has stopped for good.
const STOPPED: [&str; 2] =
    ["There was a problem with the datastore", "Cannot COMMIT: There was a problem with the datastore"];

impl From<surrealdb::Error> for StoreError {
    fn from(error: surrealdb::Error) -> Self {
        sort(error)
    }
}

fn sort(error: surrealdb::Error) -> StoreError {
    let text = error.message();
    match error.details() {
        ErrorDetails::Query(Some(QueryError::TransactionConflict)) => StoreError::Outdated,
        // First, since it quotes a client's value.
        ErrorDetails::Internal if text.starts_with(VIOLATION) => match violated_index(text) {
            Some(index) => StoreError::Taken(index),
            None => StoreError::Failed(redacted(&error)),
        },
        // The commit of a grouped write reports some conflicts only in words.
        _ if text.ends_with("can be retried") => StoreError::Outdated,
        _ if OUTCOME_UNKNOWN.iter().any(|said| text.starts_with(said)) => {
            StoreError::Unavailable(Box::new(NotWritable(Box::new(error))))
        }
        _ if STOPPED.iter().any(|said| text.starts_with(said)) => StoreError::Unavailable(Box::new(error)),
        ErrorDetails::Thrown if text.ends_with(OUTDATED) => StoreError::Outdated,
        ErrorDetails::Thrown if text.ends_with(LAST_OWNER) => StoreError::LastOwner,
        ErrorDetails::Thrown if text.ends_with(INVITED) => StoreError::Invited,
        ErrorDetails::Thrown if text.ends_with(NAME_TAKEN) => StoreError::Taken(UniqueIndex::UserName),
        ErrorDetails::AlreadyExists(Some(AlreadyExistsError::Record { .. })) => StoreError::Outdated,
        ErrorDetails::Connection(_) => StoreError::Unavailable(Box::new(error)),
        // Not the table of that name.
        ErrorDetails::Internal if text.contains("onnection") && !text.contains("'connection'") => {
            StoreError::Unavailable(Box::new(error))
        }
        _ => StoreError::Failed(redacted(&error)),
    }
}

/// The engine's sentence up to the first thing it quotes: enough to tell errors apart, without anyone's data.
fn redacted(error: &surrealdb::Error) -> String {
    let text = error.message();
    let harmless = text.split(['`', '\'', '"']).next().unwrap_or_default();
    format!("{}: {harmless}", error.kind_str())
}

/// How SurrealDB begins to tell of a violated UNIQUE index. The rest quotes the value.
const VIOLATION: &str = "Database index `";

/// "Database index `name` already contains …": the only sign of a UNIQUE violation.
fn violated_index(text: &str) -> Option<UniqueIndex> {
    let (name, rest) = text.strip_prefix(VIOLATION)?.split_once('`')?;
    rest.starts_with(" already contains").then(|| UniqueIndex::by_name(name)).flatten()
}

/// The results of a batch, or the one error that says why it failed: the other statements only say they did not run.
pub(super) fn settle(mut results: IndexedResults) -> Result<IndexedResults, StoreError> {
    let mut errors: Vec<_> = results.take_errors().into_iter().collect();
    if errors.is_empty() {
        return Ok(results);
    }
    errors.sort_by_key(|(index, error)| (is_echo(error), !is_commit(error), *index));
    let (_, error) = errors.swap_remove(0);
    Err(sort(error))
}

/// The row of the commit says why it failed; those of its statements only say that they did not run.
fn is_commit(error: &surrealdb::Error) -> bool {
    error.message().starts_with("Cannot COMMIT")
}

fn is_echo(error: &surrealdb::Error) -> bool {
    matches!(error.details(), ErrorDetails::Query(Some(QueryError::NotExecuted | QueryError::Cancelled)))
}
