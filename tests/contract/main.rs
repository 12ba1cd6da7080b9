//! What every adapter must do, checked against its samples. All tests walk `PROVIDERS`: no adapter can be left out.

#![cfg(test)]

mod answers;
mod elements;
mod fields;
mod reading;

use std::collections::BTreeSet;

use keymuster::domain::{KeyFacts, Lists, Moment, OwnerKind, RemoteId, ScopeKind, Time, WalkEnd};
use keymuster::providers::{
    self, Account, Fact, Fetch, Item, Known, Learnt, Method, Next, OwnKeys, PROVIDERS, Paging, Provider, Sample, Target, Way,
};

use reading::{for_each_page, keys, knowing_projects, learn, walk};

fn account(provider: &dyn Provider) -> Account {
    let defaults = provider.spec().options.iter().filter_map(|o| Some((o.name.to_owned(), o.default?.to_owned())));
    Account { name: "acme".to_owned(), options: defaults.collect() }
}

fn unique<T: std::fmt::Debug + PartialEq>(what: &str, all: impl IntoIterator<Item = T>) {
    let all: Vec<T> = all.into_iter().collect();
    for (nth, one) in all.iter().enumerate() {
        assert!(!all[..nth].contains(one), "{what}: {one:?} twice");
    }
}

#[test]
fn specs_are_sound() {
    unique("providers", PROVIDERS.iter().map(|p| p.spec().id));
    for spec in PROVIDERS.iter().map(|p| p.spec()) {
        let id = spec.id;
        assert!(!id.is_empty() && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()), "{id}");
        assert!(providers::by_id(id).is_some_and(|p| p.spec().id == id), "{id}");
        assert!(!spec.name.is_empty() && !spec.credential.is_empty(), "{id}");
        assert!(spec.base_url.starts_with("https://") && !spec.base_url.ends_with('/'), "{}", spec.base_url);
        assert!(!spec.base_url.contains(['?', '#', '@', ' ']), "{}", spec.base_url);
        assert!(spec.pace.per_minute > 0 && spec.pace.burst > 0, "{id}");
        assert!(!spec.sign_ins.is_empty() && !spec.kinds.is_empty() && !spec.scopes.is_empty(), "{id}");
        unique(id, spec.sign_ins.iter().map(|s| s.word));
        unique(id, spec.kinds);
        unique(id, spec.scopes);
        unique(id, spec.ways);
        unique(id, spec.facts);
        unique(id, spec.samples.iter().map(|s| s.name));
        unique(id, spec.options.iter().map(|o| o.name).chain(["sign_in"]));
        for rule in spec.sign_ins.iter().flat_map(|s| s.rules) {
            assert!(!rule.refused_prefix.is_empty() && rule.because.ends_with('.'), "{id}: {rule:?}");
        }
        for option in spec.options {
            assert!(option.default.is_none_or(|value| (option.check)(value).is_ok()), "{id}: {}", option.name);
            assert!((option.check)("\u{0} ../?").is_err(), "{id}: {} takes anything", option.name);
        }
    }
}

#[test]
fn samples_show_all_that_a_spec_claims() {
    for provider in PROVIDERS {
        let spec = provider.spec();
        let known = knowing_projects(*provider);
        let (mut scopes, mut kinds) = (BTreeSet::new(), BTreeSet::new());
        let mut two_pages_of_keys = false;
        for sample in spec.samples {
            let (elements, _) = walk(*provider, sample, &known);
            let Target::Scope(scope) = (sample.fetch)().target else {
                assert!(elements.iter().all(|e| matches!(e.item, Item::Key(_))), "{}: a question lists keys", sample.name);
                continue;
            };
            let read = sample.pages.iter().all(|page| page.status == 200);
            if read && !elements.is_empty() {
                scopes.insert(scope.id.kind);
            }
            two_pages_of_keys |= scope.id.kind.lists() == Lists::Keys && read && sample.pages.len() > 1;
            for element in elements {
                let expected = match element.item {
                    Item::Key(key) => {
                        kinds.insert(key.kind);
                        Lists::Keys
                    }
                    Item::Person(_) => Lists::People,
                    Item::Project(_) => Lists::Projects,
                    Item::Skipped => continue,
                };
                assert_eq!(scope.id.kind.lists(), expected, "{}", sample.name);
            }
        }
        assert_eq!(scopes, spec.scopes.iter().copied().collect::<BTreeSet<ScopeKind>>(), "{}", spec.id);
        assert_eq!(kinds, spec.kinds.iter().copied().collect(), "{}", spec.id);
        assert_eq!(two_pages_of_keys, spec.paging == Paging::Pages, "{}", spec.id);
        let keys = keys(*provider);
        for (fact, told) in [
            (Fact::Created, keys.iter().any(|k| k.created_at.is_some())),
            (Fact::LastUse, keys.iter().any(|k| k.last_used != Moment::NotReported)),
            (Fact::Expiry, keys.iter().any(|k| k.expires != Moment::NotReported)),
            (Fact::Enabled, keys.iter().any(|k| !k.enabled)),
            (Fact::Owner, keys.iter().any(|k| k.owner.is_some())),
            (Fact::OwnerAccess, keys.iter().any(|k| k.owner_access.is_some())),
        ] {
            assert_eq!(told, spec.facts.contains(&fact), "{}: {fact:?}", spec.id);
        }
    }
}

#[test]
fn every_kind_of_key_can_be_revoked_somewhere() {
    for provider in PROVIDERS {
        let spec = provider.spec();
        for kind in spec.kinds {
            for owner in std::iter::once(None).chain(OwnerKind::ALL.iter().copied().map(Some)) {
                let at = spec.revocation(*kind, owner).unwrap_or_else(|| panic!("{}: {kind} of {owner:?}", spec.id));
                assert!(at.console.starts_with("https://") && at.about.ends_with('.'), "{}: {kind}", spec.id);
                let Some(path) = at.path("the-key", "the-scope") else { continue };
                assert!(path.starts_with('/') && path.contains("the-key") && !path.contains(['{', '}']), "{}: {path}", spec.id);
                assert!(at.path("the-key", "").is_none_or(|path| !path.contains("//")), "{}: {kind}", spec.id);
            }
        }
    }
}

/// Polls the samples by each way of listing: asks what is planned until nothing new is, and gives every request.
fn poll(provider: &dyn Provider) -> Vec<Fetch> {
    match provider.spec().ways {
        [] => poll_by(provider, None),
        ways => ways.iter().flat_map(|way| poll_by(provider, Some(*way))).collect(),
    }
}

fn poll_by(provider: &dyn Provider, way: Option<Way>) -> Vec<Fetch> {
    let (account, projects) = (account(provider), knowing_projects(provider));
    let (mut known, mut asked): (Known, Vec<Fetch>) = (Known { way, ..Known::default() }, Vec::new());
    for round in 0.. {
        assert!(round < 10, "{}: the plan does not end", provider.spec().id);
        let plan = provider.plan(&account, &known);
        assert_eq!(plan, provider.plan(&account, &known), "{}: a plan depends on its arguments alone", provider.spec().id);
        unique("targets of a plan", plan.iter().map(|f| &f.target));
        let new: Vec<Fetch> = plan.into_iter().filter(|f| asked.iter().all(|a| a.target != f.target)).collect();
        if new.is_empty() {
            break;
        }
        for fetch in new {
            assert!(fetch.way.is_none_or(|of| Some(of) == way), "{}: of another way than {way:?}", fetch.path);
            let mut all = provider.spec().samples.iter();
            let answers = |s: &&Sample| {
                let asked = (s.fetch)();
                let of_its_kind = matches!(asked.target, Target::Scope(_)) == matches!(fetch.target, Target::Scope(_));
                s.pages.iter().all(|p| p.status == 200) && asked.endpoint == fetch.endpoint && of_its_kind
            };
            let sample = all.find(answers).unwrap_or_else(|| panic!("no sample of {}", fetch.endpoint));
            let (elements, pages) = walk(provider, sample, &projects);
            let mut told = Learnt::default();
            pages.into_iter().for_each(|page| told.add(page.end.learnt));
            known.learn(told);
            match &fetch.target {
                Target::Scope(scope) => {
                    elements.into_iter().for_each(|e| learn(&mut known, e.item));
                    known.ended.insert(scope.id.clone(), WalkEnd::Complete);
                }
                Target::Question(question) => {
                    let bound = elements.iter().filter_map(|e| reading::id(&e.item).cloned()).collect();
                    known.own_keys = fetch.list.map(|_| OwnKeys { bound, ..OwnKeys::default() }).or(known.own_keys);
                    known.answered.insert(question);
                }
            }
            asked.push(fetch);
        }
    }
    asked
}

#[test]
fn a_plan_begins_ends_and_reaches_every_scope() {
    for provider in PROVIDERS {
        assert!(!provider.plan(&account(*provider), &Known::default()).is_empty(), "{}", provider.spec().id);
        let reached: BTreeSet<ScopeKind> = poll(*provider)
            .into_iter()
            .filter_map(|fetch| match fetch.target {
                Target::Scope(scope) => Some(scope.id.kind),
                Target::Question(_) => None,
            })
            .collect();
        assert_eq!(reached, provider.spec().scopes.iter().copied().collect(), "{}", provider.spec().id);
    }
}

#[test]
fn requests_are_plain() {
    let mut all: Vec<Fetch> = PROVIDERS.iter().flat_map(|p| poll(*p)).collect();
    for_each_page(|_, page, _| {
        all.push(page.fetch.clone());
        if let Next::Page(next) = &page.end.next {
            all.push((**next).clone());
        }
    });
    let exchanges: Vec<Fetch> = all.iter().filter_map(|f| Some(f.grant.as_deref()?.exchange.clone())).collect();
    assert!(exchanges.iter().all(|f| matches!(f.method, Method::Exchange { .. }) && f.list.is_none()), "{exchanges:?}");
    all.extend(exchanges);
    for fetch in all {
        let path = &fetch.path;
        let segment = |s: &str| RemoteId::new(s).is_some();
        assert!(path.strip_prefix('/').is_some_and(|p| p.split('/').all(segment)), "{path}");
        assert!(fetch.endpoint.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{}", fetch.endpoint);
        unique("parameters", fetch.query.iter().map(|(name, _)| name));
        for (name, value) in &fetch.headers {
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{name}");
            assert!(!["authorization", "proxy-authorization", "x-api-key", "cookie", "host"].contains(name), "{name}");
            assert!(!value.as_str().contains("Bearer"), "{name}");
        }
        let told = fetch.query.iter().map(|(_, value)| value.as_str()).chain([path.as_str()]);
        told.for_each(|text| assert!(!text.to_lowercase().contains("bearer"), "{text}"));
        let is_scope = matches!(fetch.target, Target::Scope(_));
        assert!(!is_scope || (fetch.list.is_some() && fetch.method == Method::Get), "{path}: a scope is a list");
        assert!(is_scope || fetch.grant.is_none(), "{path}: a question is asked in our own name");
    }
}

#[test]
fn correcting_a_whole_answer_changes_no_identity_and_settles_at_once() {
    for provider in PROVIDERS {
        let before = keys(*provider);
        for asked_at in [Time::from_unix(1_795_000_000), Time::from_unix(1_420_070_400)] {
            let correct = |all: Vec<KeyFacts>| -> Vec<KeyFacts> {
                let mut all: Box<[_]> = all.into_iter().map(Box::new).collect();
                provider.whole_answer(&mut all, asked_at);
                all.into_iter().map(|key| *key).collect()
            };
            let once = correct(before.clone());
            assert!(once.iter().zip(&before).all(|(a, b)| a.id == b.id && a.kind == b.kind), "{}", provider.spec().id);
            assert_eq!(correct(once.clone()), once, "{}", provider.spec().id);
        }
        provider.whole_answer(&mut [], Time::from_unix(0));
    }
}
