//! What must hold after every poll, judged by the truth and by the public views alone.
//!
//! The checker believes the daemon in one thing: which lists it says it read whole. A list that was not read whole, and is said
//! to be, shows in the keys.

pub mod calls;
mod claims;
mod facts;
mod history;
mod presence;
mod sums;

use std::collections::{BTreeMap, HashMap, HashSet};

use keymuster::domain::{Condition, Presence, Reason, RemoteId, ScopeId, ScopeKind, Time, WalkEnd};
use keymuster::inventory::{ChangesAsked, Filter, KeyRow, KeysAsked};
use keymuster::sim::Remote;
use keymuster::sync::Report;

use crate::site::Site;
use crate::tally::Tally;
use crate::truth::{Life, Moment, Truth};

/// What went wrong, in words; its first part, up to the colon, says what kind of lie it is.
pub type Verdict = Result<(), String>;

/// A poll that ended.
pub struct Polled {
    pub account: String,
    pub remote: Remote,
    pub began: Moment,
    pub report: Report,
    /// Nothing was wrong with the provider or the clock, and nothing happened while it ran.
    pub quiet: bool,
    /// Headers that name a member got lost while it ran.
    pub header_lost: bool,
    /// Its answers left keys out, and nobody can notice: that one is missing is no lie.
    pub leaves_out: bool,
    /// They were another organisation's.
    pub another: bool,
}

/// What is remembered of a row.
struct Seen {
    first_seen: Time,
    last_seen: Option<Time>,
    /// The walk that saw it last began then or later.
    as_of: Moment,
    /// When it last could not be settled: it could not be seen, or waited for a person.
    hindered: Moment,
    told: history::Told,
    /// Since it is told to be missing.
    missing: Option<presence::Missing>,
    orphaned: bool,
    held: bool,
}

/// What is remembered of an account.
#[derive(Default)]
struct Watched {
    remote: Option<Remote>,
    /// The earliest beginning of a poll whose results were not looked at yet.
    unchecked_from: Option<Moment>,
    /// When the poll began that last read each list whole.
    complete: HashMap<ScopeId, Moment>,
    /// When the one before it did.
    before: HashMap<ScopeId, Moment>,
    /// When each poll began that read that list whole, whatever became of the list since.
    told: HashMap<ScopeId, Vec<Moment>>,
    /// When the polls began in which headers got lost.
    unheaded: HashSet<Moment>,
    /// Lists that are refused for good.
    closed: HashSet<ScopeId>,
    /// Those that ever were.
    once_closed: HashSet<ScopeId>,
    /// Those that the newest poll was the first to find so.
    closed_now: HashSet<ScopeId>,
    /// When that poll began.
    learnt: Moment,
    /// When each poll began that read everything, since the clock was last set.
    whole: Vec<Moment>,
    /// When the polls began that could not read the people once more, and so concluded nothing from what members' lists lack.
    people_unread: HashSet<Moment>,
    /// What lists the keys of Braintrust's members.
    way: Option<ScopeKind>,
    /// When the poll began that first read some of them so.
    way_since: Moment,
    last_change: i64,
}

/// The checker.
#[derive(Default)]
pub struct Checker {
    accounts: BTreeMap<String, Watched>,
    seen: BTreeMap<(String, String), Seen>,
    polls: u64,
    /// When a project was last active again: off the list of projects or not, its keys answer.
    pub restored: Moment,
    /// What was concluded, how often.
    pub tally: Tally,
}

impl Checker {
    /// A poll begins.
    pub fn begins(&mut self, account: &str, remote: Remote, now: Moment) {
        let watched = self.watched(account);
        watched.remote = Some(remote);
        watched.unchecked_from = Some(watched.unchecked_from.map_or(now, |earlier| earlier.min(now)));
    }

    /// The clock was set, or the machine started anew: what waits may wait anew.
    pub fn clock_was_set(&mut self) {
        self.accounts.values_mut().for_each(|watched| watched.whole.clear());
        self.seen.values_mut().filter_map(|seen| seen.missing.as_mut()).for_each(|missing| missing.set = true);
    }

    /// From one run to the next only the wall clock tells how much time went by.
    pub fn restarted(&mut self) {
        self.seen.values_mut().filter_map(|seen| seen.missing.as_mut()).for_each(|missing| missing.restarted = true);
    }

    /// A poll died, and nobody tells in which way it listed what it stored.
    pub fn cut_off(&mut self, account: &str) {
        self.watched(account).way = None;
    }

    /// The account was taken out of the config: from here on nothing is known of its lists. What they told of use stays told, as of
    /// then.
    pub fn removed(&mut self, account: &str) {
        let watched = self.watched(account);
        watched.complete.clear();
        watched.whole.clear();
    }

    /// The account is called otherwise, and is the same.
    pub fn renamed(&mut self, from: &str, to: &str) {
        if let Some(watched) = self.accounts.remove(from) {
            self.accounts.insert(to.to_owned(), watched);
        }
        let seen = std::mem::take(&mut self.seen);
        let name = |account: String| if account == from { to.to_owned() } else { account };
        self.seen = seen.into_iter().map(|((account, key), seen)| ((name(account), key), seen)).collect();
    }

    /// A poll ended.
    pub async fn poll(&mut self, polled: &Polled, site: &Site, truth: &Truth) -> Verdict {
        self.polls += 1;
        let names = |word: &str| format!("{word} after the poll of {}", polled.account);
        self.learn(polled);
        if polled.quiet {
            facts::quiet_poll_is_up(&polled.report)?;
        }
        let rows = rows(site, Some(&polled.account)).await;
        let watched = self.watched(&polled.account);
        let from = watched.unchecked_from.take().unwrap_or(polled.began);
        let told = history::told(site, &polled.account, &mut watched.last_change).await;
        self.note(&rows, told, from, (site, truth, polled.remote), polled.began)
            .map_err(|why| format!("{why}, {}", names("seen")))?;
        let watched = &self.accounts[&polled.account];
        let others = if polled.another { site.simulation.other_truth() } else { Vec::new() };
        for row in &rows {
            if others.iter().any(|key| key.id == row.key_id) {
                continue;
            }
            let seen = &self.seen[&(row.account.clone(), row.key_id.clone())];
            let life = truth.life(polled.remote, &row.key_id).ok_or_else(|| format!("phantom: {row:?} never existed"))?;
            let about = About { row, life, seen, watched, site };
            let check = || {
                if !polled.leaves_out {
                    presence::no_lie(&about)?;
                }
                claims::no_lie(&about)?;
                facts::are_right(&about)?;
                if polled.quiet && polled.report.unapplied.is_none() { facts::are_exact(&about) } else { Ok(()) }
            };
            check().map_err(|why| format!("{why}\n  row   {row:?}\n  truth {life:?}\n{}", dossier(site, &row.key_id)))?;
        }
        if !polled.leaves_out && !polled.another {
            presence::none_is_lost(&rows, polled, watched, truth)?;
        }
        if self.polls.is_multiple_of(16) {
            let all = self::rows(site, None).await;
            sums::add_up(&all, site).await?;
            sums::are_exported(&all, site).await?;
        }
        Ok(())
    }

    /// Something else than a poll changed the inventory: a reload, a restart.
    pub async fn settled(&mut self, site: &Site, truth: &Truth, now: Moment) -> Verdict {
        self.rows_settled(&rows(site, None).await, site, truth, now).await
    }

    /// The same, and the metrics tell it.
    pub async fn exported(&mut self, site: &Site, truth: &Truth, now: Moment) -> Verdict {
        let all = rows(site, None).await;
        self.rows_settled(&all, site, truth, now).await?;
        sums::are_exported(&all, site).await
    }

    async fn rows_settled(&mut self, all: &[KeyRow], site: &Site, truth: &Truth, now: Moment) -> Verdict {
        let accounts: Vec<String> = self.accounts.keys().cloned().collect();
        for account in accounts {
            let rows = all.chunk_by(|one, next| one.account == next.account).find(|rows| rows[0].account == account);
            let watched = self.watched(&account);
            let Some(remote) = watched.remote else { continue };
            let from = watched.unchecked_from.take().unwrap_or(Moment::MAX);
            let told = history::told(site, &account, &mut watched.last_change).await;
            self.note(rows.unwrap_or_default(), told, from, (site, truth, remote), now)?;
        }
        sums::add_up(all, site).await
    }

    fn watched(&mut self, account: &str) -> &mut Watched {
        self.accounts.entry(account.to_owned()).or_default()
    }

    /// What the report says was read.
    fn learn(&mut self, polled: &Polled) {
        let watched = self.watched(&polled.account);
        let report = &polled.report;
        if report.unapplied.is_some() {
            return;
        }
        if polled.header_lost {
            watched.unheaded.insert(polled.began);
        }
        let mut kinds = report.scopes.iter().map(|scope| scope.scope.id.kind);
        let way = kinds.rfind(|kind| matches!(kind, ScopeKind::Organization | ScopeKind::Member));
        if way.is_some() && way != watched.way {
            watched.complete.retain(|scope, _| !matches!(scope.kind, ScopeKind::Organization | ScopeKind::Member));
            watched.way = way;
        }
        if !watched.complete.keys().any(|scope| Some(scope.kind) == watched.way) {
            watched.way_since = polled.began;
        }
        let closed_before = watched.closed.clone();
        watched.closed_now.clear();
        watched.learnt = polled.began;
        for scope in &report.scopes {
            let id = &scope.scope.id;
            watched.closed.remove(id);
            match &scope.end {
                WalkEnd::Complete => {
                    watched.told.entry(id.clone()).or_default().push(polled.began);
                    if let Some(before) = watched.complete.insert(id.clone(), polled.began) {
                        watched.before.insert(id.clone(), before);
                    }
                }
                WalkEnd::Closed(_) => {
                    watched.closed.insert(id.clone());
                    watched.once_closed.insert(id.clone());
                    if !closed_before.contains(id) {
                        watched.closed_now.insert(id.clone());
                    }
                }
                WalkEnd::Incomplete(failure) if failure.reason == Reason::RefusedOnce => {
                    watched.complete.remove(id);
                }
                WalkEnd::Incomplete(_) => {}
            }
        }
        if report.failure().is_none() && report.not_opened == 0 && report.holds.is_empty() {
            watched.whole.push(polled.began);
        }
        if report.people_unread.is_some() {
            watched.people_unread.insert(polled.began);
        }
    }

    /// Looks at what may never change, and remembers what is new. What was seen, was seen from `from` on.
    fn note(
        &mut self,
        rows: &[KeyRow],
        mut changes: history::Changes,
        from: Moment,
        (site, truth, remote): (&Site, &Truth, Remote),
        now: Moment,
    ) -> Verdict {
        let latest = site.sun.now().plus(3_700);
        for row in rows {
            let of_key = changes.remove(&row.key_id).unwrap_or_default();
            let id = (row.account.clone(), row.key_id.clone());
            let life = truth.life(remote, &row.key_id);
            let seen = match self.seen.get_mut(&id) {
                Some(seen) => seen,
                None => {
                    let told = history::Told::at_first(row, &of_key);
                    let (orphaned, held) = (false, false);
                    let first_seen = row.first_seen_at;
                    let new = Seen { first_seen, last_seen: None, as_of: from, hindered: 0, told, missing: None, orphaned, held };
                    self.seen.entry(id).or_insert(new)
                }
            };
            seen.told.follow(&of_key, row)?;
            let told_now = presence::ToldNow { at: site.sun.now(), poll: self.polls };
            presence::gone_as_designed(&mut seen.missing, &of_key, told_now).map_err(|why| format!("{why}: {row:?}"))?;
            self.tally.lines(&of_key);
            let (orphaned, held) = (row.conditions.contains(&Condition::Orphaned), row.held_since.is_some());
            self.tally.add_if(orphaned && !seen.orphaned, "concluded", "orphaned");
            self.tally.add_if(held && !seen.held, "concluded", "held");
            (seen.orphaned, seen.held) = (orphaned, held);
            if matches!(row.presence, Presence::Unknown | Presence::Unmanaged) || row.held_since.is_some() {
                seen.hindered = now;
            }
            if row.first_seen_at != seen.first_seen {
                return Err(format!("first_seen moved: {row:?}, from {}", seen.first_seen));
            }
            if row.first_seen_at > latest || row.last_seen_at > Some(latest) {
                return Err(format!("seen in the future: {row:?}, at {latest}"));
            }
            if row.last_seen_at != seen.last_seen {
                if seen.last_seen.is_some_and(|before| row.last_seen_at.is_none_or(|after| after < before.plus(-3_700))) {
                    return Err(format!("last_seen went back: {row:?}, from {:?}", seen.last_seen));
                }
                if let Some(life) = life {
                    presence::was_there(row, life, from, self.restored)?;
                }
                (seen.last_seen, seen.as_of) = (row.last_seen_at, from);
            }
        }
        match changes.into_iter().next() {
            Some((key, _)) => Err(format!("history: tells of {key}, which is no row")),
            None => Ok(()),
        }
    }
}

/// A row and all that bears on it.
struct About<'a> {
    row: &'a KeyRow,
    life: &'a Life,
    seen: &'a Seen,
    watched: &'a Watched,
    site: &'a Site,
}

impl About<'_> {
    /// The row is one of those that conditions are told of.
    const fn is_judged(&self) -> bool {
        match self.row.presence {
            Presence::Present | Presence::Missing | Presence::Unknown => true,
            Presence::Gone | Presence::Unmanaged => false,
        }
    }

    /// A list that could not be read since, and was by this poll, or was found to be refused for good, has only now shown that
    /// the key left: what it said of the key counts until the next poll.
    fn left_now(&self) -> bool {
        let Self { life, watched, .. } = self;
        life.homes.iter().filter(|home| **home != life.key.home).any(|home| {
            let list = list_of(life.key.provider, home, watched);
            let unread = watched.before.get(&list).is_none_or(|began| *began < life.since);
            watched.closed_now.contains(&list) || (unread && watched.complete.get(&list) == Some(&watched.learnt))
        })
    }

    /// At some time nobody could see it, or its list was refused for good.
    fn was_out_of_sight(&self) -> bool {
        self.life.once_hidden || self.watched.once_closed.contains(&home(self.life, self.watched))
    }

    /// The walk that last told of its use began then or later: one of the list where the row stands. One that has only now shown
    /// that the key left told it before, and another that still lists the key is believed from the next poll on. Where none does by
    /// then, it stays at what was told before the key left.
    fn use_told(&self) -> Moment {
        let Self { row, life, seen, watched, .. } = self;
        let place = if row.scope_id.is_empty() { "admin" } else { &row.scope_id };
        let list = list_of(life.key.provider, place, watched);
        let reads = watched.told.get(&list).map_or(&[][..], Vec::as_slice);
        let told = match &life.left {
            Some((home, left)) if *home == *place && row.presence != Presence::Present => {
                reads.iter().rfind(|began| *began <= left)
            }
            _ if self.left_now() => reads.iter().rfind(|began| **began < watched.learnt),
            _ => reads.last(),
        };
        told.map_or(seen.as_of, |began| seen.as_of.min(*began))
    }

    /// When the poll began that last read the list of people whole.
    fn people_read(&self) -> Option<Moment> {
        self.watched.complete.get(&ScopeId { kind: ScopeKind::People, of: None }).copied()
    }

    /// When the poll began that last read the list whole where the key belongs.
    fn home_read(&self) -> Option<Moment> {
        self.watched.complete.get(&home(self.life, self.watched)).copied()
    }
}

/// The list that a right way of asking shows the key on.
fn home(life: &Life, watched: &Watched) -> ScopeId {
    list_of(life.key.provider, &life.key.home, watched)
}

/// The list of a home.
fn list_of(remote: Remote, home: &str, watched: &Watched) -> ScopeId {
    let of = |kind| ScopeId { kind, of: RemoteId::new(home) };
    let only = |kind| ScopeId { kind, of: None };
    match (remote, home) {
        (Remote::OpenAi, "admin") => only(ScopeKind::Admin),
        (Remote::OpenAi, _) => of(ScopeKind::Project),
        (Remote::Den, _) => only(ScopeKind::Organization),
        (Remote::Braintrust, "service_tokens") => only(ScopeKind::ServiceTokens),
        (Remote::Braintrust, _) if watched.way == Some(ScopeKind::Organization) => only(ScopeKind::Organization),
        (Remote::Braintrust, _) => of(ScopeKind::Member),
    }
}

/// The rows of the view `keys`, of one account or of all.
pub async fn rows(site: &Site, account: Option<&str>) -> Vec<KeyRow> {
    let filter = Filter { accounts: account.map(str::to_owned).into_iter().collect(), ..Filter::default() };
    let asked = KeysAsked { filter, ..KeysAsked::default() };
    site.inventory().reader().keys(asked, site.clock.now()).await.unwrap()
}

/// What the daemon has on file of a key, for whoever reads of a failure.
fn dossier(site: &Site, key: &str) -> String {
    let read = |connection: &rusqlite::Connection| {
        let mut select = connection.prepare(
            "SELECT '  listed by ' || s.kind || ' ' || s.remote_id || ', ' || s.standing || ', walk ' || x.walk_id
                    || ', unlisted ' || coalesce(x.unlisted_walk, '-') || ', complete ' || coalesce(s.complete_walk, '-')
                    || ', newest ' || coalesce(s.newest_walk, '-')
               FROM sighting AS x JOIN scope AS s ON s.id = x.scope_id JOIN key AS k ON k.id = x.key_id WHERE k.remote_id = ?1
             UNION ALL
             SELECT '  missing since ' || coalesce(missing_number, '-') || ' at ' || coalesce(missing_at, '-') || ', run '
                    || coalesce(missing_run, '-') || ', boot ' || coalesce(missing_boot_s, '-') FROM key WHERE remote_id = ?1
             UNION ALL
             SELECT '  open, and read at ' || coalesce(s.complete_walk, '-') || ': ' || s.kind || ' ' || s.remote_id
               FROM scope AS s JOIN key AS k ON k.organization_id = s.organization_id
              WHERE k.remote_id = ?1 AND s.standing = 'open'",
        )?;
        Ok(select.query_map([key], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?)
    };
    site.inventory().reader().read_blocking(read).map_or_else(|error| error.to_string(), |lines| lines.join("\n"))
}

async fn changes(site: &Site, account: &str, after: i64) -> Vec<keymuster::inventory::ChangeRow> {
    let asked = ChangesAsked { accounts: vec![account.to_owned()], after: Some(after), ..ChangesAsked::default() };
    let mut changes = site.inventory().reader().changes(asked).await.unwrap();
    changes.reverse();
    changes
}
