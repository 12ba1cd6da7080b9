//! Drives the real inventory through a history: polls, faults, crashes, jumps of the clock.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use keymuster::domain::{Lists, Organization, Reason, Scope, ScopeKind, Time, WalkEnd};
use keymuster::inventory::{
    ConfiguredAccount, Confirmed, GuardLimits, Inventory, MembersStill, OrganizationRow, Poll, PollEnd, SeenOrganization,
};
use keymuster::policy::{Glob, Limit, Limits, Match, Policy, Rule, Span};
use keymuster::walk::{Found, Recognise, Stamp, Walked};

use crate::model::Model;
use crate::stored::{self, Row};
use crate::story::{Fault, Restart, Round, Story};
use crate::walking::{Begun, Elements, id, owner_id, scope, walk};
use crate::world::{KEYS, PROJECTS, Place, Shape, World};

/// `confirm_after` of every settling.
pub const CONFIRM: i64 = 600;

pub struct Driver {
    folder: tempfile::TempDir,
    inventory: Option<Inventory>,
    pub world: World,
    pub model: Model,
    wall: i64,
    boot: i64,
    account: i64,
    elements: Elements,
    policy: Arc<Policy>,
    /// What happened, for whoever reads a failure.
    pub told: Vec<String>,
}

/// Rules that look at everything that may change without the key's own facts.
fn policy() -> Policy {
    let limit = |days| Limits { stale_after: Some(Limit::After(Span::days(days))), ..Limits::default() };
    let rule = |matches, limits| Rule { matches, limits, ..Rule::default() };
    Policy {
        rules: vec![
            rule(Match { scope_name: Some(Glob::new("prod v*[02468]")), ..Match::default() }, limit(7)),
            rule(Match { scope_name: Some(Glob::new("* v1")), ..Match::default() }, limit(10)),
            rule(Match { owner: Some(Glob::new("* v1")), ..Match::default() }, limit(30)),
            rule(Match { kind: Some(keymuster::domain::KeyKind::Unattributed), ..Match::default() }, limit(60)),
        ],
        ..Policy::default()
    }
}

fn folder() -> tempfile::TempDir {
    // Memory where there is some: a history waits for a hundred syncs otherwise.
    let memory = std::path::Path::new("/dev/shm");
    tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()).unwrap()
}

impl Driver {
    pub async fn new(shape: Shape) -> Self {
        let mut driver = Self {
            folder: folder(),
            inventory: None,
            world: World::new(shape),
            model: Model::default(),
            wall: 1_760_000_000,
            boot: 5_000,
            account: 0,
            elements: Elements::default(),
            policy: Arc::new(policy()),
            told: Vec::new(),
        };
        driver.open().await;
        driver
    }

    async fn open(&mut self) {
        let inventory = Inventory::open(&self.folder.path().join("inventory.db"), Time::from_unix(self.wall)).unwrap();
        self.inventory = Some(inventory);
        self.configure(true).await;
    }

    /// Reads a config that names the account, or no account at all.
    pub async fn configure(&self, named: bool) {
        self.configure_all(if named { &["acme"] } else { &[] }).await;
    }

    async fn configure_all(&self, names: &[&str]) {
        let account =
            |name: &&str| ConfiguredAccount { name: (*name).into(), provider: "openai", formerly: None, interval: 3_600 };
        let accounts = names.iter().map(account).collect();
        self.inventory().configure(accounts, Arc::clone(&self.policy), Time::from_unix(self.wall)).await.unwrap();
    }

    /// Begins the first poll of an account beside ours.
    pub async fn begin_another(&self) {
        self.configure_all(&["acme", "beside"]).await;
        let poll = self.inventory().begin_poll("beside".into(), Time::from_unix(self.wall)).await.unwrap();
        let seen = SeenOrganization::Named(Organization { id: id("org_2"), name: None });
        assert!(matches!(self.inventory().confirm(poll, seen).await.unwrap(), Confirmed::Yes(_)));
    }

    fn inventory(&self) -> &Inventory {
        self.inventory.as_ref().unwrap()
    }

    fn now(&self) -> Stamp {
        Stamp { wall: Time::from_unix(self.wall), boot: Duration::from_secs(self.boot.unsigned_abs()) }
    }

    fn pass(&mut self, seconds: i64) {
        self.wall += seconds;
        self.boot += seconds;
    }

    fn tell(&mut self, text: String) {
        self.told.push(text);
    }

    /// The whole history, then polls without faults until nothing more may happen.
    pub async fn live(&mut self, story: &Story) -> Result<(), String> {
        for round in &story.rounds {
            self.round(round).await?;
        }
        // The first reads everything, the second confirms what the first found missing; a closed list needs two.
        for _ in 0..4 {
            self.round(&Round::clean()).await?;
        }
        self.model.converged(&self.world, &self.rows()?)?;
        stored::sound(self.inventory())?;
        self.judged_alike().await
    }

    pub async fn round(&mut self, round: &Round) -> Result<(), String> {
        let before: Vec<Vec<Place>> = (0..KEYS).map(|key| self.world.shown_by(key)).collect();
        for change in &round.changes {
            self.tell(format!("  then {change:?}"));
            self.world.happen(*change, self.wall);
        }
        for (key, before) in before.iter().enumerate() {
            if self.world.shown_by(key) != *before {
                self.model.moved(key);
            }
        }
        self.pass(round.wait);
        self.wall += round.jump;
        self.restart(round.restart).await;
        self.tell(format!("poll {} after {} s, clock jumped {} s, {:?}", self.told.len(), round.wait, round.jump, round.restart));
        self.poll(round).await
    }

    async fn restart(&mut self, restart: Restart) {
        let inventory = match restart {
            Restart::No => return,
            Restart::Closed | Restart::Crashed => self.inventory.take().unwrap(),
        };
        if restart == Restart::Closed {
            inventory.close().await.unwrap();
        } else {
            drop(inventory);
        }
        self.open().await;
    }

    async fn poll(&mut self, round: &Round) -> Result<(), String> {
        let inventory = self.inventory().clone();
        let poll = inventory.begin_poll("acme".into(), Time::from_unix(self.wall)).await.unwrap();
        let seen = SeenOrganization::Named(Organization { id: id("org_1"), name: None });
        let Confirmed::Yes(row) = inventory.confirm(poll, seen).await.unwrap() else { return Err("no organisation".into()) };
        self.account = poll.account;
        self.model.run = inventory.run();
        self.model.poll += 1;

        let (walks, not_walked) = self.walks(round);
        inventory.know_scopes(row.organization, not_walked).await.unwrap();
        if round.batch {
            self.apply(row, poll, walks.into_iter().map(|(walked, _)| walked).collect()).await?;
        } else {
            for (walked, fault) in walks {
                self.apply(row, poll, vec![walked.clone()]).await?;
                if round.again {
                    self.apply_again(row, poll, &walked, fault).await?;
                }
            }
        }
        self.pass(5);
        if !round.settles {
            drop(inventory);
            self.tell("  crashed before it settled".into());
            self.restart(Restart::Crashed).await;
            return Ok(());
        }
        for change in &round.late {
            self.tell(format!("  then {change:?}"));
            self.world.happen(*change, self.wall);
        }
        let still: Vec<String> = if round.people_again { self.world.members().map(owner_id).collect() } else { Vec::new() };
        self.tell(format!("  people once more: {}", still.join(" ")));
        let end = PollEnd {
            failure: (!round.faults.is_empty()).then_some(Reason::Network),
            organization: Some(row),
            members_still: MembersStill::of(still.iter().map(|user| id(user))),
        };
        self.model.people_again(still);
        inventory.settle(poll, end, Arc::clone(&self.policy), GuardLimits::without_holds(CONFIRM), self.now()).await.unwrap();
        drop(inventory);
        let rows = self.rows()?;
        for row in &rows {
            self.tell(format!("    {row}"));
        }
        let now = self.now();
        self.model.settled(&self.world, now, &rows)?;
        self.standings()
    }

    /// Walks what the plan of a poll would name: the lists that are always there, and the projects that were read.
    fn walks(&mut self, round: &Round) -> (Vec<(Walked, Option<Fault>)>, Vec<Scope>) {
        let faults: BTreeMap<usize, Fault> = round.faults.iter().copied().collect();
        let mut dice = round.order;
        let mut walked = Vec::new();
        let mut not_walked = Vec::new();
        let mut places = match self.world.shape {
            Shape::Projects => vec![Place::Projects],
            Shape::Members => vec![Place::People, Place::Organization],
        };
        if self.world.shape == Shape::Projects {
            shuffle(&mut places, &mut dice);
        }
        let mut at = 0;
        while let Some(place) = places.get(at).copied() {
            at += 1;
            let fault = faults.get(&slot(place)).copied();
            if fault == Some(Fault::NotWalked) {
                self.tell(format!("  {place}: not walked"));
                self.model.known(place);
                not_walked.push(scope(&self.world, place));
            } else {
                let one = self.walk(place, fault);
                self.pass(1);
                self.tell(format!("  {place}: walk {} {:?} {fault:?}: {}", one.id().0, one.end(), listed(&one)));
                walked.push((one, fault));
            }
            if place == Place::Projects {
                let mut more = vec![Place::People, Place::Admin];
                if let Some(Found::Projects(found)) = walked.last().map(|(walked, _)| walked.found()) {
                    let read = |project: &usize| found.iter().any(|one| one.id.as_str() == Place::Project(*project).remote_id());
                    more.extend((0..PROJECTS).filter(read).map(Place::Project));
                }
                shuffle(&mut more, &mut dice);
                places.extend(more);
            }
        }
        // Walks end, and are applied, in another order than they begin in.
        let first =
            usize::from(self.world.shape == Shape::Projects && walked.first().is_some_and(|(first, _)| of_projects(first)));
        shuffle(&mut walked[first..], &mut dice);
        (walked, not_walked)
    }

    /// Walks a list now, and applies nothing.
    pub fn walk(&mut self, place: Place, fault: Option<Fault>) -> Walked {
        let begun = Begun { number: self.inventory().next_walk(), at: self.now() };
        let before = self.inventory().listed_before(self.account, &scope(&self.world, place).id);
        let recognise = Recognise { digests: self.inventory().digests().clone(), before };
        walk(&self.world, place, fault, begun, recognise, &mut self.elements)
    }

    async fn apply(&mut self, row: OrganizationRow, poll: Poll, walks: Vec<Walked>) -> Result<(), String> {
        let mut left = walks.clone();
        while !left.is_empty() {
            let applied = self.inventory().apply(row, poll, Arc::clone(&self.policy), left).await;
            let unread = applied.map_err(|error| error.to_string())?.unread;
            left = unread.into_iter().map(|walked| walked.read_all(&|bytes| self.elements.read(bytes))).collect();
        }
        for walked in walks {
            self.model.applied(&walked.read_all(&|bytes| self.elements.read(bytes)));
        }
        Ok(())
    }

    /// The same list once more, as a walk of its own: nothing may be written but the walk itself.
    async fn apply_again(
        &mut self,
        row: OrganizationRow,
        poll: Poll,
        first: &Walked,
        fault: Option<Fault>,
    ) -> Result<(), String> {
        if matches!(first.end(), WalkEnd::Closed(_)) {
            // Being refused twice is more than being refused once.
            return Ok(());
        }
        let place = crate::model::place(first);
        let again = self.walk(place, fault);
        let before = stored::contents(self.inventory())?;
        self.apply(row, poll, vec![again]).await?;
        let after = stored::contents(self.inventory())?;
        if before == after {
            return Ok(());
        }
        Err(format!("{place} was applied twice, and changed\n{before}\nto\n{after}"))
    }

    pub fn rows(&self) -> Result<Vec<Row>, String> {
        stored::rows(self.inventory())
    }

    fn standings(&self) -> Result<(), String> {
        let stored = stored::standings(self.inventory())?;
        let expected = self.model.standings();
        if stored == expected { Ok(()) } else { Err(format!("scopes stand as {stored:?}, not as {expected:?}")) }
    }

    /// Deadlines that were written key by key are those that one recomputation of everything writes.
    async fn judged_alike(&mut self) -> Result<(), String> {
        let kept = stored::deadlines(self.inventory())?;
        let now = Time::from_unix(self.wall);
        for policy in [Policy::default(), (*self.policy).clone()] {
            self.inventory().judge_all(Arc::new(policy), now).await.unwrap();
        }
        let anew = stored::deadlines(self.inventory())?;
        if kept == anew { Ok(()) } else { Err(format!("deadlines are\n{kept}\nand anew\n{anew}")) }
    }
}

fn listed(walked: &Walked) -> String {
    let ids: Vec<String> = match walked.found() {
        Found::Keys(keys) => keys.iter().map(|key| key.id.to_string()).collect(),
        Found::People(people) => people.iter().map(|person| person.id.to_string()).collect(),
        Found::Projects(projects) => projects.iter().map(|project| project.id.to_string()).collect(),
    };
    format!("{} and {} unchanged", ids.join(" "), walked.unchanged().len())
}

fn of_projects(walked: &Walked) -> bool {
    walked.scope().id.kind == ScopeKind::Projects && walked.scope().id.kind.lists() == Lists::Projects
}

const fn slot(place: Place) -> usize {
    match place {
        Place::Projects => 0,
        Place::People => 1,
        Place::Admin | Place::Organization => 2,
        Place::Project(project) => 3 + project,
    }
}

/// Fisher and Yates, by a number that a failure prints.
fn shuffle<T>(all: &mut [T], dice: &mut u64) {
    for at in (1..all.len()).rev() {
        *dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let other = usize::try_from(*dice >> 33).unwrap() % (at + 1);
        all.swap(at, other);
    }
}
