//! What a running simulation tells of its Braintrust: where it is, what opens it, who is odd there.

use crate::sim::members::BraintrustCast;
use crate::sim::{Simulation, braintrust};

/// An organisation at Braintrust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BraintrustOrganization {
    /// A UUID.
    pub id: String,
    /// What `org_name` is given.
    pub name: String,
}

impl Simulation {
    /// `http://127.0.0.1:PORT/braintrust`; paths below it begin with `/v1` or `/api`.
    pub fn braintrust_base_url(&self) -> String {
        format!("http://{}{}", self.address, braintrust::BASE)
    }

    /// An API key of the owner, bound to no organisation: it sees two, so the organisation must be named. It stands on the
    /// owner's list of keys itself, named `keymuster audit`.
    pub fn braintrust_credential(&self) -> &str {
        &self.shared.credentials.braintrust
    }

    /// Another key of the same owner, bound to the organisation that is watched and seeing that one alone.
    pub fn braintrust_bound_credential(&self) -> &str {
        &self.shared.credentials.braintrust_bound
    }

    /// A key of a plain member, who may act as nobody else and owns nothing.
    pub fn braintrust_member_credential(&self) -> &str {
        &self.shared.credentials.braintrust_member
    }

    /// A service token with an owner's rights. It stands on the list of service tokens, named `keymuster`, and has no keys.
    pub fn braintrust_service_token(&self) -> &str {
        &self.shared.credentials.braintrust_service_token
    }

    /// The organisation that is watched.
    pub fn braintrust_organization(&self) -> BraintrustOrganization {
        let world = self.shared.read_main();
        BraintrustOrganization { id: world.braintrust.organization_id.clone(), name: world.name.to_owned() }
    }

    /// The other organisation that the caller owns.
    pub fn braintrust_other_organization(&self) -> BraintrustOrganization {
        let world = self.shared.read_neighbour();
        BraintrustOrganization { id: world.braintrust.organization_id.clone(), name: world.name.to_owned() }
    }

    /// The id of the person whom the first two credentials belong to.
    pub fn braintrust_caller_id(&self) -> String {
        self.shared.read_main().person(0).map(|p| p.user_uuid.clone()).unwrap_or_default()
    }

    /// Who and what is odd there; `None` in worlds without oddities.
    pub fn braintrust_cast(&self) -> Option<BraintrustCast> {
        self.shared.read_main().braintrust_cast()
    }
}
