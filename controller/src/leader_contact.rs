//! [`LeaderContact`]: when a follower heard of its leader last.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use trimaran_types::MonotonicTime;

/// The moment of the last call of the leader.
#[derive(Debug)]
pub(crate) struct LeaderContact {
    patience_ms: u64,
    /// Milliseconds of the monotonic clock, plus one; 0 before the first contact.
    last: AtomicU64,
}

impl LeaderContact {
    /// No contact yet; one counts for as long as `patience`.
    pub(crate) fn new(patience: Duration) -> Self {
        let patience_ms = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        Self {
            patience_ms,
            last: AtomicU64::new(0),
        }
    }

    pub(crate) fn heard(&self, now: MonotonicTime) {
        self.last
            .fetch_max(now.0.saturating_add(1), Ordering::Relaxed);
    }

    /// Whether the leader was heard of lately.
    pub(crate) fn is_fresh(&self, now: MonotonicTime) -> bool {
        match self.last.load(Ordering::Relaxed).checked_sub(1) {
            Some(last) => now.ms_since(MonotonicTime(last)) <= self.patience_ms,
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contact_wears_off() {
        let contact = LeaderContact::new(Duration::from_millis(100));
        assert!(!contact.is_fresh(MonotonicTime(0)));
        contact.heard(MonotonicTime(0));
        assert!(contact.is_fresh(MonotonicTime(100)));
        assert!(!contact.is_fresh(MonotonicTime(101)));
    }
}
