//! The closed list of what is ever asked of a provider, and of the headers that choose in whose name or of whom.
//!
//! It is written out and not taken from the adapters: whoever lets them ask something else says here that keymuster needs it.

use keymuster::sim::{Remote, Simulation};

/// Provider, method, template of the path. All of it reads; the two POSTs are the ones that `providers::Method` names.
pub const CALLS: &[(Remote, &str, &str)] = &[
    (Remote::OpenAi, "GET", "/organization/projects"),
    (Remote::OpenAi, "GET", "/organization/projects/{project_id}/api_keys"),
    (Remote::OpenAi, "GET", "/organization/projects/{project_id}/api_keys/{api_key_id}"),
    (Remote::OpenAi, "GET", "/organization/admin_api_keys"),
    (Remote::OpenAi, "GET", "/organization/admin_api_keys/{key_id}"),
    (Remote::OpenAi, "GET", "/organization/users"),
    (Remote::Den, "GET", "/v1/me"),
    (Remote::Den, "GET", "/v1/me/orgs"),
    (Remote::Den, "GET", "/v1/org"),
    (Remote::Den, "GET", "/v1/api-keys"),
    (Remote::Braintrust, "GET", "/api/self/me"),
    (Remote::Braintrust, "POST", "/api/self/me"),
    (Remote::Braintrust, "GET", "/v1/organization"),
    (Remote::Braintrust, "GET", "/v1/user"),
    (Remote::Braintrust, "GET", "/v1/group"),
    (Remote::Braintrust, "GET", "/v1/service_token"),
    (Remote::Braintrust, "GET", "/v1/organization/api_keys"),
    (Remote::Braintrust, "GET", "/v1/api_key"),
    (Remote::Braintrust, "GET", "/v1/api_key/{api_key_id}"),
    (Remote::Braintrust, "POST", "/v1/impersonate"),
];

/// Headers of a provider's own, each on the only paths that it may be sent to.
pub const HEADERS: &[(Remote, &str, &str)] = &[
    (Remote::Den, "x-openwork-org-id", "/v1/org"),
    (Remote::Den, "x-openwork-org-id", "/v1/api-keys"),
    (Remote::Den, "x-api-key", "/v1/me/orgs"),
    (Remote::Den, "x-api-key", "/v1/org"),
    (Remote::Den, "x-api-key", "/v1/api-keys"),
    (Remote::Braintrust, "x-bt-impersonate-user", "/v1/api_key"),
    (Remote::Braintrust, "x-bt-impersonate-user", "/v1/api_key/{api_key_id}"),
    (Remote::Braintrust, "x-bt-impersonate-user", "/api/self/me"),
];

/// Below it one service token is asked for by its id, which the simulated Braintrust cannot tell.
const ONE_TOKEN: &str = "/v1/service_token/";

/// Nothing was asked that is not on the lists.
pub fn are_on_the_list(simulation: &Simulation) -> Result<(), String> {
    let strange = |what: &dyn std::fmt::Debug| Err(format!("another call: {what:?} is not on the closed list"));
    for asked in simulation.requests() {
        let call = (asked.provider, asked.method.as_str(), asked.path.as_str());
        if call.2 != "unknown" && !CALLS.contains(&call) {
            return strange(&call);
        }
    }
    for (provider, method, path) in simulation.strays() {
        let one_token = path.strip_prefix(ONE_TOKEN).is_some_and(|id| !id.is_empty() && !id.contains('/'));
        if provider != Remote::Braintrust || method != "GET" || !one_token {
            return strange(&(provider, method, path));
        }
    }
    for headed in simulation.headed().keys() {
        if !HEADERS.contains(&(headed.provider, headed.header.as_str(), headed.path.as_str())) {
            return strange(headed);
        }
    }
    Ok(())
}
