//! What goes wrong in random months: everything that can be noticed.
//!
//! Not among them is what nobody can notice, a provider that leaves things out or takes others in, time after time, in answers
//! that are right in themselves: `short_list`, `empty_list`, `header_dropped_empty` at some of many nodes, and `wrong_owner` or
//! `wrong_org` where an answer does not tell. The guard answers those, and stories of their own tell how. Nor is a list that turns
//! empty between two of its pages: what it lacks is missing for a poll, and the next one tells.

use crate::random::Random;

/// A fault and when it may be.
pub struct Kind {
    /// As [`keymuster::sim::Fault`] reads it.
    text: &'static str,
    /// Paths that it may be narrowed to.
    on: &'static [&'static str],
    /// It may happen to some requests alone.
    partly: bool,
    /// Only where each member's list is asked for.
    members_only: bool,
    /// Never to more than a few requests.
    few: bool,
}

const fn any(text: &'static str) -> Kind {
    Kind { text, on: &[], partly: true, members_only: false, few: false }
}

const fn whole(text: &'static str) -> Kind {
    Kind { partly: false, ..any(text) }
}

const fn on(text: &'static str, on: &'static [&'static str]) -> Kind {
    Kind { on, ..any(text) }
}

const OPENAI: &[&str] = &[
    "/organization/projects",
    "/organization/users",
    "/organization/admin_api_keys",
    "/organization/projects/{project_id}/api_keys",
];
const DEN: &[&str] = &["/v1/org", "/v1/api-keys"];
const BRAINTRUST: &[&str] = &[
    "/v1/api_key",
    "/v1/organization/api_keys",
    "/v1/user",
    "/v1/organization",
    "/v1/service_token",
    "/v1/group",
    "/api/self/me",
];

pub const ALL: &[Kind] = &[
    on("http_500:openai", OPENAI),
    on("http_500:den", DEN),
    on("http_500:braintrust", BRAINTRUST),
    any("http_503"),
    any("status:418"),
    on("rate_limit:openai:3", OPENAI),
    any("rate_limit:braintrust:5"),
    any("rate_limit_seconds:openai:4"),
    any("rate_limit_date:braintrust:3"),
    any("rate_limit_seconds:den:1"),
    on("unauthorized:openai", OPENAI),
    on("unauthorized:den", DEN),
    on("unauthorized:braintrust", BRAINTRUST),
    on("forbidden:openai", OPENAI),
    on("forbidden:den", DEN),
    on("forbidden:braintrust", BRAINTRUST),
    on("not_found:openai", OPENAI),
    on("not_found:den", DEN),
    on("not_found:braintrust", BRAINTRUST),
    on("html_200:openai", OPENAI),
    any("html_200:den"),
    on("html_200:braintrust", BRAINTRUST),
    any("redirect"),
    any("gzip_bomb:openai:1"),
    any("huge:braintrust:1"),
    on("drop_connection:openai", OPENAI),
    on("drop_connection:den", DEN),
    on("drop_connection:braintrust", BRAINTRUST),
    any("latency:2000"),
    any("latency:90000"),
    on("no_has_more", OPENAI),
    on("repeated_cursor", OPENAI),
    on("repeated_page:openai", OPENAI),
    on("repeated_page:braintrust", BRAINTRUST),
    on("empty_page_has_more", OPENAI),
    on("bad_item:openai", OPENAI),
    on("bad_item:den", DEN),
    on("bad_item:braintrust", BRAINTRUST),
    any("duplicate_item"),
    on("missing_field:openai:id", OPENAI),
    on("missing_field:den:id", DEN),
    on("missing_field:braintrust:id", BRAINTRUST),
    any("missing_field:openai:last_used_at"),
    any("missing_field:den:lastRequest"),
    any("missing_field:openai:owner"),
    any("secret_name"),
    any("secret_fields"),
    on("cut_body:openai", OPENAI),
    on("cut_body:den", DEN),
    on("cut_body:braintrust", BRAINTRUST),
    on("cut_json:openai", OPENAI),
    on("cut_json:den", DEN),
    on("cut_json:braintrust", BRAINTRUST),
    any("slow_drip:400"),
    any("gzip"),
    any("clock_skew:7200"),
    any("clock_skew:-90000"),
    whole("wrong_org:openai"),
    whole("wrong_org:den"),
    whole("wrong_org:braintrust"),
    on("header_dropped", BRAINTRUST),
    whole("header_dropped_empty"),
    any("impersonation_refused"),
    whole("organization_list:missing"),
    whole("organization_list:empty"),
    whole("organization_list:without_caller"),
    any("self_by_get"),
    whole("page_cap:2"),
    whole("overlapping_pages"),
    Kind { members_only: true, ..on("wrong_owner", BRAINTRUST) },
    any("duplicate_differs"),
    any("recreated"),
    any("busy"),
    any("busy:date"),
    any("html_502"),
    // One at each page makes lists that grow as fast as they are read, until they last longer than a member's token.
    Kind { few: true, ..any("key_made") },
    on("signed_url", BRAINTRUST),
    Kind { members_only: true, ..any("token_of_caller") },
];

/// Kinds that happen in no month, and why.
const LEFT_OUT: &[(&str, &str)] = &[
    ("short_list", "nobody can notice it"),
    ("empty_list", "nobody can notice it"),
    ("token_exchange", "no fault: in every month it is how Braintrust is"),
];

impl Kind {
    /// Its text, without a path and which requests.
    pub const fn word(&self) -> &'static str {
        self.text
    }

    /// It can be noticed where Braintrust is listed so.
    pub fn fits(&self, listing: &str) -> bool {
        !self.members_only || matches!(listing, "header" | "token")
    }

    /// Some fault of this kind.
    pub fn text(&self, random: &mut Random) -> String {
        let mut text = self.text.to_owned();
        if !self.on.is_empty() && random.percent(60) {
            text.push_str(&format!(" on {}", random.pick(self.on)));
        }
        if self.few {
            text.push_str(&format!(" to {}", random.between(1, 9)));
        } else if self.partly && random.percent(50) {
            match random.between(0, 3) {
                0 => text.push_str(&format!(" every {}", random.between(2, 5))),
                1 => text.push_str(&format!(" from {}", random.between(2, 9))),
                _ => text.push_str(&format!(" to {}", random.between(1, 9))),
            }
        }
        text
    }
}

#[test]
fn every_kind_of_the_simulator_happens_or_is_left_out_with_a_reason() {
    let name = |kind: &Kind| kind.text.split(':').next().unwrap_or_default();
    let mut told: Vec<&str> = ALL.iter().map(name).chain(LEFT_OUT.iter().map(|(name, _)| *name)).collect();
    told.sort_unstable();
    told.dedup();
    let mut there: Vec<&str> = keymuster::sim::KINDS.iter().map(|kind| kind.name).collect();
    there.sort_unstable();
    assert_eq!(told, there);
    assert!(!ALL.iter().any(|kind| LEFT_OUT.iter().any(|(left_out, _)| name(kind) == *left_out)), "one of them does happen");
}
