//! Braintrust's requests: what is asked, as whom, and whom the answer must be about.

use crate::domain::{Organization, RemoteId, Scope, ScopeKind, Text};
use crate::providers::{Account, Fetch, GROUPS, Grant, Method, OWN_KEYS, Proof, Subject, Target, Way};

pub(super) const SELF: &str = "self";
pub(super) const ORGANIZATIONS: &str = "organizations";
pub(super) const USERS: &str = "users";
pub(super) const SERVICE_TOKENS: &str = "service_tokens";
pub(super) const SERVICE_TOKEN: &str = "service_token";
pub(super) const ORGANIZATION_KEYS: &str = "organization_api_keys";
pub(super) const API_KEYS: &str = "api_keys";
pub(super) const API_KEY: &str = "api_key";
pub(super) const IMPERSONATE: &str = "impersonate";

/// The question who the caller is, by POST.
pub(super) const WHO: &str = "self";
/// The same by GET.
pub(super) const WHO_BY_GET: &str = "self_get";
/// The field of every list.
pub(super) const LIST: &str = "objects";
/// The parameter that names the last element in hand.
pub(super) const AFTER: &str = "starting_after";
/// The parameter that selects the organisation by its name.
pub(super) const ORG_NAME: &str = "org_name";

/// The header in which the member stands as whom is asked.
const AS: &str = "x-bt-impersonate-user";

/// Elements on a page: no greatest number is documented; Braintrust's own migration tool sends this.
const PAGE: &str = "100";
/// Groups on a page: each carries the ids of all its members.
const PAGE_OF_GROUPS: &str = "20";

/// Where the token of an exchange may stand; these in the answer itself, then below `data`, then below `result`. The answer
/// is documented nowhere: these are Braintrust's names of other returned secrets, then convention.
const TOKEN_FIELDS: &[&str] = &[
    "token",
    "impersonation_token",
    "access_token",
    "key",
    "api_key",
    "jwt",
    "session_token",
    "impersonationToken",
    "accessToken",
];

/// Who the caller is.
pub(super) fn whoami(method: &Method) -> Fetch {
    let question = if *method == Method::Get { WHO_BY_GET } else { WHO };
    Fetch { method: method.clone(), ..Fetch::get(Target::Question(question), SELF, "/api/self/me") }
}

/// Whom the server takes us for under the member's header.
pub(super) fn whoami_as(member: &RemoteId, method: &Method) -> Fetch {
    Fetch {
        target: Target::Question("identity"),
        headers: vec![(AS, member.clone())],
        subject: Subject { member: Some(member.clone()), ..Subject::default() },
        ..whoami(method)
    }
}

/// The organisation of that name, or all that the credential sees.
pub(super) fn organizations(name: Option<&str>) -> Fetch {
    let mut query = vec![("limit", PAGE.to_owned())];
    query.extend(name.map(|name| (ORG_NAME, name.to_owned())));
    Fetch { query, ..Fetch::get(Target::Question("organization"), ORGANIZATIONS, "/v1/organization") }
}

/// One key, asked as the member who holds it.
pub(super) fn key_of(account: &Account, member: &RemoteId, caller: Option<&RemoteId>, way: Way, key: &RemoteId) -> Fetch {
    let mut fetch = Fetch {
        subject: Subject { member: Some(member.clone()), ..Subject::default() },
        ..Fetch::get(Target::Question("key"), API_KEY, format!("/v1/api_key/{key}"))
    };
    if caller != Some(member) {
        ask_as(&mut fetch, account, member, way);
    }
    fetch
}

/// Asks in the member's name.
fn ask_as(fetch: &mut Fetch, account: &Account, member: &RemoteId, way: Way) {
    match way {
        Way::Token => fetch.grant = Some(Box::new(grant(account, member))),
        Way::Header | Way::Organization => fetch.headers.push((AS, member.clone())),
    }
}

/// One service token.
pub(super) fn service_token(key: &RemoteId) -> Fetch {
    Fetch::get(Target::Question("key"), SERVICE_TOKEN, format!("/v1/service_token/{key}"))
}

/// Requests within one organisation.
pub(super) struct Asking {
    organization: RemoteId,
    org_name: Option<String>,
}

impl Asking {
    /// Without `org_name` in the config the organisation's own name selects it, unless cleaning may have changed that: then
    /// nothing selects, and the credential sees only that one organisation.
    pub(super) fn new(account: &Account, organization: &Organization) -> Self {
        let unchanged = |name: &&Text| {
            let shown = name.as_str();
            !name.was_secret_like() && !shown.contains('\\') && shown.chars().count() <= 256
        };
        let own = organization.name.as_ref().filter(unchanged).map(Text::as_str);
        Self { organization: organization.id.clone(), org_name: account.option(ORG_NAME).or(own).map(str::to_owned) }
    }

    /// The organisation's members.
    pub(super) fn people(&self) -> Fetch {
        self.list(Target::Scope(Scope::only(ScopeKind::People)), USERS, "/v1/user")
    }

    /// Its service tokens, which are asked in our own name.
    pub(super) fn service_tokens(&self) -> Fetch {
        self.list(Target::Scope(Scope::only(ScopeKind::ServiceTokens)), SERVICE_TOKENS, "/v1/service_token")
    }

    /// Its groups, for members who are missing from the list of members. They are no items, so the whole body is read.
    pub(super) fn groups(&self) -> Fetch {
        let mut fetch = self.list(Target::Question(GROUPS), GROUPS, "/v1/group");
        fetch.list = None;
        fetch.query.retain(|(name, _)| *name != "limit");
        fetch.query.push(("limit", PAGE_OF_GROUPS.to_owned()));
        fetch
    }

    /// The keys of the caller.
    pub(super) fn own_keys(&self, caller: Option<&RemoteId>) -> Fetch {
        let mut fetch = self.list(Target::Question(OWN_KEYS), API_KEYS, "/v1/api_key");
        fetch.subject.member = caller.cloned();
        fetch
    }

    /// Every member's keys in one list. It takes no name; who is no owner, or asks for another organisation, gets an empty
    /// list with 200.
    pub(super) fn organization_keys(&self) -> Fetch {
        let target = Target::Scope(Scope::only(ScopeKind::Organization));
        let mut fetch = self.list(target, ORGANIZATION_KEYS, "/v1/organization/api_keys");
        fetch.query = vec![("limit", PAGE.to_owned()), ("org_id", self.organization.to_string())];
        fetch.subject.proof = Proof::OwnKeys;
        fetch.way = Some(Way::Organization);
        fetch
    }

    /// The keys of one member, asked in the member's name unless the member is the caller.
    pub(super) fn member_keys(
        &self,
        account: &Account,
        scope: Scope,
        member: &RemoteId,
        caller: Option<&RemoteId>,
        way: Way,
    ) -> Fetch {
        let mut fetch = self.list(Target::Scope(scope), API_KEYS, "/v1/api_key");
        fetch.way = Some(way);
        fetch.subject.member = Some(member.clone());
        if caller != Some(member) {
            fetch.subject.proof = Proof::Impersonation;
            ask_as(&mut fetch, account, member, way);
        }
        fetch
    }

    fn list(&self, target: Target, endpoint: &'static str, path: &str) -> Fetch {
        let mut query = vec![("limit", PAGE.to_owned())];
        query.extend(self.org_name.clone().map(|name| (ORG_NAME, name)));
        Fetch {
            query,
            list: Some(LIST),
            subject: Subject { organization: Some(self.organization.clone()), ..Subject::default() },
            ..Fetch::get(target, endpoint, path)
        }
    }
}

fn grant(account: &Account, member: &RemoteId) -> Grant {
    let token = match account.option("token_field") {
        Some(pointer) => vec![pointer.to_owned()],
        None => {
            ["", "/data", "/result"].iter().flat_map(|at| TOKEN_FIELDS.iter().map(move |name| format!("{at}/{name}"))).collect()
        }
    };
    let exchange = Fetch {
        method: Method::Exchange { user: member.clone() },
        ..Fetch::get(Target::Question(IMPERSONATE), IMPERSONATE, "/v1/impersonate")
    };
    Grant { exchange, token }
}
