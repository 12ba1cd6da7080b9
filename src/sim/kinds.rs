//! Every kind of fault: its name, its argument, what it does. Help, parsing and tests come from this list.

use std::str::FromStr;

use super::Remote;
use super::braintrust::quirks::{self, Quirk};

/// What a fault does to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Effect {
    Status(u16),
    RateLimit {
        per_minute: u32,
        tells: RetryAfter,
    },
    Unauthorized,
    Forbidden,
    NotFound,
    /// A web page, with that status.
    Html(u16),
    /// 429 without a limit: whoever comes back may be let in.
    Busy(Later),
    Redirect {
        status: u16,
        to: String,
    },
    GzipBomb {
        mebibytes: u64,
    },
    Huge {
        mebibytes: u64,
    },
    DropConnection,
    Latency {
        ms: u64,
    },
    WrongOrganization,
    /// A Braintrust member makes a key before the answer.
    KeyMade,
    Rewrite(Rewrite),
    CutBody,
    CutJson,
    SlowDrip {
        ms: u64,
    },
    Gzip,
    ClockSkew {
        seconds: i64,
    },
    /// Something that only Braintrust's front can do.
    Quirk(Quirk),
}

/// What a refusal for haste says about when to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RetryAfter {
    Nothing,
    Seconds,
    Date,
}

/// What a refusal without a limit says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Later {
    /// The text as it is.
    Text(String),
    /// A second from now, as a date.
    Date,
}

/// What a fault does to the list in a good answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rewrite {
    NoHasMore,
    RepeatedCursor,
    RepeatedPage,
    EmptyPageHasMore,
    BadItem,
    DuplicateItem,
    DuplicateDiffers,
    Recreated,
    ShortList { percent: u64 },
    EmptyList,
    MissingField(String),
    SecretName,
    SecretFields,
    WrongOwner,
}

/// One kind of fault: its name, its argument, what it does. Help, parsing and tests all come from [`KINDS`].
#[derive(Debug)]
pub struct Kind {
    /// The word it is asked for by.
    pub name: &'static str,
    /// What its argument means, with the default; empty where it takes none.
    pub argument: &'static str,
    /// What it does; a sentence.
    pub about: &'static str,
    /// The only remotes that it makes sense for; empty where it does for all.
    pub only: &'static [Remote],
    pub(super) effect: fn(&str) -> Option<Effect>,
}

const fn kind(name: &'static str, argument: &'static str, about: &'static str, effect: fn(&str) -> Option<Effect>) -> Kind {
    Kind { name, argument, about, only: &[], effect }
}

const fn only(remotes: &'static [Remote], kind: Kind) -> Kind {
    Kind { only: remotes, ..kind }
}

/// The argument as a number, or the default where there is none.
fn number<T: FromStr>(argument: &str, default: T) -> Option<T> {
    if argument.is_empty() { Some(default) } else { argument.parse().ok() }
}

fn bare(argument: &str, effect: Effect) -> Option<Effect> {
    argument.is_empty().then_some(effect)
}

fn rate(argument: &str, tells: RetryAfter) -> Option<Effect> {
    number(argument, 8).filter(|n| *n > 0).map(|per_minute| Effect::RateLimit { per_minute, tells })
}

fn busy(argument: &str) -> Option<Effect> {
    Some(Effect::Busy(match argument {
        "" => Later::Text("1".to_owned()),
        "date" => Later::Date,
        text => Later::Text(text.to_owned()),
    }))
}

fn status(argument: &str) -> Option<Effect> {
    argument.parse().ok().filter(|status| (400..600).contains(status)).map(Effect::Status)
}

fn redirect(status: u16, argument: &str, usual: &str) -> Option<Effect> {
    Some(Effect::Redirect { status, to: if argument.is_empty() { usual } else { argument }.to_owned() })
}

fn quirk(argument: &str, quirk: Quirk) -> Option<Effect> {
    bare(argument, Effect::Quirk(quirk))
}

fn rewrite(argument: &str, rewrite: Rewrite) -> Option<Effect> {
    bare(argument, Effect::Rewrite(rewrite))
}

/// Every kind of fault.
pub static KINDS: &[Kind] = &[
    kind("http_500", "", "Answers 500 with an error body.", |a| bare(a, Effect::Status(500))),
    kind("http_503", "", "Answers 503 with an error body.", |a| bare(a, Effect::Status(503))),
    kind("status", "CODE from 400 to 599", "Answers that status with an error body.", status),
    kind(
        "rate_limit",
        "requests a minute, 8",
        "Answers 429 without Retry-After once an endpoint is asked more often; each endpoint by itself.",
        |a| rate(a, RetryAfter::Nothing),
    ),
    kind("rate_limit_seconds", "requests a minute, 8", "Like rate_limit, with Retry-After in seconds.", |a| {
        rate(a, RetryAfter::Seconds)
    }),
    kind("rate_limit_date", "requests a minute, 8", "Like rate_limit, with Retry-After as a date.", |a| {
        rate(a, RetryAfter::Date)
    }),
    kind(
        "busy",
        "seconds, date (a second from now) or any word; 1",
        "Answers 429 with that Retry-After; with 'to 1' once.",
        busy,
    ),
    kind("unauthorized", "", "Answers 401 as for a wrong credential.", |a| bare(a, Effect::Unauthorized)),
    kind("forbidden", "", "Answers 403 as for a missing permission.", |a| bare(a, Effect::Forbidden)),
    kind("not_found", "", "Answers 404.", |a| bare(a, Effect::NotFound)),
    kind("html_200", "", "Answers 200 with a web page, as a wrong base URL does.", |a| bare(a, Effect::Html(200))),
    kind("html_502", "", "Answers 502 with a web page, as a gateway does.", |a| bare(a, Effect::Html(502))),
    kind("redirect", "URL, /elsewhere", "Answers 302 to that address.", |a| redirect(302, a, "/elsewhere")),
    kind("gzip_bomb", "MiB, 256", "Answers 200 with a small compressed body that inflates to that much.", |a| {
        number(a, 256).filter(|n| (1..=1 << 14).contains(n)).map(|mebibytes| Effect::GzipBomb { mebibytes })
    }),
    kind("huge", "MiB, 256", "Answers 200 with a list of one element of that size.", |a| {
        number(a, 256).filter(|n| (1..=1 << 14).contains(n)).map(|mebibytes| Effect::Huge { mebibytes })
    }),
    kind("drop_connection", "", "Closes the connection without an answer.", |a| bare(a, Effect::DropConnection)),
    kind("latency", "ms, 100", "Waits before it answers.", |a| number(a, 100).map(|ms| Effect::Latency { ms })),
    kind("wrong_org", "", "Answers for another organisation than the one that was asked for.", |a| {
        bare(a, Effect::WrongOrganization)
    }),
    only(&[Remote::OpenAi], kind("no_has_more", "", "Leaves has_more out.", |a| rewrite(a, Rewrite::NoHasMore))),
    only(
        &[Remote::OpenAi],
        kind("repeated_cursor", "", "Ends every page with the id that it was asked to start after, and promises more.", |a| {
            rewrite(a, Rewrite::RepeatedCursor)
        }),
    ),
    only(
        &[Remote::OpenAi, Remote::Braintrust],
        kind("repeated_page", "", "Answers with the first page whatever the cursor is, and promises more.", |a| {
            rewrite(a, Rewrite::RepeatedPage)
        }),
    ),
    only(
        &[Remote::OpenAi],
        kind("empty_page_has_more", "", "Answers with an empty page that promises more.", |a| {
            rewrite(a, Rewrite::EmptyPageHasMore)
        }),
    ),
    kind("bad_item", "", "Puts one malformed element among the good ones.", |a| rewrite(a, Rewrite::BadItem)),
    kind("duplicate_item", "", "Lists the first element of each answer twice.", |a| rewrite(a, Rewrite::DuplicateItem)),
    kind("duplicate_differs", "", "Lists the first element of each answer twice, the second time with another name.", |a| {
        rewrite(a, Rewrite::DuplicateDiffers)
    }),
    kind("recreated", "", "Says of the first element of each answer that it was made a day later.", |a| {
        rewrite(a, Rewrite::Recreated)
    }),
    kind(
        "short_list",
        "percent, 20",
        "Leaves that many of the elements out, in each walk the same; never the last of a page.",
        |a| number(a, 20).filter(|n| (1..=100).contains(n)).map(|percent| Effect::Rewrite(Rewrite::ShortList { percent })),
    ),
    kind("empty_list", "", "Answers with an empty list that ends there.", |a| rewrite(a, Rewrite::EmptyList)),
    kind("missing_field", "FIELD", "Leaves that field out of every element.", |a| {
        (!a.is_empty()).then(|| Effect::Rewrite(Rewrite::MissingField(a.to_owned())))
    }),
    kind("secret_name", "", "Gives the first element of each answer a name that holds a secret.", |a| {
        rewrite(a, Rewrite::SecretName)
    }),
    kind(
        "secret_fields",
        "",
        "Puts secrets into fields that nobody asked for, in every object at every depth, and into what refusals say.",
        |a| rewrite(a, Rewrite::SecretFields),
    ),
    kind("cut_body", "", "Closes the connection in the middle of the body.", |a| bare(a, Effect::CutBody)),
    kind("cut_json", "", "Answers with half of the body and a content-length to match.", |a| bare(a, Effect::CutJson)),
    kind("slow_drip", "ms, 100", "Sends the body in pieces of 16 bytes with that pause between them.", |a| {
        number(a, 100).map(|ms| Effect::SlowDrip { ms })
    }),
    kind("gzip", "", "Compresses the body where the client accepts that. No fault, but not every remote does it.", |a| {
        bare(a, Effect::Gzip)
    }),
    kind("clock_skew", "seconds, 7200", "Adds that much to the Date of answers.", |a| {
        number(a, 7200).map(|seconds| Effect::ClockSkew { seconds })
    }),
    only(
        &[Remote::Braintrust],
        kind(
            "header_dropped",
            "",
            "Ignores x-bt-impersonate-user: the caller's keys for everybody. It shows where that header is sent, such as with \
             listing = header. With 'every K' one node of many does; with 'on /api/self/me' only that route.",
            |a| quirk(a, Quirk::HeaderDropped),
        ),
    ),
    only(
        &[Remote::Braintrust],
        kind("header_dropped_empty", "", "Ignores the header, and lists no keys where it was sent.", |a| {
            quirk(a, Quirk::HeaderDroppedEmpty)
        }),
    ),
    only(
        &[Remote::Braintrust],
        kind(
            "impersonation_refused",
            "",
            "Answers 403 to the header and to the token exchange, whoever is meant: the owner's role was not granted directly.",
            |a| quirk(a, Quirk::ImpersonationRefused),
        ),
    ),
    only(
        &[Remote::Braintrust],
        kind(
            "organization_list",
            "missing (404), empty or without_caller; missing",
            "Spoils the list of all keys: it does not exist, is empty as for somebody who owns nothing, or lacks the caller's keys.",
            |a| quirks::organization_list(a).map(Effect::Quirk),
        ),
    ),
    only(
        &[Remote::Braintrust],
        kind(
            "token_exchange",
            "FIELD, FIELD.FIELD, bare, text or html; token",
            "Lets POST /v1/impersonate exist: the token stands in that field, is the whole JSON string or the text, \
             or a web page comes.",
            |a| quirks::token_exchange(a).map(Effect::Quirk),
        ),
    ),
    only(
        &[Remote::Braintrust],
        kind("token_of_caller", "", "Gives the caller's own token at that exchange, whoever is meant.", |a| {
            quirk(a, Quirk::TokenOfCaller)
        }),
    ),
    only(
        &[Remote::Braintrust],
        kind("key_made", "", "Some member makes a key before the answer, as happens between two pages.", |a| {
            bare(a, Effect::KeyMade)
        }),
    ),
    only(
        &[Remote::Braintrust],
        kind("self_by_get", "", "Answers 405 to POST /api/self/me; GET works.", |a| quirk(a, Quirk::SelfByGet)),
    ),
    only(
        &[Remote::Braintrust],
        kind("page_cap", "elements, 7", "Gives no more than that on a page, whatever limit was asked for.", |a| {
            number(a, 7).filter(|n| *n > 0).map(|elements| Effect::Quirk(Quirk::PageCap(elements)))
        }),
    ),
    only(
        &[Remote::Braintrust],
        kind("overlapping_pages", "", "Begins each page with the element that it was asked to start after.", |a| {
            quirk(a, Quirk::OverlappingPages)
        }),
    ),
    only(
        &[Remote::Braintrust],
        kind("wrong_owner", "", "Says of one key of each answer that it belongs to somebody unknown.", |a| {
            rewrite(a, Rewrite::WrongOwner)
        }),
    ),
    only(
        &[Remote::Braintrust],
        kind(
            "signed_url",
            "URL, http://127.0.0.1:9/spill",
            "Answers 303 to a signed address elsewhere, as for large answers.",
            |a| redirect(303, a, "http://127.0.0.1:9/spill?X-Amz-Signature=0f3c9a"),
        ),
    ),
];
