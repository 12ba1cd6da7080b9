//! One organisation as it truly is, and the inventory that polls of it fill.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use keymuster::domain::{
    ClosedReason, Failure, KeyFacts, KeyKind, Moment, Organization, Owner, OwnerKind, Person, Project, Reason, RemoteId, Scope,
    ScopeKind, Text, Time, WalkEnd,
};
use keymuster::inventory::{
    Acknowledged, Acknowledgement, ConfiguredAccount, Confirmed, GuardLimits, InGroups, Inventory, MembersStill, OrganizationRow,
    Poll, PollEnd, SeenOrganization, Settled,
};
use keymuster::policy::Policy;
use keymuster::providers::{End, Fetch, Item, Learnt, Next, Subject, Target};
use keymuster::walk::{Caps, Page, Stamp, Turn, Walk, Walked};

/// The defaults of `[guard]`.
pub const LIMITS: GuardLimits =
    GuardLimits { confirm_after_s: 600, min_keys: 10, scope_share: 0.5, account_share: 0.2, small_scope: 5, window_s: 86_400 };
pub const HOUR: i64 = 3_600;
const CAPS: Caps = Caps { items: 10_000, pages: 10, time: Duration::from_secs(600) };

pub struct Site {
    folder: tempfile::TempDir,
    pub inventory: Inventory,
    /// The keys of each project that is listed.
    pub projects: BTreeMap<String, BTreeSet<String>>,
    /// Projects that are archived, and refuse to list their keys.
    pub closed: BTreeSet<String>,
    /// The list that holds only keys of current members; not read where it is `None`.
    pub members: Option<BTreeSet<String>>,
    /// The list of admin keys; not read where it is `None`.
    pub admin: Option<BTreeSet<String>>,
    pub people: BTreeSet<String>,
    /// What the list of people calls them; others by their ids.
    pub names: BTreeMap<String, &'static str>,
    /// What projects are called; others have no name.
    pub titles: BTreeMap<String, &'static str>,
    /// Members whom groups alone name.
    pub only_in_groups: Vec<RemoteId>,
    /// Groups answer only when the people are read once more.
    pub groups_late: bool,
    /// Who owns which key; others have no owner.
    pub owners: BTreeMap<String, String>,
    /// Keys whose expiry has passed.
    pub expired: BTreeSet<String>,
    /// When a list of keys of that kind says that a key was last used; no other list says anything of it.
    pub used: BTreeMap<(String, &'static str), Moment>,
    /// What every list says of a key otherwise than the others of its kind.
    pub told: BTreeMap<String, fn(&mut KeyFacts)>,
    pub guard: GuardLimits,
    /// The organisation that the credential sees; `None` where the provider does not name it.
    pub organization: Option<String>,
    pub now: i64,
    /// When the machine started.
    booted: i64,
}

/// Ids that follow one another.
pub fn ids(prefix: &str, from: usize, count: usize) -> BTreeSet<String> {
    (from..from + count).map(|number| format!("{prefix}_{number:03}")).collect()
}

fn id(text: &str) -> RemoteId {
    RemoteId::new(text).unwrap()
}

pub fn account(name: &str, provider: &'static str) -> ConfiguredAccount {
    ConfiguredAccount { name: name.into(), provider, formerly: None, interval: HOUR }
}

impl Site {
    pub async fn new(projects: &[(&str, usize)]) -> Self {
        let memory = std::path::Path::new("/dev/shm");
        let folder = tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()).unwrap();
        let now = 1_760_000_000;
        let inventory = Inventory::open(&folder.path().join("inventory.db"), Time::from_unix(now)).unwrap();
        let site = Self {
            folder,
            inventory,
            projects: projects.iter().map(|(name, count)| ((*name).to_owned(), ids(name, 0, *count))).collect(),
            closed: BTreeSet::new(),
            members: None,
            admin: None,
            people: ids("user", 0, 3),
            names: BTreeMap::new(),
            titles: BTreeMap::new(),
            only_in_groups: Vec::new(),
            groups_late: false,
            owners: BTreeMap::new(),
            expired: BTreeSet::new(),
            used: BTreeMap::new(),
            told: BTreeMap::new(),
            guard: LIMITS,
            organization: Some("org_a".to_owned()),
            now,
            booted: 1_759_990_000,
        };
        site.configure(&["acme"]).await;
        site
    }

    pub async fn configure(&self, names: &[&str]) {
        let accounts = names.iter().map(|name| account(name, "openai")).collect();
        self.inventory.configure(accounts, Arc::default(), Time::from_unix(self.now)).await.unwrap();
    }

    /// The machine and the program start anew.
    pub async fn reboot(&mut self) {
        self.inventory.clone().close().await.unwrap();
        self.booted = self.now;
        self.inventory = Inventory::open(&self.folder.path().join("inventory.db"), Time::from_unix(self.now)).unwrap();
    }

    /// Removes the first so many keys of a project.
    pub fn revoke(&mut self, project: &str, count: usize) {
        let keys = self.projects.get_mut(project).unwrap();
        for _ in 0..count {
            keys.pop_first().unwrap();
        }
    }

    fn stamp(&mut self) -> Stamp {
        self.now += 1;
        Stamp { wall: Time::from_unix(self.now), boot: Duration::from_secs((self.now - self.booted).unsigned_abs()) }
    }

    /// One poll an hour later: every list is read whole, or refused where it is closed.
    pub async fn poll(&mut self) -> Settled {
        self.now += HOUR;
        self.poll_again().await
    }

    /// One poll at once.
    pub async fn poll_again(&mut self) -> Settled {
        let (settled, refused) = self.try_poll().await;
        assert!(!refused, "the organisation is not confirmed");
        settled
    }

    /// A poll that began, and the organisation that its walks belong to.
    pub async fn begin(&self) -> (Poll, OrganizationRow) {
        let poll = self.inventory.begin_poll("acme".into(), Time::from_unix(self.now)).await.unwrap();
        let seen = SeenOrganization::Named(Organization { id: id("org_a"), name: None });
        match self.inventory.confirm(poll, seen).await.unwrap() {
            Confirmed::Yes(row) => (poll, row),
            Confirmed::Changed { .. } | Confirmed::NotShown => panic!("the same organisation"),
        }
    }

    /// One poll; whether nothing of it was applied.
    pub async fn try_poll(&mut self) -> (Settled, bool) {
        let inventory = self.inventory.clone();
        let poll = inventory.begin_poll("acme".into(), Time::from_unix(self.now)).await.unwrap();
        let walks = self.walks();
        let seen = match &self.organization {
            Some(named) => SeenOrganization::Named(Organization { id: id(named), name: None }),
            None => {
                SeenOrganization::ByProjects { projects: self.projects.keys().map(|project| id(project)).collect(), whole: true }
            }
        };
        let row = match inventory.confirm(poll, seen).await.unwrap() {
            Confirmed::Yes(row) => Some(row),
            Confirmed::Changed { .. } | Confirmed::NotShown => None,
        };
        match row {
            Some(row) => {
                self.apply(row, poll, walks).await;
                let told = match self.groups_late {
                    true => InGroups::NotRead,
                    false => InGroups::Members(self.only_in_groups.clone()),
                };
                inventory.keep_group_members(row.organization, told).await.unwrap();
            }
            None => {
                let why = Failure::new(Reason::OrganizationChanged, "another one");
                inventory.record_unapplied(poll, why, walks).await.unwrap();
            }
        }
        let end = PollEnd {
            failure: row.is_none().then_some(Reason::OrganizationChanged),
            organization: row,
            members_still: MembersStill::of(self.people.iter().map(|user| id(user)).chain(self.only_in_groups.iter().cloned())),
        };
        let now = self.stamp();
        let settled = inventory.settle(poll, end, Arc::new(Policy::default()), self.guard, now).await.unwrap();
        (settled, row.is_none())
    }

    /// One poll an hour later that could read no list at all.
    pub async fn poll_nothing(&mut self) {
        self.now += HOUR;
        let (poll, row) = self.begin().await;
        let end = PollEnd { failure: Some(Reason::Server), organization: Some(row), members_still: MembersStill::default() };
        let now = self.stamp();
        self.inventory.settle(poll, end, Arc::new(Policy::default()), self.guard, now).await.unwrap();
    }

    pub async fn apply(&self, row: OrganizationRow, poll: Poll, walks: Vec<Walked>) {
        self.inventory.apply(row, poll, Arc::default(), walks).await.unwrap();
    }

    /// Every list as it truly is.
    pub fn walks(&mut self) -> Vec<Walked> {
        let projects = self.projects.keys().map(|project| {
            Item::Project(Box::new(Project { id: id(project), name: None, archived: self.closed.contains(project) }))
        });
        let projects = projects.collect();
        let people =
            self.people.iter().map(|user| (user, *self.names.get(user).unwrap_or(&user.as_str()))).map(|(user, name)| {
                Item::Person(Box::new(Person { id: id(user), kind: OwnerKind::User, name: Some(Text::clean(name)), email: None }))
            });
        let people = people.collect();
        let mut walks = vec![
            self.walk(Scope::only(ScopeKind::Projects), projects, Next::Done),
            self.walk(Scope::only(ScopeKind::People), people, Next::Done),
        ];
        // As polls do: the list of admin keys first.
        if let Some(keys) = self.admin.clone() {
            let items = self.items(&keys, KeyKind::Unattributed);
            walks.push(self.walk(Scope::only(ScopeKind::Admin), items, Next::Done));
        }
        for (project, keys) in self.projects.clone() {
            let (items, next) = if self.closed.contains(&project) {
                (Vec::new(), Next::Closed(ClosedReason::ProjectArchived))
            } else {
                (self.items(&keys, KeyKind::Project), Next::Done)
            };
            let title = self.titles.get(&project).map(|title| Text::clean(title));
            walks.push(self.walk(Scope::of(ScopeKind::Project, id(&project), title), items, next));
        }
        if let Some(keys) = self.members.clone() {
            let items = self.items(&keys, KeyKind::Organization);
            walks.push(self.walk(Scope::only(ScopeKind::Organization), items, Next::Done));
        }
        walks
    }

    fn items(&self, keys: &BTreeSet<String>, kind: KeyKind) -> Vec<Item> {
        let expires = |key: &String| match self.expired.contains(key) {
            true => Moment::At(Time::from_unix(1_750_000_000)),
            false => Moment::Never,
        };
        let owner = |key: &String| {
            let owner = id(self.owners.get(key)?);
            Some(Owner { kind: OwnerKind::User, id: owner, name: None, email: None })
        };
        let as_usual = |key: &String| KeyFacts {
            id: id(key),
            kind,
            name: None,
            hint: None,
            owner: owner(key),
            owner_access: None,
            organization: None,
            created_at: Some(Time::from_unix(1_740_000_000)),
            last_used: self.used.get(&(key.clone(), kind.as_str())).copied().unwrap_or(Moment::NotReported),
            expires: expires(key),
            enabled: true,
        };
        let facts = |key: &String| {
            let mut facts = as_usual(key);
            if let Some(tell) = self.told.get(key) {
                tell(&mut facts);
            }
            facts
        };
        keys.iter().map(|key| Item::Key(Box::new(facts(key)))).collect()
    }

    fn walk(&mut self, scope: Scope, items: Vec<Item>, next: Next) -> Walked {
        let begun = self.stamp();
        let fetch = Fetch { list: Some("data"), ..Fetch::get(Target::Scope(scope.clone()), "list", "/list") };
        let mut walk = Walk::begin(self.inventory.next_walk(), scope, &fetch, begun, CAPS);
        let page = Page {
            elements: items.len() as u64,
            items,
            refused: Vec::new(),
            digests: Vec::new(),
            unchanged: Vec::new(),
            end: End { next, learnt: Learnt::default() },
            server_time: None,
            wire_bytes: 0,
            took: Duration::ZERO,
        };
        match walk.page(page, &Subject::default(), begun) {
            Turn::Ended(end @ (WalkEnd::Complete | WalkEnd::Closed(_))) => walk.finish(end, begun.wall),
            other @ (Turn::Next(_) | Turn::Ended(WalkEnd::Incomplete(_))) => panic!("{other:?}"),
        }
    }

    /// One walk of a project that failed behind its first page, or before it.
    pub async fn part_of(&mut self, project: &str, reason: Reason, has_page: bool) {
        self.now += HOUR;
        let (poll, row) = self.begin().await;
        let scope = Scope::of(ScopeKind::Project, id(project), None);
        let failure = Failure::new(reason, "");
        let walked = if has_page {
            self.walk(scope, Vec::new(), Next::Done).unfinished(failure)
        } else {
            let (begun, fetch) = (self.stamp(), Fetch::get(Target::Scope(scope.clone()), "list", "/list"));
            let walk = Walk::begin(self.inventory.next_walk(), scope, &fetch, begun, CAPS);
            walk.finish(WalkEnd::Incomplete(failure), begun.wall)
        };
        self.apply(row, poll, vec![walked]).await;
    }

    /// A person's word.
    pub async fn ack(&mut self, scope: Option<&str>) -> Acknowledged {
        let at = self.stamp().wall;
        let word = Acknowledgement {
            account: "acme".into(),
            scope: scope.map(str::to_owned),
            who: "ana (uid 7)".into(),
            why: "cleaned up".into(),
            at,
        };
        self.inventory.acknowledge(word).await.unwrap()
    }

    /// The rows of a query, each as text, its columns with a bar between them.
    #[track_caller]
    pub fn rows(&self, query: &str) -> Vec<String> {
        let read = self.inventory.reader().read_blocking(|connection| {
            let mut select = connection.prepare(query)?;
            let columns = select.column_count();
            let rows = select.query_map([], |row| {
                let cells = (0..columns).map(|column| {
                    Ok(match row.get::<_, rusqlite::types::Value>(column)? {
                        rusqlite::types::Value::Null => "-".to_owned(),
                        rusqlite::types::Value::Integer(number) => number.to_string(),
                        rusqlite::types::Value::Text(text) => text,
                        other @ (rusqlite::types::Value::Real(_) | rusqlite::types::Value::Blob(_)) => format!("{other:?}"),
                    })
                });
                Ok(cells.collect::<rusqlite::Result<Vec<String>>>()?.join("|"))
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        });
        read.unwrap_or_else(|error| panic!("{query}: {error}"))
    }

    #[track_caller]
    pub fn count(&self, from: &str) -> usize {
        self.rows(&format!("SELECT count(*) FROM {from}"))[0].parse().unwrap()
    }

    /// How many keys of a project are of which presence, and how many of them are held: `present 10 held 10`.
    #[track_caller]
    pub fn of(&self, project: &str) -> Vec<String> {
        self.rows(&format!(
            "SELECT presence || ' ' || count(*) || ' held ' || count(held_since) FROM keys WHERE scope_id = '{project}' GROUP BY presence"
        ))
    }

    /// Open holds: cause, list, how many.
    #[track_caller]
    pub fn holds(&self) -> Vec<String> {
        self.rows("SELECT cause, kind, scope_id, keys FROM holds WHERE ended_at IS NULL ORDER BY 1, 2, 3")
    }
}
