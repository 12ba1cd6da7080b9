//! One poll per account at a time, and who waits for its report.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

use super::report::Report;

/// Who has the turn of which account.
#[derive(Debug, Clone, Default)]
pub(super) struct Turns(Arc<Mutex<HashMap<String, Holder>>>);

#[derive(Debug)]
struct Holder {
    stop: CancellationToken,
    hurry: Arc<Notify>,
    waiting: Vec<oneshot::Sender<Report>>,
}

/// One account's turn: while it is held, no other poll of the account begins.
#[derive(Debug)]
pub(super) struct Taken {
    turns: Turns,
    name: String,
    /// It was given back already; whoever has it now keeps it.
    given_back: bool,
    /// Ends this poll.
    pub stop: CancellationToken,
    /// Ends its splay.
    pub hurry: Arc<Notify>,
}

impl Turns {
    /// Takes the turn of an account, unless somebody has it.
    pub fn take(&self, name: &str, stop: &CancellationToken) -> Option<Taken> {
        let mut holders = self.holders();
        if holders.contains_key(name) {
            return None;
        }
        Some(self.begin(&mut holders, name, stop, Vec::new()))
    }

    /// Has somebody wait for the report of whoever has the turn, who begins at once if it has not begun; where nobody has it, it is
    /// taken for them.
    pub fn take_or_join(&self, name: &str, stop: &CancellationToken, answer: oneshot::Sender<Report>) -> Option<Taken> {
        let mut holders = self.holders();
        if let Some(holder) = holders.get_mut(name) {
            holder.hurry.notify_one();
            holder.waiting.push(answer);
            return None;
        }
        Some(self.begin(&mut holders, name, stop, vec![answer]))
    }

    fn begin(
        &self,
        holders: &mut HashMap<String, Holder>,
        name: &str,
        stop: &CancellationToken,
        waiting: Vec<oneshot::Sender<Report>>,
    ) -> Taken {
        let (stop, hurry) = (stop.child_token(), Arc::new(Notify::new()));
        holders.insert(name.to_owned(), Holder { stop: stop.clone(), hurry: Arc::clone(&hurry), waiting });
        Taken { turns: self.clone(), name: name.to_owned(), given_back: false, stop, hurry }
    }

    /// Somebody has it.
    pub fn is_taken(&self, name: &str) -> bool {
        self.holders().contains_key(name)
    }

    /// Nobody has any.
    pub fn are_free(&self) -> bool {
        self.holders().is_empty()
    }

    /// Ends the poll of an account.
    pub fn cut_off(&self, name: &str) {
        if let Some(holder) = self.holders().get(name) {
            holder.stop.cancel();
        }
    }

    fn holders(&self) -> MutexGuard<'_, HashMap<String, Holder>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Gives the turn back and the report to all who wait for it; whoever asks from here on gets a poll of their own.
    pub fn answer(mut self, report: &Report) {
        let holder = self.turns.holders().remove(&self.name);
        self.given_back = true;
        for one in holder.into_iter().flat_map(|holder| holder.waiting) {
            // Who asked may have left.
            let _ = one.send(report.clone());
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if !self.given_back {
            self.turns.holders().remove(&self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::Time;

    fn report() -> Report {
        Report {
            account: "acme".into(),
            provider: "openai",
            started: Time::from_unix(0),
            took: Duration::ZERO,
            scopes: Vec::new(),
            general: Vec::new(),
            notes: Vec::new(),
            people_unread: None,
            unapplied: None,
            not_opened: 0,
            changes: Vec::new(),
            holds: Vec::new(),
        }
    }

    /// A poll may end at any instant.
    #[test]
    fn whoever_asks_has_the_turn_or_the_report_of_who_has_it() {
        let (turns, stop, asked) = (Turns::default(), CancellationToken::new(), 50_000);
        let poll = |turn: Option<Taken>| turn.into_iter().for_each(|turn| turn.answer(&report()));
        std::thread::scope(|scope| {
            let others = scope.spawn(|| (0..asked).for_each(|_| poll(turns.take("acme", &stop))));
            for number in 0..asked {
                let (answer, told) = oneshot::channel();
                poll(turns.take_or_join("acme", &stop, answer));
                assert!(told.blocking_recv().is_ok(), "asked for the {number}th time");
            }
            others.join().unwrap();
        });
    }

    #[test]
    fn a_turn_is_taken_until_it_is_given_back_or_dropped() {
        let (turns, stop) = (Turns::default(), CancellationToken::new());
        let state = |name: &str| (turns.is_taken(name), turns.are_free());
        assert_eq!(state("acme"), (false, true));
        let taken = turns.take("acme", &stop).unwrap();
        assert!(turns.take("acme", &stop).is_none());
        assert_eq!((state("acme"), state("globex")), ((true, false), (false, false)));
        turns.cut_off("globex");
        assert!(!taken.stop.is_cancelled());
        turns.cut_off("acme");
        assert!(taken.stop.is_cancelled() && !stop.is_cancelled(), "this poll alone");
        assert_eq!(state("acme"), (true, false), "it ends by itself");
        taken.answer(&report());
        assert_eq!(state("acme"), (false, true));
        drop(turns.take("acme", &stop).unwrap());
        assert_eq!(state("acme"), (false, true));
    }
}
