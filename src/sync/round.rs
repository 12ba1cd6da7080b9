//! What one task of a round does: walks a scope, or asks a question to its last page.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::mpsc::UnboundedSender;

use super::line::Line;
use crate::clock::Clock;
use crate::domain::{ClosedReason, Failure, Person, Reason, Refused, RemoteId, Scope, ScopeId, WalkEnd};
use crate::inventory::Inventory;
use crate::providers::{Fetch, Item, Known, Learnt, Next, OwnKeys, Subject, Target};
use crate::remote::{As, Exchanged};
use crate::walk::{Found, Page, Recognise, Stamp, Turn, Walk, WalkId, Walked};

/// What one task of a round ended with.
pub(super) enum Ended {
    /// A scope was walked, in whichever way that ended, asked for that subject.
    Walk(Box<Walked>, Learnt, Subject),
    /// A question was answered, or not.
    Question(&'static str, Result<Answered, Failure>),
}

/// The answer to a question.
pub(super) struct Answered {
    pub learnt: Learnt,
    /// The keys that it listed: the caller's own. `None` where it lists none.
    pub keys: Option<OwnKeys>,
    /// Those whom the keys name as their owners.
    pub owners: BTreeSet<RemoteId>,
}

/// What the tasks of a round share: what was known when it began does not change under them.
pub(super) struct Common {
    pub line: Arc<Line>,
    pub known: Known,
    pub clock: Clock,
    pub inventory: Inventory,
    /// Row of the account.
    pub account: i64,
}

impl Common {
    /// All that the adapter would ask on what is known, asked or not.
    pub fn plan(&self) -> Vec<Fetch> {
        self.line.provider.plan(&self.line.account, &self.known)
    }
}

/// Asks that; `people` hears of each page of people that is not the last.
pub(super) async fn run(common: Arc<Common>, fetch: Fetch, people: UnboundedSender<Vec<Person>>) -> Ended {
    match fetch.target.clone() {
        Target::Question(name) => Ended::Question(name, question(&common, fetch).await),
        Target::Scope(scope) => {
            let subject = fetch.subject.clone();
            // Nobody may listen any more.
            let (walked, learnt) = walk_told(&common, scope, fetch, &|page| drop(people.send(page.to_vec()))).await;
            Ended::Walk(Box::new(walked), learnt, subject)
        }
    }
}

/// Asks a question to its last page, within the bounds of a walk.
pub(super) async fn question(common: &Common, mut fetch: Fetch) -> Result<Answered, Failure> {
    let line = &common.line;
    let mut learnt = Learnt::default();
    let mut keys = fetch.list.map(|_| OwnKeys::default());
    let mut owners = BTreeSet::new();
    let mut asked = HashSet::new();
    let (mut elements, mut took) = (0, Duration::ZERO);
    loop {
        if !asked.insert(fetch.query.clone()) {
            return Err(Failure::new(Reason::RepeatedPage, format!("page {} leads back to one that was read", asked.len())));
        }
        if asked.len() as u64 > line.caps.pages {
            return Err(Failure::new(Reason::TooManyPages, format!("over {} pages", line.caps.pages)));
        }
        let page = ask(common, &fetch, As::default()).await?;
        elements += page.elements;
        took += page.took;
        if elements > line.caps.items {
            return Err(Failure::new(Reason::TooManyItems, format!("over {} elements in one list", line.caps.items)));
        }
        if took > line.caps.time {
            let detail = format!("{} pages took over {} s", asked.len(), line.caps.time.as_secs());
            return Err(Failure::new(Reason::Timeout, detail));
        }
        if let Some((index, refused)) = page.refused.first() {
            return Err(Failure::new(Reason::ItemRefused, format!("number {index}: {}: {}", refused.reason, refused.detail)));
        }
        for item in page.items {
            let Item::Key(key) = item else { continue };
            if let (Some(member), Some(owner)) = (&fetch.subject.member, &key.owner)
                && owner.id != *member
            {
                return Err(Failure::new(
                    Reason::AttributionMismatch,
                    "a key that should be the caller's own is somebody else's",
                ));
            }
            owners.extend(key.owner.map(|owner| owner.id));
            if let Some(keys) = &mut keys {
                let bound = key.organization.is_some() && key.organization == fetch.subject.organization;
                if bound {
                    keys.bound.insert(key.id)
                } else {
                    keys.others.insert(key.id)
                };
            }
        }
        learnt.add(page.end.learnt);
        match page.end.next {
            Next::Done => return Ok(Answered { learnt, keys, owners }),
            Next::Page(next) => fetch = *next,
            Next::Closed(reason) => return Err(Failure::new(Reason::Forbidden, reason.as_str())),
        }
    }
}

/// The first request of each scope that the adapter plans on what is known.
pub(super) fn planned(common: &Common) -> HashMap<ScopeId, (Scope, Fetch)> {
    common
        .plan()
        .into_iter()
        .filter_map(|fetch| {
            let scope = fetch.scope()?.clone();
            Some((scope.id.clone(), (scope, fetch)))
        })
        .collect()
}

/// Walks one scope to its end.
pub(super) async fn walk(common: &Common, scope: Scope, first: Fetch) -> (Walked, Learnt) {
    walk_told(common, scope, first, &|_| {}).await
}

/// The same, where `told` hears of each page of people that is not the last.
async fn walk_told(common: &Common, scope: Scope, first: Fetch, told: &(dyn Fn(&[Person]) + Sync)) -> (Walked, Learnt) {
    let line = &common.line;
    let mut walk = begin(common, scope, &first);
    let mut learnt = Learnt::default();
    let end = match token(common, &first).await {
        Ok(token) => pages(common, &mut walk, &mut learnt, first, token.as_ref(), told).await,
        Err(NoToken::Refused(reason)) => walk.refused_at_the_door(reason),
        Err(NoToken::Failed(failure)) => WalkEnd::Incomplete(failure),
    };
    let started = walk.started().wall;
    if let Found::Keys(keys) = walk.found_mut() {
        line.provider.whole_answer(keys, started);
    }
    (walk.finish(end, common.clock.now()), learnt)
}

/// The token that this walk needs, if it needs one. It lives as long as the walk and is never kept for another.
async fn token(common: &Common, fetch: &Fetch) -> Result<Option<SecretString>, NoToken> {
    let Some(grant) = &fetch.grant else { return Ok(None) };
    match common.line.remote.exchange(common.line.provider, grant, &common.known).await {
        Ok(Exchanged::Token(token)) => Ok(Some(token)),
        Ok(Exchanged::Closed(reason)) => Err(NoToken::Refused(reason)),
        Err(failure) => Err(NoToken::Failed(failure)),
    }
}

/// Why there is no token for a walk that needs one.
enum NoToken {
    /// For good.
    Refused(ClosedReason),
    Failed(Failure),
}

async fn pages(
    common: &Common,
    walk: &mut Walk,
    learnt: &mut Learnt,
    first: Fetch,
    token: Option<&SecretString>,
    told: &(dyn Fn(&[Person]) + Sync),
) -> WalkEnd {
    let mut fetch = first;
    loop {
        let before = walk.found_mut().len();
        let mut asked = ask(common, &fetch, As { token, recognise: walk.recognise() }).await;
        if asked.as_ref().is_ok_and(|page| page.elements == 0) && walk.expects_more() {
            // A node that fails for a moment ends a list with an empty page.
            asked = ask(common, &fetch, As { token, recognise: walk.recognise() }).await;
        }
        let mut page = match asked {
            Ok(page) => page,
            Err(failure) => return WalkEnd::Incomplete(failure),
        };
        if let Err(failure) = walk.read_what_meets(&mut page, &fetch.subject, &|bytes| read(common, &fetch, bytes)) {
            return WalkEnd::Incomplete(failure);
        }
        learnt.add(page.end.learnt.clone());
        match walk.page(page, &fetch.subject, stamp(&common.clock)) {
            Turn::Next(next) => fetch = *next,
            Turn::Ended(end) => return end,
        }
        if let Found::People(people) = walk.found_mut() {
            told(&people[before..]);
        }
    }
}

/// Asks for a page as it may be stored.
async fn ask(common: &Common, fetch: &Fetch, how: As<'_>) -> Result<Page, Failure> {
    let line = &common.line;
    let mut page = line.remote.ask_as(line.provider, fetch, &common.known, how).await?;
    page.tag(common.inventory.tag_key());
    Ok(page)
}

/// Reads one element as it may be stored.
fn read(common: &Common, fetch: &Fetch, bytes: &[u8]) -> Result<Item, Refused> {
    let mut item = common.line.provider.item(fetch, bytes)?;
    item.tag(common.inventory.tag_key());
    Ok(item)
}

/// A task that panicked is a bug of ours; it costs its scope this walk and nothing else.
pub(super) fn broken(common: &Common, fetch: &Fetch) -> Ended {
    let failure = Failure::new(Reason::Internal, "reading the answer failed inside keymuster");
    match &fetch.target {
        Target::Question(question) => Ended::Question(question, Err(failure)),
        Target::Scope(scope) => {
            let walked = begin(common, scope.clone(), fetch).finish(WalkEnd::Incomplete(failure), common.clock.now());
            Ended::Walk(Box::new(walked), Learnt::default(), fetch.subject.clone())
        }
    }
}

fn begin(common: &Common, scope: Scope, first: &Fetch) -> Walk {
    // Whose keys they are is checked of keys that are read.
    let apart = common.line.provider.reads_apart(first) && first.subject == Subject::default();
    let recognise = apart.then(|| Recognise {
        digests: common.inventory.digests().clone(),
        before: common.inventory.listed_before(common.account, &scope.id),
    });
    let WalkId(number) = common.inventory.next_walk();
    let walk = Walk::begin(WalkId(number), scope, first, stamp(&common.clock), common.line.caps);
    match recognise {
        Some(recognise) => walk.recognising(recognise),
        None => walk,
    }
}

fn stamp(clock: &Clock) -> Stamp {
    Stamp { wall: clock.now(), boot: clock.boot() }
}
