//! Secrets that answers hold where none belongs: what people paste into names, and fields that nobody asked for, in every object
//! at every depth, names of fields included.

use serde_json::{Map, Value, json};

/// Looks like a secret, and stands in a field that people may write into. It is worth nothing.
pub const LEAKED_SECRET: &str = "sk-proj-Qm7vT2xLr9KdW4bYc8NhZp3sJf6Ga1Ue5Xo0";
/// Has the shape of nothing, so that only who does not read it keeps it out. It is worth nothing.
pub const UNASKED_SECRET: &str = "unasked-field-canary-3d90b7e4c15a62f8";

/// Under such names remotes give secrets out, some of them once, when a key is made.
const NAMES: &[&str] = &[
    "value",
    "key",
    "secret",
    "token",
    "apiKey",
    "api_key",
    "access_token",
    "sessionToken",
    "password",
    "hashedKey",
    "credential",
    "private_key",
];

/// Of names that no remote has there are so many, in turn.
const UNKNOWN: u32 = 50;

/// Puts them beside all that is there. What has such a name already stays as it is.
pub(super) fn plant(answer: &mut Value) {
    Planting::default().reach(answer);
}

#[derive(Default)]
struct Planting {
    objects: u32,
    secrets: u32,
}

impl Planting {
    fn reach(&mut self, value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.reach(item)),
            Value::Object(fields) => {
                fields.values_mut().for_each(|field| self.reach(field));
                self.beside(fields);
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn beside(&mut self, fields: &mut Map<String, Value>) {
        for name in NAMES {
            if !fields.contains_key(*name) {
                let secret = self.next();
                fields.insert((*name).to_owned(), secret.into());
            }
        }
        let deep =
            json!([self.next(), { "secret": self.next(), "deeper": { LEAKED_SECRET: [{ UNASKED_SECRET: self.next() }] } }]);
        fields.insert(format!("unasked_{:02}", self.objects % UNKNOWN), deep);
        fields.insert(UNASKED_SECRET.to_owned(), true.into());
        self.objects += 1;
    }

    /// One with a shape and one without by turns.
    fn next(&mut self) -> &'static str {
        self.secrets += 1;
        if self.secrets.is_multiple_of(2) { LEAKED_SECRET } else { UNASKED_SECRET }
    }
}
