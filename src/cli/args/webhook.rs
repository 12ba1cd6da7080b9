//! What can be typed behind `webhook`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::CONFIG;

/// Arguments of `webhook`.
#[derive(Debug, Args)]
pub struct Webhook {
    /// What to do with it
    #[command(subcommand)]
    pub command: WebhookCommand,
}

/// What can be done with the webhook.
#[derive(Debug, Subcommand)]
pub enum WebhookCommand {
    /// Post {"type":"test"} once, signed, and say what the receiver answered
    Test(WebhookTest),
}

/// Arguments of `webhook test`.
#[derive(Debug, Args)]
#[command(after_help = "It needs no inventory and no daemon, holds nothing of any key, and is not tried again.\n\n\
Exit code 0 if it was taken (a status of 200 to 299), 69 if it was refused or nobody answered, 78 if the config or the secret is wrong.\n\n\
Example:\n  keymuster webhook test --config keymuster.toml")]
pub struct WebhookTest {
    /// The config file
    #[arg(long, short, value_name = "FILE", default_value = CONFIG)]
    pub config: PathBuf,
}
