//! The notices of what is linked, which package and image bring.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::process::{Finished, PATIENCE, Running};

fn notices(arguments: &[&str]) -> Finished {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/notices"));
    command.args(arguments);
    Running::start(command, "none, it is ours").finish(PATIENCE).ended(0)
}

#[test]
fn every_dependency_is_named_with_its_version_its_licence_and_its_texts() {
    let told = notices(&[]).stdout;
    let (list, texts) = told.split_once("\n\n").and_then(|(_, rest)| rest.split_once("\n\n")).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| fs::read_to_string(root.join(name)).unwrap().parse::<toml::Table>().unwrap();
    let lock = read("Cargo.lock");
    let direct: Vec<String> = read("Cargo.toml")["dependencies"].as_table().unwrap().keys().cloned().collect();
    // Linked by way of others.
    for name in direct.iter().map(String::as_str).chain(["libsqlite3-sys", "rustls-webpki", "mio", "untrusted"]) {
        let mut locked = lock["package"].as_array().unwrap().iter().filter(|one| one["name"].as_str() == Some(name));
        let is_named = locked.any(|one| {
            let named = format!("{name} {}", one["version"].as_str().unwrap());
            list.lines().any(|line| line.starts_with(&format!("{named}: "))) && texts.contains(&format!("\n{named} ("))
        });
        assert!(is_named, "{name}");
    }
    // What only tests is not linked.
    assert!(!told.contains("\nproptest "));
    // In a folder of its own; in place of a text; and not a crate at all.
    for text in ["(third_party/fiat/LICENSE)", "May you do good and not evil", "Rust's own library, which is linked too"] {
        assert!(told.contains(text), "{text}");
    }
}

#[test]
fn a_crate_without_a_text_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let make = |name: &str, more: &str| {
        fs::create_dir_all(folder.path().join(name).join("src")).unwrap();
        fs::write(folder.path().join(name).join("src/lib.rs"), "").unwrap();
        let manifest =
            format!("[package]\nname = \"{name}\"\nversion = \"1.2.3\"\nedition = \"2024\"\nlicense = \"MIT\"\n{more}");
        fs::write(folder.path().join(name).join("Cargo.toml"), manifest).unwrap();
    };
    make("bare", "");
    make("told", "");
    make("tests-only", "");
    fs::write(folder.path().join("told/COPYING"), "Do as you like.").unwrap();
    make(
        "program",
        "[dependencies]\nbare = { path = \"../bare\" }\ntold = { path = \"../told\" }\n[dev-dependencies]\ntests-only = { path = \"../tests-only\" }\n",
    );
    let manifest = folder.path().join("program/Cargo.toml");
    let mut lock = Command::new("cargo");
    lock.args(["generate-lockfile", "--offline", "--manifest-path"]).arg(&manifest);
    Running::start(lock, "cargo").finish(PATIENCE).ended(0);
    let told = notices(&["--manifest-path", manifest.to_str().unwrap()]);
    assert!(told.stdout.contains("\nbare 1.2.3: MIT (brings no licence text)\ntold 1.2.3: MIT\n\n"), "{}", told.stdout);
    assert!(told.stdout.contains("\ntold 1.2.3 (COPYING)\n") && told.stdout.contains("\nDo as you like.\n"), "{}", told.stdout);
    assert!(!told.stdout.contains("tests-only") && !told.stdout.contains("program 1.2.3"), "{}", told.stdout);
    // Cargo may say there that it waits for another one, and Rust's library may bring no notices.
    let missing: Vec<&str> = told.stderr.lines().filter(|line| line.contains("brings no licence text")).collect();
    assert_eq!(missing, ["bare 1.2.3 brings no licence text; its Cargo.toml says MIT"], "{}", told.stderr);
}
