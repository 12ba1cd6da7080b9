//! What can be typed behind `report`.

use std::path::PathBuf;

use clap::Args;

use super::WhichInventory;
use crate::views::{AsOf, Since};

/// Arguments of `report`.
#[derive(Debug, Args)]
#[command(
    after_help = "The folder holds keys, findings, changes, coverage, holds, acknowledgements, waivers and policy as CSV and JSON, \
index.html to read and print, and SHA256SUMS.\n\nExamples:\n  keymuster report --from 2026-07-01 --to 2026-09-30 --out q3\n  \
keymuster report --from 30d --out last-month"
)]
pub struct Report {
    /// Of which inventory
    #[command(flatten)]
    pub from: WhichInventory,
    /// From when: a day, an instant, or so long before now
    #[arg(long = "from", value_name = "WHEN", value_parser = Since::parse)]
    pub from_when: Since,
    /// To the end of that day, or that instant, with keys as they were then; without it, to now
    #[arg(long = "to", value_name = "WHEN", value_parser = AsOf::parse)]
    pub to_when: Option<AsOf>,
    /// The folder that is made; nothing may be there
    #[arg(long, short, value_name = "DIR")]
    pub out: PathBuf,
}
