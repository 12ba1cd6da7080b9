//! Answers of Braintrust as its OpenAPI document describes them.

use super::requests::{self, Asking};
use crate::domain::{Organization, RemoteId, Scope, ScopeKind, Text};
use crate::providers::{Account, Fetch, Method, Sample, SamplePage, Way};

const ORGANIZATION: &str = "0c5e7a52-6d0e-4f0b-9a55-3f0a52b8d001";
/// The member whose credential the samples were asked with.
const CALLER: &str = "7b1d0f3e-2c44-4c1a-8a0e-51d3a6a0c001";
const MEMBER: &str = "7b1d0f3e-2c44-4c1a-8a0e-51d3a6a0c002";

macro_rules! page {
    ($file:literal) => {
        page!(200, $file)
    };
    ($status:literal, $file:literal) => {
        SamplePage { status: $status, body: include_str!($file) }
    };
}

/// The page after the last element of a list.
const EMPTY: SamplePage = page!("empty.json");

/// A request within the organisation of the samples.
fn within(request: impl FnOnce(&Asking) -> Fetch) -> Fetch {
    // Not reached for the id above; an endpoint of another name would fail the contract tests.
    let Some(id) = RemoteId::new(ORGANIZATION) else { return requests::organizations(None) };
    let organization = Organization { id, name: Some(Text::clean("harbour")) };
    request(&Asking::new(&Account::default(), &organization))
}

fn member(id: &str, way: Way) -> Fetch {
    let Some((caller, id)) = RemoteId::new(CALLER).zip(RemoteId::new(id)) else { return requests::organizations(None) };
    let scope = Scope::of(ScopeKind::Member, id.clone(), None);
    within(|asking| asking.member_keys(&Account::default(), scope, &id, Some(&caller), way))
}

pub(super) static SAMPLES: &[Sample] = &[
    Sample {
        name: "self/me: the caller, in two organisations",
        fetch: || requests::whoami(&Method::WhoAmI),
        pages: &[page!("self.json")],
        items: 0,
    },
    Sample {
        name: "self/me: asked in a member's name",
        fetch: || {
            RemoteId::new(MEMBER).map_or_else(|| requests::organizations(None), |id| requests::whoami_as(&id, &Method::WhoAmI))
        },
        pages: &[page!("self_as_member.json")],
        items: 0,
    },
    Sample {
        name: "organizations: the only one",
        fetch: || requests::organizations(None),
        pages: &[page!("organization.json"), EMPTY],
        items: 0,
    },
    Sample {
        name: "organizations: the one of that name",
        fetch: || requests::organizations(Some("harbour")),
        pages: &[page!("organization.json")],
        items: 0,
    },
    Sample {
        name: "users: named, without names, with nothing but an id",
        fetch: || within(Asking::people),
        pages: &[page!("users_1.json"), page!("users_2.json"), EMPTY],
        items: 4,
    },
    Sample {
        name: "groups: with members, with groups, deleted",
        fetch: || within(Asking::groups),
        pages: &[page!("groups.json"), EMPTY],
        items: 0,
    },
    Sample {
        name: "service tokens: of an account, and provisioned for the data plane",
        fetch: || within(Asking::service_tokens),
        pages: &[page!("service_tokens.json"), EMPTY],
        items: 2,
    },
    Sample {
        name: "own keys: of this organisation, of another, of none",
        fetch: || within(|asking| asking.own_keys(RemoteId::new(CALLER).as_ref())),
        pages: &[page!("own_keys.json"), EMPTY],
        items: 3,
    },
    Sample {
        name: "organisation's keys: of several members",
        fetch: || within(Asking::organization_keys),
        pages: &[page!("organization_keys_1.json"), page!("organization_keys_2.json"), EMPTY],
        items: 4,
    },
    Sample {
        name: "organisation's keys: the caller is no owner",
        fetch: || within(Asking::organization_keys),
        pages: &[EMPTY],
        items: 0,
    },
    Sample {
        name: "member's keys: by header",
        fetch: || member(MEMBER, Way::Header),
        pages: &[page!("member_keys_1.json"), page!("member_keys_2.json"), EMPTY],
        items: 3,
    },
    Sample {
        name: "member's keys: by token, of an older server that names no owner",
        fetch: || member(MEMBER, Way::Token),
        pages: &[page!("member_keys_unnamed.json"), EMPTY],
        items: 1,
    },
    Sample {
        name: "member's keys: the caller's, in its own name",
        fetch: || member(CALLER, Way::Header),
        pages: &[page!("own_keys.json"), EMPTY],
        items: 3,
    },
    Sample {
        name: "member's keys: the member is also in an organisation that is not ours",
        fetch: || member(MEMBER, Way::Header),
        pages: &[page!(403, "forbidden.txt")],
        items: 0,
    },
    Sample {
        name: "member's keys: no such member",
        fetch: || member(MEMBER, Way::Header),
        pages: &[page!(404, "not_found.txt")],
        items: 0,
    },
];
