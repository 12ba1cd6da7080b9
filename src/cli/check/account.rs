//! One account: its credential, what the provider lets that see, how long a poll takes.

use std::sync::Arc;

use super::ask::{Asked, ask};
use super::{Findings, expiry, ways};
use crate::cli::estimate::Estimate;
use crate::cli::exit::Exit;
use crate::cli::setup::Uncounted;
use crate::clock::Clock;
use crate::config::{AccountConfig, Config, credential};
use crate::domain::{ClosedReason, Failure};
use crate::providers::{Known, Spec};
use crate::remote::Roots;
use crate::sync::Line;

/// Checks an account; what the provider showed of it, where it was asked.
pub(super) async fn account(
    config: &Config,
    account: &AccountConfig,
    clock: &Clock,
    offline: bool,
    findings: &mut Findings,
) -> std::io::Result<Option<Known>> {
    let what = format!("account {}", account.name);
    let spec = account.provider.spec();
    let loaded = credential::load(&account.credential, spec.sign_in(&account.account)).map_err(|error| error.to_string());
    let line = loaded.and_then(|secret| {
        Line::new(config, account, secret, &Roots::default(), clock, Arc::new(Uncounted)).map_err(|error| error.to_string())
    });
    let line = match line {
        Ok(line) => line,
        Err(problem) => return findings.bad(Exit::Config, &what, &problem).map(|()| None),
    };
    if offline {
        findings.good(&what, "credential file and settings are usable; the provider was not asked")?;
        return Ok(None);
    }
    let mut asked = ask(&line).await;
    if reads_keys(&what, spec, &asked, findings)? {
        if !spec.ways.is_empty() {
            listing(&what, &line, &mut asked.known, findings).await?;
        }
        expiry::tell(&what, account, &asked, clock.now(), findings)?;
        let estimate = Estimate::new(&line, account, &asked.known);
        if estimate.fits() {
            findings.good(&what, &estimate.to_string())?;
        } else {
            findings.warning(&what, &estimate.to_string())?;
        }
    }
    Ok(Some(asked.known))
}

/// Tells what was refused; true where keys can be read at all.
fn reads_keys(what: &str, spec: &Spec, asked: &Asked, findings: &mut Findings) -> std::io::Result<bool> {
    let told = |list: &str, failure: &Failure| format!("{list}: {}: {}", failure.reason, failure.detail);
    if asked.keys_read {
        findings.good(what, &format!("{} accepts the credential{}", spec.name, organization(&asked.known)))?;
    }
    for (list, failure) in &asked.failed {
        findings.bad(Exit::Unavailable, what, &told(list, failure))?;
    }
    for (question, failure) in &asked.unanswered {
        if asked.keys_read {
            findings.warning(what, &told(question, failure))?;
        } else {
            findings.bad(Exit::Unavailable, what, &told(question, failure))?;
        }
    }
    if asked.closed.contains(&ClosedReason::PeopleNotPermitted) {
        let text = "people: people_not_permitted: the credential may not list the organisation's members, so that nobody is found \
            to have left; let it read management data (api.management.read)";
        findings.warning(what, text)?;
    }
    Ok(asked.keys_read)
}

/// The way in which keys will be listed, and why no better one.
async fn listing(what: &str, line: &Line, known: &mut Known, findings: &mut Findings) -> std::io::Result<()> {
    let (wanting, way) = ways::try_each(line, known).await;
    match way {
        Some(way) => {
            let others =
                wanting.iter().map(|(way, failure)| format!("; listing by {way} does not do: {failure}")).collect::<String>();
            findings.good(what, &format!("keys are listed by {way}{others}"))
        }
        None => {
            for (way, failure) in wanting {
                findings.bad(Exit::Unavailable, what, &format!("listing by {way}: {}: {}", failure.reason, failure.detail))?;
            }
            Ok(())
        }
    }
}

fn organization(known: &Known) -> String {
    known.organization.as_ref().map_or_else(String::new, |organization| match &organization.name {
        Some(name) => format!(", of organisation {name} ({})", organization.id),
        None => format!(", of organisation {}", organization.id),
    })
}
