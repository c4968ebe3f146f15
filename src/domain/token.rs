//! Bearer secrets: opaque, prefixed, checksummed; only their hash is ever kept (D9, C17, SC-19).

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The prefix of a directory's token; secret scanners look for it.
pub const DIRECTORY_PREFIX: &str = "rcs_";

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 43 symbols of 62 are more than 256 bits.
const BODY_LENGTH: usize = 43;
const CHECKSUM_LENGTH: usize = 6;
const HINT_LENGTH: usize = DIRECTORY_PREFIX.len() + 4;

/// A secret that a client shows to prove who it is.
#[derive(Clone, Debug)]
pub struct BearerSecret(SecretString);

impl BearerSecret {
    /// A new directory token from unpredictable bytes: prefix, 43 letters and digits, 6 of checksum.
    pub fn from_entropy(bytes: [u8; 64]) -> Self {
        // A symbol takes a byte below 248, the largest multiple of 62; 64 bytes hold 43 of them but once in 10^13 times,
        // and then hashing the bytes goes on without bias.
        let mut body = String::with_capacity(BODY_LENGTH);
        let mut pool = bytes.to_vec();
        while body.len() < BODY_LENGTH {
            let symbols =
                pool.iter().filter(|byte| **byte < 248).map(|byte| char::from(ALPHABET[usize::from(*byte) % 62]));
            body.extend(symbols.take(BODY_LENGTH - body.len()));
            pool = Sha256::digest(&pool).to_vec();
        }
        let unchecked = format!("{DIRECTORY_PREFIX}{body}");
        let checksum = checksum(&unchecked);
        Self(SecretString::from(format!("{unchecked}{checksum}")))
    }

    /// Reads what a client sent; none for anything that cannot be a token of ours, without asking the store.
    pub fn parse(text: &str) -> Option<Self> {
        let body = text.strip_prefix(DIRECTORY_PREFIX)?;
        let well_formed =
            body.len() == BODY_LENGTH + CHECKSUM_LENGTH && body.bytes().all(|byte| ALPHABET.contains(&byte));
        if !well_formed {
            return None;
        }
        let (unchecked, sent) = text.split_at(text.len() - CHECKSUM_LENGTH);
        let matches: bool = checksum(unchecked).as_bytes().ct_eq(sent.as_bytes()).into();
        matches.then(|| Self(SecretString::from(text)))
    }

    /// What is kept of it: the SHA-256, in hexadecimal.
    pub fn hash(&self) -> String {
        let digest = Sha256::digest(self.0.expose_secret().as_bytes());
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// How it begins, to recognise it by.
    pub fn hint(&self) -> String {
        self.0.expose_secret()[..HINT_LENGTH].to_owned()
    }

    /// The secret itself; shown once.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

fn checksum(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().take(CHECKSUM_LENGTH).map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()])).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sc19_a_token_is_itself_or_nothing(bytes in any::<[u8; 32]>(), cut in 1..53usize, at in 0..53usize) {
            let mut entropy = [0; 64];
            entropy[..32].copy_from_slice(&bytes);
            entropy[32..].copy_from_slice(&bytes);
            let secret = BearerSecret::from_entropy(entropy);
            let text = secret.expose().to_owned();
            prop_assert_eq!(text.len(), 53);
            prop_assert_eq!(BearerSecret::parse(&text).map(|parsed| parsed.hash()), Some(secret.hash()));
            prop_assert!(BearerSecret::parse(&text[..text.len() - cut]).is_none(), "truncated");
            prop_assert!(BearerSecret::parse(&format!("{text}a")).is_none(), "extended");
            let mut flipped = text.clone().into_bytes();
            flipped[at] ^= 0x20;
            let flipped = String::from_utf8(flipped).expect("still ASCII");
            if flipped != text {
                prop_assert!(BearerSecret::parse(&flipped).is_none(), "one letter in the other case");
            }
        }
    }

    #[test]
    fn lg01_a_token_does_not_print_itself() {
        let secret = BearerSecret::from_entropy([7; 64]);
        assert!(!format!("{secret:?}").contains(secret.expose()));
    }
}
