//! Sealing what the database must not be able to read: AES-256-GCM under keys that are kept elsewhere (MF-14).

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::domain::Error;

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;

/// The keys of a deployment: the first seals, all open. Sealed text names its key, so keys can be replaced one by one.
pub struct Sealer {
    keys: Vec<(String, LessSafeKey)>,
    /// The same keys, to derive others from.
    roots: Vec<(String, hmac::Key)>,
}

impl Sealer {
    /// A sealer with these keys; the first is the one in use.
    ///
    /// # Errors
    ///
    /// When there is none, or one has not 32 bytes.
    pub fn new(keys: &[Zeroizing<Vec<u8>>]) -> Result<Self, String> {
        let roots = keys.iter().map(|key| Ok((read_key(key)?.0, hmac::Key::new(hmac::HMAC_SHA256, key))));
        let roots: Vec<(String, hmac::Key)> = roots.collect::<Result<_, String>>()?;
        let keys: Vec<(String, LessSafeKey)> = keys.iter().map(|key| read_key(key)).collect::<Result<_, _>>()?;
        if keys.is_empty() { Err("there is no key".to_owned()) } else { Ok(Self { keys, roots }) }
    }

    /// Seals under a key of its own, made of ours and a salt: without the salt nobody opens it, we included.
    ///
    /// # Errors
    ///
    /// As [`Sealer::seal`].
    pub fn seal_under(&self, salt: &str, context: &str, plain: &[u8], nonce: [u8; NONCE_LEN]) -> Result<String, Error> {
        let failed = || Error::Internal("sealing failed".into());
        let (name, root) = &self.roots[0];
        let key = derived(root, salt).ok_or_else(failed)?;
        let mut bytes = plain.to_vec();
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(context.as_bytes()), &mut bytes)
            .map_err(|_| failed())?;
        Ok(format!("{name}.{}.{}", BASE64URL_NOPAD.encode(&nonce), BASE64URL_NOPAD.encode(&bytes)))
    }

    /// Opens what was sealed under the same salt with the same context; none for anything else.
    pub fn open_under(&self, salt: &str, context: &str, sealed: &str) -> Option<Zeroizing<Vec<u8>>> {
        let name = sealed.split('.').next()?;
        let (_, root) = self.roots.iter().find(|(known, _)| known == name)?;
        open_with(&derived(root, salt)?, context, sealed)
    }

    /// Seals. `context` says what it is and whose; only the same context opens it, so that sealed text cannot be moved.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] when the algorithm fails, which would be a bug.
    pub fn seal(&self, context: &str, plain: &[u8], nonce: [u8; NONCE_LEN]) -> Result<String, Error> {
        let (name, key) = &self.keys[0];
        let mut bytes = plain.to_vec();
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(context.as_bytes()), &mut bytes)
            .map_err(|_| Error::Internal("sealing failed".into()))?;
        Ok(format!("{name}.{}.{}", BASE64URL_NOPAD.encode(&nonce), BASE64URL_NOPAD.encode(&bytes)))
    }

    /// Opens what was sealed with the same context.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] when it was altered, moved, or sealed with a key that is not here.
    pub fn open(&self, context: &str, sealed: &str) -> Result<Zeroizing<Vec<u8>>, Error> {
        self.try_open(context, sealed).ok_or_else(|| {
            Error::Internal(format!("{context} cannot be opened: is the key file the one it was sealed with?").into())
        })
    }

    /// Opens what was sealed with the same context; none for anything else, which clients may send.
    pub fn try_open(&self, context: &str, sealed: &str) -> Option<Zeroizing<Vec<u8>>> {
        let name = sealed.split('.').next()?;
        let (_, key) = self.keys.iter().find(|(known, _)| known == name)?;
        open_with(key, context, sealed)
    }
}

fn derived(root: &hmac::Key, salt: &str) -> Option<LessSafeKey> {
    let bytes = hmac::sign(root, format!("sealed under {salt}").as_bytes());
    UnboundKey::new(&AES_256_GCM, bytes.as_ref()).ok().map(LessSafeKey::new)
}

fn open_with(key: &LessSafeKey, context: &str, sealed: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut parts = sealed.splitn(3, '.').skip(1);
    let (nonce, bytes) = (parts.next()?, parts.next()?);
    let nonce: [u8; NONCE_LEN] = BASE64URL_NOPAD.decode(nonce.as_bytes()).ok()?.try_into().ok()?;
    let mut bytes = Zeroizing::new(BASE64URL_NOPAD.decode(bytes.as_bytes()).ok()?);
    let nonce = Nonce::assume_unique_for_key(nonce);
    let length = key.open_in_place(nonce, Aad::from(context.as_bytes()), &mut bytes).ok()?.len();
    bytes.truncate(length);
    Some(bytes)
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealer({} keys)", self.keys.len())
    }
}

/// A key and the name that sealed text knows it by.
fn read_key(key: &[u8]) -> Result<(String, LessSafeKey), String> {
    let unbound = UnboundKey::new(&AES_256_GCM, key).map_err(|_| "a key has not 32 bytes".to_owned())?;
    let digest = Sha256::digest(key);
    Ok((BASE64URL_NOPAD.encode(&digest[..6]), LessSafeKey::new(unbound)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(keys: &[u8]) -> Sealer {
        Sealer::new(&keys.iter().map(|byte| Zeroizing::new(vec![*byte; 32])).collect::<Vec<_>>()).expect("keys")
    }

    #[test]
    fn mf14_sealed_text_opens_with_its_key_and_context_only() {
        let sealed = sealer(&[1]).seal("totp:a", b"seed", [9; 12]).expect("sealed");
        assert!(!sealed.contains("seed"));
        assert_eq!(sealer(&[1]).open("totp:a", &sealed).expect("opened").as_slice(), b"seed");
        assert!(sealer(&[1]).open("totp:b", &sealed).is_err(), "moved to somebody else");
        assert!(sealer(&[2]).open("totp:a", &sealed).is_err(), "another key");
        let mut altered = sealed.clone().into_bytes();
        let last = altered.len() - 3;
        altered[last] = if altered[last] == b'A' { b'B' } else { b'A' };
        assert!(sealer(&[1]).open("totp:a", &String::from_utf8(altered).expect("ASCII")).is_err());
        for garbage in ["", ".", "a.b.c", "..", &sealed[..sealed.len() / 2]] {
            assert!(sealer(&[1]).open("totp:a", garbage).is_err(), "{garbage}");
        }
    }

    #[test]
    fn keys_are_replaced_one_by_one() {
        let old = sealer(&[1]).seal("x", b"text", [9; 12]).expect("sealed");
        let both = sealer(&[2, 1]);
        assert_eq!(both.open("x", &old).expect("opened").as_slice(), b"text");
        let new = both.seal("x", b"text", [8; 12]).expect("sealed");
        assert!(sealer(&[1]).open("x", &new).is_err(), "sealed with the first");
        assert!(Sealer::new(&[]).is_err() && Sealer::new(&[Zeroizing::new(vec![1; 31])]).is_err());
    }
}
