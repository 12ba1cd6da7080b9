//! Reads one table of the tree: each known setting by its reader, and every name that nobody asked for is a problem.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::problem::{Fault, Place, Sink};
use super::secrets;
use super::tree::{Node, Value};

/// A table while it is read. [`Section::finish`] reports the names that were not asked for.
pub(super) struct Section<'t> {
    /// What leads its settings in messages: `web.`, nothing for the file itself.
    prefix: String,
    place: Place,
    entries: Option<&'t BTreeMap<String, Node>>,
    known: RefCell<Vec<&'static str>>,
    sink: &'t Sink,
}

impl<'t> Section<'t> {
    /// The table of a node. Anything else is a problem, and reads as an empty table.
    pub(super) fn new(name: &str, node: &'t Node, sink: &'t Sink) -> Self {
        let entries = match &node.value {
            Value::Table(entries) => Some(entries),
            Value::Refused => None,
            Value::Text(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Date(_) | Value::List(_) => {
                sink.add(&node.place, format!("`{name}` is {}, not a table", node.what()), format!("write [{name}] or {{ … }}"));
                None
            }
        };
        let prefix = if name.is_empty() { String::new() } else { format!("{name}.") };
        Self { prefix, place: node.place.clone(), entries, known: RefCell::default(), sink }
    }

    /// The table of that name, empty where there is none.
    pub(super) fn section(&self, name: &'static str) -> Section<'t> {
        let full = self.full(name);
        match self.node(name) {
            Some(node) => Section::new(&full, node, self.sink),
            None => Section {
                prefix: format!("{full}."),
                place: self.place.clone(),
                entries: None,
                known: RefCell::default(),
                sink: self.sink,
            },
        }
    }

    /// The elements of a list of tables.
    pub(super) fn sections(&self, name: &'static str) -> Vec<Section<'t>> {
        let full = self.full(name);
        let Some(node) = self.node(name) else { return Vec::new() };
        match &node.value {
            Value::List(list) => list.iter().map(|element| Section::new(&full, element, self.sink)).collect(),
            Value::Refused => Vec::new(),
            Value::Text(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Date(_) | Value::Table(_) => {
                let message = format!("`{full}` is {}, not a list of tables", node.what());
                self.sink.add(&node.place, message, format!("write [[{full}]] in the config file"));
                Vec::new()
            }
        }
    }

    /// A table whose names are free, such as labels: each entry's name and node.
    pub(super) fn entries(&self, name: &'static str) -> Vec<(&'t str, &'t Node)> {
        let section = self.section(name);
        section.entries.into_iter().flatten().map(|(name, node)| (name.as_str(), node)).collect()
    }

    /// The setting of that name, as its reader understands it; `None` where it is absent, or wrong and reported.
    pub(super) fn get<T>(&self, name: &'static str, read: impl FnOnce(&'t Node) -> Result<T, Fault>) -> Option<T> {
        let node = self.node(name)?;
        self.read(&self.full(name), node, read)
    }

    /// The same, with a default.
    pub(super) fn get_or<T>(&self, name: &'static str, default: T, read: impl FnOnce(&'t Node) -> Result<T, Fault>) -> T {
        self.get(name, read).unwrap_or(default)
    }

    /// Reads a node that was got by other ways, under that full name.
    pub(super) fn read<T>(&self, full: &str, node: &'t Node, read: impl FnOnce(&'t Node) -> Result<T, Fault>) -> Option<T> {
        if matches!(node.value, Value::Refused) {
            return None;
        }
        match read(node) {
            Ok(value) => Some(value),
            Err(fault) => {
                self.sink.add(&node.place, format!("`{full}` {}", fault.message), fault.remedy);
                None
            }
        }
    }

    /// The tables in a table whose names are free, such as accounts.
    pub(super) fn tables(&self, name: &'static str) -> Vec<(&'t str, Section<'t>)> {
        let full = self.full(name);
        let entries = self.entries(name).into_iter();
        entries.map(|(entry, node)| (entry, Section::new(&format!("{full}.{entry}"), node, self.sink))).collect()
    }

    /// Passes over a setting that cannot be read without another that is wrong.
    pub(super) fn skip(&self, name: &'static str) {
        self.known.borrow_mut().push(name);
    }

    /// Nothing is set here.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_none_or(BTreeMap::is_empty)
    }

    /// The name of this table.
    pub(super) fn name(&self) -> &str {
        self.prefix.trim_end_matches('.')
    }

    /// Where problems go.
    pub(super) fn sink(&self) -> &'t Sink {
        self.sink
    }

    /// A setting is there, whatever its value.
    pub(super) fn has(&self, name: &'static str) -> bool {
        self.node(name).is_some()
    }

    /// The same of a setting that is to be named nowhere as one that there is.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.entries.is_some_and(|entries| entries.contains_key(name))
    }

    /// Where a setting stands; where it is absent, and for no name, where the table stands.
    pub(super) fn place_of(&self, name: &str) -> &Place {
        self.entries.and_then(|entries| entries.get(name)).map_or(&self.place, |node| &node.place)
    }

    /// Reports something that concerns several settings.
    pub(super) fn problem(&self, place: &Place, message: impl Into<String>, remedy: impl Into<String>) {
        self.sink.add(place, message, remedy);
    }

    /// The full name of a setting of this table.
    pub(super) fn full(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Reports every name that was not asked for.
    pub(super) fn finish(self) {
        let known = self.known.borrow();
        for (name, node) in self.entries.into_iter().flatten() {
            if !known.contains(&name.as_str()) {
                unknown(&self.full(name), name, node, &known, self.sink);
            }
        }
    }

    fn node(&self, name: &'static str) -> Option<&'t Node> {
        self.known.borrow_mut().push(name);
        self.entries?.get(name)
    }
}

/// Reports a name that is none of the known ones.
pub(super) fn unknown(full: &str, name: &str, node: &Node, known: &[&str], sink: &Sink) {
    if secrets::is_name_of_one(name) {
        sink.add(
            &node.place,
            format!("`{full}` would hold a secret, and secrets do not stand in the config"),
            secrets::RIGHT_WAY,
        );
    } else {
        sink.add(&node.place, format!("`{full}` is no setting"), suggestion(name, known));
    }
}

/// "did you mean …", or all that is known.
pub(super) fn suggestion(name: &str, known: &[&str]) -> String {
    let near = known.iter().map(|k| (strsim::osa_distance(name, k), *k)).min();
    match near {
        Some((distance, near)) if distance <= (name.chars().count() / 3).max(1) => format!("did you mean `{near}`?"),
        Some(_) => {
            let mut known: Vec<&str> = known.to_vec();
            known.sort_unstable();
            known.dedup();
            format!("known here: {}", known.join(", "))
        }
        None => "remove it".to_owned(),
    }
}
