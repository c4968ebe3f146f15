//! Lists of users and groups: filtered, sorted, paged; counted exactly and never held in memory as a whole.

use std::cmp::Ordering;
use std::collections::HashMap;

use scim::ScimType;
use scim::filter::Resolved;
use scim::message::Page;
use scim::sort::{Key, Sort};
use serde_json::{Map, Value as Json};
use surrealdb::types::{RecordId, SurrealValue, Variables};

use super::error::settle;
use super::filter::{GroupsOfMembers, Plan, member_ids, plan};
use super::groups::GroupRow;
use super::users::{UserRow, key};
use super::{OrganizationStore, StoreError, uuid};
use crate::domain::cursor::Position;
use crate::domain::group::{Group, Membership};
use crate::domain::size::{ByteBudget, object_bytes};
use crate::domain::user::User;
use crate::domain::{Error, UserId, id};

/// How many rows are read at a time when rows are evaluated one by one: at most 64 MiB of resources of the largest size.
const CHUNK: usize = 250;
/// How many rows of one page are read at a time, where a page is limited in bytes: at most 32 MiB of resources of the largest
/// size. A page of the default size is read at once.
const ROWS_AT_ONCE: u64 = 128;

/// What is looked for.
#[derive(Clone, Copy, Debug)]
pub struct Query<'q, 's> {
    /// Which.
    pub filter: Option<&'q Resolved<'s>>,
    /// In which order; by creation without one.
    pub sort: Option<Sort<'s>>,
    /// Which part.
    pub page: Page,
    /// How it is paged.
    pub paging: &'q Paging,
    /// The most rows that are evaluated one by one, or sorted.
    pub max_scanned: u64,
    /// The most bytes of attributes that a page has; it ends before the resource that would be too much, unless that is the
    /// first.
    pub bytes: usize,
}

/// How a list is read page by page.
#[derive(Clone, Debug, PartialEq)]
pub enum Paging {
    /// By counting from the first resource: where is in the page.
    Index,
    /// By cursor: after this place in the order, or from its beginning; and whether there is more is told.
    Cursor(Option<Position>),
}

/// A page of what was found.
#[derive(Clone, Debug)]
pub struct Found<T> {
    /// How many match, on all pages.
    pub total: u64,
    /// The page.
    pub page: Vec<T>,
    /// Of a list that is read by cursor: where the next page begins after, if there is one.
    pub next: Option<Position>,
}

impl Query<'_, '_> {
    fn after(&self) -> Option<&Position> {
        match self.paging {
            Paging::Index => None,
            Paging::Cursor(after) => after.as_ref(),
        }
    }

    fn is_by_cursor(&self) -> bool {
        matches!(self.paging, Paging::Cursor(_))
    }

    /// How many rows to read: one more where it has to be known whether there is one.
    fn limit(&self) -> u64 {
        self.page.count + u64::from(self.is_by_cursor() && self.page.count > 0)
    }

    fn compare(&self, left: (&Option<Key>, uuid::Uuid), right: (&Option<Key>, uuid::Uuid)) -> Ordering {
        let by_key = match (&self.sort, left.0, right.0) {
            (Some(sort), Some(left), Some(right)) => sort.compare(left, right),
            _ => Ordering::Equal,
        };
        by_key.then(left.1.cmp(&right.1))
    }

    /// The place of a user in this list, where the next page begins after it.
    pub fn place_of_user(&self, user: &User) -> Position {
        self.position(user)
    }

    /// The place of a group in this list, where the next page begins after it.
    pub fn place_of_group(&self, group: &Group) -> Position {
        self.position(group)
    }

    /// Whether rows are read some at a time, since all of a page at once may be too much.
    fn is_read_in_parts(&self) -> bool {
        self.bytes < usize::MAX && self.limit() > ROWS_AT_ONCE
    }

    fn position<E: Listed>(&self, entity: &E) -> Position {
        let key = self.sort.as_ref().map(|sort| sort.key(&entity.searchable(&[])));
        Position { key, id: entity.record_key() }
    }

    fn is_after<E: Listed>(&self, entity: &E) -> bool {
        self.after().is_none_or(|after| {
            let place = self.position(entity);
            self.compare((&place.key, place.id), (&after.key, after.id)) == Ordering::Greater
        })
    }

    /// How many of these fit on the page.
    fn fitting<E: Listed>(&self, read: &[E]) -> usize {
        let count = usize::try_from(self.page.count).unwrap_or(usize::MAX);
        if self.bytes == usize::MAX {
            return count.min(read.len());
        }
        let mut budget = ByteBudget::new(self.bytes);
        read.iter().take(count).take_while(|entity| budget.takes(entity.bytes())).count()
    }

    /// The page, and where the next one begins after.
    fn cut<E: Listed>(&self, read: Vec<E>) -> (Vec<E>, Option<Position>) {
        let fitting = self.fitting(&read);
        let is_more = read.len() > fitting;
        self.ended(read, fitting, is_more)
    }

    /// The page of so many, and where the next one begins after, if there is one.
    fn ended<E: Listed>(&self, mut page: Vec<E>, count: usize, is_more: bool) -> (Vec<E>, Option<Position>) {
        page.truncate(count);
        let next = page.last().filter(|_| self.is_by_cursor() && is_more).map(|last| self.position(last));
        (page, next)
    }
}

/// The tables that are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    User,
    Group,
}

impl Table {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Group => "group",
        }
    }

    /// The column that holds the sort key of an attribute, where there is one and every row has it.
    fn sort_column(self, sort: &Sort<'_>) -> Option<&'static str> {
        match (self, sort.target.to_string().as_str()) {
            (Self::User, "userName") => Some("user_name_key"),
            (Self::Group, "displayName") => Some("display_name_key"),
            (_, "meta.lastModified") => Some("last_modified"),
            (_, "meta.created") => Some("created"),
            (_, "id") => Some("id"),
            _ => None,
        }
    }
}

/// A row that can be made into what it stands for.
pub(super) trait Row: SurrealValue {
    type Entity;

    fn into_entity(self) -> Result<Self::Entity, StoreError>;
}

/// What listing needs to know of an entity.
trait Listed: Sized {
    fn record_key(&self) -> uuid::Uuid;
    fn searchable(&self, memberships: &[Membership]) -> Map<String, Json>;
    /// How many bytes its attributes take.
    fn bytes(&self) -> usize;
}

impl Listed for User {
    fn record_key(&self) -> uuid::Uuid {
        self.id.uuid()
    }

    fn searchable(&self, memberships: &[Membership]) -> Map<String, Json> {
        User::searchable(self, Some(memberships))
    }

    fn bytes(&self) -> usize {
        object_bytes(self.attributes.attributes())
    }
}

impl Listed for Group {
    fn record_key(&self) -> uuid::Uuid {
        self.id.uuid()
    }

    fn searchable(&self, _: &[Membership]) -> Map<String, Json> {
        Group::searchable(self)
    }

    fn bytes(&self) -> usize {
        object_bytes(self.attributes.attributes())
    }
}

impl OrganizationStore {
    /// Users.
    ///
    /// # Errors
    ///
    /// `invalidFilter` for what cannot be searched for, `tooMany` when more rows than allowed would have to be read one
    /// by one (C64), and when the store fails.
    pub async fn list_users(&self, query: &Query<'_, '_>) -> Result<Found<User>, Error> {
        self.list::<UserRow>(Table::User, query).await
    }

    /// Groups, without their members.
    ///
    /// # Errors
    ///
    /// As [`OrganizationStore::list_users`].
    pub async fn list_groups(&self, query: &Query<'_, '_>) -> Result<Found<Group>, Error> {
        self.list::<GroupRow>(Table::Group, query).await
    }

    async fn list<R: Row<Entity: Listed>>(
        &self,
        table: Table,
        query: &Query<'_, '_>,
    ) -> Result<Found<R::Entity>, Error> {
        let groups_of = match (table, query.filter) {
            (Table::Group, Some(filter)) => self.groups_of_members(filter).await?,
            _ => GroupsOfMembers::new(),
        };
        let plan = match query.filter {
            Some(filter) => plan(filter, table, &groups_of)?,
            None => Plan { records: None, clause: String::new(), variables: Variables::new(), residual: Vec::new() },
        };
        let order = query.sort.as_ref().map_or(Some(Order::by_id()), |sort| Order::by_column(table, sort));
        match order {
            Some(order) if plan.residual.is_empty() && plan.records.is_some() => {
                self.page_of_records::<R>(table, &plan, order, query).await
            }
            Some(order) if plan.residual.is_empty() => self.page::<R>(table, &plan, order, query).await,
            _ => self.scan::<R>(table, &plan, query).await,
        }
    }

    async fn groups_of_members(&self, filter: &Resolved<'_>) -> Result<GroupsOfMembers, StoreError> {
        let mut members = Vec::new();
        member_ids(filter, &mut members);
        let mut groups_of = GroupsOfMembers::new();
        for text in members {
            let Some(member) = id::parse(text) else { continue };
            let query = self
                .0
                .query("SELECT VALUE type::record('group', group) FROM member WHERE member = $member")
                .bind(("member", uuid(member)));
            let groups: Vec<RecordId> = settle(query.await?)?.take(0)?;
            groups_of.insert(text.to_owned(), groups);
        }
        Ok(groups_of)
    }

    /// The database does it all: one statement counts, one answers the page.
    async fn page<R: Row<Entity: Listed>>(
        &self,
        table: Table,
        plan: &Plan<'_, '_>,
        order: Order,
        query: &Query<'_, '_>,
    ) -> Result<Found<R::Entity>, Error> {
        let page = query.page;
        let name = table.name();
        let condition = condition(plan);
        let known = if table == Table::User && condition.is_empty() { self.roster_total().await? } else { None };
        let count = match known {
            Some(total) => format!("[{{ count: {total} }}];"),
            None => format!("SELECT count() FROM {name}{condition} GROUP ALL;"),
        };
        let after = query.after();
        let order = if after.is_some() { order.to_go_on(table, plan) } else { order };
        let rest = condition_after(plan, after.map(|_| order));
        let columns = if query.is_read_in_parts() { order.columns() } else { "*" };
        let rows =
            format!("SELECT {columns} FROM {name}{rest} ORDER BY {} LIMIT $count START $offset;", order.clause());
        // Nothing to show: the count alone.
        let text = if page.count == 0 { count } else { count + &rows };
        let asked = self
            .0
            .query(text)
            .bind(plan.variables.clone())
            .bind(("count", i64::try_from(query.limit()).unwrap_or(i64::MAX)))
            .bind(("offset", i64::try_from(page.offset()).unwrap_or(i64::MAX)))
            .bind(("after", after.map(|after| RecordId::new(name, uuid(after.id)))))
            .bind(("after_position", after.map(|after| uuid(after.id))))
            .bind(("after_key", after.and_then(|after| after.key.as_ref()).map(column_value)));
        let mut results = settle(asked.await?)?;
        let total: Option<i64> = results.take((0, "count")).map_err(StoreError::from)?;
        let total = total.and_then(|total| u64::try_from(total).ok()).unwrap_or(0);
        if query.is_read_in_parts() {
            let ids: Vec<RecordId> = results.take((1, "id")).map_err(StoreError::from)?;
            let (page, next) = self.page_in_parts::<R>(&ids, query).await?;
            return Ok(Found { total, page, next });
        }
        let rows: Vec<R> = if page.count == 0 { Vec::new() } else { results.take(1).map_err(StoreError::from)? };
        let entities: Result<Vec<_>, StoreError> = rows.into_iter().map(Row::into_entity).collect();
        let (page, next) = query.cut(entities?);
        Ok(Found { total, page, next })
    }

    /// Reads the rows of a page in this order, some at a time, until the page is full. Those that are gone are left out.
    async fn page_in_parts<R: Row<Entity: Listed>>(
        &self,
        ids: &[RecordId],
        query: &Query<'_, '_>,
    ) -> Result<(Vec<R::Entity>, Option<Position>), Error> {
        let count = usize::try_from(query.page.count).unwrap_or(usize::MAX).min(ids.len());
        let mut page: Vec<R::Entity> = Vec::with_capacity(count);
        let mut budget = ByteBudget::new(query.bytes);
        let mut is_more = ids.len() > count;
        'parts: for part in ids[..count].chunks(usize::try_from(ROWS_AT_ONCE).unwrap_or(1)) {
            let asked = self.0.query("SELECT * FROM $records").bind(("records", part.to_vec()));
            let rows: Vec<R> = settle(asked.await?)?.take(0).map_err(StoreError::from)?;
            let entities: Result<Vec<_>, StoreError> = rows.into_iter().map(Row::into_entity).collect();
            let mut known: HashMap<uuid::Uuid, R::Entity> =
                entities?.into_iter().map(|entity| (entity.record_key(), entity)).collect();
            for id in part {
                let Some(entity) = known.remove(&key(id)?) else { continue };
                if !budget.takes(entity.bytes()) {
                    is_more = true;
                    break 'parts;
                }
                page.push(entity);
            }
        }
        let whole = page.len();
        Ok(query.ended(page, whole, is_more))
    }

    /// The filter names the records: they are few, and counted here (the engine counts tables only).
    async fn page_of_records<R: Row<Entity: Listed>>(
        &self,
        table: Table,
        plan: &Plan<'_, '_>,
        order: Order,
        query: &Query<'_, '_>,
    ) -> Result<Found<R::Entity>, Error> {
        let text = format!("SELECT * FROM {}{} ORDER BY {}", source(table, plan), condition(plan), order.clause());
        let asked = self.0.query(text).bind(plan.variables.clone()).bind(("records", plan.records.clone()));
        let rows: Vec<R> = settle(asked.await?)?.take(0).map_err(StoreError::from)?;
        let total = rows.len() as u64;
        let offset = usize::try_from(query.page.offset()).unwrap_or(usize::MAX);
        let count = usize::try_from(query.limit()).unwrap_or(usize::MAX);
        let mut entities = rows.into_iter().map(Row::into_entity).collect::<Result<Vec<_>, StoreError>>()?;
        entities.retain(|entity| query.is_after(entity));
        let (page, next) = query.cut(entities.into_iter().skip(offset).take(count).collect());
        Ok(Found { total, page, next })
    }

    /// Rows are read in order of id, chunk by chunk, and evaluated by the scim crate.
    async fn scan<R: Row<Entity: Listed>>(
        &self,
        table: Table,
        plan: &Plan<'_, '_>,
        query: &Query<'_, '_>,
    ) -> Result<Found<R::Entity>, Error> {
        let mut collector = Collector::new(query);
        let mut after: Option<uuid::Uuid> = None;
        let mut scanned = 0;
        loop {
            let chunk = self.chunk::<R>(table, plan, after).await?;
            let full = chunk.len() == CHUNK;
            scanned += chunk.len() as u64;
            if scanned > query.max_scanned {
                let detail =
                    format!("more than {} resources would have to be searched: narrow the filter", query.max_scanned);
                return Err(scim::Error::new(ScimType::TooMany, detail).into());
            }
            after = chunk.last().map(Listed::record_key);
            let mut memberships = self.memberships_for(table, plan, query, &chunk).await?;
            for entity in chunk {
                let groups = memberships.remove(&UserId::new(entity.record_key())).unwrap_or_default();
                let object = entity.searchable(&groups);
                if plan.residual.iter().all(|part| part.matches(&object)) {
                    collector.add(entity, &object);
                }
            }
            if !full {
                break;
            }
        }
        self.collected::<R>(table, collector).await
    }

    async fn chunk<R: Row>(
        &self,
        table: Table,
        plan: &Plan<'_, '_>,
        after: Option<uuid::Uuid>,
    ) -> Result<Vec<R::Entity>, StoreError> {
        let order = Order::by_id().to_go_on(table, plan);
        let condition = condition_after(plan, after.map(|_| order));
        let text =
            format!("SELECT * FROM {}{condition} ORDER BY {} LIMIT {CHUNK}", source(table, plan), order.clause());
        let query = self
            .0
            .query(text)
            .bind(plan.variables.clone())
            .bind(("records", plan.records.clone()))
            .bind(("after", after.map(|after| RecordId::new(table.name(), uuid(after)))))
            .bind(("after_position", after.map(uuid)));
        let rows: Vec<R> = settle(query.await?)?.take(0)?;
        rows.into_iter().map(Row::into_entity).collect()
    }

    /// The groups of a chunk of users, where the filter or the order asks for them.
    async fn memberships_for<E: Listed>(
        &self,
        table: Table,
        plan: &Plan<'_, '_>,
        query: &Query<'_, '_>,
        chunk: &[E],
    ) -> Result<HashMap<UserId, Vec<Membership>>, StoreError> {
        let filtered = plan.residual.iter().any(|part| part.mentions("groups"));
        let sorted = query.sort.as_ref().is_some_and(|sort| sort.target.attribute.name == "groups");
        if table == Table::Group || !(filtered || sorted) {
            return Ok(HashMap::new());
        }
        let users: Vec<UserId> = chunk.iter().map(|entity| UserId::new(entity.record_key())).collect();
        self.memberships_of(&users).await
    }

    async fn collected<R: Row<Entity: Listed>>(
        &self,
        table: Table,
        collector: Collector<'_, '_, R::Entity>,
    ) -> Result<Found<R::Entity>, Error> {
        let total = collector.total;
        if collector.query.sort.is_none() {
            let (page, next) = collector.query.cut(collector.window);
            return Ok(Found { total, page, next });
        }
        let query = collector.query;
        let places = collector.into_sorted_places();
        let records: Vec<RecordId> = places.iter().map(|(_, id)| RecordId::new(table.name(), uuid(*id))).collect();
        let (page, next) = self.page_in_parts::<R>(&records, query).await?;
        // By what it was sorted: the row alone does not know its groups.
        let next = next.and_then(|next| places.into_iter().find(|(_, id)| *id == next.id));
        Ok(Found { total, page, next: next.map(|(key, id)| Position { key, id }) })
    }
}

/// What is kept while rows pass by: the page itself, or of each match its place in the order.
struct Collector<'q, 's, E> {
    query: &'q Query<'q, 's>,
    total: u64,
    /// How many of those that match come after where the page begins.
    passed: u64,
    window: Vec<E>,
    budget: ByteBudget,
    is_full: bool,
    keys: Vec<(Option<Key>, uuid::Uuid)>,
}

impl<'q, 's, E: Listed> Collector<'q, 's, E> {
    fn new(query: &'q Query<'q, 's>) -> Self {
        let budget = ByteBudget::new(query.bytes);
        Self { query, total: 0, passed: 0, window: Vec::new(), budget, is_full: false, keys: Vec::new() }
    }

    fn add(&mut self, entity: E, object: &Map<String, Json>) {
        self.total += 1;
        if let Some(sort) = &self.query.sort {
            self.keys.push((Some(sort.key(object)), entity.record_key()));
            return;
        }
        if !self.query.is_after(&entity) {
            return;
        }
        if self.passed >= self.query.page.offset() && (self.window.len() as u64) < self.query.limit() && !self.is_full {
            // The one that is too much is kept: it says that there is more.
            self.is_full = !self.budget.takes(entity.bytes());
            self.window.push(entity);
        }
        self.passed += 1;
    }

    /// The places of the page in their order, and of one more where it has to be known whether there is one.
    fn into_sorted_places(mut self) -> Vec<(Option<Key>, uuid::Uuid)> {
        let query = self.query;
        self.keys.sort_by(|left, right| query.compare((&left.0, left.1), (&right.0, right.1)));
        if let Some(after) = query.after() {
            self.keys.retain(|(key, id)| query.compare((key, *id), (&after.key, after.id)) == Ordering::Greater);
        }
        let offset = usize::try_from(query.page.offset()).unwrap_or(usize::MAX);
        let count = usize::try_from(query.limit()).unwrap_or(usize::MAX);
        self.keys.into_iter().skip(offset).take(count).collect()
    }
}

/// A key as its column holds it.
fn column_value(key: &Key) -> surrealdb::types::Value {
    match key {
        Key::Text(text) => text.clone().into_value(),
        Key::Instant(instant) => instant.timestamp_millis().into_value(),
        Key::Number(_) | Key::Boolean(_) | Key::Missing => surrealdb::types::Value::None,
    }
}

/// An order the database keeps; ties by id.
#[derive(Clone, Copy)]
struct Order {
    column: &'static str,
    descending: bool,
}

impl Order {
    fn by_id() -> Self {
        Self { column: "id", descending: false }
    }

    fn by_column(table: Table, sort: &Sort<'_>) -> Option<Self> {
        Some(Self { column: table.sort_column(sort)?, descending: sort.descending })
    }

    /// The record and what it is sorted by: all that can be ordered by has to be selected.
    fn columns(self) -> &'static str {
        match self.column {
            "position" => "id, position",
            "user_name_key" => "id, user_name_key",
            "display_name_key" => "id, display_name_key",
            "last_modified" => "id, last_modified",
            "created" => "id, created",
            _ => "id",
        }
    }

    /// The same order, where the whole table is gone on with: the index finds the place, which the id does not.
    fn to_go_on(self, table: Table, plan: &Plan<'_, '_>) -> Self {
        let is_whole = plan.clause.is_empty() && plan.records.is_none() && self.column == "id";
        if table == Table::User && is_whole { Self { column: "position", ..self } } else { self }
    }

    /// What comes after `$after_key` and `$after`.
    fn after(self) -> String {
        let further = if self.descending { "<" } else { ">" };
        let column = self.column;
        match column {
            "id" => return format!("id {further} $after"),
            "position" => return format!("position {further} $after_position"),
            _ => {}
        }
        format!("({column} {further} $after_key OR ({column} = $after_key AND id > $after))")
    }

    fn clause(self) -> String {
        let direction = if self.descending { " DESC" } else { "" };
        match self.column {
            column @ ("id" | "position") => format!("{column}{direction}"),
            column => format!("{column}{direction}, id"),
        }
    }
}

fn source(table: Table, plan: &Plan<'_, '_>) -> &'static str {
    if plan.records.is_some() { "$records" } else { table.name() }
}

/// The condition, and that a row comes after a place in this order.
fn condition_after(plan: &Plan<'_, '_>, order: Option<Order>) -> String {
    let condition = condition(plan);
    let Some(order) = order else { return condition };
    let joint = if condition.is_empty() { " WHERE " } else { " AND " };
    format!("{condition}{joint}{}", order.after())
}

fn condition(plan: &Plan<'_, '_>) -> String {
    if plan.clause.is_empty() { String::new() } else { format!(" WHERE {}", plan.clause) }
}
