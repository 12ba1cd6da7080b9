//! Answers that are none: refusals for haste, redirects, a credential that is refused in the middle, a gateway's page.

use std::net::TcpListener;

use super::{poll, site, stored, told_and_harmless, truth};
use crate::support::{Settings, Sim, Site};

#[test]
fn http_429_with_seconds_or_with_a_date_is_waited_for() {
    for told in ["1", "date"] {
        let sim = Sim::small();
        let retrying =
            Settings { braintrust: Some("listing = 'header'"), tables: "[limits]\nretries = 1", ..Settings::default() };
        let site = Site::new(&sim, &retrying);
        sim.faults(&format!("busy:braintrust:{told} on /v1/user to 1\nbusy:braintrust:{told} on /v1/api_key from 4 to 4"));
        poll(&site, 0);
        let refused =
            |path: &str| sim.requests().iter().filter(|asked| asked.path == path).map(|asked| asked.refused).sum::<u64>();
        assert_eq!((refused("/v1/user"), refused("/v1/api_key")), (1, 1), "{told}: nobody was refused");
        assert_eq!(stored(&site), truth(&sim, "header"), "{told}");
    }
}

/// Several questions are asked before any list, and all of them are refused for one cause.
#[test]
fn one_refusal_is_told_once() {
    let sim = Sim::small();
    let site = site(&sim, "auto");
    sim.faults("unauthorized:braintrust");
    let told = poll(&site, 69);
    let refusals: Vec<&str> = told.lines().filter(|line| line.contains("auth: ")).collect();
    let each_once: std::collections::BTreeSet<&str> = refusals.iter().copied().collect();
    assert!(!refusals.is_empty() && refusals.len() == each_once.len(), "{told}");
}

#[test]
fn http_429_is_told_where_no_patience_is_left() {
    for told in ["1", "date", "string"] {
        let fault = format!("busy:braintrust:{told} on /v1/service_token");
        told_and_harmless(&Sim::small, "header", &fault, "rate_limited", "");
    }
}

#[test]
fn http_303_to_another_origin_is_not_followed() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let fault = format!("signed_url:http://{}/spill?X-Amz-Signature=0f3c9a", elsewhere.local_addr().unwrap());
    for listing in ["organization", "header", "token"] {
        told_and_harmless(&Sim::small, listing, &fault, "redirect_refused", "303");
    }
    told_and_harmless(&Sim::small, "header", &format!("{fault} on /v1/api_key every 4"), "redirect_refused", "303");
    told_and_harmless(&Sim::small, "organization", &format!("{fault} on /v1/organization/api_keys"), "redirect_refused", "303");
    assert!(elsewhere.accept().is_err(), "it was followed");
}

#[test]
fn http_401_in_the_middle_of_a_poll() {
    for (listing, fault) in [
        ("header", "unauthorized on /v1/api_key from 6"),
        ("token", "unauthorized on /v1/api_key from 6"),
        ("token", "unauthorized on /v1/impersonate from 3"),
        ("organization", "page_cap:3\nunauthorized on /v1/organization/api_keys from 2"),
    ] {
        told_and_harmless(&Sim::small, listing, fault, "auth", "401");
    }
}

#[test]
fn an_html_502_body() {
    for listing in ["organization", "header", "token"] {
        told_and_harmless(&Sim::small, listing, "html_502", "server", "502");
        let lists = if listing == "organization" { "/v1/organization/api_keys" } else { "/v1/api_key from 4" };
        told_and_harmless(&Sim::small, listing, &format!("html_502 on {lists}"), "server", "502");
    }
}
