//! Checks whether a directory may write a group: every directory sees all groups, and writes those that give nothing.
//!
//! A group gives what it was granted, what its mappings grant, and what every group around it gives. The members, the name
//! and the existence of such a group are written by its own directory only, because whoever writes them hands out roles.

use super::Service;
use crate::domain::group::Group;
use crate::domain::{Caller, Code, DirectoryId, Error, Refusal};
use crate::store::OrganizationStore;

/// Owner of a group that no directory provisions, as refusals name it.
const KEPT_HERE: &str = "Rollcall";

impl Service {
    /// Checks that a directory does not write a group of another writer through which members get anything (S-4, S-15).
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `PROTECTED_ACCOUNT` and the owner of the group.
    pub(super) async fn check_group_owner(
        &self,
        caller: &Caller,
        store: &OrganizationStore,
        group: &Group,
    ) -> Result<(), Error> {
        let Some(asking) = caller.directory_id() else { return Ok(()) };
        if group.directory == Some(asking) {
            return Ok(());
        }
        let owner = match group.directory {
            Some(owner) => store.find_directory(owner).await?,
            None => None,
        };
        let is_mapped = owner.as_ref().is_some_and(|owner| owner.mappings.iter().any(|one| one.source == group.id));
        if !is_mapped && store.roles_through(&[group.id]).await?.is_empty() {
            return Ok(());
        }
        if let Some(id) = group.directory {
            return Err(kept_by_directory(id, owner.map(|owner| owner.name)));
        }
        let message = "this group is kept in Rollcall and gives roles: an administrator changes it there";
        Err(refusal(message.to_owned(), KEPT_HERE.to_owned()))
    }
}

fn kept_by_directory(id: DirectoryId, name: Option<String>) -> Error {
    let name = name.unwrap_or_else(|| id.to_string());
    let message = format!("this group gives roles, and the directory {name} provisions it: change it there");
    refusal(message, name)
}

fn refusal(message: String, owner: String) -> Error {
    Refusal::new(Code::ProtectedAccount, message).with("owner", owner).into()
}
