//! Filters (RFC 7644 §3.4.2.2): parse, resolve against a schema, match, print. Rules C46–C56.

mod matches;
mod parse;
mod print;
mod resolve;

use serde_json::Number;

pub(crate) use matches::{is_present, values};
pub(crate) use parse::parse_path;
pub use parse::{MAX_DEPTH, MAX_LENGTH, MAX_TERMS, parse, parse_search};
pub use resolve::{Check, Operand, Resolved, Test, resolve};
pub(crate) use resolve::{boolean, comparable, instant, is_instant, resolve_element};

use crate::path::AttributePath;

/// A filter as written, nothing looked up.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// All of them hold. At least two.
    And(Vec<Filter>),
    /// Any of them holds. At least two.
    Or(Vec<Filter>),
    /// It does not hold.
    Not(Box<Filter>),
    /// `path op literal`.
    Compare(AttributePath, Operator, Literal),
    /// `path pr`.
    Present(AttributePath),
    /// `path[filter]`: one and the same value meets the inner filter (C48).
    Element(AttributePath, Box<Filter>),
}

/// How an attribute is compared with a literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// Equal.
    Eq,
    /// Not equal; true where there is no value.
    Ne,
    /// Contains.
    Co,
    /// Starts with.
    Sw,
    /// Ends with.
    Ew,
    /// Greater than.
    Gt,
    /// Greater or equal.
    Ge,
    /// Less than.
    Lt,
    /// Less or equal.
    Le,
}

impl Operator {
    /// All operators that take a literal.
    pub const ALL: [Self; 9] =
        [Self::Eq, Self::Ne, Self::Co, Self::Sw, Self::Ew, Self::Gt, Self::Ge, Self::Lt, Self::Le];

    /// The keyword.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Eq => "eq",
            Self::Ne => "ne",
            Self::Co => "co",
            Self::Sw => "sw",
            Self::Ew => "ew",
            Self::Gt => "gt",
            Self::Ge => "ge",
            Self::Lt => "lt",
            Self::Le => "le",
        }
    }
}

/// A JSON literal of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// A JSON string.
    Text(String),
    /// A JSON number.
    Number(Number),
    /// `true` or `false`.
    Boolean(bool),
    /// `null`.
    Null,
}
