//! When the account's own credential expires, as far as anybody says.

use super::Findings;
use super::ask::Asked;
use crate::config::AccountConfig;
use crate::domain::{Moment, Time};

/// Whoever is told so late has little time left.
const SOON: i64 = 7 * 86_400;

/// Tells when it expires: what the provider says goes before what somebody wrote down.
pub(super) fn tell(
    what: &str,
    account: &AccountConfig,
    asked: &Asked,
    now: Time,
    findings: &mut Findings,
) -> std::io::Result<()> {
    let written = account.credential_expires;
    let mut own = asked.own.values();
    let listed = match (own.next(), own.next()) {
        (Some(only), None) => Some(*only),
        (None, _) | (Some(_), Some(_)) => None,
    };
    if let Some(until) = asked.known.credential_expires {
        // A schedule without another run polls never again.
        let in_time = account.schedule.next_after(now).is_some_and(|next| next < until);
        if !in_time {
            let text = format!(
                "its session expires at {until}, and the schedule has no poll before that, which would put it off; poll at least every day"
            );
            return findings.warning(what, &text);
        }
        return findings.good(what, &format!("its session expires at {until}, which any poll in its last days puts off"));
    }
    match (listed, written) {
        (Some(Moment::At(at)), Some(written)) if at != written => {
            let text = format!(
                "the provider says that its credential expires at {at}, and credential_expires {written}; correct that, or leave it out"
            );
            findings.warning(what, &text)
        }
        (Some(Moment::At(at)), _) => dated(what, at, "as the provider says", now, findings),
        (_, Some(written)) => dated(what, written, "as credential_expires says", now, findings),
        (Some(Moment::Never), None) => findings.good(what, "its credential never expires, as the provider says"),
        (Some(Moment::NotReported) | None, None) => {
            let several = asked.own.len();
            let why = if several > 1 { format!(": {several} listed keys have its mask") } else { String::new() };
            findings.warning(what, &format!("nobody can say when this credential expires{why}; set credential_expires"))
        }
    }
}

fn dated(what: &str, at: Time, who: &str, now: Time, findings: &mut Findings) -> std::io::Result<()> {
    let left = at.since(now);
    if left <= 0 {
        findings.warning(what, &format!("its credential expired at {at}, {who}; replace it, and correct credential_expires"))
    } else if left <= SOON {
        findings.warning(what, &format!("its credential expires at {at}, {who}: within a week; make a new one, and reload"))
    } else {
        findings.good(what, &format!("its credential expires at {at}, {who}"))
    }
}
