//! Which keys are asked for, and in which order: as values, and as the SQL over the view `keys` that they become, with the columns of
//! [`at_now_in_order`](super::sql::at_now_in_order).

use rusqlite::ToSql;
use rusqlite::types::Value;

use super::position::{Position, Term};
use super::when::{self, When};
use super::whose::Whose;
use crate::domain::{Condition, KeyKind, Presence};

/// Which keys: all that every field allows. An empty list and `None` allow everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Of one of these accounts.
    pub accounts: Vec<String>,
    /// Of one of these providers.
    pub providers: Vec<String>,
    /// Of one of these kinds.
    pub kinds: Vec<KeyKind>,
    /// In one of these presences.
    pub presences: Vec<Presence>,
    /// In at least one of these conditions.
    pub conditions: Vec<Condition>,
    /// Waived, or not waived.
    pub waived: Option<bool>,
    /// In any condition at all, or in none.
    pub flagged: Option<bool>,
    /// Whose disappearance waits for a person, or not.
    pub held: Option<bool>,
    /// With one of these labels `team`.
    pub teams: Vec<String>,
    /// The owner's id, name or e-mail address, letter case aside (ASCII).
    pub owner: Option<String>,
    /// Exactly the keys that are counted as that owner's.
    pub whose: Option<Whose>,
    /// When they were made.
    pub created: Option<When>,
    /// When they were last used.
    pub last_used: Option<When>,
    /// When they expire.
    pub expires: Option<When>,
    /// The key's id.
    pub id: Option<String>,
    /// The key's id begins so.
    pub id_prefix: Option<String>,
    /// Found in the id, the name, the hint, the scope's name, or the owner's id, name or address, letter case aside (ASCII).
    pub text: Option<String>,
}

/// In which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// By account and id.
    #[default]
    Id,
    /// Expired, expiring, orphaned, stale, never used, overdue, no expiry, disabled, none; in each the nearest expiry, then the
    /// longest without use.
    Urgency,
    /// The earliest expiry first; those without one last.
    Expiry,
    /// The longest without use first; never used before all, not reported last.
    LastUse,
    /// The oldest first; not reported last.
    Created,
    /// By name, letter case aside (ASCII); those without one last.
    Name,
    /// By kind.
    Kind,
    /// By the owner's name, else address, else id, letter case aside (ASCII); not reported last.
    Owner,
    /// By the label `team`; those without one last.
    Team,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeysAsked {
    /// Which keys.
    pub filter: Filter,
    /// In which order.
    pub order: Order,
    /// The other way round. What is last for want of a value stays last.
    pub reversed: bool,
    /// At most so many.
    pub limit: Option<u32>,
    /// Leaving out so many first.
    pub offset: u32,
    /// Only keys behind this one, in this order.
    pub behind: Option<Position>,
}

/// Conditions on columns of the view, and the values that they name.
pub(super) struct Chosen {
    /// `WHERE … ORDER BY … LIMIT … OFFSET …`.
    pub sql: String,
    values: Vec<(&'static str, Value)>,
}

impl Chosen {
    /// Values for the statement, beside what else it names.
    pub fn parameters(&self) -> Vec<(&str, &dyn ToSql)> {
        self.values.iter().map(|(name, value)| (*name, value as &dyn ToSql)).collect()
    }
}

impl KeysAsked {
    /// A condition stands in the statement only where it is asked for, so that no other column is worked out for every key.
    pub(super) fn chosen(&self) -> Chosen {
        let filter = &self.filter;
        let mut asked = Asked::default();
        asked.any_of(":accounts", "account", filter.accounts.iter().map(String::as_str));
        asked.any_of(":providers", "provider", filter.providers.iter().map(String::as_str));
        asked.any_of(":kinds", "kind", filter.kinds.iter().map(|kind| kind.as_str()));
        asked.any_of(":presences", "presence", filter.presences.iter().map(|presence| presence.as_str()));
        asked.any_of(":teams", "team", filter.teams.iter().map(String::as_str));
        if !filter.conditions.is_empty() {
            const ANY: &str =
                "EXISTS (SELECT 1 FROM json_each(:conditions) AS c WHERE instr(',' || conditions || ',', ',' || c.value || ','))";
            asked.that(ANY, ":conditions", list(filter.conditions.iter().map(|condition| condition.as_str())));
        }
        asked.whether("(waived <> '') = :waived", ":waived", filter.waived);
        asked.whether("(conditions <> '') = :flagged", ":flagged", filter.flagged);
        asked.whether("(held_since IS NOT NULL) = :held", ":held", filter.held);
        asked.text(":owner COLLATE NOCASE IN (owner_id, owner_name, owner_email)", ":owner", filter.owner.as_ref());
        if let Some((term, values)) = filter.whose.as_ref().map(Whose::term) {
            asked.terms.push(term);
            asked.values.extend(values);
        }
        for (when, columns) in
            [(filter.created, when::CREATED), (filter.last_used, when::LAST_USED), (filter.expires, when::EXPIRES)]
        {
            if let Some((term, values)) = when.map(|when| when.term(columns)) {
                asked.terms.push(term);
                asked.values.extend(values);
            }
        }
        asked.text("key_id = :id", ":id", filter.id.as_ref());
        asked.text("substr(key_id, 1, length(:id_prefix)) = :id_prefix", ":id_prefix", filter.id_prefix.as_ref());
        asked.text(
            "instr(lower(concat_ws(char(10), key_id, name, hint, scope_name, owner_id, owner_name, owner_email)), lower(:text))",
            ":text",
            filter.text.as_ref(),
        );
        let terms = self.order.terms(self.reversed);
        if let Some(position) = &self.behind {
            asked.terms.push(position.behind(&terms));
            asked.values.extend(position.values());
        }
        let allowed = if asked.terms.is_empty() { String::new() } else { format!("\n WHERE {}", asked.terms.join("\n   AND ")) };
        let sql = format!("{allowed}\n ORDER BY {}\n LIMIT :limit OFFSET :offset", Term::in_order(&terms));
        let limit = self.limit.map_or(-1, i64::from);
        asked.values.extend([(":limit", limit.into()), (":offset", i64::from(self.offset).into())]);
        Chosen { sql, values: asked.values }
    }
}

impl Order {
    /// Every order ends in account, id and the row that a key is stored in, so that each key has one place in it: an id may be
    /// there twice, of two organisations that an account saw.
    pub(super) fn terms(self, reversed: bool) -> Vec<Term> {
        const OWNER: &str = "coalesce(owner_name, owner_email, owner_id)";
        const OWNER_IS_NULL: &str = "coalesce(owner_name, owner_email, owner_id) IS NULL";
        let way = |sql: &'static str| Term { sql, folded: false, reversed };
        let up = |sql: &'static str| Term { sql, folded: false, reversed: false };
        let folded = |sql: &'static str| Term { sql, folded: true, reversed };
        let mut terms = match self {
            Self::Id => return vec![way("account"), way("key_id"), way("row")],
            Self::Urgency => {
                vec![way("urgency"), up("expires_at IS NULL"), up("expires_at"), up("coalesce(last_used_at, created_at, 'z')")]
            }
            Self::Expiry => vec![up("expires_at IS NULL"), way("expires_at")],
            Self::LastUse => vec![up("last_used_state = 'not_reported'"), way("last_used_at")],
            Self::Created => vec![up("created_at IS NULL"), way("created_at")],
            Self::Name => vec![up("name IS NULL"), folded("name")],
            Self::Kind => vec![way("kind")],
            Self::Owner => vec![up(OWNER_IS_NULL), folded(OWNER)],
            Self::Team => vec![up("team IS NULL"), folded("team")],
        };
        terms.extend([up("account"), up("key_id"), up("row")]);
        terms
    }
}

#[derive(Default)]
struct Asked {
    terms: Vec<String>,
    values: Vec<(&'static str, Value)>,
}

impl Asked {
    fn that(&mut self, term: &str, name: &'static str, value: impl Into<Value>) {
        self.terms.push(term.to_owned());
        self.values.push((name, value.into()));
    }

    fn any_of<'a>(&mut self, name: &'static str, column: &str, words: impl ExactSizeIterator<Item = &'a str>) {
        if words.len() > 0 {
            self.that(&format!("{column} IN (SELECT value FROM json_each({name}))"), name, list(words));
        }
    }

    fn whether(&mut self, term: &str, name: &'static str, wanted: Option<bool>) {
        if let Some(wanted) = wanted {
            self.that(term, name, i64::from(wanted));
        }
    }

    fn text(&mut self, term: &str, name: &'static str, text: Option<&String>) {
        if let Some(text) = text {
            self.that(term, name, text.clone());
        }
    }
}

/// A JSON array of texts.
fn list<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    texts.map(serde_json::Value::from).collect::<serde_json::Value>().to_string()
}
