//! Braintrust: the keys of every member of one organisation, and its service tokens.
//!
//! Facts about the remote are from Braintrust's OpenAPI document and its API reference, unless said otherwise; what is
//! *not confirmed* is said nowhere. Nobody may simply list an organisation's keys on every server, so there are three ways:
//! one list of the organisation, which newer servers have, and each member's own list, asked in the member's name by a
//! header or with a token exchanged for the member. The organisation is always asked for by `GET /v1/organization`, though
//! self/me often tells it too: one request a poll buys an answer of one documented shape that names exactly the organisation
//! the lists are then asked for.

mod records;
mod requests;
mod samples;

use crate::domain::{ClosedReason, Failure, KeyFacts, KeyKind, Reason, Refused, RemoteId, Scope, ScopeId, ScopeKind};

use super::{
    Account, Answer, Auth, End, Fact, Fetch, GROUPS, Item, KeyRef, Known, Method, Next, OWN_KEYS, OptionSpec, Pace, Paging,
    Provider, Revocation, SignIn, Spec, Target, Way, wire,
};
use requests::{
    AFTER, API_KEY, Asking, IMPERSONATE, ORGANIZATION_KEYS, ORGANIZATIONS, SELF, SERVICE_TOKEN, SERVICE_TOKENS, USERS,
};

/// The adapter.
pub struct Braintrust;

static SPEC: Spec = Spec {
    id: "braintrust",
    name: "Braintrust",
    credential: "an API key of a user to whom the Owner role of the organisation was granted directly, which membership in the \
        Owners group alone may not be; that user should be in no other organisation",
    sign_ins: &[SignIn {
        word: "bearer",
        about: "an API key, sent as a bearer token; an organisation in the EU needs base_url = \"https://api-eu.braintrust.dev\"",
        auth: Auth::Bearer,
        // A service token of an owner may do as well: not confirmed by Braintrust, and not refused here.
        rules: &[],
        // The mask is not documented.
        mask_shows: Some(3),
    }],
    variables: &["BRAINTRUST_API_KEY"],
    base_url: "https://api.braintrust.dev",
    options: &[
        OptionSpec {
            name: "org_name",
            about: "the organisation to read, named as Braintrust writes it; may be left out where the credential sees one",
            default: None,
            check: |value| {
                let plain = !value.is_empty() && value.chars().count() <= 256 && !value.chars().any(char::is_control);
                if plain && value.trim() == value {
                    Ok(())
                } else {
                    Err("1 to 256 characters, no control characters or outer spaces")
                }
            },
        },
        OptionSpec {
            name: "listing",
            about: "how keys are listed: organization (one list), header or token (each member's list, in the member's name), or \
                auto, which tries them in this order",
            default: Some("auto"),
            check: |value| {
                if value == "auto" || value.parse::<Way>().is_ok() { Ok(()) } else { Err("auto, organization, header or token") }
            },
        },
        OptionSpec {
            name: "token_field",
            about: "for listing = token: the JSON pointer to the token in the answer of POST /v1/impersonate, where the usual \
                names are not found",
            default: None,
            check: |value| {
                let plain = value.len() <= 256 && value.bytes().all(|b| b.is_ascii_graphic());
                if plain && value.starts_with('/') { Ok(()) } else { Err("a JSON pointer such as /data/token") }
            },
        },
    ],
    kinds: &[KeyKind::Personal, KeyKind::ServiceToken],
    scopes: &[ScopeKind::People, ScopeKind::Organization, ScopeKind::Member, ScopeKind::ServiceTokens],
    ways: &[Way::Organization, Way::Header, Way::Token],
    facts: &[Fact::Created, Fact::Owner],
    paging: Paging::Pages,
    // No limit of these lists is published. 300 requests a minute is what Braintrust's own directory sync
    // (okta-braintrust-sync) keeps to unless told otherwise.
    pace: Pace { per_minute: 300, burst: 5 },
    revocations: &[
        Revocation {
            kinds: &[KeyKind::Personal],
            owner: None,
            console: "https://www.braintrust.dev/app/settings?subroute=api-keys",
            delete: Some("/v1/api_key/{key_id}"),
            header: None,
            about: "An owner of the organisation sees the keys of all members in the console; whether the call takes another \
                member's key is not documented.",
        },
        Revocation {
            kinds: &[KeyKind::ServiceToken],
            owner: None,
            console: "https://www.braintrust.dev/app/settings",
            delete: Some("/v1/service_token/{key_id}"),
            header: None,
            about: "Only owners of the organisation manage service tokens. Self-hosting makes one for the \
                data plane by itself: see whose it is first.",
        },
    ],
    samples: samples::SAMPLES,
};

impl Provider for Braintrust {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn plan(&self, account: &Account, known: &Known) -> Vec<Fetch> {
        let mut wanted = vec![requests::whoami(&Method::WhoAmI), requests::organizations(account.option("org_name"))];
        // The guide asks by POST, other texts of Braintrust by GET; a server that refuses the one may know the other.
        if known.unanswered.get(requests::WHO).is_some_and(|f| matches!(f.reason, Reason::NotFound | Reason::UnexpectedStatus)) {
            wanted.push(requests::whoami(&Method::Get));
        }
        let Some(organization) = &known.organization else { return wanted };
        let asking = Asking::new(account, organization);
        // The caller's own keys prove an organisation list, and give away a lost header where keys name no owner.
        wanted.extend([asking.people(), asking.service_tokens(), asking.groups(), asking.own_keys(known.caller.as_ref())]);
        if !prepared(known) {
            return wanted;
        }
        match known.way {
            Some(Way::Organization) => wanted.push(asking.organization_keys()),
            Some(way @ (Way::Header | Way::Token)) => {
                let unnamed = known.group_members.iter().filter(|id| !known.people.contains_key(*id)).map(|id| (id, None));
                let named = known.people.iter().map(|(id, person)| (id, person.name.as_ref().or(person.email.as_ref())));
                let members = named.chain(unnamed).filter(|(id, _)| !known.service_accounts.contains(*id));
                wanted.extend(members.map(|(id, name)| {
                    let scope = Scope::of(ScopeKind::Member, id.clone(), name.cloned());
                    asking.member_keys(account, scope, id, known.caller.as_ref(), way)
                }));
            }
            None => {}
        }
        wanted
    }

    fn item(&self, fetch: &Fetch, item: &[u8]) -> Result<Item, Refused> {
        match fetch.endpoint {
            USERS => records::person(item).map(|person| Item::Person(Box::new(person))),
            SERVICE_TOKENS => records::service_token(item).map(|key| Item::Key(Box::new(key))),
            _ => records::api_key(item).map(|key| Item::Key(Box::new(key))),
        }
    }

    fn end(&self, fetch: &Fetch, answer: &Answer<'_>) -> Result<End, Failure> {
        if !wire::is_success(answer.status) {
            return refused(fetch, answer);
        }
        match fetch.endpoint {
            // Its shape is documented nowhere; the engine looks for the token.
            IMPERSONATE => Ok(End::done()),
            SELF => records::caller(fetch, answer).map(|learnt| End { next: Next::Done, learnt }),
            ORGANIZATIONS => records::organizations(fetch, answer),
            GROUPS => records::group_members(fetch, answer),
            API_KEY | SERVICE_TOKEN => records::same_key(fetch, answer),
            _ => {
                let elements = wire::elements(answer, requests::LIST)?;
                records::well_formed(answer)?;
                let last = answer.last_id.map(RemoteId::as_str);
                // A page tells nothing of others, and the server may cap pages below `limit`: only an empty one is the last.
                wire::paged(fetch, AFTER, elements, elements > 0, [last, None, None])
            }
        }
    }

    fn identity(&self, _: &Account, known: &Known, member: &RemoteId) -> Option<Fetch> {
        if known.way != Some(Way::Header) || known.caller.as_ref() == Some(member) {
            return None;
        }
        let by_get = known.answered.contains(requests::WHO_BY_GET) && !known.answered.contains(requests::WHO);
        Some(requests::whoami_as(member, &if by_get { Method::Get } else { Method::WhoAmI }))
    }

    /// A key of the caller's, or a service token: of whom the provider takes that one's holder for, nothing is told.
    fn may_be_own<'k>(
        &self,
        _: &Account,
        known: &Known,
        scope: &ScopeId,
        keys: &'k [Box<KeyFacts>],
    ) -> Option<Vec<&'k KeyFacts>> {
        let is_callers = |key: &&KeyFacts| known.own_keys.as_ref().is_some_and(|own| own.contains(&key.id));
        match scope.kind {
            ScopeKind::ServiceTokens => Some(keys.iter().map(Box::as_ref).collect()),
            ScopeKind::Organization => Some(keys.iter().map(Box::as_ref).filter(is_callers).collect()),
            ScopeKind::Member if scope.of.is_some() && scope.of == known.caller => {
                Some(keys.iter().map(Box::as_ref).filter(is_callers).collect())
            }
            ScopeKind::Member | ScopeKind::People | ScopeKind::Projects | ScopeKind::Project | ScopeKind::Admin => None,
        }
    }

    fn by_id(&self, account: &Account, known: &Known, key: &KeyRef) -> Option<Fetch> {
        match (key.scope.kind, &key.scope.of) {
            (ScopeKind::Member, Some(member)) => {
                Some(requests::key_of(account, member, known.caller.as_ref(), known.way?, &key.id))
            }
            (ScopeKind::ServiceTokens, None) => Some(requests::service_token(&key.id)),
            // In an organisation's list a key of the caller's may answer where those of others are hidden.
            (_, _) => None,
        }
    }
}

/// What member walks and the proof of an organisation list rest on has been asked, with whatever result.
fn prepared(known: &Known) -> bool {
    let asked = |question| known.answered.contains(question) || known.unanswered.contains_key(question);
    let walked = |kind| known.ended.contains_key(&ScopeId { kind, of: None });
    asked(requests::WHO) && asked(GROUPS) && asked(OWN_KEYS) && walked(ScopeKind::People) && walked(ScopeKind::ServiceTokens)
}

/// The refusals that close a list, and what a person can do about the others. A later page closes nothing.
fn refused(fetch: &Fetch, answer: &Answer<'_>) -> Result<End, Failure> {
    let first = !fetch.query.iter().any(|(name, _)| *name == AFTER);
    let in_a_members_name = !fetch.headers.is_empty() || fetch.grant.is_some() || matches!(fetch.method, Method::Exchange { .. });
    let is_member_list = matches!(&fetch.target, Target::Scope(scope) if scope.id.kind == ScopeKind::Member);
    const OWNER: &str = "grant the Owner role of the organisation directly to the user whose key this is";
    Err(match (fetch.endpoint, answer.status) {
        (IMPERSONATE, 403) => return Ok(End::closed(ClosedReason::MemberForbidden)),
        (IMPERSONATE | ORGANIZATION_KEYS, 404 | 405) => {
            let detail = format!("status {}: this server does not have that way of listing", answer.status);
            Failure::new(Reason::NotFound, detail)
        }
        (_, 403) if is_member_list && in_a_members_name && first => {
            return Ok(End::closed(ClosedReason::MemberForbidden));
        }
        (_, 404) if is_member_list && in_a_members_name && first => return Ok(End::closed(ClosedReason::MemberNotFound)),
        (_, 400) if in_a_members_name => {
            wire::refusal(400, Some("the member cannot be impersonated, or belongs to no organisation"))
        }
        (_, 401) if fetch.grant.is_some() => wire::refusal(401, Some("the exchanged token was refused; check token_field")),
        (_, 401) => wire::refusal(401, Some("the API key is wrong, deleted or expired, or of another region; check base_url")),
        (_, 403) => wire::refusal(403, Some(OWNER)),
        (_, 404) => wire::refusal(404, Some("no such route; check base_url")),
        (_, other) => wire::refusal(other, None),
    })
}

#[cfg(test)]
mod tests;
