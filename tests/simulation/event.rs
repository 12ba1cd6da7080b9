//! What can happen in a story, and how people write it: one event a line, seconds since the start first.

use std::fmt;
use std::str::FromStr;

use keymuster::sim::{Fault, Happening, Remote, Size};

use crate::site::{LARGE, SMALL, TINY};

/// One thing that happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// An account is due.
    Poll(Remote),
    /// Something happens in the organisation, to the one that the number picks.
    Life(Happening, u64),
    /// A fault begins.
    Fault(String),
    /// It is over.
    Healed(String),
    /// The daemon's wall clock is set.
    Jump(i64),
    /// The machine sleeps.
    Suspend(u64),
    /// The daemon dies, in the middle of whatever it does, and is started again.
    Kill,
    /// The machine dies and starts again.
    Reboot,
    /// The daemon is told to stop, and is started again.
    Stop,
    /// A reload without the account.
    Remove(Remote),
    /// A reload with it.
    Add(Remote),
    /// A reload with another policy.
    Policy(usize),
    /// A person acknowledges what is held of an account, and no changed organisation.
    Ack(Remote),
    /// Somebody starts a second daemon.
    Second,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Poll(account) => write!(f, "poll {account}"),
            Self::Life(what, pick) => write!(f, "life {what} {pick}"),
            Self::Fault(fault) => write!(f, "fault {fault}"),
            Self::Healed(fault) => write!(f, "healed {fault}"),
            Self::Jump(seconds) => write!(f, "jump {seconds}"),
            Self::Suspend(seconds) => write!(f, "suspend {seconds}"),
            Self::Kill => write!(f, "kill"),
            Self::Reboot => write!(f, "reboot"),
            Self::Stop => write!(f, "stop"),
            Self::Remove(account) => write!(f, "remove {account}"),
            Self::Add(account) => write!(f, "add {account}"),
            Self::Policy(number) => write!(f, "policy {number}"),
            Self::Ack(account) => write!(f, "ack {account}"),
            Self::Second => write!(f, "second"),
        }
    }
}

impl FromStr for Event {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (word, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        let number = || rest.parse::<i64>().map_err(|why| format!("'{text}': {why}"));
        let fault = || rest.parse::<Fault>().map(|_| rest.to_owned());
        Ok(match word {
            "poll" => Self::Poll(rest.parse()?),
            "life" => {
                let (what, pick) = rest.split_once(' ').ok_or_else(|| format!("'{text}' picks nobody"))?;
                Self::Life(what.parse()?, pick.parse().map_err(|why| format!("'{text}': {why}"))?)
            }
            "fault" => Self::Fault(fault()?),
            "healed" => Self::Healed(fault()?),
            "jump" => Self::Jump(number()?),
            "suspend" => Self::Suspend(number()?.unsigned_abs()),
            "kill" => Self::Kill,
            "reboot" => Self::Reboot,
            "stop" => Self::Stop,
            "remove" => Self::Remove(rest.parse()?),
            "add" => Self::Add(rest.parse()?),
            "policy" => Self::Policy(usize::try_from(number()?).map_err(|why| why.to_string())?),
            "ack" => Self::Ack(rest.parse()?),
            "second" => Self::Second,
            _ => return Err(format!("'{text}' is no event")),
        })
    }
}

/// How much a world holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    Tiny,
    Small,
    Large,
}

impl Amount {
    const ALL: [Self; 3] = [Self::Tiny, Self::Small, Self::Large];

    pub const fn size(self) -> Size {
        match self {
            Self::Tiny => TINY,
            Self::Small => SMALL,
            Self::Large => LARGE,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Tiny => "tiny",
            Self::Small => "small",
            Self::Large => "large",
        }
    }
}

/// A world, how it is polled, and what happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Story {
    /// The world's seed.
    pub world: u64,
    /// How much it holds.
    pub amount: Amount,
    /// How Braintrust's keys are listed.
    pub listing: String,
    /// The `poll_deadline` of OpenAI, in seconds.
    pub deadline: u64,
    /// What is wrong with the remotes all the time, and is no fault: how large their pages are, what they can do.
    pub nature: Vec<String>,
    /// What happens, by seconds since the start.
    pub events: Vec<(u64, Event)>,
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { world, amount, listing, deadline, nature: _, events: _ } = self;
        writeln!(f, "world {world}\namount {}\nlisting {listing}\ndeadline {deadline}", amount.as_str())?;
        self.nature.iter().try_for_each(|fault| writeln!(f, "nature {fault}"))?;
        self.events.iter().try_for_each(|(at, event)| writeln!(f, "{at} {event}"))
    }
}

impl FromStr for Story {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut story = Self {
            world: 1,
            amount: Amount::Small,
            listing: "auto".into(),
            deadline: 600,
            nature: Vec::new(),
            events: Vec::new(),
        };
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (word, rest) = line.split_once(' ').ok_or_else(|| format!("'{line}' is too short"))?;
            let number = |text: &str| text.parse::<u64>().map_err(|why| format!("'{line}': {why}"));
            match word {
                "world" => story.world = number(rest)?,
                "amount" => {
                    let known = Amount::ALL.into_iter().find(|amount| amount.as_str() == rest);
                    story.amount = known.ok_or_else(|| format!("'{rest}' is no amount"))?;
                }
                "listing" => story.listing = rest.to_owned(),
                "deadline" => story.deadline = number(rest)?,
                "nature" => story.nature.push(rest.to_owned()),
                at => story.events.push((number(at)?, rest.parse()?)),
            }
        }
        story.events.sort_by_key(|(at, _)| *at);
        Ok(story)
    }
}

#[test]
fn stories_can_be_written_and_read() {
    for seed in 0..20 {
        let story = crate::month::of(seed);
        assert_eq!(story.to_string().parse(), Ok(story));
    }
}
