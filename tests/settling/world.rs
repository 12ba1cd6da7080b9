//! The truth: an organisation as it really is, and what can happen to it between two polls.

use std::fmt;

use keymuster::domain::{KeyKind, Lists, ScopeKind};

/// Few enough that no guard against great changes ever has a say: these tests are about proofs.
pub const KEYS: usize = 8;
pub const PEOPLE: usize = 3;
pub const PROJECTS: usize = 4;
/// This owner is a service account, and on no list of people.
pub const SERVICE: usize = PEOPLE;

/// How the organisation's keys are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// By projects, with an admin list that shows some of their keys too.
    Projects,
    /// In one list that holds the keys of current members alone.
    Members,
}

/// A scope by the numbers of this world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    Projects,
    People,
    Admin,
    Organization,
    Project(usize),
}

impl Place {
    pub const fn kind(self) -> ScopeKind {
        match self {
            Self::Projects => ScopeKind::Projects,
            Self::People => ScopeKind::People,
            Self::Admin => ScopeKind::Admin,
            Self::Organization => ScopeKind::Organization,
            Self::Project(_) => ScopeKind::Project,
        }
    }

    pub fn remote_id(self) -> String {
        match self {
            Self::Project(number) => format!("proj_{number}"),
            Self::Projects | Self::People | Self::Admin | Self::Organization => String::new(),
        }
    }

    pub fn lists_keys(self) -> bool {
        self.kind().lists() == Lists::Keys
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Project(number) => write!(f, "P{number}"),
            Self::Projects | Self::People | Self::Admin | Self::Organization => f.pad(self.kind().as_str()),
        }
    }
}

/// Where a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Home {
    Nowhere,
    Project(usize),
    Admin,
    Organization,
}

#[derive(Debug, Clone, Copy)]
pub struct TrueKey {
    pub home: Home,
    pub on_admin: bool,
    pub owner: usize,
    pub name: u32,
    pub used_at: Option<i64>,
}

#[derive(Debug, Clone, Copy)]
pub struct TrueProject {
    pub listed: bool,
    pub archived: bool,
    pub name: u32,
}

/// One true change.
#[derive(Debug, Clone, Copy)]
pub enum Change {
    Create { key: usize, project: usize, owner: usize, on_admin: bool },
    Delete(usize),
    Rename(usize),
    Use(usize),
    Move { key: usize, project: usize },
    MoveToAdmin(usize),
    ShowToAdmin(usize, bool),
    Leave(usize),
    Rejoin(usize),
    RenamePerson(usize),
    Archive(usize),
    Unarchive(usize),
    Remove(usize),
    Bring(usize),
    RenameProject(usize),
}

#[derive(Debug, Clone)]
pub struct World {
    pub shape: Shape,
    pub projects: [TrueProject; PROJECTS],
    pub members: [bool; PEOPLE],
    pub person_names: [u32; PEOPLE],
    pub keys: [TrueKey; KEYS],
}

impl World {
    /// Two projects with a key each, or two members with a key each; all the rest is still to come.
    pub fn new(shape: Shape) -> Self {
        let project = |listed| TrueProject { listed, archived: false, name: 0 };
        let nowhere = TrueKey { home: Home::Nowhere, on_admin: false, owner: 0, name: 0, used_at: None };
        let mut world = Self {
            shape,
            projects: [project(true), project(true), project(false), project(false)],
            members: [true, true, true],
            person_names: [0; PEOPLE],
            keys: [nowhere; KEYS],
        };
        for key in 0..2 {
            world.happen(Change::Create { key, project: key, owner: key, on_admin: key == 1 }, 0);
        }
        world
    }

    /// Lets it happen. What makes no sense now does not happen.
    pub fn happen(&mut self, change: Change, now: i64) {
        match change {
            Change::Create { key, project, owner, on_admin } => {
                let old = self.keys[key];
                // An id that was there keeps its owner: this is a restored key.
                let owner = if old.name > 0 { old.owner } else { owner };
                let home = match self.shape {
                    Shape::Projects => Home::Project(project),
                    Shape::Members => Home::Organization,
                };
                if old.home == Home::Nowhere {
                    self.keys[key] = TrueKey { home, on_admin, owner, name: old.name.max(1), used_at: None };
                }
            }
            Change::Delete(key) => self.keys[key].home = Home::Nowhere,
            Change::Rename(key) => self.keys[key].name += u32::from(self.keys[key].name > 0),
            Change::Use(key) => self.keys[key].used_at = Some(now),
            Change::Move { key, project } => {
                if let Home::Project(_) | Home::Admin = self.keys[key].home {
                    self.keys[key].home = Home::Project(project);
                }
            }
            Change::MoveToAdmin(key) => {
                if let Home::Project(_) = self.keys[key].home {
                    self.keys[key].home = Home::Admin;
                }
            }
            Change::ShowToAdmin(key, shown) => self.keys[key].on_admin = shown,
            Change::Leave(person) => self.members[person] = false,
            Change::Rejoin(person) => self.members[person] = true,
            Change::RenamePerson(person) => self.person_names[person] += 1,
            Change::Archive(project) => self.projects[project].archived = true,
            Change::Unarchive(project) => self.projects[project].archived = false,
            Change::Remove(project) => self.projects[project].listed = false,
            Change::Bring(project) => self.projects[project].listed = true,
            Change::RenameProject(project) => self.projects[project].name += 1,
        }
    }

    /// The members now.
    pub fn members(&self) -> impl Iterator<Item = usize> {
        (0..PEOPLE).filter(|person| self.members[*person])
    }

    /// The scopes that truly show a key now, whether or not anybody walks them.
    pub fn shown_by(&self, key: usize) -> Vec<Place> {
        let TrueKey { home, on_admin, owner, .. } = self.keys[key];
        let mut places = Vec::new();
        match home {
            Home::Nowhere => {}
            Home::Admin => places.push(Place::Admin),
            Home::Organization => {
                if self.members.get(owner).copied().unwrap_or(true) {
                    places.push(Place::Organization);
                }
            }
            Home::Project(project) => {
                if self.projects[project].listed && !self.projects[project].archived {
                    places.push(Place::Project(project));
                }
                if on_admin {
                    places.push(Place::Admin);
                }
            }
        }
        places
    }

    /// The keys that a scope truly shows.
    pub fn keys_of(&self, place: Place) -> Vec<usize> {
        (0..KEYS).filter(|key| self.shown_by(*key).contains(&place)).collect()
    }

    /// What a list calls a key: its own words, so that it can be told whose facts are stored.
    pub fn name_of(&self, key: usize, place: Place) -> String {
        match place {
            Place::Admin => format!("admin's key {key} v{}", self.keys[key].name),
            Place::Project(project) => format!("P{project}'s key {key} v{}", self.keys[key].name),
            Place::Projects | Place::People | Place::Organization => format!("key {key} v{}", self.keys[key].name),
        }
    }

    pub const fn kind_of(place: Place) -> KeyKind {
        match place {
            Place::Admin => KeyKind::Unattributed,
            Place::Project(_) => KeyKind::Project,
            Place::Projects | Place::People | Place::Organization => KeyKind::Organization,
        }
    }
}
