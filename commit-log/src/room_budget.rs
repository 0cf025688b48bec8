//! [`RoomBudget`]: the bound on the room that the logs of a directory keep, and [`RoomLimits`].
//!
//! Room is zeros that a log has written behind its data, so that appends overwrite blocks which are
//! there and a sync of them changes nothing about the file (see `log/room.rs`).

use std::sync::atomic::{AtomicU64, Ordering};

/// Largest room of all logs of a directory together, by default: enough for 4,096 busy logs with
/// the smallest chunk each.
const ROOM_BYTES_DEFAULT: u64 = 256 * 1024 * 1024;

/// How much room logs make, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoomLimits {
    /// Room of all logs of a directory together, in bytes; a log that gets none grows as it writes.
    pub bytes_max: u64,
    /// The smallest chunk, in bytes; what a segment's end leaves may be less.
    pub chunk_bytes_min: u64,
    /// The largest chunk, in bytes.
    pub chunk_bytes_max: u64,
    /// So many small flushes in a row show that a log's appends are small.
    pub flushes_min: u32,
}

impl Default for RoomLimits {
    fn default() -> Self {
        Self {
            bytes_max: ROOM_BYTES_DEFAULT,
            chunk_bytes_min: 64 * 1024,
            chunk_bytes_max: 1024 * 1024,
            flushes_min: 8,
        }
    }
}

/// Bounds the room of the logs of one directory.
#[derive(Debug)]
pub struct RoomBudget {
    limits: RoomLimits,
    used: AtomicU64,
}

impl RoomBudget {
    /// Allows what `limits` say.
    #[must_use]
    pub const fn new(limits: RoomLimits) -> Self {
        Self {
            limits,
            used: AtomicU64::new(0),
        }
    }

    /// What is allowed.
    #[must_use]
    pub const fn limits(&self) -> &RoomLimits {
        &self.limits
    }

    /// Bytes of room that there are now.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Takes `bytes` if there are as many left.
    pub(crate) fn take(&self, bytes: u64) -> bool {
        let taken = |used: u64| {
            let after = used.checked_add(bytes)?;
            (after <= self.limits.bytes_max).then_some(after)
        };
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken)
            .is_ok()
    }

    /// Gives back what was taken.
    pub(crate) fn give_back(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_taken_than_is_allowed() {
        let budget = RoomBudget::new(RoomLimits {
            bytes_max: 100,
            ..RoomLimits::default()
        });
        assert!(budget.take(60) && !budget.take(41) && budget.take(40));
        assert!(!budget.take(u64::MAX));
        budget.give_back(60);
        assert_eq!(budget.used_bytes(), 40);
        assert!(budget.take(60));
    }
}
