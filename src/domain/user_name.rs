//! User names that people and administrators choose. What directories send is not bound by this (C14, C15).

use super::Error;
use super::email::Email;
use super::refusal::{Code, Refusal};

const MAX_LENGTH: usize = 100;

/// Names that mean something else in a path or a reference.
const ALWAYS_RESERVED: [&str; 2] = ["me", "root"];

/// A name that may be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserName(String);

impl UserName {
    /// Reads a name: 1 to 100 of `A-Z a-z 0-9 _ @ . -`, or a valid e-mail address. `reserved`: the operator's own list.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `INVALID_USERNAME` or `RESERVED_USERNAME`.
    pub fn parse(text: &str, reserved: &[String]) -> Result<Self, Error> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_@.-".contains(&byte);
        let is_plain = (1..=MAX_LENGTH).contains(&text.len()) && text.bytes().all(plain);
        if !is_plain && (text.chars().count() > MAX_LENGTH || Email::parse(text).is_err()) {
            let message = "use 1 to 100 of A-Z a-z 0-9 _ @ . - or a valid e-mail address";
            let refusal = Refusal::new(Code::InvalidUsername, message).at("userName");
            return Err(refusal
                .with("min", 1)
                .with("max", MAX_LENGTH)
                .with("pattern", "^[A-Za-z0-9_@.-]{1,100}$")
                .into());
        }
        let key = scim::fold(text);
        if ALWAYS_RESERVED.contains(&key.as_str()) || reserved.iter().any(|name| scim::fold(name) == key) {
            return Err(Refusal::new(Code::ReservedUsername, "this name is kept back").at("userName").into());
        }
        Ok(Self(text.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it could be taken for somebody's address (AU-10).
    pub fn looks_like_an_address(&self) -> bool {
        self.0.contains('@')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> Option<Code> {
        match UserName::parse(text, &["admin".to_owned()]) {
            Ok(_) => None,
            Err(Error::Refused(refusals)) => Some(refusals[0].code),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn s2_26_a_chosen_name_is_plain_or_an_address() {
        for good in ["a", "Babs_Jensen-1", "babs@example.com", "o'neil@example.com", &"a".repeat(100)] {
            assert_eq!(code(good), None, "{good}");
        }
        for bad in ["", " ", "a b", "<b>", "ä", "a\u{202e}", &"a".repeat(101)] {
            assert_eq!(code(bad), Some(Code::InvalidUsername), "{bad}");
        }
    }

    #[test]
    fn s4_21_reserved_names_are_kept_back() {
        for name in ["me", "ME", "root", "Admin"] {
            assert_eq!(code(name), Some(Code::ReservedUsername), "{name}");
        }
    }
}
