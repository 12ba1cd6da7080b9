//! One number for a whole policy, the same in every run and every build: stored deadlines carry it.

use std::collections::BTreeMap;

use super::glob::Glob;
use super::matching::Match;
use super::{Limit, Limits, Policy};

/// Raised whenever the same policy text comes to mean other deadlines.
const MEANING: u32 = 1;

/// The fingerprint of a policy: FNV-1a, 64 bits, over [`canonical`] text.
pub(super) fn fingerprint(policy: &Policy) -> i64 {
    let hash = canonical(policy)
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    hash.cast_signed()
}

/// The policy as text in which two policies are equal only if they are the same. Each text is led by its length.
fn canonical(policy: &Policy) -> String {
    let mut out = Canonical(format!("meaning {MEANING};"));
    out.word("policy");
    out.limits(&policy.limits);
    for (name, account) in &policy.accounts {
        out.field("account", name);
        out.limits(&account.limits);
        out.map("labels", &account.labels, String::as_str);
        if let Some(former) = &account.formerly {
            out.field("formerly", former);
        }
    }
    for rule in &policy.rules {
        out.word("rule");
        out.matches(&rule.matches);
        out.limits(&rule.limits);
        out.map("labels", &rule.labels, String::as_str);
    }
    for waiver in &policy.waivers {
        out.word("waiver");
        out.matches(&waiver.matches);
        out.field("reason", &waiver.reason);
        out.field("who", &waiver.who);
        out.field("until", &waiver.until.unix().to_string());
    }
    out.0
}

struct Canonical(String);

impl Canonical {
    fn word(&mut self, word: &str) {
        self.0.push_str(word);
        self.0.push(';');
    }

    fn field(&mut self, name: &str, value: &str) {
        self.0.push_str(&format!("{name}={}:{value};", value.len()));
    }

    fn map<V>(&mut self, name: &str, map: &BTreeMap<String, V>, text: impl Fn(&V) -> &str) {
        self.field(name, &map.len().to_string());
        for (key, value) in map {
            self.field("key", key);
            self.field("value", text(value));
        }
    }

    fn matches(&mut self, matches: &Match) {
        let Match { provider, account, key_id, kind, scope_name, owner, name, label } = matches;
        for (field, glob) in [
            ("provider", provider),
            ("account", account),
            ("key_id", key_id),
            ("scope_name", scope_name),
            ("owner", owner),
            ("name", name),
        ] {
            if let Some(glob) = glob {
                self.field(field, glob.as_str());
            }
        }
        if let Some(kind) = kind {
            self.field("kind", kind.as_str());
        }
        self.map("label", label, Glob::as_str);
    }

    fn limits(&mut self, limits: &Limits) {
        let Limits { stale_after, never_used_grace, expiring_within, max_age, ignore } = limits;
        for (field, limit) in [
            ("stale_after", stale_after),
            ("never_used_grace", never_used_grace),
            ("expiring_within", expiring_within),
            ("max_age", max_age),
        ] {
            match limit {
                Some(Limit::After(span)) => self.field(field, &span.as_secs().to_string()),
                Some(Limit::Never) => self.field(field, "never"),
                None => {}
            }
        }
        if let Some(ignore) = ignore {
            self.field("ignore", &ignore.iter().map(|c| c.as_str()).collect::<Vec<_>>().join(","));
        }
    }
}
