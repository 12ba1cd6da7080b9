//! Arguments that are wrong, told without repeating what may be a secret.

use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::exit::Exit;
use super::output::error_line;
use crate::domain::Text;

/// A word that is this long may be a secret: commands are shorter.
const LONG: usize = 16;
/// What stands for a word that is not repeated.
const HIDDEN: &str = "…";
/// Parts of the names of options that somebody takes for the place of a secret.
const SECRET: &[&str] = &["key", "token", "secret", "credential", "password", "session", "auth"];

/// Prints what clap has to say: help on standard output, mistakes on standard error with exit code 64.
///
/// No option takes a secret: whoever runs `ps` sees arguments. So what stands where nothing is expected may be one, and is told
/// with the right way instead of being repeated into a terminal's history or a log.
pub fn refuse(mut error: clap::Error) -> ExitCode {
    let is_secret = hide(&mut error);
    // Nobody is left to tell where printing fails.
    let _ = error.print();
    if is_secret {
        error_line(
            "a secret is never an argument, which everybody on this machine may read: put it into a file that the account \
             names as credential_file, or pass it as a systemd credential",
        );
    }
    if error.use_stderr() { Exit::Usage.code() } else { Exit::Ok.code() }
}

/// A word that nothing is called by, as a message may repeat it. Where another was expected somebody may have put a secret: a
/// session begins like nothing else, and is long and mixed as no account's name is.
pub fn repeated(word: &str) -> String {
    let of_one = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let is_mixed = word.bytes().any(|b| b.is_ascii_digit()) && word.bytes().any(|b| b.is_ascii_uppercase());
    let may_be_one = word.len() >= LONG && is_mixed && word.bytes().all(of_one);
    if may_be_one { HIDDEN.to_owned() } else { Text::clean(word).to_string() }
}

/// Takes out of the message what may be a secret; whether something was meant as one.
fn hide(error: &mut clap::Error) -> bool {
    if error.kind() == ErrorKind::UnknownArgument {
        let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidArg) else { return false };
        if word.starts_with('-') {
            let (name, shown) = (word.to_ascii_lowercase(), Text::clean(word).to_string());
            if shown != *word {
                replace(error, ContextKind::InvalidArg, shown);
            }
            return SECRET.iter().any(|part| name.contains(part));
        }
        replace(error, ContextKind::InvalidArg, HIDDEN.to_owned());
        return true;
    }
    for kind in [ContextKind::InvalidSubcommand, ContextKind::InvalidValue] {
        let Some(ContextValue::String(word)) = error.get(kind) else { continue };
        let is_long = kind == ContextKind::InvalidSubcommand && word.len() >= LONG;
        let shown = if is_long { HIDDEN.to_owned() } else { repeated(word) };
        if shown != *word {
            replace(error, kind, shown);
            return true;
        }
    }
    false
}

fn replace(error: &mut clap::Error, kind: ContextKind, shown: String) {
    error.insert(kind, ContextValue::String(shown));
    // Tips repeat the word.
    error.remove(ContextKind::Suggested);
}
