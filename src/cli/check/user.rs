//! What root may read, the daemon's user may not: what can be said of that user where root checks.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Findings;
use crate::cli::exit::Exit;
use crate::config::credential::CredentialSource;
use crate::config::{Clients, Config};

const WHAT: &str = "user";

/// Tells which files of the config the daemon's user could not read: the user whose the state folder is.
pub(super) fn check(config: &Config, file: &Path, findings: &mut Findings) -> std::io::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let folder = std::path::absolute(&config.inventory)?.parent().map_or_else(|| PathBuf::from("/"), Path::to_path_buf);
    let Ok(facts) = std::fs::metadata(&folder) else {
        let text = format!(
            "{} is not there yet, so that nothing tells who the daemon's user will be; what it may read was not checked: run check as that user",
            folder.display()
        );
        return findings.warning(WHAT, &text);
    };
    if facts.uid() == 0 {
        let text = format!("checked as root, who owns {}; a daemon of another user may do less", folder.display());
        return findings.good(WHAT, &text);
    }
    for path in files(config, file) {
        // Whether it is there at all is told elsewhere.
        if std::fs::metadata(&path).is_ok_and(|file| !may_read(&file, &facts)) {
            let text = format!(
                "{} cannot be read by user {}, whose {} is; give it to that user or to the group {}",
                path.display(),
                facts.uid(),
                folder.display(),
                facts.gid()
            );
            findings.bad(Exit::Config, WHAT, &text)?;
        }
    }
    Ok(())
}

/// Everything that the daemon opens for itself. What systemd passes is not among it.
fn files(config: &Config, file: &Path) -> Vec<PathBuf> {
    let mut files = vec![file.to_owned()];
    for account in config.accounts.values() {
        match &account.credential {
            CredentialSource::File(path) => files.push(path.clone()),
            CredentialSource::Systemd { .. } => {}
        }
        files.extend(account.ca_file.clone());
    }
    if let Some(web) = &config.web.file {
        files.push(web.path.clone());
        if let Some(tls) = &web.tls {
            files.extend([tls.cert.clone(), tls.key.clone()]);
            match &tls.clients {
                Clients::NotAsked => {}
                Clients::IfGiven(ca) | Clients::Required(ca) => files.push(ca.clone()),
            }
        }
    }
    files
}

/// By the owner and the group of `folder`.
fn may_read(file: &Metadata, folder: &Metadata) -> bool {
    let bit = match (file.uid() == folder.uid(), file.gid() == folder.gid()) {
        (true, _) => 0o400,
        (false, true) => 0o040,
        (false, false) => 0o004,
    };
    file.mode() & bit != 0
}
