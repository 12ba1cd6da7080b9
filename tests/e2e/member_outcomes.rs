//! What one poll must make of faults at Braintrust, where that hangs on how its keys are listed.

use keymuster::domain::Reason;

use crate::outcomes::Outcome::{self, Harmless, Held, Incomplete, Told};
use crate::outcomes::Place::{Everywhere, Keys, One};
use crate::outcomes::{Trial, both, incomplete, trial};

fn everywhere(argument: &'static str, outcome: Outcome) -> Trial {
    Trial { argument, ..trial(Everywhere, outcome) }
}

fn keys(argument: &'static str, outcome: Outcome) -> Trial {
    Trial { argument, ..trial(Keys, outcome) }
}

/// What is expected of a fault under that listing; `None` where it is as everywhere.
pub fn expected(kind: &str, listing: &str) -> Option<Vec<Trial>> {
    let in_members_names = matches!(listing, "header" | "token");
    // What shows that the organisation's list does not do makes `auto` go the next way, which does.
    let list_does_not_do = |reason| if listing == "auto" { Harmless } else { Incomplete(reason) };
    let of_list = |reason| if in_members_names { Harmless } else { list_does_not_do(reason) };
    Some(match kind {
        "rate_limit" | "rate_limit_seconds" | "rate_limit_date" => {
            // Each list is asked until a page is empty: twice a poll.
            vec![Trial { argument: ":2", before: 1, ..trial(One, Incomplete(Reason::RateLimited)) }]
        }
        // Where the members' own lists are refused, the caller's is too, and there are two reasons: the scenarios have those.
        "forbidden" if in_members_names => vec![everywhere("", Incomplete(Reason::Forbidden))],
        "not_found" if in_members_names => vec![everywhere("", Incomplete(Reason::NotFound))],
        "forbidden" => vec![everywhere("", Incomplete(Reason::Forbidden)), keys("", of_list(Reason::Forbidden))],
        "not_found" => vec![everywhere("", Incomplete(Reason::NotFound)), keys("", of_list(Reason::NotFound))],
        // The organisation of that name is not among those that are seen.
        "wrong_org" | "empty_list" => {
            let mut trials = vec![everywhere("", Incomplete(Reason::Forbidden))];
            trials.push(match (listing, kind) {
                // Nobody's list shows a key, not even the caller's, who asks with one.
                ("header" | "token", _) => keys("", Incomplete(Reason::AttributionUnproven)),
                (_, "wrong_org") => keys("", list_does_not_do(Reason::AttributionMismatch)),
                (_, _) => keys("", list_does_not_do(Reason::AttributionUnproven)),
            });
            trials
        }
        // The page after the last holds nothing else, and so no cursor; lists that are read whole are no elements.
        "bad_item" => incomplete("", Reason::Malformed),
        "missing_field" => incomplete(":id", Reason::Malformed),
        "short_list" => vec![keys(
            ":80",
            match listing {
                // What each list lacks answers by its id.
                "header" => Incomplete(Reason::AttributionUnproven),
                // No token that is got in exchange opens that route.
                "token" => Held,
                _ => list_does_not_do(Reason::AttributionUnproven),
            },
        )],
        // Nobody but the organisation's list says whose its keys are.
        "wrong_owner" => {
            if in_members_names {
                incomplete("", Reason::AttributionMismatch)
            } else {
                vec![keys("", Told("owner_changed"))]
            }
        }
        "header_dropped" => {
            vec![everywhere("", if listing == "header" { Incomplete(Reason::AttributionMismatch) } else { Harmless })]
        }
        "header_dropped_empty" => {
            vec![everywhere("", if listing == "header" { Incomplete(Reason::AttributionUnproven) } else { Harmless })]
        }
        "impersonation_refused" => {
            let outcome = if in_members_names { Incomplete(Reason::ImpersonationNotPermitted) } else { Harmless };
            vec![everywhere("", outcome)]
        }
        "organization_list" => vec![
            everywhere(":missing", of_list(Reason::NotFound)),
            everywhere(":empty", of_list(Reason::AttributionUnproven)),
            everywhere(":without_caller", of_list(Reason::AttributionUnproven)),
        ],
        "token_exchange" => {
            let unread = |reason| if listing == "token" { Incomplete(reason) } else { Harmless };
            // Where else the token may stand, the scenarios have.
            vec![
                everywhere(":token", Harmless),
                everywhere(":html", unread(Reason::Malformed)),
                everywhere(":nowhere.known", unread(Reason::Malformed)),
            ]
        }
        "token_of_caller" => {
            let outcome = if listing == "token" { Incomplete(Reason::AttributionMismatch) } else { Harmless };
            vec![everywhere("", outcome)]
        }
        "key_made" => vec![everywhere("", Told("appeared"))],
        "self_by_get" => both("", Harmless),
        "page_cap" => both(":2", Harmless),
        "overlapping_pages" => both("", Harmless),
        "signed_url" => incomplete("", Reason::RedirectRefused),
        _ => return None,
    })
}
