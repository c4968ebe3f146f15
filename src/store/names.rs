//! What people are called, in memory: part of a name is looked for in all of them at once. Read when it is first asked
//! for, and brought up to date before every answer: what changed since is read by time, and the number of users says
//! whether any are gone.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use surrealdb::types::{RecordId, SurrealValue};
use tokio::sync::Mutex;

use super::error::settle;
use super::users::key;
use super::{OrganizationStore, StoreError};

/// Users that are read at a time.
const CHUNK: usize = 5_000;
/// How far back changes are read again, in milliseconds: longer than any write takes, and than clocks of nodes differ.
const OVERLAP: i64 = 60_000;
/// Between two texts of one person: no search holds it.
const BETWEEN: char = '\u{1}';

/// What one user is called; folded.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Texts {
    /// What to call the person.
    pub(super) display: String,
    /// The user name.
    pub(super) user_name: String,
    /// Display, given, family and full name.
    names: String,
    /// Addresses.
    emails: String,
}

impl Texts {
    /// Whether one of the names holds this.
    pub(super) fn has_name(&self, part: &str) -> bool {
        self.names.contains(part)
    }

    /// Whether a name, an address or the user name holds this.
    pub(super) fn has(&self, part: &str) -> bool {
        self.names.contains(part) || self.user_name.contains(part) || self.emails.contains(part)
    }
}

/// Everybody's texts, in order of id.
pub(super) type Names = Arc<Vec<(uuid::Uuid, Arc<Texts>)>>;

/// The names of one organization's users.
#[derive(Default)]
pub(super) struct NameIndex(Mutex<State>);

#[derive(Default)]
struct State {
    names: Names,
    /// The latest change that was read.
    latest: i64,
    /// What was committed when it was read; none: it was not.
    commits: Option<u64>,
}

#[derive(SurrealValue)]
#[surreal(crate = "surrealdb::types")]
pub(super) struct TextRow {
    pub(super) id: RecordId,
    pub(super) user_name_key: String,
    pub(super) display_key: String,
    pub(super) email_keys: Vec<String>,
    pub(super) given: Option<String>,
    pub(super) family: Option<String>,
    pub(super) full: Option<String>,
    pub(super) last_modified: i64,
}

const COLUMNS: &str = "SELECT id, user_name_key, display_key, email_keys, attributes.name.givenName AS given, \
                       attributes.name.familyName AS family, attributes.name.formatted AS full, last_modified FROM user";

impl TextRow {
    pub(super) fn into_texts(self) -> Texts {
        let parts: Vec<String> =
            [self.given.as_deref(), self.family.as_deref()].into_iter().flatten().map(str::to_owned).collect();
        let whole = self.full.unwrap_or_else(|| parts.join(" "));
        let folded: Vec<String> = parts.iter().chain([&whole]).map(|text| scim::fold(text)).collect();
        let mut names = self.display_key.clone();
        for text in folded {
            names.push(BETWEEN);
            names.push_str(&text);
        }
        Texts {
            display: self.display_key,
            user_name: self.user_name_key,
            names,
            emails: self.email_keys.join(&BETWEEN.to_string()),
        }
    }
}

impl OrganizationStore {
    /// What everybody is called, as of now.
    pub(super) async fn names(&self) -> Result<Names, StoreError> {
        let mut state = self.2.0.lock().await;
        // What is committed while reading is read next time.
        let commits = self.0.shared.revision();
        if commits.is_some() && state.commits == commits {
            return Ok(state.names.clone());
        }
        let since = if state.names.is_empty() { None } else { Some(state.latest - OVERLAP) };
        let changed = self.read_texts(since).await?;
        let mut latest = state.latest;
        let mut new: HashMap<uuid::Uuid, Texts> = HashMap::with_capacity(changed.len());
        for row in changed {
            latest = latest.max(row.last_modified);
            new.insert(key(&row.id)?, row.into_texts());
        }
        let mut names = merge(&state.names, new);
        if self.count_users().await? != names.len() as u64 {
            let ids: Vec<RecordId> = settle(self.0.query("SELECT VALUE id FROM user").await?)?.take(0)?;
            let there: HashSet<uuid::Uuid> = ids.iter().map(key).collect::<Result<_, _>>()?;
            names = Arc::new(names.iter().filter(|(id, _)| there.contains(id)).cloned().collect());
        }
        *state = State { names: names.clone(), latest, commits };
        Ok(names)
    }

    async fn read_texts(&self, since: Option<i64>) -> Result<Vec<TextRow>, StoreError> {
        if let Some(since) = since {
            let text = format!("{COLUMNS} WHERE last_modified >= $since");
            return Ok(settle(self.0.query(text).bind(("since", since)).await?)?.take(0)?);
        }
        let mut all: Vec<TextRow> = Vec::new();
        let mut after = uuid::Uuid::nil();
        loop {
            let text = format!("{COLUMNS} WHERE position > $after ORDER BY position LIMIT {CHUNK}");
            let query = self.0.query(text).bind(("after", super::uuid(after)));
            let rows: Vec<TextRow> = settle(query.await?)?.take(0)?;
            if let Some(row) = rows.last() {
                after = key(&row.id)?;
            }
            let full = rows.len() == CHUNK;
            all.extend(rows);
            if !full {
                return Ok(all);
            }
        }
    }
}

/// What was known with what is new, in order of id.
fn merge(known: &Names, mut new: HashMap<uuid::Uuid, Texts>) -> Names {
    new.retain(|id, texts| match known.binary_search_by_key(id, |(id, _)| *id) {
        Ok(index) => *known[index].1 != *texts,
        Err(_) => true,
    });
    if new.is_empty() {
        return known.clone();
    }
    let mut all: Vec<(uuid::Uuid, Arc<Texts>)> = Vec::with_capacity(known.len() + new.len());
    all.extend(known.iter().filter(|(id, _)| !new.contains_key(id)).cloned());
    all.extend(new.into_iter().map(|(id, texts)| (id, Arc::new(texts))));
    all.sort_unstable_by_key(|(id, _)| *id);
    Arc::new(all)
}
