//! The web config file, named by a config that is right otherwise.

use std::fs;
use std::sync::LazyLock;

use keymuster::config::Config;
use keymuster::providers::PROVIDERS;
use tempfile::TempDir;

const CONFIG: &str = "[web]\nconfig_file = 'web.yml'\n";

static FOLDER: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().unwrap());

pub fn web_file(bytes: &[u8]) {
    fs::write(FOLDER.path().join("web.yml"), bytes).unwrap();
    match Config::parse(&FOLDER.path().join("keymuster.toml"), CONFIG, std::iter::empty(), PROVIDERS) {
        Ok(config) => drop(format!("{config:?}")),
        Err(problems) => {
            let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
            assert!(!told.is_empty(), "refused without a word");
            assert!(told.iter().all(|line| !line.is_empty()), "{told:?}");
        }
    }
}
