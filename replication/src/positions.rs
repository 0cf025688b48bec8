//! [`LogPositions`]: where one replica's log begins and ends.

use trimaran_types::Offset;

/// The bounds of a log; `log_start ≤ flushed_end ≤ log_end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogPositions {
    /// First offset kept.
    pub log_start: Offset,
    /// Everything below is on disk.
    pub flushed_end: Offset,
    /// First unwritten offset.
    pub log_end: Offset,
}

impl LogPositions {
    /// Of an empty log that begins at `offset`.
    #[must_use]
    pub const fn empty_at(offset: Offset) -> Self {
        Self {
            log_start: offset,
            flushed_end: offset,
            log_end: offset,
        }
    }

    /// Whether the three are in order.
    #[must_use]
    pub fn are_ordered(&self) -> bool {
        self.log_start <= self.flushed_end && self.flushed_end <= self.log_end
    }
}
