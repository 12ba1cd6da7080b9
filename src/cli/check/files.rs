//! The inventory's file and folder: can the daemon use them, and does one?

use std::path::{Path, PathBuf};

use super::Findings;
use crate::cli::exit::Exit;
use crate::cli::setup;
use crate::control::{self, AskError, Request};
use crate::inventory::{Inventory, Reader, StoreError};

const WHAT: &str = "inventory";

/// The file, and the folder that it is in or will be made in.
pub(super) async fn inventory(path: &Path, findings: &mut Findings) -> std::io::Result<()> {
    let exists = path.exists();
    let folder = existing_folder(path);
    let in_the_way = if path.is_dir() {
        Some((path, "is a folder"))
    } else {
        (!folder.is_dir()).then_some((folder.as_path(), "is no folder"))
    };
    if let Some((at, what)) = in_the_way {
        let text = format!("{} cannot be made: {} {what}; name another file as inventory.path", path.display(), at.display());
        return findings.bad(Exit::Config, WHAT, &text);
    }
    if exists {
        match Reader::open(path) {
            Ok(_) => findings.good(WHAT, &format!("{} can be read", path.display()))?,
            Err(StoreError::Older { .. }) => {
                let text =
                    format!("{} is of an earlier version; the daemon brings it up to date and keeps a copy", path.display());
                findings.good(WHAT, &text)?;
            }
            Err(error) => {
                let exit = if matches!(error, StoreError::Newer { .. }) { Exit::NewerDatabase } else { Exit::Config };
                return findings.bad(exit, WHAT, &error.to_string());
            }
        }
        match control::ask(&setup::socket(path), &Request::Status).await {
            Ok(_) | Err(AskError::Stopping | AskError::Foreign | AskError::Broken(_)) => {
                let running = "a daemon is running on it; 'keymuster ctl reload' gives it a changed config, and a second one would be refused";
                return findings.good(WHAT, running);
            }
            // Whoever may not ask it may well not be the daemon's user either.
            Err(AskError::NotAllowed(_)) => return findings.good(WHAT, "a daemon is running on it, of another user"),
            Err(AskError::Nobody(_)) if Inventory::is_held(path) => {
                return findings
                    .good(WHAT, "another keymuster is writing it just now, such as a poll; a daemon has to wait for its end");
            }
            Err(AskError::Nobody(_)) => {}
        }
    }
    // The writer makes files beside it.
    for (at, remedy) in
        [(folder.as_path(), "make the folder, owned by the daemon's user"), (path, "give it to the daemon's user")]
    {
        if at == path && !exists {
            continue;
        }
        if let Err(error) = rustix::fs::access(at, rustix::fs::Access::WRITE_OK) {
            let what = if exists { "written" } else { "made" };
            let text = format!(
                "{} cannot be {what}: {} is not writable for this user ({error}); {remedy}, or run check as that user",
                path.display(),
                at.display()
            );
            return findings.bad(Exit::Config, WHAT, &text);
        }
    }
    if exists { Ok(()) } else { findings.good(WHAT, &format!("{} does not exist yet; the first poll makes it", path.display())) }
}

/// The nearest folder above it that is there.
fn existing_folder(path: &Path) -> PathBuf {
    let found = path.ancestors().skip(1).find(|folder| folder.exists()).filter(|folder| !folder.as_os_str().is_empty());
    found.unwrap_or(Path::new(".")).to_owned()
}
