//! Our own credentials: which listed key each of them is, and when it expires.

use keymuster::clock::Clock;

use crate::process::get;
use crate::support::{BRAINTRUST, DEN, OPENAI, Settings, Sim, Site, text};

const DAY: i64 = 86_400;

fn three_accounts() -> Settings {
    Settings { braintrust: Some("listing = \"auto\""), ..Settings::default() }
}

/// Names of the keys that are marked as our own, by account.
#[track_caller]
fn own(site: &Site) -> Vec<String> {
    let rows = site.sql("SELECT account || ': ' || name AS own FROM keys WHERE self = 1 ORDER BY 1");
    rows.iter().map(|row| text(row, "own")).collect()
}

/// What the gauge says of each account that has one.
#[track_caller]
fn expiries(site: &Site) -> Vec<(String, i64)> {
    let daemon = site.daemon();
    let metrics = get(daemon.address, "/metrics").unwrap().body;
    daemon.stop().ended(0);
    let lines = metrics.lines().filter(|line| line.starts_with("keymuster_credential_expiry_timestamp_seconds{"));
    lines
        .map(|line| {
            let account = line.split_once("account=\"").unwrap().1.split_once('"').unwrap().0;
            (account.to_owned(), line.rsplit(' ').next().unwrap().parse::<f64>().unwrap() as i64)
        })
        .collect()
}

fn told(site: &Site, account: &str) -> Option<i64> {
    site.value(&format!("SELECT unixepoch(credential_expires_at) FROM accounts WHERE account = '{account}'")).as_i64()
}

#[test]
fn the_key_of_each_account_is_found_by_its_mask_and_tells_its_expiry() {
    let sim = Sim::small();
    let site = Site::new(&sim, &three_accounts());
    site.poll(&[]).ended(0);
    // A session is no key.
    assert_eq!(own(&site), ["acme-braintrust: keymuster audit", "acme-openai: keymuster (read only)"]);
    let listed =
        site.value("SELECT unixepoch(expires_at) FROM keys WHERE account = 'acme-openai' AND self = 1").as_i64().unwrap();
    let session = told(&site, DEN).unwrap();
    let now = Clock::system().now().unix();
    assert!((now + 6 * DAY - 60..=now + 7 * DAY).contains(&session), "{session} is no week from {now}");
    assert_eq!((told(&site, OPENAI), told(&site, BRAINTRUST)), (Some(listed), None));
    assert_eq!(expiries(&site), [(DEN.to_owned(), session), (OPENAI.to_owned(), listed)]);

    // What the provider tells goes before what somebody wrote down; where it tells nothing, that counts.
    let mut site_toml = std::fs::read_to_string(site.config()).unwrap();
    for account in [OPENAI, BRAINTRUST] {
        let table = format!("[accounts.{account}]\n");
        site_toml = site_toml.replace(&table, &format!("{table}credential_expires = \"2031-01-01\"\n"));
    }
    std::fs::write(site.config(), site_toml).unwrap();
    let written = 1_924_992_000;
    assert_eq!(expiries(&site), [(BRAINTRUST.to_owned(), written), (DEN.to_owned(), session), (OPENAI.to_owned(), listed)]);
}

#[test]
fn a_den_key_is_its_own_by_what_it_was_just_used_for() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings::default());
    site.poll(&[]).ended(0);
    assert!(told(&site, DEN).is_some());
    site.secret("den-session", sim.den_api_key());
    site.edit("options = { organization_id", "options = { sign_in = \"api_key\", organization_id");
    site.poll(&[]).ended(0);
    assert_eq!(own(&site), ["acme-den: keymuster", "acme-openai: keymuster (read only)"]);
    let listed = site.value("SELECT unixepoch(expires_at) FROM keys WHERE account = 'acme-den' AND self = 1").as_i64();
    assert_eq!(told(&site, DEN), listed, "the session's end counts no more");
    site.secret("den-session", sim.den_session());
    site.edit("sign_in = \"api_key\", ", "");
    site.poll(&[]).ended(0);
    assert_eq!(own(&site), ["acme-openai: keymuster (read only)"], "the mark of the old one went");
}

#[test]
fn two_keys_with_one_mask_are_as_good_as_none() {
    let sim = Sim::small();
    let site = Site::new(&sim, &three_accounts());
    site.poll(&[]).ended(0);
    let id = |from: &str| text(&site.sql(&format!("SELECT key_id FROM keys WHERE {from} LIMIT 1"))[0], "key_id");
    let ours = id("account = 'acme-openai' AND self = 1");
    let other = id("account = 'acme-openai' AND kind = 'admin' AND self = 0");
    assert!(sim.change(|world| world.make_alike(&other, &ours)));
    // What a list that could not be read would show is not known: the mark stays.
    sim.faults("http_500:openai on /organization/admin_api_keys");
    site.edit("[guard]", "[limits]\nretries = 0\n\n[guard]");
    site.poll(&[]).ended(69);
    assert_eq!(own(&site).len(), 2);
    sim.faults("");
    site.poll(&[]).ended(0);
    assert_eq!(own(&site), ["acme-braintrust: keymuster audit"]);
    assert_eq!(told(&site, OPENAI), None);
    assert_eq!(expiries(&site).iter().map(|(account, _)| account.as_str()).collect::<Vec<_>>(), [DEN]);
    // A project's key may well end as ours does: that list does not hold admin keys.
    assert!(sim.change(|world| world.revoke(&other)));
    let project = id("account = 'acme-openai' AND kind = 'project'");
    assert!(sim.change(|world| world.make_alike(&project, &ours)));
    site.poll(&[]).ended(0);
    assert_eq!(own(&site), ["acme-braintrust: keymuster audit", "acme-openai: keymuster (read only)"]);
}

#[test]
fn our_own_key_is_not_called_stale_by_its_age() {
    let sim = Sim::small();
    let site = Site::new(&sim, &three_accounts());
    site.edit("[guard]", "[policy]\nstale_after = \"1h\"\n\n[guard]");
    site.poll(&[]).ended(0);
    let stale = "account = 'acme-braintrust' AND instr(conditions, 'stale') > 0";
    assert_eq!(site.count(&format!("keys WHERE {stale} AND self = 1")), 0);
    assert!(site.count(&format!("keys WHERE {stale}")) > 0);
}

#[test]
fn a_key_that_the_account_signs_in_with_no_more_bears_the_mark_no_more_though_its_list_is_not_read() {
    let sim = Sim::small();
    let site = Site::new(&sim, &Settings { tables: "[limits]\nretries = 0", ..Settings::default() });
    site.poll(&[]).ended(0);
    let before = told(&site, OPENAI);
    assert!(before.is_some());
    site.secret("openai-key", &sim.rotate_admin_key());
    sim.faults("http_500:openai on /organization/admin_api_keys");
    site.poll(&["--account", OPENAI]).ended(69);
    assert_eq!((own(&site), told(&site, OPENAI)), (Vec::new(), None));
    sim.faults("");
    site.poll(&["--account", OPENAI]).ended(0);
    assert_eq!(own(&site), ["acme-openai: keymuster (read only)"]);
    assert_ne!(told(&site, OPENAI), before);
}
