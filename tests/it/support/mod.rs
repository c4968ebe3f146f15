//! What tests stand on: a running server, typed clients, builders of bodies.

pub mod app;
pub mod client;
pub mod conversation;
pub mod front_end;
pub mod middlebox;
#[path = "../../tools/openid_provider.rs"]
pub mod openid_provider;
pub mod person;
#[path = "../../tools/smtp_sink.rs"]
pub mod smtp_sink;
pub mod surreal;

pub use app::{Engine, Owned, TestApp, store_settings};
pub use client::{Answer, Scim};
pub use front_end::FrontEnd;
pub use openid_provider::OpenidProvider;
pub use person::Person;
pub use smtp_sink::SmtpSink;

use serde_json::{Value, json};

pub const USER: &str = scim::schema::USER;
pub const GROUP: &str = scim::schema::GROUP;
pub const ENTERPRISE: &str = scim::schema::ENTERPRISE_USER;

/// An HTTP client that goes straight to where it is told to. It lets go of connections before the server does: what is sent
/// just when that closes one would be lost.
pub fn http() -> reqwest::ClientBuilder {
    rollcall::crypto::choose_tls_backend();
    reqwest::Client::builder().no_proxy().pool_idle_timeout(std::time::Duration::from_secs(5))
}

/// A minimal user body.
pub fn user(user_name: &str) -> Value {
    json!({"schemas": [USER], "userName": user_name})
}

/// A minimal group body.
pub fn group(display_name: &str) -> Value {
    json!({"schemas": [GROUP], "displayName": display_name})
}

/// A PATCH body.
pub fn patch(operations: Value) -> Value {
    json!({"schemas": [scim::patch::SCHEMA], "Operations": operations})
}

/// A list of member references.
pub fn members(ids: &[&str]) -> Value {
    ids.iter().map(|id| json!({ "value": id })).collect()
}

/// `?filter=…`, encoded.
pub fn filtered(path: &str, filter: &str) -> String {
    let encoded: String = filter.bytes().map(|byte| format!("%{byte:02X}")).collect();
    format!("{path}?filter={encoded}")
}
