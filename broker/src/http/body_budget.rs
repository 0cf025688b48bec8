//! [`BodyBudget`]: how much of request bodies may be in memory at once (P-BOUND).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A bound on bytes, shared by all connections.
#[derive(Debug)]
pub struct BodyBudget {
    used_bytes: AtomicUsize,
    bytes_max: usize,
}

/// A growing share of a budget; given back when dropped.
#[derive(Debug)]
pub(super) struct BodyShare {
    budget: Arc<BodyBudget>,
    bytes: usize,
}

impl BodyBudget {
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

    /// An empty share.
    pub(super) fn share(self: &Arc<Self>) -> BodyShare {
        BodyShare {
            budget: Arc::clone(self),
            bytes: 0,
        }
    }
}

impl BodyShare {
    /// Takes `more` bytes; whether they were there.
    pub(super) fn grow(&mut self, more: usize) -> bool {
        let fits = |used: usize| {
            let after = used.checked_add(more)?;
            (after <= self.budget.bytes_max).then_some(after)
        };
        let taken = self
            .budget
            .used_bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits)
            .is_ok();
        if taken {
            self.bytes = self.bytes.saturating_add(more);
        }
        taken
    }

    /// Gives back all but `left` bytes.
    pub(super) fn shrink_to(&mut self, left: usize) {
        let given_back = self.bytes.saturating_sub(left);
        self.budget
            .used_bytes
            .fetch_sub(given_back, Ordering::Relaxed);
        self.bytes -= given_back;
    }
}

impl Drop for BodyShare {
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
    fn a_share_grows_within_the_budget_and_comes_back() {
        let budget = BodyBudget::new(10);
        let mut one = budget.share();
        let mut other = budget.share();
        assert!(one.grow(6));
        assert!(!other.grow(5));
        assert!(other.grow(4));
        drop(one);
        assert_eq!(budget.used_bytes(), 4);
        assert!(!other.grow(usize::MAX));
        other.shrink_to(9);
        assert_eq!(budget.used_bytes(), 4);
        other.shrink_to(1);
        assert_eq!(budget.used_bytes(), 1);
        drop(other);
        assert_eq!(budget.used_bytes(), 0);
    }
}
