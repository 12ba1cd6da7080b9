//! Random histories: what happens between polls, and what goes wrong in them.

use proptest::prelude::*;

use crate::world::{Change, KEYS, PEOPLE, PROJECTS, SERVICE, Shape};

/// What goes wrong with one walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The poll's deadline passes before its turn.
    NotWalked,
    /// So many pages are read, then asking fails.
    Cut { pages: usize },
    /// The list is read to its end, but that element was refused.
    Refused { element: usize },
    /// The provider refuses the list for good, or seems to.
    Closed,
    /// The same, but only after a first page.
    ClosedLater,
    /// Somebody else's list came.
    Foreign,
    /// The provider's clock and ours differ by two hours.
    Skew,
}

/// How the daemon goes on after a poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    No,
    Closed,
    Crashed,
}

/// What happens before a poll, and in it.
#[derive(Debug, Clone)]
pub struct Round {
    pub changes: Vec<Change>,
    /// True time that passes.
    pub wait: i64,
    /// What the wall clock jumps by beside it.
    pub jump: i64,
    pub restart: Restart,
    /// By the scope's slot, see [`slot`].
    pub faults: Vec<(usize, Fault)>,
    /// In which order scopes are begun, and in which they end.
    pub order: u64,
    /// All walks in one transaction.
    pub batch: bool,
    /// Each walk of a list is applied a second time, as a walk of its own.
    pub again: bool,
    /// The people are read once more behind the lists of keys.
    pub people_again: bool,
    /// What happens before that, when the lists of keys were read already.
    pub late: Vec<Change>,
    /// A crash after the walks were applied leaves the poll unsettled.
    pub settles: bool,
}

#[derive(Debug, Clone)]
pub struct Story {
    pub shape: Shape,
    pub rounds: Vec<Round>,
}

/// The slots of faults: projects, people, the list beside the projects, each project.
pub const SLOTS: usize = 3 + PROJECTS;

fn change(shape: Shape) -> BoxedStrategy<Change> {
    let (key, person, project) = (|| 0..KEYS, || 0..PEOPLE, || 0..PROJECTS);
    let create = (key(), project(), 0..=SERVICE, any::<bool>()).prop_map(|(key, project, owner, on_admin)| Change::Create {
        key,
        project,
        owner,
        on_admin,
    });
    let everywhere = prop_oneof![
        5 => create,
        4 => key().prop_map(Change::Delete),
        1 => key().prop_map(Change::Rename),
        1 => key().prop_map(Change::Use),
        3 => person().prop_map(Change::Leave),
        3 => person().prop_map(Change::Rejoin),
        1 => person().prop_map(Change::RenamePerson),
    ];
    if shape == Shape::Members {
        return everywhere.boxed();
    }
    prop_oneof![
        5 => everywhere,
        3 => (key(), project()).prop_map(|(key, project)| Change::Move { key, project }),
        1 => key().prop_map(Change::MoveToAdmin),
        1 => (key(), any::<bool>()).prop_map(|(key, shown)| Change::ShowToAdmin(key, shown)),
        1 => project().prop_map(Change::Archive),
        1 => project().prop_map(Change::Unarchive),
        1 => project().prop_map(Change::Remove),
        2 => project().prop_map(Change::Bring),
        1 => project().prop_map(Change::RenameProject),
    ]
    .boxed()
}

fn fault() -> impl Strategy<Value = (usize, Fault)> {
    let fault = prop_oneof![
        3 => Just(Fault::NotWalked),
        4 => (0..3_usize).prop_map(|pages| Fault::Cut { pages }),
        1 => (0..4_usize).prop_map(|element| Fault::Refused { element }),
        2 => Just(Fault::Closed),
        1 => Just(Fault::ClosedLater),
        1 => Just(Fault::Foreign),
        1 => Just(Fault::Skew),
    ];
    (0..SLOTS, fault)
}

fn round(shape: Shape) -> impl Strategy<Value = Round> {
    let wait = prop_oneof![Just(30), Just(300), Just(620), Just(700), Just(3_600), Just(90_000)];
    let jump = prop_oneof![6 => Just(0), 1 => Just(-7_200), 1 => Just(7_200), 1 => Just(-400)];
    let restart = prop_oneof![4 => Just(Restart::No), 1 => Just(Restart::Closed), 1 => Just(Restart::Crashed)];
    let faults = prop_oneof![2 => Just(Vec::new()), 3 => prop::collection::vec(fault(), 1..4)];
    let changes = prop::collection::vec(change(shape), 0..4);
    let coming_and_going = prop_oneof![(0..PEOPLE).prop_map(Change::Leave), (0..PEOPLE).prop_map(Change::Rejoin)];
    let late = prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(coming_and_going, 1..3)];
    let flags = (any::<bool>(), prop::bool::weighted(0.3), prop::bool::weighted(0.85), prop::bool::weighted(0.8), late);
    (changes, wait, jump, restart, faults, any::<u64>(), flags).prop_map(
        |(changes, wait, jump, restart, faults, order, (batch, again, settles, people_again, late))| Round {
            changes,
            wait,
            jump,
            restart,
            faults,
            order,
            batch,
            again,
            people_again,
            late,
            settles,
        },
    )
}

/// A history of up to a dozen polls.
pub fn story() -> impl Strategy<Value = Story> {
    prop_oneof![3 => Just(Shape::Projects), 1 => Just(Shape::Members)]
        .prop_flat_map(|shape| (Just(shape), prop::collection::vec(round(shape), 2..13)))
        .prop_map(|(shape, rounds)| Story { shape, rounds })
}

impl Round {
    /// A poll in which nothing goes wrong, an hour after the one before.
    pub fn clean() -> Self {
        Self {
            changes: Vec::new(),
            wait: 3_600,
            jump: 0,
            restart: Restart::No,
            faults: Vec::new(),
            order: 0,
            batch: true,
            again: false,
            people_again: true,
            late: Vec::new(),
            settles: true,
        }
    }
}
