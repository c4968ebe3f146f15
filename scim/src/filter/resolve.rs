//! Syntax to meaning: names looked up in a schema, literals brought into the attribute's type.

use chrono::{DateTime, Utc};

use super::{Filter, Literal, Operator};
use crate::path::{AttributePath, Meaning, Target};
use crate::schema::{Attribute, Kind, Returned};
use crate::{Error, Reading, ResourceType, ScimType, Tolerance, fold};

/// A filter that fits a resource type: every comparison is possible, every literal has its attribute's type.
#[derive(Clone, Debug, PartialEq)]
pub enum Resolved<'s> {
    /// All of them hold.
    And(Vec<Resolved<'s>>),
    /// Any of them holds.
    Or(Vec<Resolved<'s>>),
    /// It does not hold.
    Not(Box<Resolved<'s>>),
    /// One check of one attribute.
    Test(Test<'s>),
    /// One and the same value of the attribute meets the inner filter, whose targets are its sub-attributes.
    Element(Target<'s>, Box<Resolved<'s>>),
    /// The same for every resource: a check of an attribute that nobody has.
    Constant(bool),
}

/// One check of one attribute; for a multi-valued one, any value suffices (C48).
#[derive(Clone, Debug, PartialEq)]
pub struct Test<'s> {
    /// What is looked at. Complex attributes are compared by their `value` (C51), which is then the target's `sub`.
    pub target: Target<'s>,
    /// What must be so.
    pub check: Check,
}

/// What a [`Test`] asks.
#[derive(Clone, Debug, PartialEq)]
pub enum Check {
    /// There is a non-empty value (C50).
    Present,
    /// A value compares so.
    Compare(Operator, Operand),
}

/// A literal in its attribute's type.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// As written where the attribute is case-exact, folded where it is not.
    Text(String),
    /// Any number.
    Number(f64),
    /// A boolean; only `eq` and `ne`.
    Boolean(bool),
    /// An instant; offsets do not count (C49).
    Instant(DateTime<Utc>),
}

/// Looks the names of a filter up and types its literals.
///
/// An attribute that the schemas do not have has no value in any resource: refused in the strict dialect, otherwise a
/// constant (C54).
///
/// # Errors
///
/// `invalidFilter` for a comparison that the attribute's type does not allow (C49, C51); `sensitive` for an attribute
/// that is never returned (SC-09).
pub fn resolve<'s>(filter: &Filter, kind: &'s ResourceType, reading: &mut Reading) -> Result<Resolved<'s>, Error> {
    Resolver { scope: Scope::Resource(kind), reading }.filter(filter)
}

/// The same for the inside of a value path in a PATCH, where names are sub-attributes of the target's attribute.
///
/// Stricter than a search in every dialect: the filter decides what is changed, so whatever is not understood is an error.
///
/// # Errors
///
/// `invalidPath` for an unknown name, an operator that does not fit and an operand of the wrong type; `sensitive` as
/// [`resolve`].
pub(crate) fn resolve_element<'s>(
    filter: &Filter,
    target: Target<'s>,
    kind: &'s ResourceType,
    reading: &mut Reading,
) -> Result<Resolved<'s>, Error> {
    let scope =
        Scope::Element(Element { attribute: target.attribute, owner: owner(target, kind), what_for: For::Change });
    Resolver { scope, reading }.filter(filter).map_err(|error| match error.status() {
        403 => error,
        _ => Error::path(format!("{target}: {error}")),
    })
}

/// The URN of the schema that an attribute belongs to.
fn owner<'s>(target: Target<'s>, kind: &'s ResourceType) -> &'s str {
    target.extension.map_or(&kind.core.id, |extension| &extension.id)
}

/// The scope in which attribute names are looked up.
#[derive(Clone, Copy)]
enum Scope<'s> {
    /// Attributes of a resource.
    Resource(&'s ResourceType),
    /// Sub-attributes of one value.
    Element(Element<'s>),
}

#[derive(Clone, Copy)]
struct Element<'s> {
    attribute: &'s Attribute,
    /// The URN that may stand before a sub-attribute (RFC 7644 §3.10).
    owner: &'s str,
    what_for: For,
}

/// The purpose of a filter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum For {
    /// A search: the filter chooses resources.
    Search,
    /// A value path: the filter chooses the values that a PATCH changes.
    Change,
}

impl<'s> Element<'s> {
    fn look_up(self, path: &AttributePath) -> Meaning<'s> {
        let is_owned = path.urn.as_deref().is_none_or(|urn| urn.eq_ignore_ascii_case(self.owner));
        if !is_owned || path.sub.is_some() {
            return Meaning::Unknown;
        }
        let named = match self.attribute.kind {
            Kind::Complex => self.attribute.sub(&path.name),
            // A plain value is its own `value` (RFC 7644 §3.5.2.2).
            _ => path.name.eq_ignore_ascii_case("value").then_some(self.attribute),
        };
        named.map_or(Meaning::Unknown, |attribute| Meaning::Attribute(Target { extension: None, attribute, sub: None }))
    }
}

struct Resolver<'s, 'r> {
    scope: Scope<'s>,
    reading: &'r mut Reading,
}

impl<'s> Resolver<'s, '_> {
    fn filter(&mut self, filter: &Filter) -> Result<Resolved<'s>, Error> {
        Ok(match filter {
            Filter::And(parts) => Resolved::And(self.all(parts)?),
            Filter::Or(parts) => Resolved::Or(self.all(parts)?),
            Filter::Not(inner) => Resolved::Not(Box::new(self.filter(inner)?)),
            Filter::Present(path) => match self.look_up(path)? {
                Some(target) => present(target),
                None => Resolved::Constant(false),
            },
            Filter::Compare(path, operator, literal) => match self.look_up(path)? {
                Some(target) => self.compare(target, *operator, literal)?,
                None => Resolved::Constant((*operator == Operator::Ne) != (*literal == Literal::Null)),
            },
            Filter::Element(path, inner) => match self.look_up(path)? {
                Some(target) => self.element(target, inner)?,
                None => Resolved::Constant(false),
            },
        })
    }

    fn all(&mut self, parts: &[Filter]) -> Result<Vec<Resolved<'s>>, Error> {
        parts.iter().map(|part| self.filter(part)).collect()
    }

    fn look_up(&mut self, path: &AttributePath) -> Result<Option<Target<'s>>, Error> {
        let meaning = match self.scope {
            Scope::Resource(kind) => path.resolve(kind),
            Scope::Element(element) => element.look_up(path),
        };
        match meaning {
            Meaning::Attribute(target) if target.leaf().returned == Returned::Never => {
                Err(Error::new(ScimType::Sensitive, format!("{target} is a secret and cannot be searched for")))
            }
            Meaning::Attribute(target) => Ok(Some(target)),
            _ if !self.decides_a_change() && self.reading.tolerates(Tolerance::UnknownAttributeInFilter) => Ok(None),
            _ => Err(Error::filter(format!("{} is not an attribute here", crate::error::quoted(&path.to_string())))),
        }
    }

    fn decides_a_change(&self) -> bool {
        matches!(self.scope, Scope::Element(Element { what_for: For::Change, .. }))
    }

    fn element(&mut self, target: Target<'s>, inner: &Filter) -> Result<Resolved<'s>, Error> {
        let Scope::Resource(kind) = self.scope else {
            return Err(Error::filter("a value path stands inside of another"));
        };
        if target.sub.is_some() || !target.attribute.takes_filter() {
            return Err(Error::filter(format!("{target} has no sub-attributes to filter by")));
        }
        let attribute = target.attribute;
        let scope = Scope::Element(Element { attribute, owner: owner(target, kind), what_for: For::Search });
        let inner = Resolver { scope, reading: &mut *self.reading }.filter(inner)?;
        Ok(Resolved::Element(target, Box::new(inner)))
    }

    fn compare(
        &mut self,
        mut target: Target<'s>,
        operator: Operator,
        literal: &Literal,
    ) -> Result<Resolved<'s>, Error> {
        if *literal == Literal::Null {
            return match operator {
                Operator::Eq => Ok(Resolved::Not(Box::new(present(target)))),
                Operator::Ne => Ok(present(target)),
                _ => Err(Error::filter(format!("{target}: null can only be compared by eq and ne"))),
            };
        }
        if target.leaf().kind == Kind::Complex {
            target.sub = target.attribute.value_sub();
            if target.sub.is_none() {
                return Err(Error::filter(format!("{target} is complex: name one of its sub-attributes")));
            }
        }
        let operand = self.operand(&target, operator, literal)?;
        if !allowed(operator, &operand, target.leaf().kind) {
            return Err(Error::filter(format!("{target} cannot be compared by {}", operator.as_str())));
        }
        // Only invisible characters: no value compares with that, and "contains nothing" would be all of them.
        if matches!((&operand, literal), (Operand::Text(folded), Literal::Text(text)) if folded.is_empty() && !text.is_empty())
        {
            return Ok(Resolved::Constant(false));
        }
        Ok(Resolved::Test(Test { target, check: Check::Compare(operator, operand) }))
    }

    fn operand(&mut self, target: &Target<'_>, operator: Operator, literal: &Literal) -> Result<Operand, Error> {
        let leaf = target.leaf();
        let text = |text: &str| Operand::Text(comparable(leaf, text));
        let operand = match (leaf.kind, literal) {
            (Kind::Boolean, Literal::Boolean(value)) => Some(Operand::Boolean(*value)),
            (Kind::Boolean, Literal::Text(value)) if self.reading.tolerates(Tolerance::BooleanAsString) => {
                boolean(value).map(Operand::Boolean)
            }
            (Kind::DateTime, Literal::Text(value)) => instant(value).map(Operand::Instant),
            (Kind::Integer | Kind::Decimal, Literal::Number(number)) => number.as_f64().map(Operand::Number),
            (Kind::Integer | Kind::Decimal, Literal::Text(value))
                if self.reading.tolerates(Tolerance::ScalarOfOtherType) =>
            {
                value.parse().ok().filter(|number: &f64| number.is_finite()).map(Operand::Number)
            }
            (_, Literal::Text(value)) if leaf.is_text() => Some(text(value)),
            // Tolerance (Okta): a numeric externalId is looked up as the number that was sent.
            (Kind::String, Literal::Number(_) | Literal::Boolean(_))
                if operator == Operator::Eq
                    && leaf.name != "userName"
                    && !self.decides_a_change()
                    && self.reading.tolerates(Tolerance::ScalarOfOtherType) =>
            {
                Some(text(&literal.to_string()))
            }
            _ => None,
        };
        operand.ok_or_else(|| Error::filter(format!("{target}: the value does not have the attribute's type")))
    }
}

fn present(target: Target<'_>) -> Resolved<'_> {
    Resolved::Test(Test { target, check: Check::Present })
}

/// Order on booleans and parts of what is not text make no sense (RFC 7644 table 3, C49).
fn allowed(operator: Operator, operand: &Operand, kind: Kind) -> bool {
    match operator {
        Operator::Eq | Operator::Ne => true,
        Operator::Co | Operator::Sw | Operator::Ew => matches!(operand, Operand::Text(_)),
        Operator::Gt | Operator::Ge | Operator::Lt | Operator::Le => {
            !matches!(operand, Operand::Boolean(_)) && kind != Kind::Binary
        }
    }
}

/// A text as it is compared under this attribute.
pub(crate) fn comparable(attribute: &Attribute, text: &str) -> String {
    if attribute.case_exact { text.to_owned() } else { fold(text) }
}

pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "True" => Some(true),
        "false" | "False" => Some(false),
        _ => None,
    }
}

pub(crate) fn instant(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|instant| instant.with_timezone(&Utc))
}

pub(crate) fn is_instant(text: &str) -> bool {
    instant(text).is_some()
}
