//! Where the documents lead: each relative link of theirs, in the sources and in the package, with its anchor.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use crate::process::{PATIENCE, Running};

const DOCUMENTS: [&str; 3] = ["README.md", "deploy/README.md", "deploy/runbook.md"];

/// What stands outside of blocks of code.
fn prose(text: &str) -> Vec<&str> {
    let mut fenced = false;
    let outside = |line: &&str| {
        let fence = line.starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    };
    text.lines().filter(outside).collect()
}

/// Targets of links to files, not to the web; pictures too.
fn links(text: &str) -> Vec<String> {
    let prose = prose(text).join("\n");
    let ways = [("](", ')'), ("src=\"", '"'), ("srcset=\"", '"')];
    let targets = ways.iter().flat_map(|(begin, end)| prose.split(begin).skip(1).map(|after| after.split(*end).next().unwrap()));
    targets.filter(|target| !target.contains("://")).map(str::to_owned).collect()
}

/// The anchors of the headings, as forges make them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text).into_iter().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let kept = |c: char| if c == ' ' { Some('-') } else { (c.is_alphanumeric() || c == '-' || c == '_').then_some(c) };
    headings.map(|heading| heading.to_lowercase().chars().filter_map(kept).collect()).collect()
}

/// The path from the root, without `..`.
fn resolved(from: &Path, link: &str) -> PathBuf {
    let mut path = PathBuf::new();
    for part in from.parent().unwrap().join(link).components() {
        match part {
            Component::ParentDir => assert!(path.pop(), "{}: {link} leads out", from.display()),
            Component::Normal(name) => path.push(name),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    path
}

/// Every link of the documents, by their paths, leads to something that is there.
#[track_caller]
fn all_lead_somewhere(documents: &BTreeMap<PathBuf, String>, is_there: &dyn Fn(&Path) -> bool) {
    let mut count = 0;
    for (document, text) in documents {
        for link in links(text) {
            count += 1;
            let (file, anchor) = link.split_once('#').map_or((link.as_str(), None), |(file, anchor)| (file, Some(anchor)));
            let target = if file.is_empty() { document.clone() } else { resolved(document, file) };
            assert!(is_there(&target), "{} links {link}, which is not there: {}", document.display(), target.display());
            if let Some(anchor) = anchor {
                let text = documents.get(&target).unwrap_or_else(|| panic!("{}: {link}", document.display()));
                assert!(anchors(text).contains(anchor), "{} links {link}; there are {:?}", document.display(), anchors(text));
            }
        }
    }
    assert!(count > 10, "{count} links");
}

fn source(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

#[test]
fn links_in_the_sources_lead_somewhere() {
    let documents = DOCUMENTS.iter().map(|path| (PathBuf::from(path), source(path))).collect();
    all_lead_somewhere(&documents, &|path| Path::new(env!("CARGO_MANIFEST_DIR")).join(path).exists());
}

/// What the package installs, by what cargo-deb is told; and for each file from where.
fn packaged() -> BTreeMap<PathBuf, String> {
    let manifest: toml::Table = source("Cargo.toml").parse().unwrap();
    let deb = &manifest["package"]["metadata"]["deb"];
    let mut files =
        BTreeMap::from([("usr/lib/systemd/system/keymuster.service".into(), "deploy/systemd/keymuster.service".into())]);
    assert_eq!(deb["systemd-units"]["unit-scripts"].as_str(), Some("deploy/systemd"));
    for asset in deb["assets"].as_array().unwrap() {
        let word = |nth: usize| asset[nth].as_str().unwrap();
        let name = Path::new(word(0)).file_name().unwrap();
        let to = if word(1).ends_with('/') { Path::new(word(1)).join(name) } else { word(1).into() };
        files.insert(to, word(0).to_owned());
    }
    files
}

#[test]
fn links_in_the_package_lead_to_what_the_package_brings() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/debian/documents"));
    command.arg(folder.path());
    Running::start(command, "none, it is ours").finish(PATIENCE).ended(0);
    let files = packaged();
    for (to, from) in &files {
        let is_made = from.starts_with("target/");
        assert!(is_made || Path::new(env!("CARGO_MANIFEST_DIR")).join(from).is_file(), "{}: no {from}", to.display());
    }
    let documents = files.iter().filter(|(to, _)| to.extension().is_some_and(|ending| ending == "md"));
    let documents: BTreeMap<PathBuf, String> = documents
        .map(|(to, from)| {
            (to.clone(), std::fs::read_to_string(folder.path().join(from.strip_prefix("target/package/").unwrap())).unwrap())
        })
        .collect();
    assert_eq!(documents.len(), DOCUMENTS.len());
    all_lead_somewhere(&documents, &|path| files.contains_key(path));
}
