//! What a rule or a waiver applies to.

use std::collections::BTreeMap;
use std::fmt;

use crate::domain::{KeyKind, Moment, Time};

use super::AccountPolicy;
use super::glob::Glob;

/// What policy may know of a key when it judges it. Labels are not in it: those of the account are part of the policy.
#[derive(Debug, Clone, Copy)]
pub struct Profile<'a> {
    /// What it is matched by.
    pub matched: Matchable<'a>,
    /// When it was made; `None` is *not reported*.
    pub created_at: Option<Time>,
    /// When it was last used.
    pub last_used: Moment,
    /// When it expires.
    pub expires: Moment,
    /// False only where the provider says that it is disabled.
    pub enabled: bool,
    /// When it was first seen disabled.
    pub disabled_since: Option<Time>,
    /// Since when its owner is known to have left or lost access; `None` where that is not so.
    pub orphaned_since: Option<Time>,
    /// It is the key that we read this account with.
    pub is_self: bool,
}

/// What keys are matched by, and no more of them: nobody can be judged by it.
#[derive(Debug, Clone, Copy)]
pub struct Matchable<'a> {
    /// The provider's word.
    pub provider: &'a str,
    /// The account's name.
    pub account: &'a str,
    /// The provider's id of the key.
    pub key_id: &'a str,
    /// What sort of key it is.
    pub kind: KeyKind,
    /// The name of the scope that its facts come from.
    pub scope_name: Option<&'a str>,
    /// Every word that its owner is known by: id, name, e-mail address. Empty where the owner is not reported.
    pub owner: &'a [&'a str],
    /// The key's name.
    pub name: Option<&'a str>,
}

/// Which keys: every field that is given has to match. A field that a key does not have matches no pattern, not even `*`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Match {
    /// The provider's word.
    pub provider: Option<Glob>,
    /// The account's name, or the one that it had before.
    pub account: Option<Glob>,
    /// The provider's id of the key.
    pub key_id: Option<Glob>,
    /// The sort of key.
    pub kind: Option<KeyKind>,
    /// The name of the scope.
    pub scope_name: Option<Glob>,
    /// The owner's id, name or e-mail address.
    pub owner: Option<Glob>,
    /// The key's name.
    pub name: Option<Glob>,
    /// Labels of the account. What rules give is not looked at, so that the order of rules means one thing only.
    pub label: BTreeMap<String, Glob>,
}

impl Match {
    /// Whether the key is meant.
    pub fn applies(&self, key: &Matchable<'_>, account: Option<&AccountPolicy>) -> bool {
        let text = |glob: &Option<Glob>, text: Option<&str>| match glob {
            Some(glob) => text.is_some_and(|text| glob.matches(text)),
            None => true,
        };
        text(&self.provider, Some(key.provider))
            && (text(&self.account, Some(key.account)) || text(&self.account, account.and_then(|own| own.formerly.as_deref())))
            && text(&self.key_id, Some(key.key_id))
            && self.kind.is_none_or(|kind| kind == key.kind)
            && text(&self.scope_name, key.scope_name)
            && self.owner.as_ref().is_none_or(|glob| key.owner.iter().any(|word| glob.matches(word)))
            && text(&self.name, key.name)
            && self
                .label
                .iter()
                .all(|(label, glob)| account.and_then(|own| own.labels.get(label)).is_some_and(|v| glob.matches(v)))
    }
}

impl fmt::Display for Match {
    /// `account = acme-*, label.team = data`: what is asked for, as the config writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let globs = [
            ("provider", &self.provider),
            ("account", &self.account),
            ("key_id", &self.key_id),
            ("scope_name", &self.scope_name),
            ("owner", &self.owner),
            ("name", &self.name),
        ];
        let globs = globs.into_iter().filter_map(|(field, glob)| Some(format!("{field} = {}", glob.as_ref()?.as_str())));
        let kind = self.kind.map(|kind| format!("kind = {kind}"));
        let labels = self.label.iter().map(|(label, glob)| format!("label.{label} = {}", glob.as_str()));
        f.pad(&globs.chain(kind).chain(labels).collect::<Vec<_>>().join(", "))
    }
}
