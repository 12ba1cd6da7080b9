//! Every fault of the simulators, at every provider that it makes sense for, between two good polls: it is named, nothing is
//! concluded from it, and the next poll is complete again. The list is the simulators' own, so that none is left out.

use std::collections::BTreeMap;
use std::io::Write;

use keymuster::domain::Reason;
use keymuster::sim::{KINDS, Size};

use crate::outcomes::{Front, Outcome, Trial, expected};
use crate::polling::assert_is_truth;
use crate::support::{Settings, Sim, Site, text};

/// No second try, so that every fault shows at once, and small sizes.
const LIMITS: &str = r#"
[limits]
retries = 0
request_timeout = "1h"
wire_bytes = "1MiB"
inflated_bytes = "2MiB"
"#;

fn world() -> Sim {
    let size = Size { people: 12, projects: 4, archived_projects: 1, project_keys: 60, admin_keys: 5, ..Size::members(10, 3) };
    Sim::of(Size { den_keys: 30, ..size })
}

struct Bench {
    sim: Sim,
    site: Site,
    account: &'static str,
    front: Front,
    /// What must be there for the listing to work at all.
    always: &'static str,
    present: BTreeMap<String, String>,
}

impl Bench {
    /// Polled once, whole.
    fn new(front: Front) -> Self {
        let sim = world();
        let (options, always) = match front {
            Front::OpenAi | Front::Den => (None, ""),
            Front::Braintrust("organization") => (Some("listing = 'organization'"), ""),
            Front::Braintrust("header") => (Some("listing = 'header'"), ""),
            Front::Braintrust("token") => (Some("listing = 'token'"), "\ntoken_exchange"),
            Front::Braintrust(_) => (Some("listing = 'auto'"), ""),
        };
        let site = Site::new(&sim, &Settings { tables: LIMITS, braintrust: options, ..Settings::default() });
        sim.faults(always);
        site.poll(&[]).ended(0);
        let present = site.presences();
        assert!(present.len() > 40 && present.values().all(|presence| presence == "present"), "{present:?}");
        Self { sim, site, account: front.account(), front, always, present }
    }

    fn poll(&self) -> crate::process::Finished {
        self.site.poll(&["--account", self.account])
    }

    fn account_row(&self) -> crate::support::Row {
        self.site.sql(&format!("SELECT up, reason FROM accounts WHERE account = '{}'", self.account)).remove(0)
    }

    /// One trial; what was wrong with it.
    fn try_it(&self, kind: &str, trial: Trial) -> Vec<String> {
        let fault = format!("{kind}:{}{}{}", self.front.remote(), trial.argument, trial.place.on(self.front));
        let mut wrong = Vec::new();
        let mut check = |right: bool, what: String| {
            if !right {
                wrong.push(format!("{fault}: {what}"));
            }
        };
        let changes = self.site.count("changes");
        self.sim.faults(&format!("{fault}{}", self.always));
        let (patient, hasty) = ("request_timeout = \"1h\"", "request_timeout = \"2s\"");
        if is_hurried(kind, trial) {
            self.site.edit(patient, hasty);
        }
        for _ in 0..trial.before {
            check(self.poll().code == Some(0), "a poll within the limit was not complete".into());
        }
        let polled = self.poll();
        if is_hurried(kind, trial) {
            self.site.edit(hasty, patient);
        }
        let code = if matches!(trial.outcome, Outcome::Harmless | Outcome::Told(_)) { 0 } else { 69 };
        check(polled.code == Some(code), format!("ended with {:?}, not {code}:\n{}", polled.code, polled.all()));
        check(!polled.stderr.contains("panicked"), polled.stderr.clone());

        let row = self.account_row();
        let new = self.site.count("changes") - changes;
        match trial.outcome {
            Outcome::Harmless => {
                check(row["up"] == 1, format!("the account is not up: {row:?}"));
                check(new == 0, format!("{new} changes"));
            }
            Outcome::Told(change) => {
                let other = self
                    .site
                    .count(&format!("(SELECT * FROM changes ORDER BY change_id DESC LIMIT {new}) WHERE change <> '{change}'"));
                check(row["up"] == 1 && new > 0 && other == 0, format!("{new} changes, {other} of another sort; {row:?}"));
            }
            Outcome::Incomplete(reason) => {
                let reason = reason.as_str();
                check(
                    polled.stdout.contains(&format!("{reason}: ")),
                    format!("{reason} is not in the report:\n{}", polled.stdout),
                );
                check(row["up"] == 0 && row["reason"] == reason, format!("not up because of {reason}, but {row:?}"));
                check(new == 0, format!("{new} changes"));
                if let Some(hit) = trial.place.scopes(self.front) {
                    let rows = self.site.sql(&format!(
                        "SELECT * FROM scopes WHERE account = '{}' AND state <> 'retired' AND {hit}",
                        self.account
                    ));
                    let right = rows.iter().all(|row| text(row, "state") == "incomplete" && row["reason"] == reason);
                    check(!rows.is_empty() && right, format!("the view scopes does not say {reason}: {rows:?}"));
                }
            }
            Outcome::Held => {
                let held =
                    self.site.count(&format!("holds WHERE account = '{}' AND ended_at IS NULL AND keys > 0", self.account));
                check(held > 0, "nothing is held".into());
            }
        }
        let now = self.site.presences();
        let gone: Vec<_> = self.present.keys().filter(|key| now.get(*key).is_none_or(|presence| presence != "present")).collect();
        check(gone.is_empty(), format!("{} keys are not present any more: {:?}", gone.len(), gone.first().map(|k| now.get(*k))));

        self.sim.faults(self.always);
        let polled = self.poll();
        check(polled.code == Some(0), format!("the next poll ended with {:?}:\n{}", polled.code, polled.all()));
        check(self.account_row()["up"] == 1, "the account is not up after the next poll".into());
        let held = self.site.count("holds WHERE ended_at IS NULL");
        check(held == 0, format!("{held} holds after the keys were seen again"));
        wrong
    }
}

/// Every trial of every fault that makes sense for a remote; fails where nobody has thought about one.
fn trials(front: Front) -> impl Iterator<Item = (&'static str, Trial)> {
    let kinds = KINDS.iter().filter(move |kind| kind.only.is_empty() || kind.only.contains(&front.remote()));
    kinds.flat_map(move |kind| {
        let trials = expected(kind.name, front);
        assert!(!trials.is_empty(), "{} is not tried", kind.name);
        trials.into_iter().map(|trial| (kind.name, trial))
    })
}

/// Only what is meant to be too slow is measured: a busy machine is slow by itself.
fn is_hurried(kind: &str, trial: Trial) -> bool {
    matches!(kind, "latency" | "slow_drip") && trial.outcome == Outcome::Incomplete(Reason::Timeout)
}

/// Tries everything of that sort before it fails, so that one run tells all that is wrong.
fn every_fault(front: Front, believed: bool) {
    let mut bench = Bench::new(front);
    let (mut wrong, mut tried) = (Vec::new(), 0);
    for (kind, trial) in trials(front).filter(|(_, trial)| (trial.outcome == Outcome::Held) == believed) {
        tried += 1;
        let mut found = bench.try_it(kind, trial);
        for _ in 0..2 {
            // A machine that stood still meanwhile missed more deadlines than it should; it does not do so every time.
            if found.is_empty() || !is_hurried(kind, trial) {
                break;
            }
            bench = Bench::new(front);
            found = bench.try_it(kind, trial);
        }
        if !found.is_empty() || believed {
            // What went wrong, or was believed, is not to spoil the next trial.
            bench = Bench::new(front);
        }
        wrong.extend(found);
    }
    writeln!(std::io::stderr(), "{front:?}: {tried} faults tried").unwrap();
    assert!(wrong.is_empty(), "{} things are wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert_is_truth(&bench.sim, &bench.site);
}

/// The same of a first poll: what it could not read is no loss, and what the next one reads is no news.
fn every_fault_of_a_first_poll(front: Front) {
    let sim = world();
    let site = || Site::new(&sim, &Settings { tables: LIMITS, ..Settings::default() });
    let poll = |site: &Site| site.poll(&["--account", front.account()]);
    let good = site();
    poll(&good).ended(0);
    let whole = good.presences();
    // Whatever organisation a first poll is shown is the right one.
    let fits = |kind: &str, trial: Trial| {
        matches!(trial.outcome, Outcome::Incomplete(_))
            && trial.before == 0
            && !is_hurried(kind, trial)
            && !matches!(kind, "wrong_org" | "empty_list")
    };
    let (mut wrong, mut tried) = (Vec::new(), 0);
    for (kind, trial) in trials(front).filter(|(kind, trial)| fits(kind, *trial)) {
        let Outcome::Incomplete(reason) = trial.outcome else { continue };
        let fault = format!("{kind}:{}{}{}", front.remote(), trial.argument, trial.place.on(front));
        let site = site();
        sim.faults(&fault);
        let polled = poll(&site);
        if polled.code != Some(69) || !polled.stdout.contains(&format!("{}: ", reason.as_str())) {
            wrong.push(format!("{fault}: not told as {reason}: {}", polled.all()));
        }
        let lost = site.presences().iter().filter(|(key, presence)| !whole.contains_key(*key) || *presence != "present").count();
        sim.faults("");
        let next = poll(&site);
        // A key that the list of admin keys showed without its project comes to it.
        let news = site.count("changes WHERE change NOT IN ('moved', 'owner_access_changed')");
        if lost > 0 || next.code != Some(0) || site.presences() != whole || news > 0 {
            wrong.push(format!("{fault}: {lost} keys that nobody listed, or the next poll is no beginning: {}", next.all()));
        }
        tried += 1;
    }
    assert!(wrong.is_empty(), "{} things are wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(tried > 20, "{tried}");
}

#[test]
fn every_fault_of_a_first_poll_of_openai_is_named_and_costs_no_key() {
    every_fault_of_a_first_poll(Front::OpenAi);
}

#[test]
fn every_fault_of_a_first_poll_of_den_is_named_and_costs_no_key() {
    every_fault_of_a_first_poll(Front::Den);
}

#[test]
fn every_fault_of_openai_is_named_and_concludes_nothing() {
    every_fault(Front::OpenAi, false);
}

#[test]
fn every_fault_of_den_is_named_and_concludes_nothing() {
    every_fault(Front::Den, false);
}

#[test]
fn what_openai_cannot_have_meant_is_held() {
    every_fault(Front::OpenAi, true);
}

#[test]
fn what_den_cannot_have_meant_is_held() {
    every_fault(Front::Den, true);
}

#[test]
fn every_fault_of_braintrust_s_own_list_is_named_and_concludes_nothing() {
    every_fault(Front::Braintrust("organization"), false);
}

#[test]
fn every_fault_of_braintrust_by_header_is_named_and_concludes_nothing() {
    every_fault(Front::Braintrust("header"), false);
}

#[test]
fn every_fault_of_braintrust_by_token_is_named_and_concludes_nothing() {
    every_fault(Front::Braintrust("token"), false);
}

#[test]
fn every_fault_of_braintrust_in_whichever_way_is_named_and_concludes_nothing() {
    every_fault(Front::Braintrust("auto"), false);
}

#[test]
fn what_braintrust_cannot_have_meant_is_held() {
    for listing in ["organization", "header", "token", "auto"] {
        every_fault(Front::Braintrust(listing), true);
    }
}
