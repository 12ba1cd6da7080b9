//! The commands, one file each, and what they share: exit codes, output, log.
//!
//! The only part of the program that prints. It puts the pieces together and decides nothing that the pieces decide.

mod args;
mod changes;
mod check;
mod completions;
mod ctl;
mod daemon;
mod db;
mod demo;
mod descriptors;
mod estimate;
mod exit;
mod explain;
mod findings;
mod forget;
mod hardening;
mod keys;
mod listener;
mod log;
mod looked_at;
mod man;
mod markdown;
mod mistyped;
mod output;
mod owners;
mod policy;
mod poll;
mod private;
mod progress;
mod report;
mod run;
mod scratch;
mod served;
mod service;
mod setup;
mod signals;
mod simulate;
mod table;
mod webhook;
mod worth;

use std::process::ExitCode;

use clap::Parser;

pub use args::{Arguments, Command};
pub use exit::Exit;

/// Reads the arguments, runs the command, and turns whatever comes of it into an exit code.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return mistyped::refuse(error),
    };
    let Ok(result) = std::panic::catch_unwind(|| run(arguments.command)) else {
        return Exit::Bug.code();
    };
    match result {
        Ok(exit) => exit.code(),
        Err(error) => exit::report(&error),
    }
}

fn run(command: Command) -> anyhow::Result<Exit> {
    hardening::harden()?;
    descriptors::allow_all();
    // Two threads are plenty: nearly all the time is spent waiting for providers.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let result = runtime.block_on(async {
        match command {
            Command::Demo(arguments) => demo::demo(arguments).await,
            Command::Run(arguments) => run::run(arguments).await,
            Command::Poll(arguments) => poll::poll(arguments).await,
            Command::Keys(arguments) => keys::keys(arguments).await,
            Command::Findings(arguments) => findings::findings(arguments).await,
            Command::Changes(arguments) => changes::changes(arguments).await,
            Command::Explain(arguments) => explain::explain(arguments).await,
            Command::Owners(arguments) => owners::owners(arguments).await,
            Command::Webhook(arguments) => webhook::webhook(arguments).await,
            Command::Forget(arguments) => forget::forget(arguments).await,
            Command::Report(arguments) => report::report(arguments).await,
            Command::Policy(arguments) => policy::policy(arguments).await,
            Command::Check(arguments) => check::check(arguments).await,
            Command::Ctl(arguments) => ctl::ctl(arguments).await,
            Command::Db(arguments) => db::db(arguments),
            Command::Simulate(arguments) => simulate::simulate(arguments).await,
            Command::Completions(arguments) => completions::completions(arguments),
            Command::Man => man::man(),
        }
    });
    runtime.shutdown_timeout(std::time::Duration::from_millis(200));
    result
}
