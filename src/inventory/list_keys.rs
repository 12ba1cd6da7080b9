//! Rows of the public view `keys`, chosen, ordered and cut.

use rusqlite::types::Value;
use rusqlite::{Row, ToSql};

use super::error::{StoreError, Stored};
use super::read::Reader;
use super::sql::{at_now, conditions, optional_time, optional_word, time, word};
use crate::domain::{Basis, Condition, KeyKind, Moment, OwnerKind, Presence, PresenceReason, Time};

/// A row of the view, with its columns typed. Nothing of a remote is in it that did not pass the gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// Its provider's word.
    pub provider: String,
    /// Its account.
    pub account: String,
    /// The project or member whose list holds it; empty for lists of the whole organisation.
    pub scope_id: String,
    /// That list's name.
    pub scope_name: Option<String>,
    /// The provider's id of the key.
    pub key_id: String,
    /// What sort of key it is.
    pub kind: KeyKind,
    /// As people named it.
    pub name: Option<String>,
    /// The provider's masked form of the secret.
    pub hint: Option<String>,
    /// Whose it is; `None` is *not reported*.
    pub owner: Option<OwnerRow>,
    /// When it was made; `None` is *not reported*.
    pub created_at: Option<Time>,
    /// `last_used_at` and `last_used_state`.
    pub last_used: Moment,
    /// `expires_at` and `expires_state`.
    pub expires: Moment,
    /// False only where the provider says that it is disabled.
    pub enabled: bool,
    /// Whether it is there.
    pub presence: Presence,
    /// And why that is said.
    pub presence_reason: PresenceReason,
    /// Since when its disappearance waits for a person.
    pub held_since: Option<Time>,
    /// What policy says of it now, waived or not.
    pub conditions: Vec<Condition>,
    /// What stale rests on, where it is stale.
    pub stale_basis: Option<Basis>,
    /// Those of the conditions that a waiver accepts: all or none.
    pub waived: Vec<Condition>,
    /// It is the key that keymuster itself signs in with.
    pub is_self: bool,
    /// When it was first listed.
    pub first_seen_at: Time,
    /// When the newest complete walk that listed it began.
    pub last_seen_at: Option<Time>,
    /// The label `team`.
    pub team: Option<String>,
    /// All labels, a JSON object.
    pub labels: String,
}

/// The owner of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerRow {
    /// User, service account, or something newer.
    pub kind: OwnerKind,
    /// The provider's id.
    pub id: String,
    /// Display name.
    pub name: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
}

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
    /// With one of these labels `team`.
    pub teams: Vec<String>,
    /// The owner's id, name or e-mail address, letter case aside (ASCII).
    pub owner: Option<String>,
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
}

impl Order {
    /// Every order ends in provider, account and id, so that it is stable.
    const fn sql(self) -> &'static str {
        match self {
            Self::Id => "account, key_id",
            Self::Urgency => {
                "CASE WHEN instr(conditions, 'expired') THEN 0 WHEN instr(conditions, 'expiring') THEN 1
                      WHEN instr(conditions, 'orphaned') THEN 2 WHEN instr(conditions, 'stale') THEN 3
                      WHEN instr(conditions, 'never_used') THEN 4 WHEN instr(conditions, 'overdue') THEN 5
                      WHEN instr(conditions, 'no_expiry') THEN 6 WHEN conditions <> '' THEN 7 ELSE 8 END,
                 expires_at IS NULL, expires_at, coalesce(last_used_at, created_at, 'z'), account, key_id"
            }
            Self::Expiry => "expires_at IS NULL, expires_at, account, key_id",
            Self::LastUse => "last_used_state = 'not_reported', last_used_at, account, key_id",
            Self::Created => "created_at IS NULL, created_at, account, key_id",
        }
    }
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeysAsked {
    /// Which keys.
    pub filter: Filter,
    /// In which order.
    pub order: Order,
    /// At most so many.
    pub limit: Option<u32>,
    /// Leaving out so many first.
    pub offset: u32,
}

/// Columns in the order of the view, whatever that is.
pub(super) const SELECT: &str = "
SELECT provider, account, scope_id, scope_name, key_id, kind, name, hint, owner_kind, owner_id, owner_name, owner_email,
       created_at, last_used_at, last_used_state, expires_at, expires_state, enabled, presence, presence_reason, held_since,
       conditions, stale_basis, waived, self, first_seen_at, last_seen_at, team, labels
  FROM keys";

const CHOSEN: &str = "
 WHERE (:accounts = '[]' OR account IN (SELECT value FROM json_each(:accounts)))
   AND (:providers = '[]' OR provider IN (SELECT value FROM json_each(:providers)))
   AND (:kinds = '[]' OR kind IN (SELECT value FROM json_each(:kinds)))
   AND (:presences = '[]' OR presence IN (SELECT value FROM json_each(:presences)))
   AND (:conditions = '[]' OR EXISTS (SELECT 1 FROM json_each(:conditions) AS c
                                       WHERE instr(',' || conditions || ',', ',' || c.value || ',')))
   AND (:waived IS NULL OR (waived <> '') = :waived)
   AND (:flagged IS NULL OR (conditions <> '') = :flagged)
   AND (:teams = '[]' OR team IN (SELECT value FROM json_each(:teams)))
   AND (:owner IS NULL OR :owner COLLATE NOCASE IN (owner_id, owner_name, owner_email))
   AND (:id IS NULL OR key_id = :id)
   AND (:id_prefix IS NULL OR substr(key_id, 1, length(:id_prefix)) = :id_prefix)
   AND (:text IS NULL OR instr(lower(concat_ws(char(10), key_id, name, hint, scope_name, owner_id, owner_name, owner_email)),
                               lower(:text)))
 ORDER BY ";

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
    pub(super) fn chosen(&self) -> Chosen {
        let filter = &self.filter;
        let text = |text: &Option<String>| text.clone().map_or(Value::Null, Value::Text);
        let truth = |truth: Option<bool>| truth.map_or(Value::Null, Value::from);
        let values = vec![
            (":accounts", list(filter.accounts.iter().map(String::as_str)).into()),
            (":providers", list(filter.providers.iter().map(String::as_str)).into()),
            (":kinds", list(filter.kinds.iter().map(|kind| kind.as_str())).into()),
            (":presences", list(filter.presences.iter().map(|presence| presence.as_str())).into()),
            (":conditions", list(filter.conditions.iter().map(|condition| condition.as_str())).into()),
            (":waived", truth(filter.waived)),
            (":flagged", truth(filter.flagged)),
            (":teams", list(filter.teams.iter().map(String::as_str)).into()),
            (":owner", text(&filter.owner)),
            (":id", text(&filter.id)),
            (":id_prefix", text(&filter.id_prefix)),
            (":text", text(&filter.text)),
            (":limit", self.limit.map_or(-1, i64::from).into()),
            (":offset", i64::from(self.offset).into()),
        ];
        Chosen { sql: format!("{CHOSEN}{} LIMIT :limit OFFSET :offset", self.order.sql()), values }
    }
}

impl Reader {
    /// Lists keys as of `now`.
    pub async fn keys(&self, asked: KeysAsked, now: Time) -> Stored<Vec<KeyRow>> {
        self.read(move |connection| {
            let chosen = asked.chosen();
            let mut select = connection.prepare_cached(&at_now(&format!("{SELECT}{}", chosen.sql)))?;
            let mut parameters = chosen.parameters();
            let now = now.unix();
            parameters.push((":now", &now));
            let mut rows = select.query(parameters.as_slice())?;
            let mut keys = Vec::new();
            while let Some(row) = rows.next()? {
                keys.push(key(row)?);
            }
            Ok(keys)
        })
        .await
    }
}

/// A JSON array of texts.
fn list<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    texts.map(serde_json::Value::from).collect::<serde_json::Value>().to_string()
}

/// Reads a row of [`SELECT`].
pub(super) fn key(row: &Row<'_>) -> Stored<KeyRow> {
    let owner = match optional_word(row, 8, "person.kind")? {
        Some(kind) => Some(OwnerRow { kind, id: row.get(9)?, name: row.get(10)?, email: row.get(11)? }),
        None => None,
    };
    Ok(KeyRow {
        provider: row.get(0)?,
        account: row.get(1)?,
        scope_id: row.get(2)?,
        scope_name: row.get(3)?,
        key_id: row.get(4)?,
        kind: word(row, 5, "key.kind")?,
        name: row.get(6)?,
        hint: row.get(7)?,
        owner,
        created_at: optional_time(row, 12, "keys.created_at")?,
        last_used: moment(row, 13, "keys.last_used_at")?,
        expires: moment(row, 15, "keys.expires_at")?,
        enabled: row.get(17)?,
        presence: word(row, 18, "key.presence")?,
        presence_reason: word(row, 19, "key.presence_reason")?,
        held_since: optional_time(row, 20, "keys.held_since")?,
        conditions: conditions(row, 21)?,
        stale_basis: optional_word(row, 22, "last_use.stale_basis")?,
        waived: conditions(row, 23)?,
        is_self: row.get(24)?,
        first_seen_at: time(row, 25, "keys.first_seen_at")?,
        last_seen_at: optional_time(row, 26, "keys.last_seen_at")?,
        team: row.get(27)?,
        labels: row.get(28)?,
    })
}

/// A time and its state, side by side.
fn moment(row: &Row<'_>, index: usize, column: &'static str) -> Stored<Moment> {
    let at = optional_time(row, index, column)?.map(Time::unix);
    let state: String = row.get(index + 1)?;
    Moment::from_columns(at, &state).ok_or(StoreError::Inconsistent { what: format!("'{state}'"), column })
}
