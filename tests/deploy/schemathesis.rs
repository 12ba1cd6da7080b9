//! The API under schemathesis: what its document says is what the real daemon does, whatever is asked of it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{PATIENCE, Running};
use crate::support::{Settings, Sim, Site, far_off};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/deploy/schemathesis")
}

fn program() -> PathBuf {
    let installed = Running::start(Command::new(folder().join("install")), "python3-venv").finish(5 * PATIENCE).ended(0);
    PathBuf::from(installed.stdout.trim())
}

#[test]
fn the_document_and_the_answers_agree_whatever_is_asked() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings { schedule: far_off(), ..Settings::default() });
    site.poll(&[]);
    let daemon = site.daemon();
    let mut command = Command::new(program());
    // Nothing of the checkout is written: neither its cache of examples nor Python's of the hook.
    command.current_dir(site.path("")).env("PYTHONPATH", folder()).env("PYTHONDONTWRITEBYTECODE", "1");
    command.env("SCHEMATHESIS_HOOKS", "cursors");
    command.args(["run", &format!("http://{}/api/v1/openapi.json", daemon.address)]);
    // The same requests each time: what fails here fails again.
    command.args(["--max-examples", "10", "--generation-deterministic"]);
    command.args(["--suppress-health-check", "all", "--request-timeout", "60", "--no-color"]);
    let ended = Running::start(command, "none, it is installed by this test").finish(5 * PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.all());
    assert!(ended.stdout.contains("6 selected / 6 total") && ended.stdout.contains("No issues found"), "{}", ended.all());
    daemon.stop().ended(0);
}
