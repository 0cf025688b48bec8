//! [`ByteBudget`]: how much of one kind of thing may be in memory at once (P-BOUND).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A bound on bytes, shared by all who take of it.
#[derive(Debug)]
pub struct ByteBudget {
    used_bytes: AtomicUsize,
    bytes_max: usize,
}

/// A growing share of a budget; given back when dropped.
#[derive(Debug)]
pub(crate) struct ByteShare {
    budget: Arc<ByteBudget>,
    bytes: usize,
}

impl ByteBudget {
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
    pub(crate) fn share(self: &Arc<Self>) -> ByteShare {
        ByteShare {
            budget: Arc::clone(self),
            bytes: 0,
        }
    }
}

impl ByteShare {
    /// Takes `more` bytes; whether they were there.
    pub(crate) fn grow(&mut self, more: usize) -> bool {
        let bytes_max = self.budget.bytes_max;
        self.take(more, |_, after| after <= bytes_max)
    }

    /// The same, but while nothing is in use, it takes more than there is: what is larger than the
    /// whole budget can pass at all, alone.
    pub(crate) fn grow_within_or_alone(&mut self, more: usize) -> bool {
        let bytes_max = self.budget.bytes_max;
        self.take(more, |used, after| used == 0 || after <= bytes_max)
    }

    fn take(&mut self, more: usize, may: impl Fn(usize, usize) -> bool) -> bool {
        let fits = |used: usize| {
            let after = used.checked_add(more)?;
            may(used, after).then_some(after)
        };
        let used_bytes = &self.budget.used_bytes;
        let taken = used_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits);
        if taken.is_ok() {
            self.bytes = self.bytes.saturating_add(more);
        }
        taken.is_ok()
    }

    /// Gives back all but `left` bytes.
    pub(crate) fn shrink_to(&mut self, left: usize) {
        let given_back = self.bytes.saturating_sub(left);
        self.budget
            .used_bytes
            .fetch_sub(given_back, Ordering::Relaxed);
        self.bytes -= given_back;
    }
}

impl Drop for ByteShare {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_grows_within_the_budget_and_comes_back() {
        let budget = ByteBudget::new(10);
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

    #[test]
    fn what_is_too_large_passes_alone_where_that_is_asked_for() {
        let budget = ByteBudget::new(10);
        let mut large = budget.share();
        assert!(!large.grow(11));
        assert!(large.grow_within_or_alone(11));
        let mut other = budget.share();
        assert!(!other.grow_within_or_alone(1));
        drop(large);
        assert!(other.grow_within_or_alone(10));
        assert!(!other.grow_within_or_alone(1));
    }
}
