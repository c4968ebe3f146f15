//! Bearer secrets: opaque, prefixed, checksummed; only their hash is ever kept (D9, C17, SC-19).

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// What a secret lets do. One kind is never taken for another: each has a prefix and a place of its own (JT-05); secret
/// scanners look for the prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SecretKind {
    /// A directory's token.
    Directory,
    /// A person's or a service account's token.
    Api,
    /// A refresh token of a login.
    Refresh,
    /// A challenge that wants a second factor.
    Challenge,
    /// The right of a device to skip the second factor.
    TrustedDevice,
    /// The link to set a new password.
    Reset,
    /// The link to prove an address.
    Verify,
    /// The link to join an organization.
    Invitation,
    /// What a login provider sends a browser back with.
    State,
    /// What a front end gets its tokens for, after a sign-in through a login provider.
    Code,
    /// The operator's credential for one deed in a fresh or broken installation.
    Root,
}

impl SecretKind {
    /// Every kind.
    pub const ALL: [Self; 11] = [
        Self::Directory,
        Self::Api,
        Self::Refresh,
        Self::Challenge,
        Self::TrustedDevice,
        Self::Reset,
        Self::Verify,
        Self::Invitation,
        Self::State,
        Self::Code,
        Self::Root,
    ];

    /// How secrets of this kind begin.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Directory => "rcs_",
            Self::Api => "rca_",
            Self::Refresh => "rcr_",
            Self::Challenge => "rcc_",
            Self::TrustedDevice => "rcd_",
            Self::Reset => "rcp_",
            Self::Verify => "rcv_",
            Self::Invitation => "rci_",
            Self::State => "rct_",
            Self::Code => "rck_",
            Self::Root => "rcb_",
        }
    }
}

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 43 symbols of 62 are more than 256 bits.
const BODY_LENGTH: usize = 43;
const CHECKSUM_LENGTH: usize = 6;
const PREFIX_LENGTH: usize = 4;
const HINT_LENGTH: usize = PREFIX_LENGTH + 4;

/// A secret that a client shows to prove who it is.
#[derive(Clone, Debug)]
pub struct BearerSecret(SecretString);

impl BearerSecret {
    /// A new secret from unpredictable bytes: prefix, 43 letters and digits, 6 of checksum.
    pub fn from_entropy(kind: SecretKind, bytes: [u8; 64]) -> Self {
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
        let unchecked = format!("{}{body}", kind.prefix());
        let checksum = checksum(&unchecked);
        Self(SecretString::from(format!("{unchecked}{checksum}")))
    }

    /// Reads what a client sent; none for anything that cannot be a secret of this kind, without asking the store.
    pub fn parse(kind: SecretKind, text: &str) -> Option<Self> {
        let body = text.strip_prefix(kind.prefix())?;
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
            let secret = BearerSecret::from_entropy(SecretKind::Directory, entropy);
            let text = secret.expose().to_owned();
            prop_assert_eq!(text.len(), 53);
            prop_assert_eq!(BearerSecret::parse(SecretKind::Directory, &text).map(|parsed| parsed.hash()), Some(secret.hash()));
            prop_assert!(BearerSecret::parse(SecretKind::Directory, &text[..text.len() - cut]).is_none(), "truncated");
            prop_assert!(BearerSecret::parse(SecretKind::Directory, &format!("{text}a")).is_none(), "extended");
            let mut flipped = text.clone().into_bytes();
            flipped[at] ^= 0x20;
            let flipped = String::from_utf8(flipped).expect("still ASCII");
            if flipped != text {
                prop_assert!(BearerSecret::parse(SecretKind::Directory, &flipped).is_none(), "one letter in the other case");
            }
        }
    }

    #[test]
    fn jt05_a_secret_of_one_kind_is_none_of_another() {
        for kind in SecretKind::ALL {
            let secret = BearerSecret::from_entropy(kind, [7; 64]);
            for other in SecretKind::ALL {
                assert_eq!(
                    BearerSecret::parse(other, secret.expose()).is_some(),
                    kind == other,
                    "{kind:?} as {other:?}"
                );
            }
        }
    }

    #[test]
    fn lg01_a_token_does_not_print_itself() {
        let secret = BearerSecret::from_entropy(SecretKind::Api, [7; 64]);
        assert!(!format!("{secret:?}").contains(secret.expose()));
    }
}
