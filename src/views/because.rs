//! Why a key is in a condition, will be, or will not: one sentence for the commands and the pages.

use crate::domain::{Condition, Moment, Time};
use crate::policy::{Claim, Fact, Not, Standing};

/// The sentence, without a point: `never used, made 2026-01-02; stale_after = 90d by policy rule 2`.
pub fn because(claim: &Claim) -> String {
    match claim.standing {
        Standing::From(_) => {
            let fact = fact(claim);
            limit(claim).map_or_else(|| fact.clone(), |limit| format!("{fact}; {limit}"))
        }
        Standing::Not(Not::Ignored) => format!("not claimed: ignored by {}", claim.ignored_by),
        Standing::Not(Not::Limitless) => limit(claim).unwrap_or_default(),
        Standing::Not(Not::NotReported) => match (claim.since, claim.condition) {
            (Fact::MadeAndUseUnknown(_), Condition::NeverUsed) => "the provider does not tell its use".to_owned(),
            (Fact::Made(_) | Fact::MadeAndNeverUsed(_) | Fact::MadeAndUseUnknown(_), _) => {
                "the provider does not tell when it was made".to_owned()
            }
            (Fact::Expiry(_), _) => "the provider does not tell whether it expires".to_owned(),
            (Fact::LastUse(_) | Fact::Enabled(_) | Fact::OwnerLost(_), _) => "the provider does not tell".to_owned(),
        },
        Standing::Not(Not::Untrue) => fact(claim),
        Standing::Not(Not::Own) => "keymuster itself signs in with it, so that its use says nothing".to_owned(),
        Standing::Not(Not::Disabled) => "it is disabled".to_owned(),
    }
}

fn fact(claim: &Claim) -> String {
    let made = |at: Option<Time>| {
        at.map_or_else(|| "made at a time that the provider does not tell".to_owned(), |at| format!("made {}", day(at)))
    };
    match claim.since {
        Fact::Made(at) => made(at),
        Fact::MadeAndNeverUsed(at) => format!("never used, {}", made(at)),
        Fact::MadeAndUseUnknown(at) => format!("its use is not reported, {}", made(at)),
        Fact::LastUse(at) => format!("last used {}", day(at)),
        Fact::Expiry(Moment::At(at)) => format!("its expiry is {}", day(at)),
        Fact::Expiry(Moment::Never) => "it never expires".to_owned(),
        Fact::Expiry(Moment::NotReported) => "its expiry is not reported".to_owned(),
        Fact::Enabled(true) => "it is not said to be disabled".to_owned(),
        Fact::Enabled(false) => "the provider says that it is disabled".to_owned(),
        Fact::OwnerLost(Some(_)) => "its owner has left or lost access".to_owned(),
        Fact::OwnerLost(None) => "its owner is not known to have left".to_owned(),
    }
}

fn limit(claim: &Claim) -> Option<String> {
    let name = match claim.condition {
        Condition::Stale => "stale_after",
        Condition::NeverUsed => "never_used_grace",
        Condition::Expiring => "expiring_within",
        Condition::Overdue => "max_age",
        Condition::Expired | Condition::NoExpiry | Condition::Disabled | Condition::Orphaned => return None,
    };
    claim.limit.map(|limit| format!("{name} = {} by {}", limit.value, limit.by))
}

/// The day of an instant, as UTC has it.
pub fn day(at: Time) -> String {
    at.to_string().chars().take(10).collect()
}
