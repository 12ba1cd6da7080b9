//! What can go wrong with a remote: a closed list of named faults, and how people write them.
//!
//! `NAME[:PROVIDER][:ARGUMENT] [on PATH] [from N] [to M] [every K]`, as in `rate_limit:openai:8` or
//! `http_500 on /organization/projects from 2 to 3`.

use std::fmt;
use std::str::FromStr;

use super::Remote;
use super::kinds::{Effect, KINDS};

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
    /// What its kind does; a sentence.
    pub about: &'static str,
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
        let mut fault = Self {
            effect,
            providers,
            path: None,
            from: 1,
            to: u64::MAX,
            every: 1,
            about: kind.about,
            text: text.trim().to_owned(),
        };
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
    use crate::sim::kinds::RetryAfter;

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
