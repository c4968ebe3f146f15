//! A SurrealDB server for tests, with the command line of the published `surreal` program: `surreal start --bind …`.

use std::process::ExitCode;

use surrealdb_server::core::CommunityComposer;

fn main() -> ExitCode {
    surrealdb_server::init(CommunityComposer())
}
