//! Walks the truth as the engine walks a provider: pages through the public API, with what goes wrong in between.

use std::collections::BTreeMap;
use std::time::Duration;

use keymuster::domain::{
    ClosedReason, Failure, ItemReason, KeyFacts, Lists, Moment, Owner, OwnerKind, Person, Project, Reason, Refused, RemoteId,
    Scope, Text, Time, WalkEnd,
};
use keymuster::providers::{End, Fetch, Item, Learnt, Next, Subject, Target};
use keymuster::walk::{Caps, Page, Recognise, Stamp, Turn, Walk, WalkId, Walked};

use crate::story::Fault;
use crate::world::{PEOPLE, PROJECTS, Place, SERVICE, World};

const CAPS: Caps = Caps { items: 1_000, pages: 100, time: Duration::from_secs(3_600) };
/// Elements of a page.
const PAGE: usize = 2;
/// When every key was made.
const MADE: i64 = 1_700_000_000;

pub fn id(text: &str) -> RemoteId {
    RemoteId::new(text).unwrap()
}

pub fn scope(world: &World, place: Place) -> Scope {
    match place {
        Place::Project(project) => {
            let name = format!("{} v{}", ["prod", "dev"][project % 2], world.projects[project].name);
            Scope::of(place.kind(), id(&place.remote_id()), Some(Text::clean(&name)))
        }
        Place::Projects | Place::People | Place::Admin | Place::Organization => Scope::only(place.kind()),
    }
}

pub fn owner_id(owner: usize) -> String {
    if owner == SERVICE { "svc_0".to_owned() } else { format!("user_{owner}") }
}

fn person_name(world: &World, person: usize) -> Text {
    Text::clean(&format!("person {person} v{}", world.person_names[person]))
}

fn key_item(world: &World, key: usize, place: Place) -> Item {
    let truth = world.keys[key];
    let service = truth.owner == SERVICE;
    Item::Key(Box::new(KeyFacts {
        id: id(&format!("key_{key}")),
        kind: World::kind_of(place),
        name: Some(Text::clean(&world.name_of(key, place))),
        hint: None,
        owner: Some(Owner {
            kind: if service { OwnerKind::ServiceAccount } else { OwnerKind::User },
            id: id(&owner_id(truth.owner)),
            name: (!service).then(|| person_name(world, truth.owner)),
            email: None,
        }),
        owner_access: None,
        organization: None,
        created_at: Some(Time::from_unix(MADE)),
        last_used: truth.used_at.map_or(Moment::Never, |at| Moment::At(Time::from_unix(at))),
        expires: Moment::Never,
        enabled: true,
    }))
}

/// What the list truly holds.
fn items(world: &World, place: Place) -> Vec<Item> {
    match place.kind().lists() {
        Lists::Keys => world.keys_of(place).into_iter().map(|key| key_item(world, key, place)).collect(),
        Lists::People => (0..PEOPLE)
            .filter(|person| world.members[*person])
            .map(|person| {
                let name = Some(person_name(world, person));
                Item::Person(Box::new(Person { id: id(&owner_id(person)), kind: OwnerKind::User, name, email: None }))
            })
            .collect(),
        Lists::Projects => (0..PROJECTS)
            .filter(|project| world.projects[*project].listed)
            .map(|project| {
                let listed = scope(world, Place::Project(project));
                Item::Project(Box::new(Project {
                    id: id(&Place::Project(project).remote_id()),
                    name: listed.name,
                    archived: world.projects[project].archived,
                }))
            })
            .collect(),
    }
}

fn request(scope: &Scope, page: usize) -> Fetch {
    Fetch {
        query: vec![("page", page.to_string())],
        list: Some("data"),
        ..Fetch::get(Target::Scope(scope.clone()), "list", format!("/{}", scope.id))
    }
}

/// When a walk began, and its number.
#[derive(Debug, Clone, Copy)]
pub struct Begun {
    pub number: WalkId,
    pub at: Stamp,
}

/// Elements by their bytes: whoever has the bytes can read them.
#[derive(Default)]
pub struct Elements(BTreeMap<Vec<u8>, Item>);

impl Elements {
    fn bytes(&mut self, item: &Item) -> Vec<u8> {
        let bytes = format!("{item:?}").into_bytes();
        self.0.insert(bytes.clone(), item.clone());
        bytes
    }

    /// Reads an element.
    pub fn read(&self, bytes: &[u8]) -> Result<Item, Refused> {
        Ok(self.0[bytes].clone())
    }
}

/// Walks a scope as it truly is now, with what goes wrong. Elements of lists of keys are recognised as `recognise` says.
pub fn walk(
    world: &World,
    place: Place,
    fault: Option<Fault>,
    begun: Begun,
    recognise: Recognise,
    elements: &mut Elements,
) -> Walked {
    let scope = scope(world, place);
    let mut walk = Walk::begin(begun.number, scope.clone(), &request(&scope, 0), begun.at, CAPS);
    if place.kind().lists() == Lists::Keys {
        walk = walk.recognising(recognise);
    }
    let archived = matches!(place, Place::Project(project) if world.projects[project].archived);
    let closed = match place {
        Place::Project(_) => archived.then_some(ClosedReason::ProjectArchived),
        Place::Admin => (fault == Some(Fault::Closed)).then_some(ClosedReason::NoAdminList),
        Place::People => (fault == Some(Fault::Closed)).then_some(ClosedReason::PeopleNotPermitted),
        Place::Projects | Place::Organization => None,
    };
    let items = items(world, place);
    let end = read(&mut walk, &scope, items, fault, closed, begun.at, elements);
    walk.finish(end, begun.at.wall.plus(1))
}

fn read(
    walk: &mut Walk,
    scope: &Scope,
    items: Vec<Item>,
    fault: Option<Fault>,
    closed: Option<ClosedReason>,
    now: Stamp,
    elements: &mut Elements,
) -> WalkEnd {
    let server_time = Some(if fault == Some(Fault::Skew) { now.wall.plus(7_200) } else { now.wall });
    let page = |items: Vec<Item>, refused: Vec<(u64, Refused)>, next: Next| Page {
        elements: (items.len() + refused.len()) as u64,
        items,
        refused,
        digests: Vec::new(),
        unchanged: Vec::new(),
        end: End { next, learnt: Learnt::default() },
        server_time,
        wire_bytes: 100,
        took: Duration::from_secs(1),
    };
    let failed = |reason| WalkEnd::Incomplete(Failure::new(reason, "a fault of the test"));
    let recognise = walk.recognise().cloned();
    let mut turn = |mut page: Page| {
        if let Some(recognise) = &recognise {
            for item in std::mem::take(&mut page.items) {
                match recognise.look(&elements.bytes(&item)) {
                    (_, Some(unchanged)) => page.unchanged.push(unchanged),
                    (digest, None) => {
                        page.items.push(item);
                        page.digests.push(digest);
                    }
                }
            }
        }
        let read = walk.read_what_meets(&mut page, &Subject::default(), &|bytes| elements.read(bytes));
        assert!(read.is_ok(), "{read:?}");
        walk.page(page, &Subject::default(), now)
    };
    if matches!(fault, Some(Fault::Closed)) && closed.is_none() {
        return failed(Reason::NotFound);
    }
    let mut pages: Vec<Vec<Item>> = items.chunks(PAGE).map(<[Item]>::to_vec).collect();
    if pages.is_empty() {
        pages.push(Vec::new());
    }
    let last = pages.len() - 1;
    for (nth, items) in pages.into_iter().enumerate() {
        if fault == Some(Fault::Cut { pages: nth }) {
            return failed(Reason::Network);
        }
        if let Some(reason) = closed
            && nth == 0
        {
            return match turn(page(Vec::new(), Vec::new(), Next::Closed(reason))) {
                Turn::Ended(end) => end,
                Turn::Next(_) => failed(Reason::Internal),
            };
        }
        if fault == Some(Fault::ClosedLater) && nth == 1 {
            return match turn(page(Vec::new(), Vec::new(), Next::Closed(ClosedReason::NoAdminList))) {
                Turn::Ended(end) => end,
                Turn::Next(_) => failed(Reason::Internal),
            };
        }
        let mut kept = Vec::new();
        let mut refused = Vec::new();
        for (at, item) in items.into_iter().enumerate() {
            if fault == Some(Fault::Refused { element: nth * PAGE + at }) {
                refused.push((at as u64, Refused::new(ItemReason::Malformed, "a fault of the test")));
            } else {
                kept.push(item);
            }
        }
        let next = if nth == last { Next::Done } else { Next::Page(Box::new(request(scope, nth + 1))) };
        match turn(page(kept, refused, next)) {
            Turn::Ended(WalkEnd::Complete) if fault == Some(Fault::Foreign) => return failed(Reason::AttributionMismatch),
            Turn::Ended(WalkEnd::Complete) if fault == Some(Fault::ClosedLater) => return failed(Reason::Server),
            Turn::Ended(WalkEnd::Complete) if matches!(fault, Some(Fault::Cut { .. } | Fault::Refused { .. })) => {
                return failed(Reason::Timeout);
            }
            Turn::Ended(end) => return end,
            Turn::Next(_) => {}
        }
    }
    failed(Reason::Internal)
}
