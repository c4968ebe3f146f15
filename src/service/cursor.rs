//! Reading lists by cursor (RFC 9865): a cursor is the place of the last resource, sealed, good for one list of one client.

use scim::message::{Page, Place};
use scim::{ListRequest, ResourceType, ScimType};
use sha2::{Digest as _, Sha256};

use super::{ReadList, Service};
use crate::domain::cursor::{Cursor, Position};
use crate::domain::{Caller, Error};
use crate::store::Paging;

/// How long a cursor can be used, in seconds.
pub const CURSOR_SECONDS: i64 = 3_600;

/// Whose list of what this is: another client, type, filter or order does not open the cursor (C66).
fn context(caller: &Caller, kind: &ResourceType, request: &ListRequest) -> String {
    let asked = [&request.filter, &request.sort_by, &request.sort_order];
    let asked = Sha256::digest(serde_json::json!(asked).to_string().as_bytes());
    let organization = caller.organization().map(|id| id.to_string()).unwrap_or_default();
    let client = caller.directory_id().map(|id| id.to_string()).unwrap_or_default();
    format!("cursor:{organization}:{client}:{}:{}", kind.name, data_encoding::HEXLOWER.encode(&asked))
}

impl Service {
    /// Which part of a list is wanted: by index, or by cursor.
    ///
    /// # Errors
    ///
    /// `invalidCursor`, `expiredCursor`, `invalidCount`; `invalidValue` for a cursor beside `startIndex` (C67).
    pub(super) fn read_place(
        &self,
        caller: &Caller,
        kind: &ResourceType,
        request: &ListRequest,
    ) -> Result<(Page, Paging), Error> {
        let page = self.read_page(request)?;
        let Some(text) = &request.cursor else { return Ok((page, Paging::Index)) };
        let refused = |kind: ScimType, detail: &str| Error::from(scim::Error::new(kind, detail));
        if request.start_index.is_some() {
            return Err(refused(ScimType::InvalidValue, "give cursor or startIndex, not both"));
        }
        if text.is_empty() {
            return Ok((Page { start_index: 1, ..page }, Paging::Cursor(None)));
        }
        let opened = self.sealer.try_open(&context(caller, kind, request), text);
        let cursor = opened.and_then(|plain| Cursor::read(&plain));
        let cursor =
            cursor.ok_or_else(|| refused(ScimType::InvalidCursor, "not a cursor of this list: begin again"))?;
        if self.clock.now().timestamp() - cursor.given >= CURSOR_SECONDS {
            return Err(refused(ScimType::ExpiredCursor, "the cursor is too old: begin again"));
        }
        if request.count.is_some() && page.count != cursor.count {
            return Err(refused(ScimType::InvalidCount, "count is the one the list was begun with"));
        }
        Ok((Page { start_index: 1, count: cursor.count }, Paging::Cursor(Some(cursor.after))))
    }

    /// Where a page stands, to be told with it.
    pub(super) fn place(
        &self,
        caller: &Caller,
        kind: &ResourceType,
        request: &ListRequest,
        list: &ReadList<'_>,
        next: Option<&Position>,
    ) -> Result<Place, Error> {
        if list.paging == Paging::Index {
            return Ok(Place::Index(list.page.start_index));
        }
        let Some(after) = next.cloned() else { return Ok(Place::Cursor(None)) };
        let cursor = Cursor { after, count: list.page.count, given: self.clock.now().timestamp() };
        let sealed = self.sealer.seal(&context(caller, kind, request), &cursor.write(), self.entropy.bytes())?;
        Ok(Place::Cursor(Some(sealed)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;
    use zeroize::Zeroizing;

    use super::*;
    use crate::service::Sealer;

    proptest! {
        /// The twin of the fuzz target `cursor`.
        #[test]
        fn c66_z04_no_text_opens_but_what_was_sealed_for_this_list(
            changes in proptest::collection::vec((any::<prop::sample::Index>(), 1..128_u8), 1..4),
            text in "[A-Za-z0-9_.-]{0,120}",
            plain in proptest::collection::vec(any::<u8>(), 0..80),
        ) {
            let sealer = Sealer::new(&[Zeroizing::new(vec![7; 32])]).expect("a key");
            let opened = |text: &str| sealer.try_open("a list", text).and_then(|plain| Cursor::read(&plain));
            let cursor = Cursor { after: Position { key: None, id: Uuid::nil() }, count: 100, given: 0 };
            let sealed = sealer.seal("a list", &cursor.write(), [9; 12]).expect("sealed");
            prop_assert!(sealer.try_open("another list", &sealed).is_none());
            prop_assert_eq!(opened(&sealed), Some(cursor));
            prop_assert_eq!(opened(&text), None);
            let mut altered = sealed.clone().into_bytes();
            for (index, change) in changes {
                let at = index.index(altered.len());
                altered[at] ^= change;
            }
            let altered = String::from_utf8(altered).expect("ASCII");
            prop_assert!(altered == sealed || opened(&altered).is_none());
            // Were it sealed by us, but no cursor: refused, not a panic.
            let sealed = sealer.seal("a list", &plain, [9; 12]).expect("sealed");
            prop_assert_eq!(opened(&sealed), Cursor::read(&plain));
        }
    }
}
