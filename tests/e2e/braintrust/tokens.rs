//! Tokens that the caller's credential is exchanged for: no source says how the answer looks, so it may look like anything.

use keymuster::sim::Size;

use super::{poll, site, stored, told_and_harmless, truth};
use crate::support::{Settings, Sim, Site};

#[test]
fn the_token_is_found_in_each_of_its_fields() {
    for field in [
        "token",
        "impersonation_token",
        "access_token",
        "key",
        "api_key",
        "jwt",
        "session_token",
        "impersonationToken",
        "accessToken",
        "data.token",
        "data.access_token",
        "result.key",
        "bare",
        "text",
    ] {
        let sim = Sim::of(Size::members(6, 2));
        let site = site(&sim, "token");
        sim.faults(&format!("token_exchange:{field}"));
        poll(&site, 0);
        assert_eq!(stored(&site), truth(&sim, "token"), "{field}");
    }
}

#[test]
fn the_token_is_found_where_the_config_says() {
    let sim = Sim::of(Size::members(6, 2));
    let braintrust = Some("listing = 'token', token_field = '/grant/secret'");
    let site = Site::new(&sim, &Settings { braintrust, ..Settings::default() });
    sim.faults("token_exchange:grant.secret");
    poll(&site, 0);
    assert_eq!(stored(&site), truth(&sim, "token"));
}

#[test]
fn a_token_exchange_that_answers_something_else() {
    for (faults, reason) in [
        ("token_exchange:html", "malformed"),
        ("token_exchange:nowhere.known", "malformed"),
        ("html_502 on /v1/impersonate", "server"),
        ("not_found on /v1/impersonate", "not_found"),
        // A token that is good for the caller's own keys, whoever was meant.
        ("token_exchange\ntoken_of_caller", "attribution_mismatch"),
    ] {
        told_and_harmless(&Sim::small, "token", faults, reason, "");
    }
}
