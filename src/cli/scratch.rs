//! A config with credentials for the simulated providers, in a folder of its own: what `demo` runs on and `simulate` offers.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::sim::Simulation;

/// How often to poll and when to complain.
pub struct Tempo {
    /// Cron line of all accounts.
    pub schedule: &'static str,
    /// Lines of `[policy]` and what belongs to it.
    pub policy: &'static str,
    /// Lines of `[guard]`.
    pub guard: &'static str,
    /// How Braintrust's keys are listed.
    pub listing: &'static str,
    /// Where the page is.
    pub listen: &'static str,
}

/// As an organisation would have it: the defaults.
pub const DAILY: Tempo =
    Tempo { schedule: "@hourly", policy: "", guard: "confirm_after = \"10m\"", listing: "auto", listen: "127.0.0.1:10847" };

/// Everything happens while one watches.
pub const WATCHED: Tempo = Tempo {
    schedule: "*/5 * * * * *",
    policy: r#"
[policy]
ignore = []

[[policy.rules]]
match  = { scope_name = "*prod*" }
max_age = "180d"
labels = { team = "platform" }

[[policy.rules]]
match  = { provider = "den" }
labels = { team = "agents" }
"#,
    // A day of the demo is short: what was revoked two minutes ago is no part of what disappears at once.
    guard: "confirm_after = \"15s\"\nwindow = \"2m\"",
    // The way that works on every server, and shows members who cannot be asked for.
    listing: "header",
    listen: "127.0.0.1:10847",
};

/// Writes credentials and config into `folder`. Returns the config's path.
///
/// # Errors
/// A file cannot be written.
pub fn write_config(simulation: &Simulation, folder: &Path, tempo: &Tempo) -> anyhow::Result<PathBuf> {
    secret(&folder.join("openai-admin-key"), simulation.openai_credential())?;
    secret(&folder.join("den-session"), simulation.den_session())?;
    secret(&folder.join("braintrust-key"), simulation.braintrust_bound_credential())?;
    let text = format!(
        r#"# Made for the simulated providers of this machine.
[inventory]
path = "inventory.db"

[web]
listen = "{listen}"

[guard]
{guard}
{policy}
[accounts.demo-openai]
provider        = "openai"
credential_file = "openai-admin-key"
schedule        = "{schedule}"
base_url        = "{openai}"
pace            = 6000

[accounts.demo-braintrust]
provider        = "braintrust"
credential_file = "braintrust-key"
schedule        = "{schedule}"
base_url        = "{braintrust}"
pace            = 6000
options         = {{ org_name = "{org_name}", listing = "{listing}" }}   # or auto, organization, header, token

[accounts.demo-den]
provider        = "den"
credential_file = "den-session"
schedule        = "{schedule}"
base_url        = "{den}"
pace            = 6000
options         = {{ organization_id = "{organization}", sign_in = "session" }}
"#,
        listen = tempo.listen,
        guard = tempo.guard,
        listing = tempo.listing,
        policy = tempo.policy,
        schedule = tempo.schedule,
        openai = simulation.openai_base_url(),
        braintrust = simulation.braintrust_base_url(),
        org_name = simulation.braintrust_organization().name,
        den = simulation.den_base_url(),
        organization = simulation.den_organization_id(),
    );
    let path = folder.join("keymuster.toml");
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

fn secret(path: &Path, text: &str) -> anyhow::Result<()> {
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).with_context(|| format!("cannot write {}", path.display()))
}
