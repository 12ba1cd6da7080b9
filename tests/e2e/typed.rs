//! Commands of a document, typed as they stand there: in a shell, for the machine that the document is about.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::process::{PATIENCE, Running};
use crate::support::Site;

/// The commands of the first block that follows a text.
#[track_caller]
pub fn block(document: &str, after: &str) -> Vec<String> {
    let (_, rest) = document.split_once(after).unwrap_or_else(|| panic!("nowhere '{after}'"));
    let (_, block) = rest.split_once("```sh\n").unwrap();
    block.split("```").next().unwrap().lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// A folder with a `keymuster` that takes that site's config for its own, and with further programs under the names that documents
/// call them by.
pub fn programs(site: &Site, more: &[(&str, &Path)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (program, config) = (env!("CARGO_BIN_EXE_keymuster"), site.config());
    let ours = format!("#!/bin/sh\nexec '{program}' \"$@\" --config '{}'\n", config.display());
    let path = folder.path().join("keymuster");
    fs::write(&path, ours).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    for (name, program) in more {
        std::os::unix::fs::symlink(program, folder.path().join(name)).unwrap();
    }
    folder
}

/// Types a command. `here` says what stands in the place of what the document names; programs are found below `programs` first.
/// Whoever the document gives files to is us.
#[track_caller]
pub fn typed(command: &str, here: &[(&str, &str)], programs: &Path) {
    let us = format!("-o {} -g {}", rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let mut line =
        command.replace("-o keymuster -g keymuster", &us).replace("-g keymuster", "").replace("runuser -u keymuster --", "");
    for (there, here) in here {
        line = line.replace(there, here);
    }
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("PATH={}:$PATH\n{line}", programs.display())]);
    Running::start(shell, "none, it is sh").finish(PATIENCE).ended(0);
}
