//! [`AppendBudget`]: how much may wait for an acknowledgement at once (P-BOUND).

use std::sync::Arc;

use crate::byte_budget::{ByteBudget, ByteShare};

/// What one waiting append costs beside its bytes, so that many small ones are bounded, too.
const WAITER_BYTES: usize = 1024;

/// A bound on the bytes of appends that were taken in and not answered. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AppendBudget(Arc<ByteBudget>);

impl AppendBudget {
    /// A budget of `bytes_max`.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self(ByteBudget::new(bytes_max))
    }

    /// Bytes in use.
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        self.0.used_bytes()
    }

    /// Takes a share for an append of `bytes`, to be held until the answer; `None` when the budget is
    /// used up. An append that is larger than the whole budget passes while nothing else waits.
    pub(super) fn take(&self, bytes: usize) -> Option<ByteShare> {
        let mut share = self.0.share();
        let taken = share.grow_within_or_alone(bytes.saturating_add(WAITER_BYTES));
        taken.then_some(share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_bounded_and_come_back() {
        let budget = AppendBudget::new(10 * WAITER_BYTES);
        let large = budget.take(100 * WAITER_BYTES).unwrap();
        assert!(budget.take(0).is_none());
        drop(large);
        let shares: Vec<_> = std::iter::from_fn(|| budget.take(WAITER_BYTES)).collect();
        assert_eq!(shares.len(), 5);
        drop(shares);
        assert_eq!(budget.used_bytes(), 0);
    }
}
