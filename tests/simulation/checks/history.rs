//! The history in `changes` explains what each key is now.

use std::collections::HashMap;

use keymuster::domain::{ChangeKind, Presence};
use keymuster::inventory::{ChangeRow, KeyRow};

use super::Verdict;
use crate::site::Site;

/// New lines of history, by key.
pub type Changes = HashMap<String, Vec<ChangeRow>>;

/// What history has told of a key so far.
pub struct Told {
    presence: Presence,
    name: Option<String>,
    enabled: bool,
}

impl Told {
    /// As the key was when it was first listed, reckoned back from now.
    pub fn at_first(row: &KeyRow, changes: &[ChangeRow]) -> Self {
        let renamed = changes.iter().find(|line| line.change == ChangeKind::Renamed);
        let switched = changes.iter().find(|line| matches!(line.change, ChangeKind::Enabled | ChangeKind::Disabled));
        Self {
            presence: Presence::Present,
            name: renamed.map_or_else(|| row.name.clone(), |line| line.before.clone()),
            enabled: switched.map_or(row.enabled, |line| line.change == ChangeKind::Disabled),
        }
    }

    /// Goes along with what was told since; it must lead to the row as it is.
    pub fn follow(&mut self, changes: &[ChangeRow], row: &KeyRow) -> Verdict {
        for line in changes {
            let presence = match line.change {
                ChangeKind::BecameMissing => Some(Presence::Missing),
                ChangeKind::BecameGone => Some(Presence::Gone),
                ChangeKind::Returned => Some(Presence::Present),
                ChangeKind::BecameUnknown => Some(Presence::Unknown),
                ChangeKind::BecameUnmanaged => Some(Presence::Unmanaged),
                ChangeKind::Renamed => {
                    if self.name != line.before {
                        return Err(format!("history: {line:?} begins with another name than {:?}", self.name));
                    }
                    self.name.clone_from(&line.after);
                    None
                }
                ChangeKind::Enabled | ChangeKind::Disabled => {
                    self.enabled = line.change == ChangeKind::Enabled;
                    None
                }
                ChangeKind::Appeared
                | ChangeKind::Moved
                | ChangeKind::OwnerChanged
                | ChangeKind::OwnerAccessChanged
                | ChangeKind::ExpiryChanged
                | ChangeKind::LastUseWentBack
                | ChangeKind::Recreated => None,
            };
            if let Some(presence) = presence {
                if line.before.as_deref() != Some(self.presence.as_str()) {
                    return Err(format!("history: {line:?} begins with another presence than {}", self.presence));
                }
                self.presence = presence;
            }
        }
        if (self.presence, &self.name, self.enabled) != (row.presence, &row.name, row.enabled) {
            let told = (self.presence, &self.name, self.enabled);
            return Err(format!("history: it leads to {told:?}, and the row is {row:?}"));
        }
        Ok(())
    }
}

/// What was told of an account's keys since `last`, which moves on.
pub async fn told(site: &Site, account: &str, last: &mut i64) -> Changes {
    let mut changes = Changes::new();
    for line in super::changes(site, account, *last).await {
        *last = line.change_id;
        changes.entry(line.key_id.clone()).or_default().push(line);
    }
    changes
}
