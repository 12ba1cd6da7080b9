//! The config file and the environment beside it: the text, and behind each NUL a variable and its value.

use std::path::Path;

use keymuster::config::Config;
use keymuster::providers::PROVIDERS;

pub fn config(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut parts = text.split('\0');
    let file = parts.next().unwrap_or_default();
    // No web config file is to be read, whatever it is called.
    if file.contains("config_file") || text.contains("CONFIG_FILE") {
        return;
    }
    let variables = parts.filter_map(|part| part.split_once('=')).map(|(name, value)| (name.to_owned(), value.to_owned()));
    match Config::parse(Path::new("/keymuster.toml"), file, variables, PROVIDERS) {
        Ok(config) => assert!(!format!("{config:?}").is_empty()),
        Err(problems) => {
            let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
            assert!(!told.is_empty(), "refused without a word");
            assert!(told.iter().all(|line| !line.is_empty()), "{told:?}");
        }
    }
}
