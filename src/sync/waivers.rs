//! Tells in the log when a waiver has ended: from then on its keys need a person again.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::inventory::Inventory;

/// How long a reload or a clock that was set may go unnoticed.
const LOOK: Duration = Duration::from_mins(1);

/// Tells each end once, until `stop`. What was told is stored before it is told: an end can be lost where the process is killed
/// between the two, and is never told twice.
pub async fn tell_ends(inventory: Inventory, clock: Clock, stop: CancellationToken) {
    loop {
        let now = clock.now();
        let next = match inventory.ended_waivers(now).await {
            Ok((ended, next)) => {
                for waiver in ended {
                    let (matches, until) = (waiver.matches, waiver.until);
                    tracing::warn!(%matches, reason = waiver.reason, who = waiver.who, %until, "a waiver has ended: its keys count again");
                }
                next
            }
            Err(error) => {
                tracing::error!(%error, "cannot look whether a waiver has ended");
                None
            }
        };
        let ahead = next.map_or(LOOK, |next| Duration::from_secs(next.since(now).unsigned_abs()));
        if stop.run_until_cancelled(tokio::time::sleep(ahead.clamp(Duration::from_secs(1), LOOK))).await.is_none() {
            return;
        }
    }
}
