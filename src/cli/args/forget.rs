//! What can be typed behind `forget`.

use clap::Args;

use super::WhichInventory;

/// Arguments of `forget`.
#[derive(Debug, Args)]
#[command(
    after_help = "Only who left can be forgotten: whom a list of people holds, or whose keys are still listed, the next poll would bring \
back. The daemon has to be stopped. Keys, presences and dates stay, under a pseudonym.\n\nExamples:\n  \
keymuster forget ana@example.com          # says who that is, and changes nothing\n  keymuster forget ana@example.com --yes"
)]
pub struct Forget {
    /// Of which inventory
    #[command(flatten)]
    pub from: WhichInventory,
    /// The person's id or e-mail address
    #[arg(value_name = "OWNER")]
    pub owner: String,
    /// Do it; it cannot be undone
    #[arg(long)]
    pub yes: bool,
}
