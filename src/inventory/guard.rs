//! How much may disappear at once before a person has to say that it is right. Pure.

use crate::domain::closed_enum;

/// The limits, as `[guard]` sets them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GuardLimits {
    /// The wait between missing and gone, in seconds.
    pub confirm_after_s: i64,
    /// Fewer than this are never held for a share.
    pub min_keys: u64,
    /// Held when this share of a list disappears.
    pub scope_share: f64,
    /// Held when this share of an account disappears.
    pub account_share: f64,
    /// A list of this many or more is held when it turns empty.
    pub small_scope: u64,
    /// What disappeared within this time counts towards the account's share, in seconds.
    pub window_s: i64,
}

closed_enum! {
    /// Why something is held.
    Cause {
        /// A large share of one list disappeared at once.
        ListShrank = "list_shrank",
        /// A whole list disappeared at once.
        ListEmptied = "list_emptied",
        /// A large share of the account's keys disappeared within the window.
        AccountShrank = "account_shrank",
    }
}

/// What disappeared of something, and what is left of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Loss {
    /// Would disappear now, or did within the window.
    pub lost: u64,
    /// Still there.
    pub left: u64,
}

impl GuardLimits {
    /// Holds nothing, and waits so many seconds between missing and gone.
    pub const fn without_holds(confirm_after_s: i64) -> Self {
        Self { confirm_after_s, min_keys: u64::MAX, scope_share: 1.0, account_share: 1.0, small_scope: u64::MAX, window_s: 0 }
    }

    /// Whether one list lost too much.
    pub fn of_list(&self, loss: Loss) -> Option<Cause> {
        if loss.left == 0 && loss.lost >= self.small_scope {
            Some(Cause::ListEmptied)
        } else {
            self.is_share(loss, self.scope_share).then_some(Cause::ListShrank)
        }
    }

    /// Whether the account lost too much.
    pub fn of_account(&self, loss: Loss) -> Option<Cause> {
        self.is_share(loss, self.account_share).then_some(Cause::AccountShrank)
    }

    /// So many are held if they are a large share; fewer never are.
    pub const fn is_many(&self, lost: u64) -> bool {
        lost >= self.min_keys
    }

    fn is_share(&self, loss: Loss, share: f64) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "a share of counts far below 2^52")]
        let (lost, before) = (loss.lost as f64, (loss.lost + loss.left) as f64);
        self.is_many(loss.lost) && lost >= share * before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: GuardLimits = GuardLimits {
        confirm_after_s: 600,
        min_keys: 10,
        scope_share: 0.5,
        account_share: 0.2,
        small_scope: 5,
        window_s: 86_400,
    };

    #[test]
    fn limits_are_inclusive() {
        let list = |lost, left| LIMITS.of_list(Loss { lost, left });
        assert_eq!(list(10, 10), Some(Cause::ListShrank));
        assert_eq!(list(9, 0), Some(Cause::ListEmptied));
        assert_eq!(list(9, 1), None, "fewer than ten are no share");
        assert_eq!(list(10, 11), None, "less than half");
        assert_eq!(list(4, 0), None, "a list of four may turn empty");
        assert_eq!(list(5, 0), Some(Cause::ListEmptied));
        assert_eq!(list(0, 0), None);
        let account = |lost, left| LIMITS.of_account(Loss { lost, left });
        assert_eq!(account(10, 40), Some(Cause::AccountShrank));
        assert_eq!(account(10, 41), None);
        assert_eq!(account(9, 0), None);
    }
}
