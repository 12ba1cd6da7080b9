//! What can be typed behind `owners`.

use clap::Args;

use super::{AsOf, Format, Presence, Selection, WhichInventory, one_of};

/// Arguments of `owners`.
#[derive(Debug, Args)]
#[command(
    after_help = "Owners of several accounts are one where kind and e-mail address are the same, letter case aside. Counts are of keys \
in a condition that no waiver accepts.\n\nExamples:\n  keymuster owners --condition orphaned\n  \
keymuster owners --team search --format markdown\n  keymuster owners ana@example.com --format json"
)]
pub struct Owners {
    /// Of which inventory
    #[command(flatten)]
    pub from: WhichInventory,
    /// Which keys
    #[command(flatten)]
    pub selection: Selection,
    /// Only keys of this presence; without it, all but gone ones
    #[arg(long = "presence", value_name = "WORD", value_parser = one_of(Presence::ALL, Presence::as_str))]
    pub presences: Vec<Presence>,
    /// As it was at the end of that day, or at that instant, as far as history tells: without last use
    #[arg(long, value_name = "WHEN", value_parser = AsOf::parse)]
    pub as_of: Option<AsOf>,
    /// How to print
    #[arg(long, short, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}
