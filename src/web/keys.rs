//! The page *Keys*: the keys that somebody asks for, in the order that they ask for, and the same as a file.

use std::borrow::Cow;
use std::collections::BTreeSet;

use askama::Template;

use super::as_of::DayField;
use super::form::{Chip, Pages, Pick, PickOption, range};
use super::frame::Frame;
use super::marks::{self, Badge, Shown};
use super::parameters::Name as _;
use super::query::{Name, PER_PAGE, Query, Sort};
use crate::domain::{Condition, KeyKind, Presence, Time};
use crate::views::shown::{several, spaced};
use crate::views::{Counts, KeyRow, Order, When, address, provider_ids, provider_name, told};

/// Where the page is; those of single keys are below it.
pub(super) const PATH: &str = address::KEYS;
/// The same keys, all of them, as files.
pub(super) const CSV: &str = "/keys.csv";
pub(super) const JSON: &str = "/keys.json";

/// The page's text.
#[derive(Debug, Template)]
#[template(path = "keys.html", config = "src/web/askama.toml")]
pub(super) struct Page {
    frame: Frame,
    query: Query,
    sort: Option<String>,
    picks: Vec<Pick>,
    choices: Vec<Choice>,
    moments: Vec<MomentField>,
    chips: Vec<Chip>,
    headings: Vec<Heading>,
    lines: Vec<Line>,
    in_teams: bool,
    as_of: DayField,
    total: String,
    range: Option<String>,
    without_gone: Option<String>,
    csv: String,
    json: String,
    pages: Option<Pages>,
}

/// Yes, no, or either.
#[derive(Debug)]
struct Choice {
    label: &'static str,
    name: &'static str,
    options: [(&'static str, &'static str, bool); 3],
}

/// A stretch of time, or a word.
#[derive(Debug)]
struct MomentField {
    label: &'static str,
    name: &'static str,
    value: String,
    such_as: &'static str,
}

#[derive(Debug)]
struct Heading {
    label: &'static str,
    link: String,
    /// The value of `aria-sort`.
    sorted: Option<&'static str>,
}

#[derive(Debug)]
struct Line {
    link: String,
    name: String,
    key_id: String,
    account: String,
    provider: String,
    kind: String,
    owner: String,
    owner_more: String,
    team: Option<String>,
    created: Shown,
    last_used: Shown,
    expires: Shown,
    badges: Vec<Badge>,
}

/// What words of the inventory a query may name.
#[derive(Debug)]
pub(super) struct Vocabulary {
    pub accounts: Vec<String>,
    pub teams: Vec<String>,
}

impl Vocabulary {
    pub fn new(counts: &Counts, teams: Vec<String>) -> Self {
        Self { accounts: counts.accounts.keys().cloned().collect(), teams }
    }

    /// A sentence about the first word that names nothing here: an empty list would read as if nothing were wrong with it.
    pub fn refusal(&self, query: &Query) -> Option<String> {
        let providers: Vec<String> = provider_ids().map(str::to_owned).collect();
        let named = [
            ("provider", &query.providers, &providers),
            ("account", &query.accounts, &self.accounts),
            ("team", &query.teams, &self.teams),
        ];
        named.into_iter().find_map(|(what, asked, known)| unknown(what, asked, known))
    }
}

/// A sentence about the first word that is none of those that are known.
pub(super) fn unknown(what: &str, asked: &BTreeSet<String>, known: &[String]) -> Option<String> {
    let unknown = asked.iter().find(|word| !known.contains(word))?;
    let there_are = if known.is_empty() { "there is none".to_owned() } else { format!("there are {}", known.join(", ")) };
    Some(format!("There is no {what} “{unknown}” here; {there_are}."))
}

impl Page {
    /// `now` is what is shown is as of; `today` is the day on which it is shown.
    pub fn new(frame: Frame, query: Query, words: &Vocabulary, keys: &[KeyRow], total: u64, (now, today): (Time, Time)) -> Self {
        let every_presence = || Query { presences: Presence::ALL.iter().copied().collect(), page: 0, ..query.clone() };
        let in_teams = !words.teams.is_empty();
        Self {
            sort: (query.sort != Sort::default()).then(|| query.sort.to_string()),
            picks: picks(&query, words),
            choices: choices(&query),
            moments: moments(&query),
            chips: query.without_each().into_iter().map(chip).collect(),
            headings: headings(&query, in_teams),
            lines: keys.iter().map(|key| line(key, now)).collect(),
            in_teams,
            as_of: DayField::new(query.as_of, today),
            total: several(total, "key"),
            range: range(query.page, PER_PAGE, keys.len(), total),
            without_gone: query.presences.is_empty().then(|| every_presence().address(PATH)),
            csv: Query { page: 0, ..query.clone() }.address(CSV),
            json: Query { page: 0, ..query.clone() }.address(JSON),
            pages: Pages::new(query.page, total, PER_PAGE, |page| Query { page, ..query.clone() }.address(PATH)),
            frame,
            query,
        }
    }
}

fn picks(query: &Query, words: &Vocabulary) -> Vec<Pick> {
    let option = PickOption::new;
    let texts = |all: &[String], chosen: &BTreeSet<String>| -> Vec<PickOption> {
        all.iter().map(|word| option(word, word, chosen.contains(word))).collect()
    };
    let of_use = |condition: &Condition| matches!(condition, Condition::Stale | Condition::NeverUsed);
    let told = told::URGENCY.iter().filter(|condition| query.as_of.is_none() || !of_use(condition));
    let conditions = told.map(|c| option(c.as_str(), told::condition(*c), query.conditions.contains(c)));
    let presences = Presence::ALL.iter().map(|p| option(p.as_str(), p.as_str(), query.presences.contains(p)));
    let providers = provider_ids().map(|id| option(id, provider_name(id), query.providers.contains(id)));
    let kinds = KeyKind::ALL.iter().map(|k| option(k.as_str(), &spaced(k.as_str()), query.kinds.contains(k)));
    let mut picks = vec![
        Pick::new("Condition", Name::Condition, conditions),
        Pick::new("Provider", Name::Provider, providers),
        Pick::new("Account", Name::Account, texts(&words.accounts, &query.accounts).into_iter()),
        Pick::new("Kind", Name::Kind, kinds),
        Pick::new("Team", Name::Team, texts(&words.teams, &query.teams).into_iter()),
        Pick::new("Presence", Name::Presence, presences),
    ];
    picks.retain(|pick| !pick.options.is_empty());
    picks
}

fn choices(query: &Query) -> Vec<Choice> {
    let choice = |label, name: Name, wanted: Option<bool>, yes, no| Choice {
        label,
        name: name.as_str(),
        options: [("", "either", wanted.is_none()), ("yes", yes, wanted == Some(true)), ("no", no, wanted == Some(false))],
    };
    let mut choices = vec![
        choice("In a condition", Name::Flagged, query.flagged, "in any", "in none"),
        choice("Waived", Name::Waived, query.waived, "waived", "not waived"),
        choice("Held for a person", Name::Held, query.held, "held", "not held"),
    ];
    choices.retain(|choice| can_be_told(query, choice.name));
    choices
}

fn moments(query: &Query) -> Vec<MomentField> {
    let field = |label, name: Name, when: Option<When>, such_as| MomentField {
        label,
        name: name.as_str(),
        value: when.map(|when| when.to_string()).unwrap_or_default(),
        such_as,
    };
    let mut fields = vec![
        field("Made", Name::Created, query.created, "2026-01-01..2026-06-30"),
        field("Last used", Name::LastUsed, query.last_used, "..2026-06-30"),
        field("Expires", Name::Expires, query.expires, "2026-12-01..2026-12-31"),
    ];
    fields.retain(|field| can_be_told(query, field.name));
    fields
}

/// What is kept without history is not offered where somebody looks back.
fn can_be_told(query: &Query, name: &str) -> bool {
    query.as_of.is_none() || ![Name::LastUsed, Name::Held].map(Name::as_str).contains(&name)
}

fn chip((name, value, rest): (Name, Cow<'_, str>, Query)) -> Chip {
    let value = &*value;
    let condition = |word: &str| word.parse::<Condition>().map_or_else(|_| word.to_owned(), |c| told::condition(c).to_owned());
    let (what, value) = match name {
        Name::Text => ("Search", value.to_owned()),
        Name::Provider => ("Provider", provider_name(value).to_owned()),
        Name::Account => ("Account", value.to_owned()),
        Name::Kind => ("Kind", spaced(value)),
        Name::Owner => ("Owner", value.to_owned()),
        Name::Whose => ("Owner", value.parse().map_or_else(|_| value.to_owned(), |whose| marks::whose(&whose))),
        Name::Team => ("Team", value.to_owned()),
        Name::Condition => ("Condition", condition(value)),
        Name::Presence => ("Presence", value.to_owned()),
        Name::Flagged => ("In a condition", value.to_owned()),
        Name::Waived => ("Waived", value.to_owned()),
        Name::Held => ("Held", value.to_owned()),
        Name::Created => ("Made", spaced(value)),
        Name::LastUsed => ("Last used", spaced(value)),
        Name::Expires => ("Expires", spaced(value)),
        Name::AsOf => ("As of", value.to_owned()),
        Name::Sort => ("Order", value.to_owned()),
        Name::Page => ("Page", value.to_owned()),
    };
    Chip { what, value, without: rest.address(PATH) }
}

/// A heading leads to the order by its column, and to the same turned round where that is the order already.
fn headings(query: &Query, in_teams: bool) -> Vec<Heading> {
    let columns = [
        ("Key", Order::Name),
        ("State", Order::Urgency),
        ("Account", Order::Id),
        ("Kind", Order::Kind),
        ("Owner", Order::Owner),
        ("Team", Order::Team),
        ("Made", Order::Created),
        ("Last used", Order::LastUse),
        ("Expires", Order::Expiry),
    ];
    let heading = |(label, by)| {
        let is_order = query.sort.by == by;
        let reversed = is_order && !query.sort.reversed;
        let sorted = is_order.then_some(if query.sort.reversed { "descending" } else { "ascending" });
        let link = Query { sort: Sort { by, reversed }, page: 0, ..query.clone() }.address(PATH);
        Heading { label, link, sorted }
    };
    // Last use is kept without history.
    let left_out = [(!in_teams).then_some(Order::Team), query.as_of.map(|_| Order::LastUse)];
    columns.into_iter().filter(|(_, by)| !left_out.contains(&Some(*by))).map(heading).collect()
}

fn line(key: &KeyRow, now: Time) -> Line {
    let (owner, owner_more) = marks::owner(key);
    Line {
        link: address::of_key(&key.account, &key.key_id),
        name: marks::name(key),
        key_id: key.key_id.clone(),
        account: key.account.clone(),
        provider: provider_name(&key.provider).to_owned(),
        kind: spaced(key.kind.as_str()),
        owner,
        owner_more,
        team: key.team.clone(),
        created: Shown::time(key.created_at, now),
        last_used: Shown::moment(key.last_used, now),
        expires: Shown::moment(key.expires, now),
        badges: marks::badges(key),
    }
}
