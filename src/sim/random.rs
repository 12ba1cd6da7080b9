//! Chance that repeats itself: the same seed gives the same world, and ids that can be read back into numbers.

/// The finaliser of splitmix64: every number has exactly one image.
pub(super) const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// What [`mix`] was given.
pub(super) const fn unmix(mut z: u64) -> u64 {
    z = (z ^ (z >> 31) ^ (z >> 62)).wrapping_mul(0x3196_42b2_d24d_8ec3);
    z = (z ^ (z >> 27) ^ (z >> 54)).wrapping_mul(0x96de_1b17_3f11_9089);
    z ^ (z >> 30) ^ (z >> 60)
}

/// splitmix64.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number of `from..to`; `from` where that is empty.
    pub(super) const fn between(&mut self, from: i64, to: i64) -> i64 {
        let span = to.saturating_sub(from);
        if span <= 0 {
            return from;
        }
        from.saturating_add((self.next() % span.unsigned_abs()).cast_signed())
    }

    /// An index below `count`, or 0.
    pub(super) fn below(&mut self, count: usize) -> usize {
        let count = u64::try_from(count).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % count).unwrap_or(0)
    }

    /// True in that many of a hundred cases.
    pub(super) const fn percent(&mut self, share: u64) -> bool {
        self.next() % 100 < share
    }

    /// One of them.
    pub(super) fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(self.below(of.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixing_can_be_undone() {
        let mut random = Random::new(7);
        for _ in 0..1000 {
            let number = random.next();
            assert_eq!(unmix(mix(number)), number);
        }
    }

    #[test]
    fn numbers_stay_in_range() {
        let mut random = Random::new(1);
        let drawn: Vec<i64> = (0..1000).map(|_| random.between(-3, 4)).collect();
        assert!(drawn.iter().all(|n| (-3..4).contains(n)) && drawn.contains(&-3) && drawn.contains(&3));
        assert_eq!(random.between(5, 5), 5);
    }
}
