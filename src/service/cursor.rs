//! Reading lists by cursor (RFC 9865): a cursor is the place of the last resource, sealed, good for one list of one client.

use scim::message::{Page, Place};
use scim::{ResourceType, ScimType};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{ListRequest, ReadList, Service};
use crate::domain::{Caller, Error};
use crate::store::Position;

/// How long a cursor can be used, in seconds.
pub const CURSOR_SECONDS: i64 = 3_600;

/// What a cursor says.
#[derive(Serialize, Deserialize)]
struct Cursor {
    after: Position,
    count: u64,
    /// When it was given, in seconds since 1970.
    given: i64,
}

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
    ) -> Result<(Page, Option<Option<Position>>), Error> {
        let page = self.read_page(request)?;
        let Some(text) = &request.cursor else { return Ok((page, None)) };
        let refused = |kind: ScimType, detail: &str| Error::from(scim::Error::new(kind, detail));
        if request.start_index.is_some() {
            return Err(refused(ScimType::InvalidValue, "give cursor or startIndex, not both"));
        }
        if text.is_empty() {
            return Ok((Page { start_index: 1, ..page }, Some(None)));
        }
        let opened = self.sealer.try_open(&context(caller, kind, request), text);
        let cursor: Option<Cursor> = opened.and_then(|plain| serde_json::from_slice(&plain).ok());
        let cursor =
            cursor.ok_or_else(|| refused(ScimType::InvalidCursor, "not a cursor of this list: begin again"))?;
        if self.clock.now().timestamp() - cursor.given >= CURSOR_SECONDS {
            return Err(refused(ScimType::ExpiredCursor, "the cursor is too old: begin again"));
        }
        if request.count.is_some() && page.count != cursor.count {
            return Err(refused(ScimType::InvalidCount, "count is the one the list was begun with"));
        }
        Ok((Page { start_index: 1, count: cursor.count }, Some(Some(cursor.after))))
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
        if list.from.is_none() {
            return Ok(Place::Index(list.page.start_index));
        }
        let Some(after) = next.cloned() else { return Ok(Place::Cursor(None)) };
        let cursor = Cursor { after, count: list.page.count, given: self.clock.now().timestamp() };
        let plain = serde_json::to_vec(&cursor).map_err(|error| Error::Internal(error.into()))?;
        let sealed = self.sealer.seal(&context(caller, kind, request), &plain, self.entropy.bytes())?;
        Ok(Place::Cursor(Some(sealed)))
    }
}
