//! [`Pace`]: how long to wait so that a rate of bytes is not passed.

use std::time::{Duration, Instant};

/// Spreads bytes over time. Nothing is saved up: a time without bytes allows no burst.
#[derive(Debug)]
pub(super) struct Pace {
    bytes_per_second: Option<u64>,
    free_at: Option<Instant>,
}

impl Pace {
    pub(super) const fn new(bytes_per_second: Option<u64>) -> Self {
        Self {
            bytes_per_second,
            free_at: None,
        }
    }

    /// How long to wait after `bytes` at `now`.
    pub(super) fn pause_after(&mut self, bytes: u64, now: Instant) -> Duration {
        let Some(rate) = self.bytes_per_second else {
            return Duration::ZERO;
        };
        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(rate.max(1));
        let cost = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let from = self.free_at.map_or(now, |at| at.max(now));
        let Some(free_at) = from.checked_add(cost) else {
            return cost;
        };
        self.free_at = Some(free_at);
        free_at.duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_spread_and_nothing_is_saved_up() {
        let start = Instant::now();
        let mut pace = Pace::new(Some(1000));
        let after = |ms| start + Duration::from_millis(ms);
        assert_eq!(pace.pause_after(100, start), Duration::from_millis(100));
        assert_eq!(pace.pause_after(100, start), Duration::from_millis(200));
        assert_eq!(pace.pause_after(50, after(150)), Duration::from_millis(100));
        assert_eq!(pace.pause_after(10, after(900)), Duration::from_millis(10));
        assert_eq!(Pace::new(None).pause_after(1 << 40, start), Duration::ZERO);
    }
}
