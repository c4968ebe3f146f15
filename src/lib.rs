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
mod files;
pub mod mail;
pub mod openid;
mod rates;
mod secrets;
pub mod service;
pub mod store;
pub mod telemetry;
mod threads;

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::hint::black_box;

    fn resident_mebibytes() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").expect("read");
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("said");
        resident.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") / 1_024
    }

    /// The database asks for as much when what was written last has filled as much, and everybody waits until it has it.
    #[test]
    fn o02_hundreds_of_mebibytes_are_zeroed_without_being_touched() {
        // What was in use before may come back, and then is not zeroed yet.
        drop(black_box(vec![1_u8; 64 << 20]));
        let before = resident_mebibytes();
        let memory = black_box(vec![0_u8; 832 << 20]);
        let after = resident_mebibytes();
        drop(memory);
        assert!(after < before + 400, "{before} MiB, then {after}");
    }
}
