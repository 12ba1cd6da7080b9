//! The program: see the library's map, and `cli` for the commands.

use std::process::ExitCode;

fn main() -> ExitCode {
    keymuster::cli::main()
}
