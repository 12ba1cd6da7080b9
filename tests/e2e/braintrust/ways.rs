//! Ways of listing that are left for the next one, and found again.

use super::{poll, site, stored, truth};
use crate::support::Sim;

#[test]
fn a_way_that_is_left_and_found_again_moves_no_key() {
    let sim = Sim::small();
    let site = site(&sim, "auto");
    poll(&site, 0);
    let right = stored(&site);
    assert_eq!(right, truth(&sim, "auto"));
    for (faults, kind) in [
        ("organization_list", "member"),
        ("", "organization"),
        ("organization_list:without_caller\nheader_dropped\ntoken_exchange", "member"),
        ("", "organization"),
    ] {
        sim.faults(faults);
        for _ in 0..2 {
            let report = poll(&site, 0);
            assert_eq!(stored(&site), right, "{faults}: {report}");
            let caller = format!("member/{}", sim.braintrust_caller_id());
            let told = usize::from(kind == "member");
            assert_eq!(report.matches(&caller).count(), told, "{faults}: the left way's lists are told too: {report}");
            assert_eq!(site.count("changes"), 0, "{faults}: {:?}", site.sql("SELECT * FROM changes"));
            let open = "scopes WHERE kind IN ('organization', 'member') AND state = 'complete'";
            assert_eq!(site.count(&format!("{open} AND kind <> '{kind}'")), 0, "{faults}: {report}");
            assert!(site.count(open) > 0, "{faults}");
        }
    }
}
