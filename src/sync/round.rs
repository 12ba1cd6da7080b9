//! The walks of one round: everything that the adapter planned on what is known, a bounded number of them at once.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::line::Line;
use crate::clock::Clock;
use crate::domain::{Failure, Reason, Scope, WalkEnd};
use crate::inventory::Inventory;
use crate::providers::{Fetch, Known, Learnt, Target};
use crate::walk::{Found, Stamp, Turn, Walk, WalkId, Walked};

/// What one task of a round ended with.
pub(super) enum Ended {
    /// A scope was walked, in whichever way that ended.
    Walk(Box<Walked>, Learnt),
    /// A question that lists nothing was answered, or not.
    Question(&'static str, Result<Learnt, Failure>),
}

/// What the tasks of a round share: what was known when it began does not change under them.
pub(super) struct Common {
    pub line: Arc<Line>,
    pub known: Known,
    pub clock: Clock,
    pub inventory: Inventory,
}

/// A round under way.
pub(super) struct Round {
    common: Arc<Common>,
    waiting: VecDeque<Fetch>,
    tasks: JoinSet<Ended>,
    in_flight: HashMap<Id, Fetch>,
}

impl Round {
    /// Begins a round; the fetches are asked in their order.
    pub fn new(common: Common, planned: Vec<Fetch>) -> Self {
        Self { common: Arc::new(common), waiting: planned.into(), tasks: JoinSet::new(), in_flight: HashMap::new() }
    }

    /// The next task that ended; `None` when the round is over. After `deadline` no scope is opened any more, and those under
    /// way are finished; `stop` ends them too.
    pub async fn next(&mut self, deadline: Instant, stop: &CancellationToken) -> Option<Ended> {
        while !stop.is_cancelled() && Instant::now() < deadline && self.tasks.len() < self.common.line.concurrency {
            let Some(fetch) = self.waiting.pop_front() else { break };
            let task = self.tasks.spawn(run(Arc::clone(&self.common), fetch.clone()));
            self.in_flight.insert(task.id(), fetch);
        }
        let ended = tokio::select! {
            biased;
            () = stop.cancelled() => {
                self.tasks.shutdown().await;
                self.in_flight.clear();
                return None;
            }
            ended = self.tasks.join_next_with_id() => ended?,
        };
        Some(match ended {
            Ok((id, ended)) => {
                self.in_flight.remove(&id);
                ended
            }
            Err(error) => self.broken(&error)?,
        })
    }

    /// What never got its turn.
    pub fn left(self) -> impl Iterator<Item = Fetch> {
        self.waiting.into_iter()
    }

    /// A task that panicked is a bug of ours; it costs its scope this walk and nothing else.
    fn broken(&mut self, error: &JoinError) -> Option<Ended> {
        let fetch = self.in_flight.remove(&error.id())?;
        let failure = Failure::new(Reason::Internal, "reading the answer failed inside keymuster");
        Some(match &fetch.target {
            Target::Question(question) => Ended::Question(question, Err(failure)),
            Target::Scope(scope) => {
                let walk = begin(&self.common, scope.clone(), &fetch);
                Ended::Walk(Box::new(walk.finish(WalkEnd::Incomplete(failure), self.common.clock.now())), Learnt::default())
            }
        })
    }
}

async fn run(common: Arc<Common>, fetch: Fetch) -> Ended {
    match fetch.target.clone() {
        Target::Question(question) => {
            let answer = common.line.remote.ask(common.line.provider, &fetch, &common.known).await;
            Ended::Question(question, answer.map(|page| page.end.learnt))
        }
        Target::Scope(scope) => {
            let (walked, learnt) = walk(&common, scope, fetch).await;
            Ended::Walk(Box::new(walked), learnt)
        }
    }
}

/// Walks one scope to its end.
async fn walk(common: &Common, scope: Scope, first: Fetch) -> (Walked, Learnt) {
    let line = &common.line;
    let mut walk = begin(common, scope, &first);
    let mut learnt = Learnt::default();
    let mut fetch = first;
    let end = loop {
        let page = match line.remote.ask(line.provider, &fetch, &common.known).await {
            Ok(page) => page,
            Err(failure) => break WalkEnd::Incomplete(failure),
        };
        learnt.add(page.end.learnt.clone());
        match walk.page(page, &fetch.subject, common.clock.now()) {
            Turn::Next(next) => fetch = *next,
            Turn::Ended(end) => break end,
        }
    };
    let started = walk.started().wall;
    if let Found::Keys(keys) = walk.found_mut() {
        line.provider.whole_answer(keys, started);
    }
    (walk.finish(end, common.clock.now()), learnt)
}

fn begin(common: &Common, scope: Scope, first: &Fetch) -> Walk {
    let WalkId(number) = common.inventory.next_walk();
    let started = Stamp { wall: common.clock.now(), boot: common.clock.boot() };
    Walk::begin(WalkId(number), scope, first, started, common.line.caps)
}
