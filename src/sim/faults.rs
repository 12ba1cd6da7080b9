//! What can go wrong with a remote: a closed list of named faults, and how people write them.
//!
//! `NAME[:PROVIDER][:ARGUMENT] [on PATH] [from N] [to M] [every K]`, as in `rate_limit:openai:8` or
//! `http_500 on /organization/projects from 2 to 3`.

use std::fmt;
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
    Html,
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

/// What a fault does to the list in a good answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rewrite {
    NoHasMore,
    RepeatedCursor,
    RepeatedPage,
    EmptyPageHasMore,
    BadItem,
    DuplicateItem,
    ShortList { percent: u64 },
    EmptyList,
    MissingField(String),
    SecretName,
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
    effect: fn(&str) -> Option<Effect>,
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
    kind("unauthorized", "", "Answers 401 as for a wrong credential.", |a| bare(a, Effect::Unauthorized)),
    kind("forbidden", "", "Answers 403 as for a missing permission.", |a| bare(a, Effect::Forbidden)),
    kind("not_found", "", "Answers 404.", |a| bare(a, Effect::NotFound)),
    kind("html_200", "", "Answers 200 with a web page, as a wrong base URL does.", |a| bare(a, Effect::Html)),
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
            "Ignores x-bt-impersonate-user: the caller's keys for everybody. With 'every K' one node of many does; \
             with 'on /api/self/me' only that route.",
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

/// A fault: what goes wrong, where, and at which requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub(super) effect: Effect,
    /// Where it can happen.
    pub(super) providers: &'static [Remote],
    /// A path below the base URL or its template; `None` is every path.
    pub(super) path: Option<String>,
    /// The first and the last request that it happens to, counted from 1 among those it fits.
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) every: u64,
    text: String,
}

impl Fault {
    /// Reads faults, one a line; empty lines and lines that begin with `#` are skipped.
    ///
    /// # Errors
    /// The first line that is no fault, and why.
    pub fn parse_all(text: &str) -> Result<Vec<Self>, String> {
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::parse).collect()
    }

    /// It can happen to a request for that path, which has that template.
    pub(super) fn fits(&self, provider: Remote, path: &str, template: &str) -> bool {
        self.providers.contains(&provider) && self.path.as_deref().is_none_or(|p| p == path || p == template)
    }

    /// It happens to the n-th request that it fits.
    pub(super) const fn happens_at(&self, nth: u64) -> bool {
        nth >= self.from && nth <= self.to && (nth - self.from).is_multiple_of(self.every)
    }
}

/// The list of faults for people, one a line.
pub fn help() -> String {
    let mut text = String::from(
        "NAME[:PROVIDER][:ARGUMENT] [on PATH] [from N] [to M] [every K]\n\
         PATH is a path or template below the base URL; N, M and K count the requests that fit.\n",
    );
    for kind in KINDS {
        let argument = if kind.argument.is_empty() { String::new() } else { format!(" (argument: {})", kind.argument) };
        let only: Vec<&str> = kind.only.iter().map(|remote| remote.as_str()).collect();
        let only = if only.is_empty() { String::new() } else { format!(" Only {}.", only.join(" and ")) };
        text.push_str(&format!("  {:<20} {}{only}{argument}\n", kind.name, kind.about));
    }
    text
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace();
        let what = words.next().ok_or("an empty fault")?;
        let (name, rest) = what.split_once(':').unwrap_or((what, ""));
        let kind = KINDS.iter().find(|kind| kind.name == name).ok_or_else(|| {
            let known: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
            format!("'{name}' is no fault; there are {}", known.join(", "))
        })?;
        let (first, after) = rest.split_once(':').unwrap_or((rest, ""));
        let able = if kind.only.is_empty() { Remote::ALL } else { kind.only };
        let (providers, argument) = match first.parse::<Remote>() {
            Ok(provider) => {
                let chosen = able.iter().position(|remote| *remote == provider).and_then(|at| able.get(at..=at));
                (chosen.ok_or_else(|| format!("'{name}' makes no sense for that provider"))?, after)
            }
            Err(_) => (able, rest),
        };
        let effect = (kind.effect)(argument).ok_or_else(|| {
            let takes = if kind.argument.is_empty() { "takes no argument" } else { kind.argument };
            format!("'{name}' cannot have the argument '{argument}': {takes}")
        })?;
        let mut fault = Self { effect, providers, path: None, from: 1, to: u64::MAX, every: 1, text: text.trim().to_owned() };
        while let Some(word) = words.next() {
            let value = words.next().ok_or_else(|| format!("nothing follows '{word}' in '{text}'"))?;
            let count = || value.parse().ok().filter(|n| *n > 0).ok_or_else(|| format!("'{value}' is no count of requests"));
            match word {
                "on" => fault.path = Some(value.to_owned()),
                "from" => fault.from = count()?,
                "to" => fault.to = count()?,
                "every" => fault.every = count()?,
                _ => return Err(format!("'{word}' in '{text}' is none of on, from, to, every")),
            }
        }
        Ok(fault)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read() {
        let fault: Fault = "rate_limit:openai:6 on /organization/users from 2 to 5 every 3".parse().unwrap();
        assert_eq!(fault.effect, Effect::RateLimit { per_minute: 6, tells: RetryAfter::Nothing });
        assert_eq!((fault.providers, fault.path.as_deref()), (&[Remote::OpenAi][..], Some("/organization/users")));
        let happens: Vec<u64> = (1..9).filter(|n| fault.happens_at(*n)).collect();
        assert_eq!(happens, [2, 5]);
        let fault: Fault = "redirect:http://127.0.0.1:9/x".parse().unwrap();
        let effect = Effect::Redirect { status: 302, to: "http://127.0.0.1:9/x".into() };
        assert_eq!((fault.providers, fault.effect), (Remote::ALL, effect));
        assert_eq!(Fault::parse_all("# none\n\nhttp_500\nlatency:den\n").unwrap().len(), 2);
        let providers = |text: &str| text.parse::<Fault>().unwrap().providers;
        assert_eq!(providers("no_has_more"), [Remote::OpenAi]);
        assert_eq!(providers("repeated_page"), [Remote::OpenAi, Remote::Braintrust]);
        assert_eq!(providers("repeated_page:braintrust"), [Remote::Braintrust]);
    }

    #[test]
    fn what_is_no_fault_is_refused() {
        for bad in [
            "",
            "http_501",
            "http_500:3",
            "http_500:nobody",
            "status",
            "status:200",
            "no_has_more:den",
            "repeated_page:den",
            "organization_list:full",
            "token_exchange:a b",
            "token_exchange:.",
            "page_cap:0",
            "latency:x",
            "http_500 on",
            "http_500 from 0",
            "http_500 until 3",
            "rate_limit:0",
            "short_list:101",
        ] {
            assert!(bad.parse::<Fault>().is_err(), "{bad}");
        }
    }

    #[test]
    fn every_kind_is_in_the_help_and_can_be_asked_for() {
        let help = help();
        for kind in KINDS {
            assert!(help.contains(kind.name) && help.contains(kind.about), "{}", kind.name);
            let argument = match kind.name {
                "status" => ":502",
                "missing_field" => ":id",
                _ => "",
            };
            assert!(format!("{}{argument}", kind.name).parse::<Fault>().is_ok(), "{}", kind.name);
        }
    }
}
