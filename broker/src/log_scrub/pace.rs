//! [`Pace`]: when the next bytes may be read, so that all are read once in an interval and no rate is
//! passed.

use std::time::Duration;

/// What was read and not yet waited for. The rate follows from how much there is, so it is asked for
/// again and again during a long wait: logs grow.
#[derive(Debug)]
pub(super) struct Pace {
    bytes_per_second_max: u64,
    interval: Duration,
    /// In billionths of a byte.
    owed: u128,
}

const NANOS: u128 = 1_000_000_000;

impl Pace {
    pub(super) const fn new(bytes_per_second_max: u64, interval: Duration) -> Self {
        Self {
            bytes_per_second_max,
            interval,
            owed: 0,
        }
    }

    pub(super) fn read(&mut self, bytes: u64) {
        self.owed += u128::from(bytes) * NANOS;
    }

    /// How long to wait if there are `total_bytes` to read in an interval; `None` when nothing is
    /// owed.
    pub(super) fn wait(&self, total_bytes: u64) -> Option<Duration> {
        if self.owed == 0 {
            return None;
        }
        let per_second = self.per_second(total_bytes);
        let nanos = self.owed.saturating_mul(NANOS).div_ceil(per_second);
        Some(Duration::from_nanos(
            u64::try_from(nanos).unwrap_or(u64::MAX),
        ))
    }

    /// So much of the wait is over. Nothing is saved up: more than was owed allows no burst.
    pub(super) fn waited(&mut self, time: Duration, total_bytes: u64) {
        let paid = self
            .per_second(total_bytes)
            .saturating_mul(time.as_nanos())
            .div_ceil(NANOS);
        self.owed = self.owed.saturating_sub(paid);
    }

    /// The rate in billionths of a byte a second, never 0.
    fn per_second(&self, total_bytes: u64) -> u128 {
        let even = u128::from(total_bytes) * NANOS * NANOS / self.interval.as_nanos().max(1);
        even.clamp(1, u128::from(self.bytes_per_second_max.max(1)) * NANOS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    #[test]
    fn all_bytes_take_an_interval() {
        let total = 864_000;
        let mut pace = Pace::new(u64::MAX, DAY);
        assert_eq!(pace.wait(total), None);
        let mut took = Duration::ZERO;
        for _ in 0..total / 1000 {
            pace.read(1000);
            let wait = pace.wait(total).unwrap();
            assert_eq!(wait, Duration::from_secs(100));
            pace.waited(wait, total);
            assert_eq!(pace.wait(total), None);
            took += wait;
        }
        assert_eq!(took, DAY);
    }

    #[test]
    fn the_rate_is_the_bound() {
        let mut pace = Pace::new(1000, Duration::from_secs(1));
        pace.read(5000);
        assert_eq!(pace.wait(u64::MAX), Some(Duration::from_secs(5)));
        pace.waited(Duration::from_secs(2), u64::MAX);
        assert_eq!(pace.wait(u64::MAX), Some(Duration::from_secs(3)));
        pace.waited(DAY, u64::MAX);
        pace.read(1000);
        let one = Some(Duration::from_secs(1));
        assert_eq!(pace.wait(u64::MAX), one, "nothing is saved up");
    }

    #[test]
    fn a_wait_follows_what_there_is_to_read() {
        let seconds = Duration::from_secs;
        let mut pace = Pace::new(u64::MAX, seconds(1000));
        pace.read(1000);
        // All there was: an interval to wait.
        assert_eq!(pace.wait(1000), Some(seconds(1000)));
        pace.waited(seconds(400), 1000);
        assert_eq!(pace.wait(1000), Some(seconds(600)));
        assert_eq!(pace.wait(100_000), Some(seconds(6)));
        // Nothing is left: it waits for good, and overflows nowhere.
        assert!(pace.wait(0).unwrap() > 365 * DAY);
        pace.read(u64::MAX);
        pace.waited(Duration::MAX, u64::MAX);
        assert!(Pace::new(0, Duration::ZERO).wait(u64::MAX).is_none());
    }
}
