//! The splitter against serde_json, over random documents, cuts and damage.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::Limits;
use super::elements::{Elements, Rest};
use crate::domain::{Failure, Reason};

fn limits() -> Limits {
    Limits { items_per_answer: 1_000, ..Limits::default() }
}

fn split_at(list: Option<&'static str>, body: &[u8], step: usize, limits: &Limits) -> Result<(Vec<Vec<u8>>, Rest), Failure> {
    let mut elements = Elements::new(list, limits);
    let mut seen = Vec::new();
    for chunk in body.chunks(step) {
        elements.feed(chunk, |index, bytes| {
            assert_eq!(index, seen.len() as u64);
            seen.push(bytes.to_vec());
            Ok(())
        })?;
    }
    Ok((seen, elements.finish()?))
}

fn reason(body: &str) -> Reason {
    let whole = split_at(Some("data"), body.as_bytes(), usize::MAX, &limits()).unwrap_err();
    let bytewise = split_at(Some("data"), body.as_bytes(), 1, &limits()).unwrap_err();
    assert_eq!(whole, bytewise, "{body}");
    whole.reason
}

#[test]
fn a_page_is_split() {
    let body = r#" { "object" : "list" , "data" : [ {"id":"a]"} ,{"id":"\"}"}, 7,"x" ] , "has_more" : false } "#;
    for step in 1..body.len() {
        let (seen, rest) = split_at(Some("data"), body.as_bytes(), step, &limits()).unwrap();
        assert_eq!(seen, [r#"{"id":"a]"}"#, r#"{"id":"\"}"}"#, "7", "\"x\""].map(|e| e.as_bytes().to_vec()));
        assert_eq!(rest.rest.as_slice(), br#"{"object":"list","data":[],"has_more":false}"#);
        assert_eq!(rest.elements, Some(4));
    }
}

#[test]
fn no_list_is_not_an_empty_list() {
    let (_, rest) = split_at(Some("data"), br#"{"error":{"data":[1]}}"#, 3, &limits()).unwrap();
    assert_eq!(rest.elements, None);
    let (_, rest) = split_at(Some("data"), br#"{"data":[]}"#, 3, &limits()).unwrap();
    assert_eq!(rest.elements, Some(0));
    let (_, rest) = split_at(None, br#"{"data":[1]}"#, 3, &limits()).unwrap();
    assert_eq!((rest.rest.as_slice(), rest.elements), (br#"{"data":[1]}"#.as_slice(), None));
}

#[test]
fn an_element_within_one_chunk_is_not_copied() {
    let body = br#"{"data":[{"id":"a"},{"id":"b"}]}"#;
    let mut elements = Elements::new(Some("data"), &limits());
    let range = body.as_ptr_range();
    elements
        .feed(body, |_, bytes| {
            assert!(range.contains(&bytes.as_ptr()));
            Ok(())
        })
        .unwrap();
    assert_eq!(elements.finish().unwrap().elements, Some(2));
}

#[test]
fn broken_shapes_are_malformed() {
    for body in [
        "",
        "  ",
        "[]",
        "[{\"data\":[]}]",
        "\u{feff}{}",
        "\"data\"",
        "{",
        "{\"data\"",
        "{\"data\":",
        "{\"data\":[",
        "{\"data\":[{",
        "{\"data\":[{}",
        "{\"data\":[{}]",
        "{\"data\":[{},]}",
        "{\"data\":[,{}]}",
        "{\"data\":[{} {}]}",
        "{\"data\":[{},,{}]}",
        "{\"data\":[{}]]}",
        "{\"data\":[{}}}",
        "{\"data\":[[}]}",
        "{\"data\":[1 2]}",
        "{\"data\":[1\"a\"]}",
        "{\"data\":[?]}",
        "{\"data\":[]}x",
        "{\"data\":[]}{}",
        "{\"data\":[],}",
        "{,\"data\":[]}",
        "{\"data\" []}",
        "{\"data\":null}",
        "{\"data\":{}}",
        "{\"data\":[],\"data\":[]}",
        "{\"data\":[],\"d\\u0061ta\":[1]}",
        "{\"a\":1 \"b\":2}",
        "{\"a\\x\":1}",
        "{data:[]}",
    ] {
        assert_eq!(reason(body), Reason::Malformed, "{body}");
    }
    assert_eq!(reason(&format!("{{\"data\":[{}", "[".repeat(100_000))), Reason::Malformed);
}

#[test]
fn an_escaped_key_is_the_same_key() {
    let (seen, _) = split_at(Some("data"), br#"{"d\u0061ta":[1]}"#, 1, &limits()).unwrap();
    assert_eq!(seen, [b"1".to_vec()]);
}

#[test]
fn sizes_are_capped() {
    let small = Limits { items_per_answer: 3, element_bytes: 10, rest_bytes: 40, ..Limits::default() };
    for step in [1, 7, usize::MAX] {
        let split = |body: &str| split_at(Some("data"), body.as_bytes(), step, &small).map(|(seen, _)| seen.len());
        let refused = |body: &str| split(body).unwrap_err().reason;
        assert_eq!(split("{\"data\":[{},{},{}]}").unwrap(), 3);
        assert_eq!(refused("{\"data\":[{},{},{},{}]}"), Reason::TooManyItems);
        assert_eq!(split("{\"data\":[\"12345678\"]}").unwrap(), 1);
        assert_eq!(refused("{\"data\":[\"123456789\"]}"), Reason::TooLarge);
        assert_eq!(refused(&format!("{{\"a\":\"{}\"}}", "x".repeat(40))), Reason::TooLarge);
    }
    let whole = split_at(None, &[b'x'; 41], 7, &small).unwrap_err();
    assert_eq!(whole.reason, Reason::TooLarge);
}

#[test]
fn whitespace_between_elements_takes_no_room() {
    let small = Limits { rest_bytes: 40, ..Limits::default() };
    let body = format!("{{\"data\":[1,{}2]{}}}", " \n".repeat(5_000), "\t".repeat(5_000));
    assert_eq!(split_at(Some("data"), body.as_bytes(), 100, &small).unwrap().1.rest.as_slice(), b"{\"data\":[]}");
}

#[test]
fn what_the_reader_of_elements_refuses_ends_it() {
    let mut elements = Elements::new(Some("data"), &limits());
    let refused = elements.feed(b"{\"data\":[1,2]}", |_, _| Err(Failure::new(Reason::Internal, "no")));
    assert_eq!(refused.unwrap_err().reason, Reason::Internal);
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[\\PC\"\\\\{}\\[\\]:, \n\u{0}\u{1f}é😀]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec(("[a-z\"\\\\{]{0,4}|data", inner), 0..5)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// An answer with a list somewhere among other fields.
fn any_answer() -> impl Strategy<Value = Value> {
    (
        prop::collection::vec(any_value(), 0..6),
        prop::collection::vec(("[a-z\"\\\\{]{0,5}", any_value()), 0..5),
        any::<prop::sample::Index>(),
    )
        .prop_map(|(list, fields, place)| {
            let mut all: Vec<(String, Value)> = fields.into_iter().filter(|(key, _)| key != "data").collect();
            all.insert(place.index(all.len() + 1), ("data".to_owned(), Value::from(list)));
            Value::Object(all.into_iter().collect())
        })
}

fn feed_at(body: &[u8], cuts: &[prop::sample::Index]) -> Result<(Vec<Vec<u8>>, Rest), Failure> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
    places.extend([0, body.len()]);
    places.sort_unstable();
    let mut elements = Elements::new(Some("data"), &limits());
    let mut seen = Vec::new();
    for pair in places.windows(2) {
        elements.feed(&body[pair[0]..pair[1]], |_, bytes| {
            seen.push(bytes.to_vec());
            Ok(())
        })?;
    }
    Ok((seen, elements.finish()?))
}

proptest! {
    #[test]
    fn agrees_with_serde_json(
        answer in any_answer(),
        pretty in any::<bool>(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let body = if pretty { serde_json::to_vec_pretty(&answer) } else { serde_json::to_vec(&answer) }.unwrap();
        let (seen, rest) = feed_at(&body, &cuts).unwrap();
        // Both sides through the parser once, since its floats are not exact at the last digit.
        let told: Value = serde_json::from_slice(&body).unwrap();
        let parsed: Vec<Value> = seen.iter().map(|bytes| serde_json::from_slice(bytes).unwrap()).collect();
        prop_assert_eq!(&parsed, told["data"].as_array().unwrap());
        prop_assert_eq!(rest.elements, Some(parsed.len() as u64));
        let mut emptied = told.clone();
        emptied["data"] = json!([]);
        prop_assert_eq!(serde_json::from_slice::<Value>(&rest.rest).unwrap(), emptied);
    }

    #[test]
    fn damage_never_panics_and_cuts_do_not_matter(
        answer in any_answer(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let mut body = serde_json::to_vec(&answer).unwrap();
        for (place, byte) in &damage {
            let place = place.index(body.len());
            body[place] = *byte;
        }
        let whole = feed_at(&body, &[]);
        prop_assert_eq!(&whole, &feed_at(&body, &cuts));
        // What is good JSON with one list must not be refused, and what is refused must not be good JSON.
        if let (Ok(value), Err(failure)) = (serde_json::from_slice::<Value>(&body), &whole) {
            let twice_or_no_list = failure.detail.contains("twice") || failure.detail.contains("not a");
            prop_assert!(twice_or_no_list, "{} refused: {}", value, failure);
        }
    }

    #[test]
    fn noise_never_panics(body in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(feed_at(&body, &[]));
    }
}
