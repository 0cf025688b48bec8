//! [`Clock`]: where the pure cores' time comes from.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;
use trimaran_types::{MonotonicTime, Timestamp};

/// Monotonic milliseconds since this value was made, and the wall clock.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock that starts now.
    #[must_use]
    pub fn start() -> Self {
        Self {
            origin: Instant::now(),
        }
    }

    /// Now, for deadlines.
    #[must_use]
    pub fn now(&self) -> MonotonicTime {
        let elapsed = self.origin.elapsed().as_millis();
        MonotonicTime(u64::try_from(elapsed).unwrap_or(u64::MAX))
    }

    /// The runtime's instant of a moment of this clock; a moment beyond all bounds is far away.
    #[must_use]
    pub fn instant(&self, at: MonotonicTime) -> Instant {
        const FAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
        let offset = Duration::from_millis(at.0).min(FAR);
        self.origin.checked_add(offset).unwrap_or(self.origin)
    }

    /// The wall clock, for records and for the age of segments.
    #[must_use]
    pub fn wall() -> Timestamp {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}
