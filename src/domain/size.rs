//! How much a resource and a list may take, in bytes of JSON: sizes that multiply are bounded where they arise.

use serde_json::{Map, Value};

use super::{Code, Error, Refusal};

/// How many bytes a value takes as JSON without spaces.
pub fn json_bytes(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(true) => 4,
        Value::Bool(false) => 5,
        Value::Number(number) => number.to_string().len(),
        Value::String(text) => text_bytes(text),
        Value::Array(elements) => list_bytes(elements.len(), elements.iter().map(json_bytes)),
        Value::Object(members) => object_bytes(members),
    }
}

/// How many bytes an object takes as JSON without spaces.
pub fn object_bytes(members: &Map<String, Value>) -> usize {
    list_bytes(members.len(), members.iter().map(|(name, value)| text_bytes(name) + 1 + json_bytes(value)))
}

/// How many bytes attributes take in the store, as far as they are limited. `active` is not counted: whoever is deactivated
/// has one byte more.
pub fn stored_bytes(attributes: &Map<String, Value>) -> usize {
    let active = attributes.get("active").map_or(0, |value| json_bytes(value) + "\"active\":,".len());
    object_bytes(attributes).saturating_sub(active)
}

/// Brackets, and commas between the elements.
fn list_bytes(count: usize, elements: impl Iterator<Item = usize>) -> usize {
    2 + count.saturating_sub(1) + elements.sum::<usize>()
}

/// How many bytes a text takes as JSON, quotation marks and escapes included.
pub fn text_bytes(text: &str) -> usize {
    let escapes: usize = text
        .bytes()
        .map(|byte| match byte {
            b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 1,
            0..0x20 => 5,
            _ => 0,
        })
        .sum();
    2 + text.len() + escapes
}

/// Refuses a resource that takes more than `limit` bytes. One that took more before may shrink, be deactivated, or keep its
/// size, so that a limit that comes later locks nobody in.
///
/// # Errors
///
/// [`Error::Refused`] with [`Code::LimitExceeded`].
pub fn check_growth(before: Option<usize>, after: usize, limit: usize) -> Result<(), Error> {
    if after <= limit || before.is_some_and(|before| after <= before) {
        return Ok(());
    }
    let message = format!("the resource would take {after} bytes: scim.resource_bytes allows {limit}");
    Err(Refusal::new(Code::LimitExceeded, message).with("limit", limit).into())
}

/// The remaining bytes of one list.
#[derive(Clone, Copy, Debug)]
pub struct ByteBudget {
    left: usize,
    is_begun: bool,
}

impl ByteBudget {
    /// So many bytes.
    pub fn new(bytes: usize) -> Self {
        Self { left: bytes, is_begun: false }
    }

    /// Whether one more resource of this size fits in; the first always does, so that a page is never empty.
    pub fn takes(&mut self, bytes: usize) -> bool {
        let fits = !self.is_begun || bytes <= self.left;
        self.is_begun = true;
        self.left = if fits { self.left.saturating_sub(bytes) } else { 0 };
        fits
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn sizes_are_those_of_the_json_that_is_written() {
        for value in [
            json!(null),
            json!([true, false, 1, -1.5, 1e300]),
            json!({}),
            json!({"a": [], "b": {"c": "d"}, "e\"": "\u{1}\u{8}\u{c}\n\r\t\\\u{7f}ä€😀"}),
        ] {
            assert_eq!(json_bytes(&value), value.to_string().len(), "{value}");
        }
    }

    /// A14, `decisions.md` 8.
    #[test]
    fn a_limit_refuses_growth_and_nothing_else() {
        for (before, after, is_fine) in [
            (None, 100, true),
            (None, 101, false),
            (Some(90), 101, false),
            (Some(200), 201, false),
            (Some(200), 200, true),
            (Some(200), 150, true),
        ] {
            assert_eq!(check_growth(before, after, 100).is_ok(), is_fine, "{before:?} to {after}");
        }
    }

    /// A14.
    #[test]
    fn a_budget_takes_the_first_resource_whatever_its_size() {
        let mut budget = ByteBudget::new(10);
        assert!(budget.takes(100));
        assert!(!budget.takes(1));
        let mut budget = ByteBudget::new(10);
        assert_eq!([4, 6, 1].map(|bytes| budget.takes(bytes)), [true, true, false]);
        let mut budget = ByteBudget::new(10);
        assert_eq!([4, 7, 1].map(|bytes| budget.takes(bytes)), [true, false, false], "nothing is left out in between");
    }
}
