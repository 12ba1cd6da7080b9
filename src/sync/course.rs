//! What one poll has asked and learnt so far, and what it asks next.

use std::collections::{HashMap, HashSet};

use super::doubt::Before;
use super::line::Line;
use super::proofs::Proofs;
use super::report::ScopeReport;
use super::round::{Answered, Ended};
use crate::domain::{Failure, Lists, OwnerKind, Person, Reason, RemoteId, Scope, ScopeId, ScopeKind, WalkEnd};
use crate::inventory::InGroups;
use crate::providers::{Fetch, GROUPS, Known, Proof, Target, Way};
use crate::walk::{Found, Walked};

/// Of how many members it is asked whom the provider takes us for.
const CANARIES: usize = 3;

/// The course of a poll.
#[derive(Default)]
pub(super) struct Course {
    pub known: Known,
    pub reports: Vec<ScopeReport>,
    pub not_opened: Vec<Scope>,
    pub proofs: Proofs,
    /// Scopes planned so far.
    pub planned: usize,
    /// Lists of keys that were read, in whatever way they ended.
    keys_read: bool,
    asked: HashSet<Asked>,
    failed_questions: Vec<(&'static str, Failure)>,
    /// Why the present way of listing does not do.
    wanting: Option<Failure>,
}

/// What was asked already in this poll.
#[derive(PartialEq, Eq, Hash)]
enum Asked {
    Scope(ScopeId, Option<Way>),
    Question(&'static str),
}

impl Course {
    /// What the adapter wants next and was not asked yet: lists that others hang on first, then whatever waited longest.
    pub fn plan(&mut self, line: &Line, attempts: &HashMap<ScopeId, i64>) -> Vec<Fetch> {
        self.known.way = line.ways.current(line.provider.spec(), &line.account);
        let mut planned = line.provider.plan(&line.account, &self.known);
        planned.retain(|fetch| {
            self.asked.insert(match &fetch.target {
                Target::Scope(scope) => Asked::Scope(scope.id.clone(), fetch.way),
                Target::Question(question) => Asked::Question(question),
            })
        });
        planned.sort_by_key(|fetch| precedence(fetch.scope(), attempts));
        self.planned += planned.iter().filter(|fetch| fetch.scope().is_some()).count();
        planned
    }

    /// What the adapter will ask for these people, who are on pages of a list of people that is still being read: what it would
    /// ask if nobody else were on the list.
    pub fn ahead(&self, line: &Line, attempts: &HashMap<ScopeId, i64>, people: &[Person]) -> Vec<Fetch> {
        if !matches!(self.known.way, Some(Way::Header | Way::Token)) {
            return Vec::new();
        }
        let mut known = self.known.clone();
        known.people = people.iter().map(|person| (person.id.clone(), person.clone())).collect();
        known.group_members.clear();
        known.ended.insert(ScopeId { kind: ScopeKind::People, of: None }, WalkEnd::Complete);
        let mut planned = line.provider.plan(&line.account, &known);
        planned.retain(|fetch| fetch.scope().is_some_and(|scope| scope.id.kind == ScopeKind::Member));
        planned.sort_by_key(|fetch| fetch.scope().and_then(|scope| attempts.get(&scope.id)).copied().unwrap_or(0));
        planned
    }

    /// The question whom the provider takes us for, before the first list is read in somebody's name: of some members, because
    /// the first may be one whom nobody may act as.
    pub fn canaries(&self, line: &Line, planned: &[Fetch]) -> Vec<(RemoteId, Fetch)> {
        if self.proofs.asked {
            return Vec::new();
        }
        let members: Vec<&RemoteId> = planned
            .iter()
            .filter(|fetch| fetch.subject.proof == Proof::Impersonation)
            .filter_map(|fetch| fetch.subject.member.as_ref())
            .collect();
        let spread = members.iter().step_by((members.len() / CANARIES).max(1)).take(CANARIES);
        spread
            .filter_map(|member| Some(((*member).clone(), line.provider.identity(&line.account, &self.known, member)?)))
            .collect()
    }

    /// Takes in what a task ended with, a list that the inventory has that against; gives the walk back where it is for the inventory.
    pub fn take(&mut self, ended: Ended, before: Before) -> Option<Walked> {
        match ended {
            Ended::Question(question, Ok(Answered { learnt, keys, owners })) => {
                self.known.learn(learnt);
                self.known.answered.insert(question);
                if let Some(keys) = keys {
                    self.known.own_keys = Some(keys);
                    // Where nothing else says who the caller is, the caller's own keys do.
                    if owners.len() == 1 && self.known.caller.is_none() {
                        self.known.caller = owners.into_iter().next();
                    }
                }
                None
            }
            Ended::Question(question, Err(failure)) => {
                self.known.unanswered.insert(question, failure.clone());
                self.failed_questions.push((question, failure));
                None
            }
            Ended::Walk(walked, learnt, subject) => {
                self.known.learn(learnt);
                self.learn_from(&walked);
                let walked = self.proofs.take(*walked, &subject, before, &self.known)?;
                self.ended(&walked);
                if let WalkEnd::Incomplete(failure) = walked.end()
                    && self.shows_the_way_wanting(walked.scope().id.kind, failure.reason)
                {
                    self.wanting.get_or_insert_with(|| failure.clone());
                }
                Some(walked)
            }
        }
    }

    /// Notes how a walk ended for good.
    pub fn ended(&mut self, walked: &Walked) {
        self.known.ended.insert(walked.scope().id.clone(), walked.end().clone());
        self.keys_read |= walked.scope().id.kind.lists() == Lists::Keys;
    }

    fn learn_from(&mut self, walked: &Walked) {
        match walked.found() {
            Found::Projects(projects) => {
                self.known.projects.extend(projects.iter().map(|project| (project.id.clone(), project.clone())));
            }
            Found::People(people) => {
                self.known.people.extend(people.iter().map(|person| (person.id.clone(), person.clone())));
            }
            Found::Keys(keys) => {
                let accounts =
                    keys.iter().filter_map(|key| key.owner.as_ref()).filter(|owner| owner.kind == OwnerKind::ServiceAccount);
                self.known.service_accounts.extend(accounts.map(|owner| owner.id.clone()));
            }
        }
    }

    /// Whether a list that failed so shows that the way of listing does not exist there, or cannot be trusted. A member's list
    /// that does not exist is closed; not found is then the exchange of tokens.
    fn shows_the_way_wanting(&self, kind: ScopeKind, reason: Reason) -> bool {
        match (self.known.way, kind) {
            (Some(Way::Organization), ScopeKind::Organization) => {
                matches!(reason, Reason::NotFound | Reason::Forbidden | Reason::AttributionUnproven | Reason::AttributionMismatch)
            }
            (Some(Way::Token), ScopeKind::Member) => reason == Reason::NotFound,
            (_, _) => false,
        }
    }

    /// Leaves the way of listing that this poll goes, if it does not do and another is left. True where it was left.
    pub fn leave_way(&mut self, line: &Line) -> bool {
        let Some(way) = self.known.way else { return false };
        // Where some members' tokens were exchanged, the exchange does exist.
        let wanting = self.wanting.take().filter(|_| way == Way::Organization || !self.proofs.has_read());
        let Some(why) = wanting.or_else(|| self.proofs.failure()) else { return false };
        if !line.ways.leave(line.provider.spec(), &line.account, way, &why) {
            return false;
        }
        self.proofs.forget();
        // What was tried in vain is no part of what this poll reports, and what was read is read again.
        let of_the_way = |id: &ScopeId| match way {
            Way::Organization => id.kind == ScopeKind::Organization,
            Way::Header | Way::Token => id.kind == ScopeKind::Member,
        };
        self.reports.retain(|report| !of_the_way(&report.scope.id));
        self.known.ended.retain(|id, end| !of_the_way(id) || *end == WalkEnd::Complete);
        true
    }

    /// A first refusal of a list that was readable is an incomplete walk, as only the inventory could tell.
    pub fn refuse(&mut self, scopes: &[ScopeId]) {
        for report in self.reports.iter_mut().filter(|report| scopes.contains(&report.scope.id)) {
            let detail = format!("was readable before and is refused now ({})", report.end.reason().unwrap_or("closed"));
            report.end = WalkEnd::Incomplete(Failure::new(Reason::RefusedOnce, detail));
        }
    }

    /// The way by which this poll read somebody's keys. The caller's own list is read in the same manner whether or not a way
    /// does, so it counts only where nobody else is known.
    pub fn way_taken(&self) -> Option<Way> {
        let way = self.known.way?;
        let is_caller = |id: &RemoteId| self.known.caller.as_ref() == Some(id);
        let alone = self.known.people.keys().chain(&self.known.group_members).all(is_caller);
        let shows = |report: &&ScopeReport| match way {
            Way::Organization => report.scope.id.kind == ScopeKind::Organization,
            Way::Header | Way::Token => {
                report.scope.id.kind == ScopeKind::Member && (alone || !report.scope.id.of.as_ref().is_some_and(is_caller))
            }
        };
        self.reports.iter().filter(shows).any(|report| report.end == WalkEnd::Complete).then_some(way)
    }

    /// Whether this poll read the people whole.
    pub fn people_read(&self) -> bool {
        self.known.is_complete(&ScopeId { kind: ScopeKind::People, of: None })
    }

    /// What the groups say of members whom the list of people lacks.
    pub fn in_groups(&self) -> InGroups {
        let refused = |failure: &Failure| matches!(failure.reason, Reason::Forbidden | Reason::NotFound);
        if self.known.unanswered.get(GROUPS).is_some_and(refused) {
            InGroups::Refused
        } else if self.known.answered.contains(GROUPS) && self.people_read() {
            InGroups::Members(self.only_in_groups().cloned().collect())
        } else {
            InGroups::NotRead
        }
    }

    fn only_in_groups(&self) -> impl Iterator<Item = &RemoteId> {
        self.known.group_members.iter().filter(|id| !self.known.people.contains_key(*id))
    }

    /// Failures of questions that kept this poll from reading any keys, those that are the same in every word once. Where keys
    /// were read, others answered in their place.
    pub fn failures(&self) -> Vec<Failure> {
        let mut failures: Vec<Failure> = Vec::new();
        for (_, failure) in self.failed_questions.iter().filter(|_| !self.keys_read) {
            if !failures.contains(failure) {
                failures.push(failure.clone());
            }
        }
        failures
    }

    /// What is amiss without being a failure: questions that others answered for, members whom only groups name,
    /// keys that are not ours to tell.
    pub fn notes(&self) -> Vec<String> {
        let unanswered =
            self.failed_questions.iter().filter(|_| self.keys_read).map(|(question, failure)| format!("{question}: {failure}"));
        let gap = self.only_in_groups().count();
        let gap = (gap > 0).then(|| format!("the list of people lacks {gap} whom groups name as members"));
        let others: u64 = self.reports.iter().map(|report| report.other_organization).sum();
        let others = (others > 0).then(|| format!("left out, as keys of another organisation: {others}"));
        unanswered.chain(gap).chain(others).collect()
    }
}

/// What is asked first of all that is planned at once: the least. `attempts` holds the poll in which each list was last tried.
fn precedence(scope: Option<&Scope>, attempts: &HashMap<ScopeId, i64>) -> (u8, i64) {
    match scope {
        None => (0, 0),
        Some(scope) if scope.id.kind.lists() != Lists::Keys || scope.id.kind == ScopeKind::Admin => (1, 0),
        Some(scope) => (2, attempts.get(&scope.id).copied().unwrap_or(0)),
    }
}

#[cfg(test)]
mod tests;
