//! That an organization has an owner who may sign in: what a batch asks before and after it takes one away.

use super::error::settle;
use super::users::user_record;
use super::write::Write;
use super::{OrganizationStore, StoreError};
use crate::domain::UserId;

/// Statements that leave in `$owners` the users who hold ownership, by themselves or through a group kept here. Groups
/// that give ownership are joined by name only: nesting gives none.
pub(super) const OWNERS: &str = "LET $owner_holders = (SELECT VALUE holder FROM role_grant WHERE role = 'owner'); \
     LET $owners = array::union($owner_holders, array::flatten($owner_holders.map(|$g| \
     (SELECT VALUE member FROM member:[$g, NONE]..=[$g, ..])))).map(|$u| type::record('user', $u));";
/// Whose change may leave the organization without an owner.
#[derive(Clone, Copy, Debug)]
pub enum OwnerWatch<'a> {
    /// Nobody's: what takes owners away is allowed to.
    Nobody,
    /// These users', if they are owners.
    Users(&'a [UserId]),
    /// In any case.
    Always,
}

/// Before everything else of a batch: whether owners are concerned.
pub(super) fn push_owner_watch(write: &mut Write, watch: OwnerWatch<'_>) {
    match watch {
        OwnerWatch::Nobody => {}
        OwnerWatch::Users(users) => {
            write.push(OWNERS);
            write.push("LET $owners_touched = array::intersect($owners, $owner_subjects);");
            write.bind("owner_subjects", users.iter().map(|id| user_record(*id)).collect::<Vec<_>>());
        }
        OwnerWatch::Always => write.push("LET $owners_touched = [true];"),
    }
}

/// After everything else of a batch: an owner who may sign in is left, if owners were concerned. Two such changes at once
/// are a conflict, so that each sees the other.
pub(super) fn push_owner_guard(write: &mut Write, watch: OwnerWatch<'_>) {
    if matches!(watch, OwnerWatch::Nobody) {
        return;
    }
    write.push("IF $owners_touched != [] { UPSERT guard:owners SET touched_by = $event RETURN NONE; };");
    write.push(OWNERS);
    write.push(
        "IF $owners_touched != [] AND (SELECT VALUE id FROM $owners \
         WHERE active = true AND locally_held = false AND account != NONE) = [] { THROW 'last owner' };",
    );
}

impl OrganizationStore {
    /// Whether an owner who can sign in is there.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn has_owner(&self) -> Result<bool, StoreError> {
        let query = self.0.query(OWNERS).query(
            "RETURN array::len((SELECT VALUE id FROM $owners \
             WHERE active = true AND locally_held = false AND account != NONE))",
        );
        let count: Option<i64> = settle(query.await?)?.take(2)?;
        Ok(count.unwrap_or_default() > 0)
    }

    /// How many other users who may sign in hold the role `owner`.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn count_other_owners(&self, but: UserId) -> Result<usize, StoreError> {
        let query = self
            .0
            .query(OWNERS)
            .query(
                "RETURN array::len((SELECT VALUE id FROM $owners \
                 WHERE active = true AND locally_held = false AND account != NONE AND id != $but))",
            )
            .bind(("but", user_record(but)));
        let count: Option<i64> = settle(query.await?)?.take(2)?;
        Ok(usize::try_from(count.unwrap_or_default()).unwrap_or_default())
    }
}
