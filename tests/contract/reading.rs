//! Cuts and reads samples as the engine does, in the simplest way.

use keymuster::domain::{KeyFacts, Lists, RemoteId};
use keymuster::providers::{Answer, End, Fetch, Item, Known, Next, PROVIDERS, Provider, Sample, Target};
use serde_json::Value;

/// Stands in for a secret that a provider leaks into a field.
pub const SECRET: &str = "sk-proj-Zq83hfK2mVx0Lr7TbWc5Yd19NsEjUaGo";

/// One answer, cut: the list's elements and the body without them.
pub struct Cut {
    pub rest: Vec<u8>,
    pub elements: Option<Vec<Value>>,
}

pub fn cut(fetch: &Fetch, body: &str) -> Cut {
    let mut body: Value = serde_json::from_str(body).unwrap();
    let elements = match fetch.list.and_then(|list| body.get_mut(list)) {
        Some(Value::Array(list)) => Some(std::mem::take(list)),
        Some(_) | None => None,
    };
    Cut { rest: body.to_string().into_bytes(), elements }
}

/// One element of a sample that an adapter read.
pub struct Element {
    pub fetch: Fetch,
    pub raw: Value,
    pub item: Item,
}

/// One page of a sample, as `end` saw it.
pub struct Page {
    pub fetch: Fetch,
    pub status: u16,
    pub rest: Vec<u8>,
    pub elements: Option<u64>,
    pub last_id: Option<RemoteId>,
    pub end: End,
}

pub fn id(item: &Item) -> Option<&RemoteId> {
    match item {
        Item::Key(key) => Some(&key.id),
        Item::Person(person) => Some(&person.id),
        Item::Project(project) => Some(&project.id),
        Item::Skipped => None,
    }
}

/// Reads a sample from its first page to its last.
pub fn walk(provider: &dyn Provider, sample: &Sample, known: &Known) -> (Vec<Element>, Vec<Page>) {
    let (mut elements, mut pages) = (Vec::new(), Vec::new());
    let mut fetch = (sample.fetch)();
    let mut queries = vec![fetch.query.clone()];
    for (nth, page) in sample.pages.iter().enumerate() {
        let name = sample.name;
        let (rest, count, mut last_id) = if page.status == 200 {
            let cut = cut(&fetch, page.body);
            let count = cut.elements.as_ref().map(|e| e.len() as u64);
            for raw in cut.elements.into_iter().flatten() {
                let item = provider.item(&fetch, raw.to_string().as_bytes()).unwrap_or_else(|e| panic!("{name}: {e:?}: {raw}"));
                elements.push(Element { fetch: fetch.clone(), raw, item });
            }
            (cut.rest, count, elements.iter().rev().find_map(|e| id(&e.item)).cloned())
        } else {
            (page.body.as_bytes()[..page.body.len().min(4096)].to_vec(), None, None)
        };
        if count.is_none_or(|n| n == 0) {
            last_id = None;
        }
        let answer = Answer { status: page.status, rest: &rest, elements: count, last_id: last_id.as_ref(), known };
        let end = provider.end(&fetch, &answer).unwrap_or_else(|e| panic!("{name}: {e}"));
        let asked = fetch.clone();
        match &end.next {
            Next::Page(next) => {
                assert!(nth + 1 < sample.pages.len(), "{name}: a page more than the sample has");
                let same_but_query = Fetch { query: fetch.query.clone(), ..(**next).clone() };
                assert_eq!(same_but_query, fetch, "{name}: only the query leads on");
                assert!(!queries.contains(&next.query), "{name}: asked before");
                queries.push(next.query.clone());
                fetch = (**next).clone();
            }
            Next::Done | Next::Closed(_) => assert_eq!(nth + 1, sample.pages.len(), "{name}: ends too early"),
        }
        pages.push(Page { fetch: asked, status: page.status, rest, elements: count, last_id, end });
    }
    assert_eq!(elements.len(), sample.items, "{}", sample.name);
    (elements, pages)
}

/// What a poll knows once the lists of projects were read.
pub fn knowing_projects(provider: &dyn Provider) -> Known {
    let mut known = Known::default();
    for sample in provider.spec().samples {
        if lists((sample.fetch)().target) == Some(Lists::Projects) {
            for element in walk(provider, sample, &Known::default()).0 {
                learn(&mut known, element.item);
            }
        }
    }
    known
}

pub fn learn(known: &mut Known, item: Item) {
    match item {
        Item::Project(project) => drop(known.projects.insert(project.id.clone(), *project)),
        Item::Person(person) => drop(known.people.insert(person.id.clone(), *person)),
        Item::Key(_) | Item::Skipped => {}
    }
}

pub fn lists(target: Target) -> Option<Lists> {
    match target {
        Target::Scope(scope) => Some(scope.id.kind.lists()),
        Target::Question(_) => None,
    }
}

/// Every element and every page of every sample of every provider.
pub fn for_each(mut element: impl FnMut(&dyn Provider, &Element), mut page: impl FnMut(&dyn Provider, &Page, &Known)) {
    for provider in PROVIDERS {
        let known = knowing_projects(*provider);
        let mut elements = 0;
        for sample in provider.spec().samples {
            let (read, pages) = walk(*provider, sample, &known);
            elements += read.len();
            read.iter().for_each(|e| element(*provider, e));
            pages.iter().for_each(|p| page(*provider, p, &known));
        }
        assert!(elements > 0, "{} has samples without elements only", provider.spec().id);
    }
}

pub fn for_each_element(element: impl FnMut(&dyn Provider, &Element)) {
    for_each(element, |_, _, _| {});
}

pub fn for_each_page(page: impl FnMut(&dyn Provider, &Page, &Known)) {
    for_each(|_, _| {}, page);
}

pub fn keys(provider: &dyn Provider) -> Vec<KeyFacts> {
    let known = knowing_projects(provider);
    let elements = provider.spec().samples.iter().flat_map(|s| walk(provider, s, &known).0);
    elements
        .filter_map(|e| match e.item {
            Item::Key(key) => Some(*key),
            Item::Person(_) | Item::Project(_) | Item::Skipped => None,
        })
        .collect()
}
