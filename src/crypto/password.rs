//! Password hashing: Argon2id, the salt from our own source of chance.

use argon2::password_hash::CustomizedPasswordHasher as _;
use argon2::{Algorithm, Argon2, Params, Version};

use crate::domain::Error;

/// Hashes a password to a PHC string (`$argon2id$v=19$…`), with 19 MiB of memory and two passes (OWASP's second choice).
///
/// # Errors
///
/// [`Error::Internal`] when the parameters are not accepted, which would be a bug.
pub fn hash(password: &str, salt: [u8; 16]) -> Result<String, Error> {
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::default());
    let hash = argon2
        .hash_password_customized(password.as_bytes(), &salt, None, None, Params::default())
        .map_err(|error| Error::Internal(error.to_string().into()))?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use argon2::password_hash::PasswordVerifier as _;
    use argon2::password_hash::phc::PasswordHash;

    use super::*;

    #[test]
    fn a_hash_verifies_its_password_and_no_other() {
        let phc = hash("correct horse", [7; 16]).expect("hashed");
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        let parsed = PasswordHash::new(&phc).expect("a PHC string");
        assert!(Argon2::default().verify_password(b"correct horse", &parsed).is_ok());
        assert!(Argon2::default().verify_password(b"correct horsf", &parsed).is_err());
    }
}
