//! What is asked at once: everything that the adapter planned on what is known, a bounded number of walks at a time, and ahead
//! of its turn what it will plan.

use std::collections::{HashMap, VecDeque};
use std::pin::pin;
use std::sync::Arc;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::round::{Common, Ended, broken, run};
use crate::domain::{Person, ScopeId};
use crate::providers::Fetch;

/// What is heard of a round.
pub(super) enum Heard {
    Ended(Ended),
    /// A page of a list of people that is still being read.
    People(Vec<Person>),
}

/// Lists that are asked for ahead in one poll at most: they are held until their turn.
const MOST_AHEAD: usize = 4_096;
/// Lists, and elements of lists, that ended while something else was done; with more no further ones are begun.
const MOST_ENDED: usize = 2_000;

/// The rounds of a poll.
///
/// What is asked ahead is handed out when the adapter plans that very request, as if it had been asked then, and else dropped.
pub(super) struct Rounds {
    common: Arc<Common>,
    deadline: Instant,
    stop: CancellationToken,
    waiting: VecDeque<Fetch>,
    ahead: VecDeque<(Arc<Common>, Fetch)>,
    tasks: JoinSet<Ended>,
    in_flight: HashMap<Id, Flight>,
    ended: VecDeque<Ended>,
    ended_ahead: HashMap<ScopeId, (Fetch, Ended)>,
    asked_ahead: usize,
    people: (UnboundedSender<Vec<Person>>, UnboundedReceiver<Vec<Person>>),
}

struct Flight {
    fetch: Fetch,
    ahead: bool,
    task: AbortHandle,
}

impl Rounds {
    /// After `deadline` no scope is opened any more, and those under way are finished; `stop` ends them too.
    pub fn new(common: Common, deadline: Instant, stop: CancellationToken) -> Self {
        Self {
            common: Arc::new(common),
            deadline,
            stop,
            waiting: VecDeque::new(),
            ahead: VecDeque::new(),
            tasks: JoinSet::new(),
            in_flight: HashMap::new(),
            ended: VecDeque::new(),
            ended_ahead: HashMap::new(),
            asked_ahead: 0,
            people: unbounded_channel(),
        }
    }

    /// Begins a round; the fetches are asked in their order.
    pub fn begin(&mut self, common: Common, planned: Vec<Fetch>) {
        self.common = Arc::new(common);
        self.ahead.clear();
        // Pages that nobody listened to before their list had ended: whom they name is planned by now.
        while self.people.1.try_recv().is_ok() {}
        let mut under_way: HashMap<ScopeId, Id> =
            self.in_flight.iter().filter_map(|(id, flight)| Some((flight.fetch.scope()?.id.clone(), *id))).collect();
        for fetch in planned {
            let scope = fetch.scope().map(|scope| &scope.id);
            if let Some((_, ended)) = scope.and_then(|scope| self.ended_ahead.remove(scope)).filter(|(asked, _)| *asked == fetch)
            {
                self.ended.push_back(ended);
                continue;
            }
            let flight = scope.and_then(|scope| under_way.remove(scope)).and_then(|id| self.in_flight.get_mut(&id));
            match flight.filter(|flight| flight.fetch == fetch) {
                Some(flight) => flight.ahead = false,
                None => self.waiting.push_back(fetch),
            }
        }
        self.ended_ahead.clear();
        self.in_flight.retain(|_, flight| {
            if flight.ahead {
                flight.task.abort();
            }
            !flight.ahead
        });
    }

    /// Asks these too, when nothing that was planned waits.
    pub fn ask_ahead(&mut self, common: Common, fetches: impl IntoIterator<Item = Fetch>) {
        let common = Arc::new(common);
        self.ahead.extend(fetches.into_iter().map(|fetch| (Arc::clone(&common), fetch)));
    }

    /// What is heard next; `None` when the round is over.
    pub async fn next(&mut self) -> Option<Heard> {
        loop {
            if self.stop.is_cancelled() {
                return self.end().await;
            }
            self.fill();
            if let Some(ended) = self.ended.pop_front() {
                return Some(Heard::Ended(ended));
            }
            if self.in_flight.values().all(|flight| flight.ahead) {
                return None;
            }
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return self.end().await,
                Some(people) = self.people.1.recv() => return Some(Heard::People(people)),
                Some(ended) = self.tasks.join_next_with_id() => self.take(ended),
            }
        }
    }

    /// Does that work, and keeps asking meanwhile.
    pub async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            if self.ended.iter().map(size).sum::<usize>() < MOST_ENDED {
                self.fill();
            }
            tokio::select! {
                biased;
                done = &mut work => return done,
                Some(ended) = self.tasks.join_next_with_id() => self.take(ended),
            }
        }
    }

    /// What never got its turn.
    pub fn left(&mut self) -> impl Iterator<Item = Fetch> {
        self.waiting.drain(..)
    }

    fn fill(&mut self) {
        while !self.stop.is_cancelled() && Instant::now() < self.deadline && self.in_flight.len() < self.common.line.concurrency {
            let (common, fetch, ahead) = match self.waiting.pop_front() {
                Some(fetch) => (Arc::clone(&self.common), fetch, false),
                None if self.asked_ahead >= MOST_AHEAD => break,
                None => match self.ahead.pop_front() {
                    Some((common, fetch)) => (common, fetch, true),
                    None => break,
                },
            };
            self.asked_ahead += usize::from(ahead);
            let task = self.tasks.spawn(run(common, fetch.clone(), self.people.0.clone()));
            self.in_flight.insert(task.id(), Flight { fetch, ahead, task });
        }
    }

    async fn end(&mut self) -> Option<Heard> {
        self.tasks.shutdown().await;
        self.in_flight.clear();
        self.ended.clear();
        None
    }

    fn take(&mut self, ended: Result<(Id, Ended), JoinError>) {
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        // Of what was dropped nothing is wanted.
        let Some(flight) = self.in_flight.remove(&id) else { return };
        let ended = ended.map_or_else(|_| broken(&self.common, &flight.fetch), |(_, ended)| ended);
        match flight.fetch.scope() {
            Some(scope) if flight.ahead => {
                self.ended_ahead.insert(scope.id.clone(), (flight.fetch, ended));
            }
            Some(_) | None => self.ended.push_back(ended),
        }
    }
}

/// A list and its elements.
fn size(ended: &Ended) -> usize {
    match ended {
        Ended::Walk(walked, ..) => walked.found().len() + walked.unchanged().len() + 1,
        Ended::Question(..) => 1,
    }
}

#[cfg(test)]
pub(super) mod tests;
