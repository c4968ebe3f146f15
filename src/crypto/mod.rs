//! Cryptography behind small types. Nothing here knows what is protected.

pub mod jwt;
pub mod password;
pub mod seal;
pub mod totp;

/// TLS uses what tokens are signed with, wherever it is used: of two back ends that are linked in, none is the default.
pub fn choose_tls_backend() {
    // Whoever comes second finds it chosen.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
}
