//! What can be typed behind `policy`.

use clap::{Args, Subcommand};

use super::{Format, Selection, WhichInventory, one_of};
use crate::domain::Condition;

/// Arguments of `policy`.
#[derive(Debug, Args)]
pub struct Policy {
    /// What to do with it
    #[command(subcommand)]
    pub command: PolicyCommand,
}

/// What can be done with a policy.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Say which keys would change condition or waiver if the daemon read this config now
    Test(PolicyTest),
}

/// Arguments of `policy test`.
#[derive(Debug, Args)]
#[command(
    after_help = "All that the config says of keys is tried on a copy of the inventory, which is thrown away: limits, rules, waivers, \
labels, and which accounts there are. Nothing is asked of a provider, and the daemon goes on by its own config. What is told is of \
now: deadlines that would come earlier or later are not, 'keymuster explain KEY --config FILE' tells them.\n\n\
Exit code 0, or 2 where a key would come into a condition that --fail-on names; 78 if the config is wrong.\n\n\
Examples:\n  keymuster policy test --config new.toml\n  \
keymuster policy test --config new.toml --inventory /var/lib/keymuster/inventory.db\n  \
keymuster policy test --config new.toml --fail-on overdue --format markdown"
)]
pub struct PolicyTest {
    /// The config to try, and the inventory to try it on
    #[command(flatten)]
    pub from: WhichInventory,
    /// Which keys; account, condition and team as they are or as they would be
    #[command(flatten)]
    pub selection: Selection,
    /// End with code 2 if a key would come into this condition, not waived; may be given several times
    #[arg(long, value_name = "WORD", value_parser = one_of(Condition::ALL, Condition::as_str))]
    pub fail_on: Vec<Condition>,
    /// How to print
    #[arg(long, short, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}
