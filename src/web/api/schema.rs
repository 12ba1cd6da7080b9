//! What a value may be, as JSON Schema says it.

use std::fmt::Write;
use std::sync::LazyLock;

use serde_json::{Value, json};

use super::super::parameters::LONGEST;
use crate::domain::changes_what_is_around_it;

/// What a column holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    Text,
    /// A word of a closed list.
    Word(fn() -> Vec<&'static str>),
    /// RFC 3339, in UTC.
    Time,
    /// A number that is never negative.
    Count,
    Yes,
}

/// A field of an item.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    pub name: &'static str,
    pub shape: Shape,
    /// It may be null.
    pub open: bool,
}

impl Column {
    pub fn schema(&self, meaning: &str) -> Value {
        let mut schema = match self.shape {
            Shape::Text => json!({ "type": "string" }),
            Shape::Word(words) => json!({ "type": "string", "enum": words() }),
            Shape::Time => json!({ "type": "string", "format": "date-time" }),
            Shape::Count => json!({ "type": "integer", "minimum": 0 }),
            Shape::Yes => json!({ "type": "boolean" }),
        };
        if self.open {
            schema["type"] = json!([schema["type"], "null"]);
            if let Some(words) = schema.get_mut("enum").and_then(Value::as_array_mut) {
                words.push(Value::Null);
            }
        }
        schema["description"] = meaning.into();
        schema
    }
}

/// A text that a name could hold.
pub(super) fn text() -> Value {
    static PATTERN: LazyLock<String> = LazyLock::new(pattern);
    json!({ "type": "string", "minLength": 1, "maxLength": LONGEST, "pattern": *PATTERN })
}

/// Without the characters that no name holds. Those beyond the first plane stand for themselves: patterns know no other way.
fn pattern() -> String {
    let foreign = |c: &char| changes_what_is_around_it(*c) || *c == char::REPLACEMENT_CHARACTER;
    let mut pattern = String::from("^[^");
    let mut all = ('\0'..=char::MAX).peekable();
    while let Some(first) = all.next() {
        if !foreign(&first) {
            continue;
        }
        let mut last = first;
        while let Some(next) = all.next_if(foreign) {
            last = next;
        }
        for (sign, c) in [("", first), ("-", last)] {
            let _ = match u32::from(c) {
                code @ ..0x1_0000 => write!(pattern, "{sign}\\u{code:04x}"),
                _ => write!(pattern, "{sign}{c}"),
            };
        }
    }
    pattern + "]+$"
}
