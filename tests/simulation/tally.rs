//! How often what happened in the months that were told: a sort of thing that never happens is not tested.

use std::collections::BTreeMap;
use std::fmt;

use keymuster::domain::ChangeKind;
use keymuster::inventory::ChangeRow;

use crate::faults;

/// What has to happen in many months. A way of listing is hardly ever left by chance; that has a story of its own.
const CONCLUDED: &[&str] = &[
    "acknowledged",
    "became_gone",
    "became_missing",
    "became_unknown owner_left",
    "became_unknown scope_closed",
    "became_unknown scope_vanished",
    "became_unmanaged",
    "held",
    "orphaned",
    "returned",
];

/// How often, by sort and word.
#[derive(Debug, Default)]
pub struct Tally(BTreeMap<(&'static str, String), u64>);

impl Tally {
    pub fn add(&mut self, sort: &'static str, word: &str) {
        *self.0.entry((sort, word.to_owned())).or_default() += 1;
    }

    pub fn add_if(&mut self, so: bool, sort: &'static str, word: &str) {
        if so {
            self.add(sort, word);
        }
    }

    pub fn has(&self, sort: &'static str, word: &str) -> bool {
        self.0.contains_key(&(sort, word.to_owned()))
    }

    /// Lines of history; what became unknown by why.
    pub fn lines(&mut self, changes: &[ChangeRow]) {
        for line in changes {
            match (line.change, &line.after) {
                (ChangeKind::BecameUnknown, Some(why)) => self.add("concluded", &format!("{} {why}", line.change)),
                (_, _) => self.add("concluded", line.change.as_str()),
            }
        }
    }

    pub fn take_in(&mut self, other: Self) {
        for (word, count) in other.0 {
            *self.0.entry(word).or_default() += count;
        }
    }

    /// Everything that never happened, and has to.
    pub fn lacking(&self) -> Vec<&'static str> {
        let never = |sort, word: &&str| !self.has(sort, word);
        let faults = faults::ALL.iter().map(faults::Kind::word).filter(|word| never("faults", word));
        faults.chain(CONCLUDED.iter().copied().filter(|word| never("concluded", word))).collect()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = "";
        for ((sort, word), count) in &self.0 {
            let lead = if *sort == before { ", ".to_owned() } else { format!("\n{sort}: ") };
            write!(f, "{lead}{word} {count}")?;
            before = sort;
        }
        Ok(())
    }
}
