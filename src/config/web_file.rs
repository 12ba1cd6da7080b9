//! The web config file: TLS, client certificates and passwords of the listener, in the format that Prometheus's exporters
//! share (<https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md>). What it knows and we do not
//! do is an error: nobody shall believe in a protection that is not there.

use std::collections::BTreeMap;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::domain::closed_enum;

use super::problem::Fault;
use super::reader::Section;
use super::tree::{Node, Value};
use super::{values, yaml};

/// What the file says. Relative paths in it begin at its folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebFile {
    /// The file.
    pub path: PathBuf,
    /// `tls_server_config`.
    pub tls: Option<Tls>,
    /// `basic_auth_users`: hashes of passwords, by name.
    pub users: BTreeMap<String, PasswordHash>,
}

/// `tls_server_config`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Our certificate, and those that lead from it to a root; PEM.
    pub cert: PathBuf,
    /// The private key of it; PEM.
    pub key: PathBuf,
    /// Whether clients show certificates.
    pub clients: Clients,
    /// The oldest version that is spoken.
    pub oldest: TlsVersion,
}

/// Whether clients show certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Clients {
    /// None is asked for.
    NotAsked,
    /// Who shows one must show one that these roots vouch for.
    IfGiven(PathBuf),
    /// Everybody must.
    Required(PathBuf),
}

closed_enum! {
    /// A version of TLS.
    TlsVersion {
        /// 1.2.
        Tls12 = "TLS12",
        /// 1.3.
        Tls13 = "TLS13",
    }
}

closed_enum! {
    /// The words of `client_auth_type`.
    ClientAuth {
        NoClientCert = "NoClientCert",
        VerifyClientCertIfGiven = "VerifyClientCertIfGiven",
        RequireAndVerifyClientCert = "RequireAndVerifyClientCert",
    }
}

/// A bcrypt hash.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// The text as a hash; `None` where bcrypt writes none like it.
    pub fn parse(text: &str) -> Option<Self> {
        bcrypt::HashParts::from_str(text).is_ok().then(|| Self(text.to_owned()))
    }

    /// What one look at a password costs: each step doubles it.
    fn cost(&self) -> Option<u32> {
        bcrypt::HashParts::from_str(&self.0).ok().map(|parts| parts.get_cost())
    }

    /// As bcrypt writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// What the format knows and we do not do.
const NOT_DONE: &[(&str, &[&str])] = &[
    ("", &["http_server_config", "rate_limit"]),
    (
        "tls_server_config",
        &[
            "cert",
            "key",
            "client_ca",
            "client_allowed_sans",
            "max_version",
            "cipher_suites",
            "prefer_server_cipher_suites",
            "curve_preferences",
        ],
    ),
];

impl WebFile {
    /// Nobody gets anything without a password or a certificate, and everything is encrypted.
    pub fn asks_everybody(&self) -> bool {
        let asks = |tls: &Tls| !self.users.is_empty() || matches!(tls.clients, Clients::Required(_));
        self.tls.as_ref().is_some_and(asks)
    }

    /// Reads the file. What is wrong with it goes to the sink of the section that names it.
    pub(super) fn read(path: &Path, named_by: &Section<'_>) -> Option<Self> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                let message = format!("`{}` cannot be read: {error}", named_by.full("config_file"));
                named_by.problem(named_by.place_of("config_file"), message, how_to_read(error.kind()));
                return None;
            }
        };
        let root = match yaml::tree(path, &text) {
            Ok(root) => root,
            Err(problems) => {
                problems.iter().for_each(|problem| named_by.problem(&problem.place, &problem.message, &problem.remedy));
                return None;
            }
        };
        if !has_entries(&root, named_by) {
            return None;
        }
        let root = Section::new("", &root, named_by.sink());
        let folder = path.parent().unwrap_or(Path::new(""));
        refuse_what_is_not_done(&root, "");
        let tls = root.has("tls_server_config").then(|| tls(root.section("tls_server_config"), folder)).flatten();
        let users = users(&root);
        root.finish();
        Some(Self { path: path.to_owned(), tls, users })
    }
}

/// The path is not repeated, as no value is: its place is told, and what stands there can be looked up.
fn how_to_read(error: ErrorKind) -> &'static str {
    if matches!(error, ErrorKind::NotFound | ErrorKind::NotADirectory) {
        "make that file, or correct the path; a relative one begins at the folder of the config file"
    } else if error == ErrorKind::PermissionDenied {
        "let this user read it, and pass through the folders above it: such as by its group, and mode 0640"
    } else if error == ErrorKind::IsADirectory {
        "name the file, not the folder that it is in"
    } else if error == ErrorKind::InvalidData {
        "write it in UTF-8"
    } else {
        "see that it is a file that this user may read"
    }
}

/// The file, and what stands in it, are entries. The readers' words for what is not are those of TOML.
fn has_entries(root: &Node, named_by: &Section<'_>) -> bool {
    let tables = [("tls_server_config", "cert_file: server.pem"), ("basic_auth_users", "prometheus: $2y$10$…")];
    let entries = if let Value::Table(entries) = &root.value { Some(entries) } else { None };
    let tables = tables.iter().filter_map(|(name, example)| Some((format!("`{name}`"), *example, entries?.get(*name)?)));
    let all = std::iter::once(("the file".to_owned(), "basic_auth_users:", root)).chain(tables);
    let mut wrong = all.filter(|(_, _, node)| !matches!(node.value, Value::Table(_))).peekable();
    let is_right = wrong.peek().is_none();
    for (what, example, node) in wrong {
        let message = format!("{what} holds {}, not entries", node.what());
        let remedy = "write each entry on a line of its own, without a dash, and with a space behind its colon";
        named_by.problem(&node.place, message, format!("{remedy}, as in `{example}`"));
    }
    is_right
}

fn refuse_what_is_not_done(section: &Section<'_>, table: &str) {
    for name in NOT_DONE.iter().filter(|(of, _)| *of == table).flat_map(|(_, names)| *names) {
        if section.is_set(name) {
            section.skip(name);
            let message = format!("`{}` is not done by keymuster", section.full(name));
            let remedy = match *name {
                "cert" | "key" => format!("write it into a file, and name that by `{name}_file`"),
                "client_ca" => "write it into a file, and name that by `client_ca_file`".to_owned(),
                _ => "leave it out; put a proxy in front where you need it".to_owned(),
            };
            section.problem(section.place_of(name), message, remedy);
        }
    }
}

fn tls(section: Section<'_>, folder: &Path) -> Option<Tls> {
    refuse_what_is_not_done(&section, "tls_server_config");
    let file = |name| {
        let path = section.get(name, values::path(folder));
        if path.is_none() && !section.has(name) {
            let message = format!("`{}` is missing", section.full(name));
            section.problem(section.place_of(""), message, "name a PEM file");
        }
        path
    };
    let (cert, key) = (file("cert_file"), file("key_file"));
    let word = values::word(ClientAuth::ALL, ClientAuth::as_str);
    let auth = section.get("client_auth_type", word);
    let ca = section.get("client_ca_file", values::path(folder));
    let clients = match (auth, ca) {
        (Some(ClientAuth::NoClientCert), None) => Clients::NotAsked,
        (None, None) if !section.has("client_auth_type") => Clients::NotAsked,
        (Some(ClientAuth::VerifyClientCertIfGiven), Some(ca)) => Clients::IfGiven(ca),
        (Some(ClientAuth::RequireAndVerifyClientCert), Some(ca)) => Clients::Required(ca),
        (Some(ClientAuth::NoClientCert) | None, Some(_)) => {
            let message = format!("`{}` is set, and clients are asked for no certificate", section.full("client_ca_file"));
            let remedy = "set `client_auth_type: RequireAndVerifyClientCert`, or leave it out";
            section.problem(section.place_of("client_ca_file"), message, remedy);
            Clients::NotAsked
        }
        (Some(ClientAuth::VerifyClientCertIfGiven | ClientAuth::RequireAndVerifyClientCert), None) => {
            let message = format!("`{}` needs `client_ca_file`", section.full("client_auth_type"));
            section.problem(section.place_of("client_auth_type"), message, "name a PEM file with the roots of your clients");
            Clients::NotAsked
        }
        // Wrong, and reported.
        (None, None) => Clients::NotAsked,
    };
    let oldest = section.get_or("min_version", TlsVersion::Tls12, values::word(TlsVersion::ALL, TlsVersion::as_str));
    section.finish();
    Some(Tls { cert: cert?, key: key?, clients, oldest })
}

fn users(root: &Section<'_>) -> BTreeMap<String, PasswordHash> {
    let section = root.section("basic_auth_users");
    if root.has("basic_auth_users") && section.is_empty() {
        section.problem(section.place_of(""), "`basic_auth_users` names nobody", "add a name and a bcrypt hash, or leave it out");
    }
    let entries = root.entries("basic_auth_users").into_iter();
    let read = |(name, node): (&str, _)| Some((name.to_owned(), root.read(&format!("basic_auth_users.{name}"), node, hash)?));
    entries.filter_map(read).collect()
}

/// The most that one look at a password may cost: each step doubles it, and 15 takes seconds.
const DEAREST: u32 = 15;

fn hash(node: &Node) -> Result<PasswordHash, Fault> {
    let remedy = "write a bcrypt hash, such as `htpasswd -nBC 10 \"\"` prints";
    let hash = node.as_text().and_then(PasswordHash::parse).ok_or_else(|| Fault::new("is no bcrypt hash", remedy))?;
    if hash.cost().is_none_or(|cost| cost > DEAREST) {
        return Err(Fault::new(format!("costs more than {DEAREST}, of which each step doubles the time of a look"), remedy));
    }
    Ok(hash)
}
