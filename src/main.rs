//! The program: arguments to a command.

use std::process::ExitCode;

fn main() -> ExitCode {
    rollcall::cli::main()
}
