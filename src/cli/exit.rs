//! Exit codes: documented interface.

use std::process::ExitCode;

use super::output::error_line;
use crate::config::Problems;
use crate::control::{AskError, Fault};
use crate::inventory::StoreError;

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All is well.
    Ok,
    /// Something failed that no other code says.
    Unexpected,
    /// There are findings that were asked for with `--fail-on`.
    Findings,
    /// The arguments are wrong.
    Usage,
    /// The database is newer than the program.
    NewerDatabase,
    /// A remote could not be read whole, or the daemon does not answer.
    Unavailable,
    /// A bug of keymuster.
    Bug,
    /// The config, or something that it names, is wrong.
    Config,
}

impl Exit {
    /// Every way, by number.
    pub const ALL: [Self; 8] = [
        Self::Ok,
        Self::Unexpected,
        Self::Findings,
        Self::Usage,
        Self::NewerDatabase,
        Self::Unavailable,
        Self::Bug,
        Self::Config,
    ];

    /// The number, as `sysexits.h` has it where it has one.
    pub const fn number(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Unexpected => 1,
            Self::Findings => 2,
            Self::Usage => 64,
            Self::NewerDatabase => 65,
            Self::Unavailable => 69,
            Self::Bug => 70,
            Self::Config => 78,
        }
    }

    /// What the number means, as the README has it, in what fits a line.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unexpected => "unexpected; or db check found something wrong",
            Self::Findings => "a finding that --fail-on names",
            Self::Usage => "wrong arguments; no such account, scope, person or past; nothing to ack",
            Self::NewerDatabase => "the database is newer than the program",
            Self::Unavailable => "a provider not read whole, something held, no daemon for ctl, webhook test not taken",
            Self::Bug => "a bug of keymuster",
            Self::Config => "the config or a file that it names is wrong; or a reload was refused",
        }
    }

    /// What a refusal of the daemon ends a command with.
    pub const fn of(fault: Fault) -> Self {
        match fault {
            Fault::Request => Self::Usage,
            Fault::Config => Self::Config,
            Fault::Stopping => Self::Unavailable,
            Fault::Other => Self::Unexpected,
        }
    }

    /// The number as a process ends with it.
    pub fn code(self) -> ExitCode {
        ExitCode::from(self.number())
    }
}

/// What the operator has to put right before the command can do anything: told line by line, exit code 78.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct ConfigError(pub Vec<String>);

/// What was asked for names nothing that there is: told line by line, exit code 64.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// Tells an error on standard error, and finds its code.
pub fn report(error: &anyhow::Error) -> ExitCode {
    if let Some(problems) = error.downcast_ref::<Problems>() {
        for problem in problems.iter() {
            error_line(&problem.to_string());
        }
        return Exit::Config.code();
    }
    if let Some(ConfigError(lines)) = error.downcast_ref::<ConfigError>() {
        lines.iter().for_each(|line| error_line(line));
        return Exit::Config.code();
    }
    if let Some(UsageError(text)) = error.downcast_ref::<UsageError>() {
        text.lines().for_each(error_line);
        return Exit::Usage.code();
    }
    if is_broken_pipe(error) {
        // Whoever read our output has seen enough.
        return Exit::Ok.code();
    }
    error_line(&format!("{error:#}"));
    match error.downcast_ref::<AskError>() {
        Some(AskError::Nobody(_) | AskError::Broken(_) | AskError::Stopping) => return Exit::Unavailable.code(),
        Some(AskError::NotAllowed(_) | AskError::Foreign) | None => {}
    }
    match error.downcast_ref::<StoreError>() {
        Some(StoreError::Newer { .. }) => Exit::NewerDatabase.code(),
        Some(StoreError::ProviderChanged { .. }) => Exit::Config.code(),
        Some(StoreError::BeforeHistory { .. }) => Exit::Usage.code(),
        Some(
            StoreError::Older { .. }
            | StoreError::Foreign { .. }
            | StoreError::Locked { .. }
            | StoreError::Absent { .. }
            | StoreError::Empty { .. }
            | StoreError::NoDatabase { .. }
            | StoreError::Replaced { .. }
            | StoreError::ForeignLog { .. }
            | StoreError::CutOff { .. }
            | StoreError::NotBackedUp { .. }
            | StoreError::NoRoom { .. }
            | StoreError::File { .. }
            | StoreError::Sqlite(_)
            | StoreError::Inconsistent { .. }
            | StoreError::Panicked
            | StoreError::Stopped,
        )
        | None => Exit::Unexpected.code(),
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// The error that tells a refusal, and by its exit code what has to be put right.
pub fn refusal(fault: Fault, why: String) -> anyhow::Error {
    match fault {
        Fault::Request => UsageError(why).into(),
        Fault::Config => ConfigError(why.lines().map(str::to_owned).collect()).into(),
        Fault::Stopping => AskError::Stopping.into(),
        Fault::Other => anyhow::anyhow!(why),
    }
}
