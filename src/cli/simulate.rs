//! `keymuster simulate`: the simulated providers alone, for trying config, faults and other tools.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;

use super::args;
use super::exit::Exit;
use super::log;
use super::output::{Output, Tone, fault_line};
use super::scratch;
use super::signals::Signals;
use crate::clock::Clock;
use crate::sim::{self, Options, Simulation, Size};

/// Keys that each member has in a world of members.
const KEYS_OF_A_MEMBER: usize = 3;

/// Runs until it is told to stop.
///
/// # Errors
/// The address is taken, or the folder cannot be written.
pub async fn simulate(arguments: args::Simulate) -> anyhow::Result<Exit> {
    log::start_quiet();
    let mut signals = Signals::listen()?;
    let options = Options {
        seed: arguments.seed,
        size: match (arguments.keys, arguments.members) {
            (Some(keys), _) => Size::of(keys),
            (None, Some(members)) => Size::members(members, KEYS_OF_A_MEMBER),
            (None, None) => Size::demo(),
        },
        faults: arguments.faults,
        addr: arguments.listen,
        lively: arguments.lively.map(Duration::from_secs),
    };
    let faults = options.faults.clone();
    let simulation =
        sim::start(options, Clock::system()).await.with_context(|| format!("cannot listen on {}", arguments.listen))?;
    let mut output = Output::new();
    print(&mut output, &simulation)?;
    if let Some(folder) = &arguments.write_config {
        std::fs::create_dir(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        write(&mut output, &simulation, folder)?;
    }
    for fault in &faults {
        fault_line(&mut output, "Fault          ", fault)?;
    }
    output.line("")?;
    output.line("Ctrl-C ends it.")?;
    signals.asked_to_stop().await;
    simulation.stop().await;
    Ok(Exit::Ok)
}

fn print(output: &mut Output, simulation: &Simulation) -> std::io::Result<()> {
    let address = simulation.address();
    output.line(&output.paint(Tone::Strong, "Simulated providers, on this machine alone"))?;
    let lines = [
        ("OpenAI", simulation.openai_base_url()),
        ("  admin key", simulation.openai_credential().to_owned()),
        ("Den", simulation.den_base_url()),
        ("  organisation", simulation.den_organization_id()),
        ("  session", simulation.den_session().to_owned()),
        ("  API key", simulation.den_api_key().to_owned()),
        ("Braintrust", simulation.braintrust_base_url()),
        ("  organisation", simulation.braintrust_organization().name),
        ("  API key", simulation.braintrust_credential().to_owned()),
        ("Truth", format!("http://{address}/_sim/truth")),
        ("Requests", format!("http://{address}/_sim/requests")),
        ("Faults", format!("curl -X PUT --data 'http_500:openai' http://{address}/_sim/faults")),
    ];
    for (name, value) in lines {
        output.line(&format!("{name:<15}{value}"))?;
    }
    Ok(())
}

fn write(output: &mut Output, simulation: &Simulation, folder: &Path) -> anyhow::Result<()> {
    let config = scratch::write_config(simulation, folder, &scratch::DAILY)?;
    output.line(&format!("{:<15}{}", "Config", config.display()))?;
    Ok(())
}
