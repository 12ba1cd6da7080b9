//! Waivers that have ended, each told of once, also by another run than the one in which it ended.

use super::error::Stored;
use super::open::Inventory;
use crate::domain::Time;

/// A waiver that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedWaiver {
    /// Which keys it matched, as the config writes it.
    pub matches: String,
    /// Why they were accepted.
    pub reason: String,
    /// Who accepted them.
    pub who: String,
    /// When it ended.
    pub until: Time,
}

const NOT_TOLD: &str = "
SELECT matches, reason, who, until FROM waiver
 WHERE until > (SELECT coalesce(waivers_told_at, computed_at) FROM policy) ORDER BY until, id";

impl Inventory {
    /// Waivers of the policy in force that have ended and were not told of yet, in the order of their ends; from now on they
    /// count as told. And when the next one ends.
    pub async fn ended_waivers(&self, now: Time) -> Stored<(Vec<EndedWaiver>, Option<Time>)> {
        let mut ended = self
            .reader()
            .read(|connection| {
                let mut select = connection.prepare_cached(NOT_TOLD)?;
                let waivers = select.query_map([], |row| {
                    let until = Time::from_unix(row.get(3)?);
                    Ok(EndedWaiver { matches: row.get(0)?, reason: row.get(1)?, who: row.get(2)?, until })
                })?;
                Ok(waivers.collect::<Result<Vec<_>, _>>()?)
            })
            .await?;
        let ahead = ended.split_off(ended.partition_point(|waiver| waiver.until <= now));
        if let Some(last) = ended.last().map(|waiver| waiver.until.unix()) {
            self.write(move |transaction| Ok(transaction.execute("UPDATE policy SET waivers_told_at = ?1", [last])?)).await?;
        }
        Ok((ended, ahead.first().map(|waiver| waiver.until)))
    }
}
