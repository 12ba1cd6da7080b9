//! The organisation's own list of keys, which says nothing to whoever does not own it.

use super::{poll, site, stored, told_and_harmless, truth};
use crate::support::Sim;

#[test]
fn an_organisation_list_that_is_empty_because_the_caller_is_no_owner() {
    let words = "who is no owner of the organisation gets an empty one";
    told_and_harmless(&Sim::small, "organization", "organization_list:empty", "attribution_unproven", words);
}

#[test]
fn an_organisation_list_without_the_caller_s_own_keys() {
    let words = "the list lacks keys of the caller's own";
    told_and_harmless(&Sim::small, "organization", "organization_list:without_caller", "attribution_unproven", words);
}

#[test]
fn a_server_without_the_organisation_list() {
    let words = "this server does not have that way of listing";
    told_and_harmless(&Sim::small, "organization", "organization_list:missing", "not_found", words);
}

#[test]
fn the_key_of_a_plain_member_lists_nothing_and_loses_nothing() {
    let sim = Sim::small();
    let site = site(&sim, "organization");
    for read_before in [false, true] {
        site.secret("braintrust-key", sim.braintrust_member_credential());
        let report = poll(&site, 69);
        assert!(report.contains("attribution_unproven: ") && report.contains("gets an empty one"), "{report}");
        assert!(report.contains("forbidden: "), "who is no owner may not list service tokens: {report}");
        let expected = if read_before { truth(&sim, "organization") } else { Default::default() };
        assert_eq!(stored(&site), expected, "{report}");
        site.secret("braintrust-key", sim.braintrust_credential());
        poll(&site, 0);
        assert_eq!(stored(&site), truth(&sim, "organization"));
    }
    assert_eq!(site.count("changes"), 0);
}
