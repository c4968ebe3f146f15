//! Conditional requests (RFC 7644 §3.14, C123–C127).

use scim::Version;
use scim::version::Tags;

use crate::domain::{Caller, Error};

/// The conditions a client puts on a request.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    /// `If-Match`
    pub if_match: Option<Tags>,
    /// `If-None-Match`
    pub if_none_match: Option<Tags>,
}

impl Conditions {
    /// Whether a write to a resource of this version may go ahead.
    ///
    /// # Errors
    ///
    /// [`Error::PreconditionRequired`] when the directory demands `If-Match`; [`Error::Stale`] when the version is not
    /// among those named, or is among those excluded.
    pub(super) fn check(&self, caller: &Caller, version: &Version) -> Result<(), Error> {
        let demanded = caller.as_directory().is_some_and(|directory| directory.settings.require_if_match);
        match &self.if_match {
            None if demanded => return Err(Error::PreconditionRequired),
            Some(tags) if !tags.match_version(version) => return Err(Error::Stale),
            _ => {}
        }
        match &self.if_none_match {
            Some(tags) if tags.match_version(version) => Err(Error::Stale),
            _ => Ok(()),
        }
    }
}
