//! Pieces that adapters share for reading answers: strict records, times, statuses, cursors.
//!
//! Pure, and of no one provider. What is said about a failure here never quotes a value that a remote sent.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, Visitor};

use crate::domain::{Failure, ItemReason, Moment, Reason, Refused, RemoteId, Text, Time};

use super::{Answer, End, Fetch, Learnt, Next};

/// The longest cursor that is sent back; ids are shorter, opaque cursors of the field too.
const LONGEST_CURSOR: usize = 512;

/// A field that may be missing, null, or there. Providers mean different things by the first two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Told<T> {
    /// The field is missing. The field needs `#[serde(default)]` for this.
    #[default]
    Absent,
    /// The field is `null`.
    Null,
    /// The field has a value.
    Value(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Told<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Null, Self::Value))
    }
}

impl<T> Told<T> {
    /// The usual reading of a time: absent is *not reported*, null is *never*, a value is read.
    ///
    /// # Errors
    /// What `read` refuses.
    pub fn moment(self, read: impl FnOnce(T) -> Result<Time, Refused>) -> Result<Moment, Refused> {
        Ok(match self {
            Self::Absent => Moment::NotReported,
            Self::Null => Moment::Never,
            Self::Value(value) => Moment::At(read(value)?),
        })
    }
}

/// A text that lies in the answer's own bytes, where it holds no escapes. Fields of it need `#[serde(borrow)]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words<'a>(Cow<'a, str>);

impl Deref for Words<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Words<'_> {
    fn as_ref(&self) -> &str {
        self
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Words<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;
        impl<'de> Visitor<'de> for Texts {
            type Value = Words<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Words<'de>, E> {
                Ok(Words(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Words<'de>, E> {
                Ok(Words(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Texts)
    }
}

/// A record that must be a JSON object. Derived readers alone would take an array for the fields in their order.
#[derive(Debug)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OnlyMaps<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for OnlyMaps<T> {
            type Value = Object<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }
        deserializer.deserialize_map(OnlyMaps(PhantomData))
    }
}

/// Reads one element: an object, its known fields once each and of their type, unknown fields ignored.
///
/// # Errors
/// `malformed`, with the name of our field or the parser's position.
pub fn element<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Refused> {
    object(bytes).map_err(|complaint| Refused::new(ItemReason::Malformed, complaint))
}

/// Reads the rest of an answer by the same rules.
///
/// # Errors
/// `malformed`, with the name of our field or the parser's position.
pub fn rest<T: DeserializeOwned>(answer: &Answer<'_>) -> Result<T, Failure> {
    object(answer.rest).map_err(|complaint| Failure::new(Reason::Malformed, complaint))
}

fn object<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, String> {
    // One look at all of the text is cheaper than one at each string of it; what is no text, the parser says where.
    let read: serde_json::Result<Object<T>> = match std::str::from_utf8(bytes) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(bytes),
    };
    read.map(|Object(record)| record).map_err(|e| complaint(&e))
}

/// The parser's own text may quote values; what is kept of it is a field's name of ours and a position.
fn complaint(error: &serde_json::Error) -> String {
    let text = error.to_string();
    for opening in ["missing field `", "duplicate field `"] {
        if let Some((field, _)) = text.strip_prefix(opening).and_then(|rest| rest.split_once('`')) {
            return format!("{opening}{field}`");
        }
    }
    let what = match error.classify() {
        serde_json::error::Category::Syntax => "no JSON",
        serde_json::error::Category::Eof => "cut off",
        serde_json::error::Category::Data => "a field of another type",
        serde_json::error::Category::Io => "not readable",
    };
    format!("{what}, line {} column {}", error.line(), error.column())
}

/// An id behind the gate.
///
/// # Errors
/// `bad_id`, naming the field.
pub fn id(raw: &str, field: &'static str) -> Result<RemoteId, Refused> {
    RemoteId::new(raw).ok_or_else(|| Refused::new(ItemReason::BadId, field))
}

/// Text behind the gate; an empty text is none.
pub fn text(raw: Option<impl AsRef<str>>) -> Option<Text> {
    raw.as_ref().map(AsRef::as_ref).filter(|t| !t.is_empty()).map(Text::clean)
}

/// Seconds since 1970 as a time.
///
/// # Errors
/// `bad_time`, naming the field, before 2015 and after 2099; milliseconds are not guessed at.
pub fn unix(seconds: i64, field: &'static str) -> Result<Time, Refused> {
    Time::from_remote_unix(seconds).ok_or_else(|| Refused::new(ItemReason::BadTime, field))
}

/// RFC 3339 text as a time.
///
/// # Errors
/// `bad_time`, naming the field: no such text, or before 2015 or after 2099.
pub fn rfc3339(text: &str, field: &'static str) -> Result<Time, Refused> {
    Time::from_remote_rfc3339(text).ok_or_else(|| Refused::new(ItemReason::BadTime, field))
}

/// Whether an answer may be read. 200 alone: other 2xx are documented by no provider, and 206 is a part by definition.
pub const fn is_success(status: u16) -> bool {
    status == 200
}

/// What a status that is not success means, whoever sent it.
pub const fn reason_of(status: u16) -> Reason {
    match status {
        300..=399 => Reason::RedirectRefused,
        401 => Reason::Auth,
        403 => Reason::Forbidden,
        404 => Reason::NotFound,
        429 => Reason::RateLimited,
        500..=599 => Reason::Server,
        _ => Reason::UnexpectedStatus,
    }
}

/// The failure of a status that is not success, with what a person can do about it where the adapter knows.
pub fn refusal(status: u16, remedy: Option<&str>) -> Failure {
    let detail = remedy.map_or_else(|| format!("status {status}"), |remedy| format!("status {status}: {remedy}"));
    Failure::new(reason_of(status), detail)
}

/// Whether the beginning of an error's body holds that word. Bodies of errors are cut off, so they are not parsed.
pub fn mentions(answer: &Answer<'_>, word: &str) -> bool {
    answer.rest.windows(word.len()).any(|window| window == word.as_bytes())
}

/// How many elements the list had.
///
/// # Errors
/// `malformed` where the answer holds no such list: a missing list is not an empty one.
pub fn elements(answer: &Answer<'_>, list: &'static str) -> Result<u64, Failure> {
    answer.elements.ok_or_else(|| Failure::new(Reason::Malformed, format!("no list named {list}")))
}

/// The end of a page that says by itself whether more follow; the first cursor of `cursors` that is there leads on.
///
/// # Errors
/// `contradiction` where an empty page promises more; `malformed` where more is promised and no usable cursor given.
pub fn paged(
    fetch: &Fetch,
    parameter: &'static str,
    elements: u64,
    has_more: bool,
    cursors: [Option<&str>; 3],
) -> Result<End, Failure> {
    if !has_more {
        return Ok(End::done());
    }
    if elements == 0 {
        return Err(Failure::new(Reason::Contradiction, "an empty page promises more"));
    }
    let Some(cursor) = cursors.into_iter().flatten().find(|c| !c.is_empty()) else {
        return Err(Failure::new(Reason::Malformed, "more is promised without a cursor"));
    };
    if cursor.len() > LONGEST_CURSOR || cursor.chars().any(char::is_control) {
        return Err(Failure::new(Reason::Malformed, format!("a cursor of {} bytes is none", cursor.len())));
    }
    let mut page = fetch.clone();
    page.query.retain(|(name, _)| *name != parameter);
    page.query.push((parameter, cursor.to_owned()));
    Ok(End { next: Next::Page(Box::new(page)), learnt: Learnt::default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Scope, ScopeKind};
    use crate::providers::Target;

    #[derive(serde::Deserialize, Debug)]
    #[expect(dead_code, reason = "only whether it is read matters")]
    struct Record {
        id: String,
        #[serde(default)]
        at: Told<i64>,
        inner: Option<Object<Inner>>,
    }

    #[derive(serde::Deserialize, Debug)]
    #[expect(dead_code, reason = "only whether it is read matters")]
    struct Inner {
        id: String,
    }

    #[test]
    fn records_are_strict_and_complaints_quote_nothing() {
        for (body, complaint) in [
            (r#"{"at":1}"#, "missing field `id`"),
            (r#"{"id":"a","id":"b"}"#, "duplicate field `id`"),
            (r#"{"id":"a","inner":{"id":"a","id":"b"}}"#, "duplicate field `id`"),
            (r#"{"id":"a","at":"sk-proj-secret"}"#, "a field of another type, line 1 column "),
            (r#"["a"]"#, "a field of another type, line 1 column "),
            (r#"{"id":"a","inner":["a"]}"#, "a field of another type, line 1 column "),
            (r#"{"id":"a""#, "cut off, line 1 column "),
            (r#"{"id":"a"} x"#, "no JSON, line 1 column "),
            ("\u{feff}{}", "no JSON, line 1 column "),
            (r#"{"id":"\ud800"}"#, "no JSON, line 1 column "),
        ] {
            let refused = element::<Record>(body.as_bytes()).unwrap_err();
            assert_eq!(refused.reason, ItemReason::Malformed, "{body}");
            assert!(refused.detail.starts_with(complaint) && !refused.detail.contains("secret"), "{body}: {}", refused.detail);
        }
        assert!(element::<Record>(br#"{"id":"a","new":{"deep":[1,{}]},"inner":null}"#).is_ok());
        assert!(element::<Record>(&[b'{', 0xff, b'}']).is_err(), "not UTF-8");
    }

    #[test]
    fn absent_null_and_value_differ() {
        let at = |body: &str| element::<Record>(body.as_bytes()).unwrap().at;
        assert_eq!(at(r#"{"id":"a"}"#), Told::Absent);
        assert_eq!(at(r#"{"id":"a","at":null}"#), Told::Null);
        assert_eq!(at(r#"{"id":"a","at":5}"#), Told::Value(5));
    }

    #[test]
    fn pages_lead_on_only_with_a_cursor() {
        let fetch = Fetch {
            query: vec![("after", "old".to_owned()), ("limit", "100".to_owned())],
            list: Some("data"),
            ..Fetch::get(Target::Scope(Scope::only(ScopeKind::Admin)), "keys", "/keys")
        };
        let reason = |elements, cursors| paged(&fetch, "after", elements, true, cursors).map_err(|f| f.reason);
        let long = "x".repeat(LONGEST_CURSOR + 1);
        assert_eq!(reason(0, [Some("a"), None, None]), Err(Reason::Contradiction));
        assert_eq!(reason(1, [None, Some(""), None]), Err(Reason::Malformed));
        assert_eq!(reason(1, [Some(long.as_str()), Some("a"), None]), Err(Reason::Malformed));
        assert!(reason(1, [Some(&long[1..]), None, None]).is_ok(), "the longest");
        assert_eq!(reason(1, [Some("a\nb"), None, None]), Err(Reason::Malformed));
        assert_eq!(paged(&fetch, "after", 1, false, [Some("a"), None, None]), Ok(End::done()));
        let Ok(End { next: Next::Page(page), .. }) = reason(1, [None, Some("new"), Some("last")]) else { panic!("no page") };
        assert_eq!(page.query, [("limit", "100".to_owned()), ("after", "new".to_owned())]);
    }
}
