//! Faults that change the list of a good answer. Slow and plain: only faulted answers come here.

use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::kinds::Rewrite;
use super::{Remote, unasked};

const DAY: i64 = 86_400;
/// Nobody's id.
const STRANGER: &str = "5e8f1c3a-0b7d-4c29-9a64-d2f0e1b3c875";

/// The body as the fault would have it; unchanged where it holds no list.
pub(super) fn apply(change: &Rewrite, body: &[u8], provider: Remote, cursor: Option<&str>) -> Vec<u8> {
    if *change == Rewrite::SecretFields {
        return with_secrets(body);
    }
    let altered = serde_json::from_slice(body).ok().and_then(|mut answer: Value| {
        let pages = provider == Remote::OpenAi;
        alter(change, answer.as_object_mut()?, pages, cursor)?;
        serde_json::to_vec(&answer).ok()
    });
    altered.unwrap_or_else(|| body.to_vec())
}

/// JSON with fields that nobody asked for. What a refusal or a page says ends in one; a token that is no JSON would be another.
fn with_secrets(body: &[u8]) -> Vec<u8> {
    match serde_json::from_slice::<Value>(body) {
        Ok(mut answer) => {
            unasked::plant(&mut answer);
            serde_json::to_vec(&answer).unwrap_or_else(|_| body.to_vec())
        }
        Err(_) if body.contains(&b' ') => [body, b" ", unasked::UNASKED_SECRET.as_bytes()].concat(),
        Err(_) => body.to_vec(),
    }
}

fn alter(change: &Rewrite, answer: &mut serde_json::Map<String, Value>, pages: bool, cursor: Option<&str>) -> Option<()> {
    let field =
        ["data", "apiKeys", "objects", "members", "orgs"].into_iter().find(|f| answer.get(*f).is_some_and(Value::is_array))?;
    let mut items = answer.get_mut(field)?.as_array().cloned()?;
    let mut has_more = answer.get("has_more").cloned();
    match change {
        Rewrite::NoHasMore => has_more = None,
        Rewrite::RepeatedPage => has_more = Some(true.into()),
        Rewrite::RepeatedCursor => {
            has_more = Some(true.into());
            if let (Some(last), Some(cursor)) = (items.last_mut(), cursor) {
                last["id"] = cursor.into();
            }
        }
        Rewrite::EmptyPageHasMore => {
            has_more = Some(true.into());
            items.clear();
        }
        Rewrite::EmptyList => {
            has_more = Some(false.into());
            items.clear();
        }
        Rewrite::BadItem => items.insert(items.len() / 2, json!({"id": 7, "name": ["neither", "text"], "created_at": "soon"})),
        Rewrite::DuplicateItem => {
            if let Some(first) = items.first().cloned() {
                items.insert(0, first);
            }
        }
        Rewrite::DuplicateDiffers => {
            if let Some(mut first) = items.first().cloned() {
                first["name"] = "another name".into();
                items.insert(1, first);
            }
        }
        Rewrite::Recreated => {
            if let Some(first) = items.first_mut() {
                made_a_day_later(first)?;
            }
        }
        Rewrite::ShortList { percent } => {
            let last = items.pop();
            items.retain(|item| draw(item["id"].as_str().unwrap_or_default()) >= *percent);
            items.extend(last);
        }
        Rewrite::MissingField(name) => {
            for item in items.iter_mut().filter_map(Value::as_object_mut) {
                item.remove(name);
            }
        }
        Rewrite::WrongOwner => {
            let middle = items.len() / 2;
            if let Some(item) = items.get_mut(middle).filter(|item| item.get("preview_name").is_some()) {
                item["user_id"] = STRANGER.into();
            }
        }
        // Whole answers, not lists.
        Rewrite::SecretFields => {}
        Rewrite::SecretName => {
            if let Some(first) = items.first_mut() {
                first["name"] = format!("pasted {} here", unasked::LEAKED_SECRET).into();
            }
        }
    }
    if pages {
        for (name, item) in [("first_id", items.first()), ("last_id", items.last())] {
            answer.insert(name.to_owned(), item.map_or(Value::Null, |item| item["id"].clone()));
        }
        match has_more {
            Some(value) => answer.insert("has_more".to_owned(), value),
            None => answer.remove("has_more"),
        };
    }
    answer.insert(field.to_owned(), items.into());
    Some(())
}

/// Its date of creation, in whichever way its provider writes one; `None` where it has none.
fn made_a_day_later(item: &mut Value) -> Option<()> {
    let created = ["created_at", "createdAt", "created"].into_iter().find_map(|name| item.get(name).map(|value| (name, value)));
    let (name, value) = created?;
    let later = match value.as_i64() {
        Some(seconds) => (seconds + DAY).into(),
        None => Timestamp::from_str(value.as_str()?).ok()?.checked_add(SignedDuration::from_secs(DAY)).ok()?.to_string().into(),
    };
    item[name] = later;
    Some(())
}

/// 0 to 99, of the same id always the same.
fn draw(id: &str) -> u64 {
    id.bytes().fold(7, |state, byte| super::random::mix(state ^ u64::from(byte))) % 100
}
