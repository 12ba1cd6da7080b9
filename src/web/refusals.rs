//! Attempts to sign in that were refused: the first is told at once, and what follows it within a minute is counted and told at
//! the minute's end. So a flood is one line a minute. No name is told: a password may stand in its place.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::sleep;

const MINUTE: Duration = Duration::from_mins(1);

/// What has not been told yet.
#[derive(Default)]
pub(super) struct Refusals(Mutex<State>);

#[derive(Default)]
struct State {
    /// A minute is under way, at whose end the rest is told.
    is_counting: bool,
    untold: Option<Count>,
}

struct Count {
    attempts: u64,
    of_users: u64,
    turned_away: u64,
    last_from: IpAddr,
}

/// An attempt.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refused {
    /// From where it came.
    pub peer: IpAddr,
    /// The name is a user's.
    pub is_user: bool,
    /// Without a look at the password, because too many wait.
    pub turned_away: bool,
}

impl Refusals {
    /// Counts it, and tells it now or at the end of the minute.
    pub fn add(self: &Arc<Self>, refused: Refused) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let none = Count { attempts: 0, of_users: 0, turned_away: 0, last_from: refused.peer };
        let count = state.untold.get_or_insert(none);
        count.attempts += 1;
        count.of_users += u64::from(refused.is_user);
        count.turned_away += u64::from(refused.turned_away);
        count.last_from = refused.peer;
        if !state.is_counting {
            state.is_counting = state.tell();
            let refusals = Arc::clone(self);
            tokio::spawn(async move { refusals.go_on().await });
        }
    }

    async fn go_on(&self) {
        loop {
            sleep(MINUTE).await;
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            state.is_counting = state.tell();
            if !state.is_counting {
                return;
            }
        }
    }
}

impl State {
    /// Whether there was anything to tell.
    fn tell(&mut self) -> bool {
        let Some(Count { attempts, of_users, turned_away, last_from }) = self.untold.take() else { return false };
        let last_from = last_from.to_canonical();
        tracing::warn!(attempts, of_users, turned_away, %last_from, "attempts to sign in at the listener were refused");
        true
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read;

    use super::*;

    /// What was told since the last time, as `attempts of_users turned_away last_from`.
    fn take(log: &mut File) -> Vec<String> {
        let mut text = String::new();
        log.read_to_string(&mut text).unwrap();
        let events = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let numbers = |event: serde_json::Value| {
            let fields = &event["fields"];
            format!("{} {} {} {}", fields["attempts"], fields["of_users"], fields["turned_away"], fields["last_from"])
        };
        events.map(numbers).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_one_line_a_minute_and_every_attempt_is_counted() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut log = file.reopen().unwrap();
        let subscriber = tracing_subscriber::fmt().json().with_writer(Arc::new(file.into_file())).finish();
        let _log = tracing::subscriber::set_default(subscriber);
        let refusals = Arc::new(Refusals::default());
        let add = |last: u8, is_user, turned_away| {
            refusals.add(Refused { peer: IpAddr::from([192, 0, 2, last]), is_user, turned_away });
        };
        let nothing: [&str; 0] = [];

        for number in 0..100 {
            add(number, number < 50, number % 2 == 0);
        }
        assert_eq!(take(&mut log), ["1 1 1 \"192.0.2.0\""]);
        sleep(MINUTE / 2).await;
        add(200, false, false);
        assert_eq!(take(&mut log), nothing);
        sleep(MINUTE).await;
        assert_eq!(take(&mut log), ["100 49 49 \"192.0.2.200\""]);
        add(201, true, false);
        assert_eq!(take(&mut log), nothing);
        sleep(MINUTE * 10).await;
        assert_eq!(take(&mut log), ["1 1 0 \"192.0.2.201\""]);
        // Quiet for a minute: the next one is the first again.
        add(202, false, true);
        assert_eq!(take(&mut log), ["1 0 1 \"192.0.2.202\""]);
    }
}
