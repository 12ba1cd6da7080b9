//! What the charts of the overview show: keys by when they expire, were made and last used, in buckets of whole days, and the weeks
//! that are over. It is remembered with the counts, for as long as the day lasts: the buckets begin and end with days.

use std::sync::Arc;

use super::{Counts, Views, When};
use crate::domain::Time;
use crate::inventory::{Charted, Moments, Over, Stored, WEEKS};

const DAY: i64 = 24 * 60 * 60;
/// Ages at which buckets end, in days.
const AGES: [i64; 5] = [30, 90, 180, 365, 730];
/// Likewise of the last use.
const USES: [i64; 4] = [7, 30, 90, 180];

/// All charts, as of the instant of the counts.
#[derive(Debug)]
pub struct Charts {
    /// As of when.
    pub at: Time,
    /// When the coming weeks expire what: one bucket for each week, then all that expires later.
    pub expiries: Spread,
    /// Ages, the youngest first.
    pub ages: Spread,
    /// Last uses, the newest first.
    pub uses: Spread,
    /// The weeks that are over.
    pub over: Over,
}

/// Keys by the time at which something of them is.
#[derive(Debug)]
pub struct Spread {
    /// Stretches of time that leave no gap.
    pub buckets: Vec<Bucket>,
    /// *Never*.
    pub never: u64,
    /// *Not reported*.
    pub not_reported: u64,
}

/// A stretch of time, and how many keys are in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// From when, included; `None` where it is open.
    pub from: Option<Time>,
    /// To when, included; `None` where it is open.
    pub to: Option<Time>,
    /// How many.
    pub keys: u64,
}

impl Bucket {
    /// What asks for its keys.
    pub const fn when(&self) -> When {
        When::Between(self.from, self.to)
    }
}

#[derive(Debug)]
pub(super) struct Remembered {
    counts: Arc<Counts>,
    day: i64,
    charts: Arc<Charts>,
}

impl Views {
    /// What the charts show. Nothing of it changes between two counts, unless the day does: a key that expires makes a new count.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn charts(&self) -> Stored<Arc<Charts>> {
        let mut remembered = self.0.charts.lock().await;
        let (counts, now) = (self.counts().await?, self.0.clock.now());
        let day = now.unix().div_euclid(DAY);
        if let Some(before) = &*remembered
            && Arc::ptr_eq(&before.counts, &counts)
            && before.day == day
        {
            return Ok(Arc::clone(&before.charts));
        }
        let charts = Arc::new(charts(self.0.reader.charted(now).await?, now));
        *remembered = Some(Remembered { counts, day, charts: Arc::clone(&charts) });
        Ok(charts)
    }
}

fn charts(charted: Charted, now: Time) -> Charts {
    let today = now.unix().div_euclid(DAY);
    let mut expiries: Vec<Bucket> = (0..WEEKS)
        .map(|week| i64::try_from(week).unwrap_or(i64::MAX))
        .map(|week| {
            let begins = today + 7 * week;
            bucket(&charted.expires, Some(begins), Some(begins + 7))
        })
        .collect();
    // What expired today is over: the first week begins behind this instant.
    if let Some(first) = expiries.first_mut() {
        first.from = Some(now.plus(1));
    }
    let later = expiries.last().and_then(|last| last.to).map(|to| (to.unix() + 1) / DAY);
    expiries.push(bucket(&charted.expires, later, None));
    Charts {
        at: now,
        expiries: spread(&charted.expires, expiries),
        ages: spread(&charted.created, ages(&charted.created, today, &AGES)),
        uses: spread(&charted.last_used, ages(&charted.last_used, today, &USES)),
        over: charted.over,
    }
}

const fn spread(moments: &Moments, buckets: Vec<Bucket>) -> Spread {
    Spread { buckets, never: moments.never, not_reported: moments.not_reported }
}

/// The youngest first.
fn ages(moments: &Moments, today: i64, ages: &[i64]) -> Vec<Bucket> {
    let begins = ages.iter().map(|age| Some(today - age)).chain([None]);
    let ends = [None].into_iter().chain(ages.iter().map(|age| Some(today - age)));
    begins.zip(ends).map(|(from, to)| bucket(moments, from, to)).collect()
}

/// From that day to the one before the other.
fn bucket(moments: &Moments, from: Option<i64>, to: Option<i64>) -> Bucket {
    let is_in = |day: i64| from.is_none_or(|from| from <= day) && to.is_none_or(|to| day < to);
    Bucket {
        from: from.map(|day| Time::from_unix(day * DAY)),
        to: to.map(|day| Time::from_unix(day * DAY - 1)),
        keys: moments.by_day.iter().filter(|(day, _)| is_in(**day)).map(|(_, keys)| keys).sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::inventory::Inventory;

    #[test]
    fn buckets_leave_nothing_out_and_nothing_is_in_two() {
        let today = 20_000;
        let by_day = (today - 1_000..=today + 3).map(|day| (day, 1)).collect();
        let moments = Moments { by_day, never: 3, not_reported: 4 };
        let buckets = ages(&moments, today, &AGES);
        assert_eq!(buckets.iter().map(|bucket| bucket.keys).collect::<Vec<_>>(), [34, 60, 90, 185, 365, 270]);
        for pair in buckets.windows(2) {
            assert_eq!(pair[0].from.map(|from| from.plus(-1)), pair[1].to);
        }
        let over = Over { weeks: std::array::from_fn(|_| None), whole_since: None, first_read: Vec::new() };
        let charted = Charted {
            expires: Moments { by_day: (today..today + 100).map(|day| (day, 2)).collect(), ..moments.clone() },
            created: moments.clone(),
            last_used: moments,
            over,
        };
        let now = Time::from_unix(today * DAY + 3_600);
        let expiries = charts(charted, now).expiries.buckets;
        assert_eq!((expiries.len(), expiries.iter().map(|bucket| bucket.keys).sum::<u64>()), (13, 200));
        assert_eq!((expiries[0].from, expiries[12].to), (Some(now.plus(1)), None));
    }

    const KEY: &str = "
        INSERT INTO account (id, name, provider, configured) VALUES (1, 'a', 'openai', 1);
        INSERT INTO organization (id, account_id, first_seen_at) VALUES (1, 1, 1);
        INSERT INTO scope (id, organization_id, kind) VALUES (1, 1, 'admin');
        INSERT INTO key (id, organization_id, remote_id, kind, scope_id, created_at, expires_state, enabled, fingerprint, presence, presence_reason, first_seen_at, first_walk)
        VALUES (1, 1, 'k', 'admin', 1, 1728000000, 'never', 1, 0, 'present', 'listed', 1, 1);
        INSERT INTO last_use (key_id, used_state) VALUES (1, 'never');";

    #[tokio::test]
    async fn a_new_day_draws_the_charts_anew_though_nothing_was_counted() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::runtime(Time::from_unix(1_728_000_000 + 30 * DAY + DAY / 2));
        let inventory = Inventory::open(&folder.path().join("inventory.db"), clock.now()).unwrap();
        inventory.write(|transaction| Ok(transaction.execute_batch(KEY)?)).await.unwrap();
        let views = Views::new(&inventory, clock.clone(), Vec::new());
        let ages = async || views.charts().await.unwrap().ages.buckets.iter().map(|bucket| bucket.keys).collect::<Vec<_>>();
        assert_eq!(ages().await, [1, 0, 0, 0, 0, 0]);
        let (first, again) = (views.charts().await.unwrap(), views.charts().await.unwrap());
        assert!(Arc::ptr_eq(&first, &again), "remembered");
        let recounts = views.recounts();
        clock.jump(DAY);
        assert_eq!((ages().await, views.recounts()), (vec![0, 1, 0, 0, 0, 0], recounts));
        inventory.close().await.unwrap();
    }
}
