//! From where a credential comes, and reading it: a file or a systemd credential, and nothing else. No error repeats content.

use std::fmt;
use std::fs::{File, Metadata, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

use crate::providers::SignIn;

use super::problem::Fault;
use super::reader::Section;
use super::secrets;
use super::tree::Node;
use super::values;

/// From where a secret comes: an account's credential, or what the webhook signs with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialSource {
    /// A file that only we, and perhaps our group, may read.
    File(PathBuf),
    /// A systemd credential of that name.
    Systemd {
        /// The name, as `LoadCredential=` gives it.
        name: String,
        /// The folder that `CREDENTIALS_DIRECTORY` named; `None` where systemd passed no credentials.
        directory: Option<PathBuf>,
    },
}

impl fmt::Display for CredentialSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Systemd { name, .. } => write!(f, "credential {name}"),
        }
    }
}

/// Why a credential cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// systemd passed no credentials to this process.
    #[error(
        "credential {0}: CREDENTIALS_DIRECTORY is not set: systemd passes it to what it starts with LoadCredential={0}:FILE, such as \
         'systemd-run --pipe -p LoadCredential=… keymuster check'; root finds it while keymuster.service runs; or name a file instead"
    )]
    NoDirectory(String),
    /// The file cannot be opened or read.
    #[error("{}: cannot be read: {source}; see that it exists and that this user may read it", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A folder, a device, a pipe.
    #[error("{}: is no regular file; name the file that holds the credential", .0.display())]
    NotAFile(PathBuf),
    /// Others may read it, or others or the group may write it.
    #[error("{}: has mode {mode:04o}, so that {who}; {remedy}", path.display())]
    Mode {
        /// The file.
        path: PathBuf,
        /// The permission bits.
        mode: u32,
        /// Who may do what.
        who: &'static str,
        /// What puts it right.
        remedy: &'static str,
    },
    /// Not one line of visible ASCII of at most 8 KiB.
    #[error("{}: {what}; write the credential alone, on one line", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with what it holds.
        what: &'static str,
    },
    /// A credential of another kind than this way to sign in takes.
    #[error("{}: begins with {prefix}: {because}", path.display())]
    WrongKind {
        /// The file.
        path: PathBuf,
        /// What it begins with.
        prefix: &'static str,
        /// Why it is refused, and what to use.
        because: &'static str,
    },
}

/// The variable that names the folder of the credentials that systemd passes.
pub const DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// No provider has longer ones.
const LONGEST: u64 = 8 << 10;
/// Room for more than that; a file is read in pieces, and the last of them is empty.
const BUFFER: usize = 16 << 10;

/// Reads a credential, once, and drops one line end behind it.
///
/// # Errors
/// See [`CredentialError`]. The mode of a systemd credential is not looked at: its folder is private to the service.
pub fn load(source: &CredentialSource, sign_in: &SignIn) -> Result<SecretString, CredentialError> {
    let (path, secret) = found(source)?;
    for rule in sign_in.rules {
        if secret.expose_secret().starts_with(rule.refused_prefix) {
            return Err(CredentialError::WrongKind { path, prefix: rule.refused_prefix, because: rule.because });
        }
    }
    Ok(secret)
}

/// The same of a secret that is nobody's way to sign in.
///
/// # Errors
/// See [`load`].
pub fn load_secret(source: &CredentialSource) -> Result<SecretString, CredentialError> {
    found(source).map(|(_, secret)| secret)
}

fn found(source: &CredentialSource) -> Result<(PathBuf, SecretString), CredentialError> {
    let (path, check_mode) = match source {
        CredentialSource::File(path) => (path.clone(), true),
        CredentialSource::Systemd { name, directory: Some(directory) } => (directory.join(name), false),
        CredentialSource::Systemd { name, directory: None } => return Err(CredentialError::NoDirectory(name.clone())),
    };
    let secret = read(&path, check_mode)?;
    Ok((path, secret))
}

/// What others may do with a file of that mode that holds a secret, and must not. Its group may read it.
pub const fn open_to(mode: u32) -> Option<&'static str> {
    match (mode & 0o004 != 0, mode & 0o002 != 0, mode & 0o020 != 0) {
        (true, _, _) => Some("everybody may read it"),
        (false, true, _) => Some("everybody may write it"),
        (false, false, true) => Some("its group may write it"),
        (false, false, false) => None,
    }
}

/// What puts the mode of such a file right, and leaves it readable for the daemon.
pub fn remedy(file: &Metadata) -> &'static str {
    let groups = rustix::process::getgroups().unwrap_or_default().into_iter().chain([rustix::process::getegid()]);
    let groups: Vec<u32> = groups.map(rustix::fs::Gid::as_raw).collect();
    remedy_for(rustix::process::geteuid().as_raw(), &groups, file.uid(), file.gid())
}

/// By who we are and whose the file is. Root, who only checks, is no measure: a file of root's with a group of its own is read by that
/// group.
fn remedy_for(us: u32, our_groups: &[u32], owner: u32, group: u32) -> &'static str {
    let (as_owner, as_group) = if us == 0 { (owner != 0, true) } else { (owner == us, our_groups.contains(&group)) };
    match (as_owner, as_group) {
        _ if (us, owner, group) == (0, 0, 0) => "run chmod 600 on it, and give it to the daemon's user where that is not root",
        (true, _) => "run chmod 600 on it",
        (false, true) => "run chmod 640 on it",
        (false, false) => "give it to the daemon's user or group, and run chmod 640 on it",
    }
}

fn read(path: &Path, check_mode: bool) -> Result<SecretString, CredentialError> {
    let io = |source| CredentialError::Io { path: path.to_owned(), source };
    let content = |what| CredentialError::Content { path: path.to_owned(), what };
    // Without NONBLOCK a pipe without a writer would wait for ever.
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file: File = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(io)?;
    let facts = file.metadata().map_err(io)?;
    if !facts.is_file() {
        return Err(CredentialError::NotAFile(path.to_owned()));
    }
    if check_mode {
        let mode = facts.mode() & 0o7777;
        if let Some(who) = open_to(mode) {
            return Err(CredentialError::Mode { path: path.to_owned(), mode, who, remedy: remedy(&facts) });
        }
    }
    // Wiped when it is let go, and large enough to stay where it is: a vector that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(BUFFER));
    file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > LONGEST {
        return Err(content("holds more than 8 KiB"));
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    if bytes.is_empty() {
        return Err(content("is empty"));
    }
    if bytes.contains(&b'\n') {
        return Err(content("holds more than one line"));
    }
    if bytes.iter().any(|b| !(b'!'..=b'~').contains(b)) {
        return Err(content("holds spaces, control characters or characters that are not ASCII"));
    }
    // Visible ASCII is UTF-8.
    std::str::from_utf8(&bytes).map(SecretString::from).map_err(|_| content("is no ASCII"))
}

/// The two settings of a section that say where its secret is.
pub(super) struct Names {
    /// What the secret is called.
    pub(super) what: &'static str,
    /// The setting that names a file.
    pub(super) file: &'static str,
    /// The setting that names a systemd credential.
    pub(super) systemd: &'static str,
    /// What to do where the secret itself stands there, or nothing.
    pub(super) remedy: &'static str,
}

/// Reads the one of them that is set; `directory` is the value of `CREDENTIALS_DIRECTORY`.
pub(super) fn source(section: &Section<'_>, names: &Names, folder: &Path, directory: Option<&Path>) -> Option<CredentialSource> {
    let file = section.get(names.file, |node| file(node, folder, names.remedy));
    let name = section.get(names.systemd, |node| name(node, names.remedy));
    match (section.has(names.file), section.has(names.systemd)) {
        (true, true) => {
            let message = format!("`{}` has both `{}` and `{}`", section.name(), names.file, names.systemd);
            section.problem(section.place_of(names.systemd), message, "leave one of them out");
        }
        (false, false) => {
            let message = format!("`{}` has no {}", section.name(), names.what);
            section.problem(section.place_of(""), message, names.remedy);
        }
        (true, false) | (false, true) => {}
    }
    let directory = directory.map(Path::to_owned);
    file.map(CredentialSource::File).or(name.map(|name| CredentialSource::Systemd { name, directory }))
}

/// The name of a systemd credential: a file name.
fn name(node: &Node, remedy: &'static str) -> Result<String, Fault> {
    let text = values::text(node)?;
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
    if secrets::begins_like_one(text) {
        Err(Fault::new("looks like a secret itself, and names a systemd credential", remedy))
    } else if !plain || text.len() > 255 || text.starts_with('.') {
        Err(Fault::new("is no name of a systemd credential", "write letters, digits, `_`, `.` and `-`, as in LoadCredential="))
    } else {
        Ok(text.to_owned())
    }
}

/// The path of a secret's file.
fn file(node: &Node, folder: &Path, remedy: &'static str) -> Result<PathBuf, Fault> {
    if secrets::begins_like_one(values::text(node)?) {
        return Err(Fault::new("looks like a secret itself, and is the path of a file that holds it", remedy));
    }
    values::path(folder)(node)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::providers::{Auth, CredentialRule};

    const SIGN_IN: SignIn = SignIn {
        word: "admin_key",
        about: "an admin key",
        auth: Auth::Bearer,
        rules: &[CredentialRule { refused_prefix: "sk-proj-", because: "This is a project key; create an admin key." }],
        mask_shows: None,
    };

    fn loaded(content: &[u8], mode: u32) -> Result<String, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let secret = load(&CredentialSource::File(path), &SIGN_IN);
        let shown = secret.map(|s| s.expose_secret().to_owned()).map_err(|e| e.to_string());
        shown.map_err(|e| e.replace(&folder.path().display().to_string(), ""))
    }

    #[test]
    fn good_files() {
        for content in [&b"den_canary"[..], b"den_canary\n", b"den_canary\r\n"] {
            for mode in [0o400, 0o600, 0o640, 0o440] {
                assert_eq!(loaded(content, mode).as_deref(), Ok("den_canary"));
            }
        }
    }

    #[test]
    fn refused_files() {
        let long = vec![b'x'; 8193];
        for (content, mode, error) in [
            (&b"canary\n"[..], 0o644, "/key: has mode 0644, so that everybody may read it; run chmod 600 on it"),
            (b"canary\n", 0o604, "/key: has mode 0604, so that everybody may read it; run chmod 600 on it"),
            (b"canary\n", 0o602, "/key: has mode 0602, so that everybody may write it; run chmod 600 on it"),
            (b"canary\n", 0o660, "/key: has mode 0660, so that its group may write it; run chmod 600 on it"),
            (b"", 0o600, "/key: is empty; write the credential alone, on one line"),
            (b"\n", 0o600, "/key: is empty; write the credential alone, on one line"),
            (b"canary\ncanary\n", 0o600, "/key: holds more than one line; write the credential alone, on one line"),
            (b"canary\n\n", 0o600, "/key: holds more than one line; write the credential alone, on one line"),
            (&long, 0o600, "/key: holds more than 8 KiB; write the credential alone, on one line"),
            (b"sk-proj-canary", 0o600, "/key: begins with sk-proj-: This is a project key; create an admin key."),
        ] {
            let told = loaded(content, mode).unwrap_err();
            // Root is told more.
            assert!(
                told == error || told == format!("{error}, and give it to the daemon's user where that is not root"),
                "{told}"
            );
        }
        for content in [&b"Bearer canary"[..], b"can\tary", "can\u{e4}ry".as_bytes(), b"can\xffary", b"canary\0"] {
            let error = loaded(content, 0o600).unwrap_err();
            assert!(error.contains("not ASCII") && !error.contains("canary"), "{error}");
        }
    }

    #[test]
    fn the_remedy_leaves_the_file_to_the_daemon() {
        let (root, daemon, other) = (0, 10_847, 1_000);
        for (us, owner, group, remedy) in [
            (daemon, daemon, daemon, "chmod 600"),
            (daemon, root, daemon, "chmod 640"),
            (daemon, root, root, "give it to the daemon's user or group, and run chmod 640"),
            (daemon, other, other, "give it to the daemon's user or group, and run chmod 640"),
            (root, root, root, "chmod 600"),
            (root, root, daemon, "chmod 640"),
            (root, daemon, daemon, "chmod 600"),
        ] {
            let told = remedy_for(us, &[us], owner, group);
            assert!(told.trim_start_matches("run ").starts_with(remedy), "{us}, {owner}:{group}: {told}");
        }
    }

    #[test]
    fn systemd_credentials() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("openai");
        std::fs::write(&path, "canary").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o444)).unwrap();
        let source = |directory| CredentialSource::Systemd { name: "openai".into(), directory };
        let secret = load(&source(Some(folder.path().to_owned())), &SIGN_IN).unwrap();
        assert_eq!(secret.expose_secret(), "canary");
        assert!(!format!("{secret:?}").contains("canary"));
        assert!(matches!(load(&source(None), &SIGN_IN), Err(CredentialError::NoDirectory(_))));
    }

    #[test]
    fn links_are_followed_and_other_things_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("key"), folder.path().join("link"));
        std::fs::write(&file, "canary").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(load(&CredentialSource::File(link), &SIGN_IN).is_ok());
        let of = |path: PathBuf| load(&CredentialSource::File(path), &SIGN_IN);
        assert!(matches!(of(folder.path().to_owned()), Err(CredentialError::NotAFile(_))));
        assert!(matches!(of(folder.path().join("none")), Err(CredentialError::Io { .. })));
        assert!(matches!(of(PathBuf::from("/dev/null")), Err(CredentialError::NotAFile(_))));
    }
}
