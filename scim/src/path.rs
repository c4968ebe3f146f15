//! Attribute names as clients write them, and what they mean in a schema (RFC 7644 §3.10).

use std::fmt;

use crate::Error;
use crate::filter::{self, Filter};
use crate::schema::{Attribute, Kind, ResourceType, Schema};

/// `[urn:…:]name[.sub]`, as written. Nothing is looked up yet: that is [`AttributePath::resolve`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributePath {
    /// The text before the last colon, where there is one.
    pub urn: Option<String>,
    /// The attribute.
    pub name: String,
    /// The sub-attribute.
    pub sub: Option<String>,
}

/// What an [`AttributePath`] names.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target<'s> {
    /// The extension it belongs to; none for core and common attributes.
    pub extension: Option<&'s Schema>,
    /// The attribute.
    pub attribute: &'s Attribute,
    /// The sub-attribute, where the path names one.
    pub sub: Option<&'s Attribute>,
}

impl<'s> Target<'s> {
    /// The attribute whose values are meant: the sub-attribute if there is one.
    pub fn leaf(&self) -> &'s Attribute {
        self.sub.unwrap_or(self.attribute)
    }
}

impl fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(extension) = self.extension {
            write!(f, "{}:", extension.id)?;
        }
        f.write_str(&self.attribute.name)?;
        self.sub.map_or(Ok(()), |sub| write!(f, ".{}", sub.name))
    }
}

/// The result of looking a name up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Meaning<'s> {
    /// An attribute.
    Attribute(Target<'s>),
    /// A whole extension, named by its URN.
    Extension(&'s Schema),
    /// The whole resource, named by the URN of its core schema.
    Core,
    /// Nothing that the schemas of this resource type have.
    Unknown,
}

impl AttributePath {
    /// Reads a name.
    ///
    /// # Errors
    ///
    /// `invalidPath` when the text is not one.
    pub fn parse(text: &str) -> Result<Self, Error> {
        Self::split(text).ok_or_else(|| Error::path(format!("{} is not an attribute name", crate::error::quoted(text))))
    }

    /// The dot of `2.0` inside a URN is not a separator: what follows the last colon is (C53).
    pub(crate) fn split(text: &str) -> Option<Self> {
        let (urn, rest) = match text.get(..4) {
            Some(scheme) if scheme.eq_ignore_ascii_case("urn:") => {
                let (urn, rest) = text.rsplit_once(':')?;
                (Some(urn.to_owned()), rest)
            }
            _ if text.contains(':') => return None,
            _ => (None, text),
        };
        let (name, sub) = match rest.split_once('.') {
            Some((name, sub)) => (name, Some(sub)),
            None => (rest, None),
        };
        let valid = is_name(name) && sub.is_none_or(is_name) && urn.as_deref().is_none_or(is_urn);
        valid.then(|| Self { urn, name: name.to_owned(), sub: sub.map(str::to_owned) })
    }

    /// Looks the name up in the schemas of a resource type; the longest registered URN wins (C53, C82). A name without
    /// URN that is not a core attribute may be an extension's: `manager` (C51, C94).
    pub fn resolve<'s>(&self, kind: &'s ResourceType) -> Meaning<'s> {
        let Some(urn) = &self.urn else {
            if let Some(attribute) = kind.attribute(&self.name) {
                return find(None, Some(attribute), self.sub.as_deref());
            }
            let extended = kind.extensions.iter().find_map(|schema| Some((schema, schema.attribute(&self.name)?)));
            return extended.map_or(Meaning::Unknown, |(schema, attribute)| {
                find(Some(schema), Some(attribute), self.sub.as_deref())
            });
        };
        let whole = self.to_string();
        if let Some(extension) = kind.extension(&whole) {
            return Meaning::Extension(extension);
        }
        if kind.core.id.eq_ignore_ascii_case(&whole) {
            return Meaning::Core;
        }
        if kind.core.id.eq_ignore_ascii_case(urn) {
            return find(None, kind.attribute(&self.name), self.sub.as_deref());
        }
        match kind.extension(urn) {
            Some(extension) => find(Some(extension), extension.attribute(&self.name), self.sub.as_deref()),
            None => Meaning::Unknown,
        }
    }
}

fn find<'s>(extension: Option<&'s Schema>, attribute: Option<&'s Attribute>, sub: Option<&str>) -> Meaning<'s> {
    let Some(attribute) = attribute else {
        return Meaning::Unknown;
    };
    match sub.map(|sub| attribute.sub(sub)) {
        None => Meaning::Attribute(Target { extension, attribute, sub: None }),
        Some(Some(sub)) => Meaning::Attribute(Target { extension, attribute, sub: Some(sub) }),
        // A plain value of a list is its own `value` (RFC 7644 §3.5.2.2).
        Some(None) if is_plain_list(attribute) && sub.is_some_and(|sub| sub.eq_ignore_ascii_case("value")) => {
            Meaning::Attribute(Target { extension, attribute, sub: None })
        }
        Some(None) => Meaning::Unknown,
    }
}

fn is_plain_list(attribute: &Attribute) -> bool {
    attribute.multi_valued && attribute.kind != Kind::Complex
}

fn is_name(text: &str) -> bool {
    let rest = text.strip_prefix('$').unwrap_or(text);
    rest.starts_with(|c: char| c.is_ascii_alphabetic())
        && rest.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
}

fn is_urn(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, ':' | '.' | '-' | '_'))
}

impl fmt::Display for AttributePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(urn) = &self.urn {
            write!(f, "{urn}:")?;
        }
        f.write_str(&self.name)?;
        self.sub.as_ref().map_or(Ok(()), |sub| write!(f, ".{sub}"))
    }
}

/// The path of a PATCH operation (RFC 7644 §3.5.2): `attrPath` or `attr[filter][.sub]`.
#[derive(Clone, Debug, PartialEq)]
pub struct PatchPath {
    /// The attribute, with a sub-attribute if one is named directly or behind the filter.
    pub attribute: AttributePath,
    /// Which elements of a multi-valued attribute.
    pub filter: Option<Filter>,
}

impl PatchPath {
    /// Reads a path. A present but malformed path is never taken for an absent one (C78).
    ///
    /// # Errors
    ///
    /// `invalidPath`: not a path, an array index, or a malformed filter.
    pub fn parse(text: &str) -> Result<Self, Error> {
        filter::parse_path(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::ENTERPRISE_USER;

    fn meaning(text: &str) -> String {
        match AttributePath::parse(text).expect(text).resolve(ResourceType::user()) {
            Meaning::Attribute(target) => target.to_string(),
            Meaning::Extension(schema) => format!("extension {}", schema.name),
            Meaning::Core => "core".to_owned(),
            Meaning::Unknown => "unknown".to_owned(),
        }
    }

    #[test]
    fn c53_the_longest_registered_urn_wins_and_case_does_not_count() {
        assert_eq!(meaning(&format!("{ENTERPRISE_USER}:department")), format!("{ENTERPRISE_USER}:department"));
        assert_eq!(
            meaning(&format!("{}:MANAGER.Value", ENTERPRISE_USER.to_uppercase())),
            format!("{ENTERPRISE_USER}:manager.value")
        );
        assert_eq!(meaning("urn:ietf:params:scim:schemas:core:2.0:User:name.givenName"), "name.givenName");
        assert_eq!(meaning(ENTERPRISE_USER), "extension EnterpriseUser");
        assert_eq!(meaning("urn:ietf:params:scim:schemas:core:2.0:User"), "core");
        assert_eq!(meaning("urn:example:2.0:Thing:colour"), "unknown");
    }

    #[test]
    fn names_are_looked_up_in_any_case() {
        assert_eq!(meaning("USERNAME"), "userName");
        assert_eq!(meaning("Meta.lastmodified"), "meta.lastModified");
        assert_eq!(meaning("favouriteColour"), "unknown");
        assert_eq!(meaning("name.nothing"), "unknown");
    }

    #[test]
    fn sc15_what_is_not_a_name_is_refused() {
        for text in ["", ".", "a.", ".a", "a.b.c", "a b", "emails[0", "1a", "a:b", "urn:", "ä", "a\0"] {
            assert!(AttributePath::parse(text).is_err(), "{text:?}");
        }
    }
}
