//! Deprovisioned users in lists for administrators. They are not in the table of users, so that SCIM does not see them; a page
//! merges both tables. They are few: each is enabled or destroyed within 30 days.

use std::collections::HashMap;

use surrealdb::types::{RecordId, SurrealValue};

use super::error::settle;
use super::names::TextRow;
use super::user_list::{Place, Seek, SortKey, UserOrder, UserQuery};
use super::users::key;
use super::{OrganizationStore, StoreError};
use crate::domain::UserId;
use crate::domain::user::User;

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
struct ListedRow {
    id: RecordId,
    user_name_key: String,
    display_key: String,
    email_keys: Vec<String>,
    given: Option<String>,
    family: Option<String>,
    full: Option<String>,
    last_modified: i64,
    last_login: i64,
    external: bool,
}

const LISTED: &str = "SELECT id, user.user_name_key AS user_name_key, user.display_key AS display_key, \
                      user.email_keys AS email_keys, \
                      user.attributes.name.givenName AS given, user.attributes.name.familyName AS family, \
                      user.attributes.name.formatted AS full, deleted AS last_modified, user.last_login AS last_login, \
                      user.external AS external FROM deleted_user WHERE state = 'DEPROVISIONED'";

impl ListedRow {
    fn place(&self, order: UserOrder) -> Result<Place, StoreError> {
        let place = match order {
            UserOrder::Created => SortKey::Number(0),
            UserOrder::Updated => SortKey::Number(self.last_modified),
            UserOrder::LastLogin => SortKey::Number(self.last_login),
            UserOrder::DisplayName => SortKey::Text(self.display_key.clone()),
            UserOrder::UserName => SortKey::Text(self.user_name_key.clone()),
        };
        Ok((place, UserId::new(key(&self.id)?)))
    }

    fn fits(self, query: &UserQuery) -> bool {
        let is_of_type = query.external.is_none_or(|external| self.external == external);
        let texts = TextRow {
            id: self.id,
            user_name_key: self.user_name_key,
            display_key: self.display_key,
            email_keys: self.email_keys,
            given: self.given,
            family: self.family,
            full: self.full,
            last_modified: self.last_modified,
        };
        let texts = texts.into_texts();
        is_of_type
            && query.search.as_deref().is_none_or(|part| texts.has(part))
            && query.name.as_deref().is_none_or(|part| texts.has_name(part))
    }
}

impl UserQuery {
    /// Whether deprovisioned users may match: they are disabled, no directory provisions them, and they have neither roles nor
    /// groups.
    fn admits_deprovisioned(&self) -> bool {
        self.states.is_none_or(|states| states.disabled)
            && self.directory.is_none()
            && self.only.is_none()
            && self.but.is_none()
    }
}

impl OrganizationStore {
    /// How many deprovisioned users match.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn count_deprovisioned_users(&self, query: &UserQuery) -> Result<u64, StoreError> {
        Ok(self.matching_places(query, UserOrder::Created).await?.len() as u64)
    }

    /// The places of the deprovisioned users of a list, in reading order.
    pub(super) async fn deprovisioned_places(&self, query: &UserQuery, seek: &Seek) -> Result<Vec<Place>, StoreError> {
        let mut places = self.matching_places(query, seek.order).await?;
        places.retain(|place| seek.holds(place));
        places.sort_unstable();
        if seek.is_reversed() {
            places.reverse();
        }
        Ok(places)
    }

    async fn matching_places(&self, query: &UserQuery, order: UserOrder) -> Result<Vec<Place>, StoreError> {
        if !query.admits_deprovisioned() {
            return Ok(Vec::new());
        }
        let rows: Vec<ListedRow> = settle(self.0.query(LISTED).await?)?.take(0)?;
        let mut places = Vec::with_capacity(rows.len());
        for row in rows {
            let place = row.place(order)?;
            if row.fits(query) {
                places.push(place);
            }
        }
        Ok(places)
    }

    /// A page of the present users and these deprovisioned ones.
    ///
    /// At most all deprovisioned users stand before the page. So the present users are read from that many earlier, and the
    /// first of them says how many do.
    pub(super) async fn seek_with(
        &self,
        deprovisioned: Vec<Place>,
        query: &UserQuery,
        seek: &Seek,
    ) -> Result<Vec<User>, StoreError> {
        let earlier = deprovisioned.len().min(seek.offset);
        let offset = seek.offset - earlier;
        let read = Seek { offset, limit: seek.limit + earlier, ..seek.clone() };
        let present = self.seek_present(query, &read).await?;
        let present: Vec<(Place, User)> =
            present.into_iter().map(|user| ((seek.order.key(&user), user.id), user)).collect();
        let Some(page) = page(present, deprovisioned, seek, earlier) else { return Ok(Vec::new()) };
        let ids: Vec<UserId> = page.iter().filter(|(_, user)| user.is_none()).map(|((_, id), _)| *id).collect();
        let found = self.find_deprovisioned_users(&ids).await?;
        let mut found: HashMap<UserId, User> = found.into_iter().map(|user| (user.id, user)).collect();
        // One that was enabled or purged meanwhile is left out.
        Ok(page.into_iter().filter_map(|((_, id), user)| user.or_else(|| found.remove(&id))).collect())
    }
}

/// The entries of a page: present users with themselves, deprovisioned ones without. None: the page is behind the end.
///
/// `present` begins `earlier` users before the offset of the page, or with the first user.
fn page<U>(
    present: Vec<(Place, U)>,
    deprovisioned: Vec<Place>,
    seek: &Seek,
    earlier: usize,
) -> Option<Vec<(Place, Option<U>)>> {
    let mut passed = 0;
    if seek.offset > earlier {
        // As many deprovisioned users as there are stand before the page, or less: without present users it is behind the end.
        let (first, _) = present.first()?;
        let is_before = |place: &&Place| if seek.is_reversed() { *place > first } else { *place < first };
        passed = deprovisioned.iter().take_while(is_before).count();
    }
    let others = deprovisioned.into_iter().skip(passed).map(|place| (place, None));
    let mut entries: Vec<(Place, Option<U>)> =
        present.into_iter().map(|(place, user)| (place, Some(user))).chain(others).collect();
    entries.sort_by(|(one, _), (other, _)| if seek.is_reversed() { other.cmp(one) } else { one.cmp(other) });
    Some(entries.into_iter().skip(earlier - passed).take(seek.limit).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(number: u128) -> Place {
        (SortKey::Number(0), UserId::new(uuid::Uuid::from_u128(number)))
    }

    /// Each page of a list of both, read as the store reads it, is that page of the list.
    #[test]
    fn a_page_of_both_is_the_page_of_the_merged_list() {
        let deprovisioned = [1_u128, 4, 5, 9, 14, 20];
        let present: Vec<u128> = (2..19).filter(|number| !deprovisioned.contains(number)).collect();
        for descending in [false, true] {
            let ordered = |numbers: &[u128]| {
                let mut numbers = numbers.to_vec();
                numbers.sort_unstable();
                if descending {
                    numbers.reverse();
                }
                numbers
            };
            let all = ordered(&[&present[..], &deprovisioned[..]].concat());
            let (present, deprovisioned) = (ordered(&present), ordered(&deprovisioned));
            for (offset, limit) in (0..30).flat_map(|offset| (1..8).map(move |limit| (offset, limit))) {
                let seek = Seek {
                    order: UserOrder::Created,
                    descending,
                    after: None,
                    before: None,
                    from_end: false,
                    offset,
                    limit,
                };
                let earlier = deprovisioned.len().min(offset);
                let read = present.iter().skip(offset - earlier).take(limit + earlier);
                let read: Vec<(Place, u128)> = read.map(|number| (place(*number), *number)).collect();
                let places = deprovisioned.iter().map(|number| place(*number)).collect();
                let found = page(read, places, &seek, earlier).unwrap_or_default();
                let found: Vec<Place> = found.into_iter().map(|(place, _)| place).collect();
                let expected: Vec<Place> = all.iter().skip(offset).take(limit).map(|number| place(*number)).collect();
                assert_eq!(found, expected, "{offset} {limit} {descending}");
            }
        }
    }
}
