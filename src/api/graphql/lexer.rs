//! The words of a GraphQL document, bounded in number and in how deep brackets go.

use super::GraphqlSettings;
use super::failure::Failure;

/// The refusal of a document that is too large in one respect.
pub(super) fn too_much(code: &'static str, what: &str, number: usize, limit: usize) -> Failure {
    Failure::new(code, format!("the document has {number} {what}, {limit} are allowed"))
        .with("what", what)
        .with("number", number)
        .with("limit", limit)
}

/// What kind of word it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Name,
    Punctuator,
    Value,
}

/// A word and where it begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'t> {
    pub(super) sort: Sort,
    pub(super) text: &'t str,
    pub(super) offset: usize,
}

/// Names, numbers, texts and punctuators; brackets are counted on the way.
pub(super) fn tokenize<'t>(text: &'t str, limits: &GraphqlSettings) -> Result<Vec<Token<'t>>, Failure> {
    let bytes = text.as_bytes();
    let mut tokens = Vec::new();
    let (mut at, mut open) = (0, 0_usize);
    while at < bytes.len() {
        let start = at;
        let sort = match bytes[at] {
            b' ' | b'\t' | b'\n' | b'\r' | b',' => {
                at += 1;
                continue;
            }
            b'#' => {
                at += bytes[at..].iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(bytes.len() - at);
                continue;
            }
            b'"' => {
                at = end_of_text(bytes, at).ok_or_else(|| malformed(text, start))?;
                Sort::Value
            }
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => {
                at += run(&bytes[at..], |byte| byte == b'_' || byte.is_ascii_alphanumeric());
                Sort::Name
            }
            b'-' | b'0'..=b'9' => {
                at += run(&bytes[at..], |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'+' | b'-'));
                Sort::Value
            }
            b'.' if bytes[at..].starts_with(b"...") => {
                at += 3;
                Sort::Punctuator
            }
            b'!' | b'$' | b'&' | b'(' | b')' | b':' | b'=' | b'@' | b'[' | b']' | b'{' | b'|' | b'}' => {
                at += 1;
                Sort::Punctuator
            }
            0xef if bytes[at..].starts_with("\u{feff}".as_bytes()) => {
                at += 3;
                continue;
            }
            _ => return Err(malformed(text, start)),
        };
        let token = Token { sort, text: &text[start..at], offset: start };
        match (sort, token.text) {
            (Sort::Punctuator, "(" | "[" | "{") => open += 1,
            (Sort::Punctuator, ")" | "]" | "}") => open = open.saturating_sub(1),
            _ => {}
        }
        if open > limits.nesting {
            return Err(too_much("COMPLEXITY_EXCEEDED", "brackets within brackets", open, limits.nesting));
        }
        tokens.push(token);
        if tokens.len() > limits.tokens {
            return Err(too_much("DOCUMENT_TOO_LARGE", "tokens", tokens.len(), limits.tokens));
        }
    }
    Ok(tokens)
}

fn run(bytes: &[u8], belongs: impl Fn(u8) -> bool) -> usize {
    bytes.iter().position(|byte| !belongs(*byte)).unwrap_or(bytes.len())
}

/// Where a text that begins at `start` ends; none if it does not.
fn end_of_text(bytes: &[u8], start: usize) -> Option<usize> {
    let is_block = bytes[start..].starts_with(b"\"\"\"");
    let mut at = start + if is_block { 3 } else { 1 };
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if is_block && bytes[at..].starts_with(b"\\\"\"\"") => at += 4,
            b'\\' if !is_block => at += 2,
            b'"' if is_block && bytes[at..].starts_with(b"\"\"\"") => return Some(at + 3),
            b'"' if !is_block => return Some(at + 1),
            b'\n' | b'\r' if !is_block => return None,
            _ => at += 1,
        }
    }
    None
}

/// The refusal of what is not GraphQL, with line and column.
pub(super) fn malformed(text: &str, offset: usize) -> Failure {
    let before = String::from_utf8_lossy(&text.as_bytes()[..offset.min(text.len())]);
    let line = before.split('\n').count();
    let column = before.rsplit('\n').next().map_or(0, str::len) + 1;
    Failure::new("GRAPHQL_PARSE_FAILED", format!("the document is not GraphQL: see line {line}, column {column}"))
        .with("line", line)
        .with("column", column)
}
