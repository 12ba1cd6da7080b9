//! Asks what a poll would ask: the first page of every list and question, one of each endpoint. Harmless, and refused where a
//! poll would be.

use std::collections::{BTreeMap, HashSet};

use crate::domain::{ClosedReason, Failure, KeyFacts, Lists, Moment, Reason, RemoteId, Scope, WalkEnd};
use crate::providers::{Fetch, Item, Known, Next, OWN_KEYS, OwnKeys, Target};
use crate::sync::Line;
use crate::walk::Page;

/// Pages of the list that holds our own key, read on to find it: as many as a careful organisation has hundreds of admin keys.
const PAGES: usize = 20;

/// What asking showed.
#[derive(Default)]
pub(super) struct Asked {
    pub known: Known,
    /// Lists that were refused or could not be read.
    pub failed: Vec<(&'static str, Failure)>,
    /// Questions likewise: others may answer in their place.
    pub unanswered: Vec<(&'static str, Failure)>,
    pub closed: Vec<ClosedReason>,
    /// Some list of keys was read.
    pub keys_read: bool,
    /// Keys that may be the one that was signed in with, of lists that were read whole, and when they expire.
    pub own: BTreeMap<RemoteId, Moment>,
}

/// Asks. It ends early where going on would only be refused again.
pub(super) async fn ask(line: &Line) -> Asked {
    let mut asked = Asked::default();
    let mut done: HashSet<(&'static str, Option<&'static str>)> = HashSet::new();
    loop {
        let planned = line.provider.plan(&line.account, &asked.known).into_iter();
        let Some(fetch) = planned.into_iter().find(|fetch| {
            let question = match fetch.target {
                Target::Question(question) => Some(question),
                Target::Scope(_) => None,
            };
            fetch.way.is_none() && done.insert((fetch.endpoint, question))
        }) else {
            return asked;
        };
        match read(line, &fetch, &asked.known).await {
            Ok(page) => asked.take(line, &fetch, page),
            Err(failure) => {
                let goes_on = matches!(failure.reason, Reason::Forbidden | Reason::NotFound | Reason::UnexpectedStatus);
                asked.refuse(fetch, failure);
                if !goes_on {
                    return asked;
                }
            }
        }
    }
}

/// The first page; of a list that holds our own key, and tells its expiry, all of them.
async fn read(line: &Line, fetch: &Fetch, known: &Known) -> Result<Page, Failure> {
    let mut page = line.remote.ask(line.provider, fetch, known).await?;
    let Target::Scope(scope) = &fetch.target else { return Ok(page) };
    let tells = line.provider.spec().facts.contains(&crate::providers::Fact::Expiry);
    let holds_own = scope.id.kind.lists() == Lists::Keys && line.may_be_own(known, &scope.id, &[]).is_some();
    for _ in 1..PAGES {
        let Next::Page(next) = &page.end.next else { break };
        if !tells || !holds_own {
            break;
        }
        let mut more = line.remote.ask(line.provider, next, known).await?;
        more.items.splice(0..0, std::mem::take(&mut page.items));
        page = more;
    }
    Ok(page)
}

impl Asked {
    fn take(&mut self, line: &Line, fetch: &Fetch, page: Page) {
        let whole = page.end.next == Next::Done;
        self.known.learn(page.end.learnt);
        let mut keys = Vec::new();
        for item in page.items {
            match item {
                Item::Project(project) => drop(self.known.projects.insert(project.id.clone(), *project)),
                Item::Person(person) => drop(self.known.people.insert(person.id.clone(), *person)),
                Item::Key(key) => keys.push(key),
                Item::Skipped => {}
            }
        }
        match &fetch.target {
            Target::Question(question) => {
                self.known.answered.insert(question);
                if *question == OWN_KEYS {
                    self.known.own_keys = Some(own_keys(fetch, &keys));
                }
            }
            Target::Scope(scope) => {
                let end = match page.end.next {
                    Next::Done => WalkEnd::Complete,
                    Next::Page(_) => WalkEnd::Incomplete(Failure::new(Reason::Stopped, "one page is enough")),
                    Next::Closed(reason) => {
                        self.closed.push(reason);
                        WalkEnd::Closed(reason)
                    }
                };
                self.look(line, scope, whole, &keys);
                self.keys_read |= scope.id.kind.lists() == Lists::Keys && !matches!(end, WalkEnd::Closed(_));
                self.known.ended.insert(scope.id.clone(), end);
            }
        }
    }

    fn look(&mut self, line: &Line, scope: &Scope, whole: bool, keys: &[Box<KeyFacts>]) {
        if let Some(fitting) = line.may_be_own(&self.known, &scope.id, keys).filter(|_| whole) {
            self.own.extend(fitting.into_iter().map(|key| (key.id.clone(), key.expires)));
        }
    }

    fn refuse(&mut self, fetch: Fetch, failure: Failure) {
        match fetch.target {
            Target::Question(question) => {
                self.known.unanswered.insert(question, failure.clone());
                self.unanswered.push((question, failure));
            }
            Target::Scope(scope) => {
                self.failed.push((scope.id.kind.as_str(), failure.clone()));
                self.known.ended.insert(scope.id, WalkEnd::Incomplete(failure));
            }
        }
    }
}

fn own_keys(fetch: &Fetch, keys: &[Box<KeyFacts>]) -> OwnKeys {
    let mut own = OwnKeys::default();
    for key in keys {
        let bound = key.organization.is_some() && key.organization == fetch.subject.organization;
        if bound { &mut own.bound } else { &mut own.others }.insert(key.id.clone());
    }
    own
}
