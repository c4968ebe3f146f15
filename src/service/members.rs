//! What a change of members comes to: who really comes, who really goes.

use std::collections::{BTreeSet, HashMap, HashSet};

use scim::patch::{EdgeChanges, LooksAt, Member};
use scim::{Reading, ScimType, Tolerance};
use uuid::Uuid;

use crate::domain::group::MemberKind;
use crate::domain::{Caller, Error, Field, GroupId, id};
use crate::store::{MemberDelta, OrganizationStore};

/// Compares the wanted changes with what is stored. Only the members that are named are looked up, unless everyone is
/// to go or a value path chooses by more than ids (C108). An id of another organization is an unknown id (C107).
///
/// # Errors
///
/// [`Error::Invalid`] for text that is no id, for a member nobody knows, where the directory wants that refused, and for a
/// nested group, where it does not want those (C111); [`Error::Protocol`] for a list of nothing but unknown ids that was to
/// take the place of the members.
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
    let named = named_ids(changes)?;
    let settled = settled(store, group, changes, &named).await?;
    let changes = settled.as_ref().unwrap_or(changes);
    let wanted: HashSet<Uuid> = changes.added().filter_map(id::parse).collect();
    let removed: HashSet<Uuid> = changes.removed().filter_map(id::parse).collect();
    let present: HashMap<Uuid, MemberKind> = if changes.cleared() {
        store.members_in(group).await?
    } else {
        let mentioned: Vec<Uuid> = wanted.union(&removed).copied().collect();
        store.members_among(group, &mentioned).await?
    };
    let replacing: HashSet<Uuid> = changes.replacements().flatten().filter_map(|id| id::parse(id)).collect();
    let asked: Vec<Uuid> = wanted.union(&replacing).filter(|id| !present.contains_key(*id)).copied().collect();
    let mut kinds = store.kinds_of(&asked).await?;
    check_replacements(changes, |id| present.contains_key(id) || kinds.contains_key(id))?;
    kinds.retain(|id, _| wanted.contains(id));
    let coming = wanted.iter().filter(|id| !present.contains_key(*id)).count();
    if kinds.len() < coming && !skips_unknown(caller, reading) {
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

/// The ids that a change names, in values and in value paths. Text that is no id is a mistake of the client, not a member
/// nobody knows: skipping it would empty the group that a list of such texts was to fill, or keep a member whom the
/// directory thinks gone.
fn named_ids(changes: &EdgeChanges) -> Result<Vec<Uuid>, Error> {
    let chosen = match changes.looks_at() {
        LooksAt::These(ids) => ids,
        LooksAt::Nothing | LooksAt::All => BTreeSet::new(),
    };
    let ids: Option<HashSet<Uuid>> = changes.named().chain(chosen.iter().map(String::as_str)).map(id::parse).collect();
    let ids =
        ids.ok_or(Error::Invalid { field: Field::Members, reason: "a value is not the id of a user or group" })?;
    Ok(ids.into_iter().collect())
}

/// A list that is to take the place of all members names one of the organization at least: otherwise it is meant for
/// another organization, and would empty the group.
fn check_replacements(changes: &EdgeChanges, is_known: impl Fn(&Uuid) -> bool) -> Result<(), Error> {
    for list in changes.replacements() {
        if !list.iter().filter_map(|id| id::parse(id)).any(|id| is_known(&id)) {
            let detail = format!("members: none of the {} ids is the id of a user or group here", list.len());
            return Err(scim::Error::new(ScimType::InvalidValue, detail).into());
        }
    }
    Ok(())
}

/// The change with its value paths applied to the members they look at; none where it has no value path.
async fn settled(
    store: &OrganizationStore,
    group: GroupId,
    changes: &EdgeChanges,
    named: &[Uuid],
) -> Result<Option<EdgeChanges>, Error> {
    let stored = match changes.looks_at() {
        LooksAt::Nothing => return Ok(None),
        LooksAt::All => store.members_in(group).await?,
        LooksAt::These(_) => store.members_among(group, named).await?,
    };
    let new: Vec<Uuid> = named.iter().filter(|id| !stored.contains_key(*id)).copied().collect();
    let kinds = store.kinds_of(&new).await?;
    let known: Vec<(Uuid, MemberKind, bool)> = stored
        .into_iter()
        .map(|(id, kind)| (id, kind, true))
        .chain(kinds.into_iter().map(|(id, kind)| (id, kind, false)))
        .collect();
    let mut displays = HashMap::new();
    if changes.looks_at_display() {
        let of_kind = |wanted: MemberKind| -> Vec<Uuid> {
            known.iter().filter(|(_, kind, _)| *kind == wanted).map(|(id, ..)| *id).collect()
        };
        displays = store.user_names(&of_kind(MemberKind::User)).await?;
        displays.extend(store.group_names(&of_kind(MemberKind::Group)).await?);
    }
    let members: Vec<Member> = known
        .into_iter()
        .filter_map(|(id, kind, is_in)| {
            let display = displays.get(&id).cloned().flatten();
            Some(Member { id: id.to_string(), kind: type_of(kind)?, display, is_in })
        })
        .collect();
    Ok(Some(changes.settled(&members)?))
}

/// `members.type`. Programs are no SCIM resources: directories do not see them, and no value path chooses them.
fn type_of(kind: MemberKind) -> Option<&'static str> {
    match kind {
        MemberKind::User => Some("User"),
        MemberKind::Group => Some("Group"),
        MemberKind::ServiceAccount => None,
    }
}

fn skips_unknown(caller: &Caller, reading: &mut Reading) -> bool {
    let refuses = caller.as_directory().is_some_and(|directory| directory.settings.reject_unknown_members);
    !refuses && reading.tolerates(Tolerance::UnknownMember)
}
