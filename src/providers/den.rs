//! OpenWork Den: every key of one organisation, in one answer.
//!
//! Facts about the remote are from the source and the OpenAPI document of den-api, releases 0.18.28 to 0.18.46. Key answers
//! do not say which organisation they are for, and a header that selects one is ignored in silence where it is malformed or
//! where an API key decides; so keys are asked only after `GET /v1/org`, asked the same way, named the organisation, and count only once it names it again.

mod records;

use crate::domain::{Failure, KeyFacts, KeyKind, Moment, Reason, Refused, RemoteId, Scope, ScopeId, ScopeKind, Time};

use super::{
    Account, Answer, Auth, CredentialRule, End, Fact, Fetch, Item, Known, Learnt, Next, OptionSpec, Pace, Paging, Proof,
    Provider, Revocation, Sample, SamplePage, SignIn, Spec, Subject, Target, wire,
};

/// The adapter.
pub struct Den;

const SESSION: &str = "session";
const ORGANIZATIONS: &str = "organizations";
const ORGANIZATION: &str = "organization";
const KEYS: &str = "api_keys";

/// The header that selects the organisation.
const SELECT: &str = "x-openwork-org-id";

/// The question which organisations the credential sees.
const WHICH: &str = "organizations";
/// The question until when the session lives.
const UNTIL: &str = "session";

static SPEC: Spec = Spec {
    id: "den",
    name: "OpenWork Den",
    credential: "a session token of an organisation's owner or admin, or an API key of one where the server's release takes it",
    sign_ins: &[
        SignIn {
            word: "session",
            about: "a session token, sent as a bearer token; any request within its last 6 days renews it for 7",
            auth: Auth::Bearer,
            rules: &[CredentialRule {
                refused_prefix: "den_",
                because: "The server answers 401 to every den_ key that is sent as a bearer token; set sign_in = \"api_key\".",
            }],
            mask_shows: None,
        },
        SignIn {
            word: "api_key",
            about: "an API key, sent as x-api-key; its own organisation is listed, and polling counts as its use",
            auth: Auth::Header("x-api-key"),
            rules: &[],
            // `start` is all that the server shows of a key: `den_` and two letters.
            mask_shows: Some(2),
        },
    ],
    variables: &[],
    base_url: "https://api.openworklabs.com",
    options: &[OptionSpec {
        name: "organization_id",
        about: "the organisation to read; may be left out where the credential administers one",
        default: None,
        check: |value| {
            if is_organization_id(value) {
                Ok(())
            } else {
                Err("org_ and 26 characters as the server writes them, in lower case")
            }
        },
    }],
    kinds: &[KeyKind::Organization],
    scopes: &[ScopeKind::People, ScopeKind::Organization],
    ways: &[],
    facts: &[Fact::Created, Fact::LastUse, Fact::Expiry, Fact::Enabled, Fact::Owner],
    paging: Paging::OneAnswer,
    // A poll is three or four requests. den-api limits nothing below /v1 but API keys: 600 requests, counted anew only after
    // 60 s without one; a proxy before a hosted server may limit more.
    pace: Pace { per_minute: 30, burst: 3 },
    revocations: &[Revocation {
        kinds: &[KeyKind::Organization],
        owner: None,
        console: "https://app.openworklabs.com",
        delete: Some("/v1/api-keys/{key_id}"),
        header: Some((SELECT, "the organisation's id")),
        about: "Only the organisation's owner may, or whom the server's release lets manage keys, and within minutes of signing in: \
            an older session is told to sign in again.",
    }],
    samples: SAMPLES,
};

/// How recently a key must have been used to show that the server records use: some releases refuse API keys below `/v1`
/// and never update `lastRequest`.
const USE_IS_RECORDED: i64 = 90 * 86_400;

/// The server's clock may be ahead of ours by as much before a walk is refused for it.
const AHEAD: i64 = 3_600;

/// For how many seconds other keys may be used between the moment at which a request counts as a use and its answer.
const BETWEEN: i64 = 2;

impl Provider for Den {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn plan(&self, account: &Account, known: &Known) -> Vec<Fetch> {
        let mut wanted = Vec::new();
        let asked = if let Some(configured) = account.option("organization_id") {
            // A malformed id would be ignored by the server in silence; nothing is asked with one.
            organization_id(configured)
        } else {
            wanted.push(organizations());
            known.organizations.as_deref().and_then(|seen| match seen {
                [only] => Some(only.id.clone()),
                _ => None,
            })
        };
        if let Some(asked) = asked {
            if signs_in_by_session(account) {
                wanted.push(session());
            }
            wanted.push(organization(&asked));
            if known.organization.as_ref().is_some_and(|shown| shown.id == asked) {
                wanted.push(keys(&asked));
            }
        }
        wanted
    }

    fn item(&self, fetch: &Fetch, item: &[u8]) -> Result<Item, Refused> {
        match fetch.endpoint {
            ORGANIZATION => records::member(item),
            _ => records::key(item).map(|key| Item::Key(Box::new(key))),
        }
    }

    fn end(&self, fetch: &Fetch, answer: &Answer<'_>) -> Result<End, Failure> {
        if !wire::is_success(answer.status) {
            return Err(refusal(answer));
        }
        if let Some(list) = fetch.list {
            wire::elements(answer, list)?;
        }
        let learnt = match fetch.endpoint {
            SESSION => Learnt { credential_expires: records::session_expires(answer)?, ..Learnt::default() },
            ORGANIZATIONS => Learnt { organizations: Some(vec![records::the_organization(answer)?]), ..Learnt::default() },
            ORGANIZATION => {
                let shown = records::shown_organization(answer)?;
                if fetch.subject.organization.as_ref() != Some(&shown.id) {
                    let detail = format!("the answer is about {}; check organization_id, or whose API key this is", shown.id);
                    return Err(Failure::new(Reason::AttributionMismatch, detail));
                }
                Learnt { organization: Some(shown), ..Learnt::default() }
            }
            _ => {
                records::well_formed(answer)?;
                Learnt::default()
            }
        };
        Ok(End { next: Next::Done, learnt })
    }

    /// A null `lastRequest` is *never* only where another key shows that this server records use.
    fn whole_answer(&self, keys: &mut [Box<KeyFacts>], asked_at: Time) {
        let shows = |used: Time| (-AHEAD..=USE_IS_RECORDED).contains(&asked_at.since(used));
        if !keys.iter().any(|key| key.last_used.at().is_some_and(shows)) {
            for key in keys.iter_mut().filter(|key| key.last_used == Moment::Never) {
                key.last_used = Moment::NotReported;
            }
        }
    }

    /// Two letters fit many keys: the credential's is the one that this very answer shows as used, later than any other but
    /// for what came in between.
    fn may_be_own<'k>(&self, _: &Account, _: &Known, _: &ScopeId, keys: &'k [Box<KeyFacts>]) -> Option<Vec<&'k KeyFacts>> {
        let newest = keys.iter().filter_map(|key| key.last_used.at()).max();
        let just_used =
            |key: &&KeyFacts| key.last_used.at().zip(newest).is_some_and(|(used, newest)| newest.since(used) <= BETWEEN);
        Some(keys.iter().map(Box::as_ref).filter(just_used).collect())
    }

    fn organization(&self, known: &Known) -> Option<Fetch> {
        known.organization.as_ref().map(|shown| organization(&shown.id))
    }

    // No `by_id`: the server has no such route, so that its 404 would prove nothing.
}

/// What a person can do about a refusal. The bodies of 401 are all the same, whatever the cause.
fn refusal(answer: &Answer<'_>) -> Failure {
    let remedy = match answer.status {
        401 => {
            "the session has ended; or, of an API key, it is disabled, expired or throttled, or this release of the server \
             takes no API keys"
        }
        403 if wire::mentions(answer, "organization_sso_required") => {
            "the organisation demands single sign-on; sign in that way, or use an API key"
        }
        403 => "needs owner or admin of the organisation, with the permission to view API keys",
        404 if wire::mentions(answer, "organization_not_found") => {
            "the credential is not of that organisation; check organization_id"
        }
        404 => "no such route; check base_url, which ends in /api/den on most servers of one's own",
        other => return wire::refusal(other, None),
    };
    wire::refusal(answer.status, Some(remedy))
}

/// `^org_[0-7][0-9a-hjkmnp-tv-z]{25}$`, as the server reads it; it ignores what differs.
fn is_organization_id(value: &str) -> bool {
    let Some(suffix) = value.strip_prefix("org_") else { return false };
    let base32 = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'h' | b'j' | b'k' | b'm' | b'n' | b'p'..=b't' | b'v'..=b'z');
    suffix.len() == 26 && suffix.starts_with(|c| matches!(c, '0'..='7')) && suffix.bytes().all(base32)
}

/// The id of an organisation, such as the server will not ignore.
fn organization_id(raw: &str) -> Option<RemoteId> {
    is_organization_id(raw).then(|| RemoteId::new(raw)).flatten()
}

fn signs_in_by_session(account: &Account) -> bool {
    SPEC.sign_in(account).auth == Auth::Bearer
}

/// Until when the session lives, which any request may have made later.
fn session() -> Fetch {
    Fetch::get(Target::Question(UNTIL), SESSION, "/v1/me")
}

fn organizations() -> Fetch {
    Fetch::get(Target::Question(WHICH), ORGANIZATIONS, "/v1/me/orgs")
}

/// Who the members are, and which organisation answers. The body also carries invitations with their tokens: never read.
fn organization(id: &RemoteId) -> Fetch {
    within(id, ScopeKind::People, ORGANIZATION, "/v1/org", "members")
}

fn keys(id: &RemoteId) -> Fetch {
    let mut fetch = within(id, ScopeKind::Organization, KEYS, "/v1/api-keys", "apiKeys");
    fetch.subject.proof = Proof::Organization;
    fetch
}

fn within(id: &RemoteId, kind: ScopeKind, endpoint: &'static str, path: &str, list: &'static str) -> Fetch {
    Fetch {
        headers: vec![(SELECT, id.clone())],
        list: Some(list),
        subject: Subject { organization: Some(id.clone()), ..Subject::default() },
        ..Fetch::get(Target::Scope(Scope::only(kind)), endpoint, path)
    }
}

/// A request within the organisation of the samples.
fn sampled(request: fn(&RemoteId) -> Fetch) -> Fetch {
    organization_id("org_01k9x2m4q7ragsb3e5tw8vzcdf").map_or_else(organizations, |id| request(&id))
}

static SAMPLES: &[Sample] = &[
    Sample { name: "session", fetch: session, pages: &[SamplePage { status: 200, body: include_str!("den/me.json") }], items: 0 },
    Sample {
        name: "session: none, as with an API key",
        fetch: session,
        pages: &[SamplePage { status: 200, body: include_str!("den/me_by_key.json") }],
        items: 0,
    },
    Sample {
        name: "organisations: one that the credential administers, one where it is a member",
        fetch: organizations,
        pages: &[SamplePage { status: 200, body: include_str!("den/orgs.json") }],
        items: 0,
    },
    Sample {
        name: "organisation: members, one invited",
        fetch: || sampled(organization),
        pages: &[SamplePage { status: 200, body: include_str!("den/org.json") }],
        items: 4,
    },
    Sample {
        name: "keys: used, never used, expired, disabled, all null",
        fetch: || sampled(keys),
        pages: &[SamplePage { status: 200, body: include_str!("den/api_keys.json") }],
        items: 5,
    },
    Sample {
        name: "keys: none",
        fetch: || sampled(keys),
        pages: &[SamplePage { status: 200, body: include_str!("den/no_keys.json") }],
        items: 0,
    },
];

#[cfg(test)]
mod tests;
