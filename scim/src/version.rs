//! Versions of resources as entity tags, and the conditions requests put on them (RFC 7644 §3.14). Rules C123–C126.

use std::fmt;

use crate::Error;

/// The version of a representation; shown as `W/"…"` in `meta.version` and `ETag`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(String);

impl Version {
    /// A version with this opaque text: letters, digits, `.` and `-`.
    pub fn new(opaque: impl Into<String>) -> Self {
        Self(opaque.into())
    }

    /// The opaque text.
    pub fn opaque(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "W/\"{}\"", self.0)
    }
}

/// The tags of an `If-Match` or `If-None-Match` header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tags {
    /// `*`: any version at all.
    Any,
    /// One of these; the weak and the strong form of a tag are the same (C124).
    List(Vec<String>),
}

impl Tags {
    /// Reads the header.
    ///
    /// # Errors
    ///
    /// `invalidSyntax` when it is neither `*` nor a list of entity tags.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.trim() == "*" {
            return Ok(Self::Any);
        }
        let tags = text.split(',').map(str::trim).filter(|tag| !tag.is_empty()).map(opaque).collect::<Option<Vec<_>>>();
        match tags {
            Some(tags) if !tags.is_empty() => Ok(Self::List(tags)),
            _ => Err(Error::syntax("a version must look like W/\"7\"")),
        }
    }

    /// Whether the version is among them.
    pub fn match_version(&self, version: &Version) -> bool {
        match self {
            Self::Any => true,
            Self::List(tags) => tags.contains(&version.0),
        }
    }
}

fn opaque(tag: &str) -> Option<String> {
    let tag = tag.strip_prefix("W/").or_else(|| tag.strip_prefix("w/")).unwrap_or(tag);
    let inner = tag.strip_prefix('"')?.strip_suffix('"')?;
    (!inner.contains('"')).then(|| inner.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c124_lists_weak_and_strong_and_any() {
        let version = Version::new("7.ab");
        for text in ["*", "W/\"7.ab\"", "\"7.ab\"", "\"6\", W/\"7.ab\"", " w/\"7.ab\" ,"] {
            assert!(Tags::parse(text).expect(text).match_version(&version), "{text}");
        }
        for text in ["\"7\"", "W/\"7.a\"", "\"x\",\"y\""] {
            assert!(!Tags::parse(text).expect(text).match_version(&version), "{text}");
        }
        for text in ["", "7", "W/7", "\"a", "a\""] {
            assert!(Tags::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn c123_a_version_is_a_weak_tag_with_its_quotes() {
        assert_eq!(Version::new("7").to_string(), "W/\"7\"");
    }
}
