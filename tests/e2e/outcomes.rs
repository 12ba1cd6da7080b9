//! What one poll must make of each fault of the simulators, at each provider.

use keymuster::domain::Reason;
use keymuster::sim::Remote;

use crate::support::PROJECT_KEYS;

/// Where a fault happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// To every request.
    Everywhere,
    /// To the lists of keys alone: of every project, or Den's only one.
    Keys,
    /// To OpenAI's list of admin keys alone, which is one request.
    AdminKeys,
}

impl Place {
    /// The end of a fault's text.
    pub fn on(self, remote: Remote) -> String {
        match (self, remote) {
            (Self::Everywhere, _) => String::new(),
            (Self::Keys, Remote::OpenAi) => format!(" on {PROJECT_KEYS}"),
            (Self::AdminKeys, _) => " on /organization/admin_api_keys".to_owned(),
            (Self::Keys, Remote::Den) => " on /v1/api-keys".to_owned(),
        }
    }

    /// The scopes that cannot be complete then; for faults that hit everything, those that nothing else hangs on.
    pub fn scopes(self, remote: Remote) -> Option<&'static str> {
        match (self, remote) {
            (Self::Everywhere, _) => None,
            (Self::Keys, Remote::OpenAi) => Some("kind = 'project' AND state <> 'closed'"),
            (Self::AdminKeys, _) => Some("kind = 'admin'"),
            (Self::Keys, Remote::Den) => Some("kind = 'organization'"),
        }
    }
}

/// How the poll ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// As if nothing were wrong.
    Harmless,
    /// All is read; names changed and nothing else.
    Renames,
    /// With exit code 69 and that reason.
    Incomplete(Reason),
    /// With exit code 69: the answers cannot be told from true ones, and too much is missing at once to be believed.
    Held,
}

/// One way to try a fault.
#[derive(Debug, Clone, Copy)]
pub struct Trial {
    pub argument: &'static str,
    pub place: Place,
    pub outcome: Outcome,
    /// How many polls the fault lets through.
    pub before: u32,
}

const fn trial(place: Place, outcome: Outcome) -> Trial {
    Trial { argument: "", place, outcome, before: 0 }
}

/// The same, wherever it happens.
fn both(argument: &'static str, outcome: Outcome) -> Vec<Trial> {
    [Place::Everywhere, Place::Keys].map(|place| Trial { argument, ..trial(place, outcome) }).to_vec()
}

fn incomplete(argument: &'static str, reason: Reason) -> Vec<Trial> {
    both(argument, Outcome::Incomplete(reason))
}

/// Refused at the second request of a minute, which is that of the second poll.
fn limited(remote: Remote) -> Vec<Trial> {
    let place = if remote == Remote::OpenAi { Place::AdminKeys } else { Place::Keys };
    vec![Trial { argument: ":1", before: 1, ..trial(place, Outcome::Incomplete(Reason::RateLimited)) }]
}

/// What is expected of a fault; fails for faults that nobody thought about.
pub fn expected(kind: &str, remote: Remote) -> Vec<Trial> {
    use Outcome::{Harmless, Held, Incomplete, Renames};
    use Place::{Everywhere, Keys};
    match kind {
        "http_500" | "http_503" => incomplete("", Reason::Server),
        "status" => [
            incomplete(":418", Reason::UnexpectedStatus),
            incomplete(":408", Reason::Timeout),
            incomplete(":502", Reason::Server),
        ]
        .concat(),
        "rate_limit" | "rate_limit_seconds" | "rate_limit_date" => limited(remote),
        "unauthorized" => incomplete("", Reason::Auth),
        "forbidden" => incomplete("", Reason::Forbidden),
        "not_found" => incomplete("", Reason::NotFound),
        "html_200" => incomplete("", Reason::NotJson),
        "redirect" => incomplete("", Reason::RedirectRefused),
        "gzip_bomb" => incomplete(":8", Reason::TooLarge),
        "huge" => incomplete(":8", Reason::TooLarge),
        "drop_connection" => incomplete("", Reason::Network),
        "latency" => [both(":50", Harmless), incomplete(":4000", Reason::Timeout)].concat(),
        "wrong_org" => match remote {
            // A project of theirs is none of the neighbour's.
            Remote::OpenAi => {
                vec![trial(Everywhere, Incomplete(Reason::OrganizationChanged)), trial(Keys, Incomplete(Reason::NotFound))]
            }
            // A list of keys names no organisation: where the question before it was answered rightly, it is believed, as far
            // as the guard lets it.
            Remote::Den => vec![trial(Everywhere, Incomplete(Reason::AttributionMismatch)), trial(Keys, Held)],
        },
        "no_has_more" => incomplete("", Reason::Malformed),
        "repeated_cursor" | "repeated_page" => incomplete("", Reason::RepeatedPage),
        "empty_page_has_more" => incomplete("", Reason::Contradiction),
        "bad_item" => incomplete("", Reason::ItemRefused),
        "duplicate_item" => both("", Harmless),
        "short_list" => vec![Trial { argument: ":80", ..trial(Keys, Held) }],
        "empty_list" => match remote {
            Remote::OpenAi => vec![trial(Everywhere, Incomplete(Reason::OrganizationChanged)), trial(Keys, Held)],
            Remote::Den => both("", Held),
        },
        "missing_field" => incomplete(":id", Reason::ItemRefused),
        "secret_name" => vec![trial(Keys, Renames)],
        "cut_body" => incomplete("", Reason::Network),
        "cut_json" => incomplete("", Reason::Malformed),
        "slow_drip" => incomplete("", Reason::Timeout),
        "gzip" => both("", Harmless),
        "clock_skew" => {
            [incomplete(":7200", Reason::ClockSkew), incomplete(":-7200", Reason::ClockSkew), both(":1800", Harmless)].concat()
        }
        other => panic!("nobody has written down what a poll makes of the fault {other}"),
    }
}
