//! What one poll must make of each fault of the simulators, at each provider.

use keymuster::domain::Reason;
use keymuster::sim::Remote;

use crate::member_outcomes;
use crate::support::{BRAINTRUST, DEN, OPENAI, PROJECT_KEYS};

/// A remote, and how its keys are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Front {
    OpenAi,
    Den,
    /// With that word for `listing`.
    Braintrust(&'static str),
}

impl Front {
    pub const fn remote(self) -> Remote {
        match self {
            Self::OpenAi => Remote::OpenAi,
            Self::Den => Remote::Den,
            Self::Braintrust(_) => Remote::Braintrust,
        }
    }

    pub const fn account(self) -> &'static str {
        match self {
            Self::OpenAi => OPENAI,
            Self::Den => DEN,
            Self::Braintrust(_) => BRAINTRUST,
        }
    }
}

/// Where a fault happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// To every request.
    Everywhere,
    /// To the lists of keys alone: of every project, of every member, or an organisation's only one.
    Keys,
    /// To one list alone, which is one request: OpenAI's of admin keys, Braintrust's of service tokens.
    One,
}

impl Place {
    /// The end of a fault's text.
    pub fn on(self, front: Front) -> String {
        let path = match (self, front) {
            (Self::Everywhere, _) => return String::new(),
            (Self::Keys, Front::OpenAi) => PROJECT_KEYS,
            (Self::Keys, Front::Den) => "/v1/api-keys",
            (Self::Keys, Front::Braintrust("header" | "token")) => "/v1/api_key",
            (Self::Keys, Front::Braintrust(_)) => "/v1/organization/api_keys",
            (Self::One, Front::Braintrust(_)) => "/v1/service_token",
            (Self::One, Front::OpenAi | Front::Den) => "/organization/admin_api_keys",
        };
        format!(" on {path}")
    }

    /// The scopes that cannot be complete then; for faults that hit everything, those that nothing else hangs on.
    pub const fn scopes(self, front: Front) -> Option<&'static str> {
        match (self, front) {
            (Self::Everywhere, _) => None,
            (Self::Keys, Front::OpenAi) => Some("kind = 'project' AND state <> 'closed'"),
            (Self::Keys, Front::Den) => Some("kind = 'organization'"),
            // A way that does not do is left, and its scopes are retired.
            (Self::Keys, Front::Braintrust(_)) => Some("kind IN ('organization', 'member') AND state <> 'retired'"),
            (Self::One, Front::Braintrust(_)) => Some("kind = 'service_tokens'"),
            (Self::One, Front::OpenAi | Front::Den) => Some("kind = 'admin'"),
        }
    }
}

/// How the poll ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// As if nothing were wrong.
    Harmless,
    /// All is read and believed: there are changes of that sort and no others.
    Told(&'static str),
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

pub const fn trial(place: Place, outcome: Outcome) -> Trial {
    Trial { argument: "", place, outcome, before: 0 }
}

/// The same, wherever it happens.
pub fn both(argument: &'static str, outcome: Outcome) -> Vec<Trial> {
    [Place::Everywhere, Place::Keys].map(|place| Trial { argument, ..trial(place, outcome) }).to_vec()
}

pub fn incomplete(argument: &'static str, reason: Reason) -> Vec<Trial> {
    both(argument, Outcome::Incomplete(reason))
}

/// Refused at the second request of a minute, which is that of the second poll.
fn limited(front: Front) -> Vec<Trial> {
    let place = if front == Front::Den { Place::Keys } else { Place::One };
    vec![Trial { argument: ":1", before: 1, ..trial(place, Outcome::Incomplete(Reason::RateLimited)) }]
}

/// Where one request is refused, others of that endpoint wait for their turn; so it is tried at a list that is one request.
fn busy(front: Front) -> Vec<Trial> {
    let place = if front == Front::Den { Place::Keys } else { Place::One };
    [":1", ":soon"].map(|argument| Trial { argument, ..trial(place, Outcome::Incomplete(Reason::RateLimited)) }).to_vec()
}

/// What is expected of a fault; fails for faults that nobody thought about.
pub fn expected(kind: &str, front: Front) -> Vec<Trial> {
    use Outcome::{Harmless, Held, Incomplete, Told};
    use Place::{Everywhere, Keys};
    if let Front::Braintrust(listing) = front
        && let Some(trials) = member_outcomes::expected(kind, listing)
    {
        return trials;
    }
    match kind {
        "http_500" | "http_503" => incomplete("", Reason::Server),
        "status" => [
            incomplete(":418", Reason::UnexpectedStatus),
            incomplete(":408", Reason::Timeout),
            incomplete(":502", Reason::Server),
        ]
        .concat(),
        "rate_limit" | "rate_limit_seconds" | "rate_limit_date" => limited(front),
        "busy" => busy(front),
        "unauthorized" => incomplete("", Reason::Auth),
        "forbidden" => incomplete("", Reason::Forbidden),
        "not_found" => incomplete("", Reason::NotFound),
        "html_200" => incomplete("", Reason::NotJson),
        "html_502" => incomplete("", Reason::Server),
        "redirect" => incomplete("", Reason::RedirectRefused),
        "gzip_bomb" => incomplete(":8", Reason::TooLarge),
        "huge" => incomplete(":8", Reason::TooLarge),
        "drop_connection" => incomplete("", Reason::Network),
        "latency" => [both(":50", Harmless), incomplete(":600000", Reason::Timeout)].concat(),
        "wrong_org" => match front {
            // A project of theirs is none of the neighbour's.
            Front::OpenAi => {
                vec![trial(Everywhere, Incomplete(Reason::OrganizationChanged)), trial(Keys, Incomplete(Reason::NotFound))]
            }
            // A list of keys names no organisation: where the question before it was answered rightly, it is believed, as far
            // as the guard lets it.
            Front::Den | Front::Braintrust(_) => {
                vec![trial(Everywhere, Incomplete(Reason::AttributionMismatch)), trial(Keys, Held)]
            }
        },
        "no_has_more" => incomplete("", Reason::Malformed),
        "repeated_cursor" | "repeated_page" => incomplete("", Reason::RepeatedPage),
        "empty_page_has_more" => incomplete("", Reason::Contradiction),
        "bad_item" => incomplete("", Reason::ItemRefused),
        "duplicate_item" => both("", Harmless),
        "duplicate_differs" => incomplete("", Reason::InconsistentDuplicate),
        "recreated" => both("", Told("recreated")),
        "short_list" => vec![Trial { argument: ":80", ..trial(Keys, Held) }],
        "empty_list" => match front {
            Front::OpenAi => vec![trial(Everywhere, Incomplete(Reason::OrganizationUnconfirmed)), trial(Keys, Held)],
            Front::Den | Front::Braintrust(_) => both("", Held),
        },
        "missing_field" => incomplete(":id", Reason::ItemRefused),
        "secret_name" => vec![trial(Keys, Told("renamed"))],
        "secret_fields" => both("", Harmless),
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
