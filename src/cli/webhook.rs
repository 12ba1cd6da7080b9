//! `keymuster webhook test`: whether what is posted arrives and is taken.

use ring::rand::{SecureRandom, SystemRandom};

use super::args::{self, WebhookCommand};
use super::exit::{ConfigError, Exit};
use super::output::{Output, error_line};
use super::{log, setup};
use crate::clock::Clock;
use crate::remote::Sent;
use crate::webhook;

/// Runs the command.
///
/// # Errors
/// The config or the secret is wrong, or there is no webhook.
pub async fn webhook(arguments: args::Webhook) -> anyhow::Result<Exit> {
    match arguments.command {
        WebhookCommand::Test(arguments) => test(arguments).await,
    }
}

async fn test(arguments: args::WebhookTest) -> anyhow::Result<Exit> {
    log::start_quiet();
    let config = setup::config(&arguments.config)?;
    let clock = Clock::system();
    let Some(hook) = setup::webhook(&config, &clock)? else {
        let problem = format!("{}: there is no webhook; add [webhook] with url and secret_file", arguments.config.display());
        return Err(ConfigError(vec![problem]).into());
    };
    let now = clock.now();
    // A receiver may have had any that could be guessed.
    let mut random = [0; 16];
    SystemRandom::new().fill(&mut random).map_err(|_| anyhow::anyhow!("the system gives no random bytes"))?;
    match hook.line.post(&format!("msg_test_{:032x}", u128::from_be_bytes(random)), webhook::test(now)).await {
        Sent::Taken(status) => {
            Output::new().line(&format!("taken: status {status}"))?;
            Ok(Exit::Ok)
        }
        Sent::Refused { status, .. } => {
            error_line(&format!("refused: status {status}"));
            Ok(Exit::Unavailable)
        }
        Sent::NoAnswer(why) => {
            error_line(&format!("no answer: {why}"));
            Ok(Exit::Unavailable)
        }
    }
}
