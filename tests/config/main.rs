//! The config as its users meet it: the example file, good and bad files, the environment.

mod example;
mod invalid;
mod layers;
mod listen;
mod secrecy;

use std::path::Path;

use keymuster::config::{Config, Problems};
use keymuster::providers::PROVIDERS;

/// Reads a text as `/etc/keymuster/keymuster.toml`.
fn parse(text: &str, environment: &[(&str, &str)]) -> Result<Config, Problems> {
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::parse(Path::new("/etc/keymuster/keymuster.toml"), text, environment, PROVIDERS)
}

/// A setting of that table that nobody knows makes the program tell those that it knows.
fn known_settings(table: &str) -> Vec<String> {
    let text = format!("{table}\nzzzzzzzzzzzzzzzzzzzz = 1\n");
    let Err(problems) = parse(&text, &[]) else { panic!("{table} takes any setting") };
    let remedy = problems.iter().find_map(|p| p.remedy.strip_prefix("known here: "));
    remedy.unwrap_or_else(|| panic!("{problems}")).split(", ").map(str::to_owned).collect()
}
