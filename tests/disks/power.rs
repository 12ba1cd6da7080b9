//! Power that fails: of what was written, a disk keeps for certain what it was told to sync, and of the rest nothing, or a part.
//! strace writes down what a poll writes; here that is written again as far as some place, without what no sync followed. What was
//! told before that place is there, and no half of a commit. Files that are made count as synced with their content, and those that are
//! removed with it or with the folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::left::{Left, beside, shown};
use crate::process::PATIENCE;
use crate::support::{OPENAI, Settings, Sim, Site};

/// What a file is made of, by the end of its name: the file itself, its log.
type Files = BTreeMap<String, Vec<u8>>;

#[derive(Debug, Clone)]
enum Event {
    Written {
        file: String,
        at: usize,
        bytes: Vec<u8>,
    },
    Cut {
        file: String,
        length: usize,
    },
    Synced {
        file: String,
    },
    Removed {
        file: String,
    },
    /// What was removed from the folder is.
    FolderSynced,
    /// Something is told to whoever started it.
    Told,
}

/// What of the writes that no sync followed is on the disk.
#[derive(Debug, Clone, Copy)]
enum Kept {
    All,
    Nothing,
    EverySecond,
    /// All, but the last one to its half.
    TornAtTheEnd,
}

/// Reads lines such as `7 pwrite64(9</tmp/x/inventory.db-wal>, "\x37\x7f"..., 4096, 32) = 4096`, where strings are hex.
fn events(log: &str, inventory: &Path) -> Vec<Event> {
    let (name, folder) = (inventory.to_str().unwrap(), inventory.parent().unwrap().to_str().unwrap());
    let (mut events, mut waits) = (Vec::new(), BTreeMap::new());
    for line in log.lines() {
        let (thread, line) = line.split_once(' ').unwrap();
        let line = line.trim_start();
        if line.starts_with("<... f") && line.contains("sync resumed>") {
            events.extend(waits.remove(thread));
            continue;
        }
        let Some((call, rest)) = line.split_once('(') else { continue };
        let path = || Some(text(rest.split_once('<')?.1.split_once('>')?.0));
        let file = || Some(path()?.strip_prefix(name)?.to_owned());
        let numbers = || {
            let behind = rest.rsplit_once('"').map_or(rest, |(_, behind)| behind);
            let words = behind.split(|c: char| !c.is_ascii_digit()).filter(|word| !word.is_empty());
            words.map(|word| word.parse::<usize>().unwrap()).collect::<Vec<_>>()
        };
        match call {
            "write" if rest.starts_with("1<") => events.push(Event::Told),
            "pwrite64" => {
                let Some(file) = file() else { continue };
                let bytes = text_bytes(rest.split('"').nth(1).unwrap());
                assert_eq!(bytes.len(), numbers()[0], "not all was written down: {line}");
                events.push(Event::Written { file, at: numbers()[1], bytes });
            }
            "ftruncate" => {
                let Some(file) = file() else { continue };
                let length = rest.split_once(">, ").unwrap().1.split(|c: char| !c.is_ascii_digit()).next().unwrap();
                events.push(Event::Cut { file, length: length.parse().unwrap() });
            }
            "fsync" | "fdatasync" => {
                let is_folder = path().is_some_and(|path| path == folder);
                let synced = if is_folder { Some(Event::FolderSynced) } else { file().map(|file| Event::Synced { file }) };
                if line.contains("<unfinished") {
                    waits.extend(synced.map(|synced| (thread, synced)));
                } else {
                    events.extend(synced);
                }
            }
            "unlink" => {
                let path = text(rest.split('"').nth(1).unwrap());
                events.extend(path.strip_prefix(name).map(|file| Event::Removed { file: file.to_owned() }));
            }
            _ => {}
        }
    }
    events
}

fn text(hex: &str) -> String {
    if hex.starts_with("\\x") { String::from_utf8(text_bytes(hex)).unwrap() } else { hex.to_owned() }
}

fn text_bytes(hex: &str) -> Vec<u8> {
    hex.split("\\x").skip(1).map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

/// The disk after those events.
fn disk(before: &[u8], events: &[Event], kept: Kept) -> Files {
    let mut files = Files::from([(String::new(), before.to_vec())]);
    let mut unsynced: Vec<&Event> = Vec::new();
    for event in events {
        match event {
            Event::Synced { file } => {
                let (of_it, others) = unsynced.into_iter().partition(|event| touches(event, file));
                unsynced = others;
                let of_it: Vec<&Event> = of_it;
                of_it.into_iter().for_each(|event| happen(&mut files, event, false));
            }
            Event::FolderSynced => {
                for event in std::mem::take(&mut unsynced) {
                    if let Event::Removed { file } = event {
                        unsynced.retain(|event| !touches(event, file));
                        happen(&mut files, event, false);
                    } else {
                        unsynced.push(event);
                    }
                }
            }
            Event::Told => {}
            Event::Written { .. } | Event::Cut { .. } | Event::Removed { .. } => unsynced.push(event),
        }
    }
    let count = unsynced.len();
    for (number, event) in unsynced.into_iter().enumerate() {
        match kept {
            Kept::Nothing => {}
            Kept::EverySecond if number % 2 == 0 => {}
            Kept::All | Kept::EverySecond => happen(&mut files, event, false),
            Kept::TornAtTheEnd => happen(&mut files, event, number + 1 == count),
        }
    }
    files
}

fn touches(event: &Event, name: &str) -> bool {
    match event {
        Event::Written { file, .. } | Event::Cut { file, .. } | Event::Synced { file } | Event::Removed { file } => file == name,
        Event::FolderSynced | Event::Told => false,
    }
}

fn happen(files: &mut Files, event: &Event, torn: bool) {
    match event {
        Event::Written { file, at, bytes } => {
            let bytes = if torn { &bytes[..bytes.len() / 2] } else { bytes };
            let content = files.entry(file.clone()).or_default();
            content.resize(content.len().max(at + bytes.len()), 0);
            content[*at..at + bytes.len()].copy_from_slice(bytes);
        }
        Event::Cut { file, length } => files.entry(file.clone()).or_default().resize(*length, 0),
        Event::Removed { file } => drop(files.remove(file)),
        Event::Synced { .. } | Event::FolderSynced | Event::Told => {}
    }
}

/// What the next start finds.
fn found(path: &Path, files: &Files, place: &str) -> BTreeSet<String> {
    for suffix in ["", "-wal", "-journal"] {
        let _ = fs::remove_file(beside(path, suffix));
    }
    for (suffix, bytes) in files {
        fs::write(beside(path, suffix), bytes).unwrap();
    }
    let left = Left::of(path).unwrap_or_else(|| panic!("{place}: the inventory is gone"));
    left.assert_sound();
    shown(&left.connection)
}

#[test]
fn what_was_told_to_be_stored_outlives_a_failing_of_the_power() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings::default());
    site.poll(&[]).ended(0);
    let before = fs::read(site.inventory()).unwrap();
    (0..5).for_each(|_| sim.beat());
    let log = site.path("trace");
    let strace = ["strace", "-f", "-qq", "-y", "-xx", "-s", "65536", "-o", log.to_str().unwrap(), "-e"];
    let strace = [&strace[..], &["trace=pwrite64,ftruncate,fsync,fdatasync,unlink,write"]].concat();
    site.start_under(&strace, &["poll", "--config", "keymuster.toml", "--account", OPENAI]).finish(PATIENCE).ended(0);
    let events = events(&fs::read_to_string(log).unwrap(), &site.inventory());
    let path = site.path("found.db");
    let whole = disk(&before, &events, Kept::All);
    assert!(
        whole[""] == fs::read(site.inventory()).unwrap() && whole.len() == 1,
        "what was written again is not what was written"
    );

    let told = events.iter().position(|event| matches!(event, Event::Told)).expect("something is told");
    let promised = found(&path, &disk(&before, &events[..told], Kept::All), "as it is told");
    let first = found(&path, &disk(&before, &[], Kept::All), "before");
    assert!(promised.len() > first.len() + 5 && promised.is_superset(&first));
    let (mut states, mut lost) = (vec![first], 0);
    for place in 0..=events.len() {
        let what = format!("place {place} of {}", events.len());
        let state = found(&path, &disk(&before, &events[..place], Kept::All), &what);
        if !states.contains(&state) {
            states.push(state.clone());
        }
        for kept in [Kept::Nothing, Kept::EverySecond, Kept::TornAtTheEnd] {
            let what = format!("{what}, {kept:?}");
            let after = found(&path, &disk(&before, &events[..place], kept), &what);
            assert!(states.contains(&after), "{what}: a state that no commit made");
            assert!(place < told || after.is_superset(&promised), "{what}: what was told is lost");
            lost += usize::from(after != state);
        }
    }
    let ends_a_commit = |event: &&Event| matches!(event, Event::Written { file, bytes, .. } if file == "-wal" && bytes.len() == 24 && bytes[4..8] != [0; 4]);
    let commits = events.iter().filter(ends_a_commit).count();
    assert!(states.len() <= commits + 1, "{} states of {commits} commits", states.len());
    assert!(states.len() > 3 && lost > 0, "{} states, {lost} times something was lost", states.len());
}
