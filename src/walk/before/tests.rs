//! A walk that recognises elements ends as one that reads them all.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::domain::{KeyFacts, KeyKind, Moment, Scope, ScopeKind, Text, Time, WalkEnd};
use crate::providers::{End, Fetch, Learnt, Next, Subject, Target};
use crate::walk::{Caps, Stamp, Turn, Walk, WalkId, Walked};

const NOW: Time = Time::from_unix(1_760_000_000);
const STARTED: Stamp = Stamp { wall: NOW, boot: Duration::from_secs(1) };
const CAPS: Caps = Caps { items: 20, pages: 5, time: Duration::from_secs(60) };

/// The bytes of an element of these tests: an id, a name, a last use.
type Element = (u8, u8, u8);

fn bytes((id, name, used): Element) -> [u8; 3] {
    [id, name, used]
}

fn read(bytes: &[u8]) -> Result<Item, Refused> {
    let [id, name, used] = bytes else { panic!("{bytes:?}") };
    let name = match name {
        9 => "sk-proj-Zk3vQ8xT1mNw7RbYc5LhJ2dF9gPs4aEu".to_owned(),
        name => format!("name {name}"),
    };
    Ok(Item::Key(Box::new(KeyFacts {
        id: RemoteId::new(&format!("key_{id}")).unwrap(),
        kind: KeyKind::Project,
        name: Some(Text::clean(&name)),
        hint: None,
        owner: None,
        owner_access: None,
        organization: None,
        created_at: None,
        last_used: Moment::At(NOW.plus(i64::from(*used))),
        expires: Moment::Never,
        enabled: true,
    })))
}

fn request(page: usize) -> Fetch {
    Fetch { query: vec![("after", page.to_string())], ..Fetch::get(Target::Question("not looked at"), "list", "/list") }
}

/// Walks the pages; what `recognise` knows is not read, where it is given.
fn walk(pages: &[Vec<Element>], recognise: Option<&Recognise>) -> Walked {
    let mut walk = Walk::begin(WalkId(1), Scope::only(ScopeKind::Project), &request(0), STARTED, CAPS);
    if let Some(recognise) = recognise {
        walk = walk.recognising(recognise.clone());
    }
    for (nth, elements) in pages.iter().enumerate() {
        let next = if nth + 1 == pages.len() { Next::Done } else { Next::Page(Box::new(request(nth + 1))) };
        let mut page = Page {
            items: Vec::new(),
            digests: Vec::new(),
            unchanged: Vec::new(),
            refused: Vec::new(),
            elements: elements.len() as u64,
            end: End { next, learnt: Learnt::default() },
            server_time: None,
            wire_bytes: 0,
            took: Duration::ZERO,
        };
        for element in elements {
            match recognise.map(|recognise| recognise.look(&bytes(*element))) {
                Some((_, Some(unchanged))) => page.unchanged.push(unchanged),
                known => {
                    page.items.push(read(&bytes(*element)).unwrap());
                    page.digests.extend(known.map(|(digest, _)| digest));
                }
            }
        }
        let subject = Subject::default();
        let met = walk.read_what_meets(&mut page, &subject, &read);
        let turn = met.map(|()| walk.page(page, &subject, STARTED));
        match turn {
            Ok(Turn::Next(_)) => {}
            Ok(Turn::Ended(end)) => return walk.finish(end, NOW),
            Err(failure) => return walk.finish(WalkEnd::Incomplete(failure), NOW),
        }
    }
    panic!("it wants another page")
}

/// What the next walk may rely on after a complete one whose keys lie in the rows of their ids.
fn after(walked: &Walked, digests: &Digests) -> Recognise {
    assert!(walked.proof().is_some());
    let read = walked.keys().iter().enumerate().map(|(place, key)| {
        let (id, digest) = walked.tells(place).unwrap();
        Listed { row: row(key), id, digest }
    });
    let unchanged = walked.unchanged().iter().map(|key| Listed { row: key.row, id: key.id, digest: Some(key.digest) });
    Recognise { digests: digests.clone(), before: Some(Arc::new(Before::new(read.chain(unchanged).collect()))) }
}

fn row(key: &KeyFacts) -> u32 {
    key.id.as_str().trim_start_matches("key_").parse().unwrap()
}

fn begin() -> Recognise {
    Recognise { digests: Digests::default(), before: None }
}

/// What of a walk counts, once everything of it is read.
fn told(walked: Walked) -> (Option<Reason>, Vec<KeyFacts>, u64) {
    let walked = walked.read_all(&read);
    let mut keys: Vec<KeyFacts> = walked.keys().iter().map(|key| (**key).clone()).collect();
    keys.sort_by(|one, other| one.id.cmp(&other.id));
    match walked.end() {
        WalkEnd::Complete => (None, keys, walked.duplicates()),
        // Of a list that was not read whole, how much was read before it failed is nobody's business.
        WalkEnd::Incomplete(failure) => (Some(failure.reason), Vec::new(), 0),
        WalkEnd::Closed(_) => panic!("closed"),
    }
}

fn elements() -> impl Strategy<Value = Vec<Vec<Element>>> {
    let element = (1..6_u8, prop_oneof![4 => Just(0_u8), 1 => Just(1_u8)], 0..2_u8);
    proptest::collection::vec(proptest::collection::vec(element, 1..4), 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_ends_as_if_all_were_read(before in elements(), then in elements()) {
        let recognise = begin();
        let first = walk(&before, Some(&recognise));
        prop_assert_eq!(told(first.clone()), told(walk(&before, None)));
        let known = if first.proof().is_some() { after(&first, &recognise.digests) } else { recognise };
        prop_assert_eq!(told(walk(&then, Some(&known))), told(walk(&then, None)));
    }
}

#[test]
fn what_comes_again_is_not_read() {
    let list = [vec![(1, 0, 0), (2, 0, 0)], vec![(3, 0, 0)]];
    let recognise = begin();
    let first = walk(&list, Some(&recognise));
    assert_eq!((first.keys().len(), first.unchanged().len()), (3, 0));
    let again = walk(&list, Some(&after(&first, &recognise.digests)));
    assert_eq!((again.keys().len(), again.unchanged().len(), again.elements()), (0, 3, 3));
    let third = walk(&[vec![(1, 0, 0), (2, 0, 7)], vec![(4, 0, 0)]], Some(&after(&again, &recognise.digests)));
    assert_eq!(third.keys().iter().map(|key| row(key)).collect::<Vec<_>>(), [2, 4], "one was used, one is new");
    assert_eq!(third.unchanged().iter().map(|key| key.row).collect::<Vec<_>>(), [1]);
}

#[test]
fn a_page_that_came_before_is_repeated_though_it_was_not_read() {
    let list = [vec![(1, 0, 0), (2, 0, 0)], vec![(3, 0, 0)]];
    let recognise = begin();
    let known = after(&walk(&list, Some(&recognise)), &recognise.digests);
    for repeated in [vec![(1, 0, 0), (2, 0, 0)], vec![(1, 0, 0), (2, 0, 1)], vec![(2, 0, 1)]] {
        let walked = walk(&[list[0].clone(), repeated], Some(&known));
        assert_eq!(told(walked).0, Some(Reason::RepeatedPage));
    }
}

#[test]
fn placeholders_are_counted_in_every_walk() {
    let list = [vec![(1, 9, 0), (2, 0, 0)]];
    let recognise = begin();
    let first = walk(&list, Some(&recognise));
    let again = walk(&list, Some(&after(&first, &recognise.digests)));
    assert_eq!((first.secret_like(), again.secret_like(), again.unchanged().len()), (1, 1, 1));
}

#[test]
fn of_a_key_that_came_in_two_versions_neither_tells_it() {
    let recognise = begin();
    let twice = walk(&[vec![(1, 0, 0), (1, 0, 5)]], Some(&recognise));
    let known = after(&twice, &recognise.digests);
    for version in [0, 5] {
        assert_eq!(walk(&[vec![(1, 0, version)]], Some(&known)).unchanged().len(), 0);
    }
}

#[test]
fn what_was_written_by_others_is_read_again_and_is_still_on_the_list() {
    let list = [vec![(1, 0, 0), (2, 0, 0)]];
    let recognise = begin();
    let known = after(&walk(&list, Some(&recognise)), &recognise.digests);
    let without = Arc::new(known.before.unwrap().without(&HashSet::from([2])));
    assert_eq!(without.rows().len(), 2);
    let again = walk(&list, Some(&Recognise { digests: recognise.digests, before: Some(without) }));
    assert_eq!((again.unchanged()[0].row, row(&again.keys()[0])), (1, 2));
}
