//! What is wrong with a config: the place, what is wrong there, and how to put it right. Values are never repeated.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

/// Where a setting stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A line of the config file, counted from 1; no line where it is about the file as a whole.
    File(Arc<str>, Option<usize>),
    /// An environment variable, by its name.
    Variable(String),
    /// A command's argument, by its name.
    Argument(&'static str),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file, Some(line)) => write!(f, "{file}:{line}"),
            Self::File(file, None) => f.write_str(file),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Argument(name) => write!(f, "argument {name}"),
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What is wrong there; a fragment that names the setting and nothing of its value.
    pub message: String,
    /// What to do about it; a fragment.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.place, self.message, self.remedy)
    }
}

/// Everything that is wrong with a config, in the order of the file, then the environment. Never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// One problem alone.
    pub(super) fn one(place: Place, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self(vec![Problem { place, message: message.into(), remedy: remedy.into() }])
    }

    /// The problems, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

/// Collects problems while a config is read, so that all of them are told at once.
#[derive(Default)]
pub(super) struct Sink(RefCell<Vec<Problem>>);

impl Sink {
    pub(super) fn add(&self, place: &Place, message: impl Into<String>, remedy: impl Into<String>) {
        self.0.borrow_mut().push(Problem { place: place.clone(), message: message.into(), remedy: remedy.into() });
    }

    /// `Ok` where nothing was found.
    pub(super) fn into_result(self) -> Result<(), Problems> {
        let mut problems = self.0.into_inner();
        problems.sort();
        problems.dedup();
        if problems.is_empty() { Ok(()) } else { Err(Problems(problems)) }
    }
}

/// What is wrong with one value; the reader adds its place and its name.
pub(super) struct Fault {
    /// Completes "`name` …".
    pub(super) message: String,
    /// What to do about it.
    pub(super) remedy: String,
}

impl Fault {
    pub(super) fn new(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { message: message.into(), remedy: remedy.into() }
    }
}
