//! Where the listener may be without a word: on this machine, or where everybody has to sign in over TLS.

use std::path::Path;

use keymuster::config::{Argument, Config, Problems};

use crate::parse;

/// bcrypt of `correct horse`, at the lowest cost.
const USERS: &str = "basic_auth_users:\n  scraper: $2b$04$VLjjMDO2/iKHtWgvMAnC.enUBq1zYJ.mFb/Ye7UmWgfO9hwx5wB36\n";
const TLS: &str = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n";
const CERTIFICATES: &str = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n";
const ASKED_FOR: &str = "  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: ca.pem\n";

const HERE: &[&str] = &["127.0.0.1:1", "127.0.0.2:1", "127.255.255.254:1", "[::1]:1"];
/// An address of IPv4 within IPv6 counts as one of others, whatever it is.
const ELSEWHERE: &[&str] = &[
    "0.0.0.0:1",
    "[::]:1",
    ":1",
    "192.0.2.7:1",
    "10.0.0.7:1",
    "169.254.1.1:1",
    "255.255.255.255:1",
    "[2001:db8::1]:1",
    "[fe80::1]:1",
    "[fd00::1]:1",
    "[::ffff:10.0.0.7]:1",
    "[::ffff:127.0.0.1]:1",
    "[::ffff:0.0.0.0]:1",
];

/// How the address is told.
#[derive(Debug, Clone, Copy)]
enum Way {
    File,
    Environment,
    Argument,
}

fn read(folder: &Path, listen: &str, way: Way, more: &str) -> Result<Config, Problems> {
    let (mut text, mut environment, mut arguments) = (format!("[web]\n{more}\n"), Vec::new(), Vec::new());
    match way {
        Way::File => text.push_str(&format!("listen = \"{listen}\"\n")),
        Way::Environment => environment.push(("KEYMUSTER__WEB__LISTEN".to_owned(), listen.to_owned())),
        Way::Argument => {
            arguments.push(Argument { name: "--web.listen-address", setting: &["web", "listen"], value: listen.to_owned() });
        }
    }
    let file = folder.join("keymuster.toml");
    std::fs::write(&file, text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    Config::load_with(&file, environment.into_iter(), &arguments)
}

#[test]
fn other_machines_reach_the_listener_only_over_tls_with_sign_in_or_by_a_word() {
    let folder = tempfile::tempdir().unwrap();
    let files = [
        (None, false),
        (Some(String::new()), false),
        (Some(USERS.to_owned()), false),
        (Some(TLS.to_owned()), false),
        (Some(format!("{TLS}{ASKED_FOR}")), false),
        (Some(format!("{TLS}{USERS}")), true),
        (Some(format!("{TLS}{ASKED_FOR}{USERS}")), true),
        // Nobody without a certificate gets as far as a password.
        (Some(format!("{TLS}{CERTIFICATES}")), true),
        (Some(format!("{TLS}{CERTIFICATES}{USERS}")), true),
    ];
    for (file, asks_everybody) in files {
        let named = match &file {
            Some(text) => {
                std::fs::write(folder.path().join("web.yml"), text).unwrap();
                "config_file = \"web.yml\""
            }
            None => "",
        };
        for way in [Way::File, Way::Environment, Way::Argument] {
            for listen in HERE {
                let config =
                    read(folder.path(), listen, way, named).unwrap_or_else(|problems| panic!("{listen} {file:?}: {problems}"));
                assert!(!config.web.is_open(), "{listen}");
            }
            for listen in ELSEWHERE {
                let what = format!("{listen} by {way:?} with {file:?}");
                match read(folder.path(), listen, way, named) {
                    Ok(config) => assert!(asks_everybody && !config.web.is_open(), "{what}"),
                    Err(problems) => {
                        assert!(!asks_everybody, "{what}: {problems}");
                        let told = problems.to_string();
                        assert!(told.contains("is no loopback address") && told.contains("insecure = true"), "{what}: {told}");
                    }
                }
                let by_a_word = read(folder.path(), listen, way, &format!("{named}\ninsecure = true")).unwrap();
                assert_eq!(by_a_word.web.is_open(), !asks_everybody, "{what}");
            }
        }
    }
    // Without a word of it the listener is on this machine.
    let config = parse("", &[]).unwrap();
    assert!(config.web.listen.ip().is_loopback() && !config.web.insecure);
}
