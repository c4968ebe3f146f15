//! An organization: the tenant, with a database of its own.

use super::refusal::{Code, Refusal};
use super::{Error, Field, OrganizationId, Stamps};

/// The tenant.
#[derive(Clone, Debug)]
pub struct Organization {
    /// Its id.
    pub id: OrganizationId,
    /// Its short name, unique: `acme`.
    pub short_name: String,
    /// What people call it.
    pub name: String,
    /// When and by whom it was made and changed.
    pub stamps: Stamps,
}

/// What an organization is about to be.
#[derive(Clone, Debug)]
pub struct OrganizationDraft {
    /// 2 to 40 lower-case letters, digits and inner hyphens.
    pub short_name: String,
    /// 1 to 100 characters.
    pub name: String,
    /// The first owner, with the address they sign in with.
    pub owner_email: Option<String>,
}

impl OrganizationDraft {
    /// # Errors
    ///
    /// [`Error::Invalid`] for names that are not of the described form.
    pub fn check(&self) -> Result<(), Error> {
        let letters = self.short_name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        let ends = !self.short_name.starts_with('-') && !self.short_name.ends_with('-');
        if !letters || !ends || !(2..=40).contains(&self.short_name.len()) {
            let reason = "use 2 to 40 lower-case letters, digits and hyphens, not at the ends";
            return Err(Error::Invalid { field: Field::ShortName, reason });
        }
        check_name(&self.name).map_err(|reason| Error::Invalid { field: Field::Name, reason })?;
        match self.owner_email.as_deref().map(|email| email.split_once('@')) {
            Some(Some((local, domain))) if !local.is_empty() && domain.contains('.') && !domain.contains('@') => Ok(()),
            None => Ok(()),
            Some(_) => Err(Error::Invalid { field: Field::Email, reason: "must look like name@example.com" }),
        }
    }
}

/// A short name as administrators choose it: 1 to 63 lower-case letters, digits and hyphens, letter or digit first, and
/// nothing that could be taken for an id.
///
/// # Errors
///
/// [`Error::Refused`] with `VALIDATION_FAILED`.
pub fn check_short_name(text: &str) -> Result<(), Error> {
    let letters = text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    let is_name = letters && (1..=63).contains(&text.len()) && !text.starts_with('-');
    if is_name && uuid::Uuid::try_parse(text).is_err() {
        return Ok(());
    }
    let message = "use 1 to 63 lower-case letters, digits and hyphens, a letter or digit first";
    let refusal = Refusal::new(Code::ValidationFailed, message).at("shortName");
    Err(refusal.with("pattern", "^[a-z0-9][a-z0-9-]{0,62}$").into())
}

/// A name that people give: 1 to 100 characters, visible.
pub(crate) fn check_name(name: &str) -> Result<(), &'static str> {
    match name.chars().count() {
        _ if name.trim().is_empty() => Err("must not be empty"),
        1..=100 if !name.chars().any(char::is_control) => Ok(()),
        _ => Err("must be at most 100 characters, without control characters"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(short_name: &str, owner: Option<&str>) -> Result<(), Error> {
        let (name, owner_email) = ("Acme".to_owned(), owner.map(str::to_owned));
        OrganizationDraft { short_name: short_name.to_owned(), name, owner_email }.check()
    }

    #[test]
    fn short_names_are_plain() {
        assert!(draft("acme", None).is_ok() && draft("a-1", Some("o@acme.example")).is_ok());
        for bad in ["", "a", "Acme", "-a", "a-", "a b", "a_b", "ä1", &"a".repeat(41)] {
            assert!(draft(bad, None).is_err(), "{bad}");
        }
        assert!(draft("acme", Some("nobody")).is_err() && draft("acme", Some("a@b@c.example")).is_err());
    }
}
