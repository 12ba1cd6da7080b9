//! What pages are asked by, in the query string of an address: names and words that are ours, or a sentence about the first
//! that is not. Whoever misspelt one must not get something else than they asked for.

use crate::domain::{Text, changes_what_is_around_it};

/// Of a text, in characters: no name that passed the gate is longer.
pub(super) const LONGEST: usize = Text::LONGEST;
/// Of pages.
const LAST: u32 = 1_000_000;

/// What is wrong with a query: a sentence.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong(pub String);

/// The parameters of a page.
pub(super) trait Name: Copy + PartialEq + 'static {
    const ALL: &'static [Self];

    fn as_str(self) -> &'static str;

    /// Given more than once, it means any of them.
    fn takes_several(self) -> bool;
}

/// What an address gives.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Given<N> {
    /// In the order of the address, none of them empty.
    pub pairs: Vec<(N, String)>,
    /// It named something without saying what, as a form does whose fields were left empty.
    pub has_blanks: bool,
}

impl<N: Name> Given<N> {
    /// Reads a query string.
    pub fn parse(raw: &str) -> Result<Self, Wrong> {
        let mut given = Self { pairs: Vec::new(), has_blanks: false };
        for (name, value) in form_urlencoded::parse(raw.as_bytes()) {
            let known = N::ALL.iter().copied().find(|known| known.as_str() == name);
            let name = known.ok_or_else(|| {
                let names: Vec<&str> = N::ALL.iter().map(|name| name.as_str()).collect();
                Wrong(format!("There is no parameter “{}”; there are {}.", Text::clean(&name), names.join(", ")))
            })?;
            let value = value.trim();
            if value.is_empty() {
                given.has_blanks = true;
                continue;
            }
            if !name.takes_several() && given.pairs.iter().any(|(before, _)| *before == name) {
                return Err(Wrong(format!("The parameter “{}” may be given once.", name.as_str())));
            }
            given.pairs.push((name, value.to_owned()));
        }
        Ok(given)
    }
}

/// Of a page that is asked by nothing.
pub(super) fn none(raw: Option<&str>) -> Result<(), Wrong> {
    let first = form_urlencoded::parse(raw.unwrap_or_default().as_bytes()).next();
    first.map_or(Ok(()), |(name, _)| Err(Wrong(format!("There is no parameter “{}”; this page has none.", Text::clean(&name)))))
}

/// The address of a page with parameters.
pub(super) fn address<'a>(path: &str, pairs: impl Iterator<Item = (&'static str, &'a str)>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs);
    let query = query.finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

pub(super) fn wrong(name: impl Name, value: &str, instead: &str) -> Wrong {
    Wrong(format!("The parameter “{}” cannot be “{}”: it is {instead}.", name.as_str(), Text::clean(value)))
}

pub(super) fn word<T: Copy>(name: impl Name, value: &str, all: &[T], as_str: impl Fn(T) -> &'static str) -> Result<T, Wrong> {
    all.iter().copied().find(|word| as_str(*word) == value).ok_or_else(|| {
        let known: Vec<&str> = all.iter().map(|word| as_str(*word)).collect();
        wrong(name, value, &format!("one of {}", known.join(", ")))
    })
}

pub(super) fn yes_or_no(name: impl Name, value: &str) -> Result<bool, Wrong> {
    word(name, value, &[true, false], |wanted| if wanted { "yes" } else { "no" })
}

/// From 1 in the address, from 0 in the program.
pub(super) fn page(name: impl Name, value: &str) -> Result<u32, Wrong> {
    let page = value.parse().ok().filter(|page: &u32| (1..=LAST).contains(page));
    page.map(|page| page - 1).ok_or_else(|| wrong(name, value, "a number from 1"))
}

/// Text that a name could hold. What none can hold would be found nowhere, and that would read as if there were no such key.
pub(super) fn text(name: impl Name, value: &str) -> Result<String, Wrong> {
    texts(name, value, 1)
}

/// So many texts in one.
pub(super) fn texts(name: impl Name, value: &str, count: usize) -> Result<String, Wrong> {
    let foreign = value.chars().find(|c| changes_what_is_around_it(*c) || *c == char::REPLACEMENT_CHARACTER);
    if let Some(foreign) = foreign {
        let instead = format!("text without characters that no name here holds, such as {}", foreign.escape_unicode());
        return Err(wrong(name, value, &instead));
    }
    let longest = LONGEST * count;
    if value.chars().count() > longest {
        return Err(Wrong(format!("The parameter “{}” has at most {longest} characters.", name.as_str())));
    }
    Ok(value.to_owned())
}
