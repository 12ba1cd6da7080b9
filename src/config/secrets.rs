//! Keeps secrets out of the config: what looks like one is taken out of the tree and refused, and never repeated.

use crate::domain::Text;
use crate::providers::Spec;

use super::problem::Sink;
use super::tree::{Node, Value};

/// What to do instead.
pub(super) const RIGHT_WAY: &str = "put the secret into a file of its own with mode 0600 and name that file by `credential_file`, \
     or pass it as a systemd credential and name that by `credential`";

/// What the secrets of providers begin with, and from how many further characters on: a credential may well be named
/// `den_session`.
const PREFIXES: &[(&str, usize)] = &[("sk-", 0), ("bt-st-", 0), ("den_", 16), ("eyJ", 16), ("ghp_", 16), ("AKIA", 12)];

/// Replaces each text, and drops each name, that looks like a secret.
pub(super) fn refuse(node: &mut Node, sink: &Sink) {
    match &mut node.value {
        Value::Text(text) => {
            if looks_like_one(text) {
                sink.add(&node.place, "a value looks like a secret, and secrets do not stand in the config", RIGHT_WAY);
                node.value = Value::Refused;
            }
        }
        Value::List(list) => list.iter_mut().for_each(|element| refuse(element, sink)),
        Value::Table(entries) => entries.retain(|name, entry| {
            if looks_like_one(name) {
                sink.add(&entry.place, "a name looks like a secret, and secrets do not stand in the config", RIGHT_WAY);
                return false;
            }
            refuse(entry, sink);
            true
        }),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Date(_) | Value::Refused => {}
    }
}

fn looks_like_one(text: &str) -> bool {
    // A path or URL is looked at part by part: as a whole, a long one mixes letters and digits as random text does.
    let is_path = text.starts_with(['/', '.']) || text.starts_with("http");
    if is_path { text.split('/').any(|part| Text::clean(part).was_secret_like()) } else { Text::clean(text).was_secret_like() }
}

/// What is wrong with an environment that holds a credential of one of those providers: other processes may read it there.
pub fn in_environment(specs: &[&Spec], set: impl Fn(&str) -> bool) -> Vec<String> {
    let mut variables: Vec<(&str, &str)> = specs
        .iter()
        .flat_map(|spec| spec.variables.iter().map(|name| (*name, spec.name)))
        .filter(|(name, _)| set(name))
        .collect();
    variables.sort_unstable();
    variables.dedup();
    let told = |(name, provider): (&str, &str)| {
        format!(
            "environment variable {name} would hold a credential of {provider}, and none is taken from there: unset it, and {RIGHT_WAY}"
        )
    };
    variables.into_iter().map(told).collect()
}

/// A text that begins as the secrets of providers do, where only a path or a name is wanted.
pub(super) fn begins_like_one(text: &str) -> bool {
    PREFIXES.iter().any(|(prefix, more)| text.strip_prefix(prefix).is_some_and(|rest| rest.len() >= *more))
}

/// A setting that we do not have, and that people would write a secret to.
pub(super) fn is_name_of_one(name: &str) -> bool {
    const PARTS: &[&str] = &["secret", "password", "passwd", "token", "apikey", "adminkey", "privatekey", "accesskey", "bearer"];
    let plain: String = name.to_lowercase().chars().filter(|c| !matches!(c, '_' | '-')).collect();
    plain == "key" || plain == "auth" || plain == "authorization" || PARTS.iter().any(|part| plain.contains(part))
}
