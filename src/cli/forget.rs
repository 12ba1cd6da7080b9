//! `keymuster forget`: takes a person who left out of rows and history.

use super::args;
use super::exit::{Exit, UsageError};
use super::output::{Output, counted, warning_line};
use super::{log, setup};
use crate::clock::Clock;
use crate::inventory::{Forgettable, Inventory, Reader};

/// Runs the command.
///
/// # Errors
/// Nobody is known by that, or somebody is still there; the daemon runs; the inventory cannot be written.
pub async fn forget(arguments: args::Forget) -> anyhow::Result<Exit> {
    log::start_quiet();
    let config = setup::config(&arguments.from.config)?;
    let path = arguments.from.inventory.unwrap_or_else(|| config.inventory.clone());
    let people = Reader::open(&path)?.forgettable(arguments.owner.clone()).await?;
    let told = told(&arguments.owner, &people);
    let mut output = Output::new();
    for person in &people {
        output.line(&line(person))?;
    }
    told?;
    if !arguments.yes {
        output.line("nothing was changed: --yes replaces id, name and address, for good")?;
        return Ok(Exit::Ok);
    }
    let clock = Clock::system();
    let inventory = Inventory::open(&path, clock.now())?;
    inventory.judge_all(std::sync::Arc::new(config.policy), clock.now()).await?;
    let done = inventory.pseudonymise(people).await?;
    inventory.close().await?;
    output.line(&format!("replaced by {}", done.pseudonym))?;
    warning_line(
        "names of keys are the provider's, and stay; so do reasons that people wrote for an ack, and the config's rules and waivers",
    );
    warning_line("copies made before (backups, exports, reports, logs) hold what they held");
    if !done.wiped {
        warning_line(
            "somebody reads the inventory: its log keeps the old pages until they end; then start and stop the daemon once",
        );
    }
    Ok(Exit::Ok)
}

fn told(owner: &str, people: &[Forgettable]) -> Result<(), UsageError> {
    if people.is_empty() {
        return Err(UsageError(format!(
            "nobody is known by the id or e-mail address '{owner}'; 'keymuster owners' lists who is"
        )));
    }
    let there: Vec<String> = people
        .iter()
        .filter(|person| person.is_there())
        .map(|person| {
            let why = if person.listed {
                "the provider lists them as a member".to_owned()
            } else {
                let keys = counted(usize::try_from(person.keys_there).unwrap_or(usize::MAX), "key", "keys");
                format!("{keys} of theirs may still be there, see 'keymuster keys --owner {owner}'")
            };
            format!("{}/{}: {why}", person.account, person.id)
        })
        .collect();
    if there.is_empty() {
        return Ok(());
    }
    Err(UsageError(format!("the next poll would bring them back:\n{}", there.join("\n"))))
}

fn line(person: &Forgettable) -> String {
    let named: Vec<&str> = [person.name.as_deref(), person.email.as_deref()].into_iter().flatten().collect();
    let keys = |count: u64| counted(usize::try_from(count).unwrap_or(usize::MAX), "key", "keys");
    let after = match person.keys_named_after {
        0 => String::new(),
        count => format!("; {} named after them", keys(count)),
    };
    format!("{}/{}  {}  {}{after}", person.account, person.id, named.join(", "), keys(person.keys))
}
