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
        let place = Place::File(Arc::clone(&file), Some(error.marker().line()));
        // What the parser says in words may repeat what stands there.
        Problems::one(place, "is no YAML", "put the line right; strings with special characters need quotes")
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
                // What is set stands where its name stands.
                let place = Place::File(Arc::clone(file), Some(name.span.start.line()));
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
                Some((name, Node { place, ..node(file, entry)? }))
            });
            Value::Table(entries.collect())
        }
        YamlData::Representation(text, ..) => Value::Text(text.to_string()),
        YamlData::Tagged(_, tagged) => node(file, tagged)?.value,
        YamlData::Alias(_) | YamlData::BadValue => Value::Text(String::new()),
    };
    Some(Node { place: Place::File(Arc::clone(file), Some(yaml.span.start.line())), value })
}
