//! keymuster only reads: over every way of listing and of signing in, with keys asked for by their ids, keys held, headers lost and
//! lists read twice, by poll, check and daemon, nothing is asked that is not on a closed list.

use std::collections::BTreeSet;

use keymuster::sim::{Remote, Size};

use crate::calls::{CALLS, HEADERS, are_on_the_list};
use crate::control::ctl;
use crate::support::{BRAINTRUST, Settings, Sim, Site, far_off, text};

const IMPERSONATE: &str = "x-bt-impersonate-user";
const ORGANIZATION: &str = "x-openwork-org-id";
/// Most of the keys are missing from the lists.
const LOSSES: &str = "\nshort_list:braintrust:40 on /v1/api_key\nshort_list:openai:80 on /organization/projects/{project_id}/api_keys\
                      \nshort_list:openai:90 on /organization/admin_api_keys\nempty_list:den on /v1/api-keys";

/// How Braintrust is listed, what must be there for that to work, and whether tokens are exchanged: unless that way was
/// chosen, only where the others were tried before.
struct Way {
    options: &'static str,
    always: &'static str,
    tokens: Option<bool>,
}

const WAYS: &[Way] = &[
    Way { options: "listing = 'organization'", always: "", tokens: Some(false) },
    Way { options: "listing = 'header'", always: "self_by_get", tokens: Some(false) },
    Way { options: "listing = 'token'", always: "token_exchange", tokens: Some(true) },
    Way { options: "listing = 'auto'", always: "", tokens: None },
    Way { options: "listing = 'auto'", always: "organization_list:missing", tokens: None },
    Way {
        options: "listing = 'auto'",
        always: "organization_list:missing\nimpersonation_refused on /v1/api_key\ntoken_exchange",
        tokens: Some(true),
    },
];

fn site(sim: &Sim, way: &Way) -> Site {
    sim.faults(way.always);
    let settings = Settings {
        schedule: far_off(),
        braintrust: Some(way.options),
        confirm_after: "1s",
        guard: "min_keys = 2",
        tables: "[limits]\nretries = 0",
        ..Settings::default()
    };
    Site::new(sim, &settings)
}

/// All that is done with a site; how it ends is other tests' business.
fn lived_with(sim: &Sim, way: &Way) {
    let site = site(sim, way);
    site.run("check", &[]);
    site.poll(&[]);
    // What the first of two polls holds, the second asks for.
    for faults in [LOSSES, LOSSES, "\nheader_dropped:braintrust every 3", "\nheader_dropped_empty", "\nimpersonation_refused"] {
        sim.faults(&format!("{}{faults}", way.always));
        site.poll(&[]);
    }
    sim.faults(&format!("{}{LOSSES}", way.always));
    site.secret("den-session", sim.den_api_key());
    site.edit("options = { organization_id", "options = { sign_in = \"api_key\", organization_id");
    let daemon = site.daemon();
    ctl(&site, &["poll"]);
    sim.faults(way.always);
    // Without its name the organisation has to be found.
    site.edit(&format!(", organization_id = \"{}\"", sim.den_organization_id()), "");
    ctl(&site, &["reload"]).ended(0);
    ctl(&site, &["poll"]);
    daemon.stop().ended(0);
    site.run("check", &[]);

    let of_people = format!("SELECT person_id FROM people WHERE account = '{BRAINTRUST}'");
    let mut members: BTreeSet<String> = site.sql(&of_people).iter().map(|row| text(row, "person_id")).collect();
    members.extend(sim.truth().into_iter().filter(|key| key.provider == Remote::Braintrust).map(|key| key.owner_id));
    for (headed, values) in sim.headed() {
        match headed.header.as_str() {
            IMPERSONATE => assert!(values.is_subset(&members), "asked as nobody's member: {values:?}"),
            ORGANIZATION => assert_eq!(values, BTreeSet::from([sim.den_organization_id()])),
            _ => {}
        }
    }
    let exchanged = sim.asked("/v1/impersonate") > 0;
    assert!(way.tokens.is_none_or(|tokens| tokens == exchanged), "{}, {}: {exchanged}", way.options, way.always);
}

#[test]
fn nothing_is_ever_asked_but_what_is_on_the_closed_list() {
    let mut seen = BTreeSet::new();
    for way in WAYS {
        let sim = Sim::of(Size {
            people: 8,
            projects: 3,
            archived_projects: 1,
            project_keys: 24,
            admin_keys: 12,
            den_keys: 12,
            ..Size::members(8, 3)
        });
        lived_with(&sim, way);
        are_on_the_list(&sim).unwrap_or_else(|why| panic!("{}, {}: {why}", way.options, way.always));
        seen.extend(sim.requests().into_iter().map(|asked| (asked.provider, asked.method, asked.path)));
        seen.extend(sim.headed().into_keys().map(|headed| (headed.provider, headed.header, headed.path)));
    }
    // What nobody asks any more does not stay on the list.
    let idle: Vec<_> = CALLS
        .iter()
        .chain(HEADERS)
        .filter(|(r, how, path)| !seen.contains(&(*r, (*how).to_owned(), (*path).to_owned())))
        .collect();
    assert!(idle.is_empty(), "never asked: {idle:?}");
}
