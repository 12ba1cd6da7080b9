//! `keymuster explain`: why a key is in a condition, and when that changes next.

mod told;

use std::sync::Arc;

use super::args::{self, Format};
use super::exit::{Exit, UsageError};
use super::output::Output;
use super::{log, markdown, setup, worth};
use crate::clock::Clock;
use crate::domain::{Presence, Text};
use crate::inventory::Reader;
use crate::views::{Filter, KeyRow, KeysAsked, Views, spreadsheet};
use told::{HEADINGS, Told};

/// Keys that are named where a text fits several.
const NAMED: u32 = 5;

/// Runs the command.
///
/// # Errors
/// The inventory cannot be read; no key, or more than one, is meant.
pub async fn explain(arguments: args::Explain) -> anyhow::Result<Exit> {
    log::start_quiet();
    let config = setup::config(&arguments.from.config)?;
    let path = arguments.from.inventory.unwrap_or(config.inventory);
    let views = Views::of_file(Reader::open(&path)?, Clock::system(), Vec::new())?;
    let key = meant(&views, &arguments.key).await?;
    let account = key.account.clone();
    views.judge_by(Arc::new(config.policy));
    let Some(explanation) = views.explain(key).await? else {
        return Err(UsageError(format!("the key {} is no longer in the inventory", arguments.key)).into());
    };
    let told = Told(explanation);
    let mut output = Output::new();
    match arguments.format {
        Format::Table => told.print(&mut output)?,
        Format::Json => output.line(&serde_json::to_string_pretty(&told.shown())?)?,
        Format::Csv => {
            let mut writer = spreadsheet::writer(Vec::new());
            told.shown().conditions.iter().try_for_each(|claim| writer.serialize(claim))?;
            output.text(&String::from_utf8(writer.into_inner()?)?)?;
        }
        Format::Markdown => output.text(&markdown::table(&HEADINGS, told.rows().into_iter()))?,
    }
    worth::tell(&views, &[account]).await?;
    Ok(Exit::Ok)
}

/// The key that `ACCOUNT/KEY_ID` or the beginning of an id means.
async fn meant(views: &Views, text: &str) -> anyhow::Result<KeyRow> {
    let (account, id) = text.rsplit_once('/').map_or((None, text), |(account, id)| (Some(account), id));
    let accounts = || account.map(str::to_owned).into_iter().collect();
    let exactly = Filter { accounts: accounts(), id: Some(id.to_owned()), ..Filter::default() };
    let beginning = Filter { accounts: accounts(), id_prefix: Some(id.to_owned()), ..Filter::default() };
    let mut found = Vec::new();
    for filter in [exactly, beginning] {
        found = views.keys(KeysAsked { filter, limit: Some(NAMED), ..KeysAsked::default() }).await?;
        if !found.is_empty() {
            break;
        }
    }
    // Of an organisation that the account saw before, where the present one has a key of that id too.
    found.sort_by_key(|key| (key.account.clone(), key.key_id.clone(), key.presence == Presence::Unmanaged));
    found.dedup_by(|next, kept| (&next.account, &next.key_id) == (&kept.account, &kept.key_id));
    match found.len() {
        0 => {
            Err(UsageError(format!("no key '{}' in {}; 'keymuster keys' lists them", Text::clean(text), views.path().display()))
                .into())
        }
        1 => Ok(found.swap_remove(0)),
        several => {
            let names: Vec<String> = found.iter().map(|key| format!("{}/{}", key.account, key.key_id)).collect();
            let more = if several == NAMED as usize { ", and perhaps others" } else { "" };
            Err(UsageError(format!("'{text}' fits several keys: {}{more}", names.join(", "))).into())
        }
    }
}
