//! What `end` must refuse: every status and shape but the documented ones.

use std::collections::HashSet;

use keymuster::domain::{Lists, Reason};
use keymuster::providers::{Answer, End, Known, Next, Paging, Provider};
use serde_json::{Value, json};

use crate::reading::{Page, SECRET, for_each_page, lists};

fn end(
    provider: &dyn Provider,
    page: &Page,
    status: u16,
    rest: &[u8],
    elements: Option<u64>,
    known: &Known,
) -> Result<End, Reason> {
    let answer = Answer { status, rest, elements, last_id: page.last_id.as_ref(), known };
    provider.end(&page.fetch, &answer).map_err(|failure| failure.reason)
}

#[test]
fn statuses_that_are_no_success_end_no_list() {
    for_each_page(|provider, page, known| {
        for (status, reason) in [
            (201, Reason::UnexpectedStatus),
            (204, Reason::UnexpectedStatus),
            (206, Reason::UnexpectedStatus),
            (302, Reason::RedirectRefused),
            (418, Reason::UnexpectedStatus),
            (429, Reason::RateLimited),
            (500, Reason::Server),
            (503, Reason::Server),
        ] {
            for rest in [b"".as_slice(), b"<html>", b"{\"error\":", page.rest.as_slice()] {
                assert_eq!(end(provider, page, status, rest, None, known), Err(reason), "{} {status}", page.fetch.path);
            }
        }
        // Refusals may close a list; they never end it well.
        for status in [400, 401, 403, 404] {
            let ended = end(provider, page, status, b"{}", None, known);
            assert!(matches!(ended, Err(_) | Ok(End { next: Next::Closed(_), .. })), "{} {status}: {ended:?}", page.fetch.path);
        }
    });
}

#[test]
fn success_needs_the_documented_shape() {
    for_each_page(|provider, page, known| {
        if page.status != 200 {
            return;
        }
        let path = &page.fetch.path;
        let malformed = Err(Reason::Malformed);
        assert_eq!(end(provider, page, 200, &page.rest, page.elements, known), Ok(page.end.clone()), "{path}");
        if page.fetch.list.is_some() {
            assert_eq!(end(provider, page, 200, &page.rest, None, known), malformed, "{path}: no list");
        }
        for garbage in
            [b"".as_slice(), b"<html></html>", b"null", b"[]", b"7", b"\"x\"", &page.rest[..page.rest.len() - 1], b"\xff\xfe{}"]
        {
            assert_eq!(end(provider, page, 200, garbage, page.elements, known), malformed, "{path}: {garbage:?}");
        }
        let rest: Value = serde_json::from_slice(&page.rest).unwrap();
        let mut needed = HashSet::new();
        for name in rest.as_object().unwrap().keys().filter(|name| Some(name.as_str()) != page.fetch.list) {
            let mut less = rest.clone();
            less.as_object_mut().unwrap().remove(name);
            match end(provider, page, 200, less.to_string().as_bytes(), page.elements, known) {
                Ok(ended) => {
                    assert_eq!(ended.next, page.end.next, "{path} without {name}");
                    // What is not told is not learnt; nothing else is learnt instead.
                    let mut both = page.end.learnt.clone();
                    both.add(ended.learnt);
                    assert_eq!(both, page.end.learnt, "{path} without {name}");
                }
                Err(reason) => {
                    assert_eq!(reason, Reason::Malformed, "{path} without {name}");
                    needed.insert(name.clone());
                }
            }
        }
        let Some(list) = page.fetch.list else { return };
        let ended = |elements| {
            let last_id = page.last_id.as_ref().filter(|_| elements > 0);
            let answer = Answer { status: 200, rest: &page.rest, elements: Some(elements), last_id, known };
            provider.end(&page.fetch, &answer).map(|end| end.next).map_err(|failure| failure.reason)
        };
        let leads_on = matches!(page.end.next, Next::Page(_));
        let of_keys = lists(page.fetch.target.clone()).is_none_or(|lists| lists == Lists::Keys);
        if provider.spec().paging == Paging::Pages && (of_keys || leads_on) && needed.is_empty() {
            // Nothing in the body tells the end, so that only an empty page can be the last.
            assert_eq!(ended(0), Ok(Next::Done), "{path}: nothing but an empty {list} can end it");
            assert_eq!(page.elements != Some(0), leads_on, "{path}: the end of the list hangs on nothing");
        } else if leads_on {
            assert_eq!(ended(0), Err(Reason::Contradiction), "{path}: an empty page leads nowhere");
        }
    });
}

#[test]
fn unknown_fields_of_an_answer_are_ignored() {
    for_each_page(|provider, page, known| {
        if page.status != 200 {
            return;
        }
        let mut more: Value = serde_json::from_slice(&page.rest).unwrap();
        more.as_object_mut().unwrap().extend((0..10_000).map(|n| (format!("x_{n}"), json!({ "id": n }))));
        let read = end(provider, page, 200, more.to_string().as_bytes(), page.elements, known);
        assert_eq!(read, Ok(page.end.clone()), "{}", page.fetch.path);
    });
}

#[test]
fn complaints_quote_nothing() {
    for_each_page(|provider, page, known| {
        let body =
            json!({ "error": { "message": SECRET, "code": SECRET }, "object": SECRET, "has_more": SECRET, "orgs": SECRET });
        for status in [200, 400, 401, 403, 404, 418, 429, 500] {
            let rest = body.to_string();
            let answer = Answer { status, rest: rest.as_bytes(), elements: Some(1), last_id: None, known };
            if let Err(failure) = provider.end(&page.fetch, &answer) {
                assert!(!failure.detail.contains(SECRET), "{failure}");
            }
        }
    });
}
