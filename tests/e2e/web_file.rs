//! What is wrong with the web config file, and with what it names: told by file and line, in the words of YAML, without a value.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::listener::House;
use crate::process::{PATIENCE, Running};

#[test]
fn what_a_web_config_file_gets_wrong_is_told_with_its_line() {
    let house = House::new("").certificates();
    house.openssl("pkcs8 -topk8 -in server.key -passout pass:a -out locked.key");
    let tls = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n";
    for (web, parts) in [
        ("tls_server_config:\n  cert_file: server.pem\n".to_owned(), &["web.yml:1: `tls_server_config.key_file` is missing"][..]),
        (
            format!("{tls}  client_allowed_sans: [a]\n"),
            &["web.yml:4: `tls_server_config.client_allowed_sans` is not done by keymuster"],
        ),
        (format!("{tls}  min_versoin: TLS12\n"), &["web.yml:4: `tls_server_config.min_versoin` is no setting", "`min_version`"]),
        (
            "listeners: {}\n".to_owned(),
            &["web.yml:1: `listeners` is no setting; known here: basic_auth_users, tls_server_config"],
        ),
        (format!("{tls}  min_version: TLS11\n"), &["web.yml:4: `tls_server_config.min_version` is none of"]),
        (
            format!("{tls}  client_auth_type: RequireAnyClientCert\n"),
            &["web.yml:4: `tls_server_config.client_auth_type` is none of"],
        ),
        (format!("{tls}  client_auth_type: RequireAndVerifyClientCert\n"), &["web.yml:4: ", "needs `client_ca_file`"]),
        (format!("{tls}  client_ca_file: ca.pem\n"), &["web.yml:4: ", "asked for no certificate"]),
        (
            "basic_auth_users:\n  scraper: secret-canary\n".to_owned(),
            &["web.yml:2: `basic_auth_users.scraper` is no bcrypt hash"],
        ),
        (
            "rate_limit:\n  burst: 1\nhttp_server_config:\n  http2: true\n".to_owned(),
            &["web.yml:1: `rate_limit` is not", "web.yml:3: `http"],
        ),
        // What people write who do not write YAML every day.
        (
            "basic_auth_users:\n  prometheus:$2y$10$secret-canary\n".to_owned(),
            &[
                "web.yml:2: `basic_auth_users` holds text, not entries; ",
                "a space behind its colon, as in `prometheus: $2y$10$…`",
            ],
        ),
        (
            "basic_auth_users:\n  a: $2y$10$secret-canary\n  b:$2y$10$secret-canary\n".to_owned(),
            &["web.yml:3: is no YAML; put a space behind the colon"],
        ),
        (
            "basic_auth_users:\n  - prometheus: $2y$10$secret-canary\n".to_owned(),
            &["web.yml:1: `basic_auth_users` holds a list, not entries; ", "without a dash"],
        ),
        (
            "tls_server_config:\n  cert_file:server.pem\n".to_owned(),
            &["web.yml:2: `tls_server_config` holds text, not entries; ", "as in `cert_file: server.pem`"],
        ),
        ("basic_auth_users\n".to_owned(), &["web.yml:1: the file holds text, not entries; ", "as in `basic_auth_users:`"]),
        ("[web]\n".to_owned(), &["web.yml:1: the file holds a list, not entries; "]),
        (
            "basic_auth_users:\n  a: 12345678\n".to_owned(),
            &["web.yml:2: `basic_auth_users.a` is no bcrypt hash; write a bcrypt hash"],
        ),
        (format!("{tls}  min_version: 1.3\n"), &["web.yml:4: `tls_server_config.min_version` is none of", "TLS12, TLS13"]),
        (
            "tls_server_config:\n  cert: a\n  key: b\n".to_owned(),
            &["web.yml:3: `tls_server_config.key` is not done", "by `key_file`"],
        ),
        ("basic_auth_users: [a\n".to_owned(), &["web.yml:", "is no YAML"]),
        ("a: 1\n---\nb: 1\n".to_owned(), &["is a second document"]),
        (tls.replace("server.key", "none.key"), &["none.key: cannot be read: No such file", "; see that"]),
        (tls.replace("server.pem", "none.pem"), &["none.pem: cannot be read: No such file", "; see that"]),
        (tls.replace("server.pem", "server.key"), &["server.key: holds no certificate; name a PEM file of certificates"]),
        (tls.replace("server.key", "locked.key"), &["locked.key: holds no private key", "has no passphrase"]),
        (tls.replace("server.key", "ca.pem"), &["ca.pem: ", "chmod 600"]),
        (tls.replace("server.key", "client.key"), &["server.pem: does not go with"]),
    ] {
        house.write(&web);
        house.is_refused(parts);
        let told = house.site.run("check", &[]).all();
        assert!(!told.contains("secret-canary") && !told.contains("write ["), "a value, or the words of TOML: {told}");
    }
    house.write(tls);
    let mode = |mode| {
        std::fs::set_permissions(house.site.path("server.key"), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(0o644);
    house.is_refused(&["server.key: has mode 0644, so that everybody may read it; run chmod 600 on it"]);
    // One of root's, for the group of the service.
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(house.site.path("server.key"), None, Some(40_930)).unwrap();
        house.is_refused(&["server.key: has mode 0644, so that everybody may read it; run chmod 640 on it"]);
    }
}

#[test]
fn a_web_config_file_that_cannot_be_read_is_told_by_its_place_and_with_what_to_do() {
    let house = House::new("");
    let config = std::fs::read_to_string(house.site.config()).unwrap();
    let line = config.lines().position(|line| line.starts_with("config_file")).unwrap() + 1;
    let place = format!("keymuster.toml:{line}: `web.config_file` cannot be read: ");
    let refused = |parts: &[&str]| house.is_refused(&[&[place.as_str()], parts].concat());

    std::fs::write(house.site.path("web.yml"), [0xff, 0xfe, b'a', 0]).unwrap();
    refused(&["; write it in UTF-8"]);
    std::fs::remove_file(house.site.path("web.yml")).unwrap();
    refused(&["No such file or directory", "; make that file, or correct the path"]);
    std::fs::create_dir(house.site.path("web.yml")).unwrap();
    refused(&["Is a directory", "; name the file, not the folder"]);
    house.site.edit("\"web.yml\"", "\"web.yml/canary/web.yml\"");
    refused(&["No such file or directory"]);
    assert!(!house.site.run("check", &[]).all().contains("canary"), "the path is a value");
    house.site.edit("\"web.yml/canary/web.yml\"", "\"keymuster.toml/web.yml\"");
    refused(&["Not a directory", "; make that file, or correct the path"]);
    let arguments = ["run", "--config", "keymuster.toml", "--web.config.file", "none.yml"];
    let told = house.site.start(&arguments).finish(PATIENCE).ended(78).all();
    assert!(told.contains("argument --web.config.file: `web.config_file` cannot be read: "), "{told}");
}

#[test]
fn a_web_config_file_that_this_user_may_not_read_is_told_with_what_to_do() {
    let house = House::new("");
    let mode = |path: &Path, mode: u32| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(&house.site.path("web.yml"), 0o000);
    let told = if rustix::process::geteuid().is_root() {
        // Root may read everything, so somebody else asks.
        mode(&house.site.path(""), 0o755);
        mode(&house.site.config(), 0o644);
        std::fs::copy(env!("CARGO_BIN_EXE_keymuster"), house.site.path("keymuster")).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        command.arg(house.site.path("keymuster")).args(["check", "--offline", "--config"]).arg(house.site.config());
        Running::start(command, "util-linux").finish(PATIENCE)
    } else {
        house.site.run("check", &["--offline"])
    };
    let told = told.ended(78).all();
    assert!(told.contains("`web.config_file` cannot be read: Permission denied"), "{told}");
    assert!(told.contains("; let this user read it") && told.contains("mode 0640"), "{told}");
}
