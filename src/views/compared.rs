//! The same keys as two configs tell them: which of them one tells otherwise than the other, from what to what.

use std::collections::{BTreeMap, HashMap};

use super::{Filter, KeyRow};
use crate::domain::{Condition, Presence, Time, closed_enum};

/// A key before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// As the inventory tells it.
    pub before: KeyRow,
    /// As it would be told.
    pub after: KeyRow,
}

closed_enum! {
    /// How a key stands to a condition.
    Stand {
        /// It is not in it.
        No = "no",
        /// It is in it.
        Holds = "holds",
        /// It is, and a waiver accepts it.
        Waived = "waived",
    }
}

impl Stand {
    fn of(key: &KeyRow, condition: Condition) -> Self {
        match (key.conditions.contains(&condition), key.waived.is_empty()) {
            (false, _) => Self::No,
            (true, true) => Self::Holds,
            (true, false) => Self::Waived,
        }
    }
}

/// What differs, and among how many keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Compared {
    /// Keys whose conditions, or what a waiver accepts of them, would change.
    pub changed: Vec<Pair>,
    /// Keys that keep all that, and would have other labels.
    pub relabelled: usize,
    /// All keys that were compared.
    pub keys: usize,
}

/// How a key is told in a word or a few: its conditions, or its presence where no condition is claimed of it.
pub fn state(key: &KeyRow) -> String {
    let words = || key.conditions.iter().map(|condition| condition.as_str()).collect::<Vec<_>>().join(", ");
    match key.presence {
        Presence::Gone | Presence::Unmanaged => key.presence.to_string(),
        Presence::Present | Presence::Missing | Presence::Unknown if key.conditions.is_empty() => "none".to_owned(),
        Presence::Present | Presence::Missing | Presence::Unknown if key.waived.is_empty() => words(),
        Presence::Present | Presence::Missing | Presence::Unknown => format!("{} (waived)", words()),
    }
}

impl Pair {
    /// It would need a person for that condition, and does not now.
    pub fn comes_into(&self, condition: Condition) -> bool {
        Stand::of(&self.after, condition) == Stand::Holds && Stand::of(&self.before, condition) != Stand::Holds
    }

    /// What a config decides, the account's name and labels among it, matches as it is or as it would be.
    fn is_asked(&self, filter: &Filter) -> bool {
        let either = |matches: &dyn Fn(&KeyRow) -> bool| matches(&self.before) || matches(&self.after);
        let any = |condition: &Condition| either(&|key| key.conditions.contains(condition));
        (filter.accounts.is_empty() || either(&|key| filter.accounts.contains(&key.account)))
            && (filter.teams.is_empty() || either(&|key| key.team.as_ref().is_some_and(|team| filter.teams.contains(team))))
            && (filter.conditions.is_empty() || filter.conditions.iter().any(any))
    }
}

/// A comparison under way: first all keys as they are, then, one after the other, as they would be.
pub struct Comparison {
    renamed: BTreeMap<String, String>,
    filter: Filter,
    before: HashMap<(String, String, Time), KeyRow>,
    compared: Compared,
}

impl Comparison {
    /// Of the keys that the filter allows; accounts, teams and conditions of it are looked at on both sides. `renamed` are the
    /// accounts' new names by their old ones.
    pub fn new(renamed: BTreeMap<String, String>, filter: Filter) -> Self {
        Self { renamed, filter, before: HashMap::new(), compared: Compared::default() }
    }

    /// A key as it is.
    pub fn before(&mut self, key: KeyRow) {
        let account = self.renamed.get(&key.account).unwrap_or(&key.account).clone();
        self.before.insert((account, key.key_id.clone(), key.first_seen_at), key);
    }

    /// The same key as it would be. What changes is kept in this order.
    pub fn after(&mut self, after: KeyRow) {
        // An organisation that the account saw before may have had a key of the same id; it was not seen in the same second.
        let identity = (after.account.clone(), after.key_id.clone(), after.first_seen_at);
        let Some(before) = self.before.remove(&identity) else { return };
        let pair = Pair { before, after };
        if !pair.is_asked(&self.filter) {
            return;
        }
        self.compared.keys += 1;
        if state(&pair.before) != state(&pair.after) {
            self.compared.changed.push(pair);
        } else if pair.before.labels != pair.after.labels {
            self.compared.relabelled += 1;
        }
    }

    /// What differs.
    pub fn compared(self) -> Compared {
        self.compared
    }
}

impl Compared {
    /// Each change of a condition, from what to what, and how many keys it befalls; a key may change in several.
    pub fn groups(&self) -> BTreeMap<(Condition, Stand, Stand), usize> {
        let mut groups = BTreeMap::new();
        for Pair { before, after } in &self.changed {
            for condition in Condition::ALL {
                let (now, then) = (Stand::of(before, *condition), Stand::of(after, *condition));
                if now != then {
                    *groups.entry((*condition, now, then)).or_default() += 1;
                }
            }
        }
        groups
    }

    /// How many keys would be watched no more: their account is not in the config.
    pub fn unmanaged(&self) -> usize {
        let is = |key: &KeyRow| key.presence == Presence::Unmanaged;
        self.changed.iter().filter(|pair| is(&pair.after) && !is(&pair.before)).count()
    }
}
