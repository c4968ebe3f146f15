//! Relay paging over lists that are short enough to be read whole: addresses and groups of one person.

use async_graphql::SimpleObject;
use data_encoding::BASE64URL_NOPAD;

use super::cost::PAGE;
use super::failure::Failure;
use crate::domain::{Code, Refusal};

/// Whether and how to read on.
#[derive(Clone, SimpleObject)]
pub(super) struct PageInfo {
    /// Whether there is something before this page.
    has_previous_page: bool,
    /// Whether there is something after this page.
    has_next_page: bool,
    /// Cursor of the first item, for `before`; null if the page is empty.
    start_cursor: Option<String>,
    /// Cursor of the last item, for `after`; null if the page is empty.
    end_cursor: Option<String>,
    /// The page size in force, after clamping to 100.
    page_size: i32,
}

/// Which part of a list is wanted.
pub(super) struct Paging {
    size: usize,
    asked: bool,
    from_end: bool,
    after: Option<String>,
    before: Option<String>,
}

/// One page.
pub(super) struct Page<T> {
    /// The items with their cursors.
    pub(super) items: Vec<(String, T)>,
    /// Where the page stands.
    pub(super) info: PageInfo,
    /// How many items there are on all pages.
    pub(super) total: i32,
}

impl PageInfo {
    /// Notes that pages by number lie before this one.
    pub(super) fn behind(&mut self, others: bool) {
        self.has_previous_page |= others;
    }
}

impl Paging {
    /// How many items a page has.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Whether the last items are wanted.
    pub(super) fn is_from_end(&self) -> bool {
        self.from_end
    }

    /// The page with this number instead, and how many items lie before it.
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT_COMBINATION` where cursors or sizes are given too; `VALIDATION_FAILED`.
    pub(super) fn numbered(self, number: i32, size: i32) -> Result<(Self, usize), Failure> {
        if self.asked || self.after.is_some() || self.before.is_some() {
            let message = "give page, or first, after, last and before";
            return Err(Refusal::new(Code::InvalidArgumentCombination, message).into());
        }
        let below = |field: &'static str, least: i32| {
            Refusal::new(Code::ValidationFailed, format!("at least {least}")).at(field).with("min", least)
        };
        let number = usize::try_from(number).ok().filter(|number| *number > 0).ok_or_else(|| below("number", 1))?;
        let size = usize::try_from(size).map_err(|_| below("size", 0))?.min(PAGE);
        Ok((Self { size, ..self }, (number - 1).saturating_mul(size)))
    }

    /// The keys of the cursors: after and before.
    ///
    /// # Errors
    ///
    /// `INVALID_CURSOR`
    pub(super) fn keys(&self, list: &str) -> Result<(Option<String>, Option<String>), Failure> {
        let read = |cursor: &Option<String>| cursor.as_deref().map(|cursor| read_cursor(list, cursor)).transpose();
        Ok((read(&self.after)?, read(&self.before)?))
    }

    /// A page of items that were read in its direction, one more than it holds if there is one.
    pub(super) fn cut<T>(
        &self,
        list: &str,
        mut items: Vec<T>,
        key: impl Fn(&T) -> String,
    ) -> (PageInfo, Vec<(String, T)>) {
        let more = items.len() > self.size;
        items.truncate(self.size);
        if self.from_end {
            items.reverse();
        }
        self.place(list, items, more, key)
    }

    /// A page of items in the order of the list.
    pub(super) fn place<T>(
        &self,
        list: &str,
        items: Vec<T>,
        more: bool,
        key: impl Fn(&T) -> String,
    ) -> (PageInfo, Vec<(String, T)>) {
        let items: Vec<(String, T)> = items.into_iter().map(|item| (write_cursor(list, &key(&item)), item)).collect();
        let info = PageInfo {
            has_previous_page: if self.from_end { more } else { self.after.is_some() },
            has_next_page: if self.from_end { self.before.is_some() } else { more },
            start_cursor: items.first().map(|(cursor, _)| cursor.clone()),
            end_cursor: items.last().map(|(cursor, _)| cursor.clone()),
            page_size: i32::try_from(self.size).unwrap_or(i32::MAX),
        };
        (info, items)
    }

    /// Cuts a page out of a whole list whose items are known by id: a cursor names its item, and, should that be gone,
    /// its place.
    ///
    /// # Errors
    ///
    /// `INVALID_CURSOR`
    pub(super) fn page_by_id<T>(
        &self,
        list: &str,
        items: Vec<(String, async_graphql::ID, T)>,
    ) -> Result<Page<T>, Failure> {
        let total = i32::try_from(items.len()).unwrap_or(i32::MAX);
        let find = |cursor: &Option<String>| -> Result<Option<(usize, bool)>, Failure> {
            let Some(cursor) = cursor.as_deref() else { return Ok(None) };
            let key = read_cursor(list, cursor)?;
            let invalid = || Failure::from(Refusal::new(Code::InvalidCursor, "not a cursor of this list"));
            let (place, id) = key.split_once(' ').ok_or_else(invalid)?;
            let place: usize = place.parse().map_err(|_| invalid())?;
            Ok(Some(match items.iter().position(|(_, known, _)| known.as_str() == id) {
                Some(index) => (index, true),
                None => (place.min(items.len()), false),
            }))
        };
        let start = find(&self.after)?.map_or(0, |(index, there)| index + usize::from(there));
        let end = find(&self.before)?.map_or(items.len(), |(index, _)| index).max(start);
        let (from, to) = if self.from_end {
            (end.saturating_sub(self.size).max(start), end)
        } else {
            (start, end.min(start + self.size))
        };
        let all = items.len();
        let items: Vec<(String, T)> = items
            .into_iter()
            .skip(from)
            .take(to - from)
            .map(|(place, id, item)| (write_cursor(list, &format!("{place} {}", id.as_str())), item))
            .collect();
        let info = PageInfo {
            has_previous_page: from > 0,
            has_next_page: to < all,
            start_cursor: items.first().map(|(cursor, _)| cursor.clone()),
            end_cursor: items.last().map(|(cursor, _)| cursor.clone()),
            page_size: i32::try_from(self.size).unwrap_or(i32::MAX),
        };
        Ok(Page { items, info, total })
    }

    /// Reads the four arguments.
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT_COMBINATION` for `first` with `last`; `VALIDATION_FAILED` below 0.
    pub(super) fn read(
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Self, Failure> {
        if first.is_some() && last.is_some() {
            return Err(Refusal::new(Code::InvalidArgumentCombination, "give first or last, not both").into());
        }
        let asked = first.or(last).unwrap_or(100);
        let size = usize::try_from(asked)
            .map_err(|_| Refusal::new(Code::ValidationFailed, "a page has at least 0 items").with("min", 0))?;
        let asked = first.is_some() || last.is_some();
        Ok(Self { size: size.min(PAGE), asked, from_end: last.is_some(), after, before })
    }

    /// Cuts a page out of a list. `key` says where an item stands: keys rise along the list, so that a cursor works when
    /// its item is gone. `list` names the list, so that a cursor of another one is refused.
    ///
    /// # Errors
    ///
    /// `INVALID_CURSOR`
    pub(super) fn page<T>(&self, list: &str, items: Vec<T>, key: impl Fn(&T) -> String) -> Result<Page<T>, Failure> {
        let total = i32::try_from(items.len()).unwrap_or(i32::MAX);
        let after = self.after.as_deref().map(|cursor| read_cursor(list, cursor)).transpose()?;
        let before = self.before.as_deref().map(|cursor| read_cursor(list, cursor)).transpose()?;
        let all = items.len();
        let mut keyed: Vec<(String, T)> = items.into_iter().map(|item| (key(&item), item)).collect();
        keyed.retain(|(key, _)| after.as_ref().is_none_or(|after| key > after));
        let skipped_before = all - keyed.len();
        let wanted = keyed.len();
        keyed.retain(|(key, _)| before.as_ref().is_none_or(|before| key < before));
        let skipped_after = wanted - keyed.len();
        let left = keyed.len().saturating_sub(self.size);
        if self.from_end {
            keyed.drain(..left);
        } else {
            keyed.truncate(self.size);
        }
        let items: Vec<(String, T)> = keyed.into_iter().map(|(key, item)| (write_cursor(list, &key), item)).collect();
        let (cut_before, cut_after) = if self.from_end { (left, 0) } else { (0, left) };
        let info = PageInfo {
            has_previous_page: skipped_before + cut_before > 0,
            has_next_page: skipped_after + cut_after > 0,
            start_cursor: items.first().map(|(cursor, _)| cursor.clone()),
            end_cursor: items.last().map(|(cursor, _)| cursor.clone()),
            page_size: i32::try_from(self.size).unwrap_or(i32::MAX),
        };
        Ok(Page { items, info, total })
    }
}

fn write_cursor(list: &str, key: &str) -> String {
    BASE64URL_NOPAD.encode(format!("1\u{0}{list}\u{0}{key}").as_bytes())
}

fn read_cursor(list: &str, cursor: &str) -> Result<String, Failure> {
    let decoded = BASE64URL_NOPAD.decode(cursor.as_bytes()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let prefix = format!("1\u{0}{list}\u{0}");
    let key = decoded.as_deref().and_then(|text| text.strip_prefix(&prefix)).map(str::to_owned);
    key.ok_or_else(|| Refusal::new(Code::InvalidCursor, "not a cursor of this list").into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn page(
        paging: (Option<i32>, Option<String>, Option<i32>, Option<String>),
        items: &[u32],
    ) -> Result<Page<u32>, Failure> {
        let (first, after, last, before) = paging;
        Paging::read(first, after, last, before)?.page("list", items.to_vec(), |item| format!("{item:010}"))
    }

    proptest! {
        #[test]
        fn c01_pages_joined_are_the_list(count in 0_u32..40, size in 1_i32..10) {
            let items: Vec<u32> = (0..count).collect();
            let (mut forwards, mut after) = (Vec::new(), None);
            loop {
                let page = page((Some(size), after, None, None), &items).expect("a page");
                forwards.extend(page.items.iter().map(|(_, item)| *item));
                if !page.info.has_next_page { break; }
                after = page.info.end_cursor;
            }
            prop_assert_eq!(&forwards, &items);
            let (mut backwards, mut before) = (Vec::new(), None);
            loop {
                let page = page((None, None, Some(size), before), &items).expect("a page");
                backwards.splice(0..0, page.items.iter().map(|(_, item)| *item));
                if !page.info.has_previous_page { break; }
                before = page.info.start_cursor;
            }
            prop_assert_eq!(&backwards, &items);
        }
    }

    #[test]
    fn c01_sizes_are_clamped_and_cursors_outlive_their_items() {
        let items: Vec<u32> = (0..250).collect();
        let size =
            |first| page((Some(first), None, None, None), &items).map(|page| (page.items.len(), page.info.page_size));
        assert_eq!(size(101).expect("clamped"), (100, 100));
        assert_eq!(size(i32::MAX).expect("clamped"), (100, 100));
        assert_eq!(size(0).expect("counts only"), (0, 0));
        assert!(size(-1).is_err());
        assert!(page((Some(1), None, Some(1), None), &items).is_err());
        let cursor = page((Some(3), None, None, None), &items).expect("a page").info.end_cursor;
        let without: Vec<u32> = items.iter().copied().filter(|item| *item != 2).collect();
        let next = page((Some(1), cursor.clone(), None, None), &without).expect("its item is gone");
        assert_eq!(next.items[0].1, 3);
        assert!(page((Some(1), Some("x".to_owned()), None, None), &items).is_err());
        let other =
            Paging::read(Some(1), cursor, None, None).expect("read").page("other", items, |item| format!("{item:010}"));
        assert!(other.is_err(), "IJ-06");
    }
}
