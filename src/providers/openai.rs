//! OpenAI: the keys of every project, and the list of admin keys, which shows others too.
//!
//! Facts about the remote are from OpenAI's API reference and its OpenAPI document, unless said otherwise. Service accounts
//! are not walked, one request for each project more: the owners of keys carry them.

mod records;

use crate::domain::{ClosedReason, Failure, KeyFacts, KeyKind, OwnerKind, Reason, Refused, RemoteId, Scope, ScopeId, ScopeKind};

use super::{
    Account, Answer, Auth, CredentialRule, End, Fact, Fetch, Item, KeyRef, Known, Pace, Paging, Provider, Revocation, Sample,
    SamplePage, SignIn, Spec, Target, wire,
};

/// The adapter.
pub struct OpenAi;

const PROJECTS: &str = "projects";
const PROJECT_KEYS: &str = "project_api_keys";
const ADMIN_KEYS: &str = "admin_api_keys";
const USERS: &str = "users";
const PROJECT_KEY: &str = "project_api_key";
const ADMIN_KEY: &str = "admin_api_key";

/// The parameter that names the last element in hand.
const AFTER: &str = "after";

static SPEC: Spec = Spec {
    id: "openai",
    name: "OpenAI",
    credential: "an admin key of the organisation, read-only and with an expiry, made by an organisation owner",
    sign_ins: &[SignIn {
        word: "admin_key",
        about: "an admin key, sent as a bearer token",
        auth: Auth::Bearer,
        rules: &[
            CredentialRule { refused_prefix: "sk-proj-", because: PROJECT_KEY_REFUSED },
            CredentialRule { refused_prefix: "sk-svcacct-", because: PROJECT_KEY_REFUSED },
        ],
        // What the mask shows is documented by examples alone, `sk-admin...def`.
        mask_shows: Some(3),
    }],
    variables: &["OPENAI_ADMIN_KEY"],
    base_url: "https://api.openai.com/v1",
    options: &[],
    kinds: &[KeyKind::Project, KeyKind::Admin, KeyKind::Unattributed],
    scopes: &[ScopeKind::Projects, ScopeKind::Project, ScopeKind::Admin, ScopeKind::People],
    ways: &[],
    facts: &[Fact::Created, Fact::LastUse, Fact::Expiry, Fact::Owner, Fact::OwnerAccess],
    paging: Paging::Pages,
    // No limit of these endpoints is published. Clients measured 7 to 10 requests a minute for an administration endpoint,
    // refilled after about 60 s and told by no header; burst and a minute's refill stay within that in every minute.
    pace: Pace { per_minute: 6, burst: 4 },
    revocations: &[
        Revocation {
            kinds: &[KeyKind::Project],
            owner: Some(OwnerKind::ServiceAccount),
            console: CONSOLE,
            delete: None,
            header: None,
            about: "OpenAI's call that deletes a project's key is documented to fail for a key of a service account; revoke it in \
                the console, or delete the service account with all of its keys.",
        },
        Revocation {
            kinds: &[KeyKind::Project],
            owner: None,
            console: CONSOLE,
            delete: Some("/organization/projects/{scope_id}/api_keys/{key_id}"),
            header: None,
            about: "The call needs an admin key that may write; the one that keymuster reads with should not.",
        },
        Revocation {
            kinds: &[KeyKind::Admin],
            owner: None,
            console: "https://platform.openai.com/settings/organization/admin-keys",
            delete: Some("/organization/admin_api_keys/{key_id}"),
            header: None,
            about: "The call needs an admin key that may write; the one that keymuster reads with should not.",
        },
        Revocation {
            kinds: &[KeyKind::Unattributed],
            owner: None,
            console: CONSOLE,
            delete: None,
            header: None,
            about: "Only the list of admin keys shows this key, and its mask does not say that it is one; look for its hint in \
                the console before you revoke anything.",
        },
    ],
    samples: SAMPLES,
};

/// Where people see the keys of all projects.
const CONSOLE: &str = "https://platform.openai.com/settings/organization/api-keys";

const PROJECT_KEY_REFUSED: &str = "This is a project key, which cannot list the organisation's keys; create an admin key \
    (Organization settings, Admin keys), read-only and with an expiry.";

impl Provider for OpenAi {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn plan(&self, _: &Account, known: &Known) -> Vec<Fetch> {
        let mut wanted = vec![projects(), admin_keys(), users()];
        // However that walk ended: keys of the projects that were read are worth reading.
        if known.ended.contains_key(&ScopeId { kind: ScopeKind::Projects, of: None }) {
            wanted.extend(known.projects.values().map(|p| {
                let scope = Scope::of(ScopeKind::Project, p.id.clone(), p.name.clone());
                project_keys(scope, &p.id)
            }));
        }
        wanted
    }

    fn item(&self, fetch: &Fetch, item: &[u8]) -> Result<Item, Refused> {
        match fetch.endpoint {
            PROJECTS => records::project(item).map(|project| Item::Project(Box::new(project))),
            USERS => records::person(item).map(|person| Item::Person(Box::new(person))),
            ADMIN_KEYS => records::admin_list_key(item).map(|key| Item::Key(Box::new(key))),
            _ => records::project_key(item).map(|key| Item::Key(Box::new(key))),
        }
    }

    fn reads_apart(&self, fetch: &Fetch) -> bool {
        fetch.endpoint == PROJECT_KEYS
    }

    fn end(&self, fetch: &Fetch, answer: &Answer<'_>) -> Result<End, Failure> {
        if !wire::is_success(answer.status) {
            return refused(fetch, answer);
        }
        let Some(list) = fetch.list else {
            return records::same_key(fetch, answer);
        };
        let elements = wire::elements(answer, list)?;
        let page: records::Envelope = wire::rest(answer)?;
        if page.object.is_some_and(|object| object != "list") {
            return Err(Failure::new(Reason::Malformed, "object is not list"));
        }
        // Documentation examples show a `last_id` that is no element's id, so it comes last.
        let last = answer.last_id.map(RemoteId::as_str);
        wire::paged(fetch, AFTER, elements, page.has_more, [page.next.as_deref(), last, page.last_id.as_deref()])
    }

    /// Only an admin key opens anything here, and this is where all of them are listed.
    fn may_be_own<'k>(&self, _: &Account, _: &Known, scope: &ScopeId, keys: &'k [Box<KeyFacts>]) -> Option<Vec<&'k KeyFacts>> {
        (scope.kind == ScopeKind::Admin).then(|| keys.iter().map(Box::as_ref).collect())
    }

    fn by_id(&self, _: &Account, _: &Known, key: &KeyRef) -> Option<Fetch> {
        let (endpoint, path) = match (key.scope.kind, &key.scope.of) {
            (ScopeKind::Project, Some(project)) => (PROJECT_KEY, format!("/organization/projects/{project}/api_keys/{}", key.id)),
            (ScopeKind::Admin, None) => (ADMIN_KEY, format!("/organization/admin_api_keys/{}", key.id)),
            (_, _) => return None,
        };
        Some(Fetch { list: None, ..fetch(Target::Question("key"), endpoint, path, &[]) })
    }
}

/// The refusals that close a list, and what a person can do about the others. A later page closes nothing.
fn refused(fetch: &Fetch, answer: &Answer<'_>) -> Result<End, Failure> {
    let missing_permission =
        ["Missing scopes", "missing_scope", "insufficient permissions"].into_iter().any(|word| wire::mentions(answer, word));
    if let Target::Scope(scope) = &fetch.target
        && !fetch.query.iter().any(|(name, _)| *name == AFTER)
    {
        let archived = || scope.id.of.as_ref().and_then(|id| answer.known.projects.get(id)).is_some_and(|p| p.archived);
        let closed = match (scope.id.kind, answer.status) {
            // Some organisations have no such list.
            (ScopeKind::Admin, 404) => Some(ClosedReason::NoAdminList),
            (ScopeKind::Project, 400 | 404) if archived() => Some(ClosedReason::ProjectArchived),
            // A proxy's 403 is none of these.
            (ScopeKind::People, 401 | 403) if missing_permission => Some(ClosedReason::PeopleNotPermitted),
            (_, _) => None,
        };
        if let Some(reason) = closed {
            return Ok(End::closed(reason));
        }
    }
    const PERMISSION: &str = "the admin key lacks a permission; it needs to read management data (api.management.read)";
    Err(match answer.status {
        // The same refusal arrives as 401 or as 403.
        401 if missing_permission => Failure::new(Reason::Forbidden, format!("status 401: {PERMISSION}")),
        401 => wire::refusal(401, Some("the key is wrong, deleted or expired, or no admin key")),
        403 => wire::refusal(403, Some(PERMISSION)),
        404 => wire::refusal(404, Some("no such list; check base_url")),
        other => wire::refusal(other, None),
    })
}

fn fetch(target: Target, endpoint: &'static str, path: String, query: &[(&'static str, &str)]) -> Fetch {
    // No answer names the organisation, so that there is no subject; a project's keys are addressed by its path.
    Fetch {
        query: query.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(),
        list: Some("data"),
        ..Fetch::get(target, endpoint, path)
    }
}

fn projects() -> Fetch {
    let target = Target::Scope(Scope::only(ScopeKind::Projects));
    // Archived projects are left out by default.
    fetch(target, PROJECTS, "/organization/projects".to_owned(), &[("limit", "100"), ("include_archived", "true")])
}

fn project_keys(scope: Scope, project: &RemoteId) -> Fetch {
    let path = format!("/organization/projects/{project}/api_keys");
    // By default the keys of owners who lost access may be left out.
    fetch(Target::Scope(scope), PROJECT_KEYS, path, &[("limit", "100"), ("owner_project_access", "any")])
}

fn admin_keys() -> Fetch {
    let target = Target::Scope(Scope::only(ScopeKind::Admin));
    fetch(target, ADMIN_KEYS, "/organization/admin_api_keys".to_owned(), &[("limit", "100"), ("order", "asc")])
}

fn users() -> Fetch {
    let target = Target::Scope(Scope::only(ScopeKind::People));
    fetch(target, USERS, "/organization/users".to_owned(), &[("limit", "100")])
}

/// The keys of a project of the samples.
fn sample_project_keys(id: &str) -> Fetch {
    // Not reached for the ids below; an endpoint of another name would fail the contract tests.
    RemoteId::new(id).map_or_else(projects, |id| project_keys(Scope::of(ScopeKind::Project, id.clone(), None), &id))
}

macro_rules! page {
    ($file:literal) => {
        page!(200, $file)
    };
    ($status:literal, $file:literal) => {
        SamplePage { status: $status, body: include_str!(concat!("openai/", $file)) }
    };
}

static SAMPLES: &[Sample] = &[
    Sample {
        name: "projects: active, archived, without a status",
        fetch: projects,
        pages: &[page!("projects_1.json"), page!("projects_2.json")],
        items: 4,
    },
    Sample {
        name: "project keys: two pages, used, never used, use not reported, owners of each kind",
        fetch: || sample_project_keys("proj_harbour"),
        pages: &[page!("project_keys_1.json"), page!("project_keys_2.json")],
        items: 6,
    },
    Sample { name: "project keys: none", fetch: || sample_project_keys("proj_empty"), pages: &[page!("no_keys.json")], items: 0 },
    Sample {
        name: "project keys: archived project",
        fetch: || sample_project_keys("proj_lighthouse"),
        pages: &[page!(404, "project_archived.json")],
        items: 0,
    },
    Sample {
        name: "admin keys: flat owners, and a project's key under the same label",
        fetch: admin_keys,
        pages: &[page!("admin_keys.json")],
        items: 5,
    },
    Sample {
        name: "admin keys: the organisation has no such list",
        fetch: admin_keys,
        pages: &[page!(404, "no_admin_list.json")],
        items: 0,
    },
    Sample { name: "users: members, nameless ones, a service account", fetch: users, pages: &[page!("users.json")], items: 3 },
    Sample { name: "users: permission missing, 403", fetch: users, pages: &[page!(403, "permission_missing.json")], items: 0 },
    Sample {
        name: "users: permission missing, 401",
        fetch: users,
        pages: &[page!(401, "permission_missing_text.json")],
        items: 0,
    },
];

#[cfg(test)]
mod tests;
