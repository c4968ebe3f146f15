//! Text to syntax. Recursion is bounded by [`MAX_DEPTH`], work by [`MAX_LENGTH`] and [`MAX_TERMS`] (C55, DO-02).

use std::str::FromStr;

use serde_json::{Number, Value};

use super::{Filter, Literal, Operator};
use crate::path::{AttributePath, PatchPath};
use crate::{Error, Reading, Tolerance};

/// The longest filter, in bytes.
pub const MAX_LENGTH: usize = 8 * 1024;
/// How deep groups, `not` and value paths may nest.
pub const MAX_DEPTH: usize = 32;
/// How many comparisons one filter may have.
pub const MAX_TERMS: usize = 100;
/// The characters that end a value without quotation marks.
const END_OF_WORD: [char; 8] = [' ', '\t', '\r', '\n', '(', ')', '[', ']'];

/// Parses a filter (RFC 7644 §3.4.2.2).
///
/// Operators and attribute names are read without regard to case; values keep theirs. `and` binds tighter than `or`.
/// Names are not looked up here: that is [`super::resolve`].
///
/// # Errors
///
/// `invalidFilter` with what was expected and the byte offset, also beyond [`MAX_LENGTH`], [`MAX_DEPTH`], [`MAX_TERMS`].
///
/// ```
/// let filter = scim::filter::parse(r#"userName sw "a" and active eq true"#)?;
/// assert_eq!(filter.to_string(), r#"userName sw "a" and active eq true"#);
/// # Ok::<(), scim::Error>(())
/// ```
pub fn parse(text: &str) -> Result<Filter, Error> {
    let mut parser = Parser::new(text)?;
    let filter = parser.disjunction(0)?;
    parser.end()?;
    Ok(filter)
}

/// Parses the filter of a search as its reading allows: the lenient dialects take a value without quotation marks.
///
/// The path of a PATCH operation is never read so: there a value that was cut short would decide what a write touches.
///
/// # Errors
///
/// As [`parse`].
pub fn parse_search(text: &str, reading: &mut Reading) -> Result<Filter, Error> {
    let mut parser = Parser { unquoted: Unquoted::Taken, ..Parser::new(text)? };
    let filter = parser.disjunction(0)?;
    parser.end()?;
    if parser.unquoted == Unquoted::Met && !reading.tolerates(Tolerance::UnquotedValue) {
        return parse(text);
    }
    Ok(filter)
}

/// Parses the path of a PATCH operation: `name`, `name.sub`, `name[filter]`, `name[filter].sub`.
pub(crate) fn parse_path(text: &str) -> Result<PatchPath, Error> {
    let as_path = |error: Error| Error::path(format!("path: {error}"));
    let mut parser = Parser::new(text).map_err(as_path)?;
    let path = parser.patch_path().map_err(as_path)?;
    parser.end().map_err(as_path)?;
    Ok(path)
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    terms: usize,
    unquoted: Unquoted,
}

/// Values without quotation marks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unquoted {
    /// They are an error.
    Refused,
    /// They are taken as text.
    Taken,
    /// They are taken as text, and there was one.
    Met,
}

impl<'t> Parser<'t> {
    fn new(text: &'t str) -> Result<Self, Error> {
        if text.len() > MAX_LENGTH {
            return Err(Error::filter(format!("longer than {MAX_LENGTH} bytes")));
        }
        Ok(Self { text, at: 0, terms: 0, unquoted: Unquoted::Refused })
    }

    fn expected<T>(&self, what: &str) -> Result<T, Error> {
        Err(Error::filter(format!("expected {what} at byte {}", self.at)))
    }

    fn deeper(depth: usize) -> Result<usize, Error> {
        if depth >= MAX_DEPTH { Err(Error::filter(format!("nested deeper than {MAX_DEPTH}"))) } else { Ok(depth + 1) }
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn skip_spaces(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start_matches([' ', '\t']).len();
    }

    fn eat(&mut self, symbol: char) -> bool {
        let found = self.rest().starts_with(symbol);
        if found {
            self.at += symbol.len_utf8();
        }
        found
    }

    /// The next word (names, operators, numbers), not consumed.
    fn peek_word(&self) -> &'t str {
        let rest = self.rest();
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+' | '.' | ':' | '$');
        &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())]
    }

    fn eat_keyword(&mut self, keyword: &str) -> bool {
        let found = self.peek_word().eq_ignore_ascii_case(keyword);
        if found {
            self.at += keyword.len();
        }
        found
    }

    fn end(&mut self) -> Result<(), Error> {
        self.skip_spaces();
        if self.rest().is_empty() { Ok(()) } else { self.expected("'and', 'or' or the end") }
    }

    fn disjunction(&mut self, depth: usize) -> Result<Filter, Error> {
        self.chain(depth, "or", Filter::Or, Self::conjunction)
    }

    fn conjunction(&mut self, depth: usize) -> Result<Filter, Error> {
        self.chain(depth, "and", Filter::And, Self::factor)
    }

    fn chain(
        &mut self,
        depth: usize,
        keyword: &str,
        join: fn(Vec<Filter>) -> Filter,
        part: fn(&mut Self, usize) -> Result<Filter, Error>,
    ) -> Result<Filter, Error> {
        let first = part(self, depth)?;
        let mut parts = vec![first];
        loop {
            self.skip_spaces();
            if !self.eat_keyword(keyword) {
                break;
            }
            parts.push(part(self, depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { join(parts) })
    }

    fn factor(&mut self, depth: usize) -> Result<Filter, Error> {
        self.skip_spaces();
        if self.eat('(') {
            return self.group(depth);
        }
        let before = self.at;
        if self.eat_keyword("not") {
            self.skip_spaces();
            if self.eat('(') {
                return Ok(Filter::Not(Box::new(self.group(depth)?)));
            }
            // An attribute may be called "not"; nothing else may follow the operator (RFC 7644 figure 1).
            self.at = before;
        }
        self.term(depth)
    }

    /// The inside of parentheses, the closing one included.
    fn group(&mut self, depth: usize) -> Result<Filter, Error> {
        let filter = self.disjunction(Self::deeper(depth)?)?;
        self.skip_spaces();
        if self.eat(')') { Ok(filter) } else { self.expected("')'") }
    }

    fn term(&mut self, depth: usize) -> Result<Filter, Error> {
        self.terms += 1;
        if self.terms > MAX_TERMS {
            return Err(Error::filter(format!("more than {MAX_TERMS} comparisons")));
        }
        let path = self.attribute_path()?;
        if !self.eat('[') {
            return self.comparison(path);
        }
        let inner = self.element_filter(depth)?;
        // `emails[type eq "work"].value eq "x"` is outside the RFC's grammar; Entra sends it (C52).
        let Some(sub) = self.sub_attribute()? else {
            return Ok(Filter::Element(path, Box::new(inner)));
        };
        let compared = self.comparison(sub)?;
        let both = match inner {
            Filter::And(mut parts) => {
                parts.push(compared);
                Filter::And(parts)
            }
            other => Filter::And(vec![other, compared]),
        };
        Ok(Filter::Element(path, Box::new(both)))
    }

    fn element_filter(&mut self, depth: usize) -> Result<Filter, Error> {
        let inner = self.disjunction(Self::deeper(depth)?)?;
        self.skip_spaces();
        if self.eat(']') { Ok(inner) } else { self.expected("']'") }
    }

    fn sub_attribute(&mut self) -> Result<Option<AttributePath>, Error> {
        if !self.eat('.') {
            return Ok(None);
        }
        match self.attribute_path()? {
            path if path.urn.is_none() && path.sub.is_none() => Ok(Some(path)),
            _ => self.expected("a sub-attribute before this"),
        }
    }

    fn attribute_path(&mut self) -> Result<AttributePath, Error> {
        let word = self.peek_word();
        match AttributePath::split(word) {
            Some(path) => {
                self.at += word.len();
                Ok(path)
            }
            None => self.expected("an attribute name"),
        }
    }

    fn comparison(&mut self, path: AttributePath) -> Result<Filter, Error> {
        self.skip_spaces();
        if self.eat_keyword("pr") {
            return Ok(Filter::Present(path));
        }
        let Some(operator) = Operator::ALL.into_iter().find(|operator| self.eat_keyword(operator.as_str())) else {
            return self.expected("one of eq, ne, co, sw, ew, pr, gt, ge, lt, le");
        };
        self.skip_spaces();
        Ok(Filter::Compare(path, operator, self.literal()?))
    }

    fn literal(&mut self) -> Result<Literal, Error> {
        if self.rest().starts_with('"') {
            return self.text_literal();
        }
        let word = self.rest().split(END_OF_WORD).next().unwrap_or_default();
        let literal = match Value::from_str(word) {
            Ok(Value::Bool(value)) => Literal::Boolean(value),
            Ok(Value::Null) => Literal::Null,
            Ok(Value::Number(number)) => Literal::Number(nearest(word, number)),
            _ => self.unquoted_literal(word)?,
        };
        self.at += word.len();
        Ok(literal)
    }

    /// A word that is no JSON value, where it is taken as text. A keyword is none: the value before it is missing.
    fn unquoted_literal(&mut self, word: &str) -> Result<Literal, Error> {
        let is_keyword = ["and", "or", "not"].iter().any(|keyword| keyword.eq_ignore_ascii_case(word));
        let is_quoted = word.starts_with('\'') || word.contains(['"', '\\', '\0']);
        if self.unquoted == Unquoted::Refused || word.is_empty() || is_keyword || is_quoted {
            return self.expected("a JSON string, number, true, false or null");
        }
        self.unquoted = Unquoted::Met;
        Ok(Literal::Text(word.to_owned()))
    }

    fn text_literal(&mut self) -> Result<Literal, Error> {
        let rest = self.rest();
        let mut escaped = false;
        let closing = rest.char_indices().skip(1).find(|(_, c)| {
            let closes = *c == '"' && !escaped;
            escaped = *c == '\\' && !escaped;
            closes
        });
        let Some((closing, _)) = closing else {
            return self.expected("a closing '\"' for the string");
        };
        match serde_json::from_str::<String>(&rest[..=closing]) {
            Ok(text) if !text.contains('\0') => {
                self.at += closing + 1;
                Ok(Literal::Text(text))
            }
            _ => self.expected("a valid JSON string"),
        }
    }

    fn patch_path(&mut self) -> Result<PatchPath, Error> {
        let mut attribute = self.attribute_path()?;
        if !self.eat('[') {
            return Ok(PatchPath { attribute, filter: None });
        }
        if attribute.sub.is_some() {
            return self.expected("a filter on the attribute, not on a sub-attribute, before this");
        }
        let filter = self.element_filter(0)?;
        attribute.sub = self.sub_attribute()?.map(|sub| sub.name);
        Ok(PatchPath { attribute, filter: Some(filter) })
    }
}

/// The number nearest to the text: the JSON reader is a bit off for some fractions, the standard library is not.
fn nearest(text: &str, number: Number) -> Number {
    let fraction = number.is_f64().then(|| text.parse().ok().and_then(Number::from_f64)).flatten();
    fraction.unwrap_or(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dialect, ScimType};

    fn printed(text: &str) -> String {
        parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).to_string()
    }

    fn refused(text: &str) {
        let error = parse(text).expect_err(text);
        assert_eq!(error.scim_type(), Some(ScimType::InvalidFilter), "{text}");
    }

    #[test]
    fn c46_the_grammar() {
        for text in [
            r#"userName eq "bjensen""#,
            r#"name.familyName co "O'Malley""#,
            "title pr",
            r#"meta.lastModified gt "2011-05-13T04:42:34Z""#,
            r#"title pr and userType eq "Employee""#,
            r#"title pr or userType eq "Intern""#,
            r#"userType eq "Employee" and (emails co "example.com" or emails.value co "example.org")"#,
            r#"userType ne "Employee" and not (emails co "example.com")"#,
            r#"emails[type eq "work" and value co "@example.com"]"#,
            r#"emails[type eq "work"] or ims[type eq "xmpp" and value co "@foo.com"]"#,
            "active eq true",
            "logins ge 3",
            "manager eq null",
            r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq "x""#,
        ] {
            assert_eq!(printed(text), text);
        }
        assert_eq!(printed(r#"USERNAME EQ "a" AND NOT(title PR)"#), r#"USERNAME eq "a" and not (title pr)"#);
    }

    #[test]
    fn c47_and_binds_tighter_than_or() {
        let filter = parse("a eq 1 or b eq 2 and c eq 3").expect("valid");
        let Filter::Or(parts) = filter else { panic!("an 'or' outside") };
        assert!(matches!(parts[1], Filter::And(_)));
    }

    #[test]
    fn c52_a_sub_attribute_behind_a_value_path_moves_inside() {
        assert_eq!(printed(r#"emails[type eq "work"].value eq "x""#), r#"emails[type eq "work" and value eq "x"]"#);
    }

    #[test]
    fn c55_what_is_not_a_filter_is_refused() {
        for text in [
            "",
            " ",
            "userName",
            "userName eq",
            "userName eq bjensen",
            "userName eq \"x",
            "userName is \"x\"",
            "(userName pr",
            "userName pr)",
            "not userName pr",
            "userName pr and",
            "and userName pr",
            "a..b pr",
            "emails[type eq \"work\"",
            "emails[] pr",
            "userName eq \"a\" userName eq \"b\"",
            "userName eq 'a'",
            "userName eq \"\\u0000\"",
            "userName eq \"\\ud800\"",
            "members[0]",
            "userName eq True",
            "a eq 1e999",
            "emails[type eq \"x\"].value.x eq \"y\"",
            "userName eq \"x\" or true",
        ] {
            refused(text);
        }
    }

    /// A17.
    #[test]
    fn a_search_may_leave_out_quotation_marks_in_the_lenient_dialects() {
        for (sent, meant) in [
            ("userName eq ren0", r#"userName eq "ren0""#),
            ("userName sw O", r#"userName sw "O""#),
            ("userName eq ada@b.example", r#"userName eq "ada@b.example""#),
            ("userName eq 5@b.example", r#"userName eq "5@b.example""#),
            ("name.familyName eq O'Malley", r#"name.familyName eq "O'Malley""#),
            ("meta.created gt 2015-05-13T04:42:34Z", r#"meta.created gt "2015-05-13T04:42:34Z""#),
            (
                "(title eq a or title eq b) and not (title eq c)",
                r#"(title eq "a" or title eq "b") and not (title eq "c")"#,
            ),
            ("emails[type eq work]", r#"emails[type eq "work"]"#),
        ] {
            let mut reading = Reading::new(Dialect::Auto);
            let read = parse_search(sent, &mut reading).unwrap_or_else(|error| panic!("{sent}: {error}"));
            assert_eq!(read.to_string(), meant);
            assert!(reading.used().contains(&Tolerance::UnquotedValue), "{sent}");
            assert!(parse_search(sent, &mut Reading::new(Dialect::Rfc)).is_err(), "{sent}");
            refused(sent);
        }
        for sent in ["active eq true", "logins ge 3", "manager eq null", r#"userName eq "ren0""#] {
            let mut reading = Reading::new(Dialect::Auto);
            assert_eq!(parse_search(sent, &mut reading), parse(sent));
            assert!(reading.used().is_empty(), "{sent}");
        }
        for sent in [
            "userName eq",
            "userName eq and title pr",
            "userName eq 'a'",
            r#"userName eq a"b"#,
            "userName eq ren0 ren1",
            "userName eq ren0)",
            "not userName eq a",
        ] {
            assert!(parse_search(sent, &mut Reading::new(Dialect::Auto)).is_err(), "{sent}");
        }
        assert!(PatchPath::parse("emails[type eq work]").is_err(), "a path decides what a write touches");
    }

    #[test]
    fn do02_length_depth_and_terms_are_bounded() {
        refused(&"(".repeat(10_000));
        refused(&"(".repeat(8_000));
        refused(&"not(".repeat(2_000));
        refused(&format!("userName eq \"{}\"", "x".repeat(MAX_LENGTH)));
        let nested = |depth: usize| format!("{}a pr{}", "(".repeat(depth), ")".repeat(depth));
        assert!(parse(&nested(MAX_DEPTH)).is_ok());
        refused(&nested(MAX_DEPTH + 1));
        let terms = |count: usize| vec!["a pr"; count].join(" or ");
        assert!(parse(&terms(MAX_TERMS)).is_ok());
        refused(&terms(MAX_TERMS + 1));
    }

    #[test]
    fn c78_a_malformed_path_is_refused() {
        for text in [
            "",
            "emails[bad",
            "emails[0]",
            "emails[type eq \"work\"].value.x.y",
            "a.b.c",
            "emails[type eq \"a\"] x",
            "members[value eq \"x\"] or true",
            "name.givenName[type eq \"x\"]",
            "emails[type eq \"work\"]value",
            " ",
        ] {
            let error = PatchPath::parse(text).expect_err(text);
            assert_eq!(error.scim_type(), Some(ScimType::InvalidPath), "{text}");
        }
        let path = PatchPath::parse(r#"addresses[type eq "work"].locality"#).expect("valid");
        assert_eq!(path.attribute.to_string(), "addresses.locality");
        assert!(path.filter.is_some());
    }
}
