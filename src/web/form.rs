//! What stands around lists: the choices of a form, the filters in force, and the way to the next page.

use super::parameters::Name;
use crate::views::shown::number;

/// Words of which any number can be chosen.
#[derive(Debug)]
pub(super) struct Pick {
    pub label: &'static str,
    pub name: &'static str,
    pub chosen: usize,
    pub options: Vec<PickOption>,
}

#[derive(Debug)]
pub(super) struct PickOption {
    pub value: String,
    pub label: String,
    pub chosen: bool,
}

impl Pick {
    pub fn new(label: &'static str, name: impl Name, options: impl Iterator<Item = PickOption>) -> Self {
        let options: Vec<PickOption> = options.collect();
        let chosen = options.iter().filter(|option| option.chosen).count();
        Self { label, name: name.as_str(), chosen, options }
    }
}

impl PickOption {
    pub fn new(value: &str, label: &str, chosen: bool) -> Self {
        Self { value: value.to_owned(), label: label.to_owned(), chosen }
    }
}

/// A filter in force, and the address without it.
#[derive(Debug)]
pub(super) struct Chip {
    pub what: &'static str,
    pub value: String,
    pub without: String,
}

/// Where in a list of several pages this one is.
#[derive(Debug)]
pub(super) struct Pages {
    pub number: String,
    pub of: String,
    pub previous: Option<String>,
    pub next: Option<String>,
}

impl Pages {
    /// `None` where there is but one. `page` counts from 0.
    pub fn new(page: u32, total: u64, per_page: u32, to: impl Fn(u32) -> String) -> Option<Self> {
        let of = total.div_ceil(u64::from(per_page));
        (of > 1).then(|| Self {
            number: number(u64::from(page) + 1),
            of: number(of),
            previous: page.checked_sub(1).map(&to),
            next: (u64::from(page) + 1 < of).then(|| to(page + 1)),
        })
    }
}

/// Which of them are shown, where that is not all: `101–200`.
pub(super) fn range(page: u32, per_page: u32, shown: usize, total: u64) -> Option<String> {
    let (first, shown) = (u64::from(page) * u64::from(per_page), shown as u64);
    (shown < total).then(|| format!("{}–{}", number(first + 1), number(first + shown)))
}
