//! Whatever is written where, a refusal repeats no value and nothing panics.

use keymuster::config::PasswordHash;
use proptest::prelude::*;

use crate::{example, parse};

#[test]
fn no_refusal_repeats_a_value() {
    const CANARY: &str = "canary.bird-7";
    let text = example::switched_on();
    let mut refused = 0;
    for (at, line) in text.lines().enumerate() {
        let Some((name, value)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) else { continue };
        for planted in
            [format!("\"{CANARY}\""), format!("[\"{CANARY}\"]"), format!("{{ {name} = \"{CANARY}\" }}"), CANARY.to_owned()]
        {
            let with_canary = format!("{name} = {planted}");
            let changed: Vec<&str> =
                text.lines().enumerate().map(|(n, l)| if n == at { with_canary.as_str() } else { l }).collect();
            if let Err(problems) = parse(&changed.join("\n"), &[]) {
                refused += 1;
                assert!(!problems.to_string().contains(CANARY), "{name} = {value}: {problems}");
                assert!(!format!("{problems:?}").contains(CANARY));
            }
        }
    }
    assert!(refused > 100, "{refused}");
}

#[test]
fn the_config_holds_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, "sk-admin-canary").unwrap();
    let text = format!("[accounts.a]\nprovider = \"openai\"\ncredential_file = \"{}\"\n", key.display());
    let config = parse(&text, &[("OPENAI_ADMIN_KEY", "sk-admin-canary")]).unwrap();
    assert!(!format!("{config:?}").contains("canary"));
}

#[test]
fn a_hash_of_a_password_is_not_shown() {
    let hash = "$2y$10$abcdefghijklmnopqrstuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu";
    let shown = format!("{:?}", PasswordHash::parse(hash).expect("bcrypt writes such"));
    assert!(!shown.contains("uuuu") && !shown.contains("$2y"), "{shown}");
}

proptest! {
    #[test]
    fn no_text_panics(text in "([\\[\\]{}=\"a-z0-9_. #,:\n-]{0,12}|\\[accounts.a\\]\n|policy\\.|match = |\n){0,12}") {
        let _ = parse(&text, &[]);
    }

    #[test]
    fn no_variable_panics(name in "(KEYMUSTER__)?([A-Z_.a-z-]{0,8}__){0,3}[A-Z_.-]{0,8}", value in ".{0,20}") {
        let _ = parse("[web]\nlisten = \"127.0.0.1:1\"\n", &[(&name, &value)]);
    }
}
