//! Kills of the daemon while a person tells it something.

use std::fs;
use std::time::Instant;

use keymuster::sim::Remote;

use crate::kills::{Figures, Random, kill, share, start};
use crate::left::{Left, beside};
use crate::process::{PATIENCE, Running};
use crate::support::{OPENAI, Settings, Sim, Site};

#[test]
fn kills_of_a_word() {
    let sim = Sim::small();
    // No poll comes in between.
    let site = Site::new(&sim, &Settings { schedule: "0 0 1 1 *".to_owned(), ..Settings::default() });
    site.poll(&[]).ended(0);
    let theirs = sim.truth().into_iter().filter(|key| key.provider == Remote::OpenAi && key.listed && key.home != "admin");
    for key in theirs.take(25) {
        sim.change(|world| world.revoke(&key.id));
    }
    site.poll(&[]).ended(69);
    assert!(site.count("holds WHERE ended_at IS NULL") > 0, "something is held");
    let held = site.path("held.db");
    fs::copy(site.inventory(), &held).unwrap();
    let restore = || {
        for suffix in ["-wal", "-shm", "-journal"] {
            let _ = fs::remove_file(beside(&site.inventory(), suffix));
        }
        fs::copy(&held, site.inventory()).unwrap();
    };
    let word = |why: &str| -> Running { site.start(&["ctl", "--config", "keymuster.toml", "ack", OPENAI, "--why", why]) };

    let measured = start(&site);
    let began = Instant::now();
    word("measured").finish(PATIENCE).ended(0);
    let whole = began.elapsed();
    kill(measured.daemon);

    let (mut figures, mut random) = (Figures::of("words"), Random(7));
    for number in 0..share(40) {
        restore();
        let ready = start(&site);
        figures.ready(ready.after);
        let told = word("it was right");
        std::thread::sleep(whole / 4 + random.part(whole));
        kill(ready.daemon);
        let acknowledged = told.finish(PATIENCE).code == Some(0);

        let left = Left::of(&site.inventory()).unwrap();
        left.assert_sound();
        let stored = left.number("SELECT count(*) FROM acknowledgement WHERE why = 'it was right'");
        let (open, ended) = (
            left.number("SELECT count(*) FROM hold WHERE ended_at IS NULL"),
            left.number("SELECT count(*) FROM hold WHERE ended_why = 'it was right'"),
        );
        assert!(stored == 1 || !acknowledged, "kill {number}: what was acknowledged is lost");
        assert_eq!((open == 0, ended > 0), (stored == 1, stored == 1), "kill {number}: half a word");
        figures.fell(match (stored, acknowledged) {
            (1, true) => "after the answer",
            (1, false) => "between storing and the answer",
            _ => "before it was stored",
        });
    }
    figures.tell();
}
