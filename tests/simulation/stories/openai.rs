//! OpenAI: slow limits, projects that close and vanish, keys that move.

use keymuster::sim::{Happening, Remote, Size};

use super::{HOUR, MINUTE, Tale, tell};
use crate::site::{SMALL, Setup};

const PROJECT_KEYS: &str = "/organization/projects/{project_id}/api_keys";

/// Eight requests a minute and eight minutes a poll: less than a hundred projects need. Each poll goes on where the last one
/// stopped, so that within three everything was read; what was deleted is settled after two rounds of that.
#[test]
fn a_hundred_projects_at_eight_requests_a_minute_are_read_in_turns() {
    let size = Size { projects: 100, archived_projects: 0, project_keys: 200, ..SMALL };
    let openai = "poll_deadline = '5m'\npace = 8".to_owned();
    let nature = vec![format!("rate_limit:openai:8 on {PROJECT_KEYS}")];
    tell(Setup { size, openai, nature, ..Setup::new(11) }, async |tale| {
        let report = tale.poll("openai").await;
        assert!(report.not_opened > 0, "a poll cannot reach all of them");
        let read = "SELECT count(*) FROM scopes WHERE account = 'openai' AND kind = 'project' AND last_complete_at IS NOT NULL";
        let mut before = tale.number(read);
        while before < 100 {
            assert!(tale.poll("openai").await.not_opened > 0);
            let now = tale.number(read);
            assert!(now > before, "each poll reads some that no poll read before");
            before = now;
        }
        let since = "SELECT unixepoch(last_complete_poll_at) FROM accounts WHERE account = 'openai'";
        let first = tale.number(since);
        assert!(first > 0, "everything was read, in several polls");

        let doomed = tale.key(|key| key.provider == Remote::OpenAi && key.home.starts_with("proj_") && !key.leaked);
        tale.revoke(&doomed.id);
        let mut polls = 0;
        while tale.presence("openai", &doomed.id).await == "present listed" {
            polls += 1;
            assert!(polls <= 8, "each project's turn comes");
            tale.poll("openai").await;
        }
        assert_eq!(tale.presence("openai", &doomed.id).await, "missing not_listed");
        while tale.presence("openai", &doomed.id).await != "gone proven_absent" {
            polls += 1;
            assert!(polls <= 24, "every other project has been read again since");
            tale.poll("openai").await;
        }
        assert!(polls > 2, "not before every other project has been read again");
        // Two weeks of that, three polls a day.
        for _ in 0..42 {
            tale.pass(7 * HOUR + 30 * MINUTE).await;
            tale.poll("openai").await;
        }
        assert!(tale.number(since) > first);
    });
}

/// Refused once it is incomplete, refused twice it is closed: its keys are unknown, for they may well work. Off the list it has
/// vanished. Back again, they are there.
#[test]
fn a_project_is_archived_and_then_drops_from_the_list() {
    tell(Setup::new(12), async |tale| {
        tale.poll("openai").await;
        let key = tale.key(|key| key.provider == Remote::OpenAi && key.listed && !key.leaked && key.home.starts_with("proj_"));
        tale.happen_to(Happening::ProjectClosed, &key.home);
        tale.poll("openai").await;
        assert_eq!(tale.presence("openai", &key.id).await, "present listed", "one refusal closes nothing");
        tale.poll("openai").await;
        assert_eq!(tale.presence("openai", &key.id).await, "unknown scope_closed");
        tale.happen_to(Happening::ProjectUnlisted, &key.home);
        tale.polls("openai", 5).await;
        assert_eq!(tale.presence("openai", &key.id).await, "unknown scope_vanished");
        tale.happen_to(Happening::ProjectListed, &key.home);
        tale.happen_to(Happening::ProjectRestored, &key.home);
        tale.poll("openai").await;
        assert_eq!(tale.presence("openai", &key.id).await, "present listed");
    });
}

/// It is the same key, and never missing: what is no longer on the one list is on the other.
#[test]
fn a_key_moves_from_its_project_to_the_admin_list_alone() {
    tell(Setup::new(13), async |tale| {
        tale.polls("openai", 2).await;
        let key = tale.key(|key| key.provider == Remote::OpenAi && key.listed && !key.leaked && key.home.starts_with("proj_"));
        let before = tale.row("openai", &key.id).await;
        tale.happen_to(Happening::MovedToAdmin, &key.id);
        for _ in 0..4 {
            tale.poll("openai").await;
            assert_eq!(tale.presence("openai", &key.id).await, "present listed");
        }
        let after = tale.row("openai", &key.id).await;
        assert_eq!((after.kind, after.first_seen_at), (before.kind, before.first_seen_at), "what a project listed stays its own");
        let quiet = "SELECT count(*) FROM changes WHERE change IN ('became_missing', 'became_gone', 'returned')";
        assert_eq!(tale.number(quiet), 0);
        tale.revoke(&key.id);
        tale.poll("openai").await;
        assert_eq!(tale.presence("openai", &key.id).await, "missing not_listed");
        tale.poll("openai").await;
        assert_eq!(tale.presence("openai", &key.id).await, "gone proven_absent");
    });
}

impl Tale {
    /// The one number of a query on the public views.
    pub fn number(&self, query: &str) -> i64 {
        let read = |connection: &rusqlite::Connection| {
            Ok(connection.query_row(query, [], |row| row.get::<_, Option<i64>>(0))?.unwrap_or(0))
        };
        self.driver.site.inventory().reader().read_blocking(read).unwrap()
    }
}
