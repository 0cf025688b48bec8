//! [`Clock`]: the only place of this crate that asks for the time.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use trimaran_types::{MonotonicTime, Timestamp};

/// The process's two clocks. Deadlines use [`Clock::now`]; records carry [`Clock::wall`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock whose monotonic time begins now.
    #[must_use]
    pub(crate) fn start() -> Self {
        Self {
            origin: Instant::now(),
        }
    }

    /// Milliseconds since the start; never goes back.
    #[must_use]
    pub(crate) fn now(self) -> MonotonicTime {
        MonotonicTime(u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// The wall clock; before 1970 counts as 1970.
    #[must_use]
    pub(crate) fn wall(self) -> Timestamp {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}
