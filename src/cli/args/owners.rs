//! What can be typed behind `owners`.

use clap::Args;

use super::ListedKeys;

/// Arguments of `owners`.
#[derive(Debug, Args)]
#[command(
    after_help = "Owners of several accounts are one where kind and e-mail address are the same, letter case aside. Counts are of keys \
in a condition that no waiver accepts.\n\nExamples:\n  keymuster owners --condition orphaned\n  \
keymuster owners --team search --format markdown\n  keymuster owners ana@example.com --format json"
)]
pub struct Owners {
    /// Which keys, and how to print their owners
    #[command(flatten)]
    pub listed: ListedKeys,
}
