//! `keymuster completions`: what makes a shell complete the commands and their options.

use clap::CommandFactory;

use super::args::{Arguments, Completions};
use super::exit::Exit;
use super::output::Output;

/// Prints it for that shell.
///
/// # Errors
/// Standard output cannot be written.
pub fn completions(arguments: Completions) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "keymuster", &mut script);
    Output::new().text(&String::from_utf8(script)?)?;
    Ok(Exit::Ok)
}
