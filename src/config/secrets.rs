//! Keeps secrets out of the config: what looks like one is taken out of the tree and refused, and never repeated.

use crate::domain::Text;
use crate::providers::Spec;

use super::problem::Sink;
use super::tree::{Node, Value};
use super::webhook;

/// What to do instead.
pub(super) const RIGHT_WAY: &str = "put the secret into a file of its own with mode 0600 and name that file by `credential_file`, \
     or pass it as a systemd credential and name that by `credential`";

/// The same for what the webhook signs with.
pub(super) const RIGHT_WAY_OF_WEBHOOK: &str = "put the secret into a file of its own with mode 0600 and name that file by \
     `secret_file`, or pass it as a systemd credential and name that by `secret`";

/// What the secrets of providers begin with, and from how many further characters on: a credential may well be named
/// `den_session`.
const PREFIXES: &[(&str, usize)] =
    &[("sk-", 0), ("bt-st-", 0), ("den_", 16), ("eyJ", 16), ("ghp_", 16), ("AKIA", 12), ("whsec_", 16)];

/// Replaces each text, and drops each name, that looks like a secret.
pub(super) fn refuse(root: &mut Node, sink: &Sink) {
    refuse_in(root, RIGHT_WAY, sink);
}

fn refuse_in(node: &mut Node, remedy: &'static str, sink: &Sink) {
    match &mut node.value {
        Value::Text(text) => {
            if looks_like_one(text) {
                sink.add(&node.place, "a value looks like a secret, and secrets do not stand in the config", remedy);
                node.value = Value::Refused;
            }
        }
        Value::List(list) => list.iter_mut().for_each(|element| refuse_in(element, remedy, sink)),
        Value::Table(entries) => entries.retain(|name, entry| {
            if looks_like_one(name) {
                sink.add(&entry.place, "a name looks like a secret, and secrets do not stand in the config", remedy);
                return false;
            }
            refuse_in(entry, if name == webhook::TABLE { RIGHT_WAY_OF_WEBHOOK } else { remedy }, sink);
            true
        }),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Date(_) | Value::Refused => {}
    }
}

fn looks_like_one(text: &str) -> bool {
    // A path or URL is looked at part by part: as a whole, a long one mixes letters and digits as random text does.
    let is_path = text.starts_with(['/', '.']) || text.starts_with("http");
    let secret_like = |part: &str| Text::clean(&with_short_digests(part)).was_secret_like();
    if is_path { text.split('/').any(secret_like) } else { secret_like(text) }
}

/// Commits and images are named by as many digits as some secrets have; here, where only people write, they are the former: each
/// loses what makes it too long for a name.
fn with_short_digests(text: &str) -> String {
    let is_digest = |piece: &str| matches!(piece.len(), 40 | 64) && piece.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let pieces = text.split_inclusive(|c: char| !c.is_ascii_alphanumeric());
    let short = |piece| {
        let bare: &str = str::trim_end_matches(piece, |c: char| !c.is_ascii_alphanumeric());
        if is_digest(bare) { &bare[..39] } else { piece }
    };
    pieces.map(short).collect()
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

#[cfg(test)]
mod tests {
    use super::looks_like_one;

    #[test]
    fn commits_and_images_are_no_secrets_where_people_write() {
        let digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        for plain in [
            format!("sha256:{digest}"),
            format!("see https://git.example.com/a/commit/{}", &digest[..40]),
            format!("/var/lib/docker/volumes/{digest}/_data/inventory.db"),
        ] {
            assert!(!looks_like_one(&plain), "{plain}");
        }
        for secret in [format!("sk-proj-{digest}"), digest[..50].to_owned(), format!("{}Xy9", "aB3xY9".repeat(8))] {
            assert!(looks_like_one(&secret), "{secret}");
        }
    }
}
