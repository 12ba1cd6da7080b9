//! The page of one key: all that is known of it and where that comes from, what policy says and when that changes, and where
//! a person revokes it.

use askama::Template;

use super::frame::Frame;
use super::marks::{self, Badge, NOT_REPORTED, Shown};
use super::query::Query;
use crate::domain::{Condition, Presence, PresenceReason, Time};
use crate::views::explanation::{Explanation, State, from, whole_owner};
use crate::views::shown::{Instant, spaced};
use crate::views::{AccountFacts, ListedBy, Showing, because, provider_name, revocation, told};

/// The page's text.
#[derive(Debug, Template)]
#[template(path = "key.html", config = "src/web/askama.toml")]
pub(super) struct Page {
    frame: Frame,
    id: String,
    name: String,
    badges: Vec<Badge>,
    in_force: bool,
    not_judged: Option<String>,
    claims: Vec<ClaimLine>,
    waivers: Vec<String>,
    next: Option<(String, Instant)>,
    revoke: Revoke,
    provider: String,
    /// The list that the provider's facts come from.
    home: Option<ListLine>,
    facts: Vec<Fact>,
    lists: Vec<ListLine>,
    changes: Vec<ChangeLine>,
}

#[derive(Debug)]
struct ClaimLine {
    condition: &'static str,
    state: &'static str,
    tone: &'static str,
    from: Option<Instant>,
    because: String,
}

#[derive(Debug)]
struct Revoke {
    /// Why there is nothing to do; then the rest is left out.
    nothing: Option<String>,
    console: Option<&'static str>,
    call: Option<String>,
    header: Option<String>,
    notes: Vec<String>,
}

#[derive(Debug)]
struct Fact {
    label: &'static str,
    value: Value,
    /// To all keys of which this is true too.
    link: Option<String>,
    source: String,
}

#[derive(Debug)]
enum Value {
    Text(String),
    Code(String),
    Time(Shown),
    Labels(Vec<(String, String)>),
}

#[derive(Debug)]
struct ListLine {
    name: String,
    id: String,
    home: bool,
    showing: Showing,
    standing: &'static str,
    read: Shown,
}

#[derive(Debug)]
struct ChangeLine {
    at: Instant,
    what: String,
    detail: String,
}

impl Page {
    pub fn new(frame: Frame, explanation: &Explanation, account: Option<&AccountFacts>) -> Self {
        let (key, now) = (&explanation.key, explanation.now);
        let claims = explanation.claims().map(|claim| {
            let state = explanation.state(claim);
            ClaimLine {
                condition: told::condition(claim.condition),
                state: state.word(),
                tone: tone(state, claim.condition),
                from: from(claim).map(|at| Instant::new(at, now)),
                because: because(claim),
            }
        });
        let change = |change: &crate::views::ChangeRow| ChangeLine {
            at: Instant::new(change.at, now),
            what: told::change(change),
            detail: told::change_detail(change),
        };
        Self {
            id: explanation.id(),
            name: marks::name(key),
            badges: marks::badges(key),
            in_force: explanation.explained.in_force,
            not_judged: (!explanation.is_judged()).then(|| format!("No condition is claimed of a key that is {}.", key.presence)),
            claims: claims.collect(),
            waivers: explanation.explained.waivers.iter().map(|waiver| explanation.waiver(waiver)).collect(),
            next: explanation.next().map(|(next, at)| (next.words(), Instant::new(at, now))),
            revoke: revoke(explanation, account),
            provider: provider_name(&key.provider).to_owned(),
            home: explanation.explained.lists.iter().find(|list| list.home).map(|list| list_line(list, now)),
            facts: facts(explanation),
            lists: explanation.explained.lists.iter().map(|list| list_line(list, now)).collect(),
            changes: explanation.changes.iter().map(change).collect(),
            frame,
        }
    }
}

const fn tone(state: State, condition: Condition) -> &'static str {
    match state {
        State::Holds => super::cards::tone(condition),
        State::Waived | State::Will | State::Unseen => "soon",
        State::Over | State::No => "quiet",
    }
}

fn revoke(explanation: &Explanation, account: Option<&AccountFacts>) -> Revoke {
    let key = &explanation.key;
    let nothing =
        |why: &str| Revoke { nothing: Some(why.to_owned()), console: None, call: None, header: None, notes: Vec::new() };
    if key.presence == Presence::Gone && key.presence_reason == PresenceReason::ProvenAbsent {
        return nothing("It is proven to be gone: there is nothing left to revoke.");
    }
    let Some(place) = revocation(key) else { return nothing("It is not known where keys of this kind are revoked.") };
    let mut notes = vec![place.about.to_owned()];
    if key.presence == Presence::Gone {
        notes.insert(0, "It is gone by a person's word: nobody proved it, and it may still work.".to_owned());
    }
    if key.is_self {
        notes.insert(
            0,
            "keymuster itself reads this account with it: without another credential it would see nothing here any more."
                .to_owned(),
        );
    }
    let own = account.filter(|account| account.provider.spec().base_url != account.base_url);
    if let Some(own) = own {
        notes.push(format!(
            "This account is read at {}, which is not the vendor's usual address; its console may be elsewhere too.",
            own.base_url
        ));
    }
    let base_url = account.map_or("", |account| account.base_url.as_str());
    if account.is_none() {
        notes.push(
            "The account is not in the config any more: put the address of its API before the path of the call.".to_owned(),
        );
    }
    let call = place.path(&key.key_id, &key.scope_id).map(|path| format!("DELETE {base_url}{path}"));
    let header = place.header.filter(|_| call.is_some()).map(|(name, what)| format!("with the header {name}: {what}"));
    Revoke { nothing: None, console: Some(place.console), call, header, notes }
}

/// Every fact with where it comes from: a list of the provider, what keymuster concluded, or the config.
fn facts(explanation: &Explanation) -> Vec<Fact> {
    let (key, now) = (&explanation.key, explanation.now);
    let listed = provider_name(&key.provider);
    let concluded = "concluded by keymuster";
    let config = "the config";
    let fact = |label, value, source: &str| Fact { label, value, link: None, source: source.to_owned() };
    let same = |query: Option<Query>, fact| Fact { link: query.map(|query| query.address(super::keys::PATH)), ..fact };
    let account = Query { accounts: [key.account.clone()].into(), ..Query::default() };
    // By the address, which is the same at every provider.
    let owner = key.owner.as_ref().map(|owner| owner.email.clone().unwrap_or_else(|| owner.id.clone()));
    let owner = owner.map(|owner| Query { owner: Some(owner), ..Query::default() });
    let team = key.team.clone().map(|team| Query { teams: [team].into(), ..Query::default() });
    let text = |text: Option<String>, none: &str| Value::Text(text.unwrap_or_else(|| none.to_owned()));
    let hint = key.hint.clone().map_or_else(|| text(None, NOT_REPORTED), Value::Code);
    let presence = format!("{}, {}", key.presence, spaced(key.presence_reason.as_str()));
    let mut facts = vec![
        same(Some(account), fact("Account", Value::Text(format!("{} at {}", key.account, provider_name(&key.provider))), config)),
        fact("Kind", Value::Text(spaced(key.kind.as_str())), listed),
        fact("Name", text(key.name.clone(), "none"), listed),
        fact("Hint", hint, listed),
        same(owner, fact("Owner", text(key.owner.as_ref().map(whole_owner), NOT_REPORTED), listed)),
        fact("Made", Value::Time(Shown::time(key.created_at, now)), listed),
        fact("Last used", Value::Time(Shown::moment(key.last_used, now)), listed),
        fact("Expires", Value::Time(Shown::moment(key.expires, now)), listed),
        fact("Enabled", text(None, if key.enabled { "not said to be disabled" } else { "disabled" }), listed),
        fact("Presence", Value::Text(presence), concluded),
        fact("First seen", Value::Time(Shown::At(Instant::new(key.first_seen_at, now))), "the walk that first listed it"),
        fact(
            "Last seen",
            Value::Time(key.last_seen_at.map_or(Shown::Word("by no complete walk yet"), |at| Shown::At(Instant::new(at, now)))),
            "the newest complete walk that listed it",
        ),
    ];
    if let Some(since) = key.held_since {
        facts.push(fact(
            "Held since",
            Value::Time(Shown::At(Instant::new(since, now))),
            "too much changed at once; a person has to look",
        ));
    }
    if key.is_self {
        facts.push(fact("Own credential", text(None, "keymuster signs in with it"), "its hint alone fits the credential"));
    }
    facts.push(same(team, fact("Team", text(key.team.clone(), "none"), config)));
    facts.push(fact("Labels", labels(&key.labels), config));
    facts
}

fn labels(object: &str) -> Value {
    let labels: std::collections::BTreeMap<String, String> = serde_json::from_str(object).unwrap_or_default();
    if labels.is_empty() { Value::Text("none".to_owned()) } else { Value::Labels(labels.into_iter().collect()) }
}

fn list_line(list: &ListedBy, now: Time) -> ListLine {
    ListLine {
        name: told::list(list.kind, &list.scope_id, list.scope_name.as_deref()),
        id: list.scope_id.clone(),
        home: list.home,
        showing: list.showing,
        standing: list.standing.as_str(),
        read: list.last_complete_at.map_or(Shown::Word("never"), |at| Shown::At(Instant::new(at, now))),
    }
}
