//! How Rollcall talks to SurrealDB: the engines it runs on, and the connection to them.

pub(super) mod engine;
