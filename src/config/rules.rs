//! Reads `[policy]`, its rules, an account's own policy, and `[[waivers]]`.

use std::collections::BTreeMap;

use crate::domain::{Condition, KeyKind};
use crate::policy::{Glob, Limits, Match, Rule, Waiver};

use super::reader::{Section, suggestion};
use super::values;

/// What rules may name: a literal name that is none of these matches nothing, and is a mistake.
pub(super) struct Names<'a> {
    pub(super) accounts: &'a [&'a str],
    pub(super) providers: &'a [&'a str],
}

/// The limits that a table sets.
pub(super) fn limits(section: &Section<'_>) -> Limits {
    Limits {
        stale_after: section.get("stale_after", values::limit),
        never_used_grace: section.get("never_used_grace", values::limit),
        expiring_within: section.get("expiring_within", values::limit),
        max_age: section.get("max_age", values::limit),
        ignore: values::words(section, "ignore", Condition::ALL, Condition::as_str).map(|words| words.into_iter().collect()),
    }
}

/// `[policy]` with its rules.
pub(super) fn policy(section: Section<'_>, names: &Names<'_>) -> (Limits, Vec<Rule>) {
    let read = (limits(&section), section.sections("rules").into_iter().map(|rule| self::rule(rule, names)).collect());
    section.finish();
    read
}

fn rule(section: Section<'_>, names: &Names<'_>) -> Rule {
    const SETTINGS: [&str; 6] = ["stale_after", "never_used_grace", "expiring_within", "max_age", "ignore", "labels"];
    let matches = matches(&section, names, "write limits that hold for every key into [policy]");
    let limits = limits(&section);
    let labels = values::labels(&section, "labels");
    if !SETTINGS.into_iter().any(|setting| section.has(setting)) {
        let place = section.place_of("");
        section.problem(place, "a rule sets no limit and no label", format!("set one of {}", SETTINGS.join(", ")));
    }
    section.finish();
    Rule { matches, limits, labels }
}

/// `[[waivers]]`; one that is not whole is reported and left out.
pub(super) fn waivers(root: &Section<'_>, names: &Names<'_>) -> Vec<Waiver> {
    root.sections("waivers").into_iter().filter_map(|section| waiver(section, names)).collect()
}

fn waiver(section: Section<'_>, names: &Names<'_>) -> Option<Waiver> {
    let matches = matches(&section, names, "say which keys are waived");
    for (name, about) in
        [("reason", "why the keys are waived"), ("who", "who accepted it"), ("until", "the day on which it ends")]
    {
        if !section.has(name) {
            section.problem(section.place_of(""), format!("a waiver has no `{name}`"), format!("say {about}"));
        }
    }
    let reason = section.get("reason", values::string);
    let who = section.get("who", values::string);
    let until = section.get("until", values::instant);
    section.finish();
    Some(Waiver { matches, reason: reason?, who: who?, until: until? })
}

fn matches(section: &Section<'_>, names: &Names<'_>, if_empty: &str) -> Match {
    let section = section.section("match");
    let glob = |name| section.get(name, |node| values::string(node).map(Glob::new));
    let known = |name: &'static str, what: &str, known: &[&str]| {
        let glob = glob(name)?;
        if let Some(literal) = glob.literal().filter(|literal| !known.contains(literal)) {
            let message = format!("`{}` names no {what}", section.full(name));
            section.problem(section.place_of(name), message, suggestion(literal, known));
        }
        Some(glob)
    };
    let labels = section.entries("label").into_iter().filter_map(|(label, node)| {
        let full = section.full(&format!("label.{label}"));
        Some((label.to_owned(), Glob::new(section.read(&full, node, values::string)?)))
    });
    let matches = Match {
        provider: known("provider", "provider", names.providers),
        account: known("account", "account", names.accounts),
        key_id: glob("key_id"),
        kind: section.get("kind", values::word(KeyKind::ALL, KeyKind::as_str)),
        scope_name: glob("scope_name"),
        owner: glob("owner"),
        name: glob("name"),
        label: labels.collect::<BTreeMap<_, _>>(),
    };
    if section.is_empty() {
        let message = format!("`{}` asks for nothing, so it would match every key", section.name());
        section.problem(section.place_of(""), message, if_empty);
    }
    section.finish();
    matches
}
