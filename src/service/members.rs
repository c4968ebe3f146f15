//! What a change of members comes to: who really comes, who really goes.

use std::collections::{HashMap, HashSet};

use scim::patch::EdgeChanges;
use scim::{Reading, Tolerance};
use uuid::Uuid;

use crate::domain::group::MemberKind;
use crate::domain::{Caller, Error, Field, GroupId, id};
use crate::store::{MemberDelta, OrganizationStore};

/// Compares the wanted changes with what is stored. Only the members that are named are looked up, unless everyone is
/// to go (C108). An id of another organization is an unknown id (C107).
///
/// # Errors
///
/// [`Error::Invalid`] for a member nobody knows, where the directory wants that refused, and for a nested group, where
/// it does not want those (C111).
pub(super) async fn delta(
    caller: &Caller,
    store: &OrganizationStore,
    group: GroupId,
    changes: &EdgeChanges,
    reading: &mut Reading,
) -> Result<MemberDelta, Error> {
    if changes.is_empty() {
        return Ok(MemberDelta::default());
    }
    let named: Vec<Option<Uuid>> = changes.added().map(id::parse).collect();
    let wanted: HashSet<Uuid> = named.iter().flatten().copied().collect();
    let removed: HashSet<Uuid> = changes.removed().filter_map(id::parse).collect();
    let present: HashMap<Uuid, MemberKind> = if changes.cleared() {
        store.members_in(group).await?
    } else {
        let mentioned: Vec<Uuid> = wanted.union(&removed).copied().collect();
        store.members_among(group, &mentioned).await?
    };
    let coming: Vec<Uuid> = wanted.iter().filter(|id| !present.contains_key(*id)).copied().collect();
    let kinds = store.kinds_of(&coming).await?;
    if (kinds.len() < coming.len() || named.contains(&None)) && !skips_unknown(caller, reading) {
        return Err(Error::Invalid { field: Field::Members, reason: "a value names no user or group" });
    }
    let nesting = caller.as_directory().is_none_or(|directory| directory.settings.nested_groups);
    if !nesting && kinds.values().any(|kind| *kind == MemberKind::Group) {
        return Err(Error::Invalid { field: Field::Members, reason: "this directory does not nest groups" });
    }
    let mut added: Vec<(Uuid, MemberKind)> = kinds.into_iter().collect();
    added.sort_unstable_by_key(|(id, _)| *id);
    let goes = |id: &Uuid| if changes.cleared() { !wanted.contains(id) } else { removed.contains(id) };
    let mut gone: Vec<(Uuid, MemberKind)> = present.into_iter().filter(|(id, _)| goes(id)).collect();
    gone.sort_unstable_by_key(|(id, _)| *id);
    Ok(MemberDelta { added, removed: gone })
}

fn skips_unknown(caller: &Caller, reading: &mut Reading) -> bool {
    let refuses = caller.as_directory().is_some_and(|directory| directory.settings.reject_unknown_members);
    !refuses && reading.tolerates(Tolerance::UnknownMember)
}
