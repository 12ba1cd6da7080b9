//! Collects walks until there are enough for a transaction, and lets none through before the organisation is confirmed.

use std::sync::Arc;

use super::line::Line;
use crate::domain::{Failure, Reason, ScopeId, ScopeKind};
use crate::inventory::{Applied, Confirmed, Inventory, OrganizationRow, Poll, SeenOrganization, Stored};
use crate::policy::Policy;
use crate::providers::Known;
use crate::walk::Walked;

/// Rows that are worth a transaction of their own. Ids come in no order, so that each transaction writes most pages of their index:
/// of a large poll a twentieth at once, as far as memory allows.
const ENOUGH_ROWS: usize = 5_000;
const MOST_ROWS: usize = 25_000;
/// Walks that are.
const ENOUGH_WALKS: usize = 256;

/// The walks of one poll on their way into the inventory.
pub(super) struct Batch {
    inventory: Inventory,
    line: Arc<Line>,
    poll: Poll,
    policy: Arc<Policy>,
    waiting: Vec<Walked>,
    rows: usize,
    all_rows: usize,
    standing: Standing,
    refused_once: Vec<ScopeId>,
}

/// Whether walks may be applied.
enum Standing {
    /// The poll has not shown its organisation yet.
    Unknown,
    Confirmed(OrganizationRow),
    Refused(Failure),
}

impl Batch {
    pub fn new(inventory: Inventory, line: Arc<Line>, poll: Poll, policy: Arc<Policy>) -> Self {
        Self {
            inventory,
            line,
            poll,
            policy,
            waiting: Vec::new(),
            rows: 0,
            all_rows: 0,
            standing: Standing::Unknown,
            refused_once: Vec::new(),
        }
    }

    /// Takes a walk that ended.
    pub async fn push(&mut self, walked: Walked, known: &Known) -> Stored<()> {
        self.rows += walked.elements();
        self.all_rows += walked.elements();
        self.waiting.push(walked);
        self.confirm(known).await?;
        let enough = (self.all_rows / 20).clamp(ENOUGH_ROWS, MOST_ROWS);
        if self.rows >= enough || self.waiting.len() >= ENOUGH_WALKS {
            self.flush().await?;
        }
        Ok(())
    }

    /// Confirms the organisation as soon as the poll has shown it.
    async fn confirm(&mut self, known: &Known) -> Stored<()> {
        let Standing::Unknown = self.standing else { return Ok(()) };
        let projects = known.ended.get(&ScopeId { kind: ScopeKind::Projects, of: None });
        let seen = match (&known.organization, projects) {
            (Some(organization), _) => SeenOrganization::Named(organization.clone()),
            (None, Some(end)) => {
                let whole = *end == crate::domain::WalkEnd::Complete;
                SeenOrganization::ByProjects { projects: known.projects.keys().cloned().collect(), whole }
            }
            (None, None) => return Ok(()),
        };
        self.standing = match self.inventory.confirm(self.poll, seen).await? {
            Confirmed::Yes(row) => Standing::Confirmed(row),
            Confirmed::Changed { stored } => Standing::Refused(Failure::new(
                Reason::OrganizationChanged,
                format!(
                    "the credential sees another organisation than {stored}; nothing of this poll was stored. \
                     If it is the right one: keymuster ctl ack {} --why '...'",
                    self.line.account.name
                ),
            )),
            Confirmed::NotShown => Standing::Refused(Failure::new(
                Reason::OrganizationUnconfirmed,
                "what could be read of the project list shows no organisation; nothing of this poll was stored",
            )),
        };
        Ok(())
    }

    /// Applies what waits, if it may be applied.
    async fn flush(&mut self) -> Stored<()> {
        let Standing::Confirmed(row) = self.standing else { return Ok(()) };
        if self.waiting.is_empty() {
            return Ok(());
        }
        let mut walks = std::mem::take(&mut self.waiting);
        self.rows = 0;
        while !walks.is_empty() {
            let Applied { refused_once, unread } = self.inventory.apply(row, self.poll, Arc::clone(&self.policy), walks).await?;
            self.refused_once.extend(refused_once);
            walks = unread.into_iter().map(|walked| self.read_all(walked)).collect();
        }
        Ok(())
    }

    /// Something else wrote what is stored of a list since the walk before.
    fn read_all(&self, walked: Walked) -> Walked {
        let first = walked.first().clone();
        walked.read_all(&|bytes| {
            let mut item = self.line.provider.item(&first, bytes)?;
            item.tag(self.inventory.tag_key());
            Ok(item)
        })
    }

    /// Applies the rest. Returns where walks were applied, or why they were not, and the scopes that are refused for the first time.
    pub async fn finish(mut self) -> Stored<(Result<OrganizationRow, Failure>, Vec<ScopeId>)> {
        self.flush().await?;
        let applied = match self.standing {
            Standing::Confirmed(row) => Ok(row),
            Standing::Refused(failure) => Err(failure),
            Standing::Unknown => Err(Failure::new(
                Reason::OrganizationUnconfirmed,
                "the organisation could not be asked; nothing of this poll was stored",
            )),
        };
        if let Err(failure) = &applied {
            self.inventory.record_unapplied(self.poll, failure.clone(), self.waiting).await?;
        }
        Ok((applied, self.refused_once))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Project, RemoteId, Scope, Time};
    use crate::inventory::ConfiguredAccount;
    use crate::providers::Item;
    use crate::sync::proofs::tests::walk_of;
    use crate::sync::rounds::tests::Site;

    const NOW: Time = Time::from_unix(1_760_000_000);

    /// Other projects than before are another organisation's only where all of them are known.
    #[tokio::test(start_paused = true)]
    async fn an_organisation_that_names_itself_nowhere_is_known_by_its_projects() {
        let site = Site::of("openai");
        let inventory = site.common().inventory;
        let account = ConfiguredAccount { name: "acme".into(), provider: "openai", formerly: None, interval: 3_600 };
        inventory.configure(vec![account], Arc::default(), NOW).await.unwrap();
        let seen = async |project: &str, whole: bool| {
            let project = Project { id: RemoteId::new(project).unwrap(), name: None, archived: false };
            let scope = Scope::only(ScopeKind::Projects);
            let mut walked = walk_of(inventory.next_walk(), scope.clone(), vec![Item::Project(Box::new(project.clone()))]);
            if !whole {
                walked = walked.unfinished(Failure::new(Reason::Server, ""));
            }
            let known = Known {
                ended: [(scope.id, walked.end().clone())].into(),
                projects: [(project.id.clone(), project)].into(),
                ..Known::default()
            };
            let poll = inventory.begin_poll("acme".into(), NOW).await.unwrap();
            let mut batch = Batch::new(inventory.clone(), Arc::clone(&site.line), poll, Arc::default());
            batch.push(walked, &known).await.unwrap();
            batch.finish().await.unwrap().0.map(drop).map_err(|failure| failure.reason)
        };
        assert_eq!(seen("proj_1", true).await, Ok(()));
        assert_eq!(seen("proj_2", false).await, Err(Reason::OrganizationUnconfirmed));
        assert_eq!(seen("proj_2", true).await, Err(Reason::OrganizationChanged));
        assert_eq!(seen("proj_1", false).await, Ok(()));
    }
}
