//! YAML as the tree that settings are read from.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData};

use super::problem::{Place, Problems};
use super::tree::{Node, Value};

/// The tree of a text, whose places are lines of `path`. What has no value (`name:`) is left out, as where it was not written.
pub(super) fn tree(path: &Path, text: &str) -> Result<Node, Problems> {
    let file: Arc<str> = path.display().to_string().into();
    let documents = MarkedYaml::load_from_str(text).map_err(|error| {
        // What the parser says in words may repeat what stands there; and it stumbles only over a later line, where a space is left
        // out, as people do.
        let (line, remedy) = match without_space(text) {
            Some(line) => (line, "put a space behind the colon, as in `name: value`"),
            None => (
                error.marker().line(),
                "put the line right, or those above it: entries indented by spaces, no name twice, and quotes around what holds \
                 special characters",
            ),
        };
        Problems::one(Place::File(Arc::clone(&file), Some(line)), "is no YAML", remedy)
    })?;
    let empty = || Node { place: Place::File(Arc::clone(&file), None), value: Value::Table(BTreeMap::new()) };
    match documents.as_slice() {
        [] => Ok(empty()),
        [document] => Ok(node(&file, document).unwrap_or_else(empty)),
        [_, second, ..] => {
            let place = Place::File(Arc::clone(&file), Some(second.span.start.line()));
            Err(Problems::one(place, "is a second document", "write one document alone"))
        }
    }
}

/// The first line such as `name:value`.
fn without_space(text: &str) -> Option<usize> {
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.@".contains(&b));
    let is_it = |line: &str| {
        line.trim().split_once(':').is_some_and(|(name, value)| is_name(name) && value.starts_with(|c: char| !c.is_whitespace()))
    };
    text.lines().position(is_it).map(|at| at + 1)
}

fn node(file: &Arc<str>, yaml: &MarkedYaml<'_>) -> Option<Node> {
    let value = match &yaml.data {
        YamlData::Value(Scalar::Null) => return None,
        YamlData::Value(Scalar::Boolean(value)) => Value::Boolean(*value),
        YamlData::Value(Scalar::Integer(value)) => Value::Integer(i128::from(*value)),
        YamlData::Value(Scalar::FloatingPoint(value)) => Value::Float(**value),
        YamlData::Value(Scalar::String(text)) => Value::Text(text.to_string()),
        YamlData::Sequence(list) => Value::List(list.iter().filter_map(|element| node(file, element)).collect()),
        YamlData::Mapping(entries) => {
            let entries = entries.iter().filter_map(|(name, entry)| {
                let name_place = Place::File(Arc::clone(file), Some(name.span.start.line()));
                let name = match &name.data {
                    YamlData::Value(Scalar::String(name)) => name.to_string(),
                    YamlData::Value(Scalar::Integer(name)) => name.to_string(),
                    YamlData::Value(Scalar::Boolean(name)) => name.to_string(),
                    // No setting has such a name, and it is told to be none.
                    YamlData::Value(Scalar::Null | Scalar::FloatingPoint(_))
                    | YamlData::Sequence(_)
                    | YamlData::Mapping(_)
                    | YamlData::Representation(..)
                    | YamlData::Tagged(..)
                    | YamlData::Alias(_)
                    | YamlData::BadValue => "?".to_owned(),
                };
                let entry = node(file, entry)?;
                // What holds others stands where its name stands.
                let place = if matches!(entry.value, Value::Table(_) | Value::List(_)) { name_place } else { entry.place };
                Some((name, Node { place, value: entry.value }))
            });
            Value::Table(entries.collect())
        }
        YamlData::Representation(text, ..) => Value::Text(text.to_string()),
        YamlData::Tagged(_, tagged) => node(file, tagged)?.value,
        YamlData::Alias(_) | YamlData::BadValue => Value::Text(String::new()),
    };
    Some(Node { place: Place::File(Arc::clone(file), Some(yaml.span.start.line())), value })
}
