//! Cryptography behind small types. Nothing here knows what is protected.

pub mod password;
