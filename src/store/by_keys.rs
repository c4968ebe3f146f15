//! Rows of a table whose column is one of many keys.

use std::collections::BTreeSet;

use surrealdb::types::{SurrealValue, Variables};

use super::error::settle;
use super::{Bound, StoreError};

/// So many keys are looked up in an index at once; for one more the engine reads the whole table (SurrealDB 3.3.5).
const KEYS_AT_ONCE: usize = 32;

impl Bound {
    /// What a statement finds that asks for one column to be `IN $keys`, for as many keys as there are: one round trip.
    pub(super) async fn rows_by_keys<R, K>(
        &self,
        statement: &str,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<Vec<R>, StoreError>
    where
        R: SurrealValue,
        K: SurrealValue + Ord,
    {
        let mut keys = keys.into_iter().collect::<BTreeSet<K>>().into_iter().peekable();
        let (mut text, mut variables, mut statements) = (String::new(), Variables::new(), 0);
        while keys.peek().is_some() {
            let some: Vec<K> = keys.by_ref().take(KEYS_AT_ONCE).collect();
            text += &statement.replace("$keys", &format!("$keys_{statements}"));
            text.push(';');
            variables.insert(format!("keys_{statements}"), some);
            statements += 1;
        }
        if statements == 0 {
            return Ok(Vec::new());
        }
        let mut results = settle(self.query(text).bind(variables).await?)?;
        let mut rows = Vec::new();
        for number in 0..statements {
            rows.extend(results.take::<Vec<R>>(number)?);
        }
        Ok(rows)
    }
}
