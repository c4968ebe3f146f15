//! Cryptography behind small types. Nothing here knows what is protected.

pub mod jwt;
pub mod password;
pub mod seal;
pub mod totp;
