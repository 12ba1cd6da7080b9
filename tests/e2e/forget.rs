//! Who left can be forgotten: nothing in the inventory's files names them afterwards, and their keys are all there.

use keymuster::clock::Clock;
use keymuster::sim::Size;
use serde_json::{Value, json};

use crate::process::{PATIENCE, Running};
use crate::support::{BRAINTRUST, OPENAI, Settings, Sim, Site, text};

fn site(sim: &Sim) -> Site {
    Site::new(sim, &Settings { braintrust: Some("listing = 'header'"), ..Settings::default() })
}

/// The files of the inventory hold that text somewhere.
fn is_in_files(site: &Site, needle: &str) -> bool {
    let folder = site.inventory();
    let files = std::fs::read_dir(folder.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    let of_inventory = files.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("inventory.db"));
    of_inventory
        .map(|path| std::fs::read(path).unwrap())
        .any(|bytes| bytes.windows(needle.len()).any(|part| part == needle.as_bytes()))
}

#[test]
fn who_left_is_named_nowhere_any_more() {
    let sim = Sim::of(Size { project_keys: 6, admin_keys: 2, ..Size::demo() });
    let site = site(&sim);
    site.poll(&[]);
    let keys = format!(
        "SELECT owner_id, owner_email, owner_name, count(*) AS keys FROM keys
          WHERE account = '{BRAINTRUST}' AND owner_kind = 'user' AND owner_email IS NOT NULL
          GROUP BY 1 HAVING count(*) >= 2 ORDER BY 1"
    );
    // Not the one that we sign in as, nor one who has keys at OpenAI: they stay when their owners leave.
    let candidates = site.sql(&keys);
    let ours = text(
        &site.sql("SELECT owner_id FROM keys WHERE self = 1 AND provider = 'braintrust'").first().cloned().unwrap_or_default(),
        "owner_id",
    );
    let leaver = candidates
        .iter()
        .find(|row| {
            let email = text(row, "owner_email");
            text(row, "owner_id") != ours
                && site.count(&format!("keys WHERE owner_email = '{email}' AND account = '{OPENAI}'")) == 0
        })
        .unwrap();
    let (id, email, name) = (text(leaver, "owner_id"), text(leaver, "owner_email"), text(leaver, "owner_name"));
    let before = site.count("keys");

    let refused = site.run("forget", &[&email, "--yes"]).ended(64);
    assert!(refused.stderr.contains("lists them as a member"), "{}", refused.stderr);
    let nobody = site.run("forget", &["nobody@example.com"]).ended(64);
    assert!(nobody.stderr.contains("nobody is known"), "{}", nobody.stderr);

    assert!(sim.change(|world| world.leave(&id, Clock::system().now())));
    for _ in 0..3 {
        site.poll(&[]);
    }
    let daemon = site.daemon();
    let held = site.run("forget", &[&email, "--yes"]).ended(1);
    assert!(held.stderr.contains("in use by another keymuster"), "{}", held.stderr);
    daemon.stop();

    for (change, after) in [("owner_changed", id.clone()), ("moved", format!("personal {id}"))] {
        site.meddle(&format!(
            "INSERT INTO change (at, key_id, change, before, after)
             SELECT unixepoch(), k.id, '{change}', NULL, '{after}' FROM key AS k JOIN person AS p ON p.id = k.person_id WHERE p.remote_id = '{id}'"
        ));
    }
    // What waits for the webhook names them too.
    let account = BRAINTRUST;
    let key = |account: &str, owner: &str, name: &str, email: &str| {
        let (key, scope) = (
            json!({ "account": account, "name": "Old", "scope_id": owner, "scope_name": name }),
            ["owner_id", "owner_name", "owner_email"],
        );
        let owner = scope.into_iter().map(str::to_owned).zip([owner, name, email].map(Value::from));
        Value::Object(key.as_object().unwrap().clone().into_iter().chain(owner).collect())
    };
    let body = json!({
        "team": "Old",
        "findings": [{ "key": key(account, &id, &name, &email) }, { "key": key(account, "another", "Old", "old@example.com") }],
        "changes": [{ "account": account, "name": "Old", "before": id, "after": format!("personal {id}") }],
    });
    site.meddle(&format!("INSERT INTO delivery (message_id, made_at, next_at, body) VALUES ('msg_1', 1, 1, '{body}')"));
    let rewriting = || {
        let mut shell = std::process::Command::new("sqlite3");
        shell.arg("-bail").arg(site.inventory()).arg("UPDATE change SET after = 'somebody else'");
        let refused = Running::start(shell, "sqlite3").finish(PATIENCE);
        assert!(refused.code != Some(0) && refused.stderr.contains("append-only"), "history was rewritten: {}", refused.all());
    };
    // Where it fails half way, nothing of it was done, and history is as well protected as before.
    let people = || site.count(&format!("people WHERE email = '{email}'"));
    let there = people();
    site.meddle("CREATE TRIGGER fails BEFORE UPDATE ON key BEGIN SELECT RAISE(ABORT, 'the disk is full'); END");
    rewriting();
    let failed = site.run("forget", &[&email, "--yes"]).ended(1);
    assert!(failed.stderr.contains("the disk is full"), "{}", failed.stderr);
    site.meddle("DROP TRIGGER fails");
    assert_eq!(people(), there);
    rewriting();
    let shown = site.run("forget", &[&email]).ended(0);
    assert!(shown.stdout.contains(&id) && shown.stdout.contains("nothing was changed"), "{}", shown.stdout);
    assert!(is_in_files(&site, &email));
    let forgotten = site.run("forget", &[&email.to_uppercase(), "--yes"]).ended(0);
    assert!(forgotten.stdout.contains("replaced by forgotten-"), "{}", forgotten.stdout);
    rewriting();
    for what in [&id, &email, &name] {
        assert!(!is_in_files(&site, what), "{what} is still in the files");
    }
    let waits: Value = serde_json::from_str(site.value("SELECT body FROM delivery").as_str().unwrap()).unwrap();
    let pseudonym = waits["findings"][0]["key"]["owner_id"].as_str().unwrap();
    assert!(pseudonym.starts_with("forgotten-"), "{waits}");
    let mut wanted = body;
    for (field, value) in [("owner_id", json!(pseudonym)), ("scope_id", json!(pseudonym)), ("owner_name", Value::Null)] {
        wanted["findings"][0]["key"][field] = value;
    }
    for field in ["owner_email", "scope_name"] {
        wanted["findings"][0]["key"][field] = Value::Null;
    }
    (wanted["changes"][0]["before"], wanted["changes"][0]["after"]) = (json!(pseudonym), json!(format!("personal {pseudonym}")));
    assert_eq!(waits, wanted, "names of keys and teams, and others, stay");
    assert_eq!(site.count("keys"), before);
    assert!(site.count("keys WHERE owner_id LIKE 'forgotten-%'") >= 2);
    site.poll(&[]);
    assert!(!is_in_files(&site, &email), "the next poll brought them back");
    site.run("db", &["check"]).ended(0);
}
