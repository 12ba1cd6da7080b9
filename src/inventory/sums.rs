//! What always holds between the rows of a sound inventory, as questions for the rows where it does not.

use super::guard::Cause;
use crate::domain::{
    Basis, ChangeKind, KeyKind, Moment, OwnerAccess, OwnerKind, Presence, PresenceReason, Reason, ScopeKind, Standing, Time,
};

/// One thing that always holds.
pub struct Sum {
    /// The table whose rows are named.
    pub table: &'static str,
    /// What is wrong with a row that is named.
    pub wrong: &'static str,
    /// Gives one text for each row where it does not hold.
    pub rows: &'static str,
}

/// A column that holds words of a closed list. Constraints of the schema that name words too are not relied on: SQLite's own
/// check was seen to pass over some of them.
pub struct Words {
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
    /// The words.
    pub known: fn() -> Vec<&'static str>,
}

/// Everything that is summed up.
pub const SUMS: &[Sum] = &[
    Sum {
        table: "account",
        wrong: "stands under an organisation of another account",
        rows: "SELECT concat(a.id, ' (', a.name, ')') FROM account AS a JOIN organization AS o ON o.id = a.organization_id
                WHERE o.account_id <> a.id",
    },
    Sum {
        table: "key",
        wrong: "has no row in last_use",
        rows: "SELECT concat(k.id, ' (', k.remote_id, ')') FROM key AS k WHERE k.id NOT IN (SELECT key_id FROM last_use)",
    },
    Sum {
        table: "key",
        wrong: "has no row in deadline",
        rows: "SELECT concat(k.id, ' (', k.remote_id, ')') FROM key AS k WHERE k.id NOT IN (SELECT key_id FROM deadline)",
    },
    Sum {
        table: "key",
        wrong: "is missing and does not say since when, or says so and is not missing",
        rows: "SELECT concat(k.id, ' (', k.remote_id, ')') FROM key AS k
                WHERE (k.missing_number IS NOT NULL) + (k.missing_at IS NOT NULL) + (k.missing_boot_s IS NOT NULL)
                      + (k.missing_run IS NOT NULL) <> iif(k.presence = 'missing', 4, 0)",
    },
    Sum {
        table: "key",
        wrong: "does not say when it expires, or says when and that it does not",
        rows: "SELECT concat(k.id, ' (', k.remote_id, ')') FROM key AS k WHERE (k.expires_state = 'at') <> (k.expires_at IS NOT NULL)",
    },
    Sum {
        table: "last_use",
        wrong: "does not say when the key was used, or says when and that it was not",
        rows: "SELECT concat(u.key_id) FROM last_use AS u WHERE (u.used_state = 'at') <> (u.used_at IS NOT NULL)",
    },
    Sum {
        table: "key",
        wrong: "belongs to another organisation than its home",
        rows: "SELECT concat(k.id, ' (', k.remote_id, ')') FROM key AS k JOIN scope AS s ON s.id = k.scope_id
                WHERE s.organization_id <> k.organization_id",
    },
    Sum {
        table: "key",
        wrong: "belongs to another organisation than its owner",
        rows: "SELECT concat(k.id, ' (', k.remote_id, ')') FROM key AS k JOIN person AS p ON p.id = k.person_id
                WHERE p.organization_id <> k.organization_id",
    },
    Sum {
        table: "key",
        wrong: "is present or missing, and no scope lists it or did",
        rows: "SELECT concat(k.id, ' (', k.remote_id, ')') FROM key AS k
                WHERE k.presence IN ('present', 'missing') AND k.id NOT IN (SELECT key_id FROM sighting)",
    },
    Sum {
        table: "key",
        wrong: "is gone, and a scope lists it",
        rows: "SELECT concat(k.id, ' (', k.remote_id, ')') FROM key AS k
                WHERE k.presence = 'gone' AND k.id IN (SELECT key_id FROM sighting)",
    },
    Sum {
        table: "sighting",
        wrong: "joins a scope and a key of two organisations (scope/key)",
        rows: "SELECT concat(x.scope_id, '/', x.key_id) FROM sighting AS x JOIN scope AS s ON s.id = x.scope_id JOIN key AS k ON k.id = x.key_id
                WHERE s.organization_id <> k.organization_id",
    },
    Sum {
        table: "sighting",
        wrong: "ended before it began (scope/key)",
        rows: "SELECT concat(x.scope_id, '/', x.key_id) FROM sighting AS x WHERE x.unlisted_walk <= x.walk_id",
    },
    Sum {
        table: "scope",
        wrong: "has walks out of order",
        rows: "SELECT concat(s.id, ' (', s.kind, '/', s.remote_id, ')') FROM scope AS s
                WHERE s.complete_walk > coalesce(s.newest_walk, 0) OR s.before_walk >= coalesce(s.complete_walk, 0)",
    },
    Sum {
        table: "scope",
        wrong: "names a newest walk that is not stored as one of its own",
        rows: "SELECT concat(s.id, ' (', s.kind, '/', s.remote_id, ')') FROM scope AS s
                WHERE s.newest_walk IS NOT NULL AND NOT EXISTS (SELECT 1 FROM walk AS w WHERE w.id = s.newest_walk AND w.scope_id = s.id)",
    },
    Sum {
        table: "scope",
        wrong: "names a complete walk that is not stored as a complete one of its own",
        rows: "SELECT concat(s.id, ' (', s.kind, '/', s.remote_id, ')') FROM scope AS s
                WHERE s.complete_walk IS NOT NULL
                  AND NOT EXISTS (SELECT 1 FROM walk AS w WHERE w.id = s.complete_walk AND w.scope_id = s.id AND w.outcome = 'complete')",
    },
    Sum {
        table: "scope",
        wrong: "has a walk with a greater number than its newest",
        rows: "SELECT concat(s.id, ' (', s.kind, '/', s.remote_id, ')') FROM scope AS s
                WHERE (SELECT max(w.id) FROM walk AS w WHERE w.scope_id = s.id) > coalesce(s.newest_walk, 0)",
    },
    Sum {
        table: "walk",
        wrong: "belongs to a poll of another account",
        rows: "SELECT concat(w.id) FROM walk AS w JOIN poll AS p ON p.id = w.poll_id JOIN scope AS s ON s.id = w.scope_id
                 JOIN organization AS o ON o.id = s.organization_id WHERE o.account_id <> p.account_id",
    },
    Sum {
        table: "walk",
        wrong: "has a number from before its poll, or that of another poll",
        rows: "SELECT concat(w.id) FROM walk AS w WHERE w.id <= w.poll_id OR w.id IN (SELECT id FROM poll)",
    },
    Sum {
        table: "hold",
        wrong: "is of another account than its scope",
        rows: "SELECT concat(h.id) FROM hold AS h JOIN scope AS s ON s.id = h.scope_id JOIN organization AS o ON o.id = s.organization_id
                WHERE o.account_id <> h.account_id",
    },
    Sum {
        table: "held_key",
        wrong: "holds a key of another account (hold/key)",
        rows: "SELECT concat(x.hold_id, '/', x.key_id) FROM held_key AS x JOIN hold AS h ON h.id = x.hold_id JOIN key AS k ON k.id = x.key_id
                 JOIN organization AS o ON o.id = k.organization_id WHERE o.account_id <> h.account_id",
    },
    Sum {
        table: "change",
        wrong: "was written by a poll of another account",
        rows: "SELECT concat(c.id) FROM change AS c JOIN poll AS p ON p.id = c.poll_id JOIN key AS k ON k.id = c.key_id
                 JOIN organization AS o ON o.id = k.organization_id WHERE o.account_id <> p.account_id",
    },
    Sum {
        table: "change",
        wrong: "tells what settling concludes, of a poll that did not settle",
        rows: "SELECT concat(c.id) FROM change AS c JOIN poll AS p ON p.id = c.poll_id
                WHERE p.settled_at IS NULL AND c.change IN ('became_missing', 'became_gone', 'became_unknown')",
    },
];

/// Every such column.
pub const WORDS: &[Words] = &[
    Words { table: "key", column: "presence", known: || Presence::ALL.iter().map(|word| word.as_str()).collect() },
    Words { table: "key", column: "expires_state", known: moments },
    Words { table: "last_use", column: "used_state", known: moments },
    Words { table: "person", column: "kind", known: || OwnerKind::ALL.iter().map(|word| word.as_str()).collect() },
    Words { table: "scope", column: "standing", known: || Standing::ALL.iter().map(|word| word.as_str()).collect() },
    Words { table: "walk", column: "outcome", known: || vec!["complete", "incomplete", "closed"] },
    Words { table: "scope", column: "kind", known: || ScopeKind::ALL.iter().map(|word| word.as_str()).collect() },
    Words { table: "key", column: "kind", known: || KeyKind::ALL.iter().map(|word| word.as_str()).collect() },
    Words { table: "key", column: "presence_reason", known: || PresenceReason::ALL.iter().map(|word| word.as_str()).collect() },
    Words { table: "key", column: "owner_access", known: || OwnerAccess::ALL.iter().map(|word| word.as_str()).collect() },
    Words { table: "last_use", column: "stale_basis", known: || Basis::ALL.iter().map(|word| word.as_str()).collect() },
    Words { table: "change", column: "change", known: || ChangeKind::ALL.iter().map(|word| word.as_str()).collect() },
    Words { table: "poll", column: "reason", known: || Reason::ALL.iter().map(|word| word.as_str()).collect() },
    Words { table: "hold", column: "cause", known: || Cause::ALL.iter().map(|word| word.as_str()).collect() },
];

fn moments() -> Vec<&'static str> {
    [Moment::At(Time::from_unix(0)), Moment::Never, Moment::NotReported].map(Moment::state).to_vec()
}
