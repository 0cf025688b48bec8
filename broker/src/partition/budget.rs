//! [`AppendBudget`]: how much may wait for an acknowledgement at once (P-BOUND).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What one waiting append costs beside its bytes, so that many small ones are bounded, too.
const WAITER_BYTES: usize = 1024;

/// A bound on the bytes of appends that were taken in and not answered.
#[derive(Debug)]
pub struct AppendBudget {
    used_bytes: AtomicUsize,
    bytes_max: usize,
}

/// A share of a budget; given back when dropped.
#[derive(Debug)]
pub(super) struct AppendPermit {
    budget: Arc<AppendBudget>,
    bytes: usize,
}

impl AppendBudget {
    /// A budget of `bytes_max`.
    #[must_use]
    pub fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(Self {
            used_bytes: AtomicUsize::new(0),
            bytes_max,
        })
    }

    /// Bytes in use.
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        self.used_bytes.load(Ordering::Relaxed)
    }

    /// Takes a share for an append of `bytes`; `None` when the budget is used up. An append that
    /// is larger than the whole budget passes while nothing else waits, so that it can pass at all.
    pub(super) fn take(self: &Arc<Self>, bytes: usize) -> Option<AppendPermit> {
        let bytes = bytes.saturating_add(WAITER_BYTES);
        let fits = |used: usize| {
            let after = used.saturating_add(bytes);
            (used == 0 || after <= self.bytes_max).then_some(after)
        };
        self.used_bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits)
            .ok()?;
        Some(AppendPermit {
            budget: Arc::clone(self),
            bytes,
        })
    }
}

impl Drop for AppendPermit {
    fn drop(&mut self) {
        self.budget
            .used_bytes
            .fetch_sub(self.bytes, Ordering::Relaxed);
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
