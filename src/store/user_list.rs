//! Lists of users as administrators ask for them: by state, name, role, group and directory; in several orders; page by
//! page, from either end.

use std::collections::HashSet;

use surrealdb::types::{RecordId, SurrealValue, Value, Variables};

use super::error::settle;
use super::list::Row as _;
use super::users::{UserRow, key, user_record};
use super::{OrganizationStore, StoreError, millis, uuid};
use crate::domain::user::User;
use crate::domain::{DirectoryId, UserId};

/// Rows that are read at a time when they are named one by one.
const CHUNK: usize = 500;

/// Which states are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct UserStates {
    /// Admitted, but without an account.
    pub invited: bool,
    /// Admitted, with an account.
    pub active: bool,
    /// Kept out.
    pub disabled: bool,
}

/// Which users are wanted; all given conditions must hold.
#[derive(Clone, Debug, Default)]
pub struct UserQuery {
    /// In one of these states; none: in any.
    pub states: Option<UserStates>,
    /// Provisioned by this directory.
    pub directory: Option<DirectoryId>,
    /// Whose account the person controls, or the organization.
    pub external: Option<bool>,
    /// Only these.
    pub only: Option<HashSet<uuid::Uuid>>,
    /// None of these, unless they are among `only`, which then names no others.
    pub but: Option<HashSet<uuid::Uuid>>,
    /// With this in a name, an address or the user name; folded.
    pub search: Option<String>,
    /// With this in a name; folded.
    pub name: Option<String>,
}

/// In which order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UserOrder {
    /// By creation.
    #[default]
    Created,
    /// By last change.
    Updated,
    /// By what people are called, folded.
    DisplayName,
    /// By user name, folded.
    UserName,
    /// By last sign-in; who never did first.
    LastLogin,
}

impl UserOrder {
    const fn column(self) -> &'static str {
        match self {
            Self::Created => "id",
            Self::Updated => "last_modified",
            Self::DisplayName => "display_key",
            Self::UserName => "user_name_key",
            Self::LastLogin => "last_login",
        }
    }

    /// Where a user stands in this order; ids decide between equals.
    pub fn key(self, user: &User) -> SortKey {
        match self {
            Self::Created => SortKey::Number(0),
            Self::Updated => SortKey::Number(millis(user.last_modified)),
            Self::LastLogin => SortKey::Number(user.last_login.map(millis).unwrap_or_default()),
            Self::DisplayName => SortKey::Text(scim::fold(user.display_name())),
            Self::UserName => SortKey::Text(user.user_name_key()),
        }
    }
}

/// A place in an order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SortKey {
    /// An instant in milliseconds, or nothing.
    Number(i64),
    /// A folded name.
    Text(String),
}

impl SortKey {
    fn value(&self) -> Value {
        match self {
            Self::Number(number) => (*number).into_value(),
            Self::Text(text) => text.clone().into_value(),
        }
    }
}

/// Which part of the list.
#[derive(Clone, Debug)]
pub struct Seek {
    /// In which order.
    pub order: UserOrder,
    /// From the highest to the lowest.
    pub descending: bool,
    /// Only behind this place.
    pub after: Option<(SortKey, UserId)>,
    /// Only before this place.
    pub before: Option<(SortKey, UserId)>,
    /// The last ones instead of the first.
    pub from_end: bool,
    /// How many to pass over.
    pub offset: usize,
    /// How many.
    pub limit: usize,
}

impl UserQuery {
    /// Whether the list is a part of all users that only the database can tell.
    fn clause(&self, variables: &mut Variables) -> String {
        let mut clauses = Vec::new();
        if let Some(states) = self.states {
            let mut any = Vec::new();
            if states.invited {
                any.push("(active = true AND locally_held = false AND account = NONE)");
            }
            if states.active {
                any.push("(active = true AND locally_held = false AND account != NONE)");
            }
            if states.disabled {
                any.push("(active != true OR locally_held = true)");
            }
            clauses.push(if any.is_empty() { "false".to_owned() } else { format!("({})", any.join(" OR ")) });
        }
        if let Some(directory) = self.directory {
            clauses.push("directory = $directory".to_owned());
            variables.insert("directory", uuid(directory.uuid()));
        }
        if let Some(external) = self.external {
            clauses.push("external = $external".to_owned());
            variables.insert("external", external);
        }
        clauses.join(" AND ")
    }

    fn names_users(&self) -> bool {
        self.only.is_some() || self.but.is_some() || self.search.is_some() || self.name.is_some()
    }

    fn admits(&self, id: uuid::Uuid) -> bool {
        match (&self.only, &self.but) {
            (None, None) => true,
            (Some(only), None) => only.contains(&id),
            (None, Some(but)) => !but.contains(&id),
            (Some(only), Some(but)) => only.contains(&id) || !but.contains(&id),
        }
    }
}

/// Where a user stands in a list.
pub(super) type Place = (SortKey, UserId);

impl Seek {
    /// Whether rows are read from the highest key to the lowest.
    pub(super) fn is_reversed(&self) -> bool {
        self.descending != self.from_end
    }

    /// Places in reading order: what is behind the start, and before the end.
    fn bounds(&self) -> (Option<&Place>, Option<&Place>) {
        if self.from_end {
            (self.before.as_ref(), self.after.as_ref())
        } else {
            (self.after.as_ref(), self.before.as_ref())
        }
    }

    /// Whether a place is within the bounds.
    pub(super) fn holds(&self, place: &Place) -> bool {
        let (start, end) = self.bounds();
        let (above, below) = if self.is_reversed() { (end, start) } else { (start, end) };
        above.is_none_or(|above| place > above) && below.is_none_or(|below| place < below)
    }
}

impl OrganizationStore {
    /// How many users there are, deprovisioned ones apart.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn count_users(&self) -> Result<u64, StoreError> {
        if let Some(total) = self.roster_total().await? {
            return Ok(total);
        }
        let count: Option<i64> =
            settle(self.0.query("SELECT count() FROM user GROUP ALL").await?)?.take((0, "count"))?;
        Ok(count.map(super::counted).unwrap_or_default())
    }

    /// One page of users, in the order asked, and whether there are more in the direction of reading.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn seek_users(&self, query: &UserQuery, seek: &Seek) -> Result<(Vec<User>, bool), StoreError> {
        let wanted = Seek { limit: seek.limit + 1, ..seek.clone() };
        let deprovisioned = self.deprovisioned_places(query, &wanted).await?;
        let mut users = if deprovisioned.is_empty() {
            self.seek_present(query, &wanted).await?
        } else {
            self.seek_with(deprovisioned, query, &wanted).await?
        };
        let more = users.len() > seek.limit;
        users.truncate(seek.limit);
        if seek.from_end {
            users.reverse();
        }
        Ok((users, more))
    }

    /// The users of a page, deprovisioned ones apart.
    pub(super) async fn seek_present(&self, query: &UserQuery, seek: &Seek) -> Result<Vec<User>, StoreError> {
        if query.names_users() { self.seek_named(query, seek).await } else { self.seek_all(query, seek).await }
    }

    /// How many users match, deprovisioned ones apart.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn count_matching_users(&self, query: &UserQuery) -> Result<u64, StoreError> {
        let mut variables = Variables::new();
        let clause = query.clause(&mut variables);
        if !query.names_users() {
            if clause.is_empty() {
                return self.count_users().await;
            }
            let text = format!("SELECT count() FROM user WHERE {clause} GROUP ALL");
            let count: Option<i64> = settle(self.0.query(text).bind(variables).await?)?.take((0, "count"))?;
            return Ok(count.map(super::counted).unwrap_or_default());
        }
        let places = self.named_places(query, UserOrder::Created).await?;
        if clause.is_empty() {
            return Ok(places.len() as u64);
        }
        let mut count = 0;
        for chunk in places.chunks(CHUNK) {
            let records: Vec<RecordId> = chunk.iter().map(|(_, id)| user_record(*id)).collect();
            let text = format!("SELECT VALUE id FROM $records WHERE {clause}");
            let found: Vec<RecordId> =
                settle(self.0.query(text).bind(variables.clone()).bind(("records", records)).await?)?.take(0)?;
            count += found.len() as u64;
        }
        Ok(count)
    }

    /// The database keeps the order: an index walk from the place where the page begins.
    async fn seek_all(&self, query: &UserQuery, seek: &Seek) -> Result<Vec<User>, StoreError> {
        let mut variables = Variables::new();
        let clause = query.clause(&mut variables);
        let column = seek.order.column();
        let (start, end) = seek.bounds();
        let (behind, direction, before) = if seek.is_reversed() { ("<", " DESC", ">") } else { (">", "", "<") };
        let mut fixed: Vec<String> = (!clause.is_empty()).then(|| clause.clone()).into_iter().collect();
        if let Some((end_key, id)) = end {
            variables.insert("end_id", user_record(*id));
            if column == "id" {
                fixed.push(format!("id {before} $end_id"));
            } else {
                variables.insert("end_key", end_key.value());
                fixed.push(format!("({column} {before} $end_key OR ({column} = $end_key AND id {before} $end_id))"));
            }
        }
        let mut parts: Vec<Vec<String>> = Vec::new();
        match start {
            None => parts.push(fixed.clone()),
            Some((start_key, id)) => {
                variables.insert("start_id", user_record(*id));
                if column == "id" {
                    parts.push([fixed.clone(), vec![format!("id {behind} $start_id")]].concat());
                } else {
                    variables.insert("start_key", start_key.value());
                    // Those with the very same key first, then the others: each an index walk.
                    let equal = vec![format!("{column} = $start_key"), format!("id {behind} $start_id")];
                    parts.push([fixed.clone(), equal].concat());
                    parts.push([fixed.clone(), vec![format!("{column} {behind} $start_key")]].concat());
                }
            }
        }
        let order =
            if column == "id" { format!("id{direction}") } else { format!("{column}{direction}, id{direction}") };
        let mut users: Vec<User> = Vec::new();
        for part in parts {
            let condition = if part.is_empty() { String::new() } else { format!(" WHERE {}", part.join(" AND ")) };
            let text = format!("SELECT * FROM user{condition} ORDER BY {order} LIMIT $limit START $offset");
            let rows: Vec<UserRow> = settle(
                self.0
                    .query(text)
                    .bind(variables.clone())
                    .bind(("limit", seek.limit - users.len()))
                    .bind(("offset", seek.offset))
                    .await?,
            )?
            .take(0)?;
            for row in rows {
                users.push(row.into_entity()?);
            }
            if users.len() >= seek.limit {
                break;
            }
        }
        Ok(users)
    }

    /// Names or ids say who it can be: they are put in order here, and read until the page is full.
    async fn seek_named(&self, query: &UserQuery, seek: &Seek) -> Result<Vec<User>, StoreError> {
        let mut places = self.named_places(query, seek.order).await?;
        places.retain(|place| seek.holds(place));
        if seek.is_reversed() {
            places.reverse();
        }
        let mut variables = Variables::new();
        let clause = query.clause(&mut variables);
        let condition = if clause.is_empty() { String::new() } else { format!(" WHERE {clause}") };
        // Without a condition the place says which are passed over.
        let (mut passing, from) = if clause.is_empty() { (0, seek.offset) } else { (seek.offset, 0) };
        let mut users: Vec<User> = Vec::new();
        let wanted = if clause.is_empty() { CHUNK.min(seek.limit.max(1)) } else { CHUNK };
        for chunk in places.get(from..).unwrap_or_default().chunks(wanted) {
            let records: Vec<RecordId> = chunk.iter().map(|(_, id)| user_record(*id)).collect();
            let text = format!("SELECT * FROM $records{condition}");
            let rows: Vec<UserRow> =
                settle(self.0.query(text).bind(variables.clone()).bind(("records", records)).await?)?.take(0)?;
            let mut found: Vec<User> = rows.into_iter().map(super::list::Row::into_entity).collect::<Result<_, _>>()?;
            found.sort_by_key(|user| chunk.iter().position(|(_, id)| *id == user.id));
            for user in found {
                if passing > 0 {
                    passing -= 1;
                } else if users.len() < seek.limit {
                    users.push(user);
                }
            }
            if users.len() >= seek.limit {
                break;
            }
        }
        Ok(users)
    }

    /// Who it can be, in order.
    async fn named_places(&self, query: &UserQuery, order: UserOrder) -> Result<Vec<(SortKey, UserId)>, StoreError> {
        let names = self.names().await?;
        let fits = |texts: &super::names::Texts| {
            query.search.as_deref().is_none_or(|part| texts.has(part))
                && query.name.as_deref().is_none_or(|part| texts.has_name(part))
        };
        let found = names.iter().filter(|(id, texts)| query.admits(*id) && fits(texts));
        let mut places: Vec<(SortKey, UserId)> = match order {
            UserOrder::Created => found.map(|(id, _)| (SortKey::Number(0), UserId::new(*id))).collect(),
            UserOrder::DisplayName => {
                found.map(|(id, texts)| (SortKey::Text(texts.display.clone()), UserId::new(*id))).collect()
            }
            UserOrder::UserName => {
                found.map(|(id, texts)| (SortKey::Text(texts.user_name.clone()), UserId::new(*id))).collect()
            }
            UserOrder::Updated | UserOrder::LastLogin => {
                let ids: Vec<UserId> = found.map(|(id, _)| UserId::new(*id)).collect();
                self.instants(order.column(), &ids).await?
            }
        };
        places.sort_unstable();
        Ok(places)
    }

    async fn instants(&self, column: &'static str, ids: &[UserId]) -> Result<Vec<(SortKey, UserId)>, StoreError> {
        let mut places = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(CHUNK) {
            let records: Vec<RecordId> = chunk.iter().map(|id| user_record(*id)).collect();
            let text = format!("SELECT id, {column} AS at FROM $records");
            let rows: Vec<InstantRow> = settle(self.0.query(text).bind(("records", records)).await?)?.take(0)?;
            for row in rows {
                places.push((SortKey::Number(row.at), UserId::new(key(&row.id)?)));
            }
        }
        Ok(places)
    }
}

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
struct InstantRow {
    id: RecordId,
    at: i64,
}
