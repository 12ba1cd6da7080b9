//! Puts keys into an inventory the way polls do.

use std::sync::Arc;
use std::time::Duration;

use keymuster::domain::{KeyFacts, KeyKind, Moment, Owner, OwnerKind, RemoteId, Scope, ScopeKind, Text, Time, WalkEnd};
use keymuster::inventory::{
    ConfiguredAccount, Confirmed, GuardLimits, Inventory, MembersStill, OrganizationRow, Poll, PollEnd, SeenOrganization,
};
use keymuster::policy::Policy;
use keymuster::providers::{End, Fetch, Item, Learnt, Next, Subject, Target};
use keymuster::walk::{Caps, Page, Stamp, Turn, Walk, Walked};

use crate::NOW;

/// One account, one poll of it under way.
pub struct Filling {
    pub inventory: Inventory,
    pub poll: Poll,
    row: OrganizationRow,
    policy: Arc<Policy>,
}

impl Filling {
    pub async fn begin(inventory: Inventory) -> Self {
        let account = ConfiguredAccount { name: "acme".into(), provider: "openai", formerly: None, interval: 3_600 };
        let policy = Arc::new(Policy::default());
        inventory.configure(vec![account], Arc::clone(&policy), NOW).await.unwrap();
        let poll = inventory.begin_poll("acme".into(), NOW).await.unwrap();
        let projects = vec![keymuster::domain::RemoteId::new("proj_1").unwrap()];
        let Confirmed::Yes(row) = inventory.confirm(poll, SeenOrganization::ByProjects { projects, whole: true }).await.unwrap()
        else {
            panic!("a first organisation is accepted")
        };
        Self { inventory, poll, row, policy }
    }

    /// Lists these keys in a project of that name; they expired a day ago.
    pub async fn list(&self, project: &str, ids: &[String]) {
        let walked = walked(&self.inventory, project, ids);
        self.inventory.apply(self.row, self.poll, Arc::clone(&self.policy), vec![walked]).await.unwrap();
    }

    pub async fn settle(&self) {
        let end = PollEnd { failure: None, organization: Some(self.row), members_still: MembersStill::default() };
        let now = Stamp { wall: NOW, boot: Duration::from_secs(10) };
        self.inventory.settle(self.poll, end, Arc::clone(&self.policy), GuardLimits::without_holds(600), now).await.unwrap();
    }
}

fn walked(inventory: &Inventory, project: &str, ids: &[String]) -> Walked {
    let id = RemoteId::new(project).unwrap();
    let scope = Scope::of(ScopeKind::Project, id, Some(Text::clean(project)));
    let fetch = Fetch { list: Some("data"), ..Fetch::get(Target::Scope(scope.clone()), "project_api_keys", "/keys") };
    let caps = Caps { items: 1_000_000, pages: 10, time: Duration::from_secs(600) };
    let begun = Stamp { wall: NOW, boot: Duration::from_secs(1) };
    let mut walk = Walk::begin(inventory.next_walk(), scope, &fetch, begun, caps);
    let items: Vec<Item> = ids.iter().map(|id| Item::Key(Box::new(facts(id)))).collect();
    let page = Page {
        elements: items.len() as u64,
        items,
        refused: Vec::new(),
        digests: Vec::new(),
        unchanged: Vec::new(),
        end: End { next: Next::Done, learnt: Learnt::default() },
        server_time: None,
        wire_bytes: 0,
        took: Duration::ZERO,
    };
    match walk.page(page, &Subject::default(), begun) {
        Turn::Ended(WalkEnd::Complete) => walk.finish(WalkEnd::Complete, NOW),
        other @ (Turn::Next(_) | Turn::Ended(_)) => panic!("{other:?}"),
    }
}

fn facts(id: &str) -> KeyFacts {
    KeyFacts {
        id: RemoteId::new(id).unwrap(),
        kind: KeyKind::Project,
        name: Some(Text::clean(&format!("name of {id}"))),
        hint: None,
        owner: Some(Owner {
            kind: OwnerKind::User,
            id: RemoteId::new("user_1").unwrap(),
            name: Some(Text::clean("Ada")),
            email: Some(Text::clean("ada@example.com")),
        }),
        owner_access: None,
        organization: None,
        created_at: Some(NOW.plus(-86_400 * 20)),
        last_used: Moment::At(NOW.plus(-3_600)),
        expires: Moment::At(NOW.plus(-86_400)),
        enabled: true,
    }
}

/// Ids that follow one another.
pub fn ids(from: usize, count: usize) -> Vec<String> {
    (from..from + count).map(|number| format!("key_{number:06}")).collect()
}

/// So many seconds before these tests happen, as views write it.
pub fn expiry() -> String {
    Time::from_unix(NOW.unix() - 86_400).to_string()
}
