//! How much one PATCH may look at.

use serde_json::Value;

use crate::Error;

/// How many values one PATCH may look at: each comparison of a stored value with a value path, and each element of a list that
/// is read or changed.
///
/// Operations and elements multiply where a filter chooses by anything but `value`. A million comparisons take about a tenth of
/// a second; Entra's and Okta's requests make a few hundred.
pub const MAX_COMPARISONS: u64 = 1_000_000;

/// A text of so many bytes costs about as much to copy as a value costs to compare.
const BYTES_OF_A_SHORT_VALUE: usize = 64;

/// Counts the values that a PATCH looks at.
#[derive(Debug, Default)]
pub(super) struct Work(u64);

impl Work {
    /// # Errors
    ///
    /// 413 beyond [`MAX_COMPARISONS`].
    pub(super) fn spend(&mut self, comparisons: usize) -> Result<(), Error> {
        self.0 = self.0.saturating_add(comparisons as u64);
        if self.0 > MAX_COMPARISONS {
            let detail =
                format!("at most {MAX_COMPARISONS} values can be looked at in one request: send fewer operations");
            return Err(Error::too_large(detail));
        }
        Ok(())
    }

    /// Counts a value that is copied: the lists within it and its long texts weigh more.
    ///
    /// # Errors
    ///
    /// As [`Work::spend`].
    pub(super) fn copy(&mut self, value: &Value) -> Result<(), Error> {
        self.spend(weight(value) + 1)
    }

    pub(super) fn done(&self) -> u64 {
        self.0
    }
}

/// How many short values a value costs to copy, besides one.
pub(super) fn weight(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() / BYTES_OF_A_SHORT_VALUE,
        Value::Array(elements) => elements.iter().map(weight).fold(elements.len(), usize::saturating_add),
        Value::Object(parts) => parts.values().map(weight).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}
