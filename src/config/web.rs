//! `[web]`: where pages, metrics and health are served, and to whom.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use super::problem::Fault;
use super::reader::Section;
use super::tree::{Node, Value};
use super::values;
use super::web_file::WebFile;

/// `[web]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Web {
    /// Address and port; a loopback address, unless everybody has to sign in over TLS, or `insecure` is set.
    pub listen: SocketAddr,
    /// Names under which the listener is reached, in lower case, beside `localhost` and its address.
    pub hosts: BTreeSet<String>,
    /// Other machines may connect, though not everybody has to sign in over TLS.
    pub insecure: bool,
    /// What the web config file says.
    pub file: Option<WebFile>,
}

impl Web {
    /// Other machines can read everything, and nobody is asked who they are, or can tell who answers.
    pub fn is_open(&self) -> bool {
        !self.listen.ip().is_loopback() && !self.file.as_ref().is_some_and(WebFile::asks_everybody)
    }

    pub(super) fn read(section: Section<'_>, folder: &Path) -> Self {
        let default = SocketAddr::from((Ipv4Addr::LOCALHOST, 10847));
        let file = section.get("config_file", values::path(folder)).and_then(|path| WebFile::read(&path, &section));
        let web = Self {
            listen: section.get_or("listen", default, socket),
            hosts: section.get_or("hosts", BTreeSet::new(), hosts),
            insecure: section.get_or("insecure", false, values::boolean),
            file,
        };
        if !web.insecure && web.is_open() {
            let lacks = match &web.file {
                None => "TLS nor sign-in",
                Some(file) if file.tls.is_none() => "TLS",
                Some(_) => "sign-in",
            };
            let neither = if web.file.is_none() { "neither " } else { "no " };
            let message = format!("`{}` is no loopback address, and there is {neither}{lacks}", section.full("listen"));
            let remedy = "name a web config file with both by `config_file`, listen on 127.0.0.1 behind a proxy that has both, or \
                          set `insecure = true` in [web]";
            section.problem(section.place_of("listen"), message, remedy);
        }
        section.finish();
        web
    }
}

/// An address with a port; a port alone, as exporters take it, is every address of the machine.
fn socket(node: &Node) -> Result<SocketAddr, Fault> {
    let text = values::text(node)?;
    let every =
        text.strip_prefix(':').and_then(|port| port.parse().ok()).map(|port| SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)));
    let fault =
        || Fault::new("is no IP address with a port", "write one such as \"127.0.0.1:10847\", \"[::1]:10847\" or \":10847\"");
    every.or_else(|| text.parse().ok()).ok_or_else(fault)
}

fn hosts(node: &Node) -> Result<BTreeSet<String>, Fault> {
    let fault = || Fault::new("is no list of host names", "write names without port, such as [\"keys.example.com\"]");
    let name = |text: &str| {
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'));
        (plain && !text.is_empty() && text.len() <= 253).then(|| text.to_ascii_lowercase()).ok_or_else(fault)
    };
    match (&node.value, node.variable_text()) {
        (_, Some(text)) => text.split(',').map(|text| name(text.trim())).collect(),
        (Value::List(list), None) => list.iter().map(|element| name(values::text(element)?)).collect(),
        (_, None) => Err(fault()),
    }
}
