//! An e-mail address that people and administrators give: parsed once, trusted afterwards.

use super::Error;
use super::refusal::{Code, Refusal};

/// The longest address (RFC 5321 §4.5.3.1.3, with the angle brackets taken off).
pub const MAX_LENGTH: usize = 254;
const MAX_LOCAL: usize = 64;

/// One address, as it was given; compared by [`Email::key`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email {
    address: String,
    key: String,
}

impl Email {
    /// Reads an address: a plain local part, `@`, a domain of at least two labels. Quoted local parts, comments, address
    /// literals, several `@` and trailing dots are refused: whatever two programs could read in two ways (IN-08).
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with `INVALID_EMAIL`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        parse(text).ok_or_else(|| Refusal::new(Code::InvalidEmail, "not one valid e-mail address").at("email").into())
    }

    /// The address as it was given.
    pub fn as_str(&self) -> &str {
        &self.address
    }

    /// The address as it is compared: folded, its domain in the form of the DNS (UN-02, UN-03).
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The domain, in the form of the DNS.
    pub fn domain(&self) -> &str {
        self.key.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

fn parse(text: &str) -> Option<Email> {
    let (local, domain) = text.split_once('@')?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&byte);
    let dots = local.starts_with('.') || local.ends_with('.') || local.contains("..");
    if local.is_empty() || local.len() > MAX_LOCAL || dots || !local.bytes().all(plain) || text.len() > MAX_LENGTH {
        return None;
    }
    let domain = domain_key(domain)?;
    Some(Email { address: text.to_owned(), key: format!("{}@{domain}", local.to_ascii_lowercase()) })
}

/// The domain as the DNS has it: `xn--…` for names beyond ASCII.
fn domain_key(domain: &str) -> Option<String> {
    if domain.contains('@') || domain.ends_with('.') || domain.chars().any(char::is_whitespace) {
        return None;
    }
    let ascii = idna::domain_to_ascii_strict(domain).ok()?;
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let last_is_a_name = ascii.rsplit('.').next().is_some_and(|last| !last.bytes().all(|byte| byte.is_ascii_digit()));
    (ascii.contains('.') && ascii.split('.').all(is_label) && last_is_a_name).then_some(ascii)
}

/// An address somebody typed, as it is looked up: whatever it is, so that a lookup tells nothing (AU-09).
pub fn lookup_key(text: &str) -> String {
    parse(text.trim()).map_or_else(|| scim::fold(text.trim()), |email| email.key)
}

/// Enough of an address to recognise one's own: `b•••@example.com`.
pub fn masked(address: &str) -> String {
    let (local, domain) = address.rsplit_once('@').unwrap_or((address, ""));
    let first: String = local.chars().take(1).collect();
    format!("{first}•••@{domain}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in08_addresses_that_two_programs_read_in_two_ways_are_refused() {
        for bad in [
            "",
            "a",
            "@b.example",
            "a@",
            "a@b",
            "a@evil@corp.com",
            "\"a b\"@corp.com",
            "a(comment)@corp.com",
            "a@corp.com.",
            "a@[192.0.2.1]",
            "a@192.0.2.1",
            ".a@corp.com",
            "a.@corp.com",
            "a..b@corp.com",
            "a b@corp.com",
            "a@-corp.com",
            "a@corp..com",
            "a@corp.com, b@corp.com",
            "a@corp.com\r\nBcc: b@corp.com",
            "<a@corp.com>",
            "a@corp.com\u{202e}",
            "a\u{131}@corp.com",
        ] {
            assert!(Email::parse(bad).is_err(), "{bad:?}");
        }
        assert!(Email::parse(&format!("{}@corp.example", "a".repeat(65))).is_err());
        assert!(Email::parse(&format!("a@{}corp.example", "a.".repeat(130))).is_err());
    }

    #[test]
    fn un03_one_address_has_one_key() {
        let key = |text: &str| Email::parse(text).expect("an address").key().to_owned();
        assert_eq!(key("Babs.Jensen@Example.COM"), "babs.jensen@example.com");
        assert_eq!(key("a@bücher.example"), key("A@XN--BCHER-KVA.example"));
        assert_eq!(Email::parse(" Babs@Example.com ").expect("an address").as_str(), "Babs@Example.com");
        assert_eq!(lookup_key("A@BÜCHER.example"), "a@xn--bcher-kva.example");
        assert!(Email::parse("a@xn--a.example").is_err(), "an invalid A-label");
    }

    #[test]
    fn un02_a_letter_that_looks_like_another_is_another() {
        assert_ne!(lookup_key("m\u{131}ke@example.com"), lookup_key("mike@example.com"));
    }

    #[test]
    fn masking_leaves_enough_to_recognise() {
        assert_eq!(masked("babs@example.com"), "b•••@example.com");
    }
}
