//! Second factors: authenticator apps, recovery codes, and the challenge that asks for one.

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use super::login::names;
use super::{AccountId, FactorId};

/// Recovery codes made at a time.
pub const RECOVERY_CODES: usize = 10;
/// Tries of one challenge.
pub const CHALLENGE_TRIES: u32 = 5;

/// An authenticator app of a person: enrolled, or about to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authenticator {
    /// Names it.
    pub id: FactorId,
    /// Whose.
    pub account: AccountId,
    /// The person's name for it.
    pub name: String,
    /// The seed, sealed.
    pub sealed: String,
    /// When its first code was given; none: it has no effect yet.
    pub confirmed: Option<DateTime<Utc>>,
    /// Until when it can be confirmed.
    pub confirm_by: DateTime<Utc>,
    /// The last time step whose code was used.
    pub last_step: u64,
    /// When that was.
    pub last_used: Option<DateTime<Utc>>,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// When it last changed, uses not counted.
    pub updated: DateTime<Utc>,
    /// Counts the changes.
    pub version: u64,
}

impl Authenticator {
    /// Whether sign-in asks for its code.
    pub fn is_enrolled(&self) -> bool {
        self.confirmed.is_some()
    }

    /// The authenticator after a code of this step was used.
    #[must_use]
    pub fn used(&self, step: u64, now: DateTime<Utc>) -> Self {
        Self { last_step: step, last_used: Some(now), ..self.clone() }
    }
}

names! {
    /// Ways to give a second factor.
    MfaMethod {
        /// Code of an authenticator app.
        Totp = "TOTP",
        /// One of the codes shown at enrolment.
        RecoveryCode = "RECOVERY_CODE",
    }
}

/// Six ASCII digits; nothing else is looked at further (MF-12).
pub fn is_code(text: &str) -> bool {
    text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A code for when the app is lost: 120 bits in four groups, `k7d2qa-…`. Each works once.
#[derive(Clone, Debug)]
pub struct RecoveryCode(SecretString);

/// Crockford's: without letters that look like digits.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const SYMBOLS: usize = 24;

impl RecoveryCode {
    /// A new code from unpredictable bytes, five bits of each.
    pub fn from_entropy(bytes: [u8; SYMBOLS]) -> Self {
        let symbols = bytes.map(|byte| char::from(ALPHABET[usize::from(byte % 32)]));
        let groups: Vec<String> = symbols.chunks(6).map(|group| group.iter().collect()).collect();
        Self(SecretString::from(groups.join("-")))
    }

    /// Reads what a person typed: case, hyphens and spaces do not matter, nor do look-alikes.
    pub fn parse(text: &str) -> Option<Self> {
        let symbol = |c: char| match c.to_ascii_lowercase() {
            'o' => '0',
            'i' | 'l' => '1',
            other => other,
        };
        let typed = text.chars().filter(|c| !matches!(c, '-' | ' '));
        let symbols: Vec<char> = typed.take(SYMBOLS + 1).map(symbol).collect();
        let well_formed =
            symbols.len() == SYMBOLS && symbols.iter().all(|c| ALPHABET.iter().any(|a| char::from(*a) == *c));
        let groups: Vec<String> = symbols.chunks(6).map(|group| group.iter().collect()).collect();
        well_formed.then(|| Self(SecretString::from(groups.join("-"))))
    }

    /// What is kept of it: a hash, bound to the person (MF-06). 120 bits need no slow one.
    pub fn hash(&self, account: AccountId) -> String {
        let digest = Sha256::digest(format!("recovery:{account}:{}", self.0.expose_secret()));
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The code itself; shown once.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn mf12_only_six_digits_are_a_code() {
        assert!(is_code("012345"));
        for bad in
            ["", "12345", "1234567", "12345678", "000000 ", " 00000", "12345a", "１２３４５６", "-12345", "+12345"]
        {
            assert!(!is_code(bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn mf07_a_recovery_code_is_read_however_it_is_typed(bytes in any::<[u8; 24]>()) {
            let account = AccountId::new(Uuid::nil());
            let code = RecoveryCode::from_entropy(bytes);
            let text = code.expose().to_owned();
            prop_assert_eq!(text.len(), 27);
            for typed in [text.to_uppercase(), text.replace('-', ""), text.replace('-', " "), text.replace('0', "O")] {
                let read = RecoveryCode::parse(&typed).map(|read| read.hash(account));
                prop_assert_eq!(read, Some(code.hash(account)));
            }
            prop_assert!(RecoveryCode::parse(&text[1..]).is_none());
            let longer = format!("{text}0");
            prop_assert!(RecoveryCode::parse(&longer).is_none());
            let other = AccountId::new(Uuid::max());
            prop_assert_ne!(code.hash(account), code.hash(other), "MF-06");
        }
    }

    #[test]
    fn lg01_a_recovery_code_does_not_print_itself() {
        let code = RecoveryCode::from_entropy([9; 24]);
        assert!(!format!("{code:?}").contains(code.expose()));
    }
}
