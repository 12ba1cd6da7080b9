//! The log at its most talkative holds what keymuster says, and nothing that its libraries do.

use crate::control::ctl;
use crate::listener::House;
use crate::process::get;
use crate::support::log_events;

#[test]
fn libraries_are_silent_at_every_level() {
    let house = House::new("tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n").certificates();
    house.site.edit("format = \"json\"", "format = \"json\"\nlevel = \"trace\"");
    let daemon = house.site.daemon();
    ctl(&house.site, &["poll"]).ended(0);
    assert_eq!(house.status(&daemon, "https", &["--cacert", "ca.pem"]), "200");
    // No handshake: what TLS would say of that.
    assert!(get(daemon.address, "/").is_none_or(|answer| answer.status != 200));
    house.site.edit("level = \"trace\"", "level = \"debug\"");
    ctl(&house.site, &["reload"]).ended(0);
    ctl(&house.site, &["poll"]).ended(0);
    let events = log_events(&daemon.stop().ended(0).stderr);
    assert!(events.iter().any(|event| event["level"] == "DEBUG"), "it tells what is done");
    for event in &events {
        assert!(event["target"].as_str().unwrap().starts_with("keymuster"), "{event}");
    }
}
