//! The raw config as one tree whose nodes know their place: the file, and over it the environment.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use ::config::{Environment, Source};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Argument;
use super::problem::{Place, Sink};

/// What begins the names of our environment variables; parts of a name are parted by `__` too.
const PREFIX: &str = "KEYMUSTER";

/// A setting or a table of settings. It has no `Debug`: a value may turn out to be a secret.
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

pub(super) enum Value {
    Text(String),
    Integer(i128),
    Float(f64),
    Boolean(bool),
    /// A date, or a date with a time, as TOML writes it.
    Date(String),
    List(Vec<Node>),
    Table(BTreeMap<String, Node>),
    /// Was taken out, and a problem says why.
    Refused,
}

impl Node {
    /// Whether it comes from the environment, where everything is text.
    fn is_variable(&self) -> bool {
        matches!(self.place, Place::Variable(_))
    }

    /// Its text.
    pub(super) fn as_text(&self) -> Option<&str> {
        if let Value::Text(text) = &self.value { Some(text) } else { None }
    }

    /// Its text, where it comes from the environment and stands for a value of another type.
    pub(super) fn variable_text(&self) -> Option<&str> {
        self.as_text().filter(|_| self.is_variable())
    }

    /// What it is, for messages.
    pub(super) fn what(&self) -> &'static str {
        match self.value {
            Value::Text(_) => "text",
            Value::Integer(_) => "a whole number",
            Value::Float(_) => "a number with a fraction",
            Value::Boolean(_) => "a boolean",
            Value::Date(_) => "a date",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
            Value::Refused => "refused",
        }
    }
}

/// The file as a tree; syntax errors go to the sink, without the line's text, which may hold a secret.
pub(super) fn from_toml(file: &Path, text: &str, sink: &Sink) -> Node {
    let lines = Lines::new(file, text);
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let place = error.span().map_or_else(|| lines.whole(), |span| lines.place(span.start));
        let message = format!("no valid TOML: {}", error.message());
        sink.add(&place, message, "correct the syntax; the line is not shown here, since it may hold a secret");
    }
    Node { place: lines.whole(), value: lines.table(table.into_inner()) }
}

/// Turns positions in a file into places.
struct Lines {
    file: Arc<str>,
    starts: Vec<usize>,
}

impl Lines {
    fn new(file: &Path, text: &str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { file: file.display().to_string().into(), starts }
    }

    fn whole(&self) -> Place {
        Place::File(self.file.clone(), None)
    }

    fn place(&self, byte: usize) -> Place {
        Place::File(self.file.clone(), Some(self.starts.partition_point(|start| *start <= byte)))
    }

    fn table(&self, table: DeTable<'_>) -> Value {
        let entries = table.into_iter().map(|(name, value)| {
            // Tables and values stand where their name stands: the span of an inline value may begin on a later line.
            let place = self.place(name.span().start);
            (name.into_inner().into_owned(), Node { place, value: self.value(value.into_inner()) })
        });
        Value::Table(entries.collect())
    }

    fn element(&self, element: Spanned<DeValue<'_>>) -> Node {
        Node { place: self.place(element.span().start), value: self.value(element.into_inner()) }
    }

    fn value(&self, value: DeValue<'_>) -> Value {
        match value {
            DeValue::String(text) => Value::Text(text.into_owned()),
            // Beyond 128 bits no option has a use for the exact number.
            DeValue::Integer(n) => Value::Integer(i128::from_str_radix(n.as_str(), n.radix()).unwrap_or(i128::MAX)),
            DeValue::Float(n) => n.as_str().parse().map_or(Value::Refused, Value::Float),
            DeValue::Boolean(b) => Value::Boolean(b),
            DeValue::Datetime(date) => Value::Date(date.to_string()),
            DeValue::Array(list) => Value::List(list.into_iter().map(|element| self.element(element)).collect()),
            DeValue::Table(table) => self.table(table),
        }
    }
}

/// Lays the environment over the tree: `KEYMUSTER__WEB__LISTEN` sets `web.listen`.
///
/// Names are taken in lower case. A table's name that holds a `-`, which no shell can write, is also found with `_`.
pub(super) fn overlay(root: &mut Node, variables: &[(String, String)], sink: &Sink) {
    let names: BTreeMap<String, &String> = variables.iter().map(|(name, _)| (name.to_lowercase(), name)).collect();
    let environment = Environment::with_prefix(PREFIX).prefix_separator("__").separator("__");
    let collected = environment.source(Some(variables.iter().cloned().collect())).collect().unwrap_or_default();
    let mut settings: Vec<(String, ::config::Value)> = collected.into_iter().collect();
    settings.sort_by(|(a, _), (b, _)| a.cmp(b));
    for (path, value) in settings {
        let variable = format!("{PREFIX}__{}", path.replace('.', "__")).to_lowercase();
        let place = Place::Variable(names.get(&variable).map_or(variable.to_uppercase(), |name| (*name).clone()));
        let text = value.into_string().unwrap_or_default();
        let parts: Vec<&str> = path.split('.').collect();
        if parts.iter().any(|part| part.is_empty()) {
            sink.add(&place, "names no setting", "write the parts of the setting's name with two underscores between them");
            continue;
        }
        set(root, &parts, text, &place, sink);
    }
}

/// Lays a command's argument over the tree.
pub(super) fn argue(root: &mut Node, argument: &Argument, sink: &Sink) {
    set(root, argument.setting, argument.value.clone(), &Place::Argument(argument.name), sink);
}

fn set(node: &mut Node, parts: &[&str], text: String, place: &Place, sink: &Sink) {
    let Value::Table(entries) = &mut node.value else {
        let remedy = "set it in the config file, or name a setting that stands in a table";
        sink.add(place, "names a setting below one that is no table", remedy);
        return;
    };
    let Some((first, rest)) = parts.split_first() else { return };
    let name = existing_name(entries, first);
    if rest.is_empty() {
        entries.insert(name, Node { place: place.clone(), value: Value::Text(text) });
    } else {
        let new = || Node { place: place.clone(), value: Value::Table(BTreeMap::new()) };
        set(entries.entry(name).or_insert_with(new), rest, text, place, sink);
    }
}

/// The entry that a part of a variable's name means.
fn existing_name(entries: &BTreeMap<String, Node>, part: &str) -> String {
    if entries.contains_key(part) {
        return part.to_owned();
    }
    let mut alike = entries.keys().filter(|name| name.replace('-', "_") == part);
    match (alike.next(), alike.next()) {
        (Some(only), None) => only.clone(),
        (_, _) => part.to_owned(),
    }
}
