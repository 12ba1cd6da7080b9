//! The web config file: TLS, client certificates and passwords of the listener, in the format that Prometheus's exporters
//! share (<https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md>). What it knows and we do not
//! do is an error: nobody shall believe in a protection that is not there.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::domain::closed_enum;

use super::problem::Fault;
use super::reader::Section;
use super::tree::Node;
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
                named_by.problem(
                    named_by.place_of("config_file"),
                    message,
                    "see that the file exists and that this user may read it",
                );
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
        let root = Section::new("", &root, named_by.sink());
        let folder = path.parent().unwrap_or(Path::new(""));
        refuse_what_is_not_done(&root, "");
        let tls = root.has("tls_server_config").then(|| tls(root.section("tls_server_config"), folder)).flatten();
        let users = users(&root);
        root.finish();
        Some(Self { path: path.to_owned(), tls, users })
    }
}

fn refuse_what_is_not_done(section: &Section<'_>, table: &str) {
    for name in NOT_DONE.iter().filter(|(of, _)| *of == table).flat_map(|(_, names)| *names) {
        if section.is_set(name) {
            section.skip(name);
            let message = format!("`{}` is not done by keymuster", section.full(name));
            section.problem(section.place_of(name), message, "leave it out; put a proxy in front where you need it");
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
    let text = values::text(node)?;
    let hash = PasswordHash::parse(text).ok_or_else(|| Fault::new("is no bcrypt hash", remedy))?;
    if hash.cost().is_none_or(|cost| cost > DEAREST) {
        return Err(Fault::new(format!("costs more than {DEAREST}"), remedy));
    }
    Ok(hash)
}
