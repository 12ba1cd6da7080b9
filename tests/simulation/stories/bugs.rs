//! A bug in an adapter: it costs the list that it is in and no other, whichever provider it is of.

use std::sync::Arc;

use keymuster::domain::{Failure, KeyFacts, Presence, Refused, ScopeKind, Time};
use keymuster::providers::{Account, Answer, End, Fetch, Item, Known, Provider, Spec};
use keymuster::sim::Size;

use super::tell;
use crate::site::{SMALL, Setup};

/// Where the bug is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Element,
    Rest,
}

/// A provider's own adapter, but for a bug that one list of it meets.
struct Buggy {
    adapter: &'static dyn Provider,
    list: ScopeKind,
    place: Place,
}

impl Buggy {
    fn comes_to(&self, place: Place, fetch: &Fetch) {
        let met = self.place == place && fetch.scope().is_some_and(|scope| scope.id.kind == self.list);
        assert!(!met, "as a bug would");
    }
}

impl Provider for Buggy {
    fn spec(&self) -> &'static Spec {
        self.adapter.spec()
    }

    fn plan(&self, account: &Account, known: &Known) -> Vec<Fetch> {
        self.adapter.plan(account, known)
    }

    fn item(&self, fetch: &Fetch, item: &[u8]) -> Result<Item, Refused> {
        self.comes_to(Place::Element, fetch);
        self.adapter.item(fetch, item)
    }

    fn end(&self, fetch: &Fetch, answer: &Answer<'_>) -> Result<End, Failure> {
        self.comes_to(Place::Rest, fetch);
        self.adapter.end(fetch, answer)
    }

    fn whole_answer(&self, keys: &mut [Box<KeyFacts>], asked_at: Time) {
        self.adapter.whole_answer(keys, asked_at);
    }

    fn organization(&self, known: &Known) -> Option<Fetch> {
        self.adapter.organization(known)
    }
}

#[test]
fn a_bug_of_an_adapter_costs_the_list_that_it_is_in_and_no_other() {
    for (account, list) in
        [("openai", ScopeKind::Admin), ("braintrust", ScopeKind::ServiceTokens), ("den", ScopeKind::Organization)]
    {
        // Plain and packed; and with a fault, be it as harmless, a poll is not taken for one that has to succeed.
        for (place, fault) in [Place::Element, Place::Rest].into_iter().flat_map(|place| [(place, "gzip"), (place, "latency:1")])
        {
            let (size, braintrust) = (Size { archived_projects: 0, ..SMALL }, "options = { listing = 'organization' }".into());
            tell(Setup { size, braintrust, ..Setup::new(71) }, async |tale| {
                tale.polls(account, 2).await;
                let before = tale.count(account, Presence::Present).await;
                let line = tale.driver.site.lines.get_mut(account).and_then(Arc::get_mut).expect("nobody polls");
                let adapter = line.provider;
                line.provider = Box::leak(Box::new(Buggy { adapter, list, place }));
                tale.driver.fault(fault);
                let report = tale.poll(account).await;
                tale.driver.heal(fault);
                assert!(report.scopes.len() > 1, "{account} has other lists");
                for scope in &report.scopes {
                    let bug = (scope.scope.id.kind == list).then_some("internal");
                    assert_eq!(scope.end.reason(), bug, "{account}, {place:?}: {scope:?}");
                }
                assert_eq!(tale.count(account, Presence::Present).await, before, "{account}, {place:?}");
                let line = tale.driver.site.lines.get_mut(account).and_then(Arc::get_mut).expect("nobody polls");
                line.provider = adapter;
                assert_eq!(tale.poll(account).await.failure(), None, "{account}, {place:?}");
            });
        }
    }
}
