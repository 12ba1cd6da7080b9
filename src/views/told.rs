//! Sentences for people: conditions, reasons and changes in plain words.

use super::shown::{relative, spaced, span};
use super::{ChangeRow, KeyRow, ScopeRow};
use crate::domain::{Basis, ChangeKind, Condition, Moment, ScopeKind, ScopeState, Time};

/// A condition as a heading.
pub const fn condition(condition: Condition) -> &'static str {
    match condition {
        Condition::Stale => "Stale",
        Condition::NeverUsed => "Never used",
        Condition::Expiring => "Expiring",
        Condition::Expired => "Expired",
        Condition::NoExpiry => "Never expires",
        Condition::Overdue => "Overdue",
        Condition::Disabled => "Disabled",
        Condition::Orphaned => "Orphaned",
    }
}

/// Why a key is in a condition.
pub fn why(key: &KeyRow, condition: Condition, now: Time) -> String {
    let made = || match key.created_at {
        Some(at) => format!("made {}", relative(at, now)),
        None => "made at an unknown time".to_owned(),
    };
    match (condition, key.stale_basis) {
        (Condition::Stale, Some(Basis::Age)) => format!("{}; its use is not reported", made()),
        (Condition::Stale, Some(Basis::LastUse) | None) => match key.last_used {
            Moment::At(at) => format!("last used {}", relative(at, now)),
            Moment::Never | Moment::NotReported => "not used for long".to_owned(),
        },
        (Condition::Stale, Some(Basis::NeverUsed)) | (Condition::NeverUsed, _) => format!("never used, {}", made()),
        (Condition::Expiring, _) => match key.expires {
            Moment::At(at) => format!("expires in {}", span(at.since(now))),
            Moment::Never | Moment::NotReported => "expires soon".to_owned(),
        },
        (Condition::Expired, _) => match key.expires {
            Moment::At(at) => format!("expired {}, still listed", relative(at, now)),
            Moment::Never | Moment::NotReported => "expired, still listed".to_owned(),
        },
        (Condition::NoExpiry, _) => "never expires".to_owned(),
        (Condition::Overdue, _) => format!("{}; rotation is due", made()),
        (Condition::Disabled, _) => "disabled at the provider".to_owned(),
        (Condition::Orphaned, _) => "its owner has left or lost access".to_owned(),
    }
}

/// What needs a person first comes first, as in the list of urgent keys.
pub const URGENCY: [Condition; 8] = Condition::BY_URGENCY;

/// Which list it is.
pub fn scope(scope: &ScopeRow) -> String {
    list(scope.kind, &scope.scope_id, scope.scope_name.as_deref())
}

/// Which list it is: of that kind, and of the project or member with that id and name.
pub fn list(kind: ScopeKind, id: &str, name: Option<&str>) -> String {
    let what = match kind {
        ScopeKind::Project => "keys of project",
        ScopeKind::Member => "keys of member",
        ScopeKind::Organization => "keys of the organisation",
        ScopeKind::ServiceTokens => "service tokens",
        ScopeKind::Admin => "admin keys",
        ScopeKind::People => "people",
        ScopeKind::Projects => "projects",
    };
    match (name, id) {
        (_, "") => what.to_owned(),
        (None, id) => format!("{what} {id}"),
        (Some(name), _) => format!("{what} {name}"),
    }
}

/// Why a list is not read completely.
pub fn unseen(scope: &ScopeRow) -> String {
    let reason = scope.reason.as_deref().map(spaced);
    let said = match (reason, &scope.detail) {
        (Some(reason), Some(detail)) if spaced(detail) == reason => reason,
        (Some(reason), Some(detail)) => format!("{reason}: {detail}"),
        (Some(reason), None) => reason,
        (None, Some(detail)) => detail.clone(),
        (None, None) => String::new(),
    };
    match (scope.state, said.is_empty()) {
        (ScopeState::Never, true) => "its turn has not come yet".to_owned(),
        (ScopeState::Held, true) => "too much changed at once; a person has to look".to_owned(),
        (_, true) => "no reason was stored".to_owned(),
        (_, false) => said,
    }
}

/// What changed, after the key's name.
pub fn change(change: &ChangeRow) -> String {
    let what = match change.change {
        ChangeKind::Appeared => "appeared",
        ChangeKind::BecameMissing => "is missing",
        ChangeKind::BecameGone => "is gone",
        ChangeKind::Returned => "returned",
        ChangeKind::BecameUnknown => "can no longer be seen",
        ChangeKind::BecameUnmanaged => "is no longer watched",
        ChangeKind::Renamed => "was renamed",
        ChangeKind::Moved => "moved",
        ChangeKind::OwnerChanged => "has another owner",
        ChangeKind::OwnerAccessChanged => "has an owner whose access changed",
        ChangeKind::ExpiryChanged => "has another expiry",
        ChangeKind::Disabled => "was disabled",
        ChangeKind::Enabled => "was enabled",
        ChangeKind::LastUseWentBack => "has an earlier last use than before",
        ChangeKind::Recreated => "was made anew under the same id",
    };
    what.to_owned()
}

/// From what to what, or why; empty where the change says it all.
pub fn change_detail(change: &ChangeRow) -> String {
    let (before, after) = (change.before.as_deref(), change.after.as_deref());
    match change.change {
        ChangeKind::BecameUnknown | ChangeKind::BecameUnmanaged => after.map(spaced).unwrap_or_default(),
        ChangeKind::Returned => before.map(|before| format!("was {}", spaced(before))).unwrap_or_default(),
        ChangeKind::Appeared
        | ChangeKind::BecameMissing
        | ChangeKind::BecameGone
        | ChangeKind::Disabled
        | ChangeKind::Enabled => String::new(),
        ChangeKind::Renamed
        | ChangeKind::Moved
        | ChangeKind::OwnerChanged
        | ChangeKind::OwnerAccessChanged
        | ChangeKind::ExpiryChanged
        | ChangeKind::LastUseWentBack
        | ChangeKind::Recreated => {
            format!("{} → {}", before.unwrap_or("not reported"), after.unwrap_or("not reported"))
        }
    }
}
