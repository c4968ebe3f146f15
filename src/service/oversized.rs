//! Resources that take more than a limit allows: they were stored before the limit, or imported. Only for the operator.

use uuid::Uuid;

use super::Service;
use crate::domain::cursor::Position;
use crate::domain::{Caller, Error, Permission, size};
use crate::store::Paging;

/// Resources that are looked at at a time.
const AT_ONCE: u64 = 100;

/// A resource that takes more than `scim.resource_bytes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Oversized {
    /// `user` or `group`.
    pub kind: &'static str,
    /// Its id.
    pub id: Uuid,
    /// How many bytes it takes.
    pub bytes: usize,
}

impl Service {
    /// The users and groups of an organization that take more than one resource may: they can shrink, not grow. Reads every
    /// user and every group.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`] for everyone but the operator.
    pub async fn find_oversized(&self, caller: &Caller) -> Result<Vec<Oversized>, Error> {
        caller.require_operator(Permission::UserAccessRead)?;
        let store = self.organization_of(caller).await?;
        let limit = self.limits.resource_bytes;
        let mut oversized = Vec::new();
        let mut after = Some(Paging::Cursor(None));
        while let Some(paging) = after {
            let found = store.list_users(&self.everything(AT_ONCE, &paging)).await?;
            let sizes =
                found.page.iter().map(|user| (user.id.uuid(), size::stored_bytes(user.attributes.attributes())));
            oversized.extend(sizes.filter(|(_, bytes)| *bytes > limit).map(|(id, bytes)| Oversized {
                kind: "user",
                id,
                bytes,
            }));
            after = found.next.map(following);
        }
        after = Some(Paging::Cursor(None));
        while let Some(paging) = after {
            let found = store.list_groups(&self.everything(AT_ONCE, &paging)).await?;
            let sizes =
                found.page.iter().map(|group| (group.id.uuid(), size::stored_bytes(group.attributes.attributes())));
            oversized.extend(sizes.filter(|(_, bytes)| *bytes > limit).map(|(id, bytes)| Oversized {
                kind: "group",
                id,
                bytes,
            }));
            after = found.next.map(following);
        }
        Ok(oversized)
    }
}

/// The page after this place.
fn following(place: Position) -> Paging {
    Paging::Cursor(Some(place))
}
