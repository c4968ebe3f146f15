//! Rollcall: a SCIM 2.0 provisioning server with an account API, on SurrealDB.
//!
//! ```text
//!     api::scim   api::graphql   api::pages  faces translate
//!                 └───────┬───────┘
//!                      service               decides: access, rules, one transaction
//!         ┌───────────┬───┴───┬────────┬────────┐
//!       domain      store   crypto    mail   openid   nouns · the only SurrealDB · algorithms · letters · providers
//!              └── scim (its own crate): the protocol as pure functions
//! ```
//!
//! The same noun names the file at every layer: `users.rs` from `api` down to `store` is the tour.

/// For every program made of this crate: the server, its tests, its load harness.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

pub mod api;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod crypto;
pub mod domain;
pub mod mail;
pub mod openid;
mod secrets;
pub mod service;
pub mod store;
pub mod telemetry;
