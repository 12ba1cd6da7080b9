//! The story of the demo: what was read, what could not be, what changed, and what waits for a person; each told once.

use std::collections::{BTreeMap, BTreeSet};

use super::words;
use crate::cli::output::{Output, Tone, counted, wrapped};
use crate::domain::{ChangeKind, ScopeState, Time};
use crate::inventory::OpenHold;
use crate::views::{ChangeRow, ChangesAsked, ScopeRow, Views};

/// So many changes of one sort are told one by one.
const ONE_BY_ONE: usize = 3;
/// What waits for a person is told again after so many seconds.
const AGAIN: i64 = 60;

/// What was told so far.
pub(super) struct Story {
    views: Views,
    /// The beginning of every command to the daemon.
    control: String,
    /// The width of the accounts' names.
    names: usize,
    read: BTreeSet<String>,
    /// By account: state and reason of lists that cannot be read.
    unread: BTreeMap<String, BTreeSet<(ScopeState, String)>>,
    change: i64,
    explained: BTreeSet<ChangeKind>,
    /// What waits for a person, by account, and when each was last told.
    holds: BTreeMap<String, Vec<(OpenHold, Time)>>,
}

/// Lists that cannot be read, for one reason.
struct Unread {
    state: ScopeState,
    reason: String,
    lists: Vec<ScopeRow>,
}

impl Story {
    pub fn new(views: Views, control: String) -> Self {
        let names = views.accounts().iter().map(|account| account.name.len()).max().unwrap_or(0);
        Self {
            views,
            control,
            names,
            read: BTreeSet::new(),
            unread: BTreeMap::new(),
            change: 0,
            explained: BTreeSet::new(),
            holds: BTreeMap::new(),
        }
    }

    /// Tells what is new.
    ///
    /// # Errors
    /// The inventory cannot be read, or nobody reads what is told.
    pub async fn go_on(&mut self, output: &mut Output) -> anyhow::Result<()> {
        let counts = self.views.counts().await?;
        for account in self.views.accounts().iter() {
            let name = &account.name;
            let Some(counts) = counts.accounts.get(name) else { continue };
            let Some(poll) = &counts.last_poll else { continue };
            if counts.read_since.is_some() && self.read.insert(name.clone()) {
                let lists = counts.scopes.get(&ScopeState::Complete).copied().unwrap_or(0);
                let text = format!("{} keys read, from {lists} lists", counts.keys_that_may_be_there());
                self.say(output, poll.started, name, Tone::Good, &text)?;
            }
            let unread = unread(self.views.scopes(name).await?, poll.reason.as_deref());
            self.tell_unread(output, poll.started, name, unread)?;
        }
        self.tell_changes(output).await?;
        for account in self.views.accounts().iter() {
            let waiting = self.views.waiting(&account.name).await?;
            self.tell_holds(output, self.views.clock().now(), &account.name, waiting.holds)?;
        }
        Ok(())
    }

    fn tell_unread(&mut self, output: &mut Output, at: Time, account: &str, unread: Vec<Unread>) -> anyhow::Result<()> {
        let now: BTreeSet<_> = unread.iter().map(|unread| (unread.state, unread.reason.clone())).collect();
        let before = self.unread.insert(account.to_owned(), now.clone()).unwrap_or_default();
        for unread in unread.iter().filter(|unread| !before.contains(&(unread.state, unread.reason.clone()))) {
            let which = match unread.lists.as_slice() {
                [] => "the account".to_owned(),
                [list] => words::list(list),
                [list, more @ ..] => format!("{} and {}", words::list(list), counted(more.len(), "more list", "more lists")),
            };
            let tone = if unread.state == ScopeState::Closed { Tone::Warning } else { Tone::Bad };
            let verb = if unread.state == ScopeState::Closed { "cannot be read" } else { "refused" };
            self.say(output, at, account, tone, &format!("{verb}: {which}"))?;
            let detail = unread.lists.iter().find_map(|list| list.detail.clone()).filter(|_| unread.state != ScopeState::Closed);
            self.add(output, &words::unread(unread.state, &unread.reason, detail.as_deref()))?;
        }
        let is_open = |(state, _): &&(ScopeState, String)| *state != ScopeState::Closed;
        if before.iter().any(|gap| is_open(&gap)) && !now.iter().any(|gap| is_open(&gap)) {
            self.say(output, at, account, Tone::Good, "everything is read again")?;
        }
        Ok(())
    }

    async fn tell_changes(&mut self, output: &mut Output) -> anyhow::Result<()> {
        let mut changes = self.views.changes(ChangesAsked { after: Some(self.change), ..ChangesAsked::default() }).await?;
        changes.reverse();
        self.change = changes.last().map_or(self.change, |change| change.change_id);
        let mut alike: Vec<Vec<ChangeRow>> = Vec::new();
        for change in changes {
            let same = |row: &ChangeRow| (row.at, &row.account, row.change) == (change.at, &change.account, change.change);
            match alike.iter_mut().find(|group| group.first().is_some_and(same)) {
                Some(group) => group.push(change),
                None => alike.push(vec![change]),
            }
        }
        for group in alike {
            self.tell_alike(output, &group)?;
        }
        Ok(())
    }

    /// Changes of one sort, of one account, seen at once.
    fn tell_alike(&mut self, output: &mut Output, group: &[ChangeRow]) -> anyhow::Result<()> {
        let Some(first) = group.first() else { return Ok(()) };
        let what = output.paint(Tone::Strong, &format!("{:<12}", words::change(first.change)));
        if group.len() <= ONE_BY_ONE {
            for change in group {
                let text = format!("{what} {}", words::key(change));
                self.say(output, change.at, &change.account, Tone::Plain, &text)?;
            }
        } else {
            let some: Vec<String> = group.iter().take(ONE_BY_ONE).map(words::name).collect();
            let text = format!("{what} {} keys: {} and {} more", group.len(), some.join(", "), group.len() - some.len());
            self.say(output, first.at, &first.account, Tone::Plain, &text)?;
        }
        if let Some(means) = words::change_means(first)
            && self.explained.insert(first.change)
        {
            self.add(output, means)?;
        }
        Ok(())
    }

    fn tell_holds(&mut self, output: &mut Output, now: Time, account: &str, open: Vec<OpenHold>) -> anyhow::Result<()> {
        let before = self.holds.remove(account).unwrap_or_default();
        let same = |one: &OpenHold, other: &OpenHold| (one.since, &one.list) == (other.since, &other.list);
        for (hold, _) in before.iter().filter(|(hold, _)| !open.iter().any(|still| same(still, hold))) {
            self.say(output, now, account, Tone::Good, &format!("no longer held: {}", words::held(hold)))?;
            self.add(output, words::NO_LONGER_HELD)?;
        }
        let mut told = Vec::new();
        for hold in open {
            let at = before.iter().find(|(known, _)| same(known, &hold)).map(|(_, at)| *at);
            let tell_again = at.is_some_and(|at| now.since(at) >= AGAIN);
            if at.is_none() {
                self.say(output, hold.since, account, Tone::Bad, &format!("HELD: {}", words::held(&hold)))?;
                self.add(output, &words::held_means(account))?;
            } else if tell_again {
                self.say(output, now, account, Tone::Bad, &format!("STILL HELD: {}", words::held(&hold)))?;
            }
            if at.is_none() || tell_again {
                self.command(output, account)?;
            }
            told.push((hold, at.filter(|_| !tell_again).unwrap_or(now)));
        }
        self.holds.insert(account.to_owned(), told);
        Ok(())
    }

    /// What to type so that what is held may go.
    fn command(&self, output: &mut Output, account: &str) -> anyhow::Result<()> {
        let why = "the old integrations were shut down";
        output.line("")?;
        output.line(&output.paint(Tone::Strong, &format!("  {} ack {account} --why '{why}'", self.control)))?;
        output.line("")?;
        Ok(())
    }

    /// One line: when, of which account, what.
    fn say(&self, output: &mut Output, at: Time, account: &str, tone: Tone, text: &str) -> anyhow::Result<()> {
        let text = output.paint(tone, text);
        output.line(&format!("{}  {account:<width$}  {text}", words::clock(at), width = self.names))?;
        Ok(())
    }

    /// More about the line before, below its text.
    fn add(&self, output: &mut Output, text: &str) -> anyhow::Result<()> {
        let indent = " ".repeat("00:00:00".len() + 2 + self.names + 2);
        for line in wrapped(text) {
            output.line(&output.paint(Tone::Faint, &format!("{indent}{line}")))?;
        }
        Ok(())
    }
}

/// What of an account is not read, by state and reason. Where no list says why, the poll does.
fn unread(scopes: Vec<ScopeRow>, poll: Option<&str>) -> Vec<Unread> {
    let mut found: Vec<Unread> = Vec::new();
    for scope in scopes.into_iter().filter(|scope| matches!(scope.state, ScopeState::Closed | ScopeState::Incomplete)) {
        let reason = scope.reason.clone().unwrap_or_default();
        match found.iter_mut().find(|unread| (unread.state, &unread.reason) == (scope.state, &reason)) {
            Some(unread) => unread.lists.push(scope),
            None => found.push(Unread { state: scope.state, reason, lists: vec![scope] }),
        }
    }
    if let Some(reason) = poll
        && !found.iter().any(|unread| unread.state == ScopeState::Incomplete)
    {
        found.push(Unread { state: ScopeState::Incomplete, reason: reason.to_owned(), lists: Vec::new() });
    }
    found
}
