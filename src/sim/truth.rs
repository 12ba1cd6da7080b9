//! What a perfect inventory would hold, for tests and for people who compare.

use serde::{Deserialize, Serialize};

use super::Remote;
use super::members::Binding;
use super::world::{Home, Key, Owner, World, count, index};

/// A key that exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrueKey {
    /// Whose key it is.
    pub provider: Remote,
    /// The provider's id of it.
    pub id: String,
    /// The id of the project, `admin`, the id of the Den organisation, the id of the Braintrust member, or `service_tokens`.
    pub home: String,
    /// Its name.
    pub name: String,
    /// The provider's id of the owner: a user, a service account.
    pub owner_id: String,
    /// Seconds since 1970.
    pub created_at: i64,
    /// Seconds since 1970; `None` is never. Braintrust does not report it.
    pub last_used_at: Option<i64>,
    /// Seconds since 1970; `None` is never. Braintrust does not report it.
    pub expires_at: Option<i64>,
    /// Den's word; always true elsewhere.
    pub enabled: bool,
    /// The owner can still reach what the key opens.
    pub owner_has_access: bool,
    /// A right way of asking lists it now, where it belongs. Not so: keys of a project that refuses or is unlisted,
    /// Den and Braintrust keys of members who left, and a Braintrust key that is bound to another organisation.
    pub listed: bool,
    /// OpenAI's list of admin keys shows it too, although it belongs to a project.
    pub leaked: bool,
}

impl World {
    /// Every key that exists, oldest number first.
    pub fn truth(&self) -> Vec<TrueKey> {
        let existing = self.keys.iter().enumerate().filter(|(_, key)| key.exists);
        existing.map(|(number, key)| self.true_key(count(number), key)).collect()
    }

    fn true_key(&self, number: u32, key: &Key) -> TrueKey {
        let home = match key.home {
            Home::Project(project) => self.projects.get(index(project)).map_or_else(String::new, |p| p.id.clone()),
            Home::Admin => "admin".to_owned(),
            Home::Den => self.den_organization_id.clone(),
            Home::Braintrust => self.owner_uuid(key.owner).unwrap_or_default(),
            Home::BraintrustToken => "service_tokens".to_owned(),
        };
        let owner_id = match (key.owner, key.home) {
            (Owner::Person(person), Home::Den) => self.person(person).map(|p| p.den_user_id.clone()),
            (Owner::Person(person), Home::Project(_) | Home::Admin) => self.person(person).map(|p| p.user_id.clone()),
            (owner, Home::Braintrust | Home::BraintrustToken) => self.owner_uuid(owner),
            (Owner::Service(service), Home::Project(_) | Home::Admin | Home::Den) => {
                self.services.get(index(service)).map(|s| s.id.clone())
            }
        };
        TrueKey {
            provider: match key.home {
                Home::Project(_) | Home::Admin => Remote::OpenAi,
                Home::Den => Remote::Den,
                Home::Braintrust | Home::BraintrustToken => Remote::Braintrust,
            },
            id: self.key_id(number),
            home,
            name: self.names.get(index(key.name)).map_or_else(String::new, |n| n.text.clone()),
            owner_id: owner_id.unwrap_or_default(),
            created_at: key.created.unix(),
            last_used_at: key.last_used.map(crate::domain::Time::unix),
            expires_at: key.expires.map(crate::domain::Time::unix),
            enabled: key.enabled,
            owner_has_access: self.has_access(key),
            listed: self.is_listed(key) && self.binding(number) != Binding::Elsewhere,
            leaked: key.leaked,
        }
    }
}
