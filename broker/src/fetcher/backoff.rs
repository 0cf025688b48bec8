//! [`Backoff`]: pauses that grow while something keeps failing.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_secs(1);

/// 20 ms, doubled with each failure, at most 1 s.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Counts a failure and tells how long to pause.
    pub(super) fn failed(&mut self) -> Duration {
        let doublings = self.failures.min(10);
        self.failures = self.failures.saturating_add(1);
        (FIRST * (1 << doublings)).min(LONGEST)
    }

    /// Begins anew.
    pub(super) const fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Whether this is the first of a row of failures: the one to tell people about.
    pub(super) const fn is_first(&self) -> bool {
        self.failures == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_second() {
        let mut backoff = Backoff::default();
        let pauses: Vec<u128> = (0..8).map(|_| backoff.failed().as_millis()).collect();
        assert_eq!(pauses, [20, 40, 80, 160, 320, 640, 1_000, 1_000]);
        backoff.succeeded();
        assert_eq!(backoff.failed(), FIRST);
        assert!(backoff.is_first());
    }
}
